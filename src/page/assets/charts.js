// Charts, drawn by Observable Plot as SVG in the colours of the style sheet.

/** Pixels inside a figure on A4 landscape: over the whole width, and beside another. As in the style sheet. */
const ON_PAPER = { wide: 1000, half: 484 };
/** Below this many pixels charts have less room for words. */
const NARROW = 560;
/** A column takes the full names of statuses from so many pixels on, and shares with their unit. */
const FULL_NAMES = 104;
const FULL_SHARES = 54;
/** The names of statuses over columns of this width. */
const nameOver = (column) => (column < FULL_NAMES ? (status) => SHORT_NAMES[status] : statusName);

/**
 * Draws `figure` now, whenever its width changes, and for paper. `plot(width, onPaper)` gives an element or several, or
 * a list of rows of elements: on paper a page may end between two rows.
 */
function chart(figure, title, about, legend, plot, tools) {
  const place = h("div");
  figure.replaceChildren(caption(title, about, tools, "figcaption"), ...(legend ? [legend] : []), place);
  let drawn = 0;
  const show = (width, onPaper) => {
    drawn = width;
    const found = [plot(width, onPaper)].flat();
    const rows = Array.isArray(found[0]) ? found : [found];
    place.replaceChildren(...rows.map((row) => h("div", { class: "plots" }, row)));
  };
  const draw = () => show(Math.max(320, Math.floor(place.clientWidth)), false);
  let waiting = null;
  let printing = false;
  new ResizeObserver(() => {
    if (printing || Math.abs(place.clientWidth - drawn) < 8) return;
    clearTimeout(waiting);
    waiting = setTimeout(draw, 120);
  }).observe(place);
  addEventListener("beforeprint", () => {
    printing = true;
    clearTimeout(waiting);
    show(figure.classList.contains("wide") ? ON_PAPER.wide : ON_PAPER.half, true);
  });
  addEventListener("afterprint", () => {
    printing = false;
    draw();
  });
  draw();
  return draw;
}

/** Ticks of a logarithmic axis: powers of ten; where these are fewer than three, also 2 and 5 times them. */
function logTicks(low, high) {
  const powers = d3.range(Math.floor(Math.log10(low)), Math.floor(Math.log10(high)) + 1).map((power) => Number(`1e${power}`));
  const inside = (ticks) => ticks.filter((x) => x >= low * (1 - 1e-9) && x <= high * (1 + 1e-9));
  return inside(powers).length >= 3 ? inside(powers) : inside(powers.flatMap((power) => [1, 2, 5].map((step) => step * power)));
}

/** Labels that do not touch: of `ticks` at `places` (pixels) those that are `apart` from the one before, the first in `first` always. */
function apart(ticks, place, distance, first) {
  const kept = [];
  const fits = (tick) => kept.every((other) => Math.abs(place(other) - place(tick)) >= distance);
  for (const tick of [...ticks.filter(first), ...ticks.filter((tick) => !first(tick))]) if (fits(tick)) kept.push(tick);
  return kept.sort((a, b) => a - b);
}

const nothing = (text) => h("p", { class: "empty" }, text);

function plotted(options) {
  const style = { background: "transparent", color: "inherit", fontSize: "12px" };
  return Plot.plot({ ...options, style });
}

function legend(entries) {
  return h("div", { class: "legend" }, entries.map(([label, color]) => {
    const swatch = h("i");
    swatch.style.background = color;
    return h("span", {}, swatch, label);
  }));
}

const statusScale = { type: "ordinal", domain: STATUSES, range: STATUSES.map(statusColor) };
const termScale = (terms) => ({ type: "ordinal", domain: terms, range: terms.map((term) => TERM_COLORS[term]) });

/** Buttons of which one is pressed. */
function choice(names, initial, chosen) {
  const buttons = names.map((name) => h("button", { type: "button", class: "toggle", "aria-pressed": String(name === initial), click: () => {
    for (const button of buttons) button.setAttribute("aria-pressed", String(button.textContent === name));
    chosen(name);
  } }, name));
  return h("div", { class: "tools" }, buttons);
}

/** Accounts by margin ratio. */
function ratioChart(figure, bins, thresholds) {
  let scale = "log";
  const bars = bins.flatMap((bin, place) => STATUSES.filter((status) => bin[status] > 0).map((status) => ({ place, status, accounts: bin[status], bin })));
  const bounds = bins.map((bin) => bin.above).concat(bins.length ? [bins[bins.length - 1].to] : []);
  const at = (bound) => bounds.findIndex((other) => other !== null && Math.abs(other - bound) < 1e-9);
  const known = bounds.flatMap((bound, place) => (bound === null ? [] : [place]));
  const round = known.filter((place) => bounds[place] === 0 || isRound(bounds[place], thresholds));
  // A bin or two may lie between round numbers.
  const named = round.length > 1 ? round : known;
  const range = ({ above, to }) => (above === null ? `up to ${ratio(to)}` : to === null ? `above ${ratio(above)}` : `${ratio(above)} to ${ratio(to)}`);
  const marks = [["liquidation", thresholds[0]], ["near_liquidation", thresholds[1]], ["warning", thresholds[2]]]
    .filter(([, threshold]) => threshold !== null && at(threshold) >= 0)
    .map(([status, threshold]) => ({ status, place: at(threshold), text: `${statusName(status)} \u2264 ${threshold}` }));
  const most = Math.max(1, ...bars.map((bar) => bar.accounts));
  const draw = chart(figure, "Margin ratios", "accounts by adjusted equity over MMR and liquidation fee; bins of equal width in the logarithm", null, (width) => {
    if (bars.length === 0) return nothing("No account has a margin ratio.");
    const log = scale === "log";
    const isThreshold = (place) => marks.some((mark) => mark.place === place);
    const pixels = (place) => 58 + place / bins.length * (width - 78);
    const labelled = apart(named, pixels, 30, isThreshold);
    // Words stand to the left of their line, unless there is no room for them.
    const toRight = (mark) => pixels(mark.place) < mark.text.length * 7.5;
    return plotted({
      width, height: 332, marginLeft: 58, marginTop: 68, marginBottom: 44,
      ariaLabel: "Histogram of margin ratios",
      x: { domain: [0, bins.length], ticks: labelled, tickFormat: (place) => axisRatio(bounds[place]), label: "margin ratio \u2192" },
      y: log ? { type: "log", domain: [0.7, most * 1.3], label: "accounts (log)", ticks: logTicks(1, most * 1.3), tickFormat: tick, grid: true }
        : { domain: [0, most * 1.05], ticks: wholeTicks(most), label: "accounts", tickFormat: tick, grid: true },
      color: statusScale,
      marks: [
        Plot.rect(bars, { x1: "place", x2: (bar) => bar.place + 1, y1: log ? 0.7 : 0, y2: "accounts", fill: "status", insetLeft: 0.5, insetRight: 0.5,
          title: (bar) => `${statusName(bar.status)}\nratio ${range(bar.bin)}\n${count(bar.accounts)} accounts`, tip: "x" }),
        Plot.ruleX(marks, { x: "place", stroke: "currentColor", strokeDasharray: "3,3", strokeOpacity: 0.6 }),
        ...marks.map((mark, place) => Plot.text([mark], { x: "place", text: "text", frameAnchor: "top", textAnchor: toRight(mark) ? "start" : "end", lineAnchor: "bottom", dx: toRight(mark) ? 3 : -3, dy: -4 - 15 * place, fill: "currentColor" })),
        log ? null : Plot.ruleY([0]),
      ],
    });
  }, choice(["log", "linear"], scale, (name) => { scale = name; draw(); }));
}

/** Ticks of a count: whole numbers. */
const wholeTicks = (most) => d3.ticks(0, most, 5).filter(Number.isInteger);

const isRound = (bound, thresholds) => thresholds.some((threshold) => threshold !== null && Math.abs(threshold - bound) < 1e-9) || Math.abs(Math.log10(bound) - Math.round(Math.log10(bound))) < 1e-9;
const axisRatio = (bound) => (bound === null ? "" : String(Number(bound.toPrecision(3))));

/** Room for words left and right of bars. */
const beside = (width, left, right) => (width < NARROW ? { marginLeft: Math.min(left, 104), marginRight: Math.min(right, 136) } : { marginLeft: left, marginRight: right });

/** Accounts by status. */
function statusChart(figure, accounts) {
  const rows = STATUSES.map((status) => ({ status, accounts: accounts.by_status[status] }));
  chart(figure, "Accounts by status", `${count(accounts.margined)} margined`, null, (width) => plotted({
    width, height: 178, marginTop: 6, marginBottom: 6, ...beside(width, 110, 150),
    ariaLabel: "Accounts by status",
    x: { axis: null }, y: { domain: STATUSES, tickFormat: statusName, label: null, tickSize: 0 }, color: statusScale,
    marks: [
      Plot.barX(rows, { x: "accounts", y: "status", fill: "status", insetTop: 1, insetBottom: 1 }),
      Plot.text(rows, { x: "accounts", y: "status", text: (row) => `${count(row.accounts)}  (${percent(accounts.margined ? row.accounts / accounts.margined : null, 2)})`, textAnchor: "start", dx: 5 }),
    ],
  }));
}

/** The share of the largest accounts. */
function concentrationChart(figure, concentration, margined) {
  const rows = concentration.filter((row, place) => row.mmr_share !== null && (place === 0 || concentration[place - 1].accounts < margined));
  const name = (accounts) => (accounts === 1 ? "the largest" : `largest ${count(accounts)}`);
  chart(figure, "Concentration", "share of all MMR that the accounts with the largest MMR have", null, (width) => rows.length === 0 ? nothing("There is no margin.") : plotted({
    width, height: 178, marginTop: 6, marginBottom: 6, ...beside(width, 110, 150),
    ariaLabel: "Share of MMR of the largest accounts",
    x: { axis: null, domain: [0, 1] }, y: { domain: rows.map((row) => row.accounts), tickFormat: name, label: null, tickSize: 0 },
    marks: [
      Plot.barX(rows, { x: 1, y: "accounts", fill: "currentColor", fillOpacity: 0.06, insetTop: 2, insetBottom: 2 }),
      Plot.barX(rows, { x: "mmr_share", y: "accounts", fill: "var(--calm)", insetTop: 2, insetBottom: 2 }),
      Plot.text(rows, { x: 1, y: "accounts", text: (row) => `${percent(row.mmr_share, 2)}  (${short(row.mmr)}${width < NARROW ? "" : " USD"})`, textAnchor: "start", dx: 5 }),
    ],
  }));
}

/** A cell answers to the pointer anywhere on it. */
const NEAR = { maxRadius: 120 };

/** What a row of bars says to the pointer, wherever in the row that is. */
const wholeRow = (units, x, lines) => Plot.barX(units, { x, y: "risk_unit", fill: "transparent", title: (unit) => [unit.risk_unit, ...lines(unit)].join("\n"), tip: "y" });

/** Risk units shown in charts; the table has more. */
const CHARTED = 15;
const rowHeight = (rows) => rows * 24 + 34;

/** MMR by unit and by what it is made of. */
function unitChart(figure, units) {
  const shown = units.slice(0, CHARTED);
  const terms = TERMS.filter((term) => shown.some((unit) => unit.charges[term] > 0));
  const parts = shown.flatMap((unit) => terms.map((term) => ({ unit: unit.risk_unit, term, usd: unit.charges[term] })));
  chart(figure, "MMR by risk unit", "USD; the parts add up to the unit's MMR", legend(terms.map((term) => [`${upper(term)} ${TERM_ABOUT[term]}`, TERM_COLORS[term]])),
    (width) => shown.length === 0 ? nothing("No account has a risk unit.") : plotted({
      width, height: rowHeight(shown.length), marginTop: 6, marginLeft: 100, marginRight: 64,
      ariaLabel: "MMR by risk unit and component",
      x: { label: null, tickFormat: tick, grid: true, ticks: width < NARROW ? 3 : 5 }, y: { domain: shown.map((unit) => unit.risk_unit), label: null, tickSize: 0, tickFormat: clip }, color: termScale(terms),
      marks: [
        Plot.barX(parts, { x: "usd", y: "unit", fill: "term", order: terms, insetTop: 1, insetBottom: 1 }),
        wholeRow(shown, "mmr", (unit) => [`MMR ${usd(unit.mmr)} USD`, ...terms.filter((term) => unit.charges[term] > 0).map((term) => `${upper(term)} ${usd(unit.charges[term])}, ${percent(unit.mmr ? unit.charges[term] / unit.mmr : null)}`)]),
        Plot.text(shown, { x: "mmr", y: "risk_unit", text: (unit) => short(unit.mmr), textAnchor: "start", dx: 5 }),
      ],
    }));
}

const clip = (text) => clipped(text, 14);

/** Which term decides, as a share of accounts. */
function bindingChart(figure, units) {
  const shown = units.slice(0, CHARTED);
  const all = ["mr1", "mr2", "mr6", "mr7", "none"];
  const terms = all.filter((term) => shown.some((unit) => unit.binding[term] > 0));
  const parts = shown.flatMap((unit) => terms.map((term) => ({ unit: unit.risk_unit, term, share: unit.accounts ? unit.binding[term] / unit.accounts : 0 })));
  chart(figure, "What decides the margin", "share of the accounts in a unit where this term binds", legend(terms.map((term) => [term === "none" ? "no margin" : `${upper(term)} ${TERM_ABOUT[term]}`, TERM_COLORS[term]])),
    (width) => shown.length === 0 ? nothing("No account has a risk unit.") : plotted({
      width, height: rowHeight(shown.length), marginTop: 6, marginLeft: 100, marginRight: 24,
      ariaLabel: "Binding term by risk unit",
      x: { label: null, tickFormat: (x) => percent(x, 0), domain: [0, 1], ticks: 5 }, y: { domain: shown.map((unit) => unit.risk_unit), label: null, tickSize: 0, tickFormat: clip }, color: termScale(terms),
      marks: [
        Plot.barX(parts, { x: "share", y: "unit", fill: "term", order: terms, insetTop: 1, insetBottom: 1 }),
        wholeRow(shown, () => 1, (unit) => terms.filter((term) => unit.binding[term] > 0).map((term) => `${term === "none" ? "no margin" : upper(term)} ${count(unit.binding[term])} accounts, ${percent(unit.binding[term] / unit.accounts)}`)),
      ],
    }));
}

/** MMR with and without spot hedging. */
function hedgingChart(figure, units, totals) {
  const shown = units.slice(0, CHARTED).map((unit) => ({ ...unit, saving: unit.mmr_no_hedge - unit.mmr }));
  const saved = totals.mmr_no_hedge - totals.mmr;
  const about = `USD of MMR; the book would need ${short(totals.mmr_no_hedge)} without, ${short(totals.mmr)} with: ${percent(totals.mmr_no_hedge > 0 ? saved / totals.mmr_no_hedge : null)} less`;
  const label = (unit) => (unit.mmr_no_hedge > 0 ? `${signed((-unit.saving / unit.mmr_no_hedge * 100).toFixed(1))}\u202f%` : "");
  chart(figure, "What spot hedging saves", about, legend([["with hedging", "var(--calm)"], ["saved", "color-mix(in srgb, var(--calm) 30%, transparent)"]]),
    (width) => shown.length === 0 ? nothing("No account has a risk unit.") : plotted({
      width, height: rowHeight(shown.length), marginTop: 6, marginLeft: 100, marginRight: 64,
      ariaLabel: "MMR with and without spot hedging by risk unit",
      x: { label: null, tickFormat: tick, grid: true, ticks: width < NARROW ? 3 : 5 }, y: { domain: shown.map((unit) => unit.risk_unit), label: null, tickSize: 0, tickFormat: clip },
      marks: [
        Plot.barX(shown, { x: "mmr_no_hedge", y: "risk_unit", fill: "var(--calm)", fillOpacity: 0.3, insetTop: 1, insetBottom: 1 }),
        Plot.barX(shown, { x: "mmr", y: "risk_unit", fill: "var(--calm)", insetTop: 4, insetBottom: 4 }),
        wholeRow(shown, "mmr_no_hedge", (unit) => [`without ${usd(unit.mmr_no_hedge)} USD`, `with ${usd(unit.mmr)} USD`, `saves ${usd(unit.saving)} USD`]),
        Plot.text(shown, { x: (unit) => Math.max(unit.mmr, unit.mmr_no_hedge), y: "risk_unit", text: label, textAnchor: "start", dx: 5 }),
      ],
    }));
}

/** Scenarios shown in the heat map; the table has more. On a page of paper so many of them. */
const HEATED = 30;
const HEATED_ON_PAGE = 15;
/** Opacities on which text can still be read, in light and in dark. */
const SHADES = [0.03, 0.5];

/** Scenario x status, and the shortfall. */
function scenarioChart(figure, scenarios, total) {
  const shown = scenarios.slice(0, HEATED);
  const cells = shown.flatMap((row) => STATUSES.map((status, place) => {
    const accounts = row.figures[place];
    const all = STATUSES.reduce((sum, _, other) => sum + row.figures[other], 0);
    return { scenario: row.scenario, status, accounts, share: all ? accounts / all : 0 };
  }));
  // Few accounts are in liquidation even in the worst scenario: each column is shaded from its least to its most, but
  // not where they are next to the same.
  for (const status of STATUSES) {
    const column = cells.filter((cell) => cell.status === status);
    const [least, most] = d3.extent(column, (cell) => cell.share);
    for (const cell of column) cell.shade = (cell.share - least) / Math.max(most - least, 0.02) * 100;
  }
  const owed = shown.map((row) => ({ scenario: row.scenario, shortfall: row.figures[FIGURE.shortfall], accounts: row.figures[FIGURE.shortfall_accounts] }));
  const about = "share of accounts by status, %, and USD that accounts owe beyond all they have; each column shaded from its least to its most; the base case, then the worst first"
    + (shown.length < total ? `; ${count(total - shown.length)} of ${count(total)} scenarios are left out here: all of them are in the table scenarios` : "; all scenarios are shown");
  chart(figure, "Scenarios", about, null, (width, onPaper) => {
    const step = onPaper ? HEATED_ON_PAGE : shown.length;
    const parts = d3.range(0, shown.length, step).map((from) => new Set(shown.slice(from, from + step).map((row) => row.scenario)));
    return parts.map((part) => heatMap(width, shown.filter((row) => part.has(row.scenario)), cells, owed));
  });
}

/** A heat map of some scenarios and, beside it, their shortfalls. */
function heatMap(width, shown, all_cells, all_owed) {
  const names = new Set(shown.map((row) => row.scenario));
  const cells = all_cells.filter((cell) => names.has(cell.scenario));
  const owed = all_owed.filter((row) => names.has(row.scenario));
  const narrow = width < NARROW;
  const longest = Math.max(...shown.map((row) => row.scenario.length), 4);
  const left = Math.min(longest * 7 + 16, Math.floor(width * 0.32));
  const most = Math.max(8, Math.floor((left - 16) / 6.8));
  const right = narrow ? 64 : Math.min(220, Math.floor(width * 0.22));
  const column_width = (width - right - left - 4) / STATUSES.length;
  const tight = column_width < FULL_SHARES;
  const y = { domain: shown.map((row) => row.scenario), label: null, tickSize: 0 };
  const shared = { height: shown.length * 24 + 34, marginTop: 30, marginBottom: 4 };
  const fontSize = tight ? 10 : 12;
  const share = (cell) => (tight ? (cell.share * 100).toFixed(1) : percent(cell.share, cell.share < 0.1 ? 2 : 1));
  const heat = plotted({
    ...shared, width: width - right, marginLeft: left, marginRight: 4,
    ariaLabel: "Heat map of scenarios by status",
    x: { axis: "top", domain: STATUSES, tickFormat: nameOver(column_width), label: null, tickSize: 0 },
    y: { ...y, tickFormat: (text) => clipped(text, most) },
    color: statusScale, opacity: { domain: [0, 100], range: SHADES },
    marks: [
      Plot.cell(cells, { x: "status", y: "scenario", fill: "status", fillOpacity: "shade", inset: 0.5, title: (cell) => `${cell.scenario}\n${statusName(cell.status)}: ${count(cell.accounts)} accounts, ${percent(cell.share, 2)}`, tip: NEAR }),
      Plot.text(cells, { x: "status", y: "scenario", text: share, fontSize, fill: "currentColor", pointerEvents: "none" }),
    ],
  });
  const title = narrow ? "Short" : "Shortfall, USD";
  const most_owed = Math.max(1, ...all_owed.map((row) => row.shortfall));
  const column = plotted({
    ...shared, width: right, marginLeft: 4, marginRight: 4,
    ariaLabel: "Shortfall by scenario",
    x: { axis: "top", domain: [title], label: null, tickSize: 0 }, y: { ...y, axis: null },
    opacity: { type: "sqrt", domain: [0, most_owed], range: SHADES },
    marks: [
      Plot.cell(owed, { x: () => title, y: "scenario", fill: "var(--heat)", fillOpacity: "shortfall", inset: 0.5, title: (row) => `${row.scenario}\n${usd(row.shortfall)} USD\n${count(row.accounts)} accounts`, tip: NEAR }),
      Plot.text(owed, { x: () => title, y: "scenario", text: (row) => short(row.shortfall), fontSize, fill: "currentColor", pointerEvents: "none" }),
    ],
  });
  return [heat, column];
}

/** Status before and after, in one scenario. */
function migrationChart(figure, scenarios) {
  let chosen = scenarios[Math.min(1, scenarios.length - 1)];
  const select = h("select", { "aria-label": "Scenario", change: () => { chosen = scenarios[select.selectedIndex]; draw(); } },
    scenarios.map((row) => h("option", row === chosen ? { selected: true } : {}, clipped(row.scenario, 60))));
  const draw = chart(figure, "Migration", "accounts by status: a row for each in the base case, a column for each in the scenario", null, (width) => {
    const cells = STATUSES.flatMap((from, i) => STATUSES.map((to, j) => ({ from, to, accounts: chosen.migration[i][j] })));
    const most = Math.max(1, ...cells.map((cell) => cell.accounts));
    const left = width < NARROW ? 104 : 118;
    const column = (Math.min(width, 760) - left - 20) / STATUSES.length;
    const tight = column < FULL_SHARES;
    return plotted({
      width: Math.min(width, 760), height: 5 * 34 + 32, marginTop: 28, marginBottom: 4, marginLeft: left,
      ariaLabel: "Migration matrix",
      x: { axis: "top", domain: STATUSES, tickFormat: nameOver(column), label: null, tickSize: 0 }, y: { domain: STATUSES, tickFormat: statusName, label: null, tickSize: 0 },
      color: statusScale, opacity: { type: "sqrt", domain: [0, most], range: SHADES },
      marks: [
        Plot.cell(cells, { x: "to", y: "from", fill: (cell) => (cell.accounts ? cell.to : null), fillOpacity: "accounts", inset: 0.5, title: (cell) => `${statusName(cell.from)} \u2192 ${statusName(cell.to)}\n${count(cell.accounts)} accounts` }),
        Plot.text(cells, { x: "to", y: "from", fontSize: tight ? 10 : 12, text: (cell) => (cell.accounts ? (tight ? tick(cell.accounts) : count(cell.accounts)) : "\u00b7"), fill: "currentColor", fontWeight: (cell) => (cell.from === cell.to ? "bold" : null) }),
      ],
    });
  }, h("div", { class: "tools" }, select));
}

/** Places of the figures of a scenario. */
const FIGURE = Object.fromEntries(["liquidation", "near_liquidation", "warning", "healthy", "no_risk", "im_deficit", "newly_liquidation", "newly_im_deficit",
  "shortfall_accounts", "shortfall", "total_eq", "mmr", "imr", "hedge_saving_mmr", "largest_ten_share"].map((name, place) => [name, place]));
