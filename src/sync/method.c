/* See method.h.
 *
 * A descriptor of ours stands in the type. A call on an object, `event.set()`, makes no bound method: the interpreter
 * passes the object as the first argument to whatever says that it is a method descriptor. The interpreter's own
 * descriptor of the same function is kept beside: it says how the method is called, and takes the calls that are wrong. */
#include "method.h"

#include "../module.h"

typedef struct {
    PyObject_HEAD
    vectorcallfunc vectorcall;
    PyMethodDef *definition;
    PyTypeObject *type; /* whose method it is */
    PyObject *native;   /* the interpreter's own descriptor, or a function of the module */
    PyObject *weakrefs;
    PyObject *dict; /* for marks, as functions have it */
} method;

/* Whether the first argument is an object that has the method. */
static inline bool
has_object(method *self, PyObject *const *args, Py_ssize_t count)
{
    return count > 0 && PyObject_TypeCheck(args[0], self->type);
}

static PyObject *
call_no_arguments(PyObject *callable, PyObject *const *args, size_t flags, PyObject *keywords)
{
    method *self = (method *)callable;
    Py_ssize_t count = PyVectorcall_NARGS(flags);
    if (count != 1 || keywords != NULL || !has_object(self, args, count)) {
        return PyObject_Vectorcall(self->native, args, flags, keywords);
    }
    return self->definition->ml_meth(args[0], NULL);
}

typedef PyObject *(*function_of_array)(PyObject *, PyObject *const *, Py_ssize_t);

static PyObject *
call_array(PyObject *callable, PyObject *const *args, size_t flags, PyObject *keywords)
{
    method *self = (method *)callable;
    Py_ssize_t count = PyVectorcall_NARGS(flags);
    if (keywords != NULL || !has_object(self, args, count)) {
        return PyObject_Vectorcall(self->native, args, flags, keywords);
    }
    return ((function_of_array)(void (*)(void))self->definition->ml_meth)(args[0], args + 1, count - 1);
}

typedef PyObject *(*function_of_keywords)(PyObject *, PyObject *const *, Py_ssize_t, PyObject *);

static PyObject *
call_keywords(PyObject *callable, PyObject *const *args, size_t flags, PyObject *keywords)
{
    method *self = (method *)callable;
    Py_ssize_t count = PyVectorcall_NARGS(flags);
    if (!has_object(self, args, count)) {
        return PyObject_Vectorcall(self->native, args, flags, keywords);
    }
    return ((function_of_keywords)(void (*)(void))self->definition->ml_meth)(args[0], args + 1, count - 1, keywords);
}

/* For a function of the module. */
static PyObject *
call_native(PyObject *callable, PyObject *const *args, size_t flags, PyObject *keywords)
{
    return PyObject_Vectorcall(((method *)callable)->native, args, flags, keywords);
}

static inline bool
is_function(method *self)
{
    return self->vectorcall == call_native;
}

static vectorcallfunc
vectorcall_for(int flags)
{
    assert(flags == METH_NOARGS || flags == METH_FASTCALL || flags == (METH_FASTCALL | METH_KEYWORDS));
    return flags == METH_NOARGS ? call_no_arguments : flags == METH_FASTCALL ? call_array : call_keywords;
}

/* Steals the native. */
static PyObject *
method_make(PyTypeObject *method_type, PyTypeObject *type, PyMethodDef *definition, vectorcallfunc vectorcall,
            PyObject *native)
{
    method *self = native == NULL ? NULL : (method *)method_type->tp_alloc(method_type, 0);
    if (self == NULL) {
        Py_XDECREF(native);
        return NULL;
    }
    self->vectorcall = vectorcall;
    self->definition = definition;
    self->type = (PyTypeObject *)Py_NewRef(type);
    self->native = native;
    object_is_shared((PyObject *)self);
    return (PyObject *)self;
}

static int
method_traverse(method *self, visitproc visit, void *arg)
{
    Py_VISIT(Py_TYPE(self));
    Py_VISIT(self->type);
    Py_VISIT(self->native);
    Py_VISIT(self->dict);
    return 0;
}

static int
method_clear(method *self)
{
    Py_CLEAR(self->dict);
    return 0;
}

static void
method_dealloc(method *self)
{
    PyTypeObject *type = Py_TYPE(self);
    PyObject_GC_UnTrack(self);
    if (self->weakrefs != NULL) {
        PyObject_ClearWeakRefs((PyObject *)self);
    }
    Py_XDECREF(self->type);
    Py_XDECREF(self->native);
    Py_XDECREF(self->dict);
    type->tp_free(self);
    Py_DECREF(type);
}

static PyObject *
method_bind(PyObject *self, PyObject *object, PyObject *Py_UNUSED(type))
{
    return object == NULL || object == Py_None ? Py_NewRef(self) : PyMethod_New(self, object);
}

static PyObject *
method_repr(method *self)
{
    if (is_function(self)) {
        return PyUnicode_FromFormat("<method '%s' of '%s' objects>", self->definition->ml_name, self->type->tp_name);
    }
    return PyObject_Repr(self->native);
}

/* What the interpreter's own descriptor says about the method. */
static PyObject *
method_ask_native(method *self, void *name)
{
    return PyObject_GetAttrString(self->native, name);
}

static PyObject *
method_get_qualname(method *self, void *name)
{
    if (!is_function(self)) {
        return method_ask_native(self, name);
    }
    PyObject *of_type = PyType_GetQualName(self->type);
    PyObject *qualname = of_type == NULL ? NULL : PyUnicode_FromFormat("%U.%s", of_type, self->definition->ml_name);
    Py_XDECREF(of_type);
    return qualname;
}

static PyObject *
method_get_objclass(method *self, void *Py_UNUSED(closure))
{
    return Py_NewRef(self->type);
}

static PyObject *
method_get_annotations(method *Py_UNUSED(self), void *Py_UNUSED(closure))
{
    return PyDict_New();
}

static PyObject *
method_reduce(method *self, PyObject *Py_UNUSED(ignored))
{
    PyObject *get = module_import_from("builtins", "getattr");
    return get == NULL ? NULL : Py_BuildValue("N(Os)", get, self->type, self->definition->ml_name);
}

#define ASK_NATIVE(name)                                              \
    {                                                                 \
        name, (getter)method_ask_native, NULL, NULL, (void *)(char[]) \
        {                                                             \
            name                                                      \
        }                                                             \
    }

static PyGetSetDef method_getset[] = {
    ASK_NATIVE("__doc__"),
    ASK_NATIVE("__name__"),
    {"__qualname__", (getter)method_get_qualname, NULL, NULL, (void *)(char[]){"__qualname__"}},
    {"__objclass__", (getter)method_get_objclass},
    ASK_NATIVE("__text_signature__"),
    {"__annotations__", (getter)method_get_annotations},
    {"__dict__", PyObject_GenericGetDict, PyObject_GenericSetDict},
    {NULL},
};

static PyMethodDef method_methods[] = {
    {"__reduce__", (PyCFunction)(void (*)(void))method_reduce, METH_NOARGS},
    {NULL},
};

static PyMemberDef method_members[] = {
    {"__vectorcalloffset__", Py_T_PYSSIZET, offsetof(method, vectorcall), Py_READONLY},
    {"__weaklistoffset__", Py_T_PYSSIZET, offsetof(method, weakrefs), Py_READONLY},
    {"__dictoffset__", Py_T_PYSSIZET, offsetof(method, dict), Py_READONLY},
    {NULL},
};

static PyType_Slot method_slots[] = {
    {Py_tp_traverse, method_traverse}, {Py_tp_clear, method_clear},
    {Py_tp_dealloc, method_dealloc},   {Py_tp_descr_get, method_bind},
    {Py_tp_call, PyVectorcall_Call},   {Py_tp_repr, method_repr},
    {Py_tp_getset, method_getset},     {Py_tp_methods, method_methods},
    {Py_tp_members, method_members},   {0, NULL},
};

static PyType_Spec method_spec = {
    .name = "cthreading._method",
    .basicsize = sizeof(method),
    /* Immutable: the interpreter takes no shortcut to what a type could change its mind about. */
    .flags = Py_TPFLAGS_DEFAULT | Py_TPFLAGS_HAVE_GC | Py_TPFLAGS_HAVE_VECTORCALL | Py_TPFLAGS_METHOD_DESCRIPTOR |
             Py_TPFLAGS_IMMUTABLETYPE | Py_TPFLAGS_DISALLOW_INSTANTIATION,
    .slots = method_slots,
};

int
methods_add(PyObject *module, PyTypeObject *type, PyMethodDef *methods)
{
    PyTypeObject *method_type = module_get_state(module)->method_type;
    int error = 0;
    for (PyMethodDef *definition = methods; error == 0 && definition->ml_name != NULL; definition++) {
        vectorcallfunc vectorcall = vectorcall_for(definition->ml_flags);
        PyObject *native = PyDescr_NewMethod(type, definition);
        PyObject *made = method_make(method_type, type, definition, vectorcall, native);
        error = made == NULL ? -1 : PyObject_SetAttrString((PyObject *)type, definition->ml_name, made);
        Py_XDECREF(made);
    }
    return error;
}

int
methods_add_functions(PyObject *module, PyTypeObject *type, PyMethodDef *functions)
{
    PyTypeObject *method_type = module_get_state(module)->method_type;
    PyObject *name = PyUnicode_FromString("cthreading");
    int error = name == NULL ? -1 : 0;
    for (PyMethodDef *definition = functions; error == 0 && definition->ml_name != NULL; definition++) {
        PyObject *native = PyCFunction_NewEx(definition, module, name);
        PyObject *made = method_make(method_type, type, definition, call_native, native);
        error = made == NULL ? -1 : PyObject_SetAttrString((PyObject *)type, definition->ml_name, made);
        Py_XDECREF(made);
    }
    Py_XDECREF(name);
    return error;
}

int
method_exec(PyObject *module)
{
    module_state *state = module_get_state(module);
    state->method_type = (PyTypeObject *)PyType_FromModuleAndSpec(module, &method_spec, NULL);
    return state->method_type == NULL ? -1 : 0;
}
