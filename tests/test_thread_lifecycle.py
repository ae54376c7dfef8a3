"""The beginnings and ends of processes, interpreters and threads: fork, exit, finalization, subinterpreters, crowds."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import textwrap
import time

import pytest
from helpers import PATIENCE, child_environment, join_all, run_python, wait_until

import cthreading

forks = pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")


@forks
@pytest.mark.filterwarnings("ignore::DeprecationWarning")
def test_fork_from_the_main_thread() -> None:
    run_python(
        """
        import os, warnings
        warnings.simplefilter("ignore")
        import cthreading, threading
        go = cthreading.Event()
        others = [module.Thread(target=go.wait) for module in (cthreading, cthreading, threading)]
        for other in others:
            other.start()
        main = cthreading.main_thread()
        pid = os.fork()
        if pid == 0:
            assert cthreading.main_thread() is cthreading.current_thread() is main
            assert main.is_alive() and main.ident == cthreading.get_ident()
            assert main.native_id == cthreading.get_native_id()
            assert cthreading.enumerate() == [main], cthreading.enumerate()
            assert threading.enumerate() == [threading.main_thread()]
            assert not any(other.is_alive() for other in others)
            for other in others:
                other.join(30)
            seen = []
            thread = cthreading.Thread(target=seen.append, args=(1,))
            thread.start()
            thread.join(30)
            assert seen == [1]
            cthreading.Thread(target=print, args=("child",)).start()
        else:
            assert os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == 0
            assert all(other.is_alive() for other in others)
            go.set()
            for other in others:
                other.join(30)
            print("parent")
        """
    ).check("child\nparent")


@forks
@pytest.mark.parametrize("starter", ["cthreading", "threading"])
def test_fork_from_another_thread(starter: str) -> None:
    run_python(
        """
        import os, sys, warnings
        warnings.simplefilter("ignore")
        import cthreading, threading
        starter = {"cthreading": cthreading, "threading": threading}[sys.argv[1]]
        old_main, old_std_main = cthreading.main_thread(), threading.main_thread()

        def work():
            me = cthreading.current_thread()
            pid = os.fork()
            if pid == 0:
                try:
                    assert cthreading.main_thread() is cthreading.current_thread() is me
                    assert threading.main_thread() is threading.current_thread() is me
                    assert cthreading.enumerate() == threading.enumerate() == [me]
                    assert me.is_alive()
                    assert starter is threading or me.native_id == cthreading.get_native_id()
                    assert not old_main.is_alive() and not old_std_main.is_alive()
                    old_main.join(30)
                    old_std_main.join(30)
                    cthreading.Thread(target=print, args=("child",)).start()
                    threading._shutdown()
                    sys.stdout.flush()
                    os._exit(0)
                except BaseException:
                    import traceback
                    traceback.print_exc()
                    os._exit(1)
            assert os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == 0

        thread = starter.Thread(target=work)
        thread.start()
        thread.join(60)
        print("parent")
        """,
        starter,
    ).check("child\nparent")


@forks
@pytest.mark.parametrize("dummy", ["", "cthreading", "threading"])
def test_fork_from_a_foreign_thread(dummy: str) -> None:
    run_python(
        """
        import _thread, os, sys, warnings
        warnings.simplefilter("ignore")
        import cthreading, threading
        lock = _thread.allocate_lock()
        lock.acquire()

        def work():
            if sys.argv[1]:
                sys.modules[sys.argv[1]].current_thread()
            pid = os.fork()
            if pid == 0:
                main = cthreading.main_thread()
                assert main is cthreading.current_thread()
                assert threading.main_thread() is threading.current_thread()
                assert main.ident == cthreading.get_ident() == threading.main_thread().ident
                assert cthreading.enumerate() == [main]
                assert main.is_alive()
                os._exit(0)
            print(os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]))
            lock.release()

        _thread.start_new_thread(work, ())
        lock.acquire()
        """,
        dummy,
    ).check("0")


@forks
def test_forks_while_threads_start_wait_and_end() -> None:
    run_python(
        """
        import os, sys, time, warnings
        warnings.simplefilter("ignore")
        import cthreading

        stop = cthreading.Event()
        lock, condition = cthreading.Lock(), cthreading.Condition()
        lock.acquire()
        semaphore, barrier = cthreading.Semaphore(0), cthreading.Barrier(99)

        def wait_on_condition():
            with condition:
                condition.wait()

        sleeper = cthreading.Thread(target=stop.wait)
        waits = [lock.acquire, wait_on_condition, semaphore.acquire, barrier.wait, sleeper.join, stop.wait]
        sleeper.start()
        for wait in waits:
            cthreading.Thread(target=wait, daemon=True).start()

        def churn():
            while not stop.is_set():
                threads = [cthreading.Thread(target=time.sleep, args=(0.0001,)) for _ in range(3)]
                for thread in threads:
                    thread.start()
                for thread in threads:
                    thread.join()

        churners = [cthreading.Thread(target=churn) for _ in range(2)]
        for churner in churners:
            churner.start()
        for i in range(100):
            pid = os.fork()
            if pid == 0:
                assert cthreading.active_count() == 1
                thread = cthreading.Thread(target=int)
                thread.start()
                thread.join()
                sleeper.join()
                for churner in churners:
                    churner.join()
                os._exit(7)
            assert os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == 7
        stop.set()
        for churner in churners:
            churner.join()
        print("done")
        """,
        seconds=120,
    ).check("done")


WAITS = {
    "Lock": "lock = cthreading.Lock(); lock.acquire(); wait = lock.acquire",
    "RLock": "lock = cthreading.RLock(); lock.acquire(); wait = lock.acquire",
    "Condition": """
condition = cthreading.Condition()
def wait():
    with condition:
        condition.wait()
""",
    "Condition with a timeout": """
condition = cthreading.Condition()
def wait():
    while True:
        with condition:
            condition.wait(0.001)
""",
    "Semaphore": "wait = cthreading.Semaphore(0).acquire",
    "Event": "wait = cthreading.Event().wait",
    "Barrier": "wait = cthreading.Barrier(999).wait",
    "join": "wait = cthreading.main_thread().join",
    "running": """
def wait():
    while True:
        pass
""",
    "starting": """
import time
def wait():
    while True:
        thread = cthreading.Thread(target=time.sleep, args=(0.0001,), daemon=True)
        try:
            thread.start()
        except RuntimeError:  # 3.12.0 and 3.12.1 refuse as soon as the main thread has ended
            return
        thread.join()
""",
}


@pytest.mark.parametrize("kind", WAITS)
def test_daemons_do_not_hold_up_or_crash_the_exit(kind: str) -> None:
    count = 3 if kind in ("running", "starting") else 50
    for _ in range(3):
        run_python(
            "import cthreading\n" + WAITS[kind] + f"\nthreads = [cthreading.Thread(target=wait, daemon=True) "
            f"for _ in range({count})]\nfor thread in threads:\n    thread.start()\nprint('end')\n"
        ).check("end")


def test_daemons_started_last_do_not_crash_the_exit() -> None:
    for _ in range(10):
        run_python(
            """
            import cthreading
            for _ in range(20):
                cthreading.Thread(target=print, args=("",), kwargs={"end": ""}, daemon=True).start()
            """
        ).check("")


@pytest.mark.skipif(sys.version_info[:3] in ((3, 12, 0), (3, 12, 1)), reason="there, no threads are started so late")
def test_exit_waits_for_threads_started_while_it_waits() -> None:
    run_python(
        """
        import time
        import cthreading

        def chain(n):
            time.sleep(0.02)
            if n:
                cthreading.Thread(target=chain, args=(n - 1,)).start()
            else:
                print("last", cthreading.main_thread().is_alive())

        cthreading.Thread(target=chain, args=(5,)).start()
        """
    ).check("last False")


def test_the_order_of_the_end() -> None:
    run_python(
        """
        import atexit, time
        import cthreading
        go = cthreading.Event()

        def work():
            go.wait()
            time.sleep(0.05)
            print("thread")

        atexit.register(print, "atexit")
        cthreading._register_atexit(go.set)
        cthreading._register_atexit(print, "registered", end="\\n")
        cthreading.Thread(target=work).start()
        print("main")
        """
    ).check("main\nregistered\nthread\natexit")


def test_registering_too_late() -> None:
    run_python(
        """
        import cthreading

        def late():
            try:
                cthreading._register_atexit(print)
            except RuntimeError as error:
                print(error)

        cthreading._register_atexit(late)
        """
    ).check("can't register atexit after shutdown")


def test_control_c_ends_the_wait_at_exit() -> None:
    code = """
        import time
        import cthreading
        cthreading.Thread(target=time.sleep, args=(60,)).start()
        print("up", flush=True)
        """
    process = subprocess.Popen(
        [sys.executable, "-c", textwrap.dedent(code)],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        env=child_environment(),
    )
    try:
        assert process.stdout is not None
        assert process.stdout.readline() == b"up\n"
        time.sleep(0.2)  # for the main thread to come to the wait; sooner, Ctrl-C ends it just as well
        process.send_signal(signal.SIGINT)
        _, err = process.communicate(timeout=PATIENCE)
        assert b"KeyboardInterrupt" in err
    finally:
        process.kill()
        process.wait()


def test_starting_during_finalization_is_refused() -> None:
    outcome = run_python(
        """
        import cthreading

        class Late:
            def __del__(self, cthreading=cthreading):
                try:
                    cthreading.Thread(target=print, args=("ran",)).start()
                except RuntimeError as error:
                    print(error)

        late = Late()
        """
    )
    outcome.check("can't create new thread at interpreter shutdown")


@pytest.mark.skipif(sys.version_info[:3] in ((3, 12, 0), (3, 12, 1)), reason="there, no threads are started so late")
def test_starting_in_an_atexit_callback() -> None:
    run_python(
        """
        import atexit
        import cthreading

        def late():
            thread = cthreading.Thread(target=print, args=("ran",))
            thread.start()
            thread.join(30)

        atexit.register(late)
        """
    ).check("ran")


def test_joining_a_daemon_during_finalization_raises() -> None:
    run_python(
        """
        import cthreading

        running = cthreading.Event()

        def loop():
            running.set()
            while True:
                pass

        class Late:
            def __init__(self):
                self.me = self
                self.thread = cthreading.Thread(target=loop, daemon=True)
                self.thread.start()
                running.wait()

            def __del__(self):
                try:
                    self.thread.join()
                except RuntimeError as error:
                    print(error)

        Late()
        """
    ).check("cannot join thread at interpreter shutdown")


def test_the_main_thread_is_there_to_the_end() -> None:
    run_python(
        """
        import cthreading, gc

        class Late:
            def __init__(self):
                self.me = self

            def __del__(self):
                main = cthreading.main_thread()
                print(cthreading.current_thread() is main, cthreading.enumerate() == [main])

        late = Late()
        """
    ).check("True True")


SUBINTERPRETER = """
import sys
try:
    import _interpreters as interpreters
    create = lambda: interpreters.create(sys.argv[1])
except ImportError:
    import _xxsubinterpreters as interpreters
    create = lambda: interpreters.create(isolated=False)

def run(code):
    id = create()
    error = interpreters.run_string(id, code)
    assert error is None, error
    interpreters.destroy(id)
"""


@pytest.mark.parametrize("kind", ["legacy", "isolated"])
def test_subinterpreters_have_threads_of_their_own(kind: str) -> None:
    if kind == "isolated" and sys.version_info < (3, 13):
        pytest.skip("how to ask for one came with 3.13")
    run_python(
        SUBINTERPRETER
        + """
code = '''
import os, sys, time
import cthreading
seen = []
thread = cthreading.Thread(target=lambda: seen.append(cthreading.current_thread()))
thread.start()
thread.join(30)
assert seen == [thread]
assert len(cthreading.enumerate()) == 1
late = cthreading.Thread(target=lambda: (time.sleep(0.05), os.write(1, b"waited ")))
late.start()
if sys.version_info < (3, 13):
    late.join()  # before that, destroy() refuses an interpreter with threads
'''
import cthreading
before = cthreading.enumerate()
for _ in range(3):
    run(code)
assert cthreading.enumerate() == before
print("end")
""",
        kind,
    ).check("waited waited waited end")


@pytest.mark.skipif(not os.path.isdir("/proc/self/task"), reason="reads /proc")
def test_threads_leave_no_memory_behind() -> None:
    outcome = run_python(
        """
        import gc
        import cthreading

        def memory():
            gc.collect()
            with open("/proc/self/statm") as file:
                return int(file.read().split()[1]) * 4096

        def crowd(n):
            for _ in range(n):
                threads = [cthreading.Thread(target=int) for _ in range(20)]
                for thread in threads:
                    thread.start()
                for thread in threads[::2]:
                    thread.join()
            while len(cthreading.enumerate()) > 1:
                pass

        crowd(100)
        before = memory()
        crowd(400)
        grown = memory() - before
        assert grown < 4 << 20, grown
        print("flat")
        """,
        seconds=120,
    )
    outcome.check("flat")


def test_threads_end_in_any_order_under_load() -> None:
    """Starts, joins and ends race from several threads."""
    errors: list[BaseException] = []

    def churn() -> None:
        try:
            for _ in range(100):
                threads = [cthreading.Thread(target=cthreading.current_thread) for _ in range(5)]
                for thread in threads:
                    thread.start()
                for thread in reversed(threads):
                    thread.join(PATIENCE)
                    assert not thread.is_alive()
                    assert repr(thread).startswith("<Thread(Thread-")
        except BaseException as error:
            errors.append(error)

    churners = [cthreading.Thread(target=churn) for _ in range(4)]
    for churner in churners:
        churner.start()
    join_all(churners, 120)
    assert errors == []
    wait_until(lambda: cthreading.active_count() < 50)
