"""The whole benchmark suite: python benchmarks/run.py --json result.json --charts FOLDER

Each row is measured in a process of its own, where threading, cthreading and what else has the same thing take turns,
a short sample of each after the other. That is why pyperf's runner is not used: it measures one side to its end, and
then the next, in other processes, so that what slows the machine down for some seconds changes the ratio; and it starts
twenty processes for each, too many for rows that start hundreds of threads. Its file format and its statistics are:
`python -m pyperf stats`, `hist` and `compare_to` read the result. The values are seconds; the CPU time of the process
(in seconds) and how often the system switched threads are metadata of each run.
"""

import argparse
import contextlib
import datetime
import json
import os
import re
import statistics
import subprocess
import sys
from collections.abc import Iterator
from importlib import metadata
from pathlib import Path
from typing import Any

import pyperf
import report
from contenders import OTHERS
from rows import FULL, QUICK, Row, all_rows

from cthreading import bench

SETTINGS = ["idle", "pinned", "busy"]
# How the cost grows with the threads is asked once; and quickly also what hardly depends on the setting.
IDLE_ONLY = {"growth"}
QUICK_IDLE_ONLY = {"growth", "uncontended", "asyncio"}
LONGEST = 300  # seconds for one row in one process

BURNER = """
import os
parent = os.getppid()
while os.getppid() == parent:
    for _ in range(1_000_000):
        pass
"""


@contextlib.contextmanager
def in_setting(setting: str) -> Iterator[None]:
    """While it lasts, processes started here have all cores, or one, or all of them busy with something else."""
    if setting == "pinned":
        before = os.sched_getaffinity(0)
        bench.pin_to_one_core()
        try:
            yield
        finally:
            os.sched_setaffinity(0, before)
    elif setting == "busy":
        count = len(os.sched_getaffinity(0))
        burners = [subprocess.Popen([sys.executable, "-S", "-E", "-c", BURNER]) for _ in range(count)]
        try:
            yield
        finally:
            for burner in burners:
                burner.kill()
                burner.wait()
    else:
        yield


def measure_here(title: str, quick: bool) -> dict[str, Any]:
    """For each side the seconds of each sample, and the medians of CPU time and switches."""
    row = next(row for row in all_rows() if row.title == title)
    plan = (QUICK if quick else FULL).plan(row.group)
    result = {}
    for side, samples in bench.collect(row.sides(), plan, row.operations, row.least).items():
        result[side] = {
            "values": [sample.wall / 1e9 for sample in samples],
            "cpu": statistics.median(sample.cpu for sample in samples) / 1e9,
            "switches": statistics.median(sample.switches for sample in samples),
        }
    return result


def measure_in_process(row: Row, quick: bool) -> dict[str, Any]:
    command = [sys.executable, __file__, "--one", row.title, *(["--quick"] if quick else [])]
    output = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=True, timeout=LONGEST).stdout
    result: dict[str, Any] = json.loads(output)
    return result


def processor() -> str:
    """The model, as Linux tells it; the architecture elsewhere."""
    with contextlib.suppress(OSError):
        for line in Path("/proc/cpuinfo").read_text().splitlines():
            if line.startswith("model name"):
                return line.partition(":")[2].strip()
    return os.uname().machine


def describe_machine() -> dict[str, str | int]:
    """What the numbers depend on, and nothing that tells whose machine it is."""
    description = {key: value for key, value in bench.describe_run(False).items() if key != "pinned"}
    description["processor"] = processor()
    description["date"] = datetime.datetime.now(datetime.UTC).strftime("%Y-%m-%d %H:%M:%S")
    for package in ("cthreading", "pyperf", *OTHERS):
        with contextlib.suppress(metadata.PackageNotFoundError):
            description[f"{package}_version"] = metadata.version(package)
    return {key: value if isinstance(value, int) else str(value) for key, value in description.items()}


class Results:
    """Runs of each setting, row and side."""

    def __init__(self) -> None:
        self.runs: dict[tuple[str, str, str, str], list[pyperf.Run]] = {}
        self.machine = describe_machine()

    def add(self, setting: str, row: Row, measured: dict[str, Any]) -> None:
        for side, numbers in measured.items():
            name = f"{setting}, {row.title} [{side}]"
            run = pyperf.Run(
                numbers["values"],
                metadata={
                    **self.machine,
                    "name": name,
                    "setting": setting,
                    "group": row.group,
                    "row": row.name,
                    "side": side,
                    "cpu": numbers["cpu"],
                    "switches": numbers["switches"],
                },
                collect_metadata=False,
            )
            self.runs.setdefault((setting, row.group, row.name, side), []).append(run)

    def suite(self) -> pyperf.BenchmarkSuite:
        return pyperf.BenchmarkSuite([pyperf.Benchmark(runs) for runs in self.runs.values()])


def is_for(row: Row, setting: str, quick: bool) -> bool:
    return setting == "idle" or row.group not in (QUICK_IDLE_ONLY if quick else IDLE_ONLY)


def run_suite(rows: list[Row], settings: list[str], quick: bool) -> tuple[Results, list[str]]:
    """The results, and what could not be measured."""
    results = Results()
    failures = []
    processes = (QUICK if quick else FULL).processes
    work = [(setting, row) for setting in settings for row in rows if is_for(row, setting, quick)]
    progress = bench.Progress(len(work) * processes)
    number = 0
    for setting in settings:
        with in_setting(setting):
            for _ in range(processes):
                for row in (row for its_setting, row in work if its_setting == setting):
                    number += 1
                    progress.show(number, f"{setting}, {row.title}")
                    try:
                        results.add(setting, row, measure_in_process(row, quick))
                    except (subprocess.SubprocessError, ValueError) as error:
                        failures.append(f"{setting}, {row.title}: {error}")
    progress.end()
    return results, failures


def choose_rows(pattern: str) -> list[Row]:
    try:
        matches = re.compile(pattern, re.IGNORECASE).search
    except re.error as error:
        raise SystemExit(f"--only: {error}") from None
    rows = [row for row in all_rows() if matches(row.title)]
    if not rows:
        raise SystemExit(f"--only: no row matches {pattern!r}")
    return rows


def parse_arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description="Measure cthreading beside threading and others.")
    parser.add_argument("--quick", action="store_true", help="some minutes instead of half an hour")
    parser.add_argument("--setting", choices=SETTINGS, action="append", help="only this one; can be repeated")
    parser.add_argument("--only", metavar="PATTERN", default="", help="rows whose 'group: name' matches this")
    parser.add_argument("--json", metavar="FILE", help="write the numbers there, in pyperf's format")
    parser.add_argument("--charts", metavar="FOLDER", help="draw the charts there (needs matplotlib)")
    parser.add_argument("--list", action="store_true", help="print the rows and measure nothing")
    parser.add_argument("--one", metavar="ROW", help=argparse.SUPPRESS)
    return parser.parse_args()


def main() -> int:
    options = parse_arguments()
    if options.one:
        json.dump(measure_here(options.one, options.quick), sys.stdout)
        return 0
    rows = choose_rows(options.only)
    if options.list:
        print(*(row.title for row in rows), sep="\n")
        return 0
    if options.json and not Path(options.json).absolute().parent.is_dir():
        raise SystemExit("--json: there is no such folder")  # said now, and not after half an hour
    results, failures = run_suite(rows, options.setting or SETTINGS, options.quick)
    if results.runs:
        suite = results.suite()
        if options.json:
            suite.dump(options.json, replace=True)
        table = report.Table([suite])
        print(*report.format_tables(table), sep="\n")
        if options.charts:
            report.draw_charts(table, Path(options.charts))
    for failure in failures:
        print(f"not measured: {failure}", file=sys.stderr)
    return 1 if failures else 0


if __name__ == "__main__":
    sys.exit(main())
