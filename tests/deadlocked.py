"""Deadlocks of every kind, for the tests of what names them.

A Ring is of threads, each of which holds something and waits for what the next one holds. They are daemons: in a
process of their own, they may be left as they are.
"""

from __future__ import annotations

import random
from collections.abc import Iterator, Sequence
from itertools import product
from typing import Any

from helpers import wait_until

import cthreading
import cthreading.queue


class Holding:
    """What one thread holds, and another one waits for."""

    operations = ("acquire",)
    alone = True  # whether its holder can wait for it, for ever
    waited_for_first = False  # whether the wait begins before it is held

    def __init__(self, thread: cthreading.Thread) -> None:
        self.object: Any = self.make()
        self.objects = [self.object]  # what the wait may be for

    def make(self) -> Any:
        raise NotImplementedError

    def hold(self) -> None:
        self.object.acquire()

    def let_go(self) -> None:
        self.object.release()

    def wait(self) -> None:
        with self.object:
            pass


class OfLock(Holding):
    def make(self) -> Any:
        return cthreading.Lock()


class OfRLock(Holding):
    alone = False

    def make(self) -> Any:
        return cthreading.RLock()


class OfCondition(Holding):
    """A condition, entered by `with`."""

    alone = False

    def __init__(self, thread: cthreading.Thread) -> None:
        super().__init__(thread)
        self.objects.append(self.object._lock)

    def make(self) -> Any:
        return cthreading.Condition()


class OfConditionOverLock(OfCondition):
    alone = True

    def make(self) -> Any:
        return cthreading.Condition(cthreading.Lock())


class Notified(OfCondition):
    """The lock of a condition, for which who has been notified waits."""

    waited_for_first = True

    def hold(self) -> None:
        wait_until(lambda: len(self.object._waiters) == 1)
        self.object.acquire()
        self.object.notify()

    def wait(self) -> None:
        with self.object:
            self.object.wait()


class NotifiedOverLock(Notified):
    def make(self) -> Any:
        return cthreading.Condition(cthreading.Lock())


class End(Holding):
    """The end of the thread, for which join() waits."""

    operations = ("join",)
    alone = False

    def __init__(self, thread: cthreading.Thread) -> None:
        self.objects = [thread]

    def hold(self) -> None:
        pass

    def let_go(self) -> None:
        pass

    def wait(self) -> None:
        self.objects[0].join()


class Put(Holding):
    """A queue's mutex, for which put() waits."""

    operations = ("put",)

    def make(self) -> Any:
        return cthreading.queue.Queue()

    def hold(self) -> None:
        self.object.mutex.acquire()

    def let_go(self) -> None:
        self.object.mutex.release()

    def wait(self) -> None:
        self.object.put(1)


class Get(Put):
    operations = ("get",)

    def make(self) -> Any:
        queue: Any = cthreading.queue.LifoQueue()
        queue.put(1)
        return queue

    def wait(self) -> None:
        self.object.get()


class JoinOfQueue(Put):
    operations = ("join",)

    def wait(self) -> None:
        self.object.join()


KINDS = [
    OfLock,
    OfRLock,
    OfCondition,
    OfConditionOverLock,
    Notified,
    NotifiedOverLock,
    End,
    Put,
    Get,
    JoinOfQueue,
]


def can_be_ring(kinds: Sequence[type[Holding]]) -> bool:
    """Whether there is such a ring. Who waits to be notified holds something before the one that notifies."""
    if len(kinds) == 1:
        return kinds[0].alone and not kinds[0].waited_for_first
    return not all(kind.waited_for_first for kind in kinds)


class Ring:
    """Threads in a deadlock: the first holds something of the first kind, and waits for what the second holds.

    What comes out of a wait is in `raised`, by the thread.
    """

    def __init__(self, kinds: Sequence[type[Holding]], name: str = "ring") -> None:
        while kinds[0].waited_for_first:
            kinds = [*kinds[1:], kinds[0]]
        self.threads = [
            cthreading.Thread(target=self._run, args=(place,), name=f"{name}.{place}", daemon=True)
            for place in range(len(kinds))
        ]
        self.holdings = [kind(thread) for kind, thread in zip(kinds, self.threads, strict=True)]
        self.held = [cthreading.Event() for _ in kinds]
        self.raised: dict[cthreading.Thread, BaseException] = {}
        for thread in self.threads:
            thread.start()

    def _run(self, place: int) -> None:
        following = (place + 1) % len(self.threads)
        holding, awaited = self.holdings[place], self.holdings[following]
        holding.hold()
        self.held[place].set()
        try:
            if not awaited.waited_for_first:
                self.held[following].wait()
            awaited.wait()
        except BaseException as error:
            self.raised[self.threads[place]] = error
        finally:
            holding.let_go()

    def check(self, cycle: list[cthreading.Wait]) -> None:
        """Fails unless the cycle is that of this ring, from its longest wait on."""
        first = self.threads.index(cycle[0].thread)  # type: ignore[arg-type]
        places = [*range(first, len(self.threads)), *range(first)]
        assert [wait.thread for wait in cycle] == [self.threads[place] for place in places]
        assert [wait.holder for wait in cycle] == [self.threads[place] for place in places[1:] + places[:1]]
        assert cycle[0].seconds == max(wait.seconds for wait in cycle)
        for wait in cycle:
            awaited = self.holdings[self.threads.index(wait.holder)]  # type: ignore[arg-type]
            assert any(wait.object is known for known in awaited.objects), wait
            assert wait.operation in awaited.operations, wait
            assert (wait.remaining, wait.task) == (None, None)
            assert wait.seconds >= 0


def mixtures(size: int, count: int, seed: int = 0) -> Iterator[tuple[type[Holding], ...]]:
    """All rings of this size that there are; of more than so many, all of one kind, and some of the others."""
    if len(KINDS) ** size <= count:
        yield from filter(can_be_ring, product(KINDS, repeat=size))
        return
    yield from filter(can_be_ring, ((kind,) * size for kind in KINDS))
    chance = random.Random(seed)
    for _ in range(count - len(KINDS)):
        kinds = tuple(chance.choices(KINDS, k=size))
        if can_be_ring(kinds):
            yield kinds


def make_rings(size: int, count: int, seed: int = 0) -> list[Ring]:
    return [Ring(kinds, f"ring{number}") for number, kinds in enumerate(mixtures(size, count, seed))]
