/* See registry.h. */
#include "registry.h"

#include "stdlib.h"

int
registry_has_in_limbo(module_state *state, PyObject *thread)
{
    PyObject *limbo = stdlib_name(state, state->str__limbo);
    int found = limbo == NULL ? -1 : PySequence_Contains(limbo, thread);
    Py_XDECREF(limbo);
    return found;
}

int
registry_leave_limbo(module_state *state, PyObject *thread)
{
    PyObject *limbo = stdlib_name(state, state->str__limbo);
    int status = limbo == NULL ? -1 : PyObject_DelItem(limbo, thread);
    Py_XDECREF(limbo);
    return status;
}

/* As `del mapping[key]`, if it is there. */
static int
discard(PyObject *mapping, PyObject *key)
{
    int found = PySequence_Contains(mapping, key);
    return found <= 0 ? found : PyObject_DelItem(mapping, key);
}

/* With the lock held. */
static int
move(PyObject *active, PyObject *limbo, PyObject *ident, PyObject *thread, registry_place place)
{
    int status = place == TO_ACTIVE  ? PyObject_SetItem(active, ident, thread)
                 : place == TO_LIMBO ? PyObject_SetItem(limbo, thread, thread)
                                     : 0;
    if (status == 0 && place != TO_ACTIVE) {
        status = discard(active, ident);
    }
    if (status == 0 && place != TO_LIMBO) {
        status = discard(limbo, thread);
    }
    return status;
}

int
registry_move(module_state *state, PyObject *ident, PyObject *thread, registry_place place, atomic_int *wanted)
{
    PyObject *active = stdlib_name(state, state->str__active);
    PyObject *limbo = active == NULL ? NULL : stdlib_name(state, state->str__limbo);
    PyObject *lock = limbo == NULL ? NULL : stdlib_name(state, state->str__active_limbo_lock);
    int status = lock == NULL ? -1 : stdlib_call_lock(lock, state->str_acquire);
    if (status == 0) {
        if (wanted == NULL || atomic_load(wanted) == REGISTRY_WAITS) {
            status = move(active, limbo, ident, thread, place);
        }
        PyObject *exception = PyErr_GetRaisedException();
        status = stdlib_call_lock(lock, state->str_release) < 0 ? -1 : status;
        if (exception != NULL) {
            PyErr_SetRaisedException(exception);
        }
    }
    Py_XDECREF(active);
    Py_XDECREF(limbo);
    Py_XDECREF(lock);
    return status;
}
