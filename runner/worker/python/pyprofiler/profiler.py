"""The predecessor's home of ProfilerCase and Profiler; new files use `pyprofiler`."""

from pyprofiler._case import ProfilerCase
from pyprofiler._profilers import Profiler, ProfilerFactory

__all__ = ("Profiler", "ProfilerCase", "ProfilerFactory")
