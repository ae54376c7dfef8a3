/* How one thread sleeps and another wakes it: the seam to the operating system.
 *
 * A parker belongs to one thread at a time. It holds at most one token: unpark leaves it, park takes it, waiting for it
 * if it has to. So an unpark that comes before the park is not lost, and two unparks before one park count once.
 * park may also return without a token (a spurious wake): whoever parks checks in a loop what it waits for.
 *
 * Nothing here includes Python.h. Choose the backend with PARK_BACKEND_FUTEX or PARK_BACKEND_PTHREAD; without either it
 * is futex on Linux and pthread elsewhere. */
#ifndef PARK_PARK_H
#define PARK_PARK_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>
#include <time.h>

#if !defined(PARK_BACKEND_FUTEX) && !defined(PARK_BACKEND_PTHREAD)
#ifdef __linux__
#define PARK_BACKEND_FUTEX 1
#else
#define PARK_BACKEND_PTHREAD 1
#endif
#endif

#ifdef PARK_BACKEND_FUTEX
#define PARK_BACKEND "futex"
/* A signal interrupts a futex wait, but for one that comes after the last look for signals and before the wait. */
#define PARK_SLICE INT64_C(500000000)
#define PARK_SLICE_AFTER_LOOKING INT64_C(10000000)
typedef struct {
    _Atomic uint32_t word;
} parker;
#else
#include <pthread.h>
#define PARK_BACKEND "pthread"
/* No signal interrupts pthread_cond_wait. Short enough that Ctrl-C feels immediate, long enough to cost nothing. */
#define PARK_SLICE INT64_C(10000000)
#define PARK_SLICE_AFTER_LOOKING PARK_SLICE
typedef struct {
    pthread_mutex_t mutex;
    pthread_cond_t condition;
    bool token;
    bool sleeps;
} parker;
#endif

/* Deadlines and times are in nanoseconds. */
#define PARK_SECOND INT64_C(1000000000)

/* A deadline that never comes. */
#define PARK_FOREVER INT64_MAX

typedef enum {
    PARK_UNPARKED,    /* took the token, or a spurious wake */
    PARK_TIMED_OUT,   /* the deadline passed, no token */
    PARK_INTERRUPTED, /* a signal handler ran in this thread, or may have: no token */
} park_result;

/* The monotonic clock that deadlines are told in, nanoseconds. */
int64_t park_now(void);

/* The same clock, as it was some milliseconds ago at most: for a fraction of the price. */
int64_t park_now_roughly(void);

/* The time so many nanoseconds later, neither of them negative; PARK_FOREVER if there is no such time. Whatever computes
 * a deadline does it by this. */
static inline int64_t
park_later(int64_t time, int64_t nanoseconds)
{
    return nanoseconds > PARK_FOREVER - time ? PARK_FOREVER : time + nanoseconds;
}

/* When to wake the calling thread, which is to sleep until the deadline: a signal may come without waking it. The thread
 * that signals are delivered to, the main thread, sleeps in slices of PARK_SLICE, and takes the end of each for a
 * possible interrupt; every other thread sleeps in one piece. */
int64_t park_slice_end(int64_t deadline);

/* The calling thread has looked for a token for a while, in which nothing notices a signal. So the first slice of its
 * next sleep is a short one. */
void park_has_looked(void);

/* In a child after a fork, in its only thread: that is the one that gets signals now. */
void park_after_fork(void);

/* The operating system has refused to let the calling thread sleep, for a reason that nobody here knows: lets a moment
 * pass, so that asking again and again takes little, and says how the park has ended then. */
park_result park_refused(int64_t deadline);

/* The deadline as the operating system takes it. */
void park_deadline_to_timespec(int64_t deadline, struct timespec *until);

/* Makes a parker without a token. Before any other call, once. Returns 0, or an errno value. */
int parker_init(parker *self);

/* In a child after a fork, in its only thread: makes it anew, as a thread that is not here may have been in the middle of
 * parking or unparking. There is a token afterwards: that one's may have been on its way. */
void parker_renew(parker *self);

/* Throws a token away, if there is one. Only its own thread, and not while parked. */
void parker_reset(parker *self);

/* Whether there is a token now. Only its own thread. */
bool parker_has_token(parker *self);

/* Whether its thread sleeps, waiting for a token: a hint. Any thread. */
bool parker_sleeps(parker *self);

/* Waits for a token until the deadline. Only its own thread. */
park_result parker_park(parker *self, int64_t deadline);

/* Leaves a token and wakes the thread if it is parked. Any thread, at any time while the parker's memory exists. */
void parker_unpark(parker *self);

#endif
