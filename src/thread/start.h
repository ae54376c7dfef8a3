/* Starting a Thread without waiting for it to run. */
#ifndef THREAD_START_H
#define THREAD_START_H

#include "../module.h"

/* Adds to the type, which is Thread, start() and the properties for which one may have to wait until a thread runs. Returns
 * -1 with an exception set. */
int start_add_methods(PyObject *module, PyTypeObject *type);

/* Before that: adds to the state what it needs. Returns -1 with an exception set. */
int start_setup(PyObject *module);

#endif
