/* A barrier where threads and tasks meet, tasks of any number of event loops.
 *
 * As sync/barrier.c, it has no draining: whoever ends a round takes all who wait out, threads from one queue and tasks
 * from another, and gives each its outcome: its index, or BROKEN. All state and both queues are guarded by the guard of
 * the threads' queue; nothing that can run Python code happens while that is held, but after it: threads are granted,
 * and each event loop is told, once a round, to go on with its tasks. So a task's outcome is decided by whoever takes its
 * future out, and a task that is cancelled after that has still taken part.
 *
 * Once the last one has come, the round is complete but for the action: a timeout, or a task that is cancelled, does not
 * break it any more. Whoever comes while the action runs waits in the queues of newcomers. */
#include "../sync/barrier.h"
#include "../sync/method.h"
#include "../sync/object.h"
#include "../sync/timeout.h"
#include "../sync/wait.h"
#include "coroutine.h"

/* The outcome of one whose round was broken; another outcome is an index. Until it is decided, a waiter's or a future's
 * outcome is its number in the order of arrival. */
#define BROKEN (-1)

typedef enum { STATE_FILLING, STATE_BROKEN } barrier_state;

/* The stages of wait_async(). */
enum { ARRIVING, WAITING };

typedef struct {
    PyObject_HEAD
    PyObject *weakrefs;
    PyObject *dict;
    PyObject *module;
    PyObject *get_running_loop;
    PyObject *broken_error;

    /* Guarded by the guard of `threads`. */
    PyObject *action;  /* NULL: none */
    PyObject *timeout; /* NULL: none */
    int64_t parties;
    int64_t count; /* who have arrived in this round */
    int arrivals;  /* the next one's number in the order of arrival */
    uint32_t round;
    uint32_t generation; /* in which the barrier was last used */
    barrier_state state;
    uint64_t in_action; /* the number of the thread that runs the action; 0: none does */
    waitqueue threads;
    future_queue tasks;
    waitqueue newcomer_threads;
    future_queue newcomer_tasks;
} barrier_object;

/* Those who were taken out of the queues together. */
typedef struct {
    waiter *threads;
    future *tasks;
} group;

/* In a forked child: threads but the one that forked are gone, and so are event loops; nobody of them takes part. */
static void
forget_others(barrier_object *self)
{
    bool own_action = self->in_action != 0 && self->in_action == waiter_survivor;
    self->generation = waiter_generation;
    self->in_action = own_action ? self->in_action : 0;
    self->count = (int64_t)waitqueue_count(&self->threads) + own_action;
    future *tasks = future_queue_take_all(&self->tasks);
    future *newcomers = future_queue_take_all(&self->newcomer_tasks);
    waitqueue_unlock(&self->threads);
    futures_forget(tasks);
    futures_forget(newcomers);
    waitqueue_lock(&self->threads);
}

static void
lock(barrier_object *self)
{
    waitqueue_lock(&self->threads);
    while (self->generation != waiter_generation) {
        forget_others(self);
    }
}

static void
unlock(barrier_object *self)
{
    waitqueue_unlock(&self->threads);
}

/* Ends the round: counts from zero again. The barrier is locked. Returns who waited, for `release`. */
static group
end_round(barrier_object *self, barrier_state state)
{
    self->state = state;
    self->count = 0;
    self->arrivals = 0;
    self->round++;
    return (group){waitqueue_take_all(&self->threads), future_queue_take_all(&self->tasks)};
}

/* Gives those of a group their indices, in the order of arrival. Returns the next one. */
static int
give_indices(group all)
{
    int index = 0;
    waiter *thread = all.threads;
    future *task = all.tasks;
    while (thread != NULL || task != NULL) {
        if (task == NULL || (thread != NULL && thread->outcome < task->outcome)) {
            thread->outcome = index++;
            thread = thread->next;
        }
        else {
            task->outcome = index++;
            task = task->next;
        }
    }
    return index;
}

static void
give_broken(group all)
{
    for (waiter *thread = all.threads; thread != NULL; thread = thread->next) {
        thread->outcome = BROKEN;
    }
    for (future *task = all.tasks; task != NULL; task = task->next) {
        task->outcome = BROKEN;
    }
}

/* Lets those of a group go on, with the outcomes that they have. The barrier is unlocked. An exception that is set stays,
 * or becomes the context of another. Returns -1 with an exception set if an event loop raised one; everybody has been let
 * go all the same. */
static int
release(barrier_object *self, group all, bool in_callback)
{
    waiters_grant_each(all.threads);
    if (all.tasks == NULL) {
        return 0;
    }
    PyObject *raised = PyErr_GetRaisedException();
    PyObject *running = in_callback ? PyObject_CallNoArgs(self->get_running_loop) : NULL;
    if (running == NULL) {
        PyErr_Clear(); /* what it is good for is only speed */
    }
    int error = futures_wake(module_get_state(self->module), all.tasks, running);
    Py_XDECREF(running);
    if (error < 0) {
        raised = exception_chain(PyErr_GetRaisedException(), raised);
    }
    if (raised != NULL) {
        PyErr_SetRaisedException(raised);
    }
    return error;
}

/* Ends the round with everybody in it told that it is broken. Returns -1 with an exception set as `release` does. */
static int
break_round(barrier_object *self, barrier_state state)
{
    lock(self);
    group all = end_round(self, state);
    unlock(self);
    give_broken(all);
    /* Perhaps in a signal handler, while the event loop of this very thread sleeps: it has to be woken. */
    return release(self, all, false);
}

static PyObject *
raise_broken(barrier_object *self)
{
    PyErr_SetNone(self->broken_error);
    return NULL;
}

static PyObject *
outcome_to_index(barrier_object *self, int outcome)
{
    return outcome == BROKEN ? raise_broken(self) : PyLong_FromLong(outcome);
}

/* Calls the action. The barrier is locked, before and after. Returns whether that failed, with an exception set. */
static bool
run_action(barrier_object *self, group *newcomers)
{
    PyObject *action = Py_NewRef(self->action);
    self->count++;
    self->in_action = waiter_thread();
    unlock(self);
    bool failed = barrier_call_action(action) < 0;
    Py_DECREF(action);
    lock(self);
    self->in_action = 0;
    waitqueue_lock(&self->newcomer_threads);
    newcomers->threads = waitqueue_take_all(&self->newcomer_threads);
    waitqueue_unlock(&self->newcomer_threads);
    newcomers->tasks = future_queue_take_all(&self->newcomer_tasks);
    return failed;
}

/* The last one has arrived, and is not counted yet: runs the action and lets all go. The barrier is locked, and unlocked
 * when it returns. Returns the caller's index, or NULL with an exception set. */
static PyObject *
trip(barrier_object *self)
{
    uint32_t round = self->round;
    group newcomers = {NULL, NULL};
    bool failed = self->action != NULL && run_action(self, &newcomers);
    bool broken = self->round != round;
    group all = {NULL, NULL};
    if (!broken) {
        all = end_round(self, failed ? STATE_BROKEN : STATE_FILLING);
    }
    unlock(self);

    int index = 0;
    if (failed) {
        give_broken(all);
    }
    else {
        index = give_indices(all);
    }
    int error = release(self, all, true);
    give_broken(newcomers); /* They do not look at it. */
    error |= release(self, newcomers, true);
    if (failed || error < 0) {
        return NULL;
    }
    return outcome_to_index(self, broken ? BROKEN : index);
}

/* Whether the calling thread runs the action. The barrier is locked. */
static bool
is_own_action(barrier_object *self)
{
    return self->in_action == waiter_thread();
}

/* The time of one of those who wait is over: breaks the round if it still waits for somebody. Returns -1 with an
 * exception set as `release` does. */
static int
time_out(barrier_object *self, waiter *thread, future *task)
{
    group all = {NULL, NULL};
    lock(self);
    if (self->in_action == 0 && (thread != NULL ? waitqueue_has(&self->threads, thread) : task->queued)) {
        all = end_round(self, STATE_BROKEN);
    }
    unlock(self);
    give_broken(all);
    return release(self, all, true);
}

/* Threads */

/* Waits until the action is over that another thread runs. The barrier is locked, and unlocked when it returns.
 * Returns 0, or -1 with an exception set. */
static int
wait_for_action(barrier_object *self)
{
    waiter *w = barrier_join_newcomers((PyObject *)self, &self->newcomer_threads);
    unlock(self);
    return barrier_wait_for_action(w, &self->newcomer_threads);
}

/* A thread leaves by an exception. As in threading.Barrier, the others wait on. */
static void
leave(barrier_object *self, waiter *w)
{
    lock(self);
    bool waiting = waitqueue_has(&self->threads, w);
    if (waiting) {
        waitqueue_remove(&self->threads, w);
        self->count--;
    }
    unlock(self);
    if (!waiting) {
        wait_settle(w);
    }
}

/* Has arrived, and waits for the others. Returns the index, or NULL with an exception set. */
static PyObject *
wait_for_others(barrier_object *self, waiter *w, PyObject *timeout)
{
    int64_t wait = timeout == NULL ? PARK_FOREVER : wait_from_total_timeout(timeout);
    int granted = wait < 0 ? -1 : wait == 0 ? 0 : wait_granted(w, deadline_after(wait));
    int error = 0;
    if (granted == 0) {
        error = time_out(self, w, NULL);
        PyObject *raised = PyErr_GetRaisedException();
        granted = wait_granted(w, PARK_FOREVER);
        if (raised != NULL) {
            PyErr_SetRaisedException(granted < 0 ? exception_chain(PyErr_GetRaisedException(), raised) : raised);
        }
    }
    if (granted < 0) {
        leave(self, w);
        return NULL;
    }
    return error < 0 ? NULL : outcome_to_index(self, w->outcome);
}

static PyObject *
wait_with(barrier_object *self, PyObject *timeout)
{
    lock(self);
    while (self->in_action != 0) {
        if (is_own_action(self)) {
            unlock(self);
            return barrier_raise_own_action();
        }
        if (wait_for_action(self) < 0) {
            return NULL;
        }
        lock(self);
    }
    if (self->state == STATE_BROKEN) {
        unlock(self);
        return raise_broken(self);
    }
    if (self->count + 1 >= self->parties) {
        return trip(self);
    }
    waiter *w = wait_begin(WAIT_WAIT, (PyObject *)self);
    if (w != NULL) {
        self->count++;
        w->outcome = self->arrivals++;
        waitqueue_add(&self->threads, w);
    }
    unlock(self);
    if (w == NULL) {
        return NULL;
    }
    PyObject *index = wait_for_others(self, w, timeout);
    wait_end(w);
    return index;
}

/* The timeout to use where this one is given (NULL: none is): a new reference, or NULL for none. */
static PyObject *
choose_timeout(barrier_object *self, PyObject *given)
{
    if (given != NULL && given != Py_None) {
        return Py_NewRef(given);
    }
    lock(self);
    PyObject *timeout = Py_XNewRef(self->timeout);
    unlock(self);
    return timeout;
}

PyDoc_STRVAR(
    wait_doc,
    "wait($self, /, timeout=None)\n--\n\n"
    "Block the thread until as many threads and tasks wait as the barrier has parties.\n\n"
    "As threading.Barrier.wait: the last to arrive runs the action, then all go on. timeout is the longest wait in\n"
    "seconds, None the one that the barrier was made with. Return an int from 0 to parties - 1, another one for\n"
    "each, in the order of arrival. Raise BrokenBarrierError if the barrier is or gets broken, or is reset\n"
    "meanwhile; a timeout breaks it. Raise RuntimeError in a thread whose event loop is running, as that would\n"
    "stand still: a task awaits wait_async().");

static PyObject *
barrier_wait(barrier_object *self, PyObject *const *args, Py_ssize_t count, PyObject *keywords)
{
    static const char *const names[] = {"timeout", NULL};
    PyObject *timeout;
    if (unpack_arguments("MixedBarrier.wait", names, args, count, keywords, &timeout) < 0) {
        return NULL;
    }
    PyObject *running = PyObject_CallNoArgs(self->get_running_loop);
    if (running == NULL) {
        return NULL;
    }
    bool blocks_loop = running != Py_None;
    Py_DECREF(running);
    if (blocks_loop) {
        PyErr_SetString(PyExc_RuntimeError, "wait() would block the running event loop; await wait_async()");
        return NULL;
    }
    timeout = choose_timeout(self, timeout);
    PyObject *index = wait_with(self, timeout);
    Py_XDECREF(timeout);
    return index;
}

/* Tasks */

static barrier_object *
barrier_of(coroutine *self)
{
    return (barrier_object *)self->owner;
}

/* Stops the timer. An exception that is set stays, or becomes the context of another. Returns -1 with an exception set if
 * that raised one. */
static int
stop_timer(coroutine *self)
{
    PyObject *timer = self->timer;
    if (timer == NULL) {
        return 0;
    }
    self->timer = NULL;
    PyObject *raised = PyErr_GetRaisedException();
    PyObject *none = PyObject_CallMethod(timer, "cancel", NULL);
    Py_DECREF(timer);
    if (none == NULL) {
        raised = exception_chain(PyErr_GetRaisedException(), raised);
    }
    if (raised != NULL) {
        PyErr_SetRaisedException(raised);
    }
    Py_XDECREF(none);
    return none == NULL ? -1 : 0;
}

/* What the event loop calls when a task's time is over. */
static PyObject *
time_out_wait(PyObject *module, PyObject *const *args, Py_ssize_t count)
{
    module_state *state = module_get_state(module);
    if (count != 2 || state->mixed_barrier_type == NULL || !PyObject_TypeCheck(args[0], state->mixed_barrier_type) ||
        !future_is(state, args[1])) {
        return future_refuse();
    }
    return time_out((barrier_object *)args[0], NULL, (future *)args[1]) < 0 ? NULL : Py_NewRef(Py_None);
}

/* Has the event loop break the round after the timeout, if any. Returns -1 with an exception set. */
static int
start_timer(coroutine *self, future *waiting)
{
    barrier_object *barrier = barrier_of(self);
    PyObject *timeout = choose_timeout(barrier, self->timeout);
    int64_t wait = timeout == NULL ? PARK_FOREVER : wait_from_total_timeout(timeout);
    Py_XDECREF(timeout);
    if (wait < 0) {
        return -1;
    }
    if (wait == PARK_FOREVER) {
        return 0;
    }
    if (wait == 0) {
        return time_out(barrier, NULL, waiting);
    }
    self->timer = PyObject_CallMethod(waiting->loop, "call_later", "dOOO", (double)wait / 1e9,
                                      module_get_state(barrier->module)->time_out_wait, barrier, waiting);
    return self->timer == NULL ? -1 : 0;
}

/* A task that has arrived leaves: if it is for an exception of its own, the others wait on, as when a thread does; else
 * the round breaks, unless all have come. An exception is set, and stays or becomes the context of another. */
static void
leave_task(coroutine *self, future *waiting, bool breaks)
{
    barrier_object *barrier = barrier_of(self);
    group all = {NULL, NULL};
    lock(barrier);
    if (waiting->queued && barrier->in_action == 0) {
        future_queue_remove(&barrier->tasks, waiting);
        barrier->count--;
        if (breaks) {
            all = end_round(barrier, STATE_BROKEN);
        }
    }
    unlock(barrier);
    stop_timer(self);
    give_broken(all);
    release(barrier, all, true);
}

/* Returns a new reference to the event loop that runs in this thread, or NULL with an exception set. */
static PyObject *
get_loop(barrier_object *self)
{
    PyObject *loop = PyObject_CallNoArgs(self->get_running_loop);
    if (loop == Py_None) {
        PyErr_SetString(PyExc_RuntimeError, "no running event loop");
        Py_CLEAR(loop);
    }
    return loop;
}

/* The stages at which a task may find itself in the barrier. */
typedef enum { MUST_WAIT_FOR_ACTION, MUST_WAIT, IS_LAST, IS_BROKEN, IS_OWN_ACTION } arrival;

/* The barrier is locked, and stays so if the task is the last. Adds the future to a queue if the task has to wait. */
static arrival
arrive(barrier_object *self, future *waiting)
{
    arrival found;
    if (self->in_action != 0) {
        found = is_own_action(self) ? IS_OWN_ACTION : MUST_WAIT_FOR_ACTION;
    }
    else if (self->state == STATE_BROKEN) {
        found = IS_BROKEN;
    }
    else {
        found = self->count + 1 >= self->parties ? IS_LAST : MUST_WAIT;
    }
    if (found == MUST_WAIT) {
        self->count++;
        waiting->outcome = self->arrivals++;
        future_queue_append(&self->tasks, waiting);
    }
    else if (found == MUST_WAIT_FOR_ACTION) {
        future_queue_append(&self->newcomer_tasks, waiting);
    }
    if (found != IS_LAST) {
        unlock(self);
    }
    return found;
}

static PySendResult
return_index(PyObject *index, PyObject **result)
{
    *result = index;
    return index == NULL ? PYGEN_ERROR : PYGEN_RETURN;
}

/* Waits, with the future, which it steals, in the tasks' queue. */
static PySendResult
wait_task(coroutine *self, future *waiting, PyObject **result)
{
    self->stage = WAITING;
    if (start_timer(self, waiting) < 0) {
        leave_task(self, waiting, false);
        Py_DECREF(waiting);
        return PYGEN_ERROR;
    }
    return coroutine_suspend(self, NULL, waiting, result);
}

static PySendResult
wait_arrive(coroutine *self, PyObject **result)
{
    barrier_object *barrier = barrier_of(self);
    PyObject *loop = get_loop(barrier);
    future *waiting = loop == NULL ? NULL : future_new(self->module, loop);
    Py_XDECREF(loop);
    if (waiting == NULL) {
        return PYGEN_ERROR;
    }
    lock(barrier);
    PyObject *index = NULL;
    switch (arrive(barrier, waiting)) {
    case MUST_WAIT:
        return wait_task(self, waiting, result);
    case MUST_WAIT_FOR_ACTION:
        return coroutine_suspend(self, NULL, waiting, result);
    case IS_LAST:
        index = trip(barrier);
        break;
    case IS_BROKEN:
        raise_broken(barrier);
        break;
    case IS_OWN_ACTION:
        barrier_raise_own_action();
        break;
    }
    Py_DECREF(waiting);
    return return_index(index, result);
}

static PySendResult
wait_resume(coroutine *self, future *awaited, PyObject **result)
{
    if (self->stage == ARRIVING) {
        return wait_arrive(self, result);
    }
    return return_index(stop_timer(self) < 0 ? NULL : outcome_to_index(barrier_of(self), awaited->outcome), result);
}

static void
wait_fail(coroutine *self, future *awaited)
{
    if (self->stage == WAITING) {
        leave_task(self, awaited, true);
        return;
    }
    barrier_object *barrier = barrier_of(self);
    lock(barrier);
    if (awaited->queued) {
        future_queue_remove(&barrier->newcomer_tasks, awaited);
    }
    unlock(barrier);
}

static PySendResult
exit_resume(coroutine *Py_UNUSED(self), future *Py_UNUSED(awaited), PyObject **result)
{
    *result = Py_NewRef(Py_None);
    return PYGEN_RETURN;
}

static const coroutine_kind wait_kind = {"wait_async", "MixedBarrier.wait_async", wait_resume, wait_fail};
static const coroutine_kind exit_kind = {"__aexit__", "MixedBarrier.__aexit__", exit_resume, NULL};

PyDoc_STRVAR(
    wait_async_doc,
    "wait_async($self, /, timeout=None)\n--\n\n"
    "Have the task wait until as many threads and tasks wait as the barrier has parties. This is a coroutine.\n\n"
    "The timeout, in seconds, what is returned and what is raised are those of wait(). The tasks may be of different\n"
    "event loops. If the last to arrive is a task, it runs the action, and its event loop waits for that. Cancelling a\n"
    "task breaks the barrier, as a timeout does; once all have come, it only ends the task.");

static PyObject *
barrier_wait_async(barrier_object *self, PyObject *const *args, Py_ssize_t count, PyObject *keywords)
{
    static const char *const names[] = {"timeout", NULL};
    PyObject *timeout;
    if (unpack_arguments("MixedBarrier.wait_async", names, args, count, keywords, &timeout) < 0) {
        return NULL;
    }
    PyObject *made = coroutine_new(module_get_state(self->module), &wait_kind, (PyObject *)self);
    if (made != NULL) {
        ((coroutine *)made)->timeout = Py_XNewRef(timeout);
    }
    return made;
}

PyDoc_STRVAR(enter_doc,
             "__aenter__($self, /)\n--\n\n"
             "Wait as wait_async() does, and give the index.");

static PyObject *
barrier_enter(barrier_object *self, PyObject *Py_UNUSED(ignored))
{
    /* A subclass may have its own. */
    return PyObject_CallMethod((PyObject *)self, "wait_async", NULL);
}

PyDoc_STRVAR(exit_doc,
             "__aexit__($self, /, *args)\n--\n\n"
             "Do nothing.");

static PyObject *
barrier_exit(barrier_object *self, PyObject *const *Py_UNUSED(args), Py_ssize_t Py_UNUSED(count))
{
    return coroutine_new(module_get_state(self->module), &exit_kind, (PyObject *)self);
}

/* Both */

PyDoc_STRVAR(reset_doc,
             "reset($self, /)\n--\n\n"
             "Make the barrier as new; from any thread.\n\n"
             "Threads and tasks that wait get BrokenBarrierError.");

static PyObject *
barrier_reset(barrier_object *self, PyObject *Py_UNUSED(ignored))
{
    return break_round(self, STATE_FILLING) < 0 ? NULL : Py_NewRef(Py_None);
}

PyDoc_STRVAR(abort_doc,
             "abort($self, /)\n--\n\n"
             "Break the barrier; from any thread.\n\n"
             "Threads and tasks that wait, and those that come before a reset(), get BrokenBarrierError.");

static PyObject *
barrier_abort(barrier_object *self, PyObject *Py_UNUSED(ignored))
{
    return break_round(self, STATE_BROKEN) < 0 ? NULL : Py_NewRef(Py_None);
}

static PyObject *
get_parties(barrier_object *self, void *Py_UNUSED(closure))
{
    lock(self);
    int64_t parties = self->parties;
    unlock(self);
    return PyLong_FromLongLong(parties);
}

static PyObject *
get_n_waiting(barrier_object *self, void *Py_UNUSED(closure))
{
    lock(self);
    int64_t count = self->count;
    unlock(self);
    return PyLong_FromLongLong(count);
}

static PyObject *
get_broken(barrier_object *self, void *Py_UNUSED(closure))
{
    lock(self);
    bool broken = self->state == STATE_BROKEN;
    unlock(self);
    return PyBool_FromLong(broken);
}

static PyObject *
barrier_repr(PyObject *self)
{
    return object_repr(self, barrier_describe(self));
}

static PyObject *
barrier_new(PyTypeObject *type, PyObject *Py_UNUSED(args), PyObject *Py_UNUSED(keywords))
{
    barrier_object *self = (barrier_object *)type->tp_alloc(type, 0);
    if (self == NULL) {
        return NULL;
    }
    self->parties = 1;
    self->generation = waiter_generation;
    self->module = Py_XNewRef(PyType_GetModuleByDef(type, &module_definition));
    /* Here, so that nobody imports asyncio who has no barrier. */
    self->get_running_loop = module_import_from("asyncio.events", "_get_running_loop");
    self->broken_error =
        self->get_running_loop == NULL ? NULL : module_import_from("cthreading.aio", "BrokenBarrierError");
    if (self->module == NULL || self->get_running_loop == NULL || self->broken_error == NULL) {
        Py_DECREF(self);
        return NULL;
    }
    return (PyObject *)self;
}

static int
barrier_init(PyObject *object, PyObject *args, PyObject *keywords)
{
    static const char *const names[] = {"parties", "action", "timeout", NULL};
    PyObject *values[3];
    if (unpack_tuple_and_dict("MixedBarrier", names, args, keywords, values) < 0) {
        return -1;
    }
    if (values[0] == NULL) {
        PyErr_SetString(PyExc_TypeError, "MixedBarrier.__init__() missing 1 required positional argument: 'parties'");
        return -1;
    }
    barrier_object *self = (barrier_object *)object;
    int64_t parties;
    if (barrier_parties(values[0], &parties) < 0) {
        return -1;
    }
    PyObject *action = Py_XNewRef(values[1] == Py_None ? NULL : values[1]);
    PyObject *timeout = Py_XNewRef(values[2] == Py_None ? NULL : values[2]);
    lock(self);
    PyObject *old_action = self->action;
    PyObject *old_timeout = self->timeout;
    self->action = action;
    self->timeout = timeout;
    self->parties = parties;
    unlock(self);
    Py_XDECREF(old_action);
    Py_XDECREF(old_timeout);
    return break_round(self, STATE_FILLING);
}

static int
barrier_traverse(barrier_object *self, visitproc visit, void *arg)
{
    Py_VISIT(Py_TYPE(self));
    Py_VISIT(self->dict);
    Py_VISIT(self->module);
    Py_VISIT(self->get_running_loop);
    Py_VISIT(self->broken_error);
    Py_VISIT(self->action);
    Py_VISIT(self->timeout);
    int stopped = future_queue_traverse(&self->tasks, visit, arg);
    return stopped != 0 ? stopped : future_queue_traverse(&self->newcomer_tasks, visit, arg);
}

static int
barrier_clear(barrier_object *self)
{
    Py_CLEAR(self->dict);
    Py_CLEAR(self->action);
    Py_CLEAR(self->timeout);
    return 0;
}

/* No queue has anybody in it: who waits holds a reference. */
static void
barrier_dealloc(PyObject *object)
{
    barrier_object *self = (barrier_object *)object;
    PyObject_GC_UnTrack(object);
    Py_TRASHCAN_BEGIN(object, barrier_dealloc) PyObject_ClearWeakRefs(object);
    barrier_clear(self);
    futures_forget(future_queue_take_all(&self->tasks));
    futures_forget(future_queue_take_all(&self->newcomer_tasks));
    Py_CLEAR(self->module);
    Py_CLEAR(self->get_running_loop);
    Py_CLEAR(self->broken_error);
    object_free(object);
    Py_TRASHCAN_END
}

static PyMethodDef barrier_methods[] = {
    {"wait", OBJECT_METHOD(barrier_wait), METH_FASTCALL | METH_KEYWORDS, wait_doc},
    {"wait_async", OBJECT_METHOD(barrier_wait_async), METH_FASTCALL | METH_KEYWORDS, wait_async_doc},
    {"reset", OBJECT_METHOD(barrier_reset), METH_NOARGS, reset_doc},
    {"abort", OBJECT_METHOD(barrier_abort), METH_NOARGS, abort_doc},
    {"__aenter__", OBJECT_METHOD(barrier_enter), METH_NOARGS, enter_doc},
    {"__aexit__", OBJECT_METHOD(barrier_exit), METH_FASTCALL, exit_doc},
    {NULL},
};

static PyMemberDef barrier_members[] = {
    {"__weaklistoffset__", Py_T_PYSSIZET, offsetof(barrier_object, weakrefs), Py_READONLY},
    {"__dictoffset__", Py_T_PYSSIZET, offsetof(barrier_object, dict), Py_READONLY},
    {NULL},
};

static PyGetSetDef barrier_getset[] = {
    {"__dict__", PyObject_GenericGetDict, PyObject_GenericSetDict},
    {"parties", (getter)get_parties, NULL, "How many threads and tasks it takes."},
    {"n_waiting", (getter)get_n_waiting, NULL, "How many threads and tasks wait now."},
    {"broken", (getter)get_broken, NULL, "Whether the barrier is broken."},
    {NULL},
};

PyDoc_STRVAR(
    barrier_doc,
    "MixedBarrier(parties, action=None, timeout=None)\n--\n\n"
    "Where threads and asyncio tasks, of any number of event loops, wait for each other; as threading.Barrier.\n\n"
    "Threads call wait(), tasks await wait_async() or enter the barrier by `async with`. action is called by the last\n"
    "to arrive, before any goes on. timeout is the default for both ways to wait, in seconds; None means no limit. The\n"
    "barrier can be used again and again. Raise ValueError if parties is less than one.");

static PyType_Slot barrier_slots[] = {
    {Py_tp_doc, (void *)barrier_doc}, {Py_tp_new, barrier_new},
    {Py_tp_init, barrier_init},       {Py_tp_traverse, barrier_traverse},
    {Py_tp_clear, barrier_clear},     {Py_tp_dealloc, barrier_dealloc},
    {Py_tp_repr, barrier_repr},       {Py_tp_members, barrier_members},
    {Py_tp_getset, barrier_getset},   {0, NULL},
};

static PyType_Spec barrier_spec = {
    .name = "cthreading.aio.MixedBarrier",
    .basicsize = sizeof(barrier_object),
    .flags = Py_TPFLAGS_DEFAULT | Py_TPFLAGS_BASETYPE | Py_TPFLAGS_HAVE_GC,
    .slots = barrier_slots,
};

static PyMethodDef time_out_wait_method = {"time_out_wait", OBJECT_METHOD(time_out_wait), METH_FASTCALL, NULL};

int
aio_mixed_barrier_exec(PyObject *module)
{
    module_state *state = module_get_state(module);
    state->time_out_wait = PyCFunction_New(&time_out_wait_method, module);
    PyObject *type = state->time_out_wait == NULL ? NULL : PyType_FromModuleAndSpec(module, &barrier_spec, NULL);
    state->mixed_barrier_type = (PyTypeObject *)type;
    int error = type == NULL ? -1 : methods_add(module, (PyTypeObject *)type, barrier_methods);
    return error < 0 ? -1 : PyModule_AddObjectRef(module, "_AioMixedBarrier", type);
}
