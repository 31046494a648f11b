//! Whose moves a coin takes that has none of its own.

use crate::market::scenario::EVERY_COIN;
use crate::{Error, Result};
use std::fmt::{self, Display};
use std::str::FromStr;

/// Most that a beta may be, in size.
const LARGEST_BETA: f64 = 100.0;

/// `COIN=OTHER:BETA`: the return of the coin is beta times that of the other. `COIN=OTHER` has its beta estimated from
/// the windows in which both have a return of their own.
#[derive(Debug, Clone, PartialEq)]
pub struct Proxy {
    /// The coin, or `*` for every coin without a row.
    pub coin: String,
    /// The coin whose returns are taken.
    pub of: String,
    /// Given, or to be estimated.
    pub beta: Option<f64>,
}

impl FromStr for Proxy {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self> {
        let usage = |expected: &str| Error::Usage(format!("cannot read the proxy `{text}`\n  expected: {expected}"));
        let (coin, rest) = text.split_once('=').ok_or_else(|| usage("`COIN=BTC` or `COIN=BTC:1.2`"))?;
        let (of, beta) = rest.split_once(':').map_or((rest, None), |(of, beta)| (of, Some(beta)));
        let sound =
            |name: &str| !name.is_empty() && name.chars().all(|c| c.is_ascii_alphanumeric() || "_-".contains(c));
        if !(sound(coin) || coin == EVERY_COIN) || !sound(of) || coin == of {
            return Err(usage("two different coins, as in `COIN=BTC` or `COIN=BTC:1.2`"));
        }
        if [coin, of].contains(&"USD") {
            return Err(usage("coins: prices are in USD, which has no price of its own"));
        }
        let parse = |text: &str| text.parse().ok().filter(|beta: &f64| beta.abs() <= LARGEST_BETA);
        let beta = match beta {
            Some(beta) => Some(parse(beta).ok_or_else(|| usage("a beta such as `1.2`, of at most 100"))?),
            None if coin == EVERY_COIN => return Err(usage("a beta, as in `*=BTC:1`: `*` has no history")),
            None => None,
        };
        Ok(Self { coin: coin.to_owned(), of: of.to_owned(), beta })
    }
}

impl Display for Proxy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}={}", self.coin, self.of)?;
        self.beta.map_or(Ok(()), |beta| write!(f, ":{beta}"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn proxies_in_words() {
        for (text, sound) in [
            ("SOL=BTC:1.2", true),
            ("SOL=BTC", true),
            ("*=BTC:1", true),
            ("*=BTC", false),
            ("SOL=BTC:", false),
            ("SOL=BTC:x", false),
            ("SOL=BTC:NaN", false),
            ("SOL=BTC:101", false),
            ("BTC=BTC:1", false),
            ("SOL=*:1", false),
            ("USD=BTC:1", false),
            ("SOL=USD:1", false),
            ("USDT=USDC:1", true),
            ("SOL", false),
            ("=BTC:1", false),
        ] {
            let found = text.parse::<Proxy>();
            assert_eq!(found.is_ok(), sound, "{text}");
            assert!(found.is_err() || found.unwrap().to_string() == text);
        }
    }
}
