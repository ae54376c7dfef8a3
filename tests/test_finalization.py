"""Processes that end while daemon threads are in every kind of wait: exit code 0, nothing on stderr, no hang."""

from __future__ import annotations

import pytest
from helpers import run_python
from waits import KINDS

every_kind = pytest.mark.parametrize("kind", KINDS)

PRELUDE = """
import atexit, sys, threading, time
import cthreading
from helpers import Crew
from waits import KINDS, wait_until_blocked

make = KINDS[sys.argv[1]]
crew = Crew()
"""


@every_kind
def test_exit_while_daemon_threads_wait(kind: str) -> None:
    run_python(
        PRELUDE
        + """
waits = [make(cthreading) for _ in range(10)]
for wait, timeout in zip(waits, [None, 600.0] * 5):
    wait_until_blocked(crew.start(wait.block, timeout))
print("end")
""",
        kind,
    ).check("end")


@every_kind
def test_exit_while_timeouts_run_out(kind: str) -> None:
    """Finalization lasts long enough for many of the timeouts to end in its midst."""
    run_python(
        PRELUDE
        + """
class Slow:
    def __del__(self):
        time.sleep(0.05)

def again_and_again(wait, timeout):
    while True:
        wait.block(timeout)

waits = [make(cthreading) for _ in range(8)]
for number, wait in enumerate(waits):
    wait_until_blocked(crew.start(again_and_again, wait, 0.002 * (number + 1)))
sys.slow = Slow()
atexit.register(time.sleep, 0.02)
print("end")
""",
        kind,
    ).check("end")


@every_kind
def test_waiters_let_go_at_exit_and_in_finalizers(kind: str) -> None:
    run_python(
        PRELUDE
        + """
waits = [make(cthreading) for _ in range(6)]
for wait in waits:
    wait_until_blocked(crew.start(wait.block))

def let_go(wait, kind=sys.argv[1]):
    if kind.startswith("Condition"):
        if wait.condition.acquire(timeout=1):
            wait.condition.notify_all()
            wait.condition.release()
    elif kind == "Barrier":
        wait.barrier.abort()
    elif kind == "RLock":
        pass
    else:
        wait.let_go()

class LetGo:
    def __init__(self, wait, let_go=let_go):
        self.wait, self.let_go = wait, let_go
    def __del__(self):
        self.let_go(self.wait)

atexit.register(let_go, waits[0])
late = [LetGo(wait) for wait in waits[1:3]]
sys.later = [LetGo(wait) for wait in waits[3:5]]
print("end")
""",
        kind,
    ).check("end")


def test_locks_that_daemon_threads_fight_for_at_exit() -> None:
    run_python(
        """
        import sys, threading
        import cthreading

        lock, rlock, semaphore = cthreading.Lock(), cthreading.RLock(), cthreading.Semaphore(1)
        condition, event = cthreading.Condition(), cthreading.Event()
        begun = threading.Barrier(9)

        def fight():
            begun.wait()
            while True:
                with lock:
                    with rlock, semaphore:
                        event.set()
                with condition:
                    condition.notify()
                    condition.wait(0.0001)
                event.wait(0.0001)
                event.clear()

        for _ in range(8):
            threading.Thread(target=fight, daemon=True).start()
        begun.wait()

        class Late:
            def __del__(self):
                for made in lock, rlock, semaphore, condition:
                    if made.acquire(blocking=False):
                        made.release()

        sys.late = Late()
        print("end")
        """
    ).check("end")


def test_a_lock_released_late_wakes_no_thread_that_cannot_run() -> None:
    """Handing the lock to a daemon thread that never runs again would leave it locked for good."""
    run_python(
        """
        import sys, threading, time
        import cthreading
        from helpers import Crew
        from waits import wait_until_blocked

        lock = cthreading.Lock()
        lock.acquire()

        def block():
            lock.acquire()

        class Late:
            def __init__(self, lock):
                self.lock = lock
            def __del__(self, time=time, write=sys.stdout.write, flush=sys.stdout.flush):
                time.sleep(0.01)
                self.lock.release()
                taken = self.lock.acquire(timeout=10)
                write(f"{taken}\\n")
                flush()

        wait_until_blocked(Crew().start(block))
        sys.late = Late(lock)
        """
    ).check()


@every_kind
def test_primitives_used_by_threads_that_are_waited_for_at_exit(kind: str) -> None:
    run_python(
        PRELUDE
        + """
wait = make(cthreading)
def work():
    threading.main_thread().join()
    print(wait.block(60), flush=True)
thread = threading.Thread(target=work)
thread.start()
def let_go():
    wait_until_blocked(thread)
    wait.let_go()
wait.again = False  # no thread can start any more
threading.Thread(target=let_go).start()
""",
        kind,
    ).check("True")
