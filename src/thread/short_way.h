/* What a new thread does whose target is C code: the steps of the standard library, without Python code of its own. */
#ifndef THREAD_SHORT_WAY_H
#define THREAD_SHORT_WAY_H

#include "../module.h"

/* Whether the calling thread, which is this one, may take it. -1 with an exception set. */
int short_way_is_open(module_state *state, PyObject *thread);

/* Takes it. Returns as the thread's `_bootstrap` does: a new reference, or NULL with an exception; without one if there was no
 * memory to come as far as the target. */
PyObject *short_way_take(module_state *state, PyObject *thread, PyObject *ident, bool daemon);

#endif
