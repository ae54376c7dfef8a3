"""A bar's monitor thread runs and does not hold up the end; a pool of threads shares a bar and its lock."""

import io
import threading
import time

from tqdm import tqdm
from tqdm.contrib.concurrent import thread_map

tqdm.monitor_interval = 0.01
out = io.StringIO()
with tqdm(total=1000, file=out, mininterval=0, miniters=500) as bar:
    monitor = tqdm.monitor
    assert monitor is not None and monitor.is_alive() and monitor.daemon
    assert monitor in threading.enumerate()
    bar.update(1)
    end = time.monotonic() + 30
    # It is the monitor that sees that updates have become rare.
    bar.mininterval, bar.maxinterval = 0, 0.01
    while bar.miniters > 1 and time.monotonic() < end:
        time.sleep(0.001)
    assert bar.miniters == 1, bar.miniters
assert thread_map(abs, range(-20, 0), max_workers=4, file=out) == list(range(20, 0, -1))
assert "20/20" in out.getvalue()
print(threading.__name__)
