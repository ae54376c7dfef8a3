"""Runs one of CPython's test modules and writes one JSON line a case: {"case": ..., "outcome": ..., "detail": ...}.

Run by redirected.py, in an environment of its own; --help tells the options.
"""

from __future__ import annotations

import argparse
import faulthandler
import json
import os
import signal
import unittest
from collections.abc import Iterator
from pathlib import Path
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

    def write_line(self, name: str, outcome: str, detail: str = "") -> None:
        print(json.dumps({"case": name, "outcome": outcome, "detail": detail}), file=self.out, flush=True)

    def write(self, test: unittest.TestCase, outcome: str, detail: str = "") -> None:
        self.write_line(test.id(), outcome, detail)

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
    parser = argparse.ArgumentParser()
    parser.add_argument("results", help="the file to write")
    parser.add_argument("name", help="of the module, as test.test_threading")
    parser.add_argument("--only", type=Path, help="a file with the cases to run, one a line")
    parser.add_argument("--without", type=Path, help="a file with the cases to leave out, one a line")
    parser.add_argument(
        "--resources", help="those of `python -m test -u` that are there, with commas; all if not given"
    )
    options = parser.parse_args()
    # A shell starts what runs in the background with Ctrl-C ignored; the cases of signals count on the default.
    signal.signal(signal.SIGINT, signal.default_int_handler)
    if options.resources is not None:
        from test import support

        support.use_resources = dict.fromkeys(options.resources.split(","))
    with open(options.results, "w", encoding="utf-8") as out:
        results = Results(out)
        try:
            cases = list(cases_of(unittest.defaultTestLoader.loadTestsFromName(options.name)))
        except unittest.SkipTest as reason:
            results.write_line(options.name, "skipped", str(reason))
            cases = []
        if options.only:
            wanted = options.only.read_text(encoding="utf-8").split("\n")
            cases = [case for case in cases if case.id() in wanted]
        if options.without:
            unwanted = set(options.without.read_text(encoding="utf-8").split("\n"))
            cases = [case for case in cases if case.id() not in unwanted]
        unittest.TestSuite(cases).run(results)
    # A case that failed may have left threads that would be waited for.
    os._exit(0)


if __name__ == "__main__":
    main()
