//! Eight kinds of account: their shares, sizes and strategies. All figures are assumed.

use super::builder::Builder;
use super::rng::{Rng, Weighted};
use super::world::{USDC, USDT};
use crate::margin::rules::SpotOffset;

/// A kind of account.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum AccountKind {
    Carry,
    ShortSpot,
    OptionMaker,
    Directional,
    CoinMargined,
    Borrower,
    Dust,
    BalancesOnly,
}

/// Frequency and size of a kind: share of all accounts, position rows relative to the other kinds, median and log
/// standard deviation of the gross size in USD.
pub(super) struct Profile {
    pub kind: AccountKind,
    pub share: f64,
    pub rows: f64,
    pub median_usd: f64,
    pub sigma: f64,
}

const fn profile(kind: AccountKind, share: f64, rows: f64, median_usd: f64, sigma: f64) -> Profile {
    Profile { kind, share, rows, median_usd, sigma }
}

/// The table of [`super`]'s documentation.
pub(super) const PROFILES: [Profile; 8] = [
    profile(AccountKind::Carry, 0.20, 8.0, 120_000.0, 1.8),
    profile(AccountKind::ShortSpot, 0.05, 6.0, 150_000.0, 1.6),
    profile(AccountKind::OptionMaker, 0.04, 100.0, 4_000_000.0, 1.3),
    profile(AccountKind::Directional, 0.32, 7.0, 150_000.0, 1.9),
    profile(AccountKind::CoinMargined, 0.12, 6.0, 120_000.0, 1.8),
    profile(AccountKind::Borrower, 0.08, 6.0, 150_000.0, 1.7),
    profile(AccountKind::Dust, 0.12, 3.0, 60.0, 1.0),
    profile(AccountKind::BalancesOnly, 0.07, 0.0, 40_000.0, 2.2),
];

/// Share of the directional accounts and borrowers near or beyond liquidation: 4 % of 40 % of all accounts.
const NEAR_LIQUIDATION: f64 = 0.04;

/// Draws accounts: kind, number of rows, size.
pub(super) struct Plan {
    kinds: Weighted,
    /// Rows of a kind per unit of [`Profile::rows`].
    scale: f64,
}

impl Plan {
    pub(super) fn new(positions_per_account: f64) -> Self {
        let mean: f64 = PROFILES.iter().map(|profile| profile.share * profile.rows).sum();
        Self { kinds: Weighted::new(PROFILES.iter().map(|profile| profile.share)), scale: positions_per_account / mean }
    }

    /// Builds the account of a stream in `builder` and returns its kind.
    pub(super) fn build(&self, builder: &mut Builder, rng: Rng) -> AccountKind {
        builder.start(rng);
        let profile = &PROFILES[self.kinds.pick(&mut builder.rng)];
        let size = builder.rng.lognormal(profile.median_usd, profile.sigma);
        let mean = profile.rows * self.scale;
        // At least a fifth of the mean, the rest exponential: many small books and few large ones.
        let spread = builder.rng.exponential();
        let rows = builder.rng.whole(mean * (0.2 + 0.8 * spread));
        builder.account.spot_offset = usual_offset(&mut builder.rng);
        match profile.kind {
            AccountKind::Carry => carry(builder, rows, size),
            AccountKind::ShortSpot => short_spot(builder, rows, size),
            AccountKind::OptionMaker => option_maker(builder, rows, size),
            AccountKind::Directional => directional(builder, rows, size),
            AccountKind::CoinMargined => coin_margined(builder, rows, size),
            AccountKind::Borrower => borrower(builder, rows, size),
            AccountKind::Dust => dust(builder, rows, size),
            AccountKind::BalancesOnly => balances_only(builder, size),
        }
        builder.settle();
        profile.kind
    }
}

fn usual_offset(rng: &mut Rng) -> Option<SpotOffset> {
    match rng.uniform() {
        x if x < 0.35 => None,
        x if x < 0.87 => Some(SpotOffset::Usdt),
        x if x < 0.91 => Some(SpotOffset::Usdc),
        x if x < 0.95 => Some(SpotOffset::Coin),
        _ => Some(SpotOffset::None),
    }
}

/// Collateral / maintenance margin of a healthy account: at least `least`, median `least + 2`.
fn comfortable(rng: &mut Rng, least: f64) -> f64 {
    least + rng.lognormal(2.0, 1.0)
}

/// Size of one row out of `rows`.
fn share(rng: &mut Rng, size: f64, rows: usize) -> f64 {
    size * rng.exponential() / rows as f64
}

/// Long spot, short perpetual or future of the same coin, sometimes with a cap on spot in use, sometimes levered
/// with borrowed USDT.
fn carry(b: &mut Builder, rows: usize, size: f64) {
    let by_coin = b.rng.chance(0.2);
    if by_coin {
        b.account.spot_offset = Some(SpotOffset::Coin);
    }
    let mut spot_usd = 0.0;
    for _ in 0..rows {
        let pool = if by_coin { &b.world.inverse } else { &b.world.linear };
        let Some(instrument) = b.pick(pool) else { break };
        let usd = share(&mut b.rng, size, rows);
        let coins = -b.place(instrument, -usd);
        let exact = b.rng.chance(0.8);
        let hedged = coins * if exact { 1.0 } else { b.rng.between(0.5, 1.5) };
        let base = b.world.terms[instrument].base;
        b.add_cash(base, hedged);
        spot_usd += hedged * b.world.ccys[base].fx;
    }
    if b.rng.chance(0.25) {
        let owed = spot_usd * b.rng.between(0.1, 0.45);
        b.add_usd(USDT, -owed);
    } else {
        let spare = size * b.rng.between(0.002, 0.1);
        let ccy = b.stable();
        b.add_usd(ccy, spare);
    }
    if b.rng.chance(0.15) {
        let share = b.rng.between(0.3, 0.95);
        for balance in b.account.balances.iter_mut().filter(|balance| balance.ccy > USDC) {
            balance.cap = Some(balance.cash * share);
        }
    }
    let ratio = comfortable(&mut b.rng, 1.8);
    b.fund(ratio, USDT, false);
}

/// Borrowed coins sold, bought back by futures and perpetuals.
fn short_spot(b: &mut Builder, rows: usize, size: f64) {
    for _ in 0..rows {
        let Some(instrument) = b.pick(&b.world.linear) else { break };
        let usd = share(&mut b.rng, size, rows);
        let coins = b.place(instrument, usd);
        let base = b.world.terms[instrument].base;
        b.add_cash(base, -coins);
    }
    let ccy = b.stable();
    let ratio = comfortable(&mut b.rng, 1.8);
    b.fund(ratio, ccy, false);
}

/// Options over many expiries and strikes, more sold than bought, delta hedged by perpetuals and futures.
fn option_maker(b: &mut Builder, rows: usize, size: f64) {
    b.account.spot_offset = match b.rng.uniform() {
        x if x < 0.5 => Some(SpotOffset::Coin),
        x if x < 0.8 => b.account.spot_offset,
        _ => Some(SpotOffset::None),
    };
    let hedges = if rows < 3 { 0 } else { (rows / 12).clamp(1, 12) };
    let mut coins = 0.0;
    for _ in 0..rows - hedges {
        let Some(instrument) = b.pick(&b.world.options) else { break };
        let sold = b.rng.chance(0.55);
        let usd = share(&mut b.rng, size, rows);
        coins += b.place(instrument, if sold { -usd } else { usd }).abs();
    }
    // A small part of the delta stays open.
    let mut open = b.delta() * b.rng.between(0.9, 1.05);
    for left in (1..=hedges).rev() {
        let Some(instrument) = b.pick(&b.world.option_hedges) else { break };
        let part = if left == 1 { open } else { open * b.rng.between(0.2, 1.6) / left as f64 };
        b.place(instrument, -part);
        open -= part;
    }
    if b.rng.chance(0.5) {
        let btc = b.world.coins[0];
        let held = coins * b.rng.between(0.01, 0.2);
        b.add_cash(btc, held);
    }
    let ratio = comfortable(&mut b.rng, 2.5);
    let ccy = b.stable();
    b.fund(ratio, ccy, false);
}

/// A few leveraged positions, mostly long; some options; a few accounts in long/short mode hold both sides of a
/// contract.
fn directional(b: &mut Builder, rows: usize, size: f64) {
    let both_sides = b.rng.chance(0.15);
    let options = b.rng.chance(0.25);
    let near = b.rng.chance(NEAR_LIQUIDATION);
    b.losing = near;
    let mut placed = 0;
    while placed < rows {
        let option = options && b.rng.chance(0.5);
        let pool = if option { &b.world.options } else { &b.world.delta_one };
        let Some(instrument) = b.pick(pool) else { break };
        let long = b.rng.chance(0.62);
        let usd = share(&mut b.rng, size, rows) * if long { 1.0 } else { -1.0 };
        b.place(instrument, usd);
        placed += 1;
        if both_sides && !option && placed < rows && b.rng.chance(0.4) {
            let other = -usd * b.rng.between(0.1, 0.9);
            b.place(instrument, other);
            placed += 1;
        }
    }
    let ccy = if !near && b.rng.chance(0.15) { b.world.coin(&mut b.rng) } else { b.stable() };
    collateral(b, near, ccy, size);
}

/// Funds a leveraged account: near liquidation, or healthy with some spare cash.
fn collateral(b: &mut Builder, near: bool, ccy: usize, size: f64) {
    if near {
        let ratio = b.rng.between(0.75, 1.45);
        b.fund(ratio, ccy, true);
    } else {
        let ratio = comfortable(&mut b.rng, 2.0);
        b.fund(ratio, ccy, false);
        let spare = size * b.rng.between(0.001, 0.02);
        b.add_usd(ccy, spare);
    }
}

/// Inverse contracts and coin-settled options, with the coin itself as collateral.
fn coin_margined(b: &mut Builder, rows: usize, size: f64) {
    if b.rng.chance(0.6) {
        b.account.spot_offset = Some(SpotOffset::Coin);
    }
    let options = b.rng.chance(0.2);
    let mut main = (b.world.coins[0], 0.0);
    for _ in 0..rows {
        let pool = if options && b.rng.chance(0.5) { &b.world.options } else { &b.world.inverse };
        let Some(instrument) = b.pick(pool) else { break };
        let long = b.rng.chance(0.6);
        let usd = share(&mut b.rng, size, rows);
        b.place(instrument, if long { usd } else { -usd });
        let settle = b.world.terms[instrument].settle;
        let margin = usd * b.rng.between(0.15, 1.0);
        b.add_usd(settle, margin);
        if margin > main.1 {
            main = (settle, margin);
        }
    }
    let ratio = comfortable(&mut b.rng, 2.0);
    b.fund(ratio, main.0, false);
}

/// Coins as collateral, positions, and a debt in stablecoins (sometimes in another coin).
fn borrower(b: &mut Builder, rows: usize, size: f64) {
    let near = b.rng.chance(NEAR_LIQUIDATION);
    b.losing = near;
    for _ in 0..rows {
        let Some(instrument) = b.pick(&b.world.delta_one) else { break };
        let long = b.rng.chance(0.65);
        let usd = share(&mut b.rng, size, rows) * if long { 1.0 } else { -1.0 };
        b.place(instrument, usd);
    }
    let coins = 1 + b.rng.below(4);
    for _ in 0..coins {
        let coin = b.world.coin(&mut b.rng);
        let usd = share(&mut b.rng, size, coins);
        b.add_usd(coin, usd);
    }
    let owed = match b.rng.uniform() {
        x if x < 0.65 => USDT,
        x if x < 0.85 => USDC,
        _ => b.world.coin(&mut b.rng),
    };
    let usd = size * b.rng.between(0.1, 0.7);
    b.add_usd(owed, -usd);
    let ccy = if near || owed != USDT { USDT } else { b.world.coins[b.rng.below(3)] };
    collateral(b, near, ccy, size);
}

/// A few lots and small coin balances.
fn dust(b: &mut Builder, rows: usize, size: f64) {
    for _ in 0..rows {
        let Some(instrument) = b.pick(&b.world.linear) else { break };
        let usd = share(&mut b.rng, size, rows);
        let long = b.rng.chance(0.6);
        b.place(instrument, if long { usd } else { -usd });
    }
    for _ in 0..b.rng.below(4) {
        let coin = b.world.coin(&mut b.rng);
        let usd = b.rng.lognormal(0.5, 1.5);
        b.add_usd(coin, usd);
    }
    let ratio = comfortable(&mut b.rng, 2.0);
    b.fund(ratio, USDT, false);
}

/// No positions: balances, and for one account in ten a loan against them.
fn balances_only(b: &mut Builder, size: f64) {
    let coins = 1 + b.rng.below(6);
    for _ in 0..coins {
        let ccy = if b.rng.chance(0.4) { b.stable() } else { b.world.coin(&mut b.rng) };
        let usd = share(&mut b.rng, size, coins);
        b.add_usd(ccy, usd);
    }
    if b.rng.chance(0.1) {
        let owed = size * b.rng.between(0.05, 0.5);
        b.add_usd(USDT, -owed);
        let ratio = 3.0 + b.rng.lognormal(10.0, 1.0);
        b.fund(ratio, b.world.coins[0], false);
    }
}
