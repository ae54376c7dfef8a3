/* See reuse.h. */
#ifndef _GNU_SOURCE
#define _GNU_SOURCE /* sched_getaffinity, gettid */
#endif
#include "reuse.h"

#include <limits.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#ifdef __linux__
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <unistd.h>
#endif

#include "../module.h"
#include "../park/admission.h"
#include "../park/spin.h"
#include "../sync/timeout.h"
#include "../sync/wait.h"

/* What a new thread takes over from the one that starts it, as far as a thread that exists cannot be given it. */
typedef struct {
    size_t stack_size;
#ifdef __linux__
    cpu_set_t cores;
    int policy;
    int priority;
#endif
} traits;

/* And what it can be given. */
typedef struct {
    sigset_t signals;
#ifdef __linux__
    char name[16];
#endif
} outfit;

typedef enum {
    WORKING,
    IDLE,   /* in the list */
    TAKEN,  /* out of it, for somebody's handle */
    ENDING, /* out of it, told to end: whoever did so joins it and frees the record */
} reusable_state;

struct reusable {
    reusable_state state; /* guarded by the mutex; this and the link */
    reusable *next;
    pthread_t thread;
    unsigned long native_id;
    traits birth;
    outfit outfit;                 /* of whoever starts the next work */
    thread_handle *_Atomic handle; /* the next work; NULL: none yet */
    waiter *waiter;                /* while it is idle */
};

static pthread_mutex_t mutex = PTHREAD_MUTEX_INITIALIZER;
static reusable *idle;
static atomic_int idle_count;   /* changed with the mutex held */
static atomic_int idle_at_most; /* 0: threads are not kept */
static _Atomic int64_t keep_for;
static int forks; /* that are going on */

static void
lock_idle(void)
{
    pthread_mutex_lock(&mutex);
}

static void
unlock_idle(void)
{
    pthread_mutex_unlock(&mutex);
}

/* The threads of the list exist in the parent only. */
static void
after_fork_in_child(void)
{
    idle = NULL;
    idle_count = 0;
    forks = 0;
    unlock_idle();
}

int
reuse_setup(void)
{
    return pthread_atfork(lock_idle, unlock_idle, after_fork_in_child);
}

/* Traits are compared as memory: it is all set. */
static void
read_traits(traits *self, size_t stack_size)
{
    memset(self, 0, sizeof(traits));
    self->stack_size = stack_size;
#ifdef __linux__
    sched_getaffinity(0, sizeof(self->cores), &self->cores);
    self->policy = sched_getscheduler(0);
    self->priority = getpriority(PRIO_PROCESS, 0);
#endif
}

static bool
same_traits(const traits *one, const traits *other)
{
    return memcmp(one, other, sizeof(traits)) == 0;
}

static void
read_outfit(outfit *self)
{
    pthread_sigmask(SIG_SETMASK, NULL, &self->signals);
#ifdef __linux__
    prctl(PR_GET_NAME, self->name);
#endif
}

static void
put_on(const outfit *self)
{
    pthread_sigmask(SIG_SETMASK, &self->signals, NULL);
#ifdef __linux__
    prctl(PR_SET_NAME, self->name);
#endif
}

/* Takes it out of the list, where it is. The mutex is held. */
static void
take_out(reusable *self, reusable_state state)
{
    reusable **link = &idle;
    while (*link != self) {
        link = &(*link)->next;
    }
    *link = self->next;
    idle_count--;
    self->state = state;
}

/* Waits until the system does not count the thread any more: it does for a moment after it can be joined. */
static void
wait_until_gone(unsigned long native_id)
{
#ifdef __linux__
    while (syscall(SYS_tgkill, getpid(), (pid_t)native_id, 0) == 0) {
        sched_yield();
    }
#else
    (void)native_id;
#endif
}

/* Ends all that are idle, and waits until they are gone. Nobody waits for the interpreter there: they have none. */
static void
end_all(void)
{
    lock_idle();
    reusable *first = idle;
    idle = NULL;
    idle_count = 0;
    for (reusable *self = first; self != NULL; self = self->next) {
        self->state = ENDING;
        parker_unpark(&self->waiter->parker);
    }
    unlock_idle();
    while (first != NULL) {
        reusable *self = first;
        first = self->next;
        pthread_join(self->thread, NULL);
        wait_until_gone(self->native_id);
        free(self);
    }
}

void
reuse_set_limits(int maximum, int64_t keep_alive)
{
    idle_at_most = maximum;
    keep_for = keep_alive;
    Py_BEGIN_ALLOW_THREADS end_all();
    Py_END_ALLOW_THREADS
}

reusable *
reuse_take(void)
{
    /* Without the mutex: most programs keep none. Who sees an old value starts a new thread. */
    if (atomic_load_explicit(&idle_count, memory_order_relaxed) == 0) {
        return NULL;
    }
    traits wanted;
    read_traits(&wanted, PyThread_get_stacksize());
    lock_idle();
    reusable *self = idle;
    while (self != NULL && !same_traits(&self->birth, &wanted)) {
        self = self->next;
    }
    if (self != NULL) {
        take_out(self, TAKEN);
    }
    unlock_idle();
    if (self != NULL) {
        read_outfit(&self->outfit);
    }
    return self;
}

reusable *
reuse_new(void)
{
    reusable *self = idle_at_most == 0 ? NULL : calloc(1, sizeof(reusable));
    if (self != NULL) {
        self->state = WORKING;
        read_traits(&self->birth, PyThread_get_stacksize());
    }
    return self;
}

void
reuse_free(reusable *self)
{
    free(self);
}

void
reuse_assign(reusable *self, thread_handle *handle)
{
    handle->thread = self->thread;
    atomic_store(&handle->native_id, self->native_id);
    atomic_store_explicit(&self->handle, handle, memory_order_release);
}

waiter *
reuse_get_ready(reusable *self, bool call)
{
    waiter *w = self->waiter;
    if (call && wait_concerns_admission(PyInterpreterState_Get())) {
        w->restricted = true;
        w->admission = ADMISSION_ASLEEP;
    }
    return w;
}

void
reuse_begin(reusable *self)
{
    self->thread = pthread_self();
#ifdef PY_HAVE_THREAD_NATIVE_ID
    self->native_id = PyThread_get_thread_native_id();
#endif
}

static bool
is_as_born(reusable *self)
{
    traits now;
    read_traits(&now, self->birth.stack_size);
    return same_traits(&now, &self->birth);
}

void
reuse_offer(reusable *self)
{
    atomic_store_explicit(&self->handle, NULL, memory_order_relaxed);
    self->waiter = is_as_born(self) ? waiter_begin() : NULL;
    lock_idle();
    if (self->waiter != NULL && idle_count < idle_at_most && forks == 0) {
        self->state = IDLE;
        self->next = idle;
        idle = self;
        idle_count++;
    }
    else {
        self->state = WORKING;
    }
    unlock_idle();
}

static bool
has_order(thread_handle *handle)
{
    return handle != NULL && handle_has_order(handle);
}

/* The time is up. Returns whether nobody has found something for it to do meanwhile. */
static bool
give_up(reusable *self)
{
    lock_idle();
    bool still = self->state == IDLE;
    if (still) {
        take_out(self, WORKING);
    }
    unlock_idle();
    return still;
}

static reusable_state
state_of(reusable *self)
{
    lock_idle();
    reusable_state state = self->state;
    unlock_idle();
    return state;
}

/* Waits for an order. Returns whether there is one; if not, the thread is to end. */
static bool
wait_for_order(reusable *self)
{
    int64_t now = park_now();
    int64_t deadline = deadline_after(keep_for);
    for (;;) {
        spin attempt;
        spin_begin(&attempt, &idle, &self->waiter->parker, now, deadline);
        park_result result = parker_park(&self->waiter->parker, deadline);
        now = park_now();
        spin_end(&attempt, result, now);
        if (has_order(atomic_load_explicit(&self->handle, memory_order_acquire))) {
            return true;
        }
        if (state_of(self) == ENDING || (result == PARK_TIMED_OUT && give_up(self))) {
            return false;
        }
        if (result == PARK_TIMED_OUT) {
            /* Taken a moment ago: the order is on its way. */
            deadline = PARK_FOREVER;
        }
    }
}

thread_handle *
reuse_wait(reusable *self)
{
    if (state_of(self) != WORKING) {
        if (wait_for_order(self)) {
            put_on(&self->outfit);
            return self->handle;
        }
        waiter_end(self->waiter);
        if (state_of(self) == ENDING) {
            /* Joined and freed by who told it to. */
            return NULL;
        }
    }
    else if (self->waiter != NULL) {
        waiter_end(self->waiter);
    }
    pthread_detach(self->thread);
    free(self);
    return NULL;
}

void
reuse_arrive(reusable *self, int64_t asked, int64_t now)
{
    if (self->waiter->restricted) {
        admission_arrive(self->waiter, asked, now);
    }
    waiter_end(self->waiter);
    self->waiter = NULL;
}

void
reuse_stay_out(reusable *self)
{
    waiter *w = self->waiter;
    if (w->restricted) {
        /* It is counted as on its way from the wake on, which may be put off. */
        while (parker_park(&w->parker, PARK_FOREVER) != PARK_UNPARKED) {
        }
        admission_give_up(w);
    }
    waiter_end(w);
    self->waiter = NULL;
}

void
reuse_before_fork(void)
{
    lock_idle();
    forks++;
    unlock_idle();
    Py_BEGIN_ALLOW_THREADS end_all();
    Py_END_ALLOW_THREADS
}

void
reuse_after_fork(void)
{
    lock_idle();
    forks--;
    unlock_idle();
}

PyDoc_STRVAR(
    reuse_threads_doc,
    "reuse_threads($module, maximum=None, /, keep_alive=1.0)\n--\n\n"
    "Keep finished threads of the operating system, to use them again for threads that are started.\n\n"
    "That takes a fraction of the time. At most maximum are kept, each for keep_alive seconds; 0 keeps none, as it is\n"
    "at first; with None nothing changes. Return the maximum that held before. All interpreters of the process share\n"
    "them. Each Thread has a new thread state, and with it new thread-local data of Python's. But native_id can repeat,\n"
    "and what C code keeps for each thread, such as thread_local variables, is the one before's. Before a fork, those\n"
    "that are kept come to their end. Raise ValueError if maximum is negative, or keep_alive is.");

static PyObject *
reuse_threads(PyObject *Py_UNUSED(module), PyObject *args, PyObject *keywords)
{
    static char *names[] = {"", "keep_alive", NULL};
    PyObject *maximum = Py_None;
    PyObject *keep_alive = NULL;
    int before = idle_at_most;
    if (!PyArg_ParseTupleAndKeywords(args, keywords, "|OO:reuse_threads", names, &maximum, &keep_alive)) {
        return NULL;
    }
    if (maximum == Py_None) {
        return PyLong_FromLong(before);
    }
    long most = PyLong_AsLong(maximum);
    int64_t nanoseconds = PARK_SECOND;
    if ((most == -1 && PyErr_Occurred()) ||
        (keep_alive != NULL && timeout_to_nanoseconds(keep_alive, &nanoseconds) < 0)) {
        return NULL;
    }
    if (most < 0 || most > INT_MAX || nanoseconds < 0) {
        PyErr_SetString(PyExc_ValueError, nanoseconds < 0 ? "keep_alive must not be negative"
                                          : most < 0      ? "maximum must not be negative"
                                                          : "maximum is too large");
        return NULL;
    }
    reuse_set_limits((int)most, nanoseconds);
    return PyLong_FromLong(before);
}

static PyMethodDef reuse_functions[] = {
    {"reuse_threads", (PyCFunction)(void (*)(void))reuse_threads, METH_VARARGS | METH_KEYWORDS, reuse_threads_doc},
    {NULL},
};

int
reuse_exec(PyObject *module)
{
    return PyModule_AddFunctions(module, reuse_functions);
}
