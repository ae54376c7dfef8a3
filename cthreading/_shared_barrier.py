"""A barrier whose subclass keeps the state elsewhere, as multiprocessing.Barrier does to share it between processes.

Such a class never calls `Barrier.__init__`. It sets `_parties`, `_action`, `_timeout` and `_cond`, and has `_state` and
`_count` as properties of its own: the protocol of threading.Barrier, which these functions follow. `_core.Barrier`
calls them once `_cond` has been set. All of it is guarded by `_cond`.
"""

from __future__ import annotations

from typing import Any

FILLING, LEAVING, RESETTING, BROKEN = 0, 1, -1, -2


def wait(barrier: Any, timeout: float | None, error: type[Exception]) -> int:
    """Arrive and wait for the others; raise error if the barrier is or gets broken, or is reset."""
    condition = barrier._cond
    if timeout is None:
        timeout = barrier._timeout
    with condition:
        # Those of the round before are still on their way out.
        condition.wait_for(lambda: barrier._state not in (LEAVING, RESETTING))
        if barrier._state == BROKEN:
            raise error
        index: int = barrier._count
        barrier._count = index + 1
        try:
            if index + 1 == barrier._parties:
                trip(barrier)
            elif not condition.wait_for(lambda: barrier._state != FILLING, timeout):
                set_broken(barrier)
                raise error
            elif barrier._state != LEAVING:
                raise error
            return index
        finally:
            barrier._count -= 1
            if barrier._count == 0 and barrier._state in (LEAVING, RESETTING):
                barrier._state = FILLING
                condition.notify_all()


def trip(barrier: Any) -> None:
    """The last has arrived: run the action and let all go; the action's exception breaks the barrier."""
    try:
        if barrier._action:
            barrier._action()
    except BaseException:
        set_broken(barrier)
        raise
    barrier._state = LEAVING
    barrier._cond.notify_all()


def set_broken(barrier: Any) -> None:
    barrier._state = BROKEN
    barrier._cond.notify_all()


def reset(barrier: Any) -> None:
    """Make it as new, when those who wait have left."""
    with barrier._cond:
        if barrier._count == 0:
            barrier._state = FILLING
        elif barrier._state != LEAVING:
            barrier._state = RESETTING
        barrier._cond.notify_all()


def abort(barrier: Any) -> None:
    with barrier._cond:
        set_broken(barrier)


def n_waiting(barrier: Any) -> int:
    count: int = barrier._count
    return count if barrier._state == FILLING else 0


def broken(barrier: Any) -> bool:
    return bool(barrier._state == BROKEN)
