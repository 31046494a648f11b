//! Figures of written tables beside their limits.

use super::figures::Command;
use super::file::{Limit, Limits};
use super::filter::{OneLimit, Seen};
use super::missing::not_found;
use super::rounds::Rounds;
use super::scan::Tables;
use super::sums::Sums;
use crate::Result;
use crate::progress::Progress;
use crate::publish::OutputFile;
use crate::snapshot::Unmargined;
use crate::source::Format;
use crate::tables::breaches::BreachTable;
use crate::totals::limit_summary::{BySeverity, LimitSummary, LimitsSummary};
use std::path::Path;
use std::sync::Arc;

/// A folder in which the tables of a run or a stress are written.
#[derive(Clone, Copy)]
pub(crate) struct Written<'a> {
    pub folder: &'a Path,
    pub format: Format,
    pub command: Command,
    /// Accounts without margins, in order of their ids.
    pub left_out: &'a [Unmargined],
    pub progress: &'a dyn Progress,
}

/// The table `breaches`, and what there is to say of each limit.
pub(crate) struct Checked {
    pub file: OutputFile,
    pub summary: LimitsSummary,
}

/// Compares every figure that has a limit, and writes the table `breaches`.
///
/// # Errors
/// Those of reading and writing; [`crate::Error::Runtime`] for a figure that the command does not have, see
/// [`Limits::check_for`].
pub(crate) fn check(limits: &Limits, written: Written) -> Result<Checked> {
    let Written { folder, format, command, left_out, progress } = written;
    progress.stage("limits", "rows", 0);
    let mut table = BreachTable::create(folder, format)?;
    let each = limits.all().iter().map(|limit| OneLimit::new(limit, command)).collect::<Result<Vec<_>>>()?;
    let mut sums = Sums::of(&each)?;
    sums.read(folder, progress)?;
    let rounds = Rounds::new(&each, Tables::Folder(folder), &sums, progress);
    let seen = rounds.run(&mut |limit, found| table.add(&Arc::clone(&limit.limited), found))?;
    let missing = not_found(&rounds, &seen, left_out)?;
    let mut summary = LimitsSummary {
        blake3: limits.blake3().to_owned(),
        breaches: BySeverity::default(),
        breached: BySeverity::default(),
        each: Vec::with_capacity(each.len()),
    };
    for ((limit, seen), not_found) in limits.all().iter().zip(seen).zip(missing) {
        let found = summed(limit, seen, not_found);
        for problem in &found.not_found {
            tracing::warn!("limit `{}`: {problem}", found.name);
        }
        summary.breaches.add(found.severity, found.breaches);
        summary.breached.add(found.severity, u64::from(found.breaches > 0));
        summary.each.push(found);
    }
    Ok(Checked { file: table.finish()?, summary })
}

pub(super) fn summed(limit: &Limit, seen: Seen, not_found: Vec<String>) -> LimitSummary {
    let Limit { name, rule, severity, text, .. } = limit;
    LimitSummary {
        name: name.clone(),
        severity: *severity,
        rule: rule.to_string(),
        unit: rule.figure.unit.name().to_owned(),
        text: text.clone(),
        checked: seen.checked,
        breaches: seen.breaches,
        without_figure: seen.without_figure,
        not_found,
        worst: seen.worst,
    }
}
