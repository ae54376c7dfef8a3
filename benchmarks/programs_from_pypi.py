"""Programs from PyPI, plain and with threading replaced by cthreading: wall time and CPU time side by side.

    python benchmarks/programs_from_pypi.py -o result.json
    python benchmarks/programs_from_pypi.py --only waitress --rounds 9

- waitress and cheroot: web servers with a pool of threads, under load from a client in C (load.c, beside this file; it
  takes the C compiler that cthreading was built with), by connections that stay and by ones that come and go.
- linkchecker: a crawler with ten threads around one queue, on a site made for it.
- pytest with pytest-run-parallel: each test of a suite in eight threads that a barrier lets go together.

The interpreter that runs it has cthreading installed; the programs go into a virtual environment of it, at the versions
that are pinned here. Plain and cthreading take turns in each round, and the medians are shown. CPU time, as the system
counts it, is that of the whole process of the program, its start included; not that of the client.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import shlex
import signal
import socket
import statistics
import subprocess
import sys
import sysconfig
import tempfile
import time
import venv
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import cthreading

REQUIREMENTS = (
    "waitress==3.0.2",
    "cheroot==11.1.2",
    "linkchecker==10.6.0",
    "pytest==9.1.1",
    "pytest-run-parallel==0.10.0",
)
# What comes before "-m program" on the command line.
REDIRECTED = ("-m", "cthreading")
SIDES = {"plain": (), "cthreading": REDIRECTED}
PATIENCE = 120.0  # seconds for a program

APPLICATION = '''\
"""A page of two kilobytes, made anew for each request, and a count of them."""
import threading

ROWS = [(number, f"name {number}") for number in range(40)]
requests = 0
lock = threading.Lock()


def application(environ, start_response):
    global requests
    with lock:
        requests += 1
        count = requests
    rows = "".join(f"<tr><td>{number}</td><td>{name}</td></tr>" for number, name in ROWS)
    page = f"<html><p>{environ['PATH_INFO']} {count:010}</p><table>{rows}</table></html>".encode()
    start_response("200 OK", [("Content-Type", "text/html"), ("Content-Length", str(len(page)))])
    return [page]
'''

SUITE = """\
import json

import pytest


@pytest.mark.parametrize("number", range({tests}))
def test_round_trip(number):
    value = {{str(key): [key, number] for key in range(20)}}
    assert json.loads(json.dumps(value)) == value
"""


@dataclass
class Run:
    """What one run took."""

    wall: float  # seconds; of a server, from the first request to the last response
    cpu: float  # seconds
    switches: int  # times that a thread had to wait
    latencies: tuple[float, float] | None = None  # of a server: the median and the 99th percentile, milliseconds


@dataclass(frozen=True)
class Program:
    name: str
    what: str
    run: Callable[[tuple[str, ...], Path], Run]


def variables() -> dict[str, str]:
    return {name: value for name, value in os.environ.items() if not name.startswith(("PYTHON", "PYTEST"))}


def start(command: tuple[str, ...], folder: Path) -> subprocess.Popen[bytes]:
    with (folder / "log").open("wb") as log:
        return subprocess.Popen(command, cwd=folder, env=variables(), stdin=subprocess.DEVNULL, stdout=log, stderr=log)


def end_of(process: subprocess.Popen[bytes], folder: Path, expected: tuple[int, ...]) -> tuple[float, int]:
    """Waits for the end of the process: its CPU time, and how often it had to wait."""
    deadline = time.monotonic() + PATIENCE
    while True:
        pid, status, usage = os.wait4(process.pid, os.WNOHANG)
        if pid:
            break
        if time.monotonic() > deadline:
            process.kill()
            deadline += PATIENCE
        time.sleep(0.002)
    process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode not in expected:
        log = (folder / "log").read_text(encoding="utf-8", errors="replace")[-3000:]
        sys.exit(f"{shlex.join(map(str, process.args))}: exit status {process.returncode}\n{log}")
    return usage.ru_utime + usage.ru_stime, usage.ru_nvcsw


def run_to_the_end(*arguments: str, expected: tuple[int, ...] = (0,)) -> Callable[[tuple[str, ...], Path], Run]:
    """A program that does its work and ends."""

    def run(python: tuple[str, ...], folder: Path) -> Run:
        begin = time.monotonic()
        cpu, switches = end_of(start((*python, "-m", *arguments), folder), folder, expected)
        return Run(time.monotonic() - begin, cpu, switches)

    return run


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as server:
        port: int = server.getsockname()[1]
        return port


def wait_for(port: int, process: subprocess.Popen[bytes], folder: Path) -> None:
    deadline = time.monotonic() + PATIENCE
    while True:
        try:
            socket.create_connection(("127.0.0.1", port), 1).close()
            return
        except OSError:
            if process.poll() is not None or time.monotonic() > deadline:
                process.kill()
                sys.exit(f"no server: {(folder / 'log').read_text(encoding='utf-8')}")
            time.sleep(0.01)


def serve(load: tuple[int, int, int], *arguments: str) -> Callable[[tuple[str, ...], Path], Run]:
    """A server, under the load of so many connections, requests, and requests on one connection, until Ctrl-C."""

    def run(python: tuple[str, ...], folder: Path) -> Run:
        port = free_port()
        process = start((*python, "-m", *(argument.format(port=port) for argument in arguments)), folder)
        try:
            wait_for(port, process, folder)
            client = (str(folder / "load"), str(port), *map(str, load))
            done = subprocess.run(client, capture_output=True, text=True, timeout=PATIENCE, check=False)
        finally:
            process.send_signal(signal.SIGINT)
        if done.returncode:
            sys.exit(f"{done.stderr}{(folder / 'log').read_text(encoding='utf-8')[-3000:]}")
        wall, median, late = map(float, done.stdout.split())
        cpu, switches = end_of(process, folder, (0, 1, 130, -signal.SIGINT))
        return Run(wall, cpu, switches, (median, late))

    return run


WAITRESS = ("waitress", "--threads=8", "--listen=127.0.0.1:{port}", "application:application")
CHEROOT = ("cheroot", "--threads=8", "--bind=127.0.0.1:{port}", "application:application")
PAGES = 150
PROGRAMS = (
    Program("waitress, kept", "16 connections that stay, 4000 requests", serve((16, 4000, 1000), *WAITRESS)),
    Program(
        "waitress, new",
        "16 requests at a time, 4000 of them, each on a connection of its own",
        serve((16, 4000, 1), *WAITRESS),
    ),
    Program("cheroot", "16 connections, which it closes at times, 4000 requests", serve((16, 4000, 1000), *CHEROOT)),
    Program(
        "linkchecker",
        f"ten threads, {PAGES} pages",
        run_to_the_end("linkcheck", "--no-status", "--threads=10", "--no-warnings", "site/0.html"),
    ),
    Program(
        "pytest-run-parallel",
        "500 tests in eight threads each",
        run_to_the_end("pytest", "-q", "-p", "no:cacheprovider", "--parallel-threads=8", "test_round_trips.py"),
    ),
)


def prepare(folder: Path) -> str:
    """Makes the environment and all that the programs work on; the interpreter of the environment."""
    place = folder / "environment"
    python = place / "bin" / Path(sys.executable).name
    made = folder / "made"
    if not made.is_file() or made.read_text(encoding="utf-8") != repr(REQUIREMENTS):
        venv.EnvBuilder(symlinks=True, with_pip=True, clear=True).create(place)
        pip = (str(python), "-m", "pip", "--disable-pip-version-check", "-q", "install")
        subprocess.run((*pip, *REQUIREMENTS), env=variables(), check=True)
        packages = Path(sysconfig.get_path("purelib", "venv", {"base": str(place), "platbase": str(place)}))
        installed = Path(cthreading._core.__file__).resolve().parent
        (packages / "cthreading").symlink_to(installed, target_is_directory=True)
        made.write_text(repr(REQUIREMENTS), encoding="utf-8")
    compiler = os.environ.get("CC", "cc")
    source = Path(__file__).resolve().with_name("load.c")
    subprocess.run((*shlex.split(compiler), "-O2", "-o", str(folder / "load"), str(source)), check=True)
    (folder / "application.py").write_text(APPLICATION, encoding="utf-8")
    (folder / "test_round_trips.py").write_text(SUITE.format(tests=500), encoding="utf-8")
    site = folder / "site"
    site.mkdir(exist_ok=True)
    for page in range(PAGES):
        links = "".join(f'<li><a href="{(page * step + step) % PAGES}.html">{step}</a>' for step in range(1, 21))
        (site / f"{page}.html").write_text(f"<html><title>{page}</title><ul>{links}</ul></html>", encoding="utf-8")
    return str(python)


def compare(python: str, folder: Path, programs: list[Program], rounds: int) -> dict[str, dict[str, list[Run]]]:
    found: dict[str, dict[str, list[Run]]] = {each.name: {side: [] for side in SIDES} for each in programs}
    for number in range(rounds):
        for program in programs:
            # Who goes first changes, for what one run may leave behind for the next.
            for side in sorted(SIDES, reverse=number % 2 == 0):
                found[program.name][side].append(program.run((python, *SIDES[side]), folder))
    return found


def median(runs: list[Run], name: str) -> float:
    return statistics.median(getattr(run, name) for run in runs)


def show(found: dict[str, dict[str, list[Run]]]) -> None:
    print(f"{'':22}{'wall, ms':>21}{'times':>8}{'CPU, ms':>21}{'times':>8}{'waits':>21}")
    print(f"{'':22}{'plain':>9}{'cthreading':>12}{'as fast':>8}{'plain':>9}{'cthreading':>12}{'less':>8}", end="")
    print(f"{'plain':>9}{'cthreading':>12}")
    for name, runs in found.items():
        line = f"{name:22}"
        for what in ("wall", "cpu"):
            plain, ours = (median(runs[side], what) * 1e3 for side in SIDES)
            line += f"{plain:9,.0f}{ours:12,.0f}{plain / ours:8.2f}"
        plain, ours = (median(runs[side], "switches") for side in SIDES)
        print(f"{line}{plain:9,.0f}{ours:12,.0f}")


def main() -> None:
    parser = argparse.ArgumentParser(description="Programs from PyPI, plain and on cthreading.")
    parser.add_argument("--only", metavar="TEXT", help="the programs whose names contain it")
    parser.add_argument("--rounds", type=int, default=5, help="how often each program runs on each side (5)")
    parser.add_argument("-o", "--output", type=Path, metavar="FILE", help="write all runs there, as JSON")
    parser.add_argument("--folder", type=Path, help="work there, and use again what an earlier run has left there")
    arguments = parser.parse_args()
    programs = [program for program in PROGRAMS if not arguments.only or arguments.only in program.name]
    with tempfile.TemporaryDirectory(prefix="cthreading-programs-", ignore_cleanup_errors=True) as temporary:
        folder = arguments.folder.resolve() if arguments.folder else Path(temporary)
        folder.mkdir(parents=True, exist_ok=True)
        found = compare(prepare(folder), folder, programs, arguments.rounds)
    if arguments.output:
        result = {
            "python": sys.version,
            "platform": platform.platform(),
            "requirements": REQUIREMENTS,
            "programs": [
                {
                    "name": program.name,
                    "what": program.what,
                    "runs": {side: [vars(run) for run in found[program.name][side]] for side in SIDES},
                }
                for program in programs
            ],
        }
        arguments.output.write_text(json.dumps(result, indent=1) + "\n", encoding="utf-8")
    show(found)


if __name__ == "__main__":
    main()
