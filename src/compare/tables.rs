//! The tables of a comparison. All money is USD; `_a` is before, `_b` after, `_change` is B less A.

use super::change::{Breach, CAUSES, Causes, Change, excess_usd, main_of, mmr_usd};
use super::stats::{Moved, UnitStats};
use crate::Result;
use crate::figures::{AccountFigure, AccountRow, Get, UnitFigure, UnitTotals};
use crate::margin::Status;
use crate::tables::columns::{ACCOUNT_ID, Column, RISK_UNIT, Table, TableSpec, count, flag, label, text, usd};
use crate::tables::filled::{self, Filled, columns_of};
use arrow_array::RecordBatch;

/// One row an account, of two rule sets over one book.
pub static RULES_CHANGES: Table =
    Table::new(|| TableSpec::new("changes", "account, of two rule sets", columns_of(changes(false))).sorted());

/// One row an account, of two runs: with what each cause contributed.
pub static RUNS_CHANGES: Table =
    Table::new(|| TableSpec::new("changes", "account, of two runs", columns_of(changes(true))).sorted());

/// One row a risk unit: sums over all accounts.
pub static UNIT_CHANGES: Table = Table::new(|| {
    let row = "risk unit, or base currency if only one side has merged units";
    TableSpec::new("unit_changes", row, columns_of(unit_changes())).sorted()
});

/// Accounts by status before and after; null where they are new or closed. Pairs without an account are left out.
pub static MIGRATION: Table = Table::new(|| {
    let row = "status in A x status in B, where there are accounts";
    TableSpec::new("migration", row, columns_of(migration()))
});

/// Accounts that are in liquidation or have an IM deficit in B and had not in A, the lowest ratio first.
pub static BREACHES: Table = Table::new(|| {
    let row = "account newly in `liquidation` or newly with an IM deficit, the lowest ratio first";
    TableSpec::new("breaches", row, columns_of(breaches()))
});

/// The accounts whose MMR rises most and those whose MMR falls most.
pub static LARGEST: Table =
    Table::new(|| TableSpec::new("largest", "list x rank, at most ten a list", columns_of(largest())));

/// Accounts that cannot be compared since a side left them out, and why.
pub static UNMARGINED: Table =
    Table::new(|| TableSpec::new("unmargined", "account that a side left out", columns_of(unmargined())).sorted());

/// The order in which `changes` has the figures of an account. Those that were declared later stand at its end.
const ORDER: [AccountFigure; 15] = [
    AccountFigure::status,
    AccountFigure::margin_ratio,
    AccountFigure::mmr,
    AccountFigure::imr,
    AccountFigure::adj_eq,
    AccountFigure::total_eq,
    AccountFigure::upl,
    AccountFigure::deriv_mmr,
    AccountFigure::borrow_mmr,
    AccountFigure::borrow_imr,
    AccountFigure::liquidation_fee,
    AccountFigure::mmr_no_hedge,
    AccountFigure::imr_no_hedge,
    AccountFigure::im_deficit,
    AccountFigure::ineligible,
];
/// Of these, the figures whose change has a column too.
const WITH_CHANGE: [AccountFigure; 3] = [AccountFigure::margin_ratio, AccountFigure::mmr, AccountFigure::imr];

/// The sides of a comparison: place, end of the column's name, and what is said before its meaning.
const SIDES: [(usize, &str, &str); 2] = [(0, "a", "In A"), (1, "b", "In B")];

/// A row of `changes`.
struct ChangeRow<'a> {
    id: &'a str,
    change: &'a Change,
}

impl Change {
    fn side(&self, side: usize) -> Option<&AccountRow> {
        [&self.a, &self.b].get(side).copied().and_then(Option::as_ref)
    }
}

/// The column of a figure on one side; null where the side lacks the account.
fn on_side<'a, R: 'a>(figure: AccountFigure, side: usize, of: fn(&R) -> &Change) -> Filled<'a, R> {
    let (_, end, before) = SIDES[side];
    let column = Column::of(figure.figure());
    let name = format!("{}_{end}", column.name);
    column.named(name, before).if_there(figure, move |row| of(row).side(side))
}

/// An account of [`UNMARGINED`] on one side.
#[derive(Debug, Clone, PartialEq)]
pub enum Sight {
    /// Margined, with its MMR where it is known.
    Margined(Option<f64>),
    /// Left out, for this reason.
    Unmargined(String),
    /// Not in the snapshot.
    Absent,
}

impl Sight {
    fn state(&self) -> &'static str {
        match self {
            Self::Margined(_) => "margined",
            Self::Unmargined(_) => "unmargined",
            Self::Absent => "absent",
        }
    }

    fn reason(&self) -> Option<&str> {
        match self {
            Self::Unmargined(reason) => Some(reason),
            Self::Margined(_) | Self::Absent => None,
        }
    }

    fn mmr(&self) -> Option<f64> {
        match self {
            Self::Margined(mmr) => *mmr,
            Self::Unmargined(_) | Self::Absent => None,
        }
    }
}

/// The column of the change of a figure; of one that may be missing null where a side lacks it.
fn change_of<'a>(figure: AccountFigure) -> Filled<'a, ChangeRow<'a>> {
    let column = Column::of(figure.figure());
    let name = format!("{}_change", column.name);
    let column = column.named(name, "B less A");
    match figure.figure().get {
        Get::Number(..) => column.number(move |row: &ChangeRow| row.change.difference(|side| side.number(figure))),
        _ => column.optional(move |row: &ChangeRow| {
            let [a, b] = [0, 1].map(|side| row.change.side(side).and_then(|side| side.optional(figure)));
            Some(b? - a?)
        }),
    }
}

fn changes<'a>(with_why: bool) -> Vec<Filled<'a, ChangeRow<'a>>> {
    // Under two rule sets an account is on both sides.
    let on = |figure: AccountFigure, side: usize| {
        on_side(figure, side, |row: &ChangeRow| row.change).nullable(with_why || figure.figure().is_nullable())
    };
    let mut columns = vec![text("account_id", ACCOUNT_ID).text(|row: &ChangeRow| row.id)];
    for figure in ORDER {
        columns.extend([on(figure, 0), on(figure, 1)]);
        if WITH_CHANGE.contains(&figure) {
            columns.push(change_of(figure));
        }
    }
    columns.extend([
        flag("newly_liquidation", "In `liquidation` in B and not in A.")
            .flag(|row: &ChangeRow| row.change.is_newly_in_liquidation()),
        flag("newly_im_deficit", "With an IM deficit in B and not in A.")
            .flag(|row: &ChangeRow| row.change.has_new_im_deficit()),
    ]);
    if with_why {
        columns.extend(causes_of_change());
    }
    let later = AccountFigure::ALL.into_iter().filter(|figure| figure.figure().compared && !ORDER.contains(figure));
    columns.extend(later.flat_map(|figure| [on(figure, 0), on(figure, 1)]));
    columns
}

fn causes_of_change<'a>() -> Vec<Filled<'a, ChangeRow<'a>>> {
    const MMR: &str = "What this cause contributed to the change of MMR; null where causes are not told apart.";
    const EXCESS: &str = "What this cause contributed to `excess_change`; null where causes are not told apart.";
    let cause = |of: &str, meaning, place: usize, causes: fn(&Change) -> Option<&Causes>| {
        usd("", meaning)
            .named(format!("{of}_{}", CAUSES[place]), "")
            .optional(move |row: &ChangeRow| causes(row.change).map(|causes| causes[place]))
    };
    let mut columns = vec![
        label("presence", "`kept`, `new` (in B only) or `closed` (in A only).")
            .text(|row: &ChangeRow| row.change.presence()),
    ];
    let places = 0..CAUSES.len();
    columns.extend(places.clone().map(|place| cause("mmr", MMR, place, |row| row.why.as_ref().map(|why| &why.mmr))));
    columns.push(
        label("mmr_main_cause", "The cause that changed MMR most; null where causes are not told apart.")
            .optional_text(|row: &ChangeRow| row.change.why.as_ref().and_then(|why| main_of(&why.mmr))),
    );
    columns.push(
        usd("excess_change", "B less A of the excess, `adj_eq - mmr - liquidation_fee`.")
            .number(|row: &ChangeRow| row.change.difference(excess_usd)),
    );
    columns.extend(places.map(|place| cause("excess", EXCESS, place, |row| row.why.as_ref().map(|why| &why.excess))));
    columns
}

/// The rows of [`RULES_CHANGES`] or, `with_why`, of [`RUNS_CHANGES`]; `id` names the account of each row.
///
/// # Errors
/// [`crate::Error::Runtime`] if the ids of the batch exceed 2 GiB of text.
pub fn changes_batch<'a>(rows: &[Change], id: impl Fn(usize) -> &'a str, with_why: bool) -> Result<RecordBatch> {
    let rows: Vec<ChangeRow> = rows.iter().enumerate().map(|(at, change)| ChangeRow { id: id(at), change }).collect();
    filled::batch(if with_why { &RUNS_CHANGES } else { &RULES_CHANGES }, &changes(with_why), &rows)
}

/// A row of `unit_changes`.
struct UnitRow<'a> {
    name: &'a str,
    stats: &'a UnitStats,
    causes: Option<Causes>,
}

/// The figures of a risk unit that `unit_changes` has with their change, and then those that it has on both sides.
/// Sums of figures that were declared later stand at its end.
const UNIT_WITH_CHANGE: [UnitFigure; 2] = [UnitFigure::mmr, UnitFigure::imr];

fn unit_sum<'a>(name: &'static str, side: usize) -> Filled<'a, UnitRow<'a>> {
    let place = UnitTotals::NAMES.iter().position(|other| *other == name);
    let (_, end, before) = SIDES[side];
    let declared = UnitFigure::ALL.into_iter().find(|figure| figure.figure().name == name);
    let column = declared.map_or_else(|| usd(name, ""), |figure| Column::of(figure.figure()));
    let value = move |row: &UnitRow| place.and_then(|place| row.stats.sums(side).values().get(place).copied());
    column.named(format!("{name}_{end}"), before).number(move |row: &UnitRow| value(row).unwrap_or(f64::NAN))
}

fn unit_changes<'a>() -> Vec<Filled<'a, UnitRow<'a>>> {
    let mut columns = vec![
        label("risk_unit", RISK_UNIT).text(|row: &UnitRow| row.name),
        count("accounts_a", "Accounts in A that have it.").count(|row: &UnitRow| row.stats.accounts[0]),
        count("accounts_b", "Accounts in B that have it.").count(|row: &UnitRow| row.stats.accounts[1]),
        unit_sum("mmr", 0),
        unit_sum("mmr", 1),
        usd("mmr_change", "B less A of its MMR.").number(|row: &UnitRow| row.stats.sums(1).mmr - row.stats.sums(0).mmr),
        unit_sum("imr", 0),
        unit_sum("imr", 1),
        usd("imr_change", "B less A of its IMR.").number(|row: &UnitRow| row.stats.sums(1).imr - row.stats.sums(0).imr),
    ];
    let names = UnitFigure::COMPONENTS.map(|figure| figure.figure().name);
    columns.extend(names.into_iter().flat_map(|name| [unit_sum(name, 0), unit_sum(name, 1)]));
    for (place, cause) in CAUSES.into_iter().enumerate() {
        let meaning = "What this cause contributed to the change of its MMR; null where causes are not told apart.";
        let column = usd("", meaning).named(format!("mmr_{cause}"), "");
        columns.push(column.optional(move |row: &UnitRow| row.causes.map(|causes| causes[place])));
    }
    let earlier: Vec<&str> = UNIT_WITH_CHANGE.iter().map(|figure| figure.figure().name).chain(names).collect();
    let later = UnitTotals::NAMES.into_iter().filter(|name| !earlier.contains(name));
    columns.extend(later.flat_map(|name| [unit_sum(name, 0), unit_sum(name, 1)]));
    columns
}

pub(crate) fn units_batch(names: &[String], rows: &[UnitStats]) -> Result<RecordBatch> {
    let rows: Vec<UnitRow> =
        names.iter().zip(rows).map(|(name, stats)| UnitRow { name, stats, causes: stats.causes() }).collect();
    filled::batch(&UNIT_CHANGES, &unit_changes(), &rows)
}

/// A row of `migration`: both statuses and the accounts.
type MigrationRow = (Option<Status>, Option<Status>, u64);

fn migration<'a>() -> Vec<Filled<'a, MigrationRow>> {
    vec![
        label("status_a", "Status in A; null where the account is new.")
            .optional_text(|row: &MigrationRow| row.0.map(Status::name)),
        label("status_b", "Status in B; null where the account was closed.")
            .optional_text(|row: &MigrationRow| row.1.map(Status::name)),
        count("accounts", "Accounts with this pair.").count(|row: &MigrationRow| row.2),
    ]
}

pub(crate) fn migration_batch(rows: &[MigrationRow]) -> Result<RecordBatch> {
    filled::batch(&MIGRATION, &migration(), rows)
}

fn breaches<'a>() -> Vec<Filled<'a, Moved>> {
    let on = |figure: AccountFigure, side: usize| {
        let column = on_side(figure, side, |row: &Moved| &row.change);
        // It is in B, for there it breaches.
        column.nullable(side == 0 || figure.figure().is_nullable())
    };
    let mut columns = vec![
        text("account_id", ACCOUNT_ID).text(|row: &Moved| row.account_id.as_str()),
        label("breach", "The graver of what it breaches: `liquidation` or `im_deficit`.")
            .text(|row: &Moved| row.change.new_breach().map_or("", Breach::name)),
    ];
    let figures = [
        AccountFigure::status,
        AccountFigure::margin_ratio,
        AccountFigure::adj_eq,
        AccountFigure::mmr,
        AccountFigure::imr,
    ];
    columns.extend(figures.into_iter().flat_map(|figure| [on(figure, 0), on(figure, 1)]));
    columns.extend([
        label(
            "main_cause",
            "The cause that took most of what was left above the limit; null where causes are not told apart.",
        )
        .optional_text(|row: &Moved| row.change.main_cause().map(|(place, _)| CAUSES[place])),
        usd("main_cause_usd", "What it contributed; negative.")
            .optional(|row: &Moved| row.change.main_cause().map(|(_, usd)| usd)),
    ]);
    columns
}

pub(crate) fn breaches_batch(rows: &[Moved]) -> Result<RecordBatch> {
    filled::batch(&BREACHES, &breaches(), rows)
}

/// A row of `largest`: the list, the rank, the account.
type LargestRow<'a> = (&'a str, usize, &'a Moved);

fn largest<'a>() -> Vec<Filled<'a, LargestRow<'a>>> {
    let mmr = |side: usize| on_side(AccountFigure::mmr, side, |row: &LargestRow| &row.2.change);
    vec![
        label("by", "The list: `mmr_rise` or `mmr_fall`.").text(|row: &LargestRow| row.0),
        count("rank", "Place in the list, from 1.").count(|row: &LargestRow| row.1 as u64),
        text("account_id", ACCOUNT_ID).text(|row: &LargestRow| row.2.account_id.as_str()),
        mmr(0),
        mmr(1),
        usd("mmr_change", "B less A of its MMR.").number(|row: &LargestRow| row.2.change.difference(mmr_usd)),
        label("mmr_main_cause", "The cause that changed MMR most; null where causes are not told apart.")
            .optional_text(|row: &LargestRow| row.2.change.why.as_ref().and_then(|why| main_of(&why.mmr))),
    ]
}

pub(crate) fn largest_batch(rows: &[LargestRow]) -> Result<RecordBatch> {
    filled::batch(&LARGEST, &largest(), rows)
}

/// A row of `unmargined`: the account, and how each side saw it.
type UnmarginedRow = (String, [Sight; 2]);

fn unmargined<'a>() -> Vec<Filled<'a, UnmarginedRow>> {
    const STATE: &str = "`margined`, `unmargined` or `absent`.";
    const REASON: &str = "The [reason](reject-reasons.md) why it was left out; null if it was not.";
    const MMR: &str = "MMR; null where there is none.";
    vec![
        text("account_id", ACCOUNT_ID).text(|row: &UnmarginedRow| row.0.as_str()),
        label("state_a", STATE).named("state_a", "In A").text(|row: &UnmarginedRow| row.1[0].state()),
        label("reason_a", REASON).named("reason_a", "In A").optional_text(|row: &UnmarginedRow| row.1[0].reason()),
        usd("mmr_a", MMR).named("mmr_a", "In A").optional(|row: &UnmarginedRow| row.1[0].mmr()),
        label("state_b", STATE).named("state_b", "In B").text(|row: &UnmarginedRow| row.1[1].state()),
        label("reason_b", REASON).named("reason_b", "In B").optional_text(|row: &UnmarginedRow| row.1[1].reason()),
        usd("mmr_b", MMR).named("mmr_b", "In B").optional(|row: &UnmarginedRow| row.1[1].mmr()),
    ]
}

pub(crate) fn unmargined_batch(rows: &[UnmarginedRow]) -> Result<RecordBatch> {
    filled::batch(&UNMARGINED, &unmargined(), rows)
}
