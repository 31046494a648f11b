//! What one account adds to its groups, as bytes: the names of its groups, and its margin in each scenario with those
//! of its risk units, every figure with its bits.
//!
//! ```text
//! groups       one text a grouping
//! scenarios    one margin of the account each, then the number of its units, then each unit: its name, its margin
//! ```
//!
//! Numbers are little-endian; a text is its length and its bytes. The bytes are for the same version of the program:
//! they go from one process of a computation to another, and are not kept.

use crate::book::Book;
use crate::engine::{Chunk, units_by_account};
use crate::margin::{AccountMargin, Status, UnitMargin, VolState};
use crate::{Error, Result};
use arrow_array::builder::{BinaryBuilder, StringBuilder};
use arrow_array::{ArrayRef, RecordBatch};
use arrow_schema::{DataType, Field, Schema, SchemaRef};
use std::sync::Arc;

pub(super) const ACCOUNT_ID: &str = "account_id";
pub(super) const TERMS: &str = "terms";

/// Columns of the table.
pub(super) fn schema() -> SchemaRef {
    let fields = vec![Field::new(ACCOUNT_ID, DataType::Utf8, false), Field::new(TERMS, DataType::Binary, true)];
    Arc::new(Schema::new(fields))
}

fn batch(ids: &mut StringBuilder, terms: &mut BinaryBuilder) -> Result<RecordBatch> {
    let columns: Vec<ArrayRef> = vec![Arc::new(ids.finish()), Arc::new(terms.finish())];
    RecordBatch::try_new(schema(), columns)
        .map_err(|error| Error::Runtime(format!("cannot put down what accounts add to their groups: {error}")))
}

/// The rows of accounts that are left out.
pub(super) fn left_out<'a>(accounts: impl Iterator<Item = &'a str>) -> Result<RecordBatch> {
    let (mut ids, mut terms) = (StringBuilder::new(), BinaryBuilder::new());
    for account in accounts {
        ids.append_value(account);
        terms.append_null();
    }
    batch(&mut ids, &mut terms)
}

/// The rows of a piece of a book.
pub(super) struct Writer<'a> {
    unit_names: &'a [String],
    /// Of each account so far.
    margins: Vec<Vec<u8>>,
}

impl<'a> Writer<'a> {
    pub fn new(unit_names: &'a [String]) -> Self {
        Self { unit_names, margins: Vec::new() }
    }

    /// Adds the accounts that follow, one chunk a scenario.
    pub fn add(&mut self, book: &Book, scenarios: &[Chunk]) {
        let first = self.margins.len();
        for chunk in scenarios {
            self.margins.resize_with(first + chunk.accounts.len(), Vec::new);
            for ((place, units), margin) in units_by_account(chunk).zip(&chunk.accounts) {
                let account = chunk.first_account + place;
                let Some(bytes) = self.margins.get_mut(first + place) else { continue };
                if bytes.is_empty() {
                    book.groups().iter().for_each(|groups| put_text(bytes, groups.name(account)));
                }
                put_account(bytes, margin);
                put_count(bytes, units.len());
                for unit in units {
                    put_text(bytes, self.unit_names.get(unit.unit as usize).map_or("", String::as_str));
                    put_unit(bytes, unit);
                }
            }
        }
    }

    pub fn finish(self, book: &Book) -> Result<RecordBatch> {
        if self.margins.len() != book.len() {
            return Err(Error::Runtime("not every account says what it adds to its groups".to_owned()));
        }
        let bytes = self.margins.iter().map(Vec::len).sum::<usize>();
        if i32::try_from(bytes).is_err() {
            let text = "what accounts add to their groups takes more than 2 GiB in one batch of them";
            return Err(Error::Runtime(text.to_owned()).hint("use fewer scenarios at once"));
        }
        let (mut ids, mut terms) = (StringBuilder::new(), BinaryBuilder::with_capacity(book.len(), bytes));
        for (account, margins) in book.accounts().iter().zip(&self.margins) {
            ids.append_value(account);
            terms.append_value(margins);
        }
        batch(&mut ids, &mut terms)
    }
}

fn put_count(bytes: &mut Vec<u8>, count: usize) {
    bytes.extend(u32::try_from(count).unwrap_or(u32::MAX).to_le_bytes());
}

fn put_text(bytes: &mut Vec<u8>, text: &str) {
    put_count(bytes, text.len());
    bytes.extend(text.as_bytes());
}

fn put_numbers<const N: usize>(bytes: &mut Vec<u8>, numbers: [f64; N]) {
    for number in numbers {
        bytes.extend(number.to_le_bytes());
    }
}

fn put_place<T: PartialEq>(bytes: &mut Vec<u8>, all: &[T], one: &T) {
    let place = all.iter().position(|other| other == one);
    bytes.push(place.and_then(|place| u8::try_from(place).ok()).unwrap_or(u8::MAX));
}

// Every field is named in both directions: a new one does not compile until it is put down and read.

fn put_account(bytes: &mut Vec<u8>, margin: &AccountMargin) {
    let &AccountMargin {
        adj_eq,
        total_eq,
        upl,
        mmr,
        imr,
        deriv_mmr,
        borrow_mmr,
        borrow_imr,
        liquidation_fee,
        margin_ratio,
        status,
        im_deficit,
        ineligible,
        mmr_no_hedge,
        imr_no_hedge,
        order_imr,
    } = margin;
    put_numbers(bytes, [adj_eq, total_eq, upl, mmr, imr, deriv_mmr, borrow_mmr, borrow_imr, liquidation_fee]);
    put_numbers(bytes, [mmr_no_hedge, imr_no_hedge, order_imr, margin_ratio.unwrap_or_default()]);
    put_place(bytes, &Status::ALL, &status);
    bytes.extend([margin_ratio.is_some(), im_deficit, ineligible].map(u8::from));
}

fn put_unit(bytes: &mut Vec<u8>, margin: &UnitMargin) {
    let &UnitMargin {
        unit: _,
        mr1,
        mr1_price,
        mr1_vol,
        mr2,
        mr3,
        mr4,
        mr5,
        mr6,
        mr6_price,
        mr7,
        mr9,
        mmr,
        imr,
        cash_delta,
        gamma,
        vega,
        theta,
        spot_in_use,
        upl,
        mmr_no_hedge,
        order_imr,
    } = margin;
    put_numbers(bytes, [mr1, mr1_price, mr2, mr3, mr4, mr5, mr6, mr6_price, mr7, mr9]);
    put_numbers(bytes, [mmr, imr, cash_delta, gamma, vega, theta, spot_in_use, upl, mmr_no_hedge, order_imr]);
    put_place(bytes, &VolState::ALL, &mr1_vol);
}

/// Reads what [`Writer`] put down, from front to end.
pub(super) struct Reader<'a>(&'a [u8]);

impl<'a> Reader<'a> {
    pub fn new(bytes: &'a [u8]) -> Self {
        Self(bytes)
    }

    pub fn is_at_end(&self) -> bool {
        self.0.is_empty()
    }

    fn take<const N: usize>(&mut self) -> Result<[u8; N]> {
        let (head, rest) = self.0.split_first_chunk::<N>().ok_or_else(broken)?;
        self.0 = rest;
        Ok(*head)
    }

    pub fn count(&mut self) -> Result<usize> {
        Ok(u32::from_le_bytes(self.take()?) as usize)
    }

    pub fn text(&mut self) -> Result<&'a str> {
        let length = self.count()?;
        let (text, rest) = self.0.split_at_checked(length).ok_or_else(broken)?;
        self.0 = rest;
        std::str::from_utf8(text).map_err(|_| broken())
    }

    fn number(&mut self) -> Result<f64> {
        Ok(f64::from_le_bytes(self.take()?))
    }

    fn flag(&mut self) -> Result<bool> {
        match self.take()? {
            [0] => Ok(false),
            [1] => Ok(true),
            _ => Err(broken()),
        }
    }

    fn place<T: Copy>(&mut self, all: &[T]) -> Result<T> {
        let [place] = self.take()?;
        all.get(usize::from(place)).copied().ok_or_else(broken)
    }

    /// The margin of the account in the next scenario.
    pub fn account(&mut self) -> Result<AccountMargin> {
        let mut margin = AccountMargin {
            adj_eq: self.number()?,
            total_eq: self.number()?,
            upl: self.number()?,
            mmr: self.number()?,
            imr: self.number()?,
            deriv_mmr: self.number()?,
            borrow_mmr: self.number()?,
            borrow_imr: self.number()?,
            liquidation_fee: self.number()?,
            mmr_no_hedge: self.number()?,
            imr_no_hedge: self.number()?,
            order_imr: self.number()?,
            margin_ratio: Some(self.number()?),
            status: self.place(&Status::ALL)?,
            im_deficit: false,
            ineligible: false,
        };
        if !self.flag()? {
            margin.margin_ratio = None;
        }
        (margin.im_deficit, margin.ineligible) = (self.flag()?, self.flag()?);
        Ok(margin)
    }

    /// The margin of the next risk unit, which has this number.
    pub fn unit(&mut self, unit: u32) -> Result<UnitMargin> {
        Ok(UnitMargin {
            unit,
            mr1: self.number()?,
            mr1_price: self.number()?,
            mr2: self.number()?,
            mr3: self.number()?,
            mr4: self.number()?,
            mr5: self.number()?,
            mr6: self.number()?,
            mr6_price: self.number()?,
            mr7: self.number()?,
            mr9: self.number()?,
            mmr: self.number()?,
            imr: self.number()?,
            cash_delta: self.number()?,
            gamma: self.number()?,
            vega: self.number()?,
            theta: self.number()?,
            spot_in_use: self.number()?,
            upl: self.number()?,
            mmr_no_hedge: self.number()?,
            order_imr: self.number()?,
            mr1_vol: self.place(&VolState::ALL)?,
        })
    }
}

#[cold]
pub(super) fn broken() -> Error {
    Error::Runtime("what an account adds to its groups cannot be read: another version may have written it".to_owned())
}
