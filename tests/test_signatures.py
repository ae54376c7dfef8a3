"""Signatures, docstrings and attributes, beside those of the running standard library."""

from __future__ import annotations

import inspect
import threading
from types import ModuleType
from typing import Any
from unittest import mock

import pytest
from behaviour import PRIMITIVES, make, make_class, only_ours

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
    ("RLock", ["_at_fork_reinit", "_is_owned", "_release_save", "_acquire_restore", "_recursion_count"]),
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
