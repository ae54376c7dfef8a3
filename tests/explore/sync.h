/* What scenarios use of src/sync: its static halves, reached by event.c and condition.c beside this. */
#ifndef EXPLORE_SYNC_H
#define EXPLORE_SYNC_H

#include "sync/permits.h"

typedef struct explored_event explored_event;
typedef struct explored_condition explored_condition;

explored_event *explored_event_make(void);
void explored_event_set(explored_event *self);
void explored_event_clear(explored_event *self);
int explored_event_wait(explored_event *self, int64_t deadline);
/* Frees it, as its last owner does. */
void explored_event_free(explored_event *self);

/* A condition over a lock of its own, exactly our Lock. */
explored_condition *explored_condition_make(void);
permits *explored_condition_lock(explored_condition *self);
int explored_condition_wait(explored_condition *self, int64_t deadline);
void explored_condition_notify(explored_condition *self, int64_t count);

#endif
