/* A coroutine written in C, for the `async def` methods of this package, and the queue of those that wait.
 *
 * What a coroutine does is its kind: two functions of the object that made it, the owner. It waits for one future at a
 * time, which it hands to its task as `await future` does, so any asyncio event loop can drive it. While it waits it may
 * stand in a queue of its owner's. The queue, as the deque of an asyncio.Condition, keeps the future alive, and by its
 * callbacks the task; the coroutine itself it does not own: one that goes takes itself out. */
#ifndef AIO_COROUTINE_H
#define AIO_COROUTINE_H

#include "../module.h"
#include "../park/guard.h"

typedef struct coroutine coroutine;

typedef struct {
    const char *name;
    const char *qualname;

    /* Goes on from the start, or from the future, which is done. Returns PYGEN_NEXT as coroutine_suspend returned it;
     * PYGEN_RETURN with a new reference to the value; PYGEN_ERROR with an exception set. */
    PySendResult (*resume)(coroutine *self, PyObject **result);

    /* Cleans up after an exception, which is set, was raised where the coroutine waited. Leaves that exception set, or
     * another in its place. */
    void (*fail)(coroutine *self);
} coroutine_kind;

typedef struct {
    guard guard;
    coroutine *first;
    coroutine *last;
    Py_ssize_t count;
} coroutine_queue;

typedef enum { COROUTINE_CREATED, COROUTINE_RUNNING, COROUTINE_SUSPENDED, COROUTINE_CLOSED } coroutine_state;

struct coroutine {
    PyObject_HEAD PyObject *weakrefs;
    const coroutine_kind *kind;
    module_state *module; /* alive as long as the owner is */
    PyObject *owner;      /* NULL once closed */
    PyObject *future;     /* what it waits for; NULL if nothing */
    guard guard;
    coroutine_state state;
    bool woken; /* coroutine_wake has set the future's result */

    /* The kind's own. */
    int stage; /* 0 at first */
    Py_ssize_t index;

    coroutine_queue *queue; /* where it may still be; lives as long as the owner */
    /* Guarded by the queue. Not in it: all NULL. */
    coroutine *next;
    coroutine *previous;
    PyObject *queued; /* the queue's reference to the future */
};

/* Makes a coroutine that has not begun. The owner holds a reference to the module. */
PyObject *
coroutine_new(module_state *module, const coroutine_kind *kind, PyObject *owner);

/* Puts the coroutine at the queue's end and yields the future (stolen) to its task. Returns what `resume` returns. */
PySendResult
coroutine_suspend(coroutine *self, coroutine_queue *queue, PyObject *future, PyObject **result);

/* Takes the coroutine out of the queue it is in, if any. */
void
coroutine_leave_queue(coroutine *self);

/* Takes those who wait out of the queue, in order, and lets them go on by setting their futures to False, at most `limit`
 * of them; those whose future is done already, as after a cancellation, only go. Returns -1 with an exception set if an
 * event loop refuses: the rest stay. */
int
coroutine_wake(module_state *module, coroutine_queue *queue, Py_ssize_t limit);

/* For the owner's traverse and clear. */
int
coroutine_queue_traverse(coroutine_queue *queue, visitproc visit, void *arg);
void
coroutine_queue_clear(coroutine_queue *queue);

#endif
