// Rules over figures: which are met, which are breached, and by whom.

const LIMIT = Object.fromEntries(["name", "severity", "rule", "breaches", "checked", "without", "worst", "excess", "whose", "text", "missing"].map((name, place) => [name, place]));
const BREACH = Object.fromEntries(["name", "severity", "whose", "value", "excess"].map((name, place) => [name, place]));
const SEVERITIES = ["info", "soft", "hard"];

/** Account or group, risk unit, scenario. */
function whoseFigure(whose) {
  if (whose === null) return NONE;
  const [name, by, unit, scenario] = whose;
  const parts = [name === null ? null : by === null ? name : `${by}: ${name}`, unit, scenario === "base" ? null : scenario].filter((part) => part !== null);
  return parts.length ? parts.join(", ") : "the book";
}

/** A figure as it comes, rounded already. */
const rounded = (x) => (x === null ? NONE : signed(x.toLocaleString("en-US", { maximumSignificantDigits: 15 })));

function severityCell(severity, isBreached) {
  return h("span", { class: isBreached && severity !== "info" ? "bad" : null }, severity);
}

function limitSection(data) {
  const { each, total, rows, rows_total } = data.limits;
  const cell = (name) => (row) => row[LIMIT[name]];
  const breached = each.filter((row) => row[LIMIT.breaches] > 0).length;
  const notCompared = each.filter((row) => row[LIMIT.checked] === 0 || row[LIMIT.missing]).length;
  const leftOut = data.accounts.unmargined;
  const notes = [
    notCompared ? `${count(notCompared)} not compared with all that they name` : null,
    leftOut ? `${count(leftOut)} accounts are left out and were not compared` : null,
  ].filter((note) => note).map((note) => `; ${note}`).join("");
  table(byId("table-limits"), [
    { label: "Limit", value: cell("name"), kind: "long" },
    { label: "Severity", value: cell("severity"), show: (value, row) => severityCell(value, row[LIMIT.breaches] > 0), order: (row) => SEVERITIES.indexOf(row[LIMIT.severity]) },
    { label: "Result", value: (row) => (row[LIMIT.breaches] > 0 ? "breached" : row[LIMIT.checked] > 0 ? "met" : "nothing compared"),
      show: (text) => h("span", { class: text === "met" ? "good" : text === "breached" ? "bad" : null }, text) },
    { label: "Breaches", num: true, value: cell("breaches"), show: count },
    { label: "Compared", num: true, value: cell("checked"), show: count, about: "Figures that were compared with the limit" },
    { label: "Without", num: true, value: cell("without"), show: count, about: "Rows without the figure, such as a margin ratio without margin" },
    { label: "Worst", num: true, value: cell("worst"), show: rounded, about: "The figure furthest beyond the limit or, if all are within, nearest to it" },
    { label: "Beyond by", num: true, value: cell("excess"), show: rounded, bad: (row) => row[LIMIT.breaches] > 0, about: "How far it is beyond the limit; negative while there is room left" },
    { label: "Whose", value: (row) => whoseFigure(row[LIMIT.whose]), kind: "id" },
    { label: "Rule", value: cell("rule"), kind: "long" },
    { label: "What to do", value: (row) => [row[LIMIT.text], row[LIMIT.missing]].filter((text) => text).join(". ") || null, kind: "long" },
  ], each, {
    title: "Limits", about: `${count(breached)} of ${count(total)} breached${notes}${each.length < total ? `; ${count(each.length)} are listed` : ""}; figures in their own units`,
    search: (row) => row[LIMIT.name] + " " + row[LIMIT.rule], placeholder: "Search limit",
  });
  const file = data.identity.outputs.map((output) => output.path).find((path) => path.startsWith("breaches.")) || "breaches";
  const of = (name) => (row) => row[BREACH[name]];
  table(byId("table-breaches"), [
    { label: "Limit", value: of("name"), kind: "long" },
    { label: "Severity", value: of("severity"), show: (value) => severityCell(value, true), order: (row) => SEVERITIES.indexOf(row[BREACH.severity]) },
    { label: "Whose", value: (row) => { const [name, by] = row[BREACH.whose]; return name === null ? "the book" : by === null ? name : `${by}: ${name}`; }, kind: "id" },
    { label: "Risk unit", value: (row) => row[BREACH.whose][2] },
    { label: "Scenario", value: (row) => row[BREACH.whose][3], kind: "id", show: (name) => (name === null ? NONE : shortName(name)) },
    { label: "Value", num: true, value: of("value"), show: rounded },
    { label: "Beyond by", num: true, value: of("excess"), show: rounded, bad: () => true },
  ], rows, {
    title: "Breaches", about: rows.length < rows_total ? `of each limit those furthest beyond it: ${count(rows.length)} of ${count(rows_total)}; all of them in ${file}` : `of each limit the furthest first; also in ${file}`,
    search: (row) => [row[BREACH.name], row[BREACH.severity], ...row[BREACH.whose]].join(" "), placeholder: "Search limit, account, group", empty: rows_total ? `The table is not there: of ${count(rows_total)} breaches none can be shown.` : "No figure that was compared is beyond its limit.",
  });
}
