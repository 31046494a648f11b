//! Tests: an object is read as one version, at any place, by many threads.

use super::remote::Remote;
use super::{Condition, Put, head, put};
use crate::progress::Silent;
use crate::source::Input;
use std::path::Path;

fn bytes(seed: u32) -> Vec<u8> {
    (0..9_500_000u32).map(|at| (at.wrapping_mul(2_654_435_761) >> 13) as u8 ^ seed as u8).collect()
}

#[test]
fn an_object_is_read_at_any_place() {
    let url = Path::new("memory://read/a/marks.csv");
    let bytes = bytes(1);
    assert_eq!(put(url, &bytes, &Condition::Absent).unwrap(), Put::Written);
    assert_eq!(put(url, &bytes, &Condition::Absent).unwrap(), Put::Refused);
    let input = Input::open(url).unwrap();
    std::thread::scope(|scope| {
        for thread in 0..4u64 {
            let (input, bytes) = (&input, &bytes);
            scope.spawn(move || {
                for step in 0..50u64 {
                    let at = (step * 7_777_777 + thread * 1_234_567) % (bytes.len() as u64 - 5000);
                    let mut found = [0; 5000];
                    input.read_exact_at(&mut found, at).unwrap();
                    assert_eq!(found, bytes[at as usize..at as usize + 5000]);
                }
            });
        }
    });
    let hash = (bytes.len() as u64, blake3::hash(&bytes).to_hex().to_string());
    assert_eq!(input.hash(&Silent).unwrap(), hash);
    assert_eq!(input.read_at(&mut [0; 8], bytes.len() as u64).unwrap(), 0);
    assert!(Remote::open(Path::new("memory://read/a/none")).unwrap().is_none());
    assert_eq!(Input::open(Path::new("memory://read/a/none")).unwrap_err().exit_code(), 3);
    let empty = Path::new("memory://read/a/empty.csv");
    put(empty, b"", &Condition::Absent).unwrap();
    assert!(Input::open(empty).unwrap().read_whole(10).unwrap().is_empty());
}

#[test]
fn an_object_that_changes_is_never_a_mix() {
    let url = Path::new("memory://changed/a/marks.csv");
    let (old, new) = (bytes(1), bytes(2));
    put(url, &old, &Condition::Absent).unwrap();
    let input = Input::open(url).unwrap();
    let meta = head(url).unwrap().unwrap();
    assert_eq!(put(url, &new, &Condition::Same(meta.clone())).unwrap(), Put::Written);
    assert_eq!(put(url, &new, &Condition::Same(meta)).unwrap(), Put::Refused);
    let error = input.hash(&Silent).unwrap_err();
    assert!(error.exit_code() == 3 && error.to_string().contains("changed while it was read"), "{error}");
    let again = Input::open(url).unwrap();
    assert_eq!(again.read_whole(1 << 30).unwrap(), new);
}
