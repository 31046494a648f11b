//! Rows in the binary format of PostgreSQL's `COPY`: a head, for each row its number of fields and for each field its
//! length and bytes, big end first, and an end.

use super::strange;
use crate::cells::arrays::strings;
use crate::{Invalid, Result};
use arrow_array::cast::AsArray;
use arrow_array::types::{Float64Type, Int64Type};
use arrow_array::{Array, ArrayRef, BooleanArray, Float64Array, Int64Array, RecordBatch, StringArray};
use arrow_schema::DataType;
use std::io::{self, Write};
use std::path::Path;

/// Signature, flags, length of what extends the head.
const HEAD: &[u8] = b"PGCOPY\n\xff\r\n\0\0\0\0\0\0\0\0\0";
const NULL: i32 = -1;
const END: i16 = -1;

pub(super) fn begin(to: &mut dyn Write) -> io::Result<()> {
    to.write_all(HEAD)
}

pub(super) fn end(to: &mut dyn Write) -> io::Result<()> {
    to.write_all(&END.to_be_bytes())
}

enum Cells {
    Text(StringArray),
    Number(Float64Array),
    Count(Int64Array),
    Flag(BooleanArray),
}

fn cells(name: &str, column: &ArrayRef, file: &Path) -> Result<Cells> {
    Ok(match column.data_type() {
        DataType::Utf8 => Cells::Text(column.as_string().clone()),
        DataType::Float64 => Cells::Number(column.as_primitive::<Float64Type>().clone()),
        DataType::Int64 => Cells::Count(column.as_primitive::<Int64Type>().clone()),
        DataType::Boolean => Cells::Flag(column.as_boolean().clone()),
        other @ DataType::Dictionary(..) => match strings(column) {
            Ok(text) => Cells::Text(text),
            Err(_) => return Err(strange(name, other, file)),
        },
        other => return Err(strange(name, other, file)),
    })
}

/// The rows of a batch; `before` rows stand before them in the file, which errors name.
pub(super) fn rows(batch: &RecordBatch, before: u64, file: &Path) -> Result<Vec<u8>> {
    let schema = batch.schema_ref();
    let named = schema.fields().iter().zip(batch.columns());
    let columns = named.map(|(field, column)| cells(field.name(), column, file)).collect::<Result<Vec<_>>>()?;
    let fields = i16::try_from(columns.len()).unwrap_or(i16::MAX);
    let mut bytes = Vec::with_capacity(batch.num_rows() * (2 + columns.len() * 12));
    for row in 0..batch.num_rows() {
        bytes.extend(fields.to_be_bytes());
        for (place, column) in columns.iter().enumerate() {
            match column {
                Cells::Text(cells) if cells.is_valid(row) => {
                    let text = cells.value(row);
                    if text.contains('\0') {
                        let name = schema.field(place).name();
                        return Err(Invalid::new("text with a NUL, which PostgreSQL cannot hold")
                            .file(file)
                            .column(name)
                            .row(before + row as u64 + 1)
                            .value(text)
                            .into());
                    }
                    let length = i32::try_from(text.len()).unwrap_or(i32::MAX);
                    bytes.extend(length.to_be_bytes());
                    bytes.extend(text.as_bytes());
                }
                Cells::Number(cells) if cells.is_valid(row) => {
                    bytes.extend(8i32.to_be_bytes());
                    bytes.extend(cells.value(row).to_be_bytes());
                }
                Cells::Count(cells) if cells.is_valid(row) => {
                    bytes.extend(8i32.to_be_bytes());
                    bytes.extend(cells.value(row).to_be_bytes());
                }
                Cells::Flag(cells) if cells.is_valid(row) => {
                    bytes.extend(1i32.to_be_bytes());
                    bytes.push(u8::from(cells.value(row)));
                }
                _ => bytes.extend(NULL.to_be_bytes()),
            }
        }
    }
    Ok(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;
    use arrow_schema::{Field, Schema};
    use std::sync::Arc;

    fn batch(text: &str) -> RecordBatch {
        let field = |name: &str, kind| Field::new(name, kind, true);
        let schema = Schema::new(vec![
            field("a", DataType::Utf8),
            field("b", DataType::Float64),
            field("c", DataType::Int64),
            field("d", DataType::Boolean),
        ]);
        let columns: Vec<ArrayRef> = vec![
            Arc::new(StringArray::from(vec![Some(text), None])),
            Arc::new(Float64Array::from(vec![Some(1.0), None])),
            Arc::new(Int64Array::from(vec![Some(-2), None])),
            Arc::new(BooleanArray::from(vec![Some(true), None])),
        ];
        RecordBatch::try_new(Arc::new(schema), columns).unwrap()
    }

    /// Against the format as PostgreSQL documents it, byte by byte.
    #[test]
    fn rows_are_as_documented() {
        let mut bytes = Vec::new();
        begin(&mut bytes).unwrap();
        assert_eq!(bytes, b"PGCOPY\n\xff\r\n\0\0\0\0\0\0\0\0\0", "11 bytes, flags, length of the extension");
        let rows = rows(&batch("é"), 0, Path::new("x")).unwrap();
        let mut expected = vec![0, 4, 0, 0, 0, 2, 0xc3, 0xa9, 0, 0, 0, 8, 0x3f, 0xf0, 0, 0, 0, 0, 0, 0];
        expected.extend([0, 0, 0, 8, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xfe, 0, 0, 0, 1, 1]);
        expected.extend([0, 4].into_iter().chain([0xff; 16]));
        assert_eq!(rows, expected);
    }

    #[test]
    fn text_that_cannot_be_held_is_named() {
        let error = rows(&batch("a\0b"), 7, Path::new("x.parquet")).unwrap_err();
        for words in ["x.parquet", "column `a`", "row 8"] {
            assert!(error.to_string().contains(words), "{error}");
        }
    }
}
