//! How far a figure is to be trusted: the mark in the comment of its line.
//!
//! ```toml
//! [mr4]                     # [P] a mark here is of every value below that has none of its own
//! floor.major = 0.002       # [P] 2025-01 position builder
//! floor.other = 0.016       # [A]
//! # [P] a comment above a value of several lines
//! ```

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use toml::de::{DeTable, DeValue};

use super::key::Path;

/// Whether a figure is the exchange's. A table of tiers may have parts of several kinds.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct Mark {
    /// `P` published by the exchange, `M` measured from its answers, `A` assumed; more than one letter if parts differ.
    pub mark: String,
    /// Source and date, or the reason.
    pub note: String,
}

impl Mark {
    /// Reads the comment of a value, without its `#`; `None` if it holds no mark.
    fn read(comment: &str) -> Option<Self> {
        let letters = ['P', 'M', 'A'].into_iter().filter(|letter| comment.contains(&format!("[{letter}]")));
        let mark: String = letters.collect();
        let single = comment.trim().strip_prefix(&format!("[{mark}]")).map(str::trim);
        let note = single.unwrap_or(comment.trim()).to_owned();
        (!mark.is_empty()).then_some(Self { mark, note })
    }

    /// True if the figure, or a part of it, is assumed.
    #[must_use]
    pub fn is_assumed(&self) -> bool {
        self.mark.contains('A')
    }

    /// True if all of it is published.
    #[must_use]
    pub fn is_published(&self) -> bool {
        self.mark == "P"
    }

    /// `[P]`; `[P/A]` where parts differ.
    #[must_use]
    pub fn label(&self) -> String {
        let letters: Vec<String> = self.mark.chars().map(String::from).collect();
        format!("[{}]", letters.join("/"))
    }
}

/// The marks of the values of a TOML text, by their path. What cannot be read has none: it is refused elsewhere.
pub(super) fn marks(text: &str) -> BTreeMap<Path, Mark> {
    let mut marks = BTreeMap::new();
    if let Ok(table) = DeTable::parse(text) {
        collect(text, table.get_ref(), &mut Path::new(), &mut marks);
    }
    marks
}

fn collect(text: &str, table: &DeTable, path: &mut Path, marks: &mut BTreeMap<Path, Mark>) {
    for (key, value) in table {
        path.push(key.get_ref().to_string());
        match value.get_ref() {
            DeValue::Table(inner) => collect(text, inner, path, marks),
            _ => {
                if let Some(mark) = mark_of(text, key.span().start, value.span().end) {
                    marks.insert(path.clone(), mark);
                }
            }
        }
        path.pop();
    }
}

/// The mark behind a value, else in the comment above its key, else behind the header of its table.
fn mark_of(text: &str, key_start: usize, value_end: usize) -> Option<Mark> {
    let comment = |line: &str| line.split_once('#').and_then(|(_, comment)| Mark::read(comment));
    let behind = text.get(value_end..)?.lines().next().unwrap_or_default();
    if let Some(mark) = comment(behind) {
        return Some(mark);
    }
    let above: Vec<&str> = text.get(..key_start)?.lines().collect();
    // The last of them is the beginning of the key's own line, if it has one.
    let own = usize::from(!text.get(..key_start)?.ends_with('\n'));
    let above = above.get(..above.len().saturating_sub(own))?;
    let block = above.iter().rev().take_while(|line| line.starts_with('#'));
    if let Some(mark) = block.copied().find_map(comment) {
        return Some(mark);
    }
    above.iter().rev().find(|line| is_header(line)).copied().and_then(comment)
}

/// `[mr4]` or `[classes.mr1]`, and not a line of an array.
fn is_header(line: &str) -> bool {
    let Some((name, rest)) = line.strip_prefix('[').and_then(|rest| rest.split_once(']')) else { return false };
    let rest = rest.trim_start();
    !name.contains(['[', ',']) && (rest.is_empty() || rest.starts_with('#'))
}

/// Keys that name a set and are no figures.
pub(super) fn is_figure(key: &str) -> bool {
    key != "name"
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn marks_stand_behind_above_or_at_the_header() {
        let text = "a = 1   # [P] 2025-01-02\nb = \"x # [A]\"\n\n[t]   # [M] probe 3\nc = [\n  [1, 2],   # one\n]\n\
                    d.e = 2   # [P] first; [A] the rest\n# [A] above\nf = [\n[1, 2],\n]\n[u]\ng = 1\n";
        let found = marks(text);
        let of = |path: &[&str]| {
            let path: Path = path.iter().map(|&part| part.to_owned()).collect();
            found.get(&path).map(|mark| (mark.label(), mark.note.clone()))
        };
        let expected = |label: &str, note: &str| Some((label.to_owned(), note.to_owned()));
        assert_eq!(of(&["a"]), expected("[P]", "2025-01-02"));
        assert_eq!(of(&["b"]), None);
        assert_eq!(of(&["t", "c"]), expected("[M]", "probe 3"));
        assert_eq!(of(&["t", "d", "e"]), expected("[P/A]", "[P] first; [A] the rest"));
        assert_eq!(of(&["t", "f"]), expected("[A]", "above"));
        assert_eq!(of(&["u", "g"]), None);
    }
}
