"""Random calls on one of our queues and on the standard library's, side by side: each comes to the same end.

After each call every attribute that can be seen is compared. Threads take part as well: they wait in a call until
another one lets them go on, and only then are the two compared again.
"""

from __future__ import annotations

import queue
import random
import sys
from collections.abc import Callable
from functools import partial
from typing import Any

import pytest
from helpers import Crew, wait_until
from waits import wait_until_blocked

import cthreading
import cthreading.queue as ours

KINDS = ["Queue", "LifoQueue", "PriorityQueue", "SimpleQueue"]
CAN_SHUT_DOWN = sys.version_info >= (3, 13)


COMPARISON_ERRORS = ("ArithmeticError", "AttributeError", "TypeError")


class Touchy:
    """Now and then, but on both sides alike, it cannot be compared."""

    def __init__(self, value: int) -> None:
        self.value = value

    def __lt__(self, other: Any) -> bool:
        if self.value % 7 == 3 and other.value % 5 == 2:
            raise ArithmeticError(self.value, other.value)
        return self.value < other.value

    def __repr__(self) -> str:
        return f"Touchy({self.value})"


def end_of(call: Callable[..., Any], *args: Any, **keywords: Any) -> tuple[str, str]:
    try:
        return "returned", repr(call(*args, **keywords))
    except Exception as error:
        return type(error).__name__, str(error)


def state_of(one: Any) -> dict[str, Any]:
    state: dict[str, Any] = {"qsize": one.qsize(), "empty": one.empty()}
    if hasattr(one, "full"):
        for name in ("maxsize", "queue", "unfinished_tasks", "is_shutdown"):
            state[name] = repr(getattr(one, name, "not there"))
        state |= {"full": one.full(), "locked": one.mutex.locked()}
        for name in ("not_empty", "not_full", "all_tasks_done"):
            state[name] = len(getattr(one, name)._waiters)
    return state


def derived(base: type, hooks: str) -> type:
    """A subclass that overrides some hooks, each with the same effect."""
    methods: dict[str, Any] = {}
    if "put" in hooks:
        methods["_put"] = lambda self, item: base._put(self, item)  # type: ignore[attr-defined]
    if "get" in hooks:
        methods["_get"] = lambda self: base._get(self)  # type: ignore[attr-defined]
    if "size" in hooks:
        methods["_qsize"] = lambda self: base._qsize(self)  # type: ignore[attr-defined]
    return type("Derived", (base,), methods)


class Pair:
    """One of ours and one of theirs, to which everything is done."""

    def __init__(self, kind: str, chance: random.Random) -> None:
        self.kind = kind
        self.chance = chance
        size = () if kind == "SimpleQueue" else (chance.choice([0, 1, 2, 5, -1, 2.5, float("inf")]),)
        hooks = "" if kind == "SimpleQueue" else chance.choice(["", "", "put", "get", "size", "put get size"])
        self.sides = [derived(getattr(module, kind), hooks)(*size) for module in (ours, queue)]
        self.log: list[object] = [kind, size, hooks]
        self.over = False

    def item(self) -> Any:
        if self.kind == "PriorityQueue" and self.touchy:
            return Touchy(self.chance.randrange(50))
        return self.chance.randrange(50)

    def both(self, what: object, call: Callable[[Any], Any]) -> None:
        self.log.append(what)
        before = self.sides[1].qsize()
        ends = [end_of(call, side) for side in self.sides]
        assert ends[0] == ends[1], self.log
        if ends[0][0] in COMPARISON_ERRORS and self.sides[1].qsize() < before:
            # heappop loses an item when a comparison raises. Ours does not, and nothing can be compared from then on.
            assert self.sides[0].qsize() == before, self.log
            self.over = True
        else:
            self.compare()

    def compare(self) -> None:
        states = [state_of(side) for side in self.sides]
        assert states[0] == states[1], self.log

    @property
    def touchy(self) -> bool:
        return self.chance.random() < 0.5

    def put(self) -> None:
        item = self.item()
        args = self.chance.choice([(item, False), (item, True, 0), (item, True, -1), (item, False, "x"), (item, 0)])
        self.both(("put", args), lambda one: one.put(*args))

    def put_nowait(self) -> None:
        item = self.item()
        self.both(("put_nowait", item), lambda one: one.put_nowait(item))

    def put_if_room(self) -> None:
        item = self.item()
        if self.kind == "SimpleQueue" or not self.sides[1].full():
            self.both(("put if room", item), lambda one: one.put(item))

    def get(self) -> None:
        args = self.chance.choice([(False,), (True, 0), (True, -1), (False, None), (True, "x"), ([], 5)])
        self.both(("get", args), lambda one: one.get(*args))

    def get_nowait(self) -> None:
        self.both("get_nowait", lambda one: one.get_nowait())

    def get_if_there(self) -> None:
        if not self.sides[1].empty():
            self.both("get if there", lambda one: one.get())

    def task_done(self) -> None:
        self.both("task_done", lambda one: one.task_done())

    def join(self) -> None:
        if not self.sides[1].unfinished_tasks:
            self.both("join", lambda one: one.join())

    def set_maxsize(self) -> None:
        size = self.chance.choice([0, 1, 3, True, 4.5])
        self.both(("maxsize", size), lambda one: setattr(one, "maxsize", size))

    def set_unfinished(self) -> None:
        number = self.chance.choice([0, 3, True, -2])
        self.both(("unfinished", number), lambda one: setattr(one, "unfinished_tasks", number))

    def clear(self) -> None:
        def clear(one: Any) -> None:
            with one.mutex:
                one.queue.clear()
                one.not_full.notify_all()

        self.both("clear", clear)

    def another_container(self) -> None:
        make = self.chance.choice([type(self.sides[1].queue), list])
        self.both(("container", make), lambda one: setattr(one, "queue", make(one.queue)))

    def shutdown(self) -> None:
        if self.chance.random() < 0.05 and not self.sides[1].is_shutdown:
            immediate = self.chance.choice([False, True])
            self.both(("shutdown", immediate), lambda one: one.shutdown(immediate))

    def revive(self) -> None:
        self.both("revive", lambda one: setattr(one, "is_shutdown", False))

    def step(self) -> None:
        steps = [self.put, self.put_nowait, self.put_if_room, self.get, self.get_nowait, self.get_if_there]
        if self.kind != "SimpleQueue":
            steps += [self.task_done, self.join]
            if self.chance.random() < 0.1:
                steps += [self.set_maxsize, self.set_unfinished, self.clear, self.another_container]
            if CAN_SHUT_DOWN:
                steps += [self.shutdown, self.revive]
        self.chance.choice(steps)()


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("seed", range(6))
def test_one_thread(kind: str, seed: int) -> None:
    chance = random.Random(f"{kind} {seed}")
    for _ in range(40):
        pair = Pair(kind, chance)
        for _ in range(60):
            if not pair.over:
                pair.step()


def have_ended(waits: list[tuple[str, list[Any]]], count: int) -> bool:
    """Whether so many of those that wait for items or for room have gone on."""
    return sum(bool(ends) for name, ends in waits if name != "join") == count


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("seed", range(2))
def test_threads_that_wait(kind: str, seed: int) -> None:
    """A thread on each side waits in the same call; what lets it go on comes from here."""
    chance = random.Random(f"threads {kind} {seed}")
    for _ in range(8):
        size = () if kind == "SimpleQueue" else (chance.choice([1, 2]),)
        sides = [getattr(module, kind)(*size) for module in (ours, queue)]
        waits: list[tuple[str, list[Any]]] = []
        with Crew() as crew:
            log: list[object] = [kind, size]

            def block(name: str, args: tuple[object, ...], side: Any, ends: list[Any], crew: Crew = crew) -> None:
                ends.append(end_of(getattr(side, name), *args))

            full = kind != "SimpleQueue" and chance.random() < 0.5
            if full:
                for number in range(size[0]):
                    for side in sides:
                        side.put(number)
            for _ in range(chance.randrange(1, 4)):
                if full:
                    name, args = chance.choice([("put", (chance.randrange(9),)), ("join", ()), ("put", (7, True, 600))])
                else:
                    name, args = chance.choice([("get", ()), ("get", (True, 600.0)), ("get", (1, 600))])
                log.append((name, args))
                for side in sides:
                    ends: list[Any] = []
                    wait_until_blocked(crew.start(block, name, args, side, ends))
                    waits.append((name, ends))
            states = [state_of(side) for side in sides]
            assert states[0] == states[1], log
            waiting = len(waits) // 2
            puts = sum(name == "put" for name, _ in waits) // 2
            done = len([1 for name, _ in waits if name != "join"]) // 2
            for number in range(puts if full else waiting):
                for side in sides:
                    if full:
                        side.get()
                    else:
                        side.put(number)
                wait_until(partial(have_ended, waits, 2 * number + 2))
            assert done == (puts if full else waiting)
            if full:
                for side in sides:
                    while side.unfinished_tasks:
                        side.task_done()
        mine, theirs = (sorted(map(repr, (ends for _, ends in waits[number::2]))) for number in (0, 1))
        assert mine == theirs, log
        states = [state_of(side) for side in sides]
        assert states[0] == states[1], log


def test_the_queues_compared_are_ours_and_theirs() -> None:
    assert ours.Queue is not queue.Queue
    assert type(ours.Queue().mutex) is cthreading.Lock
    assert type(queue.Queue().mutex) is not cthreading.Lock
