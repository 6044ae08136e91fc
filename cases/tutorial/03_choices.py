"""Lesson 3: which cases run under which profiler.

    pyprofiler-run cases/tutorial/03_choices.py cprofile --top-k 5
    pyprofiler-run cases/tutorial/03_choices.py stopwatch,cprofile
    pyprofiler profilers
"""

import asyncio
import sys

from pyprofiler import ProfilerCase, accept_profiler, skip_case, skip_profiler


def collatz(n):
    steps = 0
    while n != 1:
        n = 3 * n + 1 if n % 2 else n // 2
        steps += 1
    return steps


class Choices(ProfilerCase):
    @accept_profiler("stopwatch", "cprofile")
    def profile_accepted(self):
        """Runs under these two only; other profilers skip it and say why."""
        max(range(1, 200), key=collatz)

    @skip_profiler("tracemalloc", "memory-line")
    def profile_all_but(self):
        collatz(27)

    @skip_case("an example of a reason")
    def profile_never(self):
        collatz(0)

    def profile_found_out_late(self):
        if sys.platform == "linux":
            self.skipTest("nothing to measure on Linux")
        collatz(97)


class Awaiting(ProfilerCase):
    async def profile_gather(self):
        """A coroutine function is awaited; making the event loop is not measured."""
        await asyncio.gather(*[asyncio.sleep(0) for _ in range(50)])
