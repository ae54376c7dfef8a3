/* OS threads that are kept for a moment when their work has ended, and used again for threads that are started.
 *
 * It is a choice of the program's (cthreading.reuse_threads), because it can be noticed: what C code has put into an OS
 * thread stays there, such as thread_local variables, and two threads have one native id, one after the other. All that
 * this can see to is as in a new thread: the thread state, the signal mask, the name; and a thread is used again only
 * where a new one would have the same stack size, cores and priority.
 *
 * How many are kept and for how long is bounded. Before a fork all are ended: none is there to be warned about.
 *
 * A record is one such OS thread. Idle ones are in one list, guarded by one mutex, which is held across fork. */
#ifndef THREAD_REUSE_H
#define THREAD_REUSE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "handle.h"

typedef struct reusable reusable;

/* Once, before anything else. Returns 0 or an errno value. */
int reuse_setup(void);

/* Changes how many are kept at most, and for how many nanoseconds, and ends those that are idle. With a thread state
 * attached, which it detaches meanwhile. */
void reuse_set_limits(int maximum, int64_t keep_alive);

/* An idle thread that is like a new one that the calling thread would start, or NULL. It is the caller's, which gives it
 * a handle by reuse_assign. */
reusable *reuse_take(void);

/* A record for an OS thread that the calling thread is about to create; NULL where threads are not kept, or without
 * memory: then it ends with its work. */
reusable *reuse_new(void);

/* Undoes reuse_new: no thread has come of it. */
void reuse_free(reusable *self);

/* Makes the handle that of the idle thread, which waits for it to have an order. */
void reuse_assign(reusable *self, thread_handle *handle);

/* Its handle is about to get an order, to call something or not: whom to wake by waiter_wake afterwards. The record may
 * be gone then. The caller keeps its interpreter from here until it has woken it. */
waiter *reuse_get_ready(reusable *self, bool call);

/* In the OS thread itself: at its very beginning; */
void reuse_begin(reusable *self);

/* when its work has ended, before anybody is told: it can be used again from then on; */
void reuse_offer(reusable *self);

/* and then: waits for other work. Returns a handle with an order, or NULL: the OS thread is to end, and the record is
 * gone. */
thread_handle *reuse_wait(reusable *self);

/* The thread has its interpreter now, which it has asked for then. */
void reuse_arrive(reusable *self, int64_t asked, int64_t now);

/* It does not come for the interpreter: its order is not to, or there is no memory. */
void reuse_stay_out(reusable *self);

/* Before a fork, and after it in the parent: from then on no thread is kept, and those that are idle have ended. */
void reuse_before_fork(void);
void reuse_after_fork(void);

#endif
