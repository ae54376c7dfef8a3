/* See crowd.h. */
#include "crowd.h"

#include "cores.h"
#include "yield.h"

#define LOOKING_TO_A_CORE 2

atomic_int crowd_looking;
atomic_int crowd_on_its_way;

/* Relaxed throughout: hints. */

static int
looking(void)
{
    return atomic_load_explicit(&crowd_looking, memory_order_relaxed);
}

static int
on_its_way(void)
{
    return atomic_load_explicit(&crowd_on_its_way, memory_order_relaxed);
}

bool
crowd_wants_a_core(void)
{
    return on_its_way() != 0 || looking() >= cores_count();
}

int
crowd_at_most(void)
{
    int count = cores_count();
    return count < 2 || !yield_is_lost() ? LOOKING_TO_A_CORE * count : count;
}

bool
crowd_is_large(void)
{
    return looking() + on_its_way() > crowd_at_most();
}

void
crowd_after_fork(void)
{
    atomic_store_explicit(&crowd_looking, 0, memory_order_relaxed);
    atomic_store_explicit(&crowd_on_its_way, 0, memory_order_relaxed);
}
