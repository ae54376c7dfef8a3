"""CPython's own tests of threading as a whole, unmodified, where `threading` is cthreading from the first import on.

That takes an environment of its own: a .pth file puts cthreading in the place of threading at the start of every
interpreter there, so that the interpreters which the tests start, with -I, have it as well. Each suite runs once, case
by case in one process; here its cases' results are read.
"""

from __future__ import annotations

import functools
import json
import subprocess
import sys
import sysconfig
import tempfile
import unittest
import venv
from collections.abc import Iterator
from pathlib import Path

import pytest
import run_cpython_suite
from cpython_exclusions import EXCLUSIONS

import cthreading

SUITES = ("test_threading", "test_thread", "test_threading_local", "test_threadsignals", "test_threadedtempfile")
RUNNER = Path(run_cpython_suite.__file__).resolve()
SECONDS = 900.0  # for a whole suite, on a slow and busy machine; most of it is the suites' own sleeping

try:
    import test.support  # noqa: F401
except ImportError:
    version = f"{sys.version_info.major}.{sys.version_info.minor}"
    pytest.skip(
        f"CPython's own tests are not installed beside {sys.executable}: on Debian and Ubuntu install "
        f"libpython{version}-testsuite, on Fedora python3-test, from source do without --disable-test-modules",
        allow_module_level=True,
    )

pytestmark = [pytest.mark.cpython, pytest.mark.timeout(SECONDS + 60)]


def name_of(suite: str, case: str) -> str:
    """The name of a case that unittest calls test.suite...; doctests and skipped modules have other ones."""
    name = case.removeprefix("test.")
    return name if name.startswith(f"{suite}.") else f"{suite}.{name}"


def case_names() -> Iterator[str]:
    """All cases of the suites, as "test_thread.LockTests.test_uncond_acquire"."""
    for suite in SUITES:
        for case in run_cpython_suite.cases_of(unittest.defaultTestLoader.loadTestsFromName(f"test.{suite}")):
            yield name_of(suite, case.id())


@functools.cache
def environment() -> tuple[tempfile.TemporaryDirectory[str], str]:
    """A virtual environment where threading is cthreading, and its interpreter."""
    folder = tempfile.TemporaryDirectory(prefix="cthreading-", ignore_cleanup_errors=True)
    builder = venv.EnvBuilder(symlinks=True)
    builder.create(folder.name)
    scheme = {"base": folder.name, "platbase": folder.name}
    packages = Path(sysconfig.get_path("purelib", "venv", scheme))
    # The folder with the extension: in a source tree whose build is installed elsewhere, the tree's own has none.
    installed = Path(cthreading._core.__file__).resolve().parent
    (packages / "cthreading").symlink_to(installed, target_is_directory=True)
    (packages / "threading_is_cthreading.pth").write_text(
        "import cthreading, sys; sys.modules['threading'] = cthreading\n", encoding="utf-8"
    )
    return folder, str(Path(folder.name) / "bin" / Path(sys.executable).name)


@functools.cache
def results_of(suite: str) -> tuple[dict[str, dict[str, str]], str]:
    """What came of each case of the suite, and the end of what the process wrote."""
    folder, python = environment()
    place = Path(folder.name) / "run" / suite
    place.mkdir(parents=True)
    left_out = [f"test.{name}" for name in EXCLUSIONS if name.startswith(f"{suite}.")]
    command = [python, "-X", "faulthandler", "-I", str(RUNNER), str(place / "results"), f"test.{suite}", *left_out]
    with (place / "log").open("wb") as log:
        try:
            end = subprocess.run(command, cwd=place, stdin=subprocess.DEVNULL, stdout=log, stderr=log, timeout=SECONDS)
            how = f"exit code {end.returncode}"
        except subprocess.TimeoutExpired:
            how = f"not finished within {SECONDS} s"
    results = {}
    for line in (place / "results").read_text(encoding="utf-8").splitlines():
        result = json.loads(line)
        results[name_of(suite, result["case"])] = result
    return results, how + "\n" + (place / "log").read_text(encoding="utf-8", errors="replace")[-5000:]


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
