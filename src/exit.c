/* What the core must know of the interpreter's end: threads that are woken then may never get the interpreter, so from
 * there on nobody is put off for them (park/admission.h). */
#include "module.h"

#include "park/admission.h"

static PyObject *
end_admission(PyObject *Py_UNUSED(module), PyObject *Py_UNUSED(ignored))
{
    admission_end();
    Py_RETURN_NONE;
}

static PyMethodDef end_admission_definition = {"_end_admission", end_admission, METH_NOARGS, NULL};

int
exit_exec(PyObject *module)
{
    /* The others' threads are not concerned. */
    if (PyInterpreterState_Get() != PyInterpreterState_Main()) {
        return 0;
    }
    admission_begin();
    PyObject *at_exit = module_import_from("atexit", "register");
    PyObject *function = at_exit == NULL ? NULL : PyCFunction_NewEx(&end_admission_definition, module, NULL);
    PyObject *done = function == NULL ? NULL : PyObject_CallOneArg(at_exit, function);
    Py_XDECREF(at_exit);
    Py_XDECREF(function);
    Py_XDECREF(done);
    return done == NULL ? -1 : 0;
}
