"""CPython's own test cases, unmodified, from the running interpreter's installed `test` package, on our types.

`lock_tests` takes the type under test as a class attribute, so its classes are only subclassed. The modules that say
`threading.something` are imported once more, under another name, while `threading` in sys.modules is cthreading.
"""

from __future__ import annotations

import _threading_local
import doctest
import importlib.abc
import importlib.machinery
import importlib.util
import inspect
import sys
import unittest
from types import ModuleType
from typing import Any

import pytest

import cthreading
import cthreading.queue

try:
    from test import lock_tests, support  # noqa: F401
except ImportError:
    version = f"{sys.version_info.major}.{sys.version_info.minor}"
    pytest.skip(
        f"CPython's own tests are not installed beside {sys.executable}: on Debian and Ubuntu install "
        f"libpython{version}-testsuite, on Fedora python3-test, from source do without --disable-test-modules",
        allow_module_level=True,
    )

pytestmark = pytest.mark.cpython


def import_on_cthreading(name: str, *anew: str) -> ModuleType:
    """A second copy of a module whose `threading` is cthreading, as is that of the modules named after it."""
    kept = {other: sys.modules.pop(other, None) for other in anew}
    kept["threading"] = sys.modules.get("threading")
    sys.modules["threading"] = cthreading
    try:
        spec = importlib.util.find_spec(name)
        module = importlib.util.module_from_spec(spec)
        spec.loader.exec_module(module)
        return module
    finally:
        for other, original in kept.items():
            sys.modules.pop(other, None)
            if original is not None:
                sys.modules[other] = original


def cases_of(module: ModuleType) -> dict[str, type[unittest.TestCase]]:
    """The test cases that a module's own run would run."""
    return {
        name: value
        for name, value in vars(module).items()
        if inspect.isclass(value) and issubclass(value, unittest.TestCase) and value.__module__ == module.__name__
    }


def collect(module: ModuleType, prefix: str = "", **changes: dict[str, Any]) -> None:
    """Makes every test case class of the module one of this module, with attributes changed where given."""
    for name, case in cases_of(module).items():
        where = prefix + module.__name__.removeprefix("test.test_").title().replace("_", "")
        globals()[f"{where}_{name}"] = type(name, (case,), {"__module__": __name__, **changes.get(name, {})})


class LockTests(lock_tests.LockTests):
    locktype = cthreading.Lock


class RLockTests(lock_tests.RLockTests):
    locktype = cthreading.RLock


class EventTests(lock_tests.EventTests):
    eventtype = cthreading.Event


class ConditionTests(lock_tests.ConditionTests):
    condtype = cthreading.Condition


class ConditionAsRLockTests(lock_tests.RLockTests):
    """A Condition over the default RLock has the RLock's methods, as CPython tests it; but not all of them."""

    locktype = cthreading.Condition

    def test_constructor_noargs(self) -> None:
        self.skipTest("a Condition takes an argument")

    def test_recursion_count(self) -> None:
        self.skipTest("a Condition has no _recursion_count")


class SemaphoreTests(lock_tests.SemaphoreTests):
    semtype = cthreading.Semaphore


class BoundedSemaphoreTests(lock_tests.BoundedSemaphoreTests):
    semtype = cthreading.BoundedSemaphore


class BarrierTests(lock_tests.BarrierTests):
    barriertype = cthreading.Barrier


def test_every_class_of_lock_tests_is_run() -> None:
    theirs = {case for case in cases_of(lock_tests).values() if not case.__name__.startswith("Base")}
    ours = {base for value in globals().values() if inspect.isclass(value) for base in value.__bases__}
    assert theirs <= ours


local_tests = import_on_cthreading("test.test_threading_local")
collect(local_tests, ThreadLocalTest={"_local": cthreading.local}, PyThreadingLocalTest={"__test__": False})

# Their `import queue` and import_fresh_module("queue") find no queue, so they make one of their own, on ours.
queue_tests = import_on_cthreading("test.test_queue", "queue")
collect(queue_tests)


class QueueIsOurs(importlib.abc.MetaPathFinder, importlib.abc.Loader):
    """Whoever imports queue, afresh or not, gets the names of cthreading.queue."""

    def find_spec(self, name: str, path: object, target: object = None) -> importlib.machinery.ModuleSpec | None:
        return importlib.util.spec_from_loader(name, self) if name == "queue" else None

    def exec_module(self, module: ModuleType) -> None:
        vars(module).update({name: getattr(cthreading.queue, name) for name in cthreading.queue.__all__})
        vars(module)["_PySimpleQueue"] = cthreading.queue.SimpleQueue


sys.meta_path.insert(0, QueueIsOurs())
own_queue_tests = import_on_cthreading("test.test_queue", "queue")
del sys.meta_path[0]
collect(own_queue_tests, prefix="Own")

sched_tests = import_on_cthreading("test.test_sched", "queue", "sched")
collect(sched_tests)


@pytest.mark.parametrize(
    "case",
    list(doctest.DocTestSuite(_threading_local, extraglobs={"local": cthreading.local})),
    ids=unittest.TestCase.id,
)
def test_documentation_of_threading_local(case: unittest.TestCase) -> None:
    result = unittest.TestResult()
    case.run(result)
    assert result.testsRun == 1
    assert not result.failures, result
    assert not result.errors, result


def test_they_run_on_cthreading() -> None:
    for module in (local_tests, queue_tests, sched_tests):
        assert module.threading is cthreading
    for queue in (queue_tests.py_queue, queue_tests.c_queue, sched_tests.queue):
        assert queue.threading is cthreading
        assert type(queue.Queue().mutex) is cthreading.Lock
        assert type(queue.Queue().not_empty) is cthreading.Condition
    for queue in (own_queue_tests.py_queue, own_queue_tests.c_queue):
        assert queue.Queue is cthreading.queue.Queue
        assert queue.SimpleQueue is cthreading.queue.SimpleQueue
    assert sched_tests.sched.threading is cthreading
    assert sys.modules["threading"] is not cthreading
