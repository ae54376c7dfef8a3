/* Parking on a Linux futex: interruptible by signals, absolute deadlines on the monotonic clock. See park.h.
 *
 * The word is EMPTY, PARKED or TOKEN:
 *
 *     EMPTY  -- park -->    PARKED    the owner announces that it sleeps; only then does unpark need the kernel
 *     any    -- unpark -->  TOKEN
 *     TOKEN  -- park -->    EMPTY     taken
 *     PARKED -- deadline or signal --> EMPTY */
#ifndef _GNU_SOURCE
#define _GNU_SOURCE /* syscall */
#endif
#include "delay.h"
#include "park.h"

#ifdef PARK_BACKEND_FUTEX

#include <errno.h>
#include <limits.h>
#include <linux/futex.h>
#include <sys/syscall.h>
#include <unistd.h>

enum { EMPTY, PARKED, TOKEN };

/* Where long is too short for the time_t of struct timespec, the call that was there first wants a shorter one. */
#ifdef SYS_futex_time64
#ifndef SYS_futex
#define SYS_futex SYS_futex_time64
#endif
#define FUTEX (sizeof(time_t) > sizeof(long) ? SYS_futex_time64 : SYS_futex)
#else
#define FUTEX SYS_futex
#endif

int
parker_init(parker *self)
{
    atomic_init(&self->word, EMPTY);
    return 0;
}

void
parker_renew(parker *self)
{
    /* Relaxed: there is one thread. */
    atomic_store_explicit(&self->word, TOKEN, memory_order_relaxed);
}

void
parker_reset(parker *self)
{
    /* Relaxed: there is nothing to tell. An unpark that comes now is of an earlier wait, and wakes for nothing. */
    atomic_store_explicit(&self->word, EMPTY, memory_order_relaxed);
}

bool
parker_has_token(parker *self)
{
    return atomic_load_explicit(&self->word, memory_order_acquire) == TOKEN;
}

bool
parker_sleeps(parker *self)
{
    /* Relaxed: a hint. */
    return atomic_load_explicit(&self->word, memory_order_relaxed) == PARKED;
}

/* Sleeps while the word is PARKED. Returns 0 or an errno value. */
static int
futex_wait(_Atomic uint32_t *word, int64_t deadline)
{
    struct timespec until;
    struct timespec *timeout = NULL;
    if (deadline != PARK_FOREVER) {
        park_deadline_to_timespec(deadline, &until);
        timeout = &until;
    }
    /* FUTEX_WAIT_BITSET and not FUTEX_WAIT: its timeout is absolute, on the monotonic clock. */
    long result = syscall(FUTEX, word, FUTEX_WAIT_BITSET_PRIVATE, PARKED, timeout, NULL, FUTEX_BITSET_MATCH_ANY);
    return result == 0 ? 0 : errno;
}

park_result
parker_park(parker *self, int64_t deadline)
{
    uint32_t seen = EMPTY;
    if (!atomic_compare_exchange_strong(&self->word, &seen, PARKED)) {
        /* An exchange and no store: it reads the token, and so sees all that came before it. */
        atomic_exchange(&self->word, EMPTY);
        return PARK_UNPARKED;
    }
    int64_t wake_at = park_slice_end(deadline);
    delay();
    int error = futex_wait(&self->word, wake_at);
    delay();
    if (atomic_exchange(&self->word, EMPTY) == TOKEN) {
        return PARK_UNPARKED;
    }
    switch (error) {
    case ETIMEDOUT:
        return wake_at == deadline ? PARK_TIMED_OUT : PARK_INTERRUPTED;
    case EINTR:
        return PARK_INTERRUPTED;
    case 0:
    case EAGAIN:
        return PARK_UNPARKED;
    default:
        return park_refused(deadline);
    }
}

void
parker_unpark(parker *self)
{
    delay();
    if (atomic_exchange(&self->word, TOKEN) == PARKED) {
        delay();
        syscall(FUTEX, &self->word, FUTEX_WAKE_PRIVATE, 1, NULL, NULL, 0);
    }
}

#endif
