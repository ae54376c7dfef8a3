"""The profile has the names of the threads that worked, and those of the locks that they waited for and held."""

import glob
import os
import tempfile
import threading
import time

import zstandard

output = os.path.join(tempfile.mkdtemp(), "profile")
os.environ |= {
    "DD_PROFILING_OUTPUT_PPROF": output,
    "DD_PROFILING_CAPTURE_PCT": "100",
    "DD_PROFILING_UPLOAD_INTERVAL": "3600",
    "DD_INSTRUMENTATION_TELEMETRY_ENABLED": "0",
    "DD_TRACE_ENABLED": "0",
    "DD_REMOTE_CONFIGURATION_ENABLED": "0",
}
from ddtrace.profiling import Profiler  # noqa: E402


def take_a_lock_in_a_loop():
    end = time.monotonic() + 0.7
    while time.monotonic() < end:
        with shared_lock:
            sum(range(5000))


def calculate_for_a_while():
    end = time.monotonic() + 0.7
    while time.monotonic() < end:
        sum(range(5000))


class Working(threading.Thread):
    def run(self):
        calculate_for_a_while()


profiler = Profiler()
profiler.start()
shared_lock = threading.Lock()
threads = [
    threading.Thread(target=take_a_lock_in_a_loop, name="with a lock"),
    threading.Thread(target=calculate_for_a_while, name="by function"),
    Working(name="by subclass"),
]
for thread in threads:
    thread.start()
for thread in threads:
    thread.join(30)
    assert not thread.is_alive()
profiler.stop()
profile = b""
for path in glob.glob(f"{output}*.pprof"):
    with open(path, "rb") as file:
        profile += zstandard.ZstdDecompressor().stream_reader(file).read()
for name in (b"with a lock", b"by function", b"by subclass", b"calculate_for_a_while", b"shared_lock"):
    assert name in profile, (name, len(profile))
print(threading.__name__)
