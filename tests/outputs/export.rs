//! Tables for warehouses: read back by another reader, and by PostgreSQL where there is one, bit by bit.

use crate::common::e2e::{Row, generate, json, remargin, rows, succeeds};
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

/// Runs the program; its stdout as bytes.
fn export(dir: &Path, args: &[&str]) -> Vec<u8> {
    let done = Command::new(env!("CARGO_BIN_EXE_remargin"))
        .current_dir(dir)
        .args(["export"])
        .args(args)
        .env_remove("REMARGIN_LOG")
        .stdin(Stdio::null())
        .output()
        .unwrap();
    assert_eq!(done.status.code(), Some(0), "{args:?}: {}", String::from_utf8_lossy(&done.stderr));
    done.stdout
}

/// The types of the columns, from the statement for PostgreSQL.
fn types(ddl: &str) -> Vec<(String, String)> {
    let lines = ddl.lines().filter_map(|line| line.strip_prefix("  \""));
    lines
        .map(|line| {
            let (name, rest) = line.split_once("\" ").unwrap();
            let kind =
                ["text", "double precision", "bigint", "boolean"].into_iter().find(|kind| rest.starts_with(kind));
            (name.to_owned(), kind.unwrap().to_owned())
        })
        .collect()
}

/// Reads the binary format of COPY, as PostgreSQL documents it.
fn read_copy(bytes: &[u8], columns: &[(String, String)]) -> Vec<Row> {
    let mut rest = bytes.strip_prefix(b"PGCOPY\n\xff\r\n\0\0\0\0\0\0\0\0\0").unwrap();
    let mut take = |count: usize| {
        let (head, tail) = rest.split_at(count);
        rest = tail;
        head
    };
    let mut rows = Vec::new();
    loop {
        let fields = i16::from_be_bytes(take(2).try_into().unwrap());
        if fields == -1 {
            assert!(rest.is_empty(), "{} bytes behind the end", rest.len());
            return rows;
        }
        assert_eq!(fields as usize, columns.len());
        let mut row = Row::new();
        for (name, kind) in columns {
            let length = i32::from_be_bytes(take(4).try_into().unwrap());
            let cell = if length == -1 {
                String::new()
            } else {
                let bytes = take(length as usize);
                match kind.as_str() {
                    "text" => String::from_utf8(bytes.to_vec()).unwrap(),
                    "double precision" => format!("{:?}", f64::from_be_bytes(bytes.try_into().unwrap())),
                    "bigint" => i64::from_be_bytes(bytes.try_into().unwrap()).to_string(),
                    _ => match bytes {
                        [0] => "false".to_owned(),
                        [1] => "true".to_owned(),
                        other => panic!("{other:?}"),
                    },
                }
            };
            row.insert(name.clone(), cell);
        }
        rows.push(row);
    }
}

fn book(dir: &Path) {
    generate(dir, 400, 4.0, 11, "csv");
    // An account whose name is not plain, and a row that is rejected.
    for table in ["positions", "balances", "accounts"] {
        let file = dir.join("snapshot").join(format!("{table}.csv"));
        let text = fs::read_to_string(&file).unwrap().replace("A00000003,", "\"=ü, \"\"b\"\"\",");
        fs::write(file, text).unwrap();
    }
    let file = dir.join("snapshot/positions.csv");
    let text = fs::read_to_string(&file).unwrap() + "A00000007,NO-SUCH-SWAP,1,2\n";
    fs::write(file, text).unwrap();
    for format in ["parquet", "arrow"] {
        let outcome = remargin(dir, &["run", "snapshot", "--out", format, "--format", format, "--quiet"]);
        assert_eq!(outcome.code, Some(4), "{}", outcome.stderr);
    }
}

#[test]
fn every_table_comes_out_bit_by_bit() {
    let place = tempfile::tempdir().unwrap();
    let dir = place.path();
    book(dir);
    for table in ["accounts", "risk_units", "at_risk", "rejects"] {
        let expected = rows(&dir.join(format!("parquet/{table}.parquet")));
        assert!(!expected.is_empty(), "{table}");
        let ddl = String::from_utf8(export(dir, &["parquet", table, "--ddl", "postgres"])).unwrap();
        let columns = types(&ddl);
        for run in ["parquet", "arrow"] {
            let found = read_copy(&export(dir, &[run, table]), &columns);
            assert!(found == expected, "{run}, {table}");
        }
        // CSV: text in quotes, null as nothing.
        let text = export(dir, &["parquet", table, "--format", "csv"]);
        let mut reader = csv::Reader::from_reader(text.as_slice());
        let head = reader.headers().unwrap().clone();
        let found: Vec<Row> = reader
            .records()
            .map(|record| head.iter().map(str::to_owned).zip(record.unwrap().iter().map(str::to_owned)).collect())
            .collect();
        assert!(found == expected, "{table}");
    }
    let csv = String::from_utf8(export(dir, &["parquet", "accounts", "--format", "csv"])).unwrap();
    assert!(csv.contains("\n\"=ü, \"\"b\"\"\",\"base\","), "text is not guarded: {}", &csv[..400]);

    let manifest = json(&dir.join("parquet/manifest.json"));
    let ddl = String::from_utf8(export(dir, &["parquet", "accounts", "--ddl", "postgres", "--with-run"])).unwrap();
    let columns = types(&ddl);
    let found = read_copy(&export(dir, &["parquet", "accounts", "--with-run"]), &columns);
    assert_eq!((columns[0].0.as_str(), columns[1].0.as_str()), ("run_as_of", "run_identity"));
    for row in &found {
        assert_eq!(
            (&*row["run_as_of"], &*row["run_identity"]),
            (manifest["as_of"].as_str().unwrap(), manifest["identity"].as_str().unwrap())
        );
    }
    assert_eq!(found.len(), rows(&dir.join("parquet/accounts.parquet")).len());
}

#[test]
fn statements_have_the_columns_in_every_dialect() {
    let place = tempfile::tempdir().unwrap();
    let dir = place.path();
    book(dir);
    let names: Vec<String> = {
        let batch = crate::common::e2e::read_parquet(&dir.join("parquet/accounts.parquet"));
        batch.schema().fields().iter().map(|field| field.name().clone()).collect()
    };
    for (dialect, number, begin) in [
        ("postgres", "double precision", "CREATE TABLE \"margin\".\"a\" ("),
        ("clickhouse", "Float64", "CREATE TABLE `margin`.`a` ("),
        ("duckdb", "DOUBLE", "CREATE TABLE \"margin\".\"a\" ("),
        ("snowflake", "FLOAT", "CREATE TABLE \"MARGIN\".\"A\" ("),
        ("bigquery", "FLOAT64", "CREATE TABLE `margin`.`a` ("),
    ] {
        let line = ["parquet", "accounts", "--ddl", dialect, "--as", "margin.a"];
        let ddl = String::from_utf8(export(dir, &line)).unwrap();
        let lines: Vec<&str> = ddl.lines().collect();
        assert!(lines[0] == begin && lines.len() == names.len() + 2, "{ddl}");
        for (line, name) in lines[1..].iter().zip(&names) {
            let found = line.trim_start().split(' ').next().unwrap().trim_matches(['"', '`']).to_lowercase();
            assert_eq!(&found, name, "{dialect}");
            assert!(line.contains(" -- "), "{dialect}: what {name} means is not said: {line}");
        }
        assert!(lines.iter().any(|line| line.contains("mmr") || line.contains("MMR")) && ddl.contains(number), "{ddl}");
    }
}

#[test]
fn what_cannot_be_exported_is_named() {
    let place = tempfile::tempdir().unwrap();
    let dir = place.path();
    book(dir);
    succeeds(dir, &["run", "snapshot", "--out", "csv", "--format", "csv", "--quiet", "--max-rejects", "9"]);
    for (args, code, words) in [
        (&["parquet", "acounts"][..], 3, "`accounts` is nearly called so"),
        (&["parquet", "nonsense"], 3, "one of `accounts`, `risk_units`"),
        (&["snapshot", "accounts"], 3, "manifest.json"),
        (&["csv", "accounts"], 3, "run it again with `--format parquet`"),
        (&["parquet", "accounts", "--ddl", "postgres", "--as", "a; drop table b"], 2, "is no name of a table"),
        (&["parquet", "accounts", "--as", "a"], 2, "--ddl"),
        (&["parquet", "accounts", "--ddl", "oracle"], 2, "possible values"),
    ] {
        let outcome = remargin(dir, &[&["export"], args].concat());
        assert_eq!(outcome.code, Some(code), "{args:?}: {}", outcome.stderr);
        assert!(outcome.stderr.contains(words), "{args:?}: {}", outcome.stderr);
        assert_eq!(outcome.stdout, "");
    }
    // A table that was changed since the run is not passed on.
    let file = dir.join("parquet/accounts.parquet");
    fs::copy(dir.join("parquet/at_risk.parquet"), &file).unwrap();
    let outcome = remargin(dir, &["export", "parquet", "accounts"]);
    assert_eq!((outcome.code, outcome.stdout.as_str()), (Some(3), ""), "{}", outcome.stderr);
    assert!(outcome.stderr.contains("not the one that the manifest lists"), "{}", outcome.stderr);
    fs::remove_file(file).unwrap();
    let outcome = remargin(dir, &["export", "parquet", "accounts"]);
    assert!(outcome.code == Some(3) && outcome.stderr.contains("not there any more"), "{}", outcome.stderr);
}

/// Where the programs of a PostgreSQL are.
fn postgres() -> Option<PathBuf> {
    let versions = fs::read_dir("/usr/lib/postgresql").ok()?.flatten().map(|entry| entry.path().join("bin"));
    versions.filter(|bin| bin.join("initdb").is_file() && bin.join("psql").is_file()).max()
}

/// A server of its own in a folder of its own, that only a socket there leads to.
const SERVER: &str = r#"
set -e
cd "$PLACE"
mkdir -p data socket
"$BIN/initdb" -D data -A trust -U remargin --no-sync --no-locale -E UTF8 > init.log
"$BIN/pg_ctl" -D data -w -s -l server.log -o "-k $PLACE/socket -c listen_addresses='' -c fsync=off" start
trap '"$BIN/pg_ctl" -D data -s -m immediate stop' EXIT
sql() { "$BIN/psql" -h "$PLACE/socket" -U remargin -d postgres -v ON_ERROR_STOP=1 -q -A -t "$@"; }
sql -c 'CREATE SCHEMA margin'
for table in accounts risk_units at_risk rejects; do
    sql -f $table.sql
    sql -c "\\copy margin.$table FROM '$table.pgcopy' (FORMAT binary)"
    sql -c "\\copy margin.$table TO '$table.back' (FORMAT binary)"
    sql -c "CREATE TABLE margin.${table}_csv (LIKE margin.$table)"
    sql -c "\\copy margin.${table}_csv FROM '$table.csv' (FORMAT csv, HEADER)"
    sql -c "\\copy margin.${table}_csv TO '$table.csvback' (FORMAT binary)"
done
sql -c 'SELECT count(*) FROM margin.accounts' > count
"#;

#[cfg(unix)]
#[test]
fn postgres_gives_the_same_bytes_back() {
    let Some(bin) = postgres() else {
        eprintln!("skipped: there is no PostgreSQL");
        return;
    };
    let place = tempfile::tempdir().unwrap();
    let dir = place.path();
    book(dir);
    let server = tempfile::Builder::new().prefix("pg").tempdir_in("/tmp").unwrap();
    let tables = ["accounts", "risk_units", "at_risk", "rejects"];
    for table in tables {
        let as_name = format!("margin.{table}");
        let files = [
            (format!("{table}.sql"), vec!["parquet", table, "--ddl", "postgres", "--as", &as_name]),
            (format!("{table}.pgcopy"), vec!["parquet", table]),
            (format!("{table}.csv"), vec!["parquet", table, "--format", "csv"]),
        ];
        for (name, args) in files {
            fs::write(server.path().join(name), export(dir, &args)).unwrap();
        }
    }
    // PostgreSQL does not run as root.
    let is_root = Command::new("id").arg("-u").output().is_ok_and(|id| id.stdout == b"0\n");
    let mut shell = Command::new(if is_root { "runuser" } else { "bash" });
    if is_root {
        let owned = Command::new("chown").args(["-R", "postgres"]).arg(server.path()).status();
        if !owned.is_ok_and(|done| done.success()) {
            eprintln!("skipped: there is no user `postgres`");
            return;
        }
        shell.args(["-u", "postgres", "--", "bash"]);
    }
    let done = shell.args(["-c", SERVER]).env("PLACE", server.path()).env("BIN", bin).output().unwrap();
    let log = fs::read_to_string(server.path().join("server.log")).unwrap_or_default();
    assert!(done.status.success(), "{}\n{log}", String::from_utf8_lossy(&done.stderr));
    for table in tables {
        let read = |name: &str| fs::read(server.path().join(format!("{table}.{name}"))).unwrap();
        assert!(read("back") == read("pgcopy"), "{table}");
        assert!(read("csvback") == read("pgcopy"), "{table} by CSV");
    }
    let count = fs::read_to_string(server.path().join("count")).unwrap();
    assert_eq!(count.trim(), rows(&dir.join("parquet/accounts.parquet")).len().to_string());
}
