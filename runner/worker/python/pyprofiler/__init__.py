"""Profiling cases, sessions and pieces: ``from pyprofiler import ProfilerCase, profile``.

Imported before every case file and again by every process that a case starts, so this
module and those it imports stay with what the interpreter has loaded already; all else
is found on first use.
"""

from pyprofiler._case import ProfilerCase, SkipCase
from pyprofiler._select import accept_profiler, budget, params, skip_case, skip_profiler

# A tuple of literals: type checkers and `import *` read the same list.
__all__ = (
    "CallGraphProfiler",
    "Conflict",
    "ConflictError",
    "FunctionCall",
    "FunctionStats",
    "MemoryProfilerLineByLine",
    "MemoryProfilerTime",
    "PassThroughProfiler",
    "PerformanceProfiler",
    "ProfileConfig",
    "ProfileSession",
    "Profiler",
    "ProfilerCase",
    "ProfilerFactory",
    "ProfilerResult",
    "ProfilerSuite",
    "SkipCase",
    "StopWatchProfiler",
    "TraceMallocProfiler",
    "VizTracerProfiler",
    "accept_profiler",
    "budget",
    "cProfileProfiler",
    "create_profiler",
    "disable_profiling",
    "enable_profiling",
    "get_profiler",
    "params",
    "profile",
    "profile_block",
    "register_profiler",
    "skip_case",
    "skip_profiler",
)

# Where the others are: a module of this package, or the extension module.
_LAZY = {
    "ProfileConfig": "_config",
    "FunctionCall": "_native",
    "FunctionStats": "_native",
    "PerformanceProfiler": "_native",
    "create_profiler": "_native",
    "get_profiler": "_native",
    "profile_block": "_native",
    "Conflict": "_results",
    "ConflictError": "_results",
    "ProfilerResult": "_results",
    "ProfileSession": "_session",
    "ProfilerSuite": "_session",
    "disable_profiling": "_session",
    "enable_profiling": "_session",
    "profile": "_session",
}


def __getattr__(name):
    if name not in __all__:
        raise AttributeError(f"module 'pyprofiler' has no attribute {name!r}")
    place = _LAZY.get(name, "_profilers")
    if place == "_native":
        from pyprofiler import _native

        module = _native.load()
    else:
        from importlib import import_module

        module = import_module(f"pyprofiler.{place}")
    value = getattr(module, name)
    globals()[name] = value  # the next use does not come here
    return value


def __dir__():
    return sorted({*globals(), *__all__})
