/* The counters. See stats.h. */
#include "stats.h"

#include "park/park.h"

stats_counters stats;

int64_t
stats_now(void)
{
    return park_now();
}

void
stats_add_time(int64_t since)
{
    /* Relaxed: a counter. */
    atomic_fetch_add_explicit(&stats.nanoseconds, park_now() - since, memory_order_relaxed);
}
