/* What a queue keeps its items in: a deque or a list, worked on by their own C functions and heapq's. See queue.h. */
#include "queue.h"

PyObject *
container_make(module_state *state, queue_kind kind)
{
    if (kind != QUEUE_FIFO) {
        return PyList_New(0);
    }
    return state->deque_type == NULL ? module_is_cleared() : PyObject_CallNoArgs((PyObject *)state->deque_type);
}

/* Calls it for its effect. */
static inline int
do_with_item(PyObject *function, PyObject *container, PyObject *item)
{
    PyObject *args[] = {container, item};
    PyObject *result = PyObject_Vectorcall(function, args, 2, NULL);
    Py_XDECREF(result);
    return result == NULL ? -1 : 0;
}

int
container_put(module_state *state, queue_kind kind, PyObject *container, PyObject *item)
{
    switch (kind) {
    case QUEUE_FIFO:
        return do_with_item(state->deque_append, container, item);
    case QUEUE_HEAP:
        return do_with_item(state->heap_push, container, item);
    default:
        return PyList_Append(container, item);
    }
}

/* heappop takes the first item out before it compares others: one of those comparisons may raise. */
static PyObject *
heap_get(module_state *state, PyObject *heap)
{
    PyObject *first = PySequence_GetItem(heap, 0);
    PyObject *item = first == NULL ? NULL : PyObject_CallOneArg(state->heap_pop, heap);
    if (item == NULL && first != NULL) {
        PyObject *exception = PyErr_GetRaisedException();
        int kept = PyList_Append(heap, first);
        if (kept == 0) {
            PyErr_SetRaisedException(exception);
        }
        else {
            Py_DECREF(exception);
        }
    }
    Py_XDECREF(first);
    return item;
}

PyObject *
container_get(module_state *state, queue_kind kind, PyObject *container)
{
    switch (kind) {
    case QUEUE_FIFO:
        return PyObject_CallOneArg(state->deque_popleft, container);
    case QUEUE_HEAP:
        return heap_get(state, container);
    default:
        return PyObject_CallOneArg(state->list_pop, container);
    }
}

int
container_prepare(module_state *state)
{
    state->deque_type = (PyTypeObject *)module_import_from("collections", "deque");
    if (state->deque_type == NULL) {
        return -1;
    }
    state->deque_append = PyObject_GetAttrString((PyObject *)state->deque_type, "append");
    state->deque_popleft = PyObject_GetAttrString((PyObject *)state->deque_type, "popleft");
    state->list_pop = PyObject_GetAttrString((PyObject *)&PyList_Type, "pop");
    state->heap_push = module_import_from("heapq", "heappush");
    state->heap_pop = module_import_from("heapq", "heappop");
    bool found = state->deque_append != NULL && state->deque_popleft != NULL && state->list_pop != NULL &&
                 state->heap_push != NULL && state->heap_pop != NULL;
    return found ? 0 : -1;
}
