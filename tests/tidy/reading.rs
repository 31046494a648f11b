//! Rust source text, read as far as the rules need it.

/// Replaces comments, strings and characters by blanks; line numbers stay.
pub fn blank(text: &str) -> String {
    let chars: Vec<char> = text.chars().collect();
    let mut out = String::with_capacity(text.len());
    let mut at = 0;
    while at < chars.len() {
        let end = literal_end(&chars, at);
        if end == at {
            out.push(chars[at]);
            at += 1;
        } else {
            out.extend(chars[at..end].iter().map(|&c| if c == '\n' { '\n' } else { ' ' }));
            at = end;
        }
    }
    out
}

/// Where the comment or literal that begins at `at` ends; `at` itself if none does.
fn literal_end(chars: &[char], at: usize) -> usize {
    let next = |offset: usize| chars.get(at + offset).copied().unwrap_or(' ');
    let find = |from: usize, needle: &str| {
        let needle: Vec<char> = needle.chars().collect();
        (from..chars.len()).find(|&i| chars[i..].starts_with(&needle)).map_or(chars.len(), |i| i + needle.len())
    };
    match (next(0), next(1)) {
        ('/', '/') => (at..chars.len()).find(|&i| chars[i] == '\n').unwrap_or(chars.len()),
        ('/', '*') => find(at + 2, "*/"),
        ('"', _) => closing(chars, at, '"'),
        ('r', '"' | '#') if at == 0 || !is_word(chars[at - 1]) => {
            let hashes = chars[at + 1..].iter().take_while(|&&c| c == '#').count();
            match next(1 + hashes) {
                '"' => find(at + 2 + hashes, &format!("\"{}", "#".repeat(hashes))),
                _ => at,
            }
        }
        ('\'', '\\') => closing(chars, at, '\''),
        ('\'', _) if next(2) == '\'' => at + 3,
        _ => at,
    }
}

fn closing(chars: &[char], open: usize, quote: char) -> usize {
    let mut at = open + 1;
    while at < chars.len() && chars[at] != quote {
        at += if chars[at] == '\\' { 2 } else { 1 };
    }
    (at + 1).min(chars.len())
}

fn is_word(c: char) -> bool {
    c.is_alphanumeric() || c == '_'
}

/// Blanks every item behind `#[cfg(test)]`. Takes code that [`blank`] has been through.
pub fn without_tests(code: &str) -> String {
    let mut out = String::with_capacity(code.len());
    let mut rest = code;
    while let Some(start) = rest.find("#[cfg(test)]") {
        out.push_str(&rest[..start]);
        let mut depth = 0;
        let mut end = rest.len();
        for (at, c) in rest[start..].char_indices() {
            depth += i32::from(c == '{') - i32::from(c == '}');
            if depth == 0 && (c == '}' || c == ';') {
                end = start + at + 1;
                break;
            }
        }
        out.extend(rest[start..end].chars().filter(|&c| c == '\n'));
        rest = &rest[end..];
    }
    out.push_str(rest);
    out
}

/// The modules in files of their own that stand behind `#[cfg(test)]`. Takes code that [`blank`] has been through.
pub fn test_modules(code: &str) -> Vec<&str> {
    let items = code.split("#[cfg(test)]").skip(1).filter_map(|rest| rest.split_once(';'));
    let modules = items.filter_map(|(item, _)| {
        let item = item.trim_start();
        let item = item.strip_prefix("pub(crate)").or(item.strip_prefix("pub")).unwrap_or(item);
        item.trim_start().strip_prefix("mod ")
    });
    modules.map(str::trim).filter(|name| name.chars().all(is_word)).collect()
}

/// Every path, macro and method in code, with its line: `use std::{fs, io::Read}` gives `std::fs` and
/// `std::io::Read`, `panic!()` gives `panic!`, `x.unwrap()` gives `.unwrap`.
pub fn names(code: &str) -> Vec<(usize, String)> {
    let chars: Vec<char> = code.chars().collect();
    let mut found = Vec::new();
    let (mut at, mut line) = (0, 1);
    while at < chars.len() {
        if is_word(chars[at]) {
            let prefix = if at > 0 && chars[at - 1] == '.' { "." } else { "" };
            let mut paths = Vec::new();
            let end = path(&chars, at, prefix, &mut paths);
            found.extend(paths.into_iter().map(|path| (line, path)));
            line += chars[at..end].iter().filter(|&&c| c == '\n').count();
            at = end;
        } else {
            line += usize::from(chars[at] == '\n');
            at += 1;
        }
    }
    found
}

/// Reads one path (or tree of paths) from `at`, adds it to `found` behind `prefix`, returns where it ends.
fn path(chars: &[char], mut at: usize, prefix: &str, found: &mut Vec<String>) -> usize {
    let mut name = prefix.to_owned();
    loop {
        let end = (at..chars.len()).find(|&i| !is_word(chars[i])).unwrap_or(chars.len());
        name.extend(&chars[at..end]);
        at = end;
        if !chars[at..].starts_with(&[':', ':']) {
            break;
        }
        match chars.get(at + 2) {
            Some('{') => {
                at += 3;
                while at < chars.len() && chars[at] != '}' {
                    at = if is_word(chars[at]) { path(chars, at, &format!("{name}::"), found) } else { at + 1 };
                }
                return (at + 1).min(chars.len());
            }
            Some(&c) if is_word(c) => {
                name.push_str("::");
                at += 2;
            }
            _ => break,
        }
    }
    if chars.get(at) == Some(&'!') && chars.get(at + 1) != Some(&'=') {
        name.push('!');
    }
    found.push(name);
    at
}

/// True if a name is `prefix` or lies below it.
pub fn below(name: &str, prefix: &str) -> bool {
    name.strip_prefix(prefix).is_some_and(|rest| rest.is_empty() || rest.starts_with("::"))
}
