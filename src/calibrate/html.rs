//! A calibration as one page that needs nothing else: parameters, then figure by figure.

use super::Calibration;
use super::found::{Parameter, Status};
use super::overlay::answers;
use std::fmt::Write;

/// Figures that the page shows, the largest differences first.
const SHOWN: usize = 2000;

/// How a page begins.
pub const BEGIN: &str =
    "<!DOCTYPE html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n<!-- remargin calibrate -->\n";

const HEAD: &str = "\
<meta http-equiv=\"Content-Security-Policy\" content=\"default-src 'none'; style-src 'unsafe-inline'\">\n\
<meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n\
<title>remargin: calibration</title>\n<style>\n\
body { font: 15px/1.45 system-ui, sans-serif; margin: 2rem auto; max-width: 75rem; padding: 0 1rem; color: #1c2330; }\n\
table { border-collapse: collapse; width: 100%; font-variant-numeric: tabular-nums; }\n\
th, td { border-bottom: 1px solid #d8dde6; padding: .3rem .6rem; text-align: left; vertical-align: top; }\n\
td.number { text-align: right; white-space: nowrap; }\n\
td.value { font-family: ui-monospace, monospace; font-size: .85em; overflow-wrap: anywhere; }\n\
tr.break td { background: #fdecea; }\n</style>\n</head>\n<body>\n";

impl Calibration {
    /// The page.
    #[must_use]
    pub fn to_html(&self) -> String {
        let mut page = format!("{BEGIN}{HEAD}");
        let _ = write!(
            page,
            "<h1>Calibration {}</h1>\n<p>{} answers about {}, over the set {}. {} probes have no answer.</p>\n",
            escaped(&self.name),
            self.answers,
            escaped(&self.as_of),
            escaped(&self.extends),
            self.missing.len(),
        );
        if !self.set_aside.is_empty() {
            page += "<h2>Answers set aside</h2>\n<ul>\n";
            for (name, why) in &self.set_aside {
                let _ = writeln!(page, "<li>{}: {}</li>", escaped(name), escaped(why));
            }
            page += "</ul>\n";
        }
        for (status, title) in [
            (Status::Contradiction, "Contradictions"),
            (Status::Measured, "Measured"),
            (Status::Partly, "Measured in part"),
            (Status::Undetermined, "Not determined"),
        ] {
            let listed: Vec<&Parameter> = self.parameters.iter().filter(|it| it.status == status).collect();
            if !listed.is_empty() {
                let _ = writeln!(page, "<h2>{title}</h2>");
                page += &table_of(&listed);
            }
        }
        page += &self.figures();
        page += "</body>\n</html>\n";
        page
    }

    fn figures(&self) -> String {
        let mut page = format!(
            "<h2>Figure by figure</h2>\n<p>{} figures, {} beyond a tolerance of {:e}; the {} largest differences.</p>\n\
             <table>\n<thead><tr><th>answer<th>risk unit<th>figure<th>exchange<th>ours<th>difference<th>relative</tr>\
             </thead>\n<tbody>\n",
            self.residuals.len(),
            self.breaks,
            self.tolerance,
            self.residuals.len().min(SHOWN),
        );
        for residual in self.residuals.iter().take(SHOWN) {
            let class = if residual.is_break { " class=\"break\"" } else { "" };
            let _ = writeln!(
                page,
                "<tr{class}><td>{}<td>{}<td>{}<td class=\"number\">{}<td class=\"number\">{}<td class=\"number\">{:.3e}\
                 <td class=\"number\">{:.1e}</tr>",
                escaped(&residual.answer),
                escaped(&residual.unit),
                residual.figure,
                residual.exchange,
                residual.ours,
                residual.difference,
                residual.relative,
            );
        }
        page + "</tbody>\n</table>\n"
    }
}

fn table_of(parameters: &[&Parameter]) -> String {
    let mut page =
        "<table>\n<thead><tr><th>key<th>value<th>range<th>answers<th>note</tr></thead>\n<tbody>\n".to_owned();
    for parameter in parameters {
        let range = parameter.range.map_or_else(String::new, |(low, high)| format!("{low} to {high}"));
        let probes = if parameter.probes.is_empty() {
            String::new()
        } else {
            format!("; probes: {}", parameter.probes.join(", "))
        };
        let _ = writeln!(
            page,
            "<tr><td class=\"value\">{}<td class=\"value\">{}<td>{}<td>{}<td>{}{}</tr>",
            escaped(&parameter.key),
            escaped(parameter.value.as_deref().unwrap_or_default()),
            range,
            escaped(&answers(parameter)),
            escaped(&parameter.note),
            escaped(&probes),
        );
    }
    page + "</tbody>\n</table>\n"
}

/// Text between tags.
fn escaped(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;")
}
