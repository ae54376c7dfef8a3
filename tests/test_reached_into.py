"""What programs and tools do to threading from outside: what they set, wrap, clear and look up there.

The real tools are tried in test_tools.py; here is what they rely on, one thing at a time, in both modules.
"""

from __future__ import annotations

import ctypes
import sys
import weakref
from types import ModuleType
from typing import Any

import pytest
from helpers import join_all, run_python, wait_until

BOTH = pytest.mark.parametrize("name", ["threading", "cthreading"])


class Noting:
    """A descriptor as memray's: put on the class under a name of an attribute, it sees each assignment."""

    def __init__(self, attribute: str, seen: list[tuple[Any, str, Any]]) -> None:
        self.attribute = attribute
        self.seen = seen

    def __set__(self, thread: Any, value: Any) -> None:
        thread.__dict__[self.attribute] = value
        self.seen.append((thread, self.attribute, value))


def test_a_descriptor_on_the_class_sees_names_and_idents(module: ModuleType, monkeypatch: pytest.MonkeyPatch) -> None:
    seen: list[tuple[Any, str, Any]] = []
    go = module.Event()
    for attribute in ("_name", "_ident"):
        monkeypatch.setattr(module.Thread, attribute, Noting(attribute, seen), raising=False)
    thread = module.Thread(target=go.wait, name="first")
    assert (thread, "_name", "first") in seen
    thread.start()
    assert (thread, "_ident", thread.ident) in seen
    thread.name = "second"
    go.set()
    thread.join()
    assert (thread, "_name", "second") in seen
    assert (thread.name, repr(thread).startswith("<Thread(second, stopped ")) == ("second", True)


STEPS = ["_bootstrap", "_bootstrap_inner", "_set_ident", "_set_native_id", "_delete", "run"]


@pytest.mark.parametrize("step", STEPS)
@pytest.mark.parametrize("where", ["class", "subclass", "instance"])
def test_a_wrapped_step_is_taken_in_the_new_thread(
    module: ModuleType, monkeypatch: pytest.MonkeyPatch, step: str, where: str
) -> None:
    class Derived(module.Thread):
        pass

    taken: list[tuple[str, int]] = []
    original = getattr(module.Thread, step)

    def wrapper(self: Any) -> Any:
        taken.append((step, module.get_ident()))
        return original(self)

    thread = (Derived if where == "subclass" else module.Thread)(target=int)
    if where == "instance":
        monkeypatch.setattr(thread, step, lambda: wrapper(thread), raising=False)
    else:
        monkeypatch.setattr(Derived if where == "subclass" else module.Thread, step, wrapper, raising=False)
    thread.start()
    ident = thread.ident
    thread.join()
    assert (step, ident) in taken
    assert module.get_ident() not in {place for _, place in taken}
    assert not thread.is_alive()
    assert thread not in module.enumerate()


@BOTH
def test_a_method_of_the_class_can_be_kept_replaced_and_put_back(name: str) -> None:
    run_python(
        f"""
        import {name} as T
        called = []
        for step in ("__init__", "start", "run", "join", "is_alive", "_bootstrap", "_bootstrap_inner", "_delete"):
            original = getattr(T.Thread, step)
            for _ in range(2):
                setattr(T.Thread, step, lambda *args, **keywords: (called.append(step), original(*args, **keywords))[1])
                for wrapped in (True, False):
                    thread = T.Thread(target=int)
                    thread.start()
                    thread.join()
                    assert not thread.is_alive()
                    assert (step in called) is wrapped, (step, wrapped)
                    called.clear()
                    setattr(T.Thread, step, original)
        print("put back")
        """
    ).check("put back")


class Stopped(Exception):
    pass


def test_an_exception_is_set_in_a_thread_right_after_its_start(module: ModuleType) -> None:
    found: list[str] = []

    def calculate() -> None:
        try:
            wait_until(lambda: False, 30)
        except Stopped:
            found.append("stopped")

    set_exception = ctypes.pythonapi.PyThreadState_SetAsyncExc
    thread = module.Thread(target=calculate)
    hook, module.excepthook = module.excepthook, lambda args: found.append(args.exc_type.__name__)
    try:
        thread.start()
        assert set_exception(ctypes.c_ulong(thread.ident), ctypes.py_object(Stopped)) == 1
        join_all([thread])
    finally:
        module.excepthook = hook
    # It may have come before the try statement.
    assert found in (["stopped"], ["Stopped"])


def test_the_registry_knows_a_thread_by_its_ident_once_it_runs(module: ModuleType) -> None:
    go, running = module.Event(), module.Event()
    thread = module.Thread(target=lambda: (running.set(), go.wait()))
    thread.start()
    assert running.wait(30)
    assert module._active[thread.ident] is thread
    assert thread.ident in sys._current_frames()
    go.set()
    thread.join()
    assert thread not in module._active.values()


DAEMONS = {
    "a class attribute": "class Saving(Waiting): daemon = True",
    "a property": "class Saving(Waiting): daemon = property(lambda self: True)",
    "a timer's class attribute": "class Late(T.Timer): daemon = True\nSaving = lambda: Late(1000, int)",
    "what a child inherits": "class Parent(Waiting): daemon = True\nSaving = lambda: Parent().having_a_child()",
}

WAITING = """
never = T.Event()
class Waiting(T.Thread):
    def run(self):
        self.child = T.Thread(target=never.wait)
        ready.set()
        never.wait()
    def having_a_child(self):
        self.start()
        ready.wait()
        return self.child
ready = T.Event()
"""


@BOTH
@pytest.mark.parametrize("daemon", DAEMONS)
def test_the_end_does_not_wait_for_what_says_that_it_is_a_daemon(name: str, daemon: str) -> None:
    run_python(
        f"import {name} as T\n{WAITING}\n{DAEMONS[daemon]}\nthread = Saving()\nthread.start()\n"
        "assert thread.daemon is True and thread.is_alive()\nprint('the end')"
    ).check("the end")


@BOTH
def test_main_thread_follows_what_is_set(name: str) -> None:
    run_python(
        f"""
        import {name} as T, threading
        def body():
            T._main_thread = T.current_thread()
            assert T.main_thread() is threading.main_thread() is T.current_thread()
            T._main_thread = main
        main = T.main_thread()
        thread = T.Thread(target=body)
        thread.start()
        thread.join()
        assert T.main_thread() is main
        print("followed")
        """
    ).check("followed")


@BOTH
def test_who_waits_for_the_main_thread_is_woken_though_the_atexit_functions_were_cleared(name: str) -> None:
    run_python(
        f"""
        import {name} as T, threading
        def wait():
            T.main_thread().join()
            print("after main")
        T.Thread(target=wait).start()
        threading._threading_atexits.clear()
        print("main")
        """
    ).check("main\nafter main")


@BOTH
@pytest.mark.skipif(sys.version_info < (3, 13), reason="what is waited for is in the module itself there")
@pytest.mark.parametrize("put_back", [False, True])
def test_threads_are_waited_for_though_threading_is_imported_afresh(name: str, put_back: bool) -> None:
    run_python(
        f"""
        import {name} as T, sys
        go = T.Event()
        def work():
            go.wait()
            print("late")
        T.Thread(target=work).start()
        old = sys.modules.pop("threading")
        import threading
        assert threading is not old
        threading.Thread(target=int).start()
        if {put_back}:
            sys.modules["threading"] = old
        threading.Timer(0.1, go.set).start()
        print("main", flush=True)
        """
    ).check("main\nlate")


@BOTH
@pytest.mark.skipif(sys.version_info < (3, 13), reason="there, the first to import it counts as the main thread")
def test_the_first_import_in_another_thread(name: str) -> None:
    run_python(
        f"""
        import _thread, sys
        if "threading" in sys.modules:
            del sys.modules["threading"]
        main, done = _thread.get_ident(), _thread.allocate_lock()
        done.acquire()
        def first():
            global T
            import {name} as T
            done.release()
        _thread.start_new_thread(first, ())
        done.acquire()
        assert T.main_thread().ident == main
        assert T.current_thread() is T.main_thread() and T.main_thread() in T.enumerate()
        assert T.current_thread().name == "MainThread" and T.main_thread().is_alive()
        T.Thread(target=lambda: (T.main_thread().join(), print("joined"))).start()
        """
    ).check("joined")


def test_a_class_made_before_install_calls_the_module_by_its_name() -> None:
    run_python(
        """
        import threading
        class Named(threading.Thread):
            def __init__(self, found):
                threading.Thread.__init__(self, daemon=True)
                self.found = found
            def run(self):
                threading.Thread.run(self)
                self.found.append(1)
            def join(self, timeout=None):
                threading.Thread.join(self, timeout)
        class Late(threading.Timer):
            def __init__(self, found):
                threading.Timer.__init__(self, 0.001, found.append, (2,))
        import cthreading
        cthreading.install()
        found = []
        for kind in (Named, Late):
            thread = kind(found)
            assert isinstance(thread, kind) and not thread.is_alive()
            thread.start()
            thread.join()
            assert thread.ident is not None and not thread.is_alive()
        print(found)
        """
    ).check("[1, 2]")


def test_a_module_of_the_standard_library_goes_on_with_what_it_set_before_install() -> None:
    run_python(
        """
        import multiprocessing.dummy as dummy, multiprocessing.pool, threading
        import cthreading
        cthreading.install()
        assert dummy.active_children() == []
        with multiprocessing.pool.ThreadPool(2) as pool:
            assert pool.map(abs, [-1, -2]) == [1, 2]
        process = dummy.Process(target=int)
        process.start()
        process.join()
        print(process.exitcode, dummy.current_process() is threading.main_thread())
        """
    ).check("0 True")


def test_a_thread_is_found_by_who_looks_for_frames(module: ModuleType) -> None:
    """As debuggers do: below what the thread runs are the steps of the standard library."""
    frames: list[str] = []

    def work() -> None:
        frame: Any = sys._getframe()
        while frame is not None:
            frames.append(frame.f_code.co_name)
            frame = frame.f_back

    thread = module.Thread(target=work)
    thread.start()
    thread.join()
    assert frames == ["work", "run", "_bootstrap_inner", "_bootstrap"]


def test_an_ended_thread_is_freed_with_what_was_set_on_it(module: ModuleType) -> None:
    thread = module.Thread(target=int)
    thread.extra = thread_extra = type("Extra", (), {})()
    gone = weakref.ref(thread_extra)
    del thread_extra
    thread.start()
    thread.join()
    del thread
    wait_until(lambda: gone() is None)
