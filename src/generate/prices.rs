//! The generated market: index prices, marks, volatilities and forwards of every listing. All are rounded to the
//! exchange's decimals *before* anything is derived from them.

use super::catalog::{AS_OF, Listing, listings};
use super::levels::{LEVELS_USD, level_usd};
use super::rng::{MARKET_STREAM, Rng, round_to};
use super::smile;
use crate::margin::black76;
use crate::market::YEAR_NS;
use crate::{Error, Result};
use std::collections::BTreeMap;

/// Coins of a rank below this also have an index in USD or in USDC.
const USD_INDICES: usize = 50;
const USDC_INDICES: usize = 15;

/// One contract with its prices.
#[derive(Debug, Clone)]
pub(super) struct Quoted {
    pub spec: Listing,
    /// Index of the base currency in [`Prices::coins`].
    pub base: usize,
    /// `ct_val x ct_mult`.
    pub multiplier: f64,
    pub years: f64,
    pub mark: f64,
    /// Mark volatility and forward, options only.
    pub smile: Option<(f64, f64)>,
}

/// A base currency: `BTC`, or an equity or commodity with contracts.
#[derive(Debug, Clone)]
pub(super) struct Coin {
    pub name: &'static str,
    pub crypto: bool,
    /// USD value of one.
    pub fx: f64,
}

/// One market.
#[derive(Debug, Clone)]
pub(super) struct Prices {
    pub as_of_ns: i64,
    pub quoted: Vec<Quoted>,
    /// Index id and price, by id.
    pub indices: BTreeMap<String, f64>,
    /// Base currencies by popularity.
    pub coins: Vec<Coin>,
}

/// USD value of a currency as the model derives it: from its USD index, else through USDT.
pub(super) fn fx(indices: &BTreeMap<String, f64>, ccy: &str) -> Option<f64> {
    if ccy == "USD" {
        return Some(1.0);
    }
    let index = |name: &str| indices.get(name).copied();
    index(&format!("{ccy}-USD")).or_else(|| Some(index(&format!("{ccy}-USDT"))? * index("USDT-USD")?))
}

/// The market of a seed. Levels are drawn around the assumed ones; premiums and basis are drawn too.
///
/// # Errors
/// [`Error::Invalid`] or [`Error::Runtime`] if the embedded specifications are unusable.
pub(super) fn prices(seed: u64) -> Result<Prices> {
    let listings = listings()?;
    let as_of: jiff::Timestamp = AS_OF.parse().map_err(|err| Error::Runtime(format!("valuation time: {err}")))?;
    let as_of_ns = i64::try_from(as_of.as_nanosecond()).map_err(|err| Error::Runtime(err.to_string()))?;
    let mut rng = Rng::new(seed, MARKET_STREAM);
    let mut market = Prices { as_of_ns, quoted: Vec::new(), indices: BTreeMap::new(), coins: coins(&listings) };
    quote_indices(&mut market, &listings, &mut rng);
    for coin in &mut market.coins {
        coin.fx = fx(&market.indices, coin.name)
            .ok_or_else(|| Error::Runtime(format!("`{}` has no index to be valued by", coin.name)))?;
    }
    quote_marks(&mut market, listings, &mut rng)?;
    Ok(market)
}

/// Every base currency once: those of the level table in its order, then the others in the order of the listings.
fn coins(listings: &[Listing]) -> Vec<Coin> {
    let ranked = LEVELS_USD.iter().filter_map(|(base, _)| listings.iter().find(|listing| listing.base == *base));
    let mut coins: Vec<Coin> = Vec::new();
    for listing in ranked.chain(listings) {
        if coins.iter().all(|coin| coin.name != listing.base) {
            coins.push(Coin { name: listing.base, crypto: listing.crypto, fx: f64::NAN });
        }
    }
    coins
}

fn quote_indices(market: &mut Prices, listings: &[Listing], rng: &mut Rng) {
    let usdt = round_to(1.0 + 0.0004 * rng.normal().clamp(-3.0, 3.0), 5);
    let usdc = round_to(1.0 + 0.0001 * rng.normal().clamp(-3.0, 3.0), 5);
    for (rank, coin) in market.coins.iter().enumerate() {
        let contracts = || listings.iter().filter(|listing| listing.base == coin.name && listing.option.is_none());
        // The coin's finest tick sets its decimals; a linear contract sets the order of magnitude.
        let Some(finest) = contracts().min_by(|a, b| a.tick.total_cmp(&b.tick)) else { continue };
        let sized = contracts().find(|listing| listing.ct_type == "linear").unwrap_or(finest);
        let decimals = finest.tick_decimals + 1;
        let stable = coin.name == "USDC";
        let drift = libm::exp(0.005 * rng.normal().clamp(-3.0, 3.0));
        let usd = if stable { usdc } else { level_usd(coin.name, sized.tick, sized.ct_val) * drift };
        let noise = |rng: &mut Rng| 1.0 + 0.0001 * rng.normal().clamp(-3.0, 3.0);
        let quotes = [
            ("USD", usd, rank < USD_INDICES && coin.crypto),
            ("USDT", usd / usdt * noise(rng), true),
            ("USDC", usd / usdc * noise(rng), rank < USDC_INDICES && coin.crypto && !stable),
        ];
        for (quote, px, always) in quotes {
            let needed = contracts().any(|listing| listing.quote == quote);
            if always || needed {
                market.indices.insert(format!("{}-{quote}", coin.name), round_to(px, decimals));
            }
        }
    }
    market.indices.insert("USDT-USD".to_string(), usdt);
    market.indices.insert("USDC-USD".to_string(), usdc);
}

fn quote_marks(market: &mut Prices, listings: Vec<Listing>, rng: &mut Rng) -> Result<()> {
    // Futures and options of one underlying and expiry share a forward.
    let mut forwards: BTreeMap<(&str, i64), f64> = BTreeMap::new();
    for spec in listings {
        let index = *(market.indices.get(spec.uly))
            .ok_or_else(|| Error::Runtime(format!("`{}` has no index `{}`", spec.inst_id, spec.uly)))?;
        let expiry_ns = spec.expiry.map(|(_, ns)| ns);
        let years = expiry_ns.map_or(0.0, |ns| (ns - market.as_of_ns) as f64 / YEAR_NS);
        let forward = match expiry_ns {
            Some(ns) if !spec.perpetual_like => *forwards.entry((spec.uly, ns)).or_insert_with(|| {
                index * smile::forward_ratio(years) * (1.0 + 0.0001 * rng.normal().clamp(-3.0, 3.0))
            }),
            // A perpetual trades at a small premium or discount, because of funding.
            _ => index * (1.0 + 0.0004 * rng.normal().clamp(-3.0, 3.0)),
        };
        let (mark, smile) = if let Some((strike, call)) = spec.option {
            let forward = round_to(forward, 2);
            let vol = round_to(smile::vol(spec.base, forward, strike, years), 4);
            let value = black76::value(forward, strike, vol, years, 0.0, call);
            let (mark, decimals) = if spec.ct_type == "inverse" { (value / forward, 8) } else { (value, 2) };
            (round_to(mark, decimals), Some((vol, forward)))
        } else {
            (round_to(forward, spec.tick_decimals), None)
        };
        let base = market.coins.iter().position(|coin| coin.name == spec.base);
        let base = base.ok_or_else(|| Error::Runtime(format!("`{}` is not a known coin", spec.base)))?;
        let multiplier = spec.ct_val * spec.ct_mult;
        market.quoted.push(Quoted { spec, base, multiplier, years, mark, smile });
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Strikes and values by settle currency, expiry and call or put.
    type Chains<'a> = BTreeMap<(&'a str, i64, bool), Vec<(f64, f64)>>;

    #[test]
    fn everything_has_prices() {
        let market = prices(1).unwrap();
        assert_eq!(market.quoted.len(), 1_112);
        for quoted in &market.quoted {
            let id = quoted.spec.inst_id;
            assert!(market.indices[quoted.spec.uly] > 0.0, "{id}");
            for ccy in [quoted.spec.settle_ccy, quoted.spec.quote, quoted.spec.base] {
                assert!(fx(&market.indices, ccy).is_some_and(|fx| fx > 0.0), "{id}: {ccy}");
            }
            assert!(quoted.mark > 0.0 || (quoted.spec.option.is_some() && quoted.mark == 0.0), "{id} {}", quoted.mark);
            if quoted.spec.option.is_none() {
                let premium = quoted.mark / market.indices[quoted.spec.uly] - 1.0;
                assert!(premium.abs() < 0.02 + 0.08 * quoted.years.min(1.0), "{id}: {premium}");
            }
        }
        assert!(market.coins[0].name == "BTC" && market.coins[1].name == "ETH");
        assert_eq!(market.coins.iter().filter(|coin| !coin.crypto).count(), 34);
    }

    /// Prices of one expiry: within their bounds, monotone in the strike (calls fall, puts rise), convex.
    #[test]
    fn options_admit_no_arbitrage() {
        let market = prices(1).unwrap();
        let mut chains = Chains::new();
        for quoted in &market.quoted {
            let Some((strike, call)) = quoted.spec.option else { continue };
            let (vol, forward) = quoted.smile.unwrap();
            assert!((0.1..3.0).contains(&vol), "{}: volatility {vol}", quoted.spec.inst_id);
            let value = if quoted.spec.ct_type == "inverse" { quoted.mark * forward } else { quoted.mark };
            let intrinsic = if call { forward - strike } else { strike - forward }.max(0.0);
            let most = if call { forward } else { strike };
            assert!((intrinsic - 0.01..=most).contains(&value), "{}: value {value}", quoted.spec.inst_id);
            let family = quoted.spec.settle_ccy;
            chains.entry((family, quoted.spec.expiry.unwrap().1, call)).or_default().push((strike, value));
        }
        assert_eq!(chains.len(), 30);
        for ((family, expiry, call), mut chain) in chains {
            chain.sort_by(|a, b| a.0.total_cmp(&b.0));
            let slopes: Vec<f64> = chain.windows(2).map(|w| (w[1].1 - w[0].1) / (w[1].0 - w[0].0)).collect();
            for slope in &slopes {
                let range = if call { -1.001..=0.001 } else { -0.001..=1.001 };
                assert!(range.contains(slope), "{family} {expiry} call {call}: slope {slope}");
            }
            // Volatilities are rounded to 0.01 points, which moves a slope by a few thousandths.
            assert!(slopes.windows(2).all(|w| w[1] > w[0] - 0.02), "{family} {expiry} call {call}: {slopes:?}");
        }
    }

    #[test]
    fn a_seed_is_a_market() {
        assert_eq!(prices(1).unwrap().indices, prices(1).unwrap().indices);
        assert_ne!(prices(1).unwrap().indices, prices(2).unwrap().indices);
    }
}
