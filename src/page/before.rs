//! The change against an earlier run, and the last runs of a history, as the page shows them: from the summary.

use super::words::{LONGEST_ID, cut, digits, money};
use crate::totals::before::{MoverBefore, Previous, TrendPoint};
use serde_json::{Value, json};

/// Parameters that are listed.
const PARAMETERS: usize = 50;
/// Notes that are listed, and characters of a note, a value and a label.
const NOTES: usize = 8;
const LONGEST_NOTE: usize = 300;
const LONGEST_VALUE: usize = 80;
const LONGEST_LABEL: usize = 200;
/// Totals that the page lists, in this order.
const TOTALS: [&str; 6] = ["mmr", "imr", "adj_eq", "total_eq", "deriv_mmr", "borrow_mmr"];

/// The section of an earlier run.
pub(super) fn previous(of: &Previous) -> Value {
    let parameters = of.parameters.iter().take(PARAMETERS).map(|one| {
        let value = |value: &Option<String>| json!(value.as_ref().map(|value| cut(value, LONGEST_VALUE)));
        json!([cut(&one.key, LONGEST_VALUE), value(&one.before), value(&one.now)])
    });
    let totals = TOTALS.iter().filter_map(|name| of.totals.iter().find(|total| total.figure == *name));
    let newly = of.newly_breached_accounts.iter().map(|one| {
        json!([
            cut(&one.account_id, LONGEST_ID),
            one.breach,
            digits(one.margin_ratio_before),
            digits(one.margin_ratio_now),
            money(Some(one.mmr_change)),
            one.main_cause,
        ])
    });
    let causes = of.causes.as_ref().map(|causes| {
        let cause = causes.iter().map(|one| {
            let (mmr, excess) = (money(Some(one.mmr)), money(Some(one.excess)));
            json!([one.cause, mmr, excess, one.newly_liquidation, one.newly_im_deficit])
        });
        cause.collect::<Vec<Value>>()
    });
    let migration = of.migration.iter().map(|one| json!([one.status_before, one.status_now, one.accounts]));
    json!({
        "as_of": of.run.as_of,
        "label": of.run.label.as_ref().map(|label| cut(label, LONGEST_LABEL)),
        "identity": of.run.identity,
        "notes": of.notes.iter().take(NOTES).map(|note| cut(note, LONGEST_NOTE)).collect::<Vec<_>>(),
        "parameters": parameters.collect::<Vec<_>>(),
        "parameters_total": of.parameters.len(),
        "accounts": of.accounts,
        "counts": of.counts,
        "totals": totals
            .map(|one| json!([one.figure, money(Some(one.before)), money(Some(one.now)), money(Some(one.change))]))
            .collect::<Vec<_>>(),
        "migration": migration.collect::<Vec<_>>(),
        "causes": causes,
        "newly_total": of.newly_breached,
        "newly": newly.collect::<Vec<_>>(),
        "movers": of.largest_rises.iter().chain(&of.largest_falls).map(mover).collect::<Vec<_>>(),
    })
}

fn mover(one: &MoverBefore) -> Value {
    let (before, now) = (money(one.mmr_before), money(one.mmr_now));
    json!([cut(&one.account_id, LONGEST_ID), before, now, money(Some(one.mmr_change)), one.main_cause])
}

/// The last runs: valuation time, label, MMR, adjusted equity, shortfall to MMR, accounts, at risk, in liquidation,
/// name of the rules, accounts left out.
pub(super) fn trend(points: &[TrendPoint]) -> Value {
    let row = |one: &TrendPoint| {
        json!([
            one.as_of,
            one.label.as_ref().map(|label| cut(label, LONGEST_LABEL)),
            money(Some(one.mmr)),
            money(Some(one.adj_eq)),
            money(Some(one.shortfall_mmr)),
            one.accounts,
            one.at_risk,
            one.liquidation,
            cut(&one.rules, LONGEST_VALUE),
            one.unmargined,
        ])
    };
    points.iter().map(row).collect()
}
