"""The lines that only threads run are measured: in functions, subclasses, timers and pools, and none else."""

import importlib.util
import os
import tempfile
import threading

import coverage

SOURCE = """\
import threading
from concurrent.futures import ThreadPoolExecutor

def by_function():
    return 1

class Worker(threading.Thread):
    def run(self):
        self.found = 2
        super().run()

def by_timer():
    return 3

def by_pool():
    return 4

def by_nobody():
    return 5

def work():
    threads = [threading.Thread(target=by_function), Worker(), threading.Timer(0.001, by_timer)]
    for thread in threads:
        thread.start()
    with ThreadPoolExecutor(1) as pool:
        pool.submit(by_pool).result(30)
    for thread in threads:
        thread.join(30)
        assert not thread.is_alive()
"""

folder = tempfile.mkdtemp()
path = os.path.join(folder, "measured.py")
with open(path, "w") as file:
    file.write(SOURCE)
measuring = coverage.Coverage(data_file=os.path.join(folder, "data"), include=[path], config_file=False)
measuring.start()
specification = importlib.util.spec_from_file_location("measured", path)
measured = importlib.util.module_from_spec(specification)
specification.loader.exec_module(measured)
measured.work()
measuring.stop()
_, statements, missing, _ = measuring.analysis(path)
lines = SOURCE.splitlines()
assert [lines[number - 1].strip() for number in missing] == ["return 5"], missing
assert len(statements) > 20
print(threading.__name__)
