/* Parking with the thread state detached, and the wait that keeps its place in the queue. See wait.h. */
#include "wait.h"

#include "../park/spin.h"
#include "../stats.h"

/* Waiting longer for the GIL, nanoseconds, means that a thread holds it which calculates: that gives it away only when
 * it has to, 5 milliseconds later as a rule. */
#define GIL_WAIT_LONG 1000000
/* What one wait counts at most. */
#define GIL_WAIT_AT_MOST (5 * GIL_WAIT_LONG)

/* The running mean of the nanoseconds that a thread waits for the GIL once it is awake. */
static _Atomic int64_t gil_wait_mean;

static void
note_gil_wait(int64_t took)
{
    int64_t mean = atomic_load_explicit(&gil_wait_mean, memory_order_relaxed);
    took = took < GIL_WAIT_AT_MOST ? took : GIL_WAIT_AT_MOST;
    atomic_store_explicit(&gil_wait_mean, mean + (took - mean) / 8, memory_order_relaxed);
}

bool
wait_is_for_gil(void)
{
    return atomic_load_explicit(&gil_wait_mean, memory_order_relaxed) > GIL_WAIT_LONG;
}

waiter *
wait_begin(void)
{
#if PY_VERSION_HEX >= 0x030F0000
    /* Who could end the wait no longer runs. */
    if (Py_IsFinalizing()) {
        PyErr_SetString(PyExc_PythonFinalizationError, "cannot acquire lock at interpreter finalization");
        return NULL;
    }
#endif
    waiter *w = waiter_begin();
    if (w == NULL) {
        PyErr_NoMemory();
        return NULL;
    }
    w->thread = thread_ident();
    stats_count(&stats.waits);
    return w;
}

park_result
wait_park(waiter *w, int64_t deadline)
{
    spin attempt;
    const void *place = atomic_load_explicit(&w->queue, memory_order_relaxed);
    PyThreadState *thread_state = PyEval_SaveThread();
#ifndef PARK_FREE_THREADED
    spin_let_go();
#endif
    int64_t asleep = stats_sleep();
    spin_begin(&attempt, place, &w->parker, deadline);
    park_result result = parker_park(&w->parker, deadline);
    stats_woken(asleep);
#ifndef PARK_FREE_THREADED
    if (result == PARK_UNPARKED) {
        spin_until_let_go(&attempt, &w->waker);
    }
#endif
    int64_t asked = park_now();
    PyEval_RestoreThread(thread_state);
    int64_t now = park_now();
    note_gil_wait(now - asked);
    spin_end(&attempt, result, now);
    return result;
}

static bool
is_granted(waiter *w)
{
    return atomic_load_explicit(&w->state, memory_order_acquire) == WAITER_GRANTED;
}

int
wait_granted(waiter *w, int64_t deadline)
{
    while (!is_granted(w)) {
        park_result result = wait_park(w, deadline);
        if (result == PARK_INTERRUPTED && PyErr_CheckSignals() < 0) {
            return -1;
        }
        if (result == PARK_TIMED_OUT) {
            return is_granted(w);
        }
    }
    return 1;
}

void
wait_settle(waiter *w)
{
    while (!is_granted(w)) {
        wait_park(w, PARK_FOREVER);
    }
}

bool
wait_leave(waiter *w, waitqueue *queue)
{
    bool waiting = waitqueue_leave(queue, w);
    if (!waiting) {
        wait_settle(w);
    }
    return waiting;
}

/* Follows the contexts of the exception until the last, or until the one whose context is `wanted`. New reference. */
static PyObject *
end_of_contexts(PyObject *exception, PyObject *wanted)
{
    PyObject *last = Py_NewRef(exception);
    PyObject *context;
    while ((context = PyException_GetContext(last)) != NULL && context != wanted) {
        Py_SETREF(last, context);
    }
    Py_XDECREF(context);
    return last;
}

PyObject *
exception_chain(PyObject *exception, PyObject *earlier)
{
    if (exception == earlier) {
        Py_DECREF(earlier);
        return exception;
    }
    if (earlier == NULL) {
        return exception;
    }
    /* Handlers may raise the same objects again: what `earlier` has of this one is cut off, so that there is no cycle. */
    PyObject *last = end_of_contexts(earlier, exception);
    PyException_SetContext(last, NULL);
    Py_DECREF(last);
    last = end_of_contexts(exception, earlier);
    PyException_SetContext(last, earlier);
    Py_DECREF(last);
    return exception;
}
