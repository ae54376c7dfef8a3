"""What a thread allocates is attributed to it, by the name that it had and by the one that it was given later."""

import os
import tempfile
import threading

import memray

SIZE = 16 << 20
kept = []


def allocate():
    kept.append(bytearray(SIZE))


def allocate_once_renamed():
    running.set()
    go.wait(30)
    allocate()


class Allocating(threading.Thread):
    def run(self):
        allocate()


running, go = threading.Event(), threading.Event()
path = os.path.join(tempfile.mkdtemp(), "record")
with memray.Tracker(path):
    renamed = threading.Thread(target=allocate_once_renamed, name="first name")
    threads = [threading.Thread(target=allocate, name="by function"), Allocating(name="by subclass"), renamed]
    for thread in threads:
        thread.start()
    assert running.wait(30)
    renamed.name = "second name"
    go.set()
    for thread in threads:
        thread.join(30)
        assert not thread.is_alive()
records = memray.FileReader(path).get_high_watermark_allocation_records(merge_threads=False)
names = sorted(record.thread_name for record in records if record.size >= SIZE)
assert names == ["by function", "by subclass", "second name"], names
print(threading.__name__)
