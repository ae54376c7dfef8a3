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
    uint64_t number;
    unsigned long ident;
    waiter *_Atomic told; /* its innermost wait that is told of */
    struct numbered *next;
    struct numbered *previous;
} numbered;

/* Those that live, by their numbers: one after the other, they spread evenly. A power of two. */
#define NUMBERED_LISTS 1024

/* So many waits of one thread have serials of their own. */
#define SERIALS_BITS 36

_Thread_local uint64_t waiter_mark;
uint32_t waiter_generation;
uint64_t waiter_survivor;
void (*waiter_return_permit)(word *wanted);

static _Thread_local thread_waits waits;

static pthread_once_t setup_once = PTHREAD_ONCE_INIT;
static int setup_error;
static pthread_key_t thread_end_key;

/* Waiters that ended threads have left. Held across fork, so that a child finds it unlocked and whole. */
static pthread_mutex_t spare_mutex = PTHREAD_MUTEX_INITIALIZER;
static waiter *spare_waiters;

/* With the same mutex: threads that have a number, and memory for more. */
static numbered *numbered_threads[NUMBERED_LISTS];
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

static numbered **
numbered_list(uint64_t number)
{
    return &numbered_threads[number % NUMBERED_LISTS];
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
        numbered **list = numbered_list(waits.number);
        self->number = waits.number;
        self->ident = (unsigned long)pthread_self();
        atomic_store_explicit(&self->told, NULL, memory_order_relaxed);
        self->previous = NULL;
        self->next = *list;
        if (self->next != NULL) {
            self->next->previous = self;
        }
        *list = self;
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
    *(self->previous != NULL ? &self->previous->next : numbered_list(self->number)) = self->next;
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

static bool
is_told(const waiter *self)
{
    return atomic_load_explicit(&self->owner, memory_order_relaxed) != NULL;
}

static void
note_told(waiter *self)
{
    if (waits.numbered != NULL) {
        atomic_store_explicit(&waits.numbered->told, self, memory_order_relaxed);
    }
}

void
waiter_tell(waiter *self, void *owner, wait_operation operation, void *object)
{
    self->operation = operation;
    self->object = object;
    atomic_store_explicit(&self->generation, waiter_generation, memory_order_relaxed);
    atomic_store_explicit(&self->owner, owner, memory_order_release);
    note_told(self);
}

static void
tell_no_more(waiter *self)
{
    waiter *outer = self->outer;
    while (outer != NULL && !is_told(outer)) {
        outer = outer->outer;
    }
    note_told(outer);
    guard_lock(&self->asked);
    atomic_store_explicit(&self->owner, NULL, memory_order_relaxed);
    self->object = NULL;
    guard_unlock(&self->asked);
}

void
waiter_end(waiter *self)
{
    if (is_told(self)) {
        tell_no_more(self);
    }
    atomic_store_explicit(&self->wanted, NULL, memory_order_relaxed);
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

/* With the mutex locked. NULL: it has ended, or there was no memory. */
static numbered *
find_numbered(uint64_t number)
{
    numbered *n = *numbered_list(number);
    while (n != NULL && n->number != number) {
        n = n->next;
    }
    return n;
}

unsigned long
waiter_ident(uint64_t number)
{
    waiter_lists_lock();
    numbered *found = find_numbered(number);
    unsigned long ident = found != NULL ? found->ident : 0;
    waiter_lists_unlock();
    return ident;
}

uint64_t
waiter_number(unsigned long ident)
{
    uint64_t number = 0;
    waiter_lists_lock();
    for (size_t i = 0; i < NUMBERED_LISTS && number == 0; i++) {
        for (numbered *n = numbered_threads[i]; n != NULL && number == 0; n = n->next) {
            number = n->ident == ident ? n->number : 0;
        }
    }
    waiter_lists_unlock();
    return number;
}

waiter *
waiter_told(uint64_t number)
{
    waiter_lists_lock();
    numbered *found = find_numbered(number);
    waiter *told = found != NULL ? atomic_load_explicit(&found->told, memory_order_relaxed) : NULL;
    waiter_lists_unlock();
    return told;
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
    for (size_t i = 0; i < NUMBERED_LISTS; i++) {
        for (numbered *n = numbered_threads[i], *next; n != NULL; n = next) {
            next = n->next;
            if (n != own) {
                n->next = spare_numbered;
                spare_numbered = n;
            }
        }
        numbered_threads[i] = NULL;
    }
    if (own != NULL) {
        *numbered_list(own->number) = own;
        own->next = own->previous = NULL;
    }
}

/* What the other threads waited for, they wait for no more. */
static void
return_permits(void)
{
    for (waiter *w = waiter_known(); w != NULL; w = w->known_next) {
        word *wanted = atomic_load_explicit(&w->wanted, memory_order_relaxed);
        if (wanted == NULL || w->number == waiter_survivor) {
            continue;
        }
        if (waiter_return_permit != NULL && atomic_load_explicit(&w->state, memory_order_relaxed) == WAITER_GRANTED) {
            waiter_return_permit(wanted);
        }
        atomic_store_explicit(&w->wanted, NULL, memory_order_relaxed);
    }
}

void
waiter_after_fork(void)
{
    waiter_generation++;
    waiter_survivor = waits.number;
    return_permits();
    forget_other_numbers();
    for (waiter *w = waits.innermost; w != NULL; w = w->outer) {
        atomic_store_explicit(&w->generation, waiter_generation, memory_order_relaxed);
    }
    renew_all(waits.innermost);
    renew_all(waits.spare);
    renew_all(spare_waiters);
    waiter_lists_unlock();
}
