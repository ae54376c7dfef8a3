/* src/sync/event.c as it ships, and its static functions by other names. */
#include "sync/event.c"

#include "explore.h"
#include "sync.h"

explored_event *
explored_event_make(void)
{
    return explore_allocate(sizeof(event_object));
}

void
explored_event_set(explored_event *self)
{
    set((event_object *)self);
}

void
explored_event_clear(explored_event *self)
{
    clear((event_object *)self);
}

int
explored_event_wait(explored_event *self, int64_t deadline)
{
    return is_set((event_object *)self) ? 1 : wait_slow((event_object *)self, deadline);
}

void
explored_event_free(explored_event *self)
{
    explore_free(self);
}
