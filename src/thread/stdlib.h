/* What the standard library's threading is: its names, and its Thread's methods, as they are now. */
#ifndef THREAD_STDLIB_H
#define THREAD_STDLIB_H

#include "../module.h"

/* What the name is in its namespace: a new reference, or NULL with NameError. */
PyObject *stdlib_name(module_state *state, PyObject *name);

/* The same for one of STDLIB_NAMES: without a look-up, as long as nothing there has changed. */
#define stdlib_known(state, name) stdlib_known_name((state), &(state)->known_##name, (state)->str_##name)

#ifdef Py_GIL_DISABLED

static inline PyObject *
stdlib_known_name(module_state *state, PyObject **Py_UNUSED(known), PyObject *name)
{
    return stdlib_name(state, name);
}

#else

#if PY_VERSION_HEX >= 0x030C0000
/* How many changes there have been in the namespaces that are watched: more than 0 once there is one. */
extern uint64_t stdlib_changes;
#endif

/* Of all that is remembered; 0 where nothing may be. */
static inline uint64_t
stdlib_version(module_state *state)
{
#if PY_VERSION_HEX >= 0x030C0000
    /* Relaxed: interpreters that have a GIL of their own change it for their own namespaces. */
    return state->watcher == 0 ? 0 : __atomic_load_n(&stdlib_changes, __ATOMIC_RELAXED);
#else
    return state->stdlib == NULL ? 0 : dict_version(state->stdlib);
#endif
}

PyObject *stdlib_known_name_slow(module_state *state, PyObject **known, PyObject *name);

static inline PyObject *
stdlib_known_name(module_state *state, PyObject **known, PyObject *name)
{
    if (*known != NULL && state->known_version == stdlib_version(state)) {
        return Py_NewRef(*known);
    }
    return stdlib_known_name_slow(state, known, name);
}

#endif

/* Returns 1 if the name is a function of the standard library's threading there, neither replaced nor overridden, 0 if
 * not, -1 with an exception set. The owner is a Thread or a class. */
int stdlib_is_inherited(module_state *state, PyObject *owner, PyObject *name);

/* Calls the method of the standard library's Thread, whatever it is there now. */
PyObject *stdlib_call(module_state *state, PyObject *name, PyObject *const *args, Py_ssize_t count, PyObject *keywords);

/* Sets an attribute of a Thread, as a statement of its methods would. Steals the value; NULL is an error that passes through.
 * Returns -1 with an exception set. */
static inline int
set_attribute(PyObject *thread, PyObject *name, PyObject *value)
{
    int status = value == NULL ? -1 : Py_TYPE(thread)->tp_setattro(thread, name, value);
    Py_XDECREF(value);
    return status;
}

/* Calls a method of one of its locks, without arguments: acquire or release. Returns -1 with an exception set. */
int stdlib_call_lock(PyObject *lock, PyObject *method);

/* Has changes of the namespace noticed, where the names may be remembered. Returns -1 with an exception set. */
int stdlib_setup(module_state *state);

#endif
