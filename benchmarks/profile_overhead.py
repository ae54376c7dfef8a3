"""What profile_waits() costs: whole programs with a profile on and off, in turns in one process.

For each program the median of the ratios of a sample with it to the sample beside it without, of time and of CPU time,
and the quartiles of the first. A machine that does other things besides widens these.
"""

import argparse
import re
from collections.abc import Callable
from contextlib import nullcontext
from statistics import median, quantiles
from typing import Any

import whole_programs as programs

import cthreading
from cthreading import bench
from cthreading.bench import Cost

# How many rounds a sample is: some tens of milliseconds.
PROGRAMS: dict[str, tuple[Callable[[Any, int], Cost], int]] = {
    "whispers: 200 queues, 200 threads": (programs.whispers(200), 300),
    "20 workers between two queues": (programs.workers_between_queues(20), 20_000),
    "queue.Queue, ping-pong": (bench.queue_round_trips("Queue"), 20_000),
    "queue.SimpleQueue, ping-pong": (bench.queue_round_trips("SimpleQueue"), 20_000),
    "queue.Queue, 2 producers, 2 consumers": (programs.producers_and_consumers(2), 10_000),
    "queue.Queue(10), two threads": (bench.bounded_queue, 20_000),
    "ThreadPoolExecutor, many tasks": (programs.pool_many, 10_000),
    "ThreadPoolExecutor, one at a time": (programs.pool_one_by_one, 10_000),
    "asyncio.to_thread, one at a time": (programs.to_thread_one_by_one, 3_000),
    "multiprocessing.dummy, Pool.map of 8": (programs.dummy_pool_map, 2_000),
    "cpython issue 104391": (programs.event_under_lock, 100),
    "HTTP server, a thread a connection": (programs.http_server, 300),
}


def sample(run: Callable[[Any, int], Cost], rounds: int, profiled: bool) -> Cost:
    with cthreading.profile_waits() if profiled else nullcontext():
        return run(cthreading, rounds)


def measure(run: Callable[[Any, int], Cost], rounds: int, samples: int) -> list[tuple[float, float]]:
    """The ratios of time and of CPU time, pair by pair; which of a pair comes first takes turns."""
    run(cthreading, rounds)
    ratios = []
    for number in range(samples):
        costs = {profiled: sample(run, rounds, profiled) for profiled in (number % 2 == 0, number % 2 == 1)}
        ratios.append((costs[True].wall / costs[False].wall, costs[True].cpu / costs[False].cpu))
    return ratios


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--only", default="", help="the programs whose names match")
    parser.add_argument("--samples", type=int, default=21)
    arguments = parser.parse_args()
    print(f"{'':40}   time    CPU  quartiles of time")
    for name, (run, rounds) in PROGRAMS.items():
        if re.search(arguments.only, name):
            walls, cpus = zip(*measure(run, rounds, arguments.samples), strict=True)
            lower, _, upper = quantiles(walls, n=4)
            print(f"{name:40}  {median(walls):.3f}  {median(cpus):.3f}  {lower:.3f} {upper:.3f}", flush=True)


if __name__ == "__main__":
    main()
