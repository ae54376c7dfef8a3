/* Timeouts: Python's seconds to a monotonic deadline in nanoseconds, computed once. */
#ifndef SYNC_TIMEOUT_H
#define SYNC_TIMEOUT_H

#include "../compat.h"
#include "../park/park.h"

/* The deadline that lies this many nanoseconds ahead; 0 and PARK_FOREVER stay what they are. */
int64_t deadline_after(int64_t nanoseconds);

/* Seconds (int or float) to nanoseconds, rounded away from zero, as the standard library's locks convert them.
 * Returns -1 with TypeError, ValueError (NaN) or OverflowError set, and changes nothing then. */
int timeout_to_nanoseconds(PyObject *seconds, int64_t *nanoseconds);

/* The nanoseconds of a float or int that needs no further look, or -1. */
int64_t wait_from_usual(PyObject *timeout);

/* The `timeout` of Condition.wait and what is built on it, as nanoseconds: PARK_FOREVER for None, 0 for zero and less.
 * Returns -1 with an exception set. */
int64_t wait_from_timeout(PyObject *timeout);

/* The same for several waits together, of Condition.wait_for say, but NaN is refused on every version. */
int64_t wait_from_total_timeout(PyObject *timeout);

/* How long a call of Lock.acquire or RLock.acquire with arguments may wait, in nanoseconds: 0 not at all, PARK_FOREVER
 * without limit. The clock is not read: most calls need not wait. Returns -1 with an exception set. */
int64_t wait_from_acquire_arguments_slow(PyObject *const *args, Py_ssize_t count, PyObject *keywords);

static inline int64_t
wait_from_acquire_arguments(PyObject *const *args, Py_ssize_t count, PyObject *keywords)
{
    if (count == 1 && keywords == NULL && PyBool_Check(args[0])) {
        return args[0] == Py_True ? PARK_FOREVER : 0;
    }
    return wait_from_acquire_arguments_slow(args, count, keywords);
}

#endif
