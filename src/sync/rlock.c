/* threading.RLock: one permit, and who has it how often. See permits.h for how it waits. */
#include "rlock.h"

#include "guise.h"
#include "object.h"
#include "timeout.h"

PyObject *
rlock_make(PyTypeObject *type)
{
    rlock_object *self = (rlock_object *)type->tp_alloc(type, 0);
    if (self != NULL) {
        permits_init_lock(&self->permits);
    }
    return (PyObject *)self;
}

/* Up to 3.14 arguments are taken and ignored, from 3.13 on with a warning. */
static int
check_arguments(PyTypeObject *type, Py_ssize_t count)
{
    if (count == 0) {
        return 0;
    }
#if PY_VERSION_HEX >= 0x030F0000
    PyErr_Format(PyExc_TypeError, "%s() takes no arguments (%zd given)", type->tp_name, count);
    return -1;
#elif PY_VERSION_HEX >= 0x030D0000
    (void)type;
    return warn_deprecated("Passing arguments to RLock is deprecated and will be removed in 3.15");
#else
    (void)type;
    return 0;
#endif
}

static PyObject *
rlock_new(PyTypeObject *type, PyObject *args, PyObject *keywords)
{
    /* A subclass's arguments are for its __init__. */
    bool is_subclass = type->tp_init != PyBaseObject_Type.tp_init;
    Py_ssize_t count = PyTuple_GET_SIZE(args) + (keywords == NULL ? 0 : PyDict_GET_SIZE(keywords));
    return !is_subclass && check_arguments(type, count) < 0 ? NULL : rlock_make(type);
}

PyObject *
rlock_vectorcall(PyObject *callable, PyObject *const *args, size_t flags, PyObject *keywords)
{
    PyTypeObject *type = (PyTypeObject *)callable;
    if (type->tp_new != rlock_new || type->tp_init != PyBaseObject_Type.tp_init) {
        return construct_slow(callable, args, flags, keywords);
    }
    Py_ssize_t count = PyVectorcall_NARGS(flags) + (keywords == NULL ? 0 : PyTuple_GET_SIZE(keywords));
    return check_arguments(type, count) < 0 ? NULL : rlock_make(type);
}

static void
rlock_dealloc(rlock_object *self)
{
    PyTypeObject *type = Py_TYPE(self);
    if (self->weakrefs != NULL) {
        PyObject_ClearWeakRefs((PyObject *)self);
    }
    type->tp_free(self);
    Py_DECREF(type);
}

static PyObject *
rlock_repr(rlock_object *self)
{
    long long owner = word_load(&self->owner);
    return PyUnicode_FromFormat("<%s %s object owner=%lld count=%lld at %p>",
                                permits_is_locked(&self->permits) ? "locked" : "unlocked", Py_TYPE(self)->tp_name,
                                owner, (long long)word_load(&self->count), self);
}

PyDoc_STRVAR(acquire_doc,
             "acquire($self, /, blocking=True, timeout=-1)\n--\n\n"
             "Lock the lock, or lock it once more if this thread owns it; as threading.RLock.acquire.\n\n"
             "If another thread owns it, wait until it is unlocked; with blocking false, do not wait. timeout is the\n"
             "longest wait in seconds; -1 means no limit. Return True once the lock is owned, False if that was not\n"
             "possible in time. A signal handler runs while waiting; if it raises, the lock is not taken. Raise\n"
             "ValueError for a timeout together with blocking false or a negative one, OverflowError for one above\n"
             "TIMEOUT_MAX.");

static PyObject *
rlock_acquire(rlock_object *self, PyObject *const *args, Py_ssize_t count, PyObject *keywords)
{
    int64_t wait = PARK_FOREVER;
    if (count != 0 || keywords != NULL) {
        wait = wait_from_acquire_arguments(args, count, keywords);
        if (wait < 0) {
            return NULL;
        }
    }
    int taken = rlock_take(self, wait);
    return taken < 0 ? NULL : PyBool_FromLong(taken);
}

static PyObject *
rlock_enter(rlock_object *self, PyObject *Py_UNUSED(ignored))
{
    return rlock_take(self, PARK_FOREVER) < 0 ? NULL : Py_NewRef(Py_True);
}

void
rlock_raise_not_owned(void)
{
    PyErr_SetString(PyExc_RuntimeError, "cannot release un-acquired lock");
}

PyDoc_STRVAR(release_doc,
             "release($self, /)\n--\n\n"
             "Undo one acquire; as threading.RLock.release.\n\n"
             "Once all are undone the lock is unlocked, and one of the threads that wait for it, if any, gets to take\n"
             "it. Raise RuntimeError if this thread does not own the lock.");

static PyObject *
rlock_release(rlock_object *self, PyObject *Py_UNUSED(ignored))
{
    if (!rlock_give(self)) {
        rlock_raise_not_owned();
        return NULL;
    }
    wait_hand_over();
    Py_RETURN_NONE;
}

static PyObject *
rlock_exit(rlock_object *self, PyObject *const *Py_UNUSED(args), Py_ssize_t Py_UNUSED(count))
{
    return rlock_release(self, NULL);
}

PyDoc_STRVAR(locked_doc,
             "locked($self, /)\n--\n\n"
             "Return whether any thread owns the lock; as threading.RLock.locked.");

static PyObject *
rlock_locked(rlock_object *self, PyObject *Py_UNUSED(ignored))
{
    return PyBool_FromLong(permits_is_locked(&self->permits));
}

PyDoc_STRVAR(is_owned_doc,
             "_is_owned($self, /)\n--\n\n"
             "Return whether this thread owns the lock.");

static PyObject *
rlock_is_owned_method(rlock_object *self, PyObject *Py_UNUSED(ignored))
{
    return PyBool_FromLong(rlock_is_owned(self));
}

PyDoc_STRVAR(recursion_count_doc,
             "_recursion_count($self, /)\n--\n\n"
             "Return how often this thread has acquired the lock.");

static PyObject *
rlock_recursion_count(rlock_object *self, PyObject *Py_UNUSED(ignored))
{
    return PyLong_FromLongLong(rlock_is_owned(self) ? word_load(&self->count) : 0);
}

PyDoc_STRVAR(release_save_doc,
             "_release_save($self, /)\n--\n\n"
             "Unlock the lock however often it was acquired. Return what _acquire_restore needs.");

static PyObject *
rlock_release_save(rlock_object *self, PyObject *Py_UNUSED(ignored))
{
    if (!rlock_is_owned(self)) {
        rlock_raise_not_owned();
        return NULL;
    }
    PyObject *saved = Py_BuildValue("(LL)", (long long)word_load(&self->count), (long long)word_load(&self->owner));
    if (saved != NULL) {
        rlock_give_all(self);
    }
    return saved;
}

PyDoc_STRVAR(acquire_restore_doc,
             "_acquire_restore($self, state, /)\n--\n\n"
             "Lock the lock as often as it was before _release_save. Signal handlers run afterwards.");

static PyObject *
rlock_acquire_restore(rlock_object *self, PyObject *state)
{
    long long count, owner;
    if (!PyTuple_Check(state)) {
        PyErr_Format(PyExc_TypeError, "_acquire_restore() argument 1 must be 2-item tuple, not %.200s",
                     Py_TYPE(state)->tp_name);
        return NULL;
    }
    if (!PyArg_ParseTuple(state, "LL:_acquire_restore", &count, &owner)) {
        return NULL;
    }
    if (!permits_try_lock(&self->permits)) {
        waiter *w = wait_begin(WAIT_ACQUIRE, (PyObject *)self);
        if (w == NULL) {
            return NULL;
        }
        permits_take_always(&self->permits, w, 1, PERMITS_NO_HANDLERS);
        wait_end(w);
    }
    word_store(&self->count, count);
    word_store(&self->owner, owner);
    Py_RETURN_NONE;
}

PyDoc_STRVAR(at_fork_reinit_doc,
             "_at_fork_reinit($self, /)\n--\n\n"
             "Make the lock unlocked, as in a child after a fork.");

static PyObject *
rlock_at_fork_reinit(rlock_object *self, PyObject *Py_UNUSED(ignored))
{
    word_store(&self->owner, 0);
    word_store(&self->count, 0);
    permits_set(&self->permits, 1);
    Py_RETURN_NONE;
}

PyDoc_STRVAR(enter_doc,
             "__enter__($self, /)\n--\n\n"
             "Lock the lock.");

PyDoc_STRVAR(exit_doc,
             "__exit__($self, exc_type, exc_value, exc_tb, /)\n--\n\n"
             "Undo one acquire.");

static PyMethodDef rlock_methods[] = {
    {"acquire", OBJECT_METHOD(rlock_acquire), METH_FASTCALL | METH_KEYWORDS, acquire_doc},
    {"release", OBJECT_METHOD(rlock_release), METH_NOARGS, release_doc},
    {"locked", OBJECT_METHOD(rlock_locked), METH_NOARGS, locked_doc},
    {"__enter__", OBJECT_METHOD(rlock_enter), METH_NOARGS, enter_doc},
    {"__exit__", OBJECT_METHOD(rlock_exit), METH_FASTCALL, exit_doc},
    {"_is_owned", OBJECT_METHOD(rlock_is_owned_method), METH_NOARGS, is_owned_doc},
    {"_recursion_count", OBJECT_METHOD(rlock_recursion_count), METH_NOARGS, recursion_count_doc},
    {"_release_save", OBJECT_METHOD(rlock_release_save), METH_NOARGS, release_save_doc},
    {"_acquire_restore", OBJECT_METHOD(rlock_acquire_restore), METH_O, acquire_restore_doc},
    {"_at_fork_reinit", OBJECT_METHOD(rlock_at_fork_reinit), METH_NOARGS, at_fork_reinit_doc},
    {NULL},
};

static PyMemberDef rlock_members[] = {
    {"__weaklistoffset__", Py_T_PYSSIZET, offsetof(rlock_object, weakrefs), Py_READONLY},
    {NULL},
};

static const guise rlock_guise = {offsetof(module_state, rlock_type), offsetof(module_state, stdlib_rlock_type)};

static PyGetSetDef rlock_getset[] = {
    GUISE_GETSET(rlock_guise),
    {NULL},
};

PyDoc_STRVAR(
    rlock_doc,
    "RLock()\n--\n\n"
    "A lock that the thread that owns it can acquire again; as threading.RLock. It is unlocked once it has been\n"
    "released as often as acquired, by the same thread. It is a context manager.");

static PyType_Slot rlock_slots[] = {
    {Py_tp_doc, (void *)rlock_doc}, {Py_tp_new, rlock_new},
    {Py_tp_dealloc, rlock_dealloc}, {Py_tp_repr, rlock_repr},
    {Py_tp_methods, rlock_methods}, {Py_tp_members, rlock_members},
    {Py_tp_getset, rlock_getset},   {0, NULL},
};

static PyType_Spec rlock_spec = {
    .name = "cthreading.RLock",
    .basicsize = sizeof(rlock_object),
    .flags = Py_TPFLAGS_DEFAULT | Py_TPFLAGS_BASETYPE,
    .slots = rlock_slots,
};

/* Not every patch release of 3.11 has _recursion_count: what the running standard library lacks goes. */
static int
drop_what_standard_lacks(module_state *state)
{
    PyObject *theirs = PyObject_GetAttrString((PyObject *)state->stdlib_rlock_type, "_recursion_count");
    if (theirs != NULL) {
        Py_DECREF(theirs);
        return 0;
    }
    if (!PyErr_ExceptionMatches(PyExc_AttributeError)) {
        return -1;
    }
    PyErr_Clear();
    return PyObject_DelAttrString((PyObject *)state->rlock_type, "_recursion_count");
}

int
rlock_exec(PyObject *module)
{
    module_state *state = module_get_state(module);
    state->rlock_type = module_add_type(module, &rlock_spec, NULL);
    if (state->rlock_type == NULL || drop_what_standard_lacks(state) < 0) {
        return -1;
    }
    state->rlock_type->tp_vectorcall = rlock_vectorcall;
    return guise_make_mutual(module, state->rlock_type);
}
