//! The distances of an account: on the rungs of ladders in lanes, and between rungs on the account's own market.

use super::account::{OneAccount, exposed};
use super::ladders::{Ladders, LaddersIn, Markets};
use super::search::{self, Point, Revalued};
use super::submarket::Submarket;
use super::{AccountDistances, Distance, Reach};
use crate::book::Book;
use crate::engine::lanes::Width;
use crate::engine::{account_of, price, reprice};
use crate::margin::account::{Account, NotFinite};
use crate::margin::account_figures::AccountFigures;
use crate::margin::part::{Part, evaluate_part};
use crate::margin::priced::PricedMarket;
use crate::margin::real::Real;
use crate::margin::requirement::{Workspace, evaluate};
use crate::margin::rules::Rules;
use crate::margin::{AccountMargin, UnitMargin};
use crate::market::Market;
use crate::market::scenario::{EVERY_COIN, PriceMoves};
use crate::{Error, Result};

/// Whose distances, by its number in a book.
#[derive(Clone, Copy)]
pub(super) struct Who<'a> {
    pub book: &'a Book,
    pub number: usize,
}

/// What is searched for.
#[derive(Clone, Copy, PartialEq)]
pub(super) enum Scope {
    /// All coins together, and each coin that the account is exposed to.
    EveryRow,
    /// All coins together.
    AllCoins,
}

/// The distances of some accounts of the market that the ladders are of.
pub(super) fn of_many(ladders: &Ladders<'_>, book: &Book, accounts: &[usize]) -> Result<Vec<AccountDistances>> {
    fn search<R: Real>(ladders: &LaddersIn<'_, R>, book: &Book, accounts: &[usize]) -> Result<Vec<AccountDistances>> {
        let mut searched = Searched::new(ladders);
        let each = |&number: &usize| searched.one(Who { book, number }, &account_of(book, number), Scope::EveryRow);
        accounts.iter().map(each).collect()
    }
    match ladders {
        Ladders::One(ladders) => search(ladders, book, accounts),
        Ladders::Four(ladders) => search(ladders, book, accounts),
        Ladders::Eight(ladders) => search(ladders, book, accounts),
    }
}

/// The distances of one account, on ladders of its own market.
pub(super) fn of_one(market: &Market, rules: &Rules, who: Who<'_>, scope: Scope) -> Result<AccountDistances> {
    let own = OneAccount::new(market, who.book, who.number);
    let ladders = LaddersIn::<f64>::new(&own.market, rules, Width::ONE);
    Searched::new(&ladders).one(who, &own.account(who.book, who.number), scope)
}

struct Searched<'l, R: Real> {
    ladders: &'l LaddersIn<'l, R>,
    work: Workspace<R>,
    alone: Workspace,
    units: Vec<UnitMargin>,
}

impl<'l, R: Real> Searched<'l, R> {
    fn new(ladders: &'l LaddersIn<'l, R>) -> Self {
        let currencies = ladders.market().currencies.len();
        let (work, alone) = (Workspace::for_currencies(currencies), Workspace::for_currencies(currencies));
        Self { ladders, work, alone, units: Vec::new() }
    }

    fn one(&mut self, who: Who<'_>, account: &Account<'_>, scope: Scope) -> Result<AccountDistances> {
        let ladders = self.ladders;
        let failed = |_: NotFinite| not_finite(who, 0.0);
        self.units.clear();
        let now = evaluate(ladders.now(), account, &mut self.alone, &mut self.units).map_err(failed)?;
        // Orders may be for what the account does not hold: with them it is revalued alone.
        let deducts_orders = ladders.rules().orders_deduct_loss && !account.orders.is_empty();
        let whole = Part::whole(account, deducts_orders);
        let of_all = Moved {
            markets: Some(ladders.all()).filter(|_| !deducts_orders),
            market: ladders.market(),
            coin: None,
            part: &whole,
        };
        let mut rows = vec![self.row(who, EVERY_COIN, None, of_all, &now)?];
        if scope == Scope::EveryRow {
            for ccy in exposed(ladders.market(), account).number().entries() {
                let Some(coin) = ladders.coin(ccy) else { continue };
                let currency = &ladders.market().currencies[ccy as usize];
                let part;
                let moved = if deducts_orders {
                    Moved { coin: Some(ccy), ..of_all }
                } else {
                    let values = (self.units.as_slice(), &self.alone);
                    part = Part::reached(ladders.now(), account, values, coin.reached()).map_err(failed)?;
                    let (market, coin_there) = coin.markets.unmoved();
                    Moved { markets: Some(&coin.markets), market, coin: coin_there, part: &part }
                };
                rows.push(self.row(who, &currency.name, currency.fx, moved, &now)?);
            }
        }
        Ok(AccountDistances { account: who.number, margin: now, rows })
    }

    fn row(
        &mut self,
        who: Who<'_>,
        base: &str,
        price_usd: Option<f64>,
        moved: Moved<'_, R>,
        now: &AccountMargin,
    ) -> Result<Distance> {
        let (ladders, threshold) = (self.ladders, self.ladders.rules().status.liquidation);
        let work = &mut self.work;
        let mut on_rungs =
            OnRungs { who, ladders, moved, work, between: None, groups: [None, None], way: 0, threshold };
        let required_usd = now.mmr + now.liquidation_fee;
        let start = Point::new(0.0, now.margin_ratio, [now.adj_eq, required_usd], threshold);
        // No move has a neighbour on either side.
        let sides = [on_rungs.first(0)?, on_rungs.first(1)?];
        let mut reaches = [Reach::None, Reach::None];
        for (way, reach) in reaches.iter_mut().enumerate() {
            on_rungs.way = way;
            let found = search::nearest([sides[1 - way], start], ladders.rungs(way), threshold, &mut on_rungs)?;
            *reach = super::reach(found, price_usd);
        }
        let [down, up] = reaches;
        Ok(Distance { base: base.to_owned(), price_usd, down, up })
    }
}

fn not_finite(who: Who<'_>, price_move: f64) -> Error {
    let id = who.book.accounts().get(who.number);
    Error::Runtime(format!("account `{id}`: a figure is not finite after a price move of {price_move}"))
}

/// What moves, and what it reaches of an account.
#[derive(Clone, Copy)]
struct Moved<'s, R: Real> {
    /// The rungs; `None` if the account is revalued alone.
    markets: Option<&'s Markets<R>>,
    /// The market without a move, and the coin in it; all coins without one.
    market: &'s Market,
    coin: Option<u32>,
    part: &'s Part,
}

/// One account on the rungs of the two ways of a ladder.
struct OnRungs<'s, R: Real> {
    who: Who<'s>,
    ladders: &'s LaddersIn<'s, R>,
    moved: Moved<'s, R>,
    work: &'s mut Workspace<R>,
    /// Made when a move between rungs is asked for.
    between: Option<Between>,
    /// By way, the rungs that were evaluated last; without figures if one is not finite.
    groups: [Option<(usize, Option<AccountFigures<R>>)>; 2],
    way: usize,
    threshold: f64,
}

impl<R: Real> OnRungs<'_, R> {
    /// The first rung of a way.
    fn first(&mut self, way: usize) -> Result<Point> {
        self.way = way;
        self.on_rung(0, self.ladders.rungs(way)[0])
    }

    fn point<L: Real>(&self, price_move: f64, figures: &AccountFigures<L>, lane: usize) -> Point {
        let ratio = Some(figures.margin_ratio.lane(lane)).filter(|ratio| *ratio < f64::INFINITY);
        let required_usd = figures.mmr.lane(lane) + figures.liquidation_fee.lane(lane);
        Point::new(price_move, ratio, [figures.adj_eq.lane(lane), required_usd], self.threshold)
    }
}

impl<R: Real> Revalued for OnRungs<'_, R> {
    fn at(&mut self, price_move: f64) -> Result<Point> {
        let (rules, Moved { market, coin, part, .. }) = (self.ladders.rules(), self.moved);
        let between = self.between.get_or_insert_with(|| Between::new(market, coin, rules, part));
        let figures = between.at(price_move, rules).map_err(|_| not_finite(self.who, price_move))?;
        Ok(self.point(price_move, &figures, 0))
    }

    fn on_rung(&mut self, rung: usize, price_move: f64) -> Result<Point> {
        let Some(markets) = self.moved.markets else { return self.at(price_move) };
        let (group, lane) = (rung / R::LANES, rung % R::LANES);
        if self.groups[self.way].as_ref().is_none_or(|(known, _)| *known != group) {
            let priced = markets.group(self.ladders, self.way, group)?;
            let figures = self.ladders.width().part(priced, self.moved.part, self.work).ok();
            self.groups[self.way] = Some((group, figures));
        }
        match &self.groups[self.way] {
            Some((_, Some(figures))) => Ok(self.point(price_move, figures, lane)),
            // A rung that is not finite may lie behind the one that is searched; alone it is an error if it is reached.
            _ => self.at(price_move),
        }
    }
}

/// The account at any move, in the part of the market that it has something in.
struct Between {
    moves: PriceMoves,
    priced: PricedMarket,
    part: Part,
    work: Workspace,
}

impl Between {
    fn new(market: &Market, coin: Option<u32>, rules: &Rules, part: &Part) -> Self {
        let Submarket { market, instruments, currencies } = Submarket::of_account(market, &part.account(), coin);
        let part = part.renumbered(|held| instruments.place(held), |ccy| currencies.place(ccy));
        let priced = price(&market, rules);
        let coin = coin.map(|ccy| currencies.place(ccy));
        Self { work: Workspace::new(&priced), priced, part, moves: PriceMoves::new(market, coin) }
    }

    fn at(&mut self, price_move: f64, rules: &Rules) -> Result<AccountFigures, NotFinite> {
        reprice(&mut self.priced, self.moves.to(price_move, rules.rate));
        evaluate_part(&self.priced, &self.part, &mut self.work)
    }
}
