/* Methods that are bound methods, as those of classes written in Python.
 *
 * What `event.set` gives is a types.MethodType: it has __func__ and __self__, and a weakref.WeakMethod of it lives as long
 * as the event. The interpreter's own descriptors for C functions give a builtin_function_or_method, a new one each time,
 * which has neither. */
#ifndef SYNC_METHOD_H
#define SYNC_METHOD_H

#include "../compat.h"

/* Adds these methods (ended by one without a name) to the type. They are METH_NOARGS, METH_FASTCALL, or
 * METH_FASTCALL | METH_KEYWORDS. Returns 0, or -1 with an exception set. */
int methods_add(PyObject *module, PyTypeObject *type, PyMethodDef *methods);

/* The same for functions that take any object: each gets the module as its self, and the object as its first argument. */
int methods_add_functions(PyObject *module, PyTypeObject *type, PyMethodDef *functions);

#endif
