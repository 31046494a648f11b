//! `report.html`: what a run found, as one page that needs nothing else.
//!
//! ```text
//! a run, while it computes ---> Drill, Summary, rows at risk --+
//!                                                              +--> Page --> render --> report.html
//! a finished folder ----------> finished::page ----------------+
//! ```
//!
//! Both ways lead to the same bytes. A page holds aggregates, and of long lists the first rows: it does not grow
//! with the book. The page is a fixed frame (markup, style, script, chart library) and the figures as JSON in a
//! `<script type="application/json">`, where nothing can end the element; the script shows them as text only. The
//! page asks the network for nothing, and its `Content-Security-Policy` would not let it.

mod before;
pub(crate) mod content;
mod drill;
mod foremost;
pub(crate) mod groups;
pub(crate) mod left_out;
pub(crate) mod limits;
pub(crate) mod losses;
pub(crate) mod netting;
pub(crate) mod scenarios;
mod words;

pub(crate) use content::{AtRiskRow, Identity, Page};
pub(crate) use drill::Drill;
pub(crate) use groups::Groups;
pub(crate) use left_out::Blame;
pub(crate) use limits::Limits;
pub(crate) use losses::Losses;
pub(crate) use netting::Netting;
pub(crate) use scenarios::Scenarios;

use crate::publish::OutputFile;
use crate::publish::hashed::write_bytes;
use crate::{Error, Result};
use std::path::Path;

/// The name of the page in the output folder.
pub const REPORT: &str = "report.html";

/// Rows of `at_risk` that a page shows.
pub const AT_RISK_SHOWN: usize = 1000;

const FRAME: [&str; 15] = [
    include_str!("assets/head.html"),
    include_str!("assets/page.css"),
    include_str!("assets/body.html"),
    include_str!("assets/d3-7.9.0.min.js"),
    include_str!("assets/plot-0.6.17.umd.min.js"),
    include_str!("assets/text.js"),
    include_str!("assets/tables.js"),
    include_str!("assets/charts.js"),
    include_str!("assets/losses.js"),
    include_str!("assets/groups.js"),
    include_str!("assets/netting.js"),
    include_str!("assets/before.js"),
    include_str!("assets/limits.js"),
    include_str!("assets/words.js"),
    include_str!("assets/page.js"),
];

/// The bytes of a page.
pub(crate) fn render(page: &Page) -> Result<Vec<u8>> {
    let data = serde_json::to_string(page).map_err(|err| Error::Runtime(format!("cannot form `{REPORT}`: {err}")))?;
    let [head, style, body, d3, plot, rest @ ..] = FRAME;
    let parts = [
        head,
        "<style>\n",
        style,
        "</style>\n",
        body,
        "<script type=\"application/json\" id=\"data\">",
        &escaped(&data),
        "</script>\n<script>",
        d3,
        "</script>\n<script>",
        plot,
        "</script>\n<script>\n",
    ];
    Ok([&parts[..], &rest[..], &["</script>\n</body>\n</html>\n"][..]].concat().concat().into_bytes())
}

/// Writes the page of a run into its folder.
pub(crate) fn write(folder: &Path, page: &Page) -> Result<OutputFile> {
    write_bytes(folder, REPORT, &render(page)?)
}

/// JSON in which nothing can end a script element, begin a comment or a line that an old parser would not take.
fn escaped(json: &str) -> String {
    let mut text = String::with_capacity(json.len());
    for c in json.chars() {
        match c {
            '<' => text.push_str("\\u003c"),
            '>' => text.push_str("\\u003e"),
            '&' => text.push_str("\\u0026"),
            '\u{2028}' => text.push_str("\\u2028"),
            '\u{2029}' => text.push_str("\\u2029"),
            c => text.push(c),
        }
    }
    text
}

#[cfg(test)]
mod tests;
