"""The module's names: all that the running threading has."""

from __future__ import annotations

import _thread
import pickle
import threading
from types import ModuleType

import pytest
from behaviour import PRIMITIVES
from helpers import run_python

import cthreading


def is_public(name: str, value: object) -> bool:
    """Whether a name in threading is one of its own: not that of something it imports to use it."""
    home = getattr(value, "__module__", None)
    return not name.startswith("_") and not isinstance(value, ModuleType) and home in (None, "threading", "_thread")


PUBLIC = sorted({name for name, value in vars(threading).items() if is_public(name, value)} | set(threading.__all__))
LATER = ["waiting", "deadlocks", "dump_waits", "watch_deadlocks", "profile_waits", "Wait", "DeadlockError"]
ALIASES = [name for name in ("currentThread", "activeCount") if hasattr(threading, name)]


@pytest.mark.parametrize("name", PUBLIC)
def test_every_public_name_is_there(name: str) -> None:
    assert hasattr(cthreading, name)
    assert callable(getattr(cthreading, name)) is callable(getattr(threading, name))


def test_all_lists_what_the_standard_library_lists() -> None:
    assert set(threading.__all__) <= set(cthreading.__all__)


def test_all_lists_each_name_once_and_only_names_that_exist() -> None:
    assert len(cthreading.__all__) == len(set(cthreading.__all__))
    assert [name for name in cthreading.__all__ if not hasattr(cthreading, name)] == []


def test_import_star_gives_the_same_names(module: ModuleType) -> None:
    names: dict[str, object] = {}
    exec(f"from {module.__name__} import *", names)
    assert set(threading.__all__) <= names.keys()
    assert all(names[name] is getattr(module, name) for name in threading.__all__)


@pytest.mark.parametrize("name", ["BrokenBarrierError", "ThreadError", "ExceptHookArgs", "TIMEOUT_MAX"])
def test_shared_objects_are_the_standard_librarys(module: ModuleType, name: str) -> None:
    assert getattr(module, name) is getattr(threading, name)


def test_thread_error_is_runtime_error(module: ModuleType) -> None:
    assert module.ThreadError is RuntimeError is _thread.error


@pytest.mark.parametrize("name", PRIMITIVES)
def test_primitives_are_not_the_standard_librarys(name: str) -> None:
    assert getattr(cthreading, name) is not getattr(threading, name)
    assert getattr(cthreading, name).__module__ == "cthreading"


@pytest.mark.parametrize("name", ALIASES)
def test_the_old_names_of_functions_still_work_and_warn(module: ModuleType, name: str) -> None:
    with pytest.warns(DeprecationWarning, match=name) as caught:
        result = getattr(module, name)()
    assert result == getattr(module, {"currentThread": "current_thread", "activeCount": "active_count"}[name])()
    assert caught[0].filename == __file__


@pytest.mark.parametrize("name", PRIMITIVES)
def test_classes_can_be_pickled_by_name(module: ModuleType, name: str) -> None:
    found = getattr(module, name)
    assert pickle.loads(pickle.dumps(found)) is found


@pytest.mark.parametrize("name", LATER)
def test_what_threading_has_not_is_there_but_not_for_import_star(name: str) -> None:
    assert callable(getattr(cthreading, name))
    assert name in dir(cthreading)
    assert name not in cthreading.__all__
    assert not hasattr(threading, name)


def test_it_is_imported_at_first_use() -> None:
    run_python(
        """
        import sys, cthreading
        assert not {"cthreading._waits", "cthreading._profile"} & {*sys.modules}
        assert cthreading.waiting() == []
        assert "cthreading._waits" in sys.modules and "cthreading._profile" not in sys.modules
        cthreading.profile_waits
        assert "cthreading._profile" in sys.modules
        """
    ).check()


def test_it_can_be_replaced(monkeypatch: pytest.MonkeyPatch) -> None:
    before = cthreading.waiting
    with monkeypatch.context() as patch:
        patch.setattr(cthreading, "waiting", list)
        assert cthreading.waiting is list
    assert cthreading.waiting is before


def test_once_installed_threading_has_it_too() -> None:
    run_python(
        f"""
        import threading as before, cthreading
        cthreading.install()
        import threading
        from threading import waiting, DeadlockError
        for name in {LATER}:
            assert getattr(threading, name) is getattr(before, name) is getattr(cthreading, name)
        cthreading.uninstall()
        assert not hasattr(before, "waiting")
        """
    ).check()


@pytest.mark.parametrize("name", ["Wait", "DeadlockError", "waiting"])
def test_it_can_be_pickled_by_name(name: str) -> None:
    found = getattr(cthreading, name)
    assert pickle.loads(pickle.dumps(found)) is found
