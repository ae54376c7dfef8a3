/* Starting a Thread without waiting for it to run. */
#ifndef THREAD_START_H
#define THREAD_START_H

#include "../module.h"

/* Adds start() to the type, which is Thread, and to the module what waits until a thread is there. Returns -1 with an
 * exception set. */
int start_add_methods(PyObject *module, PyTypeObject *type);

/* Before that: adds to the state what it needs. Returns -1 with an exception set. */
int start_setup(PyObject *module);

#endif
