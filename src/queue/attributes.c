/* The attributes of a queue, which programs read, and sometimes set.
 *
 * Each has a usual value, kept so that the methods can work with it: its bit in `usual` is set then. Any other value is
 * kept in the object's dict, and from then on the standard library's own functions do the work: they find all attributes
 * where they expect them. See queue.h. */
#include "queue.h"

#include <math.h>

#include "../sync/condition.h"

/* More items than this there cannot be. */
#define LIMIT_MAX (INT64_MAX / 2)

static inline bool
is_usual(queue_object *self, int attribute)
{
    return atomic_load_explicit(&self->usual, memory_order_relaxed) & attribute;
}

static inline void
set_usual(queue_object *self, int attribute)
{
    atomic_fetch_or_explicit(&self->usual, (unsigned char)attribute, memory_order_relaxed);
}

static const char *
name_of(int attribute)
{
    static const char *const names[] = {"maxsize",          "mutex",      "not_empty", "not_full", "all_tasks_done",
                                        "unfinished_tasks", "is_shutdown"};
    int position = 0;
    while (attribute >> position != 1) {
        position++;
    }
    return names[position];
}

static void
raise_no_attribute(queue_object *self, const char *name)
{
    PyErr_Format(PyExc_AttributeError, "'%.100s' object has no attribute '%s'", Py_TYPE(self)->tp_name, name);
}

/* The object's dict, without what the getter below adds. A new reference. */
static inline PyObject *
own_dict(queue_object *self)
{
    return PyObject_GenericGetDict((PyObject *)self, NULL);
}

/* The value of an attribute that is not usual. A new reference. */
static PyObject *
get_unusual(queue_object *self, const char *attribute)
{
    PyObject *dict = own_dict(self);
    PyObject *name = dict == NULL ? NULL : PyUnicode_InternFromString(attribute);
    PyObject *value = NULL;
    if (name != NULL && PyDict_GetItemRef(dict, name, &value) == 0) {
        raise_no_attribute(self, attribute);
    }
    Py_XDECREF(name);
    Py_XDECREF(dict);
    return value;
}

/* Takes the value out of the dict, if it is in there. Returns whether it was, or -1 with an exception set. */
static int
forget(PyObject *dict, const char *attribute)
{
    PyObject *name = PyUnicode_InternFromString(attribute);
    int found = name == NULL ? -1 : PyDict_Contains(dict, name);
    if (found > 0 && PyDict_DelItem(dict, name) < 0) {
        found = -1;
    }
    Py_XDECREF(name);
    return found;
}

/* Keeps a value that is not usual; NULL deletes the attribute, which may have had a usual one. */
static int
set_unusual(queue_object *self, const char *attribute, PyObject *value, bool was_usual)
{
    PyObject *dict = own_dict(self);
    if (dict == NULL) {
        return -1;
    }
    int status;
    if (value != NULL) {
        status = PyDict_SetItemString(dict, attribute, value);
    }
    else {
        status = forget(dict, attribute);
        if (status == 0 && !was_usual) {
            raise_no_attribute(self, attribute);
            status = -1;
        }
    }
    Py_DECREF(dict);
    return status < 0 ? -1 : 0;
}

static int
replace_usual(queue_object *self, int attribute, PyObject *value)
{
    if (set_unusual(self, name_of(attribute), value, is_usual(self, attribute)) < 0) {
        return -1;
    }
    atomic_fetch_and_explicit(&self->usual, (unsigned char)~attribute, memory_order_relaxed);
    return 0;
}

/* maxsize */

/* Whether the methods can work with it, and what it means. */
static bool
limit_of(PyObject *maxsize, int64_t *limit)
{
    if (PyFloat_CheckExact(maxsize)) {
        double value = PyFloat_AS_DOUBLE(maxsize);
        *limit = !(value > 0) ? 0 : value >= (double)LIMIT_MAX ? LIMIT_MAX : (int64_t)ceil(value);
        return true;
    }
    if (!PyLong_CheckExact(maxsize)) {
        return false;
    }
    int overflow;
    long long value = PyLong_AsLongLongAndOverflow(maxsize, &overflow);
    *limit = overflow > 0 || value > LIMIT_MAX ? LIMIT_MAX : overflow < 0 || value < 0 ? 0 : value;
    return true;
}

int
queue_set_maxsize(queue_object *self, PyObject *maxsize)
{
    int64_t limit;
    if (maxsize == NULL || !limit_of(maxsize, &limit)) {
        return replace_usual(self, USUAL_MAXSIZE, maxsize);
    }
    PyObject *old;
    Py_BEGIN_CRITICAL_SECTION(self);
    old = self->maxsize;
    self->maxsize = Py_NewRef(maxsize);
    word_store(&self->limit, limit);
    Py_END_CRITICAL_SECTION();
    set_usual(self, USUAL_MAXSIZE);
    Py_XDECREF(old);
    return 0;
}

static PyObject *
get_maxsize(queue_object *self, void *Py_UNUSED(closure))
{
    PyObject *maxsize;
    Py_BEGIN_CRITICAL_SECTION(self);
    maxsize = is_usual(self, USUAL_MAXSIZE) ? Py_NewRef(self->maxsize) : NULL;
    Py_END_CRITICAL_SECTION();
    return maxsize != NULL ? maxsize : get_unusual(self, name_of(USUAL_MAXSIZE));
}

static int
set_maxsize(queue_object *self, PyObject *value, void *Py_UNUSED(closure))
{
    return queue_set_maxsize(self, value);
}

/* The container */

void
queue_set_container(queue_object *self, PyObject *container)
{
    PyObject *old;
    Py_BEGIN_CRITICAL_SECTION(self);
    old = self->container;
    self->container = Py_XNewRef(container);
    Py_END_CRITICAL_SECTION();
    Py_XDECREF(old);
}

static PyObject *
get_container(queue_object *self, void *Py_UNUSED(closure))
{
    PyObject *container = queue_container(self);
    return container != NULL ? container : get_unusual(self, "queue");
}

static int
set_container(queue_object *self, PyObject *value, void *Py_UNUSED(closure))
{
    if (value == NULL) {
        PyObject *container = queue_container(self);
        Py_XDECREF(container);
        if (set_unusual(self, "queue", NULL, container != NULL) < 0) {
            return -1;
        }
    }
    queue_set_container(self, value);
    return 0;
}

/* The lock and the conditions */

static PyObject *
own_lock(queue_object *self, int attribute)
{
    switch (attribute) {
    case USUAL_MUTEX:
        return (PyObject *)self->mutex;
    case USUAL_NOT_EMPTY:
        return self->not_empty;
    case USUAL_NOT_FULL:
        return self->not_full;
    default:
        return self->all_tasks_done;
    }
}

static PyObject *
get_lock(queue_object *self, void *closure)
{
    int attribute = (int)(intptr_t)closure;
    return is_usual(self, attribute) ? Py_NewRef(own_lock(self, attribute)) : get_unusual(self, name_of(attribute));
}

static int
set_lock(queue_object *self, PyObject *value, void *closure)
{
    int attribute = (int)(intptr_t)closure;
    if (value == NULL || value != own_lock(self, attribute)) {
        return replace_usual(self, attribute, value);
    }
    set_usual(self, attribute);
    return 0;
}

/* unfinished_tasks and is_shutdown */

static PyObject *
get_unfinished(queue_object *self, void *Py_UNUSED(closure))
{
    if (!is_usual(self, USUAL_UNFINISHED)) {
        return get_unusual(self, name_of(USUAL_UNFINISHED));
    }
    return PyLong_FromLongLong(word_load(&self->unfinished));
}

static int
set_unfinished(queue_object *self, PyObject *value, void *Py_UNUSED(closure))
{
    int overflow = 1;
    long long number = 0;
    if (value != NULL && PyLong_CheckExact(value)) {
        number = PyLong_AsLongLongAndOverflow(value, &overflow);
    }
    if (overflow != 0 || number > LIMIT_MAX || number < -LIMIT_MAX) {
        return replace_usual(self, USUAL_UNFINISHED, value);
    }
    word_store(&self->unfinished, number);
    set_usual(self, USUAL_UNFINISHED);
    return 0;
}

#if QUEUE_SHUTS_DOWN

static PyObject *
get_shut_down(queue_object *self, void *Py_UNUSED(closure))
{
    if (!is_usual(self, USUAL_SHUT_DOWN)) {
        return get_unusual(self, name_of(USUAL_SHUT_DOWN));
    }
    return PyBool_FromLong(atomic_load_explicit(&self->shut_down, memory_order_relaxed));
}

static int
set_shut_down(queue_object *self, PyObject *value, void *Py_UNUSED(closure))
{
    if (value == NULL || !PyBool_Check(value)) {
        return replace_usual(self, USUAL_SHUT_DOWN, value);
    }
    atomic_store_explicit(&self->shut_down, value == Py_True, memory_order_relaxed);
    set_usual(self, USUAL_SHUT_DOWN);
    return 0;
}

#endif

/* The dict: programs read it to copy a queue, or to keep some of it. */

/* Puts the usual values into the dict, as they are now. -1 with an exception set. */
static int
show_usual(queue_object *self, PyObject *dict)
{
    int status = 0;
    for (int attribute = 1; status == 0 && attribute < USUAL_ALL; attribute *= 2) {
        if (!is_usual(self, attribute) || (attribute == USUAL_SHUT_DOWN && !QUEUE_SHUTS_DOWN)) {
            continue;
        }
        PyObject *value = PyObject_GetAttrString((PyObject *)self, name_of(attribute));
        status = value == NULL ? -1 : PyDict_SetItemString(dict, name_of(attribute), value);
        Py_XDECREF(value);
    }
    PyObject *container = queue_container(self);
    if (status == 0 && container != NULL) {
        status = PyDict_SetItemString(dict, "queue", container);
    }
    Py_XDECREF(container);
    return status;
}

static PyObject *
get_dict(queue_object *self, void *Py_UNUSED(closure))
{
    PyObject *dict = own_dict(self);
    if (dict != NULL && show_usual(self, dict) < 0) {
        Py_CLEAR(dict);
    }
    return dict;
}

PyObject *
queue_get_state(queue_object *self, PyObject *Py_UNUSED(ignored))
{
    PyObject *dict = PyObject_GetAttrString((PyObject *)self, "__dict__");
    /* A class may have another one. */
    PyObject *state = dict == NULL ? NULL : PyDict_Check(dict) ? PyDict_Copy(dict) : get_dict(self, NULL);
    Py_XDECREF(dict);
    return state;
}

#define LOCK(name, attribute, doc) {name, (getter)get_lock, (setter)set_lock, doc, (void *)(intptr_t)(attribute)}

PyGetSetDef queue_getset[] = {
    {"__dict__", (getter)get_dict, PyObject_GenericSetDict, "The attributes, as they are at this moment."},
    {"maxsize", (getter)get_maxsize, (setter)set_maxsize, "How many items there may be; 0 or less: any number."},
    {"queue", (getter)get_container, (setter)set_container, "What the items are kept in."},
    LOCK("mutex", USUAL_MUTEX, "The lock that guards the queue."),
    LOCK("not_empty", USUAL_NOT_EMPTY, "The condition over the mutex that put() notifies."),
    LOCK("not_full", USUAL_NOT_FULL, "The condition over the mutex that get() notifies."),
    LOCK("all_tasks_done", USUAL_ALL_TASKS_DONE, "The condition over the mutex that the last task_done() notifies."),
    {"unfinished_tasks", (getter)get_unfinished, (setter)set_unfinished,
     "How many items have been put for which task_done() has not been called."},
#if QUEUE_SHUTS_DOWN
    {"is_shutdown", (getter)get_shut_down, (setter)set_shut_down, "Whether shutdown() has been called."},
#endif
    {NULL},
};

int
queue_make_attributes(queue_object *self)
{
    module_state *state = self->state;
    if (state->lock_type == NULL) {
        module_is_cleared();
        return -1;
    }
    PyObject *mutex = PyObject_CallNoArgs((PyObject *)state->lock_type);
    if (mutex == NULL) {
        return -1;
    }
    PyObject *conditions[3] = {NULL};
    for (int i = 0; i < 3; i++) {
        conditions[i] = condition_make(state, mutex);
        if (conditions[i] == NULL) {
            Py_DECREF(mutex);
            Py_XDECREF(conditions[0]);
            Py_XDECREF(conditions[1]);
            return -1;
        }
    }
    Py_XSETREF(self->mutex, (lock_object *)mutex);
    Py_XSETREF(self->not_empty, conditions[0]);
    Py_XSETREF(self->not_full, conditions[1]);
    Py_XSETREF(self->all_tasks_done, conditions[2]);
    self->getters = condition_waiters(self->not_empty);
    self->putters = condition_waiters(self->not_full);
    self->joiners = condition_waiters(self->all_tasks_done);
    word_store(&self->unfinished, 0);
    atomic_store_explicit(&self->shut_down, false, memory_order_relaxed);
    set_usual(self, USUAL_ALL & ~USUAL_MAXSIZE);
    return 0;
}

int
queue_traverse(PyObject *object, visitproc visit, void *arg)
{
    queue_object *self = (queue_object *)object;
    Py_VISIT(self->container);
    Py_VISIT(self->maxsize);
    Py_VISIT(self->mutex);
    Py_VISIT(self->not_empty);
    Py_VISIT(self->not_full);
    Py_VISIT(self->all_tasks_done);
    return object_visit(object, visit, arg);
}

int
queue_clear(PyObject *object)
{
    queue_object *self = (queue_object *)object;
    atomic_store_explicit(&self->usual, 0, memory_order_relaxed);
    object_clear(object);
    Py_CLEAR(self->container);
    Py_CLEAR(self->maxsize);
    Py_CLEAR(self->mutex);
    Py_CLEAR(self->not_empty);
    Py_CLEAR(self->not_full);
    Py_CLEAR(self->all_tasks_done);
    return 0;
}

void
queue_dealloc(PyObject *self)
{
    PyObject_GC_UnTrack(self);
    Py_TRASHCAN_BEGIN(self, queue_dealloc) object_begin_dealloc(self);
    queue_clear(self);
    object_free(self);
    Py_TRASHCAN_END
}

PyObject *
queue_by_standard(queue_object *self, const char *name, PyObject *const *args, Py_ssize_t count, PyObject *keywords)
{
    PyObject *functions = module_state_of(Py_TYPE(self))->queue_standard;
    if (functions == NULL) {
        return module_is_cleared();
    }
    PyObject *function = PyDict_GetItemString(functions, name);
    if (function == NULL) {
        raise_no_attribute(self, name);
        return NULL;
    }
    Py_ssize_t all = count + (keywords == NULL ? 0 : PyTuple_GET_SIZE(keywords));
    PyObject **copy = PyMem_New(PyObject *, all + 1);
    if (copy == NULL) {
        return PyErr_NoMemory();
    }
    copy[0] = (PyObject *)self;
    for (Py_ssize_t i = 0; i < all; i++) {
        copy[i + 1] = args[i];
    }
    PyObject *result = PyObject_Vectorcall(function, copy, count + 1, keywords);
    PyMem_Free(copy);
    return result;
}
