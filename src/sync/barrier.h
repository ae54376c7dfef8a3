/* What barriers for threads have in common with those for threads and tasks. */
#ifndef SYNC_BARRIER_H
#define SYNC_BARRIER_H

#include "../compat.h"

/* Converts the argument `parties`. Returns -1 with an exception set if it is not a whole number, at least one. */
int barrier_parties(PyObject *value, int64_t *parties);

/* Calls the action, unless it is false. Returns 0, or -1 with an exception set. */
int barrier_call_action(PyObject *action);

/* What follows the address in the repr: a new reference. Through the properties, which a subclass may have replaced. */
PyObject *barrier_describe(PyObject *self);

#endif
