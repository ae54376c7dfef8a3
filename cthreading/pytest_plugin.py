"""For pytest: who waits for whom, in the reports of tests that pytest-timeout ends, and of deadlocks.

    pytest -p cthreading.pytest_plugin

- A test that pytest-timeout fails has a section "Waits" in its report: cthreading.dump_waits() at that moment. Where it
  ends the process instead (--timeout-method=thread) that is written below the stacks.
- A deadlock that has lasted for a second is written to standard error at once, as the run may hang for it, and is in a
  section "Deadlock" of the report of the test that ran then.
- With --deadlocks=raise, or `deadlocks = raise` in the configuration, one of its threads gets cthreading.DeadlockError.

It sees the waits at cthreading's objects. It does not put these in the place of threading's: see cthreading.install().
"""

from __future__ import annotations

import io
import os
import sys
from collections.abc import Callable, Generator
from typing import Any

import pytest

import cthreading
from cthreading import _core, _waits

AFTER = 1.0  # seconds in a wait, until its thread looks for a deadlock


def pytest_addoption(parser: pytest.Parser) -> None:
    group = parser.getgroup("cthreading", "who waits for whom")
    text = "What is done about a deadlock: report it (the default), or raise DeadlockError in one of its threads, too."
    group.addoption("--deadlocks", choices=["report", "raise"], help=text)
    parser.addini("deadlocks", text, default="report")


def pytest_configure(config: pytest.Config) -> None:
    action = config.getoption("deadlocks") or config.getini("deadlocks")
    if action not in ("report", "raise"):
        raise pytest.UsageError(f"deadlocks must be report or raise, not {action!r}")
    config.pluginmanager.register(_Plugin(action == "raise"), "cthreading-waits")


def _dump() -> str:
    """dump_waits() for a signal handler, too: the wait that it has interrupted counts as any other."""
    written = io.StringIO()
    _waits._interrupted.add(cthreading.get_ident())
    try:
        _waits.dump_waits(written)
    finally:
        _waits._interrupted.discard(cthreading.get_ident())
    return written.getvalue()


class _Raising(_waits._Watcher):
    """Has a thread of a deadlock raise, and notes the deadlock before its wait ends."""

    def __init__(self, note: Callable[[object], None]) -> None:
        super().__init__("raise")
        self.note = note

    def __call__(self, serial: int) -> None:
        try:
            super().__call__(serial)
        except cthreading.DeadlockError:
            self.note(None)
            raise


class _Plugin:
    def __init__(self, raises: bool) -> None:
        self.sections: list[tuple[str, str]] = []
        self.runs_tests = 0  # ident of the thread
        # While nothing is captured: that is so when pytest configures itself.
        self.standard_error = os.dup(2)
        self.timeout = sys.modules.get("pytest_timeout")
        self.dump_stacks = getattr(self.timeout, "dump_stacks", None)
        if self.dump_stacks is not None:
            vars(self.timeout)["dump_stacks"] = self.dump_all
        if raises:
            _core._watch_waits(_Raising(self.note_deadlock), AFTER)
        else:
            cthreading.watch_deadlocks(self.note_deadlock, AFTER)

    def pytest_unconfigure(self) -> None:
        cthreading.watch_deadlocks(None)
        if self.dump_stacks is not None:
            vars(self.timeout)["dump_stacks"] = self.dump_stacks
        os.close(self.standard_error)

    def note_deadlock(self, _cycle: object) -> None:
        """Called by a thread that is part of it, in the middle of its wait."""
        text = _dump()
        self.sections.append(("Deadlock", text))
        os.write(self.standard_error, f"\n{text}".encode("utf-8", "backslashreplace"))

    def dump_all(self, terminal: Any) -> None:
        """In the place of pytest-timeout's function: all threads are still where they were at the timeout."""
        assert self.dump_stacks is not None
        text = _dump()
        if cthreading.get_ident() == self.runs_tests:
            # What is called raises as soon as this returns: there will be a report.
            self.sections.append(("Waits", text))
            self.dump_stacks(terminal)
        else:
            self.dump_stacks(terminal)
            terminal.sep("~", title="Waits")
            terminal.write(text)

    @pytest.hookimpl(wrapper=True, tryfirst=True)
    def pytest_runtest_protocol(self) -> Generator[None, object, object]:
        self.runs_tests = cthreading.get_ident()
        return (yield)

    @pytest.hookimpl(wrapper=True)
    def pytest_runtest_makereport(self) -> Generator[None, pytest.TestReport, pytest.TestReport]:
        report = yield
        sections, self.sections = self.sections, []
        report.sections.extend(sections)
        return report
