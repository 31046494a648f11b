//! An end-of-day run inside another program: `cargo run --example embed_run`.
//!
//! Reads `data/sample`, writes an output folder, and prints where the accounts stand.

use remargin::progress::Silent;
use remargin::request::{DistanceScope, OutputRequest};
use remargin::run::{self, RunRequest};
use remargin::source::Format;
use remargin::{Error, rules};

fn main() -> Result<(), Error> {
    let dir = tempfile::tempdir().map_err(|error| Error::io("create a folder in", std::env::temp_dir(), error))?;
    let rules = rules::load(None, &["imr_multiplier=1.3".to_owned()])?;

    let output = OutputRequest::new(dir.path().join("out")).with_format(Format::Csv);
    let request = RunRequest::new("data/sample", output, rules).with_distance(DistanceScope::AtRisk);
    let outcome = run::run(&request, &Silent)?;

    let accounts = &outcome.summary.accounts;
    println!("{} accounts, {} of them in liquidation", accounts.margined, accounts.by_status.liquidation);
    println!("maintenance margin of all: {:.0} USD", outcome.summary.totals.mmr);
    assert_eq!((accounts.margined, accounts.unmargined), (300, 0));
    assert!(dir.path().join("out/manifest.json").is_file(), "the manifest is written last");

    // The same request again is refused, and the error says what could be asked for. A program has its own words for it.
    let error = run::run(&request, &Silent).expect_err("the folder is there");
    println!("{}", error.text(|_| "choose another folder"));
    assert_eq!(error.remedy(), Some(remargin::error::Remedy::Replace));
    Ok(())
}
