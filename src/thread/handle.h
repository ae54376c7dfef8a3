/* A handle: one OS thread's life, from before it exists until nobody asks about it any more.
 *
 * It is plain memory with a reference count of its own and no Python object in it: the thread's last act, telling that
 * it is done, comes after its thread state is gone. All handles of threads that are not done are in one list for the
 * whole process; that list, `done` and the joiners are guarded by one mutex, which is held for a few instructions, never
 * while Python code runs, and across fork: a child finds the list whole and marks all threads but its own as done. */
#ifndef THREAD_HANDLE_H
#define THREAD_HANDLE_H

#include "../compat.h"

#include <pthread.h>

#include "../park/waitqueue.h"

typedef struct thread_handle {
    _Atomic int references;
    _Atomic bool done;               /* joins return; written with the mutex held */
    _Atomic bool reaped;             /* nobody else is to pthread_join or pthread_detach it */
    _Atomic bool born;               /* has a thread state, or will never have one */
    _Atomic int order;               /* what the starter tells the new thread: see handle_proceed */
    _Atomic unsigned long native_id; /* 0: not known yet */
    bool daemon;                     /* nobody waits for it at exit */
    bool listed;
    struct thread_handle *next;
    struct thread_handle *previous;
    PyInterpreterState *interpreter;
    pthread_t thread;
    unsigned long ident;
    uint32_t generation; /* the fork generation in which `thread` means something to pthread_join */
    waitqueue joiners;
    parker start;
    struct reusable *reusable; /* the OS thread, a new one, if it may be used again: see reuse.h */
    struct reusable *used;     /* the same of one that is used again */
    void (*body)(void *);
    void *argument;
} thread_handle;

/* Once, before anything else. Returns 0 or an errno value. Later calls do nothing. */
int handle_setup(void);

/* A handle with one reference for a thread of this interpreter, in no list, not started. NULL with MemoryError. */
thread_handle *handle_new(void);

thread_handle *handle_take(thread_handle *self);
void handle_drop(thread_handle *self);

/* Makes it the handle of the thread with that ident, which somebody else started. */
void handle_adopt(thread_handle *self, unsigned long ident, unsigned long native_id);

/* Starts an OS thread, which then waits for handle_proceed. It will call body(argument) with a thread state attached.
 * Returns 0, or an errno value: then nothing has happened. */
int handle_create(thread_handle *self, void (*body)(void *), void *argument);

/* Tells the thread that handle_create made to go on; or, with `call` false, to end without calling anything. */
void handle_proceed(thread_handle *self, bool call);

/* Whether handle_proceed has been called. */
bool handle_has_order(thread_handle *self);

/* Waits, detached, until the new thread has its thread state. */
void handle_wait_for_birth(thread_handle *self);

/* The OS's id of the thread; waits, detached, for a new thread to tell it. 0: it never will. */
unsigned long handle_native_id(thread_handle *self);

static inline bool
handle_is_done(thread_handle *self)
{
    return atomic_load_explicit(&self->done, memory_order_acquire);
}

/* Marks it as done and wakes the joiners. */
void handle_finish(thread_handle *self);

/* Waits until it is done, and for the OS thread to be gone. Returns 1; 0 when the deadline passed; -1 with an exception
 * set: a signal handler's, or, at the interpreter's end, that the thread can no longer come to its end. */
int handle_join(thread_handle *self, int64_t deadline);

/* Waits for all threads of this interpreter that are not daemons, the calling one excepted. Returns whether there were
 * any, or -1 as handle_join. */
int handle_join_all(void);

/* Waits, detached, until no thread of this interpreter is between its start and having a thread state. */
void handle_wait_for_births(void);

#endif
