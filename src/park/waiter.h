/* A waiter: one wait of one thread. Its parker, its place in a queue, and what came of it.
 *
 * Waiters live on the heap and their memory is never given back, only used again: an unpark may come late, after the
 * wait is over, and then does no more than wake a later wait of some thread for nothing. Each thread keeps the few that
 * it needs, so a wait allocates nothing after a thread's first; a thread that ends leaves its own to the others. A
 * thread that dies in the middle of a wait (a daemon thread at the interpreter's end) leaves its waiter as it was, for
 * good: what still points to it stays valid.
 *
 * The waits that a thread is in, innermost first, are linked: a signal handler that runs in a wait may wait too. After
 * a fork, these are the only waiters in the child that still have a thread. */
#ifndef PARK_WAITER_H
#define PARK_WAITER_H

#include "guard.h"
#include "park.h"

struct waitqueue;

typedef enum {
    WAITER_WAITING, /* nothing has happened yet */
    WAITER_ALERTED, /* told that its turn comes soon, still in its queue */
    WAITER_WOKEN,   /* told to try again, still in its queue */
    WAITER_GRANTED, /* has what it waits for, and is in no queue */
} waiter_state;

/* What a wait is for, as it is told. */
typedef enum {
    WAIT_ACQUIRE,
    WAIT_WAIT,
    WAIT_JOIN,
    WAIT_GET,
    WAIT_PUT,
} wait_operation;

/* Where the waiting thread is, as admission.h sees it. */
typedef enum {
    ADMISSION_HERE, /* it has the interpreter, or is not of those that are restricted */
    ADMISSION_ASLEEP,
    ADMISSION_PUT_OFF,
    ADMISSION_ON_ITS_WAY,
} admission_state;

typedef struct waiter {
    struct waiter *next; /* in the queue's ring; both guarded by the queue */
    struct waiter *previous;
    struct waitqueue *_Atomic queue; /* the queue that it is in, or NULL; changed with that queue locked */
    _Atomic int state;               /* a waiter_state; GRANTED is the waker's last word, the rest is guarded */
    int outcome;                     /* the primitive's own, written by the waker before GRANTED, which publishes it */
    bool away;                       /* runs a signal handler: not to be relied on; guarded */
    unsigned long thread;            /* the waiting thread, as its interpreter calls it */
    int64_t began;                   /* when the wait did; 0 once it has parked; its own thread's */
    int64_t since;                   /* from when on it counts as kept waiting; 0: not yet; guarded */
    const void *place;               /* for spin.h, if it is not the queue; its own thread's */
    bool restricted;                 /* whether admission.h counts it */
    uint8_t admission;               /* an admission_state; this and what follows are guarded by the interpreter */
    uint32_t ticket;                 /* the number under which it was sent on its way */
    struct waiter *put_off_next;
    struct waiter *put_off_previous;
    /* For those who ask what is waited for: see waiter_tell. */
    guard asked;
    _Atomic bool busy; /* runs a signal handler, relaxed: a hint for others */
    uint8_t operation; /* a wait_operation */
    bool whole;        /* what its thread waits for in the middle of it is part of it; its own thread's, as the next */
    bool look_due;     /* for those who watch waits */
    int64_t look_at;
    void *_Atomic owner;         /* whose wait it is, an interpreter; NULL: not to be told of */
    _Atomic uint32_t generation; /* in which it is told; relaxed: another one has no other threads */
    void *object;                /* what is waited for, held by the waiting thread */
    word *_Atomic wanted;     /* the permits of which one is waited for, or NULL; relaxed, as those are in the object */
    _Atomic int64_t deadline; /* of the last park; 0: there was none so far; relaxed */
    int64_t started;
    int64_t woken;   /* when it last came back from a park; 0: it has not; its own thread's */
    uint64_t number; /* of the waiting thread */
    uint64_t serial; /* the number of this wait, never given twice */
    uint64_t holder; /* the number of the thread that had it when this wait parked first, if somebody watches */
    struct waiter *known_next;
    parker parker;
    struct waiter *outer; /* the same thread's next outer wait, or the next in a list of spare ones */
} waiter;

/* How many forks this process is away from its first: a queue that was filled in another generation lists threads
 * that do not exist here. Changed in a child before it has a second thread. */
extern uint32_t waiter_generation;

/* The number of the calling thread: never 0, and never given twice, in no child either, as idents are. */
uint64_t waiter_thread(void);

/* What permits.h takes off a lock's word for the calling thread: made of its number. 0 until it has one. */
extern _Thread_local uint64_t waiter_mark;

static inline uint64_t
waiter_mark_of(uint64_t number)
{
    return 4 * number + 4;
}

/* The number of the thread that has the lock with this word; 0: nobody has, or it is another word. */
static inline uint64_t
waiter_number_in(int64_t word)
{
    return word < 0 ? (uint64_t)(2 - (word & ~(int64_t)1)) / 4 : 0;
}

/* The ident of the living thread of that number, or 0. */
unsigned long waiter_ident(uint64_t number);

/* The number of the living thread with that ident, or 0. Looks at all of them. */
uint64_t waiter_number(unsigned long ident);

/* The number of the thread that the last fork has left, in the child. 0: there was none, or it had no number. */
extern uint64_t waiter_survivor;

/* Called in a child for each permit that a thread was given which is not there and has not come back from its wait, with the
 * word that it was taken from. */
extern void (*waiter_return_permit)(word *wanted);

/* Once, before the first wait. Returns 0 or an errno value. Later calls do nothing. */
int waiter_setup(void);

/* A waiter for the calling thread, in no queue, WAITING, without a token. NULL: no memory. */
waiter *waiter_begin(void);

/* Ends the wait. The waiter is in no queue. */
void waiter_end(waiter *self);

/* Lets others know what is waited for, for as long as the wait lasts: whoever asks locks `asked`, and finds `owner` set,
 * may take a reference to the object. With a GIL, that of the owner guards this, and only its threads ask. */
void waiter_tell(waiter *self, void *owner, wait_operation operation, void *object);

/* The innermost wait that is told of the thread with that number, or NULL. It may be over by now, and the waiter in use
 * by another thread. */
waiter *waiter_told(uint64_t number);

/* A mutex for lists of the whole process: it is held across a fork, so that a child finds them whole. Held for a moment,
 * and never while Python code runs. */
void waiter_lists_lock(void);
void waiter_lists_unlock(void);

/* All waiters that there ever were, from the latest on, linked by known_next. */
waiter *waiter_known(void);

/* The calling thread's innermost wait, or NULL. */
waiter *waiter_innermost(void);

/* Around a fork, in the thread that forks: see fork.h. The forking thread's own waits each have a token afterwards. */
void waiter_before_fork(void);
void waiter_after_fork_in_parent(void);
void waiter_after_fork(void);

#endif
