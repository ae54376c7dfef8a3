"""A manager's process serves locks, events, queues and pools to this one and to its children, by all start methods."""

import multiprocessing
import multiprocessing.dummy
import multiprocessing.pool
import threading


def child(lock, event, queue, barrier, values):
    with lock:
        values["child"] = threading.__name__
    event.set()
    queue.put("a message")
    barrier.wait(30)


def main():
    for method in ("fork", "spawn", "forkserver"):
        context = multiprocessing.get_context(method)
        with context.Manager() as manager:
            lock, event, queue, values = manager.RLock(), manager.Event(), manager.Queue(), manager.dict()
            barrier = manager.Barrier(2)
            process = context.Process(target=child, args=(lock, event, queue, barrier, values))
            process.start()
            assert event.wait(30) and queue.get(timeout=30) == "a message"
            barrier.wait(30)
            process.join(30)
            assert process.exitcode == 0 and values.copy() == {"child": threading.__name__}, values
            with manager.Condition() as _, manager.Semaphore(1), manager.BoundedSemaphore(1), manager.Lock():
                pass
            assert manager.Pool(2).map(abs, [-1, -2]) == [1, 2]
    assert multiprocessing.dummy.active_children() == []
    with multiprocessing.pool.ThreadPool(2) as pool:
        assert pool.map(abs, [-1, -2]) == [1, 2]
    found = []
    process = multiprocessing.dummy.Process(target=found.append, args=(1,))
    process.start()
    process.join(30)
    assert found == [1] and process.exitcode == 0
    print(threading.__name__)


if __name__ == "__main__":
    main()
