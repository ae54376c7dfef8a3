/* threading.Thread, Timer, _MainThread and _DummyThread: the standard library's classes, each with a subclass in C.
 *
 * They have no state but what is in the instance's dict, under the names that the running Python has for it, so whatever
 * is not written here is inherited and works. In C is what pays: making a Thread (thread.c), starting it without a wait
 * for it to run (start.c), and current_thread(). The registry, the hooks, the end of the interpreter and a fork are the
 * standard library's alone. */
#ifndef THREAD_THREAD_H
#define THREAD_THREAD_H

#include "../module.h"

/* The attribute that holds the handle, from 3.13 on. Before that there is `_tstate_lock`, locked while the thread lives. */
#if PY_VERSION_HEX >= 0x030E0000
#define THREAD_HANDLE str__os_thread_handle
#elif PY_VERSION_HEX >= 0x030D0000
#define THREAD_HANDLE str__handle
#endif

/* Returns 1 if the name is a function of the standard library's threading there, neither replaced nor overridden, 0 if
 * not, -1 with an exception set. The owner is a Thread or a class. */
int thread_is_inherited(module_state *state, PyObject *owner, PyObject *name);

/* What the name is in the standard library's threading: a new reference, or NULL with NameError. */
PyObject *thread_stdlib_name(module_state *state, PyObject *name);

/* Calls the method of the standard library's Thread, whatever it is there now. */
PyObject *thread_call_stdlib(module_state *state, PyObject *name, PyObject *const *args, Py_ssize_t count,
                             PyObject *keywords);

#endif
