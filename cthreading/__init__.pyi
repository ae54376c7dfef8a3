# What threading has is typed as threading's own: ours goes wherever theirs is asked for, and theirs where ours is.
import sys
from collections.abc import Callable
from threading import (
    TIMEOUT_MAX as TIMEOUT_MAX,
    Barrier as Barrier,
    BoundedSemaphore as BoundedSemaphore,
    BrokenBarrierError as BrokenBarrierError,
    Condition as Condition,
    Event as Event,
    ExceptHookArgs as ExceptHookArgs,
    Lock as Lock,
    RLock as RLock,
    Semaphore as Semaphore,
    Thread as Thread,
    ThreadError as ThreadError,
    Timer as Timer,
    _DummyThread as _DummyThread,
    _RLock as _RLock,
    active_count as active_count,
    activeCount as activeCount,
    current_thread as current_thread,
    currentThread as currentThread,
    enumerate as enumerate,
    get_ident as get_ident,
    get_native_id as get_native_id,
    getprofile as getprofile,
    gettrace as gettrace,
    local as local,
    main_thread as main_thread,
    setprofile as setprofile,
    settrace as settrace,
    stack_size as stack_size,
)
from types import ModuleType
from typing import Any

from _typeshed import ProfileFunction, TraceFunction

from cthreading._core import _MainThread as _MainThread
from cthreading._profile import profile_waits as profile_waits
from cthreading._waits import (
    DeadlockError as DeadlockError,
    Wait as Wait,
    deadlocks as deadlocks,
    dump_waits as dump_waits,
    waiting as waiting,
    watch_deadlocks as watch_deadlocks,
)

if sys.version_info >= (3, 12):
    from threading import (
        setprofile_all_threads as setprofile_all_threads,
        settrace_all_threads as settrace_all_threads,
    )

if sys.version_info >= (3, 15):
    from collections.abc import Iterable
    from threading import concurrent_tee as concurrent_tee, serialize_iterator as serialize_iterator
    from typing import TypeVar

    from typing_extensions import ParamSpec

    _T = TypeVar("_T")
    _P = ParamSpec("_P")

__all__ = [
    "get_ident",
    "active_count",
    "Condition",
    "current_thread",
    "enumerate",
    "main_thread",
    "TIMEOUT_MAX",
    "Event",
    "Lock",
    "RLock",
    "Semaphore",
    "BoundedSemaphore",
    "Thread",
    "Barrier",
    "BrokenBarrierError",
    "Timer",
    "ThreadError",
    "setprofile",
    "settrace",
    "local",
    "stack_size",
    "excepthook",
    "ExceptHookArgs",
    "gettrace",
    "getprofile",
    "get_native_id",
]

if sys.version_info >= (3, 12):
    __all__ += ["setprofile_all_threads", "settrace_all_threads"]

if sys.version_info >= (3, 15):
    __all__ += ["concurrent_tee", "serialize_iterator", "synchronized_iterator"]

if sys.version_info >= (3, 15):
    def synchronized_iterator(func: Callable[_P, Iterable[_T]]) -> Callable[_P, serialize_iterator[_T]]: ...

_profile_hook: ProfileFunction | None
_trace_hook: TraceFunction | None

excepthook: Callable[[ExceptHookArgs], object]
__excepthook__: Callable[[ExceptHookArgs], object]

_threading: ModuleType
_theirs: dict[str, Any]

def install(queue: bool = True) -> None: ...
def uninstall() -> None: ...
def installed() -> bool: ...
