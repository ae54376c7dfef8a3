"""Threads are greenlets from the patching on, also where threading was imported before; install() refuses after it."""

import queue
import threading

import gevent
from gevent import monkey

before = threading
native = threading.get_ident()
made_before = threading.RLock()
with made_before:
    pass
monkey.patch_all()
import threading  # noqa: E402

assert threading.__name__ == "threading"
for module in (threading, before, queue.threading):
    assert monkey.is_module_patched("threading") and module.Thread is threading.Thread
    found, event, lock = [], module.Event(), module.Lock()

    def work(number, lock=lock, found=found):
        with lock:
            gevent.sleep(0.001)
            found.append((number, monkey.get_original("_thread", "get_ident")()))

    threads = [module.Thread(target=work, args=(number,)) for number in range(5)]
    for thread in threads:
        thread.start()
    assert module.active_count() == 6, module.enumerate()
    for thread in threads:
        thread.join(30)
        assert not thread.is_alive()
    assert [number for number, _ in sorted(found)] == list(range(5))
    assert {ident for _, ident in found} == {monkey.get_original("_thread", "get_ident")()}

    # What waits lets the greenlet run that it waits for.
    passed = queue.Queue()

    def serve(passed=passed, event=event):
        assert passed.get() == 1
        event.set()

    gevent.spawn(serve)
    passed.put(1)
    assert event.wait(30)
    condition = module.Condition()

    def notify(condition=condition):
        with condition:
            condition.notify()

    with condition:
        gevent.spawn(notify)
        assert condition.wait(30)
assert gevent.spawn(before.current_thread).get() is not before.main_thread() is before.current_thread()

import cthreading  # noqa: E402

assert not cthreading.installed()
try:
    cthreading.install()
except RuntimeError as error:
    assert "gevent" in str(error)
else:
    raise AssertionError("install() has to refuse")
before.Thread(target=gevent.sleep, args=(0.01,)).start()
print(threading.__name__)
