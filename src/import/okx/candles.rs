//! Saved candles: `market/history-candles`, `market/candles`, `market/index-candles`, `market/mark-price-candles`, and
//! pushes of their channels.
//!
//! A candle is a list: `[ts, o, h, l, c, ...]`, of index and mark prices with `confirm` as the sixth item, else as the
//! ninth. It does not say which instrument it is of: `arg` of a push does, or of an answer that was saved with its
//! request, else the name of the file or of its folder (`market_history-candles_BTC-USDT.json`).

use super::envelope::{self, Answer};
use super::files::responses_below;
use super::response::{extensions, stem};
use crate::cells::number::parse;
use crate::cells::text::cut;
use crate::progress::Progress;
use crate::source::{self, LARGEST_JSON};
use crate::{Invalid, Result};
use serde_json::Value;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// A candle that is complete.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Candle {
    /// `BTC-USDT`, `BTC-USDT-SWAP`.
    pub inst_id: Arc<str>,
    /// When it begins, nanoseconds since 1970 UTC.
    pub ts_ns: i64,
    /// Its last price, above zero.
    pub close: f64,
    pub file: Arc<Path>,
    /// Its number in the file, from 1.
    pub row: u64,
}

/// A file of candles, read: its path, its size and the BLAKE3 hash of its bytes.
pub(crate) type ReadFile = (PathBuf, u64, String);

/// The files of candles at a place: a file named as a response, or a folder with such; none otherwise.
///
/// # Errors
/// [`crate::Error::Io`] if a folder cannot be listed.
pub(crate) fn files(place: &Path) -> Result<Vec<PathBuf>> {
    if place.is_dir() {
        responses_below(place)
    } else {
        Ok(extensions(place).map(|_| place.into()).into_iter().collect())
    }
}

/// Reads files of candles, in their order. Candles that are not complete (`confirm` is 0) are left out.
///
/// # Errors
/// [`crate::Error::Invalid`] for a file that is not JSON of the exchange, holds something else than candles, or does
/// not say its instrument; [`crate::Error::Interrupted`].
pub(crate) fn read(files: &[PathBuf], progress: &dyn Progress) -> Result<(Vec<Candle>, Vec<ReadFile>)> {
    let (mut candles, mut read) = (Vec::new(), Vec::new());
    for path in files {
        progress.check()?;
        let (text, bytes, hash) = source::read_hashed_text(path, LARGEST_JSON)?;
        let file: Arc<Path> = path.as_path().into();
        let mut row = 0;
        for answer in envelope::answers(path, &text)? {
            let inst_id = instrument(path, &answer)?;
            for value in &answer.rows {
                row += 1;
                candles.extend(candle(value, &file, row, &inst_id)?);
            }
        }
        progress.advance(row);
        read.push((path.clone(), bytes, hash));
    }
    Ok((candles, read))
}

/// The instrument of an answer: by its `arg`, else by the name of its file, else by that of its folder.
fn instrument(path: &Path, answer: &Answer) -> Result<Arc<str>> {
    let folder = path.parent().and_then(Path::file_name).map(|name| name.to_string_lossy().into_owned());
    let names = [Some(stem(path)), folder];
    let named = || names.iter().flatten().find_map(|name| named_in(name));
    let found = answer.inst_id.clone().or_else(named).ok_or_else(|| {
        Invalid::new("candles that do not say their instrument")
            .file(path)
            .expected("the instrument in the name of the file, such as `market_history-candles_BTC-USDT.json`")
    })?;
    Ok(found.into())
}

/// The first word of a name that is an instrument: `BTC-USDT`, `BTC-USDT-SWAP`.
fn named_in(name: &str) -> Option<String> {
    let is_ccy = |part: &str| {
        part.bytes().all(|byte| byte.is_ascii_uppercase() || byte.is_ascii_digit())
            && part.bytes().any(|byte| byte.is_ascii_uppercase())
    };
    let words = name.split(|c: char| !(c.is_ascii_alphanumeric() || c == '-'));
    let mut found = words.filter(|word| {
        let mut parts = word.split('-');
        parts.next().is_some_and(is_ccy) && parts.next().is_some_and(is_ccy)
    });
    found.next().map(str::to_owned)
}

/// `None` if it is not complete.
fn candle(value: &Value, file: &Arc<Path>, row: u64, inst_id: &Arc<str>) -> Result<Option<Candle>> {
    let invalid = |problem: &str, value: String| Invalid::new(problem).file(file).row(row).value(cut(&value));
    let whole = || invalid("not a candle", value.to_string()).expected("a list: [ts, o, h, l, c, ...]");
    let items = value.as_array().ok_or_else(whole)?;
    let text = |place: usize| -> Result<String> {
        match items.get(place) {
            Some(Value::String(text)) => Ok(text.clone()),
            Some(Value::Number(number)) => Ok(number.to_string()),
            _ => Err(whole().into()),
        }
    };
    let confirm = match items.len() {
        6 => text(5)?,
        9.. => text(8)?,
        _ => "1".to_owned(),
    };
    let (ts, close) = (text(0)?, text(4)?);
    if confirm == "0" {
        return Ok(None);
    }
    let ts_ns = ts.parse().ok().filter(|ms: &i64| *ms > 0).and_then(|ms| ms.checked_mul(1_000_000));
    let ts_ns = ts_ns.ok_or_else(|| invalid("not a time", ts).column("ts").expected("milliseconds since 1970"))?;
    let price = parse(&close).ok().filter(|price| *price > 0.0);
    let close = price.ok_or_else(|| invalid("not a price", close).column("c").expected("a number above zero"))?;
    Ok(Some(Candle { inst_id: Arc::clone(inst_id), ts_ns, close, file: Arc::clone(file), row }))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::progress::Silent;

    #[test]
    fn instruments_of_names() {
        for (name, expected) in [
            ("market_history-candles_BTC-USDT", Some("BTC-USDT")),
            ("BTC-USDT-SWAP_1D_2024-01-01", Some("BTC-USDT-SWAP")),
            ("2024-01-01 1INCH-USDT", Some("1INCH-USDT")),
            ("history-candles", None),
            ("BTC", None),
        ] {
            assert_eq!(named_in(name).as_deref(), expected, "{name}");
        }
    }

    #[test]
    fn candles_of_every_shape() {
        let dir = tempfile::tempdir().unwrap();
        for (name, text, expected) in [
            (
                "BTC-USDT.json",
                "{\"code\":\"0\",\"data\":[[\"1700000000000\",\"1\",\"3\",\"1\",\"2\",\"9\",\"9\",\"9\",\"1\"],\
                 [\"1700086400000\",\"2\",\"2\",\"2\",\"2.5\",\"0\",\"0\",\"0\",\"0\"]]}",
                Ok(vec![("BTC-USDT", 1_700_000_000_000, 2.0)]),
            ),
            (
                "a.json",
                r#"{"arg":{"channel":"index-candle1D","instId":"ETH-USD"},"data":[[1700000000000,1,3,1,2,1]]}"#,
                Ok(vec![("ETH-USD", 1_700_000_000_000, 2.0)]),
            ),
            ("BTC-USD.json", r#"{"code":"0","data":[]}"#, Ok(vec![])),
            ("a.json", r#"{"code":"0","data":[["1700000000000","1","3","1","2"]]}"#, Err("their instrument")),
            ("BTC-USD.json", r#"{"code":"0","data":[{"instId":"BTC-USD"}]}"#, Err("not a candle")),
            ("BTC-USD.json", r#"{"code":"0","data":[["1700000000000","1","3","1"]]}"#, Err("not a candle")),
            ("BTC-USD.json", r#"{"code":"0","data":[["1700000000000","1","3","1","0"]]}"#, Err("not a price")),
            ("BTC-USD.json", r#"{"code":"0","data":[["x","1","3","1","2"]]}"#, Err("not a time")),
            ("BTC-USD.json", r#"{"code":"50011","msg":"Too Many Requests"}"#, Err("too many")),
        ] {
            let path = dir.path().join(name);
            std::fs::write(&path, text).unwrap();
            let found = read(&files(&path).unwrap(), &Silent).map(|(candles, _)| candles);
            match (found, expected) {
                (Ok(found), Ok(expected)) => {
                    let found: Vec<_> =
                        found.iter().map(|candle| (&*candle.inst_id, candle.ts_ns / 1_000_000, candle.close)).collect();
                    assert_eq!(found, expected, "{text}");
                }
                (Err(error), Err(word)) => {
                    assert!(error.exit_code() == 3 && error.to_string().contains(word), "{text}: {error}");
                }
                (found, expected) => panic!("{text}: {found:?}, expected {expected:?}"),
            }
        }
    }
}
