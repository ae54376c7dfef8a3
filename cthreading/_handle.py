"""For threads of CPython 3.13 whose class has a `_handle` of its own; imported when the first is made.

There the standard library keeps what it knows of the operating system's thread under that name, in each Thread, so the
class's own is hidden: cpython issue 132578. From 3.14 on the name is another one.
"""

from typing import Any


class Handle:
    """What stands there instead: the handle for the standard library, and the class's own attribute for all others."""

    def __init__(self, handle: Any, thread: Any) -> None:
        self.__dict__.update(_os_thread_handle=handle, _own_thread=thread)

    def _own(self) -> Any:
        found = type(self._own_thread)._handle
        bind = getattr(type(found), "__get__", None)
        return found if bind is None else bind(found, self._own_thread, type(self._own_thread))

    @property
    def ident(self) -> Any:
        return self._os_thread_handle.ident

    def is_done(self) -> Any:
        return self._os_thread_handle.is_done()

    def join(self, timeout: Any = None) -> Any:
        return self._os_thread_handle.join(timeout)

    def _set_done(self) -> Any:
        return self._os_thread_handle._set_done()

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        return self._own()(*args, **kwargs)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._own(), name)

    def __setattr__(self, name: str, value: Any) -> None:
        setattr(self._own(), name, value)
