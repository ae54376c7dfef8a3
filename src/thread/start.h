/* Starting a Thread without waiting for it to run. */
#ifndef THREAD_START_H
#define THREAD_START_H

#include "../module.h"

/* Methods of Thread: start(), and before 3.13 two steps of the life cycle. */
extern PyMethodDef thread_start_methods[];

/* Adds the properties ident and native_id to the type. Returns -1 with an exception set. */
int start_add_properties(PyObject *module, PyTypeObject *type);

/* Adds the type of what a new thread calls to the state. Returns -1 with an exception set. */
int start_setup(PyObject *module);

#endif
