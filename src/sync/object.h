/* What instances of a class written in Python have, for our types that replace one: weak references and a __dict__. */
#ifndef SYNC_OBJECT_H
#define SYNC_OBJECT_H

#include "../compat.h"

/* At the start of the instance struct. */
#define OBJECT_HEAD     \
    PyObject_HEAD       \
    PyObject *weakrefs; \
    PyObject *dict;

/* In the type's members and getset tables. */
#define OBJECT_MEMBERS(struct_type)                                                      \
    {"__weaklistoffset__", Py_T_PYSSIZET, offsetof(struct_type, weakrefs), Py_READONLY}, \
    {                                                                                    \
        "__dictoffset__", Py_T_PYSSIZET, offsetof(struct_type, dict), Py_READONLY        \
    }
#define OBJECT_GETSET {"__dict__", PyObject_GenericGetDict, PyObject_GenericSetDict}

#define OBJECT_METHOD(function) ((PyCFunction)(void (*)(void))(function))

typedef struct {
    OBJECT_HEAD
} object_head;

/* Whether this is an instance of the very type that has this dealloc (a subclass has Python's own) with no attribute of
 * its own: its methods are those of the type, then. */
static inline bool
object_is_plain(PyObject *self, destructor dealloc)
{
    return Py_TYPE(self)->tp_dealloc == dealloc && ((object_head *)self)->dict == NULL;
}

/* The first half of a dealloc; object_free is the second. In between, what else the object holds goes. */
static inline void
object_begin_dealloc(PyObject *self)
{
    PyObject_GC_UnTrack(self);
    if (((object_head *)self)->weakrefs != NULL) {
        PyObject_ClearWeakRefs(self);
    }
    Py_CLEAR(((object_head *)self)->dict);
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
    PyObject *name = PyObject_GetAttrString(type, "__qualname__");
    PyObject *repr = NULL;
    if (module != NULL && name != NULL) {
        repr = PyUnicode_FromFormat("<%S.%S at %p: %U>", module, name, self, state);
    }
    Py_XDECREF(module);
    Py_XDECREF(name);
    Py_DECREF(state);
    return repr;
}

#endif
