"""How many instructions the uncontended rows take: python benchmarks/instructions.py [--record] [--only PATTERN]

Counts by valgrind's callgrind, not times: they are the same on a busy machine, so that a slow creep of some per cent
shows. All rows run in one process, each in a short and in a long loop; the difference is what the calls alone took. A
call of getppid before and after each loop makes callgrind write down what came since the one before.

Two counts for each row: those in the extension module, and all, the interpreter's included. They are compared with
those of instructions.json for this version of Python; all of them only if the interpreter is the very build that they
were recorded with. The status is 1 if a count has grown by more than 3 per cent, 77 if nothing can be compared here.
"""

import argparse
import gc
import json
import os
import platform
import re
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

RECORDS = Path(__file__).with_name("instructions.json")
TOLERANCE = 1.03
SKIPPED = 77
WARM_UP, SHORT, LONG = 20, 20, 60
EXTENSION = "cthreading/_core."


class Counts(NamedTuple):
    extension: float
    all: float


def chosen_rows(pattern: str) -> list[Any]:
    from cthreading import bench

    return [row for row in bench.UNCONTENDED if re.search(pattern, row.name)]


def run_loops(pattern: str) -> None:
    """What runs under callgrind: prints the names of the rows."""
    import cthreading
    from cthreading import bench

    gc.disable()
    mark: Callable[[], int] = os.getppid
    names = []
    for row in chosen_rows(pattern):
        loop = bench.compile_loop(row.setup, row.statement, cthreading)
        loop(WARM_UP)
        mark()
        loop(SHORT)
        mark()
        loop(LONG)
        mark()
        names.append(row.name)
    json.dump({"names": names, "unrolled": bench.UNROLLED}, sys.stdout)


def count_part(file: Path) -> Counts:
    """The sums of one file of callgrind's: each line with a count belongs to the object named last."""
    extension = every = 0
    ours = of_call = False
    for line in file.read_text(encoding="utf-8", errors="replace").splitlines():
        if line.startswith("ob="):
            ours = EXTENSION in line
        elif line.startswith("calls="):
            of_call = True  # the next line is what the called function took: that is also counted there
        elif line[:1].isdigit():
            if not of_call:
                count = int(line.split()[1])
                every += count
                extension += count if ours else 0
            of_call = False
    return Counts(extension, every)


def count(pattern: str) -> dict[str, Counts]:
    with tempfile.TemporaryDirectory() as folder:
        command = [
            "valgrind",
            "--tool=callgrind",
            "-q",
            f"--callgrind-out-file={folder}/part",
            "--dump-before=getppid",
            "--dump-line=no",
            "--compress-strings=no",
            "--compress-pos=no",
            sys.executable,
            __file__,
            "--loops",
            f"--only={pattern}",
        ]
        environment = {**os.environ, "PYTHONHASHSEED": "0"}
        result = subprocess.run(command, env=environment, stdout=subprocess.PIPE, text=True, check=True, timeout=600)
        about = json.loads(result.stdout)
        # Part 1 is all until the first mark; then each row has a short loop, a long one, and what is between rows.
        parts = [count_part(Path(folder, f"part.{number}")) for number in range(2, 3 * len(about["names"]) + 1)]
    calls = (LONG - SHORT) * about["unrolled"]
    counts = {}
    for number, name in enumerate(about["names"]):
        short, long = parts[3 * number : 3 * number + 2]
        counts[name] = Counts(*((b - a) / calls for a, b in zip(short, long, strict=True)))
    return counts


def version() -> str:
    free_threaded = "t" if "t" in getattr(sys, "abiflags", "") else ""
    return f"{sys.version_info.major}.{sys.version_info.minor}{free_threaded}"


def build() -> str:
    return f"{platform.python_version()} ({platform.python_compiler()})"


def record(counts: dict[str, Counts]) -> None:
    """Rows that were not counted stay as they are, if they are of the same build."""
    records = json.loads(RECORDS.read_text()) if RECORDS.exists() else {}
    now = {"build": build(), "machine": platform.machine()}
    before = records.get(version(), {})
    kept = before["counts"] if now.items() <= before.items() else {}
    counted = {name: [round(value, 1) for value in row] for name, row in counts.items()}
    records[version()] = now | {"counts": kept | counted}
    lines = json.dumps(dict(sorted(records.items())), indent=1)
    # A row in one line.
    lines = re.sub(r"\[\s+([\d.]+),\s+([\d.]+)\s+\]", r"[\1, \2]", lines)
    RECORDS.write_text(lines + "\n")


def verdict(now: float, before: float) -> str:
    if now > max(before * TOLERANCE, before + 1):
        return "MORE"
    return "less" if now < min(before / TOLERANCE, before - 1) else ""


def compare(counts: dict[str, Counts], before: dict[str, Any]) -> bool:
    """Print both; whether no count has grown."""
    same_build = before["build"] == build()
    if not same_build:
        print(f"recorded with {before['build']}, this is {build()}: only those of the extension module are compared")
    well = True
    print(f"{'instructions for one row':<34} {'extension':>9} {'recorded':>9} {'':<5} {'all':>9} {'recorded':>9}")
    for name, now in counts.items():
        if name not in before["counts"]:
            print(f"{name:<34} {now.extension:>9.1f} {'':>9} {'new':<5} {now.all:>9.1f}")
            continue
        then = Counts(*before["counts"][name])
        verdicts = [verdict(now.extension, then.extension), verdict(now.all, then.all) if same_build else ""]
        well = well and "MORE" not in verdicts
        print(
            f"{name:<34} {now.extension:>9.1f} {then.extension:>9.1f} {verdicts[0]:<5} "
            f"{now.all:>9.1f} {then.all:>9.1f} {verdicts[1]}".rstrip()
        )
    return well


def main() -> int:
    parser = argparse.ArgumentParser(description="Count the instructions of the uncontended rows.")
    parser.add_argument("--record", action="store_true", help="write the counts to instructions.json")
    parser.add_argument("--only", metavar="PATTERN", default="", help="the rows whose names match")
    parser.add_argument("--loops", action="store_true", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.loops:
        run_loops(options.only)
        return 0
    if shutil.which("valgrind") is None:
        print("SKIPPED: there is no valgrind here")
        return SKIPPED
    records = json.loads(RECORDS.read_text()) if RECORDS.exists() else {}
    before = records.get(version())
    if not options.record and (before is None or before["machine"] != platform.machine()):
        print(f"SKIPPED: nothing is recorded for {version()} on {platform.machine()}")
        return SKIPPED
    counts = count(options.only)
    if options.record:
        record(counts)
        before = json.loads(RECORDS.read_text())[version()]
    if compare(counts, before):
        print(f"{len(counts)} rows as recorded")
        return 0
    print("MORE: over 3 per cent more than recorded. If that is the price of something, record it: --record")
    return 1


if __name__ == "__main__":
    sys.exit(main())
