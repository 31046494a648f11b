// How losses are distributed over the scenarios of a stress.

const LOSS_NAMES = { mmr: "MMR", equity_loss: "Equity loss", shortfall: "Shortfall" };
const LOSS_ABOUT = {
  mmr: "maintenance margin of all accounts",
  equity_loss: "total equity in the base case less that in the scenario",
  shortfall: "what accounts owe beyond all they have: a guarantee fund would bear it",
};
/** Places of the statistics of a figure. */
const STATISTIC = Object.fromEntries(["mean", "sd", "least", "q50", "q90", "q95", "q99", "q99_9", "largest", "es95", "es97_5", "es99", "es99_9"].map((name, place) => [name, place]));

function lossSection(data) {
  const { losses } = data;
  const draws = [];
  let chosen = losses.figures.find((one) => one.figure === "equity_loss");
  const names = losses.figures.map((one) => LOSS_NAMES[one.figure]);
  const choose = (name) => {
    chosen = losses.figures[names.indexOf(name)];
    draws.forEach((draw) => draw(chosen));
  };
  draws.push(lossChart(byId("chart-losses"), losses, chosen, choice(names, LOSS_NAMES[chosen.figure], choose)));
  lossTable(losses);
  fundText(losses);
  draws.push((figure) => tailTable(data, figure));
  tailTable(data, chosen);
  probabilityChart(byId("chart-probability"), losses.accounts);
  probabilityTable(data);
}

/** A histogram, the tail beyond the 99 % quantile in another colour. */
function lossChart(figure, losses, initial, tools) {
  let chosen = initial;
  // Shares that hardly differ need no logarithm.
  const range = d3.extent(initial.bars, ([, share]) => share);
  let scale = range[1] > 10 * range[0] ? "log" : "linear";
  const scales = choice(["log", "linear"], scale, (name) => { scale = name; draw(); });
  tools.append(...scales.children);
  const about = h("span", {});
  const say = () => { about.textContent = `${LOSS_ABOUT[chosen.figure]}; share of ${count(losses.scenarios)} scenarios, by weight`; };
  const colors = [["up to the 99 % quantile", "var(--calm)"], ["beyond it", "var(--liquidation)"]];
  const draw = chart(figure, "Losses by scenario", about, legend(colors), (width) => {
    say();
    const { statistics, bars, width: step } = chosen;
    const at = (name) => statistics[STATISTIC[name]];
    const log = scale === "log";
    const decimals = (x) => Math.max(0, Math.ceil(-Math.log10(x * 100) - 1e-9));
    const shares = bars.map(([, share]) => share);
    const least = log ? 10 ** Math.floor(Math.log10(d3.min(shares)) - 0.05) : 0;
    const most = d3.max(shares) * (log ? 1.3 : 1.05);
    const rects = bars.map(([bar, share]) => ({ from: at("q99") + bar * step, to: at("q99") + (bar + 1) * step, share, tail: bar >= 0 }));
    const lines = [["mean", at("mean")], ["99 %", at("q99")], ["mean of the worst 1 %", at("es99")]].map(([name, x]) => ({ x, text: `${name}: ${short(x)}` }));
    // Where lines are close together or at the right, their words stand to the left.
    const [low, high] = [d3.min(rects, (bar) => bar.from), d3.max(rects, (bar) => bar.to)];
    const left = (line) => (line.x - low) / (high - low) > 0.5;
    return plotted({
      width, height: 306, marginLeft: 62, marginTop: 68, marginBottom: 40,
      ariaLabel: `Histogram of ${LOSS_NAMES[chosen.figure]} over the scenarios`,
      x: { domain: [low, high], tickFormat: tick, label: `${LOSS_NAMES[chosen.figure]}, USD \u2192` },
      y: { type: log ? "log" : "linear", domain: [least, most], tickFormat: (x) => percent(x, x > 0 ? decimals(x) : 0), label: log ? "share (log)" : "share", grid: true,
        ticks: log ? logTicks(least, most) : 5 },
      color: { type: "ordinal", domain: [false, true], range: colors.map(([, color]) => color) },
      marks: [
        Plot.rect(rects, { x1: "from", x2: "to", y1: least, y2: "share", fill: "tail", insetLeft: 0.5, insetRight: 0.5,
          title: (bar) => `${short(bar.from)} to ${short(bar.to)} USD\n${percent(bar.share, 2)} of the scenarios`, tip: "x" }),
        Plot.ruleX(lines, { x: "x", stroke: "currentColor", strokeDasharray: "3,3", strokeOpacity: 0.6 }),
        ...lines.map((line, place) => Plot.text([line], { x: "x", text: "text", frameAnchor: "top", textAnchor: left(line) ? "end" : "start", lineAnchor: "bottom", dx: left(line) ? -3 : 3, dy: -4 - 15 * place, fill: "currentColor" })),
      ],
    });
  }, tools);
  return (next) => { chosen = next; draw(); };
}

function lossTable(losses) {
  const number = (label, name, about) => ({ label, num: true, value: (row) => row.statistics[STATISTIC[name]], show: usd, about });
  table(byId("table-losses"), [
    { label: "Figure", value: (row) => LOSS_NAMES[row.figure] },
    { label: "Base case", num: true, value: (row) => row.base, show: usd, about: "The market as it is, which is no part of the distribution" },
    number("Mean", "mean"), number("Std. dev.", "sd", "Standard deviation"),
    number("50 %", "q50", "Median"), number("90 %", "q90", "Quantile"), number("95 %", "q95", "Quantile"), number("99 %", "q99", "Quantile"), number("99.9 %", "q99_9", "Quantile"),
    number("Worst", "largest", "The largest value"),
    number("ES 95 %", "es95", "Expected shortfall: the mean of the worst 5 %"), number("ES 97.5 %", "es97_5", "Expected shortfall: the mean of the worst 2.5 %"),
    number("ES 99 %", "es99", "Expected shortfall: the mean of the worst 1 %"), number("ES 99.9 %", "es99_9", "Expected shortfall: the mean of the worst 0.1 %"),
  ], losses.figures, { title: "Quantiles and expected shortfall", about: "USD; of the book, over the scenarios by weight" });
}

/** What a guarantee fund must be, in words. */
function fundText(losses) {
  const owed = losses.figures.find((one) => one.figure === "shortfall").statistics;
  const needs = [["95", "q95"], ["99", "q99"], ["99.9", "q99_9"]].map(([level, name]) =>
    h("li", {}, `In ${level}\u202f% of the scenarios a fund of `, h("strong", {}, `${usd(owed[STATISTIC[name]])} USD`), " bears the shortfall."));
  const { fund } = losses;
  const answer = fund ? h("p", {}, "A fund of ", h("strong", {}, `${usd(fund.usd)} USD`), " suffices in ", h("strong", {}, almost(fund.sufficient)), " of the scenarios.") : null;
  const without = losses.without_weight ? h("p", { class: "about" }, `${count(losses.without_weight)} scenarios were given no weight and count as 1.`) : null;
  byId("fund").replaceChildren(caption("Guarantee fund", "what accounts owe beyond all they have, all of it"),
    ...[answer, h("ul", { class: "said" }, needs), without].filter((node) => node !== null));
}

/** A share that is told from all and from nothing. */
function almost(share) {
  const decimals = [1, 2, 3, 4].find((digits) => share === 1 || Number((share * 100).toFixed(digits)) < 100) || 5;
  return percent(share, decimals);
}

function tailTable(data, figure) {
  const file = data.identity.outputs.map((output) => output.path).find((path) => path.startsWith("tail.")) || "tail";
  const more = figure.tail_total - figure.tail.length;
  const quantile = figure.statistics[STATISTIC.q99];
  table(byId("table-tail"), [
    { label: "Scenario", value: (row) => row[0], kind: "id", show: shortName },
    { label: LOSS_NAMES[figure.figure], num: true, value: (row) => row[1], show: usd },
    { label: "Weight", num: true, value: (row) => row[2], show: (x) => percent(x, 2), about: "Share of the weight of all scenarios" },
    { label: "Worst so far", num: true, value: (row) => row[3], show: (x) => percent(x, 2), about: "Weight of this scenario and of the worse ones" },
    { label: "Beyond 99 %", value: (row) => (row[1] > quantile ? "yes" : ""), about: "Larger than the 99 % quantile" },
  ], figure.tail, {
    title: `Scenarios in the tail: ${LOSS_NAMES[figure.figure]}`,
    about: `USD; the worst 5\u202f%${more > 0 ? `, the first ${count(figure.tail.length)} of ${count(figure.tail_total)}; all of them in ${file}` : ""}`,
    empty: "No scenario has a weight.",
  });
}

/** Accounts by how likely they are to be liquidated. */
function probabilityChart(figure, accounts) {
  const names = accounts.bands.map(([most], place) => (place === 0 ? `up to ${percent(most, 1)}` : `${percent(accounts.bands[place - 1][0], place === 1 ? 1 : 0)} to ${percent(most, 0)}`));
  const rows = accounts.bands.map(([, found], place) => ({ band: names[place], accounts: found })).reverse();
  const all = accounts.never + d3.sum(rows, (row) => row.accounts);
  chart(figure, "Accounts by probability of liquidation", `share of the scenarios, by weight, in which an account is in liquidation; ${count(accounts.never)} of ${count(all)} accounts never are`, null, (width) => plotted({
    width, height: 200, marginTop: 6, marginBottom: 6, ...beside(width, 110, 110),
    ariaLabel: "Accounts by probability of liquidation",
    x: { axis: null }, y: { domain: rows.map((row) => row.band), label: null, tickSize: 0 },
    marks: [
      Plot.barX(rows, { x: "accounts", y: "band", fill: "var(--liquidation)", insetTop: 1, insetBottom: 1 }),
      Plot.text(rows, { x: "accounts", y: "band", text: (row) => `${count(row.accounts)}  (${percent(all ? row.accounts / all : null, 2)})`, textAnchor: "start", dx: 5 }),
    ],
  }));
}

function probabilityTable(data) {
  const { accounts } = data.losses;
  const total = d3.sum(accounts.bands, ([, found]) => found);
  table(byId("table-probability"), [
    { label: "Account", value: (row) => row[0], kind: "id" },
    { label: "Probability", num: true, value: (row) => row[1], show: (x) => percent(x, 2), about: "Share of the scenarios, by weight, in which the account is in liquidation" },
    { label: "Now", value: (row) => row[2], show: statusCell, about: "Status in the base case", order: (row) => STATUSES.indexOf(row[2]) },
    { label: "Ratio now", num: true, value: (row) => row[3], show: ratio, about: "Margin ratio in the base case" },
    { label: "Worst scenario", value: (row) => row[4], kind: "id", show: shortName },
    { label: "Shortfall there", num: true, value: (row) => row[5], show: usd, about: "USD that the account owes beyond all it has" },
  ], accounts.rows, {
    title: "Most likely to be liquidated", search: (row) => row[0] + " " + row[4], placeholder: "Search account, scenario",
    about: total > accounts.rows.length ? `the first ${count(accounts.rows.length)} of ${count(total)}; all of them in the table worst` : "accounts that are in liquidation in some scenario",
    empty: "No account is in liquidation in any scenario.",
  });
}
