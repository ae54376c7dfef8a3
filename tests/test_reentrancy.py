"""Calls that a finalizer, a weak reference's callback, a collection or a signal handler makes in the midst of a call
to the same object. They come at any point at which Python code can run: none may hang, and none may be lost."""

from __future__ import annotations

import gc
import signal
import sys
import threading
import time
import weakref
from collections.abc import Callable

import pytest
from helpers import PATIENCE, Crew, wait_until

import cthreading


class Finalized:
    """Calls something when it is collected; in a cycle, so that any allocation may collect it."""

    def __init__(self, call: Callable[[], object]) -> None:
        self.call = call
        self.cycle = self

    def __del__(self) -> None:
        self.call()


@pytest.fixture
def eager_collection():
    """A collection at every few allocations."""
    before = gc.get_threshold()
    gc.set_threshold(1, 1, 1)
    yield
    gc.set_threshold(*before)
    gc.collect()


def repeat_with_garbage(call: Callable[[], object], reenter: Callable[[], object], rounds: int = 200) -> int:
    """Calls again and again while finalizers and weak reference callbacks that call reenter become due.
    Returns how often these ran."""
    ran = []

    def reenter_and_count() -> None:
        reenter()
        ran.append(1)

    class Referred:
        pass

    for _ in range(rounds):
        Finalized(reenter_and_count)
        referred = Referred()
        referred.cycle = referred
        reference = weakref.ref(referred, lambda _: reenter_and_count())
        del referred
        call()
        [[] for _ in range(5)]
        gc.collect(0)
        del reference
    gc.collect()
    return len(ran)


@pytest.mark.usefixtures("eager_collection")
def test_event_set_from_a_finalizer(crew: Crew) -> None:
    event = cthreading.Event()
    crew.start(event.wait, PATIENCE, count=3)
    assert repeat_with_garbage(event.set, event.set)
    assert event.is_set()


@pytest.mark.usefixtures("eager_collection")
def test_event_set_and_clear_from_a_finalizer(crew: Crew) -> None:
    event = cthreading.Event()
    ended = threading.Event()

    def wait() -> None:
        while not ended.is_set():
            event.wait(0.01)

    crew.start(wait, count=2)
    assert repeat_with_garbage(event.clear, event.set)
    assert repeat_with_garbage(event.set, event.clear)
    event.set()
    ended.set()


@pytest.mark.usefixtures("eager_collection")
@pytest.mark.parametrize("waiters", [1, 3])
def test_semaphore_release_from_a_finalizer(waiters: int, crew: Crew) -> None:
    semaphore = cthreading.Semaphore(0)
    crew.start(lambda: semaphore.acquire(timeout=PATIENCE), count=waiters)
    ran = repeat_with_garbage(semaphore.release, semaphore.release)
    crew.join()
    assert ran
    assert semaphore._value == 200 + ran - waiters


@pytest.mark.usefixtures("eager_collection")
@pytest.mark.parametrize("make_lock", [None, cthreading.Lock, threading.RLock])
def test_condition_notify_from_a_finalizer(make_lock: Callable[[], object] | None, crew: Crew) -> None:
    condition = cthreading.Condition(make_lock() if make_lock else None)
    waiting = []

    def wait() -> None:
        with condition:
            waiting.append(1)
            assert condition.wait(PATIENCE)

    crew.start(wait, count=10)
    wait_until(lambda: len(waiting) == 10)
    with condition:
        assert repeat_with_garbage(condition.notify, condition.notify)
    crew.join()
    assert not condition._waiters


@pytest.mark.usefixtures("eager_collection")
def test_lock_release_from_a_finalizer(crew: Crew) -> None:
    """A lock that a finalizer releases goes to a waiter, once for each release."""
    lock = cthreading.Lock()
    got = []
    ended = threading.Event()

    def take() -> None:
        while not ended.is_set():
            if lock.acquire(timeout=0.01):
                got.append(1)

    def release_if_locked() -> None:
        if lock.locked():
            lock.release()
            released.append(1)

    released: list[int] = []
    lock.acquire()
    crew.start(take, count=2)
    assert repeat_with_garbage(release_if_locked, release_if_locked)
    ended.set()
    crew.join()
    # Each release let one acquire through, and the last may be still to be taken.
    assert len(got) + (not lock.locked()) == len(released)


@pytest.mark.usefixtures("eager_collection")
def test_rlock_is_reentered_by_a_finalizer(crew: Crew) -> None:
    lock = cthreading.RLock()

    def use() -> None:
        with lock:
            pass

    crew.start(lambda: [use() for _ in range(2000)])
    assert repeat_with_garbage(use, use)
    assert not lock._is_owned()


@pytest.mark.usefixtures("eager_collection")
def test_barrier_wait_from_a_finalizer() -> None:
    barrier = cthreading.Barrier(1)
    assert repeat_with_garbage(barrier.wait, barrier.wait)
    assert barrier.n_waiting == 0
    assert not barrier.broken


def test_a_barrier_action_may_use_the_barrier() -> None:
    seen = []
    barrier = cthreading.Barrier(1, action=lambda: seen.append((barrier.n_waiting, barrier.broken)))
    barrier.wait()
    assert seen == [(1, False)] or seen == [(0, False)]


def test_a_finalizer_of_a_primitive_may_use_it() -> None:
    """A subclass's __del__ finds a whole object."""
    seen = []

    class Event(cthreading.Event):
        def __del__(self) -> None:
            self.set()
            seen.append(self.wait(0))

    class Semaphore(cthreading.Semaphore):
        def __del__(self) -> None:
            self.release()
            seen.append(self.acquire(blocking=False))

    class Condition(cthreading.Condition):
        def __del__(self) -> None:
            with self:
                self.notify_all()
                seen.append(self.wait(0))

    class RLock(cthreading.RLock):
        def __del__(self) -> None:
            with self:
                seen.append(self._is_owned())

    for kind in (Event, Semaphore, Condition, RLock):
        kind()
        kept = kind()
        kept.cycle = kept
        del kept
    gc.collect()
    assert sorted(seen) == [False] * 2 + [True] * 6


@pytest.mark.parametrize("name", ["event", "semaphore", "condition", "lock", "rlock"])
def test_a_signal_handler_in_the_midst_of_the_same_call(name: str) -> None:
    event, semaphore, lock = cthreading.Event(), cthreading.Semaphore(0), cthreading.Lock()
    condition, rlock = cthreading.Condition(), cthreading.RLock()

    def notify() -> None:
        with condition:
            condition.notify()

    def release() -> None:
        if lock.acquire(blocking=False):
            lock.release()

    def use_rlock() -> None:
        with rlock:
            pass

    call = {
        "event": event.set,
        "semaphore": semaphore.release,
        "condition": notify,
        "lock": release,
        "rlock": use_rlock,
    }[name]
    ended = threading.Event()

    def wait() -> None:
        while not ended.is_set():
            if name == "event":
                event.wait(0.001)
                event.clear()
            elif name == "semaphore":
                semaphore.acquire(timeout=0.001)
            elif name == "condition":
                with condition:
                    condition.wait(0.001)
            elif name == "lock":
                if lock.acquire(timeout=0.001):
                    lock.release()
            else:
                use_rlock()

    handled = []

    def handle(*_: object) -> None:
        call()
        handled.append(1)

    before = signal.signal(signal.SIGUSR1, handle)
    interval = sys.getswitchinterval()
    sys.setswitchinterval(1e-4)

    def interrupt() -> None:
        while not ended.wait(0.0005):
            signal.pthread_kill(threading.main_thread().ident, signal.SIGUSR1)

    try:
        with Crew() as crew:
            crew.start(wait, count=2)
            crew.start(interrupt)
            deadline = time.monotonic() + PATIENCE
            while len(handled) < 200 and time.monotonic() < deadline:
                call()
            ended.set()
    finally:
        ended.set()
        signal.signal(signal.SIGUSR1, before)
        sys.setswitchinterval(interval)
    assert len(handled) >= 200
    assert not lock.locked()
    assert rlock.acquire(blocking=False)
    assert condition.acquire(blocking=False)
