/* Timeouts: Python's seconds to a monotonic deadline in nanoseconds, computed once. */
#ifndef SYNC_TIMEOUT_H
#define SYNC_TIMEOUT_H

#include "../compat.h"
#include "../park/park.h"

/* The deadline that lies this many nanoseconds ahead. */
int64_t deadline_after(int64_t nanoseconds);

/* Seconds (int or float) to nanoseconds, rounded up, as the standard library's locks convert them.
 * Returns -1 with TypeError, ValueError (NaN) or OverflowError set, and changes nothing then. */
int timeout_to_nanoseconds(PyObject *seconds, int64_t *nanoseconds);

/* The `timeout` of Condition.wait and what is built on it: None is for ever, zero and less is now.
 * Returns -1 with an exception set. */
int deadline_from_timeout(PyObject *timeout, int64_t *deadline);

/* The `timeout` of several waits together, of Semaphore.acquire say: the same, but NaN is refused on every version. */
int deadline_from_total_timeout(PyObject *timeout, int64_t *deadline);

/* The `blocking` and `timeout` of Lock.acquire; NULL: not given. Sets the deadline: PARK_FOREVER, or 0 for a call that
 * must not wait. Returns -1 with an exception set. */
int deadline_from_lock_arguments(PyObject *blocking, PyObject *timeout, int64_t *deadline);

#endif
