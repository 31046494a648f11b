//! The text of a file as the answers in it, and in plain words what it is if it is not JSON of the exchange.
//!
//! One file may hold one answer (`{"code": "0", "data": [...]}`), several of them one after another, lines of pushes
//! (`{"arg": {"channel": ...}, "data": [...]}`), a bare list of rows, a list of answers, or a row in each line.

use super::endpoint::Endpoint;
use super::row::{Fault, Row};
use super::unique::Unique;
use crate::{Error, Invalid, Result};
use serde_json::{Map, Value};
use std::path::Path;

/// One answer of the exchange.
#[derive(Debug, Default, PartialEq)]
pub(super) struct Answer {
    /// The items of `data`.
    pub rows: Vec<Value>,
    /// The channel of a push. A push says what changed; an answer to a request says all that there is.
    pub channel: Option<String>,
    /// The account, if the answer states it.
    pub uid: Option<String>,
    /// The currency that was asked for, if it was saved with the answer.
    pub ccy: Option<String>,
    /// The instrument that was asked for, the same.
    pub inst_id: Option<String>,
}

const ENVELOPE: &str = "the API's envelope: {\"code\": \"0\", \"msg\": \"\", \"data\": [...]}";

/// The answers in the text of a file.
///
/// # Errors
/// [`Invalid`] if it is not JSON, not of the exchange, or an error response of the exchange.
pub(super) fn answers(file: &Path, text: &str) -> Result<Vec<Answer>> {
    if text.trim().is_empty() {
        return Err(Invalid::new("an empty file")
            .file(file)
            .expected(ENVELOPE)
            .hint("the response was not saved; fetch the response again")
            .into());
    }
    let mut found = Vec::new();
    // Rows that stand alone, one after another, are one answer.
    let mut loose = Answer::default();
    let mut events = 0;
    for (number, value) in (1..).zip(serde_json::Deserializer::from_str(text).into_iter::<Unique>()) {
        let Unique(value) = value.map_err(|error| not_json(file, text, &error))?;
        let part = Part { file, number };
        match value {
            Value::Array(items) => found.extend(part.list(items)?),
            Value::Object(object) if is_row(&object) => loose.rows.push(Value::Object(object)),
            Value::Object(object) if is_event(&object) => {
                part.event(&object)?;
                events += 1;
            }
            Value::Object(object) => found.push(part.envelope(object)?),
            other => return Err(part.invalid("not a response of the exchange").value(short(&other)).into()),
        }
    }
    if !loose.rows.is_empty() {
        found.push(loose);
    }
    if found.is_empty() {
        return Err(Invalid::new("messages of a connection, without data")
            .file(file)
            .value(format!("{events} of subscribe, login or the like"))
            .expected("pushes with `arg` and `data`, or a response")
            .hint("save what the connection sends after its subscription, or fetch the response again")
            .into());
    }
    Ok(found)
}

/// A row of an endpoint that is known, without an envelope.
fn is_row(object: &Map<String, Value>) -> bool {
    let enveloped = ["data", "code", "arg", "event"].iter().any(|name| object.contains_key(*name));
    !enveloped && Endpoint::of_rows(&[Value::Object(object.clone())]) != Endpoint::Unknown
}

fn is_event(object: &Map<String, Value>) -> bool {
    object.contains_key("event") && !object.contains_key("data")
}

/// One value of a file.
struct Part<'a> {
    file: &'a Path,
    /// From 1.
    number: u64,
}

impl Part<'_> {
    fn invalid(&self, problem: &str) -> Invalid {
        let problem =
            if self.number > 1 { format!("{problem} (answer {} in the file)", self.number) } else { problem.into() };
        Invalid::new(problem).file(self.file).expected(ENVELOPE)
    }

    /// A list: of answers, or of rows.
    fn list(&self, items: Vec<Value>) -> Result<Vec<Answer>> {
        let object_with = |item: &Value, name: &str| item.as_object().is_some_and(|object| object.contains_key(name));
        if !items.is_empty() && items.iter().all(|item| object_with(item, "data")) {
            let objects = items.into_iter().filter_map(|item| match item {
                Value::Object(object) => Some(object),
                _ => None,
            });
            return objects.map(|object| self.envelope(object)).collect();
        }
        if items.iter().any(|item| object_with(item, "info")) {
            let hint = "these are the unified structures of a client library; save the exchange's own rows, which are \
                        in `info` of each item";
            return Err(self.invalid("not a response of the exchange").hint(hint).into());
        }
        if let Some(other) = items.iter().find(|item| !item.is_object()) {
            return Err(self.invalid("a list of something else than rows").value(short(other)).into());
        }
        Ok(vec![Answer { rows: items, ..Answer::default() }])
    }

    fn event(&self, object: &Map<String, Value>) -> Result<()> {
        let row = Row(object);
        let text = |name: &str| row.text(&[name]).ok().flatten().unwrap_or_default();
        if text("event") == "error" {
            return Err(self.refusal(&text("code"), &text("msg")));
        }
        Ok(())
    }

    fn envelope(&self, mut object: Map<String, Value>) -> Result<Answer> {
        let fault = |fault: Fault| Error::from(self.invalid(&fault.0));
        let row = Row(&object);
        let code = row.text(&["code"]).map_err(fault)?;
        if let Some(code) = code.as_deref().filter(|code| *code != "0") {
            return Err(self.refusal(code, &row.text(&["msg"]).map_err(fault)?.unwrap_or_default()));
        }
        let arg = object.get("arg").and_then(Value::as_object).map(Row);
        let stated = |name: &str| arg.and_then(|arg| arg.text(&[name]).ok().flatten());
        let (uid, ccy, inst_id) = (stated("uid"), stated("ccy"), stated("instId"));
        let is_push = arg.is_some() && code.is_none();
        let channel = is_push.then(|| stated("channel").unwrap_or_default());
        let rows = match object.remove("data") {
            Some(Value::Array(rows)) => rows,
            // A few endpoints return one object instead of a list.
            Some(row @ Value::Object(_)) => vec![row],
            _ => return Err(self.invalid("a response without `data`").into()),
        };
        Ok(Answer { rows, channel, uid, ccy, inst_id })
    }

    /// An error response.
    fn refusal(&self, code: &str, message: &str) -> Error {
        let (problem, hint) = match code.parse::<u32>().unwrap_or(0) {
            50011 | 50040 | 50061 => (
                "the exchange refused the request, since there were too many",
                "ask less often; fetch the response again, or its data would be missing without notice",
            ),
            50001 | 50004 | 50013 | 50026 => (
                "the exchange was busy and answered without data",
                "fetch the response again, or its data would be missing without notice",
            ),
            50100..=50121 => (
                "the exchange refused the request: its key, signature, time or permission",
                "mend the API key or the clock of the client, then fetch the response again",
            ),
            _ => (
                "an error response of the exchange instead of data",
                "fetch the response again, or its data would be missing without notice",
            ),
        };
        self.invalid(problem).value(format!("code {code}: {message}")).hint(hint).into()
    }
}

/// The beginning of a value, for messages.
fn short(value: &Value) -> String {
    crate::cells::text::cut(&value.to_string())
}

/// Says what a text is that is not JSON.
fn not_json(file: &Path, text: &str, error: &serde_json::Error) -> Error {
    let invalid = |problem: &str| Invalid::new(problem).file(file).expected(ENVELOPE);
    if text.trim_start().starts_with('<') {
        return invalid("a web page instead of JSON")
            .value(crate::cells::text::cut(text.trim()))
            .hint("a login page, a proxy or a block answered; fetch the response again with a client of the API")
            .into();
    }
    let invalid = |problem: &str| invalid(problem).value(error.to_string());
    if error.is_eof() {
        return invalid("the JSON ends in the middle")
            .hint("the download was cut off, or the file was still written to; fetch the response again")
            .into();
    }
    if error.is_data() {
        let hint = "only one of the two can be meant; fetch the response again, and save its text as it came";
        return invalid("a key that stands twice in one object").hint(hint).into();
    }
    let near = near(text, error.line(), error.column());
    let has = |words: &[&str]| words.iter().any(|word| near.windows(word.len()).any(|at| at == word.as_bytes()));
    if has(&["'", "True", "False", "None"]) {
        return invalid("a Python object printed as text, not JSON")
            .hint("save the response with json.dumps(response), not with str() or print()")
            .into();
    }
    if has(&["NaN", "Infinity"]) {
        return invalid("`NaN` or `Infinity` in the file, which JSON does not have")
            .hint("save a missing number as \"\" or null, or save the text of the response as it came")
            .into();
    }
    invalid("not a JSON document").hint("save the text of the response as it came; fetch the response again").into()
}

/// The bytes around the place of an error.
fn near(text: &str, line: usize, column: usize) -> &[u8] {
    let line = text.split('\n').nth(line.saturating_sub(1)).unwrap_or_default().as_bytes();
    let start = column.saturating_sub(2).min(line.len());
    line.get(start..(start + 10).min(line.len())).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shape(text: &str) -> Result<Vec<(usize, Option<String>)>> {
        let found = answers(Path::new("a.json"), text)?;
        Ok(found.into_iter().map(|answer| (answer.rows.len(), answer.channel)).collect())
    }

    #[test]
    fn shapes_of_files() {
        let push = Some("positions".to_owned());
        for (text, expected) in [
            (r#"{"code":"0","data":[{},{}]}"#, vec![(2, None)]),
            (r#"{"code":0,"data":{"a":1}}"#, vec![(1, None)]),
            ("[]", vec![(0, None)]),
            (r#"[{"a":1},{"a":2}]"#, vec![(2, None)]),
            ("{\"code\":\"0\",\"data\":[{}]}\n{\"code\":\"0\",\"data\":[]}", vec![(1, None), (0, None)]),
            (r#"[{"code":"0","data":[{}]},{"data":[]}]"#, vec![(1, None), (0, None)]),
            (
                "{\"event\":\"subscribe\"}\n{\"arg\":{\"channel\":\"positions\"},\"data\":[{}]}\r\n",
                vec![(1, push.clone())],
            ),
            ("{\"instId\":\"A\",\"markPx\":\"1\"}\n{\"instId\":\"B\",\"markPx\":\"1\"}", vec![(2, None)]),
            (r#"{"arg":{"ccy":"USDT"},"code":"0","data":[{}]}"#, vec![(1, None)]),
        ] {
            assert_eq!(shape(text).unwrap(), expected, "{text}");
        }
    }

    #[test]
    fn what_is_none_is_called_by_its_name() {
        for (text, says) in [
            ("", "empty file"),
            (" \n", "empty file"),
            ("<!DOCTYPE html><title>Log in</title>", "web page"),
            ("{\"code\":\"0\",\"data\":[", "ends in the middle"),
            ("{\"code\":\"0\",\"data\":[]}\n{\"code\":\"0\",", "ends in the middle"),
            ("{'code': '0', 'data': []}", "Python object"),
            ("{\"code\": \"0\", \"ok\": True}", "Python object"),
            ("{\"data\": [{\"upl\": NaN}]}", "`NaN`"),
            ("{\"data\": [{\"upl\": -Infinity}]}", "`Infinity`"),
            ("{\"code\"; 1}", "not a JSON document"),
            ("7", "not a response"),
            ("[1]", "something else than rows"),
            ("[{\"info\":{},\"symbol\":\"BTC/USDT\"}]", "client library"),
            ("{\"code\":\"0\"}", "without `data`"),
            ("{\"code\":\"50011\",\"msg\":\"Too Many Requests\",\"data\":[]}", "there were too many"),
            ("{\"code\":\"50113\",\"msg\":\"Invalid Sign\"}", "key, signature"),
            ("{\"code\":\"50013\",\"msg\":\"Busy\"}", "was busy"),
            ("{\"code\":\"51000\",\"msg\":\"Parameter error\"}", "an error response"),
            ("{\"code\":[],\"data\":[]}", "`code` is not a text"),
            ("{\"event\":\"subscribe\"}", "messages of a connection"),
            ("{\"event\":\"error\",\"code\":\"60011\",\"msg\":\"log in\"}", "code 60011: log in"),
            ("{\"code\":\"0\",\"data\":[]}\n{\"code\":\"0\"}", "answer 2 in the file"),
        ] {
            let error = shape(text).unwrap_err();
            assert!(error.exit_code() == 3 && error.to_string().contains(says), "{text}: {error}");
            assert!(error.to_string().contains("a.json"), "{error}");
        }
    }
}
