"""What a wait on a barrier costs: asyncio.Barrier, cthreading.aio.Barrier and MixedBarrier, and a bare shared future.

    python benchmarks/aio_barrier.py [--uvloop] [--tasks 2 10 100 1000] [--repeat 15]

The shared future is the floor: the last task to come sets its result, the others await it. All are measured in
turn, so that a noisy moment meets all of them; printed is the median, in nanoseconds for each wait of each task.

Tasks meet at two barriers in turn, or, "again", at the same one. The latter costs a barrier one more stop: the last to
arrive comes back while it drains, and has to wait for that. The shared future knows no draining.
"""

import argparse
import asyncio
import statistics
import sys
import time
from collections.abc import Awaitable, Callable
from typing import Protocol

from cthreading import aio


class Meeting(Protocol):
    def wait(self) -> Awaitable[object]: ...


class SharedFuture:
    def __init__(self, parties: int) -> None:
        self._parties = parties
        self._count = 0
        self._future = asyncio.get_running_loop().create_future()

    async def wait(self) -> int:
        index = self._count
        self._count += 1
        if self._count == self._parties:
            future, self._future = self._future, asyncio.get_running_loop().create_future()
            self._count = 0
            future.set_result(None)
        else:
            # A task that is cancelled would cancel the future of all; nobody is here.
            await self._future
        return index


class Mixed(aio.MixedBarrier):
    """Tasks only, at the barrier for threads and tasks."""

    wait = aio.MixedBarrier.wait_async  # type: ignore[assignment]


CONTENDERS: dict[str, Callable[[int], Meeting]] = {
    "asyncio": asyncio.Barrier,
    "cthreading": aio.Barrier,
    "mixed": Mixed,  # type: ignore[dict-item]
    "shared future": SharedFuture,
}


async def measure(make: Callable[[int], Meeting], tasks: int, rounds: int, places: int) -> float:
    """Return the nanoseconds that one wait of one task takes."""
    meetings = [make(tasks) for _ in range(places)]

    async def meet() -> None:
        for _ in range(rounds // places):
            for meeting in meetings:
                await meeting.wait()

    running = [asyncio.create_task(meet()) for _ in range(tasks)]
    begin = time.perf_counter_ns()
    for task in running:
        await task
    return (time.perf_counter_ns() - begin) / (rounds // places * places * tasks)


async def compare(tasks: int, waits: int, repeat: int, places: int) -> dict[str, float]:
    rounds = max(waits // tasks, 10)
    times: dict[str, list[float]] = {name: [] for name in CONTENDERS}
    for _ in range(repeat):
        for name, make in CONTENDERS.items():
            times[name].append(await measure(make, tasks, rounds, places))
    return {name: statistics.median(values) for name, values in times.items()}


def main() -> None:
    parser = argparse.ArgumentParser(description="Compare barriers for asyncio tasks.")
    parser.add_argument("--tasks", type=int, nargs="+", default=[2, 10, 100, 1000])
    parser.add_argument("--waits", type=int, default=20_000, help="waits of all tasks together in one measurement")
    parser.add_argument("--repeat", type=int, default=15)
    parser.add_argument("--uvloop", action="store_true", help="on uvloop's event loop")
    arguments = parser.parse_args()

    factory = None
    if arguments.uvloop:
        import uvloop

        factory = uvloop.new_event_loop

    print(f"Python {sys.version.split()[0]}{', uvloop' if factory else ''}: ns a wait")
    print(f"{'tasks':>12}{'asyncio':>10}{'cthreading':>12}{'mixed':>9}{'future':>9}{'of asyncio':>12}{'of future':>11}")
    for tasks in arguments.tasks:
        for places, label in ((2, ""), (1, " again")):
            with asyncio.Runner(loop_factory=factory) as runner:
                medians = runner.run(compare(tasks, arguments.waits, arguments.repeat, places))
            theirs, ours, mixed, floor = medians.values()
            row = f"{f'{tasks}{label}':>12}{theirs:>10.0f}{ours:>12.0f}{mixed:>9.0f}{floor:>9.0f}"
            print(f"{row}{ours / theirs:>12.2f}{ours / floor:>11.2f}")


if __name__ == "__main__":
    main()
