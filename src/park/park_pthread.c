/* Parking on a pthread mutex and condition variable: any POSIX system. See park.h.
 *
 * pthread_cond_wait does not return when a signal handler has run: only the slices tell. */
#ifndef _GNU_SOURCE
#define _GNU_SOURCE /* pthread_condattr_setclock */
#endif
#include "delay.h"
#include "park.h"

#ifdef PARK_BACKEND_PTHREAD

#include <errno.h>

int
parker_init(parker *self)
{
    self->token = self->sleeps = false;
    int error = pthread_mutex_init(&self->mutex, NULL);
    if (error != 0) {
        return error;
    }
#ifdef __APPLE__
    error = pthread_cond_init(&self->condition, NULL);
#else
    pthread_condattr_t attributes;
    error = pthread_condattr_init(&attributes);
    if (error == 0) {
        error = pthread_condattr_setclock(&attributes, CLOCK_MONOTONIC);
        if (error == 0) {
            error = pthread_cond_init(&self->condition, &attributes);
        }
        pthread_condattr_destroy(&attributes);
    }
#endif
    if (error != 0) {
        pthread_mutex_destroy(&self->mutex);
    }
    return error;
}

void
parker_renew(parker *self)
{
    /* The mutex may be locked for ever here. It held nothing that would have to be given back. */
    (void)parker_init(self);
    self->token = true;
}

void
parker_reset(parker *self)
{
    pthread_mutex_lock(&self->mutex);
    self->token = false;
    pthread_mutex_unlock(&self->mutex);
}

static bool
read_flag(parker *self, const bool *flag)
{
    pthread_mutex_lock(&self->mutex);
    bool value = *flag;
    pthread_mutex_unlock(&self->mutex);
    return value;
}

bool
parker_has_token(parker *self)
{
    return read_flag(self, &self->token);
}

bool
parker_sleeps(parker *self)
{
    return read_flag(self, &self->sleeps);
}

/* Waits for a signal on the condition until the deadline, with the mutex held. Returns 0 or an errno value. */
static int
condition_wait(parker *self, int64_t deadline)
{
    if (deadline == PARK_FOREVER) {
        return pthread_cond_wait(&self->condition, &self->mutex);
    }
#ifdef __APPLE__
    int64_t left = deadline - park_now();
    if (left <= 0) {
        return ETIMEDOUT;
    }
    struct timespec until;
    park_deadline_to_timespec(left, &until);
    return pthread_cond_timedwait_relative_np(&self->condition, &self->mutex, &until);
#else
    struct timespec until;
    park_deadline_to_timespec(deadline, &until);
    return pthread_cond_timedwait(&self->condition, &self->mutex, &until);
#endif
}

park_result
parker_park(parker *self, int64_t deadline)
{
    int64_t wake_at = park_slice_end(deadline);
    pthread_mutex_lock(&self->mutex);
    int error = 0;
    self->sleeps = true;
    while (!self->token && error == 0) {
        error = condition_wait(self, wake_at);
    }
    delay();
    bool token = self->token;
    self->token = self->sleeps = false;
    pthread_mutex_unlock(&self->mutex);
    delay();
    if (token) {
        return PARK_UNPARKED;
    }
    if (error != ETIMEDOUT) {
        return park_refused(deadline);
    }
    return wake_at == deadline ? PARK_TIMED_OUT : PARK_INTERRUPTED;
}

void
parker_unpark(parker *self)
{
    delay();
    pthread_mutex_lock(&self->mutex);
    self->token = true;
    delay();
    /* Under the mutex: the parked thread cannot be gone before the signal. */
    pthread_cond_signal(&self->condition);
    pthread_mutex_unlock(&self->mutex);
}

#endif
