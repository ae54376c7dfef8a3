/* The registry of living threads: which Thread object a thread has.
 *
 * It is the standard library's own, shared: threading's dict from ident to object. So a thread has one object, whichever
 * module started it and whichever module asks. Only the main thread has two, one of each module's _MainThread: in the
 * dict is the standard library's, and the functions here translate. */
#ifndef THREAD_REGISTRY_H
#define THREAD_REGISTRY_H

#include "thread.h"

/* The calling thread's Thread, made if it has none. Returns a new reference. */
PyObject *registry_current(module_state *state);

/* The Thread registered under the ident, or NULL without an exception. Returns a new reference. */
PyObject *registry_find(module_state *state, PyObject *ident);

/* Removes the ident if it is this thread's. Keeps the current exception, if any. */
void registry_remove(module_state *state, PyObject *ident, PyObject *thread);

/* Sets the main thread's object. */
int registry_set_main(module_state *state, PyObject *thread);

#endif
