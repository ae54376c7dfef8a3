/* A FIFO of waiters. Intrusive: a waiter is in at most one, and adding one allocates nothing.
 *
 * A ring, known by its last: 16 bytes in every object that can be waited for. All functions but lock want the queue
 * locked. After a fork, the threads of all waiters but the forking thread's own are gone: the first to lock the queue
 * rebuilds it from what is left. */
#ifndef PARK_WAITQUEUE_H
#define PARK_WAITQUEUE_H

#include <stddef.h>

#include "guard.h"
#include "waiter.h"

typedef struct waitqueue {
    waiter *last;        /* last->next is the first; NULL: empty */
    uint32_t generation; /* in which it was last filled from empty */
    guard guard;
} waitqueue;

void waitqueue_rebuild(waitqueue *self);

static inline void
waitqueue_lock(waitqueue *self)
{
    guard_lock(&self->guard);
    if (self->last != NULL && self->generation != waiter_generation) {
        waitqueue_rebuild(self);
    }
}

static inline void
waitqueue_unlock(waitqueue *self)
{
    guard_unlock(&self->guard);
}

static inline waiter *
waitqueue_first(const waitqueue *self)
{
    return self->last == NULL ? NULL : self->last->next;
}

static inline bool
waitqueue_has(waitqueue *self, waiter *w)
{
    return atomic_load_explicit(&w->queue, memory_order_relaxed) == self;
}

/* Adds a waiter that is in no queue, at the end. */
static inline void
waitqueue_add(waitqueue *self, waiter *w)
{
    if (self->last == NULL) {
        self->generation = waiter_generation;
        w->next = w->previous = w;
    }
    else {
        waiter *first = self->last->next;
        w->previous = self->last;
        w->next = first;
        self->last->next = w;
        first->previous = w;
    }
    self->last = w;
    atomic_store_explicit(&w->queue, self, memory_order_relaxed);
}

/* Adds a waiter that is in no queue, at the front. */
static inline void
waitqueue_add_first(waitqueue *self, waiter *w)
{
    waiter *last = self->last;
    waitqueue_add(self, w);
    if (last != NULL) {
        self->last = last;
    }
}

/* Takes a waiter out of this queue, where it is. */
static inline void
waitqueue_remove(waitqueue *self, waiter *w)
{
    if (w->next == w) {
        self->last = NULL;
    }
    else {
        w->previous->next = w->next;
        w->next->previous = w->previous;
        if (self->last == w) {
            self->last = w->previous;
        }
    }
    atomic_store_explicit(&w->queue, NULL, memory_order_relaxed);
}

/* How many wait. */
size_t waitqueue_count(const waitqueue *self);

/* Takes all waiters out. Returns the first, linked by `next` and ended by NULL, for waiters_grant once the queue is
 * unlocked. Until then a waiter that finds itself in no queue and not GRANTED is about to be. */
waiter *waitqueue_take_all(waitqueue *self);

/* Tells one waiter, in no queue, that it has what it waits for, and wakes it. It must not be touched afterwards. */
void waiter_grant(waiter *w, int outcome);

/* The same for all that waitqueue_take_all returned. */
void waiters_grant(waiter *first, int outcome);

#endif
