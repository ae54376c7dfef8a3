"""Signal handlers that run in the midst of a wait: they may raise, use the same object, wait themselves."""

from __future__ import annotations

import random
import signal
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from itertools import cycle, starmap
from types import ModuleType
from typing import Any

import pytest
from helpers import PATIENCE, Crew, run_python, wait_until
from waits import KINDS, wait_until_blocked

import cthreading

SIGNAL = signal.SIGUSR1
MAIN = threading.main_thread()

# Locks whose acquire can be tried again when it raised: of no others can a Condition be sure to come back the owner.
LOCKS = [
    pytest.param(getattr(module, name), id=f"{module.__name__}.{name}")
    for module in (cthreading, threading)
    for name in ("RLock", "Lock")
]

every_kind = pytest.mark.parametrize("kind", KINDS)
with_and_without_timeout = pytest.mark.parametrize("timeout", [None, 600.0], ids=["for-ever", "timeout"])


class Interrupted(Exception):
    pass


@contextmanager
def handler(handle: Callable[[], object]) -> Iterator[None]:
    """Handles SIGNAL by calling handle()."""
    before = signal.signal(SIGNAL, lambda *_: handle())
    try:
        yield
    finally:
        signal.signal(SIGNAL, before)


def raise_interrupted() -> None:
    raise Interrupted


def interrupt(thread: threading.Thread = MAIN) -> None:
    signal.pthread_kill(thread.ident, SIGNAL)


def interrupt_when_blocked() -> None:
    wait_until_blocked(MAIN)
    interrupt()


def record(results: list, call: Callable[..., object], *args: object) -> None:
    """Appends call(*args) to results. No signal handler runs between the return and the append, as no bytecode does:
    results tells whether call returned or raised."""
    results.extend(starmap(call, [args]))


def block(wait: Callable[..., object], *args: object) -> object:
    """By its name, wait_until_blocked finds it."""
    return wait(*args)


@every_kind
@with_and_without_timeout
def test_a_handler_that_raises_ends_the_wait(module: ModuleType, kind: str, timeout: float | None, crew: Crew) -> None:
    wait = KINDS[kind](module)
    with handler(raise_interrupted):
        for _ in range(3):
            crew.start(interrupt_when_blocked)
            with pytest.raises(Interrupted):
                wait.block(timeout)
            wait.check()
            crew.join()
    crew.start(wait.let_go)
    assert wait.block(PATIENCE)
    if kind == "RLock":
        wait.let_go()


@every_kind
def test_a_handler_that_returns_lets_the_wait_go_on(module: ModuleType, kind: str, crew: Crew) -> None:
    wait = KINDS[kind](module)
    handled = []

    def interrupt_and_let_go() -> None:
        for count in range(1, 4):
            wait_until_blocked(MAIN)
            interrupt()
            wait_until(lambda count=count: len(handled) == count)
        wait_until_blocked(MAIN)
        wait.let_go()

    with handler(lambda: handled.append(1)):
        for timeout in (None, 600.0):
            handled.clear()
            crew.start(interrupt_and_let_go)
            assert wait.block(timeout)
            crew.join()
    if kind == "RLock":
        wait.let_go()


@every_kind
def test_a_handler_that_returns_does_not_prolong_the_timeout(module: ModuleType, kind: str, crew: Crew) -> None:
    wait = KINDS[kind](module)
    handled = []
    runs, ended = threading.Event(), threading.Event()

    def interrupt_again_and_again() -> None:
        runs.set()
        wait_until_blocked(MAIN)
        while not ended.wait(0.005):
            interrupt()

    with handler(lambda: handled.append(1)):
        crew.start(interrupt_again_and_again)
        assert runs.wait(PATIENCE)
        begin = time.monotonic()
        assert not wait.block(0.3)
        lasted = time.monotonic() - begin
        ended.set()
        crew.join()
    assert 0.3 <= lasted < PATIENCE
    assert handled
    wait.check()
    if kind == "RLock":
        wait.let_go()


@every_kind
def test_a_handler_may_end_the_wait_that_it_interrupts(kind: str, crew: Crew) -> None:
    wait = KINDS[kind](cthreading)
    for timeout in (None, 600.0):
        with handler(wait.let_go):
            crew.start(interrupt_when_blocked)
            assert wait.block(timeout)
            crew.join()
    if kind == "RLock":
        wait.let_go()


@every_kind
def test_a_handler_may_end_the_wait_and_then_raise(kind: str, crew: Crew) -> None:
    wait = KINDS[kind](cthreading)

    def let_go_and_raise() -> None:
        wait.let_go()
        raise Interrupted

    if kind == "Barrier":
        pytest.skip("the handler's own wait and the one that it interrupts pass the barrier together")
    with handler(let_go_and_raise):
        crew.start(interrupt_when_blocked)
        with pytest.raises(Interrupted):
            wait.block()
    # What the handler gave is still there for the next, except a notification: nobody else waited for it.
    if kind.startswith("Condition"):
        wait.check()
        crew.start(wait.let_go)
    assert wait.block(PATIENCE)
    if kind == "RLock":
        wait.let_go()


@every_kind
def test_a_handler_may_wait_on_the_same_object_with_a_timeout(module: ModuleType, kind: str, crew: Crew) -> None:
    if kind == "Barrier":
        pytest.skip("two waits pass a barrier of two")
    wait = KINDS[kind](module)
    results = []
    with handler(lambda: results.append(wait.block(0.05))):
        crew.start(interrupt_when_blocked)
        crew.start(lambda: wait_until(lambda: results) or wait_until_blocked(MAIN) or wait.let_go())
        assert wait.block(PATIENCE)
    assert results == [False]
    if kind == "RLock":
        wait.let_go()


def make_lock(module: ModuleType, kind: str) -> object:
    return module.Semaphore(1) if kind == "Semaphore" else getattr(module, kind)()


@pytest.mark.parametrize(
    ("module", "kind"),
    [
        (threading, "Lock"),
        (threading, "RLock"),
        (cthreading, "Lock"),
        (cthreading, "RLock"),
        (cthreading, "Semaphore"),
    ],
)
def test_a_handler_may_wait_for_a_thread_that_stands_behind_the_wait_that_it_interrupts(
    module: ModuleType, kind: str, crew: Crew
) -> None:
    lock = make_lock(module, kind)
    held, release, had_it = threading.Event(), threading.Event(), threading.Event()
    handled = []

    def hold() -> None:
        with lock:
            held.set()
            release.wait()

    def stand_behind() -> None:
        assert block(lock.acquire)
        lock.release()
        had_it.set()

    def wait_for_the_one_behind() -> None:
        release.set()
        handled.append(had_it.wait(PATIENCE))

    def arrange() -> None:
        wait_until_blocked(MAIN)
        wait_until_blocked(crew.start(stand_behind))
        interrupt()

    crew.start(hold)
    assert held.wait(PATIENCE)
    with handler(wait_for_the_one_behind):
        crew.start(arrange)
        assert block(lock.acquire)
        lock.release()
    assert handled == [True]


def run_in_random_order(chance: random.Random, *steps: Callable[[], object]) -> None:
    """Calls them after a random moment, in a random order."""
    for _ in range(chance.randrange(4)):
        time.sleep(0.0001)
    for step in chance.sample(steps, len(steps)):
        step()


def interrupted_or(call: Callable[[], object], ready: threading.Event | None = None) -> list:
    """Calls, and waits for the interrupt that comes some time; returns what the call returned, if it did.

    It may come as soon as the event is set, which is therefore done in here.
    """
    results: list = []
    with suppress(Interrupted):
        if ready is not None:
            ready.set()
        record(results, call)
        wait_until(lambda: False)
    return results


@pytest.mark.parametrize("kind", ["Lock", "RLock", "Semaphore", "BoundedSemaphore"])
def test_a_permit_that_meets_an_exception_is_not_lost(kind: str) -> None:
    """Somebody releases at the moment at which a handler raises: the next in the queue gets it all the same."""
    lock = make_lock(cthreading, kind)
    chance = random.Random(kind)

    def one_round() -> None:
        held, ready, taken = threading.Event(), threading.Event(), threading.Event()

        def hold() -> None:
            lock.acquire()
            held.set()
            ready.wait(PATIENCE)
            run_in_random_order(chance, lock.release, interrupt)

        def follow() -> None:
            assert lock.acquire(timeout=PATIENCE)
            lock.release()
            taken.set()

        with Crew() as crew:
            crew.start(hold)
            assert held.wait(PATIENCE)
            crew.start(follow)
            if interrupted_or(lock.acquire, ready):
                lock.release()
            assert taken.wait(PATIENCE)
        assert lock.acquire(timeout=0)
        lock.release()

    with handler(raise_interrupted):
        for _ in range(100):
            one_round()


@pytest.mark.parametrize("make", [cthreading.Lock, cthreading.BoundedSemaphore])
def test_a_lock_that_is_released_twice_as_an_exception_arrives_is_free_once(make: Callable[[], Any]) -> None:
    """The first release hands the lock over to a thread whose handler then raises; the second may find it locked."""
    lock = make()
    interval = sys.getswitchinterval()

    def interrupt_and_release_twice() -> None:
        wait_until_blocked(MAIN)
        interrupt()
        deadline = time.monotonic() + 0.005
        while time.monotonic() < deadline:
            pass  # with the GIL, if there is one: the main thread has seen the signal, and can do nothing about it yet
        lock.release()
        with suppress(RuntimeError, ValueError):
            lock.release()

    with handler(raise_interrupted):
        for _ in range(20):
            lock.acquire()
            with Crew() as crew:
                sys.setswitchinterval(PATIENCE)
                try:
                    crew.start(interrupt_and_release_twice)
                    with suppress(Interrupted):
                        block(lock.acquire)
                    crew.join()
                finally:
                    sys.setswitchinterval(interval)
            lock.acquire(blocking=False)
            assert not lock.acquire(blocking=False)
            lock.release()


@pytest.mark.parametrize("make_lock", LOCKS)
def test_a_notification_that_meets_an_exception_is_not_lost(make_lock: Callable[[], object]) -> None:
    """One notify, two waiters, and a handler that raises in the first: one of the two was notified."""
    chance = random.Random(1)

    def one_round() -> None:
        condition = cthreading.Condition(make_lock())
        follows, notified = threading.Event(), threading.Event()

        def follow() -> None:
            with condition:
                follows.set()
                assert condition.wait(PATIENCE)
            notified.set()

        def notify() -> None:
            assert follows.wait(PATIENCE)
            with condition:
                run_in_random_order(chance, condition.notify, interrupt)

        with Crew() as crew:
            with condition:
                crew.start(follow)
                crew.start(notify)
                results = interrupted_or(condition.wait)
                assert condition._is_owned()
                if results:
                    assert results == [True]
                    condition.notify()
            assert notified.wait(PATIENCE)
        assert not condition._waiters

    with handler(raise_interrupted):
        for _ in range(100):
            one_round()


def test_an_event_that_is_set_as_an_exception_arrives_is_set() -> None:
    chance = random.Random(2)

    def one_round() -> None:
        event, ready = cthreading.Event(), threading.Event()

        def other() -> None:
            ready.wait(PATIENCE)
            run_in_random_order(chance, event.set, interrupt)

        with Crew() as crew:
            crew.start(other)
            crew.start(event.wait, PATIENCE)
            results = interrupted_or(event.wait, ready)
            assert results in ([], [True])
            assert event.wait(PATIENCE)

    with handler(raise_interrupted):
        for _ in range(100):
            one_round()


def test_a_barrier_that_meets_an_exception_stays_usable() -> None:
    """The exception either takes the main thread out before the round is full, or comes after the round."""
    chance = random.Random(3)

    def one_round() -> None:
        barrier, ready = cthreading.Barrier(2), threading.Event()
        passed: list[int] = []

        def other() -> None:
            ready.wait(PATIENCE)
            run_in_random_order(chance, interrupt, lambda: passed.append(barrier.wait(PATIENCE)))

        with Crew() as crew:
            crew.start(other)
            results = interrupted_or(lambda: barrier.wait(PATIENCE), ready)
            wait_until(lambda: passed or barrier.n_waiting == 1)
            if not passed:
                assert not results
                passed.append(barrier.wait(PATIENCE))
        assert not barrier.broken
        assert barrier.n_waiting == 0

    with handler(raise_interrupted):
        for _ in range(100):
            one_round()


@pytest.mark.parametrize("make_lock", LOCKS)
@pytest.mark.parametrize("timeout", [None, 600.0, 0.01], ids=["for-ever", "timeout", "timed-out"])
def test_a_condition_owns_its_lock_whatever_a_handler_raises_while_it_is_taken_again(
    make_lock: Callable[[], object], timeout: float | None, crew: Crew
) -> None:
    lock = make_lock()
    condition = cthreading.Condition(lock)
    handled = []
    released = []

    def handle() -> None:
        handled.append(1)
        raise Interrupted(len(handled))

    def notify_and_interrupt() -> None:
        with condition:
            if timeout != 0.01:
                condition.notify()
            for count in range(1, 4):
                wait_until_blocked(MAIN)
                if timeout == 0.01:
                    time.sleep(0.05)
                interrupt()
                if make_lock is not threading.RLock:
                    # That one does not run handlers while it is taken again, but once it is.
                    wait_until(lambda count=count: len(handled) == count)
            released.append(1)

    with handler(handle):
        with condition:
            crew.start(notify_and_interrupt)
            with pytest.raises(Interrupted):
                block(condition.wait, timeout)
            assert released
            assert condition._is_owned()
        assert not condition._waiters
        crew.start(lambda: lock.acquire() and lock.release())


# Those whose acquire runs a handler that raises, in the midst of taking the lock again.
INTERRUPTIBLE_LOCKS = [lock for lock in LOCKS if lock.values[0] is not threading.RLock]


def contexts(error: BaseException | None) -> list[BaseException]:
    """The exception, its context, the context's context and so on: each once, even if they go round in a circle."""
    found: list[BaseException] = []
    while error is not None and error not in found:
        found.append(error)
        error = error.__context__
    assert error is None, f"a cycle: {found}"
    return found


def errors_of_a_wait(lock: object, crew: Crew, handle: Callable[[], object]) -> list[BaseException]:
    """Waits in a Condition while four signals arrive before the lock is free again. Returns what the wait raised: the
    last of the handlers' exceptions, and its contexts."""
    condition = cthreading.Condition(lock)
    handled = []

    def count_and_handle() -> None:
        handled.append(1)
        handle()

    def interrupt_and_keep_the_lock() -> None:
        with condition:
            condition.notify()
            for count in range(1, 5):
                wait_until_blocked(MAIN)
                interrupt()
                wait_until(lambda count=count: len(handled) == count)
            wait_until_blocked(MAIN)

    with handler(count_and_handle), condition:
        crew.start(interrupt_and_keep_the_lock)
        with pytest.raises(Interrupted) as raised:
            block(condition.wait, PATIENCE)
    crew.join()
    return contexts(raised.value)


@pytest.mark.parametrize("make_lock", INTERRUPTIBLE_LOCKS)
def test_the_exceptions_of_several_handlers_are_each_others_contexts(
    make_lock: Callable[[], object], crew: Crew
) -> None:
    raised: list[BaseException] = []

    def handle() -> None:
        try:
            raise KeyError(len(raised))
        except KeyError as inner:
            outer = Interrupted(len(raised))
            raised.extend([inner, outer])
            raise outer from None

    assert errors_of_a_wait(make_lock(), crew, handle) == raised[::-1]
    assert len(raised) == 8


@pytest.mark.parametrize("make_lock", INTERRUPTIBLE_LOCKS)
def test_handlers_that_raise_the_same_exceptions_again_make_no_cycle_of_contexts(
    make_lock: Callable[[], object], crew: Crew
) -> None:
    errors = [Interrupted("one"), Interrupted("two")]
    turns = cycle(errors)

    def handle() -> None:
        raise next(turns)

    assert errors_of_a_wait(make_lock(), crew, handle) == errors[::-1]


def test_a_condition_may_be_notified_by_a_handler_in_the_midst_of_notify() -> None:
    """The handler runs at any point of a loop that notifies: nothing breaks, every waiter wakes."""
    condition = cthreading.Condition()
    handled = []

    def handle() -> None:
        handled.append(1)
        with condition:
            condition.notify()

    ended = threading.Event()

    def interrupt_again_and_again() -> None:
        while not ended.wait(0.0005):
            interrupt()

    woken = []

    def wait() -> None:
        with condition:
            while not ended.is_set():
                condition.wait(PATIENCE)
                woken.append(1)

    with handler(handle), Crew() as crew:
        crew.start(wait, count=3)
        crew.start(interrupt_again_and_again)
        deadline = time.monotonic() + PATIENCE
        while len(handled) < 100 or len(woken) < 100:
            assert time.monotonic() < deadline
            with condition:
                condition.notify()
        ended.set()
        with condition:
            condition.notify_all()


@pytest.mark.parametrize("signals", [1, 5])
@every_kind
def test_signals_to_another_thread_are_handled_by_the_main_thread(
    module: ModuleType, kind: str, signals: int, crew: Crew
) -> None:
    """The other thread's wait goes on, undisturbed: handlers are the main thread's."""
    wait = KINDS[kind](module)
    handled_by = []
    results = []

    with handler(lambda: handled_by.append(threading.current_thread())):
        thread = crew.start(lambda: results.append(wait.block(PATIENCE)))
        for count in range(1, signals + 1):
            wait_until_blocked(thread)
            interrupt(thread)
            wait_until(lambda count=count: len(handled_by) == count)
        wait_until_blocked(thread)
        assert not results
        wait.let_go()
        crew.join()
    assert results == [True]
    assert set(handled_by) == {MAIN}
    if kind == "RLock":
        wait.let_go()


@every_kind
def test_ctrl_c_interrupts_the_wait_at_once(kind: str) -> None:
    run_python(
        """
        import os, signal, sys, threading, time
        import cthreading
        from helpers import Crew
        from waits import KINDS, wait_until_blocked

        def interrupt():
            wait_until_blocked(threading.main_thread())
            sent.append(time.monotonic())
            os.kill(os.getpid(), signal.SIGINT)

        wait = KINDS[sys.argv[1]](cthreading)
        for timeout in None, 600.0:
            sent = []
            Crew().start(interrupt)
            try:
                wait.block(timeout)
            except KeyboardInterrupt:
                lasted = time.monotonic() - sent[0]
                assert lasted < 5, lasted
                print("interrupted")
        """,
        kind,
    ).check("interrupted\ninterrupted")


def test_ctrl_c_ends_a_program_that_waits() -> None:
    outcome = run_python(
        """
        import os, signal, threading
        import cthreading
        from helpers import Crew
        from waits import wait_until_blocked

        def interrupt():
            wait_until_blocked(threading.main_thread())
            os.kill(os.getpid(), signal.SIGINT)

        def block():
            cthreading.Event().wait()

        Crew().start(interrupt)
        block()
        """
    )
    assert outcome.returncode == -signal.SIGINT, str(outcome)
    assert "KeyboardInterrupt" in outcome.err
