/* What a coroutine of this package waits for, and the queue of those that wait.
 *
 * It has what a task wants of a future and no more: a task takes anything that has `_asyncio_future_blocking`. One that is
 * woken together with others costs no call of the event loop: one callback runs those of all, one after the other, each
 * in its own context, as the event loop would have. */
#ifndef AIO_FUTURE_H
#define AIO_FUTURE_H

#include "../module.h"
#include "../park/guard.h"

typedef enum { FUTURE_PENDING, FUTURE_DONE, FUTURE_CANCELLED } future_state;

typedef struct future future;
struct future {
    PyObject_HEAD
    PyObject *loop;
    bool blocking; /* `_asyncio_future_blocking`: awaited, and not yet seen by a task */

    guard guard; /* of what follows */
    future_state state;
    PyObject *callback; /* NULL: none */
    PyObject *context;
    PyObject *more_callbacks; /* NULL, or a list of pairs of those */
    PyObject *message;        /* cancel's */

    int outcome; /* the primitive's own */

    /* Guarded by the queue that it is in. */
    future *next;
    future *previous;
    bool queued;
};

/* A queue owns its futures. An object full of zeros is an empty one. */
typedef struct {
    guard guard;
    future *first;
    future *last;
    Py_ssize_t count;
} future_queue;

future *future_new(module_state *module, PyObject *loop);

/* What event loops are given to call looks at what they call it with, as anybody may. */
bool future_is(module_state *module, PyObject *object);

/* Sets the error of that. Returns NULL. */
PyObject *future_refuse(void);

/* Whether this thread runs a callback of futures of that loop (NULL: no loop): it is the running loop, then. */
bool future_loop_is_calling(PyObject *loop);

/* Returns 0 if the future is done; -1 with an exception set if it is cancelled or pending. */
int future_check(future *self);

void future_queue_append(future_queue *queue, future *self);

/* Takes the future out if it is in. */
void future_queue_remove(future_queue *queue, future *self);

/* Takes those that are in the queue out, in order, until `limit` of them have become done by that; one that has been
 * cancelled only goes. Their callbacks run later, from the event loop. Returns -1 with an exception set if the event loop
 * refuses. */
int future_queue_wake(module_state *module, future_queue *queue, Py_ssize_t limit);

/* Takes all out. Returns the first, linked by `next` and ended by NULL; each reference is the caller's. */
future *future_queue_take_all(future_queue *queue);

/* Has the event loops of these futures, as future_queue_take_all returned them, end the wait of each and run its
 * callbacks: from any thread, with one call for each event loop. `running` is the one that runs in this thread, or NULL.
 * For an event loop that is closed nothing is done. Returns -1 with an exception set if one refused; the others have been
 * told all the same. */
int futures_wake(module_state *module, future *first, PyObject *running);

/* Lets go of them, waiting for ever as they may be. */
void futures_forget(future *first);

/* For the owner's traverse and clear. */
int future_queue_traverse(future_queue *queue, visitproc visit, void *arg);
void future_queue_clear(future_queue *queue);

#endif
