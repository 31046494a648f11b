//! The figures in the exchange's responses, under the names of a run.

use crate::import::okx::Endpoint;
use crate::import::okx::response::Response;
use crate::import::okx::row::{Row, number};
use serde_json::Value;
use std::collections::BTreeMap;

/// What a figure belongs to.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Subject {
    /// The account.
    Account,
    /// A risk unit.
    Unit(String),
    /// All risk units of a base currency together.
    Base(String),
}

/// One figure of a response.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Answer {
    /// Empty if the response does not state the account.
    pub account: String,
    pub source: &'static str,
    pub subject: Subject,
    /// The name in a run.
    pub component: &'static str,
    /// A number, or the name of a volatility state.
    pub value: Result<f64, String>,
}

/// All figures of the responses.
#[derive(Debug, Default)]
pub(super) struct Answers {
    pub figures: Vec<Answer>,
    /// Fields without a value.
    pub blank: u64,
    /// Fields that are not compared, by name.
    pub not_compared: BTreeMap<&'static str, u64>,
    /// The risk units in each response: account, endpoint, units.
    pub units: Vec<(String, &'static str, Vec<String>)>,
}

/// Fields of an account in each response, and their names in a run.
const BUILDER: [(&str, &str); 7] = [
    ("eq", "adj_eq"),
    ("totalMmr", "mmr"),
    ("totalImr", "imr"),
    ("derivMmr", "deriv_mmr"),
    ("borrowMmr", "borrow_mmr"),
    ("marginRatio", "margin_ratio"),
    ("upl", "upl"),
];
const BALANCE: [(&str, &str); 6] = [
    ("adjEq", "adj_eq"),
    ("totalEq", "total_eq"),
    ("imr", "imr"),
    ("mmr", "mmr"),
    ("mgnRatio", "margin_ratio"),
    ("upl", "upl"),
];
const UNIT: [(&str, &str); 12] = [
    ("mr1", "mr1"),
    ("mr2", "mr2"),
    ("mr3", "mr3"),
    ("mr4", "mr4"),
    ("mr5", "mr5"),
    ("mr6", "mr6"),
    ("mr7", "mr7"),
    ("mr9", "mr9"),
    ("mmr", "mmr"),
    ("imr", "imr"),
    ("delta", "cash_delta"),
    ("upl", "upl"),
];

impl Answers {
    /// Takes the figures of a response if it has computed margin.
    pub fn take(&mut self, response: &Response) {
        let account = response.account.clone().unwrap_or_default();
        for value in response.current() {
            let Ok(row) = Row::of(value) else { continue };
            let mut reader = Reader { answers: self, account: &account, source: response.endpoint.name() };
            match response.endpoint {
                Endpoint::PositionBuilder => reader.builder(row),
                Endpoint::Balance => {
                    reader.fields(row, &Subject::Account, &BALANCE);
                    for detail in row.list("details") {
                        reader.spot(detail, &["spotInUseAmt", "spotInUse"]);
                        reader.answers.skip("details (single currencies)");
                    }
                }
                Endpoint::PositionRisk => {
                    reader.fields(row, &Subject::Account, &[("adjEq", "adj_eq")]);
                    for _ in row.list("balData") {
                        reader.answers.skip("balData (single currencies)");
                    }
                }
                _ => {}
            }
        }
    }

    /// Assigns the figures of responses without account to an account.
    pub fn assign(&mut self, owner: &str) {
        let units = self.units.iter_mut().map(|(account, _, _)| account);
        for account in self.figures.iter_mut().map(|figure| &mut figure.account).chain(units) {
            if account.is_empty() {
                owner.clone_into(account);
            }
        }
    }

    fn skip(&mut self, what: &'static str) {
        *self.not_compared.entry(what).or_default() += 1;
    }
}

struct Reader<'a> {
    answers: &'a mut Answers,
    account: &'a str,
    source: &'static str,
}

impl Reader<'_> {
    fn builder(&mut self, row: Row) {
        self.fields(row, &Subject::Account, &BUILDER);
        let borrow_imr: Option<f64> =
            row.list("assets").iter().map(|asset| number(&Row::of(asset).ok()?.text(&["borrowImr"]).ok()??)).sum();
        if let Some(sum) = borrow_imr {
            self.push(Subject::Account, "borrow_imr", Ok(sum));
        }
        for asset in row.list("assets") {
            self.spot(asset, &["spotInUse", "spotInUseAmt"]);
        }
        let mut names = Vec::new();
        for unit in row.list("riskUnitData") {
            let Ok(unit) = Row::of(unit) else { continue };
            let Ok(Some(name)) = unit.text(&["riskUnit"]) else { continue };
            self.unit(unit, &name);
            names.push(name);
        }
        self.answers.units.push((self.account.to_owned(), self.source, names));
    }

    fn unit(&mut self, unit: Row, name: &str) {
        let subject = Subject::Unit(name.to_owned());
        self.fields(unit, &subject, &UNIT);
        self.fields(unit, &Subject::Account, &[("mr8", "borrow_mmr")]);
        // If all scenarios cost nothing, the worst one has no meaning.
        let charged =
            |field| unit.text(&[field]).ok().flatten().and_then(|text| number(&text)).is_some_and(|x| x > 0.0);
        for (field, of, component) in [("mr1FinalResult", "mr1", "mr1_price"), ("mr6FinalResult", "mr6", "mr6_price")] {
            if let Some(result) = object(unit, field).filter(|_| charged(of)) {
                self.fields(result, &subject, &[("spotShock", component)]);
            }
        }
        if let Some(Ok(Some(state))) =
            object(unit, "mr1FinalResult").filter(|_| charged("mr1")).map(|result| result.text(&["volShock"]))
        {
            let state = if state == "unchange" { "same".to_owned() } else { state };
            self.push(subject, "mr1_vol", Err(state));
        }
        for what in ["gamma", "theta", "vega", "mr1Scenarios", "portfolios"] {
            if unit.has(what) {
                self.answers.skip(what);
            }
        }
    }

    fn spot(&mut self, value: &Value, names: &[&str]) {
        let Ok(row) = Row::of(value) else { return };
        match (row.text(&["ccy"]), row.text(names)) {
            (Ok(Some(ccy)), Ok(Some(text))) => {
                let value = number(&text).ok_or(text);
                self.push(Subject::Base(ccy), "spot_in_use", value);
            }
            _ => self.answers.blank += 1,
        }
    }

    fn fields(&mut self, row: Row, subject: &Subject, fields: &[(&str, &'static str)]) {
        for (field, component) in fields {
            match row.text(&[field]) {
                Ok(Some(text)) => self.push(subject.clone(), component, number(&text).ok_or(text)),
                _ => self.answers.blank += 1,
            }
        }
    }

    fn push(&mut self, subject: Subject, component: &'static str, value: Result<f64, String>) {
        let account = self.account.to_owned();
        self.answers.figures.push(Answer { account, source: self.source, subject, component, value });
    }
}

fn object<'a>(row: Row<'a>, field: &str) -> Option<Row<'a>> {
    row.0.get(field).and_then(|value| Row::of(value).ok())
}
