//! The statement that creates a table in a warehouse.

use crate::{Error, Result};
use arrow_schema::{DataType, Schema};
use std::fmt::Write;
use std::str::FromStr;

/// A dialect of SQL.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[allow(missing_docs)]
pub enum Dialect {
    Postgres,
    ClickHouse,
    DuckDb,
    Snowflake,
    BigQuery,
}

impl Dialect {
    /// All of them.
    pub const ALL: [Self; 5] = [Self::Postgres, Self::ClickHouse, Self::DuckDb, Self::Snowflake, Self::BigQuery];

    /// Its name on the command line.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Postgres => "postgres",
            Self::ClickHouse => "clickhouse",
            Self::DuckDb => "duckdb",
            Self::Snowflake => "snowflake",
            Self::BigQuery => "bigquery",
        }
    }

    /// Types of text, of a float of 64 bits, of a whole number of 64 bits, of true or false.
    fn types(self) -> [&'static str; 4] {
        match self {
            Self::Postgres => ["text", "double precision", "bigint", "boolean"],
            Self::ClickHouse => ["String", "Float64", "Int64", "Bool"],
            Self::DuckDb => ["VARCHAR", "DOUBLE", "BIGINT", "BOOLEAN"],
            Self::Snowflake => ["VARCHAR", "FLOAT", "NUMBER(19, 0)", "BOOLEAN"],
            Self::BigQuery => ["STRING", "FLOAT64", "INT64", "BOOL"],
        }
    }

    /// A name in quotes, since some are words of SQL. Snowflake takes names without quotes for capital letters: in
    /// these it finds them either way.
    fn quoted(self, name: &str) -> String {
        match self {
            Self::Postgres | Self::DuckDb => format!("\"{name}\""),
            Self::ClickHouse | Self::BigQuery => format!("`{name}`"),
            Self::Snowflake => format!("\"{}\"", name.to_uppercase()),
        }
    }
}

impl FromStr for Dialect {
    type Err = Error;

    fn from_str(name: &str) -> Result<Self> {
        Self::ALL.into_iter().find(|dialect| dialect.name() == name).ok_or_else(|| {
            let names = Self::ALL.map(Self::name).join("`, `");
            Error::Usage(format!("no dialect `{name}`: expected one of `{names}`"))
        })
    }
}

/// A name in SQL that needs no quotes: letters, digits and `_`, at most three parts with dots between. In BigQuery the
/// names of projects, the first of three, and of tables may have `-`, and those of datasets may not.
fn check_name(dialect: Dialect, name: &str) -> Result<()> {
    let parts: Vec<&str> = name.split('.').collect();
    let is_part = |(place, part): (usize, &&str)| {
        let may_have_dash =
            dialect == Dialect::BigQuery && (place + 1 == parts.len() || parts.len() == 3 && place == 0);
        part.starts_with(|c: char| c.is_ascii_alphabetic() || c == '_')
            && part.chars().all(|c| c.is_ascii_alphanumeric() || c == '_' || c == '-' && may_have_dash)
    };
    if parts.len() <= 3 && parts.iter().enumerate().all(is_part) {
        return Ok(());
    }
    Err(Error::Usage(format!(
        "`{name}` is no name of a table: expected letters, digits and `_`, such as `accounts` or `margin.accounts`"
    )))
}

/// The statement; `meaning` says what a column means.
pub(super) fn create(
    dialect: Dialect,
    name: &str,
    schema: &Schema,
    meaning: impl Fn(&str) -> Option<String>,
) -> Result<String> {
    check_name(dialect, name)?;
    let table: Vec<String> = name.split('.').map(|part| dialect.quoted(part)).collect();
    let mut text = format!("CREATE TABLE {} (\n", table.join("."));
    let last = schema.fields().len().saturating_sub(1);
    for (place, field) in schema.fields().iter().enumerate() {
        let [plain, number, whole, flag] = dialect.types();
        let kind = match field.data_type() {
            DataType::Utf8 | DataType::Dictionary(..) => plain,
            DataType::Float64 => number,
            DataType::Int64 => whole,
            DataType::Boolean => flag,
            other => return Err(Error::Runtime(format!("column `{}` has the type {other}", field.name()))),
        };
        let kind = match (dialect, field.is_nullable()) {
            (Dialect::ClickHouse, true) => format!("Nullable({kind})"),
            (Dialect::ClickHouse, false) | (_, true) => kind.to_owned(),
            (_, false) => format!("{kind} NOT NULL"),
        };
        let comma = if place < last { "," } else { "" };
        let about = meaning(field.name()).map(|about| format!(" -- {}", about.replace('\n', " "))).unwrap_or_default();
        // Writing to a String does not fail.
        let _ = writeln!(text, "  {} {kind}{comma}{about}", dialect.quoted(field.name()));
    }
    text += match dialect {
        Dialect::ClickHouse => ") ENGINE = MergeTree ORDER BY tuple();\n",
        _ => ");\n",
    };
    Ok(text)
}

#[cfg(test)]
mod tests {
    use super::*;
    use arrow_schema::Field;

    #[test]
    fn each_dialect_has_its_types() {
        let schema = Schema::new(vec![
            Field::new("id", DataType::Utf8, false),
            Field::new("group", DataType::Float64, true),
            Field::new("n", DataType::Int64, false),
            Field::new("ok", DataType::Boolean, true),
        ]);
        let of =
            |dialect, name| create(dialect, name, &schema, |column| (column == "n").then(|| "how\nmany".to_owned()));
        assert_eq!(
            of(Dialect::Postgres, "margin.accounts").unwrap(),
            "CREATE TABLE \"margin\".\"accounts\" (\n  \"id\" text NOT NULL,\n  \"group\" double precision,\n  \
             \"n\" bigint NOT NULL, -- how many\n  \"ok\" boolean\n);\n"
        );
        let clickhouse = of(Dialect::ClickHouse, "t").unwrap();
        assert!(
            clickhouse.contains("`group` Nullable(Float64),") && clickhouse.contains("`id` String,"),
            "{clickhouse}"
        );
        assert!(clickhouse.ends_with("ENGINE = MergeTree ORDER BY tuple();\n"));
        for dialect in Dialect::ALL {
            assert_eq!(dialect.name().parse::<Dialect>().unwrap(), dialect);
            assert_eq!(of(dialect, "t").unwrap().lines().count(), 6);
        }
        assert!(
            of(Dialect::Snowflake, "a.t")
                .unwrap()
                .starts_with("CREATE TABLE \"A\".\"T\" (\n  \"ID\" VARCHAR NOT NULL,")
        );
        for name in ["", "a b", "a;drop", "1a", "a.b.c.d", "a.", "a\"b"] {
            assert_eq!(of(Dialect::Postgres, name).unwrap_err().exit_code(), 2, "{name}");
        }
        let named = of(Dialect::BigQuery, "risk-prod.margin.end-of-day").unwrap();
        assert!(named.starts_with("CREATE TABLE `risk-prod`.`margin`.`end-of-day` (\n"), "{named}");
        for (dialect, name) in [
            (Dialect::BigQuery, "risk-prod.accounts"),
            (Dialect::BigQuery, "risk.end-of-day.accounts"),
            (Dialect::Postgres, "risk-prod.margin.t"),
        ] {
            assert_eq!(of(dialect, name).unwrap_err().exit_code(), 2, "{name}");
        }
        assert_eq!("oracle".parse::<Dialect>().unwrap_err().exit_code(), 2);
    }
}
