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
    uint64_t waits; /* how many it has been in */
    struct numbered *numbered;
} thread_waits;

/* A thread that has a number. Not in thread-local memory, where others could not look. */
typedef struct numbered {
    waiter_numbered thread;
    struct numbered *next;
    struct numbered *previous;
} numbered;

/* So many waits of one thread have serials of their own. */
#define SERIALS_BITS 36

_Thread_local uint64_t waiter_mark;
uint32_t waiter_generation;
uint64_t waiter_survivor;

static _Thread_local thread_waits waits;

static pthread_once_t setup_once = PTHREAD_ONCE_INIT;
static int setup_error;
static pthread_key_t thread_end_key;

/* Waiters that ended threads have left. Held across fork, so that a child finds it unlocked and whole. */
static pthread_mutex_t spare_mutex = PTHREAD_MUTEX_INITIALIZER;
static waiter *spare_waiters;

/* With the same mutex: threads that have a number, the latest first, and memory for more. */
static numbered *numbered_threads;
static numbered *spare_numbered;
static uint64_t last_number;

static waiter *_Atomic known_waiters;

void
waiter_lists_lock(void)
{
    pthread_mutex_lock(&spare_mutex);
}

void
waiter_lists_unlock(void)
{
    pthread_mutex_unlock(&spare_mutex);
}

static void
give_to_others(waiter *self)
{
    waiter_lists_lock();
    self->outer = spare_waiters;
    spare_waiters = self;
    waiter_lists_unlock();
}

static waiter *
take_from_others(void)
{
    waiter_lists_lock();
    waiter *self = spare_waiters;
    if (self != NULL) {
        spare_waiters = self->outer;
    }
    waiter_lists_unlock();
    return self;
}

/* The thread must be told of its end, to leave what it has to others. Returns whether it will be. */
static bool
ask_for_end(void)
{
    if (!waits.has_destructor) {
        /* Any value but NULL: it makes thread_end run when this thread ends. */
        waits.has_destructor = pthread_setspecific(thread_end_key, &waits) == 0;
    }
    return waits.has_destructor;
}

static numbered *
numbered_new(void)
{
    waiter_lists_lock();
    numbered *self = spare_numbered;
    if (self != NULL) {
        spare_numbered = self->next;
    }
    waiter_lists_unlock();
    return self != NULL ? self : malloc(sizeof(numbered));
}

/* Gives the thread a number. Without memory nobody can ask whose it is. */
static void
take_number(void)
{
    numbered *self = ask_for_end() ? numbered_new() : NULL;
    waiter_lists_lock();
    waits.number = ++last_number;
    if (self != NULL) {
        self->thread = (waiter_numbered){waits.number, (unsigned long)pthread_self()};
        self->previous = NULL;
        self->next = numbered_threads;
        if (self->next != NULL) {
            self->next->previous = self;
        }
        numbered_threads = self;
    }
    waiter_lists_unlock();
    waits.numbered = self;
    waiter_mark = waiter_mark_of(waits.number);
}

/* What it still does has another number. */
static void
give_number_back(void)
{
    numbered *self = waits.numbered;
    waits.numbered = NULL;
    waits.number = waiter_mark = 0;
    if (self == NULL) {
        return;
    }
    waiter_lists_lock();
    if (self->next != NULL) {
        self->next->previous = self->previous;
    }
    *(self->previous != NULL ? &self->previous->next : &numbered_threads) = self->next;
    self->next = spare_numbered;
    spare_numbered = self;
    waiter_lists_unlock();
}

static void
thread_end(void *ignored)
{
    (void)ignored;
    give_number_back();
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

static void
make_known(waiter *self)
{
    self->known_next = atomic_load_explicit(&known_waiters, memory_order_relaxed);
    while (!atomic_compare_exchange_weak_explicit(&known_waiters, &self->known_next, self, memory_order_release,
                                                  memory_order_relaxed)) {
    }
}

waiter *
waiter_known(void)
{
    return atomic_load_explicit(&known_waiters, memory_order_acquire);
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
        if (self != NULL) {
            make_known(self);
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
    self->began = self->since = self->started = park_now();
    self->holder = 0;
    self->woken = 0;
    self->look_at = 0;
    self->whole = self->look_due = false;
    atomic_store_explicit(&self->busy, false, memory_order_relaxed);
    atomic_store_explicit(&self->wanted, NULL, memory_order_relaxed);
    atomic_store_explicit(&self->deadline, 0, memory_order_relaxed);
    self->number = waiter_thread();
    self->serial = (self->number << SERIALS_BITS) + (++waits.waits & (((uint64_t)1 << SERIALS_BITS) - 1));
    self->outer = waits.innermost;
    waits.innermost = self;
    return self;
}

static void
tell_no_more(waiter *self)
{
    if (atomic_load_explicit(&self->owner, memory_order_relaxed) == NULL) {
        return;
    }
    guard_lock(&self->asked);
    atomic_store_explicit(&self->owner, NULL, memory_order_relaxed);
    self->object = NULL;
    guard_unlock(&self->asked);
}

void
waiter_end(waiter *self)
{
    tell_no_more(self);
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
    ask_for_end();
}

waiter *
waiter_innermost(void)
{
    return waits.innermost;
}

uint64_t
waiter_thread(void)
{
    if (waits.number == 0) {
        take_number();
    }
    return waits.number;
}

size_t
waiter_copy_threads(waiter_numbered *copies, size_t room)
{
    size_t count = 0;
    waiter_lists_lock();
    for (numbered *n = numbered_threads; n != NULL; n = n->next, count++) {
        if (count < room) {
            copies[count] = n->thread;
        }
    }
    waiter_lists_unlock();
    return count;
}

unsigned long
waiter_ident(uint64_t number)
{
    unsigned long ident = 0;
    waiter_lists_lock();
    for (numbered *n = numbered_threads; n != NULL && ident == 0; n = n->next) {
        ident = n->thread.number == number ? n->thread.ident : 0;
    }
    waiter_lists_unlock();
    return ident;
}

void
waiter_before_fork(void)
{
    waiter_lists_lock();
}

void
waiter_after_fork_in_parent(void)
{
    waiter_lists_unlock();
}

static void
renew_all(waiter *first)
{
    for (waiter *w = first; w != NULL; w = w->outer) {
        parker_renew(&w->parker);
    }
}

/* The other threads do not live here. */
static void
forget_other_numbers(void)
{
    numbered *own = waits.numbered;
    for (numbered *n = numbered_threads, *next; n != NULL; n = next) {
        next = n->next;
        if (n != own) {
            n->next = spare_numbered;
            spare_numbered = n;
        }
    }
    numbered_threads = own;
    if (own != NULL) {
        own->next = own->previous = NULL;
    }
}

void
waiter_after_fork(void)
{
    waiter_generation++;
    waiter_survivor = waits.number;
    forget_other_numbers();
    for (waiter *w = waits.innermost; w != NULL; w = w->outer) {
        atomic_store_explicit(&w->generation, waiter_generation, memory_order_relaxed);
    }
    renew_all(waits.innermost);
    renew_all(waits.spare);
    renew_all(spare_waiters);
    waiter_lists_unlock();
}
