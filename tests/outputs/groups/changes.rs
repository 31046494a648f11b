//! What changed in each group from one run to another.

use super::{assert_near, book, number};
use crate::common::e2e::{read_parquet, rows, succeeds};
use arrow_array::cast::AsArray;
use arrow_array::{BooleanArray, RecordBatch, StringArray};
use parquet::arrow::ArrowWriter;
use std::collections::{BTreeMap, BTreeSet};
use std::fs::File;
use std::path::Path;
use std::sync::Arc;

/// The desks of an account in two runs, by account.
fn members(run: &Path, by: &str) -> BTreeMap<String, String> {
    let all = rows(&run.join("account_groups.parquet"));
    all.into_iter().filter(|row| row["by"] == by).map(|row| (row["account_id"].clone(), row["group"].clone())).collect()
}

const CAUSES: [&str; 5] = ["positions", "prices", "vols", "time", "parameters"];

#[test]
fn changes_of_groups_are_those_of_their_accounts() {
    let place = tempfile::tempdir().unwrap();
    let root = place.path();
    book(root, 300, 5.0);
    succeeds(root, &["run", "snapshot", "--out", "a", "--by", "desk", "--by", "region"]);
    // The next day: another price, some accounts at another desk, one that is gone, another rule.
    let path = root.join("snapshot/accounts.parquet");
    let table = read_parquet(&path);
    let desk = table.schema().index_of("desk").unwrap();
    let mut columns = table.columns().to_vec();
    let moved = columns[desk].as_string::<i32>().iter().enumerate();
    let moved = moved.map(|(row, desk)| if row % 17 == 3 { Some("new desk") } else { desk });
    columns[desk] = Arc::new(moved.collect::<StringArray>());
    let mut writer = ArrowWriter::try_new(File::create(&path).unwrap(), table.schema(), None).unwrap();
    writer.write(&RecordBatch::try_new(table.schema(), columns).unwrap()).unwrap();
    writer.close().unwrap();
    for name in ["positions", "balances", "accounts"] {
        let path = root.join(format!("snapshot/{name}.parquet"));
        let table = read_parquet(&path);
        let ids = table.column_by_name("account_id").unwrap().as_string::<i32>();
        let keep: BooleanArray = ids.iter().map(|id| Some(!id.unwrap().ends_with('7'))).collect();
        let table = arrow_select::filter::filter_record_batch(&table, &keep).unwrap();
        let mut writer = ArrowWriter::try_new(File::create(&path).unwrap(), table.schema(), None).unwrap();
        writer.write(&table).unwrap();
        writer.close().unwrap();
    }
    let b = ["run", "snapshot", "--out", "b", "--set", "mr4.floor.major=0.02", "--by", "vip", "--by", "desk"];
    succeeds(root, &b);
    // The snapshot of A is another now: what the runs have written is compared, without causes.
    succeeds(root, &["compare", "a", "b", "--out", "plain", "--plain"]);
    let changes = rows(&root.join("plain/changes.parquet"));
    let found = rows(&root.join("plain/group_changes.parquet"));
    let (of_a, of_b) = (members(&root.join("a"), "desk"), members(&root.join("b"), "desk"));
    assert!(of_a.len() > of_b.len());
    let names: BTreeSet<&String> = of_a.values().chain(of_b.values()).collect();
    assert_eq!(found.iter().map(|row| &row["group"]).collect::<Vec<_>>(), names.into_iter().collect::<Vec<_>>());
    let mut all_moved = 0.0;
    for row in &found {
        let group = &row["group"];
        assert_eq!(row["by"], "desk", "a grouping of one run alone is not compared");
        let is_of = |members: &BTreeMap<String, String>, id: &str| members.get(id) == Some(group);
        let sum = |column: &str, members: &BTreeMap<String, String>| -> f64 {
            changes.iter().filter(|row| is_of(members, &row["account_id"])).map(|row| number(row, column)).sum()
        };
        for figure in ["mmr", "imr", "adj_eq", "total_eq"] {
            let [a, b] = [sum(&format!("{figure}_a"), &of_a), sum(&format!("{figure}_b"), &of_b)];
            assert_near(number(row, &format!("{figure}_a")), a, a.abs(), &format!("{group} {figure}"));
            assert_near(number(row, &format!("{figure}_b")), b, b.abs(), &format!("{group} {figure}"));
            assert_near(
                number(row, &format!("{figure}_change")),
                b - a,
                a.abs() + b.abs(),
                &format!("{group} {figure}"),
            );
        }
        let count = |is: &dyn Fn(&str) -> bool| changes.iter().filter(|row| is(&row["account_id"])).count().to_string();
        assert_eq!(row["accounts_a"], count(&|id| is_of(&of_a, id)));
        assert_eq!(row["accounts_b"], count(&|id| is_of(&of_b, id)));
        assert_eq!(row["accounts_joined"], count(&|id| is_of(&of_b, id) && !is_of(&of_a, id)));
        assert_eq!(row["accounts_left"], count(&|id| is_of(&of_a, id) && !is_of(&of_b, id)));
        assert!(row["mmr_prices"].is_empty() && row["mmr_main_cause"].is_empty());
        all_moved += number(row, "mmr_moved");
    }
    assert_near(all_moved, 0.0, 1e6, "what moves from one desk to another");
    // With causes: two rule sets over one snapshot.
    succeeds(root, &["run", "snapshot", "--out", "c", "--by", "desk"]);
    succeeds(root, &["compare", "b", "c", "--out", "why"]);
    let (changes, found) = (rows(&root.join("why/changes.parquet")), rows(&root.join("why/group_changes.parquet")));
    for row in &found {
        for of in ["mmr", "excess"] {
            let causes = CAUSES.map(|cause| number(row, &format!("{of}_{cause}")));
            let whole = number(row, &format!("{of}_change"));
            assert_near(causes.iter().sum::<f64>() + number(row, &format!("{of}_moved")), whole, whole.abs(), of);
            for cause in CAUSES {
                let of_group = changes.iter().filter(|change| of_b.get(&change["account_id"]) == Some(&row["group"]));
                let sum: f64 = of_group.map(|change| number(change, &format!("{of}_{cause}"))).sum();
                assert_near(number(row, &format!("{of}_{cause}")), sum, sum.abs(), &format!("{of}_{cause}"));
            }
        }
        assert!(["", "parameters"].contains(&row["mmr_main_cause"].as_str()), "{row:?}");
    }
    assert!(found.iter().any(|row| row["mmr_main_cause"] == "parameters"));
    // Runs without a grouping in common have no such table.
    succeeds(root, &["run", "snapshot", "--out", "d"]);
    succeeds(root, &["compare", "c", "d", "--out", "none"]);
    assert!(!root.join("none/group_changes.parquet").exists());
}
