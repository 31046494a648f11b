//! What a stress says of accounts and of the book, and limits, at the Arrow boundary: a book in parts has the bits of
//! the command's files, with weights.

use crate::batches::{Book, assert_equal, one, whole};
use crate::common::e2e::{generate, read_parquet, succeeds};
use crate::in_groups::{of_part, with, write};
use arrow_array::cast::AsArray;
use arrow_array::types::Float64Type;
use arrow_array::{Array, ArrayRef, Float64Array, RecordBatch, StringArray, UInt32Array};
use arrow_select::concat::concat_batches;
use arrow_select::take::take_record_batch;
use remargin::batches::{InOrder, LimitsOf, Recalculated, Request, Rows, Scenarios, recalculate};
use remargin::book::Grouping;
use remargin::limits::{Command, Limits};
use remargin::progress::Silent;
use remargin::stress::Distributed;
use remargin::{Error, rules};
use std::fmt::Write;
use std::fs;
use std::path::Path;
use std::sync::Arc;

/// So many that the figures of all accounts are summed up in more than one piece: 2^20 / 1,300 is 806.
const SCENARIOS: usize = 1_300;
const ACCOUNTS: usize = 900;

/// Name, move of all prices, weight; some weigh nothing.
fn moves(scenarios: usize) -> Vec<(String, f64, Option<f64>)> {
    let weight = |number: usize| Some([0.25, 3.0, 0.0, 1e-3][number % 4]);
    let price = |number: usize| (number * 7919 % scenarios) as f64 / scenarios as f64 * 1.2 - 0.8;
    (0..scenarios).map(|number| (format!("move {number}"), price(number), weight(number))).collect()
}

fn shocks(scenarios: usize) -> Rows {
    let moves = moves(scenarios);
    let names: StringArray = moves.iter().map(|(name, ..)| Some(name.as_str())).collect();
    let bases: StringArray = moves.iter().map(|_| Some("*")).collect();
    let prices: Float64Array = moves.iter().map(|(_, price, _)| Some(*price)).collect();
    let weights: Float64Array = moves.iter().map(|(.., weight)| *weight).collect();
    let columns: [(&str, ArrayRef); 4] = [
        ("scenario", Arc::new(names)),
        ("base", Arc::new(bases)),
        ("price", Arc::new(prices)),
        ("weight", Arc::new(weights)),
    ];
    RecordBatch::try_from_iter(columns).unwrap().into()
}

fn book(dir: &Path, accounts: usize, scenarios: usize) -> Book {
    generate(dir, accounts, 2.0, 29, "parquet");
    let snapshot = dir.join("snapshot");
    let table = read_parquet(&snapshot.join("accounts.parquet"));
    let desk: StringArray = (0..table.num_rows()).map(|row| ["rates", "vol"].get(row % 3).copied()).collect();
    write(&snapshot.join("accounts.parquet"), &with(&table, vec![("desk", Arc::new(desk))]));
    if snapshot.join("checksums").exists() {
        fs::remove_file(snapshot.join("checksums")).unwrap();
    }
    let mut text = "scenario,base,price,weight\n".to_owned();
    for (name, price, weight) in moves(scenarios) {
        writeln!(text, "{name},*,{price},{}", weight.map_or(String::new(), |weight| weight.to_string())).unwrap();
    }
    fs::write(dir.join("shocks.csv"), text).unwrap();
    Book::open(&snapshot)
}

struct Asked<'a> {
    by: &'a [Grouping],
    distribution: Distributed,
    shocks: &'a Rows,
}

fn part(book: &Book, asked: &Asked, part: u32, parts: u32) -> Result<Recalculated, Error> {
    let rules = rules::load(None, &[]).unwrap();
    let [positions, balances, accounts] =
        [&book.positions, &book.balances, &book.accounts].map(|table| whole(&of_part(table, part, parts)));
    let request = Request {
        accounts: Some(&accounts),
        scenarios: Scenarios { shocks: Some(asked.shocks), ..Scenarios::default() },
        groups: asked.by,
        group_terms: true,
        distribution: asked.distribution,
        ..Request::new(&book.market, &positions, &balances, &rules)
    };
    recalculate(&request, &Silent)
}

/// All rows in order of these columns.
fn sorted(batches: &[RecordBatch], keys: &[&str]) -> RecordBatch {
    let all = concat_batches(&batches[0].schema(), batches).unwrap();
    let key = |row: usize| {
        let cell = |name: &&str| {
            let column = all.column_by_name(name).unwrap().as_string::<i32>();
            if column.is_null(row) { String::new() } else { column.value(row).to_owned() }
        };
        keys.iter().map(cell).collect::<Vec<String>>()
    };
    let mut order: Vec<u32> = (0..all.num_rows() as u32).collect();
    order.sort_by_cached_key(|&row| key(row as usize));
    take_record_batch(&all, &UInt32Array::from(order)).unwrap()
}

const BREACH_KEYS: [&str; 6] = ["limit", "scenario", "by", "group", "account_id", "risk_unit"];

fn file(path: &Path) -> RecordBatch {
    let table = read_parquet(path);
    let plain: Vec<ArrayRef> = table
        .columns()
        .iter()
        .map(|array| match array.as_any_dictionary_opt() {
            Some(_) => arrow_cast::cast::cast(array, &arrow_schema::DataType::Utf8).unwrap(),
            None => Arc::clone(array),
        })
        .collect();
    let fields: Vec<_> = table
        .schema()
        .fields()
        .iter()
        .zip(&plain)
        .map(|(field, array)| field.as_ref().clone().with_data_type(array.data_type().clone()))
        .collect();
    RecordBatch::try_new(Arc::new(arrow_schema::Schema::new(fields)), plain).unwrap()
}

const LIMITS: &str = "\
[[limit]]
name = 'group'
rule = 'group.desk.shortfall <= 10'
severity = 'hard'
[[limit]]
name = 'loss'
rule = 'book.equity_loss_es99 <= 1'
severity = 'soft'
[[limit]]
name = 'book'
rule = 'book.liquidation <= 20'
severity = 'info'
";

/// A limit on each scope that a run has beside those of [`LIMITS`].
const OF_RUN: &str = "\
[[limit]]
name = 'account'
rule = 'account.margin_ratio >= 1.5'
severity = 'soft'
[[limit]]
name = 'unit of account'
rule = 'account.unit.*.mmr <= 5e4'
severity = 'soft'
scenarios = ['base', 'move 3']
[[limit]]
name = 'unit'
rule = 'unit.*.cash_delta between -1e5 and 1e5'
severity = 'hard'
[[limit]]
name = 'shortfall'
rule = 'book.shortfall_mmr <= 1'
severity = 'hard'
[[limit]]
name = 'group'
rule = 'group.desk.unit.*.mmr <= 1e4'
severity = 'hard'
only = ['vol']
";

fn limits(text: &str, command: Command) -> LimitsOf {
    LimitsOf::new(Limits::parse(text.to_owned(), Path::new("limits.toml")).unwrap(), command).unwrap()
}

/// What all parts give: tables by name, and how often each limit is breached.
fn in_parts(book: &Book, asked: &Asked, limits: &LimitsOf, parts: u32) -> (Vec<(&'static str, RecordBatch)>, Vec<u64>) {
    let (mut terms, mut worst, mut of_accounts, mut breaches) = (Vec::new(), Vec::new(), Vec::new(), Vec::new());
    let (mut counts, mut last) = (vec![0; limits.limits().all().len()], None);
    for number in 0..parts {
        let found = part(book, asked, number, parts).unwrap();
        terms.push(one(found.groups.as_ref().unwrap().terms.as_ref().unwrap()));
        let mut tables = vec![("accounts", found.accounts.clone()), ("risk_units", found.risk_units.clone())];
        if let Some((of_worst, figures)) = &found.stress {
            worst.push(one(of_worst));
            of_accounts.extend(figures.as_ref().map(one));
            tables.push(("worst", of_worst.clone()));
        }
        let limited = limits.of_accounts(&tables, &Silent).unwrap();
        breaches.push(one(&limited.breaches));
        counts.iter_mut().zip(&limited.each).for_each(|(sum, limit)| *sum += limit.breaches);
        last = Some(found);
    }
    let last = last.unwrap();
    let mut all = InOrder::new(asked.by, &last.scenario_names, &last.unit_names).unwrap();
    if asked.distribution != Distributed::None {
        all = all.with_stress(asked.distribution, &last.scenario_weights).unwrap();
    }
    let mut all = all.with_limits(limits.clone()).unwrap();
    let terms = sorted(&terms, &["account_id"]);
    for start in (0..terms.num_rows()).step_by(97) {
        all.add(&terms.slice(start, 97.min(terms.num_rows() - start))).unwrap();
    }
    let summed = all.finish().unwrap();
    let limited = summed.limits.unwrap();
    breaches.push(one(&limited.breaches));
    counts.iter_mut().zip(&limited.each).for_each(|(sum, limit)| *sum += limit.breaches);
    let mut tables = vec![
        ("groups", one(&summed.groups)),
        ("group_units", one(&summed.group_units)),
        ("breaches", sorted(&breaches, &BREACH_KEYS)),
    ];
    if let Some([scenarios, distribution, tail]) = &summed.stress {
        tables.extend([("scenarios", one(scenarios)), ("distribution", one(distribution)), ("tail", one(tail))]);
        tables.push(("worst", sorted(&worst, &["account_id"])));
    }
    if !of_accounts.is_empty() {
        tables.push(("accounts_distribution", sorted(&of_accounts, &["account_id"])));
    }
    (tables, counts)
}

fn assert_as_files(tables: &[(&'static str, RecordBatch)], out: &Path, what: &str) {
    for (name, found) in tables {
        let expected = file(&out.join(format!("{name}.parquet")));
        let expected = if *name == "breaches" { sorted(&[expected], &BREACH_KEYS) } else { expected };
        assert!(found.num_rows() > 0 && found.num_rows() == expected.num_rows(), "{what}: {name}");
        assert_equal(found, &expected, &format!("{what}: {name}"));
    }
}

#[test]
fn a_stress_in_parts_has_the_bits_of_the_files() {
    let by: Vec<Grouping> = vec!["desk".parse().unwrap()];
    let worst = "[[limit]]\nname = 'worst'\nrule = 'worst.liquidation_probability <= 20%'\nseverity = 'soft'\n";
    let text = format!("{LIMITS}{worst}");
    let line = ["stress", "snapshot", "--shocks", "shocks.csv", "--limits", "limits.toml", "--no-report", "--quiet"];
    let limits = limits(&text, Command::Stress);
    for (distribution, word, parts, [accounts, scenarios]) in
        [(Distributed::Accounts, "accounts", 3, [ACCOUNTS, SCENARIOS]), (Distributed::Book, "book", 2, [300, 60])]
    {
        let place = tempfile::tempdir().unwrap();
        let dir = place.path();
        let (book, shocks) = (book(dir, accounts, scenarios), shocks(scenarios));
        fs::write(dir.join("limits.toml"), &text).unwrap();
        succeeds(dir, &[&line[..], &["--out", word, "--distribution", word]].concat());
        let asked = Asked { by: &by, distribution, shocks: &shocks };
        let (tables, counts) = in_parts(&book, &asked, &limits, parts);
        assert_eq!(tables.len(), if word == "accounts" { 8 } else { 7 });
        assert_as_files(&tables, &dir.join(word), word);
        assert!(counts.iter().all(|breaches| *breaches > 0), "{counts:?}");
        let weights = tables.iter().find(|(name, _)| *name == "scenarios").unwrap().1.column_by_name("weight").unwrap();
        let weights = weights.as_primitive::<Float64Type>();
        assert!(weights.is_null(0) && weights.value(2) == 3.0, "{weights:?}");
        let none = Rows::new(shocks.schema().clone(), Vec::new()).unwrap();
        let asked = Asked { by: &by, distribution: Distributed::Book, shocks: &none };
        assert!(part(&book, &asked, 0, 1).is_err());
    }
}

#[test]
fn limits_of_a_run_in_parts_have_the_rows_of_the_files() {
    let place = tempfile::tempdir().unwrap();
    let dir = place.path();
    let book = book(dir, 300, 40);
    fs::write(dir.join("limits.toml"), OF_RUN).unwrap();
    let line = ["run", "snapshot", "--out", "out", "--shocks", "shocks.csv", "--limits", "limits.toml", "--no-report"];
    succeeds(dir, &line);
    let limits = limits(OF_RUN, Command::Run);
    assert!(limits.need_all_accounts());
    let by: Vec<Grouping> = limits.limits().all().iter().filter_map(|of| of.rule.scope.grouping().cloned()).collect();
    let shocks = shocks(40);
    for parts in [1, 4] {
        let asked = Asked { by: &by, distribution: Distributed::None, shocks: &shocks };
        let (tables, counts) = in_parts(&book, &asked, &limits, parts);
        assert_as_files(&tables, &dir.join("out"), &format!("{parts} parts"));
        assert!(counts.iter().all(|breaches| *breaches > 0), "{counts:?}");
    }
    let refused = LimitsOf::new(
        Limits::parse("[[limit]]\nname = 'a'\nrule = 'worst.mmr < 1'\nseverity = 'soft'\n".to_owned(), Path::new("l"))
            .unwrap(),
        Command::Run,
    );
    assert!(refused.is_err());
    let asked = Asked { by: &by, distribution: Distributed::None, shocks: &shocks };
    let groups = part(&book, &asked, 0, 1).unwrap().groups.unwrap().groups;
    let other = limits.of_accounts(&[("groups", groups)], &Silent);
    assert!(matches!(other, Err(Error::Usage(_))));
}
