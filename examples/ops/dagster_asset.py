"""Margins the book every night (Dagster): the output folder is an asset, the figures of the run are its metadata."""

import json
import os
import shlex
import subprocess

from dagster import Definitions, Failure, MaterializeResult, ScheduleDefinition, asset, define_asset_job

COMMAND = (
    "remargin run data/sample --out out --force --quiet --summary json --metrics ops/night.prom --lineage ops/night.jsonl"
)

# Exit codes with which the results are written: 4, more broken rows than allowed; 5, accounts in liquidation.
WRITTEN = (0, 4, 5)


@asset
def margins() -> MaterializeResult:
    done = subprocess.run(
        shlex.split(COMMAND), cwd=os.environ.get("REMARGIN_HOME", "."), capture_output=True, text=True, check=False
    )
    if done.returncode not in WRITTEN:
        raise Failure(f"exit code {done.returncode}: {done.stderr}")
    summary = json.loads(done.stdout)
    return MaterializeResult(
        metadata={
            "exit_code": done.returncode,
            "as_of": summary["as_of"],
            "accounts": summary["accounts"]["margined"],
            "unmargined": summary["accounts"]["unmargined"],
            "at_risk": summary["accounts"]["at_risk"],
            "mmr_usd": summary["totals"]["mmr"],
        }
    )


night = define_asset_job("remargin_night", selection=[margins])
defs = Definitions(assets=[margins], jobs=[night], schedules=[ScheduleDefinition(job=night, cron_schedule="15 0 * * *")])
