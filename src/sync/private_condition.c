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
        atomic_store_explicit(&queue->observed, true, memory_order_relaxed);
        /* Another thread may have made one meanwhile: that one counts. */
        if (made != NULL && PyDict_SetDefaultRef(dict, key, made, &condition) < 0) {
            condition = NULL;
        }
        Py_XDECREF(made);
    }
    Py_XDECREF(key);
    Py_XDECREF(dict);
    return condition;
}

/* Returns the object's `_cond` as a new reference; NULL without an exception: it has been taken out of the dict. */
static PyObject *
find(PyObject *self)
{
    PyObject *dict = PyObject_GenericGetDict(self, NULL);
    PyObject *key = dict == NULL ? NULL : PyUnicode_InternFromString("_cond");
    PyObject *condition = NULL;
    if (key != NULL && PyDict_GetItemRef(dict, key, &condition) < 0) {
        condition = NULL;
    }
    Py_XDECREF(key);
    Py_XDECREF(dict);
    return condition;
}

int
private_condition_notify_slow(PyObject *self)
{
    PyObject *condition = find(self);
    if (condition == NULL) {
        return PyErr_Occurred() ? -1 : 0;
    }
    int result = condition_notify_private(condition);
    Py_DECREF(condition);
    return result;
}

int
private_condition_at_fork_reinit_slow(PyObject *self)
{
    PyObject *condition = find(self);
    if (condition == NULL) {
        return PyErr_Occurred() ? -1 : 0;
    }
    PyObject *result = PyObject_CallMethod(condition, "_at_fork_reinit", NULL);
    Py_DECREF(condition);
    Py_XDECREF(result);
    return result == NULL ? -1 : 0;
}
