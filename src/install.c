/* What stands where the standard library's threading was, while cthreading is installed.
 *
 * Modules that imported threading before hold its module object. Its class becomes the one here, which passes everything
 * that is asked of the object on to cthreading. The object's own dict stays as it was: the standard library's functions
 * and classes, of which some may still be used, find in it what they need. */
#include "module.h"

static PyObject *
pass_on_getattr(PyObject *self, PyObject *name)
{
    module_state *state = PyType_GetModuleState(Py_TYPE(self));
    PyObject *found;
    if (state == NULL || state->namespace == NULL) {
        PyErr_Clear();
        return PyObject_GenericGetAttr(self, name);
    }
    if (PyDict_GetItemRef(state->namespace, name, &found) != 0) {
        return found;
    }
    PyObject *package = PyImport_ImportModule("cthreading");
    found = package == NULL ? NULL : PyObject_GetAttr(package, name);
    Py_XDECREF(package);
    return found;
}

static int
pass_on_setattr(PyObject *Py_UNUSED(self), PyObject *name, PyObject *value)
{
    PyObject *package = PyImport_ImportModule("cthreading");
    int status = package == NULL ? -1 : PyObject_SetAttr(package, name, value);
    Py_XDECREF(package);
    return status;
}

/* dir() asks the type for this. */
static PyObject *
pass_on_dir(PyObject *Py_UNUSED(self), PyObject *Py_UNUSED(ignored))
{
    PyObject *package = PyImport_ImportModule("cthreading");
    PyObject *names = package == NULL ? NULL : PyObject_Dir(package);
    Py_XDECREF(package);
    return names;
}

static PyMethodDef pass_on_methods[] = {
    {"__dir__", pass_on_dir, METH_NOARGS, "__dir__($self, /)\n--\n\nThe names in cthreading."},
    {NULL},
};

PyDoc_STRVAR(pass_on_doc, "The class of the standard library's threading while cthreading is installed.");

static PyType_Slot pass_on_slots[] = {
    {Py_tp_doc, (void *)pass_on_doc},
    {Py_tp_getattro, pass_on_getattr},
    {Py_tp_setattro, pass_on_setattr},
    {Py_tp_methods, pass_on_methods},
    {0, NULL},
};

static PyType_Spec pass_on_spec = {
    .name = "cthreading._PassOn",
    .flags = Py_TPFLAGS_DEFAULT,
    .slots = pass_on_slots,
};

int
install_exec(PyObject *module)
{
    PyObject *type = PyType_FromModuleAndSpec(module, &pass_on_spec, (PyObject *)&PyModule_Type);
    int status = type == NULL ? -1 : PyModule_AddObjectRef(module, "_PassOn", type);
    Py_XDECREF(type);
    return status;
}
