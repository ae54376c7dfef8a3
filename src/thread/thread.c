/* threading.Thread: the object, and what it does with its handle (handle.h).
 *
 * start does not wait for the new thread to run: the parent knows its ident and enters it into the registry, then lets
 * it go on. Fields that the standard library keeps in the instance's dict are in the struct, and attributes of the same
 * names. */
#include "thread.h"

#include "../sync/timeout.h"
#include "handle_object.h"
#include "hooks.h"
#include "registry.h"
#include "shutdown.h"

#include <sched.h>

#define NOT_INITIALIZED "Thread.__init__() not called"

/* From 3.13 on, the attribute that holds the handle; before that, `_tstate_lock`, which is locked while it lives. */
#if PY_VERSION_HEX >= 0x030E0000
#define HANDLE_ATTRIBUTE "_os_thread_handle"
#else
#define HANDLE_ATTRIBUTE "_handle"
#endif

/* What the standard library's start calls, as a name of its own. */
#if PY_VERSION_HEX >= 0x030D0000
#define START_FUNCTION "_start_joinable_thread"
#else
#define START_FUNCTION "_start_new_thread"
#endif

/* Making a Thread. */

static inline thread_handle *
get_handle_if_any(thread_object *self)
{
    return atomic_load_explicit(&self->handle, memory_order_acquire);
}

thread_handle *
thread_get_handle(thread_object *self)
{
    thread_handle *handle = get_handle_if_any(self);
    if (handle != NULL) {
        return handle;
    }
    thread_handle *made = handle_new();
    if (made == NULL) {
        return NULL;
    }
    if (atomic_compare_exchange_strong(&self->handle, &handle, made)) {
        return made;
    }
    handle_drop(made);
    return handle;
}

static char *
write_text(char *place, const char *text, size_t length)
{
    memcpy(place, text, length);
    return place + length;
}

/* As PyUnicode_FromFormat("%s%S (%S)", ...), which takes longer than all else that makes a Thread. Returns NULL without
 * an exception where it takes more than this. */
static PyObject *
put_together_ascii(const char *prefix, PyObject *number, PyObject *target_name)
{
    int overflow;
    long value = PyLong_CheckExact(number) ? PyLong_AsLongAndOverflow(number, &overflow) : -1;
    if (value < 0 || (target_name != NULL && !(PyUnicode_CheckExact(target_name) && PyUnicode_IS_ASCII(target_name)))) {
        return NULL;
    }
    char digits[3 * sizeof(value)];
    char *end = digits + sizeof(digits), *first = end;
    do {
        *--first = (char)('0' + value % 10);
    } while ((value /= 10) != 0);
    size_t prefix_length = strlen(prefix);
    Py_ssize_t length = (Py_ssize_t)prefix_length + (end - first);
    length += target_name == NULL ? 0 : PyUnicode_GET_LENGTH(target_name) + 3;
    PyObject *name = PyUnicode_New(length, 127);
    if (name == NULL) {
        PyErr_Clear();
        return NULL;
    }
    char *place = write_text((char *)PyUnicode_1BYTE_DATA(name), prefix, prefix_length);
    place = write_text(place, first, (size_t)(end - first));
    if (target_name != NULL) {
        place = write_text(place, " (", 2);
        place = write_text(place, (const char *)PyUnicode_1BYTE_DATA(target_name), PyUnicode_GET_LENGTH(target_name));
        *place = ')';
    }
    return name;
}

static PyObject *
put_together(const char *prefix, PyObject *number, PyObject *target_name)
{
    PyObject *name = put_together_ascii(prefix, number, target_name);
    if (name != NULL) {
        return name;
    }
    return target_name == NULL ? PyUnicode_FromFormat("%s%S", prefix, number)
                               : PyUnicode_FromFormat("%s%S (%S)", prefix, number, target_name);
}

PyObject *
thread_make_name(module_state *state, const char *prefix, PyObject *target)
{
    PyObject *counter = PyDict_GetItemWithError(state->namespace, state->str_counter);
    if (counter == NULL && PyErr_Occurred()) {
        return NULL;
    }
    PyObject *number = PyObject_CallNoArgs(counter == NULL ? state->counter : counter);
    if (number == NULL) {
        return NULL;
    }
    PyObject *target_name = NULL;
    if (target != NULL && target != Py_None) {
        target_name = PyObject_GetAttr(target, state->str_name);
        if (target_name == NULL) {
            if (!PyErr_ExceptionMatches(PyExc_AttributeError)) {
                Py_DECREF(number);
                return NULL;
            }
            PyErr_Clear();
        }
    }
    PyObject *name = put_together(prefix, number, target_name);
    Py_XDECREF(target_name);
    Py_DECREF(number);
    return name;
}

/* The daemon flag as given, or the calling thread's. Returns a new reference. */
static PyObject *
make_daemonic(module_state *state, PyObject *daemon)
{
    if (daemon != NULL && daemon != Py_None) {
        int wanted = PyObject_IsTrue(daemon);
        if (wanted > 0 && state->daemon_allowed == Py_False) {
            PyErr_SetString(PyExc_RuntimeError, "daemon threads are disabled in this (sub)interpreter");
            return NULL;
        }
        return wanted < 0 ? NULL : Py_NewRef(daemon);
    }
    PyObject *current = registry_current(state);
    if (current == NULL) {
        return NULL;
    }
    PyObject *daemonic;
    if (thread_check(state, current) && ((thread_object *)current)->daemonic != NULL) {
        daemonic = Py_NewRef(((thread_object *)current)->daemonic);
    }
    else {
        daemonic = PyObject_GetAttrString(current, "daemon");
    }
    Py_DECREF(current);
    return daemonic;
}

/* Remembers the thread in `_dangling`, a WeakSet, as its own `add` would. */
static int
add_to_dangling(module_state *state, PyObject *self)
{
    PyObject *reference = PyWeakref_NewRef(self, state->forget_dangling);
    if (reference == NULL) {
        return -1;
    }
    int status = PySet_Add(state->dangling_data, reference);
    Py_DECREF(reference);
    return status;
}

/* Thread.__init__ called again makes a thread that can be started again. One that still runs has its handle and does not
 * look here. */
static void
forget_start(thread_object *self)
{
    thread_handle *handle = atomic_exchange(&self->handle, NULL);
    if (handle != NULL) {
        handle_drop(handle);
    }
    Py_CLEAR(self->started);
    atomic_store(&self->phase, THREAD_NEW);
}

int
thread_setup(thread_object *self, PyObject *target, PyObject *name, PyObject *args, PyObject *kwargs, PyObject *daemon,
             PyObject *context)
{
    module_state *state = module_state_of(Py_TYPE(self));
    PyObject *standard_error;
    if (state->system == NULL) {
        module_is_cleared();
        return -1;
    }
    PyObject *own_name = name == NULL ? thread_make_name(state, "Thread-", target) : PyObject_Str(name);
    if (own_name == NULL) {
        return -1;
    }
    PyObject *daemonic = make_daemonic(state, daemon);
    if (daemonic == NULL) {
        Py_DECREF(own_name);
        return -1;
    }
    Py_XSETREF(self->target, Py_NewRef(target == NULL ? Py_None : target));
    Py_XSETREF(self->args, Py_NewRef(args == NULL ? state->empty_tuple : args));
    PyObject *own_kwargs = kwargs == NULL || kwargs == Py_None ? PyDict_New() : Py_NewRef(kwargs);
    if (own_kwargs == NULL || PyDict_GetItemRef(state->system, state->str_stderr, &standard_error) < 0) {
        Py_XDECREF(own_kwargs);
        Py_DECREF(own_name);
        Py_DECREF(daemonic);
        return -1;
    }
    Py_XSETREF(self->kwargs, own_kwargs);
    Py_XSETREF(self->name, own_name);
    Py_XSETREF(self->daemonic, daemonic);
    Py_XSETREF(self->ident, Py_NewRef(Py_None));
    Py_XSETREF(self->context, Py_NewRef(context == NULL ? Py_None : context));
    Py_XSETREF(self->standard_error, standard_error);
    if (self->initialized) {
        forget_start(self);
    }
    self->initialized = 1;
    return add_to_dangling(state, (PyObject *)self);
}

static int
sort_out_name(PyObject **name)
{
    if (*name == NULL) {
        return 0;
    }
    int given = PyObject_IsTrue(*name);
    if (given == 0) {
        *name = NULL;
    }
    return given < 0 ? -1 : 0;
}

#if PY_VERSION_HEX >= 0x030E0000
#define THREAD_ARGUMENTS "group=None, target=None, name=None, args=(), kwargs=None, *, daemon=None, context=None"
#define CONTEXT_DOC "\ncontext is the Context that it runs in; by default sys.flags.thread_inherit_context decides."
#define ARGUMENT_COUNT 7
static const char *const argument_names[] = {"group", "target", "name", "args", "kwargs", "daemon", "context", NULL};
#else
#define THREAD_ARGUMENTS "group=None, target=None, name=None, args=(), kwargs=None, *, daemon=None"
#define CONTEXT_DOC ""
#define ARGUMENT_COUNT 6
static const char *const argument_names[] = {"group", "target", "name", "args", "kwargs", "daemon", NULL};
#endif
#define POSITIONAL_COUNT 5

static int
refuse_positional(Py_ssize_t count)
{
    if (count <= POSITIONAL_COUNT) {
        return 0;
    }
    PyErr_Format(PyExc_TypeError, "Thread.__init__() takes from 1 to %d positional arguments but %zd were given",
                 POSITIONAL_COUNT + 1, count + 1);
    return -1;
}

static int
init_from(thread_object *self, PyObject **values)
{
    if (values[0] != NULL && values[0] != Py_None) {
        PyErr_SetString(PyExc_AssertionError, "group argument must be None for now");
        return -1;
    }
    if (sort_out_name(&values[2]) < 0) {
        return -1;
    }
    return thread_setup(self, values[1], values[2], values[3], values[4], values[5],
                        ARGUMENT_COUNT > 6 ? values[ARGUMENT_COUNT - 1] : NULL);
}

static int
thread_init(PyObject *self, PyObject *args, PyObject *keywords)
{
    PyObject *values[ARGUMENT_COUNT];
    if (refuse_positional(PyTuple_GET_SIZE(args)) < 0 ||
        unpack_tuple_and_dict("Thread.__init__", argument_names, args, keywords, values) < 0) {
        return -1;
    }
    return init_from((thread_object *)self, values);
}

/* Thread(...) itself, not a derived class. Somebody may have replaced __init__ or __new__. */
static PyObject *
thread_vectorcall(PyObject *type_object, PyObject *const *args, size_t flags, PyObject *keywords)
{
    PyTypeObject *type = (PyTypeObject *)type_object;
    Py_ssize_t count = PyVectorcall_NARGS(flags);
    if (type->tp_init != thread_init || type->tp_new != PyBaseObject_Type.tp_new) {
        return construct_slow(type_object, args, flags, keywords);
    }
    PyObject *values[ARGUMENT_COUNT];
    if (refuse_positional(count) < 0 ||
        unpack_arguments("Thread.__init__", argument_names, args, count, keywords, values) < 0) {
        return NULL;
    }
    PyObject *self = type->tp_alloc(type, 0);
    if (self != NULL && init_from((thread_object *)self, values) < 0) {
        Py_CLEAR(self);
    }
    return self;
}

int
thread_traverse(PyObject *object, visitproc visit, void *arg)
{
    thread_object *self = (thread_object *)object;
    Py_VISIT(Py_TYPE(object));
    Py_VISIT(self->dict);
    Py_VISIT(self->target);
    Py_VISIT(self->args);
    Py_VISIT(self->kwargs);
    Py_VISIT(self->name);
    Py_VISIT(self->ident);
    Py_VISIT(self->daemonic);
    Py_VISIT(self->started);
    Py_VISIT(self->standard_error);
    Py_VISIT(self->context);
    return 0;
}

int
thread_clear(PyObject *object)
{
    thread_object *self = (thread_object *)object;
    Py_CLEAR(self->dict);
    Py_CLEAR(self->target);
    Py_CLEAR(self->args);
    Py_CLEAR(self->kwargs);
    Py_CLEAR(self->name);
    Py_CLEAR(self->ident);
    Py_CLEAR(self->daemonic);
    Py_CLEAR(self->started);
    Py_CLEAR(self->standard_error);
    Py_CLEAR(self->context);
    return 0;
}

void
thread_dealloc(PyObject *object)
{
    PyTypeObject *type = Py_TYPE(object);
    thread_object *self = (thread_object *)object;
    PyObject_GC_UnTrack(object);
    if (self->weakrefs != NULL) {
        PyObject_ClearWeakRefs(object);
    }
    thread_clear(object);
    thread_handle *handle = get_handle_if_any(self);
    if (handle != NULL) {
        handle_drop(handle);
    }
    type->tp_free(object);
    Py_DECREF(type);
}

/* State. */

static int
require_initialized(thread_object *self, PyObject *kind, const char *message)
{
    if (self->initialized) {
        return 0;
    }
    PyErr_SetString(kind, message);
    return -1;
}

static PyObject *
call_event(PyObject *event, const char *method)
{
    return PyObject_CallMethod(event, method, NULL);
}

/* Whether it has been started; the Event decides where there is one, as somebody may have cleared it. */
static int
has_started(thread_object *self)
{
    if (self->started == NULL) {
        return atomic_load(&self->phase) == THREAD_STARTED;
    }
    PyObject *event = Py_NewRef(self->started);
    PyObject *answer = call_event(event, "is_set");
    Py_DECREF(event);
    if (answer == NULL) {
        return -1;
    }
    int started = PyObject_IsTrue(answer);
    Py_DECREF(answer);
    return started;
}

static int
set_started(thread_object *self)
{
    atomic_store(&self->phase, THREAD_STARTED);
    PyObject *event = Py_XNewRef(self->started);
    if (event == NULL) {
        return 0;
    }
    PyObject *answer = call_event(event, "set");
    Py_DECREF(event);
    Py_XDECREF(answer);
    return answer == NULL ? -1 : 0;
}

static bool
has_ended(thread_object *self)
{
    thread_handle *handle = get_handle_if_any(self);
    return handle != NULL && handle_is_done(handle);
}

int
thread_show_name(thread_object *self)
{
    module_state *state = module_state_of(Py_TYPE(self));
    PyObject *name = self->name;
    PyObject *dict = name == NULL ? NULL : PyObject_GenericGetDict((PyObject *)self, NULL);
    if (dict == NULL) {
        return name == NULL ? 0 : -1;
    }
    int status = PyDict_SetItem(dict, state->str_private_name, name);
    Py_DECREF(dict);
    return status;
}

int
thread_adopt(thread_object *self, unsigned long ident, unsigned long native_id)
{
    thread_handle *handle = thread_get_handle(self);
    PyObject *ident_object = PyLong_FromUnsignedLong(ident);
    if (handle == NULL || ident_object == NULL) {
        Py_XDECREF(ident_object);
        return -1;
    }
    handle_adopt(handle, ident, native_id);
    Py_XSETREF(self->ident, ident_object);
    return set_started(self);
}

/* Starting. */

/* What the thread does once it has a thread state: everything that Python code can see. */
static void
do_the_work(module_state *state, thread_object *self)
{
    PyObject *done = NULL;
    if (hooks_install(state) == 0) {
#if PY_VERSION_HEX >= 0x030E0000
        if (PyContext_CheckExact(self->context)) {
            PyObject *context = Py_NewRef(self->context);
            if (PyContext_Enter(context) == 0) {
                done = PyObject_CallMethodNoArgs((PyObject *)self, state->str_run);
                PyObject *exception = PyErr_GetRaisedException();
                PyContext_Exit(context);
                PyErr_SetRaisedException(exception);
            }
            Py_DECREF(context);
        }
        else {
            PyObject *run = PyObject_GetAttr((PyObject *)self, state->str_run);
            done = run == NULL ? NULL : PyObject_CallMethodOneArg(self->context, state->str_run, run);
            Py_XDECREF(run);
        }
#else
        done = PyObject_CallMethodNoArgs((PyObject *)self, state->str_run);
#endif
    }
    if (done == NULL) {
        hooks_report(state, self);
    }
    Py_XDECREF(done);
}

static void
set_os_name(module_state *state, PyObject *name)
{
    if (state->set_name == NULL || name == NULL || !PyUnicode_Check(name) || PyUnicode_GET_LENGTH(name) == 0) {
        return;
    }
    PyObject *done = PyObject_CallOneArg(state->set_name, name);
    if (done == NULL && PyErr_ExceptionMatches(PyExc_OSError)) {
        PyErr_Clear();
    }
    Py_XDECREF(done);
}

static void
report_unraisable(PyObject *self)
{
    if (!PyErr_Occurred()) {
        return;
    }
    if (PyErr_ExceptionMatches(PyExc_SystemExit)) {
        PyErr_Clear();
        return;
    }
    report_ignored_in_thread(self);
}

/* The body of the handle: owns a reference to the Thread. */
static void
thread_body(void *argument)
{
    thread_object *self = argument;
    module_state *state = module_state_of(Py_TYPE(self));
    set_os_name(state, self->name);
    report_unraisable((PyObject *)self);
    do_the_work(state, self);
    /* Not self->ident: __init__ may have been called again. */
    PyObject *ident = PyLong_FromUnsignedLong(PyThread_get_thread_ident());
    if (ident != NULL) {
        registry_remove(state, ident, (PyObject *)self);
        Py_DECREF(ident);
    }
    report_unraisable((PyObject *)self);
    Py_DECREF(self);
}

static int
choose_context(thread_object *self)
{
#if PY_VERSION_HEX >= 0x030E0000
    if (self->context != Py_None) {
        return 0;
    }
    PyObject *inherit = PyObject_GetAttrString(PySys_GetObject("flags"), "thread_inherit_context");
    if (inherit == NULL) {
        return -1;
    }
    PyObject *context = PyObject_IsTrue(inherit) ? PyContext_CopyCurrent() : PyContext_New();
    Py_DECREF(inherit);
    if (context == NULL) {
        return -1;
    }
    Py_SETREF(self->context, context);
#else
    (void)self;
#endif
    return 0;
}

/* Gives the new thread, which waits for it, its name in the registry. */
static int
register_new(module_state *state, thread_object *self, thread_handle *handle)
{
    PyObject *ident = PyLong_FromUnsignedLong(handle->ident);
    if (ident == NULL) {
        return -1;
    }
    Py_XSETREF(self->ident, ident);
    if (thread_show_name(self) < 0 || PyDict_SetItem(state->active, ident, (PyObject *)self) < 0) {
        return -1;
    }
    if (set_started(self) < 0) {
        registry_remove(state, ident, (PyObject *)self);
        return -1;
    }
    return 0;
}

#if PY_VERSION_HEX >= 0x030C0000
/* Raises the event that the function raises which starts threads there, from 3.12 on. */
static int
audit_start(module_state *state, thread_object *self, thread_handle *handle, int daemon)
{
    PyObject *bootstrap = PyObject_GetAttrString((PyObject *)self, "_bootstrap");
    if (bootstrap == NULL) {
        return -1;
    }
#if PY_VERSION_HEX >= 0x030D0000
    PyObject *handle_object = handle_object_new(state, handle);
    int status = handle_object == NULL
                     ? -1
                     : PySys_Audit("_thread.start_joinable_thread", "OiO", bootstrap, daemon, handle_object);
    Py_XDECREF(handle_object);
#else
    (void)handle, (void)daemon;
    int status = PySys_Audit("_thread.start_new_thread", "OOO", bootstrap, state->empty_tuple, Py_None);
#endif
    Py_DECREF(bootstrap);
    return status;
}
#else
#define audit_start(state, self, handle, daemon) 0
#endif

static int
start_os_thread(module_state *state, thread_object *self)
{
    thread_handle *handle = thread_get_handle(self);
    int daemon = handle == NULL ? -1 : PyObject_IsTrue(self->daemonic);
    if (daemon < 0 || audit_start(state, self, handle, daemon) < 0) {
        return -1;
    }
    handle->daemon = daemon;
    int error = handle_create(handle, thread_body, Py_NewRef(self));
    if (error != 0) {
        Py_DECREF(self);
        PyErr_SetString(PyExc_RuntimeError, "can't start new thread");
        return -1;
    }
    if (register_new(state, self, handle) < 0) {
        handle_proceed(handle, false);
        atomic_store(&self->handle, NULL);
        handle_drop(handle);
        Py_XSETREF(self->ident, Py_NewRef(Py_None));
        Py_DECREF(self);
        return -1;
    }
    handle_proceed(handle, true);
    shutdown_after_start(state, handle);
    return 0;
}

/* Debuggers put a function of their own in the place of the one that starts threads: it is called as the running Python
 * calls it, and is expected to call `_bootstrap` in the new thread. */
static int
start_by_function(module_state *state, thread_object *self, PyObject *function)
{
    PyObject *done = NULL;
    PyObject *bootstrap = PyObject_GetAttrString((PyObject *)self, "_bootstrap");
    thread_handle *handle = thread_get_handle(self);
    if (bootstrap != NULL && handle != NULL) {
        handle->daemon = PyObject_IsTrue(self->daemonic) == 1;
#if PY_VERSION_HEX >= 0x030D0000
        PyObject *daemon = handle->daemon ? Py_True : Py_False;
        PyObject *made = PyObject_CallNoArgs(state->make_handle);
        PyObject *keywords = made == NULL ? NULL : Py_BuildValue("{sOsO}", "handle", made, "daemon", daemon);
        PyObject *args = PyTuple_Pack(1, bootstrap);
        done = keywords == NULL || args == NULL ? NULL : PyObject_Call(function, args, keywords);
        Py_XDECREF(made);
        Py_XDECREF(keywords);
        Py_XDECREF(args);
#else
        done = PyObject_CallFunctionObjArgs(function, bootstrap, state->empty_tuple, NULL);
#endif
    }
    Py_XDECREF(bootstrap);
    if (done == NULL) {
        return -1;
    }
    Py_DECREF(done);
    while (atomic_load(&self->phase) != THREAD_STARTED) {
        Py_BEGIN_ALLOW_THREADS sched_yield();
        Py_END_ALLOW_THREADS if (PyErr_CheckSignals() < 0)
        {
            return -1;
        }
    }
    return 0;
}

static int
start_new(module_state *state, thread_object *self)
{
    if (shutdown_check_start(state) < 0 || choose_context(self) < 0) {
        return -1;
    }
    PyObject *function = PyDict_GetItemWithError(state->namespace, state->str_start_function);
    if (function == NULL && PyErr_Occurred()) {
        return -1;
    }
    if (function == NULL || function == state->start_function) {
        return start_os_thread(state, self);
    }
    Py_INCREF(function);
    int status = start_by_function(state, self, function);
    Py_DECREF(function);
    return status;
}

PyDoc_STRVAR(
    start_doc,
    "start($self, /)\n--\n\n"
    "Start a thread of control that calls run(); as threading.Thread.start.\n\n"
    "Return at once: the thread is alive and has its ident then, but may not have begun to run. Raise RuntimeError\n"
    "if it was started before, if the system allows no more threads, or at the interpreter's end.");

static PyObject *
thread_start(PyObject *object, PyObject *Py_UNUSED(ignored))
{
    thread_object *self = (thread_object *)object;
    if (require_initialized(self, PyExc_RuntimeError, "thread.__init__() not called") < 0) {
        return NULL;
    }
    int started = has_started(self);
    int phase = THREAD_NEW;
    if (started < 0) {
        return NULL;
    }
    if (started || !atomic_compare_exchange_strong(&self->phase, &phase, THREAD_STARTING)) {
        PyErr_SetString(PyExc_RuntimeError, "threads can only be started once");
        return NULL;
    }
    if (start_new(module_state_of(Py_TYPE(self)), self) < 0) {
        if (atomic_load(&self->phase) == THREAD_STARTING) {
            atomic_store(&self->phase, THREAD_NEW);
        }
        return NULL;
    }
    Py_RETURN_NONE;
}

PyDoc_STRVAR(bootstrap_doc,
             "_bootstrap($self, /)\n--\n\n"
             "Be the thread: run in a thread that something else than start() has made for it.");

static PyObject *
thread_bootstrap(PyObject *object, PyObject *Py_UNUSED(ignored))
{
    thread_object *self = (thread_object *)object;
    module_state *state = module_state_of(Py_TYPE(self));
    thread_handle *handle = thread_get_handle(self);
    if (handle == NULL) {
        return NULL;
    }
    bool daemon = handle->daemon;
#ifdef PY_HAVE_THREAD_NATIVE_ID
    handle_adopt(handle, PyThread_get_thread_ident(), PyThread_get_thread_native_id());
#else
    handle_adopt(handle, PyThread_get_thread_ident(), 0);
#endif
    handle->daemon = daemon;
    if (register_new(state, self, handle) < 0) {
        return NULL;
    }
    handle_take(handle);
    Py_INCREF(self);
    thread_body(self);
    handle_finish(handle);
    handle_drop(handle);
    Py_RETURN_NONE;
}

#ifdef PY_HAVE_THREAD_NATIVE_ID
PyDoc_STRVAR(set_native_id_doc,
             "_set_native_id($self, /)\n--\n\n"
             "Take the native id of the calling thread: multiprocessing does it in a child, for the main thread.");

static PyObject *
thread_set_native_id(PyObject *object, PyObject *Py_UNUSED(ignored))
{
    thread_handle *handle = thread_get_handle((thread_object *)object);
    if (handle == NULL) {
        return NULL;
    }
    atomic_store(&handle->native_id, PyThread_get_thread_native_id());
    Py_RETURN_NONE;
}
#endif

PyDoc_STRVAR(
    run_doc,
    "run($self, /)\n--\n\n"
    "Call the target with the arguments that were given; as threading.Thread.run. Derived classes may override it.");

/* As the running Python says it: before 3.15, with the function's name, "module.name()", or its str. */
#if PY_VERSION_HEX >= 0x030F0000
static void
refuse_to_unpack(PyObject *Py_UNUSED(function), const char *stars, const char *wanted, PyObject *got)
{
    PyErr_Format(PyExc_TypeError, "Value after %s must be %s, not %.200s", stars, wanted, Py_TYPE(got)->tp_name);
}
#else
static PyObject *
describe_function(PyObject *function)
{
    PyObject *name = PyObject_GetAttrString(function, "__qualname__");
    if (name == NULL) {
        PyErr_Clear();
        return PyObject_Str(function);
    }
    PyObject *module = PyObject_GetAttrString(function, "__module__");
    PyErr_Clear();
    bool shown = module != NULL && module != Py_None &&
                 !(PyUnicode_Check(module) && PyUnicode_CompareWithASCIIString(module, "builtins") == 0);
    PyObject *text = shown ? PyUnicode_FromFormat("%S.%S()", module, name) : PyUnicode_FromFormat("%S()", name);
    Py_DECREF(name);
    Py_XDECREF(module);
    return text;
}

static void
refuse_to_unpack(PyObject *function, const char *stars, const char *wanted, PyObject *got)
{
    PyObject *text = describe_function(function);
    if (text != NULL) {
        PyErr_Format(PyExc_TypeError, "%U argument after %s must be %s, not %.200s", text, stars, wanted,
                     Py_TYPE(got)->tp_name);
        Py_DECREF(text);
    }
}
#endif

static PyObject *
unpack_positional(PyObject *function, PyObject *args)
{
    PyObject *tuple = PySequence_Tuple(args);
    if (tuple == NULL && Py_TYPE(args)->tp_iter == NULL && !PySequence_Check(args)) {
        PyErr_Clear();
        refuse_to_unpack(function, "*", "an iterable", args);
    }
    return tuple;
}

static PyObject *
unpack_keywords(PyObject *function, PyObject *kwargs)
{
    PyObject *dict = PyDict_New();
    if (dict == NULL || PyDict_Update(dict, kwargs) == 0) {
        return dict;
    }
    Py_DECREF(dict);
    if (PyErr_ExceptionMatches(PyExc_AttributeError)) {
        PyErr_Clear();
        refuse_to_unpack(function, "**", "a mapping", kwargs);
    }
    return NULL;
}

PyObject *
thread_call(PyObject *function, PyObject *args, PyObject *kwargs)
{
    if (PyTuple_CheckExact(args) && PyDict_CheckExact(kwargs)) {
        return PyObject_Call(function, args, kwargs);
    }
    PyObject *dict = unpack_keywords(function, kwargs);
    PyObject *tuple = dict == NULL ? NULL : unpack_positional(function, args);
    PyObject *result = tuple == NULL ? NULL : PyObject_Call(function, tuple, dict);
    Py_XDECREF(tuple);
    Py_XDECREF(dict);
    return result;
}

static PyObject *
thread_run(PyObject *object, PyObject *Py_UNUSED(ignored))
{
    thread_object *self = (thread_object *)object;
    PyObject *target = Py_XNewRef(self->target);
    PyObject *args = Py_XNewRef(self->args);
    PyObject *kwargs = Py_XNewRef(self->kwargs);
    PyObject *result = NULL;
    if (target == NULL || args == NULL || kwargs == NULL) {
        PyErr_Format(PyExc_AttributeError, "'%s' object has no attribute '%s'", Py_TYPE(object)->tp_name,
                     target == NULL ? "_target"
                     : args == NULL ? "_args"
                                    : "_kwargs");
    }
    else if (target == Py_None) {
        result = Py_NewRef(Py_None);
    }
    else {
        result = thread_call(target, args, kwargs);
    }
    /* What the thread has worked on may refer to the thread. */
    Py_CLEAR(self->target);
    Py_CLEAR(self->args);
    Py_CLEAR(self->kwargs);
    Py_XDECREF(target);
    Py_XDECREF(args);
    Py_XDECREF(kwargs);
    if (result == NULL) {
        return NULL;
    }
    Py_DECREF(result);
    Py_RETURN_NONE;
}

PyDoc_STRVAR(invoke_excepthook_doc,
             "_invoke_excepthook($self, thread, /)\n--\n\n"
             "Hand the exception that is being handled to threading.excepthook.");

static PyObject *
thread_invoke_excepthook(PyObject *self, PyObject *thread)
{
    module_state *state = module_state_of(Py_TYPE(self));
    PyObject *exception = PyErr_GetHandledException();
    if (exception == NULL || !thread_check(state, thread)) {
        Py_XDECREF(exception);
        Py_RETURN_NONE;
    }
    PyErr_SetRaisedException(exception);
    hooks_report(state, (thread_object *)thread);
    if (PyErr_Occurred()) {
        return NULL;
    }
    Py_RETURN_NONE;
}

/* Joining. */

PyDoc_STRVAR(
    join_doc,
    "join($self, /, timeout=None)\n--\n\n"
    "Wait until the thread has ended; as threading.Thread.join.\n\n"
    "timeout is the longest wait in seconds; None means no limit. Return None; is_alive() tells whether it has ended.\n"
    "Raise RuntimeError if the thread has not been started or is the calling one.");

static bool
is_calling_thread(thread_object *self)
{
    thread_handle *handle = get_handle_if_any(self);
    return handle != NULL && !handle_is_done(handle) && handle->ident == PyThread_get_thread_ident();
}

static PyObject *
thread_join(PyObject *object, PyObject *const *args, Py_ssize_t count, PyObject *keywords)
{
    static const char *const names[] = {"timeout", NULL};
    thread_object *self = (thread_object *)object;
    PyObject *timeout = NULL;
    if ((count != 0 || keywords != NULL) && unpack_arguments("join", names, args, count, keywords, &timeout) < 0) {
        return NULL;
    }
    if (require_initialized(self, PyExc_RuntimeError, NOT_INITIALIZED) < 0) {
        return NULL;
    }
    int started = has_started(self);
    if (started < 0) {
        return NULL;
    }
    if (!started || is_calling_thread(self)) {
        PyErr_SetString(PyExc_RuntimeError,
                        started ? "cannot join current thread" : "cannot join thread before it is started");
        return NULL;
    }
    int64_t wait = timeout == NULL ? PARK_FOREVER : wait_from_total_timeout(timeout);
    thread_handle *handle = wait < 0 ? NULL : thread_get_handle(self);
    if (handle == NULL || handle_join(handle, deadline_after(wait)) < 0) {
        return NULL;
    }
    Py_RETURN_NONE;
}

PyDoc_STRVAR(is_alive_doc,
             "is_alive($self, /)\n--\n\n"
             "Return whether the thread has been started and has not ended; as threading.Thread.is_alive.");

static int
is_alive(thread_object *self)
{
    int started = has_started(self);
    return started <= 0 ? started : !has_ended(self);
}

static PyObject *
thread_is_alive(PyObject *object, PyObject *Py_UNUSED(ignored))
{
    thread_object *self = (thread_object *)object;
    if (require_initialized(self, PyExc_AssertionError, NOT_INITIALIZED) < 0) {
        return NULL;
    }
    int alive = is_alive(self);
    return alive < 0 ? NULL : PyBool_FromLong(alive);
}

static PyObject *
thread_repr(PyObject *object)
{
    thread_object *self = (thread_object *)object;
    if (require_initialized(self, PyExc_AssertionError, "Thread.__init__() was not called") < 0) {
        return NULL;
    }
    int started = has_started(self);
    int daemon = started < 0 ? -1 : PyObject_IsTrue(self->daemonic);
    PyObject *type_name = daemon < 0 ? NULL : PyType_GetName(Py_TYPE(self));
    if (type_name == NULL) {
        return NULL;
    }
    const char *status = has_ended(self) ? "stopped" : started ? "started" : "initial";
    PyObject *ident = self->ident == NULL || self->ident == Py_None ? NULL : self->ident;
    PyObject *repr;
    if (ident == NULL) {
        repr = PyUnicode_FromFormat("<%U(%S, %s%s)>", type_name, self->name, status, daemon ? " daemon" : "");
    }
    else {
        repr = PyUnicode_FromFormat("<%U(%S, %s%s %S)>", type_name, self->name, status, daemon ? " daemon" : "", ident);
    }
    Py_DECREF(type_name);
    return repr;
}

/* Attributes. */

static PyObject *
get_name(PyObject *object, void *Py_UNUSED(closure))
{
    thread_object *self = (thread_object *)object;
    if (require_initialized(self, PyExc_AssertionError, NOT_INITIALIZED) < 0) {
        return NULL;
    }
    PyObject *name;
    Py_BEGIN_CRITICAL_SECTION(self);
    name = Py_XNewRef(self->name);
    Py_END_CRITICAL_SECTION();
    if (name == NULL) {
        PyErr_SetString(PyExc_AttributeError, "_name");
    }
    return name;
}

static int
refuse_to_delete(PyObject *value, const char *name)
{
    if (value != NULL) {
        return 0;
    }
    PyErr_Format(PyExc_AttributeError, "property '%s' of 'Thread' object has no deleter", name);
    return -1;
}

static int
set_name(PyObject *object, PyObject *value, void *Py_UNUSED(closure))
{
    thread_object *self = (thread_object *)object;
    if (refuse_to_delete(value, "name") < 0 || require_initialized(self, PyExc_AssertionError, NOT_INITIALIZED) < 0) {
        return -1;
    }
    PyObject *name = PyObject_Str(value);
    if (name == NULL) {
        return -1;
    }
    PyObject *old;
    Py_BEGIN_CRITICAL_SECTION(self);
    old = self->name;
    self->name = Py_NewRef(name);
    Py_END_CRITICAL_SECTION();
    Py_XDECREF(old);
    if (atomic_load(&self->phase) == THREAD_STARTED && thread_show_name(self) < 0) {
        Py_DECREF(name);
        return -1;
    }
    if (is_calling_thread(self)) {
        set_os_name(module_state_of(Py_TYPE(self)), name);
    }
    Py_DECREF(name);
    return PyErr_Occurred() ? -1 : 0;
}

static PyObject *
get_ident(PyObject *object, void *Py_UNUSED(closure))
{
    thread_object *self = (thread_object *)object;
    if (require_initialized(self, PyExc_AssertionError, NOT_INITIALIZED) < 0) {
        return NULL;
    }
    return Py_NewRef(self->ident == NULL ? Py_None : self->ident);
}

static PyObject *
get_raw_native_id(PyObject *object, void *Py_UNUSED(closure))
{
    thread_handle *handle = get_handle_if_any((thread_object *)object);
    unsigned long native_id = handle == NULL ? 0 : handle_native_id(handle);
    return native_id == 0 ? Py_NewRef(Py_None) : PyLong_FromUnsignedLong(native_id);
}

static PyObject *
get_native_id(PyObject *object, void *closure)
{
    if (require_initialized((thread_object *)object, PyExc_AssertionError, NOT_INITIALIZED) < 0) {
        return NULL;
    }
    return get_raw_native_id(object, closure);
}

static PyObject *
get_daemon(PyObject *object, void *Py_UNUSED(closure))
{
    thread_object *self = (thread_object *)object;
    if (require_initialized(self, PyExc_AssertionError, NOT_INITIALIZED) < 0) {
        return NULL;
    }
    return Py_NewRef(self->daemonic == NULL ? Py_None : self->daemonic);
}

static int
set_daemon(PyObject *object, PyObject *value, void *Py_UNUSED(closure))
{
    thread_object *self = (thread_object *)object;
    if (refuse_to_delete(value, "daemon") < 0 || require_initialized(self, PyExc_RuntimeError, NOT_INITIALIZED) < 0) {
        return -1;
    }
    int wanted = PyObject_IsTrue(value);
    if (wanted > 0 && module_state_of(Py_TYPE(self))->daemon_allowed == Py_False) {
        PyErr_SetString(PyExc_RuntimeError, "daemon threads are disabled in this interpreter");
        return -1;
    }
    int started = wanted < 0 ? -1 : has_started(self);
    if (started > 0) {
        PyErr_SetString(PyExc_RuntimeError, "cannot set daemon status of active thread");
    }
    if (started != 0) {
        return -1;
    }
    PyObject *old;
    Py_BEGIN_CRITICAL_SECTION(self);
    old = self->daemonic;
    self->daemonic = Py_NewRef(value);
    Py_END_CRITICAL_SECTION();
    Py_XDECREF(old);
    return 0;
}

static PyObject *
get_started(PyObject *object, void *Py_UNUSED(closure))
{
    thread_object *self = (thread_object *)object;
    if (self->started == NULL) {
        if (require_initialized(self, PyExc_AttributeError, "_started") < 0) {
            return NULL;
        }
        PyObject *event = PyObject_CallNoArgs((PyObject *)module_state_of(Py_TYPE(self))->event_type);
        if (event == NULL) {
            return NULL;
        }
        PyObject *unused = NULL;
        Py_BEGIN_CRITICAL_SECTION(self);
        if (self->started == NULL) {
            self->started = event;
        }
        else {
            unused = event;
        }
        Py_END_CRITICAL_SECTION();
        Py_XDECREF(unused);
        if (atomic_load(&self->phase) == THREAD_STARTED && set_started(self) < 0) {
            return NULL;
        }
    }
    return Py_NewRef(self->started);
}

static int
set_started_event(PyObject *object, PyObject *value, void *Py_UNUSED(closure))
{
    thread_object *self = (thread_object *)object;
    PyObject *old;
    Py_BEGIN_CRITICAL_SECTION(self);
    old = self->started;
    self->started = Py_XNewRef(value);
    Py_END_CRITICAL_SECTION();
    Py_XDECREF(old);
    return 0;
}

static PyObject *
get_handle_object(PyObject *object, void *Py_UNUSED(closure))
{
    thread_handle *handle = thread_get_handle((thread_object *)object);
    return handle == NULL ? NULL : handle_object_new(module_state_of(Py_TYPE(object)), handle);
}

#if PY_VERSION_HEX < 0x030D0000
static PyObject *
get_is_stopped(PyObject *object, void *Py_UNUSED(closure))
{
    return PyBool_FromLong(has_ended((thread_object *)object));
}

static PyObject *
get_tstate_lock(PyObject *object, void *closure)
{
    int alive = is_alive((thread_object *)object);
    if (alive <= 0) {
        return alive < 0 ? NULL : Py_NewRef(Py_None);
    }
    return get_handle_object(object, closure);
}
#endif

static PyGetSetDef thread_getset[] = {
    {"name", get_name, set_name, PyDoc_STR("The thread's name, a string for people to read."), NULL},
    {"ident", get_ident, NULL, PyDoc_STR("The thread's identifier, as get_ident() returns it; None before the start."),
     NULL},
#ifdef PY_HAVE_THREAD_NATIVE_ID
    {"native_id", get_native_id, NULL, PyDoc_STR("The operating system's id of the thread; None before the start."),
     NULL},
    {"_native_id", get_raw_native_id, NULL, NULL, NULL},
#endif
    {"daemon", get_daemon, set_daemon,
     PyDoc_STR("Whether the program may end while the thread is alive; to be set before the start."), NULL},
    {"_started", get_started, set_started_event, NULL, NULL},
#if PY_VERSION_HEX >= 0x030D0000
    {HANDLE_ATTRIBUTE, get_handle_object, NULL, NULL, NULL},
#else
    {"_is_stopped", get_is_stopped, NULL, NULL, NULL},
    {"_tstate_lock", get_tstate_lock, NULL, NULL, NULL},
#endif
    {"__dict__", PyObject_GenericGetDict, PyObject_GenericSetDict, NULL, NULL},
    {NULL},
};

static PyMemberDef thread_members[] = {
    {"__weaklistoffset__", Py_T_PYSSIZET, offsetof(thread_object, weakrefs), Py_READONLY},
    {"__dictoffset__", Py_T_PYSSIZET, offsetof(thread_object, dict), Py_READONLY},
    {"_target", Py_T_OBJECT_EX, offsetof(thread_object, target), 0},
    {"_args", Py_T_OBJECT_EX, offsetof(thread_object, args), 0},
    {"_kwargs", Py_T_OBJECT_EX, offsetof(thread_object, kwargs), 0},
    {"_name", Py_T_OBJECT_EX, offsetof(thread_object, name), 0},
    {"_ident", Py_T_OBJECT_EX, offsetof(thread_object, ident), 0},
    {"_daemonic", Py_T_OBJECT_EX, offsetof(thread_object, daemonic), 0},
    {"_stderr", Py_T_OBJECT_EX, offsetof(thread_object, standard_error), 0},
#if PY_VERSION_HEX >= 0x030E0000
    {"_context", Py_T_OBJECT_EX, offsetof(thread_object, context), 0},
#endif
    {"_initialized", Py_T_BOOL, offsetof(thread_object, initialized), 0},
    {NULL},
};

/* The accessors that were there before the properties. */

static PyObject *
get_deprecated(PyObject *self, const char *old, const char *name)
{
    PyObject *message = PyUnicode_FromFormat("%s() is deprecated, get the %s attribute instead", old, name);
    int status = message == NULL ? -1 : warn_deprecated(PyUnicode_AsUTF8(message));
    Py_XDECREF(message);
    return status < 0 ? NULL : PyObject_GetAttrString(self, name);
}

static PyObject *
set_deprecated(PyObject *self, const char *old, const char *name, PyObject *value)
{
    PyObject *message = PyUnicode_FromFormat("%s() is deprecated, set the %s attribute instead", old, name);
    int status = message == NULL ? -1 : warn_deprecated(PyUnicode_AsUTF8(message));
    Py_XDECREF(message);
    if (status < 0 || PyObject_SetAttrString(self, name, value) < 0) {
        return NULL;
    }
    Py_RETURN_NONE;
}

static PyObject *
thread_is_daemon(PyObject *self, PyObject *Py_UNUSED(ignored))
{
    return get_deprecated(self, "isDaemon", "daemon");
}

static PyObject *
thread_set_daemon(PyObject *self, PyObject *const *args, Py_ssize_t count, PyObject *keywords)
{
    PyObject *value = unpack_one("Thread.setDaemon", "daemonic", args, count, keywords);
    return value == NULL ? NULL : set_deprecated(self, "setDaemon", "daemon", value);
}

static PyObject *
thread_get_name(PyObject *self, PyObject *Py_UNUSED(ignored))
{
    return get_deprecated(self, "getName", "name");
}

static PyObject *
thread_set_name(PyObject *self, PyObject *const *args, Py_ssize_t count, PyObject *keywords)
{
    PyObject *value = unpack_one("Thread.setName", "name", args, count, keywords);
    return value == NULL ? NULL : set_deprecated(self, "setName", "name", value);
}

/* The oldest protocols would make one of us of the object, as other C types can be made: as if it were the group. */

PyDoc_STRVAR(reduce_ex_doc,
             "__reduce_ex__($self, protocol, /)\n--\n\n"
             "Help for pickle: raise TypeError, unless a derived class says how.");

static PyObject *
thread_reduce_ex(PyObject *self, PyObject *protocol)
{
    long number = PyLong_AsLong(protocol);
    if (number == -1 && PyErr_Occurred()) {
        return NULL;
    }
    return PyObject_CallMethod((PyObject *)&PyBaseObject_Type, "__reduce_ex__", "Ol", self, number < 2 ? 2 : number);
}

/* What the standard library calls in a forked child on every Thread in the registry. handle.c has seen to the rest. */

#if PY_VERSION_HEX >= 0x030D0000
PyDoc_STRVAR(after_fork_doc,
             "_after_fork($self, /, new_ident=None)\n--\n\n"
             "Note that the process has forked, and whether this is the thread that still exists.");

static PyObject *
thread_after_fork(PyObject *self, PyObject *const *args, Py_ssize_t count, PyObject *keywords)
{
    static const char *const names[] = {"new_ident", NULL};
    PyObject *ident = NULL;
    if (unpack_arguments("_after_fork", names, args, count, keywords, &ident) < 0) {
        return NULL;
    }
    (void)self;
    Py_RETURN_NONE;
}
#else
PyDoc_STRVAR(reset_internal_locks_doc,
             "_reset_internal_locks($self, is_alive, /)\n--\n\n"
             "Note that the process has forked, and whether this is the thread that still exists.");

static PyObject *
thread_reset_internal_locks(PyObject *Py_UNUSED(self), PyObject *Py_UNUSED(is_alive))
{
    Py_RETURN_NONE;
}

PyDoc_STRVAR(stop_doc,
             "_stop($self, /)\n--\n\n"
             "Mark the thread as ended, if it is not one that start() started.");

static PyObject *
thread_stop(PyObject *Py_UNUSED(self), PyObject *Py_UNUSED(ignored))
{
    Py_RETURN_NONE;
}
#endif

static PyMethodDef thread_methods[] = {
    {"start", thread_start, METH_NOARGS, start_doc},
    {"run", thread_run, METH_NOARGS, run_doc},
    {"join", (PyCFunction)(void (*)(void))thread_join, METH_FASTCALL | METH_KEYWORDS, join_doc},
    {"is_alive", thread_is_alive, METH_NOARGS, is_alive_doc},
    {"isDaemon", thread_is_daemon, METH_NOARGS,
     PyDoc_STR("isDaemon($self, /)\n--\n\nDeprecated: read the daemon attribute.")},
    {"setDaemon", (PyCFunction)(void (*)(void))thread_set_daemon, METH_FASTCALL | METH_KEYWORDS,
     PyDoc_STR("setDaemon($self, /, daemonic)\n--\n\nDeprecated: set the daemon attribute.")},
    {"getName", thread_get_name, METH_NOARGS,
     PyDoc_STR("getName($self, /)\n--\n\nDeprecated: read the name attribute.")},
    {"setName", (PyCFunction)(void (*)(void))thread_set_name, METH_FASTCALL | METH_KEYWORDS,
     PyDoc_STR("setName($self, /, name)\n--\n\nDeprecated: set the name attribute.")},
    {"_bootstrap", thread_bootstrap, METH_NOARGS, bootstrap_doc},
    {"__reduce_ex__", thread_reduce_ex, METH_O, reduce_ex_doc},
#ifdef PY_HAVE_THREAD_NATIVE_ID
    {"_set_native_id", thread_set_native_id, METH_NOARGS, set_native_id_doc},
#endif
    {"_invoke_excepthook", thread_invoke_excepthook, METH_O, invoke_excepthook_doc},
#if PY_VERSION_HEX >= 0x030D0000
    {"_after_fork", (PyCFunction)(void (*)(void))thread_after_fork, METH_FASTCALL | METH_KEYWORDS, after_fork_doc},
#else
    {"_reset_internal_locks", thread_reset_internal_locks, METH_O, reset_internal_locks_doc},
    {"_stop", thread_stop, METH_NOARGS, stop_doc},
#endif
    {NULL},
};

PyDoc_STRVAR(
    thread_doc,
    "Thread(" THREAD_ARGUMENTS
    ")\n--\n\n"
    "A thread of control; as threading.Thread. start() starts it, join() waits for its end.\n\n"
    "It calls target with args and kwargs, or what run() of a derived class does. Its name is \"Thread-N (target)\"\n"
    "unless given. daemon says whether the program may end while it runs; the default is the calling thread's.\n"
    "group must be None." CONTEXT_DOC);

static PyType_Slot thread_slots[] = {
    {Py_tp_doc, (void *)thread_doc}, {Py_tp_init, thread_init},
    {Py_tp_dealloc, thread_dealloc}, {Py_tp_traverse, thread_traverse},
    {Py_tp_clear, thread_clear},     {Py_tp_repr, thread_repr},
    {Py_tp_methods, thread_methods}, {Py_tp_members, thread_members},
    {Py_tp_getset, thread_getset},   {0, NULL},
};

static PyType_Spec thread_spec = {
    .name = "cthreading.Thread",
    .basicsize = sizeof(thread_object),
    .flags = Py_TPFLAGS_DEFAULT | Py_TPFLAGS_BASETYPE | Py_TPFLAGS_HAVE_GC,
    .slots = thread_slots,
};

static int
make_constants(module_state *state)
{
    state->empty_tuple = PyTuple_New(0);
    state->str_counter = PyUnicode_InternFromString("_counter");
    state->str_excepthook = PyUnicode_InternFromString("excepthook");
    state->str_is_alive = PyUnicode_InternFromString("is_alive");
    state->str_name = PyUnicode_InternFromString("__name__");
    state->str_private_name = PyUnicode_InternFromString("_name");
    state->str_profile_hook = PyUnicode_InternFromString("_profile_hook");
    state->str_run = PyUnicode_InternFromString("run");
    state->str_stderr = PyUnicode_InternFromString("stderr");
    state->str_start_function = PyUnicode_InternFromString(START_FUNCTION);
    state->str_trace_hook = PyUnicode_InternFromString("_trace_hook");
    return PyErr_Occurred() ? -1 : 0;
}

static int
find_thread_functions(module_state *state, PyObject *module)
{
    state->start_function = module_import_from("_thread", START_FUNCTION + 1);
    if (state->start_function == NULL || PyModule_AddObjectRef(module, START_FUNCTION, state->start_function) < 0) {
        return -1;
    }
#if PY_VERSION_HEX >= 0x030D0000
    state->make_handle = module_import_from("_thread", "_ThreadHandle");
    if (state->make_handle == NULL) {
        return -1;
    }
#endif
#if PY_VERSION_HEX >= 0x030E0000
    state->set_name = module_import_from("_thread", "set_name");
    if (state->set_name == NULL) {
        PyErr_Clear();
    }
#endif
    return 0;
}

int
thread_exec(PyObject *module)
{
    module_state *state = module_get_state(module);
    int error = handle_setup();
    if (error != 0) {
        errno = error;
        PyErr_SetFromErrno(PyExc_OSError);
        return -1;
    }
    if (make_constants(state) < 0 || find_thread_functions(state, module) < 0) {
        return -1;
    }
    state->thread_type = module_add_type(module, &thread_spec, NULL);
    if (state->thread_type == NULL) {
        return -1;
    }
    state->thread_type->tp_vectorcall = thread_vectorcall;
    return 0;
}
