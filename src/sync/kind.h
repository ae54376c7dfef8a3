/* Types that are of the standard library's kind: for a class that is written in Python there, ours derives from it.
 *
 * So an instance of ours goes wherever one of theirs is asked for. All that it does is ours nevertheless: a method that
 * theirs has and ours has not is refused, as if it were not there. */
#ifndef SYNC_KIND_H
#define SYNC_KIND_H

#include "../module.h"
#include "object.h"

/* The class of that name in a module's dict, if an instance of it is laid out as one of ours begins (OBJECT_HEAD).
 * Otherwise, as when a program has put something else there, a class that has nothing. A new reference, or NULL with an
 * exception set. */
PyTypeObject *kind_find(PyObject *module, PyObject *dict, const char *name);

/* Makes a type that derives from `kind` and, unless that is NULL, first from `base`, one of ours. `methods` are those that
 * are bound methods there, as in method.h. A new reference, or NULL with an exception set. */
PyTypeObject *kind_make_type(PyObject *module, PyType_Spec *spec, PyTypeObject *base, PyTypeObject *kind,
                             PyMethodDef *methods);

/* Does both for the class of `threading` that has the type's name, and adds the type to the module. */
PyTypeObject *kind_add_type(PyObject *module, PyType_Spec *spec, PyTypeObject *base, PyMethodDef *methods);

#endif
