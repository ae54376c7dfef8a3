/* queue.Queue, LifoQueue and PriorityQueue: what the methods do, in the order in which the standard library's do it.
 *
 * A wait is that of the queue's own conditions: see condition.c. Who puts or gets takes one waiter out of the condition of
 * the other side, and wakes it after it has given the mutex back, which is at once: so the waiter need not wait for the
 * mutex too. See queue.h for the ways in which a queue is worked on. */
#include "queue.h"

#include <string.h>

#include "../sync/condition.h"

/* How long an operation waits that cannot be done at once, if not for so many nanoseconds. */
#define WAIT_NEGATIVE (-1) /* the timeout is negative: an error, if it counts at all */
#define WAIT_UNUSUAL (-2)  /* the standard library's function is to look at the arguments */

/* The mutex */

/* Whoever asks is told of this operation on the queue; of WAIT_ACQUIRE, on the mutex. */
static inline int
take_mutex(queue_object *self, wait_operation operation)
{
    PyObject *object = operation == WAIT_ACQUIRE ? (PyObject *)self->mutex : (PyObject *)self;
    return permits_lock(&self->mutex->permits, PARK_FOREVER, operation, object) < 0 ? -1 : 0;
}

static Py_NO_INLINE waiter *
take_waiter_slow(waitqueue *queue)
{
    waitqueue_lock(queue);
    waiter *first = waitqueue_first(queue);
    waiter *chosen = first;
    /* One that runs a signal handler may not come back soon: the handler may even wait for the same thing. */
    while (chosen != NULL && chosen->away) {
        chosen = chosen->next == first ? NULL : chosen->next;
    }
    chosen = chosen != NULL ? chosen : first;
    if (chosen != NULL) {
        waitqueue_remove(queue, chosen);
    }
    waitqueue_unlock(queue);
    return chosen;
}

/* The first who waits there, taken out, or NULL. Whoever waits has joined before giving the mutex, which is held here. */
static inline waiter *
take_waiter(waitqueue *queue)
{
    return __builtin_expect(waitqueue_is_empty(queue), 1) ? NULL : take_waiter_slow(queue);
}

/* Gives the mutex, and wakes the waiter. -1 with an exception set if it was not locked any more. */
static inline int
give_mutex(queue_object *self, waiter *next)
{
    bool given = lock_give(self->mutex);
    if (next != NULL) {
        waiter_wake(next);
    }
    if (__builtin_expect(!given, 0)) {
        if (!PyErr_Occurred()) {
            lock_raise_unlocked();
        }
        return -1;
    }
    wait_hand_over();
    return 0;
}

/* Arguments */

/* How long a call with these arguments waits. */
static int64_t
wait_of(PyObject *block, PyObject *timeout)
{
    if (block != NULL && !PyBool_Check(block)) {
        return WAIT_UNUSUAL;
    }
    if (block == Py_False) {
        return 0;
    }
    if (timeout == NULL || timeout == Py_None) {
        return PARK_FOREVER;
    }
    int64_t wait = wait_from_usual(timeout);
    if (wait >= 0) {
        return wait;
    }
    bool negative = PyFloat_CheckExact(timeout) && PyFloat_AS_DOUBLE(timeout) < 0;
    return negative ? WAIT_NEGATIVE : WAIT_UNUSUAL;
}

/* The deadline of a wait, which is computed when the first one begins. */
typedef struct {
    int64_t wait;
    int64_t deadline;
    bool began;
} patience;

/* Waits on the condition once more, the mutex held. Returns 1 after the wait, 0 when the time is over, -1 with an
 * exception set. */
static int
wait_again(queue_object *self, patience *patience, PyObject *condition, wait_operation operation)
{
    if (patience->wait < 0) {
        PyErr_SetString(PyExc_ValueError, "'timeout' must be a non-negative number");
        return -1;
    }
    if (!patience->began) {
        patience->began = true;
        patience->deadline = deadline_after(patience->wait);
    }
    if (patience->wait == 0 || (patience->deadline != PARK_FOREVER && park_now() >= patience->deadline)) {
        return 0;
    }
    return condition_wait_held(condition, patience->deadline, operation, (PyObject *)self) < 0 ? -1 : 1;
}

/* Returns -1, with an exception of the type and without arguments. */
static int
fail_with(PyObject *type)
{
    if (type == NULL) {
        module_is_cleared();
    }
    else {
        PyErr_SetNone(type);
    }
    return -1;
}

static inline bool
is_shut_down(queue_object *self)
{
    return QUEUE_SHUTS_DOWN && atomic_load_explicit(&self->shut_down, memory_order_relaxed);
}

/* Putting */

/* Waits until there is room. The mutex is held. -1 with an exception set. */
static int
wait_for_room(queue_object *self, queue_manner manner, int64_t wait)
{
    if (is_shut_down(self)) {
        return fail_with(self->state->queue_shut_down);
    }
    if (word_load(&self->limit) == 0) {
        return 0;
    }
    patience patience = {.wait = wait};
    int status = wait < 0 ? wait_again(self, &patience, NULL, WAIT_PUT) : 0;
    while (status >= 0 && (status = queue_is_full(self, manner)) == 1) {
        status = wait_again(self, &patience, self->not_full, WAIT_PUT);
        if (status == 0) {
            return fail_with(self->state->queue_full);
        }
        if (status > 0 && is_shut_down(self)) {
            return fail_with(self->state->queue_shut_down);
        }
    }
    return status;
}

static inline PyObject *
put(queue_object *self, queue_manner manner, PyObject *item, int64_t wait)
{
    if (take_mutex(self, WAIT_PUT) < 0) {
        return NULL;
    }
    int status = wait_for_room(self, manner, wait);
    if (status == 0) {
        status = queue_put_item(self, manner, item);
    }
    waiter *next = NULL;
    if (status == 0) {
        word_store(&self->unfinished, word_load(&self->unfinished) + 1);
        next = take_waiter(self->getters);
    }
    return give_mutex(self, next) < 0 || status < 0 ? NULL : Py_NewRef(Py_None);
}

PyDoc_STRVAR(
    put_doc,
    "put($self, /, item, block=True, timeout=None)\n--\n\n"
    "Add an item, waiting for room if need be; as queue.Queue.put.\n\n"
    "With block false, do not wait. timeout is the longest wait in seconds; None means no limit. Raise Full if\n"
    "there is no room in time, ValueError for a negative timeout, and ShutDown (from 3.13 on) if the queue has\n"
    "been shut down. A signal handler runs while waiting; if it raises, nothing is added.");

static PyObject *
queue_put(queue_object *self, PyObject *const *args, Py_ssize_t count, PyObject *keywords)
{
    static const char *const names[] = {"item", "block", "timeout", NULL};
    PyObject *values[3] = {NULL, NULL, NULL};
    if (count == 1 && keywords == NULL) {
        values[0] = args[0];
    }
    else if (unpack_arguments("Queue.put", names, args, count, keywords, values) < 0) {
        return NULL;
    }
    if (values[0] == NULL) {
        PyErr_SetString(PyExc_TypeError, "Queue.put() missing 1 required positional argument: 'item'");
        return NULL;
    }
    int64_t wait = wait_of(values[1], values[2]);
    queue_manner manner = queue_manner_of(self);
    if (manner.way == WAY_FAILED) {
        return NULL;
    }
    if (manner.way == BY_STANDARD || wait == WAIT_UNUSUAL) {
        return queue_by_standard(self, "put", args, count, keywords);
    }
    return put(self, manner, values[0], wait);
}

/* Getting */

/* Waits until there is an item. The mutex is held. -1 with an exception set. */
static int
wait_for_item(queue_object *self, queue_manner manner, int64_t wait)
{
    patience patience = {.wait = wait};
    int status;
    while ((status = queue_is_empty(self, manner)) >= 0) {
        if (status == 1 && is_shut_down(self)) {
            return fail_with(self->state->queue_shut_down);
        }
        if (status == 0 && wait >= 0) {
            return 0;
        }
        status = wait_again(self, &patience, self->not_empty, WAIT_GET);
        if (status <= 0) {
            return status < 0 ? -1 : fail_with(self->state->queue_empty);
        }
    }
    return -1;
}

static inline PyObject *
get(queue_object *self, queue_manner manner, int64_t wait)
{
    if (take_mutex(self, WAIT_GET) < 0) {
        return NULL;
    }
    PyObject *item = wait_for_item(self, manner, wait) < 0 ? NULL : queue_get_item(self, manner);
    waiter *next = item == NULL ? NULL : take_waiter(self->putters);
    if (give_mutex(self, next) < 0) {
        Py_CLEAR(item);
    }
    return item;
}

PyDoc_STRVAR(
    get_doc,
    "get($self, /, block=True, timeout=None)\n--\n\n"
    "Take an item out and return it, waiting for one if need be; as queue.Queue.get.\n\n"
    "With block false, do not wait. timeout is the longest wait in seconds; None means no limit. Raise Empty if\n"
    "there is no item in time, ValueError for a negative timeout, and ShutDown (from 3.13 on) if there is none\n"
    "and the queue has been shut down. A signal handler runs while waiting; if it raises, no item is taken.");

static PyObject *
queue_get(queue_object *self, PyObject *const *args, Py_ssize_t count, PyObject *keywords)
{
    static const char *const names[] = {"block", "timeout", NULL};
    PyObject *values[2] = {NULL, NULL};
    if ((count != 0 || keywords != NULL) && unpack_arguments("Queue.get", names, args, count, keywords, values) < 0) {
        return NULL;
    }
    int64_t wait = wait_of(values[0], values[1]);
    queue_manner manner = queue_manner_of(self);
    if (manner.way == WAY_FAILED) {
        return NULL;
    }
    if (manner.way == BY_STANDARD || wait == WAIT_UNUSUAL) {
        return queue_by_standard(self, "get", args, count, keywords);
    }
    return get(self, manner, wait);
}

/* Whether the method is overridden, by the class or the object. -1 with an exception set. */
static int
is_overridden(queue_object *self, int64_t in_class, PyObject *name)
{
    int64_t class = queue_class(self);
    if (class < 0 || (class & (in_class | CLASS_IS_UNUSUAL))) {
        return class < 0 ? -1 : 1;
    }
    PyObject *const names[] = {name, NULL};
    return object_has_attributes((PyObject *)self) ? queue_has_own(self, names) : 0;
}

/* A queue without a state has not been initialized: put and get will say so. */
static int
put_is_overridden(queue_object *self)
{
    return self->state == NULL ? 1 : is_overridden(self, CLASS_HAS_PUT, self->state->str_put);
}

static int
get_is_overridden(queue_object *self)
{
    return self->state == NULL ? 1 : is_overridden(self, CLASS_HAS_GET, self->state->str_get);
}

/* self.method(*args, block=False) */
static PyObject *
call_without_blocking(queue_object *self, const char *name, PyObject *item)
{
    PyObject *method = PyObject_GetAttrString((PyObject *)self, name);
    PyObject *keywords = method == NULL ? NULL : Py_BuildValue("(s)", "block");
    PyObject *result = NULL;
    if (keywords != NULL) {
        PyObject *args[2] = {item, Py_False};
        result = PyObject_Vectorcall(method, item == NULL ? args + 1 : args, item == NULL ? 0 : 1, keywords);
    }
    Py_XDECREF(method);
    Py_XDECREF(keywords);
    return result;
}

PyDoc_STRVAR(put_nowait_doc,
             "put_nowait($self, /, item)\n--\n\n"
             "Add an item without waiting: put(item, block=False); as queue.Queue.put_nowait.");

static PyObject *
queue_put_nowait(queue_object *self, PyObject *const *args, Py_ssize_t count, PyObject *keywords)
{
    PyObject *item =
        count == 1 && keywords == NULL ? args[0] : unpack_one("Queue.put_nowait", "item", args, count, keywords);
    int overridden = item == NULL ? -1 : put_is_overridden(self);
    if (overridden != 0) {
        return overridden < 0 ? NULL : call_without_blocking(self, "put", item);
    }
    PyObject *put_args[] = {item, Py_False};
    return queue_put(self, put_args, 2, NULL);
}

PyDoc_STRVAR(get_nowait_doc,
             "get_nowait($self, /)\n--\n\n"
             "Take an item out without waiting: get(block=False); as queue.Queue.get_nowait.");

static PyObject *
queue_get_nowait(queue_object *self, PyObject *Py_UNUSED(ignored))
{
    int overridden = get_is_overridden(self);
    if (overridden != 0) {
        return overridden < 0 ? NULL : call_without_blocking(self, "get", NULL);
    }
    PyObject *get_args[] = {Py_False};
    return queue_get(self, get_args, 1, NULL);
}

/* Begins a method without arguments: takes the mutex. Returns false if there is nothing left to do but to return *result,
 * which may be NULL with an exception set. */
static bool
begin(queue_object *self, const char *name, wait_operation operation, queue_manner *manner, PyObject **result)
{
    *result = NULL;
    *manner = queue_manner_of(self);
    if (manner->way == BY_STANDARD) {
        *result = queue_by_standard(self, name, NULL, 0, NULL);
    }
    return manner->way != BY_STANDARD && manner->way != WAY_FAILED && take_mutex(self, operation) == 0;
}

/* Looking */

PyDoc_STRVAR(qsize_doc,
             "qsize($self, /)\n--\n\n"
             "Return how many items there are, at this moment; as queue.Queue.qsize.");

static PyObject *
queue_qsize(queue_object *self, PyObject *Py_UNUSED(ignored))
{
    queue_manner manner;
    PyObject *result;
    if (!begin(self, "qsize", WAIT_ACQUIRE, &manner, &result)) {
        return result;
    }
    PyObject *size = queue_size(self, manner);
    if (give_mutex(self, NULL) < 0) {
        Py_CLEAR(size);
    }
    return size;
}

PyDoc_STRVAR(empty_doc,
             "empty($self, /)\n--\n\n"
             "Return whether there is no item, at this moment; as queue.Queue.empty.");

static PyObject *
queue_empty(queue_object *self, PyObject *Py_UNUSED(ignored))
{
    queue_manner manner;
    PyObject *result;
    if (!begin(self, "empty", WAIT_ACQUIRE, &manner, &result)) {
        return result;
    }
    int empty = queue_is_empty(self, manner);
    return give_mutex(self, NULL) < 0 || empty < 0 ? NULL : PyBool_FromLong(empty);
}

PyDoc_STRVAR(full_doc,
             "full($self, /)\n--\n\n"
             "Return whether there are maxsize items, at this moment; as queue.Queue.full.");

static PyObject *
queue_full(queue_object *self, PyObject *Py_UNUSED(ignored))
{
    queue_manner manner;
    PyObject *result;
    if (!begin(self, "full", WAIT_ACQUIRE, &manner, &result)) {
        return result;
    }
    int full = word_load(&self->limit) == 0 ? 0 : queue_is_full(self, manner);
    return give_mutex(self, NULL) < 0 || full < 0 ? NULL : PyBool_FromLong(full);
}

/* Tasks */

PyDoc_STRVAR(
    task_done_doc,
    "task_done($self, /)\n--\n\n"
    "Say that the work on an item that get() returned is done; as queue.Queue.task_done.\n\n"
    "Once that has been said for every item that was put, join() returns. Raise ValueError if it is said more\n"
    "often than items were put.");

static PyObject *
queue_task_done(queue_object *self, PyObject *Py_UNUSED(ignored))
{
    queue_manner manner;
    PyObject *result;
    if (!begin(self, "task_done", WAIT_ACQUIRE, &manner, &result)) {
        return result;
    }
    int64_t unfinished = word_load(&self->unfinished) - 1;
    if (unfinished < 0) {
        PyErr_SetString(PyExc_ValueError, "task_done() called too many times");
    }
    else {
        word_store(&self->unfinished, unfinished);
        if (unfinished == 0 && !waitqueue_is_empty(self->joiners)) {
            condition_notify_all_held(self->all_tasks_done);
        }
    }
    return give_mutex(self, NULL) < 0 || unfinished < 0 ? NULL : Py_NewRef(Py_None);
}

PyDoc_STRVAR(join_doc,
             "join($self, /)\n--\n\n"
             "Wait until the work on all items is done; as queue.Queue.join.\n\n"
             "That is when task_done() has been called for every item that was put. A signal handler runs while\n"
             "waiting; if it raises, that exception is raised here.");

static PyObject *
queue_join(queue_object *self, PyObject *Py_UNUSED(ignored))
{
    queue_manner manner;
    PyObject *result;
    if (!begin(self, "join", WAIT_JOIN, &manner, &result)) {
        return result;
    }
    int status = 0;
    while (status >= 0 && word_load(&self->unfinished) != 0) {
        status = condition_wait_held(self->all_tasks_done, PARK_FOREVER, WAIT_JOIN, (PyObject *)self);
    }
    return give_mutex(self, NULL) < 0 || status < 0 ? NULL : Py_NewRef(Py_None);
}

#if QUEUE_SHUTS_DOWN

/* Takes all items out, each of which counts as done, into the list: whatever they do when they go, they do it later. The
 * mutex is held. -1 with an exception set. */
static int
drain(queue_object *self, queue_manner manner, PyObject *drained)
{
    int empty;
    while ((empty = queue_is_empty(self, manner)) == 0) {
        PyObject *item = queue_get_item(self, manner);
        int status = item == NULL ? -1 : PyList_Append(drained, item);
        Py_XDECREF(item);
        if (status < 0) {
            return -1;
        }
        int64_t unfinished = word_load(&self->unfinished);
        if (unfinished > 0) {
            word_store(&self->unfinished, unfinished - 1);
        }
    }
    return empty < 0 ? -1 : 0;
}

PyDoc_STRVAR(
    shutdown_doc,
    "shutdown($self, /, immediate=False)\n--\n\n"
    "Have put() raise ShutDown from now on, and get() once there is no item left; as queue.Queue.shutdown.\n\n"
    "Threads that wait in either do so as well. With immediate true, take all items out, as if the work on them\n"
    "were done.");

static PyObject *
queue_shutdown(queue_object *self, PyObject *const *args, Py_ssize_t count, PyObject *keywords)
{
    static const char *const names[] = {"immediate", NULL};
    PyObject *immediate;
    if (unpack_arguments("Queue.shutdown", names, args, count, keywords, &immediate) < 0) {
        return NULL;
    }
    queue_manner manner = queue_manner_of(self);
    if (manner.way == WAY_FAILED) {
        return NULL;
    }
    if (manner.way == BY_STANDARD || (immediate != NULL && !PyBool_Check(immediate))) {
        return queue_by_standard(self, "shutdown", args, count, keywords);
    }
    PyObject *drained = PyList_New(0);
    if (drained == NULL || take_mutex(self, WAIT_ACQUIRE) < 0) {
        Py_XDECREF(drained);
        return NULL;
    }
    atomic_store_explicit(&self->shut_down, true, memory_order_relaxed);
    int status = 0;
    if (immediate == Py_True) {
        status = drain(self, manner, drained);
    }
    if (status == 0) {
        if (immediate == Py_True) {
            condition_notify_all_held(self->all_tasks_done);
        }
        condition_notify_all_held(self->not_empty);
        condition_notify_all_held(self->not_full);
    }
    status = give_mutex(self, NULL) < 0 ? -1 : status;
    if (status == 0) {
        Py_DECREF(drained);
        Py_RETURN_NONE;
    }
    PyObject *exception = PyErr_GetRaisedException();
    Py_DECREF(drained);
    PyErr_SetRaisedException(exception);
    return NULL;
}

#endif

/* Hooks: what a class derived from ours may override, and call by super() */

static PyObject *
init_hook(queue_object *self, PyObject *const *args, Py_ssize_t count, PyObject *keywords, queue_kind kind)
{
    if (unpack_one("Queue._init", "maxsize", args, count, keywords) == NULL) {
        return NULL;
    }
    PyObject *container = container_make(module_state_of(Py_TYPE(self)), kind);
    if (container == NULL) {
        return NULL;
    }
    queue_set_container(self, container);
    Py_DECREF(container);
    Py_RETURN_NONE;
}

/* The container, as a new reference, or NULL with the error of an attribute that is not there. */
static PyObject *
require_container(queue_object *self)
{
    return PyObject_GetAttrString((PyObject *)self, "queue");
}

static PyObject *
qsize_hook(queue_object *self, PyObject *Py_UNUSED(ignored))
{
    PyObject *container = require_container(self);
    Py_ssize_t size = container == NULL ? -1 : PyObject_Size(container);
    Py_XDECREF(container);
    return size < 0 ? NULL : PyLong_FromSsize_t(size);
}

static PyObject *
put_hook(queue_object *self, PyObject *const *args, Py_ssize_t count, PyObject *keywords, queue_kind kind)
{
    PyObject *item = unpack_one("Queue._put", "item", args, count, keywords);
    PyObject *container = item == NULL ? NULL : require_container(self);
    if (container == NULL) {
        return NULL;
    }
    PyObject *result = NULL;
    module_state *state = module_state_of(Py_TYPE(self));
    if (kind == QUEUE_HEAP || container_is_usual(state, kind, container)) {
        result = container_put(state, kind, container, item) < 0 ? NULL : Py_NewRef(Py_None);
    }
    else {
        PyObject *added = PyObject_CallMethod(container, "append", "O", item);
        result = added == NULL ? NULL : Py_NewRef(Py_None);
        Py_XDECREF(added);
    }
    Py_DECREF(container);
    return result;
}

static PyObject *
get_hook(queue_object *self, queue_kind kind)
{
    PyObject *container = require_container(self);
    if (container == NULL) {
        return NULL;
    }
    PyObject *item;
    module_state *state = module_state_of(Py_TYPE(self));
    if (container_is_usual(state, kind, container)) {
        item = container_get(state, kind, container);
    }
    else if (kind == QUEUE_HEAP) {
        item = PyObject_CallOneArg(state->heap_pop, container);
    }
    else {
        item = PyObject_CallMethod(container, kind == QUEUE_FIFO ? "popleft" : "pop", NULL);
    }
    Py_DECREF(container);
    return item;
}

#define HOOKS(name, kind)                                                                                         \
    static PyObject *name##_init(queue_object *self, PyObject *const *args, Py_ssize_t count, PyObject *keywords) \
    {                                                                                                             \
        return init_hook(self, args, count, keywords, kind);                                                      \
    }                                                                                                             \
    static PyObject *name##_put(queue_object *self, PyObject *const *args, Py_ssize_t count, PyObject *keywords)  \
    {                                                                                                             \
        return put_hook(self, args, count, keywords, kind);                                                       \
    }                                                                                                             \
    static PyObject *name##_get(queue_object *self, PyObject *Py_UNUSED(ignored))                                 \
    {                                                                                                             \
        return get_hook(self, kind);                                                                              \
    }

HOOKS(fifo, QUEUE_FIFO)
HOOKS(lifo, QUEUE_LIFO)
HOOKS(heap, QUEUE_HEAP)

PyDoc_STRVAR(init_hook_doc,
             "_init($self, /, maxsize)\n--\n\n"
             "Make what the items are kept in. A subclass may override it.");

PyDoc_STRVAR(qsize_hook_doc,
             "_qsize($self, /)\n--\n\n"
             "Return how many items there are. The mutex is held. A subclass may override it.");

PyDoc_STRVAR(put_hook_doc,
             "_put($self, /, item)\n--\n\n"
             "Add an item. The mutex is held. A subclass may override it.");

PyDoc_STRVAR(get_hook_doc,
             "_get($self, /)\n--\n\n"
             "Take an item out and return it. The mutex is held, and there is one. A subclass may override it.");

/* Construction */

/* Makes the container, by _init if that has been overridden. -1 with an exception set. */
static int
make_container(queue_object *self, PyObject *maxsize)
{
    int overridden = is_overridden(self, CLASS_HAS_INIT | CLASS_HAS_HOOKS, self->state->str_init_hook);
    if (overridden != 0) {
        PyObject *result = NULL;
        if (overridden > 0) {
            result = PyObject_CallMethodOneArg((PyObject *)self, self->state->str_init_hook, maxsize);
        }
        Py_XDECREF(result);
        return result == NULL ? -1 : 0;
    }
    PyObject *container = container_make(self->state, (queue_kind)(queue_class(self) & CLASS_KIND));
    if (container == NULL) {
        return -1;
    }
    queue_set_container(self, container);
    Py_DECREF(container);
    return 0;
}

static int
make(queue_object *self, module_state *state, PyObject *maxsize)
{
    self->state = state;
    int64_t class = queue_class(self);
    if (class < 0) {
        return -1;
    }
    if (self->mutex != NULL || (class & CLASS_IS_UNUSUAL)) {
        /* Also one that is initialized once more: others may be using its lock. */
        PyObject *result = queue_by_standard(self, "__init__", &maxsize, 1, NULL);
        Py_XDECREF(result);
        return result == NULL ? -1 : 0;
    }
    if (queue_set_maxsize(self, maxsize) < 0 || make_container(self, maxsize) < 0) {
        return -1;
    }
    return queue_make_attributes(self);
}

static int
make_with_default(queue_object *self, module_state *state, PyObject *maxsize)
{
    PyObject *size = maxsize != NULL ? Py_NewRef(maxsize) : PyLong_FromLong(0);
    int status = size == NULL ? -1 : make(self, state, size);
    Py_XDECREF(size);
    return status;
}

static const char *const init_names[] = {"maxsize", NULL};

static int
queue_init(PyObject *self, PyObject *args, PyObject *keywords)
{
    PyObject *maxsize;
    if (unpack_tuple_and_dict("Queue.__init__", init_names, args, keywords, &maxsize) < 0) {
        return -1;
    }
    return make_with_default((queue_object *)self, module_state_of(Py_TYPE(self)), maxsize);
}

static PyObject *
queue_vectorcall(PyObject *callable, PyObject *const *args, size_t flags, PyObject *keywords)
{
    PyTypeObject *type = (PyTypeObject *)callable;
    if (type->tp_new != PyType_GenericNew || type->tp_init != queue_init) {
        return construct_slow(callable, args, flags, keywords);
    }
    PyObject *maxsize;
    if (unpack_arguments("Queue.__init__", init_names, args, PyVectorcall_NARGS(flags), keywords, &maxsize) < 0) {
        return NULL;
    }
    PyObject *self = type->tp_alloc(type, 0);
    if (self != NULL && make_with_default((queue_object *)self, PyType_GetModuleState(type), maxsize) < 0) {
        Py_CLEAR(self);
    }
    return self;
}

PyDoc_STRVAR(getstate_doc,
             "__getstate__($self, /)\n--\n\n"
             "Return the attributes, for copy and pickle.");

/* The types. All methods are bound methods in the standard library. */

static PyMethodDef queue_bound_methods[] = {
    {"__getstate__", OBJECT_METHOD(queue_get_state), METH_NOARGS, getstate_doc},
    {"put", OBJECT_METHOD(queue_put), METH_FASTCALL | METH_KEYWORDS, put_doc},
    {"get", OBJECT_METHOD(queue_get), METH_FASTCALL | METH_KEYWORDS, get_doc},
    {"put_nowait", OBJECT_METHOD(queue_put_nowait), METH_FASTCALL | METH_KEYWORDS, put_nowait_doc},
    {"get_nowait", OBJECT_METHOD(queue_get_nowait), METH_NOARGS, get_nowait_doc},
    {"qsize", OBJECT_METHOD(queue_qsize), METH_NOARGS, qsize_doc},
    {"empty", OBJECT_METHOD(queue_empty), METH_NOARGS, empty_doc},
    {"full", OBJECT_METHOD(queue_full), METH_NOARGS, full_doc},
    {"task_done", OBJECT_METHOD(queue_task_done), METH_NOARGS, task_done_doc},
    {"join", OBJECT_METHOD(queue_join), METH_NOARGS, join_doc},
#if QUEUE_SHUTS_DOWN
    {"shutdown", OBJECT_METHOD(queue_shutdown), METH_FASTCALL | METH_KEYWORDS, shutdown_doc},
#endif
    {"_init", OBJECT_METHOD(fifo_init), METH_FASTCALL | METH_KEYWORDS, init_hook_doc},
    {"_qsize", OBJECT_METHOD(qsize_hook), METH_NOARGS, qsize_hook_doc},
    {"_put", OBJECT_METHOD(fifo_put), METH_FASTCALL | METH_KEYWORDS, put_hook_doc},
    {"_get", OBJECT_METHOD(fifo_get), METH_NOARGS, get_hook_doc},
    {NULL},
};

static PyMethodDef lifo_bound_methods[] = {
    {"_init", OBJECT_METHOD(lifo_init), METH_FASTCALL | METH_KEYWORDS, init_hook_doc},
    {"_qsize", OBJECT_METHOD(qsize_hook), METH_NOARGS, qsize_hook_doc},
    {"_put", OBJECT_METHOD(lifo_put), METH_FASTCALL | METH_KEYWORDS, put_hook_doc},
    {"_get", OBJECT_METHOD(lifo_get), METH_NOARGS, get_hook_doc},
    {NULL},
};

static PyMethodDef heap_bound_methods[] = {
    {"_init", OBJECT_METHOD(heap_init), METH_FASTCALL | METH_KEYWORDS, init_hook_doc},
    {"_qsize", OBJECT_METHOD(qsize_hook), METH_NOARGS, qsize_hook_doc},
    {"_put", OBJECT_METHOD(heap_put), METH_FASTCALL | METH_KEYWORDS, put_hook_doc},
    {"_get", OBJECT_METHOD(heap_get), METH_NOARGS, get_hook_doc},
    {NULL},
};

PyDoc_STRVAR(fifo_doc,
             "Queue(maxsize=0)\n--\n\n"
             "A queue that threads put items into and get them from, the oldest first; as queue.Queue.\n\n"
             "maxsize is how many items there may be: put() waits for room. Zero or less means any number.");

PyDoc_STRVAR(lifo_doc,
             "LifoQueue(maxsize=0)\n--\n\n"
             "A Queue that gives the newest item first; as queue.LifoQueue.");

PyDoc_STRVAR(heap_doc,
             "PriorityQueue(maxsize=0)\n--\n\n"
             "A Queue that gives the smallest item first, such as tuples (priority, data); as queue.PriorityQueue.");

static PyType_Slot fifo_slots[] = {
    {Py_tp_doc, (void *)fifo_doc}, {Py_tp_new, PyType_GenericNew},
    {Py_tp_init, queue_init},      {Py_tp_traverse, queue_traverse},
    {Py_tp_clear, queue_clear},    {Py_tp_dealloc, queue_dealloc},
    {Py_tp_getset, queue_getset},  {0, NULL},
};

static PyType_Slot lifo_slots[] = {
    {Py_tp_doc, (void *)lifo_doc},
    {Py_tp_new, PyType_GenericNew},
    {Py_tp_init, queue_init},
    {Py_tp_traverse, queue_traverse},
    {Py_tp_clear, queue_clear},
    {Py_tp_dealloc, queue_dealloc},
    {0, NULL},
};

static PyType_Slot heap_slots[] = {
    {Py_tp_doc, (void *)heap_doc},
    {Py_tp_new, PyType_GenericNew},
    {Py_tp_init, queue_init},
    {Py_tp_traverse, queue_traverse},
    {Py_tp_clear, queue_clear},
    {Py_tp_dealloc, queue_dealloc},
    {0, NULL},
};

#define QUEUE_FLAGS (Py_TPFLAGS_DEFAULT | Py_TPFLAGS_BASETYPE | Py_TPFLAGS_HAVE_GC)

/* By queue_kind. */
static struct {
    PyType_Spec spec;
    PyMethodDef *methods;
} types[QUEUE_KINDS] = {
    {{"cthreading.queue.Queue", sizeof(queue_object), 0, QUEUE_FLAGS, fifo_slots}, queue_bound_methods},
    {{"cthreading.queue.LifoQueue", sizeof(queue_object), 0, QUEUE_FLAGS, lifo_slots}, lifo_bound_methods},
    {{"cthreading.queue.PriorityQueue", sizeof(queue_object), 0, QUEUE_FLAGS, heap_slots}, heap_bound_methods},
};

/* Makes the type of a kind: it derives from the standard library's class of its name, and first from `base`, unless that is
 * NULL. A new reference, or NULL with an exception set. */
static PyTypeObject *
make_type(PyObject *module, PyObject *standard, queue_kind kind, PyTypeObject *base)
{
    PyType_Spec *spec = &types[kind].spec;
    PyTypeObject *theirs = kind_find(module, standard, strrchr(spec->name, '.') + 1);
    PyTypeObject *type = theirs == NULL ? NULL : kind_make_type(module, spec, base, theirs, types[kind].methods);
    if (type != NULL && kind == QUEUE_FIFO) {
        module_get_state(module)->queue_standard = PyDict_Copy(theirs->tp_dict);
    }
    Py_XDECREF(theirs);
    if (type == NULL) {
        return NULL;
    }
    type->tp_vectorcall = queue_vectorcall;
    if (PyModule_AddType(module, type) < 0 || hooks_remember(module_get_state(module), kind, type) < 0) {
        Py_CLEAR(type);
    }
    return type;
}

static int
make_types(PyObject *module, PyObject *standard)
{
    PyTypeObject *fifo = make_type(module, standard, QUEUE_FIFO, NULL);
    PyTypeObject *lifo = fifo == NULL ? NULL : make_type(module, standard, QUEUE_LIFO, fifo);
    PyTypeObject *heap = lifo == NULL ? NULL : make_type(module, standard, QUEUE_HEAP, fifo);
    int status = heap == NULL || module_get_state(module)->queue_standard == NULL ? -1 : 0;
    Py_XDECREF(fifo);
    Py_XDECREF(lifo);
    Py_XDECREF(heap);
    return status;
}

static int
intern_names(module_state *state)
{
    state->str_init_hook = PyUnicode_InternFromString("_init");
    state->str_qsize = PyUnicode_InternFromString("_qsize");
    state->str_put_hook = PyUnicode_InternFromString("_put");
    state->str_get_hook = PyUnicode_InternFromString("_get");
    state->str_put = PyUnicode_InternFromString("put");
    state->str_get = PyUnicode_InternFromString("get");
    bool made = state->str_init_hook != NULL && state->str_qsize != NULL && state->str_put_hook != NULL &&
                state->str_get_hook != NULL && state->str_put != NULL && state->str_get != NULL;
    return made ? 0 : -1;
}

static int
find_exceptions(module_state *state)
{
    state->queue_empty = module_import_from("queue", "Empty");
    state->queue_full = module_import_from("queue", "Full");
    if (state->queue_empty == NULL || state->queue_full == NULL) {
        return -1;
    }
#if QUEUE_SHUTS_DOWN
    state->queue_shut_down = module_import_from("queue", "ShutDown");
    if (state->queue_shut_down == NULL) {
        return -1;
    }
#endif
    return 0;
}

PyDoc_STRVAR(make_queues_doc,
             "_make_queues($module, /)\n--\n\n"
             "Add the classes of cthreading.queue to the module. The first call imports queue.");

static PyObject *
make_queues(PyObject *module, PyObject *Py_UNUSED(ignored))
{
    module_state *state = module_get_state(module);
    if (state->queue_own[QUEUE_HEAP] != NULL) {
        Py_RETURN_NONE;
    }
    PyObject *queue = PyImport_ImportModule("queue");
    if (queue == NULL) {
        return NULL;
    }
    int status = find_exceptions(state);
    if (status == 0) {
        status = intern_names(state);
    }
    if (status == 0) {
        status = container_prepare(state);
    }
    if (status == 0) {
        status = simple_queue_make(module);
    }
    if (status == 0) {
        status = make_types(module, PyModule_GetDict(queue));
    }
    Py_DECREF(queue);
    return status < 0 ? NULL : Py_NewRef(Py_None);
}

static PyMethodDef functions[] = {
    {"_make_queues", make_queues, METH_NOARGS, make_queues_doc},
    {NULL},
};

int
queue_exec(PyObject *module)
{
    return PyModule_AddFunctions(module, functions);
}
