//! Runs with hand-made margins: every file read back, atomicity, the same bytes on any number of threads.

use super::margins::UnitShare;
use super::*;
use crate::Error;
use crate::book::BookBuilder;
use crate::engine::CHUNK_ACCOUNTS;
use crate::engine::Chunk;
use crate::fixture;
use crate::margin::Status;
use crate::market::scenario::BASE;
use crate::parallel::in_order;
use crate::progress::Silent;
use crate::totals::at_risk::Binding;
use arrow_array::cast::AsArray;
use arrow_array::types::{Float64Type, Int64Type};
use arrow_array::{Array, ArrayRef, RecordBatch};
use arrow_schema::DataType;
use arrow_select::concat::concat_batches;
use parquet::arrow::arrow_reader::ParquetRecordBatchReaderBuilder;
use std::fs::{self, File};
use std::ops::Range;

mod stopped_tests;

const FIVE_CHUNKS: usize = CHUNK_ACCOUNTS * 4 + 100;

fn request(output: impl Into<OutputRequest>) -> RunRequest {
    let output = output.into().with_command_line(vec!["remargin".into(), "run".into()]);
    RunRequest::new("no-such-snapshot", output, fixture::rules())
}

fn run_with(
    request: &RunRequest,
    accounts: usize,
    compute: impl Fn(Range<usize>) -> Result<Chunk> + Sync,
    progress: &dyn Progress,
) -> Result<RunOutcome> {
    let folder = OutputFolder::create(&request.output.dir, request.output.force, &[&request.snapshot.dir])?;
    let snapshot = fixture::snapshot(accounts);
    let whole = &snapshot.book;
    let job = Job {
        request,
        before: None,
        margins: Margins {
            compute: Box::new(|book, range, buffers| {
                let first = whole.find(book.accounts().get(range.start)).unwrap();
                let chunk = compute(first..first + range.len())?;
                buffers.chunks = vec![Chunk { first_account: range.start, ..chunk }];
                Ok(())
            }),
            unit_names: fixture::unit_names(),
            scenarios: vec![BASE.to_owned()],
            share: UnitShare::default(),
            progress,
        },
        more_inputs: Vec::new(),
        read: Duration::ZERO,
        price: Duration::ZERO,
        floor: Floor::default(),
        progress,
    };
    let (encoders, mut writer) = Writer::create(folder.path(), request, &std::sync::Arc::default())?;
    let size = job.margins.piece_accounts();
    let piece = |task: usize| {
        let mut builder = BookBuilder::default();
        let range = task * size..accounts.min((task + 1) * size);
        for account in range.clone() {
            builder.copy_account(whole, account);
        }
        let part = job.part(&builder.build()?, &encoders)?;
        progress.advance(range.len() as u64);
        Ok(part)
    };
    in_order(accounts.div_ceil(size), 2 * rayon::current_num_threads(), piece, |part| writer.append(part))?;
    let margined = writer.finish(fixture::snapshot(accounts), Instant::now())?;
    job.finish(margined, folder)
}

fn run_fixture(request: &RunRequest, accounts: usize) -> RunOutcome {
    run_with(request, accounts, |range| Ok(fixture::chunk(range)), &Silent).unwrap()
}

fn read(path: &Path) -> RecordBatch {
    let reader = ParquetRecordBatchReaderBuilder::try_new(File::open(path).unwrap()).unwrap();
    let schema = reader.schema().clone();
    let batches: Vec<_> = reader.build().unwrap().map(Result::unwrap).collect();
    concat_batches(&schema, &batches).unwrap()
}

fn f64s(column: &ArrayRef) -> Vec<f64> {
    assert_eq!(column.null_count(), 0);
    column.as_primitive::<Float64Type>().values().to_vec()
}

fn strs(column: &ArrayRef) -> Vec<Option<&str>> {
    assert_eq!(column.data_type(), &DataType::Utf8);
    column.as_string::<i32>().iter().collect()
}

fn names(batch: &RecordBatch) -> String {
    batch.schema().fields().iter().map(|field| field.name().as_str()).collect::<Vec<_>>().join(", ")
}

fn files(folder: &Path) -> Vec<String> {
    let mut names: Vec<String> =
        fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
    names.sort();
    names
}

#[test]
fn accounts_read_back() {
    let place = tempfile::tempdir().unwrap();
    let out = place.path().join("out");
    run_fixture(&request(&out), FIVE_CHUNKS);
    let batch = read(&out.join("accounts.parquet"));
    assert_eq!(
        names(&batch),
        "account_id, scenario, adj_eq, total_eq, upl, mmr, imr, deriv_mmr, borrow_mmr, borrow_imr, liquidation_fee, \
         margin_ratio, status, im_deficit, ineligible, mmr_no_hedge, imr_no_hedge, order_imr"
    );
    let rows: Vec<_> = (0..FIVE_CHUNKS).map(fixture::account).collect();
    let ids: Vec<String> = (0..FIVE_CHUNKS).map(|n| format!("a{n:07}")).collect();
    assert_eq!(strs(batch.column(0)), ids.iter().map(|id| Some(id.as_str())).collect::<Vec<_>>());
    assert!(strs(batch.column(1)).iter().all(|&scenario| scenario == Some("base")));
    for (column, field) in [
        (2, (|row| row.adj_eq) as fn(&crate::margin::AccountMargin) -> f64),
        (3, |row| row.total_eq),
        (4, |row| row.upl),
        (5, |row| row.mmr),
        (6, |row| row.imr),
        (7, |row| row.deriv_mmr),
        (8, |row| row.borrow_mmr),
        (9, |row| row.borrow_imr),
        (10, |row| row.liquidation_fee),
        (15, |row| row.mmr_no_hedge),
        (16, |row| row.imr_no_hedge),
        (17, |row| row.order_imr),
    ] {
        assert_eq!(f64s(batch.column(column)), rows.iter().map(field).collect::<Vec<_>>(), "column {column}");
    }
    let ratios: Vec<_> = batch.column(11).as_primitive::<Float64Type>().iter().collect();
    assert_eq!(ratios, rows.iter().map(|row| row.margin_ratio).collect::<Vec<_>>());
    assert_eq!(strs(batch.column(12)), rows.iter().map(|row| Some(row.status.name())).collect::<Vec<_>>());
    for (column, expected) in [
        (13, rows.iter().map(|row| Some(row.im_deficit)).collect::<Vec<_>>()),
        (14, rows.iter().map(|row| Some(row.ineligible)).collect()),
    ] {
        assert_eq!(batch.column(column).as_boolean().iter().collect::<Vec<_>>(), expected, "column {column}");
    }
}

#[test]
fn risk_units_read_back() {
    let place = tempfile::tempdir().unwrap();
    let out = place.path().join("out");
    run_fixture(&request(&out), FIVE_CHUNKS);
    let batch = read(&out.join("risk_units.parquet"));
    assert_eq!(
        names(&batch),
        "account_id, scenario, risk_unit, mr1, mr1_price, mr1_vol, mr2, mr3, mr4, mr5, mr6, mr6_price, mr7, mr9, mmr, \
         imr, cash_delta, gamma, vega, theta, spot_in_use, upl, order_imr"
    );
    let rows: Vec<_> = (0..FIVE_CHUNKS).flat_map(|n| fixture::units(n).map(move |unit| (n, unit))).collect();
    let ids: Vec<String> = rows.iter().map(|(n, _)| format!("a{n:07}")).collect();
    let unit_names = fixture::unit_names();
    assert_eq!(strs(batch.column(0)), ids.iter().map(|id| Some(id.as_str())).collect::<Vec<_>>());
    assert!(strs(batch.column(1)).iter().all(|&scenario| scenario == Some("base")));
    let expected: Vec<_> = rows.iter().map(|(_, row)| Some(unit_names[row.unit as usize].as_str())).collect();
    assert_eq!(strs(batch.column(2)), expected);
    assert_eq!(strs(batch.column(5)), rows.iter().map(|(_, row)| Some(row.mr1_vol.name())).collect::<Vec<_>>());
    for (column, field) in [
        (3, (|row| row.mr1) as fn(&crate::margin::UnitMargin) -> f64),
        (4, |row| row.mr1_price),
        (6, |row| row.mr2),
        (7, |row| row.mr3),
        (8, |row| row.mr4),
        (9, |row| row.mr5),
        (10, |row| row.mr6),
        (11, |row| row.mr6_price),
        (12, |row| row.mr7),
        (13, |row| row.mr9),
        (14, |row| row.mmr),
        (15, |row| row.imr),
        (16, |row| row.cash_delta),
        (17, |row| row.gamma),
        (18, |row| row.vega),
        (19, |row| row.theta),
        (20, |row| row.spot_in_use),
        (21, |row| row.upl),
        (22, |row| row.order_imr),
    ] {
        let expected: Vec<f64> = rows.iter().map(|(_, row)| field(row)).collect();
        assert_eq!(f64s(batch.column(column)), expected, "column {column}");
    }
}

#[test]
fn at_risk_is_worst_first() {
    let place = tempfile::tempdir().unwrap();
    let out = place.path().join("out");
    let outcome = run_fixture(&request(&out), 25);
    let batch = read(&out.join("at_risk.parquet"));
    let mut expected: Vec<usize> = (0..25)
        .filter(|&n| {
            let row = fixture::account(n);
            row.im_deficit || matches!(row.status, Status::Liquidation | Status::NearLiquidation)
        })
        .collect();
    // Ratios fall with the number; those without one come last, by id.
    expected.sort_by_key(|&n| (fixture::account(n).margin_ratio.is_none(), std::cmp::Reverse(n)));
    let without = expected.iter().position(|&n| fixture::account(n).margin_ratio.is_none()).unwrap();
    expected[without..].sort_unstable();
    assert!(without < expected.len() - 1, "some rows lack a ratio");
    let ids: Vec<String> = expected.iter().map(|n| format!("a{n:07}")).collect();
    assert_eq!(strs(batch.column(0)), ids.iter().map(|id| Some(id.as_str())).collect::<Vec<_>>());
    assert_eq!(outcome.summary.accounts.at_risk, expected.len() as u64);
    for (place, &n) in expected.iter().enumerate() {
        let row = fixture::account(n);
        let short = |need: f64| (need - row.adj_eq).max(0.0);
        assert_eq!(f64s(batch.column(8))[place], short(row.mmr + row.liquidation_fee));
        assert_eq!(f64s(batch.column(9))[place], short(row.imr));
        let worst = fixture::units(n).reduce(|a, b| if b.mmr > a.mmr { b } else { a });
        let names = fixture::unit_names();
        assert_eq!(strs(batch.column(11))[place], worst.map(|unit| names[unit.unit as usize].as_str()));
        assert_eq!(batch.column(12).is_null(place), worst.is_none());
        let binding = worst.and_then(|unit| Binding::of(&unit)).map(Binding::name);
        assert_eq!(strs(batch.column(13))[place], binding);
    }
    assert_eq!(fs::read_to_string(out.join("at_risk.csv")).unwrap().lines().count(), expected.len() + 1);
}

#[test]
fn binding_terms() {
    let unit = |mr1, mr2, mr6, mr7, mmr| crate::margin::UnitMargin {
        mr1,
        mr2,
        mr6,
        mr7,
        mmr,
        ..fixture::units(1).next().unwrap()
    };
    for (unit, binding) in [
        (unit(0.0, 0.0, 0.0, 0.0, 0.0), None),
        (unit(5.0, 1.0, 2.0, 6.0, 7.0), Some(Binding::Mr1)),
        (unit(5.0, 5.0, 5.0, 0.0, 5.0), Some(Binding::Mr1)),
        (unit(4.0, 5.0, 5.0, 0.0, 5.0), Some(Binding::Mr2)),
        (unit(4.0, 3.0, 5.0, 0.0, 5.0), Some(Binding::Mr6)),
        (unit(5.0, 1.0, 2.0, 8.0, 8.0), Some(Binding::Mr7)),
    ] {
        assert_eq!(Binding::of(&unit), binding, "{unit:?}");
    }
}

#[test]
fn csv_text() {
    let place = tempfile::tempdir().unwrap();
    let out = place.path().join("out");
    run_fixture(&request(OutputRequest::new(&out).with_format(Format::Csv)), 2);
    let read = |name: &str| fs::read_to_string(out.join(name)).unwrap();
    assert_eq!(
        read("accounts.csv"),
        "account_id,scenario,adj_eq,total_eq,upl,mmr,imr,deriv_mmr,borrow_mmr,borrow_imr,liquidation_fee,margin_ratio,\
         status,im_deficit,ineligible,mmr_no_hedge,imr_no_hedge,order_imr\n\
         a0000000,base,0.1,0.2,-0.0,0.4,0.5,0.6,0.7,0.8,0.9,1.0,liquidation,false,true,1.1,1.2,1.3\n\
         a0000001,base,1.1,1.2,-1.0,1.4,1.5,1.6,1.7,1.8,1.9,0.5,near_liquidation,false,false,2.1,2.2,2.3\n"
    );
    assert_eq!(
        read("risk_units.csv"),
        "account_id,scenario,risk_unit,mr1,mr1_price,mr1_vol,mr2,mr3,mr4,mr5,mr6,mr6_price,mr7,mr9,mmr,imr,cash_delta,\
         gamma,vega,theta,spot_in_use,upl,order_imr\n\
         a0000001,base,BTC-USDT,1.0,-0.12,same,1000001.0,1.25,1.5,1.75,1.0,0.24,1.0,2.0,1000004.0,3.0,-4.0,5.0,6.0,7.0,\
         8.0,9.0,10.0\n"
    );
    assert_eq!(
        read("rejects.csv"),
        "table,row,account_id,reason,column,value,expected\n\
         marks,9,,unknown_instrument,inst_id,é,an instrument of the table instruments\n\
         positions,3,z,unknown_instrument,inst_id,\"X-Y, \"\"Z\"\"\",an instrument of the table instruments\n\
         positions,12,z,account_unmargined,inst_id,,no broken row of the account\n\
         balances,4,z,account_unmargined,inst_id,'=HYPERLINK(1),no broken row of the account\n"
    );
    let at_risk = read("at_risk.csv");
    assert!(
        at_risk.starts_with("account_id,scenario,status,margin_ratio,adj_eq,mmr,imr,liquidation_fee,"),
        "{at_risk}"
    );
    assert!(at_risk.contains("\na0000000,base,liquidation,1.0,0.1,0.4,0.5,0.9,1.2,0.4,false,,,,,,,\n"), "{at_risk}");
    assert_eq!(
        files(&out),
        [
            "accounts.csv",
            "at_risk.csv",
            "at_risk.parquet",
            "manifest.json",
            "rejects.csv",
            "report.html",
            "risk_units.csv",
            "summary.json"
        ]
    );
}

#[test]
fn arrow_holds_what_parquet_holds() {
    let place = tempfile::tempdir().unwrap();
    let (arrow, parquet) = (place.path().join("arrow"), place.path().join("parquet"));
    run_fixture(&request(OutputRequest::new(&arrow).with_format(Format::Arrow)), CHUNK_ACCOUNTS + 5);
    run_fixture(&request(&parquet), CHUNK_ACCOUNTS + 5);
    for table in ["accounts", "risk_units", "at_risk", "rejects"] {
        let file = File::open(arrow.join(format!("{table}.arrow"))).unwrap();
        let reader = arrow_ipc::reader::FileReader::try_new(file, None).unwrap();
        let schema = reader.schema();
        let batches: Vec<_> = reader.map(std::result::Result::unwrap).collect();
        assert_eq!(concat_batches(&schema, &batches).unwrap(), read(&parquet.join(format!("{table}.parquet"))));
    }
    assert!(!arrow.join("at_risk.parquet").exists());
    let same = |name: &str| assert_eq!(fs::read(arrow.join(name)).unwrap(), fs::read(parquet.join(name)).unwrap());
    same("summary.json");
    same("at_risk.csv");
}

#[test]
fn bytes_do_not_depend_on_threads() {
    let place = tempfile::tempdir().unwrap();
    for format in [Format::Parquet, Format::Arrow, Format::Csv] {
        let outs = [1, 3].map(|threads| {
            let out = place.path().join(format!("{}-{threads}", format.extension()));
            let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
            pool.install(|| run_fixture(&request(OutputRequest::new(&out).with_format(format)), FIVE_CHUNKS));
            out
        });
        for name in files(&outs[0]).iter().filter(|name| *name != "manifest.json") {
            assert!(fs::read(outs[0].join(name)).unwrap() == fs::read(outs[1].join(name)).unwrap(), "{name}");
        }
    }
    let file = File::open(place.path().join("parquet-3/accounts.parquet")).unwrap();
    let metadata = ParquetRecordBatchReaderBuilder::try_new(file).unwrap().metadata().clone();
    let rows: Vec<i64> =
        metadata.row_groups().iter().map(parquet::file::metadata::RowGroupMetaData::num_rows).collect();
    let full = i64::try_from(CHUNK_ACCOUNTS).unwrap();
    assert_eq!(rows, [full, full, full, full, 100]);
    let group = metadata.row_group(1);
    assert!(group.column(0).statistics().is_some() && group.column(2).statistics().is_none());
    assert!(group.column(1).dictionary_page_offset().is_some() && group.column(2).dictionary_page_offset().is_none());
}

#[test]
fn an_empty_book_has_all_files() {
    let place = tempfile::tempdir().unwrap();
    for format in [Format::Parquet, Format::Arrow, Format::Csv] {
        let out = place.path().join(format.extension());
        let outcome = run_fixture(&request(OutputRequest::new(&out).with_format(format)), 0);
        assert_eq!(outcome.summary.accounts.margined, 0);
        assert_eq!(outcome.summary.totals.mmr, 0.0);
        // In CSV `rejects` is there once.
        assert_eq!(files(&out).len(), if format == Format::Csv { 8 } else { 9 });
    }
    let batch = read(&place.path().join("parquet/accounts.parquet"));
    assert_eq!((batch.num_rows(), batch.num_columns()), (0, 18));
}

#[test]
fn rejects_read_back() {
    let place = tempfile::tempdir().unwrap();
    let out = place.path().join("out");
    let outcome = run_fixture(&request(&out), 1);
    let batch = read(&out.join("rejects.parquet"));
    let tables = [Some("marks"), Some("positions"), Some("positions"), Some("balances")];
    assert_eq!(strs(batch.column(0)), tables);
    assert_eq!(batch.column(1).as_primitive::<Int64Type>().values(), &[9, 3, 12, 4]);
    assert_eq!(strs(batch.column(2)), [None, Some("z"), Some("z"), Some("z")]);
    assert_eq!(strs(batch.column(5))[3], Some("=HYPERLINK(1)"), "only CSV is read by spreadsheets");
    assert_eq!(outcome.too_many_rejects, Some(2));
    let mut tolerant = request(OutputRequest::new(&out).with_force(true));
    tolerant.snapshot.max_rejects = "1.25%".parse().unwrap();
    assert_eq!(run_fixture(&tolerant, 1).too_many_rejects, None);
}

#[test]
fn summary_adds_up() {
    let place = tempfile::tempdir().unwrap();
    let out = place.path().join("out");
    let summary = run_fixture(&request(&out), 10).summary;
    let text = fs::read_to_string(out.join("summary.json")).unwrap();
    assert_eq!(serde_json::from_str::<Summary>(&text).unwrap(), summary);
    assert!(text.starts_with("{\n  \"as_of\": \"2026-01-15T08:00:00Z\",\n"), "{text}");
    assert!(text.ends_with("}\n"));
    assert_eq!(summary.accounts.margined, 10);
    assert_eq!((summary.accounts.unmargined, summary.accounts.at_risk), (1, 5));
    assert_eq!((summary.accounts.im_deficit, summary.accounts.ineligible), (1, 4));
    assert_eq!(summary.accounts.by_status.liquidation, 2);
    // 0 + 1 + ... + 9 and ten tenths, which plain addition does not bring to 46.
    assert_eq!(summary.totals.adj_eq, 46.0);
    assert_eq!(summary.totals.upl, -45.0);
    assert_eq!(summary.totals.mmr, 49.0);
    assert_eq!(summary.hedge_saving.mmr, summary.totals.mmr_no_hedge - 49.0);
    let units: u64 = summary.risk_units.iter().map(|unit| unit.accounts).sum();
    assert_eq!(units, (0..10).map(|n| n % 3).sum::<u64>());
    for unit in &summary.risk_units {
        let b = unit.binding;
        assert_eq!(b.mr1 + b.mr2 + b.mr6 + b.mr7 + b.none, unit.accounts);
        assert_eq!(unit.mmr_share, Some(unit.mmr / summary.totals.deriv_mmr));
    }
    assert_eq!((summary.rejects.rows, summary.rejects.broken), (4, 2));
    assert_eq!(summary.rejects.by_reason["account_unmargined"], 2);
    assert_eq!(summary.unmargined[0].account_id, "z");
    assert_eq!(summary.unused_price_gaps, 3);
    assert_eq!(summary.rejects.by_reason.values().sum::<u64>(), summary.rejects.rows);
    assert_eq!(summary.tables.iter().map(|table| table.rows_rejected).sum::<u64>(), summary.rejects.rows);
}

#[test]
fn the_summary_fits_a_terminal() {
    let place = tempfile::tempdir().unwrap();
    let mut summary = run_fixture(&request(place.path().join("out")), 10).summary;
    let text = crate::totals::summary_table(&summary);
    let head = "2026-01-15T08:00:00Z · rules test-rules\n0 of 1 figures of the rules are assumed";
    assert!(text.starts_with(head) && text.contains("\n\n accounts "), "{text}");
    assert!(text.contains("\n margined          10  adjusted equity     46\n"), "{text}");
    assert!(text.contains("\n BTC-USDT          5  23,000,056  "), "{text}");

    // The widest figures there can be.
    summary.accounts.margined = u64::from(u32::MAX);
    summary.totals.adj_eq = -999_999_999_999_999.0;
    summary.totals.mmr = -1.234e200;
    let mut unit = summary.risk_units.remove(0);
    unit.risk_unit = "A-VERY-LONG-NAME-OF-A-COIN-USDT".into();
    (unit.accounts, unit.binding.mr7) = (u64::from(u32::MAX), u64::from(u32::MAX));
    (unit.mmr, unit.mmr_share) = (999_999_999_999_999.0, Some(1.0));
    summary.risk_units = vec![unit; 12];
    let text = crate::totals::summary_table(&summary);
    assert!(text.contains("\n 4 more "), "{text}");
    for line in text.lines() {
        assert!(line.chars().count() <= 80, "{line}");
        assert!(!line.contains('\u{1b}'), "{line}");
    }
}

#[test]
fn manifest_names_every_file() {
    let place = tempfile::tempdir().unwrap();
    let out = place.path().join("deep/er/out");
    run_fixture(&request(&out), 3);
    let manifest: serde_json::Value = serde_json::from_slice(&fs::read(out.join("manifest.json")).unwrap()).unwrap();
    let outputs = manifest["outputs"].as_array().unwrap();
    assert_eq!(outputs.len(), files(&out).len() - 1);
    for output in outputs {
        let bytes = fs::read(out.join(output["path"].as_str().unwrap())).unwrap();
        assert_eq!(output["bytes"], bytes.len());
        assert_eq!(output["blake3"], blake3::hash(&bytes).to_hex().as_str());
    }
    assert_eq!(outputs[0]["rows"], 3);
    assert_eq!(manifest["rules"]["name"], "test-rules");
    assert_eq!(manifest["rules"]["values"][0]["key"], "rate");
    assert_eq!(manifest["inputs"][0]["path"], "positions.parquet");
    assert_eq!(manifest["command_line"][1], "run");
    assert!(manifest["timings_seconds"]["total"].as_f64().unwrap() > 0.0);
}

#[test]
fn force_replaces_a_run_whole() {
    let place = tempfile::tempdir().unwrap();
    let out = place.path().join("out");
    run_fixture(&request(OutputRequest::new(&out).with_format(Format::Csv)), 3);
    run_fixture(&request(OutputRequest::new(&out).with_force(true)), 4);
    assert!(!out.join("accounts.csv").exists());
    assert_eq!(read(&out.join("accounts.parquet")).num_rows(), 4);
    assert_eq!(files(place.path()), ["out"]);
}
