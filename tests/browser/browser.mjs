// Headless Chromium, books for it, and what a page asked of the world.

import { execFileSync } from "node:child_process";
import { copyFileSync, existsSync, mkdirSync, mkdtempSync, readFileSync, readdirSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join, resolve } from "node:path";
import { fileURLToPath, pathToFileURL } from "node:url";
import { chromium } from "playwright-core";

const root = resolve(dirname(fileURLToPath(import.meta.url)), "../..");
const binary = process.env.REMARGIN_BIN || join(process.env.CARGO_TARGET_DIR || join(root, "target"), "debug/remargin");
const browserPath = process.env.CHROMIUM || ["/usr/bin/chromium", "/usr/bin/chromium-browser", "/usr/bin/google-chrome"].find(existsSync);

/** A folder that is gone after the tests. */
export function scratch() {
  const place = mkdtempSync(join(tmpdir(), "remargin-browser-"));
  return { place, remove: () => rmSync(place, { recursive: true, force: true }) };
}

/** Runs remargin; its stdout. Exit codes of finished runs are no failure. */
export function remargin(...args) {
  try {
    return execFileSync(binary, args, { encoding: "utf8", cwd: root, stdio: ["ignore", "pipe", "pipe"] });
  } catch (error) {
    if (error.status === 4) return error.stdout;
    throw new Error(`remargin ${args.join(" ")}: exit ${error.status}\n${error.stderr}`);
  }
}

/** The sample snapshot as `to`, each table's text changed by `change(name, text)`. */
export function changedSample(to, change) {
  mkdirSync(to);
  const sample = join(root, "data/sample");
  for (const name of readdirSync(sample)) {
    if (name.endsWith(".csv")) writeFileSync(join(to, name), change(name, readFileSync(join(sample, name), "utf8")));
    else copyFileSync(join(sample, name), join(to, name));
  }
}

/** A browser, for pages that are opened one by one. */
export async function launch(place) {
  if (!browserPath) throw new Error("no Chromium: install it (apt-get install chromium) or name it in CHROMIUM");
  const flags = ["--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking", "--disable-component-update", "--disable-sync"];
  const profile = join(place, "profile");
  return chromium.launchPersistentContext(profile, { executablePath: browserPath, headless: true, args: flags, viewport: { width: 1400, height: 900 }, acceptDownloads: false });
}

/** Opens a page from disk. `faults` gathers console errors, exceptions, dialogs and requests for anything else. */
export async function open(browser, file, options = {}) {
  const page = await browser.newPage();
  const faults = [];
  const own = pathToFileURL(file).href;
  page.on("console", (message) => ["error", "warning"].includes(message.type()) && faults.push(`console: ${message.text()}`));
  page.on("pageerror", (error) => faults.push(`exception: ${error.stack}`));
  page.on("dialog", (dialog) => { faults.push(`dialog: ${dialog.message()}`); dialog.dismiss(); });
  page.on("request", (request) => request.url().split("#")[0] !== own && !request.url().startsWith("data:") && faults.push(`request: ${request.url()}`));
  await page.emulateMedia(options);
  await page.goto(own);
  await page.waitForSelector("html[data-ready=true]");
  return { page, faults };
}
