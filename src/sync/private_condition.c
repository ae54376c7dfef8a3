/* See private_condition.h. */
#include "private_condition.h"

PyObject *
private_condition_get(PyObject *self, void *closure)
{
    PyObject *dict = PyObject_GenericGetDict(self, NULL);
    PyObject *key = dict == NULL ? NULL : PyUnicode_InternFromString("_cond");
    PyObject *condition = NULL;
    if (key != NULL) {
        waitqueue *queue = (waitqueue *)((char *)self + (size_t)closure);
        PyObject *made = condition_make_private(module_state_of(Py_TYPE(self)), self, queue);
        /* Another thread may have made one meanwhile: that one counts. */
        condition = made == NULL ? NULL : Py_XNewRef(PyDict_SetDefault(dict, key, made));
        Py_XDECREF(made);
    }
    Py_XDECREF(key);
    Py_XDECREF(dict);
    return condition;
}

/* Returns the object's `_cond` as a new reference; NULL without an exception: it has not been made. */
static PyObject *
find(PyObject *dict)
{
    PyObject *key = PyUnicode_InternFromString("_cond");
    PyObject *condition = NULL;
    if (key != NULL && PyDict_GetItemRef(dict, key, &condition) < 0) {
        condition = NULL;
    }
    Py_XDECREF(key);
    return condition;
}

int
private_condition_notify_slow(object_head *self)
{
    PyObject *dict;
    Py_BEGIN_CRITICAL_SECTION(self);
    dict = Py_XNewRef(self->dict);
    Py_END_CRITICAL_SECTION();
    if (dict == NULL) {
        return 0;
    }
    PyObject *condition = find(dict);
    Py_DECREF(dict);
    if (condition == NULL) {
        return PyErr_Occurred() ? -1 : 0;
    }
    int result = condition_notify_private(condition);
    Py_DECREF(condition);
    return result;
}

int
private_condition_at_fork_reinit(PyObject *dict)
{
    PyObject *condition = dict == NULL ? NULL : find(dict);
    if (condition == NULL) {
        return PyErr_Occurred() ? -1 : 0;
    }
    PyObject *result = PyObject_CallMethod(condition, "_at_fork_reinit", NULL);
    Py_DECREF(condition);
    Py_XDECREF(result);
    return result == NULL ? -1 : 0;
}
