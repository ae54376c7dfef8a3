"""python -m cthreading: run a program as python does, with threading replaced by cthreading before it begins."""

import sys

USAGE = "usage: python -m cthreading [OPTION ...] (FILE | -m MODULE | -c CODE | -) [ARGUMENT ...]"

HELP = f"""{USAGE}

Run a program with cthreading in the place of threading, and cthreading.queue in
that of queue, in the processes that multiprocessing starts as well. Everything else is as python does it.

  FILE           a script, or a directory or zip file with a __main__.py in it
  -m MODULE      a module or package, found by its name
  -c CODE        Python code
  -              a script read from standard input
  ARGUMENT ...   what the program finds in sys.argv[1:]

options:
  -h, --help     show this help and exit
  -V, --version  show the version and exit
  --stats        at exit, write to standard error how many threads the program
                 started, how many locks it made, how often it waited, and how
                 long; for its main process
  --no-queue     leave queue alone
"""


class _Program(BaseException):
    """Carries a program to sys.excepthook: see src/command.c."""


class _UsageError(Exception):
    pass


def _version() -> str:
    from importlib import metadata

    try:
        return metadata.version("cthreading")
    except metadata.PackageNotFoundError:
        return "(not installed)"


def _parse(arguments: list[str]) -> tuple[bool, bool, str, str, list[str]]:
    """Sort out whether queue is to be replaced, whether --stats is there, and the program.

    That is how it is given ("-m", "-c" or ""), what it is, and its arguments.
    """
    queue = True
    stats = False
    for position, argument in enumerate(arguments):
        rest = arguments[position + 1 :]
        if argument == "--stats":
            stats = True
        elif argument == "--no-queue":
            queue = False
        elif argument[:2] in ("-m", "-c"):
            attached = [argument[2:]] if argument[2:] else []
            if not attached and not rest:
                raise _UsageError(f"argument {argument}: expected one argument")
            what, *rest = attached + rest
            return queue, stats, argument[:2], what, rest
        elif argument in ("-h", "--help"):
            print(HELP, end="")
            raise SystemExit(0)
        elif argument in ("-V", "--version"):
            print("cthreading", _version())
            raise SystemExit(0)
        elif argument == "--" and rest:
            return queue, stats, "", rest[0], rest[1:]
        elif argument.startswith("-") and argument != "-":
            raise _UsageError(f"unrecognized arguments: {argument}")
        else:
            return queue, stats, "", argument, rest
    raise _UsageError("a program is needed: FILE, -m MODULE, -c CODE or -")


def _report(process: int) -> None:
    import os

    from cthreading import _core

    if os.getpid() == process and sys.stderr is not None:
        threads, locks, waits, nanoseconds = _core._stats()
        counts = f"{threads} threads started, {locks} locks made, {waits} waits, {nanoseconds / 1e9:.3f} s waiting"
        print(f"cthreading: {counts}", file=sys.stderr)


def _start_stats() -> None:
    import atexit
    import os

    from cthreading import _core

    atexit.register(_report, os.getpid())
    _core._start_stats()


def _absolute(path: str) -> str:
    """The path as python has it in __file__: absolute, and nothing else changed."""
    import os

    if os.path.isabs(path):
        return path
    return os.path.join(os.getcwd(), path)


def _prepare(how: str, what: str, arguments: list[str]) -> tuple[str, object, object]:
    """Set sys.argv and sys.path as python does for this program; return the arguments of _core._run_program."""
    import os

    from cthreading import _core

    # What `python -m` has put in front is the current folder.
    first = [] if sys.flags.safe_path else [sys.path.pop(0)]
    sys.argv[:] = [how or what, *arguments]
    if how == "-m":
        sys.path[:0] = first
        return "module", what, True
    if how == "-c" or what == "-":
        sys.path[:0] = [""] * len(first)
        if what == "-" and not how:
            return "stdin", None, None
        if sys.version_info >= (3, 14) and what[:1].isspace():
            from textwrap import dedent

            what = dedent(what)
        return "command", what, None
    path = _absolute(what)
    if _core._get_importer(path) is not None:
        sys.path.insert(0, path)
        return "module", "__main__", False
    sys.path[:0] = [os.path.dirname(os.path.realpath(path))] * len(first)
    return "file", path, sys.orig_argv[0]


def _renew_main() -> None:
    """Put a module __main__ in place as python has it before it runs a program there.

    A new one: at exit, python ends what is in it as soon as nobody uses the module, but our frames use the old one.
    """
    import builtins
    from importlib.machinery import BuiltinImporter
    from types import ModuleType

    main = ModuleType("__main__")
    vars(main)["__loader__"] = BuiltinImporter
    if sys.version_info < (3, 14):
        main.__annotations__ = {}
    vars(main)["__builtins__"] = builtins
    sys.modules["__main__"] = main


def _is_python_m() -> bool:
    """Whether below main() there is only what `python -m` itself runs."""
    bottom = sys._getframe(4)
    return bottom.f_back is None and bottom.f_code.co_name == "_run_module_as_main"


def main() -> None:
    """Run the program that sys.argv names. The process ends with it."""
    try:
        queue, stats, how, what, arguments = _parse(sys.argv[1:])
    except _UsageError as error:
        print(f"{USAGE}\npython -m cthreading: error: {error}", file=sys.stderr)
        raise SystemExit(2) from None
    import cthreading
    from cthreading import _core

    cthreading.install(queue)
    if stats:
        _start_stats()
    program = _prepare(how, what, arguments)
    at_bottom = _is_python_m()
    _renew_main()
    if not at_bottom:
        # Something else, such as a tool that traces, runs us: below the program are its frames.
        raise SystemExit(_core._run_program(*program))
    hook, sys.excepthook = sys.excepthook, _core._program_hook
    raise _Program(hook, *program)


if __name__ == "__main__":
    from cthreading.__main__ import main as _main

    _main()
