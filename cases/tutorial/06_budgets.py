"""Lesson 6: budgets, limits beside the code that they are about.

    pyprofiler-run cases/tutorial/06_budgets.py tracemalloc
"""

from pyprofiler import ProfilerCase, budget

LINES = 50_000


def lines():
    for i in range(LINES):
        yield f"line {i} of the report\n"


@budget(peak_memory="8 MB", wall_time="+5%")  # for every method
class Report(ProfilerCase):
    @budget(peak_memory="16 MB")  # this one may hold them all
    def profile_all_at_once(self):
        return len("".join(list(lines())))

    def profile_one_by_one(self):
        return sum(len(line) for line in lines())
