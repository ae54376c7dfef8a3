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
