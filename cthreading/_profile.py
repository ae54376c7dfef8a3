"""Where a program waits, and for how long: cthreading.profile_waits(), and what --profile-waits needs.

The waits are added up in src/profile.c. Here they get names, and forms that people and programs can read.
"""

from __future__ import annotations

import os
import sys
from _thread import allocate_lock
from collections import defaultdict
from pathlib import PurePath
from types import TracebackType
from typing import IO, Any, NamedTuple, NoReturn

from cthreading import _core

SHOWN = 40  # places in a table
SHOWN_HOLDERS = 3
# What would end a frame or a line of the folded format.
UNFOLDABLE = str.maketrans(";\n\r", ",  ")


class WaitPlace(NamedTuple):
    """A line of code that waited: for which kind of object and what, how often, and for how many seconds."""

    file: str
    line: int
    function: str
    kind: str
    operation: str
    count: int  # type: ignore[assignment]
    seconds: float
    longest: float
    holders: dict[str, float]


class _Sum:
    """What is known of one place, in nanoseconds."""

    def __init__(self) -> None:
        self.count = self.total = self.longest = 0
        self.holders: defaultdict[str, int] = defaultdict(int)
        self.stacks: defaultdict[tuple[str, ...], int] = defaultdict(int)

    def add(self, count: int, total: int, longest: int, holders: list[Any], stacks: list[Any]) -> None:
        self.count += count
        self.total += total
        self.longest = max(self.longest, longest)
        for name, nanoseconds in holders:
            self.holders[name] += nanoseconds
        for nanoseconds, calls in stacks:
            self.stacks[tuple(map(_frame_of, reversed(calls)))] += nanoseconds


def _place_of(call: tuple[Any, int]) -> tuple[str, int, str]:
    code, line = call
    if code is None:
        return "", 0, "(no Python code)"
    return code.co_filename, line or 0, code.co_qualname


def _frame_of(call: tuple[Any, int]) -> str:
    """The call as a frame of the folded format: `function (file.py:12)`."""
    file, line, function = _place_of(call)
    if not file:
        return "..."
    path = PurePath(file)
    # All packages have these.
    short = "/".join(path.parts[-2:]) if path.name in ("__init__.py", "__main__.py") else path.name
    return f"{function} ({short}:{line})".translate(UNFOLDABLE)


class profile_waits:
    """While it is on, all waits of the program are added up by the places in the code where they happen.

    So it is used::

        with cthreading.profile_waits() as profile:
            ...
        profile.print_table()

    `places`, `stacks` and what is written can be asked for in the middle of it, too, and then hold the waits that have
    ended so far. One profile at a time: RuntimeError otherwise. It is that of one interpreter and one process: a child
    of fork has none.

    What is said of a place is exact. How its time is divided among those who called it is not: these are looked at when
    it has gathered a millisecond since the last time, or more where much is waited, and all of it is put down to the
    callers that are there then. Holders are those who had the object when the wait began, the eight or so that had it
    longest; with a timeout or without, it counts in full.
    """

    def __init__(self) -> None:
        self._lock = allocate_lock()
        self._process = 0  # in which it is on
        # By the first five of a WaitPlace. Not by code objects: those of different files can be equal.
        self._sums: defaultdict[tuple[str, int, str, str, str], _Sum] = defaultdict(_Sum)

    def __enter__(self) -> profile_waits:
        """Begin to profile, and return the profile."""
        _core._profile_begin()
        self._process = os.getpid()
        self._sums.clear()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        """End the profile. What it has can be asked for from then on."""
        self._collect(end=True)

    def _collect(self, end: bool = False) -> None:
        """Fetch what has been added up."""
        with self._lock:
            if self._process == os.getpid():
                for call, kind, operation, *row in _core._profile_end() if end else _core._profile_take():
                    self._sums[(*_place_of(call), kind.__name__, operation)].add(*row)
            elif self._process:
                # That is the parent's, who goes on.
                self._sums.clear()
                end = True
            if end:
                self._process = 0

    @property
    def places(self) -> list[WaitPlace]:
        """Where threads have waited; the longest waits in all first."""
        self._collect()
        places = [
            WaitPlace(
                *place,
                known.count,
                known.total / 1e9,
                known.longest / 1e9,
                {name: time / 1e9 for name, time in sorted(known.holders.items(), key=lambda item: -item[1])},
            )
            for place, known in [*self._sums.items()]
        ]
        return sorted(places, key=lambda place: (-place.seconds, place[:5]))

    @property
    def stacks(self) -> dict[tuple[str, ...], int]:
        """Microseconds by who called whom: the kind of object, the outermost frame, and so on to who waited."""
        self._collect()
        found: defaultdict[tuple[str, ...], int] = defaultdict(int)
        for (_file, _line, _function, kind, _operation), known in [*self._sums.items()]:
            for frames, nanoseconds in known.stacks.items():
                found[(kind.translate(UNFOLDABLE), *frames)] += nanoseconds
        return {frames: round(nanoseconds / 1000) for frames, nanoseconds in sorted(found.items())}

    def write_folded(self, path: str | os.PathLike[str]) -> None:
        """Write the stacks to this file, one a line: what flamegraph.pl, speedscope and others open."""
        lines = [f"{';'.join(frames)} {weight}\n" for frames, weight in self.stacks.items() if weight]
        with open(path, "w", encoding="utf-8", errors="backslashreplace") as file:
            file.writelines(lines)

    def print_table(self, file: IO[str] | None = None) -> None:
        """Write the places, where threads waited longest first, as a table; to standard error, if no file is given."""
        file = sys.stderr if file is None else file
        if file is not None:
            file.write(_table(self.places))


def _seconds(seconds: float) -> str:
    return f"{seconds:.3f}" if seconds < 1000 else f"{seconds:.0f}"


def _table(places: list[WaitPlace]) -> str:
    rows = [("seconds", "longest", "count", "what", "where", "held by")]
    for place in places[:SHOWN]:
        where = f"{place.file}:{place.line} in {place.function}" if place.file else place.function
        held = ", ".join(f"{name} {_seconds(time)}" for name, time in [*place.holders.items()][:SHOWN_HOLDERS])
        what = f"{place.kind}.{place.operation}"
        rows.append((_seconds(place.seconds), _seconds(place.longest), str(place.count), what, where, held))
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    # Numbers to the right, text to the left.
    form = "  ".join(f"{{:{'>' if i < 3 else '<'}{width}}}" for i, width in enumerate(widths))
    lines = [form.format(*row) for row in rows]
    count = sum(place.count for place in places)
    head = f"cthreading: {count} waits, {_seconds(sum(place.seconds for place in places))} s in all"
    if len(places) > SHOWN:
        rest = sum(place.seconds for place in places[SHOWN:])
        lines.append(f"and {len(places) - SHOWN} more places, {_seconds(rest)} s")
    return "".join(f"{line.rstrip()}\n" for line in (head, *(lines if places else ())))


def _complain(path: str, error: OSError) -> None:
    if sys.stderr is not None:
        print(f"python -m cthreading: error: cannot write the profile to {path}: {error.strerror}", file=sys.stderr)


def _refuse(path: str, error: OSError) -> NoReturn:
    _complain(path, error)
    raise SystemExit(2)


def start(path: str) -> None:
    """Profile the waits of this process until it ends; then a table goes to standard error, the stacks to the file.

    SystemExit if the file cannot be written.
    """
    import atexit

    path = os.path.abspath(path)
    try:
        # Without emptying it: so far there is nothing to put there.
        open(path, "ab").close()
    except OSError as error:
        _refuse(path, error)
    profile = profile_waits()
    profile.__enter__()
    atexit.register(_finish, profile, path, os.getpid())


def _finish(profile: profile_waits, path: str, process: int) -> None:
    if os.getpid() != process:
        return
    profile.__exit__(None, None, None)
    profile.print_table()
    try:
        profile.write_folded(path)
    except OSError as error:
        _complain(path, error)
