//! Data that are missing for the margin of the imported accounts, and the endpoint that has them.

use super::accounts::Accounts;
use super::market::{PublicData, Spec};
use super::row::{is_zero, type_of, underlying};
use super::tables::IndexRow;
use super::vol::MarkRow;
use std::collections::{BTreeMap, BTreeSet};

/// One missing item.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Missing {
    /// `contract`, `mark`, `volatility`, `forward`, `index`, `balance`, `positions`, `settings`; `expired` for a
    /// contract that is over.
    pub what: &'static str,
    /// The instrument, index or account.
    pub id: String,
    /// Accounts that need it, in byte order.
    pub accounts: Vec<String>,
    /// What to do: a request, and why.
    pub advice: String,
    /// True if the accounts cannot be margined without it.
    pub needed: bool,
}

/// Missing items by kind and id, with the accounts that need them.
type Needs = BTreeMap<(&'static str, String), (BTreeSet<String>, String, bool)>;

/// All missing data of held instruments and currencies.
pub(super) fn missing(
    public: &PublicData,
    marks: &BTreeMap<String, MarkRow>,
    indices: &BTreeMap<String, IndexRow>,
    accounts: &Accounts,
    as_of_ms: i64,
) -> Vec<Missing> {
    let mut needs = Needs::new();
    let mut over: BTreeMap<String, (i64, BTreeSet<String>)> = BTreeMap::new();
    for (id, account) in &accounts.by_id {
        let mut note = |what, thing: &str, advice: String, needed| {
            let entry = needs.entry((what, thing.to_owned())).or_insert_with(|| (BTreeSet::new(), advice, needed));
            entry.0.insert(id.clone());
        };
        if !account.has_balance && !account.has_answer {
            note("balance", id, get("account/balance"), true);
        }
        if !account.has_positions && !account.has_answer {
            note("positions", id, get("account/positions"), true);
        }
        if !account.has_config {
            let advice = "account/config (spotOffsetType; without it the rules' default)";
            note("settings", id, get(advice), false);
        }
        let mut need = |what, thing: &str, endpoint: String, needed| note(what, thing, get(&endpoint), needed);
        let mut currencies: BTreeSet<String> = BTreeSet::new();
        for (ccy, balance) in account.balances.iter() {
            if !balance.cash.as_deref().is_some_and(is_zero) {
                currencies.insert(ccy.clone());
            }
        }
        for inst_id in account.positions.iter().map(|(key, _)| &key.inst_id) {
            let spec = public.instruments.get(inst_id);
            if let Some(over_ms) = expiry_ms(inst_id, spec).filter(|over_ms| *over_ms <= as_of_ms) {
                over.entry(inst_id.clone()).or_insert_with(|| (over_ms, BTreeSet::new())).1.insert(id.clone());
                continue;
            }
            let Some(spec) = spec else {
                let endpoint = format!("public/instruments?instType={}", type_of(inst_id));
                need("contract", inst_id, endpoint, true);
                continue;
            };
            for (what, endpoint) in price_gaps(inst_id, spec, marks.get(inst_id)) {
                need(what, inst_id, endpoint, true);
            }
            let Some(uly) = spec.uly.clone().or_else(|| underlying(inst_id)) else { continue };
            if !indices.contains_key(&uly) {
                need("index", &uly, format!("market/index-tickers?instId={uly}"), true);
            }
            currencies.extend(uly.split('-').nth(1).map(str::to_owned));
            currencies.extend(spec.settle_ccy.clone());
        }
        for ccy in currencies.into_iter().filter(|ccy| ccy != "USD") {
            let direct = format!("{ccy}-USD");
            let through = [format!("{ccy}-USDT"), "USDT-USD".to_owned()];
            if indices.contains_key(&direct) || ccy != "USDT" && through.iter().all(|id| indices.contains_key(id)) {
                continue;
            }
            need("index", &direct, format!("market/index-tickers?instId={direct}"), true);
        }
    }
    for (id, (over_ms, accounts)) in over {
        let when =
            jiff::Timestamp::from_millisecond(over_ms).map_or_else(|_| String::new(), |time| format!(" at {time}"));
        let advice = format!(
            "it was delivered or exercised{when}, and the position is none any more: GET /api/v5/account/positions and \
             account/balance again, at one time after that"
        );
        needs.insert(("expired", id), (accounts, advice, true));
    }
    let missing = needs.into_iter().map(|((what, id), (accounts, advice, needed))| Missing {
        what,
        id,
        accounts: accounts.into_iter().collect(),
        advice,
        needed,
    });
    missing.collect()
}

fn get(endpoint: &str) -> String {
    format!("GET /api/v5/{endpoint}")
}

/// When a contract ends, in milliseconds since 1970: as its specification says, else by the day in its id. Contracts
/// end at 08:00 UTC of that day.
fn expiry_ms(inst_id: &str, spec: Option<&Spec>) -> Option<i64> {
    if let Some(spec) = spec {
        return spec.expiry_ms.as_deref()?.parse().ok();
    }
    let day =
        inst_id.split('-').nth(2).filter(|day| day.len() == 6 && day.bytes().all(|byte| byte.is_ascii_digit()))?;
    let part = |at: usize| day.get(at..at + 2)?.parse::<i8>().ok();
    let date = jiff::civil::Date::new(2000 + i16::from(part(0)?), part(2)?, part(4)?).ok()?;
    Some(date.at(8, 0, 0, 0).to_zoned(jiff::tz::TimeZone::UTC).ok()?.timestamp().as_millisecond())
}

/// Missing prices of an instrument, with the requests that return them.
fn price_gaps(inst_id: &str, spec: &Spec, row: Option<&MarkRow>) -> Vec<(&'static str, String)> {
    let mut gaps = Vec::new();
    let has = |get: fn(&MarkRow) -> &Option<String>| row.is_some_and(|row| get(row).is_some());
    if !has(|row| &row.mark_px) {
        gaps.push(("mark", format!("public/mark-price?instType={}&instId={inst_id}", spec.inst_type)));
    }
    if spec.inst_type == "OPTION" {
        let family: Vec<&str> = inst_id.split('-').take(2).collect();
        let summary = format!("public/opt-summary?instFamily={}", family.join("-"));
        if !has(|row| &row.vol) {
            gaps.push(("volatility", summary.clone()));
        }
        if !has(|row| &row.fwd_px) {
            gaps.push(("forward", summary));
        }
    }
    gaps
}

/// Number of listed contracts without a mark, and of options without a volatility. No account holds them.
pub(super) fn unpriced(public: &PublicData, marks: &BTreeMap<String, MarkRow>) -> (u64, u64) {
    let (mut no_mark, mut no_vol) = (0, 0);
    for (id, spec) in public.instruments.iter() {
        let row = marks.get(id);
        no_mark += u64::from(row.is_none_or(|row| row.mark_px.is_none()));
        no_vol += u64::from(spec.inst_type == "OPTION" && row.is_none_or(|row| row.vol.is_none()));
    }
    (no_mark, no_vol)
}
