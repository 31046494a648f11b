//! What one contract of each instrument adds to each scenario: the instrument x scenario table.

/// A market priced under a set of rules: everything the account pass reads.
#[derive(Debug, Clone)]
pub struct PricedMarket {
    /// Names of the risk units, by index, in byte order.
    pub unit_names: Vec<String>,
}
