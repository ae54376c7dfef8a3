/* The operating system of the explored world: what the shipped files call of it, by the linker's --wrap. See explore.h. */
#define _GNU_SOURCE
#include "explore.h"

#include <errno.h>
#include <linux/futex.h>
#include <pthread.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#define CALLER __builtin_return_address(0)
#define KEYS 8
#define SECOND INT64_C(1000000000)

/* In the program's own memory, so that each schedule sets it back. */
static void (*destructors[KEYS])(void *);
static void *values[KEYS][EXPLORE_THREADS];
static unsigned keys;
static void (*at_fork[3][KEYS])(void);
static int at_fork_count;

/* A mutex is its first word: 0, or the owner's number and 1. */

static int *
word_of(void *mutex)
{
    return mutex;
}

int
__wrap_pthread_mutex_init(pthread_mutex_t *mutex, const void *ignored)
{
    (void)ignored;
    memset(mutex, 0, sizeof(*mutex));
    return 0;
}

int
__wrap_pthread_mutex_destroy(pthread_mutex_t *mutex)
{
    return *word_of(mutex) == 0 ? 0 : EBUSY;
}

int
__wrap_pthread_mutex_lock(pthread_mutex_t *mutex)
{
    explore_lock(word_of(mutex), "lock", CALLER);
    return 0;
}

int
__wrap_pthread_mutex_unlock(pthread_mutex_t *mutex)
{
    explore_unlock(word_of(mutex), "unlock", CALLER);
    return 0;
}

int
__wrap_pthread_cond_init(pthread_cond_t *condition, const void *ignored)
{
    (void)ignored;
    memset(condition, 0, sizeof(*condition));
    return 0;
}

int
__wrap_pthread_cond_destroy(pthread_cond_t *condition)
{
    (void)condition;
    return 0;
}

static int
wait_on_condition(pthread_cond_t *condition, pthread_mutex_t *mutex, int64_t deadline, const void *caller)
{
    /* In one step with the sleep: nothing is chosen in between. */
    int *word = word_of(mutex);
    *word = 0;
    explore_release(word, false);
    explore_note(word, true, "wait", deadline, caller);
    explore_end end = explore_sleep(EXPLORE_FOR_CONDITION, condition, deadline, false);
    explore_lock(word, "lock", caller);
    return end == EXPLORE_TIMED_OUT ? ETIMEDOUT : 0;
}

int
__wrap_pthread_cond_wait(pthread_cond_t *condition, pthread_mutex_t *mutex)
{
    return wait_on_condition(condition, mutex, INT64_MAX, CALLER);
}

int
__wrap_pthread_cond_timedwait(pthread_cond_t *condition, pthread_mutex_t *mutex, const struct timespec *until)
{
    int64_t deadline = until->tv_sec > INT64_MAX / SECOND - 1 ? INT64_MAX : until->tv_sec * SECOND + until->tv_nsec;
    return wait_on_condition(condition, mutex, deadline, CALLER);
}

int
__wrap_pthread_cond_signal(pthread_cond_t *condition)
{
    explore_point(condition);
    explore_note(condition, true, "signal", 0, CALLER);
    explore_wake(EXPLORE_FOR_CONDITION, condition);
    return 0;
}

int
__wrap_pthread_once(pthread_once_t *once, void (*function)(void))
{
    if (*(int *)once == 0) {
        *(int *)once = 1;
        function();
    }
    return 0;
}

int
__wrap_pthread_key_create(pthread_key_t *key, void (*destructor)(void *))
{
    destructors[keys] = destructor;
    *key = keys++;
    return 0;
}

int
__wrap_pthread_setspecific(pthread_key_t key, const void *value)
{
    values[key][explore_thread()] = (void *)(uintptr_t)value;
    return 0;
}

void *
__wrap_pthread_getspecific(pthread_key_t key)
{
    return values[key][explore_thread()];
}

void
explore_thread_ends(void)
{
    for (unsigned key = 0; key < keys; key++) {
        void *value = values[key][explore_thread()];
        values[key][explore_thread()] = NULL;
        if (value != NULL && destructors[key] != NULL) {
            destructors[key](value);
        }
    }
}

int
__wrap_pthread_atfork(void (*before)(void), void (*parent)(void), void (*child)(void))
{
    at_fork[0][at_fork_count] = before;
    at_fork[1][at_fork_count] = parent;
    at_fork[2][at_fork_count++] = child;
    return 0;
}

void
explore_system_fork(bool before)
{
    for (int i = 0; i < at_fork_count; i++) {
        void (*call)(void) = before ? at_fork[0][at_fork_count - 1 - i] : at_fork[2][i];
        if (call != NULL) {
            call();
        }
    }
}

static long
futex_wait(int *word, int expected, const struct timespec *until, const void *caller)
{
    explore_point(word);
    explore_note(word, false, "sleep", *word, caller);
    if (*word != expected) {
        errno = EAGAIN;
        return -1;
    }
    int64_t deadline =
        until == NULL || until->tv_sec > INT64_MAX / SECOND - 1 ? INT64_MAX : until->tv_sec * SECOND + until->tv_nsec;
    switch (explore_sleep(EXPLORE_FOR_FUTEX, word, deadline, true)) {
    case EXPLORE_TIMED_OUT:
        errno = ETIMEDOUT;
        return -1;
    case EXPLORE_SIGNALLED:
        errno = EINTR;
        return -1;
    default:
        return 0;
    }
}

long
__wrap_syscall(long number, ...)
{
    va_list arguments;
    va_start(arguments, number);
    long result = -1;
    if (number == SYS_gettid) {
        result = explore_receives_signals() ? getpid() : getpid() + 1 + explore_thread();
    }
    else if (number == SYS_futex) {
        int *word = va_arg(arguments, int *);
        int operation = va_arg(arguments, int);
        int value = va_arg(arguments, int);
        const struct timespec *until = va_arg(arguments, const struct timespec *);
        if ((operation & FUTEX_CMD_MASK) == FUTEX_WAIT_BITSET) {
            result = futex_wait(word, value, until, CALLER);
        }
        else {
            explore_point(word);
            explore_note(word, true, "wake", 0, CALLER);
            explore_wake(EXPLORE_FOR_FUTEX, word);
            result = 0;
        }
    }
    else {
        explore_fail("system call %ld", number);
    }
    va_end(arguments);
    return result;
}

int
__wrap_clock_gettime(clockid_t ignored, struct timespec *now)
{
    (void)ignored;
    int64_t time = explore_time();
    now->tv_sec = time / SECOND;
    now->tv_nsec = time % SECOND;
    return 0;
}

int
__wrap_sched_yield(void)
{
    explore_pause();
    return 0;
}

int
__wrap_sched_getcpu(void)
{
    return explore_thread() % explore_cores();
}

/* In the place of src/park/cores.c. */

int
cores_count(void)
{
    return explore_cores();
}

void
cores_forget(void)
{
}
