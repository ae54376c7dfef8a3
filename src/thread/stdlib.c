/* See stdlib.h. */
#include "stdlib.h"

PyObject *
stdlib_name(module_state *state, PyObject *name)
{
    PyObject *found;
    if (state->stdlib == NULL) {
        return module_is_cleared();
    }
    if (PyDict_GetItemRef(state->stdlib, name, &found) == 0) {
        PyErr_Format(PyExc_NameError, "name '%U' is not defined", name);
    }
    return found;
}

static bool
is_from_stdlib(module_state *state, PyObject *owner, PyObject *found)
{
    if (PyMethod_Check(found)) {
        if (PyMethod_GET_SELF(found) != owner) {
            return false;
        }
        found = PyMethod_GET_FUNCTION(found);
    }
    return PyFunction_Check(found) && PyFunction_GET_GLOBALS(found) == state->stdlib;
}

int
stdlib_is_inherited(module_state *state, PyObject *owner, PyObject *name)
{
    PyObject *found = PyObject_GetAttr(owner, name);
    if (found == NULL) {
        if (!PyErr_ExceptionMatches(PyExc_AttributeError)) {
            return -1;
        }
        PyErr_Clear();
        return 0;
    }
    bool inherited = is_from_stdlib(state, owner, found);
    Py_DECREF(found);
    return inherited;
}

PyObject *
stdlib_call(module_state *state, PyObject *name, PyObject *const *args, Py_ssize_t count, PyObject *keywords)
{
    PyObject *function = PyObject_GetAttr((PyObject *)state->stdlib_thread_type, name);
    PyObject *result = function == NULL ? NULL : PyObject_Vectorcall(function, args, count, keywords);
    Py_XDECREF(function);
    return result;
}

int
stdlib_call_lock(PyObject *lock, PyObject *method)
{
    PyObject *done = PyObject_CallMethodNoArgs(lock, method);
    Py_XDECREF(done);
    return done == NULL ? -1 : 0;
}

/* The names that are remembered. With a GIL, and where the interpreter tells that a dict has changed: by a version in the
 * dict, before 3.12, and later by calling a function, which counts the changes for all interpreters of the process. */

#if defined(Py_GIL_DISABLED) || PY_VERSION_HEX < 0x030C0000

int
stdlib_setup(module_state *Py_UNUSED(state))
{
    return 0;
}

#else

uint64_t stdlib_changes;

static int
count_change(PyDict_WatchEvent Py_UNUSED(event), PyObject *Py_UNUSED(dict), PyObject *Py_UNUSED(key),
             PyObject *Py_UNUSED(value))
{
    __atomic_fetch_add(&stdlib_changes, 1, __ATOMIC_RELAXED);
    return 0;
}

int
stdlib_setup(module_state *state)
{
    int watcher = PyDict_AddWatcher(count_change);
    if (watcher < 0) {
        /* There are only so many. */
        PyErr_Clear();
        return 0;
    }
    state->watcher = watcher + 1;
    __atomic_fetch_add(&stdlib_changes, 1, __ATOMIC_RELAXED);
    return PyDict_Watch(watcher, state->stdlib);
}

#endif

#ifndef Py_GIL_DISABLED

static void
look_all_up(module_state *state)
{
#define STDLIB_NAME(name) \
    Py_XSETREF(state->known_##name, Py_XNewRef(PyDict_GetItemWithError(state->stdlib, state->str_##name)));
    STDLIB_NAMES
#undef STDLIB_NAME
    PyErr_Clear();
}

PyObject *
stdlib_known_name_slow(module_state *state, PyObject **known, PyObject *name)
{
    uint64_t version = state->stdlib == NULL ? 0 : stdlib_version(state);
    if (version == 0) {
        return stdlib_name(state, name);
    }
    if (version != state->known_version) {
        /* Objects that go may run code that changes it again: then the next look finds another version. */
        state->known_version = version;
        look_all_up(state);
    }
    return *known == NULL ? stdlib_name(state, name) : Py_NewRef(*known);
}

#endif
