//! The last run as metrics, in the text format of Prometheus: a file for the textfile collector of `node_exporter`.
//!
//! Every metric is a gauge, and no sample has a time: the collector refuses samples with times. Every sample has the
//! labels `job_name`, which is the name of the file, and `command`, so that several files in one folder share no
//! series.
//!
//! A file has two parts. Metrics `remargin_last_run_...` say how the last attempt ended, whatever it was. All others
//! are those of the run that is in the output folder: a failed attempt leaves the folder as it was, and these metrics
//! too. `remargin_last_success_timestamp_seconds` says from when they are.

use super::{Attempt, Finished};
use crate::Result;
use crate::margin::Status;
use crate::source::{self, LARGEST_JSON};
use crate::totals::limit_summary::{BySeverity, Severity};
use crate::totals::summary::TableSummary;
use std::fmt::Write;
use std::path::Path;

/// How every file begins: what another program wrote is not replaced.
pub const BEGINS: &str = "# HELP remargin_last_run_";

/// The prefix of metrics that an attempt without results changes.
const OF_ATTEMPT: &str = "remargin_last_run_";

const NS: f64 = 1e9;

/// The metrics of an attempt that wrote its results.
#[must_use]
pub fn of_success(attempt: &Attempt, finished: &Finished) -> String {
    let mut text = Text::new(attempt);
    text.attempt(attempt, true);
    text.results(attempt, finished);
    text.text
}

/// The metrics of an attempt that wrote no results. `before` is the file as it was, empty if there was none: the
/// metrics of the results are taken from there.
#[must_use]
pub fn of_failure(attempt: &Attempt, before: &str) -> String {
    let mut text = Text::new(attempt);
    text.attempt(attempt, false);
    for line in before.lines().filter(|line| !line.is_empty()) {
        let name = line.strip_prefix("# HELP ").or_else(|| line.strip_prefix("# TYPE ")).unwrap_or(line);
        if !name.starts_with(OF_ATTEMPT) {
            text.text += line;
            text.text.push('\n');
        }
    }
    text.text
}

/// The text of a file of metrics; empty if there is none.
///
/// # Errors
/// [`crate::Error::Io`] and [`crate::Error::Invalid`] if it cannot be read.
pub fn read(file: &Path) -> Result<String> {
    let bytes = source::read_if_there(file, LARGEST_JSON)?.unwrap_or_default();
    Ok(String::from_utf8_lossy(&bytes).into_owned())
}

/// The text so far, and the labels of every sample.
struct Text {
    text: String,
    labels: String,
}

/// One sample: its own labels, its value.
type Sample<'a> = (Vec<(&'static str, &'a str)>, f64);

/// A sample without labels of its own.
fn plain(value: f64) -> Vec<Sample<'static>> {
    vec![(Vec::new(), value)]
}

impl Text {
    fn new(attempt: &Attempt) -> Self {
        let mut labels = String::new();
        label(&mut labels, "job_name", &attempt.job);
        label(&mut labels, "command", attempt.command);
        Self { text: String::new(), labels }
    }

    /// A metric with all of its samples. Without a sample nothing is written.
    fn gauge(&mut self, name: &str, help: &str, samples: Vec<Sample>) {
        if samples.is_empty() {
            return;
        }
        // Writing to a String does not fail.
        let _ = writeln!(self.text, "# HELP remargin_{name} {}", escaped(help, false));
        let _ = writeln!(self.text, "# TYPE remargin_{name} gauge");
        for (own, value) in samples {
            let mut labels = self.labels.clone();
            for (name, text) in own {
                label(&mut labels, name, text);
            }
            let _ = writeln!(self.text, "remargin_{name}{{{labels}}} {value:?}");
        }
    }

    fn attempt(&mut self, attempt: &Attempt, is_success: bool) {
        let help = "1 if the last attempt wrote its results, 0 if not.";
        self.gauge("last_run_success", help, plain(f64::from(u8::from(is_success))));
        self.gauge("last_run_exit_code", "Exit code of the last attempt.", plain(f64::from(attempt.exit_code)));
        let ended = attempt.ended_ns as f64 / NS;
        self.gauge("last_run_timestamp_seconds", "When the last attempt ended, Unix time.", plain(ended));
        let took = attempt.took.as_secs_f64();
        self.gauge("last_run_duration_seconds", "Wall time of the last attempt.", plain(took));
    }

    fn results(&mut self, attempt: &Attempt, finished: &Finished) {
        let Finished { summary, published, timings, .. } = finished;
        let ended = attempt.ended_ns as f64 / NS;
        let help = "When the last attempt that wrote its results ended, Unix time.";
        self.gauge("last_success_timestamp_seconds", help, plain(ended));
        if let Ok(as_of) = summary.as_of.parse::<jiff::Timestamp>() {
            let as_of = as_of.as_nanosecond() as f64 / NS;
            self.gauge("as_of_timestamp_seconds", "Valuation time of the snapshot, Unix time.", plain(as_of));
        }
        let info = vec![
            ("version", env!("CARGO_PKG_VERSION")),
            ("rules", published.rules.name.as_str()),
            ("identity", published.identity.as_str()),
        ];
        self.gauge("run_info", "Version, rules and identity of the run, as labels; always 1.", vec![(info, 1.0)]);
        let stages = [
            ("read", timings.read),
            ("price", timings.price),
            ("compute", timings.compute),
            ("finish", timings.finish),
        ];
        let stages = stages.map(|(stage, time)| (vec![("stage", stage)], time.as_secs_f64()));
        self.gauge("stage_duration_seconds", "Wall time of each stage.", stages.into());
        if let Some(bytes) = finished.peak_memory_bytes {
            self.gauge("peak_memory_bytes", "Peak resident memory of the process.", plain(bytes as f64));
        }
        self.gauge("scenarios", "Scenarios, the base case included.", plain(finished.scenarios as f64));
        self.rows(finished);
        self.accounts(finished);
        self.book(finished);
        self.limits(finished);
    }

    fn limits(&mut self, finished: &Finished) {
        let Some(limits) = finished.limits else { return };
        let of = |counts: BySeverity| -> Vec<Sample> {
            Severity::ALL.map(|severity| (vec![("severity", severity.name())], counts.get(severity) as f64)).into()
        };
        self.gauge("limits", "Limits that were checked.", plain(limits.each.len() as f64));
        let none = "Limits that no figure was compared with.";
        self.gauge("not_compared_limits", none, plain(limits.not_compared().count() as f64));
        self.gauge("breached_limits", "Limits that are breached, by severity.", of(limits.breached));
        self.gauge("breaches", "Figures beyond a limit, by severity.", of(limits.breaches));
    }

    fn rows(&mut self, finished: &Finished) {
        let summary = finished.summary;
        let tables = |rows: fn(&TableSummary) -> u64| -> Vec<Sample> {
            summary.tables.iter().map(|of| (vec![("table", of.table.as_str())], rows(of) as f64)).collect()
        };
        self.gauge("input_rows", "Rows read, by input table.", tables(|table| table.rows_in));
        let help = "Rows with a fault of their own, by input table.";
        self.gauge("broken_rows", help, tables(|table| table.rows_broken));
        let help = "Sound rows of accounts that are left out, by input table.";
        self.gauge("left_out_rows", help, tables(|table| table.rows_left_out));
        let rejects = plain(summary.rejects.rows as f64);
        self.gauge("rejected_rows", "Rows set aside: those of the table `rejects`.", rejects);
        let reasons = summary.rejects.by_reason.iter();
        let reasons = reasons.map(|(reason, rows)| (vec![("reason", reason.as_str())], *rows as f64)).collect();
        self.gauge("rejected_rows_by_reason", "Rows set aside, by reason.", reasons);
    }

    fn accounts(&mut self, finished: &Finished) {
        let accounts = finished.summary.accounts;
        let of = |status: Status| *accounts.by_status.clone().of(status) as f64;
        let statuses = Status::ALL.map(|status| (vec![("status", status.name())], of(status)));
        self.gauge("accounts", "Margined accounts, by status.", statuses.into());
        for (name, help, accounts) in [
            ("margined_accounts", "Accounts that were margined.", accounts.margined),
            (
                "unmargined_accounts",
                "Accounts that were left out, since one of their rows is broken.",
                accounts.unmargined,
            ),
            ("at_risk_accounts", "Accounts in liquidation, near it, or with an IM deficit.", accounts.at_risk),
            ("im_deficit_accounts", "Accounts whose adjusted equity is below their IMR.", accounts.im_deficit),
        ] {
            self.gauge(name, help, plain(accounts as f64));
        }
    }

    fn book(&mut self, finished: &Finished) {
        let (totals, over) = (&finished.summary.totals, &finished.summary.distribution);
        for (name, help, usd) in [
            ("book_mmr_usd", "Maintenance margin requirement of all accounts, USD.", totals.mmr),
            ("book_imr_usd", "Initial margin requirement of all accounts, USD.", totals.imr),
            ("book_adjusted_equity_usd", "Adjusted equity of all accounts, USD.", totals.adj_eq),
            ("book_total_equity_usd", "Total equity of all accounts, USD.", totals.total_eq),
            ("book_mmr_shortfall_usd", "What accounts lack to their MMR and liquidation fee, USD.", over.shortfall_mmr),
            ("book_imr_shortfall_usd", "What accounts lack to their IMR, USD.", over.shortfall_imr),
        ] {
            self.gauge(name, help, plain(usd));
        }
    }
}

/// Adds a label.
fn label(labels: &mut String, name: &str, value: &str) {
    let comma = if labels.is_empty() { "" } else { "," };
    let _ = write!(labels, "{comma}{name}=\"{}\"", escaped(value, true));
}

/// Backslashes and line feeds are escaped everywhere, quotes in the values of labels. Other control characters, which
/// the format has no form for, become blanks.
fn escaped(text: &str, in_label: bool) -> String {
    let mut escaped = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '\\' => escaped.push_str("\\\\"),
            '\n' => escaped.push_str("\\n"),
            '"' if in_label => escaped.push_str("\\\""),
            c if c.is_control() => escaped.push(' '),
            c => escaped.push(c),
        }
    }
    escaped
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

    fn attempt(job: &str, exit_code: u8) -> Attempt {
        let took = Duration::from_millis(1500);
        Attempt { command: "run", job: job.to_owned(), ended_ns: 1_768_464_000_500_000_000, took, exit_code }
    }

    #[test]
    fn labels_are_escaped() {
        let text = of_failure(&attempt("a\\b \"c\"\nd\re", 3), "");
        let line = text.lines().find(|line| line.starts_with("remargin_last_run_exit_code")).unwrap();
        assert_eq!(line, r#"remargin_last_run_exit_code{job_name="a\\b \"c\"\nd e",command="run"} 3.0"#);
    }

    #[test]
    fn a_failure_keeps_what_the_last_success_said() {
        let first = of_failure(&attempt("night", 3), "");
        assert!(first.starts_with(BEGINS), "{first}");
        assert!(!first.contains("last_success"), "{first}");
        let kept = "# HELP remargin_last_success_timestamp_seconds x\n\
                    # TYPE remargin_last_success_timestamp_seconds gauge\n\
                    remargin_last_success_timestamp_seconds{command=\"run\"} 7.0\n";
        let second = of_failure(&attempt("night", 143), &format!("{first}{kept}"));
        assert!(second.ends_with(kept), "{second}");
        assert_eq!(second.matches("# TYPE remargin_last_run_exit_code gauge").count(), 1);
        assert!(second.contains("} 143.0\n") && !second.contains("} 3.0\n"), "{second}");
        assert!(second.contains("} 1768464000.5\n") && second.contains("} 1.5\n"), "{second}");
    }
}
