"""The package itself: its names, what it shares with the standard library, and importing it."""

import os
import shutil
import subprocess
import sys
import threading
import warnings
from pathlib import Path
from unittest import mock

import pytest

import cthreading
from cthreading import _core

PACKAGE = Path(cthreading.__file__).parent
EXTENSION = Path(_core.__file__)

OURS = ["Barrier", "BoundedSemaphore", "Condition", "Event", "Lock", "RLock", "Semaphore", "local"]


def run_python(code: str, *options: str, folder: Path, path: Path | None = None) -> str:
    """What a new interpreter prints that runs the code in the folder, with the path in its sys.path."""
    command = [sys.executable, *options, "-c", code]
    environment = os.environ | {"PYTHONPATH": str(path or "")}
    result = subprocess.run(
        command, capture_output=True, text=True, timeout=60, cwd=folder, env=environment, check=False
    )
    assert result.returncode == 0, result.stderr
    return result.stdout.strip()


def test_all_holds_what_threadings_holds():
    assert set(cthreading.__all__) >= set(threading.__all__)


def test_every_name_of_threading_is_there():
    missing = [name for name in dir(threading) if not hasattr(cthreading, name)]
    assert missing == []
    assert set(dir(cthreading)) >= set(dir(threading))


def test_star_import_gives_every_name_of_all():
    namespace: dict[str, object] = {}
    exec("from cthreading import *", namespace)
    assert set(namespace) >= set(threading.__all__)


@pytest.mark.parametrize("name", OURS)
def test_primitive_is_ours(name):
    assert getattr(cthreading, name) is getattr(_core, name)
    assert getattr(cthreading, name) is not getattr(threading, name)


@pytest.mark.parametrize("name", ["BrokenBarrierError", "ThreadError", "ExceptHookArgs", "TIMEOUT_MAX"])
def test_shared_name_is_the_standard_librarys(name):
    assert getattr(cthreading, name) is getattr(threading, name)


def test_unknown_name_is_an_attribute_error():
    with pytest.raises(AttributeError, match="no_such_name"):
        _ = cthreading.no_such_name


@pytest.mark.parametrize(("old", "new"), [("currentThread", "current_thread"), ("activeCount", "active_count")])
def test_old_alias_warns_the_caller(old, new):
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        assert getattr(cthreading, old)() == getattr(cthreading, new)()
    assert [(warning.category, warning.filename) for warning in caught] == [(DeprecationWarning, __file__)]


def test_excepthook_that_is_set_here_serves_threads():
    seen = []

    def fail():
        raise ValueError("in a thread")

    with mock.patch.object(cthreading, "excepthook", seen.append):
        assert threading.excepthook == seen.append
        thread = cthreading.Thread(target=fail)
        thread.start()
        thread.join(30)
    assert [arguments.exc_type for arguments in seen] == [ValueError]


def test_private_name_follows_threading(monkeypatch):
    for name in ("_active", "_limbo", "_active_limbo_lock"):
        assert getattr(cthreading, name) is getattr(threading, name)
    marker = object()
    monkeypatch.setattr(threading, "_active_limbo_lock", marker)
    assert cthreading._active_limbo_lock is marker
    monkeypatch.undo()
    monkeypatch.setattr(cthreading, "_active_limbo_lock", marker)
    assert threading._active_limbo_lock is marker


def test_own_attribute_stays_here(monkeypatch):
    monkeypatch.setattr(cthreading, "an_attribute", 1, raising=False)
    assert cthreading.an_attribute == 1
    assert not hasattr(threading, "an_attribute")


def test_parking_backend_is_the_one_that_was_asked_for():
    default = "futex" if sys.platform == "linux" else "pthread"
    assert _core.park_backend in {default, "pthread"}
    assert _core.park_backend == os.environ.get("CTHREADING_PARK", _core.park_backend)


def test_import_loads_no_other_module(tmp_path):
    code = """if True:
        import sys, threading
        before = {*sys.modules, *sys.builtin_module_names}
        import cthreading
        print(sorted(set(sys.modules) - before))
    """
    own = ["cthreading", "cthreading._core"] + ["cthreading._iterators"] * (sys.version_info >= (3, 15))
    own.append("cthreading._started")
    assert run_python(code, folder=tmp_path, path=EXTENSION.parent.parent) == str(own)


def copy_without_extension(folder: Path) -> Path:
    """The package as it is in a source tree."""
    target = folder / "cthreading"
    target.mkdir()
    for path in PACKAGE.glob("*.py"):
        shutil.copy(path, target)
    return folder


def test_source_tree_takes_the_extension_of_the_installed_package(tmp_path):
    tree = copy_without_extension(tmp_path)
    code = "import cthreading; print(cthreading.__file__, cthreading._core.__file__)"
    printed = run_python(code, folder=tree, path=EXTENSION.parent.parent)
    assert printed.split() == [str(tree / "cthreading" / "__init__.py"), str(EXTENSION)]


def test_source_tree_alone_says_what_to_do(tmp_path):
    tree = copy_without_extension(tmp_path)
    code = f"""if True:
        import sys
        sys.path.insert(0, {str(tree)!r})
        try:
            import cthreading
        except ImportError as error:
            print(error)
    """
    assert "pip install ." in run_python(code, "-I", "-S", folder=tree)
