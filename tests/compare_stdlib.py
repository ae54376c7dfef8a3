"""CPython's own test suites of what stands on threading, plain and with cthreading in its place, side by side.

    python tests/compare_stdlib.py [--suite NAME]... [--jobs N] [--json FILE] [--markdown FILE] [--timeout SECONDS]

Each suite runs once in the plain interpreter and once in one whose `threading` is cthreading from its first import on,
as are those of its subprocesses: two throw-away virtual environments, made alike by redirected.py, the second with a
.pth file more. The cases that come out differently run some times more, alone, on both sides. The table has a row a
suite; its last column names the cases that fail, or skip themselves, on cthreading only, but for those that
cpython_exclusions.py lists. The exit status is 1 if there is such a case.

It takes an hour and more, and wants a quiet machine: the suites measure times. It is no part of the tests that pytest
collects. The interpreter needs its `test` package and cthreading.
"""

from __future__ import annotations

import argparse
import concurrent.futures
import json
import platform
import shutil
import sys
import sysconfig
import tempfile
import time
from collections import Counter
from collections.abc import Iterable
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from cpython_exclusions import STDLIB_EXCLUSIONS
from redirected import make_environment, run_suite

SUITES = (
    "test_queue",
    "test_concurrent_futures",
    "test_asyncio",
    "test_logging",
    "test_socketserver",
    "test_httpservers",
    "test_xmlrpc",
    "test_contextlib",
    "test_context",
    "test_signal",
    "test_fork1",
    "test_weakref",
    "test_gc",
    "test_sqlite3",
    "test_subprocess",
    "test_importlib.test_threaded_import",
    "test_importlib.test_locks",
    "test_multiprocessing_spawn",
    "test_multiprocessing_fork",
    "test_multiprocessing_forkserver",
    "test_multiprocessing_main_handling",
    # Beyond the threads' own users: whatever else starts some, or looks at them.
    "test_atexit",
    "test_bdb",
    "test_bz2",
    "test_cmd_line",
    "test_compileall",
    "test_contextlib_async",
    "test_decimal",
    "test_docxmlrpc",
    "test_external_inspection",
    "test_faulthandler",
    "test_frame",
    "test_free_threading",
    "test_ftplib",
    "test_functools",
    "test_httplib",
    "test_imaplib",
    "test_import",
    "test_interpreters",
    "test_io",
    "test_itertools",
    "test_monitoring",
    "test_os",
    "test_pdb",
    "test_poll",
    "test_poplib",
    "test_random",
    "test_remote_pdb",
    "test_robotparser",
    "test_sched",
    "test_selectors",
    "test_smtplib",
    "test_socket",
    "test_ssl",
    "test_sys",
    "test_sys_setprofile",
    "test_sys_settrace",
    "test_telnetlib",
    "test_tempfile",
    "test_thread_local_bytecode",
    "test_time",
    "test_tracemalloc",
    "test_urllib2_localnet",
    "test_wsgiref",
    "test_zipfile",
)
# What `python -m test -u` allows here: no network beyond this machine, no gigabytes on disk, no windows, no sound.
RESOURCES = ("cpu", "walltime", "subprocess", "decimal", "curses", "console", "tzdata")
ON_THIS_MACHINE = ("test_socketserver",)  # asks for the network, and stays here
SIDES = ("plain", "cthreading")
AGAIN = 4  # runs more of each case that came out differently...
AT_MOST = 25  # ...of the first so many

Results = dict[str, dict[str, str]]


def resources(suite: str) -> tuple[str, ...]:
    return (*RESOURCES, "network") if suite in ON_THIS_MACHINE else RESOURCES


def run_whole_suite(python: str, place: Path, suite: str, seconds: float) -> tuple[Results, str]:
    """All cases of a suite; after one that ends the process, the others go on in another."""
    results: Results = {}
    deadline = time.monotonic() + seconds
    end = ""
    for attempt in range(20):
        seconds = deadline - time.monotonic()
        if seconds <= 0:
            break
        new, end = run_suite(python, place / str(attempt), suite, seconds, left_out=results, resources=resources(suite))
        results |= new
        broken = [name for name, result in new.items() if result["outcome"] == "started"]
        for name in broken:
            results[name] = {"outcome": "failed", "detail": f"the process ended within this case: {end}"}
        if not broken:
            break
    if not results:
        results[suite] = {"outcome": "failed", "detail": f"no case ran: {end}"}
    return results, end.partition("\n")[0]


def outcome(results: Results, case: str) -> str:
    return results.get(case, {"outcome": "missing"})["outcome"]


def differing(plain: Results, ours: Results) -> list[str]:
    """The cases that fail, or did not run, with cthreading only."""
    worse = []
    for case in sorted(plain.keys() | ours.keys()):
        here, there = outcome(ours, case), outcome(plain, case)
        if here != there and here != "passed" and there != "failed":
            worse.append(case)
    return worse


def compare(suite: str, pythons: dict[str, str], folder: Path, seconds: float) -> dict[str, Any]:
    """Runs a suite on both sides, and what differs again; the row of the table."""
    results, ends, seconds_taken = {}, {}, {}
    for side in SIDES:
        started = time.monotonic()
        results[side], ends[side] = run_whole_suite(pythons[side], folder / suite / side, suite, seconds)
        seconds_taken[side] = round(time.monotonic() - started, 1)
        print(
            f"{suite}, {side}: {counts(results[side])}, {seconds_taken[side]} s, {ends[side]}",
            file=sys.stderr,
            flush=True,
        )
    worse = {}
    for case in differing(results["plain"], results["cthreading"]):
        outcomes = {side: [outcome(results[side], case)] for side in SIDES}
        if case not in STDLIB_EXCLUSIONS and outcomes["cthreading"] != ["missing"] and len(worse) < AT_MOST:
            for attempt in range(AGAIN):
                for side in SIDES:
                    place = folder / suite / f"{case}-{side}-{attempt}"
                    again, _ = run_suite(pythons[side], place, suite, 300, only=[case], resources=resources(suite))
                    outcomes[side].append(outcome(again, case))
        worse[case] = outcomes | {"detail": results["cthreading"].get(case, {}).get("detail", "")}
    return {
        "suite": suite,
        "cases": len(results["plain"].keys() | results["cthreading"].keys()),
        "seconds": seconds_taken,
        "ends": ends,
        **{side: dict(Counter(result["outcome"] for result in results[side].values())) for side in SIDES},
        "failed": {
            side: sorted(case for case in results[side] if outcome(results[side], case) == "failed") for side in SIDES
        },
        "worse": worse,
    }


def counts(results: Results) -> str:
    return in_words(Counter(result["outcome"] for result in results.values()))


def in_words(numbers: dict[str, int]) -> str:
    return ", ".join(f"{numbers[name]} {name}" for name in ("passed", "failed", "skipped") if numbers.get(name)) or "-"


def in_short(case: str, suite: str, outcomes: dict[str, Any]) -> str:
    """A differing case, and how often it went wrong on either side."""
    name = case.removeprefix(f"{suite}.")
    if case in STDLIB_EXCLUSIONS:
        return f"{name} (listed)"
    runs = len(outcomes["cthreading"])
    ours = sum(one != "passed" for one in outcomes["cthreading"])
    plain = sum(one not in ("passed", "skipped") for one in outcomes["plain"])
    return f"{name} ({ours} of {runs}; plain {plain} of {runs})"


def table(rows: Iterable[dict[str, Any]]) -> list[list[str]]:
    lines = [["suite", "cases", "plain", "on cthreading", "on cthreading only"]]
    for row in rows:
        only = [
            in_short(case, row["suite"], outcomes)
            for case, outcomes in row["worse"].items()
            if outcomes["cthreading"] != ["missing"]
        ]
        if len(only) < len(row["worse"]):
            only.append(f"{len(row['worse']) - len(only)} cases did not run")
        lines.append(
            [row["suite"], str(row["cases"]), *(in_words(row[side]) for side in SIDES), ", ".join(only) or "none"]
        )
    return lines


def as_markdown(lines: list[list[str]]) -> str:
    head, *rest = lines
    return "".join("| " + " | ".join(line) + " |\n" for line in [head, ["---"] * len(head), *rest])


def as_text(lines: list[list[str]]) -> str:
    widths = [max(len(line[column]) for line in lines) for column in range(4)]
    return "".join(
        "  ".join([*(cell.ljust(width) for cell, width in zip(line, widths, strict=False)), line[-1]]) + "\n"
        for line in lines
    )


def interpreter() -> str:
    free_threaded = bool(sysconfig.get_config_var("Py_GIL_DISABLED"))
    return f"CPython {platform.python_version()}{' free-threaded' if free_threaded else ''}"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--suite", action="append", default=[], help="only this one; may be given several times")
    parser.add_argument("--jobs", type=int, default=1, help="how many suites run at once (1)")
    parser.add_argument("--json", type=Path, help="keep the results there; a suite that is there and not run now stays")
    parser.add_argument("--markdown", type=Path, help="write the table there, as Markdown")
    parser.add_argument("--timeout", type=float, default=1800, help="seconds for a suite on one side (1800)")
    options = parser.parse_args()
    wanted = options.suite or [suite for suite in SUITES if find_spec(f"test.{suite}")]

    rows = {}
    if options.json and options.json.exists():
        rows = {row["suite"]: row for row in json.loads(options.json.read_text(encoding="utf-8"))["suites"]}
    folder = Path(tempfile.mkdtemp(prefix="cthreading-compare-"))
    try:
        pythons = {side: make_environment(folder / side, redirect=side == "cthreading") for side in SIDES}
        with concurrent.futures.ThreadPoolExecutor(options.jobs) as pool:
            started = [pool.submit(compare, suite, pythons, folder / "run", options.timeout) for suite in wanted]
            for future in concurrent.futures.as_completed(started):
                row = future.result()
                rows[row["suite"]] = row
                if options.json:
                    in_order = sorted(rows.values(), key=lambda row: (*SUITES, row["suite"]).index(row["suite"]))
                    written = {"interpreter": interpreter(), "platform": platform.platform(), "suites": in_order}
                    options.json.write_text(json.dumps(written, indent=1) + "\n", encoding="utf-8")
    finally:
        shutil.rmtree(folder, ignore_errors=True)
    in_order = sorted(rows.values(), key=lambda row: (*SUITES, row["suite"]).index(row["suite"]))
    lines = table(in_order)
    print(interpreter())
    print(as_text(lines), end="")
    if options.markdown:
        options.markdown.write_text(as_markdown(lines), encoding="utf-8")
    sys.exit(any(case not in STDLIB_EXCLUSIONS for row in in_order for case in row["worse"]))


if __name__ == "__main__":
    main()
