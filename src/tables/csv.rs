//! Record batches as CSV text.
//!
//! Comma, line feed, quotes where needed, a header line. A float stands in the shortest form that reads back to the
//! same bits, and always looks like a float (`1.0`, `1e-7`); null is an empty cell.
//! Text that a spreadsheet would run as a formula gets a leading apostrophe; numbers are never touched.

use super::columns::TableSpec;
use crate::{Error, Result};
use arrow_array::cast::AsArray;
use arrow_array::types::{Float64Type, Int64Type};
use arrow_array::{Array, RecordBatch};
use arrow_schema::DataType;
use std::borrow::Cow;
use std::fmt::Write as _;

/// The header line of a table.
pub(crate) fn header(spec: &TableSpec) -> Vec<u8> {
    let names: Vec<&str> = spec.columns.iter().map(|column| column.name.as_ref()).collect();
    let mut line = names.join(",").into_bytes();
    line.push(b'\n');
    line
}

/// The rows of a batch, without a header.
pub(crate) fn rows(batch: &RecordBatch) -> Result<Vec<u8>> {
    let mut out = csv::Writer::from_writer(Vec::with_capacity(batch.num_rows() * batch.num_columns() * 12));
    let failed = |err: &dyn std::fmt::Display| Error::Runtime(format!("cannot form CSV: {err}"));
    let mut cell = String::new();
    for row in 0..batch.num_rows() {
        for column in batch.columns() {
            cell.clear();
            write_cell(&mut cell, column, row)?;
            out.write_field(&cell).map_err(|err| failed(&err))?;
        }
        out.write_record(None::<&[u8]>).map_err(|err| failed(&err))?;
    }
    out.into_inner().map_err(|err| failed(&err))
}

/// What a spreadsheet may take for the start of a formula: signs, also in their full width, and white space that some
/// programs skip before a sign.
const FORMULA_STARTS: [char; 11] = ['=', '+', '-', '@', '\t', '\r', '\n', '＝', '＋', '－', '＠'];

/// True if text begins like a formula, apostrophes in front aside.
fn is_formula(text: &str) -> bool {
    text.trim_start_matches('\'').starts_with(FORMULA_STARTS)
}

/// Text as it stands in a cell: with an apostrophe in front if it begins like a formula. Text that has such an
/// apostrophe already gets another one, so that [`unguarded`] gives back every text.
pub(crate) fn formula_safe(text: &str) -> Cow<'_, str> {
    if is_formula(text) { Cow::Owned(format!("'{text}")) } else { Cow::Borrowed(text) }
}

/// Text of a cell without the apostrophe of [`formula_safe`].
pub(crate) fn unguarded(cell: &str) -> &str {
    match cell.strip_prefix('\'') {
        Some(text) if is_formula(text) => text,
        _ => cell,
    }
}

fn write_cell(cell: &mut String, column: &dyn Array, row: usize) -> Result<()> {
    if column.is_null(row) {
        return Ok(());
    }
    let written = match column.data_type() {
        DataType::Utf8 => {
            cell.push_str(&formula_safe(column.as_string::<i32>().value(row)));
            Ok(())
        }
        DataType::Float64 => write!(cell, "{:?}", column.as_primitive::<Float64Type>().value(row)),
        DataType::Int64 => write!(cell, "{}", column.as_primitive::<Int64Type>().value(row)),
        DataType::Boolean => write!(cell, "{}", column.as_boolean().value(row)),
        other => return Err(Error::Runtime(format!("no CSV form for `{other}`"))),
    };
    written.map_err(|err| Error::Runtime(format!("cannot form CSV: {err}")))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::figures::Unit;
    use crate::tables::columns;
    use crate::tables::columns::{Column, Kind};

    fn spec() -> TableSpec {
        let column = |name: &'static str, kind, nullable| Column {
            name: name.into(),
            meaning: "".into(),
            unit: Unit::Text,
            kind,
            nullable,
            statistics: false,
        };
        let columns = vec![
            column("id", Kind::Text, true),
            column("x", Kind::Number, true),
            column("n", Kind::Count, false),
            column("b", Kind::Flag, false),
        ];
        TableSpec::new("t", "row", columns)
    }

    #[test]
    fn cells() {
        for (id, x, n, b, line) in [
            (Some("a"), Some(0.1), 1, true, "a,0.1,1,true"),
            (Some("a,b"), Some(1.0), -1, false, "\"a,b\",1.0,-1,false"),
            (Some("say \"x\""), Some(-2.5e-9), 0, false, "\"say \"\"x\"\"\",-2.5e-9,0,false"),
            (Some("=1+1"), Some(1e300), 0, false, "'=1+1,1e300,0,false"),
            (Some("+1"), Some(-0.0), 0, false, "'+1,-0.0,0,false"),
            (Some("-5"), Some(1.0 / 3.0), 0, false, "'-5,0.3333333333333333,0,false"),
            (Some("@x"), Some(123_456_789.123), 0, false, "'@x,123456789.123,0,false"),
            (Some("\tx"), None, 0, false, "'\tx,,0,false"),
            (Some("\nx"), None, 0, false, "\"'\nx\",,0,false"),
            (Some("＝1"), None, 0, false, "'＝1,,0,false"),
            (Some("'=1"), None, 0, false, "''=1,,0,false"),
            (Some("a=b"), None, 0, false, "a=b,,0,false"),
            (None, None, 7, true, ",,7,true"),
        ] {
            let batch = spec()
                .batch(vec![
                    columns::optional_texts([id].into_iter()).unwrap(),
                    columns::optional_numbers([x].into_iter()),
                    columns::counts([n].into_iter()),
                    columns::flags([b].into_iter()),
                ])
                .unwrap();
            assert_eq!(String::from_utf8(rows(&batch).unwrap()).unwrap(), format!("{line}\n"));
        }
        assert_eq!(header(&spec()), b"id,x,n,b\n");
    }

    #[test]
    fn every_text_comes_back() {
        let starts = FORMULA_STARTS.map(String::from);
        let starts = starts.iter().map(String::as_str).chain(["", "'", "a", "\"", ","]);
        for start in starts {
            for apostrophes in ["", "'", "''"] {
                for rest in ["", "x", "=1", "'"] {
                    let text = format!("{apostrophes}{start}{rest}");
                    let cell = formula_safe(&text);
                    assert_eq!(unguarded(&cell), text, "{cell:?}");
                    assert!(!cell.starts_with(FORMULA_STARTS), "{cell:?}");
                }
            }
        }
        assert_eq!(unguarded("'a"), "'a");
    }

    #[test]
    fn floats_read_back_to_the_same_bits() {
        for value in [f64::MIN_POSITIVE, 5e-324, 0.1 + 0.2, 1e15, 1e16, 9_007_199_254_740_993.0, f64::MAX] {
            let mut cell = String::new();
            write_cell(&mut cell, &columns::numbers([value].into_iter()), 0).unwrap();
            assert_eq!(cell.parse::<f64>().unwrap().to_bits(), value.to_bits(), "{cell}");
        }
    }
}
