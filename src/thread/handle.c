/* The life of OS threads. See handle.h. */
#ifndef _GNU_SOURCE
#define _GNU_SOURCE /* pthread_atfork */
#endif
#include "handle.h"

#include <sched.h>
#include <stdlib.h>
#include <time.h>

#include "../park/admission.h"
#include "../stats.h"
#include "../sync/wait.h"
#include "reuse.h"

/* What the starter tells the new thread. */
#define ORDER_WAIT 0
#define ORDER_CALL 1
#define ORDER_END 2

static pthread_once_t setup_once = PTHREAD_ONCE_INIT;
static int setup_error;

static pthread_mutex_t mutex = PTHREAD_MUTEX_INITIALIZER;
static thread_handle *living;

static void
lock_all(void)
{
    pthread_mutex_lock(&mutex);
}

static void
unlock_all(void)
{
    pthread_mutex_unlock(&mutex);
}

static void
list_add(thread_handle *self)
{
    self->previous = NULL;
    self->next = living;
    if (living != NULL) {
        living->previous = self;
    }
    living = self;
    self->listed = true;
}

static void
list_remove(thread_handle *self)
{
    if (!self->listed) {
        return;
    }
    if (self->previous != NULL) {
        self->previous->next = self->next;
    }
    else {
        living = self->next;
    }
    if (self->next != NULL) {
        self->next->previous = self->previous;
    }
    self->listed = false;
}

/* The threads that exist only in the parent are done. Their joiners are gone too, but for a wait that this thread
 * itself is in, which looks at `done`. */
static void
after_fork_in_child(void)
{
    thread_handle *next;
    for (thread_handle *self = living; self != NULL; self = next) {
        next = self->next;
        if (!pthread_equal(self->thread, pthread_self())) {
            list_remove(self);
            atomic_store(&self->born, true);
            atomic_store(&self->done, true);
        }
    }
    unlock_all();
}

static void
setup(void)
{
    setup_error = pthread_atfork(lock_all, unlock_all, after_fork_in_child);
    if (setup_error == 0) {
        setup_error = reuse_setup();
    }
}

int
handle_setup(void)
{
    pthread_once(&setup_once, setup);
    return setup_error;
}

thread_handle *
handle_new(void)
{
    thread_handle *self = calloc(1, sizeof(thread_handle));
    if (self == NULL || parker_init(&self->start) != 0) {
        free(self);
        PyErr_NoMemory();
        return NULL;
    }
    self->references = 1;
    self->reaped = true;
    self->interpreter = PyInterpreterState_Get();
    return self;
}

thread_handle *
handle_take(thread_handle *self)
{
    atomic_fetch_add_explicit(&self->references, 1, memory_order_relaxed);
    return self;
}

/* Whether it falls to the caller to give the OS thread's remains back. */
static bool
claim_remains(thread_handle *self)
{
    return !atomic_exchange(&self->reaped, true) && self->generation == waiter_generation;
}

void
handle_drop(thread_handle *self)
{
    if (atomic_fetch_sub_explicit(&self->references, 1, memory_order_acq_rel) != 1) {
        return;
    }
    lock_all();
    list_remove(self);
    unlock_all();
    if (claim_remains(self)) {
        pthread_detach(self->thread);
    }
    free(self);
}

void
handle_adopt(thread_handle *self, unsigned long ident, unsigned long native_id)
{
    self->daemon = true;
    self->ident = ident;
    self->thread = (pthread_t)ident;
    atomic_store(&self->native_id, native_id);
    atomic_store(&self->born, true);
    lock_all();
    if (!self->listed && !handle_is_done(self)) {
        list_add(self);
    }
    unlock_all();
}

/* Gets the interpreter. `used` is the OS thread if it has been used before. */
static void
come_in(PyThreadState *thread_state, PyInterpreterState *interpreter, reusable *used)
{
    int64_t asked = 0;
    bool concerned = wait_concerns_admission(interpreter);
    if (concerned) {
        asked = admission_approach();
    }
    PyEval_RestoreThread(thread_state);
    int64_t now = concerned ? park_now() : 0;
    if (used != NULL) {
        reuse_arrive(used, asked, now);
    }
    else if (concerned) {
        admission_enter(asked, now);
    }
}

static void
go_out(void)
{
    bool concerned = wait_concerns_admission(PyInterpreterState_Get());
    waiter *next = concerned ? admission_leave() : NULL;
    PyThreadState_DeleteCurrent();
    if (concerned) {
        admission_let_go(next);
    }
}

static void
run_body(thread_handle *self, reusable *used)
{
    PyThreadState *thread_state = PyThreadState_New(self->interpreter);
    atomic_store(&self->born, true);
    if (thread_state == NULL) {
        if (used != NULL) {
            reuse_stay_out(used);
        }
        return;
    }
    come_in(thread_state, self->interpreter, used);
    self->body(self->argument);
    PyThreadState_Clear(thread_state);
    go_out();
}

bool
handle_has_order(thread_handle *self)
{
    return atomic_load_explicit(&self->order, memory_order_acquire) != ORDER_WAIT;
}

static void
do_as_ordered(thread_handle *self, reusable *used)
{
    if (self->order == ORDER_CALL) {
        run_body(self, used);
    }
    else if (used != NULL) {
        reuse_stay_out(used);
    }
}

static void
end(thread_handle *self)
{
    handle_finish(self);
    handle_drop(self);
}

/* An OS thread that does the work of one handle after the other. */
static void
serve(reusable *self, thread_handle *first)
{
    reuse_begin(self);
    do_as_ordered(first, NULL);
    reuse_offer(self);
    end(first);
    thread_handle *handle;
    while ((handle = reuse_wait(self)) != NULL) {
        do_as_ordered(handle, self);
        reuse_offer(self);
        end(handle);
    }
}

static void *
thread_main(void *argument)
{
    thread_handle *self = argument;
#ifdef PY_HAVE_THREAD_NATIVE_ID
    atomic_store(&self->native_id, PyThread_get_thread_native_id());
#endif
    while (!handle_has_order(self)) {
        parker_park(&self->start, PARK_FOREVER);
    }
    if (self->reusable != NULL) {
        serve(self->reusable, self);
    }
    else {
        do_as_ordered(self, NULL);
        end(self);
    }
    return NULL;
}

static int
create_os_thread(thread_handle *self)
{
    pthread_attr_t attributes;
    int error = pthread_attr_init(&attributes);
    if (error != 0) {
        return error;
    }
    size_t stack_size = PyThread_get_stacksize();
    if (stack_size != 0) {
        error = pthread_attr_setstacksize(&attributes, stack_size);
    }
    if (error == 0) {
        error = pthread_create(&self->thread, &attributes, thread_main, self);
    }
    pthread_attr_destroy(&attributes);
    return error;
}

/* Creates an OS thread for the handle. Returns 0 or an errno value. */
static int
begin_os_thread(thread_handle *self)
{
    self->reusable = reuse_new();
    /* One that is used again is joined by nobody. */
    bool joinable = self->reusable == NULL;
    int error = create_os_thread(self);
    if (error != 0 && self->reusable != NULL) {
        reuse_free(self->reusable);
        self->reusable = NULL;
    }
    if (error == 0 && joinable) {
        atomic_store(&self->reaped, false);
    }
    return error;
}

int
handle_create(thread_handle *self, void (*body)(void *), void *argument)
{
    self->body = body;
    self->argument = argument;
    self->generation = waiter_generation;
    atomic_store(&self->order, ORDER_WAIT);
    atomic_store(&self->born, false);
    handle_take(self);
    self->used = reuse_take();
    if (self->used != NULL) {
        reuse_assign(self->used, self);
    }
    lock_all();
    list_add(self);
    unlock_all();
    int error = self->used == NULL ? begin_os_thread(self) : 0;
    if (error != 0) {
        lock_all();
        list_remove(self);
        unlock_all();
        atomic_store(&self->born, true);
        handle_drop(self);
        return error;
    }
    self->ident = (unsigned long)self->thread;
    stats_count(&stats.threads);
    return 0;
}

void
handle_proceed(thread_handle *self, bool call)
{
    waiter *w = self->used == NULL ? NULL : reuse_get_ready(self->used, call);
    if (!call) {
        atomic_store(&self->born, true);
    }
    atomic_store_explicit(&self->order, call ? ORDER_CALL : ORDER_END, memory_order_release);
    if (w != NULL) {
        waiter_wake(w);
    }
    else {
        parker_unpark(&self->start);
    }
}

/* Lets other threads run, for waits that take no longer than a new thread needs to come up. */
static void
give_way(unsigned *turns)
{
    Py_BEGIN_ALLOW_THREADS if (++*turns < 100)
    {
        sched_yield();
    }
    else
    {
        nanosleep(&(struct timespec){.tv_nsec = 50000}, NULL);
    }
    Py_END_ALLOW_THREADS
}

void
handle_wait_for_birth(thread_handle *self)
{
    unsigned turns = 0;
    while (!atomic_load(&self->born)) {
        give_way(&turns);
    }
}

unsigned long
handle_native_id(thread_handle *self)
{
    unsigned turns = 0;
    unsigned long native_id;
    while ((native_id = atomic_load(&self->native_id)) == 0 && self->ident != 0 && !handle_is_done(self)) {
        give_way(&turns);
    }
    return native_id;
}

void
handle_finish(thread_handle *self)
{
    lock_all();
    if (!handle_is_done(self)) {
        list_remove(self);
        waitqueue_lock(&self->joiners);
        atomic_store_explicit(&self->done, true, memory_order_release);
        waiter *first = waitqueue_take_all(&self->joiners);
        waitqueue_unlock(&self->joiners);
        /* With the mutex held: no fork comes between leaving the queue and the grant. */
        waiters_grant(first, 0);
    }
    unlock_all();
}

/* Joins the queue, unless the thread is done. Returns whether it did. */
static bool
enter_joiners(thread_handle *self, waiter *w)
{
    lock_all();
    bool waits = !handle_is_done(self);
    if (waits) {
        waitqueue_lock(&self->joiners);
        waitqueue_add(&self->joiners, w);
        waitqueue_unlock(&self->joiners);
    }
    unlock_all();
    return waits;
}

/* Leaves the queue. The grant, if there is one, has been given then. */
static void
leave_joiners(thread_handle *self, waiter *w)
{
    lock_all();
    waitqueue_lock(&self->joiners);
    if (waitqueue_has(&self->joiners, w)) {
        waitqueue_remove(&self->joiners, w);
    }
    waitqueue_unlock(&self->joiners);
    unlock_all();
}

static bool
is_granted(waiter *w)
{
    return atomic_load_explicit(&w->state, memory_order_acquire) == WAITER_GRANTED;
}

/* Waits in the queue and leaves it. A fork in a signal handler may end the thread without a grant. Returns -1 if a
 * handler raised, else 0. */
static int
wait_until_done(thread_handle *self, waiter *w, int64_t deadline)
{
    int status = 0;
    while (!is_granted(w) && !handle_is_done(self)) {
        park_result result = wait_park(w, deadline);
        if (result == PARK_INTERRUPTED && PyErr_CheckSignals() < 0) {
            status = -1;
            break;
        }
        if (result == PARK_TIMED_OUT) {
            break;
        }
    }
    if (!is_granted(w)) {
        leave_joiners(self, w);
    }
    return status;
}

static int
refuse_to_join(void)
{
#if PY_VERSION_HEX >= 0x030D0000
    PyObject *kind = PyExc_PythonFinalizationError;
#else
    PyObject *kind = PyExc_RuntimeError;
#endif
    PyErr_SetString(kind, "cannot join thread at interpreter shutdown");
    return -1;
}

static void
reap(thread_handle *self)
{
    if (claim_remains(self)) {
        Py_BEGIN_ALLOW_THREADS pthread_join(self->thread, NULL);
        Py_END_ALLOW_THREADS
    }
}

int
handle_join(thread_handle *self, int64_t deadline)
{
    if (!handle_is_done(self)) {
        if (Py_IsFinalizing()) {
            return refuse_to_join();
        }
        waiter *w = wait_begin();
        if (w == NULL) {
            return -1;
        }
        /* It is woken by a thread that no longer has the interpreter. */
        w->restricted = false;
        handle_take(self);
        int status = 0;
        if (enter_joiners(self, w)) {
            status = wait_until_done(self, w, deadline);
        }
        waiter_end(w);
        bool done = handle_is_done(self);
        handle_drop(self);
        if (status < 0 || !done) {
            return status;
        }
    }
    reap(self);
    return 1;
}

static bool
is_ours(thread_handle *self)
{
    return self->interpreter == PyInterpreterState_Get() && !pthread_equal(self->thread, pthread_self());
}

static thread_handle *
find_not_daemon(void)
{
    lock_all();
    thread_handle *found = living;
    while (found != NULL && (found->daemon || !is_ours(found))) {
        found = found->next;
    }
    if (found != NULL) {
        handle_take(found);
    }
    unlock_all();
    return found;
}

int
handle_join_all(void)
{
    thread_handle *found;
    int status = 0;
    while (status >= 0 && (found = find_not_daemon()) != NULL) {
        status = handle_join(found, PARK_FOREVER);
        handle_drop(found);
    }
    return status;
}

static bool
somebody_is_unborn(void)
{
    lock_all();
    thread_handle *found = living;
    while (found != NULL && (atomic_load(&found->born) || !is_ours(found))) {
        found = found->next;
    }
    unlock_all();
    return found != NULL;
}

void
handle_wait_for_births(void)
{
    unsigned turns = 0;
    while (somebody_is_unborn()) {
        give_way(&turns);
    }
}
