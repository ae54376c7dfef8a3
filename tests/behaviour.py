"""What the behaviour tests share: the outcome of a call in a form in which that of two modules can be compared.

The standard library that runs the tests says what is right: a call is made on its object and on ours, and whatever one
returns, raises or warns of, the other must too.
"""

from __future__ import annotations

import re
import threading
import time
import warnings
from collections.abc import Callable, Iterable
from fractions import Fraction
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
from helpers import PATIENCE, wait_until

import cthreading

only_ours = pytest.mark.parametrize("module", [cthreading], ids=["cthreading"])
"""For what the standard library does badly: it hangs, or the answer depends on luck."""

PRIMITIVES = ["Lock", "RLock", "Condition", "Semaphore", "BoundedSemaphore", "Event", "Barrier"]
WITH_INSTANCE_DICT = [name for name in PRIMITIVES if name not in ("Lock", "RLock")]


def make(module: ModuleType, name: str) -> Any:
    """A fresh primitive of that name, with the least arguments."""
    return getattr(module, name)(*([2] if name == "Barrier" else []))


def make_class(module: ModuleType, name: str) -> Any:
    """The class of that primitive: RLock, and on old versions Lock, are functions in the standard library."""
    factory = getattr(module, name)
    return factory if isinstance(factory, type) else type(factory())


def plain(text: str) -> str:
    """The text without addresses and without the names that tell the two modules apart."""
    text = re.sub(r"0x[0-9a-fA-F]+", "0x", text)
    text = text.replace("_thread.lock", "Lock").replace("_thread.RLock", "RLock")
    return re.sub(r"\bc?threading\.", "", text)


class Outcome:
    """What a call returned or raised, and the warnings that it issued."""

    def __init__(self, call: Callable[..., object], *args: object) -> None:
        with warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("always")
            try:
                value = call(*args)
            except Exception as error:
                self.kind, self.type, self.text = "raised", type(error), plain(str(error))
            else:
                self.kind, self.type, self.text = "returned", type(value), plain(repr(value))
        # The classes of what is returned are the modules' own; those of exceptions are shared.
        self.comparable = (self.kind, self.type if self.raised else self.type.__name__)
        self.warnings = [(warning.category, plain(str(warning.message))) for warning in caught]

    @property
    def raised(self) -> bool:
        return self.kind == "raised"

    def __repr__(self) -> str:
        return f"{self.kind} {self.type.__name__}: {self.text} {self.warnings or ''}"

    def assert_like(self, expected: Outcome, *, message: bool = True) -> None:
        """Fails unless this is what is expected; message=False leaves out the text of an exception.

        That of OverflowError never counts: it names C types, which differ among bug fix releases.
        """
        assert self.comparable == expected.comparable, f"{self}\nexpected: {expected}"
        assert self.warnings == expected.warnings
        if not self.raised or (message and self.type is not OverflowError):
            assert self.text == expected.text


def assert_same_outcome(module: ModuleType, call: Callable[[ModuleType], object], *, message: bool = True) -> None:
    """Fails unless call(module) ends as call(threading) does."""
    Outcome(call, module).assert_like(Outcome(call, threading), message=message)


def elsewhere(call: Callable[..., Any], *args: object) -> Any:
    """Calls it in a thread of its own, and returns or raises what it does."""
    results: list[Any] = []
    errors: list[BaseException] = []

    def run() -> None:
        try:
            results.append(call(*args))
        except BaseException as error:
            errors.append(error)

    thread = threading.Thread(target=run, daemon=True)
    thread.start()
    thread.join(PATIENCE)
    assert not thread.is_alive(), f"does not return: {call}"
    if errors:
        raise errors[0]
    return results[0]


def until_waiting(condition: Any, count: int) -> None:
    """Returns once so many threads wait in a Condition."""
    wait_until(lambda: len(condition._waiters) == count)
    # A waiter is listed before it lets go of the lock.
    with condition:
        pass


def until_asleep(threads: Iterable[threading.Thread]) -> None:
    """Returns once all of these threads are blocked or gone: asleep, and woken by nothing for a while.

    This makes it sure, where the system can tell, that a wait has begun which no attribute shows.
    """
    threads = list(threads)

    def read(thread: threading.Thread) -> str:
        try:
            return Path(f"/proc/self/task/{thread.native_id}/status").read_text()
        except (FileNotFoundError, ProcessLookupError):
            return ""  # it has ended

    def activity() -> list[str]:
        lines = [line for thread in threads for line in read(thread).splitlines()]
        return [line for line in lines if re.match("State|.*ctxt_switches", line)]

    def all_sleep_on() -> bool:
        before = activity()
        time.sleep(0.01)  # other threads can run meanwhile
        return before == activity() and all("sleeping" in line for line in before if "State" in line)

    if Path("/proc/self/task").exists():
        wait_until(all_sleep_on)
    else:
        time.sleep(0.2)


class Unclear:
    def __bool__(self) -> bool:
        raise ZeroDivisionError("neither true nor false")


ACQUIRE_CALLS: dict[str, tuple[tuple[Any, ...], dict[str, Any]]] = {
    "nothing": ((), {}),
    "True": ((True,), {}),
    "False": ((False,), {}),
    "1": ((1,), {}),
    "0": ((0,), {}),
    "2**100": ((2**100,), {}),
    "None": ((None,), {}),
    "empty string": (("",), {}),
    "half": ((0.5,), {}),
    "unclear": ((Unclear(),), {}),
    "blocking=False": ((), {"blocking": False}),
    "blocking=True": ((), {"blocking": True}),
    "timeout=0": ((), {"timeout": 0}),
    "timeout=0.0": ((), {"timeout": 0.0}),
    "timeout=False": ((), {"timeout": False}),
    "timeout=-1": ((), {"timeout": -1}),
    "timeout=-1.0": ((), {"timeout": -1.0}),
    "timeout=0.001": ((), {"timeout": 0.001}),
    "timeout=TIMEOUT_MAX": ((), {"timeout": threading.TIMEOUT_MAX}),
    "True, 0": ((True, 0), {}),
    "True, -1": ((True, -1), {}),
    "both named": ((), {"timeout": 0.001, "blocking": True}),
    "False, -1": ((False, -1), {}),
    "False, -1.0": ((False, -1.0), {}),
    "False, 0": ((False, 0), {}),
    "False, 1": ((False, 1), {}),
    "False, 0.5": ((False, 0.5), {}),
    "False, -2": ((False, -2), {}),
    "False, None": ((False, None), {}),
    "False, NaN": ((False, float("nan")), {}),
    "True, -2": ((True, -2), {}),
    "True, -0.5": ((True, -0.5), {}),
    "True, -1e-12": ((True, -1e-12), {}),
    "True, -1.000000001": ((True, -1.000000001), {}),
    "True, -1e300": ((True, -1e300), {}),
    "True, 1e300": ((True, 1e300), {}),
    "True, inf": ((True, float("inf")), {}),
    "True, -inf": ((True, float("-inf")), {}),
    "True, NaN": ((True, float("nan")), {}),
    "True, above TIMEOUT_MAX": ((True, threading.TIMEOUT_MAX * 1.1), {}),
    "True, 2**63": ((True, 2**63), {}),
    "True, 2**70": ((True, 2**70), {}),
    "True, -2**70": ((True, -(2**70)), {}),
    "True, 10**400": ((True, 10**400), {}),
    "True, None": ((True, None), {}),
    "True, string": ((True, "1"), {}),
    "True, bytes": ((True, b"1"), {}),
    "True, list": ((True, []), {}),
    "True, complex": ((True, 1j), {}),
    "True, Fraction": ((True, Fraction(1, 1000)), {}),
}
"""Good and bad arguments of Lock.acquire and RLock.acquire."""


def will_wait(args: tuple[Any, ...], keywords: dict[str, Any]) -> bool:
    """Whether a call of acquire waits for ever, or nearly, where the lock is locked."""
    arguments = dict(zip(("blocking", "timeout"), args, strict=False)) | keywords
    try:
        if not arguments.get("blocking", True):
            return False
        return arguments.get("timeout", -1) in (-1, threading.TIMEOUT_MAX)
    except ZeroDivisionError:
        return False
