/* Condition, as a queue of items sees it: three over one Lock that the queue takes and gives by itself. */
#ifndef SYNC_CONDITION_H
#define SYNC_CONDITION_H

#include "../module.h"
#include "../park/waitqueue.h"

/* Makes a Condition over the Lock. NULL with an exception set. */
PyObject *condition_make(module_state *state, PyObject *lock);

/* Where its waiters are: for waitqueue_is_empty, with its lock held. */
waitqueue *condition_waiters(PyObject *condition);

/* The lock is held. Waits to be notified, which is told as this operation on the object. Returns 1 when notified, 0 when
 * the deadline passed, -1 with the exception that a signal handler raised; the lock is held again. */
int condition_wait_held(PyObject *condition, int64_t deadline, wait_operation operation, PyObject *object);

/* The lock is held. Notifies all: they get it one by one. */
void condition_notify_all_held(PyObject *condition);

#endif
