/* What the compiler puts before each access to memory, for -fsanitize=thread, and what is checked there. See explore.h.
 *
 * - Data races, by vector clocks: a plain access must come after the last plain write of another thread, and a plain write
 *   after its plain reads, by way of releases and acquires.
 * - Memory that was freed.
 * - The word of waitqueue.h: nobody but its own thread touches a waiter after it was GRANTED, its parker excepted, and with
 *   a GIL whoever has that. */
#define _GNU_SOURCE
#include "explore.h"

#include <inttypes.h>
#include <stddef.h>
#include <string.h>

#include "park/waiter.h"

#define ARENA_SIZE (128 * 1024)
#define STATICS_MAX (256 * 1024)
#define WAITERS_MAX 32
#define ALIGNMENT 16

typedef struct {
    uint32_t at[EXPLORE_THREADS];
} clock_vector;

typedef struct {
    uint64_t schedule; /* the rest is of this one */
    uint64_t version;
    clock_vector released;
    clock_vector read; /* when each thread last did */
    uint32_t written;  /* when, by the writer's clock */
    uint8_t writer;
    const void *writer_at, *reader_at;
} place;

typedef struct {
    bool granted;
    int owner;
} waiter_facts;

static struct {
    place places[ARENA_SIZE + STATICS_MAX];
    uint8_t seen_by[ARENA_SIZE + STATICS_MAX]; /* 0: nobody, a thread + 1, or SHARED; kept from schedule to schedule */
    bool freed[ARENA_SIZE];
    uint8_t waiter_at[ARENA_SIZE]; /* the number of a waiter, from 1 on */
    waiter_facts waiters[WAITERS_MAX];
    char *waiter_start[WAITERS_MAX];
    clock_vector clocks[EXPLORE_THREADS];
    uint64_t schedule;
    char *arena;
    size_t used;
    int waiter_count;
    char memory[ARENA_SIZE] __attribute__((aligned(64)));
} *const M = (void *)0x7d0000000000;

#define SHARED 255

extern char __data_start, _end;
void explore_restart(void);

#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>

void
explore_memory_begin(void)
{
    if (M->schedule == 0 || M->used != 0) {
        memset(M->memory, 0, M->used);
        memset(M->freed, 0, M->used);
        memset(M->waiter_at, 0, M->used);
    }
    M->used = 0;
    M->waiter_count = 0;
    M->schedule++;
}

__attribute__((constructor)) static void
map_memory(void)
{
    void *memory = mmap(M, sizeof(*M), PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    if (memory != M || &_end - &__data_start > STATICS_MAX) {
        fprintf(stderr, "no memory for the explored world\n");
        exit(2);
    }
}

/* The place's number, or -1: the thread's own stack and thread-local memory. */
static inline ptrdiff_t
number_of(const void *address)
{
    const char *at = address;
    if (at >= M->memory && at < M->memory + ARENA_SIZE) {
        return at - M->memory;
    }
    if (at >= &__data_start && at < &_end) {
        return ARENA_SIZE + (at - &__data_start);
    }
    return -1;
}

static place *
place_of(ptrdiff_t number)
{
    place *p = &M->places[number];
    if (p->schedule != M->schedule) {
        memset(p, 0, sizeof(*p));
        p->schedule = M->schedule;
    }
    return p;
}

/* Places of the explorer's own (the interpreter's lock): kept like the others. */
static place *
place_at(const void *address)
{
    ptrdiff_t number = number_of(address);
    if (number < 0) {
        explore_fail("%p is shared by threads and in no known memory", address);
    }
    return place_of(number);
}

uint64_t *
explore_version(const void *address)
{
    return &place_at(address)->version;
}

/* Clocks */

static void
join(clock_vector *into, const clock_vector *other)
{
    for (int i = 0; i < EXPLORE_THREADS; i++) {
        into->at[i] = into->at[i] > other->at[i] ? into->at[i] : other->at[i];
    }
}

void
explore_clock_begin(int thread, int starter)
{
    if (thread == 0) {
        memset(M->clocks, 0, sizeof(M->clocks));
    }
    M->clocks[thread] = M->clocks[starter];
    M->clocks[thread].at[thread]++;
    M->clocks[starter].at[starter]++;
}

void
explore_clock_join_all(int thread, int count)
{
    for (int i = 0; i < count; i++) {
        join(&M->clocks[thread], &M->clocks[i]);
    }
}

void
explore_acquire(const void *address)
{
    join(&M->clocks[explore_thread()], &place_at(address)->released);
}

void
explore_release(const void *address, bool keeps_earlier)
{
    int self = explore_thread();
    place *p = place_at(address);
    if (!keeps_earlier) {
        memset(&p->released, 0, sizeof(p->released));
    }
    join(&p->released, &M->clocks[self]);
    M->clocks[self].at[self]++;
}

void
explore_relax(const void *address)
{
    place *p = place_at(address);
    memset(&p->released, 0, sizeof(p->released));
}

/* Allocation */

static void *
allocate(size_t size, size_t part)
{
    size_t rounded = (size + ALIGNMENT - 1) / ALIGNMENT * ALIGNMENT;
    if (M->used + rounded > ARENA_SIZE) {
        explore_fail("the arena is full");
    }
    char *memory = M->memory + M->used;
    M->used += rounded;
    if (part == sizeof(waiter)) {
        /* calloc(1, sizeof(waiter)): an array of them counts too. */
        for (size_t at = 0; at + part <= size; at += part) {
            if (M->waiter_count + 1 == WAITERS_MAX) {
                explore_fail("too many waiters");
            }
            int number = ++M->waiter_count;
            memset(&M->waiter_at[memory + at - M->memory], number, part);
            M->waiters[number] = (waiter_facts){.granted = false, .owner = explore_thread()};
            M->waiter_start[number] = memory + at;
        }
    }
    return memory;
}

void *
explore_allocate(uint64_t size)
{
    return allocate(size, 0);
}

void *
__wrap_calloc(size_t count, size_t size)
{
    return allocate(count * size, size);
}

void *
__wrap_malloc(size_t size)
{
    return allocate(size, size);
}

/* Its end is that of what was allocated with it, as far as it matters: the first bytes are enough to be found out. */
void
explore_free(void *memory)
{
    ptrdiff_t number = number_of(memory);
    if (memory != NULL && number >= 0 && number < ARENA_SIZE) {
        memset(&M->freed[number], true, ALIGNMENT);
    }
}

void
__wrap_free(void *memory)
{
    explore_free(memory);
}

/* Checks */

static void
check_place(ptrdiff_t number, const void *address, const void *caller)
{
    if (number >= ARENA_SIZE) {
        return;
    }
    if (M->freed[number]) {
        explore_fail("%p is used after it was freed @%p", address, caller);
    }
    int which = M->waiter_at[number];
    if (which == 0 || !M->waiters[which].granted || M->waiters[which].owner == explore_thread()) {
        return;
    }
    size_t offset = (size_t)((const char *)address - M->waiter_start[which]);
    bool parker =
        offset >= offsetof(waiter, parker) && offset < offsetof(waiter, parker) + sizeof(((waiter *)0)->parker);
    if (offset == offsetof(waiter, outer)) {
        /* The link in the list of spare ones: who reads it takes it over from there. */
        M->waiters[which] = (waiter_facts){.granted = false, .owner = explore_thread()};
    }
    else if (!parker && !explore_has_interpreter()) {
        explore_fail("a waiter is touched after it was granted, offset %zu @%p", offset, caller);
    }
}

static void
note_state(ptrdiff_t number, const void *address, int64_t value)
{
    int which = number < ARENA_SIZE ? M->waiter_at[number] : 0;
    if (which == 0 || (const char *)address - M->waiter_start[which] != offsetof(waiter, state)) {
        return;
    }
    if (value == WAITER_GRANTED) {
        M->waiters[which].granted = true;
    }
    else if (value == WAITER_WAITING) {
        M->waiters[which] = (waiter_facts){.granted = false, .owner = explore_thread()};
    }
}

static void
plain(const void *address, bool writes, const void *caller)
{
    ptrdiff_t number = number_of(address);
    if (number < 0) {
        return;
    }
    check_place(number, address, caller);
    place *p = place_of(number);
    int self = explore_thread();
    clock_vector *now = &M->clocks[self];
    if (p->written > now->at[p->writer] && p->writer != self) {
        explore_fail("data race: %s of %p by %d @%p and write by %d @%p", writes ? "write" : "read", address, self,
                     caller, p->writer, p->writer_at);
    }
    if (writes) {
        for (int i = 0; i < EXPLORE_THREADS; i++) {
            if (i != self && p->read.at[i] > now->at[i]) {
                explore_fail("data race: write of %p by %d @%p and read by %d @%p", address, self, caller, i,
                             p->reader_at);
            }
        }
        p->written = now->at[self];
        p->writer = (uint8_t)self;
        p->writer_at = caller;
    }
    else {
        p->read.at[self] = now->at[self];
        p->reader_at = caller;
    }
}

/* Before an atomic operation. Threads are changed only at places that more than one of them uses. Returns whether the
 * place is one that others can see. */
static bool
atomic_begins(const void *address, const void *caller)
{
    ptrdiff_t number = number_of(address);
    if (number < 0) {
        return false;
    }
    uint8_t self = (uint8_t)(explore_thread() + 1);
    uint8_t *seen = &M->seen_by[number];
    if (*seen == 0) {
        *seen = self;
    }
    else if (*seen != self && *seen != SHARED) {
        *seen = SHARED;
        explore_restart();
    }
    if (*seen == SHARED) {
        explore_point(address);
    }
    check_place(number, address, caller);
    return true;
}

static void
atomic_ends(const void *address, int order, bool reads, bool writes, const char *what, int64_t value,
            const void *caller)
{
    order &= 0x7fff;
    if (reads && (order == __ATOMIC_ACQUIRE || order == __ATOMIC_CONSUME || order >= __ATOMIC_ACQ_REL)) {
        explore_acquire(address);
    }
    if (writes && order >= __ATOMIC_RELEASE) {
        explore_release(address, reads);
    }
    else if (writes && !reads) {
        explore_relax(address);
    }
    if (writes) {
        note_state(number_of(address), address, value);
    }
    explore_note(address, writes, what, value, caller);
}

#define CALLER __builtin_return_address(0)

#define PLAIN(size)                            \
    void __tsan_read##size(void *a)            \
    {                                          \
        plain(a, false, CALLER);               \
    }                                          \
    void __tsan_write##size(void *a)           \
    {                                          \
        plain(a, true, CALLER);                \
    }                                          \
    void __tsan_unaligned_read##size(void *a)  \
    {                                          \
        plain(a, false, CALLER);               \
    }                                          \
    void __tsan_unaligned_write##size(void *a) \
    {                                          \
        plain(a, true, CALLER);                \
    }

/* clang-format off */
PLAIN(1) PLAIN(2) PLAIN(4) PLAIN(8) PLAIN(16)

void __tsan_init(void) {}
void __tsan_func_entry(void *caller) { (void)caller; }
void __tsan_func_exit(void) {}
void __tsan_read_range(void *a, size_t size) { (void)size; plain(a, false, CALLER); }
void __tsan_write_range(void *a, size_t size) { (void)size; plain(a, true, CALLER); }

#define ATOMIC_OPERATION(bits, name, expression)                              \
    int##bits##_t __tsan_atomic##bits##_##name(volatile int##bits##_t *a, int##bits##_t v, int order) \
    {                                                                         \
        bool seen = atomic_begins((void *)a, CALLER);                         \
        int##bits##_t old = *a;                                               \
        *a = (int##bits##_t)(expression);                                     \
        if (seen) {                                                           \
            atomic_ends((void *)a, order, true, true, #name, *a, CALLER);     \
        }                                                                     \
        return old;                                                           \
    }

#define ATOMIC_COMPARE(bits, name)                                            \
    int __tsan_atomic##bits##_##name(volatile int##bits##_t *a, int##bits##_t *expected, int##bits##_t v, int order, \
                                     int failure)                             \
    {                                                                         \
        bool seen = atomic_begins((void *)a, CALLER);                         \
        int##bits##_t old = *a;                                               \
        bool same = old == *expected;                                         \
        if (same) {                                                           \
            *a = v;                                                           \
        }                                                                     \
        *expected = old;                                                      \
        if (seen) {                                                           \
            atomic_ends((void *)a, same ? order : failure, true, same, same ? "replace" : "replace-", *a, CALLER); \
        }                                                                     \
        return same;                                                          \
    }

#define ATOMIC(bits)                                                          \
    int##bits##_t __tsan_atomic##bits##_load(const volatile int##bits##_t *a, int order) \
    {                                                                         \
        bool seen = atomic_begins((void *)a, CALLER);                         \
        int##bits##_t value = *a;                                             \
        if (seen) {                                                           \
            atomic_ends((void *)a, order, true, false, "load", value, CALLER); \
        }                                                                     \
        return value;                                                         \
    }                                                                         \
    void __tsan_atomic##bits##_store(volatile int##bits##_t *a, int##bits##_t v, int order) \
    {                                                                         \
        bool seen = atomic_begins((void *)a, CALLER);                         \
        *a = v;                                                               \
        if (seen) {                                                           \
            atomic_ends((void *)a, order, false, true, "store", v, CALLER);   \
        }                                                                     \
    }                                                                         \
    ATOMIC_OPERATION(bits, exchange, v)                                       \
    ATOMIC_OPERATION(bits, fetch_add, old + v)                                \
    ATOMIC_OPERATION(bits, fetch_sub, old - v)                                \
    ATOMIC_OPERATION(bits, fetch_or, old | v)                                 \
    ATOMIC_OPERATION(bits, fetch_and, old & v)                                \
    ATOMIC_OPERATION(bits, fetch_xor, old ^ v)                                \
    ATOMIC_COMPARE(bits, compare_exchange_strong)                             \
    ATOMIC_COMPARE(bits, compare_exchange_weak)

ATOMIC(8) ATOMIC(16) ATOMIC(32) ATOMIC(64)

void __tsan_atomic_thread_fence(int order) { (void)order; }
void __tsan_atomic_signal_fence(int order) { (void)order; }
/* clang-format on */
