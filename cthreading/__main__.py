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

who waits for whom:
  --dump-waits-on SIGNAL
                 at each such signal (USR1, SIGQUIT, 10) write to standard error
                 which threads wait for what, since when, and who has it
  --deadlocks    report a deadlock when somebody has waited for a second
  --deadlocks=raise
                 have one of its threads get cthreading.DeadlockError, too
  --profile-waits FILE
                 at exit, write to standard error where the program waited, how
                 often and how long, and to FILE the same as folded stacks
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


class _Options:
    """What is before the program, and the program: how it is given ("-m", "-c" or ""), what it is, its arguments."""

    def __init__(self) -> None:
        self.queue = True
        self.stats = False
        self.dump_signal = ""
        self.deadlocks = ""
        self.profile = ""
        self.how = ""
        self.what = ""
        self.arguments: list[str] = []

    def set_program(self, how: str, what: str, arguments: list[str]) -> None:
        self.how, self.what, self.arguments = how, what, arguments


def _print_and_exit(text: str) -> None:
    print(text)
    raise SystemExit(0)


def _parse_flag(options: _Options, argument: str) -> None:
    """Take an option that has no argument of its own."""
    if argument == "--stats":
        options.stats = True
    elif argument == "--no-queue":
        options.queue = False
    elif argument == "--deadlocks":
        options.deadlocks = "report"
    elif argument in ("-h", "--help"):
        _print_and_exit(HELP.rstrip())
    elif argument in ("-V", "--version"):
        _print_and_exit(f"cthreading {_version()}")
    else:
        raise _UsageError(f"unrecognized arguments: {argument}")


def _parse_valued(options: _Options, name: str, value: str) -> None:
    if not value:
        raise _UsageError(f"argument {name}: expected one argument")
    if name == "--dump-waits-on":
        options.dump_signal = value
    elif name == "--profile-waits":
        options.profile = value
    elif value in ("raise", "report"):
        options.deadlocks = value
    else:
        raise _UsageError(f"argument {name}: invalid choice: {value!r} (choose from 'report', 'raise')")


def _parse_program(options: _Options, argument: str, rest: list[str]) -> None:
    if argument[:2] not in ("-m", "-c"):
        options.set_program("", argument, rest)
        return
    attached = [argument[2:]] if argument[2:] else []
    if not attached and not rest:
        raise _UsageError(f"argument {argument}: expected one argument")
    what, *rest = attached + rest
    options.set_program(argument[:2], what, rest)


def _parse(arguments: list[str]) -> _Options:
    options = _Options()
    rest = arguments
    while rest:
        argument, *rest = rest
        name, equals, value = argument.partition("=")
        if name in ("--dump-waits-on", "--profile-waits") and not equals:
            _parse_valued(options, name, rest[0] if rest else "")
            rest = rest[1:]
        elif equals and name in ("--dump-waits-on", "--profile-waits", "--deadlocks"):
            _parse_valued(options, name, value)
        elif argument == "--" and rest:
            options.set_program("", rest[0], rest[1:])
            return options
        elif argument[:2] in ("-m", "-c") or argument == "-" or not argument.startswith("-"):
            _parse_program(options, argument, rest)
            return options
        else:
            _parse_flag(options, argument)
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


def _signal_number(name: str) -> int:
    """The signal of this name, with or without SIG, or of this number."""
    import signal

    if name.isdecimal():
        return int(name)
    name = name.upper()
    number = getattr(signal, name if name.startswith("SIG") else f"SIG{name}", None)
    if not isinstance(number, signal.Signals):
        raise _UsageError(f"argument --dump-waits-on: no such signal: {name}")
    return number


def _start_dumps(name: str) -> None:
    """Have that signal dump the waits. Without a standard error it is harmless."""
    import os

    number = _signal_number(name)
    from cthreading import _dump_signal

    try:
        _dump_signal.register(number, sys.stderr or os.open(os.devnull, os.O_WRONLY))
    except (OSError, RuntimeError, ValueError) as error:
        raise _UsageError(f"argument --dump-waits-on: {name}: {error}") from None


def _start(options: _Options) -> None:
    """Start whatever observes the program, in which threading has been replaced."""
    import cthreading

    if options.stats:
        _start_stats()
    if options.dump_signal:
        _start_dumps(options.dump_signal)
    if options.deadlocks:
        cthreading.watch_deadlocks("raise" if options.deadlocks == "raise" else "report")
    if options.profile:
        from cthreading import _profile

        _profile.start(options.profile)


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
        options = _parse(sys.argv[1:])
        import cthreading
        from cthreading import _core

        cthreading.install(options.queue)
        _start(options)
    except _UsageError as error:
        print(f"{USAGE}\npython -m cthreading: error: {error}", file=sys.stderr)
        raise SystemExit(2) from None
    program = _prepare(options.how, options.what, options.arguments)
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
