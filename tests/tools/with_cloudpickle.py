"""Functions and classes that mention threading are pickled by value, and work in a plain process that loads them."""

import base64
import subprocess
import sys
import threading
from threading import Event, RLock, Thread

import cloudpickle

LOAD = "import base64, pickle, sys; print(*pickle.loads(base64.b64decode(sys.stdin.read()))())"


class Worker(Thread):
    def __init__(self, found):
        super().__init__(name="a worker")
        self.found = found
        self.event = Event()

    def run(self):
        with lock_type():
            self.found.append(threading.current_thread().name)
        self.event.set()


lock_type = RLock


def work():
    found = []
    worker = Worker(found)
    worker.start()
    worker.event.wait(30)
    worker.join(30)
    thread = threading.Thread(target=found.append, args=("a function",))
    thread.start()
    thread.join(30)
    return found


for _ in range(2):
    assert work() == ["a worker", "a function"]
    pickled = cloudpickle.dumps(work)
    assert cloudpickle.loads(pickled)() == ["a worker", "a function"]
    command = [sys.executable, "-c", LOAD]
    out = subprocess.run(command, input=base64.b64encode(pickled).decode(), capture_output=True, text=True, timeout=30)
    assert out.stdout == "a worker a function\n", out
print(threading.__name__)
