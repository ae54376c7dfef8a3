"""python -m cthreading: programs run as by python itself, which is the oracle for everything that can be seen."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
import time
import zipfile
from pathlib import Path
from typing import NamedTuple

import pytest
from helpers import child_environment

SHOW = """
import sys
main = sys.modules["__main__"]
print(sys.argv, sys.path, __name__, __package__, __spec__ and __spec__.name, type(__loader__).__name__, __builtins__)
print([*vars(main)], globals().get("__file__"), vars(main) is globals(), sys._getframe().f_back, sys.exc_info())
print(sys.excepthook is sys.__excepthook__, hasattr(sys, "last_type"), hasattr(sys, "last_exc"), sys.flags)
"""
FAIL = """
import traceback, warnings
warnings.warn("far up", stacklevel=5)
traceback.print_stack()
def inner():
    try:
        {}["key"]
    except KeyError as error:
        raise ValueError("wrong") from error
inner()
"""
PROGRAMS = {
    "show": SHOW,
    "fail": FAIL,
    "status": "import sys\nsys.exit(7)",
    "message": "import sys\nsys.exit('the message')",
    "nothing": "raise SystemExit",
    "syntax": "x = 1\ny = (",
    "interrupt": "import os\nprint(1, flush=True)\nos.kill(os.getpid(), 2)\nfor _ in iter(int, 1): pass",
    "killed": "import os, signal\nos.kill(os.getpid(), signal.SIGTERM)\nfor _ in iter(int, 1): pass",
    "hook": "import sys\nsys.excepthook = lambda *args: print('mine', args[0], args[2].tb_next)\n1 / 0",
    "bad_hook": "import sys\nclass Bad:\n  def __call__(self, *args): raise OSError\nsys.excepthook = Bad()\n1 / 0",
    "at_exit": (
        "import atexit, sys\n"
        "atexit.register(lambda: print('end', sys.last_type, sys.excepthook is sys.__excepthook__))\n"
        "class Object:\n  def __del__(self): print('deleted')\nthing = Object()\n1 / 0"
    ),
    "in_end": "import atexit\natexit.register(print, 0)\nclass O:\n  def __del__(self): print('deleted')\nthing = O()",
    "closed": "import sys\nprint('x')\nsys.stdout.close()",
    "os_exit": "import os\nos._exit(5)",
    "encoded": "# -*- coding: latin-1 -*-\nprint(ascii('\xe4'))",
    "empty": "",
}


class Outcome(NamedTuple):
    status: int
    out: str
    err: str


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with each program as a script, a package and a directory and zip file to run."""
    folder = tmp_path_factory.mktemp("programs")
    for name, source in PROGRAMS.items():
        (folder / f"{name}.py").write_text(source, encoding="latin-1" if name == "encoded" else "utf-8")
    for name in ("package", "directory"):
        (folder / name).mkdir()
        (folder / name / "__main__.py").write_text(SHOW + FAIL)
    (folder / "package" / "__init__.py").touch()
    with zipfile.ZipFile(folder / "file.zip", "w") as file:
        file.writestr("__main__.py", SHOW + FAIL)
    (folder / "link.py").symlink_to(Path("package") / "__main__.py")
    (folder / "none").mkdir()
    subprocess.run(
        [sys.executable, "-c", "import py_compile; py_compile.compile('show.py', 'compiled.pyc')"], cwd=folder
    )
    return folder


def run(place: Path, *command: str, text: str | None = None, env: dict[str, str] | None = None) -> Outcome:
    done = subprocess.run(
        [sys.executable, *command],
        input=text or "",
        capture_output=True,
        encoding="utf-8",
        cwd=place,
        env=child_environment() | (env or {}),
        timeout=60,
        check=False,
    )
    return Outcome(done.returncode, *(re.sub(r"0x[0-9a-f]+", "0x", written) for written in (done.stdout, done.stderr)))


def check_same(
    place: Path,
    *program: str,
    options: tuple[str, ...] = (),
    text: str | None = None,
    env: dict[str, str] | None = None,
) -> Outcome:
    plain = run(place, *options, *program, text=text, env=env)
    assert run(place, *options, "-m", "cthreading", *program, text=text, env=env) == plain
    return plain


@pytest.mark.parametrize("name", PROGRAMS)
def test_script(place: Path, name: str) -> None:
    check_same(place, f"{name}.py", "one", "-m", "--stats")


@pytest.mark.parametrize("name", [name for name in PROGRAMS if name != "encoded"])
def test_command(place: Path, name: str) -> None:
    check_same(place, "-c", PROGRAMS[name], "one", "-c")


@pytest.mark.parametrize("name", PROGRAMS)
def test_module(place: Path, name: str) -> None:
    check_same(place, "-m", name, "one", "-m")


@pytest.mark.parametrize("name", [name for name in PROGRAMS if name != "encoded"])
def test_standard_input(place: Path, name: str) -> None:
    check_same(place, "-", "one", text=PROGRAMS[name])


@pytest.mark.parametrize(
    "path",
    [
        *("./show.py", "../{}/show.py", "{}/package/__main__.py", "link.py", "compiled.pyc", "directory", "file.zip"),
        *("./directory/", "none", "missing.py", "missing/missing.py", "package", "/dev/null", "show.py/"),
    ],
)
def test_path(place: Path, path: str) -> None:
    absolute = place.name if path.startswith("..") else str(place)
    check_same(place, path.format(absolute), "one")


@pytest.mark.parametrize(
    "module", ["package", "package.__main__", "missing", "missing.module", "show.py", "none", "json", "package.missing"]
)
def test_modules_of_packages(place: Path, module: str) -> None:
    check_same(place, "-m", module, "one")


@pytest.mark.parametrize("program", ["-cprint(1)", "-mshow", "-c  print(2)", "-c\n  if 1:\n    print(3)\n  1/0"])
def test_attached_and_indented(place: Path, program: str) -> None:
    check_same(place, program, "one")


@pytest.mark.parametrize("option", ["-P", "-Xdev", "-i"])
@pytest.mark.parametrize("program", ["show.py", "-c{}", "directory", "status.py"])
def test_options_of_the_interpreter(place: Path, option: str, program: str) -> None:
    check_same(place, program.format(SHOW), options=(option,), text="print(sorted(vars()))\n")


@pytest.mark.parametrize("program", ["show.py", "status.py", "fail.py"])
def test_python_inspect_without_a_terminal(place: Path, program: str) -> None:
    check_same(place, program, env={"PYTHONINSPECT": "1"}, text="print('not read')\n")


@pytest.mark.parametrize("program", [("interrupt.py",), ("-m", "interrupt"), ("-c", PROGRAMS["interrupt"])])
def test_an_interrupt_kills_by_the_signal(place: Path, program: tuple[str, ...]) -> None:
    assert check_same(place, *program).status == -signal.SIGINT


@pytest.mark.parametrize("program", [("script.py",), ("-m", "script"), ("-c", "import script")])
def test_an_interrupt_from_outside_while_waiting(tmp_path: Path, program: tuple[str, ...]) -> None:
    source = "import threading\nprint('waits', flush=True)\nthreading.Event().wait(60)\n"
    (tmp_path / "script.py").write_text(source)
    process = subprocess.Popen(
        [sys.executable, "-m", "cthreading", *program],
        cwd=tmp_path,
        env=child_environment(),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        encoding="utf-8",
    )
    assert process.stdout is not None
    assert process.stdout.readline() == "waits\n"
    deadline = time.monotonic() + 30
    while process.poll() is None and time.monotonic() < deadline:
        process.send_signal(signal.SIGINT)
        time.sleep(0.2)
    _, err = process.communicate(timeout=30)
    assert process.returncode == -signal.SIGINT, err
    assert "KeyboardInterrupt" in err
    assert "cthreading" not in err


def test_a_script_from_a_pipe(place: Path) -> None:
    for command in ([], ["-m", "cthreading"]):
        reading, writing = os.pipe()
        os.write(writing, b"import sys; print(sys.argv[1:])")
        os.close(writing)
        done = subprocess.run(
            [sys.executable, *command, f"/dev/fd/{reading}", "one"],
            pass_fds=[reading],
            capture_output=True,
            text=True,
            timeout=60,
            env=child_environment(),
            check=False,
        )
        os.close(reading)
        assert (done.returncode, done.stdout, done.stderr) == (0, "['one']\n", "")


THREADING = (
    "import threading, sys, queue; print(threading.__name__, queue.threading.__name__, threading.Thread.__module__)"
)


def test_threading_is_cthreading(place: Path) -> None:
    (place / "look.py").write_text(THREADING)
    for program in (["look.py"], ["-c", THREADING], ["-m", "look"]):
        assert run(place, "-m", "cthreading", *program) == (0, "cthreading cthreading cthreading\n", "")
    assert run(place, "-m", "cthreading", "-", text=THREADING).out == "cthreading cthreading cthreading\n"


PROCESSES = """
import concurrent.futures, multiprocessing, sys, threading
AT_IMPORT = threading.__name__
class Given:
    pass
def look(given=None):
    return AT_IMPORT, threading.__name__, given is None or type(given).__name__
if __name__ == "__main__":
    context = multiprocessing.get_context(sys.argv[1])
    with concurrent.futures.ProcessPoolExecutor(1, mp_context=context) as pool:
        print(pool.submit(look, Given()).result(60))
    with context.Pool(1) as pool:
        print(pool.apply(look))
"""
FOUND = "('cthreading', 'cthreading', 'Given')\n('cthreading', 'cthreading', True)\n"


@pytest.mark.parametrize("method", ["fork", "spawn", "forkserver"])
@pytest.mark.parametrize("how", ["script", "-m", "package", "directory", "-c"])
def test_processes_of_multiprocessing(tmp_path: Path, method: str, how: str) -> None:
    (tmp_path / "program.py").write_text(PROCESSES)
    (tmp_path / "folder").mkdir()
    (tmp_path / "folder" / "__init__.py").touch()
    (tmp_path / "folder" / "program.py").write_text(PROCESSES)
    (tmp_path / "directory").mkdir()
    # A __main__.py is not imported again by the processes: what it hands over has to come from a module.
    code = "import sys, runpy, program\nif __name__ == '__main__':\n" + "\n".join(
        f"    {line}" for line in PROCESSES.partition('if __name__ == "__main__":\n')[2].splitlines()
    ).replace("look", "program.look").replace("Given", "program.Given")
    code = "import concurrent.futures, multiprocessing\n" + code
    (tmp_path / "directory" / "__main__.py").write_text(code)
    (tmp_path / "directory" / "program.py").write_text(PROCESSES)
    program = {
        "script": ["program.py"],
        "-m": ["-m", "program"],
        "package": ["-m", "folder.program"],
        "directory": ["directory"],
        "-c": ["-c", code],
    }[how]
    outcome = run(tmp_path, "-W", "ignore::DeprecationWarning", "-m", "cthreading", *program, method)
    assert outcome == (0, FOUND, "")


def test_other_processes_are_plain(place: Path) -> None:
    code = (
        "import subprocess, sys; subprocess.run([sys.executable, '-c', 'import threading; print(threading.__name__)'])"
    )
    assert run(place, "-m", "cthreading", "-c", code) == (0, "threading\n", "")


@pytest.mark.parametrize("option", ["-h", "--help"])
def test_help(place: Path, option: str) -> None:
    status, out, err = run(place, "-m", "cthreading", option)
    assert (status, err) == (0, "")
    assert out.startswith("usage: python -m cthreading ")
    for word in (
        *("-m MODULE", "-c CODE", "--stats", "--version"),
        *("--dump-waits-on SIGNAL", "--deadlocks", "--deadlocks=raise", "--profile-waits FILE"),
    ):
        assert word in out


@pytest.mark.parametrize("option", ["-V", "--version"])
def test_version(place: Path, option: str) -> None:
    status, out, err = run(place, "-m", "cthreading", option)
    assert (status, err) == (0, "")
    assert re.fullmatch(r"cthreading \S.*\n", out)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ([], "a program is needed"),
        (["--stats"], "a program is needed"),
        (["--"], "unrecognized arguments: --"),
        (["--no-such", "show.py"], "unrecognized arguments: --no-such"),
        (["-x"], "unrecognized arguments: -x"),
        (["-m"], "argument -m: expected one argument"),
        (["-c"], "argument -c: expected one argument"),
        (["--stats=1", "show.py"], "unrecognized arguments: --stats=1"),
        (["--dump-waits-on"], "argument --dump-waits-on: expected one argument"),
        (["--dump-waits-on=", "show.py"], "argument --dump-waits-on: expected one argument"),
        (["--dump-waits-on", "USR1"], "a program is needed"),
        (["--dump-waits-on", "USR9", "show.py"], "argument --dump-waits-on: no such signal: USR9"),
        (["--dump-waits-on", "_DFL", "show.py"], "argument --dump-waits-on: no such signal: _DFL"),
        (["--dump-waits-on", "KILL", "show.py"], "argument --dump-waits-on: KILL: "),
        (["--dump-waits-on", "SEGV", "show.py"], "argument --dump-waits-on: SEGV: "),
        (["--dump-waits-on", "0", "show.py"], "argument --dump-waits-on: 0: "),
        (["--dump-waits-on", "99999", "show.py"], "argument --dump-waits-on: 99999: "),
        (["--deadlocks="], "argument --deadlocks: expected one argument"),
        (["--deadlocks=no", "show.py"], "argument --deadlocks: invalid choice: 'no' (choose from 'report', 'raise')"),
        (["--profile-waits"], "argument --profile-waits: expected one argument"),
        (["--profile-waits", "waits.folded"], "a program is needed"),
    ],
)
def test_usage_errors(place: Path, arguments: list[str], message: str) -> None:
    status, out, err = run(place, "-m", "cthreading", *arguments)
    assert (status, out) == (2, "")
    usage, error = err.splitlines()
    assert usage.startswith("usage: python -m cthreading ")
    assert error.startswith(f"python -m cthreading: error: {message}")


STATS = """
import threading, os
locks = [threading.Lock() for _ in range(100)] + [threading.RLock() for _ in range(100)]
inside, go = threading.Event(), threading.Event()
def work():
    inside.set()
    go.wait()
threads = [threading.Thread(target=work) for _ in range(10)]
for thread in threads:
    thread.start()
    inside.wait()
    inside.clear()
# Nobody sets this one: the time is sure.
threading.Event().wait(0.3)
go.set()
for thread in threads:
    thread.join()
if not os.fork():
    raise SystemExit
os.wait()
"""


def test_stats(place: Path) -> None:
    status, out, err = run(place, "-W", "ignore", "-m", "cthreading", "--stats", "-c", STATS)
    assert (status, out) == (0, "")
    found = re.fullmatch(
        r"cthreading: (\d+) threads started, (\d+) locks made, (\d+) waits, (\d+\.\d+) s waiting\n", err
    )
    assert found, err
    assert int(found[1]) == 10
    assert 200 <= int(found[2]) < 300
    assert 1 <= int(found[3]) < 100
    assert 0.3 <= float(found[4]) < 60


def test_stats_come_after_a_traceback_and_leave_the_status(place: Path) -> None:
    status, _, err = run(place, "-m", "cthreading", "--stats", "fail.py")
    assert status == 1
    assert re.fullmatch(r"cthreading: 0 threads started, .*", err.splitlines()[-1])
    assert run(place, "-m", "cthreading", "--stats", "status.py").status == 7


def test_under_a_tool_that_runs_modules(place: Path) -> None:
    """Its frames are below the program's then; everything else is the same."""
    tool = "import runpy, sys; sys.argv[1:2] = []; runpy.run_module('cthreading', run_name='__main__', alter_sys=True)"
    for name in ("status", "message", "nothing"):
        plain = run(place, f"{name}.py")
        assert run(place, "-c", tool, "x", f"{name}.py") == plain
    assert run(place, "-c", tool, "x", "-c", THREADING).out == "cthreading cthreading cthreading\n"
    status, _, err = run(place, "-c", tool, "x", "-c", "def f():\n  1 / 0\nf()")
    assert status == 1
    assert "cthreading" not in err
    assert "ZeroDivisionError" in err


@pytest.mark.parametrize(("options", "kind"), [([], "cthreading.queue"), (["--no-queue"], "queue")])
def test_queues_are_ours_unless_left_alone(place: Path, options: list[str], kind: str) -> None:
    show = "import queue, threading; print(queue.Queue.__module__, threading.__name__)"
    outcome = run(place, "-m", "cthreading", *options, "-c", show)
    assert (outcome.out, outcome.status) == (f"{kind} cthreading\n", 0)


DUMPED = """
import os, signal, sys, threading, time
lock = threading.Lock()
lock.acquire()
threading.Thread(target=lock.acquire, args=(True, 60), daemon=True).start()
time.sleep(0.1)
os.kill(os.getpid(), {})
time.sleep(1)
print(sys.argv[1:], flush=True)
"""


@pytest.mark.parametrize(
    "options",
    [
        *(["--dump-waits-on", "USR1"], ["--dump-waits-on=SIGUSR1"], ["--dump-waits-on", "usr1"]),
        ["--dump-waits-on", str(int(signal.SIGUSR1)), "--no-queue"],
    ],
)
def test_a_signal_dumps_the_waits(place: Path, options: list[str]) -> None:
    status, out, err = run(place, "-m", "cthreading", *options, "-c", DUMPED.format("signal.SIGUSR1"), "--deadlocks")
    assert (status, out) == (0, "['--deadlocks']\n")
    assert err.count("  Waits: acquire of ") == 1


def test_dumps_without_a_standard_error(place: Path) -> None:
    command = f'exec 2>&-; exec "{sys.executable}" -m cthreading --dump-waits-on USR1 -c "$0"'
    done = subprocess.run(
        ["sh", "-c", command, DUMPED.format("signal.SIGUSR1")],
        env=child_environment(),
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert (done.returncode, done.stdout) == (0, "[]\n")


@pytest.mark.parametrize("option", ["--deadlocks", "--deadlocks=report"])
def test_deadlocks_are_reported_once(place: Path, option: str) -> None:
    code = """
import threading, time
first, second = threading.Lock(), threading.Lock()
both = threading.Barrier(2)
def lock(one, two):
    with one:
        both.wait()
        two.acquire()
for locks in ((first, second), (second, first)):
    threading.Thread(target=lock, args=locks, daemon=True).start()
time.sleep(2.5)
"""
    status, out, err = run(place, "-m", "cthreading", option, "-c", code)
    assert (status, out, err.count("Deadlock: 2 threads")) == (0, "", 1)


def test_deadlocks_raise(place: Path) -> None:
    code = "import threading\nlock = threading.Lock()\nlock.acquire()\nlock.acquire()"
    status, _, err = run(place, "-m", "cthreading", "--deadlocks=raise", "-c", code)
    assert status == 1
    assert re.match(r"cthreading\.DeadlockError: deadlock: thread MainThread waits ", err.splitlines()[-1])


def test_profile_of_waits(place: Path) -> None:
    code = "import threading; threading.Event().wait(0.2)"
    status, out, err = run(place, "-m", "cthreading", "--profile-waits", "waits.folded", "-c", code)
    assert (status, out) == (0, "")
    assert re.match(r"cthreading: \d+ waits, 0\.[2-9]\d* s in all\n", err)
    assert re.search(r"(?m)^Event;.* \d+$", (place / "waits.folded").read_text())
    assert run(place, "-m", "cthreading", "--profile-waits=no/such/folder", "-c", code).status == 2
