/* What the standard library's threading is: its names, and its Thread's methods, as they are now. */
#ifndef THREAD_STDLIB_H
#define THREAD_STDLIB_H

#include "../module.h"

/* What the name is in its namespace: a new reference, or NULL with NameError. */
PyObject *stdlib_name(module_state *state, PyObject *name);

/* The same for one of STDLIB_NAMES: without a look-up, as long as nothing there has changed. */
#define stdlib_known(state, name) stdlib_known_name((state), &(state)->known_##name, (state)->str_##name)
PyObject *stdlib_known_name(module_state *state, PyObject **known, PyObject *name);

/* Returns 1 if the name is a function of the standard library's threading there, neither replaced nor overridden, 0 if
 * not, -1 with an exception set. The owner is a Thread or a class. */
int stdlib_is_inherited(module_state *state, PyObject *owner, PyObject *name);

/* Calls the method of the standard library's Thread, whatever it is there now. */
PyObject *stdlib_call(module_state *state, PyObject *name, PyObject *const *args, Py_ssize_t count, PyObject *keywords);

/* Has changes of the namespace noticed, where the names may be remembered. Returns -1 with an exception set. */
int stdlib_setup(module_state *state);

#endif
