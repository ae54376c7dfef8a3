/* The slower half of waitqueue.h. */
#include "waitqueue.h"

#include "admission.h"

void
waitqueues_after_fork(void)
{
    /* Innermost waits are the latest, so each goes in front of those found before. Relaxed: there is one thread. */
    for (waiter *w = waiter_innermost(); w != NULL; w = w->outer) {
        waitqueue *queue = atomic_load_explicit(&w->queue, memory_order_relaxed);
        if (queue == NULL) {
            continue;
        }
        if (queue->generation != waiter_generation) {
            waitqueue_set_last(queue, NULL);
        }
        waitqueue_add_first(queue, w);
    }
}

size_t
waitqueue_count(const waitqueue *self)
{
    size_t count = 0;
    const waiter *first = waitqueue_first(self);
    for (const waiter *w = first; w != NULL; w = w->next == first ? NULL : w->next) {
        count++;
    }
    return count;
}

waiter *
waitqueue_take_all(waitqueue *self)
{
    waiter *first = waitqueue_first(self);
    if (first == NULL) {
        return NULL;
    }
    waitqueue_last(self)->next = NULL;
    waitqueue_set_last(self, NULL);
    for (waiter *w = first; w != NULL; w = w->next) {
        /* Relaxed: guarded by the queue. */
        atomic_store_explicit(&w->queue, NULL, memory_order_relaxed);
    }
    return first;
}

void
waiter_wake(waiter *w)
{
    if (admission_lets_come(w)) {
        parker_unpark(&w->parker);
    }
}

void
waiter_grant(waiter *w, int outcome)
{
    w->outcome = outcome;
    /* Before the last word: after it the thread may be in another wait. But for the unpark: a parker outlives that. */
    bool comes = admission_lets_come(w);
    delay();
    atomic_store_explicit(&w->state, WAITER_GRANTED, memory_order_release);
    delay();
    if (comes) {
        parker_unpark(&w->parker);
    }
}

/* Those that look for their turn are told first: they can go on at once, and others wake up meanwhile. */
void
waiters_grant_each(waiter *first)
{
    waiter *asleep = NULL;
    waiter **end = &asleep;
    while (first != NULL) {
        /* Once granted, the waiter may be in another wait, and in another queue, at once. */
        waiter *next = first->next;
        if (parker_sleeps(&first->parker)) {
            *end = first;
            end = &first->next;
        }
        else {
            waiter_grant(first, first->outcome);
        }
        first = next;
    }
    *end = NULL;
    while (asleep != NULL) {
        waiter *next = asleep->next;
        waiter_grant(asleep, asleep->outcome);
        asleep = next;
    }
}

void
waiters_grant(waiter *first, int outcome)
{
    for (waiter *w = first; w != NULL; w = w->next) {
        w->outcome = outcome;
    }
    waiters_grant_each(first);
}
