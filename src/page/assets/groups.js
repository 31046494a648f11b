// Accounts put together by attributes: a table for each grouping, with the units and the accounts at risk of a group.

const GROUP = Object.fromEntries(["accounts", "liquidation", "near_liquidation", "warning", "healthy", "no_risk", "at_risk", "im_deficit", "adj_eq", "total_eq", "mmr", "imr", "shortfall_mmr", "shortfall_imr", "shortfall", "hedge_saving", "borrow_mmr", "mr1", "mr2", "mr3", "mr4", "mr5", "mr6", "mr7", "mr9", "mmr_share", "worst_ratio"].map((name, place) => [name, place]));
const GROUP_UNIT_HEADS = ["Risk unit", "Accounts", "MMR", "IMR", "Cash delta", "Gamma", "Vega", "Theta"];

function groupSection(data) {
  const { by, total } = data.groups;
  const tables = by.map((grouping) => {
    const mount = h("div", {});
    groupTable(mount, grouping, data);
    return mount;
  });
  if (by.length < total) tables.push(h("p", { class: "about" }, `and ${count(total - by.length)} more groupings in the table groups`));
  byId("tables-groups").replaceChildren(...tables);
}

/** The attributes of a grouping; one with a comma in its name stands in double quotes. */
function attributes(by) {
  return by.match(/"(?:[^"]|"")*"|[^,]+/g) || [];
}

function groupTable(mount, grouping, data) {
  const { rows, total } = grouping;
  const figure = (name) => (row) => row.figures[GROUP[name]];
  const number = (label, name, show, about) => ({ label, num: true, value: figure(name), show, about });
  const scenarios = rows.some((row) => row.scenario);
  const worst = (label, place, show, about) => ({ label, num: true, value: (row) => (row.scenario ? row.scenario[1][place] : null), show, about });
  const columns = [
    { label: "Group", value: (row) => row.group, kind: "id", show: shortName },
    number("Accounts", "accounts", count), number("In liquidation", "liquidation", count), number("At risk", "at_risk", count, "In liquidation, near it, or below IMR"),
    number("Adj. equity", "adj_eq", usd), number("MMR", "mmr", usd), number("Share", "mmr_share", (x) => percent(x), "Share of the MMR of the book"),
    ...(scenarios ? [
      { label: "Worst scenario", value: (row) => (row.scenario ? row.scenario[0] : null), kind: "id", show: (name) => (name === null ? NONE : shortName(name)), about: "Most accounts in liquidation, of equals the largest shortfall, then the least equity" },
      worst("In liquidation there", 0, count), worst("Shortfall there", 1, usd, "USD that accounts owe beyond all they have"), worst("MMR there", 3, usd),
    ] : [
      number("IMR", "imr", usd),
      number("Short of MMR", "shortfall_mmr", usd, "USD of equity that accounts are short of MMR and liquidation fee"),
      number("Hedging saves", "hedge_saving", usd, "USD of MMR that spot hedging saves"),
    ]),
    { label: "Worst account", value: (row) => row.worst_account, kind: "id", about: "The account with the lowest margin ratio" },
    number("Its ratio", "worst_ratio", ratio),
  ];
  const left = total - rows.length;
  const file = data.identity.outputs.map((output) => output.path).find((path) => path.startsWith("groups.")) || "groups";
  const about = left > 0 ? `the ${count(rows.length)} with the largest MMR; ${count(left)} more in ${file}` : `${count(total)} ${total === 1 ? "group" : "groups"}, largest MMR first; also in ${file}`;
  table(mount, columns, rows, {
    title: "By " + attributes(grouping.by).join(", "), about, placeholder: "Search group, account", search: (row) => [row.group, row.worst_account].join(" "),
    drill: (row) => groupDrill(row, data), name: (row) => row.group, empty: "There is no account.",
  });
}

/** What the MMR of a group is made of, its units, and those of its accounts at risk that the page lists. */
function groupDrill(row, data) {
  const value = (name) => row.figures[GROUP[name]];
  const statuses = STATUSES.filter((status) => value(status)).map((status) => `${count(value(status))} ${statusName(status).toLowerCase()}`);
  const terms = [...TERMS, "borrow_mmr"].filter((term) => value(term)).map((term) => `${term === "borrow_mmr" ? "borrowing" : upper(term)} ${usd(value(term))}`);
  const [units, more] = row.units;
  const shown = row.accounts.map((place) => data.at_risk.rows[place]);
  const cells = (values, tag, show) => values.map((cell, place) => h(tag, { scope: tag === "th" ? "col" : null, class: place > 0 ? "num" + (tag === "td" && cell < 0 ? " neg" : "") : null }, tag === "th" ? cell : show(cell, place)));
  const unit = (cell, place) => (place === 0 ? cell : place === 1 ? count(cell) : usd(cell));
  const account = (cell, place) => (place === 0 ? cell : place === 1 ? ratio(cell) : usd(cell));
  const list = (label, heads, lines, show) => h("table", { "aria-label": label }, h("thead", {}, h("tr", {}, cells(heads, "th"))), h("tbody", {}, lines.map((line) => h("tr", {}, cells(line, "td", show)))));
  const missing = value("at_risk") - shown.length;
  return h("div", { class: "units" },
    h("p", { class: "about" }, [`Accounts: ${statuses.join(", ")}`, terms.length ? `MMR in USD: ${terms.join(", ")}` : "no MMR"].join(". ") + "."),
    units.length ? list("Risk units of " + row.group, GROUP_UNIT_HEADS, units, unit) : null,
    more ? h("p", { class: "about" }, `and ${count(more)} more risk units in the table group_units`) : null,
    shown.length ? list("Accounts at risk of " + row.group, ["Account at risk", "Ratio", "Short of MMR", "Adj. equity", "MMR"], shown.map((of) => ["id", "ratio", "short_mmr", "adj_eq", "mmr"].map((name) => of[AT[name]])), account) : null,
    missing > 0 ? h("p", { class: "about" }, `${shown.length ? "and " + count(missing) + " more" : count(missing)} at risk: join at_risk with account_groups`) : null);
}
