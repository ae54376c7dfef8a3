/* threading.local: an object whose attributes are each thread's own.
 *
 * Two kinds of objects meet here: a local, and what a thread holds of locals (thread_values), which the dictionary of
 * the thread state owns, so that it goes when the thread state is cleared. Where a thread has used a local, one
 * `values` binds the two: the dictionary of that local's attributes in that thread. It is in a list of the local's and
 * in a list of the thread's, and goes with whichever goes first. The local owns the dictionary as far as garbage
 * collection is concerned, so that a cycle through it is found, in whichever thread it was made.
 *
 * The fast path needs neither lock nor dictionary: each OS thread remembers the thread_values of the thread state it
 * has last run, and that has a hash table from the number of a local, never given twice in a process, to the
 * dictionary. Only its own thread uses the table. A local that goes leaves its number behind there, to be swept out
 * when the table is next rebuilt: no other local will ask for it. */
#include "../sync/guise.h"

#include <stdatomic.h>
#include <stdint.h>
#include <string.h>

#include "../park/guard.h"

/* The fewest slots of a thread's table; it is a power of two. */
#define SLOTS_MIN 8

/* How often the values of a thread that ends are looked for again, when finalizers have set new ones meanwhile. Those
 * that are left then go with their local. */
#define END_PASSES 4

typedef struct membership {
    struct membership *next;
    struct membership **place; /* that points to this membership */
} membership;

typedef struct {
    uint64_t number; /* of a local; 0: empty, and the end of a search */
    PyObject *dict;  /* borrowed, or NULL: that local has nothing here */
} slot;

typedef struct {
    PyObject_HEAD
    PyThreadState *tstate;
    uint64_t tstate_id;
    slot *slots;
    unsigned shift; /* a number's upper 64 - shift bits say where its search begins */
    size_t used;    /* slots that are not empty */
    membership *values;
    size_t count; /* of the values */
} thread_values;

typedef struct {
    membership of_local;
    membership of_thread;
    thread_values *thread; /* NULL once that has gone */
    uint64_t number;
    PyObject *dict;
} values;

typedef struct {
    PyObject_HEAD
    PyObject *weakrefs;
    PyTypeObject *base; /* cthreading.local itself */
    PyObject *args;     /* for __init__ in each thread; NULL: there is none, or it has been cleared */
    PyObject *keywords;
    uint64_t number;
    membership *values;
} local_object;

/* Guards the memberships of all values, and the counts. Nothing that could run Python code is called with it held. */
static guard lists_guard;

/* What this OS thread has last used. It is good for the thread state that it belongs to, as long as no thread_values
 * has gone since. The address of a thread state can be taken again, so its id is compared too; ids repeat from
 * interpreter to interpreter, but what is found by mistake then is memory still, and has no number of a local of this
 * interpreter. */
static _Thread_local struct {
    PyThreadState *tstate;
    uint64_t tstate_id;
    uint64_t ended;
    thread_values *thread;
} latest;

/* How many thread_values have gone, and 1. On a cache line that is seldom written. */
static _Alignas(64) struct {
    _Atomic uint64_t count;
    char rest[56];
} threads_ended = {.count = 1};

/* A number is a count times an odd constant: unique, and its upper bits are spread (2**64 over the golden ratio). */
static uint64_t
number_next(void)
{
    static _Atomic uint64_t count;
    return (atomic_fetch_add_explicit(&count, 1, memory_order_relaxed) + 1) * UINT64_C(0x9E3779B97F4A7C15);
}

static void
membership_begin(membership **head, membership *self)
{
    self->next = *head;
    self->place = head;
    if (*head != NULL) {
        (*head)->place = &self->next;
    }
    *head = self;
}

static void
membership_end(membership *self)
{
    *self->place = self->next;
    if (self->next != NULL) {
        self->next->place = self->place;
    }
}

static inline values *
values_of_local(membership *self)
{
    return (values *)((char *)self - offsetof(values, of_local));
}

static inline values *
values_of_thread(membership *self)
{
    return (values *)((char *)self - offsetof(values, of_thread));
}

static void
values_free(values *self)
{
    PyObject *dict = self->dict;
    PyMem_Free(self);
    Py_DECREF(dict);
}

/* The slot of this number, or the empty one that it would get. */
static inline slot *
slot_find(slot *slots, unsigned shift, uint64_t number)
{
    size_t last = ((size_t)1 << (64 - shift)) - 1;
    size_t i = (size_t)(number >> shift);
    while (slots[i].number != number && slots[i].number != 0) {
        i = (i + 1) & last;
    }
    return &slots[i];
}

static inline slot *
thread_slot(thread_values *self, uint64_t number)
{
    return slot_find(self->slots, self->shift, number);
}

static inline size_t
thread_size(thread_values *self)
{
    return (size_t)1 << (64 - self->shift);
}

/* Makes room for one more number: a new table, of those values that are still there. */
static int
thread_rebuild(thread_values *self)
{
    guard_lock(&lists_guard);
    size_t wanted = (self->count + 1) * 3;
    guard_unlock(&lists_guard);
    unsigned shift = 64;
    size_t size = 1;
    while (size < SLOTS_MIN || size < wanted) {
        size *= 2;
        shift--;
    }
    slot *slots = PyMem_Calloc(size, sizeof(slot));
    if (slots == NULL) {
        PyErr_NoMemory();
        return -1;
    }
    /* Only this thread adds values: there are not more of them now. */
    guard_lock(&lists_guard);
    for (membership *i = self->values; i != NULL; i = i->next) {
        values *found = values_of_thread(i);
        *slot_find(slots, shift, found->number) = (slot){found->number, found->dict};
    }
    self->used = self->count;
    guard_unlock(&lists_guard);
    PyMem_Free(self->slots);
    self->slots = slots;
    self->shift = shift;
    return 0;
}

static inline bool
thread_is_full(thread_values *self)
{
    return (self->used + 1) * 3 > thread_size(self) * 2;
}

static void
thread_set_latest(thread_values *self)
{
    latest.tstate = self->tstate;
    latest.tstate_id = self->tstate_id;
    latest.ended = atomic_load_explicit(&threads_ended.count, memory_order_relaxed);
    latest.thread = self;
}

/* What the calling thread has last used, or NULL. It may belong to another instance of this module. */
static inline thread_values *
thread_get_latest(void)
{
    PyThreadState *tstate = PyThreadState_Get();
    if (latest.tstate == tstate && latest.ended == atomic_load_explicit(&threads_ended.count, memory_order_relaxed) &&
        latest.tstate_id == PyThreadState_GetID(tstate)) {
        return latest.thread;
    }
    return NULL;
}

static thread_values *
thread_make(PyTypeObject *type)
{
    thread_values *self = (thread_values *)type->tp_alloc(type, 0);
    if (self == NULL) {
        return NULL;
    }
    self->tstate = PyThreadState_Get();
    self->tstate_id = PyThreadState_GetID(self->tstate);
    if (thread_rebuild(self) < 0) {
        Py_DECREF(self);
        return NULL;
    }
    return self;
}

/* Finds the calling thread's in its dictionary, making it if need be. Returns a borrowed reference. */
static thread_values *
thread_find(PyTypeObject *type)
{
    PyObject *dict = PyThreadState_GetDict();
    if (dict == NULL) {
        PyErr_SetString(PyExc_SystemError, "the thread state has no dictionary");
        return NULL;
    }
    PyObject *found;
    if (PyDict_GetItemRef(dict, (PyObject *)type, &found) < 0) {
        return NULL;
    }
    if (found == NULL) {
        PyObject *made = (PyObject *)thread_make(type);
        if (made == NULL) {
            return NULL;
        }
        /* Making it may have run a finalizer that has made one. */
        found = Py_XNewRef(PyDict_SetDefault(dict, (PyObject *)type, made));
        Py_DECREF(made);
        if (found == NULL) {
            return NULL;
        }
    }
    Py_DECREF(found);
    return (thread_values *)found;
}

/* The calling thread's, for locals whose base type this is. Returns a borrowed reference. */
static thread_values *
thread_current(PyTypeObject *base)
{
    module_state *state = PyType_GetModuleState(base);
    if (state == NULL) {
        return NULL;
    }
    PyTypeObject *type = state->thread_values_type;
    if (type == NULL) {
        return module_is_cleared();
    }
    thread_values *self = thread_get_latest();
    if (self == NULL || Py_TYPE(self) != type) {
        self = thread_find(type);
        if (self != NULL) {
            thread_set_latest(self);
        }
    }
    return self;
}

/* Drops all values. A finalizer that uses a local again finds it empty. Returns whether there were any. */
static bool
thread_release(thread_values *self)
{
    if (self->slots != NULL) {
        memset(self->slots, 0, thread_size(self) * sizeof(slot));
        self->used = 0;
    }
    guard_lock(&lists_guard);
    membership *taken = self->values;
    for (membership *i = taken; i != NULL; i = i->next) {
        membership_end(&values_of_thread(i)->of_local);
    }
    self->values = NULL;
    self->count = 0;
    guard_unlock(&lists_guard);
    bool had_any = taken != NULL;
    while (taken != NULL) {
        values *found = values_of_thread(taken);
        taken = taken->next;
        values_free(found);
    }
    return had_any;
}

static void
thread_leave_values(thread_values *self)
{
    guard_lock(&lists_guard);
    for (membership *i = self->values; i != NULL; i = i->next) {
        values_of_thread(i)->thread = NULL;
    }
    guard_unlock(&lists_guard);
}

/* The thread state is cleared, most often by its own thread, where the finalizers of the values run then. If they use
 * locals, they are to find this one, not to make another: the dictionary of the thread state has gone already. */
static void
thread_dealloc(thread_values *self)
{
    PyThreadState *tstate = PyThreadState_Get();
    if (self->tstate == tstate && self->tstate_id == PyThreadState_GetID(tstate)) {
        thread_set_latest(self);
    }
    int passes = 0;
    while (passes < END_PASSES && thread_release(self)) {
        passes++;
    }
    thread_leave_values(self);
    atomic_fetch_add_explicit(&threads_ended.count, 1, memory_order_release);
    PyMem_Free(self->slots);
    PyTypeObject *type = Py_TYPE(self);
    type->tp_free(self);
    Py_DECREF(type);
}

static values *
values_make(uint64_t number)
{
    PyObject *dict = PyDict_New();
    if (dict == NULL) {
        return NULL;
    }
    values *self = PyMem_Malloc(sizeof(values));
    if (self == NULL) {
        Py_DECREF(dict);
        PyErr_NoMemory();
        return NULL;
    }
    *self = (values){.number = number, .dict = dict};
    return self;
}

/* Gives the thread its values of this local, `*dict` a new reference. Returns 1; 0: it had them; -1: no memory. */
static int
local_add_values(local_object *self, thread_values *thread, PyObject **dict)
{
    values *made = values_make(self->number);
    if (made == NULL) {
        return -1;
    }
    if (thread_is_full(thread) && thread_rebuild(thread) < 0) {
        values_free(made);
        return -1;
    }
    slot *place = thread_slot(thread, self->number);
    if (place->dict != NULL) {
        /* Making them has run a finalizer that used this local. */
        values_free(made);
        *dict = Py_NewRef(place->dict);
        return 0;
    }
    if (place->number == 0) {
        place->number = self->number;
        thread->used++;
    }
    place->dict = made->dict;
    *dict = Py_NewRef(made->dict);
    guard_lock(&lists_guard);
    made->thread = thread;
    membership_begin(&thread->values, &made->of_thread);
    thread->count++;
    membership_begin(&self->values, &made->of_local);
    guard_unlock(&lists_guard);
    return 1;
}

/* Takes the values away from the thread again, with an exception set. */
static void
local_drop_values(local_object *self, thread_values *thread)
{
    PyObject *exception = PyErr_GetRaisedException();
    thread_slot(thread, self->number)->dict = NULL;
    guard_lock(&lists_guard);
    membership *i = thread->values;
    while (i != NULL && values_of_thread(i)->number != self->number) {
        i = i->next;
    }
    if (i != NULL) {
        membership_end(i);
        thread->count--;
        membership_end(&values_of_thread(i)->of_local);
    }
    guard_unlock(&lists_guard);
    if (i != NULL) {
        values_free(values_of_thread(i));
    }
    PyErr_SetRaisedException(exception);
}

static int
local_init_in_thread(local_object *self)
{
    initproc init = Py_TYPE(self)->tp_init;
    if (init == PyBaseObject_Type.tp_init || self->args == NULL) {
        return 0;
    }
    return init((PyObject *)self, self->args, self->keywords);
}

static PyObject *
local_get_dict_slow(local_object *self)
{
    thread_values *thread = thread_current(self->base);
    if (thread == NULL) {
        return NULL;
    }
    PyObject *dict = thread_slot(thread, self->number)->dict;
    if (dict != NULL) {
        return Py_NewRef(dict);
    }
    int added = local_add_values(self, thread, &dict);
    if (added < 0) {
        return NULL;
    }
    if (added && local_init_in_thread(self) < 0) {
        local_drop_values(self, thread);
        Py_DECREF(dict);
        return NULL;
    }
    return dict;
}

/* The attributes of the calling thread. Returns a new reference. */
static inline PyObject *
local_get_dict(local_object *self)
{
    thread_values *thread = thread_get_latest();
    if (thread != NULL) {
        PyObject *dict = thread_slot(thread, self->number)->dict;
        if (dict != NULL) {
            return Py_NewRef(dict);
        }
    }
    return local_get_dict_slow(self);
}

/* Drops the values of all threads. The tables of the threads keep the number, which therefore is not used again. */
static void
local_release(local_object *self)
{
    guard_lock(&lists_guard);
    membership *taken = self->values;
    if (taken != NULL) {
        self->number = number_next();
    }
    for (membership *i = taken; i != NULL; i = i->next) {
        values *found = values_of_local(i);
        if (found->thread != NULL) {
            membership_end(&found->of_thread);
            found->thread->count--;
        }
    }
    self->values = NULL;
    guard_unlock(&lists_guard);
    while (taken != NULL) {
        values *found = values_of_local(taken);
        taken = taken->next;
        values_free(found);
    }
}

/* The values of this thread, without the call of __init__ that the caller is about to do. */
static int
local_begin_values(local_object *self)
{
    thread_values *thread = thread_current(self->base);
    PyObject *dict;
    if (thread == NULL || local_add_values(self, thread, &dict) < 0) {
        return -1;
    }
    Py_DECREF(dict);
    return 0;
}

static PyObject *
local_new(PyTypeObject *type, PyObject *args, PyObject *keywords)
{
    bool has_arguments = PyTuple_GET_SIZE(args) != 0 || (keywords != NULL && PyDict_GET_SIZE(keywords) != 0);
    if (has_arguments && type->tp_init == PyBaseObject_Type.tp_init) {
        PyErr_SetString(PyExc_TypeError, "Initialization arguments are not supported");
        return NULL;
    }
    PyTypeObject *base = module_state_of(type)->local_type;
    if (base == NULL) {
        return module_is_cleared();
    }
    local_object *self = (local_object *)type->tp_alloc(type, 0);
    if (self == NULL) {
        return NULL;
    }
    self->base = (PyTypeObject *)Py_NewRef(base);
    self->args = Py_NewRef(args);
    self->keywords = Py_XNewRef(keywords);
    self->number = number_next();
    if (type->tp_init != PyBaseObject_Type.tp_init && local_begin_values(self) < 0) {
        Py_DECREF(self);
        return NULL;
    }
    return (PyObject *)self;
}

/* Most locals have no subclass and no arguments: this makes one without looking for either. */
static PyObject *
local_vectorcall(PyObject *callable, PyObject *const *args, size_t flags, PyObject *keywords)
{
    PyTypeObject *type = (PyTypeObject *)callable;
    if (PyVectorcall_NARGS(flags) != 0 || keywords != NULL || type->tp_new != local_new ||
        type->tp_init != PyBaseObject_Type.tp_init) {
        return construct_slow(callable, args, flags, keywords);
    }
    local_object *self = (local_object *)type->tp_alloc(type, 0);
    if (self != NULL) {
        self->base = (PyTypeObject *)Py_NewRef(type);
        self->number = number_next();
    }
    return (PyObject *)self;
}

static int
local_traverse(local_object *self, visitproc visit, void *arg)
{
    Py_VISIT(Py_TYPE(self));
    Py_VISIT(self->base);
    Py_VISIT(self->args);
    Py_VISIT(self->keywords);
    for (membership *i = self->values; i != NULL; i = i->next) {
        Py_VISIT(values_of_local(i)->dict);
    }
    return 0;
}

static int
local_clear(local_object *self)
{
    Py_CLEAR(self->args);
    Py_CLEAR(self->keywords);
    local_release(self);
    return 0;
}

static void
local_dealloc(local_object *self)
{
    PyTypeObject *type = Py_TYPE(self);
    PyObject_GC_UnTrack(self);
    if (self->weakrefs != NULL) {
        PyObject_ClearWeakRefs((PyObject *)self);
    }
    local_clear(self);
    Py_XDECREF(self->base);
    type->tp_free(self);
    Py_DECREF(type);
}

/* A name that is not a plain str can claim to be equal. */
static int
is_dict_name_slow(PyObject *name)
{
    PyObject *dict_name = PyUnicode_FromString("__dict__");
    if (dict_name == NULL) {
        return -1;
    }
    int result = PyObject_RichCompareBool(name, dict_name, Py_EQ);
    Py_DECREF(dict_name);
    return result;
}

static inline int
is_dict_name(PyObject *name)
{
    if (!PyUnicode_CheckExact(name)) {
        return is_dict_name_slow(name);
    }
    return PyUnicode_GET_LENGTH(name) == 8 && PyUnicode_KIND(name) == PyUnicode_1BYTE_KIND &&
           memcmp(PyUnicode_1BYTE_DATA(name), "__dict__", 8) == 0;
}

static PyObject *
local_get_attribute(local_object *self, PyObject *name, PyObject *dict)
{
    int is_dict = is_dict_name(name);
    if (is_dict != 0) {
        return is_dict < 0 ? NULL : Py_NewRef(dict);
    }
    PyObject *found = NULL;
    /* local itself has no attributes that would come before those of the thread. */
    if (Py_TYPE(self) != self->base || PyDict_GetItemRef(dict, name, &found) == 0) {
        found = object_get_attribute(self, name, dict);
    }
    return found;
}

static PyObject *
local_getattro(local_object *self, PyObject *name)
{
    PyObject *dict = local_get_dict(self);
    if (dict == NULL) {
        return NULL;
    }
    PyObject *found = local_get_attribute(self, name, dict);
    Py_DECREF(dict);
    return found;
}

static int
local_set_attribute(local_object *self, PyObject *name, PyObject *value, PyObject *dict)
{
    int is_dict = is_dict_name(name);
    if (is_dict > 0) {
        PyErr_Format(PyExc_AttributeError, "'%.100s' object attribute %R is read-only", Py_TYPE(self)->tp_name, name);
    }
    return is_dict != 0 ? -1 : object_set_attribute(self, name, value, dict);
}

static int
local_setattro(local_object *self, PyObject *name, PyObject *value)
{
    PyObject *dict = local_get_dict(self);
    if (dict == NULL) {
        return -1;
    }
    int result = local_set_attribute(self, name, value, dict);
    Py_DECREF(dict);
    return result;
}

static PyMemberDef local_members[] = {
    {"__weaklistoffset__", Py_T_PYSSIZET, offsetof(local_object, weakrefs), Py_READONLY},
    {NULL},
};

static const guise local_guise = {offsetof(module_state, local_type), offsetof(module_state, stdlib_local_type)};

static PyGetSetDef local_getset[] = {
    GUISE_GETSET(local_guise),
    {NULL},
};

PyDoc_STRVAR(local_doc,
             "local()\n--\n\n"
             "An object whose attributes are each thread's own; as threading.local.\n\n"
             "What a thread sets, only that thread sees, until it ends. __dict__ is the dictionary of the calling\n"
             "thread's attributes. The __init__ of a subclass is called in each thread that uses the object, when it\n"
             "first does so, with the arguments that the object was made with; what is in __slots__ is shared.");

static PyType_Slot local_slots[] = {
    {Py_tp_doc, (void *)local_doc},   {Py_tp_new, local_new},
    {Py_tp_traverse, local_traverse}, {Py_tp_clear, local_clear},
    {Py_tp_dealloc, local_dealloc},   {Py_tp_getattro, local_getattro},
    {Py_tp_setattro, local_setattro}, {Py_tp_members, local_members},
    {Py_tp_getset, local_getset},     {0, NULL},
};

static PyType_Spec local_spec = {
    .name = "cthreading.local",
    .basicsize = sizeof(local_object),
    .flags = Py_TPFLAGS_DEFAULT | Py_TPFLAGS_BASETYPE | Py_TPFLAGS_HAVE_GC,
    .slots = local_slots,
};

static PyType_Slot thread_values_slots[] = {
    {Py_tp_dealloc, thread_dealloc},
    {0, NULL},
};

static PyType_Spec thread_values_spec = {
    .name = "cthreading._thread_values",
    .basicsize = sizeof(thread_values),
    .flags = Py_TPFLAGS_DEFAULT | Py_TPFLAGS_DISALLOW_INSTANTIATION,
    .slots = thread_values_slots,
};

int
local_exec(PyObject *module)
{
    module_state *state = module_get_state(module);
    state->thread_values_type = (PyTypeObject *)PyType_FromModuleAndSpec(module, &thread_values_spec, NULL);
    if (state->thread_values_type == NULL) {
        return -1;
    }
    state->local_type = module_add_type(module, &local_spec, NULL);
    if (state->local_type == NULL) {
        return -1;
    }
    state->local_type->tp_vectorcall = local_vectorcall;
    return 0;
}
