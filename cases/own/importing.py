"""What our package costs a case file before its first case runs: import and decorators.

Each process that a case starts pays for them again.
"""

import importlib
import sys

from pyprofiler import ProfilerCase, accept_profiler, params


class Importing(ProfilerCase):
    def setUp(self):
        """Forget the package; the modules that this file holds stay as they are."""
        ours = [n for n in sys.modules if n.partition(".")[0] == "pyprofiler"]
        saved = {name: sys.modules.pop(name) for name in ours}
        self.addCleanup(sys.modules.update, saved)

    def profile_package(self):
        importlib.import_module("pyprofiler")

    def profile_predecessor_paths(self):
        importlib.import_module("pyprofiler.profiler")
        importlib.import_module("pyprofiler.utils.decorator")


class Decorators(ProfilerCase):
    def profile_accept(self):
        accept_profiler("stopwatch", "cprofile")(lambda self: None)

    def profile_params(self):
        """A million sets cost no more than their three lists until they are used."""
        hundred = range(100)
        params(a=hundred, b=hundred, c=hundred)(lambda self, a, b, c: None)

    @params(n=[10, 30])
    def profile_params_expanded(self, n):
        decorated = params(a=range(n), b=range(n))(lambda self, a, b: None)
        assert len(list(decorated.__pyprofiler_params__)) == n * n
