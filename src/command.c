/* Running a program as `python` itself does, for `python -m cthreading`.
 *
 * The interpreter's own functions run it, print its exceptions and exit. They are called from sys.excepthook: the Python
 * code that prepared everything ends by raising an exception that carries what is to be run. So its frames are gone when
 * the interpreter calls the hook, and the program is at the bottom of the stack, as it expects: in tracebacks, for the
 * stack levels of warnings, for sys._getframe. */
#include "module.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <unistd.h>

/* What the process exits with: as `python`. */
enum { ENDED_WELL = 0, ENDED_BY_EXCEPTION = 1, NO_SUCH_FILE = 2 };

static PyCompilerFlags
usual_flags(void)
{
    return (PyCompilerFlags){.cf_flags = 0, .cf_feature_version = PY_MINOR_VERSION};
}

/* Has the interpreter kill itself with SIGINT at its end: that is what it does when code which it runs itself, and not
 * another function, ends with KeyboardInterrupt. */
static void
note_interrupt(void)
{
    PyCompilerFlags flags = usual_flags();
    PyObject *dict = PyDict_New();
    PyObject *done =
        dict == NULL ? NULL : PyRun_StringFlags("raise KeyboardInterrupt", Py_file_input, dict, dict, &flags);
    Py_XDECREF(done);
    Py_XDECREF(dict);
    PyErr_Clear();
}

/* Prints the exception; exits if it is SystemExit. */
static int
end_with_exception(void)
{
    bool interrupted = PyErr_ExceptionMatches(PyExc_KeyboardInterrupt);
    PyErr_Print();
    if (interrupted) {
        note_interrupt();
    }
    return ENDED_BY_EXCEPTION;
}

static int
end_with(PyObject *result)
{
    if (result == NULL) {
        return end_with_exception();
    }
    Py_DECREF(result);
    return ENDED_WELL;
}

/* Opens as fopen(path, "rb"), for this process alone: it may be a pipe, so it cannot be looked into beforehand. */
static FILE *
open_file(const char *path)
{
    int descriptor;
    do {
        Py_BEGIN_ALLOW_THREADS descriptor = open(path, O_RDONLY | O_CLOEXEC);
        Py_END_ALLOW_THREADS
    } while (descriptor < 0 && errno == EINTR && PyErr_CheckSignals() == 0);
    FILE *file = descriptor < 0 ? NULL : fdopen(descriptor, "rb");
    if (descriptor >= 0 && file == NULL) {
        close(descriptor);
    }
    return file;
}

static int
run_file(PyObject *name, PyObject *program)
{
    PyObject *path;
    if (!PyUnicode_FSConverter(name, &path)) {
        return end_with_exception();
    }
    FILE *file = open_file(PyBytes_AS_STRING(path));
    int status;
    if (file != NULL) {
        PyCompilerFlags flags = usual_flags();
        status = PyRun_AnyFileExFlags(file, PyBytes_AS_STRING(path), 1, &flags) == 0 ? ENDED_WELL : ENDED_BY_EXCEPTION;
    }
    else if (PyErr_Occurred()) {
        status = end_with_exception();
    }
    else {
        int error = errno;
        PySys_FormatStderr("%S: can't open file %R: [Errno %d] %s\n", program, name, error, strerror(error));
        status = NO_SUCH_FILE;
    }
    Py_DECREF(path);
    return status;
}

static int
run_stdin(void)
{
    PyCompilerFlags flags = usual_flags();
    return PyRun_AnyFileExFlags(stdin, "<stdin>", 0, &flags) == 0 ? ENDED_WELL : ENDED_BY_EXCEPTION;
}

static int
run_module(PyObject *name, PyObject *alter_argv)
{
    PyObject *function = module_import_from("runpy", "_run_module_as_main");
    PyObject *result = function == NULL ? NULL : PyObject_CallFunctionObjArgs(function, name, alter_argv, NULL);
    Py_XDECREF(function);
    return end_with(result);
}

#if PY_VERSION_HEX >= 0x030D0000
/* From 3.13 on, `python -c` lets tracebacks show the lines of the command, which no public function does. */
static PyObject *
show_lines(PyObject *code, PyObject *command, PyObject *file_name)
{
    PyObject *linecache = PyImport_ImportModule("linecache");
    if (linecache == NULL) {
        return NULL;
    }
    /* The first releases have them under the name. */
    PyObject *key = PyObject_HasAttrString(linecache, "_interactive_cache") ? code : file_name;
    PyObject *done = PyObject_CallMethod(linecache, "_register_code", "OOO", key, command, file_name);
    Py_DECREF(linecache);
    return done;
}

static PyObject *
main_dict(void)
{
    PyObject *main = PyImport_AddModule("__main__");
    return main == NULL ? NULL : PyModule_GetDict(main);
}

static int
run_command(PyObject *command)
{
    PyCompilerFlags flags = usual_flags();
    const char *text = PyUnicode_AsUTF8(command);
    PyObject *file_name = text == NULL ? NULL : PyUnicode_FromString("<string>");
    PyObject *code = file_name == NULL ? NULL : Py_CompileStringObject(text, file_name, Py_file_input, &flags, -1);
    PyObject *shown = code == NULL ? NULL : show_lines(code, command, file_name);
    PyObject *dict = shown == NULL ? NULL : main_dict();
    PyObject *result = dict == NULL ? NULL : PyEval_EvalCode(code, dict, dict);
    Py_XDECREF(file_name);
    Py_XDECREF(code);
    Py_XDECREF(shown);
    return end_with(result);
}
#else
static int
run_command(PyObject *command)
{
    PyCompilerFlags flags = usual_flags();
    const char *text = PyUnicode_AsUTF8(command);
    if (text == NULL) {
        return end_with_exception();
    }
    return PyRun_SimpleStringFlags(text, &flags) == 0 ? ENDED_WELL : ENDED_BY_EXCEPTION;
}
#endif

PyDoc_STRVAR(
    run_program_doc,
    "_run_program($module, how, what, with_, /)\n--\n\n"
    "Run a program in the module __main__, print its exception if it ends with one, and return its status.\n\n"
    "how is 'file' (what is a path, with_ the name of the interpreter), 'stdin', 'command' (what is code)\n"
    "or 'module' (what and with_ are the arguments of runpy's _run_module_as_main). SystemExit ends the process.");

static PyObject *
run_program(PyObject *Py_UNUSED(module), PyObject *args)
{
    const char *how;
    PyObject *what, *with;
    if (!PyArg_ParseTuple(args, "sOO:_run_program", &how, &what, &with)) {
        return NULL;
    }
    int status = strcmp(how, "file") == 0      ? run_file(what, with)
                 : strcmp(how, "stdin") == 0   ? run_stdin()
                 : strcmp(how, "command") == 0 ? run_command(what)
                                               : run_module(what, with);
    return PyLong_FromLong(status);
}

/* Whether the interpreter goes on to read statements from stdin once the program has ended. */
static int
stays_interactive(void)
{
    PyObject *flags = PySys_GetObject("flags");
    PyObject *inspecting = flags == NULL ? NULL : PyObject_GetAttrString(flags, "inspect");
    PyObject *interactive = inspecting == NULL ? NULL : PyObject_GetAttrString(flags, "interactive");
    PyObject *ignored = interactive == NULL ? NULL : PyObject_GetAttrString(flags, "ignore_environment");
    int result = -1;
    if (ignored != NULL) {
        const char *variable = PyObject_IsTrue(ignored) ? NULL : getenv("PYTHONINSPECT");
        bool inspect = PyObject_IsTrue(inspecting) || (variable != NULL && variable[0] != '\0');
        result = inspect && (PyObject_IsTrue(interactive) || isatty(STDIN_FILENO));
    }
    Py_XDECREF(inspecting);
    Py_XDECREF(interactive);
    Py_XDECREF(ignored);
    return result;
}

/* The interpreter has set them for the exception that brought us here. */
static void
forget_last_exception(void)
{
    static const char *const names[] = {"last_exc", "last_type", "last_value", "last_traceback"};
    for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
        if (PySys_GetObject(names[i]) != NULL && PySys_SetObject(names[i], NULL) < 0) {
            PyErr_Clear();
        }
    }
}

PyDoc_STRVAR(program_hook_doc,
             "_program_hook($module, type, value, traceback, /)\n--\n\n"
             "A sys.excepthook for one exception, whose arguments are the hook to put back and those of _run_program:\n"
             "run that program and end the process.");

static PyObject *
program_hook(PyObject *module, PyObject *args)
{
    PyObject *type, *value, *traceback;
    if (!PyArg_ParseTuple(args, "OOO:_program_hook", &type, &value, &traceback)) {
        return NULL;
    }
    PyObject *job = PyObject_GetAttrString(value, "args");
    if (job == NULL || !PyTuple_Check(job) || PyTuple_GET_SIZE(job) != 4) {
        Py_XDECREF(job);
        PyErr_SetString(PyExc_TypeError, "not an exception that carries a program");
        return NULL;
    }
    forget_last_exception();
    PyObject *program =
        PySys_SetObject("excepthook", PyTuple_GET_ITEM(job, 0)) < 0 ? NULL : PyTuple_GetSlice(job, 1, 4);
    Py_DECREF(job);
    PyObject *ended = program == NULL ? NULL : run_program(module, program);
    Py_XDECREF(program);
    if (ended == NULL) {
        return NULL;
    }
    int status = (int)PyLong_AsLong(ended);
    Py_DECREF(ended);
    int stays = stays_interactive();
    if (stays < 0) {
        return NULL;
    }
    if (!stays && status != ENDED_BY_EXCEPTION) {
        Py_Exit(status);
    }
    /* The interpreter ends with the status of an exception by itself, or by the signal of a KeyboardInterrupt. */
    Py_RETURN_NONE;
}

PyDoc_STRVAR(get_importer_doc,
             "_get_importer($module, path, /)\n--\n\n"
             "Return what imports from this entry of sys.path, or None: what `python` asks about a script.");

static PyObject *
get_importer(PyObject *Py_UNUSED(module), PyObject *path)
{
    return PyImport_GetImporter(path);
}

static PyMethodDef command_functions[] = {
    {"_get_importer", get_importer, METH_O, get_importer_doc},
    {"_run_program", run_program, METH_VARARGS, run_program_doc},
    {"_program_hook", program_hook, METH_VARARGS, program_hook_doc},
    {NULL},
};

int
command_exec(PyObject *module)
{
    return PyModule_AddFunctions(module, command_functions);
}
