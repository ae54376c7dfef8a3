"""Each public operation of the primitives with one allocation after the other failing, or all from one on.

    python tests/no_memory.py MODULE [hooks | malloc]

prints a table: how often each operation succeeded, and how often it raised MemoryError. What else happens is a line
that begins with WRONG: another exception, or an object that is not as it was before a failure, or as it should be after
a success. hooks: the interpreter's allocators fail, by _testcapi. malloc: the C library's, for the thread that asks for
it; failing_malloc.c must be loaded in front of it, and PYTHONMALLOC be malloc.
"""

from __future__ import annotations

import _thread
import ctypes
import importlib
import os
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import suppress
from typing import Any

STEPS = 50
ALL = 1_000_000
SHORT = 0.0005  # seconds
LONG = 30.0

T = importlib.import_module(sys.argv[1])
Operation = Callable[[], object]
Check = Callable[[bool], object]
OPERATIONS: dict[str, Callable[[], tuple[Operation, Check]]] = {}


def operation(function: Callable[[], tuple[Operation, Check]]) -> Callable[[], tuple[Operation, Check]]:
    """Makes an object; returns what to do with it and what must hold then, told whether that was done."""
    OPERATIONS[(function.__doc__ or function.__name__).strip()] = function
    return function


def nothing(_done: bool) -> None:
    pass


def making(name: str, make: Operation) -> None:
    OPERATIONS[name] = lambda: (make, nothing)


def stays_locked(lock: Any) -> Check:
    def check(_done: bool) -> None:
        assert not lock.acquire(False)
        lock.release()
        assert lock.acquire(False)

    return check


making("Lock()", lambda: T.Lock())
making("RLock()", lambda: T.RLock())
making("Condition()", lambda: T.Condition())
making("Condition(Lock())", lambda: T.Condition(T.Lock()))
making("Semaphore(2)", lambda: T.Semaphore(2))
making("Semaphore(inf)", lambda: T.Semaphore(float("inf")))
making("BoundedSemaphore(2)", lambda: T.BoundedSemaphore(2))
making("Event()", lambda: T.Event())
making("Barrier(2)", lambda: T.Barrier(2))
making("Barrier(2, action, timeout)", lambda: T.Barrier(2, int, 1.5))
making("local()", lambda: T.local())


@operation
def lock_acquire() -> tuple[Operation, Check]:
    """Lock.acquire"""
    lock = T.Lock()

    def check(done: bool) -> None:
        assert lock.locked() == done

    return lock.acquire, check


@operation
def lock_acquire_timeout() -> tuple[Operation, Check]:
    """Lock.acquire(timeout), locked"""
    lock = T.Lock()
    lock.acquire()
    return lambda: lock.acquire(timeout=SHORT), stays_locked(lock)


@operation
def lock_release() -> tuple[Operation, Check]:
    """Lock.release"""
    lock = T.Lock()
    lock.acquire()

    def check(done: bool) -> None:
        assert lock.locked() == (not done)

    return lock.release, check


def owned_times(lock: Any) -> int:
    count = 0
    while lock._is_owned():
        lock.release()
        count += 1
    return count


@operation
def rlock_acquire() -> tuple[Operation, Check]:
    """RLock.acquire, owned"""
    lock = T.RLock()
    lock.acquire()

    def check(done: bool) -> None:
        assert owned_times(lock) == 1 + done

    return lock.acquire, check


@operation
def rlock_release() -> tuple[Operation, Check]:
    """RLock.release"""
    lock = T.RLock()
    lock.acquire()
    lock.acquire()

    def check(done: bool) -> None:
        assert owned_times(lock) == 2 - done

    return lock.release, check


def condition_operations(name: str, make_lock: Callable[[], Any], times: int) -> None:
    def acquired() -> tuple[Any, Any]:
        lock = make_lock()
        for _ in range(times):
            lock.acquire()
        return lock, T.Condition(lock)

    def still_owned(lock: Any, condition: Any) -> Check:
        def check(_done: bool) -> None:
            assert not condition._waiters
            if times > 1 or hasattr(lock, "_is_owned"):
                assert owned_times(lock) == times
            else:
                stays_locked(lock)(True)

        return check

    def wait() -> tuple[Operation, Check]:
        lock, condition = acquired()
        method = condition.wait
        return lambda: method(SHORT), still_owned(lock, condition)

    def wait_for() -> tuple[Operation, Check]:
        lock, condition = acquired()
        method, predicate = condition.wait_for, bool
        return lambda: method(predicate, SHORT), still_owned(lock, condition)

    def notify() -> tuple[Operation, Check]:
        lock, condition = acquired()
        return condition.notify, still_owned(lock, condition)

    def notify_all() -> tuple[Operation, Check]:
        lock, condition = acquired()
        return condition.notify_all, still_owned(lock, condition)

    OPERATIONS[f"Condition({name}).wait(timeout)"] = wait
    OPERATIONS[f"Condition({name}).wait_for(false, timeout)"] = wait_for
    OPERATIONS[f"Condition({name}).notify"] = notify
    OPERATIONS[f"Condition({name}).notify_all"] = notify_all


condition_operations("Lock", lambda: T.Lock(), 1)
condition_operations("RLock, twice", lambda: T.RLock(), 2)
condition_operations("_thread.lock", _thread.allocate_lock, 1)
condition_operations("_thread.RLock, twice", _thread.RLock, 2)


def semaphore_operations(name: str) -> None:
    def make(value: int) -> Any:
        semaphore = getattr(T, name)(3)
        for _ in range(3 - value):
            semaphore.acquire()
        return semaphore

    def has_value(semaphore: Any, before: int, change: int) -> Check:
        def check(done: bool) -> None:
            assert semaphore._value == before + (change if done else 0), semaphore._value

        return check

    def acquire() -> tuple[Operation, Check]:
        semaphore = make(1)
        return semaphore.acquire, has_value(semaphore, 1, -1)

    def acquire_timeout() -> tuple[Operation, Check]:
        semaphore = make(0)
        return lambda: semaphore.acquire(timeout=SHORT), has_value(semaphore, 0, 0)

    def release() -> tuple[Operation, Check]:
        semaphore = make(1)
        return semaphore.release, has_value(semaphore, 1, 1)

    def release_two() -> tuple[Operation, Check]:
        semaphore = make(0)
        return lambda: semaphore.release(2), has_value(semaphore, 0, 2)

    OPERATIONS[f"{name}.acquire"] = acquire
    OPERATIONS[f"{name}.acquire(timeout), none left"] = acquire_timeout
    OPERATIONS[f"{name}.release"] = release
    OPERATIONS[f"{name}.release(2)"] = release_two


semaphore_operations("Semaphore")
semaphore_operations("BoundedSemaphore")


@operation
def event_set() -> tuple[Operation, Check]:
    """Event.set"""
    event = T.Event()

    def check(done: bool) -> None:
        assert event.is_set() or not done
        assert event.wait(SHORT) == event.is_set()

    return event.set, check


@operation
def event_clear() -> tuple[Operation, Check]:
    """Event.clear"""
    event = T.Event()
    event.set()

    def check(done: bool) -> None:
        assert not (done and event.is_set())

    return event.clear, check


@operation
def event_wait() -> tuple[Operation, Check]:
    """Event.wait(timeout)"""
    event = T.Event()

    def check(_done: bool) -> None:
        event.set()
        assert event.wait(SHORT)

    return lambda: event.wait(SHORT), check


@operation
def event_condition() -> tuple[Operation, Check]:
    """Event._cond, then set"""
    event = T.Event()

    def use() -> None:
        with event._cond:
            pass
        event.set()

    def check(_done: bool) -> None:
        event.set()
        assert event.is_set()
        assert not event._cond._lock.locked()

    return use, check


def usable_barrier(barrier: Any) -> None:
    assert barrier.n_waiting == 0
    barrier.reset()
    assert not barrier.broken
    other = threading.Thread(target=barrier.wait, args=(LONG,), daemon=True)
    other.start()
    assert barrier.wait(LONG) in (0, 1)
    other.join(LONG)
    assert not other.is_alive()


@operation
def barrier_wait_alone() -> tuple[Operation, Check]:
    """Barrier(1, action).wait"""
    barrier = T.Barrier(1, int)

    def check(_done: bool) -> None:
        barrier.reset()
        assert barrier.wait(LONG) == 0

    return barrier.wait, check


@operation
def barrier_wait_timeout() -> tuple[Operation, Check]:
    """Barrier(2).wait(timeout)"""
    barrier = T.Barrier(2)

    def wait() -> None:
        with suppress(threading.BrokenBarrierError):
            barrier.wait(SHORT)

    return wait, lambda _done: usable_barrier(barrier)


@operation
def barrier_abort() -> tuple[Operation, Check]:
    """Barrier.abort"""
    barrier = T.Barrier(2)

    def check(done: bool) -> None:
        assert barrier.broken or not done
        usable_barrier(barrier)

    return barrier.abort, check


@operation
def barrier_reset() -> tuple[Operation, Check]:
    """Barrier.reset"""
    barrier = T.Barrier(2)
    barrier.abort()
    return barrier.reset, lambda _done: usable_barrier(barrier)


@operation
def local_attribute() -> tuple[Operation, Check]:
    """local: set, get, delete"""
    data = T.local()

    def use() -> None:
        data.one = 1
        assert data.one == 1
        del data.one

    def check(done: bool) -> None:
        assert not (done and hasattr(data, "one"))
        data.one = 2
        assert data.__dict__ == {"one": 2}

    return use, check


def waking(name: str, make: Callable[[], Any], wait: str, wake: str, undo: str) -> None:
    """One thread waits, and is woken; or, if there was no memory for it, is still to be woken by `undo`."""

    def woken() -> tuple[Operation, Check]:
        thing = make()
        results: list[object] = []
        is_over: list[bool] = []

        def block() -> None:
            result = getattr(thing, wait)(LONG) if wait == "wait" else getattr(thing, wait)(timeout=LONG)
            while not is_over:
                pass  # what the thread does from here on may need memory
            results.append(result)

        thread = threading.Thread(target=block, daemon=True)
        thread.start()

        def check(done: bool) -> None:
            is_over.append(True)
            if not done:
                getattr(thing, undo)()
            thread.join(LONG)
            assert results == [True]

        return getattr(thing, wake), check

    OPERATIONS[name] = woken


waking("Event.set, one waits", lambda: T.Event(), "wait", "set", "set")
waking("Semaphore.release, one waits", lambda: T.Semaphore(0), "acquire", "release", "release")

REPRS = [
    lambda: T.Lock(),
    lambda: T.RLock(),
    lambda: T.Condition(),
    lambda: T.Semaphore(),
    lambda: T.BoundedSemaphore(),
    lambda: T.Event(),
    lambda: T.Barrier(2),
]


def representation(make: Callable[[], Any]) -> None:
    def show() -> tuple[Operation, Check]:
        thing = make()
        return lambda: repr(thing), nothing

    OPERATIONS[f"repr({type(make()).__name__})"] = show


for each in REPRS:
    representation(each)


class Hooks:
    """The interpreter's allocators fail."""

    def __init__(self) -> None:
        import _testcapi

        self.fail = lambda first, many: _testcapi.set_nomemory(first, first + many)
        self.stop = _testcapi.remove_mem_hooks


class Malloc:
    """The C library's fail, for this thread."""

    def __init__(self) -> None:
        self.prepare = ctypes.CDLL(None).failing_malloc
        self.prepare.argtypes = [ctypes.c_long, ctypes.c_long]
        self.prepare.restype = None
        self.stop = os.getppid

    def fail(self, first: int, many: int) -> None:
        self.prepare(first, many)
        os.getppid()


def steps() -> Iterator[tuple[int, int]]:
    """Which allocations fail: the first, and how many."""
    for first in range(STEPS):
        yield first, 1
        yield first, ALL


def attempt(way: Any, act: Operation, first: int, many: int) -> BaseException | None:
    fail, stop = way.fail, way.stop
    try:
        try:
            fail(first, many)
            act()
        finally:
            stop()
    except BaseException as error:
        return error
    return None


def sweep(way: Any, name: str) -> bool:
    counts = {"done": 0, "MemoryError": 0}
    fine = True
    for first, many in steps():
        act, check = OPERATIONS[name]()
        act()
        if name.endswith("one waits"):
            check(True)
        act, check = OPERATIONS[name]()
        error = attempt(way, act, first, many)
        counts["done" if error is None else "MemoryError"] += 1
        try:
            if error is not None and not isinstance(error, MemoryError):
                raise error
            check(error is None)
        except BaseException as wrong:
            fine = False
            print(f"WRONG {name}: allocation {first} and {many - 1} more fail: {error!r}, then {wrong!r}", flush=True)
    print(f"{name:45} {counts['done']:6} {counts['MemoryError']:12}", flush=True)
    return fine


def sweep_first_waits(way: Any) -> bool:
    """A thread's first wait, while all memory of earlier ones is in use."""
    lock, end = T.Lock(), T.Event()
    lock.acquire()
    outcomes: list[BaseException | None] = []
    threads = []

    def work(first: int, many: int) -> None:
        acquire = lock.acquire
        outcomes.append(attempt(way, lambda: acquire(timeout=SHORT), first, many))
        end.wait(LONG)

    for first, many in steps():
        thread = threading.Thread(target=work, args=(first, many), daemon=True)
        threads.append(thread)
        thread.start()
        while len(outcomes) < len(threads) and thread.is_alive():
            thread.join(SHORT)
    end.set()
    for thread in threads:
        thread.join(LONG)
    wrong = [error for error in outcomes if error is not None and not isinstance(error, MemoryError)]
    if wrong or len(outcomes) != len(threads) or not lock.locked():
        print(f"WRONG first waits: {wrong}, {len(outcomes)} outcomes", flush=True)
    count = sum(error is not None for error in outcomes)
    print(f"{'Lock.acquire(timeout), first of a thread':45} {len(outcomes) - count:6} {count:12}", flush=True)
    return not wrong


def main() -> int:
    way = Malloc() if sys.argv[2:] == ["malloc"] else Hooks()
    print(f"{sys.argv[1]:45} {'done':>6} {'MemoryError':>12}")
    fine = [sweep(way, name) for name in OPERATIONS]
    if isinstance(way, Malloc):
        fine.append(sweep_first_waits(way))
    return 0 if all(fine) else 1


if __name__ == "__main__":
    sys.exit(main())
