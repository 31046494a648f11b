//! A loaded set as text (`remargin rules show`) and as JSON.

use serde_json::{Map, Value as Json, json};
use toml::Value;

use super::LoadedRules;

/// Width of a value column. Longer values, such as tier tables, are wrapped.
const VALUE_WIDTH: usize = 64;

/// The set as aligned text: name and hash, then key, value and source of each value.
#[must_use]
pub fn show(loaded: &LoadedRules) -> String {
    let mut rows = vec![("key".to_owned(), vec!["value".to_owned()], "source".to_owned())];
    rows.extend(loaded.values.iter().map(|line| (line.key.clone(), wrap(&line.value), line.source.clone())));
    let key_width = rows.iter().map(|row| row.0.chars().count()).max().unwrap_or_default();
    let value_width = rows.iter().flat_map(|row| &row.1).map(|line| line.chars().count()).max().unwrap_or_default();
    let mut out = format!("rules {}\nhash  {}\n\n", loaded.rules.name, loaded.hash);
    for (key, lines, source) in &rows {
        for (at, line) in lines.iter().enumerate() {
            let (key, source) = if at == 0 { (key.as_str(), source.as_str()) } else { ("", "") };
            let row = format!("{key:key_width$}  {line:value_width$}  {source}");
            out.push_str(row.trim_end());
            out.push('\n');
        }
    }
    out
}

/// The set as JSON: `name`, `hash`, and under `values` an object of `value`, `source` and `mark` for each dotted key.
/// Numbers are JSON numbers, the bound `"inf"` and dates are strings.
#[must_use]
pub fn to_json(loaded: &LoadedRules) -> Json {
    let values: Map<String, Json> = loaded
        .values
        .iter()
        .map(|line| {
            // Values are valid TOML. If parsing ever fails, the string is still correct.
            let value = line.value.parse::<Value>().map_or_else(|_| Json::from(line.value.as_str()), json_value);
            (line.key.clone(), json!({ "value": value, "source": line.source, "mark": line.mark }))
        })
        .collect();
    json!({ "name": loaded.rules.name, "hash": loaded.hash, "values": values })
}

fn json_value(value: Value) -> Json {
    match value {
        Value::String(text) => text.into(),
        Value::Integer(n) => n.into(),
        Value::Float(x) => x.into(),
        Value::Boolean(flag) => flag.into(),
        Value::Datetime(time) => time.to_string().into(),
        Value::Array(items) => items.into_iter().map(json_value).collect(),
        Value::Table(table) => table.into_iter().map(|(name, value)| (name, json_value(value))).collect(),
    }
}

/// Breaks a long array between its items: after `, ` at depth one.
fn wrap(value: &str) -> Vec<String> {
    let mut items = vec![String::new()];
    let mut depth = 0_usize;
    let mut quoted = false;
    for c in value.chars() {
        match c {
            '"' => quoted = !quoted,
            '[' if !quoted => depth += 1,
            ']' if !quoted => depth = depth.saturating_sub(1),
            _ => {}
        }
        if let Some(item) = items.last_mut() {
            item.push(c);
        }
        if c == ',' && depth == 1 && !quoted {
            items.push(String::new());
        }
    }
    let mut lines: Vec<String> = Vec::new();
    for item in items {
        match lines.last_mut() {
            Some(line) if line.chars().count() + item.chars().count() <= VALUE_WIDTH => line.push_str(&item),
            _ => lines.push(item.trim_start().to_owned()),
        }
    }
    lines
}
