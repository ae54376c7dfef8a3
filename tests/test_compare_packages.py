"""What compare_packages.py makes of the results of two runs."""

from __future__ import annotations

from pathlib import Path

import compare_packages
import pytest
from compare_packages import SIDES, Comparison, Difference, Package, Result

PACKAGE = Package("example", "1.0", "an example", ("tests",))


class ScriptedPlace:
    """Stands for a Place: the runs give one case these outcomes, one after the other."""

    package = PACKAGE

    def __init__(self, **outcomes: str) -> None:
        self.outcomes = {side: list(outcomes[side].split()) for side in SIDES}
        self.asked: list[list[str]] = []

    def run_tests(self, side: str, files: list[str]) -> Result:
        self.asked.append(list(files))
        outcome = self.outcomes[side].pop(0)
        if outcome == "missing":
            return Result({}, {}, "", 1.0)
        return Result({"tests.test_a::test": outcome}, {"tests.test_a::test": "tests/test_a.py"}, "", 1.0)


def judged(**outcomes: str) -> tuple[Comparison, list[list[str]]]:
    place = ScriptedPlace(**outcomes)
    comparison = Comparison("example", "1.0", "an example")
    first = {side: place.run_tests(side, []) for side in SIDES}
    place.asked.clear()
    compare_packages.judge(place, first, comparison)  # type: ignore[arg-type]
    return comparison, place.asked


@pytest.mark.parametrize("outcome", ["passed", "failed", "skipped"])
def test_what_comes_out_alike_is_not_run_again(outcome: str) -> None:
    comparison, asked = judged(plain=outcome, cthreading=outcome)
    assert (comparison.differences, comparison.unsteady, asked) == ([], [], [])
    assert comparison.well


@pytest.mark.parametrize(
    ("plain", "cthreading"),
    [
        ("passed passed passed passed", "failed failed failed failed"),
        ("passed passed passed passed", "failed passed failed passed"),
        ("failed failed failed failed", "passed passed passed passed"),
        ("passed passed passed passed", "skipped skipped skipped skipped"),
        ("passed passed passed passed", "missing missing missing missing"),
        ("passed missing missing missing", "failed missing missing missing"),
    ],
)
def test_what_stays_different_is_a_difference(plain: str, cthreading: str) -> None:
    comparison, asked = judged(plain=plain, cthreading=cthreading)
    assert comparison.differences == [Difference("tests.test_a::test", plain.split(), cthreading.split())]
    assert not comparison.unsteady
    assert asked == [["tests/test_a.py"]] * 6
    assert not comparison.well


@pytest.mark.parametrize(
    ("plain", "cthreading"),
    [
        ("passed passed passed passed", "failed passed passed passed"),
        ("failed passed passed passed", "passed passed passed passed"),
        ("passed failed passed passed", "failed passed passed failed"),
        ("failed passed failed passed", "passed passed passed passed"),
    ],
)
def test_what_fails_on_both_sides_or_never_again_is_unsteady(plain: str, cthreading: str) -> None:
    comparison, _ = judged(plain=plain, cthreading=cthreading)
    assert comparison.unsteady == [Difference("tests.test_a::test", plain.split(), cthreading.split())]
    assert comparison.well


def test_a_difference_with_a_reason_is_expected(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(compare_packages.EXPECTED, "example", {"tests.test_a::test": "looks into the source"})
    comparison, _ = judged(plain="passed " * 4, cthreading="failed " * 4)
    assert comparison.differences[0].reason == "looks into the source"
    assert comparison.well
    assert compare_packages.summary(comparison) == "the same but for 1"


def test_a_report_is_read_case_by_case(tmp_path: Path) -> None:
    report = tmp_path / "report.xml"
    report.write_text(
        """<testsuites><testsuite>
            <testcase classname="tests.test_a" name="passes" file="tests/test_a.py"/>
            <testcase classname="tests.test_a" name="fails"><failure/></testcase>
            <testcase classname="tests.test_a" name="is skipped"><skipped/></testcase>
            <testcase classname="tests.test_a" name="fails at its end"/>
            <testcase classname="tests.test_a" name="fails at its end"><error/></testcase>
        </testsuite></testsuites>""",
        encoding="utf-8",
    )
    outcomes, files = compare_packages.read(report)
    assert outcomes == {
        "tests.test_a::passes": "passed",
        "tests.test_a::fails": "failed",
        "tests.test_a::is skipped": "skipped",
        "tests.test_a::fails at its end": "failed",
    }
    assert files["tests.test_a::passes"] == "tests/test_a.py"


def test_a_suite_that_does_not_end_is_not_the_same() -> None:
    comparison = Comparison("example", "1.0", "an example", ends={"cthreading": "exit status -11"})
    assert not comparison.well
    assert compare_packages.summary(comparison) == "did not finish"
