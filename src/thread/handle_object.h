/* A handle as Python code sees it: what a Thread has under the name of the standard library's handle, or, before 3.13,
 * of the lock that is locked while the thread is alive. */
#ifndef THREAD_HANDLE_OBJECT_H
#define THREAD_HANDLE_OBJECT_H

#include "../module.h"
#include "handle.h"

PyObject *handle_object_new(module_state *state, thread_handle *handle);

#endif
