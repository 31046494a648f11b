//! Every step of one account's margin, for checking by hand.
//!
//! The figures are the kernel's own intermediate results ([`Workspace`]), not a second calculation: the explanation
//! shows exactly the reported margin.

mod model;
mod okx;
mod text;
mod unit;

pub use model::*;

use crate::book::{Book, BookBuilder};
use crate::distance::{Distance, Reach};
use crate::engine::{CHUNK_ACCOUNTS, Memory, OpenBook, account_of, price};
use crate::margin::account::{Account, NotFinite};
use crate::margin::ledgers::Ledger;
use crate::margin::priced::{CurrencyParams, PricedMarket};
use crate::margin::requirement::{Workspace, evaluate};
use crate::margin::rules::{RiskUnitMode, Rules};
use crate::margin::{AccountMargin, borrowing, equity, orders};
use crate::market::Market;
use crate::memory::{MemoryLimit, Need};
use crate::progress::Progress;
use crate::rules::LoadedRules;
use crate::rules::rests::{COMPONENTS, borrowing_rests_on, rests_on};
use crate::snapshot::stream::{Currencies, Cut, Piece};
use crate::snapshot::{Expectations, LoadOptions};
use crate::totals::footprint::bear;
use crate::{Error, Invalid, Result};
use std::path::Path;

/// What to explain.
#[derive(Debug, Clone)]
pub struct ExplainRequest<'a> {
    /// Folder of the snapshot.
    pub snapshot: &'a Path,
    /// Whose margin.
    pub account_id: &'a str,
    /// Under which rules.
    pub rules: &'a LoadedRules,
    /// Accept a snapshot that is older than the rules.
    pub allow_rules_date: bool,
    /// What is known of the snapshot beforehand.
    pub expectations: &'a Expectations,
    /// How much memory may be resident.
    pub memory_limit: MemoryLimit,
    /// Search the distances from liquidation too.
    pub distances: bool,
}

/// Reads a snapshot and explains one of its accounts, without its distances from liquidation.
///
/// Every table is read to its end: a broken row further on may be of the same account, and files are checked whole.
///
/// # Errors
/// Those of [`explain_as`].
pub fn explain(
    snapshot: &Path,
    account_id: &str,
    rules: &LoadedRules,
    allow_rules_date: bool,
    expectations: &Expectations,
    memory_limit: MemoryLimit,
    progress: &dyn Progress,
) -> Result<Explanation> {
    let distances = false;
    let request =
        ExplainRequest { snapshot, account_id, rules, allow_rules_date, expectations, memory_limit, distances };
    explain_as(&request, progress)
}

/// Reads a snapshot and explains one of its accounts as asked for.
///
/// # Errors
/// Those of reading the snapshot, [`Error::Memory`] among them; [`Error::Invalid`] if the account is unknown or
/// unmargined, with the reason.
pub fn explain_as(request: &ExplainRequest, progress: &dyn Progress) -> Result<Explanation> {
    let &ExplainRequest { snapshot, account_id, rules, allow_rules_date, expectations, memory_limit, distances } =
        request;
    let mut expectations = expectations.clone();
    expectations.read_before.extend(rules.file.clone());
    let expectations = &expectations;
    let options = LoadOptions { default_spot_offset: rules.rules.default_spot_offset, expectations, progress };
    let memory = Memory::new(memory_limit, Need::BOOK, None);
    let mut book = OpenBook::open(snapshot, Currencies::Named, memory, &options)?;
    bear(&mut book, Need::BOOK, 1, "")?;
    let work = |(): &(), piece: &Piece| {
        let Some(account) = piece.book.find(account_id) else { return Ok(None) };
        let mut own = BookBuilder::default();
        own.copy_account(&piece.book, account);
        own.build().map(Some)
    };
    let (found, loaded) = book.pass(
        Cut::Known(CHUNK_ACCOUNTS),
        || Ok(((), None)),
        work,
        |found, own| {
            *found = found.take().or(own);
            Ok(())
        },
    )?;
    if !allow_rules_date {
        rules.check_date(loaded.as_of_ns)?;
    }
    if let Some(left_out) = loaded.unmargined.iter().find(|left_out| left_out.account_id == account_id) {
        return Err(Invalid::new(format!("account `{account_id}` is unmargined: {}", left_out.reason.code()))
            .file(snapshot)
            .hint("`remargin check` lists its broken rows")
            .into());
    }
    let own = found.ok_or_else(|| {
        Error::from(
            Invalid::new(format!("no account `{account_id}` in the snapshot"))
                .file(snapshot)
                .hint("ids are compared byte by byte, leading zeros included"),
        )
    })?;
    let mut explanation = explain_account(&loaded.market, &own, &price(&loaded.market, &rules.rules), 0)?;
    if distances {
        explanation.distances = Some(distance_steps(&loaded.market, &own, &rules.rules)?);
    }
    Ok(explanation.with_marks(rules))
}

/// The distances of the only account of a book.
fn distance_steps(market: &Market, book: &Book, rules: &Rules) -> Result<Vec<DistanceStep>> {
    let way = |reach: &Reach| {
        let found = reach.found();
        WayStep {
            reach: reach.name(),
            price_move: found.map(|found| found.price_move),
            px_usd: found.and_then(|found| found.price_usd),
            margin_ratio: found.and_then(|found| found.margin_ratio),
        }
    };
    let found = crate::distance::distances(market, rules, book, 0)?;
    let step = |row: &Distance| DistanceStep {
        base: row.base.clone(),
        px_usd: row.price_usd,
        down: way(&row.down),
        up: way(&row.up),
    };
    Ok(found.rows.iter().map(step).collect())
}

/// Explains the account with this index in the book.
///
/// ```
/// use remargin::engine::price;
/// use remargin::explain::explain_account;
/// # use remargin::snapshot::{self, LoadOptions};
/// # use remargin::rules;
/// # use std::path::Path;
/// let rules = rules::load(None, &[])?;
/// let snapshot = snapshot::load(Path::new("data/sample"), &LoadOptions::of(&rules.rules))?;
/// let priced = price(&snapshot.market, &rules.rules);
/// let explanation = explain_account(&snapshot.market, &snapshot.book, &priced, 0)?;
/// assert!(explanation.to_text().contains("A00000001"));
/// # Ok::<(), remargin::Error>(())
/// ```
///
/// # Errors
/// [`Error::Runtime`] if a figure is not finite, as in a run.
pub fn explain_account(market: &Market, book: &Book, priced: &PricedMarket, index: usize) -> Result<Explanation> {
    let account = account_of(book, index);
    let mut work = Workspace::new(priced);
    let mut margins = Vec::new();
    let account_id = book.accounts().get(index).to_string();
    let margin = evaluate(priced, &account, &mut work, &mut margins).map_err(|_| not_finite(&account_id))?;
    let fee_rate = account.fee_rate.unwrap_or(priced.rules.mr8.fee_rate);
    let step = |(ccy, ledger): (u32, &Ledger)| CurrencyStep {
        restricted: account.is_restricted(ccy),
        ..currency_step(&priced.currencies[ccy as usize], ledger, fee_rate)
    };
    let currencies = work.currencies().into_iter().map(step).collect();
    let units = work
        .unit_sums()
        .iter()
        .zip(&margins)
        .map(|(sums, unit)| {
            unit::unit_step(&unit::Context { market, priced, account: &account, work: &work }, sums, unit)
        })
        .collect();
    Ok(Explanation {
        as_of: crate::explain::unit::utc(market.as_of_ns),
        rules: priced.rules.name.clone(),
        risk_unit: match priced.rules.risk_unit {
            RiskUnitMode::Separate => "separate",
            RiskUnitMode::Merged => "merged",
        },
        spot_offset: account.spot_offset.name(),
        currencies,
        units,
        totals: Totals {
            fee_rate: account.fee_rate,
            order_loss: deducted(priced, &account).map_err(|_| not_finite(&account_id))?,
            ..totals(&margin)
        },
        distances: None,
        account_id,
    })
}

fn not_finite(account_id: &str) -> Error {
    Error::Runtime(format!("account `{account_id}`: a figure is not finite"))
}

/// What pending orders take off adjusted equity, if they do.
fn deducted(priced: &PricedMarket, account: &Account<'_>) -> Result<Option<f64>, NotFinite> {
    let deducts = priced.rules.orders_deduct_loss && !account.orders.is_empty();
    deducts.then(|| orders::loss_usd(priced, account)).transpose()
}

fn currency_step(params: &CurrencyParams, ledger: &Ledger, fee_rate: f64) -> CurrencyStep {
    let amount = ledger.equity();
    let counted = equity::count(amount, params.fx_usd, &params.discount, params.discount_unit);
    let borrowing = (amount < 0.0).then(|| {
        let (mmr_rate, imr_rate) = params.borrow.rates(-amount * params.borrow_unit.per_coin);
        let tiers = (&params.borrow, params.borrow_unit);
        let charge = borrowing::charge(-amount, params.fx_usd, tiers, fee_rate);
        BorrowingStep {
            liability: -amount,
            mmr_rate,
            imr_rate,
            mmr_usd: charge.mmr_usd,
            imr_usd: charge.imr_usd,
            fee_usd: charge.fee_usd,
            rests_on: String::new(),
        }
    });
    CurrencyStep {
        ccy: params.name.clone(),
        cash: ledger.cash,
        upl: ledger.upl,
        option_value: ledger.options,
        equity: amount,
        fx_usd: Some(params.fx_usd).filter(|fx| fx.is_finite()),
        total_usd: counted.total_usd,
        restricted: false,
        discount: if amount > 0.0 {
            unit::tier_steps(params.discount.rows(), amount * params.discount_unit.per_coin)
        } else {
            Vec::new()
        },
        adjusted_usd: counted.adjusted_usd,
        borrowing,
    }
}

fn totals(margin: &AccountMargin) -> Totals {
    Totals {
        adj_eq: margin.adj_eq,
        total_eq: margin.total_eq,
        upl: margin.upl,
        deriv_mmr: margin.deriv_mmr,
        borrow_mmr: margin.borrow_mmr,
        borrow_imr: margin.borrow_imr,
        mmr: margin.mmr,
        imr: margin.imr,
        liquidation_fee: margin.liquidation_fee,
        fee_rate: None,
        order_loss: None,
        margin_ratio: margin.margin_ratio,
        status: margin.status.name(),
        im_deficit: margin.im_deficit,
        ineligible: margin.ineligible,
        mmr_no_hedge: margin.mmr_no_hedge,
        imr_no_hedge: margin.imr_no_hedge,
        order_imr: margin.order_imr,
    }
}

impl Explanation {
    /// Says of each component whether the figures behind it are published, measured or assumed, by the marks of the
    /// rules that it was made under.
    #[must_use]
    pub fn with_marks(mut self, rules: &LoadedRules) -> Self {
        for unit in &mut self.units {
            let base = unit.risk_unit.split('-').next().unwrap_or_default();
            let (mr1, mr467) = (rules.rules.mr1_classes.of(base), rules.rules.mr467_classes.of(base));
            let has_options = unit.positions.iter().any(|position| position.option.is_some());
            let words = rests_on(rules, mr1, mr467, has_options).map(|rests| rests.words());
            unit.rests_on = COMPONENTS.into_iter().zip(words).collect();
        }
        for currency in &mut self.currencies {
            if let Some(borrowing) = &mut currency.borrowing {
                borrowing.rests_on = borrowing_rests_on(rules, &currency.ccy).words();
            }
        }
        self
    }

    /// As JSON, figures in full precision.
    ///
    /// # Errors
    /// [`Error::Runtime`] if it cannot be serialised.
    pub fn to_json(&self) -> Result<serde_json::Value> {
        serde_json::to_value(self).map_err(|error| Error::Runtime(error.to_string()))
    }
}
