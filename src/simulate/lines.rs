//! Operations as JSON lines, answered as JSON lines: one object per line, in input order.

use super::fields::Fields;
use super::groups::Remembered;
use super::operation::{MOST_GROUP_OPERATIONS, Operation, Refusal, Resolver};
use super::{Desk, Row};
use crate::margin::AccountMargin;
use crate::snapshot::{Asked, Given};
use crate::{Error, Result};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use serde_json::value::RawValue;
use std::borrow::Cow;
use std::io::{BufRead, Read, Write};

/// An operation as written in a line. Numbers may be JSON numbers or decimal strings; names may be either. The digits
/// count as they stand: a float would merge long ids.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Line<'a> {
    #[serde(borrow)]
    op_id: Option<&'a RawValue>,
    #[serde(borrow)]
    account_id: Option<&'a RawValue>,
    #[serde(borrow)]
    group: Option<&'a RawValue>,
    kind: Option<String>,
    inst_id: Option<String>,
    ccy: Option<String>,
    side: Option<String>,
    spot_offset: Option<String>,
    #[serde(borrow)]
    qty: Option<&'a RawValue>,
    #[serde(borrow)]
    px: Option<&'a RawValue>,
}

/// The answer to a line that is not an operation.
#[derive(Serialize)]
struct Malformed<'a> {
    op_id: Option<&'a str>,
    verdict: &'static str,
    reason: &'static str,
    why: String,
}

/// Answers each line of `input` with a line of `output`. Consecutive lines of one group are applied together and
/// answered when the group ends; a line of a group that has ended is refused. A line that is not an operation, or an
/// operation that cannot be applied, is answered with a reason. An `op_id` that the account had
/// among the last [`super::REMEMBERED_OPERATIONS`] is refused, as are
/// the operations of a group of more than [`MOST_GROUP_OPERATIONS`]. Returns the number of lines.
///
/// # Errors
/// [`Error::Runtime`] if the input cannot be read or the output cannot be written.
pub fn answer_lines(desk: &Desk<'_>, input: &mut dyn BufRead, output: &mut dyn Write) -> Result<u64> {
    let resolver = Resolver::new(desk.snapshot);
    let mut checker = desk.checker();
    let mut group: Vec<Operation> = Vec::new();
    // The name of a group that is too large, while it goes on.
    let mut too_large: Option<Box<str>> = None;
    let (mut remembered, mut ended) = (Remembered::default(), Remembered::default());
    let mut answered = 0;
    let mut line = Vec::new();
    loop {
        let is_whole = next_line(input, &mut line).map_err(unreadable)?;
        if !line.is_empty() && line.trim_ascii().is_empty() {
            continue;
        }
        let next = match is_whole {
            _ if line.is_empty() => None,
            false => Some(Err(format!("it is longer than {LONGEST_LINE} bytes"))),
            true => Some(parse(&line, &resolver)),
        };
        let goes_on = match (&next, group.first()) {
            (Some(Ok(next)), Some(first)) => next.group.is_some() && next.group == first.group,
            (_, None) => true,
            _ => false,
        };
        let starts_group = !goes_on || group.is_empty();
        if !goes_on {
            answered += group.len() as u64;
            answer(desk, &mut checker, std::mem::take(&mut group), output)?;
        }
        match next {
            None => return Ok(answered),
            Some(Ok(mut operation)) => {
                let market = &desk.snapshot.market;
                let is_named = !operation.op_id.is_empty();
                if is_named && remembered.is_repeated(desk.account_id(&operation), &operation.op_id) {
                    operation.refuse(Refusal::DuplicateOperation, market);
                }
                if let Some(name) = operation.group.as_deref().filter(|_| starts_group)
                    && operation.group != too_large
                    && ended.is_repeated(desk.account_id(&operation), name)
                {
                    operation.refuse(Refusal::GroupAnswered, market);
                }
                if operation.group.is_some() && operation.group == too_large {
                    operation.refuse(Refusal::GroupTooLarge, market);
                } else {
                    too_large = None;
                }
                let waits = operation.group.is_some() && too_large.is_none();
                group.push(operation);
                if waits && group.len() <= MOST_GROUP_OPERATIONS {
                    continue;
                }
                if waits {
                    too_large = group.first().and_then(|first| first.group.clone());
                    for operation in &mut group {
                        operation.refuse(Refusal::GroupTooLarge, market);
                    }
                }
                answered += group.len() as u64;
                answer(desk, &mut checker, std::mem::take(&mut group), output)?;
            }
            Some(Err(problem)) => {
                too_large = None;
                answered += 1;
                let why = format!("the line is no operation: {problem}");
                let malformed = Malformed { op_id: None, verdict: "invalid", reason: "malformed_line", why };
                write(output, &malformed)?;
            }
        }
    }
}

/// A file of operations that has changed brings its own error.
fn unreadable(error: std::io::Error) -> Error {
    match error.downcast::<Error>() {
        Ok(error) => error,
        Err(error) => Error::Runtime(format!("cannot read an operation: {error}")),
    }
}

/// Most bytes of a line. Longer lines are not stored.
const LONGEST_LINE: u64 = 1 << 20;

/// Reads the next line with its line end; `None` at the end of the input. False if the line is too long: `line` then
/// holds its beginning, and the input is positioned after it.
fn next_line(input: &mut dyn BufRead, line: &mut Vec<u8>) -> std::io::Result<bool> {
    let mut read_part = |part: &mut Vec<u8>| {
        part.clear();
        let length = (&mut *input).take(LONGEST_LINE).read_until(b'\n', part)?;
        Ok::<_, std::io::Error>(length as u64 == LONGEST_LINE && !part.ends_with(b"\n"))
    };
    let (mut goes_on, mut rest, mut is_whole) = (read_part(line)?, Vec::new(), true);
    while goes_on {
        goes_on = read_part(&mut rest)?;
        // The last line may have no line end: nothing follows it then.
        is_whole &= rest.is_empty();
    }
    Ok(is_whole)
}

fn parse(line: &[u8], resolver: &Resolver<'_>) -> Result<Operation, String> {
    if !line.trim_ascii_start().starts_with(b"{") {
        return Err("it is no JSON object".to_owned());
    }
    let line: Line = serde_json::from_slice(line).map_err(|error| error.to_string())?;
    let number = |value: Option<&RawValue>| {
        Ok::<_, String>(as_written(value)?.map_or(Given::Nothing, |text| Given::parse(&text)))
    };
    let (op_id, account_id, group) = (as_written(line.op_id)?, as_written(line.account_id)?, as_written(line.group)?);
    Ok(resolver.resolve(&Asked {
        op_id: filled(op_id.as_deref()),
        account_id: filled(account_id.as_deref()),
        group: filled(group.as_deref()),
        kind: filled(line.kind.as_deref()),
        inst_id: filled(line.inst_id.as_deref()),
        ccy: filled(line.ccy.as_deref()),
        side: filled(line.side.as_deref()),
        spot_offset: filled(line.spot_offset.as_deref()),
        qty: number(line.qty)?,
        px: number(line.px)?,
    }))
}

/// A string, or the digits of a number as they stand.
fn as_written(value: Option<&RawValue>) -> Result<Option<Cow<'_, str>>, String> {
    let Some(text) = value.map(RawValue::get) else { return Ok(None) };
    if text.starts_with('"') {
        return serde_json::from_str(text)
            .map(|text: String| Some(Cow::Owned(text)))
            .map_err(|error| error.to_string());
    }
    Ok(Some(Cow::Borrowed(text)))
}

/// An empty text counts as missing.
fn filled(text: Option<&str>) -> Option<&str> {
    text.filter(|text| !text.is_empty())
}

fn answer<'a>(
    desk: &Desk<'a>,
    checker: &mut super::check::Checker<'a>,
    mut operations: Vec<Operation>,
    output: &mut dyn Write,
) -> Result<()> {
    if operations.is_empty() {
        return Ok(());
    }
    desk.refuse_contradictory(&mut operations);
    desk.answer(checker, &operations, |row| write(output, &object(desk, &row)))?;
    // The caller may wait for this answer before it sends the next line.
    output.flush().map_err(|error| failed(&error))
}

fn object(desk: &Desk<'_>, row: &Row<'_>) -> serde_json::Map<String, Value> {
    let fields = Fields::of(row, desk.snapshot);
    let mut object = serde_json::Map::new();
    let text = |text: &str| if text.is_empty() { Value::Null } else { Value::from(text) };
    for (name, value) in [
        ("op_id", fields.op_id),
        ("account_id", fields.account_id),
        ("group", fields.group),
        ("kind", &fields.words.kind),
        ("inst_id", &fields.words.inst_id),
        ("ccy", &fields.words.ccy),
        ("side", &fields.words.side),
        ("qty", &fields.words.qty),
        ("px", &fields.words.px),
        ("verdict", fields.verdict),
        ("reason", fields.reason),
    ] {
        object.insert(name.to_owned(), text(value));
    }
    object.insert("max_qty".to_owned(), fields.most.map_or(Value::Null, |(amount, _)| Value::from(amount)));
    object.insert("max_unit".to_owned(), fields.most.map_or(Value::Null, |(_, unit)| Value::from(unit)));
    if let Ok((answer, _)) = &row.answer {
        object.insert("before".to_owned(), margin(&answer.before));
        object.insert("after".to_owned(), margin(&answer.after));
        let units = answer.units.iter().map(|(before, after)| {
            let unit = before.or(*after).map_or(0, |unit| unit.unit);
            let name = desk.unit_names.get(unit as usize).cloned().unwrap_or_default();
            serde_json::json!({ "risk_unit": name, "before": before.map(unit_margin), "after": after.map(unit_margin) })
        });
        object.insert("risk_units".to_owned(), units.collect());
    }
    object.insert("why".to_owned(), text(&row.why));
    object
}

fn margin(margin: &AccountMargin) -> Value {
    serde_json::json!({
        "adj_eq": margin.adj_eq,
        "mmr": margin.mmr,
        "imr": margin.imr,
        "margin_ratio": margin.margin_ratio,
        "status": margin.status.name(),
        "im_deficit": margin.im_deficit,
        "order_imr": margin.order_imr,
    })
}

fn unit_margin(unit: crate::margin::UnitMargin) -> Value {
    serde_json::json!({
        "mr1": unit.mr1, "mr2": unit.mr2, "mr3": unit.mr3, "mr4": unit.mr4, "mr5": unit.mr5, "mr6": unit.mr6,
        "mr7": unit.mr7, "mr9": unit.mr9, "mmr": unit.mmr, "imr": unit.imr, "cash_delta": unit.cash_delta,
        "spot_in_use": unit.spot_in_use,
    })
}

fn write(output: &mut dyn Write, value: &impl Serialize) -> Result<()> {
    let mut line = serde_json::to_vec(value).map_err(|error| Error::Runtime(error.to_string()))?;
    line.push(b'\n');
    output.write_all(&line).map_err(|error| failed(&error))
}

fn failed(error: &std::io::Error) -> Error {
    Error::Runtime(format!("cannot write an answer: {error}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_last_line_may_be_as_long_as_any() {
        for (bytes, is_whole) in [(LONGEST_LINE, true), (LONGEST_LINE + 1, false)] {
            let text = vec![b'x'; bytes as usize];
            let (mut input, mut line) = (text.as_slice(), Vec::new());
            assert_eq!(next_line(&mut input, &mut line).unwrap(), is_whole, "{bytes} bytes");
        }
    }

    #[test]
    fn lines_are_read_whole_or_passed_over() {
        let longest = LONGEST_LINE as usize;
        let long = |bytes: usize| [vec![b'x'; bytes - 1], b"\n".to_vec()].concat();
        let text = [b"a\n".to_vec(), long(longest), long(longest + 1), long(3 * longest), b"\nend".to_vec()].concat();
        let (mut input, mut line, mut found) = (text.as_slice(), Vec::new(), Vec::new());
        loop {
            let is_whole = next_line(&mut input, &mut line).unwrap();
            if line.is_empty() {
                break;
            }
            found.push((is_whole, line.len()));
        }
        assert_eq!(found, [(true, 2), (true, longest), (false, longest), (false, longest), (true, 1), (true, 3)]);
    }
}
