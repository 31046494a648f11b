//! One rule: whose figure, which figure, and how it must compare with which number.
//!
//! ```text
//! account.FIGURE                 every account                       < NUMBER
//! account.unit.UNIT.FIGURE       a risk unit of every account        <= NUMBER
//! worst.FIGURE                   every account in its worst scenario > NUMBER
//! group.BY.FIGURE                every group by BY                   >= NUMBER
//! group.BY.unit.UNIT.FIGURE      a risk unit of every group          between NUMBER and NUMBER
//! unit.UNIT.FIGURE               a risk unit over all accounts
//! book.FIGURE                    all accounts together
//! ```
//!
//! A `UNIT` of `*` is each one. A part with a dot, a blank or a sign in it stands in double quotes; a quote in it is
//! written twice.

use super::figures::{self, Figure};
use crate::book::{Grouping, quoted, unquoted};
use crate::cells::number::in_range;
use crate::figures::Unit;
use crate::formats::batch::nearest;
use crate::snapshot::without_underscores;
use crate::{Error, Invalid};
use std::fmt;

/// What ends a part of a path.
const ENDS: &str = "<>=!";
/// Every risk unit.
const EACH: &str = "*";

/// Which risk unit.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Which {
    /// Each one by itself.
    Each,
    /// The one of this name.
    Named(String),
}

/// Whose figure it is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Scope {
    /// Of every account.
    Account,
    /// Of a risk unit of every account.
    AccountUnit(Which),
    /// Of every account in the scenario with its lowest margin ratio.
    Worst,
    /// Of every group.
    Group(Grouping),
    /// Of a risk unit of every group.
    GroupUnit(Grouping, Which),
    /// Of a risk unit, over all accounts.
    Unit(Which),
    /// Of all accounts together.
    Book,
}

impl Scope {
    /// Its name in the table `breaches`.
    #[must_use]
    pub fn name(&self) -> &'static str {
        match self {
            Self::Account => "account",
            Self::AccountUnit(_) => "account_unit",
            Self::Worst => "worst",
            Self::Group(_) => "group",
            Self::GroupUnit(..) => "group_unit",
            Self::Unit(_) => "unit",
            Self::Book => "book",
        }
    }

    /// In words.
    fn noun(&self) -> &'static str {
        match self {
            Self::Account => "an account",
            Self::AccountUnit(_) => "a risk unit of an account",
            Self::Worst => "an account in its worst scenario",
            Self::Group(_) => "a group",
            Self::GroupUnit(..) => "a risk unit of a group",
            Self::Unit(_) => "a risk unit",
            Self::Book => "the book",
        }
    }

    /// As it begins in a rule.
    fn path(&self) -> String {
        match self {
            Self::Account => "account".to_owned(),
            Self::AccountUnit(unit) => format!("account.unit.{unit}"),
            Self::Worst => "worst".to_owned(),
            Self::Group(by) => format!("group.{}", Part(&by.to_string())),
            Self::GroupUnit(by, unit) => format!("group.{}.unit.{unit}", Part(&by.to_string())),
            Self::Unit(unit) => format!("unit.{unit}"),
            Self::Book => "book".to_owned(),
        }
    }

    /// The grouping that it needs.
    #[must_use]
    pub fn grouping(&self) -> Option<&Grouping> {
        match self {
            Self::Group(by) | Self::GroupUnit(by, _) => Some(by),
            _ => None,
        }
    }

    /// The risk unit that it names.
    #[must_use]
    pub fn unit(&self) -> Option<&Which> {
        match self {
            Self::AccountUnit(unit) | Self::GroupUnit(_, unit) | Self::Unit(unit) => Some(unit),
            _ => None,
        }
    }

    /// The figures that it has.
    #[must_use]
    pub fn figures(&self) -> Vec<Figure> {
        match self {
            Self::Account => figures::of_accounts(),
            Self::AccountUnit(_) => figures::of_account_units(),
            Self::Worst => figures::of_worst(),
            Self::Group(_) => figures::of_groups(),
            Self::GroupUnit(..) => figures::of_group_units(),
            Self::Unit(_) => figures::of_units(),
            Self::Book => figures::of_book(),
        }
    }
}

/// What a figure must be. Bounds are in the unit of the figure.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Test {
    /// Below the bound.
    Below(f64),
    /// At most the bound.
    AtMost(f64),
    /// Above the bound.
    Above(f64),
    /// At least the bound.
    AtLeast(f64),
    /// From the first to the second, both included.
    Between(f64, f64),
}

impl Test {
    /// True if the figure is within the limit.
    #[must_use]
    pub fn holds(self, value: f64) -> bool {
        match self {
            Self::Below(most) => value < most,
            Self::AtMost(most) => value <= most,
            Self::Above(least) => value > least,
            Self::AtLeast(least) => value >= least,
            Self::Between(least, most) => least <= value && value <= most,
        }
    }

    /// How far the figure is beyond the limit: positive beyond it, negative while there is room left.
    #[must_use]
    pub fn excess(self, value: f64) -> f64 {
        let over = self.most().map_or(f64::NEG_INFINITY, |most| value - most);
        let under = self.least().map_or(f64::NEG_INFINITY, |least| least - value);
        if under > over { under } else { over }
    }

    /// As it is written.
    #[must_use]
    pub const fn operator(self) -> &'static str {
        match self {
            Self::Below(_) => "<",
            Self::AtMost(_) => "<=",
            Self::Above(_) => ">",
            Self::AtLeast(_) => ">=",
            Self::Between(..) => "between",
        }
    }

    /// The lower bound.
    #[must_use]
    pub const fn least(self) -> Option<f64> {
        match self {
            Self::Above(least) | Self::AtLeast(least) | Self::Between(least, _) => Some(least),
            Self::Below(_) | Self::AtMost(_) => None,
        }
    }

    /// The upper bound.
    #[must_use]
    pub const fn most(self) -> Option<f64> {
        match self {
            Self::Below(most) | Self::AtMost(most) | Self::Between(_, most) => Some(most),
            Self::Above(_) | Self::AtLeast(_) => None,
        }
    }
}

/// A rule, read.
///
/// ```
/// use remargin::limits::Rule;
/// let rule = Rule::read("group.desk.mmr <= 50_000_000").unwrap();
/// assert_eq!(rule.scope.name(), "group");
/// assert!(rule.test.holds(5e7) && !rule.test.holds(5.1e7));
/// assert_eq!(rule.test.excess(5.1e7), 1e6);
/// let wrong = Rule::read("account.margin_rati >= 1.2").unwrap_err();
/// assert_eq!(wrong.hint.as_deref(), Some("is it `margin_ratio`?"));
/// ```
#[derive(Debug, Clone, PartialEq)]
pub struct Rule {
    /// Whose figure.
    pub scope: Scope,
    /// Which figure.
    pub figure: Figure,
    /// What it must be.
    pub test: Test,
}

impl Rule {
    /// Reads a rule.
    ///
    /// # Errors
    /// What is wrong with it, without its place: an unknown scope or figure is named with the nearest known one.
    pub fn read(text: &str) -> Result<Self, Box<Invalid>> {
        let (path, rest) = path_of(text)?;
        let (scope, name) = scope_of(&path)?;
        let figure = figure_of(&scope, name)?;
        let test = test_of(rest.trim(), figure.unit)?;
        Ok(Self { scope, figure, test })
    }
}

/// The parts of the path at the start of a rule, and what follows it.
fn path_of(text: &str) -> Result<(Vec<String>, &str), Box<Invalid>> {
    let (mut parts, mut rest) = (Vec::new(), text.trim_start());
    loop {
        let (part, after) = if rest.starts_with('"') {
            let unclosed = || Invalid::new("a quote is not closed").value(text).expected("a second `\"`");
            unquoted(rest).ok_or_else(unclosed)?
        } else {
            let is_end = |c: char| c == '.' || c == '"' || c.is_whitespace() || ENDS.contains(c);
            let (part, after) = rest.split_at(rest.find(is_end).unwrap_or(rest.len()));
            (part.to_owned(), after)
        };
        if part.is_empty() {
            let expected = "whose figure and which, with a dot between them, such as `account.margin_ratio`";
            return Err(Invalid::new("the rule has no figure, or an empty part").value(text).expected(expected).into());
        }
        parts.push(part);
        match after.strip_prefix('.') {
            Some(next) => rest = next,
            None => return Ok((parts, after)),
        }
    }
}

const FORMS: &str = "`account.FIGURE`, `account.unit.UNIT.FIGURE`, `worst.FIGURE`, `group.BY.FIGURE`, \
                     `group.BY.unit.UNIT.FIGURE`, `unit.UNIT.FIGURE` or `book.FIGURE`";

fn scope_of(path: &[String]) -> Result<(Scope, &str), Box<Invalid>> {
    let which = |unit: &str| if unit == EACH { Which::Each } else { Which::Named(unit.to_owned()) };
    let by = |text: &str| {
        text.parse::<Grouping>().map_err(|error| match error {
            Error::Hinted { error, hint } => Box::new(Invalid::new(error.to_string()).hint(hint)),
            error => Box::new(Invalid::new(error.to_string())),
        })
    };
    let parts: Vec<&str> = path.iter().map(String::as_str).collect();
    let found = match parts.as_slice() {
        ["account", figure] => (Scope::Account, *figure),
        ["account", "unit", unit, figure] => (Scope::AccountUnit(which(unit)), *figure),
        ["worst", figure] => (Scope::Worst, *figure),
        ["group", grouping, figure] => (Scope::Group(by(grouping)?), *figure),
        ["group", grouping, "unit", unit, figure] => (Scope::GroupUnit(by(grouping)?, which(unit)), *figure),
        ["unit", unit, figure] => (Scope::Unit(which(unit)), *figure),
        ["book", figure] => (Scope::Book, *figure),
        [first, ..] => {
            let known = ["account", "worst", "group", "unit", "book"];
            let invalid = Invalid::new("the rule does not say whose figure it is about").expected(FORMS);
            let invalid = invalid.value(path.join("."));
            if known.contains(first) {
                let quoted = "a name with a dot or a blank stands in double quotes";
                return Err(invalid.hint(format!("{quoted}; after `unit` comes a risk unit, or `*`")).into());
            }
            let near = nearest(first, known.into_iter());
            return Err(hinted(invalid, near));
        }
        [] => return Err(Invalid::new("the rule is empty").expected(FORMS).into()),
    };
    Ok(found)
}

fn figure_of(scope: &Scope, name: &str) -> Result<Figure, Box<Invalid>> {
    let known = scope.figures();
    let full = figures::in_full(name);
    if let Some(found) = known.iter().find(|figure| figure.name == name || figure.name == full) {
        return Ok(found.clone());
    }
    let names: Vec<String> = known.iter().map(|figure| format!("`{}`", figure.name)).collect();
    let invalid = Invalid::new(format!("no such figure of {}", scope.noun()))
        .value(name)
        .expected(format!("a column that is a number: {}", names.join(", ")));
    Err(hinted(invalid, nearest(&full, known.iter().map(|figure| figure.name.as_ref()))))
}

/// With the nearest name, if there is one.
pub(super) fn hinted(invalid: Invalid, near: Option<&str>) -> Box<Invalid> {
    match near {
        Some(near) => invalid.hint(format!("is it `{near}`?")).into(),
        None => invalid.into(),
    }
}

/// A test of one bound.
type OfBound = fn(f64) -> Test;

const OPERATORS: [(&str, OfBound); 4] =
    [("<=", Test::AtMost), (">=", Test::AtLeast), ("<", Test::Below), (">", Test::Above)];

const TESTS: &str = "`< NUMBER`, `<= NUMBER`, `> NUMBER`, `>= NUMBER` or `between NUMBER and NUMBER`";

fn test_of(text: &str, unit: Unit) -> Result<Test, Box<Invalid>> {
    if let Some(bounds) = text.strip_prefix("between ") {
        let expected = "`between NUMBER and NUMBER`, the lower one first";
        let (least, most) = bounds
            .split_once(" and ")
            .ok_or_else(|| Invalid::new("a range without two bounds").value(text).expected(expected))?;
        let (least, most) = (number_of(least, unit)?, number_of(most, unit)?);
        if least > most {
            return Err(Invalid::new("the lower bound is above the upper one").value(text).expected(expected).into());
        }
        return Ok(Test::Between(least, most));
    }
    // The longer ones first.
    for (operator, test) in OPERATORS {
        if let Some(bound) = text.strip_prefix(operator) {
            return number_of(bound, unit).map(test);
        }
    }
    let invalid = Invalid::new("the rule does not say what the figure must be").value(text).expected(TESTS);
    let word = text.split_whitespace().next().unwrap_or_default();
    for (meant, written) in [("<=", "=<"), (">=", "=>")] {
        if word.starts_with(written) {
            return Err(invalid.hint(format!("is it `{meant}`?")).into());
        }
    }
    if ["=", "==", "!="].iter().any(|operator| word.starts_with(operator)) {
        return Err(invalid.hint("give bounds: a figure is never exactly a number").into());
    }
    Err(hinted(invalid, nearest(word, std::iter::once("between"))))
}

/// A number in the unit of the figure; of a ratio it may be in per cent.
fn number_of(text: &str, unit: Unit) -> Result<f64, Box<Invalid>> {
    let text = text.trim();
    let expected = if unit == Unit::Ratio {
        "a number such as `1.2`, or `5%` for 0.05"
    } else {
        "a number such as `250`, `50_000_000`, `-1e6`"
    };
    let invalid = || Invalid::new("not a number").value(text).expected(expected);
    let (digits, scale) = match text.strip_suffix('%') {
        Some(digits) if unit == Unit::Ratio => (digits.trim_end(), 100.0),
        Some(_) => {
            let problem = format!("a figure in {} has no per cent", unit.name());
            return Err(Invalid::new(problem).value(text).expected(expected).into());
        }
        None => (text, 1.0),
    };
    let is_plain = digits.chars().all(|c| c.is_ascii_digit() || "+-._eE".contains(c));
    let number: Option<f64> = without_underscores(digits).parse().ok().filter(|_| is_plain);
    let number = number.map(|number| number / scale).filter(|number| number.is_finite()).ok_or_else(invalid)?;
    // A zero that is written with another digit was too small for a float.
    let significant = digits.split(['e', 'E']).next().unwrap_or_default();
    let is_rounded_away = number == 0.0 && significant.contains(|c: char| c.is_ascii_digit() && c != '0');
    if is_rounded_away || in_range(number).is_err() {
        let problem = "a number beyond what figures can be";
        let expected = "0, or an absolute value from 1e-18 to 1e18";
        return Err(Invalid::new(problem).value(text).expected(expected).into());
    }
    Ok(number)
}

/// A part of a path, in quotes if it needs them.
struct Part<'a>(&'a str);

impl fmt::Display for Part<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let needs_quotes = self.0.contains(|c: char| c == '.' || c == '"' || c.is_whitespace() || ENDS.contains(c));
        if needs_quotes { f.write_str(&quoted(self.0)) } else { f.write_str(self.0) }
    }
}

impl fmt::Display for Which {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Each => f.write_str(EACH),
            Self::Named(name) => Part(name).fmt(f),
        }
    }
}

impl fmt::Display for Test {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let shown = |bound: f64| grouped(bound, '_');
        match *self {
            Self::Between(least, most) => write!(f, "between {} and {}", shown(least), shown(most)),
            Self::Below(bound) | Self::AtMost(bound) | Self::Above(bound) | Self::AtLeast(bound) => {
                write!(f, "{} {}", self.operator(), shown(bound))
            }
        }
    }
}

/// All digits of a number, with a sign between the thousands of its whole part.
pub(super) fn grouped(value: f64, between: char) -> String {
    let text = value.abs().to_string();
    let (whole, rest) = text.split_at(text.find('.').unwrap_or(text.len()));
    let mut grouped = String::from(if value < 0.0 { "-" } else { "" });
    for (place, digit) in whole.chars().enumerate() {
        if place > 0 && (whole.len() - place).is_multiple_of(3) {
            grouped.push(between);
        }
        grouped.push(digit);
    }
    grouped + rest
}

/// The rule as it can be read again: names in full, all digits of numbers.
impl fmt::Display for Rule {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{} {}", self.scope.path(), self.figure.name, self.test)
    }
}
