"""Work goes to threads and comes back, by Trio's own cache of threads; its queue of calls takes our lock."""

import threading

import trio

found = []


def work(number):
    found.append(threading.get_ident())
    return trio.from_thread.run_sync(lambda: number * 2)


async def main():
    doubles = {}

    async def one(number):
        doubles[number] = await trio.to_thread.run_sync(work, number)

    async with trio.open_nursery() as nursery:
        for number in range(20):
            nursery.start_soon(one, number)
    assert doubles == {number: number * 2 for number in range(20)}


trio.run(main)
assert len(found) == 20 and threading.get_ident() not in found
print(threading.__name__)
