/* `_tstate_lock`, by which join() and is_alive() go before 3.13. Later there is no such thing, and nothing to do here. */
#ifndef THREAD_TSTATE_LOCK_H
#define THREAD_TSTATE_LOCK_H

#include "../module.h"

#if PY_VERSION_HEX < 0x030D0000

/* The thread is about to be started: puts a locked lock in the place. Returns it, a new reference, or NULL with an
 * exception. */
PyObject *tstate_lock_hold_place(module_state *state, PyObject *thread, bool daemon);

/* The thread is at its end, or does not start: releases that lock. If the real one has never been set the thread counts as
 * ended, or as never started. Keeps an exception that is being raised. */
void tstate_lock_give_back(module_state *state, PyObject *thread, PyObject *place, bool stopped);

/* In the thread itself: sets the real one. Returns -1 with an exception set. */
int tstate_lock_set(module_state *state, PyObject *thread, bool daemon);
int tstate_lock_is_set(module_state *state, PyObject *thread);

/* Adds the methods that have to do with it to Thread. Returns -1 with an exception set. */
int tstate_lock_add_methods(PyObject *module, PyTypeObject *type);

#else

static inline PyObject *
tstate_lock_hold_place(module_state *state, PyObject *thread, bool daemon)
{
    (void)state, (void)thread, (void)daemon;
    return Py_NewRef(Py_None);
}

static inline void
tstate_lock_give_back(module_state *state, PyObject *thread, PyObject *place, bool stopped)
{
    (void)state, (void)thread, (void)place, (void)stopped;
}

static inline int
tstate_lock_is_set(module_state *state, PyObject *thread)
{
    (void)state, (void)thread;
    return 1;
}

static inline int
tstate_lock_set(module_state *state, PyObject *thread, bool daemon)
{
    (void)state, (void)thread, (void)daemon;
    return 0;
}

static inline int
tstate_lock_add_methods(PyObject *module, PyTypeObject *type)
{
    (void)module, (void)type;
    return 0;
}

#endif

#endif
