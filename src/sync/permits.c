/* The waiting half of permits.h. */
#include "permits.h"

#include "../park/admission.h"
#include "../park/dice.h"

/* For how long to try before sleeping, nanoseconds, while nobody waits. */
#define TRY_FOR 30000
#define PAUSES_TO_A_TRY 8
#define TRIES_TO_A_YIELD 16
/* A permit that is away for less than so many nanoseconds is not worth waiting for with many eyes. */
#define HELD_LITTLE 300
#define PAUSES_ALONE 40
#define MEASURE_ONE_IN 16
/* How many locks a thread remembers. */
#define HELD_TIMES 16

/* How many of the first waiters are told that their turn comes soon. */
#define ALERTED_AT_MOST 2

/* Takes a permit if there is one, of whatever kind. */
static bool
try_take(permits *self)
{
    for (;;) {
        int64_t seen = word_load(&self->word);
        if (seen < PERMITS_ONE) {
            return false;
        }
        int64_t taken = seen & PERMITS_LOCK ? (int64_t)waiter_mark_of(waiter_thread()) : PERMITS_ONE;
        if (word_replace(&self->word, seen, seen - taken)) {
            return true;
        }
    }
}

/* The word of a lock once nobody has it. */
static inline int64_t
free_lock(int64_t seen)
{
    return PERMITS_ONE | PERMITS_LOCK | (seen & PERMITS_CONTENDED);
}

/* In a child after a fork: a permit that was handed over to a thread that is not there. */
static void
return_permit(word *word)
{
    int64_t seen = word_load(word);
    word_store(word, seen & PERMITS_LOCK ? free_lock(seen) : seen + PERMITS_ONE);
}

void
permits_setup(void)
{
    waiter_return_permit = return_permit;
}

/* Notes who has the lock from now on, which nobody else can take: it is handed over. Nothing if it is no lock. */
static void
set_holder(permits *self, uint64_t number)
{
    for (;;) {
        int64_t seen = word_load(&self->word);
        int64_t wanted = free_lock(seen) - (int64_t)waiter_mark_of(number);
        if (!(seen & PERMITS_LOCK) || word_replace(&self->word, seen, wanted)) {
            return;
        }
    }
}

/* Wakes as many of the first waiters as there are permits. The queue is locked. */
static void
wake_first(permits *self)
{
    waiter *first = waitqueue_first(&self->queue);
    waiter *w = first;
    for (int64_t count = permits_count(self); w != NULL && count > 0; count--) {
        if (w->state == WAITER_WAITING || w->state == WAITER_ALERTED) {
            w->state = WAITER_WOKEN;
            waiter_wake(w);
        }
        w = w->next == first ? NULL : w->next;
    }
}

/* Has those wake up whose turn comes soon, if they have been moved here and have not tried for themselves. The queue is
 * locked. */
static void
alert_next(permits *self)
{
    waiter *first = waitqueue_first(&self->queue);
    waiter *w = first;
    int at_most = admission_is_slow() ? ADMISSION_IN_LINE : ALERTED_AT_MOST;
    for (int count = 0; w != NULL && count < at_most; count++) {
        if (w->state == WAITER_WAITING && w->since == 0) {
            w->state = WAITER_ALERTED;
            waiter_wake(w);
        }
        w = w->next == first ? NULL : w->next;
    }
}

/* Adds permits, unless there would be more than `limit`, and sets or clears CONTENDED to say whether the queue is empty.
 * The queue is locked. Returns whether it did. */
static bool
add_and_update(permits *self, int64_t count, int64_t limit)
{
    for (;;) {
        int64_t seen = word_load(&self->word);
        int64_t there = seen < PERMITS_ONE ? 0 : seen / PERMITS_ONE;
        if (there > limit - count) {
            return false;
        }
        int64_t contended = waitqueue_is_empty(&self->queue) ? 0 : PERMITS_CONTENDED;
        int64_t kind = seen & PERMITS_LOCK;
        int64_t wanted = count == 0 ? seen & ~(int64_t)PERMITS_CONTENDED : (there + count) * PERMITS_ONE + kind;
        wanted += contended;
        if (word_replace(&self->word, seen, wanted)) {
            return true;
        }
    }
}

static void
update(permits *self)
{
    add_and_update(self, 0, PERMITS_MAX);
}

/* Tries for a waiter. WOKEN meanwhile, and if it takes one until its wait has ended: who tries waits for nobody, least of
 * all for itself. The queue is locked. */
static bool
try_take_for(permits *self, waiter *w)
{
    w->state = WAITER_WOKEN;
    if (try_take(self)) {
        return true;
    }
    w->state = WAITER_WAITING;
    return false;
}

/* Takes a permit, or joins the queue. The queue is locked. CONTENDED is set first: who gives a permit after the failed
 * attempt finds it. Returns whether a permit was taken. */
static bool
take_or_join(permits *self, waiter *w, void (*join)(waitqueue *, waiter *))
{
    atomic_store_explicit(&w->wanted, &self->word, memory_order_relaxed);
    join(&self->queue, w);
    update(self);
    if (!try_take_for(self, w)) {
        return false;
    }
    waitqueue_remove(&self->queue, w);
    update(self);
    return true;
}

static void
leave(permits *self, waiter *w)
{
    waitqueue_remove(&self->queue, w);
    update(self);
    wake_first(self);
}

/* After a park, one look at how things stand. The queue is locked. Returns whether the waiter has its permit. */
static bool
take_if_possible(permits *self, waiter *w)
{
    if (w->state == WAITER_GRANTED) {
        return true;
    }
    bool woken = w->state == WAITER_WOKEN;
    if (try_take_for(self, w)) {
        leave(self, w);
        alert_next(self);
        return true;
    }
    if (woken && w->since == 0) {
        w->since = park_now();
    }
    return false;
}

/* Runs the signal handlers, with the waiter out of the queue and no permit kept from anybody; puts it back in front.
 * Returns 1 when it has a permit, 0 when it waits, -1 with an exception set, no permit, and in no queue. */
static int
run_handlers(permits *self, waiter *w, int64_t limit)
{
    waitqueue_lock(&self->queue);
    bool granted = w->state == WAITER_GRANTED;
    w->state = WAITER_WAITING;
    if (!granted) {
        leave(self, w);
    }
    waitqueue_unlock(&self->queue);
    if (granted) {
        permits_give_slow(self, 1, limit);
    }
    if (wait_run_handlers(w) < 0) {
        return -1;
    }
    waitqueue_lock(&self->queue);
    bool taken = take_or_join(self, w, waitqueue_add_first);
    waitqueue_unlock(&self->queue);
    return taken;
}

/* Waits in the queue. Returns as permits_take; the waiter is in no queue then. */
static int
wait_in_queue(permits *self, waiter *w, int64_t deadline, int64_t limit, permits_handlers handlers)
{
    for (;;) {
        if (handlers == PERMITS_HANDLERS_DUE) {
            int outcome = run_handlers(self, w, limit);
            if (outcome != 0) {
                return outcome;
            }
            handlers = PERMITS_RUN_HANDLERS;
        }
        park_result result = wait_park(w, deadline);
        if (result == PARK_INTERRUPTED && handlers != PERMITS_NO_HANDLERS) {
            handlers = PERMITS_HANDLERS_DUE;
            continue;
        }
        waitqueue_lock(&self->queue);
        bool taken = take_if_possible(self, w);
        if (!taken && result == PARK_TIMED_OUT) {
            leave(self, w);
        }
        waitqueue_unlock(&self->queue);
        if (taken || result == PARK_TIMED_OUT) {
            return taken;
        }
    }
}

#ifdef PARK_FREE_THREADED

/* What the calling thread has seen of the locks that it found taken: for how long they were, nanoseconds. */
typedef struct {
    const permits *place;
    int64_t mean;
} held_time;

static _Thread_local held_time held_times[HELD_TIMES];

static held_time *
held_time_of(const permits *self)
{
    held_time *known = &held_times[((uintptr_t)self >> 4) % HELD_TIMES];
    if (known->place != self) {
        known->place = self;
        known->mean = HELD_LITTLE;
    }
    return known;
}

static void
pause_for(int pauses)
{
    while (pauses-- > 0) {
        guard_pause();
    }
}

/* Tries again and again, for a moment, until somebody waits in the queue. Returns whether a permit was taken. */
static bool
try_until(permits *self, int64_t end)
{
    for (unsigned tries = 1; !(word_load(&self->word) & PERMITS_CONTENDED); tries++) {
        if (try_take(self)) {
            return true;
        }
        if (tries % TRIES_TO_A_YIELD == 0) {
            if (park_now() >= end) {
                return false;
            }
            guard_yield();
        }
        pause_for(PAUSES_TO_A_TRY);
    }
    return false;
}

/* Tries a while before the thread sleeps. Where the permit is never away for long, each try takes longer than what it
 * is about: the cores take the word from each other. So then this leaves it alone for some time, in which the others get
 * on with their work undisturbed. Returns whether a permit was taken. */
static bool
take_soon(permits *self)
{
    held_time *known = held_time_of(self);
    int64_t began = park_now();
    bool leave_alone = known->mean < HELD_LITTLE && !dice_once_in(MEASURE_ONE_IN);
    if (leave_alone) {
        pause_for(PAUSES_ALONE);
        if (try_take(self)) {
            return true;
        }
    }
    bool taken = try_until(self, park_later(began, TRY_FOR));
    if (!leave_alone) {
        known->mean += (park_now() - began - known->mean) / 4;
    }
    return taken;
}

#else

static bool
take_soon(permits *self)
{
    /* The holder cannot give the permit back as long as this thread has the GIL. */
    (void)self;
    return false;
}

#endif

int
permits_take_slow(permits *self, int64_t wait, int64_t limit, wait_operation operation, PyObject *object)
{
    if (wait == 0) {
        return 0;
    }
    int64_t deadline = deadline_after(wait);
    if (take_soon(self)) {
        return 1;
    }
    waiter *w = wait_begin(operation, object);
    if (w == NULL) {
        return -1;
    }
    waitqueue_lock(&self->queue);
    int outcome = take_or_join(self, w, waitqueue_add);
    waitqueue_unlock(&self->queue);
    if (outcome == 0) {
        outcome = wait_in_queue(self, w, deadline, limit, PERMITS_RUN_HANDLERS);
    }
    wait_end(w);
    return outcome;
}

int
permits_lock_slow(permits *self, int64_t wait, wait_operation operation, PyObject *object)
{
    /* It may only be that the thread had no number. */
    waiter_thread();
    return permits_try_lock(self) ? 1 : permits_take_slow(self, wait, 1, operation, object);
}

int
permits_take_always(permits *self, waiter *w, int64_t limit, permits_handlers handlers)
{
    PyObject *exception = NULL;
    bool taken = false;
    waitqueue_lock(&self->queue);
    if (w->state != WAITER_GRANTED && !waitqueue_has(&self->queue, w)) {
        w->since = park_now();
        taken = take_or_join(self, w, waitqueue_add);
    }
    else if (handlers != PERMITS_HANDLERS_DUE) {
        taken = take_if_possible(self, w);
    }
    waitqueue_unlock(&self->queue);
    while (!taken) {
        int outcome = wait_in_queue(self, w, PARK_FOREVER, limit, handlers);
        taken = outcome == 1;
        if (outcome < 0) {
            exception = exception_chain(PyErr_GetRaisedException(), exception);
            handlers = PERMITS_RUN_HANDLERS;
            waitqueue_lock(&self->queue);
            taken = take_or_join(self, w, waitqueue_add_first);
            waitqueue_unlock(&self->queue);
        }
    }
    if (exception == NULL) {
        return 0;
    }
    PyErr_SetRaisedException(exception);
    return -1;
}

static bool
is_kept_waiting(const waiter *w)
{
    /* At the interpreter's end the waiter may be a thread that never runs again: it must try for itself. */
    return w->since != 0 && park_now() - w->since >= PERMITS_FAIR_AFTER && !Py_IsFinalizing();
}

bool
permits_give_slow(permits *self, int64_t count, int64_t limit)
{
    waitqueue_lock(&self->queue);
    bool given = permits_count(self) <= limit - count;
    waiter *first;
    while (given && count > 0 && (first = waitqueue_first(&self->queue)) != NULL && is_kept_waiting(first)) {
        waitqueue_remove(&self->queue, first);
        first->state = WAITER_WOKEN; /* who asks must not see it wait for itself */
        set_holder(self, first->number);
        waiter_grant(first, 0);
        count--;
    }
    given = given && add_and_update(self, count, limit);
    wake_first(self);
    waitqueue_unlock(&self->queue);
    return given;
}

bool
permits_give_to_any_slow(permits *self, int64_t count, int64_t limit)
{
    waitqueue_lock(&self->queue);
    /* The latest one goes on at once if it is not asleep yet; the first has to be woken, and has been idle for longest. */
    waiter *last = waitqueue_last(&self->queue);
    bool given = count == 1 && last != NULL && last->state == WAITER_WAITING && !parker_sleeps(&last->parker) &&
                 permits_count(self) == 0 && add_and_update(self, count, limit);
    if (given) {
        last->state = WAITER_WOKEN;
        waiter_wake(last);
    }
    waitqueue_unlock(&self->queue);
    return given || permits_give_slow(self, count, limit);
}

void
permits_join(permits *self, waiter *w)
{
    w->since = 0;
    waitqueue_lock(&self->queue);
    atomic_store_explicit(&w->wanted, &self->word, memory_order_relaxed);
    waitqueue_add(&self->queue, w);
    update(self);
    wake_first(self);
    waitqueue_unlock(&self->queue);
}

void
permits_set(permits *self, int64_t count)
{
    waitqueue_lock(&self->queue);
    for (;;) {
        int64_t seen = word_load(&self->word);
        if (word_replace(&self->word, seen, count * PERMITS_ONE | (seen & (PERMITS_CONTENDED | PERMITS_LOCK)))) {
            break;
        }
    }
    update(self);
    wake_first(self);
    waitqueue_unlock(&self->queue);
}
