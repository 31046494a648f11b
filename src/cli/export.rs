//! `remargin export`: a table of a finished folder for a warehouse.

use super::exit;
use super::terminal::{self, Terminal};
use clap::{Args, ValueEnum};
use remargin::export::{self, Dialect, ExportRequest, RowFormat};
use remargin::{Error, Result};
use std::io::{BufWriter, ErrorKind, IsTerminal, Write};
use std::path::PathBuf;

const AFTER_HELP: &str = "\
Examples:
  remargin run data/sample --out out
  remargin export out accounts --ddl postgres --as margin.accounts
  remargin export out accounts > accounts.pgcopy
  remargin export out risk_units --format csv --with-run > risk_units.csv
  remargin export out accounts --ddl duckdb --with-run

Rows go to stdout. With psql: remargin export out accounts | psql -c 'COPY accounts FROM STDIN (FORMAT binary)'";

/// Exports a table of a finished folder to a warehouse: rows for PostgreSQL or as CSV, or the statement that creates it
#[derive(Args)]
#[command(after_help = AFTER_HELP)]
pub struct ExportArgs {
    /// Folder of a finished run, stress, simulation or comparison
    run: PathBuf,
    /// Table, such as `accounts`
    table: String,
    /// Format of the rows: binary COPY of PostgreSQL, or CSV in which empty text and null differ
    #[arg(long, default_value = "pgcopy", conflicts_with = "ddl")]
    format: FormatArg,
    /// Print the statement that creates the table instead, in this dialect
    #[arg(long, value_name = "DIALECT")]
    ddl: Option<DialectArg>,
    /// Name of the table in the statement, such as `margin.accounts` [default: the name of the table]
    #[arg(long = "as", value_name = "NAME", requires = "ddl")]
    name: Option<String>,
    /// Put two columns in front that say which run a row is of: `run_as_of` and `run_identity`
    #[arg(long)]
    with_run: bool,
}

#[derive(Debug, Clone, Copy, ValueEnum)]
enum FormatArg {
    Pgcopy,
    Csv,
}

#[derive(Debug, Clone, Copy, ValueEnum)]
enum DialectArg {
    Postgres,
    Clickhouse,
    Duckdb,
    Snowflake,
    Bigquery,
}

impl From<DialectArg> for Dialect {
    fn from(dialect: DialectArg) -> Self {
        match dialect {
            DialectArg::Postgres => Self::Postgres,
            DialectArg::Clickhouse => Self::ClickHouse,
            DialectArg::Duckdb => Self::DuckDb,
            DialectArg::Snowflake => Self::Snowflake,
            DialectArg::Bigquery => Self::BigQuery,
        }
    }
}

/// Stdout, for which a closed pipe is not an error: what comes then is lost, as nobody reads it.
struct Stdout {
    stdout: BufWriter<std::io::StdoutLock<'static>>,
    is_closed: bool,
}

impl Stdout {
    fn kept<T: Default>(&mut self, written: std::io::Result<T>, lost: T) -> std::io::Result<T> {
        match written {
            Err(error) if error.kind() == ErrorKind::BrokenPipe => {
                self.is_closed = true;
                Ok(lost)
            }
            written => written,
        }
    }
}

impl Write for Stdout {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        if self.is_closed {
            return Ok(bytes.len());
        }
        let written = self.stdout.write(bytes);
        self.kept(written, bytes.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        if self.is_closed {
            return Ok(());
        }
        let flushed = self.stdout.flush();
        self.kept(flushed, ())
    }
}

impl ExportArgs {
    pub fn execute(&self, terminal: &Terminal) -> Result<u8> {
        let mut request = ExportRequest::new(&self.run, &self.table);
        request.with_run = self.with_run;
        if let Some(dialect) = self.ddl {
            terminal::print(&export::ddl(&request, dialect.into(), self.name.as_deref())?)?;
            return Ok(exit::DONE);
        }
        let format = match self.format {
            FormatArg::Pgcopy => RowFormat::PgCopy,
            FormatArg::Csv => RowFormat::Csv,
        };
        if format == RowFormat::PgCopy && std::io::stdout().is_terminal() {
            let problem = "the rows are binary, and stdout is a terminal".to_owned();
            return Err(Error::Usage(problem).hint("send them to `psql` or to a file, or take `--format csv`"));
        }
        let mut stdout =
            Stdout { stdout: BufWriter::with_capacity(1 << 18, std::io::stdout().lock()), is_closed: false };
        let rows = export::export(&request, format, &mut stdout, terminal)?;
        terminal.finish();
        terminal.note(format_args!("exported {} rows of `{}`", terminal::grouped(rows), self.table));
        Ok(exit::DONE)
    }
}
