"""reuse_threads(): threads of the operating system that are used again, and what must not show of it."""

from __future__ import annotations

import os
import sys

import pytest
from helpers import run_python

import cthreading

linux = pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")
forks = pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")

TOOLS = """
import os, signal, sys, time
import cthreading, threading
from helpers import wait_until

def in_thread(work=int, *args, start=None):
    # Runs it in a Thread; returns what it returned, and the thread's native id.
    got = []
    thread = cthreading.Thread(target=lambda: got.append((work(*args), cthreading.get_native_id())))
    thread.start()
    thread.join(30)
    assert not thread.is_alive()
    return got[0]

def native(work=int, *args):
    return in_thread(work, *args)[1]

def count():
    return len(os.listdir("/proc/self/task"))
"""


def run(code: str, *args: str, out: str = "", seconds: float = 60.0) -> None:
    run_python(TOOLS + code + "\nprint('done')", *args, seconds=seconds).check((out + "\n" if out else "") + "done")


def test_the_limits_are_told_and_checked() -> None:
    assert cthreading.reuse_threads() == 0
    try:
        assert cthreading.reuse_threads(3, keep_alive=0.5) == 0
        assert cthreading.reuse_threads() == 3
        assert cthreading.reuse_threads(None, keep_alive=7) == 3
        assert cthreading.reuse_threads(2) == 3
    finally:
        assert cthreading.reuse_threads(0) == 2
    with pytest.raises(ValueError, match="negative"):
        cthreading.reuse_threads(-1)
    with pytest.raises(ValueError, match="negative"):
        cthreading.reuse_threads(1, keep_alive=-1)
    with pytest.raises(ValueError, match="too large"):
        cthreading.reuse_threads(2**40)
    with pytest.raises(TypeError):
        cthreading.reuse_threads("many")  # type: ignore[arg-type]
    with pytest.raises(TypeError):
        cthreading.reuse_threads(1, keep_alive="long")  # type: ignore[arg-type]
    assert cthreading.reuse_threads() == 0


@linux
def test_nothing_is_kept_unless_asked_for() -> None:
    run(
        """
assert native() != native()
wait_until(lambda: count() == 1)
"""
    )


@linux
def test_a_thread_is_used_again_and_told_apart() -> None:
    run(
        """
cthreading.reuse_threads(4)
threads = []
def work():
    threads.append(cthreading.current_thread())
natives = {native(work) for _ in range(20)}
assert len(natives) == 1, natives
assert len(set(map(id, threads))) == 20 and len({thread.name for thread in threads}) == 20
assert not any(thread.is_alive() for thread in threads)
for thread in threads:
    thread.join(1)
    assert thread.native_id in natives and thread.ident
assert cthreading.enumerate() == [cthreading.main_thread()] and cthreading.active_count() == 1
assert count() == 2
cthreading.reuse_threads(0)
wait_until(lambda: count() == 1)
assert native() not in natives
"""
    )


@linux
def test_each_has_thread_local_data_of_its_own() -> None:
    run(
        """
import contextvars, sys
cthreading.reuse_threads(1)
locals_ = [cthreading.local(), threading.local()]
variable = contextvars.ContextVar("variable", default=0)
seen = []
def work():
    seen.append((*(getattr(data, "value", 0) for data in locals_), variable.get(), sys.gettrace(), sys.getprofile()))
    for data in locals_:
        data.value = 1
    variable.set(1)
    sys.settrace(lambda *_: None)
    sys.setprofile(lambda *_: None)
assert native(work) == native(work) == native(work)
assert seen == [(0, 0, 0, None, None)] * 3, seen
"""
    )


def test_thread_local_data_goes_with_its_thread_at_once() -> None:
    run(
        """
import weakref
cthreading.reuse_threads(1)
class Value:
    pass
for data in cthreading.local(), threading.local():
    gone = []
    def work():
        data.value = Value()
        weakref.finalize(data.value, gone.append, 1)
    in_thread(work)
    wait_until(lambda: gone)
"""
    )


@linux
def test_the_signal_mask_and_the_name_are_those_of_the_starter() -> None:
    run(
        """
cthreading.reuse_threads(1)
def mask():
    return signal.pthread_sigmask(signal.SIG_BLOCK, [])
def comm():
    with open(f"/proc/self/task/{cthreading.get_native_id()}/comm") as file:
        return file.read()
def spoil():
    signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGUSR1, signal.SIGUSR2])
    with open(f"/proc/self/task/{cthreading.get_native_id()}/comm", "w") as file:
        file.write("spoilt")
spoilt = native(spoil)
assert in_thread(mask) == (mask(), spoilt)
name, again = in_thread(comm)
assert again == spoilt and "spoilt" not in name, name
signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGUSR1])
assert in_thread(mask) == ({signal.SIGUSR1}, spoilt)
"""
    )


@linux
def test_a_thread_that_differs_from_a_new_one_is_not_used() -> None:
    run(
        """
cthreading.reuse_threads(4)
cores = os.sched_getaffinity(0)
first = native()
assert native() == first
threading.stack_size(1 << 20)
other = native()
assert other != first and native() == other
threading.stack_size(0)
assert native() == first
if len(cores) > 1:
    # In the thread itself: it is not kept.
    assert native(os.sched_setaffinity, 0, {min(cores)}) == first
    assert native() != first
    # In the starter: what it starts takes that over.
    before = native()
    os.sched_setaffinity(0, {min(cores)})
    assert in_thread(os.sched_getaffinity, 0)[0] == {min(cores)}
    assert native() != before
    os.sched_setaffinity(0, cores)
    assert native() == before
nice = native()
assert native(os.setpriority, os.PRIO_PROCESS, 0, 5) == nice
assert native() != nice
"""
    )


@linux
def test_no_more_are_kept_than_wanted() -> None:
    run(
        """
cthreading.reuse_threads(3)
for _ in range(3):
    barrier = cthreading.Barrier(9)
    threads = [cthreading.Thread(target=barrier.wait) for _ in range(8)]
    for thread in threads:
        thread.start()
    barrier.wait()
    for thread in threads:
        thread.join(30)
    wait_until(lambda: count() <= 4)
assert count() == 4, count()
cthreading.reuse_threads(1)
assert native() == native()
assert count() == 2, count()
"""
    )


@linux
def test_they_end_when_they_have_not_been_used_for_a_while() -> None:
    run(
        """
cthreading.reuse_threads(8, keep_alive=0.05)
threads = [cthreading.Thread(target=time.sleep, args=(0.01,)) for _ in range(8)]
for thread in threads:
    thread.start()
for thread in threads:
    thread.join(30)
wait_until(lambda: count() == 1)
assert native()
"""
    )


@linux
def test_they_can_be_kept_for_good() -> None:
    run(
        """
cthreading.reuse_threads(1, keep_alive=threading.TIMEOUT_MAX)
first = native()
wait_until(lambda: count() == 2)
time.sleep(0.05)  # one that does not stay has gone by now
assert count() == 2
assert native() == first
"""
    )


@linux
@forks
def test_none_is_there_at_a_fork_or_after_it() -> None:
    run(
        """
import warnings
warnings.simplefilter("error")
cthreading.reuse_threads(16)
for _ in range(20):
    threads = [cthreading.Thread(target=int) for _ in range(16)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(30)
    pid = os.fork()
    if pid == 0:
        assert count() == 1
        assert native() == native()
        assert cthreading.reuse_threads() == 16
        os._exit(0)
    assert os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == 0
    assert count() == 1
    assert native() == native()
""",
        seconds=120,
    )


@linux
@forks
def test_a_fork_in_a_thread_that_is_used_again() -> None:
    run(
        """
import warnings
warnings.simplefilter("ignore")
cthreading.reuse_threads(4)
def work():
    pid = os.fork()
    if pid == 0:
        status = 1
        try:
            assert cthreading.main_thread() is cthreading.current_thread()
            assert native() == native() != cthreading.get_native_id()
            status = 0
        finally:
            os._exit(status)
    assert os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == 0
first = native()
for _ in range(10):
    native(work)
assert native() == native()
"""
    )


def test_what_threads_raise_does_not_hurt_the_next() -> None:
    run(
        """
cthreading.reuse_threads(2)
raised = []
cthreading.excepthook = lambda args: raised.append(args.exc_type)
def work(error):
    raise error
for error in ValueError, SystemExit, KeyboardInterrupt:
    for daemon in False, True:
        thread = cthreading.Thread(target=work, args=(error,), daemon=daemon)
        thread.start()
        thread.join(30)
assert raised == [ValueError] * 2 + [SystemExit] * 2 + [KeyboardInterrupt] * 2, raised
assert in_thread(lambda: 5)[0] == 5
"""
    )


@pytest.mark.parametrize("daemon", ["", "daemon"])
def test_exit_with_threads_that_are_idle_and_at_work(daemon: str) -> None:
    run(
        """
cthreading.reuse_threads(8)
event = cthreading.Event()
def work():
    event.wait()
for _ in range(4):
    cthreading.Thread(target=work, daemon=bool(sys.argv[1])).start()
for _ in range(20):
    in_thread()
cthreading.Timer(0.05, event.set).start()
""",
        daemon,
    )


def test_interpreters_share_them() -> None:
    run(
        """
cthreading.reuse_threads(4)
first = native()
code = '''
import cthreading
got = []
for _ in range(3):
    thread = cthreading.Thread(target=lambda: got.append(cthreading.get_native_id()))
    thread.start()
    thread.join(30)
assert len(set(got)) == 1, got
'''
try:
    import _interpreters as interpreters
    create = [lambda kind=kind: interpreters.create(kind) for kind in ("legacy", "isolated")]
except ImportError:
    import _xxsubinterpreters as interpreters
    create = [lambda: interpreters.create(isolated=False)]
for make in create:
    id = make()
    error = interpreters.run_string(id, code)
    assert error is None, error
    interpreters.destroy(id)
assert native() == first
"""
    )


@pytest.mark.timeout(240)
def test_starts_and_ends_at_random() -> None:
    """Several threads start and join others, with all that may be in each other's way: limits that change, forks."""
    run(
        """
import random, warnings
warnings.simplefilter("ignore")
cthreading.reuse_threads(6, keep_alive=0.002)
done = []
def work(number, depth):
    if depth:
        inner = cthreading.Thread(target=work, args=(number, depth - 1))
        inner.start()
        inner.join()
    else:
        done.append(number)
def drive(seed):
    choose = random.Random(seed)
    for number in range(150):
        threads = [
            cthreading.Thread(target=work, args=(number, choose.randrange(3))) for _ in range(choose.randrange(1, 5))
        ]
        for thread in threads:
            thread.start()
        total[seed] += len(threads)
        if choose.random() < 0.3:
            time.sleep(choose.random() * 0.004)
        for thread in threads:
            thread.join()
total = dict.fromkeys(range(4), 0)
drivers = [cthreading.Thread(target=drive, args=(seed,)) for seed in total]
for driver in drivers:
    driver.start()
while any(driver.is_alive() for driver in drivers):
    cthreading.reuse_threads(random.randrange(8), keep_alive=random.random() * 0.004)
    if hasattr(os, "fork") and random.random() < 0.2:
        pid = os.fork()
        if pid == 0:
            in_thread()
            os._exit(0)
        assert os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == 0
    time.sleep(0.001)
assert len(done) == sum(total.values())
""",
        seconds=200,
    )
