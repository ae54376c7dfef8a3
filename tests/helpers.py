"""What the tests share: bounded joins and polls, and snippets run in an interpreter of their own.

Everything here ends: a thread that does not come back, a condition that never becomes true and a process that
hangs are failures with a message, not a test run that stands still.
"""

from __future__ import annotations

import os
import re
import shlex
import shutil
import site
import subprocess
import sys
import sysconfig
import textwrap
import threading
import time
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

import pytest

import cthreading

PATIENCE = 30.0  # seconds: how long something that happens at once may take on a slow and busy machine


def wait_until(predicate: Callable[[], Any], seconds: float = PATIENCE) -> None:
    """Polls until predicate() is true; fails after so many seconds."""
    deadline = time.monotonic() + seconds
    pause = 0.0001
    while not predicate():
        if time.monotonic() > deadline:
            raise AssertionError(f"not true within {seconds} s: {predicate}")
        time.sleep(pause)
        pause = min(pause * 2, 0.01)


def recursion_count(lock: Any) -> int:
    """How often this thread has acquired the RLock. Early patch releases of 3.11 have no method for that."""
    found = re.search(r" count=(\d+) ", repr(lock))
    assert found, repr(lock)
    return int(found[1]) if lock._is_owned() else 0


def join_all(threads: Iterable[threading.Thread], seconds: float = PATIENCE) -> None:
    """Joins all, with one deadline for the lot; fails if one is still alive then."""
    deadline = time.monotonic() + seconds
    late = []
    for thread in threads:
        thread.join(max(0.0, deadline - time.monotonic()))
        if thread.is_alive():
            late.append(thread)
    assert not late, f"not finished within {seconds} s: {late}"


class Crew:
    """Daemon threads of the standard library whose exceptions reach the test: start(), then join()."""

    def __init__(self) -> None:
        self.threads: list[threading.Thread] = []
        self.errors: list[BaseException] = []

    def start(self, work: Callable[..., object], *args: object, count: int = 1) -> threading.Thread:
        """Starts count threads that each call work(*args); returns the last."""
        for _ in range(count):
            thread = threading.Thread(target=self._run, args=(work, args), daemon=True)
            self.threads.append(thread)
            thread.start()
        return thread

    def _run(self, work: Callable[..., object], args: tuple[object, ...]) -> None:
        try:
            work(*args)
        except BaseException as error:
            self.errors.append(error)

    def join(self, seconds: float = PATIENCE) -> None:
        """Joins all threads and raises the first exception that one of them ended with."""
        threads, self.threads = self.threads, []
        try:
            join_all(threads, seconds)
        finally:
            if self.errors:
                raise self.errors.pop(0)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: object, *_: object) -> None:
        if kind is None:
            self.join()


@dataclass
class Outcome:
    """How a process ended and what it wrote."""

    returncode: int
    out: str
    err: str

    def check(self, out: str | None = None) -> None:
        """Fails unless the process ended well, wrote nothing to stderr and, if given, exactly this to stdout."""
        assert (self.returncode, self.err) == (0, ""), str(self)
        if out is not None:
            assert self.out.strip() == out, str(self)

    def __str__(self) -> str:
        return f"exit code {self.returncode}\n--- stdout\n{self.out}\n--- stderr\n{self.err}"


def child_environment() -> dict[str, str]:
    """The environment in which a child imports the same cthreading, wherever it lies, and these helpers."""
    environment = {name: value for name, value in os.environ.items() if not name.startswith("PYTEST_")}
    places = [str(Path(__file__).resolve().parent)]
    place = str(Path(cthreading.__file__).resolve().parent.parent)
    if place not in site.getsitepackages():
        places.append(place)
    environment["PYTHONPATH"] = os.pathsep.join([*places, *filter(None, [environment.get("PYTHONPATH")])])
    return environment


def run_python(
    code: str,
    *args: str,
    options: Iterable[str] = (),
    seconds: float = 60.0,
    env: Mapping[str, str] | None = None,
) -> Outcome:
    """Runs a snippet in a fresh interpreter: args are its sys.argv[1:], options go to the interpreter."""
    command = [sys.executable, "-X", "faulthandler", *options, "-c", textwrap.dedent(code), *args]
    environment = child_environment() | dict(env or {})
    try:
        done = subprocess.run(
            command,
            check=False,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            encoding="utf-8",
            errors="replace",
            timeout=seconds,
            env=environment,
        )
    except subprocess.TimeoutExpired as expired:
        out, err = (
            part.decode("utf-8", "replace") if isinstance(part, bytes) else part or ""
            for part in (expired.stdout, expired.stderr)
        )
        raise AssertionError(f"the process did not end within {seconds} s\n{Outcome(-1, out, err)}") from None
    return Outcome(done.returncode, done.stdout, done.stderr)


def find_compiler() -> list[str]:
    """The compiler that this Python was built with, or cc."""
    for command in (os.environ.get("CC"), sysconfig.get_config_var("CC"), "cc"):
        words = shlex.split(command or "")
        if words and shutil.which(words[0]):
            # The options after it are this Python's own.
            return words[:1]
    pytest.skip("no C compiler: install gcc or clang")
