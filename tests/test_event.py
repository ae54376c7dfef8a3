"""Event."""

from __future__ import annotations

import threading
import warnings
from types import ModuleType
from typing import Any

import pytest
from behaviour import assert_same_outcome, elsewhere, make_class, plain, until_asleep, until_waiting
from helpers import Crew


@pytest.fixture
def event(module: ModuleType) -> Any:
    return module.Event()


def test_a_new_event_is_not_set(event: Any) -> None:
    assert event.is_set() is False
    assert event.wait(0) is False


def test_set_and_clear(event: Any) -> None:
    for _ in range(2):
        assert event.set() is None
        assert event.is_set() is True
        assert event.set() is None
        assert event.is_set() is True
        assert event.clear() is None
        assert event.is_set() is False
        assert event.clear() is None
        assert event.is_set() is False


@pytest.mark.parametrize("timeout", [None, 0, 0.0, 1, -1, 0.5, True, threading.TIMEOUT_MAX], ids=repr)
def test_wait_on_a_set_event_returns_true_at_once(event: Any, timeout: Any) -> None:
    event.set()
    assert event.wait(timeout) is True
    assert event.wait(timeout=timeout) is True
    assert event.wait() is True


@pytest.mark.parametrize("timeout", [0, 0.0, False, -1, -0.001, -1e300, float("-inf"), 0.001])
def test_wait_on_an_unset_event_returns_false_when_time_is_up(event: Any, timeout: float) -> None:
    assert event.wait(timeout) is False
    assert not event.is_set()


@pytest.mark.parametrize("timeout", [None, 30, threading.TIMEOUT_MAX])
def test_set_wakes_everybody(event: Any, crew: Crew, timeout: float | None) -> None:
    results: list[bool] = []
    crew.start(lambda: results.append(event.wait(timeout)), count=5)
    until_asleep(crew.threads)
    assert results == []
    event.set()
    crew.join()
    assert results == [True] * 5
    assert event.is_set()


def test_who_waited_when_it_was_set_is_told_so_even_if_it_is_cleared_at_once(event: Any, crew: Crew) -> None:
    results: list[bool] = []
    crew.start(lambda: results.append(event.wait(30)), count=5)
    until_asleep(crew.threads)
    event.set()
    event.clear()
    crew.join()
    assert results == [True] * 5
    assert not event.is_set()
    assert event.wait(0) is False


def test_a_waiter_that_timed_out_is_forgotten(event: Any, crew: Crew) -> None:
    results: list[bool] = []
    crew.start(lambda: results.append(event.wait(0.01)), count=3)
    crew.join()
    assert results == [False] * 3
    event.set()
    assert event.wait(0)


def test_two_threads_take_turns(module: ModuleType, crew: Crew) -> None:
    there, back = module.Event(), module.Event()

    def answer() -> None:
        for _ in range(100):
            assert there.wait(30)
            there.clear()
            back.set()

    crew.start(answer)
    for _ in range(100):
        there.set()
        assert back.wait(30)
        back.clear()
    crew.join()


@pytest.mark.parametrize("timeout", ["soon", [], object(), 1j, float("inf"), 10**400, 2**70, threading.TIMEOUT_MAX * 2])
def test_wait_with_a_bad_timeout_is_refused_and_changes_nothing(module: ModuleType, timeout: Any) -> None:
    def wait(module: ModuleType) -> object:
        event = module.Event()
        try:
            return event.wait(timeout)
        finally:
            assert not event.is_set()
            assert event.wait(0) is False

    assert_same_outcome(module, wait)


@pytest.mark.parametrize("timeout", ["soon", [], 1j, float("inf"), 10**400])
def test_wait_on_a_set_event_does_not_look_at_the_timeout(module: ModuleType, timeout: Any) -> None:
    event = module.Event()
    event.set()
    assert event.wait(timeout) is True


def test_a_timeout_that_is_no_number_is_not_waited_for(module: ModuleType) -> None:
    assert_same_outcome(module, lambda module: module.Event().wait(float("nan")))


@pytest.mark.parametrize(
    "call",
    [
        lambda event: event.is_set(1),
        lambda event: event.set(1),
        lambda event: event.clear(1),
        lambda event: event.wait(0, 0),
        lambda event: event.wait(time=0),
        lambda event: event.wait(0, timeout=0),
        lambda event: event.isSet(1),
    ],
)
@pytest.mark.parametrize("is_set", [False, True], ids=["unset", "set"])
def test_a_call_with_wrong_arguments_changes_nothing(event: Any, call: Any, is_set: bool) -> None:
    if is_set:
        event.set()
    with pytest.raises(TypeError):
        call(event)
    assert event.is_set() is is_set


def test_the_constructor_takes_no_arguments(module: ModuleType) -> None:
    with pytest.raises(TypeError):
        module.Event(True)
    with pytest.raises(TypeError):
        module.Event(flag=True)


def test_is_set_by_its_old_name_warns(module: ModuleType) -> None:
    def ask(module: ModuleType) -> list[bool]:
        event = module.Event()
        answers = [event.isSet()]
        event.set()
        return [*answers, event.isSet()]

    assert_same_outcome(module, ask)


def test_the_warning_of_the_old_name_points_at_the_caller(event: Any) -> None:
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        event.isSet()
    assert [warning.filename for warning in caught] == [__file__]


def test_the_warning_of_the_old_name_can_be_an_error(event: Any) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        with pytest.raises(DeprecationWarning):
            event.isSet()


def test_repr_says_whether_it_is_set(module: ModuleType) -> None:
    def reprs(module: ModuleType) -> list[str]:
        event = module.Event()
        texts = [repr(event)]
        event.set()
        texts.append(repr(event))
        event.clear()
        return [plain(text) for text in [*texts, repr(event)]]

    assert reprs(module) == reprs(threading)


def test_repr_names_the_module_and_the_address(module: ModuleType, event: Any) -> None:
    assert repr(event) == f"<{module.__name__}.Event at {id(event):#x}: unset>"


def test_repr_names_the_subclass(module: ModuleType) -> None:
    class Special(make_class(module, "Event")):  # type: ignore[misc]
        pass

    event = Special()
    assert repr(event) == f"<{__name__}.{Special.__qualname__} at {id(event):#x}: unset>"


def test_the_flag_can_be_read_and_assigned(event: Any) -> None:
    assert event._flag is False
    event.set()
    assert event._flag is True
    event._flag = False
    assert not event.is_set()
    assert event.wait(0) is False
    event._flag = True
    assert event.is_set()
    assert event.wait() is True


def test_its_condition_guards_it(module: ModuleType, event: Any, crew: Crew) -> None:
    results: list[bool] = []
    crew.start(lambda: results.append(event.wait(30)), count=2)
    until_asleep(crew.threads)
    with event._cond:
        event._flag = True
        event._cond.notify_all()
    crew.join()
    assert results == [True] * 2


def test_its_condition_can_be_waited_on(event: Any, crew: Crew) -> None:
    results: list[bool] = []

    def wait() -> None:
        with event._cond:
            results.append(event._cond.wait_for(event.is_set, 30))

    crew.start(wait)
    until_waiting(event._cond, 1)
    event.set()
    crew.join()
    assert results == [True]


def test_fork_reinit_keeps_the_flag(event: Any) -> None:
    event._at_fork_reinit()
    assert not event.is_set()
    event.set()
    event._at_fork_reinit()
    assert event.is_set()
    event.clear()
    assert event.wait(0) is False


def test_fork_reinit_frees_its_lock(event: Any) -> None:
    event._cond.acquire()
    event._at_fork_reinit()
    elsewhere(event.set)
    assert event.wait(0)
