"""Small whole programs over threading, or over another module in its place.

The modules of the standard library that a program uses are imported anew, with that module under the name `threading`,
and cthreading.queue under the name `queue` if it is cthreading: so programs over the one and over the other run in one
process, in turns. (cthreading.install() would replace it for the whole process.) Each function takes the module and a
number of rounds and returns what these cost.
"""

import asyncio
import atexit
import concurrent.futures
import importlib
import subprocess
import sys
from _thread import allocate_lock
from collections.abc import Callable
from functools import cache, partial
from pathlib import Path
from time import sleep
from types import ModuleType, SimpleNamespace
from typing import Any

from cthreading.bench import Cost, cost_since, queue_over, read_meter, time_together

THREADED_MODULES = [
    "concurrent.futures._base",
    "concurrent.futures.thread",
    "socketserver",
    "http.server",
    "multiprocessing.pool",
]

HTTP_CLIENT = Path(__file__).with_name("http_client.py")


def put_back(name: str, module: ModuleType | None) -> None:
    """As if the module had never been imported anew; its package has it as an attribute, too."""
    if module is None:
        del sys.modules[name]
    else:
        sys.modules[name] = module
    package, _, attribute = name.rpartition(".")
    if package and module is not None:
        setattr(sys.modules[package], attribute, module)


@cache
def library_over(threading: Any) -> SimpleNamespace:
    """New copies of the modules that use threading, with this one under its name."""
    importlib.import_module("concurrent.futures")
    importlib.import_module("multiprocessing.pool")
    queue = queue_over(threading)
    replaced = ["threading", "queue", *THREADED_MODULES]
    kept = {name: sys.modules.pop(name, None) for name in replaced}
    sys.modules["threading"] = threading
    sys.modules["queue"] = queue
    try:
        copies = {name: importlib.import_module(name) for name in THREADED_MODULES}
    finally:
        for name, module in kept.items():
            put_back(name, module)
    assert all(vars(copy)["threading"] is threading for copy in copies.values() if "threading" in vars(copy))
    assert all(vars(copy)["queue"] is queue for copy in copies.values() if "queue" in vars(copy))
    return SimpleNamespace(
        Queue=queue.Queue,
        ThreadPoolExecutor=copies["concurrent.futures.thread"].ThreadPoolExecutor,
        ThreadingHTTPServer=copies["http.server"].ThreadingHTTPServer,
        Future=copies["concurrent.futures._base"].Future,
        ThreadPool=copies["multiprocessing.pool"].ThreadPool,
        BaseHTTPRequestHandler=copies["http.server"].BaseHTTPRequestHandler,
    )


def time_inside(threading: Any, work: Callable[[], Cost], *others: Callable[[], object]) -> Cost:
    """As time_together, but what the work says that it cost: how the threads end is not part of it."""
    costs: list[Cost] = []
    time_together(threading, lambda: costs.append(work()), *others)
    return costs[0]


def producers_and_consumers(pairs: int) -> Callable[[Any, int], Cost]:
    """So many threads that put and as many that get, on one queue."""

    def run(threading: Any, rounds: int) -> Cost:
        queue = library_over(threading).Queue()

        def consume() -> None:
            for _ in range(rounds):
                queue.get()

        def produce() -> None:
            for i in range(rounds):
                queue.put(i)

        return time_together(threading, produce, *[produce] * (pairs - 1), *[consume] * pairs)

    return run


def whispers(threads: int) -> Callable[[Any, int], Cost]:
    """A chain of threads, each of which adds one to what it gets and passes it on; every round is one number more."""

    def run(threading: Any, rounds: int) -> Cost:
        queues = [library_over(threading).Queue() for _ in range(threads + 1)]

        def pass_on(number: int) -> Callable[[], None]:
            source, target = queues[number], queues[number + 1]

            def work() -> None:
                for _ in range(rounds):
                    target.put(source.get() + 1)

            return work

        def start_and_listen() -> Cost:
            begin = read_meter()
            for _ in range(rounds):
                queues[0].put(0)
            for _ in range(rounds):
                assert queues[-1].get() == threads
            return cost_since(begin)

        return time_inside(threading, start_and_listen, *map(pass_on, range(threads)))

    return run


def pipeline(stages: int) -> Callable[[Any, int], Cost]:
    """An item goes through a chain of threads, and the next one only once it has come out at the end."""

    def run(threading: Any, rounds: int) -> Cost:
        queues = [library_over(threading).Queue() for _ in range(stages + 1)]

        def work(stage: int) -> None:
            for _ in range(rounds):
                queues[stage + 1].put(queues[stage].get() + 1)

        def feed() -> Cost:
            begin = read_meter()
            for _ in range(rounds):
                queues[0].put(0)
                assert queues[-1].get() == stages
            return cost_since(begin)

        return time_inside(threading, feed, *(partial(work, stage) for stage in range(stages)))

    return run


def workers_between_queues(workers: int) -> Callable[[Any, int], Cost]:
    def run(threading: Any, rounds: int) -> Cost:
        tasks, results = library_over(threading).Queue(), library_over(threading).Queue()

        def work() -> None:
            while (number := tasks.get()) is not None:
                results.put(number + 1)

        def feed() -> Cost:
            begin = read_meter()
            for i in range(rounds):
                tasks.put(i)
            for _ in range(rounds):
                results.get()
            cost = cost_since(begin)
            for _ in range(workers):
                tasks.put(None)
            return cost

        return time_inside(threading, feed, *[work] * workers)

    return run


def with_warm_pool(threading: Any, measured: Callable[[Any], object]) -> Cost:
    with library_over(threading).ThreadPoolExecutor(4) as pool:
        list(pool.map(int, range(100)))
        begin = read_meter()
        measured(pool)
        return cost_since(begin)


def pool_many(threading: Any, rounds: int) -> Cost:
    def submit(pool: Any) -> None:
        for future in [pool.submit(int) for _ in range(rounds)]:
            future.result()

    return with_warm_pool(threading, submit)


def pool_one_by_one(threading: Any, rounds: int) -> Cost:
    def submit(pool: Any) -> None:
        for _ in range(rounds):
            pool.submit(int).result()

    return with_warm_pool(threading, submit)


def to_thread_one_by_one(threading: Any, rounds: int) -> Cost:
    """asyncio.to_thread, awaited one at a time."""
    library = library_over(threading)

    async def main() -> Cost:
        # set_default_executor() wants one of the class that asyncio knows.
        vars(asyncio.get_running_loop())["_default_executor"] = library.ThreadPoolExecutor(4)
        for _ in range(10):
            await asyncio.to_thread(int)
        begin = read_meter()
        for _ in range(rounds):
            await asyncio.to_thread(int)
        return cost_since(begin)

    known = concurrent.futures.Future
    vars(concurrent.futures)["Future"] = library.Future
    try:
        return asyncio.run(main())
    finally:
        vars(concurrent.futures)["Future"] = known


def dummy_pool_map(threading: Any, rounds: int) -> Cost:
    """The pool of multiprocessing.dummy: one map of eight tasks after the other."""
    with library_over(threading).ThreadPool(4) as pool:
        pool.map(int, range(100), 1)
        begin = read_meter()
        for _ in range(rounds):
            pool.map(int, range(8), 1)
        return cost_since(begin)


def event_under_lock(threading: Any, rounds: int) -> Cost:
    """cpython issue 104391: one thread sets an event without a pause, another waits for it and clears it."""
    lock, event = threading.Lock(), threading.Event()

    def wait_and_clear() -> None:
        for _ in range(rounds):
            while not event.is_set():
                event.wait(1)
            with lock:
                event.clear()

    waiter = threading.Thread(target=wait_and_clear)
    begin = read_meter()
    waiter.start()
    while waiter.is_alive():
        with lock:
            event.set()
    return cost_since(begin)


@cache
def http_client() -> "subprocess.Popen[str]":
    """A process that sends the requests, so that what they cost the client is not counted. It ends with this one."""
    client = subprocess.Popen(
        [sys.executable, "-S", "-E", str(HTTP_CLIENT)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    atexit.register(client.communicate)
    return client


def http_server(threading: Any, rounds: int) -> Cost:
    """Requests of four clients at once, a connection and with it a thread for each."""
    library = library_over(threading)
    answer = b"HTTP/1.0 200 OK\r\nContent-Length: 2\r\n\r\nok"

    class Handler(library.BaseHTTPRequestHandler):  # type: ignore[name-defined,misc]
        def do_GET(self) -> None:
            self.wfile.write(answer)

    class Server(library.ThreadingHTTPServer):  # type: ignore[name-defined,misc]
        request_queue_size = 128

    client = http_client()
    assert client.stdin is not None
    assert client.stdout is not None
    with Server(("127.0.0.1", 0), Handler) as server:
        serving = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        serving.start()
        begin = read_meter()
        client.stdin.write(f"{server.server_address[1]} {rounds}\n")
        client.stdin.flush()
        answered = int(client.stdout.readline())
        cost = cost_since(begin)
        server.shutdown()
        serving.join()
    if answered != rounds:
        raise RuntimeError(f"{answered} of {rounds} requests were answered")
    return cost


def loops_on_locks(
    threads: int, shared: bool, inside: int, outside: int, kind: str = "Lock"
) -> Callable[[Any, int], Cost]:
    """Threads that take a lock, work, release it and work: all the same, or each its own. A round: each thread once."""

    def run(threading: Any, rounds: int) -> Cost:
        make = getattr(threading, kind)
        one = make()

        def loop() -> None:
            lock = one if shared else make()
            # No object is worked with that the threads share: in a free-threaded interpreter each would wait for that.
            inner, outer = range(inside), range(outside)
            for _ in range(rounds):
                with lock:
                    for _ in inner:
                        pass
                for _ in outer:
                    pass

        return time_together(threading, *[loop] * threads)

    return run


def shared_event(threads: int) -> Callable[[Any, int], Cost]:
    """Threads that ask one event whether it is set: nothing to wait for, but all of them use the same object."""

    def run(threading: Any, rounds: int) -> Cost:
        event = threading.Event()
        event.set()

        def ask(event: Any = event) -> None:
            for _ in range(rounds):
                event.wait()

        return time_together(threading, *[ask] * threads)

    return run


def event_wakes(waiters: int) -> Callable[[Any, int], Cost]:
    """From Event.set until so many waiting threads have all gone on; getting them to wait again is not counted."""

    def run(threading: Any, rounds: int) -> Cost:
        events = [threading.Event(), threading.Event()]
        guard, all_wait, all_went_on = allocate_lock(), allocate_lock(), allocate_lock()
        all_wait.acquire()
        all_went_on.acquire()
        waiting = went_on = 0

        def wait() -> None:
            nonlocal waiting, went_on
            for number in range(rounds + 1):
                with guard:
                    waiting += 1
                    if waiting == waiters:
                        all_wait.release()
                events[number % 2].wait()
                with guard:
                    went_on += 1
                    last = went_on == waiters
                if last:
                    all_went_on.release()

        threads = [threading.Thread(target=wait, daemon=True) for _ in range(waiters)]
        for thread in threads:
            thread.start()
        total = Cost(0, 0, 0)
        for number in range(rounds + 1):
            all_wait.acquire()
            sleep(0.001)  # the last one says so before it waits
            waiting = went_on = 0
            begin = read_meter()
            events[number % 2].set()
            all_went_on.acquire()
            cost = cost_since(begin)
            events[number % 2].clear()
            if number < rounds:  # after the last one the threads end, which is another matter
                total = Cost(*map(sum, zip(total, cost, strict=True)))
        for thread in threads:
            thread.join()
        return total

    return run


def event_to_end(threading: Any, _waiters: int) -> tuple[Callable[[], Any], Callable[[], Any]]:
    event = threading.Event()
    return event.wait, event.set


def condition_to_end(threading: Any, _waiters: int) -> tuple[Callable[[], Any], Callable[[], Any]]:
    condition = threading.Condition()

    def wait() -> None:
        with condition:
            condition.wait()

    def notify() -> None:
        with condition:
            condition.notify_all()

    return wait, notify


def barrier_to_end(threading: Any, waiters: int) -> tuple[Callable[[], Any], Callable[[], Any]]:
    barrier = threading.Barrier(waiters + 1)
    return barrier.wait, barrier.wait


def semaphore_to_end(threading: Any, waiters: int) -> tuple[Callable[[], Any], Callable[[], Any]]:
    semaphore = threading.Semaphore(0)
    return semaphore.acquire, lambda: semaphore.release(waiters)


def lock_to_end(threading: Any, _waiters: int) -> tuple[Callable[[], Any], Callable[[], Any]]:
    """Each passes it on."""
    lock = threading.Lock()
    lock.acquire()

    def wait() -> None:
        with lock:
            pass

    return wait, lock.release


def ends_once_woken(
    make: Callable[[Any, int], tuple[Callable[[], Any], Callable[[], Any]]], waiters: int
) -> Callable[[Any, int], Cost]:
    """From waking until so many waiting threads have all ended and been joined; starting them is not counted."""

    def run(threading: Any, rounds: int) -> Cost:
        total = Cost(0, 0, 0)
        before = threading.stack_size(256 * 1024)
        for _ in range(rounds):
            block, wake = make(threading, waiters)
            there: list[None] = []

            def wait(block: Callable[[], Any] = block, there: list[None] = there) -> None:
                there.append(None)  # a count would lose some without a GIL
                block()

            threads = [threading.Thread(target=wait, daemon=True) for _ in range(waiters)]
            for thread in threads:
                thread.start()
            while len(there) < waiters:
                sleep(0.001)
            sleep(0.01)  # the last one says so before it waits
            begin = read_meter()
            wake()
            for thread in threads:
                thread.join()
            total = Cost(*map(sum, zip(total, cost_since(begin), strict=True)))
        threading.stack_size(before)
        return total

    return run
