"""CPython's own cases for asyncio.Barrier, unmodified, from the installed `test` package, on cthreading.aio.Barrier."""

import asyncio
import importlib.util
import sys
from types import ModuleType

import pytest

from cthreading import aio

try:
    from test.test_asyncio import test_locks  # noqa: F401
except ImportError as error:
    pytest.skip(f"CPython's own tests are not installed beside {sys.executable}: {error}", allow_module_level=True)

pytestmark = pytest.mark.cpython


def import_on_aio(name: str) -> ModuleType:
    """A second copy of a test module, for which asyncio's Barrier is ours."""
    spec = importlib.util.find_spec(name)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    module.asyncio = ModuleType("asyncio")
    vars(module.asyncio).update(vars(asyncio), Barrier=aio.Barrier)
    return module


cases = import_on_aio("test.test_asyncio.test_locks")
tearDownModule = cases.tearDownModule


class BarrierTests(cases.BarrierTests):
    pass


def test_the_cases_see_our_barrier():
    assert cases.BarrierTests.test_barrier.__globals__["asyncio"].Barrier is aio.Barrier
