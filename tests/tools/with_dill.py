"""Functions, classes and locks are pickled, alone and within objects, and work in a plain process that loads them."""

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
print(threading.__name__)
