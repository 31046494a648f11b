//! How many groups each grouping has, and the largest of them, out of the totals of all groups.

use super::group_spelling;
use super::group_summary::{GroupSummary, GroupingSummary};
use super::groups::{GroupRow, GroupTotals};
use super::summary::Summary;
use crate::Result;

/// Groups of a grouping that are listed.
const LISTED: usize = 10;

/// Tells in a summary what each grouping comes to in the base case, and what is odd about the names of its groups,
/// which is logged too.
///
/// # Errors
/// [`crate::Error::Runtime`] for a total that is not finite.
pub(crate) fn tell(totals: &GroupTotals, summary: &mut Summary) -> Result<()> {
    summary.groups = of(totals)?;
    for warning in group_spelling::warnings(totals) {
        tracing::warn!("{}", warning.text);
        summary.warnings.push(warning);
    }
    Ok(())
}

fn of(totals: &GroupTotals) -> Result<Vec<GroupingSummary>> {
    totals.by().iter().enumerate().map(|(place, by)| grouping(totals, place, by)).collect()
}

fn grouping(totals: &GroupTotals, place: usize, by: &str) -> Result<GroupingSummary> {
    let mut found = GroupingSummary {
        by: by.to_owned(),
        groups: 0,
        groups_in_liquidation: 0,
        groups_at_risk: 0,
        largest: Vec::new(),
    };
    let mut largest: Vec<GroupRow> = Vec::new();
    for row in totals.base_rows(place) {
        let row = row?;
        found.groups += 1;
        found.groups_in_liquidation += u64::from(row.counts.by_status.liquidation > 0);
        found.groups_at_risk += u64::from(row.counts.at_risk > 0);
        // Behind those of the same size: of equals the first.
        let end = largest.partition_point(|other| other.totals.mmr >= row.totals.mmr);
        if end < LISTED {
            largest.insert(end, row);
            largest.truncate(LISTED);
        }
    }
    found.largest = largest.iter().map(group).collect();
    Ok(found)
}

fn group(row: &GroupRow) -> GroupSummary {
    GroupSummary {
        group: row.group.to_owned(),
        accounts: row.counts.margined,
        liquidation: row.counts.by_status.liquidation,
        at_risk: row.counts.at_risk,
        total_eq: row.totals.total_eq,
        adj_eq: row.totals.adj_eq,
        mmr: row.totals.mmr,
        mmr_share: row.mmr_share,
        imr: row.totals.imr,
        shortfall_mmr: row.shortfalls.mmr,
        shortfall_imr: row.shortfalls.imr,
        worst_account: row.worst.map(|worst| worst.account_id.to_string()),
        worst_margin_ratio: row.worst.map(|worst| worst.margin_ratio),
    }
}
