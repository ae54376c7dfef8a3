"""CPython's own tests of threading as a whole, unmodified, where `threading` is cthreading from the first import on.

Also the quickest suites of modules that stand on it; compare_stdlib.py runs the others. Each suite runs once, case by
case in one process, in an environment that redirected.py makes; here its cases' results are read.
"""

from __future__ import annotations

import functools
import subprocess
import sys
import tempfile
import unittest
from collections.abc import Iterator
from pathlib import Path

import pytest
import run_cpython_suite
from cpython_exclusions import EXCLUSIONS
from redirected import make_environment, name_of, run_suite

SUITES = (
    "test_threading",
    "test_thread",
    "test_threading_local",
    "test_threadsignals",
    "test_threadedtempfile",
    "test_context",
    "test_contextlib",
    "test_queue",
    "test_sched",
)
SECONDS = 900.0  # for a whole suite, on a slow and busy machine; most of it is the suites' own sleeping

try:
    # Debian has a part of them beside the library.
    from test import lock_tests, support  # noqa: F401
except ImportError:
    version = f"{sys.version_info.major}.{sys.version_info.minor}"
    pytest.skip(
        f"CPython's own tests are not installed beside {sys.executable}: on Debian and Ubuntu install "
        f"libpython{version}-testsuite, on Fedora python3-test, from source do without --disable-test-modules",
        allow_module_level=True,
    )

pytestmark = [pytest.mark.cpython, pytest.mark.timeout(SECONDS + 60)]


def case_names() -> Iterator[str]:
    """All cases of the suites, as "test_thread.LockTests.test_uncond_acquire"."""
    for suite in SUITES:
        for case in run_cpython_suite.cases_of(unittest.defaultTestLoader.loadTestsFromName(f"test.{suite}")):
            yield name_of(suite, case.id())


@functools.cache
def environment() -> tuple[tempfile.TemporaryDirectory[str], str]:
    """A virtual environment where threading is cthreading, and its interpreter."""
    folder = tempfile.TemporaryDirectory(prefix="cthreading-", ignore_cleanup_errors=True)
    return folder, make_environment(folder.name)


@functools.cache
def results_of(suite: str) -> tuple[dict[str, dict[str, str]], str]:
    """What came of each case of the suite, and the end of what the process wrote."""
    folder, python = environment()
    return run_suite(python, Path(folder.name) / "run" / suite, suite, SECONDS, left_out=EXCLUSIONS)


@pytest.mark.parametrize("cpython_case", sorted(set(case_names())))
def test_cpython(cpython_case: str) -> None:
    results, end = results_of(cpython_case.partition(".")[0])
    result = results.get(cpython_case, {"outcome": "missing", "detail": ""})
    if result["outcome"] == "skipped":
        pytest.skip(result["detail"])
    if result["outcome"] == "passed":
        return
    if result["outcome"] == "failed":
        pytest.fail(result["detail"], pytrace=False)
    pytest.fail(f"the suite ended before this case did\n{end}", pytrace=False)


def test_threading_is_cthreading_there() -> None:
    _, python = environment()
    code = "import threading; print(threading.__name__, threading.Thread.__module__)"
    for _ in range(2):
        out = subprocess.run([python, "-I", "-c", code], capture_output=True, encoding="utf-8", timeout=60, check=True)
        assert out.stdout.split() == ["cthreading", "cthreading"]
        code = f"import subprocess, sys; subprocess.run([sys.executable, '-I', '-c', {code!r}], check=True)"


def test_few_cases_are_excluded() -> None:
    assert len(EXCLUSIONS) <= 8
