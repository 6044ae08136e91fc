"""The predecessor's module of the decorators; new files import `pyprofiler`."""

from pyprofiler._profilers import ProfilerFactory, register_profiler
from pyprofiler._select import accept_profiler, budget, skip_case, skip_profiler

__all__ = (
    "ProfilerFactory",
    "accept_profiler",
    "budget",
    "register_profiler",
    "skip_case",
    "skip_profiler",
)
