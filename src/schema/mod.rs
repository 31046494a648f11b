//! What every table and every JSON answer looks like: for people, and for programs that check them.
//!
//! Nothing is described here: the columns of inputs are declared where they are read, those of outputs where they are
//! written, and the schemas of JSON answers are made of the types that are serialised.

mod render;
#[cfg(test)]
mod tests;

pub use render::{json, list, markdown, text};

use crate::compare::by_group::GROUP_CHANGES;
use crate::compare::tables as compare;
use crate::distance::tables::DISTANCES;
use crate::history::HISTORY;
use crate::run::netting::NETTING;
use crate::simulate::columns as simulate;
use crate::snapshot::{InputColumn, input_tables};
use crate::stress::columns as stress;
use crate::tables::at_risk::AT_RISK;
use crate::tables::breaches::BREACHES;
use crate::tables::columns::{ACCOUNTS, Column, RISK_UNITS, TableSpec};
use crate::tables::groups::{ACCOUNT_GROUPS, GROUP_UNITS, GROUPS};
use crate::tables::rejects::REJECTS;
use std::collections::BTreeMap;

/// A table, as it is described.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TableSchema {
    /// `input`, or the command that writes it.
    pub of: &'static str,
    /// Its name, which is that of its file.
    pub name: &'static str,
    /// What one row is.
    pub row: &'static str,
    /// Of an input: whether a snapshot may lack it.
    pub is_optional: bool,
    /// Its columns, in order.
    pub columns: Vec<ColumnSchema>,
}

/// A column, as it is described.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ColumnSchema {
    /// Its name.
    pub name: String,
    /// What it holds: `text`, `number`, `whole number`, `flag`; of an input `id`, `number`, `time`, `date`.
    pub kind: &'static str,
    /// What it is measured in.
    pub unit: &'static str,
    /// Of an input: the column may be missing. Of an output: a cell may be null.
    pub is_optional: bool,
    /// What it means.
    pub meaning: String,
    /// A value as it may stand there; empty if none is known.
    pub example: String,
}

impl TableSchema {
    /// `run.accounts`: names of tables alone may be those of several.
    #[must_use]
    pub fn key(&self) -> String {
        format!("{}.{}", self.of, self.name)
    }

    /// True of a table that is read.
    #[must_use]
    pub fn is_input(&self) -> bool {
        self.of == "input"
    }
}

/// Values of the output columns, out of runs over the sample: a test compares them, and writes them anew.
const EXAMPLES: &str = include_str!("../../data/schemas/examples.csv");

/// The commands that write tables, and which.
#[must_use]
pub fn outputs() -> Vec<(&'static str, Vec<&'static TableSpec>)> {
    vec![
        (
            "run",
            vec![
                &ACCOUNTS,
                &RISK_UNITS,
                &AT_RISK,
                &DISTANCES,
                &REJECTS,
                &GROUPS,
                &GROUP_UNITS,
                &ACCOUNT_GROUPS,
                &NETTING,
                &BREACHES,
            ],
        ),
        (
            "stress",
            vec![
                &stress::SCENARIOS,
                &stress::MIGRATION,
                &stress::LARGEST,
                &stress::HEDGES,
                &stress::WORST,
                &stress::DISTRIBUTION,
                &stress::TAIL,
                &stress::ACCOUNTS_DISTRIBUTION,
            ],
        ),
        ("simulate", vec![&simulate::CHECKS, &simulate::CHECK_UNITS, &simulate::MAX_WITHDRAW, &simulate::MAX_ORDER]),
        ("history", vec![&HISTORY]),
        (
            "compare",
            vec![
                &compare::RUNS_CHANGES,
                &compare::UNIT_CHANGES,
                &compare::MIGRATION,
                &compare::BREACHES,
                &compare::LARGEST,
                &compare::UNMARGINED,
                &GROUP_CHANGES,
            ],
        ),
    ]
}

/// Every table: inputs, then outputs by command.
///
/// ```
/// let tables = remargin::schema::tables();
/// let positions = tables.iter().find(|table| table.key() == "input.positions").unwrap();
/// assert_eq!(positions.columns[2].name, "qty");
/// assert_eq!(positions.columns[2].unit, "contracts");
/// ```
#[must_use]
pub fn tables() -> Vec<TableSchema> {
    let examples = examples();
    let inputs = input_tables().into_iter().map(|(name, row, is_optional, columns)| TableSchema {
        of: "input",
        name,
        row,
        is_optional,
        columns: columns.iter().map(of_input).collect(),
    });
    let written = outputs().into_iter().flat_map(|(of, tables)| tables.into_iter().map(move |table| (of, table)));
    let outputs = written.map(|(of, table)| TableSchema {
        of,
        name: table.name,
        row: table.row,
        is_optional: false,
        columns: table.columns.iter().map(|column| of_output((of, table.name), column, &examples)).collect(),
    });
    inputs.chain(outputs).collect()
}

/// The tables of a name, `accounts` or `run.accounts`.
#[must_use]
pub fn find(name: &str) -> Vec<TableSchema> {
    tables().into_iter().filter(|table| table.name == name || table.key() == name).collect()
}

fn of_input(column: &InputColumn) -> ColumnSchema {
    ColumnSchema {
        name: column.name.to_owned(),
        kind: column.kind,
        unit: column.unit,
        is_optional: !column.required,
        meaning: column.meaning.to_owned(),
        example: column.example.to_owned(),
    }
}

type Examples = BTreeMap<(String, String), String>;

fn of_output((of, table): (&str, &str), column: &Column, examples: &Examples) -> ColumnSchema {
    let example = examples.get(&(format!("{of}.{table}"), column.name.to_string()));
    ColumnSchema {
        name: column.name.to_string(),
        kind: column.kind.type_name(),
        unit: column.unit.name(),
        is_optional: column.nullable,
        // A link leads nowhere from here.
        meaning: column.meaning.replace("[reason](reject-reasons.md)", "reason"),
        example: example.cloned().unwrap_or_default(),
    }
}

/// Values by table and column.
fn examples() -> Examples {
    let rows = csv::Reader::from_reader(EXAMPLES.as_bytes()).into_records().flatten();
    let cells = rows.filter_map(|row| Some(((row.get(0)?.to_owned(), row.get(1)?.to_owned()), row.get(2)?.to_owned())));
    cells.collect()
}

/// A JSON answer whose schema is published.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Document {
    /// Its name, as in `remargin schema summary`.
    pub name: &'static str,
    /// Where it is found.
    pub about: &'static str,
    /// The version of its schema. Within a version fields are only added.
    pub version: u32,
    /// Its JSON Schema, draft 2020-12.
    pub schema: &'static str,
}

/// Every JSON answer with a published schema.
pub const DOCUMENTS: [Document; 4] = [
    Document {
        name: "summary",
        about: "`summary.json` of a run, and `run --summary json`",
        version: 1,
        schema: include_str!("../../data/schemas/summary.v1.json"),
    },
    Document {
        name: "stress-summary",
        about: "`summary.json` of a stress, and `stress --summary json`",
        version: 1,
        schema: include_str!("../../data/schemas/stress-summary.v1.json"),
    },
    Document {
        name: "manifest",
        about: "`manifest.json` of a run, a stress or a simulation",
        version: 1,
        schema: include_str!("../../data/schemas/manifest.v1.json"),
    },
    Document {
        name: "check",
        about: "the answer of `check --format json`",
        version: 1,
        schema: include_str!("../../data/schemas/check.v1.json"),
    },
];
