"""install() and uninstall(): cthreading in the place of threading. Each case in a process of its own."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
from helpers import child_environment, run_python

import cthreading


def test_this_process_is_not_installed() -> None:
    assert cthreading.installed() is False
    cthreading.uninstall()
    assert cthreading.installed() is False


def test_import_gives_cthreading_until_uninstalled() -> None:
    run_python(
        """
        import sys, threading as theirs
        import cthreading
        for _ in range(2):
            for _ in range(2):
                cthreading.install()
                import threading
                assert threading is cthreading is sys.modules["threading"]
                assert cthreading.installed()
            for _ in range(2):
                cthreading.uninstall()
                import threading
                assert threading is theirs is sys.modules["threading"]
                assert not cthreading.installed()
        """
    ).check()


def test_a_threading_that_was_imported_before_is_cthreading() -> None:
    run_python(
        """
        import threading, types
        import cthreading
        before = dict(vars(threading))
        cthreading.install()
        assert isinstance(threading, types.ModuleType)
        for name in {*dir(cthreading)} - {"__dict__"}:
            assert getattr(threading, name) is getattr(cthreading, name), name
        assert set(dir(threading)) >= set(cthreading.__all__)
        assert vars(threading) is vars(cthreading)
        assert threading.main_thread() is cthreading.main_thread() is threading.current_thread()
        assert isinstance(threading.main_thread(), threading._MainThread)
        assert not hasattr(threading, "no_such_name")
        cthreading.uninstall()
        assert dict(vars(threading)) == before
        assert type(threading) is types.ModuleType
        assert threading.main_thread() is cthreading.main_thread()
        """
    ).check()


def test_what_is_set_in_one_is_seen_in_the_other() -> None:
    run_python(
        """
        import threading
        from unittest import mock
        import cthreading
        cthreading.install()
        import threading as now
        for place in (threading, now):
            with mock.patch.object(place, "Thread", "patched"):
                assert threading.Thread == now.Thread == cthreading.Thread == "patched"
            assert threading.Thread is now.Thread is cthreading._core.Thread
            place.something = 1
            assert threading.something == now.something == 1
            del place.something
            assert not hasattr(threading, "something")
            assert not hasattr(now, "something")
        """
    ).check()


def test_names_that_the_standard_library_took_are_replaced_and_put_back() -> None:
    run_python(
        """
        import sys, threading
        import _threading_local, multiprocessing.dummy, unittest.mock, functools, tempfile, _thread
        import cthreading

        theirs = {name: getattr(threading, name) for name in threading.__all__}
        modules = {name: dict(vars(module)) for name, module in sys.modules.items() if name in sys.stdlib_module_names}
        cthreading.install()
        dummy = multiprocessing.dummy
        for name in ("Lock", "RLock", "Semaphore", "BoundedSemaphore", "Event", "Condition", "Barrier"):
            assert getattr(dummy, name) is getattr(cthreading, name), name
        assert unittest.mock.RLock is cthreading.RLock
        assert _threading_local.current_thread is cthreading.current_thread
        assert functools.RLock is cthreading.RLock
        assert _thread.RLock is not cthreading.RLock
        left = [
            (name, key)
            for name, names in modules.items() if name not in ("threading", "_thread")
            for key, value in vars(sys.modules[name]).items()
            for public, object in theirs.items()
            if value is object is not getattr(cthreading, public)
        ]
        assert left == [], left
        cthreading.uninstall()
        for name, names in modules.items():
            if name != "sys":
                now = vars(sys.modules[name])
                assert {key for key in names if now.get(key) is not names[key]} == set(), name
        """
    ).check()


def test_names_that_others_changed_meanwhile_stay() -> None:
    run_python(
        """
        import sys, unittest.mock, _threading_local
        import cthreading
        cthreading.install()
        unittest.mock.RLock = "changed"
        del _threading_local.current_thread
        sys.modules["threading"] = "changed too"
        cthreading.uninstall()
        assert unittest.mock.RLock == "changed"
        assert not hasattr(_threading_local, "current_thread")
        assert sys.modules["threading"] == "changed too"
        assert not cthreading.installed()
        import threading
        sys.modules["threading"] = cthreading._threading
        """
    ).check()


def test_names_of_other_modules_are_left_alone(tmp_path: Path) -> None:
    (tmp_path / "taker.py").write_text("from threading import Lock, Thread\nimport threading\n")
    run_python(
        """
        import sys
        sys.path.insert(0, sys.argv[1])
        import taker, cthreading
        from threading import Event
        before = taker.Lock, taker.Thread, Event
        cthreading.install()
        assert (taker.Lock, taker.Thread, Event) == before
        assert taker.threading.Lock is cthreading.Lock
        seen = []
        def work():
            seen.append((taker.threading.current_thread(), taker.threading.enumerate()))
        thread = taker.Thread(target=work)
        thread.start()
        thread.join()
        assert seen[0][0] is thread and thread in seen[0][1]
        """,
        str(tmp_path),
    ).check()


def test_classes_derived_before_still_work() -> None:
    run_python(
        """
        import sys, threading
        class Worker(threading.Thread):
            def run(self):
                local.value = 1
                seen.append(threading.current_thread())
        class Local(threading.local):
            pass
        class Gate(threading.Event):
            pass
        gate, local, seen, early = Gate(), Local(), [], threading.Lock()
        import cthreading
        cthreading.install()
        worker = Worker(name="worker")
        worker.start()
        worker.join()
        assert seen == [worker] and not worker.is_alive()
        assert not hasattr(local, "value")
        timer = threading.Timer(0.01, gate.set)
        timer.start()
        assert gate.wait(30) and Gate().wait(0) is False
        assert threading.Condition(early).acquire()
        Worker(name="at exit", daemon=False).start()
        """
    ).check()


def test_hooks_that_were_set_before_still_are() -> None:
    run_python(
        """
        import sys, threading
        hook = lambda args: print("hook", args.exc_type.__name__)
        tracer = lambda *args: None
        threading.excepthook = hook
        threading.settrace(tracer)
        import cthreading
        cthreading.install()
        import threading as now
        assert now.excepthook is threading.excepthook is hook
        assert now.gettrace() is tracer
        seen = []
        thread = now.Thread(target=lambda: (seen.append(sys.gettrace()), 1 / 0))
        thread.start()
        thread.join()
        assert seen == [tracer], seen
        cthreading.uninstall()
        assert threading.excepthook is hook
        assert cthreading.excepthook is hook
        """
    ).check("hook ZeroDivisionError")


def test_exit_waits_for_threads_and_calls_what_was_registered() -> None:
    for again in ("", "cthreading.uninstall()"):
        run_python(
            f"""
            import threading, time
            import concurrent.futures
            import cthreading
            cthreading.install()
            threading._register_atexit(print, "registered")
            def late():
                threading.main_thread().join()
                print("late")
            threading.Thread(target=late).start()
            pool = concurrent.futures.ThreadPoolExecutor(1)
            pool.submit(time.sleep, 0.05).add_done_callback(lambda future: print("done"))
            pool.shutdown()
            {again}
            """
        ).check("done\nregistered\nlate")


def test_from_another_thread_and_from_many_at_once() -> None:
    run_python(
        """
        import _thread, threading, time
        import cthreading
        main, count = threading.main_thread(), 16
        go = threading.Barrier(count)
        def work():
            go.wait()
            cthreading.install()
            assert cthreading.installed()
            import threading as now
            assert now is cthreading
        threads = [threading.Thread(target=work) for _ in range(count)]
        for thread in threads: thread.start()
        for thread in threads: thread.join()
        assert threading.main_thread() is threading.current_thread() is cthreading.main_thread()
        assert main.is_alive() and main.ident == threading.main_thread().ident
        cthreading.uninstall()
        assert threading.main_thread() is threading.current_thread() is main
        """
    ).check()


def test_a_fork_while_installed() -> None:
    outcome = run_python(
        """
        import os, sys, threading
        import cthreading
        cthreading.install()
        pid = os.fork()
        if not pid:
            assert threading.current_thread() is threading.main_thread()
            thread = threading.Thread(target=print, args=("child",))
            thread.start()
            thread.join()
            cthreading.uninstall()
            import threading as now
            assert now is not cthreading
            sys.stdout.flush()
            os._exit(7 if now.current_thread() is now.main_thread() else 1)
        assert os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == 7
        """
    )
    assert (outcome.returncode, outcome.out) == (0, "child\n"), outcome


def test_reloading() -> None:
    run_python(
        """
        import importlib, sys, threading
        import cthreading
        cthreading.install()
        importlib.reload(cthreading)
        assert cthreading.installed() and sys.modules["threading"] is cthreading
        assert cthreading.Lock().acquire()
        assert threading._active is cthreading._active
        try:
            cthreading.no_such_name
        except AttributeError:
            pass
        cthreading.uninstall()
        assert sys.modules["threading"] is threading
        assert type(threading.Lock()) is not cthreading.Lock
        importlib.reload(cthreading)
        """
    ).check()


def test_names_and_finding() -> None:
    run_python(
        """
        import importlib, importlib.util, pickle, sys, threading
        import cthreading
        old = pickle.dumps(threading.Event)
        cthreading.install()
        assert importlib.import_module("threading") is cthreading
        assert importlib.util.find_spec("threading") is not None
        assert pickle.loads(old) is cthreading.Event
        assert pickle.loads(pickle.dumps(threading.Event)) is cthreading.Event
        exec("from threading import *", names := {})
        assert names["Lock"] is cthreading.Lock
        assert "_thread" in sys.modules and sys.modules["_thread"].allocate_lock is not cthreading.Lock
        """
    ).check()


def test_lazy_modules_of_the_standard_library_are_not_loaded() -> None:
    run_python(
        """
        import importlib.util, sys
        spec = importlib.util.find_spec("colorsys")
        loader = importlib.util.LazyLoader(spec.loader)
        spec.loader = loader
        module = importlib.util.module_from_spec(spec)
        sys.modules["colorsys"] = module
        loader.exec_module(module)
        import cthreading
        cthreading.install()
        assert type(module).__name__ == "_LazyModule", type(module)
        assert module.rgb_to_hsv and type(module).__name__ == "module"
        """
    ).check()


def test_in_a_subinterpreter() -> None:
    run_python(
        """
        try:
            import _interpreters
        except ImportError:
            import _xxsubinterpreters as _interpreters
        import threading, cthreading
        inside = _interpreters.create("legacy") if hasattr(_interpreters, "new_config") else _interpreters.create()
        code = '''if True:
            import sys, threading, cthreading
            assert not cthreading.installed()
            cthreading.install()
            assert sys.modules["threading"] is cthreading
            assert threading.Lock is cthreading.Lock
            print("inside")
        '''
        failed = _interpreters.run_string(inside, code)
        assert not failed, failed
        assert not cthreading.installed()
        _interpreters.destroy(inside)
        """
    ).check("inside")


PROGRAM = """
import concurrent.futures, multiprocessing, queue, sys, threading
AT_IMPORT = threading.__name__, threading.Thread.__module__
class Given:
    pass
def look(given=None):
    return {*AT_IMPORT, threading.__name__, queue.threading.__name__, threading.Lock.__module__}
def nested():
    context = multiprocessing.get_context()
    with context.Pool(1) as pool:
        return pool.apply(look)
def main():
    method = sys.argv[1]
    context = multiprocessing.get_context(method)
    found = context.SimpleQueue()
    with concurrent.futures.ProcessPoolExecutor(1, mp_context=context) as pool:
        assert pool.submit(look, Given()).result(60) == {"cthreading"}
    with context.Pool(1) as pool:
        assert pool.apply(look, (Given(),)) == {"cthreading"}
    if method != "fork":
        multiprocessing.set_start_method(method, force=True)
        with concurrent.futures.ProcessPoolExecutor(1) as pool:
            assert pool.submit(nested).result(60) == {"cthreading"}
    print("same everywhere")
"""


@pytest.mark.parametrize("method", ["fork", "spawn", "forkserver"])
@pytest.mark.parametrize("first", ["cthreading", "multiprocessing"])
def test_processes_of_multiprocessing_are_installed(tmp_path: Path, method: str, first: str) -> None:
    script = tmp_path / "program.py"
    script.write_text(
        ("import multiprocessing.util\n" * (first == "multiprocessing"))
        + f"if __name__ == '__main__':\n    import cthreading\n    cthreading.install()\n{PROGRAM}\n"
        "if __name__ == '__main__':\n    main()\n"
    )
    done = subprocess.run(
        [sys.executable, "-W", "ignore", str(script), method],
        capture_output=True,
        text=True,
        timeout=100,
        env=child_environment(),
        check=False,
    )
    assert (done.returncode, done.stdout) == (0, "same everywhere\n"), done.stderr


def test_processes_started_after_uninstalling_are_plain(tmp_path: Path) -> None:
    script = tmp_path / "program.py"
    script.write_text(
        """
import multiprocessing, threading
def look():
    return threading.__name__
if __name__ == "__main__":
    import cthreading
    cthreading.install()
    cthreading.uninstall()
    with multiprocessing.get_context("spawn").Pool(1) as pool:
        print(pool.apply(look))
    cthreading.install()
    with multiprocessing.get_context("spawn").Pool(1) as pool:
        print(pool.apply(look))
    cthreading.uninstall()
    with multiprocessing.get_context("spawn").Pool(1) as pool:
        print(pool.apply(look))
"""
    )
    run_python(f"import sys, subprocess; subprocess.run([sys.executable, {str(script)!r}])").check(
        "threading\ncthreading\nthreading"
    )


def test_other_processes_are_plain() -> None:
    run_python(
        """
        import subprocess, sys
        import cthreading
        cthreading.install()
        code = "import threading; print(threading.__name__)"
        print(subprocess.run([sys.executable, "-c", code], capture_output=True, text=True).stdout.strip())
        """
    ).check("threading")


PICKLES = """
import base64, pickle, sys, threading as early
import cthreading
if sys.argv[1] == "installed":
    cthreading.install()
    import threading
    assert pickle.loads(pickle.dumps(early)) is cthreading
else:
    threading = cthreading
given = (threading, threading.RLock, threading.Lock, threading.Event, threading.Condition, threading.Thread)
for protocol in range(pickle.HIGHEST_PROTOCOL + 1):
    for found, expected in zip(pickle.loads(pickle.dumps(given, protocol)), given, strict=True):
        assert found is expected, (found, expected)
print(base64.b64encode(pickle.dumps(given)).decode())
"""


@pytest.mark.parametrize("how", ["installed", "plain"])
def test_the_module_and_its_types_can_be_pickled(how: str) -> None:
    pickled = run_python(PICKLES, how)
    assert pickled.returncode == 0, pickled
    run_python(
        """
        import base64, pickle, sys
        module, *types = pickle.loads(base64.b64decode(sys.argv[1]))
        assert types == [module.RLock, module.Lock, module.Event, module.Condition, module.Thread]
        print(module.__name__)
        """,
        pickled.out.strip(),
    ).check("cthreading")


MANAGED = """
import multiprocessing, sys
def main():
    with multiprocessing.get_context(sys.argv[1]).Manager() as manager:
        event, queue, values = manager.Event(), manager.Queue(), manager.dict()
        with manager.RLock() as taken, manager.Lock(), manager.Semaphore(1), manager.BoundedSemaphore(1):
            values["taken"] = taken
        condition = manager.Condition()
        with condition:
            condition.notify_all()
        event.set()
        queue.put(event.wait(60))
        print(values["taken"], queue.get(), manager.Barrier(1).wait(60))
if __name__ == "__main__":
    if len(sys.argv) == 3:
        import cthreading
        cthreading.install()
    main()
"""


@pytest.mark.parametrize("method", ["fork", "spawn", "forkserver"])
@pytest.mark.parametrize("how", [[], ["installed"]], ids=["plain", "installed"])
def test_managers_of_multiprocessing(tmp_path: Path, method: str, how: list[str]) -> None:
    script = tmp_path / "program.py"
    script.write_text(MANAGED)
    done = subprocess.run(
        [sys.executable, "-W", "ignore", str(script), method, *how],
        capture_output=True,
        text=True,
        timeout=100,
        env=child_environment(),
        check=False,
    )
    assert (done.returncode, done.stdout) == (0, "True True 0\n"), done.stderr


# What gevent does, as far as it matters here.
GREENERY = """
class Lock:
    pass
def allocate_lock():
    raise NotImplementedError
def patch_thread(threading=True):
    if not threading:
        return
    import sys
    module = __import__("threading")
    module._allocate_lock = allocate_lock
    module.Lock = Lock
def monkey_patch(**on):
    if on.get("os"):
        return
    patch_thread()
"""


@pytest.fixture
def greenery(tmp_path: Path) -> str:
    """A folder with modules that have the names of gevent's and eventlet's."""
    for name, module in (("gevent", "monkey"), ("eventlet", "patcher")):
        (tmp_path / name).mkdir()
        (tmp_path / name / f"{module}.py").write_text(GREENERY)
    (tmp_path / "gevent/__init__.py").touch()
    (tmp_path / "eventlet/__init__.py").write_text("from eventlet.patcher import monkey_patch")
    return str(tmp_path)


def test_install_refuses_where_greenlets_are_in_the_place_of_threads(greenery: str) -> None:
    run_python(
        """
        import sys
        sys.path.insert(0, sys.argv[1])
        import gevent.monkey, threading
        gevent.monkey.patch_thread()
        import cthreading
        before = dict(vars(threading))
        try:
            cthreading.install()
        except RuntimeError as error:
            print(error)
        assert not cthreading.installed() and sys.modules["threading"] is threading
        assert dict(vars(threading)) == before
        """,
        greenery,
    ).check(
        "cthreading cannot be installed: gevent has put greenlets in the place of threads, and a lock of cthreading "
        "makes the operating system's thread wait, with all greenlets in it"
    )


@pytest.mark.parametrize("first", ["before", "after"])
@pytest.mark.parametrize("package", ["gevent", "eventlet"])
def test_what_is_installed_gives_way_to_greenlets(greenery: str, package: str, first: str) -> None:
    run_python(
        """
        import sys
        sys.path.insert(0, sys.argv[1])
        import threading as early, unittest.mock
        package, first = sys.argv[2:]
        if first == "before":
            __import__(package + (".monkey" if package == "gevent" else ""))
        import cthreading
        cthreading.install()
        import threading
        assert threading is cthreading
        lock = threading.Lock()
        if package == "gevent":
            from gevent.monkey import patch_thread, Lock
            patch_thread()
        else:
            from eventlet import monkey_patch
            from eventlet.patcher import Lock
            monkey_patch()
        assert not cthreading.installed()
        import threading as late
        assert late is early
        # Who took cthreading for threading gets the same as everybody else, and gives the same to everybody.
        for place in (threading, early, cthreading):
            assert place.Lock is Lock and place.Thread is vars(early)["Thread"]
            assert unittest.mock.RLock is vars(early)["RLock"]
            place.something = 1
            assert early.something == threading.something == 1
            del place.something
            assert not hasattr(early, "something")
        assert "Lock" in dir(threading) and vars(threading) is vars(early)
        # What was made before stays what it was.
        with lock:
            assert not lock.acquire(False)
        import cthreading.aio
        assert cthreading.aio.Barrier and not hasattr(early, "aio")
        try:
            cthreading.install()
        except RuntimeError as error:
            assert package in str(error)
        else:
            raise AssertionError
        """,
        greenery,
        package,
        first,
    ).check()


@pytest.mark.parametrize("call", ["gevent.monkey.patch_thread(False)", "eventlet.monkey_patch(os=True)"])
def test_what_is_installed_stays_where_threads_are_not_replaced(greenery: str, call: str) -> None:
    code = f"""
        import sys
        sys.path.insert(0, sys.argv[1])
        import cthreading
        cthreading.install()
        import gevent.monkey, eventlet
        for module, name in (gevent.monkey, "patch_thread"), (eventlet.patcher, "monkey_patch"):
            assert getattr(module, name).__name__ == name
        {call}
        assert cthreading.installed()
        patched = gevent.monkey.patch_thread
        cthreading.uninstall()
        assert patched.__wrapped__ is gevent.monkey.patch_thread
        """
    run_python(code, greenery).check()


def test_queues_are_put_in_place_and_taken_back() -> None:
    run_python(
        """
        import concurrent.futures.thread as pools, queue
        import cthreading
        before = {name: getattr(queue, name) for name in queue.__all__}
        kept = queue.Queue()
        for _ in range(2):
            cthreading.install()
            cthreading.install()
            import cthreading.queue as ours
            for name, value in before.items():
                assert getattr(queue, name) is getattr(ours, name), name
            assert queue.Empty is before["Empty"]
            assert type(pools.ThreadPoolExecutor(1)._work_queue) is ours.SimpleQueue
            assert type(kept) is before["Queue"]
            cthreading.uninstall()
            assert {name: getattr(queue, name) for name in queue.__all__} == before
        """
    ).check()


def test_a_queue_that_is_imported_later_is_ours_too() -> None:
    run_python(
        """
        import sys
        import cthreading
        cthreading.install()
        assert "queue" not in sys.modules
        import queue
        import logging.handlers, multiprocessing.dummy
        ours = cthreading.queue
        assert queue.Queue is ours.Queue
        assert multiprocessing.dummy.Queue is ours.Queue
        listener = logging.handlers.QueueListener(queue.Queue())
        listener.start()
        listener.stop()
        """
    ).check()


def test_queue_is_left_alone_if_wanted() -> None:
    run_python(
        """
        import queue
        import cthreading
        theirs = queue.Queue
        cthreading.install(queue=False)
        cthreading.install(queue=False)
        assert queue.Queue is theirs
        assert type(queue.Queue().mutex) is cthreading.Lock
        cthreading.install()
        assert queue.Queue is cthreading.queue.Queue
        cthreading.install(queue=False)
        assert queue.Queue is cthreading.queue.Queue
        cthreading.uninstall()
        assert queue.Queue is theirs
        """
    ).check()


@pytest.mark.parametrize("option", ["", "queue=False"])
def test_processes_of_multiprocessing_have_the_same_queues(tmp_path: Path, option: str) -> None:
    script = tmp_path / "main.py"
    script.write_text(
        f"""
import multiprocessing, sys
import cthreading

def kind():
    import queue
    return queue.Queue.__module__

if __name__ == "__main__":
    cthreading.install({option})
    with multiprocessing.get_context("spawn").Pool(1) as pool:
        print(pool.apply(kind))
""",
        encoding="utf-8",
    )
    done = subprocess.run(
        [sys.executable, str(script)], capture_output=True, text=True, env=child_environment(), timeout=60, check=False
    )
    assert done.stdout.strip() == ("queue" if option else "cthreading.queue"), done.stderr


def test_what_stands_on_queues_works() -> None:
    run_python(
        """
        import cthreading
        cthreading.install()
        import asyncio, concurrent.futures, logging, logging.handlers, multiprocessing.dummy, queue
        with concurrent.futures.ThreadPoolExecutor(3) as pool:
            assert list(pool.map(abs, range(-50, 0))) == list(range(50, 0, -1))
        assert asyncio.run(asyncio.to_thread(abs, -1)) == 1
        with multiprocessing.dummy.Pool(3) as pool:
            assert pool.map(abs, [-1, -2, -3]) == [1, 2, 3]
        records = queue.SimpleQueue()
        logging.getLogger().addHandler(logging.handlers.QueueHandler(records))
        logging.warning("written")
        assert records.get(timeout=5).getMessage() == "written"
        """
    ).check()
