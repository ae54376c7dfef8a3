/* Where a program waits, and for how long: what cthreading/_profile.py shows.
 *
 * While a profile is on, each wait that has slept is added to its place: the line of code, the kind of object and what
 * is waited for. That is exact, and takes the innermost frame only. Who called that is looked at now and then: when a
 * place has gathered so much time since the last time, all of it is put down to the callers that are there now. How
 * much that is grows with what is waited in all, so that some hundred stacks a second are looked at, whatever there is.
 *
 * There is one profile in a process, of the interpreter that began it. A child of fork has none. The guard is that of
 * park/guard.h: no Python code runs under it, nor is an object made or ended.
 */
#include "module.h"

#include <stdlib.h>
#include <string.h>

#include "park/guard.h"
#include "profile.h"
#include "sync/wait.h"

/* The time that a place gathers before its callers are looked at, nanoseconds: at least, at most. */
#define QUANTUM_LEAST 1000000
#define QUANTUM_MOST (1000 * INT64_C(1000000))
/* So many looks are to take so long, or up to four times as long: else the quantum changes. */
#define LOOKS 16
#define LOOKS_TAKE (LOOKS * INT64_C(1000000))
/* The callers of a place that are kept. */
#define DEPTH_MOST 200
/* The holders of a place that are told apart. */
#define HOLDERS 8

#define SET_ROOM_FIRST 64

/* What can be in a set begins with its hash. */
typedef struct {
    uint64_t hash;
} item;

/* A hash table with open addressing. */
typedef struct {
    item **slots;
    size_t room; /* a power of two, or 0 */
    size_t count;
} item_set;

typedef struct {
    PyObject *code; /* NULL: there are more, which are not kept */
    int instruction;
} call;

typedef struct stack {
    item head;
    struct place *place;
    struct stack *next; /* of the same place */
    int64_t time;
    int depth;
    call calls[]; /* the innermost first */
} stack;

typedef struct {
    PyObject *name;
    int64_t time;
} share;

typedef struct place {
    item head;
    PyObject *code; /* NULL: called from C */
    PyTypeObject *type;
    int instruction;
    wait_operation operation;
    int64_t count;
    int64_t total;
    int64_t longest;
    int64_t gathered; /* since its callers were last looked at */
    stack *latest;    /* as they were then */
    stack *stacks;
    share holders[HOLDERS];
} place;

/* A thread that has had what others waited for. */
typedef struct {
    item head; /* the hash is its number */
    PyObject *name;
} holder;

typedef struct {
    item_set places;
    item_set stacks;
    item_set holders;
    PyObject *active; /* threading._active */
    int64_t quantum;
    int looks;
    int64_t looks_began;
} profile;

/* Whose profile it is; changed by its own threads only, but for a child that finds its parent's. */
static _Atomic(PyInterpreterState *) owner;
static _Atomic uint32_t generation; /* waiter_generation when it began; relaxed: it changes where there is no profile */

static guard profile_guard;
static profile *current;   /* these two are guarded */
static uint64_t exchanges; /* how often `current` has been another */

static uint64_t
mix(uint64_t seed, uint64_t value)
{
    uint64_t mixed = (seed ^ value) * UINT64_C(0x9E3779B97F4A7C15);
    return mixed ^ mixed >> 29;
}

static void
set_put(item_set *self, item *what)
{
    size_t i = what->hash & (self->room - 1);
    while (self->slots[i] != NULL) {
        i = (i + 1) & (self->room - 1);
    }
    self->slots[i] = what;
}

/* Adds what is not in there. Returns false if there is no memory. */
static bool
set_add(item_set *self, item *what)
{
    if (2 * (self->count + 1) > self->room) {
        item_set larger = {.room = self->room != 0 ? 2 * self->room : SET_ROOM_FIRST, .count = self->count};
        larger.slots = calloc(larger.room, sizeof(item *));
        if (larger.slots == NULL) {
            return false;
        }
        for (size_t i = 0; i < self->room; i++) {
            if (self->slots[i] != NULL) {
                set_put(&larger, self->slots[i]);
            }
        }
        free(self->slots);
        *self = larger;
    }
    set_put(self, what);
    self->count++;
    return true;
}

/* Returns the item with this hash that is the same, or NULL. */
static inline item *
set_find(const item_set *self, uint64_t hash, bool (*is_same)(const item *, const void *), const void *wanted)
{
    if (self->room == 0) {
        return NULL;
    }
    item *found;
    for (size_t i = hash; (found = self->slots[i & (self->room - 1)]) != NULL; i++) {
        if (found->hash == hash && is_same(found, wanted)) {
            break;
        }
    }
    return found;
}

static inline bool
is_same_place(const item *found, const void *wanted)
{
    const place *one = (const place *)found, *other = wanted;
    return one->code == other->code && one->instruction == other->instruction && one->type == other->type &&
           one->operation == other->operation;
}

static inline bool
is_same_holder(const item *Py_UNUSED(found), const void *Py_UNUSED(wanted))
{
    return true;
}

static bool
is_same_stack(const item *found, const void *wanted)
{
    const stack *one = (const stack *)found, *other = wanted;
    if (one->place != other->place || one->depth != other->depth) {
        return false;
    }
    for (int i = 0; i < one->depth; i++) {
        if (one->calls[i].code != other->calls[i].code || one->calls[i].instruction != other->calls[i].instruction) {
            return false;
        }
    }
    return true;
}

static profile *
profile_new(PyObject *active)
{
    profile *self = calloc(1, sizeof(profile));
    if (self == NULL) {
        PyErr_NoMemory();
        return NULL;
    }
    self->active = Py_NewRef(active);
    self->quantum = QUANTUM_LEAST;
    self->looks_began = park_now();
    return self;
}

static void
calls_release(const call *calls, int depth)
{
    for (int i = 0; i < depth; i++) {
        Py_XDECREF(calls[i].code);
    }
}

static void
stack_free(stack *self)
{
    calls_release(self->calls, self->depth);
    free(self);
}

static void
place_free(place *self)
{
    Py_XDECREF(self->code);
    Py_DECREF(self->type);
    for (int i = 0; i < HOLDERS; i++) {
        Py_XDECREF(self->holders[i].name);
    }
    free(self);
}

static void
holder_free(holder *self)
{
    Py_DECREF(self->name);
    free(self);
}

#define SET_FREE(set, type)                           \
    do {                                              \
        for (size_t i = 0; i < (set)->room; i++) {    \
            if ((set)->slots[i] != NULL) {            \
                type##_free((type *)(set)->slots[i]); \
            }                                         \
        }                                             \
        free((set)->slots);                           \
    } while (0)

/* Not under the guard. */
static void
profile_free(profile *self)
{
    if (self == NULL) {
        return;
    }
    SET_FREE(&self->stacks, stack);
    SET_FREE(&self->places, place);
    SET_FREE(&self->holders, holder);
    Py_DECREF(self->active);
    free(self);
}

/* Puts another in the place of the current one, which is returned. */
static profile *
profile_exchange(profile *other)
{
    guard_lock(&profile_guard);
    profile *found = current;
    current = other;
    exchanges++;
    guard_unlock(&profile_guard);
    return found;
}

/* The same with one that has nothing yet: it takes over what has been learnt. */
static profile *
go_on_with(profile *other)
{
    guard_lock(&profile_guard);
    profile *found = current;
    if (found != NULL) {
        other->quantum = found->quantum;
        other->holders = found->holders;
        found->holders = (item_set){0};
        current = other;
        exchanges++;
    }
    guard_unlock(&profile_guard);
    if (found == NULL) {
        /* It has been ended meanwhile. */
        profile_free(other);
    }
    return found;
}

/* Whether it is that of this interpreter. */
static inline bool
is_of(PyInterpreterState *interpreter)
{
    /* Relaxed: what an interpreter finds of its own there, it has written. */
    return atomic_load_explicit(&owner, memory_order_relaxed) == interpreter;
}

/* Ends the profile that is on. Returns what it has. */
static profile *
stop(void)
{
    wait_observe(NULL);
    profile *found = profile_exchange(NULL);
    atomic_store(&owner, NULL);
    return found;
}

void
profile_drop(void)
{
    if (is_of(PyInterpreterState_Get())) {
        profile_free(stop());
    }
}

/* Ends a profile that the parent of this process has begun. Returns whether there was one. */
static bool
drop_of_parent(void)
{
    if (atomic_load_explicit(&generation, memory_order_relaxed) == waiter_generation || atomic_load(&owner) == NULL) {
        return false;
    }
    PyObject *exception = PyErr_GetRaisedException();
    profile_free(stop());
    PyErr_SetRaisedException(exception);
    return true;
}

/* The name of the Thread. Runs no code of its class. A new reference, or NULL with an exception set. */
static PyObject *
name_of_thread(PyObject *thread)
{
    PyObject *attribute = PyUnicode_InternFromString("_name");
    PyObject *name = attribute == NULL ? NULL : PyObject_GenericGetAttr(thread, attribute);
    Py_XDECREF(attribute);
    if (name != NULL && !PyUnicode_Check(name)) {
        PyErr_SetNone(PyExc_TypeError);
        Py_CLEAR(name);
    }
    return name;
}

/* That of the one with this number, as threading knows it. */
static PyObject *
name_of_number(uint64_t number, PyObject *active)
{
    unsigned long ident = waiter_ident(number);
    PyObject *key = PyLong_FromUnsignedLong(ident);
    PyObject *thread = NULL;
    PyObject *name = NULL;
    if (key != NULL && PyDict_GetItemRef(active, key, &thread) > 0) {
        name = name_of_thread(thread);
        Py_DECREF(thread);
    }
    else if (!PyErr_Occurred()) {
        name = ident != 0 ? PyUnicode_FromFormat("thread %lu", ident) : PyUnicode_FromString("a thread that has ended");
    }
    Py_XDECREF(key);
    return name;
}

/* Remembers the name, which it takes over if it returns true. Under the guard. */
static bool
keep_name(uint64_t number, PyObject *name)
{
    if (set_find(&current->holders, number, is_same_holder, NULL) != NULL) {
        return false;
    }
    holder *one = malloc(sizeof(holder));
    if (one != NULL) {
        *one = (holder){.head.hash = number, .name = name};
    }
    if (one == NULL || !set_add(&current->holders, &one->head)) {
        free(one);
        return false;
    }
    return true;
}

/* Looks up who that is, and remembers it. Returns the name, a new reference, or NULL. */
Py_NO_INLINE static PyObject *
learn_name(uint64_t number, PyObject *active)
{
    PyObject *exception = PyErr_GetRaisedException();
    PyObject *name = name_of_number(number, active);
    if (name != NULL) {
        guard_lock(&profile_guard);
        if (current != NULL && keep_name(number, name)) {
            Py_INCREF(name);
        }
        guard_unlock(&profile_guard);
    }
    PyErr_SetRaisedException(exception);
    return name;
}

/* The name of the thread of this number. A new reference, or NULL: it is not known. */
static PyObject *
name_of_holder(uint64_t number)
{
    PyObject *name = NULL;
    PyObject *active = NULL;
    guard_lock(&profile_guard);
    if (current != NULL) {
        const holder *known = (holder *)set_find(&current->holders, number, is_same_holder, NULL);
        if (known != NULL) {
            name = Py_NewRef(known->name);
        }
        else {
            active = Py_NewRef(current->active);
        }
    }
    guard_unlock(&profile_guard);
    if (active != NULL) {
        name = learn_name(number, active);
        Py_DECREF(active);
    }
    return name;
}

/* The name of the Thread that is joined: it has ended. A new reference, or NULL: it is something else. */
static PyObject *
name_of_joined(PyObject *object)
{
    PyObject *exception = PyErr_GetRaisedException();
    PyObject *name = name_of_thread(object);
    PyErr_SetRaisedException(exception);
    return name;
}

/* Adds the time to the holder's. With too many of them, the one with the least makes room, and its time is nobody's. */
static PyObject *
add_holder(place *self, PyObject *name, int64_t took)
{
    share *least = &self->holders[0];
    for (int i = 0; i < HOLDERS; i++) {
        share *one = &self->holders[i];
        if (one->name == name || one->name == NULL) {
            least = one;
            break;
        }
        if (one->time < least->time) {
            least = one;
        }
    }
    if (least->name == name) {
        least->time += took;
        return NULL;
    }
    if (took <= least->time) {
        return NULL;
    }
    PyObject *before = least->name;
    *least = (share){Py_NewRef(name), took};
    return before;
}

/* The place that is like `wanted`, made if need be. NULL: no memory. Under the guard. */
static place *
get_place(const place *wanted)
{
    place *found = (place *)set_find(&current->places, wanted->head.hash, is_same_place, wanted);
    if (found != NULL) {
        return found;
    }
    found = malloc(sizeof(place));
    if (found == NULL) {
        return NULL;
    }
    *found = *wanted;
    if (!set_add(&current->places, &found->head)) {
        free(found);
        return NULL;
    }
    Py_XINCREF(found->code);
    Py_INCREF(found->type);
    return found;
}

/* Counts a wait. Returns whether it is time to look at the callers. */
static bool
add_wait(place *self, int64_t took)
{
    self->count++;
    self->total += took;
    self->gathered += took;
    if (took > self->longest) {
        self->longest = took;
    }
    return self->gathered >= current->quantum || self->latest == NULL;
}

/* Keeps the looks at callers to about as many as are worth it. Under the guard. */
static void
adapt_quantum(int64_t now)
{
    if (++current->looks < LOOKS) {
        return;
    }
    int64_t took = now - current->looks_began;
    if (took < LOOKS_TAKE && current->quantum < QUANTUM_MOST) {
        current->quantum *= 2;
    }
    else if (took > 4 * LOOKS_TAKE && current->quantum > QUANTUM_LEAST) {
        current->quantum /= 2;
    }
    current->looks = 0;
    current->looks_began = now;
}

/* The stack like `seen` is the latest of its place. Returns false if it has not taken over the calls: it was known, or
 * there is no memory. Under the guard. */
static bool
put_stack(const stack *seen, size_t size)
{
    place *self = seen->place;
    stack *found = (stack *)set_find(&current->stacks, seen->head.hash, is_same_stack, seen);
    bool known = found != NULL;
    if (!known) {
        found = malloc(size);
        if (found == NULL) {
            return false;
        }
        memcpy(found, seen, size);
        if (!set_add(&current->stacks, &found->head)) {
            free(found);
            return false;
        }
        found->next = self->stacks;
        self->stacks = found;
    }
    found->time += self->gathered;
    self->gathered = 0;
    self->latest = found;
    return !known;
}

/* Puts the calls, from this frame outwards, in `seen`. */
static void
collect_calls(stack *seen, PyFrameObject *frame)
{
    Py_XINCREF(frame);
    while (frame != NULL && seen->depth < DEPTH_MOST) {
        call *next = &seen->calls[seen->depth++];
        next->code = (PyObject *)PyFrame_GetCode(frame);
        next->instruction = PyFrame_GetLasti(frame);
        seen->head.hash = mix(mix(seen->head.hash, (uintptr_t)next->code), (uint64_t)next->instruction);
        Py_SETREF(frame, PyFrame_GetBack(frame));
    }
    if (frame != NULL) {
        seen->calls[seen->depth++] = (call){NULL, 0};
        Py_DECREF(frame);
    }
}

Py_NO_INLINE static void
look_at_callers(place *self, PyFrameObject *frame, int64_t now, uint64_t exchange)
{
    union {
        stack seen;
        char room[sizeof(stack) + (DEPTH_MOST + 1) * sizeof(call)];
    } u = {.seen = {.place = self, .head.hash = (uintptr_t)self}};
    PyObject *exception = PyErr_GetRaisedException();
    collect_calls(&u.seen, frame);
    bool taken = false;
    guard_lock(&profile_guard);
    if (current != NULL && exchanges == exchange) {
        taken = put_stack(&u.seen, sizeof(stack) + (size_t)u.seen.depth * sizeof(call));
        adapt_quantum(now);
    }
    guard_unlock(&profile_guard);
    if (!taken) {
        calls_release(u.seen.calls, u.seen.depth);
    }
    PyErr_SetRaisedException(exception);
}

static void
observe(const waiter *w, int64_t now)
{
    PyThreadState *thread_state = PyThreadState_Get();
    /* A part of another wait is not told of. */
    if (w->object == NULL || !is_of(thread_state->interp) || drop_of_parent()) {
        return;
    }
    if (now == 0) {
        /* The holder may end before the wait does, and be unknown then. */
        Py_XDECREF(name_of_holder(w->holder));
        return;
    }
    PyFrameObject *frame = PyThreadState_GetFrame(thread_state);
    place wanted = {
        .code = frame == NULL ? NULL : (PyObject *)PyFrame_GetCode(frame),
        .type = Py_TYPE((PyObject *)w->object),
        .instruction = frame == NULL ? 0 : PyFrame_GetLasti(frame),
        .operation = (wait_operation)w->operation,
    };
    wanted.head.hash =
        mix(mix((uintptr_t)wanted.code, (uintptr_t)wanted.type), (uint64_t)wanted.instruction << 8 | wanted.operation);
    PyObject *name = w->holder != 0              ? name_of_holder(w->holder)
                     : w->operation == WAIT_JOIN ? name_of_joined(w->object)
                                                 : NULL;
    PyObject *unused = NULL;
    bool look = false;
    guard_lock(&profile_guard);
    uint64_t exchange = exchanges;
    place *found = current == NULL ? NULL : get_place(&wanted);
    if (found != NULL) {
        look = add_wait(found, now - w->started);
        if (name != NULL) {
            unused = add_holder(found, name, now - w->started);
        }
    }
    guard_unlock(&profile_guard);
    if (look) {
        look_at_callers(found, frame, now, exchange);
    }
    Py_XDECREF(wanted.code);
    Py_XDECREF(frame);
    Py_XDECREF(name);
    Py_XDECREF(unused);
}

static PyObject *
call_as_tuple(const call *self)
{
    if (self->code == NULL) {
        return Py_BuildValue("Oi", Py_None, 0);
    }
    return Py_BuildValue("Oi", self->code, PyCode_Addr2Line((PyCodeObject *)self->code, self->instruction));
}

/* (nanoseconds, calls), these from the innermost outwards. */
static PyObject *
stack_as_tuple(const stack *self)
{
    PyObject *calls = PyTuple_New(self->depth);
    for (int i = 0; calls != NULL && i < self->depth; i++) {
        PyObject *one = call_as_tuple(&self->calls[i]);
        if (one == NULL) {
            Py_CLEAR(calls);
            break;
        }
        PyTuple_SET_ITEM(calls, i, one);
    }
    return calls == NULL ? NULL : Py_BuildValue("LN", (long long)self->time, calls);
}

/* Adds a new reference to the list, which the call takes over. */
static bool
list_add(PyObject *list, PyObject *what)
{
    bool added = what != NULL && PyList_Append(list, what) == 0;
    Py_XDECREF(what);
    return added;
}

static bool
list_stacks(PyObject *list, place *self)
{
    if (self->latest != NULL) {
        self->latest->time += self->gathered;
        self->gathered = 0;
    }
    for (const stack *one = self->stacks; one != NULL; one = one->next) {
        if (!list_add(list, stack_as_tuple(one))) {
            return false;
        }
    }
    return true;
}

static bool
list_holders(PyObject *list, const place *self)
{
    for (int i = 0; i < HOLDERS && self->holders[i].name != NULL; i++) {
        if (!list_add(list, Py_BuildValue("OL", self->holders[i].name, (long long)self->holders[i].time))) {
            return false;
        }
    }
    return true;
}

/* (calls, type, operation, count, total, longest, holders, stacks). */
static PyObject *
place_as_tuple(place *self)
{
    PyObject *holders = PyList_New(0);
    PyObject *stacks = PyList_New(0);
    PyObject *row = NULL;
    if (holders != NULL && stacks != NULL && list_holders(holders, self) && list_stacks(stacks, self)) {
        call innermost = {self->code, self->instruction};
        PyObject *where = call_as_tuple(&innermost);
        row = where == NULL ? NULL
                            : Py_BuildValue("NOsLLLOO", where, self->type, wait_operation_names[self->operation],
                                            (long long)self->count, (long long)self->total, (long long)self->longest,
                                            holders, stacks);
    }
    Py_XDECREF(holders);
    Py_XDECREF(stacks);
    return row;
}

/* Steals the profile. */
static PyObject *
profile_as_list(profile *self)
{
    PyObject *rows = PyList_New(0);
    for (size_t i = 0; rows != NULL && self != NULL && i < self->places.room; i++) {
        place *one = (place *)self->places.slots[i];
        if (one != NULL && !list_add(rows, place_as_tuple(one))) {
            Py_CLEAR(rows);
        }
    }
    profile_free(self);
    return rows;
}

PyDoc_STRVAR(profile_begin_doc,
             "_profile_begin($module, /)\n--\n\n"
             "Begin to add up the waits of this interpreter's threads. RuntimeError if that is going on.");

static PyObject *
profile_begin(PyObject *module, PyObject *Py_UNUSED(ignored))
{
    module_state *state = module_get_state(module);
    PyObject *active;
    if (PyDict_GetItemRef(state->stdlib, state->str__active, &active) <= 0) {
        return PyErr_Occurred() ? NULL : PyErr_Format(PyExc_RuntimeError, "threading has no _active");
    }
    profile *self = profile_new(active);
    Py_DECREF(active);
    if (self == NULL) {
        return NULL;
    }
    drop_of_parent();
    PyInterpreterState *nobody = NULL;
    if (!atomic_compare_exchange_strong(&owner, &nobody, PyInterpreterState_Get())) {
        profile_free(self);
        return PyErr_Format(PyExc_RuntimeError, "waits are being profiled already");
    }
    atomic_store_explicit(&generation, waiter_generation, memory_order_relaxed);
    profile_exchange(self);
    wait_observe(observe);
    Py_RETURN_NONE;
}

PyDoc_STRVAR(profile_take_doc,
             "_profile_take($module, /)\n--\n\n"
             "Return what has been added up since the begin or the last call, and go on from nothing:\n"
             "a list of ((code, line), type, operation, count, total, longest, holders, stacks), all times in\n"
             "nanoseconds; holders is a list of (name, time), stacks one of (time, calls), these (code, line), the\n"
             "innermost first. There is no code in C, nor of callers too far away.");

static PyObject *
profile_take(PyObject *module, PyObject *Py_UNUSED(ignored))
{
    if (!is_of(PyInterpreterState_Get()) || drop_of_parent()) {
        return PyList_New(0);
    }
    module_state *state = module_get_state(module);
    PyObject *active;
    if (PyDict_GetItemRef(state->stdlib, state->str__active, &active) <= 0) {
        return PyErr_Occurred() ? NULL : PyErr_Format(PyExc_RuntimeError, "threading has no _active");
    }
    profile *self = profile_new(active);
    Py_DECREF(active);
    return self == NULL ? NULL : profile_as_list(go_on_with(self));
}

PyDoc_STRVAR(profile_end_doc,
             "_profile_end($module, /)\n--\n\n"
             "End it and return what _profile_take() does. An empty list if it is not on.");

static PyObject *
profile_end(PyObject *Py_UNUSED(module), PyObject *Py_UNUSED(ignored))
{
    if (!is_of(PyInterpreterState_Get()) || drop_of_parent()) {
        return PyList_New(0);
    }
    return profile_as_list(stop());
}

static PyMethodDef profile_functions[] = {
    {"_profile_begin", profile_begin, METH_NOARGS, profile_begin_doc},
    {"_profile_take", profile_take, METH_NOARGS, profile_take_doc},
    {"_profile_end", profile_end, METH_NOARGS, profile_end_doc},
    {NULL},
};

int
profile_exec(PyObject *module)
{
    return PyModule_AddFunctions(module, profile_functions);
}
