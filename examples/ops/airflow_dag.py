"""Margins the book every night (Airflow 3)."""

from datetime import datetime, timezone

from airflow.providers.standard.operators.bash import BashOperator
from airflow.sdk import DAG

COMMAND = "remargin run data/sample --out out --force --quiet --metrics ops/night.prom --lineage ops/night.jsonl"

with DAG(
    "remargin_night",
    schedule="15 0 * * *",
    start_date=datetime(2026, 1, 1, tzinfo=timezone.utc),
    catchup=False,
    max_active_runs=1,
):
    # Any exit code but 0 fails the task. With 4 and 5 the results are written all the same.
    BashOperator(task_id="run", bash_command=COMMAND, cwd="/srv/remargin", append_env=True)
