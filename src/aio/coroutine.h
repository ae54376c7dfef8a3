/* A coroutine written in C, for the `async def` methods of this package.
 *
 * What a coroutine does is its kind: two functions of the object that made it, the owner. It waits for one future at a
 * time, which stands in a queue of the owner's and which the coroutine hands to its task as `await future` does: so any
 * asyncio event loop can drive it. */
#ifndef AIO_COROUTINE_H
#define AIO_COROUTINE_H

#include "future.h"

typedef struct coroutine coroutine;

typedef struct {
    const char *name;
    const char *qualname;

    /* Goes on from the start (`awaited` is NULL), or from the future, which is done. Returns PYGEN_NEXT as
     * coroutine_suspend returned it; PYGEN_RETURN with a new reference to the value; PYGEN_ERROR with an exception set. */
    PySendResult (*resume)(coroutine *self, future *awaited, PyObject **result);

    /* Cleans up after an exception, which is set, was raised where the coroutine waited for this future. Leaves that
     * exception set, or another in its place. NULL for a coroutine that never waits. */
    void (*fail)(coroutine *self, future *awaited);
} coroutine_kind;

typedef enum { COROUTINE_CREATED, COROUTINE_RUNNING, COROUTINE_SUSPENDED, COROUTINE_CLOSED } coroutine_state;

struct coroutine {
    PyObject_HEAD
    PyObject *weakrefs;
    const coroutine_kind *kind;
    module_state *module; /* alive as long as the owner is */
    PyObject *owner;      /* NULL once closed */
    guard guard;          /* of state */
    coroutine_state state;

    /* While it is suspended. The queue is the owner's; NULL: the kind's own functions look after that. */
    future *future;
    future_queue *queue;
    int64_t since;
    coroutine *next_suspended; /* all that are, of the process */
    coroutine *previous_suspended;

    /* The kind's own. */
    int stage; /* 0 at first */
    Py_ssize_t index;
    PyObject *timeout; /* NULL: none */
    PyObject *timer;   /* NULL: none */
};

/* Makes a coroutine that has not begun. The owner holds a reference to the module. */
PyObject *coroutine_new(module_state *module, const coroutine_kind *kind, PyObject *owner);

/* Puts the future (stolen) at the queue's end (NULL: it is in one already) and yields it to the task. Returns what `resume`
 * returns. */
PySendResult coroutine_suspend(coroutine *self, future_queue *queue, future *future, PyObject **result);

#endif
