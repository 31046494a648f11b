//! What changed between two margins of a book: A, before, and B, after.
//!
//! In reading order: this file (what is known of an account on both sides), [`tables`] (one row an account, and the
//! shorter tables), [`stats`] (counts and sums, merged in order), [`summary`] (`summary.json`), [`manifest`], [`text`]
//! (what a person reads). [`mod@crate::compare`] fills them.

use crate::margin::{AccountMargin, Status, UnitMargin};

/// Why the margin of an account changed between two runs, in the order in which causes are told apart.
pub const CAUSES: [&str; 5] = ["positions", "prices", "vols", "time", "parameters"];

/// One figure for each of [`CAUSES`].
pub type Causes = [f64; CAUSES.len()];

/// The figures of an account that are compared, as of [`AccountMargin`].
#[derive(Debug, Clone, Copy, PartialEq)]
#[allow(missing_docs)]
pub struct Figures {
    pub adj_eq: f64,
    pub total_eq: f64,
    pub upl: f64,
    pub mmr: f64,
    pub imr: f64,
    pub deriv_mmr: f64,
    pub borrow_mmr: f64,
    pub borrow_imr: f64,
    pub liquidation_fee: f64,
    pub margin_ratio: Option<f64>,
    pub status: Status,
    pub im_deficit: bool,
    /// `None` where a table alone is known of the account and not its rules.
    pub ineligible: Option<bool>,
    pub mmr_no_hedge: f64,
    pub imr_no_hedge: f64,
}

impl From<&AccountMargin> for Figures {
    fn from(margin: &AccountMargin) -> Self {
        Self {
            adj_eq: margin.adj_eq,
            total_eq: margin.total_eq,
            upl: margin.upl,
            mmr: margin.mmr,
            imr: margin.imr,
            deriv_mmr: margin.deriv_mmr,
            borrow_mmr: margin.borrow_mmr,
            borrow_imr: margin.borrow_imr,
            liquidation_fee: margin.liquidation_fee,
            margin_ratio: margin.margin_ratio,
            status: margin.status,
            im_deficit: margin.im_deficit,
            ineligible: Some(margin.ineligible),
            mmr_no_hedge: margin.mmr_no_hedge,
            imr_no_hedge: margin.imr_no_hedge,
        }
    }
}

impl Figures {
    /// Adjusted equity above what liquidation takes: `adj_eq - mmr - liquidation_fee`.
    #[must_use]
    pub fn excess_usd(&self) -> f64 {
        self.adj_eq - self.mmr - self.liquidation_fee
    }
}

/// Figures of a risk unit that are summed over accounts.
pub const PARTS: [&str; 10] = ["mmr", "imr", "mr1", "mr2", "mr3", "mr4", "mr5", "mr6", "mr7", "mr9"];

/// A risk unit of an account.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct UnitFigures {
    /// Its account.
    pub account: u32,
    /// The row of `unit_changes` that it belongs to.
    pub group: u32,
    /// In the order of [`PARTS`].
    pub parts: [f64; PARTS.len()],
}

impl UnitFigures {
    /// Of the unit of an account.
    #[must_use]
    pub fn of(account: u32, group: u32, unit: &UnitMargin) -> Self {
        let UnitMargin { mmr, imr, mr1, mr2, mr3, mr4, mr5, mr6, mr7, mr9, .. } = *unit;
        Self { account, group, parts: [mmr, imr, mr1, mr2, mr3, mr4, mr5, mr6, mr7, mr9] }
    }
}

/// An account on both sides. One of them may be missing: the account is new in B, or was closed after A.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Change {
    /// Before.
    pub a: Option<Figures>,
    /// After.
    pub b: Option<Figures>,
    /// Why, where that was asked.
    pub why: Option<Why>,
}

/// What each cause contributed to a change.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Why {
    /// To the MMR, USD.
    pub mmr: Causes,
    /// To [`Figures::excess_usd`].
    pub excess: Causes,
    /// To adjusted equity above IMR.
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

fn in_liquidation(figures: Option<&Figures>) -> bool {
    figures.is_some_and(|figures| figures.status == Status::Liquidation)
}

fn in_deficit(figures: Option<&Figures>) -> bool {
    figures.is_some_and(|figures| figures.im_deficit)
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
    pub fn difference(&self, of: fn(&Figures) -> f64) -> f64 {
        let [a, b] = [&self.a, &self.b].map(|side| side.as_ref().map_or(0.0, of));
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
