"""A mix of everything, for as long as one likes: python tests/soak.py --minutes N [--seed S] [--only NAME,NAME]

All primitives, both modules, both barriers of aio, signals whose handlers raise, forks, subinterpreters, timeouts and
exits, in processes that last some seconds each. Every activity checks what must be conserved: permits, items,
notifications, turns. At the end there are figures; the seed that is printed makes the same choices again, as far as the
system's scheduler does.

A process that does not end in time prints the stacks of all threads of all processes, what each of them waits for in
the kernel, and the state of the primitives; then the soak fails.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import faulthandler
import json
import os
import random
import shutil
import signal
import subprocess
import sys
import sysconfig
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import cthreading
from cthreading import aio

MODULES = [cthreading, cthreading, threading]
SECONDS = 8.0  # how long the activities of one process go on
PATIENCE = 60.0  # how long a process may take to come to its end after that
CHILD_PATIENCE = 40.0  # and a process that one of its threads started
SHORT = [0, 0.00001, 0.0002, 0.002, 0.02]
# 3.13 frees the thread states of daemon threads at its end. Without a GIL such a thread may just be coming back, from a
# wait of any module (gh-124878, mended in 3.14). It dies with as much of these words as it says before it reads that.
FREES_STATES_IN_USE = sys.version_info[:2] == (3, 13) and bool(sysconfig.get_config_var("Py_GIL_DISABLED"))
DYING_WORDS = "Fatal Python error: Segmentation fault\n\n"


class Interrupted(Exception):
    """Raised by the signal handler."""


class Soak:
    """One process: its threads, its choices, what it counts and what went wrong."""

    def __init__(self, seed: int, seconds: float) -> None:
        self.seed = seed
        self.end = time.monotonic() + seconds
        self.counts: Counter[str] = Counter()
        self.counts_lock = threading.Lock()
        self.threads: list[Any] = []
        self.errors: list[str] = []
        self.checks: list[Callable[[], None]] = []
        self.objects: dict[str, object] = {}

    def random(self, *name: object) -> random.Random:
        return random.Random(f"{self.seed} {name}")

    def goes_on(self) -> bool:
        return time.monotonic() < self.end and not self.errors

    def count(self, **counts: int) -> None:
        with self.counts_lock:
            self.counts.update(counts)

    def start(self, work: Callable[[random.Random], None], count: int = 1) -> None:
        """Threads of either module that each call work(random) once."""
        for number in range(count):
            chance = self.random(work.__qualname__, len(self.threads), number)
            thread = chance.choice(MODULES).Thread(target=self.run, args=(work, chance), daemon=True)
            thread.name = f"{work.__qualname__.removesuffix('.<locals>.work')}-{number}"
            self.threads.append(thread)
            thread.start()

    def run(self, work: Callable[[random.Random], None], chance: random.Random) -> None:
        try:
            work(chance)
        except BaseException as error:
            self.errors.append(f"{threading.current_thread().name}: {error!r}")

    def check(self, true: bool, what: str) -> None:
        if not true:
            self.errors.append(what)

    def finish(self) -> None:
        for thread in self.threads:
            thread.join()
        for check in self.checks:
            check()

    def keep(self, name: str, thing: Any) -> Any:
        """Remembers the object: its state is shown if the process hangs."""
        self.objects[f"{name} {len(self.objects)}"] = thing
        return thing


def pause(chance: random.Random) -> None:
    if chance.random() < 0.05:
        time.sleep(chance.choice(SHORT))


# Activities. Each begins threads that go on until the time is over, and adds checks for afterwards.


def permits(soak: Soak) -> None:
    """No more hold a semaphore than there are permits, and all are there again at the end."""
    chance = soak.random("permits")
    most = chance.randint(1, 3)
    semaphore = soak.keep("semaphore", chance.choice([cthreading.Semaphore, cthreading.BoundedSemaphore])(most))
    holders: list[int] = []

    def work(chance: random.Random) -> None:
        taken = given_up = 0
        while soak.goes_on():
            how = chance.random()
            if how < 0.3:
                semaphore.acquire()
            elif not (semaphore.acquire(timeout=chance.choice(SHORT)) if how < 0.8 else semaphore.acquire(False)):
                given_up += 1
                continue
            holders.append(1)
            soak.check(len(holders) <= most, "more hold the semaphore than there are permits")
            pause(chance)
            holders.pop()
            semaphore.release()
            taken += 1
        soak.count(permits=taken, permits_given_up=given_up)

    def check() -> None:
        soak.check(semaphore._value == most, f"{semaphore!r}: {most} permits are left")

    soak.checks.append(check)
    soak.start(work, chance.randint(2, 6))


def turns(soak: Soak) -> None:
    """Whoever has the lock is alone: no turn is lost."""
    chance = soak.random("turns")
    lock = soak.keep("lock", chance.choice([cthreading.Lock, cthreading.RLock, cthreading.Condition])())
    had: list[int] = [0]
    mine: list[int] = []

    def work(chance: random.Random) -> None:
        turns = 0
        while soak.goes_on():
            if chance.random() < 0.5:
                lock.acquire()
            elif not lock.acquire(timeout=chance.choice(SHORT)):
                continue
            seen = had[0]
            pause(chance)
            had[0] = seen + 1
            lock.release()
            turns += 1
        mine.append(turns)
        soak.count(turns=turns)

    soak.checks.append(lambda: soak.check(sum(mine) == had[0], f"{sum(mine)} turns, {had[0]} counted"))
    soak.start(work, chance.randint(2, 6))


class ForeignLock:
    """A lock that a condition knows nothing about."""

    def __init__(self) -> None:
        lock = threading.Lock()
        self.acquire, self.release = lock.acquire, lock.release

    def __enter__(self) -> object:
        return self.acquire()

    def __exit__(self, *_: object) -> None:
        self.release()


def items(soak: Soak) -> None:
    """What is put is got, once: over all kinds of locks, with timeouts. No notification is lost: who waits without a
    timeout comes back as long as there are items."""
    chance = soak.random("items")
    lock = chance.choice([cthreading.RLock, cthreading.Lock, threading.Lock, threading.RLock, ForeignLock])()
    condition = soak.keep("condition", cthreading.Condition(lock))
    box: list[int] = []
    producers, consumers = chance.randint(1, 3), chance.randint(1, 4)
    left = [producers]
    put: Counter[int] = Counter()
    got: Counter[int] = Counter()

    def produce(chance: random.Random) -> None:
        number = chance.randrange(2**60)
        while soak.goes_on():
            pause(chance)
            if len(box) > 100:
                time.sleep(0.001)  # or those that get would be at it long after the end
                continue
            with condition:
                for _ in range(chance.choice([1, 1, 3])):
                    number += 1
                    box.append(number)
                    put[number] += 1
                    condition.notify()
        with condition:
            left[0] -= 1
            condition.notify_all()

    def consume(chance: random.Random) -> None:
        count = 0
        while True:
            with condition:
                while not box and left[0]:
                    if chance.random() < 0.3:
                        condition.wait(chance.choice(SHORT))
                        if not box:
                            condition.notify()  # in case the one that came with the timeout was for another
                    else:
                        condition.wait()
                if not box:
                    break
                got[box.pop(0)] += 1
                count += 1
            pause(chance)
        soak.count(items=count)

    soak.checks.append(lambda: soak.check(put == got and not box, f"{put.total()} items put, {got.total()} got"))
    soak.start(produce, producers)
    soak.start(consume, consumers)


def signals_of_events(soak: Soak) -> None:
    """A herd waits for one event after the other: all come, each time."""
    chance = soak.random("events")
    size = chance.choice([1, 2, 8, 40])
    rounds = [soak.keep("event", cthreading.Event()) for _ in range(2)]
    back = cthreading.Semaphore(0)
    ended = [False]

    def wait(chance: random.Random) -> None:
        number = 0
        while True:
            event = rounds[number % 2]
            while not event.wait(chance.choice([None, None, 0.001, 0.05])):
                pass
            if ended[0]:
                return
            number += 1
            back.release()

    def lead(chance: random.Random) -> None:
        number = 0
        while soak.goes_on():
            rounds[(number + 1) % 2].clear()
            pause(chance)
            rounds[number % 2].set()
            for _ in range(size):
                back.acquire()
            number += 1
        ended[0] = True
        for event in rounds:
            event.set()
        soak.count(events=number * size)

    soak.start(wait, size)
    soak.start(lead)


def rounds_of_barriers(soak: Soak) -> None:
    """Each round gives each index once; a broken one is broken for all."""
    chance = soak.random("barriers")
    parties = chance.randint(2, 6)
    kind = chance.choice([cthreading.Barrier, aio.MixedBarrier])
    barrier = soak.keep("barrier", kind(parties))
    indices: list[Counter[int]] = [Counter()]
    impatient = chance.random() < 0.5
    lock = threading.Lock()
    at_the_end = cthreading.Barrier(parties)

    def work(chance: random.Random) -> None:
        rounds = broken = 0
        while soak.goes_on():
            try:
                index = barrier.wait(chance.choice([0.002, 5, 5]) if impatient else 30)
            except threading.BrokenBarrierError:
                broken += 1
                with lock, contextlib.suppress(threading.BrokenBarrierError):
                    if barrier.broken:
                        barrier.reset()
                continue
            with lock:
                indices[0][index] += 1
            rounds += 1
        with contextlib.suppress(threading.BrokenBarrierError):
            barrier.abort()  # those that found a last round begun
        at_the_end.wait(PATIENCE)
        soak.count(barriers=rounds, barriers_broken=broken)

    def check() -> None:
        # A round that was full gave each index: those that were aborted gave none.
        soak.check(len(set(indices[0].values())) <= 1, f"indices of {parties}: {indices[0]}")

    soak.checks.append(check)
    soak.start(work, parties)


def tasks(soak: Soak) -> None:
    """Tasks of two event loops, and threads, at one barrier; beside it asyncio's barrier in each loop."""
    chance = soak.random("tasks")
    parties = 2 * chance.randint(1, 3) + 1
    barrier = soak.keep("mixed barrier", aio.MixedBarrier(parties))
    count = chance.randint(50, 500)

    async def loop() -> None:
        own = aio.Barrier(parties // 2)

        async def task() -> None:
            for _ in range(count):
                await barrier.wait_async()
                await own.wait()

        await asyncio.gather(*(task() for _ in range(parties // 2)))

    def work_loop(chance: random.Random) -> None:
        asyncio.run(loop())

    def work_thread(chance: random.Random) -> None:
        for _ in range(count):
            barrier.wait()
        soak.count(tasks=count)

    soak.checks.append(lambda: soak.check(barrier.n_waiting == 0, "somebody waits at the mixed barrier"))
    soak.start(work_loop, 2)
    soak.start(work_thread)


def lives(soak: Soak) -> None:
    """Threads, timers and locals come and go."""

    def work(chance: random.Random) -> None:
        local = cthreading.local()
        started = 0
        while soak.goes_on():
            seen: list[object] = []

            def live(number: int, local: Any = local, seen: list[object] = seen) -> None:
                soak.check(not hasattr(local, "value"), "another thread's local")
                local.value = number
                seen.append(threading.current_thread())
                soak.check(local.value == number, "a local that is another's")

            threads = [
                chance.choice(MODULES).Thread(target=live, args=(number,)) for number in range(chance.randint(1, 5))
            ]
            timer = cthreading.Timer(chance.choice([0, 0.001, 60]), live, [-1])
            for thread in [*threads, timer]:
                thread.start()
            for thread in threads:
                while thread.is_alive():
                    thread.join(chance.choice([None, 0.0001]))
            timer.cancel()
            timer.join()
            soak.check(set(threads) <= set(seen), "a thread that is not its own current_thread()")
            started += len(threads) + 1
        soak.count(threads=started)

    soak.start(work, 2)


def exits(soak: Soak) -> None:
    """Processes end while daemon threads wait for everything; with status 0 and without a word."""
    code = """if True:
        import cthreading, random, sys
        chance = random.Random(sys.argv[1])
        lock = cthreading.Lock(); lock.acquire()
        rlock = cthreading.RLock(); condition = cthreading.Condition(); event = cthreading.Event()
        semaphore = cthreading.Semaphore(0); barrier = cthreading.Barrier(99); ready = cthreading.Semaphore(0)
        def condition_wait(timeout):
            with condition: condition.wait(timeout)
        waits = [lambda t: lock.acquire(timeout=t or -1), condition_wait, event.wait,
                 lambda t: semaphore.acquire(timeout=t), barrier.wait]
        def work(wait):
            ready.release()
            while True:
                try: wait(chance.choice([None, 0.0001, 0.001]))
                except cthreading.BrokenBarrierError: barrier.reset()
        for _ in range(3):
            for wait in waits: cthreading.Thread(target=work, args=(wait,), daemon=True).start()
        for _ in range(15): ready.acquire()
        cthreading.Thread(target=event.wait, args=(0.01,)).start()
    """

    def work(chance: random.Random) -> None:
        count = died = 0
        while soak.goes_on():
            done = subprocess.run(
                [sys.executable, "-X", "faulthandler", "-c", code, str(chance.random())],
                capture_output=True,
                text=True,
                timeout=CHILD_PATIENCE,
                check=False,
            )
            if FREES_STATES_IN_USE and done.returncode == -signal.SIGSEGV and DYING_WORDS.startswith(done.stderr):
                died += 1
                soak.check(died == 1, "twice what should happen once in thousands of exits")
                continue
            soak.check(done.returncode == 0 and not done.stderr, f"an exit with {done.returncode}: {done.stderr}")
            count += 1
        soak.count(exits=count, exits_died_of_freed_states=died)

    soak.start(work)


def live_in_the_child(seed: int) -> None:
    """In a child that one thread of many has forked: everything works."""
    soak = Soak(seed, 0.02)
    for activity in [permits, turns, items, signals_of_events]:
        activity(soak)
    soak.finish()
    if soak.errors:
        print(f"in a forked child: {soak.errors}", file=sys.stderr, flush=True)
        os._exit(1)
    os._exit(0)


def forks(soak: Soak) -> None:
    """Forks in a thread, while all others do what they do."""

    def work(chance: random.Random) -> None:
        count = 0
        while soak.goes_on():
            time.sleep(chance.choice([0.001, 0.02, 0.1]))
            seed = chance.randrange(2**32)
            pid = os.fork()
            if pid == 0:
                signal.setitimer(signal.ITIMER_REAL, 0)
                live_in_the_child(seed)
            deadline = time.monotonic() + CHILD_PATIENCE
            ended = status = 0
            while not ended and time.monotonic() < deadline:
                ended, status = os.waitpid(pid, os.WNOHANG)
                time.sleep(0 if ended else 0.001)
            if not ended:
                show_process(pid)
                os.kill(pid, signal.SIGKILL)
                os.waitpid(pid, 0)
            soak.check(bool(ended) and status == 0, f"a forked child: ended {ended}, status {status}")
            count += 1
        soak.count(forks=count)

    soak.start(work)


def interpreters(soak: Soak) -> None:
    """Subinterpreters with a GIL of their own come and go, with threads of their own."""
    if sys.version_info < (3, 12):
        return  # they share one GIL there, and cannot be ended while another thread is in them
    try:
        import _interpreters as module
    except ImportError:
        import _xxsubinterpreters as module
    code = """if True:
        import cthreading
        condition, event, barrier = cthreading.Condition(), cthreading.Event(), cthreading.Barrier(2)
        ready = []
        def other():
            event.wait()
            with condition:
                ready.append(1)
                condition.notify()
            barrier.wait()
        thread = cthreading.Thread(target=other)
        thread.start()
        event.set()
        with condition:
            condition.wait_for(lambda: ready)
        barrier.wait()
        thread.join()
    """

    def work(chance: random.Random) -> None:
        count = 0
        while soak.goes_on():
            which = module.create("isolated") if sys.version_info >= (3, 13) else module.create(isolated=True)
            failure = module.run_string(which, code)
            soak.check(failure is None, f"in a subinterpreter: {failure}")
            module.destroy(which)
            count += 1
        soak.count(interpreters=count)

    soak.start(work)


ACTIVITIES = [
    permits,
    turns,
    items,
    signals_of_events,
    rounds_of_barriers,
    tasks,
    lives,
    exits,
    forks,
    interpreters,
]
MAIN = "main thread"  # what that does, beside the activities


def interrupted_waits(soak: Soak) -> None:
    """The main thread waits for everything, while signals come whose handlers raise every other time: what was taken is
    counted, what was not is still there."""
    chance = soak.random(MAIN)
    semaphore = soak.keep("the main thread's semaphore", cthreading.Semaphore(0))
    lock = soak.keep("the main thread's lock", cthreading.Lock())
    condition = soak.keep("the main thread's condition", cthreading.Condition())
    event = soak.keep("the main thread's event", cthreading.Event())
    given: list[int] = []
    quiet = [True]

    def handler(*_: object) -> None:
        if not quiet[0] and chance.random() < 0.5:
            quiet[0] = True
            raise Interrupted

    def give(chance: random.Random) -> None:
        while soak.goes_on():
            pause(chance)
            with lock:
                pass
            semaphore.release()
            given.append(1)
            event.set()
            with condition:
                condition.notify()
        event.set()

    def pester(chance: random.Random) -> None:
        count = 0
        while soak.goes_on():
            time.sleep(chance.choice([0.0005, 0.003]))
            os.kill(os.getpid(), signal.SIGALRM)
            count += 1
        soak.count(signals=count)

    signal.signal(signal.SIGALRM, handler)
    soak.start(give)
    soak.start(pester)
    waits = raised = 0
    while soak.goes_on():
        how = chance.randrange(4)
        try:
            quiet[0] = False
            if how == 0:
                semaphore.acquire(timeout=1)
            elif how == 1:
                with lock:
                    pause(chance)
            elif how == 2:
                with condition:
                    condition.wait(0.01)
            else:
                event.wait(1)
                event.clear()
            quiet[0] = True
            waits += 1
        except Interrupted:
            raised += 1
    soak.count(waits_of_the_main_thread=waits, interrupted=raised)

    def check() -> None:
        # A handler may raise right after a wait or in `with` too, where it is Python that loses what was taken.
        soak.check(0 <= semaphore._value <= len(given), "permits of the main thread's semaphore")

    soak.checks.append(check)


def show_states(soak: Soak) -> None:
    for name, thing in soak.objects.items():
        state = {key: getattr(thing, key) for key in ("_value", "n_waiting", "_waiters") if hasattr(thing, key)}
        print(f"  {name}: {thing!r} {state}", file=sys.stderr)
    sys.stderr.flush()


def run_one(arguments: argparse.Namespace) -> int:
    """One process: a few activities at once, and the main thread."""
    faulthandler.enable()
    faulthandler.register(signal.SIGUSR1, all_threads=True)
    soak = Soak(arguments.seed, arguments.seconds)
    chance = soak.random("activities")
    chosen = [activity for activity in ACTIVITIES if activity.__name__ in arguments.only]
    if forks in chosen and interpreters in chosen:
        # CPython itself does not survive a fork in a process that has other interpreters.
        chosen.remove(chance.choice([forks, interpreters]))
    sys.setswitchinterval(chance.choice([1e-5, 1e-3, 5e-3]))

    def watch() -> None:
        # A thread of its own: the others may hang.
        time.sleep(arguments.seconds + PATIENCE / 2)
        print("the states of the primitives:", file=sys.stderr)
        show_states(soak)

    threading.Thread(target=watch, daemon=True).start()
    for activity in chosen if len(chosen) < 4 else chance.sample(chosen, 4):
        activity(soak)
    if MAIN in arguments.only:
        interrupted_waits(soak)
    soak.finish()
    print(json.dumps(soak.counts))
    for error in soak.errors:
        print(f"FAILED {error}", file=sys.stderr)
    return 1 if soak.errors else 0


# The parent: starts them, and looks at those that hang.


def read(path: Path) -> str:
    try:
        return path.read_text().strip()
    except OSError as error:
        return str(error)


def show_process(pid: int) -> None:
    """All stacks of the process, as far as can be told."""
    with contextlib.suppress(ProcessLookupError):
        os.kill(pid, signal.SIGUSR1)  # faulthandler prints the Python stacks
    time.sleep(1)
    print(f"process {pid}: {read(Path(f'/proc/{pid}/cmdline'))[:200]!r}", file=sys.stderr)
    for task in sorted(Path(f"/proc/{pid}/task").glob("*")):
        print(f"  thread {task.name}: {read(task / 'comm')}, in {read(task / 'wchan')}", file=sys.stderr)
        print(f"    system call {read(task / 'syscall')}", file=sys.stderr)
    for tool in (
        ["py-spy", "dump", "--native", "--pid", str(pid)],
        ["gdb", "-p", str(pid), "-batch", "-ex", "thread apply all bt"],
    ):
        if shutil.which(tool[0]):
            with contextlib.suppress(subprocess.SubprocessError):
                done = subprocess.run(tool, capture_output=True, text=True, timeout=60, check=False)
                print(done.stdout + done.stderr, file=sys.stderr)
    sys.stderr.flush()


def descendants(pid: int) -> Iterator[int]:
    yield pid
    for task in Path(f"/proc/{pid}/task").glob("*"):
        for child in read(task / "children").split():
            if child.isdigit():
                yield from descendants(int(child))


def run_in_process(seed: int, seconds: float, only: str) -> tuple[int, Counter[str]]:
    command = [
        sys.executable,
        "-W",
        "ignore::DeprecationWarning",
        __file__,
        "--one",
        "--seed",
        str(seed),
        "--seconds",
        str(seconds),
        "--only",
        only,
    ]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True, start_new_session=True)
    try:
        out, _ = process.communicate(timeout=seconds + PATIENCE)
    except subprocess.TimeoutExpired:
        print(f"HANGS with --seed {seed}", file=sys.stderr)
        for pid in [*descendants(process.pid)]:
            show_process(pid)
        os.killpg(process.pid, signal.SIGKILL)
        process.communicate()
        return 1, Counter()
    if process.returncode != 0:
        print(f"FAILED with --one --seed {seed} --seconds {seconds}: {process.returncode}", file=sys.stderr)
        return 1, Counter()
    return 0, Counter(json.loads(out))


def main() -> int:
    names = [activity.__name__ for activity in ACTIVITIES] + [MAIN]
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--minutes", type=float, default=2)
    parser.add_argument(
        "--seed", type=int, default=random.randrange(2**32), help="of the first process; each takes the next"
    )
    parser.add_argument("--only", default=",".join(names), help=f"of {', '.join(names)}")
    parser.add_argument("--without", default="", help="of the same")
    parser.add_argument("--seconds", type=float, default=SECONDS, help="how long one process goes on")
    parser.add_argument("--one", action="store_true", help="one process, this one")
    arguments = parser.parse_args()
    if arguments.one:
        arguments.only = arguments.only.split(",")
        return run_one(arguments)
    began = time.monotonic()
    print(f"seed {arguments.seed}", flush=True)
    only = ",".join(set(arguments.only.split(",")) - set(arguments.without.split(",")))
    total: Counter[str] = Counter()
    processes = failed = 0
    slowest = 0.0
    while time.monotonic() - began < 60 * arguments.minutes:
        started = time.monotonic()
        status, counts = run_in_process(arguments.seed + processes, arguments.seconds, only)
        slowest = max(slowest, time.monotonic() - started)
        failed += status
        processes += 1
        total += counts
    seconds = time.monotonic() - began
    print(f"{processes} processes, {failed} failed, {seconds:.0f} s, the slowest {slowest:.1f} s")
    for name, count in sorted(total.items()):
        print(f"  {name.replace('_', ' '):26} {count:12,}")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
