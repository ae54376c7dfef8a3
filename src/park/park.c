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

int64_t
park_now(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (int64_t)now.tv_sec * 1000000000 + now.tv_nsec;
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

int64_t
park_slice_end(int64_t deadline)
{
    int64_t end = park_now() + PARK_SLICE;
    return end < deadline && receives_signals() ? end : deadline;
}
