"""Condition."""

from __future__ import annotations

import threading
import warnings
from collections.abc import Callable
from types import ModuleType
from typing import Any

import pytest
from behaviour import (
    Outcome,
    assert_same_outcome,
    elsewhere,
    make_class,
    only_ours,
    plain,
    until_asleep,
    until_waiting,
)
from helpers import PATIENCE, Crew, recursion_count, run_python, wait_until


class Duck:
    """Acquire and release, and no more; remembers its calls."""

    def __init__(self, log: list[Any] | None = None) -> None:
        self.lock = threading.Lock()
        self.log: list[Any] = [] if log is None else log

    def acquire(self, *args: Any, **keywords: Any) -> bool:
        self.log.append(("acquire", args, keywords))
        return self.lock.acquire(*args, **keywords)

    def release(self) -> None:
        self.log.append("release")
        self.lock.release()


class WithDuck(Duck):
    """The same, and a context manager whose results are its own."""

    def __enter__(self) -> str:
        self.log.append("enter")
        self.lock.acquire()
        return "entered"

    def __exit__(self, *args: Any) -> str:
        self.log.append(("exit", args[0]))
        self.lock.release()
        return "swallow it"


class SavingDuck(WithDuck):
    """The same, and what Condition uses of RLock."""

    owner: int | None = None

    def acquire(self, *args: Any, **keywords: Any) -> bool:
        taken = super().acquire(*args, **keywords)
        if taken:
            self.owner = threading.get_ident()
        return taken

    def _release_save(self) -> str:
        self.log.append("_release_save")
        self.lock.release()
        return "saved"

    def _acquire_restore(self, state: object) -> None:
        self.log.append(("_acquire_restore", state))
        self.lock.acquire()

    def _is_owned(self) -> bool:
        self.log.append("_is_owned")
        return self.lock.locked()


LOCKS: dict[str, Callable[[ModuleType], Any]] = {
    "none": lambda module: None,
    "Lock": lambda module: module.Lock(),
    "RLock": lambda module: module.RLock(),
    "the standard library's Lock": lambda module: threading.Lock(),
    "the standard library's RLock": lambda module: threading.RLock(),
    "the standard library's RLock in Python": lambda module: threading._RLock(),
    "subclass of RLock": lambda module: type("Special", (make_class(module, "RLock"),), {})(),
    "Condition": lambda module: module.Condition(),
    "Semaphore": lambda module: module.Semaphore(),
    "context manager": lambda module: WithDuck(),
    "all that RLock has": lambda module: SavingDuck(),
}


@pytest.fixture
def condition(module: ModuleType) -> Any:
    return module.Condition()


@pytest.fixture(params=LOCKS.values(), ids=LOCKS)
def any_condition(request: pytest.FixtureRequest, module: ModuleType) -> Any:
    """A Condition over each kind of lock."""
    lock = request.param(module)
    if module is threading and Outcome(threading.Condition, lock).raised:
        pytest.skip("this version wants locks to have `locked`")
    return module.Condition(lock)


def is_free(condition: Any) -> bool:
    """Whether another thread can take its lock."""

    def attempt() -> bool:
        taken = condition.acquire(False)
        if taken:
            condition.release()
        return taken

    return elsewhere(attempt)


# Over every kind of lock


def test_a_waiter_is_notified(any_condition: Any, crew: Crew) -> None:
    results: list[bool] = []

    def wait() -> None:
        with any_condition:
            results.append(any_condition.wait(30))

    crew.start(wait)
    until_waiting(any_condition, 1)
    with any_condition:
        any_condition.notify()
        assert results == []
    crew.join()
    assert results == [True]
    assert is_free(any_condition)


def test_a_waiter_without_a_timeout_is_notified(any_condition: Any, crew: Crew) -> None:
    results: list[bool] = []

    def wait() -> None:
        with any_condition:
            results.append(any_condition.wait())

    crew.start(wait)
    until_waiting(any_condition, 1)
    with any_condition:
        any_condition.notify_all()
    crew.join()
    assert results == [True]


def test_a_wait_that_is_not_notified_times_out(any_condition: Any) -> None:
    with any_condition:
        assert any_condition.wait(0.01) is False
        assert not is_free(any_condition)
        assert len(any_condition._waiters) == 0
    assert is_free(any_condition)


@pytest.mark.parametrize("timeout", [0, 0.0, False, -1, -0.5, -1e300, float("-inf")])
def test_a_wait_with_no_time_left_returns_false_at_once(any_condition: Any, timeout: float) -> None:
    with any_condition:
        assert any_condition.wait(timeout) is False
        assert not is_free(any_condition)
    assert is_free(any_condition)


def test_the_lock_is_free_while_a_thread_waits(any_condition: Any, crew: Crew) -> None:
    def wait() -> None:
        with any_condition:
            assert any_condition.wait(30)

    crew.start(wait, count=3)
    until_waiting(any_condition, 3)
    assert is_free(any_condition)
    with any_condition:
        any_condition.notify_all()
    crew.join()
    assert is_free(any_condition)


def test_wait_and_notify_without_the_lock_are_refused(any_condition: Any) -> None:
    for call in (any_condition.wait, any_condition.notify, any_condition.notify_all):
        with pytest.raises(RuntimeError):
            call()
    with pytest.raises(RuntimeError):
        any_condition.wait(0)
    with pytest.raises(RuntimeError):
        any_condition.wait_for(lambda: False)
    assert is_free(any_condition)
    assert len(any_condition._waiters) == 0


# Without a lock held: messages


@pytest.mark.parametrize("lock", ["Lock", "RLock"])
@pytest.mark.parametrize("method", ["wait", "notify", "notify_all", "release"])
def test_what_needs_the_lock_says_so(module: ModuleType, lock: str, method: str) -> None:
    assert_same_outcome(module, lambda module: getattr(module.Condition(getattr(module, lock)()), method)())


def test_an_rlock_that_another_thread_owns_does_not_count(condition: Any) -> None:
    elsewhere(condition.acquire)
    for call in (condition.wait, condition.notify, condition.notify_all):
        with pytest.raises(RuntimeError):
            call()


# Its lock


def test_it_makes_its_own_rlock(module: ModuleType, condition: Any) -> None:
    assert isinstance(condition._lock, type(module.RLock()))
    with condition, condition:
        assert recursion_count(condition._lock) == 2


@pytest.mark.parametrize(
    "give", [lambda module, lock: module.Condition(lock), lambda module, lock: module.Condition(lock=lock)]
)
def test_it_uses_the_lock_that_it_is_given(module: ModuleType, give: Any) -> None:
    lock = module.Lock()
    condition = give(module, lock)
    assert condition._lock is lock
    with condition:
        assert lock.locked()
    with lock:
        assert condition.wait(0) is False
    assert not lock.locked()


def test_two_conditions_can_share_a_lock(module: ModuleType, crew: Crew) -> None:
    lock = module.Lock()
    first, second = module.Condition(lock), module.Condition(lock)
    results: list[str] = []

    def wait(condition: Any, name: str) -> None:
        with condition:
            assert condition.wait(30)
            results.append(name)

    crew.start(wait, first, "first")
    crew.start(wait, second, "second")
    until_waiting(first, 1)
    until_waiting(second, 1)
    with lock:
        second.notify_all()
    wait_until(lambda: results)
    assert results == ["second"]
    with lock:
        first.notify()
    crew.join()
    assert results == ["second", "first"]


def test_acquire_and_release_are_those_of_the_lock(module: ModuleType) -> None:
    lock = module.Lock()
    condition = module.Condition(lock)
    assert condition.acquire() is True
    assert lock.locked()
    assert condition.acquire(False) is False
    assert condition.acquire(blocking=True, timeout=0.001) is False
    assert condition.release() is None
    assert not lock.locked()


def test_acquire_passes_errors_on(module: ModuleType) -> None:
    assert_same_outcome(module, lambda module: module.Condition().acquire(False, 1))
    assert_same_outcome(module, lambda module: module.Condition(module.Lock()).acquire(True, -2))


def test_locked_is_that_of_the_lock(module: ModuleType) -> None:
    if module is threading and not hasattr(threading.Condition(threading.Lock()), "locked"):
        pytest.skip("this version has no Condition.locked")
    condition = module.Condition(module.Lock())
    assert condition.locked() is False
    with condition:
        assert condition.locked() is True


@pytest.mark.parametrize("lock", [1, "lock", object(), [], False, 0, "", ()], ids=repr)
def test_what_is_no_lock_is_refused(module: ModuleType, lock: Any) -> None:
    assert_same_outcome(module, lambda module: module.Condition(lock))


@pytest.mark.parametrize("missing", ["acquire", "release"])
def test_a_lock_without_acquire_or_release_is_refused(module: ModuleType, missing: str) -> None:
    class Half:
        pass

    setattr(Half, {"acquire": "release", "release": "acquire"}[missing], lambda self: None)
    Half.locked = lambda self: False  # type: ignore[attr-defined]
    assert_same_outcome(module, lambda module: module.Condition(Half()))
    with pytest.raises(AttributeError):
        module.Condition(Half())


def test_the_constructor_refuses_more_arguments(module: ModuleType) -> None:
    for args, keywords in [((None, None), {}), ((), {"locks": None}), ((None,), {"lock": None})]:
        with pytest.raises(TypeError):
            module.Condition(*args, **keywords)


def with_locked(duck: type[Duck]) -> type[Duck]:
    """From 3.14 on Condition also wants the lock's `locked`."""
    return type(duck.__name__, (duck,), {"locked": lambda self: self.lock.locked()})


DUCK_USES: dict[str, Callable[[Any], object]] = {
    "with": lambda condition: condition.__enter__(),
    "exit": lambda condition: (condition.acquire(), condition.__exit__(None, None, None)),
    "wait": lambda condition: (condition.acquire(), condition.wait(0), condition.release()),
    "wait a moment": lambda condition: (condition.acquire(), condition.wait(0.001), condition.release()),
    "wait not owned": lambda condition: condition.wait(0),
    "wait_for": lambda condition: (condition.acquire(), condition.wait_for(lambda: False, 0)),
    "wait_for true": lambda condition: condition.wait_for(lambda: "true"),
    "notify": lambda condition: (condition.acquire(), condition.notify()),
    "notify 3": lambda condition: (condition.acquire(), condition.notify(3)),
    "notify_all": lambda condition: (condition.acquire(), condition.notify_all()),
    "notify not owned": lambda condition: condition.notify(),
    "acquire": lambda condition: condition.acquire(True, timeout=0.5),
    "release": lambda condition: condition.release(),
    "bad timeout": lambda condition: (condition.acquire(), condition.wait("soon")),
    "bad count": lambda condition: (condition.acquire(), condition.notify("many")),
    "_is_owned": lambda condition: condition._is_owned(),
    "_release_save": lambda condition: (condition.acquire(), condition._release_save()),
    "_acquire_restore": lambda condition: condition._acquire_restore((1, threading.get_ident())),
    "repr": lambda condition: plain(repr(condition).split(" object")[0]),
}


@pytest.mark.parametrize("use", DUCK_USES.values(), ids=DUCK_USES)
@pytest.mark.parametrize("duck", [Duck, WithDuck, SavingDuck])
def test_a_lock_of_another_kind_gets_the_same_calls(module: ModuleType, duck: type[Duck], use: Any) -> None:
    def run(module: ModuleType) -> tuple[Outcome, list[Any]]:
        lock = with_locked(duck)()
        condition = module.Condition(lock)
        outcome = Outcome(use, condition)
        return outcome, lock.log

    expected, expected_log = run(threading)
    outcome, log = run(module)
    outcome.assert_like(expected)
    # A bad timeout need not be found before the lock is given back, but better is.
    assert log == expected_log or expected.type is TypeError


@pytest.mark.parametrize("use", DUCK_USES.values(), ids=DUCK_USES)
def test_an_rlock_with_methods_overridden_gets_the_same_calls(module: ModuleType, use: Any) -> None:
    def run(module: ModuleType) -> tuple[Outcome, list[Any]]:
        log: list[Any] = []
        base = make_class(module, "RLock")

        def override(name: str) -> Callable[..., Any]:
            def method(self: Any, *args: Any, **keywords: Any) -> Any:
                log.append((name, args, keywords))
                return getattr(base, name)(self, *args, **keywords)

            return method

        names = ["acquire", "release", "_release_save", "_acquire_restore", "_is_owned", "__enter__", "__exit__"]
        lock = type("Special", (base,), {name: override(name) for name in names})()
        return Outcome(use, module.Condition(lock)), log

    expected, expected_log = run(threading)
    outcome, log = run(module)
    outcome.assert_like(expected)
    assert log == expected_log or expected.type is TypeError


def test_with_gives_what_the_lock_gives(module: ModuleType) -> None:
    with module.Condition() as entered:
        assert entered is True
    with module.Condition(module.Lock()) as entered:
        assert entered is True
    with module.Condition(with_locked(WithDuck)()) as entered:
        assert entered == "entered"
        raise ZeroDivisionError("swallowed by the lock")


def test_with_gives_the_lock_back_when_the_body_raises(condition: Any) -> None:
    with pytest.raises(ZeroDivisionError), condition:
        raise ZeroDivisionError
    assert is_free(condition)


# wait


def test_wait_gives_all_levels_of_an_rlock_back_and_takes_them_again(module: ModuleType, crew: Crew) -> None:
    lock = module.RLock()
    condition = module.Condition(lock)

    def notify() -> None:
        until_waiting(condition, 1)
        with condition:
            condition.notify()

    crew.start(notify)
    for _ in range(3):
        condition.acquire()
    assert condition.wait(30) is True
    assert recursion_count(lock) == 3
    for _ in range(3):
        condition.release()
    assert is_free(condition)


@pytest.mark.parametrize("timeout", ["soon", [], object(), 1j, 10**400, float("inf"), 2**70, threading.TIMEOUT_MAX * 2])
def test_wait_with_a_bad_timeout_is_refused_and_changes_nothing(module: ModuleType, timeout: Any) -> None:
    def wait(module: ModuleType) -> object:
        condition = module.Condition()
        condition.acquire()
        try:
            return condition.wait(timeout)
        finally:
            assert recursion_count(condition._lock) == 1
            assert len(condition._waiters) == 0

    assert_same_outcome(module, wait)


def test_notify_after_a_bad_timeout_is_kept_for_nobody(module: ModuleType, crew: Crew) -> None:
    condition = module.Condition()
    with condition:
        with pytest.raises(TypeError):
            condition.wait("soon")
        condition.notify()
        assert condition.wait(0) is False


def test_notify_before_wait_is_not_remembered(condition: Any) -> None:
    with condition:
        condition.notify()
        condition.notify_all()
        assert condition.wait(0) is False
        assert condition.wait(0.001) is False


def test_a_notified_waiter_has_the_lock_when_wait_returns(condition: Any, crew: Crew) -> None:
    def wait() -> None:
        with condition:
            assert condition.wait(30)
            assert condition._is_owned()

    crew.start(wait, count=4)
    until_waiting(condition, 4)
    with condition:
        condition.notify_all()
        assert len(condition._waiters) == 0
    crew.join()


# notify


@pytest.fixture
def woken(condition: Any, crew: Crew) -> list[int]:
    """Five threads wait; each that is notified adds its place in the queue."""
    places: list[int] = []

    def wait(place: int) -> None:
        with condition:
            assert condition.wait(60)
            places.append(place)

    for place in range(5):
        crew.start(wait, place)
        until_waiting(condition, place + 1)
    return places


@pytest.mark.parametrize("count", [1, 2, 5, 100, 10**30, 1.5, 2.0, True, float("inf")])
def test_notify_wakes_the_first_n(condition: Any, woken: list[int], crew: Crew, count: Any) -> None:
    expected = [place for place in range(5) if place < count]
    with condition:
        assert condition.notify(count) is None
        assert len(condition._waiters) == 5 - len(expected)
    wait_until(lambda: len(woken) == len(expected))
    assert sorted(woken) == expected
    with condition:
        condition.notify_all()
    crew.join()
    assert sorted(woken) == list(range(5))


@pytest.mark.parametrize("count", [0, -1, -(10**30), 0.0, False, float("-inf"), float("nan")])
def test_notify_of_less_than_one_wakes_nobody(condition: Any, woken: list[int], crew: Crew, count: Any) -> None:
    with condition:
        assert condition.notify(count) is None
        assert len(condition._waiters) == 5
        condition.notify_all()
    crew.join()


@pytest.mark.parametrize("count", [None, "1", [], 1j])
def test_notify_of_no_number_is_refused_and_wakes_nobody(
    module: ModuleType, condition: Any, woken: list[int], crew: Crew, count: Any
) -> None:
    with condition:
        with pytest.raises(TypeError):
            condition.notify(count)
        assert len(condition._waiters) == 5
        condition.notify_all()
    crew.join()


def test_notify_takes_its_argument_by_name(condition: Any, woken: list[int], crew: Crew) -> None:
    with condition:
        condition.notify(n=3)
        assert len(condition._waiters) == 2
        condition.notify()
        assert len(condition._waiters) == 1
        condition.notify_all()
        assert len(condition._waiters) == 0
    crew.join()


def test_notify_all_wakes_everybody(condition: Any, woken: list[int], crew: Crew) -> None:
    with condition:
        assert condition.notify_all() is None
    crew.join()
    assert sorted(woken) == list(range(5))


def test_a_waiter_that_timed_out_takes_no_notification(condition: Any, crew: Crew) -> None:
    results: list[bool] = []

    def wait(timeout: float) -> None:
        with condition:
            results.append(condition.wait(timeout))

    crew.start(wait, 0.01)
    crew.join()
    crew.start(wait, 30)
    until_waiting(condition, 1)
    with condition:
        condition.notify()
    crew.join()
    assert results == [False, True]


def test_notify_all_by_its_old_name_warns(module: ModuleType, condition: Any, woken: list[int], crew: Crew) -> None:
    def notify(module: ModuleType) -> None:
        condition = module.Condition()
        with condition:
            condition.notifyAll()

    assert_same_outcome(module, notify)
    with condition, pytest.warns(DeprecationWarning, match="notify_all"):
        condition.notifyAll()
    crew.join()
    assert sorted(woken) == list(range(5))


def test_the_warning_of_the_old_name_points_at_the_caller(condition: Any) -> None:
    with condition, warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        condition.notifyAll()
    assert [warning.filename for warning in caught] == [__file__]


def test_the_warning_of_the_old_name_as_an_error_notifies_nobody(condition: Any, woken: list[int], crew: Crew) -> None:
    with condition:
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            with pytest.raises(DeprecationWarning):
                condition.notifyAll()
        assert len(condition._waiters) == 5
        condition.notify_all()
    crew.join()


# wait_for


def test_wait_for_returns_the_predicates_result_without_waiting(condition: Any) -> None:
    result = object()
    with condition:
        assert condition.wait_for(lambda: result) is result
        assert condition.wait_for(lambda: result, 0) is result
        assert condition.wait_for(predicate=lambda: result, timeout=None) is result


def test_wait_for_does_not_look_at_the_lock_nor_the_timeout_where_it_need_not_wait(module: ModuleType) -> None:
    assert_same_outcome(module, lambda module: module.Condition().wait_for(lambda: 3))
    assert_same_outcome(module, lambda module: module.Condition().wait_for(lambda: 3, "soon"))


def test_wait_for_returns_the_last_false_result_when_time_is_up(condition: Any) -> None:
    with condition:
        for timeout in (0, -1, 0.01):
            result: list[int] = []
            assert condition.wait_for(lambda result=result: result, timeout) is result


@pytest.mark.parametrize("timeout", [0, -1, 0.005])
def test_wait_for_asks_at_least_twice(condition: Any, timeout: float) -> None:
    calls: list[int] = []
    with condition:
        assert condition.wait_for(lambda: calls.append(1), timeout) is None
    assert len(calls) >= 2


def test_wait_for_asks_again_after_each_notification(condition: Any, crew: Crew) -> None:
    state = [0]
    asked: list[int] = []

    def predicate() -> bool:
        assert condition._is_owned()
        asked.append(state[0])
        return state[0] == 3

    def wait() -> None:
        with condition:
            assert condition.wait_for(predicate) is True

    crew.start(wait)
    for value in range(1, 4):
        until_waiting(condition, 1)
        with condition:
            state[0] = value
            condition.notify()
    crew.join()
    assert asked == [0, 1, 2, 3]


def test_wait_for_passes_the_predicates_exception_on_and_keeps_the_lock(condition: Any) -> None:
    def fail() -> bool:
        raise ZeroDivisionError

    with condition:
        with pytest.raises(ZeroDivisionError):
            condition.wait_for(fail)
        assert condition._is_owned()
    assert is_free(condition)


@pytest.mark.parametrize("timeout", ["soon", [], 1j, float("inf"), 10**400, threading.TIMEOUT_MAX * 2])
def test_wait_for_with_a_bad_timeout_is_refused_and_changes_nothing(module: ModuleType, timeout: Any) -> None:
    def wait(module: ModuleType) -> None:
        condition = module.Condition()
        condition.acquire()
        try:
            condition.wait_for(lambda: False, timeout)
        finally:
            assert recursion_count(condition._lock) == 1
            assert len(condition._waiters) == 0

    assert_same_outcome(module, wait, message=False)


@pytest.mark.parametrize("predicate", [None, 1, "text"])
def test_wait_for_of_what_cannot_be_called_is_refused(module: ModuleType, predicate: Any) -> None:
    assert_same_outcome(module, lambda module: module.Condition().wait_for(predicate))


def test_wait_for_needs_a_predicate(condition: Any) -> None:
    with pytest.raises(TypeError):
        condition.wait_for()


@pytest.mark.parametrize(
    "call",
    [
        lambda condition: condition.wait(1, 2),
        lambda condition: condition.wait(time=1),
        lambda condition: condition.wait_for(bool, 1, 2),
        lambda condition: condition.wait_for(bool, time=1),
        lambda condition: condition.notify(1, 2),
        lambda condition: condition.notify(number=1),
        lambda condition: condition.notify_all(1),
        lambda condition: condition.release(1),
        lambda condition: condition.acquire(1, 2, 3),
    ],
)
def test_a_call_with_wrong_arguments_changes_nothing(condition: Any, call: Any) -> None:
    condition.acquire()
    with pytest.raises(TypeError):
        call(condition)
    assert recursion_count(condition._lock) == 1
    assert len(condition._waiters) == 0


# The rest


def test_repr_names_the_lock_and_counts_the_waiters(module: ModuleType, condition: Any, crew: Crew) -> None:
    assert repr(condition) == f"<Condition({condition._lock!r}, 0)>"
    with condition:
        assert repr(condition) == f"<Condition({condition._lock!r}, 0)>"
    crew.start(lambda: condition.__enter__() and condition.wait(30) and condition.release())
    until_waiting(condition, 1)
    assert repr(condition) == f"<Condition({condition._lock!r}, 1)>"
    with condition:
        condition.notify()
    crew.join()


def test_repr_of_a_subclass_is_the_same(module: ModuleType) -> None:
    class Special(module.Condition):  # type: ignore[name-defined]
        pass

    condition = Special(module.Lock())
    assert repr(condition) == f"<Condition({condition._lock!r}, 0)>"


def test_waiters_can_be_counted_and_tested(condition: Any, woken: list[int], crew: Crew) -> None:
    assert len(condition._waiters) == 5
    assert condition._waiters
    with condition:
        condition.notify(4)
        assert len(condition._waiters) == 1
        condition.notify(1)
        assert not condition._waiters
    crew.join()


def test_fork_reinit_frees_the_lock_and_forgets_the_waiters(module: ModuleType) -> None:
    condition = module.Condition(module.Lock())
    condition.acquire()
    condition._at_fork_reinit()
    assert len(condition._waiters) == 0
    assert condition.acquire(False)
    condition.notify()
    condition.release()


def test_fork_reinit_frees_a_lock_that_another_thread_held(condition: Any) -> None:
    elsewhere(condition.acquire)
    condition._at_fork_reinit()
    with condition:
        assert condition.wait(0) is False


def test_a_queue_built_on_it_loses_nothing(module: ModuleType, crew: Crew) -> None:
    lock = module.Lock()
    not_empty, not_full = module.Condition(lock), module.Condition(lock)
    items: list[int] = []
    taken: list[int] = []

    def put() -> None:
        for item in range(100):
            with not_full:
                assert not_full.wait_for(lambda: len(items) < 3, 30)
                items.append(item)
                not_empty.notify()

    def take() -> None:
        for _ in range(100):
            with not_empty:
                assert not_empty.wait_for(lambda: items, 30)
                taken.append(items.pop(0))
                not_full.notify()

    crew.start(put, count=3)
    crew.start(take, count=3)
    crew.join()
    assert sorted(taken) == sorted(list(range(100)) * 3)
    assert items == []


def test_a_timeout_that_is_no_number_is_not_waited_for(module: ModuleType) -> None:
    def wait(module: ModuleType) -> object:
        condition = module.Condition()
        with condition:
            return condition.wait(float("nan"))

    assert_same_outcome(module, wait)


@only_ours
def test_wait_for_refuses_a_timeout_that_is_no_number(module: ModuleType) -> None:
    condition = module.Condition()
    with condition:
        with pytest.raises(ValueError, match="NaN"):
            condition.wait_for(lambda: False, float("nan"))
        assert len(condition._waiters) == 0
        assert condition._is_owned()


@only_ours
def test_wait_with_a_timeout_that_releases_the_lock_is_refused_and_leaves_it_to_its_new_owner(
    module: ModuleType, crew: Crew
) -> None:
    lock = module.RLock()
    condition = module.Condition(lock)
    owned, compared = threading.Event(), threading.Event()

    def own() -> None:
        with lock:
            owned.set()
            assert compared.wait(PATIENCE)
            assert lock._is_owned()

    class Releasing(int):
        def __gt__(self, other: Any) -> bool:
            lock.release()
            crew.start(own)
            assert owned.wait(PATIENCE)
            return False

        def __le__(self, other: Any) -> bool:
            return not self > other

    lock.acquire()
    with pytest.raises(RuntimeError):
        condition.wait(Releasing(0))
    assert not lock._is_owned()
    assert not lock.acquire(False)
    assert len(condition._waiters) == 0
    compared.set()
    crew.join()
    assert lock.acquire(False)


# A lock that fails


@only_ours
def test_a_notification_of_a_waiter_whose_release_raises_goes_to_the_next(module: ModuleType, crew: Crew) -> None:
    class Failing(WithDuck):
        fails = False

        def release(self) -> None:
            super().release()
            if self.fails:
                self.fails = False
                crew.start(wait)
                until_waiting(condition, 2)
                with condition:
                    condition.notify()
                raise OSError("the lock is free all the same")

    lock = Failing()
    condition = module.Condition(lock)
    woken: list[bool] = []

    def wait() -> None:
        with condition:
            woken.append(condition.wait(3))

    condition.acquire()
    lock.fails = True
    with pytest.raises(OSError, match="all the same"):
        condition.wait(PATIENCE)
    crew.join()
    assert woken == [True]
    assert len(condition._waiters) == 0
    assert is_free(condition)


# The constructor, called again


def wait_and_release(condition: Any, lock: Any, results: list[Any]) -> None:
    """Waits with that lock, which must be held again afterwards: releasing it would raise."""
    lock.acquire()
    results.append(condition.wait(PATIENCE))
    lock.release()


NEW_LOCKS = [name for name in LOCKS if name not in ("none", "Condition", "Semaphore")]


@only_ours
@pytest.mark.parametrize("old", ["Lock", "RLock"])
@pytest.mark.parametrize("new", NEW_LOCKS)
def test_a_notified_waiter_gets_the_lock_that_it_released_though_the_condition_got_another(
    module: ModuleType, crew: Crew, old: str, new: str
) -> None:
    old_lock, new_lock = LOCKS[old](module), LOCKS[new](module)
    condition = module.Condition(old_lock)
    woken: list[Any] = []
    crew.start(wait_and_release, condition, old_lock, woken)
    until_waiting(condition, 1)
    with old_lock:
        condition.notify()
        condition.__init__(new_lock)
    crew.join()
    assert woken == [True]
    assert condition._lock is new_lock
    assert is_free(condition)

    # Nobody is left in the old lock's queue, and both locks go on.
    taken: list[bool] = []

    def take() -> None:
        with old_lock:
            taken.append(True)

    with old_lock:
        crew.start(take, count=2)
        until_asleep(crew.threads)
    crew.join()
    assert taken == [True, True]
    crew.start(wait_and_release, condition, condition, woken)
    until_waiting(condition, 1)
    with condition:
        condition.notify()
    crew.join()
    assert woken == [True, True]


@only_ours
def test_the_constructor_is_refused_when_a_thread_began_to_wait_while_it_looked_at_the_lock(
    module: ModuleType, crew: Crew
) -> None:
    lock = module.Lock()
    condition = module.Condition(lock)
    woken: list[Any] = []

    class Looked(Duck):
        def __getattribute__(self, name: str) -> Any:
            if name == "acquire" and not crew.threads:
                crew.start(wait_and_release, condition, lock, woken)
                until_waiting(condition, 1)
            return super().__getattribute__(name)

    with pytest.raises(RuntimeError, match="wait"):
        condition.__init__(Looked())
    assert condition._lock is lock
    with condition:
        condition.notify()
    crew.join()
    assert woken == [True]


def test_many_conditions_over_each_other_are_freed() -> None:
    run_python(
        """
        import threading, cthreading
        from helpers import Crew

        def nest():
            condition = None
            for _ in range(200_000):
                condition = cthreading.Condition(condition)

        threading.stack_size(1 << 20)  # a recursion needs more; so does the standard library's
        with Crew() as crew:
            crew.start(nest)
        print("freed")
        """
    ).check("freed")
