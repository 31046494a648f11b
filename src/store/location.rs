//! What a URL says: which store, which bucket, which key. Nothing is asked of a network here.

use super::{IS_BUILT_IN, not_built_in};
use crate::{Error, Result};
use std::fmt;
use std::path::Path;

/// The kinds of stores.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) enum Scheme {
    /// Amazon S3, and what speaks as it does.
    S3,
    /// Google Cloud Storage.
    Gs,
    /// Azure Blob Storage.
    Az,
    /// A web server with TLS.
    Https,
    /// A web server on this machine.
    Http,
    /// For tests: nothing but memory.
    #[cfg(test)]
    Memory,
}

impl Scheme {
    fn of(name: &str) -> Option<Self> {
        Some(match name {
            "s3" => Self::S3,
            "gs" => Self::Gs,
            "az" => Self::Az,
            "https" => Self::Https,
            "http" => Self::Http,
            #[cfg(test)]
            "memory" => Self::Memory,
            _ => return None,
        })
    }

    fn name(self) -> &'static str {
        match self {
            Self::S3 => "s3",
            Self::Gs => "gs",
            Self::Az => "az",
            Self::Https => "https",
            Self::Http => "http",
            #[cfg(test)]
            Self::Memory => "memory",
        }
    }
}

/// An object, or the beginning of the keys of several: `scheme://bucket/key`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Location {
    pub scheme: Scheme,
    /// The bucket or container; the server, with its port, of a web server.
    pub host: String,
    /// Without `/` at its ends; empty for the bucket itself.
    pub key: String,
}

/// True for text that begins as a URL does: `scheme://`. A file of this machine may have such a name only if it is
/// given with its folder, such as `./s3://x`.
#[must_use]
pub fn is_url(path: &Path) -> bool {
    path.to_str().and_then(scheme_of).is_some()
}

/// The scheme of a URL and what follows `://`. Windows joins names by `\`.
fn scheme_of(text: &str) -> Option<(&str, &str)> {
    let (scheme, rest) = text.split_once("://")?;
    let is_name = scheme.len() > 1 && scheme.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"+-.".contains(&byte));
    is_name.then_some((scheme, rest))
}

/// A URL as messages may have it: without the user before `@`, and without what follows `?` or `#`.
pub(super) fn shown(url: &Path) -> String {
    let text = url.to_string_lossy();
    let Some((scheme, rest)) = scheme_of(&text) else { return text.into_owned() };
    let rest = rest.split(['?', '#']).next().unwrap_or_default();
    let (host, key) = rest.split_once('/').map_or((rest, None), |(host, key)| (host, Some(key)));
    let host = host.rsplit('@').next().unwrap_or_default();
    key.map_or_else(|| format!("{scheme}://{host}"), |key| format!("{scheme}://{host}/{key}"))
}

/// Refuses a URL that cannot be used, before anything is asked of a network.
///
/// # Errors
/// [`Error::Usage`] that says why; it does not repeat what may be a secret.
pub fn check(path: &Path) -> Result<()> {
    match is_url(path) {
        false => Ok(()),
        true if IS_BUILT_IN => Location::of(path).map(drop),
        true => Err(not_built_in(path)),
    }
}

impl Location {
    /// Takes a URL apart.
    ///
    /// # Errors
    /// [`Error::Usage`] for an unknown scheme, for a URL without a bucket, for one with a user, a query or `..`.
    pub fn of(url: &Path) -> Result<Self> {
        let refuse = |why: &str, hint: &str| {
            Error::Usage(format!("`{}` cannot be used: {why}", shown(url))).hint(hint.to_owned())
        };
        let text = url.to_str().ok_or_else(|| refuse("it is not valid text", "give it in UTF-8"))?;
        let text = if cfg!(windows) { text.replace('\\', "/") } else { text.to_owned() };
        let known = "known are `s3://BUCKET/KEY`, `gs://BUCKET/KEY`, `az://CONTAINER/KEY` and, to read, `https://`";
        let (scheme, rest) = scheme_of(&text).ok_or_else(|| refuse("it is no URL", known))?;
        let scheme = Scheme::of(scheme).ok_or_else(|| refuse("no such store", known))?;
        let secret = "credentials and accounts belong in the environment, where no file and no message shows them";
        if rest.contains(['?', '#']) {
            return Err(refuse("it has a query", secret));
        }
        let (host, key) = rest.split_once('/').unwrap_or((rest, ""));
        if host.contains('@') {
            return Err(refuse("it has a user", secret));
        }
        if host.is_empty() {
            return Err(refuse("it has no bucket", known));
        }
        let parts: Vec<&str> = key.split('/').filter(|part| !part.is_empty()).collect();
        if parts.iter().any(|part| [".", ".."].contains(part)) || key.chars().any(char::is_control) {
            return Err(refuse("its key has `.`, `..` or a control character", "name the key as it is in the store"));
        }
        if scheme == Scheme::Http && !is_this_machine(host) {
            return Err(refuse("without TLS only this machine is read", "use `https://`"));
        }
        Ok(Self { scheme, host: host.to_owned(), key: parts.join("/") })
    }

    /// True if nothing can be written there and nothing be listed.
    #[cfg(feature = "cloud")]
    pub fn is_read_only(&self) -> bool {
        matches!(self.scheme, Scheme::Http | Scheme::Https)
    }
}

fn is_this_machine(host: &str) -> bool {
    let name = host.rsplit_once(':').map_or(host, |(name, _)| name);
    ["127.0.0.1", "localhost", "[::1]"].contains(&name)
}

impl fmt::Display for Location {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}://{}", self.scheme.name(), self.host)?;
        if self.key.is_empty() { Ok(()) } else { write!(f, "/{}", self.key) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn urls_and_what_is_none() {
        for (text, expected) in [
            ("s3://book/2026/eod", Ok("s3://book/2026/eod")),
            ("s3://book/2026//eod/", Ok("s3://book/2026/eod")),
            ("gs://book", Ok("gs://book")),
            ("az://book/x", Ok("az://book/x")),
            ("https://example.com:8443/x", Ok("https://example.com:8443/x")),
            ("http://127.0.0.1:9000/x", Ok("http://127.0.0.1:9000/x")),
            ("http://localhost/x", Ok("http://localhost/x")),
            ("http://example.com/x", Err("without TLS")),
            ("http://127.0.0.1.example.com/x", Err("without TLS")),
            ("ftp://book/x", Err("no such store")),
            ("s3:///x", Err("no bucket")),
            ("s3://key:secret@book/x", Err("it has a user")),
            ("https://example.com/x?sig=secret", Err("it has a query")),
            ("s3://book/x#secret", Err("it has a query")),
            ("s3://book/../x", Err("`..`")),
        ] {
            match (Location::of(Path::new(text)), expected) {
                (Ok(found), Ok(expected)) => assert_eq!(found.to_string(), expected),
                (Err(error), Err(words)) => {
                    let message = error.to_string();
                    assert!(message.contains(words) && !message.contains("secret"), "{text}: {message}");
                    assert_eq!(error.exit_code(), 2);
                    let refused = not_built_in_text(text);
                    assert!(!refused.contains("secret"), "{refused}");
                }
                (found, expected) => panic!("{text}: {found:?}, expected {expected:?}"),
            }
        }
        for path in ["data/sample", "/s3:/x", "C:\\x", "c://x", "./s3://x", "x y://z", ""] {
            assert!(!is_url(Path::new(path)), "{path}");
            assert!(check(Path::new(path)).is_ok());
        }
    }

    fn not_built_in_text(text: &str) -> String {
        crate::store::not_built_in(Path::new(text)).to_string()
    }
}
