/* All interleavings of a small scenario: what the scenarios see of the explorer, and its parts of each other.
 *
 * The shipped files of src/park and src/sync are compiled with -fsanitize=thread and linked to no sanitizer: the calls that
 * the compiler puts before every load, store and atomic operation end here (memory.c). So are those of the operating
 * system (system.c) and the few of the interpreter (python.c), by the linker's --wrap. The threads of a scenario are
 * coroutines of one real thread, and scheduler.c decides at each operation that others can see which one goes on.
 *
 * What is explored are the sequentially consistent interleavings. What weaker memory could show beyond them is found as
 * a data race: the happens-before order that the memory orders given in the source make is kept in vector clocks, and two
 * plain accesses that it does not order are a fault. In a program without such races it is enough to change threads at
 * atomic operations, locks and sleeps. */
#ifndef EXPLORE_H
#define EXPLORE_H

#include <stdbool.h>
#include <stdint.h>

/* For scenarios. */

#define EXPLORE_MICROSECOND INT64_C(1000)
#define EXPLORE_MILLISECOND INT64_C(1000000)

/* Starts a thread. Without the interpreter. */
void explore_start(void (*run)(void *argument), void *argument);

/* Waits for all other threads to end. The caller does not have the interpreter. */
void explore_join_all(void);

/* Fails the schedule unless the condition is true. */
#define EXPLORE_CHECK(condition, message) \
    ((condition) ? (void)0 : explore_fail("%s: not true: %s", message, #condition))
void explore_fail(const char *format, ...) __attribute__((format(printf, 1, 2), noreturn));

/* The time of the explored world: it stands still but for this, and for deadlines when nobody can go on. */
int64_t explore_time(void);
void explore_pass_time(int64_t nanoseconds);

/* How often a deadline passed because nobody could go on. */
int explore_rescues(void);

/* The calling thread's number, 0 for the first. */
int explore_thread(void);

/* The first thread is the one that signals are delivered to, and sleeps in slices. Before it sleeps. */
void explore_be_main_thread(void);

/* Sends the calling thread a signal, which it gets in one of its next sleeps: the handler runs at PyErr_CheckSignals, and
 * raises if it returns -1. */
void explore_send_signal(int (*handler)(void));

/* The rest of the schedule is that of a child after a fork: all threads but the caller are gone. */
void explore_fork(void);

/* How many cores there are. */
void explore_set_cores(int count);

/* Gets the interpreter as a new thread does, and lets go of it as one that ends. Free-threaded, nothing. */
void explore_enter_python(void);
void explore_leave_python(void);

/* Another thread may take the interpreter here, as between two lines of Python. */
void explore_line(void);

/* Where the interpreter is finalizing. */
void explore_finalize(void);

typedef struct {
    const char *name;
    void (*run)(void);
} explore_scenario;

extern const explore_scenario explore_scenarios[];

/* Between the parts. */

#define EXPLORE_THREADS 6

typedef enum {
    EXPLORE_READY,
    EXPLORE_FOR_MUTEX,
    EXPLORE_FOR_CONDITION,
    EXPLORE_FOR_FUTEX,
    EXPLORE_FOR_ALL,   /* to end */
    EXPLORE_FOR_WRITE, /* looks again and again: until another thread has written something */
    EXPLORE_ENDED,
} explore_state;

typedef enum {
    EXPLORE_WOKEN,
    EXPLORE_TIMED_OUT,
    EXPLORE_SIGNALLED,
    EXPLORE_IMPATIENT, /* looks as fast as it can, for others as slow as it seems: time passes */
} explore_end;

/* Before an operation on the address that other threads can see. */
void explore_point(const void *address);

/* Sleeps until it is woken (explore_wake), or the deadline (INT64_MAX: none) passes, or a signal comes, if there can be
 * one. */
explore_end explore_sleep(explore_state state, const void *address, int64_t deadline, bool signals);

/* Wakes one that sleeps so. */
void explore_wake(explore_state state, const void *address);

/* Until another thread has written something. */
void explore_pause(void);

/* Notes a synchronising access, after which the thread's past and the memory's version are others. */
void explore_note(const void *address, bool writes, const char *what, int64_t value, const void *caller);

/* Locks as wrapped ones do: the word is 0, or the owner's number and 1. */
void explore_lock(int *word, const char *what, const void *caller);
void explore_unlock(int *word, const char *what, const void *caller);

/* What a thread sees of others: acquire and release at an address. */
void explore_acquire(const void *address);
void explore_release(const void *address, bool keeps_earlier);
void explore_relax(const void *address);

/* Memory of the explored world, which begins afresh with each schedule. */
void *explore_allocate(uint64_t size);
void explore_free(void *memory);
void explore_memory_begin(void);

/* The vector clocks of a thread that begins: its starter's. */
void explore_clock_begin(int thread, int starter);
/* A thread has seen all that the others did. */
void explore_clock_join_all(int thread, int count);

bool explore_has_interpreter(void);
void explore_stop_the_world(void);
void explore_start_the_world(void);
int explore_pending_signal(void); /* the result of its handler, or 1: none */
bool explore_receives_signals(void);
void explore_python_begin(void);
void explore_thread_ends(void);
void explore_system_fork(bool before);
int explore_cores(void);
bool explore_is_finalizing(void);

#endif
