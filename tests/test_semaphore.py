"""Semaphore and BoundedSemaphore."""

from __future__ import annotations

import threading
from collections.abc import Callable
from decimal import Decimal
from fractions import Fraction
from types import ModuleType
from typing import Any

import pytest
from behaviour import Outcome, assert_same_outcome, make_class, only_ours, plain, until_asleep, until_waiting
from helpers import Crew, wait_until


@pytest.fixture(params=["Semaphore", "BoundedSemaphore"])
def name(request: pytest.FixtureRequest) -> str:
    return request.param


@pytest.fixture
def make(module: ModuleType, name: str) -> Callable[..., Any]:
    return getattr(module, name)


def block(semaphore: Any, crew: Crew, count: int = 1) -> list[bool]:
    """Starts threads that wait in acquire; returns the list to which each adds its result."""
    results: list[bool] = []
    crew.start(lambda: results.append(semaphore.acquire(timeout=60)), count=count)
    until_asleep(crew.threads)
    return results


def number(value: Any) -> str:
    """The number as text; that of a bool or a negative zero is not told from that of an int or a zero."""
    return repr(value + 0)


def text(semaphore: Any) -> str:
    return plain(repr(semaphore)).replace("True", "1").replace("False", "0").replace("-0.0", "0.0")


# acquire and release


def test_it_starts_with_one_permit(make: Any) -> None:
    semaphore = make()
    assert semaphore.acquire() is True
    assert semaphore.acquire(False) is False
    assert semaphore.release() is None
    assert semaphore.acquire(False) is True


@pytest.mark.parametrize("value", [0, 1, 7])
def test_it_gives_as_many_permits_as_it_has(make: Any, value: int) -> None:
    for semaphore in (make(value), make(value=value)):
        assert [semaphore.acquire(False) for _ in range(value + 2)] == [True] * value + [False] * 2


def test_release_adds_n_permits(module: ModuleType) -> None:
    semaphore = module.Semaphore(0)
    semaphore.release()
    semaphore.release(3)
    semaphore.release(n=2)
    assert semaphore._value == 6
    assert [semaphore.acquire(False) for _ in range(7)] == [True] * 6 + [False]


def test_a_semaphore_can_be_released_above_its_start(module: ModuleType) -> None:
    semaphore = module.Semaphore(1)
    semaphore.release(4)
    assert semaphore._value == 5


def test_a_bounded_semaphore_refuses_the_release_above_its_start(module: ModuleType) -> None:
    assert_same_outcome(module, lambda module: module.BoundedSemaphore().release())
    semaphore = module.BoundedSemaphore(3)
    for count in (1, 2, 10**30):
        with pytest.raises(ValueError, match="released too many times"):
            semaphore.release(count)
        assert semaphore._value == 3
    assert semaphore.acquire()
    assert semaphore.acquire()
    with pytest.raises(ValueError, match="released too many times"):
        semaphore.release(3)
    assert semaphore._value == 1
    semaphore.release(2)
    assert semaphore._value == 3
    assert [semaphore.acquire(False) for _ in range(4)] == [True] * 3 + [False]


def test_a_bounded_semaphore_of_none_cannot_be_released(module: ModuleType) -> None:
    semaphore = module.BoundedSemaphore(0)
    with pytest.raises(ValueError, match="released too many times"):
        semaphore.release()
    assert not semaphore.acquire(False)


@pytest.mark.parametrize(
    "count", [0, -1, -(10**30), 0.5, 0.0, float("-inf"), None, "1", [], 1j, Fraction(1, 2)], ids=repr
)
def test_release_of_less_than_one_or_of_no_number_is_refused_and_changes_nothing(
    module: ModuleType, name: str, count: Any
) -> None:
    def release(module: ModuleType) -> None:
        semaphore = getattr(module, name)(3)
        semaphore.acquire()
        semaphore.acquire()
        try:
            semaphore.release(count)
        finally:
            assert semaphore._value == 1

    assert_same_outcome(module, release)


@pytest.mark.parametrize("count", [True, 2, 2.0, 1.5, Fraction(3, 2), Decimal(2), float("inf")], ids=repr)
def test_release_of_an_unusual_number_adds_it_or_changes_nothing(module: ModuleType, name: str, count: Any) -> None:
    semaphore, oracle = getattr(module, name)(10), getattr(threading, name)(10)
    for it in (semaphore, oracle):
        it._value = 0
    expected = Outcome(oracle.release, count)
    outcome = Outcome(semaphore.release, count)
    if outcome.raised:
        assert expected.raised or count % 1 != 0
        # Some versions of the standard library raise after they have added it.
        assert semaphore._value == 0 or module is threading
    else:
        assert semaphore._value == count


@only_ours
@pytest.mark.parametrize("name", ["Semaphore", "BoundedSemaphore"])
@pytest.mark.parametrize("count", [2**31, 2**61, 2**63, 10**30])
def test_release_of_a_huge_number_is_added_or_refused_at_once(module: ModuleType, name: str, count: int) -> None:
    semaphore = getattr(module, name)(count)
    semaphore._value = 0
    outcome = Outcome(semaphore.release, count)
    if outcome.raised:
        assert outcome.type is OverflowError
        assert semaphore._value == 0
    else:
        assert semaphore._value == count


ACQUIRE_CALLS = {
    "nothing": ((), {}),
    "False": ((False,), {}),
    "0": ((0,), {}),
    "None": ((None,), {}),
    "empty list": (([],), {}),
    "blocking=False": ((), {"blocking": False}),
    "True, None": ((True, None), {}),
    "timeout=None": ((), {"timeout": None}),
    "timeout=0": ((), {"timeout": 0}),
    "timeout=False": ((), {"timeout": False}),
    "timeout=-1": ((), {"timeout": -1}),
    "timeout=-1e300": ((), {"timeout": -1e300}),
    "timeout=-inf": ((), {"timeout": float("-inf")}),
    "timeout=0.001": ((), {"timeout": 0.001}),
    "True, 0": ((True, 0), {}),
    "True, 0.001": ((True, 0.001), {}),
    "both named": ((), {"timeout": 0.001, "blocking": True}),
    "False, None": ((False, None), {}),
    "False, 0": ((False, 0), {}),
    "False, 1": ((False, 1), {}),
    "False, -1": ((False, -1), {}),
    "False, string": ((False, "soon"), {}),
    "False, NaN": ((False, float("nan")), {}),
    "True, string": ((True, "soon"), {}),
    "True, list": ((True, []), {}),
    "True, complex": ((True, 1j), {}),
    "True, inf": ((True, float("inf")), {}),
    "True, 10**400": ((True, 10**400), {}),
    "True, 2**70": ((True, 2**70), {}),
    "True, 1e300": ((True, 1e300), {}),
    "True, above TIMEOUT_MAX": ((True, threading.TIMEOUT_MAX * 2), {}),
}


@pytest.mark.parametrize(("args", "keywords"), ACQUIRE_CALLS.values(), ids=ACQUIRE_CALLS)
def test_acquire_with_permits_takes_and_refuses_the_same_arguments(
    module: ModuleType, name: str, args: tuple[Any, ...], keywords: dict[str, Any]
) -> None:
    semaphore, oracle = getattr(module, name)(2), getattr(threading, name)(2)
    expected = Outcome(lambda: oracle.acquire(*args, **keywords))
    Outcome(lambda: semaphore.acquire(*args, **keywords)).assert_like(expected)
    assert semaphore._value == oracle._value


@pytest.mark.parametrize(("args", "keywords"), ACQUIRE_CALLS.values(), ids=ACQUIRE_CALLS)
def test_acquire_without_permits_takes_and_refuses_the_same_arguments(
    module: ModuleType, name: str, args: tuple[Any, ...], keywords: dict[str, Any]
) -> None:
    if (args, keywords) in [((), {}), ((True, None), {}), ((), {"timeout": None})]:
        pytest.skip("waits for ever")
    semaphore, oracle = getattr(module, name)(0), getattr(threading, name)(0)
    expected = Outcome(lambda: oracle.acquire(*args, **keywords))
    # The standard library adds the timeout to a time: the message is that of an addition.
    by_chance = expected.raised and expected.type is TypeError
    Outcome(lambda: semaphore.acquire(*args, **keywords)).assert_like(expected, message=not by_chance)
    assert semaphore._value == 0


@only_ours
@pytest.mark.parametrize("name", ["Semaphore", "BoundedSemaphore"])
def test_a_timeout_that_is_no_number_is_refused_and_not_waited_for(module: ModuleType, name: str) -> None:
    semaphore = getattr(module, name)(0)
    with pytest.raises(ValueError, match="NaN"):
        semaphore.acquire(timeout=float("nan"))
    assert semaphore._value == 0


@pytest.mark.parametrize(
    "call",
    [
        lambda semaphore: semaphore.acquire(True, 0, 0),
        lambda semaphore: semaphore.acquire(wait=True),
        lambda semaphore: semaphore.acquire(True, blocking=True),
        lambda semaphore: semaphore.release(1, 1),
        lambda semaphore: semaphore.release(count=1),
    ],
)
def test_a_call_with_wrong_arguments_changes_nothing(make: Any, call: Any) -> None:
    semaphore = make(2)
    semaphore.acquire()
    with pytest.raises(TypeError):
        call(semaphore)
    assert semaphore._value == 1


def test_with_takes_a_permit_and_gives_it_back(make: Any) -> None:
    semaphore = make(2)
    with semaphore as entered:
        assert entered is True
        assert semaphore._value == 1
        with semaphore:
            assert semaphore.acquire(False) is False
    assert semaphore._value == 2
    with pytest.raises(ZeroDivisionError), semaphore:
        raise ZeroDivisionError
    assert semaphore._value == 2


# Start values

START_VALUES = [
    True,
    False,
    2.0,
    0.0,
    -0.0,
    1.5,
    0.5,
    2**31,
    2**62,
    2**63 - 1,
    2**63,
    2**64,
    10**30,
    float("inf"),
    float("nan"),
    Fraction(2),
    Fraction(5, 2),
    Decimal(2),
    -1,
    -(10**30),
    -0.5,
    float("-inf"),
    Fraction(-1, 2),
    None,
    "1",
    [],
    1j,
]


@pytest.mark.parametrize("value", START_VALUES, ids=repr)
def test_it_takes_and_refuses_the_same_start_values(module: ModuleType, name: str, value: Any) -> None:
    assert_same_outcome(module, lambda module: text(getattr(module, name)(value)))


@pytest.mark.parametrize(
    "value", [value for value in START_VALUES if isinstance(value, int | float | Fraction | Decimal)], ids=repr
)
def test_it_counts_from_any_start_value_alike(module: ModuleType, name: str, value: Any) -> None:
    def use(module: ModuleType) -> list[Any]:
        semaphore = getattr(module, name)(value)
        seen: list[Any] = [number(semaphore._value), text(semaphore)]
        for _ in range(3):
            seen += [semaphore.acquire(False), number(semaphore._value)]
        for _ in range(4):
            seen += [Outcome(semaphore.release).text, number(semaphore._value), text(semaphore)]
        if semaphore._value != 0:
            with semaphore:
                seen.append(number(semaphore._value))
        return seen

    assert_same_outcome(module, use)


@pytest.mark.parametrize("value", [float("inf"), 2**63, 10**30], ids=repr)
def test_no_limit_is_a_start_value(make: Any, crew: Crew, value: Any) -> None:
    semaphore = make(value)

    def work() -> None:
        for _ in range(200):
            with semaphore:
                pass

    crew.start(work, count=3)
    crew.join()
    assert semaphore._value == value
    assert [semaphore.acquire(timeout=0) for _ in range(100)] == [True] * 100
    assert semaphore._value == value - 100


def test_a_start_value_of_a_type_of_its_own_is_kept(module: ModuleType, name: str) -> None:
    class Count(int):
        pass

    value = Count(3)
    semaphore = getattr(module, name)(value)
    assert semaphore._value == 3
    assert semaphore.acquire(False)
    assert semaphore._value == 2


@only_ours
def test_a_start_value_whose_conversion_is_interrupted_makes_no_semaphore(module: ModuleType, name: str) -> None:
    class Interrupted(float):
        def __int__(self) -> int:
            raise KeyboardInterrupt

        __trunc__ = __int__

    with pytest.raises(KeyboardInterrupt):
        getattr(module, name)(Interrupted(2))


def test_the_constructor_refuses_more_arguments(make: Any) -> None:
    for args, keywords in [((1, 2), {}), ((), {"count": 1}), ((1,), {"value": 1})]:
        with pytest.raises(TypeError):
            make(*args, **keywords)


# Threads


def test_release_wakes_a_waiter(make: Any, crew: Crew) -> None:
    semaphore = make(1)
    semaphore.acquire()
    results = block(semaphore, crew)
    semaphore.release()
    crew.join()
    assert results == [True]
    assert semaphore._value == 0


def test_release_wakes_a_waiter_without_a_timeout(make: Any, crew: Crew) -> None:
    semaphore = make(1)
    semaphore.acquire()
    crew.start(semaphore.acquire)
    until_asleep(crew.threads)
    semaphore.release()
    crew.join()
    assert semaphore._value == 0


@pytest.mark.parametrize("released", [1, 2, 5])
def test_release_of_n_wakes_n(make: Any, crew: Crew, released: int) -> None:
    semaphore = make(5)
    for _ in range(5):
        semaphore.acquire()
    results = block(semaphore, crew, 5)
    semaphore.release(released)
    wait_until(lambda: len(results) == released)
    until_asleep(crew.threads)
    assert len(results) == released
    if released < 5:
        semaphore.release(5 - released)
    crew.join()
    assert results == [True] * 5
    assert semaphore._value == 0


def test_release_of_more_than_wait_leaves_the_rest(make: Any, crew: Crew) -> None:
    semaphore = make(5)
    for _ in range(5):
        semaphore.acquire()
    block(semaphore, crew, 2)
    semaphore.release(5)
    crew.join()
    assert semaphore._value == 3


def test_a_refused_release_wakes_nobody(module: ModuleType, crew: Crew) -> None:
    semaphore = module.BoundedSemaphore(1)
    semaphore.acquire()
    results = block(semaphore, crew)
    for count, error in [(2, ValueError), (0, ValueError), ("1", TypeError)]:
        with pytest.raises(error):
            semaphore.release(count)
    until_asleep(crew.threads)
    assert results == []
    semaphore.release()
    crew.join()


def test_a_waiter_that_timed_out_takes_no_later_permit(make: Any, crew: Crew) -> None:
    semaphore = make(1)
    semaphore.acquire()
    results: list[bool] = []
    crew.start(lambda: results.append(semaphore.acquire(timeout=0.01)), count=3)
    crew.join()
    assert results == [False] * 3
    semaphore.release()
    assert semaphore._value == 1
    assert semaphore.acquire(False)


def test_never_more_threads_inside_than_permits(make: Any, crew: Crew) -> None:
    semaphore = make(2)
    guard = threading.Lock()
    inside = [0]
    most = [0]

    def work() -> None:
        for _ in range(150):
            with semaphore:
                with guard:
                    inside[0] += 1
                    most[0] = max(most[0], inside[0])
                with guard:
                    inside[0] -= 1

    crew.start(work, count=5)
    crew.join()
    assert 1 <= most[0] <= 2
    assert semaphore._value == 2


def test_as_many_are_taken_as_are_given(module: ModuleType, crew: Crew) -> None:
    semaphore = module.Semaphore(0)

    def give() -> None:
        for count in (1, 2, 3, 4) * 20:
            semaphore.release(count)

    def take() -> None:
        for _ in range(100):
            assert semaphore.acquire(timeout=30)

    crew.start(take, count=6)
    crew.start(give, count=3)
    crew.join()
    assert semaphore._value == 0
    assert not semaphore.acquire(False)


# repr and the attributes that other code uses


def test_repr_says_the_value(module: ModuleType, name: str) -> None:
    def reprs(module: ModuleType) -> list[str]:
        semaphore = getattr(module, name)(3)
        texts = [repr(semaphore)]
        semaphore.acquire()
        texts.append(repr(semaphore))
        semaphore.release()
        return [plain(text) for text in [*texts, repr(semaphore), repr(getattr(module, name)(0))]]

    assert reprs(module) == reprs(threading)


def test_repr_names_the_module_and_the_address(module: ModuleType) -> None:
    semaphore = module.Semaphore(5)
    assert repr(semaphore) == f"<{module.__name__}.Semaphore at {id(semaphore):#x}: value=5>"
    semaphore = module.BoundedSemaphore(5)
    semaphore.acquire()
    assert repr(semaphore) == f"<{module.__name__}.BoundedSemaphore at {id(semaphore):#x}: value=4/5>"


def test_repr_names_the_subclass(module: ModuleType, name: str) -> None:
    class Special(make_class(module, name)):  # type: ignore[misc]
        pass

    semaphore = Special(2)
    assert repr(semaphore).startswith(f"<{__name__}.{Special.__qualname__} at {id(semaphore):#x}: value=2")


def test_a_bounded_semaphore_is_a_semaphore(module: ModuleType) -> None:
    assert issubclass(module.BoundedSemaphore, module.Semaphore)
    assert isinstance(module.BoundedSemaphore(), module.Semaphore)
    assert not isinstance(module.Semaphore(), module.BoundedSemaphore)


def test_value_follows_the_permits(make: Any) -> None:
    semaphore = make(2)
    assert semaphore._value == 2
    semaphore.acquire()
    assert semaphore._value == 1
    semaphore.acquire()
    assert semaphore._value == 0
    semaphore.release()
    assert semaphore._value == 1


@pytest.mark.parametrize("value", [0, 1, 5, 2.0, 1.5, True, 10**30, float("inf")], ids=repr)
def test_value_can_be_assigned(module: ModuleType, name: str, value: Any) -> None:
    def use(module: ModuleType) -> list[Any]:
        semaphore = getattr(module, name)(3)
        semaphore._value = value
        seen = [number(semaphore._value), text(semaphore)]
        for _ in range(3):
            seen += [semaphore.acquire(False), number(semaphore._value)]
        seen += [Outcome(semaphore.release).text, number(semaphore._value)]
        return seen

    assert_same_outcome(module, use)


def test_the_initial_value_of_a_bounded_semaphore_can_be_read_and_assigned(module: ModuleType) -> None:
    semaphore = module.BoundedSemaphore(3)
    assert semaphore._initial_value == 3
    semaphore._initial_value = 5
    semaphore.release(2)
    assert semaphore._value == 5
    assert semaphore._initial_value == 5
    with pytest.raises(ValueError, match="released too many times"):
        semaphore.release()
    semaphore._initial_value = float("inf")
    semaphore.release(100)
    assert semaphore._value == 105


def test_a_bounded_semaphore_keeps_the_type_of_its_start_value(module: ModuleType) -> None:
    for value in (2.0, Fraction(5, 2), 10**30):
        semaphore = module.BoundedSemaphore(value)
        assert (type(semaphore._initial_value), semaphore._initial_value) == (type(value), value)


def test_a_permit_can_be_added_under_its_condition(make: Any, crew: Crew) -> None:
    semaphore = make(1)
    semaphore.acquire()
    results = block(semaphore, crew, 2)
    with semaphore._cond:
        semaphore._value += 1
        semaphore._cond.notify()
    wait_until(lambda: len(results) == 1)
    with semaphore._cond:
        semaphore._value += 1
        semaphore._cond.notify()
    crew.join()
    assert results == [True] * 2
    assert semaphore._value == 0


def test_permits_can_be_added_under_its_condition_with_notify_all(make: Any, crew: Crew) -> None:
    semaphore = make(0)
    results = block(semaphore, crew, 3)
    with semaphore._cond:
        semaphore._value = 3
        semaphore._cond.notify_all()
    crew.join()
    assert results == [True] * 3
    assert semaphore._value == 0


def test_permits_can_be_taken_under_its_condition(make: Any) -> None:
    semaphore = make(3)
    with semaphore._cond:
        while semaphore._value > 0:
            semaphore._value -= 1
    assert not semaphore.acquire(False)


def test_its_condition_can_be_waited_on_until_permits_are_back(make: Any, crew: Crew) -> None:
    semaphore = make(2)
    semaphore.acquire()
    results: list[bool] = []

    def drain() -> None:
        with semaphore._cond:
            results.append(semaphore._cond.wait_for(lambda: semaphore._value == 2, 30))

    crew.start(drain)
    until_waiting(semaphore._cond, 1)
    semaphore.release()
    crew.join()
    assert results == [True]
    assert semaphore._value == 2


def test_its_condition_looks_like_one(make: Any) -> None:
    semaphore = make(2)
    condition = semaphore._cond
    assert len(condition._waiters) == 0
    with pytest.raises(RuntimeError):
        condition.notify()
    with condition as entered:
        assert entered is True
        assert condition._is_owned()
        condition.notify()
        condition.notify_all()
        assert condition.wait(0) is False
    assert condition.acquire(False) is True
    assert condition.acquire(False) is False
    condition.release()
    assert semaphore.acquire(False)
