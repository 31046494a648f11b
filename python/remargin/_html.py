"""What notebooks show: plain HTML with styles of its own, for light and dark pages. Numbers are rounded for display."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from html import escape
from typing import TYPE_CHECKING, Any

from . import _warehouse

if TYPE_CHECKING:
    from ._outputs import Outputs
    from ._remargin import Result, Rules, Table

#: Rows of a table that are shown.
SHOWN = 10

#: Statuses from worst to best, with the colours of the report page.
STATUSES = {
    "liquidation": "#b42318",
    "near_liquidation": "#e07000",
    "warning": "#c79f00",
    "healthy": "#3a7ca5",
    "no_risk": "#9aa5b1",
}

#: Styles of all tables of an output.
_STYLE = (
    "<style>.remargin{overflow-x:auto}.remargin table{border-collapse:collapse;font-size:90%}"
    ".remargin th,.remargin td{padding:2px 8px;text-align:left;white-space:nowrap}"
    ".remargin td{border-top:1px solid rgba(128,128,128,.35)}"
    ".remargin th.n,.remargin td.n{text-align:right;font-variant-numeric:tabular-nums}</style>"
)


def number(value: float) -> str:
    """At most six digits, or cents where there are thousands."""
    size = abs(value)
    if size >= 1e15 or 0 < size < 1e-4:
        return f"{value:.4g}"
    if size >= 1000:
        return f"{value:,.2f}"
    return f"{value:.6g}"


def _is_number(value: object) -> bool:
    return isinstance(value, (int, float)) and not isinstance(value, bool)


def _cell(value: object) -> str:
    if value is None:
        return "<td></td>"
    if isinstance(value, bool):
        return f"<td>{str(value).lower()}</td>"
    if isinstance(value, (int, float)):
        return f'<td class="n">{f"{value:,}" if isinstance(value, int) else number(value)}</td>'
    return f"<td>{escape(str(value))}</td>"


def _grid(names: Iterable[str], rows: Iterable[Iterable[object]]) -> str:
    cells = [list(row) for row in rows]
    columns = zip(*cells) if cells else ([] for _ in names)
    heads = (
        f'<th class="n">{escape(name)}</th>' if any(map(_is_number, column)) else f"<th>{escape(name)}</th>"
        for name, column in zip(names, columns)
    )
    head = "".join(heads)
    body = "\n".join(f"<tr>{''.join(map(_cell, row))}</tr>" for row in cells)
    table = f"<table>\n<thead><tr>{head}</tr></thead>\n<tbody>\n{body}\n</tbody></table>"
    return f'{_STYLE}\n<div class="remargin">{table}</div>\n'


def _note(text: str) -> str:
    return f'<p style="margin:4px 0;opacity:.75">{escape(text)}</p>'


def _count(count: int, one: str, many: str | None = None) -> str:
    return f"{count:,} {one if count == 1 else many or one + 's'}"


def table(table: Table) -> str:
    """The first rows of a table, and how many there are."""
    names, rows = table.column_names, table.to_pylist(SHOWN)
    text = f"{_count(len(table), 'row')}, {_count(len(names), 'column')}"
    if len(table) > SHOWN:
        text += f"; the first {SHOWN} are shown"
    return _grid(names, ([row[name] for name in names] for row in rows)) + _note(text)


def status_bar(by_status: Mapping[str, int]) -> str:
    """How many accounts stand where: a bar, and the same in words below."""
    total = sum(by_status.values())
    if total == 0:
        return _note("no account is margined")
    parts, words = [], []
    for status, colour in STATUSES.items():
        accounts = by_status.get(status, 0)
        if accounts == 0:
            continue
        share = accounts / total
        title = f"{status}: {accounts:,} ({share:.1%})"
        parts.append(f'<div title="{title}" style="width:{share:.4%};background:{colour}"></div>')
        mark = f'<span style="display:inline-block;width:.8em;height:.8em;background:{colour}"></span>'
        words.append(f'<span style="margin-right:1em;white-space:nowrap">{mark} {title}</span>')
    bar = f'<div style="display:flex;height:14px;max-width:720px;margin:4px 0">{"".join(parts)}</div>'
    return bar + f'<div style="font-size:90%">{"".join(words)}</div>'


def _headline(text: str) -> str:
    return f'<p style="margin:4px 0"><strong>{escape(text)}</strong></p>'


def _book(summary: Mapping[str, Any]) -> str:
    """Headline and bar of a run's summary."""
    accounts = summary["accounts"]
    margined, left_out = accounts["margined"], len(summary["unmargined"])
    text = f"{_count(margined, 'account')}, as of {summary['as_of']}, rules {summary['rules']['name']}"
    if left_out:
        text += f"; {_count(left_out, 'account')} left out because of broken rows"
    return _headline(text) + status_bar(accounts["by_status"])


def _tables(rows: Mapping[str, int]) -> str:
    return _note("tables: " + ", ".join(f"{name} ({_count(count, 'row')})" for name, count in rows.items()))


def result(result: Result) -> str:
    """A recalculation: the book, its first accounts, what else there is."""
    rows = {name: len(table) for name, table in _warehouse.tables_of(result).items()}
    return _book(result.summary) + table(result.accounts) + _tables(rows)


def outputs(outputs: Outputs) -> str:
    """A finished folder: the book if it has one, its first table, what else there is."""
    summary = outputs.summary
    book = summary.get("base", summary)
    accounts = book.get("accounts")
    # Summaries of simulations and comparisons count accounts otherwise.
    is_book = isinstance(accounts, Mapping) and "by_status" in accounts
    html = _book(book) if is_book else _headline(repr(outputs))
    readable = [name for name in outputs if outputs.rows[name]]
    if readable and outputs.is_typed(readable[0]):
        html += _note(readable[0]) + table(outputs[readable[0]])
    return html + _tables(outputs.rows)


def rules(rules: Rules) -> str:
    """Every value of a set, with its mark and origin."""
    shown: dict[str, Any] = rules.show("json")
    figures = shown["figures"]
    counts = f"{figures['published']} published, {figures['measured']} measured, {figures['assumed']} assumed"
    rows = []
    for value in shown["values"]:
        mark = value["mark"] or {"mark": "", "note": ""}
        text = value["value"]
        text = text if len(text) <= 60 else text[:57] + "..."
        rows.append([value["key"], text, "/".join(mark["mark"]), mark["note"], value["source"]])
    own = f", {figures['own']} of your own" if figures["own"] else ""
    head = _headline(f"{shown['name']}, hash {shown['hash'][:12]}") + _note(f"figures: {counts}{own}")
    body = _grid(["key", "value", "mark", "source of the figure", "set by"], rows)
    return head + f"<details><summary>{len(rows)} values</summary>{body}</details>"
