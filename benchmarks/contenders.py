"""What the rows are run with: threading, cthreading, and others from PyPI that have the same things.

A row knows one module with the names of threading. Here are modules made of other packages' classes, under those names;
where the names of methods differ, a subclass gives the same function the name that threading has, which costs nothing
in a call. A name that a package has nothing for raises Missing, and so does a package that is not installed: that row
then does without.

gevent's classes are for greenlets of one thread, and are measured uncontended only: a hand-over between greenlets
never leaves the thread, which is not the same thing.
"""

import importlib
import threading
from collections.abc import Callable
from typing import Any

import cthreading


class Missing(Exception):
    """There is no such thing in this package, or no such package."""


class Names:
    """A module made of these names."""

    def __init__(self, **names: object) -> None:
        vars(self).update(names)

    def __getattr__(self, name: str) -> Any:
        raise Missing(name)


def import_or_miss(name: str) -> Any:
    try:
        return importlib.import_module(name)
    except ImportError as error:
        raise Missing(name) from error


def aiologic() -> Names:
    package = import_or_miss("aiologic")

    # Its Lock has an owner; this is what any thread can release.
    class Lock(package.BoundedBinarySemaphore):
        acquire = package.BoundedBinarySemaphore.green_acquire

    class RLock(package.RLock):
        acquire = package.RLock.green_acquire
        release = package.RLock.green_release

    class Semaphore(package.Semaphore):
        acquire = package.Semaphore.green_acquire

    class BoundedSemaphore(package.BoundedSemaphore):
        acquire = package.BoundedSemaphore.green_acquire

    return Names(
        Lock=Lock,
        RLock=RLock,
        Semaphore=Semaphore,
        BoundedSemaphore=BoundedSemaphore,
        Condition=package.Condition,
        Event=package.REvent,
        Barrier=package.RBarrier,
    )


def fastrlock() -> Names:
    return Names(RLock=import_or_miss("fastrlock.rlock").FastRLock)


def gevent() -> Names:
    lock = import_or_miss("gevent.lock")
    return Names(
        Lock=import_or_miss("gevent.thread").LockType,
        RLock=lock.RLock,
        Semaphore=lock.Semaphore,
        BoundedSemaphore=lock.BoundedSemaphore,
        Event=import_or_miss("gevent.event").Event,
        local=import_or_miss("gevent.local").local,
    )


OWN: dict[str, Any] = {"threading": threading, "cthreading": cthreading}
OTHERS: dict[str, Callable[[], Names]] = {"aiologic": aiologic, "fastrlock": fastrlock, "gevent": gevent}
FOR_THREADS = ["aiologic", "fastrlock"]


def installed_others() -> dict[str, Names]:
    modules = {}
    for name, make in OTHERS.items():
        try:
            modules[name] = make()
        except Missing:
            continue
    return modules


def others_for_threads() -> dict[str, Names]:
    """Those whose things are for threads, which are then the standard library's."""
    modules = {name: module for name, module in installed_others().items() if name in FOR_THREADS}
    for module in modules.values():
        vars(module)["Thread"] = threading.Thread
    return modules
