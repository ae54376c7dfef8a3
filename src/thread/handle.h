/* What a Thread knows of the operating system's thread, from 3.13 on: a handle of the interpreter's, in an attribute. Before
 * that there is `_tstate_lock` (tstate_lock.h). */
#ifndef THREAD_HANDLE_H
#define THREAD_HANDLE_H

#include "../module.h"

#if PY_VERSION_HEX >= 0x030E0000
#define HANDLE_ATTRIBUTE str__os_thread_handle
#elif PY_VERSION_HEX >= 0x030D0000
#define HANDLE_ATTRIBUTE str__handle
#endif

#ifdef HANDLE_ATTRIBUTE

/* What the attribute of a Thread that has not been started is to be: a new reference, or NULL with an exception set. */
PyObject *handle_new(module_state *state, PyObject *thread);

/* The interpreter's handle: a new reference, or NULL with an exception set. */
PyObject *handle_get(module_state *state, PyObject *thread);

#endif

#endif
