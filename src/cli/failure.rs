//! A failure as a JSON object: for `--log-format json` on stderr, and on stdout where the result would have been JSON.

use super::common::flag;
use remargin::Error;
use serde_json::{Map, Value, json};

/// `{"error": {"code": 3, "message": ..., "file": ..., "row": ..., "hint": ...}}`. What is not known is left out.
pub fn object(error: &Error, code: u8, signal: Option<&str>) -> Value {
    let mut fields = Map::new();
    fields.insert("code".to_owned(), code.into());
    describe(error, &mut fields);
    if let Some(signal) = signal {
        fields.insert("signal".to_owned(), signal.into());
    }
    json!({ "error": fields })
}

fn describe(error: &Error, fields: &mut Map<String, Value>) {
    let mut add = |name: &str, value: Option<Value>| {
        if let Some(value) = value {
            fields.insert(name.to_owned(), value);
        }
    };
    match error {
        Error::Invalid(invalid) => {
            add("message", Some(invalid.problem.clone().into()));
            add("file", invalid.file.as_ref().map(|file| file.display().to_string().into()));
            add("table", invalid.table.clone().map(Value::from));
            add("column", invalid.column.clone().map(Value::from));
            add("row", invalid.row.map(Value::from));
            add("value", invalid.value.clone().map(Value::from));
            add("expected", invalid.expected.clone().map(Value::from));
            let remedy = invalid.remedy.map(|remedy| flag(remedy).to_owned());
            let hint: Vec<String> = invalid.hint.clone().into_iter().chain(remedy).collect();
            add("hint", (!hint.is_empty()).then(|| hint.join("; ").into()));
        }
        Error::Refused { problem, remedy } => {
            add("message", Some(problem.clone().into()));
            add("hint", Some(flag(*remedy).into()));
        }
        Error::Io { action, path, source } => {
            add("message", Some(format!("cannot {action} `{}`: {source}", path.display()).into()));
            add("file", Some(path.display().to_string().into()));
        }
        Error::Hinted { error, hint } => {
            describe(error, fields);
            let inner = fields.get("hint").and_then(Value::as_str).map(str::to_owned);
            let hint: Vec<String> = inner.into_iter().chain([hint.clone()]).collect();
            fields.insert("hint".to_owned(), hint.join("; ").into());
        }
        _ => add("message", Some(error.to_string().into())),
    }
}

/// A text whose last line is a hint.
fn without_hint(text: &str) -> (&str, Option<&str>) {
    text.split_once("\n  hint:     ").map_or((text, None), |(message, hint)| (message, Some(hint)))
}

/// The same for a finding that is no [`Error`], such as accounts in liquidation.
pub fn finding(code: u8, text: &str) -> Value {
    let (message, hint) = without_hint(text);
    let mut fields = json!({ "code": code, "message": message });
    if let (Some(hint), Some(fields)) = (hint, fields.as_object_mut()) {
        fields.insert("hint".to_owned(), hint.into());
    }
    json!({ "error": fields })
}

/// The same for a command line that cannot be read: the first paragraph is the message; a tip of the parser, else how
/// the command is used, is the hint.
pub fn usage(code: u8, text: &str) -> Value {
    let (message, rest) = text.split_once("\n\n").unwrap_or((text, ""));
    let message = message.trim().trim_start_matches("error: ");
    let lines = || rest.lines().map(str::trim);
    let tips: Vec<&str> = lines().filter_map(|line| line.strip_prefix("tip: ")).collect();
    let used = lines().find(|line| line.starts_with("Usage: ")).map(str::to_owned);
    let hint = if tips.is_empty() { used } else { Some(tips.join("; ")) };
    let hint = hint.map(|hint| format!("\n  hint:     {hint}")).unwrap_or_default();
    finding(code, &format!("{message}{hint}"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use remargin::Invalid;
    use remargin::error::Remedy;

    #[test]
    fn what_is_known_is_there_and_nothing_else() {
        let invalid =
            Invalid::new("no number").file("in/marks.csv").column("mark_px").row(7).value("1,5").hint("a point");
        for (error, code, expected) in [
            (
                Error::from(invalid.remedy(Remedy::MarkAge)),
                3,
                json!({"code": 3, "message": "no number", "file": "in/marks.csv", "column": "mark_px", "row": 7,
                       "value": "1,5", "hint": "a point; `--max-mark-age` bounds the age of marks"}),
            ),
            (
                Error::refused("`out` exists already", Remedy::Replace),
                2,
                json!({"code": 2, "message": "`out` exists already", "hint": "--force replaces it"}),
            ),
            (Error::Usage("no".to_owned()).hint("yes"), 2, json!({"code": 2, "message": "no", "hint": "yes"})),
            (
                Error::refused("`out` exists already", Remedy::Replace).hint("or another"),
                2,
                json!({"code": 2, "message": "`out` exists already", "hint": "--force replaces it; or another"}),
            ),
            (Error::Memory("no".to_owned()).hint("yes"), 6, json!({"code": 6, "message": "no", "hint": "yes"})),
            (Error::Memory("too small".to_owned()), 6, json!({"code": 6, "message": "too small"})),
        ] {
            assert_eq!(error.exit_code(), code);
            assert_eq!(object(&error, code, None), json!({ "error": expected }));
        }
        let stopped = object(&Error::Interrupted, 143, Some("SIGTERM"));
        assert_eq!(stopped["error"]["signal"], "SIGTERM");
    }
}
