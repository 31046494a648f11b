"""An end-of-day run in Python: load a book, margin it, stress it, plot it.

A notebook as a script: editors show cells after `# %%`. Plots go to the folder named on the command line, by
default `docs/images`.
"""

# %% A book. `remargin generate --accounts 2000 --seed 7 --out book` writes one; another can be given on the command line.
import sys
from pathlib import Path

import matplotlib
import matplotlib.pyplot as plt
import polars as pl

import remargin

book = Path(sys.argv[1] if len(sys.argv) > 1 else "book")
pictures = Path(sys.argv[2] if len(sys.argv) > 2 else "docs/images")
pictures.mkdir(parents=True, exist_ok=True)

market = remargin.Market.open(book)
positions, balances, accounts = (
    pl.read_parquet(book / f"{name}.parquet") for name in ("positions", "balances", "accounts")
)
print(market)

# %% Every account at the current market.
result = remargin.recalculate(positions, balances, market, accounts=accounts)
print(result)
margins = result.accounts.to_polars()
print(margins.group_by("status").agg(pl.len(), pl.sum("mmr"), pl.sum("adj_eq")).sort("len", descending=True))

# %% The accounts with the lowest margin ratios.
print(
    result.at_risk.to_polars()
    .select("account_id", "status", "margin_ratio", "shortfall_mmr", "worst_unit", "binding")
    .head(5)
)

# %% A grid of moves: all coins together, from -50 % to +50 %, with unchanged volatility and volatility +50 %.
grid = "grid *=-50%..50%/5%,vol=0%..50%/50%"
stressed = remargin.recalculate(positions, balances, market, accounts=accounts, scenarios=grid).accounts.to_polars()
by_scenario = (
    stressed.filter(pl.col("scenario") != "base")
    .group_by("scenario")
    .agg(
        liquidation=(pl.col("status") == "liquidation").sum(),
        mmr=pl.sum("mmr"),
        shortfall=pl.when(pl.col("total_eq") < 0).then(-pl.col("total_eq")).otherwise(0.0).sum(),
    )
    .with_columns(
        move=pl.col("scenario").str.extract(r"\* ([-+]?[\d.]+)%").cast(pl.Float64),
        vol=pl.col("scenario").str.extract(r"vol ([-+]?[\d.]+)%").cast(pl.Float64),
    )
    .sort("vol", "move")
)
print(by_scenario.head(3))

# %% Plots.
matplotlib.use("Agg")
plt.rcParams.update({"figure.dpi": 110, "axes.spines.top": False, "axes.spines.right": False, "axes.axisbelow": True})
figure, (left, right) = plt.subplots(1, 2, figsize=(10, 3.8), constrained_layout=True)
for (vol,), rows in by_scenario.group_by("vol", maintain_order=True):
    label = "volatility as it is" if vol == 0 else f"volatility {vol:+.0f} %"
    style = {"marker": ".", "linestyle": "-" if vol == 0 else "--", "label": label}
    left.plot(rows["move"], rows["liquidation"] / len(margins) * 100, **style)
    right.plot(rows["move"], rows["mmr"] / 1e6, **style)
left.set(xlabel="move of all coins, %", ylabel="accounts in liquidation, %", title="Who breaches")
right.set(xlabel="move of all coins, %", ylabel="MMR of all accounts, USD million", title="What they must hold")
for axes in (left, right):
    axes.grid(alpha=0.3)
    axes.legend(frameon=False)
figure.savefig(pictures / "stress.png")

# %% Distribution of margin ratios, and the binding component.
figure, (left, right) = plt.subplots(1, 2, figsize=(10, 3.8), constrained_layout=True)
ratios = margins.filter(pl.col("margin_ratio").is_between(0, 20))["margin_ratio"]
left.hist(ratios, bins=60, color="tab:blue")
left.axvline(1.0, color="tab:red", linewidth=1, label="liquidation at 1")
left.set(xlabel="margin ratio", ylabel="accounts", title="Margin ratios up to 20")
left.legend(frameon=False)
units = result.risk_units.to_polars()
largest = units.group_by("risk_unit").agg(pl.sum("mmr")).sort("mmr", descending=True).head(8)
right.barh(largest["risk_unit"].reverse(), largest["mmr"].reverse() / 1e6, color="tab:blue")
right.set(xlabel="MMR, USD million", title="The risk units that need most")
for axes in (left, right):
    axes.grid(alpha=0.3)
figure.savefig(pictures / "margins.png")
print(f"wrote {pictures}/stress.png and {pictures}/margins.png")
