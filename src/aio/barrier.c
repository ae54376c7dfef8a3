/* asyncio.Barrier: tasks of one event loop wait for each other.
 *
 * The states are asyncio's:
 *
 *     FILLING    those who come wait, until the last one
 *     DRAINING   the last one came; those of the round leave one by one; who comes now waits for the next round
 *     RESETTING  reset() came while tasks were in the barrier; they leave with an error; who comes now waits
 *     BROKEN     abort() came; everyone leaves with an error
 *
 * `count` is how many are in the barrier, from their arrival until they have run again: the last one out turns DRAINING
 * and RESETTING into FILLING. asyncio's barrier waits on a condition for its state to change; here is one queue, for
 * those in the barrier and those who wait to get in, and nobody but the event loop's thread, so no lock. Everyone woken
 * looks at the state again, and, if it is not what they wait for, goes to the queue's end: that makes the order in which
 * tasks go on that of asyncio in every case. */
#include "../sync/kind.h"
#include "../sync/wait.h"
#include "coroutine.h"

typedef enum { FILLING, DRAINING, RESETTING, BROKEN } barrier_state;

static const char *const state_names[] = {"filling", "draining", "resetting", "broken"};

/* The stages of wait(). */
enum { ARRIVING, INSIDE };

typedef struct {
    OBJECT_HEAD
    PyObject *module; /* NULL before __init__ */
    PyObject *parties;
    Py_ssize_t parties_size; /* 0: not an integer of this size */
    PyObject *loop;          /* NULL before anyone has waited */
    PyObject *get_running_loop;
    PyObject *broken_error;
    guard guard; /* of state, count and loop */
    barrier_state state;
    Py_ssize_t count;
    future_queue queue;
} barrier_object;

static barrier_object *
barrier_of(coroutine *self)
{
    return (barrier_object *)self->owner;
}

static barrier_state
get_state(barrier_object *self)
{
    guard_lock(&self->guard);
    barrier_state state = self->state;
    guard_unlock(&self->guard);
    return state;
}

static void
set_state(barrier_object *self, barrier_state state)
{
    guard_lock(&self->guard);
    self->state = state;
    guard_unlock(&self->guard);
}

static int
wake_all(barrier_object *self)
{
    return future_queue_wake(module_get_state(self->module), &self->queue, PY_SSIZE_T_MAX);
}

/* One leaves the barrier. Returns -1 with an exception set if waking those outside raised. */
static int
leave(barrier_object *self)
{
    guard_lock(&self->guard);
    bool last = --self->count == 0;
    if (last && (self->state == DRAINING || self->state == RESETTING)) {
        self->state = FILLING;
    }
    guard_unlock(&self->guard);
    return last ? wake_all(self) : 0;
}

/* Runs `leave` with an exception set, which stays or becomes the context of the one that leaving raised. */
static void
leave_raising(barrier_object *self)
{
    PyObject *raised = PyErr_GetRaisedException();
    if (leave(self) < 0) {
        raised = exception_chain(PyErr_GetRaisedException(), raised);
    }
    PyErr_SetRaisedException(raised);
}

/* Binds the barrier to the event loop that is running. Returns a new reference to that. */
static PyObject *
bind_loop(barrier_object *self)
{
#if PY_VERSION_HEX < 0x030C0000
    /* Asking for the running loop is a system call in 3.11, a good part of what a wait costs. */
    if (future_loop_is_calling(self->loop)) {
        return Py_NewRef(self->loop);
    }
#endif
    PyObject *loop = PyObject_CallNoArgs(self->get_running_loop);
    if (loop == NULL) {
        return NULL;
    }
    if (loop == Py_None) {
        PyErr_SetString(PyExc_RuntimeError, "no running event loop");
        Py_DECREF(loop);
        return NULL;
    }
    guard_lock(&self->guard);
    if (self->loop == NULL) {
        self->loop = Py_NewRef(loop);
    }
    bool same = self->loop == loop;
    guard_unlock(&self->guard);
    if (!same) {
        PyErr_Format(PyExc_RuntimeError, "%R is bound to a different event loop", self);
        Py_CLEAR(loop);
    }
    return loop;
}

static future *
make_future(barrier_object *self)
{
    PyObject *loop = bind_loop(self);
    if (loop == NULL) {
        return NULL;
    }
    future *future = future_new(module_get_state(self->module), loop);
    Py_DECREF(loop);
    return future;
}

/* A new reference; None before __init__. */
static PyObject *
get_parties(barrier_object *self)
{
    PyObject *parties;
    Py_BEGIN_CRITICAL_SECTION(self);
    parties = Py_NewRef(self->parties == NULL ? Py_None : self->parties);
    Py_END_CRITICAL_SECTION();
    return parties;
}

/* Returns whether as many have come as there are parties, -1 with an exception set. */
static int
is_full(barrier_object *self, Py_ssize_t count)
{
    if (self->parties_size != 0) {
        return count == self->parties_size;
    }
    PyObject *number = PyLong_FromSsize_t(count);
    PyObject *parties = get_parties(self);
    int result = number == NULL ? -1 : PyObject_RichCompareBool(number, parties, Py_EQ);
    Py_XDECREF(number);
    Py_DECREF(parties);
    return result;
}

/* Waits until the state is changed; the coroutine's stage tells which states end that. */
static PySendResult
wait_for_change(coroutine *self, PyObject **result)
{
    barrier_object *barrier = barrier_of(self);
    future *future = make_future(barrier);
    if (future != NULL) {
        return coroutine_suspend(self, &barrier->queue, future, result);
    }
    if (self->stage == INSIDE) {
        leave_raising(barrier);
    }
    return PYGEN_ERROR;
}

static PySendResult
wait_leave_with_index(coroutine *self, PyObject **result)
{
    if (leave(barrier_of(self)) < 0) {
        return PYGEN_ERROR;
    }
    *result = PyLong_FromSsize_t(self->index);
    return *result == NULL ? PYGEN_ERROR : PYGEN_RETURN;
}

/* The task is inside: on to the round's end. */
static PySendResult
wait_inside(coroutine *self, PyObject **result)
{
    barrier_object *barrier = barrier_of(self);
    switch (get_state(barrier)) {
    case FILLING:
        return wait_for_change(self, result);
    case DRAINING:
        return wait_leave_with_index(self, result);
    default:
        PyErr_SetString(barrier->broken_error, "Abort or reset of barrier");
        leave_raising(barrier);
        return PYGEN_ERROR;
    }
}

static PySendResult
wait_enter(coroutine *self, PyObject **result)
{
    barrier_object *barrier = barrier_of(self);
    guard_lock(&barrier->guard);
    self->index = barrier->count++;
    guard_unlock(&barrier->guard);
    self->stage = INSIDE;
    int full = is_full(barrier, self->index + 1);
    if (full == 0) {
        return wait_inside(self, result);
    }
    if (full > 0) {
        set_state(barrier, DRAINING);
        if (wake_all(barrier) == 0) {
            return wait_leave_with_index(self, result);
        }
    }
    leave_raising(barrier);
    return PYGEN_ERROR;
}

static PySendResult
wait_resume(coroutine *self, future *Py_UNUSED(awaited), PyObject **result)
{
    if (self->stage == INSIDE) {
        return wait_inside(self, result);
    }
    barrier_object *barrier = barrier_of(self);
    switch (get_state(barrier)) {
    case FILLING:
        return wait_enter(self, result);
    case BROKEN:
        PyErr_SetString(barrier->broken_error, "Barrier aborted");
        return PYGEN_ERROR;
    default:
        return wait_for_change(self, result);
    }
}

static void
wait_fail(coroutine *self, future *Py_UNUSED(awaited))
{
    barrier_object *barrier = barrier_of(self);
#if PY_VERSION_HEX >= 0x030D0000
    /* From 3.13 on, a condition gives the wake-up on, in case the one that failed had got it. The next one looks around
     * and goes to the queue's end, so the order changes. */
    PyObject *raised = PyErr_GetRaisedException();
    if (future_queue_wake(self->module, &barrier->queue, 1) < 0) {
        raised = exception_chain(PyErr_GetRaisedException(), raised);
    }
    PyErr_SetRaisedException(raised);
#endif
    if (self->stage == INSIDE) {
        leave_raising(barrier);
    }
}

static PySendResult
return_none(int error, PyObject **result)
{
    if (error < 0) {
        return PYGEN_ERROR;
    }
    *result = Py_NewRef(Py_None);
    return PYGEN_RETURN;
}

static PySendResult
reset_resume(coroutine *self, future *Py_UNUSED(awaited), PyObject **result)
{
    barrier_object *barrier = barrier_of(self);
    guard_lock(&barrier->guard);
    barrier->state = barrier->count > 0 ? RESETTING : FILLING;
    guard_unlock(&barrier->guard);
    return return_none(wake_all(barrier), result);
}

static PySendResult
abort_resume(coroutine *self, future *Py_UNUSED(awaited), PyObject **result)
{
    barrier_object *barrier = barrier_of(self);
    set_state(barrier, BROKEN);
    return return_none(wake_all(barrier), result);
}

static PySendResult
exit_resume(coroutine *Py_UNUSED(self), future *Py_UNUSED(awaited), PyObject **result)
{
    return return_none(0, result);
}

static const coroutine_kind wait_kind = {"wait", "Barrier.wait", wait_resume, wait_fail};
static const coroutine_kind reset_kind = {"reset", "Barrier.reset", reset_resume, NULL};
static const coroutine_kind abort_kind = {"abort", "Barrier.abort", abort_resume, NULL};
static const coroutine_kind exit_kind = {"__aexit__", "Barrier.__aexit__", exit_resume, NULL};

/* Returns NULL with an exception set before __init__. */
static module_state *
get_module_state(barrier_object *self)
{
    if (self->module == NULL) {
        PyErr_SetString(PyExc_RuntimeError, "Barrier.__init__() not called");
        return NULL;
    }
    return module_get_state(self->module);
}

static PyObject *
make_coroutine(barrier_object *self, const coroutine_kind *kind)
{
    module_state *state = get_module_state(self);
    return state == NULL ? NULL : coroutine_new(state, kind, (PyObject *)self);
}

PyDoc_STRVAR(
    wait_doc,
    "wait($self, /)\n--\n\n"
    "Wait until as many tasks wait as there are parties; as asyncio.Barrier.wait. This is a coroutine.\n\n"
    "Return the task's index in the order of arrival, from 0. A task that comes while others still leave waits\n"
    "for the next round. A task that is cancelled leaves the round. Raise asyncio.BrokenBarrierError if the\n"
    "barrier is broken, or reset or broken while waiting, and RuntimeError if tasks of another event loop have\n"
    "waited.");

static PyObject *
barrier_wait(barrier_object *self, PyObject *Py_UNUSED(ignored))
{
    return make_coroutine(self, &wait_kind);
}

PyDoc_STRVAR(reset_doc,
             "reset($self, /)\n--\n\n"
             "Make the barrier empty and not broken; as asyncio.Barrier.reset. This is a coroutine.\n\n"
             "Tasks that wait get asyncio.BrokenBarrierError.");

static PyObject *
barrier_reset(barrier_object *self, PyObject *Py_UNUSED(ignored))
{
    return make_coroutine(self, &reset_kind);
}

PyDoc_STRVAR(abort_doc,
             "abort($self, /)\n--\n\n"
             "Break the barrier; as asyncio.Barrier.abort. This is a coroutine.\n\n"
             "Tasks that wait, or come before a reset, get asyncio.BrokenBarrierError.");

static PyObject *
barrier_abort(barrier_object *self, PyObject *Py_UNUSED(ignored))
{
    return make_coroutine(self, &abort_kind);
}

PyDoc_STRVAR(enter_doc,
             "__aenter__($self, /)\n--\n\n"
             "Wait, and give the index.");

static PyObject *
barrier_enter(barrier_object *self, PyObject *Py_UNUSED(ignored))
{
    /* A subclass may have its own. */
    module_state *state = get_module_state(self);
    return state == NULL ? NULL : PyObject_CallMethodNoArgs((PyObject *)self, state->str_wait);
}

PyDoc_STRVAR(exit_doc,
             "__aexit__($self, /, *args)\n--\n\n"
             "Do nothing.");

static PyObject *
barrier_exit(barrier_object *self, PyObject *const *Py_UNUSED(args), Py_ssize_t Py_UNUSED(count))
{
    return make_coroutine(self, &exit_kind);
}

static PyObject *
barrier_get_parties(barrier_object *self, void *Py_UNUSED(closure))
{
    PyObject *parties = get_parties(self);
    if (Py_IsNone(parties)) {
        Py_SETREF(parties, PyLong_FromLong(0));
    }
    return parties;
}

static Py_ssize_t
count_inside(barrier_object *self, bool waiting_only)
{
    guard_lock(&self->guard);
    Py_ssize_t count = waiting_only && self->state != FILLING ? 0 : self->count;
    guard_unlock(&self->guard);
    return count;
}

static PyObject *
barrier_get_n_waiting(barrier_object *self, void *Py_UNUSED(closure))
{
    return PyLong_FromSsize_t(count_inside(self, true));
}

static PyObject *
barrier_get_count(barrier_object *self, void *Py_UNUSED(closure))
{
    return PyLong_FromSsize_t(count_inside(self, false));
}

static PyObject *
barrier_get_broken(barrier_object *self, void *Py_UNUSED(closure))
{
    return PyBool_FromLong(get_state(self) == BROKEN);
}

static PyObject *
barrier_get_loop(barrier_object *self, void *Py_UNUSED(closure))
{
    guard_lock(&self->guard);
    PyObject *loop = Py_XNewRef(self->loop);
    guard_unlock(&self->guard);
    return loop == NULL ? Py_NewRef(Py_None) : loop;
}

static PyObject *
describe(barrier_object *self)
{
    barrier_state state = get_state(self);
    PyObject *parties = get_parties(self);
    PyObject *described =
        state == BROKEN || Py_IsNone(parties)
            ? PyUnicode_FromString(state_names[state])
            : PyUnicode_FromFormat("%s, waiters:%zd/%S", state_names[state], count_inside(self, true), parties);
    Py_DECREF(parties);
    return described;
}

static PyObject *
barrier_repr(PyObject *self)
{
    PyObject *repr = NULL;
    PyObject *plain = PyBaseObject_Type.tp_repr(self);
    PyObject *inner = plain == NULL ? NULL : PyUnicode_Substring(plain, 1, PyUnicode_GET_LENGTH(plain) - 1);
    PyObject *state = inner == NULL ? NULL : describe((barrier_object *)self);
    if (state != NULL) {
        repr = PyUnicode_FromFormat("<%U [%U]>", inner, state);
    }
    Py_XDECREF(plain);
    Py_XDECREF(inner);
    Py_XDECREF(state);
    return repr;
}

/* Raises what asyncio raises for these parties: releases differ in the text, also within a version. */
static void
raise_bad_parties(PyObject *parties)
{
    PyObject *barrier = module_import_from("asyncio.locks", "Barrier");
    if (barrier == NULL) {
        return;
    }
    /* It may be ours, put there for all to use. */
    bool ours = PyType_Check(barrier) && PyType_GetModuleByDef((PyTypeObject *)barrier, &module_definition) != NULL;
    PyErr_Clear();
    if (!ours) {
        Py_XDECREF(PyObject_CallOneArg(barrier, parties));
    }
    if (!PyErr_Occurred()) {
        PyErr_SetString(PyExc_ValueError, "parties must be >= 1");
    }
    Py_DECREF(barrier);
}

/* Returns how many parties there are; 0 if that is no integer of this size; -1 with an exception set. */
static Py_ssize_t
check_parties(PyObject *parties)
{
    PyObject *one = PyLong_FromLong(1);
    int less = one == NULL ? -1 : PyObject_RichCompareBool(parties, one, Py_LT);
    Py_XDECREF(one);
    if (less > 0) {
        raise_bad_parties(parties);
    }
    if (less != 0) {
        return -1;
    }
    if (!PyLong_Check(parties)) {
        return 0;
    }
    Py_ssize_t size = PyLong_AsSsize_t(parties);
    if (size == -1 && PyErr_ExceptionMatches(PyExc_OverflowError)) {
        PyErr_Clear();
        size = 0;
    }
    return size < 1 && !PyErr_Occurred() ? 0 : size;
}

static int
barrier_init(PyObject *object, PyObject *args, PyObject *keywords)
{
    static const char *const names[] = {"parties", NULL};
    PyObject *parties;
    if (unpack_tuple_and_dict("Barrier", names, args, keywords, &parties) < 0) {
        return -1;
    }
    if (parties == NULL) {
        PyErr_SetString(PyExc_TypeError, "Barrier.__init__() missing 1 required positional argument: 'parties'");
        return -1;
    }
    Py_ssize_t size = check_parties(parties);
    if (size < 0) {
        return -1;
    }
    barrier_object *self = (barrier_object *)object;
    if (self->module == NULL) {
        /* Here, so that nobody imports asyncio who has no barrier. */
        Py_XSETREF(self->get_running_loop, module_import_from("asyncio.events", "_get_running_loop"));
        Py_XSETREF(self->broken_error, module_import_from("asyncio.exceptions", "BrokenBarrierError"));
        PyObject *module = PyType_GetModuleByDef(Py_TYPE(self), &module_definition);
        if (self->get_running_loop == NULL || self->broken_error == NULL || module == NULL) {
            return -1;
        }
        self->module = Py_NewRef(module);
    }
    PyObject *before;
    Py_BEGIN_CRITICAL_SECTION(self);
    before = self->parties;
    self->parties = Py_NewRef(parties);
    self->parties_size = size;
    Py_END_CRITICAL_SECTION();
    Py_XDECREF(before);
    self->count = 0;
    set_state(self, FILLING);
    return 0;
}

static int
barrier_traverse(barrier_object *self, visitproc visit, void *arg)
{
    Py_VISIT(self->module);
    Py_VISIT(self->parties);
    Py_VISIT(self->loop);
    Py_VISIT(self->get_running_loop);
    Py_VISIT(self->broken_error);
    int stopped = object_visit((PyObject *)self, visit, arg);
    return stopped != 0 ? stopped : future_queue_traverse(&self->queue, visit, arg);
}

static int
barrier_clear(barrier_object *self)
{
    future_queue_clear(&self->queue);
    object_clear((PyObject *)self);
    Py_CLEAR(self->module);
    Py_CLEAR(self->parties);
    Py_CLEAR(self->loop);
    Py_CLEAR(self->get_running_loop);
    Py_CLEAR(self->broken_error);
    return 0;
}

static void
barrier_dealloc(PyObject *self)
{
    object_begin_dealloc(self);
    barrier_clear((barrier_object *)self);
    object_free(self);
}

/* Those that are bound methods in the standard library. */
static PyMethodDef barrier_bound_methods[] = {
    {"wait", OBJECT_METHOD(barrier_wait), METH_NOARGS, wait_doc},
    {"reset", OBJECT_METHOD(barrier_reset), METH_NOARGS, reset_doc},
    {"abort", OBJECT_METHOD(barrier_abort), METH_NOARGS, abort_doc},
    {"__aenter__", OBJECT_METHOD(barrier_enter), METH_NOARGS, enter_doc},
    {"__aexit__", OBJECT_METHOD(barrier_exit), METH_FASTCALL, exit_doc},
    {NULL},
};

static PyGetSetDef barrier_getset[] = {
    {"parties", (getter)barrier_get_parties, NULL, "How many tasks the barrier waits for."},
    {"n_waiting", (getter)barrier_get_n_waiting, NULL, "How many tasks wait for the round to be complete."},
    {"broken", (getter)barrier_get_broken, NULL, "Whether the barrier is broken."},
    {"_count", (getter)barrier_get_count, NULL, "How many tasks have arrived and not left yet."},
    {"_parties", (getter)barrier_get_parties, NULL, "The same as parties."},
    {"_loop", (getter)barrier_get_loop, NULL, "The event loop whose tasks wait here; None before one has waited."},
    {NULL},
};

PyDoc_STRVAR(barrier_doc,
             "Barrier(parties)\n--\n\n"
             "Where tasks of one event loop wait for each other, as many as there are parties; as asyncio.Barrier.\n\n"
             "It is an asynchronous context manager: entering it waits. Raise ValueError for fewer than one party.");

static PyType_Slot barrier_slots[] = {
    {Py_tp_doc, (void *)barrier_doc},   {Py_tp_new, PyType_GenericNew}, {Py_tp_init, barrier_init},
    {Py_tp_traverse, barrier_traverse}, {Py_tp_clear, barrier_clear},   {Py_tp_dealloc, barrier_dealloc},
    {Py_tp_repr, barrier_repr},         {Py_tp_getset, barrier_getset}, {0, NULL},
};

static PyType_Spec barrier_spec = {
    .name = "cthreading.aio.Barrier",
    .basicsize = sizeof(barrier_object),
    .flags = Py_TPFLAGS_DEFAULT | Py_TPFLAGS_BASETYPE | Py_TPFLAGS_HAVE_GC,
    .slots = barrier_slots,
};

/* Makes the type, which needs asyncio: so not before somebody asks for it. */
static PyObject *
make_barrier_type(PyObject *module, PyObject *Py_UNUSED(ignored))
{
    PyObject *locks = PyImport_ImportModule("asyncio.locks");
    PyTypeObject *kind = locks == NULL ? NULL : kind_find(module, PyModule_GetDict(locks), "Barrier");
    PyTypeObject *type = kind == NULL ? NULL : kind_make_type(module, &barrier_spec, NULL, kind, barrier_bound_methods);
    Py_XDECREF(locks);
    Py_XDECREF(kind);
    /* Messages of the interpreter name a type without its module if it was made by a class statement. */
    PyObject *name = type == NULL ? NULL : PyUnicode_FromString("Barrier");
    if (name == NULL || PyObject_SetAttrString((PyObject *)type, "__name__", name) < 0) {
        Py_CLEAR(type);
    }
    Py_XDECREF(name);
    return (PyObject *)type;
}

PyDoc_STRVAR(make_barrier_type_doc,
             "_make_aio_barrier($module, /)\n--\n\n"
             "Make a new cthreading.aio.Barrier class. This imports asyncio.");

static PyMethodDef functions[] = {
    {"_make_aio_barrier", make_barrier_type, METH_NOARGS, make_barrier_type_doc},
    {NULL},
};

int
aio_barrier_exec(PyObject *module)
{
    module_state *state = module_get_state(module);
    state->str_wait = PyUnicode_InternFromString("wait");
    return state->str_wait == NULL ? -1 : PyModule_AddFunctions(module, functions);
}
