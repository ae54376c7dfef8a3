/* A queue, as its parts see it: the object, and the functions of the three parts under its methods.
 *
 * A queue is a container, a Lock that guards it, `mutex`, and three Conditions over that. A method takes the lock, works on
 * the container, takes the first of those who wait for that out of their condition, and wakes it once it has given the lock
 * back: no Python code runs, as long as the queue is a usual one. There are three ways:
 *
 *     BY_CONTAINER   the container's own C functions                 container.c
 *     BY_HOOKS       _qsize, _put and _get, which somebody has       hooks.c, which tells the ways apart
 *                    overridden, or the container is another one
 *     BY_STANDARD    the standard library's own functions: an        attributes.c
 *                    attribute has a value that is none of ours */
#ifndef QUEUE_QUEUE_H
#define QUEUE_QUEUE_H

#include "../module.h"
#include "../sync/kind.h"
#include "../sync/lock.h"

/* 3.13 brought shutdown. */
#if PY_VERSION_HEX >= 0x030D0000
#define QUEUE_SHUTS_DOWN 1
#else
#define QUEUE_SHUTS_DOWN 0
#endif

typedef enum {
    QUEUE_FIFO, /* a deque */
    QUEUE_LIFO, /* a list */
    QUEUE_HEAP, /* a list in the order of heapq */
} queue_kind;

#define QUEUE_KINDS 3

/* The attributes that have a usual value, as bits of `usual`. */
typedef enum {
    USUAL_MAXSIZE = 1,
    USUAL_MUTEX = 2,
    USUAL_NOT_EMPTY = 4,
    USUAL_NOT_FULL = 8,
    USUAL_ALL_TASKS_DONE = 16,
    USUAL_UNFINISHED = 32,
    USUAL_SHUT_DOWN = 64,
    USUAL_ALL = 127,
} queue_usual;

typedef struct {
    OBJECT_HEAD
    module_state *state; /* of the module whose type this is */
    /* Guarded by the object's critical section, also where the mutex is held: anybody can replace them. */
    PyObject *container;
    PyObject *maxsize;
    /* Made by __init__, and the same until the end. */
    lock_object *mutex;
    PyObject *not_empty;
    PyObject *not_full;
    PyObject *all_tasks_done;
    waitqueue *getters; /* those of not_empty, */
    waitqueue *putters; /* not_full, */
    waitqueue *joiners; /* and all_tasks_done */
    /* Guarded by the mutex. */
    word unfinished;
    word limit; /* what maxsize says: how many items there may be; 0: any number */
    atomic_uchar usual;
    atomic_bool shut_down;
    word class_known; /* what hooks.c knows about the class */
} queue_object;

/* Attributes */

extern PyGetSetDef queue_getset[];

/* __getstate__: as for an object whose attributes are all in its dict. */
PyObject *queue_get_state(queue_object *self, PyObject *ignored);

/* Sets maxsize. -1 with an exception set. */
int queue_set_maxsize(queue_object *self, PyObject *maxsize);

/* Sets the container. */
void queue_set_container(queue_object *self, PyObject *container);

/* Makes the lock and the conditions, and the rest of what a new queue has. -1 with an exception set. */
int queue_make_attributes(queue_object *self);

int queue_traverse(PyObject *self, visitproc visit, void *arg);
int queue_clear(PyObject *self);
void queue_dealloc(PyObject *self);

/* Calls the standard library's function of that name on the queue. */
PyObject *queue_by_standard(queue_object *self, const char *name, PyObject *const *args, Py_ssize_t count,
                            PyObject *keywords);

/* Containers */

/* A new, empty one. */
PyObject *container_make(module_state *state, queue_kind kind);

/* Whether it is one that the functions below can work on. */
static inline bool
container_is_usual(module_state *state, queue_kind kind, PyObject *container)
{
    PyTypeObject *wanted = kind == QUEUE_FIFO ? state->deque_type : &PyList_Type;
    return container != NULL && Py_IS_TYPE(container, wanted);
}

/* Adds an item. -1 with an exception set. */
int container_put(module_state *state, queue_kind kind, PyObject *container, PyObject *item);

/* Takes an item out of a container that is not empty. NULL with an exception set: nothing is lost then. */
PyObject *container_get(module_state *state, queue_kind kind, PyObject *container);

/* Gets what the containers need from the standard library. */
int container_prepare(module_state *state);

/* The container, for as long as it is worked on: a new reference, or NULL without an exception. */
static inline PyObject *
queue_container(queue_object *self)
{
    PyObject *container;
    Py_BEGIN_CRITICAL_SECTION(self);
    container = Py_XNewRef(self->container);
    Py_END_CRITICAL_SECTION();
    return container;
}

/* Hooks */

/* What is known about an object's class, as bits; above them is the version of the class. */
#define CLASS_KIND 3        /* a queue_kind */
#define CLASS_HAS_HOOKS 4   /* _qsize, _put and _get are not those of the kind */
#define CLASS_HAS_PUT 8     /* put is not ours */
#define CLASS_HAS_GET 16    /* get is not ours */
#define CLASS_HAS_INIT 32   /* _init is not that of the kind */
#define CLASS_IS_UNUSUAL 64 /* an attribute is not ours */
#define CLASS_VERSION_SHIFT 8

/* Looks at the class. -1 with an exception set. */
int64_t queue_look_at_class(queue_object *self);

/* Whether the object has one of these attributes of its own: names, ended by NULL. -1 with an exception set. */
int queue_has_own(queue_object *self, PyObject *const *names);

static inline int64_t
queue_class(queue_object *self)
{
    uint32_t version = type_version(Py_TYPE(self));
    int64_t known = word_load(&self->class_known);
    if (__builtin_expect(version != 0 && known >> CLASS_VERSION_SHIFT == version, 1)) {
        return known;
    }
    return queue_look_at_class(self);
}

typedef enum {
    WAY_FAILED = -1, /* with an exception set */
    BY_CONTAINER,
    BY_HOOKS,
    BY_STANDARD,
} queue_way;

/* How to work on a queue, and of what kind its container is. */
typedef struct {
    queue_way way;
    queue_kind kind;
} queue_manner;

queue_manner queue_manner_slow(queue_object *self, int64_t class);

static inline queue_manner
queue_manner_of(queue_object *self)
{
    int64_t class = queue_class(self);
    bool usual = atomic_load_explicit(&self->usual, memory_order_relaxed) == USUAL_ALL;
    if (__builtin_expect(class < 0 || !usual || (class & (CLASS_HAS_HOOKS | CLASS_IS_UNUSUAL)) ||
                             object_has_attributes((PyObject *)self),
                         0)) {
        return queue_manner_slow(self, class);
    }
    return (queue_manner){BY_CONTAINER, (queue_kind)(class & CLASS_KIND)};
}

/* What the manner says, or what the hooks say if the container is another one. The mutex is held. -1 with an exception
 * set. */
int queue_is_empty(queue_object *self, queue_manner manner);
PyObject *queue_size(queue_object *self, queue_manner manner);
int queue_is_full(queue_object *self, queue_manner manner);
int queue_put_item(queue_object *self, queue_manner manner, PyObject *item);
PyObject *queue_get_item(queue_object *self, queue_manner manner);

/* Makes a snapshot of what is in the type of a kind, before anybody can change it. */
int hooks_remember(module_state *state, queue_kind kind, PyTypeObject *type);

#endif
