"""Thread where it does not wait: what it is made of, and what is seen of it while it comes up."""

from __future__ import annotations

import os
import sys
import threading
import types
from types import FrameType, ModuleType
from typing import Any

import pytest
from behaviour import only_ours
from helpers import PATIENCE, join_all, run_python, wait_until

import cthreading

WITH_HANDLE = sys.version_info >= (3, 13)


def names_of(frame: FrameType | None) -> list[str]:
    names = []
    while frame is not None:
        names.append(frame.f_code.co_name)
        frame = frame.f_back
    return names


def life_of(module: ModuleType, make: Any) -> list[tuple[list[str], list[str]]]:
    """The names of a thread's attributes, and the types of their values, as it is made, runs and has ended."""

    def look() -> tuple[list[str], list[str]]:
        return list(vars(thread)), [type(value).__name__ for value in vars(thread).values()]

    go, running = module.Event(), module.Event()
    thread = make(module, lambda: (running.set(), go.wait()))
    life = [look()]
    thread.start()
    assert running.wait(PATIENCE)
    life.append(look())
    go.set()
    join_all([thread])
    return [*life, look()]


@pytest.mark.parametrize(
    "make",
    [
        lambda module, target: module.Thread(target=target),
        lambda module, target: module.Thread(None, target, "name", (), {}, daemon=True),
        lambda module, target: module.Timer(0, target),
        lambda module, target: type("Derived", (module.Thread,), {"run": lambda self: target()})(),
    ],
    ids=["Thread", "all arguments", "Timer", "derived"],
)
def test_a_thread_is_made_of_what_the_standard_librarys_is(make: Any) -> None:
    assert life_of(cthreading, make) == life_of(threading, make)


def test_nothing_is_kept_but_in_the_instance() -> None:
    for name in ("Thread", "Timer", "_MainThread", "_DummyThread"):
        ours, theirs = getattr(cthreading, name), getattr(threading, name)
        assert issubclass(ours, theirs)
        assert issubclass(ours, cthreading.Thread)
        assert ours.__basicsize__ == theirs.__basicsize__
        assert ours.run is theirs.run


@only_ours
def test_start_does_not_wait_for_the_thread_to_run(module: ModuleType) -> None:
    """Until the main thread lets go of the interpreter nothing else can run: that is when it asks for the ident."""
    run_python(
        """
        import sys, time
        import cthreading
        sys.setswitchinterval(100)
        began = []
        def work():
            began.append(1)
            go.wait()
        go = cthreading.Event()
        thread = cthreading.Thread(target=work)
        thread.start()
        seen = (len(began), thread.is_alive(), thread._ident is not None, thread in cthreading.enumerate())
        ident, native_id = thread.ident, thread.native_id
        assert sys._current_frames()[ident] is not None
        go.set()
        thread.join()
        free_threaded = not getattr(sys, "_is_gil_enabled", lambda: True)()
        assert seen[1:] == (True, True, True)
        assert seen[0] == 0 or free_threaded
        assert began == [1] and (ident, native_id) == (thread.ident, thread.native_id) and native_id
        print("right")
        """
    ).check("right")


def test_a_thread_is_listed_once_while_it_comes_up(module: ModuleType) -> None:
    for _ in range(200):
        go = module.Event()
        thread = module.Thread(target=go.wait)
        thread.start()
        listed = [module.enumerate().count(thread) for _ in range(20)]
        # For the moment in which it enters itself it is elsewhere.
        wait_until(lambda thread=thread: thread in module._active.values())
        go.set()
        thread.join()
        assert listed == [1] * 20


def test_who_waits_for_the_ident_with_the_registrys_lock_held_goes_on() -> None:
    """The thread needs that lock to come up."""
    run_python(
        """
        import cthreading
        go = cthreading.Event()
        thread = cthreading.Thread(target=go.wait)
        with cthreading._active_limbo_lock:
            thread.start()
            assert thread.ident
        while thread.ident not in cthreading._active:
            assert thread.is_alive()
        go.set()
        thread.join()
        print("right")
        """
    ).check("right")


def test_a_handler_that_raises_while_the_registrys_lock_is_waited_for_is_heard_and_the_thread_runs() -> None:
    run_python(
        """
        import os, signal, threading
        import cthreading
        class Interrupted(Exception):
            pass
        raised = []
        def handler(*_):
            if not raised:
                raised.append(1)
                raise Interrupted
        signal.signal(signal.SIGUSR1, handler)
        held, free, ran = (cthreading.Event() for _ in range(3))
        def hold():
            with cthreading._active_limbo_lock:
                held.set()
                thread._started.wait()
                # Again and again: the first may come before it waits for the lock.
                while not free.wait(0.01):
                    os.kill(os.getpid(), signal.SIGUSR1)
        thread = cthreading.Thread(target=ran.set)
        holder = threading.Thread(target=hold)
        holder.start()
        held.wait()
        try:
            thread.start()
        except Interrupted:
            free.set()
        else:
            free.set()
            raise AssertionError
        thread.join()
        holder.join()
        assert ran.is_set() and not thread.is_alive() and thread not in cthreading.enumerate()
        print("right")
        """
    ).check("right")


def work_in_python(seen: list[Any]) -> None:
    seen.append(names_of(sys._getframe().f_back))


def test_the_frames_below_a_target_are_the_standard_librarys(module: ModuleType) -> None:
    seen: list[Any] = []
    thread = module.Thread(target=work_in_python, args=(seen,))
    thread.start()
    thread.join()
    assert seen == [["run", "_bootstrap_inner", "_bootstrap"]]


def frames_below_c_code(module: ModuleType) -> list[str]:
    """What sorted(key=...) is called from, in a thread that has it as its target."""
    seen: list[list[str]] = []

    def key(_: int) -> int:
        seen.append(names_of(sys._getframe().f_back))
        return 0

    thread = module.Thread(target=sorted, args=([1],), kwargs={"key": key})
    thread.start()
    thread.join()
    return seen[0]


BELOW = ["run", "_bootstrap_inner", "_bootstrap"]


@only_ours
def test_a_target_in_c_has_no_frames_below_unless_somebody_looks(module: ModuleType) -> None:
    assert frames_below_c_code(module) == []
    assert frames_below_c_code(threading) == BELOW


@pytest.mark.parametrize("setter", ["settrace", "setprofile"])
def test_a_hook_sees_the_frames_below_a_target_in_c(module: ModuleType, setter: str) -> None:
    getattr(module, setter)(lambda *_: None)
    try:
        assert frames_below_c_code(module) == BELOW
    finally:
        getattr(module, setter)(None)


@pytest.mark.skipif(sys.version_info < (3, 12), reason="from 3.12 on")
@pytest.mark.parametrize("tool", range(6))
def test_a_tool_of_sys_monitoring_sees_the_frames_below_a_target_in_c(module: ModuleType, tool: int) -> None:
    if sys.monitoring.get_tool(tool) is not None:
        pytest.skip("the test run itself is monitored")
    sys.monitoring.use_tool_id(tool, "test")
    try:
        assert frames_below_c_code(module) == BELOW
    finally:
        sys.monitoring.free_tool_id(tool)


def test_what_a_target_in_c_raises_is_reported_with_its_frames(
    module: ModuleType, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen: list[tuple[Any, ...]] = []

    def hook(args: Any) -> None:
        frames, traceback = [], args.exc_traceback
        while traceback is not None:
            frames.append(traceback.tb_frame.f_code.co_name)
            traceback = traceback.tb_next
        seen.append((args.exc_type, str(args.exc_value), frames, args.exc_value.__context__, args.thread))

    monkeypatch.setattr(module, "excepthook", hook)
    thread = module.Thread(target=ord, args=("two",))
    thread.start()
    thread.join()
    assert [error[:2] for error in seen] == [(TypeError, "ord() expected a character, but string of length 3 found")]
    assert seen[0][2:] == (["_bootstrap_inner", "run"], None, thread)
    assert not thread.is_alive()
    assert thread not in module.enumerate()
    assert not {"_target", "_args", "_kwargs"} & set(vars(thread))


@pytest.mark.parametrize("name", ["_target", "_args", "_kwargs"])
def test_a_target_in_c_that_takes_its_thread_apart_is_reported(
    module: ModuleType, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    seen: list[tuple[Any, ...]] = []
    monkeypatch.setattr(
        module, "excepthook", lambda args: seen.append((args.exc_type, str(args.exc_value), args.thread))
    )
    thread = module.Thread(target=delattr)
    thread._args = (thread, name)
    thread.start()
    join_all([thread])
    assert [(error, name in message, whose) for error, message, whose in seen] == [(AttributeError, True, thread)]
    assert thread not in module.enumerate()


@only_ours  # up to 3.12 the new thread of the standard library's asks for `daemon`, and start() waits for the old event
@pytest.mark.parametrize("target", ["C", "Python"])
def test_an_event_that_takes_the_place_of_started_meanwhile_is_set(module: ModuleType, target: str) -> None:
    class Replaced(module.Thread):
        @property
        def daemon(self) -> bool:
            if not self.__dict__.get("replaced", True):
                self.replaced, self._started = True, threading.Event()
            return False

    ran: list[int] = []
    thread = Replaced(target=ran.append if target == "C" else lambda one: ran.append(one), args=(1,), daemon=False)
    thread.replaced = False
    thread.start()
    wait_until(thread._started.is_set)
    join_all([thread])
    assert ran == [1]


LACKING = """
import sys, threading
import cthreading

class Lacking:
    left = 0

    def lack(self, ours=cthreading.get_ident, main=cthreading.get_ident()):
        if ours() != main and Lacking.left > 0:
            Lacking.left -= 1
            raise MemoryError

class Lock(Lacking):
    def __init__(self, lock):
        self.lock = lock
    def acquire(self, *args):
        if place == "acquire":
            self.lack()
        return self.lock.acquire(*args)
    def release(self):
        self.lock.release()
    def __enter__(self):
        if place == "enter":
            self.lack()
        return self.lock.acquire()
    def __exit__(self, *args):
        self.lock.release()

class Limbo(Lacking, dict):
    def __setitem__(self, key, value):
        if place == "limbo":
            self.lack()
        super().__setitem__(key, value)

class Event(cthreading.Event):
    def set(self):
        if place == "started":
            Lacking().lack()
        super().set()

class Thread(cthreading.Thread):
    @property
    def daemon(self):
        if place == "started" and "event" not in vars(self):
            self.event = self._started = Event()
        return False

threading._active_limbo_lock = Lock(threading._active_limbo_lock)
threading._limbo = Limbo(threading._limbo)
place, target = sys.argv[1:]
ran = []
make = (cthreading.Thread, Thread)[place == "started"]
for times in range(4):
    ran.clear()
    thread = make(target=ran.append if target == "C" else lambda one: ran.append(one), args=(1,), daemon=False)
    Lacking.left = times
    thread.start()
    assert thread._started.wait(60)
    thread.join(60)
    assert not thread.is_alive() and thread not in threading.enumerate(), times
    assert (ran, Lacking.left) == ([1], 0), (times, ran, Lacking.left)
    assert not threading._limbo
print("ran")
"""


@pytest.mark.parametrize(
    ("place", "target"),
    [("acquire", "C"), ("acquire", "Python"), ("enter", "Python"), ("limbo", "Python"), ("started", "C")],
)
def test_a_thread_that_lacks_memory_before_its_target_is_tried_again(place: str, target: str) -> None:
    run_python(LACKING, place, target).check("ran")


@pytest.mark.parametrize("name", ["threading", "cthreading"])
def test_a_step_that_is_gone_from_the_class_is_missed(name: str) -> None:
    run_python(
        f"""
        import sys, threading
        import {name} as T
        reported, ran = [], []
        T.excepthook = sys.unraisablehook = lambda args: reported.append(args.exc_type.__name__)
        del threading.Thread._delete
        thread = T.Thread(target=ran.append, args=(1,), daemon=True)
        thread.start()
        thread.join(60)
        while not reported:
            pass
        assert ran == [1] and not thread.is_alive()
        print(*reported)
        threading._active = {{T.get_ident(): T.main_thread()}}
        """
    ).check("AttributeError")


def test_without_a_start_in_the_class_there_is_none(module: ModuleType, monkeypatch: pytest.MonkeyPatch) -> None:
    thread = module.Thread(target=int)
    with monkeypatch.context() as patched:
        patched.delattr(threading.Thread, "start")
        with pytest.raises(AttributeError, match="start"):
            thread.start()
        assert thread.ident is None
    thread.start()
    join_all([thread])


@pytest.mark.skipif(sys.version_info < (3, 12), reason="dicts are watched from 3.12 on")
def test_what_is_replaced_in_threading_counts_though_no_watcher_was_left() -> None:
    run_python(
        """
        import ctypes
        callback = ctypes.PYFUNCTYPE(ctypes.c_int, ctypes.c_int, *[ctypes.c_void_p] * 3)(lambda *args: 0)
        taken = 0
        try:
            while ctypes.pythonapi.PyDict_AddWatcher(callback) >= 0:
                taken += 1
        except RuntimeError:
            pass
        assert taken > 0
        import cthreading, threading
        for number in (7, 9, 11):
            threading._counter = lambda: number
            assert cthreading.Thread().name == f"Thread-{number}"
        thread = cthreading.Thread(target=int)
        thread.start()
        thread.join()
        print("counted")
        """
    ).check("counted")


@pytest.mark.parametrize("make_arguments", [lambda: [1], lambda: iter([1]), lambda: (1,), lambda: "1"])
def test_arguments_of_any_kind_reach_a_target_in_c(module: ModuleType, make_arguments: Any) -> None:
    seen: list[Any] = []
    threads = [
        module.Thread(target=seen.append, args=make_arguments()),
        module.Thread(target=seen.append, args=make_arguments(), kwargs=types.MappingProxyType({})),
    ]
    for thread in threads:
        thread.start()
    join_all(threads)
    assert [str(value) for value in seen] == ["1", "1"]


@pytest.mark.skipif(sys.version_info < (3, 14), reason="from 3.14 on")
def test_a_target_in_c_runs_in_the_threads_context(module: ModuleType) -> None:
    import contextvars

    variable: contextvars.ContextVar[int] = contextvars.ContextVar("variable", default=0)
    context = contextvars.copy_context()
    thread = module.Thread(target=variable.set, args=(7,), context=context)
    thread.start()
    thread.join()
    assert context[variable] == 7
    assert variable.get() == 0


def test_a_start_that_the_system_refuses_can_be_tried_again() -> None:
    run_python(
        """
        import cthreading
        cthreading.stack_size(1 << 40)
        thread = cthreading.Thread(target=print, args=("ran",))
        for _ in range(3):
            try:
                thread.start()
            except RuntimeError as error:
                assert str(error) == "can't start new thread", error
            else:
                raise AssertionError
            assert not cthreading._limbo and not thread.is_alive() and "initial" in repr(thread)
        cthreading.stack_size(0)
        thread.start()
        thread.join()
        """
    ).check("ran")


NO_MEMORY = """
import sys, _testcapi
import cthreading
wrong = []
for number in range(100):
    for target in (lambda number: ran.append(number), "append"):
        ran, failed = [], None
        thread = cthreading.Thread(target=ran.append if target == "append" else target, args=(1,))
        start = thread.start
        _testcapi.set_nomemory(number, number + 1)
        try:
            start()
        except (MemoryError, RuntimeError) as error:
            failed = type(error)
        finally:
            _testcapi.remove_mem_hooks()
        if failed is None:
            thread.join(30)
            if not ran:
                wrong.append((number, target, "did not run"))
        if thread in cthreading.enumerate() and not ran:
            wrong.append((number, target, "is still listed", failed))
print(wrong)
"""


def test_a_start_without_memory_fails_or_the_thread_runs() -> None:
    pytest.importorskip("_testcapi")
    run_python(NO_MEMORY, seconds=100).check("[]")


def test_a_join_that_begins_while_the_thread_comes_up_ends_with_it(module: ModuleType) -> None:
    for _ in range(100):
        done: list[int] = []
        thread = module.Thread(target=lambda done=done: done.append(1))
        thread.start()
        thread.join(PATIENCE)
        assert (done, thread.is_alive()) == ([1], False)


@pytest.mark.parametrize("daemon", [False, True])
def test_a_thread_that_has_not_run_yet_is_waited_for_at_exit_unless_it_is_a_daemon(daemon: bool) -> None:
    run_python(
        f"""
        import sys
        import cthreading
        sys.setswitchinterval(100)
        thread = cthreading.Thread(target=lambda: print("ran"), daemon={daemon})
        thread.start()
        """
    ).check(None if daemon else "ran")


@pytest.mark.skipif(not hasattr(os, "fork"), reason="no fork on this system")
def test_a_child_does_not_wait_for_threads_that_came_up_in_its_parent() -> None:
    """And a daemon that has just been started begins to run before the end, as where start() waits for that."""
    run_python(
        """
        import os, sys, time, warnings
        warnings.simplefilter("ignore")
        import cthreading
        sys.setswitchinterval(100)
        def work():
            os.write(1, b"ran\\n")
        cthreading.Thread(target=work, daemon=True).start()
        if os.fork() == 0:
            began = time.monotonic()
            import atexit
            atexit._run_exitfuncs()
            os._exit(time.monotonic() - began > 0.5)
        assert os.waitstatus_to_exitcode(os.wait()[1]) == 0
        """
    ).check("ran")


def test_threads_that_nobody_joins_leave_nothing_behind(module: ModuleType) -> None:
    """Before 3.13 there is a lock for each in a set, which is looked through from time to time."""
    for _ in range(300):
        done = module.Event()
        module.Thread(target=done.set).start()
        done.wait()
    wait_until(lambda: not [thread for thread in module.enumerate() if thread.name.endswith("(set)")])
    assert WITH_HANDLE or len(threading._shutdown_locks) < 100


@pytest.mark.skipif(sys.version_info[:2] != (3, 13), reason="only 3.13 keeps its handle under a name that others use")
@pytest.mark.parametrize("fork", [False, True])
def test_a_class_may_have_a_handle_of_its_own(fork: bool) -> None:
    run_python(
        f"""
        import os, warnings
        import cthreading
        warnings.simplefilter("ignore")
        class Worker(cthreading.Thread):
            limit = 3
            def run(self):
                self.done = self._handle(4) + self.kind
                if {fork} and os.fork() == 0:
                    assert cthreading.enumerate() == [self] and self.is_alive()
                    os._exit(0)
                if {fork}:
                    assert os.wait()[1] == 0
            def _handle(self, number):
                return number + self.limit
        Worker._handle.kind = 1
        Worker.kind = property(lambda self: self._handle.kind)
        thread = Worker()
        assert repr(thread).startswith("<Worker(Thread-1, initial")
        thread.start()
        thread.join(30)
        assert not thread.is_alive() and thread.done == 8, thread.done
        try:
            thread.start()
        except RuntimeError as error:
            print(error)
        """
    ).check("threads can only be started once")


def test_install_makes_running_threads_ours() -> None:
    run_python(
        """
        import threading, _thread
        Theirs = threading.Thread
        class Derived(Theirs):
            pass
        go, seen = threading.Event(), []
        plain, derived = Theirs(target=go.wait), Derived(target=go.wait)
        plain.start()
        derived.start()
        import cthreading
        cthreading.install()
        assert type(plain) is cthreading.Thread is threading.Thread and type(derived) is Derived
        assert isinstance(threading.main_thread(), threading.Thread)
        assert isinstance(derived, Theirs) and isinstance(plain, Theirs)
        go.set()
        plain.join()
        derived.join()
        late = Derived(target=seen.append, args=(1,))
        threading.Thread.start(late)
        threading.Thread.join(late)
        print(seen)
        """
    ).check("[1]")
