#!/usr/bin/env python3
"""Compares remargin with scripts that a user could write instead, on one snapshot, in one run.

    scripts/peers/run.py                          10 M positions, medians of 5
    scripts/peers/run.py --accounts 100000 --runs 1
    scripts/peers/run.py --json peers.json
    scripts/peers/run.py --stress 32              price scenarios instead: `remargin stress` and numba

Makes a virtual environment with pinned packages, builds remargin (release), generates the book, runs all in turn in
random order, compares every result with remargin's (1e-9), and prints wall time, CPU time, peak memory and ratios.

What is timed: of remargin the whole process, start to exit. Of the peers only the work, reading and writing included:
starting Python, imports and numba's compilation are shown apart. Memory is the peak of the whole process for each.
Not shown: remargin also checks the input row by row, hashes inputs and outputs, syncs its files to disk and writes
the list of accounts at risk, the rejects, a summary and a manifest; the peers do none of that. Inputs
are in the page cache.
"""

import argparse
import hashlib
import json
import os
import platform
import random
import shutil
import statistics
import subprocess
import sys
import time
from datetime import date
from pathlib import Path

HERE = Path(__file__).resolve().parent
ROOT = HERE.parents[1]
PEERS = {
    "remargin": "whole model",
    "numba_model": "whole model",
    "scipy_csr": "MR1, MR6, MMR",
    "polars_frame": "MR1, MR6, MMR",
    "duckdb_sql": "MR1, MR6, MMR",
}
STRESS = {
    "remargin": "sums and counts, worst scenario, migration, hedges",
    "numba, 16 at once": "sums and counts",
    "numba, one at a time": "sums and counts",
}
LANES = 16
UNHEDGED = "default_spot_offset=none"


def arguments():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--accounts", type=int, default=1_000_000, help="accounts of about ten positions")
    parser.add_argument("--runs", type=int, default=5, help="runs of each; medians are printed")
    parser.add_argument("--seed", type=int, default=1, help="of the book")
    parser.add_argument("--work", type=Path, default=ROOT / "target/peers", help="folder for books and results")
    parser.add_argument("--remargin", type=Path, help="a release binary, instead of building one")
    parser.add_argument("--only", nargs="+", choices=PEERS, default=list(PEERS), help="run these alone")
    parser.add_argument("--stress", type=int, nargs="?", const=64, metavar="N",
                        help="compare stresses of N random scenarios [64], and of a quarter of them (at least 16)")
    parser.add_argument("--one-at-a-time", action="store_true",
                        help="with --stress: also numba with one scenario after the other, which is slow")
    parser.add_argument("--json", type=Path, help="write every run to this file")
    return parser.parse_args()


def environment(work):
    """Python of a virtual environment with exactly the pinned packages."""
    folder = work / "venv"
    python, stamp = folder / "bin/python", folder / "requirements.txt"
    pinned = (HERE / "requirements.txt").read_text()
    if not stamp.exists() or stamp.read_text() != pinned:
        shutil.rmtree(folder, ignore_errors=True)
        subprocess.run([sys.executable, "-m", "venv", folder], check=True)
        subprocess.run([python, "-m", "pip", "install", "--quiet", "-r", HERE / "requirements.txt"], check=True)
        stamp.write_text(pinned)
    return python


def build():
    """The release binary."""
    subprocess.run(["cargo", "build", "--release", "--locked"], cwd=ROOT, check=True)
    return Path(os.environ.get("CARGO_TARGET_DIR", ROOT / "target")) / "release/remargin"


def books(remargin, accounts, seed, work):
    """The book, and a copy without the table of hedging modes, so that a rule can switch hedging off."""
    book, bare = work / f"book-{accounts}-{seed}", work / f"book-{accounts}-{seed}-unhedged"
    if not book.exists():
        subprocess.run([remargin, "generate", "--accounts", str(accounts), "--seed", str(seed), "--out", book],
                       check=True)
    bare.mkdir(exist_ok=True)
    for file in book.iterdir():
        link = bare / file.name
        if file.name not in ("accounts.parquet", "checksums") and not link.exists():
            link.symlink_to(file)
    return book, bare


def run(command):
    """Runs a command to its end: wall, CPU and peak memory of the process, and its last line."""
    environment = os.environ | {"PYTHONDONTWRITEBYTECODE": "1"}
    # Needed for old OpenBLAS builds on some machines; current ones choose better.
    for name in ("OPENBLAS_CORETYPE", "OPENBLAS_L2_SIZE"):
        environment.pop(name, None)
    start = time.perf_counter()
    child = subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env=environment)
    output = child.stdout.read()
    _, status, usage = os.wait4(child.pid, 0)
    child.returncode = os.waitstatus_to_exitcode(status)
    wall = time.perf_counter() - start
    if child.returncode != 0:
        sys.exit(f"failed with {child.returncode}: {' '.join(map(str, command))}")
    return {"wall": wall, "cpu": usage.ru_utime + usage.ru_stime, "peak_mib": usage.ru_maxrss / 1024}, output


def measure(name, tools, book, out):
    """One run of one peer: its work, and the time spent before."""
    shutil.rmtree(out, ignore_errors=True)
    if name == "remargin":
        process, _ = run([tools["remargin"], "run", book, "--out", out, "--quiet"])
        return process | {"apart_cpu": 0.0, "before_work_mib": 0.0}
    return measure_script([tools["python"], HERE / f"{name}.py", book, out])


def measure_script(command):
    """One run of a peer."""
    process, output = run(command)
    work = json.loads(output.splitlines()[-1])
    return work | {"apart_cpu": process["cpu"] - work["cpu"]}


def measure_stress(name, tools, book, shocks, out):
    """One stress."""
    if name == "remargin":
        process, _ = run([tools["remargin"], "stress", book, "--shocks", shocks, "--out", out, "--detail", "none",
                          "--distance", "none", "--no-report", "--quiet", "--force"])
        return process | {"apart_cpu": 0.0}
    lanes = 1 if name == "numba, one at a time" else LANES
    return measure_script([tools["python"], HERE / "numba_stress.py", book, shocks, out, str(lanes)])


def verify(names, tools, bare, outputs):
    """Compares the results, every figure of every row."""
    lines = []
    reference = outputs / "remargin-unhedged"
    subsets = [name for name in names if PEERS[name] != "whole model"]
    if subsets:
        run([tools["remargin"], "run", bare, "--out", reference, "--set", UNHEDGED, "--quiet", "--force"])
    for name in names:
        if name == "remargin":
            continue
        check = "whole_model" if PEERS[name] == "whole model" else "subset"
        ours = outputs / "remargin" if check == "whole_model" else reference
        code = f"import verify; print(verify.{check}({str(ours)!r}, {str(outputs / name)!r}))"
        lines.append(f"{name}: equal to remargin within 1e-9; rows, worst difference in units of that: "
                     f"{compared(tools, code)}")
    return lines


def compared(tools, code):
    """What a comparison prints; one that finds a difference ends the program."""
    done = subprocess.run([tools["python"], "-c", code], cwd=HERE, stdout=subprocess.PIPE, text=True,
                          env=os.environ | {"PYTHONDONTWRITEBYTECODE": "1"})
    if done.returncode != 0:
        sys.exit("the results differ")
    return done.stdout.strip()


def machine():
    """The machine."""
    try:
        cpu = next(line.split(":")[1].strip() for line in open("/proc/cpuinfo") if line.startswith("model name"))
    except (OSError, StopIteration):
        cpu = platform.processor() or "unknown processor"
    return f"{cpu}, {os.cpu_count()} cores, {platform.system()} {platform.release()}, {date.today()}"


def table(results, positions):
    """Medians as Markdown, with ratios to remargin."""
    median = {name: {key: statistics.median(run[key] for run in runs) for key in
                     ("wall", "cpu", "peak_mib", "before_work_mib", "apart_cpu")} for name, runs in results.items()}
    ours = median.get("remargin")
    print("| | computes | wall s | CPU s | peak MiB | of which before work | M positions/core-s | apart, CPU s "
          "| wall | CPU | memory |")
    print("|---|---|---|---|---|---|---|---|---|---|---|")
    for name, m in sorted(median.items(), key=lambda item: item[1]["cpu"]):
        ratios = [f"{m[key] / ours[key]:.2f}x" for key in ("wall", "cpu", "peak_mib")] if ours else [""] * 3
        print(f"| {name} | {PEERS[name]} | {m['wall']:.2f} | {m['cpu']:.2f} | {m['peak_mib']:.0f} "
              f"| {m['before_work_mib']:.0f} | {positions / m['cpu'] / 1e6:.2f} | {m['apart_cpu']:.2f} "
              f"| {' | '.join(ratios)} |")
    print("\nThe last three columns are multiples of remargin's; `apart` is starting Python, imports and compilation.")


def stress(args, tools, book, work):
    """Compares stresses of N scenarios and of a quarter of them; the difference is what a further scenario costs."""
    # The script computes 16 scenarios at once: multiples of that leave none of its lanes empty.
    counts = (args.stress, max(LANES, args.stress // 4 // LANES * LANES))
    if args.stress % LANES != 0 or args.stress == counts[1]:
        sys.exit(f"the number of scenarios must be a multiple of {LANES}, and at least {2 * LANES}")
    shocks = {count: work / f"shocks-{count}-{args.seed}.csv" for count in counts}
    for count, path in shocks.items():      # the shorter table is the beginning of the longer
        run([tools["python"], HERE / "shocks.py", book, path, str(count), str(args.seed)])
    # numba keeps what it compiled, as long as no script changes.
    scripts = b"".join(path.read_bytes() for path in sorted(HERE.glob("*.py")))
    os.environ["NUMBA_CACHE_DIR"] = str(work / f"numba-{hashlib.sha256(scripts).hexdigest()[:12]}")
    outputs = work / "out"
    outputs.mkdir(exist_ok=True)
    names = list(STRESS)[: 3 if args.one_at_a_time else 2]
    cases = [(name, count) for name in names for count in counts]
    for name in names[1:]:      # compiles
        measure_stress(name, tools, book, shocks[counts[1]], outputs / "compiled.csv")
    results = {case: [] for case in cases}
    for turn in range(args.runs):
        for name, count in random.sample(cases, len(cases)):
            took = measure_stress(name, tools, book, shocks[count], outputs / f"{name}-{count}")
            results[name, count].append(took)
            print(f"run {turn + 1}, {name}, {count} scenarios: wall {took['wall']:.2f} s, CPU {took['cpu']:.2f} s",
                  file=sys.stderr)
    for name, count in cases:
        if name != "remargin":
            ours, theirs = (str(outputs / f"{peer}-{count}") for peer in ("remargin", name))
            found = compared(tools, f"import verify; print(verify.stress({ours!r}, {theirs!r}))")
            print(f"{name}, {count} scenarios and the base case: equal, counts exactly, sums within 1e-9; worst in "
                  f"units of that: {found}")
    shutil.rmtree(outputs)
    return results


def stress_table(results):
    """Medians as Markdown, with ratios to remargin."""
    median = {case: {key: statistics.median(run[key] for run in runs) for key in
                     ("wall", "cpu", "peak_mib", "apart_cpu")} for case, runs in results.items()}
    most, least = (choose(count for _, count in median) for choose in (max, min))
    names = list(dict.fromkeys(name for name, _ in median))
    further = {name: {key: (median[name, most][key] - median[name, least][key]) / (most - least) * 1000
                      for key in ("wall", "cpu")} for name in names}
    print(f"\n| {most} scenarios | computes | wall s | CPU s | peak MiB | CPU ms per scenario | one further scenario, "
          "CPU ms | wall ms | apart, CPU s |")
    print("|---|---|---|---|---|---|---|---|---|")
    for name in names:
        m = median[name, most]
        print(f"| {name} | {STRESS[name]} | {m['wall']:.2f} | {m['cpu']:.2f} | {m['peak_mib']:.0f} "
              f"| {m['cpu'] / most * 1000:.1f} | {further[name]['cpu']:.1f} | {further[name]['wall']:.1f} "
              f"| {m['apart_cpu']:.2f} |")
    print(f"\n| multiples of remargin | {most} scenarios, wall | CPU | {least} scenarios, wall | CPU "
          "| one further scenario, wall | CPU |\n|---|---|---|---|---|---|---|")
    for name in names[1:]:
        pairs = [(median[name, count], median["remargin", count]) for count in (most, least)]
        pairs.append((further[name], further["remargin"]))
        print(f"| {name} | {' | '.join(f'{a[key] / b[key]:.2f}x' for a, b in pairs for key in ('wall', 'cpu'))} |")


def save(path, found):
    """Every run, if asked for."""
    if path:
        path.write_text(json.dumps(found, indent=1))


def main():
    args = arguments()
    args.work.mkdir(parents=True, exist_ok=True)
    work = args.work.resolve()
    tools = {"python": environment(work), "remargin": (args.remargin or build()).resolve()}
    book, bare = books(tools["remargin"], args.accounts, args.seed, work)
    counted = "import pyarrow.parquet as pq, sys; print(pq.read_metadata(sys.argv[1]).num_rows)"
    _, rows = run([tools["python"], "-c", counted, book / "positions.parquet"])
    heading = f"{int(rows):,} positions of {args.accounts:,} accounts; medians of {args.runs}; {machine()}\n"
    if args.stress:
        results = stress(args, tools, book, work)
        print(f"\n{heading}", end="")
        stress_table(results)
        named = [{"peer": name, "scenarios": count, "runs": runs} for (name, count), runs in results.items()]
        save(args.json, {"machine": machine(), "positions": int(rows), "stress": named})
        return
    outputs = work / "out"
    results = {name: [] for name in args.only}
    for turn in range(args.runs):
        for name in random.sample(args.only, len(args.only)):
            snapshot = book if PEERS[name] == "whole model" else bare
            results[name].append(measure(name, tools, snapshot, outputs / name))
            took = results[name][-1]
            print(f"run {turn + 1}, {name}: wall {took['wall']:.2f} s, CPU {took['cpu']:.2f} s", file=sys.stderr)
    print(heading)
    table(results, int(rows))
    if "remargin" in args.only:
        print()
        print("\n".join(verify(args.only, tools, bare, outputs)))
    save(args.json, {"machine": machine(), "positions": int(rows), "runs": results})
    shutil.rmtree(outputs, ignore_errors=True)


if __name__ == "__main__":
    main()
