"""fork while threads hold and wait: in the child only the forking thread exists, and the objects are fit for use."""

from __future__ import annotations

import faulthandler
import os
import select
import signal
import threading
import time
import traceback
from collections.abc import Callable
from types import ModuleType

import pytest
from helpers import PATIENCE, Crew, join_all, wait_until
from waits import KINDS, BarrierWait, ConditionWait, RLockWait, Wait, wait_until_blocked

import cthreading
import cthreading.aio

pytestmark = [
    pytest.mark.skipif(not hasattr(os, "fork"), reason="no fork here"),
    pytest.mark.filterwarnings("ignore:.*fork.*:DeprecationWarning"),
]

every_kind = pytest.mark.parametrize("kind", KINDS)


class Child:
    """A process that reports through a pipe: "" when all was well, else what went wrong."""

    def __init__(self) -> None:
        self.reading, self.writing = os.pipe()
        # A child's own child would wait for faulthandler's thread, which it has not.
        faulthandler.cancel_dump_traceback_later()
        self.pid = os.fork()
        if self.pid == 0:
            # Hangs are reported by the child itself, with all its stacks.
            faulthandler.dump_traceback_later(PATIENCE, exit=True, file=self.writing)

    def run(self, work: Callable[[], object]) -> None:
        """In the child: works, reports, and ends the process."""
        try:
            work()
        except BaseException:
            os.write(self.writing, traceback.format_exc().encode())
        finally:
            os._exit(0)

    def check(self) -> None:
        """In the parent: waits for the child's report."""
        os.close(self.writing)
        report = b""
        deadline = time.monotonic() + 2 * PATIENCE
        while select.select([self.reading], [], [], max(0, deadline - time.monotonic()))[0]:
            part = os.read(self.reading, 65536)
            if not part:
                break
            report += part
        else:
            os.kill(self.pid, signal.SIGKILL)
            report += b"\nkilled: it did not end"
        os.close(self.reading)
        status = os.waitpid(self.pid, 0)[1]
        if (report, status) != (b"", 0):
            # Not an assert: what pytest shows of one is cut short.
            raise AssertionError(f"status {status} of the child; it wrote:\n{report.decode()}")


def in_child(work: Callable[[], object]) -> None:
    child = Child()
    if child.pid == 0:
        child.run(work)
    child.check()


def make_usable(wait: Wait) -> None:
    """In the child: what a program can do about an object whose owner or partner is gone."""
    if isinstance(wait, RLockWait):
        assert not wait.lock.acquire(timeout=0.01)
        wait.lock._at_fork_reinit()
        wait.crew = Crew()
        wait._hold()
    elif isinstance(wait, ConditionWait):
        wait.entered = 0
    elif isinstance(wait, BarrierWait):
        wait.barrier.reset()


def use(wait: Wait) -> None:
    """Lets go new waiters: one, and then, where it can have several, three at once."""
    for count in (1, wait.at_once):
        results: list[bool] = []
        with Crew() as crew:
            threads = [crew.start(lambda: results.append(wait.block(PATIENCE))) for _ in range(count)]  # noqa: B023
            for thread in threads:
                wait_until_blocked(thread)
            release_all(wait, threads, end=False)
        assert results == [True] * count
    if isinstance(wait, RLockWait):
        wait.let_go()


def release_all(wait: Wait, threads: list[threading.Thread], end: bool = True) -> None:
    """Lets go one thread after the other."""
    # Counted once: they may all have ended between two looks.
    while before := sum(thread.is_alive() for thread in threads):
        wait.let_go()
        wait_until(lambda before=before: sum(thread.is_alive() for thread in threads) < before)
    if end and isinstance(wait, RLockWait):
        wait.let_go()


@every_kind
@pytest.mark.parametrize("timeout", [None, 600.0], ids=["for-ever", "timeout"])
def test_objects_that_threads_wait_on_can_be_used_in_the_child(kind: str, timeout: float | None, crew: Crew) -> None:
    wait = KINDS[kind](cthreading)
    threads = [crew.start(wait.block, timeout) for _ in range(wait.at_once)]
    for thread in threads:
        wait_until_blocked(thread)

    def work() -> None:
        make_usable(wait)
        use(wait)

    in_child(work)
    release_all(wait, threads)


@every_kind
def test_fork_in_a_thread_while_the_main_thread_waits(kind: str, crew: Crew) -> None:
    wait = KINDS[kind](cthreading)
    errors: list[BaseException] = []

    def work() -> None:
        make_usable(wait)
        use(wait)

    def fork() -> None:
        wait_until_blocked(threading.main_thread())
        try:
            in_child(work)
        except AssertionError as error:
            errors.append(error)
        wait.let_go()

    crew.start(fork)
    assert wait.block(3 * PATIENCE)
    crew.join()
    if errors:
        raise errors[0]
    if kind == "RLock":
        wait.let_go()


@every_kind
def test_fork_in_a_signal_handler_that_interrupts_the_wait(kind: str, crew: Crew) -> None:
    """The wait goes on in both: in the child, where what it waits for comes from the handler."""
    wait = KINDS[kind](cthreading)
    children: list[Child] = []

    def handle(*_: object) -> None:
        child = Child()
        if child.pid != 0:
            children.append(child)
            return
        in_the_child.append(child)
        if isinstance(wait, RLockWait):
            wait.lock._at_fork_reinit()
            wait._hold = lambda: None
        else:
            wait.let_go()

    in_the_child: list[Child] = []

    def interrupt_and_let_go() -> None:
        wait_until_blocked(threading.main_thread())
        signal.pthread_kill(threading.main_thread().ident, signal.SIGUSR1)
        wait_until(lambda: children)
        wait_until_blocked(threading.main_thread())
        wait.let_go()

    before = signal.signal(signal.SIGUSR1, handle)
    try:
        crew.start(interrupt_and_let_go)
        result = None
        try:
            result = wait.block(PATIENCE)
        finally:
            for child in in_the_child:
                child.run(lambda: use_result(result))
    finally:
        signal.signal(signal.SIGUSR1, before)
    assert result
    children[0].check()
    crew.join()
    if kind == "RLock":
        wait.let_go()


@every_kind
def test_a_new_thread_of_the_child_ends_the_wait_in_which_it_was_forked(kind: str, crew: Crew) -> None:
    """The first to come upon the object in the child is not the thread that waits there."""
    wait = KINDS[kind](cthreading)
    children: list[Child] = []
    in_the_child: list[Child] = []

    def let_go_in_child() -> None:
        if isinstance(wait, RLockWait):
            wait.lock._at_fork_reinit()
        else:
            wait.let_go()

    def handle(*_: object) -> None:
        child = Child()
        if child.pid != 0:
            children.append(child)
            return
        in_the_child.append(child)
        wait._hold = lambda: None
        other = threading.Thread(target=let_go_in_child, daemon=True)
        other.start()
        if not isinstance(wait, BarrierWait):  # the one who meets us there waits for us
            other.join(PATIENCE)
        else:
            wait_until(lambda: wait.barrier._state != 0 or wait.barrier.n_waiting == 0)

    def interrupt_and_let_go() -> None:
        wait_until_blocked(threading.main_thread())
        signal.pthread_kill(threading.main_thread().ident, signal.SIGUSR1)
        wait_until(lambda: children)
        wait_until_blocked(threading.main_thread())
        wait.let_go()

    before = signal.signal(signal.SIGUSR1, handle)
    try:
        crew.start(interrupt_and_let_go)
        result = None
        try:
            result = wait.block(PATIENCE)
        finally:
            for child in in_the_child:
                child.run(lambda: use_result(result))
    finally:
        signal.signal(signal.SIGUSR1, before)
    assert result
    children[0].check()
    crew.join()
    if kind == "RLock":
        wait.let_go()


def test_a_wait_that_times_out_in_the_child_leaves_the_others_in_their_queue(crew: Crew) -> None:
    event = cthreading.Event()
    children: list[Child] = []
    in_the_child: list[Child] = []
    child_crew = Crew()
    results: list[bool] = []

    def block() -> None:
        results.append(event.wait(PATIENCE))

    def handle(*_: object) -> None:
        child = Child()
        if child.pid != 0:
            children.append(child)
            return
        in_the_child.append(child)
        thread = child_crew.start(block)
        wait_until_blocked(thread)

    def wake_the_other() -> None:
        assert not timed_out
        event.set()
        child_crew.join()
        assert results == [True]

    def interrupt() -> None:
        wait_until_blocked(threading.main_thread())
        signal.pthread_kill(threading.main_thread().ident, signal.SIGUSR1)

    def main_block() -> bool:
        return event.wait(1.0)

    main_block.__code__ = main_block.__code__.replace(co_name="block")
    before = signal.signal(signal.SIGUSR1, handle)
    try:
        crew.start(interrupt)
        timed_out = main_block()
        for child in in_the_child:
            child.run(wake_the_other)
    finally:
        signal.signal(signal.SIGUSR1, before)
    assert not timed_out
    children[0].check()


@pytest.mark.parametrize("kind", [cthreading.Barrier, cthreading.aio.MixedBarrier])
def test_the_action_that_forks_is_under_way_in_the_child_whoever_asks(kind: type) -> None:
    counts: list[int] = []

    def ask() -> None:
        counts.append(barrier.n_waiting)

    def check_in_child() -> None:
        thread = threading.Thread(target=ask, daemon=True)
        thread.start()
        thread.join(PATIENCE)
        assert counts == [1]

    barrier = kind(1, action=lambda: in_child(check_in_child))
    barrier.wait()


@pytest.mark.parametrize("kind", [cthreading.Barrier, cthreading.aio.MixedBarrier])
def test_an_action_whose_thread_is_gone_is_not_that_of_a_thread_with_its_ident(kind: type, crew: Crew) -> None:
    acting, over, asked_all = threading.Event(), threading.Event(), threading.Event()
    idents: list[int] = []
    counts: dict[int, int] = {}

    def act() -> None:
        idents.append(threading.get_ident())
        acting.set()
        assert over.wait(PATIENCE)

    barrier = kind(1, action=act)
    crew.start(barrier.wait)
    assert acting.wait(PATIENCE)

    def ask() -> None:
        if threading.get_ident() == idents[0]:
            counts[idents[0]] = barrier.n_waiting
        assert asked_all.wait(PATIENCE)

    def check_in_child() -> None:
        # All at once, so that they do not share one ident.
        threads = [threading.Thread(target=ask, daemon=True) for _ in range(20)]
        for thread in threads:
            thread.start()
        asked_all.set()
        join_all(threads)
        assert counts in ({}, {idents[0]: 0})

    in_child(check_in_child)
    over.set()


def use_result(result: bool | None) -> None:
    assert result, "the wait in the child did not end well"


@pytest.mark.parametrize("kind", ["Lock", "RLock", "Semaphore"])
@pytest.mark.parametrize("patience", [0.0, 0.01])
def test_a_release_in_the_child_is_not_handed_to_a_thread_that_is_gone(kind: str, patience: float, crew: Crew) -> None:
    """Also not if that thread had waited long enough to be owed the lock."""
    lock = cthreading.Semaphore(1) if kind == "Semaphore" else getattr(cthreading, kind)()

    def block() -> None:
        assert lock.acquire(timeout=PATIENCE)
        lock.release()

    def work() -> None:
        lock.release()
        assert lock.acquire(blocking=False)
        lock.release()
        with Crew() as crew:
            lock.acquire()
            thread = crew.start(block)
            wait_until_blocked(thread)
            lock.release()
            crew.join()

    lock.acquire()
    for _ in range(3):
        wait_until_blocked(crew.start(block))
    time.sleep(patience)
    in_child(work)
    lock.release()


def test_a_lock_held_by_a_thread_that_is_gone_can_be_released(module: ModuleType, crew: Crew) -> None:
    lock = module.Lock()
    crew.start(lock.acquire)
    crew.join()

    def work() -> None:
        assert lock.locked()
        assert not lock.acquire(timeout=0.01)
        lock.release()
        assert lock.acquire(blocking=False)

    in_child(work)


def test_a_notification_in_the_child_goes_to_a_thread_that_exists(crew: Crew) -> None:
    wait = ConditionWait(cthreading)
    condition = wait.condition
    threads = [crew.start(wait.block) for _ in range(3)]
    for thread in threads:
        wait_until_blocked(thread)

    def work() -> None:
        ready = []

        def waiter() -> None:
            with condition:
                ready.append(1)
                assert condition.wait(PATIENCE)

        with Crew() as crew:
            crew.start(waiter)
            wait_until(lambda: ready)
            with condition:
                assert len(condition._waiters) == 1
                condition.notify()
            crew.join()

    in_child(work)
    with condition:
        assert len(condition._waiters) == 3
        condition.notify_all()


def test_a_wait_that_begins_before_the_fork_in_the_child_counts_no_gone_threads(crew: Crew) -> None:
    semaphore = cthreading.Semaphore(0)
    for _ in range(3):
        crew.start(semaphore.acquire, True, PATIENCE)
    for thread in crew.threads:
        wait_until(thread.is_alive)

    def work() -> None:
        semaphore.release(2)
        assert semaphore._value == 2
        assert semaphore.acquire(blocking=False)
        assert semaphore.acquire(blocking=False)
        assert not semaphore.acquire(blocking=False)

    in_child(work)
    semaphore.release(3)


@pytest.mark.parametrize("kind", ["Lock", "RLock", "Event", "Condition", "Condition-Lock"])
def test_at_fork_reinit(module: ModuleType, kind: str, crew: Crew) -> None:
    name, _, of = kind.partition("-")
    made = getattr(module, name)(*([getattr(module, of)()] if of else []))
    held, go = threading.Event(), threading.Event()

    def hold() -> None:
        with made if name != "Event" else made._cond:
            held.set()
            go.wait(PATIENCE)

    crew.start(hold)
    assert held.wait(PATIENCE)

    def work() -> None:
        made._at_fork_reinit()
        if name == "Event":
            made.set()
            assert made.wait(PATIENCE)
        else:
            assert made.acquire(blocking=False)
            made.release()

    in_child(work)
    go.set()


def test_forks_amid_busy_threads(crew: Crew) -> None:
    """However busy the objects are at the moment of the fork, their innards are never left locked."""
    lock, rlock, condition = cthreading.Lock(), cthreading.RLock(), cthreading.Condition()
    semaphore, event, barrier = cthreading.Semaphore(2), cthreading.Event(), cthreading.Barrier(2)
    ended = threading.Event()

    def be_busy() -> None:
        while not ended.is_set():
            with lock, rlock, semaphore:
                event.set()
            if event.wait(0.001):
                event.clear()
            with condition:
                condition.notify()
                condition.wait(0.0005)
            try:
                barrier.wait(0.0005)
            except threading.BrokenBarrierError:
                barrier.reset()

    def work() -> None:
        for made in (lock, rlock, condition):
            made._at_fork_reinit()
            assert made.acquire(blocking=False)
            made.release()
        with condition:
            condition.notify_all()
            assert not condition.wait(0.001)
        semaphore.release()
        assert semaphore.acquire(blocking=False)
        event.set()
        assert event.wait()
        barrier.abort()
        barrier.reset()
        with Crew() as crew:
            crew.start(lambda: barrier.wait(PATIENCE), count=2)

    crew.start(be_busy, count=3)
    try:
        for _ in range(20):
            in_child(work)
    finally:
        ended.set()


def test_a_child_of_a_child(crew: Crew) -> None:
    wait = KINDS["Lock"](cthreading)
    thread = crew.start(wait.block)
    wait_until_blocked(thread)

    def grandchild() -> None:
        use(wait)

    def work() -> None:
        with Crew() as crew:
            thread = crew.start(wait.block)
            wait_until_blocked(thread)
            in_child(grandchild)
            wait.let_go()
            crew.join()

    in_child(work)
    wait.let_go()


def test_a_barrier_in_the_child_does_not_count_those_who_are_gone() -> None:
    wait = BarrierWait(cthreading)
    crew = Crew()
    wait_until_blocked(crew.start(wait.block))

    def meet() -> None:
        assert wait.barrier.n_waiting == 0
        child_crew = Crew()
        indices: list[int] = []
        child_crew.start(lambda: indices.append(wait.barrier.wait()), count=wait.barrier.parties)
        child_crew.join()
        assert sorted(indices) == list(range(wait.barrier.parties))

    in_child(meet)
    wait.let_go()
    crew.join()
