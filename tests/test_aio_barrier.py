"""cthreading.aio.Barrier behaves as asyncio.Barrier, step by step."""

import asyncio
import collections.abc
import contextlib
import gc
import inspect
import itertools
import pickle
import random
import re
import subprocess
import sys
import threading
import traceback
import types
import warnings
import weakref
from collections.abc import Callable
from contextvars import ContextVar, copy_context
from typing import Any

import pytest

from cthreading import aio

pytestmark = pytest.mark.timeout(120)

EAGER = sys.version_info >= (3, 12)

both = pytest.mark.parametrize("Barrier", [asyncio.Barrier, aio.Barrier], ids=["asyncio", "cthreading"])


def state(barrier: Any) -> str:
    """Return the part of the repr in brackets."""
    match = re.fullmatch(r"<\S+\.Barrier object at 0x[0-9a-fA-F]+ \[(.*)\]>", repr(barrier))
    assert match, repr(barrier)
    return match[1]


async def ticks(count: int) -> None:
    for _ in range(count):
        await asyncio.sleep(0)


async def settle(*tasks: asyncio.Task[Any]) -> list[Any]:
    return await asyncio.wait_for(asyncio.gather(*tasks, return_exceptions=True), 60)


# Scenarios: the same random steps on both barriers leave the same trace.


class Scenario:
    """Random steps on one barrier; `trace` tells what happened, in which tick and in which order."""

    def __init__(self, Barrier: Any, seed: int) -> None:
        self.random = random.Random(seed)
        self.parties = self.random.choice([1, 2, 2, 3, 3, 4, 5, 7])
        self.barrier = Barrier(self.parties)
        self.tasks: list[asyncio.Task[Any]] = []
        self.trace: list[Any] = []
        self.tick = 0
        self.eager = EAGER and self.random.random() < 0.3

    def note(self, *what: Any) -> None:
        self.trace.append((self.tick, *what, state(self.barrier), self.barrier.n_waiting, self.barrier._count))

    async def visit(self, name: int, kind: str, rounds: int) -> None:
        for _ in range(rounds):
            try:
                if kind == "wait":
                    index = await self.barrier.wait()
                elif kind == "with":
                    async with self.barrier as index:
                        self.note(name, "inside", index)
                elif kind == "timeout":
                    async with asyncio.timeout(0):
                        index = await self.barrier.wait()
                elif kind == "wait_for":
                    index = await asyncio.wait_for(self.barrier.wait(), 60)
                else:
                    index = await asyncio.create_task(self.barrier.wait())
            except asyncio.CancelledError as error:
                self.note(name, "cancelled", error.args)
                if kind != "with":
                    raise
            except (asyncio.BrokenBarrierError, TimeoutError) as error:
                self.note(name, type(error), str(error))
            else:
                self.note(name, "index", index)

    def start(self) -> None:
        kind = self.random.choice(["wait", "wait", "wait", "with", "timeout", "wait_for", "task"])
        visit = self.visit(len(self.tasks), kind, self.random.choice([1, 1, 2, 4]))
        if self.eager:
            task = asyncio.Task(visit, loop=asyncio.get_running_loop(), eager_start=True)
        else:
            task = asyncio.create_task(visit)
        self.tasks.append(task)

    def cancel(self) -> None:
        alive = [task for task in self.tasks if not task.done()]
        if alive:
            self.random.choice(alive).cancel(*self.random.choice([(), ("reason",)]))

    async def step(self) -> None:
        what = self.random.choices(
            ["start", "cancel", "tick", "reset", "abort", "later"], weights=[30, 12, 30, 4, 2, 2]
        )[0]
        if what == "start":
            for _ in range(self.random.choice([1, 1, self.parties])):
                self.start()
        elif what == "cancel":
            self.cancel()
        elif what == "reset":
            await self.barrier.reset()
        elif what == "abort":
            await self.barrier.abort()
        elif what == "later":
            self.tasks.append(asyncio.create_task(self.barrier.reset()))
        else:
            self.tick += 1
            await asyncio.sleep(0)
        self.note(what)

    async def run(self) -> list[Any]:
        for _ in range(60):
            await self.step()
        while not all(task.done() for task in self.tasks):
            self.tick += 1
            assert self.tick < 10_000
            await self.barrier.abort()
            await asyncio.sleep(0)
        self.note("end")
        for task in self.tasks:
            self.trace.append("cancelled" if task.cancelled() else repr(task.exception()))
        return self.trace


@pytest.mark.parametrize("block", range(10))
def test_random_scenarios_leave_the_same_trace(block: int) -> None:
    for seed in range(block * 100, block * 100 + 100):
        theirs = asyncio.run(Scenario(asyncio.Barrier, seed).run())
        ours = asyncio.run(Scenario(aio.Barrier, seed).run())
        assert ours == theirs, f"seed {seed}"


def test_scenarios_reach_every_state() -> None:
    seen = set()
    for seed in range(200):
        for entry in asyncio.run(Scenario(aio.Barrier, seed).run()):
            if isinstance(entry, tuple):
                seen.add(entry[-3].split(",")[0])
    assert seen == {"filling", "draining", "resetting", "broken"}


# Rounds


@both
@pytest.mark.parametrize("parties", [1, 2, 3, 10, 100])
def test_each_round_gives_each_index_once(Barrier: Any, parties: int) -> None:
    async def main() -> None:
        barrier = Barrier(parties)
        rounds: list[list[int]] = [[] for _ in range(20)]

        async def meet() -> None:
            for indices in rounds:
                indices.append(await barrier.wait())

        await asyncio.gather(*(meet() for _ in range(parties)))
        assert all(sorted(indices) == list(range(parties)) for indices in rounds)
        assert state(barrier) == f"filling, waiters:0/{parties}"

    asyncio.run(main())


@both
def test_last_to_arrive_goes_on_first_then_the_others_in_order(Barrier: Any) -> None:
    async def main() -> None:
        barrier = Barrier(4)
        order = []

        async def meet() -> None:
            order.append(await barrier.wait())

        await asyncio.gather(*(meet() for _ in range(4)))
        assert order == [3, 0, 1, 2]

    asyncio.run(main())


@both
def test_all_are_released_in_one_tick(Barrier: Any) -> None:
    async def main() -> None:
        barrier = Barrier(5)
        tasks = [asyncio.create_task(barrier.wait()) for _ in range(4)]
        await ticks(1)
        assert await barrier.wait() == 4
        assert not any(task.done() for task in tasks)
        await ticks(1)
        assert [task.result() for task in tasks] == [0, 1, 2, 3]

    asyncio.run(main())


@both
def test_one_who_comes_while_it_drains_waits_for_the_next_round(Barrier: Any) -> None:
    async def main() -> None:
        barrier = Barrier(3)
        first = [asyncio.create_task(barrier.wait()) for _ in range(3)]
        await ticks(1)
        assert state(barrier) == "draining, waiters:0/3"
        late = [asyncio.create_task(barrier.wait()) for _ in range(2)]
        await ticks(3)
        assert state(barrier) == "filling, waiters:2/3"
        assert all(task.done() for task in first)
        assert not any(task.done() for task in late)
        assert await barrier.wait() == 2
        assert await settle(*late) == [0, 1]

    asyncio.run(main())


@both
def test_repr_in_each_state(Barrier: Any) -> None:
    async def main() -> list[str]:
        barrier = Barrier(3)
        seen = [state(barrier)]
        tasks = [asyncio.create_task(barrier.wait()) for _ in range(2)]
        await ticks(1)
        seen.append(state(barrier))
        tasks.append(asyncio.create_task(barrier.wait()))
        await ticks(1)
        seen.append(state(barrier))
        await barrier.reset()
        seen.append(state(barrier))
        await ticks(3)
        seen.append(state(barrier))
        await barrier.abort()
        seen.append(state(barrier))
        await settle(*tasks)
        await barrier.reset()
        seen.append(state(barrier))
        return seen

    assert asyncio.run(main()) == [
        "filling, waiters:0/3",
        "filling, waiters:2/3",
        "draining, waiters:0/3",
        "resetting, waiters:0/3",
        "filling, waiters:0/3",
        "broken",
        "filling, waiters:0/3",
    ]


# Cancellation


@both
def test_cancelling_takes_a_task_out_of_the_round(Barrier: Any) -> None:
    async def main() -> None:
        barrier = Barrier(3)
        tasks = [asyncio.create_task(barrier.wait()) for _ in range(2)]
        await ticks(1)
        tasks[0].cancel("why")
        with pytest.raises(asyncio.CancelledError):
            await tasks[0]
        assert barrier.n_waiting == 1
        more = [asyncio.create_task(barrier.wait()) for _ in range(2)]
        # The second of two had index 1, and so has the one who came in place of the first.
        assert await settle(tasks[1], *more) == [1, 1, 2]

    asyncio.run(main())


@both
def test_cancelled_in_the_tick_of_the_release(Barrier: Any) -> None:
    async def main() -> None:
        barrier = Barrier(3)
        tasks = [asyncio.create_task(barrier.wait()) for _ in range(2)]
        await ticks(1)
        assert await barrier.wait() == 2
        tasks[0].cancel()
        results = await settle(*tasks)
        assert isinstance(results[0], asyncio.CancelledError)
        assert results[1] == 1
        assert state(barrier) == "filling, waiters:0/3"

    asyncio.run(main())


@both
def test_released_in_the_tick_of_the_cancellation(Barrier: Any) -> None:
    async def main() -> None:
        barrier = Barrier(3)
        tasks = [asyncio.create_task(barrier.wait()) for _ in range(2)]
        await ticks(1)
        tasks[0].cancel()
        assert await barrier.wait() == 2
        results = await settle(*tasks)
        assert isinstance(results[0], asyncio.CancelledError)
        assert results[1] == 1
        assert state(barrier) == "filling, waiters:0/3"

    asyncio.run(main())


@both
def test_cancel_message_arrives(Barrier: Any) -> None:
    async def main() -> None:
        barrier = Barrier(2)

        async def meet() -> tuple[Any, ...]:
            try:
                await barrier.wait()
            except asyncio.CancelledError as error:
                return error.args
            raise AssertionError

        for args in ((), ("why",)):
            task = asyncio.create_task(meet())
            await ticks(1)
            task.cancel(*args)
            assert await task == args

    asyncio.run(main())


@both
def test_cancelled_before_it_begins(Barrier: Any) -> None:
    async def main() -> None:
        barrier = Barrier(2)
        task = asyncio.create_task(barrier.wait())
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        assert barrier._count == 0

    with warnings.catch_warnings():
        warnings.simplefilter("error")
        asyncio.run(main())


# With what asyncio offers


@both
@pytest.mark.parametrize(
    "how", ["create_task", "ensure_future", "gather", "wait_for", "timeout", "TaskGroup", "shield"]
)
def test_waits_through(Barrier: Any, how: str) -> None:
    async def main() -> int:
        barrier = Barrier(2)
        other = asyncio.create_task(barrier.wait())
        await ticks(1)
        if how == "create_task":
            result = await asyncio.create_task(barrier.wait())
        elif how == "ensure_future":
            result = await asyncio.ensure_future(barrier.wait())
        elif how == "gather":
            [result] = await asyncio.gather(barrier.wait())
        elif how == "wait_for":
            result = await asyncio.wait_for(barrier.wait(), 60)
        elif how == "timeout":
            async with asyncio.timeout(60):
                result = await barrier.wait()
        elif how == "shield":
            result = await asyncio.shield(barrier.wait())
        else:
            async with asyncio.TaskGroup() as group:
                task = group.create_task(barrier.wait(), name="waiter")
            result = task.result()
        assert await other == 0
        return result

    assert asyncio.run(main()) == 1


@both
@pytest.mark.parametrize("how", ["wait_for", "timeout"])
def test_times_out(Barrier: Any, how: str) -> None:
    async def main() -> None:
        barrier = Barrier(2)

        async def meet() -> None:
            if how == "wait_for":
                await asyncio.wait_for(barrier.wait(), 0.01)
            else:
                async with asyncio.timeout(0.01):
                    await barrier.wait()

        with pytest.raises(TimeoutError):
            await meet()
        assert barrier.n_waiting == 0
        assert not barrier.broken

    asyncio.run(main())


@both
def test_task_group_that_fails_takes_its_tasks_out(Barrier: Any) -> None:
    async def main() -> None:
        barrier = Barrier(3)

        async def fail() -> None:
            async with asyncio.TaskGroup() as group:
                group.create_task(barrier.wait())
                await ticks(1)
                assert barrier.n_waiting == 1
                raise LookupError

        with pytest.raises(BaseExceptionGroup):
            await fail()
        assert barrier.n_waiting == 0

    asyncio.run(main())


@pytest.mark.skipif(not EAGER, reason="eager tasks came with 3.12")
@both
def test_eager_tasks(Barrier: Any) -> None:
    async def main() -> None:
        asyncio.get_running_loop().set_task_factory(asyncio.eager_task_factory)
        barrier = Barrier(3)
        tasks = [asyncio.create_task(barrier.wait()) for _ in range(2)]
        assert barrier.n_waiting == 2
        last = asyncio.create_task(barrier.wait())
        assert last.done()
        assert last.result() == 2
        assert await settle(*tasks) == [0, 1]

    asyncio.run(main())


@both
def test_tasks_written_in_python(Barrier: Any) -> None:
    python_task = asyncio.tasks._PyTask  # type: ignore[attr-defined]

    async def main() -> None:
        loop = asyncio.get_running_loop()
        loop.set_task_factory(lambda loop, coro, **options: python_task(coro, loop=loop, **options))
        barrier = Barrier(3)
        tasks = [asyncio.create_task(barrier.wait()) for _ in range(3)]
        assert await settle(*tasks) == [0, 1, 2]
        waiting = asyncio.create_task(barrier.wait())
        await ticks(1)
        waiting.cancel("why")
        with pytest.raises(asyncio.CancelledError):
            await waiting
        assert barrier.n_waiting == 0

    asyncio.run(main())


@both
def test_uvloop(Barrier: Any) -> None:
    uvloop = pytest.importorskip("uvloop")

    async def main() -> None:
        barrier = Barrier(3)

        async def meet() -> list[int]:
            return [await barrier.wait() for _ in range(10)]

        results = await asyncio.gather(*(meet() for _ in range(3)))
        assert all(sorted(indices) == [0, 1, 2] for indices in zip(*results, strict=True))
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(barrier.wait(), 0.01)
        assert barrier.n_waiting == 0

    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(main())


@both
def test_debug_mode(Barrier: Any) -> None:
    async def main() -> None:
        barrier = Barrier(3)
        assert await asyncio.gather(*(barrier.wait() for _ in range(3))) == [0, 1, 2]

    asyncio.run(main(), debug=True)


@both
def test_tasks_keep_their_contexts(Barrier: Any) -> None:
    from contextvars import ContextVar

    name: ContextVar[int] = ContextVar("name")

    async def main() -> None:
        barrier = Barrier(5)

        async def meet(number: int) -> None:
            name.set(number)
            for _ in range(3):
                await barrier.wait()
                assert name.get() == number

        await asyncio.gather(*(meet(number) for number in range(5)))

    asyncio.run(main())


@both
def test_tasks_that_share_a_context(Barrier: Any) -> None:
    from contextvars import copy_context

    async def main() -> None:
        barrier = Barrier(4)
        context = copy_context()
        tasks = [asyncio.create_task(barrier.wait(), context=context) for _ in range(4)]
        assert await settle(*tasks) == [0, 1, 2, 3]

    asyncio.run(main())


@both
def test_an_interrupt_in_one_task_leaves_the_others_their_round(Barrier: Any) -> None:
    class Interrupt(SystemExit):
        pass

    async def interrupted(barrier: Any) -> None:
        await barrier.wait()
        raise Interrupt

    loop = asyncio.new_event_loop()
    try:
        barrier = Barrier(4)
        tasks = [loop.create_task(interrupted(barrier))]
        tasks += [loop.create_task(barrier.wait()) for _ in range(3)]
        stopped = loop.create_task(ticks(10))
        with pytest.raises(Interrupt):
            loop.run_until_complete(stopped)
        assert state(barrier) == "draining, waiters:0/4"
        loop.run_until_complete(asyncio.wait([stopped, *tasks], timeout=60))
        assert isinstance(tasks[0].exception(), Interrupt)
        assert [task.result() for task in tasks[1:]] == [1, 2, 3]
    finally:
        loop.close()


@both
def test_an_error_in_a_callback_of_the_round_goes_to_the_handler(Barrier: Any) -> None:
    async def main() -> None:
        errors = []
        asyncio.get_running_loop().set_exception_handler(lambda loop, context: errors.append(context["exception"]))
        barrier = Barrier(4)
        tasks = [asyncio.create_task(barrier.wait()) for _ in range(2)]
        await ticks(1)
        waiting = barrier.wait()
        future = waiting.send(None)
        future.add_done_callback(lambda future: 1 / 0)
        assert await barrier.wait() == 3
        await ticks(2)
        assert [type(error) for error in errors] == [ZeroDivisionError]
        assert await settle(*tasks) == [0, 1]
        with pytest.raises(StopIteration):
            waiting.send(None)

    asyncio.run(main())


@both
@pytest.mark.parametrize("cancelled", [False, True])
def test_further_callbacks_of_what_a_task_waits_for_are_called_in_their_contexts(Barrier: Any, cancelled: bool) -> None:
    which: ContextVar[str] = ContextVar("which", default="none")

    async def main() -> None:
        calls: list[tuple[int, str]] = []

        def add(future: Any, number: int) -> None:
            context = copy_context()
            context.run(which.set, f"context {number}")
            future.add_done_callback(lambda future: calls.append((number, which.get())), context=context)

        barrier = Barrier(2)
        task = asyncio.create_task(barrier.wait())
        await ticks(1)
        future = task._fut_waiter  # type: ignore[attr-defined]
        for number in range(3):
            add(future, number)
        if cancelled:
            task.cancel()
        else:
            assert await barrier.wait() == 1
        await ticks(2)
        add(future, 3)  # it is over
        await ticks(2)
        assert calls == [(number, f"context {number}") for number in range(4)]
        assert which.get() == "none"
        assert task.cancelled() == cancelled

    asyncio.run(main())


# Errors


@pytest.mark.parametrize("parties", [0, -1, 0.5, "two", None])
def test_bad_parties_raise_the_same(parties: Any) -> None:
    with pytest.raises((ValueError, TypeError)) as theirs:
        asyncio.Barrier(parties)
    with pytest.raises(theirs.type) as ours:
        aio.Barrier(parties)
    assert str(ours.value) == str(theirs.value)


@both
@pytest.mark.parametrize("arguments", [(), (1, 2)])
def test_wrong_number_of_arguments(Barrier: Any, arguments: tuple[int, ...]) -> None:
    with pytest.raises(TypeError):
        Barrier(*arguments)
    with pytest.raises(TypeError):
        Barrier(1, loop=None)


@both
@pytest.mark.parametrize("parties", [2.0, True, 2**70, 1.5])
def test_odd_parties(Barrier: Any, parties: Any) -> None:
    async def main() -> None:
        barrier = Barrier(parties=parties)
        assert barrier.parties is parties
        assert state(barrier) == f"filling, waiters:0/{parties}"
        tasks = [asyncio.create_task(barrier.wait()) for _ in range(2)]
        await ticks(2)
        expected = {2.0: 0, True: 0}.get(parties, 2)
        assert barrier.n_waiting == expected
        await barrier.abort()
        await settle(*tasks)

    asyncio.run(main())


@both
def test_broken_barrier_error_is_that_of_asyncio(Barrier: Any) -> None:
    async def main() -> None:
        barrier = Barrier(3)
        tasks = [asyncio.create_task(barrier.wait()) for _ in range(2)]
        await ticks(1)
        await barrier.abort()
        assert [(type(error), str(error)) for error in await settle(*tasks)] == [
            (asyncio.BrokenBarrierError, "Abort or reset of barrier")
        ] * 2
        with pytest.raises(asyncio.BrokenBarrierError, match=r"^Barrier aborted$"):
            await barrier.wait()
        assert barrier.broken

    asyncio.run(main())


@both
def test_bound_to_the_loop_that_waits_first(Barrier: Any) -> None:
    barrier = Barrier(2)

    async def fill() -> None:
        assert sorted(await asyncio.gather(barrier.wait(), barrier.wait())) == [0, 1]

    async def meet() -> None:
        with pytest.raises(
            RuntimeError, match=r"^<.* object at 0x[0-9a-fA-F]+ \[.*\]> is bound to a different event loop$"
        ):
            await barrier.wait()
        assert barrier._count == 0
        await barrier.abort()
        await barrier.reset()

    asyncio.run(fill())
    asyncio.run(meet())


@both
def test_not_bound_by_one_who_need_not_wait(Barrier: Any) -> None:
    barrier = Barrier(1)

    async def meet() -> None:
        assert await barrier.wait() == 0

    asyncio.run(meet())
    asyncio.run(meet())


@both
def test_cannot_be_awaited(Barrier: Any) -> None:
    async def main() -> None:
        await Barrier(2)

    with pytest.raises(TypeError, match="Barrier"):
        asyncio.run(main())


def test_error_when_not_initialised() -> None:
    barrier = aio.Barrier.__new__(aio.Barrier)
    for method in (barrier.wait, barrier.reset, barrier.abort, barrier.__aenter__, barrier.__aexit__):
        with pytest.raises(RuntimeError):
            method()
    assert barrier.n_waiting == 0
    assert not barrier.broken
    repr(barrier)


# The coroutine


def test_names() -> None:
    assert aio.Barrier.__module__ == "cthreading.aio"
    assert aio.Barrier.__name__ == aio.Barrier.__qualname__ == "Barrier"
    assert pickle.loads(pickle.dumps(aio.Barrier)) is aio.Barrier
    assert repr(aio.Barrier(2)).startswith("<cthreading.aio.Barrier object at 0x")


@both
@pytest.mark.parametrize("method", ["wait", "reset", "abort", "__aexit__"])
def test_methods_return_coroutines(Barrier: Any, method: str) -> None:
    coroutine = getattr(Barrier(2), method)()
    assert asyncio.iscoroutine(coroutine)
    assert isinstance(coroutine, collections.abc.Coroutine)
    assert inspect.isawaitable(coroutine)
    assert not asyncio.isfuture(coroutine)
    assert coroutine.__name__ == method
    assert coroutine.__qualname__ == f"Barrier.{method}"
    assert repr(coroutine).startswith(f"<coroutine object Barrier.{method} at 0x")
    assert weakref.ref(coroutine)() is coroutine
    coroutine.close()


@both
def test_nothing_happens_before_it_is_awaited(Barrier: Any) -> None:
    barrier = Barrier(2)
    coroutine = barrier.wait()
    assert barrier.n_waiting == 0
    coroutine.close()
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        barrier.reset()
        gc.collect()
    assert [(item.category, str(item.message)) for item in caught] == [
        (RuntimeWarning, "coroutine 'Barrier.reset' was never awaited")
    ]


@both
def test_driven_by_hand(Barrier: Any) -> None:
    async def main() -> None:
        barrier = Barrier(2)
        coroutine = barrier.wait()
        with pytest.raises(TypeError, match="can't send non-None value to a just-started coroutine"):
            coroutine.send(1)
        future = coroutine.send(None)
        assert asyncio.isfuture(future)
        assert future._asyncio_future_blocking is True
        assert future.get_loop() is asyncio.get_running_loop()
        assert not future.done()
        assert not future.cancelled()
        assert barrier.n_waiting == 1
        with pytest.raises(RuntimeError, match="coroutine is being awaited already"):
            await coroutine
        assert await barrier.wait() == 1
        assert future.done()
        with pytest.raises(StopIteration) as stop:
            coroutine.send(None)
        assert stop.value.value == 0
        for again in (lambda: coroutine.send(None), lambda: coroutine.throw(LookupError())):
            with pytest.raises(RuntimeError, match="cannot reuse already awaited coroutine"):
                again()
        coroutine.close()

    asyncio.run(main())


@both
def test_what_a_coroutine_waits_for_refuses_wrong_arguments(Barrier: Any) -> None:
    async def main() -> None:
        coroutine = Barrier(2).wait()
        future = coroutine.send(None)
        for call in (
            lambda: future.add_done_callback(),
            lambda: future.add_done_callback(print, copy_context()),
            lambda: future.add_done_callback(print, contexts=copy_context()),
            lambda: future.cancel("one", "two"),
            lambda: future.cancel(message="why"),
        ):
            with pytest.raises(TypeError):
                call()
        assert not future.cancelled()
        coroutine.close()

    asyncio.run(main())


@both
def test_resumed_too_early_leaves_with_an_error(Barrier: Any) -> None:
    async def main() -> None:
        barrier = Barrier(2)
        coroutine = barrier.wait()
        coroutine.send(None)
        with pytest.raises(RuntimeError, match="await wasn't used with future"):
            coroutine.send(None)
        assert barrier._count == 0

    asyncio.run(main())


@both
def test_resumed_after_its_future_was_cancelled(Barrier: Any) -> None:
    async def main() -> None:
        barrier = Barrier(2)
        coroutine = barrier.wait()
        future = coroutine.send(None)
        with pytest.raises(asyncio.InvalidStateError):
            future.result()
        assert future.cancel(msg="why") is True
        assert future.cancel() is False
        assert future.cancelled()
        assert future.done()
        with pytest.raises(asyncio.CancelledError, match="why"):
            coroutine.send(None)
        assert barrier._count == 0

    asyncio.run(main())


THROWN: dict[str, Callable[[], tuple[Any, ...]]] = {
    "instance": lambda: (LookupError("x"),),
    "class": lambda: (LookupError,),
    "class and value": lambda: (LookupError, "x"),
    "class and instance": lambda: (LookupError, LookupError("x")),
    "traceback": lambda: (LookupError("x"), None, a_traceback()),
    "instance and value": lambda: (LookupError("x"), "y"),
    "no exception": lambda: (1,),
    "no traceback": lambda: (LookupError, None, 1),
    "nothing": lambda: (),
}


def a_traceback() -> types.TracebackType | None:
    try:
        raise LookupError
    except LookupError as error:
        return error.__traceback__


@both
@pytest.mark.parametrize("begun", [False, True])
@pytest.mark.parametrize("arguments", THROWN.values(), ids=THROWN)
@pytest.mark.filterwarnings("ignore:the .type, exc, tb. signature:DeprecationWarning")
def test_throw(Barrier: Any, begun: bool, arguments: Callable[[], tuple[Any, ...]]) -> None:
    thrown = arguments()
    expected = LookupError if len(thrown) and thrown[0] != 1 and "y" not in thrown and 1 not in thrown else TypeError

    async def main() -> None:
        barrier = Barrier(2)
        coroutine = barrier.wait()
        if begun:
            coroutine.send(None)
        with pytest.raises(expected):
            coroutine.throw(*thrown)
        if expected is TypeError:
            assert barrier._count == (begun and not thrown)
            coroutine.close()
        else:
            with pytest.raises(RuntimeError, match="cannot reuse"):
                coroutine.send(None)
        assert barrier._count == 0

    asyncio.run(main())


@both
@pytest.mark.skipif(sys.version_info < (3, 12), reason="three arguments of throw() are deprecated from 3.12 on")
def test_a_warning_that_is_an_error_leaves_the_coroutine_where_it_was(Barrier: Any) -> None:
    async def main() -> None:
        barrier = Barrier(2)
        coroutine = barrier.wait()
        coroutine.send(None)
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            with pytest.raises(DeprecationWarning):
                coroutine.throw(LookupError, None)
        assert barrier.n_waiting == 1
        with pytest.raises(LookupError):
            coroutine.throw(LookupError())
        assert barrier._count == 0

    asyncio.run(main())


@both
def test_throw_keeps_the_instance_and_its_traceback(Barrier: Any) -> None:
    async def main() -> None:
        coroutine = Barrier(2).wait()
        coroutine.send(None)
        error = LookupError("x")
        with pytest.raises(LookupError) as caught:
            coroutine.throw(error)
        assert caught.value is error
        assert "main" in [frame.name for frame in traceback.extract_tb(error.__traceback__)]

    asyncio.run(main())


@both
def test_close_leaves_the_round(Barrier: Any) -> None:
    async def main() -> None:
        barrier = Barrier(2)
        coroutine = barrier.wait()
        coroutine.send(None)
        assert coroutine.close() is None
        assert barrier._count == 0
        assert coroutine.close() is None

    asyncio.run(main())


def test_no_running_loop() -> None:
    barrier = aio.Barrier(2)
    with pytest.raises(RuntimeError, match="no running event loop"):
        barrier.wait().send(None)
    assert barrier._count == 0


def test_steps_do_not_nest() -> None:
    """The event loop is called in the middle of a step, and may do anything."""
    errors = []

    class Loop:
        def call_soon(self, *args: Any, **options: Any) -> None:
            for step in (lambda: last.send(None), lambda: last.throw(LookupError()), last.close):
                try:
                    step()
                except ValueError as error:
                    errors.append(str(error))

    async def main() -> None:
        nonlocal last
        loop = asyncio.get_running_loop()
        barrier = aio.Barrier(2)
        asyncio._set_running_loop(Loop())  # type: ignore[arg-type]
        try:
            waiting, last = barrier.wait(), barrier.wait()
            waiting.send(None).add_done_callback(print)
            with pytest.raises(StopIteration):
                last.send(None)
            with pytest.raises(StopIteration):
                waiting.send(None)
        finally:
            asyncio._set_running_loop(loop)

    last: Any = None
    asyncio.run(main())
    assert errors == ["coroutine already executing"] * 3


# Subclasses, attributes


@both
def test_subclass_whose_wait_is_its_own(Barrier: Any) -> None:
    class Counting(Barrier):  # type: ignore[misc]
        def __init__(self) -> None:
            super().__init__(1)
            self.waits = 0

        async def wait(self) -> int:
            self.waits += 1
            return await super().wait()

    async def main() -> None:
        barrier = Counting()
        async with barrier as index:
            assert index == 0
        assert barrier.waits == 1

    asyncio.run(main())


@both
def test_attributes_and_weak_references(Barrier: Any) -> None:
    barrier = Barrier(2)
    barrier.name = "here"
    assert barrier.__dict__["name"] == "here"
    assert weakref.ref(barrier)() is barrier
    for name in ("parties", "n_waiting", "broken"):
        with pytest.raises(AttributeError):
            setattr(barrier, name, 1)


@both
def test_weak_references_to_coroutines(Barrier: Any) -> None:
    async def main() -> None:
        coroutine = Barrier(2).wait()
        coroutine.send(None)
        gone: list[object] = []
        reference = weakref.ref(coroutine, gone.append)
        assert reference() is coroutine
        del coroutine
        gc.collect()
        assert reference() is None
        assert gone == [reference]

    asyncio.run(main())


@both
def test_aenter_awaits_what_wait_returns(Barrier: Any) -> None:
    async def other() -> str:
        return "other"

    async def main() -> None:
        barrier = Barrier(2)
        barrier.wait = other
        async with barrier as index:
            assert index == "other"

    asyncio.run(main())


# Lifetime


@pytest.fixture
def unraisable(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The messages of errors that nobody could be told of."""
    seen: list[str] = []
    monkeypatch.setattr(sys, "unraisablehook", lambda args: seen.append(str(args.exc_value)))
    return seen


@both
def test_the_barrier_keeps_its_tasks(Barrier: Any) -> None:
    """Nobody else holds them: the event loop's references are weak."""

    async def main() -> None:
        barrier = Barrier(3)
        results = []

        async def meet() -> None:
            results.append(await barrier.wait())

        for _ in range(2):
            asyncio.create_task(meet())  # noqa: RUF006
        await ticks(1)
        gc.collect()
        assert barrier.n_waiting == 2
        await barrier.wait()
        await ticks(2)
        assert results == [0, 1]

    asyncio.run(main())


def test_tasks_destroyed_while_they_wait(unraisable: list[str]) -> None:
    messages = []

    async def main() -> None:
        asyncio.get_running_loop().set_exception_handler(lambda loop, context: messages.append(context["message"]))
        barrier = aio.Barrier(5)
        tasks = [asyncio.create_task(barrier.wait()) for _ in range(4)]
        await ticks(1)
        gone = [weakref.ref(thing) for thing in (barrier, *tasks)]
        del barrier, tasks
        for _ in range(5):
            gc.collect()
            await ticks(1)
        assert [reference() for reference in gone] == [None] * 5

    asyncio.run(main())
    assert messages == ["Task was destroyed but it is pending!"] * 4
    assert unraisable == []


@both
def test_a_coroutine_that_is_dropped_leaves_the_round(Barrier: Any) -> None:
    async def main() -> None:
        barrier = Barrier(3)
        waiting = asyncio.create_task(barrier.wait())
        coroutine = barrier.wait()
        await ticks(1)
        coroutine.send(None)
        assert barrier.n_waiting == 2
        del coroutine
        gc.collect()
        assert barrier.n_waiting == 1
        await ticks(2)
        waiting.cancel()
        await settle(waiting)
        assert barrier.n_waiting == 0

    asyncio.run(main())


@both
def test_loop_closed_while_tasks_wait(Barrier: Any, unraisable: list[str]) -> None:
    loop = asyncio.new_event_loop()
    loop.set_exception_handler(lambda loop, context: None)
    barrier = Barrier(4)
    tasks = [loop.create_task(barrier.wait()) for _ in range(3)]
    loop.run_until_complete(asyncio.sleep(0))
    loop.close()
    with pytest.raises(RuntimeError, match="Event loop is closed"):
        barrier.abort().send(None)
    assert barrier.broken
    gone = [weakref.ref(thing) for thing in (barrier, *tasks)]
    del barrier, tasks
    gc.collect()
    assert [reference() for reference in gone] == [None] * 4
    assert set(unraisable) <= {"Event loop is closed"}


@both
def test_a_finished_coroutine_lets_its_barrier_go(Barrier: Any) -> None:
    barrier = Barrier(1)
    coroutine = barrier.wait()
    with pytest.raises(StopIteration):
        coroutine.send(None)
    gone = weakref.ref(barrier)
    del barrier
    gc.collect()
    assert gone() is None


async def exercise(Barrier: Any) -> None:
    barrier = Barrier(5)
    for _ in range(3):
        await asyncio.gather(*(barrier.wait() for _ in range(5)))
    tasks = [asyncio.create_task(barrier.wait()) for _ in range(4)]
    await ticks(1)
    tasks[0].cancel("why")
    await ticks(2)
    await barrier.reset()
    await settle(*tasks)
    tasks = [asyncio.create_task(barrier.wait()) for _ in range(4)]
    await ticks(1)
    await barrier.abort()
    await settle(*tasks)
    with pytest.raises(asyncio.BrokenBarrierError):
        async with barrier:
            pass
    with pytest.raises(ValueError, match="parties"):
        Barrier(0)
    coroutine = Barrier(2).wait()
    coroutine.send(None).add_done_callback(print)
    coroutine.close()
    hanging = Barrier(2)
    hanging.self = hanging
    hanging.wait().send(None)


@pytest.mark.skipif(not hasattr(sys, "gettotalrefcount"), reason="only a debug build counts references")
def test_no_references_leak() -> None:
    total: Callable[[], int] = sys.gettotalrefcount  # type: ignore[attr-defined]
    with asyncio.Runner() as runner:
        counts = []
        for _ in range(6):
            for _ in range(50):
                runner.run(exercise(aio.Barrier))
            gc.collect()
            counts.append(total())
        differences = [after - before for before, after in itertools.pairwise(counts)]
    # A leak would add at least one for each of the 50 runs, every time. The interpreter's caches take some, too.
    assert min(differences) < 50, differences


def test_nothing_stays_alive() -> None:
    kinds = {"coroutine", "future", "Barrier"}

    def alive() -> int:
        gc.collect()
        return sum(
            type(thing).__module__ == "cthreading.aio" and type(thing).__name__ in kinds for thing in gc.get_objects()
        )

    before = alive()
    for _ in range(10):
        asyncio.run(exercise(aio.Barrier))
    assert alive() <= before


# Threads: a barrier is for one event loop; misuse must not crash.


def test_threads_with_loops_of_their_own_get_errors_only() -> None:
    barrier = aio.Barrier(3)
    seen: set[type[BaseException]] = set()

    async def main() -> None:
        async def meet() -> None:
            for _ in range(30):
                try:
                    async with asyncio.timeout(0.001):
                        await barrier.wait()
                except (RuntimeError, TimeoutError) as error:
                    seen.add(type(error))
                repr(barrier)
                if barrier.broken:
                    await barrier.reset()

        await asyncio.gather(*(meet() for _ in range(4)))

    def run() -> None:
        # In debug mode a loop refuses to be called from another thread, and the wake-up is lost.
        asyncio.run(main(), debug=False)

    threads = [threading.Thread(target=run, daemon=True) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert not any(thread.is_alive() for thread in threads)
    assert seen <= {RuntimeError, TimeoutError, asyncio.BrokenBarrierError}


# Imports


@pytest.mark.parametrize("module", ["cthreading", "cthreading.aio"])
def test_import_leaves_asyncio_alone(module: str) -> None:
    code = f"import sys, {module}; raise SystemExit('asyncio' in sys.modules)"
    subprocess.run([sys.executable, "-c", code], check=True, timeout=60)


def test_exit_while_tasks_wait() -> None:
    code = """
import asyncio
import contextlib
from cthreading import aio

loop = asyncio.new_event_loop()
barrier = aio.Barrier(3)
tasks = [loop.create_task(barrier.wait()) for _ in range(2)]
loop.run_until_complete(asyncio.sleep(0))
"""
    subprocess.run([sys.executable, "-c", code], check=True, timeout=60, stderr=subprocess.DEVNULL)


def test_an_exception_in_call_soon_does_not_strand_the_round() -> None:
    async def main() -> list[bool]:
        barrier = aio.Barrier(4)
        loop = asyncio.get_running_loop()
        tasks = [asyncio.create_task(barrier.wait()) for _ in range(3)]
        while barrier.n_waiting < 3:
            await asyncio.sleep(0)
        call_soon = loop.call_soon

        def interrupted(*_: object, **__: object) -> None:
            loop.call_soon = call_soon
            raise InterruptedError

        loop.call_soon = interrupted
        with contextlib.suppress(InterruptedError):
            await barrier.wait()
        await asyncio.wait(tasks, timeout=10)
        return [task.done() for task in tasks]

    assert asyncio.run(main()) == [True] * 3


def test_parties_may_be_an_int_that_is_never_less_than_one() -> None:
    class Odd(int):
        def __lt__(self, other: object) -> bool:
            return False

    assert aio.Barrier(Odd(-5)).parties == asyncio.Barrier(Odd(-5)).parties
