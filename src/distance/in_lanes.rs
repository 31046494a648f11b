//! The distances of many accounts: rungs of the shared ladders in lanes, and what lies between them on the account's
//! own market.

use super::account::{OneAccount, exposed};
use super::ladders::{Ladders, LaddersIn, OwnLanes};
use super::search::{self, Point, Revalued};
use super::{AccountDistances, Distance, Reach};
use crate::book::Book;
use crate::engine::account_of;
use crate::margin::AccountMargin;
use crate::margin::account::{Account, NotFinite};
use crate::margin::account_figures::AccountFigures;
use crate::margin::real::Real;
use crate::margin::requirement::{Workspace, evaluate};
use crate::margin::rules::Rules;
use crate::market::Market;
use crate::market::scenario::{EVERY_COIN, Scenario};
use crate::{Error, Result};

/// What the accounts are in.
#[derive(Clone, Copy)]
pub(super) struct Place<'a> {
    pub market: &'a Market,
    pub rules: &'a Rules,
    pub book: &'a Book,
}

/// The distances of some accounts, as [`super::distances`] finds them one by one.
pub(super) fn distances_of(place: Place<'_>, ladders: &Ladders, accounts: &[usize]) -> Result<Vec<AccountDistances>> {
    match ladders {
        Ladders::One(ladders) => Searched::new(place, ladders).all(accounts),
        Ladders::Four(ladders) => Searched::new(place, ladders).all(accounts),
        Ladders::Eight(ladders) => Searched::new(place, ladders).all(accounts),
    }
}

struct Searched<'a, R: Real> {
    place: Place<'a>,
    ladders: &'a LaddersIn<R>,
    work: Workspace<R>,
    alone: Workspace,
}

/// What moves.
#[derive(Clone, Copy, PartialEq)]
enum Moved {
    All,
    Coin(u32),
}

impl<'a, R: Real> Searched<'a, R> {
    fn new(place: Place<'a>, ladders: &'a LaddersIn<R>) -> Self {
        let now = ladders.now();
        Self { place, ladders, work: ladders.workspace(), alone: Workspace::new(now) }
    }

    fn all(mut self, accounts: &[usize]) -> Result<Vec<AccountDistances>> {
        accounts.iter().map(|&account| self.one(account)).collect()
    }

    fn one(&mut self, number: usize) -> Result<AccountDistances> {
        let Place { market, rules, book } = self.place;
        let account = account_of(book, number);
        let failed = |_: NotFinite| {
            let id = book.accounts().get(number);
            Error::Runtime(format!("account `{id}`: a figure is not finite"))
        };
        let now = evaluate(self.ladders.now(), &account, &mut self.alone, &mut Vec::new()).map_err(failed)?;
        let own = OwnLanes::new(self.ladders, &account).map_err(failed)?;
        let mut on_rungs = OnRungs {
            searched: self,
            account,
            number,
            lanes: own,
            alone: None,
            moved: Moved::All,
            way: 0,
            group: None,
            threshold: rules.status.liquidation,
        };
        let exposed = exposed(market, &account).number();
        let coins = exposed.entries().filter(|&ccy| on_rungs.searched.ladders.is_coin(ccy)).map(Moved::Coin);
        let mut rows = Vec::new();
        for moved in std::iter::once(Moved::All).chain(coins.collect::<Vec<_>>()) {
            rows.push(on_rungs.distance(moved, &now)?);
        }
        Ok(AccountDistances { account: number, margin: now, rows })
    }
}

/// One account on the rungs of one ladder.
struct OnRungs<'a, 's, R: Real> {
    searched: &'s mut Searched<'a, R>,
    account: Account<'a>,
    number: usize,
    lanes: OwnLanes<'a, R>,
    /// Made when a move between rungs is asked for.
    alone: Option<OneAccount<'a>>,
    moved: Moved,
    way: usize,
    /// The rungs that were evaluated last; without figures if one is not finite.
    group: Option<(usize, Option<AccountFigures<R>>)>,
    threshold: f64,
}

impl<R: Real> OnRungs<'_, '_, R> {
    fn distance(&mut self, moved: Moved, now: &AccountMargin) -> Result<Distance> {
        let market = self.searched.place.market;
        self.moved = moved;
        let price_usd = match moved {
            Moved::All => None,
            Moved::Coin(ccy) => market.currencies[ccy as usize].fx,
        };
        let start = super::point(0.0, now, self.threshold);
        let mut reaches = [Reach::None, Reach::None];
        for (way, reach) in reaches.iter_mut().enumerate() {
            (self.way, self.group) = (way, None);
            let (ladders, threshold) = (self.searched.ladders, self.threshold);
            let found = search::nearest(start, ladders.rungs(way), threshold, self)?;
            *reach = super::reach(found, price_usd);
        }
        if let Moved::Coin(ccy) = moved {
            self.lanes.restore(ccy);
        }
        let [down, up] = reaches;
        Ok(Distance { base: self.base().to_owned(), price_usd, down, up })
    }

    fn base(&self) -> &str {
        match self.moved {
            Moved::All => EVERY_COIN,
            Moved::Coin(ccy) => &self.searched.place.market.currencies[ccy as usize].name,
        }
    }

    fn evaluate(&mut self, group: usize) -> Option<AccountFigures<R>> {
        let work = &mut self.searched.work;
        let found = match self.moved {
            Moved::All => {
                let account = Account { orders: &[], ..self.account };
                self.searched.ladders.all(&account, work, self.way, group)
            }
            Moved::Coin(ccy) => self.lanes.coin(&self.account, work, ccy, self.way, group),
        };
        found.ok()
    }
}

impl<R: Real> Revalued for OnRungs<'_, '_, R> {
    fn at(&mut self, price_move: f64) -> Result<Point> {
        let Place { market, rules, book } = self.searched.place;
        let number = self.number;
        let scenario = Scenario::price_move("", self.base(), price_move);
        let alone = self.alone.get_or_insert_with(|| OneAccount::new(market, rules, book, number));
        Ok(super::point(price_move, &alone.margin(&scenario)?, self.threshold))
    }

    fn on_rung(&mut self, rung: usize, price_move: f64) -> Result<Point> {
        let (group, lane) = (rung / R::LANES, rung % R::LANES);
        let known = self.group.filter(|(known, _)| *known == group);
        let (_, figures) = known.unwrap_or_else(|| (group, self.evaluate(group)));
        self.group = Some((group, figures));
        // A rung that is not finite may lie behind the one that is searched: alone it is an error, if it is reached.
        let Some(figures) = figures else { return self.at(price_move) };
        let margin = AccountMargin::of(&figures.lane(lane), self.searched.place.rules);
        Ok(super::point(price_move, &margin, self.threshold))
    }
}
