"""Nothing is leaked: thousands of objects and waits, in a process of its own, by memory, reference counts and
weak references."""

from __future__ import annotations

import sys

import pytest
from helpers import run_python

PRELUDE = """
import gc, sys, threading, weakref
import cthreading
from helpers import Crew

def resident():
    with open("/proc/self/statm") as statm:
        return int(statm.read().split()[1]) * 4096

def measure(work, rounds):
    total = getattr(sys, "gettotalrefcount", None)
    for _ in range(2):
        work(rounds)
        gc.collect()
    memory, references = resident(), total() if total else 0
    for _ in range(3):
        work(rounds)
        gc.collect()
    grown = resident() - memory
    assert grown < 4_000_000, grown
    if total:
        assert abs(total() - references) < 200, total() - references
"""

WORK = {
    "objects": """
def work(rounds):
    for _ in range(rounds):
        lock = cthreading.Lock()
        cthreading.RLock(), cthreading.Condition(), cthreading.Condition(lock), cthreading.Condition(threading.Lock())
        cthreading.Semaphore(), cthreading.BoundedSemaphore(2), cthreading.Event(), cthreading.Barrier(2)
""",
    "uses": """
def work(rounds):
    lock, rlock, condition = cthreading.Lock(), cthreading.RLock(), cthreading.Condition()
    semaphore, event, barrier = cthreading.Semaphore(1), cthreading.Event(), cthreading.Barrier(1, action=int)
    for _ in range(rounds):
        with lock, rlock, condition, semaphore:
            condition.notify_all(), condition.wait_for(lambda: True), condition.wait(0)
            condition._waiters, condition._lock, rlock._is_owned(), getattr(rlock, "_recursion_count", int)()
            condition._acquire_restore(condition._release_save())
        event.set(), event.wait(), event.is_set(), event.clear()
        barrier.wait(), barrier.reset(), barrier.broken
        repr(lock), repr(rlock), repr(condition), repr(semaphore), repr(event), repr(barrier)
""",
    "errors": """
def attempt(call, *args, **keywords):
    try:
        call(*args, **keywords)
    except Exception:
        pass
    else:
        raise AssertionError(call)

def work(rounds):
    lock, condition = cthreading.Lock(), cthreading.Condition()
    for _ in range(rounds):
        attempt(lock.release), attempt(lock.acquire, timeout=-2), attempt(lock.acquire, False, 1)
        attempt(lock.acquire, timeout="x"), attempt(lock.acquire, timeout=1e300), attempt(lock.acquire, 1, 2, 3)
        attempt(cthreading.RLock().release), attempt(condition.wait), attempt(condition.notify)
        attempt(cthreading.Condition, 5), attempt(cthreading.Semaphore, -1), attempt(cthreading.Semaphore().release, 0)
        attempt(cthreading.BoundedSemaphore(1).release), attempt(cthreading.Barrier, 0)
        attempt(cthreading.Barrier(1, action=lambda: 1 / 0).wait), attempt(cthreading.Event().wait, "x")
""",
    "waits": """
def work(rounds):
    lock, rlock, condition = cthreading.Lock(), cthreading.RLock(), cthreading.Condition()
    semaphore, event, barrier = cthreading.Semaphore(0), cthreading.Event(), cthreading.Barrier(2)
    def wait():
        for _ in range(rounds // 20):
            for made in lock, rlock:
                if made.acquire(timeout=0.0001):
                    made.release()
            with condition:
                condition.notify()
                condition.wait(0.00005)
            semaphore.release()
            semaphore.acquire(timeout=0.0001)
            event.wait(0.00001)
            try:
                barrier.wait(0.00005)
            except threading.BrokenBarrierError:
                barrier.reset()
    with Crew() as crew:
        crew.start(wait, count=4)
""",
    "threads": """
def work(rounds):
    lock = cthreading.Lock()
    for _ in range(rounds // 40):
        with Crew() as crew:
            with lock:
                crew.start(lambda: lock.acquire() and lock.release(), count=4)
""",
    "subclasses": """
class Lockish(cthreading.RLock):
    pass

def work(rounds):
    for _ in range(rounds):
        for kind in (cthreading.Condition, cthreading.Semaphore, cthreading.Event):
            made = type("Sub", (kind,), {})() if _ % 100 == 0 else kind()
            made.cycle = made
        made = cthreading.Barrier(1, action=lambda: made)
        made.cycle = made
        made = Lockish()
        made.cycle = made
""",
}


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="reads /proc/self/statm")
@pytest.mark.parametrize("work", WORK)
def test_memory_and_references_do_not_grow(work: str) -> None:
    run_python(PRELUDE + WORK[work] + "\nmeasure(work, 2000)", seconds=100).check()


def test_cycles_are_collected() -> None:
    run_python(
        PRELUDE
        + """
class Held:
    pass

def cycle_of(kind):
    held = Held()
    if kind == "action":
        made = cthreading.Barrier(1, action=lambda: (made, held))
    elif kind == "lock":
        class Lock:
            def acquire(self, *args): return True
            def release(self): pass
        lock = Lock()
        lock.condition = made = cthreading.Condition(lock)
        lock.held = held
    else:
        made = type("Sub", (getattr(cthreading, kind),), {})()
        made.me, made.held = made, held
    return weakref.ref(made), weakref.ref(held)

for kind in "action", "lock", "RLock", "Condition", "Semaphore", "BoundedSemaphore", "Event":
    made, held = cycle_of(kind)
    gc.collect()
    assert made() is None and held() is None, kind
"""
    ).check()


def test_cycles_through_the_value_of_a_semaphore_are_collected() -> None:
    run_python(
        PRELUDE
        + """
class Value(tuple):
    __slots__ = ()
    def __lt__(self, other): return False
    def __gt__(self, other): return True

for kind, name in (cthreading.Semaphore, "_value"), (cthreading.BoundedSemaphore, "_initial_value"):
    made = kind()
    setattr(made, name, Value((made,)))
    del made
    gc.collect()
    # Its weak references are gone in any case.
    assert not any(type(thing) is kind for thing in gc.get_objects()), kind
"""
    ).check()


def test_a_queue_that_is_initialized_again_by_its_hook_keeps_nothing_of_the_first_time() -> None:
    run_python(
        PRELUDE
        + """
from cthreading import queue

class Again(queue.Queue):
    references = ()
    def _init(self, maxsize):
        super()._init(maxsize)
        if not self.references:
            self.references = [None]
            queue.Queue.__init__(self, maxsize)
            parts = self.mutex, self.not_empty, self.not_full, self.all_tasks_done
            self.references = [weakref.ref(part) for part in parts]

again = Again()
gc.collect()
assert [reference() for reference in again.references] == 4 * [None]
"""
    ).check()


def test_weak_references() -> None:
    run_python(
        PRELUDE
        + """
gc.disable()
for make in (cthreading.Lock, cthreading.RLock, cthreading.Condition, cthreading.Semaphore,
             cthreading.BoundedSemaphore, cthreading.Event, lambda: cthreading.Barrier(1)):
    called = []
    made = make()
    reference = weakref.ref(made, called.append)
    assert reference() is made
    kind = type(made)
    del made
    assert reference() is None and called == [reference], kind
"""
    ).check()


def test_a_wait_keeps_its_object_alive_and_no_longer() -> None:
    run_python(
        PRELUDE
        + """
from waits import wait_until_blocked

class Event(cthreading.Event):
    pass

def block(made):
    made.pop().wait(0.2)

made = [Event()]
reference = weakref.ref(made[0])
crew = Crew()
wait_until_blocked(crew.start(block, made))
assert not made and reference() is not None
crew.join()
gc.collect()
assert reference() is None
"""
    ).check()


def test_reference_counts_of_types_and_arguments() -> None:
    run_python(
        PRELUDE
        + """
lock = cthreading.Lock()
action = lambda: None
def counts():
    return [sys.getrefcount(thing) for thing in (lock, action, cthreading.Condition, cthreading.Event,
                                                 cthreading.RLock, cthreading.Lock, cthreading.Barrier)]
def work():
    for _ in range(1000):
        condition = cthreading.Condition(lock)
        with condition:
            condition.wait(0)
        barrier = cthreading.Barrier(1, action)
        barrier.wait()
        cthreading.Event().set()
        cthreading.RLock()
        cthreading.Lock()
work()
gc.collect()
before = counts()
work()
gc.collect()
assert all(abs(now - then) < 20 for now, then in zip(counts(), before)), (before, counts())
"""
    ).check()
