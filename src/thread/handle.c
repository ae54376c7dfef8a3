/* See handle.h.
 *
 * In 3.13 the attribute is `_handle`, a name that classes use for what is theirs. There the handle shares it with theirs:
 * see cthreading/_handle.py. */
#include "handle.h"

#ifdef HANDLE_ATTRIBUTE

#include "stdlib.h"

#if PY_VERSION_HEX < 0x030E0000

/* Steals the handle. */
static PyObject *
share_name(module_state *state, PyObject *thread, PyObject *handle)
{
    PyObject *own;
    int found = handle == NULL ? 0 : PyObject_GetOptionalAttr((PyObject *)Py_TYPE(thread), state->str__handle, &own);
    if (found > 0) {
        Py_DECREF(own);
        PyObject *type = module_import_from("cthreading._handle", "Handle");
        PyObject *shared = type == NULL ? NULL : PyObject_CallFunctionObjArgs(type, handle, thread, NULL);
        Py_XDECREF(type);
        Py_SETREF(handle, shared);
    }
    if (found < 0) {
        Py_CLEAR(handle);
    }
    return handle;
}

/* Steals what the attribute is, which may be NULL. */
static PyObject *
own_handle(module_state *state, PyObject *attribute)
{
    PyObject *handle;
    if (attribute != NULL && PyObject_GetOptionalAttr(attribute, state->str__os_thread_handle, &handle) != 0) {
        Py_SETREF(attribute, handle);
    }
    return attribute;
}

#else
#define share_name(state, thread, handle) (handle)
#define own_handle(state, attribute) (attribute)
#endif

PyObject *
handle_new(module_state *state, PyObject *thread)
{
    (void)thread; /* from 3.14 on */
    PyObject *type = stdlib_known(state, _ThreadHandle);
    PyObject *handle = type == NULL ? NULL : PyObject_CallNoArgs(type);
    Py_XDECREF(type);
    return share_name(state, thread, handle);
}

PyObject *
handle_get(module_state *state, PyObject *thread)
{
    return own_handle(state, PyObject_GetAttr(thread, state->HANDLE_ATTRIBUTE));
}

#endif
