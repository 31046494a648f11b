//! What comes in: every reason, every broken table, the same snapshot in every format and order.

use arrow::array::{
    Array, ArrayRef, Decimal128Array, Float64Array, Int64Array, LargeStringArray, RecordBatch, StringArray,
    StringViewArray, TimestampMicrosecondArray,
};
use arrow::compute::cast;
use arrow::datatypes::{DataType, Field, Schema};
use parquet::arrow::ArrowWriter;
use parquet::file::properties::WriterProperties;
use remargin::margin::rules::SpotOffset;
use remargin::market::{Kind, PriceGap};
use remargin::progress::Silent;
use remargin::snapshot::{LoadOptions, Snapshot, Table, load};
use remargin::{Error, Invalid};
use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::sync::Arc;

const TABLES: [(&str, &str); 6] = [
    (
        "instruments",
        "inst_id,inst_type,uly,settle_ccy,ct_type,ct_val,ct_mult,expiry,strike,opt_type
BTC-USDT-SWAP,SWAP,BTC-USDT,USDT,linear,0.01,1,,,
BTC-USD-SWAP,SWAP,BTC-USD,BTC,inverse,100,1,,,
BTC-USD_UM-260327,FUTURES,BTC-USD,USD,linear,0.01,1,2026-03-27T08:00:00Z,,
BTC-USD-260327-90000-C,OPTION,BTC-USD,BTC,,1,0.01,2026-03-27T08:00:00Z,90000,C
BTC-USD-260115,FUTURES,BTC-USD,BTC,inverse,100,1,2026-01-15T08:00:00Z,,
ETH-USDC-SWAP,SWAP,ETH-USDC,USDC,,0.1,1,,,
",
    ),
    (
        "marks",
        "inst_id,mark_px,mark_vol,fwd_px
BTC-USDT-SWAP,90000.5,,
BTC-USD-SWAP,90010,,
BTC-USD_UM-260327,90500,,
BTC-USD-260327-90000-C,0.0525,0.55,90500
GONE-USDT-SWAP,1,,
",
    ),
    (
        "indices",
        "index_id,px
BTC-USDT,90001
BTC-USD,90005
USDT-USD,0.9998
USDC-USD,1
ETH-USDC,3000
XRP-USDT,2
",
    ),
    (
        "positions",
        "account_id,inst_id,qty,avg_px
a1,BTC-USDT-SWAP,10,85000.1
a1,BTC-USD-SWAP,-5,86000
a2,BTC-USD-260327-90000-C,-1,0.06
a2,BTC-USDT-SWAP,3,91000
a1,BTC-USDT-SWAP,-2,85000.1
",
    ),
    (
        "balances",
        "account_id,ccy,cash,interest,spot_in_use_cap
a1,USDT,1000,0.5,
a1,BTC,-0.25,,2
a2,USDT,500,,
a3,XRP,7,,0
",
    ),
    ("accounts", "account_id,spot_offset\na2,coin\na4,none\na1,\n"),
];

/// A folder of CSV tables with some changed.
struct Folder(tempfile::TempDir);

impl Folder {
    fn new() -> Self {
        let folder = Self(tempfile::tempdir().unwrap());
        folder.write("snapshot.toml", "version = 1\nas_of = 2026-01-15T08:00:00Z\n");
        for (name, text) in TABLES {
            folder.write(&format!("{name}.csv"), text);
        }
        folder
    }

    fn path(&self) -> &Path {
        self.0.path()
    }

    fn write(&self, file: &str, text: impl AsRef<[u8]>) {
        let file = self.path().join(file);
        fs::create_dir_all(file.parent().unwrap()).unwrap();
        fs::write(file, text).unwrap();
    }

    fn remove(&self, file: &str) {
        fs::remove_file(self.path().join(file)).unwrap();
    }

    /// Replaces a text that stands in a table.
    fn replace(&self, file: &str, from: &str, to: &str) {
        let text = fs::read_to_string(self.path().join(file)).unwrap();
        assert!(text.contains(from), "{file} has no {from:?}");
        self.write(file, text.replacen(from, to, 1));
    }

    fn load(&self) -> remargin::Result<Snapshot> {
        load(self.path(), &LoadOptions { default_spot_offset: SpotOffset::Usdt, progress: &Silent })
    }

    fn invalid(&self) -> Invalid {
        match self.load() {
            Err(Error::Invalid(invalid)) => *invalid,
            other => panic!("expected an invalid snapshot, got {other:?}"),
        }
    }
}

fn table(name: &str) -> &'static str {
    TABLES.iter().find(|(table, _)| *table == name).unwrap().1
}

fn reconcile(snapshot: &Snapshot) {
    for count in &snapshot.tables {
        let rejects = snapshot.rejects.iter().filter(|reject| reject.table == count.table);
        let (left_out, broken): (Vec<_>, Vec<_>) =
            rejects.partition(|reject| reject.reason.code() == "account_unmargined");
        assert_eq!(count.rows_in, count.rows_used + count.rows_rejected, "{count:?}");
        assert_eq!(count.rows_left_out, left_out.len() as u64, "{count:?}");
        assert_eq!(count.rows_broken, broken.len() as u64, "{count:?}");
        let mut rows: Vec<u64> = left_out.iter().chain(&broken).map(|reject| reject.row).collect();
        rows.sort_unstable();
        rows.dedup();
        assert_eq!(rows.len() as u64, count.rows_rejected, "a row is rejected once");
        assert!(rows.iter().all(|row| (1..=count.rows_in).contains(row)));
    }
    let used = |table| snapshot.tables.iter().find(|count| count.table == table).map_or(0, |count| count.rows_used);
    assert_eq!(used(Table::Positions), snapshot.book.qty.len() as u64);
    assert_eq!(used(Table::Balances), snapshot.book.cash.len() as u64);
    assert!(snapshot.book.accounts.iter().all(|id| snapshot.unmargined.iter().all(|out| out.account_id != id)));
}

/// Market and book as text with every bit of every number.
fn print(snapshot: &Snapshot) -> String {
    let bits = |numbers: &[f64]| numbers.iter().map(|number| format!("{:x}", number.to_bits())).collect::<Vec<_>>();
    let book = &snapshot.book;
    format!(
        "{:#?}\n{:?}\n{:?}\n{:?} {:?} {:?} {:?}\n{:?} {:?} {:?} {:?} {:?}",
        snapshot.market,
        book.accounts,
        book.spot_offset,
        book.position_start,
        book.instrument,
        bits(&book.qty),
        bits(&book.avg_px),
        book.balance_start,
        book.ccy,
        bits(&book.cash),
        bits(&book.interest),
        bits(&book.spot_in_use_cap),
    )
}

#[test]
fn a_sound_snapshot() {
    let snapshot = Folder::new().load().unwrap();
    reconcile(&snapshot);
    assert_eq!((snapshot.rejects.len(), snapshot.unmargined.len()), (0, 0));
    assert_eq!(snapshot.as_of_ns, 1_768_464_000_000_000_000);

    let market = &snapshot.market;
    let currencies: Vec<_> = market.currencies.iter().map(|ccy| (ccy.name.as_str(), ccy.fx)).collect();
    let expected = [
        ("BTC", Some(90_005.0)),
        ("ETH", None),
        ("USD", Some(1.0)),
        ("USDC", Some(1.0)),
        ("USDT", Some(0.9998)),
        ("XRP", Some(2.0 * 0.9998)),
    ];
    assert_eq!(currencies, expected);
    let underlyings: Vec<_> = market.underlyings.iter().map(|u| (u.name.as_str(), u.index_px)).collect();
    let expected = [
        ("BTC-USD", Some(90_005.0)),
        ("BTC-USDT", Some(90_001.0)),
        ("ETH-USDC", Some(3_000.0)),
        ("USDC-USD", Some(1.0)),
        ("USDT-USD", Some(0.9998)),
        ("XRP-USDT", Some(2.0)),
    ];
    assert_eq!(underlyings, expected);
    let btc = &market.underlyings[1];
    assert_eq!(
        (&*market.currencies[btc.base as usize].name, &*market.currencies[btc.quote as usize].name),
        ("BTC", "USDT")
    );
    let expiry = Some(1_774_598_400_000_000_000);
    let call = Kind::Option { call: true, strike: 90_000.0 };
    let instruments: Vec<_> = market
        .instruments
        .iter()
        .map(|i| (&*i.inst_id, i.kind, i.underlying, i.settle, i.multiplier, i.expiry_ns, i.mark_vol, i.fwd_px, i.gap))
        .collect();
    assert_eq!(instruments[0], ("BTC-USD-SWAP", Kind::Inverse, 0, 0, 100.0, None, 0.0, 0.0, None));
    assert_eq!(instruments[1], ("BTC-USD-260327-90000-C", call, 0, 0, 0.01, expiry, 0.55, 90_500.0, None));
    assert_eq!(instruments[2], ("BTC-USD_UM-260327", Kind::Linear, 0, 2, 0.01, expiry, 0.0, 0.0, None));
    assert_eq!(instruments[3], ("BTC-USDT-SWAP", Kind::Linear, 1, 4, 0.01, None, 0.0, 0.0, None));
    assert_eq!((instruments[4].0, instruments[4].8, instruments.len()), ("ETH-USDC-SWAP", Some(PriceGap::Mark), 5));
    assert!(market.instruments[4].mark_px.is_nan());
    assert_eq!(market.instruments[1].mark_px, 0.0525);
    assert_eq!(snapshot.unused_price_gaps, 1);

    let book = &snapshot.book;
    assert_eq!(book.accounts.iter().collect::<Vec<_>>(), ["a1", "a2", "a3", "a4"]);
    assert_eq!(book.spot_offset, [SpotOffset::Usdt, SpotOffset::Coin, SpotOffset::Usdt, SpotOffset::None]);
    assert_eq!((&*book.position_start, &*book.instrument), (&[0, 3, 5, 5, 5][..], &[0, 3, 3, 1, 3][..]));
    assert_eq!(book.qty, [-5.0, -2.0, 10.0, -1.0, 3.0]);
    assert_eq!(book.avg_px, [86_000.0, 85_000.1, 85_000.1, 0.06, 91_000.0]);
    assert_eq!((&*book.balance_start, &*book.ccy), (&[0, 2, 3, 4, 4][..], &[0, 4, 4, 5][..]));
    assert_eq!(book.cash, [-0.25, 1_000.0, 500.0, 7.0]);
    assert_eq!(book.interest, [0.0, 0.5, 0.0, 0.0]);
    assert_eq!(book.spot_in_use_cap, [2.0, f64::INFINITY, f64::INFINITY, 0.0]);

    let paths: Vec<_> = snapshot.inputs.iter().map(|input| (input.path.to_str().unwrap(), input.rows)).collect();
    let expected = [
        ("snapshot.toml", None),
        ("instruments.csv", Some(6)),
        ("marks.csv", Some(5)),
        ("indices.csv", Some(6)),
        ("positions.csv", Some(5)),
        ("balances.csv", Some(4)),
        ("accounts.csv", Some(3)),
    ];
    assert_eq!(paths, expected);
    let marks = &snapshot.inputs[2];
    assert_eq!(
        (marks.bytes, &*marks.blake3),
        (table("marks").len() as u64, blake3::hash(table("marks").as_bytes()).to_hex().as_str())
    );
}

/// A change of one table: the reject of the row, and the accounts that remain.
#[test]
fn every_reason_of_a_row() {
    // file, text there, its replacement; table, row, account, code, column, value; accounts left.
    type Case = (
        &'static str,
        &'static str,
        &'static str,
        (Table, u64, Option<&'static str>, &'static str, &'static str, &'static str),
        &'static str,
    );
    use Table::{Accounts, Balances, Indices, Instruments, Marks, Positions};
    let cases: Vec<Case> = vec![
        (
            "positions",
            "a2,BTC-USDT-SWAP,3",
            ",BTC-USDT-SWAP,3",
            (Positions, 4, None, "missing_account_id", "account_id", ""),
            "a1 a2 a3 a4",
        ),
        (
            "positions",
            "a2,BTC-USDT-SWAP,3",
            "a2,,3",
            (Positions, 4, Some("a2"), "missing_inst_id", "inst_id", ""),
            "a1 a3 a4",
        ),
        (
            "positions",
            "a2,BTC-USDT-SWAP,3",
            "a2,DOGE,3",
            (Positions, 4, Some("a2"), "unknown_instrument", "inst_id", "DOGE"),
            "a1 a3 a4",
        ),
        (
            "positions",
            "a2,BTC-USDT-SWAP",
            "a2,BTC-USD-260115",
            (Positions, 4, Some("a2"), "expired_instrument", "inst_id", "BTC-USD-260115"),
            "a1 a3 a4",
        ),
        ("positions", "SWAP,3,", "SWAP,,", (Positions, 4, Some("a2"), "missing_quantity", "qty", ""), "a1 a3 a4"),
        ("positions", "SWAP,3,", "SWAP,inf,", (Positions, 4, Some("a2"), "invalid_quantity", "qty", "inf"), "a1 a3 a4"),
        ("positions", "SWAP,3,", "SWAP,1e400,", (Positions, 4, Some("a2"), "out_of_range", "qty", "1e400"), "a1 a3 a4"),
        ("positions", "3,91000", "3,", (Positions, 4, Some("a2"), "missing_avg_px", "avg_px", ""), "a1 a3 a4"),
        ("positions", "3,91000", "3,nan", (Positions, 4, Some("a2"), "invalid_avg_px", "avg_px", "nan"), "a1 a3 a4"),
        (
            "positions",
            "3,91000",
            "3,0.00",
            (Positions, 4, Some("a2"), "non_positive_avg_px", "avg_px", "0.00"),
            "a1 a3 a4",
        ),
        ("positions", "3,91000", "3,-1", (Positions, 4, Some("a2"), "non_positive_avg_px", "avg_px", "-1"), "a1 a3 a4"),
        ("positions", "3,91000", "3,1e-19", (Positions, 4, Some("a2"), "out_of_range", "avg_px", "1e-19"), "a1 a3 a4"),
        (
            "positions",
            "a2,BTC-USDT-SWAP",
            "a2,ETH-USDC-SWAP",
            (Positions, 4, Some("a2"), "missing_mark", "mark_px", ""),
            "a1 a3 a4",
        ),
        ("marks", "0.0525,", "-0.0525,", (Positions, 3, Some("a2"), "missing_mark", "mark_px", "-0.0525"), "a1 a3 a4"),
        ("marks", "90010", "0", (Positions, 2, Some("a1"), "missing_mark", "mark_px", "0"), "a2 a3 a4"),
        ("marks", "0.55,", "NaN,", (Positions, 3, Some("a2"), "missing_vol", "mark_vol", "NaN"), "a1 a3 a4"),
        ("marks", ",0.55,", ",0,", (Positions, 3, Some("a2"), "missing_vol", "mark_vol", "0"), "a1 a3 a4"),
        ("marks", "0.55,90500", "0.55,", (Positions, 3, Some("a2"), "missing_forward", "fwd_px", ""), "a1 a3 a4"),
        ("indices", "XRP-USDT,2", "XRP-USDT,0", (Balances, 4, Some("a3"), "missing_fx", "ccy", "XRP"), "a1 a2 a4"),
        ("indices", "XRP-USDT,2\n", "", (Balances, 4, Some("a3"), "missing_fx", "ccy", "XRP"), "a1 a2 a4"),
        ("balances", "a3,XRP", ",XRP", (Balances, 4, None, "missing_account_id", "account_id", ""), "a1 a2 a4"),
        ("balances", "a3,XRP", "a3,", (Balances, 4, Some("a3"), "missing_ccy", "ccy", ""), "a1 a2 a4"),
        ("balances", "XRP,7", "XRP,", (Balances, 4, Some("a3"), "missing_cash", "cash", ""), "a1 a2 a4"),
        ("balances", "XRP,7", "XRP,7x", (Balances, 4, Some("a3"), "invalid_cash", "cash", "7x"), "a1 a2 a4"),
        ("balances", "XRP,7", "XRP,1e19", (Balances, 4, Some("a3"), "out_of_range", "cash", "1e19"), "a1 a2 a4"),
        ("balances", "XRP,7,", "XRP,7,-1", (Balances, 4, Some("a3"), "invalid_interest", "interest", "-1"), "a1 a2 a4"),
        (
            "balances",
            "XRP,7,,0",
            "XRP,7,,-0.1",
            (Balances, 4, Some("a3"), "invalid_spot_in_use_cap", "spot_in_use_cap", "-0.1"),
            "a1 a2 a4",
        ),
        (
            "balances",
            "XRP,7,,0",
            "XRP,7,,inf",
            (Balances, 4, Some("a3"), "invalid_spot_in_use_cap", "spot_in_use_cap", "inf"),
            "a1 a2 a4",
        ),
        (
            "accounts",
            "a4,none",
            "a4,None",
            (Accounts, 2, Some("a4"), "invalid_spot_offset", "spot_offset", "None"),
            "a1 a2 a3",
        ),
        ("accounts", "a4,none", ",none", (Accounts, 2, None, "missing_account_id", "account_id", ""), "a1 a2 a3"),
        ("marks", "GONE-USDT-SWAP", "", (Marks, 5, None, "missing_inst_id", "inst_id", ""), "a1 a2 a3 a4"),
        ("indices", "ETH-USDC,", "ETH,", (Indices, 5, None, "invalid_index_id", "index_id", "ETH"), "a1 a2 a3 a4"),
        (
            "indices",
            "ETH-USDC,",
            "ETH-USDC-X,",
            (Indices, 5, None, "invalid_index_id", "index_id", "ETH-USDC-X"),
            "a1 a2 a3 a4",
        ),
        ("instruments", "ETH-USDC-SWAP,", ",", (Instruments, 6, None, "missing_inst_id", "inst_id", ""), "a1 a2 a3 a4"),
        (
            "instruments",
            "P,SWAP,ETH",
            "P,SPOT,ETH",
            (Instruments, 6, None, "invalid_instrument", "inst_type", "SPOT"),
            "a1 a2 a3 a4",
        ),
        (
            "instruments",
            "ETH-USDC,",
            "ETHUSDC,",
            (Instruments, 6, None, "invalid_instrument", "uly", "ETHUSDC"),
            "a1 a2 a3 a4",
        ),
        (
            "instruments",
            "USDC,USDC",
            "USDC,",
            (Instruments, 6, None, "invalid_instrument", "settle_ccy", ""),
            "a1 a2 a3 a4",
        ),
        (
            "instruments",
            "USDC,USDC",
            "USDC,BTC",
            (Instruments, 6, None, "invalid_instrument", "settle_ccy", "BTC"),
            "a1 a2 a3 a4",
        ),
        (
            "instruments",
            "USDC,USDC",
            "USDC,ETH",
            (Instruments, 6, None, "invalid_instrument", "settle_ccy", "ETH"),
            "a1 a2 a3 a4",
        ),
        (
            "instruments",
            "USDC,USDC,",
            "USDC,USDC,inverse",
            (Instruments, 6, None, "invalid_instrument", "settle_ccy", "USDC"),
            "a1 a2 a3 a4",
        ),
        (
            "instruments",
            "USDC,USDC,",
            "USDC,USDC,both",
            (Instruments, 6, None, "invalid_instrument", "ct_type", "both"),
            "a1 a2 a3 a4",
        ),
        ("instruments", ",0.1,", ",0,", (Instruments, 6, None, "invalid_instrument", "ct_val", "0"), "a1 a2 a3 a4"),
        ("instruments", ",0.1,1", ",0.1,", (Instruments, 6, None, "invalid_instrument", "ct_mult", ""), "a1 a2 a3 a4"),
        (
            "instruments",
            ",0.1,1",
            ",1e-10,1e-10",
            (Instruments, 6, None, "invalid_instrument", "ct_mult", "0.00000000000000000001"),
            "a1 a2 a3 a4",
        ),
        (
            "instruments",
            "0.1,1,",
            "0.1,1,2026-03-27T08:00:00Z",
            (Instruments, 6, None, "invalid_instrument", "expiry", "2026-03-27T08:00:00Z"),
            "a1 a2 a3 a4",
        ),
        (
            "instruments",
            "0.01,1,2026-03-27T08:00:00Z",
            "0.01,1,",
            (Instruments, 3, None, "invalid_instrument", "expiry", ""),
            "a1 a2 a3 a4",
        ),
        (
            "instruments",
            "0.01,1,2026-03-27T08:00:00Z",
            "0.01,1,2026-03-27",
            (Instruments, 3, None, "invalid_instrument", "expiry", "2026-03-27"),
            "a1 a2 a3 a4",
        ),
    ];
    for (file, from, to, (table, row, account, code, column, value), left) in cases {
        let folder = Folder::new();
        folder.replace(&format!("{file}.csv"), from, to);
        let snapshot = folder.load().unwrap();
        reconcile(&snapshot);
        let broken: Vec<_> =
            snapshot.rejects.iter().filter(|reject| reject.reason.code() != "account_unmargined").collect();
        let [reject] = broken.as_slice() else { panic!("{file} {to}: {broken:?}") };
        let found = (
            reject.table,
            reject.row,
            reject.account_id.as_deref(),
            reject.reason.code(),
            reject.column,
            &*reject.value,
        );
        assert_eq!(found, (table, row, account, code, column, value), "{file} {to}");
        assert_eq!(snapshot.book.accounts.iter().collect::<Vec<_>>().join(" "), left, "{file} {to}");
        let out: Vec<_> =
            snapshot.unmargined.iter().map(|out| (&*out.account_id, out.reason.code(), out.broken_rows)).collect();
        assert_eq!(out, account.map(|account| (account, code, 1)).into_iter().collect::<Vec<_>>());
    }
}

#[test]
fn broken_instruments_and_prices_reach_their_holders() {
    // file, text there, its replacement; code, column and value of the rejects; how many there are.
    for (file, from, to, expected, rows) in [
        ("instruments", "linear,0.01", "linear,0", ("invalid_instrument", "inst_id", "BTC-USDT-SWAP"), 3),
        ("instruments", "90000,C", "90000,X", ("invalid_instrument", "inst_id", "BTC-USD-260327-90000-C"), 1),
        ("instruments", "90000,C", "0,C", ("invalid_instrument", "inst_id", "BTC-USD-260327-90000-C"), 1),
        ("indices", "BTC-USDT,90001", "BTC-USDT,-1", ("missing_index", "px", "BTC-USDT -1"), 3),
        ("indices", "BTC-USDT,90001", "BTC-USDT,1e-30", ("missing_index", "px", "BTC-USDT 1e-30"), 3),
        ("indices", "BTC-USDT,90001\n", "", ("missing_index", "px", "BTC-USDT"), 3),
        ("indices", "USDT-USD,0.9998\n", "", ("missing_fx", "px", "USDT"), 3),
    ] {
        let folder = Folder::new();
        folder.replace(&format!("{file}.csv"), from, to);
        let snapshot = folder.load().unwrap();
        reconcile(&snapshot);
        let held = snapshot.rejects.iter().filter(|reject| {
            (reject.reason.code(), reject.column, &*reject.value) == expected && reject.table == Table::Positions
        });
        assert_eq!(held.count(), rows, "{file} {to}: {:#?}", snapshot.rejects);
        assert!(!snapshot.book.accounts.iter().any(|id| id == "a2"));
    }
}

#[test]
fn duplicates_reject_all_their_rows_in_any_order() {
    let rows = ["a3,XRP,8,,", "a3,XRP,x,,", "a3,USDT,1,,"];
    for order in [[0, 1, 2], [2, 1, 0], [1, 2, 0]] {
        let folder = Folder::new();
        let text: String = order.map(|row| format!("{}\n", rows[row])).concat();
        folder.write("balances.csv", format!("{}{text}", table("balances")));
        folder.write("accounts.csv", "account_id,spot_offset\na4,none\na2,coin\na4,coin\na2,bad\n");
        let snapshot = folder.load().unwrap();
        reconcile(&snapshot);
        let mut codes: Vec<_> = snapshot
            .rejects
            .iter()
            .filter(|reject| reject.table != Table::Positions)
            .map(|reject| {
                format!("{} {} {}", reject.account_id.as_deref().unwrap(), reject.reason.code(), reject.value)
            })
            .collect();
        codes.sort();
        let expected = [
            "a2 account_unmargined a2",
            "a2 duplicate_account a2",
            "a2 invalid_spot_offset bad",
            "a3 account_unmargined a3",
            "a3 duplicate_balance XRP",
            "a3 duplicate_balance XRP",
            "a3 invalid_cash x",
            "a4 duplicate_account a4",
            "a4 duplicate_account a4",
        ];
        assert_eq!(codes, expected);
        assert_eq!(snapshot.book.accounts.iter().collect::<Vec<_>>(), ["a1"]);
        let out: Vec<_> =
            snapshot.unmargined.iter().map(|out| (&*out.account_id, out.reason.code(), out.broken_rows)).collect();
        assert_eq!(out, [("a2", "invalid_spot_offset", 2), ("a3", "invalid_cash", 3), ("a4", "duplicate_account", 2)]);
    }
}

#[test]
fn zero_balances_need_no_fx_and_broken_indices_are_not_replaced() {
    let folder = Folder::new();
    folder.replace("balances.csv", "a3,XRP,7,,0", "a3,DOGE,-0.0,0,");
    let snapshot = folder.load().unwrap();
    assert_eq!(snapshot.rejects.len(), 0);
    let doge = snapshot.market.currencies.iter().find(|ccy| ccy.name == "DOGE").unwrap();
    assert_eq!(doge.fx, None);
    assert!(snapshot.book.cash.iter().all(|cash| cash.to_bits() != (-0.0f64).to_bits()));

    let folder = Folder::new();
    folder.replace("indices.csv", "XRP-USDT,2\n", "XRP-USDT,2\nXRP-USD,nan\n");
    let snapshot = folder.load().unwrap();
    let codes: Vec<_> = snapshot.rejects.iter().map(|reject| reject.reason.code()).collect();
    assert_eq!((codes, snapshot.unused_price_gaps), (vec!["missing_fx"], 1));
}

#[test]
fn prices_nobody_needs_are_counted() {
    let folder = Folder::new();
    folder.replace("indices.csv", "ETH-USDC,3000", "ETH-USDC,");
    folder.replace("marks.csv", "90500,,", "nan,,");
    let snapshot = folder.load().unwrap();
    assert_eq!((snapshot.rejects.len(), snapshot.unused_price_gaps), (0, 3));
}

#[test]
fn every_broken_table() {
    // what is done to the folder, then parts of the message.
    type Break = fn(&Folder);
    let cases: Vec<(Break, &[&str])> = vec![
        (|f| f.remove("snapshot.toml"), &["snapshot.toml", "cannot be read"]),
        (|f| f.write("snapshot.toml", "as_of = "), &["not valid TOML", "snapshot.toml"]),
        (|f| f.write("snapshot.toml", "version = 1"), &["missing key", "`as_of`", "2026-01-15T08:00:00Z"]),
        (|f| f.write("snapshot.toml", "version = 1\nas_of = 2026-01-15T08:00:00"), &["valuation time", "an offset"]),
        (|f| f.write("snapshot.toml", "version = 1\nas_of = '2026-01-15T08:00:00Z'"), &["valuation time"]),
        (|f| f.write("snapshot.toml", "version = 1\nas_of = 9999-01-15T08:00:00Z"), &["valuation time"]),
        (|f| f.write("snapshot.toml", "as_of = 2026-01-15T08:00:00Z"), &["missing key", "`version`"]),
        (
            |f| f.write("snapshot.toml", "version = 2\nas_of = 2026-01-15T08:00:00Z"),
            &["unknown version", "value:    2"],
        ),
        (|f| f.remove("marks.csv"), &["no table `marks`", "`marks.parquet`"]),
        (|f| f.write("marks.parquet", ""), &["table `marks` is there twice", "marks.csv"]),
        (|f| f.write("marks/part.parquet", ""), &["table `marks` is there twice"]),
        (
            |f| {
                f.remove("marks.csv");
                f.write("marks/part.csv", "")
            },
            &["holds something else", "part.csv"],
        ),
        (
            |f| {
                f.remove("marks.csv");
                f.write("marks/_SUCCESS", "")
            },
            &["holds no parts"],
        ),
        (
            |f| {
                f.remove("marks.csv");
                f.write("marks.parquet", "PAR1 no")
            },
            &["marks.parquet", "cannot be read"],
        ),
        (
            |f| {
                f.remove("marks.csv");
                f.write("marks.arrow", "ARROW1 but not really so")
            },
            &["marks.arrow", "cut off"],
        ),
        (
            |f| {
                f.remove("marks.csv");
                f.write("marks.arrow", "a stream, not a file at all")
            },
            &["not an Arrow IPC file"],
        ),
        (
            |f| {
                f.remove("marks.csv");
                f.write("marks.arrow", "")
            },
            &["too short"],
        ),
        (|f| f.write("marks.csv", ""), &["missing column", "marks.csv", "`inst_id`"]),
        (|f| f.replace("positions.csv", ",qty,", ",Qty,"), &["missing column", "positions.csv", "`qty`", "`Qty`"]),
        (|f| f.replace("positions.csv", "avg_px", "qty"), &["duplicate column", "`qty`"]),
        (
            |f| f.replace("positions.csv", "-5,86000", "-5"),
            &["another length in line 3", "row 2", "3 cells", "4 cells"],
        ),
        (|f| f.replace("positions.csv", "-5,86000", "-5,86000,"), &["another length", "row 2", "5 cells"]),
        (|f| f.replace("positions.csv", "a1,BTC-USD-SWAP", "\"a1,BTC-USD-SWAP"), &["positions.csv", "row 2"]),
        (|f| f.replace("positions.csv", "86000", "\"86000"), &["line break inside a cell", "row 2", "left open"]),
        (
            |f| f.write("positions.csv", b"account_id,inst_id,qty,avg_px\na\xff,b,1,1\n"),
            &["not text", "row 1", "UTF-8"],
        ),
        (|f| f.write("positions.csv", b"account_id,inst_id,qty,avg_px\na\xc3,\xa9b,1,1\n"), &["not text", "row 1"]),
        (
            |f| f.replace("instruments.csv", "ETH-USDC-SWAP", "BTC-USD-SWAP"),
            &["duplicate instrument", "instruments.csv", "`inst_id`", "row 6", "BTC-USD-SWAP"],
        ),
        (|f| f.replace("marks.csv", "GONE-USDT-SWAP", "BTC-USD-SWAP"), &["duplicate mark", "row 5", "BTC-USD-SWAP"]),
        (|f| f.replace("indices.csv", "XRP-USDT", "USDC-USD"), &["duplicate index", "`index_id`", "row 6", "USDC-USD"]),
        (
            |f| f.write("orders.csv", "account_id\na1\n"),
            &["pending orders are not supported", "1 orders", "IMR", "move the table"],
        ),
    ];
    for (number, (damage, words)) in cases.into_iter().enumerate() {
        let folder = Folder::new();
        damage(&folder);
        let message = folder.invalid().to_string();
        assert_eq!(folder.load().unwrap_err().exit_code(), 3);
        for word in words {
            assert!(message.contains(word), "case {number}: {word:?} is not in\n{message}");
        }
    }
    let nowhere =
        load(Path::new("/nonexistent"), &LoadOptions { default_spot_offset: SpotOffset::Usdt, progress: &Silent });
    assert_eq!(nowhere.unwrap_err().exit_code(), 3);
}

#[test]
fn what_is_no_error() {
    let folder = Folder::new();
    let sound = print(&folder.load().unwrap());
    folder.write("positions.csv", format!("\u{feff}{}", table("positions").replace('\n', "\r\n")));
    folder.write("orders.csv", "account_id\n");
    folder.write("shocks.csv", "anything");
    folder.write("README.md", "not a table");
    folder.replace("marks.csv", "inst_id,", "note,inst_id,");
    let marks = fs::read_to_string(folder.path().join("marks.csv")).unwrap();
    let marks: Vec<_> = marks
        .lines()
        .enumerate()
        .map(|(n, line)| if n == 0 { line.into() } else { format!("\"a, b\",{line}") })
        .collect();
    folder.write("marks.csv", marks.join("\n"));
    let snapshot = folder.load().unwrap();
    assert_eq!(print(&snapshot), sound);
    assert_eq!(
        snapshot.inputs.last().map(|input| (input.path.clone(), input.rows)),
        Some((PathBuf::from("orders.csv"), Some(0)))
    );

    for name in ["positions", "balances", "accounts"] {
        folder.write(&format!("{name}.csv"), table(name).lines().next().unwrap());
    }
    let empty = folder.load().unwrap();
    reconcile(&empty);
    assert!(empty.book.is_empty() && empty.rejects.is_empty());
    folder.remove("accounts.csv");
    assert_eq!(folder.load().unwrap().tables.len(), 5);
}

// ---- the same snapshot in other formats ----

/// One table of the CSV text as strings, nulls where a cell is empty.
fn batch(name: &str) -> RecordBatch {
    let mut lines = table(name).lines();
    let names: Vec<_> = lines.next().unwrap().split(',').collect();
    let rows: Vec<Vec<&str>> = lines.map(|line| line.split(',').collect()).collect();
    let columns = names.iter().enumerate().map(|(column, name)| {
        let cells: StringArray = rows.iter().map(|row| Some(row[column]).filter(|cell| !cell.is_empty())).collect();
        (*name, Arc::new(cells) as ArrayRef)
    });
    RecordBatch::try_from_iter_with_nullable(columns.map(|(name, column)| (name, column, true))).unwrap()
}

fn map(batch: &RecordBatch, change: impl Fn(&str, &ArrayRef) -> ArrayRef) -> RecordBatch {
    let schema = batch.schema();
    let columns = schema.fields().iter().zip(batch.columns());
    let columns: Vec<_> =
        columns.map(|(field, column)| (field.name().as_str(), change(field.name(), column), true)).collect();
    RecordBatch::try_from_iter_with_nullable(columns).unwrap()
}

const NUMBERS: [&str; 11] =
    ["ct_val", "ct_mult", "strike", "mark_px", "mark_vol", "fwd_px", "px", "qty", "avg_px", "cash", "interest"];

fn strings(column: &ArrayRef) -> &StringArray {
    column.as_any().downcast_ref().unwrap()
}

fn floats(name: &str, column: &ArrayRef) -> ArrayRef {
    if NUMBERS.contains(&name) || name == "spot_in_use_cap" {
        let numbers: Float64Array = strings(column).iter().map(|cell| cell.map(|cell| cell.parse().unwrap())).collect();
        return Arc::new(numbers);
    }
    if name == "expiry" {
        let instant = |cell: &str| cell.parse::<jiff::Timestamp>().unwrap().as_microsecond();
        let stamps: TimestampMicrosecondArray = strings(column).iter().map(|cell| cell.map(instant)).collect();
        return Arc::new(stamps.with_timezone("UTC"));
    }
    Arc::clone(column)
}

fn decimals(name: &str, column: &ArrayRef) -> ArrayRef {
    let column = &floats(name, column);
    if *column.data_type() != DataType::Float64 {
        return Arc::clone(column);
    }
    let numbers = column.as_any().downcast_ref::<Float64Array>().unwrap();
    // All numbers of the sample have four decimals at most.
    let scaled = |number: f64| (number * 1e4).round() as i128 * 10i128.pow(14);
    let decimals: Decimal128Array = numbers.iter().map(|number| number.map(scaled)).collect();
    Arc::new(decimals.with_precision_and_scale(38, 18).unwrap())
}

fn relayout(kind: &DataType) -> impl Fn(&str, &ArrayRef) -> ArrayRef {
    move |_, column| {
        if *column.data_type() == DataType::Utf8 { cast(column, kind).unwrap() } else { Arc::clone(column) }
    }
}

fn write_parquet(file: &Path, batch: &RecordBatch, group_rows: usize, dictionary: bool) {
    fs::create_dir_all(file.parent().unwrap()).unwrap();
    let properties =
        WriterProperties::builder().set_max_row_group_row_count(Some(group_rows)).set_dictionary_enabled(dictionary);
    let mut writer =
        ArrowWriter::try_new(File::create(file).unwrap(), batch.schema(), Some(properties.build())).unwrap();
    writer.write(batch).unwrap();
    writer.close().unwrap();
}

fn write_arrow(file: &Path, batch: &RecordBatch, batch_rows: usize) {
    let mut writer = arrow::ipc::writer::FileWriter::try_new(File::create(file).unwrap(), &batch.schema()).unwrap();
    for first in (0..batch.num_rows()).step_by(batch_rows) {
        writer.write(&batch.slice(first, batch_rows.min(batch.num_rows() - first))).unwrap();
    }
    writer.finish().unwrap();
}

/// The base snapshot with every table written by `write`.
fn rewritten(write: impl Fn(&Path, &str)) -> Folder {
    let folder = Folder::new();
    for (name, _) in TABLES {
        folder.remove(&format!("{name}.csv"));
        write(folder.path(), name);
    }
    folder
}

#[test]
fn every_format_gives_the_same_snapshot() {
    let expected = print(&Folder::new().load().unwrap());
    let check = |what: &str, write: &dyn Fn(&Path, &str)| {
        let snapshot = rewritten(write).load().unwrap_or_else(|error| panic!("{what}: {error}"));
        reconcile(&snapshot);
        assert_eq!(print(&snapshot), expected, "{what}");
    };
    check("parquet of strings", &|dir, name| {
        write_parquet(&dir.join(format!("{name}.parquet")), &batch(name), 100, true)
    });
    check("parquet, plain pages", &|dir, name| {
        write_parquet(&dir.join(format!("{name}.parquet")), &map(&batch(name), floats), 100, false);
    });
    check("parquet, row groups of two", &|dir, name| {
        write_parquet(&dir.join(format!("{name}.parquet")), &map(&batch(name), floats), 2, true);
    });
    check("parquet of decimals", &|dir, name| {
        write_parquet(&dir.join(format!("{name}.parquet")), &map(&batch(name), decimals), 2, true);
    });
    check("parquet parts", &|dir, name| {
        let rows = map(&batch(name), floats);
        fs::create_dir(dir.join(name)).unwrap();
        fs::write(dir.join(name).join("_SUCCESS"), "").unwrap();
        write_parquet(&dir.join(name).join("part-10.parquet"), &rows.slice(2, rows.num_rows() - 2), 2, true);
        write_parquet(&dir.join(name).join("part-02.parquet"), &rows.slice(1, 1), 2, true);
        write_parquet(&dir.join(name).join("part-01.parquet"), &rows.slice(0, 1), 2, true);
        write_parquet(&dir.join(name).join("part-00.parquet"), &rows.slice(0, 0), 2, true);
    });
    check("arrow", &|dir, name| write_arrow(&dir.join(format!("{name}.arrow")), &map(&batch(name), floats), 2));
    let dictionary = DataType::Dictionary(Box::new(DataType::Int16), Box::new(DataType::Utf8));
    for kind in [DataType::LargeUtf8, DataType::Utf8View, dictionary] {
        let change = relayout(&kind);
        check(&format!("arrow, strings {kind}"), &|dir, name| {
            write_arrow(&dir.join(format!("{name}.arrow")), &map(&batch(name), &change), 100);
        });
        check(&format!("arrow, {kind} and decimals"), &|dir, name| {
            write_arrow(&dir.join(format!("{name}.arrow")), &map(&map(&batch(name), decimals), &change), 100);
        });
        check(&format!("parquet, {kind}"), &|dir, name| {
            write_parquet(&dir.join(format!("{name}.parquet")), &map(&map(&batch(name), floats), &change), 3, true);
        });
    }
}

#[test]
fn rows_in_any_order_give_the_same_book() {
    let expected = print(&Folder::new().load().unwrap());
    for turn in 1..6 {
        let folder = Folder::new();
        for (name, text) in TABLES {
            let (header, rows) = text.split_once('\n').unwrap();
            let mut rows: Vec<_> = rows.lines().collect();
            rows.reverse();
            let length = rows.len();
            rows.rotate_left(turn % length);
            folder.write(&format!("{name}.csv"), format!("{header}\n{}\n", rows.join("\n")));
        }
        assert_eq!(print(&folder.load().unwrap()), expected);
    }
}

#[test]
fn integer_ids_nulls_and_wrong_types() {
    let folder = Folder::new();
    folder.remove("balances.csv");
    let columns = |ids: ArrayRef, cash: ArrayRef| {
        let ccy: ArrayRef = Arc::new(StringViewArray::from(vec!["USDT"; ids.len()]));
        let none: ArrayRef = Arc::new(arrow::array::NullArray::new(ids.len()));
        RecordBatch::try_from_iter_with_nullable(vec![
            ("account_id", ids, true),
            ("ccy", ccy, true),
            ("cash", cash, true),
            ("interest", none, true),
        ])
        .unwrap()
    };
    let ids: ArrayRef = Arc::new(Int64Array::from(vec![7, -70]));
    let cash: ArrayRef = Arc::new(Int64Array::from(vec![9_007_199_254_740_993, -2]));
    write_arrow(&folder.path().join("balances.arrow"), &columns(Arc::clone(&ids), Arc::clone(&cash)), 10);
    let snapshot = folder.load().unwrap();
    assert_eq!(snapshot.book.accounts.iter().collect::<Vec<_>>(), ["-70", "7", "a1", "a2", "a4"]);
    assert_eq!(snapshot.book.cash, [-2.0, 9_007_199_254_740_992.0]);

    let single: ArrayRef = Arc::new(arrow::array::Float32Array::from(vec![1.0, 2.0]));
    let binary: ArrayRef = Arc::new(arrow::array::BinaryArray::from(vec![&b"a"[..], b"b"]));
    let float: ArrayRef = Arc::new(Float64Array::from(vec![1.0, 2.0]));
    for (ids, cash, words) in [
        (&ids, &single, ["`cash`", "Float32", "Float64, integers", "7 digits"]),
        (&binary, &cash, ["`account_id`", "Binary", "strings or integers", "annotation"]),
        (&float, &cash, ["`account_id`", "Float64", "strings or integers", "wrong type"]),
    ] {
        for format in ["arrow", "parquet"] {
            let file = folder.path().join(format!("balances.{format}"));
            let batch = columns(Arc::clone(ids), Arc::clone(cash));
            if format == "arrow" {
                write_arrow(&file, &batch, 10)
            } else {
                write_parquet(&file, &batch, 10, true)
            }
            let message = folder.invalid().to_string();
            for word in words {
                assert!(message.contains(word), "{format}: {word:?} is not in\n{message}");
            }
            fs::remove_file(file).unwrap();
        }
    }
}

/// Whatever byte of a file is damaged or cut off: a snapshot that reconciles, or an error; never a panic.
#[test]
fn damaged_files_are_errors() {
    let folder =
        rewritten(|dir, name| write_parquet(&dir.join(format!("{name}.parquet")), &map(&batch(name), floats), 2, true));
    folder.remove("balances.parquet");
    write_arrow(&folder.path().join("balances.arrow"), &map(&batch("balances"), floats), 2);
    for name in ["positions.parquet", "balances.arrow"] {
        let whole = fs::read(folder.path().join(name)).unwrap();
        let mut errors = 0;
        for at in (0..whole.len()).step_by(whole.len() / 150 + 1) {
            let mut damaged = whole.clone();
            damaged[at] ^= 0x55;
            for bytes in [&damaged[..], &whole[..at]] {
                folder.write(name, bytes);
                match folder.load() {
                    Ok(snapshot) => reconcile(&snapshot),
                    Err(error) => {
                        assert_eq!(error.exit_code(), 3, "{error}");
                        assert!(error.to_string().contains(name), "{error}");
                        errors += 1;
                    }
                }
            }
        }
        assert!(errors > 150, "{name}: {errors}");
        folder.write(name, whole);
    }
}

#[test]
fn an_interrupted_load_stops() {
    struct Stop;
    impl remargin::progress::Progress for Stop {
        fn stage(&self, _: &str, _: &'static str, _: u64) {}
        fn advance(&self, _: u64) {}
        fn interrupted(&self) -> bool {
            true
        }
    }
    let folder = Folder::new();
    let stopped = load(folder.path(), &LoadOptions { default_spot_offset: SpotOffset::Usdt, progress: &Stop });
    assert!(matches!(stopped, Err(Error::Interrupted)));
}

#[test]
fn large_ids_of_one_column_schema() {
    let schema = Schema::new(vec![
        Field::new("account_id", DataType::LargeUtf8, true),
        Field::new("spot_offset", DataType::Null, true),
    ]);
    let ids: ArrayRef = Arc::new(LargeStringArray::from(vec!["a9"]));
    let none: ArrayRef = Arc::new(arrow::array::NullArray::new(1));
    let folder = Folder::new();
    folder.remove("accounts.csv");
    write_parquet(
        &folder.path().join("accounts.parquet"),
        &RecordBatch::try_new(Arc::new(schema), vec![ids, none]).unwrap(),
        10,
        true,
    );
    let snapshot = folder.load().unwrap();
    assert_eq!(snapshot.book.accounts.iter().last(), Some("a9"));
    assert_eq!(snapshot.book.spot_offset.last(), Some(&SpotOffset::Usdt));
}
