//! Text of a CSV file that this program wrote, as it was before.

/// Text without the apostrophe that keeps spreadsheets from running it as a formula. An id that itself begins with an
/// apostrophe and a sign would lose the apostrophe.
pub(super) fn unguarded(text: &str) -> &str {
    match text.strip_prefix('\'') {
        Some(rest) if rest.starts_with(['=', '+', '-', '@', '\t', '\r']) => rest,
        _ => text,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_spreadsheets_are_kept_from_comes_back() {
        for (written, read) in
            [("'=1+1", "=1+1"), ("'-5", "-5"), ("'a", "'a"), ("a", "a"), ("", ""), ("'", "'"), ("''=1", "''=1")]
        {
            assert_eq!(unguarded(written), read);
        }
    }
}
