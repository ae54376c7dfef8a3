"""cthreading.queue beside the running standard library's queue: what it is, its attributes, errors and hooks."""

from __future__ import annotations

import collections
import copy
import gc
import heapq
import inspect
import pickle
import queue
import sys
import threading
import types
import weakref
from collections.abc import Callable
from itertools import chain
from types import ModuleType
from typing import Any, ClassVar

import pytest
from helpers import PATIENCE, Crew, run_python, wait_until
from waits import queue_of, wait_until_blocked

import cthreading
import cthreading.queue as ours

KINDS = ["Queue", "LifoQueue", "PriorityQueue", "SimpleQueue"]
GUARDED = KINDS[:3]
ATTRIBUTES = ["maxsize", "queue", "mutex", "not_empty", "not_full", "all_tasks_done", "unfinished_tasks"]
CAN_SHUT_DOWN = sys.version_info >= (3, 13)
if CAN_SHUT_DOWN:
    ATTRIBUTES.append("is_shutdown")

every_kind = pytest.mark.parametrize("kind", KINDS)
every_guarded_kind = pytest.mark.parametrize("kind", GUARDED)
NAN = float("nan")
from_313 = pytest.mark.skipif(not CAN_SHUT_DOWN, reason="queues can be shut down from 3.13 on")


@pytest.fixture
def queues(module: ModuleType) -> ModuleType:
    return queue_of(module)


def outcome(call: Callable[..., Any], *args: Any, **keywords: Any) -> tuple[str, str]:
    """What came of the call, so that it can be compared between the two modules."""
    try:
        return "returned", repr(call(*args, **keywords))
    except Exception as error:
        return type(error).__name__, str(error)


# What they are


@every_guarded_kind
def test_ours_derive_from_the_standard_library(kind: str) -> None:
    mine, theirs = getattr(ours, kind), getattr(queue, kind)
    assert issubclass(mine, theirs)
    assert isinstance(mine(), theirs)
    assert issubclass(mine, ours.Queue)
    assert mine is not theirs

    class Derived(mine):
        pass

    assert isinstance(Derived(), theirs)
    assert type(Derived()) is Derived


def test_a_simple_queue_passes_for_one_of_the_standard_library() -> None:
    assert isinstance(ours.SimpleQueue(), queue.SimpleQueue)
    assert type(ours.SimpleQueue()) is ours.SimpleQueue

    class Derived(ours.SimpleQueue):
        pass

    assert Derived().__class__ is Derived


def test_the_names_are_those_of_the_standard_library(queues: ModuleType) -> None:
    assert queues.__all__ == queue.__all__
    for name in {"Empty", "Full", "ShutDown"} & {*queue.__all__}:
        assert getattr(queues, name) is getattr(queue, name)


@every_kind
def test_signatures_are_those_of_the_standard_library(kind: str) -> None:
    mine, theirs = getattr(ours, kind), getattr(queue, kind)
    for name in dir(theirs):
        if callable(getattr(theirs, name)) and (
            not name.startswith("_") or name in ("_init", "_qsize", "_put", "_get")
        ):
            expected = inspect.signature(getattr(theirs(), name))
            assert str(inspect.signature(getattr(mine(), name))) == str(expected), name
            assert getattr(mine, name).__doc__
    assert str(inspect.signature(mine)) == ("()" if kind == "SimpleQueue" else "(maxsize=0)")


@every_kind
def test_nothing_of_theirs_is_inherited(kind: str) -> None:
    """Their functions do the work only where ours call them."""
    mine, theirs = getattr(ours, kind), getattr(queue, kind)
    for base in theirs.__mro__[:-1]:
        for name, value in vars(base).items():
            if inspect.isfunction(value) or isinstance(value, property):
                assert name in dir(mine)
                assert inspect.getattr_static(mine, name) is not value, name


@every_guarded_kind
def test_methods_are_bound_methods(queues: ModuleType, kind: str) -> None:
    one = getattr(queues, kind)()
    assert inspect.ismethod(one.put)
    assert one.put.__self__ is one
    kept = weakref.WeakMethod(one.get)
    one.put(1)
    assert kept()() == 1
    del one
    gc.collect()
    assert kept() is None


@every_kind
def test_generic(queues: ModuleType, kind: str) -> None:
    cls = getattr(queues, kind)
    assert isinstance(cls[int], types.GenericAlias)
    assert cls[int].__origin__ is cls
    assert cls[int]().empty()


@every_guarded_kind
def test_a_copy_shares_all_that_the_original_has(queues: ModuleType, kind: str) -> None:
    one = getattr(queues, kind)(2)
    one.label = "x"
    one.put(1)
    other = copy.copy(one)
    assert type(other) is type(one)
    for name in ("mutex", "not_empty", "not_full", "all_tasks_done", "queue", "maxsize", "label"):
        assert getattr(other, name) is getattr(one, name)
    other.put(2)
    assert one.qsize() == 2
    assert other.full()
    assert [one.get(), other.get()] == ([2, 1] if kind == "LifoQueue" else [1, 2])
    assert (one.unfinished_tasks, other.unfinished_tasks) == (1, 2)


@every_guarded_kind
def test_vars_are_those_of_the_standard_library(kind: str) -> None:
    mine, theirs = getattr(ours, kind)(3), getattr(queue, kind)(3)
    for one in (mine, theirs):
        one.put(1)
        one.extra = 5
    assert vars(mine).keys() == vars(theirs).keys()
    for name in ("maxsize", "queue", "unfinished_tasks", "extra"):
        assert vars(mine)[name] == vars(theirs)[name]
    mine.get()
    assert list(vars(mine)["queue"]) == []


def test_a_subclass_that_can_be_pickled(queues: ModuleType, module: ModuleType) -> None:
    class Kept(queues.Queue):
        def __getstate__(self) -> dict[str, Any]:
            state = self.__dict__.copy()
            for name in ("mutex", "not_empty", "not_full", "all_tasks_done"):
                del state[name]
            return state

        def __setstate__(self, state: dict[str, Any]) -> None:
            self.__dict__.update(state)
            self.mutex = module.Lock()
            self.not_empty = module.Condition(self.mutex)
            self.not_full = module.Condition(self.mutex)
            self.all_tasks_done = module.Condition(self.mutex)

    one = Kept(2)
    one.put("item")
    other = copy.deepcopy(one)
    assert (other.maxsize, other.qsize(), other.unfinished_tasks) == (2, 1, 1)
    assert other.mutex is not one.mutex
    other.put("more")
    assert [other.get(), other.get(), one.get()] == ["item", "more", "item"]
    with pytest.raises(queue.Empty):
        other.get(timeout=0.001)


@every_kind
def test_cannot_be_copied_deeply_or_pickled(queues: ModuleType, kind: str) -> None:
    one = getattr(queues, kind)()
    for attempt in (copy.deepcopy, pickle.dumps):
        with pytest.raises(TypeError, match="cannot pickle"):
            attempt(one)


@every_kind
def test_attributes_weak_references_and_no_leak_by_cycles(queues: ModuleType, kind: str) -> None:
    class Item:
        def __lt__(self, other: object) -> bool:
            return False

    one, item = getattr(queues, kind)(), Item()
    item.queue = one
    one.put(item)
    one.put(item)
    gone = [weakref.ref(one), weakref.ref(item)]
    if kind != "SimpleQueue":
        one.mine = item
        assert one.mine is item
        assert "mine" in vars(one)
    del one, item
    gc.collect()
    assert [reference() for reference in gone] == [None, None]


def test_a_long_chain_of_queues_is_freed(queues: ModuleType) -> None:
    for kind in KINDS:
        chain = None
        for _ in range(20_000):
            link = getattr(queues, kind)()
            link.put(chain)
            chain = link
        del chain, link


def waits_for_ever(one: Any, name: str, args: tuple[object, ...], keywords: dict[str, object]) -> bool:
    if name == "put":
        # NaN: the standard library asks the clock again and again.
        return hasattr(one, "full") and one.full() and (len(args) in (0, 1) or args[2:] == (NAN,))
    return name == "get" and one.empty() and args in [(), ("yes", 1)] and keywords.get("timeout") != -1


@every_kind
def test_arguments(kind: str) -> None:
    """What does not depend on the clock: results and errors, word for word."""
    bad = object()
    calls = [
        ("put", (1,), {}),
        ("put", (1, False), {}),
        ("put", (), {"item": 2, "block": True, "timeout": None}),
        ("put", (3, True, 0.0), {}),
        ("put", (4, False, "x"), {}),
        ("put", (4, True, -1), {}),
        ("put", (4, True, "x"), {}),
        ("put", (4, True, NAN), {}),
        ("put", (4, [], None), {}),
        ("put_nowait", (5,), {}),
        ("put_nowait", (), {"item": 6}),
        ("get", (1, True), {}),
        ("get", (), {}),
        ("get", (False,), {}),
        ("get", (), {"timeout": 0.05}),
        ("get", (), {"timeout": -1}),
        ("get", (True, -0.5), {}),
        ("get", (False, -0.5), {}),
        ("get", (True, "x"), {}),
        ("get", (True, bad), {}),
        ("get", (0,), {}),
        ("get", ("yes", 1), {}),
        ("get_nowait", (), {}),
        ("get", (), {"timeout": 10**30}),
        ("get", (), {"timeout": float("inf")}),
        ("get_nowait", (), {}),
        ("get_nowait", (), {}),
        ("get", (True, 0), {}),
        ("get", (True, 0.001), {}),
        ("get", (False, None), {}),
        ("qsize", (), {}),
        ("empty", (), {}),
    ]
    for maxsize in [()] if kind == "SimpleQueue" else [(), (0,), (-1,), (2,), (2.5,), (float("inf"),), (True,)]:
        mine, theirs = getattr(ours, kind)(*maxsize), getattr(queue, kind)(*maxsize)
        for name, args, keywords in calls:
            if waits_for_ever(theirs, name, args, keywords):
                continue
            here = outcome(getattr(mine, name), *args, **keywords)
            there = outcome(getattr(theirs, name), *args, **keywords)
            assert here == there, (maxsize, name, args, keywords)


@every_kind
def test_wrong_arguments_are_type_errors(queues: ModuleType, kind: str) -> None:
    one = getattr(queues, kind)()
    for wrong in (
        lambda: one.put(),
        lambda: one.put(1, True, None, 4),
        lambda: one.put(1, item=2),
        lambda: one.get(nothing=1),
        lambda: one.put_nowait(),
        lambda: one.get_nowait(1),
        lambda: one.qsize(1),
        lambda: getattr(queues, kind)(1, 2),
        lambda: getattr(queues, kind)(no=2),
    ):
        with pytest.raises(TypeError):
            wrong()
    assert one.qsize() == 0


# Attributes


@every_guarded_kind
def test_the_lock_and_the_conditions_guard_the_queue(queues: ModuleType, module: ModuleType, kind: str) -> None:
    one = getattr(queues, kind)()
    for condition in (one.not_empty, one.not_full, one.all_tasks_done):
        assert condition._lock is one.mutex
        assert isinstance(condition, module.Condition)
    assert type(one.mutex) is type(module.Lock())
    assert type(one.queue) is (collections.deque if kind == "Queue" else list)
    with Crew() as crew, one.mutex:

        def block() -> None:
            one.put(1)

        thread = crew.start(block)
        wait_until_blocked(thread)
        assert len(one.queue) == 0
        one.queue.extend([5, 6])
        one.queue.clear()
    assert one.get() == 1


def test_who_notifies_the_conditions_wakes_those_who_wait_in_methods(queues: ModuleType, crew: Crew) -> None:
    one = queues.Queue(1)
    got: list[object] = []

    def block() -> None:
        got.append(one.get())

    wait_until_blocked(crew.start(block))
    with one.not_empty:
        one.queue.append("by hand")
        one.not_empty.notify()
    crew.join()
    assert got == ["by hand"]

    def block() -> None:
        one.join()

    one.put(1)
    wait_until_blocked(crew.start(block))
    with one.all_tasks_done:
        one.unfinished_tasks = 0
        one.all_tasks_done.notify_all()
    crew.join()

    def block() -> None:
        one.put(2)

    wait_until_blocked(crew.start(block))
    with one.mutex:
        one.queue.clear()
        one.not_full.notify()
    crew.join()
    assert one.get() == 2


def test_methods_notify_who_waits_on_the_conditions(queues: ModuleType, crew: Crew) -> None:
    one = queues.Queue(1)

    def wait_on(condition: Any) -> None:
        def block() -> None:
            with condition:
                assert condition.wait(PATIENCE)

        wait_until_blocked(crew.start(block))

    wait_on(one.not_empty)
    one.put(1)
    crew.join()
    wait_on(one.not_full)
    one.get()
    crew.join()
    wait_on(one.all_tasks_done)
    one.task_done()
    crew.join()


def test_maxsize_can_be_set_later(queues: ModuleType) -> None:
    one = queues.Queue()
    one.put(1)
    one.maxsize = 1
    assert one.full()
    with pytest.raises(queue.Full):
        one.put_nowait(2)
    for odd in (2.5, True + True, float("inf")):
        one.maxsize = odd
        assert one.maxsize is odd
        one.put_nowait(2)
        assert not one.full() or odd == 2
        one.get()
    one.maxsize = 0
    assert not one.full()


class Number:
    """A number of somebody else's."""

    def __init__(self, value: int) -> None:
        self.value = value

    def __gt__(self, other: Any) -> bool:
        return self.value > other

    def __le__(self, other: Any) -> bool:
        return self.value <= other

    def __add__(self, other: int) -> Number:
        return Number(self.value + other)

    def __sub__(self, other: int) -> Any:
        return self.value - other

    def __bool__(self) -> bool:
        return bool(self.value)


def test_values_that_are_none_of_ours(queues: ModuleType) -> None:
    one = queues.Queue(Number(1))
    one.put(1)
    assert one.full()
    with pytest.raises(queue.Full):
        one.put(2, timeout=0.001)
    one.maxsize = 2
    one.unfinished_tasks = Number(3)
    one.put(2)
    assert one.unfinished_tasks.value == 4
    one.task_done()
    assert one.unfinished_tasks == 3
    assert [one.get(), one.get()] == [1, 2]


def test_another_lock_in_the_place_of_the_mutex(queues: ModuleType, crew: Crew) -> None:
    one = queues.Queue(1)
    one.mutex = threading.RLock()
    for name in ("not_empty", "not_full", "all_tasks_done"):
        setattr(one, name, threading.Condition(one.mutex))
    got: list[object] = []
    with one.mutex:
        one.put(1)
        assert one.qsize() == 1

    def block() -> None:
        one.put(2)

    wait_until_blocked(crew.start(block))
    got += [one.get(), one.get()]
    crew.join()
    assert got == [1, 2]


@pytest.mark.parametrize("name", ATTRIBUTES)
def test_deleted_attributes(name: str) -> None:
    def errors(queues: ModuleType) -> list[str]:
        one = queues.Queue(2)
        one.put(1)
        kept = getattr(one, name)
        delattr(one, name)
        assert not hasattr(one, name)
        with pytest.raises(AttributeError):
            delattr(one, name)
        found = []
        for call in (one.put_nowait, one.get_nowait, one.task_done, one.qsize, one.full):
            kind, _ = outcome(call, *([1] if call == one.put_nowait else []))
            found.append(kind)
        setattr(one, name, kept)
        assert getattr(one, name) == kept
        return found

    assert errors(ours) == errors(queue)


@every_guarded_kind
def test_a_queue_that_has_not_been_initialized(kind: str) -> None:
    def errors(queues: ModuleType) -> list[str]:
        class Forgetful(getattr(queues, kind)):
            def __init__(self) -> None:
                pass

        one = Forgetful()
        calls: list[Callable[[], object]] = [one.get, one.qsize, one.empty, one.full, one.task_done, one.join]
        calls += [one.get_nowait, lambda: one.put(1), lambda: one.put_nowait(1), lambda: one.queue]
        return [outcome(call)[0] for call in calls]

    assert errors(ours) == errors(queue) == ["AttributeError"] * 10


def test_initialized_once_more(queues: ModuleType) -> None:
    one = queues.Queue()
    one.put(1)
    one.__init__(2)
    assert (one.maxsize, one.qsize(), one.unfinished_tasks) == (2, 0, 0)
    one.put(1)
    one.put(2)
    with pytest.raises(queue.Full):
        one.put_nowait(3)
    assert one.get() == 1


@pytest.mark.parametrize("make", [list, collections.deque, lambda: collections.deque(maxlen=2), collections.UserList])
def test_another_container(make: Callable[[], Any]) -> None:
    def results(queues: ModuleType, kind: str) -> list[object]:
        one = getattr(queues, kind)(3)
        one.put(0)
        one.queue = container = make()
        assert one.queue is container
        found: list[object] = []
        for number in (3, 1, 2, 4):
            found.append(outcome(one.put, number, False))
        found += [one.qsize(), one.full(), list(container)]
        found += [outcome(one.get, False) for _ in range(4)]
        return found

    for kind in GUARDED:
        assert results(ours, kind) == results(queue, kind), kind


# Hooks


@every_guarded_kind
@pytest.mark.parametrize("place", ["class", "later", "object"])
def test_hooks_are_called_as_the_standard_library_calls_them(kind: str, place: str) -> None:
    def calls(queues: ModuleType) -> list[object]:
        log: list[object] = []
        base = getattr(queues, kind)

        def init(self: Any, maxsize: int) -> None:
            log.append(("_init", maxsize, hasattr(self, "mutex")))
            base._init(self, maxsize)

        def qsize(self: Any) -> int:
            log.append(("_qsize", self.mutex.locked()))
            return base._qsize(self)

        def put(self: Any, item: object) -> None:
            log.append(("_put", item, self.mutex.locked()))
            base._put(self, item)

        def get(self: Any) -> object:
            log.append(("_get", self.mutex.locked()))
            return base._get(self)

        hooks = {"_init": init, "_qsize": qsize, "_put": put, "_get": get}
        derived = type("Derived", (base,), hooks if place == "class" else {})
        one = derived(2)
        one.put(0)
        one.get()
        for name, hook in hooks.items():
            if place == "later":
                setattr(derived, name, hook)
            elif place == "object":
                setattr(one, name, types.MethodType(hook, one))
        log.append("---")
        for item in (1, 3, 2):
            log.append(outcome(one.put, item, False))
        log += [one.qsize(), one.empty(), one.full()]
        log += [outcome(one.get, False) for _ in range(3)]
        if place == "object":
            for name in hooks:
                delattr(one, name)
            log.append("---")
            one.put(1)
            one.get()
        return log

    assert calls(ours) == calls(queue)


@every_guarded_kind
def test_hooks_without_what_they_need(kind: str) -> None:
    """Arguments that are missing or wrong, and a container that is."""

    def errors(queues: ModuleType) -> list[str]:
        one = getattr(queues, kind)()
        calls: list[Callable[[], object]] = [one._init, one._put, lambda: one._get(1), lambda: one._put(1, thing=2)]
        found = [outcome(call)[0] for call in calls]
        del one.queue
        calls = [one._get, lambda: one._put(1), one._qsize, lambda: one._init(1), lambda: one._put(1), one._get]
        return found + [outcome(call)[0] for call in calls]

    assert errors(ours) == errors(queue)
    assert errors(ours)[:7] == ["TypeError"] * 4 + ["AttributeError"] * 3


@every_guarded_kind
def test_hooks_take_any_container(kind: str) -> None:
    def results(queues: ModuleType, make: Callable[[], Any]) -> list[object]:
        one = getattr(queues, kind)()
        one.queue = container = make()
        found = [outcome(one._put, number) for number in (3, 1, 2)]
        return [*found, list(container), outcome(one._get), outcome(one._qsize), list(container)]

    class Derived(list):
        pass

    for make in (list, Derived, collections.deque, collections.UserList, set):
        assert results(ours, make) == results(queue, make), make


@pytest.mark.parametrize("hook", ["_qsize", "_put", "_get"])
def test_a_hook_that_raises_leaves_the_queue_usable(queues: ModuleType, hook: str) -> None:
    class Failing(queues.Queue):
        fail = False

    def check(self: Any, *args: object) -> object:
        if self.fail:
            raise LookupError(hook)
        return getattr(queues.Queue, hook)(self, *args)

    setattr(Failing, hook, check)
    one = Failing(2)
    one.put(1)
    one.fail = True
    with pytest.raises(LookupError):
        one.put(2) if hook != "_get" else one.get()
    one.fail = False
    assert (one.qsize(), one.unfinished_tasks, one.mutex.locked()) == (1, 1, False)
    assert one.get() == 1


def test_put_and_get_that_are_overridden_are_called_by_the_others(queues: ModuleType) -> None:
    class Doubling(queues.Queue):
        def put(self, item: int, block: bool = True, timeout: float | None = None) -> None:
            super().put(2 * item, block, timeout)

        def get(self, block: bool = True, timeout: float | None = None) -> object:
            return super().get(block, timeout), block

    one = Doubling()
    one.put_nowait(4)
    assert one.get_nowait() == (8, False)
    plain = queues.Queue()
    plain.put = lambda item, block: log.append((item, block))
    plain.get = lambda block: block
    log: list[object] = []
    plain.put_nowait(1)
    assert log == [(1, False)]
    assert plain.get_nowait() is False


def test_attributes_of_a_class_count(queues: ModuleType) -> None:
    class Odd(queues.Queue):
        @property
        def maxsize(self) -> int:
            return 1

        @maxsize.setter
        def maxsize(self, value: int) -> None:
            pass

    one = Odd(5)
    one.put(1)
    with pytest.raises(queue.Full):
        one.put_nowait(2)

    class Watched(queues.Queue):
        seen: ClassVar[set[str]] = set()

        def __getattribute__(self, name: str) -> Any:
            Watched.seen.add(name)
            return super().__getattribute__(name)

    watched = Watched()
    watched.put(1)
    assert {"not_full", "_put", "unfinished_tasks"} <= Watched.seen


def test_a_set_as_a_queue(queues: ModuleType) -> None:
    """As the documentation of many projects has it: no item twice."""

    class SetQueue(queues.Queue):
        def _init(self, maxsize: int) -> None:
            self.queue = set()

        def _put(self, item: object) -> None:
            self.queue.add(item)

        def _get(self) -> object:
            return self.queue.pop()

    one = SetQueue()
    for _ in range(3):
        one.put("once")
    assert (one.qsize(), one.get(), one.empty(), one.unfinished_tasks) == (1, "once", True, 3)


def test_mixins_and_super(queues: ModuleType) -> None:
    class Counting:
        count = 0

        def _put(self, item: object) -> None:
            self.count += 1
            super()._put(item)

    class CountingQueue(Counting, queues.LifoQueue):
        def __init__(self, *args: int, label: str) -> None:
            super().__init__(*args)
            self.label = label

    one = CountingQueue(3, label="x")
    one.put(1)
    one.put(2)
    assert (one.count, one.label, one.maxsize, one.get(), one.get()) == (2, "x", 3, 2, 1)


# Priorities


class Incomparable(Exception):
    pass


class Priority:
    """Raises when it is compared while `angry`."""

    angry = False

    def __init__(self, value: int) -> None:
        self.value = value

    def __lt__(self, other: Priority) -> bool:
        if Priority.angry:
            raise Incomparable
        return self.value < other.value


def test_a_comparison_that_raises_loses_nothing() -> None:
    one = ours.PriorityQueue()
    values = [5, 1, 4, 2, 3]
    for value in values:
        one.put(Priority(value))
    try:
        Priority.angry = True
        for _ in range(3):
            with pytest.raises(Incomparable):
                one.get()
            assert sorted(item.value for item in one.queue) == sorted(values)
            assert one.unfinished_tasks == len(values)
            assert not one.mutex.locked()
        with pytest.raises(Incomparable):
            one.put(Priority(0))
    finally:
        Priority.angry = False
    heapq.heapify(one.queue)
    assert [one.get().value for _ in range(one.qsize())] == [0, 1, 2, 3, 4, 5]


def test_items_that_cannot_be_compared(queues: ModuleType) -> None:
    one = queues.PriorityQueue()
    one.put((1, {1: 1}))
    with pytest.raises(TypeError):
        one.put((1, {2: 2}))
    assert (one.unfinished_tasks, one.mutex.locked()) == (1, False)
    assert one.qsize() == 2  # as heapq has it


def test_a_comparison_can_let_others_run(queues: ModuleType, crew: Crew) -> None:
    """The mutex is held meanwhile: another thread that puts waits."""
    one = queues.PriorityQueue()
    comparing, go_on = threading.Event(), threading.Event()

    class Slow(int):
        def __lt__(self, other: object) -> bool:
            comparing.set()
            assert go_on.wait(PATIENCE)
            return int(self) < int(other)

    one.put(Slow(2))
    crew.start(one.put, Slow(1))
    assert comparing.wait(PATIENCE)

    def block() -> None:
        one.put(Slow(0))

    thread = crew.start(block)
    wait_until_blocked(thread)
    assert one.mutex.locked()
    go_on.set()
    crew.join()
    assert [one.get(), one.get(), one.get()] == [0, 1, 2]


def test_a_comparison_that_releases_the_mutex_is_found_out(queues: ModuleType) -> None:
    """What it guarded has been done by then."""
    one = queues.PriorityQueue()
    releases = [False]

    class Meddling(int):
        def __lt__(self, other: object) -> bool:
            if releases[0] and one.mutex.locked():
                one.mutex.release()
            return int(self) < int(other)

    for number in (5, 3, 4):
        one.put(Meddling(number))
    releases[0] = True
    with pytest.raises(RuntimeError):
        one.put(Meddling(2))
    assert (sorted(one.queue), one.unfinished_tasks, one.mutex.locked()) == ([2, 3, 4, 5], 4, False)
    with pytest.raises(RuntimeError):
        one.get()
    releases[0] = False
    assert not one.mutex.locked()
    assert [one.get(), one.get(), one.get()] == [3, 4, 5]


def test_a_comparison_that_replaces_everything(queues: ModuleType) -> None:
    one = queues.PriorityQueue()

    class Hostile(int):
        def __lt__(self, other: object) -> bool:
            one.queue = []
            one.maxsize = 7
            gc.collect()
            return int(self) < int(other)

    one.put(Hostile(2))
    one.put(Hostile(1))
    assert one.queue == []
    assert one.maxsize == 7
    one.put(3)
    assert one.get() == 3


# Shutting down


@from_313
@every_guarded_kind
@pytest.mark.parametrize("immediate", [False, True])
def test_shutdown_wakes_everybody(queues: ModuleType, kind: str, immediate: bool, crew: Crew) -> None:
    full, empty = getattr(queues, kind)(1), getattr(queues, kind)(1)
    full.put(1)
    ends: list[str] = []

    def block(call: Callable[..., object], *args: object) -> None:
        ends.append(outcome(call, *args)[0])

    for call in ((full.put, 2), (full.put, 3, True, 600), (empty.get,), (empty.get, True, 600)):
        wait_until_blocked(crew.start(block, *call))
    full.shutdown(immediate)
    empty.shutdown(immediate=immediate)
    crew.join()
    assert ends == ["ShutDown"] * 4
    assert (full.qsize(), full.unfinished_tasks) == ((0, 0) if immediate else (1, 1))
    assert full.is_shutdown is True
    with pytest.raises(queue.ShutDown):
        full.put_nowait(1)
    if not immediate:
        assert full.get() == 1
    with pytest.raises(queue.ShutDown):
        full.get_nowait()


@from_313
@every_kind
def test_wrong_arguments_of_shutdown(kind: str) -> None:
    def errors(queues: ModuleType) -> list[object]:
        one = getattr(queues, kind)()
        if not hasattr(one, "shutdown"):
            return []
        one.put(1)
        found = [outcome(one.shutdown, True, 2)[0], outcome(one.shutdown, at_once=True)[0], one.qsize()]
        return [*found, outcome(one.put, 2)]

    assert errors(ours) == errors(queue)


@from_313
def test_what_is_thrown_away_by_shutdown_may_use_the_queue() -> None:
    one = ours.Queue()

    class Item:
        def __del__(self) -> None:
            seen.append(one.qsize())

    seen: list[int] = []
    for _ in range(3):
        one.put(Item())
    one.shutdown(immediate=True)
    gc.collect()
    assert seen == [0, 0, 0]


@from_313
def test_shutdown_ends_join(queues: ModuleType, crew: Crew) -> None:
    one = queues.Queue()
    one.put(1)

    def block() -> None:
        one.join()

    wait_until_blocked(crew.start(block))
    one.shutdown(immediate=True)
    crew.join()


# SimpleQueue, from anywhere


def test_put_from_a_finalizer_and_a_weakref_callback_in_the_midst_of_it(queues: ModuleType) -> None:
    one = queues.SimpleQueue()

    class Loop:
        def __init__(self) -> None:
            self.me = self

        def __del__(self) -> None:
            one.put("finalizer")

    before = gc.get_threshold()
    gc.set_threshold(5)
    try:
        kept = []
        for number in range(2000):
            loop = Loop()
            kept.append(weakref.ref(loop, lambda _: one.put("callback")))
            del loop
            one.put(number)
    finally:
        gc.set_threshold(*before)
    gc.collect()
    items = [one.get_nowait() for _ in range(one.qsize())]
    assert [item for item in items if isinstance(item, int)] == list(range(2000))
    assert items.count("finalizer") == 2000


def test_a_simple_queue_can_be_derived_from(queues: ModuleType) -> None:
    class Named(queues.SimpleQueue):
        def __init__(self, name: str, *, size: int = 0) -> None:
            super().__init__()
            self.name = name

        def put(self, item: object, block: bool = True, timeout: float | None = None) -> None:
            super().put((self.name, item))

    one = Named("x", size=3)
    one.put(1)
    one.put_nowait(2)
    assert [one.get(), one.get()] == [("x", 1), 2]
    one.put(one)


def test_many_items_in_a_simple_queue_keep_their_order(queues: ModuleType) -> None:
    one = queues.SimpleQueue()
    expected = 0
    for burst in (1, 30, 31, 32, 62, 63, 1000, 5):
        for number in range(burst):
            one.put((burst, number))
        for number in range(burst - burst // 3):
            assert one.get() == (burst, number)
        expected = one.qsize()
        assert expected == burst // 3
        for number in range(burst - burst // 3, burst):
            assert one.get() == (burst, number)
        assert one.empty()


def test_the_memory_of_a_simple_queue_is_given_back() -> None:
    one = ours.SimpleQueue()
    small = sys.getsizeof(one)
    for number in range(10_000):
        one.put(number)
    assert sys.getsizeof(one) > 80_000
    for _ in range(10_000):
        one.get()
    assert sys.getsizeof(one) < small + 1000


# Threads


@every_kind
def test_producers_and_consumers_lose_and_double_nothing(queues: ModuleType, kind: str, crew: Crew) -> None:
    one = getattr(queues, kind)(*([] if kind == "SimpleQueue" else [7]))
    each, workers = 1500, 4
    got: list[list[int]] = [[] for _ in range(workers)]

    def produce(first: int) -> None:
        for number in range(first, first + each):
            one.put(number)

    def consume(mine: list[int]) -> None:
        for _ in range(each):
            mine.append(one.get())
            if kind != "SimpleQueue":
                one.task_done()

    for worker in range(workers):
        crew.start(consume, got[worker])
        crew.start(produce, worker * each)
    crew.join()
    assert sorted(chain.from_iterable(got)) == list(range(each * workers))
    assert one.empty()
    if kind != "SimpleQueue":
        assert one.unfinished_tasks == 0
        one.join()
    if kind in ("Queue", "SimpleQueue"):
        for mine in got:
            for producer in range(workers):
                of_one = [number for number in mine if number // each == producer]
                assert of_one == sorted(of_one)


@every_guarded_kind
def test_join_returns_when_all_is_done(queues: ModuleType, kind: str, crew: Crew) -> None:
    one = getattr(queues, kind)()
    joined = []

    def block() -> None:
        one.join()
        joined.append(1)

    one.put(1)
    one.put(2)
    for _ in range(3):
        wait_until_blocked(crew.start(block))
    one.get()
    one.task_done()
    assert not joined
    one.get()
    assert not joined
    one.task_done()
    crew.join()
    assert len(joined) == 3
    with pytest.raises(ValueError, match=r"^task_done\(\) called too many times$"):
        one.task_done()
    assert one.unfinished_tasks == 0


def test_getters_are_served_in_the_order_in_which_they_came(queues: ModuleType, crew: Crew) -> None:
    one = queues.Queue()
    got: list[int] = []

    def block(number: int) -> None:
        item = one.get()
        got.append(number)
        assert item is not None

    for number in range(4):
        wait_until_blocked(crew.start(block, number))
    for number in range(4):
        one.put(number)
        wait_until(lambda number=number: len(got) == number + 1)
    assert got == [0, 1, 2, 3]


# Elsewhere


def test_nothing_is_imported_until_it_is_needed() -> None:
    run_python("import cthreading, sys; assert 'cthreading.queue' not in sys.modules").check()


def test_reload() -> None:
    run_python(
        """
        import importlib
        import cthreading.queue as queue
        kind = queue.Queue
        assert importlib.reload(queue).Queue is kind
        """
    ).check()


def test_the_module_can_be_taken_down_with_queues_left() -> None:
    run_python(
        """
        import cthreading.queue as queue, sys
        kept = [kind() for kind in (queue.Queue, queue.PriorityQueue, queue.SimpleQueue)]
        for one in kept:
            one.put(one)

        class Late:
            def __del__(self):
                for one in kept:
                    try:
                        one.put(1)
                        one.get_nowait()
                    except (SystemError, AttributeError):
                        pass

        sys.late = Late()
        """
    ).check()


def test_kinds_of_the_mutex() -> None:
    assert type(ours.Queue().mutex) is cthreading.Lock
    assert type(ours.Queue().not_empty) is cthreading.Condition
