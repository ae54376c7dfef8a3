/* What happens to threads at the interpreter's end. */
#ifndef THREAD_SHUTDOWN_H
#define THREAD_SHUTDOWN_H

#include "../module.h"
#include "handle.h"

/* Returns -1 with an exception set if this interpreter starts no threads (any more). */
int shutdown_check_start(module_state *state);

/* To be called after a start: where the interpreter may go soon, waits until it knows of the new thread. */
void shutdown_after_start(module_state *state, thread_handle *handle);

#endif
