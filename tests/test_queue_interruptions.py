"""Queues whose waits and calls are interrupted: signal handlers, fork, the end of the interpreter, subinterpreters.

What holds for every wait is tested with the others: see waits.py. Here is what only queues have.
"""

from __future__ import annotations

import os
import sysconfig
from types import ModuleType

import pytest
from helpers import PATIENCE, Crew, run_python, wait_until
from test_fork import Child
from test_signals import MAIN, Interrupted, handler, interrupt, interrupt_when_blocked, raise_interrupted
from waits import queue_of, wait_until_blocked

import cthreading.queue as ours


@pytest.fixture
def queues(module: ModuleType) -> ModuleType:
    return queue_of(module)


def test_a_handler_that_raises_in_join(queues: ModuleType, crew: Crew) -> None:
    one = queues.Queue()
    one.put(1)

    def block() -> None:
        one.join()

    with handler(raise_interrupted):
        for _ in range(3):
            crew.start(interrupt_when_blocked)
            with pytest.raises(Interrupted):
                block()
            crew.join()
            assert (one.unfinished_tasks, one.qsize(), one.mutex.locked()) == (1, 1, False)
            assert not one.all_tasks_done._waiters


@pytest.mark.parametrize("kind", ["Queue", "PriorityQueue", "SimpleQueue"])
def test_an_item_that_comes_with_the_interruption_is_not_lost(kind: str, crew: Crew) -> None:
    """The handler itself puts the item for which its thread waits, and raises."""
    one = getattr(ours, kind)()

    def put_and_raise() -> None:
        one.put("item")
        raise Interrupted

    def block() -> None:
        one.get(timeout=600)

    def block_twice() -> None:
        block()
        block()

    with handler(put_and_raise):
        for count in range(1, 4):
            crew.start(interrupt_when_blocked)
            with pytest.raises(Interrupted):
                block_twice()
            crew.join()
            # The handler may run just before the wait, which then finds the item.
            assert one.qsize() == 1
            assert one.get() == "item"
            if kind != "SimpleQueue":
                assert one.unfinished_tasks == count
                assert not one.mutex.locked()


@pytest.mark.parametrize("kind", ["Queue", "SimpleQueue"])
def test_the_next_in_line_gets_what_an_interrupted_one_was_woken_for(kind: str, crew: Crew) -> None:
    one = getattr(ours, kind)()
    got: list[object] = []

    def put_and_raise() -> None:
        one.put("item")
        raise Interrupted

    def block() -> None:
        got.append(one.get(timeout=PATIENCE))

    def wait_behind() -> None:
        wait_until_blocked(MAIN)
        wait_until_blocked(crew.start(block))
        interrupt()

    with handler(put_and_raise):
        crew.start(wait_behind)
        with pytest.raises(Interrupted):
            block()
    wait_until(lambda: got)
    assert got == ["item"]
    assert one.qsize() == 0


@pytest.mark.parametrize("kind", ["Queue", "SimpleQueue"])
def test_a_handler_that_waits_for_what_its_thread_waits_for(kind: str, crew: Crew) -> None:
    one = getattr(ours, kind)()
    got: list[object] = []

    def block() -> None:
        got.append(one.get(timeout=PATIENCE))

    def feed() -> None:
        wait_until_blocked(MAIN)
        interrupt()
        wait_until(lambda: handling)
        wait_until_blocked(MAIN)
        one.put("for the handler")
        wait_until(lambda: got)
        one.put("for the thread")

    handling: list[object] = []

    def handle() -> None:
        handling.append(1)
        block()

    with handler(handle):
        crew.start(feed)
        block()
    assert got == ["for the handler", "for the thread"]


@pytest.mark.parametrize("kind", ["Queue", "LifoQueue", "PriorityQueue", "SimpleQueue"])
def test_a_handler_uses_the_queue_that_its_thread_uses(kind: str) -> None:
    """In the midst of puts and gets, at any bytecode."""
    run_python(
        """
        import signal, sys, time
        import cthreading.queue as queue
        one = getattr(queue, sys.argv[1])()
        handled = 0

        def handle(*_):
            global handled
            one.put(-1)
            assert one.get(timeout=1) is not None
            handled += 1

        signal.signal(signal.SIGALRM, handle)
        signal.setitimer(signal.ITIMER_REAL, 0.0005, 0.0005)
        put = got = 0
        deadline = time.monotonic() + 60
        while handled < 200 and time.monotonic() < deadline:
            for number in range(100):
                one.put(number)
            for _ in range(100):
                one.get(timeout=1)
        signal.setitimer(signal.ITIMER_REAL, 0)
        assert handled >= 200
        assert one.qsize() == 0
        """,
        kind,
    ).check()


@pytest.mark.skipif(not hasattr(os, "fork"), reason="no fork here")
@pytest.mark.filterwarnings("ignore:.*fork.*:DeprecationWarning")
@pytest.mark.parametrize("kind", ["Queue", "SimpleQueue"])
def test_items_that_are_there_at_a_fork_can_be_got_in_the_child(kind: str, crew: Crew) -> None:
    """Threads of the parent wait for items, and have been woken for some that they have not taken yet."""
    if kind == "Queue" and sysconfig.get_config_var("Py_GIL_DISABLED"):
        pytest.skip("another thread may hold the mutex at the fork, and so nobody can have it in the child")
    for _ in range(20):
        one = getattr(ours, kind)()
        waiting = 3

        def block(one: object = one) -> None:
            one.get(timeout=PATIENCE)

        for _ in range(waiting):
            wait_until_blocked(crew.start(block))
        for number in range(waiting):
            one.put(number)
        child = Child()
        if child.pid == 0:

            def work(one: object = one) -> None:
                items = [one.get(timeout=PATIENCE) for _ in range(one.qsize())]
                assert items == sorted(items)
                assert one.empty()
                one.put("new")
                assert one.get(timeout=PATIENCE) == "new"

            child.run(work)
        child.check()
        crew.join()


def test_subinterpreters_have_queues_of_their_own() -> None:
    run_python(
        """
        import sys
        try:
            import _interpreters as interpreters
        except ImportError:
            try:
                import _xxsubinterpreters as interpreters
            except ImportError:
                sys.exit()
        import cthreading.queue as queue
        one = queue.Queue()
        one.put(1)
        for _ in range(3):
            interpreter = interpreters.create()
            failure = interpreters.run_string(interpreter, '''if True:
                import queue
                import cthreading.queue as ours
                for kind in (ours.Queue, ours.PriorityQueue, ours.SimpleQueue):
                    one = kind()
                    one.put(1)
                    one.put(2)
                    assert one.get() == 1
                    assert isinstance(one, getattr(queue, kind.__name__))
            ''')
            assert failure is None, failure
            interpreters.destroy(interpreter)
        assert one.get() == 1
        """
    ).check()


def test_leaks() -> None:
    run_python(
        """
        import gc, sys
        import cthreading.queue as queue

        class Derived(queue.Queue):
            def _put(self, item):
                super()._put(item)

        def work(rounds):
            for _ in range(rounds):
                for kind in (queue.Queue, queue.LifoQueue, queue.PriorityQueue, queue.SimpleQueue, Derived):
                    one = kind()
                    one.put(3), one.put(1), one.put(2)
                    one.get(), one.get_nowait(), one.qsize(), one.empty()
                    try:
                        one.get(timeout=-1)
                    except ValueError:
                        pass
                    if kind is not queue.SimpleQueue:
                        one.task_done(), one.full(), one.mutex, one.not_empty, one.queue, vars(one)
                        one.maxsize = True
                        one.maxsize = 0
                        one.put(5), one.unfinished_tasks
                        del one.not_full
                    one.itself = one if kind is Derived else None

        def resident():
            with open("/proc/self/statm") as statm:
                return int(statm.read().split()[1]) * 4096

        try:
            queue.SimpleQueue().itself = None
        except AttributeError:
            queue.SimpleQueue = type("SimpleQueue", (queue.SimpleQueue,), {})
        total = getattr(sys, "gettotalrefcount", int)
        for _ in range(2):
            work(300)
            gc.collect()
        memory, references = resident(), total()
        for _ in range(3):
            work(300)
            gc.collect()
        assert resident() - memory < 2_000_000, resident() - memory
        assert abs(total() - references) < 200, total() - references
        """
    ).check()


def test_getters_that_wait_at_the_end_of_the_interpreter() -> None:
    run_python(
        """
        import sys, threading
        import cthreading.queue as queue
        from waits import wait_until_blocked
        from helpers import Crew
        crew = Crew()
        waiting = []
        for kind in (queue.Queue, queue.PriorityQueue, queue.SimpleQueue):
            one = kind()
            def block(one=one):
                one.get()
            wait_until_blocked(crew.start(block))
            waiting.append(one)

        class Late:
            def __del__(self, waiting=waiting):
                for one in waiting:
                    one.put(1)
                    assert one.get() == 1

        sys.late = Late()
        """
    ).check()
