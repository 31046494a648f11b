//! One account: its rows and balances.

use crate::margin::rules::SpotOffset;

/// A position row.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Row {
    pub instrument: usize,
    /// Signed contracts, a multiple of the instrument's lot.
    pub qty: f64,
    pub avg_px: f64,
}

/// A balance row.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Balance {
    /// Index into [`World::ccys`].
    pub ccy: usize,
    pub cash: f64,
    pub interest: Option<f64>,
    pub cap: Option<f64>,
}

/// A finished account.
#[derive(Debug, Clone, Default, PartialEq)]
pub(super) struct Account {
    /// `None`: the account never chose a mode.
    pub spot_offset: Option<SpotOffset>,
    pub rows: Vec<Row>,
    pub balances: Vec<Balance>,
}
