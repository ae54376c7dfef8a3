"""The types of queue, which ours derive from and stand for."""

import sys
from queue import (
    Empty as Empty,
    Full as Full,
    LifoQueue as LifoQueue,
    PriorityQueue as PriorityQueue,
    Queue as Queue,
    SimpleQueue as SimpleQueue,
)

if sys.version_info >= (3, 13):
    from queue import ShutDown as ShutDown

__all__ = ["Empty", "Full", "PriorityQueue", "LifoQueue", "Queue", "SimpleQueue"]

if sys.version_info >= (3, 13):
    __all__ += ["ShutDown"]
