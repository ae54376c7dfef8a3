/* Which way a queue is worked on, and the way by hooks: _qsize, _put and _get, called as the standard library calls them.
 *
 * What a class overrides is looked up once, and again after the class has been changed; what an object overrides, each
 * time, if it has attributes of its own at all. See queue.h. */
#include "queue.h"

/* What an object of the type finds there. A new reference; NULL without an exception: nothing. Keys that are no plain strings
 * run Python code when they are compared, which may change the classes. */
static PyObject *
look_up(PyTypeObject *type, PyObject *name)
{
    PyObject *classes = Py_NewRef(type->tp_mro);
    PyObject *found = NULL;
    int status = 0;
    for (Py_ssize_t i = 0; status == 0 && i < PyTuple_GET_SIZE(classes); i++) {
        PyObject *dict = Py_XNewRef(((PyTypeObject *)PyTuple_GET_ITEM(classes, i))->tp_dict);
        status = dict == NULL ? 0 : PyDict_GetItemRef(dict, name, &found);
        Py_XDECREF(dict);
    }
    Py_DECREF(classes);
    return found;
}

/* Whether the object finds there what the type of the kind has of its own. -1 with an exception set. */
static int
is_own(queue_object *self, queue_kind kind, PyObject *name)
{
    PyObject *own = self->state->queue_own[kind];
    PyObject *found = look_up(Py_TYPE(self), name);
    PyObject *wanted = found == NULL || own == NULL ? NULL : PyDict_GetItemWithError(own, name);
    int is = wanted != NULL ? found == wanted : PyErr_Occurred() ? -1 : 0;
    Py_XDECREF(found);
    return is;
}

/* Whether the hooks are those of the kind. */
static int
is_of_kind(queue_object *self, queue_kind kind)
{
    PyObject *const names[] = {self->state->str_qsize, self->state->str_put_hook, self->state->str_get_hook};
    int own = 1;
    for (size_t i = 0; own > 0 && i < sizeof(names) / sizeof(names[0]); i++) {
        own = is_own(self, kind, names[i]);
    }
    return own;
}

/* The kind that the hooks are of, or else CLASS_HAS_HOOKS. -1 with an exception set. */
static int64_t
look_at_hooks(queue_object *self)
{
    for (int64_t kind = 0; kind < QUEUE_KINDS; kind++) {
        int own = is_of_kind(self, (queue_kind)kind);
        if (own != 0) {
            return own < 0 ? -1 : kind;
        }
    }
    return CLASS_HAS_HOOKS;
}

/* Whether reading or setting an attribute does something else than with a queue. -1 with an exception set. */
static int
has_unusual_attributes(queue_object *self)
{
    PyTypeObject *type = Py_TYPE(self);
    if (type->tp_getattro != PyObject_GenericGetAttr || type->tp_setattro != PyObject_GenericSetAttr) {
        return 1;
    }
    int own = 1;
    for (PyGetSetDef *attribute = queue_getset; own > 0 && attribute->name != NULL; attribute++) {
        PyObject *name = PyUnicode_InternFromString(attribute->name);
        own = name == NULL ? -1 : is_own(self, QUEUE_FIFO, name);
        Py_XDECREF(name);
    }
    return own < 0 ? -1 : !own;
}

int64_t
queue_look_at_class(queue_object *self)
{
    if (self->state == NULL) {
        return CLASS_IS_UNUSUAL;
    }
    uint32_t version = type_version(Py_TYPE(self));
    int64_t known = look_at_hooks(self);
    int init = known < 0 ? -1 : is_own(self, (queue_kind)(known & CLASS_KIND), self->state->str_init_hook);
    int put = init < 0 ? -1 : is_own(self, QUEUE_FIFO, self->state->str_put);
    int get = put < 0 ? -1 : is_own(self, QUEUE_FIFO, self->state->str_get);
    int unusual = get < 0 ? -1 : has_unusual_attributes(self);
    if (unusual < 0) {
        return -1;
    }
    known |= (init ? 0 : CLASS_HAS_INIT) | (put ? 0 : CLASS_HAS_PUT) | (get ? 0 : CLASS_HAS_GET);
    known |= unusual ? CLASS_IS_UNUSUAL : 0;
    known |= (int64_t)version << CLASS_VERSION_SHIFT;
    word_store(&self->class_known, known);
    return known;
}

int
queue_has_own(queue_object *self, PyObject *const *names)
{
    PyObject *dict = PyObject_GenericGetDict((PyObject *)self, NULL);
    int has = dict == NULL ? -1 : 0;
    for (size_t i = 0; has == 0 && names[i] != NULL; i++) {
        has = PyDict_Contains(dict, names[i]);
    }
    Py_XDECREF(dict);
    return has;
}

queue_manner
queue_manner_slow(queue_object *self, int64_t class)
{
    queue_manner manner = {BY_CONTAINER, (queue_kind)(class & CLASS_KIND)};
    if (class < 0) {
        manner.way = WAY_FAILED;
    }
    else if ((class & CLASS_IS_UNUSUAL) || atomic_load_explicit(&self->usual, memory_order_relaxed) != USUAL_ALL) {
        manner.way = BY_STANDARD;
    }
    else if (class & CLASS_HAS_HOOKS) {
        manner.way = BY_HOOKS;
    }
    else {
        module_state *state = self->state;
        PyObject *const names[] = {state->str_qsize, state->str_put_hook, state->str_get_hook, NULL};
        int has = queue_has_own(self, names);
        manner.way = has < 0 ? WAY_FAILED : has ? BY_HOOKS : BY_CONTAINER;
    }
    return manner;
}

static PyObject *
size_by_hook(queue_object *self)
{
    return PyObject_CallMethodNoArgs((PyObject *)self, self->state->str_qsize);
}

/* The container if it is to be worked on directly: a new reference; NULL without an exception. */
static inline PyObject *
usual_container(queue_object *self, queue_manner manner)
{
    PyObject *container = manner.way == BY_CONTAINER ? queue_container(self) : NULL;
    if (container != NULL && !container_is_usual(self->state, manner.kind, container)) {
        Py_CLEAR(container);
    }
    return container;
}

int
queue_is_empty(queue_object *self, queue_manner manner)
{
    PyObject *container = usual_container(self, manner);
    int empty;
    if (container != NULL) {
        empty = PyObject_Size(container) == 0;
        Py_DECREF(container);
        return empty;
    }
    PyObject *size = size_by_hook(self);
    empty = size == NULL ? -1 : PyObject_Not(size);
    Py_XDECREF(size);
    return empty;
}

PyObject *
queue_size(queue_object *self, queue_manner manner)
{
    PyObject *container = usual_container(self, manner);
    if (container == NULL) {
        return size_by_hook(self);
    }
    Py_ssize_t size = PyObject_Size(container);
    Py_DECREF(container);
    return PyLong_FromSsize_t(size);
}

int
queue_is_full(queue_object *self, queue_manner manner)
{
    PyObject *container = usual_container(self, manner);
    int full;
    if (container != NULL) {
        full = PyObject_Size(container) >= word_load(&self->limit);
        Py_DECREF(container);
        return full;
    }
    PyObject *maxsize = PyObject_GetAttrString((PyObject *)self, "maxsize");
    PyObject *size = maxsize == NULL ? NULL : size_by_hook(self);
    full = size == NULL ? -1 : PyObject_RichCompareBool(size, maxsize, Py_GE);
    Py_XDECREF(maxsize);
    Py_XDECREF(size);
    return full;
}

int
queue_put_item(queue_object *self, queue_manner manner, PyObject *item)
{
    PyObject *container = usual_container(self, manner);
    if (container != NULL) {
        int status = container_put(self->state, manner.kind, container, item);
        Py_DECREF(container);
        return status;
    }
    PyObject *result = PyObject_CallMethodOneArg((PyObject *)self, self->state->str_put_hook, item);
    Py_XDECREF(result);
    return result == NULL ? -1 : 0;
}

PyObject *
queue_get_item(queue_object *self, queue_manner manner)
{
    PyObject *container = usual_container(self, manner);
    if (container != NULL) {
        PyObject *item = container_get(self->state, manner.kind, container);
        Py_DECREF(container);
        return item;
    }
    return PyObject_CallMethodNoArgs((PyObject *)self, self->state->str_get_hook);
}

int
hooks_remember(module_state *state, queue_kind kind, PyTypeObject *type)
{
    state->queue_own[kind] = PyDict_Copy(type->tp_dict);
    return state->queue_own[kind] == NULL ? -1 : 0;
}
