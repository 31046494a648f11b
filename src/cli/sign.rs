//! `remargin sign`: signs the manifest of a finished run.

use super::exit;
use super::terminal::Terminal;
use clap::Args;
use remargin::{Error, Result, signature};
use std::path::PathBuf;

const AFTER_HELP: &str = "\
Examples:
  remargin run data/sample --out out
  remargin sign --generate-key risk.key           writes risk.key (secret) and risk.key.pub
  remargin sign out --key risk.key                writes out/manifest.json.minisig
  remargin verify out --pubkey risk.key.pub

The signature covers manifest.json, whose hashes cover every output and input. Whoever can change the outputs can put
the hashes right, but cannot sign them again without the secret key: keep it on another machine than the outputs.

Keys and signatures are those of minisign: a key of `minisign -G -W` signs here, and `minisign -Vm out/manifest.json`
checks what is signed here. A run whose outputs are not those of its manifest is not signed. Run `remargin verify`
before signing: a signature says who vouches, not that figures are right.

Exit code 0: signed; 3: DIR is not a finished run, an output was changed, or the key cannot be used.";

/// Signs a finished run, so that later changes are noticed
#[derive(Args)]
#[command(after_help = AFTER_HELP)]
pub struct SignArgs {
    /// Folder of a finished run
    #[arg(required_unless_present = "generate_key")]
    dir: Option<PathBuf>,
    /// File of the secret key, which has no password
    #[arg(long, value_name = "FILE", required_unless_present = "generate_key")]
    key: Option<PathBuf>,
    /// Write a new secret key to FILE, and its public key to FILE.pub
    #[arg(long, value_name = "FILE", conflicts_with_all = ["dir", "key"])]
    generate_key: Option<PathBuf>,
}

impl SignArgs {
    pub fn execute(&self, terminal: &Terminal) -> Result<u8> {
        if let Some(secret) = &self.generate_key {
            let public = signature::generate_key(secret)?;
            terminal.note(format_args!("wrote {} (keep it secret) and {}", secret.display(), public.display()));
            return Ok(exit::DONE);
        }
        let (Some(dir), Some(key)) = (&self.dir, &self.key) else {
            return Err(Error::Usage("`sign` needs a folder and --key FILE".to_owned()));
        };
        let written = signature::sign(dir, key, terminal)?;
        if signature::is_exposed(key) {
            terminal.note(format_args!(
                "warning: others than its owner can read the secret key {0}, or write to it\n  hint:     chmod 600 {0}",
                key.display()
            ));
        }
        terminal.note(format_args!("wrote {}", written.display()));
        Ok(exit::DONE)
    }
}
