"""Python's threading module in C: import cthreading as threading.

Every name of the running threading is here. What the extension module has is ours, the rest is the standard library's
own. Names that threading itself reads or changes while it runs, such as excepthook, are looked up there each time, and
setting one here sets it there.
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

__all__ = [*_threading.__all__]
__excepthook__ = _threading.__excepthook__

_LIVE = {"excepthook"}
for _name in __all__:
    if _name not in _LIVE:
        globals()[_name] = getattr(_core, _name) if hasattr(_core, _name) else getattr(_threading, _name)


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
