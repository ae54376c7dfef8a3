"""The profile has each thread by its class and name, with the functions that ran in it."""

import threading

import yappi


class Working(threading.Thread):
    def run(self):
        work_of_the_subclass()


def work_of_the_subclass():
    return sum(range(1000))


def work_of_the_function():
    return sum(range(1000))


yappi.set_clock_type("wall")
yappi.start()
threads = [threading.Thread(target=work_of_the_function, name="by function"), Working(name="by subclass")]
for thread in threads:
    thread.start()
for thread in threads:
    thread.join(30)
    assert not thread.is_alive()
yappi.stop()
statistics = {thread.name: thread for thread in yappi.get_thread_stats()}
assert {"_MainThread", "Thread", "Working"} <= statistics.keys(), statistics.keys()
for kind, function in (("Thread", "work_of_the_function"), ("Working", "work_of_the_subclass")):
    assert function in [each.name for each in yappi.get_func_stats(ctx_id=statistics[kind].id)]
print(threading.__name__)
