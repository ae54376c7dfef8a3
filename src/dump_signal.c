/* Who waits for whom, asked by a signal: also while the main thread runs no Python code, and while nobody can get the
 * interpreter. For cthreading/_dump_signal.py.
 *
 * The signal's handler posts a semaphore and does nothing else. Two threads that the interpreter does not know do the rest:
 *
 *     handler --- asked --->  watcher  --- wanted --->  dumper: gets the interpreter, calls _dump()
 *                                |    <--- given ----
 *                                no answer within a second: has faulthandler write the stacks, which needs no interpreter
 *
 * All signals are blocked in both. In a forked child they are started again. From the interpreter's end on they do
 * nothing. All of this is the process's: only the main interpreter may ask for it. */
#include "module.h"

#include <errno.h>
#include <pthread.h>
#include <semaphore.h>
#include <signal.h>
#include <unistd.h>

#include "park/park.h"

/* How long the interpreter may take, until what can be known without it is written. */
#define ANSWER_WITHIN PARK_SECOND
/* The signal may have interrupted a wait: how long until that thread waits again, so that its wait is seen. */
#define SETTLE_AFTER 10000000
/* How long the interpreter's end, or a fork, waits for a dump that is being written; and before each look. */
#define FINISH_WITHIN PARK_SECOND
#define LOOK_AGAIN_AFTER 100000
/* The dumper runs Python code. */
#define STACK_SIZE ((size_t)1 << 20)

typedef void (*signal_handler)(int signum);

static struct {
    bool ready;
    int signum;
    int descriptor;
    signal_handler stacks; /* faulthandler's handler of the signal */
    sem_t asked;
    parker watcher;
    parker dumper;
    atomic_uint wanted; /* dumps */
    atomic_uint given;
    atomic_int active; /* threads that use what ends with the interpreter, or hold what a child would find locked */
    atomic_int forks;  /* threads that are about to fork */
    atomic_bool ended;
} dumps;

static void
on_signal(int Py_UNUSED(signum))
{
    int error = errno;
    sem_post(&dumps.asked);
    errno = error;
}

static void
pause_for(long nanoseconds)
{
    struct timespec duration = {.tv_nsec = nanoseconds};
    nanosleep(&duration, NULL);
}

/* Returns whether the interpreter is there; then it stays, and nobody forks, until leave(). */
static bool
enter(void)
{
    for (;;) {
        /* Sequentially consistent, as in wait_for_active: one of the two sees the other. */
        atomic_fetch_add(&dumps.active, 1);
        bool ended = atomic_load(&dumps.ended);
        if (!ended && atomic_load(&dumps.forks) == 0) {
            return true;
        }
        atomic_fetch_sub(&dumps.active, 1);
        if (ended) {
            return false;
        }
        pause_for(LOOK_AGAIN_AFTER);
    }
}

static void
leave(void)
{
    atomic_fetch_sub(&dumps.active, 1);
}

/* With the interpreter. Nothing is imported: another thread may be in the middle of that. */
static void
call_dump(void)
{
    PyObject *name = PyUnicode_FromString("cthreading._dump_signal");
    PyObject *module = name == NULL ? NULL : PyImport_GetModule(name);
    PyObject *done = module == NULL ? NULL : PyObject_CallMethod(module, "_dump", "i", dumps.descriptor);
    if (done == NULL && PyErr_Occurred()) {
        PyErr_WriteUnraisable(module);
    }
    Py_XDECREF(done);
    Py_XDECREF(module);
    Py_XDECREF(name);
}

static void *
run_dumper(void *unused)
{
    for (;;) {
        unsigned int wanted = atomic_load(&dumps.wanted);
        if (wanted == atomic_load(&dumps.given)) {
            parker_park(&dumps.dumper, PARK_FOREVER);
            continue;
        }
        pause_for(SETTLE_AFTER);
        if (enter()) {
            PyGILState_STATE state = PyGILState_Ensure();
            call_dump();
            PyGILState_Release(state);
            leave();
        }
        atomic_store(&dumps.given, wanted);
        parker_unpark(&dumps.watcher);
    }
    return unused;
}

static bool
is_given(unsigned int wanted)
{
    return (int)(atomic_load(&dumps.given) - wanted) >= 0;
}

/* Has the dumper dump. Returns whether it has, in time. */
static bool
dump_in_time(void)
{
    unsigned int wanted = atomic_fetch_add(&dumps.wanted, 1) + 1;
    parker_unpark(&dumps.dumper);
    int64_t deadline = park_later(park_now(), ANSWER_WITHIN);
    while (!is_given(wanted)) {
        if (parker_park(&dumps.watcher, deadline) == PARK_TIMED_OUT) {
            return is_given(wanted);
        }
    }
    return true;
}

static void
write_stacks(void)
{
    static const char line[] =
        "cthreading: no answer from the interpreter within a second, so nothing is known of waits; the stacks:\n";
    signal_handler stacks = dumps.stacks;
    if (write(dumps.descriptor, line, sizeof(line) - 1) >= 0 && stacks != NULL) {
        stacks(dumps.signum);
    }
}

static void *
run_watcher(void *unused)
{
    for (;;) {
        if (sem_wait(&dumps.asked) == 0 && !dump_in_time() && enter()) {
            write_stacks();
            leave();
        }
    }
    return unused;
}

/* Returns 0 or an errno value. */
static int
start_thread(void *(*function)(void *))
{
    pthread_attr_t attributes;
    int error = pthread_attr_init(&attributes);
    if (error != 0) {
        return error;
    }
    pthread_attr_setstacksize(&attributes, STACK_SIZE);
    pthread_attr_setdetachstate(&attributes, PTHREAD_CREATE_DETACHED);
    sigset_t all, before;
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before);
    pthread_t thread;
    error = pthread_create(&thread, &attributes, function, NULL);
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    pthread_attr_destroy(&attributes);
    return error;
}

static int
start_threads(void)
{
    int error = start_thread(run_dumper);
    return error != 0 ? error : start_thread(run_watcher);
}

/* Once in a process, and once in each forked child. */
static int
prepare(void)
{
    int error = parker_init(&dumps.watcher);
    if (error == 0) {
        error = parker_init(&dumps.dumper);
    }
    if (error == 0 && sem_init(&dumps.asked, 0, 0) != 0) {
        error = errno;
    }
    if (error == 0) {
        error = start_threads();
    }
    dumps.ready = error == 0;
    return error;
}

static PyObject *
none_or_error(int error)
{
    if (error != 0) {
        errno = error;
        return PyErr_SetFromErrno(PyExc_OSError);
    }
    Py_RETURN_NONE;
}

/* Puts our handler in the place of the one that is there, and remembers that one. Returns 0 or an errno value. */
static int
take_signal(int signum)
{
    struct sigaction before, action = {.sa_handler = on_signal, .sa_flags = SA_RESTART | SA_ONSTACK};
    sigemptyset(&action.sa_mask);
    if (sigaction(signum, &action, &before) != 0) {
        return errno;
    }
    bool is_function = !(before.sa_flags & SA_SIGINFO) && before.sa_handler != SIG_DFL && before.sa_handler != SIG_IGN;
    dumps.stacks = is_function && before.sa_handler != on_signal ? before.sa_handler : NULL;
    dumps.signum = signum;
    return 0;
}

PyDoc_STRVAR(dump_on_signal_doc,
             "_dump_on_signal($module, signum, descriptor, /)\n--\n\n"
             "Have cthreading._dump_signal._dump(descriptor) called at each such signal.\n"
             "The handler that is there now is for when the interpreter does not answer.");

static PyObject *
dump_on_signal(PyObject *Py_UNUSED(module), PyObject *args)
{
    int signum, descriptor;
    if (!PyArg_ParseTuple(args, "ii:_dump_on_signal", &signum, &descriptor)) {
        return NULL;
    }
    if (PyInterpreterState_Get() != PyInterpreterState_Main()) {
        PyErr_SetString(PyExc_RuntimeError, "signals are the main interpreter's");
        return NULL;
    }
    int error = dumps.ready ? 0 : prepare();
    dumps.descriptor = descriptor;
    return none_or_error(error != 0 ? error : take_signal(signum));
}

/* With the interpreter, which others get meanwhile. */
static void
wait_for_active(void)
{
    int64_t end = park_later(park_now(), FINISH_WITHIN);
    while (atomic_load(&dumps.active) > 0 && park_now() < end) {
        Py_BEGIN_ALLOW_THREADS pause_for(LOOK_AGAIN_AFTER);
        Py_END_ALLOW_THREADS
    }
}

PyDoc_STRVAR(hold_dumps_doc, "_hold_dumps($module, /)\n--\n\nBefore a fork: no dump until _release_dumps().");

static PyObject *
hold_dumps(PyObject *Py_UNUSED(module), PyObject *Py_UNUSED(ignored))
{
    atomic_fetch_add(&dumps.forks, 1);
    wait_for_active();
    Py_RETURN_NONE;
}

PyDoc_STRVAR(release_dumps_doc, "_release_dumps($module, /)\n--\n\nAfter a fork, in the parent.");

static PyObject *
release_dumps(PyObject *Py_UNUSED(module), PyObject *Py_UNUSED(ignored))
{
    atomic_fetch_sub(&dumps.forks, 1);
    Py_RETURN_NONE;
}

PyDoc_STRVAR(renew_dumps_doc, "_renew_dumps($module, /)\n--\n\nIn a forked child: start again what a dump needs.");

static PyObject *
renew_dumps(PyObject *Py_UNUSED(module), PyObject *Py_UNUSED(ignored))
{
    atomic_store(&dumps.forks, 0);
    if (!dumps.ready || atomic_load(&dumps.ended)) {
        Py_RETURN_NONE;
    }
    atomic_store(&dumps.given, atomic_load(&dumps.wanted));
    atomic_store(&dumps.active, 0);
    return none_or_error(prepare());
}

PyDoc_STRVAR(end_dumps_doc, "_end_dumps($module, /)\n--\n\nAt the interpreter's end: no more dumps from now on.");

static PyObject *
end_dumps(PyObject *Py_UNUSED(module), PyObject *Py_UNUSED(ignored))
{
    atomic_store(&dumps.ended, true);
    wait_for_active();
    Py_RETURN_NONE;
}

static PyMethodDef dump_signal_functions[] = {
    {"_dump_on_signal", dump_on_signal, METH_VARARGS, dump_on_signal_doc},
    {"_hold_dumps", hold_dumps, METH_NOARGS, hold_dumps_doc},
    {"_release_dumps", release_dumps, METH_NOARGS, release_dumps_doc},
    {"_renew_dumps", renew_dumps, METH_NOARGS, renew_dumps_doc},
    {"_end_dumps", end_dumps, METH_NOARGS, end_dumps_doc},
    {NULL},
};

int
dump_signal_exec(PyObject *module)
{
    return PyModule_AddFunctions(module, dump_signal_functions);
}
