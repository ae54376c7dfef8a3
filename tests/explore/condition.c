/* src/sync/condition.c as it ships, and its static functions by other names. */
#include "sync/condition.c"

#include "explore.h"
#include "sync.h"

explored_condition *
explored_condition_make(void)
{
    condition_object *self = explore_allocate(sizeof(condition_object));
    self->lock = explore_allocate(sizeof(lock_object));
    Py_SET_REFCNT(self->lock, 1000);
    self->kind = OVER_LOCK;
    permits_init_lock(&((lock_object *)self->lock)->permits);
    return (explored_condition *)self;
}

permits *
explored_condition_lock(explored_condition *self)
{
    return lock_permits((condition_object *)self);
}

int
explored_condition_wait(explored_condition *self, int64_t deadline)
{
    return wait_on_lock((condition_object *)self, deadline, WAIT_WAIT, NULL);
}

void
explored_condition_notify(explored_condition *self, int64_t count)
{
    notify_waiters((condition_object *)self, count);
}
