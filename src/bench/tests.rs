//! The benchmark with simulated runs: what it measures, when it stops, and its results.

use super::*;
use crate::progress::Silent;
use std::cell::RefCell;

fn request(temp: &Path, max_positions: u64) -> BenchRequest {
    BenchRequest {
        budget: Duration::from_mins(10),
        max_positions,
        repeat: 3,
        threads: 3,
        window: Duration::from_hours(1),
        temp: temp.to_path_buf(),
    }
}

fn measurement(accounts: u64, wall_seconds: f64, peak_bytes: u64) -> Measurement {
    let stages = vec![Stage { name: "read".into(), wall_seconds, cpu_seconds: wall_seconds }];
    Measurement { accounts_margined: accounts, wall_seconds, cpu_seconds: 2.0 * wall_seconds, peak_bytes, stages }
}

/// Rows of one thread: positions, wall seconds, peak bytes.
fn rows(points: &[(u64, f64, u64)]) -> Vec<Row> {
    points
        .iter()
        .map(|&(positions, wall, peak)| row(positions / 10, positions, 1, measurement(0, wall, peak)))
        .collect()
}

#[test]
fn books_grow_to_the_limit() {
    for (most, expected) in [
        (99_999, vec![]),
        (100_000, vec![10_000]),
        (1_000_000, vec![10_000, 30_000, 100_000]),
        (10_000_000, vec![10_000, 30_000, 100_000, 300_000, 1_000_000]),
    ] {
        assert_eq!(sizes(most), expected, "{most}");
    }
}

#[test]
fn threads_double_up_to_all() {
    for (most, expected) in [(1, vec![1]), (2, vec![1, 2]), (6, vec![1, 2, 4, 6]), (8, vec![1, 2, 4, 8])] {
        assert_eq!(thread_counts(most), expected);
    }
}

#[test]
fn the_median_run_counts_and_nothing_is_left() {
    let temp = tempfile::tempdir().unwrap();
    let seen = RefCell::new(Vec::new());
    let worker = |job: &Job| {
        assert!(job.snapshot.join("snapshot.toml").is_file());
        std::fs::create_dir(&job.out).unwrap();
        let mut seen = seen.borrow_mut();
        seen.push(job.threads);
        Ok(measurement(10_000, [5.0, 1.0, 2.0][(seen.len() - 1) % 3], 1 << 20))
    };
    let report = run(&request(temp.path(), 100_000), &worker, &Silent).unwrap();
    assert_eq!(*seen.borrow(), [1, 1, 1, 2, 2, 2, 3, 3, 3]);
    assert_eq!(report.rows.iter().map(|row| row.measurement.wall_seconds).collect::<Vec<_>>(), [2.0; 3]);
    let first = &report.rows[0];
    assert_eq!(first.positions_per_core_second, first.positions as f64 / 4.0);
    assert_eq!(first.scenario_evaluations_per_second, first.positions as f64 * 27.0 / 2.0);
    assert_eq!((report.stopped_by, report.capacity), (StoppedBy::MaxPositions, None));
    assert_eq!(std::fs::read_dir(temp.path()).unwrap().count(), 0);
}

#[test]
fn a_run_that_left_accounts_out_is_no_measurement() {
    let temp = tempfile::tempdir().unwrap();
    let worker = |job: &Job| {
        std::fs::create_dir(&job.out).unwrap();
        Ok(measurement(9_999, 1.0, 1))
    };
    let error = run(&request(temp.path(), 100_000), &worker, &Silent).unwrap_err();
    assert!(error.to_string().contains("9999 of 10000"), "{error}");
    assert_eq!(std::fs::read_dir(temp.path()).unwrap().count(), 0);
}

#[test]
fn exponents_and_capacity() {
    // Proportional, quadratic, and with a fixed cost: exponent and positions in one hour.
    for (points, exponent, by_time) in [
        ([(1_000, 1.0, 100), (10_000, 10.0, 100)], 1.0, 3_600_000.0),
        ([(1_000, 0.36, 100), (10_000, 36.0, 100)], 2.0, 100_000.0),
        ([(1_000, 10.0, 100), (10_000, 10.0, 100)], 0.0, 3_600_000.0),
    ] {
        let rows = rows(&points);
        let found = scaling::scaling(&rows)[0].exponent_wall.unwrap();
        assert!((found - exponent).abs() < 1e-12, "{points:?}: {found}");
        let capacity = scaling::capacity(&rows, Duration::from_hours(1), Some(1000)).unwrap();
        assert!((capacity.positions_by_time / by_time - 1.0).abs() < 1e-9, "{points:?}: {capacity:?}");
        assert_eq!(capacity.positions_by_memory, None, "memory does not grow");
        assert!(capacity.is_extrapolation);
    }
}

#[test]
fn memory_may_be_the_narrower_limit() {
    let rows = rows(&[(1_000, 1.0, 2_000), (2_000, 2.0, 3_000)]);
    let capacity = scaling::capacity(&rows, Duration::from_hours(1), Some(11_000)).unwrap();
    assert_eq!(capacity.positions_by_memory, Some(10_000.0));
    assert_eq!(capacity.positions, 10_000.0);
    let unknown = scaling::capacity(&rows, Duration::from_hours(1), None).unwrap();
    assert_eq!(unknown.positions, unknown.positions_by_time);
}

#[test]
fn text_and_plot_say_what_is_extrapolated() {
    let rows = rows(&[(100_000, 1.0, 1 << 20), (1_000_000, 10.0, 1 << 20)]);
    let report = BenchReport {
        remargin: "0",
        cores: 1,
        is_debug_build: true,
        repeat: 1,
        scaling: scaling::scaling(&rows),
        capacity: scaling::capacity(&rows, Duration::from_hours(1), None),
        rows,
        stopped_by: StoppedBy::Budget,
    };
    let text = text::text(&report);
    assert!(text.contains("extrapolation, not measured: a book of 360 M positions in 1h on 1 thread ("), "{text}");
    assert!(text.contains("read CPU s"), "{text}");
    assert!(text.contains("debug build"), "{text}");
    let picture = plot::svg(&report).unwrap();
    for part in ["<svg", "positions per second", "peak memory, MiB", "1 thread", "</svg>"] {
        assert!(picture.contains(part), "{part}:\n{picture}");
    }
}
