/* threading.Event: a flag, and the queue of those who wait for it.
 *
 *     word:  1           0
 *            CONTENDED   SET
 *
 * set grants every waiter at once; clear does not take that back. CONTENDED says that somebody is, or may be, in the
 * queue: without it, set is one store. */
#include "event.h"

#include "kind.h"
#include "private_condition.h"
#include "timeout.h"
#include "wait.h"

#define EVENT_SET 1
#define EVENT_CONTENDED 2

typedef struct {
    OBJECT_HEAD
    word word;
    waitqueue queue;
} event_object;

static int
event_traverse(PyObject *self, visitproc visit, void *arg)
{
    return object_visit(self, visit, arg);
}

static int
event_clear_references(PyObject *self)
{
    object_clear(self);
    return 0;
}

static void
event_dealloc(PyObject *self)
{
    object_begin_dealloc(self);
    object_free(self);
}

static inline bool
is_set(event_object *self)
{
    return word_load(&self->word) & EVENT_SET;
}

static void
set_slow(event_object *self)
{
    waitqueue_lock(&self->queue);
    word_store(&self->word, EVENT_SET);
    waiter *waiters = waitqueue_take_all(&self->queue);
    waitqueue_unlock(&self->queue);
    waiters_grant(waiters, 0);
}

static inline void
set(event_object *self)
{
    for (;;) {
        int64_t seen = word_load(&self->word);
        if (seen & EVENT_CONTENDED) {
            set_slow(self);
            return;
        }
        if (word_replace(&self->word, seen, EVENT_SET)) {
            return;
        }
    }
}

static inline void
clear(event_object *self)
{
    for (;;) {
        int64_t seen = word_load(&self->word);
        if (word_replace(&self->word, seen, seen & ~(int64_t)EVENT_SET)) {
            return;
        }
    }
}

bool
event_object_is_set(PyObject *event)
{
    return is_set((event_object *)event);
}

void
event_object_set(PyObject *event)
{
    set((event_object *)event);
}

static int
event_init(PyObject *self, PyObject *args, PyObject *keywords)
{
    static const char *const names[] = {NULL};
    if (unpack_tuple_and_dict("Event", names, args, keywords, NULL) < 0) {
        return -1;
    }
    clear((event_object *)self);
    return 0;
}

static PyObject *
event_vectorcall(PyObject *callable, PyObject *const *args, size_t flags, PyObject *keywords)
{
    PyTypeObject *type = (PyTypeObject *)callable;
    if (type->tp_new != PyType_GenericNew || type->tp_init != event_init || PyVectorcall_NARGS(flags) != 0 ||
        keywords != NULL) {
        return construct_slow(callable, args, flags, keywords);
    }
    return type->tp_alloc(type, 0);
}

/* Joins the queue unless the flag is set. Returns whether it is. */
static bool
is_set_or_join(event_object *self, waiter *w)
{
    waitqueue_lock(&self->queue);
    bool found_set;
    for (;;) {
        int64_t seen = word_load(&self->word);
        found_set = seen & EVENT_SET;
        if (found_set || word_replace(&self->word, seen, seen | EVENT_CONTENDED)) {
            break;
        }
    }
    if (!found_set) {
        waitqueue_add(&self->queue, w);
    }
    waitqueue_unlock(&self->queue);
    return found_set;
}

/* Returns 1 when the flag was set, 0 when the deadline passed, -1 with an exception set. */
static int
wait_slow(event_object *self, int64_t deadline)
{
    if (deadline == 0) {
        return is_set(self);
    }
    waiter *w = wait_begin(WAIT_WAIT, (PyObject *)self);
    if (w == NULL) {
        return -1;
    }
    int granted = 1;
    if (!is_set_or_join(self, w)) {
        granted = wait_granted(w, deadline);
        if (granted != 1 && !wait_leave(w, &self->queue) && granted == 0) {
            granted = 1;
        }
    }
    wait_end(w);
    return granted;
}

PyDoc_STRVAR(is_set_doc,
             "is_set($self, /)\n--\n\n"
             "Return whether the flag is set; as threading.Event.is_set.");

static PyObject *
event_is_set(event_object *self, PyObject *Py_UNUSED(ignored))
{
    return PyBool_FromLong(is_set(self));
}

PyDoc_STRVAR(is_set_alias_doc,
             "isSet($self, /)\n--\n\n"
             "Deprecated: use is_set().");

static PyObject *
event_is_set_alias(PyObject *self, PyObject *Py_UNUSED(ignored))
{
    if (warn_deprecated("isSet() is deprecated, use is_set() instead") < 0) {
        return NULL;
    }
    return PyObject_CallMethod(self, "is_set", NULL);
}

PyDoc_STRVAR(set_doc,
             "set($self, /)\n--\n\n"
             "Set the flag and wake all threads that wait for it; as threading.Event.set.");

static PyObject *
event_set(event_object *self, PyObject *Py_UNUSED(ignored))
{
    set(self);
    wait_hand_over();
    return private_condition_notify((PyObject *)self, &self->queue) < 0 ? NULL : Py_NewRef(Py_None);
}

PyDoc_STRVAR(clear_doc,
             "clear($self, /)\n--\n\n"
             "Clear the flag; as threading.Event.clear.\n\n"
             "Threads that call wait() from now on wait until it is set again.");

static PyObject *
event_clear(event_object *self, PyObject *Py_UNUSED(ignored))
{
    clear(self);
    Py_RETURN_NONE;
}

PyDoc_STRVAR(
    wait_doc,
    "wait($self, /, timeout=None)\n--\n\n"
    "Wait until the flag is set; as threading.Event.wait.\n\n"
    "timeout is the longest wait in seconds; None means no limit. Return True once the flag is set, False if the\n"
    "time ran out first. A signal handler runs while waiting; if it raises, that exception is raised here.");

static PyObject *
event_wait(event_object *self, PyObject *const *args, Py_ssize_t count, PyObject *keywords)
{
    PyObject *timeout = NULL;
    if (count == 1 && keywords == NULL) {
        timeout = args[0];
    }
    else if (count != 0 || keywords != NULL) {
        static const char *const names[] = {"timeout", NULL};
        if (unpack_arguments("Event.wait", names, args, count, keywords, &timeout) < 0) {
            return NULL;
        }
    }
    if (is_set(self)) {
        Py_RETURN_TRUE;
    }
    int64_t wait = timeout == NULL ? PARK_FOREVER : wait_from_timeout(timeout);
    int result = wait < 0 ? -1 : wait_slow(self, deadline_after(wait));
    return result < 0 ? NULL : PyBool_FromLong(result);
}

PyDoc_STRVAR(at_fork_reinit_doc,
             "_at_fork_reinit($self, /)\n--\n\n"
             "Forget the threads that waited, as in a child after a fork. The flag stays.");

static PyObject *
event_at_fork_reinit(event_object *self, PyObject *Py_UNUSED(ignored))
{
    /* Locking the queue drops the waiters that have no thread any more. */
    waitqueue_lock(&self->queue);
    waitqueue_unlock(&self->queue);
    return private_condition_at_fork_reinit((PyObject *)self, &self->queue) < 0 ? NULL : Py_NewRef(Py_None);
}

static PyObject *
event_get_flag(event_object *self, void *Py_UNUSED(closure))
{
    return PyBool_FromLong(is_set(self));
}

static int
event_set_flag(event_object *self, PyObject *value, void *Py_UNUSED(closure))
{
    int flag = value == NULL ? 0 : PyObject_IsTrue(value);
    if (flag < 0) {
        return -1;
    }
    if (flag) {
        set(self);
    }
    else {
        clear(self);
    }
    return 0;
}

static PyObject *
event_repr(event_object *self)
{
    return object_repr((PyObject *)self, PyUnicode_FromString(is_set(self) ? "set" : "unset"));
}

/* 3.12 has no shortcut to the methods of an object of ours, nor to the call of a bound one: is_set has to do with one of
 * the two, or would be slower than the standard library's. */
#define IS_SET_METHOD {"is_set", OBJECT_METHOD(event_is_set), METH_NOARGS, is_set_doc}
#if PY_VERSION_HEX >= 0x030C0000 && PY_VERSION_HEX < 0x030D0000
#define IS_SET_IS_BOUND 0
#else
#define IS_SET_IS_BOUND 1
#endif

static PyMethodDef event_methods[] = {
#if !IS_SET_IS_BOUND
    IS_SET_METHOD,
#endif
    {NULL},
};

/* Those that are bound methods in the standard library. */
static PyMethodDef event_bound_methods[] = {
#if IS_SET_IS_BOUND
    IS_SET_METHOD,
#endif
    {"isSet", OBJECT_METHOD(event_is_set_alias), METH_NOARGS, is_set_alias_doc},
    {"set", OBJECT_METHOD(event_set), METH_NOARGS, set_doc},
    {"clear", OBJECT_METHOD(event_clear), METH_NOARGS, clear_doc},
    {"wait", OBJECT_METHOD(event_wait), METH_FASTCALL | METH_KEYWORDS, wait_doc},
    {"_at_fork_reinit", OBJECT_METHOD(event_at_fork_reinit), METH_NOARGS, at_fork_reinit_doc},
    {NULL},
};

static PyGetSetDef event_getset[] = {
    {"_flag", (getter)event_get_flag, (setter)event_set_flag, "The flag. Setting it is set() or clear()."},
    {"_cond", private_condition_get, NULL, "A condition that set() notifies, made when first read.",
     PRIVATE_CONDITION(event_object, queue)},
    {NULL},
};

PyDoc_STRVAR(event_doc,
             "Event()\n--\n\n"
             "A flag that threads can wait for; as threading.Event. It is not set at first.");

static PyType_Slot event_slots[] = {
    {Py_tp_doc, (void *)event_doc},
    {Py_tp_new, PyType_GenericNew},
    {Py_tp_init, event_init},
    {Py_tp_traverse, event_traverse},
    {Py_tp_clear, event_clear_references},
    {Py_tp_dealloc, event_dealloc},
    {Py_tp_repr, event_repr},
    {Py_tp_methods, event_methods},
    {Py_tp_getset, event_getset},
    {0, NULL},
};

static PyType_Spec event_spec = {
    .name = "cthreading.Event",
    .basicsize = sizeof(event_object),
    .flags = Py_TPFLAGS_DEFAULT | Py_TPFLAGS_BASETYPE | Py_TPFLAGS_HAVE_GC,
    .slots = event_slots,
};

int
event_exec(PyObject *module)
{
    PyTypeObject *type = kind_add_type(module, &event_spec, NULL, event_bound_methods);
    if (type == NULL) {
        return -1;
    }
    type->tp_vectorcall = event_vectorcall;
    module_get_state(module)->event_type = type;
    return 0;
}
