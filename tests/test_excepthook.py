"""The default excepthook, which reports exceptions that threads do not catch, beside the standard library's.

Both are called in the same way, on the same exceptions, and whatever one writes, returns or raises, the other must too.
"""

from __future__ import annotations

import io
import re
import sys
import threading
from types import ModuleType, SimpleNamespace
from typing import Any

import pytest
from behaviour import only_ours
from helpers import PATIENCE, run_python

import cthreading


def caught(error: BaseException) -> BaseException:
    try:
        raise error
    except BaseException as raised:
        return raised


def chained() -> BaseException:
    error = caught(KeyError("outer"))
    error.__cause__ = caught(ValueError("inner"))
    error.add_note("what was tried")
    return error


class WithoutText(Exception):
    def __str__(self) -> str:
        raise RuntimeError("no text")


class Named:
    """As much of a Thread as the hook looks at."""

    def __init__(self, name: object = "fetch", stderr: object = None) -> None:
        self.name = name
        self._stderr = stderr


class WithoutName:
    _stderr = None


class NameRaises:
    @property
    def name(self) -> str:
        raise KeyError("name")


EXCEPTIONS: dict[str, Any] = {
    "plain": lambda: caught(ValueError("wrong")),
    "never raised": lambda: ValueError("wrong"),
    "chained, with a note": chained,
    "group": lambda: caught(ExceptionGroup("several", [caught(ValueError(1)), caught(KeyError(2))])),
    "without text": lambda: caught(WithoutText()),
    "syntax": lambda: SyntaxError("bad", ("file.py", 3, 5, "a b c\n")),
    "derived from SystemExit": lambda: caught(type("Quit", (SystemExit,), {})(3)),
    "KeyboardInterrupt": lambda: caught(KeyboardInterrupt()),
}


def report(module: ModuleType, fields: list[object], stderr: object, monkeypatch: pytest.MonkeyPatch) -> object:
    """What the module's default hook returns or raises, with that as sys.stderr."""
    with monkeypatch.context() as patch:
        if stderr == "deleted":
            patch.delattr(sys, "stderr")
        else:
            patch.setattr(sys, "stderr", stderr)
        try:
            return module.__excepthook__(module.ExceptHookArgs(fields))
        except Exception as error:
            return type(error), str(error)


def fields_of(error: BaseException, thread: object = None) -> list[object]:
    return [type(error), error, error.__traceback__, thread]


@pytest.mark.parametrize("thread", [None, Named(), Named(3), Named("n\u00e4me"), WithoutName(), NameRaises()])
@pytest.mark.parametrize("kind", EXCEPTIONS)
def test_the_report_is_the_standard_librarys(kind: str, thread: object, monkeypatch: pytest.MonkeyPatch) -> None:
    error = EXCEPTIONS[kind]()
    written = []
    for module in (threading, cthreading):
        stderr = io.StringIO()
        outcome = report(module, fields_of(error, thread), stderr, monkeypatch)
        written.append((outcome, stderr.getvalue()))
    assert written[0] == written[1]
    assert written[1][1].startswith("Exception in thread ")


@pytest.mark.parametrize(
    "fields",
    [
        [None, None, None, None],
        [ValueError, None, None, None],
        [ValueError, 3, None, None],
        [ValueError, ValueError("wrong"), None, None],
        [None, caught(ValueError("wrong")), None, Named()],
    ],
    ids=["nothing", "no value", "no exception", "no traceback", "no type"],
)
# A debug build of Python says so when it cannot print what is no exception, whoever asked for it.
@pytest.mark.filterwarnings("ignore:Exception ignored in the internal traceback machinery")
def test_the_report_of_odd_arguments_is_the_standard_librarys(
    fields: list[object], monkeypatch: pytest.MonkeyPatch
) -> None:
    written = []
    for module in (threading, cthreading):
        stderr = io.StringIO()
        written.append((report(module, fields, stderr, monkeypatch), stderr.getvalue()))
    assert written[0] == written[1]


def test_a_thread_is_named_by_its_name_or_by_the_callers_ident(
    module: ModuleType, monkeypatch: pytest.MonkeyPatch
) -> None:
    for thread, label in [(Named("fetch"), "fetch"), (None, module.get_ident()), (WithoutName(), module.get_ident())]:
        stderr = io.StringIO()
        assert report(module, fields_of(caught(ValueError("wrong")), thread), stderr, monkeypatch) is None
        assert stderr.getvalue().startswith(f"Exception in thread {label}:\nTraceback (most recent call last):\n")
        assert stderr.getvalue().endswith("\nValueError: wrong\n")


def test_system_exit_is_not_reported(module: ModuleType, monkeypatch: pytest.MonkeyPatch) -> None:
    stderr = io.StringIO()
    assert report(module, fields_of(caught(SystemExit(3)), Named()), stderr, monkeypatch) is None
    assert stderr.getvalue() == ""


@pytest.mark.parametrize("stderr", [None, "deleted"])
def test_without_stderr_and_without_a_thread_nothing_is_reported(
    module: ModuleType, stderr: object, monkeypatch: pytest.MonkeyPatch
) -> None:
    error = caught(ValueError("wrong"))
    assert report(module, fields_of(error), stderr, monkeypatch) is None
    assert report(module, fields_of(error, Named()), stderr, monkeypatch) is None
    kind, text = report(module, fields_of(error, SimpleNamespace()), stderr, monkeypatch)
    assert (kind, "_stderr" in text) == (AttributeError, True)


@pytest.mark.parametrize("stderr", [None, "deleted"])
@pytest.mark.parametrize("kind", ["plain", "never raised", "chained, with a note", "group"])
def test_without_stderr_the_one_that_the_thread_was_made_with_is_used(
    kind: str, stderr: object, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Not compared with 3.13.0's, which lost all of it but the heading."""
    error = EXCEPTIONS[kind]()
    usual, kept = io.StringIO(), io.StringIO()
    assert report(cthreading, fields_of(error, Named()), usual, monkeypatch) is None
    assert report(cthreading, fields_of(error, Named("fetch", kept)), stderr, monkeypatch) is None
    assert [line for line in kept.getvalue().splitlines() if set(line) - set(" ~^")] == [
        line for line in usual.getvalue().splitlines() if set(line) - set(" ~^")
    ]
    kept = io.StringIO()
    fields = [type(error), error, None, Named("fetch", kept)]
    assert report(cthreading, fields, stderr, monkeypatch) is None
    assert ("Traceback" in kept.getvalue()) is (error.__traceback__ is not None or error.__cause__ is not None)


class Broken:
    """A file whose one method fails."""

    def __init__(self, method: str) -> None:
        self.method = method
        self.text = ""

    def write(self, text: str) -> None:
        self.text += text
        if self.method == "write":
            raise OSError("write failed")

    def flush(self) -> None:
        if self.method == "flush":
            raise OSError("flush failed")


@pytest.mark.parametrize("method", ["write", "flush"])
def test_what_a_broken_file_raises_is_raised(module: ModuleType, method: str, monkeypatch: pytest.MonkeyPatch) -> None:
    file = Broken(method)
    error = caught(ValueError("wrong"))
    assert report(module, fields_of(error), file, monkeypatch) == (OSError, f"{method} failed")
    assert file.text.startswith("Exception in thread ")
    assert ("ValueError: wrong" in file.text) is (method == "flush")


@pytest.mark.parametrize("wrong", [None, 3, (ValueError, None, None, None), [None] * 4])
def test_only_except_hook_args_are_taken(module: ModuleType, wrong: object) -> None:
    with pytest.raises(TypeError, match=r"^_thread\.excepthook argument type must be ExceptHookArgs$"):
        module.__excepthook__(wrong)


def test_except_hook_args(module: ModuleType) -> None:
    args = module.ExceptHookArgs([1, 2, 3, 4])
    assert (args.exc_type, args.exc_value, args.exc_traceback, args.thread) == tuple(args) == (1, 2, 3, 4)
    assert type(args).__name__ == "_ExceptHookArgs"
    for length in (0, 3, 5):
        with pytest.raises(TypeError, match="sequence"):
            module.ExceptHookArgs([None] * length)


@only_ours
def test_the_default_hook_is_ours(module: ModuleType) -> None:
    assert module.excepthook is module.__excepthook__
    assert module.excepthook is not threading.__excepthook__
    assert module.excepthook.__name__ == "excepthook"
    assert module.excepthook.__module__.startswith("cthreading")


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

thread = module.Thread(target=work, name="fetch")
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
def test_a_program_whose_hooks_or_files_are_broken_ends_as_with_the_standard_library(setting: str) -> None:
    """What it writes, apart from the frames of threading's own source."""
    outcomes = []
    for name in ("threading", "cthreading"):
        code = f"{SETTINGS}\n{setting}\nthread.start()\nthread.join()\nprint('end')\n"
        outcome = run_python(code, name)
        err = re.sub(r'  File "[^"]*threading\.py".*\n', "", outcome.err)
        err = re.sub(r"    .*\n", "", err)  # source lines: whether they can be shown differs from version to version
        err = err.replace("cthreading", "threading")
        err = re.sub(r"<bound method \w+\._bootstrap of (<Thread\(.*\)>)>", r"\1", err)
        outcomes.append((outcome.returncode, outcome.out, re.sub(r"started \d+", "started", err)))
    assert outcomes[0] == outcomes[1]
    assert outcomes[1][0] == 0


def test_a_thread_that_fails_once_the_hook_is_gone_is_still_reported(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(threading, "excepthook", threading.__excepthook__)
    monkeypatch.delitem(vars(cthreading), "excepthook")
    thread = cthreading.Thread(target=lambda: 1 / 0, name="fetch")
    thread.start()
    thread.join(PATIENCE)
    assert "Exception in thread fetch" in capsys.readouterr().err
