"""Who waits for what, and who has that: waiting(), deadlocks() and what else asks; imported when first asked for.

The core knows each wait. Here is only what it copies: records, that name threads by their idents. Nothing takes a lock,
as whoever asks may be in the middle of a wait, of a deadlock even; for the same reason nothing is imported later.
"""

import contextlib
import linecache
import os
import sys
import tokenize  # noqa: F401, linecache would import it later
from collections.abc import Callable, Iterable
from types import CodeType, FrameType
from typing import Any, Literal, NamedTuple, TextIO

import cthreading
from cthreading import _core

_Thread: type[cthreading.Thread] = cthreading._theirs["Thread"]
_Places = list[tuple[CodeType, int | None]]

FRAMES = 8
"""So many of each thread are shown."""


class Wait(NamedTuple):
    """One wait of a thread, or of a task, as waiting() and deadlocks() return it.

    thread     the Thread that waits, or that runs the event loop of the task; None where threading does not know it
    operation  "acquire", "wait", "join", "get" or "put"
    object     what it waits for: the Lock, Condition, Queue, the Thread to be joined ...
    seconds    for how long it has waited
    remaining  seconds until its timeout; None if there is none
    holder     the Thread that has the object, or that is to be joined; None where nobody has it, or nobody can know
    task       the asyncio task that waits; None for a thread
    """

    thread: cthreading.Thread | None
    operation: str
    object: Any
    seconds: float
    remaining: float | None
    holder: cthreading.Thread | None
    task: Any = None


Wait.__module__ = "cthreading"


class DeadlockError(RuntimeError):
    """Raised in a wait that is part of a deadlock, once watch_deadlocks("raise") has been called."""

    __module__ = "cthreading"


class _Record(NamedTuple):
    """A wait as the core knows it. The serial is never used again; busy: its thread runs a signal handler."""

    serial: int
    ident: int
    operation: str
    object: Any
    seconds: float
    remaining: float | None
    holder: int
    busy: bool


_Row = tuple[int, int, str, Any, float, float | None, int, bool]
"""The same as the core tells it."""
_Threads = dict[int, cthreading.Thread]


def _threads() -> _Threads:
    """Those that threading knows, by their idents."""
    threads: _Threads = cthreading._theirs["_active"].copy()
    return threads


def _records() -> list[_Record]:
    return [_Record._make(row) for row in _core._waits()]


# Idents of threads that run a signal handler which is going to end their wait: for the time being that counts.
_interrupted: set[int] = set()


def _is_for_end(record: _Record) -> bool:
    """Whether it is the join of a Thread: queues have another one."""
    return isinstance(record.object, _Thread)


def _as_wait(record: _Record, threads: _Threads) -> Wait:
    _, ident, operation, thing, seconds, remaining, holder, _ = record
    owner = thing if _is_for_end(record) else threads.get(holder)
    return Wait(threads.get(ident), operation, thing, seconds, remaining, owner)


def _task_waits(threads: _Threads) -> list[Wait]:
    return [
        Wait(threads.get(_loop_ident(task)), "wait", thing, seconds, None, None, task)
        for _, task, thing, seconds in getattr(_core, "_task_waits", list)()
    ]


def _loop_ident(task: Any) -> int:
    try:
        return int(task.get_loop()._thread_id)
    except Exception:
        return 0  # a task, or a loop, of another kind


def waiting() -> list[Wait]:
    """Return a Wait for each wait that a thread of this interpreter, or a task at one of our barriers, is in now.

    Those of threads come first, and of a thread that waits in a signal handler, in the middle of a wait, the innermost.
    Waits at the standard library's own locks are not known. Any thread may call it, at any time; nobody is stopped.
    Without a GIL a wait that begins or ends meanwhile may be listed or not.
    """
    records = _records()
    threads = _threads()
    return [*(_as_wait(record, threads) for record in records), *_task_waits(threads)]


def _stuck(rows: list[_Row]) -> dict[int, _Row]:
    """By ident, the threads that only what another thread does can free, which is known: their innermost waits."""
    innermost = {row[1]: row for row in reversed(rows)}
    return {
        ident: row
        for ident, row in innermost.items()
        for remaining, holder, busy in [row[5:]]
        if holder and remaining is None and (not busy or ident in _interrupted)
    }


def _walk(stuck: dict[int, _Row]) -> list[list[_Record]]:
    """The cycles. Each thread waits for one other: from each, go on until somebody has been there before."""
    cycles = []
    passed: dict[int, int] = {}  # from which start
    for start in stuck:
        path = []
        ident = start
        while ident in stuck and ident not in passed:
            passed[ident] = start
            path.append(ident)
            ident = stuck[ident][6]
        if passed.get(ident) == start:
            cycles.append([_Record._make(stuck[member]) for member in path[path.index(ident) :]])
    return cycles


def _find(look: Callable[[], list[_Row]]) -> tuple[list[list[_Record]], _Threads]:
    """The cycles that are real, each from its longest wait on, and that of the longest first; and their threads.

    Of all waits, or of those that the calling thread comes to: as it looks. Without a GIL the rows are not all of one
    moment. The same waits in three looks have lasted from the first to the third; what such a thread has in the second
    it has had since the first, as it could take nothing in between.
    """
    stuck = _stuck(look())
    cycles = _walk(stuck)
    threads = _threads() if cycles else {}
    for _ in range(2):
        if cycles:
            stuck = _stuck(look())
            cycles = [cycle for cycle in cycles if all(_lasts(record, stuck, threads) for record in cycle)]
    return sorted(map(_from_longest, cycles), key=lambda cycle: -cycle[0].seconds), threads


def _lasts(record: _Record, stuck: dict[int, _Row], threads: _Threads) -> bool:
    now = stuck.get(record.ident)
    if now is None or (now[0], now[6]) != (record.serial, record.holder):
        return False
    # A thread that has ended leaves its ident to another one, before those that join it are awake.
    return not _is_for_end(record) or threads.get(record.holder) is record.object


def _from_longest(cycle: list[_Record]) -> list[_Record]:
    first = max(range(len(cycle)), key=lambda place: cycle[place].seconds)
    return cycle[first:] + cycle[:first]


def deadlocks() -> list[list[Wait]]:
    """Return the deadlocks: a list of cycles, each a list of Waits, from the one on that has lasted longest.

    Each waits without a timeout for what the next one's thread holds, or for the next one's thread to end; the last for
    the first. A thread that waits for a Lock which it took itself is a cycle of one. All of a cycle has been so at one
    moment, and lasts unless something else interferes: a Lock may be released by any thread, and a signal handler may
    raise. A thread that runs a signal handler in the middle of its wait is not counted.
    """
    cycles, threads = _find(_core._waits)
    return [[_as_wait(record, threads) for record in cycle] for cycle in cycles]


# For people: text. All of it is made first, and then written at once.


def _name(thread: object) -> str:
    """The name, without a call of what a class may have in the place of the attribute; "" for None."""
    try:
        return str(vars(thread)["_name"])
    except Exception:
        return ""


def _titled(ident: int, threads: _Threads) -> str:
    name = _name(threads.get(ident))
    return f"Thread 0x{ident:016x}" + (f" [{name}]" if name else "")


def _described(thing: object) -> str:
    """The repr, unless that is somebody else's code: it might raise, or wait for what is held."""
    try:
        if isinstance(thing, _Thread):
            return f"<{type(thing).__qualname__} [{_name(thing)}]>"
        home = next(base.__module__ for base in type(thing).__mro__ if "__repr__" in vars(base))
        if home.partition(".")[0] in ("cthreading", "threading"):
            return repr(thing)
    except Exception:
        pass
    return object.__repr__(thing)


def _message(cycle: list[_Record], threads: _Threads) -> str:
    def who(ident: int) -> str:
        return f"thread {_name(threads.get(ident)) or hex(ident)}"

    links = [
        f"waits for {_described(record.object)} "
        + ("to end" if _is_for_end(record) else f"held by {who(record.holder)}")
        for record in cycle
    ]
    return f"deadlock: {who(cycle[0].ident)} {', which '.join(links)}"


def _places_of(frame: FrameType | None) -> _Places:
    """Where a thread is, the innermost first; without what is here, and with one more than is shown."""
    while frame is not None and frame.f_globals is globals():
        frame = frame.f_back
    places: _Places = []
    while frame is not None and len(places) <= FRAMES:
        places.append((frame.f_code, frame.f_lineno))
        frame = frame.f_back
    return places


def _all_places(idents: set[int]) -> dict[int, _Places]:
    # Nothing else meanwhile: who holds something runs on. The dict has our own frame in it and must not lie in it.
    return {ident: _places_of(frame) for ident, frame in sys._current_frames().items() if ident in idents}


def _places_in(task: Any) -> _Places:
    try:
        return [(frame.f_code, frame.f_lineno) for frame in reversed(task.get_stack(limit=FRAMES))]
    except Exception:
        return []


def _lines_of(places: _Places) -> Iterable[str]:
    for code, line in places[:FRAMES]:
        yield f'  File "{code.co_filename}", line {"???" if line is None else line} in {code.co_name}'
        source = ""
        with contextlib.suppress(Exception):
            source = linecache.getline(code.co_filename, line or 0).strip()
        if source:
            yield f"    {source}"
    if len(places) > FRAMES:
        yield "  ..."
    elif not places:
        yield "  <no Python frame>"


def _facts_of(record: _Record, threads: _Threads) -> Iterable[str]:
    limit = "no timeout" if record.remaining is None else f"{record.remaining:.3f} s to its timeout"
    yield f"  Waits: {record.operation} of {_described(record.object)}"
    yield f"  Since: {record.seconds:.3f} s, {limit}" + (", in a signal handler" if record.busy else "")
    if record.holder:
        yield f"  {'To end' if _is_for_end(record) else 'Held by'}: {_titled(record.holder, threads)}"


def _paragraph(title: str, facts: Iterable[str], places: _Places) -> str:
    return "\n".join([f"{title} (most recent call first):", *facts, *_lines_of(places)])


def _threads_text(cycles: list[list[_Record]], records: list[_Record], threads: _Threads) -> Iterable[str]:
    """Paragraphs: the deadlocks, who waits besides, and the threads that hold what they wait for."""
    waits: dict[int, list[_Record]] = {record.ident: [record] for cycle in cycles for record in cycle}
    stuck = {*waits}
    for record in records:
        found = waits.setdefault(record.ident, [])
        if all(record.serial != other.serial for other in found):
            found.append(record)
    holders = {record.holder for found in waits.values() for record in found} - {0, *waits}
    places = _all_places({*waits, *holders})

    def paragraph(ident: int) -> str:
        facts = [line for record in waits.get(ident, ()) for line in _facts_of(record, threads)]
        return _paragraph(_titled(ident, threads), facts, places.get(ident, []))

    for cycle in cycles:
        yield (
            f"Deadlock: {len(cycle)} threads, each of which waits for the next one, and the last for the first"
            if len(cycle) > 1
            else "Deadlock: a thread waits for what it holds itself"
        )
        yield from (paragraph(record.ident) for record in cycle)
    others = [ident for ident in waits if ident not in stuck]
    if others:
        yield "Threads that wait"
        yield from map(paragraph, others)
    if holders:
        yield "Threads that hold what others wait for, or are to be joined"
        yield from map(paragraph, sorted(holders))


def _tasks_text(threads: _Threads) -> Iterable[str]:
    for wait in _task_waits(threads):
        try:
            name = str(wait.task.get_name())
        except Exception:
            name = hex(id(wait.task))
        facts = [f"  Waits: {wait.operation} of {_described(wait.object)}", f"  Since: {wait.seconds:.3f} s"]
        if _loop_ident(wait.task):
            facts.append(f"  Run by: {_titled(_loop_ident(wait.task), threads)}")
        yield _paragraph(f"Task [{name}]", facts, _places_in(wait.task))


def _write(file: TextIO | int | None, paragraphs: Iterable[str]) -> None:
    text = "\n\n".join(paragraphs) + "\n\n"
    file = sys.stderr if file is None else file
    if isinstance(file, int):
        rest = text.encode("utf-8", "backslashreplace")
        while rest:
            rest = rest[os.write(file, rest) :]
    elif file is not None:
        try:
            file.write(text)
        except UnicodeEncodeError:
            file.write(text.encode("ascii", "backslashreplace").decode())
        file.flush()


def dump_waits(file: TextIO | int | None = None) -> None:
    """Write who waits for what to file, for people, in the form of faulthandler: deadlocks first.

    For each waiting thread: what it waits for, for how long, who has that, and where in the code it waits; and where a
    holder is that does not wait. file is a text file or a file descriptor; None is sys.stderr as it is then. It is
    written to once. Nothing is raised if it cannot be written to: if it is closed, say, or sys.stderr is None.
    """
    cycles, known = _find(_core._waits)
    records = _records()
    threads = _threads() | known
    paragraphs = [*_threads_text(cycles, records, threads), *_tasks_text(threads)]
    # Closed, or in the middle of a write of this thread's own.
    with contextlib.suppress(OSError, ValueError, RuntimeError):
        _write(file, paragraphs or ["No thread waits"])


class _Watcher:
    """What a thread calls that has waited for long."""

    def __init__(self, action: str | Callable[[list[Wait]], object]) -> None:
        self.action = action
        self.reported: dict[frozenset[int], object] = {}

    def __call__(self, serial: int) -> None:
        # Once reported, a wait is part of another deadlock only if a later one is, whose thread looks itself.
        if any(serial in serials for serials in [*self.reported]):
            return
        # Not at all waits: with thousands of threads, thousands look.
        cycles, threads = _find(_core._chain_of_waits)
        if not cycles or serial not in (record.serial for record in cycles[0]):
            return
        if self.action == "raise":
            # Each member may: the wait for a condition's lock goes on all the same, and another one has to break it.
            message = _message(cycles[0], threads)
            del cycles, threads  # the traceback has this frame
            raise DeadlockError(message)
        if self._is_new(frozenset(record.serial for record in cycles[0])):
            if isinstance(self.action, str):
                _report(cycles, threads)
            else:
                self.action([_as_wait(record, threads) for record in cycles[0]])

    def _is_new(self, serials: frozenset[int]) -> bool:
        """Whether nobody has reported the deadlock before. Forgets those that are over: of which a wait has ended."""
        known = [*self.reported]
        if serials in known:
            return False
        # After those that are known: of a later one, the waits might not be among these.
        present = {row[0] for row in _core._waits()}
        for other in known:
            if not other <= present:
                self.reported.pop(other, None)
        mine = object()
        return self.reported.setdefault(serials, mine) is mine


def _report(cycles: list[list[_Record]], threads: _Threads) -> None:
    # What is wrong with sys.stderr is not to end the wait.
    with contextlib.suppress(Exception):
        _write(None, _threads_text(cycles, [], threads))


def watch_deadlocks(
    action: Literal["report", "raise"] | Callable[[list[Wait]], object] | None = "report", after: float = 1.0
) -> None:
    """From now on, have each thread that has waited for long without a timeout look whether it is part of a deadlock.

    It does so after so many seconds, and again after two, four, eight times as many. If it is, as deadlocks() says:

    - action "report": the deadlock is written to sys.stderr, as by dump_waits(); once.
    - action "raise": the wait raises DeadlockError, whose message names all threads of the deadlock.
    - a callable: it is called by the waiting thread, as a signal handler would be, with the list of Waits; once for
      each deadlock. What it raises ends the wait.

    A wait for the lock of a condition, in Condition.wait(), raises only once it has the lock: others of the deadlock
    raise before. Each call replaces what the one before has set; action None ends it. It is for the threads of this
    interpreter. Raise ValueError if action or after is not one of these: after is a positive number of seconds.
    """
    if not (action is None or callable(action) or action in ("report", "raise")):
        raise ValueError(f"action must be 'report', 'raise', a callable or None, not {action!r}")
    if not 0 < after <= cthreading.TIMEOUT_MAX:
        raise ValueError(f"after must be a positive number of seconds, not {after!r}")
    _core._watch_waits(None if action is None else _Watcher(action), float(after))
