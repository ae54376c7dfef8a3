/* Seconds to deadlines. A timeout that cannot be converted is given to the running standard library's own lock, so that
 * the error is word for word the one of that Python. */
#include "timeout.h"

#include <math.h>

#include "../module.h"

#define NANOSECONDS 1000000000

int64_t
deadline_after(int64_t nanoseconds)
{
    int64_t now = park_now();
    return nanoseconds > PARK_FOREVER - now ? PARK_FOREVER : now + nanoseconds;
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
    double exact = ceil(seconds * 1e9);
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
    if (overflow || whole > INT64_MAX / NANOSECONDS || whole < INT64_MIN / NANOSECONDS) {
        return false;
    }
    *nanoseconds = whole * NANOSECONDS;
    return true;
}

int
timeout_to_nanoseconds(PyObject *seconds, int64_t *nanoseconds)
{
    bool converted = false;
    if (PyFloat_Check(seconds)) {
        converted = nanoseconds_from_double(PyFloat_AS_DOUBLE(seconds), nanoseconds);
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

int
deadline_from_timeout(PyObject *timeout, int64_t *deadline)
{
    if (timeout == Py_None) {
        *deadline = PARK_FOREVER;
        return 0;
    }
    int64_t nanoseconds = 0;
    if (PyFloat_CheckExact(timeout) && nanoseconds_from_double(PyFloat_AS_DOUBLE(timeout), &nanoseconds)) {
        *deadline = nanoseconds <= 0 ? 0 : deadline_after(nanoseconds);
        return 0;
    }
    /* Compares as the running version does: the TypeError names the operator, and NaN is neither. */
    PyObject *zero = PyLong_FromLong(0);
    if (zero == NULL) {
        return -1;
    }
#if PY_VERSION_HEX >= 0x030E0000
    int now = PyObject_RichCompareBool(timeout, zero, Py_LE);
#else
    int later = PyObject_RichCompareBool(timeout, zero, Py_GT);
    int now = later < 0 ? -1 : !later;
#endif
    Py_DECREF(zero);
    if (now < 0) {
        return -1;
    }
    if (now) {
        *deadline = 0;
        return 0;
    }
    if (timeout_to_nanoseconds(timeout, &nanoseconds) < 0) {
        return -1;
    }
    *deadline = deadline_after(nanoseconds);
    return 0;
}

int
deadline_from_total_timeout(PyObject *timeout, int64_t *deadline)
{
    if (PyFloat_Check(timeout) && isnan(PyFloat_AS_DOUBLE(timeout))) {
        return raise_as_standard_lock(Py_True, timeout);
    }
    return deadline_from_timeout(timeout, deadline);
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

int
deadline_from_lock_arguments(PyObject *blocking, PyObject *timeout, int64_t *deadline)
{
    int wait = blocking == NULL || blocking == Py_True ? 1 : is_blocking(blocking);
    if (wait < 0) {
        return -1;
    }
    *deadline = wait ? PARK_FOREVER : 0;
    if (timeout == NULL) {
        return 0;
    }
    int64_t nanoseconds = 0;
    if (timeout_to_nanoseconds(timeout, &nanoseconds) < 0) {
        return -1;
    }
    if (nanoseconds == -(int64_t)NANOSECONDS) {
        return 0; /* the default, -1 second */
    }
    if (!wait || nanoseconds < 0) {
        return raise_as_standard_lock(wait ? Py_True : Py_False, timeout);
    }
    *deadline = nanoseconds == 0 ? 0 : deadline_after(nanoseconds);
    return 0;
}
