//! What-if portfolios whose answers tell the exchange's parameters.
//!
//! [`plan`] chooses them from what a snapshot lists; [`probe`] writes each as the body of a request of
//! `POST /api/v5/account/position-builder`, with a README of what each one tells, and with the listing that
//! [`mod@crate::calibrate`] needs to read the answers.
//!
//! | portfolios | tell |
//! |---|---|
//! | a small swap of each coin | units, price moves, classes, MR4 floor, MR6, MR7 rate, IMR multiplier |
//! | long futures | MR4 by the year |
//! | swaps in growing sizes, settled in USDT against coin | MR7 tiers, MR9 tiers |
//! | straddles of each expiry, low to high volatility | volatility shifts, MR2, MR5, discount rate |
//! | straddles of two expiries | MR3 |
//! | debts and amounts of single currencies | MR8, liquidation fee, discounts |

// Bad input must cause an error, not a panic.
#![deny(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

mod currencies;
mod delta_one;
mod options;
mod portfolio;
mod readme;

pub use portfolio::{MOST_LEGS, Probe};

use crate::listing::{LISTING, Listing, ProbeNote};
use crate::margin::rules::Rules;
use crate::market::Market;
use crate::publish::OutputFolder;
use crate::publish::hashed::write_bytes;
use crate::publish::json::json;
use crate::snapshot::{self, LoadOptions};
use crate::{Error, Result};
use std::path::{Path, PathBuf};

/// What to probe.
#[derive(Debug, Clone, PartialEq)]
pub struct ProbeRequest {
    /// The snapshot whose contracts are used.
    pub snapshot: PathBuf,
    /// The folder to write.
    pub out: PathBuf,
    /// The rules whose tables and classes say where to look.
    pub rules: Rules,
}

/// The portfolios, in the order in which they are sent.
#[must_use]
pub fn plan(listing: &Listing, rules: &Rules) -> Vec<Probe> {
    let mut probes = delta_one::moves(listing);
    probes.extend(delta_one::futures(listing, rules));
    probes.extend(delta_one::hedged(listing));
    probes.extend(delta_one::stablecoins(listing));
    probes.extend(options::options(listing));
    probes.extend(delta_one::sizes(listing, rules));
    probes.extend(currencies::amounts(listing, rules));
    probes.retain(|probe| !probe.positions.is_empty() || !probe.assets.is_empty());
    probes
}

/// The listing of a market, with the notes of its probes, and the probes.
#[must_use]
pub fn planned(market: &Market, rules: &Rules) -> (Listing, Vec<Probe>) {
    let mut listing = Listing::of(market);
    let probes = plan(&listing, rules);
    let note = |(number, probe): (usize, &Probe)| ProbeNote {
        file: format!("{:04}-{}.json", number + 1, probe.name),
        what: probe.what.clone(),
        tells: probe.tells.clone(),
    };
    listing.probes = probes.iter().enumerate().map(note).collect();
    (listing, probes)
}

/// Writes the probes of a snapshot to a new folder; returns their number.
///
/// # Errors
/// Those of [`snapshot::load`]; [`Error::Usage`] if the folder exists or the snapshot lists no swap;
/// [`Error::Io`].
pub fn probe(request: &ProbeRequest) -> Result<usize> {
    let loaded = snapshot::load(&request.snapshot, &LoadOptions::of(&request.rules))?;
    let (listing, probes) = planned(&loaded.market, &request.rules);
    if probes.is_empty() {
        let problem = format!("`{}` lists nothing to probe", request.snapshot.display());
        return Err(Error::Usage(problem).hint("the snapshot needs contracts with prices, and their indices"));
    }
    // Nothing says that a folder of probes is one of ours, so none is ever replaced.
    let folder = OutputFolder::create(&request.out, false, &[&request.snapshot]).map_err(Error::for_new_only)?;
    for (note, probe) in listing.probes.iter().zip(&probes) {
        write_bytes(folder.path(), &note.file, &json(&note.file, &probe.request())?)?;
    }
    let inner = folder.path().join(Path::new(LISTING).parent().unwrap_or(Path::new("")));
    crate::publish::disk::create_dir(&inner).map_err(|error| Error::io("create", &inner, error))?;
    write_bytes(folder.path(), LISTING, &json(LISTING, &listing)?)?;
    write_bytes(folder.path(), "README.md", readme::readme(&listing.probes).as_bytes())?;
    folder.publish()?;
    Ok(probes.len())
}
