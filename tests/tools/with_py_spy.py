"""From outside of the process, threads are seen by their names, with the functions that they are in."""

import os
import shutil
import subprocess
import sys
import threading

go, running = threading.Event(), threading.Barrier(3)


def waits_here():
    running.wait(30)
    go.wait(30)


threads = [threading.Thread(target=waits_here, name=name) for name in ("first of two", "second of two")]
for thread in threads:
    thread.start()
running.wait(30)
command = shutil.which("py-spy", path=os.path.dirname(sys.executable))
done = subprocess.run([command, "dump", "--pid", str(os.getpid())], capture_output=True, text=True, timeout=30)
go.set()
for thread in threads:
    thread.join(30)
assert done.returncode == 0, done
stacks = done.stdout.split("Thread ")[1:]
for name in ("first of two", "second of two"):
    [stack] = [stack for stack in stacks if f'"{name}"' in stack]
    assert "waits_here" in stack, stack
print(threading.__name__)
