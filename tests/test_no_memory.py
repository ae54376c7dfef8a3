"""Without memory an operation succeeds or raises MemoryError, and nothing is left wrong: no_memory.py, both ways."""

from __future__ import annotations

import importlib.util
import os
import platform
import subprocess
import sys
import sysconfig
from pathlib import Path

import pytest
from helpers import child_environment
from test_park import find_compiler

SCRIPT = Path(__file__).with_name("no_memory.py")
LIBRARY = Path(__file__).with_name("failing_malloc.c")
SECONDS = 300


def check_sweep(way: str, environment: dict[str, str]) -> None:
    command = [sys.executable, "-X", "faulthandler", str(SCRIPT), "cthreading", way]
    done = subprocess.run(
        command, env=environment, capture_output=True, text=True, timeout=SECONDS, check=False, errors="replace"
    )
    print(done.stdout)
    wrong = [line for line in done.stdout.splitlines() if line.startswith("WRONG")]
    assert (done.returncode, wrong, done.stderr) == (0, [], "")
    assert "MemoryError" in done.stdout


@pytest.mark.timeout(SECONDS + 30)
@pytest.mark.skipif(importlib.util.find_spec("_testcapi") is None, reason="this Python has no _testcapi")
def test_an_allocation_of_the_interpreter_that_fails_leaves_nothing_wrong() -> None:
    check_sweep("hooks", child_environment())


@pytest.mark.timeout(SECONDS + 30)
@pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="failing_malloc.c goes in front of glibc's malloc")
@pytest.mark.skipif(bool(sysconfig.get_config_var("Py_GIL_DISABLED")), reason="this Python cannot use malloc for all")
def test_an_allocation_of_the_c_library_that_fails_leaves_nothing_wrong(tmp_path: Path) -> None:
    library = tmp_path / "failing_malloc.so"
    command = [*find_compiler(), "-shared", "-fPIC", "-O1", str(LIBRARY), "-o", str(library)]
    subprocess.run(command, check=True, timeout=SECONDS)
    preloaded = os.pathsep.join(filter(None, [str(library), os.environ.get("LD_PRELOAD")]))
    check_sweep("malloc", child_environment() | {"LD_PRELOAD": preloaded, "PYTHONMALLOC": "malloc"})
