//! Groups of accounts: by which attributes they are formed, what each is called, and the group of each account.

use super::{IdTable, Interner};
use crate::{Error, Result};
use std::fmt;
use std::str::FromStr;

/// Columns of the table `accounts` by whose values accounts are put together, in order.
///
/// A column whose name has a comma stands in double quotes, a quote in it twice.
///
/// ```
/// use remargin::book::Grouping;
/// let grouping: Grouping = "desk,region".parse()?;
/// assert_eq!(grouping.attributes(), ["desk", "region"]);
/// assert_eq!(grouping.group([Some("rates"), None]), "rates/");
/// assert_eq!(grouping.group([Some("a/b"), Some("EU")]), r"a\/b/EU");
/// assert!("desk,desk".parse::<Grouping>().is_err());
/// let quoted: Grouping = r#"desk,"city, country""#.parse()?;
/// assert_eq!(quoted.attributes(), ["desk", "city, country"]);
/// assert_eq!(quoted.to_string(), r#"desk,"city, country""#);
/// # Ok::<(), remargin::Error>(())
/// ```
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Grouping(Vec<String>);

/// What stands between the values in the name of a group.
const BETWEEN: char = '/';
/// What stands before [`BETWEEN`] and itself inside a value.
const ESCAPE: char = '\\';
/// What stands between the attributes in the name of a grouping.
const COMMA: &str = ",";
/// What stands around an attribute with such a comma in its name.
const QUOTE: char = '"';
/// The id of an account is no attribute: each group would be an account.
const ACCOUNT_ID: &str = "account_id";
/// What people are shown for a missing value.
const NONE: &str = "(none)";

impl Grouping {
    /// By the values of these columns, in this order.
    ///
    /// # Errors
    /// [`Error::Usage`] without a column, for one without a name, one that comes twice, and for `account_id`.
    pub fn new(attributes: impl IntoIterator<Item = impl Into<String>>) -> Result<Self> {
        let attributes: Vec<String> = attributes.into_iter().map(|name| name.into().trim().to_owned()).collect();
        let usage = |problem: String| Err(Error::Usage(problem).hint("such as `desk` or `desk,region`"));
        if attributes.is_empty() || attributes.iter().any(String::is_empty) {
            return usage(format!(
                "`{}` names no attributes: expected columns of the table `accounts`, with commas between them",
                attributes.join(COMMA)
            ));
        }
        if attributes.iter().any(|name| name == ACCOUNT_ID) {
            return usage(format!("accounts cannot be grouped by `{ACCOUNT_ID}`: each group would be one account"));
        }
        if let Some(twice) = first_repeated(&attributes) {
            return usage(format!("the attribute `{twice}` stands twice in `{}`", attributes.join(COMMA)));
        }
        Ok(Self(attributes))
    }

    /// The columns, in order.
    #[must_use]
    pub fn attributes(&self) -> &[String] {
        &self.0
    }

    /// Refuses a grouping that is there twice: its rows would be there twice.
    ///
    /// # Errors
    /// [`Error::Usage`] naming it.
    pub fn check_distinct(all: &[Self]) -> Result<()> {
        match first_repeated(all) {
            Some(twice) => Err(Error::Usage(format!("accounts are to be grouped by `{twice}` twice"))),
            None => Ok(()),
        }
    }

    /// The name of the group of an account with these values of the attributes: the values with `/` between them, a
    /// `/` or `\` in a value behind a `\`, nothing for a value that is missing.
    #[must_use]
    pub fn group<'v>(&self, values: impl IntoIterator<Item = Option<&'v str>>) -> String {
        let mut name = String::new();
        for (place, value) in values.into_iter().enumerate() {
            if place > 0 {
                name.push(BETWEEN);
            }
            for letter in value.unwrap_or_default().chars() {
                if letter == BETWEEN || letter == ESCAPE {
                    name.push(ESCAPE);
                }
                name.push(letter);
            }
        }
        name
    }

    /// True if no value of the group is missing.
    #[must_use]
    pub fn is_known(group: &str) -> bool {
        values(group).iter().all(|value| !value.is_empty())
    }

    /// The name of the group of an account of which no attribute is known.
    #[must_use]
    pub fn group_of_none(&self) -> String {
        self.group(self.0.iter().map(|_| None))
    }
}

/// The name of a group for people: `(none)` for each value that is missing.
#[must_use]
pub fn shown(group: &str) -> String {
    let values = values(group).into_iter().map(|value| if value.is_empty() { NONE.to_owned() } else { value });
    values.collect::<Vec<_>>().join(&BETWEEN.to_string())
}

/// The values in the name of a group, as they stand there.
pub(crate) fn values(group: &str) -> Vec<String> {
    let (mut values, mut value, mut is_escaped) = (Vec::new(), String::new(), false);
    for letter in group.chars() {
        if letter == BETWEEN && !is_escaped {
            values.push(std::mem::take(&mut value));
            continue;
        }
        value.push(letter);
        is_escaped = letter == ESCAPE && !is_escaped;
    }
    values.push(value);
    values
}

fn first_repeated<T: PartialEq>(all: &[T]) -> Option<&T> {
    all.iter().enumerate().find(|(place, one)| all.iter().take(*place).any(|other| other == *one)).map(|(_, one)| one)
}

impl fmt::Display for Grouping {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (place, name) in self.0.iter().enumerate() {
            let between = if place > 0 { COMMA } else { "" };
            if name.contains(COMMA) || name.starts_with(QUOTE) {
                write!(f, "{between}{}", quoted(name))?;
            } else {
                write!(f, "{between}{name}")?;
            }
        }
        Ok(())
    }
}

impl FromStr for Grouping {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self> {
        let (mut names, mut rest) = (Vec::new(), Some(text));
        while let Some(from) = rest {
            if let Some((name, after)) = unquoted(from.trim_start()) {
                names.push(name);
                let after = after.trim_start();
                rest = after.strip_prefix(COMMA);
                if rest.is_none() && !after.is_empty() {
                    return Err(Error::Usage(format!("`{text}`: after a name in quotes comes a comma, or nothing")));
                }
            } else if from.trim_start().starts_with(QUOTE) {
                return Err(Error::Usage(format!("`{text}`: a quote is not closed")));
            } else {
                let (name, after) = from.split_once(COMMA).map_or((from, None), |(name, after)| (name, Some(after)));
                names.push(name.to_owned());
                rest = after;
            }
        }
        Self::new(names)
    }
}

/// A text in double quotes, a quote in it twice.
pub(crate) fn quoted(text: &str) -> String {
    format!("{QUOTE}{}{QUOTE}", text.replace(QUOTE, "\"\""))
}

/// The text in double quotes at the start of another, and what follows it; none if there is none that ends.
pub(crate) fn unquoted(text: &str) -> Option<(String, &str)> {
    let mut rest = text.strip_prefix(QUOTE)?;
    let mut name = String::new();
    loop {
        let (before, after) = rest.split_once(QUOTE)?;
        name.push_str(before);
        let Some(more) = after.strip_prefix(QUOTE) else { return Some((name, after)) };
        name.push(QUOTE);
        rest = more;
    }
}

/// The group of each account of a book, in one grouping.
#[derive(Debug, Clone, Default)]
pub struct Groups {
    codes: Vec<u32>,
    names: IdTable,
}

impl Groups {
    /// The group of an account, by its place among [`Groups::names`].
    #[must_use]
    #[inline]
    pub fn code(&self, account: usize) -> u32 {
        self.codes[account]
    }

    /// The group of each account.
    #[must_use]
    pub fn codes(&self) -> &[u32] {
        &self.codes
    }

    /// The groups that accounts of the book have, in order of their first account.
    #[must_use]
    pub fn names(&self) -> &IdTable {
        &self.names
    }

    /// The name of the group of an account.
    #[must_use]
    pub fn name(&self, account: usize) -> &str {
        self.names.get(self.code(account) as usize)
    }
}

/// [`Groups`] in the making.
#[derive(Debug, Default)]
pub(super) struct GroupsMade {
    codes: Vec<u32>,
    names: Interner,
}

impl GroupsMade {
    /// The number of a group.
    pub fn number(&mut self, group: &str) -> u32 {
        self.names.intern(group)
    }

    /// Adds an account of a group.
    pub fn push(&mut self, number: u32) {
        self.codes.push(number);
    }

    /// Adds all accounts of another book.
    pub fn append(&mut self, later: &Groups) {
        let translated: Vec<u32> = later.names.iter().map(|name| self.names.intern(name)).collect();
        self.codes.extend(later.codes.iter().map(|&code| translated[code as usize]));
    }

    pub fn len(&self) -> usize {
        self.codes.len()
    }

    pub fn build(self) -> Groups {
        Groups { codes: self.codes, names: self.names.into_ids() }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn groupings_are_named_by_their_attributes() {
        for (text, expected) in [
            ("desk", Ok("desk")),
            ("desk, region", Ok("desk,region")),
            ("", Err("names no attributes")),
            ("desk,", Err("names no attributes")),
            ("desk,region,desk", Err("`desk` stands twice in `desk,region,desk`")),
            ("account_id", Err("cannot be grouped by `account_id`")),
            ("\"desk\"", Ok("desk")),
            (" \"a, b\" , desk", Ok("\"a, b\",desk")),
            ("\"a \"\"b\"\"\"", Ok("a \"b\"")),
            ("\"\"\"a\"\"\"", Ok("\"\"\"a\"\"\"")),
            ("\"a,b", Err("a quote is not closed")),
            ("\"a\"b", Err("comes a comma, or nothing")),
            ("\"\"", Err("names no attributes")),
        ] {
            match (text.parse::<Grouping>(), expected) {
                (Ok(grouping), Ok(name)) => {
                    assert_eq!(grouping.to_string(), name);
                    assert_eq!(name.parse::<Grouping>().unwrap(), grouping);
                }
                (Err(error), Err(part)) => assert!(error.exit_code() == 2 && error.to_string().contains(part)),
                (other, _) => panic!("{text}: {other:?}"),
            }
        }
        let [a, b] = ["desk", "desk,region"].map(|text| text.parse::<Grouping>().unwrap());
        assert!(Grouping::check_distinct(&[a.clone(), b.clone()]).is_ok());
        let twice = Grouping::check_distinct(&[a.clone(), b, a]).unwrap_err();
        assert!(twice.to_string().contains("grouped by `desk` twice"), "{twice}");
    }

    #[test]
    fn groups_of_different_values_have_different_names() {
        let grouping: Grouping = "a,b".parse().unwrap();
        let mut names = std::collections::BTreeSet::new();
        for (values, name, people) in [
            ([Some("x"), Some("y")], "x/y", "x/y"),
            ([Some("x/y"), None], r"x\/y/", r"x\/y/(none)"),
            ([Some(r"x\"), Some("y")], r"x\\/y", r"x\\/y"),
            ([None, Some("x")], "/x", "(none)/x"),
            ([None, None], "/", "(none)/(none)"),
        ] {
            let group = grouping.group(values);
            assert_eq!((group.as_str(), shown(&group).as_str()), (name, people));
            assert_eq!(Grouping::is_known(&group), !people.contains("(none)"));
            assert!(names.insert(group), "{values:?}");
        }
        assert_eq!(grouping.group_of_none(), "/");
        assert_eq!((shown(""), shown("x")), ("(none)".to_owned(), "x".to_owned()));
    }
}
