/* What the backends have in common: the clock, and who is woken now and then. See park.h. */
#ifndef _GNU_SOURCE
#define _GNU_SOURCE /* syscall */
#endif
#include "park.h"

#include <time.h>
#include <unistd.h>
#ifdef __linux__
#include <sys/syscall.h>
#endif

/* How long to let pass before the system is asked again that has refused, nanoseconds. */
#define REFUSED_PAUSE 1000000

int64_t
park_now(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (int64_t)now.tv_sec * PARK_SECOND + now.tv_nsec;
}

int64_t
park_now_roughly(void)
{
#ifdef CLOCK_MONOTONIC_COARSE
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC_COARSE, &now);
    return (int64_t)now.tv_sec * PARK_SECOND + now.tv_nsec;
#else
    return park_now();
#endif
}

park_result
park_refused(int64_t deadline)
{
    int64_t left = deadline - park_now();
    struct timespec pause = {.tv_nsec = (long)(left < REFUSED_PAUSE ? (left < 0 ? 0 : left) : REFUSED_PAUSE)};
    nanosleep(&pause, NULL);
    /* Else a signal may have come meanwhile. */
    return park_now() >= deadline ? PARK_TIMED_OUT : PARK_INTERRUPTED;
}

void
park_deadline_to_timespec(int64_t deadline, struct timespec *until)
{
    /* What a 32-bit time_t cannot hold is as good as for ever. */
    const int64_t most = sizeof(time_t) > sizeof(int32_t) ? INT64_MAX : INT32_MAX;
    int64_t seconds = deadline / PARK_SECOND;
    until->tv_sec = (time_t)(seconds < most ? seconds : most);
    until->tv_nsec = (long)(deadline % PARK_SECOND);
}

/* Whether the process's signals are delivered to this thread first: it is asked once in a thread. */
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

static _Thread_local enum { NOT_KNOWN, RECEIVES_SIGNALS, RECEIVES_NONE } signals;

static _Thread_local bool has_looked;

void
park_has_looked(void)
{
    has_looked = true;
}

void
park_after_fork(void)
{
    signals = RECEIVES_SIGNALS;
}

int64_t
park_slice_end(int64_t deadline)
{
    if (signals == NOT_KNOWN) {
        signals = receives_signals() ? RECEIVES_SIGNALS : RECEIVES_NONE;
    }
    if (signals == RECEIVES_NONE) {
        return deadline;
    }
    int64_t end = park_later(park_now(), has_looked ? PARK_SLICE_AFTER_LOOKING : PARK_SLICE);
    has_looked = false;
    return end < deadline ? end : deadline;
}
