//! What is to be said of all accounts of a book that was margined in parts, summed up account by account.
//!
//! Sums are compensated, and their last bits depend on the order of what is added and on where partial sums end. So all
//! accounts come here in order of their ids, and partial sums end where the pieces of a run or a stress over the whole
//! book end: the figures have the bits of that run, however the book was cut into parts.

use super::groups::of_totals;
use super::limits::{Limited, LimitsOf};
use super::terms::{ACCOUNT_ID, Reader, TERMS, broken};
use super::{Rows, plain, table};
use crate::book::{Grouping, Interner};
use crate::cells::arrays::strings;
use crate::limits::Sums;
use crate::margin::{AccountMargin, UnitMargin};
use crate::market::scenario::Scenario;
use crate::progress::Silent;
use crate::run::margins::piece_accounts;
use crate::stress::Distributed;
use crate::stress::columns::{DISTRIBUTION, SCENARIOS, TAIL};
use crate::stress::in_parts::{self, OfBook};
use crate::tables::columns::TableSpec;
use crate::tables::groups::{GROUP_UNITS, GROUPS};
use crate::totals::at_risk::Names;
use crate::totals::groups::{GroupTally, ScenarioGroups};
use crate::{Error, Result};
use arrow_array::cast::AsArray;
use arrow_array::{Array, ArrayRef, BinaryArray, RecordBatch};
use arrow_schema::DataType;

/// Sums up groups, and the book, out of [`GroupTables::terms`](super::GroupTables::terms) of all parts of a book.
pub struct InOrder {
    by: Vec<Grouping>,
    scenarios: Vec<String>,
    units: Vec<String>,
    /// The piece that is being summed up: its accounts, and its groups.
    accounts: usize,
    names: Vec<Interner>,
    piece: Vec<ScenarioGroups>,
    tally: GroupTally,
    last: Option<String>,
    /// Of a stress: whose figures are summed up over the scenarios, and the book.
    stress: Option<(Distributed, OfBook)>,
    limits: Option<(LimitsOf, Sums)>,
    /// The margins of the account at work.
    margins: Vec<AccountMargin>,
}

/// What [`InOrder`] brings.
#[derive(Debug, Clone)]
pub struct Summed {
    /// One row per grouping, group and scenario.
    pub groups: Rows,
    /// One row per grouping, group, scenario and risk unit.
    pub group_units: Rows,
    /// Of a stress: `scenarios`, `distribution` and `tail`.
    pub stress: Option<[Rows; 3]>,
    /// The limits on what is about more than one account, if there are limits.
    pub limits: Option<Limited>,
}

impl InOrder {
    /// No account yet. `scenarios` and `units` are those of any part: [`super::Recalculated::scenario_names`] and
    /// [`super::Recalculated::unit_names`].
    ///
    /// # Errors
    /// [`Error::Usage`] for a grouping that is there twice.
    pub fn new(by: &[Grouping], scenarios: &[String], units: &[String]) -> Result<Self> {
        Grouping::check_distinct(by)?;
        let mut all = Self {
            by: by.to_vec(),
            scenarios: scenarios.to_vec(),
            units: units.to_vec(),
            accounts: 0,
            names: Vec::new(),
            piece: Vec::new(),
            tally: GroupTally::default(),
            last: None,
            stress: None,
            limits: None,
            margins: Vec::new(),
        };
        all.begin();
        Ok(all)
    }

    /// Sums up what a stress does: the book in each scenario and over all of them, of which `weights` has the days and
    /// the weight. Partial sums then end where they end in a stress.
    ///
    /// # Errors
    /// [`Error::Runtime`] if that are not those of all scenarios, or a weight is none.
    pub fn with_stress(mut self, distribution: Distributed, weights: &[(f64, Option<f64>)]) -> Result<Self> {
        if weights.len() != self.scenarios.len() {
            return Err(Error::Runtime(format!("{} scenarios have {} weights", self.scenarios.len(), weights.len())));
        }
        let scenario = |(name, &(days, weight)): (&String, &(f64, Option<f64>))| Scenario {
            name: name.clone(),
            days,
            weight,
            ..Scenario::default()
        };
        let scenarios = self.scenarios.iter().zip(weights).map(scenario).collect();
        self.stress = Some((distribution, OfBook::new(scenarios, distribution)?));
        Ok(self)
    }

    /// Compares what is about more than one account with limits.
    ///
    /// # Errors
    /// [`Error::Runtime`] for a figure that the command does not have.
    pub fn with_limits(mut self, limits: LimitsOf) -> Result<Self> {
        let sums = limits.sums()?;
        self.limits = Some((limits, sums));
        Ok(self)
    }

    fn begin(&mut self) {
        self.accounts = 0;
        self.names = self.by.iter().map(|_| Interner::default()).collect();
        self.piece = self.scenarios.iter().map(|_| ScenarioGroups::default()).collect();
    }

    fn end(&mut self) {
        let names = std::mem::take(&mut self.names).into_iter().map(Interner::into_ids).collect::<Vec<_>>();
        self.tally.merge(&names, &self.piece);
        self.begin();
    }

    /// Adds the accounts that follow in byte order of their ids: the columns `account_id` and `terms`.
    ///
    /// # Errors
    /// [`Error::Runtime`] if an account does not follow the one before, or its terms are not of these groupings,
    /// scenarios and risk units.
    pub fn add(&mut self, rows: &RecordBatch) -> Result<()> {
        let ids = strings(&column(rows, ACCOUNT_ID)?).map_err(|problem| unreadable(&problem))?;
        let terms = bytes(&column(rows, TERMS)?)?;
        // A run ends its pieces after so many accounts of the snapshot, a stress after so many that are margined.
        let (piece_accounts, counts_left_out) = match &self.stress {
            Some((distribution, _)) => (in_parts::piece_accounts(*distribution, self.scenarios.len()), false),
            None => (piece_accounts(self.scenarios.len()), true),
        };
        for row in 0..rows.num_rows() {
            let id = ids.value(row);
            if let Some(last) = self.last.as_deref().filter(|last| *last >= id) {
                return Err(Error::Runtime(format!("account `{id}` comes behind `{last}`; expected: in order of ids")));
            }
            self.last = Some(id.to_owned());
            let is_margined = terms.is_valid(row);
            if is_margined {
                self.account(id, Reader::new(terms.value(row)))?;
            }
            self.accounts += usize::from(is_margined || counts_left_out);
            if self.accounts == piece_accounts {
                self.end();
            }
        }
        Ok(())
    }

    fn account(&mut self, id: &str, mut terms: Reader) -> Result<()> {
        let mut codes = Vec::with_capacity(self.names.len());
        for names in &mut self.names {
            codes.push(names.intern(terms.text()?));
        }
        self.margins.clear();
        for (groups, scenario) in self.piece.iter_mut().zip(&self.scenarios) {
            groups.grow(self.names.iter().map(Interner::len));
            let margin = terms.account()?;
            let mut units: Vec<UnitMargin> = Vec::new();
            for _ in 0..terms.count()? {
                let name = terms.text()?;
                let unit = self.units.iter().position(|unit| unit == name);
                let unit = unit.ok_or_else(|| Error::Runtime(format!("account `{id}`: no risk unit `{name}`")))?;
                units.push(terms.unit(u32::try_from(unit).unwrap_or(u32::MAX))?);
            }
            groups.count_in(codes.iter().copied(), id, &margin, &units);
            if let Some((_, sums)) = &mut self.limits {
                let name = |unit: &UnitMargin| self.units.get(unit.unit as usize).map_or("", String::as_str);
                sums.add(scenario, &margin, units.iter().map(|unit| (name(unit), unit)));
            }
            self.margins.push(margin);
        }
        if let Some((_, book)) = &mut self.stress {
            book.add(&self.margins);
        }
        if terms.is_at_end() { Ok(()) } else { Err(broken()) }
    }

    /// The tables, once all accounts are there.
    ///
    /// # Errors
    /// [`Error::Runtime`] for a total that is not finite.
    pub fn finish(mut self) -> Result<Summed> {
        self.end();
        let names = Names { units: &self.units, scenarios: &self.scenarios };
        let (groups, group_units) = of_totals(&self.tally.totals(&self.by, names))?;
        let mut stress = None;
        if let Some((_, book)) = self.stress {
            let found = book.finish(names)?;
            let rows = |spec: &TableSpec, batch: &RecordBatch| table(spec, vec![plain(batch)?]);
            stress = Some([
                rows(&SCENARIOS, &found.scenarios)?,
                rows(&DISTRIBUTION, &found.distribution)?,
                rows(&TAIL, &found.tail)?,
            ]);
        }
        let mut limited = None;
        if let Some((limits, sums)) = &self.limits {
            let mut tables = vec![(GROUPS.name, &groups), (GROUP_UNITS.name, &group_units)];
            if let Some([scenarios, distribution, _]) = &stress {
                tables.extend([(SCENARIOS.name, scenarios), (DISTRIBUTION.name, distribution)]);
            }
            limited = Some(limits.compare(&tables, sums, &Silent)?);
        }
        Ok(Summed { groups, group_units, stress, limits: limited })
    }
}

fn column(rows: &RecordBatch, name: &str) -> Result<ArrayRef> {
    rows.column_by_name(name).cloned().ok_or_else(|| unreadable(&format!("there is no column `{name}`")))
}

/// Bytes in any layout.
fn bytes(array: &ArrayRef) -> Result<BinaryArray> {
    Ok(match array.data_type() {
        DataType::Binary => array.as_binary::<i32>().clone(),
        DataType::LargeBinary => array.as_binary::<i64>().iter().collect(),
        DataType::BinaryView => array.as_binary_view().iter().collect(),
        kind => return Err(unreadable(&format!("a column of type {kind} holds no bytes"))),
    })
}

fn unreadable(problem: &str) -> Error {
    Error::Runtime(format!("what accounts add to their groups cannot be read: {problem}"))
}
