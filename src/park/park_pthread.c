/* Parking on a pthread mutex and condition variable: any POSIX system. See park.h.
 *
 * pthread_cond_wait does not return when a signal handler has run. So the thread that signals are delivered to, the
 * main thread, sleeps in slices of INTERRUPT_SLICE and reports each end of one as a possible interrupt; every other
 * thread sleeps in one piece. */
#ifndef _GNU_SOURCE
#define _GNU_SOURCE /* syscall */
#endif
#include "park.h"

#ifdef PARK_BACKEND_PTHREAD

#include <errno.h>
#include <time.h>
#include <unistd.h>
#ifdef __linux__
#include <sys/syscall.h>
#endif

#define NANOSECONDS 1000000000
/* Short enough that Ctrl-C feels immediate, long enough to cost nothing. */
#define INTERRUPT_SLICE (10 * 1000000)

int64_t
park_now(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (int64_t)now.tv_sec * NANOSECONDS + now.tv_nsec;
}

/* Whether the process's signals are delivered to this thread first. */
static bool
receives_signals(void)
{
#if defined(__linux__)
    return syscall(SYS_gettid) == getpid();
#elif defined(__APPLE__) || defined(__FreeBSD__) || defined(__OpenBSD__) || defined(__NetBSD__)
    extern int pthread_main_np(void);
    return pthread_main_np() != 0;
#else
    return true;
#endif
}

int
parker_init(parker *self)
{
    self->token = false;
    int error = pthread_mutex_init(&self->mutex, NULL);
    if (error != 0) {
        return error;
    }
#ifdef __APPLE__
    error = pthread_cond_init(&self->condition, NULL);
#else
    pthread_condattr_t attributes;
    error = pthread_condattr_init(&attributes);
    if (error == 0) {
        error = pthread_condattr_setclock(&attributes, CLOCK_MONOTONIC);
        if (error == 0) {
            error = pthread_cond_init(&self->condition, &attributes);
        }
        pthread_condattr_destroy(&attributes);
    }
#endif
    if (error != 0) {
        pthread_mutex_destroy(&self->mutex);
    }
    return error;
}

void
parker_reset(parker *self)
{
    pthread_mutex_lock(&self->mutex);
    self->token = false;
    pthread_mutex_unlock(&self->mutex);
}

bool
parker_has_token(parker *self)
{
    pthread_mutex_lock(&self->mutex);
    bool token = self->token;
    pthread_mutex_unlock(&self->mutex);
    return token;
}

/* Waits for a signal on the condition until the deadline, with the mutex held. Returns 0 or ETIMEDOUT. */
static int
condition_wait(parker *self, int64_t deadline)
{
    if (deadline == PARK_FOREVER) {
        return pthread_cond_wait(&self->condition, &self->mutex);
    }
#ifdef __APPLE__
    int64_t left = deadline - park_now();
    if (left <= 0) {
        return ETIMEDOUT;
    }
    struct timespec until = {(time_t)(left / NANOSECONDS), (long)(left % NANOSECONDS)};
    return pthread_cond_timedwait_relative_np(&self->condition, &self->mutex, &until);
#else
    struct timespec until = {(time_t)(deadline / NANOSECONDS), (long)(deadline % NANOSECONDS)};
    return pthread_cond_timedwait(&self->condition, &self->mutex, &until);
#endif
}

park_result
parker_park(parker *self, int64_t deadline)
{
    int64_t wake_at = deadline;
    if (receives_signals()) {
        int64_t slice_end = park_now() + INTERRUPT_SLICE;
        if (slice_end < deadline) {
            wake_at = slice_end;
        }
    }
    pthread_mutex_lock(&self->mutex);
    int error = 0;
    while (!self->token && error != ETIMEDOUT) {
        error = condition_wait(self, wake_at);
    }
    bool token = self->token;
    self->token = false;
    pthread_mutex_unlock(&self->mutex);
    if (token) {
        return PARK_UNPARKED;
    }
    return wake_at == deadline ? PARK_TIMED_OUT : PARK_INTERRUPTED;
}

void
parker_unpark(parker *self)
{
    pthread_mutex_lock(&self->mutex);
    self->token = true;
    /* Under the mutex: the parked thread cannot be gone before the signal. */
    pthread_cond_signal(&self->condition);
    pthread_mutex_unlock(&self->mutex);
}

#endif
