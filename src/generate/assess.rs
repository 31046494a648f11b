//! A rough margin of an account during generation. It sizes the collateral for the account's leverage.
//!
//! It has the shape of the model (stress, basis and minimum charge by underlying, spot in use, borrowing) with round
//! figures, and it is never an output: a run margins the finished account by its own rules.

use super::account::Account;
use super::world::{Stress, World};
use crate::margin::rules::SpotOffset;

/// Shape of the minimum charge: `(bound as a multiple of the first bound, multiplier)`.
const MULTIPLIERS: [(f64, f64); 7] =
    [(1.0, 1.0), (2.0, 2.0), (4.0, 4.0), (8.0, 6.0), (12.0, 8.0), (16.0, 10.0), (f64::INFINITY, 12.0)];

/// Estimates in USD.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Assessment {
    /// Maintenance margin.
    pub mmr: f64,
    /// Collateral after haircuts and liabilities.
    pub equity: f64,
    /// Net cash delta.
    pub delta: f64,
}

#[derive(Clone, Default)]
struct UnitSum {
    stress: Stress,
    minimum: f64,
    coins: f64,
    used: bool,
}

/// Buffers of the estimate, reused for every account.
#[derive(Default)]
pub(super) struct Assessor {
    /// Per currency: equity, the part of it that is option value, and the cap on spot in use.
    equity: Vec<(f64, f64, f64)>,
    units: Vec<UnitSum>,
    used: Vec<usize>,
    /// Unit, expiry, basis rate, net cash delta.
    basis: Vec<(usize, i64, f64, f64)>,
}

impl Assessor {
    pub(super) fn assess(&mut self, world: &World, account: &Account) -> Assessment {
        self.equity.clear();
        self.equity.resize(world.ccys.len(), (0.0, 0.0, f64::INFINITY));
        self.units.resize(world.units.len(), UnitSum::default());
        self.basis.clear();
        let mut result = Assessment::default();
        for balance in &account.balances {
            self.equity[balance.ccy].0 += balance.cash;
            self.equity[balance.ccy].2 = balance.cap.unwrap_or(f64::INFINITY);
        }
        for row in &account.rows {
            let terms = &world.terms[row.instrument];
            let quoted = &world.prices.quoted[row.instrument];
            let settled = &mut self.equity[terms.settle];
            let size = row.qty * quoted.multiplier;
            if terms.option {
                settled.0 += size * quoted.mark;
                settled.1 += size * quoted.mark;
            } else if terms.inverse {
                settled.0 += size * (1.0 / row.avg_px - 1.0 / quoted.mark);
            } else {
                settled.0 += size * (quoted.mark - row.avg_px);
            }
            let unit = &mut self.units[terms.unit];
            if !unit.used {
                *unit = UnitSum { used: true, ..UnitSum::default() };
                self.used.push(terms.unit);
            }
            for (sum, one) in unit.stress.iter_mut().zip(terms.risk.stress) {
                *sum += row.qty * one;
            }
            let (long, short) = terms.risk.minimum;
            unit.minimum += row.qty.abs() * if row.qty > 0.0 { long } else { short };
            unit.coins += row.qty * terms.risk.delta_coin;
            result.delta += row.qty * terms.risk.delta;
            let delta = row.qty * terms.risk.delta;
            match self.basis.iter_mut().find(|entry| entry.0 == terms.unit && entry.1 == terms.expiry_ns) {
                Some(entry) => entry.3 += delta,
                None => self.basis.push((terms.unit, terms.expiry_ns, terms.basis_rate, delta)),
            }
        }
        for index in std::mem::take(&mut self.used) {
            result.mmr += self.unit(world, index, account.spot_offset);
        }
        for (ccy, &(amount, ..)) in world.ccys.iter().zip(&self.equity) {
            let usd = amount * ccy.fx;
            result.equity += if usd > 0.0 { usd * ccy.discount } else { usd };
            result.mmr += (-usd).max(0.0) * ccy.borrowing;
        }
        result
    }

    fn unit(&mut self, world: &World, index: usize, mode: Option<SpotOffset>) -> f64 {
        let unit = &world.units[index];
        let hedging = match mode.unwrap_or(SpotOffset::Usdt) {
            SpotOffset::Usdt => "USDT",
            SpotOffset::Usdc => "USDC",
            SpotOffset::Coin => "USD",
            SpotOffset::None => "",
        };
        let sum = &mut self.units[index];
        sum.used = false;
        let (equity, options, cap) = self.equity[unit.base];
        let spot = equity - options;
        let in_use = if unit.quote == hedging && spot * sum.coins < 0.0 {
            spot.signum() * spot.abs().min(sum.coins.abs()).min(cap)
        } else {
            0.0
        };
        let hedge = super::world::linear_stress(in_use * unit.coin_usd, unit.charges.shock);
        let worst = sum.stress.iter().zip(hedge).map(|(pnl, spot)| pnl + spot).fold(0.0, f64::min);
        let basis: f64 = self.basis.iter().filter(|entry| entry.0 == index).map(|entry| entry.3.abs() * entry.2).sum();
        (basis - worst).max(minimum_charge(sum.minimum, unit.charges.minimum.2))
    }
}

fn minimum_charge(raw: f64, first_bound: f64) -> f64 {
    let mut below = 0.0;
    let mut charge = 0.0;
    for (bound, multiplier) in MULTIPLIERS {
        let bound = bound * first_bound;
        charge += (raw.min(bound) - below).max(0.0) * multiplier;
        below = bound;
    }
    charge
}
