//! A stress's request in its manifest, and back.

use super::{Axis, Detail, Distributed, Preset, ScenarioSources, StressRequest};
use crate::engine::lanes::Width;
use crate::limits::Limits;
use crate::publish::recorded::{Request, StressPart};
use crate::rules::LoadedRules;
use crate::{Error, Result};
use std::path::{Path, PathBuf};

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

impl Distributed {
    /// Its name on the command line.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Accounts => "accounts",
            Self::Book => "book",
            Self::None => "none",
        }
    }
}

impl std::str::FromStr for Distributed {
    type Err = Error;

    fn from_str(name: &str) -> Result<Self> {
        let mut all = [Self::Accounts, Self::Book, Self::None].into_iter();
        all.find(|whose| whose.name() == name)
            .ok_or_else(|| Error::Usage(format!("no distribution `{name}`: expected `accounts`, `book` or `none`")))
    }
}

impl StressRequest {
    /// What the manifest holds of the request, its rules apart.
    pub(super) fn recorded(&self) -> Result<Request> {
        // Results do not depend on the width.
        let Self {
            snapshot,
            output,
            rules: _,
            sources,
            detail,
            distribution,
            fund_usd,
            distance,
            groups,
            limits,
            width: _,
        } = self;
        let ScenarioSources { shocks, axes, scenarios, presets } = sources;
        let part = StressPart {
            detail: detail.name().to_owned(),
            distribution: distribution.name().to_owned(),
            fund_usd: *fund_usd,
            grid: axes.iter().map(ToString::to_string).collect(),
            scenarios: scenarios.clone(),
            presets: presets.iter().map(|preset| preset.name().to_owned()).collect(),
        };
        let recorded = Request::of(snapshot, output, shocks.as_deref(), *distance, groups, Some(part))?;
        Ok(Request { limits: limits.as_ref().map(|limits| limits.text().to_owned()), ..recorded })
    }

    /// The request that was recorded, to be run again: `out` must not exist.
    ///
    /// # Errors
    /// [`Error::Usage`] if a scenario cannot be read; [`Error::Invalid`] if the limits cannot. Errors name the manifest
    /// in the folder `run`.
    pub fn replay(recorded: &Request, part: &StressPart, rules: LoadedRules, out: PathBuf, run: &Path) -> Result<Self> {
        Ok(Self {
            snapshot: recorded.snapshot_request(),
            output: recorded.output_request(out),
            rules,
            sources: ScenarioSources::recorded(recorded, part)?,
            detail: part.detail.parse()?,
            distribution: part.distribution.parse()?,
            fund_usd: part.fund_usd,
            distance: recorded.distance,
            groups: recorded.groups()?,
            limits: Limits::recorded(recorded.limits.as_deref(), run)?,
            width: Width::best(),
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
