"""Python's threading module in C: import cthreading as threading."""

from cthreading._core import Barrier, BoundedSemaphore, Condition, Event, Lock, RLock, Semaphore
