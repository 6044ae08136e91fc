from pyprofiler._profilers import ProfilerFactory as ProfilerFactory
from pyprofiler._profilers import register_profiler as register_profiler
from pyprofiler._select import accept_profiler as accept_profiler
from pyprofiler._select import budget as budget
from pyprofiler._select import skip_case as skip_case
from pyprofiler._select import skip_profiler as skip_profiler

__all__ = (
    "ProfilerFactory",
    "accept_profiler",
    "budget",
    "register_profiler",
    "skip_case",
    "skip_profiler",
)
