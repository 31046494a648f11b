//! The merge of the tables by account id, cut into pieces of whole accounts.

use super::decode::{Decoder, NumberedBalances, Rows};
use super::lane::{Flow, Group, Head, Lane};
use super::piece::{Ranges, Slices};
use super::{Aside, OF_ACCOUNTS};
use crate::Result;
use crate::parallel::Bell;
use crate::snapshot::accounts::Settings;
use crate::snapshot::accounts::orders::Orders;
use crate::snapshot::accounts::positions::Positions;
use crate::snapshot::reject::Reject;
use rayon::ScopeFifo;
use std::cmp::Ordering;
use std::collections::BTreeSet;

/// The tables and the piece that is being cut.
pub(super) struct Merge<'a> {
    positions: Lane<'a, Positions>,
    balances: Lane<'a, NumberedBalances>,
    settings: Lane<'a, Settings>,
    orders: Lane<'a, Orders>,
    piece: Ranges,
    accounts: usize,
    gathered: Gathered,
}

/// What comes next.
pub(super) enum Next {
    Piece(Ranges),
    /// More row groups must be decoded first.
    Waiting,
    /// All accounts are cut.
    End,
}

impl<'a> Merge<'a> {
    /// Pieces have `accounts` accounts, the last one may have fewer.
    pub fn new([positions, balances, settings, orders]: [Option<&'a Flow>; 4], accounts: usize) -> Self {
        Self {
            positions: Lane::new(positions),
            balances: Lane::new(balances),
            settings: Lane::new(settings),
            orders: Lane::new(orders),
            piece: Ranges::default(),
            accounts,
            gathered: Gathered::default(),
        }
    }

    /// Keeps row groups coming in all tables. True if something happened.
    pub fn read_ahead<'s>(
        &mut self,
        scope: &ScopeFifo<'s>,
        bell: &Bell,
        decoder: &'s Decoder<'s>,
        window: usize,
    ) -> Result<bool>
    where
        'a: 's,
    {
        let all = &mut self.gathered;
        let positions = self.positions.read_ahead(scope, bell, decoder, window, |group| all.see(0, group))?;
        let balances = self.balances.read_ahead(scope, bell, decoder, window, |group| all.see_balances(group))?;
        let settings = self.settings.read_ahead(scope, bell, decoder, window, |group| all.see(2, group))?;
        let orders = self.orders.read_ahead(scope, bell, decoder, window, |group| all.see(3, group))?;
        Ok(positions | balances | settings | orders)
    }

    /// True if a table's accounts do not ascend.
    pub fn is_unsorted(&self) -> bool {
        self.positions.is_unsorted || self.balances.is_unsorted || self.settings.is_unsorted || self.orders.is_unsorted
    }

    fn heads(&self) -> [Head<'_>; 4] {
        [self.positions.head(), self.balances.head(), self.settings.head(), self.orders.head()]
    }

    /// The next piece.
    pub fn next(&mut self) -> Next {
        if self.is_unsorted() {
            return Next::Waiting;
        }
        while self.piece.len() < self.accounts {
            let heads = self.heads();
            // The account that comes first, and its runs in each table.
            let (mut least, mut runs): (Option<&str>, _) = (None, [0; 4]);
            for (table, head) in heads.into_iter().enumerate() {
                match head {
                    Head::Waiting => return Next::Waiting,
                    Head::Exhausted => {}
                    Head::At(id, its_runs) => match least.map_or(Ordering::Less, |least| id.cmp(least)) {
                        Ordering::Less => {
                            (least, runs) = (Some(id), [0; 4]);
                            runs[table] = its_runs;
                        }
                        Ordering::Equal => runs[table] = its_runs,
                        Ordering::Greater => {}
                    },
                }
            }
            if least.is_none() {
                let end = self.piece.len() == 0;
                return if end { Next::End } else { Next::Piece(std::mem::take(&mut self.piece)) };
            }
            take(&mut self.positions, &mut self.piece.positions, runs[0]);
            take(&mut self.balances, &mut self.piece.balances, runs[1]);
            take(&mut self.settings, &mut self.piece.settings, runs[2]);
            take(&mut self.orders, &mut self.piece.orders, runs[3]);
            self.piece.runs.push(runs.map(|runs| runs as u32));
        }
        Next::Piece(std::mem::take(&mut self.piece))
    }

    /// What belongs to no piece.
    pub fn into_gathered(self) -> Gathered {
        self.gathered
    }
}

/// What is gathered of row groups beside their accounts.
#[derive(Clone, Default)]
pub(super) struct Gathered {
    /// The rows without an account id.
    pub nameless: Aside,
    /// Every currency that a balance names.
    pub currencies: BTreeSet<String>,
}

impl Gathered {
    /// Sets the rows without an account aside; tables are numbered as in [`OF_ACCOUNTS`].
    pub fn see<R: Rows>(&mut self, table: usize, group: &Group<R>) {
        let aside = &mut self.nameless;
        for broken in group.rows.broken().iter().filter(|broken| broken.account.is_none()) {
            aside.broken[table] += 1;
            aside.rejects.push(Reject {
                table: OF_ACCOUNTS[table],
                row: group.number(broken.row),
                account_id: None,
                reason: broken.reason,
                column: broken.column,
                value: broken.value.clone(),
            });
        }
    }

    /// As [`Gathered::see`], of balances.
    pub fn see_balances(&mut self, group: &Group<NumberedBalances>) {
        self.see(1, group);
        for name in group.rows.rows.currencies.ids().iter() {
            if !self.currencies.contains(name) {
                self.currencies.insert(name.to_owned());
            }
        }
    }
}

/// Moves so many runs of a table to a piece.
fn take<'a, R: Rows + 'a>(lane: &mut Lane<'a, R>, piece: &mut Slices<R>, runs: usize) {
    for _ in 0..runs {
        let Some(group) = lane.ready.front() else { return };
        piece.push(group, lane.run);
        lane.run += 1;
        if lane.run == group.rows.runs().len() {
            lane.ready.pop_front();
            lane.run = 0;
        }
    }
}
