"""Thread: making, starting, running, joining, and what subclasses and patches of it can rely on."""

from __future__ import annotations

import _thread
import copy
import gc
import os
import pickle
import signal
import sys
import threading
import time
import warnings
import weakref
from types import MappingProxyType, ModuleType
from typing import Any

import pytest
from helpers import PATIENCE, join_all, run_python, wait_until

import cthreading


def test_target_gets_its_arguments(module: ModuleType) -> None:
    seen: list[Any] = []
    thread = module.Thread(target=lambda *args, **kwargs: seen.append((args, kwargs)), args=(1, 2), kwargs={"three": 3})
    thread.start()
    thread.join(PATIENCE)
    assert seen == [((1, 2), {"three": 3})]


def test_args_may_be_a_list_and_kwargs_any_mapping(module: ModuleType) -> None:
    from types import MappingProxyType

    seen: list[Any] = []
    thread = module.Thread(target=lambda a, b: seen.append((a, b)), args=[1], kwargs=MappingProxyType({"b": 2}))
    thread.start()
    thread.join(PATIENCE)
    assert seen == [(1, 2)]


def test_start_knows_everything_about_the_thread_when_it_returns(module: ModuleType) -> None:
    go = module.Event()
    thread = module.Thread(target=go.wait)
    assert (thread.ident, thread.native_id, thread.is_alive()) == (None, None, False)
    thread.start()
    try:
        assert thread.is_alive()
        assert thread.ident not in (None, 0, module.get_ident())
        assert thread.native_id not in (None, 0, module.get_native_id())
        assert thread in module.enumerate()
        assert os.path.exists(f"/proc/self/task/{thread.native_id}") or not os.path.exists("/proc/self/task")
    finally:
        go.set()
        thread.join(PATIENCE)
    assert not thread.is_alive()
    assert thread not in module.enumerate()
    assert thread.ident is not None


def test_the_thread_sees_itself_in_the_registry_with_its_ident(module: ModuleType) -> None:
    seen: list[Any] = []

    def work() -> None:
        current = module.current_thread()
        seen.extend((current, current.ident == module.get_ident(), current.native_id == module.get_native_id()))
        seen.extend((current.is_alive(), current in module.enumerate()))

    for _ in range(50):
        seen.clear()
        thread = module.Thread(target=work)
        thread.start()
        thread.join(PATIENCE)
        assert seen == [thread, True, True, True, True]


def named() -> None:
    """A target with a name."""


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        ({"name": "fetch"}, "fetch"),
        ({"name": 5}, "5"),
        ({"name": "x", "target": named}, "x"),
    ],
)
def test_name_given(module: ModuleType, given: dict[str, Any], expected: str) -> None:
    assert module.Thread(**given).name == expected


@pytest.mark.parametrize("given", [{}, {"name": ""}, {"name": None}, {"target": object()}])
def test_default_name_is_numbered(module: ModuleType, given: dict[str, Any]) -> None:
    first, second = (module.Thread(**given).name for _ in range(2))
    assert first.startswith("Thread-")
    assert first.removeprefix("Thread-").isdigit()
    assert int(second.removeprefix("Thread-")) == int(first.removeprefix("Thread-")) + 1


def test_default_name_tells_the_target(module: ModuleType) -> None:
    assert module.Thread(target=named).name.endswith(" (named)")


def test_name_can_be_changed_and_becomes_a_string(module: ModuleType) -> None:
    thread = module.Thread()
    thread.name = 7
    assert thread.name == "7"
    with pytest.raises(AttributeError):
        del thread.name


def test_repr_in_every_state(module: ModuleType) -> None:
    go = module.Event()
    thread = module.Thread(target=go.wait, name="fetch")
    assert repr(thread) == "<Thread(fetch, initial)>"
    thread.daemon = True
    assert repr(thread) == "<Thread(fetch, initial daemon)>"
    thread.start()
    assert repr(thread) == f"<Thread(fetch, started daemon {thread.ident})>"
    go.set()
    thread.join(PATIENCE)
    assert repr(thread) == f"<Thread(fetch, stopped daemon {thread.ident})>"


def test_group_must_be_none(module: ModuleType) -> None:
    with pytest.raises(AssertionError, match="group argument must be None for now"):
        module.Thread(group=1)
    module.Thread(None, None, None, (), None)


@pytest.mark.parametrize("arguments", [((None,) * 6, {}), ((), {"what": 1}), ((None,), {"group": None})])
def test_wrong_arguments(module: ModuleType, arguments: tuple[Any, Any]) -> None:
    args, kwargs = arguments
    with pytest.raises(TypeError):
        module.Thread(*args, **kwargs)


def test_methods_called_without_a_thread(module: ModuleType) -> None:
    for call in (module.Thread.__init__, module.Thread.start, module.Thread.join, module.Timer.__init__):
        with pytest.raises(TypeError):
            call()


class Unclear:
    """Has no truth and no name."""

    def __bool__(self) -> bool:
        raise LookupError("the truth")

    @property
    def __name__(self) -> str:
        raise LookupError("the name")

    def __call__(self) -> None:
        pass


@pytest.mark.parametrize(
    ("argument", "what"),
    [
        ("name", "the truth"),
        ("target", "the name"),
        pytest.param(
            "daemon",
            "the truth",
            marks=pytest.mark.skipif(sys.version_info < (3, 12), reason="any object will do before 3.12"),
        ),
    ],
)
def test_what_an_argument_raises_ends_the_making(module: ModuleType, argument: str, what: str) -> None:
    before = set(module._dangling)
    with pytest.raises(LookupError, match=what):
        module.Thread(**{argument: Unclear()})
    assert set(module._dangling) == before


def test_starting_twice(module: ModuleType) -> None:
    thread = module.Thread()
    thread.start()
    with pytest.raises(RuntimeError, match="threads can only be started once"):
        thread.start()
    thread.join(PATIENCE)
    with pytest.raises(RuntimeError, match="threads can only be started once"):
        thread.start()


def test_a_start_in_the_midst_of_the_start_is_refused() -> None:
    refused: list[str] = []
    ran: list[int] = []

    class Hasty(cthreading.Thread):
        @property
        def daemon(self) -> bool:
            if not refused:
                try:
                    self.start()
                except RuntimeError as error:
                    refused.append(str(error))
            return False

    thread = Hasty(target=ran.append, args=(1,), daemon=False)
    assert refused == []
    thread.start()
    join_all([thread])
    assert (refused, ran) == (["threads can only be started once"], [1])
    assert thread not in cthreading.enumerate()


def test_only_one_of_many_starts_at_once_succeeds() -> None:
    for _ in range(30):
        ran: list[int] = []
        thread = cthreading.Thread(target=ran.append, args=(1,))
        barrier = cthreading.Barrier(4)
        outcomes: list[str] = []

        def start(thread: Any = thread, barrier: Any = barrier, outcomes: list[str] = outcomes) -> None:
            barrier.wait(PATIENCE)
            try:
                thread.start()
                outcomes.append("started")
            except RuntimeError:
                outcomes.append("refused")

        starters = [threading.Thread(target=start) for _ in range(4)]
        for starter in starters:
            starter.start()
        join_all(starters)
        thread.join(PATIENCE)
        assert sorted(outcomes) == ["refused"] * 3 + ["started"]
        assert ran == [1]


def test_joining_before_the_start_and_oneself(module: ModuleType) -> None:
    with pytest.raises(RuntimeError, match="cannot join thread before it is started"):
        module.Thread().join()
    with pytest.raises(RuntimeError, match="cannot join current thread"):
        module.current_thread().join()
    errors: list[str] = []

    def join_itself() -> None:
        try:
            module.current_thread().join()
        except RuntimeError as error:
            errors.append(str(error))

    thread = module.Thread(target=join_itself)
    thread.start()
    thread.join(PATIENCE)
    assert errors == ["cannot join current thread"]


@pytest.mark.parametrize("timeout", [0, -1, 0.01, -0.5])
def test_join_with_a_timeout_comes_back(module: ModuleType, timeout: float) -> None:
    go = module.Event()
    thread = module.Thread(target=go.wait)
    thread.start()
    assert thread.join(timeout) is None
    assert thread.is_alive()
    go.set()
    assert thread.join(timeout=PATIENCE) is None
    assert not thread.is_alive()
    thread.join()


@pytest.mark.parametrize(("timeout", "error"), [("1", TypeError), (float("nan"), ValueError), (1e30, OverflowError)])
def test_join_with_a_bad_timeout(module: ModuleType, timeout: Any, error: type[Exception]) -> None:
    go = module.Event()
    thread = module.Thread(target=go.wait)
    thread.start()
    try:
        with pytest.raises(error):
            thread.join(timeout)
    finally:
        go.set()
        thread.join(PATIENCE)


def test_many_joiners_all_come_back(module: ModuleType) -> None:
    go = module.Event()
    thread = module.Thread(target=go.wait)
    thread.start()
    joiners = [module.Thread(target=thread.join, args=(None if i % 2 else PATIENCE,)) for i in range(20)]
    for joiner in joiners:
        joiner.start()
    go.set()
    join_all(joiners)
    assert not thread.is_alive()


def test_join_is_interrupted_by_a_signal_and_can_be_repeated(module: ModuleType) -> None:
    if module is threading and sys.version_info < (3, 13):
        pytest.skip("there, the standard library takes the thread for ended")

    class Interrupt(Exception):
        pass

    def handler(*_: object) -> None:
        raise Interrupt

    go = module.Event()
    thread = module.Thread(target=go.wait)
    thread.start()
    before = signal.signal(signal.SIGALRM, handler)
    try:
        for _ in range(3):
            signal.setitimer(signal.ITIMER_REAL, 0.05)
            with pytest.raises(Interrupt):
                thread.join(PATIENCE)
            assert thread.is_alive()
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)
        go.set()
    thread.join(PATIENCE)
    assert not thread.is_alive()


def test_join_waits_for_what_is_local_to_the_thread(module: ModuleType) -> None:
    """As the thread state goes, so do the thread's values of locals: a joiner comes back after that."""
    gone: list[int] = []

    class Value:
        def __del__(self) -> None:
            time.sleep(0.02)
            gone.append(1)

    values = module.local()
    thread = module.Thread(target=lambda: setattr(values, "value", Value()))
    thread.start()
    thread.join(PATIENCE)
    assert gone == [1]


@pytest.mark.skipif(not os.path.isdir("/proc/self/task"), reason="counts threads in /proc")
def test_after_join_the_os_thread_is_gone() -> None:
    before = set(os.listdir("/proc/self/task"))
    for _ in range(20):
        thread = cthreading.Thread(target=named)
        thread.start()
        native_id = str(thread.native_id)
        thread.join()
        wait_until(lambda native_id=native_id: native_id not in os.listdir("/proc/self/task"), 5)
    assert set(os.listdir("/proc/self/task")) - before == set()


def test_run_override_and_super(module: ModuleType) -> None:
    order: list[str] = []

    class Sub(module.Thread):  # type: ignore[name-defined, misc]
        def __init__(self, extra: str) -> None:
            super().__init__(target=order.append, args=("target",))
            self.extra = extra

        def run(self) -> None:
            order.append(self.extra)
            super().run()

    thread = Sub("extra")
    thread.start()
    thread.join(PATIENCE)
    assert order == ["extra", "target"]


def test_run_in_the_instance(module: ModuleType) -> None:
    seen: list[int] = []
    thread = module.Thread()
    thread.run = lambda: seen.append(1)
    thread.start()
    thread.join(PATIENCE)
    assert seen == [1]


def test_not_calling_init(module: ModuleType) -> None:
    class Sub(module.Thread):  # type: ignore[name-defined, misc]
        def __init__(self) -> None:
            pass

    thread = Sub()
    with pytest.raises(RuntimeError, match=r"thread.__init__\(\) not called"):
        thread.start()
    with pytest.raises(RuntimeError, match=r"Thread.__init__\(\) not called"):
        thread.join()
    with pytest.raises(RuntimeError, match=r"Thread.__init__\(\) not called"):
        thread.daemon = True
    for name in ("name", "ident", "native_id", "daemon"):
        with pytest.raises(AssertionError, match=r"Thread.__init__\(\) not called"):
            getattr(thread, name)
    with pytest.raises(AssertionError):
        repr(thread)
    with pytest.raises(AssertionError):
        thread.is_alive()


def test_init_again_makes_a_thread_that_can_be_started_again(module: ModuleType) -> None:
    count = 0

    class Again(module.Thread):
        def run(self) -> None:
            nonlocal count
            count += 1

    thread = Again(name="first")
    for _ in range(3):
        thread.start()
        thread.join(PATIENCE)
        assert not thread.is_alive()
        module.Thread.__init__(thread, name="again")
        assert (thread.name, thread.ident, repr(thread)) == ("again", None, "<Again(again, initial)>")
        with pytest.raises(RuntimeError, match="cannot join thread before it is started"):
            thread.join()
        thread.daemon = True
    assert count == 3


def test_init_again_while_the_thread_runs_leaves_nothing_in_the_registry(module: ModuleType) -> None:
    inside, go = threading.Event(), threading.Event()

    def work() -> None:
        inside.set()
        go.wait(PATIENCE)

    before = module.active_count()
    thread = module.Thread(target=work)
    thread.start()
    assert inside.wait(PATIENCE)
    thread.__init__(target=int)
    go.set()
    wait_until(lambda: module.active_count() == before)
    thread.__init__(target=int)  # the end of the run has taken the target
    thread.start()
    thread.join(PATIENCE)
    assert module.active_count() == before


def describe(*_: object) -> None:
    """A target with a module and a qualified name."""


WRONG = {
    "args": {"args": 3},
    "no args": {"args": None},
    "kwargs": {"kwargs": [3]},
    "keys": {"kwargs": {3: 4}},
    "unknown keyword": {"kwargs": {"x": 4}},
    "both": {"args": 3, "kwargs": [3]},
    "mapping": {"args": "ab", "kwargs": MappingProxyType({})},
}


@pytest.mark.parametrize("target", [describe, print, 3, "text"], ids=str)
@pytest.mark.parametrize("wrong", WRONG)
def test_arguments_that_cannot_be_passed_are_reported_alike(target: Any, wrong: str, monkeypatch: Any) -> None:
    outcomes: list[Any] = []
    monkeypatch.setattr(threading, "excepthook", lambda args: outcomes.append((args.exc_type, str(args.exc_value))))
    for module in (threading, cthreading):
        threads = [module.Thread(target=target, **WRONG[wrong]), module.Timer(0, target, **WRONG[wrong])]
        for thread in threads:
            thread.start()
            thread.join(PATIENCE)
            outcomes.append(hasattr(thread, "_target"))
    half = len(outcomes) // 2
    assert outcomes[:half] == outcomes[half:]


@pytest.mark.parametrize("name", ["Thread", "Timer"])
def test_an_instance_can_be_made_by_object_new_and_initialized_later(module: ModuleType, name: str) -> None:
    class Derived(getattr(module, name)):  # type: ignore[misc]
        pass

    it = object.__new__(Derived)  # as tests do that want an instance without its __init__
    assert type(it) is Derived
    it.attribute = 1
    it.__init__(*((0, list) if name == "Timer" else ()))
    assert it.attribute == 1
    it.start()
    it.join(PATIENCE)
    assert not it.is_alive()


def test_threads_cannot_be_pickled(module: ModuleType) -> None:
    thread = module.Thread()
    for protocol in range(pickle.HIGHEST_PROTOCOL + 1):
        with pytest.raises((TypeError, pickle.PicklingError)):
            pickle.dumps(thread, protocol)


def test_set_native_id_takes_that_of_the_calling_thread(module: ModuleType) -> None:
    thread = module.Thread()
    assert thread._native_id is None
    thread._set_native_id()
    assert thread._native_id == module.get_native_id()


@pytest.mark.skipif(not hasattr(os, "fork"), reason="no fork here")
def test_processes_of_multiprocessing_where_threading_is_cthreading() -> None:
    code = """
        import cthreading, sys
        sys.modules["threading"] = cthreading
        import multiprocessing, os, threading

        def child(queue):
            main = threading.main_thread()
            queue.put((threading is cthreading, main is threading.current_thread(), main.native_id == os.getpid()))

        if __name__ == "__main__":
            context = multiprocessing.get_context("fork")
            queue = context.Queue()
            process = context.Process(target=child, args=(queue,))
            process.start()
            process.join(30)
            print(process.exitcode, queue.get(timeout=30) if process.exitcode == 0 else None)
    """
    run_python(code).check("0 (True, True, True)")


def test_what_subclasses_read(module: ModuleType) -> None:
    thread = module.Thread(target=named, args=(1,), kwargs={"a": 2}, name="n", daemon=True)
    assert (thread._target, thread._args, thread._kwargs) == (named, (1,), {"a": 2})
    assert (thread._name, thread._daemonic, thread._ident, thread._initialized) == ("n", True, None, True)
    assert thread._stderr is sys.stderr
    assert not thread._started.is_set()
    thread._target, thread._args, thread._kwargs = (lambda: None), (), {}
    thread.start()
    assert thread._started.wait(PATIENCE)
    thread.join(PATIENCE)
    for name in ("_target", "_args", "_kwargs"):
        assert not hasattr(thread, name)


def test_attributes_and_weak_references(module: ModuleType) -> None:
    thread = module.Thread()
    thread.mine = 1
    assert vars(thread)["mine"] == 1
    reference = weakref.ref(thread)
    del thread
    gc.collect()
    assert reference() is None


def test_a_thread_in_a_cycle_is_collected(module: ModuleType) -> None:
    thread = module.Thread(target=named)
    thread.me = thread
    thread._args = (thread,)
    reference = weakref.ref(thread)
    del thread
    gc.collect()
    assert reference() is None


def test_a_thread_that_is_not_joined_goes(module: ModuleType) -> None:
    thread = module.Thread(target=named)
    thread.start()
    reference = weakref.ref(thread)
    del thread
    wait_until(lambda: gc.collect() is not None and reference() is None)


@pytest.mark.parametrize("make", [lambda module: module.Thread(), lambda module: module.Timer(1, int)])
def test_threads_cannot_be_pickled_nor_copied_deeply(module: ModuleType, make: Any) -> None:
    thread = make(module)
    for call in (copy.deepcopy, pickle.dumps):
        with pytest.raises(TypeError, match="cannot pickle '"):
            call(thread)
    for protocol in range(pickle.HIGHEST_PROTOCOL + 1):
        with pytest.raises((TypeError, pickle.PicklingError)):
            pickle.dumps(thread, protocol)


class Job(threading.Thread):
    """Goes through pickle without what belongs to the running thread."""

    module: ModuleType = threading

    def __init__(self, number: int) -> None:
        self.module.Thread.__init__(self, name=f"job {number}")
        self.number = number

    def __getstate__(self) -> dict[str, Any]:
        return {"number": self.number}

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.__init__(state["number"])

    def run(self) -> None:
        self.number += 1


class OurJob(cthreading.Thread):
    module = cthreading
    __init__, __getstate__, __setstate__, run = Job.__init__, Job.__getstate__, Job.__setstate__, Job.run


@pytest.mark.parametrize("cls", [Job, OurJob])
@pytest.mark.parametrize(
    "duplicate",
    [copy.copy, copy.deepcopy, *(lambda job, n=n: pickle.loads(pickle.dumps(job, n)) for n in range(5))],
)
def test_a_derived_class_may_say_how_it_is_pickled(cls: Any, duplicate: Any) -> None:
    job = duplicate(cls(3))
    assert (type(job), job.number, job.name) == (cls, 3, "job 3")
    job.start()
    job.join(PATIENCE)
    assert job.number == 4


def test_daemon_is_inherited_and_can_be_set_before_the_start(module: ModuleType) -> None:
    inherited: list[bool] = []
    for daemon in (False, True):
        thread = module.Thread(target=lambda: inherited.append(module.Thread().daemon), daemon=daemon)
        assert thread.daemon is daemon
        thread.start()
        thread.join(PATIENCE)
    assert inherited == [False, True]
    go = module.Event()
    thread = module.Thread(target=go.wait)
    thread.daemon = True
    assert thread.daemon
    thread.start()
    with pytest.raises(RuntimeError, match="cannot set daemon status of active thread"):
        thread.daemon = False
    go.set()
    thread.join(PATIENCE)


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda m, t: t.isDaemon(), "isDaemon() is deprecated, get the daemon attribute instead"),
        (lambda m, t: t.setDaemon(True), "setDaemon() is deprecated, set the daemon attribute instead"),
        (lambda m, t: t.getName(), "getName() is deprecated, get the name attribute instead"),
        (lambda m, t: t.setName("x"), "setName() is deprecated, set the name attribute instead"),
        (lambda m, t: m.currentThread(), "currentThread() is deprecated, use current_thread() instead"),
        (lambda m, t: m.activeCount(), "activeCount() is deprecated, use active_count() instead"),
    ],
)
def test_deprecated_names_warn_where_they_are_called(module: ModuleType, call: Any, message: str) -> None:
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        call(module, module.Thread())
    assert [str(warning.message) for warning in caught] == [message]
    assert caught[0].filename == __file__


@pytest.mark.parametrize("name", ["start", "run", "__init__"])
def test_patching_the_class_works(module: ModuleType, name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    calls: list[str] = []
    original = getattr(module.Thread, name)

    def patched(self: Any, *args: Any, **kwargs: Any) -> Any:
        calls.append(name)
        return original(self, *args, **kwargs)

    monkeypatch.setattr(module.Thread, name, patched)
    ran: list[int] = []
    thread = module.Thread(target=ran.append, args=(1,))
    thread.start()
    thread.join(PATIENCE)
    assert (calls, ran) == ([name], [1])


def test_a_debugger_may_replace_the_function_that_starts_threads(module: ModuleType, monkeypatch: Any) -> None:
    name = "_start_joinable_thread" if sys.version_info >= (3, 13) else "_start_new_thread"
    original = getattr(module, name)
    calls: list[str] = []

    def starter(function: Any, *args: Any, **kwargs: Any) -> Any:
        calls.append("start")
        return original(function, *args, **kwargs)

    monkeypatch.setattr(module, name, starter)
    seen: list[Any] = []
    thread = module.Thread(target=lambda: seen.append(module.current_thread()))
    thread.start()
    assert thread.ident
    thread.join(PATIENCE)
    assert calls == ["start"]
    assert seen == [thread]
    wait_until(lambda: not thread.is_alive())


def test_an_exception_goes_to_the_excepthook(module: ModuleType, monkeypatch: pytest.MonkeyPatch) -> None:
    seen: list[Any] = []
    monkeypatch.setattr(module, "excepthook", seen.append)
    error = ValueError("wrong")

    def fail() -> None:
        raise error

    thread = module.Thread(target=fail)
    thread.start()
    thread.join(PATIENCE)
    (args,) = seen
    assert (args.exc_type, args.exc_value, args.thread) == (ValueError, error, thread)
    assert args.exc_traceback is error.__traceback__
    assert isinstance(args, module.ExceptHookArgs)


def test_the_excepthook_handles_the_exception(module: ModuleType, monkeypatch: pytest.MonkeyPatch) -> None:
    seen: list[Any] = []
    monkeypatch.setattr(module, "excepthook", lambda args: seen.append(sys.exc_info()[1]))
    error = ValueError("wrong")

    def fail() -> None:
        raise error

    thread = module.Thread(target=fail)
    thread.start()
    thread.join(PATIENCE)
    assert seen == [error]


def test_a_failing_excepthook_is_reported(module: ModuleType, monkeypatch: Any, capsys: Any) -> None:
    seen: list[Any] = []

    def hook(args: Any) -> None:
        raise KeyError("hook")

    monkeypatch.setattr(module, "excepthook", hook)
    monkeypatch.setattr(sys, "excepthook", lambda *info: seen.append(info))
    thread = module.Thread(target=lambda: 1 / 0)
    thread.start()
    thread.join(PATIENCE)
    assert capsys.readouterr().err == "Exception in threading.excepthook:\n"
    ((kind, error, traceback),) = seen
    assert (kind, str(error)) == (KeyError, "'hook'")
    assert error.__suppress_context__
    assert isinstance(error.__context__, ZeroDivisionError)
    assert traceback is error.__traceback__


def test_without_an_excepthook_the_original_one_is_used(module: ModuleType, monkeypatch: Any, capsys: Any) -> None:
    monkeypatch.setattr(threading, "excepthook", threading.__excepthook__)
    thread = module.Thread(target=lambda: 1 / 0, name="fetch")
    monkeypatch.setattr(module, "excepthook", None)
    thread.start()
    thread.join(PATIENCE)
    assert capsys.readouterr().err.startswith("Exception in thread fetch:\nTraceback (most recent call last):\n")


def test_system_exit_ends_the_thread_silently(module: ModuleType, monkeypatch: Any, capsys: Any) -> None:
    monkeypatch.setattr(threading, "excepthook", threading.__excepthook__)
    thread = module.Thread(target=sys.exit, args=(3,))
    thread.start()
    thread.join(PATIENCE)
    assert capsys.readouterr().err == ""


def test_the_stack_size_is_honoured() -> None:
    module = cthreading

    def virtual_memory() -> int:
        with open("/proc/self/statm", encoding="ascii") as file:
            return int(file.read().split()[0]) * 4096

    size = 512 << 20
    before = module.stack_size()
    assert module.stack_size(size) == before
    try:
        if os.path.exists("/proc/self/statm"):
            memory = virtual_memory()
            go = module.Event()
            thread = module.Thread(target=go.wait)
            thread.start()
            try:
                assert virtual_memory() - memory >= size
            finally:
                go.set()
                thread.join(PATIENCE)
    finally:
        module.stack_size(before)
    for size in (-1, 1):
        with pytest.raises(ValueError, match="size"):
            module.stack_size(size)


@pytest.mark.skipif(sys.version_info < (3, 14), reason="from 3.14 on")
def test_the_os_thread_carries_the_name(module: ModuleType) -> None:
    seen: list[str] = []

    def read() -> None:
        for name in ("", "other"):
            if name:
                module.current_thread().name = name
            with open(f"/proc/self/task/{module.get_native_id()}/comm", encoding="utf-8") as comm:
                seen.append(comm.read().strip())

    thread = module.Thread(target=read, name="fetch")
    thread.start()
    thread.join(PATIENCE)
    assert seen == ["fetch", "other"]


@pytest.mark.skipif(sys.version_info < (3, 14), reason="from 3.14 on")
def test_context(module: ModuleType) -> None:
    import contextvars

    variable = contextvars.ContextVar("variable", default="default")
    variable.set("caller's")
    seen: list[str] = []

    def run(**given: Any) -> None:
        thread = module.Thread(target=lambda: seen.append(variable.get()), **given)
        thread.start()
        thread.join(PATIENCE)

    run()
    run(context=contextvars.copy_context())
    run(context=contextvars.Context())
    inherited = "caller's" if sys.flags.thread_inherit_context else "default"
    assert seen == [inherited, "caller's", "default"]


def test_trace_and_profile_functions_serve_new_threads(module: ModuleType) -> None:
    seen: list[Any] = []

    def tracer(*_: Any) -> Any:
        return None

    def profiler(*_: Any) -> None:
        return None

    before = module.gettrace(), module.getprofile()
    module.settrace(tracer)
    module.setprofile(profiler)
    try:
        assert (module.gettrace(), module.getprofile()) == (tracer, profiler)
        thread = module.Thread(target=lambda: seen.extend((sys.gettrace(), sys.getprofile())))
        thread.start()
        thread.join(PATIENCE)
    finally:
        module.settrace(before[0])
        module.setprofile(before[1])
    assert seen == [tracer, profiler]


def test_a_refused_start_leaves_no_trace() -> None:
    run_python(
        """
        import cthreading
        cthreading.stack_size(1 << 40)
        before = cthreading.enumerate()
        thread = cthreading.Thread(target=print, args=("ran",))
        try:
            thread.start()
        except RuntimeError as error:
            print(error)
        assert cthreading.enumerate() == before
        assert cthreading.active_count() == len(before)
        assert (thread.ident, thread.is_alive()) == (None, False)
        assert "initial" in repr(thread)
        cthreading.stack_size(0)
        thread.start()
        thread.join()
        """
    ).check("can't start new thread\nran")


def test_patched_thread_attributes_do_not_outlive_the_thread() -> None:
    """The thread keeps its Thread alive, and lets go of it before it is done."""
    seen: list[Any] = []

    def work() -> None:
        seen.append(weakref.ref(cthreading.current_thread()))

    cthreading.Thread(target=work).start()
    wait_until(lambda: seen)
    wait_until(lambda: seen[0]() is None)


class Text(str):
    __slots__ = ()

    def __str__(self) -> str:
        return "other"


@pytest.mark.parametrize("label", ["fetch", "h\u00f6len", "\u6570", "", Text("text"), 3, None, "a\0b", "x" * 3000])
@pytest.mark.parametrize("number", [0, 9, 10, 12345, 2**31, 2**63, 2**70, -4])
def test_a_name_is_put_together_as_by_the_standard_library(label: Any, number: Any, monkeypatch: Any) -> None:
    class Target:
        __name__ = label

        def __call__(self) -> None:
            pass

    names = []
    for module in (threading, cthreading):
        monkeypatch.setattr(module, "_counter", lambda: number)
        names.append((module.Thread(target=Target()).name, module.Thread().name))
    assert names[0] == names[1]


def test_a_thread_that_goes_while_somebody_looks_through_dangling_disturbs_nobody() -> None:
    gc.collect()
    threads = [cthreading.Thread() for _ in range(10)]
    before = len(cthreading._dangling)
    seen = 0
    for thread in cthreading._dangling:
        seen += 1
        del thread
        threads.clear()
    gc.collect()
    assert 1 <= seen <= before
    assert len(cthreading._dangling) == before - 10
    assert not [thread for thread in cthreading._dangling if thread.ident is None]


def test_another_object_in_the_place_of_dangling_gets_the_threads(module: ModuleType, monkeypatch: Any) -> None:
    class Refusing:
        def add(self, thread: Any) -> None:
            raise LookupError(type(thread).__name__)

    seen: set[Any] = set()
    monkeypatch.setattr(threading, "_dangling", seen)
    threads = {module.Thread(), module.Timer(1, int)}
    assert seen == threads
    monkeypatch.setattr(threading, "_dangling", Refusing())
    with pytest.raises(LookupError, match="Thread"):
        module.Thread()
    monkeypatch.undo()
    assert not threads & set(module._dangling)


def test_without_a_standard_error_no_thread_can_be_made(module: ModuleType, monkeypatch: Any) -> None:
    monkeypatch.delattr(sys, "stderr")
    with pytest.raises(AttributeError, match="stderr"):
        module.Thread()


@pytest.mark.parametrize("name", ["_counter", "_dangling", "_make_invoke_excepthook"])
def test_a_name_that_is_gone_from_threading_is_missed(module: ModuleType, monkeypatch: Any, name: str) -> None:
    monkeypatch.delattr(threading, name)
    with pytest.raises(NameError, match=f"name '{name}' is not defined"):
        module.Thread()
    monkeypatch.undo()
    assert module.Thread().name.startswith("Thread-")


def test_a_thread_made_where_the_thread_itself_cannot_be_known(module: ModuleType, monkeypatch: Any) -> None:
    """One that threading does not know, and of which it cannot make a dummy thread: whose daemon flag is inherited?"""
    errors: list[BaseException] = []
    over = threading.Lock()
    over.acquire()

    def refuse() -> None:
        raise LookupError("no dummies")

    def make() -> None:
        try:
            module.Thread()
        except BaseException as error:
            errors.append(error)
        finally:
            over.release()

    monkeypatch.setattr(threading, "_DummyThread", refuse)
    _thread.start_new_thread(make, ())
    assert over.acquire(timeout=PATIENCE)
    assert [(type(error), str(error)) for error in errors] == [(LookupError, "no dummies")]


def test_a_thread_may_borrow_the_run_of_another(module: ModuleType) -> None:
    """A method that is bound to another thread is not the thread's own."""
    ran: list[str] = []
    lender, borrower = (module.Thread(target=ran.append, args=(name,)) for name in ("lender", "borrower"))
    borrower.run = lender.run
    borrower.start()
    join_all([borrower])
    assert ran == ["lender"]
    assert not borrower.is_alive()
