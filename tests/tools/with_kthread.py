"""An exception set in another thread ends it, also directly after start()."""

import threading
import time

import kthread

ended = []
threading.excepthook = lambda args: ended.append(args.exc_type)


def calculate():
    end = time.monotonic() + 30
    while time.monotonic() < end:
        pass
    ended.append("not stopped")


for _ in range(20):
    thread = kthread.KThread(target=calculate)
    thread.start()
    thread.terminate()
    thread.join(30)
    assert not thread.is_alive()
assert set(ended) <= {SystemExit}, ended
print(threading.__name__)
