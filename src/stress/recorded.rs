//! A stress's request in its manifest, and back.

use super::{Axis, Detail, Preset, ScenarioSources, StressRequest};
use crate::memory::MemoryLimit;
use crate::publish::recorded::{Request, StressPart, absolute};
use crate::rules::LoadedRules;
use crate::snapshot::MaxRejects;
use crate::{Error, Result};
use std::path::PathBuf;

impl Detail {
    /// Its name on the command line.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::All => "all",
            Self::AtRisk => "at-risk",
            Self::None => "none",
        }
    }
}

impl std::str::FromStr for Detail {
    type Err = Error;

    fn from_str(name: &str) -> Result<Self> {
        let mut all = [Self::All, Self::AtRisk, Self::None].into_iter();
        all.find(|detail| detail.name() == name)
            .ok_or_else(|| Error::Usage(format!("no detail `{name}`: expected `all`, `at-risk` or `none`")))
    }
}

impl StressRequest {
    /// What the manifest holds of the request, its rules apart.
    pub(super) fn recorded(&self) -> Result<Request> {
        // In full, as in a run's.
        let Self {
            snapshot,
            out: _,
            sources: ScenarioSources { shocks, axes, scenarios, presets },
            detail,
            distance,
            rules: _,
            allow_rules_date,
            expectations,
            report,
            format,
            force: _,
            max_rejects: _,
            memory_limit: _,
            command_line: _,
        } = self;
        Ok(Request {
            snapshot: absolute(snapshot)?,
            shocks: shocks.as_deref().map(absolute).transpose()?,
            format: *format,
            distance: *distance,
            allow_rules_date: *allow_rules_date,
            expectations: expectations.clone(),
            report: *report,
            stress: Some(StressPart {
                detail: detail.name().to_owned(),
                grid: axes.iter().map(ToString::to_string).collect(),
                scenarios: scenarios.clone(),
                presets: presets.iter().map(|preset| preset.name().to_owned()).collect(),
            }),
        })
    }

    /// The request that was recorded, to be run again: `out` must not exist.
    ///
    /// # Errors
    /// [`Error::Usage`] if a scenario cannot be read.
    pub fn replay(recorded: &Request, part: &StressPart, rules: LoadedRules, out: PathBuf) -> Result<Self> {
        Ok(Self {
            snapshot: PathBuf::from(&recorded.snapshot),
            out,
            sources: ScenarioSources::recorded(recorded, part)?,
            detail: part.detail.parse()?,
            distance: recorded.distance,
            rules,
            allow_rules_date: recorded.allow_rules_date,
            expectations: recorded.expectations.clone(),
            report: recorded.report,
            format: recorded.format,
            force: false,
            max_rejects: MaxRejects::default(),
            memory_limit: MemoryLimit::of_machine(),
            command_line: Vec::new(),
        })
    }
}

impl ScenarioSources {
    /// Those that were recorded.
    ///
    /// # Errors
    /// [`Error::Usage`] if one cannot be read.
    pub fn recorded(recorded: &Request, part: &StressPart) -> Result<Self> {
        Ok(Self {
            shocks: recorded.shocks.as_ref().map(PathBuf::from),
            axes: part.grid.iter().map(|axis| axis.parse()).collect::<Result<Vec<Axis>>>()?,
            scenarios: part.scenarios.clone(),
            presets: part.presets.iter().map(|name| name.parse()).collect::<Result<Vec<Preset>>>()?,
        })
    }
}
