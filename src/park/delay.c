/* See delay.h. */
#ifndef _GNU_SOURCE
#define _GNU_SOURCE /* nanosleep */
#endif
#include "delay.h"

#ifdef CTHREADING_DELAYS

#include <errno.h>
#include <sched.h>
#include <stdatomic.h>
#include <stdint.h>
#include <stdlib.h>
#include <time.h>

/* One place in so many lets others have the core, and one in so many sleeps, for this many nanoseconds at most. */
#define YIELD_ONE_IN 16
#define SLEEP_ONE_IN 128
#define SLEEP_AT_MOST 300000

static _Atomic uint64_t threads;

static uint64_t
seed(void)
{
    const char *given = getenv("CTHREADING_DELAYS_SEED");
    uint64_t number = given != NULL ? strtoull(given, NULL, 10) : 0;
    /* Far apart, and never 0. */
    return (number + 1 + atomic_fetch_add(&threads, 1)) * UINT64_C(0x9E3779B97F4A7C15) | 1;
}

void
delay(void)
{
    static _Thread_local uint64_t state; /* xorshift */
    if (state == 0) {
        state = seed();
    }
    state ^= state << 13;
    state ^= state >> 7;
    state ^= state << 17;
    uint32_t dice = (uint32_t)(state >> 32);
    int error = errno;
    if (dice % SLEEP_ONE_IN == 0) {
        struct timespec pause = {.tv_nsec = dice / SLEEP_ONE_IN % SLEEP_AT_MOST};
        nanosleep(&pause, NULL);
    }
    else if (dice % YIELD_ONE_IN == 0) {
        sched_yield();
    }
    errno = error;
}

#endif
