"""Who waits for what: waiting(), deadlocks(), dump_waits() and watch_deadlocks()."""

from __future__ import annotations

import asyncio
import gc
import io
import os
import pickle
import random
import re
import signal
import sys
import threading
import time
import weakref
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

import pytest
from helpers import PATIENCE, Crew, Outcome, join_all, run_python, wait_until

import cthreading
import cthreading.aio
import cthreading.queue
from cthreading import _core, _waits

RUNS = int(os.environ.get("CTHREADING_WAITS", "150"))
"""So many random programs; CTHREADING_SEED is the seed of the first."""
SEED = int(os.environ.get("CTHREADING_SEED", "0"))


def waits_for(*things: Any) -> list[cthreading.Wait]:
    return [wait for wait in cthreading.waiting() if any(wait.object is thing for thing in things)]


def wait_for(thing: Any) -> cthreading.Wait:
    """The wait for this, once there is one."""
    wait_until(lambda: waits_for(thing))
    (wait,) = waits_for(thing)
    return wait


@contextmanager
def watching(action: Any, after: float = 0.01) -> Iterator[None]:
    cthreading.watch_deadlocks(action, after)
    try:
        yield
    finally:
        cthreading.watch_deadlocks(None)


def twice(lock: Any) -> None:
    """Takes a lock that it has. Another thread lets it go on, by one release."""
    with lock:
        lock.acquire()


def take_and_release(lock: Any) -> None:
    with lock:
        pass


# Waits


def full_queue() -> Any:
    queue: Any = cthreading.queue.Queue(1)
    queue.put(1)
    return queue


def acquired(lock: Any) -> Any:
    lock.acquire()
    return lock


def condition_wait(condition: Any, timeout: float | None) -> None:
    with condition:
        condition.wait(timeout)


def notify(condition: Any) -> None:
    with condition:
        condition.notify()


# What is made, how it is waited for, what ends the wait; and what the wait is called.
WAITS: dict[str, tuple[Callable[[], Any], Callable[..., object], Callable[[Any], object], str]] = {
    "lock": (
        lambda: acquired(cthreading.Lock()),
        lambda it, timeout: it.acquire(timeout=-1 if timeout is None else timeout),
        lambda it: it.release(),
        "acquire",
    ),
    "semaphore": (
        lambda: cthreading.Semaphore(0),
        lambda it, timeout: it.acquire(timeout=timeout),
        lambda it: it.release(),
        "acquire",
    ),
    "event": (cthreading.Event, lambda it, timeout: it.wait(timeout), lambda it: it.set(), "wait"),
    "condition": (cthreading.Condition, condition_wait, notify, "wait"),
    "barrier": (lambda: cthreading.Barrier(2), lambda it, timeout: it.wait(timeout), lambda it: it.wait(), "wait"),
    "mixed barrier": (
        lambda: cthreading.aio.MixedBarrier(2),
        lambda it, timeout: it.wait(timeout),
        lambda it: it.wait(),
        "wait",
    ),
    "get": (cthreading.queue.Queue, lambda it, timeout: it.get(True, timeout), lambda it: it.put(1), "get"),
    "put": (full_queue, lambda it, timeout: it.put(1, True, timeout), lambda it: it.get(), "put"),
    "simple get": (
        cthreading.queue.SimpleQueue,
        lambda it, timeout: it.get(True, timeout),
        lambda it: it.put(1),
        "get",
    ),
}


@pytest.mark.parametrize("timeout", [None, PATIENCE])
@pytest.mark.parametrize("kind", WAITS)
def test_a_wait_is_listed(crew: Crew, kind: str, timeout: float | None) -> None:
    make, block, let_go, operation = WAITS[kind]
    thing = make()
    thread = crew.start(block, thing, timeout)
    wait = wait_for(thing)
    assert (wait.thread, wait.operation, wait.task) == (thread, operation, None)
    assert wait.object is thing
    assert 0 <= wait.seconds < PATIENCE
    assert wait.remaining is None if timeout is None else 0 < wait.remaining <= PATIENCE  # type: ignore[operator]
    assert wait.holder is (threading.current_thread() if kind == "lock" else None)
    wait_until(lambda: waits_for(thing)[0].seconds > wait.seconds)
    let_go(thing)
    crew.join()
    assert waits_for(thing) == []


def test_the_join_of_a_queue_is_listed(crew: Crew) -> None:
    queue = full_queue()
    thread = crew.start(queue.join)
    wait = wait_for(queue)
    assert (wait.thread, wait.operation, wait.remaining, wait.holder) == (thread, "join", None, None)
    queue.task_done()


def test_a_join_is_listed_and_its_holder_is_the_thread_itself(crew: Crew) -> None:
    go = cthreading.Event()
    for timeout in (None, PATIENCE):
        go.clear()
        joined = cthreading.Thread(target=go.wait)
        joined.start()
        thread = crew.start(joined.join, timeout)
        wait = wait_for(joined)
        assert (wait.thread, wait.operation, wait.holder) == (thread, "join", joined)
        assert (wait.remaining is None) == (timeout is None)
        go.set()
        crew.join()


@pytest.mark.parametrize("make", [cthreading.Lock, cthreading.RLock])
def test_the_holder_is_who_has_it_now(crew: Crew, make: Callable[[], Any]) -> None:
    lock = make()
    turns = [cthreading.Event() for _ in range(3)]

    def take_turn(turn: cthreading.Event) -> None:
        with lock:
            turn.wait()

    first = crew.start(take_turn, turns[0])
    wait_for(turns[0])
    others = {crew.start(take_turn, turn) for turn in turns[1:]}
    wait_until(lambda: len(waits_for(lock)) == 2)
    assert {wait.thread for wait in waits_for(lock)} == others
    assert {wait.holder for wait in waits_for(lock)} == {first}
    turns[0].set()
    wait_until(lambda: [wait.holder for wait in waits_for(lock)] in ([other] for other in others))
    assert waits_for(lock)[0].thread is not waits_for(lock)[0].holder
    turns[1].set()
    turns[2].set()


def test_who_was_notified_waits_for_the_lock(crew: Crew) -> None:
    condition = cthreading.Condition()
    crew.start(condition_wait, condition, None)
    wait_for(condition)
    with condition:
        condition.notify()
        wait_until(lambda: waits_for(condition, condition._lock)[0].operation == "acquire")
        (wait,) = waits_for(condition, condition._lock)
        assert wait.holder is threading.current_thread()


def test_who_waits_for_the_mutex_of_a_queue_waits_for_who_has_it(crew: Crew) -> None:
    queue: Any = cthreading.queue.Queue()
    with queue.mutex:
        for operation in ("put", "get"):
            crew.start(getattr(queue, operation), *[1] * (operation == "put"))
        wait_until(lambda: len(waits_for(queue)) == 2)
        assert {(wait.operation, wait.holder) for wait in waits_for(queue)} == {
            ("put", threading.current_thread()),
            ("get", threading.current_thread()),
        }


def test_a_thread_that_threading_does_not_know_is_none_and_stays_unknown() -> None:
    lock = acquired(cthreading.Lock())
    go, ended = cthreading.Event(), cthreading.Event()
    known = {*threading._active}  # type: ignore[attr-defined]

    def unknown() -> None:
        go.wait()
        ended.set()

    import _thread

    _thread.start_new_thread(unknown, ())
    wait = wait_for(go)
    assert (wait.thread, wait.holder) == (None, None)
    assert {*threading._active} == known  # type: ignore[attr-defined]
    go.set()
    ended.wait()
    lock.release()


def test_the_holder_that_has_ended_is_none(crew: Crew) -> None:
    """Its ident may be that of another thread by now, which has nothing to do with it."""
    lock = cthreading.Lock()
    crew.start(lock.acquire)
    crew.join()
    crew.start(take_and_release, lock, count=10)
    wait_until(lambda: len(waits_for(lock)) == 10)
    assert [wait.holder for wait in waits_for(lock)] == [None] * 10
    assert cthreading.deadlocks() == []
    lock.release()


def every_barrier_of_tasks(test: Callable[..., None]) -> Callable[..., None]:
    told = pytest.mark.skipif(not hasattr(_core, "_task_waits"), reason="the core does not tell of tasks")
    return told(pytest.mark.parametrize("make", [cthreading.aio.Barrier, cthreading.aio.MixedBarrier])(test))


def arrive(barrier: Any) -> Any:
    """The coroutine of a task's wait."""
    return barrier.wait_async() if hasattr(barrier, "wait_async") else barrier.wait()


@every_barrier_of_tasks
def test_the_waits_of_tasks_are_listed(make: Callable[[int], Any]) -> None:
    async def main() -> None:
        barrier = make(2)
        task = asyncio.create_task(arrive(barrier), name="arrived")
        while not waits_for(barrier):
            await asyncio.sleep(0)
        (found,) = waits_for(barrier)
        assert (found.task, found.operation) == (task, "wait")
        assert (found.thread, found.holder, found.remaining) == (threading.current_thread(), None, None)
        assert 0 <= found.seconds < PATIENCE
        assert "Task [arrived] (most recent call first):" in dumped()
        await arrive(barrier)
        await task
        assert waits_for(barrier) == []

    asyncio.run(main())


@every_barrier_of_tasks
def test_a_coroutine_that_is_no_tasks_is_not_listed(make: Callable[[int], Any]) -> None:
    async def main() -> None:
        barrier = make(3)
        by_hand, called_back = arrive(barrier), arrive(barrier)
        by_hand.send(None)
        called_back.send(None).add_done_callback(lambda future: None)
        assert barrier.n_waiting == 2
        assert waits_for(barrier) == []
        by_hand.close()
        called_back.close()

    asyncio.run(main())


def test_a_wait_is_a_named_tuple() -> None:
    wait = cthreading.Wait(None, "acquire", 1, 2.0, None, None)
    assert (wait.thread, wait.operation, wait.object, wait.seconds, wait.remaining, wait.holder, wait.task) == wait
    assert pickle.loads(pickle.dumps(wait)) == wait
    assert repr(wait).startswith("Wait(thread=None, operation='acquire'")


# Deadlocks. Those of threads that nothing can free are in processes of their own.


def of_rings(size: int, count: int, code: str, **keywords: Any) -> Outcome:
    code = "\n".join(line.removeprefix(" " * 8) for line in code.splitlines())
    start = f"""
import io, os, re, sys, time
import cthreading
from cthreading import deadlocks, dump_waits, waiting, watch_deadlocks
from deadlocked import Ring, make_rings, mixtures
from helpers import PATIENCE, join_all, wait_until

size = {size}
def make():
    rings = make_rings(size, {count})
    return rings, {{thread: ring for ring in rings for thread in ring.threads}}
{code}
sys.stdout.flush()
os._exit(0)
"""
    return run_python(start, **keywords)


SIZES = pytest.mark.parametrize(("size", "count"), [(1, 100), (2, 100), (3, 60), (50, 14)])
"""How many threads, and how many rings of them: more than there are of up to two."""


@SIZES
def test_deadlocks_are_named(size: int, count: int) -> None:
    of_rings(
        size,
        count,
        """
        rings, ring_of = make()
        wait_until(lambda: len(deadlocks()) == len(rings))
        found = deadlocks()
        for cycle in found:
            ring_of[cycle[0].thread].check(cycle)
        assert {ring_of[cycle[0].thread] for cycle in found} == {*rings}
        longest = [cycle[0].seconds for cycle in found]
        assert longest == sorted(longest, reverse=True)
        assert len(waiting()) == size * len(rings)
        """,
    ).check("")


@SIZES
def test_deadlocks_are_dumped(size: int, count: int) -> None:
    of_rings(
        size,
        count,
        """
        rings, ring_of = make()
        wait_until(lambda: len(deadlocks()) == len(rings))
        file = io.StringIO()
        dump_waits(file)
        dumps = file.getvalue().split("Deadlock: ")[1:]
        assert len(dumps) == len(rings), file.getvalue()
        for dump in dumps:
            assert dump.startswith(f"{size} threads, each of which" if size > 1 else "a thread waits for what it holds")
            names = re.findall(r"^Thread 0x[0-9a-f]{16} \\[(.*)\\] \\(most recent call first\\):$", dump, re.M)
            holders = re.findall(r"^  (?:Held by|To end): Thread 0x[0-9a-f]{16} \\[(.*)\\]$", dump, re.M)
            assert len(names) == size
            assert holders == [*names[1:], names[0]]
            waits = re.findall(r'^  File ".*deadlocked.py", line \\d+ in _run\\n    awaited.wait', dump, re.M)
            assert len(waits) == size
        """,
    ).check("")


@SIZES
def test_deadlocks_are_reported_once(size: int, count: int) -> None:
    done = of_rings(
        size,
        count,
        """
        sys.stderr = io.StringIO()
        watch_deadlocks("report", after=0.1)
        rings, ring_of = make()
        wait_until(lambda: sys.stderr.getvalue().count("Deadlock: ") >= len(rings))
        # By then most have looked again.
        longest = max(wait.seconds for wait in waiting())
        wait_until(lambda: min(wait.seconds for wait in waiting()) > 2 * longest)
        sys.__stderr__.write(sys.stderr.getvalue())
        print(len(rings))
        """,
    )
    assert done.returncode == 0, str(done)
    reports = done.err.split("Deadlock: ")[1:]
    assert len(reports) == int(done.out), str(done)
    names = [frozenset(re.findall(r"^Thread 0x[0-9a-f]+ \[(.*)\] \(most", report, re.M)) for report in reports]
    assert len({*names}) == len(reports)
    assert {len(members) for members in names} == {size}
    assert {len({name.partition(".")[0] for name in members}) for members in names} == {1}


@SIZES
def test_a_function_is_called_once_with_each_deadlock(size: int, count: int) -> None:
    of_rings(
        size,
        count,
        """
        found = []
        watch_deadlocks(lambda cycle: found.append((cycle, cthreading.current_thread())), after=0.1)
        rings, ring_of = make()
        wait_until(lambda: len(found) >= len(rings))
        longest = max(wait.seconds for wait in waiting())
        wait_until(lambda: min(wait.seconds for wait in waiting()) > 2 * longest)
        assert {ring_of[cycle[0].thread] for cycle, _ in found} == {*rings}
        assert len(found) == len(rings)
        for cycle, thread in found:
            ring_of[thread].check(cycle)
        """,
    ).check("")


@SIZES
def test_deadlocks_end_by_an_error(size: int, count: int) -> None:
    of_rings(
        size,
        count,
        """
        watch_deadlocks("raise", after=0.1)
        rings, ring_of = make()
        join_all(ring_of)
        for ring in rings:
            assert ring.raised, ring.holdings
            for error in ring.raised.values():
                assert type(error) is cthreading.DeadlockError
                for thread in ring.threads:
                    assert thread.name in str(error), (thread, error)
        assert waiting() == []
        """,
    ).check("")


def test_the_message_names_the_deadlock() -> None:
    run_python(
        """
        import re, cthreading
        from deadlocked import End, OfLock, OfRLock, Put, Ring
        from helpers import join_all
        cthreading.watch_deadlocks("raise", after=0.05)
        ring = Ring([OfLock, OfRLock, End, Put], "ring")
        join_all(ring.threads)
        links = [
            # Another one may raise at the same time, and release.
            ("ring.0", "<(?:un)?locked cthreading.RLock object .*> held by thread ring.1"),
            ("ring.1", r"<Thread \\[ring.2\\]> to end"),
            ("ring.2", "<cthreading.queue.Queue object .*> held by thread ring.3"),
            ("ring.3", "<(?:un)?locked cthreading.Lock object .*> held by thread ring.0"),
        ]
        for error in ring.raised.values():
            first = int(re.match("deadlock: thread ring.(.) ", str(error))[1])
            waits = ", which ".join(f"waits for {what}" for _, what in links[first:] + links[:first])
            pattern = f"deadlock: thread {links[first][0]} {waits}"
            assert re.fullmatch(pattern, str(error)), error
            assert isinstance(error, RuntimeError)
        assert ring.raised
        """
    ).check("")


def test_what_a_function_raises_ends_the_wait(crew: Crew) -> None:
    lock = cthreading.Lock()

    def refuse(cycle: list[cthreading.Wait]) -> None:
        assert [(wait.object, wait.holder) for wait in cycle] == [(lock, cycle[0].thread)]
        raise KeyError("refused")

    with watching(refuse):
        crew.start(twice, lock)
        with pytest.raises(KeyError, match="refused"):
            crew.join()
    assert not lock.locked()


def test_a_function_is_called_in_the_thread_that_waits_and_may_end_the_deadlock(crew: Crew) -> None:
    lock = cthreading.Lock()
    called: list[threading.Thread] = []

    def release(cycle: list[cthreading.Wait]) -> None:
        called.append(threading.current_thread())
        lock.release()

    with watching(release):
        thread = crew.start(twice, lock)
        crew.join()
    assert called == [thread]


def test_who_looks_looks_at_what_it_waits_for_alone(crew: Crew, monkeypatch: pytest.MonkeyPatch) -> None:
    """Not at all that wait: of thousands, each would look at thousands."""
    looks: list[list[Any]] = []
    chain = _core._chain_of_waits

    def note() -> list[Any]:
        looks.append(chain())
        return looks[-1]

    monkeypatch.setattr(_core, "_chain_of_waits", note)
    monkeypatch.setattr(_core, "_waits", None)
    lock, go = acquired(cthreading.Lock()), cthreading.Event()
    with watching("report", 0.001):
        crew.start(take_and_release, lock, count=10)
        crew.start(go.wait, count=10)
        wait_until(lambda: len(looks) > 100)
    # This thread has the lock, and does not wait.
    assert {(len(look), look[0][3] is (lock if look[0][6] else go)) for look in looks} == {(1, True)}
    lock.release()
    go.set()
    crew.join()


@pytest.mark.parametrize("tail", [0, 1, 2, 3, 10])
@pytest.mark.parametrize("size", [1, 2, 3, 10])
def test_the_chain_of_waits_comes_round_once(crew: Crew, size: int, tail: int) -> None:
    """The last of so many threads waits for the first of a ring, along the others."""
    locks = [cthreading.Lock() for _ in range(size + tail)]
    ring = {*range(size)}
    both = cthreading.Barrier(len(locks) + 1)
    chains: dict[int, list[Any]] = {}

    def work(place: int) -> None:
        following = locks[place - 1] if place else locks[size - 1]
        places[threading.get_ident()] = place
        locks[place].acquire()
        both.wait()
        take_and_release(following)

    def note(serial: int) -> None:
        rows = _core._chain_of_waits()
        if rows[0][2] == "acquire":  # and not at the barrier
            found = [places[row[1]] for row in rows]
            chains[found[0]] = found

    places: dict[int, int] = {}
    _core._watch_waits(note, 0.05)
    try:
        for place in range(len(locks)):
            crew.start(work, place)
        both.wait()
        wait_until(lambda: len(chains) == len(locks) and all(ring <= {*found} for found in chains.values()))
    finally:
        _core._watch_waits(None, 1.0)
        for lock in locks:
            lock.release()
    crew.join()
    for first, found in chains.items():
        along = [*range(first, size - 1, -1)] if first >= size else []
        assert found[: len(along)] == along
        assert {*found[len(along) :]} == ring
        # As soon as it can be known.
        assert len(found) == size if not along else len(found) <= 3 * max(size, len(along)) + size


def test_one_that_is_watched_no_more_is_not_reported(crew: Crew) -> None:
    lock = cthreading.Lock()
    called: list[object] = []
    with watching(called.append), watching("raise"):
        pass
    thread = crew.start(twice, lock)
    wait_until(lambda: wait_for(lock).seconds > 0.1)
    assert [[wait.thread for wait in cycle] for cycle in cthreading.deadlocks()] == [[thread]]
    assert called == []
    lock.release()


def test_reports_that_are_over_are_forgotten(crew: Crew) -> None:
    called: list[Any] = []
    watcher = _waits._Watcher(called.append)
    _core._watch_waits(watcher, 0.001)
    try:
        for count in range(1, 21):
            lock = cthreading.Lock()
            crew.start(twice, lock)
            wait_until(lambda: len(called) == count)  # noqa: B023
            lock.release()
            crew.join()
        assert len(watcher.reported) <= 2
    finally:
        cthreading.watch_deadlocks(None)


@pytest.mark.parametrize("action", ["", "Report", "print", 1, b"raise", ["report"], object()])
def test_an_action_that_is_none_is_refused(action: Any) -> None:
    with pytest.raises(ValueError, match="action"):
        cthreading.watch_deadlocks(action)


@pytest.mark.parametrize("after", [0, -1, 0.0, float("nan"), float("inf"), 1e300])
def test_a_time_that_is_none_is_refused(after: float) -> None:
    with pytest.raises(ValueError, match="after"):
        cthreading.watch_deadlocks("report", after)
    with pytest.raises(TypeError):
        cthreading.watch_deadlocks("report", "1")  # type: ignore[arg-type]


# What is no deadlock


def test_a_timeout_may_come(crew: Crew) -> None:
    first, second = cthreading.Lock(), cthreading.Lock()
    both = cthreading.Barrier(2)
    found: list[Any] = []

    def cross(mine: Any, other: Any, timeout: float) -> None:
        mine.acquire()
        both.wait()
        other.acquire(timeout=timeout)
        other.release()

    with watching(found.append, 0.001):
        crew.start(cross, first, second, -1)
        crew.start(cross, second, first, PATIENCE)
        wait_until(lambda: len(waits_for(first, second)) == 2)
        wait_until(lambda: min(wait.seconds for wait in waits_for(first, second)) > 0.02)
        assert cthreading.deadlocks() == []
        first.release()
        second.release()
        crew.join()
    assert found == []


@pytest.mark.parametrize("kind", [kind for kind in WAITS if kind != "lock"])
def test_nobody_has_what_anybody_can_give(crew: Crew, kind: str) -> None:
    """A thread waits with a lock held, another one for that lock; and who would end the first wait does."""
    make, block, let_go, _ = WAITS[kind]
    thing, lock = make(), cthreading.Lock()

    def wait_inside() -> None:
        with lock:
            block(thing, None)

    crew.start(wait_inside)
    wait_for(thing)
    crew.start(take_and_release, lock)
    assert wait_for(lock).holder is waits_for(thing)[0].thread
    assert cthreading.deadlocks() == []
    let_go(thing)


def test_a_lock_that_somebody_else_has_released_is_not_held(crew: Crew) -> None:
    lock, go = cthreading.Lock(), cthreading.Event()

    def take(then: Callable[[], object]) -> None:
        lock.acquire()
        then()

    crew.start(take, go.wait)
    wait_for(go)
    lock.release()
    holder = crew.start(take, lambda: (go.wait(), lock.release()))
    wait_until(lambda: len(waits_for(go)) == 2)
    crew.start(take, lock.release)
    assert wait_for(lock).holder is holder
    assert cthreading.deadlocks() == []
    go.set()


@pytest.mark.skipif(not hasattr(signal, "SIGUSR1"), reason="no such signal here")
def test_a_signal_handler_in_the_middle_of_a_wait_may_end_it() -> None:
    done = run_python(
        """
        import os, signal, threading
        import cthreading
        from helpers import wait_until

        lock = cthreading.Lock()
        main = threading.current_thread()

        def handle(*_):
            (wait,) = cthreading.waiting()
            assert (wait.thread, wait.object, wait.holder) == (main, lock, main)
            assert cthreading.deadlocks() == []
            cthreading.dump_waits(2)
            lock.release()

        def interrupt():
            wait_until(cthreading.deadlocks)
            assert [[wait.holder for wait in cycle] for cycle in cthreading.deadlocks()] == [[main]]
            os.kill(os.getpid(), signal.SIGUSR1)

        signal.signal(signal.SIGUSR1, handle)
        threading.Thread(target=interrupt).start()
        with lock:
            lock.acquire()
        """
    )
    assert (done.returncode, done.out) == (0, ""), str(done)
    assert done.err.startswith("Threads that wait\n\nThread 0x"), str(done)
    assert " s, no timeout, in a signal handler\n" in done.err, str(done)
    assert '", line 13 in handle\n' in done.err, str(done)


@pytest.mark.skipif(not hasattr(signal, "SIGUSR1"), reason="no such signal here")
def test_of_a_thread_that_waits_in_a_signal_handler_the_innermost_wait_counts() -> None:
    run_python(
        """
        import os, signal, threading
        import cthreading
        from helpers import wait_until

        lock, go = cthreading.Lock(), cthreading.Event()
        signal.signal(signal.SIGUSR1, lambda *_: go.wait())

        def interrupt():
            wait_until(cthreading.deadlocks)
            os.kill(os.getpid(), signal.SIGUSR1)
            wait_until(lambda: len(cthreading.waiting()) == 2)
            assert [wait.object for wait in cthreading.waiting()] == [go, lock]
            assert cthreading.deadlocks() == []
            go.set()
            wait_until(cthreading.deadlocks)
            lock.release()

        thread = threading.Thread(target=interrupt)
        thread.start()
        with lock:
            lock.acquire()
        thread.join()
        """
    ).check("")


@pytest.mark.parametrize("alive", [True, False])
def test_a_thread_that_has_the_ident_of_one_that_is_joined_is_another_one(
    crew: Crew, monkeypatch: pytest.MonkeyPatch, alive: bool
) -> None:
    """For a moment, that is: until those that join are awake."""
    go, lock = cthreading.Event(), cthreading.Lock()
    waits = crew.start(go.wait)
    joined = waits if alive else cthreading.Thread(target=int)
    mine, other = threading.get_ident(), waits.ident
    rows = [
        (2, other, "acquire", lock, 1.0, None, mine, False),
        (1, mine, "join", joined, 2.0, None, other, False),
    ]
    monkeypatch.setattr(_core, "_waits", lambda: rows)
    assert [[wait.object for wait in cycle] for cycle in cthreading.deadlocks()] == [[joined, lock]] * alive
    go.set()


class Program:
    """A random program that ends, whatever its threads do: what one of them takes without a timeout it takes in order.

    Each thread does a few random things. Joins are those of threads that need only what comes later in the order.
    """

    def __init__(self, seed: int) -> None:
        self.chance = random.Random(seed)
        make = [cthreading.Lock, cthreading.RLock, cthreading.Condition, lambda: cthreading.Semaphore(1)]
        self.ordered: list[Any] = [self.chance.choice(make)() for _ in range(4)]
        self.queue: Any = cthreading.queue.Queue()
        self.condition = cthreading.Condition(cthreading.Lock())
        self.handed: Any = cthreading.queue.SimpleQueue()
        self.passed_on = cthreading.Lock()
        self.flag = cthreading.Event()
        self.found: list[Any] = []
        self.errors: list[BaseException] = []

    def run(self) -> None:
        threads = [self.thread(self.chance.random(), 0, 4) for _ in range(self.chance.randint(2, 4))]
        looker = cthreading.Thread(target=self.look)
        releaser = cthreading.Thread(target=self.release_for_others)
        with watching(self.found.append, 0.0005):
            for thread in (looker, releaser, *threads):
                thread.start()
            join_all(threads)
            self.flag.set()
            self.handed.put(None)
            join_all([looker, releaser])
        assert (self.found, self.errors) == ([], [])

    def look(self) -> None:
        while not self.flag.wait(0.0002):
            self.found += cthreading.deadlocks()

    def release_for_others(self) -> None:
        while (released := self.handed.get()) is not None:
            self.passed_on.release()
            released.set()

    def thread(self, seed: float, lowest: int, steps: int) -> cthreading.Thread:
        return cthreading.Thread(target=self.work, args=(random.Random(seed), lowest, steps), daemon=True)

    def work(self, chance: random.Random, lowest: int, steps: int) -> None:
        actions = [self.nest, self.nest, self.try_any, self.produce, self.turn, self.start_and_join, self.hand_over]
        try:
            for _ in range(steps):
                if chance.choice(actions)(chance, lowest) == "end":
                    break
        except BaseException as error:
            self.errors.append(error)

    def nest(self, chance: random.Random, lowest: int) -> None:
        """Several in order, and in the middle something else."""
        mine = [place for place in range(lowest, 4) if chance.random() < 0.6]
        with ExitStack() as held:
            for place in mine:
                held.enter_context(self.ordered[place])
            inside = [self.produce, self.turn, self.start_and_join, self.try_any]
            chance.choice(inside)(chance, max([lowest, *(place + 1 for place in mine)]))

    def try_any(self, chance: random.Random, lowest: int) -> None:
        """Two in any order, with timeouts."""
        first, second = chance.sample(self.ordered, 2)
        if first.acquire(timeout=chance.random() * 0.002):
            if second.acquire(timeout=chance.random() * 0.002):
                second.release()
            first.release()

    def produce(self, chance: random.Random, lowest: int) -> None:
        """A queue has something for everybody who gets."""
        self.queue.put(1)
        self.queue.get()
        with self.queue.mutex:
            pass

    def turn(self, chance: random.Random, lowest: int) -> None:
        with self.condition:
            self.condition.notify()
            self.condition.wait(chance.random() * 0.001)

    def start_and_join(self, chance: random.Random, lowest: int) -> None:
        thread = self.thread(chance.random(), lowest, chance.randint(0, 1))
        thread.start()
        thread.join()

    def hand_over(self, chance: random.Random, lowest: int) -> str:
        """A lock that another thread releases, maybe after this one has ended."""
        if lowest > 0:
            return ""
        released = cthreading.Event()
        self.passed_on.acquire()
        self.handed.put(released)
        return "end" if chance.random() < 0.3 else "go on" if released.wait() else ""


def test_random_programs_without_a_deadlock_have_none() -> None:
    for seed in range(SEED, SEED + RUNS):
        try:
            Program(seed).run()
        except BaseException as error:
            raise AssertionError(f"CTHREADING_SEED={seed} CTHREADING_WAITS=1") from error


# The dump


def dumped() -> str:
    file = io.StringIO()
    cthreading.dump_waits(file)
    return file.getvalue()


def test_when_nobody_waits_the_dump_says_so() -> None:
    run_python("import cthreading; cthreading.dump_waits(1)").check("No thread waits")


def test_the_dump_tells_who_waits_for_what_and_who_has_it(tmp_path: Path) -> None:
    script = tmp_path / "script.py"
    script.write_text(
        """\
import sys, threading, time
import cthreading
from helpers import wait_until

lock, got = cthreading.Lock(), cthreading.Event()

def hold():
    with lock:
        got.set()
        while not done:
            time.sleep(0.001)

def need():
    with lock:
        pass

done = []
threads = [cthreading.Thread(target=hold, name="holder"), cthreading.Thread(target=need, name="needer")]
threads[0].start()
got.wait()
threads[1].start()
wait_until(lambda: len(cthreading.waiting()) == 1)
cthreading.dump_waits(sys.stdout)
done.append(1)
"""
    )
    done = run_python(f"import runpy; runpy.run_path({str(script)!r})")
    assert done.err == ""
    pattern = r"""Threads that wait

Thread 0x[0-9a-f]{16} \[needer\] \(most recent call first\):
  Waits: acquire of <locked cthreading\.Lock object at 0x[0-9a-f]+>
  Since: \d\.\d\d\d s, no timeout
  Held by: Thread 0x([0-9a-f]{16}) \[holder\]
  File "SCRIPT", line 14 in need
    with lock:
(?:  File ".*threading\.py", line \d+ in \w+
    .*
)+
Threads that hold what others wait for, or are to be joined

Thread 0x\1 \[holder\] \(most recent call first\):
  File "SCRIPT", line (?:10 in hold
    while not done:|11 in hold
    time\.sleep\(0\.001\))
(?:  File ".*threading\.py", line \d+ in \w+
    .*
)+
"""
    assert re.fullmatch(pattern.replace("SCRIPT", re.escape(str(script))), done.out), done.out


def test_a_deadlock_comes_first_and_threads_are_dumped_once(crew: Crew) -> None:
    lock, event = cthreading.Lock(), cthreading.Event()
    crew.start(event.wait, PATIENCE)
    wait_for(event)
    crew.start(twice, lock)
    wait_for(lock)
    text = dumped()
    assert text.startswith("Deadlock: a thread waits for what it holds itself\n\nThread 0x")
    assert text.index("acquire of") < text.index("Threads that wait\n\n") < text.index("wait of")
    assert re.search(r"  Since: \d+\.\d\d\d s, \d+\.\d\d\d s to its timeout\n", text)
    assert text.count("(most recent call first):") == 2
    lock.release()
    event.set()


def test_deep_stacks_are_cut(crew: Crew) -> None:
    event = cthreading.Event()

    def deeper(depth: int) -> None:
        event.wait() if depth == 0 else deeper(depth - 1)

    crew.start(deeper, 50)
    wait_for(event)
    text = dumped()
    assert text.count(" in deeper\n") == _waits.FRAMES
    assert "\n  ...\n" in text
    event.set()


class OddRepr(cthreading.Condition):
    def __repr__(self) -> str:
        raise BaseException("not to be called")


class OddName(cthreading.Thread):
    name = property(lambda self: 1 // 0)  # type: ignore[assignment]


def test_what_others_have_written_is_not_called(crew: Crew) -> None:
    condition = OddRepr()
    go = cthreading.Event()

    def wait() -> None:
        with condition:
            condition.wait()

    crew.start(wait)
    wait_for(condition)
    odd = OddName(target=go.wait)
    odd._name = "half a \udc80 name\u2028"  # type: ignore[attr-defined]
    odd.start()
    wait_for(go)
    crew.start(odd.join)
    wait_for(odd)
    text = dumped()
    assert re.search(rf"  Waits: wait of <{__name__}\.OddRepr object at 0x[0-9a-f]+>\n", text)
    assert "  Waits: join of <OddName [half a \udc80 name\u2028]>\n" in text
    for encoding in ("ascii", "utf-8", "cp1252"):
        raw = io.BytesIO()
        file = io.TextIOWrapper(raw, encoding)
        cthreading.dump_waits(file)
        assert rb"[half a \udc80 name" in raw.getvalue()
    go.set()
    with condition:
        condition.notify()


def test_it_is_written_to_files_and_descriptors_at_once(tmp_path: Path, crew: Crew) -> None:
    event = cthreading.Event()
    crew.start(event.wait)
    wait_for(event)
    with (tmp_path / "dump").open("w+", encoding="utf-8") as file:
        cthreading.dump_waits(file)
        cthreading.dump_waits(file.fileno())
        file.seek(0)
        assert file.read().count("Threads that wait\n\nThread 0x") == 2

    class Once(io.StringIO):
        written = 0

        def write(self, text: str) -> int:
            self.written += 1
            return super().write(text)

    once = Once()
    cthreading.dump_waits(once)
    assert once.written == 1
    event.set()


def test_where_it_cannot_be_written_nothing_is_raised(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    with (tmp_path / "dump").open("w") as file:
        descriptor = os.dup(file.fileno())
    os.close(descriptor)
    cthreading.dump_waits(file)
    cthreading.dump_waits(descriptor)
    monkeypatch.setattr(sys, "stderr", file)
    cthreading.dump_waits()
    monkeypatch.setattr(sys, "stderr", None)
    cthreading.dump_waits()
    cthreading.dump_waits(None)


def test_a_report_that_cannot_be_written_leaves_the_wait_alone(crew: Crew, monkeypatch: pytest.MonkeyPatch) -> None:
    lock = cthreading.Lock()
    asked = cthreading.Event()

    class Broken:
        def write(self, text: str) -> None:
            asked.set()
            raise KeyError(text)

    monkeypatch.setattr(sys, "stderr", Broken())
    with watching("report"):
        crew.start(twice, lock)
        asked.wait()
        lock.release()
        crew.join()


def test_the_dump_goes_to_stderr_as_it_is_then(crew: Crew, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "stderr", io.StringIO())
    cthreading.dump_waits()
    assert "wait" in sys.stderr.getvalue()  # type: ignore[attr-defined]


# Looking on


def test_looking_at_a_hundred_threads_that_wait_die_and_are_started() -> None:
    locks = [cthreading.Lock() for _ in range(3)]
    conditions = [cthreading.Condition() for _ in range(2)]
    queue: Any = cthreading.queue.SimpleQueue()
    event = cthreading.Event()
    expected = {
        "acquire": (type(locks[0]), cthreading.RLock, cthreading.Condition),
        "wait": (cthreading.Condition, cthreading.Event),
        "get": (cthreading.queue.SimpleQueue,),
        "join": (threading.Thread,),
    }
    stop = threading.Event()
    rounds = [0] * 33

    def pause() -> None:
        for lock in locks:
            with lock:
                pass
        for condition in conditions:
            with condition:
                condition.notify()
                condition.wait(0.0005)
        event.wait(0.0002)
        queue.put(1)
        queue.get()

    def live(place: int) -> None:
        while not stop.is_set():
            threads = [cthreading.Thread(target=pause) for _ in range(2)]
            for thread in threads:
                thread.start()
            pause()
            for thread in threads:
                thread.join()
            rounds[place] += 1

    with Crew() as crew:
        for place in range(33):
            crew.start(live, place)
        looks = 0
        try:
            while min(rounds) < 5 or looks < 300:
                for wait in cthreading.waiting():
                    assert isinstance(wait.object, expected[wait.operation])
                    assert wait.thread is None or isinstance(wait.thread, threading.Thread)
                    assert wait.seconds >= 0
                    assert wait.task is None
                    if wait.operation == "join":
                        assert wait.holder is wait.object
                assert cthreading.deadlocks() == []
                if looks % 20 == 0:
                    dumped()
                looks += 1
        finally:
            stop.set()


def test_no_reference_is_kept(crew: Crew) -> None:
    gc.disable()
    try:
        with watching("raise"):
            lock = cthreading.Lock()
            crew.start(twice, lock)
            with pytest.raises(cthreading.DeadlockError):
                crew.join()
        crew.errors.clear()
        with watching(len):
            crew.start(twice, lock)
            wait_for(lock)
            for _ in range(10):
                cthreading.waiting(), cthreading.deadlocks(), dumped()
            while wait_for(lock).seconds < 0.05:
                pass
            lock.release()
            crew.join()
            gone = weakref.ref(lock)
            del lock
            wait_until(lambda: gone() is None)
    finally:
        gc.enable()


def test_an_error_keeps_nothing() -> None:
    """Its traceback has the frames of those who looked, but what these saw is gone."""
    lock = acquired(cthreading.Lock())
    gone = weakref.ref(lock)
    gc.disable()
    try:
        with watching("raise"):
            try:
                lock.acquire()
            except cthreading.DeadlockError as error:
                kept = error
        del lock
        wait_until(lambda: gone() is None, 1)
        del kept
    finally:
        gc.enable()


def test_the_frames_of_a_dump_go_at_once() -> None:
    class Thing:
        pass

    def dump() -> weakref.ref[Thing]:
        thing = Thing()
        dumped()
        return weakref.ref(thing)

    gc.disable()
    try:
        assert dump()() is None
    finally:
        gc.enable()


@pytest.mark.skipif(not hasattr(os, "fork"), reason="no fork here")
def test_in_the_child_of_a_fork_there_are_only_the_waits_of_the_thread_that_is_left() -> None:
    run_python(
        """
        import io, os, signal, sys, threading, warnings
        import cthreading
        from helpers import wait_until
        warnings.simplefilter("ignore")

        go, lock, alarm = cthreading.Event(), cthreading.Lock(), cthreading.Event()
        threads = [cthreading.Thread(target=go.wait, daemon=True) for _ in range(20)]
        for thread in threads:
            thread.start()
        wait_until(lambda: len(cthreading.waiting()) == 20)

        def in_child(work):
            sys.stdout.flush()
            child = os.fork()
            if child == 0:
                try:
                    work()
                    os._exit(0)
                finally:
                    os._exit(1)
            assert os.waitpid(child, 0)[1] == 0

        def alone():
            assert cthreading.waiting() == cthreading.deadlocks() == []
            cthreading.dump_waits(io.StringIO())
            # And from then on it is as in any other process.
            mine = cthreading.Lock()
            mine.acquire()
            thread = cthreading.Thread(target=mine.acquire)
            thread.start()
            wait_until(cthreading.waiting)
            (wait,) = cthreading.waiting()
            assert (wait.thread, wait.object, wait.holder) == (thread, mine, cthreading.current_thread())
            mine.release()
            thread.join()

        in_child(alone)

        def in_wait():
            (wait,) = cthreading.waiting()
            assert (wait.object, wait.thread, wait.holder) == (lock, cthreading.current_thread(), wait.thread)
            assert wait.seconds >= 0

        def handle(*_):
            in_child(in_wait)
            lock.release()

        def interrupt():
            wait_until(lambda: len(cthreading.waiting()) == 21)
            os.kill(os.getpid(), signal.SIGUSR1)

        signal.signal(signal.SIGUSR1, handle)
        lock.acquire()
        cthreading.Thread(target=interrupt).start()
        lock.acquire()
        assert len(cthreading.waiting()) >= 20
        go.set()
        for thread in threads:
            thread.join()
        """
    ).check("")


def test_the_search_goes_along_a_chain_once() -> None:
    rows = [(n, n, "acquire", None, 1.0, None, n + 1, False) for n in range(1, 100_001)]
    stuck: dict[int, Any] = {row[1]: row for row in rows}
    began = time.monotonic()
    assert _waits._walk(stuck) == []
    stuck[100_000] = (100_000, 100_000, "acquire", None, 1.0, None, 50_000, False)
    (cycle,) = _waits._walk(stuck)
    assert len(cycle) == 50_001
    assert time.monotonic() - began < PATIENCE
