"""Lesson 2: prepare outside the measurement, repeat with parameters, mark moments.

    pyprofiler-run --list cases/tutorial/02_fixtures.py
    pyprofiler-run "cases/tutorial/02_fixtures.py::Sorting::profile_insertion[n=100]"
    pyprofiler-run -k "sorted and not 1000" cases/tutorial/02_fixtures.py
"""

import random
import tempfile

from pyprofiler import ProfilerCase, params


def insertion_sort(items):
    for i in range(1, len(items)):
        item = items[i]
        while i and items[i - 1] > item:
            items[i] = items[i - 1]
            i -= 1
        items[i] = item


class Sorting(ProfilerCase):
    def setUp(self):
        """Before every execution, and not measured: each sorts an unsorted list."""
        generator = random.Random(42)  # the same numbers in every run
        self.numbers = [generator.random() for _ in range(1000)]

    @params(n=[10, 100])
    def profile_insertion(self, n):
        insertion_sort(self.numbers[:n])

    @params(n=[100, 1000])
    def profile_sorted(self, n):
        sorted(self.numbers[:n])


class Files(ProfilerCase):
    def setUp(self):
        """What is entered here is left afterwards, also when the case raises."""
        self.file = self.enterContext(tempfile.TemporaryFile("w+"))

    def profile_write_and_read(self):
        for number in range(500):
            print(number, file=self.file)
        self.trace("written")  # a mark: stopwatch says how long each part took
        self.file.seek(0)
        total = sum(map(int, self.file))
        self.trace("read")
        assert total == 124_750  # a case that raises has failed
