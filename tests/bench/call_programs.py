"""Programs on which the call profiler is measured against the standard cProfile: fib,
method calls, and three programs of pyperformance (its own sources, when it is installed in
this interpreter or in the one that --pyperformance names)."""

import importlib.util
import os
import sys


def fib(n):
    return n if n < 2 else fib(n - 1) + fib(n - 2)


class Counter:
    def __init__(self):
        self.n = 0

    def add(self, k):
        self.n += k
        return self

    def double(self):
        return self.add(1).add(1)


def methods(n):
    counter = Counter()
    for _ in range(n):
        counter.double()
        counter.add(2)
    return counter.n


def _pyperformance_benchmark(folder, name):
    path = os.path.join(folder, f"bm_{name}", "run_benchmark.py")
    spec = importlib.util.spec_from_file_location(f"bm_{name}", path)
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module
    spec.loader.exec_module(module)
    return module


def load(pyperformance):
    """Name -> callable without arguments, each a few tenths of a second."""
    richards = _pyperformance_benchmark(pyperformance, "richards")
    deltablue = _pyperformance_benchmark(pyperformance, "deltablue")
    raytrace = _pyperformance_benchmark(pyperformance, "raytrace")
    return {
        "fib": lambda: fib(22),
        "methods": lambda: methods(15_000),
        "richards": lambda: richards.Richards().run(1),
        "deltablue": lambda: deltablue.delta_blue(100),
        "raytrace": lambda: raytrace.bench_raytrace(1, 24, 24, None),
    }
