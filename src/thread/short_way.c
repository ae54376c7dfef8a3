/* See short_way.h.
 *
 * The first Python function that a thread calls costs it a mapping of memory for frames, and the system some page faults:
 * a third of all that it takes to start and join a thread. Where the target is C code there need be none. So nothing
 * here runs Python code as long as nothing raises; whoever wants to see frames, a tracing hook or a tool of
 * sys.monitoring, closes the short way, and so does whoever has overridden a step (start.c) or run(). */
#include "short_way.h"

#include "../sync/event.h"
#include "registry.h"
#include "stdlib.h"
#include "tstate_lock.h"

/* How many tools sys.monitoring has. */
#define TOOLS 6

static bool
is_c_code(PyObject *target)
{
    return PyCFunction_Check(target) ||
           (PyType_Check(target) && !PyType_HasFeature((PyTypeObject *)target, Py_TPFLAGS_HEAPTYPE));
}

/* The attribute's value has to pass the test. */
static int
attribute_is(PyObject *thread, PyObject *name, bool (*test)(PyObject *))
{
    PyObject *value = PyObject_GetAttr(thread, name);
    int passes = value == NULL ? -1 : test(value);
    Py_XDECREF(value);
    return passes;
}

static bool
is_tuple(PyObject *value)
{
    return PyTuple_CheckExact(value);
}

static bool
is_dict(PyObject *value)
{
    return PyDict_CheckExact(value);
}

#if PY_VERSION_HEX >= 0x030E0000
static bool
is_context(PyObject *value)
{
    return PyContext_CheckExact(value);
}
#endif

static int
is_none_in_stdlib(module_state *state, PyObject *name)
{
    PyObject *value = stdlib_name(state, name);
    bool is_none = value == Py_None;
    Py_XDECREF(value);
    return value == NULL ? -1 : is_none;
}

/* Whether a tool of sys.monitoring is in use. */
static int
is_monitored(module_state *state)
{
#if PY_VERSION_HEX >= 0x030C0000
    PyObject *get_tool = state->get_monitoring_tool;
    for (int id = 0; get_tool != NULL && id < TOOLS; id++) {
        PyObject *number = PyLong_FromLong(id);
        PyObject *tool = number == NULL ? NULL : PyObject_CallOneArg(get_tool, number);
        bool used = tool != Py_None;
        Py_XDECREF(number);
        Py_XDECREF(tool);
        if (used) {
            return tool == NULL ? -1 : 1;
        }
    }
#else
    (void)state;
#endif
    return 0;
}

int
short_way_is_open(module_state *state, PyObject *thread)
{
    int open = attribute_is(thread, state->str__target, is_c_code);
    if (open > 0) {
        open = attribute_is(thread, state->str__args, is_tuple);
    }
    if (open > 0) {
        open = attribute_is(thread, state->str__kwargs, is_dict);
    }
#if PY_VERSION_HEX >= 0x030E0000
    if (open > 0) {
        open = attribute_is(thread, state->str__context, is_context);
    }
#endif
    if (open > 0) {
        open = stdlib_is_inherited(state, thread, state->str_run);
    }
    if (open > 0) {
        open = is_none_in_stdlib(state, state->str__trace_hook);
    }
    if (open > 0) {
        open = is_none_in_stdlib(state, state->str__profile_hook);
    }
    int monitored = open > 0 ? is_monitored(state) : 0;
    return monitored < 0 ? -1 : monitored ? 0 : open;
}

/* The steps. */

static int
set_native_id(module_state *state, PyObject *thread)
{
#ifdef PY_HAVE_THREAD_NATIVE_ID
    return set_attribute(thread, state->str__native_id, PyLong_FromUnsignedLong(PyThread_get_thread_native_id()));
#else
    (void)state, (void)thread;
    return 0;
#endif
}

/* The thread's name for the operating system, which may refuse it. */
static int
set_os_name(module_state *state, PyObject *thread)
{
#if PY_VERSION_HEX >= 0x030E0000
    PyObject *name = state->set_os_name == NULL ? Py_NewRef(Py_None) : PyObject_GetAttr(thread, state->str__name);
    int named = name == NULL ? -1 : PyObject_IsTrue(name);
    if (named > 0) {
        PyObject *done = PyObject_CallOneArg(state->set_os_name, name);
        if (done == NULL && PyErr_ExceptionMatches(PyExc_OSError)) {
            PyErr_Clear();
            done = Py_NewRef(Py_None);
        }
        named = done == NULL ? -1 : 0;
        Py_XDECREF(done);
    }
    Py_XDECREF(name);
    return named < 0 ? -1 : 0;
#else
    (void)state, (void)thread;
    return 0;
#endif
}

static int
set_started(module_state *state, PyObject *thread)
{
    PyObject *event = PyObject_GetAttr(thread, state->str__started);
    if (event != NULL && Py_IS_TYPE(event, state->event_type)) {
        event_object_set(event);
        Py_DECREF(event);
        return 0;
    }
    PyObject *done = event == NULL ? NULL : PyObject_CallMethod(event, "set", NULL);
    Py_XDECREF(event);
    Py_XDECREF(done);
    return done == NULL ? -1 : 0;
}

static int
come_up(module_state *state, PyObject *thread, PyObject *ident, bool daemon)
{
    int locked = tstate_lock_is_set(state, thread);
    if (locked == 0) {
        locked = tstate_lock_set(state, thread, daemon);
    }
    if (locked < 0 || set_attribute(thread, state->str__ident, Py_NewRef(ident)) < 0 ||
        set_native_id(state, thread) < 0 || set_started(state, thread) < 0 || set_os_name(state, thread) < 0) {
        return -1;
    }
    return registry_move(state, ident, thread, TO_ACTIVE, NULL);
}

static PyObject *
call(PyObject *target, PyObject *args, PyObject *kwargs, PyObject *context)
{
#if PY_VERSION_HEX >= 0x030E0000
    if (PyContext_Enter(context) < 0) {
        return NULL;
    }
#else
    (void)context;
#endif
    PyObject *result = PyObject_Call(target, args, kwargs);
#if PY_VERSION_HEX >= 0x030E0000
    PyObject *exception = PyErr_GetRaisedException();
    if (PyContext_Exit(context) < 0) {
        Py_CLEAR(result);
    }
    if (exception != NULL) {
        PyErr_SetRaisedException(exception);
    }
#endif
    return result;
}

static PyObject *
call_target(module_state *state, PyObject *thread)
{
    PyObject *target = PyObject_GetAttr(thread, state->str__target);
    PyObject *args = target == NULL ? NULL : PyObject_GetAttr(thread, state->str__args);
    PyObject *kwargs = args == NULL ? NULL : PyObject_GetAttr(thread, state->str__kwargs);
    PyObject *context = NULL;
#if PY_VERSION_HEX >= 0x030E0000
    context = kwargs == NULL ? NULL : PyObject_GetAttr(thread, state->str__context);
    bool whole = context != NULL;
#else
    bool whole = kwargs != NULL;
#endif
    PyObject *result = whole ? call(target, args, kwargs, context) : NULL;
    Py_XDECREF(target);
    Py_XDECREF(args);
    Py_XDECREF(kwargs);
    Py_XDECREF(context);
    return result;
}

/* What the thread has worked on may refer to the thread. */
static int
forget_target(module_state *state, PyObject *thread)
{
    return PyObject_DelAttr(thread, state->str__target) < 0 || PyObject_DelAttr(thread, state->str__args) < 0 ||
                   PyObject_DelAttr(thread, state->str__kwargs) < 0
               ? -1
               : 0;
}

static PyObject *
raise_again(PyObject *exception, PyObject *Py_UNUSED(args), PyObject *Py_UNUSED(keywords))
{
    PyErr_SetRaisedException(Py_NewRef(exception));
    return NULL;
}

static PyMethodDef raise_again_definition = {"target", (PyCFunction)(void (*)(void))raise_again,
                                             METH_VARARGS | METH_KEYWORDS, NULL};

/* The target has raised, or taken the thread apart. The long way from the beginning, with a target that raises the same: so
 * the exception is reported as there, frames included. */
static PyObject *
take_long_way(module_state *state, PyObject *thread, PyObject *ident)
{
    PyObject *exception = PyErr_GetRaisedException();
    PyObject *target = PyCFunction_New(&raise_again_definition, exception);
    Py_DECREF(exception);
    if (set_attribute(thread, state->str__target, target) < 0 ||
        set_attribute(thread, state->str__args, Py_NewRef(state->empty_tuple)) < 0 ||
        set_attribute(thread, state->str__kwargs, PyDict_New()) < 0 ||
        registry_move(state, ident, thread, TO_LIMBO, NULL) < 0) {
        return NULL;
    }
    return PyObject_CallMethodNoArgs(thread, state->str__bootstrap);
}

PyObject *
short_way_take(module_state *state, PyObject *thread, PyObject *ident, bool daemon)
{
    if (come_up(state, thread, ident, daemon) < 0) {
        if (PyErr_ExceptionMatches(PyExc_MemoryError)) {
            PyErr_Clear();
        }
        return NULL;
    }
    PyObject *result = call_target(state, thread);
    bool ended = result != NULL;
    Py_XDECREF(result);
    if (!ended || forget_target(state, thread) < 0) {
        return take_long_way(state, thread, ident);
    }
    return registry_move(state, ident, thread, TO_NOTHING, NULL) < 0 ? NULL : Py_NewRef(Py_None);
}
