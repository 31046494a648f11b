//! The fuzz targets: bytes in, and either a coded error or a consistent result.
//!
//! Each target is a function over bytes, so that the gate can call it without a fuzzer (`tests/input/fuzz.rs`). A
//! target panics if a guarantee is broken: an error that is not an input error, counts that do not add up, a figure
//! that is not finite, or two models that disagree.

use arrow_array::{ArrayRef, Float64Array, RecordBatch, StringArray};
use remargin::Error;
use remargin::distance::reverse::Statement;
use remargin::engine::{chunk, price};
use remargin::generate::write_table;
use remargin::import::okx::{ImportRequest, import};
use remargin::margin::rules::SpotOffset;
use remargin::memory::MemoryLimit;
use remargin::progress::Silent;
use remargin::reference::{account_of, compare, margin};
use remargin::rules;
use remargin::simulate::operation::Resolver;
use remargin::simulate::{Desk, answer_lines};
use remargin::snapshot::{Expectations, LoadOptions, MaxRejects, Snapshot, load, read_operations, read_shocks};
use remargin::source::Format;
use remargin::stress;
use std::fs;
use std::path::Path;
use std::sync::Arc;

/// A name and the function that takes the bytes.
pub type Target = (&'static str, fn(&[u8]));

/// Name and function of every target.
pub const TARGETS: [Target; 9] = [
    ("csv", csv),
    ("parquet", parquet),
    ("ipc", ipc),
    ("rules", rules),
    ("shocks", shocks),
    ("ops", ops),
    ("flags", flags),
    ("pipeline", pipeline),
    ("answers", answers),
];

/// A small valid snapshot.
const TABLES: [(&str, &str); 6] = [
    (
        "instruments",
        "inst_id,inst_type,uly,settle_ccy,ct_type,ct_val,ct_mult,expiry,strike,opt_type
BTC-USDT-SWAP,SWAP,BTC-USDT,USDT,linear,0.01,1,,,
BTC-USD-SWAP,SWAP,BTC-USD,BTC,inverse,100,1,,,
BTC-USD-260327-90000-C,OPTION,BTC-USD,BTC,,1,0.01,2026-03-27T08:00:00Z,90000,C
",
    ),
    (
        "marks",
        "inst_id,mark_px,mark_vol,fwd_px
BTC-USDT-SWAP,90000.5,,
BTC-USD-SWAP,90010,,
BTC-USD-260327-90000-C,0.0525,0.55,90500
",
    ),
    ("indices", "index_id,px\nBTC-USDT,90001\nBTC-USD,90005\nUSDT-USD,0.9998\n"),
    (
        "positions",
        "account_id,inst_id,qty,avg_px
a1,BTC-USDT-SWAP,10,85000.1
a1,BTC-USD-SWAP,-5,86000
a2,BTC-USD-260327-90000-C,-1,0.06
",
    ),
    ("balances", "account_id,ccy,cash,interest,spot_in_use_cap\na1,USDT,1000,0.5,\na1,BTC,-0.25,,2\na2,USDT,500,,\n"),
    ("accounts", "account_id,spot_offset\na2,coin\na1,\n"),
];

const SHOCKS: &str = "scenario,base,price,vol,fx_ccy,fx,days
crash,BTC,-0.4,0.5,,,1
crash,*,-0.5,,,,
depeg,,,,USDT,-0.1,
";

const OPERATIONS: &str = "op_id,account_id,kind,inst_id,ccy,side,qty,px,spot_offset,group
o1,a1,order,BTC-USDT-SWAP,,buy,10,90000,,
o2,a1,order,BTC-USDT,,sell,0.1,90000,,g
o3,a1,transfer_out,,USDT,,100,,,g
o4,a2,spot_offset,,,,,,none,
o5,a1,close_hedge,,BTC,,0.1,,,
";
const LINES: &str = r#"{"op_id":1,"account_id":"a1","kind":"order","inst_id":"BTC-USD-SWAP","side":"buy","qty":"5","px":90000}
{"account_id":"a2","kind":"transfer_out","ccy":"USDT","qty":1e2,"group":"g"}
{"account_id":"a2","kind":"transfer_in","ccy":"BTC","qty":0.25,"group":"g"}
"#;

const FLAGS: [&str; 10] = [
    "BTC=-50%..50%/10%,vol=0%..100%/50%,USDT=-5%..0%/1%,days=0..2/1",
    "BTC=0%..50%/0.0000000000000000000000000001%",
    "BTC=-99%..79228162514264337593543950335%/1%",
    "crash: BTC=-20% *=-25% vol +30% depeg USDT=-2% days 1",
    "*, accounts in liquidation > 29%",
    "BTC, shortfall > 1000000",
    "0.57%",
    "512MiB",
    "mr4.floor.major=0.012",
    "risk_unit=merged",
];

/// Separates the tables of a whole snapshot in one input.
const SEPARATOR: &str = "\n====\n";

/// One table from the fuzzer's bytes, in the format of its name; the first byte selects the table.
fn one_table(data: &[u8], format: Format) {
    let Some((&first, bytes)) = data.split_first() else { return };
    let (name, _) = TABLES[usize::from(first) % TABLES.len()];
    let folder = tempfile::tempdir().expect("a folder");
    for (other, text) in TABLES.iter().filter(|(other, _)| *other != name) {
        fs::write(folder.path().join(format!("{other}.csv")), text).expect("a table");
    }
    fs::write(folder.path().join(format!("{name}.{}", format.extension())), bytes).expect("a table");
    if let Some(snapshot) = loaded(folder.path()) {
        margins(&snapshot);
    }
}

/// CSV of any content as any table.
pub fn csv(data: &[u8]) {
    one_table(data, Format::Csv);
}

/// A Parquet file of any content as any table.
pub fn parquet(data: &[u8]) {
    one_table(data, Format::Parquet);
}

/// An Arrow IPC file of any content as any table.
pub fn ipc(data: &[u8]) {
    one_table(data, Format::Arrow);
}

/// A rules file of any content. Accepted rules can be written and read back.
pub fn rules(data: &[u8]) {
    let folder = tempfile::tempdir().expect("a folder");
    let file = folder.path().join("rules.toml");
    fs::write(&file, data).expect("the rules");
    match rules::load(Some(&file), &[]) {
        Ok(first) => {
            fs::write(&file, first.canonical()).expect("the rules");
            let again = rules::load(Some(&file), &[]).expect("rules that were written out");
            assert_eq!(again.hash, first.hash, "the written rules differ from the loaded rules");
        }
        Err(error) => assert_eq!(error.exit_code(), 3, "{error}"),
    }
}

/// The value of a flag of any content, for every flag that has a syntax of its own.
pub fn flags(data: &[u8]) {
    let Ok(text) = std::str::from_utf8(data) else { return };
    let coded = |error: Error| assert!(matches!(error.exit_code(), 2 | 3), "exit {}: {error}", error.exit_code());
    let grid = stress::parse_axes(text).and_then(|axes| stress::grid(&axes));
    grid.map_or_else(coded, drop);
    stress::parse_scenario(text).map_or_else(coded, drop);
    text.parse::<stress::Preset>().map_or_else(coded, drop);
    text.parse::<Statement>().map_or_else(coded, drop);
    text.parse::<MaxRejects>().map_or_else(coded, drop);
    // Says what is wrong as text.
    let _ = text.parse::<MemoryLimit>();
    rules::load(None, &[text.to_owned()]).map_or_else(coded, drop);
}

/// A table of shocks of any content, as CSV.
pub fn shocks(data: &[u8]) {
    let folder = tempfile::tempdir().expect("a folder");
    write_snapshot(folder.path(), TABLES.map(|(_, text)| text));
    let snapshot = loaded(folder.path()).expect("the small snapshot");
    let file = folder.path().join("shocks.csv");
    fs::write(&file, data).expect("the shocks");
    match read_shocks(&file, &snapshot.market, &Silent) {
        Ok((scenarios, _)) => assert!(scenarios.iter().all(|scenario| !scenario.name.is_empty())),
        Err(error) => assert_eq!(error.exit_code(), 3, "{error}"),
    }
}

/// Operations of any content, as a CSV table and as JSON lines.
pub fn ops(data: &[u8]) {
    let folder = tempfile::tempdir().expect("a folder");
    write_snapshot(folder.path(), TABLES.map(|(_, text)| text));
    let snapshot = loaded(folder.path()).expect("the small snapshot");
    let priced = price(&snapshot.market, &rules::load(None, &[]).expect("the built-in rules").rules);
    let desk = Desk::new(&snapshot, &priced);
    let mut answers = Vec::new();
    let answered = answer_lines(&desk, &mut &*data, &mut answers).expect("an answer to each line");
    let answers = String::from_utf8(answers).expect("answers in UTF-8");
    assert_eq!(answers.lines().count() as u64, answered);
    assert!(answers.lines().all(|line| line.starts_with('{') && line.ends_with('}')));

    let file = folder.path().join("ops.csv");
    fs::write(&file, data).expect("the operations");
    let resolver = Resolver::new(&snapshot);
    match read_operations(&file, |asked| resolver.resolve(asked), &Silent) {
        Ok((operations, _)) => {
            let (asked, mut checked) = (operations.len(), 0);
            let count = |rows: usize, _| {
                checked += rows;
                Ok(())
            };
            desk.check(operations, &Silent, |rows| Ok(rows.len()), count).expect("an answer to each operation");
            assert_eq!(checked, asked);
        }
        Err(error) => assert_eq!(error.exit_code(), 3, "{error}"),
    }
}

/// A whole snapshot in CSV; its tables are separated by lines of `====`.
pub fn pipeline(data: &[u8]) {
    let Ok(text) = std::str::from_utf8(data) else { return };
    let mut parts = text.split(SEPARATOR);
    let folder = tempfile::tempdir().expect("a folder");
    write_snapshot(folder.path(), TABLES.map(|(_, text)| parts.next().unwrap_or(text)));
    if let Some(snapshot) = loaded(folder.path()) {
        margins(&snapshot);
    }
}

/// Separates the name of a file from its content, in a folder of answers.
const NAME_END: &str = "\n----\n";

/// A folder of saved answers of the exchange: files in any number, each a name, a line of `----` and the content,
/// separated by lines of `====`. What is imported adds up, and is a snapshot that loads.
pub fn answers(data: &[u8]) {
    let folder = tempfile::tempdir().expect("a folder");
    let (from, out) = (folder.path().join("in"), folder.path().join("out"));
    fs::create_dir(&from).expect("a folder");
    for (number, part) in split(data, SEPARATOR.as_bytes()).into_iter().take(64).enumerate() {
        let mut halves = split(part, NAME_END.as_bytes()).into_iter();
        let (name, content) = (halves.next().unwrap_or_default(), halves.next().unwrap_or_default());
        let path = from.join(file_name(name, number));
        fs::create_dir_all(path.parent().expect("a folder")).expect("a folder");
        fs::write(path, content).expect("an answer");
    }
    let request = ImportRequest {
        folder: from,
        out: out.clone(),
        format: Format::Csv,
        as_of_ms: None,
        interpolate_vol: true,
        force: false,
    };
    match import(&request, &Silent) {
        Ok(imported) => {
            for file in &imported.files {
                assert_eq!(file.rows, file.used + file.aside.values().sum::<u64>(), "{file:?}");
            }
            assert!(!imported.to_text().is_empty() && imported.to_json().is_object());
            if let Some(snapshot) = imported_snapshot(&out) {
                for (account, why) in imported.unmarginable.iter().filter(|(_, why)| why.starts_with("no answer")) {
                    assert!(snapshot.book.find(account).is_none(), "account {account} is margined: {why}");
                }
                margins(&snapshot);
            }
        }
        // No time at all is a matter of the request.
        Err(error) => {
            assert!(matches!(error.exit_code(), 2 | 3), "{error}");
            assert!(!out.exists(), "an import that failed left a folder");
        }
    }
}

/// The snapshot of an import, or `None` if it is refused with a proper input error.
fn imported_snapshot(folder: &Path) -> Option<Snapshot> {
    let expectations = &Expectations::NONE;
    match load(folder, &LoadOptions { default_spot_offset: SpotOffset::Usdt, expectations, progress: &Silent }) {
        Ok(snapshot) => Some(snapshot),
        Err(error) => {
            assert_eq!(error.exit_code(), 3, "{error}");
            None
        }
    }
}

/// The path of an answer: letters of a name, at most one folder deep; a number keeps names apart.
fn file_name(name: &[u8], number: usize) -> String {
    let name = String::from_utf8_lossy(name);
    let plain = |c: &char| c.is_ascii_alphanumeric() || matches!(c, '_' | '-' | '.' | '/');
    let name: String = name.chars().filter(plain).take(60).collect();
    let (home, file) = name.split_once('/').unwrap_or(("", &name));
    let file = file.replace('/', "_");
    let home: String = home.chars().filter(|c| *c != '.').collect();
    let file = if file.trim_matches('.').is_empty() { format!("{number}.json") } else { file };
    if home.is_empty() { file } else { format!("{home}/{file}") }
}

/// The parts of bytes between separators.
fn split<'a>(mut data: &'a [u8], separator: &[u8]) -> Vec<&'a [u8]> {
    let mut parts = Vec::new();
    while let Some(at) = data.windows(separator.len()).position(|window| window == separator) {
        parts.push(&data[..at]);
        data = &data[at + separator.len()..];
    }
    parts.push(data);
    parts
}

/// The saved answers of `data/okx-sample` as inputs of [`answers`]: all of them, those of one account, pushes.
fn folders_of_answers() -> Vec<Vec<u8>> {
    let sample = Path::new(env!("CARGO_MANIFEST_DIR"));
    let sample =
        if sample.ends_with("fuzz") { sample.join("..") } else { sample.to_path_buf() }.join("data/okx-sample");
    let mut files = Vec::new();
    for home in ["", "builder", "desk"] {
        let mut paths: Vec<_> =
            fs::read_dir(sample.join(home)).expect("the sample").map(|entry| entry.expect("a file").path()).collect();
        paths.sort();
        for path in paths.iter().filter(|path| path.extension().is_some_and(|extension| extension == "json")) {
            let name = path.file_name().expect("a name").to_string_lossy().into_owned();
            let name = if home.is_empty() { name } else { format!("{home}/{name}") };
            files.push((name, fs::read_to_string(path).expect("an answer")));
        }
    }
    let join = |files: &[(String, String)]| {
        let parts: Vec<String> = files.iter().map(|(name, text)| format!("{name}{NAME_END}{text}")).collect();
        parts.join(SEPARATOR).into_bytes()
    };
    let small =
        |name: &str| !["option", "opt-summary", "discount"].iter().any(|part| name.to_lowercase().contains(part));
    let desk: Vec<_> = files.iter().filter(|(name, _)| small(name) && !name.starts_with("builder")).cloned().collect();
    let mut polls = desk.clone();
    for (name, text) in desk.iter().filter(|(name, _)| name.starts_with("desk/")) {
        polls.push((name.replace(".json", "_2.jsonl"), text.replace("1736936798642", "1736936799642")));
    }
    let pushes = PUSHES.iter().map(|(name, text)| ((*name).to_owned(), (*text).to_owned())).collect::<Vec<_>>();
    vec![join(&files), join(&desk), join(&polls), join(&pushes)]
}

const PUSHES: [(&str, &str); 3] = [
    (
        "a/positions.jsonl",
        r#"{"event":"subscribe","arg":{"channel":"positions"}}
{"arg":{"channel":"positions","uid":"7"},"data":[{"instId":"BTC-USDT-SWAP","instType":"SWAP","pos":"3","posSide":"net","avgPx":"9","mgnMode":"cross","posId":"1","markPx":"10","idxPx":"10.5","uTime":"5","pTime":"6"}]}
{"arg":{"channel":"positions","uid":"7"},"data":[{"instId":"BTC-USDT-SWAP","instType":"SWAP","pos":"0","posSide":"net","avgPx":"","mgnMode":"cross","posId":"1","uTime":"8","pTime":"9"}]}
"#,
    ),
    (
        "a/account.json",
        r#"[{"uTime":"9","totalEq":"1","details":[{"ccy":"USDT","cashBal":"-100","interest":"1","coinUsdPrice":"1"}]}]"#,
    ),
    (
        "rows.ndjson",
        r#"{"instId":"BTC-USDT-SWAP","instType":"SWAP","uly":"BTC-USDT","ctType":"linear","ctVal":"0.01","ctMult":"1","settleCcy":"USDT","lotSz":"1","expTime":""}
{"instId":"BTC-USDT-SWAP","markPx":"10","ts":"9"}
{"tier":"1","ccy":"USDT","maxSz":"100","mmr":"0.02","imr":"0.1"}
"#,
    ),
];

fn write_snapshot(folder: &Path, tables: [&str; 6]) {
    for ((name, _), text) in TABLES.iter().zip(tables) {
        fs::write(folder.join(format!("{name}.csv")), text).expect("a table");
    }
}

/// The snapshot, or `None` if it is refused with a proper input error.
fn loaded(folder: &Path) -> Option<Snapshot> {
    fs::write(folder.join("snapshot.toml"), "version = 1\nas_of = 2026-01-15T08:00:00Z\n").expect("a manifest");
    let expectations = &Expectations::NONE;
    match load(folder, &LoadOptions { default_spot_offset: SpotOffset::Usdt, expectations, progress: &Silent }) {
        Ok(snapshot) => {
            for count in &snapshot.tables {
                assert_eq!(count.rows_in, count.rows_used + count.rows_rejected, "{count:?}");
            }
            Some(snapshot)
        }
        Err(error @ Error::Invalid(_)) => {
            assert!(error.to_string().lines().count() > 1, "an error without a place: {error}");
            None
        }
        Err(error) => panic!("not a coded error: {error}"),
    }
}

/// Margins every account with both models.
fn margins(snapshot: &Snapshot) {
    let rules = rules::load(None, &[]).expect("the built-in rules").rules;
    let priced = price(&snapshot.market, &rules);
    let names = priced.unit_names();
    let accounts = snapshot.book.len();
    let result = chunk(&priced, &snapshot.book, 0..accounts).expect("margins of a sound book");
    let mut first_unit = 0;
    for (number, account) in result.accounts.iter().enumerate().take(64) {
        let units = &result.units[first_unit..result.unit_end[number]];
        first_unit = result.unit_end[number];
        assert!(account.mmr.is_finite() && account.mmr >= 0.0 && account.imr >= account.mmr, "{account:?}");
        let account_of = account_of(&snapshot.market, &snapshot.book, &rules, number).expect("the account");
        let reference = margin(&account_of).expect("the reference margin");
        let mismatches = compare(account, units, &names, &reference, &rules);
        assert!(mismatches.is_empty(), "{}", mismatches.iter().map(ToString::to_string).collect::<String>());
    }
}

/// The seeds of a target: valid input.
pub fn seeds(target: &str) -> Vec<Vec<u8>> {
    match target {
        "csv" => TABLES.iter().zip(0..).map(|((_, text), first)| [&[first], text.as_bytes()].concat()).collect(),
        "parquet" => tables(Format::Parquet),
        "ipc" => tables(Format::Arrow),
        "rules" => vec![rules::BUILT_IN.into(), b"extends = \"okx-pm2-2025-01\"\n[mr6]\ncharge = 0.75\n".to_vec()],
        "shocks" => vec![SHOCKS.into()],
        "flags" => FLAGS.iter().map(|text| text.as_bytes().to_vec()).collect(),
        "ops" => vec![OPERATIONS.into(), LINES.into()],
        "answers" => folders_of_answers(),
        "pipeline" => vec![TABLES.map(|(_, text)| text).join(SEPARATOR).into()],
        other => panic!("no target `{other}`"),
    }
}

/// Each table in a binary format, with numeric columns where all cells are numbers.
fn tables(format: Format) -> Vec<Vec<u8>> {
    let folder = tempfile::tempdir().expect("a folder");
    let table = |(first, (name, text)): (usize, &(&str, &str))| {
        let mut lines = text.lines().map(|line| line.split(',').collect::<Vec<_>>());
        let names = lines.next().unwrap_or_default();
        let rows: Vec<Vec<&str>> = lines.collect();
        let columns = names.iter().enumerate().map(|(place, name)| {
            let cells = || rows.iter().map(move |row| Some(row[place]).filter(|cell| !cell.is_empty()));
            let numbers: Option<Float64Array> =
                cells().map(|cell| cell.map_or(Some(None), |cell| cell.parse::<f64>().ok().map(Some))).collect();
            let column: ArrayRef = match numbers {
                Some(numbers) if cells().any(|cell| cell.is_some()) => Arc::new(numbers),
                _ => Arc::new(cells().collect::<StringArray>()),
            };
            (*name, column, true)
        });
        let batch = RecordBatch::try_from_iter_with_nullable(columns).expect("a table");
        write_table(folder.path(), name, format, &batch).expect("a table");
        let bytes = fs::read(folder.path().join(format!("{name}.{}", format.extension()))).expect("a table");
        [&[first as u8], bytes.as_slice()].concat()
    };
    TABLES.iter().enumerate().map(table).collect()
}
