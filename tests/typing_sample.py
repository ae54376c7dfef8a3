"""Uses every public name as a program may. mypy and pyright check it, both strictly; test_typing.py runs it."""

import asyncio
import queue as standard_queue
import sys
from types import FrameType, TracebackType
from typing import Any, assert_type

import cthreading as threading
from cthreading import aio, bench, queue

PATIENCE = 30.0


def use_lock() -> None:
    lock = threading.Lock()
    assert_type(lock, threading.Lock)
    assert_type(lock.acquire(), bool)
    assert_type(lock.locked(), bool)
    lock.release()
    assert_type(lock.acquire(False), bool)
    lock.release()
    assert_type(lock.acquire(blocking=True, timeout=1), bool)
    lock.release()
    with lock as locked:
        assert_type(locked, bool)


def use_rlock() -> None:
    lock = threading.RLock()
    assert_type(lock, threading.RLock)
    assert_type(lock.acquire(True, 0.5), bool)
    if sys.version_info >= (3, 14):
        assert_type(lock.locked(), bool)
    lock.release()
    with lock as first, lock as second:
        assert_type((first, second), tuple[bool, bool])


def use_condition() -> None:
    threading.Condition(threading.Lock())
    threading.Condition(lock=threading.RLock())
    condition = threading.Condition()
    with condition as owned:
        assert_type(owned, bool)
    assert_type(condition.acquire(timeout=1.5), bool)
    if sys.version_info >= (3, 14):
        assert_type(condition.locked(), bool)
    assert_type(condition.wait(0), bool)
    assert_type(condition.wait_for(lambda: "yes", timeout=0), str)
    condition.notify()
    condition.notify(n=2)
    condition.notify_all()
    condition.release()


def use_semaphores() -> None:
    semaphore = threading.Semaphore(2)
    assert_type(semaphore.acquire(), bool)
    assert_type(semaphore.acquire(blocking=True, timeout=None), bool)
    semaphore.release(n=2)
    with semaphore as taken:
        assert_type(taken, bool)
    bounded: threading.Semaphore = threading.BoundedSemaphore(value=1)
    assert_type(bounded.acquire(False), bool)
    bounded.release()


def use_event() -> None:
    event = threading.Event()
    assert_type(event.wait(timeout=0), bool)
    event.set()
    assert_type(event.is_set(), bool)
    event.clear()


def use_barrier() -> None:
    barrier = threading.Barrier(1, action=lambda: None, timeout=PATIENCE)
    assert_type(barrier.wait(), int)
    assert_type(barrier.wait(timeout=1), int)
    assert_type((barrier.parties, barrier.n_waiting, barrier.broken), tuple[int, int, bool])
    barrier.abort()
    try:
        barrier.wait()
    except threading.BrokenBarrierError as error:
        assert_type(error, threading.BrokenBarrierError)
    barrier.reset()


class Adder(threading.Thread):
    """A thread with a result."""

    def __init__(self, *numbers: int) -> None:
        super().__init__(name="adder", daemon=True)
        self.numbers = numbers
        self.result: int | None = None

    def run(self) -> None:
        self.result = sum(self.numbers)


def use_threads() -> None:
    adder = Adder(1, 2)
    assert_type(adder.ident, int | None)
    adder.start()
    adder.join(timeout=PATIENCE)
    assert_type(adder.result, int | None)
    assert_type(adder.is_alive(), bool)
    assert_type((adder.name, adder.daemon), tuple[str, bool])
    assert_type(adder.native_id, int | None)
    thread = threading.Thread(None, print, "printer", ("a thread",), {"end": ""}, daemon=False)
    thread.name, thread.daemon = "silent", True
    if sys.version_info >= (3, 14):
        import contextvars

        threading.Thread(target=print, context=contextvars.copy_context())


def use_timer() -> None:
    timer = threading.Timer(PATIENCE, print, args=["late"], kwargs={"end": ""})
    timer.start()
    timer.cancel()
    timer.join()
    assert_type(timer.interval, float)
    assert_type(timer.finished, threading.Event)
    assert_type(timer.finished.is_set(), bool)
    assert callable(timer.function)
    assert len([*timer.args, *timer.kwargs]) == 2


class Local(threading.local):
    """A local with a typed attribute."""

    def __init__(self, start: int) -> None:
        self.number = start


def use_local() -> None:
    local = threading.local()
    local.anything = 1
    del local.anything
    assert_type(Local(1).number, int)


def use_functions() -> None:
    assert_type(threading.current_thread(), threading.Thread)
    assert_type(threading.main_thread(), threading.Thread)
    assert_type(threading.enumerate(), list[threading.Thread])
    assert_type(threading.active_count(), int)
    assert_type(threading.get_ident(), int)
    assert_type(threading.get_native_id(), int)
    before = threading.stack_size()
    assert_type(before, int)
    threading.stack_size(before)
    assert_type(threading.TIMEOUT_MAX, float)


def trace(frame: FrameType, event: str, argument: Any) -> None:
    """A trace function, and a profile function."""


def report(arguments: threading.ExceptHookArgs) -> None:
    assert_type(arguments.exc_type, type[BaseException])
    assert_type(arguments.exc_value, BaseException | None)
    assert_type(arguments.exc_traceback, TracebackType | None)
    assert arguments.thread is not None


def fail() -> None:
    raise threading.ThreadError


def use_hooks() -> None:
    threading.settrace(trace)
    assert threading.gettrace() is trace
    threading.settrace(None)
    threading.setprofile(trace)
    assert threading.getprofile() is trace
    threading.setprofile(None)
    if sys.version_info >= (3, 12):
        threading.settrace_all_threads(None)
        threading.setprofile_all_threads(None)
    threading.excepthook = report
    thread = threading.Thread(target=fail)
    thread.start()
    thread.join()
    threading.excepthook = threading.__excepthook__


def use_iterators() -> None:
    if sys.version_info >= (3, 15):
        from collections.abc import Iterator

        iterator = threading.serialize_iterator([1, 2])
        assert_type(next(iterator), int)
        iterator = threading.serialize_iterator(number for number in [1, 2])
        assert_type(iterator.send(None), int)
        try:
            iterator.throw(KeyError)
        except KeyError:
            iterator.close()

        @threading.synchronized_iterator
        def count(end: int) -> Iterator[int]:
            yield from range(end)

        assert_type(next(count(3)), int)
        first, second = threading.concurrent_tee([1, 2], n=2)
        assert_type((next(first), next(second)), tuple[int, int])


def use_waits() -> None:
    assert_type(threading.waiting(), list[threading.Wait])
    for cycle in threading.deadlocks():
        for wait in cycle:
            assert_type((wait.thread, wait.holder), tuple[threading.Thread | None, threading.Thread | None])
            assert_type((wait.operation, wait.seconds, wait.remaining), tuple[str, float, float | None])
            print(wait.object, wait.task)
    threading.dump_waits(sys.stdout)
    threading.dump_waits(file=1)

    def tell(cycle: list[threading.Wait]) -> None:
        raise threading.DeadlockError(str(cycle))

    threading.watch_deadlocks(tell)
    threading.watch_deadlocks("raise", after=0.5)
    threading.watch_deadlocks(action=None)


async def use_aio() -> None:
    barrier = aio.Barrier(1)
    assert_type(await barrier.wait(), int)
    async with barrier:
        pass
    assert_type((barrier.parties, barrier.n_waiting, barrier.broken), tuple[int, int, bool])
    await barrier.reset()
    await barrier.abort()
    mixed = aio.MixedBarrier(2, action=lambda: None, timeout=PATIENCE)
    thread = threading.Thread(target=mixed.wait)
    thread.start()
    assert_type(await mixed.wait_async(timeout=PATIENCE), int)
    thread.join()
    assert_type((mixed.parties, mixed.n_waiting, mixed.broken), tuple[int, int, bool])
    mixed.abort()
    try:
        async with mixed as index:
            assert_type(index, int)
    except aio.BrokenBarrierError as error:
        assert_type(error, aio.BrokenBarrierError)
        standard: threading.BrokenBarrierError = error
        assert isinstance(standard, asyncio.BrokenBarrierError)
    mixed.reset()


def take_first(source: standard_queue.Queue[int]) -> int:
    return source.get(block=True, timeout=PATIENCE)


class Named(queue.LifoQueue[str]):
    def _put(self, item: str) -> None:
        super()._put(item.title())


def use_queues() -> None:
    numbers: queue.Queue[int] = queue.Queue(maxsize=3)
    numbers.put(1)
    numbers.put(2, False)
    numbers.put_nowait(3)
    assert_type((numbers.qsize(), numbers.empty(), numbers.full(), numbers.maxsize), tuple[int, bool, bool, int])
    assert_type(take_first(numbers), int)
    assert_type(numbers.get_nowait(), int)
    numbers.task_done()
    numbers.task_done()
    with numbers.mutex:
        numbers.queue.clear()
    for condition in (numbers.not_empty, numbers.not_full, numbers.all_tasks_done):
        with condition:
            condition.notify_all()
    numbers.unfinished_tasks = 0
    numbers.join()
    names = Named()
    names.put("ada")
    assert_type(names.get(), str)
    ordered: queue.PriorityQueue[tuple[int, str]] = queue.PriorityQueue()
    ordered.put((2, "b"))
    assert_type(ordered.get(), tuple[int, str])
    simple: standard_queue.SimpleQueue[bytes] = queue.SimpleQueue()
    simple.put(b"")
    assert_type(simple.get(timeout=PATIENCE), bytes)
    try:
        simple.get_nowait()
    except queue.Empty as error:
        assert_type(error, standard_queue.Empty)
    try:
        queue.Queue[int](1).put_nowait(1)
    except queue.Full:
        raise
    if sys.version_info >= (3, 13):
        numbers.shutdown(immediate=True)
        try:
            numbers.get()
        except queue.ShutDown:
            assert_type(numbers.is_shutdown, bool)


def use_bench() -> None:
    assert_type(bench.main(["--quick", "--only", "^Event: is_set$"]), int)


def main() -> None:
    use_lock()
    use_rlock()
    use_condition()
    use_semaphores()
    use_event()
    use_barrier()
    use_threads()
    use_timer()
    use_local()
    use_functions()
    use_hooks()
    use_iterators()
    use_waits()
    asyncio.run(use_aio())
    use_queues()
    use_bench()


if __name__ == "__main__":
    main()
