//! How cost grows with the book, and an extrapolation to larger books.

use super::Row;
use serde::Serialize;
use std::time::Duration;

/// Growth and speed-up for one number of threads.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Scaling {
    /// Threads.
    pub threads: usize,
    /// `b` in wall time `~ positions^b`, by least squares on logarithms. 1: proportional. Below 1: fixed costs are
    /// visible. Above 1: the cost per position grows. `None` with fewer than two sizes.
    pub exponent_wall: Option<f64>,
    /// The same for CPU time.
    pub exponent_cpu: Option<f64>,
    /// Wall time of one thread divided by the wall time of these threads, on the largest book.
    pub speed_up: f64,
}

/// The largest book that fits a window, extrapolated from the largest measured book, with the most threads.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Capacity {
    /// Always `true`: this book was not run.
    pub is_extrapolation: bool,
    /// The window.
    pub window_seconds: f64,
    /// Threads.
    pub threads: usize,
    /// Positions of the largest measured book.
    pub measured_positions: u64,
    /// Positions whose wall time fills the window: extrapolated from the largest measured book with the exponent, or
    /// proportionally if the exponent is below 1.
    pub positions_by_time: f64,
    /// Positions whose peak memory fills the machine, by linear extrapolation from the two largest books. `None` if
    /// memory does not grow, or the size of the machine is unknown.
    pub positions_by_memory: Option<f64>,
    /// The smaller of the two.
    pub positions: f64,
}

/// For every measured number of threads.
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

/// The capacity for `window` on a machine with `memory_bytes`. `None` with fewer than two sizes.
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

/// Where the line through the last two points reaches `y`; `None` if it is not rising.
fn straight_to(points: &[(f64, f64)], y: f64) -> Option<f64> {
    let [.., (x0, y0), (x1, y1)] = *points else { return None };
    let slope = (y1 - y0) / (x1 - x0);
    (slope > 0.0).then(|| x1 + (y - y1) / slope)
}
