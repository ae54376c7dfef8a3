"""Every public name says what it does: its arguments, their units, and the document whose behaviour it follows."""

from __future__ import annotations

import asyncio
import inspect
import queue
import re
import threading
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

import cthreading
import cthreading.queue
from cthreading import aio, bench

ROOT = Path(__file__).resolve().parent.parent

PAGES = {"cthreading", "cthreading.aio", "cthreading.bench", "cthreading.queue"}

OWN_NAMES = {"install", "uninstall", "installed"}
OWN_NAMES |= {"waiting", "deadlocks", "dump_waits", "watch_deadlocks", "profile_waits", "Wait", "DeadlockError"}
"""Public, but in no list of names: `from cthreading import *` is what it is with threading."""

OPERATORS = {"__enter__", "__exit__", "__aenter__", "__aexit__"}


def is_ours(value: Any) -> bool:
    if value is getattr(threading, getattr(value, "__name__", ""), None):
        return False  # the standard library's own
    home = str(getattr(value, "__module__", None)).partition(".")[0]
    return home == "cthreading" or isinstance(getattr(value, "__self__", None), ModuleType)


def origin_of(name: str) -> ModuleType:
    if name.startswith("cthreading.queue."):
        return queue
    return asyncio if name.startswith("cthreading.aio.") else threading


def names_of(module: ModuleType) -> Iterator[tuple[str, Any]]:
    """The public functions and classes, and the public attributes of the classes."""
    more = [name for name in sorted(OWN_NAMES) if module is cthreading and hasattr(module, name)]
    for name in [*getattr(module, "__all__", ["main"]), *more]:
        value = getattr(module, name)
        if not is_ours(value):
            continue
        yield name, value
        if inspect.isclass(value):
            for attribute, part in vars(value).items():
                if not attribute.startswith("_") or attribute in OPERATORS:
                    yield f"{name}.{attribute}", part


PUBLIC = {
    f"{module.__name__}.{name}": value
    for module in (cthreading, aio, bench, cthreading.queue)
    for name, value in names_of(module)
}

CALLED = {
    name: value
    for name, value in PUBLIC.items()
    if callable(value)
    and name.rpartition(".")[2] not in OPERATORS
    and not (inspect.isclass(value) and issubclass(value, BaseException))
}
"""Those with arguments that a caller chooses."""

FOLLOWING = {
    name: value
    for name, value in CALLED.items()
    if hasattr(origin_of(name), name.split(".")[1 + name.startswith("cthreading.aio.")])
    and not re.search(r"Deprecated: |old name", value.__doc__ or "")
}
"""Those that threading or asyncio has too, but for old names."""


def test_what_is_tested_is_what_there_is() -> None:
    ours = {name for name in threading.__all__ if getattr(cthreading, name) is not getattr(threading, name)}
    assert PUBLIC.keys() > {f"cthreading.{name}" for name in ours}
    assert PUBLIC.keys() > {
        "cthreading.Lock.acquire_lock",
        "cthreading.Thread.start",
        "cthreading.Thread.native_id",
        "cthreading.aio.Barrier.wait",
        "cthreading.aio.MixedBarrier.n_waiting",
        "cthreading.bench.main",
    }


@pytest.mark.parametrize("name", PUBLIC)
def test_it_has_a_docstring_of_its_own(name: str) -> None:
    documentation = PUBLIC[name].__doc__
    assert documentation
    assert len(documentation) > 10
    assert documentation != getattr(object, name.rpartition(".")[2], type(PUBLIC[name])).__doc__
    assert "--\n\n" not in documentation


@pytest.mark.parametrize("name", CALLED)
def test_every_argument_is_named_and_every_timeout_is_in_seconds(name: str) -> None:
    documentation = CALLED[name].__doc__
    parameters = set(inspect.signature(CALLED[name]).parameters) - {"self"}
    if parameters & {"timeout", "interval"}:
        assert "seconds" in documentation
    if name in FOLLOWING:
        assert [parameter for parameter in parameters if not re.search(rf"\b{parameter}\b", documentation)] == []


@pytest.mark.parametrize("name", FOLLOWING)
def test_it_names_what_it_follows(name: str) -> None:
    method = name.rpartition(".")[2]
    assert re.search(rf"\b({origin_of(name).__name__}|generator)\.(\w+\.)?{method}\b", FOLLOWING[name].__doc__)


def test_the_reference_has_every_public_name() -> None:
    reference = ROOT / "docs" / "reference.rst"
    described = set(re.findall(r"^ *\.\. (?:auto|py:)\w+:: ([\w.]+)", reference.read_text(encoding="utf-8"), re.M))
    assert {name for name in PUBLIC if name.rpartition(".")[0] in PAGES} - described == set()
