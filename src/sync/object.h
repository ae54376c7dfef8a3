/* What instances of a class written in Python have, for our types that replace one: weak references and a __dict__.
 *
 * Such a type has the class that it replaces as its base (see kind.h), and so that class's layout: its instances begin with
 * OBJECT_HEAD, and our data lie behind. The dict is a managed one, in front of the object. It is made when the first
 * attribute is set. */
#ifndef SYNC_OBJECT_H
#define SYNC_OBJECT_H

#include "../compat.h"

#include <stdatomic.h>

/* At the start of the instance struct: all that an instance of a class statement's class has. */
#if PY_VERSION_HEX >= 0x030C0000
#define OBJECT_HEAD PyObject_HEAD
#else
#define OBJECT_HEAD \
    PyObject_HEAD   \
    PyObject *weakrefs;
#endif

#define OBJECT_METHOD(function) ((PyCFunction)(void (*)(void))(function))

typedef struct {
    OBJECT_HEAD
} object_head;

/* Whether the instance has, or may have, attributes of its own. */
static inline bool
object_has_attributes(PyObject *self)
{
    void *_Atomic *dict = (void *_Atomic *)((char *)self + MANAGED_DICT_OFFSET);
    return atomic_load_explicit(dict, memory_order_relaxed) != NULL ||
           (Py_TYPE(self)->tp_flags & Py_TPFLAGS_INLINE_VALUES) != 0;
}

/* Whether this is an instance of the very type that has this dealloc (a subclass has Python's own) with no attribute of
 * its own: its methods are those of the type, then. */
static inline bool
object_is_plain(PyObject *self, destructor dealloc)
{
    return Py_TYPE(self)->tp_dealloc == dealloc && !object_has_attributes(self);
}

/* What a tp_traverse visits for the type and the dict, also in instances of subclasses. */
static inline int
object_visit(PyObject *self, visitproc visit, void *arg)
{
    Py_VISIT(Py_TYPE(self));
    return PyObject_VisitManagedDict(self, visit, arg);
}

/* What the tp_clear of a type clears. */
static inline void
object_clear(PyObject *self)
{
    if (object_has_attributes(self)) {
        PyObject_ClearManagedDict(self);
    }
}

/* The first half of a dealloc; object_free is the second. In between, what else the object holds goes. */
static inline void
object_begin_dealloc(PyObject *self)
{
    PyObject_GC_UnTrack(self);
    if (*(PyObject **)((char *)self + MANAGED_WEAKREFS_OFFSET) != NULL) {
        PyObject_ClearWeakRefs(self);
    }
    object_clear(self);
}

static inline void
object_free(PyObject *self)
{
    PyTypeObject *type = Py_TYPE(self);
    type->tp_free(self);
    Py_DECREF(type);
}

/* The repr that threading's classes have: "<module.Class at 0x...: state>". Steals `state`; NULL passes through. */
static inline PyObject *
object_repr(PyObject *self, PyObject *state)
{
    if (state == NULL) {
        return NULL;
    }
    PyObject *type = (PyObject *)Py_TYPE(self);
    PyObject *module = PyObject_GetAttrString(type, "__module__");
    PyObject *name = module == NULL ? NULL : PyObject_GetAttrString(type, "__qualname__");
    PyObject *repr = name == NULL ? NULL : PyUnicode_FromFormat("<%S.%S at %p: %U>", module, name, self, state);
    Py_XDECREF(module);
    Py_XDECREF(name);
    Py_DECREF(state);
    return repr;
}

#endif
