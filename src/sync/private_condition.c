/* See private_condition.h. */
#include "private_condition.h"

#include "../module.h"

static PyObject *
make(PyObject *self)
{
    module_state *state = module_state_of(Py_TYPE(self));
    PyObject *lock = PyObject_CallNoArgs((PyObject *)state->lock_type);
    PyObject *condition = lock == NULL ? NULL : PyObject_CallOneArg((PyObject *)state->condition_type, lock);
    Py_XDECREF(lock);
    return condition;
}

PyObject *
private_condition_get(PyObject *self, void *Py_UNUSED(closure))
{
    PyObject *dict = PyObject_GenericGetDict(self, NULL);
    PyObject *key = dict == NULL ? NULL : PyUnicode_InternFromString("_cond");
    PyObject *condition = NULL;
    if (key != NULL) {
        PyObject *made = make(self);
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
