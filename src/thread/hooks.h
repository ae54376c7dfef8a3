/* The hooks that serve a new thread: trace and profile functions, and who is told of an uncaught exception.
 *
 * Each is the one set through cthreading or, where none is, the one set through the standard library's threading. */
#ifndef THREAD_HOOKS_H
#define THREAD_HOOKS_H

#include "thread.h"

/* Sets the calling thread's trace and profile function. */
int hooks_install(module_state *state);

/* Hands the current exception to the excepthook. Leaves an exception set only if the hook raised one that is not an
 * Exception. */
void hooks_report(module_state *state, thread_object *thread);

#endif
