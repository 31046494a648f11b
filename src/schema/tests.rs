//! The published JSON Schemas are those of the types; what is described is complete.

use super::*;
use crate::check::answer::Answer;
use crate::publish::manifest::Manifest;
use crate::stress::StressSummary;
use crate::totals::Summary;
use schemars::generate::SchemaSettings;
use schemars::{JsonSchema, Schema};
use std::collections::BTreeSet;
use std::path::Path;

/// The schema of a type as it is serialised.
fn schema_of<T: JsonSchema>() -> Schema {
    SchemaSettings::draft2020_12().for_serialize().into_generator().into_root_schema_for::<T>()
}

fn published(name: &str, mut schema: Schema) {
    let document = DOCUMENTS.into_iter().find(|document| document.name == name).unwrap();
    schema.insert("$id".to_owned(), format!("urn:remargin:{name}:{}", document.version).into());
    let expected = format!("{:#}\n", schema.to_value());
    let file = format!("data/schemas/{name}.v{}.json", document.version);
    let file = Path::new(env!("CARGO_MANIFEST_DIR")).join(file);
    if std::env::var_os("REMARGIN_BLESS").is_some() {
        return std::fs::write(file, expected).unwrap();
    }
    let found = std::fs::read_to_string(file).unwrap();
    assert!(found == expected, "the schema of `{name}` is stale: REMARGIN_BLESS=1 writes it anew");
}

#[test]
fn published_schemas_are_those_of_the_types() {
    published("summary", schema_of::<Summary>());
    published("stress-summary", schema_of::<StressSummary>());
    published("manifest", schema_of::<Manifest>());
    published("check", schema_of::<Answer>());
}

#[test]
fn every_column_is_described() {
    let units: BTreeSet<&str> = tables().iter().flat_map(|table| table.columns.iter().map(|of| of.unit)).collect();
    assert!(units.contains("USD") && units.contains("contracts"), "{units:?}");
    for table in tables() {
        let key = table.key();
        let names: BTreeSet<&String> = table.columns.iter().map(|column| &column.name).collect();
        assert_eq!(names.len(), table.columns.len(), "{key}: a name is there twice");
        for column in &table.columns {
            let ColumnSchema { name, unit, meaning, example, .. } = column;
            assert!(!unit.is_empty() && meaning.len() > 3, "{key}, {name}: {column:?}");
            assert!(!table.is_input() || !example.is_empty(), "{key}, {name} has no example");
            assert!(!meaning.contains("]("), "{key}, {name}: a link leads nowhere from here: {meaning}");
        }
    }
}

/// Text, Markdown and JSON Schema name every column of a table once.
#[test]
fn every_form_has_every_column() {
    for table in tables() {
        let one = [table.clone()];
        let (text, markdown, schema) = (text(&one), markdown(&one), json(&one));
        assert!(text.lines().all(|line| line.chars().count() <= 160), "{text}");
        let properties = schema["properties"].as_object().unwrap();
        assert_eq!(properties.len(), table.columns.len());
        for column in &table.columns {
            let name = &column.name;
            let lines = text.lines().filter(|line| line.trim_start().split("  ").next() == Some(name)).count();
            assert_eq!(lines, 1, "{}, {name}: {text}", table.key());
            assert_eq!(markdown.matches(&format!("\n| `{name}` |")).count(), 1, "{}, {name}", table.key());
            assert_eq!(properties[name]["unit"], column.unit);
        }
    }
    assert_eq!(find("accounts").len(), 2);
    assert_eq!(find("run.accounts").len(), 1);
    assert!(find("nothing").is_empty());
    assert_eq!(json(&tables())["$defs"].as_object().unwrap().len(), tables().len());
}
