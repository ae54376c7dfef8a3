"""Python's threading module in C: import cthreading as threading."""

from threading import *  # noqa: F401, F403
import threading as _threading

from cthreading import _core

for _name in dir(_core):
    if not _name.startswith("__") or _name == "__excepthook__":
        globals()[_name] = getattr(_core, _name)
__all__ = list(_threading.__all__)
_CRLock = _PyRLock = _RLock = RLock
