//! The README of a folder of probes.

use crate::listing::ProbeNote;
use std::fmt::Write;

/// Requests of the position builder that an account may send a second.
const REQUESTS_A_SECOND: f64 = 1.0;

pub(super) fn readme(notes: &[ProbeNote]) -> String {
    let minutes = (notes.len() as f64 / REQUESTS_A_SECOND / 60.0).ceil();
    let mut text = format!(
        "# What-if portfolios for the exchange's position builder\n\n\
         Each numbered file is the body of one request, `POST /api/v5/account/position-builder`. No position is opened \
         and nothing is ordered. {} requests take about {minutes} min at the exchange's limit of two in two seconds.\n\
         \n\
         ```sh\n\
         python -m remargin.okx capture --out saved --probes .\n\
         remargin calibrate okx . --out rules.toml\n\
         ```\n\n\
         Answers belong to `answers/`, each under the name of its request. `listing/listing.json` holds the contracts \
         and prices behind the requests; the calibration reads it. An answer that is missing costs what it tells, and \
         nothing else.\n\n\
         | file | what it is | what it tells |\n|---|---|---|\n",
        notes.len()
    );
    for note in notes {
        let tells: Vec<String> = note.tells.iter().map(|key| format!("`{key}`")).collect();
        let _ = writeln!(text, "| `{}` | {} | {} |", note.file, note.what, tells.join(", "));
    }
    text
}
