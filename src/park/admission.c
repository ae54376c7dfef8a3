/* See admission.h. */
#ifndef _GNU_SOURCE
#define _GNU_SOURCE /* sched_getcpu */
#endif
#include "admission.h"

#ifndef PARK_FREE_THREADED

#include <sched.h>
#include <stddef.h>

#include "cores.h"
#include "crowd.h"
#include "dice.h"
#include "guard.h"
#include "yield.h"

/* How many may be on their way: one that takes over, and one behind it. */
#define ON_THEIR_WAY_AT_MOST 2
/* Who waited longer for the interpreter, nanoseconds, while nobody else got it, had to take it from a thread that
 * calculates. That happens every few milliseconds only: those that want it had better be in line for it then. (Who waits
 * long in such a line has nobody stand behind it on that account.) */
#define TAKEN_BY_FORCE 1000000
/* How long it takes at most until one that is sent asks for the interpreter, nanoseconds, where the cores are there for
 * it: in a mean, of which each time is one in so many, and counts so much at most. Where something else keeps them busy a
 * few take milliseconds, and most come at once: these count less. */
#define COMES_WITHIN 100000
#define COMES_AT_MOST 4000000
#define SLOW_ONE_IN 16
#define QUICK_ONE_IN 64
/* If nobody has arrived for so long, nanoseconds, those on their way count no more. */
#define LOST_AFTER 10000000
/* How long to look for the interpreter to be let go, nanoseconds, and how much of that is left after each time that it
 * was in vain. Where little is left nobody looks, but for one in so many, to learn whether it pays again. */
#define LOOK_AT_MOST 16000
#define LOOK_TOO_LITTLE 200
#define TRY_ONE_IN 32
/* How long somebody has asked when whoever has the interpreter gives it up, nanoseconds; how long it takes at most for
 * that to be noticed; and how often it is asked for until the clock is. */
#define ASKED_LONG 1000000
#define TAKEN_WITHIN 200000
#define TURNS_TO_A_LOOK 16
/* How many looks there are to one look at the clock, which costs about as much. */
#define LOOKS 16

/* Used by who has the interpreter only, and so plain. */
static uint32_t sent;    /* the latest ticket */
static uint32_t arrived; /* the latest that has arrived, or is given up */
static int64_t moved;    /* when somebody was sent while nobody was on its way, or arrived; by the rough clock */
static int64_t entered;  /* when somebody last got the interpreter */
static waiter *watching; /* who sleeps no longer than LOST_AFTER; NULL: nobody */
static waiter *first_put_off;
static waiter *last_put_off;
static bool ended;

/* How long it takes until one that is sent asks for the interpreter: the mean, and the one that is looked at now. */
static _Atomic int64_t comes_within;
static uint32_t timed;
static int64_t timed_since;

/* Whether a thread has the interpreter that came for it after a wait, as far as is known: the interpreter changes hands
 * in other ways too. It is a hint, and never waited for without a limit; so is all that follows. What the threads tell
 * each other they guard by the interpreter itself: nothing is published by these. */
static atomic_bool taken;
static atomic_int taken_on; /* the core, or -1 */

atomic_int admission_asking;
/* Since when nobody of these has got it; and how often they have been looked at. */
static _Atomic int64_t asking_since;
static unsigned turns;

static _Atomic int32_t look_for = LOOK_AT_MOST;

static void
put_off(waiter *w)
{
    w->admission = ADMISSION_PUT_OFF;
    w->put_off_next = NULL;
    w->put_off_previous = last_put_off;
    if (last_put_off == NULL) {
        first_put_off = w;
    }
    else {
        last_put_off->put_off_next = w;
    }
    last_put_off = w;
}

static void
take_from_list(waiter *w)
{
    if (w->put_off_previous == NULL) {
        first_put_off = w->put_off_next;
    }
    else {
        w->put_off_previous->put_off_next = w->put_off_next;
    }
    if (w->put_off_next == NULL) {
        last_put_off = w->put_off_previous;
    }
    else {
        w->put_off_next->put_off_previous = w->put_off_previous;
    }
}

int
admission_on_their_way(void)
{
    return (int)(sent - arrived);
}

/* Changes how many are on their way. */
static void
count_ticket(uint32_t *which, uint32_t ticket)
{
    *which = ticket;
    crowd_set_on_its_way(admission_on_their_way());
}

/* Counts the waiter as on its way: the caller unparks it. */
static waiter *
admit(waiter *w)
{
    if (sent == arrived) {
        moved = park_now_roughly();
    }
    w->admission = ADMISSION_ON_ITS_WAY;
    w->ticket = sent + 1;
    count_ticket(&sent, w->ticket);
    return w;
}

/* Those on their way: but if nobody has arrived for long, they are forgotten. They may come, and are welcome. */
static int
still_on_their_way(void)
{
    if (sent != arrived && park_now_roughly() - moved > LOST_AFTER) {
        count_ticket(&arrived, sent);
    }
    return admission_on_their_way();
}

/* Measures how long it takes until the latest that was sent is there. */
static void
time_latest(int64_t now)
{
    timed = sent;
    timed_since = now;
}

static void
note_time(uint32_t ticket, int64_t asked)
{
    if (ticket == timed && timed_since != 0) {
        int64_t took = asked - timed_since;
        took = took < COMES_AT_MOST ? took : COMES_AT_MOST;
        /* Relaxed: a measure, written by who has the interpreter only. */
        int64_t mean = atomic_load_explicit(&comes_within, memory_order_relaxed);
        mean += (took - mean) / (took > mean ? SLOW_ONE_IN : QUICK_ONE_IN);
        atomic_store_explicit(&comes_within, mean, memory_order_relaxed);
        timed_since = 0;
    }
}

bool
admission_is_slow(void)
{
    return atomic_load_explicit(&comes_within, memory_order_relaxed) > COMES_WITHIN; /* a measure */
}

static waiter *
admit_first(void)
{
    waiter *w = first_put_off;
    take_from_list(w);
    return admit(w);
}

bool
admission_lets_come(waiter *w)
{
    if (w->admission == ADMISSION_HERE || ended) {
        return true;
    }
    if (w->admission != ADMISSION_ASLEEP) {
        return false;
    }
    int others = still_on_their_way();
    if (others == 0 || !parker_sleeps(&w->parker)) {
        admit(w);
        return true;
    }
    if (others == 1 && first_put_off == NULL) {
        time_latest(park_now());
    }
    if (admission_is_slow() && others < ADMISSION_IN_LINE) {
        admit(w);
        return true;
    }
    put_off(w);
    return false;
}

static int
current_core(void)
{
#ifdef __linux__
    return sched_getcpu();
#else
    return -1;
#endif
}

waiter *
admission_leave(void)
{
    return first_put_off != NULL && still_on_their_way() < ON_THEIR_WAY_AT_MOST ? admit_first() : NULL;
}

waiter *
admission_sleep(waiter *w)
{
    if (w->restricted) {
        w->admission = ADMISSION_ASLEEP;
    }
    return admission_leave();
}

int64_t
admission_watch(waiter *w, int64_t deadline)
{
    if (first_put_off == NULL || watching != NULL) {
        return deadline;
    }
    watching = w;
    int64_t end = park_later(park_now(), LOST_AFTER);
    return end < deadline ? end : deadline;
}

void
admission_let_go(waiter *next)
{
    delay();
    atomic_store_explicit(&taken, false, memory_order_release);
    delay();
    if (next != NULL) {
        parker_unpark(&next->parker);
    }
}

static bool
claim(void)
{
    bool seen = false;
    /* Relaxed: a look, before the exchange that decides. */
    return !atomic_load_explicit(&taken, memory_order_relaxed) &&
           atomic_compare_exchange_strong_explicit(&taken, &seen, true, memory_order_acquire, memory_order_relaxed);
}

static bool
is_taken_on(int core)
{
    /* Relaxed: a hint. */
    return core >= 0 && core == atomic_load_explicit(&taken_on, memory_order_relaxed);
}

static bool
claim_soon(void)
{
    for (int looks = 0; looks < LOOKS; looks++) {
        if (claim()) {
            return true;
        }
        guard_pause();
    }
    return false;
}

/* Looks for so long, from `began` on. Returns the time then. */
static int64_t
look_for_claim(int64_t began, int64_t nanoseconds)
{
    int64_t now = began;
    for (;;) {
        if (is_taken_on(current_core())) {
            /* Who has the interpreter cannot run before this thread lets it. */
            now = yield_core(now);
        }
        /* Relaxed, all of look_for: a measure, in which the latest of several counts. */
        if (claim_soon()) {
            atomic_store_explicit(&look_for, LOOK_AT_MOST, memory_order_relaxed);
            return now;
        }
        now = park_now();
        if (now - began >= nanoseconds) {
            atomic_store_explicit(&look_for, (int32_t)(nanoseconds - nanoseconds / 4), memory_order_relaxed);
            return now;
        }
    }
}

/* Also who has claimed the interpreter asks: it may have been taken in another way. Returns the time, as it is. */
static int64_t
ask(int64_t now)
{
    /* Relaxed: a count, and a time near enough to it. */
    if (atomic_fetch_add_explicit(&admission_asking, 1, memory_order_relaxed) == 0) {
        atomic_store_explicit(&asking_since, now, memory_order_relaxed);
    }
    return now;
}

int64_t
admission_approach(void)
{
    int64_t now = park_now();
    if (claim() || (admission_is_slow() && crowd_is_behind())) {
        return ask(now);
    }
    int64_t nanoseconds = atomic_load_explicit(&look_for, memory_order_relaxed); /* a measure */
    if (nanoseconds < LOOK_TOO_LITTLE) {
        if (!dice_once_in(TRY_ONE_IN)) {
            return ask(now);
        }
        nanoseconds = LOOK_AT_MOST;
    }
    return ask(look_for_claim(now, nanoseconds));
}

void
admission_enter(int64_t asked, int64_t now)
{
    /* Relaxed: hints, as above; what the others did before they let go, the interpreter's own lock has shown. */
    if (atomic_fetch_sub_explicit(&admission_asking, 1, memory_order_relaxed) > 1) {
        atomic_store_explicit(&asking_since, now, memory_order_relaxed);
    }
    atomic_store_explicit(&taken, true, memory_order_relaxed);
    atomic_store_explicit(&taken_on, current_core(), memory_order_relaxed);
    bool all = (now - asked > TAKEN_BY_FORCE && entered < asked) || (admission_is_slow() && still_on_their_way() == 0);
    int at_most = all ? ADMISSION_IN_LINE : 1;
    entered = now;
    while (first_put_off != NULL && still_on_their_way() < at_most) {
        waiter *next = admit_first();
        if (admission_on_their_way() == 1) {
            time_latest(now);
        }
        parker_unpark(&next->parker);
    }
}

/* One that was on its way is there, and with it all who were sent before it, as far as they count. */
static void
arrive_with(uint32_t ticket, int64_t now)
{
    moved = now;
    if ((int32_t)(ticket - arrived) > 0) {
        count_ticket(&arrived, ticket);
    }
}

void
admission_arrive(waiter *w, int64_t asked, int64_t now)
{
    if (w->admission == ADMISSION_ON_ITS_WAY) {
        arrive_with(w->ticket, now);
        note_time(w->ticket, asked);
    }
    else if (w->admission == ADMISSION_PUT_OFF) {
        take_from_list(w);
    }
    if (w->admission != ADMISSION_HERE) {
        /* Only then: whoever grants one that is not restricted may be looking at it without the interpreter. */
        w->admission = ADMISSION_HERE;
    }
    if (watching == w) {
        watching = NULL;
    }
    admission_enter(asked, now);
}

bool
admission_is_due(void)
{
    if (ended || ++turns % TURNS_TO_A_LOOK != 0) {
        return false;
    }
    /* Relaxed: a time near enough. */
    return park_now() - atomic_load_explicit(&asking_since, memory_order_relaxed) > ASKED_LONG;
}

void
admission_wait_for_taker(void)
{
    int64_t now = park_now();
    int64_t end = park_later(now, TAKEN_WITHIN);
    while (!atomic_load_explicit(&taken, memory_order_acquire) && now < end) {
        if (cores_count() < 2) {
            yield_core(now);
        }
        guard_pause();
        now = park_now();
    }
}

static void
forget_all(void)
{
    count_ticket(&arrived, sent);
    admission_asking = 0;
    first_put_off = last_put_off = watching = NULL;
}

void
admission_end(void)
{
    ended = true;
    while (first_put_off != NULL) {
        parker_unpark(&admit_first()->parker);
    }
}

void
admission_begin(void)
{
    if (ended) {
        forget_all();
        ended = false;
    }
}

void
admission_after_fork(void)
{
    /* The other threads' waiters are never seen again, and the caller's own are not waiting: it runs. */
    for (waiter *w = waiter_innermost(); w != NULL; w = w->outer) {
        w->admission = ADMISSION_HERE;
    }
    forget_all();
}

#endif
