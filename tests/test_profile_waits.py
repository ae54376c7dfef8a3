"""profile_waits(): where threads wait, for how long and for whom; and what --profile-waits writes."""

from __future__ import annotations

import io
import os
import re
import signal
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from helpers import Crew, run_python, wait_until

import cthreading
import cthreading.queue
from cthreading import _core

HELD = 0.05  # seconds: how long something that is waited for takes


def line_of(function: Callable[..., object], text: str) -> int:
    """The number of the line in the function that contains the text."""
    import inspect

    lines, first = inspect.getsourcelines(function)
    return first + next(i for i, line in enumerate(lines) if text in line)


def only_place(profile: Any, kind: str, operation: str) -> Any:
    found = [place for place in profile.places if (place.kind, place.operation) == (kind, operation)]
    assert len(found) == 1, profile.places
    return found[0]


def wait_until_waiting(*threads: Any) -> None:
    wait_until(lambda: {thread.ident for thread in threads} <= {wait[1] for wait in _core._waits()})


def hold(lock: Any, held: Any, seconds: float = HELD) -> None:
    with lock:
        held.set()
        time.sleep(seconds)


def take(lock: Any) -> None:
    with lock:  # here
        pass


def wait_for_holders(lock: Any, times: int = 1) -> None:
    """Waits for the lock so often, each time while a thread "the holder" has it."""
    for _ in range(times):
        held = cthreading.Event()
        holder = cthreading.Thread(target=hold, args=(lock, held), name="the holder")
        holder.start()
        while not held.is_set():
            time.sleep(0.001)
        take(lock)
        holder.join()


@pytest.mark.parametrize("kind", ["Lock", "RLock"])
def test_a_place_has_its_line_its_times_and_who_held_it(kind: str) -> None:
    lock = getattr(cthreading, kind)()
    with cthreading.profile_waits() as profile:
        wait_for_holders(lock, 3)
    place = only_place(profile, kind, "acquire")
    assert (place.file, place.line) == (take.__code__.co_filename, line_of(take, "# here"))
    assert (place.function, place.count) == ("take", 3)
    assert 3 * HELD / 2 < place.seconds < 30
    assert place.seconds / 3 <= place.longest < place.seconds
    assert list(place.holders) == ["the holder"]
    assert place.holders["the holder"] == pytest.approx(place.seconds)


def test_holders_are_told_apart() -> None:
    lock = cthreading.Lock()
    with cthreading.profile_waits() as profile:
        for i in range(20):
            held = cthreading.Event()
            seconds = 0.1 if i == 3 else 0.01
            holder = cthreading.Thread(target=hold, args=(lock, held, seconds), name=f"holder {i}")
            holder.start()
            while not held.is_set():
                time.sleep(0.001)
            take(lock)
            holder.join()
    place = only_place(profile, "Lock", "acquire")
    assert place.count == 20
    assert next(iter(place.holders)) == "holder 3"
    assert 1 < len(place.holders) < 20
    assert sum(place.holders.values()) < place.seconds


def wait_for_each_kind() -> None:
    """Somebody waits for each kind of object for some time; nobody has these, but for the thread."""
    condition, event, semaphore = cthreading.Condition(), cthreading.Event(), cthreading.Semaphore(0)
    queue: Any = cthreading.queue.Queue(1)
    with condition:
        condition.wait(HELD)
    event.wait(HELD)
    semaphore.acquire(timeout=HELD)
    with pytest.raises(cthreading.queue.Empty):
        queue.get(timeout=HELD)
    queue.put(1)
    with pytest.raises(cthreading.queue.Full):
        queue.put(2, timeout=HELD)
    with pytest.raises(cthreading.queue.Empty):
        cthreading.queue.SimpleQueue().get(timeout=HELD)
    with pytest.raises(cthreading.BrokenBarrierError):
        cthreading.Barrier(2).wait(HELD)
    thread = cthreading.Thread(target=time.sleep, args=(HELD,), name="slow")
    thread.start()
    thread.join()


KINDS = {
    ("Condition", "wait"),
    ("Event", "wait"),
    ("Semaphore", "acquire"),
    ("Queue", "get"),
    ("Queue", "put"),
    ("SimpleQueue", "get"),
    ("Barrier", "wait"),
}


def test_each_kind_of_wait() -> None:
    with cthreading.profile_waits() as profile:
        wait_for_each_kind()
    places = {(place.kind, place.operation): place for place in profile.places}
    assert places.keys() >= KINDS
    for kind in KINDS:
        place = places[kind]
        assert (place.count, place.function, place.holders) == (1, "wait_for_each_kind", {}), place
        assert HELD / 2 < place.seconds == place.longest < 30, place


def test_the_thread_that_is_joined_is_its_holder() -> None:
    with cthreading.profile_waits() as profile:
        thread = cthreading.Thread(target=time.sleep, args=(HELD,), name="slow")
        thread.start()
        thread.join()
    place = only_place(profile, "Thread", "join")
    assert list(place.holders) == ["slow"]
    assert HELD / 2 < place.seconds < 30


def outer(lock: Any) -> None:
    wait_for_holders(lock)


def other_outer(lock: Any) -> None:
    wait_for_holders(lock)


def test_stacks_lead_to_the_place_and_add_up_to_its_time() -> None:
    lock = cthreading.Lock()
    with cthreading.profile_waits() as profile:
        outer(lock)
        other_outer(lock)
        outer(lock)
    place = only_place(profile, "Lock", "acquire")
    stacks = {frames: weight for frames, weight in profile.stacks.items() if frames[0] == "Lock"}
    here = f"take ({Path(__file__).name}:{place.line})"
    assert all(frames[-1] == here for frames in stacks)
    times = {
        name: sum(weight for frames, weight in stacks.items() if any(frame.startswith(name) for frame in frames))
        for name in ("outer (", "other_outer (")
    }
    assert sum(times.values()) == sum(stacks.values()) == pytest.approx(place.seconds * 1e6, abs=2)
    # Each of these waits is long enough to be put down to its own callers.
    assert times["outer ("] > times["other_outer ("] > HELD / 2 * 1e6


def test_stacks_add_up_where_there_are_many_short_waits() -> None:
    lock, rounds = cthreading.Lock(), 2000

    def work() -> None:
        for _ in range(rounds):
            with lock:
                time.sleep(0)

    with cthreading.profile_waits() as profile, Crew() as crew:
        crew.start(work, count=3)
    place = only_place(profile, "Lock", "acquire")
    weight = sum(weight for frames, weight in profile.stacks.items() if frames[0] == "Lock")
    assert weight == pytest.approx(place.seconds * 1e6, abs=len(profile.stacks))
    assert 0 < place.longest <= place.seconds
    assert sum(place.holders.values()) <= place.seconds + 1e-6


def test_deep_recursion_is_cut() -> None:
    def dive(depth: int) -> None:
        if depth:
            dive(depth - 1)
        else:
            cthreading.Event().wait(0.001)

    with cthreading.profile_waits() as profile:
        dive(400)
    (frames,) = profile.stacks
    assert frames[:2] == ("Event", "...")
    assert 100 < len(frames) < 400


def test_folded_format(tmp_path: Path) -> None:
    path = tmp_path / "profile.folded"
    code = compile("def odd(event):\n    event.wait(0.01)", "a;b\nc.py", "exec")
    names: dict[str, Any] = {}
    exec(code, names)
    with cthreading.profile_waits() as profile:
        names["odd"](cthreading.Event())
        wait_for_holders(cthreading.Lock())
    profile.write_folded(path)
    lines = path.read_text(encoding="utf-8").splitlines()
    assert len(lines) == len([weight for weight in profile.stacks.values() if weight])
    read = {}
    for line in lines:
        found = re.fullmatch(r"([^;]+(?:;[^;]+)+) (\d+)", line)
        assert found, line
        read[tuple(found[1].split(";"))] = int(found[2])
    assert read == {frames: weight for frames, weight in profile.stacks.items() if weight}
    assert any(frames[0] == "Event" and frames[-1] == "odd (a,b c.py:2)" for frames in read)


def test_table() -> None:
    with cthreading.profile_waits() as profile:
        wait_for_holders(cthreading.Lock())
    file = io.StringIO()
    profile.print_table(file)
    head, titles, *rows = file.getvalue().splitlines()
    assert re.fullmatch(r"cthreading: \d+ waits, 0\.\d{3} s in all", head)
    assert titles.split() == ["seconds", "longest", "count", "what", "where", "held", "by"]
    (row,) = (row for row in rows if "Lock.acquire" in row)
    assert re.fullmatch(
        rf" *(0\.\d{{3}}) +\1 +1 +Lock\.acquire +{re.escape(__file__)}:\d+ in take +the holder \1", row
    ), row


def test_table_goes_to_standard_error(capsys: pytest.CaptureFixture[str]) -> None:
    with cthreading.profile_waits() as profile:
        pass
    profile.print_table()
    assert capsys.readouterr() == ("", "cthreading: 0 waits, 0.000 s in all\n")


def test_what_ends_outside_is_not_counted() -> None:
    profile = cthreading.profile_waits()
    cthreading.Event().wait(0.001)
    assert (profile.places, profile.stacks) == ([], {})
    with profile:
        cthreading.Event().wait(0.001)
    cthreading.Event().wait(0.001)
    assert only_place(profile, "Event", "wait").count == 1


def test_a_second_use_begins_from_nothing() -> None:
    profile = cthreading.profile_waits()
    for _ in range(2):
        with profile:
            cthreading.Event().wait(0.001)
        assert only_place(profile, "Event", "wait").count == 1


def test_asking_in_the_middle() -> None:
    with cthreading.profile_waits() as profile:
        for i in range(1, 4):
            cthreading.Event().wait(0.001)
            assert only_place(profile, "Event", "wait").count == i
            assert sum(profile.stacks.values()) > 0
    assert only_place(profile, "Event", "wait").count == 3


def test_one_at_a_time() -> None:
    with cthreading.profile_waits() as profile:
        with pytest.raises(RuntimeError, match="waits are being profiled already"), cthreading.profile_waits():
            pass
        with pytest.raises(RuntimeError), profile:
            pass
        cthreading.Event().wait(0.001)
    assert len(profile.places) == 1
    with cthreading.profile_waits():
        pass


def test_a_holder_whose_name_is_no_string_goes_without() -> None:
    lock = cthreading.Lock()
    held = cthreading.Event()
    holder = cthreading.Thread(target=hold, args=(lock, held))
    with cthreading.profile_waits() as profile:
        holder.start()
        held.wait()
        holder._name = 5  # from 3.14 on the thread would not come up with it
        take(lock)
    holder.join()
    place = only_place(profile, "Lock", "acquire")
    assert place.count == 1
    assert [re.sub(r"thread \d+", "thread N", name) for name in place.holders] in (
        ["thread N"],
        ["a thread that has ended"],
    )


def test_without_the_registry_of_threads_nothing_can_be_profiled(monkeypatch: pytest.MonkeyPatch) -> None:
    profile = cthreading.profile_waits()
    with monkeypatch.context() as patched:
        patched.delattr(threading, "_active")
        with pytest.raises(RuntimeError, match="_active"):
            profile.__enter__()
    with profile:
        cthreading.Event().wait(0.001)
        with monkeypatch.context() as patched:
            patched.delattr(threading, "_active")
            with pytest.raises(RuntimeError, match="_active"):
                profile.places  # noqa: B018
    assert [place.count for place in profile.places] == [1]


def test_an_exception_in_the_body_ends_it() -> None:
    def wait_and_raise() -> None:
        cthreading.Event().wait(0.001)
        raise ZeroDivisionError

    profile = cthreading.profile_waits()
    with pytest.raises(ZeroDivisionError), profile:
        wait_and_raise()
    assert len(profile.places) == 1
    with cthreading.profile_waits():
        pass


@pytest.mark.skipif(not hasattr(signal, "setitimer"), reason="needs a timer's signal")
def test_a_wait_that_a_signal_handler_ends_counts_and_raises() -> None:
    def handler(*_: object) -> None:
        raise ZeroDivisionError

    before = signal.signal(signal.SIGALRM, handler)
    try:
        signal.setitimer(signal.ITIMER_REAL, HELD)
        with cthreading.profile_waits() as profile, pytest.raises(ZeroDivisionError):
            cthreading.Event().wait(20)
    finally:
        signal.signal(signal.SIGALRM, before)
    assert 0 < only_place(profile, "Event", "wait").seconds < 20


def test_threads_that_end_meanwhile(crew: Crew) -> None:
    rounds, workers = 50, 4
    with cthreading.profile_waits() as profile:
        for _ in range(rounds):
            event = cthreading.Event()
            threads = [cthreading.Thread(target=event.wait) for _ in range(workers)]
            for thread in threads:
                thread.start()
            wait_until_waiting(*threads)
            event.set()
            for thread in threads:
                thread.join()
    events = [place for place in profile.places if place.kind == "Event"]
    assert sum(place.count for place in events) == rounds * workers


def test_many_threads_while_profiles_begin_and_end(crew: Crew) -> None:
    lock, queue = cthreading.Lock(), cthreading.queue.SimpleQueue()
    stop = cthreading.Event()

    def work() -> None:
        while not stop.is_set():
            with lock:
                queue.put(1)
            queue.get()
            stop.wait(0.0001)

    crew.start(work, count=4)
    try:
        for i in range(100):
            with cthreading.profile_waits() as profile:
                time.sleep(0.002)
                if i % 2:
                    assert all(place.count > 0 for place in profile.places)
            assert all(place.seconds >= place.longest >= 0 for place in profile.places)
    finally:
        stop.set()


def test_a_wait_without_python_code() -> None:
    lock = cthreading.Lock()
    with cthreading.profile_waits() as profile:
        lock.acquire()
        thread = cthreading.Thread(target=lock.acquire)
        thread.start()
        wait_until_waiting(thread)
        lock.release()
        thread.join()
    place = only_place(profile, "Lock", "acquire")
    assert place.count == 1
    assert sum(weight for frames, weight in profile.stacks.items() if frames[0] == "Lock") > 0


@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")
def test_a_child_of_fork_has_none() -> None:
    run_python(
        """
        import os, sys
        import cthreading

        outer = cthreading.profile_waits()
        with outer:
            cthreading.Event().wait(0.001)
            child = os.fork()
            cthreading.Event().wait(0.001)
            if child == 0:
                assert outer.places == []
                with cthreading.profile_waits() as inner:
                    cthreading.Event().wait(0.001)
                assert [place.count for place in inner.places] == [1], inner.places
        if child == 0:
            assert outer.places == []
            os._exit(0)
        assert os.waitpid(child, 0)[1] == 0
        assert [place.count for place in outer.places] == [1, 1], outer.places
        """,
        options=["-W", "ignore::DeprecationWarning"],
    ).check()


START = """
import sys
from cthreading import _profile

_profile.start(sys.argv[1])
import cthreading
"""


def test_at_exit_there_is_a_table_and_a_file(tmp_path: Path) -> None:
    path = tmp_path / "profile"
    path.write_text("something longer that was there before\n" * 9)
    done = run_python(START + "cthreading.Event().wait(0.01)", str(path))
    assert (done.returncode, done.out) == (0, "")
    assert re.match(r"cthreading: 1 waits, 0\.\d+ s in all\n", done.err), done.err
    assert re.fullmatch(r"Event;<module> \(<string>:7\) \d+\n", path.read_text())


def test_at_exit_daemon_threads_still_wait(tmp_path: Path) -> None:
    done = run_python(
        START
        + """
lock, event = cthreading.Lock(), cthreading.Event()
lock.acquire()
def loop():
    while True:
        event.wait(0.0001)
for target in lock.acquire, event.wait, loop, loop:
    cthreading.Thread(target=target, daemon=True).start()
event.wait(0.05)
""",
        str(tmp_path / "profile"),
    )
    assert done.returncode == 0, done
    assert "Event.wait" in done.err
    assert "Traceback" not in done.err, done
    assert "Fatal" not in done.err, done


@pytest.mark.parametrize("daemons", [0, 2])
def test_a_profile_that_is_on_at_the_end(daemons: int) -> None:
    run_python(
        f"""
        import cthreading

        profile = cthreading.profile_waits()
        profile.__enter__()
        event = cthreading.Event()
        def loop():
            while True:
                event.wait(0.0001)
        for _ in range({daemons}):
            cthreading.Thread(target=loop, daemon=True).start()
        event.wait(0.01)
        """
    ).check()


@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")
def test_a_child_of_fork_writes_nothing_at_exit(tmp_path: Path) -> None:
    path = tmp_path / "profile"
    done = run_python(
        START
        + """
import os
cthreading.Event().wait(0.001)
child = os.fork()
if child:
    assert os.waitpid(child, 0)[1] == 0
""",
        str(path),
        options=["-W", "ignore::DeprecationWarning"],
    )
    assert done.returncode == 0, done
    assert done.err.count("cthreading:") == 1, done
    assert len(path.read_text().splitlines()) == 1


def test_a_file_that_cannot_be_written(tmp_path: Path) -> None:
    path = tmp_path / "none" / "profile"
    done = run_python(START + "print('the program ran')", str(path))
    message = f"python -m cthreading: error: cannot write the profile to {path}: No such file or directory\n"
    assert (done.returncode, done.out, done.err) == (2, "", message)


def test_a_file_that_can_no_longer_be_written(tmp_path: Path) -> None:
    path = tmp_path / "profile"
    done = run_python(START + "import os; os.remove(sys.argv[1]); os.mkdir(sys.argv[1])", str(path))
    assert done.returncode == 0
    assert done.err.splitlines() == [
        "cthreading: 0 waits, 0.000 s in all",
        f"python -m cthreading: error: cannot write the profile to {path}: Is a directory",
    ]


def test_nothing_is_imported_before_it_is_asked_for() -> None:
    run_python(
        "import sys, cthreading; assert 'cthreading._profile' not in sys.modules; cthreading.profile_waits"
    ).check()


def test_nothing_is_kept() -> None:
    run_python(
        """
        import gc, sys, weakref
        import cthreading

        class Event(cthreading.Event):
            pass

        names = {}
        exec("def work(event): event.wait(0.0001)", names)
        kind, code = weakref.ref(Event), weakref.ref(names["work"].__code__)
        profile = cthreading.profile_waits()
        with profile:
            names["work"](Event())
            del Event
            names.clear()
            gc.collect()
            assert kind() is not None and code() is not None
        assert [place.kind for place in profile.places] == ["Event"]
        gc.collect()
        assert kind() is None and code() is None
        """
    ).check()


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="reads /proc/self/statm")
def test_memory_and_references_do_not_grow() -> None:
    from test_leaks import PRELUDE

    run_python(
        PRELUDE
        + """
def work(rounds):
    lock = cthreading.Lock()
    def wait():
        for _ in range(100):
            cthreading.Event().wait(0.00001)
            with lock:
                pass
    for i in range(rounds // 100):
        with cthreading.profile_waits() as profile:
            names = {}
            exec("def take(lock):\\n  if lock.acquire(timeout=0.0001): lock.release()", names)
            with lock:
                thread = cthreading.Thread(target=names["take"], args=(lock,))
                thread.start()
                thread.join()
            with Crew() as crew:
                crew.start(wait, count=2)
            assert profile.places
        assert profile.places and profile.stacks

measure(work, 2000)
""",
        seconds=100,
    ).check()


@pytest.mark.parametrize("isolated", ["isolated", "legacy"])
def test_only_the_interpreter_that_began_is_profiled(isolated: str) -> None:
    from test_subinterpreters import PRELUDE

    run_python(
        PRELUDE
        + """
import cthreading

with cthreading.profile_waits() as profile:
    cthreading.Event().wait(0.001)
    run('''if True:
        import cthreading
        cthreading.Event().wait(0.001)
        try:
            cthreading.profile_waits().__enter__()
        except RuntimeError:
            pass
        else:
            raise AssertionError
    ''', isolated)
assert [place.count for place in profile.places] == [1], profile.places
run('''if True:
    import cthreading
    profile = cthreading.profile_waits()
    profile.__enter__()
    cthreading.Event().wait(0.001)
    assert len(profile.places) == 1
''', isolated)
with cthreading.profile_waits() as profile:
    cthreading.Event().wait(0.001)
assert [place.count for place in profile.places] == [1], profile.places
""",
        isolated,
    ).check(None)


def test_wait_until_is_not_needed_for_what_has_ended(crew: Crew) -> None:
    """A wait is in the profile before the thread goes on."""
    event, counts = cthreading.Event(), []
    with cthreading.profile_waits() as profile:

        def wait() -> None:
            event.wait()
            counts.append(only_place(profile, "Event", "wait").count)

        thread = crew.start(wait)
        wait_until_waiting(thread)
        event.set()
        wait_until(lambda: counts)
    assert counts == [1]
