//! Reconciles a finished run with the exchange's own figures: by account, risk unit and component.
//!
//! The figures come from saved responses of `account/position-builder`, `account/account-position-risk` and
//! `account/balance`, one file or a folder as [`crate::import::okx`] reads it. Every figure that exists on both sides
//! is compared. Blank fields are counted, and fields that cannot be compared are listed with the reason:
//!
//! | figure of the response | why it is not compared |
//! |---|---|
//! | `gamma`, `theta`, `vega` | the exchange gives coin or dollar Greeks; a run gives USD per 1 % and per point |
//! | `mr1Scenarios`, `portfolios` | a run stores the result of the grid, not the grid; `remargin explain` shows both |
//! | equity and margin of single currencies | a run reports equity per account |
//!
//! Two figures agree if they differ by at most `tolerance` times the larger absolute value, or by at most
//! `abs_tolerance`.

mod answers;
mod compare;
mod text;

pub use compare::{Comparison, Figure, Reconciliation};

use crate::error::Remedy;
use crate::figures::{ACCOUNT, Layout, UNIT};
use crate::import::okx::files;
use crate::market::scenario;
use crate::memory::MemoryLimit;
use crate::progress::Progress;
use crate::results::{ResultRow, read_result};
use crate::{Error, Result};
use compare::Table;
use std::collections::BTreeSet;
use std::path::PathBuf;

/// What to compare.
#[derive(Debug, Clone, PartialEq)]
pub struct ReconcileRequest {
    /// Folder of the finished run.
    pub run: PathBuf,
    /// Saved responses: a file or a folder.
    pub against: PathBuf,
    /// The account of responses that do not state one.
    pub account: Option<String>,
    /// Relative tolerance.
    pub tolerance: f64,
    /// Absolute tolerance, in the unit of the figure (USD, coins, a ratio).
    pub abs_tolerance: f64,
}

/// Reconciles a run with responses of the exchange.
///
/// # Errors
/// [`Error::Invalid`] if the run or a response cannot be read; [`Error::Usage`] if the account of a response is
/// unknown, or no response has comparable figures; [`Error::Interrupted`].
pub fn reconcile(request: &ReconcileRequest, progress: &dyn Progress) -> Result<Reconciliation> {
    let found = files::read(&request.against, &files::budget(MemoryLimit::of_machine()))?;
    let mut answers = answers::Answers::default();
    for response in &found.responses {
        answers.take(response);
    }
    if answers.figures.is_empty() {
        return Err(Error::Usage(format!(
            "`{}` holds no answer to compare with: expected account/position-builder, account/account-position-risk \
             or account/balance with figures in them",
            request.against.display()
        )));
    }
    let single = request.against.is_file();
    let wanted: BTreeSet<String> =
        answers.figures.iter().map(|figure| figure.account.clone()).chain(request.account.clone()).collect();
    let all_wanted = single && request.account.is_none() && answers.figures.iter().any(|f| f.account.is_empty());
    let keep = |names: &[String]| {
        names.get(1).is_some_and(|name| name == scenario::BASE)
            && names.first().is_some_and(|id| all_wanted || wanted.contains(id))
    };
    let of_accounts = Layout::of(&["account_id", "scenario"], &ACCOUNT, |figure| figure.compared);
    let accounts = read_result(&request.run, "accounts", &of_accounts.names, &of_accounts.numbers, keep, progress)?;
    let owner = owner(request, &accounts, &answers)?;
    answers.assign(&owner);
    let of_units = Layout::of(&["account_id", "scenario", "risk_unit"], &UNIT, |figure| figure.compared);
    let units = read_result(&request.run, "risk_units", &of_units.names, &of_units.numbers, keep, progress)?;
    let accounts = Table { rows: &accounts, names: &of_accounts.names, figures: &of_accounts.numbers };
    let units = Table { rows: &units, names: &of_units.names, figures: &of_units.numbers };
    Ok(compare::compare(request, accounts, units, answers))
}

/// The account of responses that do not state one.
fn owner(request: &ReconcileRequest, accounts: &[ResultRow], answers: &answers::Answers) -> Result<String> {
    if let Some(account) = &request.account {
        return Ok(account.clone());
    }
    if !answers.figures.iter().any(|figure| figure.account.is_empty()) {
        return Ok(String::new());
    }
    if let [only] = accounts {
        return Ok(only.names.first().cloned().unwrap_or_default());
    }
    let (file, accounts) = (request.against.display(), accounts.len());
    let problem = format!("`{file}` does not state its account, and the run has {accounts} accounts");
    Err(Error::refused(problem, Remedy::Account))
}
