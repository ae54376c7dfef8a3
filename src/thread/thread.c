/* threading.Thread, Timer, _MainThread and _DummyThread: the standard library's classes, each with a subclass in C.
 *
 * They have no state but what is in the instance's dict, under the names that the running Python has for it, so whatever
 * is not written here is inherited and works. In C is what pays: making a Thread, here, starting it without a wait for it
 * to run (start.c), and current_thread() (current.c). The registry, the hooks, the end of the interpreter and a fork are the
 * standard library's alone.
 *
 * __init__ does what the running Python's does, in its order, so an instance looks the same. Two things differ:
 * `_started` is our Event, and what is the same for all threads is made once. Where somebody has replaced the standard
 * library's own __init__, that is called. */
#include "../sync/method.h"
#include "current.h"
#include "handle.h"
#include "join.h"
#include "start.h"
#include "stdlib.h"
#include "tstate_lock.h"

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

/* The next of the standard library's numbers. Its counter is the `__next__` of an iterator, as a rule. */
static PyObject *
next_number(module_state *state)
{
    PyObject *counter = stdlib_known(state, _counter);
    PyObject *number = counter == NULL             ? NULL
                       : counter == state->counter ? PyIter_Next(state->counter_iterator)
                                                   : PyObject_CallNoArgs(counter);
    Py_XDECREF(counter);
    return number;
}

static PyObject *
make_name(module_state *state, PyObject *target)
{
    PyObject *target_name;
    PyObject *number = next_number(state);
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

/* Whether the check, which looks attributes up, has been passed by a type of this version, or is now. A type that is
 * changed meanwhile has another version: it is asked for before. */
static int
has_passed(module_state *state, PyTypeObject *type, unsigned int *passed, int (*check)(module_state *, PyTypeObject *))
{
    unsigned int version = type_version(type);
    if (version != 0 && version == __atomic_load_n(passed, __ATOMIC_RELAXED)) {
        return 1;
    }
    int result = check(state, type);
    if (result > 0) {
        __atomic_store_n(passed, version, __ATOMIC_RELAXED);
    }
    return result;
}

static int
inherits_daemon(module_state *state, PyTypeObject *type)
{
    PyObject *property = PyObject_GetAttr((PyObject *)type, state->str_daemon);
    Py_XDECREF(property);
    return property == NULL ? -1 : property == state->stdlib_daemon;
}

/* The calling thread's flag. Where that is the standard library's property, what it returns. */
static PyObject *
inherit_daemonic(module_state *state)
{
    PyObject *current = current_thread(state);
    if (current == NULL) {
        return NULL;
    }
    int simple = has_passed(state, Py_TYPE(current), &state->checks.inherits_daemon, inherits_daemon);
    PyObject *daemonic =
        simple < 0 ? NULL : PyObject_GetAttr(current, simple ? state->str__daemonic : state->str_daemon);
    Py_DECREF(current);
    return daemonic;
}

static PyObject *
make_daemonic(module_state *state, PyObject *daemon)
{
    if (daemon == Py_None) {
        return inherit_daemonic(state);
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
    PyObject *type = stdlib_known(state, Event);
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
    PyObject *make = stdlib_known(state, _make_invoke_excepthook);
    PyObject *hook = make == NULL ? NULL : stdlib_known(state, excepthook);
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

/* `_dangling` is the WeakSet of all Threads. What is done with it here is what the set's own `add` and the function that it
 * has called when a Thread goes do; but that one is Python code to run for each. Another object in its place is called. */

static int
add_to_dangling(module_state *state, PyObject *self)
{
    PyObject *dangling = stdlib_known(state, _dangling);
    int status = -1;
    if (dangling != NULL && dangling == state->dangling) {
        PyObject *reference = PyWeakref_NewRef(self, state->forget_dangling);
        status = reference == NULL ? -1 : PySet_Add(state->dangling_data, reference);
        Py_XDECREF(reference);
    }
    else if (dangling != NULL) {
        PyObject *added = PyObject_CallMethodOneArg(dangling, state->str_add, self);
        status = added == NULL ? -1 : 0;
        Py_XDECREF(added);
    }
    Py_XDECREF(dangling);
    return status;
}

static PyObject *
forget_dangling(PyObject *module, PyObject *reference)
{
    module_state *state = module_get_state(module);
    /* Up to 3.13 a WeakSet puts off what goes while somebody iterates over it. */
    if (state->dangling_iterating != NULL && PySet_GET_SIZE(state->dangling_iterating) != 0) {
        return PyObject_CallMethodOneArg(state->dangling, state->str__remove, reference);
    }
    if (state->dangling_data != NULL && PySet_Discard(state->dangling_data, reference) < 0) {
        return NULL;
    }
    Py_RETURN_NONE;
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

/* The attributes that only some versions have. */
static int
set_by_version(module_state *state, PyObject *self, PyObject *context)
{
#if PY_VERSION_HEX >= 0x030E0000
    if (set_attribute(self, state->str__context, Py_NewRef(context)) < 0) {
        return -1;
    }
#else
    (void)context;
#endif
    if (set_attribute(self, state->str__ident, Py_NewRef(Py_None)) < 0) {
        return -1;
    }
#ifdef PY_HAVE_THREAD_NATIVE_ID
    if (set_attribute(self, state->str__native_id, Py_NewRef(Py_None)) < 0) {
        return -1;
    }
#endif
#ifdef HANDLE_ATTRIBUTE
    return set_attribute(self, state->HANDLE_ATTRIBUTE, handle_new(state, self));
#else
    return set_attribute(self, state->str__tstate_lock, Py_NewRef(Py_None));
#endif
}

static int
set_all(PyObject *module, module_state *state, PyObject *self, PyObject *const *values, PyObject *name)
{
    PyObject *kwargs = Py_IsNone(values[KWARGS]) ? PyDict_New() : Py_NewRef(values[KWARGS]);
    if (kwargs == NULL || set_attribute(self, state->str__target, Py_NewRef(values[TARGET])) < 0 ||
        set_attribute(self, state->str__name, Py_NewRef(name)) < 0 ||
        set_attribute(self, state->str__args, Py_NewRef(values[ARGS])) < 0) {
        Py_XDECREF(kwargs);
        return -1;
    }
    if (set_attribute(self, state->str__kwargs, kwargs) < 0 ||
        set_attribute(self, state->str__daemonic, make_daemonic(state, values[DAEMON])) < 0 ||
        set_by_version(state, self, values[CONTEXT]) < 0 ||
        set_attribute(self, state->str__started, make_event(state)) < 0) {
        return -1;
    }
#ifndef HANDLE_ATTRIBUTE
    if (set_attribute(self, state->str__is_stopped, Py_NewRef(Py_False)) < 0) {
        return -1;
    }
#endif
    if (set_attribute(self, state->str__initialized, Py_NewRef(Py_True)) < 0 ||
        set_attribute(self, state->str__stderr, get_standard_error(state)) < 0 ||
        set_attribute(self, state->str__invoke_excepthook, make_invoke_excepthook(module, state)) < 0) {
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

static int
has_own_init(module_state *state, PyTypeObject *type)
{
    return stdlib_is_inherited(state, (PyObject *)type, state->str___init__);
}

/* Whether the standard library's class has its own __init__ still. */
static int
may_initialize(module_state *state)
{
    return has_passed(state, state->stdlib_thread_type, &state->checks.initializes, has_own_init);
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

PyDoc_STRVAR(thread_init_doc, "__init__($self, /, " THREAD_ARGUMENTS
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
        return quick < 0 ? NULL : stdlib_call(state, state->str___init__, args, count, keywords);
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
    module_state *state = module_get_state(module);
    int quick = has_passed(state, type, &state->checks.constructs, may_construct);
    if (quick <= 0) {
        return quick < 0 ? NULL : construct_slow(callable, args, flags, keywords);
    }
    PyObject *values[ARGUMENT_COUNT];
    if (read_arguments(args, PyVectorcall_NARGS(flags), keywords, values) < 0) {
        return NULL;
    }
#if PY_VERSION_HEX >= 0x030D0000
    PyObject *self = type->tp_alloc(type, 0);
#else
    /* That makes no room for attributes in the object. */
    PyObject *self = type->tp_new(type, state->empty_tuple, NULL);
#endif
    if (self != NULL && initialize(module, self, values) < 0) {
        Py_CLEAR(self);
    }
    return self;
}

/* Timer. */

PyDoc_STRVAR(timer_init_doc,
             "__init__($self, /, interval, function, args=None, kwargs=None)\n--\n\n"
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
    int quick = has_passed(state, state->thread_type, &state->checks.constructs, may_construct);
    if (quick == 0) {
        PyObject *done = PyObject_CallMethodOneArg((PyObject *)state->thread_type, state->str___init__, self);
        quick = done == NULL ? -1 : 1;
        Py_XDECREF(done);
    }
    else if (quick > 0) {
        quick = initialize(module, self, none);
    }
    bool has_args = values[2] != NULL && !Py_IsNone(values[2]), has_kwargs = values[3] != NULL && !Py_IsNone(values[3]);
    if (quick < 0 || set_attribute(self, state->str_interval, Py_NewRef(values[0])) < 0 ||
        set_attribute(self, state->str_function, Py_NewRef(values[1])) < 0 ||
        set_attribute(self, state->str_args, has_args ? Py_NewRef(values[2]) : PyList_New(0)) < 0 ||
        set_attribute(self, state->str_kwargs, has_kwargs ? Py_NewRef(values[3]) : PyDict_New()) < 0 ||
        set_attribute(self, state->str_finished, make_event(state)) < 0) {
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

static PyMethodDef thread_methods[] = {
    {"__init__", (PyCFunction)(void (*)(void))thread_init, METH_FASTCALL | METH_KEYWORDS, thread_init_doc},
    {NULL},
};
static PyMethodDef timer_methods[] = {
    {"__init__", (PyCFunction)(void (*)(void))timer_init, METH_FASTCALL | METH_KEYWORDS, timer_init_doc},
    {NULL},
};

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
find_dangling(module_state *state)
{
    PyObject *type = module_import_from("_weakrefset", "WeakSet");
    PyObject *dangling = type == NULL ? NULL : stdlib_name(state, state->str__dangling);
    if (dangling != NULL && Py_IS_TYPE(dangling, (PyTypeObject *)type)) {
        state->dangling = Py_NewRef(dangling);
        state->dangling_data = PyObject_GetAttr(dangling, state->str_data);
#if PY_VERSION_HEX < 0x030E0000
        state->dangling_iterating = PyObject_GetAttr(dangling, state->str__iterating);
#endif
    }
    Py_XDECREF(type);
    Py_XDECREF(dangling);
    return PyErr_Occurred() ? -1 : 0;
}

static void
find_counter(module_state *state)
{
    PyObject *type = module_import_from("itertools", "count");
    PyObject *counter = type == NULL ? NULL : stdlib_name(state, state->str__counter);
    PyObject *iterator = counter == NULL ? NULL : PyObject_GetAttrString(counter, "__self__");
    PyObject *next = iterator == NULL ? NULL : PyObject_GetAttrString(iterator, "__next__");
    if (next != NULL && Py_IS_TYPE(iterator, (PyTypeObject *)type) &&
        PyObject_RichCompareBool(next, counter, Py_EQ) > 0) {
        state->counter = Py_NewRef(counter);
        state->counter_iterator = Py_NewRef(iterator);
    }
    PyErr_Clear();
    Py_XDECREF(type);
    Py_XDECREF(counter);
    Py_XDECREF(iterator);
    Py_XDECREF(next);
}

static int
find_in_stdlib(module_state *state)
{
    state->stdlib_thread_type = (PyTypeObject *)module_import_from("threading", "Thread");
    state->stdlib_main_thread_type = (PyTypeObject *)module_import_from("threading", "_MainThread");
    state->stdlib_dummy_thread_type = (PyTypeObject *)module_import_from("threading", "_DummyThread");
    state->stdlib_event_type = module_import_from("threading", "Event");
    if (state->stdlib_thread_type != NULL) {
        state->stdlib_daemon = PyObject_GetAttr((PyObject *)state->stdlib_thread_type, state->str_daemon);
    }
#if PY_VERSION_HEX >= 0x030C0000
    PyObject *function = module_import_from("_thread", "daemon_threads_allowed");
    state->daemon_allowed = function == NULL ? NULL : PyObject_CallNoArgs(function);
    Py_XDECREF(function);
#endif
    if (PyErr_Occurred()) {
        return -1;
    }
    find_counter(state);
    return find_dangling(state);
}

static int
add_methods(PyObject *module, module_state *state)
{
    if (start_add_methods(module, state->thread_type) < 0 || join_add_methods(module, state->thread_type) < 0 ||
        tstate_lock_add_methods(module, state->thread_type) < 0 ||
        methods_add_functions(module, state->thread_type, thread_methods) < 0) {
        return -1;
    }
    state->thread_init = PyObject_GetAttr((PyObject *)state->thread_type, state->str___init__);
    return state->thread_init == NULL ? -1 : 0;
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
    if (stdlib_setup(state) < 0 || find_in_stdlib(state) < 0 || start_setup(module) < 0) {
        return -1;
    }
    state->forget_dangling = PyCFunction_NewEx(&forget_dangling_definition, module, NULL);
    state->thread_type = module_add_type(module, &thread_spec, state->stdlib_thread_type);
    if (state->forget_dangling == NULL || state->thread_type == NULL || add_methods(module, state) < 0) {
        return -1;
    }
    PyTypeObject *timer = add_subclass(module, &timer_spec, "Timer");
    int status = timer == NULL ? -1 : methods_add_functions(module, timer, timer_methods);
    Py_XDECREF(timer);
    state->main_thread_type = add_subclass(module, &main_thread_spec, "_MainThread");
    state->dummy_thread_type = add_subclass(module, &dummy_thread_spec, "_DummyThread");
    if (status < 0 || state->main_thread_type == NULL || state->dummy_thread_type == NULL) {
        return -1;
    }
    state->thread_type->tp_vectorcall = thread_vectorcall;
    return current_setup(module);
}
