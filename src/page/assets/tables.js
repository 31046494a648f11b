// Tables that sort by their headers, search, and open a row.

/** Orders any two cells; what is missing comes last either way. */
function compare(a, b, descending) {
  const missing = (x) => x === null || x === undefined || x === "";
  if (missing(a) || missing(b)) return missing(a) - missing(b);
  const order = typeof a === "number" && typeof b === "number" ? a - b : a < b ? -1 : a > b ? 1 : 0;
  return descending ? -order : order;
}

/** Red: what the column says is bad, else what is negative. */
function isBad(column, value, row) {
  return column.bad ? column.bad(row) : typeof value === "number" && value < 0;
}

/** Rows of a table on paper, as in the style sheet, and columns from which on a table has small type there. */
const ON_PAGE = 40;
const BROAD = 9;
const BROADER = 14;

/**
 * Fills `mount` with a table.
 *
 * `columns`: `{ label, value(row), show(value, row), num, about, kind, bad(row) }`; `show` gives text or an element,
 * `bad` says which cells are red.
 * `options`: `title`, `about`, `sorted` (`[column, descending]`), `search` (`(row) => text`), `filter`
 * (`{ label, of(row), names }`), `drill` (`(row) => element or null`), `empty`.
 */
function table(mount, columns, rows, options) {
  const body = h("tbody");
  const shown = h("span", { class: "about", role: "status" });
  const state = { sorted: options.sorted || null, text: "", only: "" };
  const entries = rows.map((row, place) => ({ row, place, tr: null, more: null, text: options.search ? options.search(row).toLowerCase() : "" }));

  const cell = (column, row) => {
    const value = column.value(row);
    const content = column.show ? column.show(value, row) : value === null || value === undefined ? NONE : value;
    const td = h("td", { class: [column.num ? "num" : "", column.kind || "", isBad(column, value, row) ? "neg" : ""].join(" ").trim() || null }, content);
    if (column.kind === "id" || column.kind === "path") td.title = String(value);
    return td;
  };

  const build = (entry) => {
    if (entry.tr) return entry.tr;
    const cells = columns.map((column) => cell(column, entry.row));
    if (options.drill) {
      const button = h("button", { class: "drill", type: "button", "aria-expanded": "false", "aria-label": "Show risk units of " + options.name(entry.row), click: () => toggle(entry, button) }, "\u25b8");
      cells.unshift(h("td", {}, button));
    }
    entry.tr = h("tr", {}, cells);
    return entry.tr;
  };

  const toggle = (entry, button) => {
    const open = entry.more === null;
    if (open) {
      entry.more = h("tr", { class: "more" }, h("td", { colspan: columns.length + 1 }, options.drill(entry.row)));
      entry.tr.after(entry.more);
    } else {
      entry.more.remove();
      entry.more = null;
    }
    button.setAttribute("aria-expanded", String(open));
    button.textContent = open ? "\u25be" : "\u25b8";
  };

  const draw = () => {
    let list = entries;
    if (state.only) list = list.filter((entry) => options.filter.of(entry.row) === state.only);
    if (state.text) list = list.filter((entry) => entry.text.includes(state.text));
    if (state.sorted) {
      const [column, descending] = state.sorted;
      const value = columns[column].order || columns[column].value;
      list = [...list].sort((a, b) => compare(value(a.row), value(b.row), descending) || a.place - b.place);
    }
    const nodes = [];
    for (const entry of list) {
      nodes.push(build(entry));
      if (entry.more) nodes.push(entry.more);
    }
    body.replaceChildren(...nodes);
    shown.textContent = list.length === rows.length ? "" : `${count(list.length)} of ${count(rows.length)} rows`;
    heads.forEach((head, column) => {
      const sort = state.sorted && state.sorted[0] === column ? (state.sorted[1] ? "descending" : "ascending") : "none";
      head.setAttribute("aria-sort", sort);
    });
  };

  const heads = columns.map((column, place) => {
    const sort = () => {
      const [current, descending] = state.sorted || [];
      state.sorted = [place, current === place ? !descending : Boolean(column.num)];
      draw();
    };
    return h("th", { scope: "col", class: column.num ? "num" : null, title: column.about }, h("button", { type: "button", click: sort }, column.label));
  });

  const tools = h("div", { class: "tools" }, shown);
  if (options.filter) {
    const select = h("select", { "aria-label": options.filter.label, change: () => { state.only = select.value; draw(); } },
      h("option", { value: "" }, options.filter.label),
      options.filter.names.map(([value, label]) => h("option", { value }, label)));
    tools.append(select);
  }
  if (options.search) {
    const input = h("input", { type: "search", size: Math.max(14, (options.placeholder || "").length + 2), placeholder: options.placeholder || "Search", "aria-label": options.placeholder || "Search", input: () => { state.text = input.value.trim().toLowerCase(); draw(); } });
    tools.append(input);
  }

  mount.classList.add(mount.classList.contains("card") ? "card" : "list");
  mount.replaceChildren(caption(options.title, options.about, tools));
  if (rows.length === 0) {
    mount.append(h("p", { class: "empty" }, options.empty || "None."));
    return;
  }
  const lead = options.drill ? [h("th", { scope: "col" }, h("span", { class: "unseen" }, "Units"))] : [];
  const scroll = h("div", { class: "scroll", tabindex: "0", role: "region", "aria-label": options.title },
    h("table", columns.length > BROAD ? { class: columns.length > BROADER ? "broad broader" : "broad" } : {}, h("thead", {}, h("tr", {}, lead, heads)), body));
  mount.append(scroll);
  if (rows.length > ON_PAGE) mount.append(h("p", { class: "about paper" }, `On paper the first ${ON_PAGE} rows; ${count(rows.length)} are on the page and all in the tables.`));
  draw();
}

function caption(title, about, tools, tag = "div") {
  return h(tag, { class: "caption" }, h("h3", {}, title), about ? h("span", { class: "about" }, about) : null, tools || null);
}
