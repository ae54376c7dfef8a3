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
    uint64_t number; /* the thread's */
    uint64_t holder; /* that of the thread that has the lock; 0: nobody, or it is something else */
    bool busy;
} told;

typedef struct {
    told *waits;
    size_t count;
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
        .number = w->number,
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

/* The ident of a Thread, or 0. */
static unsigned long
ident_of_thread(module_state *state, PyObject *thread)
{
    PyObject *ident = PyObject_GetAttr(thread, state->str__ident);
    unsigned long value = ident != NULL && PyLong_Check(ident) ? PyLong_AsUnsignedLong(ident) : 0;
    Py_XDECREF(ident);
    if (PyErr_Occurred()) {
        PyErr_Clear();
        return 0;
    }
    return value;
}

static bool
is_for_end(module_state *state, const told *wait)
{
    return wait->operation == WAIT_JOIN && PyObject_TypeCheck(wait->object, state->thread_type);
}

/* The ident of the thread that has what is waited for, or is to be joined, or 0. */
static unsigned long
holder_of(module_state *state, const told *wait)
{
    if (is_for_end(state, wait)) {
        return ident_of_thread(state, wait->object);
    }
    return wait->holder == 0 ? 0 : waiter_ident(wait->holder);
}

static PyObject *
to_tuple(const told *wait, unsigned long holder, int64_t now)
{
    PyObject *remaining;
    if (wait->deadline == PARK_FOREVER) {
        remaining = Py_NewRef(Py_None);
    }
    else {
        int64_t left = wait->deadline - now;
        remaining = PyFloat_FromDouble(left > 0 ? (double)left / PARK_SECOND : 0);
    }
    PyObject *tuple = NULL;
    if (remaining != NULL) {
        tuple = Py_BuildValue("(KksOdOkO)", (unsigned long long)wait->serial, wait->ident,
                              wait_operation_names[wait->operation], wait->object,
                              (double)(now - wait->started) / PARK_SECOND, remaining, holder,
                              wait->busy ? Py_True : Py_False);
        Py_DECREF(remaining);
    }
    return tuple;
}

/* Returns -1 with an exception set. */
static int
append_told(PyObject *list, const told *wait, unsigned long holder, int64_t now)
{
    PyObject *tuple = to_tuple(wait, holder, now);
    int status = tuple == NULL ? -1 : PyList_Append(list, tuple);
    Py_XDECREF(tuple);
    return status;
}

static PyObject *
to_list(module_state *state, const snapshot *copies)
{
    int64_t now = park_now();
    PyObject *list = PyList_New(0);
    for (size_t i = 0; list != NULL && i < copies->count; i++) {
        const told *wait = &copies->waits[i];
        if (append_told(list, wait, holder_of(state, wait), now) < 0) {
            Py_CLEAR(list);
        }
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
    bool copied = copy_waits(&copies) == 0;
    PyObject *list = copied ? to_list(module_get_state(module), &copies) : PyErr_NoMemory();
    for (size_t i = 0; i < copies.count; i++) {
        Py_DECREF(copies.waits[i].object);
    }
    free(copies.waits);
    return list;
}

/* Copies the innermost wait of the thread with that number. Returns whether there is one. */
static bool
copy_wait_of(uint64_t number, void *interpreter, told *copy)
{
    waiter *w = waiter_told(number);
    if (w == NULL || !copy_wait(w, interpreter, copy)) {
        return false;
    }
    if (copy->number != number) {
        /* The wait has ended meanwhile, and the waiter is in another one. */
        Py_DECREF(copy->object);
        return false;
    }
    return true;
}

/* Where a walk has been, by serials, which are never 0. A chain may end in a cycle that its first wait is not part of: so
 * the wait is remembered at which it was after 1, 2, 4, 8 ... steps, and one of these is met again. */
typedef struct {
    uint64_t first;
    uint64_t remembered;
    size_t steps;
} walk;

/* Whether the walk has not been there before, as far as it remembers. */
static bool
walk_on(walk *self, uint64_t serial)
{
    if (serial == self->first || serial == self->remembered) {
        return false;
    }
    if (self->steps == 0) {
        self->first = serial;
    }
    if ((self->steps & (self->steps - 1)) == 0) {
        self->remembered = serial;
    }
    self->steps++;
    return true;
}

PyDoc_STRVAR(
    chain_of_waits_doc,
    "_chain_of_waits($module, /)\n--\n\n"
    "Return the innermost wait of this thread, that of the thread that has what this one waits for, and so on.\n\n"
    "Tuples as from _waits(). It ends with a wait for what no thread has that waits itself, or comes round.");

static PyObject *
chain_of_waits(PyObject *module, PyObject *Py_UNUSED(ignored))
{
    module_state *state = module_get_state(module);
    void *interpreter = PyInterpreterState_Get();
    int64_t now = park_now();
    PyObject *list = PyList_New(0);
    walk walked = {0};
    told copy;
    for (uint64_t number = waiter_thread(); list != NULL && copy_wait_of(number, interpreter, &copy);) {
        bool is_new = walk_on(&walked, copy.serial);
        unsigned long holder = is_new ? holder_of(state, &copy) : 0;
        number = holder == 0 ? 0 : copy.holder != 0 ? copy.holder : waiter_number(holder);
        if (is_new && append_told(list, &copy, holder, now) < 0) {
            Py_CLEAR(list);
        }
        Py_DECREF(copy.object);
    }
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
    {"_chain_of_waits", chain_of_waits, METH_NOARGS, chain_of_waits_doc},
    {"_watch_waits", watch_waits, METH_VARARGS, watch_waits_doc},
    {NULL},
};

int
waits_exec(PyObject *module)
{
    return PyModule_AddFunctions(module, waits_functions);
}
