//! Files of this machine that become objects.

use super::ahead::Ahead;
use super::sending::{PART, SIDE_BY_SIDE, Sending, Work, next_part};
use super::service::{AFTER_STOP, Place, said, wait_longer};
use crate::error::is_interruption;
use futures_util::stream::{self, StreamExt};
use object_store::ObjectStoreExt;
use std::fs::File;
use std::io;
use std::path::{Path, PathBuf};

/// Sends files of this machine, several at a time; an object of the same name is replaced. What was sent `ahead` of
/// some of them is not sent again.
pub(crate) fn upload(files: &[(PathBuf, PathBuf)], ahead: Option<Ahead>) -> io::Result<()> {
    let work = Work::default();
    let mut begun = ahead.map(Ahead::begun).transpose()?.unwrap_or_default();
    let mut works = Vec::new();
    for (file, url) in files {
        let place = Place::of(url)?;
        // What is not of this file any more is taken back when it is dropped.
        let started = begun.remove(file).filter(|started| started.is_of(file));
        let work = &work;
        works.push(async move {
            let sent = async {
                work.check()?;
                match started {
                    Some(started) => started.finish(work).await,
                    None => send(file, &place, work).await,
                }
            };
            let sent = place.ask(sent).await;
            if sent.is_err() {
                work.end();
            }
            sent
        });
    }
    drop(begun);
    let sent = stream::iter(works).buffer_unordered(SIDE_BY_SIDE).collect::<Vec<_>>();
    let mut sent = wait_longer(sent, AFTER_STOP)?;
    // What was not begun after an error says that it was interrupted, which is not the reason.
    sent.sort_by_key(|sent| sent.as_ref().err().is_some_and(is_interruption));
    sent.into_iter().collect()
}

async fn send(file: &Path, place: &Place, work: &Work) -> io::Result<()> {
    let mut file = File::open(file)?;
    let first = next_part(&mut file)?;
    if first.len() < PART {
        return place.store.put(&place.key, first.into()).await.map(drop).map_err(|error| said(&error));
    }
    let mut sending = Sending::start(place).await?;
    sending.part(first);
    sending.finish(file, work).await
}
