/* See join.h.
 *
 * How the end is waited for is the standard library's and the interpreter's own. Here it is only noted that it is, and for
 * how long; and where waits are watched, it is waited for in pieces, as nobody looks in the midst of it. */
#include "join.h"

#include "../sync/method.h"
#include "../sync/timeout.h"
#include "../sync/wait.h"
#include "stdlib.h"

/* When the wait ends, as far as this can be told without asking the timeout: what is odd counts as a limit. */
static int64_t
deadline_of(PyObject *timeout)
{
    if (timeout == NULL || timeout == Py_None) {
        return PARK_FOREVER;
    }
    int64_t wait = wait_from_usual(timeout);
    return deadline_after(wait < 0 ? 0 : wait);
}

/* Waits until the next look. Returns 1 if the thread still lives then, 0 if not, -1 with an exception set. */
static int
join_until(module_state *state, PyObject *thread, int64_t look_at)
{
    int64_t left = look_at - park_now();
    PyObject *timeout = PyFloat_FromDouble(left > 0 ? (double)left / PARK_SECOND : 0);
    PyObject *args[] = {thread, timeout};
    PyObject *done = timeout == NULL ? NULL : stdlib_call(state, state->str_join, args, 2, NULL);
    Py_XDECREF(timeout);
    if (done == NULL) {
        return -1;
    }
    Py_DECREF(done);
    PyObject *alive = PyObject_CallMethod(thread, "is_alive", NULL);
    int lives = alive == NULL ? -1 : PyObject_IsTrue(alive);
    Py_XDECREF(alive);
    return lives;
}

/* Joins, and looks as often as somebody who watches wants. */
static PyObject *
join_told(module_state *state, waiter *w, PyObject *const *args, Py_ssize_t count, PyObject *keywords)
{
    int64_t deadline = atomic_load_explicit(&w->deadline, memory_order_relaxed);
    int64_t look_at;
    while ((look_at = wait_next_look(w, deadline)) != PARK_FOREVER) {
        int lives = join_until(state, args[0], look_at);
        if (lives <= 0) {
            return lives < 0 ? NULL : Py_NewRef(Py_None);
        }
        if (wait_is_look_due(w, park_now()) && wait_run_handlers(w) < 0) {
            return NULL;
        }
    }
    return stdlib_call(state, state->str_join, args, count, keywords);
}

#if PY_VERSION_HEX >= 0x030D0000 && PY_VERSION_HEX < 0x030E0000
/* There the standard library's waits for ever then. */
static int
refuse_at_end(PyObject *thread)
{
    if (!Py_IsFinalizing()) {
        return 0;
    }
    PyObject *alive = PyObject_CallMethod(thread, "is_alive", NULL);
    if (alive == Py_True) {
        PyErr_SetString(PyExc_PythonFinalizationError, "cannot join thread at interpreter shutdown");
    }
    bool refused = alive == NULL || alive == Py_True;
    Py_XDECREF(alive);
    return refused ? -1 : 0;
}
#else
#define refuse_at_end(thread) 0
#endif

PyDoc_STRVAR(
    thread_join_doc,
    "join($self, /, timeout=None)\n--\n\n"
    "Wait until the thread has ended; as threading.Thread.join.\n\n"
    "timeout is the longest wait in seconds; None means no limit. Raise RuntimeError if the thread has not been started\n"
    "or is the calling one, or never runs again as the interpreter is at its end.");

static PyObject *
thread_join(PyObject *module, PyObject *const *args, Py_ssize_t count, PyObject *keywords)
{
    module_state *state = module_get_state(module);
    if (count > 0 && refuse_at_end(args[0]) < 0) {
        return NULL;
    }
    bool named = keywords != NULL && PyTuple_GET_SIZE(keywords) == 1;
    bool usual = count > 0 && (keywords == NULL ? count <= 2 : named && count == 1);
    PyObject *timeout = count == 2 || named ? args[1] : NULL;
    waiter *w = usual ? wait_begin_telling(WAIT_JOIN, args[0], deadline_of(timeout)) : NULL;
    if (w == NULL) {
        return stdlib_call(state, state->str_join, args, count, keywords);
    }
    PyObject *result = join_told(state, w, args, count, keywords);
    wait_end(w);
    return result;
}

static PyMethodDef join_methods[] = {
    {"join", (PyCFunction)(void (*)(void))thread_join, METH_FASTCALL | METH_KEYWORDS, thread_join_doc},
    {NULL},
};

int
join_add_methods(PyObject *module, PyTypeObject *type)
{
    return methods_add_functions(module, type, join_methods);
}
