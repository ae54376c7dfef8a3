/* A FIFO of waiters. Intrusive: a waiter is in at most one, and adding one allocates nothing.
 *
 * A ring, known by its last: 16 bytes in every object that can be waited for. All functions but lock want the queue
 * locked. After a fork, the threads of all waiters but the forking thread's own are gone: the queues that it waits in are
 * rebuilt at the fork; any other is found to be of another generation by the first to lock it, and is empty. */
#ifndef PARK_WAITQUEUE_H
#define PARK_WAITQUEUE_H

#include <stddef.h>

#include "guard.h"
#include "waiter.h"

typedef struct waitqueue {
    waiter *_Atomic last; /* last->next is the first; NULL: empty */
    uint32_t generation;  /* in which it was last filled from empty */
    guard guard;
    _Atomic bool observed; /* for the owner: more than the waiters here is to hear of what changes */
} waitqueue;

/* Relaxed, as the next: guarded by the queue, whose lock has the order. Atomic for those who only ask whether somebody
 * waits (waitqueue_is_empty). */
static inline waiter *
waitqueue_last(const waitqueue *self)
{
    return atomic_load_explicit(&self->last, memory_order_relaxed);
}

static inline void
waitqueue_set_last(waitqueue *self, waiter *last)
{
    atomic_store_explicit(&self->last, last, memory_order_relaxed);
}

/* Whether nobody waits. Also without locking the queue, for those before whom every waiter joins it under another lock
 * that the caller holds. */
static inline bool
waitqueue_is_empty(const waitqueue *self)
{
    return waitqueue_last(self) == NULL;
}

static inline void
waitqueue_lock(waitqueue *self)
{
    guard_lock(&self->guard);
    if (!waitqueue_is_empty(self) && self->generation != waiter_generation) {
        waitqueue_set_last(self, NULL);
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
    waiter *last = waitqueue_last(self);
    return last == NULL ? NULL : last->next;
}

/* `queue` is relaxed everywhere: it is set and cleared with that queue locked, and compared with a queue that is. Atomic
 * for the waiter's own thread, which looks when its waiter may just be moved from one queue to another. */
static inline bool
waitqueue_has(waitqueue *self, waiter *w)
{
    return atomic_load_explicit(&w->queue, memory_order_relaxed) == self;
}

/* Adds a waiter that is in no queue, at the end. */
static inline void
waitqueue_add(waitqueue *self, waiter *w)
{
    waiter *last = waitqueue_last(self);
    if (last == NULL) {
        self->generation = waiter_generation;
        w->next = w->previous = w;
    }
    else {
        w->previous = last;
        w->next = last->next;
        last->next->previous = w;
        last->next = w;
    }
    waitqueue_set_last(self, w);
    atomic_store_explicit(&w->queue, self, memory_order_relaxed);
}

/* Adds a waiter that is in no queue, at the front. */
static inline void
waitqueue_add_first(waitqueue *self, waiter *w)
{
    waiter *last = waitqueue_last(self);
    waitqueue_add(self, w);
    if (last != NULL) {
        waitqueue_set_last(self, last);
    }
}

/* Takes a waiter out of this queue, where it is. */
static inline void
waitqueue_remove(waitqueue *self, waiter *w)
{
    if (w->next == w) {
        waitqueue_set_last(self, NULL);
    }
    else {
        w->previous->next = w->next;
        w->next->previous = w->previous;
        if (waitqueue_last(self) == w) {
            waitqueue_set_last(self, w->previous);
        }
    }
    atomic_store_explicit(&w->queue, NULL, memory_order_relaxed);
}

/* Locks the queue and takes the waiter out, if it is in it. Returns whether it was. */
static inline bool
waitqueue_leave(waitqueue *self, waiter *w)
{
    waitqueue_lock(self);
    bool waiting = waitqueue_has(self, w);
    if (waiting) {
        waitqueue_remove(self, w);
    }
    waitqueue_unlock(self);
    return waiting;
}

/* In a child after a fork, in its only thread: of each queue that it waits in, its own waits are left. */
void waitqueues_after_fork(void);

/* How many wait. */
size_t waitqueue_count(const waitqueue *self);

/* Takes all waiters out. Returns the first, linked by `next` and ended by NULL, for waiters_grant once the queue is
 * unlocked. Until then a waiter that finds itself in no queue and not GRANTED is about to be. */
waiter *waitqueue_take_all(waitqueue *self);

/* Wakes a waiter, which may be in a queue, to look at how things stand. */
void waiter_wake(waiter *w);

/* Tells one waiter, in no queue, that it has what it waits for, and wakes it. It must not be touched afterwards. */
void waiter_grant(waiter *w, int outcome);

/* The same for all that waitqueue_take_all returned; and for these with the outcomes that they have. */
void waiters_grant(waiter *first, int outcome);
void waiters_grant_each(waiter *first);

#endif
