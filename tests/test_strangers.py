"""Calls that nobody makes on purpose: what the interpreter lets through, what says one thing and is another, what a
class or tool has put in the place of something. Each ends as with the standard library, or in an error."""

from __future__ import annotations

import copy
import functools
import os
import queue
import signal
import sys
import threading
from fractions import Fraction
from types import ModuleType
from typing import Any

import pytest
from helpers import Crew, run_python, wait_until

import cthreading
from cthreading import aio, queue as cqueue

MODULES = {"threading": (threading, queue), "cthreading": (cthreading, cqueue)}
both = pytest.mark.parametrize("modules", MODULES.values(), ids=MODULES)
KINDS = ["Condition", "Semaphore", "BoundedSemaphore", "Event", "Barrier", "Queue", "LifoQueue"]
Modules = tuple[ModuleType, ModuleType]


def kind_of(modules: Modules, name: str) -> Any:
    return getattr(modules[0], name, None) or getattr(modules[1], name)


def make(modules: Modules, name: str) -> Any:
    return kind_of(modules, name)(*([2] if name == "Barrier" else []))


@both
@pytest.mark.parametrize("name", KINDS)
@pytest.mark.parametrize("keyword", [frozenset({1, 2, 3, 4}), 1, None])
def test_keywords_that_are_no_strings(modules: Modules, name: str, keyword: Any) -> None:
    derived = type("Derived", (kind_of(modules, name),), {})
    thing = make(modules, name)
    with pytest.raises(TypeError):
        derived(**{keyword: 1})
    with pytest.raises(TypeError):
        thing.__init__(**{keyword: 1})


@pytest.mark.parametrize("kind", [aio.Barrier, aio.MixedBarrier])
def test_keywords_that_are_no_strings_for_barriers_of_tasks(kind: Any) -> None:
    with pytest.raises(TypeError):
        kind(**{1: 2})  # type: ignore[arg-type]


OF_CONDITIONS = ["enter", "exit", "acquire", "release", "_is_owned", "_at_fork_reinit"]
CHAINS = dict.fromkeys(OF_CONDITIONS, "T.Condition(t) if t else T.Condition()") | {
    "wait_for": "functools.partial(T.Condition().wait_for, t or int)",
    "barrier": "T.Barrier(1, action=t and t.wait)",
    "mixed": "A.MixedBarrier(1, action=t and t.wait)",
}
CALLS = {"enter": "__enter__()", "exit": "__exit__(None, None, None)", "wait_for": "__call__()"} | dict.fromkeys(
    ("barrier", "mixed"), "wait()"
)


@pytest.mark.parametrize("chain", CHAINS)
def test_calls_through_a_long_chain_end(chain: str) -> None:
    """By a RecursionError; from 3.14 on, where it is the stack that is measured, they may come through."""
    done = run_python(
        f"""
        import functools, os, sys
        import cthreading as T, cthreading.aio as A
        t = None
        for _ in range(100_000):
            t = {CHAINS[chain]}
        try:
            t.{CALLS.get(chain, chain + "()")}
            print("done", flush=True)
        except RecursionError:
            print("raised", flush=True)
        except RuntimeError:
            print("done", flush=True)  # the lock at the end is not locked
        os._exit(0)
        """
    )
    done.check()
    assert done.out in (["raised\n", "done\n"] if sys.version_info >= (3, 14) else ["raised\n"])


def test_a_condition_over_itself() -> None:
    run_python(
        """
        import cthreading as T
        condition = T.Condition()
        condition.__init__(condition)
        for call in condition.acquire, condition.__enter__, condition._is_owned, condition.notify:
            try:
                call()
            except RecursionError:
                print("raised")
        """
    ).check("\n".join(4 * ["raised"]))


def test_other_classes_may_have_the_metaclass_of_locks() -> None:
    kind: Any = type(cthreading.Lock)
    other = kind("Other", (), {})
    assert isinstance(other(), other)
    assert not isinstance(5, other)
    assert issubclass(other, other)
    assert not kind.__instancecheck__(int, "x")
    assert kind.__subclasscheck__(int, bool)


@pytest.mark.parametrize("name", KINDS)
@pytest.mark.parametrize("owner", [1, None, int])
def test_what_is_refused_is_refused_to_whoever_asks(name: str, owner: Any) -> None:
    kind = kind_of(MODULES["cthreading"], name)
    refused = [value for value in vars(kind).values() if type(value).__name__ == "_refusal"]
    for descriptor in refused:
        with pytest.raises((AttributeError, TypeError)):
            descriptor.__get__(None, owner)
    assert refused or name != "Barrier"


def test_a_class_whose_new_makes_something_else() -> None:
    run_python(
        """
        import cthreading as T, cthreading.queue as Q
        T.Condition.__new__ = staticmethod(lambda cls, *args: object())
        for use in Q.Queue, lambda: T.Semaphore()._cond, lambda: T.Event()._cond:
            try:
                use()
            except TypeError as error:
                print(error)
        """
    ).check("\n".join(3 * ["Condition() returned an object of type object"]))


class Liar(float):
    """Less than zero, and says that it is not."""

    def __gt__(self, other: object) -> bool:
        return True

    def __le__(self, other: object) -> bool:
        return False


def wait_on(thing: Any, timeout: float) -> None:
    """Once, for something that does not come. A semaphore has computed its deadline then, and gives up."""
    if hasattr(thing, "_is_owned"):
        with thing:
            thing.wait(timeout)
    elif hasattr(thing, "wait"):
        thing.wait(timeout)
    elif not (thing.acquire() and thing.acquire(timeout=timeout)):
        raise ValueError


@both
@pytest.mark.parametrize("name", ["Event", "Condition", "Semaphore"])
def test_a_timeout_that_says_that_it_is_more_than_zero(modules: Modules, name: str) -> None:
    with pytest.raises(ValueError, match=r"positive|non-negative|^$"):
        wait_on(make(modules, name), Liar(-2))


def test_such_a_timeout_of_a_barrier() -> None:
    with pytest.raises((ValueError, threading.BrokenBarrierError)):
        cthreading.Barrier(2).wait(Liar(-2))


class MinusFive:
    def __lt__(self, other: object) -> bool:
        return False

    def __index__(self) -> int:
        return -5


@pytest.mark.parametrize("kind", [cthreading.Semaphore, cthreading.BoundedSemaphore])
def test_a_count_that_says_that_it_is_not_less_than_one(kind: Any) -> None:
    semaphore = kind(3)
    with pytest.raises(ValueError, match="n must be one or more"):
        semaphore.release(MinusFive())
    assert semaphore._value == 3


def test_a_queue_whose_class_has_another_dict() -> None:
    class Other(cqueue.Queue[int]):
        __dict__ = 5  # type: ignore[assignment]

    with pytest.raises(AttributeError):
        copy.copy(Other())
    state: Any = Other().__getstate__()
    assert "maxsize" in state


class Key(str):
    """As a key of a class it runs Python code when something else is looked up."""

    __slots__ = ()
    hash_of = "_qsize"
    action: Any = None

    def __eq__(self, other: object) -> bool:
        action, Key.action = Key.action, None
        if action is not None:
            action()
        return False

    def __hash__(self) -> int:
        return hash(self.hash_of)


def test_a_class_that_is_changed_while_it_is_looked_at() -> None:
    run_python(
        """
        import contextlib, gc
        from test_strangers import Key
        from cthreading import queue

        middle = type("Middle", (queue.Queue,), {Key("x"): 1})
        leaf = type("Leaf", (middle,), {})
        def change():
            with contextlib.suppress(TypeError):  # from 3.14 on
                leaf.__bases__ = (queue.Queue,)
            gc.collect()
            [bytearray(size) for size in range(200, 4000, 8)]
        del middle
        gc.collect()
        q = leaf.__new__(leaf)
        Key.action = change
        q.__init__()
        q.put(1)
        print(q.get())
        """
    ).check("1")


def test_what_event_loops_are_given_to_call_looks_at_its_arguments() -> None:
    given: list[tuple[Any, ...]] = []

    class Loop:
        def call_soon(self, callback: Any, *args: Any, **_: Any) -> None:
            given.append((callback, *args))

        call_soon_threadsafe = call_soon

        def call_later(self, _: float, callback: Any, *args: Any) -> Any:
            given.append((callback, *args))
            return self

        def cancel(self) -> None: ...

        def is_closed(self) -> bool:
            return False

    import asyncio

    loop = Loop()
    asyncio._set_running_loop(loop)  # type: ignore[arg-type]
    try:
        barrier = aio.MixedBarrier(3)
        waits = [barrier.wait_async(timeout=5) for _ in range(2)]
        futures = [wait.send(None) for wait in waits]
        for future in futures:
            future.add_done_callback(print)
        barrier.abort()
    finally:
        asyncio._set_running_loop(None)
    callbacks = {callback for callback, *_ in given}
    assert len(callbacks) >= 2
    for callback in callbacks:
        for args in [(), (1,), (1, 2), ([1],), (barrier,), (barrier, 1), (None, futures[0])]:
            with pytest.raises(TypeError):
                callback(*args)
    for wait in waits:
        wait.close()


@both
@pytest.mark.parametrize("name", KINDS)
def test_class_and_bases_can_be_assigned(modules: Modules, name: str) -> None:
    if modules[0] is cthreading and sys.version_info >= (3, 14) and not hasattr(sys, "gettotalrefcount"):
        pytest.skip(
            "ours have no room for attributes behind them there, those derived from them have: docs/differences.md"
        )
    kind = kind_of(modules, name)

    class Derived(kind):  # type: ignore[valid-type, misc]
        mark = 1

    class Further(Derived):
        pass

    thing = make(modules, name)
    thing.value = 2
    thing.__class__ = Derived
    assert (thing.mark, thing.value) == (1, 2)
    thing.__class__ = kind
    assert type(thing) is kind
    assert thing.value == 2
    Further.__bases__ = (kind,)
    assert not hasattr(Further, "mark")


@both
@pytest.mark.parametrize("timeout", [float("inf"), float("nan"), 1 << 62, Fraction(1, 2)])
def test_join_of_a_thread_that_is_known_to_have_ended(modules: Modules, timeout: Any) -> None:
    def outcome_with(module: ModuleType) -> Any:
        thread = module.Thread(target=int)
        thread.start()
        thread.join()
        try:
            return thread.join(timeout)
        except Exception as error:
            return type(error)

    assert outcome_with(modules[0]) == outcome_with(threading)


class Named(Exception):
    pass


def has(items: list[BaseException], count: int) -> bool:
    return len(items) == count


@pytest.mark.parametrize("size", [1, 2, 3, 7])
def test_exceptions_whose_contexts_go_round(size: int, crew: Crew) -> None:
    """Two handlers raise while a condition takes its lock again: one exception becomes the context of the other."""
    lock = cthreading.Lock()
    condition = cthreading.Condition(lock)
    main = threading.get_ident()
    raised: list[BaseException] = []

    def handler(*_: object) -> None:
        errors = [Named(f"{len(raised)}.{i}") for i in range(size)]
        for i in range(size):
            if size > 1:
                errors[i].__context__ = errors[(i + 1) % size]
        raised.append(errors[0])
        raise errors[0]

    def other() -> None:
        with lock:
            for count in (1, 2):
                signal.pthread_kill(main, signal.SIGUSR1)
                wait_until(functools.partial(has, raised, count))

    before = signal.signal(signal.SIGUSR1, handler)
    try:
        with condition:
            crew.start(other)
            with pytest.raises(Named) as caught:
                condition.wait()
    finally:
        signal.signal(signal.SIGUSR1, before)
    assert caught.value in raised


@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")
@pytest.mark.skipif(not getattr(sys, "_is_gil_enabled", lambda: True)(), reason="the other thread may have had it")
@pytest.mark.filterwarnings("ignore::DeprecationWarning")
@pytest.mark.parametrize("name", ["Semaphore", "BoundedSemaphore", "Lock", "RLock"])
def test_a_permit_handed_to_a_thread_that_is_not_in_the_child_is_there(name: str, crew: Crew) -> None:
    thing = getattr(cthreading, name)()
    thing.acquire()

    def use() -> None:
        with thing:
            pass

    crew.start(use)
    wait_until(lambda: any(wait.object is thing and wait.seconds > 0.005 for wait in cthreading.waiting()))
    sys.setswitchinterval(1)
    try:
        thing.release()
        child = os.fork()
        if child == 0:
            taken = thing.acquire(timeout=5)
            if taken:
                thing.release()
            os._exit(0 if taken and thing.acquire(blocking=False) else 1)
    finally:
        sys.setswitchinterval(0.005)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
