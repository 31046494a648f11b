"""The end-of-day run of a partitioned snapshot on Spark.

    remargin partition snapshot --buckets 256 --out /shared/buckets
    spark-submit python/jobs/eod.py /shared/buckets --out /shared/margins --set risk_unit=merged

Each task writes the tables of its bucket below the output folder, which all workers must share. Exit code 5 with
``--fail-on liquidation`` if accounts are in liquidation, like the command.
"""

from __future__ import annotations

import argparse
import sys

from pyspark.sql import SparkSession

import remargin
from remargin.spark import recalculate_buckets


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="eod.py", description="margins every account of a partition on Spark")
    parser.add_argument("buckets", help="folder that `remargin partition` wrote")
    parser.add_argument("--out", required=True, help="folder to write; must not exist")
    parser.add_argument("--rules", help="rules file in place of the built-in set")
    parser.add_argument("--set", action="append", default=[], metavar="KEY=VALUE", help="one parameter; repeatable")
    parser.add_argument("--scenario", action="append", default=[], metavar="MOVES", help="`crash: *=-50%%`; repeatable")
    parser.add_argument("--by", action="append", default=[], metavar="COLUMNS", help="`desk,region`; repeatable")
    parser.add_argument("--limits", metavar="FILE", help="a file of limits: the table `breaches` is written too")
    parser.add_argument("--allow-rules-date", action="store_true", help="accept a snapshot older than the rules")
    parser.add_argument("--fail-on", choices=["liquidation"], help="exit code 5 if accounts are in this state")
    return parser.parse_args()


def main() -> int:
    args = arguments()
    spark = SparkSession.builder.appName("remargin eod").getOrCreate()
    try:
        settings = dict(setting.split("=", 1) for setting in args.set)
        result = recalculate_buckets(
            spark,
            args.buckets,
            remargin.Rules(args.rules, set=settings),
            args.scenario or None,
            by=args.by,
            limits=args.limits,
            out=args.out,
            allow_rules_date=args.allow_rules_date,
        )
        held = result.buckets.selectExpr("sum(accounts)", "sum(unmargined)", "sum(positions)").first()
        statuses = result.accounts.where("scenario = 'base'").groupBy("status").count().collect()
        counts = {row["status"]: row["count"] for row in statuses}
        print(f"{held[0]} accounts margined, {held[1]} left out, {held[2]} positions; {counts}")
        for limit in result.limits or []:
            if limit["breaches"]:
                print(f"limit `{limit['name']}` ({limit['severity']}): {limit['breaches']} breaches", file=sys.stderr)
        if args.fail_on and counts.get("liquidation"):
            print(f"accounts in `liquidation`: {counts['liquidation']}", file=sys.stderr)
            return 5
        return 0
    except remargin.RemarginError as error:
        print(f"error: {error}", file=sys.stderr)
        return error.exit_code
    finally:
        spark.stop()


if __name__ == "__main__":
    sys.exit(main())
