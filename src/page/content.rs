//! The figures of a page, as its script reads them.
//!
//! Long lists are rows of plain arrays, rounded to what a person reads: money to cents below 100,000 USD and to
//! dollars above, the rest to six digits. Every bit is in the tables, which the page names.

use super::groups::Groups;
use super::left_out::{Blame, LeftOut};
use super::limits::Limits;
use super::losses::Losses;
use super::netting::Netting;
use super::scenarios::Scenarios;
use super::words::{LISTED, LONGEST_ID, cut, digits, money};
use super::{AT_RISK_SHOWN, REPORT, before, escaped};
use crate::book::Book;
use crate::figures::{Unit, UnitFigure, UnitRow};
use crate::margin::{UnitMargin, VolState};
use crate::publish::OutputFile;
use crate::results::ResultRow;
use crate::rules::{LoadedRules, RuleValue, RulesId};
use crate::snapshot::InputFile;
use crate::totals::at_risk::{AtRisk, Binding, Names};
use crate::totals::reach::Reach;
use crate::totals::spread::Distribution;
use crate::totals::summary::{AccountCounts, HedgeSaving, RejectSummary, Summary, TableSummary, Totals, UnitSummary};
use crate::totals::trust::Trust;
use crate::{Error, Result};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use std::collections::BTreeMap;

/// Risk units listed, largest MMR first.
const UNITS_SHOWN: usize = 200;
/// Risk units listed of an account at risk, largest MMR first.
const ACCOUNT_UNITS_SHOWN: usize = 12;
/// Bytes for the risk units of all accounts at risk together: what keeps the page below three megabytes. Those of a
/// thousand accounts with five units each take 700,000.
const DRILL_BYTES: usize = 1_200_000;
/// Characters of a path or a value, and of the name of a risk unit.
const LONGEST_TEXT: usize = 160;
/// Characters of why a figure is assumed, and of the label of a run.
const LONGEST_NOTE: usize = 300;
const LONGEST_LABEL: usize = 200;
const LONGEST_UNIT: usize = 24;

/// Everything that a page shows.
#[derive(Debug, Serialize)]
pub(crate) struct Page {
    identity: Identity,
    scenarios_total: u64,
    accounts: AccountCounts,
    totals: Totals,
    trust: Trust,
    hedge_saving: HedgeSaving,
    distribution: Distribution,
    /// The largest.
    risk_units: Vec<UnitSummary>,
    risk_units_total: usize,
    tables: Vec<TableSummary>,
    rejects: RejectSummary,
    unused_price_gaps: u64,
    /// The first of them.
    unmargined: Vec<LeftOut>,
    at_risk: Option<AtRiskTable>,
    scenarios: Option<Scenarios>,
    losses: Option<Losses>,
    groups: Option<Groups>,
    netting: Option<Netting>,
    limits: Option<Limits>,
    /// The change against an earlier run.
    previous: Option<Value>,
    /// The last runs of a history; empty without one.
    trend: Value,
}

/// Which run this is.
#[derive(Debug, Clone, Serialize)]
pub(crate) struct Identity {
    /// What the user called the run.
    label: Option<String>,
    as_of: String,
    /// Version of remargin that ran.
    remargin: String,
    rules: RulesId,
    effective_from: Option<String>,
    /// Margin ratios at or below which an account is in liquidation, near it, warned.
    thresholds: [Option<f64>; 3],
    rule_values: usize,
    /// Parameters that are not those of the built-in set.
    changed: Vec<[String; 3]>,
    changed_total: usize,
    /// Parameters that are assumed, in parts at least: key, value, and why.
    assumed: Vec<[String; 3]>,
    inputs: Vec<PageFile>,
    inputs_total: usize,
    outputs: Vec<PageFile>,
}

/// A file, as the manifest lists it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct PageFile {
    pub path: String,
    pub bytes: u64,
    pub rows: Option<u64>,
    pub blake3: String,
}

impl From<&InputFile> for PageFile {
    fn from(file: &InputFile) -> Self {
        let path = file.path.display().to_string();
        Self { path, bytes: file.bytes, rows: file.rows, blake3: file.blake3.clone() }
    }
}

impl From<&OutputFile> for PageFile {
    fn from(file: &OutputFile) -> Self {
        Self { path: file.name.clone(), bytes: file.bytes, rows: file.rows, blake3: file.blake3.clone() }
    }
}

impl Identity {
    /// Of a run that is being written.
    pub(crate) fn of_run(as_of: &str, rules: &LoadedRules, inputs: &[InputFile], outputs: &[OutputFile]) -> Self {
        let id = RulesId { name: rules.rules.name.clone(), hash: rules.hash.clone() };
        let inputs = inputs.iter().map(PageFile::from).collect();
        let outputs = outputs.iter().map(PageFile::from).collect();
        Self::new(as_of, env!("CARGO_PKG_VERSION"), id, &rules.values, inputs, outputs)
    }

    pub(crate) fn new(
        as_of: &str,
        remargin: &str,
        rules: RulesId,
        values: &[RuleValue],
        mut inputs: Vec<PageFile>,
        mut outputs: Vec<PageFile>,
    ) -> Self {
        let value = |key: &str| values.iter().find(|value| value.key == key).map(|value| value.value.clone());
        let threshold = |key: &str| value(key).and_then(|text| text.parse().ok());
        let changed: Vec<&RuleValue> = values.iter().filter(|value| !value.source.starts_with("built-in")).collect();
        let listed = changed
            .iter()
            .take(LISTED)
            .map(|value| [&value.key, &value.value, &value.source].map(|text| cut(text, LONGEST_TEXT)));
        let assumed = values.iter().filter_map(|value| {
            let mark = value.mark.as_ref().filter(|mark| mark.is_assumed())?;
            Some([(&value.key, LONGEST_TEXT), (&value.value, LONGEST_TEXT), (&mark.note, LONGEST_NOTE)])
        });
        let assumed = assumed.take(LISTED).map(|texts| texts.map(|(text, longest)| cut(text, longest)));
        let inputs_total = inputs.len();
        inputs.truncate(LISTED);
        outputs.retain(|file| file.path != REPORT);
        outputs.truncate(LISTED);
        for file in inputs.iter_mut().chain(&mut outputs) {
            file.path = cut(&file.path, LONGEST_TEXT);
        }
        Self {
            label: None,
            as_of: as_of.to_owned(),
            remargin: remargin.to_owned(),
            rules,
            effective_from: value("effective_from"),
            thresholds: ["status.liquidation", "status.near", "status.warning"].map(threshold),
            rule_values: values.len(),
            changed: listed.collect(),
            changed_total: changed.len(),
            assumed: assumed.collect(),
            inputs,
            inputs_total,
            outputs,
        }
    }

    /// With what the user called the run.
    pub(crate) fn labelled(mut self, label: Option<&str>) -> Self {
        self.label = label.map(|label| cut(label, LONGEST_LABEL));
        self
    }
}

/// The head of `at_risk` in the base case.
#[derive(Debug, Serialize)]
struct AtRiskTable {
    rows: Vec<AtRiskRow>,
    /// The units of each row, and how many more it has; null where the run does not tell.
    units: Option<Vec<(Vec<Value>, usize)>>,
}

/// A row of `at_risk`.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct AtRiskRow {
    pub(crate) account_id: String,
    status: String,
    margin_ratio: Option<f64>,
    /// `adj_eq, mmr, imr, liquidation_fee, shortfall_mmr, shortfall_imr`.
    money: [Option<f64>; 6],
    worst_unit: Option<String>,
    worst_unit_mmr: Option<f64>,
    binding: Option<String>,
    /// Moves of all coins together: down and up.
    moves: [Option<f64>; 2],
    reaches: [Option<String>; 2],
}

/// Columns that [`AtRiskRow::read`] takes.
pub(crate) const NAMES: [&str; 7] =
    ["account_id", "scenario", "status", "worst_unit", "binding", "all_coins_down_reach", "all_coins_up_reach"];
pub(crate) const FIGURES: [&str; 10] = [
    "margin_ratio",
    "adj_eq",
    "mmr",
    "imr",
    "liquidation_fee",
    "shortfall_mmr",
    "shortfall_imr",
    "worst_unit_mmr",
    "all_coins_down_move",
    "all_coins_up_move",
];

impl AtRiskRow {
    /// The accounts of some rows.
    pub(crate) fn ids(rows: &[Self]) -> Vec<String> {
        rows.iter().map(|row| row.account_id.clone()).collect()
    }

    /// The head of a run's rows at risk, which are sorted.
    pub(crate) fn head(rows: &[AtRisk], book: &Book, names: Names) -> Vec<Self> {
        rows.iter()
            .take_while(|row| row.scenario == 0)
            .take(AT_RISK_SHOWN)
            .map(|row| Self::of(row, book, names))
            .collect()
    }

    fn of(row: &AtRisk, book: &Book, names: Names) -> Self {
        let margin = &row.margin;
        let unit = row.worst_unit;
        let of_reach = |way: usize| row.all_coins.as_ref().map(|reach| reach[way]);
        let found = |reach: &Reach| reach.found().map(|found| found.price_move);
        Self {
            account_id: book.accounts().get(row.account).to_owned(),
            status: margin.status.name().to_owned(),
            margin_ratio: margin.margin_ratio,
            money: [
                margin.adj_eq,
                margin.mmr,
                margin.imr,
                margin.liquidation_fee,
                row.shortfall_mmr_usd(),
                row.shortfall_imr_usd(),
            ]
            .map(Some),
            worst_unit: unit.and_then(|unit| names.units.get(unit.unit as usize).cloned()),
            worst_unit_mmr: unit.map(|unit| unit.mmr),
            binding: unit.and_then(|unit| unit.binding).map(|binding| binding.name().to_owned()),
            moves: [0, 1].map(|way| of_reach(way).as_ref().and_then(found)),
            reaches: [0, 1].map(|way| of_reach(way).map(|reach| reach.name().to_owned())),
        }
    }

    /// From the table, with [`NAMES`] and [`FIGURES`].
    pub(crate) fn read(row: ResultRow) -> Result<Self> {
        let text = |text: String| (!text.is_empty()).then_some(text);
        let strange = |_| Error::Runtime("a row of `at_risk` has other columns than asked for".to_owned());
        let names: [String; 7] = row.names.try_into().map_err(strange)?;
        let [account_id, _, status, worst_unit, binding, down, up] = names;
        let strange = |_| Error::Runtime("a row of `at_risk` has other columns than asked for".to_owned());
        let figures: [Option<f64>; 10] = row.figures.try_into().map_err(strange)?;
        let [margin_ratio, adj_eq, mmr, imr, fee, short_mmr, short_imr, worst_unit_mmr, down_move, up_move] = figures;
        Ok(Self {
            account_id,
            status,
            margin_ratio,
            money: [adj_eq, mmr, imr, fee, short_mmr, short_imr],
            worst_unit: text(worst_unit),
            worst_unit_mmr,
            binding: text(binding),
            moves: [down_move, up_move],
            reaches: [text(down), text(up)],
        })
    }
}

impl Serialize for AtRiskRow {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> std::result::Result<S::Ok, S::Error> {
        let mut cells = vec![json!(cut(&self.account_id, LONGEST_ID)), json!(self.status), digits(self.margin_ratio)];
        cells.extend(self.money.map(money));
        let unit = self.worst_unit.as_ref().map(|unit| cut(unit, LONGEST_UNIT));
        cells.extend([json!(unit), money(self.worst_unit_mmr), json!(self.binding)]);
        cells.extend(self.moves.map(digits));
        cells.extend(self.reaches.iter().map(|reach| json!(reach)));
        cells.serialize(serializer)
    }
}

/// A risk unit of an account, as the page lists it.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct UnitEntry {
    pub name: String,
    pub figures: UnitRow,
}

/// The figures of a unit in the drill-down, behind its name, its binding term and the volatility state of MR1.
const UNIT_FIGURES: [UnitFigure; 18] = [
    UnitFigure::mmr,
    UnitFigure::imr,
    UnitFigure::mr1,
    UnitFigure::mr1_price,
    UnitFigure::mr2,
    UnitFigure::mr3,
    UnitFigure::mr4,
    UnitFigure::mr5,
    UnitFigure::mr6,
    UnitFigure::mr6_price,
    UnitFigure::mr7,
    UnitFigure::mr9,
    UnitFigure::cash_delta,
    UnitFigure::gamma,
    UnitFigure::vega,
    UnitFigure::theta,
    UnitFigure::spot_in_use,
    UnitFigure::upl,
];

impl UnitEntry {
    fn of(unit: &UnitMargin, names: &[String]) -> Self {
        Self { name: names.get(unit.unit as usize).cloned().unwrap_or_default(), figures: unit.into() }
    }

    fn mmr(&self) -> f64 {
        self.figures.optional(UnitFigure::mmr).unwrap_or(0.0)
    }

    fn cells(&self) -> Value {
        let binding = Binding::of_row(&self.figures).map(Binding::name);
        let vol = self.figures.mr1_vol().map(VolState::name);
        let mut cells = vec![json!(cut(&self.name, LONGEST_UNIT)), json!(binding), json!(vol)];
        cells.extend(UNIT_FIGURES.map(|figure| {
            let value = self.figures.optional(figure);
            if figure.figure().unit == Unit::Usd { money(value) } else { digits(value) }
        }));
        Value::Array(cells)
    }
}

/// The units of each account.
pub(crate) type UnitsByAccount = BTreeMap<String, Vec<UnitEntry>>;

/// Units of a run, as the page lists them.
pub(crate) fn unit_rows(units: BTreeMap<String, Vec<UnitMargin>>, names: &[String]) -> UnitsByAccount {
    let rows = |units: Vec<UnitMargin>| units.iter().map(|unit| UnitEntry::of(unit, names)).collect();
    units.into_iter().map(|(id, units)| (id, rows(units))).collect()
}

impl AtRiskTable {
    fn new(rows: Vec<AtRiskRow>, mut units: Option<UnitsByAccount>) -> Self {
        let mut left = DRILL_BYTES;
        let units = units.as_mut().map(|units| {
            let of_row = |row: &AtRiskRow| {
                let mut units = units.remove(&row.account_id).unwrap_or_default();
                // Stable: of equals the first by name.
                units.sort_by(|a, b| b.mmr().total_cmp(&a.mmr()));
                let mut shown = Vec::new();
                for cells in units.iter().take(ACCOUNT_UNITS_SHOWN).map(UnitEntry::cells) {
                    let bytes = escaped(&cells.to_string()).len() + 1;
                    if bytes > left {
                        left = 0;
                        break;
                    }
                    left -= bytes;
                    shown.push(cells);
                }
                let more = units.len() - shown.len();
                (shown, more)
            };
            rows.iter().map(of_row).collect()
        });
        Self { rows, units }
    }
}

impl Page {
    /// A page of a summary. `scenarios` are those of a stress.
    pub(crate) fn new(identity: Identity, summary: &Summary, scenarios: Option<Scenarios>) -> Self {
        let mut units: Vec<&UnitSummary> = summary.risk_units.iter().collect();
        units.sort_by(|a, b| b.mmr.total_cmp(&a.mmr));
        let unmargined = summary.unmargined.iter().take(LISTED).map(|account| LeftOut {
            id: account.account_id.clone(),
            account_id: cut(&account.account_id, LONGEST_ID),
            reason: account.reason.clone(),
            broken_rows: account.broken_rows,
            blame: None,
        });
        let mut distribution = summary.distribution.clone();
        for account in &mut distribution.largest {
            account.account_id = cut(&account.account_id, LONGEST_ID);
        }
        Self {
            identity,
            scenarios_total: summary.scenarios,
            accounts: summary.accounts,
            totals: summary.totals,
            trust: summary.trust.clone(),
            hedge_saving: summary.hedge_saving,
            distribution,
            risk_units: units.iter().take(UNITS_SHOWN).map(|unit| listed(unit)).collect(),
            risk_units_total: units.len(),
            tables: summary.tables.clone(),
            rejects: summary.rejects.clone(),
            unused_price_gaps: summary.unused_price_gaps,
            unmargined: unmargined.collect(),
            at_risk: None,
            scenarios,
            losses: None,
            groups: None,
            netting: None,
            limits: None,
            previous: summary.previous.as_deref().map(before::previous),
            trend: before::trend(&summary.trend),
        }
    }

    /// Adds the rows to blame for accounts that were left out.
    pub(crate) fn with_blame(mut self, blames: &BTreeMap<String, Blame>) -> Self {
        for account in &mut self.unmargined {
            account.blame = blames.get(&account.id).map(Blame::shown);
        }
        self
    }

    /// Adds how the book is distributed over the scenarios.
    pub(crate) fn with_losses(mut self, losses: Option<Losses>) -> Self {
        self.losses = losses;
        self
    }

    /// Adds the groups of accounts.
    pub(crate) fn with_groups(mut self, groups: Option<Groups>) -> Self {
        self.groups = groups;
        self
    }

    /// Adds what netting saves.
    pub(crate) fn with_netting(mut self, netting: Option<Netting>) -> Self {
        self.netting = netting;
        self
    }

    /// Adds the limits.
    pub(crate) fn with_limits(mut self, limits: Option<Limits>) -> Self {
        self.limits = limits;
        self
    }

    /// Adds the accounts at risk, and their units of a run that is being written.
    pub(crate) fn with_at_risk(
        self,
        rows: Vec<AtRiskRow>,
        units: Option<BTreeMap<String, Vec<UnitMargin>>>,
        names: &[String],
    ) -> Self {
        self.with_rows(rows, units.map(|units| unit_rows(units, names)))
    }

    pub(crate) fn with_rows(mut self, rows: Vec<AtRiskRow>, units: Option<UnitsByAccount>) -> Self {
        self.at_risk = Some(AtRiskTable::new(rows, units));
        self
    }
}

fn listed(unit: &UnitSummary) -> UnitSummary {
    UnitSummary { risk_unit: cut(&unit.risk_unit, LONGEST_UNIT), ..unit.clone() }
}
