/* Waiting from Python: detach the thread state, park, attach again. */
#ifndef SYNC_WAIT_H
#define SYNC_WAIT_H

#include "../compat.h"
#include "../park/admission.h"
#include "../park/waitqueue.h"

/* As waiter_begin, with an exception set when it returns NULL: MemoryError, or, where the running Python does so, that
 * the interpreter is at its end. */
waiter *wait_begin(void);

/* Parks the waiter with the thread state detached. No queue is locked. May not return, at the interpreter's end. */
park_result wait_park(waiter *w, int64_t deadline);

/* Whether the threads of the interpreter are those that admission.h is for: of the main one, with a GIL. */
static inline bool
wait_concerns_admission(PyInterpreterState *interpreter)
{
#ifdef PARK_FREE_THREADED
    (void)interpreter;
    return false;
#else
    return interpreter == PyInterpreterState_Main();
#endif
}

/* The slow half of the next. */
void wait_hand_over_slow(void);

/* To be called where a thread has given something to others, at the end of a method: lets a thread have the GIL that has
 * asked for it for a millisecond. The interpreter itself waits five. */
static inline void
wait_hand_over(void)
{
#ifndef PARK_FREE_THREADED
    /* Relaxed: a hint. */
    if (__builtin_expect(atomic_load_explicit(&admission_asking, memory_order_relaxed) != 0, 0)) {
        wait_hand_over_slow();
    }
#endif
}

/* Whether threads that are awake have waited long for the GIL of late. Several that are to run one after the other had
 * better be woken together then, and stand in line for it. */
bool wait_is_for_gil(void);

/* Waits to be granted, keeping the place in the queue while signal handlers run. Returns 1 when granted; 0 when the
 * deadline passed; -1 with the exception that a handler raised. After 0 and -1 the waiter is still in its queue, or has
 * been granted all the same: see wait_leave. */
int wait_granted(waiter *w, int64_t deadline);

/* Takes the waiter out of the queue. Returns false if a grant came first; it has arrived then. */
bool wait_leave(waiter *w, waitqueue *queue);

/* Waits for a grant that is on its way: the waiter is in no queue. */
void wait_settle(waiter *w);

/* Returns `exception`, with `earlier` (NULL: none) at the end of its contexts. Steals both. */
PyObject *exception_chain(PyObject *exception, PyObject *earlier);

#endif
