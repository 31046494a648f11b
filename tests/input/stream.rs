//! A snapshot gives the same accounts and the same rejects, row by row, from every source: sorted tables that stream,
//! tables in memory, and tables that are sorted on disk.

use crate::common::e2e::{generate, read_parquet, shuffled};
use arrow_array::cast::AsArray;
use arrow_array::types::Float64Type;
use arrow_array::{Array, ArrayRef, Float64Array, RecordBatch, StringArray};
use arrow_schema::{DataType, Field, Schema};
use parquet::arrow::ArrowWriter;
use parquet::file::properties::WriterProperties;
use remargin::book::Book;
use remargin::margin::account::{Order, Traded};
use remargin::margin::rules::SpotOffset;
use remargin::market::Market;
use remargin::progress::Silent;
use remargin::snapshot::stream::{Currencies, Cut, Piece, Spill, Stream, Window};
use remargin::snapshot::{Expectations, LoadOptions, Snapshot, load};
use std::collections::BTreeSet;
use std::fs::{self, File};
use std::path::Path;
use std::sync::Arc;

const OPTIONS: LoadOptions =
    LoadOptions { default_spot_offset: SpotOffset::Usdt, expectations: &Expectations::NONE, progress: &Silent };

/// A table as rows of cells, which a test can break.
#[derive(Clone)]
struct Cells {
    names: Vec<String>,
    rows: Vec<Vec<Cell>>,
}

#[derive(Clone, Debug, PartialEq)]
enum Cell {
    Text(Option<String>),
    Number(Option<f64>),
}

fn text(value: &str) -> Cell {
    Cell::Text(Some(value.to_owned()))
}

impl Cells {
    fn read(path: &Path) -> Self {
        let batch = read_parquet(path);
        let cell = |column: &ArrayRef, row: usize| {
            let valid = column.is_valid(row);
            match column.data_type() {
                DataType::Utf8 => Cell::Text(valid.then(|| column.as_string::<i32>().value(row).to_owned())),
                _ => Cell::Number(valid.then(|| column.as_primitive::<Float64Type>().value(row))),
            }
        };
        let names = batch.schema().fields().iter().map(|field| field.name().clone()).collect();
        let row = |row| batch.columns().iter().map(|column| cell(column, row)).collect();
        Self { names, rows: (0..batch.num_rows()).map(row).collect() }
    }

    fn place(&self, name: &str) -> usize {
        self.names.iter().position(|other| other == name).unwrap()
    }

    fn set(&mut self, row: usize, name: &str, cell: Cell) {
        let place = self.place(name);
        self.rows[row][place] = cell;
    }

    /// Adds a copy of a row with some cells changed.
    fn copy(&mut self, row: usize, changes: &[(&str, Cell)]) {
        self.rows.push(self.rows[row].clone());
        for (name, cell) in changes {
            self.set(self.rows.len() - 1, name, cell.clone());
        }
    }

    fn id(&self, row: usize) -> String {
        match &self.rows[row][self.place("account_id")] {
            Cell::Text(id) => id.clone().unwrap_or_default(),
            Cell::Number(_) => panic!("ids are text"),
        }
    }

    fn sort(&mut self) {
        let place = self.place("account_id");
        let key = |row: &Vec<Cell>| match &row[place] {
            Cell::Text(id) => id.clone().unwrap_or_default(),
            Cell::Number(_) => panic!("ids are text"),
        };
        self.rows.sort_by_key(key);
    }

    fn shuffle(&mut self, seed: u64) {
        self.rows = shuffled(self.rows.len(), seed).into_iter().map(|row| self.rows[row as usize].clone()).collect();
    }

    fn write(&self, path: &Path, group_rows: usize, dictionary: bool) {
        let (mut fields, mut arrays): (Vec<Field>, Vec<ArrayRef>) = (Vec::new(), Vec::new());
        for (place, name) in self.names.iter().enumerate() {
            let column = || self.rows.iter().map(move |row| &row[place]);
            let array: ArrayRef = if column().any(|cell| matches!(cell, Cell::Number(_))) {
                let number = |cell: &Cell| if let Cell::Number(number) = cell { *number } else { None };
                Arc::new(column().map(number).collect::<Float64Array>())
            } else {
                let text = |cell: &Cell| if let Cell::Text(text) = cell { text.clone() } else { None };
                Arc::new(column().map(text).collect::<StringArray>())
            };
            fields.push(Field::new(name, array.data_type().clone(), true));
            arrays.push(array);
        }
        let batch = RecordBatch::try_new(Arc::new(Schema::new(fields)), arrays).unwrap();
        let properties = WriterProperties::builder()
            .set_max_row_group_row_count(Some(group_rows))
            .set_dictionary_enabled(dictionary)
            .build();
        let mut writer = ArrowWriter::try_new(File::create(path).unwrap(), batch.schema(), Some(properties)).unwrap();
        writer.write(&batch).unwrap();
        writer.close().unwrap();
    }
}

/// What a snapshot comes to: one line an account, and everything that was set aside.
#[derive(Debug, PartialEq)]
struct Content {
    accounts: Vec<String>,
    rejects: String,
    unmargined: String,
    tables: String,
    inputs: String,
    unused_price_gaps: u64,
}

impl Content {
    fn of(snapshot: &Snapshot, accounts: Vec<String>) -> Self {
        Self {
            accounts,
            rejects: format!("{:#?}", snapshot.rejects),
            unmargined: format!("{:#?}", snapshot.unmargined),
            tables: format!("{:#?}", snapshot.tables),
            inputs: format!("{:#?}", snapshot.inputs),
            unused_price_gaps: snapshot.unused_price_gaps,
        }
    }
}

/// Positions bit by bit, and the balances that hold something: a currency without a price that nobody has any of may
/// be unknown to one market and known to the other.
fn lines(market: &Market, book: &Book) -> Vec<String> {
    let line = |account: usize| {
        let positions: Vec<_> = (book.position_start()[account]..book.position_start()[account + 1])
            .map(|row| {
                (&market.instruments[book.instrument()[row] as usize].inst_id, book.qty()[row], book.avg_px()[row])
            })
            .collect();
        let balances: Vec<_> = (book.balance_start()[account]..book.balance_start()[account + 1])
            .map(|row| (&market.currencies[book.ccy()[row] as usize], row))
            .filter(|(currency, _)| currency.fx.is_some())
            .map(|(currency, row)| {
                (&currency.name, book.cash()[row], book.interest()[row], book.spot_in_use_cap()[row])
            })
            .collect();
        let traded = |order: &Order| match order.traded {
            Traded::Contract(number) => market.instruments[number as usize].inst_id.clone(),
            Traded::Spot { base, quote } => {
                [base, quote].map(|ccy| market.currencies[ccy as usize].name.as_str()).join("-")
            }
        };
        // Pairs stand in the order of the currencies' indices, which a market with more currencies does not change.
        let orders: Vec<_> = book.orders_of(account).iter().map(|order| (traded(order), order.qty, order.px)).collect();
        let id = book.accounts().get(account);
        format!("{id} {:?} {positions:?} {balances:?} {orders:?}", book.spot_offset()[account])
    };
    (0..book.len()).map(line).collect()
}

fn whole(dir: &Path) -> Content {
    let snapshot = load(dir, &OPTIONS).unwrap();
    Content::of(&snapshot, lines(&snapshot.market, &snapshot.book))
}

/// Where the pieces come from.
#[derive(Clone, Copy)]
enum From<'a> {
    Parts,
    Memory,
    Disk(Spill<'a>),
}

/// `None` if the tables are not sorted. Two passes, and pieces of margined accounts as well, give the same.
fn streaming(dir: &Path, from: From, accounts: usize, window: Window) -> Option<Content> {
    let mut stream = Stream::open(dir, Currencies::Priced, &OPTIONS).unwrap();
    match from {
        From::Parts => assert!(stream.largest_row_groups().is_some()),
        From::Memory => stream.hold(&OPTIONS).unwrap(),
        From::Disk(spill) => stream.spill(spill, &OPTIONS).unwrap(),
    }
    let known = pass(&stream, Cut::Known(accounts), window)?;
    let margined = pass(&stream, Cut::Margined(accounts), window);
    assert_eq!(margined.as_ref(), Some(&known));
    Some(known)
}

fn pass(stream: &Stream, cut: Cut, window: Window) -> Option<Content> {
    let market = stream.market().clone();
    let (mut all, mut sizes, mut undecided) = (Vec::new(), Vec::new(), 0);
    let work = |piece: Piece| Ok((piece.first, lines(&market, &piece.book), piece.undecided.len()));
    let snapshot = stream
        .pass(cut, window, &OPTIONS, work, |(first, lines, of_default)| {
            assert!(matches!(cut, Cut::Known(_)) || first == all.len());
            sizes.push(lines.len());
            all.extend(lines);
            undecided += of_default;
            Ok(())
        })
        .unwrap()?;
    match cut {
        Cut::Known(accounts) => {
            let known = all.len() + snapshot.unmargined.len();
            assert_eq!(sizes.len(), known.div_ceil(accounts), "every book but the last is full");
        }
        Cut::Margined(accounts) => {
            let (last, full) = sizes.split_last().map_or((0, &[][..]), |(last, full)| (*last, full));
            assert!(full.iter().all(|size| *size == accounts) && last <= accounts, "{sizes:?}");
        }
    }
    assert!(undecided <= all.len());
    Some(Content::of(&snapshot, all))
}

/// Small numbers that depend on the seed.
struct Dice(Vec<u32>, usize);

impl Dice {
    fn new(seed: u64) -> Self {
        Self(shuffled(1 << 12, seed), 0)
    }

    fn below(&mut self, bound: usize) -> usize {
        self.1 += 1;
        self.0[self.1 % self.0.len()] as usize % bound
    }
}

struct Tables {
    positions: Cells,
    balances: Cells,
    accounts: Cells,
    orders: Cells,
}

/// An order on what every third position row holds, and on a pair of coins.
fn orders(positions: &Cells) -> Cells {
    let names = ["account_id", "inst_id", "side", "qty", "px"].map(str::to_owned).to_vec();
    let (id, inst_id) = (positions.place("account_id"), positions.place("inst_id"));
    let mut rows = Vec::new();
    for (place, row) in positions.rows.iter().enumerate().step_by(3) {
        let side = text(if place % 2 == 0 { "buy" } else { "sell" });
        let qty = Cell::Number(Some(1.0 + place as f64));
        rows.push(vec![row[id].clone(), row[inst_id].clone(), side.clone(), qty.clone(), Cell::Number(Some(5.0))]);
        if place % 2 == 0 {
            rows.push(vec![row[id].clone(), text("BTC-USDT"), side, qty, Cell::Number(Some(70_000.0))]);
        }
    }
    Cells { names, rows }
}

/// Breaks some rows of every kind, and adds accounts that stand in one table alone.
fn break_rows(tables: &mut Tables, dice: &mut Dice) {
    let Tables { positions, balances, accounts, orders } = tables;
    for _ in 0..dice.below(4) {
        let row = dice.below(orders.rows.len());
        match dice.below(8) {
            0 => orders.set(row, "account_id", Cell::Text(None)),
            1 => orders.set(row, "inst_id", text("NO-SUCH-SWAP")),
            2 => orders.set(row, "inst_id", text("NOCOIN-USDT")),
            3 => orders.set(row, "side", text("hold")),
            4 => orders.set(row, "qty", Cell::Number(Some(0.0))),
            5 => orders.set(row, "px", Cell::Number(None)),
            6 => orders.copy(row, &[]),
            _ => orders.copy(row, &[("account_id", text("only-an-order"))]),
        }
    }
    for _ in 0..dice.below(4) {
        let row = dice.below(positions.rows.len());
        match dice.below(6) {
            0 => positions.set(row, "account_id", Cell::Text(None)),
            1 => positions.set(row, "inst_id", text("NO-SUCH-SWAP")),
            2 => positions.set(row, "qty", Cell::Number(Some(f64::NAN))),
            3 => positions.set(row, "avg_px", Cell::Number(Some(0.0))),
            4 => positions.set(row, "qty", Cell::Number(Some(-0.0))),
            // More rows than a row group holds.
            _ => (0..40).for_each(|_| positions.copy(row, &[])),
        }
    }
    for _ in 0..dice.below(4) {
        let row = dice.below(balances.rows.len());
        let nothing = [("cash", Cell::Number(Some(0.0))), ("interest", Cell::Number(None))];
        match dice.below(8) {
            0 => balances.set(row, "account_id", Cell::Text(None)),
            1 => balances.set(row, "ccy", text("NOCOIN")),
            2 => balances.copy(row, &[]),
            3 => balances.copy(row, &[("cash", Cell::Number(None))]),
            4 => balances.copy(row, &[("ccy", text("NOCOIN")), nothing[0].clone(), nothing[1].clone()]),
            5 => (0..2).for_each(|_| {
                balances.copy(row, &[("ccy", text("NOCOIN")), nothing[0].clone(), nothing[1].clone()]);
            }),
            6 => balances.set(row, "interest", Cell::Number(Some(-1.0))),
            _ => balances.copy(row, &[("account_id", text("only-a-balance"))]),
        }
    }
    for _ in 0..dice.below(3) {
        let row = dice.below(accounts.rows.len());
        match dice.below(5) {
            0 => accounts.set(row, "account_id", Cell::Text(None)),
            1 => accounts.set(row, "spot_offset", text("nonsense")),
            2 => accounts.copy(row, &[]),
            3 => accounts.set(row, "spot_offset", Cell::Text(None)),
            _ => accounts.copy(row, &[("account_id", text("only-a-setting"))]),
        }
    }
}

#[test]
fn whatever_way_a_snapshot_is_read_the_same_comes_out() {
    let place = tempfile::tempdir().unwrap();
    generate(place.path(), 120, 6.0, 5, "parquet");
    let clean = place.path().join("snapshot");
    let read = |table: &str| Cells::read(&clean.join(format!("{table}.parquet")));
    let positions = read("positions");
    let orders = orders(&positions);
    let original = Tables { positions, balances: read("balances"), accounts: read("accounts"), orders };
    let mut rejected = BTreeSet::new();
    for seed in 0..40 {
        let mut dice = Dice::new(seed);
        let Tables { positions, balances, accounts, orders } = &original;
        let mut tables = Tables {
            positions: positions.clone(),
            balances: balances.clone(),
            accounts: accounts.clone(),
            orders: orders.clone(),
        };
        break_rows(&mut tables, &mut dice);
        let dir = place.path().join(format!("seed-{seed}"));
        fs::create_dir(&dir).unwrap();
        for name in ["snapshot.toml", "instruments.parquet", "marks.parquet", "indices.parquet"] {
            fs::copy(clean.join(name), dir.join(name)).unwrap();
        }
        let groups = [1, 7, 30, 4096][dice.below(4)];
        let pieces = [1, 5, 64, 1000][dice.below(4)];
        let window = Window { row_groups: 1 + dice.below(3), pieces: 1 + dice.below(4) };
        let named = [
            ("positions", &mut tables.positions),
            ("balances", &mut tables.balances),
            ("accounts", &mut tables.accounts),
            ("orders", &mut tables.orders),
        ];
        let mut named = named.map(|(name, cells)| (dir.join(format!("{name}.parquet")), cells));
        for (file, cells) in &mut named {
            cells.sort();
            cells.write(file, groups, seed % 2 == 0);
        }
        let expected = whole(&dir);
        assert_eq!(streaming(&dir, From::Parts, pieces, window), Some(whole(&dir)), "seed {seed}");
        assert_eq!(streaming(&dir, From::Memory, pieces, window), Some(whole(&dir)), "seed {seed}");
        rejected.extend(load(&dir, &OPTIONS).unwrap().rejects.into_iter().map(|reject| reject.reason.code()));

        for (file, cells) in &mut named {
            cells.shuffle(seed + 100);
            cells.write(file, groups, true);
        }
        let shuffled = whole(&dir);
        assert_eq!(expected.accounts, shuffled.accounts, "seed {seed}");
        let spill = Spill { place: place.path(), rows: [1, 50, 100_000][dice.below(3)] };
        assert_eq!(streaming(&dir, From::Memory, pieces, window).as_ref(), Some(&shuffled), "seed {seed}");
        assert_eq!(streaming(&dir, From::Disk(spill), pieces, window), Some(shuffled), "seed {seed}");
        let unsorted = || streaming(&dir, From::Parts, pieces, window).is_none();
        assert!(named[0].1.id(0) <= named[0].1.id(1) || unsorted(), "seed {seed}");
        fs::remove_dir_all(&dir).unwrap();
    }
    assert!(rejected.len() >= 10, "the rows were broken in few ways: {rejected:?}");
}
