/* Types that pass for the standard library's without deriving from them: Lock, RLock, local.
 *
 * Theirs are C types with a layout of their own, which ours cannot share. So an instance of exactly our type answers
 * __class__ with theirs, and isinstance is content with that; type() and repr() tell the truth. */
#ifndef SYNC_GUISE_H
#define SYNC_GUISE_H

#include "../module.h"

/* Where the two types are in the module's state. */
typedef struct {
    size_t ours;
    size_t theirs;
} guise;

/* The entry of the type's getset table. */
#define GUISE_GETSET(guise) {"__class__", guise_get_class, guise_set_class, NULL, (void *)&guise}

PyObject *guise_get_class(PyObject *self, void *guise);
int guise_set_class(PyObject *self, PyObject *value, void *guise);

/* Has isinstance and issubclass take the standard library's locks for ours, too, as what asks an object for its __class__
 * and looks for that among its own types (functools.singledispatch) must find ours. For Lock and RLock, once the state has
 * them. Returns 0, or -1 with an exception set. */
int guise_make_mutual(PyObject *module, PyTypeObject *type);

#endif
