//! What a page may hold, and how large it may be.

use super::content::{PageFile, UnitEntry, UnitsByAccount};
use super::words::{cut, digits, money};
use super::*;
use crate::figures::{UnitFigure, UnitRow};
use crate::fixture;
use crate::results::ResultRow;
use crate::rules::{Mark, RuleValue, RulesId};
use crate::totals::charges::Charges;
use crate::totals::spread::{Floor, Spread};
use crate::totals::summary::{BindingCounts, Tally, UnitSummary, UnmarginedAccount};
use serde_json::{Value, json};

#[test]
fn figures_are_rounded_for_people() {
    for (found, expected) in [
        (money(Some(1234.567)), json!(1234.57)),
        (money(Some(-1_234_567.8)), json!(-1_234_568)),
        (money(Some(100.0)), json!(100)),
        (money(Some(-0.0)), json!(0)),
        (money(Some(1e18)), json!(1e18)),
        (money(None), Value::Null),
        (digits(Some(0.123_456_78)), json!(0.123_457)),
        (digits(Some(-12.0)), json!(-12)),
        (digits(Some(1e-9)), json!(1e-9)),
    ] {
        assert_eq!(found, expected);
    }
}

#[test]
fn nothing_in_the_figures_ends_their_element() {
    let text = "</script><script>alert(1)</script><!-- & \u{2028}\u{2029} ]]>";
    let json = serde_json::to_string(text).unwrap();
    let escaped = escaped(&json);
    assert!(!escaped.contains(['<', '>', '&', '\u{2028}', '\u{2029}']), "{escaped}");
    assert_eq!(serde_json::from_str::<String>(&escaped).unwrap(), text);
}

/// Every list is as long as it can be, every text longer than it may be, every number as wide as any.
#[test]
fn a_page_is_below_three_megabytes_whatever_the_book() {
    let id = |n: usize| format!("{n}{}", "é<".repeat(500));
    let wide = 987_654_321_987_654.3;
    let tally = Tally::new(0);
    let mut summary = tally
        .summary(
            &fixture::snapshot(3),
            &fixture::rules(),
            &[],
            &Spread::new(0, &fixture::rules().rules.status, &Floor::default()),
        )
        .unwrap();
    let charges = Charges { mr1: wide, mr2: wide, mr3: wide, mr4: wide, mr5: wide, mr6: wide, mr7: wide, mr9: wide };
    let binding = BindingCounts { mr1: u64::MAX, mr2: u64::MAX, mr6: u64::MAX, mr7: u64::MAX, none: u64::MAX };
    summary.risk_units = (0..5000)
        .map(|n| UnitSummary {
            risk_unit: format!("UNDERLYING{n}-USDT"),
            accounts: u64::MAX,
            mmr: wide,
            mmr_share: Some(1.0 / 3.0),
            binding,
            charges,
            mmr_no_hedge: wide,
        })
        .collect();
    summary.unmargined = (0..5000)
        .map(|n| UnmarginedAccount { account_id: id(n), reason: "unknown_instrument".into(), broken_rows: 1 })
        .collect();
    let file = |n: usize| PageFile { path: id(n), bytes: u64::MAX, rows: Some(u64::MAX), blake3: "f".repeat(64) };
    let files: Vec<PageFile> = (0..5000).map(file).collect();
    let mark = Mark { mark: "A".into(), note: id(2) };
    let value = |n: usize| RuleValue { key: id(n), value: id(n), source: "--set".into(), mark: Some(mark.clone()) };
    let values: Vec<RuleValue> = (0..5000).map(value).collect();
    let rules = RulesId { name: "rules".into(), hash: "f".repeat(64) };
    let identity = Identity::new(&summary.as_of, "0.1.0", rules, &values, files, Vec::new()).labelled(Some(&id(1)));
    let row = |n: usize| {
        let names =
            vec![id(n), "base".into(), "near_liquidation".into(), id(1), "mr1".into(), "crossed".into(), "none".into()];
        AtRiskRow::read(ResultRow { names, figures: vec![Some(wide); 10] }).unwrap()
    };
    let narrow = UnitRow::from(&fixture::units(1).next().unwrap());
    let figures = UnitFigure::ALL.into_iter().fold(narrow, |row, figure| row.with(figure, wide));
    let unit = UnitEntry { name: id(1), figures: figures.with(UnitFigure::mr1_vol, 1.0) };
    let units: UnitsByAccount = (0..AT_RISK_SHOWN).map(|n| (id(n), vec![unit.clone(); 50])).collect();
    let rows = (0..AT_RISK_SHOWN).map(row).collect();
    let blame = |n: usize| Blame { table: "positions".into(), row: u64::MAX, column: "inst_id".into(), value: id(n) };
    let blames = (0..5000).map(|n| (id(n), blame(n))).collect();
    let page = Page::new(identity, &summary, None).with_blame(&blames).with_rows(rows, Some(units));
    let bytes = render(&page).unwrap().len();
    assert!(bytes < 3_000_000, "{bytes} bytes");
    assert_eq!(cut(&id(1), 3), "1é<…");
}
