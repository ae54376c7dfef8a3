"""python -m cthreading.bench: our primitives beside the running interpreter's, measured in one run.

Two kinds of rows. An uncontended row is a few calls in one thread; its floor is the same number of calls to C methods
that do nothing. A hand-over row is a round between threads that wait for each other, or asyncio tasks: aio.Barrier is
measured beside asyncio's, and aio.MixedBarrier beside what does the same without it, a threading.Barrier where each
task waits through a thread of an executor. Every row is measured in turns, one short sample of each side after the
other, so that what slows the machine down meets both; the medians are shown. Between threads the CPU time of the
process counts too: a thread that turns in a loop while it waits is fast, and costs what it costs.
"""

import argparse
import asyncio
import gc
import importlib.util
import itertools
import json
import math
import os
import platform
import re
import resource
import statistics
import sys
import sysconfig
import threading as standard
from collections.abc import Callable, Coroutine, Iterator
from concurrent.futures import Executor, ThreadPoolExecutor
from time import perf_counter_ns
from typing import Any, NamedTuple

import cthreading
from cthreading import _core, aio

# How often a loop repeats its statement in one go, so that the loop itself costs next to nothing.
UNROLLED = 10


FLOOR_SETUP = "make = Floor; floor = make(); true = 'a'.isalpha"


class Uncontended(NamedTuple):
    """Calls in one thread: Python source, where `threading` is the one or the other; and the same after FLOOR_SETUP."""

    name: str
    setup: str
    statement: str
    floor: str = ""


class Cost(NamedTuple):
    """What something took: nanoseconds of time and of CPU time, and how often the system switched threads."""

    wall: int
    cpu: int
    switches: int


def read_meter() -> Cost:
    """The readings so far of this process; the clock is read last."""
    usage = resource.getrusage(resource.RUSAGE_SELF)
    cpu = round((usage.ru_utime + usage.ru_stime) * 1e9)
    switches = usage.ru_nvcsw + usage.ru_nivcsw
    return Cost(perf_counter_ns(), cpu, switches)


def cost_since(start: Cost) -> Cost:
    wall = perf_counter_ns()
    end = read_meter()
    return Cost(wall - start.wall, end.cpu - start.cpu, end.switches - start.switches)


class HandOver(NamedTuple):
    """A function of a threading module and a number of rounds that returns what they cost."""

    name: str
    run: Callable[[Any, int], Cost]


UNCONTENDED = [
    Uncontended(
        "Lock: acquire + release",
        "lock = threading.Lock()",
        "lock.acquire(); lock.release()",
        "floor.call_keywords(); floor.call()",
    ),
    Uncontended(
        "Lock: with",
        "lock = threading.Lock()",
        "with lock: pass",
        "with floor: pass",
    ),
    Uncontended(
        "Lock: acquire(False) + release",
        "lock = threading.Lock()",
        "lock.acquire(False); lock.release()",
        "floor.call_keywords(False); floor.call()",
    ),
    Uncontended(
        "Lock: acquire(False), locked",
        "lock = threading.Lock(); lock.acquire()",
        "lock.acquire(False)",
        "floor.call_keywords(False)",
    ),
    Uncontended(
        "Lock: acquire(timeout=1) + release",
        "lock = threading.Lock()",
        "lock.acquire(timeout=1); lock.release()",
        "floor.call_keywords(timeout=1); floor.call()",
    ),
    Uncontended(
        "RLock: acquire + release",
        "lock = threading.RLock()",
        "lock.acquire(); lock.release()",
        "floor.call_keywords(); floor.call()",
    ),
    Uncontended(
        "RLock: with",
        "lock = threading.RLock()",
        "with lock: pass",
        "with floor: pass",
    ),
    Uncontended(
        "RLock: with, nested",
        "lock = threading.RLock(); lock.acquire()",
        "with lock: pass",
        "with floor: pass",
    ),
    Uncontended(
        "Condition: with",
        "condition = threading.Condition()",
        "with condition: pass",
        "with floor: pass",
    ),
    Uncontended(
        "Condition: with, notify",
        "condition = threading.Condition()",
        "with condition: condition.notify()",
        "with floor: floor.call_keywords()",
    ),
    Uncontended(
        "Condition: with, notify_all",
        "condition = threading.Condition()",
        "with condition: condition.notify_all()",
        "with floor: floor.call()",
    ),
    Uncontended(
        "Condition: with, wait_for true",
        "condition = threading.Condition(); true = 'a'.isalpha",
        "with condition: condition.wait_for(true)",
        "with floor: floor.call_keywords(true); true()",
    ),
    Uncontended(
        "Semaphore: acquire + release",
        "semaphore = threading.Semaphore()",
        "semaphore.acquire(); semaphore.release()",
        "floor.call_keywords(); floor.call_keywords()",
    ),
    Uncontended(
        "Semaphore: with",
        "semaphore = threading.Semaphore()",
        "with semaphore: pass",
        "with floor: pass",
    ),
    Uncontended(
        "Semaphore: acquire(False), none left",
        "semaphore = threading.Semaphore(0)",
        "semaphore.acquire(False)",
        "floor.call_keywords(False)",
    ),
    Uncontended(
        "BoundedSemaphore: acquire + release",
        "semaphore = threading.BoundedSemaphore()",
        "semaphore.acquire(); semaphore.release()",
        "floor.call_keywords(); floor.call_keywords()",
    ),
    Uncontended(
        "BoundedSemaphore: with",
        "semaphore = threading.BoundedSemaphore()",
        "with semaphore: pass",
        "with floor: pass",
    ),
    Uncontended(
        "Event: set + clear",
        "event = threading.Event()",
        "event.set(); event.clear()",
        "floor.call(); floor.call()",
    ),
    Uncontended(
        "Event: wait, set",
        "event = threading.Event(); event.set()",
        "event.wait()",
        "floor.call_keywords()",
    ),
    Uncontended(
        "Event: is_set",
        "event = threading.Event()",
        "event.is_set()",
        "floor.call()",
    ),
    Uncontended(
        "Event: wait(0), not set",
        "event = threading.Event()",
        "event.wait(0)",
        "floor.call_keywords(0)",
    ),
    Uncontended(
        "Barrier(1): wait",
        "barrier = threading.Barrier(1)",
        "barrier.wait()",
        "floor.call_keywords()",
    ),
    Uncontended("local: get attribute", "data = threading.local(); data.value = 1", "data.value"),
    Uncontended("local: set attribute", "data = threading.local()", "data.value = 1"),
    Uncontended("Lock()", "make = threading.Lock", "make()", "make()"),
    Uncontended("RLock()", "make = threading.RLock", "make()", "make()"),
    Uncontended("Condition()", "make = threading.Condition", "make()", "make(); make()"),
    Uncontended("Semaphore()", "make = threading.Semaphore", "make()", "make()"),
    Uncontended("BoundedSemaphore()", "make = threading.BoundedSemaphore", "make()", "make()"),
    Uncontended("Event()", "make = threading.Event", "make()", "make()"),
    Uncontended("Barrier(2)", "make = threading.Barrier", "make(2)", "make(2)"),
    Uncontended("local()", "make = threading.local", "make()", "make()"),
    Uncontended("Thread()", "make = threading.Thread", "make(target=int)"),
    Uncontended("Timer()", "make = threading.Timer", "make(60, int)"),
    Uncontended("Thread: is_alive", "thread = threading.Thread()", "thread.is_alive()", "floor.call()"),
    Uncontended("Thread: name", "thread = threading.current_thread()", "thread.name"),
    Uncontended("Thread: ident", "thread = threading.current_thread()", "thread.ident"),
    Uncontended("get_ident()", "get = threading.get_ident", "get()"),
    Uncontended("get_native_id()", "get = threading.get_native_id", "get()"),
    Uncontended("current_thread()", "get = threading.current_thread", "get()"),
    Uncontended("main_thread()", "get = threading.main_thread", "get()"),
    Uncontended("active_count()", "get = threading.active_count", "get()"),
    Uncontended("enumerate()", "get = threading.enumerate", "get()"),
]


def compile_loop(setup: str, statement: str, threading: Any) -> Callable[[int], Cost]:
    """A function that repeats the statement so many times ten, and returns what that cost."""
    body = "\n        ".join([statement] * UNROLLED)
    source = f"""
def loop(rounds):
    {setup}
    start = read_meter()
    for _ in repeat(None, rounds):
        {body}
    return cost_since(start)
"""
    names: dict[str, Any] = {
        "threading": threading,
        "Floor": _core._Floor,
        "repeat": itertools.repeat,
        "read_meter": read_meter,
        "cost_since": cost_since,
    }
    exec(compile(source, f"<{statement}>", "exec"), names)
    loop: Callable[[int], Cost] = names["loop"]
    return loop


def sides_of(row: Uncontended) -> dict[str, Callable[[int], Cost]]:
    """The loops of an uncontended row."""
    sides = {
        "threading": compile_loop(row.setup, row.statement, standard),
        "cthreading": compile_loop(row.setup, row.statement, cthreading),
    }
    if row.floor:
        sides["floor"] = compile_loop(FLOOR_SETUP, row.floor, standard)
    return sides


def time_together(threading: Any, work: Callable[[], object], *others: Callable[[], object]) -> Cost:
    """The cost from when all are ready until all have ended: work here, the others each in a thread of the module."""
    ready = standard.Barrier(len(others) + 1)

    def start(other: Callable[[], object]) -> None:
        ready.wait()
        other()

    threads = [threading.Thread(target=start, args=(other,), daemon=True) for other in others]
    for thread in threads:
        thread.start()
    ready.wait()
    begin = read_meter()
    work()
    for thread in threads:
        thread.join()
    return cost_since(begin)


def lock_ping_pong(threading: Any, rounds: int) -> Cost:
    ping, pong = threading.Lock(), threading.Lock()
    ping.acquire()
    pong.acquire()

    def here() -> None:
        for _ in range(rounds):
            ping.release()
            pong.acquire()

    def there() -> None:
        for _ in range(rounds):
            ping.acquire()
            pong.release()

    return time_together(threading, here, there)


def semaphore_ping_pong(threading: Any, rounds: int) -> Cost:
    ping, pong = threading.Semaphore(0), threading.Semaphore(0)

    def here() -> None:
        for _ in range(rounds):
            ping.release()
            pong.acquire()

    def there() -> None:
        for _ in range(rounds):
            ping.acquire()
            pong.release()

    return time_together(threading, here, there)


def event_ping_pong(threading: Any, rounds: int) -> Cost:
    ping, pong = threading.Event(), threading.Event()

    def here() -> None:
        for _ in range(rounds):
            ping.set()
            pong.wait()
            pong.clear()

    def there() -> None:
        for _ in range(rounds):
            ping.wait()
            ping.clear()
            pong.set()

    return time_together(threading, here, there)


def condition_ping_pong(threading: Any, rounds: int) -> Cost:
    condition = threading.Condition()
    turn = 0

    def play(mine: int) -> None:
        nonlocal turn
        for _ in range(rounds):
            with condition:
                while turn != mine:
                    condition.wait()
                turn = 1 - mine
                condition.notify()

    return time_together(threading, lambda: play(0), lambda: play(1))


def barrier_rounds(parties: int) -> Callable[[Any, int], Cost]:
    def run(threading: Any, rounds: int) -> Cost:
        barrier = threading.Barrier(parties)

        def meet() -> None:
            for _ in range(rounds):
                barrier.wait()

        return time_together(threading, *[meet] * parties)

    return run


def notify_all_rounds(waiters: int) -> Callable[[Any, int], Cost]:
    def run(threading: Any, rounds: int) -> Cost:
        lock = threading.Lock()
        next_round, all_wait = threading.Condition(lock), threading.Condition(lock)
        round_number = waiting = 0

        def wait() -> None:
            nonlocal waiting
            for mine in range(rounds):
                with lock:
                    waiting += 1
                    if waiting == waiters:
                        all_wait.notify()
                    while round_number == mine:
                        next_round.wait()

        def notify() -> None:
            nonlocal waiting, round_number
            for _ in range(rounds):
                with lock:
                    while waiting != waiters:
                        all_wait.wait()
                    waiting = 0
                    round_number += 1
                    next_round.notify_all()

        return time_together(threading, notify, *[wait] * waiters)

    return run


def do_nothing() -> None:
    """What a thread calls that has Python code to run: that takes a place for its frames, which C code does without."""


def start_and_join(threads: int, target: Callable[[], object] = int) -> Callable[[Any, int], Cost]:
    """Threads that end at once, all started and then all joined."""

    def run(threading: Any, rounds: int) -> Cost:
        begin = read_meter()
        for _ in range(rounds):
            started = [threading.Thread(target=target) for _ in range(threads)]
            for thread in started:
                thread.start()
            for thread in started:
                thread.join()
        return cost_since(begin)

    return run


def queue_over(threading: Any) -> Any:
    """The module queue that belongs to this module: cthreading's own, or a copy of the standard library's on it."""
    if threading is cthreading:
        return importlib.import_module("cthreading.queue")
    spec = importlib.util.find_spec("queue")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    vars(module)["threading"] = threading
    return module


def queue_round_trips(kind: str) -> Callable[[Any, int], Cost]:
    def run(threading: Any, rounds: int) -> Cost:
        make = getattr(queue_over(threading), kind)
        ping, pong = make(), make()

        def here() -> None:
            for i in range(rounds):
                ping.put(i)
                pong.get()

        def there() -> None:
            for i in range(rounds):
                ping.get()
                pong.put(i)

        return time_together(threading, here, there)

    return run


def queue_alone(kind: str) -> Callable[[Any, int], Cost]:
    """One thread that puts an item and gets it again."""

    def run(threading: Any, rounds: int) -> Cost:
        queue = getattr(queue_over(threading), kind)()
        begin = read_meter()
        for i in range(rounds):
            queue.put(i)
            queue.get()
        return cost_since(begin)

    return run


def bounded_queue(threading: Any, rounds: int) -> Cost:
    queue = queue_over(threading).Queue(10)

    def consume() -> None:
        for _ in range(rounds):
            queue.get()

    def produce() -> None:
        for i in range(rounds):
            queue.put(i)

    return time_together(threading, produce, consume)


def lock_loops(threads: int) -> Callable[[Any, int], Cost]:
    def run(threading: Any, rounds: int) -> Cost:
        lock = threading.Lock()
        counter = 0

        def count() -> None:
            nonlocal counter
            for _ in range(rounds):
                with lock:
                    counter += 1

        return time_together(threading, *[count] * threads)

    return run


def task_rounds(parties: int) -> Callable[[Any, int], Cost]:
    """Tasks of one event loop: asyncio.Barrier and aio.Barrier."""

    def run(threading: Any, rounds: int) -> Cost:
        barrier = (asyncio.Barrier if threading is standard else aio.Barrier)(parties)

        async def meet() -> None:
            for _ in range(rounds):
                await barrier.wait()

        async def main() -> Cost:
            tasks = [asyncio.create_task(meet()) for _ in range(parties)]
            begin = read_meter()
            for task in tasks:
                await task
            return cost_since(begin)

        return asyncio.run(main())

    return run


def mixed_rounds(threads: int, tasks: int) -> Callable[[Any, int], Cost]:
    """Threads, and tasks of one event loop: MixedBarrier, and a barrier for threads with one more for each task."""

    def run(threading: Any, rounds: int) -> Cost:
        if threading is standard:
            return meet_by_executor(threading, rounds)
        barrier = aio.MixedBarrier(threads + tasks)

        async def meet() -> None:
            for _ in range(rounds):
                await barrier.wait_async()

        return time_with_loop(threading, rounds, barrier.wait, lambda executor: meet())

    def meet_by_executor(threading: Any, rounds: int) -> Cost:
        barrier = standard.Barrier(threads + tasks)

        async def meet(executor: Executor) -> None:
            loop = asyncio.get_running_loop()
            for _ in range(rounds):
                await loop.run_in_executor(executor, barrier.wait)

        return time_with_loop(threading, rounds, barrier.wait, meet)

    def time_with_loop(
        threading: Any, rounds: int, wait: Callable[[], int], meet: Callable[[Executor], Coroutine[Any, Any, None]]
    ) -> Cost:
        def wait_often() -> None:
            for _ in range(rounds):
                wait()

        async def main() -> None:
            with ThreadPoolExecutor(tasks) as executor:
                await asyncio.gather(*(meet(executor) for _ in range(tasks)))

        return time_together(threading, lambda: asyncio.run(main()), *[wait_often] * threads)

    return run


HAND_OVER = [
    HandOver("Lock: ping-pong", lock_ping_pong),
    HandOver("Semaphore: ping-pong", semaphore_ping_pong),
    HandOver("Event: ping-pong", event_ping_pong),
    HandOver("Condition: ping-pong", condition_ping_pong),
    HandOver("Barrier(2): a round", barrier_rounds(2)),
    HandOver("Barrier(8): a round", barrier_rounds(8)),
    HandOver("Condition: notify_all of 20", notify_all_rounds(20)),
    HandOver("Thread: start + join", start_and_join(1)),
    HandOver("Thread: start 50, join 50", start_and_join(50)),
    HandOver("Thread: start + join, Python code", start_and_join(1, do_nothing)),
    HandOver("Thread: start 50, join 50, Python code", start_and_join(50, do_nothing)),
    HandOver("queue.Queue: put + get", queue_alone("Queue")),
    HandOver("queue.PriorityQueue: put + get", queue_alone("PriorityQueue")),
    HandOver("queue.SimpleQueue: put + get", queue_alone("SimpleQueue")),
    HandOver("queue.Queue(10): two threads", bounded_queue),
    HandOver("queue.Queue: ping-pong", queue_round_trips("Queue")),
    HandOver("queue.SimpleQueue: ping-pong", queue_round_trips("SimpleQueue")),
    HandOver("Lock: 4 threads, a turn each", lock_loops(4)),
    HandOver("aio.Barrier(10): a round", task_rounds(10)),
    HandOver("aio.MixedBarrier: 4 threads, 4 tasks", mixed_rounds(4, 4)),
]


class Plan(NamedTuple):
    """How long a sample lasts, in nanoseconds, and how many there are."""

    sample: int
    repeats: int


# Far shorter than a time slice of the scheduler: on a busy machine most samples are still undisturbed.
UNCONTENDED_PLAN = Plan(400_000, 151)
HAND_OVER_PLAN = Plan(60_000_000, 9)
QUICK_UNCONTENDED_PLAN = Plan(100_000, 15)
QUICK_HAND_OVER_PLAN = Plan(2_000_000, 3)


def calibrate(run: Callable[[int], Cost], sample: int, least: int = 1) -> int:
    """How many rounds take about as long as a sample, and no fewer than this."""
    rounds = least
    while (took := run(rounds).wall) < sample / 4:
        rounds *= 4
    return max(least, round(rounds * sample / took))


class Sample(NamedTuple):
    """What one call or round cost, in nanoseconds and in switches of threads."""

    wall: float
    cpu: float
    switches: float


def collect(sides: dict[str, Callable[[int], Cost]], plan: Plan, calls: int, least: int = 1) -> dict[str, list[Sample]]:
    """The samples of each side, taken in turns, for one of so many calls that a round makes."""
    rounds = {side: calibrate(run, plan.sample, least) for side, run in sides.items()}
    samples: dict[str, list[Sample]] = {side: [] for side in sides}
    enabled = gc.isenabled()
    gc.disable()
    try:
        for _ in range(plan.repeats):
            for side, run in sides.items():
                every = rounds[side] * calls
                samples[side].append(Sample(*(reading / every for reading in run(rounds[side]))))
    finally:
        if enabled:
            gc.enable()
    return samples


def median_sample(samples: list[Sample]) -> Sample:
    """The medians, each by itself."""
    return Sample(*(statistics.median(readings) for readings in zip(*samples, strict=True)))


class Result(NamedTuple):
    name: str
    kind: str
    threading: Sample
    cthreading: Sample
    floor: Sample | None

    @property
    def ratio(self) -> float:
        return self.threading.wall / self.cthreading.wall

    @property
    def cpu_ratio(self) -> float:
        return self.threading.cpu / self.cthreading.cpu if self.cthreading.cpu else math.inf

    @property
    def to_floor(self) -> float | None:
        return None if self.floor is None else self.cthreading.wall / self.floor.wall

    def as_dict(self) -> dict[str, Any]:
        row: dict[str, Any] = {
            "name": self.name,
            "kind": self.kind,
            "threading": self.threading.wall,
            "cthreading": self.cthreading.wall,
            "floor": None if self.floor is None else self.floor.wall,
            "ratio": self.ratio,
            "to_floor": self.to_floor,
        }
        if self.kind == "hand-over":
            row["cpu"] = {"threading": self.threading.cpu, "cthreading": self.cthreading.cpu}
            row["switches"] = {"threading": self.threading.switches, "cthreading": self.cthreading.switches}
        return row


def measure_row(row: Uncontended | HandOver, quick: bool) -> Result:
    if isinstance(row, Uncontended):
        plan = QUICK_UNCONTENDED_PLAN if quick else UNCONTENDED_PLAN
        samples = collect(sides_of(row), plan, UNROLLED)
        kind = "uncontended"
    else:
        run = row.run
        sides: dict[str, Callable[[int], Cost]] = {
            "threading": lambda rounds: run(standard, rounds),
            "cthreading": lambda rounds: run(cthreading, rounds),
        }
        samples = collect(sides, QUICK_HAND_OVER_PLAN if quick else HAND_OVER_PLAN, 1)
        kind = "hand-over"
    medians = {side: median_sample(chosen) for side, chosen in samples.items()}
    return Result(row.name, kind, medians["threading"], medians["cthreading"], medians.get("floor"))


class Progress:
    """One line on standard error that says what is being measured; a terminal's is written over."""

    def __init__(self, total: int) -> None:
        self.total = total
        self.terminal = sys.stderr.isatty()

    def show(self, number: int, name: str) -> None:
        text = f"measuring {number}/{self.total}: {name}"
        if self.terminal:
            sys.stderr.write(f"\r\x1b[K{text}")
        elif number == 1 or number % 10 == 0 or number == self.total:
            sys.stderr.write(text + "\n")
        sys.stderr.flush()

    def end(self) -> None:
        if self.terminal:
            sys.stderr.write("\r\x1b[K")
            sys.stderr.flush()


def describe_run(pinned: bool) -> dict[str, Any]:
    return {
        "python": platform.python_version(),
        "implementation": platform.python_implementation(),
        "build": " ".join(platform.python_build()),
        "compiler": platform.python_compiler(),
        "free_threaded": bool(sysconfig.get_config_var("Py_GIL_DISABLED")),
        "machine": f"{platform.system()} {platform.machine()}",
        "cores": len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count(),
        "pinned": pinned,
        "park_backend": _core.park_backend,
    }


def format_time(nanoseconds: float) -> str:
    return f"{nanoseconds:,.0f}" if nanoseconds >= 100 else f"{nanoseconds:.1f}"


def mean_ratio(results: list[Result]) -> float:
    return math.exp(statistics.fmean(math.log(result.ratio) for result in results))


def format_table(results: list[Result]) -> Iterator[str]:
    width = max(len(result.name) for result in results)
    header = f"{'threading':>12} {'cthreading':>12} {'ratio':>8}"
    for kind, title in (("uncontended", "uncontended, ns"), ("hand-over", "between threads, ns a round")):
        chosen = [result for result in results if result.kind == kind]
        if not chosen:
            continue
        yield f"{title:<{width}} {header}" + (
            f" {'floor':>9} {'to floor':>9}" if kind == "uncontended" else f" {'CPU time':>9}"
        )
        for result in chosen:
            more = "" if result.floor is None else f" {format_time(result.floor.wall):>9} {result.to_floor:>8.2f}x"
            if kind == "hand-over":
                more = f" {result.cpu_ratio:>8.2f}x"
            yield (
                f"{result.name:<{width}} {format_time(result.threading.wall):>12} "
                f"{format_time(result.cthreading.wall):>12} {result.ratio:>7.2f}x{more}"
            )
        yield f"{'geometric mean':<{width}} {'':>12} {'':>12} {mean_ratio(chosen):>7.2f}x"
        yield ""


def format_report(run: dict[str, Any], results: list[Result]) -> Iterator[str]:
    kind = " free-threaded" if run["free_threaded"] else ""
    where = "pinned to one core" if run["pinned"] else f"{run['cores']} cores"
    yield (
        f"cthreading ({run['park_backend']}) beside the threading of {run['implementation']} {run['python']}{kind}, "
        f"{run['machine']}, {where}"
    )
    yield ""
    yield from format_table(results)
    yield "ratio: how many times as fast cthreading is. floor: the same number of calls to C methods that do nothing;"
    yield "to floor: how many times as long as that cthreading takes. CPU time: how many times as much threading takes."


def pin_to_one_core() -> None:
    if not hasattr(os, "sched_setaffinity"):
        raise SystemExit("--pinned: this system does not let a process choose its cores")
    os.sched_setaffinity(0, {min(os.sched_getaffinity(0))})


def parse_arguments(arguments: list[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="python -m cthreading.bench", description="Measure cthreading beside the running threading."
    )
    parser.add_argument("--quick", action="store_true", help="a few seconds: rough numbers")
    parser.add_argument(
        "--only", metavar="PATTERN", default="", help="the rows whose names match, a regular expression"
    )
    parser.add_argument("--pinned", action="store_true", help="use one core only")
    parser.add_argument("--json", metavar="FILE", help="write the numbers there, too")
    return parser.parse_args(arguments)


def choose_rows(pattern: str) -> list[Uncontended | HandOver]:
    try:
        matches = re.compile(pattern, re.IGNORECASE).search
    except re.error as error:
        raise SystemExit(f"--only: {error}") from None
    every: list[Uncontended | HandOver] = [*UNCONTENDED, *HAND_OVER]
    rows = [row for row in every if matches(row.name)]
    if not rows:
        raise SystemExit(f"--only: no row matches {pattern!r}")
    return rows


def main(arguments: list[str] | None = None) -> int:
    """Measure and print the table, as the command line says; arguments are those after the name of the program.

    Return the exit status: 0, or 130 if it was interrupted.
    """
    options = parse_arguments(arguments)
    rows = choose_rows(options.only)
    if options.pinned:
        pin_to_one_core()
    progress = Progress(len(rows))
    results = []
    try:
        for number, row in enumerate(rows, 1):
            progress.show(number, row.name)
            results.append(measure_row(row, options.quick))
    except KeyboardInterrupt:
        progress.end()
        print("interrupted", file=sys.stderr)
        return 130
    progress.end()
    run = describe_run(options.pinned)
    for line in format_report(run, results):
        print(line)
    if options.json:
        with open(options.json, "w", encoding="utf-8") as file:
            json.dump({**run, "rows": [result.as_dict() for result in results]}, file, indent=2)
            file.write("\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
