"""numpy: where an extension module's time goes; skipped where it is not installed."""

from pyprofiler import ProfilerCase, params

try:
    import numpy
except ImportError:
    numpy = None


class Arrays(ProfilerCase):
    def setUp(self):
        if numpy is None:
            self.skipTest("numpy is not installed in this Python")
        generator = numpy.random.default_rng(42)
        self.numbers = generator.random(20_000)
        self.matrix = generator.random((60, 60))

    @params(kind=["quicksort", "stable"])
    def profile_sort(self, kind):
        numpy.sort(self.numbers, kind=kind)

    def profile_solve(self):
        numpy.linalg.solve(self.matrix, self.matrix[0])
