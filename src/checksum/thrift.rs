//! Thrift's compact protocol, the parts needed for limits and checksums. Reads without allocating.

use std::fmt;
use std::io::BufRead;

/// A problem in bytes that should be Thrift.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Damage(pub String);

impl Damage {
    pub fn new(problem: &str) -> Self {
        Self(problem.to_owned())
    }
}

impl fmt::Display for Damage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

pub(crate) type Result<T> = std::result::Result<T, Damage>;

/// Types in the encoding. The type of a boolean field contains its value.
pub(crate) const TRUE: u8 = 1;
const FALSE: u8 = 2;
const BYTE: u8 = 3;
const I16: u8 = 4;
pub(crate) const I32: u8 = 5;
const I64: u8 = 6;
const DOUBLE: u8 = 7;
const BINARY: u8 = 8;
pub(crate) const LIST: u8 = 9;
const SET: u8 = 10;
const MAP: u8 = 11;
pub(crate) const STRUCT: u8 = 12;

/// Deepest nesting: the format's own structures need seven levels.
const DEEPEST: u8 = 24;

/// Reads values one after another and counts the bytes.
pub(crate) struct Thrift<R> {
    input: R,
    read: u64,
}

impl<R: BufRead> Thrift<R> {
    pub fn new(input: R) -> Self {
        Self { input, read: 0 }
    }

    /// Bytes read so far.
    pub fn position(&self) -> u64 {
        self.read
    }

    pub fn input(&mut self) -> &mut R {
        &mut self.input
    }

    fn byte(&mut self) -> Result<u8> {
        let buffer = self.input.fill_buf().map_err(|error| Damage(error.to_string()))?;
        let byte = *buffer.first().ok_or_else(|| Damage::new("it ends in the middle of a value"))?;
        self.input.consume(1);
        self.read += 1;
        Ok(byte)
    }

    fn varint(&mut self) -> Result<u64> {
        let mut value = 0u64;
        for shift in (0..64).step_by(7) {
            let byte = self.byte()?;
            value |= u64::from(byte & 0x7f) << shift;
            if byte & 0x80 == 0 {
                return Ok(value);
            }
        }
        Err(Damage::new("a number of more than ten bytes"))
    }

    /// A signed integer.
    pub fn signed(&mut self) -> Result<i64> {
        let value = self.varint()?;
        Ok((value >> 1).cast_signed() ^ -(value & 1).cast_signed())
    }

    /// An integer of a 32-bit field.
    pub fn int(&mut self) -> Result<i32> {
        i32::try_from(self.signed()?).map_err(|_| Damage::new("a number of more than 32 bits"))
    }

    /// A size or count in a 32-bit field.
    pub fn size(&mut self) -> Result<u32> {
        u32::try_from(self.int()?).map_err(|_| Damage::new("a negative size"))
    }

    /// The type of the next field of a structure; its number goes to `id`. `None` at the end of the structure.
    pub fn field(&mut self, id: &mut i16) -> Result<Option<u8>> {
        let byte = self.byte()?;
        if byte == 0 {
            return Ok(None);
        }
        let next = match i64::from(byte >> 4) {
            0 => self.signed()?,
            delta => i64::from(*id) + delta,
        };
        *id = i16::try_from(next).map_err(|_| Damage::new("a field with an impossible number"))?;
        Ok(Some(byte & 0x0f))
    }

    /// Type and number of the elements of a list.
    pub fn list(&mut self) -> Result<(u8, u64)> {
        let byte = self.byte()?;
        let count = if byte >> 4 == 15 { self.varint()? } else { u64::from(byte >> 4) };
        Ok((byte & 0x0f, count))
    }

    /// Skips a value of the given type.
    pub fn skip(&mut self, kind: u8) -> Result<()> {
        self.skip_nested(kind, 0)
    }

    fn skip_nested(&mut self, kind: u8, depth: u8) -> Result<()> {
        if depth > DEEPEST {
            return Err(Damage::new("structures nested too deeply"));
        }
        match kind {
            TRUE | FALSE => Ok(()),
            BYTE => self.byte().map(drop),
            I16 | I32 | I64 => self.varint().map(drop),
            DOUBLE => self.skip_bytes(8),
            BINARY => {
                let length = self.varint()?;
                self.skip_bytes(length)
            }
            LIST | SET => {
                let (kind, count) = self.list()?;
                // In a list a boolean is one byte.
                let kind = if matches!(kind, TRUE | FALSE) { BYTE } else { kind };
                (0..count).try_for_each(|_| self.skip_nested(kind, depth + 1))
            }
            MAP => Err(Damage::new("a map, which the format does not use")),
            STRUCT => {
                let mut id = 0;
                while let Some(kind) = self.field(&mut id)? {
                    self.skip_nested(kind, depth + 1)?;
                }
                Ok(())
            }
            _ => Err(Damage::new("a value of unknown type")),
        }
    }

    /// Skips bytes, all of which must exist.
    pub fn skip_bytes(&mut self, count: u64) -> Result<()> {
        let mut left = count;
        while left > 0 {
            let buffer = self.input.fill_buf().map_err(|error| Damage(error.to_string()))?;
            if buffer.is_empty() {
                return Err(Damage::new("it ends in the middle of a value"));
            }
            let step = buffer.len().min(usize::try_from(left).unwrap_or(usize::MAX));
            self.input.consume(step);
            self.read += step as u64;
            left -= step as u64;
        }
        Ok(())
    }
}

/// The encoding of an integer of a 32-bit field.
pub(crate) fn write_int(value: i32, out: &mut Vec<u8>) {
    let mut rest = (value << 1 ^ value >> 31) as u32;
    while rest >= 0x80 {
        out.push(rest as u8 | 0x80);
        rest >>= 7;
    }
    out.push(rest as u8);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_survive_a_round_trip() {
        for value in [0, 1, -1, 63, -64, 64, 8_191, -8_192, i32::MAX, i32::MIN] {
            let mut bytes = Vec::new();
            write_int(value, &mut bytes);
            let mut thrift = Thrift::new(bytes.as_slice());
            assert_eq!((thrift.int(), thrift.position()), (Ok(value), bytes.len() as u64), "{value}");
        }
    }

    #[test]
    fn damage_is_named_and_never_followed() {
        for (bytes, kind, problem) in [
            (vec![], I32, "it ends in the middle of a value"),
            (vec![0xff; 11], I64, "a number of more than ten bytes"),
            (vec![0x08, b'a'], BINARY, "it ends in the middle of a value"),
            // A list of 2^63 structures in ten bytes.
            ([&[0xfc][..], &[0xff; 9], &[0x01]].concat(), LIST, "it ends in the middle of a value"),
            (vec![0x1c; 100], STRUCT, "structures nested too deeply"),
            (vec![0x19; 100], LIST, "structures nested too deeply"),
            (vec![0x1d, 0], STRUCT, "a value of unknown type"),
            (vec![0x1b, 1, 0x55], STRUCT, "a map, which the format does not use"),
            (vec![0x05, 0xff, 0xff, 0xff, 0x0f, 0], STRUCT, "a field with an impossible number"),
        ] {
            let found = Thrift::new(bytes.as_slice()).skip(kind);
            assert_eq!(found, Err(Damage::new(problem)), "{bytes:x?}");
        }
        assert_eq!(Thrift::new(&[0x15, 0x02, 0x11, 0x00][..]).skip(STRUCT), Ok(()));
    }
}
