"""Environments whose `threading` is cthreading from the first import on, and CPython's test suites in them.

A .pth file in a throw-away virtual environment puts cthreading in the place of threading at the start of every
interpreter there. So the interpreters which the tests start have it as well, those with -I included.
"""

from __future__ import annotations

import contextlib
import json
import os
import signal
import subprocess
import sys
import sysconfig
import venv
from collections.abc import Iterable
from pathlib import Path

import run_cpython_suite

import cthreading

RUNNER = Path(run_cpython_suite.__file__).resolve()


def make_environment(folder: str | Path, redirect: bool = True) -> str:
    """Makes a virtual environment in the folder and returns its interpreter; without redirect, it is a plain one."""
    venv.EnvBuilder(symlinks=True).create(folder)
    if redirect:
        scheme = {"base": str(folder), "platbase": str(folder)}
        packages = Path(sysconfig.get_path("purelib", "venv", scheme))
        # The folder with the extension: in a source tree whose build is installed elsewhere, the tree's own has none.
        installed = Path(cthreading._core.__file__).resolve().parent
        (packages / "cthreading").symlink_to(installed, target_is_directory=True)
        (packages / "threading_is_cthreading.pth").write_text(
            "import cthreading; cthreading.install()\n", encoding="utf-8"
        )
    return str(Path(folder) / "bin" / Path(sys.executable).name)


def name_of(suite: str, case: str) -> str:
    """The name of a case that unittest calls test.suite...; doctests and skipped modules have other ones."""
    name = case.removeprefix("test.")
    return name if name.startswith(f"{suite}.") else f"{suite}.{name}"


def run_suite(
    python: str,
    place: Path,
    suite: str,
    seconds: float,
    *,
    only: Iterable[str] = (),
    left_out: Iterable[str] = (),
    resources: Iterable[str] | None = None,
) -> tuple[dict[str, dict[str, str]], str]:
    """Runs a suite, case by case in one process, in a new folder `place`.

    Returns the outcome of each case, as run_cpython_suite.py writes it, by name ("test_thread.LockTests.test_repr"),
    and how the process ended, with the end of what it wrote. Only and left_out are such names; resources are those of
    `python -m test -u`, None stands for all. After `seconds` the process is killed, with all that it started.
    """
    place.mkdir(parents=True)
    command = [python, "-X", "faulthandler", "-I", str(RUNNER), str(place / "results"), f"test.{suite}"]
    if resources is not None:
        command.append("--resources=" + ",".join(resources))
    for option, names in (("--only", only), ("--without", left_out)):
        wanted = [f"test.{name}" for name in names if name.startswith(f"{suite}.")]
        if wanted:
            (place / option.strip("-")).write_text("\n".join(wanted), encoding="utf-8")
            command.append(f"{option}={place / option.strip('-')}")
    with (place / "log").open("wb") as log:
        process = subprocess.Popen(
            command, cwd=place, stdin=subprocess.DEVNULL, stdout=log, stderr=log, start_new_session=True
        )
        try:
            end = f"exit code {process.wait(seconds)}"
        except subprocess.TimeoutExpired:
            end = f"not finished within {seconds:.0f} s"
        finally:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)
            process.wait()
    results: dict[str, dict[str, str]] = {}
    with contextlib.suppress(FileNotFoundError):
        for line in (place / "results").read_text(encoding="utf-8").splitlines():
            result = json.loads(line)
            results[name_of(suite, result["case"])] = result
    return results, end + "\n" + (place / "log").read_text(encoding="utf-8", errors="replace")[-5000:]
