"""Python's threading module in C: import cthreading as threading.

Every name of the running threading is here. The types and functions are ours, from the extension module; the
exceptions, TIMEOUT_MAX and ExceptHookArgs are the standard library's own. A private name that is not ours is looked up
in threading each time.
"""

import os as _os
import sys as _sys
import threading as _threading

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

if _sys.version_info >= (3, 15):
    from cthreading import _iterators

    concurrent_tee = _iterators.concurrent_tee
    serialize_iterator = _iterators.serialize_iterator
    synchronized_iterator = _iterators.synchronized_iterator

__all__ = [*_threading.__all__]

# Private names that other code uses, beside the public ones: the registry, what a test replaces, what Python calls.
_PRIVATE = (
    "_DummyThread",
    "_MainThread",
    "_active",
    "_counter",
    "_dangling",
    "_limbo",
    "_register_atexit",
    "_shutdown",
    "_start_joinable_thread",
    "_start_new_thread",
)
for _name in (*__all__, "__excepthook__", "activeCount", "currentThread", *_PRIVATE):
    if hasattr(_core, _name):
        globals()[_name] = getattr(_core, _name)
    elif _name in __all__ and _name not in globals():
        globals()[_name] = getattr(_threading, _name)
_CRLock = _PyRLock = _RLock = _core.RLock


class _Borrowed:
    """An attribute of the module that is one of threading's."""

    def __init__(self, name):
        self.name = name

    def __get__(self, module, owner=None):
        return getattr(_threading, self.name)

    def __set__(self, module, value):
        setattr(_threading, self.name, value)

    def __delete__(self, module):
        delattr(_threading, self.name)


class _Module(type(_sys)):
    def __dir__(self):
        return sorted({*vars(self), *dir(_threading)})


# On the type, and not in a __getattr__ of the module: on most versions that slows down every cthreading.Lock.
for _name in {*vars(_threading)}.difference(globals()):
    setattr(_Module, _name, _Borrowed(_name))
_sys.modules[__name__].__class__ = _Module
