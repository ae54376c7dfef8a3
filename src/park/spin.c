/* See spin.h. */
#include "spin.h"

#include <stddef.h>

#include "cores.h"
#include "crowd.h"
#include "dice.h"
#include "guard.h"
#include "yield.h"

/* All times are in nanoseconds. */

/* Looking longer than sleeping would take cannot pay, and not longer than waking a core takes, at worst. */
#define LOOK_AT_MOST 50000
/* Looking for less is cheap: it need not save as much. */
#define LOOK_LITTLE 30000
/* What a wait counts at most: one that lasts longer says nothing about waking. */
#define COUNT_AT_MOST 1000000
/* The weight of the latest wait in a mean: one in so many. */
#define MEAN_OF 8
/* One wait in so many goes the way that looks dearer; where it has been more than twice as dear, one in so many. */
#define TRY_ONE_IN 64
#define TRY_SELDOM_ONE_IN 512
/* At first one in so many, in half as many after each such wait: what the first waits took, while threads were still
 * being started, says little. */
#define TRY_FIRST_ONE_IN 8
#define TRY_FIRST_TIMES 6
/* How many looks there are to one look at the clock, which costs about as much. */
#define LOOKS 16
/* How often to let others have the core, where there is only one. */
#define YIELDS 3

#define RECORD_BITS 10

/* What is known about one place, or a few that share the record: it need not be exact. Relaxed throughout: each is a
 * measure by itself, and of two that are written at once one is lost. */
struct spin_record {
    _Atomic uint32_t mean[2]; /* by spin_way; 0: not known */
    atomic_bool promising;    /* the way that was dearer has just been the cheaper: to be tried again */
    atomic_uchar tried;       /* how often it has been, up to TRY_FIRST_TIMES */
};

static spin_record records[1 << RECORD_BITS];

static spin_record *
record_of(const void *place)
{
    /* Fibonacci hashing: the low bits of an address tell little, and the product has the best in its high ones. */
    return &records[(uint64_t)(uintptr_t)place * UINT64_C(0x9E3779B97F4A7C15) >> (64 - RECORD_BITS)];
}

static int64_t
running_mean(int64_t mean, int64_t latest)
{
    return mean + (latest - mean) / MEAN_OF;
}

/* A core is busy as long as a thread looks. This pays where looking takes less than what it saves, so that it costs at
 * most twice the time that anybody could have done with. */
static bool
looking_pays(int64_t look, int64_t sleep)
{
    return look < sleep / 2 || (look < LOOK_LITTLE && look < sleep - sleep / 4);
}

/* Whether to go the way that looks dearer, to learn. */
static bool
is_to_be_tried(spin_record *known, uint32_t low, uint32_t high)
{
    int tried = atomic_load_explicit(&known->tried, memory_order_relaxed);
    int one_in = high / 2 > low ? TRY_SELDOM_ONE_IN : TRY_ONE_IN;
    int at_first = TRY_FIRST_ONE_IN << tried;
    if (!dice_once_in(one_in < at_first ? one_in : at_first)) {
        return false;
    }
    if (tried < TRY_FIRST_TIMES) {
        atomic_store_explicit(&known->tried, tried + 1, memory_order_relaxed);
    }
    cores_forget();
    return true;
}

static spin_way
choose(spin_record *known)
{
    uint32_t sleep = atomic_load_explicit(&known->mean[SPIN_SLEEP], memory_order_relaxed);
    uint32_t look = atomic_load_explicit(&known->mean[SPIN_LOOK], memory_order_relaxed);
    if (look == 0 || sleep == 0) {
        return look == 0 ? SPIN_LOOK : SPIN_SLEEP;
    }
    spin_way cheaper = looking_pays(look, sleep) ? SPIN_LOOK : SPIN_SLEEP;
    spin_way dearer = cheaper == SPIN_LOOK ? SPIN_SLEEP : SPIN_LOOK;
    if (atomic_load_explicit(&known->promising, memory_order_relaxed)) {
        return dearer;
    }
    uint32_t low = cheaper == SPIN_LOOK ? look : sleep;
    uint32_t high = cheaper == SPIN_LOOK ? sleep : look;
    return is_to_be_tried(known, low, high) ? dearer : cheaper;
}

/* For how long. What sleeping takes is 0 as long as nobody has slept there. */
static int64_t
look_for(spin_record *known)
{
    uint32_t sleep = atomic_load_explicit(&known->mean[SPIN_SLEEP], memory_order_relaxed);
    return sleep != 0 && sleep < LOOK_AT_MOST ? sleep : LOOK_AT_MOST;
}

/* Looks for a token until `end`. Returns whether there is one. */
static bool
look(parker *parker, int64_t now, int64_t end)
{
    do {
        for (int looks = 0; looks < LOOKS; looks++) {
            if (parker_has_token(parker)) {
                return true;
            }
            guard_pause();
        }
        now = park_now();
        if (crowd_wants_a_core()) {
            now = yield_core(now);
        }
    } while (now < end && !crowd_is_large());
    return false;
}

/* On one core, nobody can leave a token as long as this thread keeps it: lets others have it, a few times. Returns whether
 * there is a token. */
static bool
look_between_yields(parker *parker, int64_t now)
{
    for (int yields = 0; yields < YIELDS; yields++) {
        now = yield_core(now);
        if (parker_has_token(parker)) {
            return true;
        }
    }
    return false;
}

/* Where nothing is known yet, many may come before anybody's wait is over: they need not all look. */
static void
note_in_vain(spin_record *known)
{
    uint32_t unknown = 0;
    atomic_compare_exchange_strong_explicit(&known->mean[SPIN_LOOK], &unknown, LOOK_AT_MOST, memory_order_relaxed,
                                            memory_order_relaxed);
}

void
spin_begin(spin *self, const void *place, parker *parker, int64_t now, int64_t deadline)
{
    spin_record *known = record_of(place);
    self->known = known;
    self->way = SPIN_SLEEP;
    self->found = false;
    self->began = now;
    if (choose(known) == SPIN_SLEEP) {
        return;
    }
    if (crowd_begin_to_look() < crowd_at_most()) {
        int64_t end = park_later(now, look_for(known));
        self->way = SPIN_LOOK;
        self->found =
            cores_count() < 2 ? look_between_yields(parker, now) : look(parker, now, end < deadline ? end : deadline);
        if (!self->found) {
            note_in_vain(known);
            park_has_looked();
        }
    }
    crowd_end_to_look();
}

void
spin_end(spin *self, park_result result, int64_t now)
{
    spin_record *known = self->known;
    int64_t took = now - self->began;
    if (result == PARK_TIMED_OUT) {
        if (self->way == SPIN_SLEEP) {
            return;
        }
        took = COUNT_AT_MOST;
    }
    if (took > COUNT_AT_MOST) {
        took = COUNT_AT_MOST;
    }
    int64_t mean = atomic_load_explicit(&known->mean[self->way], memory_order_relaxed);
    int64_t other =
        atomic_load_explicit(&known->mean[self->way == SPIN_LOOK ? SPIN_SLEEP : SPIN_LOOK], memory_order_relaxed);
    bool promising = self->way == SPIN_LOOK ? !looking_pays(mean, other) && looking_pays(took, other)
                                            : looking_pays(other, mean) && !looking_pays(other, took);
    if (atomic_load_explicit(&known->promising, memory_order_relaxed) != promising) {
        atomic_store_explicit(&known->promising, promising, memory_order_relaxed);
    }
    mean = mean == 0 ? took : running_mean(mean, took);
    atomic_store_explicit(&known->mean[self->way], mean > 0 ? (uint32_t)mean : 1, memory_order_relaxed);
}
