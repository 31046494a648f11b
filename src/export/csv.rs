//! Rows as CSV for loaders: text always in quotes, null as nothing, so that the two stay apart; floats in the shortest
//! form that reads back to the same bits.
//!
//! This is not the CSV of `--format csv`: no apostrophe guards a spreadsheet here.

use super::strange;
use crate::Result;
use crate::cells::arrays::strings;
use arrow_array::cast::AsArray;
use arrow_array::types::{Float64Type, Int64Type};
use arrow_array::{Array, ArrayRef, RecordBatch};
use arrow_schema::{DataType, Schema};
use std::io::{self, Write};
use std::path::Path;

pub(super) fn begin(schema: &Schema, to: &mut dyn Write) -> io::Result<()> {
    let names: Vec<&str> = schema.fields().iter().map(|field| field.name().as_str()).collect();
    writeln!(to, "{}", names.join(","))
}

pub(super) fn rows(batch: &RecordBatch) -> Result<Vec<u8>> {
    let mut columns = Vec::with_capacity(batch.num_columns());
    for (field, column) in batch.schema_ref().fields().iter().zip(batch.columns()) {
        columns.push(texts(field.name(), column)?);
    }
    let mut text = String::new();
    for row in 0..batch.num_rows() {
        for (place, column) in columns.iter().enumerate() {
            if place > 0 {
                text.push(',');
            }
            column(row, &mut text);
        }
        text.push('\n');
    }
    Ok(text.into_bytes())
}

/// Writes the cell of a row.
type Cell<'a> = Box<dyn Fn(usize, &mut String) + 'a>;

fn texts<'a>(name: &str, column: &'a ArrayRef) -> Result<Cell<'a>> {
    use std::fmt::Write as _;
    Ok(match column.data_type() {
        DataType::Utf8 => {
            let cells = column.as_string::<i32>();
            Box::new(move |row, text| {
                if cells.is_valid(row) {
                    // Writing to a String does not fail.
                    let _ = write!(text, "\"{}\"", cells.value(row).replace('"', "\"\""));
                }
            })
        }
        DataType::Float64 => {
            let cells = column.as_primitive::<Float64Type>();
            Box::new(move |row, text| {
                if cells.is_valid(row) {
                    let _ = write!(text, "{:?}", cells.value(row));
                }
            })
        }
        DataType::Int64 => {
            let cells = column.as_primitive::<Int64Type>();
            Box::new(move |row, text| {
                if cells.is_valid(row) {
                    let _ = write!(text, "{}", cells.value(row));
                }
            })
        }
        DataType::Boolean => {
            let cells = column.as_boolean();
            Box::new(move |row, text| {
                if cells.is_valid(row) {
                    let _ = write!(text, "{}", cells.value(row));
                }
            })
        }
        other @ DataType::Dictionary(..) => match strings(column) {
            Ok(cells) => Box::new(move |row, text| {
                if cells.is_valid(row) {
                    let _ = write!(text, "\"{}\"", cells.value(row).replace('"', "\"\""));
                }
            }),
            Err(_) => return Err(strange(name, other, Path::new(""))),
        },
        other => return Err(strange(name, other, Path::new(""))),
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use arrow_array::{BooleanArray, Float64Array, StringArray};
    use arrow_schema::Field;
    use std::sync::Arc;

    #[test]
    fn empty_text_and_null_differ() {
        let schema = Arc::new(Schema::new(vec![
            Field::new("a", DataType::Utf8, true),
            Field::new("b", DataType::Float64, true),
            Field::new("c", DataType::Boolean, true),
        ]));
        let columns: Vec<ArrayRef> = vec![
            Arc::new(StringArray::from(vec![Some(""), None, Some("=a\"b,\n")])),
            Arc::new(Float64Array::from(vec![Some(0.1 + 0.2), None, Some(-1e300)])),
            Arc::new(BooleanArray::from(vec![Some(true), None, Some(false)])),
        ];
        let mut bytes = Vec::new();
        begin(&schema, &mut bytes).unwrap();
        bytes.extend(rows(&RecordBatch::try_new(schema, columns).unwrap()).unwrap());
        let text = String::from_utf8(bytes).unwrap();
        assert_eq!(text, "a,b,c\n\"\",0.30000000000000004,true\n,,\n\"=a\"\"b,\n\",-1e300,false\n");
    }
}
