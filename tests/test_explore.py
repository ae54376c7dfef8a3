"""Every interleaving of the core, by explore/: the files of src/park and src/sync as they ship, against a scheduler of
the test's own.

Each scenario of explore/scenarios.c is searched through all schedules with up to three preemptions, for each backend,
with the GIL and free-threaded. Where that takes longer than CTHREADING_EXPLORE seconds (4), the rest is left to a
random walk; CTHREADING_SEED sets its seed. That the explorer sees what it is to see is shown by the mutations: each
takes something out of a copy of the sources, and is to be found.
"""

from __future__ import annotations

import os
import platform
import random
import re
import shutil
import subprocess
import sys
import sysconfig
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path

import pytest
from helpers import find_compiler

TESTS = Path(__file__).parent / "explore"
SOURCE = Path(__file__).parent.parent / "src"

# In the place of these, the explored world has its own: see explore/spin.c and explore/system.c.
REPLACED = {"spin.c", "cores.c"}
EXPLORED = [
    *sorted(f"park/{path.name}" for path in (SOURCE / "park").glob("*.c") if path.name not in REPLACED),
    *(f"sync/{name}.c" for name in ("permits", "wait", "timeout")),
    "stats.c",
]
SEAMS = ["event.c", "condition.c", "scenarios.c"]
WORLD = ["scheduler.c", "memory.c", "system.c", "python.c"]
WRAPPED = [
    *("syscall", "clock_gettime", "sched_yield", "sched_getcpu", "malloc", "calloc", "free"),
    *(f"pthread_mutex_{name}" for name in ("init", "destroy", "lock", "unlock")),
    *(f"pthread_cond_{name}" for name in ("init", "destroy", "wait", "timedwait", "signal")),
    *(f"pthread_{name}" for name in ("once", "key_create", "setspecific", "getspecific", "atfork")),
]

SCENARIOS = re.findall(r"^    SCENARIO\((\w+)\),$", (TESTS / "scenarios.c").read_text(), re.MULTILINE)
SECONDS = float(os.environ.get("CTHREADING_EXPLORE", "4"))
SEED = int(os.environ.get("CTHREADING_SEED", random.randrange(2**32)))
PREEMPTIONS = 3
WALKS = 20_000
TIMEOUT = 300

pytestmark = [
    pytest.mark.skipif(sys.platform != "linux" or platform.machine() != "x86_64", reason="explores x86-64 Linux only"),
    pytest.mark.timeout(2 * TIMEOUT),
]


@dataclass(frozen=True)
class Build:
    """How the core is compiled."""

    backend: str
    locking: str
    looks: bool = False  # before it sleeps: with src/park/spin.c in the place of explore/spin.c

    def __str__(self) -> str:
        return f"{self.backend}-{self.locking}" + "-looks" * self.looks

    def flags(self, source: Path) -> list[str]:
        return [
            *("-std=c11", "-O1", "-g", "-fno-pie", "-Wall", "-Wextra", "-Werror"),
            *("-Wno-missing-field-initializers", "-Wno-unused-function"),
            *(f"-DPARK_BACKEND_{self.backend.upper()}=1", f"-I{source}", f"-I{TESTS}"),
            f"-I{sysconfig.get_path('include')}",
            *(["-DPARK_FREE_THREADED=1"] if self.locking == "free" else []),
        ]


LOOKING = [Build("futex", locking, looks=True) for locking in ("gil", "free")]
BUILDS = [Build(backend, locking) for backend in ("futex", "pthread") for locking in ("gil", "free")]


def run(command: list[str]) -> subprocess.CompletedProcess[str]:
    return subprocess.run(command, capture_output=True, text=True, timeout=TIMEOUT, check=False)


def compile_objects(build: Build, source: Path, folder: Path) -> None:
    """Compiles all that there is no object of in the folder yet."""

    def compile_object(path: Path, options: list[str]) -> None:
        target = folder / f"{path.parent.name}-{path.stem}.o"
        if not target.exists():
            done = run([*find_compiler(), *build.flags(source), *options, "-c", str(path), "-o", str(target)])
            assert done.returncode == 0, done.stderr

    explored = ["-fsanitize=thread", "-include", str(TESTS / "seam.h")]
    work = [(source / name, explored) for name in EXPLORED]
    work += [(TESTS / name, explored) for name in SEAMS] + [(TESTS / name, []) for name in WORLD]
    work.append(((source / "park" if build.looks else TESTS) / "spin.c", explored))
    with ThreadPoolExecutor(2) as pool:
        list(pool.map(lambda arguments: compile_object(*arguments), work))


def link(folder: Path) -> Path:
    program = folder / "explore"
    wraps = [f"-Wl,--wrap={name}" for name in WRAPPED]
    objects = sorted(str(path) for path in folder.glob("*.o"))
    # What of the interpreter is not in python.c is not called: see there.
    done = run(
        [
            *find_compiler(),
            "-no-pie",
            "-pthread",
            *objects,
            *wraps,
            "-Wl,--unresolved-symbols=ignore-all",
            "-o",
            str(program),
        ]
    )
    assert done.returncode == 0, done.stderr
    return program


def make(build: Build, factory: pytest.TempPathFactory) -> tuple[Build, Path]:
    """Returns the build, and the folder of its program and objects."""
    if build.locking == "gil" and sysconfig.get_config_var("Py_GIL_DISABLED"):
        pytest.skip("this Python's headers are for free-threaded builds only")
    folder = factory.mktemp(f"explore_{build}")
    compile_objects(build, SOURCE, folder)
    link(folder)
    return build, folder


@pytest.fixture(scope="module", params=BUILDS, ids=str)
def built(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> tuple[Build, Path]:
    return make(request.param, tmp_path_factory)


@pytest.fixture(scope="module", params=LOOKING, ids=str)
def looking(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make(request.param, tmp_path_factory)[1] / "explore"


def with_lines(program: Path, output: str) -> str:
    """The end of the output, with the source's lines in the place of addresses."""
    lines = output.splitlines()
    shown = lines[:1] + lines[1:][-80:]
    addresses = sorted(set(re.findall(r"@(0x[0-9a-f]+)", "\n".join(shown))))
    if shutil.which("addr2line") and addresses:
        found = run(["addr2line", "-s", "-e", str(program), *addresses]).stdout.splitlines()
        places = dict(zip(addresses, found, strict=False))
        shown = [re.sub(r"@(0x[0-9a-f]+)", lambda match: places.get(match[1], match[0]), line) for line in shown]
    return "\n".join(shown)


def explore(program: Path, scenario: str, *arguments: object) -> str:
    done = run([str(program), scenario, *map(str, arguments)])
    assert done.returncode == 0, f"{done.returncode}\n{with_lines(program, done.stdout)}{done.stderr}"
    print(done.stdout, end="")
    return done.stdout


@pytest.mark.parametrize("scenario", SCENARIOS)
def test_every_interleaving(built: tuple[Build, Path], scenario: str) -> None:
    program = built[1] / "explore"
    if explore(program, scenario, PREEMPTIONS, SECONDS).split()[1] != "all":
        explore(program, scenario, "random", SEED, WALKS)


@pytest.mark.parametrize("scenario", SCENARIOS)
def test_every_interleaving_of_those_that_look_first(looking: Path, scenario: str) -> None:
    explore(looking, scenario, PREEMPTIONS - 1, SECONDS / 2)


@dataclass(frozen=True)
class Mutation:
    """A change of a file, which a scenario finds."""

    name: str
    file: str
    old: str
    new: str
    scenario: str
    finds: str
    backends: tuple[str, ...] = ("futex", "pthread")
    lockings: tuple[str, ...] = ("gil", "free")
    preemptions: int = field(default=PREEMPTIONS)


GRANT = """\
    delay();
    atomic_store_explicit(&w->state, WAITER_GRANTED, memory_order_release);
    delay();
    if (comes) {
        parker_unpark(&w->parker);
    }
"""

JOIN = """\
    if (join_queue(self, held, w) < 0) {
        return -1;
    }
"""
GIVE = """\
    if (held_lock_give(held) < 0) {
        return undo_wait(self, held, w);
    }
"""

MUTATIONS = [
    # Faults that were there once.
    Mutation(
        "a fork forgets the forking thread's own waits",
        "park/fork.c",
        "    waitqueues_after_fork();\n",
        "",
        "fork_in_a_wait",
        "does not end",
    ),
    Mutation(
        "a fork leaves a mutex locked",
        "park/waiter.c",
        "        parker_renew(&w->parker);\n",
        "",
        "fork_while_others_wake",
        "waits for a mutex",
        backends=("pthread",),
        lockings=("gil",),
    ),
    Mutation(
        "a fork forgets permits that were handed over",
        "park/waiter.c",
        "    return_permits();\n",
        "    (void)return_permits;\n",
        "fork_after_a_release",
        "the permit is lost",
        lockings=("gil",),
    ),
    Mutation(
        "a waiter that runs a handler is not away at once",
        "sync/condition.c",
        "        w->away = waiting && !timed_out && interrupted;\n        waitqueue_unlock(&self->queue);\n",
        "        bool leaves = waiting && !timed_out && interrupted;\n        waitqueue_unlock(&self->queue);\n"
        "        waitqueue_lock(&self->queue);\n        w->away = leaves;\n        waitqueue_unlock(&self->queue);\n",
        "condition_with_a_handler_that_waits_for_the_lock",
        "",
        lockings=("free",),
    ),
    Mutation(
        "a grant without the interpreter looks at the waiter afterwards",
        "park/waitqueue.c",
        GRANT,
        "    atomic_store_explicit(&w->state, WAITER_GRANTED, memory_order_release);\n"
        "    (void)comes;\n    waiter_wake(w);\n",
        "joined_by_two",
        "touched after it was granted",
        lockings=("gil",),
    ),
    Mutation(
        "one that has arrived counts as on its way",
        "park/admission.c",
        "        arrive_with(w->ticket, now);\n",
        "        (void)now;\n",
        "event_of_four",
        "",
        lockings=("gil",),
    ),
    # Others.
    Mutation(
        "who lets go of the interpreter wakes nobody",
        "park/admission.c",
        "    if (next != NULL) {\n        parker_unpark(&next->parker);\n    }\n",
        "    (void)next;\n",
        "event_of_four",
        "",
        lockings=("gil",),
    ),
    Mutation(
        "the futex is not woken",
        "park/park_futex.c",
        "if (atomic_exchange(&self->word, TOKEN) == PARKED) {",
        "if (atomic_exchange(&self->word, TOKEN) == EMPTY) {",
        "token_carries_what_came_before",
        "a wake was lost",
        backends=("futex",),
    ),
    Mutation(
        "a token that comes with the deadline is thrown away",
        "park/park_futex.c",
        "if (atomic_exchange(&self->word, EMPTY) == TOKEN) {",
        "if (atomic_exchange(&self->word, EMPTY) == TOKEN && error == 0) {",
        "token_outlives_a_deadline",
        "the token is lost",
        backends=("futex",),
    ),
    Mutation(
        "the token is relaxed",
        "park/park_futex.c",
        "if (atomic_exchange(&self->word, TOKEN) == PARKED) {",
        "if (atomic_exchange_explicit(&self->word, TOKEN, memory_order_relaxed) == PARKED) {",
        "token_carries_what_came_before",
        "data race",
        backends=("futex",),
    ),
    Mutation(
        "the condition is not signalled",
        "park/park_pthread.c",
        "    pthread_cond_signal(&self->condition);\n",
        "",
        "token_carries_what_came_before",
        "a wake was lost",
        backends=("pthread",),
    ),
    Mutation(
        "granted after the wake",
        "park/waitqueue.c",
        GRANT,
        "    if (comes) {\n        parker_unpark(&w->parker);\n    }\n"
        "    atomic_store_explicit(&w->state, WAITER_GRANTED, memory_order_release);\n",
        "event_of_two",
        "",
        lockings=("free",),
    ),
    Mutation(
        "granted in a relaxed way",
        "park/waitqueue.c",
        "atomic_store_explicit(&w->state, WAITER_GRANTED, memory_order_release);",
        "atomic_store_explicit(&w->state, WAITER_GRANTED, memory_order_relaxed);",
        "event_again_and_again",
        "data race",
        lockings=("free",),
    ),
    Mutation(
        "written after it was granted",
        "park/waitqueue.c",
        GRANT,
        f"{GRANT}    w->outcome = outcome;\n",
        "event_of_two",
        "touched after it was granted",
        lockings=("free",),
    ),
    Mutation(
        "a release wakes nobody",
        "sync/permits.c",
        "            w->state = WAITER_WOKEN;\n            waiter_wake(w);\n",
        "            w->state = WAITER_WOKEN;\n",
        "held_lock",
        "a wake was lost",
    ),
    Mutation(
        "who leaves takes a wake along",
        "sync/permits.c",
        "    waitqueue_remove(&self->queue, w);\n    update(self);\n    wake_first(self);\n}",
        "    waitqueue_remove(&self->queue, w);\n    update(self);\n}",
        "semaphore_with_a_handler_that_raises",
        "a wake was lost",
    ),
    Mutation(
        "tries before it says that it waits",
        "sync/permits.c",
        "    join(&self->queue, w);\n    update(self);\n    if (!try_take_for(self, w)) {\n"
        "        return false;\n    }\n",
        "    join(&self->queue, w);\n    if (!try_take_for(self, w)) {\n        update(self);\n"
        "        return false;\n    }\n",
        "lock_of_two",
        "a wake was lost",
        lockings=("free",),
    ),
    Mutation(
        "a permit that a handler's exception undoes is kept",
        "sync/permits.c",
        "    if (granted) {\n        permits_give_slow(self, 1, limit);\n",
        "    if (granted && limit == 0) {\n        permits_give_slow(self, 1, limit);\n",
        "semaphore_kept_waiting_with_a_handler",
        "",
    ),
    Mutation(
        "the one that is told of a permit for anybody is not woken",
        "sync/permits.c",
        "        last->state = WAITER_WOKEN;\n        waiter_wake(last);\n",
        "        last->state = WAITER_WOKEN;\n",
        "permits_for_any",
        "a wake was lost",
    ),
    Mutation(
        "who is handed a lock does not have it, as it is told",
        "sync/permits.c",
        "        set_holder(self, first->number);\n",
        "",
        "nobody_starves",
        "who has the lock",
    ),
    Mutation(
        "nothing is handed over",
        "sync/permits.c",
        "return w->since != 0 && park_now() - w->since >= PERMITS_FAIR_AFTER && !Py_IsFinalizing();",
        "return w->since == INT64_MAX;",
        "nobody_starves",
        "whose turn it is",
    ),
    Mutation(
        "an event is joined without a second look",
        "sync/event.c",
        "        found_set = seen & EVENT_SET;\n",
        "        found_set = false;\n",
        "event_of_two",
        "a wake was lost",
        lockings=("free",),
    ),
    Mutation(
        "who is notified is sent nowhere",
        "sync/condition.c",
        "            permits_join(lock_permits(self), w);\n",
        "",
        "condition_of_two",
        "a wake was lost",
    ),
    Mutation(
        "the lock is given back before the condition's queue is joined",
        "sync/condition.c",
        f"{JOIN}{GIVE}",
        f"{GIVE}{JOIN}",
        "condition_of_two",
        "",
        lockings=("free",),
    ),
    Mutation(
        "the guard is relaxed",
        "park/guard.h",
        "atomic_store_explicit(self, 0, memory_order_release);",
        "atomic_store_explicit(self, 0, memory_order_relaxed);",
        "lock_of_three",
        "data race",
        lockings=("free",),
    ),
]


def mutated(mutation: Mutation, build: Build, objects: Path, folder: Path) -> Path:
    """Builds with the mutation, with the objects of the others where they do not depend on it."""
    source = folder / "src"
    shutil.copytree(SOURCE, source)
    path = source / mutation.file
    text = path.read_text()
    assert text.count(mutation.old) == 1, f"{mutation.file} has no longer what {mutation.name!r} changes"
    path.write_text(text.replace(mutation.old, mutation.new))
    work = folder / "objects"
    shutil.copytree(objects, work)
    stale = ["*"] if path.suffix == ".h" else [f"{path.parent.name}-{path.stem}", f"explore-{path.stem}"]
    for pattern in stale:
        for target in work.glob(f"{pattern}.o"):
            target.unlink()
    compile_objects(build, source, work)
    return link(work)


@pytest.mark.parametrize("mutation", MUTATIONS, ids=lambda mutation: mutation.name.replace(" ", "-"))
def test_a_mutation_is_found(built: tuple[Build, Path], mutation: Mutation, tmp_path: Path) -> None:
    build, objects = built
    if build.backend not in mutation.backends or build.locking not in mutation.lockings:
        pytest.skip("it is no fault in this build")
    program = mutated(mutation, build, objects, tmp_path)
    done = run([str(program), mutation.scenario, str(mutation.preemptions), "60"])
    assert done.returncode == 1, done.stdout[-2000:] + done.stderr
    assert mutation.finds in done.stdout.splitlines()[0], done.stdout.splitlines()[0]
