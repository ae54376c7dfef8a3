/* The waiting half of permits.h. */
#include "permits.h"

/* Wakes as many of the first waiters as there are permits. The queue is locked. */
static void
wake_first(permits *self)
{
    waiter *first = waitqueue_first(&self->queue);
    waiter *w = first;
    for (int64_t count = permits_count(self); w != NULL && count > 0; count--) {
        if (w->state == WAITER_WAITING) {
            w->state = WAITER_WOKEN;
            parker_unpark(&w->parker);
        }
        w = w->next == first ? NULL : w->next;
    }
}

/* Sets or clears CONTENDED to say whether the queue is empty. The queue is locked. */
static void
update_contended(permits *self)
{
    for (;;) {
        int64_t seen = word_load(&self->word);
        int64_t wanted = self->queue.last == NULL ? seen & ~(int64_t)PERMITS_CONTENDED : seen | PERMITS_CONTENDED;
        if (word_replace(&self->word, seen, wanted)) {
            return;
        }
    }
}

/* Takes a permit, or joins the queue. The queue is locked. CONTENDED is set first: who gives a permit after the failed
 * attempt finds it. Returns whether a permit was taken. */
static bool
take_or_join(permits *self, waiter *w, void (*join)(waitqueue *, waiter *))
{
    join(&self->queue, w);
    update_contended(self);
    if (!permits_try_take(self)) {
        return false;
    }
    waitqueue_remove(&self->queue, w);
    update_contended(self);
    return true;
}

static void
leave(permits *self, waiter *w)
{
    waitqueue_remove(&self->queue, w);
    update_contended(self);
    wake_first(self);
}

/* After a park, one look at how things stand. The queue is locked. Returns whether the waiter has its permit. */
static bool
take_if_possible(permits *self, waiter *w)
{
    if (w->state == WAITER_GRANTED) {
        return true;
    }
    if (permits_try_take(self)) {
        leave(self, w);
        return true;
    }
    w->state = WAITER_WAITING;
    return false;
}

/* Runs the signal handlers, with the waiter out of the queue; puts it back in front. Returns 1 when it has its permit,
 * 0 when it waits, -1 with an exception set and no permit. */
static int
run_handlers(permits *self, waiter *w)
{
    waitqueue_lock(&self->queue);
    bool granted = w->state == WAITER_GRANTED;
    if (!granted) {
        w->state = WAITER_WAITING;
        leave(self, w);
    }
    waitqueue_unlock(&self->queue);
    if (PyErr_CheckSignals() < 0) {
        if (granted) {
            permits_give(self, 1);
        }
        return -1;
    }
    if (granted) {
        return 1;
    }
    waitqueue_lock(&self->queue);
    bool taken = take_or_join(self, w, waitqueue_add_first);
    waitqueue_unlock(&self->queue);
    return taken;
}

/* Waits in the queue. Returns as permits_take; the waiter is in no queue then. */
static int
wait_in_queue(permits *self, waiter *w, int64_t deadline)
{
    for (;;) {
        park_result result = wait_park(w, deadline);
        if (result == PARK_INTERRUPTED) {
            int outcome = run_handlers(self, w);
            if (outcome != 0) {
                return outcome;
            }
            continue;
        }
        waitqueue_lock(&self->queue);
        bool taken = take_if_possible(self, w);
        if (!taken && result == PARK_TIMED_OUT) {
            leave(self, w);
        }
        waitqueue_unlock(&self->queue);
        if (taken || result == PARK_TIMED_OUT) {
            return taken;
        }
    }
}

int
permits_take_slow(permits *self, int64_t deadline)
{
    if (deadline == 0) {
        return 0;
    }
    waiter *w = wait_begin();
    if (w == NULL) {
        return -1;
    }
    waitqueue_lock(&self->queue);
    int outcome = take_or_join(self, w, waitqueue_add);
    waitqueue_unlock(&self->queue);
    if (outcome == 0) {
        outcome = wait_in_queue(self, w, deadline);
    }
    waiter_end(w);
    return outcome;
}

/* Returns `exception`, with `earlier` as its context if there is one. Steals both. */
static PyObject *
chain(PyObject *exception, PyObject *earlier)
{
    if (exception == earlier) {
        Py_DECREF(earlier);
    }
    else if (earlier != NULL) {
        PyException_SetContext(exception, earlier);
    }
    return exception;
}

int
permits_take_always(permits *self, waiter *w)
{
    PyObject *exception = NULL;
    waitqueue_lock(&self->queue);
    bool taken = false;
    if (w->state != WAITER_GRANTED && !waitqueue_has(&self->queue, w)) {
        w->state = WAITER_WAITING;
        w->since = WAITER_SINCE_LATER;
        taken = take_or_join(self, w, waitqueue_add);
    }
    else {
        taken = take_if_possible(self, w);
    }
    waitqueue_unlock(&self->queue);
    while (!taken) {
        int outcome = wait_in_queue(self, w, PARK_FOREVER);
        taken = outcome == 1;
        if (outcome < 0) {
            exception = chain(PyErr_GetRaisedException(), exception);
            w->state = WAITER_WAITING;
            waitqueue_lock(&self->queue);
            taken = take_or_join(self, w, waitqueue_add_first);
            waitqueue_unlock(&self->queue);
        }
    }
    if (exception == NULL) {
        return 0;
    }
    PyErr_SetRaisedException(exception);
    return -1;
}

static void
add(permits *self, int64_t count)
{
    for (;;) {
        int64_t seen = word_load(&self->word);
        if (word_replace(&self->word, seen, seen + count * PERMITS_ONE)) {
            return;
        }
    }
}

static bool
has_waited_long(waiter *w)
{
    int64_t now = park_now();
    if (w->since == WAITER_SINCE_LATER) {
        w->since = now;
    }
    /* At the interpreter's end the waiter may be a thread that never runs again: it must try for itself. */
    return now - w->since >= PERMITS_FAIR_AFTER && !Py_IsFinalizing();
}

void
permits_give_slow(permits *self, int64_t count)
{
    waitqueue_lock(&self->queue);
    waiter *granted = NULL;
    waiter *first = waitqueue_first(&self->queue);
    if (count == 1 && first != NULL && has_waited_long(first)) {
        granted = first;
        waitqueue_remove(&self->queue, first);
    }
    else {
        add(self, count);
    }
    update_contended(self);
    wake_first(self);
    if (granted != NULL) {
        waiter_grant(granted, 0);
    }
    waitqueue_unlock(&self->queue);
}

void
permits_join(permits *self, waiter *w)
{
    w->since = WAITER_SINCE_LATER;
    waitqueue_lock(&self->queue);
    waitqueue_add(&self->queue, w);
    update_contended(self);
    wake_first(self);
    waitqueue_unlock(&self->queue);
}

void
permits_set(permits *self, int64_t count)
{
    waitqueue_lock(&self->queue);
    for (;;) {
        int64_t seen = word_load(&self->word);
        if (word_replace(&self->word, seen, count * PERMITS_ONE | (seen & PERMITS_CONTENDED))) {
            break;
        }
    }
    update_contended(self);
    wake_first(self);
    waitqueue_unlock(&self->queue);
}
