//! Data that are missing for the margin of the imported accounts, and the endpoint that has them.

use super::accounts::Accounts;
use super::market::{PublicData, Spec};
use super::row::{is_zero, underlying};
use super::vol::MarkRow;
use std::collections::{BTreeMap, BTreeSet};

/// One missing item.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Missing {
    /// `contract`, `mark`, `volatility`, `forward`, `index`, `balance`, `positions`, `settings`.
    pub what: &'static str,
    /// The instrument, index or account.
    pub id: String,
    /// Accounts that need it.
    pub accounts: u64,
    /// The request that returns it.
    pub endpoint: String,
    /// True if the accounts cannot be margined without it.
    pub needed: bool,
}

/// Missing items by kind and id, with the accounts that need them.
type Needs = BTreeMap<(&'static str, String), (BTreeSet<String>, String, bool)>;

/// All missing data of held instruments and currencies.
pub(super) fn missing(
    public: &PublicData,
    marks: &BTreeMap<String, MarkRow>,
    indices: &BTreeMap<String, (String, &'static str)>,
    accounts: &Accounts,
) -> Vec<Missing> {
    let mut needs = Needs::new();
    for (id, account) in &accounts.by_id {
        let mut need = |what, thing: &str, endpoint: String, needed| {
            let entry = needs.entry((what, thing.to_owned())).or_insert_with(|| (BTreeSet::new(), endpoint, needed));
            entry.0.insert(id.clone());
        };
        if account.balances.is_empty() && !account.has_balance {
            need("balance", id, "account/balance".into(), true);
        }
        if account.positions.is_empty() && !account.has_positions {
            need("positions", id, "account/positions".into(), true);
        }
        if !account.has_config {
            need("settings", id, "account/config (spotOffsetType; without it the rules' default)".into(), false);
        }
        let mut currencies: BTreeSet<String> = BTreeSet::new();
        for (ccy, balance) in account.balances.iter() {
            if !balance.cash.as_deref().is_some_and(is_zero) {
                currencies.insert(ccy.clone());
            }
        }
        for inst_id in account.positions.iter().map(|(key, _)| &key.0) {
            let Some(spec) = public.instruments.get(inst_id) else {
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
    let missing = needs.into_iter().map(|((what, id), (accounts, endpoint, needed))| Missing {
        what,
        id,
        accounts: accounts.len() as u64,
        endpoint,
        needed,
    });
    missing.collect()
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

/// The type of an instrument without a contract specification, from its id.
fn type_of(inst_id: &str) -> &'static str {
    match inst_id.rsplit('-').next() {
        Some("SWAP") => "SWAP",
        Some("C" | "P") => "OPTION",
        _ => "FUTURES",
    }
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
