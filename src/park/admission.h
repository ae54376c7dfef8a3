/* How many of the threads that are woken may come for the interpreter at once.
 *
 * With a GIL, a thread that is woken can do nothing before it has the interpreter. If a hundred are woken together, they
 * all come for it, find it taken, and sleep again: each is woken twice, by way of the kernel, and each change of hands
 * waits for another core to wake up. So a few only are woken: one that takes over and one behind it, which gets ready
 * meanwhile. The others are put off: each thread that has got the interpreter wakes the next. (The idea is that of Dice
 * and Kogan, "Avoiding Scalability Collapse by Restricting Concurrency", 2019.)
 *
 * Nobody is forgotten: somebody is put off only while another is on its way to the interpreter, and whoever arrives
 * there wakes the next. Who is put off and comes by itself, because of a timeout or a signal, is taken off the list.
 *
 * Those on their way have tickets, numbered one after the other, and are not counted: who is on its way is what lies
 * between the latest ticket and the latest that has arrived. So one that never arrives, or late, holds a place only until
 * one that was sent after it arrives. If nobody has arrived for some milliseconds, those who are out count no more; that
 * is looked at by whoever wakes another or lets go of the interpreter, and, while there are any put off, by one of those
 * that wait, which sleeps for no longer than that.
 *
 * A thread on its way waits a moment, looking, for the one that has the interpreter to let go of it: who asks for it
 * earlier sleeps until it is handed over by the kernel, which takes far longer than most turns.
 *
 * Where those who are sent take long to come, because other programs keep the cores busy, many are sent at once: one after
 * the other would wait for its turn of a core, and the interpreter with it.
 *
 * All of this is for the threads of one interpreter, which guards it: every function but admission_let_go and
 * admission_approach is called by the thread that has it. Free-threaded, there is nothing to come for. */
#ifndef PARK_ADMISSION_H
#define PARK_ADMISSION_H

#include "waiter.h"

/* How many come at once where that is better than one after the other. Not all: thousands would be in each other's way. */
#define ADMISSION_IN_LINE 128

#ifndef PARK_FREE_THREADED

/* The interpreter begins; no other thread has anything to do with it. */
void admission_begin(void);

/* The interpreter is at its end: those on their way may never arrive. From now on nobody is put off. */
void admission_end(void);

/* In a child after a fork, in its only thread, which has the interpreter. */
void admission_after_fork(void);

/* The waiter is to come. Returns whether the caller is to unpark it: else that is put off. */
bool admission_lets_come(waiter *w);

/* The caller is about to let go of the interpreter and sleep; or to come to its end. Returns whom to wake then, for
 * admission_let_go. */
waiter *admission_sleep(waiter *w);
waiter *admission_leave(void);

/* Follows admission_sleep. When the caller is to wake by itself, to see to those that are put off; the deadline, if that
 * comes first or others do so. */
int64_t admission_watch(waiter *w, int64_t deadline);

/* The caller has let go of the interpreter. */
void admission_let_go(waiter *next);

/* Whether those who are sent take long to come, as something else keeps the cores busy. */
bool admission_is_slow(void);

/* How many are on their way. */
int admission_on_their_way(void);

/* The caller gives who has the interpreter a moment to let go, and then asks for it: one of the next two follows.
 * Returns the time. */
int64_t admission_approach(void);

/* The caller, a thread that has slept, or a new one, has the interpreter now, which it has asked for then. */
void admission_arrive(waiter *w, int64_t asked, int64_t now);
void admission_enter(int64_t asked, int64_t now);

/* How many threads are asking for the interpreter. */
extern atomic_int admission_asking;

/* Some are asking. Whether that has been so for long: the caller, which has the interpreter, had better let go then. */
bool admission_is_due(void);

/* The caller has let go for others: gives them a moment to take the interpreter. */
void admission_wait_for_taker(void);

#else

static inline bool
admission_lets_come(waiter *w)
{
    (void)w;
    return true;
}

static inline int64_t
admission_watch(waiter *w, int64_t deadline)
{
    (void)w;
    return deadline;
}

static inline waiter *
admission_leave(void)
{
    return NULL;
}

static inline waiter *
admission_sleep(waiter *w)
{
    (void)w;
    return NULL;
}

static inline bool
admission_is_slow(void)
{
    return false;
}

static inline int
admission_on_their_way(void)
{
    return 0;
}

static inline void
admission_let_go(waiter *next)
{
    (void)next;
}

static inline int64_t
admission_approach(void)
{
    return 0;
}

static inline void
admission_enter(int64_t asked, int64_t now)
{
    (void)asked, (void)now;
}

static inline void
admission_arrive(waiter *w, int64_t asked, int64_t now)
{
    (void)w, (void)asked, (void)now;
}

static inline void
admission_begin(void)
{
}

static inline void
admission_end(void)
{
}

static inline void
admission_after_fork(void)
{
}

#endif

#endif
