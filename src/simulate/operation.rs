//! Operations: what was asked, resolved against the market and the book, or why it cannot be answered.

use crate::margin::account::{Order, Traded};
use crate::margin::rules::SpotOffset;
use crate::market::{Market, PriceGap};
use crate::snapshot::{Asked, Given, Reason, Snapshot};
use std::collections::HashMap;

/// Most operations of one group of an account. Every answer of a group lists the risk units that all its operations
/// change, so that its answers grow with the square of its size.
pub const MOST_GROUP_OPERATIONS: usize = 10_000;

/// An operation that can be applied.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Action {
    /// An order, filled completely at its price.
    Order(Order),
    /// Cash withdrawn (`out`) or deposited.
    Transfer {
        /// Index of the currency.
        ccy: u32,
        /// Currency units, greater than zero.
        qty: f64,
        /// True for a withdrawal.
        out: bool,
    },
    /// A new spot hedging mode.
    SpotOffset(SpotOffset),
    /// A new limit of spot in use; infinity for none.
    SpotInUseCap {
        /// Index of the currency.
        ccy: u32,
        /// Coins.
        cap: f64,
    },
    /// Closes spot in use; `None` closes all of it.
    CloseHedge {
        /// Index of the currency.
        ccy: u32,
        /// Coins.
        qty: Option<f64>,
    },
}

/// Why an operation is not answered. A closed list with stable codes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Refusal {
    /// No `op_id`.
    MissingOpId,
    /// No `account_id`.
    MissingAccountId,
    /// The account appears in no table of the snapshot.
    UnknownAccount,
    /// The account is excluded because one of its rows is broken.
    AccountUnmargined,
    /// Another operation of the account has the same `op_id`.
    DuplicateOperation,
    /// A `kind` that is missing or unknown.
    InvalidKind,
    /// The instrument, currency or number is unusable; the reasons are those of the snapshot's rejects.
    Row(Reason),
    /// The market has no currency of this name.
    UnknownCurrency,
    /// The currency has no spot in use that could be closed.
    NoHedge,
    /// Its group has operations of several accounts.
    GroupOfSeveralAccounts,
    /// Its group has more operations than a group may have.
    GroupTooLarge,
    /// Another operation of the group cannot be applied.
    GroupBroken,
    /// Its group changes the spot in use of a currency, or the spot hedging mode, more than once.
    HedgeChangedTwice,
    /// Its group was answered before it came.
    GroupAnswered,
    /// The margin afterwards is not a finite number.
    NotFinite,
}

impl Refusal {
    /// The code in the answers.
    #[must_use]
    pub fn code(self) -> &'static str {
        match self {
            Self::MissingOpId => "missing_op_id",
            Self::MissingAccountId => "missing_account_id",
            Self::UnknownAccount => "unknown_account",
            Self::AccountUnmargined => "account_unmargined",
            Self::DuplicateOperation => "duplicate_operation",
            Self::InvalidKind => "invalid_kind",
            Self::Row(reason) => reason.code(),
            Self::UnknownCurrency => "unknown_ccy",
            Self::NoHedge => "no_hedge",
            Self::GroupOfSeveralAccounts => "group_of_several_accounts",
            Self::GroupTooLarge => "group_too_large",
            Self::GroupBroken => "group_broken",
            Self::HedgeChangedTwice => "hedge_changed_twice",
            Self::GroupAnswered => "group_answered",
            Self::NotFinite => "not_finite",
        }
    }
}

impl Refusal {
    /// The reason as a sentence.
    #[must_use]
    pub fn why(self) -> String {
        match self {
            Self::MissingOpId => "the operation has no `op_id`".to_owned(),
            Self::MissingAccountId => "the operation has no `account_id`".to_owned(),
            Self::UnknownAccount => "the account is in no table of the snapshot".to_owned(),
            Self::AccountUnmargined => "the account is left out, since one of its rows is broken".to_owned(),
            Self::DuplicateOperation => "another operation of the account has the same `op_id`".to_owned(),
            Self::InvalidKind => "`kind` is none of `order`, `transfer_out`, `transfer_in`, `spot_offset`, \
                                  `spot_in_use_cap`, `close_hedge`"
                .to_owned(),
            Self::Row(reason) => why_not(reason),
            Self::UnknownCurrency => "the snapshot has no such currency".to_owned(),
            Self::NoHedge => "no spot of the currency is in use".to_owned(),
            Self::GroupOfSeveralAccounts => "its group has operations of several accounts".to_owned(),
            Self::GroupTooLarge => format!("its group has more than {MOST_GROUP_OPERATIONS} operations"),
            Self::GroupBroken => "another operation of its group cannot be used".to_owned(),
            Self::HedgeChangedTwice => {
                "its group changes the same spot in use, or the mode, more than once: give one operation for it"
                    .to_owned()
            }
            Self::GroupAnswered => {
                "its group was answered before: the lines of a group must follow one another".to_owned()
            }
            Self::NotFinite => "the margin afterwards would be beyond all bounds".to_owned(),
        }
    }
}

/// What an operation lacks.
fn why_not(reason: Reason) -> String {
    let needs = match reason {
        Reason::MissingInstId | Reason::UnknownInstrument => {
            "`inst_id` must be a contract of the snapshot or a spot pair"
        }
        Reason::MissingQuantity | Reason::InvalidQuantity => {
            "`qty` must be a number above zero, such as 1.5; `side` says the direction"
        }
        Reason::MissingPx | Reason::InvalidPx => "`px` must be a number above zero, such as 90000.5",
        Reason::InvalidSide => "`side` must be `buy` or `sell`",
        Reason::InvalidSpotOffset => "`spot_offset` must be `usdt`, `usdc`, `coin` or `none`",
        Reason::InvalidSpotInUseCap => "`qty` must be a limit in coins, zero or more; empty for no limit",
        Reason::MissingCcy => "`ccy` must be a currency of the snapshot",
        _ => return format!("the operation cannot be used: {}", reason.code().replace('_', " ")),
    };
    format!("{}: {needs}", reason.code().replace('_', " "))
}

/// The account of an operation.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum OperationAccount {
    /// Number in the book.
    Account(u32),
    /// No account of the book has this name.
    Unknown(Box<str>),
}

/// The fields of an operation as text, to be repeated in the answer.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct RequestText {
    /// As asked.
    pub kind: String,
    /// As asked.
    pub inst_id: String,
    /// As asked.
    pub ccy: String,
    /// As asked.
    pub side: String,
    /// As asked.
    pub qty: String,
    /// As asked.
    pub px: String,
}

/// An operation, resolved.
#[derive(Debug, Clone, PartialEq)]
pub struct Operation {
    /// The caller's name for it; empty if it has none.
    pub op_id: Box<str>,
    /// Its account.
    pub account: OperationAccount,
    /// Its group, if any.
    pub group: Option<Box<str>>,
    /// What to do, or why it is refused, with the fields as asked.
    pub action: Result<Action, (Refusal, Box<RequestText>)>,
}

impl Operation {
    /// Marks an operation as refused.
    pub fn refuse(&mut self, refusal: Refusal, market: &Market) {
        if let Ok(action) = &self.action {
            let words = action.words(market);
            self.action = Err((refusal, Box::new(words)));
        }
    }
}

impl Action {
    /// What it changes of the account's hedges: the spot in use of a currency, or the mode (`None`).
    #[must_use]
    pub fn hedge_changed(&self) -> Option<Option<u32>> {
        match *self {
            Self::Order(_) | Self::Transfer { .. } => None,
            Self::SpotInUseCap { ccy, .. } | Self::CloseHedge { ccy, .. } => Some(Some(ccy)),
            Self::SpotOffset(_) => Some(None),
        }
    }

    /// The action in the fields of a request.
    #[must_use]
    pub fn words(&self, market: &Market) -> RequestText {
        let currency = |ccy: u32| market.currencies[ccy as usize].name.clone();
        let number = |number: f64| Given::Number(number).text();
        let kind = self.kind().to_owned();
        match *self {
            Self::Order(order) => RequestText {
                kind,
                inst_id: traded_name(market, order.traded),
                side: if order.qty > 0.0 { "buy" } else { "sell" }.to_owned(),
                qty: number(order.qty.abs()),
                px: number(order.px),
                ..RequestText::default()
            },
            Self::Transfer { ccy, qty, .. } => {
                RequestText { kind, ccy: currency(ccy), qty: number(qty), ..RequestText::default() }
            }
            Self::SpotOffset(_) => RequestText { kind, ..RequestText::default() },
            Self::SpotInUseCap { ccy, cap } => {
                let qty = if cap.is_finite() { number(cap) } else { String::new() };
                RequestText { kind, ccy: currency(ccy), qty, ..RequestText::default() }
            }
            Self::CloseHedge { ccy, qty } => RequestText {
                kind,
                ccy: currency(ccy),
                qty: qty.map(number).unwrap_or_default(),
                ..RequestText::default()
            },
        }
    }

    /// The value of `kind` in a request.
    #[must_use]
    pub fn kind(&self) -> &'static str {
        match self {
            Self::Order(_) => "order",
            Self::Transfer { out: true, .. } => "transfer_out",
            Self::Transfer { out: false, .. } => "transfer_in",
            Self::SpotOffset(_) => "spot_offset",
            Self::SpotInUseCap { .. } => "spot_in_use_cap",
            Self::CloseHedge { .. } => "close_hedge",
        }
    }

    /// Canonical order of the actions of a group. It does not depend on the order in the input.
    #[must_use]
    pub fn canonical(&self, other: &Self) -> std::cmp::Ordering {
        let rank = |action: &Self| match action {
            Self::Order(_) => 0u8,
            Self::Transfer { .. } => 1,
            Self::SpotInUseCap { .. } => 2,
            Self::CloseHedge { .. } => 3,
            Self::SpotOffset(_) => 4,
        };
        let key = |action: &Self| match *action {
            Self::Order(_) => (0, 0.0),
            Self::Transfer { ccy, qty, out } => (ccy, if out { -qty } else { qty }),
            Self::SpotInUseCap { ccy, cap } => (ccy, cap),
            Self::CloseHedge { ccy, qty } => (ccy, qty.unwrap_or(f64::INFINITY)),
            Self::SpotOffset(mode) => (mode as u32, 0.0),
        };
        let (mine, theirs) = (key(self), key(other));
        let by_order = match (self, other) {
            (Self::Order(mine), Self::Order(theirs)) => mine.canonical(theirs),
            _ => std::cmp::Ordering::Equal,
        };
        rank(self).cmp(&rank(other)).then(by_order).then(mine.0.cmp(&theirs.0)).then(mine.1.total_cmp(&theirs.1))
    }
}

/// `BTC-USDT-SWAP`, or `BTC-USDT` for a spot pair.
#[must_use]
pub fn traded_name(market: &Market, traded: Traded) -> String {
    match traded {
        Traded::Contract(instrument) => market.instruments[instrument as usize].inst_id.clone(),
        Traded::Spot { base, quote } => {
            format!("{}-{}", market.currencies[base as usize].name, market.currencies[quote as usize].name)
        }
    }
}

/// Names of the snapshot and their indices.
pub struct Resolver<'a> {
    snapshot: &'a Snapshot,
    instruments: HashMap<&'a str, u32>,
    currencies: HashMap<&'a str, u32>,
}

impl<'a> Resolver<'a> {
    /// Collects the names of a snapshot.
    #[must_use]
    pub fn new(snapshot: &'a Snapshot) -> Self {
        let market = &snapshot.market;
        let instruments = market.instruments.iter().zip(0..);
        let currencies = market.currencies.iter().zip(0..);
        Self {
            snapshot,
            instruments: instruments.map(|(instrument, number)| (instrument.inst_id.as_str(), number)).collect(),
            currencies: currencies.map(|(currency, number)| (currency.name.as_str(), number)).collect(),
        }
    }

    /// Resolves an operation against the snapshot.
    #[must_use]
    pub fn resolve(&self, asked: &Asked<'_>) -> Operation {
        let account = self.account(asked.account_id);
        let action = match (asked.op_id, &account) {
            (None, _) => Err(Refusal::MissingOpId),
            (_, Err(refusal)) => Err(*refusal),
            (Some(_), Ok(_)) => self.action(asked),
        };
        let text = |text: Option<&str>| text.unwrap_or_default().to_owned();
        let words = || RequestText {
            kind: text(asked.kind),
            inst_id: text(asked.inst_id),
            ccy: text(asked.ccy),
            side: text(asked.side),
            qty: asked.qty.text(),
            px: asked.px.text(),
        };
        Operation {
            op_id: asked.op_id.unwrap_or_default().into(),
            account: account.unwrap_or_else(|_| OperationAccount::Unknown(asked.account_id.unwrap_or_default().into())),
            group: asked.group.map(Into::into),
            action: action.map_err(|refusal| (refusal, Box::new(words()))),
        }
    }

    fn account(&self, account_id: Option<&str>) -> Result<OperationAccount, Refusal> {
        let id = account_id.ok_or(Refusal::MissingAccountId)?;
        if let Some(account) = self.snapshot.book.find(id) {
            return Ok(OperationAccount::Account(account as u32));
        }
        let left_out = &self.snapshot.unmargined;
        let is_left_out = left_out.binary_search_by(|account| account.account_id.as_str().cmp(id)).is_ok();
        Err(if is_left_out { Refusal::AccountUnmargined } else { Refusal::UnknownAccount })
    }

    fn action(&self, asked: &Asked<'_>) -> Result<Action, Refusal> {
        match asked.kind.map(str::to_ascii_lowercase).as_deref() {
            Some("order") => self.order(asked).map(Action::Order),
            Some(kind @ ("transfer_out" | "transfer_in")) => {
                let ccy = self.currency(asked)?;
                let qty = positive(&asked.qty, Reason::MissingQuantity, Reason::InvalidQuantity)?;
                Ok(Action::Transfer { ccy, qty, out: kind == "transfer_out" })
            }
            Some("spot_offset") => {
                let mode = asked.spot_offset.and_then(|name| SpotOffset::from_name(&name.to_ascii_lowercase()));
                mode.map(Action::SpotOffset).ok_or(Refusal::Row(Reason::InvalidSpotOffset))
            }
            Some("spot_in_use_cap") => {
                let ccy = self.currency(asked)?;
                let cap = match &asked.qty {
                    Given::Nothing => f64::INFINITY,
                    Given::Number(cap) if *cap >= 0.0 => *cap,
                    Given::OutOfRange(_) => return Err(Refusal::Row(Reason::OutOfRange)),
                    Given::Number(_) | Given::NotANumber(_) => return Err(Refusal::Row(Reason::InvalidSpotInUseCap)),
                };
                Ok(Action::SpotInUseCap { ccy, cap })
            }
            Some("close_hedge") => {
                let ccy = self.currency(asked)?;
                let qty = match &asked.qty {
                    Given::Nothing => None,
                    given => Some(positive(given, Reason::MissingQuantity, Reason::InvalidQuantity)?),
                };
                Ok(Action::CloseHedge { ccy, qty })
            }
            _ => Err(Refusal::InvalidKind),
        }
    }

    fn order(&self, asked: &Asked<'_>) -> Result<Order, Refusal> {
        let inst_id = asked.inst_id.ok_or(Refusal::Row(Reason::MissingInstId))?;
        let traded = self.traded(inst_id)?;
        let qty = positive(&asked.qty, Reason::MissingQuantity, Reason::InvalidQuantity)?;
        let px = positive(&asked.px, Reason::MissingPx, Reason::InvalidPx)?;
        let qty = match asked.side.map(str::to_ascii_lowercase).as_deref() {
            Some("buy") => qty,
            Some("sell") => -qty,
            _ => return Err(Refusal::Row(Reason::InvalidSide)),
        };
        Ok(Order { traded, qty, px })
    }

    /// The contract or spot pair with this name.
    ///
    /// # Errors
    /// Why it cannot be traded.
    pub fn traded(&self, inst_id: &str) -> Result<Traded, Refusal> {
        let market = &self.snapshot.market;
        if let Some(&number) = self.instruments.get(inst_id) {
            return match market.instruments[number as usize].gap {
                None => Ok(Traded::Contract(number)),
                Some(PriceGap::Mark) => Err(Refusal::Row(Reason::MissingMark)),
                Some(PriceGap::Vol) => Err(Refusal::Row(Reason::MissingVol)),
                Some(PriceGap::Forward) => Err(Refusal::Row(Reason::MissingForward)),
                Some(PriceGap::Index) => Err(Refusal::Row(Reason::MissingIndex)),
                Some(PriceGap::Fx) => Err(Refusal::Row(Reason::MissingFx)),
            };
        }
        if let Some(reason) = self.snapshot.untradable.get(inst_id) {
            return Err(Refusal::Row(*reason));
        }
        let unknown = Refusal::Row(Reason::UnknownInstrument);
        let (base, quote) = inst_id.split_once('-').ok_or(unknown)?;
        match (self.currencies.get(base), self.currencies.get(quote)) {
            (Some(&base), Some(&quote)) if base != quote => {
                let priced = [base, quote].iter().all(|&ccy| market.currencies[ccy as usize].fx.is_some());
                if priced { Ok(Traded::Spot { base, quote }) } else { Err(Refusal::Row(Reason::MissingFx)) }
            }
            _ => Err(unknown),
        }
    }

    fn currency(&self, asked: &Asked<'_>) -> Result<u32, Refusal> {
        let name = asked.ccy.ok_or(Refusal::Row(Reason::MissingCcy))?;
        let ccy = *self.currencies.get(name).ok_or(Refusal::UnknownCurrency)?;
        let priced = self.snapshot.market.currencies[ccy as usize].fx.is_some();
        if priced { Ok(ccy) } else { Err(Refusal::Row(Reason::MissingFx)) }
    }
}

fn positive(given: &Given, missing: Reason, invalid: Reason) -> Result<f64, Refusal> {
    match given {
        Given::Number(number) if *number > 0.0 => Ok(*number),
        Given::Nothing => Err(Refusal::Row(missing)),
        Given::OutOfRange(_) => Err(Refusal::Row(Reason::OutOfRange)),
        Given::Number(_) | Given::NotANumber(_) => Err(Refusal::Row(invalid)),
    }
}
