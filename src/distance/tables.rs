//! Distance of accounts from liquidation: table `distances`, and the summary columns in `at_risk`.

use super::{AccountDistances, Distance, Way};
use crate::book::Book;
use crate::engine::lanes::Width;
use crate::figures::AccountFigure;
use crate::formats::memory::Rows;
use crate::margin::AccountMargin;
use crate::margin::rules::Rules;
use crate::market::Market;
use crate::progress::Progress;
use crate::publish::OutputFile;
use crate::request::DistanceScope;
use crate::source::Format;
use crate::tables::columns::{ACCOUNT_ID, Table as Declared, TableSpec, label, ratio, text, usd};
use crate::tables::encode::{Encoder, GROUP_ROWS, TableFile, create, without_dictionaries};
use crate::tables::filled::{self, Filled, account, columns_of};
use crate::totals::at_risk::AtRisk;
use crate::totals::reach::Move;
use crate::{Error, Result, distance};
use arrow_array::RecordBatch;
use std::path::Path;

/// Account x coin, `*` (all coins together) first. Prices are USD; `status` and `margin_ratio` are those of now.
pub static DISTANCES: Declared = Declared::new(|| {
    TableSpec::new("distances", "account x coin, `*` (all coins) first", columns_of(columns())).sorted()
});

fn columns<'a>() -> Vec<Filled<'a, Seen<'a>>> {
    fn down(seen: &Seen) -> Option<Move> {
        seen.row.distance.down.found().copied()
    }
    fn up(seen: &Seen) -> Option<Move> {
        seen.row.distance.up.found().copied()
    }
    fn now<'r>(seen: &'r Seen) -> &'r AccountMargin {
        &seen.row.now
    }
    vec![
        text("account_id", ACCOUNT_ID).text(|seen: &Seen| seen.book.accounts().get(seen.row.account)),
        label("base", "The coin that moves; `*` is all of them together.")
            .text(|seen: &Seen| seen.row.distance.base.as_str()),
        ratio(
            "down_move",
            "The nearest fall at which the account enters liquidation, or leaves it if it is in liquidation now: -0.2 \
             is 20 % down; null if there is none.",
        )
        .optional(|seen| Some(down(seen)?.price_move)),
        usd("down_px_usd", "The price of the coin there.").optional(|seen| down(seen)?.price_usd),
        ratio(
            "up_move",
            "The nearest rise at which the account enters liquidation, or leaves it if it is in liquidation now: 0.2 \
             is 20 % up; null if there is none.",
        )
        .optional(|seen| Some(up(seen)?.price_move)),
        usd("up_px_usd", "The price of the coin there.").optional(|seen| up(seen)?.price_usd),
        usd("px_usd", "The price of the coin now; null for `*`.").optional(|seen: &Seen| seen.row.distance.price_usd),
        label("down_reach", "What the search for the fall found: `crossed`, `jump` or `none`.")
            .text(|seen: &Seen| seen.row.distance.down.name()),
        label("up_reach", "What the search for the rise found: `crossed`, `jump` or `none`.")
            .text(|seen: &Seen| seen.row.distance.up.name()),
        ratio("down_ratio", "The margin ratio after that fall.").optional(|seen| down(seen)?.margin_ratio),
        ratio("up_ratio", "The margin ratio after that rise.").optional(|seen| up(seen)?.margin_ratio),
        account(AccountFigure::status, now),
        account(AccountFigure::margin_ratio, now),
    ]
}

/// The inputs of the search: the market without a move.
#[derive(Clone, Copy)]
pub(crate) struct Searched<'a> {
    pub market: &'a Market,
    pub rules: &'a Rules,
    pub book: &'a Book,
    /// Bytes that the ladders may take; with less each account is searched alone, which takes longer.
    pub room: u64,
    pub width: Width,
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
    let Searched { market, rules, book, room, width, progress } = searched;
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
    let way = Way::best(accounts.len(), market, room, width);
    distance::for_each((market, rules, book), way, &accounts, progress, |found| {
        if let (Some(row), Some(all)) = (flagged.next_if(|row| row.account == found.account), found.rows.first()) {
            row.all_coins = Some(Box::new([all.down, all.up]));
        }
        table.add(found)
    })?;
    table.flush()?;
    table.file.finish().map(Some)
}

/// Searches the distances of some accounts, which ascend, and keeps their rows.
pub(crate) fn rows(searched: Searched, accounts: &[usize]) -> Result<Rows> {
    let Searched { market, rules, book, room, width, progress } = searched;
    let way = Way::best(accounts.len(), market, room, width);
    let mut rows = Vec::new();
    distance::for_each((market, rules, book), way, accounts, progress, |found| {
        rows.extend(rows_of(found));
        Ok(())
    })?;
    let plain = |rows: &[Row]| {
        let batch = batch(rows, book)?;
        without_dictionaries(&batch).map_err(|error| Error::Runtime(format!("cannot write labels out: {error}")))
    };
    Rows::new(DISTANCES.schema(), rows.chunks(GROUP_ROWS).map(plain).collect::<Result<_>>()?)
}

struct Row {
    account: usize,
    now: AccountMargin,
    distance: Distance,
}

fn rows_of(found: AccountDistances) -> impl Iterator<Item = Row> {
    let AccountDistances { account, margin: now, rows } = found;
    rows.into_iter().map(move |distance| Row { account, now, distance })
}

struct Table<'a> {
    book: &'a Book,
    encoder: Encoder,
    file: TableFile,
    rows: Vec<Row>,
}

impl Table<'_> {
    fn add(&mut self, found: AccountDistances) -> Result<()> {
        self.rows.extend(rows_of(found));
        if self.rows.len() >= GROUP_ROWS { self.flush() } else { Ok(()) }
    }

    fn flush(&mut self) -> Result<()> {
        self.file.append(self.encoder.encode(&batch(&self.rows, self.book)?)?)?;
        self.rows.clear();
        Ok(())
    }
}

/// A row, and the book that names its account.
struct Seen<'a> {
    row: &'a Row,
    book: &'a Book,
}

fn batch(rows: &[Row], book: &Book) -> Result<RecordBatch> {
    filled::batch(&DISTANCES, &columns(), &rows.iter().map(|row| Seen { row, book }).collect::<Vec<_>>())
}
