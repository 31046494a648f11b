//! Random worlds: every kind of contract, every hedging mode, sizes from dust to whales.

use super::world::{
    BASES, Base, Contract, Echo, Holding, Knobs, Money, Pending, Quote, Shape, Switches, Terms, Trader, World,
};
use proptest::collection::vec;
use proptest::prelude::*;
use proptest::sample::select;
use remargin::margin::rules::SpotOffset;

/// From a minute to five years, in seconds.
const EXPIRIES: [i64; 10] =
    [60, 3_600, 43_200, 86_400, 86_401, 7 * 86_400, 30 * 86_400, 45 * 86_400, 180 * 86_400, 1_825 * 86_400];

/// A market of two to four coins with up to four accounts.
pub fn world() -> impl Strategy<Value = World> {
    let stablecoin = || prop_oneof![Just(1.0), 0.9..1.1];
    (knobs(), stablecoin(), stablecoin(), any::<bool>(), bases(), vec(trader(), 1..=4)).prop_map(
        |(knobs, usdt_usd, usdc_usd, usdc_through_usdt, bases, accounts)| World {
            knobs,
            usdt_usd,
            usdc_usd,
            usdc_through_usdt,
            bases,
            accounts,
        },
    )
}

/// Floors that are never reached, and floors that most scenarios reach.
fn knobs() -> impl Strategy<Value = Knobs> {
    let rate = prop_oneof![3 => Just(0.0), 1 => -0.02..0.1];
    (any::<bool>(), rate, select(vec![0.01, 0.9]), select(vec![0.01, 0.4]), switches()).prop_map(
        |(merged, rate, forward_floor, vol_floor, switches)| Knobs { merged, rate, forward_floor, vol_floor, switches },
    )
}

fn switches() -> impl Strategy<Value = Switches> {
    any::<[bool; 5]>().prop_map(|[mr9_by_price, spot_bucket, coin_option_pnl, deduct_loss, usd_ladders]| Switches {
        mr9_by_price,
        spot_bucket,
        coin_option_pnl,
        deduct_loss,
        usd_ladders,
    })
}

/// BTC and ETH, and up to two of the others.
fn bases() -> impl Strategy<Value = Vec<Base>> {
    proptest::sample::subsequence(BASES[2..].to_vec(), 0..=2)
        .prop_flat_map(|others| ["BTC", "ETH"].into_iter().chain(others).map(base).collect::<Vec<_>>())
}

fn base(name: &'static str) -> impl Strategy<Value = Base> {
    let noise = || prop_oneof![Just(0.0), -0.002..0.002];
    let usd = prop_oneof![3 => magnitude(-4.0, 5.0), 1 => magnitude(-12.0, 12.0)];
    (usd, [noise(), noise(), noise()], vec(contract(), 1..=8)).prop_map(move |(usd, index_noise, contracts)| Base {
        name,
        usd,
        index_noise,
        contracts,
    })
}

fn contract() -> impl Strategy<Value = Contract> {
    let multiplier = prop_oneof![select(vec![0.0001, 0.01, 0.1, 1.0, 10.0, 100.0]), magnitude(-12.0, 12.0)];
    (shape(), multiplier, -0.1..0.1, select(EXPIRIES.to_vec()))
        .prop_map(|(shape, multiplier, basis, expiry_seconds)| Contract { shape, multiplier, basis, expiry_seconds })
}

fn shape() -> impl Strategy<Value = Shape> {
    let quote = || select(vec![Quote::Usdt, Quote::Usdc, Quote::Usd]);
    prop_oneof![
        2 => quote().prop_map(Shape::LinearSwap),
        2 => quote().prop_map(Shape::LinearFuture),
        1 => Just(Shape::InverseSwap),
        2 => Just(Shape::InverseFuture),
        3 => terms().prop_map(Shape::CoinOption),
        3 => (quote(), terms()).prop_map(|(quote, terms)| Shape::QuoteOption(quote, terms)),
    ]
}

/// Options at the money and far from it, calm and wild.
fn terms() -> impl Strategy<Value = Terms> {
    let log_moneyness = prop_oneof![Just(0.0), -0.1..0.1, -1.0..1.0, -5.0..5.0];
    let vol = prop_oneof![3 => 0.2..1.5, 1 => magnitude(-4.0, 2.0)];
    (any::<bool>(), log_moneyness, vol, prop_oneof![Just(0.0), 0.0..0.5])
        .prop_map(|(call, log_moneyness, vol, mark_share)| Terms { call, log_moneyness, vol, mark_share })
}

fn trader() -> impl Strategy<Value = Trader> {
    let mode = select(vec![SpotOffset::Usdt, SpotOffset::Usdc, SpotOffset::Coin, SpotOffset::None]);
    let orders = prop_oneof![2 => Just(Vec::new()), 1 => vec(pending(), 1..=4)];
    let fee_rate = prop_oneof![2 => Just(None), 1 => (0.0..0.01).prop_map(Some)];
    (mode, vec(holding(), 0..=10), vec(money(), 0..=5), orders, fee_rate).prop_map(
        |(mode, positions, balances, orders, fee_rate)| Trader { mode, positions, balances, orders, fee_rate },
    )
}

fn pending() -> impl Strategy<Value = Pending> {
    let away = prop_oneof![Just(0.0), -0.5..0.5];
    (0usize..64, signed(2.0, 7.0), away).prop_map(|(on, usd, away)| Pending { on, usd, away })
}

fn holding() -> impl Strategy<Value = Holding> {
    let usd = prop_oneof![3 => signed(2.0, 7.0), 1 => signed(-9.0, 14.0), 1 => Just(0.0)];
    let entry = prop_oneof![Just(0.0), -0.5..0.5, signed(-3.0, 2.0).prop_map(|entry| entry.max(-0.99))];
    let echo = prop_oneof![
        5 => Just(Echo::Nothing),
        1 => Just(Echo::Opposite),
        1 => Just(Echo::Partial),
        1 => Just(Echo::Spot)
    ];
    (0usize..64, usd, entry, echo).prop_map(|(contract, usd, entry, echo)| Holding { contract, usd, entry, echo })
}

/// Mostly up to 300 million USD either way (the borrowing tiers end near 20 million); some amounts are the bound of a
/// tier.
fn money() -> impl Strategy<Value = Money> {
    let bound = select(vec![0.0, -2e6, -5e6, -1e7, -2e7, 1e4]);
    let usd = prop_oneof![3 => signed(2.0, 8.5), 1 => signed(-9.0, 14.0), 1 => bound];
    let interest = prop_oneof![3 => Just(0.0), 1 => 0.0..0.1];
    let cap = prop_oneof![2 => Just(None), 1 => (0.0..1.5).prop_map(Some), 1 => Just(Some(0.0))];
    let restricted = prop_oneof![3 => Just(false), 1 => Just(true)];
    (0usize..64, usd, interest, cap, restricted).prop_map(|(ccy, usd, interest, cap, restricted)| Money {
        ccy,
        usd,
        interest,
        cap,
        restricted,
    })
}

/// Positive, uniform in the logarithm between two powers of ten.
fn magnitude(low: f64, high: f64) -> impl Strategy<Value = f64> {
    (low..high).prop_map(|power| 10f64.powf(power))
}

/// A magnitude of either sign.
fn signed(low: f64, high: f64) -> impl Strategy<Value = f64> {
    (magnitude(low, high), any::<bool>()).prop_map(|(size, long)| if long { size } else { -size })
}
