/* The registry, the threads that nobody here started, and the functions that tell about threads. See registry.h. */
#include "registry.h"

/* The main thread and dummy threads. */

static int
refuse_arguments(PyObject *self, PyObject *args, PyObject *keywords)
{
    if (PyTuple_GET_SIZE(args) == 0 && (keywords == NULL || PyDict_GET_SIZE(keywords) == 0)) {
        return 0;
    }
    PyErr_Format(PyExc_TypeError, "%s.__init__() takes no arguments", Py_TYPE(self)->tp_name);
    return -1;
}

static unsigned long
calling_native_id(void)
{
#ifdef PY_HAVE_THREAD_NATIVE_ID
    return PyThread_get_thread_native_id();
#else
    return 0;
#endif
}

static int
main_thread_init(PyObject *self, PyObject *args, PyObject *keywords)
{
    if (refuse_arguments(self, args, keywords) < 0) {
        return -1;
    }
    PyObject *name = PyUnicode_FromString("MainThread");
    if (name == NULL) {
        return -1;
    }
    int status = thread_setup((thread_object *)self, NULL, name, NULL, NULL, Py_False, NULL);
    Py_DECREF(name);
    return status < 0 ? -1 : thread_adopt((thread_object *)self, PyThread_get_thread_ident(), calling_native_id());
}

PyDoc_STRVAR(main_thread_type_doc,
             "_MainThread()\n--\n\n"
             "The Thread of the thread that the interpreter was started in.");

static PyType_Slot main_thread_slots[] = {
    {Py_tp_doc, (void *)main_thread_type_doc}, {Py_tp_init, main_thread_init}, {Py_tp_dealloc, thread_dealloc},
    {Py_tp_traverse, thread_traverse},         {Py_tp_clear, thread_clear},    {0, NULL},
};

static PyType_Spec main_thread_spec = {
    .name = "cthreading._MainThread",
    .basicsize = sizeof(thread_object),
    .flags = Py_TPFLAGS_DEFAULT | Py_TPFLAGS_BASETYPE | Py_TPFLAGS_HAVE_GC,
    .slots = main_thread_slots,
};

#if PY_VERSION_HEX >= 0x030D0000

/* In the thread state's dict, so that it goes when the thread does: takes the dummy thread out of the registry. */
typedef struct {
    PyObject *active;
    PyObject *ident;
    PyObject *dummy; /* borrowed, to compare with */
} dummy_end;

#define DUMMY_END_NAME "cthreading._dummy_end"

static void
dummy_end_reached(PyObject *capsule)
{
    dummy_end *end = PyCapsule_GetPointer(capsule, DUMMY_END_NAME);
    PyObject *exception = PyErr_GetRaisedException();
    PyObject *found;
    if (PyDict_GetItemRef(end->active, end->ident, &found) > 0) {
        if (found == end->dummy) {
            PyDict_DelItem(end->active, end->ident);
        }
        Py_DECREF(found);
    }
    PyErr_Clear();
    Py_DECREF(end->active);
    Py_DECREF(end->ident);
    PyMem_Free(end);
    PyErr_SetRaisedException(exception);
}

static int
watch_end(module_state *state, PyObject *dummy)
{
    PyObject *dict = PyThreadState_GetDict();
    dummy_end *end = PyMem_Malloc(sizeof(dummy_end));
    if (dict == NULL || end == NULL) {
        PyMem_Free(end);
        PyErr_NoMemory();
        return -1;
    }
    PyObject *capsule = PyCapsule_New(end, DUMMY_END_NAME, dummy_end_reached);
    if (capsule == NULL) {
        PyMem_Free(end);
        return -1;
    }
    end->active = Py_NewRef(state->active);
    end->ident = Py_NewRef(((thread_object *)dummy)->ident);
    end->dummy = dummy;
    int status = PyDict_SetItemString(dict, DUMMY_END_NAME, capsule);
    Py_DECREF(capsule);
    return status;
}

#else

/* Before 3.13, dummy threads stay in the registry until their ident is used again. */
static int
watch_end(module_state *Py_UNUSED(state), PyObject *Py_UNUSED(dummy))
{
    return 0;
}

#endif

static int
dummy_thread_init(PyObject *self, PyObject *args, PyObject *keywords)
{
    module_state *state = module_state_of(Py_TYPE(self));
    if (refuse_arguments(self, args, keywords) < 0) {
        return -1;
    }
    PyObject *name = thread_make_name(state, "Dummy-", NULL);
    if (name == NULL) {
        return -1;
    }
    int status = thread_setup((thread_object *)self, NULL, name, NULL, NULL, state->daemon_allowed, NULL);
    Py_DECREF(name);
    if (status < 0 || thread_adopt((thread_object *)self, PyThread_get_thread_ident(), calling_native_id()) < 0 ||
        thread_show_name((thread_object *)self) < 0 ||
        PyDict_SetItem(state->active, ((thread_object *)self)->ident, self) < 0) {
        return -1;
    }
    return watch_end(state, self);
}

#if PY_VERSION_HEX >= 0x030D0000
#define REFUSAL PyExc_RuntimeError
#else
#define REFUSAL PyExc_AssertionError
#endif

PyDoc_STRVAR(dummy_is_alive_doc,
             "is_alive($self, /)\n--\n\n"
             "Return True: when the thread ends is not known.");

static PyObject *
dummy_is_alive(PyObject *self, PyObject *Py_UNUSED(ignored))
{
    module_state *state = module_state_of(Py_TYPE(self));
    PyObject *alive = PyObject_CallMethodOneArg((PyObject *)state->thread_type, state->str_is_alive, self);
    if (alive == Py_False) {
        Py_DECREF(alive);
        PyErr_SetString(REFUSAL, "thread is not alive");
        return NULL;
    }
    return alive;
}

PyDoc_STRVAR(dummy_join_doc,
             "join($self, /, timeout=None)\n--\n\n"
             "Raise an error: the end of such a thread cannot be waited for.");

static PyObject *
dummy_join(PyObject *Py_UNUSED(self), PyObject *Py_UNUSED(args), PyObject *Py_UNUSED(keywords))
{
    PyErr_SetString(REFUSAL, "cannot join a dummy thread");
    return NULL;
}

#if PY_VERSION_HEX >= 0x030D0000
PyDoc_STRVAR(dummy_after_fork_doc,
             "_after_fork($self, /, new_ident=None)\n--\n\n"
             "Become the main thread, if it is the one that has forked.");

static PyObject *
dummy_after_fork(PyObject *self, PyObject *const *args, Py_ssize_t count, PyObject *keywords)
{
    static const char *const names[] = {"new_ident", NULL};
    module_state *state = module_state_of(Py_TYPE(self));
    PyObject *ident = NULL;
    if (unpack_arguments("_after_fork", names, args, count, keywords, &ident) < 0) {
        return NULL;
    }
    if (ident != NULL && ident != Py_None) {
        thread_object *thread = (thread_object *)self;
        PyObject *name = PyUnicode_FromString("MainThread");
        if (name == NULL || PyObject_SetAttrString(self, "__class__", (PyObject *)state->main_thread_type) < 0) {
            Py_XDECREF(name);
            return NULL;
        }
        Py_XSETREF(thread->name, name);
        Py_XSETREF(thread->daemonic, Py_NewRef(Py_False));
    }
    Py_RETURN_NONE;
}
#endif

static PyMethodDef dummy_thread_methods[] = {
    {"is_alive", dummy_is_alive, METH_NOARGS, dummy_is_alive_doc},
    {"join", (PyCFunction)(void (*)(void))dummy_join, METH_VARARGS | METH_KEYWORDS, dummy_join_doc},
#if PY_VERSION_HEX >= 0x030D0000
    {"_after_fork", (PyCFunction)(void (*)(void))dummy_after_fork, METH_FASTCALL | METH_KEYWORDS, dummy_after_fork_doc},
#endif
    {NULL},
};

PyDoc_STRVAR(dummy_thread_type_doc,
             "_DummyThread()\n--\n\n"
             "The Thread of a thread that was not started by Thread.start().");

static PyType_Slot dummy_thread_slots[] = {
    {Py_tp_doc, (void *)dummy_thread_type_doc},
    {Py_tp_init, dummy_thread_init},
    {Py_tp_dealloc, thread_dealloc},
    {Py_tp_traverse, thread_traverse},
    {Py_tp_clear, thread_clear},
    {Py_tp_methods, dummy_thread_methods},
    {0, NULL},
};

static PyType_Spec dummy_thread_spec = {
    .name = "cthreading._DummyThread",
    .basicsize = sizeof(thread_object),
    .flags = Py_TPFLAGS_DEFAULT | Py_TPFLAGS_BASETYPE | Py_TPFLAGS_HAVE_GC,
    .slots = dummy_thread_slots,
};

/* The registry. */

PyObject *
registry_find(module_state *state, PyObject *ident)
{
    PyObject *found;
    if (state->active == NULL || PyDict_GetItemRef(state->active, ident, &found) <= 0) {
        return NULL;
    }
    if (found == state->stdlib_main_thread) {
        Py_SETREF(found, Py_NewRef(state->main_thread));
    }
    return found;
}

PyObject *
registry_current(module_state *state)
{
    PyObject *ident = PyLong_FromUnsignedLong(thread_ident());
    if (ident == NULL) {
        return NULL;
    }
    PyObject *found = registry_find(state, ident);
    Py_DECREF(ident);
    if (found != NULL || PyErr_Occurred()) {
        return found;
    }
    if (state->dummy_thread_type == NULL) {
        PyErr_SetString(PyExc_RuntimeError, "cthreading is gone");
        return NULL;
    }
    return PyObject_CallNoArgs((PyObject *)state->dummy_thread_type);
}

void
registry_remove(module_state *state, PyObject *ident, PyObject *thread)
{
    PyObject *exception = PyErr_GetRaisedException();
    PyObject *found;
    if (state->active != NULL && PyDict_GetItemRef(state->active, ident, &found) > 0) {
        if (found == thread) {
            PyDict_DelItem(state->active, ident);
        }
        Py_DECREF(found);
    }
    PyErr_Clear();
    PyErr_SetRaisedException(exception);
}

int
registry_set_main(module_state *state, PyObject *thread)
{
    Py_XSETREF(state->main_thread, Py_NewRef(thread));
    return PyDict_SetItemString(state->namespace, "_main_thread", thread);
}

/* The functions. */

PyDoc_STRVAR(current_thread_doc,
             "current_thread($module, /)\n--\n\n"
             "Return the Thread of the calling thread; as threading.current_thread.\n\n"
             "For a thread that was not started by a Thread it is a dummy with limited functions.");

static PyObject *
current_thread(PyObject *module, PyObject *Py_UNUSED(ignored))
{
    return registry_current(module_get_state(module));
}

PyDoc_STRVAR(main_thread_doc,
             "main_thread($module, /)\n--\n\n"
             "Return the main thread's Thread; as threading.main_thread.\n\n"
             "As a rule that is the thread that the interpreter was started in.");

static PyObject *
main_thread(PyObject *module, PyObject *Py_UNUSED(ignored))
{
    return Py_NewRef(module_get_state(module)->main_thread);
}

static PyObject *
list_threads(module_state *state)
{
    PyObject *threads = PyDict_Values(state->active);
    PyObject *limbo = threads == NULL ? NULL : PyDict_Values(state->limbo);
    if (limbo == NULL || PyList_SetSlice(threads, PY_SSIZE_T_MAX, PY_SSIZE_T_MAX, limbo) < 0) {
        Py_XDECREF(threads);
        Py_XDECREF(limbo);
        return NULL;
    }
    Py_DECREF(limbo);
    for (Py_ssize_t i = 0; i < PyList_GET_SIZE(threads); i++) {
        if (PyList_GET_ITEM(threads, i) == state->stdlib_main_thread) {
            PyList_SetItem(threads, i, Py_NewRef(state->main_thread));
        }
    }
    return threads;
}

PyDoc_STRVAR(enumerate_doc,
             "enumerate($module, /)\n--\n\n"
             "Return a list of the Threads that are alive, daemons and dummies included; as threading.enumerate.");

static PyObject *
enumerate_threads(PyObject *module, PyObject *Py_UNUSED(ignored))
{
    return list_threads(module_get_state(module));
}

PyDoc_STRVAR(active_count_doc,
             "active_count($module, /)\n--\n\n"
             "Return how many Threads are alive; as threading.active_count. enumerate() returns a list of as many.");

static PyObject *
active_count(PyObject *module, PyObject *Py_UNUSED(ignored))
{
    module_state *state = module_get_state(module);
    return PyLong_FromSsize_t(PyDict_Size(state->active) + PyDict_Size(state->limbo));
}

static PyObject *
deprecated_current_thread(PyObject *module, PyObject *ignored)
{
    if (warn_deprecated("currentThread() is deprecated, use current_thread() instead") < 0) {
        return NULL;
    }
    return current_thread(module, ignored);
}

static PyObject *
deprecated_active_count(PyObject *module, PyObject *ignored)
{
    if (warn_deprecated("activeCount() is deprecated, use active_count() instead") < 0) {
        return NULL;
    }
    return active_count(module, ignored);
}

PyDoc_STRVAR(get_ident_doc,
             "get_ident($module, /)\n--\n\n"
             "Return the calling thread's identifier; as threading.get_ident.\n\n"
             "It is a nonzero integer, which may be used again once the thread has ended.");

static PyObject *
get_ident(PyObject *Py_UNUSED(module), PyObject *Py_UNUSED(ignored))
{
    return PyLong_FromUnsignedLong(thread_ident());
}

#ifdef PY_HAVE_THREAD_NATIVE_ID
PyDoc_STRVAR(get_native_id_doc,
             "get_native_id($module, /)\n--\n\n"
             "Return the operating system's id of the calling thread; as threading.get_native_id.");

static PyObject *
get_native_id(PyObject *Py_UNUSED(module), PyObject *Py_UNUSED(ignored))
{
    return PyLong_FromUnsignedLong(PyThread_get_thread_native_id());
}
#endif

PyDoc_STRVAR(
    stack_size_doc,
    "stack_size($module, size=0, /)\n--\n\n"
    "Return the stack size of the threads to be started; as threading.stack_size.\n\n"
    "It is in bytes; 0 is the system's default. With size, set it, and return what it was before. Raise ValueError\n"
    "if size is negative or not one that the system takes, RuntimeError if the system has no such setting.");

static PyObject *
stack_size(PyObject *Py_UNUSED(module), PyObject *const *args, Py_ssize_t count)
{
    if (count > 1) {
        PyErr_Format(PyExc_TypeError, "stack_size() takes at most 1 argument (%zd given)", count);
        return NULL;
    }
    Py_ssize_t size = 0;
    if (count == 1) {
        size = PyNumber_AsSsize_t(args[0], PyExc_OverflowError);
        if (size == -1 && PyErr_Occurred()) {
            return NULL;
        }
    }
    if (size < 0) {
        PyErr_SetString(PyExc_ValueError, "size must be 0 or a positive value");
        return NULL;
    }
    size_t before = PyThread_get_stacksize();
    int status = count == 0 ? 0 : PyThread_set_stacksize((size_t)size);
    if (status == -1) {
        PyErr_Format(PyExc_ValueError, "size not valid: %zd bytes", size);
        return NULL;
    }
    if (status == -2) {
        PyErr_SetString(PyExc_RuntimeError, "setting stack size not supported");
        return NULL;
    }
    return PyLong_FromSize_t(before);
}

static PyMethodDef registry_functions[] = {
    {"current_thread", current_thread, METH_NOARGS, current_thread_doc},
    {"currentThread", deprecated_current_thread, METH_NOARGS,
     PyDoc_STR("currentThread($module, /)\n--\n\nDeprecated: use current_thread().")},
    {"main_thread", main_thread, METH_NOARGS, main_thread_doc},
    {"enumerate", enumerate_threads, METH_NOARGS, enumerate_doc},
    {"active_count", active_count, METH_NOARGS, active_count_doc},
    {"activeCount", deprecated_active_count, METH_NOARGS,
     PyDoc_STR("activeCount($module, /)\n--\n\nDeprecated: use active_count().")},
    {"get_ident", get_ident, METH_NOARGS, get_ident_doc},
#ifdef PY_HAVE_THREAD_NATIVE_ID
    {"get_native_id", get_native_id, METH_NOARGS, get_native_id_doc},
#endif
    {"stack_size", (PyCFunction)(void (*)(void))stack_size, METH_FASTCALL, stack_size_doc},
    {NULL},
};

/* Setting up. */

static PyObject *
from_stdlib(module_state *state, const char *name)
{
    PyObject *found = PyDict_GetItemString(state->stdlib, name);
    if (found == NULL) {
        PyErr_Format(PyExc_ImportError, "the standard library's threading has no '%s'", name);
    }
    return Py_XNewRef(found);
}

/* Called when a Thread is gone, in the place of the WeakSet's own function, which would be Python code to run for each.
 * Up to 3.13 that one puts off what comes while somebody iterates over the set. */
static PyObject *
forget_dangling(PyObject *module, PyObject *reference)
{
    module_state *state = module_get_state(module);
    if (state->dangling_iterating != NULL && PySet_GET_SIZE(state->dangling_iterating) != 0) {
        return PyObject_CallOneArg(state->dangling_remove, reference);
    }
    if (state->dangling_data != NULL && PySet_Discard(state->dangling_data, reference) < 0) {
        return NULL;
    }
    Py_RETURN_NONE;
}

static PyMethodDef forget_dangling_definition = {"_forget_dangling", forget_dangling, METH_O, NULL};

/* The WeakSet of all Threads, for those who look for leaks, and what adding to it takes. */
static int
make_dangling(module_state *state, PyObject *module)
{
    PyObject *type = module_import_from("_weakrefset", "WeakSet");
    PyObject *dangling = type == NULL ? NULL : PyObject_CallNoArgs(type);
    Py_XDECREF(type);
    if (dangling == NULL || PyModule_AddObjectRef(module, "_dangling", dangling) < 0) {
        Py_XDECREF(dangling);
        return -1;
    }
    state->dangling_data = PyObject_GetAttrString(dangling, "data");
#if PY_VERSION_HEX < 0x030E0000
    state->dangling_remove = PyObject_GetAttrString(dangling, "_remove");
    state->dangling_iterating = PyObject_GetAttrString(dangling, "_iterating");
#endif
    state->forget_dangling = PyCFunction_New(&forget_dangling_definition, module);
    Py_DECREF(dangling);
    return PyErr_Occurred() ? -1 : 0;
}

static int
make_main_thread(module_state *state)
{
    state->stdlib_main_thread = from_stdlib(state, "_main_thread");
    if (state->stdlib_main_thread == NULL) {
        return -1;
    }
    PyObject *main = PyObject_CallNoArgs((PyObject *)state->main_thread_type);
    PyObject *ident = PyObject_GetAttrString(state->stdlib_main_thread, "ident");
    PyObject *native_id = PyObject_GetAttrString(state->stdlib_main_thread, "native_id");
    int status = -1;
    if (main != NULL && ident != NULL && native_id != NULL) {
        unsigned long number = PyLong_AsUnsignedLong(ident);
        unsigned long native_number = native_id == Py_None ? 0 : PyLong_AsUnsignedLong(native_id);
        if (!PyErr_Occurred() && thread_adopt((thread_object *)main, number, native_number) == 0) {
            status = registry_set_main(state, main);
        }
    }
    Py_XDECREF(main);
    Py_XDECREF(ident);
    Py_XDECREF(native_id);
    return status;
}

int
registry_exec(PyObject *module)
{
    module_state *state = module_get_state(module);
    state->active = from_stdlib(state, "_active");
    state->limbo = from_stdlib(state, "_limbo");
    state->counter = from_stdlib(state, "_counter");
    state->main_thread_type = module_add_type(module, &main_thread_spec, state->thread_type);
    state->dummy_thread_type = module_add_type(module, &dummy_thread_spec, state->thread_type);
    if (state->active == NULL || state->limbo == NULL || state->counter == NULL || state->main_thread_type == NULL ||
        state->dummy_thread_type == NULL || make_dangling(state, module) < 0 || make_main_thread(state) < 0 ||
        PyModule_AddObjectRef(module, "_active", state->active) < 0 ||
        PyModule_AddObjectRef(module, "_limbo", state->limbo) < 0 ||
        PyModule_AddObjectRef(module, "_counter", state->counter) < 0) {
        return -1;
    }
    return PyModule_AddFunctions(module, registry_functions);
}
