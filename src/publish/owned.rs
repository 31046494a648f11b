//! Which folders `--force` may replace: a folder written by this program that contains nothing else.
//!
//! A run, a stress, a comparison, a simulation and a partition write a `manifest.json` that lists their files. A
//! snapshot from `generate` or `import` has a first line in `snapshot.toml` that names the command, and files with
//! known names. If the folder contains any other file, it is not replaced, and the error names the first such file.

use super::disk::{self, parent};
use super::{MANIFEST, SIGNATURE};
use crate::snapshot::{self, CHECKSUMS, Table};
use crate::source::Format;
use serde::Deserialize;
use std::collections::BTreeSet;
use std::fs;
use std::io::{self, BufRead, BufReader, Read};
use std::path::{Path, PathBuf};

/// What a command writes into its folder, and so what it may replace.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Contents {
    /// Outputs, listed by a manifest.
    Outputs,
    /// The tables of a snapshot.
    Snapshot,
}

/// Files of an output folder that its manifest does not list: `remargin report` adds the page, `remargin sign` the
/// signature.
const BESIDE_OUTPUTS: [&str; 3] = [MANIFEST, SIGNATURE, "report.html"];

/// The file that identifies a snapshot.
const SNAPSHOT: &str = snapshot::MANIFEST;

/// First line of a `snapshot.toml` written by this program.
pub(crate) const GENERATED: &str = "# Synthetic: remargin generate";
pub(crate) const IMPORTED: &str = "# Saved OKX responses, by `remargin import okx`";

/// Files of a snapshot that are not tables.
const BESIDE_TABLES: [&str; 4] = [SNAPSHOT, CHECKSUMS, "rules.toml", "import.json"];

/// Largest accepted manifest.
const LONGEST_MANIFEST: u64 = 1 << 28;

/// The part of a manifest that lists the files.
#[derive(Deserialize)]
struct Listing {
    #[serde(rename = "remargin")]
    _version: String,
    #[serde(default)]
    outputs: Vec<Listed>,
    #[serde(default)]
    buckets: Vec<ListedBucket>,
}

#[derive(Deserialize)]
struct Listed {
    path: PathBuf,
}

#[derive(Deserialize)]
struct ListedBucket {
    path: PathBuf,
    files: Vec<Listed>,
}

/// The files of a folder that this program wrote, as paths relative to the folder.
#[derive(Debug)]
pub(crate) struct Owned {
    files: BTreeSet<PathBuf>,
}

impl Owned {
    /// The files of `folder` if `contents` may replace it, else the reason why not.
    pub(crate) fn of(folder: &Path, contents: Contents) -> Result<Self, String> {
        let found = Found::below(folder).map_err(|err| format!("it cannot be read: {err}"))?;
        if found.files.is_empty() && found.folders.is_empty() {
            return Ok(Self { files: BTreeSet::new() });
        }
        let ours = match contents {
            Contents::Outputs => listed(folder)?,
            Contents::Snapshot => tables(folder)?,
        };
        let parents: BTreeSet<&Path> = ours.iter().flat_map(|file| file.ancestors().skip(1)).collect();
        let foreign = found.files.iter().find(|file| !ours.contains(*file));
        let foreign = foreign.or_else(|| found.folders.iter().find(|folder| !parents.contains(folder.as_path())));
        match foreign {
            None => {
                if contents == Contents::Snapshot {
                    unedited(folder, &found.files)?;
                }
                Ok(Self { files: found.files })
            }
            Some(foreign) => {
                Err(format!("`{}` in it was not written by remargin; move it elsewhere first", foreign.display()))
            }
        }
    }

    /// Removes these files from `folder`, and the folder if it is empty then. Files added meanwhile stay.
    pub(crate) fn remove(&self, folder: &Path) -> io::Result<()> {
        let mut folders: BTreeSet<&Path> = BTreeSet::new();
        for file in &self.files {
            disk::remove_file(&folder.join(file))?;
            folders.extend(file.ancestors().skip(1).filter(|parent| !parent.as_os_str().is_empty()));
        }
        // In this order inner folders come after outer ones.
        folders.iter().rev().try_for_each(|inner| disk::remove_dir(&folder.join(inner)))?;
        disk::remove_dir(folder)
    }
}

/// The content of a folder, as relative paths. Links are not followed.
#[derive(Default)]
struct Found {
    files: BTreeSet<PathBuf>,
    folders: BTreeSet<PathBuf>,
}

impl Found {
    fn below(folder: &Path) -> io::Result<Self> {
        let mut found = Self::default();
        let mut open = vec![PathBuf::new()];
        while let Some(inner) = open.pop() {
            for entry in fs::read_dir(folder.join(&inner))? {
                let entry = entry?;
                let path = inner.join(entry.file_name());
                if entry.file_type()?.is_dir() {
                    open.push(path.clone());
                    found.folders.insert(path);
                } else {
                    found.files.insert(path);
                }
            }
        }
        Ok(found)
    }
}

fn listed(folder: &Path) -> Result<BTreeSet<PathBuf>, String> {
    let manifest = folder.join(MANIFEST);
    let why = |problem: &str| format!("it has files, but no `{MANIFEST}` of a finished run ({problem})");
    if !fs::symlink_metadata(&manifest).is_ok_and(|found| found.is_file()) {
        return Err(why("there is none"));
    }
    let text = bounded(&manifest).map_err(|err| why(&format!("it cannot be read: {err}")))?;
    named(&text).ok_or_else(|| why("the existing one was not written by remargin"))
}

/// The files that a manifest of this program names, and those that may be beside them; `None` if it is another's.
pub(super) fn named(manifest: &[u8]) -> Option<BTreeSet<PathBuf>> {
    let listing: Listing = serde_json::from_slice(manifest).ok()?;
    let mut files: BTreeSet<PathBuf> = BESIDE_OUTPUTS.iter().map(PathBuf::from).collect();
    files.extend(listing.outputs.into_iter().map(|listed| listed.path));
    for bucket in listing.buckets {
        files.extend(bucket.files.into_iter().map(|listed| bucket.path.join(listed.path)));
    }
    Some(files)
}

fn tables(folder: &Path) -> Result<BTreeSet<PathBuf>, String> {
    let manifest = folder.join(SNAPSHOT);
    if !fs::symlink_metadata(&manifest).is_ok_and(|found| found.is_file()) {
        return Err(format!("it is not a snapshot (it has no `{SNAPSHOT}`)"));
    }
    let line = first_line(&manifest)?;
    if ![GENERATED, IMPORTED].iter().any(|begin| line.starts_with(begin)) {
        return Err(format!("its `{SNAPSHOT}` was not written by `remargin generate` or `remargin import`"));
    }
    let mut files: BTreeSet<PathBuf> = BESIDE_TABLES.iter().map(PathBuf::from).collect();
    // All tables have one format: that of `instruments`. The same table in another one is somebody's.
    let formats = [Format::Parquet, Format::Arrow, Format::Csv];
    let file = |table: &str, format: Format| PathBuf::from(format!("{table}.{}", format.extension()));
    let is_there = |format: &Format| fs::symlink_metadata(folder.join(file("instruments", *format))).is_ok();
    let present = formats.iter().copied().find(is_there);
    for format in formats.into_iter().filter(|format| present.is_none_or(|present| present == *format)) {
        let tables = Table::ALL.iter().map(|table| table.name()).chain(["shocks"]);
        files.extend(tables.map(|table| file(table, format)));
    }
    Ok(files)
}

fn first_line(manifest: &Path) -> Result<String, String> {
    let mut line = String::new();
    let first = fs::File::open(manifest).and_then(|file| BufReader::new(file.take(1 << 12)).read_line(&mut line));
    first.map_err(|err| format!("its `{SNAPSHOT}` cannot be read: {err}"))?;
    Ok(line)
}

/// A snapshot with tables that are not those that `checksums` lists has somebody's work in it.
fn unedited(folder: &Path, files: &BTreeSet<PathBuf>) -> Result<(), String> {
    // `import` writes no hashes, but somebody may have added them.
    if !files.contains(Path::new(CHECKSUMS)) && !first_line(&folder.join(SNAPSHOT))?.starts_with(GENERATED) {
        return Ok(());
    }
    let edited = |why: String| format!("it was edited ({why}); move it elsewhere first");
    let tables = files.iter().filter(|file| BESIDE_TABLES.iter().all(|name| *file != Path::new(name)));
    match snapshot::edited_file(folder, tables) {
        Ok(None) => Ok(()),
        Ok(Some(file)) => Err(edited(format!("`{}` is not the file that `{CHECKSUMS}` lists", file.display()))),
        Err(error) => Err(edited(error.to_string().lines().next().unwrap_or_default().to_owned())),
    }
}

fn bounded(file: &Path) -> io::Result<Vec<u8>> {
    let mut text = Vec::new();
    fs::File::open(file)?.take(LONGEST_MANIFEST).read_to_end(&mut text)?;
    Ok(text)
}

/// True if an input, or a file reached from it through links, is inside `folder`, whose path is canonical. `input` is a
/// file or a folder of any depth.
pub(crate) fn lies_in(input: &Path, folder: &Path) -> io::Result<bool> {
    let mut seen = BTreeSet::new();
    let mut open = vec![input.to_path_buf()];
    while let Some(path) = open.pop() {
        // The location of the name itself, and of its link target.
        let named = parent(&path).canonicalize().map(|parent| parent.join(path.file_name().unwrap_or_default()));
        let real = match path.canonicalize() {
            Ok(real) => real,
            // A missing file cannot be lost. Whoever reads it reports it.
            Err(err) if err.kind() == io::ErrorKind::NotFound => continue,
            Err(err) => return Err(err),
        };
        if real.starts_with(folder) || named.is_ok_and(|named| named.starts_with(folder)) {
            return Ok(true);
        }
        if real.is_dir() && seen.insert(real) {
            for entry in fs::read_dir(&path)? {
                let entry = entry?;
                // A plain file in a folder outside is outside too.
                let kind = entry.file_type()?;
                if kind.is_dir() || kind.is_symlink() {
                    open.push(entry.path());
                }
            }
        }
    }
    Ok(false)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Error;
    use crate::publish::OutputFolder;
    use proptest::prelude::*;
    use std::collections::BTreeMap;

    /// The list of a snapshot with such marks.
    fn listing(marks: &str) -> String {
        format!("{}  marks.csv\n", blake3::hash(marks.as_bytes()).to_hex())
    }

    /// An input is lost with a folder that has its file, or the name by which it is called.
    #[cfg(unix)]
    #[test]
    fn links_into_a_folder_and_out_of_it() {
        use std::os::unix::fs::symlink;
        let dir = tempfile::tempdir().unwrap();
        let dir = dir.path().canonicalize().unwrap();
        let folder = dir.join("out");
        fs::create_dir(&folder).unwrap();
        for place in [dir.join("outside"), folder.join("inside")] {
            fs::write(place, "").unwrap();
        }
        symlink(dir.join("outside"), folder.join("named")).unwrap();
        symlink(folder.join("inside"), dir.join("real")).unwrap();
        let lost = |name: &str| lies_in(&dir.join(name), &folder).unwrap();
        assert!(lost("out/inside") && lost("out/named") && lost("real"));
        assert!(!lost("outside") && !lost("missing"));
    }

    /// A folder, the kind of output that would replace it, and the file that prevents this.
    #[test]
    fn what_is_foreign() {
        type Files<'a> = &'a [(&'a str, &'a str)];
        const RUN: &str = r#"{"remargin": "0.1.0", "outputs": [{"path": "accounts.csv", "rows": 1}]}"#;
        const CUT: &str = r#"{"remargin": "0.1.0", "buckets": [{"path": "b0", "files": [{"path": "marks.csv"}]}]}"#;
        let snapshot = format!("{GENERATED} --accounts 1\nversion = 1\n");
        let (imported, listed) = (format!("{IMPORTED}\nversion = 1\n"), listing(""));
        let cases: [(Files, Contents, Option<&str>); 22] = [
            (&[], Contents::Outputs, None),
            (&[], Contents::Snapshot, None),
            (&[(MANIFEST, RUN), ("accounts.csv", "")], Contents::Outputs, None),
            (&[(MANIFEST, RUN), ("report.html", "")], Contents::Outputs, None),
            (&[(MANIFEST, RUN), (SIGNATURE, "")], Contents::Outputs, None),
            (&[(MANIFEST, RUN), ("notes.txt", "")], Contents::Outputs, Some("`notes.txt`")),
            (&[(MANIFEST, RUN), ("snapshot/marks.csv", "")], Contents::Outputs, Some("`snapshot/marks.csv`")),
            (&[(MANIFEST, CUT), ("b0/marks.csv", "")], Contents::Outputs, None),
            (&[(MANIFEST, CUT), ("b0/marks.csv", ""), ("b1/marks.csv", "")], Contents::Outputs, Some("`b1/marks.csv`")),
            (&[(MANIFEST, "{}")], Contents::Outputs, Some("not written by remargin")),
            (&[("a.js", "")], Contents::Outputs, Some("no `manifest.json`")),
            (&[(SNAPSHOT, &snapshot), ("marks.csv", ""), (CHECKSUMS, &listed)], Contents::Snapshot, None),
            (&[(SNAPSHOT, &imported), ("marks.csv", "1"), ("import.json", "")], Contents::Snapshot, None),
            (&[(SNAPSHOT, &snapshot), ("marks.csv", "")], Contents::Snapshot, Some("`checksums` is gone")),
            (
                &[(SNAPSHOT, &snapshot), ("marks.csv", "1"), (CHECKSUMS, &listed)],
                Contents::Snapshot,
                Some("`marks.csv`"),
            ),
            (
                &[(SNAPSHOT, &imported), ("marks.csv", "1"), (CHECKSUMS, &listed)],
                Contents::Snapshot,
                Some("`marks.csv`"),
            ),
            (&[(SNAPSHOT, &snapshot), (CHECKSUMS, &listed)], Contents::Snapshot, Some("`marks.csv`")),
            (&[(SNAPSHOT, &snapshot), ("marks.csv", ""), (CHECKSUMS, "")], Contents::Snapshot, Some("`marks.csv`")),
            (
                &[(SNAPSHOT, &snapshot), ("instruments.parquet", ""), ("accounts.csv", "")],
                Contents::Snapshot,
                Some("`accounts.csv`"),
            ),
            (&[(SNAPSHOT, &snapshot), ("resp/a.json", "")], Contents::Snapshot, Some("`resp/a.json`")),
            (&[(SNAPSHOT, "version = 1\n")], Contents::Snapshot, Some("not written by `remargin generate`")),
            (&[(MANIFEST, RUN)], Contents::Snapshot, Some("not a snapshot")),
        ];
        for (files, contents, foreign) in cases {
            let folder = tempfile::tempdir().unwrap();
            for (name, text) in files {
                let file = folder.path().join(name);
                fs::create_dir_all(file.parent().unwrap()).unwrap();
                fs::write(file, text).unwrap();
            }
            let found = Owned::of(folder.path(), contents);
            match foreign {
                None => assert!(found.is_ok(), "{files:?}: {found:?}"),
                Some(word) => {
                    let why = found.unwrap_err();
                    assert!(why.contains(word), "{files:?}: {why}");
                }
            }
        }
    }

    /// An empty folder that is not listed is kept too.
    #[test]
    fn a_foreign_folder_is_named() {
        let folder = tempfile::tempdir().unwrap();
        fs::write(folder.path().join(MANIFEST), r#"{"remargin": "0.1.0"}"#).unwrap();
        fs::create_dir(folder.path().join("mine")).unwrap();
        assert!(Owned::of(folder.path(), Contents::Outputs).unwrap_err().contains("`mine`"));
    }

    /// The content of the tree: the text of each file, the target of each link.
    fn contents(root: &Path) -> BTreeMap<PathBuf, String> {
        let found = Found::below(root).unwrap();
        let text = |file: &PathBuf| {
            let path = root.join(file);
            match fs::read_link(&path) {
                Ok(to) => format!("-> {}", to.display()),
                Err(_) => fs::read_to_string(path).unwrap(),
            }
        };
        let files = found.files.iter().map(|file| (file.clone(), text(file)));
        files.chain(found.folders.iter().map(|folder| (folder.clone(), "/".to_owned()))).collect()
    }

    const NAMES: [&str; 3] = ["a", "b", "c"];

    /// One piece of a random tree.
    #[derive(Debug, Clone)]
    enum Piece {
        Folder(Vec<usize>),
        Foreign(Vec<usize>),
        /// A run with some of its three outputs.
        Run(Vec<usize>, usize),
        Snapshot(Vec<usize>),
        Link(Vec<usize>, Vec<usize>),
    }

    fn place() -> impl Strategy<Value = Vec<usize>> {
        prop::collection::vec(0..NAMES.len(), 1..4)
    }

    fn piece() -> impl Strategy<Value = Piece> {
        prop_oneof![
            place().prop_map(Piece::Folder),
            place().prop_map(Piece::Foreign),
            (place(), 0usize..4).prop_map(|(at, outputs)| Piece::Run(at, outputs)),
            place().prop_map(Piece::Snapshot),
            (place(), place()).prop_map(|(at, to)| Piece::Link(at, to)),
        ]
    }

    fn path(root: &Path, place: &[usize]) -> PathBuf {
        place.iter().fold(root.to_path_buf(), |path, &name| path.join(NAMES[name]))
    }

    /// Builds as much of a piece as the existing content allows.
    fn build(root: &Path, piece: &Piece) {
        let make = |at: &[usize], files: &[(&str, &str)]| {
            let folder = path(root, at);
            if fs::create_dir_all(&folder).is_ok() {
                for (name, text) in files {
                    let _ = fs::write(folder.join(name), text);
                }
            }
        };
        match piece {
            Piece::Folder(at) => make(at, &[]),
            Piece::Foreign(at) => make(at, &[("thesis.txt", "years of work")]),
            Piece::Run(at, outputs) => {
                let names = ["x.csv", "y.csv", "z.csv"];
                let manifest =
                    r#"{"remargin": "1", "outputs": [{"path": "x.csv"}, {"path": "y.csv"}, {"path": "z.csv"}]}"#;
                let mut files = vec![(MANIFEST, manifest)];
                files.extend(names.iter().take(*outputs).map(|name| (*name, "figures")));
                make(at, &files);
            }
            Piece::Snapshot(at) => make(at, &[(SNAPSHOT, GENERATED), ("marks.csv", "1"), (CHECKSUMS, &listing("1"))]),
            Piece::Link(at, to) => {
                let at = path(root, at);
                let _ = at.parent().map(fs::create_dir_all);
                #[cfg(unix)]
                let _ = std::os::unix::fs::symlink(path(root, to), at);
            }
        }
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(500))]

        /// For any tree and path, `--force` removes only a run's own files, and never an input.
        #[test]
        fn force_takes_nothing_else(
            pieces in prop::collection::vec(piece(), 1..8),
            out in place(),
            detour in prop::option::of(place()),
            inputs in prop::collection::vec(place(), 0..3),
            of_snapshot in any::<bool>(),
        ) {
            let temp = tempfile::tempdir().unwrap();
            let root = temp.path().canonicalize().unwrap();
            for piece in &pieces {
                build(&root, piece);
            }
            // The same location with another spelling: through a folder and back.
            let begin = detour.map(|by| path(&root, &by)).filter(|by| by.is_dir());
            let spelled = begin.map(|by| {
                let back = by.canonicalize().unwrap().strip_prefix(&root).map_or(0, |inner| inner.components().count());
                (0..back).fold(by, |path, _| path.join(".."))
            });
            let out = path(&spelled.unwrap_or_else(|| root.clone()), &out);
            let inputs: Vec<PathBuf> = inputs.iter().map(|input| path(&root, input)).collect();
            let before = contents(&root);
            let real = out.canonicalize().ok();
            let inputs_before: Vec<_> = inputs.iter().map(|input| read_through(input)).collect();

            let borrowed: Vec<&Path> = inputs.iter().map(PathBuf::as_path).collect();
            let create = if of_snapshot { OutputFolder::of_snapshot } else { OutputFolder::create };
            let done = create(&out, true, &borrowed).and_then(|folder| {
                fs::write(folder.path().join("new.csv"), "new").map_err(|err| Error::io("write", &out, err))?;
                folder.publish()
            });
            let after = contents(&root);
            if done.is_err() {
                prop_assert_eq!(&before, &after);
            } else {
                let target = real.unwrap_or_else(|| out.canonicalize().unwrap());
                let target = target.strip_prefix(&root).unwrap().to_path_buf();
                for (path, text) in &before {
                    let Ok(inner) = path.strip_prefix(&target) else {
                        prop_assert_eq!(after.get(path), Some(text), "{:?} is not in {:?}", path, target);
                        continue;
                    };
                    let ours = if of_snapshot {
                        [SNAPSHOT, "marks.csv", CHECKSUMS].iter().any(|name| inner == Path::new(name))
                    } else {
                        [MANIFEST, "x.csv", "y.csv", "z.csv"].iter().any(|name| inner == Path::new(name))
                    };
                    prop_assert!(ours || inner.as_os_str().is_empty(), "{:?} is gone", path);
                }
                let inputs_after: Vec<_> = inputs.iter().map(|input| read_through(input)).collect();
                for ((input, before), after) in inputs.iter().zip(inputs_before).zip(inputs_after) {
                    // New files may be inside an input. Existing files are unchanged.
                    let (before, after) = (before.unwrap_or_default(), after.unwrap_or_default());
                    prop_assert!(before.iter().all(|file| after.contains(file)), "{:?} lost a file", input);
                }
            }
        }
    }

    /// What a reader of `input` sees: every file below it, through one level of links.
    fn read_through(input: &Path) -> Option<Vec<(PathBuf, String)>> {
        let real = input.canonicalize().ok()?;
        if real.is_file() {
            return Some(vec![(PathBuf::new(), fs::read_to_string(real).unwrap())]);
        }
        let files = Found::below(&real).unwrap().files.into_iter();
        Some(files.filter_map(|file| Some((file.clone(), fs::read_to_string(real.join(&file)).ok()?))).collect())
    }
}
