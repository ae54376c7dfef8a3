"""python -m cthreading.bench: that it measures and prints what it says. What the numbers are is not tested."""

import gc
import json
import os
import subprocess
import sys
import weakref
from pathlib import Path

import pytest

from cthreading import _core, bench


def run_bench(folder: Path, *options: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "cthreading.bench", *options]
    environment = os.environ | {"PYTHONPATH": str(Path(_core.__file__).parent.parent)}
    return subprocess.run(
        command, capture_output=True, text=True, timeout=110, cwd=folder, env=environment, check=False
    )


def test_quick_run_prints_every_row(tmp_path):
    result = run_bench(tmp_path, "--quick", "--json", "result.json")
    assert result.returncode == 0, result.stderr
    lines = result.stdout.splitlines()
    assert lines[0].startswith("cthreading (")
    for row in (*bench.UNCONTENDED, *bench.HAND_OVER):
        assert any(line.startswith(f"{row.name} ") for line in lines), row.name
    assert "measuring 1/" in result.stderr
    written = json.loads((tmp_path / "result.json").read_text())
    assert [row["name"] for row in written["rows"]] == [row.name for row in (*bench.UNCONTENDED, *bench.HAND_OVER)]
    for row in written["rows"]:
        assert row["threading"] > 0
        assert row["cthreading"] > 0
        assert row["floor"] is None or row["floor"] > 0


def test_only_measures_the_rows_that_match(tmp_path):
    result = run_bench(tmp_path, "--quick", "--only", r"^barrier\(1")
    assert result.returncode == 0, result.stderr
    assert "Barrier(1): wait" in result.stdout
    assert "Lock" not in result.stdout


@pytest.mark.skipif(not hasattr(os, "sched_setaffinity"), reason="a process cannot choose its cores here")
def test_pinned_says_so(tmp_path):
    result = run_bench(tmp_path, "--quick", "--pinned", "--only", "Lock: with")
    assert result.returncode == 0, result.stderr
    assert "pinned to one core" in result.stdout


@pytest.mark.parametrize("pattern", ["no such row", "("])
def test_bad_pattern_is_refused(tmp_path, pattern):
    result = run_bench(tmp_path, "--only", pattern)
    assert result.returncode != 0
    assert result.stderr.startswith("--only: ")


@pytest.mark.parametrize("name", ["__enter__", "__exit__", "call", "call_keywords"])
def test_floor_does_nothing(name):
    arguments = {"__exit__": (None, None, None)}.get(name, ())
    assert getattr(_core._Floor(), name)(*arguments) is None


def test_floor_is_as_the_primitives_are():
    """It has attributes and weak references, and a cycle through it is collected."""
    one = _core._Floor()
    one.attribute = one
    reference = weakref.ref(one)
    gc.collect()
    assert reference() is one
    assert one.attribute is one
    del one
    gc.collect()
    assert reference() is None
    other = _core._Floor()
    reference = weakref.ref(other)
    del other
    gc.collect()
    assert reference() is None
