//! CSV, strict: columns by header name, every row as long as the header, UTF-8 throughout.

use super::Column;
use super::batch::{Batch, duplicate, project};
use super::look::CsvBytes;
use super::quotes::StrictQuotes;
use crate::source::Input;
use crate::{Error, Invalid, Result};
use arrow_array::ArrayRef;
use arrow_array::builder::StringBuilder;
use arrow_schema::DataType;
use csv::{ErrorKind, StringRecord};
use std::path::Path;
use std::sync::Arc;

const BATCH_ROWS: usize = 1 << 15;

/// Whether a cell may hold line breaks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum LineBreaks {
    /// In files of others: a quote that is never closed swallows the rows that follow, and they must not vanish.
    Refused,
    /// In tables that this program wrote: an id may hold them, and it is quoted then.
    Kept,
}

/// An opened file.
pub(crate) struct Batches {
    pub input: Input,
    file: Arc<Path>,
    reader: csv::Reader<StrictQuotes<CsvBytes>>,
    record: StringRecord,
    /// Place and name of each column that is read.
    columns: Vec<(usize, String)>,
    line_breaks: LineBreaks,
    next_row: u64,
    /// The names of all columns.
    pub names: Vec<String>,
    /// Columns without a name, which must be empty.
    nameless: Vec<usize>,
}

impl Batches {
    /// Reads the header and checks the columns.
    pub fn open(input: &Input, columns: &[Column], line_breaks: LineBreaks) -> Result<Self> {
        let file = input.path();
        let bytes = StrictQuotes::new(CsvBytes::open(input)?);
        let mut reader = csv::ReaderBuilder::new().buffer_capacity(1 << 18).from_reader(bytes);
        let header = reader.headers().map_err(|error| invalid(file, 0, &error))?.clone();
        let all: Vec<String> = header.iter().filter(|name| !name.is_empty()).map(str::to_owned).collect();
        // Spreadsheets leave columns without a name and without a cell at the end.
        let nameless: Vec<usize> = (0..header.len()).filter(|&place| header.get(place) == Some("")).collect();
        let mut names: Vec<&str> = header.iter().filter(|name| !name.is_empty()).collect();
        names.sort_unstable();
        let twice = |pair: &[&str]| matches!(pair, [first, second] if first == second);
        if let Some([name, ..]) = names.windows(2).find(|pair| twice(pair)) {
            return Err(duplicate(file, name).into());
        }
        let found: Vec<_> = header.iter().map(|name| (name, &DataType::Utf8)).collect();
        let places = project(file, columns, &found)?;
        let columns = places.into_iter().filter_map(|place| Some((place, header.get(place)?.to_owned()))).collect();
        Ok(Self {
            input: input.clone(),
            file: file.into(),
            reader,
            record: StringRecord::new(),
            columns,
            line_breaks,
            next_row: 1,
            names: all,
            nameless,
        })
    }

    pub fn next(&mut self) -> Result<Option<Batch>> {
        let mut cells: Vec<StringBuilder> = self.columns.iter().map(|_| StringBuilder::new()).collect();
        let first_row = self.next_row;
        let mut rows = 0;
        while rows < BATCH_ROWS {
            let row = first_row + rows as u64;
            let more = self.reader.read_record(&mut self.record);
            if !more.map_err(|error| invalid(&self.file, row, &error))? {
                break;
            }
            let broken = |cell: &&str| self.line_breaks == LineBreaks::Refused && cell.contains(['\n', '\r']);
            if let Some(cell) = self.record.iter().find(broken) {
                return Err(Invalid::new("a line break inside a cell")
                    .file(&self.file)
                    .row(row)
                    .value(crate::cells::text::cut(cell))
                    .expected("one row a line")
                    .hint("a quote was probably left open")
                    .into());
            }
            let full = self.nameless.iter().filter_map(|&place| self.record.get(place)).find(|cell| !cell.is_empty());
            if let Some(cell) = full {
                return Err(Invalid::new("a value in a column without a name")
                    .file(&self.file)
                    .row(row)
                    .value(crate::cells::text::cut(cell))
                    .expected("a name for each column in the header, or nothing in it")
                    .into());
            }
            for (cells, (place, _)) in cells.iter_mut().zip(&self.columns) {
                cells.append_value(self.record.get(*place).unwrap_or_default());
            }
            rows += 1;
        }
        if rows == 0 {
            return Ok(None);
        }
        self.next_row += rows as u64;
        let columns = self.columns.iter().zip(&mut cells);
        let columns = columns.map(|((_, name), cells)| (name.clone(), Arc::new(cells.finish()) as ArrayRef)).collect();
        Ok(Some(Batch { file: Arc::clone(&self.file), first_row, rows, rows_ahead: rows as u64, columns }))
    }
}

/// `row` is 0 for the header.
fn invalid(file: &Path, row: u64, error: &csv::Error) -> Error {
    let line = error.position().map(csv::Position::line);
    let at = line.map_or_else(String::new, |line| format!(" in line {line}"));
    let invalid = match error.kind() {
        ErrorKind::UnequalLengths { expected_len, len, .. } => Invalid::new(format!("a row of another length{at}"))
            .value(format!("{len} cells"))
            .expected(format!("{expected_len} cells, as in the header")),
        ErrorKind::Utf8 { .. } => Invalid::new(format!("bytes that are not text{at}")).expected("UTF-8"),
        // Found while reading ahead: the line is right, the row that is asked for is an earlier one.
        ErrorKind::Io(broken) if broken.kind() == std::io::ErrorKind::InvalidData => {
            let problem = broken.to_string();
            let expected = if problem.contains("quote") { "a quoted cell to end with its closing quote" } else { "" };
            let invalid = Invalid::new(problem).file(file);
            return if expected.is_empty() { invalid } else { invalid.expected(expected) }.into();
        }
        _ => Invalid::new(format!("the file cannot be read: {error}")),
    };
    if row == 0 { invalid.file(file).into() } else { invalid.file(file).row(row).into() }
}
