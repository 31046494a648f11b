//! One action of a check, and the parts of its amount.

use super::amount::{Lot, Most, Unit};
use super::operation::Action;
use crate::margin::account::Order;

/// An action, and how its amount is divided into lots.
#[derive(Debug, Clone, Copy)]
pub(super) struct Leg {
    pub action: Action,
    pub lot: Lot,
    /// Whole lots in the amount; zero if it cannot be divided.
    pub lots: u64,
    pub unit: Unit,
    /// Coins of spot in use that the amount is subtracted from or added to.
    pub hedge: f64,
    /// The smallest amount that the exchange takes; zero if there is none.
    pub least: f64,
}

/// How much of the legs is applied.
#[derive(Debug, Clone, Copy)]
pub(super) enum Part {
    All,
    /// The first number of the second number of steps, each leg in whole lots.
    Steps(u64, u64),
}

impl Leg {
    /// The amount asked for.
    pub fn asked(&self) -> f64 {
        match self.action {
            Action::Order(order) => order.qty.abs(),
            Action::Transfer { qty, .. } => qty,
            Action::CloseHedge { qty, .. } => qty.unwrap_or(self.hedge),
            Action::SpotInUseCap { .. } | Action::SpotOffset(_) => self.lot.amount(self.lots),
        }
    }

    pub fn amount(&self, part: Part) -> f64 {
        match part {
            Part::All => self.asked(),
            Part::Steps(step, steps) if step >= steps => self.lot.amount(self.lots),
            Part::Steps(step, steps) => {
                let lots = u128::from(self.lots) * u128::from(step) / u128::from(steps.max(1));
                self.lot.amount(lots as u64)
            }
        }
    }

    /// The limit of spot in use after part of the change.
    pub fn cap(&self, part: Part) -> f64 {
        match (self.action, part) {
            (Action::SpotInUseCap { cap, .. }, _) if self.lots == 0 => cap,
            (Action::SpotInUseCap { cap, .. }, Part::All) => cap,
            (Action::SpotInUseCap { cap, .. }, _) if cap < self.hedge => self.hedge - self.amount(part),
            _ => self.hedge + self.amount(part),
        }
    }

    pub fn most(&self, part: Part) -> Option<Most> {
        if self.lots == 0 {
            return None;
        }
        let amount =
            if matches!(self.action, Action::SpotInUseCap { .. }) { self.cap(part) } else { self.amount(part) };
        Some(Most { amount, unit: self.unit })
    }

    /// The action with a part of its amount; `None` where it cannot be had for less.
    pub fn reduced(&self, part: Part) -> Option<Action> {
        let qty = self.amount(part);
        match self.action {
            Action::Order(order) => Some(Action::Order(Order { qty: qty.copysign(order.qty), ..order })),
            Action::Transfer { ccy, out, .. } => Some(Action::Transfer { ccy, qty, out }),
            Action::CloseHedge { .. } | Action::SpotInUseCap { .. } | Action::SpotOffset(_) => None,
        }
        .filter(|_| qty > 0.0)
    }
}
