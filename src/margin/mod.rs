//! One account in one market: the portfolio margin model, pure.
//!
//! Nothing in this module reads a file or a clock, spawns a thread, logs, or knows a table format; every function
//! depends on its arguments alone. `margin` is one account in one market; [`crate::engine`] is many accounts in
//! many markets.
//!
//! In reading order: [`real`] (the number: one market or several), [`rules`] (parameters), [`tiers`], [`extremes`] (the
//! higher and the lower of two), [`black76`] (option value and Greeks; under it [`normal`] and `elementary`, functions
//! that vectorise), [`implied`] (its inverse), [`priced`] (what one contract of an instrument adds to each scenario;
//! `option_row`: that of an option; `beside` lays several markets side by side), [`account`] (the rows of one account),
//! [`spot_hedge`] (spot in use),
//! [`ledgers`] and [`sums`] (what its rows add up to by currency and by risk unit; `gathered` holds both), [`stress`]
//! (MR1..MR7 and MR9 of one risk unit, which make its [`unit_margin`]), [`borrowing`] (MR8), [`equity`] (discounts),
//! [`requirement`] (totals and ratio of an account: its [`account_figures`] and its `status`), [`orders`] (what pending
//! orders freeze; orders and transfers applied), [`changed`] (an account again after a change).

pub mod account;
pub mod account_figures;
mod beside;
pub mod black76;
pub mod borrowing;
pub mod cash;
pub mod changed;
mod elementary;
pub mod equity;
pub mod extremes;
mod gathered;
pub mod implied;
pub mod ledgers;
pub mod normal;
mod option_row;
pub mod orders;
pub mod part;
pub mod priced;
pub mod real;
pub mod requirement;
pub mod rules;
pub mod spot_hedge;
mod status;
pub mod stress;
pub mod sums;
pub mod tiers;
mod totals;
pub mod unit_margin;

pub use requirement::AccountMargin;
pub use status::Status;
pub use unit_margin::{UnitMargin, VolState};
