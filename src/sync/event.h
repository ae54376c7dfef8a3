/* threading.Event, as far as Thread uses it from C. */
#ifndef SYNC_EVENT_H
#define SYNC_EVENT_H

#include "../module.h"

/* The event is an instance of exactly our type. */
bool event_object_is_set(PyObject *event);
void event_object_set(PyObject *event);

#endif
