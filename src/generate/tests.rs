//! The generator as a whole: bytes, rows, shares, and the generated book read back and margined.

use super::account::Account;
use super::strategies::{AccountKind, PROFILES};
use super::*;
use crate::progress::Silent;
use crate::source::Format;
use arrow_array::cast::AsArray;
use arrow_array::types::Float64Type;
use arrow_array::{Array, RecordBatch};
use std::collections::{HashMap, HashSet};
use std::path::Path;

fn request(accounts: u64, seed: u64, out: &Path, format: Format) -> GenerateRequest {
    GenerateRequest { accounts, positions_per_account: 10.0, seed, out: out.to_path_buf(), format, force: false }
}

fn accounts(world: &World, count: u64, positions: f64) -> Vec<(AccountKind, Account)> {
    let plan = Plan::new(positions);
    let mut builder = Builder::new(world);
    (0..count)
        .map(|number| {
            let kind = plan.build(&mut builder, Rng::new(1, number));
            (kind, builder.account.clone())
        })
        .collect()
}

fn world() -> World {
    World::new(prices::prices(1).unwrap()).unwrap()
}

/// Every file of a folder, by name.
fn bytes(dir: &Path) -> HashMap<String, Vec<u8>> {
    let entries = std::fs::read_dir(dir).unwrap().map(|entry| entry.unwrap());
    entries.map(|e| (e.file_name().into_string().unwrap(), std::fs::read(e.path()).unwrap())).collect()
}

#[test]
fn a_seed_is_a_book_whatever_the_threads() {
    let dir = tempfile::tempdir().unwrap();
    for format in [Format::Parquet, Format::Csv, Format::Arrow] {
        let out = |name: &str| dir.path().join(format!("{name}.{}", format.extension()));
        for (name, seed, threads) in [("one", 1, 1), ("again", 1, 3), ("other", 2, 1)] {
            let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
            // Three chunks, the last one short.
            let request = request(2 * CHUNK + 10, seed, &out(name), format);
            let request = GenerateRequest { positions_per_account: 2.0, ..request };
            pool.install(|| generate(&request, &Silent)).unwrap();
        }
        let (one, other) = (bytes(&out("one")), bytes(&out("other")));
        assert_eq!(one.len(), 8);
        assert!(one == bytes(&out("again")), "{format:?}: the same seed gives the same bytes");
        for name in ["positions", "balances", "accounts", "marks", "indices"] {
            let name = format!("{name}.{}", format.extension());
            assert!(one[&name] != other[&name], "{name}: another seed gives other bytes");
        }
    }
}

#[test]
fn formats_hold_the_same_values() {
    let dir = tempfile::tempdir().unwrap();
    for format in [Format::Parquet, Format::Csv, Format::Arrow] {
        generate(&request(200, 1, &dir.path().join(format.extension()), format), &Silent).unwrap();
    }
    for table in ["instruments", "marks", "indices", "accounts", "balances", "positions"] {
        let file = |format: &str| std::fs::File::open(dir.path().join(format!("{format}/{table}.{format}"))).unwrap();
        let parquet = parquet::arrow::arrow_reader::ParquetRecordBatchReaderBuilder::try_new(file("parquet")).unwrap();
        let schema = parquet.schema().clone();
        let parquet: Vec<RecordBatch> = parquet.build().unwrap().map(Result::unwrap).collect();
        let parquet = arrow_select::concat::concat_batches(&schema, &parquet).unwrap();
        let arrow: Vec<RecordBatch> =
            arrow_ipc::reader::FileReader::try_new(file("arrow"), None).unwrap().map(Result::unwrap).collect();
        let arrow = arrow_select::concat::concat_batches(&schema, &arrow).unwrap();
        assert_eq!(parquet, arrow, "{table}");

        let mut csv = csv::Reader::from_reader(file("csv"));
        let names: Vec<&str> = schema.fields().iter().map(|field| field.name().as_str()).collect();
        assert_eq!(csv.headers().unwrap(), names);
        let mut rows = 0;
        for (row, record) in csv.records().enumerate() {
            for (column, cell) in parquet.columns().iter().zip(record.unwrap().iter()) {
                assert_eq!(column.is_null(row), cell.is_empty(), "{table} row {row}");
                if let Some(numbers) = column.as_primitive_opt::<Float64Type>().filter(|_| !cell.is_empty()) {
                    assert_eq!(
                        cell.parse::<f64>().unwrap().to_bits(),
                        numbers.value(row).to_bits(),
                        "{table} row {row}"
                    );
                    let digits = cell.chars().filter(char::is_ascii_digit).count();
                    assert!(digits <= 15 && !cell.contains('e'), "{table} row {row}: `{cell}` is not readable");
                } else if let Some(text) = column.as_string_opt::<i32>().filter(|_| !cell.is_empty()) {
                    assert_eq!(cell, text.value(row));
                }
            }
            rows += 1;
        }
        assert_eq!(rows, parquet.num_rows(), "{table}");
    }
    let toml = std::fs::read_to_string(dir.path().join("csv/snapshot.toml")).unwrap();
    assert!(toml.parse::<toml::Table>().unwrap()["as_of"].is_datetime(), "{toml}");
}

#[test]
fn rows_are_what_the_interface_asks_for() {
    let world = world();
    for (number, (kind, account)) in accounts(&world, 4_000, 10.0).into_iter().enumerate() {
        let mut held: HashMap<usize, Vec<f64>> = HashMap::new();
        for row in &account.rows {
            let quoted = &world.prices.quoted[row.instrument];
            let id = quoted.spec.inst_id;
            let lots = row.qty / quoted.spec.lot;
            assert!(row.qty != 0.0 && (lots - lots.round()).abs() < 1e-6 * lots.abs(), "{number}: {} {id}", row.qty);
            assert!(row.avg_px > 0.0 && row.avg_px.is_finite(), "{number}: {id}");
            let option = quoted.spec.option.is_some();
            let near = if option { 0.3..3.0 } else { 0.6..1.6 };
            // The cheapest options are quoted with few digits.
            assert!(option && quoted.mark < 0.01 || near.contains(&(row.avg_px / quoted.mark)), "{number}: {id}");
            assert!(id != "TEST01-USDT-SWAP");
            held.entry(row.instrument).or_default().push(row.qty);
        }
        for (instrument, quantities) in held {
            let both_sides = quantities.len() == 2 && quantities[0] * quantities[1] < 0.0;
            assert!(quantities.len() == 1 || both_sides, "{number}: {quantities:?} of {instrument}");
            assert!(quantities.len() == 1 || kind == AccountKind::Directional);
        }
        assert!(!account.balances.is_empty());
        let ccys: HashSet<usize> = account.balances.iter().map(|balance| balance.ccy).collect();
        assert_eq!(ccys.len(), account.balances.len(), "{number}: a currency twice");
        for balance in &account.balances {
            assert!(balance.cash.is_finite() && balance.cash != 0.0 && world.ccys[balance.ccy].fx > 0.0);
            assert!(balance.interest.is_none_or(|interest| interest >= 0.0 && balance.cash < 0.0));
            assert!(balance.cap.is_none_or(|cap| cap >= 0.0));
        }
    }
}

#[test]
fn kinds_and_rows_come_in_their_shares() {
    let world = world();
    for (positions, tolerance) in [(1.0, 0.06), (10.0, 0.06), (MOST_POSITIONS, 0.12)] {
        let accounts = accounts(&world, 8_000, positions);
        let rows: usize = accounts.iter().map(|(_, account)| account.rows.len()).sum();
        let mean = rows as f64 / accounts.len() as f64;
        assert!((mean / positions - 1.0).abs() < tolerance, "{mean} rows an account, asked for {positions}");
        for profile in &PROFILES {
            let share = accounts.iter().filter(|(kind, _)| *kind == profile.kind).count() as f64 / 8_000.0;
            assert!((share - profile.share).abs() < 0.02, "{:?}: {share}", profile.kind);
        }
    }
}

#[test]
fn popular_coins_and_tails() {
    let world = world();
    let accounts = accounts(&world, 4_000, 10.0);
    let mut by_base: HashMap<&str, usize> = HashMap::new();
    for row in accounts.iter().flat_map(|(_, account)| &account.rows).filter(|row| !world.terms[row.instrument].option)
    {
        *by_base.entry(world.prices.quoted[row.instrument].spec.base).or_default() += 1;
    }
    assert!(by_base["BTC"] > by_base["ETH"] && by_base["ETH"] > by_base["XRP"], "{by_base:?}");
    assert!(by_base.len() > 150, "the tail is held too: {}", by_base.len());

    let mut sizes: Vec<f64> = accounts
        .iter()
        .map(|(_, account)| {
            account.rows.iter().map(|row| row.qty.abs() * world.terms[row.instrument].risk.notional).sum()
        })
        .collect();
    sizes.sort_by(f64::total_cmp);
    let total: f64 = sizes.iter().sum();
    let top: f64 = sizes[sizes.len() * 99 / 100..].iter().sum();
    assert!(top / total > 0.25, "the largest hundredth holds {} of all", top / total);
}

/// Hedgers are hedged, and the intended share of accounts is near liquidation.
#[test]
fn books_look_like_their_kind() {
    let world = world();
    let mut assessor = super::assess::Assessor::default();
    let accounts = accounts(&world, 8_000, 10.0);
    let mut near = 0;
    let mut hedged: HashMap<&str, Vec<f64>> = HashMap::new();
    for (kind, account) in &accounts {
        let now = assessor.assess(&world, account);
        near += u32::from(now.mmr > 0.0 && now.equity / now.mmr <= 1.5);
        let gross: f64 = account.rows.iter().map(|row| (row.qty * world.terms[row.instrument].risk.delta).abs()).sum();
        let spot: f64 =
            account.balances.iter().filter(|b| b.ccy > world::USDC).map(|b| b.cash * world.ccys[b.ccy].fx).sum();
        match kind {
            AccountKind::OptionMaker if gross > 1e5 => hedged.entry("maker").or_default().push(now.delta.abs() / gross),
            AccountKind::Carry if gross > 1e4 => {
                hedged.entry("carry").or_default().push((now.delta + spot).abs() / gross);
            }
            AccountKind::ShortSpot if gross > 1e4 => {
                hedged.entry("short spot").or_default().push((now.delta + spot).abs() / gross);
            }
            _ => {}
        }
        let owes = account.balances.iter().any(|balance| balance.cash < 0.0);
        assert!(*kind != AccountKind::ShortSpot || owes || account.rows.is_empty(), "{account:?}");
    }
    for (kind, mut open) in hedged {
        open.sort_by(f64::total_cmp);
        let median = open[open.len() / 2];
        assert!(median < 0.06, "{kind}: half of them leave {median} of their delta open");
    }
    let share = f64::from(near) / accounts.len() as f64;
    assert!((0.010..0.025).contains(&share), "{share} of the accounts are near liquidation");
}

#[test]
fn impossible_requests_are_refused() {
    let dir = tempfile::tempdir().unwrap();
    let fine = request(5, 1, &dir.path().join("book"), Format::Csv);
    for broken in [
        GenerateRequest { accounts: 0, ..fine.clone() },
        GenerateRequest { positions_per_account: f64::NAN, ..fine.clone() },
        GenerateRequest { positions_per_account: -1.0, ..fine.clone() },
        GenerateRequest { positions_per_account: 1e6, ..fine.clone() },
    ] {
        assert_eq!(generate(&broken, &Silent).unwrap_err().exit_code(), 2, "{broken:?}");
    }
    let counts = generate(&fine, &Silent).unwrap();
    assert_eq!((counts.accounts, counts.instruments), (5, 1_112));
    assert_eq!(generate(&fine, &Silent).unwrap_err().exit_code(), 2, "an existing snapshot stays");
}

/// Progress that requests a stop at once.
struct Stop;

impl Progress for Stop {
    fn stage(&self, _name: &str, _unit: &'static str, _total: u64) {}
    fn advance(&self, _steps: u64) {}
    fn interrupted(&self) -> bool {
        true
    }
}

#[test]
fn an_interrupt_leaves_nothing() {
    let dir = tempfile::tempdir().unwrap();
    let stopped = generate(&request(5, 1, &dir.path().join("book"), Format::Csv), &Stop);
    assert!(matches!(stopped, Err(Error::Interrupted)));
    assert_eq!(std::fs::read_dir(dir.path()).unwrap().count(), 0);
}

#[test]
fn ids_sort_as_numbers() {
    assert_eq!((id_digits(300), id_digits(99_999_999), id_digits(100_000_000)), (8, 8, 9));
}

/// Pins the book of a seed. If this test changes, every book of every seed has changed: add a line to the changelog and
/// generate `data/sample` again.
#[test]
fn the_book_of_a_seed_is_pinned() {
    let dir = tempfile::tempdir().unwrap();
    generate(&request(300, 1, &dir.path().join("book"), Format::Csv), &Silent).unwrap();
    let files = bytes(&dir.path().join("book"));
    let mut hasher = blake3::Hasher::new();
    for name in ["instruments", "marks", "indices", "accounts", "balances", "positions"] {
        hasher.update(&files[&format!("{name}.csv")]);
    }
    assert_eq!(hasher.finalize().to_hex()[..16], *"a5b7e2ad033d8fa6");
}

/// The output is read back without a reject, and margined: the share near liquidation equals that of the estimate.
#[test]
fn the_reader_takes_it_and_the_kernel_margins_it() {
    use crate::margin::Status;
    use crate::margin::rules::SpotOffset;
    let dir = tempfile::tempdir().unwrap();
    for (format, count) in [(Format::Csv, 300), (Format::Arrow, 300), (Format::Parquet, 6_000)] {
        let out = dir.path().join(format.extension());
        let counts = generate(&request(count, 1, &out, format), &Silent).unwrap();
        let options = crate::snapshot::LoadOptions {
            default_spot_offset: SpotOffset::Usdt,
            expectations: &crate::snapshot::Expectations::NONE,
            progress: &Silent,
        };
        let snapshot = crate::snapshot::load(&out, &options).unwrap();
        assert!(snapshot.rejects.is_empty() && snapshot.unmargined.is_empty(), "{:?}", snapshot.rejects.first());
        assert_eq!(snapshot.unused_price_gaps, 0);
        assert_eq!(snapshot.book.len() as u64, counts.accounts);
        assert_eq!(snapshot.book.qty().len() as u64, counts.positions);
        assert_eq!(snapshot.book.cash().len() as u64, counts.balances);
        assert_eq!(snapshot.market.instruments.len() as u64, counts.instruments);

        let rules = crate::rules::load(None, &[]).unwrap().rules;
        let priced = crate::engine::price(&snapshot.market, &rules);
        let margins = crate::engine::chunk(&priced, &snapshot.book, 0..snapshot.book.len()).unwrap().accounts;
        let bad = |status| matches!(status, Status::Liquidation | Status::NearLiquidation);
        let share = margins.iter().filter(|margin| bad(margin.status)).count() as f64 / margins.len() as f64;
        let expected = if count > 1_000 { 0.010..0.022 } else { 0.003..0.04 };
        assert!(expected.contains(&share), "{share} of {count} accounts are near liquidation");
        let saves = margins.iter().filter(|margin| margin.mmr_no_hedge > margin.mmr * 1.01).count();
        assert!(saves * 4 > margins.len(), "spot hedging saves margin for {saves} of {count}");
    }
}
