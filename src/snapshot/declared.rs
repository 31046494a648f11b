//! The columns that are read of each input table: name, type, whether it must be there, unit, an example, and what it
//! means. The pages of the documentation and `remargin schema` say what stands here.

use crate::formats::Kind;

type Column = crate::formats::Column<'static>;

const fn id(name: &'static str) -> Column {
    Column::new(name, Kind::Id)
}

const fn id_or_none(name: &'static str) -> Column {
    id(name).optional()
}

const fn number(name: &'static str) -> Column {
    Column::new(name, Kind::Number)
}

const fn number_or_none(name: &'static str) -> Column {
    number(name).optional()
}

const fn time(name: &'static str) -> Column {
    Column::new(name, Kind::Time)
}

const fn time_or_none(name: &'static str) -> Column {
    time(name).optional()
}

const fn date(name: &'static str) -> Column {
    Column::new(name, Kind::Date)
}

pub(super) const INSTRUMENTS: &[Column] = &[
    id("inst_id").means("text", "BTC-USDT-SWAP", "name of the contract, such as `BTC-USDT-SWAP`"),
    id("inst_type").means("label", "SWAP", "`SWAP`, `FUTURES` or `OPTION`, in capitals or not, as all such words"),
    id("uly").means("label", "BTC-USDT", "underlying, `BASE-QUOTE`, such as `BTC-USDT`"),
    id("settle_ccy").means(
        "label",
        "USDT",
        "currency of P&L; inverse contracts: the base; linear ones: the quote, or USD, USDT or USDC",
    ),
    id("ct_type").means(
        "label",
        "linear",
        "`linear` or `inverse`; null: `inverse` if `settle_ccy` is the base, else `linear`",
    ),
    number("ct_val").means("amount", "0.01", "contract value, above zero"),
    number("ct_mult").means("number", "1", "contract multiplier, above zero"),
    time("expiry").means("time", "2026-03-27T08:00:00Z", "expiry; null for `SWAP`, and only there"),
    number("strike").means("price", "100000", "strike of an option, above zero; not read for other types"),
    id("opt_type").means("label", "C", "`C` or `P` for an option; not read for other types"),
    number_or_none("lot_sz").means("amount", "0.01", "step of an order's quantity, contracts; 1 if absent or null"),
];
pub(super) const MARKS: &[Column] = &[
    id("inst_id").means("text", "BTC-USDT-SWAP", "the contract"),
    number("mark_px").means(
        "price",
        "95060.4",
        "mark price; linear: in the quote; inverse: in the quote per coin; option: in the settle currency per coin",
    ),
    number("mark_vol").means(
        "ratio per year",
        "0.5",
        "volatility of an option, per year, as a fraction, above zero; null for other types",
    ),
    number("fwd_px").means("price", "96000", "forward of an option, in the quote, above zero; null for other types"),
    number_or_none("bid_px").means(
        "price",
        "95060",
        "best bid; if it is above `ask_px`, the mark is not used (`crossed_mark`)",
    ),
    number_or_none("ask_px").means("price", "95061", "best ask"),
    time_or_none("ts").means("time", "2026-01-15T07:59:58Z", "time of the mark; required with `--max-mark-age`"),
];
pub(super) const INDICES: &[Column] = &[
    id("index_id").means("label", "BTC-USDT", "`BASE-QUOTE`, such as `BTC-USDT` or `USDT-USD`"),
    number("px").means("price", "95050", "price of one unit of the base in the quote, above zero"),
    time_or_none("ts").means(
        "time",
        "2026-01-15T07:59:58Z",
        "time of the price; checked against `--max-mark-age` where the column is there",
    ),
];
pub(super) const SPOT_PAIRS: &[Column] = &[
    id("inst_id").means("label", "BTC-USDT", "name of the pair, `BASE-QUOTE`, such as `PEPE-USDT`"),
    number("lot_sz").means("coin", "0.00000001", "step of an order's quantity, units of the base, above zero"),
    number_or_none("min_sz").means(
        "coin",
        "0.00001",
        "smallest order, units of the base, not negative; none if absent or null",
    ),
];
pub(super) const POSITIONS: &[Column] = &[
    id("account_id").means("text", "A1", "the account"),
    id("inst_id").means("text", "BTC-USDT-SWAP", "the contract"),
    number("qty").means("contracts", "-12.5", "contracts, signed: positive is long"),
    number("avg_px").means("price", "94100", "average entry price, above zero, in the unit of `mark_px`"),
];
pub(super) const BALANCES: &[Column] = &[
    id("account_id").means("text", "A1", "the account"),
    id("ccy").means("label", "BTC", "the currency"),
    number("cash").means("coin", "0.2", "cash in the currency, signed: negative is a debt"),
    number_or_none("interest").means(
        "coin",
        "0.0001",
        "accrued interest that the account owes, in the currency, not negative; 0 if absent or null",
    ),
    number_or_none("spot_in_use_cap").means(
        "coin",
        "0.1",
        "the account's own limit of spot in use, coins, not negative; null: no limit",
    ),
    number_or_none("col_res").means(
        "label",
        "0",
        "the exchange's `colRes`: 2 if the currency may not back new orders (checks leave it out, the margin \
         ratio does not); 0 or 1 if it may; null: 0",
    ),
];
pub(super) const ACCOUNTS: &[Column] = &[
    id("account_id").means("text", "A1", "the account"),
    id("spot_offset").means(
        "label",
        "usdt",
        "hedging mode: `usdt`, `usdc`, `coin` or `none`; null: `default_spot_offset` of the rules",
    ),
    id_or_none("unmarginable").means(
        "text",
        "no answer of account/positions",
        "why the account cannot be margined, such as \"no answer of account/positions\"; null if it can. The \
         account is then left out, with the reason `marked_unmarginable`",
    ),
    number_or_none("fee_rate").means(
        "ratio",
        "0.0005",
        "the account's taker fee, a share from 0 to 1, in place of `mr8.fee_rate` of the rules; null: that of the \
         rules",
    ),
];
pub(super) const ORDERS: &[Column] = &[
    id("account_id").means("text", "A1", "the account"),
    id("inst_id").means("text", "BTC-USDT-SWAP", "a contract, or a spot pair such as `BTC-USDT`"),
    id("side").means("label", "sell", "`buy` or `sell`"),
    number("qty").means("amount", "2", "contracts, or units of the pair's base; above zero"),
    number("px").means("price", "95500", "limit price, above zero"),
];
/// Of `shocks`, which is no part of the book: see [`super::shocks`].
pub(super) const SHOCKS: &[Column] = &[
    id("scenario").means("text", "fall", "name of the scenario"),
    id_or_none("base").means(
        "label",
        "BTC",
        "a coin, or `*` for every coin without a row of its own; never USD, USDT or USDC, which move only by `fx`",
    ),
    number_or_none("price").means(
        "ratio",
        "-0.3",
        "move of the coin in USD; one that a coin lacks is taken from `*`, else it is 0",
    ),
    number_or_none("vol").means(
        "ratio",
        "0.5",
        "move of the volatilities of the coin's options; one that a coin lacks is taken from `*`, else it is 0",
    ),
    id_or_none("fx_ccy").means("label", "USDT", "a stablecoin"),
    number_or_none("fx").means("ratio", "-0.02", "move of `fx_ccy` against USD"),
    number_or_none("days").means("days", "1", "days that pass, not negative"),
    id_or_none("origin").means("text", "desk", "where the row is from; for people, not used"),
    number_or_none("weight").means(
        "weight",
        "1",
        "what the scenario weighs in distributions: 0, or from 1e-18 to 1e15",
    ),
];
/// Of prices by time and coin, of which scenarios are made: no table of a snapshot.
pub(crate) const PRICES: &[Column] = &[
    date("time").means("time", "2026-01-15", "when the price was seen; times must be a whole number of steps apart"),
    id("base").means("label", "BTC", "a coin, or a stablecoin; not USD"),
    number("price").means("USD", "95050", "price in USD, above zero"),
    number_or_none("vol").means(
        "ratio per year",
        "0.5",
        "implied volatility of options on the coin, above zero; only its changes count, so that any unit will do if \
         all rows have the same; may be empty",
    ),
];
/// Of the operations that `simulate` checks: see [`super::operations`].
pub(super) const OPERATIONS: &[Column] = &[
    id("op_id").means("text", "o1", "the caller's name for the operation, once in an account"),
    id("account_id").means("text", "A1", "whose account"),
    id("kind").means(
        "label",
        "order",
        "`order`, `transfer_out`, `transfer_in`, `spot_offset`, `spot_in_use_cap` or `close_hedge`",
    ),
    id_or_none("inst_id").means("text", "BTC-USDT-SWAP", "of an order: a contract or a spot pair"),
    id_or_none("ccy").means("label", "USDT", "of a transfer, of `spot_in_use_cap` and of `close_hedge`: the currency"),
    id_or_none("side").means("label", "buy", "of an order: `buy` or `sell`"),
    number_or_none("qty").means(
        "amount",
        "3",
        "of an order: contracts or coins; of a transfer: currency units; of `spot_in_use_cap`: the limit (none: \
         the limit is lifted); of `close_hedge`: coins (none: all of it)",
    ),
    number_or_none("px").means("price", "95000", "of an order: the price at which it is filled whole"),
    id_or_none("spot_offset").means(
        "label",
        "usdt",
        "of `spot_offset`: the mode to switch to, `usdt`, `usdc`, `coin` or `none`",
    ),
    id_or_none("group").means(
        "text",
        "basket-1",
        "operations of one account with one group name are applied together, such as a basket; their order does \
         not matter. At most 10,000 operations",
    ),
];
