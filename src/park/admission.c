/* See admission.h. */
#ifndef _GNU_SOURCE
#define _GNU_SOURCE /* sched_getcpu */
#endif
#include "admission.h"

#ifndef PARK_FREE_THREADED

#include <sched.h>
#include <stddef.h>

#include "cores.h"
#include "guard.h"
#include "spin.h"
#include "yield.h"

/* How many may be on their way: one that takes over, and one behind it. */
#define ON_THEIR_WAY_AT_MOST 2
/* Who waited longer for the interpreter, nanoseconds, had to take it from a thread that calculates. That happens every
 * few milliseconds only: all that want it had better be in line for it then. */
#define TAKEN_BY_FORCE 1000000
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

/* Changed by who has the interpreter only. */
static atomic_int on_their_way;
static waiter *first_put_off;
static waiter *last_put_off;
static bool ended;

/* Whether a thread has the interpreter that came for it after a wait, as far as is known: the interpreter changes hands
 * in other ways too. It is a hint, and never waited for without a limit. */
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

/* Counts the waiter as on its way: the caller unparks it. */
static waiter *
admit(waiter *w)
{
    w->admission = ADMISSION_ON_ITS_WAY;
    on_their_way++;
    return w;
}

static waiter *
admit_first(void)
{
    waiter *w = first_put_off;
    take_from_list(w);
    return admit(w);
}

void
admission_wake(waiter *w)
{
    if (w->admission == ADMISSION_HERE || ended) {
        parker_unpark(&w->parker);
    }
    else if (w->admission == ADMISSION_ASLEEP) {
        if (on_their_way == 0 || !parker_sleeps(&w->parker)) {
            parker_unpark(&admit(w)->parker);
        }
        else {
            put_off(w);
        }
    }
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
    return first_put_off != NULL && on_their_way < ON_THEIR_WAY_AT_MOST ? admit_first() : NULL;
}

waiter *
admission_sleep(waiter *w)
{
    if (w->restricted) {
        w->admission = ADMISSION_ASLEEP;
    }
    return admission_leave();
}

int
admission_on_their_way(void)
{
    return atomic_load_explicit(&on_their_way, memory_order_relaxed);
}

void
admission_let_go(waiter *next)
{
    atomic_store_explicit(&taken, false, memory_order_release);
    if (next != NULL) {
        parker_unpark(&next->parker);
    }
}

static bool
claim(void)
{
    bool seen = false;
    return !atomic_load_explicit(&taken, memory_order_relaxed) &&
           atomic_compare_exchange_strong_explicit(&taken, &seen, true, memory_order_acquire, memory_order_relaxed);
}

static bool
is_taken_on(int core)
{
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
    if (atomic_fetch_add_explicit(&admission_asking, 1, memory_order_relaxed) == 0) {
        atomic_store_explicit(&asking_since, now, memory_order_relaxed);
    }
    return now;
}

int64_t
admission_approach(void)
{
    int64_t now = park_now();
    if (claim()) {
        return ask(now);
    }
    int64_t nanoseconds = atomic_load_explicit(&look_for, memory_order_relaxed);
    if (nanoseconds < LOOK_TOO_LITTLE) {
        if (!spin_once_in(TRY_ONE_IN)) {
            return ask(now);
        }
        nanoseconds = LOOK_AT_MOST;
    }
    return ask(look_for_claim(now, nanoseconds));
}

void
admission_enter(int64_t waited)
{
    if (atomic_fetch_sub_explicit(&admission_asking, 1, memory_order_relaxed) > 1) {
        atomic_store_explicit(&asking_since, park_now(), memory_order_relaxed);
    }
    atomic_store_explicit(&taken, true, memory_order_relaxed);
    atomic_store_explicit(&taken_on, current_core(), memory_order_relaxed);
    while (first_put_off != NULL && (on_their_way == 0 || waited > TAKEN_BY_FORCE)) {
        parker_unpark(&admit_first()->parker);
    }
}

void
admission_arrive(waiter *w, int64_t waited)
{
    if (w->admission == ADMISSION_ON_ITS_WAY) {
        on_their_way--;
    }
    else if (w->admission == ADMISSION_PUT_OFF) {
        take_from_list(w);
    }
    w->admission = ADMISSION_HERE;
    admission_enter(waited);
}

bool
admission_is_due(void)
{
    if (ended || ++turns % TURNS_TO_A_LOOK != 0) {
        return false;
    }
    return park_now() - atomic_load_explicit(&asking_since, memory_order_relaxed) > ASKED_LONG;
}

void
admission_wait_for_taker(void)
{
    int64_t now = park_now();
    int64_t end = now + TAKEN_WITHIN;
    while (!atomic_load_explicit(&taken, memory_order_acquire) && now < end) {
        if (cores_count() < 2) {
            yield_core(now);
        }
        guard_pause();
        now = park_now();
    }
}

void
admission_give_up(waiter *w)
{
    if (w->admission == ADMISSION_ON_ITS_WAY) {
        on_their_way--;
    }
    w->admission = ADMISSION_HERE;
}

static void
forget_all(void)
{
    on_their_way = 0;
    admission_asking = 0;
    first_put_off = last_put_off = NULL;
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
