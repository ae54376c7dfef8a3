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
 * A thread on its way waits a moment, looking, for the one that has the interpreter to let go of it: who asks for it
 * earlier sleeps until it is handed over by the kernel, which takes far longer than most turns.
 *
 * All of this is for the threads of one interpreter, which guards it: every function but admission_let_go and
 * admission_approach is called by the thread that has it. Free-threaded, there is nothing to come for. */
#ifndef PARK_ADMISSION_H
#define PARK_ADMISSION_H

#include "waiter.h"

/* Wakes the waiter, or puts that off. */
void admission_wake(waiter *w);

/* The caller is about to let go of the interpreter and sleep. Returns whom to wake then, for admission_let_go. */
waiter *admission_sleep(waiter *w);

/* The same where the caller comes to its end. */
waiter *admission_leave(void);

/* How many are on their way, each of which could do with a core. */
int admission_on_their_way(void);

/* The caller has let go of the interpreter, in order to wait. */
void admission_let_go(waiter *next);

/* The caller is about to ask for the interpreter: gives who has it a moment to let go. Returns the time. */
int64_t admission_approach(void);

/* The caller has the interpreter, after it has waited for it for so many nanoseconds. */
void admission_arrive(waiter *w, int64_t waited);

/* The waiter's thread does not come, after all. Without the interpreter. */
void admission_give_up(waiter *w);

/* The same for a new thread. */
void admission_enter(int64_t waited);

/* The interpreter begins; no other thread has anything to do with it. */
void admission_begin(void);

/* The interpreter is at its end: those on their way may never arrive. From now on nobody is put off. */
void admission_end(void);

/* In a child after a fork, in its only thread, which has the interpreter. */
void admission_after_fork(void);

#endif
