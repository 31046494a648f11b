//! The table `instruments`: rows to contract specifications, or what is wrong with them.

use crate::Result;
use crate::cells::number::{Numbers, in_range};
use crate::cells::text::{Text, cut};
use crate::cells::time::Times;
use crate::formats::batch::Batch;
use crate::market::InstrumentKind;

/// A row of `instruments`.
pub(crate) struct ContractRow {
    pub inst_id: Option<String>,
    pub contract: Result<Contract, Fault>,
    /// Its expiry is text without a zone.
    pub is_naive: bool,
}

/// The column that is at fault, and its value.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Fault {
    pub column: &'static str,
    pub value: String,
}

/// A valid contract specification.
#[derive(Debug, PartialEq)]
pub(crate) struct Contract {
    pub kind: InstrumentKind,
    pub uly: String,
    pub settle: String,
    pub multiplier: f64,
    pub expiry_ns: Option<i64>,
    /// Smallest step of an order's quantity, contracts.
    pub lot_sz: f64,
}

/// Base and quote of `BASE-QUOTE`.
pub(crate) fn base_quote(name: &str) -> Option<(&str, &str)> {
    let (base, quote) = name.split_once('-')?;
    (!base.is_empty() && !quote.is_empty() && !quote.contains('-')).then_some((base, quote))
}

/// Currencies, besides the quote, in which a linear contract may settle.
const DOLLARS: [&str; 3] = ["USD", "USDT", "USDC"];

/// The lot of an instrument that names none.
const ONE_CONTRACT: f64 = 1.0;

struct Columns {
    inst_id: Text,
    inst_type: Text,
    uly: Text,
    settle_ccy: Text,
    ct_type: Text,
    ct_val: Numbers,
    ct_mult: Numbers,
    expiry: Times,
    strike: Numbers,
    opt_type: Text,
    lot_sz: Numbers,
}

/// Appends the rows of a batch.
pub(crate) fn read(rows: &mut Vec<ContractRow>, batch: &Batch) -> Result<()> {
    let columns = Columns {
        inst_id: batch.text("inst_id")?,
        inst_type: batch.text("inst_type")?,
        uly: batch.text("uly")?,
        settle_ccy: batch.text("settle_ccy")?,
        ct_type: batch.text("ct_type")?,
        ct_val: batch.numbers("ct_val")?,
        ct_mult: batch.numbers("ct_mult")?,
        expiry: batch.times("expiry")?,
        strike: batch.numbers("strike")?,
        opt_type: batch.text("opt_type")?,
        lot_sz: batch.numbers("lot_sz")?,
    };
    rows.extend((0..batch.rows).map(|row| ContractRow {
        inst_id: columns.inst_id.get(row).map(str::to_owned),
        contract: columns.contract(row),
        is_naive: columns.expiry.is_naive(row),
    }));
    Ok(())
}

impl Columns {
    /// Checks one row, in the order of the columns. `strike` and `opt_type` say nothing of a swap or a future and are
    /// not looked at there.
    fn contract(&self, row: usize) -> Result<Contract, Fault> {
        let fault = |column, text: &Text| Fault { column, value: text.raw(row) };
        let (option, swap) = match self.inst_type.get(row).map(str::to_ascii_uppercase).as_deref() {
            Some("SWAP") => (false, true),
            Some("FUTURES") => (false, false),
            Some("OPTION") => (true, false),
            _ => return Err(fault("inst_type", &self.inst_type)),
        };
        let uly = self.uly.get(row).unwrap_or_default();
        let (base, quote) = base_quote(uly).ok_or_else(|| fault("uly", &self.uly))?;
        let settle = self.settle_ccy.get(row).ok_or_else(|| fault("settle_ccy", &self.settle_ccy))?;
        let inverse = match self.ct_type.get(row).map(str::to_ascii_lowercase).as_deref() {
            Some("inverse") => true,
            Some("linear") => false,
            None => settle == base,
            Some(_) => return Err(fault("ct_type", &self.ct_type)),
        };
        // The face of an inverse swap or future is USD; in another quote its formulas would be wrong by fx.
        let settles = if inverse {
            settle == base && (option || quote == "USD")
        } else {
            settle != base && (settle == quote || DOLLARS.contains(&settle))
        };
        if !settles {
            return Err(fault("settle_ccy", &self.settle_ccy));
        }
        let positive = |column, numbers: &Numbers| match numbers.get(row) {
            Ok(Some(number)) if number > 0.0 => Ok(number),
            _ => Err(Fault { column, value: cut(&numbers.raw(row)) }),
        };
        let multiplier = positive("ct_val", &self.ct_val)? * positive("ct_mult", &self.ct_mult)?;
        in_range(multiplier).map_err(|_| Fault {
            column: "ct_mult",
            value: cut(&format!("{} x {}", self.ct_val.raw(row), self.ct_mult.raw(row))),
        })?;
        let expiry_ns = match self.expiry.get(row) {
            Ok(expiry_ns) if expiry_ns.is_none() == swap => expiry_ns,
            _ => return Err(Fault { column: "expiry", value: cut(&self.expiry.raw(row)) }),
        };
        let kind = if option {
            let strike = positive("strike", &self.strike)?;
            let call = match self.opt_type.get(row) {
                Some("C" | "c") => true,
                Some("P" | "p") => false,
                _ => return Err(fault("opt_type", &self.opt_type)),
            };
            InstrumentKind::Option { call, strike }
        } else if inverse {
            InstrumentKind::Inverse
        } else {
            InstrumentKind::Linear
        };
        let lot_sz = match self.lot_sz.get(row) {
            Ok(None) => ONE_CONTRACT,
            _ => positive("lot_sz", &self.lot_sz)?,
        };
        Ok(Contract { kind, uly: uly.to_owned(), settle: settle.to_owned(), multiplier, expiry_ns, lot_sz })
    }
}
