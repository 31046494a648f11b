//! Faults for tests: a process that is killed before a request, an answer that is lost.

use std::collections::HashMap;
use std::io;
use std::sync::{Mutex, PoisonError};

/// What goes wrong at a bucket; requests are counted from 0 when it is planted.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Fault {
    /// From this request on nothing reaches the store.
    KilledAt(usize),
    /// This request reaches the store, its answer is lost.
    AnswerLostAt(usize),
}

type Planted = HashMap<String, (Fault, usize)>;
static PLANTED: Mutex<Option<Planted>> = Mutex::new(None);

fn with<T>(work: impl FnOnce(&mut Planted) -> T) -> T {
    work(PLANTED.lock().unwrap_or_else(PoisonError::into_inner).get_or_insert_default())
}

/// Plants a fault at a bucket, or takes it away.
pub(crate) fn plant(host: &str, fault: Option<Fault>) {
    with(|planted| match fault {
        Some(fault) => planted.insert(host.to_owned(), (fault, 0)),
        None => planted.remove(host),
    });
}

/// How many requests were sent to a bucket since its fault was planted.
pub(crate) fn count(host: &str) -> usize {
    with(|planted| planted.get(host).map_or(0, |(_, count)| *count))
}

pub(super) fn before(host: &str) -> io::Result<()> {
    with(|planted| match planted.get_mut(host) {
        Some((Fault::KilledAt(at), count)) if *count >= *at => Err(io::Error::other("killed")),
        Some((_, count)) => {
            *count += 1;
            Ok(())
        }
        None => Ok(()),
    })
}

pub(super) fn behind(host: &str) -> io::Result<()> {
    with(|planted| match planted.get(host) {
        Some((Fault::AnswerLostAt(at), count)) if *count == *at + 1 => Err(io::Error::other("the answer is lost")),
        _ => Ok(()),
    })
}
