/* Making a Thread, and the types. See thread.h.
 *
 * __init__ does what the running Python's does, in its order, so an instance looks the same. Two things differ:
 * `_started` is our Event, and what is the same for all threads is made once. Where somebody has replaced the standard
 * library's own __init__, that is called. */
#include "thread.h"

#include "current.h"
#include "start.h"

/* The standard library's names. */

PyObject *
thread_stdlib_name(module_state *state, PyObject *name)
{
    PyObject *found;
    if (state->stdlib == NULL) {
        return module_is_cleared();
    }
    if (PyDict_GetItemRef(state->stdlib, name, &found) == 0) {
        PyErr_Format(PyExc_NameError, "name '%U' is not defined", name);
    }
    return found;
}

static bool
is_from_stdlib(module_state *state, PyObject *owner, PyObject *found)
{
    if (PyMethod_Check(found)) {
        if (PyMethod_GET_SELF(found) != owner) {
            return false;
        }
        found = PyMethod_GET_FUNCTION(found);
    }
    return PyFunction_Check(found) && PyFunction_GET_GLOBALS(found) == state->stdlib;
}

int
thread_is_inherited(module_state *state, PyObject *owner, PyObject *name)
{
    PyObject *found = PyObject_GetAttr(owner, name);
    if (found == NULL) {
        if (!PyErr_ExceptionMatches(PyExc_AttributeError)) {
            return -1;
        }
        PyErr_Clear();
        return 0;
    }
    bool inherited = is_from_stdlib(state, owner, found);
    Py_DECREF(found);
    return inherited;
}

PyObject *
thread_call_stdlib(module_state *state, PyObject *name, PyObject *const *args, Py_ssize_t count, PyObject *keywords)
{
    PyObject *function = PyObject_GetAttr((PyObject *)state->stdlib_thread_type, name);
    PyObject *result = function == NULL ? NULL : PyObject_Vectorcall(function, args, count, keywords);
    Py_XDECREF(function);
    return result;
}

/* The name. */

static char *
write_text(char *place, const char *text, size_t length)
{
    memcpy(place, text, length);
    return place + length;
}

/* As PyUnicode_FromFormat("Thread-%S (%S)", ...), which takes longer than all else that makes a Thread. Returns NULL
 * without an exception where it takes more than this. */
static PyObject *
put_together_ascii(PyObject *number, PyObject *target_name)
{
    static const char prefix[] = "Thread-";
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
    Py_ssize_t length = (Py_ssize_t)strlen(prefix) + (end - first);
    length += target_name == NULL ? 0 : PyUnicode_GET_LENGTH(target_name) + 3;
    PyObject *name = PyUnicode_New(length, 127);
    if (name == NULL) {
        PyErr_Clear();
        return NULL;
    }
    char *place = write_text((char *)PyUnicode_1BYTE_DATA(name), prefix, strlen(prefix));
    place = write_text(place, first, (size_t)(end - first));
    if (target_name != NULL) {
        place = write_text(place, " (", 2);
        place = write_text(place, (const char *)PyUnicode_1BYTE_DATA(target_name), PyUnicode_GET_LENGTH(target_name));
        *place = ')';
    }
    return name;
}

static PyObject *
put_together(PyObject *number, PyObject *target_name)
{
    PyObject *name = put_together_ascii(number, target_name);
    if (name != NULL) {
        return name;
    }
    return target_name == NULL ? PyUnicode_FromFormat("Thread-%S", number)
                               : PyUnicode_FromFormat("Thread-%S (%S)", number, target_name);
}

/* The target's name, NULL where it has none. Returns -1 with an exception set. */
static int
get_target_name(module_state *state, PyObject *target, PyObject **name)
{
    *name = target == Py_None ? NULL : PyObject_GetAttr(target, state->str___name__);
    if (*name == NULL && PyErr_Occurred()) {
        if (!PyErr_ExceptionMatches(PyExc_AttributeError)) {
            return -1;
        }
        PyErr_Clear();
    }
    return 0;
}

static PyObject *
make_name(module_state *state, PyObject *target)
{
    PyObject *target_name;
    PyObject *counter = thread_stdlib_name(state, state->str__counter);
    PyObject *number = counter == NULL ? NULL : PyObject_CallNoArgs(counter);
    Py_XDECREF(counter);
    if (number == NULL || get_target_name(state, target, &target_name) < 0) {
        Py_XDECREF(number);
        return NULL;
    }
    PyObject *name = put_together(number, target_name);
    Py_XDECREF(target_name);
    Py_DECREF(number);
    return name;
}

static PyObject *
name_of(module_state *state, PyObject *name, PyObject *target)
{
    int given = PyObject_IsTrue(name);
    if (given < 0) {
        return NULL;
    }
    return given ? PyObject_Str(name) : make_name(state, target);
}

/* The other parts. Each returns a new reference. */

static PyObject *
make_daemonic(module_state *state, PyObject *daemon)
{
    if (daemon == Py_None) {
        PyObject *current = current_thread(state);
        PyObject *inherited = current == NULL ? NULL : PyObject_GetAttr(current, state->str_daemon);
        Py_XDECREF(current);
        return inherited;
    }
#if PY_VERSION_HEX >= 0x030C0000
    int wanted = PyObject_IsTrue(daemon);
    if (wanted < 0) {
        return NULL;
    }
    if (wanted && state->daemon_allowed == Py_False) {
        PyErr_SetString(PyExc_RuntimeError, "daemon threads are disabled in this (sub)interpreter");
        return NULL;
    }
#endif
    return Py_NewRef(daemon);
}

/* Ours, unless somebody has put another Event in the place of the standard library's. */
static PyObject *
make_event(module_state *state)
{
    PyObject *type = thread_stdlib_name(state, state->str_Event);
    if (type == state->stdlib_event_type) {
        Py_SETREF(type, Py_NewRef(state->event_type));
    }
    PyObject *event = type == NULL ? NULL : PyObject_CallNoArgs(type);
    Py_XDECREF(type);
    return event;
}

static PyObject *
get_standard_error(module_state *state)
{
    PyObject *found;
    if (PyDict_GetItemRef(state->system, state->str_stderr, &found) == 0) {
        PyErr_SetString(PyExc_AttributeError, "module 'sys' has no attribute 'stderr'");
    }
    return found;
}

/* What the standard library's function would make is the same for all threads as long as the hooks are that it looks at:
 * (the function, threading.excepthook, sys.excepthook, what it made). */
enum { MADE_BY, MADE_FOR_HOOK, MADE_FOR_SYSTEM_HOOK, MADE, MADE_COUNT };

static bool
is_made_for(PyObject *known, PyObject *make, PyObject *hook, PyObject *system_hook)
{
    return known != NULL && PyTuple_GET_ITEM(known, MADE_BY) == make &&
           PyTuple_GET_ITEM(known, MADE_FOR_HOOK) == hook &&
           PyTuple_GET_ITEM(known, MADE_FOR_SYSTEM_HOOK) == system_hook;
}

static PyObject *
take_known(PyObject *module, module_state *state)
{
    PyObject *known;
    (void)module; /* with a GIL */
    Py_BEGIN_CRITICAL_SECTION(module);
    known = Py_XNewRef(state->invoke_excepthook);
    Py_END_CRITICAL_SECTION();
    return known;
}

static void
remember(PyObject *module, module_state *state, PyObject *known)
{
    PyObject *old;
    (void)module; /* with a GIL */
    Py_BEGIN_CRITICAL_SECTION(module);
    old = state->invoke_excepthook;
    state->invoke_excepthook = known;
    Py_END_CRITICAL_SECTION();
    Py_XDECREF(old);
}

static PyObject *
make_invoke_excepthook(PyObject *module, module_state *state)
{
    PyObject *make = thread_stdlib_name(state, state->str__make_invoke_excepthook);
    PyObject *hook = make == NULL ? NULL : thread_stdlib_name(state, state->str_excepthook);
    PyObject *system_hook = NULL, *made = NULL;
    if (hook != NULL && PyDict_GetItemRef(state->system, state->str_excepthook, &system_hook) > 0) {
        PyObject *known = take_known(module, state);
        if (is_made_for(known, make, hook, system_hook)) {
            made = Py_NewRef(PyTuple_GET_ITEM(known, MADE));
        }
        Py_XDECREF(known);
    }
    if (made == NULL && hook != NULL && !PyErr_Occurred()) {
        made = PyObject_CallNoArgs(make);
        if (made != NULL && system_hook != NULL) {
            remember(module, state, PyTuple_Pack(MADE_COUNT, make, hook, system_hook, made));
            PyErr_Clear();
        }
    }
    Py_XDECREF(make);
    Py_XDECREF(hook);
    Py_XDECREF(system_hook);
    return made;
}

/* Remembers the thread in `_dangling`, as the `add` of a WeakSet does, but with a callback that is not Python code to run
 * for each thread that goes. */
static int
add_to_dangling(module_state *state, PyObject *self)
{
    PyObject *dangling = thread_stdlib_name(state, state->str__dangling);
    if (dangling == NULL || Py_TYPE(dangling) != state->weak_set_type) {
        PyObject *added = dangling == NULL ? NULL : PyObject_CallMethodOneArg(dangling, state->str_add, self);
        Py_XDECREF(dangling);
        Py_XDECREF(added);
        return added == NULL ? -1 : 0;
    }
    PyObject *data = PyObject_GetAttr(dangling, state->str_data);
    PyObject *reference = data == NULL ? NULL : PyWeakref_NewRef(self, state->forget_dangling);
    int status = reference == NULL ? -1 : PySet_Add(data, reference);
    Py_DECREF(dangling);
    Py_XDECREF(data);
    Py_XDECREF(reference);
    return status;
}

/* Up to 3.13 a WeakSet puts off what goes while somebody iterates over it: its own function sees to that. */
static int
remove_from_dangling(module_state *state, PyObject *dangling, PyObject *reference)
{
#if PY_VERSION_HEX < 0x030E0000
    PyObject *iterating = PyObject_GetAttr(dangling, state->str__iterating);
    int busy = iterating == NULL ? -1 : PyObject_IsTrue(iterating);
    Py_XDECREF(iterating);
    if (busy != 0) {
        PyObject *done = busy < 0 ? NULL : PyObject_CallMethodOneArg(dangling, state->str__remove, reference);
        Py_XDECREF(done);
        return done == NULL ? -1 : 0;
    }
#endif
    PyObject *data = PyObject_GetAttr(dangling, state->str_data);
    int status = data == NULL ? -1 : PySet_Discard(data, reference);
    Py_XDECREF(data);
    return status;
}

static PyObject *
forget_dangling(PyObject *module, PyObject *reference)
{
    module_state *state = module_get_state(module);
    PyObject *dangling;
    if (state->stdlib == NULL || PyDict_GetItemRef(state->stdlib, state->str__dangling, &dangling) == 0 ||
        Py_IsNone(dangling)) {
        Py_RETURN_NONE;
    }
    int status = dangling == NULL ? -1 : remove_from_dangling(state, dangling, reference);
    Py_XDECREF(dangling);
    return status < 0 ? NULL : Py_NewRef(Py_None);
}

static PyMethodDef forget_dangling_definition = {"_forget_dangling", forget_dangling, METH_O, NULL};

/* __init__. */

#if PY_VERSION_HEX >= 0x030E0000
#define THREAD_ARGUMENTS "group=None, target=None, name=None, args=(), kwargs=None, *, daemon=None, context=None"
#define CONTEXT_DOC "\ncontext is the Context that it runs in; by default sys.flags.thread_inherit_context decides."
static const char *const argument_names[] = {"group", "target", "name", "args", "kwargs", "daemon", "context", NULL};
#else
#define THREAD_ARGUMENTS "group=None, target=None, name=None, args=(), kwargs=None, *, daemon=None"
#define CONTEXT_DOC ""
static const char *const argument_names[] = {"group", "target", "name", "args", "kwargs", "daemon", NULL};
#endif
enum { GROUP, TARGET, NAME, ARGS, KWARGS, DAEMON, CONTEXT, ARGUMENT_COUNT };
#define POSITIONAL_COUNT (KWARGS + 1)

/* Sets an attribute, as a statement of __init__. Steals the value; NULL is an error that passes through. */
static int
set(PyObject *self, PyObject *name, PyObject *value)
{
    int status = value == NULL ? -1 : PyObject_SetAttr(self, name, value);
    Py_XDECREF(value);
    return status;
}

#if PY_VERSION_HEX >= 0x030D0000 && PY_VERSION_HEX < 0x030E0000
/* A class may have a `_handle` of its own: see cthreading/_handle.py. Steals the handle. */
static PyObject *
share_name(module_state *state, PyObject *self, PyObject *handle)
{
    PyObject *own;
    int found = handle == NULL ? 0 : PyObject_GetOptionalAttr((PyObject *)Py_TYPE(self), state->str__handle, &own);
    if (found > 0) {
        Py_DECREF(own);
        PyObject *type = module_import_from("cthreading._handle", "Handle");
        PyObject *shared = type == NULL ? NULL : PyObject_CallFunctionObjArgs(type, handle, self, NULL);
        Py_XDECREF(type);
        Py_SETREF(handle, shared);
    }
    if (found < 0) {
        Py_CLEAR(handle);
    }
    return handle;
}
#else
#define share_name(state, self, handle) (handle)
#endif

/* The attributes that only some versions have. */
static int
set_by_version(module_state *state, PyObject *self, PyObject *context)
{
#if PY_VERSION_HEX >= 0x030E0000
    if (set(self, state->str__context, Py_NewRef(context)) < 0) {
        return -1;
    }
#else
    (void)context;
#endif
    if (set(self, state->str__ident, Py_NewRef(Py_None)) < 0) {
        return -1;
    }
#ifdef PY_HAVE_THREAD_NATIVE_ID
    if (set(self, state->str__native_id, Py_NewRef(Py_None)) < 0) {
        return -1;
    }
#endif
#ifdef THREAD_HANDLE
    PyObject *type = thread_stdlib_name(state, state->str__ThreadHandle);
    PyObject *handle = type == NULL ? NULL : PyObject_CallNoArgs(type);
    Py_XDECREF(type);
    return set(self, state->THREAD_HANDLE, share_name(state, self, handle));
#else
    return set(self, state->str__tstate_lock, Py_NewRef(Py_None));
#endif
}

static int
set_all(PyObject *module, module_state *state, PyObject *self, PyObject *const *values, PyObject *name)
{
    PyObject *kwargs = Py_IsNone(values[KWARGS]) ? PyDict_New() : Py_NewRef(values[KWARGS]);
    if (kwargs == NULL || set(self, state->str__target, Py_NewRef(values[TARGET])) < 0 ||
        set(self, state->str__name, Py_NewRef(name)) < 0 || set(self, state->str__args, Py_NewRef(values[ARGS])) < 0) {
        Py_XDECREF(kwargs);
        return -1;
    }
    if (set(self, state->str__kwargs, kwargs) < 0 ||
        set(self, state->str__daemonic, make_daemonic(state, values[DAEMON])) < 0 ||
        set_by_version(state, self, values[CONTEXT]) < 0 || set(self, state->str__started, make_event(state)) < 0) {
        return -1;
    }
#ifndef THREAD_HANDLE
    if (set(self, state->str__is_stopped, Py_NewRef(Py_False)) < 0) {
        return -1;
    }
#endif
    if (set(self, state->str__initialized, Py_NewRef(Py_True)) < 0 ||
        set(self, state->str__stderr, get_standard_error(state)) < 0 ||
        set(self, state->str__invoke_excepthook, make_invoke_excepthook(module, state)) < 0) {
        return -1;
    }
    return add_to_dangling(state, self);
}

/* The values are those of argument_names, NULL where not given. */
static int
initialize(PyObject *module, PyObject *self, PyObject **values)
{
    module_state *state = module_get_state(module);
    if (state->stdlib == NULL) {
        module_is_cleared();
        return -1;
    }
    for (int i = 0; i < ARGUMENT_COUNT; i++) {
        values[i] = values[i] != NULL ? values[i] : i == ARGS ? state->empty_tuple : Py_None;
    }
    if (!Py_IsNone(values[GROUP])) {
        PyErr_SetString(PyExc_AssertionError, "group argument must be None for now");
        return -1;
    }
    PyObject *name = name_of(state, values[NAME], values[TARGET]);
    int status = name == NULL ? -1 : set_all(module, state, self, values, name);
    Py_XDECREF(name);
    return status;
}

static int
read_arguments(PyObject *const *args, Py_ssize_t count, PyObject *keywords, PyObject **values)
{
    values[CONTEXT] = NULL;
    if (count > POSITIONAL_COUNT) {
        PyErr_Format(PyExc_TypeError, "Thread.__init__() takes from 1 to %d positional arguments but %zd were given",
                     POSITIONAL_COUNT + 1, count + 1);
        return -1;
    }
    return unpack_arguments("Thread.__init__", argument_names, args, count, keywords, values);
}

/* Whether the standard library's class has its own __init__ still. */
static int
may_initialize(module_state *state)
{
    return thread_is_inherited(state, (PyObject *)state->stdlib_thread_type, state->str___init__);
}

static int
refuse_no_self(const char *function, Py_ssize_t count)
{
    if (count > 0) {
        return 0;
    }
    PyErr_Format(PyExc_TypeError, "%s() missing 1 required positional argument: 'self'", function);
    return -1;
}

PyDoc_STRVAR(thread_init_doc, "__init__($module, self, " THREAD_ARGUMENTS
                              ")\n--\n\n"
                              "Make a thread that has not been started; see the class.");

static PyObject *
thread_init(PyObject *module, PyObject *const *args, Py_ssize_t count, PyObject *keywords)
{
    module_state *state = module_get_state(module);
    if (refuse_no_self("Thread.__init__", count) < 0) {
        return NULL;
    }
    int quick = may_initialize(state);
    if (quick <= 0) {
        return quick < 0 ? NULL : thread_call_stdlib(state, state->str___init__, args, count, keywords);
    }
    PyObject *values[ARGUMENT_COUNT];
    if (read_arguments(args + 1, count - 1, keywords, values) < 0 || initialize(module, args[0], values) < 0) {
        return NULL;
    }
    Py_RETURN_NONE;
}

/* Whether Thread(...) makes what the type and its base have from here, not replaced by somebody. */
static int
may_construct(module_state *state, PyTypeObject *type)
{
    if (type->tp_new != PyBaseObject_Type.tp_new) {
        return 0;
    }
    PyObject *init = PyObject_GetAttr((PyObject *)type, state->str___init__);
    Py_XDECREF(init);
    return init == NULL ? -1 : init == state->thread_init ? may_initialize(state) : 0;
}

/* Thread(...) itself, not a derived class. */
static PyObject *
thread_vectorcall(PyObject *callable, PyObject *const *args, size_t flags, PyObject *keywords)
{
    PyTypeObject *type = (PyTypeObject *)callable;
    PyObject *module = PyType_GetModule(type);
    if (module == NULL) {
        return NULL;
    }
    int quick = may_construct(module_get_state(module), type);
    if (quick <= 0) {
        return quick < 0 ? NULL : construct_slow(callable, args, flags, keywords);
    }
    PyObject *values[ARGUMENT_COUNT];
    if (read_arguments(args, PyVectorcall_NARGS(flags), keywords, values) < 0) {
        return NULL;
    }
    PyObject *self = type->tp_alloc(type, 0);
    if (self != NULL && initialize(module, self, values) < 0) {
        Py_CLEAR(self);
    }
    return self;
}

/* Timer. */

PyDoc_STRVAR(timer_init_doc,
             "__init__($module, self, interval, function, args=None, kwargs=None)\n--\n\n"
             "Make a timer that has not been started; see the class.");

static PyObject *
timer_init(PyObject *module, PyObject *const *args, Py_ssize_t count, PyObject *keywords)
{
    static const char *const names[] = {"interval", "function", "args", "kwargs", NULL};
    module_state *state = module_get_state(module);
    PyObject *values[4], *none[ARGUMENT_COUNT] = {NULL};
    if (refuse_no_self("Timer.__init__", count) < 0 ||
        unpack_arguments("Timer.__init__", names, args + 1, count - 1, keywords, values) < 0) {
        return NULL;
    }
    PyObject *self = args[0];
    if (values[0] == NULL || values[1] == NULL) {
        return PyErr_Format(PyExc_TypeError, "Timer.__init__() missing required argument: '%s'",
                            names[values[0] == NULL ? 0 : 1]);
    }
    int quick = may_initialize(state);
    if (quick == 0) {
        PyObject *done = thread_call_stdlib(state, state->str___init__, args, 1, NULL);
        quick = done == NULL ? -1 : 1;
        Py_XDECREF(done);
    }
    else if (quick > 0) {
        quick = initialize(module, self, none);
    }
    bool has_args = values[2] != NULL && !Py_IsNone(values[2]), has_kwargs = values[3] != NULL && !Py_IsNone(values[3]);
    if (quick < 0 || set(self, state->str_interval, Py_NewRef(values[0])) < 0 ||
        set(self, state->str_function, Py_NewRef(values[1])) < 0 ||
        set(self, state->str_args, has_args ? Py_NewRef(values[2]) : PyList_New(0)) < 0 ||
        set(self, state->str_kwargs, has_kwargs ? Py_NewRef(values[3]) : PyDict_New()) < 0 ||
        set(self, state->str_finished, make_event(state)) < 0) {
        return NULL;
    }
    Py_RETURN_NONE;
}

/* The types. They must not differ from their bases in what C code does with an instance, so that `__class__` can be
 * assigned. */

PyDoc_STRVAR(
    thread_doc,
    "Thread(" THREAD_ARGUMENTS
    ")\n--\n\n"
    "A thread of control; as threading.Thread. start() starts it, join() waits for its end.\n\n"
    "It calls target with args and kwargs, or what run() of a derived class does. Its name is \"Thread-N (target)\"\n"
    "unless given. daemon says whether the program may end while it runs; the default is the calling thread's.\n"
    "group must be None." CONTEXT_DOC);
PyDoc_STRVAR(
    timer_doc,
    "Timer(interval, function, args=None, kwargs=None)\n--\n\n"
    "A thread that calls a function after some time, unless cancel() comes first; as threading.Timer.\n\n"
    "start() begins the wait, of interval seconds. function is called as function(*args, **kwargs); None for either\n"
    "means that there are none.");
PyDoc_STRVAR(main_thread_doc,
             "_MainThread()\n--\n\n"
             "The Thread of the thread that the interpreter was started in.");
PyDoc_STRVAR(dummy_thread_doc,
             "_DummyThread()\n--\n\n"
             "The Thread of a thread that was not started by Thread.start().");

static PyMethodDef thread_init_definition = {"__init__", (PyCFunction)(void (*)(void))thread_init,
                                             METH_FASTCALL | METH_KEYWORDS, thread_init_doc};
static PyMethodDef timer_init_definition = {"__init__", (PyCFunction)(void (*)(void))timer_init,
                                            METH_FASTCALL | METH_KEYWORDS, timer_init_doc};

/* A type without fields of its own. */
#define TYPE(type_name, doc)                                             \
    {                                                                    \
        .name = "cthreading." type_name,                                 \
        .flags = Py_TPFLAGS_DEFAULT | Py_TPFLAGS_BASETYPE,               \
        .slots = (PyType_Slot[]){{Py_tp_doc, (void *)(doc)}, {0, NULL}}, \
    }
static PyType_Spec thread_spec = TYPE("Thread", thread_doc);
static PyType_Spec timer_spec = TYPE("Timer", timer_doc);
static PyType_Spec main_thread_spec = TYPE("_MainThread", main_thread_doc);
static PyType_Spec dummy_thread_spec = TYPE("_DummyThread", dummy_thread_doc);

static int
find_in_stdlib(module_state *state)
{
    state->stdlib_thread_type = (PyTypeObject *)module_import_from("threading", "Thread");
    state->stdlib_main_thread_type = (PyTypeObject *)module_import_from("threading", "_MainThread");
    state->stdlib_dummy_thread_type = (PyTypeObject *)module_import_from("threading", "_DummyThread");
    state->stdlib_event_type = module_import_from("threading", "Event");
    state->weak_set_type = (PyTypeObject *)module_import_from("_weakrefset", "WeakSet");
#if PY_VERSION_HEX >= 0x030C0000
    PyObject *function = module_import_from("_thread", "daemon_threads_allowed");
    state->daemon_allowed = function == NULL ? NULL : PyObject_CallNoArgs(function);
    Py_XDECREF(function);
#endif
    return PyErr_Occurred() ? -1 : 0;
}

static int
add_methods(PyObject *module, module_state *state)
{
    for (PyMethodDef *method = thread_start_methods; method->ml_name != NULL; method++) {
        if (module_add_method(module, state->thread_type, method) < 0) {
            return -1;
        }
    }
    if (module_add_method(module, state->thread_type, &thread_init_definition) < 0) {
        return -1;
    }
    state->thread_init = PyObject_GetAttr((PyObject *)state->thread_type, state->str___init__);
    return state->thread_init == NULL ? -1 : start_add_properties(module, state->thread_type);
}

/* A subclass of both. It finds what is written in C before what the standard library's has from its own Thread. */
static PyTypeObject *
add_subclass(PyObject *module, PyType_Spec *spec, const char *name)
{
    PyObject *theirs = module_import_from("threading", name);
    PyTypeObject *ours = module_get_state(module)->thread_type;
    PyTypeObject *type = theirs == NULL ? NULL : module_make_type(module, spec, (PyTypeObject *)theirs, ours);
    Py_XDECREF(theirs);
    if (type != NULL && PyModule_AddType(module, type) < 0) {
        Py_CLEAR(type);
    }
    return type;
}

int
thread_exec(PyObject *module)
{
    module_state *state = module_get_state(module);
    if (find_in_stdlib(state) < 0 || start_setup(module) < 0) {
        return -1;
    }
    state->forget_dangling = PyCFunction_NewEx(&forget_dangling_definition, module, NULL);
    state->thread_type = module_add_type(module, &thread_spec, state->stdlib_thread_type);
    if (state->forget_dangling == NULL || state->thread_type == NULL || add_methods(module, state) < 0) {
        return -1;
    }
    PyTypeObject *timer = add_subclass(module, &timer_spec, "Timer");
    int status = timer == NULL ? -1 : module_add_method(module, timer, &timer_init_definition);
    Py_XDECREF(timer);
    state->main_thread_type = add_subclass(module, &main_thread_spec, "_MainThread");
    state->dummy_thread_type = add_subclass(module, &dummy_thread_spec, "_DummyThread");
    if (status < 0 || state->main_thread_type == NULL || state->dummy_thread_type == NULL) {
        return -1;
    }
    state->thread_type->tp_vectorcall = thread_vectorcall;
    return current_setup(module);
}
