/* queue.SimpleQueue: permits, one for each item, and the items in blocks that are linked.
 *
 *     first                                  last
 *     [ . . x x x ] -> [ x x x x x ] -> [ x x . . . ]
 *           ^ head                            ^ tail
 *
 * put adds an item and then gives a permit; get takes a permit and then an item, which is there. So whoever waits does so as
 * for a semaphore: see permits.h. Nothing here runs Python code while the blocks are changed, so put may interrupt whatever
 * else is being done with the same queue: in a finalizer, a signal handler, a callback of a weak reference. */
#include "../module.h"
#include "../park/guard.h"
#include "../sync/guise.h"
#include "../sync/object.h"
#include "../sync/permits.h"
#include "../sync/timeout.h"

/* A block takes 256 bytes. */
#define BLOCK_ITEMS 31

typedef struct block {
    struct block *next;
    PyObject *items[BLOCK_ITEMS];
} block;

typedef struct {
    PyObject_HEAD
    PyObject *weakrefs;
    permits permits;
    /* Guarded. */
    block *first;
    block *last;
    block *spare;
    Py_ssize_t count;
    uint8_t head; /* of the next item to get, in the first block */
    uint8_t tail; /* where to put the next one, in the last block; BLOCK_ITEMS: in a further one */
    guard guard;
    uint32_t generation; /* of the fork in which the permits and the items were last seen to be equally many */
} simple_queue;

static simple_queue *
make(PyTypeObject *type)
{
    simple_queue *self = (simple_queue *)type->tp_alloc(type, 0);
    if (self != NULL) {
        permits_init(&self->permits, 0);
        self->tail = BLOCK_ITEMS;
        self->generation = waiter_generation;
    }
    return self;
}

static PyObject *
simple_queue_new(PyTypeObject *type, PyObject *args, PyObject *keywords)
{
    /* They may be for the __init__ of a subclass. */
    bool refused = type->tp_init == PyBaseObject_Type.tp_init;
    if (refused && (PyTuple_GET_SIZE(args) != 0 || (keywords != NULL && PyDict_GET_SIZE(keywords) != 0))) {
        PyErr_Format(PyExc_TypeError, "%s() takes no arguments", type->tp_name);
        return NULL;
    }
    return (PyObject *)make(type);
}

static PyObject *
simple_queue_vectorcall(PyObject *callable, PyObject *const *args, size_t flags, PyObject *keywords)
{
    PyTypeObject *type = (PyTypeObject *)callable;
    bool usual = type->tp_new == simple_queue_new && type->tp_init == PyBaseObject_Type.tp_init;
    if (!usual || PyVectorcall_NARGS(flags) != 0 || keywords != NULL) {
        return construct_slow(callable, args, flags, keywords);
    }
    return (PyObject *)make(type);
}

static int
simple_queue_traverse(simple_queue *self, visitproc visit, void *arg)
{
    Py_VISIT(Py_TYPE(self));
    Py_ssize_t left = self->count;
    Py_ssize_t at = self->head;
    for (block *b = self->first; left > 0; b = b->next, at = 0) {
        for (; at < BLOCK_ITEMS && left > 0; at++, left--) {
            Py_VISIT(b->items[at]);
        }
    }
    return 0;
}

/* Items */

/* Puts a block behind the last: the spare one, or *further, which is taken. The queue is guarded. Returns whether there
 * was one. */
static bool
append_block(simple_queue *self, block **further)
{
    block **source = self->spare != NULL ? &self->spare : further;
    block *next = *source;
    if (next == NULL) {
        return false;
    }
    *source = NULL;
    next->next = NULL;
    if (self->last == NULL) {
        self->first = next;
        self->head = 0;
    }
    else {
        self->last->next = next;
    }
    self->last = next;
    self->tail = 0;
    return true;
}

/* Adds the item; in *further, if that needs another block and there is none. Returns whether it did. */
static inline bool
add(simple_queue *self, PyObject *item, block **further)
{
    guard_lock(&self->guard);
    bool fits = self->tail < BLOCK_ITEMS || append_block(self, further);
    if (fits) {
        self->last->items[self->tail++] = Py_NewRef(item);
        self->count++;
    }
    guard_unlock(&self->guard);
    return fits;
}

static int
add_with_block(simple_queue *self, PyObject *item)
{
    block *further = PyMem_Malloc(sizeof(block));
    if (further == NULL) {
        PyErr_NoMemory();
        return -1;
    }
    add(self, item, &further);
    PyMem_Free(further);
    return 0;
}

/* Takes the first item out, for a permit. NULL without an exception: there is none, see repair. */
static inline PyObject *
take(simple_queue *self)
{
    block *used = NULL;
    guard_lock(&self->guard);
    block *first = self->first;
    PyObject *item = NULL;
    if (self->count > 0) {
        item = first->items[self->head++];
        self->count--;
        if (self->count == 0) {
            /* One block is left, which is used from its beginning again. */
            self->head = self->tail = 0;
        }
        else if (self->head == BLOCK_ITEMS) {
            self->first = first->next;
            self->head = 0;
            used = first;
            if (self->spare == NULL) {
                self->spare = used;
                used = NULL;
            }
        }
    }
    guard_unlock(&self->guard);
    if (used != NULL) {
        PyMem_Free(used);
    }
    return item;
}

static int
simple_queue_clear(simple_queue *self)
{
    PyObject *item;
    while ((item = take(self)) != NULL) {
        permits_try_take(&self->permits);
        Py_DECREF(item);
    }
    return 0;
}

static void
simple_queue_dealloc(simple_queue *self)
{
    PyTypeObject *type = Py_TYPE(self);
    PyObject_GC_UnTrack(self);
    Py_TRASHCAN_BEGIN(self, simple_queue_dealloc) if (self->weakrefs != NULL)
    {
        PyObject_ClearWeakRefs((PyObject *)self);
    }
    simple_queue_clear(self);
    PyMem_Free(self->first);
    PyMem_Free(self->spare);
    type->tp_free(self);
    Py_DECREF(type);
    Py_TRASHCAN_END
}

PyDoc_STRVAR(
    put_doc,
    "put($self, /, item, block=True, timeout=None)\n--\n\n"
    "Add an item; as queue.SimpleQueue.put. It never waits: block and timeout (seconds) are there for the sake of\n"
    "Queue.put, and ignored. It may be called from a finalizer or a signal handler, whatever that interrupts.");

static PyObject *
put(simple_queue *self, PyObject *item)
{
    block *none = NULL;
    if (__builtin_expect(!add(self, item, &none), 0) && add_with_block(self, item) < 0) {
        return NULL;
    }
    permits_give_to_any(&self->permits, 1, PERMITS_MAX);
    wait_hand_over();
    Py_RETURN_NONE;
}

static PyObject *
simple_queue_put(simple_queue *self, PyObject *const *args, Py_ssize_t count, PyObject *keywords)
{
    if (count == 1 && keywords == NULL) {
        return put(self, args[0]);
    }
    static const char *const names[] = {"item", "block", "timeout", NULL};
    PyObject *values[3];
    if (unpack_arguments("put", names, args, count, keywords, values) < 0) {
        return NULL;
    }
    if (values[0] == NULL) {
        PyErr_SetString(PyExc_TypeError, "put() missing required argument 'item' (pos 1)");
        return NULL;
    }
    return values[1] != NULL && PyObject_IsTrue(values[1]) < 0 ? NULL : put(self, values[0]);
}

PyDoc_STRVAR(put_nowait_doc,
             "put_nowait($self, /, item)\n--\n\n"
             "Add an item: put(item); as queue.SimpleQueue.put_nowait.");

static PyObject *
simple_queue_put_nowait(simple_queue *self, PyObject *const *args, Py_ssize_t count, PyObject *keywords)
{
    PyObject *item = count == 1 && keywords == NULL ? args[0] : unpack_one("put_nowait", "item", args, count, keywords);
    return item == NULL ? NULL : put(self, item);
}

/* Has the standard library's own queue raise the error that it has for this timeout. Returns -1. */
static int64_t
refuse_timeout(simple_queue *self, PyObject *timeout)
{
    PyErr_Clear();
    PyTypeObject *standard = module_state_of(Py_TYPE(self))->simple_queue_standard;
    PyObject *queue = standard == NULL ? module_is_cleared() : PyObject_CallNoArgs((PyObject *)standard);
    /* So that it does not wait. */
    PyObject *added = queue == NULL ? NULL : PyObject_CallMethod(queue, "put", "O", Py_None);
    PyObject *got = added == NULL ? NULL : PyObject_CallMethod(queue, "get", "OO", Py_True, timeout);
    if (got != NULL) {
        PyErr_SetString(PyExc_OverflowError, "timeout value is too large");
    }
    Py_XDECREF(got);
    Py_XDECREF(added);
    Py_XDECREF(queue);
    return -1;
}

/* How long a call with these arguments waits, in nanoseconds, or -1 with an exception set. */
static int64_t
wait_of(simple_queue *self, PyObject *block, PyObject *timeout)
{
    int blocking = block == NULL ? 1 : PyObject_IsTrue(block);
    if (blocking <= 0) {
        return blocking;
    }
    if (timeout == NULL || timeout == Py_None) {
        return PARK_FOREVER;
    }
    int64_t wait = wait_from_usual(timeout);
    if (wait >= 0) {
        return wait;
    }
    if (timeout_to_nanoseconds(timeout, &wait) < 0) {
        return refuse_timeout(self, timeout);
    }
    if (wait < 0) {
        PyErr_SetString(PyExc_ValueError, "'timeout' must be a non-negative number");
        return -1;
    }
    return wait;
}

static Py_ssize_t
count_items(simple_queue *self)
{
    guard_lock(&self->guard);
    Py_ssize_t count = self->count;
    guard_unlock(&self->guard);
    return count;
}

/* In a child after a fork, permits that had been given to threads of the parent which had not taken their item yet are
 * missing: as many are made as there are items. Should other threads be putting some at this very moment, their permits may
 * be among those, and added as well, or wiped out: what there are items for is there in the end, and too many do no harm. */
static void
repair(simple_queue *self)
{
    if (__atomic_load_n(&self->generation, __ATOMIC_RELAXED) == waiter_generation) {
        return;
    }
    __atomic_store_n(&self->generation, waiter_generation, __ATOMIC_RELAXED);
    permits_set(&self->permits, count_items(self));
    Py_ssize_t missing = count_items(self) - (Py_ssize_t)permits_count(&self->permits);
    if (missing > 0) {
        permits_give(&self->permits, missing, PERMITS_MAX);
    }
}

static Py_NO_INLINE PyObject *
get_slow(simple_queue *self, int64_t wait)
{
    repair(self);
    PyObject *item = NULL;
    int taken = 1;
    while (item == NULL && taken == 1) {
        taken = permits_take(&self->permits, wait, PERMITS_MAX, WAIT_GET, (PyObject *)self);
        if (taken == 1) {
            item = take(self);
        }
    }
    if (taken == 0) {
        PyObject *empty = module_state_of(Py_TYPE(self))->queue_empty;
        if (empty == NULL) {
            return module_is_cleared();
        }
        PyErr_SetNone(empty);
    }
    return item;
}

static inline PyObject *
get(simple_queue *self, int64_t wait)
{
    PyObject *item = permits_try_take(&self->permits) ? take(self) : NULL;
    return item != NULL ? item : get_slow(self, wait);
}

PyDoc_STRVAR(
    get_doc,
    "get($self, /, block=True, timeout=None)\n--\n\n"
    "Take the oldest item out and return it, waiting for one if need be; as queue.SimpleQueue.get.\n\n"
    "With block false, do not wait. timeout is the longest wait in seconds; None means no limit. Raise Empty if\n"
    "there is no item in time, ValueError for a negative timeout. A signal handler runs while waiting; if it\n"
    "raises, no item is taken.");

static PyObject *
simple_queue_get(simple_queue *self, PyObject *const *args, Py_ssize_t count, PyObject *keywords)
{
    if (count == 0 && keywords == NULL) {
        return get(self, PARK_FOREVER);
    }
    static const char *const names[] = {"block", "timeout", NULL};
    PyObject *values[2];
    if (unpack_arguments("get", names, args, count, keywords, values) < 0) {
        return NULL;
    }
    int64_t wait = wait_of(self, values[0], values[1]);
    return wait < 0 ? NULL : get(self, wait);
}

PyDoc_STRVAR(get_nowait_doc,
             "get_nowait($self, /)\n--\n\n"
             "Take the oldest item out without waiting: get(block=False); as queue.SimpleQueue.get_nowait.");

static PyObject *
simple_queue_get_nowait(simple_queue *self, PyObject *Py_UNUSED(ignored))
{
    return get(self, 0);
}

/* Looking */

PyDoc_STRVAR(qsize_doc,
             "qsize($self, /)\n--\n\n"
             "Return how many items there are, at this moment; as queue.SimpleQueue.qsize.");

static PyObject *
simple_queue_qsize(simple_queue *self, PyObject *Py_UNUSED(ignored))
{
    return PyLong_FromSsize_t(count_items(self));
}

PyDoc_STRVAR(empty_doc,
             "empty($self, /)\n--\n\n"
             "Return whether there is no item, at this moment; as queue.SimpleQueue.empty.");

static PyObject *
simple_queue_empty(simple_queue *self, PyObject *Py_UNUSED(ignored))
{
    return PyBool_FromLong(count_items(self) == 0);
}

PyDoc_STRVAR(sizeof_doc,
             "__sizeof__($self, /)\n--\n\n"
             "Return the size of the queue in memory, in bytes, without its items.");

static PyObject *
simple_queue_sizeof(simple_queue *self, PyObject *Py_UNUSED(ignored))
{
    Py_ssize_t size = Py_TYPE(self)->tp_basicsize;
    guard_lock(&self->guard);
    for (block *b = self->first; b != NULL; b = b->next) {
        size += (Py_ssize_t)sizeof(block);
    }
    size += self->spare != NULL ? (Py_ssize_t)sizeof(block) : 0;
    guard_unlock(&self->guard);
    return PyLong_FromSsize_t(size);
}

static PyMethodDef simple_queue_methods[] = {
    {"put", OBJECT_METHOD(simple_queue_put), METH_FASTCALL | METH_KEYWORDS, put_doc},
    {"get", OBJECT_METHOD(simple_queue_get), METH_FASTCALL | METH_KEYWORDS, get_doc},
    {"put_nowait", OBJECT_METHOD(simple_queue_put_nowait), METH_FASTCALL | METH_KEYWORDS, put_nowait_doc},
    {"get_nowait", OBJECT_METHOD(simple_queue_get_nowait), METH_NOARGS, get_nowait_doc},
    {"qsize", OBJECT_METHOD(simple_queue_qsize), METH_NOARGS, qsize_doc},
    {"empty", OBJECT_METHOD(simple_queue_empty), METH_NOARGS, empty_doc},
    {"__sizeof__", OBJECT_METHOD(simple_queue_sizeof), METH_NOARGS, sizeof_doc},
    {"__class_getitem__", Py_GenericAlias, METH_O | METH_CLASS, PyDoc_STR("See PEP 585")},
    {NULL},
};

static PyMemberDef simple_queue_members[] = {
    {"__weaklistoffset__", Py_T_PYSSIZET, offsetof(simple_queue, weakrefs), Py_READONLY},
    {NULL},
};

static const guise simple_queue_guise = {offsetof(module_state, simple_queue_type),
                                         offsetof(module_state, simple_queue_standard)};

static PyGetSetDef simple_queue_getset[] = {
    GUISE_GETSET(simple_queue_guise),
    {NULL},
};

PyDoc_STRVAR(simple_queue_doc,
             "SimpleQueue()\n--\n\n"
             "A queue of any number of items, the oldest first, without tasks to count; as queue.SimpleQueue.");

static PyType_Slot simple_queue_slots[] = {
    {Py_tp_doc, (void *)simple_queue_doc},
    {Py_tp_new, simple_queue_new},
    {Py_tp_traverse, simple_queue_traverse},
    {Py_tp_clear, simple_queue_clear},
    {Py_tp_dealloc, simple_queue_dealloc},
    {Py_tp_methods, simple_queue_methods},
    {Py_tp_members, simple_queue_members},
    {Py_tp_getset, simple_queue_getset},
    {0, NULL},
};

static PyType_Spec simple_queue_spec = {
    .name = "cthreading.queue.SimpleQueue",
    .basicsize = sizeof(simple_queue),
    .flags = Py_TPFLAGS_DEFAULT | Py_TPFLAGS_BASETYPE | Py_TPFLAGS_HAVE_GC,
    .slots = simple_queue_slots,
};

int
simple_queue_make(PyObject *module)
{
    module_state *state = module_get_state(module);
    state->simple_queue_standard = (PyTypeObject *)module_import_from("queue", "SimpleQueue");
    PyTypeObject *type =
        state->simple_queue_standard == NULL ? NULL : module_add_type(module, &simple_queue_spec, NULL);
    if (type == NULL) {
        return -1;
    }
    type->tp_vectorcall = simple_queue_vectorcall;
    state->simple_queue_type = type;
    return 0;
}
