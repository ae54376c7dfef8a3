"""What no program should do ends in an error, never in a crash: methods before __init__, attributes that are deleted,
__init__ in the middle of something, chains of objects so long that freeing them one in the other would not end."""

from __future__ import annotations

import threading
from contextlib import suppress
from typing import Any

import pytest
from helpers import PATIENCE, Crew, run_python
from waits import ForeignLock, wait_until_blocked

import cthreading

CHAIN = 300_000
LINKS = {
    "Condition over a Condition": "T.Condition(t) if t else T.Condition()",
    "Barrier with an action": "T.Barrier(1, action=t)",
    "Barrier with a timeout": "T.Barrier(1, timeout=t)",
    "Barrier with the action of another": "T.Barrier(1, action=t and t.wait)",
    "MixedBarrier with an action": "A.MixedBarrier(1, action=t)",
    "MixedBarrier with a timeout": "A.MixedBarrier(1, timeout=t)",
    "Event in an attribute": "hold(T.Event(), t)",
    "Condition in an attribute": "hold(T.Condition(), t)",
    "Semaphore in an attribute": "hold(T.Semaphore(), t)",
    "BoundedSemaphore in an attribute": "hold(T.BoundedSemaphore(), t)",
    "Barrier in an attribute": "hold(T.Barrier(2), t)",
    "MixedBarrier in an attribute": "hold(A.MixedBarrier(2), t)",
    "aio.Barrier in an attribute": "hold(A.Barrier(2), t)",
    "local in an attribute": "hold(T.local(), t)",
    "Semaphore whose value holds another": "T.Semaphore(hold(Number(5), t))",
    "BoundedSemaphore whose value holds another": "T.BoundedSemaphore(hold(Number(5), t))",
    "class derived from Condition": "Derived(t)",
}


@pytest.mark.parametrize("link", LINKS.values(), ids=LINKS)
def test_a_long_chain_is_freed(link: str) -> None:
    run_python(
        f"""
        import cthreading as T, cthreading.aio as A

        class Number(int):
            pass

        class Derived(T.Condition):
            pass

        def hold(thing, other):
            thing.other = other
            return thing

        t = None
        for _ in range({CHAIN if "local" not in link else CHAIN // 10}):
            t = {link}
        del t
        print("freed")
        """,
        seconds=100,
    ).check("freed")


TYPES = [
    "T.Lock",
    "T.RLock",
    "T.Condition",
    "T.Semaphore",
    "T.BoundedSemaphore",
    "T.Event",
    "T.Barrier",
    "T.local",
    "A.Barrier",
    "A.MixedBarrier",
]
BLOCKING = {"wait", "acquire", "acquire_lock", "__enter__", "wait_for"}


@pytest.mark.parametrize("kind", TYPES)
def test_an_object_whose_init_has_not_run_raises_at_most(kind: str) -> None:
    run_python(
        f"""
        import gc, warnings
        import cthreading as T, cthreading.aio as A
        warnings.simplefilter("ignore")

        def attempt(function, *args):
            try:
                result = function(*args)
                if hasattr(result, "close"):
                    result.close()
            except Exception:
                pass

        kind = {kind}
        names = [name for name in dir(kind) if name not in ("__class__", "__new__", "__init_subclass__")]
        for name in names:
            for deleted in (None, *names):
                thing = kind.__new__(kind)
                if deleted is not None:
                    attempt(delattr, thing, deleted)
                attempt(lambda: getattr(thing, name))
                for args in ((0.0001,), (False,), (), (None, 0.0001), (thing,)):
                    if args in ((), (thing,), (None, 0.0001)) and name in {BLOCKING!r}:
                        continue
                    attempt(lambda: getattr(thing, name)(*args))
                attempt(setattr, thing, name, None)
                attempt(repr, thing)
                attempt(gc.get_referents, thing)
        print("done")
        """,
        seconds=100,
    ).check("done")


class ReplacingLock(ForeignLock):
    """Gives the condition another lock, and so is let go of, whenever one of its methods is looked up."""

    condition: Any = None

    def __getattribute__(self, name: str) -> Any:
        condition = object.__getattribute__(self, "condition")
        if condition is not None and not name.startswith("__init"):
            object.__setattr__(self, "condition", None)
            condition.__init__(threading.RLock())
        return object.__getattribute__(self, name)


CALLS = {
    "acquire": lambda condition: condition.acquire(False),
    "release": lambda condition: condition.release(),
    "__enter__": lambda condition: condition.__enter__(),
    "__exit__": lambda condition: condition.__exit__(None, None, None),
    "wait": lambda condition: condition.wait(0.001),
    "notify": lambda condition: condition.notify(),
    "repr": repr,
    "_is_owned": lambda condition: condition._is_owned(),
    "_release_save": lambda condition: condition._release_save(),
    "_acquire_restore": lambda condition: condition._acquire_restore(None),
    "_at_fork_reinit": lambda condition: condition._at_fork_reinit(),
}


@pytest.mark.parametrize("name", CALLS)
def test_a_lock_that_replaces_itself_when_it_is_looked_at_is_not_used_once_it_is_gone(name: str) -> None:
    for locked in (False,) if name == "__enter__" else (False, True):
        condition = cthreading.Condition(ReplacingLock())
        lock = condition._lock
        if locked:
            lock.acquire()
        object.__setattr__(lock, "condition", condition)
        del lock
        with suppress(RuntimeError, AttributeError, TypeError, AssertionError):
            CALLS[name](condition)


@pytest.mark.parametrize("make_lock", [cthreading.Lock, cthreading.RLock])
def test_a_thread_that_enters_a_condition_gets_the_lock_that_it_waits_for(make_lock: Any, crew: Crew) -> None:
    """Also when the condition is given another one meanwhile."""
    lock = make_lock()
    condition = cthreading.Condition(lock)
    del make_lock
    lock.acquire()
    entered = threading.Event()

    def block() -> None:
        condition.__enter__()
        entered.set()

    thread = crew.start(block)
    wait_until_blocked(thread)
    condition.__init__(cthreading.RLock())  # type: ignore[misc]
    release = lock.release
    del lock
    release()
    assert entered.wait(PATIENCE)
    assert condition.acquire(timeout=PATIENCE)


def test_a_wait_for_which_the_lock_is_replaced_by_its_own_method_raises() -> None:
    condition = cthreading.Condition(ReplacingLock())
    lock = condition._lock
    lock.acquire()
    condition._is_owned()
    object.__setattr__(lock, "condition", condition)
    with pytest.raises(RuntimeError):
        condition.wait(0.001)
    assert not condition._waiters
