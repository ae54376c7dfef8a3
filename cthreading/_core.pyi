# The types and functions of threading are typed as threading's own: see __init__.pyi.
import sys
from collections.abc import Callable
from threading import (
    Barrier as Barrier,
    BoundedSemaphore as BoundedSemaphore,
    Condition as Condition,
    Event as Event,
    ExceptHookArgs as ExceptHookArgs,
    Lock as Lock,
    RLock as RLock,
    Semaphore as Semaphore,
    Thread as Thread,
    Timer as Timer,
    _DummyThread as _DummyThread,
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
from types import ModuleType, TracebackType
from typing import Any, Final, final

from typing_extensions import Self

if sys.version_info >= (3, 12):
    from threading import (
        setprofile_all_threads as setprofile_all_threads,
        settrace_all_threads as settrace_all_threads,
    )

park_backend: Final[str]

class _MainThread(Thread):
    def __init__(self) -> None: ...

def reuse_threads(maximum: int | None = None, /, keep_alive: float = 1.0) -> int: ...

excepthook: Callable[[ExceptHookArgs], object]
__excepthook__: Callable[[ExceptHookArgs], object]

# The yardstick of the benchmarks: methods that do nothing.
@final
class _Floor:
    def __new__(cls) -> Self: ...
    def call(self) -> None: ...
    def call_keywords(self, *args: object, **kwargs: object) -> None: ...
    def __enter__(self) -> None: ...
    def __exit__(
        self, exc_type: type[BaseException] | None, exc_value: BaseException | None, exc_tb: TracebackType | None, /
    ) -> None: ...

# What install() and `python -m cthreading` need.

@final
class _PassOn(ModuleType): ...

def _make_aio_barrier() -> type[Any]: ...
def _get_importer(path: str, /) -> object: ...
def _run_program(how: str, what: object, with_: object, /) -> int: ...
def _program_hook(type: type[BaseException], value: BaseException, traceback: TracebackType | None, /) -> None: ...
def _start_stats() -> None: ...
def _stats() -> tuple[int, int, int, int]: ...
