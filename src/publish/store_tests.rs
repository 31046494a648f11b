//! Tests: a folder at a URL is whole or not at all, on a store in memory.

use super::{MANIFEST, OutputFolder, with_run};
use crate::progress::Silent;
use crate::run::{RunRequest, run};
use crate::store::fault::{Fault, count, plant};
use crate::store::{self, Entry};
use crate::verify::replay::{ReplayRequest, manifest_in, replay};
use crate::verify::{VerifyRequest, verify};
use crate::{Error, rules};
use std::fs;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::sync::Barrier;

fn url(host: &str) -> PathBuf {
    PathBuf::from(format!("memory://{host}/day/eod"))
}

/// Writes a folder of three files, each with `text` in it.
fn write(folder: &OutputFolder, text: &str) {
    let manifest = r#"{"remargin": "0.1.0", "outputs": [{"path": "a.csv"}, {"path": "b.csv"}, {"path": "c.csv"}]}"#;
    for name in ["a.csv", "b.csv", "c.csv"] {
        fs::write(folder.path().join(name), text).unwrap();
    }
    fs::write(folder.path().join(MANIFEST), manifest).unwrap();
}

fn publish(url: &Path, force: bool, text: &str) -> crate::Result<()> {
    let folder = OutputFolder::create(url, force, &[])?;
    write(&folder, text);
    folder.publish()
}

/// The text of the run at the URL; `None` if there is no run. A run is whole.
fn found(url: &Path) -> Option<String> {
    let temp = tempfile::tempdir().unwrap();
    let read = with_run(url, temp.path(), |run| {
        assert_eq!(fs::read_dir(run).unwrap().count(), 4);
        let texts = ["a.csv", "b.csv", "c.csv"].map(|name| fs::read_to_string(run.join(name)).unwrap());
        assert!(texts.iter().all(|text| *text == texts[0]), "{texts:?}");
        Ok(texts[0].clone())
    });
    match read {
        Ok(text) => Some(text),
        Err(error) => {
            assert_eq!(error.exit_code(), 3, "{error}");
            assert!(error.to_string().contains("does not exist"), "{error}");
            None
        }
    }
}

fn runs(url: &Path) -> Vec<Entry> {
    store::list(url).unwrap().into_iter().filter(|entry| entry.is_folder).collect()
}

#[test]
fn a_run_appears_and_is_replaced() {
    let url = url("replaced");
    publish(&url, false, "one").unwrap();
    assert_eq!(found(&url).as_deref(), Some("one"));
    let refused = OutputFolder::create(&url, false, &[]).unwrap_err();
    assert!(matches!(refused, Error::Refused { .. }), "{refused}");
    publish(&url, true, "two").unwrap();
    assert_eq!(found(&url).as_deref(), Some("two"));
    assert_eq!(runs(&url).len(), 1, "the objects of the old run are gone");
    drop(OutputFolder::create(&url, true, &[]).unwrap());
    assert_eq!(found(&url).as_deref(), Some("two"));
}

#[test]
fn a_kill_at_any_request_leaves_a_whole_run_or_none() {
    let (mut ended, mut killed) = (false, 0);
    for (replaces, at) in [false, true].into_iter().flat_map(|replaces| (0..40).map(move |at| (replaces, at))) {
        let host = format!("killed-{replaces}-{at}");
        let url = url(&host);
        if replaces {
            publish(&url, false, "old").unwrap();
        }
        plant(&host, Some(Fault::KilledAt(at)));
        let published = publish(&url, replaces, "new");
        let requests = count(&host);
        plant(&host, None);
        let expected = match &published {
            Ok(()) => Some("new"),
            Err(_) if replaces => Some("old"),
            Err(_) => None,
        };
        assert_eq!(found(&url).as_deref(), expected, "{replaces} {at}: {published:?}");
        killed += usize::from(published.is_err());
        // What was left is in nobody's way.
        publish(&url, expected.is_some(), "later").unwrap();
        assert_eq!(found(&url).as_deref(), Some("later"));
        ended |= requests < at;
    }
    assert!(ended && killed >= 14, "{killed}");
}

#[test]
fn a_lost_answer_is_no_lost_run() {
    for (replaces, at) in [false, true].into_iter().flat_map(|replaces| (0..16).map(move |at| (replaces, at))) {
        let host = format!("lost-{replaces}-{at}");
        let url = url(&host);
        if replaces {
            publish(&url, false, "old").unwrap();
        }
        plant(&host, Some(Fault::AnswerLostAt(at)));
        let published = publish(&url, replaces, "new");
        plant(&host, None);
        let expected = match &published {
            Ok(()) => Some("new"),
            Err(error) => {
                assert!(at < 6, "the manifest was sent at request 6 or before, {at}: {error}");
                replaces.then_some("old")
            }
        };
        assert_eq!(found(&url).as_deref(), expected, "{replaces} {at}: {published:?}");
    }
}

#[test]
fn one_of_eight_racers_wins() {
    for force in [false, true] {
        let url = url(&format!("racers-{force}"));
        if force {
            publish(&url, false, "old").unwrap();
        }
        let ready = Barrier::new(8);
        let race = |number: usize| {
            let folder = OutputFolder::create(&url, force, &[]).unwrap();
            write(&folder, &number.to_string());
            ready.wait();
            folder.publish()
        };
        let outcomes: Vec<_> = std::thread::scope(|scope| {
            let racers: Vec<_> = (0..8).map(|number| scope.spawn(move || race(number))).collect();
            racers.into_iter().map(|racer| racer.join().unwrap()).collect()
        });
        let winners: Vec<usize> = (0..8).filter(|number| outcomes[*number].is_ok()).collect();
        assert_eq!(winners.len(), 1, "{outcomes:?}");
        assert_eq!(found(&url), Some(winners[0].to_string()));
        assert_eq!(runs(&url).len(), 1, "the others took back what they sent");
        for error in outcomes.into_iter().filter_map(Result::err) {
            assert!(error.exit_code() == 1 && error.to_string().contains("by another process"), "{error}");
        }
    }
}

#[test]
fn what_is_no_run_is_not_replaced() {
    let place = tempfile::tempdir().unwrap();
    let file = place.path().join("file");
    fs::write(&file, "x").unwrap();
    let send = |name: &str| store::upload(&[(file.clone(), PathBuf::from(name))], None).unwrap();
    send("memory://foreign/day/thesis.txt");
    send("memory://other/day/manifest.json");
    send("memory://left/day/run-0/a.csv");
    let manifest = r#"{"remargin": "0.1.0", "outputs": [], "files_in": "run-../../x"}"#;
    fs::write(&file, manifest).unwrap();
    send("memory://astray/day/manifest.json");
    fs::write(&file, r#"{"remargin": "0.1.0", "outputs": []}"#).unwrap();
    send("memory://within/day/manifest.json");
    let input = Path::new("memory://within/day/book");
    for (out, expected) in [
        ("memory://foreign/day", "`thesis.txt`"),
        ("memory://other/day", "not written by remargin"),
        ("memory://astray/day", "no folder of a run"),
        ("memory://within/day", "which is an input, is inside it"),
        ("memory://bucket", "the URL has no key"),
        ("https://example.com/day", "only read"),
        ("ftp://bucket/day", "no such store"),
    ] {
        let refused = OutputFolder::create(Path::new(out), true, &[input]).unwrap_err();
        assert!(refused.exit_code() == 2 && refused.to_string().contains(expected), "{out}: {refused}");
    }
    assert!(OutputFolder::create(Path::new("memory://left/day"), false, &[]).is_ok());
    assert!(OutputFolder::of_snapshot(Path::new("memory://left/day"), false, &[]).is_err());
    let here = place.path();
    let read = with_run(Path::new("memory://astray/day"), here, |_| Ok(())).unwrap_err();
    assert!(read.exit_code() == 3 && read.to_string().contains("no folder of a run"), "{read}");
}

/// The sample at a URL, margined to a URL: the bytes of the same run in folders. It verifies and replays.
#[test]
fn a_run_at_urls_is_the_run_in_folders() {
    let place = tempfile::tempdir().unwrap();
    let snapshot = PathBuf::from("memory://whole/book");
    let files = fs::read_dir("data/sample").unwrap().map(|entry| entry.unwrap().path());
    let files: Vec<_> = files.map(|file| (file.clone(), snapshot.join(file.file_name().unwrap()))).collect();
    store::upload(&files, None).unwrap();
    let rules = || rules::load(None, &[]).unwrap();
    let local = place.path().join("out");
    run(&RunRequest::new("data/sample", &local, rules()), &Silent).unwrap();
    let out = PathBuf::from("memory://whole/out");
    run(&RunRequest::new(&snapshot, &out, rules()), &Silent).unwrap();
    with_run(&out, place.path(), |here| {
        let mut compared = 0;
        for entry in fs::read_dir(&local).unwrap() {
            let name = entry.unwrap().file_name();
            if name != MANIFEST {
                assert_eq!(fs::read(local.join(&name)).unwrap(), fs::read(here.join(&name)).unwrap(), "{name:?}");
                compared += 1;
            }
        }
        assert!(compared >= 7, "{compared}");
        Ok(())
    })
    .unwrap();

    let mut request = VerifyRequest::new(&out);
    request.temp = place.path().to_path_buf();
    let verified = verify(&request, &Silent).unwrap();
    assert!(verified.agrees(), "{:?}", verified.differences);
    assert_eq!(verified.run, "memory://whole/out");
    let temp = place.path().to_path_buf();
    let again = replay(&ReplayRequest { manifest: manifest_in(&out), snapshot: None, temp }, &Silent).unwrap();
    assert!(again.agrees() && again.files.iter().all(|file| file.compared));

    // An edit of an object is found.
    let edited = place.path().join("edited");
    fs::write(&edited, "x").unwrap();
    let folder = out.join(&runs(&out)[0].name);
    store::upload(&[(edited, folder.join("summary.json"))], None).unwrap();
    let verified = verify(&request, &Silent).unwrap();
    assert!(!verified.agrees() && verified.differences.iter().any(|of| of.file.starts_with("memory://")));
}

/// Sends a table of which the first 200 kB are there, and waits until something is on its way.
fn begun(host: &str, folder: &Path) -> (PathBuf, PathBuf, store::Ahead) {
    let (file, object) = (folder.join("accounts.csv"), PathBuf::from(format!("memory://{host}/run/accounts.csv")));
    plant(host, Some(Fault::KilledAt(usize::MAX)));
    let ahead = store::Ahead::start(folder, object.parent().unwrap()).unwrap();
    fs::write(&file, bytes(200_000, 1)).unwrap();
    while count(host) == 0 {
        std::thread::sleep(std::time::Duration::from_millis(5));
    }
    (file, object, ahead)
}

fn bytes(count: usize, step: usize) -> Vec<u8> {
    (0..count).map(|place| (place / 7 * step % 251) as u8).collect()
}

#[test]
fn a_table_is_sent_while_it_grows() {
    let place = tempfile::tempdir().unwrap();
    let (file, object, ahead) = begun("grows", place.path());
    let whole = bytes(500_001, 1);
    fs::OpenOptions::new().append(true).open(&file).unwrap().write_all(&whole[200_000..]).unwrap();
    assert_eq!(store::list(object.parent().unwrap()).unwrap(), [], "nothing is there before the end");
    store::upload(&[(file, object.clone())], Some(ahead)).unwrap();
    assert!(store::get(&object, 1 << 20).unwrap().unwrap().0 == whole);
}

#[test]
fn a_table_that_was_written_anew_is_sent_anew() {
    let place = tempfile::tempdir().unwrap();
    let (file, object, ahead) = begun("anew", place.path());
    fs::remove_file(&file).unwrap();
    let other = bytes(400_000, 3);
    fs::write(&file, &other).unwrap();
    store::upload(&[(file, object.clone())], Some(ahead)).unwrap();
    assert!(store::get(&object, 1 << 20).unwrap().unwrap().0 == other);
}

#[test]
fn a_run_that_fails_leaves_nothing_that_was_sent() {
    let place = tempfile::tempdir().unwrap();
    let (_, object, ahead) = begun("fails", place.path());
    drop(ahead);
    assert_eq!(store::list(object.parent().unwrap()).unwrap(), []);
}
