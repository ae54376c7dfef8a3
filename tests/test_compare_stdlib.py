"""compare_stdlib.py tells apart what is ours to answer for from what fails in the plain interpreter, too."""

from __future__ import annotations

import importlib.util
import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path

import compare_stdlib
import pytest

import cthreading


def outcomes(**cases: str) -> compare_stdlib.Results:
    return {name: {"outcome": outcome, "detail": ""} for name, outcome in cases.items()}


@pytest.mark.parametrize(
    ("plain", "ours", "counts"),
    [
        ("passed", "failed", True),
        ("passed", "skipped", True),
        ("skipped", "failed", True),
        ("passed", "passed", False),
        ("failed", "failed", False),
        ("failed", "skipped", False),
        ("failed", "passed", False),
        ("skipped", "passed", False),
        ("skipped", "skipped", False),
    ],
)
def test_what_counts_as_worse(plain: str, ours: str, counts: bool) -> None:
    found = compare_stdlib.differing(outcomes(case=plain), outcomes(case=ours))
    assert found == (["case"] if counts else [])


def test_a_case_that_did_not_run_counts() -> None:
    assert compare_stdlib.differing(outcomes(case="passed"), {}) == ["case"]
    assert compare_stdlib.differing({}, outcomes(case="failed")) == ["case"]


SUITE = """
import os, sys, threading, unittest

here = threading.__name__ == "cthreading"

class Cases(unittest.TestCase):
    def test_fails_on_both(self):
        self.fail()

    def test_fails_on_cthreading(self):
        self.assertFalse(here)

    def test_kills_its_process_on_cthreading(self):
        if here:
            os._exit(9)

    def test_passes_on_both(self):
        pass

    def test_skips_on_cthreading(self):
        if here:
            self.skipTest("cthreading")
"""


@pytest.mark.skipif(importlib.util.find_spec("test") is None, reason="needs CPython's package test")
def test_the_whole_way() -> None:
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        # A `test` of ours: it is found first through a .pth file of the environments, as both have to see it.
        (folder / "made").mkdir()
        (folder / "made" / "test_made.py").write_text(SUITE, encoding="utf-8")
        program = f"""
            import compare_stdlib, redirected, sys
            make = redirected.make_environment
            def make_with_a_suite_more(place, redirect=True):
                python = make(place, redirect)
                for packages in place.glob("lib*/python*/site-packages"):
                    line = "import test; test.__path__.append({str(folder / "made")!r})"
                    (packages / "made.pth").write_text(line + "\\n")
                return python
            compare_stdlib.make_environment = make_with_a_suite_more
            compare_stdlib.AGAIN = 1
            sys.argv[1:] = ["--suite", "test_made", "--json", {str(folder / "json")!r}]
            sys.argv += ["--markdown", {str(folder / "markdown")!r}, "--timeout", "60"]
            compare_stdlib.main()
        """
        places = (Path(compare_stdlib.__file__).parent, Path(cthreading.__file__).parent.parent)
        environment = os.environ | {"PYTHONPATH": os.pathsep.join(map(str, places))}
        lines = "\n".join(line.removeprefix(" " * 12) for line in program.splitlines())
        command = [sys.executable, "-c", lines]
        end = subprocess.run(command, env=environment, capture_output=True, encoding="utf-8", timeout=110)
        assert end.returncode == 1, end.stderr
        (row,) = json.loads((folder / "json").read_text(encoding="utf-8"))["suites"]
        assert row["plain"] == {"passed": 4, "failed": 1}
        assert row["cthreading"] == {"passed": 1, "failed": 3, "skipped": 1}
        assert {case.rpartition(".")[2] for case in row["worse"]} == {
            "test_fails_on_cthreading",
            "test_kills_its_process_on_cthreading",
            "test_skips_on_cthreading",
        }
        assert (
            "| test_made | 5 | 4 passed, 1 failed | 1 passed, 3 failed, 1 skipped | "
            "Cases.test_fails_on_cthreading (2 of 2; plain 0 of 2), " in (folder / "markdown").read_text("utf-8")
        )
