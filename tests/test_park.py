"""The parking layer without Python: park/park_test.c, for each backend and each sanitizer, one scenario a test."""

import os
import platform
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from helpers import find_compiler

Result = subprocess.CompletedProcess[str]

TESTS = Path(__file__).parent / "park"
SOURCE = Path(__file__).parent.parent / "src"
PROGRAM = TESTS / "park_test.c"

BACKENDS = ["futex", "pthread"] if sys.platform == "linux" else ["pthread"]
SANITIZERS = {"plain": "", "tsan": "thread", "asan": "address,undefined"}
# As with a GIL the guard is nothing: only the scenarios run that have one of their own.
LOCKING = {"": ["-DPARK_FREE_THREADED=1"], "gil": []}
SCENARIOS = re.findall(r"^SCENARIO\((\w+)\)$", PROGRAM.read_text(), re.MULTILINE)

ENVIRONMENT = {
    "TSAN_OPTIONS": "halt_on_error=1:die_after_fork=0",
    "ASAN_OPTIONS": "detect_leaks=0",  # a waiter's memory is never given back
    "UBSAN_OPTIONS": "halt_on_error=1:print_stacktrace=1",
}
# Seconds. A scenario takes less than one.
TIMEOUT = 120


def compile_program(target: Path, sources: list[str], backend: str, sanitizers: str, locking: str = "") -> Result:
    command = [
        *find_compiler(),
        *("-std=c11", "-O1", "-g", "-Wall", "-Wextra", "-Werror", "-pthread"),
        *(*LOCKING[locking], f"-DPARK_BACKEND_{backend.upper()}=1", f"-I{SOURCE}"),
        *([f"-fsanitize={sanitizers}", "-fno-omit-frame-pointer"] if sanitizers else []),
        *sources,
        *("-o", str(target)),
    ]
    return subprocess.run(command, capture_output=True, text=True, timeout=TIMEOUT, check=False)


def run_program(program: Path, *arguments: str) -> Result:
    """Runs it; once more without address space randomisation where that is what a sanitizer stumbles over."""
    command = [str(program), *arguments]
    environment = os.environ | ENVIRONMENT
    result = subprocess.run(command, capture_output=True, text=True, timeout=TIMEOUT, env=environment, check=False)
    if "unexpected memory mapping" in result.stderr or "failed to intercept" in result.stderr:
        setarch = shutil.which("setarch")
        if setarch is None:
            pytest.skip("the sanitizer needs an address space that is not randomised: install setarch")
        command = [setarch, platform.machine(), "-R", *command]
        result = subprocess.run(command, capture_output=True, text=True, timeout=TIMEOUT, env=environment, check=False)
        if result.returncode != 0 and "setarch" in result.stderr:
            pytest.skip(f"the sanitizer needs an address space that is not randomised: {result.stderr.strip()}")
    return result


@pytest.fixture(
    scope="module",
    params=[(b, s, k) for b in BACKENDS for s in SANITIZERS for k in LOCKING],
    ids=lambda parts: "-".join(filter(None, parts)),
)
def program(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Path:
    backend, sanitizer, locking = request.param
    folder = tmp_path_factory.mktemp(f"park_{backend}_{sanitizer}_{locking}")
    sanitizers = SANITIZERS[sanitizer]
    if sanitizers:
        trivial = folder / "trivial.c"
        trivial.write_text("int main(void) { return 0; }\n")
        compiled = compile_program(folder / "trivial", [str(trivial)], backend, sanitizers)
        if compiled.returncode != 0:
            pytest.skip(f"the compiler has no -fsanitize={sanitizers}: {compiled.stderr.strip()}")
        run = run_program(folder / "trivial")
        if run.returncode != 0:
            pytest.skip(f"-fsanitize={sanitizers} does not run here: {run.stderr.strip()}")
    target = folder / "park_test"
    sources = [str(PROGRAM), *sorted(str(path) for path in (SOURCE / "park").glob("*.c"))]
    compiled = compile_program(target, sources, backend, sanitizers, locking)
    assert compiled.returncode == 0, compiled.stderr
    return target


# The sanitizer does not hold its own allocator's lock across a fork: a child of a process whose other thread allocates
# at that moment can hang in calloc.
NOT_UNDER_ASAN = {"fork_while_threads_end"}


@pytest.mark.timeout(2 * TIMEOUT + 60)
@pytest.mark.parametrize("scenario", SCENARIOS)
def test_parking(program: Path, scenario: str) -> None:
    if "_gil" in program.parent.name and "_gil_" not in scenario:
        pytest.skip("only what has a GIL is right without PARK_FREE_THREADED")
    if scenario in NOT_UNDER_ASAN and "asan" in program.parent.name:
        pytest.skip("the address sanitizer's allocator is not safe across this fork")
    result = run_program(program, scenario)
    assert result.returncode == 0, f"{scenario} ended with {result.returncode}\n{result.stdout}{result.stderr}"
