/* Who could do with a core: the threads that look for a token, and those on their way to the interpreter. Each is counted
 * by those who know; whoever would keep a core busy meanwhile asks here first. */
#ifndef PARK_CROWD_H
#define PARK_CROWD_H

#include <stdatomic.h>
#include <stdbool.h>

extern atomic_int crowd_looking;
extern atomic_int crowd_on_its_way;

/* A thread begins to look, and ends. Returns how many others were looking. Hints, as all of this: no order is needed. */
static inline int
crowd_begin_to_look(void)
{
    return atomic_fetch_add_explicit(&crowd_looking, 1, memory_order_relaxed);
}

static inline void
crowd_end_to_look(void)
{
    atomic_fetch_sub_explicit(&crowd_looking, 1, memory_order_relaxed);
}

/* Tells how many are on their way. Relaxed: see above. */
static inline void
crowd_set_on_its_way(int count)
{
    atomic_store_explicit(&crowd_on_its_way, count, memory_order_relaxed);
}

/* Whether somebody could do with the core of one that looks: who is on its way, or the one that works, where those that
 * look would have all of them. */
bool crowd_wants_a_core(void);

/* For one that is on its way itself: whether others are, too. */
static inline bool
crowd_is_behind(void)
{
    /* Relaxed: a hint. */
    return atomic_load_explicit(&crowd_on_its_way, memory_order_relaxed) > 1;
}

/* How many may look at once: more than there are cores, as they let each other have one between two looks, unless other
 * programs take it then. (In a ring of four threads three wait for the next turn, which is that of one of them.) */
int crowd_at_most(void);

/* Whether there are more than that, with those on their way. */
bool crowd_is_large(void);

/* In a child after a fork, in its only thread: nobody else is there. */
void crowd_after_fork(void);

#endif
