"""Threads are green from the patching on, also where threading was imported before; install() refuses after it."""

import queue
import threading

import eventlet

before = threading


class DerivedBefore(threading.Thread):
    pass


eventlet.monkey_patch()
import threading  # noqa: E402

assert threading.__name__ == "threading" and eventlet.patcher.is_monkey_patched("thread")
native = eventlet.patcher.original("_thread").get_ident
for module in (threading, before, queue.threading):
    found, event, lock = [], module.Event(), module.Lock()

    def work(number, lock=lock, found=found):
        with lock:
            eventlet.sleep(0.001)
            found.append((number, native()))

    kinds = [module.Thread] * 3 + [DerivedBefore] * 2
    threads = [kind(target=work, args=(number,)) for number, kind in enumerate(kinds)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(30)
        # The green thread may have woken us in its last step.
        while thread.is_alive():
            eventlet.sleep(0)
    assert [number for number, _ in sorted(found)] == list(range(5))
    assert {ident for _, ident in found} == {native()}

    # What waits lets the green thread run that it waits for.
    passed = queue.Queue()

    def serve(passed=passed, event=event):
        assert passed.get() == 1
        event.set()

    eventlet.spawn(serve)
    passed.put(1)
    assert event.wait(30)

import cthreading  # noqa: E402

assert not cthreading.installed()
try:
    cthreading.install()
except RuntimeError as error:
    assert "eventlet" in str(error)
else:
    raise AssertionError("install() has to refuse")
print(threading.__name__)
