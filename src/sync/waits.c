/* Asking who waits for what: a copy of the waits that the threads of an interpreter are in.
 *
 * Every wait has a waiter, and all waiters that there ever were are linked (park/waiter.h). Those that are told of are
 * copied one after the other: with a GIL nothing changes meanwhile; without one, each is a wait that was there when it was
 * copied. Who has a lock is in its word, a number that no other thread ever has. */
#include "../module.h"

#include <stdlib.h>

#include "lock.h"
#include "rlock.h"
#include "wait.h"

/* What a waiter said. */
typedef struct {
    uint64_t serial;
    unsigned long ident;
    wait_operation operation;
    PyObject *object;
    int64_t started;
    int64_t deadline;
    uint64_t holder; /* a thread's number */
    bool busy;
} told;

typedef struct {
    told *waits;
    size_t count;
    waiter_numbered *threads; /* by descending numbers */
    size_t thread_count;
} snapshot;

/* The lock with this word. */
static PyObject *
lock_of_word(word *wanted)
{
    _Static_assert(offsetof(lock_object, permits) == offsetof(rlock_object, permits), "locks begin alike");
    return (PyObject *)((char *)wanted - offsetof(lock_object, permits) - offsetof(permits, word));
}

/* Its thread holds what it waits for, as long as it is told of it. */
static void
copy_told(waiter *w, told *copy)
{
    word *wanted = atomic_load_explicit(&w->wanted, memory_order_relaxed);
    uint64_t holder = wanted == NULL ? 0 : waiter_number_in(word_load(wanted));
    /* Afterwards: who takes the lock has said before that it tries. It waits for nobody, then, least of all for itself. */
    bool tries = atomic_load_explicit(&w->state, memory_order_relaxed) == WAITER_WOKEN;
    *copy = (told){
        .serial = w->serial,
        .ident = w->thread,
        .operation = w->operation,
        .object = w->object,
        .started = w->started,
        .deadline = atomic_load_explicit(&w->deadline, memory_order_relaxed),
        .holder = tries ? 0 : holder,
        .busy = atomic_load_explicit(&w->busy, memory_order_relaxed),
    };
    if (copy->operation == WAIT_WAIT && wanted != NULL) {
        /* In a condition's wait, notified. */
        copy->operation = WAIT_ACQUIRE;
        copy->object = lock_of_word(wanted);
    }
    Py_INCREF(copy->object);
}

/* Returns whether it is a wait of this interpreter, which has begun and has not been granted. */
static bool
copy_wait(waiter *w, void *interpreter, told *copy)
{
    /* Relaxed: a look, before the one that counts. One of another generation stays that: its thread is not here. */
    if (atomic_load_explicit(&w->owner, memory_order_relaxed) != interpreter ||
        atomic_load_explicit(&w->generation, memory_order_relaxed) != waiter_generation) {
        return false;
    }
    guard_lock(&w->asked);
    bool is_told = atomic_load_explicit(&w->owner, memory_order_acquire) == interpreter &&
                   atomic_load_explicit(&w->deadline, memory_order_relaxed) != 0 &&
                   atomic_load_explicit(&w->state, memory_order_relaxed) != WAITER_GRANTED;
    if (is_told) {
        copy_told(w, copy);
    }
    guard_unlock(&w->asked);
    return is_told;
}

/* The inner waits of a thread come before the outer ones. */
static int
by_serial(const void *a, const void *b)
{
    uint64_t left = ((const told *)a)->serial;
    uint64_t right = ((const told *)b)->serial;
    return (left < right) - (left > right);
}

static int
copy_waits(snapshot *copies)
{
    waiter *first = waiter_known();
    size_t most = 0;
    for (waiter *w = first; w != NULL; w = w->known_next) {
        most++;
    }
    copies->waits = malloc((most + 1) * sizeof(told));
    if (copies->waits == NULL) {
        return -1;
    }
    void *interpreter = PyInterpreterState_Get();
    for (waiter *w = first; w != NULL; w = w->known_next) {
        copies->count += copy_wait(w, interpreter, &copies->waits[copies->count]);
    }
    qsort(copies->waits, copies->count, sizeof(told), by_serial);
    return 0;
}

static int
copy_threads(snapshot *copies)
{
    size_t room = 0;
    while ((copies->thread_count = waiter_copy_threads(copies->threads, room)) > room) {
        room = copies->thread_count + 8;
        free(copies->threads);
        copies->threads = malloc(room * sizeof(waiter_numbered));
        if (copies->threads == NULL) {
            copies->thread_count = 0;
            return -1;
        }
    }
    return 0;
}

/* The ident of the thread of that number, or 0. */
static unsigned long
ident_of(const snapshot *copies, uint64_t number)
{
    size_t from = 0, to = copies->thread_count;
    while (from < to) {
        size_t middle = (from + to) / 2;
        uint64_t found = copies->threads[middle].number;
        if (found == number) {
            return copies->threads[middle].ident;
        }
        if (found > number) {
            from = middle + 1;
        }
        else {
            to = middle;
        }
    }
    return 0;
}

/* The ident of a Thread, or 0. */
static PyObject *
ident_of_thread(module_state *state, PyObject *thread)
{
    PyObject *ident = PyObject_GetAttr(thread, state->str__ident);
    if (ident == NULL || !PyLong_Check(ident)) {
        PyErr_Clear();
        Py_XSETREF(ident, PyLong_FromLong(0));
    }
    return ident;
}

static PyObject *
to_tuple(module_state *state, const snapshot *copies, const told *wait, int64_t now)
{
    PyObject *remaining = NULL, *holder = NULL;
    bool joins = wait->operation == WAIT_JOIN && PyObject_TypeCheck(wait->object, state->thread_type);
    holder = joins ? ident_of_thread(state, wait->object)
                   : PyLong_FromUnsignedLong(wait->holder == 0 ? 0 : ident_of(copies, wait->holder));
    if (wait->deadline == PARK_FOREVER) {
        remaining = Py_NewRef(Py_None);
    }
    else {
        int64_t left = wait->deadline - now;
        remaining = PyFloat_FromDouble(left > 0 ? (double)left / PARK_SECOND : 0);
    }
    PyObject *tuple = NULL;
    if (holder != NULL && remaining != NULL) {
        tuple = Py_BuildValue("(KksOdOOO)", (unsigned long long)wait->serial, wait->ident,
                              wait_operation_names[wait->operation], wait->object,
                              (double)(now - wait->started) / PARK_SECOND, remaining, holder,
                              wait->busy ? Py_True : Py_False);
    }
    Py_XDECREF(holder);
    Py_XDECREF(remaining);
    return tuple;
}

static PyObject *
to_list(module_state *state, const snapshot *copies)
{
    int64_t now = park_now();
    PyObject *list = PyList_New(0);
    for (size_t i = 0; list != NULL && i < copies->count; i++) {
        PyObject *tuple = to_tuple(state, copies, &copies->waits[i], now);
        if (tuple == NULL || PyList_Append(list, tuple) < 0) {
            Py_CLEAR(list);
        }
        Py_XDECREF(tuple);
    }
    return list;
}

PyDoc_STRVAR(
    waits_doc,
    "_waits($module, /)\n--\n\n"
    "Return the waits that threads of this interpreter are in, as tuples; the inner ones of a thread first.\n\n"
    "(serial, ident, operation, object, seconds, remaining, holder, busy): serial is the wait's own number,\n"
    "holder an ident or 0, and busy whether the thread runs a signal handler meanwhile.");

static PyObject *
waits(PyObject *module, PyObject *Py_UNUSED(ignored))
{
    snapshot copies = {0};
    bool copied = copy_waits(&copies) == 0 && copy_threads(&copies) == 0;
    PyObject *list = copied ? to_list(module_get_state(module), &copies) : PyErr_NoMemory();
    for (size_t i = 0; i < copies.count; i++) {
        Py_DECREF(copies.waits[i].object);
    }
    free(copies.waits);
    free(copies.threads);
    return list;
}

PyDoc_STRVAR(
    watch_waits_doc,
    "_watch_waits($module, callback, after, /)\n--\n\n"
    "Have a thread that has waited without limit for `after` seconds call callback(serial), as a signal handler.\n\n"
    "Again after twice that time, four times, and so on. What it raises ends the wait. None: no more.");

static PyObject *
watch_waits(PyObject *Py_UNUSED(module), PyObject *args)
{
    PyObject *callback;
    double after;
    if (!PyArg_ParseTuple(args, "Od:_watch_waits", &callback, &after)) {
        return NULL;
    }
    double nanoseconds = after * PARK_SECOND;
    int64_t wait = nanoseconds >= (double)PARK_FOREVER ? PARK_FOREVER : nanoseconds > 1 ? (int64_t)nanoseconds : 1;
    return wait_watch(callback == Py_None ? NULL : callback, wait) < 0 ? NULL : Py_NewRef(Py_None);
}

static PyMethodDef waits_functions[] = {
    {"_waits", waits, METH_NOARGS, waits_doc},
    {"_watch_waits", watch_waits, METH_VARARGS, watch_waits_doc},
    {NULL},
};

int
waits_exec(PyObject *module)
{
    return PyModule_AddFunctions(module, waits_functions);
}
