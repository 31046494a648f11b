//! Prices by time and coin, as rows: from a table or from saved candles.

use super::request::length;
use crate::cells::number::{NumberError, Numbers};
use crate::cells::text::cut;
use crate::formats::batch::Batch;
use crate::formats::scan::{Opened, scan};
use crate::import::okx::candles::{self, Candle};
use crate::market::scenario::EVERY_COIN;
use crate::progress::Progress;
use crate::snapshot::{InputFile, PRICES};
use crate::source::{self, Input, LARGEST_JSON, Source};
use crate::{Invalid, Result};
use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// The price of a coin at a time.
#[derive(Debug, Clone, PartialEq)]
#[expect(clippy::struct_field_names, reason = "named as the columns are")]
pub(super) struct Price {
    pub base: Arc<str>,
    /// Nanoseconds since 1970 UTC.
    pub time_ns: i64,
    /// Above zero.
    pub price: f64,
    /// Of options on the coin, above zero.
    pub vol: Option<f64>,
    pub file: Arc<Path>,
    pub row: u64,
}

impl Price {
    /// A problem at this row.
    pub fn invalid(&self, problem: impl Into<String>) -> Invalid {
        Invalid::new(problem).file(&self.file).row(self.row)
    }
}

/// All prices that were read.
#[derive(Debug, Default)]
pub(crate) struct Prices {
    /// In order of coin and time, each once.
    pub(super) rows: Vec<Price>,
    pub(super) inputs: Vec<InputFile>,
    /// What the user should know of them.
    pub(super) notes: Vec<String>,
}

/// Most rows: they are held in memory, 72 bytes each.
const MOST_ROWS: usize = 1 << 24;

/// Currencies in which prices of candles may stand.
const DOLLARS: [&str; 3] = ["USD", "USDT", "USDC"];

/// Reads the prices from `from_ns` on.
///
/// # Errors
/// [`crate::Error::Invalid`] with file, column, row and value; [`crate::Error::Interrupted`].
pub(crate) fn read(path: &Path, from_ns: Option<i64>, progress: &dyn Progress) -> Result<Prices> {
    progress.stage("read", "rows", 0);
    let files = candles::files(path)?;
    let prices =
        if files.is_empty() { read_table(&open(path, progress)?, progress)? } else { read_candles(&files, progress)? };
    prices.settle(path, from_ns)
}

/// As [`read`], from a table that is open.
pub(super) fn read_table(source: &Source, progress: &dyn Progress) -> Result<Prices> {
    let mut prices = Prices::default();
    for (file, (bytes, blake3)) in source.files.iter().zip(source::hash_all(&source.files, progress)?) {
        prices.inputs.push(InputFile { path: file.path().to_path_buf(), bytes, rows: None, blake3 });
    }
    let opened = Opened::new(source, PRICES)?;
    let all: BTreeSet<String> = opened.names().iter().flat_map(|(_, names)| names.iter().cloned()).collect();
    let unread: Vec<String> =
        all.into_iter().filter(|name| PRICES.iter().all(|column| column.name != name.as_str())).collect();
    if !unread.is_empty() {
        prices.notes.push(format!("columns that are not read: {}", unread.join(", ")));
    }
    let counts = scan(opened, progress, read_batch, |mut rows: Vec<Price>| {
        prices.rows.append(&mut rows);
        match prices.rows.get(MOST_ROWS) {
            Some(row) => Err(row.invalid("too many prices").expected(format!("at most {MOST_ROWS} rows")).into()),
            None => Ok(()),
        }
    })?;
    for (input, rows) in prices.inputs.iter_mut().zip(counts) {
        input.rows = Some(rows);
    }
    Ok(prices)
}

/// Prices are held in memory, so that their table has a bound.
fn open(path: &Path, progress: &dyn Progress) -> Result<Source> {
    let source = source::open_table(path, progress)?;
    let bytes = source.files.iter().map(Input::len).sum::<u64>();
    if bytes > LARGEST_JSON {
        let expected = format!("at most {LARGEST_JSON} bytes ({} MiB) of prices", LARGEST_JSON >> 20);
        let invalid = Invalid::new("the table is too large").file(path).value(format!("{bytes} bytes"));
        return Err(invalid.expected(expected).into());
    }
    Ok(source)
}

fn read_batch(rows: &mut Vec<Price>, batch: &Batch) -> Result<()> {
    let (base, time) = (batch.text("base")?, batch.dates("time")?);
    let (price, vol) = (batch.numbers("price")?, batch.numbers("vol")?);
    let mut last: Option<Arc<str>> = None;
    for index in 0..batch.rows {
        let at = |problem: &str, column: &str, value: String, expected: &str| {
            let invalid = Invalid::new(problem).file(&batch.file).row(batch.first_row + index as u64);
            invalid.column(column).value(cut(&value)).expected(expected)
        };
        let positive = |column: &str, numbers: &Numbers| -> Result<Option<f64>> {
            match numbers.get(index) {
                Ok(Some(number)) if number <= 0.0 => {
                    Err(at("not above zero", column, numbers.raw(index), "a number above zero").into())
                }
                Ok(number) => Ok(number),
                Err(NumberError::Invalid) => {
                    Err(at("not a number", column, numbers.raw(index), "a number above zero").into())
                }
                Err(NumberError::OutOfRange) => {
                    Err(at("a number out of range", column, numbers.raw(index), "a size from 1e-18 to 1e18").into())
                }
            }
        };
        let missing = |column: &str| at("missing value", column, String::new(), "a value in every row");
        let name = base.get(index).ok_or_else(|| missing("base"))?;
        if name == EVERY_COIN || name == "USD" {
            return Err(at("not a coin", "base", name.to_owned(), "a coin or a stablecoin").into());
        }
        let time_ns = time.get_date(index).map_err(|_| {
            at("not a time", "time", time.raw(index), "such as `2026-03-27` or `2026-03-27T08:00:00Z`, 1677 to 2262")
        })?;
        let time_ns = time_ns.ok_or_else(|| missing("time"))?;
        let price = positive("price", &price)?.ok_or_else(|| missing("price"))?;
        let vol = positive("vol", &vol)?;
        let base = match last.take().filter(|last| **last == *name) {
            Some(last) => last,
            None => name.into(),
        };
        last = Some(Arc::clone(&base));
        let (file, row) = (Arc::clone(&batch.file), batch.first_row + index as u64);
        rows.push(Price { base, time_ns, price, vol, file, row });
    }
    Ok(())
}

fn read_candles(files: &[PathBuf], progress: &dyn Progress) -> Result<Prices> {
    let (candles, read) = candles::read(files, progress)?;
    let mut prices = Prices::default();
    for (path, bytes, blake3) in read {
        let rows = Some(candles.iter().filter(|candle| *candle.file == *path).count() as u64);
        prices.inputs.push(InputFile { path, bytes, rows, blake3 });
    }
    // The instrument of each coin.
    let mut instruments: BTreeMap<Arc<str>, Arc<str>> = BTreeMap::new();
    let mut in_other_dollars = BTreeSet::new();
    // Pages of the exchange may overlap.
    let mut known: BTreeMap<(Arc<str>, i64), f64> = BTreeMap::new();
    for candle in candles {
        let (base, quote) = coin(&candle)?;
        let instrument = instruments.entry(Arc::clone(&base)).or_insert_with(|| Arc::clone(&candle.inst_id));
        if **instrument != *candle.inst_id {
            return Err(Invalid::new(format!("candles of two instruments of `{base}`"))
                .file(&candle.file)
                .value(&*candle.inst_id)
                .expected(format!("`{instrument}` only, as before"))
                .hint("leave the files of one of them out")
                .into());
        }
        match known.insert((Arc::clone(&base), candle.ts_ns), candle.close) {
            Some(earlier) if earlier == candle.close => continue,
            Some(earlier) => {
                let invalid = Invalid::new("two candles of one time with different closes");
                let invalid = invalid.file(&candle.file).row(candle.row).column("c").value(candle.close.to_string());
                return Err(invalid.expected(format!("{earlier}, as before")).into());
            }
            None => {}
        }
        if quote != "USD" {
            in_other_dollars.insert(quote);
        }
        let Candle { ts_ns, close, file, row, .. } = candle;
        prices.rows.push(Price { base, time_ns: ts_ns, price: close, vol: None, file, row });
    }
    if !in_other_dollars.is_empty() {
        let quotes = in_other_dollars.into_iter().collect::<Vec<_>>().join(" and ");
        prices.notes.push(format!("prices in {quotes} are taken as prices in USD"));
    }
    Ok(prices)
}

/// Base and quote of a candle.
fn coin(candle: &Candle) -> Result<(Arc<str>, &'static str)> {
    let mut parts = candle.inst_id.split('-');
    let (base, quote, rest) = (parts.next().unwrap_or_default(), parts.next().unwrap_or_default(), parts.next());
    let quote = quote.split('_').next().unwrap_or(quote);
    let quote = DOLLARS.into_iter().find(|dollars| *dollars == quote);
    let is_coin = !["", "USD"].contains(&base) && matches!(rest, None | Some("SWAP"));
    if let Some(quote) = quote.filter(|_| is_coin) {
        return Ok((base.into(), quote));
    }
    let invalid = Invalid::new("candles that are no prices of a coin in dollars").file(&candle.file);
    Err(invalid.value(&*candle.inst_id).expected("an index, a spot pair or a swap in USD, USDT or USDC").into())
}

impl Prices {
    /// Brings the rows in order of coin and time.
    fn settle(mut self, path: &Path, from_ns: Option<i64>) -> Result<Self> {
        let last_ns = self.rows.iter().map(|row| row.time_ns).max();
        self.rows.retain(|row| from_ns.is_none_or(|from| row.time_ns >= from));
        self.rows.sort_by(|a, b| (&a.base, a.time_ns).cmp(&(&b.base, b.time_ns)));
        let twice = self.rows.windows(2).find_map(|pair| match pair {
            [a, b] if a.base == b.base && a.time_ns == b.time_ns => Some(b),
            _ => None,
        });
        if let Some(row) = twice {
            let invalid = row.invalid("two prices of one coin at one time").column("time").value(time(row.time_ns));
            return Err(invalid.expected(format!("one price of `{}` for each time", row.base)).into());
        }
        if let (true, Some(from), Some(last)) = (self.rows.is_empty(), from_ns, last_ns) {
            let invalid = Invalid::new(format!("no prices from {} on", time(from))).file(path);
            return Err(invalid
                .value(format!("the last one is of {}", time(last)))
                .expected("an earlier begin")
                .into());
        }
        if self.rows.is_empty() {
            return Err(Invalid::new("no prices").file(path).expected("a price for each time and coin").into());
        }
        Ok(self)
    }

    /// Sorted as [`read`] does it: for prices that are held already.
    pub(super) fn of_table(source: &Source, progress: &dyn Progress) -> Result<Self> {
        read_table(source, progress)?.settle(Path::new(""), None)
    }

    /// The smallest distance between two times that follow one another, and all times in order.
    pub(super) fn times(&self) -> (Option<i64>, Vec<i64>) {
        let times: BTreeSet<i64> = self.rows.iter().map(|row| row.time_ns).collect();
        let times: Vec<i64> = times.into_iter().collect();
        let steps = times.windows(2).filter_map(|pair| match pair {
            [a, b] => b.checked_sub(*a),
            _ => None,
        });
        (steps.min(), times)
    }
}

/// A time in messages and names: the day alone at midnight UTC.
pub(super) fn time(ns: i64) -> String {
    let Ok(moment) = jiff::Timestamp::from_nanosecond(i128::from(ns)) else { return length(ns) };
    let text = moment.to_string();
    text.strip_suffix("T00:00:00Z").map_or(text.clone(), str::to_owned)
}
