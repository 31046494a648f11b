//! Which cells of a table differ from the same table computed again.
//!
//! Both files are read twice: first every row is hashed into the digest of its block, then the rows of the first blocks
//! that differ are compared cell by cell. So the memory does not grow with the table.

use super::{Difference, Findings};
use crate::Result;
use crate::cells::number::Numbers;
use crate::cells::text::Text;
use crate::formats::batch::Batch;
use crate::formats::scan::{Opened, scan};
use crate::formats::{Column, Kind};
use crate::progress::Progress;
use crate::schema::outputs;
use crate::source;
use crate::tables::columns::{self, TableSpec};
use std::collections::BTreeMap;
use std::fmt;
use std::hash::{Hash, Hasher};
use std::path::Path;
use twox_hash::XxHash64;

/// Rows of a block.
const BLOCK_ROWS: u64 = 512;
/// Blocks whose cells are compared, at most.
const BLOCKS_SHOWN: usize = 16;

/// The table that a file of a run or a stress holds.
pub(super) fn table_of(file: &str) -> Option<&'static TableSpec> {
    let (stem, extension) = file.rsplit_once('.')?;
    let of_these = outputs().into_iter().filter(|(command, _)| ["run", "stress"].contains(command));
    let table = of_these.flat_map(|(_, tables)| tables).find(|table| table.name == stem)?;
    ["parquet", "arrow", "csv"].contains(&extension).then_some(table)
}

/// Adds a difference for each cell in which `found` differs from `expected`. Adds none if all cells are the same.
///
/// # Errors
/// [`crate::Error::Invalid`] if a file cannot be read as this table.
pub(super) fn compare(
    table: &'static TableSpec,
    [found, expected]: [&Path; 2],
    findings: &mut Findings,
    progress: &dyn Progress,
) -> Result<()> {
    let in_found = digests(found, table, progress)?;
    let in_expected = digests(expected, table, progress)?;
    let blocks = in_found.blocks.len().max(in_expected.blocks.len());
    let differing = (0..blocks).filter(|&block| in_found.blocks.get(block) != in_expected.blocks.get(block));
    let differing: Vec<u64> = differing.take(BLOCKS_SHOWN).map(|block| block as u64).collect();
    let file = found.file_name().unwrap_or_default().to_string_lossy().into_owned();
    findings.equal(&file, "rows", &in_found.rows, &in_expected.rows);
    if differing.is_empty() {
        return Ok(());
    }
    let found = rows(found, table, &differing, progress)?;
    let expected = rows(expected, table, &differing, progress)?;
    for (row, expected) in &expected {
        let Some(found) = found.get(row) else { continue };
        // The row is named by what should stand there.
        let key = |name: &str| {
            let mut cells = table.columns.iter().zip(expected);
            cells.find(|(column, _)| column.name == name).map(|(_, cell)| cell.to_string())
        };
        for ((column, found), expected) in table.columns.iter().zip(found).zip(expected) {
            if found != expected {
                findings.differ(Difference {
                    file: file.clone(),
                    row: Some(*row),
                    column: column.name.to_string(),
                    account: key("account_id"),
                    scenario: key("scenario"),
                    risk_unit: key("risk_unit"),
                    found: found.to_string(),
                    expected: expected.to_string(),
                    tolerance: 0.0,
                });
            }
        }
    }
    Ok(())
}

/// What stands in a cell. Numbers are equal if their bits are.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
enum Cell {
    Missing,
    Text(String),
    Number(u64),
}

impl fmt::Display for Cell {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Missing => write!(f, "nothing"),
            Self::Text(text) => write!(f, "{text}"),
            Self::Number(bits) => write!(f, "{:?}", f64::from_bits(*bits)),
        }
    }
}

enum Cells {
    Texts(Text),
    Numbers(Numbers),
}

impl Cells {
    fn get(&self, row: usize) -> Cell {
        match self {
            Self::Texts(texts) => texts.get(row).map_or(Cell::Missing, |text| Cell::Text(text.to_owned())),
            Self::Numbers(numbers) => match numbers.figure(row) {
                Some(number) => Cell::Number(number.to_bits()),
                None => Some(numbers.raw(row)).filter(|raw| !raw.is_empty()).map_or(Cell::Missing, Cell::Text),
            },
        }
    }
}

/// All columns of a batch, in the order of the table.
fn cells_of(batch: &Batch, table: &TableSpec) -> Result<Vec<Cells>> {
    let cells = |column: &columns::Column| match kind(column.kind) {
        Kind::Number => batch.numbers(&column.name).map(Cells::Numbers),
        _ => batch.text(&column.name).map(Cells::Texts),
    };
    table.columns.iter().map(cells).collect()
}

fn kind(of: columns::Kind) -> Kind {
    match of {
        columns::Kind::Text | columns::Kind::Label => Kind::Id,
        columns::Kind::Number | columns::Kind::Level | columns::Kind::Count => Kind::Number,
        columns::Kind::Flag => Kind::Flag,
    }
}

fn open(file: &Path, table: &'static TableSpec) -> Result<Opened> {
    let column = |column: &'static columns::Column| Column::new(column.name.as_ref(), kind(column.kind));
    let wanted: Vec<Column> = table.columns.iter().map(column).collect();
    Opened::written(&source::at(file)?.open()?, &wanted)
}

/// A table as digests of its blocks.
#[derive(Default)]
struct Digests {
    rows: u64,
    /// The sum of the hashes of the rows of each block.
    blocks: Vec<u64>,
}

fn digests(file: &Path, table: &'static TableSpec, progress: &dyn Progress) -> Result<Digests> {
    let mut all = Digests::default();
    let fold = |local: &mut BTreeMap<usize, (u64, u64)>, batch: &Batch| {
        let cells = cells_of(batch, table)?;
        for place in 0..batch.rows {
            let row = batch.first_row + place as u64;
            let mut hasher = XxHash64::with_seed(row);
            for cells in &cells {
                cells.get(place).hash(&mut hasher);
            }
            let (rows, digest) = local.entry(block_of(row) as usize).or_default();
            *rows += 1;
            *digest = digest.wrapping_add(hasher.finish());
        }
        Ok(())
    };
    scan(open(file, table)?, progress, fold, |local| {
        for (block, (rows, digest)) in local {
            if block >= all.blocks.len() {
                all.blocks.resize(block + 1, 0);
            }
            all.rows += rows;
            if let Some(sum) = all.blocks.get_mut(block) {
                *sum = sum.wrapping_add(digest);
            }
        }
        Ok(())
    })?;
    Ok(all)
}

/// The block of a row, whose numbers count from 1.
fn block_of(row: u64) -> u64 {
    row.saturating_sub(1) / BLOCK_ROWS
}

/// The rows of some blocks.
fn rows(
    file: &Path,
    table: &'static TableSpec,
    blocks: &[u64],
    progress: &dyn Progress,
) -> Result<BTreeMap<u64, Vec<Cell>>> {
    let mut all = BTreeMap::new();
    let fold = |local: &mut Vec<(u64, Vec<Cell>)>, batch: &Batch| {
        let cells = cells_of(batch, table)?;
        for place in 0..batch.rows {
            let row = batch.first_row + place as u64;
            if blocks.contains(&block_of(row)) {
                local.push((row, cells.iter().map(|cells| cells.get(place)).collect()));
            }
        }
        Ok(())
    };
    scan(open(file, table)?, progress, fold, |local| {
        all.extend(local);
        Ok(())
    })?;
    Ok(all)
}
