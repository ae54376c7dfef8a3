/* What barriers for threads have in common with those for threads and tasks. */
#ifndef SYNC_BARRIER_H
#define SYNC_BARRIER_H

#include "wait.h"

/* Converts the argument `parties`. Returns -1 with an exception set if it is not a whole number, at least one. */
int barrier_parties(PyObject *value, int64_t *parties);

/* Calls the action, unless it is false. Returns 0, or -1 with an exception set. */
int barrier_call_action(PyObject *action);

/* A thread that comes while another one runs the action waits among the newcomers until that is over. It joins them with
 * the barrier locked, and waits with it unlocked: returns 0, or -1 with an exception set; so it does for the NULL that the
 * first returns. */
waiter *barrier_join_newcomers(PyObject *self, waitqueue *newcomers);
int barrier_wait_for_action(waiter *w, waitqueue *newcomers);

/* But for the thread that runs the action: it would wait for itself. Returns NULL. */
PyObject *barrier_raise_own_action(void);

/* What follows the address in the repr: a new reference. Through the properties, which a subclass may have replaced. */
PyObject *barrier_describe(PyObject *self);

#endif
