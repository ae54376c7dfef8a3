/* threading.Condition: a queue of waiters beside a lock.
 *
 * Over our own Lock and RLock, notify moves a waiter from the condition's queue to the lock's: it is woken when the lock
 * is released, and wakes owning nothing yet but next in line; notify_all of a hundred wakes one at a time. Over any other
 * lock, notify wakes the waiter, which then acquires the lock by its methods.
 *
 * While a waiter runs a signal handler it is `away`: notify takes it out of the queue, but does not put it in the lock's,
 * where it could keep back a thread that the handler waits for. */
#include "../module.h"

#include <math.h>

#include "condition.h"
#include "lock.h"
#include "kind.h"
#include "private_condition.h"
#include "rlock.h"
#include "timeout.h"

typedef enum {
    OVER_NOTHING, /* __init__ has not run */
    OVER_LOCK,    /* exactly our Lock */
    OVER_RLOCK,   /* exactly our RLock */
    OVER_OTHER,   /* reached by its methods only */
} condition_kind;

typedef struct {
    OBJECT_HEAD
    PyObject *lock;
    condition_kind kind;
    bool standard_lock;   /* OVER_OTHER: a lock of the standard library's, which can fail to acquire only by a signal */
    uint16_t owner_queue; /* where the owner's queue is in it: the waiters there count as waiters here */
    waitqueue queue;
    PyObject *owner; /* whose `_cond` this is (see private_condition.h), or NULL */
} condition_object;

static inline permits *
lock_permits(condition_object *self)
{
    return self->kind == OVER_LOCK ? &((lock_object *)self->lock)->permits : &((rlock_object *)self->lock)->permits;
}

static inline bool
is_native(condition_object *self)
{
    return self->kind == OVER_LOCK || self->kind == OVER_RLOCK;
}

static inline waitqueue *
get_owner_queue(condition_object *self)
{
    return self->owner == NULL ? NULL : (waitqueue *)((char *)self->owner + self->owner_queue);
}

/* Construction */

static size_t
count_waiters(waitqueue *queue)
{
    if (queue == NULL) {
        return 0;
    }
    waitqueue_lock(queue);
    size_t count = waitqueue_count(queue);
    waitqueue_unlock(queue);
    return count;
}

static int
require_attribute(PyObject *object, const char *name)
{
    PyObject *value = PyObject_GetAttrString(object, name);
    Py_XDECREF(value);
    return value == NULL ? -1 : 0;
}

/* Sets the lock: NULL or None makes an RLock. */
static int
set_lock(condition_object *self, PyObject *lock, module_state *state)
{
    PyObject *held;
    bool standard_lock = false;
    condition_kind kind = OVER_RLOCK;
    if (lock == NULL || lock == Py_None) {
        held = state->rlock_type == NULL ? module_is_cleared() : rlock_make(state->rlock_type);
        if (held == NULL) {
            return -1;
        }
    }
    else {
        PyTypeObject *type = Py_TYPE(lock);
        kind = type == state->lock_type ? OVER_LOCK : type == state->rlock_type ? OVER_RLOCK : OVER_OTHER;
        standard_lock = type == state->stdlib_lock_type || type == state->stdlib_rlock_type;
        if (kind == OVER_OTHER && (require_attribute(lock, "acquire") < 0 || require_attribute(lock, "release") < 0)) {
            return -1;
        }
        held = Py_NewRef(lock);
    }
    /* Last: what is above can run Python code, and so let another thread begin to wait. */
    waitqueue_lock(&self->queue);
    bool waited_on = !waitqueue_is_empty(&self->queue);
    PyObject *unused = waited_on ? held : self->lock;
    if (!waited_on) {
        self->lock = held;
        self->kind = kind;
        self->standard_lock = standard_lock;
    }
    waitqueue_unlock(&self->queue);
    Py_XDECREF(unused);
    if (waited_on) {
        PyErr_SetString(PyExc_RuntimeError, "cannot initialize a condition that threads wait on");
        return -1;
    }
    return 0;
}

static int
condition_init(PyObject *self, PyObject *args, PyObject *keywords)
{
    static const char *const names[] = {"lock", NULL};
    PyObject *lock;
    if (unpack_tuple_and_dict("Condition", names, args, keywords, &lock) < 0) {
        return -1;
    }
    return set_lock((condition_object *)self, lock, module_state_of(Py_TYPE(self)));
}

static PyObject *
condition_vectorcall(PyObject *callable, PyObject *const *args, size_t flags, PyObject *keywords)
{
    PyTypeObject *type = (PyTypeObject *)callable;
    if (type->tp_new != PyType_GenericNew || type->tp_init != condition_init) {
        return construct_slow(callable, args, flags, keywords);
    }
    static const char *const names[] = {"lock", NULL};
    PyObject *lock;
    if (unpack_arguments("Condition", names, args, PyVectorcall_NARGS(flags), keywords, &lock) < 0) {
        return NULL;
    }
    PyObject *self = type->tp_alloc(type, 0);
    if (self != NULL && set_lock((condition_object *)self, lock, PyType_GetModuleState(type)) < 0) {
        Py_CLEAR(self);
    }
    return self;
}

static int
condition_traverse(condition_object *self, visitproc visit, void *arg)
{
    Py_VISIT(self->lock);
    Py_VISIT(self->owner);
    return object_visit((PyObject *)self, visit, arg);
}

static int
condition_clear(condition_object *self)
{
    object_clear((PyObject *)self);
    /* The kind says what the lock is: it goes with it. */
    self->kind = OVER_NOTHING;
    Py_CLEAR(self->lock);
    Py_CLEAR(self->owner);
    return 0;
}

static void
condition_dealloc(PyObject *self)
{
    PyObject_GC_UnTrack(self);
    Py_TRASHCAN_BEGIN(self, condition_dealloc) object_begin_dealloc(self);
    condition_clear((condition_object *)self);
    object_free(self);
    Py_TRASHCAN_END
}

/* The lock, by its methods */

static int
check_initialized(condition_object *self)
{
    if (self->kind == OVER_NOTHING) {
        PyErr_Format(PyExc_AttributeError, "'%.100s' object has no attribute '_lock'", Py_TYPE(self)->tp_name);
        return -1;
    }
    return 0;
}

/* Looks up the method of the lock, which holds the lock: looking it up may give the condition another one. NULL with an
 * exception set. */
static PyObject *
lock_method(condition_object *self, const char *name)
{
    if (check_initialized(self) < 0) {
        return NULL;
    }
    PyObject *lock = Py_NewRef(self->lock);
    PyObject *method = PyObject_GetAttrString(lock, name);
    Py_DECREF(lock);
    return method;
}

/* Calls the method of the lock. NULL with an exception set. */
static PyObject *
call_lock(condition_object *self, const char *name, PyObject *argument)
{
    PyObject *method = lock_method(self, name);
    if (method == NULL) {
        return NULL;
    }
    PyObject *result = call_in_turn(method, &argument, argument != NULL, NULL);
    Py_DECREF(method);
    return result;
}

/* Looks up the method `name` if the lock has it: *method is NULL if not. Returns -1 with an exception set. */
static int
find_lock_method(condition_object *self, const char *name, PyObject **method)
{
    if (check_initialized(self) < 0) {
        return -1;
    }
    *method = lock_method(self, name);
    if (*method == NULL) {
        if (!PyErr_ExceptionMatches(PyExc_AttributeError)) {
            return -1;
        }
        PyErr_Clear();
    }
    return 0;
}

/* Whether the lock has the method, or -1 with an exception set. */
static int
lock_has(condition_object *self, const char *name)
{
    PyObject *method;
    if (find_lock_method(self, name, &method) < 0) {
        return -1;
    }
    Py_XDECREF(method);
    return method != NULL;
}

static int
truth(PyObject *result)
{
    int value = result == NULL ? -1 : PyObject_IsTrue(result);
    Py_XDECREF(result);
    return value;
}

static int
other_is_owned(condition_object *self)
{
    int has = lock_has(self, "_is_owned");
    if (has != 0) {
        return has < 0 ? -1 : truth(call_lock(self, "_is_owned", NULL));
    }
    /* The lock cannot tell whose it is: it counts as owned if it is locked. */
    int taken = truth(call_lock(self, "acquire", Py_False));
    if (taken <= 0) {
        return taken < 0 ? -1 : 1;
    }
    PyObject *released = call_lock(self, "release", NULL);
    Py_XDECREF(released);
    return released == NULL ? -1 : 0;
}

/* Returns 1, 0, or -1 with an exception set. */
static inline int
is_owned(condition_object *self)
{
    switch (self->kind) {
    case OVER_LOCK:
        return lock_is_locked((lock_object *)self->lock);
    case OVER_RLOCK:
        return rlock_is_owned((rlock_object *)self->lock);
    default:
        return other_is_owned(self);
    }
}

static int
require_owned(condition_object *self, const char *message)
{
    int owned = is_owned(self);
    if (owned == 0) {
        PyErr_SetString(PyExc_RuntimeError, message);
    }
    return owned == 1 ? 0 : -1;
}

/* Returns what other_acquire_restore needs, or NULL with an exception set. */
static PyObject *
other_release_save(condition_object *self)
{
    int has = lock_has(self, "_release_save");
    return has < 0 ? NULL : call_lock(self, has ? "_release_save" : "release", NULL);
}

static int
other_acquire_restore_once(condition_object *self, PyObject *saved)
{
    int has = lock_has(self, "_acquire_restore");
    if (has < 0) {
        return -1;
    }
    PyObject *result = has ? call_lock(self, "_acquire_restore", saved) : call_lock(self, "acquire", NULL);
    Py_XDECREF(result);
    return result == NULL ? -1 : 0;
}

/* Waiting */

/* Takes up to `count` waiters out of the queue and sends them to the lock. */
static void
notify_waiters(condition_object *self, int64_t count)
{
    waitqueue_lock(&self->queue);
    waiter *w;
    bool together = wait_is_for_gil();
    while (count-- > 0 && (w = waitqueue_first(&self->queue)) != NULL) {
        waitqueue_remove(&self->queue, w);
        if (!is_native(self)) {
            waiter_grant(w, 0);
        }
        else if (w->away) {
            /* It finds out when it is back and parks again. */
            waiter_wake(w);
        }
        else {
            permits_join(lock_permits(self), w);
            if (together) {
                waiter_wake(w);
            }
        }
    }
    waitqueue_unlock(&self->queue);
}

typedef enum { NOTIFIED, TIMED_OUT, RAISED, RAISED_THOUGH_NOTIFIED } wait_result;

/* Runs the signal handlers of a waiter that is away. Returns false with an exception set. */
static bool
run_handlers(condition_object *self, waiter *w)
{
    bool fine = wait_run_handlers(w) == 0;
    waitqueue_lock(&self->queue);
    w->away = false;
    waitqueue_unlock(&self->queue);
    return fine;
}

/* Waits in the condition's queue until notified. Not in that queue afterwards. *handlers says whether signal handlers
 * are due when it returns. */
static wait_result
wait_until_notified(condition_object *self, waiter *w, int64_t deadline, permits_handlers *handlers)
{
    *handlers = PERMITS_RUN_HANDLERS;
    bool timed_out = deadline == 0;
    bool interrupted = false;
    for (;;) {
        if (!timed_out) {
            park_result result = wait_park(w, deadline);
            timed_out = result == PARK_TIMED_OUT;
            interrupted = result == PARK_INTERRUPTED;
        }
        waitqueue_lock(&self->queue);
        bool waiting = waitqueue_has(&self->queue, w);
        if (waiting && timed_out) {
            waitqueue_remove(&self->queue, w);
        }
        /* From this look on: who notifies it later must not put it in the lock's queue. */
        w->away = waiting && !timed_out && interrupted;
        waitqueue_unlock(&self->queue);
        if (!waiting) {
            *handlers = interrupted ? PERMITS_HANDLERS_DUE : PERMITS_RUN_HANDLERS;
            return NOTIFIED;
        }
        if (timed_out) {
            return TIMED_OUT;
        }
        if (interrupted && !run_handlers(self, w)) {
            return waitqueue_leave(&self->queue, w) ? RAISED : RAISED_THOUGH_NOTIFIED;
        }
    }
}

/* The lock of a wait, which must be had again afterwards: all that this takes is there before it is let go. */
typedef struct {
    PyObject *lock; /* a reference: the condition's own may go */
    condition_kind kind;
    bool standard;     /* of the standard library: its acquire fails only if a signal handler raises */
    int64_t count;     /* how often it was taken */
    PyObject *release; /* OVER_OTHER: bound methods */
    PyObject *acquire;
    PyObject
        *is_owned; /* the standard library's RLock: let go by as many calls of `release` as it takes. NULL: another */
    PyObject *restore; /* and taken again once by this, which runs no signal handlers, with these arguments */
    PyObject *once;
    bool restores; /* `acquire` takes what `release` returned */
    PyObject *saved;
} held_lock;

static void
held_lock_drop(held_lock *held)
{
    Py_XDECREF(held->lock);
    Py_XDECREF(held->release);
    Py_XDECREF(held->acquire);
    Py_XDECREF(held->is_owned);
    Py_XDECREF(held->restore);
    Py_XDECREF(held->once);
    Py_XDECREF(held->saved);
}

/* Looks up `name`, or `other` where the lock has no such method. Returns whether it has `name`, or -1. */
static int
take_method(condition_object *self, const char *name, const char *other, PyObject **method)
{
    if (find_lock_method(self, name, method) < 0) {
        return -1;
    }
    if (*method != NULL) {
        return 1;
    }
    *method = lock_method(self, other);
    return *method == NULL ? -1 : 0;
}

/* Its _release_save makes a tuple after it has let go, and cannot undo that. */
static int
take_methods_of_rlock(condition_object *self, held_lock *held)
{
    held->release = lock_method(self, "release");
    held->acquire = held->release == NULL ? NULL : lock_method(self, "acquire");
    held->is_owned = held->acquire == NULL ? NULL : lock_method(self, "_is_owned");
    held->restore = held->is_owned == NULL ? NULL : lock_method(self, "_acquire_restore");
    held->once = held->restore == NULL ? NULL : Py_BuildValue("((ik))", 1, thread_ident());
    return held->once == NULL ? -1 : 0;
}

static int
take_methods(condition_object *self, held_lock *held, module_state *state)
{
    if (held->standard && Py_TYPE(held->lock) == state->stdlib_rlock_type) {
        return take_methods_of_rlock(self, held);
    }
    if (take_method(self, "_release_save", "release", &held->release) < 0) {
        return -1;
    }
    int restores = take_method(self, "_acquire_restore", "acquire", &held->acquire);
    held->restores = restores > 0;
    return restores < 0 ? -1 : 0;
}

/* Takes what it needs. Returns -1 with an exception set. held_lock_drop follows in any case. */
static int
held_lock_take(condition_object *self, held_lock *held)
{
    if (check_initialized(self) < 0) {
        return -1;
    }
    *held = (held_lock){.lock = Py_NewRef(self->lock), .kind = self->kind, .standard = self->standard_lock};
    return is_native(self) ? 0 : take_methods(self, held, module_state_of(Py_TYPE(self)));
}

/* Calls `method` without arguments. Returns 0, or -1 with an exception set. */
static int
call_only(PyObject *method)
{
    PyObject *result = PyObject_CallNoArgs(method);
    Py_XDECREF(result);
    return result == NULL ? -1 : 0;
}

/* Lets go of the standard library's RLock, counting how often. */
static int
let_go_of_rlock(held_lock *held)
{
    int owned;
    while ((owned = truth(PyObject_CallNoArgs(held->is_owned))) > 0 && call_only(held->release) == 0) {
        held->count++;
    }
    return owned == 0 ? 0 : -1;
}

/* Lets go of the lock. Returns 0, or -1 with an exception set; the lock is to be taken again all the same. */
static int
held_lock_give(held_lock *held)
{
    held->count = 1;
    switch (held->kind) {
    case OVER_RLOCK:
        held->count = rlock_give_all((rlock_object *)held->lock);
        return 0;
    case OVER_LOCK:
        lock_give((lock_object *)held->lock);
        return 0;
    default:
        held->count = 0;
        if (held->is_owned != NULL) {
            return let_go_of_rlock(held);
        }
        held->saved = PyObject_CallNoArgs(held->release);
        held->count = held->saved != NULL;
        return held->saved == NULL ? -1 : 0;
    }
}

/* One call that takes another lock again, once. */
static PyObject *
take_other_once(held_lock *held)
{
    if (held->restore != NULL) {
        return PyObject_Call(held->restore, held->once, NULL);
    }
    return held->restores ? PyObject_CallOneArg(held->acquire, held->saved) : PyObject_CallNoArgs(held->acquire);
}

/* Takes another lock again, as often as it was let go. One of the standard library's is taken whatever happens, and
 * exceptions are kept until then. Returns 0, or -1 with an exception set. */
static int
take_other_again(held_lock *held)
{
    PyObject *exception = NULL;
    while (held->count > 0) {
        PyObject *result = take_other_once(held);
        /* From the second time on it is owned, and acquired at once. */
        Py_CLEAR(held->restore);
        Py_XDECREF(result);
        if (result != NULL) {
            held->count--;
            continue;
        }
        exception = exception_chain(PyErr_GetRaisedException(), exception);
        if (!held->standard || Py_IsFinalizing()) {
            break;
        }
    }
    if (exception == NULL) {
        return 0;
    }
    PyErr_SetRaisedException(exception);
    return -1;
}

/* Takes the lock again. Returns 0, or -1 with the exception that a signal handler raised; a lock that is ours is held
 * then, too. */
static int
held_lock_take_again(held_lock *held, waiter *w, permits_handlers handlers)
{
    if (held->kind == OVER_OTHER) {
        return take_other_again(held);
    }
    bool is_rlock = held->kind == OVER_RLOCK;
    permits *permits = is_rlock ? &((rlock_object *)held->lock)->permits : &((lock_object *)held->lock)->permits;
    int result = permits_take_always(permits, w, 1, handlers);
    if (is_rlock) {
        rlock_own((rlock_object *)held->lock, held->count);
    }
    return result;
}

/* Joins the queue, unless the condition has been given another lock. Returns -1 with an exception set then. */
static int
join_queue(condition_object *self, held_lock *held, waiter *w)
{
    waitqueue_lock(&self->queue);
    bool same = self->lock == held->lock;
    if (same) {
        waitqueue_add(&self->queue, w);
    }
    waitqueue_unlock(&self->queue);
    if (!same) {
        PyErr_SetString(PyExc_RuntimeError, "the condition has been given another lock");
    }
    return same ? 0 : -1;
}

/* The lock could not be let go of, or not altogether. Returns -1 with the exception that says so. */
static int
undo_wait(condition_object *self, held_lock *held, waiter *w)
{
    PyObject *exception = PyErr_GetRaisedException();
    if (!wait_leave(w, &self->queue)) {
        notify_waiters(self, 1);
    }
    if (take_other_again(held) < 0) {
        exception = exception_chain(PyErr_GetRaisedException(), exception);
    }
    PyErr_SetRaisedException(exception);
    return -1;
}

/* Waits with a waiter for the lock that is held. Returns as wait_on_lock. */
static int
wait_without_lock(condition_object *self, held_lock *held, waiter *w, int64_t deadline)
{
    if (join_queue(self, held, w) < 0) {
        return -1;
    }
    if (held_lock_give(held) < 0) {
        return undo_wait(self, held, w);
    }
    permits_handlers handlers;
    wait_result end = wait_until_notified(self, w, deadline, &handlers);
    PyObject *exception = end == RAISED || end == RAISED_THOUGH_NOTIFIED ? PyErr_GetRaisedException() : NULL;
    if (held_lock_take_again(held, w, handlers) < 0) {
        exception = exception_chain(PyErr_GetRaisedException(), exception);
    }
    if (exception == NULL) {
        return end == NOTIFIED;
    }
    if (end == NOTIFIED || end == RAISED_THOUGH_NOTIFIED) {
        notify_waiters(self, 1);
    }
    PyErr_SetRaisedException(exception);
    return -1;
}

/* The lock is owned. Returns 1 when notified, 0 when the deadline passed, -1 with an exception set. The wait is told as
 * this operation on the object. */
static int
wait_on_lock(condition_object *self, int64_t deadline, wait_operation operation, PyObject *object)
{
    held_lock held = {.lock = NULL};
    waiter *w = held_lock_take(self, &held) < 0 ? NULL : wait_begin(operation, object);
    int notified = -1;
    if (w != NULL) {
        notified = wait_without_lock(self, &held, w, deadline);
        wait_end(w);
    }
    held_lock_drop(&held);
    return notified;
}

PyDoc_STRVAR(
    wait_doc,
    "wait($self, /, timeout=None)\n--\n\n"
    "Release the lock, wait to be notified, and acquire the lock again; as threading.Condition.wait.\n\n"
    "timeout is the longest wait in seconds; None means no limit. Return True if notified, False if the time ran\n"
    "out first. A signal handler runs while waiting; if it raises, that exception is raised here, with the lock\n"
    "owned again and a notification that had come passed on. Raise RuntimeError if the lock is not owned.");

static PyObject *
condition_wait(condition_object *self, PyObject *const *args, Py_ssize_t count, PyObject *keywords)
{
    static const char *const names[] = {"timeout", NULL};
    PyObject *timeout;
    if (unpack_arguments("Condition.wait", names, args, count, keywords, &timeout) < 0 ||
        require_owned(self, "cannot wait on un-acquired lock") < 0) {
        return NULL;
    }
    int64_t wait = timeout == NULL ? PARK_FOREVER : wait_from_timeout(timeout);
    /* Reading an odd timeout has run its methods, and they may have released the lock. */
    bool odd = timeout != NULL && timeout != Py_None && !PyFloat_CheckExact(timeout) && !PyLong_CheckExact(timeout);
    if (wait >= 0 && odd && require_owned(self, "cannot wait on un-acquired lock") < 0) {
        return NULL;
    }
    int notified = wait < 0 ? -1 : wait_on_lock(self, deadline_after(wait), WAIT_WAIT, (PyObject *)self);
    return notified < 0 ? NULL : PyBool_FromLong(notified);
}

/* One wait of wait_for: by the method, which may have been replaced. Returns 0, or -1 with an exception set. */
static int
wait_once(condition_object *self, PyObject *timeout)
{
    PyObject *result = PyObject_CallMethod((PyObject *)self, "wait", "O", timeout);
    Py_XDECREF(result);
    return result == NULL ? -1 : 0;
}

/* What is left until the deadline, in seconds. */
static PyObject *
seconds_left(int64_t deadline)
{
    return PyFloat_FromDouble((double)(deadline - park_now()) / 1e9);
}

/* Waits for the predicate, which is false now. Returns its last result, or NULL with an exception set. */
static PyObject *
wait_for_true(condition_object *self, PyObject *predicate, PyObject *timeout, PyObject *result)
{
    int64_t wait = wait_from_total_timeout(timeout);
    if (wait < 0) {
        Py_DECREF(result);
        return NULL;
    }
    int64_t deadline = deadline_after(wait);
    /* The first wait gets the timeout as it came, so that a negative one looks once and waits for nothing. */
    PyObject *left = Py_NewRef(timeout);
    int reached = 0;
    while (reached == 0) {
        Py_CLEAR(result);
        reached = wait_once(self, left);
        if (reached == 0) {
            result = call_alone_in_turn(predicate);
            reached = result == NULL ? -1 : PyObject_IsTrue(result);
        }
        if (reached == 0 && deadline != PARK_FOREVER) {
            if (deadline <= park_now()) {
                break;
            }
            Py_SETREF(left, seconds_left(deadline));
            reached = left == NULL ? -1 : 0;
        }
    }
    Py_XDECREF(left);
    if (reached < 0) {
        Py_CLEAR(result);
    }
    return result;
}

PyDoc_STRVAR(
    wait_for_doc,
    "wait_for($self, /, predicate, timeout=None)\n--\n\n"
    "Wait until predicate() is true; as threading.Condition.wait_for.\n\n"
    "predicate is called with the lock owned, at once and after each notification. timeout is the longest wait\n"
    "in seconds, all together; None means no limit. Return the last result of predicate. Raise RuntimeError if\n"
    "the lock is not owned.");

static PyObject *
condition_wait_for(condition_object *self, PyObject *const *args, Py_ssize_t count, PyObject *keywords)
{
    static const char *const names[] = {"predicate", "timeout", NULL};
    PyObject *values[2];
    if (unpack_arguments("Condition.wait_for", names, args, count, keywords, values) < 0) {
        return NULL;
    }
    if (values[0] == NULL) {
        PyErr_SetString(PyExc_TypeError, "Condition.wait_for() missing 1 required positional argument: 'predicate'");
        return NULL;
    }
    PyObject *result = call_alone_in_turn(values[0]);
    int reached = result == NULL ? -1 : PyObject_IsTrue(result);
    if (reached < 0) {
        Py_XDECREF(result);
        return NULL;
    }
    return reached ? result : wait_for_true(self, values[0], values[1] == NULL ? Py_None : values[1], result);
}

/* Notifying */

/* How many waiters `n` means, as in `while n > 0: ...; n -= 1`. Returns -1 with an exception set. */
static int64_t
count_to_notify(PyObject *n)
{
    if (PyFloat_Check(n)) {
        double rounded = ceil(PyFloat_AS_DOUBLE(n));
        return rounded >= (double)PERMITS_MAX ? PERMITS_MAX : rounded > 0 ? (int64_t)rounded : 0;
    }
    if (!PyIndex_Check(n)) {
        PyErr_Format(PyExc_TypeError, "'>' not supported between instances of '%.100s' and 'int'", Py_TYPE(n)->tp_name);
        return -1;
    }
    PyObject *whole = PyNumber_Index(n);
    if (whole == NULL) {
        return -1;
    }
    int overflow;
    long long count = PyLong_AsLongLongAndOverflow(whole, &overflow);
    Py_DECREF(whole);
    if (overflow != 0) {
        return overflow > 0 ? PERMITS_MAX : 0;
    }
    return count < 0 ? 0 : count;
}

PyDoc_STRVAR(
    notify_doc,
    "notify($self, /, n=1)\n--\n\n"
    "Notify up to n of the threads that wait, those that have waited longest; as threading.Condition.notify.\n\n"
    "They go on once the lock is released. Raise RuntimeError if the lock is not owned.");

static PyObject *
condition_notify(condition_object *self, PyObject *const *args, Py_ssize_t count, PyObject *keywords)
{
    PyObject *n = NULL;
    if (count != 0 || keywords != NULL) {
        static const char *const names[] = {"n", NULL};
        if (unpack_arguments("Condition.notify", names, args, count, keywords, &n) < 0) {
            return NULL;
        }
    }
    if (require_owned(self, "cannot notify on un-acquired lock") < 0) {
        return NULL;
    }
    /* Who waits has joined the queue before releasing the lock that is held here. */
    if (!waitqueue_is_empty(&self->queue)) {
        int64_t wanted = n == NULL ? 1 : count_to_notify(n);
        if (wanted < 0) {
            return NULL;
        }
        notify_waiters(self, wanted);
    }
    Py_RETURN_NONE;
}

PyDoc_STRVAR(notify_all_doc,
             "notify_all($self, /)\n--\n\n"
             "Notify all threads that wait; as threading.Condition.notify_all.\n\n"
             "They go on one by one, each once the lock is released. Raise RuntimeError if the lock is not owned.");

static PyObject *
condition_notify_all(condition_object *self, PyObject *Py_UNUSED(ignored))
{
    if (!object_is_plain((PyObject *)self, condition_dealloc)) {
        /* By the method, which may have been replaced. */
        return PyObject_CallMethod((PyObject *)self, "notify", "n", (Py_ssize_t)count_waiters(&self->queue));
    }
    if (require_owned(self, "cannot notify on un-acquired lock") < 0) {
        return NULL;
    }
    if (!waitqueue_is_empty(&self->queue)) {
        notify_waiters(self, PERMITS_MAX);
    }
    Py_RETURN_NONE;
}

PyDoc_STRVAR(notify_all_alias_doc,
             "notifyAll($self, /)\n--\n\n"
             "Deprecated: use notify_all().");

static PyObject *
condition_notify_all_alias(condition_object *self, PyObject *Py_UNUSED(ignored))
{
    if (warn_deprecated("notifyAll() is deprecated, use notify_all() instead") < 0) {
        return NULL;
    }
    return PyObject_CallMethod((PyObject *)self, "notify_all", NULL);
}

/* The lock's own methods */

PyDoc_STRVAR(enter_doc,
             "__enter__($self, /)\n--\n\n"
             "Acquire the lock.");

/* Waits for our own lock, and holds it meanwhile: the condition may be given another one. */
static Py_NO_INLINE PyObject *
enter_slow(condition_object *self)
{
    PyObject *lock = Py_NewRef(self->lock);
    int taken = self->kind == OVER_RLOCK ? rlock_take((rlock_object *)lock, PARK_FOREVER)
                                         : lock_take((lock_object *)lock, PARK_FOREVER);
    Py_DECREF(lock);
    return taken < 0 ? NULL : Py_NewRef(Py_True);
}

static PyObject *
condition_enter(condition_object *self, PyObject *Py_UNUSED(ignored))
{
    bool taken;
    switch (self->kind) {
    case OVER_RLOCK:
        taken = rlock_try((rlock_object *)self->lock);
        break;
    case OVER_LOCK:
        taken = lock_try((lock_object *)self->lock);
        break;
    default:
        return call_lock(self, "__enter__", NULL);
    }
    return taken ? Py_NewRef(Py_True) : enter_slow(self);
}

PyDoc_STRVAR(exit_doc,
             "__exit__($self, /, *args)\n--\n\n"
             "Release the lock.");

static PyObject *
other_exit(condition_object *self, PyObject *const *args, Py_ssize_t count)
{
    PyObject *method = lock_method(self, "__exit__");
    PyObject *result = method == NULL ? NULL : call_in_turn(method, args, count, NULL);
    Py_XDECREF(method);
    return result;
}

static PyObject *
condition_exit(condition_object *self, PyObject *const *args, Py_ssize_t count)
{
    if (self->kind == OVER_RLOCK) {
        if (rlock_give((rlock_object *)self->lock)) {
            wait_hand_over();
            Py_RETURN_NONE;
        }
        rlock_raise_not_owned();
        return NULL;
    }
    if (self->kind == OVER_LOCK) {
        if (lock_give((lock_object *)self->lock)) {
            wait_hand_over();
            Py_RETURN_NONE;
        }
        lock_raise_unlocked();
        return NULL;
    }
    return other_exit(self, args, count);
}

PyDoc_STRVAR(
    acquire_doc,
    "acquire($self, /, blocking=True, timeout=-1)\n--\n\n"
    "Acquire the lock; as threading.Condition.acquire.\n\n"
    "It is the lock's own acquire method, which gives the result and the errors. With blocking false, do not wait.\n"
    "timeout is the longest wait in seconds; -1 means no limit.");

static PyObject *
condition_acquire(condition_object *self, PyObject *const *args, Py_ssize_t count, PyObject *keywords)
{
    if (count == 0 && keywords == NULL && is_native(self)) {
        return condition_enter(self, NULL);
    }
    PyObject *method = lock_method(self, "acquire");
    PyObject *result = method == NULL ? NULL : call_in_turn(method, args, count, keywords);
    Py_XDECREF(method);
    return result;
}

PyDoc_STRVAR(release_doc,
             "release($self, /)\n--\n\n"
             "Release the lock, by its own release method; as threading.Condition.release.");

static PyObject *
condition_release(condition_object *self, PyObject *Py_UNUSED(ignored))
{
    return is_native(self) ? condition_exit(self, NULL, 0) : call_lock(self, "release", NULL);
}

PyDoc_STRVAR(locked_doc,
             "locked($self, /)\n--\n\n"
             "Return whether the lock is locked, by its own locked method; as threading.Condition.locked.");

static PyObject *
condition_locked(condition_object *self, PyObject *Py_UNUSED(ignored))
{
    return call_lock(self, "locked", NULL);
}

PyDoc_STRVAR(is_owned_doc,
             "_is_owned($self, /)\n--\n\n"
             "Return whether this thread owns the lock, or, if the lock cannot tell, whether it is locked.");

static PyObject *
condition_is_owned(condition_object *self, PyObject *Py_UNUSED(ignored))
{
    int owned = is_owned(self);
    return owned < 0 ? NULL : PyBool_FromLong(owned);
}

PyDoc_STRVAR(release_save_doc,
             "_release_save($self, /)\n--\n\n"
             "Release the lock altogether. Return what _acquire_restore needs.");

static PyObject *
condition_release_save(condition_object *self, PyObject *Py_UNUSED(ignored))
{
    return other_release_save(self);
}

PyDoc_STRVAR(acquire_restore_doc,
             "_acquire_restore($self, state, /)\n--\n\n"
             "Acquire the lock as it was before _release_save.");

static PyObject *
condition_acquire_restore(condition_object *self, PyObject *state)
{
    return other_acquire_restore_once(self, state) < 0 ? NULL : Py_NewRef(Py_None);
}

PyDoc_STRVAR(at_fork_reinit_doc,
             "_at_fork_reinit($self, /)\n--\n\n"
             "Make the lock unlocked, as in a child after a fork. The threads that waited there do not exist here.");

static PyObject *
condition_at_fork_reinit(condition_object *self, PyObject *Py_UNUSED(ignored))
{
    return call_lock(self, "_at_fork_reinit", NULL);
}

/* Attributes */

static PyObject *
condition_get_lock(condition_object *self, void *Py_UNUSED(closure))
{
    return check_initialized(self) < 0 ? NULL : Py_NewRef(self->lock);
}

/* Appends the idents of the threads that wait in the queue. Returns 0, or -1 with an exception set. */
static int
append_idents(PyObject *list, waitqueue *queue)
{
    size_t count = count_waiters(queue);
    unsigned long *threads = PyMem_New(unsigned long, count + 1);
    if (threads == NULL) {
        PyErr_NoMemory();
        return -1;
    }
    size_t found = 0;
    waitqueue_lock(queue);
    waiter *first = waitqueue_first(queue);
    for (waiter *w = first; w != NULL && found < count; w = w->next == first ? NULL : w->next) {
        threads[found++] = w->thread;
    }
    waitqueue_unlock(queue);
    int result = 0;
    for (size_t i = 0; result == 0 && i < found; i++) {
        PyObject *ident = PyLong_FromUnsignedLong(threads[i]);
        result = ident == NULL ? -1 : PyList_Append(list, ident);
        Py_XDECREF(ident);
    }
    PyMem_Free(threads);
    return result;
}

/* The idents of the waiting threads: as long as the standard library's list of waiters. */
static PyObject *
condition_get_waiters(condition_object *self, void *Py_UNUSED(closure))
{
    PyObject *list = PyList_New(0);
    if (list == NULL || append_idents(list, &self->queue) < 0 ||
        (self->owner != NULL && append_idents(list, get_owner_queue(self)) < 0)) {
        Py_XDECREF(list);
        return NULL;
    }
    return list;
}

static PyObject *
condition_repr(condition_object *self)
{
    if (check_initialized(self) < 0) {
        return NULL;
    }
    size_t waiters = count_waiters(&self->queue) + count_waiters(get_owner_queue(self));
    PyObject *lock = Py_NewRef(self->lock);
    PyObject *repr = PyUnicode_FromFormat("<Condition(%S, %zu)>", lock, waiters);
    Py_DECREF(lock);
    return repr;
}

static PyMethodDef condition_methods[] = {
    {"acquire", OBJECT_METHOD(condition_acquire), METH_FASTCALL | METH_KEYWORDS, acquire_doc},
    {"release", OBJECT_METHOD(condition_release), METH_NOARGS, release_doc},
    {"locked", OBJECT_METHOD(condition_locked), METH_NOARGS, locked_doc},
    {"_is_owned", OBJECT_METHOD(condition_is_owned), METH_NOARGS, is_owned_doc},
    {"_release_save", OBJECT_METHOD(condition_release_save), METH_NOARGS, release_save_doc},
    {"_acquire_restore", OBJECT_METHOD(condition_acquire_restore), METH_O, acquire_restore_doc},
    {NULL},
};

/* Those that are bound methods in the standard library. */
static PyMethodDef condition_bound_methods[] = {
    {"wait", OBJECT_METHOD(condition_wait), METH_FASTCALL | METH_KEYWORDS, wait_doc},
    {"wait_for", OBJECT_METHOD(condition_wait_for), METH_FASTCALL | METH_KEYWORDS, wait_for_doc},
    {"notify", OBJECT_METHOD(condition_notify), METH_FASTCALL | METH_KEYWORDS, notify_doc},
    {"notify_all", OBJECT_METHOD(condition_notify_all), METH_NOARGS, notify_all_doc},
    {"notifyAll", OBJECT_METHOD(condition_notify_all_alias), METH_NOARGS, notify_all_alias_doc},
    {"__enter__", OBJECT_METHOD(condition_enter), METH_NOARGS, enter_doc},
    {"__exit__", OBJECT_METHOD(condition_exit), METH_FASTCALL, exit_doc},
    {"_at_fork_reinit", OBJECT_METHOD(condition_at_fork_reinit), METH_NOARGS, at_fork_reinit_doc},
    {NULL},
};

static PyGetSetDef condition_getset[] = {
    {"_lock", (getter)condition_get_lock, NULL, "The lock."},
    {"_waiters", (getter)condition_get_waiters, NULL,
     "The idents of the threads that wait and have not been notified."},
    {NULL},
};

PyDoc_STRVAR(
    condition_doc,
    "Condition(lock=None)\n--\n\n"
    "A condition variable: threads wait until another one notifies them; as threading.Condition.\n\n"
    "lock is the lock that belongs to it: a Lock or RLock, or any object with acquire and release; None makes an\n"
    "RLock. The condition is a context manager that holds the lock.");

static PyType_Slot condition_slots[] = {
    {Py_tp_doc, (void *)condition_doc}, {Py_tp_new, PyType_GenericNew},
    {Py_tp_init, condition_init},       {Py_tp_traverse, condition_traverse},
    {Py_tp_clear, condition_clear},     {Py_tp_dealloc, condition_dealloc},
    {Py_tp_repr, condition_repr},       {Py_tp_methods, condition_methods},
    {Py_tp_getset, condition_getset},   {0, NULL},
};

static PyType_Spec condition_spec = {
    .name = "cthreading.Condition",
    .basicsize = sizeof(condition_object),
    .flags = Py_TPFLAGS_DEFAULT | Py_TPFLAGS_BASETYPE | Py_TPFLAGS_HAVE_GC,
    .slots = condition_slots,
};

PyObject *
condition_make(module_state *state, PyObject *lock)
{
    PyObject *self = PyObject_CallOneArg((PyObject *)state->condition_type, lock);
    /* Somebody may have replaced its __new__. */
    if (self != NULL && !Py_IS_TYPE(self, state->condition_type)) {
        PyErr_Format(PyExc_TypeError, "Condition() returned an object of type %.100s", Py_TYPE(self)->tp_name);
        Py_CLEAR(self);
    }
    return self;
}

PyObject *
condition_make_private(module_state *state, PyObject *owner, waitqueue *queue)
{
    PyObject *lock = PyObject_CallNoArgs((PyObject *)state->lock_type);
    PyObject *self = lock == NULL ? NULL : condition_make(state, lock);
    Py_XDECREF(lock);
    if (self != NULL) {
        ((condition_object *)self)->owner = Py_NewRef(owner);
        ((condition_object *)self)->owner_queue = (uint16_t)((char *)queue - (char *)owner);
    }
    return self;
}

int
condition_notify_private(PyObject *condition)
{
    condition_object *self = (condition_object *)condition;
    if (Py_TYPE(condition)->tp_dealloc != condition_dealloc || self->kind != OVER_LOCK) {
        return 0;
    }
    lock_object *lock = (lock_object *)Py_NewRef(self->lock);
    int taken = lock_take(lock, PARK_FOREVER);
    if (taken > 0) {
        notify_waiters(self, PERMITS_MAX);
        lock_give(lock);
    }
    Py_DECREF(lock);
    return taken < 0 ? -1 : 0;
}

waitqueue *
condition_waiters(PyObject *condition)
{
    return &((condition_object *)condition)->queue;
}

int
condition_wait_held(PyObject *condition, int64_t deadline, wait_operation operation, PyObject *object)
{
    return wait_on_lock((condition_object *)condition, deadline, operation, object);
}

void
condition_notify_all_held(PyObject *condition)
{
    notify_waiters((condition_object *)condition, PERMITS_MAX);
}

int
condition_exec(PyObject *module)
{
    PyTypeObject *type = kind_add_type(module, &condition_spec, NULL, condition_bound_methods);
    if (type == NULL) {
        return -1;
    }
    type->tp_vectorcall = condition_vectorcall;
    module_get_state(module)->condition_type = type;
    return 0;
}
