"""Subinterpreters, also with a GIL of their own, import the package side by side and use every primitive."""

from __future__ import annotations

import sys

import pytest
from helpers import run_python

# What the versions call it. run(code, isolated) makes an interpreter, runs code in it and destroys it.
PRELUDE = """
import sys, threading
try:
    import _interpreters as interpreters
except ImportError:
    try:
        import _xxsubinterpreters as interpreters
    except ImportError:
        print("no subinterpreters")
        sys.exit()

def make(isolated):
    if sys.version_info >= (3, 13):
        return interpreters.create("isolated" if isolated else "legacy")
    return interpreters.create(isolated=isolated)

def run_in(interpreter, code):
    failure = interpreters.run_string(interpreter, code)
    if failure is not None:
        raise RuntimeError(failure.formatted)

def run(code, isolated):
    interpreter = make(isolated)
    try:
        run_in(interpreter, code)
    finally:
        interpreters.destroy(interpreter)

isolated = sys.argv[1] == "isolated"

USE = '''if True:
    import threading
    import cthreading

    lock, rlock, condition = cthreading.Lock(), cthreading.RLock(), cthreading.Condition()
    semaphore, event, barrier = cthreading.Semaphore(0), cthreading.Event(), cthreading.Barrier(2)
    ready = []
    errors = []

    def other():
        try:
            lock.acquire()
            lock.release()
            with rlock, rlock:
                pass
            assert semaphore.acquire(timeout=30)
            assert event.wait(30)
            with condition:
                ready.append(1)
                assert condition.wait(30)
            barrier.wait(30)
        except BaseException as error:
            errors.append(error)

    lock.acquire()
    thread = threading.Thread(target=other)
    thread.start()
    lock.release()
    semaphore.release()
    event.set()
    while not ready and not errors:
        assert not lock.acquire(timeout=0.001) or lock.release() is None
    with condition:
        condition.notify()
    assert barrier.wait(30) in (0, 1)
    thread.join(30)
    assert not thread.is_alive() and not errors, errors
    try:
        cthreading.Barrier(2).wait(0.001)
    except threading.BrokenBarrierError:
        pass
    else:
        raise AssertionError
'''
"""

# Before 3.12 there are no interpreters with a GIL of their own, and those called isolated may not start threads.
kinds = pytest.mark.parametrize("kind", ["legacy", "isolated"] if sys.version_info >= (3, 12) else ["legacy"])


def check(code: str, kind: str) -> None:
    outcome = run_python(PRELUDE + code, kind, seconds=100)
    if outcome.out.strip() == "no subinterpreters":
        pytest.skip("this Python has no module for subinterpreters")
    outcome.check("done")


@kinds
def test_every_primitive_in_a_subinterpreter(kind: str) -> None:
    check("run(USE, isolated); print('done')", kind)


@kinds
def test_side_by_side_with_the_main_interpreter(kind: str) -> None:
    check("exec(USE); run(USE, isolated); exec(USE); run(USE, isolated); print('done')", kind)


ASK = """
if True:
    import asyncio, inspect, threading, weakref
    import cthreading
    from cthreading import aio

    for name in ("Condition", "Semaphore", "BoundedSemaphore", "Event", "Barrier"):
        theirs = getattr(threading, name)
        it = getattr(cthreading, name)(*[2] * (name == "Barrier"))
        assert isinstance(it, theirs) and type(it) in theirs.__subclasses__()
        it.attribute = it
        method = it.wait if hasattr(it, "wait") else it.acquire
        assert inspect.ismethod(method) and weakref.WeakMethod(method)() == method
    assert isinstance(aio.Barrier(2), asyncio.Barrier)
    for name in ("Lock", "RLock", "local"):
        assert isinstance(getattr(cthreading, name)(), type(getattr(threading, name)()))
"""


@kinds
def test_objects_are_of_the_kind_that_their_own_interpreter_has(kind: str) -> None:
    check(f"ASK = {ASK!r}\nexec(ASK)\nfor _ in range(5):\n    run(ASK, isolated)\nexec(ASK)\nprint('done')", kind)


@kinds
def test_many_one_after_the_other(kind: str) -> None:
    check("for _ in range(20): run(USE, isolated)\nprint('done')", kind)


@kinds
def test_many_at_once_destroyed_in_another_order(kind: str) -> None:
    check(
        """
many = [make(isolated) for _ in range(8)]
for interpreter in many:
    run_in(interpreter, USE)
for interpreter in many[::2] + many[1::2]:
    run_in(interpreter, "event.clear(); assert not event.wait(0.001)")
    interpreters.destroy(interpreter)
exec(USE)
print("done")
""",
        kind,
    )


@kinds
def test_several_in_parallel_threads(kind: str) -> None:
    check(
        """
errors = []
def work():
    try:
        for _ in range(3):
            run(USE, isolated)
    except BaseException as error:
        errors.append(error)
threads = [threading.Thread(target=work) for _ in range(4)]
for thread in threads:
    thread.start()
for thread in threads:
    thread.join()
assert not errors, errors[0]
print("done")
""",
        kind,
    )


@kinds
def test_types_are_each_interpreters_own(kind: str) -> None:
    check(
        """
import cthreading
cthreading.Event.mark = 1
run("import cthreading; assert not hasattr(cthreading.Event, 'mark'); cthreading.Event.mark = 2", isolated)
assert cthreading.Event.mark == 1
run("import cthreading; assert not hasattr(cthreading.Event, 'mark')", isolated)
print("done")
""",
        kind,
    )


@kinds
def test_a_program_ends_with_subinterpreters_alive(kind: str) -> None:
    check(
        """
for _ in range(3):
    run_in(make(isolated), USE)
# From 3.14 on the interpreter warns of them, after warnings can be filtered.
sys.stderr.flush()
import os
os.dup2(os.open(os.devnull, os.O_WRONLY), 2)
print("done")
""",
        kind,
    )


@kinds
def test_one_interpreter_watches_its_waits_at_a_time(kind: str) -> None:
    check(
        """
import cthreading

TRY = '''if True:
    import cthreading
    cthreading.watch_deadlocks(None)  # there is nothing to end
    try:
        cthreading.watch_deadlocks("raise", 0.01)
    except RuntimeError as error:
        assert "another interpreter" in str(error), error
    else:
        raise AssertionError
'''
cthreading.watch_deadlocks("raise", 0.01)
run(TRY, isolated)
lock = cthreading.Lock()
with lock:
    try:
        lock.acquire()
    except cthreading.DeadlockError:
        print("done")
cthreading.watch_deadlocks(None)
watcher = make(isolated)
run_in(watcher, "import cthreading; cthreading.watch_deadlocks('raise', 0.01)")
exec(TRY)
interpreters.destroy(watcher)
cthreading.watch_deadlocks("raise", 0.01)
""",
        kind,
    )
