//! What pending orders freeze: the worse of all buys and all sells filled.
//!
//! A fill is written down twice here. For equity the order is one more position, entered at its own price: what it
//! earns together with the position that it reduces is what was realised and what is left. For the stresses the
//! contracts of an instrument are netted.

use super::leg::Leg;
use super::number::Num;
use super::unit::{SpotInUse, unit_margin};
use super::{Account, PendingOrder, Position, Traded, Unit, ledger, unit_margins};
use crate::Result;
use crate::margin::rules::SpotOffset;
use std::collections::BTreeMap;

pub(super) use crate::margin::account::Traded as BookTraded;

/// Raises the IMR of `units`, which are those of the positions under `mode`. Units that only orders have join them.
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
                let leg = Leg::new(account.market, account.rules, &position)?;
                if (leg.coin_delta().sign() > 0) != buys {
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

/// What an option costs, out of cash in its settle currency.
fn premium(account: &Account, order: &PendingOrder, instrument: usize) -> Option<(usize, Num)> {
    let specification = account.market.instruments.get(instrument)?;
    let crate::market::Kind::Option { .. } = specification.kind else { return None };
    let cost = Num::from(order.qty) * Num::from(specification.multiplier) * Num::from(order.px);
    Some((specification.settle as usize, -cost))
}

/// Long and short contracts of each instrument once `traded` is filled: what is bought covers shorts first, what is
/// sold comes off longs first. Average prices play no part in the stresses.
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
