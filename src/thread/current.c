/* See current.h.
 *
 * The registry, `_active`, is the standard library's, and so are the objects in it that nobody has started: the main
 * thread's, and those of threads that were started by other means. As our classes have the same layout, such an object
 * is made one of ours by its `__class__`; it stays the same object, and an instance of the standard library's class. */
#include "current.h"

#include "stdlib.h"

/* Makes the thread one of our type, if it is one of exactly theirs. */
static int
adopt(module_state *state, PyObject *thread, PyTypeObject *theirs, PyTypeObject *ours)
{
    if (!Py_IS_TYPE(thread, theirs)) {
        return 0;
    }
    return PyObject_SetAttr(thread, state->str___class__, (PyObject *)ours);
}

static PyObject *
make_dummy(module_state *state)
{
    PyObject *type = stdlib_name(state, state->str__DummyThread);
    PyObject *dummy = type == NULL ? NULL : PyObject_CallNoArgs(type);
    Py_XDECREF(type);
    if (dummy != NULL && adopt(state, dummy, state->stdlib_dummy_thread_type, state->dummy_thread_type) < 0) {
        Py_CLEAR(dummy);
    }
    return dummy;
}

PyObject *
current_thread(module_state *state)
{
    PyObject *active = stdlib_known(state, _active);
    PyObject *ident = active == NULL ? NULL : PyLong_FromUnsignedLong(thread_ident());
    PyObject *found = ident == NULL ? NULL : PyObject_GetItem(active, ident);
    Py_XDECREF(active);
    Py_XDECREF(ident);
    if (found != NULL || ident == NULL || !PyErr_ExceptionMatches(PyExc_KeyError)) {
        return found;
    }
    PyErr_Clear();
    return make_dummy(state);
}

PyDoc_STRVAR(current_thread_doc,
             "current_thread($module, /)\n--\n\n"
             "Return the Thread of the calling thread; as threading.current_thread.\n\n"
             "For a thread that was not started by a Thread it is a dummy with limited functions.");

static PyObject *
get_current_thread(PyObject *module, PyObject *Py_UNUSED(ignored))
{
    return current_thread(module_get_state(module));
}

static PyMethodDef current_functions[] = {
    {"current_thread", get_current_thread, METH_NOARGS, current_thread_doc},
    {NULL},
};

static PyObject *
adopt_main_thread(PyObject *module, PyObject *Py_UNUSED(ignored))
{
    module_state *state = module_get_state(module);
    PyObject *main = stdlib_name(state, state->str__main_thread);
    int status = main == NULL ? -1 : adopt(state, main, state->stdlib_main_thread_type, state->main_thread_type);
    Py_XDECREF(main);
    return status < 0 ? NULL : Py_NewRef(Py_None);
}

/* In a forked child, after the standard library has made the calling thread the main thread, and perhaps a new object for
 * it. What the system calls it has changed, which not every release minds. */
static PyObject *
after_fork(PyObject *module, PyObject *ignored)
{
    module_state *state = module_get_state(module);
    state->coming_up = 0;
    PyObject *adopted = adopt_main_thread(module, ignored);
#ifdef PY_HAVE_THREAD_NATIVE_ID
    PyObject *main = adopted == NULL ? NULL : stdlib_name(state, state->str__main_thread);
    Py_XSETREF(adopted, main == NULL ? NULL : PyObject_CallMethodNoArgs(main, state->str__set_native_id));
    Py_XDECREF(main);
#endif
    return adopted;
}

static PyMethodDef adopt_main_thread_definition = {"_adopt_main_thread", adopt_main_thread, METH_NOARGS, NULL};
static PyMethodDef after_fork_definition = {"_after_fork", after_fork, METH_NOARGS, NULL};

int
current_setup(PyObject *module)
{
    PyObject *adopt = PyCFunction_NewEx(&adopt_main_thread_definition, module, NULL);
    PyObject *done = adopt == NULL ? NULL : PyObject_CallNoArgs(adopt);
    PyObject *hook = done == NULL ? NULL : PyCFunction_NewEx(&after_fork_definition, module, NULL);
    int status = hook == NULL ? -1 : module_call_after_fork(hook);
    Py_XDECREF(adopt);
    Py_XDECREF(done);
    Py_XDECREF(hook);
    return status < 0 ? -1 : PyModule_AddFunctions(module, current_functions);
}
