"""Who gets the GIL: woken threads come for it one after the other, and nobody is forgotten on the way."""

from __future__ import annotations

import os
import sys
import sysconfig
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import pytest
from helpers import PATIENCE, Crew, join_all, run_python, wait_until
from waits import wait_until_blocked

import cthreading

with_gil = pytest.mark.skipif(bool(sysconfig.get_config_var("Py_GIL_DISABLED")), reason="there is no GIL to wait for")
HERD = 12


@contextmanager
def switch_interval(seconds: float) -> Iterator[None]:
    before = sys.getswitchinterval()
    sys.setswitchinterval(seconds)
    try:
        yield
    finally:
        sys.setswitchinterval(before)


class EventHerd:
    def __init__(self) -> None:
        self.event = cthreading.Event()

    def block(self) -> None:
        assert self.event.wait(PATIENCE)

    def let_go(self) -> None:
        self.event.set()


class ConditionHerd:
    make_lock: Callable[[], Any] = cthreading.RLock

    def __init__(self) -> None:
        self.condition = cthreading.Condition(type(self).make_lock())

    def block(self) -> None:
        with self.condition:
            assert self.condition.wait(PATIENCE)

    def let_go(self) -> None:
        with self.condition:
            self.condition.notify_all()


class ConditionOverLockHerd(ConditionHerd):
    make_lock = cthreading.Lock


class ConditionOverTheirLockHerd(ConditionHerd):
    make_lock = threading.Lock


class SemaphoreHerd:
    def __init__(self) -> None:
        self.semaphore = cthreading.Semaphore(0)

    def block(self) -> None:
        assert self.semaphore.acquire(timeout=PATIENCE)

    def let_go(self) -> None:
        self.semaphore.release(HERD)


class BarrierHerd:
    def __init__(self) -> None:
        self.barrier = cthreading.Barrier(HERD + 1, timeout=PATIENCE)

    def block(self) -> None:
        self.barrier.wait()

    def let_go(self) -> None:
        self.barrier.wait()


class LockHerd:
    """Each passes the lock on."""

    def __init__(self) -> None:
        self.lock = cthreading.Lock()
        self.lock.acquire()

    def block(self) -> None:
        assert self.lock.acquire(timeout=PATIENCE)
        self.lock.release()

    def let_go(self) -> None:
        self.lock.release()


HERDS = [
    EventHerd,
    ConditionHerd,
    ConditionOverLockHerd,
    ConditionOverTheirLockHerd,
    SemaphoreHerd,
    BarrierHerd,
    LockHerd,
]
every_herd = pytest.mark.parametrize("kind", HERDS)


def gather(kind: type, crew: Crew, then: Callable[[], object]) -> Any:
    """A herd whose threads all wait; each goes on with `then`."""
    herd = kind()

    def work() -> None:
        herd.block()
        then()

    threads = [crew.start(work) for _ in range(HERD)]
    for thread in threads:
        wait_until_blocked(thread)
    return herd


@every_herd
def test_those_behind_one_that_sleeps_elsewhere_are_woken(kind: type, crew: Crew) -> None:
    """Each waits, once woken, for all the others, and not in one of our waits."""
    all_there = threading.Barrier(HERD, timeout=PATIENCE)
    gather(kind, crew, all_there.wait).let_go()
    crew.join()


@every_herd
def test_those_behind_one_that_calculates_are_woken(kind: type, crew: Crew) -> None:
    """Each turns in a loop, once woken, until all the others have come."""
    arrived: list[int] = []
    deadline = time.monotonic() + PATIENCE

    def turn() -> None:
        arrived.append(1)
        while len(arrived) < HERD:
            assert time.monotonic() < deadline

    gather(kind, crew, turn).let_go()
    crew.join()


@every_herd
def test_those_behind_one_that_ends_are_woken(kind: type, crew: Crew) -> None:
    gather(kind, crew, lambda: None).let_go()
    crew.join()


@every_herd
def test_a_waker_that_calculates_does_not_keep_them_from_coming(kind: type, crew: Crew) -> None:
    arrived: list[int] = []
    deadline = time.monotonic() + PATIENCE
    gather(kind, crew, lambda: arrived.append(1)).let_go()
    while len(arrived) < HERD:
        assert time.monotonic() < deadline
    crew.join()


@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")
@pytest.mark.filterwarnings("ignore:.*fork.*:DeprecationWarning")
@every_herd
def test_fork_while_most_are_still_to_be_woken(kind: type, crew: Crew) -> None:
    """The child has none of them, and its own threads are woken as ever."""
    herd = gather(kind, crew, lambda: None)
    herd.let_go()
    pid = os.fork()
    if pid == 0:
        status = 1
        try:
            for again in HERDS:
                with Crew() as own:
                    gather(again, own, lambda: None).let_go()
            status = 0
        finally:
            os._exit(status)
    assert os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == 0
    crew.join()


def test_timeouts_of_those_that_are_still_to_be_woken() -> None:
    """Some come by themselves just when they are granted what they wait for."""
    for number in range(60):
        event = cthreading.Event()
        results: list[bool] = []
        threads = [
            cthreading.Thread(target=lambda n=n: results.append(event.wait(0.002 + n / 10000)))  # noqa: B023
            for n in range(HERD)
        ]
        for thread in threads:
            thread.start()
        time.sleep(0.001 + number / 20000)
        event.set()
        join_all(threads)
        assert len(results) == HERD


def test_daemons_that_are_still_to_be_woken_at_exit() -> None:
    for _ in range(5):
        run_python(
            """
            import cthreading, time
            events = [cthreading.Event() for _ in range(4)]
            def work(event):
                while True:
                    event.wait()
                    event.clear()
            for event in events:
                for _ in range(8):
                    cthreading.Thread(target=work, args=(event,), daemon=True).start()
            time.sleep(0.05)
            for event in events:
                event.set()
            print("end")
            """
        ).check("end")


def use_lock() -> Callable[[], None]:
    lock = cthreading.Lock()

    def use() -> None:
        lock.acquire()
        lock.release()

    return use


def use_with(make: Callable[[], Any]) -> Callable[[], Callable[[], None]]:
    def prepare() -> Callable[[], None]:
        lock = make()

        def use() -> None:
            with lock:
                pass

        return use

    return prepare


def use_event() -> Callable[[], None]:
    return cthreading.Event().set


@with_gil
@pytest.mark.parametrize(
    "prepare",
    [
        use_lock,
        use_with(cthreading.Lock),
        use_with(cthreading.RLock),
        use_with(cthreading.Condition),
        use_with(lambda: cthreading.Condition(cthreading.Lock())),
        use_with(cthreading.Semaphore),
        use_with(cthreading.BoundedSemaphore),
        use_event,
    ],
)
def test_giving_back_lets_a_thread_run_that_has_asked_for_long(prepare: Callable[[], Callable[[], None]]) -> None:
    """cpython issue 104391, with an interpreter that lets nobody run for a minute by itself."""
    use = prepare()
    go, running = cthreading.Event(), cthreading.Event()
    rounds = 5
    seen: list[int] = []

    def work() -> None:
        running.set()
        for number in range(rounds):
            go.wait()
            go.clear()
            seen.append(number)

    thread = cthreading.Thread(target=work, daemon=True)
    thread.start()
    assert running.wait(PATIENCE)
    deadline = time.monotonic() + PATIENCE
    with switch_interval(60):
        for number in range(rounds):
            go.set()
            while len(seen) == number:
                use()
                assert time.monotonic() < deadline
    thread.join(PATIENCE)
    assert seen == list(range(rounds))


@with_gil
def test_nobody_is_let_run_before_it_has_asked_for_long() -> None:
    """Who gives back again and again is not interrupted each time: that would take longer than the work."""
    lock = cthreading.Lock()
    event = cthreading.Event()
    switches = 0

    def count() -> None:
        nonlocal switches
        while not stop:
            event.wait()
            event.clear()
            switches += 1

    stop = False
    thread = cthreading.Thread(target=count, daemon=True)
    thread.start()
    with switch_interval(60):
        began = time.monotonic()
        for _ in range(20000):
            event.set()
            with lock:
                pass
        took = time.monotonic() - began
    stop = True
    event.set()
    wait_until(lambda: event.set() or not thread.is_alive())
    # Once a millisecond, and some more for what the machine does meanwhile.
    assert switches <= took * 1000 + 10, (switches, took)
