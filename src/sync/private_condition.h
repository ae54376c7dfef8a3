/* The `_cond` of Event, Semaphore and Barrier: the standard library's have a Condition there, and some programs use it.
 *
 * Ours need none. The attribute makes one when it is first read, and keeps it in the object's __dict__; from then on
 * whatever changes the object notifies it too, so that code which waits on it, or changes the object under it, works. */
#ifndef SYNC_PRIVATE_CONDITION_H
#define SYNC_PRIVATE_CONDITION_H

#include "../compat.h"

/* The getter of `_cond`. */
PyObject *private_condition_get(PyObject *self, void *closure);

/* The slow half of private_condition_notify. */
int private_condition_notify_slow(PyObject *dict);

/* Notifies all who wait on the object's `_cond`, if it has been made. Returns 0, or -1 with an exception set. */
static inline int
private_condition_notify(PyObject *dict)
{
    return dict == NULL ? 0 : private_condition_notify_slow(dict);
}

#endif
