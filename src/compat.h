/* What the versions of CPython from 3.11 on do not have in common. Each entry is here for the version that lacks it. */
#ifndef COMPAT_H
#define COMPAT_H

#define PY_SSIZE_T_CLEAN
#include <Python.h>
#include <structmember.h>

#include <stdbool.h>

#ifdef Py_GIL_DISABLED
#define PARK_FREE_THREADED 1
#endif

#if PY_VERSION_HEX < 0x030C0000
/* 3.12 gave the member types and flags of structmember.h their Py_ names. */
#define Py_T_PYSSIZET T_PYSSIZET
#define Py_T_BOOL T_BOOL
#define Py_READONLY READONLY
#define Py_T_OBJECT_EX T_OBJECT_EX
#define Py_T_BOOL T_BOOL

/* 3.12 made the exception being raised one object. */
static inline PyObject *
PyErr_GetRaisedException(void)
{
    PyObject *type, *value, *traceback;
    PyErr_Fetch(&type, &value, &traceback);
    if (type == NULL) {
        return NULL;
    }
    PyErr_NormalizeException(&type, &value, &traceback);
    if (traceback != NULL) {
        PyException_SetTraceback(value, traceback);
        Py_DECREF(traceback);
    }
    Py_DECREF(type);
    return value;
}

static inline void
PyErr_SetRaisedException(PyObject *exception)
{
    if (exception == NULL) {
        PyErr_Clear();
        return;
    }
    PyErr_Restore(Py_NewRef((PyObject *)Py_TYPE(exception)), exception, PyException_GetTraceback(exception));
}
#endif

#if PY_VERSION_HEX < 0x030D0000
/* 3.13 made it public. */
#define Py_IsFinalizing _Py_IsFinalizing

/* 3.12 brought functions for the dict that lies in front of an object; 3.13 made them public. In 3.11 it is nothing but a
 * pointer in an object that object.__new__ has not made, as ours are. */
#if PY_VERSION_HEX >= 0x030C0000
#define PyObject_VisitManagedDict _PyObject_VisitManagedDict
#define PyObject_ClearManagedDict _PyObject_ClearManagedDict
#else
static inline int
PyObject_VisitManagedDict(PyObject *self, visitproc visit, void *arg)
{
    PyObject **dict = _PyObject_GetDictPtr(self);
    Py_VISIT(*dict);
    return 0;
}

static inline void
PyObject_ClearManagedDict(PyObject *self)
{
    PyObject **dict = _PyObject_GetDictPtr(self);
    Py_CLEAR(*dict);
}
#endif

/* 3.13 brought a public way to say where an ignored exception comes from. */
#define report_ignored_in_thread(thread) _PyErr_WriteUnraisableMsg("in thread started by", (thread))

/* 3.13 gave the look-up in a dict a function that returns a new reference. */
static inline int
PyDict_GetItemRef(PyObject *dict, PyObject *key, PyObject **value)
{
    *value = Py_XNewRef(PyDict_GetItemWithError(dict, key));
    return *value != NULL ? 1 : PyErr_Occurred() ? -1 : 0;
}

/* And setdefault one. Here 0 says nothing about whether the key was there. */
static inline int
PyDict_SetDefaultRef(PyObject *dict, PyObject *key, PyObject *value, PyObject **result)
{
    *result = Py_XNewRef(PyDict_SetDefault(dict, key, value));
    return *result != NULL ? 0 : -1;
}

/* 3.13 brought the free-threaded build; with the GIL, a section without Python code needs nothing. */
#define Py_BEGIN_CRITICAL_SECTION(object) {
#define Py_END_CRITICAL_SECTION() }

/* Whether an interpreter may have threads: from 3.13 on, `_thread` can be asked without starting one. */
static inline bool
interpreter_allows_threads(void)
{
#if PY_VERSION_HEX >= 0x030C0000
    return _PyInterpreterState_HasFeature(PyInterpreterState_Get(), Py_RTFLAGS_THREADS);
#else
    return !_PyInterpreterState_GetConfig(PyInterpreterState_Get())->_isolated_interpreter;
#endif
}
#else
#define report_ignored_in_thread(thread) PyErr_FormatUnraisable("Exception ignored in thread started by %R", (thread))
#endif

/* From 3.13 on, the attributes of an instance of a class statement's class may lie behind it. */
#ifndef Py_TPFLAGS_INLINE_VALUES
#define Py_TPFLAGS_INLINE_VALUES 0
#endif

/* Where the pointers to the dict and the weak references of such an instance lie: no version tells before there is one.
 * kind.c checks it. */
#ifdef Py_GIL_DISABLED
#define MANAGED_DICT_OFFSET (-(Py_ssize_t)sizeof(PyObject *))
#else
#define MANAGED_DICT_OFFSET (-3 * (Py_ssize_t)sizeof(PyObject *))
#endif
#if PY_VERSION_HEX >= 0x030C0000
#define MANAGED_WEAKREFS_OFFSET (MANAGED_DICT_OFFSET - (Py_ssize_t)sizeof(PyObject *))
#else
#define MANAGED_WEAKREFS_OFFSET ((Py_ssize_t)sizeof(PyObject))
#endif

/* Says that threads share this object, which lives as long as its module: free-threaded, they do not contend for its
 * reference count then. 3.14 made that public; 3.13 makes the interpreter's own objects of the kind immortal. */
static inline void
object_is_shared(PyObject *self)
{
#if PY_VERSION_HEX >= 0x030E0000
    PyUnstable_Object_EnableDeferredRefcount(self);
#elif defined(Py_GIL_DISABLED)
    self->ob_ref_local = _Py_IMMORTAL_REFCNT_LOCAL;
#else
    (void)self;
#endif
}

/* No version has a public way to look up an attribute in the type and in a dict that is not the object's own. */
#define object_get_attribute(self, name, dict) _PyObject_GenericGetAttrWithDict((PyObject *)(self), (name), (dict), 0)
#define object_set_attribute(self, name, value, dict) \
    _PyObject_GenericSetAttrWithDict((PyObject *)(self), (name), (value), (dict))

/* A new reference to an int that the interpreter keeps for ever: from 3.12 on such an object is not counted at all. */
static inline PyObject *
small_int_new_ref(PyObject *number)
{
#if PY_VERSION_HEX >= 0x030C0000
    return number;
#else
    return Py_NewRef(number);
#endif
}

/* The value of an int of usual size that is not negative, or -1. From 3.12 on, without a call. */
static inline int64_t
usual_int(PyObject *number)
{
    if (!PyLong_CheckExact(number)) {
        return -1;
    }
#if PY_VERSION_HEX >= 0x030C0000
    if (PyUnstable_Long_IsCompact((PyLongObject *)number)) {
        return PyUnstable_Long_CompactValue((PyLongObject *)number);
    }
#endif
    int overflow;
    return PyLong_AsLongLongAndOverflow(number, &overflow);
}

/* A number that stands for what the type and its bases have as attributes now: another one, or 0, once that has changed; 0
 * as long as nobody has looked an attribute up. There is no public way to ask for the field of the public struct. */
static inline unsigned int
type_version(PyTypeObject *type)
{
    return __atomic_load_n(&type->tp_version_tag, __ATOMIC_ACQUIRE);
}

#if PY_VERSION_HEX < 0x030C0000
/* A number that no two dicts have had, and that a change gives a new one to. From 3.12 on a dict can be watched. */
static inline uint64_t
dict_version(PyObject *dict)
{
    return ((PyDictObject *)dict)->ma_version_tag;
}
#endif

/* The calling thread's ident, as threading.get_ident gives it: pthread_self. glibc's returns the thread pointer on x86-64,
 * which is a register; elsewhere on Linux the compiler knows at least that asking twice in a function gives the same. */
#if defined(__x86_64__) && defined(__GLIBC__) && defined(__has_builtin)
#if __has_builtin(__builtin_thread_pointer)
#define THREAD_IDENT_IS_THREAD_POINTER 1
#endif
#endif
#ifdef THREAD_IDENT_IS_THREAD_POINTER
static inline unsigned long
thread_ident(void)
{
    return (unsigned long)__builtin_thread_pointer();
}
#elif defined(__linux__)
#include <pthread.h>
static inline unsigned long
thread_ident(void)
{
    return (unsigned long)pthread_self();
}
#else
#define thread_ident PyThread_get_thread_ident
#endif

#endif
