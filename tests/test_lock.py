"""Lock."""

from __future__ import annotations

import threading
from types import ModuleType
from typing import Any

import pytest
from behaviour import ACQUIRE_CALLS, Outcome, assert_same_outcome, elsewhere, only_ours, plain, until_asleep, will_wait
from helpers import Crew, wait_until


@pytest.fixture
def lock(module: ModuleType) -> Any:
    return module.Lock()


WRONG_CALLS = {
    "acquire(1, 2, 3)": lambda lock: lock.acquire(1, 2, 3),
    "acquire(wait=1)": lambda lock: lock.acquire(wait=1),
    "acquire(1, blocking=1)": lambda lock: lock.acquire(1, blocking=1),
    "release(1)": lambda lock: lock.release(1),
    "release(n=1)": lambda lock: lock.release(n=1),
    "locked(1)": lambda lock: lock.locked(1),
    "_at_fork_reinit(1)": lambda lock: lock._at_fork_reinit(1),
}


def test_a_new_lock_is_unlocked(lock: Any) -> None:
    assert lock.locked() is False


def test_acquire_locks_and_release_unlocks(lock: Any) -> None:
    assert lock.acquire() is True
    assert lock.locked() is True
    assert lock.release() is None
    assert lock.locked() is False


def test_a_locked_lock_is_not_acquired_again_by_its_own_thread(lock: Any) -> None:
    lock.acquire()
    assert lock.acquire(False) is False
    assert lock.acquire(blocking=False) is False
    assert lock.acquire(timeout=0) is False
    assert lock.acquire(True, 0.001) is False
    assert lock.locked()


def test_any_thread_may_release(lock: Any) -> None:
    lock.acquire()
    elsewhere(lock.release)
    assert not lock.locked()


def test_releasing_an_unlocked_lock_is_refused(module: ModuleType) -> None:
    assert_same_outcome(module, lambda module: module.Lock().release())
    lock = module.Lock()
    with pytest.raises(RuntimeError):
        lock.release()
    assert lock.acquire(False)
    assert not lock.acquire(False)


def test_with_locks_and_yields_true(lock: Any) -> None:
    with lock as entered:
        assert entered is True
        assert lock.locked()
    assert not lock.locked()


def test_with_unlocks_when_the_body_raises(lock: Any) -> None:
    with pytest.raises(ZeroDivisionError), lock:
        raise ZeroDivisionError
    assert not lock.locked()


def test_with_refuses_to_unlock_what_the_body_unlocked(lock: Any) -> None:
    with pytest.raises(RuntimeError), lock:
        lock.release()
    assert not lock.locked()


def test_exit_swallows_no_exception(lock: Any) -> None:
    lock.acquire()
    assert not lock.__exit__(ValueError, ValueError(), None)
    assert not lock.locked()


def test_the_old_names_do_the_same(lock: Any) -> None:
    assert lock.acquire_lock() is True
    assert lock.locked_lock() is True
    assert lock.acquire_lock(False) is False
    assert lock.acquire_lock(timeout=0) is False
    assert lock.release_lock() is None
    assert lock.locked_lock() is False
    assert not lock.locked()


def test_fork_reinit_unlocks(lock: Any) -> None:
    lock.acquire()
    assert lock._at_fork_reinit() is None
    assert not lock.locked()
    assert lock.acquire(False)
    assert not lock.acquire(False)


def test_fork_reinit_leaves_an_unlocked_lock_unlocked(lock: Any) -> None:
    lock._at_fork_reinit()
    assert lock.acquire(False)
    assert not lock.acquire(False)


def test_repr_says_whether_it_is_locked(module: ModuleType) -> None:
    def reprs(module: ModuleType) -> list[str]:
        lock = module.Lock()
        texts = [repr(lock)]
        lock.acquire()
        texts.append(repr(lock))
        lock.release()
        return [plain(text) for text in [*texts, repr(lock)]]

    assert reprs(module) == reprs(threading)


def test_repr_holds_the_address(lock: Any) -> None:
    assert f"{id(lock):x}" in repr(lock).lower()


@pytest.mark.parametrize(("args", "keywords"), ACQUIRE_CALLS.values(), ids=ACQUIRE_CALLS)
def test_acquire_of_an_unlocked_lock_takes_and_refuses_the_same_arguments(
    module: ModuleType, args: tuple[Any, ...], keywords: dict[str, Any]
) -> None:
    lock, oracle = module.Lock(), threading.Lock()
    Outcome(lambda: lock.acquire(*args, **keywords)).assert_like(Outcome(lambda: oracle.acquire(*args, **keywords)))
    assert lock.locked() is oracle.locked()


@pytest.mark.parametrize(("args", "keywords"), ACQUIRE_CALLS.values(), ids=ACQUIRE_CALLS)
def test_acquire_of_a_locked_lock_takes_and_refuses_the_same_arguments(
    module: ModuleType, args: tuple[Any, ...], keywords: dict[str, Any]
) -> None:
    if will_wait(args, keywords):
        pytest.skip("waits for ever")
    lock, oracle = module.Lock(), threading.Lock()
    lock.acquire()
    oracle.acquire()
    Outcome(lambda: lock.acquire(*args, **keywords)).assert_like(Outcome(lambda: oracle.acquire(*args, **keywords)))
    assert lock.locked()
    lock.release()
    assert not lock.locked()


@pytest.mark.parametrize("locked", [False, True], ids=["unlocked", "locked"])
@pytest.mark.parametrize("call", WRONG_CALLS.values(), ids=WRONG_CALLS)
def test_a_call_with_wrong_arguments_changes_nothing(module: ModuleType, call: Any, locked: bool) -> None:
    lock = module.Lock()
    if locked:
        lock.acquire()
    with pytest.raises(TypeError):
        call(lock)
    assert lock.locked() is locked


@pytest.mark.parametrize("args", [(1,), (None,), (1, 2)])
def test_the_constructor_takes_no_arguments(module: ModuleType, args: tuple[Any, ...]) -> None:
    with pytest.raises(TypeError):
        module.Lock(*args)
    with pytest.raises(TypeError):
        module.Lock(lock=args)


@only_ours
def test_lock_is_a_class(module: ModuleType) -> None:
    assert isinstance(module.Lock, type)
    assert isinstance(module.Lock(), module.Lock)
    assert module.Lock.__name__ == "Lock"
    assert module.Lock.__module__ == "cthreading"


def test_lock_can_be_a_class_attribute(module: ModuleType) -> None:
    class User:
        make_lock = module.Lock

    assert User().make_lock().acquire(False)


def test_a_blocked_acquire_returns_when_another_thread_releases(lock: Any, crew: Crew) -> None:
    lock.acquire()
    results: list[bool] = []
    crew.start(lambda: results.append(lock.acquire()))
    assert results == []
    lock.release()
    crew.join()
    assert results == [True]
    assert lock.locked()


def test_a_blocked_acquire_with_a_timeout_returns_when_another_thread_releases(lock: Any, crew: Crew) -> None:
    lock.acquire()
    results: list[bool] = []
    crew.start(lambda: results.append(lock.acquire(timeout=30)))
    lock.release()
    crew.join()
    assert results == [True]


def test_one_release_lets_one_waiter_in(lock: Any, crew: Crew) -> None:
    lock.acquire()
    entered: list[int] = []
    for number in range(5):
        crew.start(lambda number=number: (lock.acquire(), entered.append(number)))
    for count in range(1, 6):
        lock.release()
        wait_until(lambda count=count: len(entered) == count)
        assert lock.locked()
    crew.join()
    assert sorted(entered) == list(range(5))


def test_a_waiter_that_timed_out_takes_no_later_release(lock: Any, crew: Crew) -> None:
    lock.acquire()
    results: list[bool] = []
    crew.start(lambda: results.append(lock.acquire(timeout=0.01)), count=3)
    crew.join()
    assert results == [False] * 3
    lock.release()
    assert lock.acquire(False)


def test_only_one_thread_at_a_time_is_inside(lock: Any, crew: Crew) -> None:
    inside = [0]
    total = [0]

    def work() -> None:
        for _ in range(300):
            with lock:
                inside[0] += 1
                assert inside[0] == 1
                total[0] += 1
                inside[0] -= 1

    crew.start(work, count=4)
    crew.join()
    assert total == [1200]


def test_a_locked_lock_can_be_thrown_away(module: ModuleType) -> None:
    lock = module.Lock()
    lock.acquire()
    del lock


def test_a_lock_lives_as_long_as_a_thread_waits_for_it(module: ModuleType, crew: Crew) -> None:
    lock = module.Lock()
    lock.acquire()
    results: list[bool] = []

    def acquire(lock: Any) -> None:
        results.append(lock.acquire(timeout=30))

    crew.start(acquire, lock)
    until_asleep(crew.threads)
    release = lock.release
    del lock
    release()
    crew.join()
    assert results == [True]
