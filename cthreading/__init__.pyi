import sys
from collections.abc import Callable
from threading import (
    TIMEOUT_MAX as TIMEOUT_MAX,
    BrokenBarrierError as BrokenBarrierError,
    ExceptHookArgs as ExceptHookArgs,
    ThreadError as ThreadError,
    _RLock as _RLock,
    active_count as active_count,
    activeCount as activeCount,
    currentThread as currentThread,
    enumerate as enumerate,
    get_ident as get_ident,
    get_native_id as get_native_id,
    getprofile as getprofile,
    gettrace as gettrace,
    main_thread as main_thread,
    setprofile as setprofile,
    settrace as settrace,
    stack_size as stack_size,
)
from types import ModuleType
from typing import Any

from _typeshed import ProfileFunction, TraceFunction

from cthreading._core import (
    Barrier as Barrier,
    BoundedSemaphore as BoundedSemaphore,
    Condition as Condition,
    Event as Event,
    Lock as Lock,
    RLock as RLock,
    Semaphore as Semaphore,
    Thread as Thread,
    Timer as Timer,
    _DummyThread as _DummyThread,
    _MainThread as _MainThread,
    current_thread as current_thread,
    local as local,
)

if sys.version_info >= (3, 12):
    from threading import (
        setprofile_all_threads as setprofile_all_threads,
        settrace_all_threads as settrace_all_threads,
    )

if sys.version_info >= (3, 15):
    from collections.abc import Iterable, Iterator
    from types import TracebackType
    from typing import TypeVar

    from typing_extensions import ParamSpec, Self

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
    class serialize_iterator(Iterator[_T]):
        def __init__(self, iterable: Iterable[_T]) -> None: ...
        def __iter__(self) -> Self: ...
        def __next__(self) -> _T: ...
        def send(self, value: Any, /) -> _T: ...
        def throw(
            self, typ: type[BaseException], val: BaseException | object = ..., tb: TracebackType | None = ...
        ) -> _T: ...
        def close(self) -> None: ...

    def synchronized_iterator(func: Callable[_P, Iterable[_T]]) -> Callable[_P, serialize_iterator[_T]]: ...
    def concurrent_tee(iterable: Iterable[_T], n: int = 2) -> tuple[Iterator[_T], ...]: ...

_profile_hook: ProfileFunction | None
_trace_hook: TraceFunction | None

excepthook: Callable[[ExceptHookArgs], object]
__excepthook__: Callable[[ExceptHookArgs], object]

_threading: ModuleType
_theirs: dict[str, Any]

def install(queue: bool = True) -> None: ...
def uninstall() -> None: ...
def installed() -> bool: ...
