/* Waiting from Python: detach the thread state, park, attach again. */
#ifndef SYNC_WAIT_H
#define SYNC_WAIT_H

#include "../compat.h"
#include "../park/waitqueue.h"

/* As waiter_begin, with MemoryError set when it returns NULL. */
waiter *wait_begin(void);

/* Parks the waiter with the thread state detached. No queue is locked. May not return, at the interpreter's end. */
park_result wait_park(waiter *w, int64_t deadline);

/* Waits to be granted while in `queue`, where the waiter was put before, keeping its place while signal handlers run.
 * Returns 1 when granted, with the outcome in the waiter; 0 when the deadline passed first; -1 with an exception set
 * when a signal handler raised first. In no queue afterwards. If the handler raised and there was a grant all the same
 * by then, *lost is set to 1: it is the caller's to give on. */
int wait_for_grant(waiter *w, waitqueue *queue, int64_t deadline, int *lost);

#endif
