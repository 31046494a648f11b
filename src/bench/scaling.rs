//! How cost grows with the book, and what that says about larger ones.

use super::Row;
use serde::Serialize;
use std::time::Duration;

/// Growth and speed-up for one number of threads.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Scaling {
    /// Threads.
    pub threads: usize,
    /// `b` of wall time `~ positions^b`, by least squares over logarithms: 1 is proportional, below it fixed costs
    /// still show, above it the cost per position rises. `None` with fewer than two sizes.
    pub exponent_wall: Option<f64>,
    /// The same for CPU time.
    pub exponent_cpu: Option<f64>,
    /// Wall time of one thread over that of these, on the largest book.
    pub speed_up: f64,
}

/// The largest book that fits a window, extrapolated from the largest one measured, with the most threads.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Capacity {
    /// Always `true`: no such book was run.
    pub is_extrapolation: bool,
    /// The window.
    pub window_seconds: f64,
    /// Threads.
    pub threads: usize,
    /// Positions of the largest book that was measured.
    pub measured_positions: u64,
    /// Positions whose wall time fills the window: that of the largest measured book, grown by the exponent, or
    /// proportionally where the exponent is below 1.
    pub positions_by_time: f64,
    /// Positions whose peak memory, grown in a straight line from the two largest books, fills the machine. `None` if
    /// memory does not grow, or the machine does not tell its size.
    pub positions_by_memory: Option<f64>,
    /// The smaller of the two.
    pub positions: f64,
}

/// For every number of threads that was measured.
#[must_use]
pub fn scaling(rows: &[Row]) -> Vec<Scaling> {
    let mut threads: Vec<usize> = rows.iter().map(|row| row.threads).collect();
    threads.sort_unstable();
    threads.dedup();
    let largest = |threads: usize| rows.iter().rfind(|row| row.threads == threads);
    let wall = |threads: usize| largest(threads).map_or(f64::NAN, |row| row.measurement.wall_seconds);
    threads
        .into_iter()
        .map(|threads| Scaling {
            threads,
            exponent_wall: exponent(points(rows, threads, |row| row.measurement.wall_seconds)),
            exponent_cpu: exponent(points(rows, threads, |row| row.measurement.cpu_seconds)),
            speed_up: wall(1) / wall(threads),
        })
        .collect()
}

/// The capacity under `window` on a machine with `memory_bytes`. `None` with fewer than two sizes.
#[must_use]
pub fn capacity(rows: &[Row], window: Duration, memory_bytes: Option<u64>) -> Option<Capacity> {
    let threads = rows.last()?.threads;
    let walls = points(rows, threads, |row| row.measurement.wall_seconds);
    let peaks = points(rows, threads, |row| row.measurement.peak_bytes as f64);
    let growth = exponent(walls.clone())?.max(1.0);
    let &(measured, wall) = walls.last()?;
    let positions_by_time = measured * (window.as_secs_f64() / wall).powf(growth.recip());
    let positions_by_memory = memory_bytes.and_then(|bytes| straight_to(&peaks, bytes as f64));
    Some(Capacity {
        is_extrapolation: true,
        window_seconds: window.as_secs_f64(),
        threads,
        measured_positions: rows.last()?.positions,
        positions_by_time,
        positions_by_memory,
        positions: positions_by_memory.map_or(positions_by_time, |by_memory| by_memory.min(positions_by_time)),
    })
}

fn points(rows: &[Row], threads: usize, value: impl Fn(&Row) -> f64) -> Vec<(f64, f64)> {
    rows.iter().filter(|row| row.threads == threads).map(|row| (row.positions as f64, value(row))).collect()
}

/// Slope of the least-squares line through `(ln x, ln y)`.
fn exponent(points: Vec<(f64, f64)>) -> Option<f64> {
    let logs: Vec<(f64, f64)> = points.into_iter().map(|(x, y)| (x.ln(), y.ln())).collect();
    let count = logs.len() as f64;
    let mean_x = logs.iter().map(|point| point.0).sum::<f64>() / count;
    let mean_y = logs.iter().map(|point| point.1).sum::<f64>() / count;
    let spread = logs.iter().map(|(x, _)| (x - mean_x).powi(2)).sum::<f64>();
    let joint = logs.iter().map(|(x, y)| (x - mean_x) * (y - mean_y)).sum::<f64>();
    (logs.len() > 1 && spread > 0.0).then(|| joint / spread)
}

/// Where the line through the last two points reaches `y`; `None` if it does not rise.
fn straight_to(points: &[(f64, f64)], y: f64) -> Option<f64> {
    let [.., (x0, y0), (x1, y1)] = *points else { return None };
    let slope = (y1 - y0) / (x1 - x0);
    (slope > 0.0).then(|| x1 + (y - y1) / slope)
}
