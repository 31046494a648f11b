//! A small snapshot in CSV, and what must hold of every snapshot that was loaded.

use remargin::margin::rules::SpotOffset;
use remargin::progress::Silent;
use remargin::snapshot::{Expectations, LoadOptions, Snapshot, Table, load};
use remargin::{Error, Invalid};
use std::fs;
use std::path::Path;

pub const TABLES: [(&str, &str); 6] = [
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
pub struct Folder(tempfile::TempDir);

impl Folder {
    pub fn new() -> Self {
        let folder = Self(tempfile::tempdir().unwrap());
        folder.write("snapshot.toml", "version = 1\nas_of = 2026-01-15T08:00:00Z\n");
        for (name, text) in TABLES {
            folder.write(&format!("{name}.csv"), text);
        }
        folder
    }

    pub fn path(&self) -> &Path {
        self.0.path()
    }

    pub fn write(&self, file: &str, text: impl AsRef<[u8]>) {
        let file = self.path().join(file);
        fs::create_dir_all(file.parent().unwrap()).unwrap();
        fs::write(file, text).unwrap();
    }

    pub fn remove(&self, file: &str) {
        fs::remove_file(self.path().join(file)).unwrap();
    }

    /// Replaces a text that stands in a table.
    pub fn replace(&self, file: &str, from: &str, to: &str) {
        let text = fs::read_to_string(self.path().join(file)).unwrap();
        assert!(text.contains(from), "{file} has no {from:?}");
        self.write(file, text.replacen(from, to, 1));
    }

    pub fn load(&self) -> remargin::Result<Snapshot> {
        self.load_expecting(&Expectations::NONE)
    }

    pub fn load_expecting(&self, expectations: &Expectations) -> remargin::Result<Snapshot> {
        load(self.path(), &LoadOptions { default_spot_offset: SpotOffset::Usdt, expectations, progress: &Silent })
    }

    pub fn invalid(&self) -> Invalid {
        match self.load() {
            Err(Error::Invalid(invalid)) => *invalid,
            other => panic!("expected an invalid snapshot, got {other:?}"),
        }
    }
}

pub fn table(name: &str) -> &'static str {
    TABLES.iter().find(|(table, _)| *table == name).unwrap().1
}

pub fn reconcile(snapshot: &Snapshot) {
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
    assert_eq!(used(Table::Positions), snapshot.book.qty().len() as u64);
    assert_eq!(used(Table::Balances), snapshot.book.cash().len() as u64);
    assert!(snapshot.book.accounts().iter().all(|id| snapshot.unmargined.iter().all(|out| out.account_id != id)));
}

/// Market and book as text with every bit of every number.
pub fn print(snapshot: &Snapshot) -> String {
    let bits = |numbers: &[f64]| numbers.iter().map(|number| format!("{:x}", number.to_bits())).collect::<Vec<_>>();
    let book = &snapshot.book;
    format!(
        "{:#?}\n{:?}\n{:?}\n{:?} {:?} {:?} {:?}\n{:?} {:?} {:?} {:?} {:?}",
        snapshot.market,
        book.accounts(),
        book.spot_offset(),
        book.position_start(),
        book.instrument(),
        bits(book.qty()),
        bits(book.avg_px()),
        book.balance_start(),
        book.ccy(),
        bits(book.cash()),
        bits(book.interest()),
        bits(book.spot_in_use_cap()),
    )
}
