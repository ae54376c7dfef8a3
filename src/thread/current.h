/* Who is running: current_thread(), and the Threads that nobody has started. */
#ifndef THREAD_CURRENT_H
#define THREAD_CURRENT_H

#include "../module.h"

/* The calling thread's Thread: a new reference, or NULL with an exception. */
PyObject *current_thread(module_state *state);

/* Once the types are there: adds the function to the module, and makes the main thread's object one of our type, here and
 * in a forked child. Returns -1 with an exception set. */
int current_setup(PyObject *module);

#endif
