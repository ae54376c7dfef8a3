/* See fork.h. */
#ifndef _GNU_SOURCE
#define _GNU_SOURCE /* pthread_atfork */
#endif
#include "fork.h"

#include <pthread.h>

#include "admission.h"
#include "crowd.h"
#include "park.h"
#include "waiter.h"
#include "waitqueue.h"

static void
in_child(void)
{
    park_after_fork();
    waiter_after_fork();
    waitqueues_after_fork();
    crowd_after_fork();
    admission_after_fork();
}

static pthread_once_t setup_once = PTHREAD_ONCE_INIT;
static int setup_error;

static void
setup(void)
{
    setup_error = pthread_atfork(waiter_before_fork, waiter_after_fork_in_parent, in_child);
}

int
fork_setup(void)
{
    pthread_once(&setup_once, setup);
    return setup_error;
}
