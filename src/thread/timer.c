/* threading.Timer: a Thread that waits for a while, or to be cancelled, and then calls a function. */
#include "thread.h"

typedef struct {
    thread_object thread;
    PyObject *interval;
    PyObject *function;
    PyObject *args;
    PyObject *kwargs;
    PyObject *finished;
} timer_object;

static int
timer_init(PyObject *object, PyObject *args, PyObject *keywords)
{
    static const char *const names[] = {"interval", "function", "args", "kwargs", NULL};
    timer_object *self = (timer_object *)object;
    module_state *state = module_state_of(Py_TYPE(object));
    PyObject *values[4];
    if (unpack_tuple_and_dict("Timer.__init__", names, args, keywords, values) < 0) {
        return -1;
    }
    if (values[0] == NULL || values[1] == NULL) {
        PyErr_Format(PyExc_TypeError, "Timer.__init__() missing required argument: '%s'",
                     names[values[0] == NULL ? 0 : 1]);
        return -1;
    }
    PyObject *base = PyObject_CallMethod((PyObject *)state->thread_type, "__init__", "O", object);
    if (base == NULL) {
        return -1;
    }
    Py_DECREF(base);
    bool has_args = values[2] != NULL && values[2] != Py_None;
    bool has_kwargs = values[3] != NULL && values[3] != Py_None;
    PyObject *own_args = has_args ? Py_NewRef(values[2]) : PyList_New(0);
    PyObject *own_kwargs = has_kwargs ? Py_NewRef(values[3]) : PyDict_New();
    PyObject *finished = PyObject_CallNoArgs((PyObject *)state->event_type);
    if (own_args == NULL || own_kwargs == NULL || finished == NULL) {
        Py_XDECREF(own_args);
        Py_XDECREF(own_kwargs);
        Py_XDECREF(finished);
        return -1;
    }
    Py_XSETREF(self->interval, Py_NewRef(values[0]));
    Py_XSETREF(self->function, Py_NewRef(values[1]));
    Py_XSETREF(self->args, own_args);
    Py_XSETREF(self->kwargs, own_kwargs);
    Py_XSETREF(self->finished, finished);
    return 0;
}

static int
timer_traverse(PyObject *object, visitproc visit, void *arg)
{
    timer_object *self = (timer_object *)object;
    Py_VISIT(self->interval);
    Py_VISIT(self->function);
    Py_VISIT(self->args);
    Py_VISIT(self->kwargs);
    Py_VISIT(self->finished);
    return thread_traverse(object, visit, arg);
}

static int
timer_clear(PyObject *object)
{
    timer_object *self = (timer_object *)object;
    Py_CLEAR(self->interval);
    Py_CLEAR(self->function);
    Py_CLEAR(self->args);
    Py_CLEAR(self->kwargs);
    Py_CLEAR(self->finished);
    return thread_clear(object);
}

static void
timer_dealloc(PyObject *object)
{
    PyObject_GC_UnTrack(object);
    timer_object *self = (timer_object *)object;
    if (self->thread.weakrefs != NULL) {
        PyObject_ClearWeakRefs(object);
    }
    timer_clear(object);
    PyObject_GC_Track(object);
    thread_dealloc(object);
}

/* object.finished.method(argument or nothing) */
static PyObject *
call_finished(PyObject *object, const char *method, PyObject *argument)
{
    PyObject *finished = PyObject_GetAttrString(object, "finished");
    PyObject *name = finished == NULL ? NULL : PyUnicode_FromString(method);
    PyObject *result = NULL;
    if (name != NULL) {
        result = PyObject_CallMethodObjArgs(finished, name, argument, NULL);
    }
    Py_XDECREF(finished);
    Py_XDECREF(name);
    return result;
}

PyDoc_STRVAR(cancel_doc,
             "cancel($self, /)\n--\n\n"
             "Stop the timer, if it still waits; as threading.Timer.cancel. The function will not be called.");

static PyObject *
timer_cancel(PyObject *object, PyObject *Py_UNUSED(ignored))
{
    PyObject *done = call_finished(object, "set", NULL);
    if (done == NULL) {
        return NULL;
    }
    Py_DECREF(done);
    Py_RETURN_NONE;
}

static int
call_function(PyObject *object)
{
    PyObject *function = PyObject_GetAttrString(object, "function");
    PyObject *args = PyObject_GetAttrString(object, "args");
    PyObject *kwargs = PyObject_GetAttrString(object, "kwargs");
    PyObject *done = function == NULL || args == NULL || kwargs == NULL ? NULL : thread_call(function, args, kwargs);
    Py_XDECREF(function);
    Py_XDECREF(args);
    Py_XDECREF(kwargs);
    Py_XDECREF(done);
    return done == NULL ? -1 : 0;
}

PyDoc_STRVAR(run_doc,
             "run($self, /)\n--\n\n"
             "Wait for the interval, and call the function unless cancel() has come; see threading.Thread.run.");

static PyObject *
timer_run(PyObject *object, PyObject *Py_UNUSED(ignored))
{
    PyObject *interval = PyObject_GetAttrString(object, "interval");
    PyObject *waited = interval == NULL ? NULL : call_finished(object, "wait", interval);
    Py_XDECREF(interval);
    PyObject *answer = waited == NULL ? NULL : call_finished(object, "is_set", NULL);
    Py_XDECREF(waited);
    int cancelled = answer == NULL ? -1 : PyObject_IsTrue(answer);
    Py_XDECREF(answer);
    if (cancelled < 0 || (!cancelled && call_function(object) < 0)) {
        return NULL;
    }
    return timer_cancel(object, NULL);
}

static PyMethodDef timer_methods[] = {
    {"cancel", timer_cancel, METH_NOARGS, cancel_doc},
    {"run", timer_run, METH_NOARGS, run_doc},
    {NULL},
};

static PyMemberDef timer_members[] = {
    {"interval", Py_T_OBJECT_EX, offsetof(timer_object, interval), 0, PyDoc_STR("The wait, in seconds.")},
    {"function", Py_T_OBJECT_EX, offsetof(timer_object, function), 0, PyDoc_STR("What is called.")},
    {"args", Py_T_OBJECT_EX, offsetof(timer_object, args), 0, PyDoc_STR("Its positional arguments.")},
    {"kwargs", Py_T_OBJECT_EX, offsetof(timer_object, kwargs), 0, PyDoc_STR("Its keyword arguments.")},
    {"finished", Py_T_OBJECT_EX, offsetof(timer_object, finished), 0,
     PyDoc_STR("An Event: the function has returned, or cancel() came.")},
    {NULL},
};

PyDoc_STRVAR(
    timer_doc,
    "Timer(interval, function, args=None, kwargs=None)\n--\n\n"
    "A thread that calls a function after some time, unless cancel() comes first; as threading.Timer.\n\n"
    "start() begins the wait, of interval seconds. function is called as function(*args, **kwargs); None for either\n"
    "means that there are none.");

static PyType_Slot timer_slots[] = {
    {Py_tp_doc, (void *)timer_doc}, {Py_tp_init, timer_init},
    {Py_tp_dealloc, timer_dealloc}, {Py_tp_traverse, timer_traverse},
    {Py_tp_clear, timer_clear},     {Py_tp_methods, timer_methods},
    {Py_tp_members, timer_members}, {0, NULL},
};

static PyType_Spec timer_spec = {
    .name = "cthreading.Timer",
    .basicsize = sizeof(timer_object),
    .flags = Py_TPFLAGS_DEFAULT | Py_TPFLAGS_BASETYPE | Py_TPFLAGS_HAVE_GC,
    .slots = timer_slots,
};

int
timer_exec(PyObject *module)
{
    PyTypeObject *type = module_add_type(module, &timer_spec, module_get_state(module)->thread_type);
    Py_XDECREF(type);
    return type == NULL ? -1 : 0;
}
