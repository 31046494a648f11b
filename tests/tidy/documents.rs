//! Documents: every page is in the table of contents, every link leads somewhere, the first page is short.

use crate::{Breach, assert_clean, files_below, root};
use std::collections::BTreeMap;
use std::fs;

/// Most words of README.md.
const MAX_WORDS: usize = 900;

/// Pages that are linked and not written yet. One that is there leaves this list.
const TO_COME: &[&str] = &["docs/reference/outputs.md"];

/// Pages by their path from the root.
type Pages = BTreeMap<String, String>;

fn pages() -> Pages {
    let mut files = Vec::new();
    files_below(&root().join("docs"), "md", &mut files);
    files.extend(
        ["README.md", "CONTRIBUTING.md", "SECURITY.md", "CHANGELOG.md", "RELEASING.md"].map(|name| root().join(name)),
    );
    let path = |file: &std::path::Path| file.strip_prefix(root()).unwrap().to_string_lossy().replace('\\', "/");
    files.iter().map(|file| (path(file), fs::read_to_string(file).unwrap())).collect()
}

/// Text without blocks and words of code, line by line.
fn prose(text: &str) -> Vec<String> {
    let mut in_block = false;
    let mut line = |line: &str| {
        let fence = line.trim_start().starts_with("```");
        in_block ^= fence;
        if in_block || fence { String::new() } else { line.split('`').step_by(2).collect::<Vec<_>>().join("`") }
    };
    text.lines().map(&mut line).collect()
}

/// The targets of links and images, with their lines.
fn links(text: &str) -> Vec<(usize, String)> {
    let targets = |(index, line): (usize, String)| {
        let targets = line.split("](").skip(1).filter_map(|rest| rest.split(')').next());
        targets.map(|target| (index + 1, target.to_owned())).collect::<Vec<_>>()
    };
    prose(text).into_iter().enumerate().flat_map(targets).collect()
}

/// The names under which a page's headings can be linked.
fn anchors(text: &str) -> Vec<String> {
    let mut in_block = false;
    let mut found = Vec::new();
    for line in text.lines() {
        in_block ^= line.starts_with("```");
        let heading = line.trim_start_matches('#');
        if !in_block && heading.len() < line.len() && heading.starts_with(' ') {
            let kept = heading.trim().chars().filter(|&c| c.is_alphanumeric() || " -_".contains(c));
            found.push(kept.collect::<String>().to_lowercase().replace(' ', "-"));
        }
    }
    found
}

/// The path from the root of a link on a page; `None` if it leads out of the tree.
fn resolve(page: &str, target: &str) -> Option<String> {
    let mut path: Vec<&str> = page.split('/').collect();
    path.pop();
    for part in target.split('/').filter(|part| !part.is_empty() && *part != ".") {
        if part == ".." {
            path.pop()?;
        } else {
            path.push(part);
        }
    }
    Some(path.join("/"))
}

fn check_links(pages: &Pages, exists: impl Fn(&str) -> bool) -> Vec<Breach> {
    let mut breaches = Vec::new();
    for (page, text) in pages {
        for (line, link) in
            links(text).into_iter().filter(|(_, link)| !link.contains("://") && !link.starts_with("mailto:"))
        {
            let (file, anchor) = link.split_once('#').unwrap_or((&link, ""));
            let target = if file.is_empty() { Some(page.clone()) } else { resolve(page, file) };
            let found = target.as_ref().is_some_and(|target| exists(target));
            let anchor_found = || {
                let text = target.as_ref().and_then(|target| pages.get(target));
                anchor.is_empty() || text.is_none_or(|text| anchors(text).iter().any(|known| known == anchor))
            };
            let to_come = target.as_ref().is_some_and(|target| TO_COME.contains(&target.as_str()));
            if (!found && !to_come) || (found && !anchor_found()) {
                breaches.push(Breach { file: page.clone(), line, rule: format!("`{link}` leads nowhere") });
            }
        }
    }
    breaches
}

/// Every page of the book stands in its summary.
fn check_summary(pages: &Pages) -> Vec<Breach> {
    let summary = "docs/SUMMARY.md";
    let listed: Vec<String> = links(&pages[summary]).iter().filter_map(|(_, link)| resolve(summary, link)).collect();
    let missing = pages.keys().filter(|page| page.starts_with("docs/") && *page != summary && !listed.contains(page));
    missing.map(|page| Breach { file: summary.to_owned(), line: 1, rule: format!("`{page}` is not in it") }).collect()
}

fn check_words(page: &str, text: &str) -> Vec<Breach> {
    let words = text.split_whitespace().count();
    let breach = || Breach { file: page.to_owned(), line: 1, rule: format!("{words} words; at most {MAX_WORDS}") };
    (words > MAX_WORDS).then(breach).into_iter().collect()
}

#[test]
fn every_link_leads_somewhere() {
    assert_clean(&check_links(&pages(), |path| root().join(path).exists()));
}

#[test]
fn the_summary_lists_every_page() {
    assert_clean(&check_summary(&pages()));
}

#[test]
fn the_first_page_is_short() {
    assert_clean(&check_words("README.md", &pages()["README.md"]));
}

#[test]
fn planted_links_are_found() {
    // One line a case: text of docs/a/x.md, number of breaches.
    for (text, expected) in [
        ("[y](y.md) and ![z](../images/z.png)", 0),
        ("[y](w.md), [y](w.md)", 2),
        ("[y](../../README.md) [y](../../../README.md)", 1),
        ("[y](https://example.com/x.md) [y](mailto:a@b.c)", 0),
        ("[y](y.md#two-words--and-a-dash) [y](y.md#two)", 1),
        ("# Here\n[here](#here) [there](#there)", 1),
        ("`[y](w.md)`\n```sh\n[y](w.md)\n```\n[y](w.md)", 1),
        ("[soon](../reference/outputs.md)", 0),
    ] {
        let y = "# Y\n## Two words & and a dash\n```\n# Two\n```\n";
        let pages: Pages =
            [("docs/a/x.md", text), ("docs/a/y.md", y)].map(|(a, b)| (a.to_owned(), b.to_owned())).into();
        let exists = |path: &str| pages.contains_key(path) || ["README.md", "docs/images/z.png"].contains(&path);
        assert_eq!(check_links(&pages, exists).len(), expected, "{text}");
    }
}

#[test]
fn planted_pages_and_words_are_found() {
    let with = |summary: &str| -> Pages {
        [("docs/SUMMARY.md", summary), ("docs/a/x.md", ""), ("SECURITY.md", "")]
            .map(|(a, b)| (a.to_owned(), b.to_owned()))
            .into()
    };
    for (summary, expected) in [("- [x](a/x.md)", 0), ("- [x](x.md)", 1), ("a/x.md", 1)] {
        assert_eq!(check_summary(&with(summary)).len(), expected, "{summary}");
    }
    for (words, expected) in [(MAX_WORDS, 0), (MAX_WORDS + 1, 1)] {
        assert_eq!(check_words("README.md", &"word\n".repeat(words)).len(), expected, "{words}");
    }
}
