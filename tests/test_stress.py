"""Many threads, many processes that end while threads wait, many forks: no crash, no hang, nothing left over.

The counts that take long are a few per cent of what is asked for; CTHREADING_STRESS=100 in the environment makes them
whole: 200 processes, 500 forks.
"""

from __future__ import annotations

import os
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from helpers import Outcome, run_python

PER_CENT = int(os.environ.get("CTHREADING_STRESS", "4"))

pytestmark = [
    pytest.mark.skipif(not Path("/proc/self/task").is_dir(), reason="reads /proc"),
    pytest.mark.timeout(300 + 15 * PER_CENT),
]

MEASURES = """
import gc, os, sys, time, traceback, warnings
import cthreading

def memory():
    gc.collect()
    with open("/proc/self/statm") as file:
        return int(file.read().split()[1]) * os.sysconf("SC_PAGE_SIZE")

def os_threads():
    return len(os.listdir("/proc/self/task"))

def wait_for_a_single_os_thread():
    deadline = time.monotonic() + 30
    while os_threads() != 1:  # who did not join a thread may still see the last of it
        assert time.monotonic() < deadline, os_threads()

def check_nothing_is_left(*, descriptors=len(os.listdir("/proc/self/fd"))):
    gc.collect()
    assert cthreading.enumerate() == [cthreading.main_thread()], cthreading.enumerate()
    assert cthreading.active_count() == 1
    assert list(cthreading._dangling) == [cthreading.main_thread()], list(cthreading._dangling)
    wait_for_a_single_os_thread()
    assert len(os.listdir("/proc/self/fd")) == descriptors
"""

WAITS = """
def lock():
    held = cthreading.Lock()
    held.acquire()
    return lambda timeout: held.acquire(timeout=timeout), held.release

def rlock():
    held = cthreading.RLock()
    owned, go = cthreading.Event(), cthreading.Event()
    def own():
        with held:
            owned.set()
            go.wait()
    cthreading.Thread(target=own, daemon=True).start()
    owned.wait()
    def wait(timeout):
        assert held.acquire(timeout=timeout)
        held.release()
    return wait, go.set

def condition(make_lock=None):
    condition = cthreading.Condition(make_lock and make_lock())
    def wait(timeout):
        with condition:
            condition.wait(None if timeout < 0 else timeout)
    def let_go():
        with condition:
            condition.notify_all()
    return wait, let_go

def semaphore():
    semaphore = cthreading.Semaphore(0)
    return lambda timeout: semaphore.acquire(timeout=None if timeout < 0 else timeout), semaphore.release

def bounded_semaphore():
    semaphore = cthreading.BoundedSemaphore(1)
    semaphore.acquire()
    return lambda timeout: semaphore.acquire(timeout=None if timeout < 0 else timeout), semaphore.release

def event():
    event = cthreading.Event()
    return lambda timeout: event.wait(None if timeout < 0 else timeout), event.set

def barrier():
    barrier = cthreading.Barrier(2)
    return lambda timeout: barrier.wait(None if timeout < 0 else timeout), barrier.wait

def join():
    go = cthreading.Event()
    thread = cthreading.Thread(target=go.wait, daemon=True)
    thread.start()
    return lambda timeout: thread.join(None if timeout < 0 else timeout), go.set

def plain_condition():
    return condition(cthreading.Lock)

KINDS = [lock, rlock, condition, plain_condition, semaphore, bounded_semaphore, event, barrier, join]

def start_waits(count, daemon):
    '''Starts so many threads in each kind of wait, every other with a timeout, and Timers; returns them and what ends
    the waits once all sleep.'''
    threads, ends = [], []
    for kind in KINDS:
        for number in range(count):
            wait, let_go = kind()
            timeout = 3600.0 if number % 2 else -1
            threads.append(cthreading.Thread(target=wait, args=(timeout,), daemon=daemon))
            ends.append(let_go)
    for _ in range(count):
        timer = cthreading.Timer(3600, print, ["due"])
        timer.daemon = daemon
        threads.append(timer)
        ends.append(timer.cancel)
    for thread in threads:
        thread.start()
    deadline = time.monotonic() + 120
    while not all(map(sleeps, threads)):
        assert time.monotonic() < deadline, "not all threads sleep"
        time.sleep(0.01)
    return threads, ends

def sleeps(thread):
    with open(f"/proc/self/task/{thread.native_id}/stat", "rb") as file:
        return file.read().rpartition(b") ")[2][:1] == b"S"
"""


def test_ten_thousand_threads_started_and_joined() -> None:
    """Half of them one at a time, half of them in crowds."""
    run_python(
        MEASURES
        + """
def start_and_join(count, crowd):
    for _ in range(count // crowd):
        threads = [cthreading.Thread(target=done.append, args=(1,)) for _ in range(crowd)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
            assert not thread.is_alive()

done = []
start_and_join(500, 1)
start_and_join(500, 50)
before = memory()
start_and_join(5_000, 1)
start_and_join(5_000, 50)
grown = memory() - before
assert len(done) == 11_000
assert grown < 2 << 20, grown
check_nothing_is_left()
print("end")
""",
        seconds=300,
    ).check("end")


def test_two_thousand_threads_alive_at_once() -> None:
    outcome = run_python(
        MEASURES
        + """
def crowd():
    gate = cthreading.Lock()  # one goes after the other: 2,000 that all want to run at once take long

    def pass_through():
        with gate:
            pass

    gate.acquire()
    threads = [cthreading.Thread(target=pass_through) for _ in range(2_000)]
    for thread in threads:
        try:
            thread.start()
        except RuntimeError:
            gate.release()
            print("no more threads to be had")
            sys.exit()
    assert os_threads() == 2_001
    assert cthreading.active_count() == 2_001
    assert len({thread.native_id for thread in threads}) == len({thread.ident for thread in threads}) == 2_000
    assert set(threads) < set(cthreading.enumerate())
    gate.release()
    for thread in threads:
        thread.join()

cthreading.stack_size(256 << 10)
crowd()
check_nothing_is_left()
before = memory()
crowd()
check_nothing_is_left()
grown = memory() - before
# Free-threaded, the allocator keeps some of what so many threads had: it stops growing after a few rounds.
free_threaded = not getattr(sys, "_is_gil_enabled", lambda: True)()
assert grown < (128 if free_threaded else 4) << 20, grown
print("end")
""",
        seconds=300,
    )
    if "no more threads" in outcome.out:
        pytest.skip("the system allows no 2,000 threads")
    outcome.check("end")


def test_processes_that_end_with_fifty_daemon_threads_in_each_kind_of_wait() -> None:
    code = (
        MEASURES
        + WAITS
        + """
cthreading.stack_size(256 << 10)
threads, _ = start_waits(50, True)
assert all(thread.is_alive() for thread in threads)
print(len(threads))
"""
    )

    def end_one(_: int) -> Outcome:
        return run_python(code, seconds=180)

    with ThreadPoolExecutor(2) as pool:
        for outcome in pool.map(end_one, range(2 * PER_CENT)):
            outcome.check("500")


@pytest.mark.skipif(not hasattr(os, "fork"), reason="forks")
def test_forks_from_a_program_with_threads_in_each_kind_of_wait() -> None:
    """From the main thread and from another; half of the children end by way of the interpreter's own end."""
    run_python(
        MEASURES
        + WAITS
        + """
warnings.simplefilter("ignore", DeprecationWarning)  # of fork in a program with threads
count = int(sys.argv[1])
threads, ends = start_waits(2, False)

def be_the_child(number):
    assert cthreading.enumerate() == [cthreading.current_thread()] == [cthreading.main_thread()]
    assert not any(thread.is_alive() for thread in threads)
    for thread in threads:
        thread.join()
    kind = KINDS[number % len(KINDS)]
    wait, let_go = kind()
    thread = cthreading.Thread(target=wait, args=(-1,))
    thread.start()
    let_go()
    while kind in (condition, plain_condition) and thread.is_alive():  # it has to be there for the notification
        let_go()
    thread.join()
    wait_for_a_single_os_thread()

def fork(number):
    pid = os.fork()
    if pid == 0:
        code = 1
        try:
            be_the_child(number)
            code = 7
        finally:
            if number % 2 or code == 1:
                if code == 1:
                    traceback.print_exc()
                os._exit(code)
        sys.exit(code)
    status = os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])
    assert status == 7, (number, status)

def fork_from_a_thread(number):
    errors = []
    def work():
        try:
            fork(number)
        except BaseException as error:
            errors.append(error)
            raise
    thread = cthreading.Thread(target=work)
    thread.start()
    thread.join()
    assert not errors, errors

try:
    for number in range(count):
        if number == count // 5:
            before = memory()
        (fork_from_a_thread if number % 4 == 3 else fork)(number)
except Exception:
    traceback.print_exc()
    os._exit(1)  # not to wait for all those threads
grown = memory() - before
assert grown < 2 << 20, grown
assert all(thread.is_alive() for thread in threads)
for let_go in ends:
    let_go()
for thread in threads:
    thread.join()
del thread, threads, ends, let_go
check_nothing_is_left()
print("end")
""",
        str(5 * PER_CENT),
        seconds=200 + 15 * PER_CENT,
    ).check("end")
