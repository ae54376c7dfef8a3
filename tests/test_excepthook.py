"""What becomes of exceptions that threads do not catch: the hook is the standard library's, called as it calls it."""

from __future__ import annotations

import re
import threading

import pytest
from helpers import run_python

import cthreading


def test_the_hook_is_the_standard_librarys() -> None:
    assert cthreading.__excepthook__ is threading.__excepthook__
    assert cthreading.ExceptHookArgs is threading.ExceptHookArgs
    assert cthreading.excepthook is threading.excepthook


SETTINGS = """
import sys
import threading, cthreading

module = {"threading": threading, "cthreading": cthreading}[sys.argv[1]]

def broken(*_):
    raise KeyError("hook")

def interrupted(*_):
    raise KeyboardInterrupt("hook")

def work():
    raise ValueError("work")

# One in Python code, one in C code, which has no frames.
thread = module.Thread(target={"work": work, "ord": ord}[sys.argv[2]], name="fetch")
"""


@pytest.mark.parametrize(
    "setting",
    [
        "",
        "module.excepthook = None",
        "module.excepthook = broken",
        "module.excepthook = interrupted",
        "module.excepthook = broken; sys.stderr = None",
        "module.excepthook = broken; sys.excepthook = broken",
        "module.excepthook = broken; sys.excepthook = None",
        "del sys.stderr",
        "thread._stderr = None; sys.stderr = None",
        "thread._stderr = sys.stdout; module.excepthook = broken; sys.stderr = None",
        "thread._stderr = None; sys.stderr = None; module.excepthook = broken",
        "module.excepthook = broken; sys.stderr.close()",
    ],
)
@pytest.mark.parametrize("target", ["work", "ord"])
def test_a_program_whose_hooks_or_files_are_broken_ends_as_with_the_standard_library(setting: str, target: str) -> None:
    """What it writes, apart from the frames of threading's own source."""
    outcomes = []
    for name in ("threading", "cthreading"):
        code = f"{SETTINGS}\n{setting}\nthread.start()\nthread.join()\nprint('end')\n"
        outcome = run_python(code, name, target)
        err = re.sub(r'  File "[^"]*threading\.py".*\n', "", outcome.err)
        err = re.sub(r"    .*\n", "", err)  # source lines: whether they can be shown differs from version to version
        err = err.replace("cthreading", "threading")
        err = re.sub(r"<bound method \w+\._bootstrap of (<Thread\(.*\)>)>", r"\1", err)
        outcomes.append((outcome.returncode, outcome.out, re.sub(r"started \d+", "started", err)))
    assert outcomes[0] == outcomes[1]
    assert outcomes[1][0] == 0
