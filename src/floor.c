/* _Floor: methods that do nothing, and a type that is created for nothing. The yardstick of the benchmarks: what a
 * call costs before anything has been done.
 *
 * It is made like the primitives: a heap type with weak references, a __dict__ and the garbage collector's header,
 * created through vectorcall; and its methods have the calling conventions of theirs. No part of the package uses it
 * but cthreading.bench. */
#include "module.h"

typedef struct {
    PyObject_HEAD
    PyObject *dict;
    PyObject *weakrefs;
} floor_object;

static PyObject *
floor_vectorcall(PyObject *type, PyObject *const *Py_UNUSED(args), size_t Py_UNUSED(flags),
                 PyObject *Py_UNUSED(keywords))
{
    return ((PyTypeObject *)type)->tp_alloc((PyTypeObject *)type, 0);
}

static int
floor_traverse(floor_object *self, visitproc visit, void *arg)
{
    Py_VISIT(Py_TYPE(self));
    Py_VISIT(self->dict);
    return 0;
}

static int
floor_clear(floor_object *self)
{
    Py_CLEAR(self->dict);
    return 0;
}

static void
floor_dealloc(floor_object *self)
{
    PyTypeObject *type = Py_TYPE(self);
    PyObject_GC_UnTrack(self);
    if (self->weakrefs != NULL) {
        PyObject_ClearWeakRefs((PyObject *)self);
    }
    floor_clear(self);
    type->tp_free(self);
    Py_DECREF(type);
}

PyDoc_STRVAR(call_doc,
             "call($self, /)\n--\n\n"
             "Do nothing.");

static PyObject *
floor_call(floor_object *Py_UNUSED(self), PyObject *Py_UNUSED(ignored))
{
    Py_RETURN_NONE;
}

PyDoc_STRVAR(call_keywords_doc,
             "call_keywords($self, /, *args, **kwargs)\n--\n\n"
             "Do nothing with the arguments.");

static PyObject *
floor_call_keywords(floor_object *Py_UNUSED(self), PyObject *const *Py_UNUSED(args), Py_ssize_t Py_UNUSED(count),
                    PyObject *Py_UNUSED(keywords))
{
    Py_RETURN_NONE;
}

PyDoc_STRVAR(enter_doc,
             "__enter__($self, /)\n--\n\n"
             "Do nothing.");

PyDoc_STRVAR(exit_doc,
             "__exit__($self, exc_type, exc_value, exc_tb, /)\n--\n\n"
             "Do nothing.");

static PyObject *
floor_exit(floor_object *Py_UNUSED(self), PyObject *const *Py_UNUSED(args), Py_ssize_t Py_UNUSED(count))
{
    Py_RETURN_NONE;
}

static PyMethodDef floor_methods[] = {
    {"call", (PyCFunction)floor_call, METH_NOARGS, call_doc},
    {"call_keywords", (PyCFunction)(void (*)(void))floor_call_keywords, METH_FASTCALL | METH_KEYWORDS,
     call_keywords_doc},
    {"__enter__", (PyCFunction)floor_call, METH_NOARGS, enter_doc},
    {"__exit__", (PyCFunction)(void (*)(void))floor_exit, METH_FASTCALL, exit_doc},
    {NULL},
};

static PyMemberDef floor_members[] = {
    {"__dictoffset__", Py_T_PYSSIZET, offsetof(floor_object, dict), Py_READONLY},
    {"__weaklistoffset__", Py_T_PYSSIZET, offsetof(floor_object, weakrefs), Py_READONLY},
    {NULL},
};

PyDoc_STRVAR(floor_doc,
             "_Floor(*args, **kwargs)\n--\n\n"
             "The yardstick of the benchmarks: does nothing.");

static PyType_Slot floor_slots[] = {
    {Py_tp_doc, (void *)floor_doc},
    {Py_tp_traverse, floor_traverse},
    {Py_tp_clear, floor_clear},
    {Py_tp_dealloc, floor_dealloc},
    {Py_tp_methods, floor_methods},
    {Py_tp_members, floor_members},
    {0, NULL},
};

static PyType_Spec floor_spec = {
    .name = "cthreading._Floor",
    .basicsize = sizeof(floor_object),
    .flags = Py_TPFLAGS_DEFAULT | Py_TPFLAGS_HAVE_GC,
    .slots = floor_slots,
};

int
floor_exec(PyObject *module)
{
    PyTypeObject *type = (PyTypeObject *)PyType_FromModuleAndSpec(module, &floor_spec, NULL);
    if (type == NULL) {
        return -1;
    }
    type->tp_vectorcall = floor_vectorcall;
    int result = PyModule_AddObjectRef(module, "_Floor", (PyObject *)type);
    Py_DECREF(type);
    return result;
}
