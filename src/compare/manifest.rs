//! `manifest.json` of a comparison, and the tables that are written at its end.

use super::stats::{Moved, Stats};
use super::summary::CompareSummary;
use super::tables::{self, BREACHES, LARGEST, MIGRATION, Sight, UNIT_CHANGES, UNMARGINED};
use crate::Result;
use crate::publish::MANIFEST;
use crate::publish::hashed::write_bytes;
use crate::publish::json::json;
use crate::publish::manifest::{ManifestFile, ManifestRules, input, output, rules};
use crate::publish::{OutputFile, OutputFolder};
use crate::rules::LoadedRules;
use crate::snapshot::InputFile;
use crate::source::Format;
use crate::tables::encode::write_table;
use serde::Serialize;
use std::path::Path;
use std::time::Duration;

/// Where one side of a comparison comes from.
pub(crate) struct Side<'a> {
    /// The run, if it is one.
    pub run: Option<&'a Path>,
    /// The snapshot.
    pub snapshot: &'a Path,
    /// The rules; unknown where a run's could not be read back.
    pub rules: Option<&'a LoadedRules>,
    /// The files that were read.
    pub inputs: &'a [InputFile],
}

#[derive(Serialize)]
struct Manifest<'a> {
    remargin: &'static str,
    command_line: &'a [String],
    a: ManifestSide<'a>,
    b: ManifestSide<'a>,
    outputs: Vec<ManifestFile<'a>>,
    threads: usize,
    seconds: f64,
}

#[derive(Serialize)]
struct ManifestSide<'a> {
    run: Option<String>,
    snapshot: String,
    rules: Option<ManifestRules<'a>>,
    inputs: Vec<ManifestFile<'a>>,
}

fn side<'a>(from: &Side<'a>) -> ManifestSide<'a> {
    ManifestSide {
        run: from.run.map(|run| run.display().to_string()),
        snapshot: from.snapshot.display().to_string(),
        rules: from.rules.map(rules),
        inputs: from.inputs.iter().map(input).collect(),
    }
}

/// Writes the manifest of a folder that is otherwise complete.
pub(crate) fn write(
    folder: &OutputFolder,
    command_line: &[String],
    sides: &[Side; 2],
    outputs: &[OutputFile],
    took: Duration,
) -> Result<()> {
    let [a, b] = sides.each_ref().map(side);
    let manifest = Manifest {
        remargin: env!("CARGO_PKG_VERSION"),
        command_line,
        a,
        b,
        outputs: outputs.iter().map(output).collect(),
        threads: rayon::current_num_threads(),
        seconds: took.as_micros() as f64 / 1e6,
    };
    write_bytes(folder.path(), MANIFEST, &json(MANIFEST, &manifest)?).map(drop)
}

/// Writes every table but `changes`, and the summary.
pub(crate) fn write_tables(
    folder: &Path,
    format: Format,
    stats: &Stats,
    units: &[String],
    unmargined: &[(String, [Sight; 2])],
    summary: &CompareSummary,
) -> Result<Vec<OutputFile>> {
    let held: Vec<usize> = (0..units.len())
        .filter(|&unit| stats.units.get(unit).is_some_and(crate::compare::stats::UnitStats::is_held))
        .collect();
    let names: Vec<String> = held.iter().map(|&unit| units[unit].clone()).collect();
    let rows: Vec<_> = held.iter().map(|&unit| stats.units[unit].clone()).collect();
    let migrations = stats.migrations();
    let ranked = |by: &'static str, list| {
        let list: &Vec<Moved> = list;
        list.iter().enumerate().map(move |(place, moved)| (by, place + 1, moved))
    };
    let largest: Vec<_> = ranked("mmr_rise", &stats.rises).chain(ranked("mmr_fall", &stats.falls)).collect();
    Ok(vec![
        write_table(folder, &UNIT_CHANGES, format, rows.len(), |range| {
            tables::units_batch(&names[range.clone()], &rows[range])
        })?,
        write_table(folder, &MIGRATION, format, migrations.len(), |range| tables::migration_batch(&migrations[range]))?,
        write_table(folder, &BREACHES, format, stats.breaches.len(), |range| {
            tables::breaches_batch(&stats.breaches[range])
        })?,
        write_table(folder, &LARGEST, format, largest.len(), |range| tables::largest_batch(&largest[range]))?,
        write_table(folder, &UNMARGINED, format, unmargined.len(), |range| {
            tables::unmargined_batch(&unmargined[range])
        })?,
        write_bytes(folder, "summary.json", &summary.to_json()?)?,
    ])
}
