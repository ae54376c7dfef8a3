/* Thread.join: the standard library's, told to those who ask. */
#ifndef THREAD_JOIN_H
#define THREAD_JOIN_H

#include "../module.h"

/* Adds the method. -1 with an exception set. */
int join_add_methods(PyObject *module, PyTypeObject *type);

#endif
