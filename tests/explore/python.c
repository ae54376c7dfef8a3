/* The interpreter of the explored world: its lock, signal handlers, and exceptions that are only there or not. What else
 * of it the shipped files mention is never called here, and linked to nothing. See explore.h. */
#include "compat.h"

#include "explore.h"
#include "park/admission.h"
#include "park/fork.h"
#include "sync/permits.h"

static PyObject *raised[EXPLORE_THREADS];
/* What is raised: the objects differ by their address. */
static PyObject exceptions[EXPLORE_THREADS];

void
explore_python_begin(void)
{
    for (int i = 0; i < EXPLORE_THREADS; i++) {
        Py_SET_REFCNT(&exceptions[i], 1000);
        Py_SET_TYPE(&exceptions[i], (PyTypeObject *)&exceptions[i]);
    }
    waiter_setup();
    permits_setup();
    fork_setup();
    admission_begin();
}

#ifdef PARK_FREE_THREADED

/* Threads are stopped for a fork where they let go of the interpreter, or between two lines of Python. */
static int attached[EXPLORE_THREADS];
static int stopping;

static void
take_lock(void)
{
    void *caller = __builtin_return_address(0);
    int self = explore_thread();
    explore_point(&stopping);
    while (explore_note(&stopping, false, "attach", stopping, caller), stopping && stopping != self + 1) {
        explore_pause();
    }
    attached[self] = 1;
    explore_note(&attached[self], true, "attached", 1, caller);
}

static void
give_lock(void)
{
    int *mine = &attached[explore_thread()];
    *mine = 0;
    explore_note(mine, true, "detached", 0, __builtin_return_address(0));
}

static bool
are_others_attached(void)
{
    for (int i = 0; i < EXPLORE_THREADS; i++) {
        explore_note(&attached[i], false, "look at", i, __builtin_return_address(0));
        if (i != explore_thread() && attached[i]) {
            return true;
        }
    }
    return false;
}

void
explore_stop_the_world(void)
{
    stopping = explore_thread() + 1;
    explore_note(&stopping, true, "stop", 1, __builtin_return_address(0));
    while (are_others_attached()) {
        explore_pause();
    }
}

void
explore_start_the_world(void)
{
    stopping = 0;
    explore_note(&stopping, true, "start", 0, __builtin_return_address(0));
}

bool
explore_has_interpreter(void)
{
    return stopping == explore_thread() + 1;
}

#else

static int lock;

static void
take_lock(void)
{
    explore_lock(&lock, "attach", __builtin_return_address(0));
}

static void
give_lock(void)
{
    explore_unlock(&lock, "detach", __builtin_return_address(0));
}

void
explore_stop_the_world(void)
{
}

void
explore_start_the_world(void)
{
}

bool
explore_has_interpreter(void)
{
    return lock == explore_thread() + 1;
}

#endif

void
explore_enter_python(void)
{
    int64_t asked = admission_approach();
    take_lock();
    admission_enter(asked, park_now());
}

void
explore_leave_python(void)
{
    waiter *next = admission_leave();
    give_lock();
    admission_let_go(next);
}

void
explore_line(void)
{
    give_lock();
    take_lock();
}

PyThreadState *
PyEval_SaveThread(void)
{
    give_lock();
    return (PyThreadState *)raised;
}

void
PyEval_RestoreThread(PyThreadState *ignored)
{
    (void)ignored;
    take_lock();
}

PyInterpreterState *
PyInterpreterState_Get(void)
{
    return (PyInterpreterState *)raised;
}

PyInterpreterState *
PyInterpreterState_Main(void)
{
    return (PyInterpreterState *)raised;
}

int
PyErr_CheckSignals(void)
{
    int self = explore_thread();
    if (explore_pending_signal() >= 0) {
        return 0;
    }
    raised[self] = &exceptions[self];
    return -1;
}

#if PY_VERSION_HEX >= 0x030C0000
PyObject *
PyErr_GetRaisedException(void)
{
    PyObject *exception = raised[explore_thread()];
    raised[explore_thread()] = NULL;
    return exception;
}

void
PyErr_SetRaisedException(PyObject *exception)
{
    raised[explore_thread()] = exception;
}
#else
void
PyErr_Fetch(PyObject **type, PyObject **value, PyObject **traceback)
{
    *value = *traceback = NULL;
    *type = raised[explore_thread()];
    raised[explore_thread()] = NULL;
    if (*type != NULL) {
        *value = Py_NewRef(*type);
    }
}

void
PyErr_NormalizeException(PyObject **type, PyObject **value, PyObject **traceback)
{
    (void)type, (void)value, (void)traceback;
}

void
PyErr_Restore(PyObject *type, PyObject *value, PyObject *traceback)
{
    (void)type, (void)traceback;
    raised[explore_thread()] = value;
}

PyObject *
PyException_GetTraceback(PyObject *exception)
{
    (void)exception;
    return NULL;
}
#endif

PyObject *
PyErr_NoMemory(void)
{
    raised[explore_thread()] = exceptions;
    return NULL;
}

#if PY_VERSION_HEX >= 0x030D0000
int
Py_IsFinalizing(void)
#else
int
_Py_IsFinalizing(void)
#endif
{
    return explore_is_finalizing();
}

#ifdef Py_GIL_DISABLED
/* No object here is freed because nobody refers to it. */
void
_Py_DecRefShared(PyObject *object)
{
    (void)object;
}

void
_Py_MergeZeroLocalRefcount(PyObject *object)
{
    (void)object;
}
#endif

/* One reference more than are ever given up. */
void
_Py_Dealloc(PyObject *object)
{
    Py_SET_REFCNT(object, 1000);
}

PyObject *
PyException_GetContext(PyObject *exception)
{
    (void)exception;
    return NULL;
}

void
PyException_SetContext(PyObject *exception, PyObject *context)
{
    (void)exception, (void)context;
}
