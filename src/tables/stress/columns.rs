//! The columns of the reports of a stress, each with what fills it. All money is USD.

use super::rows::{FigureRow, HedgeRow, LargestRow, MigrationRow, ScenarioRow, TailRow, Worst};
use super::stats::{HedgeStats, shortfall_usd};
use crate::book::Book;
use crate::figures::{ACCOUNT, AccountFigure, Figure, Totals, Unit};
use crate::margin::AccountMargin;
use crate::tables::columns::{
    ACCOUNT_ID, Column, RISK_UNIT, SCENARIO, Table, TableSpec, count, label, number, ratio, text, usd,
};
use crate::tables::filled::{Filled, account, columns_of};
use crate::totals::at_risk::Names;
use crate::totals::counts::share;
use crate::totals::losses::{EQUITY_LOSS, MMR, SHORTFALL};
use crate::totals::weighted::Statistics;

/// One row a scenario, the base case first.
pub static SCENARIOS: Table =
    Table::new(|| TableSpec::new("scenarios", "scenario, the base case first", columns_of(scenarios())));

/// Accounts by status in the base case and in the scenario; pairs without an account are left out.
pub static MIGRATION: Table = Table::new(|| {
    let row = "scenario x status in the base case x status in the scenario, where there are accounts";
    TableSpec::new("migration", row, columns_of(migration()))
});

/// The ten accounts with the largest shortfall below zero equity and the ten with the largest MMR, by scenario.
pub static LARGEST: Table =
    Table::new(|| TableSpec::new("largest", "scenario x list x rank, at most ten a list", columns_of(largest())));

/// Spot in use by scenario and risk unit, where some account hedges in the base case or in the scenario.
pub static HEDGES: Table = Table::new(|| {
    let row = "scenario x risk unit, where some account hedges in the base case or in the scenario";
    TableSpec::new("hedges", row, columns_of(hedges()))
});

/// Every account with the scenario that is worst for it.
pub static WORST: Table = Table::new(|| {
    let row = "account, with the scenario of its lowest margin ratio";
    TableSpec::new("worst", row, columns_of(worst())).sorted()
});

/// MMR, equity loss and shortfall of the book over the scenarios.
pub static DISTRIBUTION: Table = Table::new(|| {
    let row = "figure of the book: `mmr`, `equity_loss` or `shortfall`; none if no scenario has a weight";
    TableSpec::new("distribution", row, columns_of(distribution()))
});

/// The scenarios in which these figures are largest.
pub static TAIL: Table = Table::new(|| {
    let row = "figure x rank: the worst scenarios that have 5 % of the weight, the one at the boundary included";
    TableSpec::new("tail", row, columns_of(tail()))
});

/// The same figures of every account.
pub static ACCOUNTS_DISTRIBUTION: Table = Table::new(|| {
    let columns = columns_of(accounts_distribution());
    TableSpec::new("accounts_distribution", "account", columns).sorted()
});

/// A row, and what its numbers stand for.
pub(crate) struct Seen<'a, R> {
    pub row: &'a R,
    pub book: &'a Book,
    pub names: Names<'a>,
}

/// The rows with their book and names.
pub(crate) fn seen<'a, R>(rows: &'a [R], book: &'a Book, names: Names<'a>) -> Vec<Seen<'a, R>> {
    rows.iter().map(|row| Seen { row, book, names }).collect()
}

impl<R> Seen<'_, R> {
    fn scenario(&self, scenario: usize) -> &str {
        self.names.scenarios[scenario].as_str()
    }
}

/// A row of [`WORST`].
pub(crate) struct WorstRow<'a> {
    pub account_id: &'a str,
    pub base: &'a AccountMargin,
    pub worst: &'a Worst,
    pub liquidation_probability: Option<f64>,
    pub names: Names<'a>,
}

/// A row of [`ACCOUNTS_DISTRIBUTION`].
pub(crate) struct AccountRow<'a> {
    pub account_id: &'a str,
    pub liquidation_probability: Option<f64>,
    /// In the order of [`FIGURES`].
    pub statistics: [Statistics; 3],
}

/// The figures that have a distribution, and what they are.
const FIGURES: [(&str, &str); 3] = [(MMR, "MMR"), (EQUITY_LOSS, "Equity loss"), (SHORTFALL, "Shortfall")];

/// So many totals stand before the savings; of figures that were declared later, the totals stand at the end.
const TOTALS_BEFORE_SAVINGS: usize = 11;

/// The totals that the table has, in order.
fn totals() -> impl Iterator<Item = &'static Figure<AccountMargin>> {
    ACCOUNT.iter().filter(|figure| figure.sums && figure.compared)
}

/// The column of the sum of a figure.
fn total<'a>(figure: &Figure<AccountMargin>) -> Filled<'a, Seen<'a, ScenarioRow>> {
    let place = Totals::NAMES.iter().position(|name| *name == figure.name);
    let value = move |totals: &Totals| place.and_then(|place| totals.values().get(place).copied());
    let column = Column::of(figure).named(figure.name, "Sum over accounts");
    column.number(move |seen: &Seen<ScenarioRow>| value(&seen.row.totals).unwrap_or(f64::NAN))
}

pub(crate) fn scenarios<'a>() -> Vec<Filled<'a, Seen<'a, ScenarioRow>>> {
    type Row<'a> = Seen<'a, ScenarioRow>;
    let mut columns = vec![
        text("scenario", SCENARIO).text(|seen: &Row| seen.scenario(seen.row.scenario)),
        number("days", "Days that pass before it.", Unit::Days).number(|seen: &Row| seen.row.days),
        count("accounts", "Accounts with a margin.").count(|seen: &Row| seen.row.accounts.margined),
        count("liquidation", "Accounts in `liquidation`.").count(|seen: &Row| seen.row.accounts.by_status.liquidation),
        count("near_liquidation", "Accounts in `near_liquidation`.")
            .count(|seen: &Row| seen.row.accounts.by_status.near_liquidation),
        count("warning", "Accounts in `warning`.").count(|seen: &Row| seen.row.accounts.by_status.warning),
        count("healthy", "Accounts that are `healthy`.").count(|seen: &Row| seen.row.accounts.by_status.healthy),
        count("no_risk", "Accounts with nothing to maintain.").count(|seen: &Row| seen.row.accounts.by_status.no_risk),
        count("im_deficit", "Accounts whose `adj_eq` is below `imr`.").count(|seen: &Row| seen.row.accounts.im_deficit),
        count("ineligible", "Accounts below the least total equity of the rules.")
            .count(|seen: &Row| seen.row.accounts.ineligible),
        count("newly_liquidation", "Accounts in `liquidation` that are not so in the base case.")
            .count(|seen: &Row| seen.row.newly_liquidation),
        count("newly_im_deficit", "Accounts with an IM deficit that have none in the base case.")
            .count(|seen: &Row| seen.row.newly_im_deficit),
    ];
    columns.extend(totals().take(TOTALS_BEFORE_SAVINGS).map(total));
    columns.extend([
        usd("hedge_saving_mmr", "What spot hedging saves, `mmr_no_hedge - mmr`.")
            .number(|seen: &Row| seen.row.totals.mmr_no_hedge - seen.row.totals.mmr),
        usd("hedge_saving_imr", "What spot hedging saves, `imr_no_hedge - imr`.")
            .number(|seen: &Row| seen.row.totals.imr_no_hedge - seen.row.totals.imr),
        usd("shortfall", "What accounts owe beyond all they have: the sum of `max(0, -total_eq)`.")
            .number(|seen: &Row| seen.row.shortfall),
        count("shortfall_accounts", "Accounts that owe beyond all they have.")
            .count(|seen: &Row| seen.row.shortfall_accounts),
        usd("largest_ten_shortfall", "Shortfall of the ten accounts with the largest one.")
            .number(|seen: &Row| seen.row.largest_ten_shortfall),
        ratio("largest_ten_shortfall_share", "Its share of `shortfall`; null where that is zero.")
            .optional(|seen: &Row| share(seen.row.largest_ten_shortfall, seen.row.shortfall)),
        usd("largest_ten_mmr", "MMR of the ten accounts with the largest one.")
            .number(|seen: &Row| seen.row.largest_ten_mmr),
        ratio("largest_ten_mmr_share", "Its share of `mmr`; null where that is zero.")
            .optional(|seen: &Row| share(seen.row.largest_ten_mmr, seen.row.totals.mmr)),
    ]);
    columns.extend([
        number(
            "weight",
            "What it weighs in a distribution; null for the base case, which is no part of it.",
            Unit::Weight,
        )
        .optional(|seen: &Row| seen.row.weight),
        usd("equity_loss", "`total_eq` of the base case less that of the scenario.")
            .number(|seen: &Row| seen.row.equity_loss),
    ]);
    columns.extend(totals().skip(TOTALS_BEFORE_SAVINGS).map(total));
    columns
}

pub(crate) fn distribution<'a>() -> Vec<Filled<'a, FigureRow>> {
    let mut columns = vec![
        label(
            "figure",
            "`mmr`, `equity_loss` (total equity in the base case less that in the scenario) or `shortfall`.",
        )
        .text(|row: &FigureRow| row.figure),
        usd("base", "In the base case, which is no part of the distribution.")
            .number(|row: &FigureRow| row.distribution.base),
    ];
    columns.extend(
        Statistics::COLUMNS
            .map(|(name, meaning, of)| usd(name, meaning).number(move |row: &FigureRow| of(&row.distribution.over))),
    );
    columns
}

pub(crate) fn tail<'a>() -> Vec<Filled<'a, Seen<'a, TailRow>>> {
    type Row<'a> = Seen<'a, TailRow>;
    vec![
        label("figure", "`mmr`, `equity_loss` or `shortfall`.").text(|seen: &Row| seen.row.figure),
        count("rank", "Place of the scenario, from 1, the largest amount first.")
            .count(|seen: &Row| seen.row.rank as u64),
        text("scenario", SCENARIO).repeated().text(|seen: &Row| seen.scenario(seen.row.scenario)),
        usd("amount", "The figure in the scenario.").number(|seen: &Row| seen.row.amount),
        number("weight", "What the scenario weighs.", Unit::Weight).number(|seen: &Row| seen.row.weight),
        ratio("weight_share", "Its share of the weight of all scenarios.").number(|seen: &Row| seen.row.weight_share),
        ratio("tail_share", "The same of this scenario and of those before it in the list.")
            .number(|seen: &Row| seen.row.tail_share),
    ]
}

pub(crate) fn accounts_distribution<'a>() -> Vec<Filled<'a, AccountRow<'a>>> {
    let mut columns = vec![
        text("account_id", ACCOUNT_ID).text(|row: &AccountRow| row.account_id),
        ratio("liquidation_probability", LIQUIDATION_PROBABILITY)
            .optional(|row: &AccountRow| row.liquidation_probability),
    ];
    for (place, (figure, about)) in FIGURES.into_iter().enumerate() {
        columns.extend(Statistics::COLUMNS.map(|(name, meaning, of)| {
            let column = usd(name, meaning).named(format!("{figure}_{name}"), about);
            column.number(move |row: &AccountRow| of(&row.statistics[place]))
        }));
    }
    columns
}

/// What the probability of liquidation means.
const LIQUIDATION_PROBABILITY: &str = "Share of the weight of the scenarios, the base case left out, in which the \
     account is in `liquidation`; null if none weighs anything.";

pub(crate) fn migration<'a>() -> Vec<Filled<'a, Seen<'a, MigrationRow>>> {
    type Row<'a> = Seen<'a, MigrationRow>;
    vec![
        label("scenario", SCENARIO).text(|seen: &Row| seen.scenario(seen.row.scenario)),
        label("base_status", "Status in the base case.").text(|seen: &Row| seen.row.from.name()),
        label("status", "Status in the scenario.").text(|seen: &Row| seen.row.to.name()),
        count("accounts", "Accounts with this pair.").count(|seen: &Row| seen.row.accounts),
    ]
}

pub(crate) fn largest<'a>() -> Vec<Filled<'a, Seen<'a, LargestRow>>> {
    type Row<'a> = Seen<'a, LargestRow>;
    vec![
        label("scenario", SCENARIO).text(|seen: &Row| seen.scenario(seen.row.scenario)),
        label("by", "What the list ranks: `shortfall` or `mmr`.").text(|seen: &Row| seen.row.by),
        count("rank", "Place in the list, from 1.").count(|seen: &Row| seen.row.rank as u64),
        text("account_id", ACCOUNT_ID).repeated().text(|seen: &Row| seen.book.accounts().get(seen.row.account)),
        usd("amount", "Shortfall or MMR of the account.").number(|seen: &Row| seen.row.amount),
        ratio("share", "Its share of that of all accounts; null where that is zero.")
            .optional(|seen: &Row| share(seen.row.amount, seen.row.total)),
    ]
}

pub(crate) fn hedges<'a>() -> Vec<Filled<'a, Seen<'a, HedgeRow>>> {
    type Row<'a> = Seen<'a, HedgeRow>;
    fn stats<'r>(seen: &'r Row) -> &'r HedgeStats {
        &seen.row.stats
    }
    let coins = |name, meaning| number(name, meaning, Unit::Coin);
    vec![
        label("scenario", SCENARIO).text(|seen: &Row| seen.scenario(seen.row.scenario)),
        label("risk_unit", RISK_UNIT).text(|seen: &Row| seen.names.units[seen.row.unit].as_str()),
        count("hedged_base", "Accounts with spot in use in the base case.").count(|seen| stats(seen).hedged[0]),
        count("hedged", "Accounts with spot in use in the scenario.").count(|seen| stats(seen).hedged[1]),
        coins("spot_in_use_base", "Spot in use in the base case, absolute.")
            .number(|seen| stats(seen).spot_coin[0].value()),
        coins("spot_in_use", "Spot in use in the scenario, absolute.").number(|seen| stats(seen).spot_coin[1].value()),
        usd("spot_in_use_usd", "Its value in the scenario.").number(|seen| stats(seen).spot_usd.value()),
        coins("unhedged_delta_base", "Coin delta that spot leaves open in the base case, absolute.")
            .number(|seen| stats(seen).unhedged_coin[0].value()),
        coins("unhedged_delta", "Coin delta that spot leaves open in the scenario, absolute.")
            .number(|seen| stats(seen).unhedged_coin[1].value()),
        count("reduced", "Accounts whose hedge is smaller than in the base case.").count(|seen| stats(seen).reduced),
        count("reduced_to_none", "Accounts whose hedge is gone.").count(|seen| stats(seen).reduced_to_none),
        count("new_liability", "Accounts that owe the coin and did not in the base case.")
            .count(|seen| stats(seen).new_liability),
        count("cap_binding_base", "Accounts whose own cap limits the hedge in the base case.")
            .count(|seen| stats(seen).capped[0]),
        count("cap_binding", "Accounts whose own cap limits the hedge in the scenario.")
            .count(|seen| stats(seen).capped[1]),
    ]
}

pub(crate) fn worst<'a>() -> Vec<Filled<'a, WorstRow<'a>>> {
    fn margin<'r>(row: &'r WorstRow) -> &'r AccountMargin {
        &row.worst.margin
    }
    let base = |name: &'static str, figure: AccountFigure| {
        Column::of(figure.figure()).named(name, "In the base case").account(figure, |row: &WorstRow| row.base)
    };
    vec![
        text("account_id", ACCOUNT_ID).text(|row: &WorstRow| row.account_id),
        base("base_status", AccountFigure::status),
        base("base_margin_ratio", AccountFigure::margin_ratio),
        base("base_total_eq", AccountFigure::total_eq),
        label("scenario", "The scenario with the lowest margin ratio, the first of equals.")
            .text(|row: &WorstRow| row.names.scenarios[row.worst.scenario].as_str()),
        account(AccountFigure::status, margin),
        account(AccountFigure::margin_ratio, margin),
        account(AccountFigure::adj_eq, margin),
        account(AccountFigure::total_eq, margin),
        account(AccountFigure::mmr, margin),
        account(AccountFigure::imr, margin),
        account(AccountFigure::liquidation_fee, margin),
        account(AccountFigure::im_deficit, margin),
        usd("shortfall", "What the account owes beyond all it has, `max(0, -total_eq)`.")
            .number(|row: &WorstRow| shortfall_usd(margin(row))),
        usd("hedge_saving_mmr", "What spot hedging saves, `mmr_no_hedge - mmr`.")
            .number(|row: &WorstRow| margin(row).mmr_no_hedge - margin(row).mmr),
        count(
            "scenarios_in_liquidation",
            "Scenarios in which the account is in `liquidation`, the base case included.",
        )
        .count(|row: &WorstRow| row.worst.liquidations),
        ratio("liquidation_probability", LIQUIDATION_PROBABILITY)
            .optional(|row: &WorstRow| row.liquidation_probability),
    ]
}
