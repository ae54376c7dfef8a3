/* See yield.h. */
#include "yield.h"

#include <stdatomic.h>

#include "guard.h"
#include "park.h"

/* A yield that takes longer than this, nanoseconds, has let another program have the core. */
#define YIELD_LOST 1000000
/* How many yields are left out after such a one; twice as many after each further one, until some have been good. */
#define LEFT_OUT 256
#define LEFT_OUT_AT_MOST 65536

/* How many are left out from now on, and how many were after the last that was lost. Relaxed throughout: measures, of
 * which some may be lost. */
static atomic_int to_leave_out;
static atomic_int left_out;

int64_t
yield_core(int64_t now)
{
    if (atomic_load_explicit(&to_leave_out, memory_order_relaxed) > 0) {
        atomic_fetch_sub_explicit(&to_leave_out, 1, memory_order_relaxed);
        return now;
    }
    guard_yield();
    int64_t after = park_now();
    int many = atomic_load_explicit(&left_out, memory_order_relaxed);
    if (after - now < YIELD_LOST) {
        many -= many / 64;
    }
    else {
        many = many < LEFT_OUT ? LEFT_OUT : 2 * many;
        many = many < LEFT_OUT_AT_MOST ? many : LEFT_OUT_AT_MOST;
        atomic_store_explicit(&to_leave_out, many, memory_order_relaxed);
    }
    atomic_store_explicit(&left_out, many, memory_order_relaxed);
    return after;
}

bool
yield_is_lost(void)
{
    return atomic_load_explicit(&left_out, memory_order_relaxed) > LEFT_OUT / 2;
}
