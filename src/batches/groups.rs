//! The tables of groups in memory.

use super::{Rows, plain, table, terms};
use crate::Result;
use crate::book::{Book, Grouping, IdTable};
use crate::tables::groups::{ACCOUNT_GROUPS, GROUP_UNITS, GROUPS, account_rows, batches};
use crate::totals::groups::{GroupTally, GroupTotals, ScenarioGroups, group_names};
use arrow_array::RecordBatch;

/// What groups of accounts come to: the tables of a run that was asked for groups, see [`crate::tables::groups`].
#[derive(Debug, Clone)]
pub struct GroupTables {
    /// One row per grouping, group and scenario.
    pub groups: Rows,
    /// One row per grouping, group, scenario and risk unit.
    pub group_units: Rows,
    /// One row per account and grouping.
    pub account_groups: Rows,
    /// What each account adds to its groups, in no format of anybody else: what [`InOrder`](super::InOrder)
    /// takes. Columns `account_id` and `terms`, which is null for an account that is left out. If it was asked for.
    pub terms: Option<Rows>,
}

impl GroupTables {
    /// `rows` are those that grew piece by piece; `left_out` are the accounts without a margin, if terms are wanted.
    pub(super) fn new<'a>(
        totals: &GroupTotals,
        rows: GroupRows,
        left_out: Option<impl Iterator<Item = &'a str>>,
    ) -> Result<Self> {
        let (groups, group_units) = of_totals(totals)?;
        let GroupRows { account_groups, terms: mut of_accounts } = rows;
        let terms = left_out.map(|left_out| {
            of_accounts.push(terms::left_out(left_out)?);
            Rows::new(terms::schema(), of_accounts.into_iter().filter(|batch| batch.num_rows() > 0).collect())
        });
        let account_groups = table(&ACCOUNT_GROUPS, account_groups)?;
        Ok(Self { groups, group_units, account_groups, terms: terms.transpose()? })
    }
}

/// The tables `groups` and `group_units`.
pub(super) fn of_totals(totals: &GroupTotals) -> Result<(Rows, Rows)> {
    let [groups, units] = batches(totals)?.map(|batches| batches.iter().map(plain).collect::<Result<Vec<_>>>());
    Ok((table(&GROUPS, groups?)?, table(&GROUP_UNITS, units?)?))
}

/// The groups of some consecutive accounts.
pub(super) struct GroupsPart {
    names: Vec<IdTable>,
    scenarios: Vec<ScenarioGroups>,
    account_groups: RecordBatch,
    terms: Option<RecordBatch>,
}

impl GroupsPart {
    pub fn new(
        by: &[Grouping],
        book: &Book,
        scenarios: Vec<ScenarioGroups>,
        terms: Option<terms::Writer>,
    ) -> Result<Self> {
        let account_groups = plain(&account_rows(by, book)?)?;
        let terms = terms.map(|terms| terms.finish(book)).transpose()?;
        Ok(Self { names: group_names(book), scenarios, account_groups, terms })
    }
}

/// The groups of all accounts so far.
#[derive(Default)]
pub(super) struct GatheredGroups {
    pub tally: GroupTally,
    pub rows: GroupRows,
}

/// Rows by account.
#[derive(Default)]
pub(super) struct GroupRows {
    account_groups: Vec<RecordBatch>,
    terms: Vec<RecordBatch>,
}

impl GatheredGroups {
    pub fn add(&mut self, part: GroupsPart) {
        self.tally.merge(&part.names, &part.scenarios);
        self.rows.account_groups.push(part.account_groups);
        self.rows.terms.extend(part.terms);
    }
}
