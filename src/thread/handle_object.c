/* The handle of a Thread as an object. See handle_object.h. */
#include "handle_object.h"

#include "../sync/timeout.h"

typedef struct {
    PyObject_HEAD
    thread_handle *handle;
} handle_object;

PyObject *
handle_object_new(module_state *state, thread_handle *handle)
{
    handle_object *self = (handle_object *)state->thread_handle_type->tp_alloc(state->thread_handle_type, 0);
    if (self != NULL) {
        self->handle = handle_take(handle);
    }
    return (PyObject *)self;
}

static void
handle_object_dealloc(PyObject *self)
{
    PyTypeObject *type = Py_TYPE(self);
    thread_handle *handle = ((handle_object *)self)->handle;
    if (handle != NULL) {
        handle_drop(handle);
    }
    type->tp_free(self);
    Py_DECREF(type);
}

static PyObject *
handle_object_repr(PyObject *self)
{
    return PyUnicode_FromFormat("<%s object: ident=%lu>", Py_TYPE(self)->tp_name,
                                ((handle_object *)self)->handle->ident);
}

static PyObject *
handle_object_is_done(PyObject *self, PyObject *Py_UNUSED(ignored))
{
    return PyBool_FromLong(handle_is_done(((handle_object *)self)->handle));
}

static PyObject *
handle_object_set_done(PyObject *self, PyObject *Py_UNUSED(ignored))
{
    handle_finish(((handle_object *)self)->handle);
    Py_RETURN_NONE;
}

static PyObject *
handle_object_join(PyObject *self, PyObject *const *args, Py_ssize_t count)
{
    int64_t wait = wait_from_total_timeout(count == 0 ? Py_None : args[0]);
    if (wait < 0 || handle_join(((handle_object *)self)->handle, deadline_after(wait)) < 0) {
        return NULL;
    }
    Py_RETURN_NONE;
}

static PyObject *
handle_object_acquire(PyObject *self, PyObject *const *args, Py_ssize_t count, PyObject *keywords)
{
    int64_t wait = wait_from_acquire_arguments(args, count, keywords);
    if (wait < 0) {
        return NULL;
    }
    int done = handle_join(((handle_object *)self)->handle, deadline_after(wait));
    return done < 0 ? NULL : PyBool_FromLong(done);
}

static PyObject *
handle_object_locked(PyObject *self, PyObject *Py_UNUSED(ignored))
{
    return PyBool_FromLong(!handle_is_done(((handle_object *)self)->handle));
}

static PyObject *
handle_object_get_ident(PyObject *self, void *Py_UNUSED(closure))
{
    return PyLong_FromUnsignedLong(((handle_object *)self)->handle->ident);
}

static PyMethodDef handle_object_methods[] = {
    {"is_done", handle_object_is_done, METH_NOARGS,
     PyDoc_STR("is_done($self, /)\n--\n\nReturn whether the thread has ended.")},
    {"_set_done", handle_object_set_done, METH_NOARGS,
     PyDoc_STR("_set_done($self, /)\n--\n\nMark the thread as ended.")},
    {"join", (PyCFunction)(void (*)(void))handle_object_join, METH_FASTCALL,
     PyDoc_STR("join($self, timeout=None, /)\n--\n\nWait until the thread has ended, at most timeout seconds.")},
    {"acquire", (PyCFunction)(void (*)(void))handle_object_acquire, METH_FASTCALL | METH_KEYWORDS,
     PyDoc_STR(
         "acquire($self, /, blocking=True, timeout=-1)\n--\n\nWait until the thread has ended; return whether it has.")},
    {"release", handle_object_set_done, METH_NOARGS, PyDoc_STR("release($self, /)\n--\n\nMark the thread as ended.")},
    {"locked", handle_object_locked, METH_NOARGS,
     PyDoc_STR("locked($self, /)\n--\n\nReturn whether the thread is alive.")},
    {NULL},
};

static PyGetSetDef handle_object_getset[] = {
    {"ident", handle_object_get_ident, NULL, PyDoc_STR("The thread's identifier."), NULL},
    {NULL},
};

PyDoc_STRVAR(handle_object_doc, "The life of one thread. As a lock, it is locked while the thread is alive.");

static PyType_Slot handle_object_slots[] = {
    {Py_tp_doc, (void *)handle_object_doc}, {Py_tp_dealloc, handle_object_dealloc}, {Py_tp_repr, handle_object_repr},
    {Py_tp_methods, handle_object_methods}, {Py_tp_getset, handle_object_getset},   {0, NULL},
};

static PyType_Spec handle_object_spec = {
    .name = "cthreading._ThreadHandle",
    .basicsize = sizeof(handle_object),
    .flags = Py_TPFLAGS_DEFAULT | Py_TPFLAGS_DISALLOW_INSTANTIATION,
    .slots = handle_object_slots,
};

int
handle_object_exec(PyObject *module)
{
    PyObject *type = PyType_FromModuleAndSpec(module, &handle_object_spec, NULL);
    module_get_state(module)->thread_handle_type = (PyTypeObject *)type;
    return type == NULL ? -1 : 0;
}
