//! Arrays of the types that tables may have, as the types that we read.
//!
//! A closed list of conversions, each without loss. The crate that converts any type into any other would take an
//! eighth of the time of a build.

use arrow_array::builder::StringDictionaryBuilder;
use arrow_array::cast::AsArray;
use arrow_array::types::{ArrowPrimitiveType, Decimal32Type, Decimal64Type, Decimal128Type, Float32Type, Float64Type};
use arrow_array::types::{ArrowTimestampType, Int8Type, Int16Type, Int32Type, Int64Type};
use arrow_array::types::{TimestampMicrosecondType, TimestampMillisecondType, TimestampNanosecondType};
use arrow_array::types::{TimestampSecondType, UInt8Type, UInt16Type, UInt32Type, UInt64Type};
use arrow_array::{Array, ArrayRef, Decimal128Array, Int32Array, Int64Array, PrimitiveArray, StringArray};
use arrow_schema::{DataType, TimeUnit};
use arrow_select::take::take;
use std::fmt::{Debug, Write};
use std::sync::Arc;

/// Dictionaries written out; any other array as it is.
///
/// # Errors
/// A key has no value.
pub(crate) fn plain(array: &ArrayRef) -> Result<ArrayRef, String> {
    match array.as_any_dictionary_opt() {
        None => Ok(Arc::clone(array)),
        Some(dictionary) => take(dictionary.values(), dictionary.keys(), None).map_err(|error| error.to_string()),
    }
}

/// The strings that an array stands for: strings of every layout, dictionaries, flags, whole numbers, decimals, UUIDs,
/// and floats, which have the shortest decimal form that reads back to them, `1.0` or `0.75`, as writers of CSV put
/// them down. A float that is no number is missing.
///
/// # Errors
/// It stands for none.
pub(crate) fn strings(array: &ArrayRef) -> Result<StringArray, String> {
    Ok(match array.data_type() {
        DataType::Utf8 => array.as_string::<i32>().clone(),
        DataType::LargeUtf8 => array.as_string::<i64>().iter().collect(),
        DataType::Utf8View => array.as_string_view().iter().collect(),
        DataType::Null => StringArray::new_null(array.len()),
        DataType::Dictionary(..) => return strings(&plain(array)?),
        DataType::Boolean => array.as_boolean().iter().map(|flag| flag.map(|flag| flag.to_string())).collect(),
        // Zero has one name: adding it takes the sign off.
        DataType::Float64 => {
            written::<Float64Type>(array, |value| (!value.is_nan()).then(|| format!("{:?}", value + 0.0)))
        }
        DataType::Float32 => {
            written::<Float32Type>(array, |value| (!value.is_nan()).then(|| format!("{:?}", value + 0.0)))
        }
        DataType::Int8 => shown::<Int8Type>(array),
        DataType::Int16 => shown::<Int16Type>(array),
        DataType::Int32 => shown::<Int32Type>(array),
        DataType::Int64 => shown::<Int64Type>(array),
        DataType::UInt8 => shown::<UInt8Type>(array),
        DataType::UInt16 => shown::<UInt16Type>(array),
        DataType::UInt32 => shown::<UInt32Type>(array),
        DataType::UInt64 => shown::<UInt64Type>(array),
        DataType::Decimal32(..) | DataType::Decimal64(..) | DataType::Decimal128(..) => {
            let wide = decimals(array)?;
            let text = |row| wide.is_valid(row).then(|| wide.value_as_string(row));
            (0..wide.len()).map(text).collect()
        }
        DataType::FixedSizeBinary(16) => array.as_fixed_size_binary().iter().map(|bytes| bytes.map(uuid)).collect(),
        kind => return Err(format!("a column of type {kind} holds no strings")),
    })
}

fn written<T: ArrowPrimitiveType>(array: &ArrayRef, text: impl Fn(T::Native) -> Option<String>) -> StringArray {
    array.as_primitive::<T>().iter().map(|value| value.and_then(&text)).collect()
}

/// Whole numbers: their `Debug` form is their digits.
fn shown<T: ArrowPrimitiveType<Native: Debug>>(array: &ArrayRef) -> StringArray {
    written::<T>(array, |value| Some(format!("{value:?}")))
}

fn uuid(bytes: &[u8]) -> String {
    let mut text = String::with_capacity(36);
    for (place, byte) in bytes.iter().enumerate() {
        let _ = write!(text, "{}{byte:02x}", if matches!(place, 4 | 6 | 8 | 10) { "-" } else { "" });
    }
    text
}

/// Strings as a dictionary, so that what is done with a string is done once for each that is different.
///
/// # Errors
/// They are no strings, or more different ones than a dictionary can have.
pub(crate) fn dictionary(array: &ArrayRef) -> Result<ArrayRef, String> {
    let strings = strings(array)?;
    let mut builder = StringDictionaryBuilder::<Int32Type>::new();
    for text in &strings {
        match text {
            None => builder.append_null(),
            Some(text) => drop(builder.append(text).map_err(|error| error.to_string())?),
        }
    }
    Ok(Arc::new(builder.finish()))
}

/// Whole numbers of every width, as keys and times are. One that 64 bits with a sign cannot hold is -1, which is none.
///
/// # Errors
/// They are no whole numbers.
pub(crate) fn integers(array: &dyn Array) -> Result<Int64Array, String> {
    Ok(match array.data_type() {
        DataType::Int64 => array.as_primitive::<Int64Type>().clone(),
        DataType::Int8 => wider::<Int8Type>(array),
        DataType::Int16 => wider::<Int16Type>(array),
        DataType::Int32 => wider::<Int32Type>(array),
        DataType::UInt8 => wider::<UInt8Type>(array),
        DataType::UInt16 => wider::<UInt16Type>(array),
        DataType::UInt32 => wider::<UInt32Type>(array),
        DataType::UInt64 => array.as_primitive::<UInt64Type>().unary(|value| i64::try_from(value).unwrap_or(-1)),
        kind => return Err(format!("a column of type {kind} holds no whole numbers")),
    })
}

fn wider<T: ArrowPrimitiveType<Native: Into<i64>>>(array: &dyn Array) -> Int64Array {
    array.as_primitive::<T>().unary(Into::into)
}

/// The keys of a dictionary; one that no value can have is -1.
///
/// # Errors
/// They are no whole numbers.
pub(crate) fn keys(keys: &dyn Array) -> Result<Int32Array, String> {
    match keys.as_primitive_opt::<Int32Type>() {
        Some(keys) => Ok(keys.clone()),
        None => Ok(integers(keys)?.unary(|key| i32::try_from(key).unwrap_or(-1))),
    }
}

/// Decimals of every width, with the scale that they have.
///
/// # Errors
/// They are no decimals of at most 128 bits.
pub(crate) fn decimals(array: &dyn Array) -> Result<Decimal128Array, String> {
    let (wide, scale): (Decimal128Array, i8) = match *array.data_type() {
        DataType::Decimal128(..) => return Ok(array.as_primitive::<Decimal128Type>().clone()),
        DataType::Decimal32(_, scale) => (array.as_primitive::<Decimal32Type>().unary(i128::from), scale),
        DataType::Decimal64(_, scale) => (array.as_primitive::<Decimal64Type>().unary(i128::from), scale),
        ref kind => return Err(format!("a column of type {kind} holds no decimals")),
    };
    wide.with_precision_and_scale(38, scale).map_err(|error| error.to_string())
}

/// Timestamps as the numbers that they are stored as, in their own unit.
///
/// # Errors
/// They are no timestamps.
pub(crate) fn stamps(array: &dyn Array) -> Result<Int64Array, String> {
    fn stored<T: ArrowTimestampType>(array: &dyn Array) -> Int64Array {
        let stamps: &PrimitiveArray<T> = array.as_primitive();
        stamps.reinterpret_cast()
    }
    Ok(match array.data_type() {
        DataType::Timestamp(TimeUnit::Second, _) => stored::<TimestampSecondType>(array),
        DataType::Timestamp(TimeUnit::Millisecond, _) => stored::<TimestampMillisecondType>(array),
        DataType::Timestamp(TimeUnit::Microsecond, _) => stored::<TimestampMicrosecondType>(array),
        DataType::Timestamp(TimeUnit::Nanosecond, _) => stored::<TimestampNanosecondType>(array),
        kind => return Err(format!("a column of type {kind} holds no timestamps")),
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use arrow_array::{BooleanArray, DictionaryArray, FixedSizeBinaryArray, Float64Array, UInt64Array};
    use arrow_cast::cast::cast;

    /// The same values in every type that can hold them, with a missing one, and the middle of a longer array.
    fn every_type() -> Vec<ArrayRef> {
        let whole = |low: i64, high: i64| -> ArrayRef {
            Arc::new(Int64Array::from(vec![Some(7), Some(low), None, Some(high), Some(0), Some(7)]).slice(1, 5))
        };
        let of = |array: &ArrayRef, kind: DataType| cast(array, &kind).unwrap();
        let (small, large) = (whole(0, 127), whole(i64::MIN, i64::MAX));
        let mut all = vec![of(&large, DataType::Utf8), of(&large, DataType::LargeUtf8), of(&large, DataType::Utf8View)];
        all.extend([DataType::Int8, DataType::Int16, DataType::Int32].map(|kind| of(&small, kind)));
        all.extend(
            [DataType::UInt8, DataType::UInt16, DataType::UInt32, DataType::UInt64].map(|kind| of(&small, kind)),
        );
        all.push(large);
        all.push(Arc::new(UInt64Array::from(vec![Some(u64::MAX), None, Some(0), Some(1), Some(7)])));
        let hundredths: ArrayRef = Arc::new(
            Decimal128Array::from(vec![Some(-1_205), Some(0), None, Some(5), Some(100)])
                .with_precision_and_scale(9, 2)
                .unwrap(),
        );
        all.push(of(&hundredths, DataType::Decimal32(9, 2)));
        all.push(of(&hundredths, DataType::Decimal64(18, 2)));
        all.push(of(&hundredths, DataType::Decimal128(38, 0)));
        all.push(hundredths);
        all.push(Arc::new(BooleanArray::from(vec![Some(true), Some(false), None, Some(true), Some(true)])));
        all.push(Arc::new(StringArray::new_null(5)));
        all.push(arrow_array::new_null_array(&DataType::Null, 5));
        all
    }

    fn in_dictionaries(values: &ArrayRef) -> Vec<ArrayRef> {
        let keys = Int32Array::from(vec![Some(4), Some(4), None, Some(0), Some(2)]);
        let wide: ArrayRef = Arc::new(DictionaryArray::new(keys.clone(), Arc::clone(values)));
        let narrow = cast(&keys, &DataType::UInt8).unwrap();
        let narrow = DictionaryArray::new(narrow.as_primitive::<UInt8Type>().clone(), Arc::clone(values));
        vec![wide, Arc::new(narrow)]
    }

    #[test]
    fn strings_as_the_conversion_of_any_type_has_them() {
        for array in every_type() {
            let wanted = cast(&array, &DataType::Utf8).unwrap();
            assert_eq!(&strings(&array).unwrap(), wanted.as_string::<i32>(), "{}", array.data_type());
            if *array.data_type() == DataType::Null {
                continue;
            }
            for encoded in in_dictionaries(&array) {
                let wanted = take(&wanted, encoded.as_any_dictionary().keys(), None).unwrap();
                assert_eq!(&strings(&encoded).unwrap(), wanted.as_string::<i32>(), "{}", encoded.data_type());
                assert_eq!(&plain(&encoded).unwrap(), &cast(&encoded, array.data_type()).unwrap());
            }
        }
    }

    #[test]
    fn strings_become_a_dictionary_and_come_back() {
        for array in every_type().into_iter().take(3) {
            let encoded = dictionary(&array).unwrap();
            assert_eq!(*encoded.data_type(), DataType::Dictionary(Box::new(DataType::Int32), Box::new(DataType::Utf8)));
            assert_eq!(strings(&encoded).unwrap(), strings(&array).unwrap());
        }
    }

    #[test]
    fn numbers_of_every_width() {
        for array in every_type() {
            let kind = array.data_type().clone();
            if kind.is_integer() && kind != DataType::UInt64 {
                let wanted = cast(&array, &DataType::Int64).unwrap();
                assert_eq!(&integers(&array).unwrap(), wanted.as_primitive::<Int64Type>(), "{kind}");
            }
            if let DataType::Decimal32(_, scale) | DataType::Decimal64(_, scale) | DataType::Decimal128(_, scale) = kind
            {
                let wanted = cast(&array, &DataType::Decimal128(38, scale)).unwrap();
                let wide = decimals(&array).unwrap();
                assert_eq!(wide.scale(), scale);
                assert!(wide.iter().eq(wanted.as_primitive::<Decimal128Type>().iter()), "{kind}");
            } else {
                assert!(decimals(&array).is_err(), "{kind}");
            }
        }
        let large: ArrayRef = Arc::new(UInt64Array::from(vec![u64::MAX, 1 << 63, 5]));
        assert_eq!(integers(&large).unwrap(), Int64Array::from(vec![-1, -1, 5]));
        assert_eq!(keys(&large).unwrap(), Int32Array::from(vec![-1, -1, 5]));
    }

    #[test]
    fn floats_and_uuids_as_text() {
        let floats: ArrayRef = Arc::new(Float64Array::from(vec![Some(1.0), Some(0.1), Some(f64::NAN), None]));
        assert_eq!(strings(&floats).unwrap(), StringArray::from(vec![Some("1.0"), Some("0.1"), None, None]));
        let bytes: Vec<u8> = (0..16).collect();
        let uuid: ArrayRef = Arc::new(FixedSizeBinaryArray::try_from_iter([bytes].into_iter()).unwrap());
        assert_eq!(strings(&uuid).unwrap().value(0), "00010203-0405-0607-0809-0a0b0c0d0e0f");
    }

    #[test]
    fn stamps_keep_their_unit() {
        let numbers: ArrayRef = Arc::new(Int64Array::from(vec![Some(1_774_598_400), None, Some(-5)]));
        for unit in [TimeUnit::Second, TimeUnit::Millisecond, TimeUnit::Microsecond, TimeUnit::Nanosecond] {
            for zone in [None, Some("+01:00".into())] {
                let array = cast(&numbers, &DataType::Timestamp(unit, zone)).unwrap();
                assert_eq!(&stamps(&array).unwrap(), numbers.as_primitive::<Int64Type>());
            }
        }
        assert!(stamps(&numbers).is_err());
    }
}
