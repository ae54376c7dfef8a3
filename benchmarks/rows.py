"""What is measured: every row of the suite, by group."""

from collections.abc import Callable
from functools import partial
from typing import Any, NamedTuple

import whole_programs as programs
from contenders import OWN, Missing, installed_others, others_for_threads

from cthreading import bench
from cthreading.bench import Cost, Plan

GROWTH = [2, 4, 8, 16, 32, 64, 128, 256]
ENDING = [100, 1000]
ENDS = {
    "Event.set": programs.event_to_end,
    "notify_all": programs.condition_to_end,
    "Barrier": programs.barrier_to_end,
    "Semaphore.release": programs.semaphore_to_end,
    "Lock, passed on": programs.lock_to_end,
}


class Row(NamedTuple):
    """A group and a name; how many operations a round is, fifty for fifty starts; how many rounds there are at least.

    Where many threads pass things on, few rounds show how they fall asleep, and not how they work.
    """

    group: str
    name: str
    sides: Callable[[], dict[str, Callable[[int], Cost]]]
    operations: int = 1
    least: int = 1

    @property
    def title(self) -> str:
        return f"{self.group}: {self.name}"


def sides_uncontended(row: bench.Uncontended) -> dict[str, Callable[[int], Cost]]:
    sides = bench.sides_of(row)
    for name, module in installed_others().items():
        sides[name] = bench.compile_loop(row.setup, row.statement, module)
    return working(sides)


def sides_between(run: Callable[[Any, int], Cost], others: bool) -> dict[str, Callable[[int], Cost]]:
    modules = dict(OWN)
    if others:
        modules |= others_for_threads()
    return working({name: partial(run, module) for name, module in modules.items()})


def working(sides: dict[str, Callable[[int], Cost]]) -> dict[str, Callable[[int], Cost]]:
    """Without the other packages that have no such thing, or cannot be called the same way."""
    found = {}
    for name, run in sides.items():
        try:
            run(1)
        except (Missing, TypeError, AttributeError):
            if name in OWN or name == "floor":
                raise
        else:
            found[name] = run
    return found


def between(group: str, name: str, run: Callable[[Any, int], Cost], operations: int = 1, others: bool = True) -> Row:
    return Row(group, name, lambda: sides_between(run, others), operations)


def herd(group: str, name: str, run: Callable[[Any, int], Cost]) -> Row:
    """Starting and ending so many threads takes as long as some rounds."""
    return between(group, name, run, others=group == "herd")._replace(least=50)


def ending(name: str, make: Callable[[Any, int], Any], threads: int) -> Row:
    return between("end", f"{name}, {threads} threads", programs.ends_once_woken(make, threads), others=False)


def program(name: str, run: Callable[[Any, int], Cost], least: int = 1) -> Row:
    return between("program", name, run, others=False)._replace(least=least)


def all_rows() -> list[Row]:
    rows = [Row("uncontended", row.name, partial(sides_uncontended, row), bench.UNROLLED) for row in bench.UNCONTENDED]
    rows += [
        between("ping-pong", "Lock", bench.lock_ping_pong),
        between("ping-pong", "Semaphore", bench.semaphore_ping_pong),
        between("ping-pong", "Event", bench.event_ping_pong),
        between("ping-pong", "Condition", bench.condition_ping_pong),
        between("ping-pong", "Barrier(2)", bench.barrier_rounds(2)),
        herd("herd", "Barrier(8)", bench.barrier_rounds(8)),
        herd("herd", "Barrier(64)", bench.barrier_rounds(64)),
        herd("herd", "notify_all of 100", bench.notify_all_rounds(100)),
        herd("herd", "Event.set, 100 wait", programs.event_wakes(100)),
        *(ending(name, make, threads) for threads in ENDING for name, make in ENDS.items()),
        between("start", "start + join, one at a time", bench.start_and_join(1), others=False),
        between("start", "start + join, fifty at once", bench.start_and_join(50), 50, others=False),
        between("start", "one at a time, Python code", bench.start_and_join(1, bench.do_nothing), others=False),
        between("start", "fifty at once, Python code", bench.start_and_join(50, bench.do_nothing), 50, others=False),
        program("queue.Queue, one thread", bench.queue_alone("Queue")),
        program("queue.PriorityQueue, one thread", bench.queue_alone("PriorityQueue")),
        program("queue.SimpleQueue, one thread", bench.queue_alone("SimpleQueue")),
        program("queue.Queue(10), two threads", bench.bounded_queue, least=300),
        program("queue.Queue, 2 producers, 2 consumers", programs.producers_and_consumers(2), least=300),
        program("queue.Queue, ping-pong", bench.queue_round_trips("Queue")),
        program("queue.SimpleQueue, ping-pong", bench.queue_round_trips("SimpleQueue")),
        program("whispers: 200 queues, 200 threads", programs.whispers(200), least=1000),
        program("pipeline of 3 stages, one item at a time", programs.pipeline(3)),
        program("20 workers between two queues", programs.workers_between_queues(20), least=1000),
        program("ThreadPoolExecutor, many tasks", programs.pool_many, least=300),
        program("ThreadPoolExecutor, one at a time", programs.pool_one_by_one),
        program("asyncio.to_thread, one at a time", programs.to_thread_one_by_one),
        program("multiprocessing.dummy, Pool.map of 8", programs.dummy_pool_map),
        program("cpython issue 104391", programs.event_under_lock, least=40),
        program("HTTP server, a thread a connection", programs.http_server),
        between("shared", "own locks, 1 thread", programs.loops_on_locks(1, False, 1, 1)),
        between("shared", "own locks, 2 threads", programs.loops_on_locks(2, False, 1, 1)),
        between("shared", "one lock, 2 threads, no work", programs.loops_on_locks(2, True, 0, 0)),
        between("shared", "one lock, 2 threads, 1 in, 10 out", programs.loops_on_locks(2, True, 1, 10)),
        between("shared", "one lock, 2 threads, 10 in, 1 out", programs.loops_on_locks(2, True, 10, 1)),
        between("shared", "one lock, 2 threads, 100 in, 100 out", programs.loops_on_locks(2, True, 100, 100)),
        between("shared", "one lock, 8 threads, 10 in, 10 out", programs.loops_on_locks(8, True, 10, 10)),
        between("shared", "one RLock, 2 threads, 1 in, 10 out", programs.loops_on_locks(2, True, 1, 10, "RLock")),
        between("shared", "one Event that is set, 2 threads", programs.shared_event(2)),
        between("asyncio", "aio.Barrier(10)", bench.task_rounds(10), others=False),
        between("asyncio", "aio.MixedBarrier, 4 threads, 4 tasks", bench.mixed_rounds(4, 4), others=False),
    ]
    growing = {
        "Barrier": bench.barrier_rounds,
        "notify_all": bench.notify_all_rounds,
        "Event.set": programs.event_wakes,
    }
    for name, run in growing.items():
        rows += [herd("growth", f"{name}, {threads} threads", run(threads)) for threads in GROWTH]
    return rows


class Effort(NamedTuple):
    """How often a row is measured anew, in a process of its own, and how long there."""

    processes: int
    uncontended: Plan
    growth: Plan
    other: Plan

    def plan(self, group: str) -> Plan:
        return {"uncontended": self.uncontended, "growth": self.growth}.get(group, self.other)


FULL = Effort(3, Plan(400_000, 101), Plan(30_000_000, 5), Plan(30_000_000, 15))
QUICK = Effort(1, Plan(300_000, 41), Plan(10_000_000, 3), Plan(12_000_000, 13))
