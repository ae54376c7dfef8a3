"""Real code on our primitives: queue.Queue and a thread pool, imported afresh while threading is cthreading."""

from __future__ import annotations

import pytest
from helpers import run_python

REPLACE = """
import sys
import threading
import cthreading
for name in [name for name in sys.modules if name == "queue" or name.startswith("concurrent")]:
    del sys.modules[name]
sys.modules["threading"] = cthreading
import concurrent.futures.thread
import queue
sys.modules["threading"] = threading
"""


@pytest.mark.parametrize("kind", ["Queue", "LifoQueue", "PriorityQueue"])
def test_queue_between_many_producers_and_consumers(kind: str) -> None:
    run_python(
        REPLACE
        + """
assert type(queue.Queue().mutex) is cthreading.Lock
assert type(queue.Queue().not_empty) is cthreading.Condition
q = getattr(queue, sys.argv[1])(maxsize=3)
got = []

def produce(first):
    for item in range(first, first + 500):
        q.put(item, timeout=60)

def consume():
    while (item := q.get(timeout=60)) != 10**9:
        got.append(item)
        q.task_done()

consumers = [cthreading.Thread(target=consume, daemon=True) for _ in range(4)]
producers = [cthreading.Thread(target=produce, args=(first * 500,), daemon=True) for first in range(4)]
for thread in consumers + producers:
    thread.start()
for thread in producers:
    thread.join(60)
q.join()
for _ in consumers:
    q.put(10**9, timeout=60)
for thread in consumers:
    thread.join(60)
    assert not thread.is_alive()
assert sorted(got) == list(range(2000)), len(got)
assert q.empty()
try:
    q.get(timeout=0.01)
except queue.Empty:
    print("empty")
""",
        kind,
    ).check("empty")


def test_thread_pool() -> None:
    run_python(
        REPLACE
        + """
import concurrent.futures as futures
import time
assert futures.thread.threading is cthreading
assert type(futures.Future()._condition) is cthreading.Condition

def fail(n):
    raise KeyError(n)

with futures.ThreadPoolExecutor(8) as pool:
    assert list(pool.map(lambda n: n * n, range(2000), timeout=60)) == [n * n for n in range(2000)]
    many = [pool.submit(pow, 2, n) for n in range(200)]
    assert sorted(f.result(60) for f in futures.as_completed(many, timeout=60)) == [2**n for n in range(200)]
    failed = [pool.submit(fail, n) for n in range(10)]
    done, pending = futures.wait(failed, timeout=60)
    assert len(done) == 10 and not pending
    assert {f.exception().args[0] for f in failed} == set(range(10))
    go = cthreading.Event()
    blocked = [pool.submit(go.wait, 60) for _ in range(8)]
    late = pool.submit(pow, 2, 2)
    try:
        late.result(timeout=0.01)
    except futures.TimeoutError:
        pass
    assert late.cancel()
    go.set()
    assert all(f.result(60) for f in blocked)
print("done")
"""
    ).check("done")


def test_nested_thread_pools() -> None:
    run_python(
        REPLACE
        + """
from concurrent.futures import ThreadPoolExecutor

def work(n):
    with ThreadPoolExecutor(2) as inner:
        return sum(inner.map(int, range(n), timeout=60))

with ThreadPoolExecutor(4) as outer:
    print(sum(outer.map(work, range(20), timeout=60)))
"""
    ).check("1140")


def test_a_program_ends_though_a_pool_was_not_shut_down() -> None:
    run_python(
        REPLACE
        + """
from concurrent.futures import ThreadPoolExecutor
pool = ThreadPoolExecutor(4)
print(pool.submit(pow, 2, 10).result(60), flush=True)
"""
    ).check("1024")
