"""What many primitives need: bytes of resident memory for each, every kind in a process of its own."""

import argparse
import importlib
import subprocess
import sys

KINDS = ["Lock", "RLock", "Condition", "Semaphore", "BoundedSemaphore", "Event"]
QUEUES = ["Queue", "PriorityQueue", "SimpleQueue"]
MODULES = ["threading", "cthreading"]
SHARE = 20  # of the queues, which are large, one in so many


def resident_bytes() -> int:
    with open("/proc/self/status", encoding="ascii") as file:
        for line in file:
            if line.startswith("VmRSS:"):
                return int(line.split()[1]) * 1024
    raise RuntimeError("no VmRSS")


def bytes_each(module: str, kind: str, count: int) -> float:
    home = module if kind not in QUEUES else "queue" if module == "threading" else "cthreading.queue"
    make = getattr(importlib.import_module(home), kind)
    made = [make() for _ in range(1000)]
    made = [None] * count
    before = resident_bytes()
    for i in range(count):
        made[i] = make()
    return (resident_bytes() - before) / count


def measure(module: str, kind: str, count: int) -> float:
    """As bytes_each, in a new process."""
    command = [sys.executable, __file__, "--count", str(count), "--one", module, kind]
    return float(subprocess.run(command, capture_output=True, text=True, check=True, timeout=600).stdout)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--count", type=int, default=1_000_000, help="how many of each kind (default: %(default)s)")
    parser.add_argument("--one", nargs=2, metavar=("MODULE", "KIND"), help="print the bytes each of this kind alone")
    options = parser.parse_args()
    if options.one:
        print(bytes_each(*options.one, options.count))
        return
    print(f"{options.count:,} of each, bytes each\n{'':<18}{MODULES[0]:>12}{MODULES[1]:>12}{'ratio':>9}")
    for kind in KINDS + QUEUES:
        count = options.count // SHARE if kind in QUEUES else options.count
        theirs, ours = (measure(module, kind, count) for module in MODULES)
        print(f"{kind:<18}{theirs:>12.1f}{ours:>12.1f}{theirs / ours:>8.2f}x", flush=True)


if __name__ == "__main__":
    main()
