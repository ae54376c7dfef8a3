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

#ifdef THREAD_HANDLE
/* Gives the thread a handle that has not been started. Returns -1 with an exception set. */
int thread_set_handle(module_state *state, PyObject *thread);
#endif

/* Calls a lock's method without arguments: acquire or release. Returns -1 with an exception set. */
int thread_call_lock(PyObject *lock, PyObject *method);

#endif
