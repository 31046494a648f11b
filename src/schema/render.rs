//! Tables as text, as Markdown and as JSON Schema.

use super::{ColumnSchema, DOCUMENTS, TableSchema, tables};
use serde_json::{Map, Value, json as value};
use std::fmt::Write;

/// Widest line of text.
const WIDTH: usize = 100;

/// Every table and answer, one in a line.
#[must_use]
pub fn list() -> String {
    let tables = tables();
    let width = tables.iter().map(|table| table.key().len()).max().unwrap_or(0);
    let mut text = String::from("Tables; `remargin schema NAME` has their columns:\n");
    for table in &tables {
        let optional = if table.is_optional { ", optional" } else { "" };
        // Writing to a String does not fail.
        let _ = writeln!(text, "  {:width$}  one row is: {}{optional}", table.key(), table.row);
    }
    text += "\nJSON answers; `remargin schema NAME` has their JSON Schema:\n";
    for document in DOCUMENTS {
        let _ = writeln!(text, "  {:width$}  version {}: {}", document.name, document.version, document.about);
    }
    text
}

/// What is said of an optional column: an input may lack it, a cell of an output may be null.
fn presence(table: &TableSchema, column: &ColumnSchema) -> &'static str {
    match (table.is_input(), column.is_optional) {
        (true, true) => "optional",
        (true, false) => "required",
        (false, true) => "may be null",
        (false, false) => "",
    }
}

/// Columns in aligned lines, below each what it means.
#[must_use]
pub fn text(tables: &[TableSchema]) -> String {
    let mut text = String::new();
    for (number, table) in tables.iter().enumerate() {
        let optional = if table.is_optional { "; optional table" } else { "" };
        let gap = if number > 0 { "\n" } else { "" };
        let _ = writeln!(text, "{gap}{}: one row is: {}{optional}\n", table.key(), table.row);
        let cells = |column: &ColumnSchema| {
            [column.name.clone(), column.kind.to_owned(), column.unit.to_owned(), presence(table, column).to_owned()]
        };
        let rows: Vec<[String; 4]> = table.columns.iter().map(cells).collect();
        let width = |place: usize| rows.iter().map(|row| row[place].chars().count()).max().unwrap_or(0);
        let widths = [0, 1, 2, 3].map(width);
        for (column, [name, kind, unit, presence]) in table.columns.iter().zip(&rows) {
            let example = if column.example.is_empty() { "" } else { &format!("such as {}", column.example) };
            let [a, b, c, d] = widths;
            let line = format!("  {name:a$}  {kind:b$}  {unit:c$}  {presence:d$}  {example}");
            let _ = writeln!(text, "{}", line.trim_end());
            wrap(&column.meaning, "      ", &mut text);
        }
    }
    text
}

fn wrap(words: &str, indent: &str, text: &mut String) {
    let mut line = indent.to_owned();
    for word in words.split(' ') {
        if line.len() > indent.len() && line.chars().count() + word.chars().count() > WIDTH {
            let _ = writeln!(text, "{}", line.trim_end());
            indent.clone_into(&mut line);
        }
        line += word;
        line.push(' ');
    }
    let _ = writeln!(text, "{}", line.trim_end());
}

/// A table of Markdown for each.
#[must_use]
pub fn markdown(tables: &[TableSchema]) -> String {
    let cell = |text: &str| text.replace('|', "\\|");
    let mut text = String::new();
    for (number, table) in tables.iter().enumerate() {
        let gap = if number > 0 { "\n" } else { "" };
        let (third, shown) = if table.is_input() { ("required", ["no", "yes"]) } else { ("null", ["yes", "no"]) };
        let _ = writeln!(text, "{gap}## {}\n\nOne row is: {}.\n", table.key(), table.row);
        let _ = writeln!(text, "| column | type | unit | {third} | meaning | example |\n|---|---|---|---|---|---|");
        for column in &table.columns {
            let is_there = shown[usize::from(!column.is_optional)];
            let example = if column.example.is_empty() { String::new() } else { format!("`{}`", column.example) };
            let _ = writeln!(
                text,
                "| `{}` | {} | {} | {is_there} | {} | {} |",
                column.name,
                column.kind,
                column.unit,
                cell(&column.meaning),
                cell(&example)
            );
        }
    }
    text
}

/// A JSON Schema (draft 2020-12) of a row of the only table, else of a row of each under `$defs`.
#[must_use]
pub fn json(tables: &[TableSchema]) -> Value {
    const DRAFT: &str = "https://json-schema.org/draft/2020-12/schema";
    if let [table] = tables {
        let mut schema = Map::from_iter([("$schema".to_owned(), value!(DRAFT))]);
        schema.extend(row(table));
        return schema.into();
    }
    let all: Map<String, Value> = tables.iter().map(|table| (table.key(), row(table).into())).collect();
    value!({ "$schema": DRAFT, "$defs": all })
}

fn row(table: &TableSchema) -> Map<String, Value> {
    let properties: Map<String, Value> =
        table.columns.iter().map(|column| (column.name.clone(), property(table, column))).collect();
    let required: Vec<&str> = table
        .columns
        .iter()
        .filter(|column| !table.is_input() || !column.is_optional)
        .map(|column| column.name.as_str())
        .collect();
    Map::from_iter([
        ("$id".to_owned(), value!(format!("urn:remargin:table:{}", table.key()))),
        ("title".to_owned(), value!(table.key())),
        ("description".to_owned(), value!(format!("One row is: {}.", table.row))),
        ("type".to_owned(), value!("object")),
        ("properties".to_owned(), properties.into()),
        ("required".to_owned(), value!(required)),
    ])
}

fn property(table: &TableSchema, column: &ColumnSchema) -> Value {
    let kind = match column.kind {
        "number" => "number",
        "whole number" => "integer",
        "flag" => "boolean",
        _ => "string",
    };
    // Cells of inputs may be null where their meaning says so.
    let null = table.is_input() || column.is_optional;
    let kind = if null { value!([kind, "null"]) } else { value!(kind) };
    let mut property = Map::from_iter([
        ("type".to_owned(), kind),
        ("description".to_owned(), value!(column.meaning)),
        ("unit".to_owned(), value!(column.unit)),
    ]);
    if column.kind == "time" {
        property.insert("format".to_owned(), value!("date-time"));
    }
    if !column.example.is_empty() {
        property.insert("examples".to_owned(), value!([example(column)]));
    }
    property.into()
}

fn example(column: &ColumnSchema) -> Value {
    let text = column.example.as_str();
    match column.kind {
        "number" => text.parse::<f64>().map_or_else(|_| value!(text), |x| value!(x)),
        "whole number" => text.parse::<i64>().map_or_else(|_| value!(text), |x| value!(x)),
        "flag" => value!(text == "true"),
        _ => value!(text),
    }
}
