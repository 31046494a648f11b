// report.html in a real browser, used as a person would.

import assert from "node:assert/strict";
import { readFileSync, statSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { after, before, test } from "node:test";
import { changedSample, launch, open, remargin, scratch } from "./browser.mjs";

const { place, remove } = scratch();
const at = (...names) => join(place, ...names);
let browser;

/** Ids that a browser or a spreadsheet would run, in place of ids of the sample. */
const PAYLOADS = [
  `<img src=x onerror="window.hacked=1">`,
  `</script><script>window.hacked=2</script>`,
  `<!--<script>`,
  `"><svg onload=window.hacked=3>`,
  `&lt;b&gt;not bold&lt;/b&gt;`,
  `=HYPERLINK("http://localhost/","x")`,
  `@SUM(1+1)`,
  `+1+1`,
  `-2+3`,
  `\u2028\u2029line`,
  `javascript:alert(1)`,
  `{{7*7}}\${7*7}`,
];

/** Limits that are breached, met, and compared with nothing. */
const LIMITS = [
  ["margin ratio", "soft", "account.margin_ratio >= 1.5", "text = '<b>call</b> the client'"],
  ["MMR of all", "hard", "book.mmr <= 1e15"],
  ["desk MMR", "hard", "group.desk.mmr <= 1"],
  ["nobody has it", "hard", "unit.NO-SUCH.mmr <= 1"],
  ["<i>short delta", "info", "group.desk.unit.*.cash_delta >= 0"],
];

before(async () => {
  remargin("generate", "--accounts", "40000", "--seed", "5", "--out", at("book"), "--quiet");
  remargin("run", at("book"), "--out", at("run"), "--quiet");
  remargin("generate", "--accounts", "400", "--seed", "6", "--out", at("small"), "--quiet");
  remargin("run", at("small"), "--out", at("distances"), "--distance", "at-risk", "--quiet");
  remargin("stress", at("small"), "--out", at("stress"), "--grid", "BTC=-40%..40%/20%", "--scenario", "</script><b>: *=-60%", "--quiet");
  const moves = Array.from({ length: 400 }, (_, place) => `day ${place},*,${(((place * 7919) % 400) / 400) * 1.2 - 0.8}`);
  writeFileSync(at("moves.csv"), ["scenario,base,price", ...moves, ""].join("\n"));
  remargin("stress", "data/sample", "--out", at("history"), "--shocks", at("moves.csv"), "--fund", "20_000", "--distance", "none", "--quiet");
  changedSample(at("desks"), (name, text) => {
    if (name !== "accounts.csv") return text;
    const desks = ["rates", "vol", "<b>basis", ""];
    const lines = text.trimEnd().split("\n");
    return [lines[0] + ",desk", ...lines.slice(1).map((line, place) => line + "," + desks[place % 4]), ""].join("\n");
  });
  remargin("run", at("desks"), "--out", at("groups"), "--by", "desk", "--by", "spot_offset,desk", "--quiet");
  remargin("run", at("desks"), "--out", at("netted"), "--net-by", "spot_offset,desk", "--quiet");
  writeFileSync(at("limits.toml"), LIMITS.map(([name, severity, rule, more]) => `[[limit]]\nname = '${name}'\nseverity = '${severity}'\nrule = '${rule}'\n${more || ""}\n`).join("\n"));
  remargin("run", at("desks"), "--out", at("limits"), "--limits", at("limits.toml"), "--quiet");
  remargin("stress", at("desks"), "--out", at("stressed-groups"), "--by", "desk", "--grid", "*=-40%..40%/20%", "--quiet");
  remargin("run", "examples/yesterday", "--out", at("yesterday"), "--label", "<b>EOD</b>", "--history", at("history.parquet"), "--quiet");
  remargin("run", "examples/today", "--out", at("today"), "--previous", at("yesterday"), "--history", at("history.parquet"), "--quiet");
  hostile();
  browser = await launch(place);
});

after(async () => {
  await browser?.close();
  remove();
});

/** The sample with payloads for the ids of its accounts at risk and of a broken row. */
function hostile() {
  remargin("run", "data/sample", "--out", at("plain"), "--format", "csv", "--quiet");
  const ids = readFileSync(at("plain", "at_risk.csv"), "utf8").trim().split("\n").slice(1).map((line) => line.split(",")[0]);
  assert.ok(ids.length >= 5, `${ids.length} accounts at risk in the sample`);
  const renamed = new Map(PAYLOADS.map((payload, place) => [ids[place], payload]).filter(([id]) => id));
  const quoted = (text) => `"${text.replaceAll('"', '""')}"`;
  changedSample(at("hostile"), (name, text) => {
    const lines = text.trimEnd().split("\n");
    const column = lines[0].split(",").indexOf("account_id");
    const rows = lines.slice(1).map((line) => {
      const cells = line.split(",");
      if (renamed.has(cells[column])) cells[column] = quoted(renamed.get(cells[column]));
      return cells.join(",");
    });
    if (name === "positions.csv") rows.push([quoted("<script>window.hacked=4</script>"), quoted("=1+1"), "1", "1"].join(","));
    return [lines[0], ...rows, ""].join("\n");
  });
  remargin("run", at("hostile"), "--out", at("hostile-run"), "--format", "csv", "--quiet");
  return renamed;
}

const cells = (page, table, column) => page.$$eval(`${table} .scroll > table > tbody > tr:not(.more) > td:nth-child(${column})`, (found) => found.map((cell) => cell.textContent));
const rows = (page, table) => page.locator(`${table} .scroll > table > tbody > tr:not(.more)`).count();
const number = (text) => Number(text.replaceAll(",", "").replace("\u2212", "-"));

test("the page draws itself without an error or a request, and stays below its size", async () => {
  for (const run of ["run", "distances", "stress", "history", "hostile-run", "groups", "stressed-groups", "netted", "limits", "today"]) {
    for (const colorScheme of ["light", "dark"]) {
      const file = at(run, "report.html");
      assert.ok(statSync(file).size < 3_000_000, `${run}: ${statSync(file).size} bytes`);
      const { page, faults } = await open(browser, file, { colorScheme });
      assert.deepEqual(faults, [], run);
      await page.close();
    }
  }
});

test("the policy of the page lets nothing out and nothing in", async () => {
  const { page, faults } = await open(browser, at("run", "report.html"));
  const refused = await page.evaluate(async () => {
    const tried = await fetch("http://127.0.0.1:9/").then(() => "fetched", () => "refused");
    const image = await new Promise((resolve) => {
      const element = new Image();
      element.onload = () => resolve("loaded");
      element.onerror = () => resolve("refused");
      element.src = "http://127.0.0.1:9/x.png";
    });
    return [tried, image];
  });
  assert.deepEqual(refused, ["refused", "refused"]);
  assert.ok(faults.some((fault) => fault.includes("Content Security Policy")), faults.join("\n"));
  await page.close();
});

test("headline figures are those of summary.json", async () => {
  const summary = JSON.parse(readFileSync(at("run", "summary.json"), "utf8"));
  const { page } = await open(browser, at("run", "report.html"));
  const tiles = Object.fromEntries(await page.$$eval("#headline li", (found) => found.map((tile) => [tile.querySelector(".label").textContent, tile.querySelector(".value").textContent])));
  assert.equal(number(tiles["Accounts margined"]), summary.accounts.margined);
  assert.equal(number(tiles["Liquidation"]), summary.accounts.by_status.liquidation);
  assert.equal(number(tiles["Near liquidation"]), summary.accounts.by_status.near_liquidation);
  assert.equal(number(tiles["Warning"]), summary.accounts.by_status.warning);
  assert.equal(number(tiles["Below IMR"]), summary.accounts.im_deficit);
  const identity = await page.textContent("#identity");
  for (const text of [summary.rules.name, summary.rules.hash.slice(0, 12), "2025-01-15", "none changed"]) assert.ok(identity.includes(text), text);
  assert.ok((await page.textContent("#as-of")).startsWith(summary.as_of.slice(0, 10)));
  await page.close();
});

test("every chart has marks inside its frame", async () => {
  const expected = {
    run: { "#chart-ratios": "rect", "#chart-status": "rect", "#chart-concentration": "rect", "#chart-units": "rect", "#chart-binding": "rect", "#chart-hedging": "rect" },
    stress: { "#chart-ratios": "rect", "#chart-scenarios": "rect", "#chart-migration": "rect", "#chart-units": "rect" },
    history: { "#chart-losses": "rect", "#chart-probability": "rect" },
  };
  for (const [run, charts] of Object.entries(expected)) {
    const { page } = await open(browser, at(run, "report.html"));
    for (const [chart, mark] of Object.entries(charts)) {
      const found = await page.$$eval(`${chart} svg ${mark}`, (marks) => marks.map((mark) => {
        const [box, frame] = [mark.getBoundingClientRect(), mark.ownerSVGElement.getBoundingClientRect()];
        return { area: box.width * box.height, inside: box.left >= frame.left - 1 && box.right <= frame.right + 1 && box.top >= frame.top - 1 && box.bottom <= frame.bottom + 1 };
      }));
      assert.ok(found.filter(({ area }) => area > 0).length >= 4, `${run} ${chart}: ${found.length} marks`);
      assert.ok(found.every(({ inside }) => inside), `${run} ${chart}: a mark lies outside`);
      const attributes = await page.$$eval(`${chart} svg *`, (elements) => elements.flatMap((element) => [...element.attributes].map((attribute) => attribute.value)).filter((value) => value.includes("NaN")));
      assert.deepEqual(attributes, [], `${run} ${chart}`);
    }
    await page.close();
  }
});

test("the histogram counts every account with a margin ratio, and switches its axis", async () => {
  const { accounts } = JSON.parse(readFileSync(at("run", "summary.json"), "utf8"));
  const { page, faults } = await open(browser, at("run", "report.html"));
  const bins = await page.evaluate(() => JSON.parse(document.getElementById("data").textContent).distribution.margin_ratios);
  const counted = bins.reduce((sum, bin) => sum + bin.liquidation + bin.near_liquidation + bin.warning + bin.healthy + bin.no_risk, 0);
  assert.equal(counted, accounts.margined - accounts.by_status.no_risk);
  const heights = () => page.$$eval("#chart-ratios svg rect", (marks) => marks.map((mark) => mark.getBoundingClientRect().height));
  const log = await heights();
  await page.getByRole("button", { name: "linear" }).click();
  const linear = await heights();
  assert.equal(linear.length, log.length);
  assert.notDeepEqual(linear, log);
  assert.equal(await page.getByRole("button", { name: "linear" }).getAttribute("aria-pressed"), "true");
  assert.deepEqual(faults, []);
  await page.close();
});

test("the table of accounts at risk holds the worst, sorts by its headers and by keyboard", async () => {
  const { page, faults } = await open(browser, at("run", "report.html"));
  const table = "#table-at-risk";
  assert.equal(await rows(page, table), 1000);
  const ratios = () => cells(page, table, 4).then((texts) => texts.map(number));
  const ascending = await ratios();
  assert.deepEqual(ascending, [...ascending].sort((a, b) => a - b), "worst first");
  const head = page.locator(`${table} th`, { hasText: "Short of MMR" });
  await head.getByRole("button").click();
  assert.equal(await head.getAttribute("aria-sort"), "descending");
  const shortfalls = (await cells(page, table, 5)).map(number);
  assert.deepEqual(shortfalls, [...shortfalls].sort((a, b) => b - a));
  await head.getByRole("button").focus();
  await page.keyboard.press("Enter");
  assert.equal(await head.getAttribute("aria-sort"), "ascending");
  const reversed = (await cells(page, table, 5)).map(number);
  assert.deepEqual(reversed, [...reversed].sort((a, b) => a - b));
  const status = page.locator(`${table} th`, { hasText: "Status" });
  await status.getByRole("button").click();
  assert.equal(await head.getAttribute("aria-sort"), "none");
  assert.equal((await cells(page, table, 3))[0], "Liquidation", "statuses sort by how bad they are");
  assert.deepEqual(faults, []);
  await page.close();
});

test("search and the status filter narrow the table", async () => {
  const { page } = await open(browser, at("run", "report.html"));
  const table = "#table-at-risk";
  const ids = await cells(page, table, 2);
  const search = page.getByRole("searchbox", { name: "Search account, unit, status" });
  await search.fill(ids[7].toLowerCase());
  assert.deepEqual(await cells(page, table, 2), [ids[7]]);
  assert.equal(await page.locator(`${table} [role=status]`).textContent(), "1 of 1,000 rows");
  await search.fill("no such account");
  assert.equal(await rows(page, table), 0);
  await search.fill("");
  assert.equal(await rows(page, table), 1000);
  const [select] = await page.$$(`${table} select`);
  const [, first] = await select.$$eval("option", (options) => options.map((option) => option.value));
  await select.selectOption(first);
  const shown = await cells(page, table, 3);
  assert.ok(shown.length > 0 && shown.every((status) => status === "Liquidation"), first);
  await page.close();
});

test("a row opens to its risk units, which add up to its margin", async () => {
  const { page, faults } = await open(browser, at("distances", "report.html"));
  const drill = page.locator("#table-at-risk button.drill").first();
  assert.equal(await drill.getAttribute("aria-expanded"), "false");
  await drill.focus();
  await page.keyboard.press("Enter");
  assert.equal(await drill.getAttribute("aria-expanded"), "true");
  const id = (await cells(page, "#table-at-risk", 2))[0];
  const heads = await page.$$eval("#table-at-risk tr.more th", (found) => found.map((head) => head.textContent));
  const units = await page.$$eval("#table-at-risk tr.more tbody tr", (found) => found.map((row) => [...row.cells].map((cell) => cell.textContent)));
  assert.ok(units.length > 0);
  const sum = units.reduce((total, unit) => total + number(unit[heads.indexOf("MMR")]), 0);
  remargin("run", at("small"), "--out", at("small-csv"), "--format", "csv", "--quiet");
  const [header, ...lines] = readFileSync(at("small-csv", "accounts.csv"), "utf8").trim().split("\n").map((line) => line.split(","));
  const account = lines.find((line) => line[0] === id);
  const derivatives = Number(account[header.indexOf("deriv_mmr")]);
  assert.ok(Math.abs(sum - derivatives) <= 0.5 * units.length + 0.01, `${sum} ${derivatives}`);
  await drill.click();
  assert.equal(await page.locator("#table-at-risk tr.more").count(), 0);
  assert.deepEqual(faults, []);
  await page.close();
});

test("distances from liquidation are shown where they were searched", async () => {
  const heads = async (run) => {
    const { page } = await open(browser, at(run, "report.html"));
    const found = await page.$$eval("#table-at-risk th button", (buttons) => buttons.map((button) => button.textContent));
    const moves = found.includes("To liquidation, fall") ? await cells(page, "#table-at-risk", found.indexOf("To liquidation, fall") + 2) : [];
    await page.close();
    return { found, moves };
  };
  const { moves } = await heads("distances");
  assert.ok(moves.some((text) => /^\u2212\d+\.\d\u202f%/.test(text)), moves.join(" "));
  assert.ok(!(await heads("run")).found.includes("To liquidation, fall"));
});

test("ids with markup, script and formulas are text", async () => {
  const { page, faults } = await open(browser, at("hostile-run", "report.html"));
  assert.equal(await page.evaluate(() => window.hacked), undefined);
  assert.deepEqual(faults, []);
  const shown = await cells(page, "#table-at-risk", 2);
  const expected = PAYLOADS.slice(0, shown.length);
  for (const payload of expected) assert.ok(shown.includes(payload), `${payload} is not among ${shown.join("  ")}`);
  for (const drill of await page.$$("#table-at-risk button.drill")) await drill.click();
  await page.getByRole("searchbox", { name: "Search account, unit, status" }).fill("<img");
  assert.deepEqual(await cells(page, "#table-at-risk", 2), [PAYLOADS[0]]);
  assert.equal(await page.$$eval("main img, main script, main svg[onload]", (found) => found.length), 0);
  const [, reason, table, , column, value] = await page.$$eval("#table-unmargined tbody tr", (found) => [...found.find((row) => row.textContent.includes("<script>window.hacked=4</script>")).cells].map((cell) => cell.textContent));
  assert.deepEqual([reason, table, column, value], ["unknown_instrument", "positions", "inst_id", "=1+1"], "the row to blame");
  await page.mouse.move(400, 500);
  assert.equal(await page.evaluate(() => window.hacked), undefined);
  await page.close();
});

test("no cell of a CSV starts a formula, and numbers are untouched", () => {
  for (const table of ["accounts", "risk_units", "at_risk", "rejects"]) {
    const [header, ...lines] = readFileSync(at("hostile-run", `${table}.csv`), "utf8").trim().split("\n").map(parse);
    const numbers = header.flatMap((name, place) => (/^(mr\d|mmr|imr|adj_eq|total_eq|upl|cash_delta|theta|row|shortfall)/.test(name) && name !== "mr1_vol" ? [place] : []));
    assert.ok(lines.length > 0, table);
    for (const line of lines) {
      for (const [place, cell] of line.entries()) {
        if (numbers.includes(place)) assert.ok(cell === "" || Number.isFinite(Number(cell)), `${table}: ${cell}`);
        else assert.ok(!/^[=+@\t\r]/.test(cell) && !(cell.startsWith("-") && Number.isNaN(Number(cell))), `${table}: ${cell}`);
      }
    }
  }
});

/** A line of CSV. */
function parse(line) {
  return [...line.matchAll(/("(?:[^"]|"")*"|[^,]*)(?:,|$)/g)].slice(0, -1).map(([, cell]) => (cell.startsWith('"') ? cell.slice(1, -1).replaceAll('""', '"') : cell));
}

test("a thousand rows sort and filter, each step done when the next begins", async () => {
  const { page } = await open(browser, at("run", "report.html"));
  for (const label of ["Account", "Ratio", "MMR", "Worst unit", "Status"]) {
    await page.locator("#table-at-risk th", { hasText: label }).first().getByRole("button").click();
    assert.equal(await rows(page, "#table-at-risk"), 1000);
  }
  const search = page.getByRole("searchbox", { name: "Search account, unit, status" });
  await search.pressSequentially("btc-usdt");
  const shown = await cells(page, "#table-at-risk", 10);
  assert.ok(shown.length > 0 && shown.every((unit) => unit === "BTC-USDT"), shown.join(" "));
  const longest = await page.evaluate(() => {
    const button = document.querySelector("#table-at-risk th button");
    document.querySelector("#table-at-risk input").value = "";
    document.querySelector("#table-at-risk input").dispatchEvent(new Event("input"));
    const times = [];
    for (let round = 0; round < 6; round += 1) {
      const start = performance.now();
      button.click();
      document.body.getBoundingClientRect();
      times.push(performance.now() - start);
    }
    return Math.max(...times);
  });
  // A figure for who reads the log; how fast a machine is, is no matter of right and wrong.
  console.log(`# sorting and laying out 1,000 rows: ${longest.toFixed(0)} ms`);
  await page.close();
});

test("scenarios: heat map, migration of the chosen one, worst first", async () => {
  const { page, faults } = await open(browser, at("stress", "report.html"));
  const names = await cells(page, "#table-scenarios", 1);
  assert.equal(names.length, 6 + 1, names.join(", "));
  assert.equal(names[0], "base");
  assert.ok(names.includes("</script><b>"));
  const counts = (await cells(page, "#table-scenarios", 2)).map(number).slice(1);
  assert.deepEqual(counts, [...counts].sort((a, b) => b - a));
  assert.equal(await page.locator("#chart-scenarios svg").count(), 2);
  const texts = () => page.$$eval("#chart-migration svg g[aria-label=text] text", (found) => found.map((text) => text.textContent));
  const worst = await texts();
  await page.locator("#chart-migration select").selectOption({ index: 0 });
  const base = await texts();
  assert.notDeepEqual(base, worst);
  const moved = base.filter((text, place) => Math.floor(place / 5) !== place % 5);
  assert.ok(moved.every((text) => text === "\u00b7"), "nobody moves in the base case");
  assert.deepEqual(faults, []);
  await page.close();
});

test("the heat map says how many scenarios it leaves out", async () => {
  for (const [run, text] of [["stress", "all scenarios are shown"], ["history", "371 of 401 scenarios are left out here"]]) {
    const { page } = await open(browser, at(run, "report.html"));
    const about = await page.textContent("#chart-scenarios figcaption");
    assert.ok(about.includes(text), `${run}: ${about}`);
    await page.close();
  }
});

test("losses: a histogram of every scenario, the tail in another colour and by name", async () => {
  const { page, faults } = await open(browser, at("history", "report.html"));
  const summary = JSON.parse(readFileSync(at("history", "summary.json"), "utf8")).distribution;
  const { losses } = await page.evaluate(() => JSON.parse(document.getElementById("data").textContent));
  for (const { figure, bars } of losses.figures) {
    const all = bars.reduce((sum, [, share]) => sum + share, 0);
    assert.ok(Math.abs(all - 1) < 1e-4, `${figure}: ${all}`);
    const tail = bars.reduce((sum, [bar, share]) => sum + (bar >= 0 ? share : 0), 0);
    assert.ok(tail > 0 && tail <= 0.0101, `${figure}: ${tail} is beyond the 99 % quantile`);
  }
  const colors = () => page.$$eval("#chart-losses svg g[aria-label=rect] rect", (bars) => bars.map((bar) => bar.getAttribute("fill")));
  const loss = await colors();
  assert.equal(new Set(loss).size, 2);
  assert.ok((await page.textContent("#table-tail")).includes("Equity loss"));
  await page.locator("#chart-losses").getByRole("button", { name: "Shortfall" }).click();
  assert.notDeepEqual(await colors(), loss);
  assert.ok((await page.textContent("#table-tail h3")).includes("Shortfall"));
  const amounts = (await cells(page, "#table-tail", 2)).map(number);
  assert.ok(amounts.length === 20 && amounts.every((amount, place) => place === 0 || amount <= amounts[place - 1]), amounts.join(" "));
  assert.ok(Math.abs(amounts[0] - summary.shortfall.largest) <= 0.5, `${amounts[0]}`);
  const fund = await page.textContent("#fund");
  const said = `A fund of 20,000 USD suffices in ${(summary.fund.sufficient * 100).toFixed(1)}`;
  assert.ok(fund.includes(said), `${said}: ${fund}`);
  const likely = (await cells(page, "#table-probability", 2)).map((text) => Number.parseFloat(text.replace("<\u202f", "")));
  assert.ok(likely.length > 5 && likely.every((share, place) => place === 0 || share <= likely[place - 1]), likely.join(" "));
  assert.deepEqual(faults, []);
  await page.close();
});

test("groups: a table for each grouping, whose rows open to units and accounts at risk", async () => {
  const { page, faults } = await open(browser, at("groups", "report.html"));
  const summary = JSON.parse(readFileSync(at("groups", "summary.json"), "utf8"));
  assert.equal(await page.locator("#tables-groups .list").count(), 2);
  const [desks] = summary.groups;
  const first = "#tables-groups > div:nth-child(1)";
  const shown = await cells(page, first, 2);
  assert.equal(shown.length, desks.groups);
  assert.deepEqual(shown.slice(0, 4), desks.largest.slice(0, 4).map((group) => group.group || "(none)"));
  assert.ok(shown.includes("<b>basis") && shown.includes("(none)"), shown.join());
  assert.deepEqual((await cells(page, first, 3)).map(number), desks.largest.map((group) => group.accounts));
  const at_risk = (await cells(page, first, 5)).map(number);
  await page.locator(`${first} button.drill`).first().click();
  const opened = page.locator(`${first} tr.more table`);
  assert.equal(await opened.count(), at_risk[0] > 0 ? 2 : 1);
  if (at_risk[0] > 0) assert.equal(await opened.nth(1).locator("tbody tr").count(), Math.min(20, at_risk[0]));
  assert.ok((await page.locator(`${first} tr.more p`).first().textContent()).includes("MMR in USD: "));
  await page.locator(`${first} th button`, { hasText: "Accounts" }).first().click();
  const sorted = (await cells(page, first, 3)).map(number);
  assert.deepEqual(sorted, [...sorted].sort((a, b) => b - a));
  assert.deepEqual(faults, []);
  await page.close();
});

test("groups of a stress name the scenario that is worst for each", async () => {
  const { page, faults } = await open(browser, at("stressed-groups", "report.html"));
  const worst = await cells(page, "#tables-groups > div:nth-child(1)", 9);
  assert.ok(worst.length > 0 && worst.every((name) => /^\* [-+\u2212]\d+%$/.test(name)), worst.join());
  assert.deepEqual(faults, []);
  await page.close();
});

test("the change against the run before: causes that add up, who moved, and the last runs", async () => {
  const { previous, trend } = JSON.parse(readFileSync(at("today", "summary.json"), "utf8"));
  const { page, faults } = await open(browser, at("today", "report.html"));
  assert.ok(await page.locator("#before").isVisible() && await page.locator("#trend").isVisible());
  assert.ok((await page.textContent("#before-notes")).includes("<b>EOD</b>"), "a label is text");
  assert.deepEqual(await cells(page, "#table-movers", 1), [...previous.largest_rises, ...previous.largest_falls].map((one) => one.account_id));
  const changes = (await cells(page, "#table-change", 4)).map((text) => number(text.replace("+", "")));
  const mmr = previous.totals.find((one) => one.figure === "mmr");
  assert.ok(Math.abs(changes[0] - mmr.change) <= 1, `${changes[0]} of ${mmr.change}`);
  const moved = await page.$$eval("#table-migration tbody td.num", (found) => found.map((cell) => Number(cell.textContent.replaceAll(",", "")) || 0));
  assert.equal(moved.reduce((sum, one) => sum + one, 0), previous.migration.reduce((sum, one) => sum + one.accounts, 0));
  assert.equal(await page.locator("#chart-trend-margin circle").count(), 2 * trend.length);
  assert.deepEqual(faults, []);
  await page.close();
  const { page: other } = await open(browser, at("run", "report.html"));
  assert.ok(!(await other.locator("#before").isVisible()) && !(await other.locator("#trend").isVisible()));
  await other.close();
});

/** The columns of a table by their headings: of each row the text and whether it is red. */
const columnsOf = async (page, mount) => {
  const heads = await page.$$eval(`${mount} .scroll > table > thead th`, (found) => found.map((cell) => cell.textContent.trim()));
  const lines = await page.$$eval(`${mount} .scroll > table > tbody > tr`, (found) => found.map((row) => [...row.cells].map((cell) => [cell.textContent, getComputedStyle(cell).color])));
  return { heads, of: (head) => lines.map((line) => line[heads.findIndex((text) => text.startsWith(head))]) };
};

test("limits: breached first, what is beyond a limit in red, room that is left not", async () => {
  const { limits } = JSON.parse(readFileSync(at("limits", "summary.json"), "utf8"));
  for (const [colorScheme, width] of [["light", 1400], ["dark", 1400], ["light", 380]]) {
    const { page, faults } = await open(browser, at("limits", "report.html"), { colorScheme });
    await page.setViewportSize({ width, height: 900 });
    await page.waitForTimeout(250);
    assert.ok(await page.locator("#limits").isVisible());
    const bad = await page.evaluate(() => { const probe = document.body.appendChild(document.createElement("i")); probe.className = "neg"; const { color } = getComputedStyle(probe); probe.remove(); return color; });
    const all = await columnsOf(page, "#table-limits");
    const texts = (head) => all.of(head).map(([text]) => text);
    assert.deepEqual(texts("Limit"), ["desk MMR", "margin ratio", "<i>short delta", "MMR of all", "nobody has it"]);
    assert.deepEqual(texts("Result"), ["breached", "breached", "breached", "met", "nothing compared"]);
    const by = Object.fromEntries(limits.each.map((limit) => [limit.name, limit]));
    assert.deepEqual(texts("Breaches").map(number), texts("Limit").map((name) => by[name].breaches));
    assert.deepEqual(all.of("Beyond by").map(([, color]) => color === bad), [true, true, true, false, false]);
    assert.ok(all.of("Beyond by")[3][0].startsWith("\u2212"), "there is room left: " + all.of("Beyond by")[3][0]);
    assert.ok(texts("What to do").some((text) => text.includes("<b>call</b>")), "markup is text");
    const breaches = await columnsOf(page, "#table-breaches");
    const shown = breaches.of("Beyond by");
    assert.equal(shown.length, Math.min(500, limits.each.reduce((sum, limit) => sum + Math.min(50, limit.breaches), 0)));
    assert.ok(shown.length > 3 && shown.every(([, color]) => color === bad));
    // A narrow window scrolls the table, not the page, and its headings are whole.
    const over = await page.evaluate(() => document.documentElement.scrollWidth - document.documentElement.clientWidth);
    assert.ok(over <= 1, `${width}: ${over} pixels too wide`);
    const cut = await page.$$eval("#limits thead th", (found) => found.filter((head) => head.scrollWidth > head.clientWidth + 1).map((head) => head.textContent));
    assert.deepEqual(cut, []);
    assert.deepEqual(faults, []);
    await page.close();
  }
});

test("netting: the groups with the largest benefit, as summary.json has them", async () => {
  const { netting } = JSON.parse(readFileSync(at("netted", "summary.json"), "utf8"));
  const { page, faults } = await open(browser, at("netted", "report.html"));
  assert.ok(await page.locator("#netting").isVisible());
  const all = await columnsOf(page, "#table-netting");
  const benefits = all.of("Benefit").map(([text]) => number(text));
  assert.equal(benefits.length, netting.groups);
  assert.deepEqual(benefits, [...benefits].sort((a, b) => b - a));
  assert.deepEqual(all.of("Group").slice(0, 10).map(([text]) => text), netting.largest.map((group) => group.group));
  assert.ok(benefits.every((benefit, place) => place >= netting.largest.length || Math.abs(benefit - netting.largest[place].mmr_benefit) <= 1));
  assert.ok((await page.textContent("#netting-notes")).includes(`in ${netting.groups} groups by spot_offset,desk`));
  for (const width of [1920, 380]) {
    await page.setViewportSize({ width, height: 800 });
    await page.waitForTimeout(250);
    const over = await page.evaluate(() => document.documentElement.scrollWidth - document.documentElement.clientWidth);
    assert.ok(over <= 1, `${width}: ${over} pixels too wide`);
  }
  assert.deepEqual(faults, []);
  await page.close();
  const { page: other } = await open(browser, at("groups", "report.html"));
  assert.ok(!(await other.locator("#netting").isVisible()) && !(await other.locator("#limits").isVisible()));
  await other.close();
});

test("the page fits narrow windows and paper", async () => {
  const { page, faults } = await open(browser, at("history", "report.html"));
  for (const width of [1920, 1024, 600, 380]) {
    await page.setViewportSize({ width, height: 800 });
    await page.waitForTimeout(250);
    const over = await page.evaluate(() => document.documentElement.scrollWidth - document.documentElement.clientWidth);
    assert.ok(over <= 1, `${width}: ${over} pixels too wide`);
  }
  await page.setViewportSize({ width: 1400, height: 900 });
  await page.emulateMedia({ media: "print" });
  assert.equal(await page.locator("#table-at-risk input").isVisible(), false);
  const pdf = await page.pdf({ preferCSSPageSize: true });
  assert.ok(pdf.length > 20_000, `${pdf.length} bytes of PDF`);
  assert.deepEqual(faults, []);
  await page.close();
});

test("everything that acts can be reached by keyboard and has a name", async () => {
  const { page } = await open(browser, at("run", "report.html"));
  const nameless = await page.$$eval("button, input, select, a[href]", (found) => found.filter((element) => element.tabIndex < 0 || !(element.getAttribute("aria-label") || element.textContent).trim()).map((element) => element.outerHTML));
  assert.deepEqual(nameless, []);
  const headers = await page.$$eval("th[aria-sort]", (found) => found.filter((head) => !head.querySelector("button")).length);
  assert.equal(headers, 0);
  await page.keyboard.press("Tab");
  assert.equal(await page.evaluate(() => document.activeElement.className), "skip");
  await page.close();
});

test("text stands out from what is behind it, in light and in dark", async () => {
  for (const colorScheme of ["light", "dark"]) {
    const { page } = await open(browser, at("run", "report.html"), { colorScheme });
    const faint = await page.evaluate(() => {
      const channels = (color) => color.match(/[\d.]+/g).map(Number);
      const light = (color) => { const [r, g, b] = channels(color).map((x) => (x / 255 <= 0.04045 ? x / 255 / 12.92 : ((x / 255 + 0.055) / 1.055) ** 2.4)); return 0.2126 * r + 0.7152 * g + 0.0722 * b; };
      const behind = (element) => { for (let at = element; at; at = at.parentElement) { const color = getComputedStyle(at).backgroundColor; if (channels(color)[3] !== 0) return color; } return "rgb(255, 255, 255)"; };
      const elements = ["h1", "h2", "h3", "#headline .label", "#headline .value", "#headline .note", "th", "td", ".about", ".legend span", "footer", ".toggle[aria-pressed=true]", ".good"];
      return elements.flatMap((selector) => {
        const element = document.querySelector(selector);
        const [a, b] = [light(getComputedStyle(element).color), light(behind(element))].sort((x, y) => y - x);
        const contrast = (a + 0.05) / (b + 0.05);
        return contrast < 4.5 ? [`${selector}: ${contrast.toFixed(2)}`] : [];
      });
    });
    assert.deepEqual(faint, [], colorScheme);
    await page.locator("#chart-ratios svg").hover({ position: { x: 700, y: 250 } });
    const tip = page.locator("#chart-ratios svg g[aria-label=tip]");
    await tip.locator("text").first().waitFor();
    const colours = await tip.evaluate((mark) => [mark.querySelector("path"), document.querySelector(".card")].map((element, place) => getComputedStyle(element)[place ? "backgroundColor" : "fill"]));
    assert.equal(colours[0], colours[1], `the tip in ${colorScheme}`);
    await page.close();
  }
});
