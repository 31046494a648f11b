//! The groups of a book that was margined in parts, summed up account by account.
//!
//! Sums are compensated, and their last bits depend on the order of what is added and on where partial sums end. So all
//! accounts come here in order of their ids, and partial sums end where the pieces of a run over the whole book end:
//! the groups have the bits of that run, however the book was cut into parts.

use super::Rows;
use super::groups::of_totals;
use super::terms::{ACCOUNT_ID, Reader, TERMS, broken};
use crate::book::{Grouping, Interner};
use crate::cells::arrays::strings;
use crate::run::margins::piece_accounts;
use crate::totals::at_risk::Names;
use crate::totals::groups::{GroupTally, ScenarioGroups};
use crate::{Error, Result};
use arrow_array::cast::AsArray;
use arrow_array::{Array, ArrayRef, BinaryArray, RecordBatch};
use arrow_schema::DataType;

/// Sums up groups out of [`GroupTables::terms`](super::GroupTables::terms) of all parts of a book.
pub struct GroupsInOrder {
    by: Vec<Grouping>,
    scenarios: Vec<String>,
    units: Vec<String>,
    /// The piece that is being summed up: its accounts, those that are left out counted, and its groups.
    accounts: usize,
    names: Vec<Interner>,
    piece: Vec<ScenarioGroups>,
    tally: GroupTally,
    last: Option<String>,
}

impl GroupsInOrder {
    /// No account yet. `scenarios` and `units` are those of any part: [`super::Recalculated::scenario_names`] and
    /// [`super::Recalculated::unit_names`].
    ///
    /// # Errors
    /// [`Error::Usage`] for a grouping that is there twice.
    pub fn new(by: &[Grouping], scenarios: &[String], units: &[String]) -> Result<Self> {
        Grouping::check_distinct(by)?;
        let (by, scenarios, units) = (by.to_vec(), scenarios.to_vec(), units.to_vec());
        let tally = GroupTally::default();
        let mut all =
            Self { by, scenarios, units, accounts: 0, names: Vec::new(), piece: Vec::new(), tally, last: None };
        all.begin();
        Ok(all)
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
        for row in 0..rows.num_rows() {
            let id = ids.value(row);
            if let Some(last) = self.last.as_deref().filter(|last| *last >= id) {
                return Err(Error::Runtime(format!("account `{id}` comes behind `{last}`; expected: in order of ids")));
            }
            self.last = Some(id.to_owned());
            if terms.is_valid(row) {
                self.account(id, Reader::new(terms.value(row)))?;
            }
            self.accounts += 1;
            if self.accounts == piece_accounts(self.scenarios.len()) {
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
        for groups in &mut self.piece {
            groups.grow(self.names.iter().map(Interner::len));
            let margin = terms.account()?;
            let mut units = Vec::new();
            for _ in 0..terms.count()? {
                let name = terms.text()?;
                let unit = self.units.iter().position(|unit| unit == name);
                let unit = unit.ok_or_else(|| Error::Runtime(format!("account `{id}`: no risk unit `{name}`")))?;
                units.push(terms.unit(u32::try_from(unit).unwrap_or(u32::MAX))?);
            }
            groups.count_in(codes.iter().copied(), id, &margin, &units);
        }
        if terms.is_at_end() { Ok(()) } else { Err(broken()) }
    }

    /// The tables `groups` and `group_units`, once all accounts are there.
    ///
    /// # Errors
    /// [`Error::Runtime`] for a total that is not finite.
    pub fn finish(mut self) -> Result<(Rows, Rows)> {
        self.end();
        let names = Names { units: &self.units, scenarios: &self.scenarios };
        of_totals(&self.tally.totals(&self.by, names))
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
