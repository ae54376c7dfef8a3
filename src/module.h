/* The extension module's state, and what its parts share about modules, types and arguments.
 *
 * Each part (a primitive, a function group) has one entry in the table at the end of module.c: a function that adds its
 * types to the module and remembers in the state those that are needed later. The state is an array of objects, so that
 * traversing and clearing it is one loop, and there is no object in a C global: every interpreter has its own. */
#ifndef MODULE_H
#define MODULE_H

#include "compat.h"

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
    PyObject *str_wait;
    PyTypeObject *event_type;
    PyTypeObject *thread_type;
    PyTypeObject *main_thread_type;
    PyTypeObject *dummy_thread_type;
    PyTypeObject *thread_handle_type;
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
    PyObject *namespace; /* the dict of the module that users see: hooks that they set are there */
    PyObject *system;    /* the dict of sys */
    PyObject *stdlib;    /* the dict of the standard library's threading */
    PyObject *stdlib_main_thread;
    PyObject *stdlib_main_thread_type;
    PyObject *stdlib_shutdown;
    PyObject *thread_module_shutdown;
    PyObject *main_thread;
    PyObject *active;
    PyObject *limbo;
    PyObject *counter;
    PyObject *dangling_data;
    PyObject *dangling_iterating; /* who iterates over it, or NULL */
    PyObject *dangling_remove;
    PyObject *forget_dangling;
    PyObject *settrace;
    PyObject *setprofile;
    PyObject *original_excepthook;
    PyObject *stdlib_excepthook;
    PyObject *excepthook_args_type;
    PyObject *start_function;
    PyObject *make_handle;
    PyObject *set_name;
    PyObject *daemon_allowed; /* True or False */
    PyObject *start_refusal;  /* why this interpreter starts no threads, or NULL */
    PyObject *closed; /* True once it has called its atexit callbacks; None if Ctrl-C ended the wait for threads */
    PyObject *empty_tuple;
    PyObject *str_counter;
    PyObject *str_excepthook;
    PyObject *str_is_alive;
    PyObject *str_name;
    PyObject *str_private_name;
    PyObject *str_profile_hook;
    PyObject *str_run;
    PyObject *str_stderr;
    PyObject *str_start_function;
    PyObject *str_trace_hook;
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

/* Looks up module.name by import. Returns a new reference. */
PyObject *module_import_from(const char *module_name, const char *name);

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
int shutdown_prepare_exec(PyObject *module);
int handle_object_exec(PyObject *module);
int thread_exec(PyObject *module);
int reuse_exec(PyObject *module);
int registry_exec(PyObject *module);
int hooks_exec(PyObject *module);
int timer_exec(PyObject *module);
int shutdown_exec(PyObject *module);
int stats_exec(PyObject *module);
int install_exec(PyObject *module);
int queue_exec(PyObject *module);
int command_exec(PyObject *module);

#endif
