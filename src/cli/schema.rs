//! `remargin schema`: the columns of every table, and the JSON Schemas of the JSON answers.

use super::{exit, terminal};
use clap::{Args, ValueEnum};
use remargin::schema::{self, DOCUMENTS};
use remargin::{Error, Result};
use std::fmt::Write;

const AFTER_HELP: &str = "\
Examples:
  remargin schema                                every table and JSON answer, one in a line
  remargin schema positions                      its columns: type, unit, meaning, example
  remargin schema accounts                       the input and the output of that name
  remargin schema run.accounts --format json     a JSON Schema of a row
  remargin schema summary                        the JSON Schema of summary.json
  remargin schema --format markdown              all tables";

/// Shows the columns of input and output tables, and the JSON Schemas of JSON answers
#[derive(Args)]
#[command(after_help = AFTER_HELP)]
pub struct SchemaArgs {
    /// A table, such as `positions` or `run.accounts`, or a JSON answer: `summary`, `stress-summary`, `manifest`,
    /// `check` [default: a list of all]
    table: Option<String>,
    /// Format of the result on stdout; a JSON answer is always shown as JSON Schema [default: text]
    #[arg(long)]
    format: Option<SchemaFormat>,
}

#[derive(Debug, Clone, Copy, ValueEnum)]
enum SchemaFormat {
    /// Aligned lines
    Text,
    /// Tables of Markdown
    Markdown,
    /// JSON Schema, draft 2020-12
    Json,
}

impl SchemaArgs {
    pub fn execute(&self) -> Result<u8> {
        terminal::print(&self.answer()?)?;
        Ok(exit::DONE)
    }

    fn answer(&self) -> Result<String> {
        let tables = match (&self.table, self.format) {
            (None, None) => return Ok(schema::list()),
            (None, Some(_)) => schema::tables(),
            (Some(name), _) => {
                if let Some(document) = DOCUMENTS.into_iter().find(|document| document.name == name) {
                    return Ok(document.schema.to_owned());
                }
                schema::find(name)
            }
        };
        if let (true, Some(name)) = (tables.is_empty(), &self.table) {
            return Err(unknown(name));
        }
        Ok(match self.format.unwrap_or(SchemaFormat::Text) {
            SchemaFormat::Text => schema::text(&tables),
            SchemaFormat::Markdown => schema::markdown(&tables),
            SchemaFormat::Json => format!("{:#}\n", schema::json(&tables)),
        })
    }
}

/// Names the nearest table.
fn unknown(name: &str) -> Error {
    let tables = schema::tables().into_iter().flat_map(|table| [table.name.to_owned(), table.key()]);
    let names = tables.chain(DOCUMENTS.map(|document| document.name.to_owned()));
    let found = super::nearest::nearest(name, names);
    let mut hint = String::new();
    if let Some(nearest) = found.first() {
        let _ = write!(hint, "did you mean `{nearest}`? ");
    }
    hint += "`remargin schema` lists all";
    Error::Usage(format!("no table or JSON answer `{name}`")).hint(hint)
}
