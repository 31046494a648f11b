//! Why rows of responses are set aside: a closed list.

/// Why a row is not in the snapshot.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum SetAsideReason {
    /// The whole file is not used.
    Refused,
    /// A margin pair, or a spot pair of a computed margin.
    SpotPair,
    /// An instrument type that is not margined.
    OtherType,
    /// Equal to another row.
    Duplicate,
    /// A later row replaces it.
    Superseded,
    /// An isolated position.
    Isolated,
    /// A margin position.
    MarginPosition,
    /// A position of zero.
    Closed,
    /// A price row without a price.
    NoPrice,
    /// An order without a limit price.
    MarketOrder,
    /// An order of an option whose price is a volatility or an amount of USD.
    OtherPriceOrder,
    /// An order that waits for its trigger.
    AlgoOrder,
    /// A filled or cancelled order.
    DoneOrder,
    /// Tiers of a contract family or of a margin pair.
    PairTiers,
    /// Borrow tiers of a currency that the answer does not name.
    NamelessTiers,
    /// A response with computed margin, to compare with, not an input.
    Answer,
    /// An instrument that is announced and not traded yet.
    Placeholder,
    /// An item without content.
    Nothing,
    /// A required field is missing or has the wrong type.
    Malformed,
}

impl SetAsideReason {
    /// All reasons, in order.
    pub const ALL: [Self; 19] = [
        Self::Refused,
        Self::SpotPair,
        Self::OtherType,
        Self::Duplicate,
        Self::Superseded,
        Self::Isolated,
        Self::MarginPosition,
        Self::Closed,
        Self::NoPrice,
        Self::MarketOrder,
        Self::OtherPriceOrder,
        Self::AlgoOrder,
        Self::DoneOrder,
        Self::PairTiers,
        Self::NamelessTiers,
        Self::Answer,
        Self::Placeholder,
        Self::Nothing,
        Self::Malformed,
    ];

    /// Its name in `import.json`.
    #[must_use]
    pub fn code(self) -> &'static str {
        match self {
            Self::Refused => "refused",
            Self::SpotPair => "spot_pair",
            Self::OtherType => "other_type",
            Self::Duplicate => "duplicate",
            Self::Superseded => "superseded",
            Self::Isolated => "isolated",
            Self::MarginPosition => "margin_position",
            Self::Closed => "closed",
            Self::NoPrice => "no_price",
            Self::MarketOrder => "market_order",
            Self::OtherPriceOrder => "other_price_order",
            Self::AlgoOrder => "algo_order",
            Self::DoneOrder => "done_order",
            Self::PairTiers => "pair_tiers",
            Self::NamelessTiers => "nameless_tiers",
            Self::Answer => "answer",
            Self::Placeholder => "placeholder",
            Self::Nothing => "nothing",
            Self::Malformed => "malformed",
        }
    }

    /// Its meaning.
    #[must_use]
    pub fn meaning(self) -> &'static str {
        match self {
            Self::Refused => "the file has no data for a margin; its entry says why",
            Self::SpotPair => "a spot or margin pair is not a contract: coins are margined as balances",
            Self::OtherType => "not a SWAP, FUTURES or OPTION",
            Self::Duplicate => "the same as another row",
            Self::Superseded => "a later row or a later answer replaces it",
            Self::Isolated => "an isolated position or order has its own margin, outside the cash balance",
            Self::MarginPosition => "a margin (spot) position: its coins and debts are in the balances",
            Self::Closed => "a position of zero",
            Self::NoPrice => "a price row without a price",
            Self::MarketOrder => "an order without a limit price fills at once and is not pending",
            Self::OtherPriceOrder => {
                "an option order priced by volatility or in USD (pxVol, pxUsd): its price in coins is not in the \
                 answer, and the margin that it freezes is left out"
            }
            Self::AlgoOrder => "an algo order freezes no margin until it triggers",
            Self::DoneOrder => "a filled or cancelled order",
            Self::PairTiers => {
                "tiers of a contract family or of a margin pair; portfolio margin borrows by currency: \
                 public/position-tiers?instType=MARGIN&tdMode=cross&ccy=CCY"
            }
            Self::NamelessTiers => {
                "borrow tiers without `ccy`, which the exchange does not repeat; the tiers of the rules hold instead. \
                 Save the currency that was asked for with the answer: {\"arg\": {\"ccy\": \"USDT\"}, \"code\": \"0\", \
                 \"data\": [...]}"
            }
            Self::Answer => {
                "margin computed by the exchange for positions that are imported: compare it with `remargin reconcile`"
            }
            Self::Placeholder => "an instrument that is announced and not traded yet: nobody can hold it",
            Self::Nothing => "an item without content",
            Self::Malformed => "a required field is missing or has the wrong type",
        }
    }

    /// True if such rows belong into a sound folder, and their absence from the snapshot changes no margin. Files that
    /// are refused whole are judged by their endpoint.
    #[must_use]
    pub fn is_expected(self) -> bool {
        !matches!(
            self,
            Self::OtherType | Self::Isolated | Self::OtherPriceOrder | Self::NamelessTiers | Self::Malformed
        )
    }
}
