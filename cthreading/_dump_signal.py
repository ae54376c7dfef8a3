"""Who waits for whom, written when a signal comes: for `python -m cthreading --dump-waits-on`. See src/dump_signal.c.

_dump() is called in a thread of its own, whatever the main thread does, while others may hold any lock: of an import,
of a file. So all that it needs is imported before, and it writes to the file's descriptor.
"""

import atexit
import faulthandler
import io
import os
from typing import IO

from cthreading import _core, _waits

_prepared = False


def _dump(descriptor: int) -> None:
    _waits.dump_waits(descriptor)


def _prepare() -> None:
    global _prepared
    if not _prepared:
        _prepared = True
        # What it does for the first time only.
        _waits.dump_waits(io.StringIO())
        os.register_at_fork(
            before=_core._hold_dumps, after_in_parent=_core._release_dumps, after_in_child=_core._renew_dumps
        )
        atexit.register(_core._end_dumps)


def register(signum: int, file: IO[str] | int) -> None:
    """Write cthreading.dump_waits() to the file, at each such signal. It has a descriptor, or is one, and stays open.

    If the interpreter does not answer within a second, faulthandler writes the stacks of all threads instead; the dump
    follows when it does. Registered again, the last file counts for all signals. ValueError, RuntimeError or OSError
    where a signal cannot be caught so.
    """
    descriptor = file if isinstance(file, int) else file.fileno()
    faulthandler.unregister(signum)
    # Ours, below and above faulthandler's: at the interpreter's end that one is taken away.
    _core._dump_on_signal(signum, descriptor)
    _prepare()
    faulthandler.register(signum, file, all_threads=True)
    _core._dump_on_signal(signum, descriptor)
