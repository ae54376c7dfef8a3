/* The hooks. See hooks.h.
 *
 * They live where the standard library keeps its own: in the dict of the module that users see. */
#include "hooks.h"

/* What the name is in cthreading or, where that is nothing or `nothing`, in threading. Returns a new reference, or NULL,
 * perhaps with an exception. */
static PyObject *
look_up(module_state *state, PyObject *name, PyObject *nothing)
{
    PyObject *found;
    if (state->namespace == NULL || state->stdlib == NULL || PyDict_GetItemRef(state->namespace, name, &found) < 0) {
        return NULL;
    }
    if (found != NULL && found != Py_None && found != nothing) {
        return found;
    }
    Py_XDECREF(found);
    return PyDict_GetItemRef(state->stdlib, name, &found) < 0 ? NULL : found;
}

static int
install(module_state *state, PyObject *name, PyObject *setter)
{
    PyObject *hook = look_up(state, name, Py_None);
    if (hook == NULL) {
        return PyErr_Occurred() ? -1 : 0;
    }
    int wanted = PyObject_IsTrue(hook);
    PyObject *done = wanted > 0 ? PyObject_CallOneArg(setter, hook) : NULL;
    Py_DECREF(hook);
    Py_XDECREF(done);
    return wanted < 0 || (wanted > 0 && done == NULL) ? -1 : 0;
}

int
hooks_install(module_state *state)
{
    if (install(state, state->str_trace_hook, state->settrace) < 0) {
        return -1;
    }
    return install(state, state->str_profile_hook, state->setprofile);
}

static PyObject *
find_excepthook(module_state *state)
{
    PyObject *hook = look_up(state, state->str_excepthook, state->original_excepthook);
    if (hook == NULL || hook == Py_None) {
        PyErr_Clear();
        Py_XSETREF(hook, Py_XNewRef(state->original_excepthook));
    }
    return hook;
}

static PyObject *
type_of(PyObject *exception)
{
    return (PyObject *)Py_TYPE(exception);
}

static int
call_excepthook(module_state *state, PyObject *exception, PyObject *thread)
{
    PyObject *hook = find_excepthook(state);
    PyObject *traceback = PyException_GetTraceback(exception);
    PyObject *fields = PyTuple_Pack(4, type_of(exception), exception, traceback == NULL ? Py_None : traceback, thread);
    PyObject *args = fields == NULL ? NULL : PyObject_CallOneArg(state->excepthook_args_type, fields);
    PyObject *done = hook == NULL || args == NULL ? NULL : PyObject_CallOneArg(hook, args);
    Py_XDECREF(hook);
    Py_XDECREF(traceback);
    Py_XDECREF(fields);
    Py_XDECREF(args);
    Py_XDECREF(done);
    return done == NULL ? -1 : 0;
}

static int
write_line(thread_object *thread, const char *line)
{
    PyObject *file = PySys_GetObject("stderr");
    if (file == NULL || file == Py_None) {
        file = thread->standard_error;
    }
    if (file == NULL || file == Py_None) {
        return 0;
    }
    Py_INCREF(file);
    int status = PyFile_WriteString(line, file);
    PyObject *flushed = status < 0 ? NULL : PyObject_CallMethod(file, "flush", NULL);
    Py_DECREF(file);
    Py_XDECREF(flushed);
    return flushed == NULL ? -1 : 0;
}

/* The hook has failed: says so, and hands its exception to sys.excepthook. */
static int
report_failure(thread_object *thread, PyObject *exception)
{
    if (PyObject_SetAttrString(exception, "__suppress_context__", Py_True) < 0 ||
        write_line(thread, "Exception in threading.excepthook:\n") < 0) {
        return -1;
    }
    PyObject *hook = PySys_GetObject("excepthook");
    if (hook == NULL || hook == Py_None) {
        return 0;
    }
    Py_INCREF(hook);
    PyObject *traceback = PyException_GetTraceback(exception);
    PyObject *done = PyObject_CallFunctionObjArgs(hook, type_of(exception), exception,
                                                  traceback == NULL ? Py_None : traceback, NULL);
    Py_DECREF(hook);
    Py_XDECREF(traceback);
    Py_XDECREF(done);
    return done == NULL ? -1 : 0;
}

void
hooks_report(module_state *state, thread_object *thread)
{
    PyObject *outer = PyErr_GetHandledException();
    PyObject *exception = PyErr_GetRaisedException();
    PyErr_SetHandledException(exception);
    if (call_excepthook(state, exception, (PyObject *)thread) < 0 && PyErr_ExceptionMatches(PyExc_Exception)) {
        PyObject *failure = PyErr_GetRaisedException();
        PyErr_SetHandledException(failure);
        report_failure(thread, failure);
        Py_DECREF(failure);
    }
    PyErr_SetHandledException(outer);
    Py_XDECREF(outer);
    Py_DECREF(exception);
}

/* The functions that set them. */

static PyObject *
set_hook(PyObject *module, PyObject *name, PyObject *hook)
{
    if (PyDict_SetItem(module_get_state(module)->namespace, name, hook) < 0) {
        return NULL;
    }
    Py_RETURN_NONE;
}

static PyObject *
get_hook(PyObject *module, PyObject *name)
{
    PyObject *hook;
    if (PyDict_GetItemRef(module_get_state(module)->namespace, name, &hook) < 0) {
        return NULL;
    }
    return hook == NULL ? Py_NewRef(Py_None) : hook;
}

PyDoc_STRVAR(settrace_doc,
             "settrace($module, func, /)\n--\n\n"
             "Have sys.settrace(func) called in each thread that is started from now on, before it runs.");

static PyObject *
settrace(PyObject *module, PyObject *hook)
{
    return set_hook(module, module_get_state(module)->str_trace_hook, hook);
}

PyDoc_STRVAR(gettrace_doc,
             "gettrace($module, /)\n--\n\n"
             "Return the function that settrace() was given, or None.");

static PyObject *
gettrace(PyObject *module, PyObject *Py_UNUSED(ignored))
{
    return get_hook(module, module_get_state(module)->str_trace_hook);
}

PyDoc_STRVAR(setprofile_doc,
             "setprofile($module, func, /)\n--\n\n"
             "Have sys.setprofile(func) called in each thread that is started from now on, before it runs.");

static PyObject *
setprofile(PyObject *module, PyObject *hook)
{
    return set_hook(module, module_get_state(module)->str_profile_hook, hook);
}

PyDoc_STRVAR(getprofile_doc,
             "getprofile($module, /)\n--\n\n"
             "Return the function that setprofile() was given, or None.");

static PyObject *
getprofile(PyObject *module, PyObject *Py_UNUSED(ignored))
{
    return get_hook(module, module_get_state(module)->str_profile_hook);
}

#if PY_VERSION_HEX >= 0x030C0000

static PyObject *
set_everywhere(PyObject *module, PyObject *name, const char *setter, PyObject *hook)
{
    PyObject *done = set_hook(module, name, hook);
    if (done == NULL) {
        return NULL;
    }
    Py_DECREF(done);
    PyObject *function = PySys_GetObject(setter);
    if (function == NULL) {
        PyErr_Format(PyExc_RuntimeError, "lost sys.%s", setter);
        return NULL;
    }
    Py_INCREF(function);
    done = PyObject_CallOneArg(function, hook);
    Py_DECREF(function);
    return done;
}

PyDoc_STRVAR(settrace_all_threads_doc,
             "settrace_all_threads($module, func, /)\n--\n\n"
             "As settrace(), and set the trace function of all threads that are running now.");

static PyObject *
settrace_all_threads(PyObject *module, PyObject *hook)
{
    return set_everywhere(module, module_get_state(module)->str_trace_hook, "_settraceallthreads", hook);
}

PyDoc_STRVAR(setprofile_all_threads_doc,
             "setprofile_all_threads($module, func, /)\n--\n\n"
             "As setprofile(), and set the profile function of all threads that are running now.");

static PyObject *
setprofile_all_threads(PyObject *module, PyObject *hook)
{
    return set_everywhere(module, module_get_state(module)->str_profile_hook, "_setprofileallthreads", hook);
}

#endif

static PyMethodDef hooks_functions[] = {
    {"settrace", settrace, METH_O, settrace_doc},
    {"gettrace", gettrace, METH_NOARGS, gettrace_doc},
    {"setprofile", setprofile, METH_O, setprofile_doc},
    {"getprofile", getprofile, METH_NOARGS, getprofile_doc},
#if PY_VERSION_HEX >= 0x030C0000
    {"settrace_all_threads", settrace_all_threads, METH_O, settrace_all_threads_doc},
    {"setprofile_all_threads", setprofile_all_threads, METH_O, setprofile_all_threads_doc},
#endif
    {NULL},
};

int
hooks_exec(PyObject *module)
{
    module_state *state = module_get_state(module);
    state->settrace = module_import_from("sys", "settrace");
    state->setprofile = module_import_from("sys", "setprofile");
    state->original_excepthook = module_import_from("_thread", "_excepthook");
    state->excepthook_args_type = module_import_from("_thread", "_ExceptHookArgs");
    if (state->settrace == NULL || state->setprofile == NULL || state->original_excepthook == NULL ||
        state->excepthook_args_type == NULL ||
        PyModule_AddObjectRef(module, "excepthook", state->original_excepthook) < 0 ||
        PyModule_AddObjectRef(module, "__excepthook__", state->original_excepthook) < 0 ||
        PyModule_AddObjectRef(module, "ExceptHookArgs", state->excepthook_args_type) < 0 ||
        PyDict_SetItem(state->namespace, state->str_trace_hook, Py_None) < 0 ||
        PyDict_SetItem(state->namespace, state->str_profile_hook, Py_None) < 0) {
        return -1;
    }
    return PyModule_AddFunctions(module, hooks_functions);
}
