//! One client for each bucket, and the threads on which its requests run.

use super::Location;
use super::location::{Scheme, shown};
use crate::{Error, Result};
use object_store::aws::AmazonS3Builder;
use object_store::azure::MicrosoftAzureBuilder;
use object_store::client::ClientConfigKey;
use object_store::gcp::GoogleCloudStorageBuilder;
use object_store::http::HttpBuilder;
use object_store::path::Path as Key;
use object_store::{ObjectStore, RetryConfig};
use std::collections::HashMap;
use std::future::Future;
use std::io;
use std::path::Path;
use std::sync::{Arc, Mutex, OnceLock, PoisonError};
use std::time::{Duration, Instant};
use tokio::runtime::Runtime;

/// Threads that wait for the network and copy what comes.
const THREADS: usize = 2;
/// How often somebody who waits looks whether to stop.
pub(super) const GLANCE: Duration = Duration::from_millis(50);
/// A request that fails for a reason that may pass (a dropped connection, an answer 5xx or 429) is repeated so often,
/// and for so long, at growing intervals.
const RETRIES: usize = 10;
const LONGEST_RETRY: Duration = Duration::from_secs(90);
/// Characters of an answer that a message shows.
const LONGEST_ANSWER: usize = 400;

type Stop = Box<dyn Fn() -> bool + Send + Sync>;
static STOP: OnceLock<Stop> = OnceLock::new();

/// Says when work that waits for a store is to end with [`Error::Interrupted`]. The first call counts.
pub fn stop_when(is_stopped: impl Fn() -> bool + Send + Sync + 'static) {
    // A second caller changes nothing: one command has one set of signals.
    let _ = STOP.set(Box::new(is_stopped));
}

/// The longest that requests on their way are waited for after an interruption, and that a cleaning up takes then: who
/// has interrupted does not wait gladly.
pub(super) const AFTER_STOP: Duration = Duration::from_secs(3);

/// The longest that a cleaning up takes.
pub(super) fn patience() -> Duration {
    if is_stopped() { AFTER_STOP } else { Duration::from_secs(20) }
}

pub(super) fn is_stopped() -> bool {
    STOP.get().is_some_and(|is_stopped| is_stopped())
}

/// The threads of all requests.
pub(super) fn runtime() -> io::Result<&'static Runtime> {
    static RUNTIME: OnceLock<Result<Runtime, String>> = OnceLock::new();
    let started = RUNTIME.get_or_init(|| {
        // Another one may be installed by the program that uses the library.
        let _ = rustls::crypto::ring::default_provider().install_default();
        let mut builder = tokio::runtime::Builder::new_multi_thread();
        builder.worker_threads(THREADS).max_blocking_threads(THREADS).thread_name("store").enable_all();
        builder.build().map_err(|error| error.to_string())
    });
    started.as_ref().map_err(|error| io::Error::other(format!("no threads for the network: {error}")))
}

/// What the work brings; the thread of the caller waits for it. An interruption ends the wait and drops the work.
pub(super) fn wait<T>(work: impl Future<Output = io::Result<T>>) -> io::Result<T> {
    wait_longer(work, Duration::ZERO)?
}

/// As [`wait`]; after an interruption the work has so long to end.
pub(super) fn wait_longer<T>(work: impl Future<Output = T>, rest: Duration) -> io::Result<T> {
    let mut work = std::pin::pin!(work);
    runtime()?.block_on(async {
        let mut stopped: Option<Instant> = None;
        loop {
            match tokio::time::timeout(GLANCE, work.as_mut()).await {
                Ok(done) => return Ok(done),
                Err(_) if is_stopped() && stopped.get_or_insert_with(Instant::now).elapsed() >= rest => {
                    return Err(io::Error::other(Error::Interrupted));
                }
                Err(_) => {}
            }
        }
    })
}

/// As [`wait`], for work that must not be dropped half-way: what it did would not be known.
pub(super) fn wait_to_the_end<T>(work: impl Future<Output = io::Result<T>>) -> io::Result<T> {
    runtime()?.block_on(work)
}

/// A bucket, and a key in it.
#[derive(Debug, Clone)]
pub(super) struct Place {
    pub store: Arc<dyn ObjectStore>,
    pub key: Key,
    pub location: Location,
}

impl Place {
    /// # Errors
    /// What is wrong with the URL or the environment.
    pub fn of(url: &Path) -> io::Result<Self> {
        let location = Location::of(url).map_err(io::Error::other)?;
        let store = client(&location)?;
        // The path of a URL of the web is encoded; the client encodes it again.
        let is_encoded = location.is_read_only();
        let key = if is_encoded { Key::from_url_path(&location.key) } else { Key::parse(&location.key) };
        let key = key.map_err(|error| io::Error::other(format!("no key of an object: {error}")))?;
        Ok(Self { store, key, location })
    }

    /// Sends a request. Tests plant faults before and behind it.
    pub async fn ask<T>(&self, request: impl Future<Output = io::Result<T>>) -> io::Result<T> {
        #[cfg(test)]
        super::fault::before(&self.location.host)?;
        let answer = request.await;
        #[cfg(test)]
        super::fault::behind(&self.location.host)?;
        answer
    }
}

/// Clients by the kind of the store and the bucket.
type Clients = HashMap<(Scheme, String), Arc<dyn ObjectStore>>;

/// The client of a bucket. It is made once: it keeps connections and credentials.
fn client(location: &Location) -> io::Result<Arc<dyn ObjectStore>> {
    static CLIENTS: OnceLock<Mutex<Clients>> = OnceLock::new();
    let clients = CLIENTS.get_or_init(Mutex::default);
    let mut clients = clients.lock().unwrap_or_else(PoisonError::into_inner);
    let name = (location.scheme, location.host.clone());
    if let Some(client) = clients.get(&name) {
        return Ok(Arc::clone(client));
    }
    runtime()?;
    let client = build(location).map_err(|error| said(&error))?;
    clients.insert(name, Arc::clone(&client));
    Ok(client)
}

fn build(location: &Location) -> object_store::Result<Arc<dyn ObjectStore>> {
    let retry = RetryConfig { max_retries: RETRIES, retry_timeout: LONGEST_RETRY, ..RetryConfig::default() };
    let bucket = location.host.as_str();
    Ok(match location.scheme {
        Scheme::S3 => Arc::new(AmazonS3Builder::from_env().with_bucket_name(bucket).with_retry(retry).build()?),
        Scheme::Gs => {
            Arc::new(GoogleCloudStorageBuilder::from_env().with_bucket_name(bucket).with_retry(retry).build()?)
        }
        Scheme::Az => {
            Arc::new(MicrosoftAzureBuilder::from_env().with_container_name(bucket).with_retry(retry).build()?)
        }
        Scheme::Https => Arc::new(HttpBuilder::new().with_url(format!("https://{bucket}")).with_retry(retry).build()?),
        Scheme::Http => {
            let builder = HttpBuilder::new().with_url(format!("http://{bucket}")).with_retry(retry);
            Arc::new(builder.with_config(ClientConfigKey::AllowHttp, "true").build()?)
        }
        #[cfg(test)]
        Scheme::Memory => Arc::new(object_store::memory::InMemory::new()),
    })
}

/// What a store said, as an error of the system: without queries of URLs, on one line, cut off where it is long.
pub(super) fn said(error: &object_store::Error) -> io::Error {
    let kind = match error {
        object_store::Error::NotFound { .. } => io::ErrorKind::NotFound,
        object_store::Error::AlreadyExists { .. } | object_store::Error::Precondition { .. } => {
            io::ErrorKind::AlreadyExists
        }
        object_store::Error::PermissionDenied { .. } | object_store::Error::Unauthenticated { .. } => {
            io::ErrorKind::PermissionDenied
        }
        _ => io::ErrorKind::Other,
    };
    let mut text = error.to_string();
    let mut source = std::error::Error::source(error);
    while let Some(inner) = source {
        let more = inner.to_string();
        if !text.contains(&more) {
            text = format!("{text}: {more}");
        }
        source = inner.source();
    }
    io::Error::new(kind, plain(&text))
}

/// Text of a server as messages may have it.
fn plain(text: &str) -> String {
    let words = text.split_whitespace().map(|word| match word.find("://") {
        Some(_) => {
            let begin = word.find(|letter: char| letter.is_ascii_alphanumeric()).unwrap_or_default();
            let (before, url) = word.split_at_checked(begin).unwrap_or(("", word));
            format!("{before}{}", shown(Path::new(url)))
        }
        None => word.to_owned(),
    });
    let line = words.collect::<Vec<_>>().join(" ");
    match line.char_indices().nth(LONGEST_ANSWER) {
        Some((end, _)) => format!("{}...", line.get(..end).unwrap_or_default()),
        None => line,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn answers_are_shown_without_secrets() {
        for (text, expected) in [
            ("Error performing GET https://a.b/c?sig=SECRET in 3s", "Error performing GET https://a.b/c in 3s"),
            ("(https://user:SECRET@a.b/c)", "(https://a.b/c)"),
            ("two\nlines\tof  text", "two lines of text"),
        ] {
            assert_eq!(plain(text), expected);
        }
        assert_eq!(plain(&"x".repeat(1000)).len(), LONGEST_ANSWER + 3);
    }
}
