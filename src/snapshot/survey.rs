//! What lies in the folder of a snapshot: every file opened once, before anything is read.

use super::checksums::{self, CHECKSUMS};
use super::{Expectations, InputFile, MANIFEST, Table, unused};
use crate::book::Grouping;
use crate::cells::time;
use crate::progress::Progress;
use crate::source::{self, Input, LARGEST_TOML, Located, Partition, Source, hash_all, settle};
use crate::{Error, Invalid, Result};
use std::collections::HashMap;
use std::path::{Path, PathBuf};

/// The files of a snapshot, opened.
pub(crate) struct Survey {
    dir: PathBuf,
    pub as_of_ns: i64,
    pub sources: Vec<(Table, Source)>,
    /// All files that are hashed: `snapshot.toml`, those of each table, the rules that it names.
    files: Vec<Input>,
    /// The rules that `snapshot.toml` names.
    rules: Option<Input>,
    /// The file `checksums`.
    checksums: Option<Input>,
    /// Which files there were for which tables.
    located: Vec<(Table, Located)>,
}

impl Survey {
    /// # Errors
    /// [`Invalid`] if `snapshot.toml` or a table is missing, or a file cannot be opened.
    pub fn new(dir: &Path) -> Result<Self> {
        let path = dir.join(MANIFEST);
        let manifest = Input::open(&path).map_err(no_snapshot)?;
        let text = source::text_of(&path, manifest.read_whole(LARGEST_TOML)?)?;
        let as_of_ns = time::read_as_of(&path, &text)?;
        let located = locate(dir)?;
        let sources = open(&located)?;
        let rules = named_rules(&path, &text)?.map(|rules| Input::open(&rules)).transpose()?;
        let listed = dir.join(CHECKSUMS);
        let checksums = if source::is_there(&listed)? { Some(Input::open(&listed)?) } else { None };
        let tables = sources.iter().flat_map(|(_, source)| source.files.clone());
        let files = std::iter::once(manifest).chain(tables).chain(rules.clone()).collect();
        Ok(Self { dir: dir.to_path_buf(), as_of_ns, sources, files, rules, checksums, located })
    }

    /// `snapshot.toml`, the files of each table, the rules that it names.
    pub fn files(&self) -> &[Input] {
        &self.files
    }

    /// The rules that `snapshot.toml` names.
    pub fn rules(&self) -> Option<&Input> {
        self.rules.as_ref()
    }

    /// The files of a table.
    pub fn source(&self, table: Table) -> Option<&Source> {
        self.sources.iter().find(|(other, _)| *other == table).map(|(_, source)| source)
    }

    /// The files beside those that are read.
    ///
    /// # Errors
    /// [`Invalid`] for one that is nearly called like a table, unless such are allowed.
    pub fn unused(&self, allowed: bool) -> Result<Vec<PathBuf>> {
        let mut read: Vec<PathBuf> = self.files.iter().map(|file| file.path().to_path_buf()).collect();
        read.extend(self.located.iter().map(|(_, located)| located.path.clone()));
        let files = unused::files(&self.dir, &read)?;
        if !allowed {
            let tables: Vec<Table> = self.located.iter().map(|(table, _)| *table).collect();
            unused::refuse_near_files(&self.dir, &files, &tables)?;
        }
        Ok(files)
    }

    /// The error of accounts that are to be grouped where no table says by what.
    pub fn no_attributes(&self, grouping: &Grouping) -> Invalid {
        Invalid::new("the snapshot has no table `accounts`, which has the columns to group by")
            .file(&self.dir)
            .value(format!("to be grouped by `{grouping}`"))
            .expected(format!("{}, with the columns `account_id` and those to group by", unused::forms("accounts")))
    }

    /// Size and hash of each file.
    pub fn hash(&self, progress: &dyn Progress) -> Result<Vec<(u64, String)>> {
        hash_all(&self.files, progress)
    }

    /// The files with their hashes and rows; `rows` are those of the tables' files in order.
    pub fn input_files(&self, hashes: Vec<(u64, String)>, rows: impl IntoIterator<Item = u64>) -> Vec<InputFile> {
        let rows = std::iter::once(None).chain(rows.into_iter().map(Some)).chain(std::iter::repeat(None));
        let described = self.files.iter().zip(hashes).zip(rows).map(|((file, (bytes, blake3)), rows)| {
            let path = file.path().strip_prefix(&self.dir).unwrap_or(file.path()).to_path_buf();
            InputFile { path, bytes, rows, blake3 }
        });
        described.collect()
    }

    /// Holds what was read to `checksums`, and to what was expected.
    ///
    /// # Errors
    /// [`Invalid`] naming the file that is another.
    pub fn verify(&self, inputs: &[InputFile], expectations: &Expectations) -> Result<()> {
        for read in &expectations.read_before {
            let mut here = inputs.iter().filter(|input| self.dir.join(&input.path) == read.path);
            if here.any(|input| input.blake3 != read.blake3) {
                return Err(source::changed(&read.path, "it was read before the tables, and had another hash").into());
            }
        }
        checksums::verify(&self.dir, self.checksums.as_ref(), inputs, expectations)
    }

    /// Refuses two parts of one table that are the same to the byte, under the same partition columns: the rows of one
    /// would count twice.
    ///
    /// # Errors
    /// [`Invalid`] naming both.
    pub fn refuse_copies(&self, inputs: &[InputFile]) -> Result<()> {
        // `snapshot.toml` is the first of the files.
        let mut files = self.files.iter().zip(inputs).skip(1);
        for (table, source) in &self.sources {
            let mut seen: HashMap<(&str, Option<&Partition>), &Input> = HashMap::new();
            for (place, (file, input)) in files.by_ref().take(source.files.len()).enumerate() {
                if input.rows == Some(0) {
                    continue;
                }
                if let Some(other) = seen.insert((&input.blake3, source.partitions.get(place)), file) {
                    return Err(Invalid::new(format!("two parts of table `{}` are the same", table.name()))
                        .file(file.path())
                        .value(format!("the same bytes as `{}`", other.path().display()))
                        .expected("each part once")
                        .hint("the rows of one would count twice: remove it")
                        .into());
                }
            }
        }
        Ok(())
    }

    /// What came of reading, once nothing more is read: it counts only if the folder is as it was when it was opened.
    /// A table that cannot be read may be one that was damaged since `checksums` was written, which says more.
    ///
    /// # Errors
    /// [`Invalid`] if a file changed or is not the one that `checksums` lists, else the error of `outcome`.
    pub fn settle<T>(&self, outcome: Result<T>, progress: &dyn Progress) -> Result<T> {
        let settled = settle(self.files.iter().chain(&self.checksums), outcome);
        match settled {
            Ok(value) => self.compare_with_folder().map(|()| value),
            Err(Error::Invalid(fault)) => Err(self.blame(*fault, progress)),
            Err(other) => Err(other),
        }
    }

    /// Are the files still all that there are?
    fn compare_with_folder(&self) -> Result<()> {
        let other = |path: &Path, how: &str| Err(source::changed(path, how).into());
        if locate(&self.dir)? != self.located {
            return other(&self.dir, "a file of a table is there that was not there before");
        }
        let listed = self.dir.join(CHECKSUMS);
        if self.checksums.is_none() && source::is_there(&listed)? {
            return other(&listed, "it was not there before");
        }
        Ok(())
    }

    fn blame(&self, fault: Invalid, progress: &dyn Progress) -> Error {
        if self.checksums.is_none() {
            return fault.into();
        }
        let verdict =
            self.hash(progress).and_then(|hashes| self.verify(&self.input_files(hashes, []), &Expectations::NONE));
        match verdict {
            Err(Error::Invalid(damage)) if damage.problem != fault.problem => {
                Invalid { hint: Some(format!("its reader says: {}", fault.problem)), ..*damage }.into()
            }
            _ => fault.into(),
        }
    }
}

/// The rules that `snapshot.toml` names, beside it: what was imported with the tables.
///
/// # Errors
/// [`Invalid`] if it names no file of the folder, or one that is not there.
fn named_rules(manifest: &Path, text: &str) -> Result<Option<PathBuf>> {
    const KEY: &str = "rules";
    // Text that is no TOML is an error of whoever reads the time.
    let mut keys = text.parse::<toml::Table>().unwrap_or_default();
    let Some(named) = keys.remove(KEY) else {
        // Under another key the rules would not hold.
        return match keys.keys().find(|key| key.to_lowercase().contains("rule")) {
            Some(key) => Err(Invalid::new("a key that is not read")
                .file(manifest)
                .column(key)
                .expected("`as_of`, `version` and, where the snapshot has rules of its own, `rules`")
                .hint("rename it `rules`, or take the line out")
                .into()),
            None => Ok(None),
        };
    };
    let invalid = |problem: &str| Invalid::new(problem).file(manifest).column(KEY).value(named.to_string());
    let name = named.as_str().filter(|name| Path::new(name).file_name().is_some_and(|only| only == *name));
    let Some(name) = name else {
        let expected = "the name of a rules file in the same folder: rules = \"rules.toml\"";
        return Err(invalid("the rules of the snapshot cannot be read").expected(expected).into());
    };
    let path = manifest.with_file_name(name);
    if !source::is_file(&path)? {
        return Err(invalid("the rules that the snapshot names are not there")
            .expected(format!("a file `{}`", path.display()))
            .hint("import the responses again, or take the line out: then the built-in rules hold")
            .into());
    }
    Ok(Some(path))
}

/// The rules that a snapshot names: an overlay of the built-in set, to be used unless others are asked for.
///
/// # Errors
/// [`Invalid`] if it names no file of the folder, or one that is not there.
pub fn rules_of(dir: &Path) -> Result<Option<PathBuf>> {
    let path = dir.join(MANIFEST);
    if !source::is_file(&path)? {
        return Ok(None);
    }
    named_rules(&path, &source::text_of(&path, source::read(&path, LARGEST_TOML)?)?)
}

fn no_snapshot(error: Error) -> Error {
    match error {
        Error::Invalid(fault) if fault.expected.is_none() => {
            fault.expected("a folder with `snapshot.toml` and the tables of the snapshot").into()
        }
        other => other,
    }
}

/// The tables that are there.
///
/// # Errors
/// [`Invalid`] if one is missing or there twice, or if it cannot be found out.
pub(super) fn locate(dir: &Path) -> Result<Vec<(Table, Located)>> {
    let mut located = Vec::new();
    for table in Table::ALL {
        match source::find(dir, table.name())? {
            Some(found) => located.push((table, found)),
            None if table.optional() => {}
            None => {
                let name = table.name();
                let invalid =
                    Invalid::new(format!("the snapshot has no table `{name}`")).file(dir).expected(unused::forms(name));
                let files = unused::files(dir, &[]).unwrap_or_default();
                let meant = files.iter().find(|file| unused::meant(file, &[]).is_some_and(|(table, _)| table == name));
                return Err(match meant {
                    Some(file) => invalid.hint(format!("is it `{}`? Rename or convert it", file.display())),
                    None => invalid,
                }
                .into());
            }
        }
    }
    Ok(located)
}

fn open(located: &[(Table, Located)]) -> Result<Vec<(Table, Source)>> {
    located.iter().map(|(table, located)| Ok((*table, located.open()?))).collect()
}
