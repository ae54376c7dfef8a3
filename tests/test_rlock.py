"""RLock."""

from __future__ import annotations

import _thread
import threading
from types import ModuleType
from typing import Any

import pytest
from behaviour import ACQUIRE_CALLS, Outcome, assert_same_outcome, elsewhere, make_class, only_ours, plain, will_wait
from helpers import Crew, recursion_count, wait_until

import cthreading

# Not all patch releases are alike.
HAS_RECURSION_COUNT = hasattr(threading.RLock(), "_recursion_count")


@pytest.fixture
def lock(module: ModuleType) -> Any:
    return module.RLock()


def is_free(lock: Any) -> bool:
    """Whether another thread can take it."""

    def attempt() -> bool:
        taken = lock.acquire(False)
        if taken:
            lock.release()
        return taken

    return elsewhere(attempt)


def held_elsewhere(module: ModuleType) -> Any:
    """One that a thread took that is gone."""
    lock = module.RLock()
    assert elsewhere(lock.acquire)
    return lock


def test_acquire_locks_and_release_unlocks(lock: Any) -> None:
    assert is_free(lock)
    assert lock.acquire() is True
    assert not is_free(lock)
    assert lock.release() is None
    assert is_free(lock)


def test_its_owner_acquires_again_and_releases_as_often(lock: Any) -> None:
    assert [lock.acquire() for _ in range(3)] == [True] * 3
    for _ in range(3):
        assert not is_free(lock)
        lock.release()
    assert is_free(lock)


def test_the_owner_may_acquire_without_blocking_and_with_a_timeout(lock: Any) -> None:
    lock.acquire()
    assert lock.acquire(False) is True
    assert lock.acquire(True, 0) is True
    assert lock.acquire(timeout=0.5) is True
    assert recursion_count(lock) == 4


def test_another_thread_acquires_neither_at_once_nor_in_time(lock: Any) -> None:
    lock.acquire()
    assert elsewhere(lock.acquire, False) is False
    assert elsewhere(lock.acquire, True, 0) is False
    assert elsewhere(lock.acquire, True, 0.001) is False


def test_recursion_is_deep(lock: Any) -> None:
    for _ in range(10_000):
        lock.acquire()
    assert recursion_count(lock) == 10_000
    for _ in range(10_000):
        lock.release()
    assert is_free(lock)


def test_releasing_what_nobody_holds_is_refused(module: ModuleType) -> None:
    assert_same_outcome(module, lambda module: module.RLock().release())
    lock = module.RLock()
    with pytest.raises(RuntimeError):
        lock.release()
    assert is_free(lock)


def test_releasing_once_too_often_is_refused(module: ModuleType) -> None:
    def release_twice(module: ModuleType) -> None:
        lock = module.RLock()
        lock.acquire()
        lock.release()
        lock.release()

    assert_same_outcome(module, release_twice)


def test_only_the_owner_may_release(module: ModuleType) -> None:
    lock = module.RLock()
    lock.acquire()
    with pytest.raises(RuntimeError):
        elsewhere(lock.release)
    assert lock._is_owned()
    assert recursion_count(lock) == 1
    assert_same_outcome(module, lambda module: held_elsewhere(module).release())


def test_with_locks_and_yields_true(lock: Any) -> None:
    with lock as entered:
        assert entered is True
        with lock as again:
            assert again is True
            assert recursion_count(lock) == 2
        assert recursion_count(lock) == 1
    assert is_free(lock)


def test_with_unlocks_when_the_body_raises(lock: Any) -> None:
    with pytest.raises(ZeroDivisionError), lock, lock:
        raise ZeroDivisionError
    assert is_free(lock)


def test_with_refuses_to_unlock_what_the_body_unlocked(lock: Any) -> None:
    with pytest.raises(RuntimeError), lock:
        lock.release()
    assert is_free(lock)


def test_is_owned_is_true_in_the_owner_only(lock: Any) -> None:
    assert lock._is_owned() is False
    lock.acquire()
    assert lock._is_owned() is True
    assert elsewhere(lock._is_owned) is False
    lock.release()
    assert lock._is_owned() is False


@pytest.mark.skipif(not HAS_RECURSION_COUNT, reason="this version has no RLock._recursion_count")
def test_recursion_count_is_zero_in_threads_that_do_not_own_it(lock: Any) -> None:
    assert lock._recursion_count() == 0
    lock.acquire()
    lock.acquire()
    assert lock._recursion_count() == 2
    assert elsewhere(lock._recursion_count) == 0
    lock.release()
    assert lock._recursion_count() == 1


def test_recursion_count_is_there_where_the_standard_library_has_it(lock: Any) -> None:
    assert hasattr(lock, "_recursion_count") is HAS_RECURSION_COUNT


def test_locked_is_true_whoever_holds_it(module: ModuleType, lock: Any) -> None:
    if module is threading and not hasattr(lock, "locked"):
        pytest.skip("this version has no RLock.locked")
    assert lock.locked() is False
    with lock, lock:
        assert lock.locked() is True
        assert elsewhere(lock.locked) is True
    assert lock.locked() is False
    assert held_elsewhere(module).locked() is True


def test_release_save_gives_all_levels_back_and_acquire_restore_takes_them_again(lock: Any) -> None:
    for _ in range(3):
        lock.acquire()
    state = lock._release_save()
    assert not lock._is_owned()
    assert is_free(lock)
    assert lock._acquire_restore(state) is None
    assert lock._is_owned()
    assert recursion_count(lock) == 3


def test_the_saved_state_is_the_count_and_the_owner(lock: Any) -> None:
    lock.acquire()
    lock.acquire()
    assert lock._release_save() == (2, threading.get_ident())


def test_acquire_restore_takes_the_count_and_the_owner_that_it_is_told(lock: Any) -> None:
    lock._acquire_restore((2, threading.get_ident()))
    assert recursion_count(lock) == 2
    lock.release()
    lock.release()
    assert is_free(lock)


def test_acquire_restore_waits_for_the_lock(lock: Any, crew: Crew) -> None:
    lock.acquire()
    state = lock._release_save()
    taken, restored = threading.Event(), threading.Event()
    leave = threading.Event()

    def hold() -> None:
        with lock:
            taken.set()
            assert leave.wait(30)
            assert not restored.is_set()

    crew.start(hold)
    assert taken.wait(30)
    leave.set()
    lock._acquire_restore(state)
    restored.set()
    assert lock._is_owned()
    crew.join()


def test_release_save_is_refused_where_nobody_holds_it(module: ModuleType) -> None:
    assert_same_outcome(module, lambda module: module.RLock()._release_save())
    lock = module.RLock()
    with pytest.raises(RuntimeError):
        lock._release_save()
    assert is_free(lock)


@pytest.mark.parametrize("state", [None, 1, (), (1,), (1, 2, 3), ("a", "b"), (1.5, 2)], ids=repr)
def test_acquire_restore_refuses_what_is_no_state(lock: Any, state: Any) -> None:
    with pytest.raises(TypeError):
        lock._acquire_restore(state)
    assert is_free(lock)


def test_fork_reinit_frees_it_whoever_held_it(module: ModuleType, lock: Any) -> None:
    lock.acquire()
    lock.acquire()
    assert lock._at_fork_reinit() is None
    assert not lock._is_owned()
    assert recursion_count(lock) == 0
    assert is_free(lock)
    other = held_elsewhere(module)
    other._at_fork_reinit()
    assert other.acquire(False)
    assert recursion_count(other) == 1


def test_repr_says_owner_and_count(module: ModuleType) -> None:
    def reprs(module: ModuleType) -> list[str]:
        lock = module.RLock()
        texts = [repr(lock)]
        for _ in range(2):
            lock.acquire()
            texts.append(repr(lock))
        texts.append(elsewhere(repr, lock))
        for _ in range(2):
            lock.release()
            texts.append(repr(lock))
        return [plain(text) for text in texts]

    assert reprs(module) == reprs(threading)


def test_repr_names_the_owning_thread_and_the_address(module: ModuleType, lock: Any) -> None:
    lock.acquire()
    assert f"owner={threading.get_ident()} count=1" in repr(lock)
    assert f"{id(lock):x}" in repr(lock).lower()


def test_repr_names_the_subclass(module: ModuleType) -> None:
    base = make_class(module, "RLock")

    def text(base: type) -> str:
        return plain(repr(type("Special", (base,), {"__module__": "somewhere"})()))

    assert text(base) == text(type(threading.RLock()))


@pytest.mark.parametrize(("args", "keywords"), ACQUIRE_CALLS.values(), ids=ACQUIRE_CALLS)
@pytest.mark.parametrize("levels", [0, 1])
def test_acquire_takes_and_refuses_the_same_arguments(
    module: ModuleType, args: tuple[Any, ...], keywords: dict[str, Any], levels: int
) -> None:
    lock, oracle = module.RLock(), threading.RLock()
    for _ in range(levels):
        lock.acquire()
        oracle.acquire()
    Outcome(lambda: lock.acquire(*args, **keywords)).assert_like(Outcome(lambda: oracle.acquire(*args, **keywords)))
    assert recursion_count(lock) == recursion_count(oracle)


@pytest.mark.parametrize(("args", "keywords"), ACQUIRE_CALLS.values(), ids=ACQUIRE_CALLS)
def test_acquire_of_what_another_thread_holds_takes_and_refuses_the_same_arguments(
    module: ModuleType, args: tuple[Any, ...], keywords: dict[str, Any]
) -> None:
    if will_wait(args, keywords):
        pytest.skip("waits for ever")
    lock, oracle = held_elsewhere(module), held_elsewhere(threading)
    Outcome(lambda: lock.acquire(*args, **keywords)).assert_like(Outcome(lambda: oracle.acquire(*args, **keywords)))
    assert not lock._is_owned()


@pytest.mark.parametrize(
    "call",
    [
        lambda lock: lock.acquire(1, 2, 3),
        lambda lock: lock.acquire(wait=1),
        lambda lock: lock.release(1),
        lambda lock: lock._is_owned(1),
        lambda lock: lock._recursion_count(1),
        lambda lock: lock._release_save(1),
        lambda lock: lock._acquire_restore(),
        lambda lock: lock._at_fork_reinit(1),
    ],
)
def test_a_call_with_wrong_arguments_changes_nothing(lock: Any, call: Any) -> None:
    lock.acquire()
    with pytest.raises(TypeError if HAS_RECURSION_COUNT else (TypeError, AttributeError)):
        call(lock)
    assert recursion_count(lock) == 1


@pytest.mark.parametrize(("args", "keywords"), [((), {}), ((1,), {}), ((), {"a": 1}), ((1, 2), {"a": 1})])
def test_the_constructor_warns_of_arguments_or_refuses_them(
    module: ModuleType, args: tuple[Any, ...], keywords: dict[str, Any]
) -> None:
    def construct(module: ModuleType) -> str:
        return repr(module.RLock(*args, **keywords))

    assert_same_outcome(module, construct, message=False)


@only_ours
def test_rlock_is_a_class(module: ModuleType) -> None:
    assert isinstance(module.RLock, type)
    assert isinstance(module.RLock(), module.RLock)
    assert module.RLock.__name__ == "RLock"
    assert module.RLock.__module__ == "cthreading"


def test_a_blocked_acquire_returns_when_the_owner_has_released_all_levels(lock: Any, crew: Crew) -> None:
    lock.acquire()
    lock.acquire()
    results: list[bool] = []
    crew.start(lambda: (results.append(lock.acquire()), lock.release()))
    lock.release()
    assert results == []
    lock.release()
    crew.join()
    assert results == [True]
    assert is_free(lock)


def test_a_waiter_that_timed_out_takes_no_later_release(lock: Any, crew: Crew) -> None:
    lock.acquire()
    results: list[bool] = []
    crew.start(lambda: results.append(lock.acquire(timeout=0.01)), count=3)
    crew.join()
    assert results == [False] * 3
    lock.release()
    assert is_free(lock)


def test_only_one_thread_at_a_time_is_inside(lock: Any, crew: Crew) -> None:
    inside = [0]
    total = [0]

    def work() -> None:
        for _ in range(200):
            with lock, lock:
                inside[0] += 1
                assert inside[0] == 1
                total[0] += 1
                inside[0] -= 1

    crew.start(work, count=4)
    crew.join()
    assert total == [800]


def test_it_stays_locked_when_its_owner_ends(module: ModuleType) -> None:
    lock = held_elsewhere(module)
    assert not lock.acquire(False)
    assert not lock._is_owned()


def test_one_waiter_after_the_other_owns_it(lock: Any, crew: Crew) -> None:
    lock.acquire()
    owners: list[int] = []

    def own() -> None:
        with lock:
            assert recursion_count(lock) == 1
            owners.append(threading.get_ident())

    crew.start(own, count=5)
    lock.release()
    wait_until(lambda: len(owners) == 5)
    crew.join()
    assert is_free(lock)


def test_the_class_of_a_lock_is_the_interpreters(module: ModuleType) -> None:
    assert module.RLock().__class__ is _thread.RLock
    assert isinstance(module.RLock(), _thread.RLock)


def test_a_lock_of_a_subclass_has_its_class_and_can_be_given_another() -> None:
    class Traced(cthreading.RLock):
        pass

    class Other(cthreading.RLock):
        pass

    lock = Traced()
    assert lock.__class__ is Traced
    lock.__class__ = Other
    assert type(lock) is lock.__class__ is Other
    with pytest.raises(TypeError):
        lock.__class__ = 5
    with pytest.raises(TypeError):
        del lock.__class__


def test_the_implementation_in_python_is_the_standard_librarys() -> None:
    assert cthreading._RLock is cthreading._PyRLock is threading._RLock
    lock = cthreading._PyRLock()
    with lock, lock:
        assert lock._is_owned()
    assert not lock._is_owned()
