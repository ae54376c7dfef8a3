"""CPython's own cases for asyncio.Barrier, unmodified, on cthreading.aio.Barrier."""

import asyncio
import importlib.util
import types
from typing import Any

import pytest

from cthreading import aio

NAME = "test.test_asyncio.test_locks"


def load_cases() -> Any:
    """Return a copy of the installed test module that sees an asyncio with our Barrier."""
    try:
        spec = importlib.util.find_spec(NAME)
    except ImportError:
        spec = None
    if spec is None or spec.loader is None:
        pytest.skip(f"{NAME} is not installed with this Python", allow_module_level=True)
    cases = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(cases)
    replaced = types.ModuleType("asyncio")
    vars(replaced).update(vars(asyncio), Barrier=aio.Barrier)
    vars(cases)["asyncio"] = replaced
    return cases


cases = load_cases()
BarrierTests = cases.BarrierTests
tearDownModule = cases.tearDownModule


def test_cases_use_this_barrier() -> None:
    method = BarrierTests.test_barrier
    assert method.__globals__["asyncio"].Barrier is aio.Barrier
