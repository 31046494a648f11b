"use strict";
// Elements and numbers. Text reaches the page through textContent alone.

/** An element: attributes, `class` and event listeners by name, then children; strings become text. */
function h(tag, attributes, ...children) {
  const element = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes || {})) {
    if (value === null || value === undefined || value === false) continue;
    if (typeof value === "function") element.addEventListener(name, value);
    else element.setAttribute(name, value === true ? "" : value);
  }
  const nodes = children.flat().filter((child) => child !== null && child !== undefined);
  element.append(...nodes.map((child) => (child instanceof Node ? child : document.createTextNode(String(child)))));
  return element;
}

const byId = (id) => document.getElementById(id);
const NONE = "\u2013";
const MINUS = "\u2212";

const grouping = new Intl.NumberFormat("en-US", { maximumFractionDigits: 0 });
const cents = new Intl.NumberFormat("en-US", { minimumFractionDigits: 2, maximumFractionDigits: 2 });
const signed = (text) => text.replace("-", MINUS);

/** 1,234,567 */
const count = (x) => (x === null ? NONE : signed(grouping.format(x)));
/** Whole dollars, cents below a thousand. */
const usd = (x) => (x === null ? NONE : signed((Math.abs(x) < 1000 && x % 1 !== 0 ? cents : grouping).format(x)));
/** 1.23 bn */
function short(x) {
  if (x === null) return NONE;
  const units = [[1e15, "e15"], [1e12, "tn"], [1e9, "bn"], [1e6, "M"], [1e3, "k"]];
  const [size, unit] = units.find(([size]) => Math.abs(x) >= size * 0.9995) || [1, ""];
  const scaled = x / size;
  const decimals = unit === "" ? (scaled % 1 === 0 ? 0 : 2) : Math.abs(scaled) < 9.995 ? 2 : Math.abs(scaled) < 99.95 ? 1 : 0;
  return signed(scaled.toFixed(decimals)) + (unit && "\u202f" + unit);
}
/** For axes: no needless zeros. */
const tick = (x) => short(x).replace(/(\.\d*?)0+(?=\D|$)/, "$1").replace(/\.(?=\D|$)/, "");
/** 12.3 % */
function percent(x, decimals = 1) {
  if (x === null || x === undefined || !Number.isFinite(x)) return NONE;
  const least = 10 ** -(decimals + 2);
  if (x > 0 && x < least / 2) return "<\u202f" + (least * 100).toFixed(decimals) + "\u202f%";
  return signed((x * 100).toFixed(decimals)) + "\u202f%";
}
/** A margin ratio. */
const ratio = (x) => (x === null ? NONE : signed(Math.abs(x) >= 1000 ? grouping.format(x) : x.toFixed(Math.abs(x) < 10 ? 3 : 1)));
/** Six digits of any figure. */
const plain = (x) => (x === null ? NONE : signed(Number(x.toPrecision(6)).toLocaleString("en-US", { maximumSignificantDigits: 6 })));
const move = (x) => (x === null ? NONE : (x > 0 ? "+" : "") + percent(x));

/** A text of at most so many characters: of a longer one the beginning and the end, by which names differ. */
function clipped(text, most) {
  if (text.length <= most) return text;
  const head = Math.ceil((most - 1) * 0.6);
  return text.slice(0, head) + "\u2026" + text.slice(text.length - (most - 1 - head));
}

/** A name in a table, whose tip has all of it. */
const shortName = (text) => clipped(text, 48);

const STATUSES = ["liquidation", "near_liquidation", "warning", "healthy", "no_risk"];
const STATUS_NAMES = { liquidation: "Liquidation", near_liquidation: "Near liquidation", warning: "Warning", healthy: "Healthy", no_risk: "No risk" };
const statusColor = (status) => `var(--${STATUSES.includes(status) ? status : "no_risk"})`;
const SHORT_NAMES = { liquidation: "Liq.", near_liquidation: "Near", warning: "Warn", healthy: "OK", no_risk: "None" };
const statusName = (status) => STATUS_NAMES[status] || status;
const TERMS = ["mr1", "mr2", "mr6", "mr3", "mr4", "mr5", "mr9", "mr7"];
const TERM_COLORS = { mr1: "#4a78d6", mr2: "#e8ab17", mr6: "#f0684f", mr3: "#9a6b4b", mr4: "#45b39d", mr5: "#e77fb3", mr9: "#9a63e0", mr7: "#8693a1", none: "#c6ced6" };
const TERM_ABOUT = { mr1: "spot and volatility", mr2: "theta", mr3: "term structure", mr4: "basis", mr5: "interest rate", mr6: "extreme move", mr7: "minimum charge", mr9: "stablecoins", none: "no margin" };
const upper = (term) => (term ? term.toUpperCase() : NONE);

const statusCell = (status) => {
  const dot = h("i");
  dot.style.background = statusColor(status);
  return h("span", { class: "status" }, dot, statusName(status));
};
