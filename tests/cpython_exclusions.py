"""The cases of CPython's own test suites that are not run here, each with the reason why it cannot hold.

A name is module.class.case as in `test.lock_tests`: "lock_tests.LockTests.test_repr". The terminal summary counts them.
"""

EXCLUSIONS: dict[str, str] = {}
