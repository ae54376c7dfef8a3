/* threading.Semaphore and BoundedSemaphore: permits, and how they are shown.
 *
 * The value that a semaphore starts with need not be an int: the standard library takes whatever compares with 0, and
 * float('inf') for "no limit" is in use. Such a value is kept in `origin`; the permits count how far the semaphore is
 * from it. If it can never count down to exactly 0 (infinity, NaN, a fraction, a huge number), acquire never waits: the
 * permits start in the middle of their range, which is then never left. */
#include "../module.h"
#include "kind.h"
#include "permits.h"
#include "private_condition.h"
#include "timeout.h"

/* Where the permits of a semaphore that never runs out start. */
#define UNLIMITED_START (PERMITS_MAX / 2)

/* A number to release that no semaphore can take. */
#define TOO_MANY (PERMITS_MAX + 1)

typedef struct {
    OBJECT_HEAD
    permits permits;
    PyObject
        *_Atomic origin; /* the value at first, and the permits at first, in a tuple; NULL: the value is the permits */
    _Atomic int64_t bound; /* the permits must not exceed this */
} semaphore_object;

typedef struct {
    semaphore_object base;
    PyObject
        *_Atomic initial; /* the value must not exceed this, which is no int of usual size; NULL: base.bound counts */
} bounded_object;

/* Whether there is such an object. Relaxed, and only whether: setting the value while others acquire and release has no
 * better defined outcome in the standard library. */
static inline bool
is_there(PyObject *_Atomic *place)
{
    return atomic_load_explicit(place, memory_order_relaxed) != NULL;
}

/* Relaxed for the same reason. */
static inline int64_t
get_bound(semaphore_object *self)
{
    return atomic_load_explicit(&self->bound, memory_order_relaxed);
}

/* The value */

/* Reads a start value other than a small int. Returns 0 with the permits that it means, or -1 with an exception set. */
static int
permits_of_odd_value(PyObject *value, int64_t *start)
{
    PyObject *zero = PyLong_FromLong(0);
    int negative = zero == NULL ? -1 : PyObject_RichCompareBool(value, zero, Py_LT);
    Py_XDECREF(zero);
    if (negative != 0) {
        if (negative > 0) {
            PyErr_SetString(PyExc_ValueError, "semaphore initial value must be >= 0");
        }
        return -1;
    }
    *start = UNLIMITED_START;
    PyObject *whole = PyNumber_Long(value);
    if (whole == NULL) {
        if (!PyErr_ExceptionMatches(PyExc_OverflowError) && !PyErr_ExceptionMatches(PyExc_ValueError) &&
            !PyErr_ExceptionMatches(PyExc_TypeError)) {
            return -1;
        }
        /* Infinity, NaN, or no number at all. */
        PyErr_Clear();
        return 0;
    }
    int overflow;
    long long count = PyLong_AsLongLongAndOverflow(whole, &overflow);
    int equal = PyObject_RichCompareBool(whole, value, Py_EQ);
    Py_DECREF(whole);
    if (equal > 0 && overflow == 0 && count < UNLIMITED_START) {
        *start = count;
    }
    return equal < 0 ? -1 : 0;
}

static int
start_of_value(PyObject *value, int64_t *start, PyObject **origin)
{
    if (PyLong_CheckExact(value)) {
        int overflow;
        *start = PyLong_AsLongLongAndOverflow(value, &overflow);
        if (overflow == 0 && *start >= 0 && *start < UNLIMITED_START) {
            *origin = NULL;
            return 0;
        }
    }
    if (permits_of_odd_value(value, start) < 0) {
        return -1;
    }
    *origin = Py_NewRef(value);
    return 0;
}

/* Makes this the value. Waiters that can go on do so. */
static int
set_value(semaphore_object *self, PyObject *value)
{
    int64_t start;
    PyObject *origin;
    if (start_of_value(value, &start, &origin) < 0) {
        return -1;
    }
    if (origin != NULL) {
        Py_SETREF(origin, Py_BuildValue("OL", origin, (long long)start));
        if (origin == NULL) {
            return -1;
        }
    }
    PyObject *old;
    /* Relaxed: guarded by the section, but for is_there. */
    Py_BEGIN_CRITICAL_SECTION(self);
    old = atomic_load_explicit(&self->origin, memory_order_relaxed);
    atomic_store_explicit(&self->origin, origin, memory_order_relaxed);
    permits_set(&self->permits, start);
    Py_END_CRITICAL_SECTION();
    Py_XDECREF(old);
    return 0;
}

/* Makes this what the value must not exceed. */
static int
set_bound(bounded_object *self, PyObject *value)
{
    int64_t bound;
    PyObject *initial;
    if (start_of_value(value, &bound, &initial) < 0) {
        return -1;
    }
    PyObject *old;
    /* Relaxed: guarded by the section, but for is_there and get_bound. */
    Py_BEGIN_CRITICAL_SECTION(self);
    old = atomic_load_explicit(&self->initial, memory_order_relaxed);
    atomic_store_explicit(&self->initial, initial, memory_order_relaxed);
    atomic_store_explicit(&self->base.bound, bound, memory_order_relaxed);
    Py_END_CRITICAL_SECTION();
    Py_XDECREF(old);
    return 0;
}

/* The value as the standard library would count it, `more` permits from now. */
static PyObject *
get_value(semaphore_object *self, int64_t more)
{
    PyObject *origin;
    int64_t count;
    Py_BEGIN_CRITICAL_SECTION(self);
    origin = Py_XNewRef(self->origin);
    count = permits_count(&self->permits) + more;
    Py_END_CRITICAL_SECTION();
    if (origin == NULL) {
        return PyLong_FromLongLong(count);
    }
    PyObject *number = PyLong_FromLongLong(count - PyLong_AsLongLong(PyTuple_GET_ITEM(origin, 1)));
    PyObject *value = number == NULL ? NULL : PyNumber_Add(PyTuple_GET_ITEM(origin, 0), number);
    Py_DECREF(origin);
    Py_XDECREF(number);
    return value;
}

/* What the value must not exceed. */
static PyObject *
bounded_get_initial(bounded_object *self, void *Py_UNUSED(closure))
{
    PyObject *initial;
    Py_BEGIN_CRITICAL_SECTION(self);
    initial = Py_XNewRef(self->initial);
    Py_END_CRITICAL_SECTION();
    return initial == NULL ? PyLong_FromLongLong(get_bound(&self->base)) : initial;
}

/* Construction */

/* Returns the `value` argument, 1 by default, as a new reference, or NULL with an exception set. */
static PyObject *
unpack_value(const char *function, PyObject *args, PyObject *keywords)
{
    static const char *const names[] = {"value", NULL};
    PyObject *value;
    if (unpack_tuple_and_dict(function, names, args, keywords, &value) < 0) {
        return NULL;
    }
    return value == NULL ? PyLong_FromLong(1) : Py_NewRef(value);
}

static int
semaphore_init(PyObject *self, PyObject *args, PyObject *keywords)
{
    PyObject *value = unpack_value("Semaphore", args, keywords);
    int result = value == NULL ? -1 : set_value((semaphore_object *)self, value);
    Py_XDECREF(value);
    return result;
}

static int
bounded_init(PyObject *self, PyObject *args, PyObject *keywords)
{
    PyObject *value = unpack_value("BoundedSemaphore", args, keywords);
    int result = value == NULL ? -1 : set_value((semaphore_object *)self, value);
    if (result == 0) {
        result = set_bound((bounded_object *)self, value);
    }
    Py_XDECREF(value);
    return result;
}

static semaphore_object *
make(PyTypeObject *type, int64_t start)
{
    semaphore_object *self = (semaphore_object *)type->tp_alloc(type, 0);
    if (self != NULL) {
        atomic_init(&self->bound, PERMITS_MAX);
        permits_init(&self->permits, start);
    }
    return self;
}

static semaphore_object *
make_bounded(PyTypeObject *type, int64_t start)
{
    semaphore_object *self = make(type, start);
    if (self != NULL) {
        atomic_init(&self->bound, start);
    }
    return self;
}

static PyObject *
semaphore_new(PyTypeObject *type, PyObject *Py_UNUSED(args), PyObject *Py_UNUSED(keywords))
{
    return (PyObject *)make(type, 1);
}

static PyObject *
bounded_new(PyTypeObject *type, PyObject *Py_UNUSED(args), PyObject *Py_UNUSED(keywords))
{
    return (PyObject *)make_bounded(type, 1);
}

/* Reads the arguments of a usual call: none, or one int that is not huge. Returns -1 if it is another one. */
static inline int64_t
usual_start(PyObject *const *args, size_t flags, PyObject *keywords)
{
    if (keywords != NULL || PyVectorcall_NARGS(flags) > 1) {
        return -1;
    }
    if (PyVectorcall_NARGS(flags) == 0) {
        return 1;
    }
    int64_t start = usual_int(args[0]);
    return start < UNLIMITED_START ? start : -1;
}

static PyObject *
semaphore_vectorcall(PyObject *callable, PyObject *const *args, size_t flags, PyObject *keywords)
{
    PyTypeObject *type = (PyTypeObject *)callable;
    int64_t start = usual_start(args, flags, keywords);
    if (start < 0 || type->tp_new != semaphore_new || type->tp_init != semaphore_init) {
        return construct_slow(callable, args, flags, keywords);
    }
    return (PyObject *)make(type, start);
}

static PyObject *
bounded_vectorcall(PyObject *callable, PyObject *const *args, size_t flags, PyObject *keywords)
{
    PyTypeObject *type = (PyTypeObject *)callable;
    int64_t start = usual_start(args, flags, keywords);
    if (start < 0 || type->tp_new != bounded_new || type->tp_init != bounded_init) {
        return construct_slow(callable, args, flags, keywords);
    }
    return (PyObject *)make_bounded(type, start);
}

static int
semaphore_traverse(semaphore_object *self, visitproc visit, void *arg)
{
    Py_VISIT(self->origin);
    return object_visit((PyObject *)self, visit, arg);
}

static int
semaphore_clear(PyObject *self)
{
    object_clear(self);
    Py_XDECREF(atomic_exchange(&((semaphore_object *)self)->origin, NULL));
    return 0;
}

static void
semaphore_dealloc(PyObject *self)
{
    object_begin_dealloc(self);
    Py_XDECREF(((semaphore_object *)self)->origin);
    object_free(self);
}

static int
bounded_traverse(bounded_object *self, visitproc visit, void *arg)
{
    Py_VISIT(self->initial);
    Py_VISIT(self->base.origin);
    return object_visit((PyObject *)self, visit, arg);
}

static int
bounded_clear(PyObject *self)
{
    Py_XDECREF(atomic_exchange(&((bounded_object *)self)->initial, NULL));
    return semaphore_clear(self);
}

static void
bounded_dealloc(PyObject *self)
{
    object_begin_dealloc(self);
    Py_XDECREF(((bounded_object *)self)->initial);
    Py_XDECREF(((semaphore_object *)self)->origin);
    object_free(self);
}

/* Acquiring */

/* Checks the arguments that `acquire` got. Returns whether to wait, or -1 with an exception set. */
static int
check_acquire(PyObject *blocking, PyObject *timeout)
{
    int wait = blocking == NULL ? 1 : PyObject_IsTrue(blocking);
    if (wait == 0 && timeout != NULL && timeout != Py_None) {
        PyErr_SetString(PyExc_ValueError, "can't specify timeout for non-blocking acquire");
        return -1;
    }
    return wait;
}

/* How long to wait, in nanoseconds. Asked only when there is no permit: until then the timeout may be anything.
 * Returns -1 with an exception set. */
static int64_t
wait_of_acquire(PyObject *timeout)
{
    if (!PyFloat_Check(timeout) && !PyLong_Check(timeout) && timeout != Py_None) {
        /* As `monotonic() + timeout` raises it. */
        PyObject *now = PyFloat_FromDouble((double)park_now() / 1e9);
        PyObject *sum = now == NULL ? NULL : PyNumber_Add(now, timeout);
        Py_XDECREF(now);
        Py_XDECREF(sum);
        if (sum == NULL) {
            return -1;
        }
    }
    return wait_from_total_timeout(timeout);
}

PyDoc_STRVAR(
    acquire_doc,
    "acquire($self, /, blocking=True, timeout=None)\n--\n\n"
    "Take one from the value, waiting until it is above zero if need be; as threading.Semaphore.acquire.\n\n"
    "With blocking false, do not wait. timeout is the longest wait in seconds; None means no limit. Return True\n"
    "if this call took one, False if that was not possible in time. A signal handler runs while waiting; if it\n"
    "raises, nothing is taken. Raise ValueError for a timeout together with blocking false.");

static PyObject *
semaphore_acquire(semaphore_object *self, PyObject *const *args, Py_ssize_t count, PyObject *keywords)
{
    PyObject *values[2] = {NULL, NULL};
    int blocking = 1;
    if (count == 1 && keywords == NULL && PyBool_Check(args[0])) {
        blocking = args[0] == Py_True;
    }
    else if (count != 0 || keywords != NULL) {
        static const char *const names[] = {"blocking", "timeout", NULL};
        if (unpack_arguments("Semaphore.acquire", names, args, count, keywords, values) < 0) {
            return NULL;
        }
        blocking = check_acquire(values[0], values[1]);
        if (blocking < 0) {
            return NULL;
        }
    }
    if (permits_try_take(&self->permits)) {
        Py_RETURN_TRUE;
    }
    int64_t wait = !blocking ? 0 : values[1] == NULL ? PARK_FOREVER : wait_of_acquire(values[1]);
    int64_t limit = is_there(&self->origin) ? PERMITS_MAX : get_bound(self);
    int taken = wait < 0 ? -1 : permits_take_slow(&self->permits, wait, limit, WAIT_ACQUIRE, (PyObject *)self);
    return taken < 0 ? NULL : PyBool_FromLong(taken);
}

/* Releasing */

/* Reads the n of release. Returns it, or -1 with an exception set. */
static int64_t
count_to_release(PyObject *n)
{
    PyObject *one = PyLong_FromLong(1);
    int too_few = one == NULL ? -1 : PyObject_RichCompareBool(n, one, Py_LT);
    Py_XDECREF(one);
    if (too_few != 0) {
        if (too_few > 0) {
            PyErr_SetString(PyExc_ValueError, "n must be one or more");
        }
        return -1;
    }
    PyObject *whole = whole_number(n);
    if (whole == NULL) {
        return -1;
    }
    int overflow;
    long long count = PyLong_AsLongLongAndOverflow(whole, &overflow);
    Py_DECREF(whole);
    if (overflow < 0 || (!overflow && count < 1)) {
        /* It has said that it is not less than one. */
        PyErr_SetString(PyExc_ValueError, "n must be one or more");
        return -1;
    }
    return overflow || count > PERMITS_MAX ? TOO_MANY : count;
}

/* Gives `count` permits if there are at most `limit` then. Returns None, or NULL with an exception set. */
static inline PyObject *
give(semaphore_object *self, int64_t count, int64_t limit)
{
    if (!permits_give(&self->permits, count, limit)) {
        if (limit == PERMITS_MAX) {
            PyErr_SetString(PyExc_OverflowError, "semaphore value is too large");
        }
        else {
            PyErr_SetString(PyExc_ValueError, "Semaphore released too many times");
        }
        return NULL;
    }
    wait_hand_over();
    return private_condition_notify((PyObject *)self, &self->permits.queue) < 0 ? NULL : Py_NewRef(Py_None);
}

/* Unpacks n. Returns it, or -1 with an exception set. */
static inline int64_t
unpack_release(const char *function, PyObject *const *args, Py_ssize_t count, PyObject *keywords)
{
    if (count == 0 && keywords == NULL) {
        return 1;
    }
    static const char *const names[] = {"n", NULL};
    PyObject *n;
    if (unpack_arguments(function, names, args, count, keywords, &n) < 0) {
        return -1;
    }
    return n == NULL ? 1 : count_to_release(n);
}

PyDoc_STRVAR(release_doc,
             "release($self, /, n=1)\n--\n\n"
             "Add n to the value; as threading.Semaphore.release. Any thread may do so.\n\n"
             "Up to n of the threads that wait, if any, get to take one. Raise ValueError if n is less than one.");

static PyObject *
semaphore_release(semaphore_object *self, PyObject *const *args, Py_ssize_t count, PyObject *keywords)
{
    int64_t n = unpack_release("Semaphore.release", args, count, keywords);
    return n < 0 ? NULL : give(self, n, PERMITS_MAX);
}

PyDoc_STRVAR(
    bounded_release_doc,
    "release($self, /, n=1)\n--\n\n"
    "Add n to the value; as threading.Semaphore.release. Any thread may do so.\n\n"
    "Up to n of the threads that wait, if any, get to take one. Raise ValueError if n is less than one, or if the\n"
    "value would exceed the one at the start: it does not change then.");

/* Returns 1 if n more would exceed the bound; 0 if not; -1 with an exception set. */
static int
exceeds_bound(bounded_object *self, int64_t n)
{
    PyObject *value = get_value(&self->base, n);
    PyObject *bound = value == NULL ? NULL : bounded_get_initial(self, NULL);
    int exceeds = bound == NULL ? -1 : PyObject_RichCompareBool(value, bound, Py_GT);
    Py_XDECREF(value);
    Py_XDECREF(bound);
    return exceeds;
}

/* Whether the value and its bound are ints of usual size. */
static inline bool
is_plain_int(bounded_object *self)
{
    return !is_there(&self->initial) && !is_there(&self->base.origin);
}

static Py_NO_INLINE PyObject *
bounded_release_slow(bounded_object *self, PyObject *const *args, Py_ssize_t count, PyObject *keywords)
{
    int64_t n = unpack_release("BoundedSemaphore.release", args, count, keywords);
    if (n < 0) {
        return NULL;
    }
    if (is_plain_int(self)) {
        return give(&self->base, n, get_bound(&self->base));
    }
    int exceeds = exceeds_bound(self, n);
    return exceeds < 0 ? NULL : give(&self->base, n, exceeds ? 0 : PERMITS_MAX);
}

static PyObject *
bounded_release(bounded_object *self, PyObject *const *args, Py_ssize_t count, PyObject *keywords)
{
    if (count == 0 && keywords == NULL && is_plain_int(self)) {
        return give(&self->base, 1, get_bound(&self->base));
    }
    return bounded_release_slow(self, args, count, keywords);
}

PyDoc_STRVAR(enter_doc,
             "__enter__($self, /, blocking=True, timeout=None)\n--\n\n"
             "Take one from the value: acquire(). timeout is in seconds.");

PyDoc_STRVAR(exit_doc,
             "__exit__($self, exc_type, exc_value, exc_tb, /)\n--\n\n"
             "Give it back: release().");

static PyObject *
semaphore_exit(PyObject *self, PyObject *const *Py_UNUSED(args), Py_ssize_t Py_UNUSED(count))
{
    if (object_is_plain(self, semaphore_dealloc)) {
        return semaphore_release((semaphore_object *)self, NULL, 0, NULL);
    }
    return PyObject_CallMethod(self, "release", NULL);
}

static PyObject *
bounded_exit(PyObject *self, PyObject *const *Py_UNUSED(args), Py_ssize_t Py_UNUSED(count))
{
    if (object_is_plain(self, bounded_dealloc)) {
        return bounded_release((bounded_object *)self, NULL, 0, NULL);
    }
    return PyObject_CallMethod(self, "release", NULL);
}

/* Attributes */

static PyObject *
semaphore_get_value(semaphore_object *self, void *Py_UNUSED(closure))
{
    return get_value(self, 0);
}

static int
semaphore_set_value(semaphore_object *self, PyObject *value, void *Py_UNUSED(closure))
{
    if (value == NULL) {
        PyErr_SetString(PyExc_AttributeError, "_value");
        return -1;
    }
    return set_value(self, value);
}

static PyObject *
semaphore_repr(semaphore_object *self)
{
    PyObject *value = get_value(self, 0);
    PyObject *repr = value == NULL ? NULL : object_repr((PyObject *)self, PyUnicode_FromFormat("value=%S", value));
    Py_XDECREF(value);
    return repr;
}

static int
bounded_set_initial(bounded_object *self, PyObject *value, void *Py_UNUSED(closure))
{
    if (value == NULL) {
        PyErr_SetString(PyExc_AttributeError, "_initial_value");
        return -1;
    }
    return set_bound(self, value);
}

static PyObject *
bounded_repr(bounded_object *self)
{
    PyObject *value = get_value(&self->base, 0);
    PyObject *initial = value == NULL ? NULL : bounded_get_initial(self, NULL);
    PyObject *repr = NULL;
    if (initial != NULL) {
        repr = object_repr((PyObject *)self, PyUnicode_FromFormat("value=%S/%S", value, initial));
    }
    Py_XDECREF(value);
    Py_XDECREF(initial);
    return repr;
}

/* Those that are bound methods in the standard library. */
static PyMethodDef semaphore_bound_methods[] = {
    {"acquire", OBJECT_METHOD(semaphore_acquire), METH_FASTCALL | METH_KEYWORDS, acquire_doc},
    {"release", OBJECT_METHOD(semaphore_release), METH_FASTCALL | METH_KEYWORDS, release_doc},
    {"__enter__", OBJECT_METHOD(semaphore_acquire), METH_FASTCALL | METH_KEYWORDS, enter_doc},
    {"__exit__", OBJECT_METHOD(semaphore_exit), METH_FASTCALL, exit_doc},
    {NULL},
};

static PyGetSetDef semaphore_getset[] = {
    {"_value", (getter)semaphore_get_value, (setter)semaphore_set_value, "The value."},
    {"_cond", private_condition_get, NULL, "A condition that release() notifies, made when first read.",
     PRIVATE_CONDITION(semaphore_object, permits.queue)},
    {NULL},
};

PyDoc_STRVAR(
    semaphore_doc,
    "Semaphore(value=1)\n--\n\n"
    "A counter that does not go below zero: acquire() takes one, release() adds one; as threading.Semaphore.\n\n"
    "value is what it starts with; float('inf') means that acquire() never waits. Raise ValueError if it is\n"
    "negative. The semaphore is a context manager.");

static PyType_Slot semaphore_slots[] = {
    {Py_tp_doc, (void *)semaphore_doc},   {Py_tp_new, semaphore_new},       {Py_tp_init, semaphore_init},
    {Py_tp_traverse, semaphore_traverse}, {Py_tp_clear, semaphore_clear},   {Py_tp_dealloc, semaphore_dealloc},
    {Py_tp_repr, semaphore_repr},         {Py_tp_getset, semaphore_getset}, {0, NULL},
};

static PyType_Spec semaphore_spec = {
    .name = "cthreading.Semaphore",
    .basicsize = sizeof(semaphore_object),
    .flags = Py_TPFLAGS_DEFAULT | Py_TPFLAGS_BASETYPE | Py_TPFLAGS_HAVE_GC,
    .slots = semaphore_slots,
};

/* acquire and __enter__ once more: the interpreter's shortcut for a call wants the method to be of the very type. */
/* Those that are bound methods in the standard library. */
static PyMethodDef bounded_bound_methods[] = {
    {"acquire", OBJECT_METHOD(semaphore_acquire), METH_FASTCALL | METH_KEYWORDS, acquire_doc},
    {"__enter__", OBJECT_METHOD(semaphore_acquire), METH_FASTCALL | METH_KEYWORDS, enter_doc},
    {"release", OBJECT_METHOD(bounded_release), METH_FASTCALL | METH_KEYWORDS, bounded_release_doc},
    {"__exit__", OBJECT_METHOD(bounded_exit), METH_FASTCALL, exit_doc},
    {NULL},
};

static PyGetSetDef bounded_getset[] = {
    {"_initial_value", (getter)bounded_get_initial, (setter)bounded_set_initial, "What the value must not exceed."},
    {NULL},
};

PyDoc_STRVAR(bounded_doc,
             "BoundedSemaphore(value=1)\n--\n\n"
             "A semaphore whose value must not exceed the one that it starts with; as threading.BoundedSemaphore.\n\n"
             "A release() too many raises ValueError. value is as for Semaphore.");

static PyType_Slot bounded_slots[] = {
    {Py_tp_doc, (void *)bounded_doc},   {Py_tp_new, bounded_new},       {Py_tp_init, bounded_init},
    {Py_tp_traverse, bounded_traverse}, {Py_tp_clear, bounded_clear},   {Py_tp_dealloc, bounded_dealloc},
    {Py_tp_repr, bounded_repr},         {Py_tp_getset, bounded_getset}, {0, NULL},
};

static PyType_Spec bounded_spec = {
    .name = "cthreading.BoundedSemaphore",
    .basicsize = sizeof(bounded_object),
    .flags = Py_TPFLAGS_DEFAULT | Py_TPFLAGS_BASETYPE | Py_TPFLAGS_HAVE_GC,
    .slots = bounded_slots,
};

int
semaphore_exec(PyObject *module)
{
    PyTypeObject *semaphore = kind_add_type(module, &semaphore_spec, NULL, semaphore_bound_methods);
    if (semaphore == NULL) {
        return -1;
    }
    semaphore->tp_vectorcall = semaphore_vectorcall;
    PyTypeObject *bounded = kind_add_type(module, &bounded_spec, semaphore, bounded_bound_methods);
    Py_DECREF(semaphore);
    if (bounded == NULL) {
        return -1;
    }
    bounded->tp_vectorcall = bounded_vectorcall;
    Py_DECREF(bounded);
    return 0;
}
