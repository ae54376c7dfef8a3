/* Thread, as Timer, the registry and the handling of forks see it. */
#ifndef THREAD_THREAD_H
#define THREAD_THREAD_H

#include "../module.h"
#include "handle.h"

typedef enum {
    THREAD_NEW,
    THREAD_STARTING,
    THREAD_STARTED,
} thread_phase;

typedef struct {
    PyObject_HEAD
    PyObject *dict;
    PyObject *weakrefs;
    PyObject *target;
    PyObject *args;
    PyObject *kwargs;
    PyObject *name;
    PyObject *ident;
    PyObject *daemonic;
    PyObject *started; /* the Event, once somebody has asked for it */
    PyObject *standard_error;
    PyObject *context;
    _Atomic(thread_handle *) handle; /* NULL until it is needed */
    _Atomic int phase;
    char initialized;
} thread_object;

static inline bool
thread_check(module_state *state, PyObject *object)
{
    return PyObject_TypeCheck(object, state->thread_type);
}

/* Thread.__init__ without its arguments' defaults: `name` NULL for the next free one, `daemon` NULL to inherit it. */
int thread_setup(thread_object *self, PyObject *target, PyObject *name, PyObject *args, PyObject *kwargs,
                 PyObject *daemon, PyObject *context);

/* The next free name: the prefix with a number behind it, and " (target's name)" where the target has one. */
PyObject *thread_make_name(module_state *state, const char *prefix, PyObject *target);

/* Makes it the started Thread of the thread with this ident, which somebody else started, and enters it into the
 * registry. native_id 0: not known. */
int thread_adopt(thread_object *self, unsigned long ident, unsigned long native_id);

/* Puts the name into the instance's dict, where those who look at the process from outside find a Thread's name. They
 * expect a dict in each Thread of the registry, and give up on all if one has none. */
int thread_show_name(thread_object *self);

/* The handle, made if need be, borrowed. NULL with an exception set. */
thread_handle *thread_get_handle(thread_object *self);

/* function(*args, **kwargs), with the errors of that where they cannot be unpacked. */
PyObject *thread_call(PyObject *function, PyObject *args, PyObject *kwargs);

/* Parts of Thread that derived types need. */
int thread_traverse(PyObject *self, visitproc visit, void *arg);
int thread_clear(PyObject *self);
void thread_dealloc(PyObject *self);

#endif
