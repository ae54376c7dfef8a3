"""Timeouts, of whatever waits: how long the wait is, and which ones are refused."""

from __future__ import annotations

import threading
import time
import weakref
from collections.abc import Callable
from decimal import Decimal
from fractions import Fraction
from types import ModuleType
from typing import Any

import pytest
from behaviour import Outcome, only_ours, until_asleep
from helpers import PATIENCE, Crew

Wait = Callable[[Any], bool]
"""Waits so long; returns whether the wait ended before the timeout."""


class Waiting:
    """Something to wait for that does not come until open() is called."""

    def __init__(self, wait: Wait, open: Callable[[], object]) -> None:
        self.wait = wait
        self.open = open


def lock_acquire(module: ModuleType) -> Waiting:
    lock = module.Lock()
    lock.acquire()
    return Waiting(lambda timeout: lock.acquire(True, timeout), lock.release)


def lock_acquire_by_name(module: ModuleType) -> Waiting:
    lock = module.Lock()
    lock.acquire()
    return Waiting(lambda timeout: lock.acquire(timeout=timeout), lock.release)


def rlock_acquire(module: ModuleType) -> Waiting:
    lock = module.RLock()
    held, leave = threading.Event(), threading.Event()

    def hold() -> None:
        with lock:
            held.set()
            leave.wait()

    threading.Thread(target=hold, daemon=True).start()
    assert held.wait(PATIENCE)
    waiting = Waiting(lambda timeout: lock.acquire(True, timeout), leave.set)
    weakref.finalize(waiting, leave.set)
    return waiting


def condition_acquire(module: ModuleType) -> Waiting:
    condition = module.Condition(module.Lock())
    condition.acquire()
    return Waiting(lambda timeout: condition.acquire(timeout=timeout), condition.release)


def condition_wait(module: ModuleType) -> Waiting:
    condition = module.Condition()

    def wait(timeout: Any) -> bool:
        with condition:
            return condition.wait(timeout)

    def open() -> None:
        with condition:
            condition.notify_all()

    return Waiting(wait, open)


def condition_wait_over_a_lock(module: ModuleType) -> Waiting:
    condition = module.Condition(module.Lock())

    def wait(timeout: Any) -> bool:
        with condition:
            return condition.wait(timeout=timeout)

    def open() -> None:
        with condition:
            condition.notify_all()

    return Waiting(wait, open)


def condition_wait_for(module: ModuleType) -> Waiting:
    condition = module.Condition()
    state = [False]

    def wait(timeout: Any) -> bool:
        with condition:
            return condition.wait_for(lambda: state[0], timeout)

    def open() -> None:
        with condition:
            state[0] = True
            condition.notify_all()

    return Waiting(wait, open)


def semaphore_acquire(module: ModuleType) -> Waiting:
    semaphore = module.Semaphore(0)
    return Waiting(lambda timeout: semaphore.acquire(timeout=timeout), semaphore.release)


def bounded_semaphore_acquire(module: ModuleType) -> Waiting:
    semaphore = module.BoundedSemaphore(1)
    semaphore.acquire()
    return Waiting(lambda timeout: semaphore.acquire(True, timeout), semaphore.release)


def event_wait(module: ModuleType) -> Waiting:
    event = module.Event()
    return Waiting(event.wait, event.set)


def barrier_wait(module: ModuleType) -> Waiting:
    barrier = module.Barrier(2)

    def wait(timeout: Any) -> bool:
        try:
            barrier.wait(timeout)
        except threading.BrokenBarrierError:
            barrier.reset()
            return False
        return True

    return Waiting(wait, barrier.wait)


LOCK_WAITS = [lock_acquire, lock_acquire_by_name, rlock_acquire, condition_acquire]
CONDITION_WAITS = [condition_wait, condition_wait_over_a_lock, event_wait]
TOTAL_WAITS = [condition_wait_for, semaphore_acquire, bounded_semaphore_acquire, barrier_wait]
ALL_WAITS = [*LOCK_WAITS, *CONDITION_WAITS, *TOTAL_WAITS]
TIMEOUT_MAX = threading.TIMEOUT_MAX


def name(value: Any) -> str:
    return value.__name__ if callable(value) else repr(value)


@pytest.fixture(params=ALL_WAITS, ids=name)
def waiting(request: pytest.FixtureRequest, module: ModuleType) -> Waiting:
    return request.param(module)


@pytest.mark.parametrize("timeout", [0.05, 0.001, 1e-6, 1e-9, 5e-324], ids=repr)
def test_a_wait_is_as_long_as_asked(waiting: Waiting, timeout: float) -> None:
    start = time.monotonic()
    assert waiting.wait(timeout) is False
    elapsed = time.monotonic() - start
    assert elapsed >= timeout - time.get_clock_info("monotonic").resolution
    assert elapsed < timeout + 10


@pytest.mark.parametrize("timeout", [0, 0.0, -0.0, False], ids=repr)
def test_a_wait_of_no_time_returns_at_once(waiting: Waiting, timeout: float) -> None:
    start = time.monotonic()
    assert waiting.wait(timeout) is False
    assert time.monotonic() - start < 10


@pytest.mark.parametrize("timeout", [-1, -1.0, -1e-9, -0.5, -(10**9), -1e300, float("-inf")], ids=repr)
@pytest.mark.parametrize("make", [*CONDITION_WAITS, *TOTAL_WAITS], ids=name)
def test_a_wait_of_less_than_no_time_returns_at_once(module: ModuleType, make: Any, timeout: float) -> None:
    start = time.monotonic()
    assert make(module).wait(timeout) is False
    assert time.monotonic() - start < 10


@pytest.mark.parametrize("timeout", [-2, -0.5, -1e-9, -1e-12, -1.5, -1e9, True - 3], ids=repr)
@pytest.mark.parametrize("make", LOCK_WAITS, ids=name)
def test_less_than_no_time_is_refused_by_locks(module: ModuleType, make: Any, timeout: float) -> None:
    with pytest.raises(ValueError, match="timeout value must be"):
        make(module).wait(timeout)


@pytest.mark.parametrize("make", [event_wait, lock_acquire, semaphore_acquire], ids=name)
def test_true_is_one_second(module: ModuleType, make: Any) -> None:
    start = time.monotonic()
    assert make(module).wait(True) is False
    assert 0.99 <= time.monotonic() - start < 11


@pytest.mark.parametrize("timeout", [60, 60.0, 10**6, 1e9, int(TIMEOUT_MAX), TIMEOUT_MAX], ids=repr)
def test_a_long_wait_ends_when_its_time_comes(waiting: Waiting, crew: Crew, timeout: float) -> None:
    results: list[bool] = []
    crew.start(lambda: results.append(waiting.wait(timeout)))
    until_asleep(crew.threads)
    assert results == []
    waiting.open()
    crew.join()
    assert [bool(result) for result in results] == [True]


@pytest.mark.parametrize("make", [*CONDITION_WAITS, *TOTAL_WAITS], ids=name)
def test_none_is_for_ever(module: ModuleType, crew: Crew, make: Any) -> None:
    waiting = make(module)
    results: list[bool] = []
    crew.start(lambda: results.append(waiting.wait(None)))
    until_asleep(crew.threads)
    assert results == []
    waiting.open()
    crew.join()
    assert [bool(result) for result in results] == [True]


@pytest.mark.parametrize("make", LOCK_WAITS, ids=name)
def test_minus_one_is_for_ever_for_locks(module: ModuleType, crew: Crew, make: Any) -> None:
    results: list[bool] = []
    for timeout in (-1, -1.0):
        waiting = make(module)
        results.clear()
        crew.start(lambda waiting=waiting, timeout=timeout: results.append(waiting.wait(timeout)))
        until_asleep(crew.threads)
        assert results == []
        waiting.open()
        crew.join()
        assert results == [True]


TOO_LONG = [TIMEOUT_MAX + 1, TIMEOUT_MAX * 2, int(TIMEOUT_MAX) + 1, 2**63, 2**70, 10**400, 1e300, float("inf")]


@pytest.mark.parametrize("timeout", TOO_LONG, ids=lambda value: name(value)[:12])
def test_a_timeout_above_the_limit_is_refused_and_changes_nothing(waiting: Waiting, timeout: float) -> None:
    with pytest.raises(OverflowError):
        waiting.wait(timeout)
    assert waiting.wait(0) is False


@only_ours
@pytest.mark.parametrize("make", [*LOCK_WAITS, *TOTAL_WAITS], ids=name)
def test_a_timeout_that_is_no_number_is_refused_and_changes_nothing(module: ModuleType, make: Any) -> None:
    waiting = make(module)
    with pytest.raises(ValueError, match="NaN"):
        waiting.wait(float("nan"))
    assert waiting.wait(0) is False


class Indexed:
    def __init__(self, value: int) -> None:
        self.value = value

    def __index__(self) -> int:
        return self.value


class Floated:
    def __float__(self) -> float:
        return 0.001


class FloatSubclass(float):
    pass


class IntSubclass(int):
    pass


class Raising:
    def __index__(self) -> int:
        raise ZeroDivisionError("no number")

    __float__ = __lt__ = __le__ = __gt__ = __ge__ = __add__ = __radd__ = lambda self, *_: self.__index__()


ODD_TIMEOUTS = [
    "1",
    b"1",
    [],
    (),
    {},
    object(),
    1j,
    Fraction(1, 1000),
    Decimal("0.001"),
    Indexed(0),
    Floated(),
    Raising(),
    FloatSubclass(0.001),
    IntSubclass(0),
]


@pytest.mark.parametrize("timeout", ODD_TIMEOUTS, ids=lambda value: type(value).__name__)
@pytest.mark.parametrize("make", ALL_WAITS, ids=name)
def test_timeouts_of_other_types_are_taken_and_refused_alike(module: ModuleType, make: Any, timeout: Any) -> None:
    waiting, oracle = make(module), make(threading)
    expected = Outcome(oracle.wait, timeout)
    outcome = Outcome(waiting.wait, timeout)
    if make in TOTAL_WAITS and expected.type is TypeError and not outcome.raised:
        # The standard library adds it to a time, which some types that its locks take cannot be: ours need not refuse.
        expected = Outcome(lock_acquire(threading).wait, timeout)
    # Such a message tells of the expression in which the standard library came upon it.
    outcome.assert_like(expected, message=make not in TOTAL_WAITS)
    assert waiting.wait(0) is False


def test_the_longest_timeout_is_the_standard_librarys(module: ModuleType) -> None:
    if not hasattr(module, "TIMEOUT_MAX"):
        pytest.fail("no TIMEOUT_MAX")
    assert module.TIMEOUT_MAX == threading.TIMEOUT_MAX


def test_wait_for_counts_all_its_waits_together(module: ModuleType, crew: Crew) -> None:
    condition = module.Condition()
    stop = threading.Event()

    def disturb() -> None:
        while not stop.wait(0.001):
            with condition:
                condition.notify_all()

    crew.start(disturb)
    start = time.monotonic()
    with condition:
        assert condition.wait_for(lambda: False, 0.1) is False
    elapsed = time.monotonic() - start
    stop.set()
    crew.join()
    assert 0.09 <= elapsed < 10


def test_a_semaphore_counts_all_its_waits_together(module: ModuleType, crew: Crew) -> None:
    semaphore = module.Semaphore(0)
    stop = threading.Event()

    def disturb() -> None:
        while not stop.wait(0.0005):
            semaphore.release()
            semaphore.acquire(timeout=30)

    crew.start(disturb)
    start = time.monotonic()
    while semaphore.acquire(timeout=0.05):
        semaphore.release()
        if time.monotonic() - start > 2:
            break
    stop.set()
    crew.join()
    assert semaphore._value == 0
