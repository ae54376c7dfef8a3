"""The soak itself: it runs, it sees what is lost, and it shows what hangs."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
import soak
from helpers import child_environment, wait_until

SOAK = Path(soak.__file__)


def run_soak(*arguments: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, str(SOAK), *arguments]
    return subprocess.run(command, capture_output=True, text=True, timeout=100, check=False, env=child_environment())


def test_a_short_soak_of_everything() -> None:
    done = run_soak("--minutes", "0.05", "--seconds", "1")
    assert done.returncode == 0, done.stdout + done.stderr
    assert " 0 failed" in done.stdout
    assert done.stdout.startswith("seed ")


def test_a_process_that_failed_can_be_run_again() -> None:
    done = run_soak("--one", "--seed", "7", "--seconds", "0.5", "--only", "permits,items,main thread")
    assert done.returncode == 0, done.stderr
    assert '"permits"' in done.stdout


@pytest.mark.parametrize("seed", range(3))
def test_a_permit_that_is_lost_is_noticed(seed: int) -> None:
    process = soak.Soak(seed, 0.2)
    soak.permits(process)
    (semaphore,) = process.objects.values()
    process.finish()
    assert process.errors == []
    semaphore.acquire()  # and never given back
    process.finish()
    assert len(process.errors) == 1


@pytest.mark.skipif(not Path("/proc/self/task").is_dir(), reason="reads /proc")
def test_what_hangs_is_shown(capfd: pytest.CaptureFixture[str]) -> None:
    code = """if True:
        import faulthandler, signal, sys, cthreading
        faulthandler.register(signal.SIGUSR1, all_threads=True)
        print("ready", flush=True)
        def wait_for_ever():
            cthreading.Event().wait()
        wait_for_ever()
    """
    process = subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, text=True, env=child_environment())
    shown: list[str] = []

    def has_shown_the_wait() -> bool:
        soak.show_process(process.pid)
        shown.append(capfd.readouterr().err)
        return "in wait_for_ever" in shown[-1]

    try:
        assert process.stdout is not None
        assert process.stdout.readline() == "ready\n"
        wait_until(has_shown_the_wait)  # it may still be on its way there
    finally:
        process.kill()
        process.communicate()
    assert f"thread {process.pid}: " in shown[-1]
