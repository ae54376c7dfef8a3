"""Whoever asks what one of our objects is, hears that it is one of the standard library's."""

from __future__ import annotations

import abc
import asyncio
import copy
import functools
import gc
import inspect
import pickle
import pydoc
import subprocess
import sys
import threading
import types
import typing
import warnings
import weakref
from collections.abc import Callable, Iterator
from dataclasses import dataclass, fields
from types import ModuleType
from typing import Any
from unittest import mock

import pytest
from behaviour import PRIMITIVES, WITH_INSTANCE_DICT, Outcome, make_class, only_ours
from helpers import run_python

import cthreading
from cthreading import aio

THREADS = ["Thread", "Timer"]
"""These have no struct of their own, and inherit what is not in C."""

KINDS = [*WITH_INSTANCE_DICT, *THREADS]
DISGUISED = ["Lock", "RLock", "local"]
ARGUMENTS: dict[str, tuple[Any, ...]] = {"Barrier": (2,), "Timer": (1, print)}

each_primitive = pytest.mark.parametrize("name", WITH_INSTANCE_DICT)
each_kind = pytest.mark.parametrize("name", KINDS)
each_disguised = pytest.mark.parametrize("name", DISGUISED)
each_name = pytest.mark.parametrize("name", [*KINDS, *DISGUISED])


def build(cls: Any, name: str) -> Any:
    return cls(*ARGUMENTS.get(name, ()))


def new(module: ModuleType, name: str) -> Any:
    return build(getattr(module, name), name)


def theirs(name: str) -> type:
    """The standard library's class: Lock and RLock may be functions."""
    return make_class(threading, name)


def test_all_classes_of_the_running_threading_are_known_here() -> None:
    classes = {name for name in threading.__all__ if isinstance(getattr(threading, name), type)}
    exceptions = {name for name in classes if issubclass(getattr(threading, name), (Exception, tuple))}
    iterators = {"serialize_iterator"}
    assert classes - exceptions - iterators <= {*KINDS, *DISGUISED}


# What it is


@each_name
def test_an_instance_is_one_of_the_standard_librarys(name: str) -> None:
    it = new(cthreading, name)
    assert isinstance(it, theirs(name))
    assert isinstance(it, getattr(cthreading, name))
    assert type(it) is getattr(cthreading, name)
    assert "cthreading" in repr(type(it))


@each_kind
def test_the_class_is_a_subclass_of_the_standard_librarys(name: str) -> None:
    ours = getattr(cthreading, name)
    assert issubclass(ours, theirs(name))
    assert theirs(name) in ours.__mro__
    assert ours in theirs(name).__subclasses__()
    assert [base for base in ours.__mro__ if base.__module__ == "threading"] == list(theirs(name).__mro__[:-1])


@each_kind
def test_instances_of_derived_classes_are_of_both(name: str) -> None:
    class Mixin:
        """Something of the user's."""

    for bases in [(getattr(cthreading, name),), (Mixin, getattr(cthreading, name)), (getattr(cthreading, name), Mixin)]:
        it = build(type("Special", bases, {}), name)
        assert isinstance(it, theirs(name))
        assert isinstance(it, getattr(cthreading, name))
        assert it.__class__ is type(it)


def test_a_bounded_semaphore_is_a_semaphore_of_both() -> None:
    it = cthreading.BoundedSemaphore()
    assert isinstance(it, cthreading.Semaphore)
    assert isinstance(it, threading.Semaphore)
    assert [cls.__name__ for cls in type(it).__mro__[:4]] == [
        "BoundedSemaphore",
        "Semaphore",
        "BoundedSemaphore",
        "Semaphore",
    ]


@pytest.mark.skipif(not hasattr(threading, "serialize_iterator"), reason="from 3.15 on")
def test_a_serialized_iterator_is_one_of_the_standard_librarys() -> None:
    ours, expected = cthreading.serialize_iterator([1, 2]), threading.serialize_iterator([1, 2])
    assert isinstance(ours, threading.serialize_iterator)
    assert type(ours) is not threading.serialize_iterator
    assert isinstance(ours._lock, cthreading.Lock)
    assert sys.getsizeof(ours) == sys.getsizeof(expected)
    assert not hasattr(ours, "__dict__")
    assert list(ours) == [1, 2]
    mine, whole = vars(cthreading.serialize_iterator), vars(threading.serialize_iterator)
    assert [name for name, value in whole.items() if callable(value) and name not in mine] == []


@each_disguised
def test_class_is_the_standard_librarys_for_exactly_our_type(name: str) -> None:
    it = new(cthreading, name)
    assert it.__class__ is theirs(name)
    assert not issubclass(type(it), theirs(name))
    if name == "Lock":
        return
    special = type("Special", (getattr(cthreading, name),), {})()
    assert special.__class__ is type(special)
    assert not isinstance(special, theirs(name))


@pytest.mark.parametrize("name", ["Lock", "RLock"])
def test_the_standard_librarys_locks_pass_for_ours_too(name: str) -> None:
    ours = getattr(cthreading, name)
    it = getattr(threading, name)()
    assert isinstance(it, ours)
    assert issubclass(type(it), ours)
    for other in (
        None,
        3,
        threading.Event(),
        cthreading.Event(),
        new(cthreading, "RLock" if name == "Lock" else "Lock"),
    ):
        assert not isinstance(other, ours)
        assert not issubclass(type(other), ours)
    with pytest.raises(TypeError):
        issubclass(it, ours)
    if name == "RLock":
        special = type("Special", (ours,), {})
        assert not isinstance(it, special)
        assert not issubclass(type(it), special)
        assert isinstance(special(), special)
        assert isinstance(special(), ours)


@each_disguised
def test_class_is_assigned_as_ever(name: str) -> None:
    def assign(module: ModuleType, value: Any) -> Any:
        it = make_class(module, name)()
        it.__class__ = value
        return type(it).__name__

    for value in (int, 3, type("Own", (), {})):
        with pytest.raises(TypeError):
            assign(cthreading, value)
    with pytest.raises(TypeError):
        del new(cthreading, name).__class__
    if name != "Lock":
        first, second = (type(which, (getattr(cthreading, name),), {}) for which in ("First", "Second"))
        it = first()
        it.__class__ = second
        assert type(it) is it.__class__ is second


@each_primitive
def test_class_cannot_be_changed_between_the_two_modules(name: str) -> None:
    class Derived(theirs(name)):  # type: ignore[misc]
        """Of the standard library's."""

    for it, other in [(new(cthreading, name), theirs(name)), (new(threading, name), getattr(cthreading, name))]:
        for cls in (other, Derived):
            if cls is Derived and type(it) is theirs(name):
                continue  # laid out alike
            with pytest.raises(TypeError, match=r"layout|deallocator"):
                it.__class__ = cls
    with pytest.raises(TypeError, match="is not safe"):
        theirs(name).__new__(getattr(cthreading, name))


# Nothing of the standard library's is run


def walk(cls: type) -> Iterator[tuple[str, Any]]:
    """Every function, property and the like in the class and what it derives from, object excepted."""
    for base in cls.__mro__[:-1]:
        for attribute, value in vars(base).items():
            if isinstance(value, (types.FunctionType, property, classmethod, staticmethod, functools.cached_property)):
                yield attribute, value


WALKED = [(threading, cthreading, name) for name in WITH_INSTANCE_DICT] + [(asyncio, aio, "Barrier")]


@pytest.mark.parametrize(("standard", "module", "name"), WALKED, ids=lambda value: getattr(value, "__name__", value))
def test_no_function_of_the_standard_librarys_is_inherited(standard: Any, module: Any, name: str) -> None:
    ours, cls = getattr(module, name), getattr(standard, name)
    walked = list(walk(cls))
    assert len(walked) > 4
    instances = [build(ours, name), build(type("Special", (ours,), {}), name)]
    refused = 0
    for attribute, value in walked:
        found = inspect.getattr_static(ours, attribute)
        assert found is not value
        assert not isinstance(found, (types.FunctionType, property))
        home = next(base for base in ours.__mro__ if attribute in vars(base))
        assert home.__module__.startswith("cthreading")
        if not hasattr(ours, attribute):
            refused += 1
            for it in instances:
                with pytest.raises(AttributeError, match=f"'.*' object has no attribute '{attribute}'"):
                    getattr(it, attribute)
                with pytest.raises(AttributeError):
                    getattr(super(type(it), it) if type(it) is not ours else it, attribute)
            with pytest.raises(AttributeError, match=f"type object '.*' has no attribute '{attribute}'"):
                getattr(ours, attribute)
        elif callable(value):
            # It is ours, and looks at what it is given.
            with pytest.raises(TypeError):
                getattr(ours, attribute)(object())
    # The steps of a barrier are the one thing that ours do in another way.
    assert (refused > 0) == (name == "Barrier")


def test_what_is_refused_can_be_set_and_overridden(module: ModuleType) -> None:
    class Special(module.Barrier):  # type: ignore[name-defined]
        def _enter(self) -> str:
            return "mine"

    assert Special(2)._enter() == "mine"
    it = module.Barrier(2)
    it._enter = "set"
    assert it._enter == "set"


def test_asyncio_functions_do_not_run_on_our_barrier() -> None:
    it = aio.Barrier(2)
    assert it._loop is None
    with pytest.raises(AttributeError):
        it._get_loop()

    async def main() -> None:
        barrier = aio.Barrier(1)
        await barrier.wait()
        assert barrier._loop is None or barrier._loop is asyncio.get_running_loop()
        two = aio.Barrier(2)
        await asyncio.gather(two.wait(), two.wait())
        assert two._loop is asyncio.get_running_loop()

    asyncio.run(main())


@each_kind
def test_a_patch_of_the_standard_librarys_class_does_not_reach_ours(name: str) -> None:
    method = {"Event": "set", "Barrier": "abort", "Condition": "notify"}.get(name, "acquire")
    if name in THREADS:
        method = "is_alive"
    calls: list[Any] = []
    it = new(cthreading, name)
    with mock.patch.object(theirs(name), method, lambda self, *args: calls.append(self)):
        Outcome(getattr(it, method))
    assert name in THREADS or calls == []


def test_init_subclass_of_the_bases_is_called_for_derived_classes(module: ModuleType) -> None:
    made: list[Any] = []

    class Watched:
        def __init_subclass__(cls, **keywords: Any) -> None:
            super().__init_subclass__(**keywords)
            made.append(cls.__name__)

    for name in WITH_INSTANCE_DICT:
        type(f"Own{name}", (getattr(module, name), Watched), {})
    assert made == [f"Own{name}" for name in WITH_INSTANCE_DICT]


# Bound methods

BOUND = [
    ("Event", ["set", "clear", "is_set", "wait", "isSet"]),
    ("Condition", ["wait", "wait_for", "notify", "notify_all", "notifyAll", "__enter__", "__exit__"]),
    ("Semaphore", ["acquire", "release", "__enter__", "__exit__"]),
    ("BoundedSemaphore", ["acquire", "release", "__enter__", "__exit__"]),
    ("Barrier", ["wait", "reset", "abort"]),
    ("Thread", ["start", "run", "join", "is_alive", "getName", "setName", "isDaemon", "setDaemon"]),
    ("Timer", ["start", "run", "join", "cancel"]),
]
NATIVE = {("Event", "is_set")} if sys.version_info[:2] == (3, 12) else set()
"""Where a bound method would be slower than the standard library's."""

each_bound = pytest.mark.parametrize(
    ("name", "method"),
    [(name, method) for name, methods in BOUND for method in methods if (name, method) not in NATIVE],
)


@each_bound
def test_methods_are_bound_methods(module: ModuleType, name: str, method: str) -> None:
    it = new(module, name)
    bound = getattr(it, method)
    assert inspect.ismethod(bound)
    assert inspect.isroutine(bound)
    assert bound.__self__ is it
    assert bound.__func__ is getattr(type(it), method)
    assert bound.__name__ == bound.__func__.__name__
    assert bound == getattr(it, method)
    assert hash(bound) == hash(getattr(it, method))
    assert bound != getattr(new(module, name), method)


@each_bound
def test_a_weak_method_lives_as_long_as_its_object(module: ModuleType, name: str, method: str) -> None:
    it = new(module, name)
    ended: list[Any] = []
    reference = weakref.WeakMethod(getattr(it, method), ended.append)
    gc.collect()
    assert reference() == getattr(it, method)
    assert ended == []
    del it
    gc.collect()
    assert reference() is None
    assert ended == [reference]


@each_bound
def test_bound_methods_are_shown_alike(name: str, method: str) -> None:
    ours, expected = getattr(new(cthreading, name), method), getattr(new(threading, name), method)
    if not method.startswith("__"):
        # Nobody passes those of __exit__ by name, and ours have none there.
        assert str(inspect.signature(ours)) == str(inspect.signature(expected))
        assert inspect.getfullargspec(ours) == inspect.getfullargspec(expected)
    if expected.__qualname__ == f"{name}.{method}" and name not in THREADS:
        # There, acquire is also __enter__, and also BoundedSemaphore's.
        assert repr(ours).startswith(repr(expected).split(" of ")[0])
        assert (ours.__name__, ours.__qualname__) == (expected.__name__, expected.__qualname__)
    assert ours.__doc__ or name in THREADS
    assert typing.get_type_hints(ours.__func__) == {}
    pydoc.render_doc(ours)


@each_bound
def test_the_method_in_the_class_takes_the_object_first(name: str, method: str) -> None:
    if name in THREADS:
        pytest.skip("most are the standard library's functions")
    function = getattr(getattr(cthreading, name), method)
    assert inspect.ismethoddescriptor(function)
    assert function.__get__(None, object) is function
    it = new(cthreading, name)
    assert function.__get__(it) == getattr(it, method)
    assert next(iter(inspect.signature(function).parameters)) == "self"
    for wrong in [(), (None,), (object(),), (theirs(name),)]:
        with pytest.raises(TypeError):
            function(*wrong)
    with pytest.raises(TypeError):
        function(self=it)


def test_the_method_in_the_class_is_called_as_any_other() -> None:
    event, condition, semaphore = cthreading.Event(), cthreading.Condition(), cthreading.Semaphore(0)
    options = {"timeout": 0}
    cthreading.Event.set(event)
    assert event.is_set()
    assert cthreading.Event.wait(event, 0)
    assert cthreading.Event.wait(event, timeout=0)
    assert cthreading.Event.wait(*[event], **options)
    assert functools.partial(cthreading.Event.wait, event)()
    assert list(map(cthreading.Event.wait, [event], [0])) == [True]
    for wrong in [{"time": 0}, {"timeout": 0, "more": 1}]:
        with pytest.raises(TypeError):
            event.wait(**wrong)
    with pytest.raises(TypeError):
        event.set(1)
    with pytest.raises(TypeError):
        event.set(flag=1)
    with condition:
        assert condition.wait_for(predicate=lambda: 5) == 5
    with pytest.raises(TypeError):
        condition.__exit__(exc=1)
    with pytest.raises(TypeError, match="Event"):
        cthreading.Event.set(semaphore)
    # A derived class's method of another class is still that class's.
    assert cthreading.Semaphore.acquire(cthreading.BoundedSemaphore()) is True


def test_methods_of_classes_can_be_pickled_wrapped_and_referred_to() -> None:
    function = cthreading.Event.set
    for protocol in range(pickle.HIGHEST_PROTOCOL + 1):
        assert pickle.loads(pickle.dumps(function, protocol)) is function
    assert copy.copy(function) is function
    assert copy.deepcopy(function) is function
    assert weakref.ref(function)() is function

    @functools.wraps(function)
    def traced(self: Any) -> None:
        function(self)

    assert (traced.__name__, traced.__qualname__, traced.__doc__) == ("set", "Event.set", function.__doc__)
    assert function.__objclass__ is cthreading.Event
    assert {function: 1}[cthreading.Event.set] == 1
    assert "Event" in repr(function)
    with pytest.raises(TypeError):
        type(function)()
    with pytest.raises((TypeError, AttributeError)):
        type(function).__name__ = "other"


def test_a_signal_keeps_a_bound_method_as_its_receiver_while_its_object_lives() -> None:
    blinker = pytest.importorskip("blinker")
    for module in (threading, cthreading):
        event = module.Event()
        signal = blinker.Signal()
        signal.connect(event.wait)
        gc.collect()
        assert len(signal.receivers) == 1
        event.set()
        assert [result for _, result in signal.send(0)] == [True]
        del event
        gc.collect()
        assert list(signal.receivers_for(0)) == []


# Instances


def derived(name: str) -> list[Any]:
    """Our class, and classes derived from it in some ways."""
    cls = getattr(cthreading, name)

    class Mixin:
        """Something of the user's."""

    plain = type("Plain", (cls,), {})
    return [
        cls,
        plain,
        type("Twice", (plain,), {}),
        type("Slots", (cls,), {"__slots__": ("slot",)}),
        type("First", (Mixin, cls), {}),
        type("Last", (cls, Mixin), {}),
    ]


class Attribute:
    """What can be referred to weakly."""


@each_kind
def test_the_collector_sees_type_and_attributes_once(name: str) -> None:
    for cls in derived(name):
        it, value = build(cls, name), Attribute()
        it.value = value
        referents = gc.get_referents(it)
        assert sum(referent is cls for referent in referents) == 1
        attributes = vars(it)
        referents = gc.get_referents(it)
        assert sum(referent is attributes or referent is value for referent in referents) == 1


@each_kind
@pytest.mark.parametrize("with_dict", [False, True])
def test_attributes_go_with_their_object(name: str, with_dict: bool) -> None:
    for cls in derived(name):
        it, value = build(cls, name), Attribute()
        it.value = value
        if with_dict:
            assert vars(it)["value"] is value
        gone = weakref.ref(value)
        del value, it
        gc.collect() if name in THREADS else None
        assert gone() is None


@each_kind
def test_a_dict_outlives_its_object(name: str) -> None:
    for cls in derived(name):
        for cycle in (False, True):
            it = build(cls, name)
            it.value = 5
            attributes = vars(it)
            if cycle:
                it.me = it
            gone = weakref.ref(it)
            if cycle:
                del attributes["me"]
            del it
            gc.collect()
            assert gone() is None
            assert attributes["value"] == 5


@each_kind
def test_a_cycle_through_attributes_is_collected(name: str) -> None:
    for cls in derived(name):
        it, value = build(cls, name), Attribute()
        it.me, it.value = it, value
        gone = weakref.ref(it), weakref.ref(value)
        del it, value
        gc.collect()
        assert [reference() for reference in gone] == [None, None]


@each_kind
def test_the_dict_can_be_replaced(name: str) -> None:
    it = new(cthreading, name)
    if name in THREADS:
        pytest.skip("its state is there")
    it.value = 1
    it.__dict__ = {"other": 2}
    assert vars(it) == {"other": 2}
    assert not hasattr(it, "value")
    with pytest.raises(TypeError):
        it.__dict__ = 3


@each_primitive
def test_vars_hold_what_was_set_and_nothing_else(name: str) -> None:
    it = new(cthreading, name)
    assert vars(it) == {}
    it.value = 1
    assert vars(it) == {"value": 1}


@each_primitive
@pytest.mark.skipif(hasattr(sys, "gettotalrefcount"), reason="a debug build wants it")
def test_no_room_is_kept_for_attributes(name: str) -> None:
    assert not getattr(cthreading, name).__flags__ & 1 << 2 or sys.version_info < (3, 13)  # Py_TPFLAGS_INLINE_VALUES


def test_a_second_base_with_a_layout_of_its_own_is_refused() -> None:
    for name in WITH_INSTANCE_DICT:
        for other in (dict, cthreading.local):
            with pytest.raises(TypeError, match=r"lay-?out"):
                type("Both", (getattr(cthreading, name), other), {})


def test_both_modules_classes_can_be_bases_of_one(module: ModuleType) -> None:
    for name in WITH_INSTANCE_DICT:
        cls = type("Both", (getattr(cthreading, name), getattr(threading, name)), {})
        assert isinstance(build(cls, name), theirs(name))


# Those who ask


@each_name
def test_singledispatch_finds_the_handler(name: str) -> None:
    @functools.singledispatch
    def handle(it: Any) -> str:
        return "nothing"

    handle.register(theirs(name))(lambda it: "theirs")
    assert handle(new(cthreading, name)) == "theirs"
    assert handle(new(threading, name)) == "theirs"


@pytest.mark.parametrize("name", [*KINDS, "Lock", "RLock"])
def test_singledispatch_finds_the_handler_for_ours(name: str) -> None:
    @functools.singledispatch
    def handle(it: Any) -> str:
        return "nothing"

    handle.register(getattr(cthreading, name))(lambda it: "ours")
    assert handle(new(cthreading, name)) == "ours"


def kind_by_match(it: Any) -> str:
    lock, rlock = type(threading.Lock()), type(threading.RLock())
    match it:
        case threading.BoundedSemaphore():
            return "BoundedSemaphore"
        case threading.Semaphore(_value=value):
            return f"Semaphore {value}"
        case threading.Event():
            return "Event"
        case threading.Condition():
            return "Condition"
        case threading.Barrier(parties=parties):
            return f"Barrier {parties}"
        case threading.Timer():
            return "Timer"
        case threading.Thread():
            return "Thread"
        case threading.local():
            return "local"
        case lock():
            return "Lock"
        case rlock():
            return "RLock"
    return "nothing"


@each_name
def test_patterns_match(name: str) -> None:
    assert kind_by_match(new(cthreading, name)) == kind_by_match(new(threading, name)) != "nothing"


@each_name
def test_classes_registered_for_the_standard_librarys_hold_for_ours(name: str) -> None:
    Registered = abc.ABCMeta("Registered", (), {})
    Registered.register(theirs(name))
    assert isinstance(new(cthreading, name), Registered)


@typing.runtime_checkable
class Settable(typing.Protocol):
    def set(self) -> None: ...


def test_protocols_and_dataclasses_take_ours() -> None:
    assert isinstance(cthreading.Event(), Settable)

    @dataclass
    class Job:
        lock: threading.Lock
        done: threading.Event

    @dataclass
    class Own(cthreading.Event):  # type: ignore[misc]
        name: str = "own"

        def __post_init__(self) -> None:
            super().__init__()

    job = Job(cthreading.Lock(), cthreading.Event())
    assert [field.name for field in fields(job)] == ["lock", "done"]
    assert not Own("a").is_set()


ANNOTATED = [*KINDS, *DISGUISED]


@pytest.mark.parametrize("name", ANNOTATED)
def test_pydantic_takes_ours_in_fields(name: str) -> None:
    pydantic = pytest.importorskip("pydantic")
    model = pydantic.create_model(
        "Model", __config__=pydantic.ConfigDict(arbitrary_types_allowed=True), it=(theirs(name), ...)
    )
    it = new(cthreading, name)
    assert model(it=it).it is it
    with pytest.raises(pydantic.ValidationError):
        model(it=object())


@pytest.mark.parametrize("name", ANNOTATED)
def test_beartype_takes_ours(name: str) -> None:
    beartype = pytest.importorskip("beartype")

    def take(it: Any, all_of_them: Any) -> Any:
        return it

    take.__annotations__ = {"it": theirs(name), "all_of_them": list[theirs(name)]}  # type: ignore[misc]
    checked = beartype.beartype(take)
    it = new(cthreading, name)
    assert checked(it, [it]) is it
    with pytest.raises(beartype.roar.BeartypeCallHintParamViolation):
        checked(object(), [])


@pytest.mark.parametrize("name", ANNOTATED)
def test_typeguard_takes_ours(name: str) -> None:
    typeguard = pytest.importorskip("typeguard")
    it = new(cthreading, name)
    assert typeguard.check_type(it, theirs(name)) is it
    assert typeguard.check_type([it], list[theirs(name)]) == [it]  # type: ignore[misc]
    if name in KINDS:
        assert typeguard.check_type(type(it), type[theirs(name)]) is type(it)  # type: ignore[misc]
    with pytest.raises(typeguard.TypeCheckError):
        typeguard.check_type(object(), theirs(name))


# Doubles


def calls_of(name: str) -> list[Callable[[Any], object]]:
    return {
        "Event": [lambda it: it.set(), lambda it: it.wait(1), lambda it: it.wait(timeout=1), lambda it: it.is_set()],
        "Condition": [
            lambda it: it.wait(1),
            lambda it: it.notify(),
            lambda it: it.notify(n=2),
            lambda it: it.wait_for(1),
        ],
        "Semaphore": [lambda it: it.acquire(), lambda it: it.acquire(True, 3), lambda it: it.release(n=2)],
        "BoundedSemaphore": [lambda it: it.acquire(), lambda it: it.release()],
        "Barrier": [lambda it: it.wait(), lambda it: it.wait(timeout=1), lambda it: it.reset(), lambda it: it.abort()],
        "Lock": [lambda it: it.acquire(), lambda it: it.release(), lambda it: it.locked()],
        "RLock": [lambda it: it.acquire(), lambda it: it.release()],
        "Thread": [lambda it: it.start(), lambda it: it.join(1), lambda it: it.is_alive()],
        "Timer": [lambda it: it.start(), lambda it: it.cancel()],
        "local": [],
    }[name]


WRONG: dict[str, list[Callable[[Any], object]]] = {
    "Event": [lambda it: it.set(1), lambda it: it.wait(1, 2), lambda it: it.wait(time=1), lambda it: it.nothing()],
    "Condition": [lambda it: it.notify(1, 2), lambda it: it.wait_for()],
    "Semaphore": [lambda it: it.release(1, 2), lambda it: it.acquire(wait=1)],
    "BoundedSemaphore": [lambda it: it.release(1, 2)],
    "Barrier": [lambda it: it.reset(1), lambda it: it.wait(1, 2)],
    "Thread": [lambda it: it.start(1)],
    "Timer": [lambda it: it.cancel(1)],
}


@each_name
def test_doubles_of_classes_and_instances_do_what_those_of_the_standard_librarys_do(name: str) -> None:
    for call in calls_of(name):
        outcomes = []
        for module in (threading, cthreading):
            double = mock.create_autospec(make_class(module, name), instance=True)
            assert isinstance(double, make_class(module, name))
            assert isinstance(double, theirs(name)) or name in DISGUISED
            outcomes.append(Outcome(call, double).kind)
            outcomes.append(Outcome(call, mock.create_autospec(new(module, name))).kind)
            outcomes.append(Outcome(call, mock.Mock(spec=new(module, name))).kind)
        assert outcomes == ["returned"] * 6


@pytest.mark.parametrize("name", [name for name in WRONG if name in KINDS])
def test_doubles_of_instances_refuse_what_those_of_the_standard_librarys_refuse(name: str) -> None:
    for call in WRONG[name]:
        expected = Outcome(call, mock.create_autospec(new(threading, name)))
        assert expected.raised
        outcome = Outcome(call, mock.create_autospec(new(cthreading, name)))
        assert outcome.type is expected.type


@pytest.mark.parametrize("method", ["wait", "reset", "abort", "__aenter__", "__aexit__"])
def test_the_methods_of_the_barrier_for_asyncio_are_coroutine_functions(method: str) -> None:
    asks = [asyncio.coroutines.iscoroutinefunction, *[inspect.iscoroutinefunction] * (sys.version_info >= (3, 12))]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)
        for cls in (asyncio.Barrier, aio.Barrier):
            for function in (getattr(cls, method), getattr(cls(2), method)):
                assert [ask(function) for ask in asks] == [True] * len(asks)


def test_doubles_of_the_barrier_for_asyncio_can_be_awaited() -> None:
    async def main() -> list[Any]:
        return [await mock.create_autospec(module.Barrier(2)).reset() for module in (asyncio, aio)]

    assert len(asyncio.run(main())) == 2


def test_methods_can_be_marked_as_functions_can(module: ModuleType) -> None:
    function = module.Event.set
    function.mark = 5
    try:
        assert module.Event().set.mark == 5
        assert vars(function) == {"mark": 5}
    finally:
        del function.mark
    assert not hasattr(module.Event.set, "mark")


# Copies


@each_name
def test_objects_are_reduced_as_the_standard_librarys_or_refused(name: str) -> None:
    for protocol in range(pickle.HIGHEST_PROTOCOL + 1):
        ours = Outcome(lambda protocol=protocol: new(cthreading, name).__reduce_ex__(protocol))
        expected = Outcome(lambda protocol=protocol: new(threading, name).__reduce_ex__(protocol))
        assert ours.raised or not expected.raised
        assert not ours.raised or ours.type is TypeError


# Other circumstances


def test_asyncio_is_not_imported_before_it_is_needed() -> None:
    code = """
        import sys
        import cthreading
        from cthreading import aio
        assert "asyncio" not in sys.modules
        cls = aio.Barrier
        import asyncio
        assert cls is aio.Barrier and issubclass(cls, asyncio.Barrier)
        assert isinstance(aio.Barrier(2), asyncio.Barrier)
        assert cls.__module__ == "cthreading.aio" and cls.__qualname__ == "Barrier"
    """
    run_python(code).check("")


def test_two_threads_that_ask_for_the_barrier_first_get_one_class() -> None:
    code = """
        import threading
        from cthreading import aio
        start = threading.Barrier(4)
        found = []
        def ask():
            start.wait()
            found.append(aio.Barrier)
        threads = [threading.Thread(target=ask) for _ in range(4)]
        for thread in threads: thread.start()
        for thread in threads: thread.join()
        assert len(found) == 4 and len(set(found)) == 1
    """
    run_python(code).check("")


ASK = """
    import threading, cthreading
    names = ["Condition", "Semaphore", "BoundedSemaphore", "Event", "Barrier"]
    def build(module, name):
        return getattr(module, name)(*[2] * (name == "Barrier"))
"""


def test_a_threading_that_is_imported_afresh_has_other_classes() -> None:
    code = (
        ASK
        + """
    import sys
    first = threading
    del sys.modules["threading"]
    import threading
    assert threading is not first
    for name in names:
        it = build(cthreading, name)
        assert isinstance(it, getattr(first, name))
        assert not isinstance(it, getattr(threading, name))
        assert not isinstance(build(first, name), getattr(threading, name))
    for name in ("Lock", "RLock"):
        assert isinstance(getattr(cthreading, name)(), type(getattr(threading, name)()))
    """
    )
    run_python(code).check("")


def test_installed_before_anything_else_there_is_one_class_of_each_name() -> None:
    code = (
        ASK
        + """
    import queue, logging
    before = {name: getattr(threading, name) for name in names}
    old = {name: build(threading, name) for name in names}
    cthreading.install()
    assert threading.Event is cthreading.Event
    import threading as imported
    assert imported is cthreading
    for name in names:
        it = build(threading, name)
        assert isinstance(it, getattr(threading, name)) and isinstance(it, before[name])
        assert isinstance(old[name], before[name]) and not isinstance(old[name], getattr(threading, name))
    assert isinstance(queue.Queue().not_empty, before["Condition"])
    cthreading.uninstall()
    for name in names:
        assert isinstance(build(cthreading, name), getattr(threading, name))
    """
    )
    run_python(code).check("")


def test_threads_of_classes_made_before_and_after_install() -> None:
    code = """
        import threading, cthreading
        before = threading.Thread
        class Old(threading.Thread): pass
        old = Old()
        cthreading.install()
        class New(threading.Thread): pass
        new = New()
        assert threading.Thread is cthreading.Thread
        asked = [(isinstance(it, threading.Thread), isinstance(it, before)) for it in (old, new, Old())]
        assert asked == [(False, True), (True, True), (False, True)], asked
        assert not issubclass(Old, threading.Thread) and issubclass(New, before)
        assert isinstance(threading.current_thread(), before)
        for thread in (old, new):
            thread.start()
            thread.join()
        cthreading.uninstall()
        asked = [(isinstance(it, threading.Thread), isinstance(it, cthreading.Thread)) for it in (Old(), New())]
        assert asked == [(True, False), (True, True)], asked
    """
    run_python(code).check("")


def test_a_threading_that_is_reloaded_has_other_classes() -> None:
    code = (
        ASK
        + """
    import importlib
    first = {name: getattr(threading, name) for name in names}
    importlib.reload(threading)
    for name in names:
        it = build(cthreading, name)
        assert isinstance(it, first[name]) and not isinstance(it, getattr(threading, name))
        assert not issubclass(first[name], getattr(threading, name))
    """
    )
    run_python(code).check("")


PROGRAM = """
import sys, threading, _thread
theirs = sys.modules["cthreading"]._theirs
for name in ["Condition", "Semaphore", "BoundedSemaphore", "Event", "Barrier"]:
    it = getattr(threading, name)(*[2] * (name == "Barrier"))
    assert isinstance(it, getattr(threading, name)) and isinstance(it, theirs[name])
    assert type(it).__module__ == "cthreading"
assert isinstance(threading.Lock(), _thread.LockType)
assert isinstance(threading.RLock(), _thread.RLock)
assert isinstance(threading.local(), _thread._local)
print("fine")
"""


def test_in_a_program_that_is_run_on_cthreading() -> None:
    command = [sys.executable, "-m", "cthreading", "-c", PROGRAM]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    assert (done.stdout, done.stderr) == ("fine\n", "")


@pytest.mark.parametrize(
    "stranger",
    [
        "threading.Event = list",
        "threading.Event = lambda: None",
        "threading.Event = type('Event', (), {'__slots__': ()})",
        "threading.Event = type('Event', (), {'__slots__': ('a', '__dict__', '__weakref__')})",
        "threading.Event = type('Meta', (type,), {})('Event', (), {})",
        "threading.Event = type('Event', (int,), {})",
    ],
)
def test_something_else_in_the_place_of_a_class_is_no_harm(stranger: str) -> None:
    code = f"""
        import threading
        {stranger}
        from cthreading import _core
        it = _core.Event()
        it.attribute = 1
        it.set()
        assert it.is_set() and it.wait() and it.attribute == 1
        assert not issubclass(_core.Event, (list, int))
        assert issubclass(_core.BoundedSemaphore, threading.BoundedSemaphore)
    """
    run_python(code).check("")


def test_a_class_of_python_in_the_place_of_the_standard_librarys_is_the_base() -> None:
    code = """
        import threading
        class Traced(threading.Event):
            def set(self):
                raise AssertionError("of the traced class")
            def more(self):
                raise AssertionError("of the traced class")
        threading.Event = Traced
        import cthreading
        it = cthreading.Event()
        assert isinstance(it, Traced)
        it.set()
        assert it.is_set() and not hasattr(it, "more")
    """
    run_python(code).check("")


def test_two_instances_of_the_extension_module_are_both_of_the_kind() -> None:
    code = """
        import sys, threading, cthreading
        first = cthreading
        for name in [name for name in sys.modules if name.partition(".")[0] == "cthreading"]:
            del sys.modules[name]
        import cthreading
        assert cthreading is not first and cthreading.Event is not first.Event
        for module in (first, cthreading):
            assert isinstance(module.Event(), threading.Event)
            assert isinstance(module.Lock(), type(threading.Lock()))
        assert not isinstance(first.Event(), cthreading.Event)
    """
    run_python(code).check("")


@only_ours
@pytest.mark.parametrize("primitive", PRIMITIVES)
def test_the_documentation_names_the_class_as_ever(module: ModuleType, primitive: str) -> None:
    assert f"class {primitive}(" in pydoc.render_doc(getattr(module, primitive), renderer=pydoc.plaintext)
