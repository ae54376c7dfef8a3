"""cthreading.aio.MixedBarrier: with threads only it is threading.Barrier; with tasks, the same."""

from __future__ import annotations

import asyncio
import collections.abc
import gc
import itertools
import os
import pickle
import random
import re
import signal
import sys
import threading
import time
import warnings
import weakref
from collections import Counter
from collections.abc import Awaitable, Callable, Coroutine
from typing import Any

import pytest
from helpers import PATIENCE, Crew, run_python, wait_until

from cthreading import aio
from cthreading.aio import MixedBarrier

ROUNDS = int(os.environ.get("CTHREADING_TEST_MIXED_ROUNDS", "1000"))
"""How often 2 event loops with 50 tasks each and 20 threads meet."""

EVENTS = int(os.environ.get("CTHREADING_TEST_MIXED_EVENTS", "1000"))
"""How many cancellations, timeouts, aborts and resets come at random."""

pytestmark = pytest.mark.timeout(120 + ROUNDS // 5 + EVENTS // 20)

both = pytest.mark.parametrize("Barrier", [threading.Barrier, MixedBarrier], ids=["threading", "mixed"])


def plain(barrier: Any) -> str:
    """What the repr says after the address."""
    return repr(barrier).partition(": ")[2]


def wait_into(barrier: Any, results: list[Any], *args: Any) -> None:
    try:
        results.append(barrier.wait(*args))
    except Exception as error:
        results.append(type(error))


def block(barrier: Any, crew: Crew, count: int, *args: Any) -> list[Any]:
    """Starts threads that wait at the barrier; returns the list to which each adds its index or error."""
    results: list[Any] = []
    waiting = barrier.n_waiting
    crew.start(wait_into, barrier, results, *args, count=count)
    wait_until(lambda: barrier.n_waiting == waiting + count)
    return results


async def ticks(count: int) -> None:
    for _ in range(count):
        await asyncio.sleep(0)


async def until(predicate: Callable[[], Any]) -> None:
    deadline = time.monotonic() + PATIENCE
    while not predicate():
        assert time.monotonic() < deadline
        await asyncio.sleep(0.001)


async def settle(*tasks: Awaitable[Any]) -> list[Any]:
    return await asyncio.wait_for(asyncio.gather(*tasks, return_exceptions=True), PATIENCE)


def is_broken(results: list[Any], count: int) -> bool:
    kinds = [result if isinstance(result, type) else type(result) for result in results]
    return len(kinds) == count and all(issubclass(kind, threading.BrokenBarrierError) for kind in kinds)


class Loop:
    """An event loop that runs in a thread of its own."""

    def __init__(self) -> None:
        self.loop = asyncio.new_event_loop()
        self.thread = threading.Thread(target=self.run, daemon=True)
        self.thread.start()

    def run(self) -> None:
        asyncio.set_event_loop(self.loop)
        self.loop.run_forever()

    def submit(self, coroutine: Coroutine[Any, Any, Any]) -> Any:
        return asyncio.run_coroutine_threadsafe(coroutine, self.loop)

    def call(self, coroutine: Coroutine[Any, Any, Any]) -> Any:
        return self.submit(coroutine).result(PATIENCE)

    def stop(self) -> None:
        self.loop.call_soon_threadsafe(self.loop.stop)
        self.thread.join(PATIENCE)
        assert not self.thread.is_alive()

    def __enter__(self) -> Loop:
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()
        self.loop.close()


# Threads only: as threading.Barrier


@both
@pytest.mark.parametrize("parties", [1, 2, 3, 8])
def test_threads_get_each_index_once_a_round(Barrier: Any, crew: Crew, parties: int) -> None:
    barrier = Barrier(parties)
    indices: list[tuple[int, int]] = []

    def work() -> None:
        for number in range(20):
            indices.append((number, barrier.wait(30)))

    crew.start(work, count=parties)
    crew.join()
    assert Counter(indices) == {(number, index): 1 for number in range(20) for index in range(parties)}
    assert (barrier.n_waiting, barrier.broken, plain(barrier)) == (0, False, f"waiters=0/{parties}>")


@both
def test_the_index_is_the_place_in_the_order_of_arrival(Barrier: Any, crew: Crew) -> None:
    barrier = Barrier(3)
    first, second = block(barrier, crew, 1), block(barrier, crew, 1)
    assert barrier.wait(30) == 2
    crew.join()
    assert (first, second) == ([0], [1])


@both
def test_more_threads_than_parties_meet_in_groups(Barrier: Any, crew: Crew) -> None:
    barrier = Barrier(3)
    results: list[Any] = []
    crew.start(wait_into, barrier, results, 30, count=12)
    crew.join()
    assert Counter(results) == {0: 4, 1: 4, 2: 4}


@both
@pytest.mark.parametrize("timeout", [0, -1, 0.01, False])
def test_a_timeout_of_a_thread_breaks_the_barrier(Barrier: Any, crew: Crew, timeout: float) -> None:
    barrier = Barrier(3)
    results = block(barrier, crew, 1)
    with pytest.raises(threading.BrokenBarrierError):
        barrier.wait(timeout)
    crew.join()
    assert is_broken(results, 1)
    assert (barrier.n_waiting, barrier.broken, plain(barrier)) == (0, True, "broken>")


@both
def test_default_timeout(Barrier: Any) -> None:
    barrier = Barrier(2, timeout=0.01)
    with pytest.raises(threading.BrokenBarrierError):
        barrier.wait()
    assert barrier.broken


@both
@pytest.mark.parametrize("timeout", ["soon", [], 1j])
def test_a_bad_timeout_takes_only_its_thread_out(Barrier: Any, timeout: Any) -> None:
    barrier = Barrier(2)
    with pytest.raises(TypeError):
        barrier.wait(timeout)
    assert (barrier.n_waiting, barrier.broken) == (0, False)
    assert Barrier(1).wait(timeout) == 0


@both
def test_the_last_to_arrive_runs_the_action_before_any_leaves(Barrier: Any, crew: Crew) -> None:
    ran: list[Any] = []
    barrier = Barrier(3, lambda: ran.append((threading.get_ident(), results[:], plain(barrier))))
    results: list[Any] = []
    crew.start(wait_into, barrier, results, 30, count=2)
    wait_until(lambda: barrier.n_waiting == 2)
    barrier.wait(30)
    crew.join()
    assert ran == [(threading.get_ident(), [], "waiters=3/3>")]


@both
def test_an_action_that_raises_breaks_the_barrier_for_threads(Barrier: Any, crew: Crew) -> None:
    barrier = Barrier(3, lambda: 1 / 0)
    results = block(barrier, crew, 2)
    with pytest.raises(ZeroDivisionError):
        barrier.wait(30)
    crew.join()
    assert is_broken(results, 2)
    assert barrier.broken
    with pytest.raises(threading.BrokenBarrierError):
        barrier.wait()


@both
@pytest.mark.parametrize("action", [None, 0, "", 1, "text"], ids=repr)
def test_an_action_that_cannot_be_called(Barrier: Any, action: Any) -> None:
    barrier = Barrier(1, action)
    if action:
        with pytest.raises(TypeError):
            barrier.wait()
    else:
        assert barrier.wait() == 0
    assert barrier.broken is bool(action)


@both
def test_a_timeout_during_the_action_does_not_break_the_round(Barrier: Any, crew: Crew) -> None:
    acting, timed_out = threading.Event(), threading.Event()

    def act() -> None:
        acting.set()
        timed_out.wait(PATIENCE)

    barrier = Barrier(2, act)
    results = block(barrier, crew, 1, 0.3)
    crew.start(wait_into, barrier, results, 30)
    if acting.wait(PATIENCE) and not barrier.broken:
        time.sleep(0.5)
        timed_out.set()
        crew.join()
        assert sorted(results) == [0, 1]
    timed_out.set()


@both
def test_abort_and_reset_with_threads(Barrier: Any, crew: Crew) -> None:
    barrier = Barrier(3)
    for _ in range(10):
        broken = block(barrier, crew, 2)
        assert barrier.abort() is None
        assert barrier.broken
        with pytest.raises(threading.BrokenBarrierError):
            barrier.wait()
        crew.join()
        assert barrier.reset() is None
        assert not barrier.broken
        broken += block(barrier, crew, 2)
        barrier.reset()
        crew.join()
        assert not barrier.broken
        assert is_broken(broken, 2) or is_broken(broken, 4)
        results: list[Any] = []
        crew.start(wait_into, barrier, results, 30, count=3)
        crew.join()
        assert sorted(results) == [0, 1, 2]


@both
@pytest.mark.parametrize("name", ["parties", "n_waiting", "broken"])
def test_properties_cannot_be_assigned(Barrier: Any, name: str) -> None:
    barrier = Barrier(parties=2, action=None, timeout=None)
    with pytest.raises(AttributeError):
        setattr(barrier, name, 1)
    assert barrier.parties == 2


def test_bad_arguments() -> None:
    for parties in (0, -1):
        with pytest.raises(ValueError, match="parties must be"):
            MixedBarrier(parties)
    for args in ((), ("2",), (1.5,), (1, None, None, None)):
        with pytest.raises(TypeError):
            MixedBarrier(*args)
    for call in ("wait", "wait_async"):
        with pytest.raises(TypeError):
            getattr(MixedBarrier(1), call)(1, 2)
        with pytest.raises(TypeError):
            getattr(MixedBarrier(1), call)(time=1)
    with pytest.raises(ValueError, match="NaN"):
        MixedBarrier(2).wait(float("nan"))


# Tasks only


def test_tasks_get_each_index_once_a_round() -> None:
    async def main() -> None:
        for parties in (1, 2, 10):
            barrier = MixedBarrier(parties)
            rounds: list[list[int]] = [[] for _ in range(20)]

            async def meet(barrier: Any = barrier, rounds: Any = rounds) -> None:
                for indices in rounds:
                    indices.append(await barrier.wait_async())

            await settle(*(meet() for _ in range(parties)))
            assert all(sorted(indices) == list(range(parties)) for indices in rounds)

    asyncio.run(main())


def test_async_with_gives_the_index() -> None:
    async def main() -> None:
        barrier = MixedBarrier(2)

        async def meet() -> int:
            async with barrier as index:
                return index

        assert await settle(meet(), meet()) == [0, 1]
        assert barrier.n_waiting == 0

    asyncio.run(main())


def test_async_with_uses_the_wait_async_of_a_subclass() -> None:
    class Own(MixedBarrier):
        async def wait_async(self, timeout: float | None = None) -> int:  # type: ignore[override]
            return 10 + await super().wait_async(timeout)

    async def main() -> int:
        async with Own(1) as index:
            return index

    assert asyncio.run(main()) == 10


@pytest.mark.parametrize("timeout", [0, -1, 0.01])
def test_a_timeout_of_a_task_breaks_the_barrier(timeout: float) -> None:
    async def main() -> None:
        for barrier, args in ((MixedBarrier(3), (timeout,)), (MixedBarrier(3, timeout=timeout), ())):
            other = asyncio.create_task(barrier.wait_async(60))
            await ticks(1)
            with pytest.raises(aio.BrokenBarrierError):
                await barrier.wait_async(*args)
            assert is_broken(await settle(other), 1)
            assert (barrier.broken, barrier.n_waiting) == (True, 0)
            with pytest.raises(aio.BrokenBarrierError):
                await barrier.wait_async()

    asyncio.run(main())


def test_the_timer_is_cancelled_when_the_wait_is_over() -> None:
    async def main() -> None:
        loop = asyncio.get_running_loop()
        handles = []
        call_later = loop.call_later
        loop.call_later = lambda *args: handles.append(call_later(*args)) or handles[-1]  # type: ignore[func-returns-value,method-assign,assignment]
        barrier = MixedBarrier(2)
        assert await settle(barrier.wait_async(1000), barrier.wait_async()) == [0, 1]
        task = asyncio.create_task(barrier.wait_async(1000))
        await ticks(1)
        task.cancel()
        await settle(task)
        barrier.reset()
        task = asyncio.create_task(barrier.wait_async(1000))
        await ticks(1)
        barrier.abort()
        assert is_broken(await settle(task), 1)
        ours = [handle for handle in handles if "time_out_wait" in repr(handle) or handle.cancelled()]
        assert len([handle for handle in ours if handle.cancelled()]) >= 3
        assert not any("time_out_wait" in repr(handle) for handle in ours if not handle.cancelled())

    asyncio.run(main())


@pytest.mark.parametrize("timeout", ["soon", float("nan")])
def test_a_bad_timeout_takes_only_its_task_out(timeout: Any) -> None:
    async def main() -> None:
        barrier = MixedBarrier(3)
        other = asyncio.create_task(barrier.wait_async())
        await ticks(1)
        with pytest.raises((TypeError, ValueError)):
            await barrier.wait_async(timeout)
        assert (barrier.n_waiting, barrier.broken) == (1, False)
        assert sorted(await settle(other, barrier.wait_async(), barrier.wait_async())) == [0, 1, 2]

    asyncio.run(main())


def test_cancelling_a_task_breaks_the_round() -> None:
    async def main() -> None:
        barrier = MixedBarrier(3)
        tasks = [asyncio.create_task(barrier.wait_async()) for _ in range(2)]
        await ticks(1)
        tasks[0].cancel("why")
        results = await settle(*tasks)
        assert isinstance(results[0], asyncio.CancelledError)
        assert is_broken(results[1:], 1)
        assert (barrier.broken, barrier.n_waiting) == (True, 0)

    asyncio.run(main())


@pytest.mark.parametrize("how", ["wait_for", "timeout"])
def test_a_timeout_of_asyncio_breaks_the_round(how: str) -> None:
    async def main() -> None:
        barrier = MixedBarrier(2)

        async def meet() -> None:
            if how == "wait_for":
                await asyncio.wait_for(barrier.wait_async(), 0.01)
            else:
                async with asyncio.timeout(0.01):
                    await barrier.wait_async()

        with pytest.raises(TimeoutError):
            await meet()
        assert barrier.broken

    asyncio.run(main())


def test_cancelled_in_the_tick_of_the_release_the_round_stays_complete() -> None:
    async def main() -> None:
        barrier = MixedBarrier(3)
        tasks = [asyncio.create_task(barrier.wait_async()) for _ in range(2)]
        await ticks(1)
        assert await barrier.wait_async() == 2
        tasks[0].cancel()
        results = await settle(*tasks)
        assert isinstance(results[0], asyncio.CancelledError)
        assert results[1] == 1
        assert (barrier.broken, barrier.n_waiting) == (False, 0)

    asyncio.run(main())


def test_a_woken_task_that_cancels_another_of_its_round() -> None:
    async def main() -> None:
        barrier = MixedBarrier(3)

        async def meet_and_cancel() -> int:
            index = await barrier.wait_async()
            other.cancel()
            return index

        first = asyncio.create_task(meet_and_cancel())
        other = asyncio.create_task(barrier.wait_async())
        await ticks(1)
        assert await barrier.wait_async() == 2
        results = await settle(first, other)
        assert results[0] == 0
        assert isinstance(results[1], asyncio.CancelledError)
        assert not barrier.broken

    asyncio.run(main())


def test_cancelled_before_the_last_comes_in_the_same_tick() -> None:
    async def main() -> None:
        barrier = MixedBarrier(2)
        task = asyncio.create_task(barrier.wait_async())
        await ticks(1)
        task.cancel()
        # The cancellation has not reached the barrier: this is the last to come.
        assert await barrier.wait_async() == 1
        assert isinstance((await settle(task))[0], asyncio.CancelledError)
        assert not barrier.broken

    asyncio.run(main())


def test_the_error_is_that_of_both_modules() -> None:
    assert issubclass(aio.BrokenBarrierError, threading.BrokenBarrierError)
    assert issubclass(aio.BrokenBarrierError, asyncio.BrokenBarrierError)
    assert pickle.loads(pickle.dumps(aio.BrokenBarrierError)) is aio.BrokenBarrierError
    with pytest.raises(AttributeError, match="no attribute 'Nothing'"):
        aio.Nothing  # type: ignore[attr-defined]  # noqa: B018
    barrier = MixedBarrier(2)
    barrier.abort()
    with pytest.raises(asyncio.BrokenBarrierError):
        barrier.wait()

    async def main() -> None:
        with pytest.raises(threading.BrokenBarrierError):
            await barrier.wait_async()

    asyncio.run(main())


def test_with_a_group_and_eager_tasks() -> None:
    async def main() -> None:
        if sys.version_info >= (3, 12):
            asyncio.get_running_loop().set_task_factory(asyncio.eager_task_factory)
        barrier = MixedBarrier(5)
        async with asyncio.TaskGroup() as group:
            tasks = [group.create_task(barrier.wait_async()) for _ in range(5)]
        assert sorted(task.result() for task in tasks) == [0, 1, 2, 3, 4]

    asyncio.run(main())


def test_uvloop(crew: Crew) -> None:
    uvloop = pytest.importorskip("uvloop")

    async def main() -> None:
        barrier = MixedBarrier(3)
        results: list[Any] = []
        crew.start(wait_into, barrier, results)
        results += await settle(barrier.wait_async(60), barrier.wait_async())
        await until(lambda: len(results) == 3)
        assert sorted(results) == [0, 1, 2]
        with pytest.raises(aio.BrokenBarrierError):
            await barrier.wait_async(0.01)

    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(main())


def test_tasks_keep_their_contexts() -> None:
    from contextvars import ContextVar

    name: ContextVar[int] = ContextVar("name")

    async def main() -> None:
        barrier = MixedBarrier(5)

        async def meet(number: int) -> None:
            name.set(number)
            for _ in range(3):
                await barrier.wait_async()
                assert name.get() == number

        assert await settle(*(meet(number) for number in range(5))) == [None] * 5

    asyncio.run(main(), debug=True)


# Threads and tasks


def test_threads_and_tasks_of_two_loops_meet(crew: Crew) -> None:
    parties = 120
    barrier = MixedBarrier(parties)
    indices: list[list[int]] = [[] for _ in range(ROUNDS)]

    def work() -> None:
        for number in range(ROUNDS):
            indices[number].append(barrier.wait())

    async def meet() -> None:
        for number in range(ROUNDS):
            indices[number].append(await barrier.wait_async())

    async def meet_all() -> None:
        await asyncio.gather(*(meet() for _ in range(50)))

    crew.start(work, count=20)
    crew.start(lambda: asyncio.run(meet_all()), count=2)
    crew.join(PATIENCE + ROUNDS / 5)
    assert all(sorted(found) == list(range(parties)) for found in indices)
    assert (barrier.n_waiting, barrier.broken) == (0, False)


def test_indices_follow_the_order_of_arrival_of_threads_and_tasks(crew: Crew) -> None:
    async def main() -> None:
        barrier = MixedBarrier(6)
        tasks, results = [], []
        for _ in range(2):
            tasks.append(asyncio.create_task(barrier.wait_async()))
            await ticks(1)
            result: list[Any] = []
            results.append(result)
            waiting = barrier.n_waiting
            crew.start(wait_into, barrier, result)
            await until(lambda waiting=waiting: barrier.n_waiting == waiting + 1)
        tasks.append(asyncio.create_task(barrier.wait_async()))
        await ticks(1)
        assert await barrier.wait_async() == 5
        assert await settle(*tasks) == [0, 2, 4]
        await until(lambda: all(results))
        assert results == [[1], [3]]

    asyncio.run(main())


@pytest.mark.parametrize("last", ["thread", "task"])
def test_the_action_runs_where_the_last_comes(crew: Crew, last: str) -> None:
    ran: list[Any] = []
    barrier = MixedBarrier(2, lambda: ran.append(threading.get_ident()))
    with Loop() as loop:
        if last == "thread":
            task = loop.submit(barrier.wait_async())
            wait_until(lambda: barrier.n_waiting == 1)
            assert barrier.wait() == 1
            assert task.result(PATIENCE) == 0
            assert ran == [threading.get_ident()]
        else:
            results = block(barrier, crew, 1)
            assert loop.call(barrier.wait_async()) == 1
            crew.join()
            assert results == [0]
            assert ran == [loop.thread.ident]


@pytest.mark.parametrize("last", ["thread", "task"])
def test_an_action_that_raises_breaks_the_barrier_for_all(crew: Crew, last: str) -> None:
    barrier = MixedBarrier(3, lambda: 1 / 0)
    with Loop() as loop:
        results = block(barrier, crew, 1)
        task = loop.submit(barrier.wait_async())
        wait_until(lambda: barrier.n_waiting == 2)
        with pytest.raises(ZeroDivisionError):
            barrier.wait() if last == "thread" else loop.call(barrier.wait_async())
        with pytest.raises(aio.BrokenBarrierError):
            task.result(PATIENCE)
        crew.join()
        assert is_broken(results, 1)
        assert barrier.broken
        barrier.reset()
        assert not barrier.broken


def test_who_comes_while_the_action_runs_waits_without_blocking_the_loop(crew: Crew) -> None:
    acting, go_on = threading.Event(), threading.Event()

    def act() -> None:
        if not acting.is_set():
            acting.set()
            assert go_on.wait(PATIENCE)

    barrier = MixedBarrier(2, act)
    results: list[Any] = []
    with Loop() as loop:
        crew.start(wait_into, barrier, results, count=2)
        assert acting.wait(PATIENCE)
        late = [loop.submit(barrier.wait_async()) for _ in range(2)]
        given_up = loop.submit(barrier.wait_async())
        loop.call(ticks(5))
        given_up.cancel()
        loop.call(ticks(5))
        assert not any(task.done() for task in late)
        assert barrier.n_waiting == 2
        more: list[Any] = []
        crew.start(wait_into, barrier, more, count=2)
        go_on.set()
        assert [type(task.result(PATIENCE)) for task in late] == [int, int]
        crew.join()
        assert sorted(results) == [0, 1]
        assert Counter(more + [task.result() for task in late]) == {0: 2, 1: 2}


@pytest.mark.parametrize("how", ["cancel", "timeout"])
def test_once_all_have_come_a_task_that_leaves_does_not_break_the_round(crew: Crew, how: str) -> None:
    acting, go_on = threading.Event(), threading.Event()

    def act() -> None:
        acting.set()
        assert go_on.wait(PATIENCE)

    barrier = MixedBarrier(3, act)
    with Loop() as loop:
        task = loop.submit(barrier.wait_async(0.5 if how == "timeout" else None))
        wait_until(lambda: barrier.n_waiting == 1)
        results: list[Any] = []
        crew.start(wait_into, barrier, results, count=2)
        wait_until(lambda: acting.is_set() or barrier.broken)
        if barrier.broken:
            pytest.skip("the machine is too slow for this timeout")
        if how == "cancel":
            task.cancel()
        loop.call(asyncio.sleep(0.7 if how == "timeout" else 0.01))
        go_on.set()
        crew.join()
        assert sorted(results) == [1, 2]
        if how == "timeout":
            assert task.result(PATIENCE) == 0
        assert (barrier.broken, barrier.n_waiting) == (False, 0)


def test_the_action_may_reset_and_abort(crew: Crew) -> None:
    for method, broken in (("reset", False), ("abort", True)):
        barrier: Any = MixedBarrier(3, lambda method=method: getattr(barrier, method)())  # noqa: B023
        with Loop() as loop:
            results = block(barrier, crew, 1)
            task = loop.submit(barrier.wait_async())
            wait_until(lambda barrier=barrier: barrier.n_waiting == 2)
            wait_into(barrier, results)
            crew.join()
            assert is_broken([*results, type(task.exception(PATIENCE))], 3)
            assert barrier.broken is broken


def test_an_action_that_waits_for_its_own_barrier_is_told() -> None:
    barrier: Any = MixedBarrier(1, lambda: barrier.wait())
    with pytest.raises(RuntimeError, match="action"):
        barrier.wait()
    assert barrier.broken
    barrier = MixedBarrier(1, lambda: asyncio.run(wait_async(barrier)))
    with pytest.raises(RuntimeError, match="action"):
        barrier.wait()
    assert barrier.broken


async def wait_async(barrier: Any) -> Any:
    return await barrier.wait_async()


@pytest.mark.parametrize("method", ["reset", "abort"])
@pytest.mark.parametrize("place", ["thread", "loop", "other loop"])
def test_reset_and_abort_from_anywhere(crew: Crew, method: str, place: str) -> None:
    barrier = MixedBarrier(4)

    async def end() -> None:
        getattr(barrier, method)()

    with Loop() as one, Loop() as two:
        for _ in range(5):
            results = block(barrier, crew, 1)
            tasks = [one.submit(barrier.wait_async()), two.submit(barrier.wait_async(60))]
            wait_until(lambda: barrier.n_waiting == 3)
            if place == "thread":
                getattr(barrier, method)()
            else:
                (one if place == "loop" else two).call(end())
            assert (barrier.broken, barrier.n_waiting) == (method == "abort", 0)
            crew.join()
            assert is_broken([*results, *(task.exception(PATIENCE) for task in tasks)], 3)
            if method == "abort":
                barrier.reset()
            # At once again.
            results = block(barrier, crew, 2)
            tasks = [one.submit(barrier.wait_async()), two.submit(barrier.wait_async(60))]
            crew.join()
            assert sorted([*results, *(task.result(PATIENCE) for task in tasks)]) == [0, 1, 2, 3]


def test_a_timeout_of_a_thread_reaches_tasks_and_the_other_way_round(crew: Crew) -> None:
    with Loop() as loop:
        barrier = MixedBarrier(3)
        task = loop.submit(barrier.wait_async())
        wait_until(lambda: barrier.n_waiting == 1)
        with pytest.raises(aio.BrokenBarrierError):
            barrier.wait(0.01)
        assert is_broken([task.exception(PATIENCE)], 1)
        barrier.reset()
        results = block(barrier, crew, 1)
        with pytest.raises(aio.BrokenBarrierError):
            loop.call(barrier.wait_async(0.01))
        crew.join()
        assert is_broken(results, 1)


def test_a_signal_handler_that_raises_takes_only_its_thread_out(crew: Crew) -> None:
    class Alarm(Exception):
        pass

    def handle(*_: object) -> None:
        raise Alarm

    barrier = MixedBarrier(3)
    old = signal.signal(signal.SIGALRM, handle)
    try:
        with Loop() as loop:
            task = loop.submit(barrier.wait_async())
            wait_until(lambda: barrier.n_waiting == 1)
            signal.setitimer(signal.ITIMER_REAL, 0.05)
            with pytest.raises(Alarm):
                barrier.wait()
            assert (barrier.broken, barrier.n_waiting) == (False, 1)
            results = block(barrier, crew, 1)
            assert barrier.wait() == 2
            crew.join()
            assert [task.result(PATIENCE), *results] == [0, 1]
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, old)


def test_wait_is_refused_where_an_event_loop_runs() -> None:
    async def main() -> None:
        barrier = MixedBarrier(1)
        with pytest.raises(RuntimeError, match="wait_async"):
            barrier.wait()
        assert not barrier.broken
        assert await asyncio.to_thread(barrier.wait) == 0

    asyncio.run(main())


def test_wait_async_needs_an_event_loop() -> None:
    barrier = MixedBarrier(2)
    with pytest.raises(RuntimeError, match="no running event loop"):
        barrier.wait_async().send(None)
    assert barrier.n_waiting == 0


def test_tasks_of_a_closed_loop_are_passed_over(crew: Crew) -> None:
    for end in ("meet", "abort"):
        barrier = MixedBarrier(4)
        closed = Loop()
        kept = [barrier.wait_async()]
        task = closed.loop.create_task(wait_async(barrier))
        closed.call(ticks(3))
        assert barrier.n_waiting == 1
        closed.stop()
        closed.loop.close()
        with Loop() as loop:
            results = block(barrier, crew, 1)
            other = loop.submit(barrier.wait_async())
            wait_until(lambda barrier=barrier: barrier.n_waiting == 3)
            if end == "meet":
                assert barrier.wait() == 3
                crew.join()
                assert [*results, other.result(PATIENCE)] == [1, 2]
            else:
                barrier.abort()
                crew.join()
                assert is_broken([*results, other.exception(PATIENCE)], 2)
        assert not task.done()
        task._log_destroy_pending = False  # type: ignore[attr-defined]
        kept.pop().close()
        del task
        gc.collect()


def test_an_error_of_one_loop_is_raised_after_all_others_are_woken(crew: Crew) -> None:
    class Refusing:
        def call_soon_threadsafe(self, *args: Any) -> None:
            raise LookupError("refused")

        def call_soon(self, *args: Any, **keywords: Any) -> None:
            pass

    async def main() -> None:
        loop = asyncio.get_running_loop()
        barrier = MixedBarrier(3)
        coroutine = barrier.wait_async()
        asyncio._set_running_loop(Refusing())  # type: ignore[arg-type]
        coroutine.send(None)
        asyncio._set_running_loop(loop)
        task = asyncio.create_task(barrier.wait_async())
        await ticks(1)
        with pytest.raises(LookupError):
            await barrier.wait_async()
        assert await settle(task) == [1]
        assert barrier.n_waiting == 0
        coroutine.close()
        assert not barrier.broken

    asyncio.run(main())


# Coroutines that are not run by a task


def test_coroutines_behave_as_those_of_python() -> None:
    barrier = MixedBarrier(2)
    coroutine = barrier.wait_async()
    assert isinstance(coroutine, collections.abc.Coroutine)
    assert asyncio.iscoroutine(coroutine)
    assert coroutine.__qualname__ == "MixedBarrier.wait_async"
    assert re.fullmatch(r"<coroutine object MixedBarrier.wait_async at 0x[0-9a-fA-F]+>", repr(coroutine))
    coroutine.close()
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        barrier.wait_async()
        gc.collect()
    assert [str(warning.message) for warning in caught] == ["coroutine 'MixedBarrier.wait_async' was never awaited"]


@pytest.mark.parametrize("how", ["close", "throw", "drop", "resume too early"])
def test_a_coroutine_that_is_ended_leaves_as_one_that_is_cancelled(how: str) -> None:
    async def main() -> None:
        barrier = MixedBarrier(3)
        other = asyncio.create_task(barrier.wait_async())
        await ticks(1)
        coroutine: Any = barrier.wait_async(60)
        coroutine.send(None)
        assert barrier.n_waiting == 2
        if how == "close":
            coroutine.close()
        elif how == "throw":
            with pytest.raises(LookupError):
                coroutine.throw(LookupError())
        elif how == "resume too early":
            with pytest.raises(RuntimeError):
                coroutine.send(None)
        else:
            del coroutine
            gc.collect()
        assert (barrier.broken, barrier.n_waiting) == (True, 0)
        assert is_broken(await settle(other), 1)

    asyncio.run(main())


def test_names() -> None:
    assert MixedBarrier.__module__ == "cthreading.aio"
    assert MixedBarrier.__qualname__ == "MixedBarrier"
    barrier = MixedBarrier(3)
    assert repr(barrier) == f"<cthreading.aio.MixedBarrier at {id(barrier):#x}: waiters=0/3>"
    barrier.abort()
    assert repr(barrier) == f"<cthreading.aio.MixedBarrier at {id(barrier):#x}: broken>"


# At random


class Chaos:
    """Visitors, threads and tasks, that come again and again, while their waits are cut short at random."""

    def __init__(self, seed: int) -> None:
        self.seed = seed
        self.parties = random.Random(seed).choice([2, 3, 5, 8])
        self.barrier_has_action = seed % 2 == 1
        self.barrier = MixedBarrier(self.parties, action=self.count_round if self.barrier_has_action else None)
        self.lock = threading.Lock()
        self.rounds = 0
        self.indices: Counter[int] = Counter()
        self.lost: Counter[str] = Counter()
        self.stopping = False
        self.tasks: list[list[asyncio.Task[Any]]] = [[], []]
        self.loops: list[asyncio.AbstractEventLoop | None] = [None, None]
        self.ready = threading.Barrier(3)

    def count_round(self) -> None:
        self.rounds += 1

    def note(self, index: int) -> None:
        with self.lock:
            self.indices[index] += 1

    def note_lost(self, why: str) -> None:
        with self.lock:
            self.lost[why] += 1
        self.mend()

    def mend(self) -> None:
        if self.barrier.broken and not self.stopping:
            self.barrier.reset()

    def thread(self, number: int) -> None:
        chance = random.Random(f"{self.seed} thread {number}")
        while not self.stopping:
            try:
                self.note(self.barrier.wait(chance.choice([None, None, None, 0, 0.0005, 0.003])))
            except aio.BrokenBarrierError:
                self.note_lost("broken")

    async def visit(self, chance: random.Random) -> None:
        while not self.stopping:
            try:
                try:
                    self.note(await self.barrier.wait_async(chance.choice([None, None, None, 0, 0.0005, 0.003])))
                except aio.BrokenBarrierError:
                    self.note_lost("broken")
                    await asyncio.sleep(0)
            except asyncio.CancelledError:
                self.note_lost("cancelled")

    async def run_loop(self, which: int) -> None:
        self.loops[which] = asyncio.get_running_loop()
        tasks = [asyncio.create_task(self.visit(random.Random(f"{self.seed} {which} {i}"))) for i in range(6)]
        self.tasks[which] = tasks
        self.ready.wait()
        await asyncio.gather(*tasks)

    def stir(self, events: int) -> None:
        chance = random.Random(f"{self.seed} stir")
        for _ in range(events):
            what = chance.choice(["cancel", "cancel", "cancel", "reset", "abort"])
            if what == "cancel":
                which = chance.randrange(2)
                loop = self.loops[which]
                assert loop is not None
                loop.call_soon_threadsafe(chance.choice(self.tasks[which]).cancel)
            else:
                getattr(self.barrier, what)()
            time.sleep(chance.choice([0, 0, 0.0001, 0.001]))
            self.mend()

    def run(self, crew: Crew, events: int) -> None:
        crew.start(lambda: asyncio.run(self.run_loop(0)))
        crew.start(lambda: asyncio.run(self.run_loop(1)))
        for number in range(6):
            crew.start(self.thread, number)
        self.ready.wait(PATIENCE)
        self.stir(events)
        self.stopping = True
        self.barrier.abort()
        try:
            # Who was about to reset it when it stopped may have.
            wait_until(lambda: self.barrier.abort() or not any(thread.is_alive() for thread in crew.threads))
        finally:
            crew.join()

    def check(self) -> None:
        assert self.barrier.n_waiting == 0
        assert sum(self.lost.values()) > 0
        counts = [self.indices[index] for index in range(self.parties)]
        assert sum(counts) == sum(self.indices.values()) > 0
        # A complete round gives each index once: those that are missing went to tasks that were cancelled when it was.
        assert max(counts) - min(counts) <= self.lost["cancelled"]
        if self.barrier_has_action:
            missing = self.rounds * self.parties - sum(counts)
            # A round that was reset while its action ran has no index for anybody.
            assert max(counts) <= self.rounds
            assert 0 <= missing <= self.lost["broken"] + self.lost["cancelled"]


@pytest.mark.parametrize("seed", range(4))
def test_leaving_at_random_never_hangs_loses_or_doubles_anybody(crew: Crew, seed: int) -> None:
    chaos = Chaos(seed)
    interval = sys.getswitchinterval()
    # Else who stirs waits for the GIL most of the time, and threads rarely meet in the middle of something.
    sys.setswitchinterval(0.0002)
    try:
        chaos.run(crew, EVENTS // 4)
    finally:
        sys.setswitchinterval(interval)
    chaos.check()


# Memory


def test_a_barrier_with_waiting_tasks_is_collected() -> None:
    async def main() -> weakref.ref[Any]:
        barrier = MixedBarrier(2, action=lambda: barrier)
        coroutine = barrier.wait_async(1000)
        coroutine.send(None).add_done_callback(lambda future: barrier)  # type: ignore[attr-defined]
        barrier.coroutine = coroutine  # type: ignore[attr-defined]
        return weakref.ref(barrier)

    loop = asyncio.new_event_loop()
    barrier = loop.run_until_complete(main())
    loop.close()
    del loop
    gc.collect()
    assert barrier() is None


async def exercise() -> None:
    barrier = MixedBarrier(3, action=lambda: None, timeout=60)
    thread = threading.Thread(target=barrier.wait)
    thread.start()
    await settle(barrier.wait_async(), barrier.wait_async(60))
    thread.join()
    task = asyncio.create_task(barrier.wait_async())
    await ticks(1)
    task.cancel()
    await settle(task, barrier.wait_async(0))
    barrier.reset()
    await settle(barrier.wait_async(0.001), barrier.wait_async("soon"))  # type: ignore[arg-type]
    with pytest.raises(ValueError, match="parties"):
        MixedBarrier(0)
    barrier = MixedBarrier(1, action=lambda: 1 / 0)
    with pytest.raises(ZeroDivisionError):
        await barrier.wait_async()
    hanging: Any = MixedBarrier(2)
    hanging.self = hanging
    hanging.wait_async(60).send(None)


@pytest.mark.skipif(not hasattr(sys, "gettotalrefcount"), reason="only a debug build counts references")
def test_no_references_leak() -> None:
    total: Callable[[], int] = sys.gettotalrefcount  # type: ignore[attr-defined]
    with asyncio.Runner() as runner:
        counts = []
        for _ in range(6):
            for _ in range(50):
                runner.run(exercise())
            gc.collect()
            counts.append(total())
        differences = [after - before for before, after in itertools.pairwise(counts)]
    # A leak would add at least one for each of the 50 runs, every time. The interpreter's caches take some, too.
    assert min(differences) < 50, differences


def test_nothing_stays_alive() -> None:
    kinds = {"coroutine", "future", "MixedBarrier"}

    def alive() -> int:
        gc.collect()
        return sum(
            type(thing).__module__ == "cthreading.aio" and type(thing).__name__ in kinds for thing in gc.get_objects()
        )

    before = alive()
    for _ in range(10):
        asyncio.run(exercise())
    assert alive() <= before


@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")
def test_after_a_fork_only_the_child_takes_part() -> None:
    run_python(
        """
        import asyncio, os, sys, threading, time, warnings
        warnings.simplefilter("ignore")
        from cthreading.aio import MixedBarrier
        barrier = MixedBarrier(3)
        threading.Thread(target=barrier.wait).start()
        async def main():
            task = asyncio.create_task(barrier.wait_async())
            await task
        loop = threading.Thread(target=lambda: asyncio.run(main()))
        loop.start()
        while barrier.n_waiting != 2:
            time.sleep(0.001)
        child = os.fork()
        if child == 0:
            assert barrier.n_waiting == 0, barrier
            threads = [threading.Thread(target=barrier.wait) for _ in range(2)]
            for thread in threads:
                thread.start()
            async def meet():
                return await barrier.wait_async(30)
            index = asyncio.run(meet())
            for thread in threads:
                thread.join()
            os._exit(0 if index in (0, 1, 2) else 1)
        status = os.waitpid(child, 0)[1]
        assert os.waitstatus_to_exitcode(status) == 0, status
        assert barrier.wait(30) == 2
        loop.join()
        """
    ).check("")


@pytest.mark.parametrize("end", ["abort", "reset"])
def test_a_signal_handler_that_ends_the_round_wakes_the_tasks_of_the_loop_that_sleeps(end: str) -> None:
    """The handler runs within the loop's own sleep, which goes on unless the loop is told as if from elsewhere."""

    async def main() -> float:
        barrier = MixedBarrier(2)
        loop = asyncio.get_running_loop()
        far = loop.call_later(PATIENCE, lambda: None)  # nothing else would end the sleep
        before = signal.signal(signal.SIGALRM, lambda *_: getattr(barrier, end)())
        try:
            signal.setitimer(signal.ITIMER_REAL, 0.1)
            started = time.monotonic()
            with pytest.raises(aio.BrokenBarrierError):
                await barrier.wait_async()
            return time.monotonic() - started
        finally:
            signal.signal(signal.SIGALRM, before)
            far.cancel()

    assert asyncio.run(main()) < PATIENCE / 2


@pytest.mark.parametrize("keyword", ["action", "timeout"])
def test_many_barriers_that_hold_each_other_are_freed(keyword: str) -> None:
    run_python(
        """
        import sys, threading
        from cthreading.aio import MixedBarrier
        from helpers import Crew

        def nest():
            barrier = None
            for _ in range(200_000):
                barrier = MixedBarrier(2, **{sys.argv[1]: barrier})

        threading.stack_size(1 << 20)
        with Crew() as crew:
            crew.start(nest)
        print("freed")
        """,
        keyword,
    ).check("freed")
