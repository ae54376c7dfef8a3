"""Python's threading module in C: import cthreading as threading.

Every name of the running threading is here. The types and current_thread() are ours, from the extension module; all
else is the standard library's own. What may change there, the hooks and private names, is looked up in threading each
time, and set there: there is one of each.
"""

import os as _os
import sys as _sys

if "_threading" not in globals():
    # When this module is reloaded, cthreading itself may stand there: see install().
    import threading as _threading
# Its own names, also while it passes on to cthreading whatever is asked of it.
_theirs = type(_sys).__getattribute__(_threading, "__dict__")

try:
    import cthreading._core as _core
except ModuleNotFoundError as _error:
    if _error.name != "cthreading._core":
        raise
    # This is the source tree, put in front by being the current folder: the extension is with the installed package.
    __path__ += [_os.path.join(_folder, "cthreading") for _folder in _sys.path]
    try:
        import cthreading._core as _core
    except ModuleNotFoundError as _error:
        if _error.name != "cthreading._core":
            raise
        raise ImportError("cthreading has not been built for this Python: run `pip install .` first") from None

if hasattr(_core.Thread, "native_id"):
    from cthreading import _started

    _core.Thread.ident = _started.ident
    _core.Thread.native_id = _started.native_id
    _core.Thread.is_alive = _started.is_alive

if _sys.version_info >= (3, 15):
    from cthreading import _iterators

    concurrent_tee = _iterators.concurrent_tee
    serialize_iterator = _iterators.serialize_iterator
    synchronized_iterator = _iterators.synchronized_iterator

__all__ = [*_theirs["__all__"]]

for _name in (*__all__, "_DummyThread", "_MainThread"):
    if hasattr(_core, _name):
        globals()[_name] = getattr(_core, _name)
    elif _name not in ("excepthook", *globals()):
        globals()[_name] = _theirs[_name]
_CRLock = _core.RLock


class _Borrowed:
    """An attribute of the module that is one of threading's."""

    def __init__(self, name):
        self.name = name

    def __get__(self, module, owner=None):
        try:
            return _theirs[self.name]
        except KeyError:
            raise AttributeError(f"module {__name__!r} has no attribute {self.name!r}") from None

    def __set__(self, module, value):
        _theirs[self.name] = value

    def __delete__(self, module):
        try:
            del _theirs[self.name]
        except KeyError:
            raise AttributeError(self.name) from None


# What threading has not, and the modules that have it.
_LATER = {
    **dict.fromkeys(("Wait", "DeadlockError", "waiting", "deadlocks", "dump_waits", "watch_deadlocks"), "_waits"),
    "profile_waits": "_profile",
}


class _Later:
    """An attribute of the module that another one has, which is imported when it is first asked for."""

    def __init__(self, name):
        self.name = name

    def __get__(self, module, owner=None):
        return getattr(__import__(f"{__name__}.{_LATER[self.name]}", fromlist=(self.name,)), self.name)


class _Module(type(_sys)):
    def __dir__(self):
        return sorted({*vars(self), *_theirs, *_LATER})

    def __reduce__(self):
        # So cloudpickle and dill, which know modules by their exact type, pickle functions that mention this one.
        from importlib import import_module

        return import_module, (__name__,)


# On the type, and not in a __getattr__ of the module: on most versions that slows down every cthreading.Lock.
for _name in {"_active", *{*_theirs}.difference(globals())}:
    setattr(_Module, _name, _Borrowed(_name))
for _name in _LATER:
    setattr(_Module, _name, _Later(_name))
_sys.modules[__name__].__class__ = _Module
# Again, as py-spy looks for it where this module's names lie in memory. It is always the same dict.
_active = _theirs["_active"]


def install(queue=True):
    """Put cthreading in the place of threading, and cthreading.queue in that of queue, for the whole program.

    From then on `import threading` gives cthreading, a threading that was imported before passes on to it, and the
    modules of the standard library that had taken names from threading have ours. So it is with the classes of queue;
    with queue false, that module is left alone. It holds in the processes that multiprocessing starts, too. Locks,
    threads, queues and classes that already exist keep their kind, and so do the names that other modules have taken
    with `from threading import ...`: install first. It counts for this interpreter, not for its subinterpreters.

    Any thread may call it, and more than once. RuntimeError where gevent or eventlet has put greenlets in the place of
    threads: what waits here makes the operating system's thread wait, and with it all of them.
    """
    from cthreading import _install

    _install.install(queue)


def uninstall():
    """Put back what was there before install(), but for names that somebody else has changed since.

    What was imported meanwhile keeps the names that it took. Harmless when not installed.
    """
    if "cthreading._install" in _sys.modules:
        from cthreading import _install

        _install.uninstall()


def installed():
    """Return whether install() holds."""
    return "cthreading._install" in _sys.modules and _sys.modules["cthreading._install"].installed()
