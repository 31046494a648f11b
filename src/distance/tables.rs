//! Distance of accounts from liquidation: table `distances`, and the summary columns in `at_risk`.

use super::{AccountDistances, Distance};
use crate::book::Book;
use crate::margin::AccountMargin;
use crate::margin::rules::Rules;
use crate::market::Market;
use crate::progress::Progress;
use crate::publish::OutputFile;
use crate::request::DistanceScope;
use crate::source::Format;
use crate::tables::columns::{TableSpec, label, number, optional_numbers, text, texts};
use crate::tables::encode::{Encoder, GROUP_ROWS, TableFile, create};
use crate::totals::at_risk::AtRisk;
use crate::totals::reach::{Move, Reach};
use crate::{Result, distance};
use arrow::array::RecordBatch;
use std::path::Path;

/// One row per account and coin, `*` (all coins together) first. Prices are USD; `status` and `margin_ratio` are
/// current values.
pub const DISTANCES: TableSpec = TableSpec {
    name: "distances",
    columns: &[
        text("account_id"),
        label("base"),
        number("down_move").nullable(),
        number("down_px_usd").nullable(),
        number("up_move").nullable(),
        number("up_px_usd").nullable(),
        number("px_usd").nullable(),
        label("down_reach"),
        label("up_reach"),
        number("down_ratio").nullable(),
        number("up_ratio").nullable(),
        label("status"),
        number("margin_ratio").nullable(),
    ],
    sorted_by: Some(0),
};

/// The inputs of the search: the market without a move.
#[derive(Clone, Copy)]
pub(crate) struct Searched<'a> {
    pub market: &'a Market,
    pub rules: &'a Rules,
    pub book: &'a Book,
    pub progress: &'a dyn Progress,
}

/// Searches the distances of some accounts, writes the table, and stores the moves of all coins together in the
/// base-case rows of `at_risk`. Writes nothing for [`DistanceScope::None`].
pub(crate) fn write(
    folder: &Path,
    format: Format,
    scope: DistanceScope,
    searched: Searched,
    at_risk: &mut [AtRisk],
) -> Result<Option<OutputFile>> {
    let Searched { market, rules, book, progress } = searched;
    let mut flagged: Vec<&mut AtRisk> = at_risk.iter_mut().filter(|row| row.scenario == 0).collect();
    flagged.sort_by_key(|row| row.account);
    let accounts: Vec<usize> = match scope {
        DistanceScope::All => (0..book.len()).collect(),
        DistanceScope::AtRisk => flagged.iter().map(|row| row.account).collect(),
        DistanceScope::None => return Ok(None),
    };
    let (encoder, file) = create(folder, &DISTANCES, format)?;
    let mut table = Table { book, encoder, file, rows: Vec::new() };
    let mut flagged = flagged.into_iter().peekable();
    distance::for_each(market, rules, book, &accounts, progress, |found| {
        if let (Some(row), Some(all)) = (flagged.next_if(|row| row.account == found.account), found.rows.first()) {
            row.all_coins = Some(Box::new([all.down, all.up]));
        }
        table.add(found)
    })?;
    table.flush()?;
    table.file.finish().map(Some)
}

struct Row {
    account: usize,
    now: AccountMargin,
    distance: Distance,
}

struct Table<'a> {
    book: &'a Book,
    encoder: Encoder,
    file: TableFile,
    rows: Vec<Row>,
}

impl Table<'_> {
    fn add(&mut self, found: AccountDistances) -> Result<()> {
        let AccountDistances { account, margin: now, rows } = found;
        self.rows.extend(rows.into_iter().map(|distance| Row { account, now, distance }));
        if self.rows.len() >= GROUP_ROWS { self.flush() } else { Ok(()) }
    }

    fn flush(&mut self) -> Result<()> {
        self.file.append(self.encoder.encode(&batch(&self.rows, self.book)?)?)?;
        self.rows.clear();
        Ok(())
    }
}

fn batch(rows: &[Row], book: &Book) -> Result<RecordBatch> {
    let at = |reach: fn(&Distance) -> &Reach, field: fn(&Move) -> Option<f64>| {
        optional_numbers(rows.iter().map(move |row| reach(&row.distance).found().and_then(field)))
    };
    let down: fn(&Distance) -> &Reach = |distance| &distance.down;
    let up: fn(&Distance) -> &Reach = |distance| &distance.up;
    DISTANCES.batch(vec![
        texts(rows.iter().map(|row| book.accounts().get(row.account)))?,
        texts(rows.iter().map(|row| row.distance.base.as_str()))?,
        at(down, |found| Some(found.price_move)),
        at(down, |found| found.price_usd),
        at(up, |found| Some(found.price_move)),
        at(up, |found| found.price_usd),
        optional_numbers(rows.iter().map(|row| row.distance.price_usd)),
        texts(rows.iter().map(|row| row.distance.down.name()))?,
        texts(rows.iter().map(|row| row.distance.up.name()))?,
        at(down, |found| found.margin_ratio),
        at(up, |found| found.margin_ratio),
        texts(rows.iter().map(|row| row.now.status.name()))?,
        optional_numbers(rows.iter().map(|row| row.now.margin_ratio)),
    ])
}
