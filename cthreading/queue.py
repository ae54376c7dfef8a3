"""Python's queue module in C: import cthreading.queue as queue.

The four classes are ours: what the standard library's do, they do, and isinstance takes them for those. Empty, Full and
ShutDown are the standard library's own objects.
"""

import queue as _queue

from cthreading import _core

_core._make_queues()

LifoQueue = _core.LifoQueue
PriorityQueue = _core.PriorityQueue
Queue = _core.Queue
SimpleQueue = _core.SimpleQueue

__all__ = [*_queue.__all__]
for _name in __all__:
    globals().setdefault(_name, getattr(_queue, _name))
del _name
