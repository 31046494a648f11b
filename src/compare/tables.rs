//! The tables of a comparison. All money is USD; `_a` is before, `_b` after, `_change` is B less A.

use super::change::{CAUSES, Causes, Change, Figures, PARTS};
use super::stats::{Moved, UnitStats};
use crate::Result;
use crate::margin::Status;
use crate::tables::columns::{
    Column, Kind, TableSpec, counts, label, number, numbers, optional_numbers, optional_texts, text, texts,
};
use arrow::array::{ArrayRef, BooleanArray, RecordBatch};
use std::sync::Arc;

const fn flag(name: &'static str) -> Column {
    Column::new(name, Kind::Flag)
}

const fn count(name: &'static str) -> Column {
    Column::new(name, Kind::Count)
}

/// Every figure of an account on both sides.
const BOTH: [Column; 34] = [
    text("account_id"),
    label("status_a"),
    label("status_b"),
    number("margin_ratio_a").nullable(),
    number("margin_ratio_b").nullable(),
    number("margin_ratio_change").nullable(),
    number("mmr_a"),
    number("mmr_b"),
    number("mmr_change"),
    number("imr_a"),
    number("imr_b"),
    number("imr_change"),
    number("adj_eq_a"),
    number("adj_eq_b"),
    number("total_eq_a"),
    number("total_eq_b"),
    number("upl_a"),
    number("upl_b"),
    number("deriv_mmr_a"),
    number("deriv_mmr_b"),
    number("borrow_mmr_a"),
    number("borrow_mmr_b"),
    number("borrow_imr_a"),
    number("borrow_imr_b"),
    number("liquidation_fee_a"),
    number("liquidation_fee_b"),
    number("mmr_no_hedge_a"),
    number("mmr_no_hedge_b"),
    number("imr_no_hedge_a"),
    number("imr_no_hedge_b"),
    flag("im_deficit_a"),
    flag("im_deficit_b"),
    flag("ineligible_a"),
    flag("ineligible_b"),
];

const NEWLY: [Column; 2] = [flag("newly_liquidation"), flag("newly_im_deficit")];

/// Of two runs: why.
const WHY: [Column; 13] = [
    label("presence"),
    number("mmr_positions").nullable(),
    number("mmr_prices").nullable(),
    number("mmr_vols").nullable(),
    number("mmr_time").nullable(),
    number("mmr_parameters").nullable(),
    label("mmr_main_cause").nullable(),
    number("excess_change"),
    number("excess_positions").nullable(),
    number("excess_prices").nullable(),
    number("excess_vols").nullable(),
    number("excess_time").nullable(),
    number("excess_parameters").nullable(),
];

/// `more` behind `columns`; what an account of one side lacks may be null if `is_one_sided`.
const fn join<const N: usize, const M: usize, const T: usize>(
    columns: [Column; N],
    more: [Column; M],
    is_one_sided: bool,
) -> [Column; T] {
    let mut all = [columns[0]; T];
    let mut at = 0;
    while at < T {
        all[at] = if at < N { columns[at] } else { more[at - N] };
        // An id is always there, and so is every difference.
        if is_one_sided && at < N && at > 0 && columns[at].name.as_bytes()[columns[at].name.len() - 2] == b'_' {
            all[at] = all[at].nullable();
        }
        at += 1;
    }
    all
}

const RULES_COLUMNS: [Column; 36] = join(BOTH, NEWLY, false);
const RUNS_COLUMNS: [Column; 49] = join(join::<34, 2, 36>(BOTH, NEWLY, true), WHY, false);

/// One row an account, of two rule sets over one book.
pub const RULES_CHANGES: TableSpec = TableSpec { name: "changes", columns: &RULES_COLUMNS, sorted_by: Some(0) };

/// One row an account, of two runs: with what each cause contributed.
pub const RUNS_CHANGES: TableSpec = TableSpec { name: "changes", columns: &RUNS_COLUMNS, sorted_by: Some(0) };

/// One row a risk unit: sums over all accounts.
pub const UNIT_CHANGES: TableSpec = TableSpec {
    name: "unit_changes",
    columns: &[
        label("risk_unit"),
        count("accounts_a"),
        count("accounts_b"),
        number("mmr_a"),
        number("mmr_b"),
        number("mmr_change"),
        number("imr_a"),
        number("imr_b"),
        number("imr_change"),
        number("mr1_a"),
        number("mr1_b"),
        number("mr2_a"),
        number("mr2_b"),
        number("mr3_a"),
        number("mr3_b"),
        number("mr4_a"),
        number("mr4_b"),
        number("mr5_a"),
        number("mr5_b"),
        number("mr6_a"),
        number("mr6_b"),
        number("mr7_a"),
        number("mr7_b"),
        number("mr9_a"),
        number("mr9_b"),
        number("mmr_positions").nullable(),
        number("mmr_prices").nullable(),
        number("mmr_vols").nullable(),
        number("mmr_time").nullable(),
        number("mmr_parameters").nullable(),
    ],
    sorted_by: Some(0),
};

/// Accounts by status before and after; null where they are new or closed. Pairs without an account are left out.
pub const MIGRATION: TableSpec = TableSpec {
    name: "migration",
    columns: &[label("status_a").nullable(), label("status_b").nullable(), count("accounts")],
    sorted_by: None,
};

/// Accounts that are in liquidation or have an IM deficit in B and had not in A, the lowest ratio first.
pub const BREACHES: TableSpec = TableSpec {
    name: "breaches",
    columns: &[
        text("account_id"),
        label("breach"),
        label("status_a").nullable(),
        label("status_b"),
        number("margin_ratio_a").nullable(),
        number("margin_ratio_b").nullable(),
        number("adj_eq_a").nullable(),
        number("adj_eq_b"),
        number("mmr_a").nullable(),
        number("mmr_b"),
        number("imr_a").nullable(),
        number("imr_b"),
        label("main_cause").nullable(),
        number("main_cause_usd").nullable(),
    ],
    sorted_by: None,
};

/// The accounts whose MMR rises most and those whose MMR falls most.
pub const LARGEST: TableSpec = TableSpec {
    name: "largest",
    columns: &[
        label("by"),
        count("rank"),
        text("account_id"),
        number("mmr_a").nullable(),
        number("mmr_b").nullable(),
        number("mmr_change"),
        label("mmr_main_cause").nullable(),
    ],
    sorted_by: None,
};

/// Accounts that cannot be compared since a side left them out, and why.
pub const UNMARGINED: TableSpec = TableSpec {
    name: "unmargined",
    columns: &[
        text("account_id"),
        label("state_a"),
        label("reason_a").nullable(),
        number("mmr_a").nullable(),
        label("state_b"),
        label("reason_b").nullable(),
        number("mmr_b").nullable(),
    ],
    sorted_by: Some(0),
};

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

/// The cause with the largest contribution either way, the first of equals; none if nothing changed.
pub(crate) fn main_of(causes: &Causes) -> Option<&'static str> {
    let larger = |best: (usize, f64), next: (usize, f64)| if next.1.abs() > best.1.abs() { next } else { best };
    let (place, size) = causes.iter().copied().enumerate().reduce(larger)?;
    (size != 0.0).then_some(CAUSES[place])
}

fn optional_flags(values: impl Iterator<Item = Option<bool>>) -> ArrayRef {
    Arc::new(values.collect::<BooleanArray>())
}

type Pick<T> = fn(&Figures) -> T;

/// The rows of [`RULES_CHANGES`] or, `with_why`, of [`RUNS_CHANGES`]; `id` names the account of each row.
///
/// # Errors
/// [`crate::Error::Runtime`] if the ids of the batch exceed 2 GiB of text.
pub fn changes_batch<'a>(
    rows: &[Change],
    id: impl Fn(usize) -> &'a str + Clone,
    with_why: bool,
) -> Result<RecordBatch> {
    let sides: [fn(&Change) -> Option<&Figures>; 2] = [|row| row.a.as_ref(), |row| row.b.as_ref()];
    let pair = |of: Pick<f64>| sides.map(|side| optional_numbers(rows.iter().map(|row| side(row).map(of))));
    let flags =
        |of: Pick<Option<bool>>| sides.map(|side| optional_flags(rows.iter().map(|row| side(row).and_then(of))));
    let difference = |of: Pick<f64>| numbers(rows.iter().map(|row| row.difference(of)));
    let statuses = |side: fn(&Change) -> Option<&Figures>| {
        optional_texts(rows.iter().map(|row| side(row).map(|figures| figures.status.name())))
    };
    let ratio = |side: fn(&Change) -> Option<&Figures>| move |row: &Change| side(row)?.margin_ratio;
    let ratios = sides.map(|side| optional_numbers(rows.iter().map(ratio(side))));
    let ratio_change = rows.iter().map(|row| Some(ratio(sides[1])(row)? - ratio(sides[0])(row)?));
    let mut columns = vec![texts((0..rows.len()).map(id))?, statuses(sides[0])?, statuses(sides[1])?];
    columns.extend(ratios);
    columns.push(optional_numbers(ratio_change));
    let with_change: [Pick<f64>; 2] = [|figures| figures.mmr, |figures| figures.imr];
    for of in with_change {
        columns.extend(pair(of));
        columns.push(difference(of));
    }
    let rest: [Pick<f64>; 9] = [
        |figures| figures.adj_eq,
        |figures| figures.total_eq,
        |figures| figures.upl,
        |figures| figures.deriv_mmr,
        |figures| figures.borrow_mmr,
        |figures| figures.borrow_imr,
        |figures| figures.liquidation_fee,
        |figures| figures.mmr_no_hedge,
        |figures| figures.imr_no_hedge,
    ];
    columns.extend(rest.into_iter().flat_map(pair));
    columns.extend(flags(|figures| Some(figures.im_deficit)));
    columns.extend(flags(|figures| figures.ineligible));
    columns.push(optional_flags(rows.iter().map(|row| Some(row.is_newly_in_liquidation()))));
    columns.push(optional_flags(rows.iter().map(|row| Some(row.has_new_im_deficit()))));
    if !with_why {
        return RULES_CHANGES.batch(columns);
    }
    columns.push(texts(rows.iter().map(Change::presence))?);
    let mmr = |place: usize| optional_numbers(rows.iter().map(move |row| row.why.as_ref().map(|why| why.mmr[place])));
    columns.extend((0..CAUSES.len()).map(mmr));
    columns.push(optional_texts(rows.iter().map(|row| row.why.as_ref().and_then(|why| main_of(&why.mmr))))?);
    columns.push(difference(Figures::excess_usd));
    let excess =
        |place: usize| optional_numbers(rows.iter().map(move |row| row.why.as_ref().map(|why| why.excess[place])));
    columns.extend((0..CAUSES.len()).map(excess));
    RUNS_CHANGES.batch(columns)
}

pub(crate) fn units_batch(names: &[String], rows: &[UnitStats]) -> Result<RecordBatch> {
    let whole = |value: u64| i64::try_from(value).unwrap_or(i64::MAX);
    let mut columns = vec![
        texts(names.iter().map(String::as_str))?,
        counts(rows.iter().map(|row| whole(row.accounts[0]))),
        counts(rows.iter().map(|row| whole(row.accounts[1]))),
    ];
    for part in 0..PARTS.len() {
        let side = |side: usize| numbers(rows.iter().map(move |row| row.parts[side][part].value()));
        columns.extend([side(0), side(1)]);
        if part < 2 {
            columns.push(numbers(rows.iter().map(|row| row.change(part))));
        }
    }
    let causes: Vec<Option<Causes>> = rows.iter().map(UnitStats::causes).collect();
    let cause = |place: usize| optional_numbers(causes.iter().map(move |causes| causes.map(|causes| causes[place])));
    columns.extend((0..CAUSES.len()).map(cause));
    UNIT_CHANGES.batch(columns)
}

pub(crate) fn migration_batch(rows: &[(Option<Status>, Option<Status>, u64)]) -> Result<RecordBatch> {
    MIGRATION.batch(vec![
        optional_texts(rows.iter().map(|row| row.0.map(Status::name)))?,
        optional_texts(rows.iter().map(|row| row.1.map(Status::name)))?,
        counts(rows.iter().map(|row| i64::try_from(row.2).unwrap_or(i64::MAX))),
    ])
}

pub(crate) fn breaches_batch(rows: &[Moved]) -> Result<RecordBatch> {
    let a = |of: Pick<f64>| optional_numbers(rows.iter().map(move |row| row.change.a.as_ref().map(of)));
    let b = |of: Pick<f64>| optional_numbers(rows.iter().map(move |row| row.change.b.as_ref().map(of)));
    let status = |figures: Option<&Figures>| figures.map(|figures| figures.status.name());
    let ratio = |figures: Option<&Figures>| figures.and_then(|figures| figures.margin_ratio);
    let cause = |row: &Moved| row.change.main_cause();
    BREACHES.batch(vec![
        texts(rows.iter().map(|row| row.account_id.as_str()))?,
        optional_texts(rows.iter().map(|row| row.change.new_breach().map(crate::compare::change::Breach::name)))?,
        optional_texts(rows.iter().map(|row| status(row.change.a.as_ref())))?,
        optional_texts(rows.iter().map(|row| status(row.change.b.as_ref())))?,
        optional_numbers(rows.iter().map(|row| ratio(row.change.a.as_ref()))),
        optional_numbers(rows.iter().map(|row| ratio(row.change.b.as_ref()))),
        a(|figures| figures.adj_eq),
        b(|figures| figures.adj_eq),
        a(|figures| figures.mmr),
        b(|figures| figures.mmr),
        a(|figures| figures.imr),
        b(|figures| figures.imr),
        optional_texts(rows.iter().map(|row| cause(row).map(|(place, _)| CAUSES[place])))?,
        optional_numbers(rows.iter().map(|row| cause(row).map(|(_, usd)| usd))),
    ])
}

pub(crate) fn largest_batch(rows: &[(&str, usize, &Moved)]) -> Result<RecordBatch> {
    let mmr = |figures: Option<&Figures>| figures.map(|figures| figures.mmr);
    LARGEST.batch(vec![
        texts(rows.iter().map(|row| row.0))?,
        counts(rows.iter().map(|row| i64::try_from(row.1).unwrap_or(i64::MAX))),
        texts(rows.iter().map(|row| row.2.account_id.as_str()))?,
        optional_numbers(rows.iter().map(|row| mmr(row.2.change.a.as_ref()))),
        optional_numbers(rows.iter().map(|row| mmr(row.2.change.b.as_ref()))),
        numbers(rows.iter().map(|row| row.2.change.difference(|figures| figures.mmr))),
        optional_texts(rows.iter().map(|row| row.2.change.why.as_ref().and_then(|why| main_of(&why.mmr))))?,
    ])
}

pub(crate) fn unmargined_batch(rows: &[(String, [Sight; 2])]) -> Result<RecordBatch> {
    let side = |side: usize| {
        Ok::<_, crate::Error>([
            texts(rows.iter().map(|row| row.1[side].state()))?,
            optional_texts(rows.iter().map(|row| row.1[side].reason()))?,
            optional_numbers(rows.iter().map(|row| row.1[side].mmr())),
        ])
    };
    let mut columns = vec![texts(rows.iter().map(|row| row.0.as_str()))?];
    columns.extend(side(0)?);
    columns.extend(side(1)?);
    UNMARGINED.batch(columns)
}
