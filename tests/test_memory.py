"""How much memory the primitives need, beside the standard library's."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from cthreading import _core

PROGRAM = Path(__file__).parent.parent / "benchmarks" / "memory.py"


def bytes_each(module: str, kind: str, count: int) -> float:
    command = [sys.executable, str(PROGRAM), "--count", str(count), "--one", module, kind]
    # The extension's folder: the program's own would be first in sys.path, not this one.
    environment = os.environ | {"PYTHONPATH": str(Path(_core.__file__).parent.parent)}
    result = subprocess.run(command, capture_output=True, text=True, timeout=110, env=environment, check=False)
    assert result.returncode == 0, result.stderr
    return float(result.stdout)


@pytest.mark.skipif(not os.path.exists("/proc/self/status"), reason="no /proc to read the memory in use from")
@pytest.mark.parametrize(
    ("kind", "count"),
    [
        ("Lock", 1_000_000),
        ("RLock", 200_000),
        ("Condition", 50_000),
        ("Semaphore", 50_000),
        ("BoundedSemaphore", 50_000),
        ("Event", 50_000),
    ],
)
def test_needs_no_more_memory_than_the_standard_librarys(kind, count):
    ours = bytes_each("cthreading", kind, count)
    # Page granularity and the allocator's arenas: a byte each of tolerance.
    assert ours <= bytes_each("threading", kind, count) + 1
