/* Seconds to deadlines. A timeout that cannot be converted is given to the running standard library's own lock, so that
 * the error is word for word the one of that Python. */
#include "timeout.h"

#include <math.h>
#include <string.h>

#include "../module.h"

/* A timeout of fewer seconds is none that could be too large. */
#define USUAL_SECONDS 1000000

int64_t
deadline_after(int64_t nanoseconds)
{
    if (nanoseconds == 0 || nanoseconds == PARK_FOREVER) {
        return nanoseconds;
    }
    return park_later(park_now(), nanoseconds);
}

/* Returns -1, with the error that the standard library's lock has for these arguments. */
static int
raise_as_standard_lock(PyObject *blocking, PyObject *timeout)
{
    PyObject *allocate = module_import_from("_thread", "allocate_lock");
    PyObject *lock = allocate == NULL ? NULL : PyObject_CallNoArgs(allocate);
    PyObject *result = lock == NULL ? NULL : PyObject_CallMethod(lock, "acquire", "OO", blocking, timeout);
    if (result != NULL) {
        PyErr_SetString(PyExc_ValueError, "timeout value is out of range");
    }
    Py_XDECREF(allocate);
    Py_XDECREF(lock);
    Py_XDECREF(result);
    return -1;
}

static bool
nanoseconds_from_double(double seconds, int64_t *nanoseconds)
{
    double exact = seconds < 0 ? floor(seconds * 1e9) : ceil(seconds * 1e9);
    /* Not true for NaN. The upper bound is exactly 2**63. */
    if (!(exact >= -9223372036854775808.0 && exact < 9223372036854775808.0)) {
        return false;
    }
    *nanoseconds = (int64_t)exact;
    return true;
}

static bool
nanoseconds_from_int(PyObject *seconds, int64_t *nanoseconds)
{
    int overflow;
    long long whole = PyLong_AsLongLongAndOverflow(seconds, &overflow);
    if (overflow || whole > INT64_MAX / PARK_SECOND || whole < INT64_MIN / PARK_SECOND) {
        return false;
    }
    *nanoseconds = whole * PARK_SECOND;
    return true;
}

int
timeout_to_nanoseconds(PyObject *seconds, int64_t *nanoseconds)
{
    bool converted = false;
    if (PyFloat_Check(seconds)) {
        converted = nanoseconds_from_double(PyFloat_AS_DOUBLE(seconds), nanoseconds);
    }
    else if (PyLong_CheckExact(seconds)) {
        converted = nanoseconds_from_int(seconds, nanoseconds);
    }
    else if (PyIndex_Check(seconds)) {
        PyObject *whole = PyNumber_Index(seconds);
        if (whole == NULL) {
            return -1;
        }
        converted = nanoseconds_from_int(whole, nanoseconds);
        Py_DECREF(whole);
    }
#if PY_VERSION_HEX >= 0x030F0000
    else if (Py_TYPE(seconds)->tp_as_number != NULL && Py_TYPE(seconds)->tp_as_number->nb_float != NULL) {
        double value = PyFloat_AsDouble(seconds);
        if (value == -1.0 && PyErr_Occurred()) {
            return -1;
        }
        converted = nanoseconds_from_double(value, nanoseconds);
    }
#endif
    return converted ? 0 : raise_as_standard_lock(Py_True, seconds);
}

/* Whether the timeout is zero or less, compared as the running version does: the TypeError names the operator, and NaN
 * is neither. Returns -1 with an exception set. */
static int
is_over(PyObject *timeout)
{
    PyObject *zero = PyLong_FromLong(0);
    if (zero == NULL) {
        return -1;
    }
#if PY_VERSION_HEX >= 0x030E0000
    int over = PyObject_RichCompareBool(timeout, zero, Py_LE);
#else
    int left = PyObject_RichCompareBool(timeout, zero, Py_GT);
    int over = left < 0 ? -1 : !left;
#endif
    Py_DECREF(zero);
    return over;
}

int64_t
wait_from_usual(PyObject *timeout)
{
    int64_t nanoseconds;
    if (PyFloat_CheckExact(timeout)) {
        double seconds = PyFloat_AS_DOUBLE(timeout);
        bool usual = seconds >= 0 && seconds < USUAL_SECONDS && nanoseconds_from_double(seconds, &nanoseconds);
        return usual ? nanoseconds : -1;
    }
    int64_t seconds = usual_int(timeout);
    return seconds >= 0 && seconds < USUAL_SECONDS ? seconds * PARK_SECOND : -1;
}

int64_t
wait_from_timeout(PyObject *timeout)
{
    if (timeout == Py_None) {
        return PARK_FOREVER;
    }
    int64_t nanoseconds = wait_from_usual(timeout);
    if (nanoseconds >= 0) {
        return nanoseconds;
    }
    int over = is_over(timeout);
    if (over != 0) {
        return over < 0 ? -1 : 0;
    }
    if (timeout_to_nanoseconds(timeout, &nanoseconds) < 0) {
        return -1;
    }
    /* It has said that it is more than zero. The standard library's lock refuses it, but for -1. */
    return nanoseconds >= 0              ? nanoseconds
           : nanoseconds == -PARK_SECOND ? PARK_FOREVER
                                         : raise_as_standard_lock(Py_True, timeout);
}

int64_t
wait_from_total_timeout(PyObject *timeout)
{
    if (PyFloat_Check(timeout) && isnan(PyFloat_AS_DOUBLE(timeout))) {
        return raise_as_standard_lock(Py_True, timeout);
    }
    return wait_from_timeout(timeout);
}

static int
is_blocking(PyObject *blocking)
{
#if PY_VERSION_HEX < 0x030C0000
    /* 3.11 wants an integer. */
    long value = PyLong_AsLong(blocking);
    return value == -1 && PyErr_Occurred() ? -1 : value != 0;
#else
    return PyObject_IsTrue(blocking);
#endif
}

/* acquire(timeout=number) with a usual one, or -1. */
static int64_t
wait_from_usual_timeout(PyObject *const *args, Py_ssize_t count, PyObject *keywords)
{
    if (count != 0 || keywords == NULL || PyTuple_GET_SIZE(keywords) != 1) {
        return -1;
    }
    PyObject *keyword = PyTuple_GET_ITEM(keywords, 0);
    if (PyUnicode_GET_LENGTH(keyword) != 7 || PyUnicode_KIND(keyword) != PyUnicode_1BYTE_KIND ||
        memcmp(PyUnicode_1BYTE_DATA(keyword), "timeout", 7) != 0) {
        return -1;
    }
    return wait_from_usual(args[0]);
}

int64_t
wait_from_acquire_arguments_slow(PyObject *const *args, Py_ssize_t count, PyObject *keywords)
{
    int64_t usual = wait_from_usual_timeout(args, count, keywords);
    if (usual >= 0) {
        return usual;
    }
    static const char *const names[] = {"blocking", "timeout", NULL};
    PyObject *values[2];
    if (unpack_arguments("acquire", names, args, count, keywords, values) < 0) {
        return -1;
    }
    int blocking = values[0] == NULL ? 1 : is_blocking(values[0]);
    int64_t nanoseconds = -PARK_SECOND;
    if (blocking < 0 || (values[1] != NULL && timeout_to_nanoseconds(values[1], &nanoseconds) < 0)) {
        return -1;
    }
    if (nanoseconds == -PARK_SECOND) {
        return blocking ? PARK_FOREVER : 0; /* no timeout, or the default of -1 second */
    }
    if (!blocking || nanoseconds < 0) {
        return raise_as_standard_lock(blocking ? Py_True : Py_False, values[1]);
    }
    return nanoseconds;
}
