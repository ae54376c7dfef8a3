/* See guise.h. */
#include "guise.h"

#include <string.h>

static inline PyTypeObject *
type_at(module_state *state, size_t offset)
{
    return *(PyTypeObject **)((char *)state + offset);
}

PyObject *
guise_get_class(PyObject *self, void *closure)
{
    const guise *types = closure;
    PyTypeObject *type = Py_TYPE(self);
    module_state *state = module_state_of(type);
    PyTypeObject *theirs = type_at(state, types->theirs);
    return Py_NewRef(type == type_at(state, types->ours) && theirs != NULL ? theirs : type);
}

/* As object does it. */
int
guise_set_class(PyObject *self, PyObject *value, void *Py_UNUSED(closure))
{
    PyGetSetDef *entry = PyBaseObject_Type.tp_getset;
    while (strcmp(entry->name, "__class__") != 0) {
        entry++;
    }
    return entry->set(self, value, entry->closure);
}

/* What isinstance and issubclass ask the metaclass of Lock and RLock */

/* The standard library's type for this one of ours, or NULL. Borrowed. */
static PyTypeObject *
counterpart(PyObject *type)
{
    PyObject *module = PyType_GetModuleByDef((PyTypeObject *)type, &module_definition);
    if (module == NULL) {
        /* Another class with this metaclass, which anybody may use. */
        PyErr_Clear();
        return NULL;
    }
    module_state *state = module_get_state(module);
    return type == (PyObject *)state->lock_type    ? state->stdlib_lock_type
           : type == (PyObject *)state->rlock_type ? state->stdlib_rlock_type
                                                   : NULL;
}

/* As type's own method of that name answers. Returns 1, 0, or -1 with an exception set. */
static int
ask_type(const char *name, PyObject *type, PyObject *argument)
{
    PyObject *answer = PyObject_CallMethod((PyObject *)&PyType_Type, name, "OO", type, argument);
    int result = answer == NULL ? -1 : PyObject_IsTrue(answer);
    Py_XDECREF(answer);
    return result;
}

static PyObject *
check_instance(PyObject *type, PyObject *object)
{
    int result = ask_type("__instancecheck__", type, object);
    PyTypeObject *theirs = counterpart(type);
    if (result == 0 && theirs != NULL) {
        result = PyObject_IsInstance(object, (PyObject *)theirs);
    }
    return result < 0 ? NULL : PyBool_FromLong(result);
}

static PyObject *
check_subclass(PyObject *type, PyObject *subclass)
{
    int result = ask_type("__subclasscheck__", type, subclass);
    PyTypeObject *theirs = counterpart(type);
    if (result == 0 && theirs != NULL) {
        result = PyObject_IsSubclass(subclass, (PyObject *)theirs);
    }
    return result < 0 ? NULL : PyBool_FromLong(result);
}

static PyMethodDef check_methods[] = {
    {"__instancecheck__", check_instance, METH_O},
    {"__subclasscheck__", check_subclass, METH_O},
    {NULL},
};

/* Makes the metaclass, as a class statement does: it keeps count of its classes then. */
static PyTypeObject *
make_metaclass(void)
{
    PyTypeObject *metaclass = (PyTypeObject *)PyObject_CallFunction((PyObject *)&PyType_Type, "s(O){ss}", "_LockType",
                                                                    &PyType_Type, "__module__", "cthreading");
    for (PyMethodDef *definition = check_methods; metaclass != NULL && definition->ml_name != NULL; definition++) {
        PyObject *method = PyDescr_NewMethod(&PyType_Type, definition);
        if (method == NULL || PyObject_SetAttrString((PyObject *)metaclass, definition->ml_name, method) < 0) {
            Py_CLEAR(metaclass);
        }
        Py_XDECREF(method);
    }
    if (metaclass != NULL) {
        /* 3.11 does not pass it on to classes. It is what makes a call of a class with tp_vectorcall quick. */
        metaclass->tp_flags |= Py_TPFLAGS_HAVE_VECTORCALL;
    }
    return metaclass;
}

int
guise_make_mutual(PyObject *module, PyTypeObject *type)
{
    module_state *state = module_get_state(module);
    if (state->lock_metaclass == NULL) {
        state->lock_metaclass = make_metaclass();
    }
    if (state->lock_metaclass == NULL) {
        return -1;
    }
    /* Nobody has seen the type yet. PyType_FromMetaclass, which would make it so, came with 3.12. */
    Py_SET_TYPE(type, (PyTypeObject *)Py_NewRef(state->lock_metaclass));
    return 0;
}
