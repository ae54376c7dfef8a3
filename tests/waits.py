"""Every kind of wait behind one interface, for the tests of what must hold at all of them.

A Wait blocks the thread that calls block() until another calls let_go(), and can be used again afterwards.
"""

from __future__ import annotations

import queue
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path
from types import ModuleType
from typing import Any

from helpers import PATIENCE, Crew, wait_until

import cthreading
import cthreading.queue


def queue_of(module: ModuleType) -> ModuleType:
    """The module queue that belongs to this one."""
    return cthreading.queue if module is cthreading else queue


class Wait:
    at_once = 3  # how many threads may be made to wait at once

    def __init__(self, module: ModuleType) -> None:
        self.module = module

    def block(self, timeout: float | None = None) -> bool:
        """Waits; returns whether let go. Without a timeout, for ever."""
        raise NotImplementedError

    def let_go(self) -> None:
        """Ends one wait that somebody is in, or that somebody will enter."""
        raise NotImplementedError

    def check(self) -> None:
        """Fails unless the object is as it was before a wait that ended without being let go."""


class LockWait(Wait):
    def __init__(self, module: ModuleType) -> None:
        super().__init__(module)
        self.lock = module.Lock()
        self.lock.acquire()

    def block(self, timeout: float | None = None) -> bool:
        return self.lock.acquire(timeout=-1 if timeout is None else timeout)

    def let_go(self) -> None:
        self.lock.release()

    def check(self) -> None:
        assert self.lock.locked()
        self.lock.release()
        assert self.lock.acquire(timeout=0)


class RLockWait(Wait):
    """The owner is a thread that releases when told to."""

    at_once = 1
    again = True  # whether another thread owns it anew after a wait

    def __init__(self, module: ModuleType) -> None:
        super().__init__(module)
        self.lock = module.RLock()
        self.crew = Crew()
        self._hold()

    def _hold(self) -> None:
        held = threading.Event()
        self.go = go = threading.Event()

        def own() -> None:
            with self.lock:
                held.set()
                go.wait()

        self.crew.start(own)
        assert held.wait(PATIENCE)

    def block(self, timeout: float | None = None) -> bool:
        if not self.lock.acquire(timeout=-1 if timeout is None else timeout):
            return False
        self.lock.release()
        if self.again:
            self._hold()
        return True

    def let_go(self) -> None:
        self.go.set()

    def check(self) -> None:
        assert not self.lock._is_owned()
        assert not self.lock.acquire(blocking=False)


class ConditionWait(Wait):
    def __init__(self, module: ModuleType, make_lock: Callable[[], Any] | None = None) -> None:
        super().__init__(module)
        self.condition = module.Condition(make_lock() if make_lock else None)
        self.entered = 0

    def block(self, timeout: float | None = None) -> bool:
        with self.condition:
            self.entered += 1
            try:
                return self.condition.wait(timeout)
            finally:
                self.entered -= 1
                assert self.condition._is_owned()

    def let_go(self) -> None:
        def notified() -> bool:
            with self.condition:
                if self.entered:
                    self.condition.notify()
                return bool(self.entered)

        wait_until(notified)

    def check(self) -> None:
        assert self.condition.acquire(timeout=PATIENCE)
        assert not self.condition._waiters
        self.condition.release()


class SemaphoreWait(Wait):
    def __init__(self, module: ModuleType) -> None:
        super().__init__(module)
        self.semaphore = module.Semaphore(0)

    def block(self, timeout: float | None = None) -> bool:
        return self.semaphore.acquire(timeout=timeout)

    def let_go(self) -> None:
        self.semaphore.release()

    def check(self) -> None:
        assert self.semaphore._value == 0


class BoundedSemaphoreWait(SemaphoreWait):
    def __init__(self, module: ModuleType) -> None:
        super().__init__(module)
        self.semaphore = module.BoundedSemaphore(1)
        self.semaphore.acquire()


class EventWait(Wait):
    def __init__(self, module: ModuleType) -> None:
        super().__init__(module)
        self.event = module.Event()

    def block(self, timeout: float | None = None) -> bool:
        if not self.event.wait(timeout):
            return False
        self.event.clear()
        return True

    def let_go(self) -> None:
        self.event.set()

    def check(self) -> None:
        assert not self.event.is_set()


class BarrierWait(Wait):
    at_once = 1

    def __init__(self, module: ModuleType) -> None:
        super().__init__(module)
        self.barrier = module.Barrier(2)

    def block(self, timeout: float | None = None) -> bool:
        try:
            self.barrier.wait(timeout)
        except threading.BrokenBarrierError:
            self.barrier.reset()
            return False
        return True

    def let_go(self) -> None:
        self.barrier.wait(PATIENCE)

    def check(self) -> None:
        assert self.barrier.n_waiting == 0
        assert not self.barrier.broken


class GetWait(Wait):
    kind = "Queue"

    def __init__(self, module: ModuleType) -> None:
        super().__init__(module)
        self.empty = queue_of(module).Empty
        self.queue = getattr(queue_of(module), self.kind)()
        self.put = 0

    def block(self, timeout: float | None = None) -> bool:
        try:
            self.queue.get(timeout=timeout)
        except self.empty:
            return False
        return True

    def let_go(self) -> None:
        self.put += 1
        self.queue.put(self.put)

    def check(self) -> None:
        assert self.queue.qsize() == 0
        if self.kind != "SimpleQueue":
            assert self.queue.unfinished_tasks == self.put
            assert not self.queue.mutex.locked()


class SimpleGetWait(GetWait):
    kind = "SimpleQueue"


class PriorityGetWait(GetWait):
    kind = "PriorityQueue"


class PutWait(Wait):
    """One item fills the queue."""

    def __init__(self, module: ModuleType) -> None:
        super().__init__(module)
        self.full = queue_of(module).Full
        self.queue = queue_of(module).Queue(1)
        self.queue.put(None)

    def block(self, timeout: float | None = None) -> bool:
        try:
            self.queue.put(None, timeout=timeout)
        except self.full:
            return False
        return True

    def let_go(self) -> None:
        self.queue.get(timeout=PATIENCE)
        self.queue.task_done()

    def check(self) -> None:
        assert self.queue.qsize() == self.queue.unfinished_tasks == 1
        assert not self.queue.mutex.locked()


class ForeignLock:
    """A lock of somebody else's, with no more than a lock must have."""

    def __init__(self) -> None:
        self._lock = threading.Lock()

    def acquire(self, blocking: bool = True, timeout: float = -1) -> bool:
        return self._lock.acquire(blocking, timeout)

    def release(self) -> None:
        self._lock.release()

    def locked(self) -> bool:
        return self._lock.locked()

    def __enter__(self) -> bool:
        return self.acquire()

    def __exit__(self, *_: object) -> None:
        self.release()


KINDS: dict[str, Callable[[ModuleType], Wait]] = {
    "Lock": LockWait,
    "RLock": RLockWait,
    "Condition": ConditionWait,
    "Condition-Lock": lambda module: ConditionWait(module, module.Lock),
    "Condition-threading.RLock": lambda module: ConditionWait(module, threading.RLock),
    "Condition-foreign": lambda module: ConditionWait(module, ForeignLock),
    "Semaphore": SemaphoreWait,
    "BoundedSemaphore": BoundedSemaphoreWait,
    "Event": EventWait,
    "Barrier": BarrierWait,
    "Queue.get": GetWait,
    "Queue.put": PutWait,
    "PriorityQueue.get": PriorityGetWait,
    "SimpleQueue.get": SimpleGetWait,
}


def _seems_blocked(thread: threading.Thread) -> bool:
    try:
        status = Path(f"/proc/self/task/{thread.native_id}/stat").read_bytes()
    except OSError:
        status = b") S"
    # Before its frames: those of a thread that runs are not to be walked in a free-threaded interpreter.
    if status.rpartition(b") ")[2][:1] != b"S":
        return False
    frame = sys._current_frames().get(thread.ident)
    while frame is not None and frame.f_code.co_name != "block":
        frame = frame.f_back
    return frame is not None


def wait_until_blocked(thread: threading.Thread) -> None:
    """Returns when the thread is in a function named block and sleeps there, as far as can be seen from outside:
    several looks in a row, between which it had every chance to go on."""

    def blocked() -> bool:
        for _ in range(3):
            if not _seems_blocked(thread):
                return False
            time.sleep(0.002)
        return True

    wait_until(blocked)
