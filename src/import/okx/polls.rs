//! Several answers of one endpoint for one account: polls of which the last one holds, or parts of one answer.
//!
//! An answer to a request says all that there is. A later answer therefore replaces an earlier one whole: what it does
//! not hold any more is closed. Pushes say what changed, and are merged row by row.
//!
//! | two answers of an account | are |
//! |---|---|
//! | positions or orders of different instrument types | parts |
//! | positions or orders whose file names state types or instruments (`account_positions_SWAP.json`) | parts |
//! | balances whose file names state their currencies (`account_balance_BTC.json`) | parts |
//! | 100 pending orders, and others with lower ids | pages |
//! | the same | the same |
//! | all others | polls |
//!
//! Which poll is later: the time of the answer (`uTime` of the balance, `ts` of computed margin, `pTime`), else the
//! `uTime` of positions and orders that both hold, else the file names, if they differ in digits alone. Where nothing
//! says it, the import ends with an error: a closed position must not survive, and an open one must not disappear.

use super::endpoint::Endpoint;
use super::response::Response;
use super::row::{Row, type_of_row};
use crate::{Invalid, Result};
use std::cmp::Ordering;
use std::collections::{BTreeMap, BTreeSet};

/// Most answers of one endpoint for one account: they are compared with each other.
const MOST_ANSWERS: usize = 1000;
/// Orders of a full page.
const PAGE: usize = 100;

/// What an answer covers.
#[derive(Debug, PartialEq)]
enum Scope {
    Whole,
    Types(BTreeSet<String>),
    Instrument(String),
    Currencies(BTreeSet<String>),
}

impl Scope {
    /// What a later answer replaces of an earlier one.
    fn name(&self) -> String {
        match self {
            Self::Whole => "it".to_owned(),
            Self::Types(types) => {
                let types: Vec<&str> = types.iter().map(String::as_str).collect();
                format!("its rows of {}", types.join(", "))
            }
            Self::Instrument(id) => format!("its rows of {id}"),
            Self::Currencies(_) => "the currencies that are in both".to_owned(),
        }
    }
}

/// The answer that replaces an earlier one, or some of its rows.
struct Later {
    by: usize,
    /// What says that it is later.
    how: &'static str,
    /// What it replaces.
    what: String,
}

/// What two answers are compared by.
struct Facts {
    scope: Scope,
    /// Instrument types or currencies of its rows.
    kinds: BTreeSet<String>,
    /// Positions or orders, each with its time.
    keys: BTreeMap<String, i64>,
    /// Its own time, zero if it has none.
    time: i64,
    /// For settings, what counts of them.
    settings: Option<String>,
}

/// What two answers are to each other.
enum Pair {
    /// Both hold.
    Both,
    /// The first or the second is later, and what says so.
    Later(Ordering, &'static str),
    /// Nothing says which is later.
    Unknown(&'static str),
}

/// What is said of the answers.
#[derive(Debug, Default)]
pub(crate) struct Said {
    /// What was decided.
    pub notes: Vec<String>,
    /// What may be missing.
    pub warnings: Vec<String>,
}

/// Marks the rows that a later answer replaces. Returns what to say to the user.
///
/// # Errors
/// [`Invalid`] if nothing says which of two answers is later.
pub(super) fn settle(responses: &mut [Response]) -> Result<Said> {
    let mut groups: BTreeMap<(Option<String>, Endpoint), Vec<usize>> = BTreeMap::new();
    for (number, response) in responses.iter().enumerate() {
        if response.endpoint.is_of_account() {
            groups.entry((response.account.clone(), response.endpoint)).or_default().push(number);
        }
    }
    let mut said = Said::default();
    for ((account, endpoint), members) in groups {
        let (pushes, polls): (Vec<usize>, Vec<usize>) =
            members.iter().partition(|number| responses.get(**number).is_some_and(|response| response.push));
        let group = Group { account: account.unwrap_or_default(), endpoint };
        if let (Some(push), Some(poll), true) = (pushes.first(), polls.first(), endpoint != Endpoint::Balance) {
            return Err(group.mixed(responses, *push, *poll));
        }
        if polls.len() > 1 {
            group.settle(responses, &polls, &mut said.notes)?;
        }
        said.warnings.extend(group.lacking(responses, &polls));
    }
    Ok(said)
}

struct Group {
    account: String,
    endpoint: Endpoint,
}

impl Group {
    fn settle(&self, responses: &mut [Response], polls: &[usize], notes: &mut Vec<String>) -> Result<()> {
        if polls.len() > MOST_ANSWERS {
            return Err(Invalid::new("too many answers of one account")
                .value(format!("{} of {} for account `{}`", polls.len(), self.endpoint.name(), self.account))
                .expected(format!("at most {MOST_ANSWERS}"))
                .hint("keep the last ones")
                .into());
        }
        let facts: Vec<Facts> = polls.iter().filter_map(|poll| Some(facts(responses.get(*poll)?))).collect();
        // Of each answer, the one that replaces it.
        let mut replaced_by: BTreeMap<usize, Later> = BTreeMap::new();
        for (place, (first, about_first)) in polls.iter().zip(&facts).enumerate() {
            for (second, about_second) in polls.iter().zip(&facts).skip(place + 1) {
                let pair = match (responses.get(*first), responses.get(*second)) {
                    (Some(a), Some(b)) => compare(self.endpoint, (a, about_first), (b, about_second)),
                    _ => Pair::Both,
                };
                let (earlier, later, scope, how) = match pair {
                    Pair::Both => continue,
                    Pair::Later(Ordering::Greater, how) => (*second, *first, &about_first.scope, how),
                    Pair::Later(_, how) => (*first, *second, &about_second.scope, how),
                    Pair::Unknown(why) => return Err(self.unknown(responses, *first, *second, why)),
                };
                if let Some(response) = responses.get_mut(earlier) {
                    response.replace(|row| covers(scope, row));
                    replaced_by.insert(earlier, Later { by: later, how, what: scope.name() });
                }
            }
        }
        self.tell(responses, &replaced_by, notes)
    }

    /// Each replaced answer leads to one that holds, or the order is none.
    fn tell(
        &self,
        responses: &[Response],
        replaced_by: &BTreeMap<usize, Later>,
        notes: &mut Vec<String>,
    ) -> Result<()> {
        for (earlier, Later { by: later, how, what }) in replaced_by {
            let (mut at, mut steps) = (*later, 0);
            while let Some(next) = replaced_by.get(&at) {
                (at, steps) = (next.by, steps + 1);
                if steps > replaced_by.len() {
                    return Err(self.unknown(
                        responses,
                        *earlier,
                        *later,
                        "their times and names contradict each other",
                    ));
                }
            }
            notes.push(format!(
                "{} of account `{}`: `{}` is later than `{}` {how}, and replaces {what}",
                self.endpoint.name(),
                self.account,
                name(responses, *later),
                name(responses, *earlier),
            ));
        }
        Ok(())
    }

    /// A warning if the names of all files of positions state types, and not all that there are.
    fn lacking(&self, responses: &[Response], polls: &[usize]) -> Option<String> {
        let mut types = BTreeSet::new();
        for poll in polls.iter().filter(|_| self.endpoint == Endpoint::Positions) {
            match facts(responses.get(*poll)?).scope {
                Scope::Types(stated) => types.extend(stated),
                Scope::Instrument(_) => {}
                _ => return None,
            }
        }
        let others = ["SWAP", "FUTURES", "OPTION"].into_iter().filter(|name| !types.contains(*name));
        let others: Vec<&str> = others.collect();
        (!others.is_empty() && self.endpoint == Endpoint::Positions && !polls.is_empty()).then(|| {
            format!(
                "account `{}`: by their file names, the answers of account/positions are parts, and none is of all {}: \
                 other positions of these types would be missing",
                self.account,
                others.join(", ")
            )
        })
    }

    fn unknown(&self, responses: &[Response], first: usize, second: usize, why: &str) -> crate::Error {
        let parts = match self.endpoint {
            Endpoint::Balance => "name each after its currencies (`account_balance_BTC.json`)",
            _ => "name each after its instrument type (`account_positions_SWAP.json`)",
        };
        Invalid::new(format!("two answers of one account, and nothing says which is the later one: {why}"))
            .file(name(responses, second))
            .value(format!(
                "{} of account `{}`, as in `{}`",
                self.endpoint.name(),
                self.account,
                name(responses, first)
            ))
            .expected("a later time in one of them, or names that differ in digits alone: `..._0800`, `..._0900`")
            .hint(format!("remove the earlier one; if they are parts of one answer, {parts}"))
            .into()
    }

    fn mixed(&self, responses: &[Response], push: usize, poll: usize) -> crate::Error {
        Invalid::new("pushes and an answer to a request for one account, and nothing says which is the later one")
            .file(name(responses, push))
            .value(format!("{} of account `{}`, as in `{}`", self.endpoint.name(), self.account, name(responses, poll)))
            .expected("either pushes of a channel, or answers to requests")
            .hint("remove one of the two")
            .into()
    }
}

fn name(responses: &[Response], number: usize) -> String {
    responses.get(number).map(Response::name).unwrap_or_default()
}

fn facts(response: &Response) -> Facts {
    let rows: Vec<Row> = response.rows.iter().filter_map(|value| Row::of(value).ok()).collect();
    let text = |row: &Row, name: &str| row.text(&[name]).ok().flatten().unwrap_or_default();
    let latest = |name: &str| rows.iter().map(|row| row.time_ms(&[name])).max().unwrap_or(0);
    let mut facts =
        Facts { scope: Scope::Whole, kinds: BTreeSet::new(), keys: BTreeMap::new(), time: 0, settings: None };
    match response.endpoint {
        Endpoint::Balance => {
            facts.time = latest("uTime");
            let details = rows.iter().flat_map(|row| row.list("details")).filter_map(|value| Row::of(value).ok());
            facts.kinds = details.map(|row| text(&row, "ccy")).collect();
            let words = response.words();
            if !facts.kinds.is_empty() && facts.kinds.iter().all(|ccy| words.contains(ccy)) {
                facts.scope = Scope::Currencies(facts.kinds.clone());
            }
        }
        Endpoint::Positions | Endpoint::Orders => {
            let is_position = response.endpoint == Endpoint::Positions;
            if is_position && rows.iter().all(|row| row.time_ms(&["pTime"]) > 0) {
                facts.time = latest("pTime");
            }
            let id = |row: &Row| {
                let names: &[&str] = if is_position { &["instId", "posSide", "mgnMode", "posId"] } else { &["ordId"] };
                names.iter().map(|name| text(row, name)).collect::<Vec<_>>().join(" ")
            };
            facts.keys = rows.iter().map(|row| (id(row), row.time_ms(&["uTime"]))).collect();
            facts.kinds = rows.iter().map(|row| type_of_row(*row)).collect();
            facts.scope = stated(response, &rows, &facts.kinds);
        }
        Endpoint::Config => {
            let names = ["uid", "acctLv", "posMode", "spotOffsetType", "riskOffsetType"];
            let all = rows.iter().map(|row| names.map(|name| text(row, name)).join(" "));
            facts.settings = Some(all.collect::<Vec<_>>().join("\n"));
        }
        _ => facts.time = latest("ts"),
    }
    facts
}

/// What the name of the file says of its positions or orders, if its rows agree.
fn stated(response: &Response, rows: &[Row], kinds: &BTreeSet<String>) -> Scope {
    const TYPES: [&str; 5] = ["SWAP", "FUTURES", "OPTION", "MARGIN", "SPOT"];
    let ids: BTreeSet<String> = rows.iter().filter_map(|row| row.text(&["instId"]).ok().flatten()).collect();
    let stem = response.stem();
    if let Some(only) = ids.first().filter(|only| ids.len() == 1 && holds_id(&stem, only)) {
        return Scope::Instrument(only.clone());
    }
    let words = response.words();
    let named: BTreeSet<String> =
        TYPES.iter().filter(|name| words.contains(**name)).map(|name| (*name).to_owned()).collect();
    if named.is_empty() || !kinds.is_subset(&named) { Scope::Whole } else { Scope::Types(named) }
}

/// True if a name contains an instrument id that is not a part of a longer one.
fn holds_id(name: &str, inst_id: &str) -> bool {
    let is_part = |c: char| c.is_alphanumeric() || c == '-';
    name.match_indices(inst_id).any(|(at, _)| {
        let before = name.get(..at).and_then(|text| text.chars().next_back());
        let behind = name.get(at + inst_id.len()..).and_then(|text| text.chars().next());
        !before.is_some_and(is_part) && !behind.is_some_and(is_part)
    })
}

fn covers(scope: &Scope, row: Row) -> bool {
    match scope {
        Scope::Whole => true,
        Scope::Types(types) => types.contains(&type_of_row(row)),
        Scope::Instrument(id) => row.text(&["instId"]).ok().flatten().as_ref() == Some(id),
        // Its rows are merged with the others by currency and time.
        Scope::Currencies(_) => false,
    }
}

fn compare(endpoint: Endpoint, (a, about_a): (&Response, &Facts), (b, about_b): (&Response, &Facts)) -> Pair {
    let is_same = match (&about_a.settings, &about_b.settings) {
        (Some(first), Some(second)) => first == second,
        _ => a.rows == b.rows,
    };
    if is_same || is_apart(about_a, about_b) {
        return Pair::Both;
    }
    if endpoint == Endpoint::Orders {
        match pages(about_a, about_b) {
            Some(true) => return Pair::Both,
            Some(false) => {
                return Pair::Unknown("one is empty: it may be the last page of the other, or a later answer");
            }
            None => {}
        }
    }
    if endpoint == Endpoint::Balance
        && !about_a.kinds.is_empty()
        && about_a.kinds.is_disjoint(&about_b.kinds)
        && !about_b.kinds.is_empty()
    {
        return Pair::Unknown("they hold different currencies, and may be parts of one answer");
    }
    if about_a.time > 0 && about_b.time > 0 && about_a.time != about_b.time {
        return Pair::Later(about_a.time.cmp(&about_b.time), "by its time");
    }
    let mut orders = BTreeSet::new();
    for (key, time) in &about_a.keys {
        if let Some(other) = about_b.keys.get(key).filter(|other| *other != time) {
            orders.insert(time.cmp(other));
        }
    }
    match (orders.first(), orders.len()) {
        (Some(order), 1) => Pair::Later(*order, "by the times of its rows"),
        (Some(_), _) => Pair::Unknown("each has rows that are later than in the other"),
        (None, _) => match a.order_by_name(b) {
            Some(order) => Pair::Later(order, "by its name"),
            None => Pair::Unknown("neither their times nor their names say it"),
        },
    }
}

/// True if the answers cover different things.
fn is_apart(a: &Facts, b: &Facts) -> bool {
    let stated = match (&a.scope, &b.scope) {
        (Scope::Types(first), Scope::Types(second)) | (Scope::Currencies(first), Scope::Currencies(second)) => {
            first.is_disjoint(second)
        }
        (Scope::Instrument(first), Scope::Instrument(second)) => first != second,
        (Scope::Types(types), Scope::Instrument(_)) => b.kinds.is_disjoint(types),
        (Scope::Instrument(_), Scope::Types(types)) => a.kinds.is_disjoint(types),
        _ => false,
    };
    let of_types = !a.keys.is_empty() && !b.keys.is_empty() && a.kinds.is_disjoint(&b.kinds);
    stated || of_types
}

/// Of pending orders: `Some(true)` if they are pages of one answer, `Some(false)` if they may be.
fn pages(a: &Facts, b: &Facts) -> Option<bool> {
    let is_full = |facts: &Facts| !facts.keys.is_empty() && facts.keys.len().is_multiple_of(PAGE);
    if a.keys.is_empty() && is_full(b) || b.keys.is_empty() && is_full(a) {
        return Some(false);
    }
    // Ids grow with time, and a request returns the latest orders first.
    let range = |facts: &Facts| {
        let ids: Option<Vec<u128>> = facts.keys.keys().map(|id| id.parse().ok()).collect();
        let ids = ids?;
        Some((*ids.iter().min()?, *ids.iter().max()?))
    };
    let ((low_a, high_a), (low_b, high_b)) = (range(a)?, range(b)?);
    (high_b < low_a && is_full(a) || high_a < low_b && is_full(b)).then_some(true)
}
