/* The future that a coroutine in C waits for, its queue, and the one callback for all that are woken at once. */
#include "future.h"

#include "../sync/object.h"
#include "../sync/wait.h"

future *
future_new(module_state *module, PyObject *loop)
{
    PyTypeObject *type = module->future_type;
    future *self = (future *)type->tp_alloc(type, 0);
    if (self != NULL) {
        self->loop = Py_NewRef(loop);
    }
    return self;
}

bool
future_is(module_state *module, PyObject *object)
{
    return Py_IS_TYPE(object, module->future_type);
}

PyObject *
future_refuse(void)
{
    PyErr_SetString(PyExc_TypeError, "for event loops to call, with what they were given");
    return NULL;
}

/* The loop whose callback this thread runs, if it is one of ours; borrowed. */
static _Thread_local PyObject *calling_loop;

bool
future_loop_is_calling(PyObject *loop)
{
    return loop != NULL && loop == calling_loop;
}

static future_state
get_state(future *self)
{
    guard_lock(&self->guard);
    future_state state = self->state;
    guard_unlock(&self->guard);
    return state;
}

/* Ends a pending future. Returns false if it is not pending. */
static bool
finish(future *self, future_state state)
{
    guard_lock(&self->guard);
    bool pending = self->state == FUTURE_PENDING;
    if (pending) {
        self->state = state;
    }
    guard_unlock(&self->guard);
    return pending;
}

static void
raise_from_asyncio(const char *name, PyObject *value)
{
    PyObject *type = module_import_from("asyncio.exceptions", name);
    if (type != NULL) {
        PyErr_SetObject(type, value);
        Py_DECREF(type);
    }
}

static void
raise_cancelled(future *self)
{
    guard_lock(&self->guard);
    PyObject *message = Py_XNewRef(self->message);
    guard_unlock(&self->guard);
    raise_from_asyncio("CancelledError", message);
    Py_XDECREF(message);
}

int
future_check(future *self)
{
    switch (get_state(self)) {
    case FUTURE_DONE:
        return 0;
    case FUTURE_CANCELLED:
        raise_cancelled(self);
        return -1;
    default:
        PyErr_SetString(PyExc_RuntimeError, "await wasn't used with future");
        return -1;
    }
}

/* Callbacks */

static int
call_soon(module_state *module, future *self, PyObject *callback, PyObject *context)
{
    PyObject *args[] = {self->loop, callback, (PyObject *)self, context};
    PyObject *handle = PyObject_VectorcallMethod(module->str_call_soon, args, 3, module->context_keyword);
    Py_XDECREF(handle);
    return handle == NULL ? -1 : 0;
}

/* For a callback of the event loop that is in the context already. */
static int
call_here(module_state *Py_UNUSED(module), future *self, PyObject *callback, PyObject *Py_UNUSED(context))
{
    PyObject *result = PyObject_CallOneArg(callback, (PyObject *)self);
    Py_XDECREF(result);
    return result == NULL ? -1 : 0;
}

static int
call_in_context(module_state *module, future *self, PyObject *callback, PyObject *context)
{
    if (PyContext_Enter(context) < 0) {
        return -1;
    }
    int error = call_here(module, self, callback, context);
    PyObject *raised = error < 0 ? PyErr_GetRaisedException() : NULL;
    if (PyContext_Exit(context) < 0) {
        raised = exception_chain(PyErr_GetRaisedException(), raised);
    }
    if (raised != NULL) {
        PyErr_SetRaisedException(raised);
        return -1;
    }
    return 0;
}

typedef int (*call_function)(module_state *module, future *self, PyObject *callback, PyObject *context);

static int
call_soon_each(module_state *module, future *self, PyObject *callbacks)
{
    for (Py_ssize_t i = 0; i < PyList_GET_SIZE(callbacks); i++) {
        PyObject *pair = PyList_GET_ITEM(callbacks, i);
        if (call_soon(module, self, PyTuple_GET_ITEM(pair, 0), PyTuple_GET_ITEM(pair, 1)) < 0) {
            return -1;
        }
    }
    return 0;
}

/* Calls the callback of a future that is done, the task's, and forgets it. Others are left to the event loop. */
static int
call_callbacks(module_state *module, future *self, call_function call)
{
    guard_lock(&self->guard);
    PyObject *callback = self->callback;
    PyObject *context = self->context;
    PyObject *more = self->more_callbacks;
    self->callback = self->context = self->more_callbacks = NULL;
    guard_unlock(&self->guard);
    int error = 0;
    if (more != NULL) {
        error = call_soon_each(module, self, more);
        Py_DECREF(more);
    }
    if (callback != NULL) {
        error = error < 0 ? error : call(module, self, callback, context);
        Py_DECREF(callback);
        Py_DECREF(context);
    }
    return error;
}

/* Has the event loop call the callbacks of this future, which is done. */
static int
schedule_one(module_state *module, future *self)
{
    guard_lock(&self->guard);
    PyObject *context = Py_XNewRef(self->context);
    guard_unlock(&self->guard);
    if (context == NULL) {
        return 0;
    }
    int error = call_soon(module, self, module->run_callback, context);
    Py_DECREF(context);
    return error;
}

/* Has the event loop call the callbacks of futures[begin:], which are done. */
static int
schedule_batch(module_state *module, PyObject *futures, Py_ssize_t begin)
{
    Py_ssize_t end = PyList_GET_SIZE(futures);
    if (begin == end) {
        return 0;
    }
    future *first = (future *)PyList_GET_ITEM(futures, begin);
    if (end - begin == 1) {
        return schedule_one(module, first);
    }
    PyObject *rest = PyList_GetSlice(futures, begin, end);
    if (rest == NULL) {
        return -1;
    }
    PyObject *args[] = {first->loop, module->run_callbacks, rest};
    PyObject *handle = PyObject_VectorcallMethod(module->str_call_soon, args, 3, NULL);
    Py_DECREF(rest);
    Py_XDECREF(handle);
    return handle == NULL ? -1 : 0;
}

/* What the event loop calls for one future, in the context of its callback. */
static PyObject *
run_callback(PyObject *module, PyObject *object)
{
    if (!future_is(module_get_state(module), object)) {
        return future_refuse();
    }
    future *self = (future *)object;
    PyObject *outer = calling_loop;
    calling_loop = self->loop;
    int error = call_callbacks(module_get_state(module), self, call_here);
    calling_loop = outer;
    return error < 0 ? NULL : Py_NewRef(Py_None);
}

static bool
is_batch(module_state *module, PyObject *futures)
{
    bool fine = PyList_CheckExact(futures);
    for (Py_ssize_t i = 0; fine && i < PyList_GET_SIZE(futures); i++) {
        fine = future_is(module, PyList_GET_ITEM(futures, i));
    }
    return fine;
}

/* What the event loop calls for futures that were woken together: those that came from another thread are ended here. If
 * a callback raises, as after an interrupt, the event loop may stop: the others are left to it. */
static PyObject *
run_callbacks(PyObject *module_object, PyObject *futures)
{
    module_state *module = module_get_state(module_object);
    if (!is_batch(module, futures)) {
        return future_refuse();
    }
    PyObject *outer = calling_loop;
    int error = 0;
    for (Py_ssize_t i = 0; i < PyList_GET_SIZE(futures); i++) {
        finish((future *)PyList_GET_ITEM(futures, i), FUTURE_DONE);
    }
    for (Py_ssize_t i = 0; i < PyList_GET_SIZE(futures) && error == 0; i++) {
        future *self = (future *)PyList_GET_ITEM(futures, i);
        calling_loop = self->loop;
        error = call_callbacks(module, self, call_in_context);
        if (error < 0) {
            PyObject *raised = PyErr_GetRaisedException();
            if (schedule_batch(module, futures, i + 1) < 0) {
                raised = exception_chain(PyErr_GetRaisedException(), raised);
            }
            PyErr_SetRaisedException(raised);
        }
    }
    calling_loop = outer;
    return error < 0 ? NULL : Py_NewRef(Py_None);
}

/* The queue */

static void
unlink_guarded(future_queue *queue, future *self)
{
    *(self->previous == NULL ? &queue->first : &self->previous->next) = self->next;
    *(self->next == NULL ? &queue->last : &self->next->previous) = self->previous;
    self->next = self->previous = NULL;
    self->queued = false;
    queue->count--;
}

void
future_queue_append(future_queue *queue, future *self)
{
    Py_INCREF(self);
    guard_lock(&queue->guard);
    self->previous = queue->last;
    *(queue->last == NULL ? &queue->first : &queue->last->next) = self;
    queue->last = self;
    self->queued = true;
    queue->count++;
    guard_unlock(&queue->guard);
}

void
future_queue_remove(future_queue *queue, future *self)
{
    guard_lock(&queue->guard);
    bool queued = self->queued;
    if (queued) {
        unlink_guarded(queue, self);
    }
    guard_unlock(&queue->guard);
    if (queued) {
        Py_DECREF(self);
    }
}

/* Returns the queue's reference. */
static future *
take_first(future_queue *queue)
{
    guard_lock(&queue->guard);
    future *first = queue->first;
    if (first != NULL) {
        unlink_guarded(queue, first);
    }
    guard_unlock(&queue->guard);
    return first;
}

static future *
finish_first(future_queue *queue)
{
    future *self;
    while ((self = take_first(queue)) != NULL && !finish(self, FUTURE_DONE)) {
        Py_DECREF(self);
    }
    return self;
}

/* As schedule_batch for all of them. They are out of the queue: nobody else would ever call their callbacks. So if a signal
 * handler raised before the event loop knew, it is told again; being told twice does no harm. */
static int
schedule_all(module_state *module, PyObject *futures)
{
    if (schedule_batch(module, futures, 0) == 0) {
        return 0;
    }
    PyObject *raised = PyErr_GetRaisedException();
    if (schedule_batch(module, futures, 0) < 0) {
        PyErr_Clear();
    }
    PyErr_SetRaisedException(raised);
    return -1;
}

static int
wake_one(module_state *module, future_queue *queue)
{
    future *first = finish_first(queue);
    if (first == NULL) {
        return 0;
    }
    int error = schedule_one(module, first);
    if (error < 0) {
        PyObject *raised = PyErr_GetRaisedException();
        if (schedule_one(module, first) < 0) {
            PyErr_Clear();
        }
        PyErr_SetRaisedException(raised);
    }
    Py_DECREF(first);
    return error;
}

int
future_queue_wake(module_state *module, future_queue *queue, Py_ssize_t limit)
{
    guard_lock(&queue->guard);
    Py_ssize_t count = Py_MIN(queue->count, limit);
    guard_unlock(&queue->guard);
    if (count <= 1) {
        return count == 0 ? 0 : wake_one(module, queue);
    }
    PyObject *futures = PyList_New(count);
    if (futures == NULL) {
        return -1;
    }
    Py_ssize_t woken = 0;
    future *first;
    while (woken < count && (first = finish_first(queue)) != NULL) {
        PyList_SET_ITEM(futures, woken++, (PyObject *)first);
    }
    int error = PyList_SetSlice(futures, woken, count, NULL);
    if (error == 0) {
        error = schedule_all(module, futures);
    }
    Py_DECREF(futures);
    return error;
}

future *
future_queue_take_all(future_queue *queue)
{
    guard_lock(&queue->guard);
    future *first = queue->first;
    queue->first = queue->last = NULL;
    queue->count = 0;
    for (future *self = first; self != NULL; self = self->next) {
        self->previous = NULL;
        self->queued = false;
    }
    guard_unlock(&queue->guard);
    return first;
}

void
futures_forget(future *first)
{
    while (first != NULL) {
        future *next = first->next;
        first->next = NULL;
        Py_DECREF(first);
        first = next;
    }
}

/* Takes those of the first one's event loop out of the chain. Returns a list, or NULL with an exception set. */
static PyObject *
take_of_one_loop(future **first)
{
    PyObject *loop = Py_NewRef((*first)->loop);
    PyObject *list = PyList_New(0);
    for (future **link = first; *link != NULL;) {
        future *self = *link;
        if (self->loop != loop) {
            link = &self->next;
            continue;
        }
        *link = self->next;
        self->next = NULL;
        if (list != NULL && PyList_Append(list, (PyObject *)self) < 0) {
            Py_CLEAR(list);
        }
        Py_DECREF(self);
    }
    Py_DECREF(loop);
    return list;
}

/* Whether what an event loop raised is that it is closed. Returns false with the exception as it was. */
static bool
is_refusal_of_closed(PyObject *loop)
{
    if (!PyErr_ExceptionMatches(PyExc_RuntimeError)) {
        return false;
    }
    PyObject *raised = PyErr_GetRaisedException();
    PyObject *closed = PyObject_CallMethod(loop, "is_closed", NULL);
    bool is_closed = closed != NULL && PyObject_IsTrue(closed) == 1;
    Py_XDECREF(closed);
    PyErr_Clear();
    if (is_closed) {
        Py_DECREF(raised);
    }
    else {
        PyErr_SetRaisedException(raised);
    }
    return is_closed;
}

/* Has the event loop of these futures end them. */
static int
wake_on_loop(module_state *module, PyObject *futures, PyObject *running)
{
    PyObject *loop = ((future *)PyList_GET_ITEM(futures, 0))->loop;
    PyObject *method = loop == running ? module->str_call_soon : module->str_call_soon_threadsafe;
    PyObject *args[] = {loop, module->run_callbacks, futures};
    PyObject *handle = PyObject_VectorcallMethod(method, args, 3, NULL);
    Py_XDECREF(handle);
    return handle != NULL || is_refusal_of_closed(loop) ? 0 : -1;
}

int
futures_wake(module_state *module, future *first, PyObject *running)
{
    PyObject *raised = NULL;
    while (first != NULL) {
        PyObject *futures = take_of_one_loop(&first);
        int error = futures == NULL ? -1 : wake_on_loop(module, futures, running);
        if (error < 0) {
            raised = exception_chain(PyErr_GetRaisedException(), raised);
            if (futures != NULL && wake_on_loop(module, futures, running) < 0) {
                /* The first time, a signal handler may have raised before the event loop knew; being told twice does
                 * no harm. This time, it is the event loop's own. */
                raised = exception_chain(PyErr_GetRaisedException(), raised);
            }
        }
        Py_XDECREF(futures);
    }
    if (raised != NULL) {
        PyErr_SetRaisedException(raised);
        return -1;
    }
    return 0;
}

int
future_queue_traverse(future_queue *queue, visitproc visit, void *arg)
{
    for (future *waiting = queue->first; waiting != NULL; waiting = waiting->next) {
        Py_VISIT(waiting);
    }
    return 0;
}

void
future_queue_clear(future_queue *queue)
{
    future *first;
    while ((first = take_first(queue)) != NULL) {
        Py_DECREF(first);
    }
}

/* The type */

PyDoc_STRVAR(get_loop_doc,
             "get_loop($self, /)\n--\n\n"
             "Return the event loop.");

static PyObject *
future_get_loop(future *self, PyObject *Py_UNUSED(ignored))
{
    return Py_NewRef(self->loop);
}

PyDoc_STRVAR(done_doc,
             "done($self, /)\n--\n\n"
             "Return whether the wait is over, or cancelled.");

static PyObject *
future_done(future *self, PyObject *Py_UNUSED(ignored))
{
    return PyBool_FromLong(get_state(self) != FUTURE_PENDING);
}

PyDoc_STRVAR(cancelled_doc,
             "cancelled($self, /)\n--\n\n"
             "Return whether the wait has been cancelled.");

static PyObject *
future_cancelled(future *self, PyObject *Py_UNUSED(ignored))
{
    return PyBool_FromLong(get_state(self) == FUTURE_CANCELLED);
}

PyDoc_STRVAR(result_doc,
             "result($self, /)\n--\n\n"
             "Return None; raise CancelledError if cancelled, InvalidStateError if still waiting.");

static PyObject *
future_result(future *self, PyObject *Py_UNUSED(ignored))
{
    future_state state = get_state(self);
    if (state == FUTURE_DONE) {
        Py_RETURN_NONE;
    }
    if (state == FUTURE_CANCELLED) {
        raise_cancelled(self);
        return NULL;
    }
    PyObject *message = PyUnicode_FromString("Result is not ready.");
    if (message != NULL) {
        raise_from_asyncio("InvalidStateError", message);
        Py_DECREF(message);
    }
    return NULL;
}

/* Adds to the list of further callbacks: somebody besides the task looks on. */
static int
add_to_list_slow(future *self, PyObject *callback, PyObject *context)
{
    PyObject *pair = PyTuple_Pack(2, callback, context);
    PyObject *list = pair == NULL ? NULL : PyList_New(0);
    if (list == NULL) {
        Py_XDECREF(pair);
        return -1;
    }
    guard_lock(&self->guard);
    if (self->more_callbacks == NULL) {
        self->more_callbacks = Py_NewRef(list);
    }
    PyObject *more = Py_NewRef(self->more_callbacks);
    guard_unlock(&self->guard);
    int error = PyList_Append(more, pair);
    Py_DECREF(more);
    Py_DECREF(list);
    Py_DECREF(pair);
    return error;
}

static int
add_callback(module_state *module, future *self, PyObject *callback, PyObject *context)
{
    guard_lock(&self->guard);
    bool pending = self->state == FUTURE_PENDING;
    bool first = pending && self->callback == NULL;
    if (first) {
        self->callback = Py_NewRef(callback);
        self->context = Py_NewRef(context);
    }
    guard_unlock(&self->guard);
    if (first) {
        return 0;
    }
    return pending ? add_to_list_slow(self, callback, context) : call_soon(module, self, callback, context);
}

PyDoc_STRVAR(add_done_callback_doc,
             "add_done_callback($self, callback, /, *, context=None)\n--\n\n"
             "Have the event loop call callback(self) in the context (None: the current one) once the wait is over.");

static PyObject *
future_add_done_callback(future *self, PyObject *const *args, Py_ssize_t count, PyObject *keywords)
{
    static const char *const names[] = {"callback", "context", NULL};
    PyObject *values[2];
    if (count != 1) {
        PyErr_Format(PyExc_TypeError, "add_done_callback() takes exactly 1 positional argument (%zd given)", count);
        return NULL;
    }
    if (unpack_arguments("add_done_callback", names, args, count, keywords, values) < 0) {
        return NULL;
    }
    bool given = values[1] != NULL && values[1] != Py_None;
    PyObject *context = given ? Py_NewRef(values[1]) : PyContext_CopyCurrent();
    if (context == NULL) {
        return NULL;
    }
    int error = add_callback(module_state_of(Py_TYPE(self)), self, values[0], context);
    Py_DECREF(context);
    return error < 0 ? NULL : Py_NewRef(Py_None);
}

PyDoc_STRVAR(cancel_doc,
             "cancel($self, /, msg=None)\n--\n\n"
             "End the wait by CancelledError(msg); return False if it was over.");

static PyObject *
future_cancel(future *self, PyObject *const *args, Py_ssize_t count, PyObject *keywords)
{
    static const char *const names[] = {"msg", NULL};
    PyObject *message;
    if (unpack_arguments("cancel", names, args, count, keywords, &message) < 0) {
        return NULL;
    }
    if (!finish(self, FUTURE_CANCELLED)) {
        Py_RETURN_FALSE;
    }
    if (message != NULL && message != Py_None) {
        self->message = Py_NewRef(message);
    }
    if (call_callbacks(module_state_of(Py_TYPE(self)), self, call_soon) < 0) {
        return NULL;
    }
    Py_RETURN_TRUE;
}

static PyObject *
future_repr(future *self)
{
    static const char *const names[] = {"pending", "finished", "cancelled"};
    return PyUnicode_FromFormat("<Future %s at %p>", names[get_state(self)], self);
}

static int
future_traverse(future *self, visitproc visit, void *arg)
{
    Py_VISIT(Py_TYPE(self));
    Py_VISIT(self->loop);
    Py_VISIT(self->callback);
    Py_VISIT(self->context);
    Py_VISIT(self->more_callbacks);
    Py_VISIT(self->message);
    return 0;
}

static int
future_clear(future *self)
{
    Py_CLEAR(self->callback);
    Py_CLEAR(self->context);
    Py_CLEAR(self->more_callbacks);
    Py_CLEAR(self->message);
    return 0;
}

static void
future_dealloc(PyObject *object)
{
    PyObject_GC_UnTrack(object);
    future_clear((future *)object);
    Py_CLEAR(((future *)object)->loop);
    object_free(object);
}

static PyMethodDef future_methods[] = {
    {"get_loop", OBJECT_METHOD(future_get_loop), METH_NOARGS, get_loop_doc},
    {"done", OBJECT_METHOD(future_done), METH_NOARGS, done_doc},
    {"cancelled", OBJECT_METHOD(future_cancelled), METH_NOARGS, cancelled_doc},
    {"result", OBJECT_METHOD(future_result), METH_NOARGS, result_doc},
    {"add_done_callback", OBJECT_METHOD(future_add_done_callback), METH_FASTCALL | METH_KEYWORDS,
     add_done_callback_doc},
    {"cancel", OBJECT_METHOD(future_cancel), METH_FASTCALL | METH_KEYWORDS, cancel_doc},
    {NULL},
};

static PyMemberDef future_members[] = {
    {"_asyncio_future_blocking", Py_T_BOOL, offsetof(future, blocking), 0},
    {NULL},
};

PyDoc_STRVAR(future_doc, "What a coroutine method of cthreading.aio waits for: the part of a future that a task uses.");

static PyType_Slot future_slots[] = {
    {Py_tp_doc, (void *)future_doc}, {Py_tp_traverse, future_traverse},
    {Py_tp_clear, future_clear},     {Py_tp_dealloc, future_dealloc},
    {Py_tp_repr, future_repr},       {Py_tp_methods, future_methods},
    {Py_tp_members, future_members}, {0, NULL},
};

static PyType_Spec future_spec = {
    .name = "cthreading.aio.future",
    .basicsize = sizeof(future),
    .flags = Py_TPFLAGS_DEFAULT | Py_TPFLAGS_HAVE_GC | Py_TPFLAGS_DISALLOW_INSTANTIATION,
    .slots = future_slots,
};

static PyMethodDef run_callback_method = {"run_callback", run_callback, METH_O, NULL};
static PyMethodDef run_callbacks_method = {"run_callbacks", run_callbacks, METH_O, NULL};

int
aio_future_exec(PyObject *module)
{
    module_state *state = module_get_state(module);
    state->str_call_soon = PyUnicode_InternFromString("call_soon");
    state->str_call_soon_threadsafe = PyUnicode_InternFromString("call_soon_threadsafe");
    state->context_keyword = Py_BuildValue("(s)", "context");
    state->run_callback = PyCFunction_New(&run_callback_method, module);
    state->run_callbacks = PyCFunction_New(&run_callbacks_method, module);
    state->future_type = (PyTypeObject *)PyType_FromModuleAndSpec(module, &future_spec, NULL);
    bool made = state->str_call_soon != NULL && state->str_call_soon_threadsafe != NULL &&
                state->context_keyword != NULL && state->run_callback != NULL && state->run_callbacks != NULL &&
                state->future_type != NULL;
    return made ? 0 : -1;
}
