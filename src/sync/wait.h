/* Waiting from Python: detach the thread state, park, attach again. */
#ifndef SYNC_WAIT_H
#define SYNC_WAIT_H

#include "../compat.h"
#include "../park/admission.h"
#include "../park/waitqueue.h"

/* How the operations are called. */
extern const char *const wait_operation_names[];

/* As waiter_begin, with an exception set when it returns NULL: MemoryError, or, where the running Python does so, that
 * the interpreter is at its end. Those who ask are told of this operation on the object, which the caller holds until
 * wait_end. */
waiter *wait_begin(wait_operation operation, PyObject *object);

/* The same for a wait that does not park, but waits in another way until the deadline. NULL, without an exception: no
 * memory, so it is not told of. */
waiter *wait_begin_telling(wait_operation operation, PyObject *object, int64_t deadline);

/* The slow half of the next. */
void wait_tell_observer(const waiter *w);

/* While set, called at the end of each wait that has parked, by its own thread, with the interpreter and no lock held,
 * `w` still valid. Also when it first parks, if somebody has what it waits for: `now` is 0 then. */
typedef void (*wait_observer)(const waiter *w, int64_t now);

/* NULL: nobody. */
void wait_observe(wait_observer observer);

extern _Atomic(wait_observer) wait_observed;

/* Ends the wait. The waiter is in no queue. */
static inline void
wait_end(waiter *w)
{
    /* Relaxed: from when on it observes is of no matter. */
    if (__builtin_expect(atomic_load_explicit(&wait_observed, memory_order_relaxed) != NULL, 0)) {
        wait_tell_observer(w);
    }
    waiter_end(w);
}

/* Runs signal handlers that are due, and whoever watches waits (see wait_watch). Returns -1 with an exception set. */
int wait_run_handlers(waiter *w);

/* From now on, a thread of this interpreter that has waited without limit for `after` nanoseconds calls the function with
 * the serial of the wait, and again after twice that time, four times, and so on: as a signal handler, so what it raises
 * ends the wait. NULL: no more. Returns -1 with an exception set if another interpreter does that. */
int wait_watch(PyObject *function, int64_t after);

/* When the function is to be called for this wait next, which ends at the deadline; PARK_FOREVER: never. */
int64_t wait_next_look(waiter *w, int64_t deadline);

/* Whether that is now; wait_run_handlers will do it then. */
bool wait_is_look_due(waiter *w, int64_t now);

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
