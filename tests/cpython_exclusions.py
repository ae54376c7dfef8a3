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
    }
if sys.version_info[:3] in ((3, 12, 0), (3, 12, 1)):
    EXCLUSIONS["test_threading.ThreadJoinOnShutdown.test_3_join_in_forked_from_thread"] = (
        "these two releases refuse to fork once the main thread has come to its end; the case lives from a start() "
        "that waits for the new thread to run"
    )

if sys.version_info >= (3, 15):
    EXCLUSIONS["test_queue.CSimpleQueueTest.test_simplequeue_sizeof"] = (
        "the size in memory has to be that of the standard library's own fields"
    )

# The same for compare_stdlib.py, which runs the suites of what stands on threading: by reason, the cases that fail
# there on cthreading only, and cannot hold for another implementation.
STDLIB_REASONS = {
    "threading must not have been imported at the start, but cthreading is in its place from then on": (
        "test_import.SubinterpImportTests.test_isolated_config",
        "test_import.SubinterpImportTests.test_python_compat",
    ),
    "the stack of a thread that waits has to show frames of threading.py, but here that is C code, which has none": (
        "test_faulthandler.FaultHandlerTests.test_dump_traceback_threads",
        "test_faulthandler.FaultHandlerTests.test_dump_traceback_threads_file",
    ),
    "of tasks that are submitted and cancelled at once some have to have begun, but start() does not wait for the new "
    "thread to run": (
        "test_concurrent_futures.ThreadPoolShutdownTest.test_cancel_futures",  # in 3.11
        "test_concurrent_futures.test_shutdown.ThreadPoolShutdownTest.test_cancel_futures",
    ),
    "the size in memory has to be that of the standard library's own fields": (
        "test_queue.CSimpleQueueTest.test_simplequeue_sizeof",  # from 3.15 on
    ),
    "of ten threads that are started one after the other some have to have ended, but start() does not wait for them "
    "to run": ("test_socketserver.MiscTestCase.test_threads_reaped",),
}
STDLIB_EXCLUSIONS = {case: reason for reason, cases in STDLIB_REASONS.items() for case in cases}
