"""cthreading and the standard library's threading in one program: one object a thread, hooks and exit shared."""

from __future__ import annotations

import _thread
import faulthandler
import logging
import shutil
import sys
import tempfile
import threading
import traceback
from pathlib import Path
from typing import Any

import pytest
from helpers import PATIENCE, run_python, wait_until

import cthreading


def run(thread: Any) -> Any:
    thread.start()
    thread.join(PATIENCE)
    assert not thread.is_alive()
    return thread


@pytest.mark.parametrize("starter", [threading, cthreading], ids=["threading", "cthreading"])
def test_a_thread_has_one_object(starter: Any) -> None:
    seen: list[Any] = []

    def look() -> None:
        seen.extend((threading.current_thread(), cthreading.current_thread()))
        seen.extend((thread in threading.enumerate(), thread in cthreading.enumerate()))

    thread = starter.Thread(target=look)
    run(thread)
    assert seen == [thread, thread, True, True]


def test_the_main_thread_has_one_object_too() -> None:
    main = cthreading.main_thread()
    assert main is threading.main_thread()
    assert type(main) is cthreading._MainThread
    assert isinstance(main, cthreading.Thread)
    assert isinstance(main, threading._MainThread)
    assert main.is_alive()
    assert cthreading.enumerate().count(main) == threading.enumerate().count(main) == 1
    assert cthreading.current_thread() is threading.current_thread() is main


@pytest.mark.parametrize("first", [threading, cthreading], ids=["threading", "cthreading"])
def test_a_foreign_thread_has_one_dummy(first: Any) -> None:
    seen: list[Any] = []

    def look() -> None:
        dummy = first.current_thread()
        seen.extend((dummy, threading.current_thread(), cthreading.current_thread(), dummy.is_alive()))
        seen.append(None)

    _thread.start_new_thread(look, ())
    wait_until(lambda: len(seen) == 5)
    assert seen[0] is seen[1] is seen[2]
    assert isinstance(seen[0], first._DummyThread)
    assert seen[3] is True
    assert seen[0].daemon
    if sys.version_info >= (3, 13):
        wait_until(lambda: seen[0] not in cthreading.enumerate())
    else:
        threading._active.pop(seen[0].ident, None)


def test_active_count_is_the_number_of_both() -> None:
    go = cthreading.Event()
    threads = [module.Thread(target=go.wait) for module in (threading, cthreading)]
    before = cthreading.active_count()
    for thread in threads:
        thread.start()
    assert cthreading.active_count() == threading.active_count() == before + 2
    assert len(cthreading.enumerate()) == before + 2
    go.set()
    for thread in threads:
        thread.join(PATIENCE)
    assert cthreading.active_count() == threading.active_count() == before


@pytest.mark.parametrize("name", ["BrokenBarrierError", "ThreadError", "ExceptHookArgs", "TIMEOUT_MAX"])
def test_what_is_the_same_object(name: str) -> None:
    assert getattr(cthreading, name) is getattr(threading, name)


def test_all_names_of_threading_are_there() -> None:
    assert set(threading.__all__) <= set(cthreading.__all__)
    for name in threading.__all__:
        assert hasattr(cthreading, name)


def test_the_types_are_our_own() -> None:
    own = {name for name in threading.__all__ if getattr(cthreading, name) is not getattr(threading, name)}
    locks = {"Lock", "RLock", "Condition", "Semaphore", "BoundedSemaphore", "Event", "Barrier"}
    iterators = {"serialize_iterator", "synchronized_iterator", "concurrent_tee"}
    assert own - iterators == locks | {"Thread", "Timer", "local", "current_thread"}


def test_log_records_carry_the_threads_name() -> None:
    records: list[logging.LogRecord] = []
    handler = logging.Handler()
    handler.emit = records.append  # type: ignore[method-assign]
    logger = logging.getLogger("cthreading.test")
    logger.addHandler(handler)
    try:
        run(cthreading.Thread(target=logger.error, args=("hello",), name="fetcher"))
    finally:
        logger.removeHandler(handler)
    assert [record.threadName for record in records] == ["fetcher"]


def fail() -> None:
    raise ValueError("wrong")


@pytest.mark.parametrize("setter", [threading, cthreading], ids=["threading", "cthreading"])
def test_an_excepthook_set_in_either_serves_the_threads_of_both(setter: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    seen: list[Any] = []
    monkeypatch.setattr(setter, "excepthook", seen.append)
    assert threading.excepthook is cthreading.excepthook
    threads = [run(module.Thread(target=target)) for module in (threading, cthreading) for target in (fail, ord)]
    assert [args.thread for args in seen] == threads
    assert [args.exc_type for args in seen] == [ValueError, TypeError] * 2


def tracer(*_: Any) -> None:
    """Traces nothing."""


def other(*_: Any) -> None:
    """Traces nothing either."""


@pytest.mark.parametrize("kind", ["trace", "profile"])
def test_hooks_set_in_either_serve_the_threads_of_both(kind: str) -> None:
    seen: list[Any] = []

    def look() -> None:
        seen.append(getattr(sys, "get" + kind)())

    before = getattr(threading, "get" + kind)()
    try:
        for setter, hook in ((threading, tracer), (cthreading, other)):
            getattr(setter, "set" + kind)(hook)
            run(cthreading.Thread(target=look))
            run(threading.Thread(target=look))
    finally:
        getattr(threading, "set" + kind)(before)
    assert seen == [tracer, tracer, other, other]


def test_pytest_sees_exceptions_in_our_threads(tmp_path: Path) -> None:
    case = tmp_path / "test_it.py"
    case.write_text(
        """
import cthreading

def test_it():
    thread = cthreading.Thread(target=lambda: 1 / 0, name="fetcher")
    thread.start()
    thread.join()
"""
    )
    warning = "error::pytest.PytestUnhandledThreadExceptionWarning"
    outcome = run_python(
        "import pytest, sys; sys.exit(pytest.main(sys.argv[1:]))",
        *("-p", "no:cacheprovider", "-W", warning, "--rootdir", str(tmp_path), str(case)),
    )
    assert outcome.returncode == 1, outcome
    assert "PytestUnhandledThreadExceptionWarning: Exception in thread fetcher" in outcome.out, outcome


def test_frames_and_faulthandler_show_our_threads() -> None:
    inside, go = cthreading.Event(), cthreading.Event()

    def stand_still() -> None:
        inside.set()
        go.wait(PATIENCE)

    thread = cthreading.Thread(target=stand_still)
    thread.start()
    assert inside.wait(PATIENCE)
    try:
        stack = traceback.extract_stack(sys._current_frames()[thread.ident])
        assert "stand_still" in [frame.name for frame in stack]
        with tempfile.TemporaryFile("w+") as file:
            faulthandler.dump_traceback(file, all_threads=True)
            file.seek(0)
            assert "stand_still" in file.read()
    finally:
        go.set()
        thread.join(PATIENCE)


def test_asynchronous_exceptions_reach_our_threads() -> None:
    ctypes = pytest.importorskip("ctypes")
    seen: list[str] = []
    started = cthreading.Event()

    class Stop(Exception):
        pass

    def loop() -> None:
        try:
            started.set()
            while True:
                pass
        except Stop:
            seen.append("stopped")

    thread = cthreading.Thread(target=loop, daemon=True)
    thread.start()
    assert started.wait(PATIENCE)
    assert ctypes.pythonapi.PyThreadState_SetAsyncExc(ctypes.c_ulong(thread.ident), ctypes.py_object(Stop)) == 1
    thread.join(PATIENCE)
    assert seen == ["stopped"]


@pytest.mark.parametrize("threads", ["cthreading", "threading", "both"])
def test_exit_waits_for_the_threads_of_both(threads: str) -> None:
    if sys.version_info[:3] in ((3, 12, 0), (3, 12, 1)):
        pytest.skip("there, no threads are started while the interpreter waits for threads")
    run_python(
        """
        import sys, time
        import threading, cthreading

        def late(name, child=None):
            time.sleep(0.1)
            if child is not None:
                child.Thread(target=late, args=(name,)).start()
            else:
                sys.stdout.write("end\\n")

        kinds = {"cthreading": [cthreading], "threading": [threading], "both": [threading, cthreading]}[sys.argv[1]]
        for i, kind in enumerate(kinds):
            kind.Thread(target=late, args=("one",)).start()
            kind.Thread(target=late, args=("two", kinds[i - 1])).start()
        """,
        threads,
    ).check("\n".join(["end"] * (4 if threads == "both" else 2)))


def test_exit_waits_where_nobody_else_imports_threading() -> None:
    run_python(
        """
        import sys
        import cthreading
        sys.modules.pop("threading", None)
        sys.modules["threading"] = cthreading
        import time
        cthreading.Thread(target=lambda: (time.sleep(0.1), print("end"))).start()
        """
    ).check("end")


def test_threads_may_wait_for_the_main_threads_end() -> None:
    run_python(
        """
        import sys, threading, cthreading

        def wait(main):
            main.join()
            sys.stdout.write("over\\n")

        for module in (threading, cthreading):
            for other in (threading, cthreading):
                module.Thread(target=wait, args=(other.main_thread(),)).start()
        """
    ).check("\n".join(["over"] * 4))


def test_a_thread_pool_and_a_queue_of_the_standard_library_work_in_our_threads() -> None:
    run_python(
        """
        import concurrent.futures, queue
        import cthreading

        def work():
            with concurrent.futures.ThreadPoolExecutor(2) as pool:
                results.put(sum(pool.map(abs, range(-5, 0))))

        results = queue.Queue()
        thread = cthreading.Thread(target=work)
        thread.start()
        print(results.get(timeout=30))
        thread.join()
        """
    ).check("15")


AUDITED = """
import sys
import threading, cthreading

module = {"threading": threading, "cthreading": cthreading}[sys.argv[1]]
events = []
refuse = False

def hook(event, args):
    if event.startswith("_thread.start"):
        events.append((event, args[0].__self__ is thread, args[0].__name__, args[1], type(args[2]).__name__))
        if refuse:
            raise PermissionError("no threads here")

sys.addaudithook(hook)
thread = module.Thread(target=int, daemon=True)
thread.start()
thread.join()
thread = module.Timer(0, int)
thread.start()
thread.join()
refuse = True
thread = module.Thread(target=int)
try:
    thread.start()
except PermissionError as error:
    print(error, thread.is_alive(), thread.ident, module.active_count(), repr(thread).split(",")[1])
refuse = False
thread.start()
thread.join()
print(events)
"""


@pytest.mark.skipif(sys.version_info < (3, 12), reason="from 3.12 on")
def test_audit_hooks_see_and_may_refuse_the_start_of_our_threads() -> None:
    theirs, ours = run_python(AUDITED, "threading"), run_python(AUDITED, "cthreading")
    theirs.check()
    assert "[('_thread.start_" in theirs.out
    ours.check(theirs.out.strip())


def test_py_spy_shows_our_threads_with_their_names() -> None:
    spy = shutil.which("py-spy") or shutil.which("py-spy", path=str(Path(sys.executable).parent))
    if spy is None:
        pytest.skip("there is no py-spy")
    outcome = run_python(
        """
        import os, subprocess, sys, _thread
        import threading, cthreading

        go = cthreading.Event()
        inside = cthreading.Barrier(4)

        def stand_still():
            cthreading.current_thread()
            inside.wait()
            go.wait()

        threads = [module.Thread(target=stand_still, name=module.__name__ + "'s") for module in (threading, cthreading)]
        for thread in threads:
            thread.start()
        threads[1].name = "renamed"
        _thread.start_new_thread(stand_still, ())
        inside.wait()
        spied = subprocess.run([sys.argv[1], "dump", "--pid", str(os.getpid())], capture_output=True, text=True)
        go.set()
        print(spied.stdout or spied.stderr)
        """,
        spy,
    )
    if "stand_still (" not in outcome.out:
        pytest.skip(f"py-spy cannot look into this process: {outcome.out} {outcome.err}")
    assert outcome.out.count("stand_still (") == 3, outcome
    for name in ("MainThread", "threading's", "renamed", "Dummy-"):
        assert f'"{name}' in outcome.out, outcome


@pytest.mark.skipif(not hasattr(threading, "settrace_all_threads"), reason="from 3.12 on")
@pytest.mark.parametrize("kind", ["trace", "profile"])
def test_hooks_for_all_threads_set_through_threading_reach_our_running_threads(kind: str) -> None:
    if getattr(threading, "get" + kind)() is not None:
        pytest.skip("something traces the tests")
    run_python(
        """
        import sys, threading, cthreading

        def hook(*_):
            pass

        inside, go, seen = cthreading.Event(), cthreading.Event(), []

        def look():
            inside.set()
            go.wait()
            seen.append(getattr(sys, "get" + sys.argv[1])() is hook)

        for module in (threading, cthreading):
            for starter in (threading, cthreading):
                inside, go = cthreading.Event(), cthreading.Event()
                thread = starter.Thread(target=look)
                thread.start()
                inside.wait()
                getattr(module, "set" + sys.argv[1] + "_all_threads")(hook)
                go.set()
                thread.join()
                getattr(module, "set" + sys.argv[1] + "_all_threads")(None)
        print(seen)
        """,
        kind,
    ).check("[True, True, True, True]")


def test_a_tracer_set_through_threading_sees_the_lines_of_our_threads() -> None:
    """As coverage and debuggers do: line by line, with a function that returns itself."""
    run_python(
        """
        import sys, threading, cthreading

        lines = []

        def tracer(frame, event, arg):
            if event == "line" and frame.f_code.co_name == "work":
                lines.append(frame.f_lineno - frame.f_code.co_firstlineno)
            return tracer

        def work():
            first = 1
            return first

        class Derived(cthreading.Thread):
            def run(self):
                work()

        threading.settrace(tracer)
        for thread in (cthreading.Thread(target=work), Derived(), cthreading.Timer(0, work)):
            thread.start()
            thread.join()
        print(lines)
        """
    ).check("[1, 2, 1, 2, 1, 2]")


@pytest.mark.parametrize("name", ["__init__", "start", "run"])
def test_code_that_patches_thread_works(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """As agents do that hand a context over to new threads: the patch is in the class and calls the original."""
    calls: list[str] = []
    original = getattr(cthreading.Thread, name)

    def patched(self: Any, *args: Any, **kwargs: Any) -> Any:
        calls.append(type(self).__name__)
        return original(self, *args, **kwargs)

    class Derived(cthreading.Thread):
        def __init__(self) -> None:
            super().__init__(name="derived")

        def run(self) -> None:
            super().run()

    monkeypatch.setattr(cthreading.Thread, name, patched)
    seen: list[int] = []
    run(cthreading.Thread(target=seen.append, args=(1,)))
    run(Derived())
    timer = cthreading.Timer(0, seen.append, [2])
    run(timer)
    assert seen == [1, 2]
    # A Timer has a run of its own, which does not call that of Thread.
    assert calls == (["Thread", "Derived"] if name == "run" else ["Thread", "Derived", "Timer"])
    monkeypatch.undo()
    run(cthreading.Thread())
    assert len(calls) in (2, 3)


def test_conditions_take_the_locks_of_both_and_foreign_ones() -> None:
    """test_condition.py has them all: here that both sides can be in one wait."""
    for lock in (cthreading.Lock(), cthreading.RLock(), threading.Lock(), threading.RLock()):
        condition = cthreading.Condition(lock)
        state: list[int] = []

        def produce(condition: Any = condition, state: list[int] = state) -> None:
            with condition:
                state.append(1)
                condition.notify()

        with condition:
            thread = cthreading.Thread(target=produce)
            thread.start()
            assert condition.wait_for(lambda state=state: state, PATIENCE)
        thread.join(PATIENCE)
