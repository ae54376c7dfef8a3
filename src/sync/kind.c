/* See kind.h. */
#include "kind.h"

#include <string.h>

#include "method.h"

/* Whether its instances have weak references and a dict, as those of any class statement, and nothing else. */
static bool
has_plain_layout(PyTypeObject *type)
{
    unsigned long wanted = Py_TPFLAGS_MANAGED_DICT | Py_TPFLAGS_HAVE_GC | Py_TPFLAGS_BASETYPE | Py_TPFLAGS_HEAPTYPE;
    return (type->tp_flags & wanted) == wanted && type->tp_weaklistoffset == MANAGED_WEAKREFS_OFFSET &&
           type->tp_itemsize == 0 && type->tp_basicsize == (Py_ssize_t)sizeof(object_head);
}

PyTypeObject *
kind_find(PyObject *module, PyObject *dict, const char *name)
{
    PyObject *key = PyUnicode_FromString(name);
    PyObject *found = NULL;
    int error = key == NULL ? -1 : PyDict_GetItemRef(dict, key, &found);
    Py_XDECREF(key);
    if (error < 0) {
        return NULL;
    }
    if (found != NULL && Py_IS_TYPE(found, &PyType_Type) && has_plain_layout((PyTypeObject *)found)) {
        return (PyTypeObject *)found;
    }
    Py_XDECREF(found);
    return (PyTypeObject *)Py_NewRef(module_get_state(module)->plain_class);
}

/* A method that theirs has and ours has not: whoever asks for it hears that there is none. */
typedef struct {
    PyObject_HEAD
    PyObject *name;
} refusal;

static void
refusal_dealloc(refusal *self)
{
    PyTypeObject *type = Py_TYPE(self);
    Py_XDECREF(self->name);
    type->tp_free(self);
    Py_DECREF(type);
}

static PyObject *
refusal_get(refusal *self, PyObject *object, PyObject *type)
{
    if (object != NULL) {
        PyErr_Format(PyExc_AttributeError, "'%.100s' object has no attribute '%U'", Py_TYPE(object)->tp_name,
                     self->name);
    }
    else {
        /* Anybody may call __get__, with anything. */
        bool is_type = type != NULL && PyType_Check(type);
        PyErr_Format(PyExc_AttributeError, "type object '%.100s' has no attribute '%U'",
                     is_type ? ((PyTypeObject *)type)->tp_name : "?", self->name);
    }
    return NULL;
}

static PyType_Slot refusal_slots[] = {
    {Py_tp_dealloc, refusal_dealloc},
    {Py_tp_descr_get, refusal_get},
    {0, NULL},
};

static PyType_Spec refusal_spec = {
    .name = "cthreading._refusal",
    .basicsize = sizeof(refusal),
    .flags = Py_TPFLAGS_DEFAULT | Py_TPFLAGS_DISALLOW_INSTANTIATION,
    .slots = refusal_slots,
};

static int
refuse(module_state *state, PyTypeObject *type, PyObject *name)
{
    refusal *self = (refusal *)state->refusal_type->tp_alloc(state->refusal_type, 0);
    if (self == NULL) {
        return -1;
    }
    self->name = Py_NewRef(name);
    int error = PyObject_SetAttr((PyObject *)type, name, (PyObject *)self);
    Py_DECREF(self);
    return error;
}

/* Whether what stands in a class under this name is for its instances to use: a function, a property and the like. What
 * classes use themselves is left. */
static bool
is_for_instances(PyObject *name, PyObject *value)
{
    static const char *const of_classes[] = {"__init_subclass__", "__class_getitem__", "__subclasshook__",
                                             "__annotate__",      "__annotate_func__", NULL};
    if (!PyUnicode_CheckExact(name) || Py_TYPE(value)->tp_descr_get == NULL || Py_IS_TYPE(value, &PyGetSetDescr_Type) ||
        Py_IS_TYPE(value, &PyMemberDescr_Type)) {
        return false;
    }
    for (const char *const *i = of_classes; *i != NULL; i++) {
        if (PyUnicode_CompareWithASCIIString(name, *i) == 0) {
            return false;
        }
    }
    return true;
}

/* What an instance of the type would find in its classes. Borrowed; NULL without an exception: nothing. */
static PyObject *
look_up(PyTypeObject *type, PyObject *name)
{
    for (Py_ssize_t i = 0; i < PyTuple_GET_SIZE(type->tp_mro); i++) {
        PyTypeObject *class = (PyTypeObject *)PyTuple_GET_ITEM(type->tp_mro, i);
        PyObject *found = class == &PyBaseObject_Type ? NULL : PyDict_GetItemWithError(class->tp_dict, name);
        if (found != NULL || PyErr_Occurred()) {
            return found;
        }
    }
    return NULL;
}

/* Refuses what the type would inherit from this class. */
static int
refuse_inherited_from(module_state *state, PyTypeObject *type, PyTypeObject *class)
{
    Py_ssize_t position = 0;
    PyObject *name, *value;
    int error = 0;
    while (error == 0 && PyDict_Next(class->tp_dict, &position, &name, &value)) {
        if (is_for_instances(name, value) && look_up(type, name) == value) {
            error = refuse(state, type, name);
        }
    }
    return error == 0 && PyErr_Occurred() ? -1 : error;
}

static int
refuse_inherited(module_state *state, PyTypeObject *type, PyTypeObject *kind)
{
    int error = 0;
    for (Py_ssize_t i = 0; error == 0 && i < PyTuple_GET_SIZE(kind->tp_mro); i++) {
        PyTypeObject *class = (PyTypeObject *)PyTuple_GET_ITEM(kind->tp_mro, i);
        if (class != &PyBaseObject_Type) {
            error = refuse_inherited_from(state, type, class);
        }
    }
    return error;
}

PyTypeObject *
kind_make_type(PyObject *module, PyType_Spec *spec, PyTypeObject *base, PyTypeObject *kind, PyMethodDef *methods)
{
    PyObject *bases = base == NULL ? PyTuple_Pack(1, kind) : PyTuple_Pack(2, base, kind);
    PyTypeObject *type = bases == NULL ? NULL : (PyTypeObject *)PyType_FromModuleAndSpec(module, spec, bases);
    Py_XDECREF(bases);
    if (type == NULL) {
        return NULL;
    }
    /* From 3.14 on every instance would have room for some attributes behind it, which it hardly ever uses. A debug build
     * wants a class and those derived from it to be alike in that. */
    if (PySys_GetObject("gettotalrefcount") == NULL) {
        type->tp_flags &= ~(unsigned long)Py_TPFLAGS_INLINE_VALUES;
    }
    if ((methods != NULL && methods_add(module, type, methods) < 0) ||
        refuse_inherited(module_get_state(module), type, kind) < 0) {
        Py_CLEAR(type);
    }
    return type;
}

PyTypeObject *
kind_add_type(PyObject *module, PyType_Spec *spec, PyTypeObject *base, PyMethodDef *methods)
{
    PyTypeObject *kind = kind_find(module, module_get_state(module)->stdlib, strrchr(spec->name, '.') + 1);
    PyTypeObject *type = kind == NULL ? NULL : kind_make_type(module, spec, base, kind, methods);
    Py_XDECREF(kind);
    if (type != NULL && PyModule_AddType(module, type) < 0) {
        Py_CLEAR(type);
    }
    return type;
}

/* Whether this interpreter lays an instance out as OBJECT_HEAD and compat.h say. Returns 0, or -1 with an exception set. */
static int
check_layout(PyTypeObject *plain)
{
    PyObject *instance = PyObject_CallNoArgs((PyObject *)plain);
    if (instance == NULL) {
        return -1;
    }
    void *dict = _PyObject_GetDictPtr(instance);
    bool right = has_plain_layout(plain) && dict == (char *)instance + MANAGED_DICT_OFFSET;
    Py_DECREF(instance);
    if (!right) {
        PyErr_SetString(PyExc_ImportError, "this build of cthreading does not fit this version of Python");
        return -1;
    }
    return 0;
}

int
kind_exec(PyObject *module)
{
    module_state *state = module_get_state(module);
    state->refusal_type = (PyTypeObject *)PyType_FromModuleAndSpec(module, &refusal_spec, NULL);
    state->plain_class = (PyTypeObject *)PyObject_CallFunction((PyObject *)&PyType_Type, "s(){ss}", "_Plain",
                                                               "__module__", "cthreading");
    return state->refusal_type == NULL || state->plain_class == NULL ? -1 : check_layout(state->plain_class);
}
