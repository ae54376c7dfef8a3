/* The memory of waiters and the fork generation. See waiter.h. */
#include "waiter.h"

#include <pthread.h>
#include <stdlib.h>

/* How many spare waiters a thread keeps for itself: one, and one more for a wait in a signal handler. */
#define SPARE_MAX 2

typedef struct {
    waiter *spare;
    waiter *innermost;
    int spare_count;
    bool has_destructor;
    uint64_t number;
} thread_waits;

uint32_t waiter_generation;
uint64_t waiter_survivor;

static _Thread_local thread_waits waits;

static pthread_once_t setup_once = PTHREAD_ONCE_INIT;
static int setup_error;
static pthread_key_t thread_end_key;

/* Waiters that ended threads have left. Held across fork, so that a child finds it unlocked and whole. */
static pthread_mutex_t spare_mutex = PTHREAD_MUTEX_INITIALIZER;
static waiter *spare_waiters;

static void
spare_lock(void)
{
    pthread_mutex_lock(&spare_mutex);
}

static void
spare_unlock(void)
{
    pthread_mutex_unlock(&spare_mutex);
}

static void
give_to_others(waiter *self)
{
    spare_lock();
    self->outer = spare_waiters;
    spare_waiters = self;
    spare_unlock();
}

static waiter *
take_from_others(void)
{
    spare_lock();
    waiter *self = spare_waiters;
    if (self != NULL) {
        spare_waiters = self->outer;
    }
    spare_unlock();
    return self;
}

static void
thread_end(void *ignored)
{
    (void)ignored;
    while (waits.spare != NULL) {
        waiter *self = waits.spare;
        waits.spare = self->outer;
        give_to_others(self);
    }
    waits.spare_count = 0;
    waits.has_destructor = false;
}

static void
setup(void)
{
    setup_error = pthread_key_create(&thread_end_key, thread_end);
}

int
waiter_setup(void)
{
    pthread_once(&setup_once, setup);
    return setup_error;
}

static waiter *
waiter_new(void)
{
    waiter *self = take_from_others();
    if (self == NULL) {
        self = calloc(1, sizeof(waiter));
        if (self != NULL && parker_init(&self->parker) != 0) {
            free(self);
            self = NULL;
        }
    }
    return self;
}

waiter *
waiter_begin(void)
{
    waiter *self = waits.spare;
    if (self != NULL) {
        waits.spare = self->outer;
        waits.spare_count--;
    }
    else {
        self = waiter_new();
        if (self == NULL) {
            return NULL;
        }
    }
    parker_reset(&self->parker);
    self->state = WAITER_WAITING;
    self->away = false;
    self->outcome = 0;
    self->thread = 0;
    self->place = NULL;
    self->restricted = false;
    self->admission = ADMISSION_HERE;
    self->began = self->since = park_now();
    self->outer = waits.innermost;
    waits.innermost = self;
    return self;
}

void
waiter_end(waiter *self)
{
    waiter **link = &waits.innermost;
    while (*link != self) {
        link = &(*link)->outer;
    }
    *link = self->outer;
    if (waits.spare_count == SPARE_MAX) {
        give_to_others(self);
        return;
    }
    self->outer = waits.spare;
    waits.spare = self;
    waits.spare_count++;
    if (!waits.has_destructor) {
        /* Any value but NULL: it makes thread_end run when this thread ends. */
        waits.has_destructor = pthread_setspecific(thread_end_key, &waits) == 0;
    }
}

waiter *
waiter_innermost(void)
{
    return waits.innermost;
}

uint64_t
waiter_thread(void)
{
    static _Atomic uint64_t last;
    if (waits.number == 0) {
        /* Relaxed: the number itself is all that is told. */
        waits.number = atomic_fetch_add_explicit(&last, 1, memory_order_relaxed) + 1;
    }
    return waits.number;
}

void
waiter_before_fork(void)
{
    spare_lock();
}

void
waiter_after_fork_in_parent(void)
{
    spare_unlock();
}

static void
renew_all(waiter *first)
{
    for (waiter *w = first; w != NULL; w = w->outer) {
        parker_renew(&w->parker);
    }
}

void
waiter_after_fork(void)
{
    waiter_generation++;
    waiter_survivor = waits.number;
    renew_all(waits.innermost);
    renew_all(waits.spare);
    renew_all(spare_waiters);
    spare_unlock();
}
