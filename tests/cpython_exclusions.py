"""The cases of CPython's own test suites that are not run here, each with the reason why it cannot hold.

A name is module.class.case as in `test.lock_tests`: "lock_tests.LockTests.test_repr". The terminal summary counts them.
"""

import sys

EXCLUSIONS: dict[str, str] = {
    "test_threading.MiscTestCase.test__all__": "the public names have to come from modules called threading or _thread",
    "test_threading.ThreadTests.test_import_from_another_thread": (
        "threading must not have been imported at the start, but cthreading is in its place from then on"
    ),
}
if sys.version_info < (3, 13):
    EXCLUSIONS |= {
        "test_threading.ThreadTests.test_disallow_instantiation": (
            "type(Lock()) must not be callable, but Lock is that type, as the standard library has it from 3.13 on"
        ),
        "test_threading.ThreadTests.test_shutdown_locks": (
            "looks into threading._shutdown_locks, a set of locks that a thread here does not have"
        ),
        "test_threading.ThreadTests.test_tstate_lock": (
            "an ended thread has to count as alive as long as somebody holds its private lock"
        ),
    }
if sys.version_info[:3] in ((3, 12, 0), (3, 12, 1)):
    EXCLUSIONS["test_threading.ThreadJoinOnShutdown.test_3_join_in_forked_from_thread"] = (
        "these two releases refuse to fork once the main thread has come to its end; the case lives from a start() "
        "that waits for the new thread to run"
    )
