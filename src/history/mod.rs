//! A history of runs in one Parquet file: a row for the book of each run, and one for each of its groups, for trends.
//!
//! The columns `by` and `group` are empty in the row of the book; those of a group are as in the table `groups`. Rows
//! are in order of valuation time, then identity, then `by` and `group`: the file does not depend on the order in which
//! runs were added. A run that is added again, with the same identity, replaces its rows.

mod file;

pub use file::{add, check, read};

use crate::Result;
use crate::rules::RulesId;
use crate::tables::columns::{Table, TableSpec, count, label, text, usd};
use crate::tables::filled::{Filled, columns_of};
use crate::totals::Summary;
use crate::totals::before::TrendPoint;
use crate::totals::groups::{GroupRow, GroupTotals};

/// The columns of a history.
pub static HISTORY: Table =
    Table::new(|| TableSpec::new("history", "run and book, and run and group", columns_of(columns())));

/// Runs on the page.
const TREND: usize = 60;

/// A row of a history.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub struct HistoryRow {
    /// What was computed.
    pub identity: String,
    /// Valuation time, RFC 3339 in UTC.
    pub as_of: String,
    /// What the user called the run.
    pub label: Option<String>,
    /// Version of the program.
    pub remargin: String,
    /// Which rules.
    pub rules: RulesId,
    /// The grouping, attributes with commas between them; empty of the book.
    pub by: String,
    /// The group, as in the table `groups`; empty of the book.
    pub group: String,
    /// Counts, in the order of their columns. A group has no accounts that are left out.
    counts: [u64; COUNTS.len()],
    /// Money in USD, in the order of its columns.
    usd: [f64; MONEY.len()],
}

/// Columns of counts, and what they mean.
const COUNTS: [(&str, &str); 7] = [
    ("accounts", "Margined accounts."),
    ("unmargined", "Accounts left out, since one of their rows is broken; null of a group, for they are in none."),
    ("at_risk", "Accounts in `liquidation` or `near_liquidation`, or with an IM deficit, in the base case."),
    ("liquidation", "Accounts in liquidation."),
    ("near_liquidation", "Accounts near liquidation."),
    ("warning", "Accounts with a warning."),
    ("im_deficit", "Accounts whose adjusted equity is below their IMR."),
];

/// The place of the accounts that are left out.
const UNMARGINED: usize = 1;

/// Columns of money, and what they mean.
const MONEY: [(&str, &str); 6] = [
    ("adj_eq", "Sum of adjusted equity."),
    ("total_eq", "Sum of total equity."),
    ("mmr", "Sum of MMR."),
    ("imr", "Sum of IMR."),
    ("shortfall_mmr", "What accounts lack to their MMR and liquidation fee."),
    ("shortfall_imr", "What accounts lack to their IMR."),
];

fn columns<'a>() -> Vec<Filled<'a, HistoryRow>> {
    let mut columns: Vec<Filled<HistoryRow>> = vec![
        text("identity", "What was computed, as one hash: the `identity` of the run's manifest.")
            .text(|row| &row.identity),
        label("as_of", "Valuation time, RFC 3339 in UTC.").text(|row| &row.as_of),
        label("label", "What the user called the run.").optional_text(|row| row.label.as_deref()),
        label("remargin", "Version of the program.").text(|row| &row.remargin),
        label("rules", "Name of the rules.").text(|row| &row.rules.name),
        label("rules_hash", "Hash of the rules.").text(|row| &row.rules.hash),
        label("by", "The grouping: attributes with commas between them; empty of the book.").text(|row| &row.by),
        label("group", "The group, as in `groups`; empty of the book.").text(|row| &row.group),
    ];
    let counts = COUNTS.iter().enumerate();
    columns.extend(counts.map(|(place, (name, about))| match place {
        UNMARGINED => count(name, about).optional_count(|row: &HistoryRow| row.unmargined()),
        _ => count(name, about).count(move |row: &HistoryRow| row.counts[place]),
    }));
    let money = MONEY.iter().enumerate();
    columns.extend(money.map(|(place, (name, about))| usd(name, about).number(move |row: &HistoryRow| row.usd[place])));
    columns
}

impl HistoryRow {
    /// The row of the book of a run.
    #[must_use]
    pub fn of_book(identity: &str, summary: &Summary) -> Self {
        let (accounts, totals, over) = (summary.accounts, &summary.totals, &summary.distribution);
        let by_status = accounts.by_status;
        Self {
            identity: identity.to_owned(),
            as_of: summary.as_of.clone(),
            label: summary.label.clone(),
            remargin: env!("CARGO_PKG_VERSION").to_owned(),
            rules: summary.rules.clone(),
            by: String::new(),
            group: String::new(),
            counts: [
                accounts.margined,
                accounts.unmargined,
                accounts.at_risk,
                by_status.liquidation,
                by_status.near_liquidation,
                by_status.warning,
                accounts.im_deficit,
            ],
            usd: [totals.adj_eq, totals.total_eq, totals.mmr, totals.imr, over.shortfall_mmr, over.shortfall_imr],
        }
    }

    /// The rows of the groups of the run whose book this is, in the base case.
    ///
    /// # Errors
    /// [`crate::Error::Runtime`] for a total that is not finite.
    pub(crate) fn of_groups(&self, totals: &GroupTotals) -> Result<Vec<Self>> {
        let rows = (0..totals.by().len()).flat_map(|by| totals.base_rows(by));
        rows.map(|row| row.map(|row| self.of_group(&row))).collect()
    }

    fn of_group(&self, row: &GroupRow) -> Self {
        let GroupRow { counts, totals, shortfalls, .. } = row;
        let by_status = counts.by_status;
        Self {
            by: row.by.to_owned(),
            group: row.group.to_owned(),
            counts: [
                counts.margined,
                0,
                counts.at_risk,
                by_status.liquidation,
                by_status.near_liquidation,
                by_status.warning,
                counts.im_deficit,
            ],
            usd: [totals.adj_eq, totals.total_eq, totals.mmr, totals.imr, shortfalls.mmr, shortfalls.imr],
            ..self.clone()
        }
    }

    /// Accounts that are left out; nobody knows in which group they would be.
    fn unmargined(&self) -> Option<u64> {
        self.by.is_empty().then_some(self.counts[UNMARGINED])
    }

    /// What rows are ordered by. Times of one form order as their text does.
    fn key(&self) -> (&str, &str, &str, &str) {
        (&self.as_of, &self.identity, &self.by, &self.group)
    }

    fn point(&self) -> TrendPoint {
        let [accounts, unmargined, at_risk, liquidation, ..] = self.counts;
        let [adj_eq, _, mmr, _, shortfall_mmr, _] = self.usd;
        TrendPoint {
            identity: self.identity.clone(),
            label: self.label.clone(),
            as_of: self.as_of.clone(),
            rules: self.rules.name.clone(),
            accounts,
            at_risk,
            liquidation,
            mmr,
            adj_eq,
            shortfall_mmr,
            unmargined,
        }
    }
}

/// Rows with those of a run added, in order. Rows that it has already are replaced.
fn with(mut rows: Vec<HistoryRow>, run: &[HistoryRow]) -> Vec<HistoryRow> {
    rows.retain(|row| run.iter().all(|new| new.identity != row.identity));
    rows.extend(run.iter().cloned());
    rows.sort_by(|a, b| a.key().cmp(&b.key()));
    rows
}

/// The book in the last sixty runs of a history, this one the last of them: other runs of its time and later ones are
/// left aside.
#[must_use]
pub fn trend(mut rows: Vec<HistoryRow>, run: &HistoryRow) -> Vec<TrendPoint> {
    rows.retain(|row| row.by.is_empty() && row.as_of < run.as_of);
    let rows = with(rows, std::slice::from_ref(run));
    let first = rows.len().saturating_sub(TREND);
    rows.iter().skip(first).map(HistoryRow::point).collect()
}

/// What a run said of the runs before it, to which it adds itself anew: points of later times, or out of order, are
/// left out.
pub fn continued(said: &[TrendPoint], run: &HistoryRow) -> Vec<TrendPoint> {
    if said.is_empty() {
        return Vec::new();
    }
    let mut points: Vec<TrendPoint> = Vec::new();
    for point in said.iter().filter(|point| point.as_of < run.as_of) {
        let key = |point: &TrendPoint| (point.as_of.clone(), point.identity.clone());
        if points.last().is_none_or(|last| key(last) < key(point)) {
            points.push(point.clone());
        }
    }
    points.push(run.point());
    points
}

#[cfg(test)]
mod tests {
    use super::*;

    pub(super) fn row(as_of: &str, identity: &str) -> HistoryRow {
        HistoryRow {
            identity: identity.to_owned(),
            as_of: as_of.to_owned(),
            label: (identity != "b").then(|| "desk B".to_owned()),
            remargin: "0.1.0".to_owned(),
            rules: RulesId { name: "set".to_owned(), hash: "ff".to_owned() },
            by: String::new(),
            group: String::new(),
            counts: [10, 1, 2, 3, 4, 5, 6],
            usd: [0.1, 1e300, -2.5, f64::MIN_POSITIVE, 0.0, 1.0 / 3.0],
        }
    }

    #[test]
    fn a_trend_ends_with_its_run() {
        let all: Vec<HistoryRow> = (0..100).map(|day| row(&format!("2026-01-{day:03}"), &format!("r{day}"))).collect();
        let mut group = row("2026-01-090", "r90");
        (group.by, group.group) = ("desk".to_owned(), "B".to_owned());
        let run = row("2026-01-090", "r90");
        let found = trend([all.clone(), vec![group]].concat(), &run);
        assert_eq!(found.len(), TREND);
        let days: Vec<&str> = found.iter().map(|point| point.as_of.as_str()).collect();
        assert_eq!((days[0], days[TREND - 1]), ("2026-01-031", "2026-01-090"));
        assert_eq!(trend(Vec::new(), &run).len(), 1);
        assert_eq!((found[0].mmr, found[0].adj_eq, found[0].at_risk, found[0].liquidation), (-2.5, 0.1, 2, 3));
    }
}
