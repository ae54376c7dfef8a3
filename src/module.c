/* The extension module `cthreading._core`: multi-phase initialisation, per-interpreter state, and the helpers of
 * module.h. What it contains is in the table at the end. */
#include "module.h"

#include <string.h>

#include "park/fork.h"
#include "park/waiter.h"
#include "sync/permits.h"

module_state *
module_state_of(PyTypeObject *type)
{
    PyObject *module = PyType_GetModuleByDef(type, &module_definition);
    /* Every type that gets here is ours or derives from ours. */
    assert(module != NULL);
    return module_get_state(module);
}

PyTypeObject *
module_add_type(PyObject *module, PyType_Spec *spec, PyTypeObject *base)
{
    PyObject *type = PyType_FromModuleAndSpec(module, spec, (PyObject *)base);
    if (type == NULL) {
        return NULL;
    }
    if (PyModule_AddType(module, (PyTypeObject *)type) < 0) {
        Py_DECREF(type);
        return NULL;
    }
    return (PyTypeObject *)type;
}

PyTypeObject *
module_make_type(PyObject *module, PyType_Spec *spec, PyTypeObject *first, PyTypeObject *second)
{
    PyObject *bases = PyTuple_Pack(2, first, second);
    PyObject *type = bases == NULL ? NULL : PyType_FromModuleAndSpec(module, spec, bases);
    Py_XDECREF(bases);
    return (PyTypeObject *)type;
}

int
module_call_after_fork(PyObject *function)
{
    PyObject *os = PyImport_ImportModule("os");
    PyObject *registrar = os == NULL ? NULL : PyObject_GetAttrString(os, "register_at_fork");
    Py_XDECREF(os);
    if (registrar == NULL) {
        /* There is no fork on this system. */
        int missing = os != NULL && PyErr_ExceptionMatches(PyExc_AttributeError);
        if (missing) {
            PyErr_Clear();
        }
        return missing ? 0 : -1;
    }
    PyObject *keywords = Py_BuildValue("{sO}", "after_in_child", function);
    PyObject *none = PyTuple_New(0);
    PyObject *done = keywords == NULL || none == NULL ? NULL : PyObject_Call(registrar, none, keywords);
    Py_DECREF(registrar);
    Py_XDECREF(keywords);
    Py_XDECREF(none);
    Py_XDECREF(done);
    return done == NULL ? -1 : 0;
}

void *
module_is_cleared(void)
{
    PyErr_SetString(PyExc_SystemError, "cthreading has been cleared");
    return NULL;
}

PyObject *
module_import_from(const char *module_name, const char *name)
{
    PyObject *module = PyImport_ImportModule(module_name);
    if (module == NULL) {
        return NULL;
    }
    PyObject *found = PyObject_GetAttrString(module, name);
    Py_DECREF(module);
    return found;
}

static Py_ssize_t
count_names(const char *const *names)
{
    Py_ssize_t count = 0;
    while (names[count] != NULL) {
        count++;
    }
    return count;
}

static inline bool
keyword_is(PyObject *keyword, const char *name)
{
    size_t length = strlen(name);
    return PyUnicode_GET_LENGTH(keyword) == (Py_ssize_t)length && PyUnicode_KIND(keyword) == PyUnicode_1BYTE_KIND &&
           memcmp(PyUnicode_1BYTE_DATA(keyword), name, length) == 0;
}

static int
place_keyword(const char *function, const char *const *names, PyObject *keyword, PyObject *value, PyObject **values)
{
    /* The interpreter does not look where it passes a dict. */
    if (!PyUnicode_Check(keyword)) {
        PyErr_SetString(PyExc_TypeError, "keywords must be strings");
        return -1;
    }
    for (Py_ssize_t i = 0; names[i] != NULL; i++) {
        if (keyword_is(keyword, names[i])) {
            if (values[i] != NULL) {
                PyErr_Format(PyExc_TypeError, "%s() got multiple values for argument '%s'", function, names[i]);
                return -1;
            }
            values[i] = value;
            return 0;
        }
    }
    PyErr_Format(PyExc_TypeError, "%s() got an unexpected keyword argument '%S'", function, keyword);
    return -1;
}

static int
place_positional(const char *function, const char *const *names, PyObject *const *args, Py_ssize_t count,
                 PyObject **values)
{
    Py_ssize_t most = count_names(names);
    if (count > most) {
        PyErr_Format(PyExc_TypeError, "%s() takes at most %zd argument%s (%zd given)", function, most,
                     most == 1 ? "" : "s", count);
        return -1;
    }
    for (Py_ssize_t i = 0; i < most; i++) {
        values[i] = i < count ? args[i] : NULL;
    }
    return 0;
}

int
unpack_arguments(const char *function, const char *const *names, PyObject *const *args, Py_ssize_t count,
                 PyObject *keywords, PyObject **values)
{
    if (place_positional(function, names, args, count, values) < 0) {
        return -1;
    }
    Py_ssize_t keyword_count = keywords == NULL ? 0 : PyTuple_GET_SIZE(keywords);
    for (Py_ssize_t i = 0; i < keyword_count; i++) {
        if (place_keyword(function, names, PyTuple_GET_ITEM(keywords, i), args[count + i], values) < 0) {
            return -1;
        }
    }
    return 0;
}

PyObject *
unpack_one(const char *function, const char *name, PyObject *const *args, Py_ssize_t count, PyObject *keywords)
{
    const char *const names[] = {name, NULL};
    PyObject *value;
    if (unpack_arguments(function, names, args, count, keywords, &value) < 0) {
        return NULL;
    }
    if (value == NULL) {
        PyErr_Format(PyExc_TypeError, "%s() missing 1 required positional argument: '%s'", function, name);
    }
    return value;
}

int
unpack_tuple_and_dict(const char *function, const char *const *names, PyObject *args, PyObject *keywords,
                      PyObject **values)
{
    PyObject *const *items = &PyTuple_GET_ITEM(args, 0);
    if (place_positional(function, names, items, PyTuple_GET_SIZE(args), values) < 0) {
        return -1;
    }
    Py_ssize_t position = 0;
    PyObject *keyword, *value;
    while (keywords != NULL && PyDict_Next(keywords, &position, &keyword, &value)) {
        if (place_keyword(function, names, keyword, value, values) < 0) {
            return -1;
        }
    }
    return 0;
}

PyObject *
call_counted(PyObject *callable, PyObject *const *args, Py_ssize_t count, PyObject *keywords)
{
    if (Py_EnterRecursiveCall(" while calling a Python object") != 0) {
        return NULL;
    }
    PyObject *result = PyObject_Vectorcall(callable, args, count, keywords);
    Py_LeaveRecursiveCall();
    return result;
}

PyObject *
construct_slow(PyObject *type, PyObject *const *args, size_t flags, PyObject *keywords)
{
    Py_ssize_t count = PyVectorcall_NARGS(flags);
    PyObject *positional = PyTuple_New(count);
    PyObject *named = keywords == NULL ? NULL : PyDict_New();
    PyObject *result = NULL;
    if (positional == NULL || (keywords != NULL && named == NULL)) {
        goto done;
    }
    for (Py_ssize_t i = 0; i < count; i++) {
        PyTuple_SET_ITEM(positional, i, Py_NewRef(args[i]));
    }
    for (Py_ssize_t i = 0; keywords != NULL && i < PyTuple_GET_SIZE(keywords); i++) {
        if (PyDict_SetItem(named, PyTuple_GET_ITEM(keywords, i), args[count + i]) < 0) {
            goto done;
        }
    }
    result = PyType_Type.tp_call(type, positional, named);
done:
    Py_XDECREF(positional);
    Py_XDECREF(named);
    return result;
}

PyObject *
whole_number(PyObject *number)
{
    if (PyIndex_Check(number)) {
        return PyNumber_Index(number);
    }
    PyObject *whole = PyNumber_Long(number);
    int equal = whole == NULL ? 0 : PyObject_RichCompareBool(whole, number, Py_EQ);
    if (equal == 0) {
        PyErr_Format(PyExc_TypeError, "'%.200s' object cannot be interpreted as an integer", Py_TYPE(number)->tp_name);
    }
    if (equal <= 0) {
        Py_CLEAR(whole);
    }
    return whole;
}

int
warn_deprecated(const char *message)
{
    return PyErr_WarnEx(PyExc_DeprecationWarning, message, 1);
}

/* The dict of an imported module. Returns a new reference. */
static PyObject *
module_dict(const char *name)
{
    PyObject *module = PyImport_ImportModule(name);
    PyObject *dict = module == NULL ? NULL : Py_XNewRef(PyModule_GetDict(module));
    Py_XDECREF(module);
    return dict;
}

static int
make_strings(module_state *state)
{
#define MODULE_STRING(name) state->str_##name = PyUnicode_InternFromString(#name);
    MODULE_STRINGS
#undef MODULE_STRING
    return PyErr_Occurred() ? -1 : 0;
}

static int
state_exec(PyObject *module)
{
    module_state *state = module_get_state(module);
    if (thread_ident() != PyThread_get_thread_ident()) {
        PyErr_SetString(PyExc_ImportError, "this build of cthreading cannot tell threads apart on this system");
        return -1;
    }
    int error = waiter_setup();
    if (error == 0) {
        error = fork_setup();
    }
    permits_setup();
    if (error != 0) {
        errno = error;
        PyErr_SetFromErrno(PyExc_OSError);
        return -1;
    }
    state->empty_tuple = PyTuple_New(0);
    if (state->empty_tuple == NULL || make_strings(state) < 0) {
        return -1;
    }
    state->stdlib_lock_type = (PyTypeObject *)module_import_from("_thread", "LockType");
    state->stdlib_rlock_type = (PyTypeObject *)module_import_from("_thread", "RLock");
    state->stdlib_local_type = (PyTypeObject *)module_import_from("_thread", "_local");
    state->broken_barrier_error = module_import_from("threading", "BrokenBarrierError");
    state->namespace = module_dict("cthreading");
    state->stdlib = module_dict("threading");
    state->system = module_dict("sys");
    if (state->namespace == NULL || state->system == NULL || state->stdlib == NULL) {
        return -1;
    }
    if (state->stdlib_lock_type == NULL || state->stdlib_rlock_type == NULL || state->stdlib_local_type == NULL ||
        state->broken_barrier_error == NULL) {
        return -1;
    }
    return PyModule_AddStringConstant(module, "park_backend", PARK_BACKEND);
}

static int
module_traverse(PyObject *module, visitproc visit, void *arg)
{
    PyObject **objects = PyModule_GetState(module);
    for (size_t i = 0; i < offsetof(module_state, checks) / sizeof(PyObject *); i++) {
        Py_VISIT(objects[i]);
    }
    return 0;
}

static int
module_clear(PyObject *module)
{
    wait_watch(NULL, 0);
    PyObject **objects = PyModule_GetState(module);
    for (size_t i = 0; i < offsetof(module_state, checks) / sizeof(PyObject *); i++) {
        Py_CLEAR(objects[i]);
    }
    return 0;
}

static void
module_free(void *module)
{
#if PY_VERSION_HEX >= 0x030C0000
    int watcher = module_get_state(module)->watcher;
    if (watcher != 0 && PyDict_ClearWatcher(watcher - 1) < 0) {
        PyErr_Clear();
    }
#endif
    module_clear((PyObject *)module);
}

static PyModuleDef_Slot module_slots[] = {
    {Py_mod_exec, state_exec},
    {Py_mod_exec, method_exec},
    {Py_mod_exec, kind_exec},
    {Py_mod_exec, lock_exec},
    {Py_mod_exec, rlock_exec},
    {Py_mod_exec, condition_exec},
    {Py_mod_exec, semaphore_exec},
    {Py_mod_exec, event_exec},
    {Py_mod_exec, barrier_exec},
    {Py_mod_exec, local_exec},
    {Py_mod_exec, floor_exec},
    {Py_mod_exec, aio_future_exec},
    {Py_mod_exec, aio_coroutine_exec},
    {Py_mod_exec, aio_barrier_exec},
    {Py_mod_exec, aio_mixed_barrier_exec},
    {Py_mod_exec, exit_exec},
    {Py_mod_exec, thread_exec},
    {Py_mod_exec, waits_exec},
    {Py_mod_exec, stats_exec},
    {Py_mod_exec, install_exec},
    {Py_mod_exec, command_exec},
    {Py_mod_exec, profile_exec},
    {Py_mod_exec, dump_signal_exec},
    {Py_mod_exec, queue_exec},
#ifdef Py_mod_multiple_interpreters
    {Py_mod_multiple_interpreters, Py_MOD_PER_INTERPRETER_GIL_SUPPORTED},
#endif
#ifdef Py_mod_gil
    {Py_mod_gil, Py_MOD_GIL_NOT_USED},
#endif
    {0, NULL},
};

struct PyModuleDef module_definition = {
    PyModuleDef_HEAD_INIT,
    .m_name = "cthreading._core",
    .m_doc = "The C half of cthreading. Import cthreading instead.",
    .m_size = sizeof(module_state),
    .m_slots = module_slots,
    .m_traverse = module_traverse,
    .m_clear = module_clear,
    .m_free = module_free,
};

PyMODINIT_FUNC
PyInit__core(void)
{
    return PyModuleDef_Init(&module_definition);
}
