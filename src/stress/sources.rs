//! Where the scenarios of a stress come from.

use super::family::{Axis, Preset, grid};
use crate::cells::text::in_a_line;
use crate::error::Remedy;
use crate::market::Market;
use crate::market::scenario::{Scenario, with_base};
use crate::progress::Progress;
use crate::publish::recorded::absolute;
use crate::snapshot::{self, InputFile};
use crate::{Error, Result};
use std::path::{Path, PathBuf};

/// Where scenarios come from; those of all sources are taken, in this order. Without any the table `shocks` of the
/// snapshot is taken.
#[derive(Debug, Clone, Default)]
pub struct ScenarioSources {
    /// A table `shocks`.
    pub shocks: Option<PathBuf>,
    /// Every combination of these axes' points.
    pub axes: Vec<Axis>,
    /// Single scenarios.
    pub scenarios: Vec<Scenario>,
    /// Named sets.
    pub presets: Vec<Preset>,
}

impl ScenarioSources {
    /// The base case and all scenarios, in order, checked against the market, and the files that they come from.
    ///
    /// # Errors
    /// [`Error::Refused`] without a scenario; [`Error::Invalid`] for a table that cannot be used, two scenarios of one
    /// name and a scenario that the market does not know the currencies of.
    pub fn resolve(
        &self,
        dir: &Path,
        market: &Market,
        progress: &dyn Progress,
    ) -> Result<(Vec<Scenario>, Vec<InputFile>)> {
        let nothing = self.axes.is_empty() && self.scenarios.is_empty() && self.presets.is_empty();
        let own = if nothing && self.shocks.is_none() { snapshot::find_shocks(dir)? } else { None };
        let (mut all, mut files) = (Vec::new(), Vec::new());
        if let Some(path) = self.shocks.as_ref().or(own.as_ref()) {
            let (scenarios, mut inputs) = snapshot::read_shocks(path, market, progress)?;
            for input in &mut inputs {
                input.path = match input.path.strip_prefix(dir) {
                    Ok(inside) if own.is_some() => inside.to_path_buf(),
                    _ => absolute(&input.path)?.into(),
                };
            }
            files = inputs;
            warn_of_odd_moves(&scenarios);
            all.extend(scenarios);
        } else if nothing {
            let problem = format!("there is no scenario: `{}` has no table `shocks`", dir.display());
            return Err(Error::refused(problem, Remedy::Scenarios));
        }
        all.extend(grid(&self.axes)?);
        all.extend(self.scenarios.iter().cloned());
        for preset in &self.presets {
            all.extend(preset.scenarios(market)?);
        }
        Ok((with_base(market, all)?, files))
    }
}

/// Says that moves of a table are so large that they may be in per cent.
fn warn_of_odd_moves(scenarios: &[Scenario]) {
    /// 500 %.
    const ODD: f64 = 5.0;
    let is_odd = |scenario: &&Scenario| {
        scenario.shocks.iter().flat_map(|shock| [shock.price, shock.vol]).flatten().any(|moved| moved > ODD)
    };
    let mut odd = scenarios.iter().filter(is_odd);
    if let Some(first) = odd.next() {
        tracing::warn!(
            "scenarios with a move of more than 500 %: {}, the first is `{}`; moves are fractions: 0.2 is 20 %",
            1 + odd.count(),
            in_a_line(&first.name)
        );
    }
}
