/* Counting what a program does with threads, and telling it: the functions. See stats.h.
 *
 * Locks are counted where their types are called: counting puts a function of its own in front, so that making a lock
 * costs nothing more as long as nobody counts. */
#include "module.h"
#include "stats.h"
#include "sync/lock.h"
#include "sync/rlock.h"

static PyObject *
counted(PyObject *lock)
{
    if (lock != NULL) {
        stats_count(&stats.locks);
    }
    return lock;
}

static PyObject *
lock_counted(PyObject *type, PyObject *const *args, size_t flags, PyObject *keywords)
{
    return counted(lock_vectorcall(type, args, flags, keywords));
}

static PyObject *
rlock_counted(PyObject *type, PyObject *const *args, size_t flags, PyObject *keywords)
{
    return counted(rlock_vectorcall(type, args, flags, keywords));
}

PyDoc_STRVAR(start_stats_doc,
             "_start_stats($module, /)\n--\n\n"
             "Begin to count, in the whole process, what _stats() tells; the locks only of this interpreter.");

static PyObject *
start_stats(PyObject *module, PyObject *Py_UNUSED(ignored))
{
    module_state *state = module_get_state(module);
    /* Relaxed: others may make locks meanwhile, by either function; both are always there. */
    __atomic_store_n(&state->lock_type->tp_vectorcall, lock_counted, __ATOMIC_RELAXED);
    __atomic_store_n(&state->rlock_type->tp_vectorcall, rlock_counted, __ATOMIC_RELAXED);
    atomic_store(&stats.on, true);
    Py_RETURN_NONE;
}

PyDoc_STRVAR(read_stats_doc,
             "_stats($module, /)\n--\n\n"
             "Return how many threads were started, locks made and waits begun, and the nanoseconds slept in these.");

static PyObject *
read_stats(PyObject *Py_UNUSED(module), PyObject *Py_UNUSED(ignored))
{
    return Py_BuildValue("LLLL", atomic_load(&stats.threads), atomic_load(&stats.locks), atomic_load(&stats.waits),
                         atomic_load(&stats.nanoseconds));
}

static PyMethodDef stats_functions[] = {
    {"_start_stats", start_stats, METH_NOARGS, start_stats_doc},
    {"_stats", read_stats, METH_NOARGS, read_stats_doc},
    {NULL},
};

int
stats_exec(PyObject *module)
{
    return PyModule_AddFunctions(module, stats_functions);
}
