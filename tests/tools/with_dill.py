"""Functions, classes, locks and what is built from them are pickled, and functions work in a plain process, too."""

import base64
import subprocess
import sys
import threading

import dill

LOAD = "import base64, dill, sys; print(*dill.loads(base64.b64decode(sys.stdin.read()))())"


class Counter:
    def __init__(self):
        self.lock = threading.Lock()
        self.reentrant = threading.RLock()
        self.count = 0

    def add(self):
        with self.lock, self.reentrant, self.reentrant:
            self.count += 1


def work():
    counter = Counter()
    threads = [threading.Thread(target=counter.add) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(30)
    return [counter.count]


dill.settings["recurse"] = True
pickled = dill.dumps(work)
assert dill.loads(pickled)() == work() == [4]
command = [sys.executable, "-c", LOAD]
out = subprocess.run(command, input=base64.b64encode(pickled).decode(), capture_output=True, text=True, timeout=30)
assert out.stdout == "4\n", out

counter = Counter()
counter.lock.acquire()
counter.reentrant.acquire()
again = dill.loads(dill.dumps(counter))
assert again.lock is not counter.lock and again.lock.locked()
assert again.reentrant._is_owned()
again.lock.release()
again.reentrant.release()
again.add()
assert again.count == 1 and not again.reentrant._is_owned()

made = {
    "event": threading.Event(),
    "condition": threading.Condition(threading.Lock()),  # one that is not taken comes back taken if it is an RLock
    "semaphore": threading.Semaphore(3),
    "bounded": threading.BoundedSemaphore(2),
    "barrier": threading.Barrier(1, Counter, 30),
}
made["event"].set()
made["semaphore"].acquire()
made["bounded"].acquire()
loaded = dill.loads(dill.dumps(made))
assert loaded["event"].is_set()
with loaded["condition"]:
    assert loaded["condition"].wait(0.001) is False
assert [loaded["semaphore"].acquire(False) for _ in range(3)] == [True, True, False]
loaded["bounded"].release()
try:
    loaded["bounded"].release()
except ValueError:
    pass
else:
    raise AssertionError("the bound is gone")
assert loaded["barrier"].wait() == 0
assert {name: type(value) for name, value in loaded.items()} == {name: type(value) for name, value in made.items()}
print(threading.__name__)
