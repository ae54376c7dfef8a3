"""For asyncio: a barrier where tasks wait for each other, and one where tasks and threads do.

Barrier derives from asyncio.Barrier: the same states, order, errors and representation as that of the running Python.
What may be noticed:

- What its methods return is a coroutine for asyncio.iscoroutine, collections.abc.Coroutine and all of asyncio, not for
  inspect.iscoroutine, and has no frame.
- A waiting task awaits a future of the barrier's own, with the methods that tasks use, not an asyncio.Future.
- The tasks of a round are woken by one callback of the event loop, not by one each, in the same order.
- The private `_cond` and `_state` do not exist.

MixedBarrier is threading.Barrier for threads and for tasks of any number of event loops, together: wait() for the
former, wait_async() for the latter.
"""

import threading
from typing import Any

from cthreading import _core
from cthreading._core import _AioMixedBarrier as MixedBarrier

__all__ = ("Barrier", "BrokenBarrierError", "MixedBarrier")  # noqa: F822


def _make_barrier() -> type[Any]:
    import asyncio.coroutines
    import inspect

    barrier = _core._make_aio_barrier()
    for name in ("wait", "reset", "abort", "__aenter__", "__aexit__"):
        function = getattr(barrier, name)
        # They are no functions of Python's, and say that they are for coroutines: as since 3.12, and as before.
        if hasattr(inspect, "markcoroutinefunction"):
            inspect.markcoroutinefunction(function)
        function._is_coroutine = getattr(asyncio.coroutines, "_is_coroutine", None)
    return barrier


def _make_broken_barrier_error() -> type[Exception]:
    from asyncio.exceptions import BrokenBarrierError

    content = {
        "__module__": __name__,
        "__doc__": "Raised where a MixedBarrier is or gets broken: the errors of threading's and asyncio's in one.",
    }
    return type("BrokenBarrierError", (threading.BrokenBarrierError, BrokenBarrierError), content)


# Made when they are first asked for: importing asyncio takes longer than all else here.
_MADE_LATER = {"Barrier": _make_barrier, "BrokenBarrierError": _make_broken_barrier_error}


def __getattr__(name: str) -> Any:
    if name not in _MADE_LATER:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return globals().setdefault(name, _MADE_LATER[name]())
