/* Pauses, for tests: where another thread may come between two things that it can see.
 *
 * `delay()` marks such a place. Built with CTHREADING_DELAYS=1 (see setup.py) it makes the thread wait there now and then,
 * at random, so that what takes a rare moment otherwise happens often; otherwise it is nothing. The choices depend on the
 * seed in the environment variable CTHREADING_DELAYS_SEED and on the order in which threads first come here. */
#ifndef PARK_DELAY_H
#define PARK_DELAY_H

#ifdef CTHREADING_DELAYS
void delay(void);
#else
static inline void
delay(void)
{
}
#endif

#endif
