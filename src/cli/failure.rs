//! A failure as a JSON object: for `--log-format json` on stderr, and on stdout where the result would have been JSON.

use super::common::flag;
use remargin::Error;
use serde_json::{Map, Value, json};

/// `{"error": {"code": 3, "message": ..., "file": ..., "row": ..., "hint": ...}}`. What is not known is left out.
pub fn object(error: &Error, code: u8, signal: Option<&str>) -> Value {
    let mut fields = Map::new();
    fields.insert("code".to_owned(), code.into());
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
        _ => {
            let text = error.to_string();
            let (message, hint) = match text.split_once("\n  hint:     ") {
                Some((message, hint)) => (message, Some(hint)),
                None => (text.as_str(), None),
            };
            add("message", Some(message.into()));
            add("hint", hint.map(Value::from));
        }
    }
    add("signal", signal.map(Value::from));
    json!({ "error": fields })
}

/// The same for a finding that is no [`Error`], such as accounts in liquidation.
pub fn finding(code: u8, message: &str) -> Value {
    json!({ "error": { "code": code, "message": message } })
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
            (Error::Usage("no\n  hint:     yes".to_owned()), 2, json!({"code": 2, "message": "no", "hint": "yes"})),
            (Error::Memory("too small".to_owned()), 6, json!({"code": 6, "message": "too small"})),
        ] {
            assert_eq!(error.exit_code(), code);
            assert_eq!(object(&error, code, None), json!({ "error": expected }));
        }
        let stopped = object(&Error::Interrupted, 143, Some("SIGTERM"));
        assert_eq!(stopped["error"]["signal"], "SIGTERM");
    }
}
