/* Parking with the thread state detached, and the wait that keeps its place in the queue. See wait.h. */
#include "wait.h"

/* How often to look for a token before sleeping. Waking a thread that sleeps costs more; with the GIL, so does handing
 * the GIL over, and looking would only delay that. */
#ifdef PARK_FREE_THREADED
#define WAIT_LOOKS 40
#else
#define WAIT_LOOKS 0
#endif

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
    return w;
}

park_result
wait_park(waiter *w, int64_t deadline)
{
    PyThreadState *thread_state = PyEval_SaveThread();
    for (int looks = 0; looks < WAIT_LOOKS && !parker_has_token(&w->parker); looks++) {
        guard_yield();
    }
    park_result result = parker_park(&w->parker, deadline);
    PyEval_RestoreThread(thread_state);
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
    waitqueue_lock(queue);
    bool waiting = waitqueue_has(queue, w);
    if (waiting) {
        waitqueue_remove(queue, w);
    }
    waitqueue_unlock(queue);
    if (!waiting) {
        wait_settle(w);
    }
    return waiting;
}

PyObject *
exception_chain(PyObject *exception, PyObject *earlier)
{
    if (exception == earlier) {
        Py_DECREF(earlier);
    }
    else if (earlier != NULL) {
        PyException_SetContext(exception, earlier);
    }
    return exception;
}
