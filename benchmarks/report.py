"""Tables and charts of results of run.py: python benchmarks/report.py result.json [more.json...] [--charts FOLDER]

Several files count as one if they are of the same Python: the rows that one of them lacks come from the others.
"""

import argparse
import math
import statistics
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any, NamedTuple

import pyperf
from rows import all_rows

GROUPS = {
    "uncontended": "In one thread",
    "ping-pong": "Two threads hand over to each other, a round trip",
    "herd": "Many threads wait for one, a round",
    "end": "Threads that end once they are woken, all of them",
    "start": "Threads that end at once, each",
    "program": "Whole programs with `threading` replaced, an item",
    "shared": "Threads that work and use locks, a turn of each",
    "asyncio": "Barriers for tasks, a round",
    "growth": "A round of so many threads",
}
SETTINGS = {"idle": "on idle cores", "pinned": "pinned to one core", "busy": "with every core busy with other work"}
OWN = ("threading", "cthreading")
COLOURS = {"idle": "#1f77b4", "pinned": "#ff7f0e", "busy": "#2ca02c"}
MARKS = {"idle": "o", "pinned": "s", "busy": "^"}


class Numbers(NamedTuple):
    """Medians, seconds and switches of threads, for one operation."""

    wall: float
    cpu: float
    switches: float


class Pair(NamedTuple):
    """A row in a setting: what it took with each side."""

    setting: str
    group: str
    row: str
    sides: dict[str, Numbers]

    @property
    def ratio(self) -> float:
        return self.beside("threading")

    def beside(self, other: str) -> float:
        """How many times as long the other takes."""
        return self.sides[other].wall / self.sides["cthreading"].wall

    @property
    def cpu_ratio(self) -> float:
        return self.sides["threading"].cpu / max(self.sides["cthreading"].cpu, 1e-12)


class Table:
    """All pairs, in the order of the rows."""

    def __init__(self, suites: Iterable[pyperf.BenchmarkSuite]) -> None:
        self.machine: dict[str, Any] = {}
        found: dict[tuple[str, str, str], dict[str, Numbers]] = {}
        for suite in suites:
            for benchmark in suite.get_benchmarks():
                about = benchmark.get_metadata()
                if self.machine and about["build"] != self.machine["build"]:
                    raise SystemExit("these files are of several Pythons")
                self.machine = self.machine or about
                runs = [run.get_metadata() for run in benchmark.get_runs()]
                found.setdefault((about["setting"], about["group"], about["row"]), {})[about["side"]] = Numbers(
                    benchmark.median(),
                    statistics.median(run["cpu"] for run in runs),
                    statistics.median(run["switches"] for run in runs),
                )
        order = {(row.group, row.name): number for number, row in enumerate(all_rows())}
        self.pairs = [Pair(*key, sides) for key, sides in found.items() if all(side in sides for side in OWN)]
        self.pairs.sort(key=lambda pair: order.get((pair.group, pair.row), len(order)))

    def select(self, group: str, setting: str) -> list[Pair]:
        return [pair for pair in self.pairs if pair.group == group and pair.setting == setting]

    def describe(self) -> str:
        about = self.machine
        kind = ", free-threaded" if about["free_threaded"] else ""
        return (
            f"{about['implementation']} {about['python']}{kind} ({about['compiler']}), {about['machine']}, "
            f"{about['cores']} cores of {about['processor']}, cthreading sleeping by {about['park_backend']}"
        )


def geometric_mean(ratios: Iterable[float]) -> float:
    return math.exp(statistics.fmean(map(math.log, ratios)))


def format_time(seconds: float) -> str:
    nanoseconds = seconds * 1e9
    return f"{nanoseconds:,.0f}" if nanoseconds >= 100 else f"{nanoseconds:.1f}"


def format_ratio(ratio: float) -> str:
    return f"{ratio:.0f}" if ratio >= 20 else f"{ratio:.1f}" if ratio >= 2 else f"{ratio:.2f}"


def format_line(cells: Iterable[str]) -> str:
    return f"| {' | '.join(cells)} |"


def format_group(pairs: list[Pair]) -> Iterator[str]:
    others: list[str] = []
    for pair in pairs:
        others += [side for side in pair.sides if side not in (*OWN, *others)]
    between = pairs[0].group != "uncontended"
    header = ["", "threading, ns", "cthreading, ns", "times as fast"]
    if between:
        header += ["CPU of threading, ns", "of cthreading, ns", "times as much", "switches", "of cthreading"]
    header += [f"{other} takes, times" if other != "floor" else "to the floor" for other in others]
    yield format_line(header)
    yield format_line(["---", *["---:"] * (len(header) - 1)])
    for pair in pairs:
        theirs, ours = (pair.sides[side] for side in OWN)
        cells = [pair.row, format_time(theirs.wall), format_time(ours.wall), format_ratio(pair.ratio)]
        if between:
            cells += [format_time(theirs.cpu), format_time(ours.cpu), format_ratio(pair.cpu_ratio)]
            cells += [f"{theirs.switches:.2f}", f"{ours.switches:.2f}"]
        for other in others:
            ratio = pair.beside(other) if other in pair.sides else None
            cells.append("" if ratio is None else f"{1 / ratio:.2f}" if other == "floor" else format_ratio(ratio))
        yield format_line(cells)
    mean = ["geometric mean", "", "", format_ratio(geometric_mean(pair.ratio for pair in pairs))]
    if between:
        mean += ["", "", format_ratio(geometric_mean(max(pair.cpu_ratio, 1e-3) for pair in pairs))]
    yield format_line(mean + [""] * (len(header) - len(mean)))


def format_tables(table: Table) -> Iterator[str]:
    yield table.describe()
    for setting, where in SETTINGS.items():
        for group, what in GROUPS.items():
            if pairs := table.select(group, setting):
                yield f"\n### {what}, {where}\n"
                yield from format_group(pairs)


class Target(NamedTuple):
    """Something that the project wants to reach: at least this much."""

    what: str
    least: float
    reached: float
    worst: str = ""


def growth_exponent(table: Table, name: str) -> float | None:
    """Of the cost for each thread, from 8 threads to the most: 0 if it stays, 1 if it doubles with the number."""
    points = {
        int(pair.row.split()[-2]): pair.sides["cthreading"].wall
        for pair in table.select("growth", "idle")
        if pair.row.startswith(name)
    }
    if 8 not in points or max(points) == 8:
        return None
    most = max(points)
    return math.log((points[most] / most) / (points[8] / 8)) / math.log(most / 8)


def targets(table: Table) -> Iterator[Target]:
    def mean(what: str, pairs: list[Pair], least: float) -> Iterator[Target]:
        if pairs:
            yield Target(f"{what}, geometric mean", least, geometric_mean(pair.ratio for pair in pairs))

    def each(what: str, pairs: list[Pair], least: float, value: str = "ratio") -> Iterator[Target]:
        if pairs:
            worst = min(pairs, key=lambda pair: getattr(pair, value))
            below = [pair for pair in pairs if getattr(pair, value) < least]
            names = ", ".join(f"{pair.row} {getattr(pair, value):.2f}" for pair in below) or worst.row
            yield Target(f"{what}, each", least, getattr(worst, value), names)

    version = tuple(map(int, table.machine["python"].split(".")[:2]))
    free_threaded = bool(table.machine["free_threaded"])
    uncontended = table.select("uncontended", "idle")
    yield from mean("uncontended", uncontended, 4 if version < (3, 14) else 2)
    yield from each("uncontended but is_set", [p for p in uncontended if "is_set" not in p.row], 1.0)
    with_floor = [pair for pair in uncontended if "floor" in pair.sides]
    if with_floor:
        worst = min(with_floor, key=lambda pair: pair.beside("floor"))
        above = [f"{p.row} {1 / p.beside('floor'):.2f}" for p in with_floor if p.beside("floor") < 1 / 1.1]
        yield Target("the floor beside uncontended, each", 1 / 1.1, worst.beside("floor"), ", ".join(above))
    if not free_threaded:
        yield from mean("ping-pong, idle", table.select("ping-pong", "idle"), 20)
    for setting in SETTINGS:
        pairs = table.select("ping-pong", setting)
        if setting != "idle" or free_threaded:
            yield from each(f"ping-pong, {setting}", pairs, 0.95)
        yield from each(f"CPU time of ping-pong, {setting}", pairs, 1.0, "cpu_ratio")
    yield from mean("herds", table.select("herd", "idle"), 4)
    yield from mean("start + join", table.select("start", "idle"), 1.5)
    for setting in SETTINGS:
        programs = table.select("program", setting)
        if setting == "idle":
            yield from mean("whole programs", programs, 2)
        yield from each(f"whole programs, {setting}", programs, 1.0)
    yield from each("whispers", [p for p in table.select("program", "idle") if p.row.startswith("whispers")], 3)
    shared = {pair.row: pair for pair in table.select("shared", "idle")}
    one_lock = [pair for row, pair in shared.items() if row.startswith("one lock")]
    yield from each("a shared lock", one_lock, 1.5 if free_threaded else 1.0)
    alone, two = (shared.get(f"own locks, {count}") for count in ("1 thread", "2 threads"))
    if free_threaded and alone and two:
        throughput = 2 * alone.sides["cthreading"].wall / two.sides["cthreading"].wall
        yield Target("own locks, 2 threads beside 1", 1.9, throughput)
    for name in ("Barrier", "notify_all", "Event.set"):
        exponent = growth_exponent(table, name)
        if exponent is not None:
            yield Target(f"growth of {name}: 1 - exponent of the cost for each thread", 0, 1 - exponent)


def format_targets(table: Table) -> Iterator[str]:
    yield table.describe()
    for target in targets(table):
        word = "reached" if target.reached >= target.least else "BELOW  "
        yield f"{word} {target.what}: {target.reached:.2f}, wanted {target.least:.2f}" + (
            f" ({target.worst})" if target.worst else ""
        )


def draw_charts(table: Table, folder: Path) -> None:
    try:
        import matplotlib
    except ImportError:
        raise SystemExit("the charts need matplotlib") from None
    matplotlib.use("svg")
    # The same numbers make the same file.
    matplotlib.rcParams.update({"svg.hashsalt": "cthreading", "svg.fonttype": "none", "font.size": 9})
    folder.mkdir(parents=True, exist_ok=True)
    draw_ratios(table, folder / "ratios.svg")
    draw_growth(table, folder / "growth.svg")


def save(figure: Any, file: Path) -> None:
    figure.savefig(file, bbox_inches="tight", metadata={"Date": None})
    # No blanks at the ends of lines: the charts are kept in the repository.
    file.write_text("".join(f"{line.rstrip()}\n" for line in file.read_text().splitlines()))
    print(f"drawn: {file.name}")


def short_description(table: Table) -> str:
    kind = " free-threaded" if table.machine["free_threaded"] else ""
    return f"CPython {table.machine['python']}{kind}, {table.machine['machine']}, {table.machine['cores']} cores"


def draw_ratios(table: Table, file: Path) -> None:
    """How many times as fast each row is: on the left what one thread does, on the right what threads do together."""
    from matplotlib.figure import Figure

    halves = [("uncontended",), ("ping-pong", "herd", "start", "program", "shared")]
    lists = [[pair for group in groups for pair in pairs_by_row(table, group)] for groups in halves]
    lists = [rows for rows in lists if rows]
    if not lists:
        return
    figure = Figure(figsize=(5.6 * len(lists), 0.9 + 0.19 * max(map(len, lists))))
    for place, rows in enumerate(lists):
        axes = figure.add_subplot(1, len(lists), place + 1)
        axes.axvline(1, color="black", linewidth=0.8)
        for height, settings in enumerate(rows):
            for setting, pair in settings.items():
                axes.plot(pair.ratio, height, MARKS[setting], color=COLOURS[setting], markersize=4.5)
        names = [next(iter(settings.values())) for settings in rows]
        alone = names[0].group == "uncontended"
        axes.set_yticks(range(len(rows)), [pair.row if alone else f"{pair.group}: {pair.row}" for pair in names])
        axes.set_ylim(len(rows) - 0.5, -0.5)
        axes.set_xscale("log")
        axes.xaxis.set_major_formatter(lambda value, _: f"{value:g}")
        axes.set_xlabel("times as fast as threading")
        axes.grid(axis="x", which="major", linewidth=0.4)
        axes.grid(axis="y", linewidth=0.2)
        axes.set_title("in one thread" if alone else "between threads")
    axes = figure.axes[0]
    for setting in dict.fromkeys(key for rows in lists for settings in rows for key in settings):
        axes.plot([], [], MARKS[setting], color=COLOURS[setting], label=SETTINGS[setting])
    figure.legend(loc="upper center", bbox_to_anchor=(0.5, 0.01), ncols=3)
    figure.suptitle(f"cthreading beside threading, {short_description(table)}")
    figure.tight_layout()
    save(figure, file)


def pairs_by_row(table: Table, group: str) -> list[dict[str, Pair]]:
    rows: dict[str, dict[str, Pair]] = {}
    for setting in SETTINGS:
        for pair in table.select(group, setting):
            rows.setdefault(pair.row, {})[setting] = pair
    return list(rows.values())


def draw_growth(table: Table, file: Path) -> None:
    """What a round costs for each of its threads, by their number."""
    from matplotlib.figure import Figure

    pairs = table.select("growth", "idle")
    names = list(dict.fromkeys(pair.row.split(",")[0] for pair in pairs))
    if not names:
        return
    figure = Figure(figsize=(3.6 * len(names), 3.2))
    shared = None
    for place, name in enumerate(names):
        shared = axes = figure.add_subplot(1, len(names), place + 1, sharey=shared)
        chosen = {int(pair.row.split()[-2]): pair for pair in pairs if pair.row.split(",")[0] == name}
        for side, mark in zip(OWN, ("s--", "o-"), strict=True):
            costs = [pair.sides[side].wall / threads * 1e6 for threads, pair in chosen.items()]
            axes.plot(list(chosen), costs, mark, markersize=4, label=side)
        axes.set_xscale("log", base=2)
        axes.set_yscale("log")
        axes.set_xticks(list(chosen), list(map(str, chosen)))
        axes.yaxis.set_major_formatter(lambda value, _: f"{value:g}")
        axes.set_xlabel("threads")
        axes.set_title(name)
        axes.grid(linewidth=0.3)
        if place == 0:
            axes.set_ylabel("µs for each thread of a round")
            axes.legend()
    figure.suptitle(short_description(table))
    figure.tight_layout()
    save(figure, file)


def main() -> None:
    parser = argparse.ArgumentParser(description="Show results of run.py as tables in Markdown, or as charts.")
    parser.add_argument("files", nargs="+", metavar="FILE")
    parser.add_argument("--charts", metavar="FOLDER", help="draw the charts there (needs matplotlib)")
    parser.add_argument("--targets", action="store_true", help="not the tables, but what is wanted and reached")
    options = parser.parse_args()
    table = Table([pyperf.BenchmarkSuite.load(file) for file in options.files])
    print(*(format_targets if options.targets else format_tables)(table), sep="\n")
    if options.charts:
        draw_charts(table, Path(options.charts))


if __name__ == "__main__":
    main()
