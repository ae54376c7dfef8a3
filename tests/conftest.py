"""Fixtures for all tests. Functions that need no fixture are in helpers.py."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from types import ModuleType

import cthreading
import helpers
import pytest


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
