/* The `_cond` of Event, Semaphore and Barrier: the standard library's have a Condition there, and some programs use it.
 *
 * Ours need none. The attribute makes one when it is first read, and keeps it in the object's __dict__; from then on
 * whatever changes the object notifies it too, so that code which waits on it, or changes the object under it, works. */
#ifndef SYNC_PRIVATE_CONDITION_H
#define SYNC_PRIVATE_CONDITION_H

#include "../module.h"
#include "../park/waitqueue.h"
#include "object.h"

/* The getter of `_cond`, and its closure: where the object's own queue is. Who waits there is in `_cond._waiters`. */
PyObject *private_condition_get(PyObject *self, void *closure);
#define PRIVATE_CONDITION(struct_type, queue) ((void *)offsetof(struct_type, queue))

/* Makes a Condition over a new Lock that belongs to the owner. In condition.c. NULL with an exception set. */
PyObject *condition_make_private(module_state *state, PyObject *owner, waitqueue *queue);

/* Notifies all who wait on it, running no Python code meanwhile. In condition.c. Something else that has been put in
 * the place of `_cond` is left alone. Returns 0, or -1 with the exception that a signal handler raised. */
int condition_notify_private(PyObject *condition);

/* The slow halves of the functions below. */
int private_condition_notify_slow(PyObject *self);
int private_condition_at_fork_reinit_slow(PyObject *self);

/* Notifies all who wait on the object's `_cond`, if it has been made. Returns 0, or -1 with an exception set. */
static inline int
private_condition_notify(PyObject *self, waitqueue *queue)
{
    /* Relaxed: only whether there is one. It is looked for again, with the object locked, where it is used. */
    return atomic_load_explicit(&queue->observed, memory_order_relaxed) ? private_condition_notify_slow(self) : 0;
}

/* Reinitializes the object's `_cond`, if it has been made. Returns 0, or -1 with an exception set. */
static inline int
private_condition_at_fork_reinit(PyObject *self, waitqueue *queue)
{
    return atomic_load_explicit(&queue->observed, memory_order_relaxed) ? private_condition_at_fork_reinit_slow(self)
                                                                        : 0;
}

#endif
