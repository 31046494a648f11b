//! `remargin simulate`: pre-trade checks of orders, transfers and changes of hedging.

use super::common::{OutputFormat, RulesArgs, StrictArgs, command_line};
use super::exit;
use super::shown::ShownLines;
use super::terminal::Terminal;
use clap::Args;
use remargin::request::OutputRequest;
use remargin::simulate::{self, Desk, LimitRequest, SimulateRequest};
use remargin::{Error, Result, engine, snapshot as tables};
use std::ffi::OsString;
use std::io::{self, BufWriter};
use std::path::{Path, PathBuf};

const AFTER_HELP: &str = "\
Examples:
  remargin simulate data/sample --ops examples/ops.csv --out checks
  remargin simulate data/sample --out limits --max-withdraw --max-order BTC-USDT-SWAP
  echo '{\"op_id\":1,\"account_id\":\"A00000001\",\"kind\":\"transfer_out\",\"ccy\":\"USDT\",\"qty\":100}' |
    remargin simulate data/sample --ops -

Columns of --ops: op_id, account_id, kind, inst_id, ccy, side, qty, px, spot_offset, group

  kind               required                meaning
  order              inst_id, side, qty, px  buy or sell a contract or a spot pair (BTC-USDT) at px
  transfer_out, _in  ccy, qty                withdraw or deposit cash
  spot_offset        spot_offset             set the spot hedging mode: usdt, usdc, coin, none
  spot_in_use_cap    ccy, qty (none: no limit)  set the limit of spot in use
  close_hedge        ccy, qty (none: all)    close spot in use

Each operation is checked against the unchanged snapshot. Operations of one `group` are applied together. The verdict is
`pass`, `adjust` (with the largest amount that passes), `reject`, or `invalid` with a reason.";

/// Checks orders, transfers and hedge changes before they happen, in batch
#[derive(Args)]
#[command(after_help = AFTER_HELP)]
pub struct SimulateArgs {
    /// Folder with `snapshot.toml` and one file per table
    snapshot: PathBuf,
    /// Operations: a table (*.csv, *.parquet, *.arrow), JSON lines (*.jsonl), or `-` for JSON lines on stdin
    ///
    /// JSON lines are answered on stdout, each as soon as it is read; tables need --out. Either may come out of a named
    /// pipe, such as `<(...)` or `/dev/stdin`.
    #[arg(long, value_name = "FILE", required_unless_present_any = ["max_withdraw", "max_order"])]
    ops: Option<PathBuf>,
    /// Folder to write; must not exist unless --force
    #[arg(short, long, value_name = "DIR")]
    out: Option<PathBuf>,
    /// Search the largest withdrawal of every currency in which an account has a balance (table `max_withdraw`)
    #[arg(long, requires = "out")]
    max_withdraw: bool,
    /// Search the largest buy and sell of an instrument or spot pair at its mark (table `max_order`); repeatable
    #[arg(long, value_name = "INST", requires = "out")]
    max_order: Vec<String>,
    /// Search the limits of this account only; repeatable [default: all accounts]
    #[arg(long, value_name = "ID")]
    account: Vec<String>,
    /// Format of the tables
    #[arg(long, default_value = "parquet")]
    format: OutputFormat,
    /// Replace an existing output folder
    #[arg(long)]
    force: bool,
    #[command(flatten)]
    rules: RulesArgs,
    #[command(flatten)]
    strict: StrictArgs,
}

impl SimulateArgs {
    pub fn execute(&self, args: &[OsString], terminal: &Terminal) -> Result<u8> {
        match (&self.ops, &self.out) {
            (Some(ops), _) if is_lines(ops) => self.answer_lines(ops, terminal),
            (Some(ops), None) if tables::is_piped(ops) => self.answer_lines(ops, terminal),
            (_, Some(out)) => self.write(out, args, terminal),
            (_, None) => {
                let hint = "add `--out DIR`, or give the operations as JSON lines (`--ops -`, `--ops FILE.jsonl`)";
                let problem = "the answers to a table of operations need an output folder";
                Err(Error::Usage(problem.to_owned()).hint(hint))
            }
        }
    }

    /// Writes answers to stdout.
    fn answer_lines(&self, ops: &Path, terminal: &Terminal) -> Result<u8> {
        if self.out.is_some() {
            let problem = "JSON lines are answered on stdout, not in a folder";
            return Err(Error::Usage(problem.to_owned()).hint("remove `--out`"));
        }
        let rules = self.rules.load_for(&self.snapshot, terminal)?;
        let snapshot = simulate::load(
            &self.snapshot,
            &rules,
            self.strict.date.allow_rules_date,
            &self.strict.date.known.expectations(),
            terminal,
        )?;
        let priced = engine::price(&snapshot.market, &rules.rules);
        let desk = Desk::new(&snapshot, &priced);
        let mut input = tables::open_lines(ops, terminal)?;
        let mut output = ShownLines::new(BufWriter::new(io::stdout().lock()));
        simulate::answer_lines(&desk, &mut input, &mut output)?;
        Ok(exit::DONE)
    }

    fn write(&self, out: &Path, args: &[OsString], terminal: &Terminal) -> Result<u8> {
        let output = OutputRequest::new(out)
            .with_format(self.format.into())
            .with_force(self.force)
            .with_command_line(command_line(args));
        let mut request = SimulateRequest::new(
            self.strict.of(&self.snapshot),
            output,
            self.rules.load_for(&self.snapshot, terminal)?,
        );
        request.operations.clone_from(&self.ops);
        request.limits = LimitRequest {
            withdraw: self.max_withdraw,
            orders: self.max_order.clone(),
            accounts: self.account.clone(),
        };
        let outcome = simulate::run(&request, terminal)?;
        let counts = &outcome.counts;
        if self.ops.is_some() {
            let listed = |counts: &std::collections::BTreeMap<&str, u64>| {
                counts.iter().map(|(name, count)| format!("{count} {name}")).collect::<Vec<_>>().join(", ")
            };
            terminal.note(format_args!("{} operations: {}", counts.operations, listed(&counts.by_verdict)));
            if !counts.invalid.is_empty() {
                terminal.note(format_args!("invalid operations: {}", listed(&counts.invalid)));
            }
        }
        terminal.note(format_args!("wrote {}", out.display()));
        if let Some(broken) = outcome.too_many_rejects {
            terminal.too_many_rejects(broken, Some(out));
            return Ok(exit::TOO_MANY_REJECTS);
        }
        Ok(exit::DONE)
    }
}

fn is_lines(ops: &Path) -> bool {
    ops == Path::new("-") || ops.extension().is_some_and(|extension| extension == "jsonl" || extension == "ndjson")
}
