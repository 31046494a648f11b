// The page, put together from its figures.

function headline(data) {
  const { accounts, totals, distribution, hedge_saving: saving } = data;
  const share = (x) => percent(accounts.margined ? x / accounts.margined : null, 2) + " of accounts";
  const required = totals.mmr + totals.liquidation_fee;
  const worst = (row) => ["In liquidation in the worst scenario", count(row.figures[FIGURE.liquidation]), clipped(row.scenario, 60), "var(--liquidation)"];
  const money = (x) => [short(x), h("small", {}, "USD")];
  const ten = distribution.concentration.find((row) => row.accounts === 10);
  const status = (name) => [statusName(name), count(accounts.by_status[name]), share(accounts.by_status[name]), statusColor(name)];
  const tiles = [
    ["Accounts margined", count(accounts.margined), accounts.unmargined ? count(accounts.unmargined) + " left out" : "none left out", null],
    status("liquidation"), status("near_liquidation"), status("warning"),
    ["Below IMR", count(accounts.im_deficit), short(distribution.shortfall_imr) + " USD short of it", null],
    ["Short of MMR", money(distribution.shortfall_mmr), "equity lacking for MMR and fee", "var(--liquidation)"],
    ["Adjusted equity", money(totals.adj_eq), short(totals.total_eq) + " before discounts", null],
    ["MMR", money(totals.mmr), short(totals.borrow_mmr) + " of it borrowing", null],
    ["IMR", money(totals.imr), percent(totals.adj_eq > 0 ? totals.imr / totals.adj_eq : null) + " of equity", null],
    ["Ratio of the book", required > 0 ? ratio(totals.adj_eq / required) : NONE, "equity over MMR and fee", null],
    ["Spot hedging saves", money(saving.mmr), percent(totals.mmr_no_hedge > 0 ? saving.mmr / totals.mmr_no_hedge : null) + " of MMR without it", null],
    data.scenarios && data.scenarios.rows.length > 1 ? worst(data.scenarios.rows[1]) : ["Ten largest accounts", ten ? percent(ten.mmr_share) : NONE, "of all MMR", null],
  ];
  byId("headline").replaceChildren(...tiles.map(([label, value, note, color]) => {
    const tile = h("li", {}, h("div", { class: "label" }, label), h("div", { class: "value" }, value), h("div", { class: "note" }, note));
    if (color) tile.style.borderTopColor = color;
    return tile;
  }));
}

function identity(data) {
  const run = data.identity;
  const kind = data.scenarios ? `Stress report, ${count(data.scenarios.total)} scenarios` : data.scenarios_total > 1 ? `Margin report, the base case of ${count(data.scenarios_total)} scenarios` : "Margin report";
  const time = run.as_of.replace("T", " ").replace(/(:\d\d)(:00)?Z$/, "$1 UTC");
  byId("kind").textContent = kind;
  byId("as-of").textContent = time;
  byId("label").textContent = run.label || "";
  document.title = [`remargin ${data.scenarios ? "stress" : "margin"} ${time}`, ...(run.label ? [run.label] : [])].join(", ");
  const sum = (field) => data.tables.reduce((total, row) => total + row[field], 0);
  const [rows, used, aside] = ["rows_in", "rows_used", "rows_rejected"].map(sum);
  const reconciled = data.tables.every((row) => row.rows_in === row.rows_used + row.rows_rejected);
  const hash = (text) => h("code", { title: text }, text.slice(0, 12));
  const entries = [
    ["Rules", [run.rules.name, run.effective_from ? ` in force from ${run.effective_from}` : ""]],
    ["Rules hash", [hash(run.rules.hash)]],
    ["Parameters", [run.changed_total ? h("a", { href: "#table-changed" }, `${count(run.changed_total)} of ${count(run.rule_values)} changed`) : `${count(run.rule_values)}, none changed`]],
    ["Assumed", [h("a", { href: "#table-assumed" }, `${count(data.trust.figures.assumed)} of them`), data.trust.mmr_on_assumed_share === null ? "" : `, ${percent(data.trust.mmr_on_assumed_share, 1)} of MMR rests on these`]],
    ...(data.trust.newer ? [["Newer rules", [`${data.trust.newer} is in force`]]] : []),
    ["Input rows", [h("span", { class: reconciled ? "good" : "bad" }, reconciled ? "\u2713 " : "\u2717 "), `${count(rows)} = ${count(used)} used + ${count(aside)} set aside`]],
    ["Rows broken", [h("span", { class: data.rejects.broken ? "bad" : "good" }, count(data.rejects.broken))]],
    ["Computed by", ["remargin " + run.remargin]],
  ];
  byId("identity").replaceChildren(...entries.map(([term, value]) => h("div", {}, h("dt", {}, term), h("dd", {}, value))));
}

const AT = Object.fromEntries(["id", "status", "ratio", "adj_eq", "mmr", "imr", "fee", "short_mmr", "short_imr", "unit", "unit_mmr", "binding", "down", "up", "down_reach", "up_reach"].map((name, place) => [name, place]));

function atRiskTable(data) {
  const mount = byId("table-at-risk");
  const table_at_risk = data.at_risk;
  if (!table_at_risk) {
    mount.classList.add("list");
    mount.replaceChildren(h("p", { class: "empty" }, "This stress was run with --detail none, which leaves the accounts at risk out."));
    return;
  }
  const rows = table_at_risk.rows.map((cells, place) => ({ cells, units: table_at_risk.units ? table_at_risk.units[place] : null }));
  const cell = (name) => (row) => row.cells[AT[name]];
  const rank = (status) => STATUSES.indexOf(status);
  const money = (label, name, about) => ({ label, value: cell(name), show: usd, num: true, about });
  const distance = (label, way) => ({
    label, num: true, value: cell(way), about: "Move of all coins together at which the margin ratio reaches the threshold of liquidation",
    show: (value, row) => { const reach = row.cells[AT[way + "_reach"]]; return reach === "none" ? "none" : value === null ? NONE : move(value) + (reach === "jump" ? " (jump)" : ""); },
  });
  const searched = rows.some((row) => row.cells[AT.down_reach] !== null);
  const columns = [
    { label: "Account", value: cell("id"), kind: "id" },
    { label: "Status", value: cell("status"), show: statusCell, order: (row) => rank(row.cells[AT.status]) },
    { label: "Ratio", value: cell("ratio"), show: ratio, num: true, about: "Adjusted equity over MMR and liquidation fee" },
    money("Short of MMR", "short_mmr", "USD of equity short of MMR and liquidation fee"),
    money("Short of IMR", "short_imr", "USD of equity short of IMR"),
    money("Adj. equity", "adj_eq"), money("MMR", "mmr"), money("IMR", "imr"),
    { label: "Worst unit", value: cell("unit"), about: "The risk unit with the largest MMR" },
    money("Its MMR", "unit_mmr"),
    { label: "Binds", value: cell("binding"), show: upper, about: "The term that decides the worst unit's margin" },
    ...(searched ? [distance("To liquidation, fall", "down"), distance("rise", "up")] : []),
  ];
  const total = data.accounts.at_risk;
  const file = data.identity.outputs.map((output) => output.path).find((path) => path.startsWith("at_risk.")) || "at_risk";
  const all = data.scenarios || data.scenarios_total === 1 ? ` of ${count(total)}` : "";
  const about = (total > rows.length ? `the worst ${count(rows.length)}${all}; all of them in ${file}` : `in liquidation, near it, or below IMR; also in ${file}`)
    + (searched ? "" : ". Liquidation distances: run with --distance at-risk");
  table(mount, columns, rows, {
    title: "Worst first", about, placeholder: "Search account, unit, status",
    search: (row) => [row.cells[AT.id], row.cells[AT.unit], statusName(row.cells[AT.status]), upper(row.cells[AT.binding])].join(" "),
    filter: { label: "Any status", of: (row) => row.cells[AT.status], names: STATUSES.filter((status) => rows.some((row) => row.cells[AT.status] === status)).map((status) => [status, statusName(status)]) },
    drill: table_at_risk.units ? (row) => unitsOf(row, data) : null, name: (row) => row.cells[AT.id],
    empty: "No account is in liquidation, near it, or below its IMR.",
  });
}

const UNIT_HEADS = ["Risk unit", "Binds", "MR1 volatility", "MMR", "IMR", "MR1", "MR1 move", "MR2", "MR3", "MR4", "MR5", "MR6", "MR6 move", "MR7", "MR9", "Cash delta", "Gamma", "Vega", "Theta", "Spot in use", "UPL"];
const UNIT_ORDER = [0, 1, 3, 4, 5, 6, 2, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16, 17, 18, 19, 20];

function unitsOf(row, data) {
  const [units, more] = row.units;
  const file = data.identity.outputs.map((output) => output.path).find((path) => path.startsWith("risk_units.")) || "risk_units";
  if (units.length === 0) return h("p", {}, more ? `Its ${count(more)} risk units are in ${file}.` : "It has no risk unit.");
  const show = (value, place) => (place === 0 ? value : place === 1 ? upper(value) : place === 2 ? value : place === 6 || place === 12 ? move(value) : place === 19 ? plain(value) : usd(value));
  const head = h("tr", {}, UNIT_ORDER.map((place) => h("th", { scope: "col", class: place > 2 ? "num" : null }, UNIT_HEADS[place])));
  const lines = units.map((unit) => h("tr", {}, UNIT_ORDER.map((place) => h("td", { class: place > 2 ? "num" + (unit[place] < 0 ? " neg" : "") : null }, show(unit[place], place)))));
  return h("div", { class: "units" }, h("table", { "aria-label": "Risk units of " + row.cells[AT.id] }, h("thead", {}, head), h("tbody", {}, lines)),
    more ? h("p", { class: "about" }, `and ${count(more)} more in ${file}`) : null);
}

function unitTable(data) {
  const money = (label, value, about) => ({ label, value, show: usd, num: true, about });
  const binds = (term) => ({ label: upper(term) + " binds", num: true, value: (unit) => unit.binding[term], show: count, about: `Accounts in which ${upper(term)} (${TERM_ABOUT[term]}) decides the unit's margin` });
  const more = data.risk_units_total - data.risk_units.length;
  table(byId("table-units"), [
    { label: "Risk unit", value: (unit) => unit.risk_unit },
    { label: "Accounts", num: true, value: (unit) => unit.accounts, show: count },
    money("MMR", (unit) => unit.mmr),
    { label: "Share", num: true, value: (unit) => unit.mmr_share, show: (x) => percent(x) },
    ...["mr1", "mr2", "mr6", "mr7"].map(binds),
    money("MMR without hedging", (unit) => unit.mmr_no_hedge),
    money("Hedging saves", (unit) => unit.mmr_no_hedge - unit.mmr),
    ...TERMS.map((term) => money("from " + upper(term), (unit) => unit.charges[term], TERM_ABOUT[term])),
  ], data.risk_units, {
    title: "Risk units", about: more > 0 ? `the largest ${count(data.risk_units.length)}; ${count(more)} more in summary.json` : "largest MMR first; sums over all accounts, USD",
    search: (unit) => unit.risk_unit, placeholder: "Search unit",
  });
}

function largestTable(data) {
  table(byId("table-largest"), [
    { label: "Account", value: (row) => row.account_id, kind: "id" },
    { label: "MMR", num: true, value: (row) => row.mmr, show: usd },
    { label: "Share", num: true, value: (row) => row.mmr_share, show: (x) => percent(x, 2) },
    { label: "Adj. equity", num: true, value: (row) => row.adj_eq, show: usd },
    { label: "Ratio", num: true, value: (row) => row.margin_ratio, show: ratio },
    { label: "Status", value: (row) => row.status, show: statusCell },
  ], data.distribution.largest, { title: "Largest accounts", about: "by MMR, USD", empty: "There is no margin." });
}

function scenarioTable(data) {
  const { rows, total } = data.scenarios;
  const figure = (name) => (row) => row.figures[FIGURE[name]];
  const number = (label, name, show, about) => ({ label, num: true, value: figure(name), show, about });
  table(byId("table-scenarios"), [
    { label: "Scenario", value: (row) => row.scenario, kind: "id", show: shortName },
    number("In liquidation", "liquidation", count), number("Newly", "newly_liquidation", count, "In liquidation, and not so in the base case"),
    number("Near", "near_liquidation", count), number("Below IMR", "im_deficit", count),
    number("Shortfall", "shortfall", usd, "USD that accounts owe beyond all they have"), number("Accounts short", "shortfall_accounts", count),
    number("Ten largest", "largest_ten_share", (x) => percent(x), "Share of the shortfall of the ten accounts with the largest"),
    number("Equity", "total_eq", usd), number("MMR", "mmr", usd), number("IMR", "imr", usd), number("Hedging saves", "hedge_saving_mmr", usd),
  ], rows, {
    title: "Worst scenarios", about: rows.length < total ? `the base case and the worst ${count(rows.length - 1)} of ${count(total - 1)}; all of them in the table scenarios` : "USD; the base case, then most accounts in liquidation first",
    search: (row) => row.scenario, placeholder: "Search scenario",
  });
}

function quality(data) {
  const number = (label, field) => ({ label, num: true, value: (row) => row[field], show: count });
  table(byId("table-inputs"), [
    { label: "Table", value: (row) => row.table }, number("Rows in", "rows_in"), number("Used", "rows_used"), number("Broken", "rows_broken"), number("Left out", "rows_left_out"),
    { label: "Reconciled", value: (row) => row.rows_in === row.rows_used + row.rows_rejected, show: (good) => h("span", { class: good ? "good" : "bad" }, good ? "\u2713" : "\u2717") },
  ], data.tables, { title: "Input tables", about: "rows in = used + broken + left out with their account" });
  const reasons = Object.entries(data.rejects.by_reason).map(([reason, rows]) => ({ reason, rows })).sort((a, b) => b.rows - a.rows);
  table(byId("table-rejects"), [{ label: "Reason", value: (row) => row.reason }, number("Rows", "rows")], reasons, {
    title: "Rows set aside", about: `${count(data.rejects.rows)} rows; ${count(data.unused_price_gaps)} missing prices that nobody needs`, empty: "No row was set aside.",
  });
  if (data.accounts.unmargined > 0) {
    const all = data.accounts.unmargined;
    const blame = (field) => (row) => (row.blame ? row.blame[field] : null);
    table(byId("table-unmargined"), [{ label: "Account", value: (row) => row.account_id, kind: "id" }, { label: "Reason", value: (row) => row.reason },
      { label: "Table", value: blame("table"), about: "Of the first row that is broken for this reason" }, { label: "Row", num: true, value: blame("row"), show: count },
      { label: "Column", value: blame("column") }, { label: "Value", value: blame("value"), kind: "id", about: "What stands there; empty if it is missing" }, number("Broken rows", "broken_rows")],
      data.unmargined, { title: "Accounts left out", about: data.unmargined.length < all ? `the first ${count(data.unmargined.length)} of ${count(all)}; all of them in summary.json` : "not margined, since a row of theirs is broken", search: (row) => [row.account_id, row.reason, blame("value")(row)].join(" "), placeholder: "Search account, reason, value" });
  }
  const run = data.identity;
  if (run.changed_total > 0) {
    table(byId("table-changed"), ["Parameter", "Value", "From"].map((label, place) => ({ label, value: (row) => row[place], kind: "path" })), run.changed,
      { title: "Changed parameters", about: "those that are not the built-in set's" + (run.changed.length < run.changed_total ? `; the first ${count(run.changed.length)}` : ""), search: (row) => row.join(" ") });
  }
  const files = [...run.inputs.map((file) => ({ ...file, way: "input" })), ...run.outputs.map((file) => ({ ...file, way: "output" }))];
  table(byId("table-files"), [
    { label: "Use", value: (row) => row.way }, { label: "File", value: (row) => row.path, kind: "path" },
    { label: "Rows", num: true, value: (row) => row.rows, show: count }, { label: "Bytes", num: true, value: (row) => row.bytes, show: count },
    { label: "BLAKE3", value: (row) => row.blake3, show: (text) => h("code", { title: text }, text) },
  ], files, { title: "Files", about: run.inputs.length < run.inputs_total ? `the first ${count(run.inputs.length)} of ${count(run.inputs_total)} inputs; all of them in manifest.json` : "read and written, with their hashes" });
}

/** Which figures of the rules are assumed, and how much MMR rests on each. */
function assumptions(data) {
  const { trust, identity: { assumed } } = data;
  const resting = new Map(trust.assumed.map((one) => [one.key, one.mmr]));
  const rows = assumed.map(([key, value, note]) => ({ key, value, note, mmr: resting.has(key) ? resting.get(key) : null }));
  rows.sort((a, b) => (b.mmr === null ? -1 : b.mmr) - (a.mmr === null ? -1 : a.mmr));
  const share = trust.mmr_on_assumed_share;
  const all = trust.figures.published + trust.figures.measured + trust.figures.assumed + trust.figures.own;
  const rests = share === null ? "" : `; ${percent(share)} of MMR (${short(trust.mmr_on_assumed)} USD) rests on at least one of them`;
  table(byId("table-assumed"), [
    { label: "Parameter", value: (row) => row.key, kind: "path" },
    { label: "Value", value: (row) => row.value, kind: "long" },
    { label: "MMR on it", num: true, value: (row) => row.mmr, show: usd, about: "USD of the components that the figure is behind; a component may rest on several figures" },
    { label: "Share", num: true, value: (row) => (row.mmr === null || !data.totals.mmr ? null : row.mmr / data.totals.mmr), show: (x) => percent(x) },
    { label: "Why", value: (row) => row.note, kind: "long" },
  ], rows, {
    title: "Assumed figures of the rules",
    about: `${count(trust.figures.assumed)} of ${count(all)} figures are marked [A]: the exchange does not publish them, in parts at least${rests}; none where a figure is behind no component`,
    search: (row) => row.key + " " + row.note, placeholder: "Search parameter",
    empty: "No figure of the rules is assumed.",
  });
}

function words() {
  byId("words").replaceChildren(...GLOSSARY.map(([term, meaning]) => h("div", {}, h("dt", {}, term), h("dd", {}, meaning))));
}

function start() {
  const data = JSON.parse(byId("data").textContent);
  const units = data.risk_units;
  identity(data);
  headline(data);
  ratioChart(byId("chart-ratios"), data.distribution.margin_ratios, data.identity.thresholds);
  statusChart(byId("chart-status"), data.accounts);
  concentrationChart(byId("chart-concentration"), data.distribution.concentration, data.accounts.margined);
  if (data.limits) {
    byId("limits").hidden = false;
    limitSection(data);
  }
  if (data.previous) {
    byId("before").hidden = false;
    beforeSection(data);
  }
  if (data.trend.length > 0) {
    byId("trend").hidden = false;
    trendSection(data);
  }
  if (data.scenarios) {
    byId("scenarios").hidden = false;
    scenarioChart(byId("chart-scenarios"), data.scenarios.rows, data.scenarios.total);
    migrationChart(byId("chart-migration"), data.scenarios.rows);
    scenarioTable(data);
  }
  if (data.losses) {
    byId("losses").hidden = false;
    lossSection(data);
  }
  atRiskTable(data);
  if (data.groups) {
    byId("groups").hidden = false;
    groupSection(data);
  }
  if (data.netting) {
    byId("netting").hidden = false;
    nettingSection(data);
  }
  unitChart(byId("chart-units"), units);
  bindingChart(byId("chart-binding"), units);
  hedgingChart(byId("chart-hedging"), units, data.totals);
  largestTable(data);
  unitTable(data);
  quality(data);
  assumptions(data);
  words();
  byId("footer").textContent = `remargin ${data.identity.remargin}. Figures are rounded for people; the tables hold every bit. Charts: Observable Plot 0.6.17 and D3 7.9.0, \u00a9 Observable, Inc. and Mike Bostock, ISC licence.`;
  document.documentElement.dataset.ready = "true";
}

start();
