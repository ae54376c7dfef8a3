"""What instances and classes of the primitives allow: attributes, patches, subclasses, weak references, copies."""

from __future__ import annotations

import copy
import gc
import pickle
import threading
import warnings
import weakref
from collections.abc import Callable
from types import ModuleType
from typing import Any
from unittest import mock

import pytest
from behaviour import (
    PRIMITIVES,
    WITH_INSTANCE_DICT,
    Outcome,
    assert_same_outcome,
    make,
    make_class,
    only_ours,
    plain,
    until_asleep,
)
from helpers import Crew

SUBCLASSABLE = [name for name in PRIMITIVES if name != "Lock"]
each_primitive = pytest.mark.parametrize("primitive", PRIMITIVES)
each_subclassable = pytest.mark.parametrize("primitive", SUBCLASSABLE)
each_with_dict = pytest.mark.parametrize("primitive", WITH_INSTANCE_DICT)


def use(it: Any) -> list[Any]:
    """Goes through what an object of any kind can do; returns the results."""
    seen: list[Any] = []
    for name, args in [
        ("acquire", ()),
        ("acquire", (False,)),
        ("_is_owned", ()),
        ("notify", ()),
        ("notify_all", ()),
        ("locked", ()),
        ("release", ()),
        ("is_set", ()),
        ("set", ()),
        ("wait", (0,)),
        ("clear", ()),
        ("reset", ()),
        ("abort", ()),
    ]:
        method = getattr(it, name, None)
        if method is not None and not (name == "locked" and not hasattr(threading.RLock(), "locked")):
            outcome = Outcome(method, *args)
            seen.append((name, outcome.comparable, outcome.text))
    return [*seen, plain(repr(it)).split(" object at")[0].split("(<")[0]]


# Instances


@each_primitive
def test_weak_references_die_with_the_object(module: ModuleType, primitive: str) -> None:
    it = make(module, primitive)
    called: list[Any] = []
    reference = weakref.ref(it, called.append)
    assert reference() is it
    assert weakref.getweakrefcount(it) == 1
    del it
    gc.collect()
    assert reference() is None
    assert called == [reference]


@each_primitive
def test_objects_are_equal_to_themselves_only_and_hashable(module: ModuleType, primitive: str) -> None:
    first, second = make(module, primitive), make(module, primitive)
    assert first == first
    assert first != second
    assert len({first, second, first}) == 2
    assert hash(first) == hash(first)
    with pytest.raises(TypeError):
        first < second  # noqa: B015
    assert bool(first) is True


@each_primitive
def test_objects_cannot_be_pickled_nor_copied_deeply(module: ModuleType, primitive: str) -> None:
    it = make(module, primitive)
    for call in (copy.deepcopy, pickle.dumps):
        with pytest.raises(TypeError, match="cannot pickle"):
            call(it)
    for protocol in range(pickle.HIGHEST_PROTOCOL + 1):
        with pytest.raises((TypeError, pickle.PicklingError)):
            pickle.dumps(it, protocol)


@pytest.mark.parametrize("primitive", ["Lock", "RLock"])
def test_locks_cannot_be_copied(module: ModuleType, primitive: str) -> None:
    assert_same_outcome(module, lambda module: copy.copy(make(module, primitive)))


@each_with_dict
def test_attributes_can_be_set_on_instances(module: ModuleType, primitive: str) -> None:
    it = make(module, primitive)
    it.note = "mine"
    assert it.note == "mine"
    assert vars(it)["note"] == "mine"
    assert "note" in dir(it)
    it.__dict__["other"] = 3
    assert it.other == 3
    del it.note
    assert not hasattr(it, "note")
    with pytest.raises(AttributeError):
        del it.note


@pytest.mark.parametrize("primitive", ["Lock", "RLock"])
def test_locks_have_no_attributes_of_their_own(module: ModuleType, primitive: str) -> None:
    it = make(module, primitive)
    with pytest.raises(AttributeError):
        it.note = "mine"
    assert not hasattr(it, "__dict__")


@each_with_dict
def test_a_cycle_through_an_attribute_is_collected(module: ModuleType, primitive: str) -> None:
    it = make(module, primitive)
    it.self = it
    reference = weakref.ref(it)
    del it
    gc.collect()
    assert reference() is None


@each_with_dict
def test_methods_can_be_replaced_on_an_instance(module: ModuleType, primitive: str) -> None:
    it = make(module, primitive)
    for name in [name for name in dir(it) if not name.startswith("_") and callable(getattr(it, name))]:
        original = getattr(it, name)
        setattr(it, name, lambda *args, name=name: ("replaced", name, args))
        assert getattr(it, name)(1) == ("replaced", name, (1,))
        setattr(it, name, original)
    assert use(it) == use(make(threading, primitive))


def test_an_event_that_is_set_when_one_of_others_is(module: ModuleType, crew: Crew) -> None:
    """A known recipe: methods wrapped on the instances."""
    events = [module.Event(), module.Event()]
    either = module.Event()

    def changed() -> None:
        (either.set if any(event.is_set() for event in events) else either.clear)()

    def then_changed(original: Any) -> Any:
        def wrapper() -> None:
            original()
            changed()

        return wrapper

    for event in events:
        for name in ("set", "clear"):
            setattr(event, name, then_changed(getattr(event, name)))
    results: list[bool] = []
    crew.start(lambda: results.append(either.wait(30)))
    until_asleep(crew.threads)
    events[1].set()
    crew.join()
    assert results == [True]
    events[0].set()
    events[1].clear()
    assert either.is_set()
    events[0].clear()
    assert not either.is_set()


@pytest.mark.parametrize("primitive", ["Semaphore", "BoundedSemaphore"])
def test_with_calls_the_release_that_was_set_on_the_instance(module: ModuleType, primitive: str) -> None:
    def log(module: ModuleType) -> list[str]:
        calls: list[str] = []
        semaphore = make(module, primitive)
        acquire, release = semaphore.acquire, semaphore.release
        semaphore.acquire = lambda: (calls.append("acquire"), acquire())
        semaphore.release = lambda: (calls.append("release"), release())
        with semaphore:
            calls.append("body")
        return calls

    assert_same_outcome(module, log)


def test_methods_call_each_other_through_the_instance(module: ModuleType) -> None:
    def log(module: ModuleType) -> list[Any]:
        calls: list[Any] = []
        condition, event = module.Condition(), module.Event()
        condition.notify = lambda *args: calls.append(("notify", args))
        condition.notify_all_before = condition.notify_all
        condition.wait = lambda *args: calls.append(("wait", len(args)))
        event.is_set = lambda: "patched"
        with condition:
            condition.notify_all()
            condition.notifyAll()
            condition.wait_for(lambda: len(calls) > 4)
        return [*calls, event.isSet()]

    assert_same_outcome(module, log)


# Classes


@each_with_dict
def test_methods_can_be_patched_on_the_class(module: ModuleType, primitive: str) -> None:
    cls = make_class(module, primitive)
    it = make(module, primitive)
    names = [name for name in vars(cls) if not name.startswith("_") and callable(vars(cls)[name])]
    assert names
    for name in names:
        with mock.patch.object(cls, name, lambda self, *args: (self, args)):
            assert getattr(it, name)(1) == (it, (1,))
            assert getattr(make(module, primitive), name)() != ()
    assert use(it) == use(make(threading, primitive))


@each_with_dict
def test_a_patch_of_the_class_may_call_the_original(module: ModuleType, primitive: str) -> None:
    cls = make_class(module, primitive)
    name = {"Event": "set", "Barrier": "wait", "Condition": "notify"}.get(primitive, "acquire")
    original = getattr(cls, name)
    calls: list[Any] = []

    def wrapper(self: Any, *args: Any) -> Any:
        calls.append(self)
        return original(self, *args)

    with mock.patch.object(cls, name, wrapper):
        it = cls(1) if primitive == "Barrier" else cls()
        if primitive == "Condition":
            with it:
                it.notify()
        else:
            getattr(it, name)()
    assert calls == [it]


@each_with_dict
def test_init_can_be_patched(module: ModuleType, primitive: str) -> None:
    cls = make_class(module, primitive)
    original = cls.__init__

    def init(self: Any, *args: Any, **keywords: Any) -> None:
        original(self, *args, **keywords)
        self.traced = True

    with mock.patch.object(cls, "__init__", init):
        assert make(module, primitive).traced
    assert not hasattr(make(module, primitive), "traced")
    assert use(make(module, primitive)) == use(make(threading, primitive))


@each_with_dict
def test_attributes_can_be_set_on_the_class(module: ModuleType, primitive: str) -> None:
    cls = make_class(module, primitive)
    it = make(module, primitive)
    cls.new_attribute = 5
    try:
        assert it.new_attribute == 5
    finally:
        del cls.new_attribute
    assert not hasattr(it, "new_attribute")


@each_subclassable
def test_subclasses_do_the_same(module: ModuleType, primitive: str) -> None:
    def run(module: ModuleType) -> list[Any]:
        cls = type("Special", (make_class(module, primitive),), {"__module__": "somewhere", "__qualname__": "Special"})
        return use(cls(*[1] * (primitive == "Barrier")))

    assert run(module) == run(threading)


def test_lock_can_be_subclassed_where_the_standard_librarys_can(module: ModuleType) -> None:
    assert_same_outcome(
        module, lambda module: type("Special", (make_class(module, "Lock"),), {}).__name__, message=False
    )


@each_subclassable
def test_instances_of_subclasses_have_attributes_and_weak_references(module: ModuleType, primitive: str) -> None:
    cls = type("Special", (make_class(module, primitive),), {})
    it = cls(*[1] * (primitive == "Barrier"))
    it.self = it
    reference = weakref.ref(it)
    del it
    gc.collect()
    assert reference() is None


@each_subclassable
def test_a_subclass_may_have_slots(module: ModuleType, primitive: str) -> None:
    cls = type("Special", (make_class(module, primitive),), {"__slots__": ("note",)})
    it = cls(*[1] * (primitive == "Barrier"))
    it.note = "mine"
    assert it.note == "mine"
    assert use(it)[:-1] == use(make_class(threading, primitive)(*[1] * (primitive == "Barrier")))[:-1]


@each_subclassable
def test_a_subclass_may_take_other_arguments(module: ModuleType, primitive: str) -> None:
    base = make_class(module, primitive)

    class Special(base):  # type: ignore[misc, valid-type]
        def __init__(self, name: str, *, size: int = 0) -> None:
            super().__init__(*[2] * (primitive == "Barrier"))
            self.name = name
            self.size = size

    for it in (Special("first", size=3), Special(name="first", size=3)):
        assert (it.name, it.size) == ("first", 3)
        assert use(it)[:-1] == use(make(threading, primitive))[:-1]


@each_subclassable
def test_a_subclass_may_override_new(module: ModuleType, primitive: str) -> None:
    base = make_class(module, primitive)

    class Special(base):  # type: ignore[misc, valid-type]
        def __new__(cls, *args: Any) -> Any:
            it = super().__new__(cls)
            it.note = "from new"
            return it

    it = Special(*[2] * (primitive == "Barrier"))
    assert it.note == "from new"
    assert use(it)[:-1] == use(make(threading, primitive))[:-1]


@each_subclassable
@pytest.mark.parametrize("first", [False, True], ids=["mixin last", "mixin first"])
def test_a_subclass_may_have_other_bases(module: ModuleType, primitive: str, first: bool) -> None:
    class Mixin:
        mixed = "in"

        def __init__(self, *args: Any, **keywords: Any) -> None:
            self.initialised = True
            super().__init__(*args, **keywords)

        def helper(self) -> str:
            return self.mixed

    def construct(module: ModuleType) -> Any:
        base = make_class(module, primitive)
        cls = type("Special", (Mixin, base) if first else (base, Mixin), {})
        return cls(*[2] * (primitive == "Barrier"))

    it = construct(module)
    assert it.helper() == "in"
    assert isinstance(it, make_class(module, primitive))
    assert hasattr(it, "initialised") is hasattr(construct(threading), "initialised")
    assert use(it)[:-1] == use(make(threading, primitive))[:-1]


@each_subclassable
def test_the_class_of_an_instance_can_be_changed_among_subclasses(module: ModuleType, primitive: str) -> None:
    base = make_class(module, primitive)
    first, second = (type(name, (base,), {"name": name}) for name in ("First", "Second"))
    it = first(*[2] * (primitive == "Barrier"))
    it.__class__ = second
    assert it.name == "Second"
    assert use(it)[:-1] == use(make(threading, primitive))[:-1]


@each_subclassable
def test_an_object_whose_init_was_not_called_does_no_harm(module: ModuleType, primitive: str) -> None:
    base = make_class(module, primitive)
    cls = type("Forgetful", (base,), {"__init__": lambda self: None})
    for it in (cls(), cls.__new__(cls), base.__new__(base)):
        Outcome(repr, it)
        for name in dir(it):
            if name.startswith("__") or name in ("_acquire_restore", "wait_for"):
                continue
            try:
                method = getattr(it, name)
            except AttributeError:
                continue
            if name == "wait":
                Outcome(method, 0)
            elif name == "acquire":
                Outcome(method, False)
            elif callable(method):
                Outcome(method)


@each_with_dict
def test_init_again_starts_afresh(module: ModuleType, primitive: str) -> None:
    def run(module: ModuleType) -> list[Any]:
        it = make(module, primitive)
        use(it)
        if primitive == "Event":
            it.set()
        it.__init__(*[3] * (primitive in ("Barrier", "Semaphore", "BoundedSemaphore")))
        return [plain(repr(it)), use(it)]

    assert_same_outcome(module, run)


# Overridden methods


def recording(base: Any, log: list[Any]) -> Any:
    """A subclass whose methods all add their name to the log, and then call super()."""

    def override(name: str) -> Callable[..., Any]:
        def method(self: Any, *args: Any, **keywords: Any) -> Any:
            # How a call was passed on to is not what is compared: what was called is.
            log.append((name, [plain(repr(arg)) for arg in args if not callable(arg)]))
            return getattr(super(cls, self), name)(*args, **keywords)

        return method

    names = [name for name in vars(base) if not name.startswith("_") and callable(vars(base)[name])]
    for parent in base.__mro__[1:-1]:
        names += [name for name in vars(parent) if not name.startswith("_") and callable(vars(parent)[name])]
    cls = type("Recording", (base,), {name: override(name) for name in dict.fromkeys(names)})
    return cls


def scenario_condition(cls: Any) -> None:
    condition = cls()
    with condition:
        condition.notify()
        condition.notify(2)
        condition.notify_all()
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            condition.notifyAll()
        condition.wait(0)
        condition.wait_for(lambda: False, 0)
        condition.wait_for(lambda: True)


def scenario_semaphore(cls: Any) -> None:
    semaphore = cls(2)
    with semaphore, semaphore:
        semaphore.acquire(False)
    semaphore.acquire()
    semaphore.release()
    Outcome(semaphore.release)
    repr(semaphore)


def scenario_event(cls: Any) -> None:
    event = cls()
    event.wait(0)
    event.set()
    event.wait()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        event.isSet()
    event.is_set()
    event.clear()
    repr(event)


def scenario_barrier(cls: Any) -> None:
    barrier = cls(1)
    barrier.wait()
    barrier.abort()
    barrier.reset()
    repr(barrier)


SCENARIOS = [
    ("Condition", scenario_condition),
    ("Semaphore", scenario_semaphore),
    ("BoundedSemaphore", scenario_semaphore),
    ("Event", scenario_event),
    ("Barrier", scenario_barrier),
]


@pytest.mark.parametrize(("primitive", "scenario"), SCENARIOS)
def test_overridden_methods_are_called_alike(module: ModuleType, primitive: str, scenario: Any) -> None:
    def run(module: ModuleType) -> list[Any]:
        log: list[Any] = []
        scenario(recording(make_class(module, primitive), log))
        # How long wait_for tells wait to wait is a matter of the clock.
        return [entry[0] if entry[0] in ("wait", "wait_for") else entry for entry in log]

    assert run(module) == run(threading)


@pytest.mark.parametrize("primitive", ["RLock", "Semaphore", "BoundedSemaphore", "Condition"])
def test_with_calls_the_overridden_enter_and_exit(module: ModuleType, primitive: str) -> None:
    base = make_class(module, primitive)
    log: list[str] = []

    class Special(base):  # type: ignore[misc, valid-type]
        def __enter__(self) -> str:
            log.append("enter")
            super().__enter__()
            return "mine"

        def __exit__(self, *args: Any) -> bool:
            log.append("exit")
            super().__exit__(*args)
            return True

    with Special() as entered:
        assert entered == "mine"
        raise ZeroDivisionError
    assert log == ["enter", "exit"]


def test_an_rlock_whose_acquire_and_release_are_overridden_is_entered_as_ever(module: ModuleType) -> None:
    def run(module: ModuleType) -> list[str]:
        log: list[str] = []
        base = make_class(module, "RLock")

        class Special(base):  # type: ignore[misc, valid-type]
            def acquire(self, *args: Any) -> bool:
                log.append("acquire")
                return super().acquire(*args)

            def release(self) -> None:
                log.append("release")
                super().release()

        lock = Special()
        with lock:
            log.append("body")
        lock.acquire()
        lock.release()
        return log

    assert run(module) == run(threading)


def test_overridden_properties_show_in_the_repr_of_a_barrier(module: ModuleType) -> None:
    def run(module: ModuleType) -> list[str]:
        class Special(module.Barrier):  # type: ignore[name-defined]
            parties = 7
            n_waiting = 3

        class Broken(module.Barrier):  # type: ignore[name-defined]
            broken = True

        return [plain(repr(Special(2))).split("at 0x")[1], plain(repr(Broken(2))).split("at 0x")[1]]

    assert run(module) == run(threading)


def test_a_semaphore_that_counts_its_waiters_by_overriding(module: ModuleType, crew: Crew) -> None:
    class Counting(module.BoundedSemaphore):  # type: ignore[name-defined]
        acquired = released = 0

        def acquire(self, blocking: bool = True, timeout: float | None = None) -> bool:
            taken = super().acquire(blocking, timeout)
            self.acquired += taken
            return taken

        __enter__ = acquire

        def release(self, n: int = 1) -> None:
            self.released += n
            super().release(n)

    semaphore = Counting(1)

    def work() -> None:
        for _ in range(100):
            with semaphore:
                pass

    crew.start(work, count=3)
    crew.join()
    assert semaphore.acquired == 300
    assert semaphore._value == 1
    with pytest.raises(ValueError, match="released too many times"):
        semaphore.release()


@only_ours
@each_primitive
def test_classes_are_heap_types_that_the_collector_knows(module: ModuleType, primitive: str) -> None:
    cls = getattr(module, primitive)
    assert gc.is_tracked(cls)
    assert cls.__flags__ & (1 << 9)  # Py_TPFLAGS_HEAPTYPE
    if primitive in WITH_INSTANCE_DICT:
        assert gc.is_tracked(make(module, primitive)) or cls.__flags__ & (1 << 14)
