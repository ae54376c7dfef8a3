/* See crowd.h. */
#include "crowd.h"

#include "cores.h"

atomic_int crowd_looking;
atomic_int crowd_on_its_way;

bool
crowd_is_large(void)
{
    /* Relaxed: hints. */
    return atomic_load_explicit(&crowd_looking, memory_order_relaxed) +
               atomic_load_explicit(&crowd_on_its_way, memory_order_relaxed) >
           cores_count();
}

void
crowd_after_fork(void)
{
    /* Relaxed: there is one thread. */
    atomic_store_explicit(&crowd_looking, 0, memory_order_relaxed);
    atomic_store_explicit(&crowd_on_its_way, 0, memory_order_relaxed);
}
