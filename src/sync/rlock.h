/* RLock, as Condition sees it. */
#ifndef SYNC_RLOCK_H
#define SYNC_RLOCK_H

#include "permits.h"

typedef struct {
    PyObject_HEAD
    PyObject *weakrefs;
    permits permits; /* one, or none: owned */
    word owner; /* the owning thread's ident; 0: none. Written by the owner only, so equal to its own only for it */
    word count; /* how often the owner has taken it */
} rlock_object;

/* Makes a new one. NULL with an exception set. */
PyObject *rlock_make(PyTypeObject *type);

/* What calling the type does. */
PyObject *rlock_vectorcall(PyObject *callable, PyObject *const *args, size_t flags, PyObject *keywords);

/* Sets the error of releasing one that the calling thread does not own. */
void rlock_raise_not_owned(void);

static inline bool
rlock_is_owned(rlock_object *self)
{
    return word_load(&self->owner) == (int64_t)thread_ident();
}

/* The permit has just been taken: makes the calling thread the owner. */
static inline void
rlock_own(rlock_object *self, int64_t count)
{
    word_store(&self->count, count);
    word_store(&self->owner, (int64_t)thread_ident());
}

/* Takes it, or once more, if that can be done at once. Else rlock_take tells why not. */
static inline bool
rlock_try(rlock_object *self)
{
    if (rlock_is_owned(self)) {
        word_store(&self->count, word_load(&self->count) + 1);
        return true;
    }
    bool taken = permits_try_lock(&self->permits);
    if (taken) {
        rlock_own(self, 1);
    }
    return taken;
}

/* Takes it, once more if the calling thread owns it, waiting for so many nanoseconds. Returns 1; 0: timed out; -1 with
 * an exception set. */
static inline int
rlock_take(rlock_object *self, int64_t wait)
{
    if (rlock_try(self)) {
        return 1;
    }
    int taken = permits_lock(&self->permits, wait, WAIT_ACQUIRE, (PyObject *)self);
    if (taken == 1) {
        rlock_own(self, 1);
    }
    return taken;
}

/* Gives it up however often it was taken. The calling thread owns it. Returns how often it was, for rlock_own. */
static inline int64_t
rlock_give_all(rlock_object *self)
{
    int64_t count = word_load(&self->count);
    word_store(&self->count, 0);
    word_store(&self->owner, 0);
    permits_unlock(&self->permits);
    return count;
}

/* Gives it up once. Returns false if the calling thread does not own it. */
static inline bool
rlock_give(rlock_object *self)
{
    if (!rlock_is_owned(self)) {
        return false;
    }
    int64_t count = word_load(&self->count);
    if (count > 1) {
        word_store(&self->count, count - 1);
    }
    else {
        rlock_give_all(self);
    }
    return true;
}

#endif
