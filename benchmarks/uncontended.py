"""The uncontended rows of cthreading.bench under pyperf: python benchmarks/uncontended.py -o result.json."""

import threading
from collections.abc import Callable

import pyperf

import cthreading
from cthreading.bench import UNCONTENDED, UNROLLED, sides_of


def in_seconds(loop: Callable[[int], int]) -> Callable[[int], float]:
    return lambda rounds: loop(rounds) / 1e9


def main() -> None:
    runner = pyperf.Runner()
    runner.metadata["threading"] = threading.__file__
    runner.metadata["cthreading"] = cthreading.__file__
    for row in UNCONTENDED:
        for side, loop in sides_of(row).items():
            runner.bench_time_func(f"{row.name} [{side}]", in_seconds(loop), inner_loops=UNROLLED)


if __name__ == "__main__":
    main()
