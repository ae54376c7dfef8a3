/* Parking with the thread state detached, and the wait that keeps its place in the queue. See wait.h. */
#include "wait.h"

#include "../park/admission.h"
#include "../park/spin.h"
#include "../stats.h"

/* Waiting longer for the GIL, nanoseconds, means that a thread holds it which calculates: that gives it away only when
 * it has to, 5 milliseconds later as a rule. */
#define GIL_WAIT_LONG 1000000
/* What one wait counts at most. */
#define GIL_WAIT_AT_MOST (5 * GIL_WAIT_LONG)

#ifdef PARK_FREE_THREADED

static inline void
note_gil_wait(int64_t asked, int64_t now)
{
    (void)asked, (void)now;
}

bool
wait_is_for_gil(void)
{
    return false;
}

static inline int64_t
begin_of_wait(int64_t now)
{
    return now;
}

#else

/* The running mean of the nanoseconds that a thread waits for the GIL once it is awake. Relaxed throughout: a measure. */
static _Atomic int64_t gil_wait_mean;

/* When this thread last asked for the GIL and had to wait long, and when it got it. */
static _Thread_local struct {
    int64_t asked;
    int64_t got;
} long_wait;

static void
note_gil_wait(int64_t asked, int64_t now)
{
    int64_t took = now - asked;
    if (took > GIL_WAIT_LONG) {
        long_wait.asked = asked;
        long_wait.got = now;
    }
    int64_t mean = atomic_load_explicit(&gil_wait_mean, memory_order_relaxed);
    took = took < GIL_WAIT_AT_MOST ? took : GIL_WAIT_AT_MOST;
    atomic_store_explicit(&gil_wait_mean, mean + (took - mean) / 8, memory_order_relaxed);
}

bool
wait_is_for_gil(void)
{
    return atomic_load_explicit(&gil_wait_mean, memory_order_relaxed) > GIL_WAIT_LONG;
}

/* When the wait that begins now counts as begun. Who has just got the GIL after a long wait, and now finds a lock taken
 * by the very thread that gave it the GIL, has waited for the lock all the time. */
static int64_t
begin_of_wait(int64_t now)
{
    int64_t asked = long_wait.asked;
    if (asked != 0) {
        long_wait.asked = 0;
    }
    return asked != 0 && now - long_wait.got < GIL_WAIT_LONG ? asked : now;
}

#endif

/* Who watches: see wait.h. Changed by the threads of that interpreter only; the guard is for those without a GIL. */
static struct {
    guard guard;
    PyObject *function;
    void *_Atomic interpreter; /* NULL: nobody; relaxed: from when on is of no matter, as the next */
    _Atomic int64_t after;
} watch;

_Atomic(wait_observer) wait_observed;

void
wait_observe(wait_observer observer)
{
    atomic_store(&wait_observed, observer);
}

void
wait_tell_observer(const waiter *w)
{
    wait_observer observer = atomic_load(&wait_observed);
    if (observer != NULL && atomic_load_explicit(&w->deadline, memory_order_relaxed) != 0) {
        observer(w, w->woken != 0 ? w->woken : park_now());
    }
}

/* Who the holder is may not be known any more when the wait ends. */
static void
tell_holder(const waiter *w)
{
    wait_observer observer = atomic_load(&wait_observed);
    if (observer != NULL && w->holder != 0) {
        observer(w, 0);
    }
}

/* Notes that the wait parks, and who has what it waits for when it does so first, if somebody wants to know. */
static void
note_park(waiter *w, int64_t deadline)
{
    bool observed = atomic_load_explicit(&wait_observed, memory_order_relaxed) != NULL;
    if (observed && atomic_load_explicit(&w->deadline, memory_order_relaxed) == 0) {
        word *wanted = atomic_load_explicit(&w->wanted, memory_order_relaxed);
        w->holder = wanted == NULL ? 0 : waiter_number_in(word_load(wanted));
        tell_holder(w);
    }
    atomic_store_explicit(&w->deadline, deadline, memory_order_relaxed);
}

int
wait_watch(PyObject *function, int64_t after)
{
    void *interpreter = PyInterpreterState_Get();
    void *none = NULL;
    if (!atomic_compare_exchange_strong(&watch.interpreter, &none, interpreter) && none != interpreter) {
        if (function == NULL) {
            return 0;
        }
        PyErr_SetString(PyExc_RuntimeError, "another interpreter watches its waits");
        return -1;
    }
    guard_lock(&watch.guard);
    PyObject *before = watch.function;
    watch.function = Py_XNewRef(function);
    guard_unlock(&watch.guard);
    atomic_store_explicit(&watch.after, after, memory_order_relaxed);
    if (function == NULL) {
        atomic_store(&watch.interpreter, NULL);
    }
    Py_XDECREF(before);
    return 0;
}

int64_t
wait_next_look(waiter *w, int64_t deadline)
{
    void *watching = atomic_load_explicit(&watch.interpreter, memory_order_relaxed);
    if (__builtin_expect(watching == NULL, 1) || deadline != PARK_FOREVER ||
        watching != atomic_load_explicit(&w->owner, memory_order_relaxed)) {
        return PARK_FOREVER;
    }
    if (w->look_at == 0) {
        w->look_at = park_later(w->started, atomic_load_explicit(&watch.after, memory_order_relaxed));
    }
    return w->look_at;
}

bool
wait_is_look_due(waiter *w, int64_t now)
{
    if (w->look_at == 0 || now < w->look_at) {
        return false;
    }
    w->look_at = park_later(w->look_at, now - w->started);
    w->look_due = true;
    return true;
}

/* Calls who watches. Returns -1 with an exception set. */
static int
look(waiter *w)
{
    if (atomic_load_explicit(&watch.interpreter, memory_order_relaxed) != PyInterpreterState_Get()) {
        return 0;
    }
    guard_lock(&watch.guard);
    PyObject *function = Py_XNewRef(watch.function);
    guard_unlock(&watch.guard);
    if (function == NULL) {
        return 0;
    }
    PyObject *serial = PyLong_FromUnsignedLongLong(w->serial);
    PyObject *result = serial == NULL ? NULL : PyObject_CallOneArg(function, serial);
    Py_DECREF(function);
    Py_XDECREF(serial);
    Py_XDECREF(result);
    return result == NULL ? -1 : 0;
}

int
wait_run_handlers(waiter *w)
{
    atomic_store_explicit(&w->busy, true, memory_order_relaxed);
    int status = PyErr_CheckSignals();
    atomic_store_explicit(&w->busy, false, memory_order_relaxed);
    if (status == 0 && w->look_due) {
        status = look(w);
    }
    w->look_due = false;
    return status;
}

/* Whether the thread is in the middle of a wait that is told as a whole. */
static bool
is_part_of_another(const waiter *w)
{
    return w->outer != NULL && w->outer->whole;
}

const char *const wait_operation_names[] = {
    [WAIT_ACQUIRE] = "acquire", [WAIT_WAIT] = "wait", [WAIT_JOIN] = "join", [WAIT_GET] = "get", [WAIT_PUT] = "put",
};

waiter *
wait_begin(wait_operation operation, PyObject *object)
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
    w->since = begin_of_wait(w->began);
    w->restricted = wait_concerns_admission(PyInterpreterState_Get());
    stats_count(&stats.waits);
    if (!is_part_of_another(w)) {
        waiter_tell(w, PyInterpreterState_Get(), operation, object);
    }
    return w;
}

waiter *
wait_begin_telling(wait_operation operation, PyObject *object, int64_t deadline)
{
    waiter *w = waiter_begin();
    if (w != NULL) {
        w->thread = thread_ident();
        atomic_store_explicit(&w->deadline, deadline, memory_order_relaxed);
        waiter_tell(w, PyInterpreterState_Get(), operation, object);
    }
    return w;
}

/* The sleep itself, detached. */
static park_result
sleep_on(spin *attempt, waiter *w, const void *place, int64_t deadline)
{
    int64_t asleep = stats_sleep();
    spin_begin(attempt, place, &w->parker, w->began != 0 ? w->began : park_now(), deadline);
    w->began = 0;
    park_result result = parker_park(&w->parker, deadline);
    stats_woken(asleep);
    return result;
}

/* Asks for the GIL after a wait, as the others do that admission.h is for. */
static int64_t
come_back(waiter *w, PyThreadState *thread_state)
{
    int64_t asked = admission_approach();
    PyEval_RestoreThread(thread_state);
    int64_t now = park_now();
    admission_arrive(w, asked, now);
    note_gil_wait(asked, now);
    return now;
}

park_result
wait_park(waiter *w, int64_t deadline)
{
    spin attempt;
    /* Relaxed: only compared, to tell the places apart. */
    const void *place = w->place != NULL ? w->place : atomic_load_explicit(&w->queue, memory_order_relaxed);
    bool concerned = wait_concerns_admission(PyInterpreterState_Get());
    waiter *next = NULL;
    int64_t look_at = wait_next_look(w, deadline);
    int64_t wake_at = look_at < deadline ? look_at : deadline;
    note_park(w, deadline);
    if (concerned) {
        next = admission_sleep(w);
        wake_at = admission_watch(w, wake_at);
    }
    PyThreadState *thread_state = PyEval_SaveThread();
    if (concerned) {
        admission_let_go(next);
    }
    delay();
    park_result result = sleep_on(&attempt, w, place, wake_at);
    delay();
    int64_t now;
    if (concerned) {
        now = come_back(w, thread_state);
    }
    else {
        PyEval_RestoreThread(thread_state);
        now = park_now();
    }
    spin_end(&attempt, result, now);
    w->woken = now;
    if (result == PARK_TIMED_OUT && wake_at != deadline) {
        return wait_is_look_due(w, now) ? PARK_INTERRUPTED : PARK_UNPARKED;
    }
    return result;
}

#ifndef PARK_FREE_THREADED

void
wait_hand_over_slow(void)
{
    if (!wait_concerns_admission(PyInterpreterState_Get()) || !admission_is_due()) {
        return;
    }
    waiter *next = admission_leave();
    PyThreadState *thread_state = PyEval_SaveThread();
    admission_let_go(next);
    admission_wait_for_taker();
    int64_t asked = admission_approach();
    PyEval_RestoreThread(thread_state);
    admission_enter(asked, park_now());
}

#endif

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
        if (result == PARK_INTERRUPTED && wait_run_handlers(w) < 0) {
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

/* Follows the contexts of the exception until the last, or until the one whose context is `wanted`. They may go round: then
 * that is where it notices. New reference. */
static PyObject *
end_of_contexts(PyObject *exception, PyObject *wanted)
{
    PyObject *last = Py_NewRef(exception);
    PyObject *seen = Py_NewRef(exception); /* that of the latest power of two */
    PyObject *context;
    for (size_t count = 1; (context = PyException_GetContext(last)) != NULL && context != wanted && context != seen;
         count++) {
        Py_SETREF(last, context);
        if ((count & (count - 1)) == 0) {
            Py_SETREF(seen, Py_NewRef(last));
        }
    }
    Py_XDECREF(context);
    Py_DECREF(seen);
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
