//! What a file that should be CSV really is, by its first bytes; and CSV that is packed with gzip, within bounds.

use super::guard::unpacks_too_far;
use crate::source::{Input, View, unreadable};
use crate::{Invalid, Result};
use flate2::read::MultiGzDecoder;
use std::io::{BufReader, Error, ErrorKind, Read};
use std::path::Path;

const GZIP: &[u8] = &[0x1f, 0x8b];

/// The bytes of a CSV file, unpacked where its name says that it is packed.
pub(crate) enum CsvBytes {
    Plain(View),
    Packed(Box<Unpacked>),
}

/// Gzip that does not unpack too far.
pub(crate) struct Unpacked {
    inner: MultiGzDecoder<BufReader<View>>,
    /// Bytes of the file.
    length: u64,
    /// Bytes that it gave so far.
    given: u64,
}

/// True if a file's name says that it is packed.
pub(crate) fn is_packed(file: &Path) -> bool {
    file.extension().is_some_and(|end| end.eq_ignore_ascii_case("gz"))
}

impl CsvBytes {
    /// Looks at the first bytes of a file.
    ///
    /// # Errors
    /// [`Invalid`] that names what the file is, if it is no CSV with commas.
    pub fn open(input: &Input) -> Result<Self> {
        let (file, bytes) = (input.path(), input.at_hand()?);
        let mut head = vec![0; 4096];
        let length = bytes.read_at(&mut head, 0).map_err(|error| unreadable(file, &error))?;
        head.truncate(length);
        if is_packed(file) {
            if !head.starts_with(GZIP) {
                return Err(Invalid::new("not a gzip file").file(file).expected("gzip, as its name says").into());
            }
            let inner = MultiGzDecoder::new(BufReader::new(bytes.view(0)));
            return Ok(Self::Packed(Box::new(Unpacked { inner, length: bytes.len(), given: 0 })));
        }
        refuse_other(file, &head)?;
        Ok(Self::Plain(bytes.view(0)))
    }
}

impl Read for CsvBytes {
    fn read(&mut self, buffer: &mut [u8]) -> std::io::Result<usize> {
        match self {
            Self::Plain(view) => view.read(buffer),
            Self::Packed(packed) => packed.read(buffer),
        }
    }
}

impl Read for Unpacked {
    fn read(&mut self, buffer: &mut [u8]) -> std::io::Result<usize> {
        let broken = |problem: String| Error::new(ErrorKind::InvalidData, problem);
        let count = self.inner.read(buffer).map_err(|error| match error.kind() {
            ErrorKind::UnexpectedEof => broken("a gzip file that was cut off".to_owned()),
            ErrorKind::InvalidInput | ErrorKind::InvalidData => broken(format!("a damaged gzip file: {error}")),
            _ => error,
        })?;
        self.given += count as u64;
        if unpacks_too_far(self.length, self.given) {
            return Err(broken(format!("{} bytes of gzip that unpack to more than {}", self.length, self.given)));
        }
        Ok(count)
    }
}

/// Refuses what is known not to be CSV with commas.
fn refuse_other(file: &Path, head: &[u8]) -> Result<()> {
    let not = |what: &str, hint: &str| Err(Invalid::new(what).file(file).expected("CSV in UTF-8").hint(hint).into());
    match head {
        [0x1f, 0x8b, ..] => return not("a gzip file", "name it `*.csv.gz`"),
        [b'P', b'A', b'R', b'1', ..] => return not("a Parquet file", "name it `*.parquet`"),
        [b'A', b'R', b'R', b'O', b'W', b'1', ..] => return not("an Arrow file", "name it `*.arrow`"),
        [b'P', b'K', 3, 4, ..] => return not("a ZIP file or a spreadsheet", "export its table as CSV"),
        [0x28, 0xb5, 0x2f, 0xfd, ..] => return not("a zstd file", "unpack it with `zstd -d`"),
        [0xff, 0xfe, ..] | [0xfe, 0xff, ..] => {
            return not("text in UTF-16", "convert it: `iconv -f UTF-16 -t UTF-8`");
        }
        _ => {}
    }
    let line = head.split(|&byte| byte == b'\n' || byte == b'\r').next().unwrap_or_default();
    if line.to_ascii_lowercase().starts_with(b"sep=") {
        return Err(wrong_header(
            file,
            "a line `sep=` of a spreadsheet in place of the header",
            "remove the first line",
        ));
    }
    if line.contains(&b',') {
        return Ok(());
    }
    for (separator, name) in [(b';', "`;`"), (b'\t', "tabs"), (b'|', "`|`")] {
        if line.contains(&separator) {
            let problem = format!("a header whose cells are parted by {name}");
            return Err(wrong_header(file, &problem, "write the table with `,` between cells and `.` before decimals"));
        }
    }
    Ok(())
}

fn wrong_header(file: &Path, problem: &str, hint: &str) -> crate::Error {
    Invalid::new(problem).file(file).expected("the names of the columns with `,` between them").hint(hint).into()
}
