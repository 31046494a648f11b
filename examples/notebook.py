"""Two days of a small book, cell by cell.

Editors show the cells between the `# %%` lines as a notebook. As a script: `python3 examples/notebook.py`, from the
root of the repository, with `remargin` on the path. It needs the standard library alone.
"""

# %% Where results go, and a function that starts the command
import csv
import json
import subprocess
import tempfile
from pathlib import Path

place = Path(tempfile.mkdtemp(prefix="remargin-"))


def remargin(*words):
    """Starts the command; what it writes to stdout. A failure stops the notebook with the command's own words."""
    done = subprocess.run(["remargin", *map(str, words)], capture_output=True, text=True)
    if done.returncode:
        raise SystemExit(done.stderr)
    return done.stdout


# %% Margin both days
summaries = {}
for day in ("yesterday", "today"):
    answer = remargin("run", f"examples/{day}", "--out", place / day, "--format", "csv", "--summary", "json", "--label", day)
    summaries[day] = json.loads(answer)
    totals = summaries[day]["totals"]
    print(f"{day:10} MMR {totals['mmr']:12,.0f} USD, equity {totals['adj_eq']:12,.0f} USD")

# %% Who is at risk today
with open(place / "today" / "at_risk.csv", newline="") as file:
    for row in csv.DictReader(file):
        print(f"{row['account_id']:8} {row['status']:16} ratio {float(row['margin_ratio']):.3f}, worst unit {row['worst_unit']}")

# %% What changed, and why
change = json.loads(remargin("compare", place / "yesterday", place / "today", "--format", "json"))
print(json.dumps(change["accounts"]))

# %% A crash over today's book
remargin("stress", "examples/today", "--out", place / "stress", "--shocks", "examples/scenarios.csv", "--format", "csv", "--quiet")
with open(place / "stress" / "scenarios.csv", newline="") as file:
    for row in csv.DictReader(file):
        print(f"{row['scenario']:6} in liquidation {row['liquidation']}, MMR {float(row['mmr']):12,.0f} USD")

# %% Every step of one account
steps = json.loads(remargin("explain", "examples/today", "--account", "long", "--distance", "--format", "json"))
for unit in steps["units"]:
    print(f"{unit['risk_unit']:9} MMR {unit['mmr']:10,.2f} USD, {unit['binding']} binds")
for step in steps["distances"]:
    print(f"{step['base']:4} fall to liquidation: {step['down']['price_move']}")
