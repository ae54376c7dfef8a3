/* The last atexit callback: what has to be done before the interpreter's end.
 *
 * Threads that have just been started get the interpreter once, daemons included, as they do where start() waits for that.
 * And threads that are woken from now on may never get it: nobody is put off for them any more (park/admission.h). */
#include "module.h"

#include <time.h>

#include "park/admission.h"
#include "park/park.h"
#include "profile.h"
#include "sync/wait.h"

/* How long to wait for new threads at most, and before each look whether there are any, nanoseconds. */
#define WAIT_AT_MOST PARK_SECOND
#define LOOK_AGAIN_AFTER 20000

static void
wait_for_new_threads(module_state *state)
{
    int64_t end = park_now() + WAIT_AT_MOST;
    while (__atomic_load_n(&state->coming_up, __ATOMIC_RELAXED) > 0 && park_now() < end) {
        struct timespec duration = {.tv_nsec = LOOK_AGAIN_AFTER};
        Py_BEGIN_ALLOW_THREADS nanosleep(&duration, NULL);
        Py_END_ALLOW_THREADS
    }
}

static PyObject *
close_down(PyObject *module, PyObject *Py_UNUSED(ignored))
{
    wait_for_new_threads(module_get_state(module));
    profile_drop();
    /* The threads of other interpreters are not concerned. */
    if (PyInterpreterState_Get() == PyInterpreterState_Main()) {
        admission_end();
    }
    else {
        wait_watch(NULL, 0);
    }
    Py_RETURN_NONE;
}

static PyMethodDef close_down_definition = {"_close_down", close_down, METH_NOARGS, NULL};

int
exit_exec(PyObject *module)
{
    if (PyInterpreterState_Get() == PyInterpreterState_Main()) {
        admission_begin();
    }
    PyObject *at_exit = module_import_from("atexit", "register");
    PyObject *function = at_exit == NULL ? NULL : PyCFunction_NewEx(&close_down_definition, module, NULL);
    PyObject *done = function == NULL ? NULL : PyObject_CallOneArg(at_exit, function);
    Py_XDECREF(at_exit);
    Py_XDECREF(function);
    Py_XDECREF(done);
    return done == NULL ? -1 : 0;
}
