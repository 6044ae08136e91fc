from pyprofiler._case import ProfilerCase as ProfilerCase
from pyprofiler._profilers import Profiler as Profiler
from pyprofiler._profilers import ProfilerFactory as ProfilerFactory

__all__ = ("Profiler", "ProfilerCase", "ProfilerFactory")
