//! JSON files.

use crate::{Error, Result};
use serde::Serialize;

/// Indented JSON that ends with a line feed.
pub(crate) fn json(name: &str, value: &impl Serialize) -> Result<Vec<u8>> {
    let mut text =
        serde_json::to_vec_pretty(value).map_err(|err| Error::Runtime(format!("cannot form `{name}`: {err}")))?;
    text.push(b'\n');
    Ok(text)
}
