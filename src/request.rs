//! What requests have in common.

/// Whose distances a report holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum DistanceScope {
    /// Every account's.
    All,
    /// Those of the accounts that are at risk in the market as it is.
    AtRisk,
    /// Nobody's: they are not searched.
    #[default]
    None,
}
