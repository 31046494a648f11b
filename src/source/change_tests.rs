//! Tests: files that change under a reader, and things that are no files.

use super::{Format, Input, LARGEST_TOML, Memory, at, find, hash_all, is_file, is_there, read, read_if_there, settle};
use crate::progress::Silent;
use crate::{Error, Invalid};
use std::fs::{self, File, OpenOptions};
use std::io::{Read, Seek, SeekFrom, Write};
use std::path::Path;

/// What an error says that concerns data.
fn fault<T>(outcome: crate::Result<T>) -> Invalid {
    match outcome {
        Err(Error::Invalid(fault)) => *fault,
        Err(other) => panic!("another error: {other}"),
        Ok(_) => panic!("no error"),
    }
}

type Change = (&'static str, fn(&Path), &'static str);

const CHANGES: [Change; 7] = [
    ("rename", |file| rename_over(file, b"abcdefgh"), "another file has its name now"),
    ("overwrite", |file| overwrite(file, b"ABCDEFGH"), "it was written to"),
    ("the same bytes", |file| overwrite(file, b"abcdefgh"), "it was written to"),
    ("truncate", |file| OpenOptions::new().write(true).open(file).unwrap().set_len(4).unwrap(), "has 4 now"),
    ("append", |file| OpenOptions::new().append(true).open(file).unwrap().write_all(b"i").unwrap(), "has 9 now"),
    ("remove", |file| fs::remove_file(file).unwrap(), "it is gone"),
    ("overwrite, old time", overwrite_with_old_time, "it was written to"),
];

fn rename_over(file: &Path, bytes: &[u8]) {
    let other = file.with_extension("new");
    fs::write(&other, bytes).unwrap();
    fs::rename(other, file).unwrap();
}

fn overwrite(file: &Path, bytes: &[u8]) {
    OpenOptions::new().write(true).open(file).unwrap().write_all(bytes).unwrap();
}

fn overwrite_with_old_time(file: &Path) {
    let before = fs::metadata(file).unwrap().modified().unwrap();
    overwrite(file, b"ABCDEFGH");
    File::options().write(true).open(file).unwrap().set_modified(before).unwrap();
}

#[test]
fn every_change_is_noticed() {
    let place = tempfile::tempdir().unwrap();
    for (name, change, how) in CHANGES {
        if cfg!(not(unix)) && ["rename", "overwrite, old time"].contains(&name) {
            continue;
        }
        let file = place.path().join("marks.csv");
        fs::write(&file, "abcdefgh").unwrap();
        // At once, in the same step of the clock.
        let input = Input::open(&file).unwrap();
        input.verify_unchanged().unwrap();
        change(&file);
        let found = fault(input.verify_unchanged());
        assert_eq!(found.problem, "the file changed while it was read", "{name}");
        assert_eq!(found.file.as_deref(), Some(file.as_path()));
        assert!(found.value.as_ref().unwrap().contains(how), "{name}: {found}");
        for outcome in [input.hash(&Silent).map(drop), input.read_whole(100).map(drop)] {
            let found = fault(outcome);
            assert!(found.problem.contains("changed while it was read"), "{name}: {found}");
        }
        assert!(input.to_the_end().read_to_end(&mut Vec::new()).is_err(), "{name}");
    }
}

#[test]
fn a_change_says_more_than_what_came_of_it() {
    let place = tempfile::tempdir().unwrap();
    let file = place.path().join("marks.csv");
    fs::write(&file, "abcdefgh").unwrap();
    let input = Input::open(&file).unwrap();
    let broken = || Err::<(), _>(Invalid::new("no table").into());
    assert_eq!(fault(settle([&input], broken())).problem, "no table");
    assert_eq!(settle([&input], Ok(7)).unwrap(), 7);
    overwrite(&file, b"ABCD");
    let found = fault(settle([&input], broken()));
    assert_eq!(found.problem, "the file changed while it was read");
    assert_eq!(found.hint.as_deref(), Some("its reader says: no table"));
    assert!(matches!(settle([&input], Err::<(), _>(Error::Interrupted)), Err(Error::Interrupted)));
}

#[test]
fn what_is_appended_is_never_read() {
    let place = tempfile::tempdir().unwrap();
    let file = place.path().join("marks.csv");
    fs::write(&file, "abcdefgh").unwrap();
    let input = Input::open(&file).unwrap().at_hand().unwrap();
    OpenOptions::new().append(true).open(&file).unwrap().write_all(b"ijkl").unwrap();
    let mut read = Vec::new();
    input.view(2).read_to_end(&mut read).unwrap();
    assert_eq!(read, b"cdefgh");
    assert!(input.read_exact_at(&mut [0; 4], 6).is_err());
}

/// Far more files than are held open: each gives its own bytes or says that it changed.
#[test]
fn many_files_are_what_they_were() {
    let place = tempfile::tempdir().unwrap();
    let path = |number: usize| place.path().join(format!("{number}.csv"));
    (0..200).for_each(|number| fs::write(path(number), format!("old {number}")).unwrap());
    let inputs: Vec<Input> = (0..200).map(|number| Input::open(&path(number)).unwrap()).collect();
    for (number, input) in inputs.iter().enumerate() {
        assert_eq!(input.read_whole(10).unwrap(), format!("old {number}").into_bytes());
    }
    assert_eq!(hash_all(&inputs, &Silent).unwrap().len(), 200);
    let other = tempfile::tempdir().unwrap();
    let mut refused = 0;
    for (number, input) in inputs.iter().enumerate() {
        let new = other.path().join("new");
        fs::write(&new, format!("new {number}")).unwrap();
        fs::rename(new, path(number)).unwrap();
        let mut bytes = [0; 3];
        match input.at_hand().map(|input| input.read_exact_at(&mut bytes, 0)) {
            Ok(Ok(())) => assert_eq!(&bytes, b"old"),
            Err(error) => refused += usize::from(error.to_string().contains("changed while it was read")),
            Ok(Err(error)) => panic!("{error}"),
        }
        assert!(fault(input.hash(&Silent)).problem.contains("changed while it was read"));
    }
    assert!(refused >= 200 - 64, "{refused}");
}

#[test]
fn a_view_has_a_place_of_its_own() {
    let input = Input::of(Memory::new("marks.csv", b"abcdefgh".to_vec()));
    let (mut first, mut second) = (input.view(0), input.view(6));
    let next = |view: &mut super::View| {
        let mut byte = [0];
        if view.read(&mut byte).unwrap() == 0 { 0 } else { byte[0] }
    };
    assert_eq!([next(&mut first), next(&mut second), next(&mut first), next(&mut second)], *b"agbh");
    assert_eq!((next(&mut second), next(&mut first)), (0, b'c'));
    assert_eq!(first.seek(SeekFrom::End(-1)).unwrap(), 7);
    assert_eq!(first.seek(SeekFrom::Current(-3)).unwrap(), 4);
    assert_eq!(next(&mut first), b'e');
    assert!(first.seek(SeekFrom::Current(-9)).is_err());
    assert_eq!(first.seek(SeekFrom::Start(99)).unwrap(), 99);
    assert_eq!(next(&mut first), 0);
}

#[test]
fn memory_and_file_are_the_same_bytes() {
    let place = tempfile::tempdir().unwrap();
    let bytes: Vec<u8> = (0..3_000_000u32).map(|at| (at % 251) as u8).collect();
    let path = place.path().join("marks.csv");
    fs::write(&path, &bytes).unwrap();
    let expected = (bytes.len() as u64, blake3::hash(&bytes).to_hex().to_string());
    assert_eq!(Input::open(&path).unwrap().hash(&Silent).unwrap(), expected);
    assert_eq!(Input::of(Memory::new("marks.csv", bytes)).hash(&Silent).unwrap(), expected);
}

#[test]
fn a_small_file_has_a_bound() {
    let place = tempfile::tempdir().unwrap();
    let path = place.path().join("rules.toml");
    fs::write(&path, "12345").unwrap();
    assert_eq!(read(&path, 5).unwrap(), b"12345");
    let found = fault(read(&path, 4));
    assert_eq!((found.problem.as_str(), found.value.as_deref()), ("the file is too large", Some("5 bytes")));
    assert_eq!(read_if_there(&place.path().join("none"), 4).unwrap(), None);
    // A file that only says that it is large is not read.
    File::create(&path).unwrap().set_len(LARGEST_TOML + 1).unwrap();
    let found = fault(read(&path, LARGEST_TOML));
    assert!(found.expected.unwrap().contains("67108864 bytes (64 MiB)"));
}

#[cfg(unix)]
#[test]
fn only_regular_files_are_opened() {
    use std::os::unix::fs::symlink;
    let place = tempfile::tempdir().unwrap();
    let path = |name: &str| place.path().join(name);
    fs::create_dir(path("folder")).unwrap();
    assert!(std::process::Command::new("mkfifo").arg(path("pipe")).status().unwrap().success());
    let _socket = std::os::unix::net::UnixListener::bind(path("socket")).unwrap();
    symlink(path("pipe"), path("link-to-pipe")).unwrap();
    symlink(path("loop"), path("loop")).unwrap();
    symlink(path("nowhere"), path("astray")).unwrap();
    fs::write(path("file"), "abc").unwrap();
    symlink(path("file"), path("link")).unwrap();
    for (name, problem) in [
        ("folder", "not a regular file"),
        ("pipe", "not a regular file"),
        ("link-to-pipe", "not a regular file"),
        ("socket", "not a regular file"),
        ("loop", "the file cannot be read"),
        ("astray", "the file cannot be read"),
        ("none", "the file cannot be read"),
    ] {
        let found = fault(Input::open(&path(name)));
        assert!(found.problem.contains(problem), "{name}: {found}");
        assert_eq!(found.file, Some(path(name)));
        if name != "none" {
            assert!(is_there(&path(name)).unwrap(), "{name}");
            fault(read_if_there(&path(name), 100));
        }
    }
    assert!(fault(Input::open(Path::new("/dev/null"))).problem.contains("not a regular file"));
    assert_eq!(read(&path("link"), 100).unwrap(), b"abc");
    assert!(is_file(&path("link")).unwrap() && !is_file(&path("pipe")).unwrap() && !is_file(&path("none")).unwrap());
    fault(is_file(&path("loop")));
}

/// What cannot be seen may be there: a table is not taken for absent because of an error.
#[cfg(unix)]
#[test]
fn an_error_is_not_absent() {
    let place = tempfile::tempdir().unwrap();
    let dir = place.path().join("loop");
    std::os::unix::fs::symlink(&dir, &dir).unwrap();
    assert!(fault(find(&dir, "accounts")).problem.contains("the file cannot be read"));
    assert!(fault(is_there(&dir.join("checksums"))).problem.contains("the file cannot be read"));
    assert!(fault(is_there(Path::new("a\0b"))).problem.contains("the file cannot be read"));
    assert_eq!(find(place.path(), "accounts").unwrap(), None);
    fs::write(place.path().join("accounts.csv"), "").unwrap();
    let found = find(place.path(), "accounts").unwrap().unwrap();
    assert_eq!((found.format, found.open().unwrap().files.len()), (Format::Csv, 1));
    fault(at(&dir.join("shocks.csv")));
}
