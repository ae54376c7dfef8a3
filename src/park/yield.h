/* Letting other threads have the core, as long as these are the program's own.
 *
 * A thread that waits for another on the same core does well to let it go on. But where other programs want the core too,
 * one of them may have it then for a slice of the scheduler's, some milliseconds. So yields are timed, and left out for a
 * while after one that took so long. */
#ifndef PARK_YIELD_H
#define PARK_YIELD_H

#include <stdbool.h>
#include <stdint.h>

/* Lets others have the core, or not. Returns the time afterwards: it is `now` before. */
int64_t yield_core(int64_t now);

/* Whether other programs have had it of late, when it was left to others. */
bool yield_is_lost(void);

#endif
