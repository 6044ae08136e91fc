"""asyncio: tasks that wait for each other."""

import asyncio

from pyprofiler import ProfilerCase


async def produce(queue, n):
    for i in range(n):
        await queue.put(i)
    await queue.put(None)


async def consume(queue):
    total = 0
    while (item := await queue.get()) is not None:
        total += item
    return total


class Tasks(ProfilerCase):
    async def profile_queue(self):
        queue = asyncio.Queue(maxsize=10)
        producer = asyncio.create_task(produce(queue, 200))
        assert await consume(queue) == 19_900
        await producer

    async def profile_tasks(self):
        async with asyncio.TaskGroup() as group:
            for _ in range(100):
                group.create_task(asyncio.sleep(0))
