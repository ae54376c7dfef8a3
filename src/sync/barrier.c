/* threading.Barrier: the queue of those who have arrived, until the last one does.
 *
 * Whoever ends a round (the last to arrive, reset, abort, a timeout) takes all waiters out and grants each its outcome:
 * its index, or BROKEN. So there is no draining: the next round can begin while the threads of this one still leave.
 * All of it is guarded by the queue. `round` tells a thread that was away (in the action) whether its round still is. */
#include "../module.h"
#include "barrier.h"
#include "kind.h"
#include "private_condition.h"
#include "timeout.h"
#include "wait.h"

/* The outcome of a waiter whose round was broken; another outcome is its index. */
#define BROKEN (-1)
/* How many arrivals before the last have a place of their own in spin.h. */
#define PLACES 2
/* As the standard library's, which also has states for leaving: those are never seen here. */
#define STATE_FILLING 0
#define STATE_BROKEN (-2)

typedef struct {
    OBJECT_HEAD
    PyObject *action;  /* NULL: none */
    PyObject *timeout; /* NULL: none */
    PyObject *shared;  /* the condition of a subclass that keeps the state itself: see _shared_barrier.py. NULL: none */
    /* With one party, no action, and not broken, there is nothing to wait for: what wait returns then, 0. NULL: there is. */
    _Atomic(PyObject *) alone;
    int64_t parties;
    int64_t count; /* who have arrived in this round */
    uint32_t round;
    uint32_t generation; /* of forks, in which it was counted */
    _Atomic int32_t state;
    uint64_t in_action; /* the number of the thread that runs the action; 0: none does */
    waitqueue queue;
    waitqueue newcomers; /* who came while the action ran */
} barrier_object;

static Py_NO_INLINE void
recount(barrier_object *self)
{
    self->generation = waiter_generation;
    self->count = (int64_t)waitqueue_count(&self->queue);
    if (self->in_action != 0 && self->in_action == waiter_survivor) {
        self->count++;
    }
    else {
        self->in_action = 0;
    }
}

/* Locks the queue, which guards all of it. After a fork, those who arrived in threads that are gone have not arrived. */
static inline void
lock(barrier_object *self)
{
    waitqueue_lock(&self->queue);
    if (self->generation != waiter_generation) {
        recount(self);
    }
}

/* Sets `alone`. The queue is locked. */
static void
update_alone(barrier_object *self)
{
    bool alone = self->parties == 1 && self->action == NULL && self->shared == NULL && self->state == STATE_FILLING;
    if (alone != (self->alone != NULL)) {
        /* The int 0 always exists: no reference is its last, and it is never made. */
        PyObject *old = self->alone;
        self->alone = alone ? PyLong_FromLong(0) : NULL;
        Py_XDECREF(old);
    }
}

/* Ends the round: counts from zero again. The queue is locked. Returns who waited, for waiters_grant. */
static waiter *
end_round(barrier_object *self, int state)
{
    self->state = state;
    update_alone(self);
    self->count = 0;
    self->round++;
    return waitqueue_take_all(&self->queue);
}

/* Ends the round with everybody in it told that it is broken. */
static void
break_round(barrier_object *self, int state)
{
    lock(self);
    waiter *waiters = end_round(self, state);
    waitqueue_unlock(&self->queue);
    waiters_grant(waiters, BROKEN);
}

int
barrier_parties(PyObject *value, int64_t *parties)
{
    PyObject *whole = whole_number(value);
    if (whole == NULL) {
        return -1;
    }
    int64_t number = PyLong_AsLongLong(whole);
    Py_DECREF(whole);
    if (number == -1 && PyErr_Occurred()) {
        return -1;
    }
    if (number < 1) {
#if PY_VERSION_HEX >= 0x030E0000
        PyErr_SetString(PyExc_ValueError, "parties must be >= 1");
#else
        PyErr_SetString(PyExc_ValueError, "parties must be > 0");
#endif
        return -1;
    }
    *parties = number;
    return 0;
}

/* Sets the number of parties. Returns 0, or -1 with an exception set. */
static int
set_parties(barrier_object *self, PyObject *value, void *Py_UNUSED(closure))
{
    if (value == NULL) {
        PyErr_SetString(PyExc_AttributeError, "_parties");
        return -1;
    }
    int64_t parties;
    if (barrier_parties(value, &parties) < 0) {
        return -1;
    }
    lock(self);
    self->parties = parties;
    update_alone(self);
    waitqueue_unlock(&self->queue);
    return 0;
}

/* A setter's work for `action` and `timeout`: None is kept as NULL. */
static void
set_object(barrier_object *self, PyObject **place, PyObject *value)
{
    PyObject *wanted = Py_XNewRef(value == Py_None ? NULL : value);
    lock(self);
    PyObject *old = *place;
    *place = wanted;
    update_alone(self);
    waitqueue_unlock(&self->queue);
    Py_XDECREF(old);
}

/* Their getter's work. Returns a new reference. */
static PyObject *
get_object(barrier_object *self, PyObject **place)
{
    lock(self);
    PyObject *value = Py_NewRef(*place == NULL ? Py_None : *place);
    waitqueue_unlock(&self->queue);
    return value;
}

static int
barrier_init(PyObject *self, PyObject *args, PyObject *keywords)
{
    static const char *const names[] = {"parties", "action", "timeout", NULL};
    PyObject *values[3];
    if (unpack_tuple_and_dict("Barrier", names, args, keywords, values) < 0) {
        return -1;
    }
    if (values[0] == NULL) {
        PyErr_SetString(PyExc_TypeError, "Barrier.__init__() missing 1 required positional argument: 'parties'");
        return -1;
    }
    barrier_object *barrier = (barrier_object *)self;
    if (set_parties(barrier, values[0], NULL) < 0) {
        return -1;
    }
    set_object(barrier, &barrier->action, values[1]);
    set_object(barrier, &barrier->timeout, values[2]);
    break_round(barrier, STATE_FILLING);
    return 0;
}

static PyObject *
barrier_vectorcall(PyObject *callable, PyObject *const *args, size_t flags, PyObject *keywords)
{
    PyTypeObject *type = (PyTypeObject *)callable;
    if (type->tp_new == PyType_GenericNew && type->tp_init == barrier_init && PyVectorcall_NARGS(flags) == 1 &&
        keywords == NULL) {
        int64_t parties = usual_int(args[0]);
        if (parties >= 1) {
            barrier_object *self = (barrier_object *)type->tp_alloc(type, 0);
            if (self != NULL) {
                self->parties = parties;
                if (parties == 1) {
                    update_alone(self);
                }
            }
            return (PyObject *)self;
        }
    }
    return construct_slow(callable, args, flags, keywords);
}

static int
barrier_traverse(barrier_object *self, visitproc visit, void *arg)
{
    Py_VISIT(self->action);
    Py_VISIT(self->timeout);
    Py_VISIT(self->shared);
    return object_visit((PyObject *)self, visit, arg);
}

static int
barrier_clear(barrier_object *self)
{
    object_clear((PyObject *)self);
    Py_CLEAR(self->action);
    Py_CLEAR(self->timeout);
    Py_CLEAR(self->shared);
    Py_XDECREF(self->alone);
    self->alone = NULL;
    return 0;
}

static void
barrier_dealloc(PyObject *self)
{
    PyObject_GC_UnTrack(self);
    Py_TRASHCAN_BEGIN(self, barrier_dealloc) object_begin_dealloc(self);
    barrier_clear((barrier_object *)self);
    object_free(self);
    Py_TRASHCAN_END
}

static PyObject *
raise_broken(barrier_object *self)
{
    PyObject *error = module_state_of(Py_TYPE(self))->broken_barrier_error;
    if (error == NULL) {
        return module_is_cleared();
    }
    PyErr_SetNone(error);
    return NULL;
}

int
barrier_call_action(PyObject *action)
{
    int wanted = PyObject_IsTrue(action);
    PyObject *result = wanted > 0 ? call_alone_in_turn(action) : NULL;
    Py_XDECREF(result);
    return wanted < 0 || (wanted > 0 && result == NULL) ? -1 : 0;
}

static bool
is_shared(barrier_object *self)
{
    lock(self);
    bool shared = self->shared != NULL;
    waitqueue_unlock(&self->queue);
    return shared;
}

/* Has the function of that name in _shared_barrier.py do it. Returns what that returns. */
static PyObject *
call_shared(barrier_object *self, const char *name)
{
    PyObject *module = PyImport_ImportModule("cthreading._shared_barrier");
    PyObject *result = module == NULL ? NULL : PyObject_CallMethod(module, name, "O", self);
    Py_XDECREF(module);
    return result;
}

static PyObject *
wait_shared(barrier_object *self, PyObject *timeout)
{
    PyObject *error = module_state_of(Py_TYPE(self))->broken_barrier_error;
    if (error == NULL) {
        return module_is_cleared();
    }
    PyObject *module = PyImport_ImportModule("cthreading._shared_barrier");
    PyObject *result =
        module == NULL ? NULL
                       : PyObject_CallMethod(module, "wait", "OOO", self, timeout == NULL ? Py_None : timeout, error);
    Py_XDECREF(module);
    return result;
}

/* The last one has arrived, and is not counted yet: runs the action and lets all go. The queue is locked, and unlocked
 * when it returns. Returns the caller's index, or NULL with an exception set. */
static PyObject *
trip(barrier_object *self)
{
    bool failed = false;
    bool broken = false;
    waiter *newcomers = NULL;
    if (self->action != NULL) {
        int64_t round = self->round;
        PyObject *action = Py_NewRef(self->action);
        self->count++;
        self->in_action = waiter_thread();
        waitqueue_unlock(&self->queue);
        failed = barrier_call_action(action) < 0;
        Py_DECREF(action);
        lock(self);
        self->in_action = 0;
        broken = self->round != round;
        waitqueue_lock(&self->newcomers);
        newcomers = waitqueue_take_all(&self->newcomers);
        waitqueue_unlock(&self->newcomers);
    }
    waiter *waiters = broken ? NULL : end_round(self, failed ? STATE_BROKEN : STATE_FILLING);
    waitqueue_unlock(&self->queue);

    int index = 0;
    for (waiter *w = waiters; w != NULL; w = w->next) {
        w->outcome = failed ? BROKEN : index++;
    }
    waiters_grant_each(waiters);
    waiters_grant(newcomers, 0);
    if (failed) {
        return NULL;
    }
    return broken ? raise_broken(self) : PyLong_FromLong(index);
}

waiter *
barrier_join_newcomers(PyObject *self, waitqueue *newcomers)
{
    waiter *w = wait_begin(WAIT_WAIT, self);
    if (w != NULL) {
        waitqueue_lock(newcomers);
        waitqueue_add(newcomers, w);
        waitqueue_unlock(newcomers);
    }
    return w;
}

int
barrier_wait_for_action(waiter *w, waitqueue *newcomers)
{
    if (w == NULL) {
        return -1;
    }
    int granted = wait_granted(w, PARK_FOREVER);
    if (granted < 0) {
        wait_leave(w, newcomers);
    }
    wait_end(w);
    return granted < 0 ? -1 : 0;
}

PyObject *
barrier_raise_own_action(void)
{
    PyErr_SetString(PyExc_RuntimeError, "the action of a barrier cannot wait for it");
    return NULL;
}

/* Waits until the action is over that another thread runs. The queue is locked, and unlocked when it returns.
 * Returns 0, or -1 with an exception set. */
static int
wait_for_action(barrier_object *self)
{
    bool own = self->in_action == waiter_thread();
    waiter *w = own ? NULL : barrier_join_newcomers((PyObject *)self, &self->newcomers);
    waitqueue_unlock(&self->queue);
    if (own) {
        barrier_raise_own_action();
    }
    return barrier_wait_for_action(w, &self->newcomers);
}

/* Leaves the round before it has ended, with an exception set. */
static void
leave(barrier_object *self, waiter *w)
{
    lock(self);
    bool waiting = waitqueue_has(&self->queue, w);
    if (waiting) {
        waitqueue_remove(&self->queue, w);
        self->count--;
    }
    waitqueue_unlock(&self->queue);
    if (!waiting) {
        wait_settle(w);
    }
}

/* The deadline has passed: breaks the round, unless all have arrived and the action runs. Returns whether it did. */
static bool
time_out(barrier_object *self, waiter *w)
{
    lock(self);
    bool breaks = waitqueue_has(&self->queue, w) && self->in_action == 0;
    waiter *others = NULL;
    if (breaks) {
        waitqueue_remove(&self->queue, w);
        others = end_round(self, STATE_BROKEN);
    }
    waitqueue_unlock(&self->queue);
    waiters_grant(others, BROKEN);
    return breaks;
}

/* Has arrived, and waits for the others. Returns the index, or NULL with an exception set. */
static PyObject *
wait_for_others(barrier_object *self, waiter *w, PyObject *timeout)
{
    int64_t wait = wait_from_total_timeout(timeout);
    int granted = wait < 0 ? -1 : wait == 0 ? 0 : wait_granted(w, deadline_after(wait));
    if (granted == 0) {
        if (time_out(self, w)) {
            return raise_broken(self);
        }
        granted = wait_granted(w, PARK_FOREVER);
    }
    if (granted < 0) {
        leave(self, w);
        return NULL;
    }
    return w->outcome == BROKEN ? raise_broken(self) : PyLong_FromLong(w->outcome);
}

/* Arrives, and waits for the others. `timeout` NULL: not given. Returns the index, or NULL with an exception set. */
static Py_NO_INLINE PyObject *
wait_slow(barrier_object *self, PyObject *timeout)
{
    lock(self);
    if (self->shared != NULL) {
        waitqueue_unlock(&self->queue);
        return wait_shared(self, timeout);
    }
    while (self->in_action != 0) {
        if (wait_for_action(self) < 0) {
            return NULL;
        }
        lock(self);
    }
    if (self->state == STATE_BROKEN) {
        waitqueue_unlock(&self->queue);
        return raise_broken(self);
    }
    if (self->count + 1 >= self->parties) {
        return trip(self);
    }
    waiter *w = wait_begin(WAIT_WAIT, (PyObject *)self);
    if (w != NULL) {
        self->count++;
        /* Who arrives shortly before the last one waits shortly, and looks for its turn; the others had better sleep. */
        int64_t missing = self->parties - self->count;
        w->place = (const char *)&self->queue + (missing < PLACES ? missing : PLACES);
        waitqueue_add(&self->queue, w);
    }
    waitqueue_unlock(&self->queue);
    if (w == NULL) {
        return NULL;
    }
    if (timeout == NULL || timeout == Py_None) {
        timeout = get_object(self, &self->timeout);
    }
    else {
        Py_INCREF(timeout);
    }
    PyObject *index = wait_for_others(self, w, timeout);
    Py_DECREF(timeout);
    wait_end(w);
    return index;
}

PyDoc_STRVAR(
    wait_doc,
    "wait($self, /, timeout=None)\n--\n\n"
    "Wait until as many threads wait as the barrier has parties; as threading.Barrier.wait.\n\n"
    "The last to arrive runs the action, then all go on. timeout is the longest wait in seconds, None the one\n"
    "that the barrier was made with. Return an int from 0 to parties - 1, another one for each thread, in the\n"
    "order of arrival. Raise BrokenBarrierError if the barrier is or gets broken, or is reset meanwhile; a\n"
    "timeout breaks it. If a signal handler or the action raises, that exception is raised here; the action's\n"
    "breaks the barrier.");

static PyObject *
barrier_wait(barrier_object *self, PyObject *const *args, Py_ssize_t count, PyObject *keywords)
{
    PyObject *timeout = NULL;
    if (count != 0 || keywords != NULL) {
        static const char *const names[] = {"timeout", NULL};
        if (unpack_arguments("Barrier.wait", names, args, count, keywords, &timeout) < 0) {
            return NULL;
        }
    }
    /* Relaxed: it is one of two, and the object that it may be has always been there. */
    PyObject *alone = atomic_load_explicit(&self->alone, memory_order_relaxed);
    if (alone != NULL) {
        return small_int_new_ref(alone);
    }
    return wait_slow(self, timeout);
}

PyDoc_STRVAR(reset_doc,
             "reset($self, /)\n--\n\n"
             "Make the barrier as new; as threading.Barrier.reset. Threads that wait get BrokenBarrierError.");

static PyObject *
barrier_reset(barrier_object *self, PyObject *Py_UNUSED(ignored))
{
    if (is_shared(self)) {
        return call_shared(self, "reset");
    }
    break_round(self, STATE_FILLING);
    return private_condition_notify((PyObject *)self, &self->queue) < 0 ? NULL : Py_NewRef(Py_None);
}

PyDoc_STRVAR(abort_doc,
             "abort($self, /)\n--\n\n"
             "Break the barrier; as threading.Barrier.abort.\n\n"
             "Threads that wait, and those that call wait() before a reset(), get BrokenBarrierError.");

static PyObject *
barrier_abort(barrier_object *self, PyObject *Py_UNUSED(ignored))
{
    if (is_shared(self)) {
        return call_shared(self, "abort");
    }
    break_round(self, STATE_BROKEN);
    return private_condition_notify((PyObject *)self, &self->queue) < 0 ? NULL : Py_NewRef(Py_None);
}

static PyObject *
get_action(barrier_object *self, void *Py_UNUSED(closure))
{
    return get_object(self, &self->action);
}

static int
set_action(barrier_object *self, PyObject *value, void *Py_UNUSED(closure))
{
    set_object(self, &self->action, value);
    return 0;
}

static int
set_timeout(barrier_object *self, PyObject *value, void *Py_UNUSED(closure))
{
    set_object(self, &self->timeout, value);
    return 0;
}

static PyObject *
get_timeout(barrier_object *self, void *Py_UNUSED(closure))
{
    return get_object(self, &self->timeout);
}

static PyObject *
get_parties(barrier_object *self, void *Py_UNUSED(closure))
{
    lock(self);
    int64_t parties = self->parties;
    waitqueue_unlock(&self->queue);
    return PyLong_FromLongLong(parties);
}

static PyObject *
get_count(barrier_object *self, void *Py_UNUSED(closure))
{
    lock(self);
    int64_t count = self->count;
    waitqueue_unlock(&self->queue);
    return PyLong_FromLongLong(count);
}

static PyObject *
get_waiting(barrier_object *self, void *closure)
{
    return is_shared(self) ? call_shared(self, "n_waiting") : get_count(self, closure);
}

static int
get_state_locked(barrier_object *self)
{
    lock(self);
    int state = self->state;
    waitqueue_unlock(&self->queue);
    return state;
}

static PyObject *
get_state(barrier_object *self, void *Py_UNUSED(closure))
{
    return PyLong_FromLong(get_state_locked(self));
}

static PyObject *
get_broken(barrier_object *self, void *Py_UNUSED(closure))
{
    return is_shared(self) ? call_shared(self, "broken") : PyBool_FromLong(get_state_locked(self) == STATE_BROKEN);
}

static PyObject *
get_condition(PyObject *object, void *closure)
{
    barrier_object *self = (barrier_object *)object;
    lock(self);
    PyObject *shared = Py_XNewRef(self->shared);
    waitqueue_unlock(&self->queue);
    return shared == NULL ? private_condition_get(object, closure) : shared;
}

static int
set_condition(barrier_object *self, PyObject *value, void *Py_UNUSED(closure))
{
    set_object(self, &self->shared, value);
    return 0;
}

PyObject *
barrier_describe(PyObject *self)
{
    PyObject *broken = PyObject_GetAttrString(self, "broken");
    int is_broken = broken == NULL ? -1 : PyObject_IsTrue(broken);
    Py_XDECREF(broken);
    if (is_broken != 0) {
        return is_broken < 0 ? NULL : PyUnicode_FromString("broken");
    }
    PyObject *waiting = PyObject_GetAttrString(self, "n_waiting");
    PyObject *parties = waiting == NULL ? NULL : PyObject_GetAttrString(self, "parties");
    PyObject *description = parties == NULL ? NULL : PyUnicode_FromFormat("waiters=%S/%S", waiting, parties);
    Py_XDECREF(waiting);
    Py_XDECREF(parties);
    return description;
}

static PyObject *
barrier_repr(PyObject *self)
{
    return object_repr(self, barrier_describe(self));
}

/* Those that are bound methods in the standard library. */
static PyMethodDef barrier_bound_methods[] = {
    {"wait", OBJECT_METHOD(barrier_wait), METH_FASTCALL | METH_KEYWORDS, wait_doc},
    {"reset", OBJECT_METHOD(barrier_reset), METH_NOARGS, reset_doc},
    {"abort", OBJECT_METHOD(barrier_abort), METH_NOARGS, abort_doc},
    {NULL},
};

static PyGetSetDef barrier_getset[] = {
    {"parties", (getter)get_parties, NULL, "How many threads it takes."},
    {"n_waiting", (getter)get_waiting, NULL, "How many threads wait now."},
    {"broken", (getter)get_broken, NULL, "Whether the barrier is broken."},
    {"_action", (getter)get_action, (setter)set_action, "Called when all have arrived, or None."},
    {"_timeout", (getter)get_timeout, (setter)set_timeout, "The default timeout in seconds, or None."},
    {"_parties", (getter)get_parties, (setter)set_parties, "How many threads it takes."},
    {"_count", (getter)get_count, NULL, "How many threads wait now."},
    {"_state", (getter)get_state, NULL, "0: filling, -2: broken."},
    {"_cond", get_condition, (setter)set_condition,
     "A condition that reset() and abort() notify, made when first read; once set, it guards a subclass's own state.",
     PRIVATE_CONDITION(barrier_object, queue)},
    {NULL},
};

PyDoc_STRVAR(
    barrier_doc,
    "Barrier(parties, action=None, timeout=None)\n--\n\n"
    "A point where a fixed number of threads wait for each other; as threading.Barrier.\n\n"
    "action is called by the last thread to arrive, before any goes on. timeout is the default for wait(), in\n"
    "seconds; None means no limit. The barrier can be used again and again. Raise ValueError if parties is less\n"
    "than one.");

static PyType_Slot barrier_slots[] = {
    {Py_tp_doc, (void *)barrier_doc},   {Py_tp_new, PyType_GenericNew}, {Py_tp_init, barrier_init},
    {Py_tp_traverse, barrier_traverse}, {Py_tp_clear, barrier_clear},   {Py_tp_dealloc, barrier_dealloc},
    {Py_tp_repr, barrier_repr},         {Py_tp_getset, barrier_getset}, {0, NULL},
};

static PyType_Spec barrier_spec = {
    .name = "cthreading.Barrier",
    .basicsize = sizeof(barrier_object),
    .flags = Py_TPFLAGS_DEFAULT | Py_TPFLAGS_BASETYPE | Py_TPFLAGS_HAVE_GC,
    .slots = barrier_slots,
};

int
barrier_exec(PyObject *module)
{
    PyTypeObject *type = kind_add_type(module, &barrier_spec, NULL, barrier_bound_methods);
    if (type == NULL) {
        return -1;
    }
    type->tp_vectorcall = barrier_vectorcall;
    Py_DECREF(type);
    return 0;
}
