from pyprofiler._case import ProfilerCase as ProfilerCase
from pyprofiler._case import SkipCase as SkipCase
from pyprofiler._config import ProfileConfig as ProfileConfig
from pyprofiler._pieces import FunctionCall as FunctionCall
from pyprofiler._pieces import FunctionStats as FunctionStats
from pyprofiler._pieces import PerformanceProfiler as PerformanceProfiler
from pyprofiler._pieces import create_profiler as create_profiler
from pyprofiler._pieces import get_profiler as get_profiler
from pyprofiler._pieces import profile_block as profile_block
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
from pyprofiler._results import Conflict as Conflict
from pyprofiler._results import ConflictError as ConflictError
from pyprofiler._results import ProfilerResult as ProfilerResult
from pyprofiler._select import accept_profiler as accept_profiler
from pyprofiler._select import budget as budget
from pyprofiler._select import params as params
from pyprofiler._select import skip_case as skip_case
from pyprofiler._select import skip_profiler as skip_profiler
from pyprofiler._session import ProfileSession as ProfileSession
from pyprofiler._session import ProfilerSuite as ProfilerSuite
from pyprofiler._session import disable_profiling as disable_profiling
from pyprofiler._session import enable_profiling as enable_profiling
from pyprofiler._session import profile as profile

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

def load_ipython_extension(shell: object) -> None: ...
def unload_ipython_extension(shell: object) -> None: ...
def __dir__() -> list[str]: ...
