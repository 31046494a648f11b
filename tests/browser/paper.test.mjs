// report.html on paper and in narrow windows: nothing lies on anything else, nothing is cut, no page is empty.

import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { after, before, test } from "node:test";
import { launch, open, remargin, scratch } from "./browser.mjs";

const { place, remove } = scratch();
const at = (...names) => join(place, ...names);
/** Numbers of scenarios, the base case included. */
const COUNTS = [9, 12, 21, 36, 200];
/** Where PDFs and pictures are kept for who wants to look at them. */
const KEPT = process.env.REMARGIN_PICTURES;
const LABEL = "EOD 2026-11-28, desk B";
let browser;

/** The name of a scenario, some of them long. */
const nameOf = (number) => (number % 4 === 3 ? `s${number} a fall of all coins while volatility rises and a stablecoin slips, as on a bad day of ${2000 + number}` : `s${number}`);

before(async () => {
  remargin("generate", "--accounts", "120", "--seed", "6", "--out", at("small"), "--quiet");
  remargin("run", at("small"), "--out", at("run"), "--distance", "at-risk", "--label", LABEL, "--quiet");
  for (const count of COUNTS) {
    const moves = Array.from({ length: count - 1 }, (_, number) => `"${nameOf(number)}",*,${(((number * 37) % count) / count) * 1.2 - 0.7}`);
    writeFileSync(at(`moves-${count}.csv`), ["scenario,base,price", ...moves, ""].join("\n"));
    remargin("stress", at("small"), "--out", at(`stress-${count}`), "--shocks", at(`moves-${count}.csv`), "--distance", "none", "--label", LABEL, "--quiet");
  }
  if (KEPT) mkdirSync(KEPT, { recursive: true });
  browser = await launch(place);
});

after(async () => {
  await browser?.close();
  remove();
});

/** The pages of a report as they are printed: width, height, and the words with their boxes, in points. */
async function printed(run) {
  const { page, faults } = await open(browser, at(run, "report.html"));
  const file = KEPT ? join(KEPT, `${run}.pdf`) : at(`${run}.pdf`);
  await page.pdf({ path: file, preferCSSPageSize: true, printBackground: true });
  assert.deepEqual(faults, []);
  await page.close();
  const text = execFileSync("pdftotext", ["-bbox", file, "-"], { encoding: "utf8", maxBuffer: 1 << 28 });
  const numbers = (attributes) => Object.fromEntries([...attributes.matchAll(/(\w+)="([-\d.]+)"/g)].map(([, name, value]) => [name, Number(value)]));
  return text.split("<page ").slice(1).map((part) => ({
    ...numbers(part.slice(0, part.indexOf(">"))),
    words: [...part.matchAll(/<word ([^>]*)>([^<]*)<\/word>/g)].map(([, box, word]) => ({ ...numbers(box), word })),
  }));
}

/** Pairs of boxes that lie on one another by more than a fifth of the smaller. */
function overlaps(words) {
  const found = [];
  const sorted = words.filter((word) => word.xMax > word.xMin && word.yMax > word.yMin).sort((a, b) => a.yMin - b.yMin);
  for (const [number, a] of sorted.entries()) {
    for (let other = number + 1; other < sorted.length && sorted[other].yMin < a.yMax; other += 1) {
      const b = sorted[other];
      const width = Math.min(a.xMax, b.xMax) - Math.max(a.xMin, b.xMin);
      const height = Math.min(a.yMax, b.yMax) - Math.max(a.yMin, b.yMin);
      if (width <= 0 || height <= 0) continue;
      const least = Math.min((a.xMax - a.xMin) * (a.yMax - a.yMin), (b.xMax - b.xMin) * (b.yMax - b.yMin));
      if (width * height > least / 5) found.push(`${a.word} (${a.xMin.toFixed(0)}, ${a.yMin.toFixed(0)}) and ${b.word} (${b.xMin.toFixed(0)}, ${b.yMin.toFixed(0)})`);
    }
  }
  return found;
}

function checkPages(pages, run) {
  for (const [number, { width, height, words }] of pages.entries()) {
    const where = `${run}, page ${number + 1} of ${pages.length}`;
    assert.ok(width > height, `${where} is not landscape`);
    assert.ok(words.length > 10, `${where} is empty: ${words.map((word) => word.word).join(" ")}`);
    assert.deepEqual(overlaps(words), [], where);
    const outside = words.filter((word) => word.xMin < 20 || word.yMin < 20 || word.xMax > width - 20 || word.yMax > height - 20);
    assert.deepEqual(outside.map((word) => word.word), [], `${where}: words beyond the margin`);
  }
}

for (const count of COUNTS) {
  test(`a stress with ${count} scenarios is printed whole, and nothing lies on anything else`, async () => {
    const run = `stress-${count}`;
    const pages = await printed(run);
    checkPages(pages, run);
    const text = pages.map((page) => page.words.map((word) => word.word).join(" "));
    const all = text.join(" ");
    for (const heading of ["Price scenarios", "Loss distribution", "Accounts at risk", "Where the margin comes from", "Data quality and provenance", "Assumptions and words", LABEL]) {
      assert.equal(text.filter((page) => page.includes(heading)).length >= 1, true, heading);
    }
    // The heat map has the base case and the worst; each of its scenarios stands in it and in the table.
    const shown = await (async () => {
      const { page } = await open(browser, at(run, "report.html"));
      const names = await page.evaluate(() => JSON.parse(document.getElementById("data").textContent).scenarios.rows.map((row) => row.scenario));
      await page.close();
      return names.slice(0, 30);
    })();
    const words = all.split(" ");
    for (const name of shown) {
      const first = name.split(" ")[0];
      assert.ok(words.filter((word) => word === first).length >= 2, `${first} is not on paper twice`);
    }
    assert.ok(pages.length < 16, `${pages.length} pages`);
  });
}

test("a run is printed, with its label and what was assumed", async () => {
  const pages = await printed("run");
  checkPages(pages, "run");
  const first = pages[0].words.map((word) => word.word).join(" ");
  assert.ok(first.includes(LABEL), first.slice(0, 300));
  const all = pages.map((page) => page.words.map((word) => word.word).join(" ")).join(" ");
  // The table of risk units goes over two pages, with heads on both.
  assert.ok(all.split("binds MR2 binds").length >= 3, "the heads of a table stand on each of its pages");
  for (const word of ["mr3.offset_charge", "expected shortfall", "To liquidation, fall"]) assert.ok(all.includes(word), word);
});

/** Texts of a chart that are cut by its frame or lie on one another. */
const crowded = (page) => page.$$eval("figure", (figures) => figures.flatMap((figure) => {
  const found = [];
  for (const svg of figure.querySelectorAll("svg")) {
    const frame = svg.parentElement.getBoundingClientRect();
    const texts = [...svg.querySelectorAll("text")].flatMap((text) => (text.closest("[aria-label=tip]") ? [] : [{ word: text.textContent, box: text.getBoundingClientRect() }])).filter(({ word, box }) => word && box.width);
    for (const { word, box } of texts) if (box.left < frame.left - 1 || box.right > frame.right + 1) found.push(`${figure.id}: "${word}" is cut`);
    for (const [number, a] of texts.entries()) {
      for (const b of texts.slice(number + 1)) {
        const width = Math.min(a.box.right, b.box.right) - Math.max(a.box.left, b.box.left);
        const height = Math.min(a.box.bottom, b.box.bottom) - Math.max(a.box.top, b.box.top);
        if (width > 1 && height > 3) found.push(`${figure.id}: "${a.word}" lies on "${b.word}"`);
      }
    }
  }
  return found;
}));

test("headings and labels of charts are whole in windows of any width", async () => {
  for (const run of ["run", "stress-9", "stress-36"]) {
    const { page, faults } = await open(browser, at(run, "report.html"));
    for (const width of [1600, 1000, 700, 420]) {
      await page.setViewportSize({ width, height: 900 });
      await page.waitForTimeout(300);
      assert.deepEqual(await crowded(page), [], `${run} at ${width}`);
      const over = await page.evaluate(() => document.documentElement.scrollWidth - document.documentElement.clientWidth);
      assert.ok(over <= 1, `${run} at ${width}: ${over} pixels too wide`);
      const cut = await page.$$eval("h1, h2, h3, #headline .value, #headline .note, #headline .label, #label, #identity dd", (found) => found.filter((element) => element.scrollWidth > element.clientWidth + 1 && getComputedStyle(element).display !== "inline").map((element) => element.textContent));
      assert.deepEqual(cut, [], `${run} at ${width}`);
      const inputs = await page.$$eval("input[type=search]", (found) => found.filter((input) => {
        const style = getComputedStyle(input);
        const pen = document.createElement("canvas").getContext("2d");
        pen.font = `${style.fontSize} ${style.fontFamily}`;
        return pen.measureText(input.placeholder).width > input.clientWidth - parseFloat(style.paddingLeft) - parseFloat(style.paddingRight);
      }).map((input) => input.placeholder));
      assert.deepEqual(inputs, [], `${run} at ${width}: placeholders are cut`);
      if (KEPT) await page.screenshot({ path: join(KEPT, `${run}-${width}.png`), fullPage: true });
    }
    assert.deepEqual(faults, []);
    await page.close();
  }
});

test("a row that is opened leaves the distances in view", async () => {
  const { page } = await open(browser, at("run", "report.html"));
  const table = "#table-at-risk .scroll";
  const right = () => page.$eval(`${table} > table`, (element) => element.getBoundingClientRect().right);
  const before = await right();
  await page.locator("#table-at-risk button.drill").first().click();
  assert.ok(await page.locator("#table-at-risk tr.more table").isVisible());
  assert.ok(Math.abs((await right()) - before) <= 1, "the table grew");
  const { head, frame } = await page.evaluate(() => {
    const scroll = document.querySelector("#table-at-risk .scroll").getBoundingClientRect();
    const heads = [...document.querySelectorAll("#table-at-risk .scroll > table > thead th")];
    return { head: heads.at(-1).getBoundingClientRect().right, frame: scroll.right };
  });
  assert.ok(head <= frame + 1, `the last column ends at ${head}, the view at ${frame}`);
  if (KEPT) await page.screenshot({ path: join(KEPT, "drill.png") });
  await page.close();
});

test("assumptions add up, and words are explained", async () => {
  const { page } = await open(browser, at("run", "report.html"));
  const { trust, identity } = await page.evaluate(() => JSON.parse(document.getElementById("data").textContent));
  const rows = await page.$$eval("#table-assumed tbody tr", (found) => found.map((row) => [...row.cells].map((cell) => cell.textContent)));
  assert.equal(rows.length, trust.figures.assumed);
  assert.equal(identity.label, LABEL);
  const number = (text) => (text === "\u2013" ? 0 : Number(text.replaceAll(",", "")));
  const most = Math.max(...rows.map((row) => number(row[2])));
  assert.ok(most > 0 && most <= trust.mmr_on_assumed * 1.0001 + 1, `${most} ${trust.mmr_on_assumed}`);
  assert.ok(rows.filter((row) => row[4].length > 1).length > rows.length / 2, "most say why");
  assert.ok((await page.locator("#words dt").count()) > 20);
  await page.close();
});

test("millions are M, not m", async () => {
  const { page } = await open(browser, at("run", "report.html"));
  const text = await page.evaluate(() => document.body.innerText);
  assert.ok(/\d\u202fM\b/.test(text) && !/\d\u202fm\b/.test(text), text.match(/\d\u202f\w+/g).join(" "));
  await page.close();
});

test("a small book has ticks on its axes", async () => {
  const { page } = await open(browser, at("run", "report.html"));
  const ticks = await page.$$eval("#chart-ratios svg g[aria-label='y-axis tick label'] text", (found) => found.map((text) => text.textContent));
  assert.ok(ticks.length >= 3 && ticks.length <= 8, ticks.join(" "));
  assert.equal(new Set(ticks).size, ticks.length, ticks.join(" "));
  await page.close();
});
