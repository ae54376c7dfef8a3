/* What protects an object's state: the GIL where there is one, a byte-sized spinlock and atomic words where not.
 *
 * This is the one header that hides the difference. Compiled with PARK_FREE_THREADED, a guard is a lock and a word is
 * atomic; without it, the caller holds the GIL, a guard is nothing and a word is an ordinary integer.
 *
 * A guard is held for a moment, never while Python code runs or the thread state is detached: a fork, which
 * stops every thread at a safe point first, does not find one locked, and a thread that dies when it attaches holds
 * none. Where two are taken, the order is the condition's before its lock's. */
#ifndef PARK_GUARD_H
#define PARK_GUARD_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#include <sched.h>

#include "delay.h"

/* Lets another thread of the system run. */
static inline void
guard_yield(void)
{
    sched_yield();
}

/* Lets a moment pass in a loop that waits for another core. */
static inline void
guard_pause(void)
{
#if defined(__x86_64__) || defined(__i386__)
    __builtin_ia32_pause();
#elif defined(__aarch64__) || defined(__arm__)
    __asm__ volatile("yield");
#endif
}

#ifdef PARK_FREE_THREADED

typedef _Atomic uint8_t guard;
typedef _Atomic int64_t word;

/* How often to look before letting another thread run: the holder has been preempted, most likely. */
#define GUARD_LOOKS 64

static inline void
guard_lock(guard *self)
{
    unsigned looks = 0;
    while (atomic_exchange_explicit(self, 1, memory_order_acquire)) {
        /* Relaxed: a look, before the exchange that decides. */
        while (atomic_load_explicit(self, memory_order_relaxed)) {
            if (++looks % GUARD_LOOKS == 0) {
                guard_yield();
            }
            else {
                guard_pause();
            }
        }
    }
    delay();
}

static inline void
guard_unlock(guard *self)
{
    delay();
    atomic_store_explicit(self, 0, memory_order_release);
    delay();
}

static inline int64_t
word_load(word *self)
{
    return atomic_load_explicit(self, memory_order_acquire);
}

static inline void
word_store(word *self, int64_t value)
{
    delay();
    atomic_store_explicit(self, value, memory_order_release);
    delay();
}

/* Sets the word to `wanted` if it is `seen`. */
static inline bool
word_replace(word *self, int64_t seen, int64_t wanted)
{
    delay();
    bool replaced = atomic_compare_exchange_strong(self, &seen, wanted);
    delay();
    return replaced;
}

#else

typedef uint8_t guard;
typedef int64_t word;

static inline void
guard_lock(guard *self)
{
    (void)self;
}

static inline void
guard_unlock(guard *self)
{
    (void)self;
}

static inline int64_t
word_load(word *self)
{
    return *self;
}

static inline void
word_store(word *self, int64_t value)
{
    *self = value;
}

static inline bool
word_replace(word *self, int64_t seen, int64_t wanted)
{
    (void)seen;
    *self = wanted;
    return true;
}

#endif

#endif
