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

/* The default excepthook. */

/* The name that the report gives the thread. */
static PyObject *
thread_label(PyObject *thread)
{
    PyObject *name = thread == Py_None ? NULL : PyObject_GetAttrString(thread, "name");
    if (name != NULL || (PyErr_Occurred() && !PyErr_ExceptionMatches(PyExc_AttributeError))) {
        return name;
    }
    PyErr_Clear();
    return PyUnicode_FromFormat("%lu", PyThread_get_thread_ident());
}

static int
write_heading(PyObject *file, PyObject *thread)
{
    if (PyFile_WriteString("Exception in thread ", file) < 0) {
        return -1;
    }
    PyObject *label = thread_label(thread);
    int status = label == NULL ? -1 : PyFile_WriteObject(label, file, Py_PRINT_RAW);
    Py_XDECREF(label);
    return status < 0 ? -1 : PyFile_WriteString(":\n", file);
}

static int
flush(PyObject *file)
{
    PyObject *done = PyObject_CallMethod(file, "flush", NULL);
    Py_XDECREF(done);
    return done == NULL ? -1 : 0;
}

/* Writes the exception and its traceback as for an exception that ends the program. What fails in that is passed over. */
static void
write_exception(PyObject *args, PyObject *file)
{
    PyObject *kind = PyStructSequence_GET_ITEM(args, 0);
    PyObject *value = PyStructSequence_GET_ITEM(args, 1);
    PyObject *traceback = PyStructSequence_GET_ITEM(args, 2);
    if (file == PySys_GetObject("stderr")) {
        PyErr_Display(kind, value, traceback);
        return;
    }
    /* The exception's own traceback comes first, as there. */
    PyObject *own = PyExceptionInstance_Check(value) ? PyException_GetTraceback(value) : NULL;
    PyObject *print = module_import_from("traceback", "print_exception");
    PyObject *done = print == NULL ? NULL
                                   : PyObject_CallFunctionObjArgs(print, kind, value, own == NULL ? traceback : own,
                                                                  Py_None, file, NULL);
    Py_XDECREF(own);
    Py_XDECREF(print);
    Py_XDECREF(done);
    PyErr_Clear();
}

/* Where to report: sys.stderr or, once that is gone, what it was when the thread was made. Returns a new reference; None
 * where there is nothing; NULL with an exception set. */
static PyObject *
find_standard_error(PyObject *thread)
{
    PyObject *file = PySys_GetObject("stderr");
    if (file != NULL && file != Py_None) {
        return Py_NewRef(file);
    }
    return thread == Py_None ? Py_NewRef(Py_None) : PyObject_GetAttrString(thread, "_stderr");
}

PyDoc_STRVAR(
    excepthook_doc,
    "excepthook($module, args, /)\n--\n\n"
    "Report an exception that a thread did not catch; as threading.excepthook.\n\n"
    "args is an ExceptHookArgs: exc_type, exc_value, exc_traceback, thread. The report goes to sys.stderr; if\n"
    "that is None, to what it was when the thread was made. SystemExit is passed over in silence. Raise\n"
    "TypeError if args is anything else.");

static PyObject *
excepthook(PyObject *module, PyObject *args)
{
    module_state *state = module_get_state(module);
    if (!Py_IS_TYPE(args, (PyTypeObject *)state->excepthook_args_type)) {
        PyErr_SetString(PyExc_TypeError, "_thread.excepthook argument type must be ExceptHookArgs");
        return NULL;
    }
    if (PyStructSequence_GET_ITEM(args, 0) == PyExc_SystemExit) {
        Py_RETURN_NONE;
    }
    PyObject *thread = PyStructSequence_GET_ITEM(args, 3);
    PyObject *file = find_standard_error(thread);
    if (file == NULL || file == Py_None) {
        return file;
    }
    int status = write_heading(file, thread);
    if (status == 0) {
        write_exception(args, file);
        status = flush(file);
    }
    Py_DECREF(file);
    if (status < 0) {
        return NULL;
    }
    Py_RETURN_NONE;
}

/* Calling the excepthook. */

/* The one that was set, here or in threading; else the default. Returns a new reference. */
static PyObject *
find_excepthook(module_state *state)
{
    PyObject *hook = look_up(state, state->str_excepthook, state->original_excepthook);
    if (hook == NULL || hook == Py_None || hook == state->stdlib_excepthook) {
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

/* As print does: to sys.stdout where there is no other file. */
static int
write_line(thread_object *thread, const char *line)
{
    PyObject *file = find_standard_error((PyObject *)thread);
    if (file == Py_None) {
        PyObject *standard_output = PySys_GetObject("stdout");
        Py_SETREF(file, Py_NewRef(standard_output == NULL ? Py_None : standard_output));
    }
    int status = -1;
    if (file != NULL) {
        status = file == Py_None ? 0 : PyFile_WriteString(line, file);
        status = status < 0 || file == Py_None ? status : flush(file);
    }
    Py_XDECREF(file);
    return status;
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
        hook = PySys_GetObject("__excepthook__");
    }
    if (hook == NULL) {
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
             "settrace($module, /, func)\n--\n\n"
             "Have sys.settrace(func) called in each thread that is started from now on; as threading.settrace.\n\n"
             "That is before its run(). None means that nothing is called.");

static PyObject *
settrace(PyObject *module, PyObject *const *args, Py_ssize_t count, PyObject *keywords)
{
    PyObject *hook = unpack_one("settrace", "func", args, count, keywords);
    return hook == NULL ? NULL : set_hook(module, module_get_state(module)->str_trace_hook, hook);
}

PyDoc_STRVAR(gettrace_doc,
             "gettrace($module, /)\n--\n\n"
             "Return the function that settrace() was given, or None; as threading.gettrace.");

static PyObject *
gettrace(PyObject *module, PyObject *Py_UNUSED(ignored))
{
    return get_hook(module, module_get_state(module)->str_trace_hook);
}

PyDoc_STRVAR(setprofile_doc,
             "setprofile($module, /, func)\n--\n\n"
             "Have sys.setprofile(func) called in each thread that is started from now on; as threading.setprofile.\n\n"
             "That is before its run(). None means that nothing is called.");

static PyObject *
setprofile(PyObject *module, PyObject *const *args, Py_ssize_t count, PyObject *keywords)
{
    PyObject *hook = unpack_one("setprofile", "func", args, count, keywords);
    return hook == NULL ? NULL : set_hook(module, module_get_state(module)->str_profile_hook, hook);
}

PyDoc_STRVAR(getprofile_doc,
             "getprofile($module, /)\n--\n\n"
             "Return the function that setprofile() was given, or None; as threading.getprofile.");

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
             "settrace_all_threads($module, /, func)\n--\n\n"
             "Do as settrace(func), also for all threads that are running now; as threading.settrace_all_threads.");

static PyObject *
settrace_all_threads(PyObject *module, PyObject *const *args, Py_ssize_t count, PyObject *keywords)
{
    PyObject *hook = unpack_one("settrace_all_threads", "func", args, count, keywords);
    if (hook == NULL) {
        return NULL;
    }
    return set_everywhere(module, module_get_state(module)->str_trace_hook, "_settraceallthreads", hook);
}

PyDoc_STRVAR(setprofile_all_threads_doc,
             "setprofile_all_threads($module, /, func)\n--\n\n"
             "Do as setprofile(func), also for all threads that are running now; as threading.setprofile_all_threads.");

static PyObject *
setprofile_all_threads(PyObject *module, PyObject *const *args, Py_ssize_t count, PyObject *keywords)
{
    PyObject *hook = unpack_one("setprofile_all_threads", "func", args, count, keywords);
    if (hook == NULL) {
        return NULL;
    }
    return set_everywhere(module, module_get_state(module)->str_profile_hook, "_setprofileallthreads", hook);
}

#endif

static PyMethodDef hooks_functions[] = {
    {"excepthook", excepthook, METH_O, excepthook_doc},
    {"settrace", (PyCFunction)(void (*)(void))settrace, METH_FASTCALL | METH_KEYWORDS, settrace_doc},
    {"gettrace", gettrace, METH_NOARGS, gettrace_doc},
    {"setprofile", (PyCFunction)(void (*)(void))setprofile, METH_FASTCALL | METH_KEYWORDS, setprofile_doc},
    {"getprofile", getprofile, METH_NOARGS, getprofile_doc},
#if PY_VERSION_HEX >= 0x030C0000
    {"settrace_all_threads", (PyCFunction)(void (*)(void))settrace_all_threads, METH_FASTCALL | METH_KEYWORDS,
     settrace_all_threads_doc},
    {"setprofile_all_threads", (PyCFunction)(void (*)(void))setprofile_all_threads, METH_FASTCALL | METH_KEYWORDS,
     setprofile_all_threads_doc},
#endif
    {NULL},
};

int
hooks_exec(PyObject *module)
{
    module_state *state = module_get_state(module);
    state->settrace = module_import_from("sys", "settrace");
    state->setprofile = module_import_from("sys", "setprofile");
    state->stdlib_excepthook = module_import_from("_thread", "_excepthook");
    state->excepthook_args_type = module_import_from("_thread", "_ExceptHookArgs");
    if (state->settrace == NULL || state->setprofile == NULL || state->stdlib_excepthook == NULL ||
        state->excepthook_args_type == NULL || PyModule_AddFunctions(module, hooks_functions) < 0) {
        return -1;
    }
    state->original_excepthook = PyObject_GetAttr(module, state->str_excepthook);
    if (state->original_excepthook == NULL ||
        PyModule_AddObjectRef(module, "__excepthook__", state->original_excepthook) < 0 ||
        PyModule_AddObjectRef(module, "ExceptHookArgs", state->excepthook_args_type) < 0 ||
        PyDict_SetItem(state->namespace, state->str_trace_hook, Py_None) < 0 ||
        PyDict_SetItem(state->namespace, state->str_profile_hook, Py_None) < 0) {
        return -1;
    }
    return 0;
}
