//! How many markets are computed side by side, and with which instructions.
//!
//! The results do not depend on it: every lane has the bits that its market would have alone.

#![allow(clippy::inline_always, reason = "vector instructions are used where the code is compiled for them: inlined")]

use crate::Error;
use crate::margin::account::{Account, NotFinite};
use crate::margin::account_figures::AccountFigures;
use crate::margin::part::{Part, evaluate_part};
use crate::margin::priced::PricedMarket;
use crate::margin::real::{Lanes, Real};
use crate::margin::requirement::{Workspace, evaluate_beside};
use fearless_simd::{Level, Simd};

/// Width of the work on several markets: how many, and the instructions for it.
#[derive(Debug, Clone, Copy)]
pub struct Width {
    lanes: usize,
    level: Option<Level>,
    /// Few markets may take fewer lanes.
    narrows: bool,
}

impl Width {
    /// One market after the other.
    pub const ONE: Self = Self { lanes: 1, level: None, narrows: false };

    /// The best for this processor: as many lanes as one register has, half of them where that suffices.
    #[must_use]
    pub fn best() -> Self {
        let level = Level::new();
        let lanes = if Self::name_of(Some(level)) == "avx512" { 8 } else { 4 };
        Self { lanes, level: Some(level), narrows: true }
    }

    /// All that this processor can do: one market, four and eight without special instructions, four with AVX2, eight
    /// with AVX-512.
    #[must_use]
    pub fn all() -> Vec<Self> {
        let of = |lanes, level| Self { lanes, level, narrows: false };
        let mut all = vec![Self::ONE, of(4, None), of(8, None)];
        #[cfg(any(target_arch = "x86", target_arch = "x86_64"))]
        {
            let best = Level::new();
            all.extend(best.as_avx2().map(|simd| of(4, Some(Level::Avx2(simd)))));
            all.extend(best.as_avx512().map(|simd| of(8, Some(Level::Avx512(simd)))));
        }
        all
    }

    /// For so many markets: eight lanes would be half empty with four of them.
    fn for_markets(self, markets: usize) -> Self {
        #[cfg(any(target_arch = "x86", target_arch = "x86_64"))]
        if self.narrows
            && self.lanes == 8
            && markets <= 4
            && let Some(simd) = self.level.and_then(Level::as_avx2)
        {
            return Self { lanes: 4, level: Some(Level::Avx2(simd)), ..self };
        }
        self
    }

    /// How many markets side by side.
    #[must_use]
    pub const fn lanes(self) -> usize {
        self.lanes
    }

    /// `avx2 x 4`.
    #[must_use]
    pub fn name(self) -> String {
        format!("{} x {}", Self::name_of(self.level), self.lanes)
    }

    fn name_of(level: Option<Level>) -> &'static str {
        match level {
            #[cfg(any(target_arch = "x86", target_arch = "x86_64"))]
            Some(Level::Avx2(_)) => "avx2",
            #[cfg(any(target_arch = "x86", target_arch = "x86_64"))]
            Some(Level::Avx512(_)) => "avx512",
            _ => "baseline",
        }
    }

    /// Calls work on four markets, compiled for these instructions.
    #[inline(always)]
    fn four<T>(self, work: impl FnOnce() -> T) -> T {
        match self.level {
            #[cfg(any(target_arch = "x86", target_arch = "x86_64"))]
            Some(Level::Avx2(simd)) => simd.vectorize(work),
            // What every processor of the target has.
            _ => work(),
        }
    }

    /// Calls work on eight markets, compiled for these instructions.
    #[inline(always)]
    fn eight<T>(self, work: impl FnOnce() -> T) -> T {
        match self.level {
            #[cfg(any(target_arch = "x86", target_arch = "x86_64"))]
            Some(Level::Avx512(simd)) => simd.vectorize(work),
            _ => work(),
        }
    }

    /// Calls work on as many markets as `R` has, compiled for the instructions.
    #[inline(always)]
    fn beside<R: Real, T>(self, work: impl FnOnce() -> T) -> T {
        match R::LANES {
            4 => self.four(work),
            8 => self.eight(work),
            _ => work(),
        }
    }

    /// The figures of one account in several markets, its pending orders left out: they count in IMR only.
    ///
    /// # Errors
    /// Those of [`evaluate_beside`].
    #[inline(never)]
    pub fn figures<R: Real>(
        self,
        priced: &PricedMarket<R>,
        account: &Account<'_>,
        work: &mut Workspace<R>,
    ) -> Result<AccountFigures<R>, NotFinite> {
        self.beside::<R, _>(
            #[inline(always)]
            || evaluate_beside(priced, account, work, |_, _| ()),
        )
    }

    /// The figures of an account in several markets, each the part that a price move reaches.
    ///
    /// # Errors
    /// Those of [`evaluate_part`].
    #[inline(never)]
    pub fn part<R: Real>(
        self,
        priced: &PricedMarket<R>,
        part: &Part,
        work: &mut Workspace<R>,
    ) -> Result<AccountFigures<R>, NotFinite> {
        self.beside::<R, _>(
            #[inline(always)]
            || evaluate_part(priced, part, work),
        )
    }
}

/// Calls work compiled for the widest instructions that this processor has. It must be inlined, with what it calls.
#[inline(always)]
pub(crate) fn widest<T>(work: impl FnOnce() -> T) -> T {
    match Level::new() {
        #[cfg(any(target_arch = "x86", target_arch = "x86_64"))]
        Level::Avx512(simd) => simd.vectorize(work),
        #[cfg(any(target_arch = "x86", target_arch = "x86_64"))]
        Level::Avx2(simd) => simd.vectorize(work),
        _ => work(),
    }
}

/// Work on several markets side by side.
pub trait Work {
    /// What comes out.
    type Output;

    /// Works on markets side by side, which `alone` has one by one; the last of them fills the lanes that are left.
    /// Inlined, so that it is compiled for the instructions in use.
    fn work<R: Real>(self, priced: &PricedMarket<R>, alone: &[PricedMarket]) -> Self::Output;
}

/// A few priced markets of one book: side by side, and one by one, as accounts with pending orders need them.
#[derive(Debug)]
pub struct SideBySide {
    width: Width,
    alone: Vec<PricedMarket>,
    beside: Sides,
}

#[derive(Debug)]
enum Sides {
    One,
    Four(PricedMarket<Lanes<4>>),
    Eight(PricedMarket<Lanes<8>>),
}

impl SideBySide {
    /// Lays markets side by side, at least one and no more than there are lanes.
    ///
    /// # Errors
    /// [`Error::Runtime`] if they are of different books.
    pub fn new(width: Width, alone: Vec<PricedMarket>) -> crate::Result<Self> {
        let width = width.for_markets(alone.len());
        let beside = match width.lanes {
            1 => (alone.len() == 1).then_some(Sides::One),
            4 => PricedMarket::beside(&alone).map(Sides::Four),
            _ => PricedMarket::beside(&alone).map(Sides::Eight),
        };
        let other = || Error::Runtime("markets of different books cannot stand side by side".to_owned());
        let beside = beside.ok_or_else(other)?;
        Ok(Self { width, alone, beside })
    }

    /// How many markets.
    #[must_use]
    pub fn len(&self) -> usize {
        self.alone.len()
    }

    /// True if there is none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.alone.is_empty()
    }

    /// Works on all of them at once.
    pub fn work<W: Work>(&self, work: W) -> W::Output {
        match &self.beside {
            Sides::One => work.work(&self.alone[0], &self.alone),
            Sides::Four(priced) => self.width.four(
                #[inline(always)]
                || work.work(priced, &self.alone),
            ),
            Sides::Eight(priced) => self.width.eight(
                #[inline(always)]
                || work.work(priced, &self.alone),
            ),
        }
    }
}
