//! The columns of what a simulation writes, each with what fills it.

use super::Row;
use super::tables::Fields;
use crate::figures::{AccountFigure, AccountRow, Unit, UnitFigure};
use crate::margin::UnitMargin;
use crate::tables::columns::{ACCOUNT_ID, Column, RISK_UNIT, Table, TableSpec, label, number, text};
use crate::tables::filled::{Filled, columns_of, unit};

/// One operation a row, in byte order of account and `op_id`. Before and after are null where `verdict` is `invalid`.
pub static CHECKS: Table = Table::new(|| TableSpec::new("checks", "operation", columns_of(checks())));

/// Each risk unit that an operation changes, before and after; a row is missing where there is no such unit.
pub static CHECK_UNITS: Table = Table::new(|| {
    let row = "operation x risk unit that it changes, before and after";
    TableSpec::new("check_units", row, columns_of(check_units()))
});

/// The largest withdrawals: account x currency.
pub static MAX_WITHDRAW: Table =
    Table::new(|| TableSpec::new("max_withdraw", "account x currency", columns_of(max_withdraw())).sorted());

/// The largest orders: account x instrument, in the order asked for. Null where margin sets no limit.
pub static MAX_ORDER: Table =
    Table::new(|| TableSpec::new("max_order", "account x instrument", columns_of(max_order())).sorted());

/// A row of [`CHECKS`].
pub(super) struct Check<'a> {
    pub row: &'a Row<'a>,
    pub fields: Fields<'a>,
    /// The account before and after; `None` without an answer.
    pub states: [Option<AccountRow>; 2],
}

impl<'a> Check<'a> {
    pub fn new(row: &'a Row<'a>, fields: Fields<'a>) -> Self {
        let answer = row.answer.as_ref().ok().map(|(answer, _)| answer);
        let states = [answer.map(|answer| (&answer.before).into()), answer.map(|answer| (&answer.after).into())];
        Self { row, fields, states }
    }
}

/// A row of [`CHECK_UNITS`]: a unit in one of the states of an operation.
pub(super) struct CheckUnit<'a> {
    pub op_id: &'a str,
    pub account_id: &'a str,
    pub state: &'static str,
    pub risk_unit: &'a str,
    pub margin: UnitMargin,
}

/// A row of [`MAX_WITHDRAW`].
pub(super) struct WithdrawalRow<'a> {
    pub account_id: &'a str,
    pub ccy: &'a str,
    pub eq: f64,
    pub max_wd: f64,
    pub max_wd_ex: f64,
}

/// A row of [`MAX_ORDER`].
pub(super) struct OrderRow<'a> {
    pub account_id: &'a str,
    pub inst_id: &'a str,
    pub px: f64,
    pub max_buy: Option<f64>,
    pub max_sell: Option<f64>,
}

const OP_ID: &str = "The caller's name for the operation.";

/// The figures of an account that a check shows on both sides.
const STATE: [AccountFigure; 5] =
    [AccountFigure::adj_eq, AccountFigure::mmr, AccountFigure::imr, AccountFigure::margin_ratio, AccountFigure::status];

fn filled(text: &str) -> Option<&str> {
    Some(text).filter(|text| !text.is_empty())
}

pub(super) fn checks<'a>() -> Vec<Filled<'a, Check<'a>>> {
    let mut columns = vec![
        text("op_id", OP_ID).text(|check: &Check| check.fields.op_id),
        text("account_id", ACCOUNT_ID).repeated().text(|check: &Check| check.fields.account_id),
        text("group", "The operations that are done together; null if it is done alone.")
            .optional_text(|check: &Check| filled(check.fields.group)),
        label("kind", "What was asked.").text(|check: &Check| check.fields.words.kind.as_str()),
        label("inst_id", "The instrument; null if it is about none.")
            .optional_text(|check: &Check| filled(&check.fields.words.inst_id)),
        label("ccy", "The currency; null if it is about none.")
            .optional_text(|check: &Check| filled(&check.fields.words.ccy)),
        label("side", "The side of an order; null otherwise.")
            .optional_text(|check: &Check| filled(&check.fields.words.side)),
        text("qty", "The amount as asked; null if there is none.")
            .optional_text(|check: &Check| filled(&check.fields.words.qty)),
        text("px", "The price as asked; null if there is none.")
            .optional_text(|check: &Check| filled(&check.fields.words.px)),
        label("verdict", "`pass`, `adjust`, `reject` or `invalid`.").text(|check: &Check| check.fields.verdict),
        label("reason", "Why there is no answer; null if there is one.")
            .optional_text(|check: &Check| filled(check.fields.reason)),
        number("max_qty", "The largest amount that would pass; null if none was sought.", Unit::Amount)
            .optional(|check: &Check| check.fields.most.map(|(amount, _)| amount)),
        label("max_unit", "What `max_qty` counts: `contracts`, a currency, or `share` of what was asked.")
            .optional_text(|check: &Check| check.fields.most.map(|(_, unit)| unit)),
    ];
    for (state, name, before) in [(0, "before", "Before the operation"), (1, "after", "After it")] {
        columns.extend(STATE.map(|figure| {
            let column = Column::of(figure.figure());
            let name = format!("{}_{name}", column.name);
            column.named(name, before).if_there(figure, move |check: &Check| check.states[state].as_ref())
        }));
    }
    columns.push(
        text("why", "The verdict in words; null if there is nothing to say.")
            .optional_text(|check: &Check| filled(&check.row.why)),
    );
    columns
}

pub(super) fn check_units<'a>() -> Vec<Filled<'a, CheckUnit<'a>>> {
    fn margin<'r>(row: &'r CheckUnit) -> &'r UnitMargin {
        &row.margin
    }
    let mut columns = vec![
        text("op_id", OP_ID).text(|row: &CheckUnit| row.op_id),
        text("account_id", ACCOUNT_ID).repeated().text(|row: &CheckUnit| row.account_id),
        label("state", "`before` or `after`.").text(|row: &CheckUnit| row.state),
        label("risk_unit", RISK_UNIT).text(|row: &CheckUnit| row.risk_unit),
    ];
    let totals = [UnitFigure::mmr, UnitFigure::imr, UnitFigure::cash_delta, UnitFigure::spot_in_use];
    columns.extend(UnitFigure::COMPONENTS.into_iter().chain(totals).map(|figure| unit(figure, margin)));
    columns
}

pub(super) fn max_withdraw<'a>() -> Vec<Filled<'a, WithdrawalRow<'a>>> {
    let coins = |name, meaning| number(name, meaning, Unit::Coin);
    vec![
        text("account_id", ACCOUNT_ID).text(|row: &WithdrawalRow| row.account_id),
        label("ccy", "The currency.").text(|row: &WithdrawalRow| row.ccy),
        coins("eq", "Equity in the currency.").number(|row: &WithdrawalRow| row.eq),
        coins("max_wd", "The most that can leave without a debt.").number(|row: &WithdrawalRow| row.max_wd),
        coins("max_wd_ex", "The most that can leave, borrowed coins included.")
            .number(|row: &WithdrawalRow| row.max_wd_ex),
    ]
}

pub(super) fn max_order<'a>() -> Vec<Filled<'a, OrderRow<'a>>> {
    vec![
        text("account_id", ACCOUNT_ID).text(|row: &OrderRow| row.account_id),
        label("inst_id", "The instrument.").text(|row: &OrderRow| row.inst_id),
        number("px", "The price of the order: the mark.", Unit::Price).number(|row: &OrderRow| row.px),
        number("max_buy", "The largest purchase, contracts or coins; null where margin sets no limit.", Unit::Amount)
            .optional(|row: &OrderRow| row.max_buy),
        number("max_sell", "The largest sale, contracts or coins; null where margin sets no limit.", Unit::Amount)
            .optional(|row: &OrderRow| row.max_sell),
    ]
}
