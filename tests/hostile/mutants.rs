//! More than ten thousand mutants, the same on every machine: truncations, flipped bits, overwritten bytes, swapped
//! fields.

use crate::common::folder::TABLES;
use crate::snapshots::{FORMATS, add_checksums, snapshot};
use crate::{Outcome, assert_quiet, judge, prepare};
use parquet::file::metadata::{ColumnChunkMetaData, RowGroupMetaData};
use parquet::file::reader::FileReader;
use parquet::file::serialized_reader::SerializedFileReader;
use rand_chacha::ChaCha8Rng;
use rand_chacha::rand_core::{Rng, SeedableRng};
use remargin::snapshot::CHECKSUMS;
use remargin::source::Format;
use std::fmt;
use std::fs;
use std::ops::Range;
use std::path::Path;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;

/// Mutants of each table in each format, by kind.
const OF_EACH_KIND: [(Kind, usize); 4] =
    [(Kind::Cut, 140), (Kind::Flip, 240), (Kind::Overwrite, 120), (Kind::Swap, 120)];

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    Cut,
    Flip,
    Overwrite,
    Swap,
}

/// A damaged file and what was done to it.
struct Mutant {
    bytes: Vec<u8>,
    kind: Kind,
    /// The bytes that were touched.
    place: Range<usize>,
}

fn below(rng: &mut ChaCha8Rng, bound: usize) -> usize {
    (rng.next_u64() % bound.max(1) as u64) as usize
}

impl Mutant {
    fn new(kind: Kind, clean: &[u8], is_text: bool, rng: &mut ChaCha8Rng) -> Self {
        let mut bytes = clean.to_vec();
        let at = below(rng, bytes.len());
        let place = match kind {
            Kind::Cut => {
                bytes.truncate(at);
                at..clean.len()
            }
            Kind::Flip => {
                bytes[at] ^= 1 << below(rng, 8);
                at..at + 1
            }
            Kind::Overwrite => {
                let end = (at + [1, 2, 4, 8][below(rng, 4)]).min(bytes.len());
                let value = [0x00, 0x01, 0x7f, 0x80, 0xff][below(rng, 5)];
                bytes[at..end].fill(value);
                at..end
            }
            Kind::Swap if is_text => swap_cells(&mut bytes, rng),
            Kind::Swap => {
                let width = [4, 8, 16][below(rng, 3)].min(bytes.len() / 2);
                let first = below(rng, bytes.len() - 2 * width + 1);
                let second = first + width + below(rng, bytes.len() - first - 2 * width + 1);
                for place in 0..width {
                    bytes.swap(first + place, second + place);
                }
                first..second + width
            }
        };
        Self { bytes, kind, place }
    }
}

/// Swaps two cells of a CSV file.
fn swap_cells(bytes: &mut Vec<u8>, rng: &mut ChaCha8Rng) -> Range<usize> {
    let mut lines: Vec<Vec<Vec<u8>>> = bytes
        .split(|&byte| byte == b'\n')
        .map(|line| line.split(|&byte| byte == b',').map(<[u8]>::to_vec).collect())
        .collect();
    let places: Vec<(usize, usize)> =
        lines.iter().enumerate().flat_map(|(line, cells)| (0..cells.len()).map(move |cell| (line, cell))).collect();
    let [first, second] = [places[below(rng, places.len())], places[below(rng, places.len())]];
    let cell = lines[first.0][first.1].clone();
    lines[first.0][first.1] = std::mem::replace(&mut lines[second.0][second.1], cell);
    *bytes = lines.iter().map(|cells| cells.join(&b","[..])).collect::<Vec<_>>().join(&b"\n"[..]);
    0..bytes.len()
}

/// How many mutants came to what.
#[derive(Debug, Clone, Copy, Default)]
struct Tally {
    mutants: usize,
    /// Not changed at all: a byte overwritten with itself.
    same_bytes: usize,
    refused: usize,
    equal: usize,
    different: usize,
}

impl Tally {
    fn add(mut self, other: Self) -> Self {
        self.mutants += other.mutants;
        self.same_bytes += other.same_bytes;
        self.refused += other.refused;
        self.equal += other.equal;
        self.different += other.different;
        self
    }
}

impl fmt::Display for Tally {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { mutants, same_bytes, refused, equal, different } = self;
        write!(f, "{mutants:>6} mutants: {refused} refused, {equal} equal, {different} different alone, ")?;
        write!(f, "{same_bytes} not mutants at all")
    }
}

/// Where the pages of a Parquet file lie, their headers included.
fn pages(file: &Path) -> Vec<Range<usize>> {
    let reader = SerializedFileReader::new(fs::File::open(file).unwrap()).unwrap();
    let groups = reader.metadata().row_groups().iter();
    let chunks = groups.flat_map(RowGroupMetaData::columns).map(ColumnChunkMetaData::byte_range);
    chunks.map(|(start, length)| start as usize..(start + length) as usize).collect()
}

/// All mutants of one table in one format.
fn mutate(format: Format, name: &str) -> Tally {
    let folder = snapshot(format);
    let file = folder.path().join(format!("{name}.{}", format.extension()));
    let clean = fs::read(&file).unwrap();
    let Outcome::Loaded(expected) = judge(name, || folder.load()) else { panic!("the clean snapshot is refused") };
    let protected = if format == Format::Parquet { pages(&file) } else { Vec::new() };
    let mut rng = ChaCha8Rng::seed_from_u64(format.extension().bytes().chain(name.bytes()).map(u64::from).sum());
    let mut tally = Tally::default();
    add_checksums(&folder);
    let checksums = fs::read(folder.path().join(CHECKSUMS)).unwrap();
    for (kind, count) in OF_EACH_KIND {
        for number in 0..count {
            let mutant = Mutant::new(kind, &clean, format == Format::Csv, &mut rng);
            let what = format!("{name}.{} {:?} {number} at {:?}", format.extension(), mutant.kind, mutant.place);
            fs::write(&file, &mutant.bytes).unwrap();
            tally.mutants += 1;

            fs::write(folder.path().join(CHECKSUMS), &checksums).unwrap();
            let beside = judge(&what, || folder.load());
            fs::remove_file(folder.path().join(CHECKSUMS)).unwrap();
            let alone = judge(&what, || folder.load());
            if mutant.bytes == clean {
                assert_eq!((&beside, &alone), (&Outcome::Loaded(expected.clone()), &beside), "{what}");
                tally.same_bytes += 1;
                continue;
            }
            let Outcome::Refused(problem) = beside else { panic!("{what}: `checksums` did not notice") };
            assert!(problem.contains("the file is not the one that `checksums` lists"), "{what}: {problem}");
            assert!(problem.contains(&format!("{name}.{}", format.extension())), "{what}: {problem}");
            match alone {
                Outcome::Refused(problem) => {
                    assert!(problem.contains(name), "{what}: the file is not named: {problem}");
                    tally.refused += 1;
                }
                Outcome::Loaded(found) if found == expected => tally.equal += 1,
                Outcome::Loaded(_) => {
                    let is_text = format == Format::Csv;
                    assert!(is_text || mutant.kind != Kind::Cut, "{what}: half a file was taken for a whole one");
                    let in_pages = protected.iter().any(|page| page.contains(&mutant.place.start));
                    assert!(!in_pages || mutant.kind == Kind::Swap, "{what}: a checksum did not notice");
                    tally.different += 1;
                }
            }
        }
    }
    tally
}

#[test]
fn mutants_are_refused_or_harmless() {
    prepare();
    let tasks: Vec<(Format, &str)> =
        FORMATS.into_iter().flat_map(|format| TABLES.map(|(name, _)| (format, name))).collect();
    // Threads of their own: one that waits inside rayon's pool would take up the next table.
    let next = AtomicUsize::new(0);
    let work = || {
        let mut tallies = Vec::new();
        while let Some(&(format, name)) = tasks.get(next.fetch_add(1, Ordering::Relaxed)) {
            tallies.push((format, name, mutate(format, name)));
        }
        tallies
    };
    let tallies: Vec<_> = thread::scope(|scope| {
        let threads: Vec<_> = (0..2).map(|_| scope.spawn(work)).collect();
        threads.into_iter().flat_map(|thread| thread.join().unwrap()).collect()
    });
    assert_eq!(tallies.len(), tasks.len());
    for (format, name, tally) in &tallies {
        println!("{name}.{}: {tally}", format.extension());
    }
    let all = tallies.into_iter().fold(Tally::default(), |all, (.., tally)| all.add(tally));
    println!("all: {all}");
    assert!(all.mutants - all.same_bytes >= 10_000, "{all}");
    assert!(all.refused > all.mutants / 2, "{all}");
    assert_quiet();
}
