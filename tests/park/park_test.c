/* Exercises the parking layer (src/park) without Python: tokens, deadlines, signals, queues, forks.
 *
 * park_test NAME runs one scenario and exits with 0, or says what went wrong and aborts; test_park.py builds it for each
 * backend and each sanitizer and runs all that begin with SCENARIO. It is compiled as for a free-threaded interpreter, so
 * that the guard is a lock; once more as with a GIL, for those whose name says so. The one idea: nothing sleeps for ever. A wait for another thread has a deadline so far away
 * that passing it means a lost wake, whatever the machine does meanwhile. */
#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif
#include <dlfcn.h>
#include <errno.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#ifdef __linux__
#include <sys/syscall.h>
#endif
#include <sys/types.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "park/admission.h"
#include "park/cores.h"
#include "park/crowd.h"
#include "park/fork.h"
#include "park/spin.h"
#include "park/waitqueue.h"
#include "park/yield.h"

#define SCENARIO(name) static void name(void)

#define MILLISECOND ((int64_t)1000000)
#define SECOND (1000 * MILLISECOND)
/* Long enough that only a lost wake explains it. */
#define LOST_AFTER (30 * SECOND)
/* How long a scenario goes on that counts as many rounds as it can. */
#define STRESS_TIME (300 * MILLISECOND)

#define CHECK(condition, ...)                                                         \
    do {                                                                              \
        if (!(condition)) {                                                           \
            fprintf(stderr, "%s:%d: not true: %s: ", __FILE__, __LINE__, #condition); \
            fprintf(stderr, __VA_ARGS__);                                             \
            fprintf(stderr, "\n");                                                    \
            abort();                                                                  \
        }                                                                             \
    } while (0)

static int64_t
lost_deadline(void)
{
    return park_now() + LOST_AFTER;
}

static pthread_t
start(void *(*run)(void *), void *argument)
{
    pthread_t thread;
    int error = pthread_create(&thread, NULL, run, argument);
    CHECK(error == 0, "pthread_create: %s", strerror(error));
    return thread;
}

static void
join(pthread_t thread)
{
    int error = pthread_join(thread, NULL);
    CHECK(error == 0, "pthread_join: %s", strerror(error));
}

static void
make_parker(parker *self)
{
    int error = parker_init(self);
    CHECK(error == 0, "parker_init: %s", strerror(error));
}

/* xorshift: the scenarios are the same in every run as far as the scheduler lets them. */
static uint32_t
random_below(uint32_t *seed, uint32_t limit)
{
    *seed ^= *seed << 13;
    *seed ^= *seed >> 17;
    *seed ^= *seed << 5;
    return *seed % limit;
}

static void
spend(uint32_t pauses)
{
    for (uint32_t i = 0; i < pauses; i++) {
        guard_pause();
    }
}

static void
sleep_for(int64_t nanoseconds)
{
    struct timespec left = {(time_t)(nanoseconds / SECOND), (long)(nanoseconds % SECOND)};
    while (nanosleep(&left, &left) != 0 && errno == EINTR) {
    }
}

/* Parks until the value is not `old`. */
static void
park_while(parker *self, _Atomic uint32_t *value, uint32_t old)
{
    int64_t deadline = lost_deadline();
    while (atomic_load(value) == old) {
        park_result result = parker_park(self, deadline);
        CHECK(result != PARK_TIMED_OUT || atomic_load(value) != old, "a wake was lost");
    }
}

/* Tokens. */

SCENARIO(token_before_park_is_kept)
{
    parker p;
    make_parker(&p);
    CHECK(!parker_has_token(&p), "a new one has a token");
    parker_unpark(&p);
    CHECK(parker_has_token(&p), "the token is not seen");
    CHECK(parker_park(&p, PARK_FOREVER) == PARK_UNPARKED, "the token was not there");
    CHECK(!parker_has_token(&p), "the token was not taken");
}

SCENARIO(two_tokens_count_once)
{
    parker p;
    make_parker(&p);
    parker_unpark(&p);
    parker_unpark(&p);
    CHECK(parker_park(&p, PARK_FOREVER) == PARK_UNPARKED, "the token was not there");
    CHECK(parker_park(&p, 0) == PARK_TIMED_OUT, "there was another token");
}

SCENARIO(reset_throws_the_token_away)
{
    parker p;
    make_parker(&p);
    parker_unpark(&p);
    parker_reset(&p);
    CHECK(parker_park(&p, 0) == PARK_TIMED_OUT, "the token is still there");
    parker_reset(&p);
    parker_unpark(&p);
    CHECK(parker_park(&p, 0) == PARK_UNPARKED, "the token after a reset was not kept");
}

SCENARIO(token_is_taken_even_after_the_deadline)
{
    parker p;
    make_parker(&p);
    parker_unpark(&p);
    CHECK(parker_park(&p, 1) == PARK_UNPARKED, "the token was not taken");
    CHECK(parker_park(&p, 1) == PARK_TIMED_OUT, "the token was not used up");
}

/* Two threads in turn. */

typedef struct {
    parker parkers[2];
    _Atomic uint32_t turn;
    _Atomic bool stop;
} table_tennis;

static void *
play_second(void *argument)
{
    table_tennis *game = argument;
    for (uint32_t round = 0;; round++) {
        park_while(&game->parkers[1], &game->turn, 2 * round);
        if (atomic_load(&game->stop)) {
            return NULL;
        }
        atomic_store(&game->turn, 2 * round + 2);
        parker_unpark(&game->parkers[0]);
    }
}

SCENARIO(ping_pong_loses_no_wake)
{
    table_tennis game = {.turn = 0};
    make_parker(&game.parkers[0]);
    make_parker(&game.parkers[1]);
    pthread_t second = start(play_second, &game);
    int64_t end = park_now() + STRESS_TIME;
    for (uint32_t round = 0;; round++) {
        bool stop = round == 1000000 || park_now() >= end;
        atomic_store(&game.stop, stop);
        atomic_store(&game.turn, 2 * round + 1);
        parker_unpark(&game.parkers[1]);
        if (stop) {
            break;
        }
        park_while(&game.parkers[0], &game.turn, 2 * round + 1);
    }
    join(second);
}

/* Looking before sleeping. */

/* Parks once, at `place`. Returns the way that the wait went. */
static spin_way
park_at(const void *place, parker *parker, int64_t deadline, park_result *result)
{
    spin attempt;
    spin_begin(&attempt, place, parker, park_now(), deadline);
    *result = parker_park(parker, deadline);
    CHECK(!attempt.found || *result == PARK_UNPARKED, "found a token that is not there: %d", *result);
    spin_end(&attempt, *result, park_now());
    return attempt.way;
}

static void
look_while(parker *parker, _Atomic uint32_t *value, uint32_t seen)
{
    int64_t deadline = lost_deadline();
    while (atomic_load(value) == seen) {
        park_result result;
        park_at(value, parker, deadline, &result);
        CHECK(result != PARK_TIMED_OUT, "lost the wake after %u", seen);
    }
}

static void *
look_second(void *argument)
{
    table_tennis *game = argument;
    for (uint32_t round = 0;; round++) {
        look_while(&game->parkers[1], &game->turn, 2 * round);
        if (atomic_load(&game->stop)) {
            return NULL;
        }
        atomic_store(&game->turn, 2 * round + 2);
        parker_unpark(&game->parkers[0]);
    }
}

SCENARIO(looking_loses_no_wake)
{
    table_tennis game = {.turn = 0};
    make_parker(&game.parkers[0]);
    make_parker(&game.parkers[1]);
    pthread_t second = start(look_second, &game);
    int64_t end = park_now() + STRESS_TIME;
    for (uint32_t round = 0;; round++) {
        bool stop = round == 1000000 || park_now() >= end;
        atomic_store(&game.stop, stop);
        atomic_store(&game.turn, 2 * round + 1);
        parker_unpark(&game.parkers[1]);
        if (stop) {
            break;
        }
        look_while(&game.parkers[0], &game.turn, 2 * round + 1);
    }
    join(second);
}

SCENARIO(looking_finds_a_token_at_once)
{
    parker parker;
    make_parker(&parker);
    for (int i = 0; i < 1000; i++) {
        park_result result;
        parker_unpark(&parker);
        park_at(&parker, &parker, lost_deadline(), &result);
        CHECK(result == PARK_UNPARKED, "wait %d: %d", i, result);
        CHECK(!parker_has_token(&parker), "wait %d left the token", i);
    }
}

SCENARIO(looking_keeps_the_deadline)
{
    parker parker;
    make_parker(&parker);
    for (int i = 0; i < 200; i++) {
        park_result result;
        int64_t deadline = park_now() + i * 1000;
        do {
            park_at(&parker, &parker, deadline, &result);
        } while (result != PARK_TIMED_OUT);
        CHECK(park_now() >= deadline, "wait %d: %lld ns early", i, (long long)(deadline - park_now()));
    }
}

/* Where every wait is longer than looking lasts, few look: one in 64, and the first ones. */
SCENARIO(long_waits_hardly_look)
{
    parker parker;
    make_parker(&parker);
    int looked = 0;
    for (int i = 0; i < 400; i++) {
        park_result result;
        int64_t deadline = park_now() + 2 * MILLISECOND;
        do {
            looked += park_at(&parker, &parker, deadline, &result) == SPIN_LOOK;
        } while (result != PARK_TIMED_OUT);
    }
    CHECK(looked < 80, "%d of 400 waits looked", looked);
}

/* A wait that nobody ends before its time is up gains nothing by looking, however short it is. */
SCENARIO(polling_hardly_looks)
{
    parker parker;
    make_parker(&parker);
    int looked = 0;
    for (int i = 0; i < 2000; i++) {
        park_result result;
        int64_t deadline = park_now() + 20000;
        do {
            looked += park_at(&parker, &parker, deadline, &result) == SPIN_LOOK;
        } while (result != PARK_TIMED_OUT);
    }
    CHECK(looked < 200, "%d of 2000 waits looked", looked);
}

/* Begins a wait at the parker, which has a token meanwhile. */
static spin
begin_with_a_token(parker *parker)
{
    spin attempt;
    parker_unpark(parker);
    spin_begin(&attempt, parker, parker, park_now(), lost_deadline());
    parker_reset(parker);
    return attempt;
}

/* Notes a wait at the parker that has taken so long. */
static void
note_wait(parker *parker, spin_way way, int64_t took)
{
    spin past = begin_with_a_token(parker);
    past.way = way;
    past.began = park_now() - took;
    spin_end(&past, PARK_UNPARKED, park_now());
}

/* Where looking takes longer than what it saves, few look, though each wait would end somewhat earlier. */
SCENARIO(looking_that_costs_more_than_it_saves_is_rare)
{
    parker parker;
    make_parker(&parker);
    for (int i = 0; i < 20; i++) {
        note_wait(&parker, SPIN_SLEEP, 400000);
        note_wait(&parker, SPIN_LOOK, 300000);
    }
    int looked = 0;
    for (int i = 0; i < 1000; i++) {
        looked += begin_with_a_token(&parker).way == SPIN_LOOK;
    }
    CHECK(looked < 100, "%d of 1000 waits looked", looked);
}

/* A wait that ends soon if it looks, and takes longer if it sleeps. Returns whether it looked. */
static bool
wait_shortly(parker *parker)
{
    spin attempt = begin_with_a_token(parker);
    bool looked = attempt.way == SPIN_LOOK;
    attempt.began = park_now() - (looked ? 1000 : 15000);
    spin_end(&attempt, PARK_UNPARKED, park_now());
    return looked;
}

/* The first wait may be for a thread that is only being started. What that took is soon forgotten, at each of the places. */
SCENARIO(a_long_first_look_is_soon_forgotten)
{
    for (int place = 0; place < 20; place++) {
        static parker parkers[20];
        make_parker(&parkers[place]);
        note_wait(&parkers[place], SPIN_LOOK, 400000);
        note_wait(&parkers[place], SPIN_SLEEP, 15000);
        int looked = 0;
        for (int i = 0; i < 200; i++) {
            looked += wait_shortly(&parkers[place]) && i >= 150;
        }
        CHECK(looked > 30, "place %d: %d of 50 waits looked", place, looked);
    }
}

/* Where many come one after the other and nobody is woken yet, the first alone finds out that looking is in vain. */
SCENARIO(where_one_has_looked_in_vain_the_next_sleeps)
{
    parker parkers[2];
    spin attempts[2];
    for (int i = 0; i < 2; i++) {
        make_parker(&parkers[i]);
        spin_begin(&attempts[i], &parkers[0], &parkers[i], park_now(), lost_deadline());
    }
    CHECK(attempts[0].way == SPIN_LOOK && !attempts[0].found, "the first: %d", attempts[0].way);
    CHECK(attempts[1].way == SPIN_SLEEP, "the second looks, too");
}

/* Looks for a token that is there, beside so many others that look. */
static spin_way
look_beside(int others)
{
    parker parker;
    spin attempt;
    make_parker(&parker);
    parker_unpark(&parker);
    for (int i = 0; i < others; i++) {
        crowd_begin_to_look();
    }
    spin_begin(&attempt, &parker, &parker, park_now(), lost_deadline());
    for (int i = 0; i < others; i++) {
        crowd_end_to_look();
    }
    return attempt.way;
}

/* Those of a chain of threads that wait for their turn, of which one works: twice as many as there are cores, not more. */
SCENARIO(more_threads_look_than_there_are_cores)
{
    int count = cores_count();
    CHECK(look_beside(count) == SPIN_LOOK, "nobody looks beside as many as there are cores");
    CHECK(look_beside(2 * count) == SPIN_SLEEP, "too many look");
}

/* Not where another program takes the core when those that look let each other have it: such a yield takes long, and others
 * later do not. */
SCENARIO(fewer_look_where_others_take_the_core)
{
    int count = cores_count();
    if (count < 2) {
        return;
    }
    yield_core(park_now() - 10 * MILLISECOND);
    CHECK(look_beside(count) == SPIN_SLEEP, "too many look");
    CHECK(look_beside(count - 1) == SPIN_LOOK, "too few look");
    for (int i = 0; i < 1000; i++) {
        yield_core(park_now() + SECOND);
    }
    CHECK(look_beside(count) == SPIN_LOOK, "and still too few, long afterwards");
}

/* Who looks lets others have the core where those that look would have all of them, or somebody is on its way. */
SCENARIO(who_looks_gives_the_core_to_those_who_work)
{
    CHECK(!crowd_wants_a_core(), "nobody is there");
    crowd_set_on_its_way(1);
    CHECK(crowd_wants_a_core(), "one is on its way");
    crowd_set_on_its_way(0);
    for (int i = 1; i < cores_count(); i++) {
        crowd_begin_to_look();
        CHECK(!crowd_wants_a_core(), "there is a core left beside %d", i);
    }
    crowd_begin_to_look();
    CHECK(crowd_wants_a_core(), "all cores have somebody who looks");
    while (crowd_looking > 0) {
        crowd_end_to_look();
    }
}

static void
use_one_core(void)
{
#ifdef __linux__
    cpu_set_t allowed, one;
    CHECK(sched_getaffinity(0, sizeof(allowed), &allowed) == 0, "%s", strerror(errno));
    int core = 0;
    while (!CPU_ISSET(core, &allowed)) {
        core++;
    }
    CPU_ZERO(&one);
    CPU_SET(core, &one);
    CHECK(sched_setaffinity(0, sizeof(one), &one) == 0, "%s", strerror(errno));
#endif
}

/* On one core, the thread that looks keeps the other from giving it what it looks for. */
SCENARIO(on_one_core_looking_lets_the_other_thread_run)
{
    use_one_core();
    looking_loses_no_wake();
}

/* And where there is no other, it sleeps soon. */
SCENARIO(on_one_core_nobody_looks_for_long)
{
    use_one_core();
    parker parker;
    make_parker(&parker);
    struct timespec before, after;
    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &before);
    for (int i = 0; i < 50; i++) {
        park_result result;
        int64_t deadline = park_now() + 4 * MILLISECOND;
        do {
            park_at(&parker, &parker, deadline, &result);
        } while (result != PARK_TIMED_OUT);
    }
    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &after);
    int64_t spent = (after.tv_sec - before.tv_sec) * SECOND + after.tv_nsec - before.tv_nsec;
    CHECK(spent < 100 * MILLISECOND, "%lld ms of 200", (long long)(spent / MILLISECOND));
}

/* Cores. */

static char fake_root[] = "/tmp/park_test.XXXXXX";

/* Writes a file below the fake root, with the folders that lead there. */
static void
write_file(const char *path, const char *text)
{
    char whole[512];
    snprintf(whole, sizeof(whole), "%s%s", fake_root, path);
    for (char *slash = strchr(whole + 1, '/'); slash != NULL; slash = strchr(slash + 1, '/')) {
        *slash = '\0';
        CHECK(mkdir(whole, 0700) == 0 || errno == EEXIST, "%s: %s", whole, strerror(errno));
        *slash = '/';
    }
    FILE *file = fopen(whole, "w");
    CHECK(file != NULL, "%s: %s", whole, strerror(errno));
    fputs(text, file);
    fclose(file);
}

static void
check_cores(int wanted, const char *what)
{
    int count = cores_allowed_by_groups(fake_root);
#ifdef __linux__
    CHECK(count == wanted, "%s: %d, not %d", what, count, wanted);
#else
    CHECK(count == 0, "%s: %d where there are no groups", what, count);
    (void)wanted;
#endif
}

SCENARIO(cores_are_those_that_control_groups_allow)
{
    CHECK(mkdtemp(fake_root) != NULL, "%s", strerror(errno));
    check_cores(0, "no groups");
    write_file("/proc/self/cgroup", "0::/app/web\n");
    check_cores(0, "no limits");
    write_file("/sys/fs/cgroup/app/web/cpu.max", "max 100000\n");
    check_cores(0, "no limit");
    write_file("/sys/fs/cgroup/app/web/cpu.max", "350000 100000\n");
    check_cores(3, "three and a half");
    write_file("/sys/fs/cgroup/app/cpu.max", "200000 100000\n");
    check_cores(2, "a lower limit above it");
    write_file("/sys/fs/cgroup/cpu.max", "50000 100000\n");
    check_cores(1, "half a core, for the root of a container");
    write_file("/proc/self/cgroup", "9:name=systemd:/\n4:memory:/app\n1:cpuset:/other\n");
    check_cores(0, "other controllers");
    write_file("/proc/self/cgroup", "2:cpu,cpuacct:/app\n1:cpuset:/other\n");
    write_file("/sys/fs/cgroup/cpu/cpu.cfs_quota_us", "-1\n");
    write_file("/sys/fs/cgroup/cpu/cpu.cfs_period_us", "100000\n");
    check_cores(0, "version 1, no limit");
    write_file("/sys/fs/cgroup/cpu/app/cpu.cfs_quota_us", "400000\n");
    write_file("/sys/fs/cgroup/cpu/app/cpu.cfs_period_us", "100000\n");
    check_cores(4, "version 1");
    write_file("/sys/fs/cgroup/cpu/app/cpu.cfs_quota_us", "nonsense\n");
    check_cores(0, "nonsense");
}

SCENARIO(there_is_a_core)
{
    CHECK(cores_count() >= 1, "%d", cores_count());
    use_one_core();
    cores_forget();
#ifdef __linux__
    CHECK(cores_count() == 1, "%d", cores_count());
#endif
}

/* One thread parks whenever it has nothing to do; another gives it work, at all distances from the park. */

#define RACES 2000000

typedef struct {
    parker parker;
    int64_t give_for;
    _Atomic uint32_t given;
    _Atomic bool stop;
} work;

static void *
give_work(void *argument)
{
    work *self = argument;
    uint32_t seed = 1;
    int64_t end = park_now() + self->give_for;
    for (uint32_t i = 0; i < RACES && (i % 64 != 0 || park_now() < end); i++) {
        atomic_fetch_add(&self->given, 1);
        parker_unpark(&self->parker);
        if (i % 4 == 0) {
            spend(random_below(&seed, 100));
        }
    }
    atomic_store(&self->stop, true);
    parker_unpark(&self->parker);
    return NULL;
}

SCENARIO(unpark_racing_park_is_never_lost)
{
    work self = {.give_for = STRESS_TIME};
    make_parker(&self.parker);
    pthread_t giver = start(give_work, &self);
    uint32_t done = 0;
    int64_t deadline = lost_deadline();
    while (!atomic_load(&self.stop) || atomic_load(&self.given) != done) {
        if (atomic_load(&self.given) != done) {
            done++;
            continue;
        }
        if (atomic_load(&self.stop)) {
            break;
        }
        CHECK(parker_park(&self.parker, deadline) != PARK_TIMED_OUT || atomic_load(&self.given) != done ||
                  atomic_load(&self.stop),
              "a wake was lost");
    }
    join(giver);
    CHECK(atomic_load(&self.given) == done, "%u given, %u done", atomic_load(&self.given), done);
}

/* One unpark a round, about when the deadline passes: the token comes now or stays for later. */

typedef struct {
    parker parker;
    parker waker_parker;
    _Atomic uint32_t begun;
    _Atomic uint32_t unparked;
    _Atomic bool stop;
} deadline_race;

static void *
unpark_once_a_round(void *argument)
{
    deadline_race *race = argument;
    uint32_t seed = 7;
    for (uint32_t round = 0;; round++) {
        park_while(&race->waker_parker, &race->begun, round);
        if (atomic_load(&race->stop)) {
            return NULL;
        }
        spend(random_below(&seed, 2000));
        parker_unpark(&race->parker);
        atomic_store(&race->unparked, round + 1);
    }
}

SCENARIO(unpark_racing_the_deadline_is_kept)
{
    deadline_race race = {.begun = 0};
    make_parker(&race.parker);
    make_parker(&race.waker_parker);
    pthread_t waker = start(unpark_once_a_round, &race);
    uint32_t seed = 3;
    int64_t end = park_now() + STRESS_TIME;
    for (uint32_t round = 0; round < 200000 && park_now() < end; round++) {
        atomic_store(&race.begun, round + 1);
        parker_unpark(&race.waker_parker);
        park_result result = parker_park(&race.parker, park_now() + random_below(&seed, 60000));
        int64_t lost = lost_deadline();
        while (atomic_load(&race.unparked) == round) {
            CHECK(park_now() < lost, "the waker has stopped");
            sched_yield();
        }
        if (result != PARK_UNPARKED) {
            CHECK(parker_park(&race.parker, lost) == PARK_UNPARKED, "the token was lost to the deadline");
        }
    }
    atomic_store(&race.stop, true);
    atomic_fetch_add(&race.begun, 1);
    parker_unpark(&race.waker_parker);
    join(waker);
}

/* Deadlines. */

SCENARIO(clock_is_the_monotonic_one)
{
    for (int i = 0; i < 1000; i++) {
        struct timespec before, after;
        clock_gettime(CLOCK_MONOTONIC, &before);
        int64_t now = park_now();
        clock_gettime(CLOCK_MONOTONIC, &after);
        CHECK(now >= before.tv_sec * SECOND + before.tv_nsec, "it is behind");
        CHECK(now <= after.tv_sec * SECOND + after.tv_nsec, "it is ahead");
    }
}

/* Parks until it times out. Returns when that was. */
static int64_t
park_out(parker *self, int64_t deadline)
{
    while (parker_park(self, deadline) != PARK_TIMED_OUT) {
    }
    return park_now();
}

SCENARIO(timeout_is_never_early)
{
    static const int64_t waits[] = {1, 1000, 50000, 999999, 1000000, 1000001, 9999999, 25 * MILLISECOND};
    parker p;
    make_parker(&p);
    for (int i = 0; i < 200; i++) {
        int64_t wait = waits[i % 7];
        int64_t deadline = park_now() + wait;
        int64_t end = park_out(&p, deadline);
        CHECK(end >= deadline, "%lld ns early", (long long)(deadline - end));
    }
    for (int i = 0; i < 3; i++) {
        int64_t deadline = park_now() + waits[7];
        int64_t end = park_out(&p, deadline);
        CHECK(end >= deadline, "%lld ns early", (long long)(deadline - end));
    }
}

SCENARIO(past_deadline_returns_at_once)
{
    parker p;
    make_parker(&p);
    CHECK(parker_park(&p, 0) == PARK_TIMED_OUT, "0");
    CHECK(parker_park(&p, 1) == PARK_TIMED_OUT, "1");
    CHECK(parker_park(&p, park_now()) == PARK_TIMED_OUT, "now");
    CHECK(parker_park(&p, park_now() - SECOND) == PARK_TIMED_OUT, "a second ago");
}

SCENARIO(far_deadline_is_no_error)
{
    static const int64_t deadlines[] = {PARK_FOREVER - 1, PARK_FOREVER / 2, PARK_FOREVER};
    for (int i = 0; i < 3; i++) {
        work self = {.give_for = MILLISECOND};
        make_parker(&self.parker);
        pthread_t giver = start(give_work, &self);
        while (!atomic_load(&self.stop)) {
            CHECK(parker_park(&self.parker, deadlines[i]) != PARK_TIMED_OUT, "timed out");
        }
        join(giver);
    }
}

static void *
unpark_all_the_time(void *argument)
{
    work *self = argument;
    while (!atomic_load(&self->stop)) {
        parker_unpark(&self->parker);
        sleep_for(MILLISECOND);
    }
    return NULL;
}

/* A system that lets nobody sleep. */

#ifdef PARK_BACKEND_FUTEX

static _Atomic bool refuses;
static _Atomic int refused;

static long (*real_syscall)(long, ...);

/* Before there is a second thread. */
__attribute__((constructor)) static void
find_real_syscall(void)
{
    real_syscall = (long (*)(long, ...))dlsym(RTLD_NEXT, "syscall");
}

/* In the place of the C library's, for the parking layer and this program. */
long
syscall(long number, ...)
{
    long arguments[6];
    va_list list;
    va_start(list, number);
    for (int i = 0; i < 6; i++) {
        arguments[i] = va_arg(list, long);
    }
    va_end(list);
    if (atomic_load(&refuses) && number == SYS_futex) {
        atomic_fetch_add(&refused, 1);
        errno = ENOSYS;
        return -1;
    }
    return real_syscall(number, arguments[0], arguments[1], arguments[2], arguments[3], arguments[4], arguments[5]);
}

#endif

SCENARIO(a_system_that_refuses_to_sleep_costs_little_and_keeps_deadlines)
{
#ifdef PARK_BACKEND_FUTEX
    parker parker;
    CHECK(parker_init(&parker) == 0, "parker_init");
    atomic_store(&refuses, true);
    int64_t began = park_now();
    int64_t deadline = began + 50 * MILLISECOND;
    park_result result;
    while ((result = parker_park(&parker, deadline)) == PARK_INTERRUPTED) {
    }
    CHECK(result == PARK_TIMED_OUT && park_now() >= deadline, "ended with %d", result);
    CHECK(atomic_load(&refused) > 0 && atomic_load(&refused) < 100, "asked %d times", atomic_load(&refused));
    parker_unpark(&parker);
    CHECK(parker_park(&parker, PARK_FOREVER) == PARK_UNPARKED, "no token");
    CHECK(parker_park(&parker, park_now() - 1) == PARK_TIMED_OUT, "a deadline that has passed");
    atomic_store(&refuses, false);
#endif
}

/* The system takes no such time. */
SCENARIO(a_deadline_before_the_clock_began_has_passed)
{
    parker parker;
    CHECK(parker_init(&parker) == 0, "parker_init");
    CHECK(parker_park(&parker, -5) == PARK_TIMED_OUT, "it has not passed");
    parker_unpark(&parker);
    CHECK(parker_park(&parker, -5) == PARK_UNPARKED, "no token");
}

SCENARIO(later_than_ever_is_never)
{
    CHECK(park_later(5, 6) == 11 && park_later(0, 0) == 0, "a sum");
    CHECK(park_later(1, PARK_FOREVER) == PARK_FOREVER && park_later(PARK_FOREVER, 1) == PARK_FOREVER, "an overflow");
    CHECK(park_later(1, PARK_FOREVER - 1) == PARK_FOREVER && park_later(0, PARK_FOREVER - 1) < PARK_FOREVER,
          "the edge");
}

SCENARIO(wakes_do_not_put_the_deadline_off)
{
    work self = {.given = 0};
    make_parker(&self.parker);
    pthread_t pest = start(unpark_all_the_time, &self);
    int64_t deadline = park_now() + 100 * MILLISECOND;
    int64_t end = park_out(&self.parker, deadline);
    CHECK(end >= deadline, "early");
    CHECK(end < deadline + LOST_AFTER, "the deadline was put off");
    atomic_store(&self.stop, true);
    join(pest);
}

/* Signals. */

static _Atomic int signals_handled;

static void
handle_signal(int number)
{
    (void)number;
    atomic_fetch_add(&signals_handled, 1);
}

/* As Python installs its handlers: without SA_RESTART. */
static void
install_handler(void)
{
    struct sigaction action;
    memset(&action, 0, sizeof(action));
    action.sa_handler = handle_signal;
    sigemptyset(&action.sa_mask);
    CHECK(sigaction(SIGUSR1, &action, NULL) == 0, "sigaction");
}

typedef struct {
    parker parker;
    pthread_t thread;
    _Atomic int64_t sent_at;
    _Atomic bool returned;
    park_result result;
    int64_t returned_at;
} interrupted_wait;

static void *
park_to_be_interrupted(void *argument)
{
    interrupted_wait *self = argument;
    do {
        self->result = parker_park(&self->parker, lost_deadline());
    } while (self->result == PARK_UNPARKED || (self->result == PARK_INTERRUPTED && atomic_load(&self->sent_at) == 0));
    self->returned_at = park_now();
    atomic_store(&self->returned, true);
    return NULL;
}

/* A signal that arrives just before the thread sleeps does not wake it: so again, when it must be asleep. */
static void *
send_until_returned(void *argument)
{
    interrupted_wait *self = argument;
    while (!atomic_load(&self->returned)) {
        sleep_for(50 * MILLISECOND);
        atomic_store(&self->sent_at, park_now());
        if (!atomic_load(&self->returned)) {
            pthread_kill(self->thread, SIGUSR1);
        }
        int64_t next = park_now() + SECOND;
        while (!atomic_load(&self->returned) && park_now() < next) {
            sleep_for(MILLISECOND);
        }
    }
    return NULL;
}

static void
check_interrupted(interrupted_wait *self)
{
    CHECK(self->result == PARK_INTERRUPTED, "%d", self->result);
    int64_t late = self->returned_at - atomic_load(&self->sent_at);
    CHECK(late < SECOND, "interrupted %lld ms after the signal", (long long)(late / MILLISECOND));
}

SCENARIO(signal_interrupts_the_main_thread)
{
    install_handler();
    for (int i = 0; i < 5; i++) {
        interrupted_wait wait = {.thread = pthread_self()};
        make_parker(&wait.parker);
        pthread_t sender = start(send_until_returned, &wait);
        park_to_be_interrupted(&wait);
        join(sender);
        check_interrupted(&wait);
        CHECK(parker_park(&wait.parker, 0) == PARK_TIMED_OUT, "the interrupt left a token");
    }
    CHECK(atomic_load(&signals_handled) > 0, "no signal was handled");
}

/* A thread that looks does not notice a signal: it must soon after, and not at the end of a long sleep. */
SCENARIO(signal_while_looking_is_noticed_soon)
{
    install_handler();
    parker parker;
    make_parker(&parker);
    int64_t deadline = park_now() + 5 * SECOND;
    spin attempt;
    spin_begin(&attempt, &parker, &parker, park_now(), deadline);
    raise(SIGUSR1);
    int64_t sent = park_now();
    CHECK(parker_park(&parker, deadline) == PARK_INTERRUPTED, "not interrupted");
    int64_t late = park_now() - sent;
    CHECK(attempt.way == SPIN_SLEEP || late < 300 * MILLISECOND, "noticed after %lld ms",
          (long long)(late / MILLISECOND));
}

SCENARIO(signal_interrupts_another_thread)
{
#ifdef PARK_BACKEND_FUTEX
    install_handler();
    for (int i = 0; i < 5; i++) {
        interrupted_wait wait = {.returned = false};
        make_parker(&wait.parker);
        wait.thread = start(park_to_be_interrupted, &wait);
        send_until_returned(&wait);
        join(wait.thread);
        check_interrupted(&wait);
    }
#endif
}

static void *
send_signals_in_turn(void *argument)
{
    interrupted_wait *self = argument;
    uint32_t seed = 11;
    while (!atomic_load(&self->returned)) {
        pthread_kill(self->thread, SIGUSR1);
        spend(random_below(&seed, 3000));
    }
    return NULL;
}

SCENARIO(signals_lose_no_wake)
{
    install_handler();
    table_tennis game = {.turn = 0};
    make_parker(&game.parkers[0]);
    make_parker(&game.parkers[1]);
    interrupted_wait both[2] = {{.thread = pthread_self()}, {.returned = false}};
    both[1].thread = start(play_second, &game);
    pthread_t senders[2] = {start(send_signals_in_turn, &both[0]), start(send_signals_in_turn, &both[1])};
    int64_t end = park_now() + STRESS_TIME;
    for (uint32_t round = 0;; round++) {
        bool stop = park_now() >= end;
        if (stop) {
            /* Before the other thread ends: it can no longer be sent a signal then. */
            atomic_store(&both[0].returned, true);
            atomic_store(&both[1].returned, true);
            join(senders[0]);
            join(senders[1]);
        }
        atomic_store(&game.stop, stop);
        atomic_store(&game.turn, 2 * round + 1);
        parker_unpark(&game.parkers[1]);
        if (stop) {
            break;
        }
        park_while(&game.parkers[0], &game.turn, 2 * round + 1);
    }
    join(both[1].thread);
}

/* The guard. */

typedef struct {
    guard guard;
    int64_t guarded;
    word replaced;
} counters;

#define COUNTS 100000

static void *
count_up(void *argument)
{
    counters *self = argument;
    for (int i = 0; i < COUNTS; i++) {
        guard_lock(&self->guard);
        self->guarded++;
        guard_unlock(&self->guard);
        int64_t seen;
        do {
            seen = word_load(&self->replaced);
        } while (!word_replace(&self->replaced, seen, seen + 1));
    }
    return NULL;
}

SCENARIO(guard_excludes_and_word_counts)
{
    counters self = {.guarded = 0};
    pthread_t threads[4];
    for (int i = 0; i < 4; i++) {
        threads[i] = start(count_up, &self);
    }
    for (int i = 0; i < 4; i++) {
        join(threads[i]);
    }
    CHECK(self.guarded == 4 * COUNTS, "%lld", (long long)self.guarded);
    CHECK(word_load(&self.replaced) == 4 * COUNTS, "%lld", (long long)word_load(&self.replaced));
}

/* The queue against an array, in one thread. */

#define MODEL_SIZE 12

static int
model_find(waiter **model, int count, const waiter *w)
{
    for (int i = 0; i < count; i++) {
        if (model[i] == w) {
            return i;
        }
    }
    return -1;
}

static void
check_against_model(waitqueue *queue, waiter **model, int count)
{
    CHECK(waitqueue_count(queue) == (size_t)count, "%zu, not %d", waitqueue_count(queue), count);
    waiter *w = waitqueue_first(queue);
    CHECK((w == NULL) == (count == 0), "the first");
    for (int i = 0; i < count; i++) {
        CHECK(w == model[i], "place %d", i);
        CHECK(w->previous == model[(i + count - 1) % count], "the one before place %d", i);
        CHECK(waitqueue_has(queue, w), "place %d does not know its queue", i);
        w = w->next;
    }
}

SCENARIO(queue_is_a_fifo)
{
    waitqueue queue = {.last = NULL};
    waiter *all[MODEL_SIZE], *model[MODEL_SIZE];
    int count = 0;
    uint32_t seed = 5;
    for (int i = 0; i < MODEL_SIZE; i++) {
        all[i] = waiter_begin();
    }
    for (int step = 0; step < 50000; step++) {
        waiter *w = all[random_below(&seed, MODEL_SIZE)];
        int place = model_find(model, count, w);
        waitqueue_lock(&queue);
        if (step % 1000 == 999) {
            waiter *taken = waitqueue_take_all(&queue);
            for (int i = 0; i < count; i++) {
                CHECK(taken == model[i] && !waitqueue_has(&queue, taken), "taken: place %d", i);
                taken = taken->next;
            }
            CHECK(taken == NULL, "more than there were");
            count = 0;
        }
        else if (place >= 0) {
            waitqueue_remove(&queue, w);
            CHECK(!waitqueue_has(&queue, w), "still there");
            memmove(&model[place], &model[place + 1], (size_t)(count - place - 1) * sizeof(model[0]));
            count--;
        }
        else if (step % 3 == 0) {
            waitqueue_add_first(&queue, w);
            memmove(&model[1], &model[0], (size_t)count * sizeof(model[0]));
            model[0] = w;
            count++;
        }
        else {
            waitqueue_add(&queue, w);
            model[count++] = w;
        }
        check_against_model(&queue, model, count);
        waitqueue_unlock(&queue);
    }
    waitqueue_lock(&queue);
    waitqueue_take_all(&queue);
    waitqueue_unlock(&queue);
    for (int i = 0; i < MODEL_SIZE; i++) {
        waiter_end(all[i]);
    }
}

/* As with a GIL: the queue is guarded by a lock that the waiting threads let go of, and ask for again when woken. */

/* Sleeps once, as a wait with a GIL does. */
static park_result
sleep_with_gil(pthread_mutex_t *gil, waiter *w, const void *place, int64_t deadline)
{
    spin attempt;
    waiter *next = admission_sleep(w);
    int64_t wake_at = admission_watch(w, deadline);
    pthread_mutex_unlock(gil);
    admission_let_go(next);
    spin_begin(&attempt, place, &w->parker, park_now(), wake_at);
    park_result result = parker_park(&w->parker, wake_at);
    int64_t asked = admission_approach();
    pthread_mutex_lock(gil);
    int64_t now = park_now();
    admission_arrive(w, asked, now);
    spin_end(&attempt, result, now);
    return result == PARK_TIMED_OUT && wake_at != deadline ? PARK_UNPARKED : result;
}

static waiter *
begin_restricted(void)
{
    waiter *w = waiter_begin();
#ifndef PARK_FREE_THREADED
    w->restricted = true;
#endif
    return w;
}

#define RELAY_THREADS 4
#define RELAY_ROUNDS 20000

typedef struct {
    pthread_mutex_t gil;
    waitqueue queues[RELAY_THREADS];
    bool has_baton[RELAY_THREADS];
    int next_index;
    int64_t end;
    int left; /* how many hand-overs, until all have gone home */
} relay;

static void
pass_baton(relay *self, int index)
{
    self->has_baton[index] = true;
    waitqueue_lock(&self->queues[index]);
    waiter *w = waitqueue_first(&self->queues[index]);
    if (w != NULL) {
        waitqueue_remove(&self->queues[index], w);
        waiter_grant(w, index);
    }
    waitqueue_unlock(&self->queues[index]);
}

static void
wait_for_baton(relay *self, int index)
{
    waiter *w = begin_restricted();
    waitqueue_lock(&self->queues[index]);
    waitqueue_add(&self->queues[index], w);
    waitqueue_unlock(&self->queues[index]);
    int64_t deadline = lost_deadline();
    while (atomic_load(&w->state) != WAITER_GRANTED) {
        park_result result = sleep_with_gil(&self->gil, w, &self->queues[index], deadline);
        CHECK(result != PARK_TIMED_OUT, "a wake was lost");
    }
    CHECK(w->outcome == index && self->has_baton[index], "not granted");
    waiter_end(w);
}

static void *
run_relay(void *argument)
{
    relay *self = argument;
    pthread_mutex_lock(&self->gil);
    int index = self->next_index++;
    while (self->left > 0) {
        if (!self->has_baton[index]) {
            wait_for_baton(self, index);
        }
        self->has_baton[index] = false;
        self->left = park_now() < self->end ? self->left - 1 : 0;
        pass_baton(self, (index + 1) % RELAY_THREADS);
    }
    /* As a thread does that ends. */
    waiter *next = admission_leave();
    pthread_mutex_unlock(&self->gil);
    admission_let_go(next);
    return NULL;
}

SCENARIO(waits_with_a_gil_lose_no_wake)
{
    relay self = {.gil = PTHREAD_MUTEX_INITIALIZER, .left = RELAY_ROUNDS, .end = park_now() + STRESS_TIME};
    self.has_baton[0] = true;
    pthread_t threads[RELAY_THREADS];
    for (int i = 0; i < RELAY_THREADS; i++) {
        threads[i] = start(run_relay, &self);
    }
    for (int i = 0; i < RELAY_THREADS; i++) {
        join(threads[i]);
    }
    CHECK(admission_on_their_way() == 0, "%d are still on their way", admission_on_their_way());
}

/* A herd: many wait, and all are woken at once. */

#define HERD 10

typedef struct {
    pthread_mutex_t gil;
    waitqueue queue;
    waiter *waiters[HERD];
    int waiting;
    int gone_on;
    int64_t deadline; /* of the last one to wait; the others have none */
    bool unseen;      /* they end without a word to the others */
} herd;

static void *
wait_in_herd(void *argument)
{
    herd *self = argument;
    pthread_mutex_lock(&self->gil);
    int64_t deadline = self->waiting + 1 == HERD ? self->deadline : lost_deadline();
    waiter *w = begin_restricted();
    self->waiters[self->waiting++] = w;
    waitqueue_add(&self->queue, w);
    while (atomic_load(&w->state) != WAITER_GRANTED) {
        park_result result = sleep_with_gil(&self->gil, w, &self->queue, deadline);
        CHECK(result != PARK_TIMED_OUT || deadline == self->deadline, "a wake was lost");
        deadline = result == PARK_TIMED_OUT ? lost_deadline() : deadline;
    }
    waiter_end(w);
    self->gone_on++;
    waiter *next = self->unseen ? NULL : admission_leave();
    pthread_mutex_unlock(&self->gil);
    if (!self->unseen) {
        admission_let_go(next);
    }
    return NULL;
}

static bool
herd_sleeps(herd *self)
{
    bool all = self->waiting == HERD;
    for (int i = 0; all && i < HERD; i++) {
        all = parker_sleeps(&self->waiters[i]->parker);
    }
    return all;
}

/* Returns with the GIL, when all are asleep. */
static void
gather_herd(herd *self, pthread_t *threads)
{
    for (int i = 0; i < HERD; i++) {
        threads[i] = start(wait_in_herd, self);
    }
    int64_t lost = lost_deadline();
    pthread_mutex_lock(&self->gil);
    while (!herd_sleeps(self)) {
        CHECK(park_now() < lost, "they do not fall asleep");
        pthread_mutex_unlock(&self->gil);
        sleep_for(MILLISECOND);
        pthread_mutex_lock(&self->gil);
    }
}

/* Lets the herd come for the GIL, and returns when all have gone on. */
static void
let_herd_go(herd *self, pthread_t *threads)
{
    waiter *next = admission_leave();
    pthread_mutex_unlock(&self->gil);
    admission_let_go(next);
    for (int i = 0; i < HERD; i++) {
        join(threads[i]);
    }
    CHECK(self->gone_on == HERD, "%d have gone on", self->gone_on);
    CHECK(admission_on_their_way() == 0, "%d are still on their way", admission_on_their_way());
}

#ifndef PARK_FREE_THREADED

static int
count_put_off(herd *self)
{
    int count = 0;
    for (int i = 0; i < HERD; i++) {
        count += self->waiters[i]->admission == ADMISSION_PUT_OFF;
    }
    return count;
}

#endif

SCENARIO(with_a_gil_a_herd_is_not_woken_at_once)
{
    herd self = {.gil = PTHREAD_MUTEX_INITIALIZER, .deadline = PARK_FOREVER};
    pthread_t threads[HERD];
    gather_herd(&self, threads);
    waiters_grant(waitqueue_take_all(&self.queue), 0);
#ifndef PARK_FREE_THREADED
    CHECK(admission_on_their_way() == 1, "%d are on their way", admission_on_their_way());
    CHECK(count_put_off(&self) == HERD - 1, "%d are put off", count_put_off(&self));
#endif
    let_herd_go(&self, threads);
}

/* The last of those that are put off comes by itself, while nobody lets go of the GIL: it asks for it as the first does. */
SCENARIO(with_a_gil_a_deadline_ends_being_put_off)
{
    herd self = {.gil = PTHREAD_MUTEX_INITIALIZER, .deadline = park_now() + 200 * MILLISECOND};
    pthread_t threads[HERD];
    gather_herd(&self, threads);
    waiters_grant(waitqueue_take_all(&self.queue), 0);
    while (park_now() < self.deadline + 20 * MILLISECOND) {
        sleep_for(MILLISECOND);
    }
    let_herd_go(&self, threads);
}

#ifndef PARK_FREE_THREADED

/* Has a waiter be on its way that never arrives. */
static void
lose_one(waiter *w)
{
    w->admission = ADMISSION_ASLEEP;
    CHECK(admission_lets_come(w), "it is put off");
}

/* Waits with the GIL, until the herd has gone on. */
static void
wait_for_herd(herd *self)
{
    waitqueue queue = {.last = NULL};
    waiter *w = begin_restricted();
    waitqueue_add(&queue, w);
    int64_t lost = lost_deadline();
    while (self->gone_on < HERD) {
        CHECK(sleep_with_gil(&self->gil, w, &queue, lost) != PARK_TIMED_OUT, "%d have gone on", self->gone_on);
    }
    waitqueue_remove(&queue, w);
    waiter_end(w);
}

#endif

/* One was sent that never arrives; those sent after it do, and end without a word. */
SCENARIO(with_a_gil_one_that_never_arrives_holds_nobody_up)
{
#ifndef PARK_FREE_THREADED
    herd self = {.gil = PTHREAD_MUTEX_INITIALIZER, .deadline = PARK_FOREVER, .unseen = true};
    pthread_t threads[HERD];
    gather_herd(&self, threads);
    waiter *never = begin_restricted();
    lose_one(never);
    waiters_grant(waitqueue_take_all(&self.queue), 0);
    CHECK(admission_on_their_way() == 1, "%d are on their way", admission_on_their_way());
    let_herd_go(&self, threads);
    waiter_end(never);
#endif
}

/* All who were sent never arrive: one of those that wait sees to the others. */
SCENARIO(with_a_gil_those_who_never_arrive_hold_nobody_up)
{
#ifndef PARK_FREE_THREADED
    herd self = {.gil = PTHREAD_MUTEX_INITIALIZER, .deadline = PARK_FOREVER, .unseen = true};
    pthread_t threads[HERD];
    gather_herd(&self, threads);
    waiter *never[] = {begin_restricted(), begin_restricted(), begin_restricted()};
    for (int i = 0; i < 3; i++) {
        lose_one(never[i]);
    }
    waiters_grant(waitqueue_take_all(&self.queue), 0);
    CHECK(admission_on_their_way() == 3, "%d are on their way", admission_on_their_way());
    wait_for_herd(&self);
    let_herd_go(&self, threads);
    for (int i = 0; i < 3; i++) {
        waiter_end(never[i]);
    }
#endif
}

/* The same long ago: who is woken now is not put off for their sake. */
SCENARIO(with_a_gil_those_who_were_lost_are_forgotten)
{
#ifndef PARK_FREE_THREADED
    herd self = {.gil = PTHREAD_MUTEX_INITIALIZER, .deadline = PARK_FOREVER, .unseen = true};
    pthread_t threads[HERD];
    gather_herd(&self, threads);
    waiter *never[] = {begin_restricted(), begin_restricted()};
    lose_one(never[0]);
    lose_one(never[1]);
    sleep_for(40 * MILLISECOND);
    waiters_grant(waitqueue_take_all(&self.queue), 0);
    CHECK(admission_on_their_way() == 1, "%d are on their way", admission_on_their_way());
    pthread_mutex_unlock(&self.gil);
    for (int i = 0; i < HERD; i++) {
        join(threads[i]);
    }
    waiter_end(never[1]);
    waiter_end(never[0]);
#endif
}

#ifndef PARK_FREE_THREADED

/* One is sent, and then the herd; the one asks for the GIL after so long. */
static void
wake_herd_behind(herd *self, waiter *first, int64_t late)
{
    lose_one(first);
    int64_t asked = admission_approach();
    waiters_grant(waitqueue_take_all(&self->queue), 0);
    asked = late == 0 ? asked : park_now() + late;
    admission_arrive(first, asked, asked);
}

#endif

/* Where other programs keep the cores busy, one after the other would wait for each other's turn of a core. */
SCENARIO(with_a_gil_all_come_where_one_takes_long)
{
#ifndef PARK_FREE_THREADED
    enum { ROUNDS = 1000, LATE = 4 * MILLISECOND };
    herd self = {.gil = PTHREAD_MUTEX_INITIALIZER, .deadline = PARK_FOREVER};
    waiter *first = begin_restricted();
    int round = 0;
    do {
        pthread_t threads[HERD];
        self.waiting = self.gone_on = 0;
        gather_herd(&self, threads);
        bool is_slow = admission_is_slow();
        CHECK(is_slow == (round > 0), "slow at first, or not when one has taken long");
        wake_herd_behind(&self, first, is_slow ? 0 : LATE);
        CHECK(count_put_off(&self) == 0, "round %d: %d are put off", round, count_put_off(&self));
        let_herd_go(&self, threads);
    } while (admission_is_slow() && ++round < ROUNDS);
    CHECK(round > 1 && round < ROUNDS, "%d rounds", round);
    waiter_end(first);
#endif
}

/* Who has waited long for the GIL brings a line of others, but not thousands; and who has waited in that line, nobody. */
SCENARIO(with_a_gil_a_long_wait_brings_a_line_with_an_end)
{
#ifndef PARK_FREE_THREADED
    herd self = {.gil = PTHREAD_MUTEX_INITIALIZER, .deadline = PARK_FOREVER};
    enum { MANY = 300 };
    pthread_t threads[MANY];
    waiter *waiters[MANY];
    for (int i = 0; i < MANY / HERD; i++) {
        self.waiting = 0;
        gather_herd(&self, &threads[i * HERD]);
        memcpy(&waiters[i * HERD], self.waiters, sizeof(self.waiters));
        if (i + 1 < MANY / HERD) {
            pthread_mutex_unlock(&self.gil);
        }
    }
    waiters_grant(waitqueue_take_all(&self.queue), 0);
    CHECK(admission_on_their_way() == 1, "%d are on their way", admission_on_their_way());
    int64_t asked = admission_approach();
    admission_enter(asked, asked + 2 * MILLISECOND);
    int line = admission_on_their_way();
    CHECK(line > 50 && line < MANY / 2, "%d stand in line", line);
    asked = admission_approach();
    admission_enter(asked - 3 * MILLISECOND, asked + 3 * MILLISECOND);
    CHECK(admission_on_their_way() == line, "now %d", admission_on_their_way());
    waiter *next = admission_leave();
    pthread_mutex_unlock(&self.gil);
    admission_let_go(next);
    for (int i = 0; i < MANY; i++) {
        join(threads[i]);
    }
    CHECK(self.gone_on == MANY, "%d have gone on", self.gone_on);
#endif
}

SCENARIO(with_a_gil_the_end_puts_nobody_off)
{
#ifndef PARK_FREE_THREADED
    herd self = {.gil = PTHREAD_MUTEX_INITIALIZER, .deadline = PARK_FOREVER};
    pthread_t threads[HERD];
    gather_herd(&self, threads);
    waiter *first = waitqueue_first(&self.queue);
    waitqueue_remove(&self.queue, first);
    waiter_grant(first, 0);
    waiter *second = waitqueue_first(&self.queue);
    waitqueue_remove(&self.queue, second);
    waiter_grant(second, 0);
    CHECK(second->admission == ADMISSION_PUT_OFF, "not put off");
    admission_end();
    CHECK(second->admission != ADMISSION_PUT_OFF, "still put off");
    waiters_grant(waitqueue_take_all(&self.queue), 0);
    for (int i = 0; i < HERD; i++) {
        CHECK(self.waiters[i]->admission != ADMISSION_PUT_OFF, "%d is put off", i);
    }
    let_herd_go(&self, threads);
    admission_begin();
#endif
}

/* Who holds the GIL for long learns that somebody asks for it, but not before that has gone on for a while. */

#ifndef PARK_FREE_THREADED
static void *
come_for_gil(void *argument)
{
    herd *self = argument;
    int64_t asked = admission_approach();
    pthread_mutex_lock(&self->gil);
    admission_enter(asked, park_now());
    self->gone_on++;
    waiter *next = admission_leave();
    pthread_mutex_unlock(&self->gil);
    admission_let_go(next);
    return NULL;
}
#endif

SCENARIO(with_a_gil_it_is_due_to_who_asks_for_long)
{
#ifndef PARK_FREE_THREADED
    herd self = {.gil = PTHREAD_MUTEX_INITIALIZER};
    pthread_mutex_lock(&self.gil);
    int64_t asked = admission_approach();
    admission_enter(asked, asked);
    int64_t began = park_now(); /* it asks later */
    pthread_t thread = start(come_for_gil, &self);
    int64_t lost = lost_deadline();
    while (atomic_load(&admission_asking) == 0) {
        CHECK(park_now() < lost, "nobody asks");
        sched_yield();
    }
    while (!admission_is_due()) {
        CHECK(park_now() < lost, "it is never due");
    }
    CHECK(park_now() - began > MILLISECOND / 2, "due after %lld ns", (long long)(park_now() - began));
    waiter *next = admission_leave();
    pthread_mutex_unlock(&self.gil);
    admission_let_go(next);
    admission_wait_for_taker();
    join(thread);
    CHECK(self.gone_on == 1 && atomic_load(&admission_asking) == 0, "still asking");
#endif
}

/* Threads that wait with and without deadlines, are granted, woken for nothing, and come by themselves, at random. */

#define MIX_THREADS 6

typedef struct {
    pthread_mutex_t gil;
    waitqueue queue;
    int64_t end;
    int running;
    int64_t granted;
    int64_t received;
} mix;

static void
grant_some(mix *self, uint32_t *seed)
{
    for (uint32_t count = random_below(seed, 4); count > 0 && !waitqueue_is_empty(&self->queue); count--) {
        waiter *w = waitqueue_first(&self->queue);
        if (random_below(seed, 4) == 0) {
            waiter_wake(w);
        }
        else {
            waitqueue_remove(&self->queue, w);
            self->granted++;
            waiter_grant(w, 0);
        }
    }
}

static void
wait_in_mix(mix *self, uint32_t *seed)
{
    waiter *w = begin_restricted();
    waitqueue_add(&self->queue, w);
    int64_t deadline = park_now() + random_below(seed, 300000);
    while (atomic_load(&w->state) != WAITER_GRANTED) {
        if (sleep_with_gil(&self->gil, w, &self->queue, deadline) == PARK_TIMED_OUT && waitqueue_has(&self->queue, w)) {
            waitqueue_remove(&self->queue, w);
            break;
        }
    }
    self->received += atomic_load(&w->state) == WAITER_GRANTED;
    waiter_end(w);
}

static void *
run_mix(void *argument)
{
    mix *self = argument;
    pthread_mutex_lock(&self->gil);
    uint32_t seed = 17 + (uint32_t)self->running++;
    while (park_now() < self->end) {
        grant_some(self, &seed);
        wait_in_mix(self, &seed);
    }
    self->running--;
    waiter *next = admission_leave();
    pthread_mutex_unlock(&self->gil);
    admission_let_go(next);
    return NULL;
}

SCENARIO(with_a_gil_nobody_is_forgotten)
{
    mix self = {.gil = PTHREAD_MUTEX_INITIALIZER, .end = park_now() + 2 * STRESS_TIME};
    pthread_t threads[MIX_THREADS];
    for (int i = 0; i < MIX_THREADS; i++) {
        threads[i] = start(run_mix, &self);
    }
    for (int i = 0; i < MIX_THREADS; i++) {
        join(threads[i]);
    }
    CHECK(self.granted == self.received, "%lld granted, %lld received", (long long)self.granted,
          (long long)self.received);
    CHECK(admission_on_their_way() == 0, "%d are still on their way", admission_on_their_way());
}

/* Many threads in one queue: what is granted is received once, with its outcome. */

#define QUEUE_THREADS 12

typedef struct {
    waitqueue queue;
    _Atomic bool stop;
    _Atomic uint32_t at_work;
    _Atomic int64_t received;
    _Atomic int64_t received_sum;
    int64_t granted;
    int64_t granted_sum;
    waiter *_Atomic seen[QUEUE_THREADS]; /* waiters of waits that are, or may be, over */
    _Atomic uint32_t next_index;
} crowd;

/* Waits in the queue as a primitive does. Returns whether it was granted. */
static bool
wait_in_crowd(crowd *self, waiter *w, int64_t deadline)
{
    waitqueue_lock(&self->queue);
    waitqueue_add(&self->queue, w);
    waitqueue_unlock(&self->queue);
    int64_t lost = lost_deadline();
    bool left = false;
    while (atomic_load(&w->state) != WAITER_GRANTED && !left) {
        if (parker_park(&w->parker, deadline) != PARK_TIMED_OUT) {
            continue;
        }
        CHECK(park_now() < lost, "a grant was lost");
        waitqueue_lock(&self->queue);
        left = waitqueue_has(&self->queue, w);
        if (left) {
            waitqueue_remove(&self->queue, w);
        }
        waitqueue_unlock(&self->queue);
        deadline = lost; /* not left: the grant is on its way */
    }
    return !left;
}

static void *
be_in_crowd(void *argument)
{
    crowd *self = argument;
    uint32_t index = atomic_fetch_add(&self->next_index, 1) % QUEUE_THREADS;
    uint32_t seed = 100 + index;
    while (!atomic_load(&self->stop)) {
        waiter *w = waiter_begin();
        CHECK(w != NULL, "no memory");
        atomic_store(&self->seen[index], w);
        CHECK(atomic_load(&w->state) == WAITER_WAITING && waiter_innermost() == w, "not as new");
        int64_t deadline = index % 3 == 0 ? park_now() + random_below(&seed, 200000) : lost_deadline();
        if (wait_in_crowd(self, w, deadline)) {
            atomic_fetch_add(&self->received, 1);
            atomic_fetch_add(&self->received_sum, w->outcome);
        }
        waiter_end(w);
    }
    atomic_fetch_sub(&self->at_work, 1);
    return NULL;
}

/* Grants to one waiter, or to all, until the crowd has gone home. */
static void
serve_crowd(crowd *self, int64_t stress_time)
{
    uint32_t seed = 9;
    int outcome = 1;
    int64_t end = park_now() + stress_time;
    int64_t lost = end + LOST_AFTER;
    while (atomic_load(&self->at_work) > 0) {
        if (park_now() >= end) {
            atomic_store(&self->stop, true);
        }
        CHECK(park_now() < lost, "the crowd does not go home");
        waitqueue_lock(&self->queue);
        if (random_below(&seed, 8) == 0 || atomic_load(&self->stop)) {
            size_t count = waitqueue_count(&self->queue);
            waiter *first = waitqueue_take_all(&self->queue);
            waitqueue_unlock(&self->queue);
            waiters_grant(first, outcome);
            self->granted += (int64_t)count;
            self->granted_sum += (int64_t)count * outcome;
        }
        else {
            waiter *w = waitqueue_first(&self->queue);
            if (w != NULL) {
                waitqueue_remove(&self->queue, w);
                waiter_grant(w, outcome);
                self->granted++;
                self->granted_sum += outcome;
            }
            waitqueue_unlock(&self->queue);
        }
        outcome = outcome % 1000 + 1;
        sched_yield();
    }
}

static void
check_crowd(crowd *self)
{
    CHECK(self->granted > 0, "nobody came");
    CHECK(self->granted == self->received, "%lld granted, %lld received", (long long)self->granted,
          (long long)self->received);
    CHECK(self->granted_sum == self->received_sum, "the outcomes");
    CHECK(waitqueue_first(&self->queue) == NULL, "the queue is not empty");
}

static void
run_crowd(void *(*pest)(void *))
{
    crowd self = {.at_work = QUEUE_THREADS};
    pthread_t threads[QUEUE_THREADS], pest_thread;
    for (int i = 0; i < QUEUE_THREADS; i++) {
        threads[i] = start(be_in_crowd, &self);
    }
    if (pest != NULL) {
        pest_thread = start(pest, &self);
    }
    serve_crowd(&self, STRESS_TIME);
    for (int i = 0; i < QUEUE_THREADS; i++) {
        join(threads[i]);
    }
    if (pest != NULL) {
        join(pest_thread);
    }
    check_crowd(&self);
}

SCENARIO(many_threads_in_one_queue)
{
    run_crowd(NULL);
}

/* Unparks waiters that somebody had once: their wait may be over, they may be in another, of another thread. */
static void *
unpark_late(void *argument)
{
    crowd *self = argument;
    uint32_t seed = 13;
    while (atomic_load(&self->at_work) > 0) {
        waiter *w = atomic_load(&self->seen[random_below(&seed, QUEUE_THREADS)]);
        if (w != NULL) {
            spend(random_below(&seed, 500));
            parker_unpark(&w->parker);
        }
        sched_yield();
    }
    return NULL;
}

SCENARIO(late_unparks_do_no_harm)
{
    run_crowd(unpark_late);
}

/* Threads that come and go leave their waiters to others. */

#define GENERATIONS 100
#define NESTED 4

typedef struct {
    waiter *waiters[NESTED];
} waits_of_thread;

static void *
wait_nested(void *argument)
{
    waits_of_thread *mine = argument;
    for (int i = 0; i < NESTED; i++) {
        mine->waiters[i] = waiter_begin();
        CHECK(waiter_innermost() == mine->waiters[i], "not the innermost");
        CHECK(parker_park(&mine->waiters[i]->parker, 0) == PARK_TIMED_OUT, "a new wait has a token");
    }
    for (int i = NESTED - 1; i >= 0; i--) {
        CHECK(waiter_innermost() == mine->waiters[i], "not the innermost");
        /* Left over: the next wait must not find it. */
        parker_unpark(&mine->waiters[i]->parker);
        waiter_end(mine->waiters[i]);
    }
    CHECK(waiter_innermost() == NULL, "a wait is left");
    return NULL;
}

SCENARIO(waiters_of_ended_threads_are_used_again)
{
    waiter *known[NESTED];
    for (int generation = 0; generation < GENERATIONS; generation++) {
        waits_of_thread waits;
        join(start(wait_nested, &waits));
        if (generation == 0) {
            memcpy(known, waits.waiters, sizeof(known));
            continue;
        }
        for (int i = 0; i < NESTED; i++) {
            CHECK(model_find(known, NESTED, waits.waiters[i]) >= 0, "thread %d got a new waiter", generation);
        }
    }
}

SCENARIO(waits_end_in_any_order)
{
    waiter *outer = waiter_begin();
    waiter *inner = waiter_begin();
    waiter_end(outer);
    CHECK(waiter_innermost() == inner, "the inner wait is not the innermost");
    waiter_end(inner);
    CHECK(waiter_innermost() == NULL, "a wait is left");
}

/* Fork. */

/* Waits for the child to end well. */
static void
check_child(pid_t child)
{
    CHECK(child > 0, "fork: %s", strerror(errno));
    int status;
    int64_t lost = lost_deadline();
    pid_t ended;
    while ((ended = waitpid(child, &status, WNOHANG)) == 0) {
        if (park_now() >= lost) {
            kill(child, SIGKILL);
            CHECK(false, "the child hangs");
        }
        sleep_for(MILLISECOND);
    }
    CHECK(ended == child && WIFEXITED(status) && WEXITSTATUS(status) == 0, "the child ended with status %x", status);
}

typedef struct {
    crowd *crowd;
    _Atomic uint32_t waiting;
} fork_scene;

static void *
wait_over_fork(void *argument)
{
    fork_scene *scene = argument;
    waiter *w = waiter_begin();
    atomic_fetch_add(&scene->waiting, 1);
    CHECK(wait_in_crowd(scene->crowd, w, lost_deadline()) && w->outcome == 77, "not granted");
    waiter_end(w);
    return NULL;
}

/* In the child: of the queue, the forking thread's own waits are left, in their order, and the queue works. */
static void
check_in_child(waitqueue *queue, waitqueue *others_only, waiter *earlier, waiter *later)
{
    waitqueue_lock(queue);
    CHECK(waitqueue_count(queue) == 2, "%zu waiters", waitqueue_count(queue));
    CHECK(waitqueue_first(queue) == earlier && earlier->next == later && later->next == earlier, "their order");
    CHECK(waitqueue_has(queue, earlier) && waitqueue_has(queue, later), "they do not know their queue");
    waiter *newer = waiter_begin();
    waitqueue_add(queue, newer);
    CHECK(waitqueue_count(queue) == 3, "a new one");
    waitqueue_remove(queue, earlier);
    waitqueue_unlock(queue);
    waiter_grant(earlier, 5);
    CHECK(parker_park(&earlier->parker, lost_deadline()) == PARK_UNPARKED && earlier->outcome == 5, "a grant");
    CHECK(parker_park(&newer->parker, park_now() + MILLISECOND) != PARK_UNPARKED, "an early wake");
    waitqueue_lock(queue);
    CHECK(waitqueue_take_all(queue) == later && later->next == newer, "the rest");
    waitqueue_unlock(queue);
    waitqueue_lock(others_only);
    CHECK(waitqueue_first(others_only) == NULL, "a thread that is gone still waits");
    waitqueue_add(others_only, newer);
    waitqueue_unlock(others_only);
    waitqueue_lock(others_only);
    CHECK(waitqueue_first(others_only) == newer && waitqueue_count(others_only) == 1, "a wait after the fork");
    waitqueue_remove(others_only, newer);
    waitqueue_unlock(others_only);
    waiter_end(newer);
    waiter_end(later);
    waiter_end(earlier);
    CHECK(waiter_innermost() == NULL, "a wait is left");
}

static void
wait_for_count(crowd *self, size_t wanted)
{
    int64_t lost = lost_deadline();
    for (size_t count = 0; count != wanted;) {
        CHECK(park_now() < lost, "%zu waiters, not %zu", count, wanted);
        sched_yield();
        waitqueue_lock(&self->queue);
        count = waitqueue_count(&self->queue);
        waitqueue_unlock(&self->queue);
    }
}

#define FORK_THREADS 3

static void
start_waiting(crowd *self, fork_scene *scene, pthread_t *threads)
{
    scene->crowd = self;
    for (int i = 0; i < FORK_THREADS; i++) {
        threads[i] = start(wait_over_fork, scene);
    }
}

static void
grant_to_all(crowd *self)
{
    waitqueue_lock(&self->queue);
    waiter *first = waitqueue_take_all(&self->queue);
    waitqueue_unlock(&self->queue);
    waiters_grant(first, 77);
}

static void *
fork_amid_waits(void *ignored)
{
    (void)ignored;
    crowd mixed = {.at_work = 0}, others_only = {.at_work = 0};
    fork_scene mixed_scene = {.waiting = 0}, others_scene = {.waiting = 0};
    pthread_t before[FORK_THREADS], after[FORK_THREADS], others[FORK_THREADS];
    waiter *earlier = waiter_begin();
    start_waiting(&others_only, &others_scene, others);
    start_waiting(&mixed, &mixed_scene, before);
    wait_for_count(&others_only, FORK_THREADS);
    wait_for_count(&mixed, FORK_THREADS);
    waitqueue_lock(&mixed.queue);
    waitqueue_add(&mixed.queue, earlier);
    waitqueue_unlock(&mixed.queue);
    waiter *later = waiter_begin();
    waitqueue_lock(&mixed.queue);
    waitqueue_add(&mixed.queue, later);
    waitqueue_unlock(&mixed.queue);
    start_waiting(&mixed, &mixed_scene, after);
    wait_for_count(&mixed, 2 * FORK_THREADS + 2);

    pid_t child = fork();
    if (child == 0) {
        pid_t grandchild = fork();
        if (grandchild != 0) {
            check_child(grandchild);
        }
        check_in_child(&mixed.queue, &others_only.queue, earlier, later);
        _exit(0);
    }
    check_child(child);

    wait_for_count(&mixed, 2 * FORK_THREADS + 2);
    grant_to_all(&others_only);
    grant_to_all(&mixed);
    CHECK(atomic_load(&earlier->state) == WAITER_GRANTED && atomic_load(&later->state) == WAITER_GRANTED, "our own");
    for (int i = 0; i < FORK_THREADS; i++) {
        join(before[i]);
        join(after[i]);
        join(others[i]);
    }
    waiter_end(later);
    waiter_end(earlier);
    return NULL;
}

SCENARIO(fork_keeps_the_forking_threads_own_waits)
{
    fork_amid_waits(NULL);
}

SCENARIO(fork_in_another_thread_keeps_its_own_waits)
{
    join(start(fork_amid_waits, NULL));
}

typedef struct {
    waitqueue queue;
    waiter *own;
} child_scene;

/* A new thread of the child: it waits in the queue, wakes the forking thread, and is woken by it. */
static void *
meet_forking_thread(void *argument)
{
    child_scene *scene = argument;
    waiter *w = waiter_begin();
    waitqueue_lock(&scene->queue);
    CHECK(waitqueue_first(&scene->queue) == scene->own, "the forking thread's wait is not there");
    waitqueue_add(&scene->queue, w);
    CHECK(waitqueue_count(&scene->queue) == 2, "%zu waiters", waitqueue_count(&scene->queue));
    waitqueue_remove(&scene->queue, scene->own);
    waitqueue_unlock(&scene->queue);
    waiter_grant(scene->own, 3);
    while (atomic_load(&w->state) != WAITER_GRANTED) {
        CHECK(parker_park(&w->parker, lost_deadline()) != PARK_TIMED_OUT, "a wake was lost");
    }
    waiter_end(w);
    return NULL;
}

/* The first to come upon the queue in the child is not the thread that waits there. */
SCENARIO(fork_keeps_waits_whoever_comes_first)
{
    child_scene scene = {.own = waiter_begin()};
    waitqueue_lock(&scene.queue);
    waitqueue_add(&scene.queue, scene.own);
    waitqueue_unlock(&scene.queue);
    pid_t child = fork();
    if (child == 0) {
        pthread_t thread = start(meet_forking_thread, &scene);
        while (atomic_load(&scene.own->state) != WAITER_GRANTED) {
            CHECK(parker_park(&scene.own->parker, lost_deadline()) != PARK_TIMED_OUT, "a wake was lost");
        }
        waitqueue_lock(&scene.queue);
        waiter *other = waitqueue_take_all(&scene.queue);
        waitqueue_unlock(&scene.queue);
        waiters_grant(other, 4);
        join(thread);
        waiter_end(scene.own);
        _exit(0);
    }
    check_child(child);
    waitqueue_remove(&scene.queue, scene.own);
    waiter_end(scene.own);
}

#ifdef PARK_BACKEND_PTHREAD

typedef struct {
    parker *parkers[2];
    _Atomic bool held;
    _Atomic bool stop;
} slow_unpark;

/* As an unpark that does not come to its end. */
static void *
hold_parkers(void *argument)
{
    slow_unpark *self = argument;
    pthread_mutex_lock(&self->parkers[0]->mutex);
    pthread_mutex_lock(&self->parkers[1]->mutex);
    atomic_store(&self->held, true);
    while (!atomic_load(&self->stop)) {
        sched_yield();
    }
    pthread_mutex_unlock(&self->parkers[1]->mutex);
    pthread_mutex_unlock(&self->parkers[0]->mutex);
    return NULL;
}

#endif

/* Of two parkers, that of a wait which goes on in the child and that of one which is over. */
SCENARIO(fork_while_an_unpark_is_under_way)
{
#ifdef PARK_BACKEND_PTHREAD
    waiter *own = waiter_begin();
    waiter *spare = waiter_begin();
    waiter_end(spare);
    slow_unpark slow = {.parkers = {&own->parker, &spare->parker}};
    pthread_t thread = start(hold_parkers, &slow);
    while (!atomic_load(&slow.held)) {
        sched_yield();
    }
    pid_t child = fork();
    if (child == 0) {
        CHECK(parker_park(&own->parker, PARK_FOREVER) == PARK_UNPARKED, "the token that was on its way");
        waiter *next = waiter_begin();
        CHECK(next == spare && !parker_has_token(&next->parker), "the spare one");
        parker_unpark(&next->parker);
        CHECK(parker_park(&next->parker, PARK_FOREVER) == PARK_UNPARKED, "no token");
        _exit(0);
    }
    check_child(child);
    atomic_store(&slow.stop, true);
    join(thread);
    waiter_end(own);
#endif
}

SCENARIO(threads_have_numbers_of_their_own)
{
    uint64_t number = waiter_thread();
    CHECK(number != 0 && number == waiter_thread() && waiter_survivor == 0, "the number changes");
    pid_t child = fork();
    if (child == 0) {
        CHECK(waiter_thread() == number && waiter_survivor == number, "another one in the child");
        _exit(0);
    }
    check_child(child);
    CHECK(waiter_survivor == 0, "in the parent");
}

static void *
wait_and_end(void *argument)
{
    waits_of_thread mine;
    _Atomic bool *stop = argument;
    while (!atomic_load(stop)) {
        join(start(wait_nested, &mine));
    }
    return NULL;
}

/* Threads that end hand their waiters over while the process forks: the child finds them unlocked. */
SCENARIO(fork_while_threads_end)
{
    _Atomic bool stop = false;
    pthread_t thread = start(wait_and_end, &stop);
    for (int i = 0; i < 30; i++) {
        pid_t child = fork();
        if (child == 0) {
            waits_of_thread mine;
            wait_nested(&mine);
            _exit(0);
        }
        check_child(child);
    }
    atomic_store(&stop, true);
    join(thread);
}

typedef struct {
    const char *name;
    void (*run)(void);
} scenario;

#define ENTRY(name) {#name, name}

static const scenario scenarios[] = {
    ENTRY(token_before_park_is_kept),
    ENTRY(two_tokens_count_once),
    ENTRY(reset_throws_the_token_away),
    ENTRY(token_is_taken_even_after_the_deadline),
    ENTRY(ping_pong_loses_no_wake),
    ENTRY(looking_loses_no_wake),
    ENTRY(looking_finds_a_token_at_once),
    ENTRY(looking_keeps_the_deadline),
    ENTRY(long_waits_hardly_look),
    ENTRY(polling_hardly_looks),
    ENTRY(looking_that_costs_more_than_it_saves_is_rare),
    ENTRY(more_threads_look_than_there_are_cores),
    ENTRY(fewer_look_where_others_take_the_core),
    ENTRY(who_looks_gives_the_core_to_those_who_work),
    ENTRY(a_long_first_look_is_soon_forgotten),
    ENTRY(where_one_has_looked_in_vain_the_next_sleeps),
    ENTRY(on_one_core_looking_lets_the_other_thread_run),
    ENTRY(on_one_core_nobody_looks_for_long),
    ENTRY(cores_are_those_that_control_groups_allow),
    ENTRY(there_is_a_core),
    ENTRY(unpark_racing_park_is_never_lost),
    ENTRY(unpark_racing_the_deadline_is_kept),
    ENTRY(clock_is_the_monotonic_one),
    ENTRY(timeout_is_never_early),
    ENTRY(past_deadline_returns_at_once),
    ENTRY(far_deadline_is_no_error),
    ENTRY(a_system_that_refuses_to_sleep_costs_little_and_keeps_deadlines),
    ENTRY(a_deadline_before_the_clock_began_has_passed),
    ENTRY(later_than_ever_is_never),
    ENTRY(wakes_do_not_put_the_deadline_off),
    ENTRY(signal_interrupts_the_main_thread),
    ENTRY(signal_while_looking_is_noticed_soon),
    ENTRY(signal_interrupts_another_thread),
    ENTRY(signals_lose_no_wake),
    ENTRY(guard_excludes_and_word_counts),
    ENTRY(queue_is_a_fifo),
    ENTRY(waits_with_a_gil_lose_no_wake),
    ENTRY(with_a_gil_a_herd_is_not_woken_at_once),
    ENTRY(with_a_gil_a_deadline_ends_being_put_off),
    ENTRY(with_a_gil_one_that_never_arrives_holds_nobody_up),
    ENTRY(with_a_gil_those_who_never_arrive_hold_nobody_up),
    ENTRY(with_a_gil_those_who_were_lost_are_forgotten),
    ENTRY(with_a_gil_a_long_wait_brings_a_line_with_an_end),
    ENTRY(with_a_gil_all_come_where_one_takes_long),
    ENTRY(with_a_gil_the_end_puts_nobody_off),
    ENTRY(with_a_gil_it_is_due_to_who_asks_for_long),
    ENTRY(with_a_gil_nobody_is_forgotten),
    ENTRY(many_threads_in_one_queue),
    ENTRY(late_unparks_do_no_harm),
    ENTRY(waiters_of_ended_threads_are_used_again),
    ENTRY(waits_end_in_any_order),
    ENTRY(fork_keeps_the_forking_threads_own_waits),
    ENTRY(fork_in_another_thread_keeps_its_own_waits),
    ENTRY(fork_keeps_waits_whoever_comes_first),
    ENTRY(fork_while_an_unpark_is_under_way),
    ENTRY(threads_have_numbers_of_their_own),
    ENTRY(fork_while_threads_end),
};

int
main(int count, char **names)
{
    int error = waiter_setup();
    CHECK(error == 0, "waiter_setup: %s", strerror(error));
    CHECK(waiter_setup() == 0, "the second waiter_setup");
    error = fork_setup();
    CHECK(error == 0, "fork_setup: %s", strerror(error));
    for (size_t i = 0; count == 2 && i < sizeof(scenarios) / sizeof(scenarios[0]); i++) {
        if (strcmp(names[1], scenarios[i].name) == 0) {
            scenarios[i].run();
            printf("%s: ok (%s)\n", names[1], PARK_BACKEND);
            return 0;
        }
    }
    fprintf(stderr, "usage: park_test SCENARIO\n");
    return 2;
}
