//! The table of operations that `simulate` checks: rows handed on as they stand, one by one.

use super::InputFile;
use super::declared::OPERATIONS;
use super::unused::refuse_columns;
use crate::cells::number::{NumberError, Numbers, parse};
use crate::cells::text::cut;
use crate::formats::scan::{Opened, scan};
use crate::progress::Progress;
use crate::source::{self, Input, Patient};
use crate::{Invalid, Result};
use std::io::BufRead;
use std::path::Path;

/// A number of an operation: absent, in range, or not to be used.
#[derive(Debug, Clone, PartialEq)]
pub enum Given {
    /// Not there.
    Nothing,
    /// A finite number, zero or between 1e-18 and 1e18 in size.
    Number(f64),
    /// The text of something that is no number.
    NotANumber(String),
    /// The text of a number beyond that range.
    OutOfRange(String),
}

impl Given {
    /// Reads a decimal number.
    #[must_use]
    pub fn parse(text: &str) -> Self {
        match parse(text) {
            Ok(number) => Self::Number(number),
            Err(NumberError::Invalid) => Self::NotANumber(cut(text)),
            Err(NumberError::OutOfRange) => Self::OutOfRange(cut(text)),
        }
    }

    fn cell(numbers: &Numbers, row: usize) -> Self {
        match numbers.get(row) {
            Ok(None) => Self::Nothing,
            Ok(Some(number)) => Self::Number(number),
            Err(NumberError::Invalid) => Self::NotANumber(cut(&numbers.raw(row))),
            Err(NumberError::OutOfRange) => Self::OutOfRange(cut(&numbers.raw(row))),
        }
    }

    /// As it was given; empty if it was not.
    #[must_use]
    pub fn text(&self) -> String {
        match self {
            Self::Nothing => String::new(),
            Self::Number(number) => crate::cells::number::written(*number),
            Self::NotANumber(text) | Self::OutOfRange(text) => text.clone(),
        }
    }
}

/// An operation as it was asked for. Missing and empty text are the same.
#[derive(Debug, Clone, PartialEq)]
pub struct Asked<'a> {
    /// The caller's own name for it.
    pub op_id: Option<&'a str>,
    /// Whose account.
    pub account_id: Option<&'a str>,
    /// Operations of one group are applied together.
    pub group: Option<&'a str>,
    /// `order`, `transfer_out`, and so on.
    pub kind: Option<&'a str>,
    /// Contract or spot pair.
    pub inst_id: Option<&'a str>,
    /// Currency.
    pub ccy: Option<&'a str>,
    /// `buy` or `sell`.
    pub side: Option<&'a str>,
    /// Mode to switch to.
    pub spot_offset: Option<&'a str>,
    /// Contracts or currency units.
    pub qty: Given,
    /// Price.
    pub px: Given,
}

/// True for a named pipe, such as `<(...)` of a shell, and for `/dev/stdin`: JSON lines or a table may come out of it.
#[must_use]
pub fn is_piped(path: &Path) -> bool {
    source::is_piped(path).unwrap_or(false)
}

/// Operations as JSON lines: a file, a named pipe, or standard input for `-`. Reading can be interrupted: its error has
/// [`crate::Error::Interrupted`] in it then, and [`crate::Error::Invalid`] after a file has changed.
///
/// # Errors
/// [`crate::Error::Invalid`] if it is not a regular file or cannot be opened.
pub fn open_lines<'a>(path: &Path, progress: &'a dyn Progress) -> Result<Box<dyn BufRead + 'a>> {
    if path == Path::new("-") {
        return Ok(Box::new(Patient::start(std::io::stdin(), progress)?));
    }
    if is_piped(path) {
        return source::open_lines(path, progress);
    }
    Ok(Box::new(Patient::start(Input::open(path)?.to_the_end(), progress)?))
}

/// Reads a table of operations (`*.csv`, `*.parquet`, `*.arrow`, a folder of Parquet parts or a named pipe) and keeps
/// of each row what `keep` makes of it, in the order of the rows.
///
/// # Errors
/// [`crate::Error::Invalid`] if the file cannot be read or lacks a column; [`crate::Error::Interrupted`].
pub fn read_operations<T: Send + 'static>(
    path: &Path,
    keep: impl Fn(&Asked<'_>) -> T + Sync,
    progress: &dyn Progress,
) -> Result<(Vec<T>, Vec<InputFile>)> {
    let source = source::open_table(path, progress)?;
    let mut inputs = Vec::new();
    for (file, (bytes, blake3)) in source.files.iter().zip(source::hash_all(&source.files, progress)?) {
        inputs.push(InputFile { path: file.path().to_path_buf(), bytes, rows: None, blake3 });
    }
    let opened = Opened::new(&source, OPERATIONS)?;
    refuse_columns(&opened, OPERATIONS)?;
    let mut kept = Vec::new();
    let rows = scan(
        opened,
        progress,
        |local: &mut Vec<T>, batch| {
            let text = |name| batch.text(name);
            let (op_id, account_id, group, kind) = (text("op_id")?, text("account_id")?, text("group")?, text("kind")?);
            let (inst_id, ccy, side, mode) = (text("inst_id")?, text("ccy")?, text("side")?, text("spot_offset")?);
            let (qty, px) = (batch.numbers("qty")?, batch.numbers("px")?);
            local.extend((0..batch.rows).map(|row| {
                keep(&Asked {
                    op_id: op_id.get(row),
                    account_id: account_id.get(row),
                    group: group.get(row),
                    kind: kind.get(row),
                    inst_id: inst_id.get(row),
                    ccy: ccy.get(row),
                    side: side.get(row),
                    spot_offset: mode.get(row),
                    qty: Given::cell(&qty, row),
                    px: Given::cell(&px, row),
                })
            }));
            Ok(())
        },
        |mut local| {
            kept.append(&mut local);
            Ok(())
        },
    )?;
    if u32::try_from(kept.len()).is_err() {
        let most = format!("no more than {}", u32::MAX);
        return Err(Invalid::new("too many operations").file(path).value(kept.len().to_string()).expected(most).into());
    }
    for (input, rows) in inputs.iter_mut().zip(rows) {
        input.rows = Some(rows);
    }
    Ok((kept, inputs))
}
