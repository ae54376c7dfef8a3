"""Where a thread that has just been started is waited for.

Who asks for its ident or native id, or whether it is alive, wants to do something with the thread: find its frames, set
an exception in it. It has to be there for that, and finds out its native id as its first act. These are as quick as the
standard library's, being Python code of the same kind; so `start()` need not wait. Nothing is imported for annotations.
"""

import sys

from cthreading import _core
from cthreading._core import Thread

_theirs = Thread.__mro__[1]


def _ask_when_up(thread, name):
    _core._wait_until_up(thread)
    return getattr(_theirs, name).__get__(thread, type(thread))


def _ident(self):
    try:
        if self._native_id is not None:
            return self._ident
    except AttributeError:
        pass
    return _ask_when_up(self, "ident")


def _native_id(self):
    try:
        if self._native_id is not None:
            return self._native_id
    except AttributeError:
        pass
    return _ask_when_up(self, "native_id")


_ident.__name__ = _ident.__qualname__ = "ident"
_native_id.__name__ = _native_id.__qualname__ = "native_id"

ident = property(_ident, None, None, "The thread's identifier, as get_ident() returns it; None before the start.")
native_id = property(_native_id, None, None, "The operating system's id of the thread; None before the start.")

if sys.version_info < (3, 13):

    def is_alive(self):
        assert self._initialized, "Thread.__init__() not called"
        if self._is_stopped or not self._started.is_set():
            return False
        if self._native_id is None:
            _core._wait_until_up(self)
        self._wait_for_tstate_lock(False)
        return not self._is_stopped

elif sys.version_info < (3, 14):

    def is_alive(self):
        assert self._initialized, "Thread.__init__() not called"
        if not self._started.is_set() or self._handle.is_done():
            return False
        if self._native_id is None:
            _core._wait_until_up(self)
        return True

else:

    def is_alive(self):
        assert self._initialized, "Thread.__init__() not called"
        if not self._started.is_set() or self._os_thread_handle.is_done():
            return False
        if self._native_id is None:
            _core._wait_until_up(self)
        return True


is_alive.__qualname__ = "Thread.is_alive"
is_alive.__doc__ = """Return whether the thread has been started and has not ended; as threading.Thread.is_alive."""
