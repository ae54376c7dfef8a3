"""cthreading.pytest_plugin: what a run of pytest says of tests that hang."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest
from helpers import child_environment

pytest.importorskip("pytest_timeout")

SOURCE = """
import threading, time
import pytest

def test_lock_held():
    lock = threading.Lock()
    taken = threading.Event()
    def hold():
        lock.acquire()
        taken.set()
        threading.Event().wait(60)
    threading.Thread(target=hold, name="holder", daemon=True).start()
    taken.wait()
    lock.acquire()

def test_deadlock():
    first, second = threading.Lock(), threading.Lock()
    both = threading.Barrier(2)
    def other():
        with second:
            both.wait()
            first.acquire()
            first.release()
    thread = threading.Thread(target=other, name="other", daemon=True)
    thread.start()
    with first:
        both.wait()
        second.acquire()
        second.release()
    thread.join()

def test_sleeps():
    time.sleep(60)

def test_deadlock_of_others():
    first, second = threading.Lock(), threading.Lock()
    both = threading.Barrier(2)
    def lock(one, two):
        with one:
            both.wait()
            two.acquire()
    for locks in ((first, second), (second, first)):
        threading.Thread(target=lock, args=locks, daemon=True).start()
    time.sleep(2.5)

def test_passes():
    with threading.Lock():
        pass
"""


def run(folder: Path, name: str, *options: str, plugin: bool = True) -> tuple[int, str, str]:
    """A run of this test, in a process that has cthreading in the place of threading."""
    (folder / "test_it.py").write_text(SOURCE)
    command = [sys.executable, "-m", "cthreading", "-m", "pytest", "-p", "no:cacheprovider", "-rA", "-v"]
    if plugin:
        command += ["-p", "cthreading.pytest_plugin"]
    done = subprocess.run(
        [*command, *options, f"test_it.py::{name}"],
        cwd=folder,
        env=child_environment(),
        capture_output=True,
        encoding="utf-8",
        timeout=60,
        check=False,
    )
    return done.returncode, done.stdout, done.stderr


def section(out: str, title: str) -> str:
    """What is below this title of a report, until the next one."""
    found = re.search(rf"(?ms)^-+ {title} -+\n(.*?)(?=^[-=]{{5}})", out)
    assert found, out
    return found[1]


def test_a_timeout_shows_the_waits(tmp_path: Path) -> None:
    status, out, _ = run(tmp_path, "test_lock_held", "--timeout=0.5")
    assert status == 1
    waits = section(out, "Waits")
    assert re.search(r"\[MainThread\] .*\n  Waits: acquire of <.*\n  Since: .*\n  Held by: .* \[holder\]\n", waits)
    assert "in test_lock_held\n    lock.acquire()\n" in waits
    assert "Deadlock" not in waits
    assert "Timeout" in out


def test_a_timeout_shows_a_deadlock_of_the_main_thread(tmp_path: Path) -> None:
    status, out, _ = run(tmp_path, "test_deadlock", "--timeout=0.5")
    assert status == 1
    assert section(out, "Waits").startswith("Deadlock: 2 threads")


def test_a_timeout_without_waits(tmp_path: Path) -> None:
    status, out, _ = run(tmp_path, "test_sleeps", "--timeout=0.5")
    assert status == 1
    assert section(out, "Waits").strip() == "No thread waits"


def test_a_timeout_that_ends_the_process(tmp_path: Path) -> None:
    status, out, err = run(tmp_path, "test_deadlock", "--timeout=0.5", "--timeout-method=thread")
    assert status == 1
    waits = (out + err).partition("~ Waits ~")[2]
    assert "Deadlock: 2 threads" in waits
    assert "in test_deadlock\n" in waits


@pytest.mark.parametrize("options", [(), ("--deadlocks=report",), ("-o", "deadlocks=report")])
def test_a_deadlock_is_in_the_report(tmp_path: Path, options: tuple[str, ...]) -> None:
    status, out, err = run(tmp_path, "test_deadlock", "--timeout=3", *options)
    assert status == 1
    assert section(out, "Deadlock").startswith("Deadlock: 2 threads")
    assert section(out, "Waits").startswith("Deadlock: 2 threads")
    # Before the report, too: without a timeout there would be none.
    assert err.count("Deadlock: 2 threads") == 1


@pytest.mark.parametrize("options", [("--deadlocks=raise",), ("-o", "deadlocks=raise")])
def test_a_deadlock_raises(tmp_path: Path, options: tuple[str, ...]) -> None:
    status, out, _ = run(tmp_path, "test_deadlock", "--timeout=30", *options)
    assert section(out, "Deadlock").startswith("Deadlock: 2 threads")
    assert "DeadlockError: deadlock: thread " in out
    # It is raised in either of them: in the other thread, that is a warning.
    assert status in (0, 1)
    assert "Timeout" not in out


def test_a_deadlock_in_a_test_that_passes(tmp_path: Path) -> None:
    status, out, err = run(tmp_path, "test_deadlock_of_others")
    assert status == 0
    assert section(out, "Deadlock").startswith("Deadlock: 2 threads")
    assert err.count("Deadlock: 2 threads") == 1


def test_without_a_hang_there_is_nothing(tmp_path: Path) -> None:
    status, out, err = run(tmp_path, "test_passes", "--timeout=30")
    assert (status, err) == (0, "")
    assert "Waits" not in out
    assert run(tmp_path, "test_passes", "-p", "no:timeout")[0] == 0


def test_a_wrong_action(tmp_path: Path) -> None:
    status, _, err = run(tmp_path, "test_passes", "-o", "deadlocks=ignore")
    assert status == 4
    assert "deadlocks must be report or raise, not 'ignore'" in err


def test_without_the_plugin_there_is_nothing(tmp_path: Path) -> None:
    status, out, err = run(tmp_path, "test_deadlock", "--timeout=2", plugin=False)
    assert status == 1
    assert "Deadlock" not in out + err
