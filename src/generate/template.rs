//! A snapshot to fill in: one CSV file for each table, each with a header and two example rows.

use crate::publish::OutputFolder;
use crate::{Error, Result};
use std::path::Path;

/// The files, in the order in which one fills them in.
const FILES: [(&str, &str); 10] = [
    ("snapshot.toml", include_str!("../../data/template/snapshot.toml")),
    ("instruments.csv", include_str!("../../data/template/instruments.csv")),
    ("marks.csv", include_str!("../../data/template/marks.csv")),
    ("indices.csv", include_str!("../../data/template/indices.csv")),
    ("positions.csv", include_str!("../../data/template/positions.csv")),
    ("balances.csv", include_str!("../../data/template/balances.csv")),
    ("accounts.csv", include_str!("../../data/template/accounts.csv")),
    ("orders.csv", include_str!("../../data/template/orders.csv")),
    ("spot_pairs.csv", include_str!("../../data/template/spot_pairs.csv")),
    ("shocks.csv", include_str!("../../data/template/shocks.csv")),
];

/// Writes a snapshot to fill in, which can be margined as it is. Returns the names of its files.
///
/// ```
/// use remargin::generate::template;
/// let dir = tempfile::tempdir().unwrap();
/// let files = template::write(&dir.path().join("book"))?;
/// assert!(files.contains(&"positions.csv"));
/// # Ok::<(), remargin::Error>(())
/// ```
///
/// # Errors
/// [`Error::Usage`] if the folder exists; [`Error::Io`] if writing fails. In all cases nothing is left behind.
pub fn write(dir: &Path) -> Result<Vec<&'static str>> {
    let folder = OutputFolder::of_snapshot(dir, false, &[]).map_err(Error::for_new_only)?;
    for (name, text) in FILES {
        let path = folder.path().join(name);
        std::fs::write(&path, text).map_err(|err| Error::io("write", &path, err))?;
    }
    folder.publish()?;
    Ok(FILES.map(|(name, _)| name).to_vec())
}
