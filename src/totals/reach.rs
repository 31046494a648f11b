//! How far a price has to move until an account reaches the liquidation threshold.

/// The nearest move one way at which an account changes between liquidation and no liquidation.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Reach {
    /// At this move.
    At(Move),
    /// Nowhere between the lowest and the highest move that are searched.
    None,
}

impl Reach {
    /// The move, if there is one.
    #[must_use]
    pub fn found(&self) -> Option<&Move> {
        match self {
            Self::At(found) => Some(found),
            Self::None => None,
        }
    }

    /// The name in tables: `crossed`, `jump`, `none`.
    #[must_use]
    pub fn name(&self) -> &'static str {
        match self {
            Self::At(found) if found.jump => "jump",
            Self::At(_) => "crossed",
            Self::None => "none",
        }
    }
}

/// A price move at which an account's state changes.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Move {
    /// Relative move in USD, such as -0.31.
    pub price_move: f64,
    /// Price of the coin in USD after it; `None` for all coins together, or for a coin without a USD price.
    pub price_usd: Option<f64>,
    /// Margin ratio after it: the threshold within 1e-6, unless it jumps. `None` where nothing is to be maintained.
    pub margin_ratio: Option<f64>,
    /// The ratio passes the threshold without taking it, as at the bound of a borrowing tier: this is then the first
    /// move in the other state, to the last bit.
    pub jump: bool,
}
