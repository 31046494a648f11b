// The change against an earlier run, and the last runs.

const CAUSE_NAMES = { positions: "Positions", prices: "Prices", vols: "Volatilities", time: "Time", parameters: "Parameters" };
const causeName = (cause) => (cause === null ? NONE : CAUSE_NAMES[cause] || cause);
const TOTAL_NAMES = { mmr: "MMR", imr: "IMR", adj_eq: "Adjusted equity", total_eq: "Total equity", deriv_mmr: "MMR of derivatives", borrow_mmr: "MMR of borrowing" };
const COUNT_NAMES = { im_deficit: "Below IMR", ineligible: "Not eligible" };
const momentOf = (text) => text.replace("T", " ").replace(/(:\d\d)(:00)?Z$/, "$1 UTC");
const gain = (x) => (x > 0 ? "+" : "") + usd(x);
const gained = (x) => (x > 0 ? "+" : "") + count(x);

function beforeSection(data) {
  const before = data.previous;
  const { kept, new: opened, closed, unmargined } = before.accounts;
  const named = before.label ? `, ${before.label}` : "";
  const accounts = `${count(kept)} accounts in both, ${count(opened)} new, ${count(closed)} closed, ${count(unmargined)} not compared since a run left them out.`;
  byId("before-notes").replaceChildren(
    caption(`Earlier run: ${momentOf(before.as_of)}${named}`, accounts),
    before.notes.length ? h("ul", { class: "said" }, before.notes.map((note) => h("li", {}, note))) : h("p", { class: "about" }, "Both runs are of the same rules and version."));
  causeChart(byId("chart-causes"), before);
  migrationTable(before);
  changeTable(before);
  newlyTable(before);
  moverTable(before);
  if (before.parameters.length) {
    const more = before.parameters_total > before.parameters.length ? `the first ${count(before.parameters.length)} of ${count(before.parameters_total)}` : "of the rules of the two runs";
    table(byId("table-parameters"), ["Parameter", "Before", "Now"].map((label, place) => ({ label, value: (row) => row[place], kind: "path" })), before.parameters, { title: "Parameters that differ", about: more });
  }
}

/** What each cause adds to MMR, from before to now. */
function causeChart(figure, before) {
  const total = before.totals.find(([name]) => name === "mmr");
  const about = "USD; what each cause contributed, in this order";
  if (!before.causes || !total) {
    chart(figure, "Change of MMR by cause", about, null, () => nothing("The causes could not be told apart."));
    return;
  }
  const rows = [...before.causes.map(([cause, mmr]) => ({ name: causeName(cause), change: mmr })), { name: "All", change: total[3] }];
  const color = (row) => (row.change > 0 ? "var(--liquidation)" : "var(--calm)");
  chart(figure, "Change of MMR by cause", about, legend([["rise", "var(--liquidation)"], ["fall", "var(--calm)"]]), (width) => plotted({
    width, height: 222, marginTop: 6, marginBottom: 30, ...beside(width, 96, 70),
    ariaLabel: "Change of MMR by cause",
    x: { tickFormat: tick, label: "USD \u2192", grid: true, ticks: 5, insetLeft: 44, insetRight: 44 },
    y: { domain: rows.map((row) => row.name), label: null, tickSize: 0 },
    marks: [
      Plot.barX(rows, { x: "change", y: "name", fill: color, insetTop: 1, insetBottom: 1 }),
      Plot.ruleX([0]),
      ...[[rows.filter((row) => row.change >= 0), "start", 5], [rows.filter((row) => row.change < 0), "end", -5]].map(([part, textAnchor, dx]) =>
        Plot.text(part, { x: "change", y: "name", text: (row) => (row.change > 0 ? "+" : "") + short(row.change), textAnchor, dx })),
    ],
  }));
}

function migrationTable(before) {
  const places = [...STATUSES, null];
  const found = (from, to) => before.migration.filter(([then, now]) => then === from && now === to).reduce((sum, [, , accounts]) => sum + accounts, 0);
  const rows = places.filter((from) => places.some((to) => found(from, to) > 0));
  const columns = places.filter((to) => rows.some((from) => found(from, to) > 0));
  table(byId("table-migration"), [
    { label: "Before", value: (from) => (from === null ? "not there" : from), show: (text, from) => (from === null ? "not there" : statusCell(from)) },
    ...columns.map((to) => ({ label: to === null ? "not there" : statusName(to), num: true, value: (from) => found(from, to), show: (x) => (x ? count(x) : NONE) })),
  ], rows, { title: "Status before and now", about: "accounts; rows are the status before, columns the status now" });
}

function changeTable(before) {
  const rows = [
    ...before.totals.map(([figure, then, now, change]) => ({ name: TOTAL_NAMES[figure] || figure, then: usd(then), now: usd(now), change: gain(change), share: then ? change / Math.abs(then) : null })),
    ...before.counts.map((one) => ({ name: COUNT_NAMES[one.accounts] || statusName(one.accounts), then: count(one.before), now: count(one.now), change: gained(one.now - one.before), share: null })),
  ];
  const text = (label, name) => ({ label, num: true, value: (row) => row[name] });
  table(byId("table-change"), [{ label: "Figure", value: (row) => row.name }, text("Before", "then"), text("Now", "now"), text("Change", "change"),
    { label: "Relative", num: true, value: (row) => row.share, show: (x) => (x === null ? NONE : move(x)), about: "Change over the figure before" }],
  rows, { title: "Totals and accounts", about: "of all accounts of each run, new and closed ones too, but for those that one of them left out; money in USD" });
}

function newlyTable(before) {
  const total = before.newly_total;
  table(byId("table-newly"), [
    { label: "Account", value: (row) => row[0], kind: "id" },
    { label: "Now", value: (row) => row[1], show: (breach) => (breach === "liquidation" ? statusCell(breach) : "Below IMR") },
    { label: "Ratio before", num: true, value: (row) => row[2], show: ratio },
    { label: "Ratio now", num: true, value: (row) => row[3], show: ratio },
    { label: "Change of MMR", num: true, value: (row) => row[4], show: gain },
    { label: "Main cause", value: (row) => row[5], show: causeName, about: "The cause that took most of what was left above the limit" },
  ], before.newly, {
    title: "Newly breached", about: total > before.newly.length ? `the first ${count(before.newly.length)} of ${count(total)}` : "newly in liquidation, or newly below IMR",
    search: (row) => row[0], placeholder: "Search account", empty: "No account is newly in liquidation or newly below its IMR.",
  });
}

function moverTable(before) {
  table(byId("table-movers"), [
    { label: "Account", value: (row) => row[0], kind: "id" },
    { label: "MMR before", num: true, value: (row) => row[1], show: usd },
    { label: "MMR now", num: true, value: (row) => row[2], show: usd },
    { label: "Change", num: true, value: (row) => row[3], show: gain },
    { label: "Main cause", value: (row) => row[4], show: causeName },
  ], before.movers, { title: "Largest movers", about: "the ten largest rises of MMR, then the ten largest falls; USD", search: (row) => row[0], placeholder: "Search account", empty: "No account's MMR has changed." });
}

const POINT = Object.fromEntries(["as_of", "label", "mmr", "adj_eq", "shortfall", "accounts", "at_risk", "liquidation", "rules", "left_out"].map((name, place) => [name, place]));

function trendSection(data) {
  const runs = data.trend.map((row) => ({ ...Object.fromEntries(Object.entries(POINT).map(([name, place]) => [name, row[place]])), at: new Date(row[POINT.as_of]) }));
  const lines = (figure, title, about, shown, entries) => {
    const points = entries.flatMap(([name, field, color]) => runs.map((run) => ({ at: run.at, value: run[field], name, color, run })));
    const colors = entries.map(([name, , color]) => [name, color]);
    chart(byId(figure), title, about, legend(colors), (width) => plotted({
      width, height: 250, marginLeft: 62, marginTop: 14, marginBottom: 34, marginRight: 20,
      ariaLabel: title,
      x: { type: "utc", label: null, ticks: width < NARROW ? 4 : 7 },
      y: { label: null, grid: true, zero: true, tickFormat: tick, nice: true, ticks: shown === count ? wholeTicks(d3.max(points, (point) => point.value) || 1) : 5 },
      marks: [
        Plot.ruleY([0]),
        Plot.lineY(points, { x: "at", y: "value", z: "name", stroke: (point) => point.color, strokeWidth: 1.6 }),
        Plot.dot(points, { x: "at", y: "value", stroke: (point) => point.color, fill: (point) => (point.run.left_out ? "var(--paper)" : point.color), r: (point) => (point.run.left_out ? 4.5 : 2),
          title: (point) => `${momentOf(point.run.as_of)}${point.run.label ? "\n" + point.run.label : ""}\n${point.name}: ${shown(point.value)}\nrules: ${point.run.rules}${point.run.left_out ? `\naccounts left out: ${count(point.run.left_out)}` : ""}`, tip: "xy" }),
      ],
    }));
  };
  const partial = runs.filter((run) => run.left_out).length;
  const span = `${count(runs.length)} runs, by valuation time; this one is the last` + (partial ? `; ${count(partial)} left accounts out, as rings` : "");
  lines("chart-trend-margin", "MMR and equity", `USD; ${span}`, short, [["Adjusted equity", "adj_eq", "var(--calm)"], ["MMR", "mmr", "var(--near_liquidation)"]]);
  lines("chart-trend-risk", "Accounts at risk", span, count, [["At risk", "at_risk", "var(--near_liquidation)"], ["In liquidation", "liquidation", "var(--liquidation)"]]);
}
