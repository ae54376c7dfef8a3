/* The extension module's state, and what its parts share about modules, types and arguments.
 *
 * Each part (a primitive, a function group) has one entry in the table at the end of module.c: a function that adds its
 * types to the module and remembers in the state those that are needed later. The state is an array of objects, so that
 * traversing and clearing it is one loop, and there is no object in a C global: every interpreter has its own. */
#ifndef MODULE_H
#define MODULE_H

#include "compat.h"

/* Attributes and names of the standard library's threading: for each a `str_NAME` in the state, an interned string. */
#define MODULE_STRINGS                      \
    MODULE_STRING(Event)                    \
    MODULE_STRING(_DummyThread)             \
    MODULE_STRING(_SHUTTING_DOWN)           \
    MODULE_STRING(_ThreadHandle)            \
    MODULE_STRING(__class__)                \
    MODULE_STRING(__init__)                 \
    MODULE_STRING(__name__)                 \
    MODULE_STRING(_active)                  \
    MODULE_STRING(_active_limbo_lock)       \
    MODULE_STRING(_args)                    \
    MODULE_STRING(_bootstrap)               \
    MODULE_STRING(_bootstrap_inner)         \
    MODULE_STRING(_context)                 \
    MODULE_STRING(_counter)                 \
    MODULE_STRING(_daemonic)                \
    MODULE_STRING(_dangling)                \
    MODULE_STRING(_delete)                  \
    MODULE_STRING(_handle)                  \
    MODULE_STRING(_ident)                   \
    MODULE_STRING(_initialized)             \
    MODULE_STRING(_invoke_excepthook)       \
    MODULE_STRING(_is_stopped)              \
    MODULE_STRING(_iterating)               \
    MODULE_STRING(_kwargs)                  \
    MODULE_STRING(_limbo)                   \
    MODULE_STRING(_main_thread)             \
    MODULE_STRING(_maintain_shutdown_locks) \
    MODULE_STRING(_make_invoke_excepthook)  \
    MODULE_STRING(_name)                    \
    MODULE_STRING(_native_id)               \
    MODULE_STRING(_os_thread_handle)        \
    MODULE_STRING(_profile_hook)            \
    MODULE_STRING(_remove)                  \
    MODULE_STRING(_set_ident)               \
    MODULE_STRING(_set_native_id)           \
    MODULE_STRING(_set_os_name)             \
    MODULE_STRING(_set_sentinel)            \
    MODULE_STRING(_shutdown_locks)          \
    MODULE_STRING(_shutdown_locks_lock)     \
    MODULE_STRING(_started)                 \
    MODULE_STRING(_stderr)                  \
    MODULE_STRING(_stop)                    \
    MODULE_STRING(_target)                  \
    MODULE_STRING(_trace_hook)              \
    MODULE_STRING(_tstate_lock)             \
    MODULE_STRING(acquire)                  \
    MODULE_STRING(add)                      \
    MODULE_STRING(args)                     \
    MODULE_STRING(daemon)                   \
    MODULE_STRING(data)                     \
    MODULE_STRING(excepthook)               \
    MODULE_STRING(finished)                 \
    MODULE_STRING(flags)                    \
    MODULE_STRING(function)                 \
    MODULE_STRING(ident)                    \
    MODULE_STRING(interval)                 \
    MODULE_STRING(join)                     \
    MODULE_STRING(kwargs)                   \
    MODULE_STRING(release)                  \
    MODULE_STRING(run)                      \
    MODULE_STRING(start)                    \
    MODULE_STRING(stderr)

/* Those of them that are what making a Thread needs of the standard library's namespace: see thread/stdlib.h. */
#define STDLIB_NAMES                     \
    STDLIB_NAME(Event)                   \
    STDLIB_NAME(_ThreadHandle)           \
    STDLIB_NAME(_active)                 \
    STDLIB_NAME(_counter)                \
    STDLIB_NAME(_dangling)               \
    STDLIB_NAME(_make_invoke_excepthook) \
    STDLIB_NAME(excepthook)

/* Versions of types (compat.h) that have been looked at, and found to be as expected. */
typedef struct {
    unsigned int constructs;
    unsigned int initializes;
    unsigned int inherits_daemon;
} version_checks;

typedef struct {
    PyTypeObject *method_type;
    PyTypeObject *refusal_type;
    PyTypeObject *plain_class; /* has what every instance of a class statement's class has, and nothing else */
    PyTypeObject *lock_metaclass;
    PyTypeObject *lock_type;
    PyTypeObject *rlock_type;
    PyTypeObject *condition_type;
    PyTypeObject *local_type;
    PyTypeObject *thread_values_type;
    PyTypeObject *stdlib_lock_type;
    PyTypeObject *stdlib_rlock_type;
    PyTypeObject *stdlib_local_type;
    PyObject *broken_barrier_error;
    PyTypeObject *coroutine_type;
    PyTypeObject *future_type;
    PyObject *run_callback;
    PyObject *run_callbacks;
    PyObject *context_keyword;
    PyObject *str_call_soon;
    PyObject *str_call_soon_threadsafe;
    PyObject *time_out_wait;
    PyTypeObject *mixed_barrier_type;
    PyObject *str_wait;
    PyTypeObject *event_type;
    PyTypeObject *thread_type;
    PyTypeObject *main_thread_type;
    PyTypeObject *dummy_thread_type;
    PyTypeObject *deque_type;
    PyObject *deque_append;
    PyObject *deque_popleft;
    PyObject *list_pop;
    PyObject *heap_push;
    PyObject *heap_pop;
    PyObject *queue_empty;
    PyObject *queue_full;
    PyObject *queue_shut_down;
    PyObject *queue_standard; /* the dict of the standard library's Queue as it was */
    PyObject *queue_own[3];   /* those of our types, by kind: what is in there is not overridden */
    PyTypeObject *simple_queue_type;
    PyTypeObject *simple_queue_standard;
    PyObject *str_init_hook;
    PyObject *str_qsize;
    PyObject *str_put_hook;
    PyObject *str_get_hook;
    PyObject *str_put;
    PyObject *str_get;
    PyTypeObject *boot_type;
    PyTypeObject *stdlib_thread_type;
    PyTypeObject *stdlib_main_thread_type;
    PyTypeObject *stdlib_dummy_thread_type;
    PyObject *stdlib_event_type;
    PyObject *stdlib_daemon;
    PyObject *counter;          /* the standard library's, if it is the __next__ of */
    PyObject *counter_iterator; /* this iterator */
    PyObject *dangling;
    PyObject *dangling_data;
    PyObject *dangling_iterating; /* NULL where a WeakSet puts nothing off */
    PyObject *namespace;          /* the dict of the module that users see */
    PyObject *system;             /* the dict of sys */
    PyObject *stdlib;             /* the dict of the standard library's threading */
    PyObject *thread_init;
    PyObject *thread_start;
    PyObject *start_function;
    PyObject *start_keywords;
    PyObject *get_monitoring_tool; /* NULL where there is none */
    PyObject *set_os_name;         /* NULL where there is none */
    PyObject *forget_dangling;
    PyObject *invoke_excepthook; /* see thread.c */
    PyObject *daemon_allowed;    /* True or False */
    PyObject *empty_tuple;
    PyObject *str_start_function;
#define MODULE_STRING(name) PyObject *str_##name;
    MODULE_STRINGS
#undef MODULE_STRING
#define STDLIB_NAME(name) PyObject *known_##name;
    STDLIB_NAMES
#undef STDLIB_NAME

    /* No objects from here on. */
    version_checks checks;          /* see thread/thread.c */
    uint64_t known_version;         /* see thread/stdlib.h */
    int watcher;                    /* one more than its number, 0 without one */
    int coming_up;                  /* threads that start() has started and that do not run yet; atomic */
    Py_ssize_t shutdown_locks_left; /* see thread/tstate_lock.c */
} module_state;

extern struct PyModuleDef module_definition;

static inline module_state *
module_get_state(PyObject *module)
{
    return (module_state *)PyModule_GetState(module);
}

/* The state of the module that made this type, or made the one of ours that it derives from. */
module_state *module_state_of(PyTypeObject *type);

/* Makes the type, with this base (NULL: object), and adds it to the module under its name. Returns a new reference. */
PyTypeObject *module_add_type(PyObject *module, PyType_Spec *spec, PyTypeObject *base);

/* Sets the error of using an object whose module garbage collection has taken down: a finalizer can. Returns NULL. */
void *module_is_cleared(void);

/* The same with several bases. Not added to the module. */
PyTypeObject *module_make_type(PyObject *module, PyType_Spec *spec, PyTypeObject *first, PyTypeObject *second);

/* Has the function called in forked children, after what the standard library does there. */
int module_call_after_fork(PyObject *function);

/* Looks up module.name by import. Returns a new reference. */
PyObject *module_import_from(const char *module_name, const char *name);

/* The slow half of the next. */
PyObject *call_counted(PyObject *callable, PyObject *const *args, Py_ssize_t count, PyObject *keywords);

/* Whether the interpreter sees to it that calls of this do not go too deep. */
static inline bool
call_counts_itself(PyObject *callable)
{
    return PyFunction_Check(callable) || PyCFunction_CheckExact(callable);
}

/* Calls what may be a method of ours again, and so on. The interpreter counts calls of its functions, but none of ours by ours,
 * and the stack has an end. As PyObject_Vectorcall; RecursionError where it is near. */
static inline PyObject *
call_in_turn(PyObject *callable, PyObject *const *args, Py_ssize_t count, PyObject *keywords)
{
    if (call_counts_itself(callable)) {
        return PyObject_Vectorcall(callable, args, count, keywords);
    }
    return call_counted(callable, args, count, keywords);
}

/* The same without arguments. */
static inline PyObject *
call_alone_in_turn(PyObject *callable)
{
    if (call_counts_itself(callable)) {
        return PyObject_CallNoArgs(callable);
    }
    return call_counted(callable, NULL, 0, NULL);
}

/* Sorts the arguments of a METH_FASTCALL | METH_KEYWORDS call into `values`, one for each of the `names` (ended by
 * NULL), borrowed, NULL where not given. Returns -1 with a TypeError as a Python function would raise it. */
int unpack_arguments(const char *function, const char *const *names, PyObject *const *args, Py_ssize_t count,
                     PyObject *keywords, PyObject **values);

/* The same for a function of one argument, which must be given. Returns it, borrowed, or NULL with TypeError. */
PyObject *unpack_one(const char *function, const char *name, PyObject *const *args, Py_ssize_t count,
                     PyObject *keywords);

/* The same for a tuple and a dict, as tp_new and tp_init get them. */
int unpack_tuple_and_dict(const char *function, const char *const *names, PyObject *args, PyObject *keywords,
                          PyObject **values);

/* Calls a type as type.__call__ does: for a tp_vectorcall that finds __new__ or __init__ replaced, or odd arguments. */
PyObject *construct_slow(PyObject *type, PyObject *const *args, size_t flags, PyObject *keywords);

/* Returns the number, which need not be an int but must be whole, as an int: a new reference, or NULL with TypeError. */
PyObject *whole_number(PyObject *number);

/* Issues a DeprecationWarning that names the caller's line. Returns -1 if that raised. */
int warn_deprecated(const char *message);

/* Makes SimpleQueue and adds it to the module. Returns -1 with an exception set. */
int simple_queue_make(PyObject *module);

/* The entries of module.c's table. Each returns -1 with an exception set on failure. */
int method_exec(PyObject *module);
int kind_exec(PyObject *module);
int lock_exec(PyObject *module);
int rlock_exec(PyObject *module);
int condition_exec(PyObject *module);
int semaphore_exec(PyObject *module);
int event_exec(PyObject *module);
int barrier_exec(PyObject *module);
int local_exec(PyObject *module);
int floor_exec(PyObject *module);
int aio_future_exec(PyObject *module);
int aio_coroutine_exec(PyObject *module);
int aio_barrier_exec(PyObject *module);
int aio_mixed_barrier_exec(PyObject *module);
int exit_exec(PyObject *module);
int thread_exec(PyObject *module);
int waits_exec(PyObject *module);
int stats_exec(PyObject *module);
int install_exec(PyObject *module);
int queue_exec(PyObject *module);
int command_exec(PyObject *module);
int profile_exec(PyObject *module);
int dump_signal_exec(PyObject *module);

#endif
