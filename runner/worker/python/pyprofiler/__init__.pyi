from pyprofiler._case import ProfilerCase as ProfilerCase
from pyprofiler._case import SkipCase as SkipCase
from pyprofiler._profilers import CallGraphProfiler as CallGraphProfiler
from pyprofiler._profilers import MemoryProfilerLineByLine as MemoryProfilerLineByLine
from pyprofiler._profilers import MemoryProfilerTime as MemoryProfilerTime
from pyprofiler._profilers import PassThroughProfiler as PassThroughProfiler
from pyprofiler._profilers import Profiler as Profiler
from pyprofiler._profilers import ProfilerFactory as ProfilerFactory
from pyprofiler._profilers import StopWatchProfiler as StopWatchProfiler
from pyprofiler._profilers import TraceMallocProfiler as TraceMallocProfiler
from pyprofiler._profilers import VizTracerProfiler as VizTracerProfiler
from pyprofiler._profilers import cProfileProfiler as cProfileProfiler
from pyprofiler._profilers import register_profiler as register_profiler
from pyprofiler._select import accept_profiler as accept_profiler
from pyprofiler._select import budget as budget
from pyprofiler._select import params as params
from pyprofiler._select import skip_case as skip_case
from pyprofiler._select import skip_profiler as skip_profiler

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

def load_ipython_extension(shell: object) -> None: ...
def unload_ipython_extension(shell: object) -> None: ...
def __dir__() -> list[str]: ...
