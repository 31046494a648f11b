//! Files and columns of a snapshot that nothing reads. One that is nearly called like one that is read is an error.

use super::schema::ROW;
use super::warning::{Warning, first_few};
use super::{CHECKSUMS, MANIFEST, Table};
use crate::formats::Column;
use crate::formats::scan::Opened;
use crate::source;
use crate::{Invalid, Result};
use std::path::{Path, PathBuf};
use strsim::damerau_levenshtein;

/// What lies in a snapshot and is not read.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Unused {
    /// Files and folders beside the tables, in byte order.
    pub files: Vec<PathBuf>,
    /// Columns of the tables, by table and name.
    pub columns: Vec<(Table, String)>,
}

/// Tables that lie in the folder of a snapshot and are read by some commands only.
const MORE_TABLES: [&str; 2] = ["shocks", "operations"];
/// Ends of names that hold tables, ours or others'.
const DATA: [&str; 26] = [
    "csv", "txt", "tsv", "tab", "psv", "parquet", "parq", "pq", "arrow", "feather", "ipc", "arrows", "json", "jsonl",
    "ndjson", "xlsx", "xls", "ods", "avro", "orc", "gz", "zst", "bz2", "xz", "zip", "",
];
/// Files that go with a snapshot and are no tables.
const BESIDE: [&str; 6] = [MANIFEST, CHECKSUMS, "rules.toml", "import.json", "manifest.json", "summary.json"];
/// What such files begin with, in lower case.
const BESIDE_BEGIN: [&str; 9] =
    [".", "_", "readme", "license", "licence", "notice", "changelog", "sha256sums", "md5sums"];
/// What such files end with, in lower case.
const BESIDE_END: [&str; 8] = [".md", ".txt", ".sha256", ".b3", ".md5", ".crc", ".log", ".sig"];

fn goes_beside(name: &str) -> bool {
    let lower = name.to_lowercase();
    BESIDE.contains(&name)
        || BESIDE_BEGIN.iter().any(|begin| lower.starts_with(begin))
        || BESIDE_END.iter().any(|end| lower.ends_with(end)) && !is_table_as_text(&lower)
}

/// True for `orders.txt` and `orders.csv.txt`, which some editors make of a CSV file.
fn is_table_as_text(lower: &str) -> bool {
    let Some((stem, _)) = lower.strip_suffix(".txt").and(lower.split_once('.')) else { return false };
    table_names().any(|table| is_near(stem, table))
}

/// The tables of a snapshot, those among them that only some commands read.
fn table_names() -> impl Iterator<Item = &'static str> {
    Table::ALL.iter().map(|table| table.name()).chain(MORE_TABLES)
}

/// The files of a folder that nothing reads; `read` are those that are read, the folders of parts among them.
///
/// # Errors
/// [`Invalid`] if the folder cannot be listed.
pub(super) fn files(dir: &Path, read: &[PathBuf]) -> Result<Vec<PathBuf>> {
    let mut unused = Vec::new();
    for path in source::entries(dir)? {
        let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
        let is_more = MORE_TABLES.iter().any(|table| name.split('.').next() == Some(table));
        if !read.contains(&path) && !goes_beside(&name) && !is_more {
            unused.push(PathBuf::from(name));
        }
    }
    unused.sort();
    Ok(unused)
}

/// How the name of a file differs from that of the table that it is meant to be.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Slip {
    /// Right but for its end.
    Form,
    /// A letter or two.
    Letters,
    /// More words: `accounts (1).csv`, `accounts_v2.csv`, `pending_orders.csv`.
    Words,
}

/// The table that a file is meant to be, by its name; `tables` are there.
pub(super) fn meant(file: &Path, tables: &[Table]) -> Option<(&'static str, Slip)> {
    let name = file.file_name()?.to_string_lossy().to_lowercase();
    let (stem, end) = name.split_once('.').unwrap_or((&name, ""));
    if !DATA.contains(&end.rsplit('.').next().unwrap_or_default()) {
        return None;
    }
    let near = table_names().filter(|table| is_near(stem, table)).min_by_key(|table| damerau_levenshtein(stem, table));
    near.map(|near| (near, if near == stem { Slip::Form } else { Slip::Letters })).or_else(|| {
        let table = Table::ALL.iter().find(|table| is_among_words(stem, table.name(), tables.contains(table)))?;
        Some((table.name(), Slip::Words))
    })
}

/// Words of files that are kept beside a table on purpose.
const KEPT: [&str; 12] = [
    "old",
    "bak",
    "backup",
    "orig",
    "original",
    "prev",
    "previous",
    "yesterday",
    "sample",
    "example",
    "template",
    "schema",
];

/// True if the words of a name are those of a table and more. Where the table is missing, the plural may be too; where
/// it is there, a file with a date, or one that is called old, is a copy that is kept.
fn is_among_words(stem: &str, table: &str, is_there: bool) -> bool {
    let words: Vec<&str> =
        stem.split(|letter: char| !letter.is_alphanumeric()).filter(|word| !word.is_empty()).collect();
    let wanted: Vec<&str> = table.split('_').collect();
    let is_word =
        |(word, wanted): (&&str, &&str)| word == wanted || !is_there && wanted.strip_suffix('s') == Some(word);
    let mut places = words.windows(wanted.len());
    let Some(place) = places.position(|words| words.iter().zip(&wanted).all(is_word)) else { return false };
    let rest = words.iter().enumerate().filter(|(at, _)| !(place..place + wanted.len()).contains(at));
    let is_date = |word: &str| word.len() >= 4 && word.bytes().all(|byte| byte.is_ascii_digit());
    let is_kept = |word: &str| KEPT.contains(&word) || is_date(word);
    words.len() > wanted.len() && !(is_there && rest.into_iter().any(|(_, word)| is_kept(word)))
}

/// Refuses files that are nearly called like a table, and tables in a form that is not read.
///
/// # Errors
/// [`Invalid`] naming the file and the table.
pub(super) fn refuse_near_files(dir: &Path, files: &[PathBuf], tables: &[Table]) -> Result<()> {
    for file in files {
        let Some((table, slip)) = meant(file, tables) else { continue };
        let is_form = slip == Slip::Form;
        let is_there = tables.iter().any(|there| there.name() == table);
        // Beside a table that is there, the same in a form that is not read is a copy.
        if is_form && is_there {
            continue;
        }
        let problem = if is_form { "a table in a form that is not read" } else { "a file that no table is read from" };
        return Err(Invalid::new(problem)
            .file(dir.join(file))
            .expected(forms(table))
            .hint(if is_there {
                format!("is it another `{table}` than the one that is read? `--allow-unknown` leaves it unread")
            } else {
                format!("it seems to be meant as table `{table}`; `--allow-unknown` leaves it unread")
            })
            .into());
    }
    Ok(())
}

/// How a table may be stored.
pub(super) fn forms(name: &str) -> String {
    format!("`{name}.parquet`, `{name}.arrow`, `{name}.csv` or a folder `{name}` of Parquet parts")
}

/// Columns of positions that would say what only the sign of `qty` says.
const SIDES: [&str; 6] = ["side", "posside", "positionside", "direction", "longshort", "buysell"];

/// Other names of columns that may be absent, as [`plain`] has them: absent they would count as zero or as no limit.
const OTHER_NAMES: [(&str, &[&str]); 8] = [
    ("interest", &["accrued", "accruedinterest", "interestaccrued", "accruedint", "accrint", "liabinterest"]),
    ("spot_in_use_cap", &["spotcap", "cap", "inusecap", "spotinuse", "spotinuselimit", "spotlimit", "clspotinuseamt"]),
    ("ts", &["timestamp", "time", "datetime", "tsms", "tsns", "markts", "indexts", "utime", "updatedat", "asof"]),
    ("bid_px", &["bid", "bestbid", "bidprice"]),
    ("ask_px", &["ask", "bestask", "askprice"]),
    ("col_res", &["colres", "collateralrestriction", "restricted", "collateralrestricted"]),
    ("fee_rate", &["fee", "feerate", "takerfee", "taker", "takerrate", "takerfeerate"]),
    ("lot_sz", &["lot", "lotsize"]),
];

/// True if a name is another one of a column.
fn is_other_name(plain: &str, column: &str) -> bool {
    OTHER_NAMES.iter().any(|(known, others)| *known == column && others.contains(&plain))
}

/// The columns of a table's file that nothing reads.
///
/// # Errors
/// [`Invalid`] for one that is nearly called like a column that the file lacks, and for the side of a position, unless
/// they are allowed.
pub(super) fn columns(table: Table, file: &Path, found: &[String], allowed: bool) -> Result<Vec<String>> {
    let mut unused = Vec::new();
    for name in found {
        // The number of a row in the table that a bucket was cut from.
        if name == ROW || OF_IMPORT.contains(&name.as_str()) || table.columns().iter().any(|column| column.name == name)
        {
            continue;
        }
        unused.push(name.clone());
        let invalid = |expected: String, hint: &str| {
            Invalid::new("a column that is not read")
                .file(file)
                .column(name)
                .expected(expected)
                .hint(format!("{hint}; `--allow-unknown` leaves it unread"))
        };
        let plain = plain(name);
        let lacks = |column: &&crate::formats::Column| found.iter().all(|found| found != column.name);
        let is_meant =
            |column: &&Column| is_near(&plain, &self::plain(column.name)) || is_other_name(&plain, column.name);
        let near = table.columns().iter().filter(lacks).find(is_meant);
        if let Some(column) = near.filter(|_| !allowed) {
            return Err(invalid(format!("`{}`", column.name), "it seems to be meant so").into());
        }
        if table == Table::Positions && SIDES.contains(&plain.as_str()) && !allowed {
            let expected = "the side in the sign of `qty`: short positions are negative".to_owned();
            return Err(invalid(expected, "give `qty` its sign and leave the column away").into());
        }
    }
    Ok(unused)
}

/// Refuses columns of a table of scenarios or operations that are not read: a move under another name would not count.
///
/// # Errors
/// [`Invalid`] naming the column and what the columns are called.
pub(super) fn refuse_columns(opened: &Opened, columns: &[Column]) -> Result<()> {
    for (file, names) in opened.names() {
        if let Some(name) = names.iter().find(|name| columns.iter().all(|column| column.name != name.as_str())) {
            let known: Vec<&str> = columns.iter().map(|column| column.name).collect();
            return Err(Invalid::new("a column that is not read")
                .file(file)
                .column(name)
                .expected(format!("only {}", known.join(", ")))
                .hint("rename the column, or leave it away")
                .into());
        }
    }
    Ok(())
}

/// Columns that `import` writes beside a price, to say where it is from.
const OF_IMPORT: [&str; 4] = ["mark_source", "vol_source", "fwd_source", "px_source"];

/// A name without what spellings of it differ by.
fn plain(name: &str) -> String {
    name.chars().filter(|letter| letter.is_alphanumeric()).flat_map(char::to_lowercase).collect()
}

/// True if two names differ by a slip: one letter, or two in a long name; nothing but their spelling in a short one.
fn is_near(name: &str, known: &str) -> bool {
    let slips = match known.chars().count() {
        0..=3 => 0,
        4..=6 => 1,
        _ => 2,
    };
    damerau_levenshtein(name, known) <= slips
}

impl Unused {
    /// What a run says of it.
    pub(super) fn warnings(&self) -> Vec<Warning> {
        let mut warnings = Vec::new();
        if !self.files.is_empty() {
            let names: Vec<_> = self.files.iter().map(|file| file.to_string_lossy()).collect();
            let text = format!("files that are not read: {}", first_few(names.iter().map(AsRef::as_ref)));
            warnings.push(Warning::new(Warning::UNUSED_FILES, self.files.len() as u64, text));
        }
        let (attributes, others): (Vec<_>, Vec<_>) =
            self.columns.iter().partition(|(table, _)| *table == Table::Accounts);
        for (code, columns, what) in [
            (Warning::UNUSED_COLUMNS, others, "columns that are not read"),
            (Warning::ATTRIBUTES, attributes, "columns that accounts could be grouped by, and are not"),
        ] {
            if !columns.is_empty() {
                let names: Vec<_> = columns.iter().map(|(table, name)| format!("{}.{name}", table.name())).collect();
                let text = format!("{what}: {}", first_few(names.iter().map(String::as_str)));
                warnings.push(Warning::new(code, columns.len() as u64, text));
            }
        }
        warnings
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_file_is_meant_to_be() {
        for (name, expected) in [
            ("account.csv", Some(("accounts", Slip::Letters))),
            ("orders.txt", Some(("orders", Slip::Form))),
            ("orders.csv.txt", Some(("orders", Slip::Form))),
            ("Positions.parquet", Some(("positions", Slip::Form))),
            ("position", Some(("positions", Slip::Letters))),
            ("blances.parquet", Some(("balances", Slip::Letters))),
            ("marks.xlsx", Some(("marks", Slip::Form))),
            ("mark.csv", Some(("marks", Slip::Letters))),
            ("positions (1).csv", Some(("positions", Slip::Words))),
            ("positions_v2.parquet", Some(("positions", Slip::Words))),
            ("Copy of positions.csv", Some(("positions", Slip::Words))),
            ("positions.csv.bak", None),
            ("positions_2026-01-14.csv", None),
            ("positions_old.csv", None),
            ("accounts (1).csv", Some(("accounts", Slip::Words))),
            ("accounts_2026-01-14.csv", Some(("accounts", Slip::Words))),
            ("account_settings.csv", Some(("accounts", Slip::Words))),
            ("pending_orders.csv", Some(("orders", Slip::Words))),
            ("spot-pairs-okx.csv", Some(("spot_pairs", Slip::Words))),
            ("shocks_2020.csv", None),
            ("mark_prices.csv", None),
            ("markets.csv", None),
            ("notes.csv", None),
        ] {
            assert_eq!(meant(Path::new(name), &[Table::Positions, Table::Marks]), expected, "{name}");
        }
    }

    #[test]
    fn columns_that_are_nearly_read() {
        let check = |table, found: &[&str]| {
            let found: Vec<String> = found.iter().map(ToString::to_string).collect();
            columns(table, Path::new("t.csv"), &found, false).map_err(|error| error.to_string())
        };
        let balances = ["account_id", "ccy", "cash"];
        for (more, near) in [
            ("spot_in_use_capp", Some("`spot_in_use_cap`")),
            ("spotInUseCap", Some("`spot_in_use_cap`")),
            ("Interest", Some("`interest`")),
            ("accrued", Some("`interest`")),
            ("spot_cap", Some("`spot_in_use_cap`")),
            ("interest_rate", None),
            ("desk", None),
        ] {
            let found = [&balances[..], &[more]].concat();
            match (check(Table::Balances, &found), near) {
                (Ok(unused), None) => assert_eq!(unused, [more]),
                (Err(error), Some(near)) => assert!(error.contains(near), "{error}"),
                (other, _) => panic!("{more}: {other:?}"),
            }
        }
        assert!(check(Table::Positions, &["account_id", "posSide"]).is_err_and(|error| error.contains("sign")));
        assert_eq!(check(Table::Marks, &["inst_id", "tz"]), Ok(vec!["tz".to_owned()]));
        assert!(check(Table::Marks, &["inst_id", "timestamp"]).is_err_and(|error| error.contains("`ts`")));
        assert_eq!(check(Table::Marks, &["ts", "timestamp"]), Ok(vec!["timestamp".to_owned()]));
    }
}
