//! The distances of an account: on the rungs of ladders in lanes, and between rungs on the account's own market.

use super::account::{OneAccount, exposed};
use super::ladders::{Ladders, LaddersIn};
use super::search::{self, Point, Revalued, Standing};
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
use std::collections::BTreeSet;

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
        let known = |&number: &usize| searched.known(Who { book, number }, &account_of(book, number), Scope::EveryRow);
        let known = accounts.iter().map(known).collect::<Result<Vec<_>>>()?;
        searched.distances(&known)
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
    let mut searched = Searched::new(&ladders);
    let known = searched.known(who, &own.account(who.book, who.number), scope)?;
    let found = searched.distances(&[known])?.pop();
    found.ok_or_else(|| Error::Runtime("a search found no account".to_owned()))
}

/// An account without a move, and what moves reach of it.
struct Known<'b> {
    who: Who<'b>,
    now: AccountMargin,
    start: Point,
    /// Its orders may be for what it does not hold: with them it is revalued alone.
    is_alone: bool,
    /// By what moves, in ascending order: a currency, all coins without one.
    parts: Vec<(Option<u32>, Part)>,
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

    fn known<'b>(&mut self, who: Who<'b>, account: &Account<'_>, scope: Scope) -> Result<Known<'b>> {
        let ladders = self.ladders;
        let failed = |_: NotFinite| not_finite(who, 0.0);
        self.units.clear();
        let now = evaluate(ladders.now(), account, &mut self.alone, &mut self.units).map_err(failed)?;
        let is_alone = ladders.rules().orders_deduct_loss && !account.orders.is_empty();
        let mut parts = vec![(None, Part::whole(account, is_alone))];
        if scope == Scope::EveryRow {
            for ccy in exposed(ladders.market(), account).number().entries() {
                let Some(coin) = ladders.coin(ccy) else { continue };
                let part = if is_alone {
                    Part::whole(account, is_alone)
                } else {
                    let values = (self.units.as_slice(), &self.alone);
                    Part::reached(ladders.now(), account, values, coin.reached()).map_err(failed)?
                };
                parts.push((Some(ccy), part));
            }
        }
        let required_usd = now.mmr + now.liquidation_fee;
        let threshold = ladders.rules().status.liquidation;
        let ratio = now.margin_ratio.unwrap_or(f64::INFINITY);
        let start = Point { at: 0.0, standing: Standing::new(ratio, [now.adj_eq, required_usd], threshold) };
        Ok(Known { who, now, start, is_alone, parts })
    }

    /// One coin after the other, and rung after rung for all accounts: the market on a few rungs stays in the
    /// processor's cache.
    fn distances<'a>(&mut self, accounts: &'a [Known<'a>]) -> Result<Vec<AccountDistances>> {
        let mut rows: Vec<Vec<Distance>> = accounts.iter().map(|of| Vec::with_capacity(of.parts.len())).collect();
        let moved: BTreeSet<_> = accounts.iter().flat_map(|of| of.parts.iter().map(|(ccy, _)| *ccy)).collect();
        for ccy in moved {
            let part = |of: &'a Known<'a>| of.parts.iter().find(|(moved, _)| *moved == ccy).map(|(_, part)| (of, part));
            let (numbers, held): (Vec<usize>, Vec<_>) =
                accounts.iter().enumerate().filter_map(|(number, of)| Some((number, part(of)?))).unzip();
            let (falls, rises) = (self.on_rungs(ccy, 0, &held)?, self.on_rungs(ccy, 1, &held)?);
            for ((number, (of, part)), points) in numbers.into_iter().zip(held).zip(falls.into_iter().zip(rises)) {
                rows[number].push(self.row(of, ccy, part, points.into())?);
            }
        }
        let found = accounts.iter().zip(rows);
        Ok(found.map(|(of, rows)| AccountDistances { account: of.who.number, margin: of.now, rows }).collect())
    }

    /// Accounts on the rungs of one way, outward, each until its state changes. A point is missing where a figure is
    /// not finite; all are where an account is revalued alone.
    fn on_rungs(&mut self, ccy: Option<u32>, way: usize, accounts: &[(&Known<'_>, &Part)]) -> Result<Vec<Points>> {
        let ladders = self.ladders;
        let (threshold, markets) = (ladders.rules().status.liquidation, ladders.markets(ccy));
        let mut points = vec![Points::new(); accounts.len()];
        let mut open: Vec<usize> = (0..accounts.len()).filter(|one| !accounts[*one].0.is_alone).collect();
        for (group, moves) in ladders.rungs(way).chunks(R::LANES).enumerate() {
            if open.is_empty() {
                break;
            }
            let priced = markets.group(ladders, way, group)?;
            open.retain(|&one| {
                let (of, part) = accounts[one];
                let figures = ladders.width().part(priced, part, &mut self.work).ok();
                let on_rung = |lane| figures.as_ref().map_or(MISSING, |it| standing(it, lane, threshold));
                let was_liquidated = of.start.standing.is_liquidated(threshold);
                let new = points[one].len();
                points[one].extend((0..moves.len()).map(on_rung));
                points[one][new..].iter().all(|it| is_missing(it) || it.is_liquidated(threshold) == was_liquidated)
            });
        }
        Ok(points)
    }

    fn row(&self, of: &Known<'_>, ccy: Option<u32>, part: &Part, points: [Points; 2]) -> Result<Distance> {
        let (ladders, threshold) = (self.ladders, self.ladders.rules().status.liquidation);
        let (market, coin) = if of.is_alone { (ladders.market(), ccy) } else { ladders.markets(ccy).unmoved() };
        let moved = Moved { market, coin, part };
        let mut on_rungs = OnRungs { who: of.who, rules: ladders.rules(), moved, points, between: None, way: 0 };
        // No move has a neighbour on either side.
        let sides = [on_rungs.first(ladders, 0)?, on_rungs.first(ladders, 1)?];
        let currency = ccy.map(|ccy| &ladders.market().currencies[ccy as usize]);
        let price_usd = currency.and_then(|currency| currency.fx);
        let mut reaches = [Reach::None, Reach::None];
        for (way, reach) in reaches.iter_mut().enumerate() {
            on_rungs.way = way;
            let found = search::nearest([sides[1 - way], of.start], ladders.rungs(way), threshold, &mut on_rungs)?;
            *reach = super::reach(found, price_usd);
        }
        let [down, up] = reaches;
        let base = currency.map_or(EVERY_COIN, |currency| currency.name.as_str()).to_owned();
        Ok(Distance { base, price_usd, down, up })
    }
}

/// How an account stands on the rungs of one way, from the first rung on.
type Points = Vec<Standing>;

/// A rung on which a figure is not finite.
const MISSING: Standing = Standing { ratio: f64::NAN, excess_usd: f64::NAN };

fn is_missing(standing: &Standing) -> bool {
    standing.ratio.is_nan()
}

fn standing<L: Real>(figures: &AccountFigures<L>, lane: usize, threshold: f64) -> Standing {
    let required_usd = figures.mmr.lane(lane) + figures.liquidation_fee.lane(lane);
    Standing::new(figures.margin_ratio.lane(lane), [figures.adj_eq.lane(lane), required_usd], threshold)
}

fn not_finite(who: Who<'_>, price_move: f64) -> Error {
    let id = who.book.accounts().get(who.number);
    Error::Runtime(format!("account `{id}`: a figure is not finite after a price move of {price_move}"))
}

/// What moves, and what it reaches of an account.
#[derive(Clone, Copy)]
struct Moved<'s> {
    /// The market without a move, and the coin in it; all coins without one.
    market: &'s Market,
    coin: Option<u32>,
    part: &'s Part,
}

/// One account on the rungs of the two ways of a ladder, and between them.
struct OnRungs<'s> {
    who: Who<'s>,
    rules: &'s Rules,
    moved: Moved<'s>,
    /// By way; rungs without a point are revalued alone.
    points: [Points; 2],
    /// Made when a move between rungs is asked for.
    between: Option<Between>,
    way: usize,
}

impl OnRungs<'_> {
    /// The first rung of a way.
    fn first<R: Real>(&mut self, ladders: &LaddersIn<'_, R>, way: usize) -> Result<Point> {
        self.way = way;
        self.on_rung(0, ladders.rungs(way)[0])
    }
}

impl Revalued for OnRungs<'_> {
    fn at(&mut self, price_move: f64) -> Result<Point> {
        let (rules, Moved { market, coin, part }) = (self.rules, self.moved);
        let between = self.between.get_or_insert_with(|| Between::new(market, coin, rules, part));
        let figures = between.at(price_move, rules).map_err(|_| not_finite(self.who, price_move))?;
        Ok(Point { at: price_move, standing: standing(&figures, 0, rules.status.liquidation) })
    }

    fn on_rung(&mut self, rung: usize, price_move: f64) -> Result<Point> {
        // A rung that is not finite may lie behind the one that is searched; alone it is an error if it is reached.
        let known = self.points[self.way].get(rung).copied().filter(|standing| !is_missing(standing));
        known.map_or_else(|| self.at(price_move), |standing| Ok(Point { at: price_move, standing }))
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
