"""What threading has from 3.15 on to share iterators between threads. The types of the items are in the stubs."""

import cthreading
from cthreading._core import Lock

# With its slots. It can be imported on older versions, too, but has no use there.
_theirs = cthreading._theirs.get("serialize_iterator", object)


class serialize_iterator(_theirs):  # type: ignore[misc, valid-type]
    """An iterator that several threads may use; as threading.serialize_iterator.

    One of them at a time is in the iterator that it wraps, that of iterable. send(), throw() and close() are those of
    a generator, one at a time as well; AttributeError if it has none.
    """

    __slots__ = ()

    def __init__(self, iterable):
        self._iterator = iter(iterable)
        self._lock = Lock()

    def __iter__(self):
        return self

    def __next__(self):
        with self._lock:
            return next(self._iterator)

    def send(self, value, /):
        """Send value into the generator; as generator.send."""
        with self._lock:
            return self._iterator.send(value)

    def throw(self, *args):
        """Raise an exception in the generator, with the args of generator.throw."""
        with self._lock:
            return self._iterator.throw(*args)

    def close(self):
        """Close the generator; as generator.close."""
        with self._lock:
            return self._iterator.close()


def synchronized_iterator(func):
    """Return func with what it returns wrapped in serialize_iterator; as threading.synchronized_iterator.

    func is a function that returns iterators, a generator function say: this is a decorator.
    """
    from functools import wraps

    # No annotations of its own: what it has are those of func.
    return wraps(func)(lambda *args, **kwargs: serialize_iterator(func(*args, **kwargs)))


class _concurrent_tee:
    """One of the iterators that concurrent_tee returns.

    They walk along one list of linked [value, next] cells; who comes to the empty last one fills it under the lock.
    """

    __slots__ = ("cell", "iterator", "lock")

    def __init__(self, iterator, cell, lock):
        self.iterator = iterator
        self.cell = cell
        self.lock = lock

    def __iter__(self):
        return self

    def __next__(self):
        cell = self.cell
        if not cell:
            with self.lock:
                if not cell:
                    cell.extend((next(self.iterator), []))
        value, self.cell = cell
        return value


def concurrent_tee(iterable, n=2):
    """Return n iterators over the items of iterable, each for a thread of its own; as threading.concurrent_tee.

    It is itertools.tee, but safe to use at once. Raise ValueError if n is negative.
    """
    if n < 0:
        raise ValueError("n must be a non-negative integer")
    if n == 0:
        return ()
    if isinstance(iterable, _concurrent_tee):
        iterator, cell, lock = iterable.iterator, iterable.cell, iterable.lock
    else:
        iterator, cell, lock = iter(iterable), [], Lock()
    return tuple(_concurrent_tee(iterator, cell, lock) for _ in range(n))
