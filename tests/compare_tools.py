"""What debuggers, profilers, error reporters and others do with threads: plain, and with threading replaced.

    pip install -r tests/tools/requirements.txt
    python tests/compare_tools.py                    all of them, as one table
    python tests/compare_tools.py --only debugpy     this one; may be given several times

For each tool there is a program in tests/tools that says in its first line what it checks of it. It runs in a process
of its own, once as it is and in each of the ways in which cthreading comes into the place of threading. At its end it
prints what module threading is then, so a program that ran in another way than it was meant to does not count.
tests/test_tools.py runs the same.
"""

from __future__ import annotations

import argparse
import ast
import contextlib
import json
import os
import platform
import signal
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from importlib import metadata
from pathlib import Path

from helpers import child_environment

FOLDER = Path(__file__).resolve().parent / "tools"
SECONDS = 60  # for one program

WAYS = {
    "plain": "as it is",
    "command": "python -m cthreading PROGRAM",
    "install": "install() before all else",
    "late": "install() after the tool has been imported",
}


@dataclass(frozen=True)
class Tool:
    """A tool, and the program that uses it."""

    name: str
    program: str
    packages: tuple[str, ...]  # what has to be installed; the first is the tool
    modules: tuple[str, ...]  # what is imported before install() in the way "late"
    gives_way: bool = False  # whether it has cthreading give way to it

    @property
    def path(self) -> Path:
        return FOLDER / f"with_{self.program}.py"

    @property
    def what(self) -> str:
        """The first line of the program."""
        return (ast.get_docstring(ast.parse(self.path.read_text(encoding="utf-8"))) or "").partition("\n")[0]

    @property
    def version(self) -> str:
        return metadata.version(self.packages[0]) if self.packages else platform.python_version()

    @property
    def missing(self) -> list[str]:
        """The packages that are not installed."""
        return [package for package in self.packages if not is_installed(package)]


def is_installed(package: str) -> bool:
    try:
        metadata.version(package)
    except metadata.PackageNotFoundError:
        return False
    return True


TOOLS = (
    Tool("sentry-sdk", "sentry", ("sentry-sdk",), ("sentry_sdk",)),
    Tool(
        "opentelemetry's threading instrumentation",
        "opentelemetry",
        ("opentelemetry-instrumentation-threading", "opentelemetry-sdk"),
        ("opentelemetry.instrumentation.threading", "opentelemetry.sdk.trace"),
    ),
    Tool("ddtrace", "ddtrace", ("ddtrace", "zstandard"), ("ddtrace",)),
    Tool("memray", "memray", ("memray",), ("memray",)),
    Tool("py-spy", "py_spy", ("py-spy",), ("subprocess",)),
    Tool("yappi", "yappi", ("yappi",), ("yappi",)),
    Tool("debugpy", "debugpy", ("debugpy",), ("debugpy",)),
    Tool("IPython", "ipython", ("ipython",), ("IPython",)),
    Tool("ipykernel", "ipykernel", ("ipykernel", "jupyter_client"), ("jupyter_client.manager", "ipykernel")),
    Tool("cloudpickle", "cloudpickle", ("cloudpickle",), ("cloudpickle",)),
    Tool("joblib", "joblib", ("joblib",), ("joblib",)),
    Tool("dill", "dill", ("dill",), ("dill",)),
    Tool("multiprocessing", "managers", (), ("multiprocessing.managers", "multiprocessing.dummy")),
    Tool("coverage", "coverage", ("coverage",), ("coverage",)),
    Tool("pytest-timeout", "pytest_timeout", ("pytest-timeout",), ("pytest_timeout",)),
    Tool("tqdm", "tqdm", ("tqdm",), ("tqdm",)),
    Tool("kthread", "kthread", ("kthread",), ("kthread",)),
    Tool("Trio", "trio", ("trio",), ("trio",)),
    Tool("gevent", "gevent", ("gevent",), ("gevent.monkey",), gives_way=True),
    Tool("gevent beside threads", "gevent_beside", ("gevent",), ("gevent.monkey",)),
    Tool("eventlet", "eventlet", ("eventlet",), ("eventlet",), gives_way=True),
)


@dataclass
class Result:
    """What came of a program: nothing, if all is well, or why it is not."""

    trouble: str

    @property
    def well(self) -> bool:
        return not self.trouble


def command(tool: Tool, way: str) -> list[str]:
    first = {
        "plain": [],
        "command": ["-m", "cthreading"],
        "install": [str(FOLDER / "installed.py")],
        "late": [str(FOLDER / "installed.py"), "--after", ",".join(tool.modules)],
    }
    return [sys.executable, "-W", "ignore", "-X", "faulthandler", *first[way], str(tool.path)]


def run(tool: Tool, way: str) -> Result:
    """Runs the tool's program in this way. Whatever it leaves behind is ended with it."""
    expected = "threading" if way == "plain" or tool.gives_way else "cthreading"
    environment = child_environment() | {"PYDEVD_DISABLE_FILE_VALIDATION": "1"}
    with (
        tempfile.TemporaryDirectory(prefix="cthreading-tools-", ignore_cleanup_errors=True) as folder,
        # Not a pipe: a process that outlives the program may keep that open.
        open(os.path.join(folder, "output"), "w+", encoding="utf-8", errors="replace") as output,
    ):
        process = subprocess.Popen(
            command(tool, way),
            cwd=folder,
            env=environment | {"TMPDIR": folder},
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
        try:
            status: int | None = process.wait(SECONDS)
        except subprocess.TimeoutExpired:
            status = None
        finally:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)
            process.wait()
        output.seek(0)
        text = output.read()
    if status is None:
        return Result(f"not finished within {SECONDS} s\n{text}")
    if status != 0:
        return Result(f"exit status {status}\n{text}")
    if expected not in text.splitlines():
        return Result(f"does not say that threading is {expected}\n{text}")
    return Result("")


HEAD = ("tool", "version", "what is checked", *WAYS)


def as_text(rows: Sequence[tuple[str, ...]]) -> str:
    table = [HEAD, *rows]
    widths = [max(len(row[column]) for row in table) for column in range(len(HEAD))]
    return "\n".join(
        "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip() for row in table
    )


def as_markdown(rows: Sequence[tuple[str, ...]]) -> str:
    return "\n".join(f"| {' | '.join(row)} |" for row in (HEAD, ("---",) * len(HEAD), *rows))


def main() -> int:
    parser = argparse.ArgumentParser(description="Tries tools that look into threads, plain and on cthreading.")
    names = [tool.name for tool in TOOLS]
    parser.add_argument("--only", metavar="NAME", action="append", choices=names, help=f"one of: {', '.join(names)}")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write there what those wrote that failed")
    parser.add_argument("--markdown", action="store_true", help="the table as Markdown")
    arguments = parser.parse_args()
    chosen = [tool for tool in TOOLS if not arguments.only or tool.name in arguments.only]
    rows, troubles = [], {}
    for tool in chosen:
        if tool.missing:
            rows.append((tool.name, "not installed", tool.what, *("" for _ in WAYS)))
            continue
        outcomes = []
        for way in WAYS:
            result = run(tool, way)
            outcomes.append("passed" if result.well else "failed")
            if not result.well:
                troubles[f"{tool.name}, {WAYS[way]}"] = result.trouble
        rows.append((tool.name, tool.version, tool.what, *outcomes))
        print(f"{tool.name}: {', '.join(outcomes)}", file=sys.stderr, flush=True)
    if arguments.json:
        arguments.json.write_text(json.dumps(troubles, indent=1) + "\n", encoding="utf-8")
    print((as_markdown if arguments.markdown else as_text)(rows))
    for where, trouble in troubles.items():
        print(f"\n{where}: {trouble[-2000:]}")
    return 1 if troubles else 0


if __name__ == "__main__":
    sys.exit(main())
