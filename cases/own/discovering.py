"""What the worker does in Python between the import of a file and its first case."""

import types

from pyprofiler import ProfilerCase, _discover, _driver, params


def module_with(n_classes, n_methods):
    """A module of case classes, as if imported from a file."""
    module = types.ModuleType("many_cases")
    lines = ["from pyprofiler import ProfilerCase, params"]
    for i in range(n_classes):
        lines.append(f"class Case{i}(ProfilerCase):")
        lines += [f"    def profile_{j}(self): return {j}" for j in range(n_methods)]
        lines.append("    @params(n=range(5))\n    def profile_n(self, n): return n")
    exec("\n".join(lines), module.__dict__)
    return module


class Discovery(ProfilerCase):
    def setUp(self):
        self.module = module_with(n_classes=10, n_methods=10)

    def profile_cases(self):
        assert len(_discover.cases(self.module, "many_cases.py")) == 150

    def profile_hash(self):
        function = module_with
        _discover.source_hash(function, function.__code__, "module_with")


class Loops(ProfilerCase):
    """The loops that carry every other case: an empty body shows their own cost."""

    def empty(self, **kwargs):
        pass

    @params(kwargs=[{}, {"n": 1}])
    def profile_loop(self, kwargs):
        _driver.loop(self.empty, kwargs, 1000)
