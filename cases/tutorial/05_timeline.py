"""Lesson 5: who calls whom, and when, on which thread.

    pyprofiler-run cases/tutorial/05_timeline.py::Kitchen::profile_threads tracer -o trace.json --format chrometrace
    pyprofiler-run cases/tutorial/05_timeline.py::Kitchen::profile_threads callgraph -o graph.svg --format svg
    pyprofiler-run cases/tutorial/05_timeline.py::Kitchen::profile_one_cook line
"""

from concurrent.futures import ThreadPoolExecutor

from pyprofiler import ProfilerCase


def chop(n):
    return sorted(range(n), key=lambda i: -i)


def stir(n):
    total = 0
    for i in range(n):
        total += i * i % 7
    return total


def cook(dish):
    chop(200 * dish)
    return stir(500 * dish)


class Kitchen(ProfilerCase):
    def profile_one_cook(self):
        return [cook(dish) for dish in range(1, 5)]

    def profile_threads(self):
        """Two threads take dishes in turn; the tracer shows who was at work when."""
        with ThreadPoolExecutor(2) as cooks:
            done = []
            for result in cooks.map(cook, range(1, 9)):
                done.append(result)
                self.counter("dishes", len(done))  # a curve on the timeline
            self.trace("all served")
        return done
