"""Fixtures for all tests. Functions that need no fixture are in helpers.py."""

from __future__ import annotations

import gc
import threading
from collections.abc import Iterator
from types import ModuleType

import helpers
import pytest
from cpython_exclusions import EXCLUSIONS

import cthreading


@pytest.fixture(params=[threading, cthreading], ids=["threading", "cthreading"])
def module(request: pytest.FixtureRequest) -> ModuleType:
    """Each of the two modules: where both shall behave alike, the standard library's is the oracle."""
    return request.param


@pytest.fixture
def crew() -> Iterator[helpers.Crew]:
    """Starts threads; joins those that the test left, and fails if one raised or does not end."""
    crew = helpers.Crew()
    yield crew
    crew.join()


CPYTHON = pytest.StashKey[set[str]]()


def cpython_name(item: pytest.Item) -> str | None:
    """Where CPython has this case: "lock_tests.LockTests.test_repr"; None for a test of our own."""
    if item.get_closest_marker("cpython") is None:
        return None
    parameters = item.callspec.params if hasattr(item, "callspec") else {}
    if "cpython_case" in parameters:
        return parameters["cpython_case"]
    case, method = getattr(item, "cls", None), getattr(item, "originalname", None) or item.name
    if case is None:
        return None
    theirs = next(base for base in case.__mro__ if base.__module__ != case.__module__)
    return f"{theirs.__module__.removeprefix('test.')}.{theirs.__name__}.{method}"


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Skips the excluded cases of CPython's suites, with their reasons, and remembers which ones are CPython's."""
    config.stash[CPYTHON] = set()
    for item in items:
        name = cpython_name(item)
        if name is not None:
            config.stash[CPYTHON].add(item.nodeid)
            if name in EXCLUSIONS:
                item.add_marker(pytest.mark.skip(reason=f"excluded: {EXCLUSIONS[name]}"))


def pytest_collection_finish() -> None:
    """What there is by now stays: thousands of collections, which tests ask for, need not go through it."""
    gc.collect()
    gc.freeze()


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter, config: pytest.Config) -> None:
    """Says how many of CPython's own cases ran and how many are excluded."""
    theirs = config.stash.get(CPYTHON, set())
    counts = {
        outcome: len({report.nodeid for report in terminalreporter.getreports(outcome)} & theirs)
        for outcome in ("passed", "failed", "error", "skipped")
    }
    excluded = sum(
        report.nodeid in theirs and "excluded: " in str(report.longrepr)
        for report in terminalreporter.getreports("skipped")
    )
    if any(counts.values()):
        terminalreporter.write_line(
            f"CPython's own cases: {sum(counts.values()) - counts['skipped']} ran, "
            f"{counts['failed'] + counts['error']} failed, {counts['skipped'] - excluded} skip themselves here, "
            f"{excluded} excluded"
        )
