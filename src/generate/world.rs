//! The generated market as the strategies use it: value and risk of one contract in USD, the currencies, and pools of
//! contracts to draw from, weighted by popularity.

use super::prices::{Prices, Quoted, fx};
use super::rng::{Rng, Weighted, round_to};
use crate::margin::black76;
use crate::{Error, Result};

/// USD, USDT and USDC: the first of [`World::ccys`].
pub(super) const USD: usize = 0;
pub(super) const USDT: usize = 1;
pub(super) const USDC: usize = 2;

/// Scenarios of the rough risk estimate: `(move as a multiple of the shock, volatility shift as a multiple of the
/// shift, share charged)`.
const SCENARIOS: [(f64, f64, f64); 8] = [
    (-1.0, 1.0, 1.0),
    (-1.0, -1.0, 1.0),
    (0.0, 1.0, 1.0),
    (0.0, -1.0, 1.0),
    (1.0, 1.0, 1.0),
    (1.0, -1.0, 1.0),
    (-2.0, 0.0, 0.5),
    (2.0, 0.0, 0.5),
];

/// Profit or loss in each scenario, USD.
pub(super) type Stress = [f64; SCENARIOS.len()];

/// The stress of a linear exposure of `usd`.
pub(super) fn linear_stress(usd: f64, shock: f64) -> Stress {
    SCENARIOS.map(|(shocks, _, share)| usd * share * shocks * shock)
}

/// A currency that can be held.
#[derive(Debug, Clone)]
pub(super) struct Ccy {
    pub name: &'static str,
    pub fx: f64,
    /// Decimals of an amount: about a cent.
    pub decimals: u32,
    /// Assumed share of a positive balance that counts as collateral.
    pub discount: f64,
    /// Assumed charge per USD owed: margin and liquidation fee.
    pub borrowing: f64,
}

/// Rough charges of a coin, used only to size collateral. The rules of a run, never these charges, decide how far an
/// account is from liquidation.
#[derive(Debug, Clone, Copy)]
pub(super) struct Charges {
    /// Relative price move.
    pub shock: f64,
    /// Basis charge: per year, and its minimum.
    pub basis: (f64, f64),
    /// Minimum charge of delta-one contracts and of options, and the USD bound of its first multiplier.
    pub minimum: (f64, f64, f64),
}

fn charges(base: &str) -> Charges {
    const MIDDLE: [&str; 11] = ["SOL", "DOGE", "PEPE", "XRP", "BNB", "SHIB", "LTC", "ORDI", "WLD", "BCH", "ADA"];
    let shock = match base {
        "BTC" | "ETH" => 0.12,
        "XRP" | "LTC" | "BCH" | "ADA" => 0.18,
        _ => 0.25,
    };
    let (basis, minimum) = match base {
        "BTC" | "ETH" => ((0.05, 0.002), (0.0045, 0.022, 250_000.0)),
        _ if MIDDLE.contains(&base) => ((0.15, 0.008), (0.007, 0.03, 50_000.0)),
        _ => ((0.30, 0.016), (0.01, 0.04, 20_000.0)),
    };
    Charges { shock, basis, minimum }
}

/// Value and risk of one long contract, in USD unless said otherwise.
#[derive(Debug, Clone)]
pub(super) struct Risk {
    /// Size: face or market value; for options the index value of their coins.
    pub notional: f64,
    /// Cash delta, and delta in coins.
    pub delta: f64,
    pub delta_coin: f64,
    pub stress: Stress,
    /// Minimum charge of a long and of a short contract.
    pub minimum: (f64, f64),
}

/// Risk unit and currencies of a contract, and its [`Risk`].
#[derive(Debug, Clone)]
pub(super) struct Terms {
    pub unit: usize,
    pub settle: usize,
    /// Currency of the underlying's base.
    pub base: usize,
    pub inverse: bool,
    pub option: bool,
    /// Basis charge per USD of net delta of the expiry.
    pub basis_rate: f64,
    pub expiry_ns: i64,
    pub risk: Risk,
}

/// A risk unit of the separate mode: one underlying.
#[derive(Debug, Clone)]
pub(super) struct Unit {
    pub name: &'static str,
    pub quote: &'static str,
    pub base: usize,
    /// USD value of one coin at the unit's index.
    pub coin_usd: f64,
    pub charges: Charges,
}

/// Contracts to draw from, weighted by popularity.
pub(super) struct Pool {
    members: Vec<u32>,
    weighted: Weighted,
}

impl Pool {
    fn new(members: Vec<(u32, f64)>) -> Self {
        let weighted = Weighted::new(members.iter().map(|member| member.1));
        Self { members: members.into_iter().map(|member| member.0).collect(), weighted }
    }

    /// A member that is not `held`, drawn by popularity. If the drawn one is held, the next free one.
    pub(super) fn pick(&self, rng: &mut Rng, held: impl Fn(usize) -> bool) -> Option<usize> {
        if self.members.is_empty() {
            return None;
        }
        let mut place = 0;
        for _ in 0..8 {
            place = self.weighted.pick(rng);
            let member = self.members[place] as usize;
            if !held(member) {
                return Some(member);
            }
        }
        let around = self.members[place..].iter().chain(&self.members[..place]);
        around.map(|&member| member as usize).find(|&member| !held(member))
    }
}

/// Data shared by all accounts of a snapshot.
pub(super) struct World {
    pub prices: Prices,
    pub ccys: Vec<Ccy>,
    /// By instrument.
    pub terms: Vec<Terms>,
    pub units: Vec<Unit>,
    pub delta_one: Pool,
    /// Linear swaps and futures on crypto.
    pub linear: Pool,
    pub inverse: Pool,
    pub options: Pool,
    /// Delta-one contracts in the risk unit of the options.
    pub option_hedges: Pool,
    /// Coins that can be held, as indices into `ccys`.
    pub coins: Vec<usize>,
    coin_popularity: Weighted,
}

impl World {
    /// # Errors
    /// [`Error::Runtime`] if a currency of a contract cannot be valued.
    pub(super) fn new(prices: Prices) -> Result<Self> {
        let ccys = currencies(&prices)?;
        let (units, terms) = terms(&prices, &ccys)?;
        let pool = |keep: &dyn Fn(&Quoted) -> bool| {
            let kept =
                prices.quoted.iter().enumerate().filter(|(_, quoted)| quoted.spec.base != "TEST01" && keep(quoted));
            Pool::new(kept.map(|(index, quoted)| (index as u32, popularity(quoted))).collect())
        };
        let delta_one = |quoted: &Quoted| quoted.spec.option.is_none();
        let option_unit =
            prices.quoted.iter().find(|quoted| quoted.spec.option.is_some()).map(|quoted| quoted.spec.uly);
        // Balances are in crypto currencies; stablecoins are not held as coins.
        let coins: Vec<usize> = prices
            .coins
            .iter()
            .filter(|coin| coin.crypto && coin.name != "USDC")
            .filter_map(|coin| find(&ccys, coin.name))
            .collect();
        Ok(Self {
            delta_one: pool(&delta_one),
            linear: pool(&|q| {
                delta_one(q) && q.spec.ct_type == "linear" && prices.coins[q.base].crypto && q.spec.base != "USDC"
            }),
            inverse: pool(&|q| delta_one(q) && q.spec.ct_type == "inverse"),
            options: pool(&|q| !delta_one(q)),
            option_hedges: pool(&|q| delta_one(q) && Some(q.spec.uly) == option_unit && !q.spec.perpetual_like),
            coin_popularity: Weighted::new((0..coins.len()).map(|rank| 1.0 / libm::pow(rank as f64 + 1.0, 1.1))),
            coins,
            ccys,
            terms,
            units,
            prices,
        })
    }

    /// A coin to hold, drawn by popularity: an index into `ccys`.
    pub(super) fn coin(&self, rng: &mut Rng) -> usize {
        self.coins[self.coin_popularity.pick(rng)]
    }

    /// The largest row of an instrument, USD: smaller for less popular coins.
    pub(super) fn liquidity(&self, instrument: usize) -> f64 {
        let most = if self.terms[instrument].option { 5e7 } else { 1e9 };
        most / libm::pow(self.prices.quoted[instrument].base as f64 + 1.0, 1.3)
    }
}

fn find(ccys: &[Ccy], name: &str) -> Option<usize> {
    ccys.iter().position(|ccy| ccy.name == name)
}

fn currencies(prices: &Prices) -> Result<Vec<Ccy>> {
    let names = ["USD", "USDT", "USDC"].into_iter();
    let coins = prices.coins.iter().map(|coin| coin.name).filter(|name| *name != "USDC");
    names
        .chain(coins)
        .map(|name| {
            let value =
                fx(&prices.indices, name).ok_or_else(|| Error::Runtime(format!("`{name}` has no USD value")))?;
            let (discount, borrowing) = match name {
                "USD" | "USDT" | "USDC" => (1.0, 0.021),
                "BTC" | "ETH" => (0.97, 0.021),
                _ => (0.8, 0.051),
            };
            let decimals = (libm::ceil(libm::log10(value)) + 2.0).clamp(0.0, 8.0) as u32;
            let decimals = if discount == 1.0 { 2 } else { decimals };
            Ok(Ccy { name, fx: value, decimals, discount, borrowing })
        })
        .collect()
}

/// Relative weight of a contract: Zipf over coins, then by kind; options by tenor and moneyness.
fn popularity(quoted: &Quoted) -> f64 {
    let spec = &quoted.spec;
    let coin = 1.0 / libm::pow(quoted.base as f64 + 1.0, 1.1);
    let days = quoted.years * 365.0;
    if let (Some((strike, call)), Some((vol, forward))) = (spec.option, quoted.smile) {
        let y = libm::log(strike / forward) / (vol * libm::sqrt(quoted.years));
        let in_the_money = (y < 0.0) == call;
        let family = if spec.ct_type == "inverse" { 1.0 } else { 0.3 };
        let side = if in_the_money { 0.35 } else { 1.0 };
        return coin * family * side * libm::exp(-0.5 * (y / 1.5) * (y / 1.5)) / libm::sqrt(1.0 + days / 20.0);
    }
    let kind = match (spec.settle_ccy, spec.ct_type) {
        ("USDT", _) => 1.0,
        (_, "inverse") => 0.30,
        _ => 0.08,
    };
    let dated = match spec.expiry {
        None => 1.0,
        Some(_) if spec.perpetual_like => 0.5,
        Some(_) => 0.35 / (1.0 + days / 120.0),
    };
    coin * kind * dated
}

fn terms(prices: &Prices, ccys: &[Ccy]) -> Result<(Vec<Unit>, Vec<Terms>)> {
    let mut units: Vec<Unit> = Vec::new();
    let mut terms = Vec::with_capacity(prices.quoted.len());
    for quoted in &prices.quoted {
        let spec = &quoted.spec;
        let ccy =
            |name: &str| find(ccys, name).ok_or_else(|| Error::Runtime(format!("`{name}` is not a known currency")));
        let index = prices.indices.get(spec.uly).copied().unwrap_or(f64::NAN);
        let phi = ccys[ccy(spec.quote)?].fx;
        let known = units.iter().position(|unit| unit.name == spec.uly);
        let unit = if let Some(unit) = known {
            unit
        } else {
            let base = ccy(spec.base)?;
            units.push(Unit {
                name: spec.uly,
                quote: spec.quote,
                base,
                coin_usd: index * phi,
                charges: charges(spec.base),
            });
            units.len() - 1
        };
        let risk = match (spec.option, quoted.smile) {
            (Some(option), Some(smile)) => option_risk(quoted, option, smile, index, phi, units[unit].charges),
            _ => delta_one_risk(quoted, index, phi, units[unit].charges),
        };
        terms.push(Terms {
            unit,
            settle: ccy(spec.settle_ccy)?,
            base: units[unit].base,
            inverse: spec.ct_type == "inverse" && spec.option.is_none(),
            option: spec.option.is_some(),
            basis_rate: (units[unit].charges.basis.0 * quoted.years).max(units[unit].charges.basis.1),
            expiry_ns: spec.expiry.map_or(0, |(_, ns)| ns),
            risk,
        });
    }
    Ok((units, terms))
}

fn delta_one_risk(quoted: &Quoted, index: f64, phi: f64, charges: Charges) -> Risk {
    let m = quoted.multiplier;
    let inverse = quoted.spec.ct_type == "inverse";
    let (usd, face, coins) = if inverse { (m, m, m / index) } else { (m * quoted.mark * phi, m * index * phi, m) };
    Risk {
        notional: usd,
        delta: usd,
        delta_coin: coins,
        stress: linear_stress(face, charges.shock),
        minimum: (usd * charges.minimum.0, usd * charges.minimum.0),
    }
}

/// Option values are rounded: they use the platform's `exp` and `ln`, whose last digit may differ between machines and
/// must not change a book.
fn option_risk(
    quoted: &Quoted,
    (strike, call): (f64, bool),
    (vol, forward): (f64, f64),
    index: f64,
    phi: f64,
    charges: Charges,
) -> Risk {
    let m = quoted.multiplier;
    let value = |forward: f64, vol: f64| black76::value(forward, strike, vol, quoted.years, 0.0, call);
    let bump = forward * 1e-4;
    let d = round_to((value(forward + bump, vol) - value(forward - bump, vol)) / (2.0 * bump), 6);
    let shift = (0.28 * vol).max(0.22);
    let stress = SCENARIOS.map(|(shocks, shifts, share)| {
        let moved = (forward + index * shocks * charges.shock).max(0.01 * forward);
        let shifted = if shifts < 0.0 { (vol - shift).max(0.01) } else { vol + shifts * shift };
        m * phi * share * round_to(value(moved, shifted) - value(forward, vol), 6)
    });
    let short = m * phi * charges.minimum.1 * index;
    let long = short.min(m * phi * 0.125 * round_to(value(forward, vol), 6));
    Risk { notional: m * index * phi, delta: m * d * forward * phi, delta_coin: m * d, stress, minimum: (long, short) }
}
