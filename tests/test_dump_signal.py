"""--dump-waits-on: a signal has the waits written, whatever the program's threads do meanwhile."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from helpers import PATIENCE, child_environment, run_python, wait_until

COMMAND = ("-W", "ignore", "-m", "cthreading", "--dump-waits-on", "USR1", "-c")
WAITER = r"Thread 0x[0-9a-f]+ \[waiter\] \(most recent call first\):\n  Waits: acquire of "
MAIN = WAITER.replace("waiter", "MainThread")
NO_ANSWER = "cthreading: no answer from the interpreter within a second"

# A thread waits for a lock of ours that the main thread has taken. What the latter does ends with standard input.
PROGRAM = """
import _thread, cthreading, ctypes, os, signal, sys, threading, time
held = threading.Lock()
held.acquire()
threading.Thread(target=held.acquire, name="waiter", daemon=True).start()
while not cthreading.waiting():
    time.sleep(0.001)
def when_input_ends(free):
    def wait():
        sys.stdin.read()
        free()
    threading.Thread(target=wait, daemon=True).start()
print("ready", flush=True)
"""


class Program:
    def __init__(self, process: subprocess.Popen[str], errors: Path) -> None:
        self.process = process
        self.errors = errors

    def read_line(self) -> str:
        assert self.process.stdout is not None
        return self.process.stdout.readline().strip()

    def ask(self, pid: int = 0) -> None:
        os.kill(pid or self.process.pid, signal.SIGUSR1)

    def count(self, pattern: str) -> int:
        return len(re.findall(pattern, self.errors.read_text()))

    def ask_until(self, pattern: str, pid: int = 0) -> None:
        """Asks again and again, as it may not yet be where it is to be."""

        def look() -> bool:
            count = self.count("Thread 0x")
            self.ask(pid)
            wait_until(lambda: self.count("Thread 0x") > count)
            return bool(self.count(pattern))

        wait_until(look)

    def end(self) -> str:
        out, _ = self.process.communicate(timeout=PATIENCE)
        assert self.process.returncode == 0, self.errors.read_text()
        return out


@contextmanager
def running(folder: Path, code: str, command: tuple[str, ...] = COMMAND) -> Iterator[Program]:
    errors = folder / "errors"
    with (
        errors.open("w") as file,
        subprocess.Popen(
            [sys.executable, *command, PROGRAM + code],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=file,
            encoding="utf-8",
            env=child_environment(),
        ) as process,
    ):
        try:
            program = Program(process, errors)
            assert program.read_line() == "ready", errors.read_text()
            yield program
        finally:
            process.kill()


@pytest.mark.parametrize(
    ("block", "shown"),
    [
        ("lock = threading.Lock(); lock.acquire(); when_input_ends(lock.release); lock.acquire()", MAIN),
        ("event = threading.Event(); when_input_ends(event.set); event.wait()", MAIN.replace("acquire", "wait")),
        ("lock = _thread.allocate_lock(); lock.acquire(); when_input_ends(lock.release); lock.acquire()", WAITER),
        ("sys.stdin.read()", WAITER),
        ("ctypes.CDLL(None).read(0, ctypes.create_string_buffer(1), 1)", WAITER),
    ],
)
def test_main_thread_is_blocked(tmp_path: Path, block: str, shown: str) -> None:
    with running(tmp_path, f"{block}; print('end')") as program:
        program.ask_until(shown)
        assert program.end() == "end\n"
        assert not program.count(NO_ANSWER)


def test_a_sleep_is_not_disturbed(tmp_path: Path) -> None:
    code = "start = time.monotonic(); print(flush=True); time.sleep(1); print(time.monotonic() - start >= 1)"
    with running(tmp_path, code) as program:
        program.read_line()
        program.ask_until(WAITER)
        assert program.end() == "True\n"


def test_a_call_keeps_the_interpreter(tmp_path: Path) -> None:
    """Then there are the stacks, for each signal, and the dump when it comes back."""
    code = "ctypes.PyDLL(None).read(0, ctypes.create_string_buffer(1), 1); held.release(); sys.stdin.read()"
    code = f"print('there', flush=True)\n{code}\ntime.sleep(0.5)\nprint('end')"
    with running(tmp_path, code) as program:
        assert program.read_line() == "there"
        program.ask_until(NO_ANSWER)
        asked = program.count(NO_ANSWER)
        program.ask_until(f"(?s)(?:{NO_ANSWER}.*){{{asked + 1}}}")
        # The innermost frame of the main thread is the call.
        assert program.count(r'most recent call first\):\n  File "<string>", line \d+ in <module>\n')
        assert program.end() == "end\n"


def test_the_dump_comes_when_the_call_has_returned(tmp_path: Path) -> None:
    code = "ctypes.PyDLL(None).read(0, ctypes.create_string_buffer(1), 1)\nwhile True: time.sleep(0.01)"
    with running(tmp_path, code) as program:
        program.ask_until(NO_ANSWER)
        assert program.process.stdin is not None
        program.process.stdin.close()
        wait_until(lambda: program.count(WAITER))


def test_every_signal_is_answered(tmp_path: Path) -> None:
    with running(tmp_path, "sys.stdin.read()") as program:
        program.ask_until(WAITER)
        count = program.count(WAITER)
        for number in range(count + 1, count + 6):
            program.ask()
            wait_until(lambda number=number: program.count(WAITER) >= number)
        for _ in range(100):
            program.ask()
        wait_until(lambda: program.count(WAITER) > count + 5)
        program.end()


def test_in_a_forked_child(tmp_path: Path) -> None:
    code = """
child = os.fork()
if not child:
    threading.Thread(target=held.acquire, name="waiter", daemon=True).start()
    print(os.getpid(), flush=True)
    event = threading.Event()
    when_input_ends(event.set)
    event.wait()
    os._exit(0)
print(os.waitpid(child, 0)[1])
"""
    with running(tmp_path, code) as program:
        child = int(program.read_line())
        program.ask_until(WAITER, child)
        dumps = program.count(WAITER)
        program.ask()
        wait_until(lambda: program.count(WAITER) > dumps)
        assert program.end() == "0\n"


def test_forks_while_signals_come(tmp_path: Path) -> None:
    """No child finds locked what a dump uses: it would hang."""
    code = """
parent = os.getpid()
sender = os.fork()
if not sender:
    signal.signal(signal.SIGUSR1, signal.SIG_IGN)
    while os.getppid() == parent:
        os.kill(parent, signal.SIGUSR1)
        time.sleep(0.001)
    os._exit(0)
for _ in range(50):
    child = os.fork()
    if not child:
        os._exit(0)
    os.waitpid(child, 0)
os.kill(sender, signal.SIGKILL)
os.waitpid(sender, 0)
print("end")
"""
    with running(tmp_path, code) as program:
        assert program.end() == "end\n"
        assert program.count(WAITER)


def test_the_programs_own_handler_counts(tmp_path: Path) -> None:
    code = """
signal.signal(signal.SIGUSR1, lambda *args: print("mine", flush=True))
print(flush=True)
for _ in range(3000):
    time.sleep(0.01)
"""
    with running(tmp_path, code) as program:
        program.read_line()
        program.ask()
        assert program.read_line() == "mine"
        assert not program.count("Thread")


def test_registered_again_the_last_file_counts(tmp_path: Path) -> None:
    code = f"""
from cthreading import _dump_signal
other = open({str(tmp_path / "other")!r}, "w")
for number in (signal.SIGUSR1, signal.SIGUSR2, signal.SIGUSR1):
    _dump_signal.register(number, other)
print(flush=True)
sys.stdin.read()
"""
    with running(tmp_path, code, COMMAND[:4] + COMMAND[-1:]) as program:
        program.read_line()
        program.errors = tmp_path / "other"
        for number in (signal.SIGUSR1, signal.SIGUSR2):
            count = program.count(WAITER)
            os.kill(program.process.pid, number)
            wait_until(lambda count=count: program.count(WAITER) > count)
        program.end()


def test_signals_at_the_interpreters_end(tmp_path: Path) -> None:
    """Whenever one comes: it does not end the process, and hangs nothing."""
    code = """
if not os.fork():
    signal.signal(signal.SIGUSR1, signal.SIG_IGN)
    parent = os.getppid()
    while os.getppid() == parent:
        os.kill(parent, signal.SIGUSR1)
        time.sleep(0.0002)
    os._exit(0)
time.sleep(0.05)
"""
    for _ in range(5):
        with running(tmp_path, code) as program:
            program.end()


@pytest.mark.skipif(sys.version_info < (3, 13), reason="the module that makes interpreters has another name")
def test_signals_are_the_main_interpreters() -> None:
    code = """
        import _interpreters
        interpreter = _interpreters.create()
        print(_interpreters.exec(interpreter, "from cthreading import _core; _core._dump_on_signal(10, 2)").formatted)
        _interpreters.destroy(interpreter)
    """
    run_python(code).check("RuntimeError: signals are the main interpreter's")
