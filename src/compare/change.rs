//! What changed between two margins of a book: A, before, and B, after.
//!
//! In reading order: this file (what is known of an account on both sides), [`tables`](super::tables) (one row an
//! account, and the shorter tables), [`stats`](super::stats) (counts and sums, merged in order),
//! [`summary`](super::summary) (`summary.json`), [`manifest`](super::manifest), [`text`](super::text) (what a person
//! reads). [`mod@crate::compare`] fills them.

use crate::figures::{AccountFigure, AccountRow, UnitTotals};
use crate::margin::{Status, UnitMargin};

/// Why the margin of an account changed between two runs, in the order in which causes are told apart.
pub const CAUSES: [&str; 5] = ["positions", "prices", "vols", "time", "parameters"];

/// One figure for each of [`CAUSES`].
pub type Causes = [f64; CAUSES.len()];

/// Adjusted equity above what liquidation takes: `adj_eq - mmr - liquidation_fee`.
#[must_use]
pub fn excess_usd(row: &AccountRow) -> f64 {
    row.number(AccountFigure::adj_eq) - row.number(AccountFigure::mmr) - row.number(AccountFigure::liquidation_fee)
}

/// Adjusted equity above IMR: `adj_eq - imr`.
#[must_use]
pub fn im_excess_usd(row: &AccountRow) -> f64 {
    row.number(AccountFigure::adj_eq) - row.number(AccountFigure::imr)
}

/// The MMR of an account.
#[must_use]
pub fn mmr_usd(row: &AccountRow) -> f64 {
    row.number(AccountFigure::mmr)
}

/// The cause with the largest contribution either way, the first of equals; none if nothing changed.
pub(crate) fn main_of(causes: &Causes) -> Option<&'static str> {
    let larger = |best: (usize, f64), next: (usize, f64)| if next.1.abs() > best.1.abs() { next } else { best };
    let (place, size) = causes.iter().copied().enumerate().reduce(larger)?;
    (size != 0.0).then_some(CAUSES[place])
}

/// A risk unit of an account.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct UnitFigures {
    /// Its account.
    pub account: u32,
    /// The row of `unit_changes` that it belongs to.
    pub group: u32,
    /// What is summed over accounts.
    pub parts: UnitTotals,
}

impl UnitFigures {
    /// Of the unit of an account.
    #[must_use]
    pub fn of(account: u32, group: u32, unit: &UnitMargin) -> Self {
        Self { account, group, parts: UnitTotals::new(UnitTotals::of(unit)) }
    }
}

/// An account on both sides. One of them may be missing: the account is new in B, or was closed after A.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Change {
    /// Before.
    pub a: Option<AccountRow>,
    /// After.
    pub b: Option<AccountRow>,
    /// Why, where that was asked.
    pub why: Option<Why>,
}

/// What each cause contributed to a change.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Why {
    /// To the MMR, USD.
    pub mmr: Causes,
    /// To [`excess_usd`].
    pub excess: Causes,
    /// To [`im_excess_usd`].
    pub im_excess: Causes,
}

/// What an account breaches.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Breach {
    /// It is in liquidation.
    Liquidation,
    /// Its adjusted equity is below IMR.
    ImDeficit,
}

impl Breach {
    /// The name in tables.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Liquidation => "liquidation",
            Self::ImDeficit => "im_deficit",
        }
    }
}

fn in_liquidation(row: Option<&AccountRow>) -> bool {
    row.is_some_and(|row| row.status() == Some(Status::Liquidation))
}

fn in_deficit(row: Option<&AccountRow>) -> bool {
    row.is_some_and(|row| row.flag(AccountFigure::im_deficit) == Some(true))
}

impl Change {
    /// True if it is in liquidation in B and was not in A.
    #[must_use]
    pub fn is_newly_in_liquidation(&self) -> bool {
        in_liquidation(self.b.as_ref()) && !in_liquidation(self.a.as_ref())
    }

    /// True if it has an IM deficit in B and had none in A.
    #[must_use]
    pub fn has_new_im_deficit(&self) -> bool {
        in_deficit(self.b.as_ref()) && !in_deficit(self.a.as_ref())
    }

    /// What it breaches in B and did not breach in A; of two the graver.
    #[must_use]
    pub fn new_breach(&self) -> Option<Breach> {
        if self.is_newly_in_liquidation() {
            Some(Breach::Liquidation)
        } else {
            self.has_new_im_deficit().then_some(Breach::ImDeficit)
        }
    }

    /// `kept`, `new` or `closed`.
    #[must_use]
    pub fn presence(&self) -> &'static str {
        match (&self.a, &self.b) {
            (None, _) => "new",
            (_, None) => "closed",
            _ => "kept",
        }
    }

    /// B less A of a figure; an account that is not there requires nothing and has nothing.
    #[must_use]
    pub fn difference(&self, of: impl Fn(&AccountRow) -> f64) -> f64 {
        let [a, b] = [&self.a, &self.b].map(|side| side.as_ref().map_or(0.0, &of));
        b - a
    }

    /// The cause that ate most of what kept the account from its new breach: of `excess` for liquidation, of
    /// `im_excess` for an IM deficit. The first of equals; `None` without a new breach or where causes were not asked.
    #[must_use]
    pub fn main_cause(&self) -> Option<(usize, f64)> {
        let why = self.why.as_ref()?;
        let parts = match self.new_breach()? {
            Breach::Liquidation => &why.excess,
            Breach::ImDeficit => &why.im_excess,
        };
        let least = |best: (usize, f64), next: (usize, f64)| if next.1 < best.1 { next } else { best };
        parts.iter().copied().enumerate().reduce(least)
    }
}
