//! The loader from the caller's view: the built-in set, overlays, settings, and errors.

use std::io::Write as _;

use tempfile::NamedTempFile;

use super::*;
use crate::error::Error;
use crate::margin::rules::{Class, RiskUnitMode, SettleGroup, SpotOffset};

pub(super) fn set(settings: &[&str]) -> Result<LoadedRules> {
    let settings: Vec<String> = settings.iter().map(|&text| text.to_owned()).collect();
    load(None, &settings)
}

pub(super) fn temp(text: impl AsRef<[u8]>) -> NamedTempFile {
    let mut file = NamedTempFile::new().unwrap();
    file.write_all(text.as_ref()).unwrap();
    file
}

pub(super) fn overlay(lines: &str) -> NamedTempFile {
    temp(format!("extends = \"okx-pm2-2025-01\"\n{lines}\n"))
}

pub(super) fn invalid<T>(result: Result<T>) -> Invalid {
    match result {
        Err(Error::Invalid(invalid)) => *invalid,
        Err(other) => panic!("another error: {other}"),
        Ok(_) => panic!("no error"),
    }
}

pub(super) fn value_of<'a>(loaded: &'a LoadedRules, key: &str) -> (&'a str, &'a str) {
    let line = loaded.values.iter().find(|line| line.key == key).unwrap();
    (&line.value, &line.source)
}

#[test]
fn the_built_in_set_has_the_published_values() {
    let loaded = set(&[]).unwrap();
    let rules = &loaded.rules;
    assert_eq!(rules.name, BUILT_IN_NAME);
    assert_eq!(rules.effective_from_ns, 1_736_899_200 * 1_000_000_000, "2025-01-15T00:00:00Z");
    assert_eq!(rules.risk_unit, RiskUnitMode::Separate);
    assert_eq!(rules.default_spot_offset, SpotOffset::Usdt);
    assert_eq!((rules.imr_multiplier, rules.min_net_equity_usd), (1.3, 10_000.0));
    assert_eq!((rules.status.liquidation, rules.status.near, rules.status.warning), (1.0, 1.5, 3.0));
    assert_eq!(rules.mr1.price.middle, [-0.18, -0.12, -0.06, 0.0, 0.06, 0.12, 0.18]);
    assert_eq!(rules.mr1.vol_days, [0.0, 30.0, 60.0]);
    assert_eq!((rules.mr4.floor.major, rules.mr4.floor.middle, rules.mr4.floor.other), (0.002, 0.008, 0.016));
    assert_eq!(*rules.mr6.price.get(Class::Other), 0.5);
    assert_eq!(rules.mr7.tiers.major.rows()[6], (f64::INFINITY, 12.0));
    assert_eq!(rules.mr8.tiers.get("USDT").rates(6e6), (0.03, 0.11));
    assert_eq!(rules.mr8.tiers.get("SOL").rates(1.0), (0.05, 0.2));
    assert_eq!(rules.mr9.pairs[0], (SettleGroup::Usdt, SettleGroup::Usd));
    assert_eq!(rules.mr9.tiers[0].rows().len(), 4);
    // The 83 tiers of the exchange, and zero above them.
    assert_eq!(rules.discount.get("BTC").rows().len(), 84);
    assert_eq!(rules.discount.get("BTC").rows()[82..], [(1_630.0, 0.575), (f64::INFINITY, 0.0)]);
    assert_eq!(rules.discount.get("DOGE").apply(10.0), 8.0);
    // SOL is middle for MR4, MR6 and MR7 only.
    assert_eq!((rules.mr1_classes.of("SOL"), rules.mr467_classes.of("SOL")), (Class::Other, Class::Middle));
    assert_eq!((rules.mr1_classes.of("ETH"), rules.mr1_classes.of("NEW")), (Class::Major, Class::Other));
    assert!(loaded.values.iter().all(|line| line.source == "built-in okx-pm2-2025-01"));
}

#[test]
fn values_stand_in_canonical_order_and_spelling() {
    let loaded = set(&["discount.ADA=[[inf, 0.70]]", "min_net_equity=1e4"]).unwrap();
    let keys: Vec<&str> = loaded.values.iter().map(|line| line.key.as_str()).collect();
    assert_eq!(keys[..4], ["name", "effective_from", "risk_unit", "imr_multiplier"]);
    let tail = ["liquidation_fee.derivatives", "discount.ADA", "discount.BTC", "discount.ETH"];
    assert_eq!(keys[keys.len() - 8..keys.len() - 4], tail);
    assert_eq!(keys[keys.len() - 4..], ["discount.USD", "discount.USDC", "discount.USDT", "discount.\"*\""]);
    for (key, expected) in [
        ("name", ("\"okx-pm2-2025-01\"", "built-in okx-pm2-2025-01")),
        ("effective_from", ("2025-01-15", "built-in okx-pm2-2025-01")),
        ("min_net_equity", ("10000", "--set")),
        ("discount.ADA", ("[[\"inf\", 0.7]]", "--set")),
        ("mr7.delta_one.middle", ("0.007", "built-in okx-pm2-2025-01")),
        ("classes.mr1.major", ("[\"BTC\", \"ETH\"]", "built-in okx-pm2-2025-01")),
    ] {
        assert_eq!(value_of(&loaded, key), expected, "{key}");
    }
}

#[test]
fn settings_change_the_rules_and_the_last_one_holds() {
    let loaded = set(&[
        "risk_unit=merged",
        "mr4.floor.major=0.5",
        "mr4.floor.major = 0.012",
        "mr7.tiers.major=[[\"inf\",1]]",
        "discount.*=[[\"inf\",0.7]]",
        "discount.SOL=[[10,0.9],[inf,0]]",
        "mr8.tiers.\"SOL\"=[[\"inf\",0.1,0.3]]",
        "classes.mr1.major=[\"BTC\"]",
        "mr6.price={major=0.2}",
        "default_spot_offset='none'",
        "effective_from=2026-01-01",
    ])
    .unwrap();
    let rules = &loaded.rules;
    assert_eq!(rules.risk_unit, RiskUnitMode::Merged);
    assert_eq!((rules.mr4.floor.major, rules.mr4.floor.middle), (0.012, 0.008));
    assert_eq!(rules.mr7.tiers.major.rows(), [(f64::INFINITY, 1.0)]);
    assert_eq!(rules.discount.get("DOGE").rows(), [(f64::INFINITY, 0.7)]);
    assert_eq!(rules.discount.get("SOL").rows(), [(10.0, 0.9), (f64::INFINITY, 0.0)]);
    assert_eq!(rules.mr8.tiers.get("SOL").rates(1.0), (0.1, 0.3));
    assert_eq!(rules.mr1_classes.of("ETH"), Class::Other);
    assert_eq!((rules.mr6.price.major, rules.mr6.price.middle), (0.2, 0.36));
    assert_eq!(rules.default_spot_offset, SpotOffset::None);
    assert_eq!(rules.effective_from_ns, 1_767_225_600 * 1_000_000_000);
}

#[test]
fn an_overlay_merges_tables_and_replaces_arrays() {
    let file = overlay(
        "name = \"desk\"\nmr1.vol_days = [0]\nmr1.vol_points = [0.3]\nmr1.vol_relative = [0.4]\n\
         [mr4.floor]\nother = 0.02\n[discount]\nBTC = [[\"inf\", 0.5]]",
    );
    let loaded = load(Some(file.path()), &["mr2.days=2".to_owned()]).unwrap();
    let rules = &loaded.rules;
    assert_eq!(rules.name, "desk");
    assert_eq!((rules.mr4.floor.other, rules.mr4.floor.major), (0.02, 0.002));
    assert_eq!((rules.mr1.vol_days.as_slice(), rules.mr1.vol_points.as_slice()), (&[0.0][..], &[0.3][..]));
    assert_eq!(rules.discount.get("BTC").rows(), [(f64::INFINITY, 0.5)]);
    assert_eq!(rules.discount.get("ETH").rows().len(), 7);
    let from_file = format!("file {}", file.path().display());
    for (key, expected) in [
        ("mr4.floor.other", ("0.02", from_file.as_str())),
        ("mr4.floor.major", ("0.002", "built-in okx-pm2-2025-01")),
        ("mr2.days", ("2", "--set")),
    ] {
        assert_eq!(value_of(&loaded, key), expected, "{key}");
    }
}

#[test]
fn equal_parameters_have_equal_hashes() {
    let built_in = set(&[]).unwrap();
    assert_eq!(built_in.hash.len(), 64);
    // A full copy, an overlay, other spellings, another order inside a class: all are the same set.
    let full = temp(BUILT_IN);
    let canonical = temp(built_in.canonical());
    let spelled = overlay(
        "min_net_equity = 10000.0\nrate = -0.0\nmr7.tiers.major = [[25e4, 1.0], [500000, 2], [1000000, 4], \
         [2000000, 6], [3000000, 8], [4000000, 10], [inf, 12]]\nclasses.mr1.major = [\"ETH\", \"BTC\"]",
    );
    let there_and_back = set(&["mr2.days=3", "mr2.days=1.0"]).unwrap();
    // An overlay has a name of its own; apart from that it is the same.
    let named = [format!("name={BUILT_IN_NAME}")];
    let others = [full, canonical, spelled].map(|file| load(Some(file.path()), &named).unwrap());
    for other in others.iter().chain([&there_and_back]) {
        assert_eq!(other.hash, built_in.hash);
        assert_eq!(other.rules, built_in.rules);
    }
    for setting in ["mr2.days=1.5", "name=x", "discount.SOL=[[inf,0.8]]", "classes.mr1.major=[\"BTC\"]"] {
        assert_ne!(set(&[setting]).unwrap().hash, built_in.hash, "{setting}");
    }
}

/// Setting, key, part of the problem, value, part of what is expected.
const REFUSED: [(&str, &str, &str, &str, &str); 68] = [
    // Keys.
    ("mr4.flor.major=0.1", "mr4.flor.major", "unknown key", "0.1", "`mr4.floor.major`"),
    ("mr44.floor.major=0.1", "mr44.floor.major", "unknown key", "0.1", "`mr4.floor.major`"),
    ("riskunit=merged", "riskunit", "unknown key", "\"merged\"", "`risk_unit`"),
    ("discont.SOL=[[inf,1]]", "discont.SOL", "unknown key", "[[\"inf\", 1]]", "`discount.SOL`"),
    ("mr10={}", "mr10", "unknown key", "{  }", "the nearest is"),
    ("extends=x", "extends", "unknown key", "\"x\"", "the nearest is"),
    ("mr4.floor=0.1", "mr4.floor", "a value where a group", "0.1", "`mr4.floor.major`, `mr4.floor.middle`"),
    ("rate.x=0.1", "rate", "a group of keys where a value", "{ x = 0.1 }", "`rate = VALUE`"),
    ("discount.SOL.x=1", "discount.SOL", "a group of keys where a value", "{ x = 1 }", "`discount.SOL = VALUE`"),
    // Types.
    ("rate=high", "rate", "invalid type: string", "\"high\"", "a finite number"),
    ("rate=true", "rate", "invalid type: boolean", "true", "a finite number"),
    ("rate=[1]", "rate", "invalid type: sequence", "[1]", "a finite number"),
    ("rate=nan", "rate", "invalid value", "NaN", "a finite number"),
    ("rate=inf", "rate", "invalid value", "\"inf\"", "a finite number"),
    ("rate=\"inf\"", "rate", "invalid type: string", "\"inf\"", "a finite number"),
    ("name=1", "name", "invalid type: integer", "1", "a string"),
    ("name=2025-01-15", "name", "a date where none", "2025-01-15", "a number or a string"),
    ("name=\"\"", "name", "not a name", "\"\"", "a name"),
    ("risk_unit=both", "risk_unit", "unknown variant", "\"both\"", "`separate` or `merged`"),
    ("default_spot_offset=USDT", "default_spot_offset", "unknown variant", "\"USDT\"", "`usdt`"),
    ("effective_from=soon", "effective_from", "not a day", "\"soon\"", "2025-01-15"),
    ("effective_from=2025-01-15T00:00:00Z", "effective_from", "not a day", "2025-01-15T00:00:00Z", "without"),
    ("effective_from=9999-01-01", "effective_from", "not a day", "9999-01-01", "a date"),
    ("mr1.price.major=[0,1]", "mr1.price.major", "2 price moves", "[0, 1]", "7 price moves"),
    (
        "mr1.price.major=[0,1,2,3,4,5,6,7]",
        "mr1.price.major",
        "8 price moves",
        "[0, 1, 2, 3, 4, 5, 6, 7]",
        "7 price moves",
    ),
    ("mr7.tiers.major=[[1,nan],[inf,1]]", "mr7.tiers.major", "in item 1", "NaN", "a finite number"),
    ("mr7.tiers.major=[[1,1],[nan,1]]", "mr7.tiers.major", "in item 2", "NaN", "a number or \"inf\""),
    ("mr7.tiers.major=[[1,1],[\"x\",1]]", "mr7.tiers.major", "in item 2", "\"x\"", "a number or \"inf\""),
    ("mr7.tiers.major=[[\"inf\",inf]]", "mr7.tiers.major", "in item 1", "\"inf\"", "a finite number"),
    ("mr7.tiers.major=[[1]]", "mr7.tiers.major", "invalid length 1", "[1]", "[bound, rate]"),
    ("mr7.tiers.major=[[1,2,3]]", "mr7.tiers.major", "invalid length 3", "[1, 2, 3]", "[bound, rate]"),
    ("mr8.tiers.SOL=[[\"inf\",0.1]]", "mr8.tiers.SOL", "invalid length 2", "[\"inf\", 0.1]", "[bound, mmr, imr]"),
    // Ranges.
    ("imr_multiplier=0.99", "imr_multiplier", "out of range", "0.99", "at least 1"),
    ("min_net_equity=-1", "min_net_equity", "out of range", "-1", "at least 0"),
    ("rate=5", "rate", "out of range", "5", "at most 1"),
    ("forward_floor=0", "forward_floor", "out of range", "0", "above 0"),
    ("mr1.vol_floor=0", "mr1.vol_floor", "out of range", "0", "above 0"),
    ("mr2.days=0", "mr2.days", "out of range", "0", "above 0"),
    ("mr3.offset_charge=25", "mr3.offset_charge", "out of range", "25", "at most 1"),
    ("mr4.annualized.other=-0.1", "mr4.annualized.other", "out of range", "-0.1", "at least 0"),
    ("mr4.floor.major=-0.002", "mr4.floor.major", "out of range", "-0.002", "at least 0"),
    ("mr5.rate_shift=-0.05", "mr5.rate_shift", "out of range", "-0.05", "at least 0"),
    ("mr6.price.middle=1", "mr6.price.middle", "out of range", "1", "below 1"),
    ("mr6.charge=1.5", "mr6.charge", "out of range", "1.5", "at most 1"),
    ("mr7.option.other=4", "mr7.option.other", "out of range", "4", "at most 1"),
    ("mr8.fee_rate=-1e-9", "mr8.fee_rate", "out of range", "-1e-9", "at least 0"),
    ("liquidation_fee.derivatives=2", "liquidation_fee.derivatives", "out of range", "2", "at most 1"),
    ("mr1.price.other=[-1,0,1,2,3,4,5]", "mr1.price.other", "out of range", "-1", "above -1"),
    ("mr1.vol_points=[0.2,-0.2,0.1]", "mr1.vol_points", "out of range", "-0.2", "at least 0"),
    // Order and consistency.
    (
        "mr1.price.major=[-0.3,-0.2,-0.1,0,0,0.1,0.2]",
        "mr1.price.major",
        "0 is followed by 0",
        "[-0.3, -0.2, -0.1, 0, 0, 0.1, 0.2]",
        "ascending",
    ),
    ("mr1.vol_days=[0,60,30]", "mr1.vol_days", "60 is followed by 30", "[0, 60, 30]", "ascending"),
    ("mr1.vol_days=[]", "mr1.vol_days", "no knots", "[]", "at least one"),
    ("mr1.vol_days=[0,30]", "mr1.vol_days", "3 values for 2 days", "[0, 30]", "one value for each day"),
    ("mr1.vol_relative=[0.1]", "mr1.vol_relative", "1 values for 3 days", "[0.1]", "one value for each day"),
    ("status.liquidation=2", "status.liquidation", "`status.near` is 1.5", "2", "liquidation <= near <= warning"),
    ("status.warning=1.2", "status.warning", "`status.near` is 1.5", "1.2", "liquidation <= near <= warning"),
    ("classes.mr1.other=[]", "classes.mr1.other", "no class holds", "[]", "exactly one class"),
    ("classes.mr1.middle=[\"ETH\"]", "classes.mr1.middle", "already in `classes.mr1.major`", "ETH", "one class"),
    ("classes.mr1.major=[\"*\"]", "classes.mr1.major", "already", "*", "one class"),
    ("classes.mr1.major=[\"\"]", "classes.mr1.major", "not a currency", "\"\"", "a currency"),
    ("mr7.tiers.other=[]", "mr7.tiers.other", "no tiers", "[]", "at least one tier"),
    ("mr7.tiers.other=[[5,1],[5,2],[inf,3]]", "mr7.tiers.other", "tier 2: bound 5 is not above 5", "[5, 2]", "rise"),
    ("mr7.tiers.other=[[inf,1],[inf,2]]", "mr7.tiers.other", "tier 2: bound \"inf\"", "[\"inf\", 2]", "only there"),
    (
        "mr7.tiers.other=[[5,2],[inf,1]]",
        "mr7.tiers.other",
        "tier 2: multiplier 1 is below 2",
        "[\"inf\", 1]",
        "never falls",
    ),
    ("mr9.tiers=[[5,-0.1],[inf,1]]", "mr9.tiers", "tier 1: -0.1 is negative", "[5, -0.1]", "at least 0"),
    ("discount.SOL=[[inf,1.1]]", "discount.SOL", "tier 1: share 1.1 is above 1", "[\"inf\", 1.1]", "from 0 to 1"),
    ("mr8.tiers.*=[[inf,0.3,0.2]]", "mr8.tiers.\"*\"", "imr 0.2 is below mmr 0.3", "[\"inf\", 0.3, 0.2]", "imr >= mmr"),
    (
        "mr8.tiers.SOL=[[1,0.1,0.3],[inf,0.1,0.2]]",
        "mr8.tiers.SOL",
        "tier 2: imr 0.2 is below 0.3",
        "[\"inf\", 0.1, 0.2]",
        "never falls",
    ),
];

#[test]
fn broken_settings_are_refused() {
    for (setting, key, problem, value, expected) in REFUSED {
        let error = invalid(set(&[setting]));
        assert_eq!(error.column.as_deref(), Some(key), "{setting}: {error}");
        assert!(error.problem.starts_with(&format!("setting `{setting}`: ")), "{setting}: {error}");
        assert!(error.problem.contains(problem), "{setting}: {error}");
        assert_eq!(error.value.as_deref(), Some(value), "{setting}: {error}");
        assert!(error.expected.as_deref().unwrap().contains(expected), "{setting}: {error}");
    }
}

#[test]
fn settings_that_are_none_are_refused() {
    for (setting, problem) in [
        ("rate", "not a setting"),
        ("=1", "not a setting"),
        ("mr4..major=1", "not a setting"),
        ("rate=", "not a TOML value"),
        ("rate=[1", "not a TOML value"),
        ("name=two words", "not a TOML value"),
        ("rate=1\nname=2", "not a TOML value"),
    ] {
        let error = invalid(set(&[setting]));
        assert!(error.problem.contains(problem), "{setting}: {error}");
        assert!(error.problem.contains(setting), "{setting}: {error}");
    }
}

/// Lines of an overlay, key, part of the problem.
#[test]
fn broken_overlays_are_refused() {
    for (lines, key, problem) in [
        ("[mr4.floor]\nmajr = 0.1", "mr4.floor.majr", "unknown key"),
        ("[mr11]", "mr11", "unknown key"),
        ("mr4 = 1", "mr4", "a value where a group"),
        ("[classes.mr1]\nhuge = [\"BTC\"]", "classes.mr1.huge", "unknown key"),
        ("mr9.pairs = [[\"USDT\", \"EUR\"]]", "mr9.pairs", "unknown variant `EUR`"),
        ("mr9.pairs = [[\"USDT\", \"USDT\"]]", "mr9.pairs", "paired with itself"),
        ("mr9.pairs = [[\"USDT\", \"USD\"], [\"USD\", \"USDT\"]]", "mr9.pairs", "given twice"),
        ("mr9.pairs = [[\"USDT\"]]", "mr9.pairs", "invalid length 1"),
        ("mr9.tiers = [[5, 0.2], [\"inf\", 0.1]]", "mr9.tiers", "rate 0.1 is below 0.2"),
        ("discount.SOL = [[\"inf\", -0.1]]", "discount.SOL", "-0.1 is negative"),
        ("discount.SOL = [[5, 0.1]]", "discount.SOL", "the last bound is 5"),
        ("discount.\"A B\" = [[\"inf\", 1]]", "discount.\"A B\"", "not a currency"),
        ("discount.\"\" = [[\"inf\", 1]]", "discount.\"\"", "not a currency"),
        ("mr8.tiers.BTC = [[1, 0.2, 0.3], [\"inf\", 0.1, 0.3]]", "mr8.tiers.BTC", "mmr 0.1 is below 0.2"),
        ("mr8.tiers.BTC = [[0, 0.1, 0.3], [\"inf\", 0.1, 0.3]]", "mr8.tiers.BTC", "bound 0 is not above 0"),
        ("status = { liquidation = 0 }", "status.liquidation", "out of range"),
        ("status = { near = 0.9 }", "status.near", "`status.liquidation` is 1"),
        ("name = \"okx-pm2-2025-01\"", "name", "the name of a built-in set"),
        ("name = \"okx-pm2-2025-12\"", "name", "the name of a built-in set"),
        ("mr9.prices = [0.9, 1]", "mr9.prices", "tier 1: 1 rates for 2 prices"),
        ("mr9.tiers = [[5, 0.2, 0.1], [\"inf\", 0.3, 0.2]]", "mr9.tiers", "tier 1: 2 rates for 0 prices"),
        ("mr9.tiers = [[5]]", "mr9.tiers", "invalid length 1"),
        (
            "mr9 = { prices = [0.9, 1], tiers = [[\"inf\", 0.1, 0.2]] }",
            "mr9.tiers",
            "0.1 and then 0.2, at a higher price",
        ),
        ("mr9 = { prices = [1, 0.9], tiers = [[\"inf\", 0.2, 0.1]] }", "mr9.prices", "1 is followed by 0.9"),
        ("coin_option_pnl = \"btc\"", "coin_option_pnl", "unknown variant `btc`"),
        ("other_bounds = \"coins\"", "other_bounds", "unknown variant `coins`"),
        ("mr4.spot_bucket = 1", "mr4.spot_bucket", "invalid type: integer `1`"),
    ] {
        let file = overlay(lines);
        let error = invalid(load(Some(file.path()), &[]));
        assert_eq!(error.column.as_deref(), Some(key), "{lines}: {error}");
        assert_eq!(error.file.as_deref(), Some(file.path()), "{lines}: {error}");
        assert!(error.problem.contains(problem), "{lines}: {error}");
        assert!(error.value.is_some() && error.expected.is_some(), "{lines}: {error}");
    }
}

#[test]
fn broken_files_are_refused() {
    let extended = "name = \"x\"\nextends = \"okx-pm2-2024\"";
    let incomplete = BUILT_IN.replace("charge = 0.5 ", "# charge ");
    let no_rest = BUILT_IN.replace("\"*\" = [[\"inf\", 0.80]]", "");
    for (text, key, problem) in [
        (&b"rate = \n"[..], None, "invalid TOML at line 1"),
        (b"name = \"x\"\n[mr4\nfloor = 1", None, "invalid TOML at line 2"),
        (b"rate = 1\nrate = 2", None, "invalid TOML at line 2"),
        (b"a = 1\n\xff = 2", None, "not a text in UTF-8 at line 2"),
        (b"", Some("name"), "missing key"),
        (extended.as_bytes(), Some("extends"), "unknown set"),
        (incomplete.as_bytes(), Some("mr6.charge"), "missing key"),
        (no_rest.as_bytes(), Some("discount.\"*\""), "missing key"),
    ] {
        let file = temp(text);
        let error = invalid(load(Some(file.path()), &[]));
        assert_eq!((error.column.as_deref(), error.file.as_deref()), (key, Some(file.path())), "{error}");
        assert!(error.problem.contains(problem), "{error}");
    }
    let absent = load(Some(Path::new("/nonexistent/rules.toml")), &[]);
    assert!(matches!(absent, Err(Error::Io { action: "read", .. })), "{absent:?}");
}

#[test]
fn blame_falls_on_the_layer_that_broke_it() {
    let file = overlay("status.near = 1.0");
    let error = invalid(load(Some(file.path()), &["status.liquidation=1.1".to_owned()]));
    assert_eq!((error.column.as_deref(), error.file), (Some("status.liquidation"), None));
    assert!(error.problem.contains("setting `status.liquidation=1.1`"), "{}", error.problem);
}

#[test]
fn rules_hold_from_midnight_utc_of_their_day() {
    let loaded = set(&[]).unwrap();
    let from = loaded.rules.effective_from_ns;
    for (as_of_ns, holds) in [(from - 1, false), (from, true), (i64::MAX, true), (i64::MIN, false)] {
        assert_eq!(loaded.check_date(as_of_ns).is_ok(), holds, "{as_of_ns}");
    }
    let error = loaded.check_date(from - 1_000_000_000).unwrap_err();
    assert_eq!(error.exit_code(), 3);
    let error = invalid(Err::<(), _>(error));
    assert_eq!(error.value.as_deref(), Some("2025-01-14T23:59:59Z"));
    assert!(error.expected.unwrap().contains("2025-01-15T00:00:00Z"));
    assert_eq!(error.remedy, Some(crate::error::Remedy::RulesDate));
}

#[test]
fn shown_as_text_and_as_json() {
    let loaded = set(&["mr4.floor.major=0.012"]).unwrap();
    let text = show(&loaded, Shown::All);
    assert!(text.starts_with(&format!("# okx-pm2-2025-01, hash {}\n# figures: ", loaded.hash)), "{text}");
    assert!(text.lines().nth(1).unwrap().ends_with(" assumed, 1 of your own"), "{text}");
    let line = text.lines().find(|line| line.starts_with("mr4.floor.major ")).unwrap();
    assert_eq!(line.split_whitespace().collect::<Vec<_>>(), ["mr4.floor.major", "=", "0.012", "#", "(--set)"]);
    // One line a value, and no value is cut: the text loads as the same set.
    assert_eq!(text.lines().count(), loaded.values.len() + 2);
    assert_eq!(load_text(&text, &[]).unwrap().hash, loaded.hash);

    let json = to_json(&loaded, Shown::All);
    assert_eq!(json["hash"], loaded.hash.as_str());
    let values = json["values"].as_array().unwrap();
    assert_eq!(values.len(), loaded.values.len());
    let of = |key: &str| values.iter().find(|value| value["key"] == key).unwrap();
    let expected = serde_json::json!({"key": "mr4.floor.major", "value": "0.012", "source": "--set", "mark": null});
    assert_eq!(*of("mr4.floor.major"), expected);
    assert_eq!(of("mr4.floor.other")["mark"]["mark"], "A");
    assert_eq!(of("discount.\"*\"")["value"], "[[\"inf\", 0.8]]");
}

#[test]
fn settings_over_a_loaded_set_leave_the_other_sources() {
    let text = "extends = \"okx-pm2-2025-01\"\nname = \"desk\"\nrate = 0.01 # [M] asked\n";
    let loaded = load_text(text, &["risk_unit=merged".to_owned()]).unwrap();
    assert_eq!(adjust(&loaded.values, &[]).unwrap(), loaded);

    let changed = adjust(&loaded.values, &["mr4.floor.major=0.012".to_owned()]).unwrap();
    let same = load_text(text, &["risk_unit=merged".to_owned(), "mr4.floor.major=0.012".to_owned()]).unwrap();
    assert_eq!(changed, same);
    let source = |key: &str| changed.values.iter().find(|value| value.key == key).unwrap().source.as_str();
    assert_eq!(source("mr4.floor.major"), "--set");
    assert_eq!(source("mr4.floor.other"), "built-in okx-pm2-2025-01");
    assert_eq!(source("rate"), "text");

    let error = invalid(adjust(&loaded.values, &["mr4.floor.major=-1".to_owned()]));
    assert_eq!(error.column.as_deref(), Some("mr4.floor.major"));
    assert!(error.problem.starts_with("setting `mr4.floor.major=-1`"), "{}", error.problem);
    let broken = [RuleValue { value: "[".to_owned(), ..loaded.values[0].clone() }];
    assert!(invalid(adjust(&broken, &[])).problem.starts_with("rules from text"), "not TOML");
}

#[test]
fn text_loads_as_a_file_does() {
    let rules = load(None, &["mr4.floor.major=0.012".to_owned()]).unwrap();
    let again = load_text(&rules.canonical(), &[]).unwrap();
    assert_eq!((again.rules, again.hash), (rules.rules, rules.hash));
    assert!(again.values.iter().all(|value| value.source == "text"));

    let overlay = load_text("extends = \"okx-pm2-2025-01\"\nrate = 0.01\n", &["rate=0.02".to_owned()]).unwrap();
    assert_eq!(overlay.rules.rate, 0.02);
    let error = load_text("rate = ", &[]).unwrap_err().to_string();
    assert!(error.starts_with("rules given as text: invalid TOML at line 1"), "{error}");
}

#[test]
fn a_canonical_set_loads_again_from_text() {
    let origin = Path::new("out/manifest.json");
    let loaded = set(&["risk_unit=merged", "discount.XYZ=[[1000, 0.5], [\"inf\", 0]]", "rate=0.01"]).unwrap();
    let again = load_recorded(&loaded.canonical(), origin).unwrap();
    assert_eq!((&again.rules, &again.hash), (&loaded.rules, &loaded.hash));
    let short: String =
        loaded.canonical().lines().filter(|line| !line.starts_with("rate")).collect::<Vec<_>>().join("\n");
    let missing = invalid(load_recorded(&short, origin));
    assert_eq!((missing.file.as_deref(), missing.column.as_deref()), (Some(origin), Some("rate")));
}

#[test]
fn what_is_too_large_is_refused() {
    let long_key = format!("{}=1", "a".repeat(100_000));
    let deep_key = format!("{}=1", vec!["a"; 30_000].join("."));
    let many =
        format!("classes.mr1.major=[{}]", (0..20_000).map(|n| format!("\"C{n}\"")).collect::<Vec<_>>().join(","));
    for (setting, says) in
        [(long_key, "a key of 100000 bytes"), (deep_key, "a key of 30000 parts"), (many, "20000 items")]
    {
        let error = invalid(set(&[&setting]));
        assert!(error.problem.contains(says), "{error}");
        assert!(error.to_string().len() < 2_000, "{} bytes", error.to_string().len());
    }
    let many: Vec<String> = vec!["rate=0".to_owned(); 10_001];
    assert!(invalid(load(None, &many)).problem.contains("too many settings"));

    let large = overlay(&format!("rate = [{}]", "0,".repeat(4 << 20)));
    assert!(invalid(load(Some(large.path()), &[])).expected.unwrap_or_default().contains("4194304 bytes"));
    let large = format!("extends = \"okx-pm2-2025-01\"\n# {}\n", "x".repeat(4 << 20));
    assert!(invalid(load_text(&large, &[])).problem.contains("the rules are too large"));
    let keys = (0..20_001).map(|n| format!("C{n} = [[\"inf\", 1.0]]")).collect::<Vec<_>>().join("\n");
    assert!(invalid(load(Some(overlay(&format!("[discount]\n{keys}")).path()), &[])).problem.contains("too many keys"));
    let long_key = overlay(&format!("discount.{} = 1", "a".repeat(100_000)));
    assert!(invalid(load(Some(long_key.path()), &[])).problem.contains("a key of 100000 bytes"));
}

#[test]
fn tiers_are_in_range() {
    for (setting, says) in [
        ("mr8.tiers.\"*\"=[[\"inf\", 1e308, 1e308]]", "1e308 is out of range"),
        ("mr9.tiers=[[\"inf\", 1e7]]", "is out of range"),
        ("mr7.tiers.major=[[1e300, 1], [\"inf\", 2]]", "bound 1e300 is out of range"),
        ("status.warning=1e308", "out of range"),
        ("min_net_equity=1e308", "out of range"),
        ("mr1.vol_days=[0, 30, 1e300]", "out of range"),
    ] {
        assert!(invalid(set(&[setting])).problem.contains(says), "{setting}: {}", invalid(set(&[setting])));
    }
    assert!(set(&["mr7.tiers.major=[[1e18, 1], [\"inf\", 1e6]]", "min_net_equity=1e18"]).is_ok());
}
