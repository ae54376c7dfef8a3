/* See start.h.
 *
 * The standard library's start() has the interpreter make a thread, and waits until that runs and has told so. Here the
 * parent knows enough by itself: the new thread's ident. It says that the thread has started, and returns.
 *
 *     parent                                        thread
 *     ------                                        ------
 *     _limbo: the thread is listed
 *     the interpreter starts it  --------------->   boot_call
 *     _ident, _started: it is alive                   _bootstrap, _bootstrap_inner: the standard library's own, which
 *     _active instead of _limbo                       set both again, take the thread from _limbo to _active,
 *     start() returns                                 and call run()
 *
 * So each private step is taken, and the frames are there that debuggers look for. If one of these steps is not the
 * standard library's own, somebody wants to know when it is taken: then all goes the standard library's way, waiting
 * included. */
#include "start.h"

#include <sched.h>
#include <stdatomic.h>
#include <time.h>

#include "../park/park.h"
#include "../stats.h"
#include "../sync/event.h"
#include "../sync/method.h"
#include "handle.h"
#include "registry.h"
#include "short_way.h"
#include "stdlib.h"
#include "tstate_lock.h"

/* A thread that cannot get as far as run() for lack of memory tries again after so many nanoseconds, and so often. */
#define RETRY_AFTER 2000000
#define RETRIES 5000
/* What it needs for that, roughly. */
#define ALLOCATIONS 16
#define ALLOCATION 64

/* How long to wait before looking again whether a thread has come up, and how long in all, as whoever waits may have the
 * lock that the thread needs for that; nanoseconds. */
#define LOOK_AGAIN_AFTER 20000
#define WAIT_AT_MOST PARK_SECOND

/* How many threads may be coming up, before 3.13, and for how long start() lets them do so first, nanoseconds. */
#define COMING_UP_AT_MOST 4
#define LET_OTHERS_AT_MOST 1000000

/* What the new thread calls. */

enum { BOOT_NEW = REGISTRY_WAITS, BOOT_RUNS, BOOT_CANCELLED };

/* It passes for the thread's bound method `_bootstrap`, where audit hooks and error messages show it. */
typedef struct {
    PyObject_HEAD
    vectorcallfunc vectorcall;
    PyObject *bootstrap;
    PyObject *thread;
    PyObject *place; /* see tstate_lock.h */
    bool daemon;
    atomic_int state;
} boot_object;

static bool
change_state(boot_object *self, int state)
{
    int seen = BOOT_NEW;
    return atomic_compare_exchange_strong(&self->state, &seen, state);
}

static void
sleep_detached(int64_t nanoseconds)
{
    struct timespec duration = {.tv_nsec = nanoseconds};
    Py_BEGIN_ALLOW_THREADS nanosleep(&duration, NULL);
    Py_END_ALLOW_THREADS
}

/* Whether the exception is a MemoryError, or came up while one was handled. */
static bool
lacks_memory(PyObject *exception)
{
    bool found = false;
    Py_INCREF(exception);
    while (exception != NULL && !found) {
        found = PyErr_GivenExceptionMatches(exception, PyExc_MemoryError);
        Py_SETREF(exception, PyException_GetContext(exception));
    }
    Py_XDECREF(exception);
    return found;
}

/* Whether there is memory for what comes before run(). CPython's exception handling does not end without. */
static bool
has_memory(void)
{
    bool enough = true;
    for (int count = 0; enough && count < ALLOCATIONS; count++) {
        void *block = PyObject_Malloc(ALLOCATION);
        enough = block != NULL;
        PyObject_Free(block);
    }
    return enough;
}

/* Returns as `_bootstrap` does, or NULL without an exception: it could not even begin. */
static PyObject *
bootstrap_once(module_state *state, boot_object *self, PyObject *ident)
{
    if (!has_memory()) {
        return NULL;
    }
    int open = short_way_is_open(state, self->thread);
    PyErr_Clear();
    if (open > 0) {
        return short_way_take(state, self->thread, ident, self->daemon);
    }
    /* The standard library's steps take the thread from `_limbo`. */
    if (registry_move(state, ident, self->thread, TO_LIMBO, NULL) < 0) {
        PyErr_Clear();
        return NULL;
    }
    return PyObject_CallNoArgs(self->bootstrap);
}

/* Whether what failed is to be tried again: it did not come as far as run(), for lack of memory. */
static bool
should_retry(module_state *state, boot_object *self)
{
    PyObject *exception = PyErr_GetRaisedException();
    if (exception == NULL) {
        return true;
    }
    bool retry = lacks_memory(exception) && registry_has_in_limbo(state, self->thread) != 0;
    PyErr_SetRaisedException(exception);
    return retry;
}

/* Is the thread. */
static PyObject *
bootstrap(module_state *state, boot_object *self, PyObject *ident)
{
    PyObject *done = bootstrap_once(state, self, ident);
    for (int count = 0; done == NULL && count < RETRIES && should_retry(state, self); count++) {
        PyErr_Clear();
        sleep_detached(RETRY_AFTER);
        done = bootstrap_once(state, self, ident);
    }
    if (done == NULL) {
        /* It may not have left the registry. */
        PyObject *exception = PyErr_GetRaisedException();
        registry_move(state, ident, self->thread, TO_NOTHING, NULL);
        PyErr_NoMemory();
        if (exception != NULL) {
            PyErr_SetRaisedException(exception);
        }
    }
    return done;
}

static PyObject *
make_ident(void)
{
    PyObject *ident = PyLong_FromUnsignedLong(thread_ident());
    for (int count = 0; ident == NULL && count < RETRIES; count++) {
        PyErr_Clear();
        sleep_detached(RETRY_AFTER);
        ident = PyLong_FromUnsignedLong(thread_ident());
    }
    return ident;
}

static PyObject *
boot_call(PyObject *callable, PyObject *const *Py_UNUSED(args), size_t Py_UNUSED(flags), PyObject *Py_UNUSED(keywords))
{
    boot_object *self = (boot_object *)callable;
    module_state *state = module_state_of(Py_TYPE(self));
    if (!change_state(self, BOOT_RUNS)) {
        /* Nor is it counted any more. */
        Py_RETURN_NONE;
    }
    __atomic_fetch_sub(&state->coming_up, 1, __ATOMIC_RELAXED);
    PyObject *ident = make_ident();
    PyObject *done = ident == NULL ? NULL : bootstrap(state, self, ident);
    Py_XDECREF(ident);
    tstate_lock_give_back(state, self->thread, self->place, true);
    return done;
}

/* For a thread that is about to be started. */
static boot_object *
boot_new(module_state *state, PyObject *thread, bool daemon)
{
    PyTypeObject *type = state->boot_type;
    boot_object *self = (boot_object *)type->tp_alloc(type, 0);
    if (self == NULL) {
        return NULL;
    }
    self->vectorcall = boot_call;
    self->thread = Py_NewRef(thread);
    self->daemon = daemon;
    self->bootstrap = PyObject_GetAttr(thread, state->str__bootstrap);
    self->place = self->bootstrap == NULL ? NULL : tstate_lock_hold_place(state, thread, daemon);
    if (self->place == NULL) {
        Py_CLEAR(self);
    }
    return self;
}

static PyObject *
boot_getattro(PyObject *self, PyObject *name)
{
    return PyObject_GetAttr(((boot_object *)self)->bootstrap, name);
}

static PyObject *
boot_repr(PyObject *self)
{
    return PyObject_Repr(((boot_object *)self)->bootstrap);
}

static int
boot_traverse(PyObject *object, visitproc visit, void *arg)
{
    boot_object *self = (boot_object *)object;
    Py_VISIT(Py_TYPE(object));
    Py_VISIT(self->bootstrap);
    Py_VISIT(self->thread);
    Py_VISIT(self->place);
    return 0;
}

static void
boot_dealloc(PyObject *object)
{
    boot_object *self = (boot_object *)object;
    PyTypeObject *type = Py_TYPE(object);
    PyObject_GC_UnTrack(object);
    Py_XDECREF(self->bootstrap);
    Py_XDECREF(self->thread);
    Py_XDECREF(self->place);
    type->tp_free(object);
    Py_DECREF(type);
}

static PyMemberDef boot_members[] = {
    {"__vectorcalloffset__", Py_T_PYSSIZET, offsetof(boot_object, vectorcall), Py_READONLY},
    {NULL},
};

static PyType_Slot boot_slots[] = {
    {Py_tp_call, (void *)PyVectorcall_Call},
    {Py_tp_getattro, boot_getattro},
    {Py_tp_repr, boot_repr},
    {Py_tp_traverse, boot_traverse},
    {Py_tp_dealloc, boot_dealloc},
    {Py_tp_members, boot_members},
    {0, NULL},
};

static PyType_Spec boot_spec = {
    .name = "cthreading._Bootstrap",
    .basicsize = sizeof(boot_object),
    .flags = Py_TPFLAGS_DEFAULT | Py_TPFLAGS_HAVE_GC | Py_TPFLAGS_HAVE_VECTORCALL | Py_TPFLAGS_DISALLOW_INSTANTIATION,
    .slots = boot_slots,
};

/* start() */

/* Whether `_started` is our Event, and set or not. Returns 0 if it is something else, -1 with an exception set. */
typedef enum { UNKNOWN_EVENT, UNSET_EVENT, SET_EVENT } event_state;

static int
get_event_state(module_state *state, PyObject *thread)
{
    PyObject *started = PyObject_GetAttr(thread, state->str__started);
    int result = started == NULL                           ? -1
                 : !Py_IS_TYPE(started, state->event_type) ? UNKNOWN_EVENT
                 : event_object_is_set(started)            ? SET_EVENT
                                                           : UNSET_EVENT;
    Py_XDECREF(started);
    return result;
}

/* The parent's half of the entry into the world. Where there is no memory for it, or the thread was faster, that has done or
 * will do it. What a signal handler raises meanwhile is left set, but is no reason for the thread not to run. */
static void
announce(module_state *state, boot_object *boot, PyObject *ident)
{
    PyObject *thread = boot->thread;
    if (ident != NULL && get_event_state(state, thread) == UNSET_EVENT &&
        PyObject_SetAttr(thread, state->str__ident, ident) == 0) {
        PyObject *started = PyObject_GetAttr(thread, state->str__started);
        if (started != NULL && Py_IS_TYPE(started, state->event_type)) {
            event_object_set(started);
        }
        Py_XDECREF(started);
        registry_move(state, ident, thread, TO_ACTIVE, &boot->state);
    }
    if (PyErr_Occurred() && PyErr_ExceptionMatches(PyExc_MemoryError)) {
        PyErr_Clear();
    }
}

/* Has the interpreter start it. Returns its ident. */
static PyObject *
start_os_thread(module_state *state, PyObject *thread, PyObject *boot, PyObject *daemon)
{
#ifdef HANDLE_ATTRIBUTE
    PyObject *handle = handle_get(state, thread);
    PyObject *args[] = {boot, handle, daemon};
    PyObject *started =
        handle == NULL ? NULL : PyObject_Vectorcall(state->start_function, args, 1, state->start_keywords);
    PyObject *ident = started == NULL ? NULL : PyObject_GetAttr(handle, state->str_ident);
    Py_XDECREF(handle);
    Py_XDECREF(started);
    return ident;
#else
    (void)thread, (void)daemon;
    PyObject *args[] = {boot, state->empty_tuple};
    return PyObject_Vectorcall(state->start_function, args, 2, NULL);
#endif
}

static int
choose_context(module_state *state, PyObject *thread)
{
#if PY_VERSION_HEX >= 0x030E0000
    PyObject *context = PyObject_GetAttr(thread, state->str__context);
    bool given = context != NULL && !Py_IsNone(context);
    Py_XDECREF(context);
    if (context == NULL || given) {
        return context == NULL ? -1 : 0;
    }
    PyObject *flags;
    if (PyDict_GetItemRef(state->system, state->str_flags, &flags) == 0) {
        PyErr_SetString(PyExc_AttributeError, "module 'sys' has no attribute 'flags'");
    }
    PyObject *inherit = flags == NULL ? NULL : PyObject_GetAttrString(flags, "thread_inherit_context");
    Py_XDECREF(flags);
    int inherits = inherit == NULL ? -1 : PyObject_IsTrue(inherit);
    Py_XDECREF(inherit);
    context = inherits < 0 ? NULL : inherits ? PyContext_CopyCurrent() : PyContext_New();
    int status = context == NULL ? -1 : PyObject_SetAttr(thread, state->str__context, context);
    Py_XDECREF(context);
    return status;
#else
    (void)state, (void)thread;
    return 0;
#endif
}

#ifdef HANDLE_ATTRIBUTE
/* The handle of a thread that could not be started counts as done, and is of no use any more: another one, so that the
 * thread can be tried again. */
static void
renew_handle(module_state *state, PyObject *thread)
{
    PyObject *exception = PyErr_GetRaisedException();
    PyObject *handle = PyObject_GetAttr(thread, state->HANDLE_ATTRIBUTE);
    PyObject *done = handle == NULL ? NULL : PyObject_CallMethod(handle, "is_done", NULL);
    if (done == Py_True && get_event_state(state, thread) == UNSET_EVENT) {
        Py_XSETREF(handle, handle_new(state, thread));
        if (handle != NULL) {
            PyObject_SetAttr(thread, state->HANDLE_ATTRIBUTE, handle);
        }
    }
    Py_XDECREF(handle);
    Py_XDECREF(done);
    PyErr_Clear();
    PyErr_SetRaisedException(exception);
}
#else
#define renew_handle(state, thread)
#endif

/* The thread is in `_limbo`. Returns 0 if it is started, perhaps with an exception set, or -1. */
static int
start_listed(module_state *state, PyObject *thread)
{
    PyObject *daemon = PyObject_GetAttr(thread, state->str_daemon);
    int is_daemon = daemon == NULL ? -1 : PyObject_IsTrue(daemon);
    boot_object *boot = is_daemon < 0 ? NULL : boot_new(state, thread, is_daemon);
    /* Counted before it can run. */
    __atomic_fetch_add(&state->coming_up, boot != NULL, __ATOMIC_RELAXED);
    PyObject *ident = boot == NULL ? NULL : start_os_thread(state, thread, (PyObject *)boot, daemon);
    Py_XDECREF(daemon);
    bool starts = ident != NULL || (boot != NULL && !change_state(boot, BOOT_CANCELLED));
    if (starts) {
        PyErr_Clear();
        announce(state, boot, ident);
    }
    else if (boot != NULL) {
        __atomic_fetch_sub(&state->coming_up, 1, __ATOMIC_RELAXED);
        tstate_lock_give_back(state, thread, boot->place, false);
        renew_handle(state, thread);
    }
    Py_XDECREF(boot);
    Py_XDECREF(ident);
    return starts ? 0 : -1;
}

/* Enters the thread into `_limbo`. Returns 1 if it is there already: another thread starts it. */
static int
enter_limbo(PyObject *limbo, PyObject *thread)
{
#ifdef Py_GIL_DISABLED
    if (PyDict_CheckExact(limbo)) {
        return PyDict_SetDefaultRef(limbo, thread, thread, NULL);
    }
#endif
    int found = PySequence_Contains(limbo, thread);
    return found == 0 ? PyObject_SetItem(limbo, thread, thread) : found;
}

static int
refuse_second_start(void)
{
    PyErr_SetString(PyExc_RuntimeError, "threads can only be started once");
    return -1;
}

#ifdef HANDLE_ATTRIBUTE
#define let_others_come_up(state)
#else
/* Fifty threads that are started one after the other, and end at once, need the memory of a few only, if these get to run:
 * it is used again. The handles of 3.13 on are what costs more there. */
static void
let_others_come_up(module_state *state)
{
    if (__atomic_load_n(&state->coming_up, __ATOMIC_RELAXED) < COMING_UP_AT_MOST) {
        return;
    }
    int64_t end = park_now() + LET_OTHERS_AT_MOST;
    Py_BEGIN_ALLOW_THREADS while (__atomic_load_n(&state->coming_up, __ATOMIC_RELAXED) >= COMING_UP_AT_MOST &&
                                  park_now() < end)
    {
        sched_yield();
    }
    Py_END_ALLOW_THREADS
}
#endif

static int
start_quickly(module_state *state, PyObject *thread)
{
    let_others_come_up(state);
    PyObject *limbo = stdlib_name(state, state->str__limbo);
    int found = limbo == NULL || choose_context(state, thread) < 0 ? -1 : enter_limbo(limbo, thread);
    Py_XDECREF(limbo);
    if (found != 0) {
        return found < 0 ? -1 : refuse_second_start();
    }
    /* It may have been started, and have left, since that was looked at. */
    int status = get_event_state(state, thread) == SET_EVENT ? refuse_second_start() : start_listed(state, thread);
    if (status < 0) {
        PyObject *exception = PyErr_GetRaisedException();
        registry_leave_limbo(state, thread);
        PyErr_Clear();
        PyErr_SetRaisedException(exception);
        return -1;
    }
    stats_count(&stats.threads);
    return PyErr_Occurred() ? -1 : 0;
}

/* Whether it can be started now, and `_started` is our Event. */
static int
is_ready(module_state *state, PyObject *thread)
{
    PyObject *initialized = PyObject_GetAttr(thread, state->str__initialized);
    int ready = initialized == NULL ? -1 : PyObject_IsTrue(initialized);
    Py_XDECREF(initialized);
    if (ready > 0) {
        ready = get_event_state(state, thread);
    }
    return ready < 0 ? -1 : ready == UNSET_EVENT;
}

/* Whether nobody has put another start() before ours, who may count on a thread that runs once ours has returned. */
static int
starts_here(module_state *state, PyObject *thread)
{
    PyObject *start = PyObject_GetAttr(thread, state->str_start);
    int ours = start == NULL ? -1 : PyMethod_Check(start) && PyMethod_GET_FUNCTION(start) == state->thread_start;
    Py_XDECREF(start);
    return ours;
}

/* Whether the standard library's start() would do the same, and no more: nothing of it is replaced or overridden. */
static int
is_usual(module_state *state, PyObject *thread)
{
    PyObject *steps[] = {state->str__bootstrap,     state->str__bootstrap_inner, state->str__set_ident,
#if PY_VERSION_HEX >= 0x030E0000
                         state->str__set_os_name,
#endif
#ifdef PY_HAVE_THREAD_NATIVE_ID
                         state->str__set_native_id,
#endif
                         state->str__delete};
    int usual = stdlib_is_inherited(state, (PyObject *)state->stdlib_thread_type, state->str_start);
    if (usual > 0) {
        usual = starts_here(state, thread);
    }
    for (size_t i = 0; usual > 0 && i < Py_ARRAY_LENGTH(steps); i++) {
        usual = stdlib_is_inherited(state, thread, steps[i]);
    }
    if (usual <= 0) {
        return usual;
    }
    PyObject *function = stdlib_name(state, state->str_start_function);
    PyObject *ends = function == NULL ? NULL : stdlib_name(state, state->str__SHUTTING_DOWN);
    usual = ends == NULL ? -1 : function == state->start_function && ends == Py_False;
    Py_XDECREF(function);
    Py_XDECREF(ends);
    return usual;
}

PyDoc_STRVAR(
    start_doc,
    "start($self, /)\n--\n\n"
    "Start a thread of control that calls run(); as threading.Thread.start.\n\n"
    "Return at once: the thread is alive and has its ident then, but may not have begun to run. Raise RuntimeError\n"
    "if it was started before, if the system allows no more threads, or at the interpreter's end.");

static PyObject *
thread_start(PyObject *module, PyObject *self)
{
    module_state *state = module_get_state(module);
    if (state->thread_type == NULL) {
        return module_is_cleared();
    }
#if PY_VERSION_HEX < 0x030C0000
    if (Py_IsFinalizing()) {
        /* It would wait for ever for a thread that never runs. From 3.12 on the interpreter itself refuses. */
        PyErr_SetString(PyExc_RuntimeError, "can't create new thread at interpreter shutdown");
        return NULL;
    }
#endif
    int quick = !PyObject_TypeCheck(self, state->thread_type) ? 0 : is_ready(state, self);
    if (quick > 0) {
        quick = is_usual(state, self);
    }
    if (quick <= 0) {
        return quick < 0 ? NULL : stdlib_call(state, state->str_start, &self, 1, NULL);
    }
    return start_quickly(state, self) < 0 ? NULL : Py_NewRef(Py_None);
}

/* Waiting for a thread to be there: see cthreading/_started.py. */

/* Whether it makes sense to wait for the thread: it is another one that has been started, and has not got as far as finding
 * out its native id. -1 with an exception set. */
static int
should_wait_for(module_state *state, PyObject *thread)
{
    PyObject *ident = PyObject_GetAttr(thread, state->str__ident);
    bool other = ident != NULL && PyLong_Check(ident) && PyLong_AsUnsignedLong(ident) != thread_ident();
    Py_XDECREF(ident);
    PyErr_Clear();
    if (!other || get_event_state(state, thread) != SET_EVENT) {
        PyErr_Clear();
        return 0;
    }
#ifdef PY_HAVE_THREAD_NATIVE_ID
    PyObject *native_id = PyObject_GetAttr(thread, state->str__native_id);
    bool coming_up = native_id == Py_None;
    Py_XDECREF(native_id);
    PyErr_Clear();
    return coming_up;
#else
    return registry_has_in_limbo(state, thread);
#endif
}

static int
wait_until_up(module_state *state, PyObject *thread)
{
    int64_t end = 0;
    int coming_up;
    while ((coming_up = should_wait_for(state, thread)) > 0) {
        int64_t now = park_now();
        end = end == 0 ? now + WAIT_AT_MOST : end;
        if (now >= end) {
            return 0;
        }
        sleep_detached(LOOK_AGAIN_AFTER);
        if (PyErr_CheckSignals() < 0) {
            return -1;
        }
    }
    return coming_up;
}

PyDoc_STRVAR(wait_until_up_doc,
             "_wait_until_up($module, thread, /)\n--\n\n"
             "Wait until a thread that has been started is there, a second at most. Not for the calling thread.");

static PyObject *
start_wait_until_up(PyObject *module, PyObject *thread)
{
    return wait_until_up(module_get_state(module), thread) < 0 ? NULL : Py_NewRef(Py_None);
}

static PyMethodDef start_functions[] = {{"_wait_until_up", start_wait_until_up, METH_O, wait_until_up_doc}, {NULL}};

static PyMethodDef start_methods[] = {{"start", thread_start, METH_O, start_doc}, {NULL}};

int
start_add_methods(PyObject *module, PyTypeObject *type)
{
    module_state *state = module_get_state(module);
    if (PyModule_AddFunctions(module, start_functions) < 0 || methods_add_functions(module, type, start_methods) < 0) {
        return -1;
    }
    state->thread_start = PyObject_GetAttr((PyObject *)type, state->str_start);
    return state->thread_start == NULL ? -1 : 0;
}

int
start_setup(PyObject *module)
{
    module_state *state = module_get_state(module);
#ifdef HANDLE_ATTRIBUTE
    state->start_function = module_import_from("_thread", "start_joinable_thread");
    state->start_keywords = Py_BuildValue("(ss)", "handle", "daemon");
    state->str_start_function = PyUnicode_InternFromString("_start_joinable_thread");
    if (state->start_keywords == NULL) {
        return -1;
    }
#else
    state->start_function = module_import_from("_thread", "start_new_thread");
    state->str_start_function = PyUnicode_InternFromString("_start_new_thread");
#endif
#if PY_VERSION_HEX >= 0x030C0000
    PyObject *monitoring = module_import_from("sys", "monitoring");
    state->get_monitoring_tool = monitoring == NULL ? NULL : PyObject_GetAttrString(monitoring, "get_tool");
    Py_XDECREF(monitoring);
    if (state->get_monitoring_tool == NULL) {
        return -1;
    }
#endif
#if PY_VERSION_HEX >= 0x030E0000
    state->set_os_name = module_import_from("_thread", "set_name");
    if (state->set_os_name == NULL) {
        PyErr_Clear();
    }
#endif
    if (state->start_function == NULL || state->str_start_function == NULL) {
        return -1;
    }
    state->boot_type = (PyTypeObject *)PyType_FromModuleAndSpec(module, &boot_spec, NULL);
    return state->boot_type == NULL ? -1 : 0;
}
