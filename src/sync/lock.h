/* Lock, as Condition sees it. */
#ifndef SYNC_LOCK_H
#define SYNC_LOCK_H

#include "permits.h"

typedef struct {
    PyObject_HEAD
    PyObject *weakrefs;
    permits permits; /* one, or none: locked */
} lock_object;

/* What calling the type does. */
PyObject *lock_vectorcall(PyObject *type, PyObject *const *args, size_t flags, PyObject *keywords);

/* Sets the error of releasing one that is not locked. */
void lock_raise_unlocked(void);

static inline bool
lock_is_locked(lock_object *self)
{
    return permits_is_locked(&self->permits);
}

/* Takes the lock if that can be done at once. Else lock_take tells why not. */
static inline bool
lock_try(lock_object *self)
{
    return permits_try_lock(&self->permits);
}

/* Takes the lock if it is free. */
static inline bool
lock_take_now(lock_object *self)
{
    return !lock_is_locked(self) && (lock_try(self) || permits_lock_slow(&self->permits, 0, WAIT_ACQUIRE, NULL));
}

/* Takes the lock, waiting for so many nanoseconds. Returns 1; 0: timed out; -1: a signal handler raised. */
static inline int
lock_take(lock_object *self, int64_t wait)
{
    return permits_lock(&self->permits, wait, WAIT_ACQUIRE, (PyObject *)self);
}

/* Unlocks. Returns false if it is not locked. */
static inline bool
lock_give(lock_object *self)
{
    return permits_unlock(&self->permits);
}

#endif
