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

int
private_condition_notify_slow(PyObject *dict)
{
    PyObject *key = PyUnicode_InternFromString("_cond");
    PyObject *condition = key == NULL ? NULL : Py_XNewRef(PyDict_GetItemWithError(dict, key));
    Py_XDECREF(key);
    if (condition == NULL) {
        return PyErr_Occurred() ? -1 : 0;
    }
    PyObject *entered = PyObject_CallMethod(condition, "acquire", NULL);
    PyObject *notified = entered == NULL ? NULL : PyObject_CallMethod(condition, "notify_all", NULL);
    PyObject *left = entered == NULL ? NULL : PyObject_CallMethod(condition, "release", NULL);
    int result = notified == NULL || left == NULL ? -1 : 0;
    Py_XDECREF(entered);
    Py_XDECREF(notified);
    Py_XDECREF(left);
    Py_DECREF(condition);
    return result;
}
