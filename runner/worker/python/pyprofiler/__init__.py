"""What a case file sees: ``from pyprofiler import ProfilerCase, params, ...``.

Imported before every case file and again by every process that a case starts, so this
module and those it imports stay with what the interpreter has loaded already; the
profiler classes, which few files name, are found on first use.
"""

from pyprofiler._case import ProfilerCase, SkipCase
from pyprofiler._select import accept_profiler, budget, params, skip_case, skip_profiler

# A tuple of literals: type checkers and `import *` read the same list.
__all__ = (
    "CallGraphProfiler",
    "MemoryProfilerLineByLine",
    "MemoryProfilerTime",
    "PassThroughProfiler",
    "Profiler",
    "ProfilerCase",
    "ProfilerFactory",
    "SkipCase",
    "StopWatchProfiler",
    "TraceMallocProfiler",
    "VizTracerProfiler",
    "accept_profiler",
    "budget",
    "cProfileProfiler",
    "params",
    "register_profiler",
    "skip_case",
    "skip_profiler",
)


def __getattr__(name):
    if name in __all__:
        from pyprofiler import _profilers

        value = getattr(_profilers, name)
        globals()[name] = value  # the next use does not come here
        return value
    raise AttributeError(f"module 'pyprofiler' has no attribute {name!r}")


def __dir__():
    return sorted({*globals(), *__all__})
