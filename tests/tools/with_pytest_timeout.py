"""A test that hangs is ended with the stacks of all threads, by name; what a thread does not catch is a warning."""

import os
import subprocess
import sys
import tempfile
import threading

TESTS = """\
import threading

def test_which():
    assert threading.__name__ == "{name}"

def test_what_a_thread_does_not_catch_is_a_warning():
    thread = threading.Thread(target=lambda: 1 / 0, name="not caught")
    thread.start()
    thread.join(30)

def wait_for_ever(event):
    event.wait(60)

def test_hangs():
    event = threading.Event()
    thread = threading.Thread(target=wait_for_ever, args=(event,), name="hangs as well", daemon=True)
    thread.start()
    wait_for_ever(event)
"""

folder = tempfile.mkdtemp()
with open(os.path.join(folder, "test_it.py"), "w") as file:
    file.write(TESTS.format(name=threading.__name__))
here = ["-m", "cthreading"] * (threading.__name__ == "cthreading")
for method in ("thread", "signal"):
    command = [sys.executable, *here, "-m", "pytest", "-v", "--timeout=1", f"--timeout-method={method}", "test_it.py"]
    done = subprocess.run(
        [*command, "-p", "pytest_timeout", "-p", "no:cacheprovider"],
        cwd=folder,
        env=os.environ | {"PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1"},
        capture_output=True,
        text=True,
        timeout=40,
    )
    out = done.stdout + done.stderr
    assert done.returncode == 1, (done.returncode, out)
    assert "test_which PASSED" in out and "a_warning PASSED" in out, out
    for text in ("Stack of hangs as well", "in wait_for_ever"):
        assert text in out, (method, text, out)
    if method == "signal":
        # The other method ends the process before pytest can report.
        assert "PytestUnhandledThreadExceptionWarning: Exception in thread not caught" in out, out
print(threading.__name__)
