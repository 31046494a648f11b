//! Measures the parameters of the exchange from its own answers.
//!
//! Answers of `account/position-builder` (the probes of [`mod@crate::probe`], or portfolios of a desk) and
//! `account/balance` go in; an overlay with marks `[M]` comes out, and a report: each parameter with the range that the
//! printed digits allow, what is not determined and which probe would tell it, and where answers contradict each
//! other.
//!
//! | file | parameters |
//! |---|---|
//! | `delta_one`, `classes` | units, moves, classes, MR4, MR6, MR7 of swaps and futures, fees |
//! | `options`, `smile`, `shift` | volatility shifts, MR2, MR3, MR5, MR7 of options, discount rate |
//! | `currencies`, `stablecoins` | MR8, discounts, MR9 |
//! | `ladder` | tiers out of a ladder of amounts |
//! | `printed`, `found` | ranges of printed figures, and where they meet |
//! | `recheck` | every answer again under the rules that were found |
//!
//! A figure is known to half a unit of its last digit. The range of a parameter is what all answers allow together;
//! where nothing is left, they contradict each other, and the parameter has no value. Each answer is read in its own
//! market: marks and the price of a stablecoin as it prints them, forwards by put-call parity, volatilities by
//! inversion, the index from the P&L of a move. What it does not print is as in the listing.

// Bad input must cause an error, not a panic.
#![deny(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

mod classes;
mod currencies;
mod delta_one;
mod found;
mod html;
mod ladder;
mod options;
mod overlay;
mod printed;
mod read;
mod recheck;
mod shift;
mod smile;
mod stablecoins;
mod text;
mod times;
mod untold;
mod world;

pub use found::{Parameter, Status};
pub use html::BEGIN as PAGE_BEGIN;
pub use overlay::BEGIN as OVERLAY_BEGIN;
pub use recheck::Residual;

use crate::listing::{LISTING, Listing};
use crate::margin::rules::RiskUnitMode;
use crate::rules::{self, LoadedRules};
use crate::snapshot::{self, LoadOptions};
use crate::{Error, Invalid, Result};
use found::Found;
use recheck::Tolerance;
use serde::Serialize;
use std::collections::BTreeMap;
use std::path::PathBuf;
use world::World;

/// What to calibrate.
#[derive(Debug, Clone, PartialEq)]
pub struct CalibrateRequest {
    /// Folder of probes with their answers, or of any answers.
    pub folder: PathBuf,
    /// The snapshot that lists the contracts; without one the listing in the folder.
    pub snapshot: Option<PathBuf>,
    /// Name of the built-in set below the overlay.
    pub extends: String,
    /// Relative tolerance of residuals.
    pub tolerance: f64,
    /// Absolute tolerance of residuals, in the unit of the figure.
    pub abs_tolerance: f64,
    /// Answers further than this from the middle one are set aside, hours.
    pub span_hours: f64,
}

impl CalibrateRequest {
    /// A folder of probes, over the default set.
    #[must_use]
    pub fn new(folder: impl Into<PathBuf>) -> Self {
        Self {
            folder: folder.into(),
            snapshot: None,
            extends: rules::BUILT_IN_NAME.to_owned(),
            tolerance: 1e-6,
            abs_tolerance: 1e-6,
            span_hours: 12.0,
        }
    }
}

/// What the answers say.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Calibration {
    /// The built-in set below the overlay.
    pub extends: String,
    /// The overlay's name.
    pub name: String,
    /// The time of the middle answer.
    pub as_of: String,
    /// Answers that were used.
    pub answers: usize,
    /// Every key of the rules, in the order of the set.
    pub parameters: Vec<Parameter>,
    /// Answers that do not belong to the others, and why.
    pub set_aside: Vec<(String, String)>,
    /// Files or parts that tell nothing, and why.
    pub passed_over: Vec<(String, String)>,
    /// Answers that ours could not be computed beside.
    pub not_computed: usize,
    /// Probes without an answer.
    pub missing: Vec<String>,
    /// Relative tolerance of residuals.
    pub tolerance: f64,
    /// Every figure of the answers beside ours, the largest difference first.
    pub residuals: Vec<Residual>,
    /// Residuals beyond the tolerance.
    pub breaks: usize,
    /// The overlay, as TOML.
    #[serde(skip)]
    pub overlay: String,
}

impl Calibration {
    /// How many parameters have a status.
    #[must_use]
    pub fn count(&self, status: Status) -> usize {
        self.parameters.iter().filter(|parameter| parameter.status == status).count()
    }

    /// True if answers contradict each other, or do not belong together.
    #[must_use]
    pub fn is_contradictory(&self) -> bool {
        !self.set_aside.is_empty() || self.count(Status::Contradiction) > 0
    }

    /// Everything as JSON.
    ///
    /// # Errors
    /// [`Error::Runtime`] if it cannot be formed.
    pub fn to_json(&self) -> Result<String> {
        let text = serde_json::to_string_pretty(self);
        text.map(|text| text + "\n").map_err(|error| Error::Runtime(format!("cannot form the calibration: {error}")))
    }
}

/// Measures what the answers of a folder determine.
///
/// # Errors
/// [`Error::Invalid`] if the folder has no answer of the position builder, or a listing that is none;
/// [`Error::Usage`] if the set is not a built-in one; [`Error::Io`].
pub fn calibrate(request: &CalibrateRequest) -> Result<Calibration> {
    let base = rules::load_text(&format!("extends = {:?}\nname = \"below\"\n", request.extends), &[])?;
    let listing = match &request.snapshot {
        Some(snapshot) => Listing::of(&snapshot::load(snapshot, &LoadOptions::of(&base.rules))?.market),
        None => Listing::read(&request.folder.join(LISTING)).map_err(|error| {
            error.hint("a folder of `remargin probe` has it; for other answers name the snapshot of their market")
        })?,
    };
    let read = read::read(&request.folder, &listing)?;
    if read.built.is_empty() {
        let hint = match read.passed_over.first() {
            Some((file, why)) => format!("{file}: {why}"),
            None => "`python -m remargin.okx capture --probes` fetches them".to_owned(),
        };
        let problem = Invalid::new("the folder holds no answer of account/position-builder");
        return Err(problem.file(&request.folder).hint(hint).into());
    }
    measure(request, &base, &listing, read)
}

fn measure(
    request: &CalibrateRequest,
    base: &LoadedRules,
    listing: &Listing,
    read: read::Answers,
) -> Result<Calibration> {
    let named: Vec<String> = read.built.iter().map(|answer| answer.name.clone()).collect();
    let missing = listing.probes.iter().filter(|probe| !named.contains(&probe.file));
    let missing: Vec<String> = missing.map(|probe| probe.file.clone()).collect();
    let kept = times::keep(read.built, read.counted, request.span_hours);
    let mut world = World {
        listing,
        base,
        answers: kept.answers,
        counted: kept.counted,
        mr1_class: BTreeMap::new(),
        mr467_class: BTreeMap::new(),
        rate: base.rules.rate,
        in_coin: false,
    };
    let found = estimates(&mut world);
    let mut parameters = found.finish();
    untold::complete(base, listing, &missing, &mut parameters);
    let as_of = times::shown(kept.middle_ms);
    let name = format!("okx-measured-{}", as_of.get(..10).unwrap_or("unknown"));
    let mut ordered = untold::in_order(base, parameters);
    let (overlay, rules) = settle(&request.extends, &name, &mut ordered)?;
    let tolerance = Tolerance { relative: request.tolerance, absolute: request.abs_tolerance };
    let mut residuals = Vec::new();
    let (mut passed_over, mut not_computed) = (read.passed_over, 0);
    for answer in &world.answers {
        match recheck::recheck(&world, answer, &rules.rules, tolerance) {
            Ok(rows) => residuals.extend(rows),
            Err(error) => {
                not_computed += 1;
                passed_over.push((answer.name.clone(), format!("not computed again: {error}")));
            }
        }
    }
    residuals.sort_by(|a, b| {
        (b.is_break, b.relative).partial_cmp(&(a.is_break, a.relative)).unwrap_or(std::cmp::Ordering::Equal)
    });
    Ok(Calibration {
        extends: request.extends.clone(),
        name,
        as_of,
        answers: world.answers.len(),
        parameters: ordered,
        set_aside: kept.set_aside,
        passed_over,
        not_computed,
        missing,
        tolerance: request.tolerance,
        breaks: residuals.iter().filter(|residual| residual.is_break).count(),
        residuals,
        overlay,
    })
}

/// The overlay and the rules that it makes. A value that the rules refuse is taken out, and its parameter says so.
fn settle(extends: &str, name: &str, parameters: &mut [Parameter]) -> Result<(String, LoadedRules)> {
    loop {
        let text = overlay::overlay(extends, name, parameters.iter());
        match rules::load_text(&text, &[]) {
            Ok(rules) => return Ok((text, rules)),
            Err(Error::Invalid(invalid)) => {
                let column = invalid.column.clone().unwrap_or_default();
                let refused =
                    parameters.iter_mut().find(|parameter| parameter.key == column && parameter.value.is_some());
                let Some(parameter) = refused else { return Err(Error::Invalid(invalid)) };
                let value = parameter.value.take().unwrap_or_default();
                parameter.status = Status::Contradiction;
                parameter.note = format!("{value} is no value of the model: {}", invalid.problem);
            }
            Err(error) => return Err(error),
        }
    }
}

/// Each family of parameters; later ones build on what earlier ones find.
fn estimates(world: &mut World) -> Found {
    let mut found = Found::default();
    let merged = delta_one::risk_unit(world, &mut found);
    delta_one::imr_multiplier(world, &mut found);
    delta_one::moves(world, &mut found);
    delta_one::classes(world, &mut found);
    delta_one::basis_and_extreme(world, &mut found);
    delta_one::minimum_charge(world, &mut found);
    delta_one::fees(world, &mut found);
    if merged.unwrap_or(world.base.rules.risk_unit == RiskUnitMode::Merged) {
        stablecoins::hedges(world, &mut found);
    } else {
        for key in ["mr9.pairs", "mr9.tiers"] {
            found.put(Parameter::new(key, Status::Undetermined).note("separate units have no MR9"));
        }
    }
    options::rate(world, &mut found);
    world.rate = found.range("rate").map_or(world.base.rules.rate, |rate| rate.value);
    options::numeraire(world, &mut found);
    world.in_coin = found.word("coin_option_pnl") == Some("\"coin\"");
    // Whether P&L counts in coins decides what every other figure of an option means.
    if found.word("coin_option_pnl").is_some() {
        let shifts = options::shifts(world);
        shift::table(world.base, &shifts, &mut found);
        options::time_and_rate(world, &mut found);
        options::term_structure(world, &shifts, &mut found);
        options::minimum_charge(world, &mut found);
    }
    currencies::borrowing(world, &mut found);
    currencies::discounts(world, &mut found);
    found
}
