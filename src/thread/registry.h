/* The registry of threads, which is the standard library's: `_limbo` has those that have been started, by the Thread, and
 * `_active` those that run, by their idents. A thread is in one of them at a time. */
#ifndef THREAD_REGISTRY_H
#define THREAD_REGISTRY_H

#include <stdatomic.h>

#include "../module.h"

typedef enum { TO_ACTIVE, TO_LIMBO, TO_NOTHING } registry_place;

/* What an atomic variable says as long as a move is still wanted. */
#define REGISTRY_WAITS 0

/* Takes the thread to that place, with the registry's lock held, wherever it is; not at all if the variable, which may be
 * NULL, says otherwise. Without Python code of its own. Returns -1 with an exception set. */
int registry_move(module_state *state, PyObject *ident, PyObject *thread, registry_place place, atomic_int *wanted);

/* Whether it is in `_limbo`. -1 with an exception set. */
int registry_has_in_limbo(module_state *state, PyObject *thread);

/* Takes it out of there. Returns -1 with an exception set. */
int registry_leave_limbo(module_state *state, PyObject *thread);

#endif
