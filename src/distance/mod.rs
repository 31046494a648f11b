//! Distance of an account, or of a whole book, from liquidation: price moves found by search. Each step is a full
//! revaluation: the market moved by [`scenario::apply`], all instruments repriced, the account evaluated.
//!
//! ```text
//! ratio
//!   |   x  x
//!   |         x  x                     samples outward from no move, on a ladder of price ratios
//!   |               x     x
//! 1 |- - - - - - - - - -o- - - - -     the first change of state, then a bracketed root search
//!   |                 x   x  x
//!   +-----------------------------> fall
//! ```
//!
//! A margin ratio may cross the threshold more than once, and it may jump over it: spot in use is capped, options are
//! convex, and a debt that enters a higher tier pays the higher rate on the whole amount. So the search uses samples,
//! not slopes. It walks outward on the ladder of [`ladder`], looks into local minima of three samples, and stops at the
//! first change of state. It can miss an excursion that is narrower than a step of the ladder (0.5 % of price near
//! zero, 5 % far out) if no sample falls into it.
//!
//! A local minimum is looked into where the lines through the samples around it leave less than half of the room to the
//! threshold. Where a move of one coin reaches only some of an account's units, only these are revalued: the others are
//! valued once and added. So figures equal those of a run in the moved market to rounding.
//!
//! [`distances`] is for one account, [`reverse`] for a condition on the whole book.

mod account;
pub mod chosen;
mod in_lanes;
mod ladder;
pub(crate) mod ladders;
pub mod reverse;
mod reverse_text;
mod search;
mod statement;
mod submarket;
pub mod tables;

pub use ladder::{HIGHEST_MOVE, LOWEST_MOVE, ladder};

use crate::book::Book;
use crate::engine::lanes::Width;
use crate::margin::AccountMargin;
use crate::margin::rules::Rules;
use crate::market::Market;
use crate::market::scenario::{self, Shock};
use crate::progress::Progress;
use crate::{Error, Result, parallel};
use in_lanes::{Scope, Who};
use ladders::Ladders;
use search::Point;

pub use crate::totals::reach::{Move, Reach};

/// The distance of one account in one coin, or in all coins together.
#[derive(Debug, Clone, PartialEq)]
pub struct Distance {
    /// `BTC`, or [`EVERY_COIN`](scenario::EVERY_COIN).
    pub base: String,
    /// Current price of the coin in USD; `None` for all coins together, or for a coin without a USD price.
    pub price_usd: Option<f64>,
    /// The nearest fall.
    pub down: Reach,
    /// The nearest rise.
    pub up: Reach,
}

/// The distances of one account.
#[derive(Debug, Clone, PartialEq)]
pub struct AccountDistances {
    /// Index into the book.
    pub account: usize,
    /// Its current margin. If it is in liquidation already, the moves are those that bring it out.
    pub margin: AccountMargin,
    /// [`EVERY_COIN`](scenario::EVERY_COIN) first, then each coin with exposure, in byte order.
    pub rows: Vec<Distance>,
}

/// The nearest price moves at which the margin ratio of an account reaches the liquidation threshold of the rules: in
/// all coins together, and in each coin that it holds or has a position in.
///
/// Only what the account holds is priced. The figures equal those of a run over the whole book in the moved market, to
/// rounding.
///
/// ```
/// use remargin::distance::{HIGHEST_MOVE, LOWEST_MOVE, distances};
/// use remargin::market::scenario::EVERY_COIN;
/// # use remargin::snapshot::{self, LoadOptions};
/// # use remargin::rules;
/// # use std::path::Path;
/// let rules = rules::load(None, &[])?;
/// let snapshot = snapshot::load(Path::new("data/sample"), &LoadOptions::of(&rules.rules))?;
/// let found = distances(&snapshot.market, &rules.rules, &snapshot.book, 0)?;
/// assert_eq!(found.rows[0].base, EVERY_COIN);
/// assert!(LOWEST_MOVE < 0.0 && HIGHEST_MOVE > 0.0);
/// # Ok::<(), remargin::Error>(())
/// ```
///
/// # Errors
/// [`Error::Runtime`] with the account's name if a figure is not finite. A valid book excludes this.
pub fn distances(market: &Market, rules: &Rules, book: &Book, account: usize) -> Result<AccountDistances> {
    in_lanes::of_one(market, rules, Who { book, number: account }, Scope::EveryRow)
}

/// The distance in all coins together only.
///
/// # Errors
/// As [`distances`].
pub fn parallel_distance(market: &Market, rules: &Rules, book: &Book, account: usize) -> Result<Distance> {
    let found = in_lanes::of_one(market, rules, Who { book, number: account }, Scope::AllCoins)?;
    found.rows.into_iter().next().ok_or_else(|| Error::Runtime("a search found no row".to_owned()))
}

/// How many accounts are searched. The result is the same.
#[derive(Debug, Clone, Copy)]
pub enum Way {
    /// Each on its own market.
    Alone,
    /// The ladders are priced once for all of them, and rungs evaluated side by side.
    OnLadders(Width),
}

impl Way {
    /// From so many accounts on, pricing the ladders for all of them takes less time than searching each alone.
    const WORTH: usize = 500;

    /// What takes less time, if the ladders may have so many bytes.
    pub(crate) fn best(accounts: usize, market: &Market, room: u64, width: Width) -> Self {
        if accounts >= Self::WORTH && Ladders::bytes(market) <= room { Self::OnLadders(width) } else { Self::Alone }
    }
}

/// The distances of many accounts, computed on all threads, passed to `sink` in the order of `accounts`.
///
/// # Errors
/// As [`distances`], the error of `sink`, or [`Error::Interrupted`].
pub fn for_each(
    (market, rules, book): (&Market, &Rules, &Book),
    way: Way,
    accounts: &[usize],
    progress: &dyn Progress,
    mut sink: impl FnMut(AccountDistances) -> Result<()>,
) -> Result<()> {
    let ladders = match way {
        Way::Alone => None,
        Way::OnLadders(width) => {
            progress.stage("price", "ladders", 0);
            Some(Ladders::new(market, rules, width))
        }
    };
    // After the ladders, so that the time left is that of the searches.
    progress.stage("distance", "accounts", accounts.len() as u64);
    // Accounts of one task share the rungs that a thread has in its cache; every thread has some tasks.
    let size = accounts.len().div_ceil(rayon::current_num_threads() * 4).clamp(1, 256);
    let task = |number: usize| {
        progress.check()?;
        let few = &accounts[number * size..accounts.len().min((number + 1) * size)];
        let alone = |&account: &usize| {
            progress.check()?;
            let found = distances(market, rules, book, account);
            progress.advance(1);
            found
        };
        match &ladders {
            Some(ladders) => {
                let found = in_lanes::of_many(ladders, book, few)?;
                progress.advance(few.len() as u64);
                Ok(found)
            }
            None => few.iter().map(alone).collect(),
        }
    };
    let window = rayon::current_num_threads() * 4;
    parallel::in_order(accounts.len().div_ceil(size), window, task, |found| found.into_iter().try_for_each(&mut sink))
}

/// What a search found, of a coin with this price now.
fn reach(found: Option<(Point, bool)>, price_usd: Option<f64>) -> Reach {
    found.map_or(Reach::None, |(at, jump)| {
        let price_usd = price_usd.map(|price| price * (1.0 + at.at));
        Reach::At(Move { price_move: at.at, price_usd, margin_ratio: at.margin_ratio(), jump })
    })
}

/// True if a scenario moves this currency by `price`: a coin, neither a stablecoin nor USD.
fn is_coin(market: &Market, name: &str) -> bool {
    let shock = Shock { base: name.to_owned(), price: Some(0.0), vol: None };
    scenario::check_shock(market, &shock).is_ok()
}
