"""With threads left alone, they are the operating system's: a hub in each, and hand-over between them."""

import threading

import gevent
from gevent import monkey

monkey.patch_all(thread=False)
found = []
lock = threading.Lock()


def in_greenlets():
    def work(number):
        gevent.sleep(0.001)
        with lock:
            found.append((threading.get_ident(), number))

    gevent.joinall([gevent.spawn(work, number) for number in range(3)], timeout=30, raise_error=True)


threads = [threading.Thread(target=in_greenlets) for _ in range(3)]
for thread in threads:
    thread.start()
idents = {thread.ident for thread in threads}
for thread in threads:
    thread.join(30)
    assert not thread.is_alive()
assert len(found) == 9 and len(idents) == 3
assert gevent.get_hub().threadpool.apply(threading.get_ident) != threading.get_ident()
ready = threading.Event()
gevent.get_hub().threadpool.spawn(ready.set)
assert ready.wait(30)
print(threading.__name__)
