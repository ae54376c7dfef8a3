"""Timer."""

from __future__ import annotations

import time
from types import ModuleType
from typing import Any

import pytest
from helpers import PATIENCE


def test_calls_the_function_after_the_interval(module: ModuleType) -> None:
    seen: list[Any] = []
    timer = module.Timer(0.05, lambda *args, **kwargs: seen.append((args, kwargs)), [1], {"two": 2})
    began = time.monotonic()
    timer.start()
    timer.join(PATIENCE)
    assert seen == [((1,), {"two": 2})]
    assert time.monotonic() - began >= 0.045
    assert timer.finished.is_set()


def test_cancel_before_it_is_due(module: ModuleType) -> None:
    seen: list[int] = []
    timer = module.Timer(PATIENCE, seen.append, (1,))
    timer.start()
    timer.cancel()
    timer.join(PATIENCE / 2)
    assert not timer.is_alive()
    assert seen == []


def test_cancel_before_the_start_and_after_the_end(module: ModuleType) -> None:
    seen: list[int] = []
    timer = module.Timer(0, seen.append, (1,))
    timer.cancel()
    timer.start()
    timer.join(PATIENCE)
    timer.cancel()
    assert seen == []


def test_what_it_was_given_can_be_read_and_changed(module: ModuleType) -> None:
    seen: list[int] = []
    timer = module.Timer(PATIENCE, None)
    assert (timer.interval, timer.function, timer.args, timer.kwargs) == (PATIENCE, None, [], {})
    assert not timer.finished.is_set()
    timer.interval = 0
    timer.function = seen.append
    timer.args.append(3)
    timer.start()
    timer.join(PATIENCE)
    assert seen == [3]


def test_it_is_a_thread_with_a_default_name(module: ModuleType) -> None:
    timer = module.Timer(0, print)
    assert isinstance(timer, module.Thread)
    assert timer.name.startswith("Thread-")
    timer.name = "timer"
    timer.daemon = True
    assert repr(timer) == "<Timer(timer, initial daemon)>"


def test_missing_and_wrong_arguments(module: ModuleType) -> None:
    with pytest.raises(TypeError):
        module.Timer(1)
    with pytest.raises(TypeError):
        module.Timer(1, print, what=2)


def test_a_derived_class_that_repeats(module: ModuleType) -> None:
    class Repeating(module.Timer):  # type: ignore[name-defined, misc]
        def run(self) -> None:
            while not self.finished.wait(self.interval):
                self.function(*self.args, **self.kwargs)

    seen: list[int] = []

    def tick() -> None:
        seen.append(1)
        if len(seen) == 3:
            timer.cancel()

    timer = Repeating(0.001, tick)
    timer.start()
    timer.join(PATIENCE)
    assert seen == [1, 1, 1]
