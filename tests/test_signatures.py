"""Signatures, docstrings and attributes, beside those of the running standard library."""

from __future__ import annotations

import inspect
import threading
import warnings
from types import ModuleType
from typing import Any
from unittest import mock

import pytest
from behaviour import PRIMITIVES, Outcome, make, make_class, only_ours

import cthreading

METHODS = [
    (primitive, name)
    for primitive in PRIMITIVES
    for name in dir(make(threading, primitive))
    if callable(getattr(make(threading, primitive), name)) and not name.startswith("__")
]
"""Public and private methods of the standard library's objects."""

INTERNAL = {
    ("Barrier", "_break"),
    ("Barrier", "_enter"),
    ("Barrier", "_exit"),
    ("Barrier", "_release"),
    ("Barrier", "_wait"),
}
"""The standard library's own steps, which nobody else calls."""

PUBLIC_METHODS = [(primitive, name) for primitive, name in METHODS if not name.startswith("_")]


def signature_of(function: Any) -> inspect.Signature | None:
    try:
        return inspect.signature(function)
    except ValueError:
        return None


@pytest.mark.parametrize("primitive", PRIMITIVES)
def test_constructors_have_the_same_signature(module: ModuleType, primitive: str) -> None:
    expected = signature_of(getattr(threading, primitive))
    if expected is None:
        pytest.skip("the standard library's has none")
    if any(parameter.kind is parameter.VAR_POSITIONAL for parameter in expected.parameters.values()):
        pytest.skip("the standard library takes deprecated arguments only to warn of them")
    assert str(signature_of(getattr(module, primitive))) == str(expected)


@pytest.mark.parametrize(("primitive", "name"), METHODS)
def test_methods_have_the_same_signature(module: ModuleType, primitive: str, name: str) -> None:
    if (primitive, name) in INTERNAL:
        pytest.skip("internal")
    expected = signature_of(getattr(make(threading, primitive), name))
    if expected is None:
        pytest.skip("the standard library's has none")
    assert str(signature_of(getattr(make(module, primitive), name))) == str(expected)


@pytest.mark.parametrize("cls", ["Condition", "Semaphore", "BoundedSemaphore", "Event", "Barrier", "Thread", "Timer"])
def test_methods_say_whose_they_are(module: ModuleType, cls: str) -> None:
    own = getattr(module, cls)
    names = [name for name, value in vars(getattr(threading, cls)).items() if inspect.isfunction(value)]
    for name in ["__init__", *(name for name in names if not name.startswith("_"))]:
        method = getattr(own, name)
        owner, _, of_class = method.__qualname__.rpartition(".")
        assert method.__name__ == of_class
        assert owner in {base.__name__ for base in own.__mro__}
        assert of_class in repr(method)
        assert owner in repr(method)


@only_ours
@pytest.mark.parametrize(("primitive", "name"), PUBLIC_METHODS)
def test_methods_have_a_signature_and_it_can_be_called(module: ModuleType, primitive: str, name: str) -> None:
    assert signature_of(getattr(make(module, primitive), name)) is not None
    in_class = getattr(make_class(module, primitive), name, None)
    assert in_class is None or next(iter(signature_of(in_class).parameters)) == "self"


@pytest.mark.parametrize("primitive", PRIMITIVES)
def test_a_mock_with_its_specification_can_be_made(module: ModuleType, primitive: str) -> None:
    double = mock.create_autospec(make_class(module, primitive), instance=True)
    with pytest.raises(AttributeError):
        double.no_such_method()
    if primitive == "Event":
        double.wait(timeout=3)
        double.wait.assert_called_once_with(timeout=3)


@only_ours
@pytest.mark.parametrize("primitive", PRIMITIVES)
def test_classes_have_docstrings(module: ModuleType, primitive: str) -> None:
    assert len(getattr(module, primitive).__doc__) > 20


@only_ours
@pytest.mark.parametrize(("primitive", "name"), PUBLIC_METHODS)
def test_methods_have_docstrings(module: ModuleType, primitive: str, name: str) -> None:
    documentation = getattr(make(module, primitive), name).__doc__
    assert documentation
    assert "--\n\n" not in documentation


@pytest.mark.parametrize("name", ["parties", "n_waiting", "broken"])
def test_properties_have_docstrings(module: ModuleType, name: str) -> None:
    assert getattr(module.Barrier, name).__doc__


@pytest.mark.parametrize("primitive", PRIMITIVES)
def test_instances_have_all_public_attributes(module: ModuleType, primitive: str) -> None:
    expected = {name for name in dir(make(threading, primitive)) if not name.startswith("_")}
    assert expected <= set(dir(make(module, primitive)))


@pytest.mark.parametrize("primitive", PRIMITIVES)
def test_classes_have_all_public_attributes(module: ModuleType, primitive: str) -> None:
    expected = {name for name in dir(make_class(threading, primitive)) if not name.startswith("_")}
    assert expected <= set(dir(make_class(module, primitive)))


PRIVATE = [
    ("Lock", ["_at_fork_reinit"]),
    ("RLock", ["_at_fork_reinit", "_is_owned", "_release_save", "_acquire_restore"]),
    ("Condition", ["_at_fork_reinit", "_is_owned", "_release_save", "_acquire_restore", "_lock", "_waiters"]),
    ("Semaphore", ["_value", "_cond"]),
    ("BoundedSemaphore", ["_value", "_initial_value", "_cond"]),
    ("Event", ["_at_fork_reinit", "_flag", "_cond"]),
    ("Barrier", ["_parties", "_action", "_timeout", "_count", "_state", "_cond"]),
]


@pytest.mark.parametrize(("primitive", "name"), [(primitive, name) for primitive, names in PRIVATE for name in names])
def test_instances_have_the_private_attributes_that_other_code_uses(
    module: ModuleType, primitive: str, name: str
) -> None:
    assert hasattr(make(module, primitive), name)


@pytest.mark.parametrize("primitive", PRIMITIVES)
def test_all_are_context_managers_that_the_standard_library_has_so(module: ModuleType, primitive: str) -> None:
    for name in ("__enter__", "__exit__"):
        expected = hasattr(make_class(threading, primitive), name)
        assert hasattr(make_class(module, primitive), name) is expected


@only_ours
@pytest.mark.parametrize("primitive", PRIMITIVES)
def test_classes_say_where_they_are(module: ModuleType, primitive: str) -> None:
    cls = getattr(module, primitive)
    assert cls.__name__ == cls.__qualname__ == primitive
    assert cls.__module__ == "cthreading"


THREADS = ["Thread", "Timer", "_MainThread", "_DummyThread"]

FUNCTIONS = [
    name
    for name in (*threading.__all__, "activeCount", "currentThread", "__excepthook__")
    if name != "excepthook" and callable(getattr(threading, name)) and not isinstance(getattr(threading, name), type)
]
OUR_FUNCTIONS = [name for name in FUNCTIONS if getattr(cthreading, name) is not getattr(threading, name)]

CLASSES = [name for name in (*threading.__all__, *THREADS) if isinstance(getattr(threading, name), type)]

CLASS_METHODS = [
    (cls, name)
    for cls in CLASSES
    for name in dir(getattr(threading, cls))
    if not name.startswith("_") and callable(getattr(getattr(threading, cls), name))
]

NOT_THE_SAME = {
    "RLock": "there, it takes arguments only to warn of them or to refuse them",
}


def parameters(function: Any, is_method: bool = False) -> list[tuple[str, Any, Any]] | None:
    """Names, kinds and defaults; the annotations, which only the standard library's new iterators had, are left out.

    The self of a method comes without its kind: in C it can be given by position only.
    """
    signature = signature_of(function)
    if signature is None:
        return None
    shape = [(parameter.name, parameter.kind, parameter.default) for parameter in signature.parameters.values()]
    if is_method:
        assert shape[0][0] == "self"
        del shape[0]
    return shape


@pytest.mark.parametrize("name", [*FUNCTIONS, *CLASSES])
def test_public_names_take_what_the_standard_librarys_take(name: str) -> None:
    if name in NOT_THE_SAME:
        pytest.skip(NOT_THE_SAME[name])
    expected = parameters(getattr(threading, name))
    if expected is None:
        pytest.skip("the standard library's shows no signature")
    assert parameters(getattr(cthreading, name)) == expected


@pytest.mark.parametrize(("cls", "name"), CLASS_METHODS)
def test_methods_in_the_class_take_what_the_standard_librarys_take(cls: str, name: str) -> None:
    expected = parameters(getattr(getattr(threading, cls), name), True)
    if expected is None:
        pytest.skip("the standard library's shows no signature")
    ours = getattr(getattr(cthreading, cls), name)
    assert parameters(ours, True) == expected
    theirs = inspect.getfullargspec(getattr(getattr(threading, cls), name))
    spec = inspect.getfullargspec(ours)
    assert (spec.args, spec.varargs, spec.varkw) == (theirs.args, theirs.varargs, theirs.varkw)
    assert (spec.defaults, spec.kwonlyargs) == (theirs.defaults, theirs.kwonlyargs)


@only_ours
@pytest.mark.parametrize("name", OUR_FUNCTIONS)
def test_functions_have_signatures_and_docstrings(module: ModuleType, name: str) -> None:
    assert signature_of(getattr(module, name)) is not None
    assert getattr(module, name).__doc__
    assert "--\n\n" not in getattr(module, name).__doc__


def accepts(module: ModuleType, call: Any) -> Any:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return Outcome(call, module)


BY_NAME: dict[str, Any] = {
    "settrace": lambda module: module.settrace(func=module.gettrace()),
    "setprofile": lambda module: module.setprofile(func=module.getprofile()),
    "settrace without": lambda module: module.settrace(),
    "settrace twice": lambda module: module.settrace(None, func=None),
    "settrace wrong": lambda module: module.settrace(function=None),
    "setprofile wrong": lambda module: module.setprofile(function=None),
    "setDaemon": lambda module: module.Thread().setDaemon(daemonic=True),
    "setDaemon without": lambda module: module.Thread().setDaemon(),
    "setDaemon wrong": lambda module: module.Thread().setDaemon(daemon=True),
    "setName": lambda module: module.Thread().setName(name="fetch"),
    "setName without": lambda module: module.Thread().setName(),
    "join": lambda module: module.Thread().join(timeout=1),
    "join wrong": lambda module: module.Thread().join(time=1),
    "stack_size": lambda module: module.stack_size(size=0),
    "Thread": lambda module: module.Thread(group=None, target=None, name="a", args=(), kwargs=None, daemon=True).name,
    "Thread wrong": lambda module: module.Thread(function=None),
    "Timer": lambda module: module.Timer(interval=1, function=None, args=None, kwargs=None).interval,
    "Timer without": lambda module: module.Timer(),
    "Timer without function": lambda module: module.Timer(1),
    "Timer too many": lambda module: module.Timer(1, None, None, None, None),
    "wait_for": lambda module: with_condition(module).wait_for(predicate=lambda: 3, timeout=1),
    "current_thread": lambda module: module.current_thread(1),
    "start": lambda module: module.Thread().start(1),
}


def with_condition(module: ModuleType) -> Any:
    condition = module.Condition()
    condition.acquire()
    return condition


@pytest.mark.parametrize("what", BY_NAME)
def test_arguments_are_taken_by_name_and_wrong_ones_refused(what: str) -> None:
    expected, outcome = accepts(threading, BY_NAME[what]), accepts(cthreading, BY_NAME[what])
    assert (outcome.kind, outcome.type) == (expected.kind, expected.type)
    if expected.kind == "returned":
        assert outcome.text == expected.text


@pytest.mark.skipif(not hasattr(threading, "settrace_all_threads"), reason="from 3.12 on")
@pytest.mark.parametrize("name", ["settrace_all_threads", "setprofile_all_threads"])
def test_the_hooks_of_all_threads_are_set_by_name(module: ModuleType, name: str) -> None:
    getter = getattr(module, name.replace("set", "get").removesuffix("_all_threads"))
    before = getter()
    if before is not None:
        pytest.skip("something traces the tests")
    getattr(module, name)(func=None)
    assert getter() is None
    with pytest.raises(TypeError):
        getattr(module, name)()
