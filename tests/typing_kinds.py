"""Passes our objects where threading's are annotated, and the other way round. mypy and pyright are strict with it.

test_typing.py runs it: whoever takes one looks at it too.
"""

import asyncio
import sys
import threading
from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeVar

import cthreading
from cthreading import aio

T = TypeVar("T")


# Functions annotated with the one module's types


def theirs_lock(it: threading.Lock) -> threading.Lock:
    return it


def ours_lock(it: cthreading.Lock) -> cthreading.Lock:
    return it


def theirs_condition(it: threading.Condition) -> threading.Condition:
    assert isinstance(it, threading.Condition)
    return it


def ours_condition(it: cthreading.Condition) -> cthreading.Condition:
    return it


def theirs_semaphore(it: threading.Semaphore) -> threading.Semaphore:
    assert isinstance(it, threading.Semaphore)
    return it


def ours_semaphore(it: cthreading.Semaphore) -> cthreading.Semaphore:
    return it


def theirs_bounded(it: threading.BoundedSemaphore) -> threading.BoundedSemaphore:
    assert isinstance(it, threading.BoundedSemaphore)
    return it


def ours_bounded(it: cthreading.BoundedSemaphore) -> cthreading.BoundedSemaphore:
    return it


def theirs_event(it: threading.Event) -> threading.Event:
    assert isinstance(it, threading.Event)
    return it


def ours_event(it: cthreading.Event) -> cthreading.Event:
    return it


def theirs_barrier(it: threading.Barrier) -> threading.Barrier:
    assert isinstance(it, threading.Barrier)
    return it


def ours_barrier(it: cthreading.Barrier) -> cthreading.Barrier:
    return it


def theirs_local(it: threading.local) -> threading.local:
    assert isinstance(it, threading.local)
    return it


def ours_local(it: cthreading.local) -> cthreading.local:
    return it


def theirs_thread(it: threading.Thread) -> threading.Thread:
    return it


def ours_thread(it: cthreading.Thread) -> cthreading.Thread:
    return it


def theirs_timer(it: threading.Timer) -> threading.Timer:
    return it


def ours_timer(it: cthreading.Timer) -> cthreading.Timer:
    return it


def theirs_async_barrier(it: asyncio.Barrier) -> asyncio.Barrier:
    assert isinstance(it, asyncio.Barrier)
    return it


def ours_async_barrier(it: aio.Barrier) -> aio.Barrier:
    return it


def pass_arguments() -> None:
    ours_lock(theirs_lock(cthreading.Lock())).acquire()
    theirs_lock(ours_lock(threading.Lock())).acquire()
    ours_condition(theirs_condition(cthreading.Condition(threading.Lock()))).acquire()
    theirs_condition(ours_condition(threading.Condition(cthreading.Lock()))).acquire()
    theirs_condition(cthreading.Condition(threading.RLock())).acquire()
    ours_condition(threading.Condition(cthreading.RLock())).acquire()
    ours_semaphore(theirs_semaphore(cthreading.Semaphore())).release()
    theirs_semaphore(ours_semaphore(threading.Semaphore())).release()
    ours_semaphore(theirs_semaphore(cthreading.BoundedSemaphore())).acquire()
    ours_bounded(theirs_bounded(cthreading.BoundedSemaphore())).acquire()
    theirs_bounded(ours_bounded(threading.BoundedSemaphore())).acquire()
    ours_event(theirs_event(cthreading.Event())).set()
    theirs_event(ours_event(threading.Event())).set()
    ours_barrier(theirs_barrier(cthreading.Barrier(1))).wait()
    theirs_barrier(ours_barrier(threading.Barrier(1))).wait()
    ours_local(theirs_local(cthreading.local())).anything = 1
    theirs_local(ours_local(threading.local())).anything = 1
    ours_thread(theirs_thread(cthreading.Thread())).start()
    theirs_thread(ours_thread(threading.Thread())).start()
    ours_timer(theirs_timer(cthreading.Timer(1, print))).cancel()
    theirs_timer(ours_timer(threading.Timer(1, print))).cancel()
    theirs_thread(cthreading.Timer(1, print)).is_alive()
    ours_async_barrier(theirs_async_barrier(aio.Barrier(2)))
    theirs_async_barrier(ours_async_barrier(asyncio.Barrier(2)))


class Service:
    """Attributes annotated with the one module's types, and set to the other's objects."""

    stopping: threading.Event = cthreading.Event()
    ready: cthreading.Event = threading.Event()

    def __init__(self) -> None:
        self.lock: threading.Lock = cthreading.Lock()
        self.other_lock: cthreading.Lock = threading.Lock()
        self.owner: threading.Thread = cthreading.current_thread()
        self.other_owner: cthreading.Thread = threading.current_thread()
        self.all: list[threading.Thread] = cthreading.enumerate()
        self.all_others: list[cthreading.Thread] = threading.enumerate()


@dataclass
class Job:
    """Fields."""

    done: threading.Event
    other_done: cthreading.Event
    lock: threading.Lock
    turn: cthreading.Condition
    thread: threading.Thread | None = None
    slots: cthreading.Semaphore | None = None


def set_all(events: list[threading.Event]) -> None:
    for event in events:
        event.set()


def set_all_of_ours(events: list[cthreading.Event]) -> None:
    for event in events:
        event.set()


def start(cls: type[threading.Thread]) -> threading.Thread:
    thread = cls(target=print, args=("",), kwargs={"end": ""})
    thread.start()
    return thread


def make_of_ours(cls: type[cthreading.Event]) -> cthreading.Event:
    return cls()


def call(make: Callable[[], T]) -> T:
    return make()


class Summing(cthreading.Thread):
    """An override of run."""

    def __init__(self, *numbers: int) -> None:
        super().__init__(name="summing")
        self.numbers = numbers
        self.result = 0

    def run(self) -> None:
        self.result = sum(self.numbers)

    def join(self, timeout: float | None = None) -> None:
        super().join(timeout)


class Counting(cthreading.Semaphore):
    """An override of what takes and gives."""

    taken = 0

    def acquire(self, blocking: bool = True, timeout: float | None = None) -> bool:
        self.taken += 1
        return super().acquire(blocking, timeout)

    def release(self, n: int = 1) -> None:
        self.taken -= n
        super().release(n)


def use_generics() -> None:
    ours: list[cthreading.Event] = [cthreading.Event()]
    theirs: list[threading.Event] = [threading.Event()]
    set_all(ours)
    set_all_of_ours(theirs)
    by_name: dict[str, threading.Condition] = {"turn": cthreading.Condition()}
    by_name_of_ours: dict[str, cthreading.Condition] = by_name
    assert by_name_of_ours is by_name
    for cls in (cthreading.Thread, threading.Thread):
        start(cls).join()
    for event_type in (cthreading.Event, threading.Event):
        make_of_ours(event_type).set()
    set_all([call(cthreading.Event), call(threading.Event)])


def use_overrides() -> None:
    thread: threading.Thread = Summing(1, 2)
    thread.start()
    thread.join()
    semaphore: threading.Semaphore = Counting(1)
    with semaphore:
        pass
    service = Service()
    assert not service.stopping.is_set()
    assert not service.ready.is_set()
    Job(cthreading.Event(), threading.Event(), service.lock, threading.Condition(), thread, semaphore)


def use_iterators() -> None:
    if sys.version_info >= (3, 15):
        theirs: threading.serialize_iterator[int] = cthreading.serialize_iterator([1])
        ours: cthreading.serialize_iterator[int] = threading.serialize_iterator([1])
        assert isinstance(theirs, threading.serialize_iterator)
        assert next(theirs) == next(ours) == 1


def main() -> None:
    pass_arguments()
    use_generics()
    use_overrides()
    use_iterators()


if __name__ == "__main__":
    main()
