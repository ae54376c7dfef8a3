"""Barrier."""

from __future__ import annotations

import os
import threading
from collections import Counter
from collections.abc import Callable
from types import ModuleType
from typing import Any

import pytest
from behaviour import Outcome, assert_same_outcome, elsewhere, make_class, only_ours, plain, until_asleep
from helpers import PATIENCE, Crew, run_python, wait_until


def wait_into(barrier: Any, results: list[Any], *args: Any) -> None:
    """Waits at the barrier; adds the index, or the class of the exception, to the results."""
    try:
        results.append(barrier.wait(*args))
    except Exception as error:
        results.append(type(error))


def block(barrier: Any, crew: Crew, count: int, *args: Any) -> list[Any]:
    """Starts threads that wait at the barrier; returns the list to which each adds its result."""
    results: list[Any] = []
    crew.start(wait_into, barrier, results, *args, count=count)
    wait_until(lambda: barrier.n_waiting == count)
    return results


def state(barrier: Any) -> tuple[Any, ...]:
    return (barrier.parties, barrier.n_waiting, barrier.broken, plain(repr(barrier)))


# wait


@pytest.mark.parametrize("parties", [1, 2, 3, 8])
def test_each_round_gives_each_index_once(module: ModuleType, crew: Crew, parties: int) -> None:
    barrier = module.Barrier(parties)
    rounds = 20
    indices: list[tuple[int, int]] = []

    def work() -> None:
        for number in range(rounds):
            indices.append((number, barrier.wait(30)))

    crew.start(work, count=parties)
    crew.join()
    assert Counter(indices) == {(number, index): 1 for number in range(rounds) for index in range(parties)}
    assert state(barrier) == state(threading.Barrier(parties))


def test_nobody_leaves_before_everybody_is_there(module: ModuleType, crew: Crew) -> None:
    barrier = module.Barrier(4)
    before, after = [0] * 4, [0] * 4

    def work(number: int) -> None:
        for turn in range(1, 31):
            before[number] = turn
            barrier.wait(30)
            assert min(before) == turn
            after[number] = turn
            barrier.wait(30)
            assert min(after) == turn

    for number in range(4):
        crew.start(work, number)
    crew.join()


def test_the_index_is_the_place_in_the_order_of_arrival(module: ModuleType, crew: Crew) -> None:
    barrier = module.Barrier(3)
    places: dict[str, int] = {}

    def wait(name: str) -> None:
        places[name] = barrier.wait(30)

    crew.start(wait, "first")
    wait_until(lambda: barrier.n_waiting == 1)
    crew.start(wait, "second")
    wait_until(lambda: barrier.n_waiting == 2)
    wait("third")
    crew.join()
    assert places == {"first": 0, "second": 1, "third": 2}


def test_a_barrier_for_one_does_not_wait(module: ModuleType) -> None:
    barrier = module.Barrier(1)
    for timeout in (None, 0, -1, 1, 0.5, True, float("-inf")):
        assert barrier.wait(timeout) == 0
        assert barrier.wait(timeout=timeout) == 0
    assert not barrier.broken


def test_more_threads_than_parties_meet_in_groups(module: ModuleType, crew: Crew) -> None:
    barrier = module.Barrier(3)
    results: list[Any] = []
    crew.start(wait_into, barrier, results, 30, count=12)
    crew.join()
    assert Counter(results) == {0: 4, 1: 4, 2: 4}


def test_a_thread_that_comes_back_at_once_waits_for_the_next_round(module: ModuleType, crew: Crew) -> None:
    barrier = module.Barrier(2)
    results = block(barrier, crew, 1)
    assert barrier.wait(30) == 1
    later = threading.Thread(target=wait_into, args=(barrier, results, 30), daemon=True)
    later.start()
    crew.join()
    assert results == [0]
    wait_until(lambda: barrier.n_waiting == 1)
    assert barrier.wait(30) == 1
    later.join(30)
    assert results == [0, 0]


# Timeouts


@pytest.mark.parametrize("timeout", [0, 0.0, False, -1, -0.5, -1e300, 0.01])
def test_a_timeout_breaks_the_barrier(module: ModuleType, timeout: float) -> None:
    barrier = module.Barrier(2)
    with pytest.raises(threading.BrokenBarrierError):
        barrier.wait(timeout)
    assert barrier.broken
    assert barrier.n_waiting == 0
    with pytest.raises(threading.BrokenBarrierError):
        barrier.wait()


def test_a_timeout_raises_in_all_that_wait(module: ModuleType, crew: Crew) -> None:
    barrier = module.Barrier(4)
    results = block(barrier, crew, 2)
    crew.start(wait_into, barrier, results, 0.01)
    crew.join()
    assert results == [threading.BrokenBarrierError] * 3
    assert barrier.broken


def test_the_default_timeout_is_that_of_the_constructor(module: ModuleType) -> None:
    for barrier in (module.Barrier(2, timeout=0.01), module.Barrier(2, None, 0.01)):
        with pytest.raises(threading.BrokenBarrierError):
            barrier.wait()
        assert barrier.broken
        barrier.reset()
        with pytest.raises(threading.BrokenBarrierError):
            barrier.wait(None)


def test_the_timeout_of_wait_comes_before_the_default(module: ModuleType, crew: Crew) -> None:
    barrier = module.Barrier(2, timeout=0.0)
    results = block(barrier, crew, 1, 30)
    assert barrier.wait(30) == 1
    crew.join()
    assert results == [0]
    patient = module.Barrier(2, timeout=60)
    with pytest.raises(threading.BrokenBarrierError):
        patient.wait(0)


BAD_TIMEOUTS = ["soon", [], 1j, float("inf"), 10**400, 2**70, threading.TIMEOUT_MAX * 2]


@pytest.mark.parametrize("timeout", BAD_TIMEOUTS, ids=repr)
def test_a_bad_timeout_is_refused_and_changes_nothing(module: ModuleType, timeout: Any) -> None:
    def wait(module: ModuleType) -> object:
        barrier = module.Barrier(2)
        try:
            return barrier.wait(timeout)
        finally:
            assert state(barrier) == state(module.Barrier(2))

    assert_same_outcome(module, wait, message=False)


@pytest.mark.parametrize("timeout", BAD_TIMEOUTS, ids=repr)
def test_a_bad_default_timeout_is_refused_by_wait(module: ModuleType, timeout: Any) -> None:
    def wait(module: ModuleType) -> object:
        barrier = module.Barrier(2, timeout=timeout)
        try:
            return barrier.wait()
        finally:
            assert state(barrier) == state(module.Barrier(2))

    assert_same_outcome(module, wait, message=False)


def test_the_last_to_arrive_needs_no_good_timeout(module: ModuleType) -> None:
    assert_same_outcome(module, lambda module: module.Barrier(1).wait("soon"))
    assert_same_outcome(module, lambda module: module.Barrier(1, timeout="soon").wait())


@only_ours
@pytest.mark.parametrize("parties", [1.5, float("nan"), float("inf"), 10**30], ids=repr)
def test_a_number_of_parties_that_can_never_meet_is_refused(module: ModuleType, parties: Any) -> None:
    with pytest.raises((TypeError, ValueError, OverflowError)):
        module.Barrier(parties)


@only_ours
def test_a_timeout_that_is_no_number_is_refused_and_not_waited_for(module: ModuleType) -> None:
    barrier = module.Barrier(2)
    with pytest.raises(ValueError, match="NaN"):
        barrier.wait(float("nan"))
    assert state(barrier) == state(module.Barrier(2))


# The action


def test_one_thread_runs_the_action_before_any_leaves(module: ModuleType, crew: Crew) -> None:
    runs: list[int] = []
    for barrier in (module.Barrier(3, lambda: runs.append(1)), module.Barrier(3, action=lambda: runs.append(1))):
        runs.clear()
        seen: list[int] = []

        def work(barrier: Any = barrier, seen: list[int] = seen) -> None:
            for turn in range(1, 11):
                barrier.wait(30)
                seen.append(len(runs) >= turn)

        crew.start(work, count=3)
        crew.join()
        assert len(runs) == 10
        assert all(seen)


def test_the_last_to_arrive_runs_the_action(module: ModuleType, crew: Crew) -> None:
    ran: list[int] = []
    barrier = module.Barrier(3, lambda: ran.append(threading.get_ident()))
    block(barrier, crew, 2)
    barrier.wait(30)
    crew.join()
    assert ran == [threading.get_ident()]


def test_the_action_is_called_without_arguments_and_its_result_ignored(module: ModuleType) -> None:
    calls: list[Any] = []

    def action(*args: Any, **keywords: Any) -> str:
        calls.append((args, keywords))
        return "ignored"

    assert module.Barrier(1, action).wait() == 0
    assert calls == [((), {})]


def test_an_action_that_raises_breaks_the_barrier(module: ModuleType, crew: Crew) -> None:
    def fail() -> None:
        raise ZeroDivisionError("the action's own")

    barrier = module.Barrier(3, fail)
    results = block(barrier, crew, 2)
    with pytest.raises(ZeroDivisionError, match="the action's own"):
        barrier.wait(30)
    crew.join()
    assert results == [threading.BrokenBarrierError] * 2
    assert barrier.broken
    with pytest.raises(threading.BrokenBarrierError):
        barrier.wait()


def test_an_action_that_ends_the_program_breaks_the_barrier(module: ModuleType) -> None:
    def leave() -> None:
        raise SystemExit(3)

    barrier = module.Barrier(1, leave)
    with pytest.raises(SystemExit):
        barrier.wait()
    assert barrier.broken


def test_a_barrier_whose_action_raised_works_again_after_reset(module: ModuleType) -> None:
    fail = [True]

    def action() -> None:
        if fail[0]:
            raise ZeroDivisionError

    barrier = module.Barrier(1, action)
    with pytest.raises(ZeroDivisionError):
        barrier.wait()
    barrier.reset()
    fail[0] = False
    assert barrier.wait() == 0
    assert not barrier.broken


@pytest.mark.parametrize("action", [None, 0, "", (), 1, "text"], ids=repr)
def test_an_action_that_cannot_be_called_is_treated_alike(module: ModuleType, action: Any) -> None:
    def wait(module: ModuleType) -> list[Any]:
        barrier = module.Barrier(1, action)
        return [Outcome(barrier.wait).text, state(barrier)]

    assert_same_outcome(module, wait)


def test_the_action_sees_the_barrier_full(module: ModuleType, crew: Crew) -> None:
    seen: list[Any] = []
    barrier = module.Barrier(3, lambda: seen.append(state(barrier)))
    block(barrier, crew, 2)
    barrier.wait(30)
    crew.join()
    assert seen == [(3, 3, False, "<Barrier at 0x: waiters=3/3>")]


@only_ours
def test_the_action_may_abort_the_barrier(module: ModuleType, crew: Crew) -> None:
    barrier = module.Barrier(3, lambda: barrier.abort())
    results = block(barrier, crew, 2)
    crew.start(wait_into, barrier, results, 30)
    crew.join()
    assert results == [threading.BrokenBarrierError] * 3
    assert barrier.broken


@only_ours
def test_the_action_may_reset_the_barrier(module: ModuleType, crew: Crew) -> None:
    barrier = module.Barrier(3, lambda: barrier.reset())
    results = block(barrier, crew, 2)
    crew.start(wait_into, barrier, results, 30)
    crew.join()
    assert len(results) == 3
    assert not barrier.broken
    assert barrier.n_waiting == 0


@only_ours
def test_an_action_that_waits_for_its_own_barrier_is_told(crew: Crew, module: ModuleType) -> None:
    barrier = module.Barrier(2, lambda: barrier.wait(30))
    results = block(barrier, crew, 1)
    with pytest.raises(RuntimeError, match="cannot wait"):
        barrier.wait(30)
    crew.join()
    assert results == [threading.BrokenBarrierError]


def test_who_comes_while_the_action_runs_is_of_the_next_round(module: ModuleType, crew: Crew) -> None:
    rounds: list[int] = []
    late: list[Any] = []

    def action() -> None:
        rounds.append(1)
        if len(rounds) == 1:
            until_asleep([crew.start(wait_into, barrier, late, 30)])

    barrier = module.Barrier(2, action)
    results = block(barrier, crew, 1)
    assert barrier.wait(30) == 1
    wait_until(lambda: barrier.n_waiting == 1 and results)
    assert (results, late) == ([0], [])
    assert barrier.wait(30) == 1
    crew.join()
    assert late == [0]


# abort and reset


def test_abort_raises_in_all_that_wait_and_in_all_that_come(module: ModuleType, crew: Crew) -> None:
    barrier = module.Barrier(4)
    results = block(barrier, crew, 3)
    assert barrier.abort() is None
    crew.join()
    assert results == [threading.BrokenBarrierError] * 3
    assert barrier.broken
    for timeout in (None, 0, 5):
        with pytest.raises(threading.BrokenBarrierError):
            barrier.wait(timeout)


def test_abort_of_an_empty_barrier_breaks_it(module: ModuleType) -> None:
    barrier = module.Barrier(2)
    barrier.abort()
    assert barrier.broken
    barrier.abort()
    assert barrier.broken
    with pytest.raises(threading.BrokenBarrierError):
        barrier.wait()


def test_a_broken_barrier_does_not_run_its_action(module: ModuleType) -> None:
    runs: list[int] = []
    barrier = module.Barrier(1, lambda: runs.append(1))
    barrier.abort()
    with pytest.raises(threading.BrokenBarrierError):
        barrier.wait()
    assert runs == []


def test_reset_of_an_empty_barrier_changes_nothing(module: ModuleType, crew: Crew) -> None:
    barrier = module.Barrier(2)
    assert barrier.reset() is None
    assert state(barrier) == state(module.Barrier(2))
    results = block(barrier, crew, 1)
    assert barrier.wait(30) == 1
    crew.join()
    assert results == [0]


def test_reset_raises_in_all_that_wait_and_leaves_the_barrier_whole(module: ModuleType, crew: Crew) -> None:
    barrier = module.Barrier(4)
    results = block(barrier, crew, 3)
    barrier.reset()
    assert not barrier.broken
    assert barrier.n_waiting == 0
    crew.join()
    assert results == [threading.BrokenBarrierError] * 3
    assert state(barrier) == state(module.Barrier(4))


def test_the_barrier_can_be_used_at_once_after_reset(module: ModuleType, crew: Crew) -> None:
    barrier = module.Barrier(3)
    for _ in range(20):
        broken = block(barrier, crew, 2)
        barrier.reset()
        results: list[Any] = []
        crew.start(wait_into, barrier, results, 30, count=2)
        wait_into(barrier, results, 30)
        crew.join()
        assert broken == [threading.BrokenBarrierError] * 2
        assert sorted(results) == [0, 1, 2]


def test_reset_mends_a_broken_barrier(module: ModuleType, crew: Crew) -> None:
    barrier = module.Barrier(2)
    barrier.abort()
    barrier.reset()
    assert state(barrier) == state(module.Barrier(2))
    results = block(barrier, crew, 1)
    assert barrier.wait(30) == 1
    crew.join()
    assert results == [0]


def test_abort_and_reset_while_threads_wait(module: ModuleType, crew: Crew) -> None:
    barrier = module.Barrier(3)
    for _ in range(10):
        broken = block(barrier, crew, 2)
        barrier.abort()
        barrier.reset()
        results: list[Any] = []
        crew.start(wait_into, barrier, results, 30, count=3)
        crew.join()
        assert broken == [threading.BrokenBarrierError] * 2
        assert sorted(results) == [0, 1, 2]
        assert not barrier.broken


def test_reset_and_abort_while_threads_wait(module: ModuleType, crew: Crew) -> None:
    barrier = module.Barrier(3)
    broken = block(barrier, crew, 2)
    barrier.reset()
    barrier.abort()
    assert barrier.broken
    crew.join()
    assert broken == [threading.BrokenBarrierError] * 2
    assert barrier.broken
    with pytest.raises(threading.BrokenBarrierError):
        barrier.wait()


def test_abort_right_after_a_round_leaves_the_barrier_broken(module: ModuleType, crew: Crew) -> None:
    barrier = module.Barrier(2)
    results = block(barrier, crew, 1)
    assert barrier.wait(30) == 1
    barrier.abort()
    crew.join()
    # Who has not left yet may be told that it is broken.
    assert results in ([0], [threading.BrokenBarrierError])
    assert barrier.broken


def test_reset_right_after_a_round_disturbs_nobody(module: ModuleType, crew: Crew) -> None:
    barrier = module.Barrier(3)
    for _ in range(20):
        results = block(barrier, crew, 2)
        assert barrier.wait(30) == 2
        barrier.reset()
        crew.join()
        assert sorted(results) == [0, 1]
        assert not barrier.broken


@only_ours
def test_who_was_let_through_is_not_told_that_a_later_abort_broke_it(module: ModuleType, crew: Crew) -> None:
    for _ in range(20):
        barrier = module.Barrier(3)
        results = block(barrier, crew, 2)
        assert barrier.wait(30) == 2
        barrier.abort()
        crew.join()
        assert sorted(results) == [0, 1]


def test_abort_by_a_thread_that_then_leaves(module: ModuleType) -> None:
    barrier = module.Barrier(2)
    elsewhere(barrier.abort)
    assert barrier.broken
    elsewhere(barrier.reset)
    assert not barrier.broken


# Attributes and repr


def test_properties_follow_the_barrier(module: ModuleType, crew: Crew) -> None:
    barrier = module.Barrier(3)
    assert state(barrier) == (3, 0, False, "<Barrier at 0x: waiters=0/3>")
    results = block(barrier, crew, 1)
    assert state(barrier) == (3, 1, False, "<Barrier at 0x: waiters=1/3>")
    crew.start(wait_into, barrier, results)
    wait_until(lambda: barrier.n_waiting == 2)
    assert state(barrier) == (3, 2, False, "<Barrier at 0x: waiters=2/3>")
    barrier.abort()
    assert state(barrier) == (3, 0, True, "<Barrier at 0x: broken>")
    crew.join()
    barrier.reset()
    assert state(barrier) == (3, 0, False, "<Barrier at 0x: waiters=0/3>")


@pytest.mark.parametrize("name", ["parties", "n_waiting", "broken"])
def test_properties_cannot_be_assigned(module: ModuleType, name: str) -> None:
    barrier = module.Barrier(2)
    with pytest.raises(AttributeError):
        setattr(barrier, name, 1)
    with pytest.raises(AttributeError):
        delattr(barrier, name)
    assert state(barrier) == state(module.Barrier(2))


def test_repr_names_the_module_and_the_address(module: ModuleType) -> None:
    barrier = module.Barrier(3)
    assert repr(barrier) == f"<{module.__name__}.Barrier at {id(barrier):#x}: waiters=0/3>"
    barrier.abort()
    assert repr(barrier) == f"<{module.__name__}.Barrier at {id(barrier):#x}: broken>"


def test_repr_names_the_subclass(module: ModuleType) -> None:
    class Special(make_class(module, "Barrier")):  # type: ignore[misc]
        pass

    barrier = Special(2)
    assert repr(barrier) == f"<{__name__}.{Special.__qualname__} at {id(barrier):#x}: waiters=0/2>"


def test_private_attributes_can_be_read(module: ModuleType, crew: Crew) -> None:
    def action() -> None:
        pass

    barrier = module.Barrier(3, action, 60)
    assert barrier._parties == 3
    assert barrier._action is action
    assert barrier._timeout == 60
    assert barrier._count == 0
    assert barrier._state == 0
    block(barrier, crew, 2)
    assert barrier._count == 2
    assert barrier._state == 0
    barrier.abort()
    assert barrier._state == -2
    crew.join()
    assert barrier._count == 0
    barrier.reset()
    assert barrier._state == 0
    assert module.Barrier(1)._action is None
    assert module.Barrier(1)._timeout is None


def test_parties_action_and_timeout_can_be_assigned(module: ModuleType) -> None:
    runs: list[int] = []
    barrier = module.Barrier(2)
    barrier._parties = 1
    assert barrier.parties == 1
    barrier._action = lambda: runs.append(1)
    assert barrier.wait() == 0
    assert runs == [1]
    barrier._parties = 2
    barrier._timeout = 0.0
    with pytest.raises(threading.BrokenBarrierError):
        barrier.wait()


def test_action_and_timeout_can_be_assigned_and_read_while_others_wait() -> None:
    """In a process of its own: what goes wrong here ends the interpreter."""
    run_python(
        """
        import time, cthreading
        from helpers import Crew

        barrier = cthreading.Barrier(1)
        deadline = time.monotonic() + 2

        def repeat(step):
            while time.monotonic() < deadline:
                for number in range(500):
                    step(number)

        def assign(number):
            barrier._action = lambda: number
            barrier._timeout = 1000.0 + number

        def read(number):
            assert barrier._action is None or barrier._action() in range(500)
            assert barrier._timeout is None or barrier._timeout >= 1000

        def wait(number):
            assert barrier.wait() == 0

        with Crew() as crew:
            crew.start(repeat, assign, count=2)
            crew.start(repeat, read)
            crew.start(repeat, wait)
        print("survived")
        """
    ).check("survived")


# The constructor


@pytest.mark.parametrize("parties", [1, 2, True, 2.0, 10**6, None, "2", [], 1j], ids=repr)
def test_it_takes_and_refuses_the_same_numbers_of_parties(module: ModuleType, parties: Any) -> None:
    if module is threading and not isinstance(parties, int | float) and not Outcome(threading.Barrier, parties).raised:
        pytest.skip("this version does not look")

    def construct(module: ModuleType) -> bool:
        return module.Barrier(parties).parties == parties

    expected = Outcome(construct, threading)
    if isinstance(parties, int | float):
        Outcome(construct, module).assert_like(expected)
    else:
        with pytest.raises(TypeError):
            module.Barrier(parties)


@pytest.mark.parametrize("parties", [0, -1])
def test_less_than_one_party_is_refused_clearly(module: ModuleType, parties: int) -> None:
    if module is threading and not Outcome(threading.Barrier, parties).raised:
        pytest.skip("this version does not look")
    with pytest.raises(ValueError, match=r"parties must be (> 0|>= 1)"):
        module.Barrier(parties)


def test_the_constructor_takes_its_arguments_by_name(module: ModuleType) -> None:
    runs: list[int] = []
    barrier = module.Barrier(parties=1, action=lambda: runs.append(1), timeout=3)
    assert barrier.wait() == 0
    assert runs == [1]
    assert barrier._timeout == 3


def test_the_constructor_refuses_wrong_arguments(module: ModuleType) -> None:
    for args, keywords in [((), {}), ((1, None, None, 1), {}), ((1,), {"parties": 1}), ((1,), {"wait": 1})]:
        with pytest.raises(TypeError):
            module.Barrier(*args, **keywords)


@pytest.mark.parametrize(
    "call",
    [
        lambda barrier: barrier.wait(1, 2),
        lambda barrier: barrier.wait(time=1),
        lambda barrier: barrier.reset(1),
        lambda barrier: barrier.abort(1),
    ],
)
def test_a_call_with_wrong_arguments_changes_nothing(module: ModuleType, crew: Crew, call: Any) -> None:
    barrier = module.Barrier(2)
    results = block(barrier, crew, 1)
    with pytest.raises(TypeError):
        call(barrier)
    assert barrier.n_waiting == 1
    assert barrier.wait(30) == 1
    crew.join()
    assert results == [0]


def test_the_exception_is_the_standard_librarys(module: ModuleType) -> None:
    assert module.BrokenBarrierError is threading.BrokenBarrierError
    assert_same_outcome(module, lambda module: module.Barrier(2).wait(0))


def test_a_timeout_while_the_action_runs_breaks_nothing(module: ModuleType, crew: Crew) -> None:
    timeout = 1.0
    barrier = module.Barrier(2, lambda: threading.Event().wait(timeout * 1.3))
    results = block(barrier, crew, 1, timeout)
    results.append(barrier.wait())
    crew.join()
    assert sorted(results) == [0, 1]
    assert not barrier.broken


def test_many_barriers_that_are_each_others_action_are_freed() -> None:
    run_python(
        """
        import threading, cthreading
        from helpers import Crew

        def nest():
            barrier = None
            for _ in range(200_000):
                barrier = cthreading.Barrier(1, barrier)

        threading.stack_size(1 << 20)  # a recursion needs more; so does the standard library's
        with Crew() as crew:
            crew.start(nest)
        print("freed")
        """
    ).check("freed")


def with_state_of_its_own(module: ModuleType, parties: int, action: Callable[[], object] | None = None) -> Any:
    """As multiprocessing.Barrier: never calls __init__, and keeps the state where others may share it."""

    class StateElsewhere(module.Barrier):
        def __init__(self) -> None:
            self.shared = {"_state": 0, "_count": 0}
            self._parties, self._action, self._timeout = parties, action, PATIENCE
            self._cond = module.Condition()

        _state = property(
            lambda self: self.shared["_state"], lambda self, value: self.shared.__setitem__("_state", value)
        )
        _count = property(
            lambda self: self.shared["_count"], lambda self, value: self.shared.__setitem__("_count", value)
        )

    return StateElsewhere()


def test_a_subclass_keeps_the_state(module: ModuleType, crew: Crew) -> None:
    acted = []
    barrier = with_state_of_its_own(module, 3, lambda: acted.append(barrier.shared["_count"]))
    indices = []
    for _ in range(2):
        crew.start(lambda: indices.append([barrier.wait() for _ in range(50)]))
    indices.append([barrier.wait() for _ in range(50)])
    crew.join()
    assert acted == [3] * 50
    assert all(sorted(round) == [0, 1, 2] for round in zip(*indices, strict=True))
    assert (barrier.parties, barrier.n_waiting, barrier.broken, barrier.shared) == (
        3,
        0,
        False,
        {"_state": 0, "_count": 0},
    )


@pytest.mark.parametrize("ending", ["reset", "abort", "timeout", "action"])
def test_a_subclass_keeps_the_state_of_a_broken_round(module: ModuleType, ending: str, crew: Crew) -> None:
    def fail() -> None:
        raise ZeroDivisionError

    barrier = with_state_of_its_own(module, 2, fail)
    seen = []

    def wait() -> None:
        with pytest.raises(threading.BrokenBarrierError):
            barrier.wait()
        seen.append("broken")

    if ending == "timeout":
        with pytest.raises(threading.BrokenBarrierError):
            barrier.wait(0.01)
    else:
        crew.start(wait)
        wait_until(lambda: barrier.n_waiting == 1)
        if ending == "action":
            with pytest.raises(ZeroDivisionError):
                barrier.wait()
        else:
            getattr(barrier, ending)()
        crew.join()
        assert seen == ["broken"]
    assert barrier.broken is (ending != "reset")
    if barrier.broken:
        with pytest.raises(threading.BrokenBarrierError):
            barrier.wait()
        barrier.reset()
    assert (barrier.broken, barrier.n_waiting, barrier.shared) == (False, 0, {"_state": 0, "_count": 0})


@pytest.mark.skipif(not hasattr(os, "fork"), reason="no fork here")
def test_barrier_of_multiprocessing_where_threading_is_cthreading() -> None:
    code = """
        import cthreading, sys
        sys.modules["threading"] = cthreading
        import multiprocessing

        def child(barrier, queue):
            queue.put([barrier.wait(30) for _ in range(20)])

        if __name__ == "__main__":
            context = multiprocessing.get_context("fork")
            barrier, queue = context.Barrier(3), context.Queue()
            children = [context.Process(target=child, args=(barrier, queue)) for _ in range(2)]
            for process in children:
                process.start()
            mine = [barrier.wait(30) for _ in range(20)]
            indices = [mine, queue.get(timeout=30), queue.get(timeout=30)]
            for process in children:
                process.join(30)
            print(all(sorted(round) == [0, 1, 2] for round in zip(*indices)), barrier.n_waiting, barrier.broken)
    """
    run_python(code).check("True 0 False")
