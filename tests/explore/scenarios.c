/* The scenarios: a few threads each, which do a few things with one primitive, and what must hold whatever the schedule.
 *
 * That nobody sleeps for ever, that there is no data race, and that no waiter is touched after it was granted is checked
 * by the explorer itself. Each scenario is run by the first thread, without the interpreter. */
#include "explore.h"
#include "park/admission.h"
#include "sync.h"

#define CHECK EXPLORE_CHECK

/* No wake may need the passing of time: what heals after a while is found as well as what is stuck. */
static void
check_nobody_was_late(void)
{
    CHECK(explore_rescues() == 0, "somebody was woken late");
}

static void
python(void (*work)(void *), void *argument)
{
    explore_enter_python();
    work(argument);
    explore_leave_python();
}

/* The parker */

static parker one_parker;
static int plain_value;

static void
unpark_it(void *ignored)
{
    (void)ignored;
    plain_value = 1;
    parker_unpark(&one_parker);
}

static void
token_carries_what_came_before(void)
{
    parker_init(&one_parker);
    explore_start(unpark_it, NULL);
    while (parker_park(&one_parker, PARK_FOREVER) != PARK_UNPARKED) {
    }
    CHECK(plain_value == 1, "the token came before the value");
    explore_join_all();
}

/* A deadline that passes leaves the token for the next park, if it came at that moment. */
static void
token_outlives_a_deadline(void)
{
    parker_init(&one_parker);
    explore_start(unpark_it, NULL);
    bool got = parker_park(&one_parker, explore_time() + EXPLORE_MILLISECOND) == PARK_UNPARKED;
    got |= parker_park(&one_parker, explore_time() + EXPLORE_MILLISECOND) == PARK_UNPARKED;
    explore_join_all();
    CHECK(got || parker_has_token(&one_parker), "the token is lost");
}

/* Permits: a lock, a semaphore */

static permits some;
static int guarded;
static int taken_count;
static _Atomic int gave_up;

static void
check_holder(void)
{
    CHECK(waiter_number_in(word_load(&some.word)) == waiter_thread(), "who has the lock");
}

/* Adds to a plain value with the lock held: two at once are a data race. */
static void
lock_and_unlock(void *turns)
{
    for (int i = 0; i < *(int *)turns; i++) {
        int taken = permits_lock(&some, PARK_FOREVER, WAIT_ACQUIRE, NULL);
        CHECK(taken == 1, "the lock was not taken");
        check_holder();
        guarded++;
        CHECK(permits_unlock(&some), "the lock was not held");
    }
}

static int one_turn = 1, two_turns = 2;

static void
in_python_lock_and_unlock(void *turns)
{
    python(lock_and_unlock, turns);
}

static void
lock_of(int threads, int *turns)
{
    permits_init_lock(&some);
    for (int i = 1; i < threads; i++) {
        explore_start(in_python_lock_and_unlock, turns);
    }
    in_python_lock_and_unlock(turns);
    explore_join_all();
    CHECK(guarded == threads * *turns, "turns that were had");
    CHECK(permits_count(&some) == 1, "the lock is free");
    check_nobody_was_late();
}

static void
lock_of_two(void)
{
    lock_of(2, &two_turns);
}

static void
lock_of_three(void)
{
    lock_of(3, &one_turn);
}

/* The holder lets others have the interpreter while it has the lock. */
static void
hold_for_a_line(void *turns)
{
    for (int i = 0; i < *(int *)turns; i++) {
        CHECK(permits_lock(&some, PARK_FOREVER, WAIT_ACQUIRE, NULL) == 1, "the lock was not taken");
        check_holder();
        guarded++;
        explore_line();
        guarded++;
        CHECK(permits_unlock(&some), "the lock was not held");
        explore_line();
    }
}

static void
in_python_hold(void *turns)
{
    python(hold_for_a_line, turns);
}

static void
held_lock(void)
{
    permits_init_lock(&some);
    explore_start(in_python_hold, &one_turn);
    explore_start(in_python_hold, &one_turn);
    in_python_hold(&one_turn);
    explore_join_all();
    CHECK(guarded == 6 && permits_count(&some) == 1, "turns that were had");
    check_nobody_was_late();
}

static void
take_with_timeout(void *ignored)
{
    (void)ignored;
    if (permits_lock(&some, EXPLORE_MILLISECOND, WAIT_ACQUIRE, NULL) == 1) {
        guarded++;
        permits_unlock(&some);
    }
    else {
        gave_up++;
    }
}

static void
in_python_take_with_timeout(void *ignored)
{
    python(take_with_timeout, ignored);
}

/* Who leaves because of a time-out takes no permit and no wake along. */
static void
lock_with_timeouts(void)
{
    permits_init_lock(&some);
    explore_start(in_python_take_with_timeout, NULL);
    explore_start(in_python_hold, &one_turn);
    in_python_hold(&one_turn);
    explore_join_all();
    CHECK(guarded + gave_up == 5, "turns that were had");
    CHECK(permits_count(&some) == 1, "the lock is free");
}

static void
take_one(void *ignored)
{
    (void)ignored;
    CHECK(permits_take(&some, PARK_FOREVER, PERMITS_MAX, WAIT_ACQUIRE, NULL) == 1, "no permit");
    __atomic_fetch_add(&taken_count, 1, __ATOMIC_RELAXED);
}

static void
in_python_take_one(void *ignored)
{
    python(take_one, ignored);
}

static void
semaphore_gives_two_at_once(void)
{
    permits_init(&some, 0);
    explore_start(in_python_take_one, NULL);
    explore_start(in_python_take_one, NULL);
    explore_enter_python();
    CHECK(permits_give(&some, 2, PERMITS_MAX), "not given");
    explore_leave_python();
    explore_join_all();
    CHECK(taken_count == 2 && permits_count(&some) == 0, "permits");
    check_nobody_was_late();
}

static void
give_one(void *ignored)
{
    (void)ignored;
    permits_give(&some, 1, PERMITS_MAX);
}

static void
in_python_give_one(void *ignored)
{
    python(give_one, ignored);
}

/* Two come, one of them with a time-out, and two permits: no permit is lost and none comes of nothing. */
static void
semaphore_with_timeout(void)
{
    permits_init(&some, 0);
    explore_start(in_python_take_with_timeout, NULL);
    explore_start(in_python_give_one, NULL);
    in_python_take_one(NULL);
    explore_join_all();
    CHECK(taken_count == 1, "permits that were taken");
}

static void
give_one_to_any(void *ignored)
{
    (void)ignored;
    permits_give_to_any(&some, 1, PERMITS_MAX);
}

static void
in_python_give_one_to_any(void *ignored)
{
    python(give_one_to_any, ignored);
}

/* Two come and two permits, each for whoever is awake. */
static void
permits_for_any(void)
{
    permits_init(&some, 0);
    explore_start(in_python_take_one, NULL);
    explore_start(in_python_take_one, NULL);
    in_python_give_one_to_any(NULL);
    in_python_give_one_to_any(NULL);
    explore_join_all();
    CHECK(taken_count == 2 && permits_count(&some) == 0, "permits");
}

/* The one that is awake may give up at that moment. */
static void
permit_for_any_with_timeout(void)
{
    permits_init(&some, 0);
    explore_start(in_python_take_one, NULL);
    explore_start(in_python_take_with_timeout, NULL);
    in_python_give_one_to_any(NULL);
    explore_join_all();
    CHECK(taken_count == 1, "permits that were taken");
}

static int
raise(void)
{
    return -1;
}

static int
return_quietly(void)
{
    return 0;
}

static void
take_interrupted(void)
{
    int taken = permits_take(&some, PARK_FOREVER, PERMITS_MAX, WAIT_ACQUIRE, NULL);
    if (taken == 1) {
        guarded++;
    }
    else {
        CHECK(taken == -1, "how a wait ends that a handler ends");
        gave_up++;
    }
}

static void
interrupted(int (*handler)(void), void (*in_python_give)(void *))
{
    explore_be_main_thread();
    permits_init(&some, 0);
    explore_start(in_python_give, NULL);
    explore_start(in_python_take_one, NULL);
    explore_enter_python();
    explore_send_signal(handler);
    take_interrupted();
    /* One permit and two that want it: the other gets what this thread has not, or gives back. */
    if (guarded) {
        permits_give(&some, 1, PERMITS_MAX);
    }
    explore_leave_python();
    explore_join_all();
    CHECK(taken_count == 1 && permits_count(&some) == 0, "permits");
}

static void
semaphore_with_a_handler_that_raises(void)
{
    interrupted(raise, in_python_give_one);
}

static void
permit_for_any_with_a_handler_that_raises(void)
{
    interrupted(raise, in_python_give_one_to_any);
}

static void
semaphore_give_two(void *ignored)
{
    (void)ignored;
    permits_give(&some, 1, PERMITS_MAX);
    explore_line();
    permits_give(&some, 1, PERMITS_MAX);
}

static void
in_python_give_two(void *ignored)
{
    python(semaphore_give_two, ignored);
}

static void
semaphore_with_a_handler(void)
{
    explore_be_main_thread();
    permits_init(&some, 0);
    explore_start(in_python_give_two, NULL);
    explore_start(in_python_take_one, NULL);
    explore_enter_python();
    explore_send_signal(return_quietly);
    take_interrupted();
    explore_leave_python();
    explore_join_all();
    CHECK(guarded == 1 && taken_count == 1 && permits_count(&some) == 0, "permits");
}

/* The permit is handed to one that has waited for long; at the same moment its handler raises. */
static void
give_late(void *ignored)
{
    (void)ignored;
    explore_pass_time(2 * PERMITS_FAIR_AFTER);
    permits_give(&some, 1, PERMITS_MAX);
}

static void
in_python_give_late(void *ignored)
{
    python(give_late, ignored);
}

static void
semaphore_kept_waiting_with_a_handler(void)
{
    explore_be_main_thread();
    permits_init(&some, 0);
    explore_start(in_python_give_late, NULL);
    explore_enter_python();
    explore_send_signal(raise);
    take_interrupted();
    explore_leave_python();
    explore_join_all();
    CHECK(permits_count(&some) + guarded == 1, "the permit is there, or was taken");
}

/* Nobody starves: one that has waited for longer than PERMITS_FAIR_AFTER gets the lock at the next release, however
 * eager the others are. */

static bool got_it; /* guarded by the lock */

#define GREEDY_TURNS 4

/* Whether the first in the queue has waited for as long as anybody has to. */
static bool
somebody_is_due(void)
{
    waitqueue_lock(&some.queue);
    waiter *first = waitqueue_first(&some.queue);
    bool due = first != NULL && explore_time() - first->since >= PERMITS_FAIR_AFTER;
    waitqueue_unlock(&some.queue);
    return due;
}

static void
be_greedy(void *ignored)
{
    (void)ignored;
    bool due = false;
    for (int i = 0; i < GREEDY_TURNS; i++) {
        CHECK(permits_lock(&some, PARK_FOREVER, WAIT_ACQUIRE, NULL) == 1, "the lock was not taken");
        CHECK(!due || got_it, "whose turn it is after the bound");
        check_holder();
        explore_pass_time(PERMITS_FAIR_AFTER * 3 / 5);
        explore_line();
        due = !got_it && somebody_is_due();
        permits_unlock(&some);
    }
}

static void
in_python_be_greedy(void *ignored)
{
    python(be_greedy, ignored);
}

static void
nobody_starves(void)
{
    permits_init_lock(&some);
    explore_start(in_python_be_greedy, NULL);
    explore_enter_python();
    CHECK(permits_lock(&some, PARK_FOREVER, WAIT_ACQUIRE, NULL) == 1, "the lock was not taken");
    check_holder();
    got_it = true;
    permits_unlock(&some);
    explore_leave_python();
    explore_join_all();
}

/* Events */

static explored_event *event;

static void
set_it(void *ignored)
{
    (void)ignored;
    plain_value = 1;
    explored_event_set(event);
}

static void
in_python_set(void *ignored)
{
    python(set_it, ignored);
}

static void
wait_for_it(void *ignored)
{
    (void)ignored;
    CHECK(explored_event_wait(event, PARK_FOREVER) == 1, "the event");
    CHECK(plain_value == 1, "what came before set");
}

static void
in_python_wait(void *ignored)
{
    python(wait_for_it, ignored);
}

static void
event_of(int waiters)
{
    event = explored_event_make();
    for (int i = 0; i < waiters; i++) {
        explore_start(in_python_wait, NULL);
    }
    in_python_set(NULL);
    explore_join_all();
    check_nobody_was_late();
}

static void
event_of_two(void)
{
    event_of(1);
}

static void
event_of_three(void)
{
    event_of(2);
}

/* More than can be on their way at once. */
static void
event_of_four(void)
{
    event_of(3);
}

static void
set_and_clear(void *ignored)
{
    set_it(ignored);
    explored_event_clear(event);
}

static void
in_python_set_and_clear(void *ignored)
{
    python(set_and_clear, ignored);
}

static void
wait_for_it_a_while(void *ignored)
{
    (void)ignored;
    if (explored_event_wait(event, explore_time() + EXPLORE_MILLISECOND) == 0) {
        gave_up++;
    }
}

static void
in_python_wait_a_while(void *ignored)
{
    python(wait_for_it_a_while, ignored);
}

static void
event_with_timeouts(void)
{
    event = explored_event_make();
    explore_start(in_python_wait_a_while, NULL);
    explore_start(in_python_set_and_clear, NULL);
    in_python_wait_a_while(NULL);
    explore_join_all();
}

/* The waits follow each other: a thread that is granted may be in its next wait before its waker is done. */
static void
wait_twice(void *ignored)
{
    wait_for_it_a_while(ignored);
    wait_for_it_a_while(ignored);
}

static void
in_python_wait_twice(void *ignored)
{
    python(wait_twice, ignored);
}

static void
set_twice(void *ignored)
{
    set_and_clear(ignored);
    explore_line();
    explored_event_set(event);
}

static void
event_again_and_again(void)
{
    event = explored_event_make();
    explore_start(in_python_wait_twice, NULL);
    explore_start(in_python_wait, NULL);
    python(set_twice, NULL);
    explore_join_all();
}

/* Conditions */

static explored_condition *condition;
static int items;

static void
get_an_item(void *ignored)
{
    (void)ignored;
    permits *lock = explored_condition_lock(condition);
    CHECK(permits_lock(lock, PARK_FOREVER, WAIT_ACQUIRE, NULL) == 1, "the lock was not taken");
    while (items == 0) {
        CHECK(explored_condition_wait(condition, PARK_FOREVER) == 1, "the wait");
    }
    items--;
    permits_unlock(lock);
}

static void
in_python_get(void *ignored)
{
    python(get_an_item, ignored);
}

static void
put_an_item(void *ignored)
{
    (void)ignored;
    permits *lock = explored_condition_lock(condition);
    CHECK(permits_lock(lock, PARK_FOREVER, WAIT_ACQUIRE, NULL) == 1, "the lock was not taken");
    items++;
    explored_condition_notify(condition, 1);
    permits_unlock(lock);
}

static void
in_python_put(void *ignored)
{
    python(put_an_item, ignored);
}

static void
condition_of_two(void)
{
    condition = explored_condition_make();
    explore_start(in_python_get, NULL);
    in_python_put(NULL);
    explore_join_all();
    CHECK(items == 0, "items");
    check_nobody_was_late();
}

static void
condition_of_three(void)
{
    condition = explored_condition_make();
    explore_start(in_python_get, NULL);
    explore_start(in_python_get, NULL);
    explore_enter_python();
    put_an_item(NULL);
    put_an_item(NULL);
    explore_leave_python();
    explore_join_all();
    CHECK(items == 0, "items");
}

/* A wait that ends by its deadline, or is undone, swallows no notification. */
static void
get_an_item_or_leave(void *ignored)
{
    (void)ignored;
    permits *lock = explored_condition_lock(condition);
    CHECK(permits_lock(lock, PARK_FOREVER, WAIT_ACQUIRE, NULL) == 1, "the lock was not taken");
    int notified = items != 0 ? 1 : explored_condition_wait(condition, explore_time() + EXPLORE_MILLISECOND);
    if (items != 0) {
        items--;
    }
    else {
        CHECK(notified != 1 || plain_value == 0, "notified for nothing");
        gave_up++;
    }
    permits_unlock(lock);
}

static void
in_python_get_or_leave(void *ignored)
{
    python(get_an_item_or_leave, ignored);
}

static void
condition_with_timeout(void)
{
    condition = explored_condition_make();
    explore_start(in_python_get_or_leave, NULL);
    explore_start(in_python_put, NULL);
    in_python_get_or_leave(NULL);
    explore_join_all();
    CHECK(items == gave_up - 1, "items and those that left");
}

/* Waits for an item while a signal comes. Returns the condition's lock, taken. */
static permits *
wait_for_an_item_with_a_signal(int (*handler)(void))
{
    permits *lock = explored_condition_lock(condition);
    CHECK(permits_lock(lock, PARK_FOREVER, WAIT_ACQUIRE, NULL) == 1, "the lock was not taken");
    explore_send_signal(handler);
    if (items == 0) {
        explored_condition_wait(condition, PARK_FOREVER);
    }
    return lock;
}

static void
condition_interrupted(int (*handler)(void))
{
    explore_be_main_thread();
    condition = explored_condition_make();
    explore_start(in_python_get, NULL);
    explore_start(in_python_put, NULL);
    explore_enter_python();
    permits *lock = wait_for_an_item_with_a_signal(handler);
    CHECK(permits_count(lock) == 0, "the lock is held after the wait");
    /* This one's item, if it was the one that was notified: the other needs another. */
    items++;
    explored_condition_notify(condition, 1);
    permits_unlock(lock);
    explore_leave_python();
    explore_join_all();
    CHECK(items == 1, "items");
}

static void
condition_with_a_handler_that_raises(void)
{
    condition_interrupted(raise);
}

/* The handler waits for a thread that takes the lock, which the one that notifies lets go of: the thread that runs the
 * handler must not stand in front of that one. */
static void
take_the_lock_and_set(void *ignored)
{
    (void)ignored;
    permits *lock = explored_condition_lock(condition);
    CHECK(permits_lock(lock, PARK_FOREVER, WAIT_ACQUIRE, NULL) == 1, "the lock was not taken");
    permits_unlock(lock);
    explored_event_set(event);
}

static void
in_python_take_the_lock_and_set(void *ignored)
{
    python(take_the_lock_and_set, ignored);
}

static int
wait_for_who_takes_the_lock(void)
{
    CHECK(explored_event_wait(event, PARK_FOREVER) == 1, "the event");
    return 0;
}

static void
condition_with_a_handler_that_waits_for_the_lock(void)
{
    explore_be_main_thread();
    condition = explored_condition_make();
    event = explored_event_make();
    explore_start(in_python_put, NULL);
    explore_start(in_python_take_the_lock_and_set, NULL);
    explore_enter_python();
    permits *lock = wait_for_an_item_with_a_signal(wait_for_who_takes_the_lock);
    permits_unlock(lock);
    explore_leave_python();
    explore_join_all();
    CHECK(permits_count(lock) == 1, "the lock is free");
}

/* A fork in a signal handler, in the middle of a wait: the child is what goes on. */

static int
fork_and_set_in_a_thread(void)
{
    explore_fork();
    explore_start(in_python_set, NULL);
    return 0;
}

static void
fork_in_a_wait(void)
{
    explore_be_main_thread();
    event = explored_event_make();
    explore_start(in_python_wait_a_while, NULL);
    explore_enter_python();
    explore_send_signal(fork_and_set_in_a_thread);
    /* Only the child's thread sets it. */
    CHECK(explored_event_wait(event, PARK_FOREVER) == 1, "the event");
    explore_leave_python();
    explore_join_all();
}

static int
fork_and_give_in_a_thread(void)
{
    explore_fork();
    explore_start(in_python_give_one, NULL);
    return 0;
}

static void
fork_in_an_acquire(void)
{
    explore_be_main_thread();
    permits_init(&some, 0);
    explore_start(in_python_take_one, NULL);
    explore_enter_python();
    explore_send_signal(fork_and_give_in_a_thread);
    CHECK(permits_take(&some, PARK_FOREVER, PERMITS_MAX, WAIT_ACQUIRE, NULL) == 1, "the permit");
    explore_leave_python();
    explore_join_all();
    CHECK(permits_count(&some) == 0, "permits");
}

/* A permit is handed to a thread that has waited for long, and is not in the child. */

static void
fork_after_a_release(void)
{
    explore_be_main_thread();
    permits_init(&some, 0);
    explore_start(in_python_take_one, NULL);
    explore_enter_python();
    explore_pass_time(2 * PERMITS_FAIR_AFTER);
    permits_give(&some, 1, PERMITS_MAX);
    bool taken_before = taken_count != 0;
    explore_fork();
    int taken = permits_take(&some, EXPLORE_MILLISECOND, PERMITS_MAX, WAIT_ACQUIRE, NULL);
#ifndef PARK_FREE_THREADED
    CHECK(taken_before || taken == 1, "the permit is lost");
#else
    /* The other may have had it, and not have come far since. */
    (void)taken_before, (void)taken;
#endif
    explore_leave_python();
    explore_join_all();
}

/* Some are being woken while the fork happens, without the interpreter: what they are woken with is used again in the
 * child. */

static explored_event *first_event;
static bool is_child;

static int
fork_only(void)
{
    explore_fork();
    is_child = true;
    return 0;
}

static void
in_python_set_first(void *ignored)
{
    (void)ignored;
    explore_enter_python();
    explored_event_set(first_event);
    explore_leave_python();
}

static void
in_python_wait_for_first(void *ignored)
{
    (void)ignored;
    explore_enter_python();
    CHECK(explored_event_wait(first_event, PARK_FOREVER) == 1, "the event");
    explore_leave_python();
}

static void
fork_while_others_wake(void)
{
    explore_be_main_thread();
    first_event = explored_event_make();
    explore_start(in_python_wait_for_first, NULL);
    explore_start(in_python_set_first, NULL);
    explore_enter_python();
    explore_send_signal(fork_only);
    if (explored_event_wait(first_event, explore_time() + 100 * EXPLORE_MILLISECOND) == 0) {
        CHECK(is_child || explore_rescues() == 0, "nobody was left to set it");
    }
    if (is_child) {
        event = explored_event_make();
        explore_start(in_python_set, NULL);
        CHECK(explored_event_wait(event, PARK_FOREVER) == 1, "the event");
    }
    explore_leave_python();
    explore_join_all();
}

/* Somebody grants without the interpreter, under a lock of its own: a thread that is at its end, say. Its waiters are not
 * restricted then. */

static waitqueue joiners;
static int joiners_lock;
static bool is_done;

static void
lock_joiners(void)
{
    explore_lock(&joiners_lock, "lock", __builtin_return_address(0));
}

static void
unlock_joiners(void)
{
    explore_unlock(&joiners_lock, "unlock", __builtin_return_address(0));
}

static void
end_and_grant(void *ignored)
{
    (void)ignored;
    explore_enter_python();
    explore_leave_python();
    lock_joiners();
    is_done = true;
    waiter *first = waitqueue_take_all(&joiners);
    waiters_grant(first, 0);
    unlock_joiners();
}

/* NULL: waits for ever; else it may leave before. */
static void
join_it(void *a_while)
{
    waiter *w = wait_begin(WAIT_WAIT, NULL);
    w->restricted = false; /* who grants does not have the interpreter */
    lock_joiners();
    bool ended = is_done;
    if (!ended) {
        waitqueue_add(&joiners, w);
    }
    unlock_joiners();
    int64_t deadline = a_while == NULL ? PARK_FOREVER : explore_time() + EXPLORE_MILLISECOND;
    if (!ended && wait_granted(w, deadline) != 1) {
        CHECK(a_while != NULL, "the join");
        lock_joiners();
        if (waitqueue_has(&joiners, w)) {
            waitqueue_remove(&joiners, w);
        }
        unlock_joiners();
    }
    wait_end(w);
}

static void
in_python_join(void *a_while)
{
    python(join_it, a_while);
}

static void
joined_by_two(void)
{
    explore_start(end_and_grant, NULL);
    explore_start(in_python_join, NULL);
    in_python_join(NULL);
    explore_join_all();
    check_nobody_was_late();
}

static void
joined_for_a_while(void)
{
    explore_start(end_and_grant, NULL);
    in_python_join(&one_turn);
    explore_join_all();
}

/* An event that is freed as soon as its waiter is back. */

static void
wait_and_free(void *ignored)
{
    wait_for_it(ignored);
    explored_event_free(event);
}

static void
in_python_wait_and_free(void *ignored)
{
    python(wait_and_free, ignored);
}

/* Free-threaded, a thread holds a reference as long as it is in a call: only with a GIL is `set` over by then. */
static void
event_freed_by_its_waiter(void)
{
    event = explored_event_make();
#ifndef PARK_FREE_THREADED
    explore_start(in_python_wait_and_free, NULL);
    in_python_set(NULL);
    explore_join_all();
#endif
}

#define SCENARIO(name) {#name, name}

const explore_scenario explore_scenarios[] = {
    SCENARIO(token_carries_what_came_before),
    SCENARIO(token_outlives_a_deadline),
    SCENARIO(lock_of_two),
    SCENARIO(lock_of_three),
    SCENARIO(held_lock),
    SCENARIO(lock_with_timeouts),
    SCENARIO(semaphore_gives_two_at_once),
    SCENARIO(semaphore_with_timeout),
    SCENARIO(semaphore_with_a_handler),
    SCENARIO(semaphore_with_a_handler_that_raises),
    SCENARIO(permits_for_any),
    SCENARIO(permit_for_any_with_timeout),
    SCENARIO(permit_for_any_with_a_handler_that_raises),
    SCENARIO(semaphore_kept_waiting_with_a_handler),
    SCENARIO(nobody_starves),
    SCENARIO(event_of_two),
    SCENARIO(event_of_three),
    SCENARIO(event_of_four),
    SCENARIO(event_with_timeouts),
    SCENARIO(event_again_and_again),
    SCENARIO(event_freed_by_its_waiter),
    SCENARIO(condition_of_two),
    SCENARIO(condition_of_three),
    SCENARIO(condition_with_timeout),
    SCENARIO(condition_with_a_handler_that_raises),
    SCENARIO(condition_with_a_handler_that_waits_for_the_lock),
    SCENARIO(fork_in_a_wait),
    SCENARIO(fork_in_an_acquire),
    SCENARIO(fork_after_a_release),
    SCENARIO(fork_while_others_wake),
    SCENARIO(joined_by_two),
    SCENARIO(joined_for_a_while),
    {0},
};
