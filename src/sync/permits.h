/* Permits: the state machine under Lock, RLock and Semaphore. A lock is one permit.
 *
 *     word:  63 ........................... 2  1     0
 *            permits that can be taken         LOCK  CONTENDED: somebody is, or may be, in the queue
 *            for a lock that is taken: less
 *            the number of who has it
 *
 * Taking and giving a permit is a load, a test and a store (a compare-and-swap when free-threaded) as long as nobody
 * waits. Taking a lock is a subtraction of the thread's mark (waiter.h), which is more than a free lock's word and less, as
 * a number without a sign, than that of one that is taken: so the borrow tells. Who finds no permit joins the queue and
 * parks. Two rules:
 *
 * - Barging. A permit that is given back can be taken by whoever comes first; the first in the queue is woken and tries
 *   again, still in its place. While there are permits, as many of the first waiters as there are permits are WOKEN:
 *   all that change the permits or the queue keep this true, so no wake is lost. A waiter that leaves, because of a
 *   timeout or an exception, wakes those that it stood for. (A single permit that is for any may have the last waiter
 *   WOKEN instead, which stands for all others then.)
 * - Hand-over. A waiter that has waited for PERMITS_FAIR_AFTER is given the next permit directly: nobody starves. Those
 *   that a condition sends are only counted as waiting once they were woken for a permit that was gone by then: they all
 *   come at once, and while one that is given the permit waits for the GIL, nobody else could have it.
 *
 * A waiter leaves the queue while it runs signal handlers: these may wait for a thread that stands behind it. */
#ifndef SYNC_PERMITS_H
#define SYNC_PERMITS_H

#include "timeout.h"
#include "wait.h"

typedef struct {
    word word;
    waitqueue queue;
} permits;

#define PERMITS_CONTENDED 1
#define PERMITS_LOCK 2 /* there is one, and who has it is in the word */
#define PERMITS_ONE 4
/* Half of what the word can hold: adding two of these does not overflow. */
#define PERMITS_MAX (INT64_MAX / PERMITS_ONE / 2)
/* Nanoseconds. As CPython's PyMutex and WebKit's locks have it. */
#define PERMITS_FAIR_AFTER 1000000

/* Once, before the first wait. */
void permits_setup(void);

/* The slow halves of the functions below. */
int permits_take_slow(permits *self, int64_t wait, int64_t limit, wait_operation operation, PyObject *object);
bool permits_give_slow(permits *self, int64_t count, int64_t limit);
bool permits_give_to_any_slow(permits *self, int64_t count, int64_t limit);
int permits_lock_slow(permits *self, int64_t wait, wait_operation operation, PyObject *object);

static inline void
permits_init(permits *self, int64_t count)
{
    word_store(&self->word, count * PERMITS_ONE);
}

/* How many can be taken. */
static inline int64_t
permits_count(permits *self)
{
    int64_t seen = word_load(&self->word);
    return seen < PERMITS_ONE ? 0 : seen / PERMITS_ONE;
}

/* Takes one if there is one. Not of a lock. */
static inline bool
permits_try_take(permits *self)
{
    for (;;) {
        int64_t seen = word_load(&self->word);
        if (seen < PERMITS_ONE) {
            return false;
        }
        if (word_replace(&self->word, seen, seen - PERMITS_ONE)) {
            return true;
        }
    }
}

/* Takes one, waiting for it for so many nanoseconds: 0 does not wait, PARK_FOREVER has no limit. `limit` is how many
 * there can be, as in permits_give. The wait is told as this operation on the object. Returns 1; 0 when the time is over;
 * -1 with the exception that a signal handler raised, and none taken. */
static inline int
permits_take(permits *self, int64_t wait, int64_t limit, wait_operation operation, PyObject *object)
{
    return permits_try_take(self) ? 1 : wait == 0 ? 0 : permits_take_slow(self, wait, limit, operation, object);
}

static inline bool
permits_give_by(permits *self, int64_t count, int64_t limit, bool (*give_slow)(permits *, int64_t, int64_t))
{
    for (;;) {
        int64_t seen = word_load(&self->word);
        if (seen & PERMITS_CONTENDED) {
            return give_slow(self, count, limit);
        }
        if (seen / PERMITS_ONE > limit - count) {
            return false;
        }
        if (word_replace(&self->word, seen, seen + count * PERMITS_ONE)) {
            return true;
        }
    }
}

/* Gives back, or adds, `count` of them, if there are no more than `limit` then, which is at most PERMITS_MAX.
 * Returns whether it did. */
static inline bool
permits_give(permits *self, int64_t count, int64_t limit)
{
    return permits_give_by(self, count, limit, permits_give_slow);
}

/* The same, where it does not matter which of those that wait gets one. */
static inline bool
permits_give_to_any(permits *self, int64_t count, int64_t limit)
{
    return permits_give_by(self, count, limit, permits_give_to_any_slow);
}

/* Locks: the same for one permit. */

static inline void
permits_init_lock(permits *self)
{
    word_store(&self->word, PERMITS_ONE | PERMITS_LOCK);
}

static inline bool
permits_is_locked(permits *self)
{
    return word_load(&self->word) < PERMITS_ONE;
}

/* Takes the lock if it is free and the thread has a number. */
static inline bool
permits_try_lock(permits *self)
{
    for (;;) {
        int64_t seen = word_load(&self->word);
        uint64_t wanted;
        if (!__builtin_sub_overflow((uint64_t)seen, waiter_mark, &wanted)) {
            return false;
        }
        if (word_replace(&self->word, seen, (int64_t)wanted)) {
            return true;
        }
    }
}

/* As permits_take. */
static inline int
permits_lock(permits *self, int64_t wait, wait_operation operation, PyObject *object)
{
    if (permits_try_lock(self)) {
        return 1;
    }
    return wait == 0 && permits_is_locked(self) ? 0 : permits_lock_slow(self, wait, operation, object);
}

/* Returns false if it is not locked. */
static inline bool
permits_unlock(permits *self)
{
    for (;;) {
        int64_t seen = word_load(&self->word);
        if (seen & PERMITS_CONTENDED) {
            return permits_give_slow(self, 1, 1);
        }
        if (seen >= PERMITS_ONE) {
            return false;
        }
        if (word_replace(&self->word, seen, PERMITS_ONE | PERMITS_LOCK)) {
            return true;
        }
    }
}

typedef enum {
    PERMITS_NO_HANDLERS,  /* signal handlers do not run */
    PERMITS_RUN_HANDLERS, /* they run when a signal comes */
    PERMITS_HANDLERS_DUE, /* the same, and one has come already */
} permits_handlers;

/* Takes one, whatever happens: an exception that a signal handler raises is kept until then. The waiter `w` is in this
 * queue, WAITING in none, or GRANTED a permit. Returns 0, or -1 with the exception set. */
int permits_take_always(permits *self, waiter *w, int64_t limit, permits_handlers handlers);

/* Puts a waiter that is in no queue in this one: whoever gives a permit wakes it. */
void permits_join(permits *self, waiter *w);

/* Makes it `count` permits, 1 for a lock, and wakes accordingly. */
void permits_set(permits *self, int64_t count);

#endif
