"""The suite in benchmarks/: that every row can be measured, and that reports say what was measured."""

import json
import sys
import threading
from pathlib import Path

import pytest

import cthreading

FOLDER = Path(__file__).parent.parent / "benchmarks"
sys.path.append(str(FOLDER))

import instructions  # noqa: E402
import rows  # noqa: E402
import whole_programs  # noqa: E402

BETWEEN_THREADS = [row for row in rows.all_rows() if row.group not in ("uncontended", "growth")]


@pytest.mark.parametrize("row", BETWEEN_THREADS, ids=lambda row: row.title)
def test_row_can_be_measured(row):
    sides = row.sides()
    assert list(sides)[:2] == ["threading", "cthreading"]
    for run in sides.values():
        cost = run(2)
        assert cost.wall > 0
        assert cost.cpu >= 0
        assert cost.switches >= 0


def test_growth_doubles_the_threads_up_to_256():
    names = [row.name for row in rows.all_rows() if row.group == "growth"]
    assert len(names) == 3 * 8
    assert "Barrier, 2 threads" in names
    assert "Event.set, 256 threads" in names


def test_titles_are_unique():
    titles = [row.title for row in rows.all_rows()]
    assert len(titles) == len(set(titles))


@pytest.mark.parametrize("module", [threading, cthreading])
def test_library_is_over_the_module(module):
    library = whole_programs.library_over(module)
    queue = library.Queue()
    assert type(queue.mutex) is type(module.Lock())
    assert type(queue.not_empty) is module.Condition
    with library.ThreadPoolExecutor(1) as pool:
        assert isinstance(pool.submit(module.current_thread).result(), module.Thread)


def test_library_over_leaves_the_modules_alone():
    import concurrent.futures
    import http.server
    import queue

    whole_programs.library_over(cthreading)
    assert sys.modules["threading"] is threading
    assert sys.modules["queue"] is queue
    assert vars(queue)["threading"] is threading
    assert concurrent.futures.thread is sys.modules["concurrent.futures.thread"]
    assert vars(concurrent.futures.thread)["threading"] is threading
    assert http.server is sys.modules["http.server"]


def test_other_packages_are_left_out_where_they_lack_the_thing():
    def run(module, rounds):
        return module.Lock() and cthreading.bench_has_no_such_name

    with pytest.raises(AttributeError):
        rows.sides_between(run, others=False)

    from contenders import Missing, Names

    with pytest.raises(Missing):
        _ = Names(Lock=threading.Lock).Barrier


CALLGRIND = """\
ob=/lib/python3
fn=loop
0 100
cob=/x/cthreading/_core.cpython-313.so
cfn=acquire
calls=10 0
0 45
ob=/x/cthreading/_core.cpython-313.so
fn=acquire
0 40
0 2
ob=/lib/libc.so
fn=getppid
0 7

totals: 149
"""


def test_instructions_are_counted_once_and_for_the_extension(tmp_path):
    part = tmp_path / "part.1"
    part.write_text(CALLGRIND)
    assert instructions.count_part(part) == instructions.Counts(42, 149)


@pytest.mark.parametrize(
    ("now", "before", "says"),
    [(20, 20, ""), (21, 20, ""), (21.1, 20, "MORE"), (103, 100, ""), (104, 100, "MORE"), (96, 100, "less")],
)
def test_instructions_that_grow_are_told(now, before, says):
    assert instructions.verdict(now, before) == says


def test_recording_some_rows_keeps_the_others(tmp_path, monkeypatch):
    monkeypatch.setattr(instructions, "RECORDS", tmp_path / "records.json")
    rows = {"a": instructions.Counts(20, 100), "b": instructions.Counts(30, 200.04)}
    instructions.record(rows)
    instructions.record({"b": instructions.Counts(31, 201)})
    recorded = json.loads(instructions.RECORDS.read_text())[instructions.version()]
    assert recorded["counts"] == {"a": [20, 100], "b": [31, 201]}
    monkeypatch.setattr(instructions, "build", lambda: "another")
    instructions.record({"b": instructions.Counts(32, 202)})
    recorded = json.loads(instructions.RECORDS.read_text())[instructions.version()]
    assert recorded["counts"] == {"b": [32, 202]}


def test_grown_instructions_fail(capsys):
    before = {"build": instructions.build(), "counts": {"a": [20, 100], "b": [20, 100]}}
    assert instructions.compare({"a": instructions.Counts(20, 100), "c": instructions.Counts(1, 1)}, before)
    assert not instructions.compare({"a": instructions.Counts(20, 104), "b": instructions.Counts(20, 100)}, before)
    other_build = {**before, "build": "another"}
    assert instructions.compare({"a": instructions.Counts(20, 104)}, other_build)
    assert "only those of the extension module" in capsys.readouterr().out


def machine(**more):
    return {
        "implementation": "CPython",
        "python": "3.13.0",
        "build": "main",
        "compiler": "GCC",
        "free_threaded": 0,
        "machine": "Linux x86_64",
        "processor": "P",
        "cores": 2,
        "park_backend": "futex",
        **more,
    }


@pytest.fixture
def suite():
    pyperf = pytest.importorskip("pyperf")

    def benchmark(setting, row, side, wall, cpu):
        metadata = machine(name=f"{setting} {row} [{side}]", setting=setting, group="ping-pong", row=row, side=side)
        run = pyperf.Run([wall, wall], metadata={**metadata, "cpu": cpu, "switches": 2.0}, collect_metadata=False)
        return pyperf.Benchmark([run])

    return pyperf.BenchmarkSuite(
        [
            benchmark("idle", "Lock", "threading", 40e-6, 30e-6),
            benchmark("idle", "Lock", "cthreading", 2e-6, 3e-6),
            benchmark("idle", "Lock", "aiologic", 60e-6, 30e-6),
            benchmark("idle", "Event", "threading", 40e-6, 30e-6),
            benchmark("idle", "Event", "cthreading", 1e-6, 60e-6),
            benchmark("idle", "Event, once", "cthreading", 1e-6, 1e-6),
        ]
    )


def test_report_shows_ratios(suite):
    import report

    lines = list(report.format_tables(report.Table([suite])))
    assert any(
        line.startswith("| Lock | 40,000 | 2,000 | 20 | 30,000 | 3,000 | 10.0 | 2.00 | 2.00 | 30 |") for line in lines
    )
    assert any(line.startswith("| Event | 40,000 | 1,000 | 40 |") for line in lines)
    assert any(line.startswith("| geometric mean |  |  | 28 |") for line in lines)
    assert not any("once" in line for line in lines)


def test_report_tells_what_is_below_its_target(suite):
    import report

    lines = list(report.format_targets(report.Table([suite])))
    assert any(line.startswith("reached ping-pong, idle, geometric mean: 28.28") for line in lines)
    assert any(line.startswith("BELOW   CPU time of ping-pong, idle, each: 0.50") and "Event" in line for line in lines)


def test_files_of_two_pythons_are_not_mixed(suite):
    import report

    pyperf = pytest.importorskip("pyperf")
    metadata = machine(name="n", setting="idle", group="herd", row="r", side="threading", cpu=1.0, switches=1.0)
    run = pyperf.Run([1.0], metadata={**metadata, "build": "other"}, collect_metadata=False)
    with pytest.raises(SystemExit, match="several Pythons"):
        report.Table([suite, pyperf.BenchmarkSuite([pyperf.Benchmark([run])])])
