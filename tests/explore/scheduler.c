/* The scheduler of the explored world: which thread goes on, and the search through all that could. See explore.h.
 *
 * A schedule is a list of choices. It is run from the start each time, with the choices of the list first and then none:
 * the thread goes on until it cannot. The search then changes the last choice that can be another, depth first. A choice
 * that takes the processor from a thread that could go on costs one of the preemptions that there may be; so does a
 * time-out or signal while others could go on.
 *
 * Two schedules in which each thread has seen the same writes so far have come to the same state, whatever the order in
 * which they did the rest. A state that was searched before with as many preemptions left is not searched again: it is
 * known by a hash of what each thread has seen and what wrote each place last. */
#define _GNU_SOURCE
#include "explore.h"

#include <inttypes.h>
#include <link.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <time.h>
#include <ucontext.h>

#define STACK_SIZE (256 * 1024)
#define TLS_MAX 4096
#define CHOICES_MAX 20000
#define OPTIONS_MAX (3 * EXPLORE_THREADS)
/* How often time may pass because all only look or wait for a deadline, before nobody is believed to get anywhere. */
#define IDLE_AT_MOST 2000
/* How much time passes when all only look, and at each look of an impatient one, which is so for so many of them. */
#define LOOK_TAKES (10 * EXPLORE_MICROSECOND)
#define LOOKS_IMPATIENT 200
#define STEPS_MAX 20000
/* One in so many choices of a random walk is another than to go on. */
#define RANDOM_ONE_IN 6

typedef struct {
    jmp_buf where;
    ucontext_t first;
    void (*run)(void *);
    void *argument;
    char *stack;
    char local[TLS_MAX]; /* its thread-local memory, while another thread runs */
    bool started;
    explore_state state;
    const void *waits_for;
    int64_t deadline;
    bool takes_signals;
    explore_end end;
    uint64_t writes; /* of all, when it began to look */
    int impatient;   /* for so many looks more */
    int (*handler)(void);
    uint64_t past; /* a hash of all that it has seen and done */
} thread;

typedef struct {
    uint8_t thread;
    uint8_t end; /* an explore_end */
    uint8_t cost;
} option;

typedef struct {
    uint8_t chosen;
    uint8_t count;
    uint8_t left; /* preemptions, before this choice */
    option options[OPTIONS_MAX];
} choice;

typedef enum { SCHEDULE_STARTS, SCHEDULE_ENDED, SCHEDULE_KNOWN, SCHEDULE_FAILED } schedule_end;

/* All state of the explorer is here, outside the memory that each schedule sets back. */
static struct {
    char *data, *data_end, *data_at_first;
    char *local, *local_at_first;
    size_t local_size;
    jmp_buf home;
    thread threads[EXPLORE_THREADS];
    int count, current;
    int64_t now;
    uint64_t writes, memory;
    bool receives_signals, finalizing;
    int cores, idle, rescues;
    uint64_t steps, steps_in_all;

    choice choices[CHOICES_MAX];
    int depth, depth_max, replayed;
    int left, preemptions;
    bool random, tracing, restart;
    uint64_t dice, seed;
    uint64_t *known;
    uint64_t known_size, known_count;
    uint64_t schedules;
    char message[512];
} *const X = (void *)0x7e0000000000;

static uint64_t
mix(uint64_t a, uint64_t b)
{
    uint64_t x = (a ^ (b + UINT64_C(0x9E3779B97F4A7C15) + (a << 6) + (a >> 2))) * UINT64_C(0xBF58476D1CE4E5B9);
    x ^= x >> 29;
    x *= UINT64_C(0x94D049BB133111EB);
    return x ^ x >> 32;
}

static void *
map(void *at, size_t size)
{
    void *memory = mmap(at, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    if (memory == MAP_FAILED || (at != NULL && memory != at)) {
        perror("mmap");
        exit(2);
    }
    return memory;
}

/* Ending */

static void
end_schedule(schedule_end end)
{
    longjmp(X->home, end);
}

void
explore_fail(const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(X->message, sizeof(X->message), format, arguments);
    va_end(arguments);
    end_schedule(SCHEDULE_FAILED);
    abort();
}

static const char *
name_of_state(explore_state state)
{
    static const char *const names[] = {"ready",    "waits for a mutex", "waits for a condition",
                                        "sleeps",   "waits for all",     "looks for a change",
                                        "has ended"};
    return names[state];
}

static void
fail_stuck(const char *what)
{
    char list[400] = "";
    for (int i = 0; i < X->count; i++) {
        size_t used = strlen(list);
        snprintf(list + used, sizeof(list) - used, "%s%d %s", i == 0 ? "" : ", ", i,
                 name_of_state(X->threads[i].state));
    }
    explore_fail("%s: %s", what, list);
}

/* What can be chosen */

static bool
all_others_ended(int self)
{
    for (int i = 0; i < X->count; i++) {
        if (i != self && X->threads[i].state != EXPLORE_ENDED) {
            return false;
        }
    }
    return true;
}

static bool
can_go_on(int i)
{
    const thread *t = &X->threads[i];
    switch (t->state) {
    case EXPLORE_READY:
        return true;
    case EXPLORE_FOR_MUTEX:
        return *(const int *)t->waits_for == 0;
    case EXPLORE_FOR_ALL:
        return all_others_ended(i);
    case EXPLORE_FOR_WRITE:
        return X->writes != t->writes;
    default:
        return false;
    }
}

static bool
can_any_go_on(void)
{
    for (int i = 0; i < X->count; i++) {
        if (can_go_on(i)) {
            return true;
        }
    }
    return false;
}

static bool
sleeps(const thread *t)
{
    return t->state == EXPLORE_FOR_CONDITION || t->state == EXPLORE_FOR_FUTEX;
}

static void
add_option(choice *c, int thread, explore_end end, int cost)
{
    if (cost <= X->left || X->random) {
        c->options[c->count++] = (option){(uint8_t)thread, (uint8_t)end, (uint8_t)cost};
    }
}

static int64_t
first_deadline(void)
{
    int64_t first = INT64_MAX;
    for (int i = 0; i < X->count; i++) {
        if (sleeps(&X->threads[i]) && X->threads[i].deadline < first) {
            first = X->threads[i].deadline;
        }
    }
    return first;
}

/* The first option is the one that costs nothing: to go on. */
static void
find_options(choice *c)
{
    int self = X->current;
    bool goes_on = can_go_on(self);
    c->count = 0;
    if (goes_on) {
        add_option(c, self, EXPLORE_WOKEN, 0);
        if (X->left == 0 && !X->random) {
            return;
        }
    }
    for (int i = 0; i < X->count; i++) {
        if (i != self && can_go_on(i)) {
            add_option(c, i, EXPLORE_WOKEN, goes_on);
        }
    }
    bool any = c->count != 0;
    int64_t first = first_deadline();
    for (int i = 0; i < X->count; i++) {
        const thread *t = &X->threads[i];
        if (sleeps(t) && t->takes_signals && t->handler != NULL) {
            add_option(c, i, EXPLORE_SIGNALLED, any);
        }
    }
    for (int i = 0; i < X->count; i++) {
        if (any && i == X->current && X->threads[i].state == EXPLORE_FOR_WRITE) {
            add_option(c, i, EXPLORE_IMPATIENT, 1);
        }
    }
    for (int i = 0; i < X->count; i++) {
        const thread *t = &X->threads[i];
        if (sleeps(t) && t->deadline != INT64_MAX && (any || t->deadline == first)) {
            add_option(c, i, EXPLORE_TIMED_OUT, any && t->deadline > X->now);
        }
    }
}

/* Nobody can go on, but some may look for a change: time passes. */
static void
let_lookers_look(void)
{
    bool any = false;
    for (int i = 0; i < X->count; i++) {
        if (X->threads[i].state == EXPLORE_FOR_WRITE) {
            X->threads[i].writes = X->writes - 1;
            any = true;
        }
    }
    X->now += any ? LOOK_TAKES : 0;
}

/* States that have been searched */

static void
forget_known(void)
{
    if (X->known != NULL) {
        munmap(X->known, X->known_size * sizeof(*X->known));
        X->known = NULL;
    }
}

/* Returns whether the state was searched with as many preemptions left, and notes it if not. */
static bool
is_known(uint64_t state, int left)
{
    uint64_t key = state & ~UINT64_C(7);
    if (2 * X->known_count >= X->known_size) {
        uint64_t size = X->known_size == 0 ? 1 << 16 : 2 * X->known_size, *old = X->known;
        uint64_t *fresh = map(NULL, size * sizeof(*fresh));
        for (uint64_t i = 0; i < X->known_size; i++) {
            uint64_t at = old[i] >> 3;
            while (old[i] != 0 && fresh[at & (size - 1)] != 0) {
                at++;
            }
            if (old[i] != 0) {
                fresh[at & (size - 1)] = old[i];
            }
        }
        forget_known();
        X->known = fresh;
        X->known_size = size;
    }
    key |= key == 0 ? 8 : 0;
    uint64_t at = key >> 3;
    uint64_t *entry;
    while (entry = &X->known[at & (X->known_size - 1)], *entry != 0) {
        if ((*entry & ~UINT64_C(7)) == key) {
            if ((int)(*entry & 7) >= left) {
                return true;
            }
            *entry = key | (uint64_t)left;
            return false;
        }
        at++;
    }
    *entry = key | (uint64_t)left;
    X->known_count++;
    return false;
}

static uint64_t
state_hash(void)
{
    uint64_t hash = mix(X->memory, (uint64_t)X->now) ^ (uint64_t)X->current ^ (uint64_t)X->rescues << 8;
    for (int i = 0; i < X->count; i++) {
        const thread *t = &X->threads[i];
        hash = mix(hash, mix(t->past, (uint64_t)t->state | (uint64_t)(X->writes != t->writes) << 8));
        hash = mix(hash, sleeps(t) ? (uint64_t)t->deadline : (uint64_t)t->impatient);
    }
    return mix(hash, can_go_on(X->current));
}

/* Changing threads */

static void
first_function(void)
{
    thread *t = &X->threads[X->current];
    t->run(t->argument);
    explore_thread_ends();
    t = &X->threads[X->current];
    t->state = EXPLORE_ENDED;
    X->writes++;
    if (X->current == 0) {
        end_schedule(SCHEDULE_ENDED);
    }
    explore_point(NULL);
    abort();
}

static void
resume(int to)
{
    thread *t = &X->threads[to];
    X->current = to;
    memcpy(X->local, t->local, X->local_size);
    if (t->started) {
        longjmp(t->where, 1);
    }
    t->started = true;
    getcontext(&t->first);
    t->first.uc_stack.ss_sp = t->stack;
    t->first.uc_stack.ss_size = STACK_SIZE;
    t->first.uc_link = NULL;
    makecontext(&t->first, first_function, 0);
    setcontext(&t->first);
    abort();
}

static void
switch_to(int to)
{
    thread *from = &X->threads[X->current];
    if (to == X->current) {
        return;
    }
    memcpy(from->local, X->local, X->local_size);
    if (setjmp(from->where) == 0) {
        resume(to);
    }
}

static void
take(const option *taken)
{
    thread *t = &X->threads[taken->thread];
    X->left -= X->random ? 0 : taken->cost;
    X->rescues += taken->end == EXPLORE_TIMED_OUT && !can_any_go_on();
    if (taken->end != EXPLORE_WOKEN) {
        t->end = taken->end;
        t->state = EXPLORE_READY;
        t->past = mix(t->past, taken->end);
        if (taken->end == EXPLORE_TIMED_OUT) {
            X->now = X->now < t->deadline ? t->deadline : X->now;
        }
        if (taken->end == EXPLORE_IMPATIENT) {
            t->impatient = LOOKS_IMPATIENT;
        }
    }
    if (X->tracing && (taken->thread != X->current || taken->end != EXPLORE_WOKEN)) {
        static const char *const ends[] = {"", " (its deadline)", " (a signal)", " (impatient)"};
        printf("    -> %d%s%s\n", taken->thread, ends[taken->end], taken->cost ? " *" : "");
    }
    switch_to(taken->thread);
}

static uint64_t
roll(void)
{
    X->dice ^= X->dice << 13;
    X->dice ^= X->dice >> 7;
    X->dice ^= X->dice << 17;
    return X->dice * UINT64_C(0x2545F4914F6CDD1D) >> 33;
}

static int
choose(choice *c)
{
    if (X->depth < X->replayed) {
        return X->choices[X->depth].chosen;
    }
    if (X->random) {
        return can_go_on(X->current) && roll() % RANDOM_ONE_IN != 0 ? 0 : (int)(roll() % c->count);
    }
    if (is_known(state_hash(), X->left)) {
        end_schedule(SCHEDULE_KNOWN);
    }
    return 0;
}

/* Lets one go on; the caller's thread, sooner or later. */
static void
decide(void)
{
    choice fresh;
    if (!can_any_go_on()) {
        if (X->idle++ > IDLE_AT_MOST) {
            fail_stuck("nobody gets anywhere");
        }
        let_lookers_look();
    }
    find_options(&fresh);
    if (fresh.count == 0) {
        fail_stuck("a wake was lost");
    }
    int chosen = 0;
    if (fresh.count > 1) {
        if (X->depth == CHOICES_MAX) {
            explore_fail("more than %d choices", CHOICES_MAX);
        }
        chosen = choose(&fresh);
        fresh.chosen = (uint8_t)chosen;
        fresh.left = (uint8_t)X->left;
        X->choices[X->depth++] = fresh;
    }
    take(&fresh.options[chosen]);
    thread *self = &X->threads[X->current];
    if (self->state == EXPLORE_FOR_WRITE || self->state == EXPLORE_FOR_ALL) {
        self->state = EXPLORE_READY;
    }
}

/* What the world calls */

void
explore_point(const void *address)
{
    (void)address;
    if (X->steps++ > STEPS_MAX) {
        fail_stuck("it does not end");
    }
    decide();
}

explore_end
explore_sleep(explore_state state, const void *address, int64_t deadline, bool signals)
{
    thread *self = &X->threads[X->current];
    self->state = state;
    self->waits_for = address;
    self->deadline = deadline;
    self->takes_signals = signals;
    self->impatient = 0;
    self->end = EXPLORE_WOKEN;
    decide();
    self = &X->threads[X->current];
    self->state = EXPLORE_READY;
    return self->end;
}

void
explore_wake(explore_state state, const void *address)
{
    for (int i = 0; i < X->count; i++) {
        thread *t = &X->threads[i];
        if (t->state == state && t->waits_for == address) {
            t->state = EXPLORE_READY;
            t->past = mix(t->past, X->threads[X->current].past);
            return;
        }
    }
}

void
explore_pause(void)
{
    thread *self = &X->threads[X->current];
    if (X->steps++ > STEPS_MAX) {
        fail_stuck("it does not end");
    }
    if (self->impatient > 0) {
        self->impatient--;
        X->now += LOOK_TAKES;
        return;
    }
    self->state = EXPLORE_FOR_WRITE;
    self->writes = X->writes;
    decide();
    X->threads[X->current].state = EXPLORE_READY;
}

/* memory.c keeps the version of each place. */
uint64_t *explore_version(const void *address);

void
explore_note(const void *address, bool writes, const char *what, int64_t value, const void *caller)
{
    thread *self = &X->threads[X->current];
    uint64_t *version = explore_version(address);
    X->idle = writes ? 0 : X->idle;
    self->past = mix(self->past, mix((uint64_t)(uintptr_t)caller, *version));
    if (writes) {
        uint64_t place = (uint64_t)(uintptr_t)address;
        X->memory ^= mix(place, *version) ^ mix(place, self->past);
        *version = self->past;
        X->writes++;
    }
    if (X->tracing) {
        printf("%*s%d %-9s %p %" PRId64 " @%p\n", 4 * X->current, "", X->current, what, address, value, caller);
    }
}

void
explore_restart(void)
{
    X->restart = true;
}

void
explore_lock(int *word, const char *what, const void *caller)
{
    explore_point(word);
    while (*word != 0) {
        explore_sleep(EXPLORE_FOR_MUTEX, word, INT64_MAX, false);
    }
    *word = X->current + 1;
    explore_acquire(word);
    explore_note(word, true, what, 0, caller);
}

void
explore_unlock(int *word, const char *what, const void *caller)
{
    explore_point(word);
    if (*word != X->current + 1) {
        explore_fail("%s by %d of what %d has", what, X->current, *word - 1);
    }
    *word = 0;
    explore_release(word, false);
    explore_note(word, true, what, 0, caller);
}

/* What scenarios call */

void
explore_start(void (*run)(void *), void *argument)
{
    if (X->count == EXPLORE_THREADS) {
        explore_fail("too many threads");
    }
    int i = X->count++;
    thread *t = &X->threads[i];
    t->run = run;
    t->argument = argument;
    t->started = false;
    t->state = EXPLORE_READY;
    t->waits_for = NULL;
    t->deadline = INT64_MAX;
    t->handler = NULL;
    t->impatient = 0;
    t->writes = 0;
    t->past = mix(i, i == 0 ? 0 : X->threads[X->current].past);
    memcpy(t->local, X->local_at_first, X->local_size);
    explore_clock_begin(i, i == 0 ? 0 : X->current);
}

void
explore_join_all(void)
{
    X->threads[X->current].state = EXPLORE_FOR_ALL;
    decide();
    explore_clock_join_all(X->current, X->count);
}

int64_t
explore_time(void)
{
    thread *self = &X->threads[X->current];
    self->past = mix(self->past, (uint64_t)X->now);
    return X->now;
}

int
explore_rescues(void)
{
    return X->rescues;
}

void
explore_pass_time(int64_t nanoseconds)
{
    X->now += nanoseconds;
}

int
explore_thread(void)
{
    return X->current;
}

void
explore_send_signal(int (*handler)(void))
{
    X->threads[X->current].handler = handler;
}

void
explore_be_main_thread(void)
{
    X->receives_signals = true;
}

bool
explore_receives_signals(void)
{
    return X->receives_signals && X->current == 0;
}

int
explore_pending_signal(void)
{
    int (*handler)(void) = X->threads[X->current].handler;
    X->threads[X->current].handler = NULL;
    return handler == NULL ? 1 : handler();
}

void
explore_fork(void)
{
    explore_stop_the_world();
    explore_system_fork(true);
    for (int i = 0; i < X->count; i++) {
        if (i != X->current) {
            X->threads[i].state = EXPLORE_ENDED;
            X->threads[i].past = 0;
        }
    }
    explore_clock_join_all(X->current, X->count);
    explore_system_fork(false);
    explore_start_the_world();
}

void
explore_set_cores(int count)
{
    X->cores = count;
}

int
explore_cores(void)
{
    return X->cores;
}

void
explore_finalize(void)
{
    X->finalizing = true;
}

bool
explore_is_finalizing(void)
{
    return X->finalizing;
}

/* The search */

static int
find_local(struct dl_phdr_info *info, size_t size, void *ignored)
{
    (void)size, (void)ignored;
    for (int i = 0; i < info->dlpi_phnum; i++) {
        if (info->dlpi_phdr[i].p_type == PT_TLS) {
            X->local = info->dlpi_tls_data;
            X->local_size = info->dlpi_phdr[i].p_memsz;
        }
    }
    return 1; /* the first is the program */
}

static void
remember_the_beginning(void)
{
    extern char __data_start, _end;
    X->data = &__data_start;
    X->data_end = &_end;
    X->data_at_first = map(NULL, (size_t)(X->data_end - X->data));
    memcpy(X->data_at_first, X->data, (size_t)(X->data_end - X->data));
    dl_iterate_phdr(find_local, NULL);
    if (X->local_size > TLS_MAX) {
        fprintf(stderr, "more thread-local memory than TLS_MAX\n");
        exit(2);
    }
    X->local_at_first = map(NULL, TLS_MAX);
    memcpy(X->local_at_first, X->local, X->local_size);
    for (int i = 0; i < EXPLORE_THREADS; i++) {
        X->threads[i].stack = map(NULL, STACK_SIZE);
    }
}

static void
begin_schedule(void)
{
    memcpy(X->data, X->data_at_first, (size_t)(X->data_end - X->data));
    X->count = X->current = X->depth = X->idle = X->rescues = 0;
    X->now = 1000 * EXPLORE_MILLISECOND;
    X->writes = X->memory = 1;
    X->receives_signals = X->finalizing = false;
    X->cores = 2;
    X->left = X->preemptions;
    X->steps_in_all += X->steps;
    X->steps = 0;
    X->dice = mix(X->seed, X->schedules) | 1;
    explore_memory_begin();
}

static void
run_first(void *scenario)
{
    explore_python_begin();
    ((const explore_scenario *)scenario)->run();
}

static schedule_end
run_schedule(const explore_scenario *scenario)
{
    begin_schedule();
    schedule_end end = (schedule_end)setjmp(X->home);
    if (end == SCHEDULE_STARTS) {
        explore_start(run_first, (void *)(uintptr_t)scenario);
        resume(0);
    }
    X->schedules++;
    return end;
}

static void
begin_search(void)
{
    forget_known();
    X->known_size = X->known_count = 0;
    X->replayed = 0;
    X->restart = false;
}

/* Makes the choices those of the next schedule. Returns whether there is one. */
static bool
go_to_next(void)
{
    if (X->restart) {
        /* A place that one thread seemed to have for itself is seen by others too: so far, no thread was changed there. */
        begin_search();
        return true;
    }
    for (int i = X->depth - 1; i >= 0; i--) {
        choice *c = &X->choices[i];
        if (c->chosen + 1 < c->count) {
            c->chosen++;
            X->replayed = i + 1;
            return true;
        }
    }
    return false;
}

/* The world's clock is another: see system.c. */
int __real_clock_gettime(clockid_t clock, struct timespec *now);

static double
seconds_now(void)
{
    struct timespec now;
    __real_clock_gettime(CLOCK_MONOTONIC, &now);
    return (double)now.tv_sec + 1e-9 * (double)now.tv_nsec;
}

static void
show_failure(const explore_scenario *scenario)
{
    printf("FAILED %s, schedule %" PRIu64 ": %s\n", scenario->name, X->schedules, X->message);
    X->schedules--;
    X->tracing = true;
    X->replayed = X->depth;
    run_schedule(scenario);
    printf("FAILED %s: %s\n", scenario->name, X->message);
}

/* All schedules with at most so many preemptions, until the time is over. */
static schedule_end
search(const explore_scenario *scenario, double end, const char **how)
{
    begin_search();
    do {
        if (run_schedule(scenario) == SCHEDULE_FAILED) {
            return SCHEDULE_FAILED;
        }
        if (X->schedules % 64 == 0 && seconds_now() > end) {
            *how = "stopped";
            return SCHEDULE_KNOWN;
        }
    } while (go_to_next());
    return SCHEDULE_ENDED;
}

/* First those with few: a fault is shown by the simplest schedule that has it. */
static schedule_end
search_deeper_and_deeper(const explore_scenario *scenario, int preemptions, double end, const char **how)
{
    schedule_end result = SCHEDULE_ENDED;
    for (X->preemptions = 0; X->preemptions <= preemptions; X->preemptions++) {
        result = search(scenario, end, how);
        if (result != SCHEDULE_ENDED) {
            return result;
        }
    }
    X->preemptions = preemptions;
    return result;
}

static schedule_end
walk(const explore_scenario *scenario, uint64_t schedules)
{
    while (X->schedules < schedules) {
        X->replayed = 0;
        if (run_schedule(scenario) == SCHEDULE_FAILED) {
            return SCHEDULE_FAILED;
        }
    }
    return SCHEDULE_ENDED;
}

static int
explore(const explore_scenario *scenario, int preemptions, uint64_t schedules, double seconds)
{
    double began = seconds_now();
    const char *how = X->random ? "random" : "all";
    schedule_end end =
        X->random ? walk(scenario, schedules) : search_deeper_and_deeper(scenario, preemptions, began + seconds, &how);
    if (end == SCHEDULE_FAILED) {
        show_failure(scenario);
        return 1;
    }
    printf("%s %s preemptions=%d seed=%" PRIu64 " schedules=%" PRIu64 " states=%" PRIu64 " steps=%" PRIu64
           " seconds=%.2f\n",
           scenario->name, how, X->preemptions, X->seed, X->schedules, X->known_count, X->steps_in_all + X->steps,
           seconds_now() - began);
    return 0;
}

/* explore --list, or SCENARIO PREEMPTIONS SECONDS, or SCENARIO random SEED SCHEDULES */
int
main(int count, char **arguments)
{
    map(X, sizeof(*X));
    remember_the_beginning();
    for (const explore_scenario *s = explore_scenarios; s->name != NULL; s++) {
        if (count == 2) {
            puts(s->name);
        }
        else if (count >= 4 && strcmp(s->name, arguments[1]) == 0) {
            X->random = strcmp(arguments[2], "random") == 0;
            int preemptions = X->random ? 0 : atoi(arguments[2]);
            X->seed = X->random ? strtoull(arguments[3], NULL, 10) : 0;
            uint64_t schedules = X->random && count > 4 ? strtoull(arguments[4], NULL, 10) : 1;
            return explore(s, preemptions, schedules, strtod(arguments[3], NULL));
        }
    }
    return count == 2 ? 0 : 2;
}
