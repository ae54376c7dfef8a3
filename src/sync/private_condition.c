/* See private_condition.h. */
#include "private_condition.h"

#include "wait.h"

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

/* Calls the method of the condition. Returns 0, or -1 with an exception set. */
static int
call_method(PyObject *condition, const char *name)
{
    PyObject *result = PyObject_CallMethod(condition, name, NULL);
    Py_XDECREF(result);
    return result == NULL ? -1 : 0;
}

int
private_condition_notify_slow(PyObject *dict)
{
    PyObject *condition = find(dict);
    if (condition == NULL) {
        return PyErr_Occurred() ? -1 : 0;
    }
    int result = call_method(condition, "acquire");
    if (result == 0) {
        result = call_method(condition, "notify_all");
        PyObject *exception = result < 0 ? PyErr_GetRaisedException() : NULL;
        if (call_method(condition, "release") < 0) {
            result = -1;
            exception = exception_chain(PyErr_GetRaisedException(), exception);
        }
        if (exception != NULL) {
            PyErr_SetRaisedException(exception);
        }
    }
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
    int result = call_method(condition, "_at_fork_reinit");
    Py_DECREF(condition);
    return result;
}
