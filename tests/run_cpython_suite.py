"""Runs one of CPython's test modules and writes one JSON line a case: {"case": ..., "outcome": ..., "detail": ...}.

Run by test_cpython_threading.py, in an environment whose `threading` is cthreading:

    python run_cpython_suite.py RESULTS test.test_threading [case...]

With cases, named as in the results, only these are left out.
"""

from __future__ import annotations

import faulthandler
import json
import os
import sys
import unittest
from collections.abc import Iterator
from typing import Any, TextIO


def cases_of(suite: unittest.TestSuite) -> Iterator[unittest.TestCase]:
    """The single cases of a suite of suites."""
    for test in suite:
        if isinstance(test, unittest.TestSuite):
            yield from cases_of(test)
        else:
            yield test


class Results(unittest.TestResult):
    """Writes each case's outcome as soon as it is known, so that a crash tells which case it was."""

    def __init__(self, out: TextIO) -> None:
        super().__init__()
        self.out = out
        self.outcome: dict[str, str] = {}

    def write(self, test: unittest.TestCase, outcome: str, detail: str = "") -> None:
        print(json.dumps({"case": test.id(), "outcome": outcome, "detail": detail}), file=self.out, flush=True)

    def startTest(self, test: unittest.TestCase) -> None:
        super().startTest(test)
        self.outcome = {}
        self.write(test, "started")
        faulthandler.dump_traceback_later(300, exit=True)

    def note(self, outcome: str, detail: str) -> None:
        rank = ["passed", "skipped", "failed"]
        if not self.outcome or rank.index(outcome) > rank.index(self.outcome["outcome"]):
            self.outcome = {"outcome": outcome, "detail": detail}

    def addError(self, test: unittest.TestCase, err: Any) -> None:
        self.note("failed", self._exc_info_to_string(err, test))
        if not isinstance(test, unittest.TestCase):
            self.write(test, **self.outcome)

    addFailure = addError

    def addSubTest(self, test: unittest.TestCase, subtest: unittest.TestCase, err: Any) -> None:
        if err is not None:
            self.note("failed", f"{subtest}\n{self._exc_info_to_string(err, test)}")

    def addSkip(self, test: unittest.TestCase, reason: str) -> None:
        self.note("skipped", reason)
        if not isinstance(test, unittest.TestCase):
            self.write(test, "skipped", reason)

    def stopTest(self, test: unittest.TestCase) -> None:
        faulthandler.cancel_dump_traceback_later()
        self.write(test, **(self.outcome or {"outcome": "passed"}))
        super().stopTest(test)


def main() -> None:
    results, name, *left_out = sys.argv[1:]
    suite = unittest.TestSuite(
        case for case in cases_of(unittest.defaultTestLoader.loadTestsFromName(name)) if case.id() not in left_out
    )
    with open(results, "w", encoding="utf-8") as out:
        suite.run(Results(out))
    # A case that failed may have left threads that would be waited for.
    os._exit(0)


if __name__ == "__main__":
    main()
