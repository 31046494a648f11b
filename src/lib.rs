//! remargin recalculates the portfolio margin of every account of a crypto exchange.
//!
//! It reads one snapshot of a market and of all positions and balances, and says for every account what it must
//! hold, what it has, and how far it is from liquidation. The model is the exchange's portfolio margin 2.0;
//! `docs/explanation/model.md` documents it in full.
//!
//! # Glossary
//!
//! | word | meaning |
//! |---|---|
//! | MMR, IMR | maintenance and initial margin requirement, USD |
//! | risk unit | the positions margined together: an underlying (`BTC-USDT`) or, merged, a base currency (`BTC`) |
//! | MR1..MR9 | the stress components of a requirement; MR8, borrowing, is the account's, the others a unit's |
//! | spot in use | the coins of an account that hedge its derivatives inside a risk unit, signed |
//! | cash delta | USD exposure of a position to its underlying |
//! | mark | the price at which a contract is valued now |
//! | adjusted equity | equity after collateral discounts, USD |
//! | margin ratio | adjusted equity over MMR and liquidation fee; at 1 an account is liquidated |
//! | reject | an input row that was set aside, with a reason |
//! | unmargined | an account that is left out because one of its rows was |
//!
//! # How data flows
//!
//! ```text
//! rules.toml, --set ----> rules ------------------+
//!                                                 v
//! snapshot/  -----> snapshot --+--> market --> engine::price ----> instrument x scenario table
//!  tables                      |                                         |
//!                              +--> pieces of the book --------> engine::chunk      (margin, account by account)
//!                              |                                         |
//!                              +--> rejects -------> report <------------+
//!                                                      |
//!                                                      v
//!                                  out/: accounts, risk units, at risk, rejects, summary, page, manifest
//! ```
//!
//! # Modules in reading order
//!
//! 1. [`margin`]: the model. One account in one market, pure functions over numbers.
//! 2. [`market`], [`book`]: what the model is applied to, valid by construction.
//! 3. [`engine`]: many accounts, in pieces from whatever source fits memory; options are priced once for all of them.
//! 4. [`rules`], [`snapshot`]: what comes in, checked; the only modules that read files.
//! 5. [`report`], [`mod@run`]: what goes out, and the end-of-day run that ties everything together.
//!    [`mod@batches`]: the same on tables that a caller holds, record batches in, record batches out.
//! 6. [`mod@stress`], [`mod@distance`]: price scenarios over all accounts, and how far each is from liquidation.
//! 7. [`explain`]: every step of one account's margin; [`simulate`]: what it would be after an order or a transfer.
//! 8. [`reference`](mod@reference): the model a second time, slow and literal, to audit the first.
//!    [`mod@scenarios`]: price scenarios out of a history, or drawn with its covariance.
//! 9. [`generate`](mod@generate), [`bench`](mod@bench): synthetic snapshots, and the capacity of a machine, measured.
//! 10. [`mod@check`]: what a run would set aside; [`mod@verify`]: a finished run hashed, computed again and compared,
//!     or replayed from its manifest; [`mod@signature`]: who vouches for it;
//!     [`mod@compare`]: two rule sets over one book, or two finished runs: what changed, for whom, and why.
//! 11. [`mod@import`]: snapshots from what an exchange answered; [`mod@reconcile`]: a finished run beside its answers;
//!     [`mod@probe`] and [`mod@calibrate`]: its parameters out of what-if portfolios, over one [`mod@listing`];
//!     [`mod@partition`]: a snapshot cut into buckets of whole accounts, for more than one machine.
//! 12. [`mod@ops`]: a run as metrics and as events of lineage; [`mod@history`]: a row of each run, for trends;
//!     [`mod@export`]: tables for a warehouse; [`mod@limits`]: rules over figures, and what is beyond them.
//! 13. [`error`], [`progress`]: how work fails, and how it says how far it is;
//!     [`mod@schema`]: the columns of every table, and the JSON Schemas of the JSON answers.
//!
//! # Numbers
//!
//! All figures are `f64`, money is USD unless a name says otherwise (`_coin`), rates are fractions. Sums run in a
//! fixed order, so that results do not depend on threads or on the order of input rows. A figure that cannot be
//! computed is an error or a reject, never zero and never NaN.
//!
//! # Example
//!
//! ```
//! use remargin::progress::Silent;
//! use remargin::request::DistanceScope;
//! use remargin::run::{self, RunRequest};
//! use remargin::rules;
//!
//! let dir = tempfile::tempdir().unwrap();
//! let rules = rules::load(None, &["risk_unit=merged".to_string()])?;
//! let request = RunRequest::new("data/sample", dir.path().join("out"), rules).with_distance(DistanceScope::AtRisk);
//! let outcome = run::run(&request, &Silent)?;
//! assert_eq!(outcome.summary.accounts.margined, 300);
//! assert!(dir.path().join("out/report.html").is_file());
//! # Ok::<(), remargin::Error>(())
//! ```
//!
//! More are in the folder `examples`: a run inside another program, one account built by hand, a scenario added.
//!
//! # Features
//!
//! | feature | what it adds |
//! |---|---|
//! | `cli` (default) | the command `remargin`, [`mod@bench`], [`mod@signature`], and the crates that only they need |
//! | `cloud` | snapshots and output folders at URLs, see [`store`]; without it the program has no network |
//!
//! A program that uses the library alone takes it without the command:
//!
//! ```toml
//! remargin = { version = "0.1", default-features = false }
//! ```
//!
//! # Errors
//!
//! Everything that can fail returns [`Error`], which says what was attempted and where it stopped. Its texts name no
//! flags: what could be asked for instead is a [`Remedy`](error::Remedy), which a program says in its own words. The
//! library writes nothing to the terminal and sets no panic hook; see [`is_panic_handled`].
#![forbid(unsafe_code)]

pub mod batches;
#[cfg(feature = "cli")]
pub mod bench;
pub mod book;
pub mod calibrate;
pub(crate) mod cells;
pub mod check;
mod checksum;
pub mod compare;
mod container;
pub mod distance;
pub mod engine;
pub mod error;
pub mod explain;
pub mod export;
pub mod figures;
#[cfg(test)]
mod fixture;
pub(crate) mod formats;
pub mod generate;
pub mod history;
pub mod import;
pub mod kept;
pub mod limits;
pub mod listing;
pub mod margin;
pub mod market;
pub mod memory;
pub mod ops;
pub mod page;
pub mod parallel;
pub mod partition;
pub mod probe;
pub mod progress;
pub mod publish;
pub mod reconcile;
pub mod reference;
pub mod report;
pub mod request;
pub mod results;
pub mod rules;
pub mod run;
pub mod scenarios;
pub mod schema;
#[cfg(feature = "cli")]
pub mod signature;
pub mod simulate;
pub mod snapshot;
pub mod source;
pub mod store;
pub mod stress;
pub mod tables;
pub mod totals;
pub mod verify;
mod wording;
mod write;

pub use error::{Error, Invalid, Result};
pub use formats::guard::is_panic_handled;
