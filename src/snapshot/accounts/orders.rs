//! The table `orders`: pending orders on contracts and on spot pairs.

use super::AccountRuns;
use crate::Result;
use crate::cells::number::{NumberError, Numbers};
use crate::cells::text::{Text, cut};
use crate::formats::batch::Batch;
use crate::margin::account::{Order, Traded};
use crate::snapshot::market::contracts::base_quote;
use crate::snapshot::market::{Listings, Priced, Refusal};
use crate::snapshot::reject::{Broken, Reason};

/// Rows of a part of the table.
#[derive(Default)]
pub(crate) struct Orders {
    pub runs: AccountRuns,
    pub order: Vec<Order>,
    pub broken: Vec<Broken>,
}

/// What is wrong with a row: reason, column, value.
type Fault = (Reason, &'static str, String);

/// What an `inst_id` stands for.
#[derive(Clone, Copy)]
enum Target {
    Listed(u32),
    Spot(Traded),
    /// Neither a contract nor a pair.
    Unknown,
    /// A pair whose base has no price, or else its quote.
    NoBase,
    NoQuote,
}

impl Target {
    fn find(inst_id: &str, listings: &Listings, priced: &Priced) -> Self {
        if let Some(number) = listings.hold(inst_id) {
            return Self::Listed(number);
        }
        let Some((base, quote)) = base_quote(inst_id) else { return Self::Unknown };
        match (priced.index(base), priced.index(quote)) {
            (Some(base), Some(quote)) if base != quote => Self::Spot(Traded::Spot { base, quote }),
            (Some(_), Some(_)) => Self::Unknown,
            (None, _) => Self::NoBase,
            (_, None) => Self::NoQuote,
        }
    }

    /// What is traded, or why nothing can be.
    fn tradable(self, inst_id: &str, listings: &Listings) -> Result<Traded, Fault> {
        let pair = base_quote(inst_id).unwrap_or_default();
        match self {
            Self::Spot(traded) => Ok(traded),
            Self::Unknown => Err((Reason::UnknownInstrument, "inst_id", cut(inst_id))),
            Self::NoBase => Err((Reason::MissingFx, "inst_id", cut(pair.0))),
            Self::NoQuote => Err((Reason::MissingFx, "inst_id", cut(pair.1))),
            Self::Listed(number) => {
                let listing = listings.get(number);
                let refused = |refusal: &Refusal| (refusal.reason, refusal.column, refusal.value.clone());
                match (&listing.refusal, listing.instrument) {
                    (None, Some(instrument)) => Ok(Traded::Contract(instrument)),
                    (Some(refusal), _) => Err(refused(refusal)),
                    (None, None) => Err((Reason::InvalidInstrument, "inst_id", cut(inst_id))),
                }
            }
        }
    }
}

struct Columns {
    inst_id: Text,
    side: Text,
    qty: Numbers,
    px: Numbers,
}

impl Orders {
    pub fn read(&mut self, batch: &Batch, listings: &Listings, priced: &Priced) -> Result<()> {
        let accounts = batch.text("account_id")?;
        let columns = Columns {
            inst_id: batch.text("inst_id")?,
            side: batch.text("side")?,
            qty: batch.numbers("qty")?,
            px: batch.numbers("px")?,
        };
        let mut memo = columns.inst_id.memo();
        for row in 0..batch.rows {
            let number = batch.first_row + row as u64;
            let broken =
                |account, (reason, column, value): Fault| Broken { row: number, account, reason, column, value };
            let Some(id) = accounts.get(row) else {
                self.broken.push(broken(None, (Reason::MissingAccountId, "account_id", String::new())));
                continue;
            };
            let account = self.runs.number(id, self.order.len(), number)?;
            let find = |inst_id: &str| Ok::<_, crate::Error>(Target::find(inst_id, listings, priced));
            let checked = match memo.get(&columns.inst_id, row, find)? {
                None => Err((Reason::MissingInstId, "inst_id", String::new())),
                Some(target) => columns.check(row, target, listings),
            };
            match checked {
                Ok(order) => self.order.push(order),
                Err(fault) => self.broken.push(broken(Some(account), fault)),
            }
        }
        Ok(())
    }
}

impl Columns {
    /// The order of a row; the checks stand in the order of [`Reason`].
    fn check(&self, row: usize, target: Target, listings: &Listings) -> Result<Order, Fault> {
        let inst_id = self.inst_id.get(row).unwrap_or_default();
        let traded = target.tradable(inst_id, listings);
        if let Err(fault) = &traded
            && fault.0 < Reason::MissingQuantity
        {
            return Err(fault.clone());
        }
        let qty = positive(&self.qty, row, "qty", [Reason::MissingQuantity, Reason::InvalidQuantity])?;
        let px = positive(&self.px, row, "px", [Reason::MissingPx, Reason::InvalidPx])?;
        let sign = match self.side.get(row).map(str::to_ascii_lowercase).as_deref() {
            Some("buy") => 1.0,
            Some("sell") => -1.0,
            _ => return Err((Reason::InvalidSide, "side", self.side.raw(row))),
        };
        Ok(Order { traded: traded?, qty: sign * qty, px })
    }
}

fn positive(
    numbers: &Numbers,
    row: usize,
    column: &'static str,
    [missing, invalid]: [Reason; 2],
) -> Result<f64, Fault> {
    match numbers.get(row) {
        Ok(Some(number)) if number > 0.0 => Ok(number),
        Ok(None) => Err((missing, column, String::new())),
        Ok(Some(_)) | Err(NumberError::Invalid) => Err((invalid, column, cut(&numbers.raw(row)))),
        Err(NumberError::OutOfRange) => Err((Reason::OutOfRange, column, cut(&numbers.raw(row)))),
    }
}
