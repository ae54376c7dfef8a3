/* Counters for `python -m cthreading --stats`, of the whole process. They are off until somebody asks for them: then a
 * wait and a started thread cost a load and a branch that is always the same, a lock nothing. */
#ifndef STATS_H
#define STATS_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

typedef struct {
    atomic_bool on;
    atomic_llong threads;
    atomic_llong locks;
    atomic_llong waits;
    atomic_llong nanoseconds;
} stats_counters;

extern stats_counters stats;

/* Relaxed, all of it: counters, of which none tells of another. */
static inline bool
stats_are_on(void)
{
    return __builtin_expect(atomic_load_explicit(&stats.on, memory_order_relaxed), 0);
}

static inline void
stats_count(atomic_llong *counter)
{
    if (stats_are_on()) {
        atomic_fetch_add_explicit(counter, 1, memory_order_relaxed);
    }
}

/* Before and after a thread sleeps, which one wait may do in pieces: what stats_sleep returns is for stats_woken. */
int64_t stats_now(void);
void stats_add_time(int64_t since);

static inline int64_t
stats_sleep(void)
{
    return stats_are_on() ? stats_now() : 0;
}

static inline void
stats_woken(int64_t since)
{
    if (__builtin_expect(since != 0, 0)) {
        stats_add_time(since);
    }
}

#endif
