/* See tstate_lock.h.
 *
 * It is a lock that the interpreter releases when a thread has ended, and only the thread itself can make it. Until it has,
 * one of our Locks holds its place; so a thread counts as alive, and can be joined, from start() on. That one is in
 * `_shutdown_locks`, too, where a thread that is no daemon must be from the beginning. Who has begun to wait for it waits
 * until the thread is at its end, and then for the real one. */
#include "tstate_lock.h"

#if PY_VERSION_HEX < 0x030D0000

#include "../park/waiter.h"
#include "../sync/method.h"
#include "../sync/timeout.h"
#include "stdlib.h"

/* How many locks there have to be in `_shutdown_locks`, at least, for a look at all of them. */
#define MAINTAIN_FROM 32

/* Takes those out that are locked no more, once there are twice as many as were left the last time. */
static int
maintain(module_state *state, PyObject *locks)
{
    if (PySet_GET_SIZE(locks) < MAINTAIN_FROM || PySet_GET_SIZE(locks) < 2 * state->shutdown_locks_left) {
        return 0;
    }
    PyObject *function = stdlib_name(state, state->str__maintain_shutdown_locks);
    PyObject *done = function == NULL ? NULL : PyObject_CallNoArgs(function);
    Py_XDECREF(function);
    Py_XDECREF(done);
    state->shutdown_locks_left = PySet_GET_SIZE(locks);
    return done == NULL ? -1 : 0;
}

/* Takes one lock out of `_shutdown_locks`, if it is there, or else those that are locked no more, and adds another one,
 * with the guard held. Either may be NULL. Where there is one to take out, without Python code. */
static int
change_shutdown_locks(module_state *state, PyObject *out, PyObject *in)
{
    PyObject *guard = stdlib_name(state, state->str__shutdown_locks_lock);
    int status = guard == NULL ? -1 : stdlib_call_lock(guard, state->str_acquire);
    if (status == 0) {
        PyObject *locks = stdlib_name(state, state->str__shutdown_locks);
        status = locks == NULL ? -1 : out == NULL ? maintain(state, locks) : PySet_Discard(locks, out);
        if (status >= 0 && in != NULL) {
            status = PySet_Add(locks, in);
        }
        Py_XDECREF(locks);
        PyObject *exception = PyErr_GetRaisedException();
        stdlib_call_lock(guard, state->str_release);
        PyErr_SetRaisedException(exception);
    }
    Py_XDECREF(guard);
    return status < 0 ? -1 : 0;
}

PyObject *
tstate_lock_hold_place(module_state *state, PyObject *thread, bool daemon)
{
    PyObject *place = PyObject_CallNoArgs((PyObject *)state->lock_type);
    if (place == NULL || stdlib_call_lock(place, state->str_acquire) < 0 ||
        (!daemon && change_shutdown_locks(state, NULL, place) < 0) ||
        PyObject_SetAttr(thread, state->str__tstate_lock, place) < 0) {
        PyObject *exception = PyErr_GetRaisedException();
        if (place != NULL) {
            stdlib_call_lock(place, state->str_release);
            PyErr_Clear();
            Py_CLEAR(place);
        }
        PyErr_SetRaisedException(exception);
    }
    return place;
}

void
tstate_lock_give_back(module_state *state, PyObject *thread, PyObject *place, bool stopped)
{
    PyObject *exception = PyErr_GetRaisedException();
    PyObject *lock = PyObject_GetAttr(thread, state->str__tstate_lock);
    if (lock == place) {
        PyObject_SetAttr(thread, state->str__is_stopped, stopped ? Py_True : Py_False);
        PyErr_Clear();
        PyObject_SetAttr(thread, state->str__tstate_lock, Py_None);
    }
    PyErr_Clear();
    Py_XDECREF(lock);
    stdlib_call_lock(place, state->str_release);
    PyErr_Clear();
    PyErr_SetRaisedException(exception);
}

int
tstate_lock_set(module_state *state, PyObject *thread, bool daemon)
{
    PyObject *place = PyObject_GetAttr(thread, state->str__tstate_lock);
    PyObject *make = place == NULL ? NULL : stdlib_name(state, state->str__set_sentinel);
    PyObject *lock = make == NULL ? NULL : PyObject_CallNoArgs(make);
    int status = lock == NULL || stdlib_call_lock(lock, state->str_acquire) < 0 ? -1 : 0;
    if (status == 0) {
        status = PyObject_SetAttr(thread, state->str__tstate_lock, lock);
    }
    if (status == 0 && !daemon) {
        status = change_shutdown_locks(state, place, lock);
    }
    Py_XDECREF(place);
    Py_XDECREF(make);
    Py_XDECREF(lock);
    return status;
}

int
tstate_lock_is_set(module_state *state, PyObject *thread)
{
    PyObject *lock = PyObject_GetAttr(thread, state->str__tstate_lock);
    int is_set = lock == NULL ? -1 : !Py_IsNone(lock) && !Py_IS_TYPE(lock, state->lock_type);
    Py_XDECREF(lock);
    return is_set;
}

PyDoc_STRVAR(set_tstate_lock_doc,
             "_set_tstate_lock($self, /)\n--\n\n"
             "Set the lock that is held until the calling thread, which is this one, has ended.");

static PyObject *
thread_set_tstate_lock(PyObject *module, PyObject *self)
{
    module_state *state = module_get_state(module);
    int status = tstate_lock_is_set(state, self);
    if (status == 0) {
        PyObject *daemon = PyObject_GetAttr(self, state->str_daemon);
        int is_daemon = daemon == NULL ? -1 : PyObject_IsTrue(daemon);
        Py_XDECREF(daemon);
        status = is_daemon < 0 ? -1 : tstate_lock_set(state, self, is_daemon);
    }
    return status < 0 ? NULL : Py_NewRef(Py_None);
}

/* Waiting for the end. */

/* As Thread._stop does, but for a look at all `_shutdown_locks`: this lock is the one that need not stay there. */
static int
note_end(module_state *state, PyObject *thread, PyObject *lock)
{
    int inherited = stdlib_is_inherited(state, thread, state->str__stop);
    if (inherited == 0) {
        PyObject *done = PyObject_CallMethodNoArgs(thread, state->str__stop);
        Py_XDECREF(done);
        return done == NULL ? -1 : 0;
    }
    if (inherited < 0 || PyObject_SetAttr(thread, state->str__is_stopped, Py_True) < 0 ||
        PyObject_SetAttr(thread, state->str__tstate_lock, Py_None) < 0) {
        return -1;
    }
    return change_shutdown_locks(state, lock, NULL);
}

/* Acquires and releases the lock. Returns whether that was possible in time. */
static int
pass_through(module_state *state, PyObject *lock, PyObject *block, int64_t deadline)
{
    PyObject *args[] = {lock, block, NULL};
    if (deadline != PARK_FOREVER) {
        int64_t left = deadline - park_now();
        args[2] = PyFloat_FromDouble(left > 0 ? (double)left / PARK_SECOND : 0);
        if (args[2] == NULL) {
            return -1;
        }
    }
    PyObject *answer = PyObject_VectorcallMethod(state->str_acquire, args, args[2] == NULL ? 2 : 3, NULL);
    Py_XDECREF(args[2]);
    int acquired = answer == NULL ? -1 : answer == Py_True;
    Py_XDECREF(answer);
    return acquired > 0 && stdlib_call_lock(lock, state->str_release) < 0 ? -1 : acquired;
}

/* Returns whether the thread has ended, as far as was waited. */
static int
wait_for_end(module_state *state, PyObject *thread, PyObject *block, int64_t deadline)
{
    for (;;) {
        PyObject *lock = PyObject_GetAttr(thread, state->str__tstate_lock);
        if (lock == NULL || Py_IsNone(lock)) {
            Py_XDECREF(lock);
            return lock == NULL ? -1 : 1;
        }
        if (Py_IsFinalizing() && Py_IsTrue(block)) {
            /* The thread never runs again. */
            Py_DECREF(lock);
            PyErr_SetString(PyExc_RuntimeError, "cannot join thread at interpreter shutdown");
            return -1;
        }
        bool real = !Py_IS_TYPE(lock, state->lock_type);
        /* That one is not worth telling: it is part of the join. */
        waiter *joining = waiter_innermost();
        if (joining != NULL) {
            joining->whole = !real && joining->operation == WAIT_JOIN && joining->object == thread;
        }
        int passed = pass_through(state, lock, block, deadline);
        if (passed > 0 && real && note_end(state, thread, lock) < 0) {
            passed = -1;
        }
        Py_DECREF(lock);
        if (passed <= 0 || real) {
            return passed;
        }
    }
}

/* As the running Python checks an acquire(block, timeout). */
static int
read_deadline(PyObject *block, PyObject *timeout, int64_t *deadline)
{
    *deadline = PARK_FOREVER;
    if (timeout == NULL || Py_IsFalse(block)) {
        return 0;
    }
    PyObject *args[] = {block, timeout};
    int64_t wait = wait_from_acquire_arguments(args, 2, NULL);
    *deadline = deadline_after(wait);
    return wait < 0 ? -1 : 0;
}

PyDoc_STRVAR(wait_for_tstate_lock_doc,
             "_wait_for_tstate_lock($self, /, block=True, timeout=-1)\n--\n\n"
             "Wait until the thread has ended, and note that it has.\n\n"
             "timeout is the longest wait in seconds; -1 means no limit. Without block, only look.");

static PyObject *
thread_wait_for_tstate_lock(PyObject *module, PyObject *const *args, Py_ssize_t count, PyObject *keywords)
{
    static const char *const names[] = {"self", "block", "timeout", NULL};
    module_state *state = module_get_state(module);
    PyObject *values[3];
    int64_t deadline;
    if (unpack_arguments("Thread._wait_for_tstate_lock", names, args, count, keywords, values) < 0) {
        return NULL;
    }
    if (values[0] == NULL) {
        return PyErr_Format(PyExc_TypeError, "_wait_for_tstate_lock() missing 1 required positional argument: 'self'");
    }
    PyObject *lock = PyObject_GetAttr(values[0], state->str__tstate_lock);
    Py_XDECREF(lock);
    if (lock == NULL || Py_IsNone(lock)) {
        return lock == NULL ? NULL : Py_NewRef(Py_None);
    }
    int block = values[1] == NULL ? 1 : PyObject_IsTrue(values[1]);
    values[1] = block ? Py_True : Py_False;
    if (block < 0 || read_deadline(values[1], values[2], &deadline) < 0 ||
        wait_for_end(state, values[0], values[1], deadline) < 0) {
        return NULL;
    }
    Py_RETURN_NONE;
}

static PyMethodDef tstate_lock_methods[] = {
    {"_set_tstate_lock", thread_set_tstate_lock, METH_O, set_tstate_lock_doc},
    {"_wait_for_tstate_lock", (PyCFunction)(void (*)(void))thread_wait_for_tstate_lock, METH_FASTCALL | METH_KEYWORDS,
     wait_for_tstate_lock_doc},
    {NULL},
};

int
tstate_lock_add_methods(PyObject *module, PyTypeObject *type)
{
    return methods_add_functions(module, type, tstate_lock_methods);
}

#endif
