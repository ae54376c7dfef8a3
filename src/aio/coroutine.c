/* The coroutine protocol for C: send, throw, close, await, and what happens to a coroutine that is dropped. The states:
 *
 *     CREATED -> RUNNING <-> SUSPENDED
 *                RUNNING  -> CLOSED
 *
 * Errors are those of a coroutine that Python compiled. It lacks the cr_ attributes: it has no frame to show. */
#include "coroutine.h"

#include "../park/waiter.h"
#include "../sync/object.h"
#include "../sync/wait.h"

/* Those that are suspended, the latest first: for those who ask. With waiter_lists_lock. */
static coroutine *suspended;

static void
list(coroutine *self)
{
    self->since = park_now();
    waiter_lists_lock();
    self->previous_suspended = NULL;
    self->next_suspended = suspended;
    if (suspended != NULL) {
        suspended->previous_suspended = self;
    }
    suspended = self;
    waiter_lists_unlock();
}

static void
unlist(coroutine *self)
{
    waiter_lists_lock();
    coroutine *next = self->next_suspended, *previous = self->previous_suspended;
    if (next != NULL) {
        next->previous_suspended = previous;
    }
    *(previous != NULL ? &previous->next_suspended : &suspended) = next;
    waiter_lists_unlock();
}

PyObject *
coroutine_new(module_state *module, const coroutine_kind *kind, PyObject *owner)
{
    PyTypeObject *type = module->coroutine_type;
    coroutine *self = (coroutine *)type->tp_alloc(type, 0);
    if (self != NULL) {
        self->kind = kind;
        self->module = module;
        self->owner = Py_NewRef(owner);
    }
    return (PyObject *)self;
}

PySendResult
coroutine_suspend(coroutine *self, future_queue *queue, future *future, PyObject **result)
{
    self->future = future;
    self->queue = queue;
    if (queue != NULL) {
        future_queue_append(queue, future);
    }
    list(self);
    /* By this mark a task tells a future that was awaited from one that was merely yielded. */
    future->blocking = true;
    *result = Py_NewRef(future);
    return PYGEN_NEXT;
}

/* The coroutine goes on: the future, which it returns a reference to, has done its work. */
static future *
take_future(coroutine *self)
{
    future *future = self->future;
    if (future != NULL) {
        unlist(self);
    }
    self->future = NULL;
    if (future != NULL && self->queue != NULL) {
        future_queue_remove(self->queue, future);
    }
    return future;
}

/* Begins a step. Returns the state before it, or -1 with an exception set. */
static int
begin_step(coroutine *self)
{
    guard_lock(&self->guard);
    coroutine_state state = self->state;
    if (state == COROUTINE_CREATED || state == COROUTINE_SUSPENDED) {
        self->state = COROUTINE_RUNNING;
    }
    guard_unlock(&self->guard);
    if (state == COROUTINE_RUNNING) {
        PyErr_SetString(PyExc_ValueError, "coroutine already executing");
        return -1;
    }
    if (state == COROUTINE_CLOSED) {
        PyErr_SetString(PyExc_RuntimeError, "cannot reuse already awaited coroutine");
        return -1;
    }
    return state;
}

static coroutine_state
state_of(coroutine *self)
{
    guard_lock(&self->guard);
    coroutine_state state = self->state;
    guard_unlock(&self->guard);
    return state;
}

static void
end_step(coroutine *self, coroutine_state state)
{
    PyObject *owner = NULL;
    if (state == COROUTINE_CLOSED) {
        owner = self->owner;
        self->owner = NULL;
    }
    guard_lock(&self->guard);
    self->state = state;
    guard_unlock(&self->guard);
    Py_XDECREF(owner);
}

static PySendResult
coroutine_step(coroutine *self, PyObject *value, PyObject **result)
{
    *result = NULL;
    int state = begin_step(self);
    if (state < 0) {
        return PYGEN_ERROR;
    }
    if (state == COROUTINE_CREATED && value != Py_None) {
        PyErr_SetString(PyExc_TypeError, "can't send non-None value to a just-started coroutine");
        end_step(self, COROUTINE_CREATED);
        return PYGEN_ERROR;
    }
    PySendResult outcome = PYGEN_ERROR;
    future *future = take_future(self);
    if (future != NULL && future_check(future) < 0) {
        self->kind->fail(self, future);
    }
    else {
        outcome = self->kind->resume(self, future, result);
    }
    Py_XDECREF(future);
    end_step(self, outcome == PYGEN_NEXT ? COROUTINE_SUSPENDED : COROUTINE_CLOSED);
    return outcome;
}

/* Ends the coroutine by the exception that is set once `state` is known not to be CLOSED. */
static void
raise_inside(coroutine *self, int state)
{
    if (state == COROUTINE_SUSPENDED) {
        future *future = take_future(self);
        self->kind->fail(self, future);
        Py_XDECREF(future);
    }
    end_step(self, COROUTINE_CLOSED);
}

PyDoc_STRVAR(
    send_doc,
    "send($self, value, /)\n--\n\n"
    "Go on until the next future to wait for, and return that; raise StopIteration with the result at the end.");

static PyObject *
step_or_stop(coroutine *self, PyObject *value)
{
    PyObject *result;
    if (coroutine_step(self, value, &result) == PYGEN_RETURN) {
        PyErr_SetObject(PyExc_StopIteration, result);
        Py_CLEAR(result);
    }
    return result;
}

static PyObject *
coroutine_send(coroutine *self, PyObject *value)
{
    return step_or_stop(self, value);
}

static PyObject *
coroutine_iternext(coroutine *self)
{
    return step_or_stop(self, Py_None);
}

/* Sets the exception that the arguments of throw() mean: an instance, or a class and perhaps a value, and a traceback. */
static int
set_thrown(PyObject *const *args, Py_ssize_t count)
{
    PyObject *type = args[0];
    PyObject *value = count > 1 && args[1] != Py_None ? args[1] : NULL;
    PyObject *traceback = count > 2 && args[2] != Py_None ? args[2] : NULL;
    if (traceback != NULL && !PyTraceBack_Check(traceback)) {
        PyErr_SetString(PyExc_TypeError, "throw() third argument must be a traceback object");
        return -1;
    }
    if (PyExceptionInstance_Check(type) && value == NULL) {
        traceback = traceback != NULL ? Py_NewRef(traceback) : PyException_GetTraceback(type);
        PyErr_Restore(Py_NewRef((PyObject *)Py_TYPE(type)), Py_NewRef(type), traceback);
        return 0;
    }
    if (PyExceptionClass_Check(type)) {
        PyErr_Restore(Py_NewRef(type), Py_XNewRef(value), Py_XNewRef(traceback));
        return 0;
    }
    if (PyExceptionInstance_Check(type)) {
        PyErr_SetString(PyExc_TypeError, "instance exception may not have a separate value");
    }
    else {
        PyErr_Format(PyExc_TypeError, "exceptions must be classes or instances deriving from BaseException, not %s",
                     Py_TYPE(type)->tp_name);
    }
    return -1;
}

PyDoc_STRVAR(throw_doc,
             "throw($self, exception, /)\n--\n\n"
             "Raise the exception where the coroutine waits.");

static PyObject *
coroutine_throw(coroutine *self, PyObject *const *args, Py_ssize_t count)
{
    if (count < 1 || count > 3) {
        PyErr_Format(PyExc_TypeError, "throw expected 1 to 3 arguments, got %zd", count);
        return NULL;
    }
#if PY_VERSION_HEX >= 0x030C0000
    if (count > 1 && warn_deprecated("the (type, exc, tb) signature of throw() is deprecated, use the single-arg "
                                     "signature instead.") < 0) {
        return NULL;
    }
#endif
    int state = begin_step(self);
    if (state < 0) {
        return NULL;
    }
    if (set_thrown(args, count) < 0 && state == COROUTINE_CREATED) {
        end_step(self, state);
        return NULL;
    }
    /* If the arguments are wrong, it is that error which the coroutine gets: the future that it awaits finds it. */
    raise_inside(self, state);
    return NULL;
}

PyDoc_STRVAR(close_doc,
             "close($self, /)\n--\n\n"
             "End the coroutine by a GeneratorExit where it waits.");

static PyObject *
coroutine_close(coroutine *self, PyObject *Py_UNUSED(ignored))
{
    if (state_of(self) == COROUTINE_CLOSED) {
        Py_RETURN_NONE;
    }
    int state = begin_step(self);
    if (state < 0) {
        return NULL;
    }
    PyErr_SetNone(PyExc_GeneratorExit);
    raise_inside(self, state);
    if (!PyErr_ExceptionMatches(PyExc_GeneratorExit)) {
        return NULL;
    }
    PyErr_Clear();
    Py_RETURN_NONE;
}

/* A coroutine is its own iterator. */
static PyObject *
coroutine_await(coroutine *self)
{
    if (state_of(self) == COROUTINE_SUSPENDED) {
        PyErr_SetString(PyExc_RuntimeError, "coroutine is being awaited already");
        return NULL;
    }
    return Py_NewRef(self);
}

static PyObject *
coroutine_repr(coroutine *self)
{
    return PyUnicode_FromFormat("<coroutine object %s at %p>", self->kind->qualname, self);
}

static PyObject *
coroutine_get_name(coroutine *self, void *Py_UNUSED(closure))
{
    return PyUnicode_FromString(self->kind->name);
}

static PyObject *
coroutine_get_qualname(coroutine *self, void *Py_UNUSED(closure))
{
    return PyUnicode_FromString(self->kind->qualname);
}

static void
coroutine_finalize(PyObject *object)
{
    coroutine *self = (coroutine *)object;
    if (self->state == COROUTINE_CLOSED) {
        return;
    }
    PyObject *raised = PyErr_GetRaisedException();
    int failed;
    if (self->state == COROUTINE_CREATED) {
        failed =
            PyErr_WarnFormat(PyExc_RuntimeWarning, 1, "coroutine '%s' was never awaited", self->kind->qualname) < 0;
        end_step(self, COROUTINE_CLOSED);
    }
    else {
        PyObject *none = coroutine_close(self, NULL);
        failed = none == NULL;
        Py_XDECREF(none);
    }
    if (failed) {
        PyErr_WriteUnraisable(object);
    }
    if (raised != NULL) {
        PyErr_SetRaisedException(raised);
    }
}

static int
coroutine_traverse(coroutine *self, visitproc visit, void *arg)
{
    Py_VISIT(Py_TYPE(self));
    Py_VISIT(self->owner);
    Py_VISIT(self->future);
    Py_VISIT(self->timeout);
    Py_VISIT(self->timer);
    return 0;
}

static int
coroutine_clear(coroutine *self)
{
    self->state = COROUTINE_CLOSED;
    Py_XDECREF(take_future(self));
    Py_CLEAR(self->timeout);
    Py_CLEAR(self->timer);
    Py_CLEAR(self->owner);
    return 0;
}

static void
coroutine_dealloc(PyObject *object)
{
    coroutine *self = (coroutine *)object;
    if (self->state != COROUTINE_CLOSED && PyObject_CallFinalizerFromDealloc(object) < 0) {
        return;
    }
    PyObject_GC_UnTrack(object);
    if (self->weakrefs != NULL) {
        PyObject_ClearWeakRefs(object);
    }
    coroutine_clear(self);
    object_free(object);
}

static PyMethodDef coroutine_methods[] = {
    {"send", OBJECT_METHOD(coroutine_send), METH_O, send_doc},
    {"throw", OBJECT_METHOD(coroutine_throw), METH_FASTCALL, throw_doc},
    {"close", OBJECT_METHOD(coroutine_close), METH_NOARGS, close_doc},
    {NULL},
};

static PyMemberDef coroutine_members[] = {
    {"__weaklistoffset__", Py_T_PYSSIZET, offsetof(coroutine, weakrefs), Py_READONLY},
    {NULL},
};

static PyGetSetDef coroutine_getset[] = {
    {"__name__", (getter)coroutine_get_name, NULL, NULL},
    {"__qualname__", (getter)coroutine_get_qualname, NULL, NULL},
    {NULL},
};

PyDoc_STRVAR(coroutine_doc, "What the coroutine methods of cthreading.aio return: to be awaited, once.");

static PyType_Slot coroutine_slots[] = {
    {Py_tp_doc, (void *)coroutine_doc},
    {Py_tp_traverse, coroutine_traverse},
    {Py_tp_clear, coroutine_clear},
    {Py_tp_finalize, coroutine_finalize},
    {Py_tp_dealloc, coroutine_dealloc},
    {Py_tp_repr, coroutine_repr},
    {Py_tp_iternext, coroutine_iternext},
    {Py_am_await, coroutine_await},
    {Py_am_send, coroutine_step},
    {Py_tp_methods, coroutine_methods},
    {Py_tp_members, coroutine_members},
    {Py_tp_getset, coroutine_getset},
    {0, NULL},
};

static PyType_Spec coroutine_spec = {
    .name = "cthreading.aio.coroutine",
    .basicsize = sizeof(coroutine),
    .flags = Py_TPFLAGS_DEFAULT | Py_TPFLAGS_HAVE_GC | Py_TPFLAGS_DISALLOW_INSTANTIATION,
    .slots = coroutine_slots,
};

/* What is told of one that is suspended. */
typedef struct {
    PyObject *callback;
    PyObject *owner;
    int64_t since;
    uintptr_t serial;
} told;

/* Copies those of this module, as far as there is room. Returns how many there are. What each has is alive as long as it
 * is listed. */
static Py_ssize_t
copy_suspended(module_state *state, told *copies, Py_ssize_t room)
{
    Py_ssize_t count = 0;
    waiter_lists_lock();
    for (coroutine *c = suspended; c != NULL; c = c->next_suspended) {
        if (c->module != state) {
            continue;
        }
        if (count < room) {
            guard_lock(&c->future->guard);
            PyObject *callback = Py_XNewRef(c->future->state == FUTURE_PENDING ? c->future->callback : NULL);
            guard_unlock(&c->future->guard);
            copies[count] = (told){callback, Py_NewRef(c->owner), c->since, (uintptr_t)c};
        }
        count++;
    }
    waiter_lists_unlock();
    return count;
}

/* Appends what is told of it, if it is a task that waits: its callback is a method of the task. */
static int
append_told(PyObject *list, const told *copy, int64_t now)
{
    PyObject *task = copy->callback == NULL ? NULL : PyObject_GetAttrString(copy->callback, "__self__");
    if (task == NULL) {
        PyErr_Clear();
        return 0;
    }
    double seconds = (double)(now - copy->since) / PARK_SECOND;
    PyObject *tuple = Py_BuildValue("(KNOd)", (unsigned long long)copy->serial, task, copy->owner, seconds);
    int status = tuple == NULL ? -1 : PyList_Append(list, tuple);
    Py_XDECREF(tuple);
    return status;
}

PyDoc_STRVAR(task_waits_doc,
             "_task_waits($module, /)\n--\n\n"
             "Return the tasks that wait at barriers of this package, as tuples (serial, task, barrier, seconds).");

static PyObject *
task_waits(PyObject *module, PyObject *Py_UNUSED(ignored))
{
    module_state *state = module_get_state(module);
    Py_ssize_t room = copy_suspended(state, NULL, 0) + 8;
    told *copies = PyMem_New(told, room);
    if (copies == NULL) {
        return PyErr_NoMemory();
    }
    Py_ssize_t count = copy_suspended(state, copies, room);
    count = count < room ? count : room;
    PyObject *waits = PyList_New(0);
    int64_t now = park_now();
    for (Py_ssize_t i = 0; i < count; i++) {
        if (waits != NULL && append_told(waits, &copies[i], now) < 0) {
            Py_CLEAR(waits);
        }
        Py_XDECREF(copies[i].callback);
        Py_DECREF(copies[i].owner);
    }
    PyMem_Free(copies);
    return waits;
}

static PyMethodDef coroutine_functions[] = {
    {"_task_waits", task_waits, METH_NOARGS, task_waits_doc},
    {NULL},
};

int
aio_coroutine_exec(PyObject *module)
{
    module_state *state = module_get_state(module);
    state->coroutine_type = (PyTypeObject *)PyType_FromModuleAndSpec(module, &coroutine_spec, NULL);
    return state->coroutine_type == NULL ? -1 : PyModule_AddFunctions(module, coroutine_functions);
}
