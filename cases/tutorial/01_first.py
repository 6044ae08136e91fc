"""Lesson 1: a case, and what a profiler says about it.

    pyprofiler-run cases/tutorial/01_first.py              how long it takes
    pyprofiler-run cases/tutorial/01_first.py cprofile     in which functions
    pyprofiler-run cases/tutorial/01_first.py::Fibonacci::profile_table
"""

from pyprofiler import ProfilerCase


def recursive(n):
    return n if n < 2 else recursive(n - 1) + recursive(n - 2)


def table(n):
    row = [0, 1]
    while len(row) <= n:
        row.append(row[-1] + row[-2])
    return row[n]


class Fibonacci(ProfilerCase):
    """A class groups cases; each method whose name starts with `profile_` is one."""

    def profile_recursive(self):
        recursive(15)

    def profile_table(self):
        table(15)
