# The types and functions of threading are typed as threading's own: see __init__.pyi.
from threading import (
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
    current_thread as current_thread,
    local as local,
)
from types import ModuleType, TracebackType
from typing import Any, Final, final

from typing_extensions import Self

park_backend: Final[str]

class _MainThread(Thread): ...

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
def _wait_until_up(thread: Thread, /) -> None: ...
def _get_importer(path: str, /) -> object: ...
def _run_program(how: str, what: object, with_: object, /) -> int: ...
def _program_hook(type: type[BaseException], value: BaseException, traceback: TracebackType | None, /) -> None: ...
def _start_stats() -> None: ...
def _stats() -> tuple[int, int, int, int]: ...

# The classes of cthreading.queue, once they have been made.
def _make_queues() -> None: ...
