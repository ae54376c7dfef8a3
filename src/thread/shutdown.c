/* The interpreter's end, and a process's beginning by fork.
 *
 * At its end the interpreter calls `_shutdown` of whatever `threading` is in sys.modules. The standard library's is
 * replaced by ours, which calls it: so both modules' threads are waited for, whichever module that is. A thread that is
 * being started is not known to the interpreter before it has a thread state; the last atexit callback, and from then
 * on every start, waits for that. So does every start in a subinterpreter: it may be left without a thread state, and
 * destroyed, at any time. */
#include "shutdown.h"

#include "../park/admission.h"
#include "registry.h"
#include "reuse.h"

int
shutdown_check_start(module_state *state)
{
    if (state->start_refusal != NULL) {
        PyErr_SetObject(PyExc_RuntimeError, state->start_refusal);
        return -1;
    }
    bool closed = state->closed == Py_True && PyInterpreterState_Get() != PyInterpreterState_Main();
    if (!closed && !Py_IsFinalizing()) {
        return 0;
    }
#if PY_VERSION_HEX >= 0x030D0000
    PyObject *kind = PyExc_PythonFinalizationError;
#else
    PyObject *kind = PyExc_RuntimeError;
#endif
    PyErr_SetString(kind, "can't create new thread at interpreter shutdown");
    return -1;
}

void
shutdown_after_start(module_state *state, thread_handle *handle)
{
    if (state->closed == Py_True || PyInterpreterState_Get() != PyInterpreterState_Main()) {
        handle_wait_for_birth(handle);
    }
}

/* Waits for the standard library's threads once more: ours may have started some. */
static int
join_theirs(module_state *state)
{
#if PY_VERSION_HEX >= 0x030D0000
    PyObject *done = PyObject_CallNoArgs(state->thread_module_shutdown);
    Py_XDECREF(done);
    return done == NULL ? -1 : 0;
#else
    PyObject *locks = PyDict_GetItemString(state->stdlib, "_shutdown_locks");
    locks = locks == NULL ? NULL : PySequence_List(locks);
    int status = locks == NULL ? -1 : 0;
    for (Py_ssize_t i = 0; status == 0 && i < PyList_GET_SIZE(locks); i++) {
        PyObject *lock = PyList_GET_ITEM(locks, i);
        PyObject *taken = PyObject_CallMethod(lock, "acquire", NULL);
        PyObject *given = taken == NULL ? NULL : PyObject_CallMethod(lock, "release", NULL);
        status = given == NULL ? -1 : 0;
        Py_XDECREF(taken);
        Py_XDECREF(given);
    }
    Py_XDECREF(locks);
    return status;
#endif
}

PyDoc_STRVAR(shutdown_doc,
             "_shutdown($module, /)\n--\n\n"
             "Wait for all threads that are not daemons, cthreading's and threading's, at the interpreter's end.");

static int
join_both(module_state *state)
{
    PyObject *done = PyObject_CallNoArgs(state->stdlib_shutdown);
    if (done == NULL) {
        return -1;
    }
    Py_DECREF(done);
    int joined;
    while ((joined = handle_join_all()) > 0) {
        if (join_theirs(state) < 0) {
            return -1;
        }
    }
    return joined;
}

static PyObject *
shutdown(PyObject *module, PyObject *Py_UNUSED(ignored))
{
    module_state *state = module_get_state(module);
    if (join_both(state) < 0) {
        Py_XSETREF(state->closed, Py_NewRef(Py_None));
        return NULL;
    }
    Py_RETURN_NONE;
}

/* Called by the standard library's _shutdown before it waits for any thread: some may wait for the main thread. */
static PyObject *
end_main_thread(PyObject *module, PyObject *Py_UNUSED(ignored))
{
    module_state *state = module_get_state(module);
    if (!thread_check(state, state->main_thread) ||
        state->main_thread == PyDict_GetItemString(state->stdlib, "_main_thread")) {
        /* A thread that forked is the main thread of both modules: the standard library sees to it. */
        Py_RETURN_NONE;
    }
    thread_handle *handle = thread_get_handle((thread_object *)state->main_thread);
    if (handle == NULL) {
        return NULL;
    }
#if PY_VERSION_HEX >= 0x030D0000
    bool ends = PyInterpreterState_Get() == PyInterpreterState_Main();
#else
    bool ends = handle->ident == PyThread_get_thread_ident();
#endif
    if (ends) {
        handle_finish(handle);
    }
    Py_RETURN_NONE;
}

/* The last atexit callback. */
static PyObject *
close_down(PyObject *module, PyObject *Py_UNUSED(ignored))
{
    module_state *state = module_get_state(module);
    bool interrupted = state->closed == Py_None;
    Py_XSETREF(state->closed, Py_NewRef(Py_True));
    (void)interrupted;
#if PY_VERSION_HEX >= 0x030F0000
    /* The running Python waits for threads that atexit callbacks have started. */
    if (!interrupted && handle_join_all() < 0) {
        return NULL;
    }
#endif
    if (PyInterpreterState_Get() == PyInterpreterState_Main()) {
        admission_end();
        reuse_set_limits(0, 0);
    }
    handle_wait_for_births();
    Py_RETURN_NONE;
}

PyDoc_STRVAR(register_atexit_doc,
             "_register_atexit($module, func, /, *arg, **kwargs)\n--\n\n"
             "Have func called, with the arguments, at the interpreter's end before threads are waited for.\n\n"
             "What was registered last is called first. Raise RuntimeError if it is too late.");

static PyObject *
register_atexit(PyObject *module, PyObject *args, PyObject *keywords)
{
    PyObject *function = PyDict_GetItemString(module_get_state(module)->stdlib, "_register_atexit");
    if (function == NULL) {
        PyErr_SetString(PyExc_RuntimeError, "lost threading._register_atexit");
        return NULL;
    }
    return PyObject_Call(function, args, keywords);
}

/* A thread that is getting its thread state may hold locks of the interpreter's that no one in the child would release. */
static PyObject *
before_fork(PyObject *Py_UNUSED(module), PyObject *Py_UNUSED(ignored))
{
    handle_wait_for_births();
    reuse_before_fork();
    Py_RETURN_NONE;
}

static PyObject *
after_fork_in_parent(PyObject *Py_UNUSED(module), PyObject *Py_UNUSED(ignored))
{
    reuse_after_fork();
    Py_RETURN_NONE;
}

/* In a forked child, after the standard library has seen to its own part: the registry holds just this thread. */
static PyObject *
after_fork(PyObject *module, PyObject *Py_UNUSED(ignored))
{
    module_state *state = module_get_state(module);
    PyObject *ident = PyLong_FromUnsignedLong(PyThread_get_thread_ident());
    PyObject *found;
    if (ident == NULL || PyDict_GetItemRef(state->active, ident, &found) < 0) {
        Py_XDECREF(ident);
        return NULL;
    }
    unsigned long native_id = 0;
#ifdef PY_HAVE_THREAD_NATIVE_ID
    native_id = PyThread_get_thread_native_id();
#endif
    int status = 0;
    bool theirs = found == NULL || Py_TYPE(found) == (PyTypeObject *)state->stdlib_main_thread_type;
    PyObject *main = theirs ? Py_NewRef(state->main_thread) : Py_NewRef(found);
    if (theirs && (!thread_check(state, main) || ((thread_object *)main)->ident == NULL ||
                   PyObject_RichCompareBool(((thread_object *)main)->ident, ident, Py_EQ) != 1)) {
        Py_SETREF(main, PyObject_CallNoArgs((PyObject *)state->main_thread_type));
    }
    if (main == NULL) {
        status = -1;
    }
    else if (thread_check(state, main)) {
        thread_handle *handle = thread_get_handle((thread_object *)main);
        status = handle == NULL ? -1 : 0;
        if (handle != NULL) {
            atomic_store(&handle->native_id, native_id);
        }
    }
    if (status == 0) {
        status = registry_set_main(state, main);
        Py_XSETREF(state->stdlib_main_thread, theirs ? Py_XNewRef(found) : NULL);
    }
    Py_XDECREF(main);
    Py_XDECREF(found);
    Py_DECREF(ident);
    if (status < 0) {
        return NULL;
    }
    Py_RETURN_NONE;
}

static PyMethodDef shutdown_functions[] = {
    {"_shutdown", shutdown, METH_NOARGS, shutdown_doc},
    {"_register_atexit", (PyCFunction)(void (*)(void))register_atexit, METH_VARARGS | METH_KEYWORDS,
     register_atexit_doc},
    {NULL},
};

/* Not for others: what the interpreter and the standard library are told to call. */
static PyMethodDef end_main_thread_definition = {"_end_main_thread", end_main_thread, METH_NOARGS, NULL};
static PyMethodDef close_down_definition = {"_close_down", close_down, METH_NOARGS, NULL};
static PyMethodDef before_fork_definition = {"_before_fork", before_fork, METH_NOARGS, NULL};
static PyMethodDef after_fork_in_parent_definition = {"_after_fork_in_parent", after_fork_in_parent, METH_NOARGS, NULL};
static PyMethodDef after_fork_definition = {"_after_fork", after_fork, METH_NOARGS, NULL};

/* Calls registrar(function), or registrar(keyword=function). */
static int
hand_over(PyObject *registrar, const char *keyword, PyMethodDef *definition, PyObject *module)
{
    PyObject *function = PyCFunction_NewEx(definition, module, NULL);
    PyObject *args = function == NULL ? NULL : keyword == NULL ? PyTuple_Pack(1, function) : PyTuple_New(0);
    PyObject *keywords = keyword == NULL ? NULL : Py_BuildValue("{sO}", keyword, function);
    PyObject *done =
        args == NULL || (keyword != NULL && keywords == NULL) ? NULL : PyObject_Call(registrar, args, keywords);
    Py_XDECREF(function);
    Py_XDECREF(args);
    Py_XDECREF(keywords);
    Py_XDECREF(done);
    Py_DECREF(registrar);
    return done == NULL ? -1 : 0;
}

static int
hook_into_end(module_state *state, PyObject *module)
{
    PyObject *theirs = PyDict_GetItemString(state->stdlib, "_register_atexit");
    if (theirs == NULL || hand_over(Py_NewRef(theirs), NULL, &end_main_thread_definition, module) < 0) {
        /* Imported during shutdown: it is too late for that. */
        if (theirs != NULL && !PyErr_ExceptionMatches(PyExc_RuntimeError)) {
            return -1;
        }
        PyErr_Clear();
    }
    PyObject *at_exit = module_import_from("atexit", "register");
    if (at_exit == NULL || hand_over(at_exit, NULL, &close_down_definition, module) < 0) {
        return -1;
    }
    PyObject *at_fork = module_import_from("os", "register_at_fork");
    if (at_fork == NULL) {
        PyErr_Clear();
        return 0;
    }
    if (hand_over(Py_NewRef(at_fork), "before", &before_fork_definition, module) < 0 ||
        hand_over(Py_NewRef(at_fork), "after_in_parent", &after_fork_in_parent_definition, module) < 0) {
        Py_DECREF(at_fork);
        return -1;
    }
    return hand_over(at_fork, "after_in_child", &after_fork_definition, module);
}

/* Whether this interpreter may start threads: nothing public tells, so ask for one that cannot be started anyhow. */
static int
find_refusal(module_state *state)
{
#if PY_VERSION_HEX >= 0x030D0000
    if (PyInterpreterState_Get() == PyInterpreterState_Main()) {
        return 0;
    }
    PyObject *start = module_import_from("_thread", "start_joinable_thread");
    PyObject *function = module_import_from("_thread", "get_ident");
    PyObject *make = module_import_from("_thread", "_make_thread_handle");
    PyObject *handle = make == NULL ? NULL : PyObject_CallFunction(make, "k", PyThread_get_thread_ident());
    PyObject *args = function == NULL ? NULL : PyTuple_Pack(1, function);
    PyObject *keywords = handle == NULL ? NULL : Py_BuildValue("{sOsO}", "handle", handle, "daemon", Py_False);
    int status = start == NULL || args == NULL || keywords == NULL ? -1 : 0;
    if (status == 0) {
        PyObject *done = PyObject_Call(start, args, keywords);
        PyObject *exception = done == NULL ? PyErr_GetRaisedException() : NULL;
        PyObject *message = exception == NULL ? NULL : PyObject_Str(exception);
        if (message != NULL && PyUnicode_CompareWithASCIIString(message, "thread already started") != 0) {
            state->start_refusal = Py_NewRef(message);
        }
        Py_XDECREF(done);
        Py_XDECREF(exception);
        Py_XDECREF(message);
    }
    Py_XDECREF(start);
    Py_XDECREF(function);
    Py_XDECREF(make);
    Py_XDECREF(handle);
    Py_XDECREF(args);
    Py_XDECREF(keywords);
    return status;
#else
    if (!interpreter_allows_threads()) {
        state->start_refusal = PyUnicode_FromString("thread is not supported for isolated subinterpreters");
        return state->start_refusal == NULL ? -1 : 0;
    }
    return 0;
#endif
}

static int
find_daemon_allowed(module_state *state)
{
#if PY_VERSION_HEX >= 0x030C0000
    PyObject *function = module_import_from("_thread", "daemon_threads_allowed");
    state->daemon_allowed = function == NULL ? NULL : PyObject_CallNoArgs(function);
    Py_XDECREF(function);
#else
    state->daemon_allowed = Py_NewRef(Py_True);
#endif
    return state->daemon_allowed == NULL ? -1 : 0;
}

int
shutdown_prepare_exec(PyObject *module)
{
    module_state *state = module_get_state(module);
    state->closed = Py_NewRef(Py_False);
#if PY_VERSION_HEX >= 0x030D0000
    state->thread_module_shutdown = module_import_from("_thread", "_shutdown");
    if (state->thread_module_shutdown == NULL) {
        return -1;
    }
#endif
    if (find_daemon_allowed(state) < 0) {
        return -1;
    }
    return find_refusal(state);
}

int
shutdown_exec(PyObject *module)
{
    module_state *state = module_get_state(module);
    if (PyInterpreterState_Get() == PyInterpreterState_Main()) {
        admission_begin();
    }
    state->stdlib_main_thread_type = Py_XNewRef(PyDict_GetItemString(state->stdlib, "_MainThread"));
    state->stdlib_shutdown = Py_XNewRef(PyDict_GetItemString(state->stdlib, "_shutdown"));
    if (state->stdlib_main_thread_type == NULL || state->stdlib_shutdown == NULL) {
        PyErr_SetString(PyExc_ImportError, "the standard library's threading has no _shutdown");
        return -1;
    }
    if (PyModule_AddFunctions(module, shutdown_functions) < 0 || hook_into_end(state, module) < 0) {
        return -1;
    }
    PyObject *ours = PyObject_GetAttrString(module, "_shutdown");
    int status = ours == NULL ? -1 : PyDict_SetItemString(state->stdlib, "_shutdown", ours);
    Py_XDECREF(ours);
    return status;
}
