//! Parameters that options tell: discount rate, numeraire, volatility shifts, MR2, MR3, MR5, minimum charge.

use super::delta_one::ratio;
use super::found::{Found, Parameter, Status};
use super::printed::{Printed, estimate};
use super::read::{Answer, Unit};
use super::shift::ShiftAt;
use super::smile::{Implied, Terms, change, gross, implied, index, invert, marks, pnl, solve, widest};
use super::world::World;
use crate::listing::Kind;
use std::collections::{BTreeMap, BTreeSet};

/// A unit of options with the USD value of each leg's quote currency.
pub(super) struct Book<'a> {
    pub answer: &'a Answer,
    pub unit: &'a Unit,
    phi: Vec<f64>,
}

impl Book<'_> {
    pub fn options(&self, marks: &[f64], rate: f64) -> Option<Vec<Implied>> {
        implied(self.answer, self.unit, marks, &self.phi, rate)
    }

    fn now(&self, rate: f64) -> Option<Vec<Implied>> {
        let marks: Vec<f64> = self.unit.legs.iter().map(|leg| leg.mark.value).collect();
        self.options(&marks, rate)
    }

    /// The move that tells most of the index, and its P&L.
    fn widest(&self) -> Option<(f64, Printed)> {
        widest(self.unit)
    }

    fn expiries(&self) -> BTreeSet<Option<i64>> {
        self.unit.legs.iter().map(|leg| leg.contract.expiry_ms).collect()
    }

    fn strikes(&self) -> BTreeSet<u64> {
        self.unit.legs.iter().map(|leg| leg.contract.strike.to_bits()).collect()
    }

    fn is_long(&self) -> bool {
        self.unit.legs.iter().all(|leg| leg.qty > 0.0)
    }
}

/// Units of options alone, without spot in use.
pub(super) fn books<'a>(world: &'a World<'_>) -> Vec<Book<'a>> {
    let of = |(answer, unit): (&'a Answer, &'a Unit)| {
        if !unit.is_options() || answer.spot(unit.base()) != 0.0 {
            return None;
        }
        let phi = unit.legs.iter().map(|leg| world.fx(answer, &leg.contract.quote)).collect::<Option<Vec<f64>>>()?;
        Some(Book { answer, unit, phi })
    };
    world.units().filter_map(of).collect()
}

/// `rate`: from the two sides of two strikes of one expiry.
pub(super) fn rate(world: &World, found: &mut Found) {
    for book in books(world) {
        if book.expiries().len() != 1 {
            continue;
        }
        let mut sides: BTreeMap<u64, [Option<(f64, Printed)>; 2]> = BTreeMap::new();
        for leg in &book.unit.legs {
            let side = usize::from(leg.contract.kind == Kind::Put);
            if let Some(place) = sides.entry(leg.contract.strike.to_bits()).or_default().get_mut(side) {
                *place = Some((leg.contract.strike, leg.mark));
            }
        }
        let both = sides.values().filter_map(|sides| match sides {
            [Some((strike, call)), Some((_, put))] => Some((*strike, *call, *put)),
            _ => None,
        });
        let both: Vec<(f64, Printed, Printed)> = both.collect();
        let (Some((low, a, b)), Some((high, c, d)), Some(leg)) = (both.first(), both.last(), book.unit.legs.first())
        else {
            continue;
        };
        let (years, in_coin) = (leg.years(book.answer.ts_ms), leg.contract.settle == leg.contract.base);
        if low == high || years <= 0.0 {
            continue;
        }
        // In coins c - p = d (1 - K / F), else d (F - K): straight in K. In coins the line is d at K = 0.
        let of_rate = estimate(&[a.among(1.0), b.among(0.0), *c, *d], |at| match at {
            [a, b, c, d] => {
                let (near, far) = (a - b, c - d);
                let slope = (far - near) / (high - low);
                let discount = if in_coin { near - slope * low } else { -slope };
                (discount > 0.0).then(|| -discount.ln() / years)
            }
            _ => None,
        });
        found.observe("rate", of_rate, &book.answer.name);
    }
}

/// `coin_option_pnl`: which numeraire explains all price moves at unchanged volatility. The index is fitted to one.
pub(super) fn numeraire(world: &World, found: &mut Found) {
    const KEY: &str = "coin_option_pnl";
    let mut sides: BTreeMap<bool, BTreeSet<String>> = BTreeMap::new();
    let mut neither = BTreeSet::new();
    for book in books(world) {
        let Some(options) = book.now(world.rate) else { continue };
        let Some((step, target)) = book.widest() else { continue };
        // Marks of few digits explain nothing to the accuracy that is asked for.
        let is_fine = book.unit.legs.iter().all(|leg| leg.mark.relative() < 1e-9);
        if !is_fine || !options.iter().all(|option| option.in_coin) || book.expiries().len() != 1 {
            continue;
        }
        let scale: f64 = book.unit.grid[1].iter().map(|pnl| pnl.value.abs()).fold(0.0, f64::max);
        let explains = |in_coin: bool| {
            let terms = Terms { rate: world.rate, in_coin };
            let Some(index) = index(&options, step, target.value, terms) else { return false };
            let near = |(step, printed): (&f64, &Printed)| {
                (pnl(&options, index, *step, |option| option.vol, terms) - printed.value).abs()
                    <= 1e-6 * scale + 10.0 * printed.half
            };
            book.unit.moves.iter().zip(&book.unit.grid[1]).all(near)
        };
        match (explains(false), explains(true)) {
            (true, false) => sides.entry(false).or_default().insert(book.answer.name.clone()),
            (false, true) => sides.entry(true).or_default().insert(book.answer.name.clone()),
            (false, false) => neither.insert(book.answer.name.clone()),
            (true, true) => false,
        };
    }
    let word = |in_coin: bool| if in_coin { "\"coin\"" } else { "\"usd\"" };
    match (sides.first_key_value(), sides.len(), neither.is_empty()) {
        (Some((in_coin, answers)), 1, true) => found.put(Parameter::measured(KEY, word(*in_coin), answers)),
        (None, _, true) => {}
        _ => {
            let mut named = neither;
            named.extend(sides.values().filter_map(|answers| answers.first().cloned()));
            let note = "neither P&L in USD nor in coins explains the price moves of all answers";
            found.put(Parameter::new(KEY, Status::Contradiction).from(&named).note(note));
        }
    }
}

/// An estimate from the marks, a move and one more figure: `function` gets options, index and the figure.
fn solved(
    world: &World,
    book: &Book,
    figure: Printed,
    function: impl Fn(&[Implied], f64, f64) -> Option<f64>,
) -> Option<Printed> {
    let terms = Terms { rate: world.rate, in_coin: world.in_coin };
    let options = book.now(world.rate)?;
    let (step, moved) = book.widest()?;
    let error = gross(&options);
    let mut inputs = vec![figure.among(error), moved.among(error)];
    inputs.extend(marks(book.unit));
    estimate(&inputs, |at| {
        let [figure, moved, marks @ ..] = at else { return None };
        let options = book.options(marks, terms.rate)?;
        // Only P&L in coins needs the index.
        let index = if terms.in_coin { index(&options, step, *moved, terms)? } else { 0.0 };
        function(&options, index, *figure)
    })
}

/// Volatility shifts: of each straddle of one strike, at price move zero.
pub(super) fn shifts(world: &World) -> Vec<ShiftAt> {
    let terms = Terms { rate: world.rate, in_coin: world.in_coin };
    let mut found = Vec::new();
    for book in books(world) {
        let (Some(leg), 1, 1) = (book.unit.legs.first(), book.expiries().len(), book.strikes().len()) else { continue };
        let Some(place) = book.unit.moves.iter().position(|step| *step == 0.0) else { continue };
        let pnl_at = |state: usize| book.unit.grid.get(state).and_then(|column| column.get(place)).copied();
        let (Some(up), Some(down)) = (pnl_at(0), pnl_at(2)) else { continue };
        // The volatility at which the whole unit has this P&L.
        let shifted = |options: &[Implied], index: f64, target: f64| {
            let first = options.first()?;
            let (all, sign) = (options, if first.size > 0.0 { 1.0 } else { -1.0 });
            let vol = invert(sign * target, |vol| sign * pnl(all, index, 0.0, |_| vol, terms))?;
            Some((vol, first.vol))
        };
        let one_side = book.unit.legs.iter().all(|other| (other.qty > 0.0) == (leg.qty > 0.0));
        let width = solved(world, &book, up, |options, index, target| {
            shifted(options, index, target).map(|(to, from)| to - from)
        });
        let fallen =
            solved(world, &book, down, |options, index, target| shifted(options, index, target).map(|(to, _)| to));
        if let (true, Some(width), Some(options)) = (one_side, width, book.now(world.rate)) {
            found.push(ShiftAt {
                days: leg.years(book.answer.ts_ms) * 365.0,
                vol: options.first().map_or(0.0, |option| option.vol),
                width,
                fallen,
                expiry_ms: leg.contract.expiry_ms.unwrap_or_default(),
                strike: leg.contract.strike,
                base: leg.contract.base.clone(),
                answer: book.answer.name.clone(),
            });
        }
    }
    found
}

/// MR2 and MR5, from options held long.
pub(super) fn time_and_rate(world: &World, found: &mut Found) {
    let terms = Terms { rate: world.rate, in_coin: world.in_coin };
    for book in books(world).iter().filter(|book| book.is_long() && book.expiries().len() == 1) {
        let Some(years) = book.unit.legs.first().map(|leg| leg.years(book.answer.ts_ms)) else { continue };
        if let Some(mr2) = book.unit.figure("mr2").filter(|mr2| mr2.value > 0.0) {
            let days = solved(world, book, mr2, |options, index, mr2| {
                let lost = |days: f64| -> f64 {
                    let aged = |option: &Implied| {
                        let then = option.moved(option.forward, option.vol, option.years - days / 365.0, terms.rate);
                        -change(option, option.forward, then, index, terms)
                    };
                    options.iter().map(aged).sum()
                };
                solve(0.0, years * 365.0, |days| lost(days) - mr2)
            });
            // At its expiry an option has lost all: more days would cost the same.
            found.observe(
                "mr2.days",
                days.filter(|days| days.high() < years * 365.0 * (1.0 - 1e-6)),
                &book.answer.name,
            );
        }
        if let Some(mr5) = book.unit.figure("mr5").filter(|mr5| mr5.value > 0.0) {
            let shift = solved(world, book, mr5, |options, index, mr5| {
                let worth = |option: &Implied| {
                    let value = option.value(terms.rate);
                    let value = if terms.in_coin && option.in_coin { value / option.forward * index } else { value };
                    option.size * value
                };
                let worth: f64 = options.iter().map(worth).sum();
                Some(-(-mr5 / worth).ln_1p() / years)
            });
            found.observe("mr5.rate_shift", shift, &book.answer.name);
        }
    }
}

/// MR3, from expiries that offset each other and whose own shifts are known.
pub(super) fn term_structure(world: &World, shifts: &[ShiftAt], found: &mut Found) {
    let terms = Terms { rate: world.rate, in_coin: world.in_coin };
    for book in books(world).iter().filter(|book| book.expiries().len() > 1) {
        let Some(mr3) = book.unit.figure("mr3") else { continue };
        let known = |leg: &super::read::Leg| {
            let of =
                |at: &&ShiftAt| at.base == leg.contract.base && at.is_of(leg.contract.expiry_ms, leg.contract.strike);
            shifts.iter().find(of).map(|at| at.width)
        };
        let Some(widths) = book.unit.legs.iter().map(known).collect::<Option<Vec<Printed>>>() else { continue };
        let (Some(options), Some((step, moved))) = (book.now(world.rate), book.widest()) else { continue };
        let mut inputs = vec![mr3.among(gross(&options)), moved.among(gross(&options))];
        inputs.extend(&widths);
        inputs.extend(marks(book.unit));
        let charge = estimate(&inputs, |at| {
            let [mr3, moved, rest @ ..] = at else { return None };
            let (widths, marks) = rest.split_at_checked(widths.len())?;
            let options = book.options(marks, terms.rate)?;
            let index = if terms.in_coin { index(&options, step, *moved, terms)? } else { 0.0 };
            let mut by_expiry: BTreeMap<u64, f64> = BTreeMap::new();
            for (option, width) in options.iter().zip(widths) {
                let up = option.moved(option.forward, option.vol + width, option.years, terms.rate);
                *by_expiry.entry(option.years.to_bits()).or_default() +=
                    change(option, option.forward, up, index, terms);
            }
            let net: f64 = by_expiry.values().sum();
            let offset = by_expiry.values().map(|pnl| pnl.abs()).sum::<f64>() - net.abs();
            (offset > 0.0).then(|| mr3 / offset)
        });
        found.observe("mr3.offset_charge", charge, &book.answer.name);
    }
}

/// MR7 of options: the rate from short ones, then the cap from long ones. Their charges lie in the first tier.
pub(super) fn minimum_charge(world: &World, found: &mut Found) {
    let terms = Terms { rate: world.rate, in_coin: world.in_coin };
    let first = |class| world.base.rules.mr7.tiers.get(class).rows().first().map_or(1.0, |row| row.1);
    for book in books(world).iter().filter(|book| book.unit.legs.iter().all(|leg| leg.qty < 0.0)) {
        let class = world.class_mr467(book.unit.base());
        let (Some(mr7), Some((step, moved)), Some(options)) =
            (book.unit.figure("mr7"), book.widest(), book.now(world.rate))
        else {
            continue;
        };
        let error = gross(&options);
        let mut inputs = vec![mr7, moved.among(error)];
        inputs.extend(marks(book.unit));
        let share = estimate(&inputs, |at| {
            let [mr7, moved, marks @ ..] = at else { return None };
            let options = book.options(marks, terms.rate)?;
            let index = index(&options, step, *moved, terms)?;
            let size: f64 = options.iter().map(|option| option.size.abs()).sum();
            Some(mr7 / (size * index * first(class)))
        });
        found.observe(format!("mr7.option.{}", class.name()), share, &book.answer.name);
    }
    for book in books(world).iter().filter(|book| book.is_long() && book.expiries().len() == 1) {
        let class = world.class_mr467(book.unit.base());
        let Some(option) = found.range(&format!("mr7.option.{}", class.name())) else { continue };
        let (Some(mr7), Some(options), Some((step, moved))) =
            (book.unit.figure("mr7"), book.now(world.rate), book.widest())
        else {
            continue;
        };
        // Where every option is capped, the charge is a share of the values.
        let values: f64 = options.iter().map(|option| option.size * option.value(terms.rate)).sum();
        let Some(cap) = ratio(mr7, Printed { value: values * first(class), half: 1e-13 * values }) else { continue };
        let Some(index) = index(&options, step, moved.value, terms) else { continue };
        let uncapped = option.value * index * (1.0 - 1e-9);
        if options.iter().all(|one| cap.high() * one.value(terms.rate) < uncapped) {
            let error = options.iter().map(|one| one.size * one.forward).sum::<f64>() * 1e-14 / values;
            found.observe(
                "mr7.option_premium_cap",
                Some(Printed { half: cap.half + error * cap.value, ..cap }),
                &book.answer.name,
            );
        }
    }
}
