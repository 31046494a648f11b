//! The groups of the rows of `accounts`, by the attributes that they are grouped by.

use crate::book::{BookBuilder, Grouping, IdTable, Interner};
use crate::cells::text::{self, Memo, Text};
use crate::formats::batch::Batch;
use crate::{Error, Invalid, Result};
use hashbrown::HashMap;

/// The group of each sound row of a part of `accounts`, in each grouping.
#[derive(Default)]
pub(crate) struct RowGroups {
    by: Vec<Combined>,
}

/// The groups of one grouping: a value is looked up once, and so is each combination of values.
#[derive(Default)]
struct Combined {
    /// Of each attribute the values that were seen.
    values: Vec<Interner>,
    /// The group of each combination: by value, 0 if it is missing, else its number from 1 on.
    known: HashMap<Vec<u32>, u32>,
    /// The combination of the row before, and its group.
    last: (Vec<u32>, u32),
    names: IdTable,
    /// One entry a row.
    codes: Vec<u32>,
}

/// The column of an attribute, and the number of each of its values that was seen.
type Attribute = (Text, Memo<u32>);

/// The attributes of a batch, by grouping.
pub(crate) struct Attributes<'b> {
    batch: &'b Batch,
    by: Vec<(&'b Grouping, Vec<Attribute>)>,
    buffer: Vec<u32>,
}

/// Bytes of the longest value that may name a group: every table and every part of the book repeats it.
const LONGEST: usize = 1024;

impl<'b> Attributes<'b> {
    /// # Errors
    /// [`crate::Invalid`] naming the column that holds no text.
    pub fn of(batch: &'b Batch, groups: &'b [Grouping]) -> Result<Self> {
        let column = |name: &String| {
            let text = batch.text(name)?;
            let memo = text.memo();
            Ok((text, memo))
        };
        let of = |grouping: &'b Grouping| {
            Ok((grouping, grouping.attributes().iter().map(column).collect::<Result<Vec<_>>>()?))
        };
        Ok(Self { batch, by: groups.iter().map(of).collect::<Result<_>>()?, buffer: Vec::new() })
    }

    fn too_long(batch: &Batch, column: &str, row: usize, value: &str) -> Error {
        Invalid::new(format!("a value of {} bytes, too long to name a group", value.len()))
            .file(&batch.file)
            .column(column)
            .row(batch.first_row + row as u64)
            .value(text::cut(value))
            .expected(format!("at most {LONGEST} bytes"))
            .hint("group by another column")
            .into()
    }
}

impl RowGroups {
    /// Adds a row of a batch.
    ///
    /// # Errors
    /// [`Invalid`] for a value that is too long to name a group.
    pub fn push(&mut self, attributes: &mut Attributes, row: usize) -> Result<()> {
        let Attributes { batch, by, buffer } = attributes;
        self.by.resize_with(by.len(), Combined::default);
        for (combined, (grouping, columns)) in self.by.iter_mut().zip(by) {
            combined.values.resize_with(columns.len(), Interner::default);
            buffer.clear();
            for (((text, memo), values), name) in
                columns.iter_mut().zip(&mut combined.values).zip(grouping.attributes())
            {
                let number = memo.get(text, row, |value| match value.len() {
                    ..=LONGEST => Ok(values.intern(value) + 1),
                    _ => Err(Attributes::too_long(batch, name, row, value)),
                })?;
                buffer.push(number.unwrap_or(0));
            }
            let code = combined.code(grouping, buffer);
            combined.codes.push(code);
        }
        Ok(())
    }

    /// Adds the groups of a row to a book in the making. `known` are the numbers there of the groups here, empty at
    /// first: a name is looked up once.
    pub fn enter(&self, row: usize, builder: &mut BookBuilder, known: &mut Vec<Vec<Option<u32>>>) {
        known.resize_with(self.by.len(), Vec::new);
        for (place, (combined, known)) in self.by.iter().zip(known).enumerate() {
            known.resize(combined.names.len(), None);
            let code = combined.codes[row] as usize;
            let number = *known[code].get_or_insert_with(|| builder.group_number(place, combined.names.get(code)));
            builder.group(place, number);
        }
    }
}

impl Combined {
    fn code(&mut self, grouping: &Grouping, numbers: &[u32]) -> u32 {
        let (last, code) = &self.last;
        if last == numbers {
            return *code;
        }
        let code = if let Some(&code) = self.known.get(numbers) {
            code
        } else {
            let value = |(number, values): (&u32, &'_ Interner)| {
                number.checked_sub(1).map(|place| values.ids().get(place as usize).to_owned())
            };
            let values: Vec<Option<String>> = numbers.iter().zip(&self.values).map(value).collect();
            let code = self.names.push(&grouping.group(values.iter().map(Option::as_deref)));
            self.known.insert(numbers.to_vec(), code);
            code
        };
        self.last.0.clear();
        self.last.0.extend_from_slice(numbers);
        self.last.1 = code;
        code
    }
}
