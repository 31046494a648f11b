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
use crate::import::okx::files;
use crate::market::scenario;
use crate::progress::Progress;
use crate::results::{ResultRow, read_result};
use crate::{Error, Result};
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

/// Compared columns of the table `accounts`.
const ACCOUNT_FIGURES: [&str; 9] =
    ["adj_eq", "total_eq", "upl", "mmr", "imr", "deriv_mmr", "borrow_mmr", "borrow_imr", "margin_ratio"];
/// Compared columns of the table `risk_units`.
const UNIT_FIGURES: [&str; 15] = [
    "mr1",
    "mr2",
    "mr3",
    "mr4",
    "mr5",
    "mr6",
    "mr7",
    "mr9",
    "mmr",
    "imr",
    "cash_delta",
    "upl",
    "mr1_price",
    "mr6_price",
    "spot_in_use",
];

/// Reconciles a run with responses of the exchange.
///
/// # Errors
/// [`Error::Invalid`] if the run or a response cannot be read; [`Error::Usage`] if the account of a response is
/// unknown, or no response has comparable figures; [`Error::Interrupted`].
pub fn reconcile(request: &ReconcileRequest, progress: &dyn Progress) -> Result<Reconciliation> {
    let found = files::read(&request.against)?;
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
    let accounts =
        read_result(&request.run, "accounts", &["account_id", "scenario"], &ACCOUNT_FIGURES, keep, progress)?;
    let owner = owner(request, &accounts, &answers)?;
    answers.assign(&owner);
    let names = ["account_id", "scenario", "risk_unit", "mr1_vol"];
    let units = read_result(&request.run, "risk_units", &names, &UNIT_FIGURES, keep, progress)?;
    Ok(compare::compare(request, &accounts, &units, answers))
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
