//! Rules and files of limits, one line a case.

use super::*;
use crate::Error;
use crate::totals::limit_summary::Severity;
use std::path::Path;

#[test]
fn rules_are_read_and_written() {
    for (text, expected) in [
        ("account.margin_ratio >= 1.2", "account.margin_ratio >= 1.2"),
        ("  account.margin_ratio>=120%  ", "account.margin_ratio >= 1.2"),
        ("account.mmr < 1e6", "account.mmr < 1_000_000"),
        ("account.unit.BTC-USDT.gamma > -50_000.5", "account.unit.BTC-USDT.gamma > -50_000.5"),
        ("worst.liquidation_probability <= 5%", "worst.liquidation_probability <= 0.05"),
        ("group.desk.mmr <= 50_000_000", "group.desk.mmr <= 50_000_000"),
        ("group.desk,region.liquidation <= 0", "group.desk,region.liquidation <= 0"),
        ("group.\"my desk\".mmr <= 0", "group.\"my desk\".mmr <= 0"),
        ("group.\"\"\"a, b\"\",desk\".mmr <= 0", "group.\"\"\"a, b\"\",desk\".mmr <= 0"),
        (
            "group.desk.unit.*.cash_delta between -1e3 and 2_000",
            "group.desk.unit.*.cash_delta between -1_000 and 2_000",
        ),
        ("unit.BTC.cash_delta between 0 and 0", "unit.BTC.cash_delta between 0 and 0"),
        ("book.liquidation < 1", "book.liquidation < 1"),
        ("book.newly_liquidation < 1", "book.newly_liquidation < 1"),
        ("book.shortfall_es99 <= 2e7", "book.shortfall_expected_shortfall_99 <= 20_000_000"),
        ("book.mmr_q99_9 <= 2e7", "book.mmr_quantile_99_9 <= 20_000_000"),
        ("book.equity_loss_expected_shortfall_97_5 <= 7", "book.equity_loss_expected_shortfall_97_5 <= 7"),
    ] {
        let rule = Rule::read(text).unwrap();
        assert_eq!(rule.to_string(), expected);
        assert_eq!(Rule::read(expected).unwrap(), rule);
    }
}

#[test]
fn what_is_wrong_with_a_rule_is_said_with_the_nearest_name() {
    for (text, problem, hint) in [
        ("acount.mmr < 1", "does not say whose figure", "is it `account`?"),
        ("grup.desk.mmr < 1", "does not say whose figure", "is it `group`?"),
        ("books.mmr < 1", "does not say whose figure", "is it `book`?"),
        ("group.mmr < 1", "does not say whose figure", "a name with a dot"),
        ("group.desk.unti.BTC.mmr < 1", "does not say whose figure", "a name with a dot"),
        ("account.margin_rati > 1", "no such figure of an account", "is it `margin_ratio`?"),
        ("account.status > 1", "no such figure of an account", ""),
        ("account.unit.BTC.cash_detla > 1", "no such figure of a risk unit of an account", "is it `cash_delta`?"),
        ("worst.margin_rato > 1", "no such figure of an account in its worst scenario", "is it `margin_ratio`?"),
        ("group.desk.mrr > 1", "no such figure of a group", "is it `mmr`?"),
        ("group.desk.unit.BTC.veg > 1", "no such figure of a risk unit of a group", "is it `vega`?"),
        ("unit.BTC.thta > 1", "no such figure of a risk unit", "is it `theta`?"),
        ("book.shortfal > 1", "no such figure of the book", "is it `shortfall`?"),
        ("book.shortfall_es98 > 1", "no such figure of the book", "is it `shortfall_expected_shortfall_95`?"),
        ("account.mmr", "does not say what the figure must be", ""),
        ("account.mmr betwen 1 and 2", "does not say what the figure must be", "is it `between`?"),
        ("account.mmr = 1", "does not say what the figure must be", "give bounds"),
        ("account.mmr != 1", "does not say what the figure must be", "give bounds"),
        ("account.mmr < ", "not a number", ""),
        ("account.mmr < much", "not a number", ""),
        ("account.mmr < inf", "not a number", ""),
        ("account.mmr < 1e400", "not a number", ""),
        ("account.mmr < 1 2", "not a number", ""),
        ("account.mmr < 1e-400", "a number beyond what figures can be", ""),
        ("account.mmr < 1e19", "a number beyond what figures can be", ""),
        ("account.mmr < 5%", "a figure in USD has no per cent", ""),
        ("account.mmr between 1", "a range without two bounds", ""),
        ("account.mmr between 2 and 1", "the lower bound is above the upper one", ""),
        ("account. < 1", "an empty part", ""),
        ("\"account.mmr < 1", "a quote is not closed", ""),
        ("group.account_id.mmr < 1", "cannot be grouped by `account_id`", "such as `desk`"),
        ("", "an empty part", ""),
    ] {
        let invalid = Rule::read(text).unwrap_err();
        assert!(invalid.problem.contains(problem), "{text}: {invalid:?}");
        let found = invalid.hint.as_deref().unwrap_or_default();
        assert!(found.starts_with(hint) && found.is_empty() == hint.is_empty(), "{text}: {found}");
    }
}

#[test]
fn bounds_are_within_or_without() {
    for (rule, value, holds, excess) in [
        ("< 5", 5.0, false, 0.0),
        ("< 5", 4.5, true, -0.5),
        ("<= 5", 5.0, true, 0.0),
        ("<= 5", 7.0, false, 2.0),
        ("> 5", 5.0, false, 0.0),
        (">= 5", 5.0, true, 0.0),
        (">= 5", -1.0, false, 6.0),
        ("between -2 and 5", -2.0, true, 0.0),
        ("between -2 and 5", 4.0, true, -1.0),
        ("between -2 and 5", -3.5, false, 1.5),
        ("between -2 and 5", 5.5, false, 0.5),
    ] {
        let test = Rule::read(&format!("account.mmr {rule}")).unwrap().test;
        assert_eq!((test.holds(value), test.excess(value)), (holds, excess), "{rule} {value}");
    }
}

/// A limit in a file; `lines` are added to it.
fn file(lines: &str) -> crate::Result<Limits> {
    let text = format!("[[limit]]\nname = \"a\"\nrule = \"account.mmr < 1\"\nseverity = \"soft\"\n{lines}");
    Limits::parse(text, Path::new("limits.toml"))
}

#[test]
fn files_are_read_and_faults_named() {
    let limits = file("text = \"call\"\nonly = [\"x\", \"\"]\nscenarios = [\"base\"]\n").unwrap();
    let [limit] = limits.all() else { panic!("{limits:?}") };
    assert_eq!((limit.name.as_str(), limit.severity, limit.text.as_deref()), ("a", Severity::Soft, Some("call")));
    assert_eq!((limit.only.len(), limit.scenarios.len()), (2, 1));
    assert_eq!(limits.blake3(), blake3::hash(limits.text().as_bytes()).to_hex().as_str());
    let another = |name: &str, rule: &str, severity: &str, more: &str| {
        format!("[[limit]]\nname = {name}\nrule = \"{rule}\"\nseverity = \"{severity}\"\n{more}")
    };
    let rule = "account.mmr < 1";
    for (lines, parts) in [
        (
            "severty = \"soft\"".to_owned(),
            ["limit 1 (a), line 1: unknown key", "column `severty`", "is it `severity`?"],
        ),
        ("text = 5".to_owned(), ["limit 1 (a), line 1: not a text", "column `text`", "one line"]),
        ("text = \"\"".to_owned(), ["not a line of text", "column `text`", "one line"]),
        ("only = \"x\"".to_owned(), ["not a list of names", "column `only`", "a list of names"]),
        ("only = [\"x\", \"x\"]".to_owned(), ["not a list of names", "column `only`", "each once"]),
        ("scenarios = []".to_owned(), ["not a list of names", "column `scenarios`", "a list of names"]),
        (
            another("\"a\"", rule, "hard", ""),
            ["limit 2 (a), line 5: limit 1, line 1 has the same name", "`name`", "each name once"],
        ),
        (another("\"b\"", rule, "hrd", ""), ["limit 2 (b), line 5: unknown severity", "`severity`", "is it `hard`?"]),
        (
            another("\"b\"", "acount.mmr < 1", "hard", ""),
            ["limit 2 (b), line 5: the rule", "`rule`", "is it `account`?"],
        ),
        (
            another("\"b\"", "unit.*.mmr < 1", "hard", "only = [\"x\"]"),
            ["limit 2 (b), line 5: only a limit on", "`only`", "begins with"],
        ),
        (
            another("\"b\"", "book.mmr_es99 < 1", "hard", "scenarios = [\"base\"]"),
            ["limit 2 (b), line 5: a figure over all scenarios", "`scenarios`", "no scenarios"],
        ),
        (another("7", rule, "hard", ""), ["limit 2, line 5: not a text", "`name`", "one line"]),
        (
            "[[limit]]\nname = \"b\"\nseverity = \"soft\"".to_owned(),
            ["limit 2 (b), line 5: missing key", "`rule`", "a rule such as"],
        ),
        ("[[limit]]\nname = \"b\"\nrule = \"book.mmr < 1\"".to_owned(), ["missing key", "`severity`", "`soft`"]),
        ("[[limits]]\nname = \"b\"".to_owned(), ["unknown key", "column `limits`", "is it `limit`?"]),
        ("only = [".to_owned(), ["line 5:", "limits.toml", "valid TOML"]),
    ] {
        let error = file(&lines).unwrap_err();
        assert!(matches!(error, Error::Invalid(_)) && error.exit_code() == 3, "{lines}");
        let text = error.to_string();
        assert!(
            parts.iter().all(|part| text.contains(part)) && text.contains("file `limits.toml`"),
            "{parts:?}: {text}"
        );
    }
    for text in ["", "limit = 5", "limit = []", "limit = [5]"] {
        assert!(Limits::parse(text.to_owned(), Path::new("limits.toml")).is_err(), "{text}");
    }
}

/// Every figure that can be named is explained, and a command has it.
#[test]
fn every_figure_is_a_column() {
    for scope in ["account", "account.unit.*", "worst", "group.desk", "group.desk.unit.*", "unit.*", "book"] {
        let known = Rule::read(&format!("{scope}.mmr < 1")).unwrap().scope.figures();
        assert!(known.len() > 5, "{scope}");
        for Figure { name, meaning, in_run, in_stress, .. } in known {
            assert!(meaning.ends_with('.') && (in_run.is_some() || in_stress.is_some()), "{scope}.{name}: {meaning}");
            assert_eq!(Rule::read(&format!("{scope}.{name} < 1")).unwrap().figure.name, name);
        }
    }
}

#[test]
fn limits_in_words() {
    for (rule, lines, words) in [
        ("account.margin_ratio >= 1.2", "", "`margin_ratio` of every account, in every scenario, must be at least 1.2"),
        (
            "group.desk.mmr <= 5e7",
            "only = [\"options\"]\nscenarios = [\"base\"]",
            "`mmr` of the group `options` by `desk`, in the scenario `base`, must be at most 50,000,000 USD",
        ),
        (
            "group.desk.unit.BTC.cash_delta between -1e3 and 1e3",
            "only = [\"a\", \"b\"]",
            "`cash_delta` of the risk unit `BTC` of each of the groups `a`, `b` by `desk`, in every scenario, must be \
             from -1,000 to 1,000 USD",
        ),
        (
            "unit.*.mmr < 7.5",
            "",
            "`mmr` of every risk unit over all accounts, in every scenario, must be below 7.5 USD",
        ),
        (
            "worst.margin_ratio > 1",
            "",
            "`margin_ratio` of every account in the scenario with its lowest margin ratio, must be above 1",
        ),
        (
            "book.shortfall_es99 < 9",
            "",
            "`shortfall_expected_shortfall_99` of all accounts together, must be below 9 USD",
        ),
    ] {
        let text = format!("[[limit]]\nname = \"a\"\nrule = \"{rule}\"\nseverity = \"soft\"\n{lines}");
        let limits = Limits::parse(text, Path::new("limits.toml")).unwrap();
        let explained = limits.explained(Path::new("limits.toml"));
        assert!(explained.contains(&format!("means:  {words}\n")), "{words}: {explained}");
        assert_eq!(limits.to_json().unwrap()["limits"][0]["means"], words);
    }
}

#[test]
fn a_figure_of_the_other_command_is_refused() {
    let of = |rule: &str| {
        let text = format!("[[limit]]\nname = \"a\"\nrule = \"{rule}\"\nseverity = \"soft\"\n");
        Limits::parse(text, Path::new("limits.toml")).unwrap()
    };
    let all = |_: Source| true;
    let text = of("book.shortfall_es99 < 1").check_for(Command::Run, all).unwrap_err().to_string();
    assert!(text.contains("`remargin run` does not have") && text.contains("`remargin stress` has it"), "{text}");
    let text = of("book.shortfall_mmr < 1").check_for(Command::Stress, all).unwrap_err().to_string();
    assert!(text.contains("`remargin stress` does not have") && text.contains("`remargin run` has it"), "{text}");
    let text = of("account.mmr < 1").check_for(Command::Stress, |_| false).unwrap_err().to_string();
    assert!(text.contains("table `accounts`, which is not written") && text.contains("`detail`"), "{text}");
    assert!(of("account.mmr < 1").check_for(Command::Stress, all).is_ok());
}

/// Whatever stands in a file, it is read or refused.
#[test]
fn random_text_is_read_or_refused() {
    use rand_chacha::ChaCha8Rng;
    use rand_chacha::rand_core::{Rng, SeedableRng};
    let mut random = ChaCha8Rng::seed_from_u64(7);
    let mut pick = |most: usize| random.next_u64() as usize % most;
    let words =
        ["group", "unit", "*", "desk", ".", "\"", "<=", "between", " and ", "5e7", "%", "_", "-", "\u{e9}", "="];
    let mut refused = 0;
    for _ in 0..5000 {
        let text: String = (0..pick(9)).map(|_| words[pick(words.len())]).collect();
        refused += usize::from(Rule::read(&text).is_err());
        let mut bytes = include_str!("../../examples/limits.toml").as_bytes().to_vec();
        for _ in 0..3 {
            let place = pick(bytes.len());
            bytes[place] = pick(256) as u8;
        }
        if let Ok(limits) = Limits::parse(String::from_utf8_lossy(&bytes).into_owned(), Path::new("limits.toml")) {
            assert!(!limits.explained(Path::new("limits.toml")).is_empty());
        }
    }
    assert!(refused > 4000, "{refused}");
}
