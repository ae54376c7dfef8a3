"""What cthreading.install() does; imported when it is first called.

Three things: sys.modules["threading"] becomes cthreading; the module object that was there, which others hold, passes
on to cthreading whatever is asked of it (src/install.c); and modules of the standard library that had taken something
from threading get ours instead. What was replaced is remembered, so that uninstall() can put it back.

gevent and eventlet put greenlets in the place of threads by setting names in threading. Beside them there is no place
for threads that wait in C: install() refuses after them, and when they come after it, it gives way to them.
"""

import _thread
import functools
import os
import sys
from collections.abc import Callable, Iterator, Sequence
from importlib.machinery import ModuleSpec
from types import BuiltinFunctionType, ModuleType
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
# Whether queue's classes are to be replaced, too.
_queues_wanted = False
# What sys.modules and the class of its module were before; None while not installed.
_before: tuple[ModuleType | None, type] | None = None
_module_class = type(cthreading)
_set_class = object.__dict__["__class__"].__set__

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


def _counterparts() -> dict[int, Any]:
    """What is ours for the standard library's, by the id of that."""
    return {
        id(value): vars(cthreading)[name]
        for name, value in _names.items()
        if callable(value) and vars(cthreading).get(name, value) is not value and not name.startswith("__")
    }


def _replace_taken_names() -> None:
    ours = _counterparts()
    for namespace in _stdlib_namespaces():
        for name, value in namespace.copy().items():
            if id(value) in ours:
                _replace(namespace, name, ours[id(value)])


def _replace_registered_types(managers: Any, ours: dict[int, Any]) -> None:
    """What a manager of multiprocessing makes. By spawn the types are pickled: they must be what their names mean."""
    registry = managers.SyncManager._registry if hasattr(managers, "SyncManager") else {}  # while it is being imported
    for name, (function, *rest) in registry.copy().items():
        if id(function) in ours:
            _replace(registry, name, (ours[id(function)], *rest))


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
                f"cthreading.install({'' if _queues_wanted else 'queue=False'}); {code}"
            )
    return arguments


def _redirect_children(util: ModuleType) -> None:
    """Have the processes that multiprocessing starts afresh, by spawn or as fork server, begin with install()."""
    start = util.spawnv_passfds

    def spawnv_passfds(path: str | bytes, args: Sequence[str | bytes], passfds: Sequence[int]) -> int:
        pid: int = start(path, _on_cthreading(path, args) if installed() else args, passfds)
        return pid

    _replace(vars(util), "spawnv_passfds", spawnv_passfds)


def _green() -> str | None:
    """Whose greenlets are in the place of threads, and so their locks in that of locks; None where there are none."""
    make_lock = _names["_allocate_lock"]
    if isinstance(make_lock, BuiltinFunctionType):
        return None
    return str(getattr(make_lock, "__module__", None)).partition(".")[0]


class _GivenWay(_module_class):  # type: ignore[misc, valid-type]
    """The class of cthreading once it has given way: as `threading`, which others hold it for, it is the real one."""

    def __getattribute__(self, name: str) -> Any:
        if name == "__dict__" or (name in _names and not name.startswith("__")):
            return getattr(_theirs, name)
        return super().__getattribute__(name)

    def __setattr__(self, name: str, value: Any) -> None:
        if isinstance(value, ModuleType) and value.__name__.startswith("cthreading."):
            super().__setattr__(name, value)
        else:
            setattr(_theirs, name, value)

    def __delattr__(self, name: str) -> None:
        delattr(_theirs, name)


def _give_way() -> None:
    """Have the standard library's threading in its place again, also for those who hold cthreading as `threading`.

    And for classes that derive from our Thread: what that has of its own goes, so they inherit what is patched.
    """
    with _lock:
        if not installed():
            return
        for ours in (_core.Thread, _core.Timer):
            for name in vars(ours).keys() & vars(_names[ours.__name__]).keys() - {"__module__", "__doc__"}:
                delattr(ours, name)
        uninstall()
        _set_class(cthreading, _GivenWay)


def _give_way_before(module: ModuleType, name: str, patches_threads: Callable[..., object]) -> None:
    """Have us give way when this function, which puts greenlets in the place of threads, is called."""
    patch = getattr(module, name)

    @functools.wraps(patch)
    def patch_threads(*args: Any, **keywords: Any) -> Any:
        if patches_threads(*args, **keywords):
            _give_way()
        return patch(*args, **keywords)

    for namespace in [vars(module), vars(sys.modules.get(module.__name__.partition(".")[0], module))]:
        if namespace.get(name) is patch:
            _replace(namespace, name, patch_threads)


def _gevent_patches_threads(threading: bool = True, *_args: object, **_keywords: object) -> bool:
    return threading


def _eventlet_patches_threads(**on: object) -> object:
    return on.get("thread", on.get("all", True not in on.values()))


def _put_queues_in_place(queue: ModuleType) -> None:
    """Put ours in the place of the classes of the module queue, unless that is to be left alone."""
    if not _queues_wanted or any(namespace is vars(queue) for namespace, *_ in _replaced):
        return
    from cthreading import queue as ours

    names = [name for name in ours.__all__ if getattr(ours, name) is not getattr(queue, name)]
    taken = {id(getattr(queue, name)): getattr(ours, name) for name in names}
    for namespace in _stdlib_namespaces():
        if namespace is not vars(ours):
            for name, value in namespace.copy().items():
                if id(value) in taken:
                    _replace(namespace, name, taken[id(value)])
    if "multiprocessing.managers" in sys.modules:
        _replace_registered_types(sys.modules["multiprocessing.managers"], taken)


def _have_dill_pickle(dill: Any) -> None:
    """Have dill pickle our types: it knows the interpreter's locks by their types, and what is built from them."""
    dill.register(cthreading.Lock)(dill.Pickler.dispatch[_thread.LockType])
    dill.register(cthreading.RLock)(dill.Pickler.dispatch[_thread.RLock])
    attributes: dict[type, tuple[tuple[str, ...], tuple[str, ...]]] = {
        cthreading.Event: ((), ("_flag",)),
        cthreading.Condition: (("_lock",), ()),
        cthreading.Semaphore: (("_value",), ()),
        cthreading.BoundedSemaphore: (("_initial_value",), ("_value",)),
        cthreading.Barrier: (("parties", "_action", "_timeout"), ()),
    }

    def save(pickler: Any, value: Any) -> None:
        arguments, state = attributes[type(value)]
        pickler.save_reduce(
            type(value),
            tuple(getattr(value, name) for name in arguments),
            (None, {name: getattr(value, name) for name in state}),
            obj=value,
        )

    for type_ in attributes:
        dill.register(type_)(save)


# Modules that something is done with as soon as they are there.
_AWAITED: dict[str, Callable[[ModuleType], None]] = {
    "multiprocessing.managers": lambda module: _replace_registered_types(module, _counterparts()),
    "multiprocessing.util": _redirect_children,
    "queue": _put_queues_in_place,
    "gevent.monkey": lambda module: _give_way_before(module, "patch_thread", _gevent_patches_threads),
    "dill._dill": _have_dill_pickle,
    "eventlet.patcher": lambda module: _give_way_before(module, "monkey_patch", _eventlet_patches_threads),
}


class _Watch:
    """A finder for sys.meta_path that finds nothing itself, but sees to what is awaited once it is loaded."""

    @classmethod
    def find_spec(cls, name: str, path: Any = None, target: Any = None) -> ModuleSpec | None:
        if name not in _AWAITED:
            return None
        for finder in sys.meta_path:
            spec = finder.find_spec(name, path, target) if finder is not cls else None
            if spec is not None:
                if spec.loader is not None:
                    load = spec.loader.exec_module
                    spec.loader.exec_module = cls._then_see_to(load)  # type: ignore[method-assign, assignment]
                return spec
        return None

    @staticmethod
    def _then_see_to(load: Callable[[ModuleType], object]) -> Callable[[ModuleType], None]:
        def exec_module(module: ModuleType) -> None:
            load(module)
            with _lock:
                if installed():
                    _AWAITED[module.__name__](module)

        return exec_module


def install(queue: bool) -> None:
    global _before, _queues_wanted
    with _lock:
        if installed():
            if queue and not _queues_wanted:
                _queues_wanted = True
                if "queue" in sys.modules:
                    _put_queues_in_place(sys.modules["queue"])
            return
        _queues_wanted = queue
        patcher = _green()
        if patcher is not None:
            raise RuntimeError(
                f"cthreading cannot be installed: {patcher} has put greenlets in the place of threads, and a lock of "
                f"cthreading makes the operating system's thread wait, with all greenlets in it"
            )
        _set_class(cthreading, _module_class)
        _before = sys.modules.get("threading"), type(_theirs)
        sys.modules["threading"] = cthreading
        _set_class(_theirs, _core._PassOn)
        # Last: what another thread imports meanwhile has ours already.
        _replace_taken_names()
        _adopt_threads()
        for name, see_to in _AWAITED.items():
            if name in sys.modules:
                see_to(sys.modules[name])
        sys.meta_path.insert(0, _Watch)


def uninstall() -> None:
    global _before
    with _lock:
        if _before is None:
            return
        if _Watch in sys.meta_path:
            sys.meta_path.remove(_Watch)
        before, class_before = _before
        _before = None
        _set_class(_theirs, class_before)
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
