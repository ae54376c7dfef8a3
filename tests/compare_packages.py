"""The own test suites of packages from PyPI whose work is threads: plain, and with threading replaced by cthreading.

    python tests/compare_packages.py                    all of them
    python tests/compare_packages.py --only cheroot     this one; may be given several times

Not part of the tests: it loads packages from the package index, and takes half an hour. The interpreter that runs it
has cthreading installed, and is the one that is compared. Each package gets a virtual environment with the version
that is pinned here and what its tests need; the tests are those of its source distribution. They run twice in the same
place: as they are, and with a .pth file that puts cthreading into the place of threading before anything else is
imported, also in the processes that the tests start. Then the results are compared case by case.

The files with a case that came out differently run again, some times on each side. A case that passed there every time,
or that has now failed on both sides, counts as unsteady; any other is a difference, which is an error (and the exit
status 1) unless EXPECTED has the reason for it.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import os
import platform
import shutil
import subprocess
import sys
import sysconfig
import tarfile
import tempfile
import threading
import time
import venv
import xml.etree.ElementTree as ElementTree
from collections import Counter
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass, field
from pathlib import Path

import cthreading

# Trio asserts that RLocks are of _thread, as threading's other implementation would not do for it.
REDIRECTION = "import cthreading; cthreading.install()\n"
SIDES = ("plain", "cthreading")
CASE_SECONDS = 120  # for one case
SUITE_SECONDS = 1200  # for one run of the files of a package
RERUNS = 3
BAD = frozenset({"failed", "missing"})


@dataclass(frozen=True)
class Package:
    """A package, and how its own tests are run."""

    name: str
    version: str
    what: str
    tests: tuple[str, ...]  # files and folders of the source distribution
    needs: str = ""  # what its tests import beside pytest, as its own metadata lists it
    options: tuple[str, ...] = ()  # for pytest, beyond those of ARGUMENTS


ARGUMENTS = (
    # Not the package's own, which ask for coverage, colours and more processes.
    "--override-ini=addopts=",
    "--override-ini=junit_family=xunit1",
    "--rootdir=.",
    "--tb=short",
    "-q",
    "-p",
    "no:cacheprovider",
    f"--timeout={CASE_SECONDS}",
)

PACKAGES = (
    Package(
        "cheroot",
        "11.1.2",
        "server with a pool of threads",
        ("cheroot/test",),
        "requests[use_chardet_on_py3] jaraco.context jaraco.text portend pyopenssl pypytools pytest-mock "
        "pytest-rerunfailures requests-unixsocket requests_toolbelt trustme",
        ("-p", "cheroot.test._pytest_plugin"),
    ),
    Package("waitress", "3.0.2", "server with a pool of threads", ("tests",)),
    Package(
        "gunicorn",
        "27.0.1",
        "server, its worker with threads",
        ("tests/test_gthread.py", "tests/test_gthread_keepalive_shutdown.py"),
        "pytest-asyncio h2",
    ),
    Package(
        "APScheduler",
        "3.11.0",
        "scheduler",
        ("tests",),
        "pytz sqlalchemy tornado anyio",
        ("-k", "not (redis or rethinkdb or mongodb or zookeeper or etcd)"),  # servers
    ),
    Package(
        "urllib3",
        "2.8.0",
        "pools of connections",
        (
            "test/test_connectionpool.py",
            "test/test_poolmanager.py",
            "test/test_queue_monkeypatch.py",
            "test/with_dummyserver/test_connectionpool.py",
            "test/with_dummyserver/test_poolmanager.py",
        ),
        "anyio[trio] h2 httpx hypercorn pysocks pytest-socket quart quart-trio trio cryptography idna pyopenssl "
        "trustme",
    ),
    Package("SQLAlchemy", "2.1.9", "pools of connections", ("test/engine", "test/base")),
    Package(
        "watchdog",
        "7.1.0",
        "watcher of files",
        ("tests",),
        "PyYAML flaky",
        # Ten minutes of processes that are started again and again, counted by the clock.
        ("--ignore=tests/test_0_watchmedo.py",),
    ),
    Package("janus", "2.0.0", "queue between threads and asyncio", ("tests",), "pytest-asyncio pytest-codspeed"),
    Package("asgiref", "3.13.0", "threads from asyncio and back", ("tests",), "pytest-asyncio"),
    Package(
        "Pebble",
        "5.2.3",
        "pools of threads and processes",
        (
            "test/test_asynchronous_thread.py",
            "test/test_concurrent_thread.py",
            "test/test_pebble.py",
            "test/test_process_pool_fork.py",
            "test/test_thread_pool.py",
        ),
    ),
    Package("pykka", "4.5.0", "actors", ("tests",), "pytest-mock"),
    Package("huey", "3.5.4", "queue of tasks and its workers", ("huey/tests",)),
    Package("fasteners", "0.20", "locks", ("tests",), "diskcache more_itertools"),
    Package("cachetools", "8.0.1", "caches with locks and conditions", ("tests",)),
)

# Package, then case, then why it cannot come out alike.
REPLACES_GET_IDENT = "puts a function in the place of threading.get_ident, and waits until a thread that ends calls it"
EXPECTED: dict[str, dict[str, str]] = {
    "Pebble": {
        "test.test_pebble.TestWaitForThreads::test_waitforthreads_single": REPLACES_GET_IDENT,
        "test.test_pebble.TestWaitForThreads::test_waitforthreads_spurious": REPLACES_GET_IDENT,
    }
}


@dataclass
class Difference:
    """A case that came out differently, with what came of it in each run."""

    case: str
    plain: list[str]
    cthreading: list[str]
    reason: str | None = None


@dataclass
class Comparison:
    """What came of a package."""

    name: str
    version: str
    what: str
    counts: dict[str, dict[str, int]] = field(default_factory=dict)  # side, then outcome
    seconds: dict[str, float] = field(default_factory=dict)
    ends: dict[str, str] = field(default_factory=dict)  # how pytest ended, where that is neither "passed" nor "failed"
    differences: list[Difference] = field(default_factory=list)
    unsteady: list[Difference] = field(default_factory=list)
    error: str = ""  # why there is nothing to compare

    @property
    def cases(self) -> int:
        return max((sum(counts.values()) for counts in self.counts.values()), default=0)

    @property
    def well(self) -> bool:
        return not self.error and not self.ends and all(difference.reason for difference in self.differences)


class Failed(Exception):
    """A command did not do what it should."""


@dataclass
class Result:
    """What came of one run of a suite: the outcome and the file of each case."""

    outcomes: dict[str, str]
    files: dict[str, str]
    end: str  # empty if all cases ran
    seconds: float


def environment() -> dict[str, str]:
    """The variables of this process, without those that would change how Python runs."""
    return {
        name: value for name, value in os.environ.items() if not name.startswith(("PYTHON", "PYTEST", "VIRTUAL_ENV"))
    }


def run(*command: str, cwd: Path) -> None:
    end = subprocess.run(
        command, cwd=cwd, env=environment(), stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False
    )
    if end.returncode:
        raise Failed(f"{' '.join(command)}: exit status {end.returncode}\n{(end.stdout + end.stderr)[-3000:]}")


class Place:
    """A folder with the package's environment and its tests."""

    def __init__(self, package: Package, folder: Path) -> None:
        self.package = package
        self.folder = folder / package.name
        self.environment = self.folder / "environment"
        self.python = self.environment / "bin" / Path(sys.executable).name
        self.archive = self.folder / "archive"
        self.tests = self.folder / "tests"
        scheme = {"base": str(self.environment), "platbase": str(self.environment)}
        self.packages = Path(sysconfig.get_path("purelib", "venv", scheme))

    def make(self) -> None:
        """Installs the package, and loads the source distribution. What an earlier run has left there is used again."""
        package = self.package
        requirements = [f"{package.name}=={package.version}", "pytest", "pytest-timeout", *package.needs.split()]
        made = self.folder / "made"
        if made.is_file() and made.read_text(encoding="utf-8") == repr(requirements):
            return
        shutil.rmtree(self.folder, ignore_errors=True)
        self.folder.mkdir(parents=True)
        venv.EnvBuilder(symlinks=True, with_pip=True).create(self.environment)
        pip = (str(self.python), "-m", "pip", "--disable-pip-version-check", "--quiet")
        run(*pip, "install", *requirements, cwd=self.folder)
        run(
            *pip,
            "download",
            "--no-deps",
            f"--no-binary={package.name}",
            "--dest=archive",
            requirements[0],
            cwd=self.folder,
        )
        # The folder with the extension: in a source tree whose build is installed elsewhere, the tree's own has none.
        installed = Path(cthreading._core.__file__).resolve().parent
        (self.packages / "cthreading").symlink_to(installed, target_is_directory=True)
        made.write_text(repr(requirements), encoding="utf-8")

    def redirect(self, side: str) -> None:
        """From now on `threading` is that of the side, in every interpreter of the environment."""
        line = self.packages / "threading_is_cthreading.pth"
        if side == "plain":
            line.unlink(missing_ok=True)
        else:
            line.write_text(REDIRECTION, encoding="utf-8")
        module = "threading" if side == "plain" else "cthreading"
        run(str(self.python), "-I", "-c", f"import threading; assert threading.__name__ == {module!r}", cwd=self.folder)

    def run_tests(self, side: str, files: Sequence[str]) -> Result:
        """Runs these files of the package's tests, unpacked anew, and reads pytest's report."""
        shutil.rmtree(self.tests, ignore_errors=True)
        [archive] = self.archive.iterdir()
        with tarfile.open(archive) as tar:
            tar.extractall(self.tests, filter="data")
        [tree] = self.tests.iterdir()
        self.redirect(side)
        report = self.folder / f"{side}.xml"
        report.unlink(missing_ok=True)
        command = [str(self.python), "-m", "pytest", *ARGUMENTS, *self.package.options, f"--junitxml={report}", *files]
        begin = time.monotonic()
        with (self.folder / f"{side}.log").open("wb") as log:
            process = subprocess.Popen(
                command,
                cwd=tree,
                env=environment(),
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,
            )
            try:
                status = process.wait(SUITE_SECONDS)
                end = "" if status in (0, 1) else f"exit status {status}"
            except subprocess.TimeoutExpired:
                end = f"not finished within {SUITE_SECONDS} s"
            finally:
                # What the tests have left running would be in the way of the next ones.
                with contextlib.suppress(ProcessLookupError):
                    os.killpg(process.pid, 9)
                process.wait()
        seconds = time.monotonic() - begin
        outcomes, paths = read(report) if report.is_file() else ({}, {})
        return Result(outcomes, paths, end, seconds)


def read(report: Path) -> tuple[dict[str, str], dict[str, str]]:
    """The outcome of each case, and its file."""
    outcomes: dict[str, str] = {}
    files: dict[str, str] = {}
    for element in ElementTree.parse(report).iter("testcase"):
        case = f"{element.get('classname')}::{element.get('name')}"
        if element.find("failure") is not None or element.find("error") is not None:
            outcome = "failed"
        elif element.find("skipped") is not None:
            outcome = "skipped"
        else:
            outcome = "passed"
        if outcomes.get(case) != "failed":  # a case that passes and whose teardown fails is there twice
            outcomes[case] = outcome
        files[case] = element.get("file", "")
    return outcomes, files


def judge(place: Place, first: dict[str, Result], comparison: Comparison) -> None:
    """Compares the first runs, and runs again what was different in them."""
    plain, ours = (first[side].outcomes for side in SIDES)
    suspects = sorted(case for case in {*plain, *ours} if plain.get(case, "missing") != ours.get(case, "missing"))
    runs = {side: {case: [first[side].outcomes.get(case, "missing")] for case in suspects} for side in SIDES}
    found = {first[side].files.get(case, "") for side in SIDES for case in suspects} - {""}
    # Of cases that were made at run time, pytest does not know the file.
    files = sorted(found) if all(name.endswith(".py") for name in found) else place.package.tests
    if suspects:
        for _ in range(RERUNS):
            for side in SIDES:
                again = place.run_tests(side, files).outcomes
                for case in suspects:
                    runs[side][case].append(again.get(case, "missing"))
    for case in suspects:
        difference = Difference(case, runs["plain"][case], runs["cthreading"][case])
        later = [set(outcomes[1:]) for outcomes in (difference.plain, difference.cthreading)]
        alike = later[0] != {"missing"} and (later[0] == later[1] or (later[0] & BAD and later[1] & BAD))
        # Or it fails at times where nothing is replaced, and only there.
        if alike or (later[1] == {"passed"} and "passed" in difference.plain):
            comparison.unsteady.append(difference)
        else:
            difference.reason = EXPECTED.get(comparison.name, {}).get(case)
            comparison.differences.append(difference)


def compare(package: Package, folder: Path) -> Comparison:
    comparison = Comparison(package.name, package.version, package.what)
    place = Place(package, folder)
    try:
        place.make()
        first = {}
        for side in SIDES:
            say(f"{package.name}: {side}")
            first[side] = result = place.run_tests(side, package.tests)
            comparison.counts[side] = dict(Counter(result.outcomes.values()))
            comparison.seconds[side] = round(result.seconds, 1)
            if result.end:
                comparison.ends[side] = result.end
            for ending in ("xml", "log"):
                if (place.folder / f"{side}.{ending}").is_file():
                    shutil.copy(place.folder / f"{side}.{ending}", place.folder / f"first-{side}.{ending}")
        if not comparison.ends:
            judge(place, first, comparison)
    except Failed as error:
        comparison.error = str(error)
    say(f"{package.name}: {summary(comparison)}")
    return comparison


_saying = threading.Lock()


def say(text: str) -> None:
    with _saying:
        print(text, file=sys.stderr, flush=True)


def counts(comparison: Comparison, side: str) -> str:
    """As "200 passed, 3 skipped"."""
    if side in comparison.ends:
        return comparison.ends[side]
    found = comparison.counts.get(side, {})
    return ", ".join(f"{found[outcome]} {outcome}" for outcome in ("passed", "failed", "skipped") if outcome in found)


def summary(comparison: Comparison) -> str:
    """What came of the comparison, in a few words."""
    if comparison.error:
        return "could not be run"
    if comparison.ends:
        return "did not finish"
    unexpected = sum(not difference.reason for difference in comparison.differences)
    expected = len(comparison.differences) - unexpected
    parts = [f"{unexpected} differ" if unexpected else f"the same but for {expected}" if expected else "the same"]
    if comparison.unsteady:
        parts.append(f"{len(comparison.unsteady)} unsteady")
    return ", ".join(parts)


HEAD = ("package", "version", "what it is", "cases", "plain", "on cthreading", "compared")


def rows(comparisons: Sequence[Comparison]) -> list[tuple[str, ...]]:
    return [
        (each.name, each.version, each.what, str(each.cases), *(counts(each, side) for side in SIDES), summary(each))
        for each in comparisons
    ]


def as_text(comparisons: Sequence[Comparison]) -> str:
    table = [HEAD, *rows(comparisons)]
    widths = [max(len(row[column]) for row in table) for column in range(len(HEAD))]
    return "\n".join(
        "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip() for row in table
    )


def as_markdown(comparisons: Sequence[Comparison]) -> str:
    return "\n".join(f"| {' | '.join(row)} |" for row in (HEAD, ("---",) * len(HEAD), *rows(comparisons)))


def details(comparisons: Sequence[Comparison]) -> str:
    """Each case that was different, with what came of it in each run."""
    lines = []
    for comparison in comparisons:
        if comparison.error:
            lines.append(f"{comparison.name}: {comparison.error}")
        for word, found in (("differs", comparison.differences), ("unsteady", comparison.unsteady)):
            for each in found:
                lines.append(f"{comparison.name}: {word}: {each.case}")
                lines.append(f"    plain {', '.join(each.plain)}; cthreading {', '.join(each.cthreading)}")
                if each.reason:
                    lines.append(f"    {each.reason}")
    return "\n".join(lines)


def main() -> int:
    parser = argparse.ArgumentParser(
        description="Compares the own tests of packages from PyPI, plain and with threading replaced by cthreading."
    )
    names = [package.name for package in PACKAGES]
    parser.add_argument("--only", metavar="NAME", action="append", choices=names, help=f"one of: {', '.join(names)}")
    parser.add_argument("--jobs", type=int, default=1, metavar="N", help="so many packages at a time (1)")
    parser.add_argument("--json", type=Path, metavar="FILE", help="also write what was found there")
    parser.add_argument("--markdown", action="store_true", help="the table as Markdown")
    parser.add_argument("--folder", type=Path, help="work there, keep what was made and use it again the next time")
    arguments = parser.parse_args()
    chosen = [package for package in PACKAGES if not arguments.only or package.name in arguments.only]
    with tempfile.TemporaryDirectory(prefix="cthreading-packages-", ignore_cleanup_errors=True) as temporary:
        folder = arguments.folder.resolve() if arguments.folder else Path(temporary)
        with ThreadPoolExecutor(arguments.jobs) as pool:
            comparisons = list(pool.map(lambda package: compare(package, folder), chosen))
    if arguments.json:
        found = {
            "python": sys.version,
            "platform": platform.platform(),
            "packages": [asdict(comparison) for comparison in comparisons],
        }
        arguments.json.write_text(json.dumps(found, indent=1) + "\n", encoding="utf-8")
    print((as_markdown if arguments.markdown else as_text)(comparisons))
    if found := details(comparisons):
        print(f"\n{found}")
    return 0 if all(comparison.well for comparison in comparisons) else 1


if __name__ == "__main__":
    sys.exit(main())
