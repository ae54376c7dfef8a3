"""Debuggers, profilers, error reporters and others: what they do with threads, plain and on cthreading.

Each in a process of its own, by a program in tests/tools. Tools that are not installed are left out; the step `tools`
of .ci/run installs all.
"""

from __future__ import annotations

import compare_tools
import pytest
from compare_tools import FOLDER, TOOLS, WAYS, Tool

INSTALLED = [tool for tool in TOOLS if not tool.missing]
MISSING = sorted({package for tool in TOOLS for package in tool.missing})


@pytest.mark.parametrize("tool", INSTALLED, ids=lambda tool: tool.program)
@pytest.mark.parametrize("way", WAYS)
def test_what_a_tool_does_with_threads(tool: Tool, way: str) -> None:
    assert compare_tools.run(tool, way).trouble == ""


@pytest.mark.skipif(bool(MISSING), reason=f"not installed: {', '.join(MISSING)}")
def test_all_tools_are_tried() -> None:
    assert [*TOOLS] == INSTALLED


def test_each_program_is_run_and_says_what_it_checks() -> None:
    assert {path.name for path in FOLDER.glob("with_*.py")} == {tool.path.name for tool in TOOLS}
    assert all(tool.what.endswith(".") for tool in TOOLS)


def test_each_package_is_pinned() -> None:
    lines = (FOLDER / "requirements.txt").read_text().splitlines()
    pinned = {line.partition("==")[0] for line in lines if "==" in line}
    assert pinned - {"pytest"} == {package for tool in TOOLS for package in tool.packages}


@pytest.mark.parametrize(
    ("program", "trouble"),
    [
        ("print('threading')", ""),
        ("print('threads')", "does not say that threading is threading\nthreads\n"),
        ("print('threading', flush=True); raise SystemExit('no')", "exit status 1\nthreading\nno\n"),
        ("print('threading', flush=True); import time; time.sleep(60)", "not finished within 2 s\nthreading\n"),
    ],
)
def test_a_program_counts_if_it_ends_well_and_says_where_it_ran(
    tmp_path: object, monkeypatch: pytest.MonkeyPatch, program: str, trouble: str
) -> None:
    monkeypatch.setattr(compare_tools, "FOLDER", tmp_path)
    monkeypatch.setattr(compare_tools, "SECONDS", 2)
    tool = Tool("example", "example", (), ("sys",))
    tool.path.write_text(program)
    assert compare_tools.run(tool, "plain").trouble == trouble
