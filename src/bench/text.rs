//! The benchmark as text.

use super::{BenchReport, Capacity, Row, StoppedBy};
use comfy_table::{CellAlignment, ContentArrangement, Table, presets};
use std::fmt::Write;

/// The table, the scaling, and the capacity, marked as an extrapolation.
#[must_use]
pub fn text(report: &BenchReport) -> String {
    let build = if report.is_debug_build { " (debug build: far from the speed of a release build)" } else { "" };
    let mut out = format!(
        "remargin {}{build}, {} cores; median of {}, each from reading to the last file written; inputs cached\n{}\n",
        report.remargin,
        report.cores,
        counted(report.repeat, "run"),
        table(&report.rows)
    );
    for scaling in &report.scaling {
        let growth = scaling
            .exponent_wall
            .zip(scaling.exponent_cpu)
            .map(|(wall, cpu)| format!(", wall time ~ positions^{wall:.3}, CPU time ~ positions^{cpu:.3}"));
        let _ = writeln!(
            out,
            "{}: {:.2}x the speed of one thread{}",
            counted(scaling.threads, "thread"),
            scaling.speed_up,
            growth.unwrap_or_default(),
        );
    }
    out.push_str(match report.stopped_by {
        StoppedBy::Budget => "a larger book would not have fitted the budget\n",
        StoppedBy::MaxPositions => "a larger book would have exceeded the most positions\n",
    });
    match &report.capacity {
        Some(capacity) => out.push_str(&capacity_line(capacity)),
        None => out.push_str("only one size was measured: no extrapolation\n"),
    }
    out
}

fn capacity_line(capacity: &Capacity) -> String {
    let memory = capacity.positions_by_memory.map_or_else(
        || "memory does not grow with the book".to_owned(),
        |positions| format!("memory is enough for {}", short(positions)),
    );
    format!(
        "extrapolation, not measured: a book of {} positions in {} on {} ({} by time; {memory}); \
         the largest book measured has {}\n",
        short(capacity.positions),
        seconds(capacity.window_seconds),
        counted(capacity.threads, "thread"),
        short(capacity.positions_by_time),
        short(capacity.measured_positions as f64),
    )
}

/// `1 thread`, `2 threads`.
pub(super) fn counted(count: usize, thing: &str) -> String {
    format!("{count} {thing}{}", if count == 1 { "" } else { "s" })
}

fn table(rows: &[Row]) -> Table {
    let stages: Vec<&str> = rows.iter().flat_map(|row| &row.measurement.stages).map(|stage| stage.name.as_str()).fold(
        Vec::new(),
        |mut names, name| {
            if !names.contains(&name) {
                names.push(name);
            }
            names
        },
    );
    let mut table = Table::new();
    table.load_style(presets::ASCII_MARKDOWN).set_content_arrangement(ContentArrangement::Disabled);
    let fixed = [
        "positions",
        "accounts",
        "threads",
        "wall s",
        "CPU s",
        "positions/s",
        "accounts/s",
        "positions/core-s",
        "scenarios/s",
        "peak MiB",
        "bytes/position",
    ];
    let of_stages = stages.iter().map(|stage| format!("{stage} CPU s"));
    table.set_header(fixed.iter().map(ToString::to_string).chain(of_stages));
    for row in rows {
        let measured = &row.measurement;
        let stage = |name: &str| -> f64 {
            measured.stages.iter().filter(|stage| stage.name == name).map(|stage| stage.cpu_seconds).sum()
        };
        let cells = [
            short(row.positions as f64),
            short(row.accounts as f64),
            row.threads.to_string(),
            format!("{:.3}", measured.wall_seconds),
            format!("{:.3}", measured.cpu_seconds),
            short(row.positions_per_second),
            short(row.accounts_per_second),
            short(row.positions_per_core_second),
            short(row.scenario_evaluations_per_second),
            format!("{:.0}", measured.peak_bytes as f64 / 1_048_576.0),
            format!("{:.0}", row.peak_bytes_per_position),
        ];
        table.add_row(cells.into_iter().chain(stages.iter().map(|name| format!("{:.3}", stage(name)))));
    }
    for column in table.column_iter_mut() {
        column.set_cell_alignment(CellAlignment::Right);
    }
    table
}

/// `12.3 M`: three digits and a unit.
pub(super) fn short(value: f64) -> String {
    for (size, unit) in [(1e12, " T"), (1e9, " G"), (1e6, " M"), (1e3, " k")] {
        if value >= size * 0.9995 {
            let scaled = value / size;
            let digits = if scaled < 9.995 { 2 } else { usize::from(scaled < 99.95) };
            return format!("{scaled:.digits$}{unit}");
        }
    }
    format!("{value:.0}")
}

/// `1h`, `90m`, `45s`: the format of `--window`.
fn seconds(value: f64) -> String {
    for (size, unit) in [(3600.0, "h"), (60.0, "m")] {
        if value >= size && value % size == 0.0 {
            return format!("{}{unit}", value / size);
        }
    }
    format!("{value}s")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_short() {
        for (value, expected) in [
            (0.0, "0"),
            (999.0, "999"),
            (1000.0, "1.00 k"),
            (99_960.0, "100 k"),
            (9_984_924.0, "9.98 M"),
            (12_345_678.0, "12.3 M"),
            (2.7e9, "2.70 G"),
        ] {
            assert_eq!(short(value), expected);
        }
    }

    #[test]
    fn windows_read_as_they_are_given() {
        for (value, expected) in [(3600.0, "1h"), (5400.0, "90m"), (45.0, "45s"), (7200.0, "2h")] {
            assert_eq!(seconds(value), expected);
        }
    }
}
