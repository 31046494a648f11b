// The accounts of each group margined as one: what that saves.

const NETTED = Object.fromEntries(["group", "status", "accounts", "mmr_sum", "mmr_netted", "mmr_benefit", "imr_sum", "imr_netted", "imr_benefit", "adj_eq", "ratio"].map((name, place) => [name, place]));

function nettingSection(data) {
  const { by, total, accounts, with_benefit, with_cost, mmr, imr, rows } = data.netting;
  const saved = ([sum, netted, benefit]) => `${usd(benefit)} of ${usd(sum)}${sum ? ` (${percent(benefit / sum)})` : ""}, ${usd(netted)} is left`;
  byId("netting-notes").replaceChildren(h("p", { class: "about" },
    `${count(accounts)} accounts are netted in ${count(total)} groups by ${by}. Netting saves in USD: MMR ${saved(mmr)}; IMR ${saved(imr)}. It saves MMR in ${count(with_benefit)} groups and costs in ${count(with_cost)}.`));
  const cell = (name) => (row) => row[NETTED[name]];
  const money = (label, name, about) => ({ label, num: true, value: cell(name), show: usd, about });
  const file = data.identity.outputs.map((output) => output.path).find((path) => path.startsWith("netting.")) || "netting";
  table(byId("table-netting"), [
    { label: "Group", value: cell("group"), kind: "id", show: shortName },
    { label: "Accounts", num: true, value: cell("accounts"), show: count },
    money("MMR one by one", "mmr_sum", "USD, the sum over the accounts"), money("MMR as one", "mmr_netted", "USD of MMR of the accounts as one"),
    money("Benefit", "mmr_benefit", "USD of MMR that netting saves; negative where it costs"),
    { label: "Share", num: true, value: (row) => (row[NETTED.mmr_sum] ? row[NETTED.mmr_benefit] / row[NETTED.mmr_sum] : null), show: (x) => percent(x), about: "Share of the MMR of the accounts one by one" },
    money("IMR one by one", "imr_sum"), money("IMR as one", "imr_netted"), money("IMR benefit", "imr_benefit"),
    money("Adj. equity as one", "adj_eq", "Discounts have tiers by amount"),
    { label: "Ratio as one", num: true, value: cell("ratio"), show: ratio },
    { label: "Status as one", value: cell("status"), show: (status) => statusName(status) },
  ], rows, {
    title: "Netting by " + by, about: rows.length < total ? `the ${count(rows.length)} groups with the largest benefit and the largest cost; ${count(total - rows.length)} more in ${file}` : `the largest benefit first; also in ${file}`,
    search: (row) => row[NETTED.group], placeholder: "Search group", empty: "There is no group of which every attribute is known.",
  });
}
