//! Signatures of finished runs: `remargin sign`, and `remargin verify --pubkey`.
//!
//! ```text
//! secret key ---- signs the bytes of manifest.json -----> manifest.json.minisig
//! public key ---- checks both -----> Signature
//! ```
//!
//! The manifest holds the hashes of all outputs and inputs, so its signature covers the whole run. Keys and signatures
//! have the format of [minisign](https://jedisct1.github.io/minisign/) (Ed25519): each program reads what the other
//! has written. Only keys without a password are read here, since nobody is asked for one.

// Bad input must cause an error, not a panic.
#![deny(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

use crate::progress::Progress;
use crate::publish::recorded::{Recorded, RecordedFile};
use crate::publish::{MANIFEST, SIGNATURE, write_file, write_new_private_file};
use crate::results::{check_identity, check_output};
use crate::source::{self, LARGEST_JSON};
use crate::verify::Signature;
use crate::{Error, Invalid, Result};
use ct_codecs::{Base64, Decoder};
use minisign::{KeyPair, PError, PublicKey, PublicKeyBox, SecretKey, SecretKeyBox, SignatureBox};
use serde::Deserialize;
use std::io::Cursor;
use std::path::{Path, PathBuf};

/// Largest key or signature.
const LARGEST_KEY: u64 = 1 << 16;

/// Place of the checksum in the bytes of a secret key.
const CHECKSUM: usize = 126;

/// Where a public key comes from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum PublicKeySource {
    /// In a file, as `minisign -G` and [`generate_key`] write it.
    Stored(PathBuf),
    /// The key itself, in base 64.
    Text(String),
}

/// The part of a manifest that every version writes.
#[derive(Deserialize)]
struct Ours {
    #[serde(rename = "remargin")]
    _version: String,
    #[serde(default)]
    outputs: Vec<RecordedFile>,
    /// Of a partition.
    #[serde(default)]
    buckets: Vec<Bucket>,
}

#[derive(Deserialize)]
struct Bucket {
    path: PathBuf,
    files: Vec<RecordedFile>,
}

/// Writes a new key pair: the secret key, without a password and readable by its owner alone, to `secret`, and the
/// public key beside it, as `NAME.pub`. Returns the path of the public key.
///
/// # Errors
/// [`Error::Io`] if a file exists already or cannot be written; [`Error::Runtime`] if the machine has no random
/// numbers.
pub fn generate_key(secret: &Path) -> Result<PathBuf> {
    let failed = |error: PError| Error::Runtime(format!("cannot make a key: {error}"));
    let pair = KeyPair::generate_unencrypted_keypair().map_err(failed)?;
    let mut public = secret.as_os_str().to_owned();
    public.push(".pub");
    let public = PathBuf::from(public);
    let secret_text = pair.sk.to_box(Some("secret key of remargin, without a password")).map_err(failed)?;
    let public_text = pair.pk.to_box().map_err(failed)?;
    write_new_private_file(secret, secret_text.into_string().as_bytes())?;
    write_file(&public, public_text.into_string().as_bytes())?;
    Ok(public)
}

/// Signs the manifest of the finished run in `run` with the secret key in the file `key`. Replaces a signature that is
/// there. Returns the path of the signature.
///
/// # Errors
/// [`Error::Invalid`] if `run` has no manifest of this program, its manifest or an output was changed, or the key
/// cannot be used; [`Error::Io`] if the signature cannot be written; [`Error::Interrupted`].
pub fn sign(run: &Path, key: &Path, progress: &dyn Progress) -> Result<PathBuf> {
    let (manifest, ours) = manifest_of(run)?;
    let secret = secret_key(key)?;
    // A comparison has a manifest without an identity.
    if let Ok(recorded) = Recorded::of_run(run) {
        check_identity(&run.join(MANIFEST), &recorded)?;
    }
    ours.outputs.iter().try_for_each(|file| check_output(run, file, progress))?;
    for Bucket { path, files } in &ours.buckets {
        files.iter().try_for_each(|file| check_output(&run.join(path), file, progress))?;
    }
    let unusable = |error: PError| unusable_key(key, &error);
    let public = PublicKey::from_secret_key(&secret).map_err(unusable)?;
    let signed = minisign::sign(Some(&public), &secret, Cursor::new(manifest), None, None).map_err(unusable)?;
    let path = run.join(SIGNATURE);
    write_file(&path, signed.into_string().as_bytes())?;
    Ok(path)
}

/// True if others than its owner may read the file of a secret key, where the system tells.
#[must_use]
pub fn is_exposed(key: &Path) -> bool {
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt;
        key.metadata().is_ok_and(|found| found.permissions().mode() & 0o077 != 0)
    }
    #[cfg(not(unix))]
    {
        let _ = key;
        false
    }
}

/// Checks the signature of the finished run in `run`. A signature that is missing or wrong is no error: see
/// [`Signature::problem`].
///
/// # Errors
/// [`Error::Invalid`] if `run` has no manifest of this program, or the public key cannot be read.
pub fn check(run: &Path, key: &PublicKeySource) -> Result<Signature> {
    let public = public_key(key)?;
    let (manifest, _) = manifest_of(run)?;
    let signature = |problem: Option<String>, comment| Signature { key: public.to_base64(), problem, comment };
    let Some(text) = text(&run.join(SIGNATURE))? else {
        return Ok(signature(Some(format!("there is no signature `{SIGNATURE}`")), None));
    };
    let Ok(signed) = SignatureBox::from_string(&text) else {
        return Ok(signature(Some(format!("`{SIGNATURE}` is no signature of minisign or remargin")), None));
    };
    Ok(match minisign::verify(&public, &signed, Cursor::new(manifest), true, false, true) {
        Ok(()) => signature(None, signed.trusted_comment().ok()),
        Err(error) if signed.keynum() != public.keynum() => {
            signature(Some(format!("another key has signed `{MANIFEST}`: {error}")), None)
        }
        Err(_) => signature(Some(format!("`{MANIFEST}` is not what was signed, or the signature was changed")), None),
    })
}

/// A manifest that this program wrote: its bytes, and what they say.
fn manifest_of(run: &Path) -> Result<(Vec<u8>, Ours)> {
    let file = run.join(MANIFEST);
    let expected = "the folder of a finished run";
    let absent = || Invalid::new("does not exist").file(&file).expected(expected);
    let bytes = source::read_if_there(&file, LARGEST_JSON)?.ok_or_else(absent)?;
    let foreign = |error| Invalid::new(format!("not a manifest of remargin: {error}")).file(&file).expected(expected);
    let ours = serde_json::from_slice(&bytes).map_err(foreign)?;
    Ok((bytes, ours))
}

fn secret_key(file: &Path) -> Result<SecretKey> {
    let text = text(file)?.ok_or_else(|| Invalid::new("there is no such key").file(file))?;
    let secret = SecretKeyBox::from_string(&text).and_then(SecretKeyBox::into_unencrypted_secret_key);
    secret.or_else(|error| without_checksum(&text).ok_or_else(|| unusable_key(file, &error)))
}

/// A key without a password as the minisign tool writes it: with zeros where the library expects a checksum. Signing
/// with a damaged one fails, since each signature is checked with the public key.
fn without_checksum(text: &str) -> Option<SecretKey> {
    let bytes = Base64::decode_to_vec(text.lines().nth(1)?.trim(), None).ok()?;
    let has_password = bytes.get(2..4)? != [0, 0];
    let (_, checksum) = bytes.split_at_checked(CHECKSUM)?;
    let is_absent = checksum.len() == 32 && checksum.iter().all(|&byte| byte == 0);
    if has_password || !is_absent { None } else { SecretKey::from_bytes(&bytes).ok() }
}

fn unusable_key(file: &Path, error: &PError) -> Error {
    Invalid::new(format!("the secret key cannot be used: {error}"))
        .file(file)
        .expected("a secret key without a password, as `remargin sign --generate-key` or `minisign -G -W` writes it")
        .hint(format!("a key with a password can sign by `minisign -Sm OUT/{MANIFEST}`, which writes the same file"))
        .into()
}

fn public_key(source: &PublicKeySource) -> Result<PublicKey> {
    let expected = "a public key of minisign: two lines, or its base 64 text alone";
    match source {
        PublicKeySource::Text(key) => PublicKey::from_base64(key.trim())
            .map_err(|error| Invalid::new(format!("the public key cannot be read: {error}")).value(key)),
        PublicKeySource::Stored(file) => {
            let text = text(file)?.ok_or_else(|| Invalid::new("there is no such key").file(file))?;
            let boxed = PublicKeyBox::from_string(&text).and_then(PublicKeyBox::into_public_key);
            boxed
                .or_else(|_| PublicKey::from_base64(text.trim()))
                .map_err(|error| Invalid::new(format!("the public key cannot be read: {error}")).file(file))
        }
    }
    .map_err(|invalid| invalid.expected(expected).into())
}

/// A small text file; `None` if there is none.
fn text(file: &Path) -> Result<Option<String>> {
    let bytes = source::read_if_there(file, LARGEST_KEY)?;
    bytes.map(|bytes| source::text_of(file, bytes)).transpose()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::progress::Silent;
    use std::fs;

    const MANIFEST_TEXT: &str = r#"{"remargin": "0.1.0", "outputs": []}"#;

    struct Place {
        dir: tempfile::TempDir,
        key: PathBuf,
        public: PublicKeySource,
    }

    fn place() -> Place {
        let dir = tempfile::tempdir().unwrap();
        fs::write(dir.path().join(MANIFEST), MANIFEST_TEXT).unwrap();
        let key = dir.path().join("key");
        let public = PublicKeySource::Stored(generate_key(&key).unwrap());
        Place { dir, key, public }
    }

    #[test]
    fn a_signature_holds_for_its_manifest_and_its_key_alone() {
        let Place { dir, key, public } = place();
        let run = dir.path();
        let problem = |key: &PublicKeySource| check(run, key).unwrap().problem;
        assert!(problem(&public).unwrap().contains("no signature"));
        sign(run, &key, &Silent).unwrap();
        assert_eq!(problem(&public), None);
        let PublicKeySource::Stored(file) = &public else { panic!() };
        let text = PublicKeySource::Text(fs::read_to_string(file).unwrap().lines().nth(1).unwrap().to_owned());
        assert_eq!(problem(&text), None);
        assert!(check(run, &text).unwrap().comment.unwrap().starts_with("timestamp:"));

        let other = PublicKeySource::Stored(generate_key(&run.join("other")).unwrap());
        assert!(problem(&other).unwrap().contains("another key"));

        // Every byte of the manifest counts, and of the signed lines of the signature.
        for at in 0..MANIFEST_TEXT.len() {
            let mut bytes = MANIFEST_TEXT.as_bytes().to_vec();
            bytes[at] ^= 1;
            fs::write(run.join(MANIFEST), &bytes).unwrap();
            assert!(check(run, &public).map_or(true, |found| found.problem.is_some()), "{at}");
        }
        fs::write(run.join(MANIFEST), MANIFEST_TEXT).unwrap();
        let signature = fs::read_to_string(run.join(SIGNATURE)).unwrap();
        for line in 1..4 {
            let mut lines: Vec<String> = signature.lines().map(str::to_owned).collect();
            lines[line] = lines[line].replacen(['A', 'B', 'C', 'D', 'E', '1'], "9", 1);
            let changed = lines.join("\n") + "\n";
            if changed != signature {
                fs::write(run.join(SIGNATURE), changed).unwrap();
                assert!(problem(&public).is_some(), "{line}");
            }
        }
        for text in ["", "x", "untrusted comment: x\nRWQ=\n", "\n\n\n\n", &signature[..signature.len() / 2]] {
            fs::write(run.join(SIGNATURE), text).unwrap();
            assert!(problem(&public).is_some(), "{text:?}");
        }
    }

    /// The keys of `minisign -G -W` (0.11), made for this test, and a signature of `minisign -S`.
    #[test]
    fn keys_and_signatures_of_the_minisign_tool_are_read() {
        const SECRET: &str = "RWQAAEIyAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAmMWBggIE7yZCbOVW\
            e++mMOYqpjK3TZnn9F+HL3yfCe0drZ5UXBtWeo3Wt9nqbr6tHlIt4wz484ba9Q7qN4VCq5AG0Zz7EXUBAAAAAAAA\
            AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=";
        const PUBLIC: &str = "RWSYxYGCAgTvJo3Wt9nqbr6tHlIt4wz484ba9Q7qN4VCq5AG0Zz7EXUB";
        const SIGNED: &str = "untrusted comment: signature from minisign secret key\n\
            RUSYxYGCAgTvJiiy387sj4aVNKgGeBx7JRqSpL8Poen+p2i/R8wXnLMw1p+tj35Sy8LT64ps3ocrGleax3blBYnH40jXCy6qwgU=\n\
            trusted comment: by the tool\n\
            ym0QFouQxGCaCDVHU+QcCBofWmoDIBNCkMeTwTdFzH3cZwjc/eDvhkeinS5+NNaFSWDoAWrLs2Cm/SMVRVwwBA==\n";
        let Place { dir, .. } = place();
        let run = dir.path();
        let public = PublicKeySource::Text(PUBLIC.to_owned());
        fs::write(run.join(SIGNATURE), SIGNED).unwrap();
        assert_eq!(check(run, &public).unwrap().problem, None);
        let key = run.join("tool.key");
        fs::write(&key, format!("untrusted comment: x\n{SECRET}\n")).unwrap();
        sign(run, &key, &Silent).unwrap();
        assert_eq!(check(run, &public).unwrap().problem, None);
        // A damaged key does not sign.
        fs::write(&key, format!("untrusted comment: x\n{}\n", SECRET.replacen("TZnn", "AZnn", 1))).unwrap();
        assert!(sign(run, &key, &Silent).is_err());
        assert_eq!(check(run, &public).unwrap().problem, None, "the signature before stays");
    }

    #[test]
    fn keys_that_cannot_be_used_say_so() {
        let Place { dir, key, .. } = place();
        let run = dir.path();
        let odd = run.join("odd");
        for text in ["", "untrusted comment: x\n", "untrusted comment: x\n%%%\n", "untrusted comment: x\nUldRAA==\n"] {
            fs::write(&odd, text).unwrap();
            for error in
                [sign(run, &odd, &Silent).unwrap_err(), check(run, &PublicKeySource::Stored(odd.clone())).unwrap_err()]
            {
                assert_eq!(error.exit_code(), 3, "{text:?}: {error}");
                assert!(error.to_string().contains("odd"), "{error}");
            }
        }
        let with_password = KeyPair::generate_encrypted_keypair(Some("secret".to_owned())).unwrap();
        fs::write(&odd, with_password.sk.to_box(None).unwrap().into_string()).unwrap();
        let error = sign(run, &odd, &Silent).unwrap_err().to_string();
        assert!(error.contains("minisign -Sm"), "{error}");
        assert_eq!(sign(run, &run.join("absent"), &Silent).unwrap_err().exit_code(), 3);
        fs::write(run.join(MANIFEST), "{}").unwrap();
        assert!(sign(run, &key, &Silent).unwrap_err().to_string().contains("not a manifest of remargin"));
    }

    #[cfg(unix)]
    #[test]
    fn a_secret_key_is_private_and_never_replaced() {
        use std::os::unix::fs::PermissionsExt;
        let Place { dir: _dir, key, .. } = place();
        assert_eq!(fs::metadata(&key).unwrap().permissions().mode() & 0o077, 0);
        let before = fs::read(&key).unwrap();
        assert!(generate_key(&key).is_err());
        assert_eq!(fs::read(&key).unwrap(), before);
    }
}
