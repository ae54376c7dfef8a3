/* threading.Lock: one permit, given back by any thread. See permits.h for how it waits. */
#include "lock.h"

#include "guise.h"
#include "object.h"
#include "timeout.h"

static int
refuse_arguments(PyTypeObject *type, Py_ssize_t count)
{
    if (count == 0) {
        return 0;
    }
    PyErr_Format(PyExc_TypeError, "%s() takes no arguments (%zd given)", type->tp_name, count);
    return -1;
}

static PyObject *
lock_make(PyTypeObject *type)
{
    lock_object *self = (lock_object *)type->tp_alloc(type, 0);
    if (self != NULL) {
        permits_init_lock(&self->permits);
    }
    return (PyObject *)self;
}

static PyObject *
lock_new(PyTypeObject *type, PyObject *args, PyObject *keywords)
{
    Py_ssize_t count = PyTuple_GET_SIZE(args) + (keywords == NULL ? 0 : PyDict_GET_SIZE(keywords));
    return refuse_arguments(type, count) < 0 ? NULL : lock_make(type);
}

PyObject *
lock_vectorcall(PyObject *type, PyObject *const *args, size_t flags, PyObject *keywords)
{
    (void)args;
    Py_ssize_t count = PyVectorcall_NARGS(flags) + (keywords == NULL ? 0 : PyTuple_GET_SIZE(keywords));
    return refuse_arguments((PyTypeObject *)type, count) < 0 ? NULL : lock_make((PyTypeObject *)type);
}

static void
lock_dealloc(lock_object *self)
{
    PyTypeObject *type = Py_TYPE(self);
    if (self->weakrefs != NULL) {
        PyObject_ClearWeakRefs((PyObject *)self);
    }
    type->tp_free(self);
    Py_DECREF(type);
}

static PyObject *
lock_repr(lock_object *self)
{
    return PyUnicode_FromFormat("<%s %s object at %p>", lock_is_locked(self) ? "locked" : "unlocked",
                                Py_TYPE(self)->tp_name, self);
}

PyDoc_STRVAR(
    acquire_doc,
    "acquire($self, /, blocking=True, timeout=-1)\n--\n\n"
    "Lock the lock, waiting for it to be unlocked if need be; as threading.Lock.acquire.\n\n"
    "With blocking false, do not wait. timeout is the longest wait in seconds; -1 means no limit. Return True\n"
    "once the lock is locked by this call, False if that was not possible in time. A signal handler runs while\n"
    "waiting; if it raises, the lock is not taken. Raise ValueError for a timeout together with blocking false\n"
    "or a negative one, OverflowError for one above TIMEOUT_MAX.");

/* The lock could not be taken at once. */
static Py_NO_INLINE PyObject *
acquire_slow(lock_object *self, int64_t wait)
{
    int taken = lock_take(self, wait);
    return taken < 0 ? NULL : PyBool_FromLong(taken);
}

static PyObject *
lock_acquire(lock_object *self, PyObject *const *args, Py_ssize_t count, PyObject *keywords)
{
    int64_t wait = PARK_FOREVER;
    if (count != 0 || keywords != NULL) {
        wait = wait_from_acquire_arguments(args, count, keywords);
        if (wait == 0) {
            return PyBool_FromLong(lock_take_now(self));
        }
        if (wait < 0) {
            return NULL;
        }
    }
    return lock_try(self) ? PyBool_FromLong(1) : acquire_slow(self, wait);
}

static PyObject *
lock_enter(lock_object *self, PyObject *Py_UNUSED(ignored))
{
    return lock_take(self, PARK_FOREVER) < 0 ? NULL : Py_NewRef(Py_True);
}

PyDoc_STRVAR(
    release_doc,
    "release($self, /)\n--\n\n"
    "Unlock the lock; as threading.Lock.release. Any thread may do so.\n\n"
    "One of the threads that wait for the lock, if any, gets to take it. Raise RuntimeError if it is not locked.");

void
lock_raise_unlocked(void)
{
    PyErr_SetString(PyExc_RuntimeError, "release unlocked lock");
}

static PyObject *
lock_release(lock_object *self, PyObject *Py_UNUSED(ignored))
{
    if (!lock_give(self)) {
        lock_raise_unlocked();
        return NULL;
    }
    wait_hand_over();
    Py_RETURN_NONE;
}

static PyObject *
lock_exit(lock_object *self, PyObject *const *Py_UNUSED(args), Py_ssize_t Py_UNUSED(count))
{
    return lock_release(self, NULL);
}

PyDoc_STRVAR(locked_doc,
             "locked($self, /)\n--\n\n"
             "Return whether the lock is locked; as threading.Lock.locked.");

static PyObject *
lock_locked(lock_object *self, PyObject *Py_UNUSED(ignored))
{
    return PyBool_FromLong(lock_is_locked(self));
}

PyDoc_STRVAR(at_fork_reinit_doc,
             "_at_fork_reinit($self, /)\n--\n\n"
             "Make the lock unlocked, as in a child after a fork.");

static PyObject *
lock_at_fork_reinit(lock_object *self, PyObject *Py_UNUSED(ignored))
{
    permits_set(&self->permits, 1);
    Py_RETURN_NONE;
}

PyDoc_STRVAR(enter_doc,
             "__enter__($self, /)\n--\n\n"
             "Lock the lock.");

PyDoc_STRVAR(exit_doc,
             "__exit__($self, exc_type, exc_value, exc_tb, /)\n--\n\n"
             "Unlock the lock.");

PyDoc_STRVAR(acquire_lock_doc,
             "acquire_lock($self, /, blocking=True, timeout=-1)\n--\n\n"
             "The old name of acquire. timeout is in seconds.");

PyDoc_STRVAR(release_lock_doc,
             "release_lock($self, /)\n--\n\n"
             "The old name of release.");

PyDoc_STRVAR(locked_lock_doc,
             "locked_lock($self, /)\n--\n\n"
             "The old name of locked.");

static PyMethodDef lock_methods[] = {
    {"acquire", OBJECT_METHOD(lock_acquire), METH_FASTCALL | METH_KEYWORDS, acquire_doc},
    {"acquire_lock", OBJECT_METHOD(lock_acquire), METH_FASTCALL | METH_KEYWORDS, acquire_lock_doc},
    {"release", OBJECT_METHOD(lock_release), METH_NOARGS, release_doc},
    {"release_lock", OBJECT_METHOD(lock_release), METH_NOARGS, release_lock_doc},
    {"locked", OBJECT_METHOD(lock_locked), METH_NOARGS, locked_doc},
    {"locked_lock", OBJECT_METHOD(lock_locked), METH_NOARGS, locked_lock_doc},
    {"__enter__", OBJECT_METHOD(lock_enter), METH_NOARGS, enter_doc},
    {"__exit__", OBJECT_METHOD(lock_exit), METH_FASTCALL, exit_doc},
    {"_at_fork_reinit", OBJECT_METHOD(lock_at_fork_reinit), METH_NOARGS, at_fork_reinit_doc},
    {NULL},
};

static PyMemberDef lock_members[] = {
    {"__weaklistoffset__", Py_T_PYSSIZET, offsetof(lock_object, weakrefs), Py_READONLY},
    {NULL},
};

static const guise lock_guise = {offsetof(module_state, lock_type), offsetof(module_state, stdlib_lock_type)};

static PyGetSetDef lock_getset[] = {
    GUISE_GETSET(lock_guise),
    {NULL},
};

PyDoc_STRVAR(lock_doc,
             "Lock()\n--\n\n"
             "A lock that any thread can release; as threading.Lock. It is not reentrant. It is a context manager.");

static PyType_Slot lock_slots[] = {
    {Py_tp_doc, (void *)lock_doc}, {Py_tp_new, lock_new},
    {Py_tp_dealloc, lock_dealloc}, {Py_tp_repr, lock_repr},
    {Py_tp_methods, lock_methods}, {Py_tp_members, lock_members},
    {Py_tp_getset, lock_getset},   {0, NULL},
};

static PyType_Spec lock_spec = {
    .name = "cthreading.Lock",
    .basicsize = sizeof(lock_object),
    .flags = Py_TPFLAGS_DEFAULT,
    .slots = lock_slots,
};

int
lock_exec(PyObject *module)
{
    module_state *state = module_get_state(module);
    state->lock_type = module_add_type(module, &lock_spec, NULL);
    if (state->lock_type == NULL) {
        return -1;
    }
    state->lock_type->tp_vectorcall = lock_vectorcall;
    return guise_make_mutual(module, state->lock_type);
}
