//! IMR of pending orders: the worse of all buys filled and all sells filled.
//!
//! A fill is represented in two ways. For equity the order is an extra position with its own entry price: its P&L and
//! that of the reduced position add up to the realised and the remaining P&L. For the stresses the contracts of an
//! instrument are netted.

use super::leg::Leg;
use super::number::Num;
use super::prices::Prices;
use super::unit::{SpotInUse, unit_margin};
use super::{Account, PendingOrder, Position, Traded, Unit, ledger, unit_margins};
use crate::Result;
use crate::margin::rules::SpotOffset;
use std::collections::BTreeMap;

pub(super) use crate::margin::account::Traded as BookTraded;

/// Raises the IMR of `units`, the units of the positions under `mode`. Units with orders only are added.
pub(super) fn freeze(account: &Account, mode: SpotOffset, units: &mut Vec<Unit>) -> Result<()> {
    if account.orders.is_empty() {
        return Ok(());
    }
    let multiplier = Num::from(account.rules.imr_multiplier);
    for buys in [true, false] {
        for filled in filled_units(account, mode, buys)? {
            let place = units.partition_point(|unit| unit.name < filled.name);
            if units.get(place).is_none_or(|unit| unit.name != filled.name) {
                let nothing = SpotInUse { coins: Num::ZERO, price_usd: Num::ZERO };
                units.insert(place, unit_margin(&filled.name, &[], nothing, account.rules));
            }
            let unit = &mut units[place];
            let of_positions = multiplier * Num::from(unit.mmr);
            let imr = Num::from(unit.imr).max(multiplier * Num::from(filled.mmr));
            unit.imr = imr.to_f64();
            unit.order_imr = (imr - of_positions).to_f64();
        }
    }
    Ok(())
}

/// What pending orders take off adjusted equity, USD: the loss of each if it were filled now at its price, and its fee.
pub(super) fn loss(account: &Account) -> Result<Num> {
    let fee_rate = Num::from(account.fee_rate.unwrap_or(account.rules.mr8.fee_rate));
    let prices = Prices::new(account.market);
    let mut sum = Num::ZERO;
    for order in &account.orders {
        let (loss, notional) = match order.on {
            Traded::Spot(base, quote) => {
                let fx = |ccy| prices.fx(prices.currency(ccy)?);
                let (qty, paid) = (Num::from(order.qty), Num::from(order.px) * fx(quote)?);
                (qty * (paid - fx(base)?), qty.abs() * paid)
            }
            Traded::Contract(instrument) => {
                let position = Position { instrument, qty: order.qty, avg_px: order.px };
                let leg = Leg::new(account.market, account.rules, &position)?;
                (leg.loss_at_entry() * leg.settle_fx, leg.fee_base())
            }
        };
        sum = sum + Num::ZERO.max(loss) + fee_rate * notional;
    }
    Ok(sum)
}

/// The risk units with all buys, or all sells, filled.
fn filled_units(account: &Account, mode: SpotOffset, buys: bool) -> Result<Vec<Unit>> {
    let mut entered = account.positions.clone();
    let mut cash: Vec<(usize, Num)> = Vec::new();
    let mut traded: BTreeMap<usize, f64> = BTreeMap::new();
    for order in &account.orders {
        match order.on {
            Traded::Spot(base, quote) => {
                if (order.qty > 0.0) == buys {
                    let qty = Num::from(order.qty);
                    cash.extend([(base, qty), (quote, -(qty * Num::from(order.px)))]);
                }
            }
            Traded::Contract(instrument) => {
                let position = Position { instrument, qty: order.qty, avg_px: order.px };
                // Of one contract: the delta of an option far from its strike may be too small for a number.
                let one = Position { qty: order.qty.signum(), ..position.clone() };
                if (Leg::new(account.market, account.rules, &one)?.coin_delta().sign() > 0) != buys {
                    continue;
                }
                *traded.entry(instrument).or_default() += order.qty;
                cash.extend(premium(account, order, instrument));
                entered.push(position);
            }
        }
    }
    let legs = |positions: &[Position]| -> Result<Vec<Leg>> {
        positions.iter().map(|position| Leg::new(account.market, account.rules, position)).collect()
    };
    let mut lines = ledger::lines(account, &legs(&entered)?)?;
    for (ccy, amount) in cash {
        ledger::add_cash(&mut lines, account.market, ccy, amount)?;
    }
    let netted = netted(&account.positions, &traded);
    Ok(unit_margins(mode, account.rules, &legs(&netted)?, &lines))
}

/// The cost of an option, paid in cash in its settlement currency.
fn premium(account: &Account, order: &PendingOrder, instrument: usize) -> Option<(usize, Num)> {
    let specification = account.market.instruments.get(instrument)?;
    let crate::market::InstrumentKind::Option { .. } = specification.kind else { return None };
    let cost = Num::from(order.qty) * Num::from(specification.multiplier) * Num::from(order.px);
    Some((specification.settle as usize, -cost))
}

/// Long and short contracts of each instrument after `traded` is filled: a buy closes shorts first, a sell closes longs
/// first. Average prices do not matter for the stresses.
fn netted(positions: &[Position], traded: &BTreeMap<usize, f64>) -> Vec<Position> {
    let mut sides: BTreeMap<usize, (Num, Num)> = BTreeMap::new();
    for position in positions {
        let (long, short) = sides.entry(position.instrument).or_insert((Num::ZERO, Num::ZERO));
        let qty = Num::from(position.qty);
        if qty.sign() > 0 { *long = *long + qty } else { *short = *short - qty }
    }
    for (&instrument, &qty) in traded {
        let (long, short) = sides.entry(instrument).or_insert((Num::ZERO, Num::ZERO));
        let size = Num::from(qty.abs());
        let (same, other) = if qty > 0.0 { (long, short) } else { (short, long) };
        let covered = size.min(*other);
        *other = *other - covered;
        *same = *same + (size - covered);
    }
    let rows = sides.into_iter().flat_map(|(instrument, (long, short))| [(instrument, long), (instrument, -short)]);
    rows.filter(|(_, qty)| qty.sign() != 0)
        .map(|(instrument, qty)| Position { instrument, qty: qty.to_f64(), avg_px: 1.0 })
        .collect()
}
