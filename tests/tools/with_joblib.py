"""Work is done by processes that are sent functions which mention threading, by threads, and by multiprocessing."""

import threading
from threading import RLock

import joblib


def work(number):
    found = []
    with RLock():
        thread = threading.Thread(target=found.append, args=(number * 2,))
        thread.start()
        thread.join(30)
    return found[0]


if __name__ == "__main__":
    for backend in ("loky", "threading", "multiprocessing"):
        with joblib.Parallel(n_jobs=2, backend=backend, timeout=40) as parallel:
            assert parallel(joblib.delayed(work)(number) for number in range(8)) == list(range(0, 16, 2)), backend
    print(threading.__name__)
