//! The built-in sets and their marks, overlays and their names.

use super::tests::{overlay, set};
use super::*;

#[test]
fn every_figure_of_every_built_in_set_has_a_mark() {
    for set in &BUILT_INS {
        let loaded = load(Some(Path::new(set.name)), &[]).unwrap();
        assert_eq!(loaded.rules.name, set.name);
        assert_eq!(loaded.rules.effective_from_ns, set.effective_from_ns(), "{}", set.name);
        let bare: Vec<&str> =
            loaded.values.iter().filter(|value| value.mark.is_none()).map(|value| value.key.as_str()).collect();
        assert_eq!(bare, ["name"], "{}", set.name);
        for value in
            loaded.values.iter().filter(|value| value.mark.as_ref().is_some_and(|mark| mark.mark.contains('P')))
        {
            // What is published has a date, or says that it has none.
            let note = &value.mark.as_ref().unwrap().note;
            assert!(note.contains("20") || note.contains("undated"), "{} {}: {note}", set.name, value.key);
        }
        let counts = loaded.figures();
        let all = counts.published + counts.measured + counts.assumed + counts.own;
        assert_eq!((all, counts.own, counts.measured), (loaded.values.len() as u64 - 1, 0, 0), "{}", set.name);
        assert!(counts.published > 5 && counts.assumed > 5, "{}: {counts:?}", set.name);
    }
    assert!(BUILT_INS.is_sorted_by(|a, b| a.effective_from_ns() < b.effective_from_ns()));
}

#[test]
fn the_newer_set_is_the_one_in_force() {
    let default = set(&[]).unwrap();
    // Days since the default set.
    let day = |days: i64| default.rules.effective_from_ns + days * 86_400_000_000_000;
    let old = load(Some(Path::new("okx-pm2-2024-06")), &[]).unwrap();
    let name = |loaded: &LoadedRules, at| loaded.newer(at).map(|set| set.name);
    assert_eq!(name(&default, day(100)), None);
    assert_eq!(name(&default, day(400)), Some("okx-pm2-2025-12"));
    assert_eq!(name(&old, day(100)), Some("okx-pm2-2025-01"));
    assert_eq!(name(&old, day(-30)), None);
}

#[test]
fn an_overlay_has_a_name_of_its_own() {
    let place = tempfile::tempdir().unwrap();
    let file = place.path().join("desk.toml");
    for (text, expected) in [
        ("extends = \"okx-pm2-2025-12\"\nrate = 0.01   # [M] probe 7\n", "okx-pm2-2025-12+desk"),
        ("extends = \"okx-pm2-2024-06\"\nname = \"mine\"\n", "mine"),
    ] {
        std::fs::write(&file, text).unwrap();
        assert_eq!(load(Some(&file), &[]).unwrap().rules.name, expected);
    }
    assert_eq!(load_text("extends = \"okx-pm2-2025-01\"", &[]).unwrap().rules.name, "okx-pm2-2025-01+overlay");
}

#[test]
fn marks_come_with_the_layer_that_gives_the_value() {
    let file = overlay("name = \"desk\"\nrate = 0.01   # [M] probe 7\nmr5.rate_shift = 0.1");
    let loaded = load(Some(file.path()), &["mr2.days=2".to_owned()]).unwrap();
    let mark = |key: &str| loaded.values.iter().find(|value| value.key == key).unwrap().mark.clone();
    assert_eq!(mark("rate").map(|mark| (mark.label(), mark.note)), Some(("[M]".to_owned(), "probe 7".to_owned())));
    assert_eq!((mark("mr5.rate_shift"), mark("mr2.days")), (None, None));
    assert!(mark("mr6.charge").unwrap().is_published());
    assert_eq!((loaded.figures().measured, loaded.figures().own), (1, 2));
}

#[test]
fn sets_differ_in_what_their_values_say() {
    let (a, b) = (set(&[]).unwrap(), set(&["rate=0.01", "discount.SOL=[[inf,1]]"]).unwrap());
    let differ = diff(&a, &b);
    let found: Vec<(&str, bool, bool)> =
        differ.iter().map(|pair| (pair.key(), pair.a.is_some(), pair.b.is_some())).collect();
    assert_eq!(found, [("rate", true, true), ("discount.SOL", false, true)]);
    assert!(diff(&a, &a).is_empty());
}
