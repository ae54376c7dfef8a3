"""What cthreading.install() does; imported when it is first called.

Three things: sys.modules["threading"] becomes cthreading; the module object that was there, which others hold, passes
on to cthreading whatever is asked of it (src/install.c); and modules of the standard library that had taken something
from threading get ours instead. What was replaced is remembered, so that uninstall() can put it back.
"""

import os
import sys
from collections.abc import Callable, Iterator, Sequence
from importlib.machinery import ModuleSpec
from types import ModuleType
from typing import Any

import cthreading
from cthreading import _core

_theirs: ModuleType = cthreading._threading
_names: dict[str, Any] = cthreading._theirs
_lock = _core.RLock()
# A fork while another thread installs must not leave it locked.
os.register_at_fork(after_in_child=_lock._at_fork_reinit)  # type: ignore[attr-defined]

# Namespace, name, what was there, what is there now.
_replaced: list[tuple[dict[str, Any], str, Any, Any]] = []
# What sys.modules and the class of its module were before; None while not installed.
_before: tuple[ModuleType | None, type] | None = None
_set_class = object.__dict__["__class__"].__set__

_UTIL = "multiprocessing.util"
_FOLDER = os.path.dirname(os.path.dirname(os.path.abspath(cthreading.__file__)))


def _replace(namespace: dict[str, Any], name: str, new: Any) -> None:
    _replaced.append((namespace, name, namespace.get(name), new))
    namespace[name] = new


def _stdlib_namespaces() -> Iterator[dict[str, Any]]:
    """Yield the namespaces of the standard library's modules. Modules that load themselves when used are not loaded."""
    for name, module in sys.modules.copy().items():
        if name.partition(".")[0] in sys.stdlib_module_names and issubclass(type(module), ModuleType):
            namespace = ModuleType.__getattribute__(module, "__dict__")
            if namespace is not _names and namespace is not vars(cthreading) and name != "_thread":
                yield namespace


def _replace_taken_names() -> None:
    ours = {
        id(value): vars(cthreading)[name]
        for name, value in _names.items()
        if callable(value) and vars(cthreading).get(name, value) is not value and not name.startswith("__")
    }
    for namespace in _stdlib_namespaces():
        for name, value in namespace.copy().items():
            if id(value) in ours:
                _replace(namespace, name, ours[id(value)])


def _adopt_threads() -> None:
    """Threads that are of exactly the standard library's class become ours, which looks the same."""
    for thread in cthreading.enumerate():
        if type(thread) is _names["Thread"]:
            thread.__class__ = cthreading.Thread


def _on_cthreading(path: str | bytes, arguments: Sequence[str | bytes]) -> list[str | bytes]:
    """The command line of a process of multiprocessing's, with our installation before all else that it does."""
    arguments = list(arguments)
    if os.fsdecode(path) == sys.executable and "-c" in arguments:
        at = arguments.index("-c") + 1
        code = os.fsdecode(arguments[at])
        if "from multiprocessing.spawn import" in code or "from multiprocessing.forkserver import" in code:
            arguments[at] = (
                f"import sys; sys.path.append({_FOLDER!r}); import cthreading; sys.path.pop(); "
                f"cthreading.install(); {code}"
            )
    return arguments


def _redirect_children(util: ModuleType) -> None:
    """Have the processes that multiprocessing starts afresh, by spawn or as fork server, begin with install()."""
    start = util.spawnv_passfds

    def spawnv_passfds(path: str | bytes, args: Sequence[str | bytes], passfds: Sequence[int]) -> int:
        pid: int = start(path, _on_cthreading(path, args) if installed() else args, passfds)
        return pid

    _replace(vars(util), "spawnv_passfds", spawnv_passfds)


class _Watch:
    """A finder for sys.meta_path that only waits for multiprocessing.util, to redirect children once it is loaded."""

    @classmethod
    def find_spec(cls, name: str, path: Any = None, target: Any = None) -> ModuleSpec | None:
        if name != _UTIL:
            return None
        _stop_watching()
        for finder in sys.meta_path:
            spec = finder.find_spec(name, path, target)
            if spec is not None:
                if spec.loader is not None:
                    load = spec.loader.exec_module
                    spec.loader.exec_module = cls._then_redirect(load)  # type: ignore[method-assign, assignment]
                return spec
        return None

    @staticmethod
    def _then_redirect(load: Callable[[ModuleType], object]) -> Callable[[ModuleType], None]:
        def exec_module(module: ModuleType) -> None:
            load(module)
            with _lock:
                if installed():
                    _redirect_children(module)

        return exec_module


def _stop_watching() -> None:
    if _Watch in sys.meta_path:
        sys.meta_path.remove(_Watch)


def install() -> None:
    global _before
    with _lock:
        if installed():
            return
        _before = sys.modules.get("threading"), type(_theirs)
        sys.modules["threading"] = cthreading
        _set_class(_theirs, _core._PassOn)
        # Last: what another thread imports meanwhile has ours already.
        _replace_taken_names()
        _adopt_threads()
        # Where the standard library's RLock comes from, as its class says: Trio, for one, looks.
        cthreading.RLock.__module__ = _names["RLock"]().__class__.__module__
        if _UTIL in sys.modules:
            _redirect_children(sys.modules[_UTIL])
        else:
            sys.meta_path.insert(0, _Watch)


def uninstall() -> None:
    global _before
    with _lock:
        if _before is None:
            return
        _stop_watching()
        before, class_before = _before
        _before = None
        _set_class(_theirs, class_before)
        cthreading.RLock.__module__ = cthreading.Lock.__module__
        if sys.modules.get("threading") is cthreading:
            if before is None:
                del sys.modules["threading"]
            else:
                sys.modules["threading"] = before
        while _replaced:
            namespace, name, old, new = _replaced.pop()
            if namespace.get(name) is new:
                namespace[name] = old


def installed() -> bool:
    return _before is not None
