/* When to look for a token before sleeping, and when not.
 *
 * Waking a thread that sleeps costs a call of the kernel and, where a core has to come out of its idle state, some ten
 * microseconds: far more than most hand-overs. A thread that keeps looking for its token has it at once, if its turn
 * comes soon and the thread that gives it has a core of its own. Nobody can tell beforehand whether that is so: it
 * depends on the program, on the cores that it may use, and on what else runs there. So both ways are timed: for each
 * place that threads wait at there is a running mean of the waits that began with looking, and one of those that slept
 * at once. A wait goes the cheaper way, and now and then the other, to learn whether things have changed.
 *
 * It is a matter of speed only: nothing here wakes a thread or keeps it from being woken. */
#ifndef PARK_SPIN_H
#define PARK_SPIN_H

#include "park.h"

typedef enum {
    SPIN_SLEEP,
    SPIN_LOOK,
} spin_way;

/* What is known about the waits at one place. */
typedef struct spin_record spin_record;

/* One wait that is timed. */
typedef struct {
    spin_record *known;
    spin_way way;
    bool found; /* a token, by looking */
    int64_t began;
} spin;

/* Before the wait at `place`, an address that is only compared, which begins `now`: decides the way, and looks for the
 * parker's token as long as that is promising. Only the parker's own thread, which parks next, whatever was found. */
void spin_begin(spin *self, const void *place, parker *parker, int64_t now, int64_t deadline);

/* After the wait, which ended `now`: notes how long it took. One that timed out says nothing about waking: looking was in
 * vain. */
void spin_end(spin *self, park_result result, int64_t now);

#endif
