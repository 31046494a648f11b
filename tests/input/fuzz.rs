//! The fuzz targets without a fuzzer: every seed, and mutations of it that are the same on every machine.

#[path = "../../fuzz/src/lib.rs"]
mod targets;

use rand_chacha::ChaCha8Rng;
use rand_chacha::rand_core::{Rng, SeedableRng};
use std::thread;
use targets::{TARGETS, seeds};

/// Mutations of the seeds of each target.
const RUNS: u64 = 600;

/// Some bytes changed, removed, doubled or taken from another seed.
fn mutate(seeds: &[Vec<u8>], rng: &mut ChaCha8Rng) -> Vec<u8> {
    let mut below = |bound: usize| (rng.next_u64() % bound.max(1) as u64) as usize;
    let mut bytes = seeds[below(seeds.len())].clone();
    for _ in 0..=below(3) {
        let (at, width) = (below(bytes.len()), 1 + below(12));
        let end = (at + width).min(bytes.len());
        match below(6) {
            0 => bytes.truncate(at),
            1 if at < bytes.len() => bytes[at] ^= 1 << below(8),
            2 => drop(bytes.drain(at..end)),
            3 => {
                let copy = bytes[at..end].to_vec();
                bytes.splice(at..at, copy);
            }
            4 => {
                let other = &seeds[below(seeds.len())];
                let from = below(other.len());
                let to = (from + width).min(other.len());
                bytes.splice(at..end, other[from..to].iter().copied());
            }
            _ => {
                // What parsers stumble over.
                let tokens =
                    ["-", "1e400", "-0", "nan", "\"", ",", "\n", "\r", "\0", "\u{feff}", "9999999999999999999"];
                bytes.splice(at..end, tokens[below(tokens.len())].bytes());
            }
        }
    }
    bytes
}

#[test]
fn targets_hold_on_seeds_and_mutations() {
    for (name, target) in TARGETS {
        let seeds = seeds(name);
        assert!(!seeds.is_empty() && seeds.iter().all(|seed| !seed.is_empty()), "{name}");
        for seed in &seeds {
            target(seed);
        }
        target(&[]);
        let work = |first: u64| {
            for run in (first..RUNS).step_by(2) {
                let input = mutate(&seeds, &mut ChaCha8Rng::seed_from_u64(run));
                if let Err(panic) = std::panic::catch_unwind(|| target(&input)) {
                    println!("{name}, run {run}: {:?}", String::from_utf8_lossy(&input));
                    std::panic::resume_unwind(panic);
                }
            }
        };
        // Threads of their own: one that waits inside rayon's pool would take up the next input.
        thread::scope(|scope| {
            [0, 1].map(|first| scope.spawn(move || work(first))).map(|thread| thread.join().unwrap())
        });
    }
}
