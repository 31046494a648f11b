//! `remargin calibrate okx`: measures the exchange's parameters from its answers.

use super::common::TextFormat;
use super::exit;
use super::terminal::{self, Terminal};
use clap::{Args, Subcommand};
use remargin::calibrate::{self, CalibrateRequest, Status};
use remargin::publish::{check_replaceable, write_file};
use remargin::rules::BUILT_IN_NAME;
use remargin::{Error, Result};
use std::path::{Path, PathBuf};

const AFTER_HELP: &str = "\
Example:
  remargin calibrate okx data/okx-sample/builder --snapshot data/sample --out rules.toml";

const OKX_AFTER_HELP: &str = "\
Examples:
  remargin calibrate okx data/okx-sample/builder --snapshot data/sample --out rules.toml --html calibration.html
  remargin run data/sample --rules rules.toml --out out

FOLDER is one of `remargin probe` with the answers in `FOLDER/answers`, which needs no --snapshot, or any folder of
saved answers of account/position-builder and account/balance. Contracts come from the listing that `probe` wrote, or
from --snapshot.

The overlay holds what is measured, with mark [M], the range that the printed digits allow, and the answers. What the
answers do not determine is listed with the probe that would tell it. Answers that contradict each other are named,
and give no value.

Exit code 1: figures of the answers differ from ours under the measured rules by more than the tolerance, an answer
cannot be computed again, or answers contradict each other. The overlay is written all the same.";

/// Measures the exchange's parameters from its answers
#[derive(Args)]
#[command(after_help = AFTER_HELP)]
pub struct CalibrateCommand {
    #[command(subcommand)]
    exchange: Exchange,
}

#[derive(Subcommand)]
enum Exchange {
    Okx(OkxArgs),
}

/// Measures OKX's parameters from saved answers
#[derive(Args)]
#[command(after_help = OKX_AFTER_HELP)]
struct OkxArgs {
    /// Folder of probes with their answers, or of other saved answers
    folder: PathBuf,
    /// The overlay to write; one that this command wrote before is replaced
    #[arg(short, long, value_name = "FILE")]
    out: PathBuf,
    /// Snapshot that lists the contracts of the answers [default: the listing in FOLDER]
    #[arg(long, value_name = "SNAPSHOT")]
    snapshot: Option<PathBuf>,
    /// Built-in set below the overlay
    #[arg(long, value_name = "NAME", default_value = BUILT_IN_NAME)]
    extends: String,
    /// Relative tolerance of the answers' figures beside ours
    #[arg(long, value_name = "X", default_value = "1e-6", value_parser = parse_positive)]
    tolerance: f64,
    /// Absolute tolerance, in the unit of the figure: USD or a ratio
    #[arg(long, value_name = "X", default_value = "1e-6", value_parser = parse_positive)]
    abs_tolerance: f64,
    /// Set aside answers that are further than this from the middle one
    #[arg(long, value_name = "HOURS", default_value = "12", value_parser = parse_positive)]
    span: f64,
    /// Write the result as a page too: parameters, then figure by figure
    #[arg(long, value_name = "FILE")]
    html: Option<PathBuf>,
    /// Format of the result on stdout
    #[arg(long, default_value = "text")]
    format: TextFormat,
}

fn parse_positive(text: &str) -> Result<f64, String> {
    match text.parse() {
        Ok(number) if (0.0..f64::INFINITY).contains(&number) => Ok(number),
        _ => Err("expected a number of 0 or more".to_owned()),
    }
}

impl CalibrateCommand {
    /// True if the result is JSON on stdout.
    pub fn answers_json(&self) -> bool {
        let Exchange::Okx(args) = &self.exchange;
        args.format == TextFormat::Json
    }

    pub fn execute(&self, terminal: &Terminal) -> Result<u8> {
        let Exchange::Okx(args) = &self.exchange;
        check_replaceable(&args.out, calibrate::OVERLAY_BEGIN.as_bytes())?;
        if let Some(page) = &args.html {
            let is_same =
                |a: &Path, b: &Path| a == b || a.canonicalize().ok().is_some_and(|a| b.canonicalize().ok() == Some(a));
            if is_same(page, &args.out) {
                return Err(Error::Usage("--out and --html name the same file".to_owned()));
            }
            check_replaceable(page, calibrate::PAGE_BEGIN.as_bytes())?;
        }
        let request = CalibrateRequest {
            folder: args.folder.clone(),
            snapshot: args.snapshot.clone(),
            extends: args.extends.clone(),
            tolerance: args.tolerance,
            abs_tolerance: args.abs_tolerance,
            span_hours: args.span,
        };
        let found = calibrate::calibrate(&request)?;
        write_file(&args.out, found.overlay.as_bytes())?;
        if let Some(page) = &args.html {
            write_file(page, found.to_html().as_bytes())?;
        }
        terminal::print(&match args.format {
            TextFormat::Text => found.to_text(),
            TextFormat::Json => found.to_json()?,
        })?;
        terminal.note(format_args!("wrote {}", args.out.display()));
        let mut faults = Vec::new();
        if found.breaks > 0 {
            faults.push(format!("{} figure(s) differ from the exchange's", found.breaks));
        }
        if found.not_computed > 0 {
            faults.push(format!("{} answer(s) could not be computed again", found.not_computed));
        }
        if found.is_contradictory() {
            let (aside, keys) = (found.set_aside.len(), found.count(Status::Contradiction));
            faults.push(format!("{aside} answer(s) do not belong to the others, {keys} parameter(s) are contradicted"));
        }
        if faults.is_empty() {
            return Ok(exit::DONE);
        }
        terminal.error(exit::BREAKS, format_args!("{}", faults.join("; ")));
        Ok(exit::BREAKS)
    }
}
