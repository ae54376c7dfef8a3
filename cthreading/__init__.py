"""Python's threading module in C: import cthreading as threading."""

from cthreading._core import Lock, local
