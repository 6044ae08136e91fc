"""What programs written for the Python package `pyprofiler` import and use, in a plain
interpreter: the profilers are objects that measure right here."""

import io
import time

import pytest

import pyprofiler

EVERY = [
    pyprofiler.StopWatchProfiler,
    pyprofiler.cProfileProfiler,
    pyprofiler.TraceMallocProfiler,
    pyprofiler.MemoryProfilerLineByLine,
    pyprofiler.MemoryProfilerTime,
    pyprofiler.CallGraphProfiler,
    pyprofiler.VizTracerProfiler,
    pyprofiler.PassThroughProfiler,
]


def test_import_paths():
    names = {}
    exec("from pyprofiler import *\nfrom pyprofiler.profiler import *", names)
    assert set(pyprofiler.__all__) <= set(names)
    from pyprofiler.profiler import Profiler, ProfilerCase, ProfilerFactory
    from pyprofiler.utils import accept_profiler, register_profiler, skip_case, skip_profiler
    from pyprofiler.utils.decorator import accept_profiler as other

    assert other is accept_profiler is pyprofiler.accept_profiler
    assert (skip_case, skip_profiler) == (pyprofiler.skip_case, pyprofiler.skip_profiler)
    assert (Profiler, ProfilerCase) == (pyprofiler.Profiler, pyprofiler.ProfilerCase)
    assert register_profiler is pyprofiler.register_profiler
    assert ProfilerFactory.get("cprofile") is pyprofiler.cProfileProfiler
    assert "stopwatch" in ProfilerFactory.known_profilers()


def worker_of_the_test(n):
    return sum(i * i for i in range(n))


@pytest.mark.parametrize("cls", EVERY)
def test_each_profiler_measures_and_reports(cls):
    profiler = cls()
    with profiler:
        profiler.trace("mark")
        profiler(lambda: worker_of_the_test(1000))
    stream = io.StringIO()
    profiler.report(stream)
    profiler.summarize_session()
    assert cls is pyprofiler.PassThroughProfiler or stream.getvalue().strip()


def test_arguments_of_the_constructors():
    with pytest.raises(TypeError, match="at most 1"):
        pyprofiler.StopWatchProfiler("ms", "too many")
    with pytest.raises(ValueError, match="fortnight"):
        pyprofiler.StopWatchProfiler("fortnight").start()
    with pytest.raises(ValueError, match="no_such|no-such"):
        pyprofiler.cProfileProfiler(no_such=1).start()


def test_report_has_what_was_called():
    profiler = pyprofiler.ProfilerFactory.create("cprofile", top_k=5, strip_dirs=True)
    with profiler:
        worker_of_the_test(10)
    stream = io.StringIO()
    profiler.report(stream)
    assert "test_predecessor.py" in stream.getvalue()
    assert "(worker_of_the_test)" in stream.getvalue()


def test_one_profiler_for_two_cases():
    """The predecessor makes one object and runs every case with it."""
    profiler = pyprofiler.cProfileProfiler()
    texts = []
    for body in (worker_of_the_test, time.sleep):
        with profiler:
            body(0)
        stream = io.StringIO()
        profiler.report(stream)
        texts.append(stream.getvalue())
    assert "worker_of_the_test" in texts[0] and "sleep" not in texts[0]
    assert "sleep" in texts[1] and "worker_of_the_test" not in texts[1]


def test_cases_of_an_object():
    class Case(pyprofiler.ProfilerCase):
        def profile_it(self):
            self.trace("mark of the case")
            print("body", worker_of_the_test(3))

    stream = io.StringIO()
    Case(profiler=pyprofiler.StopWatchProfiler("us")).runCases(stream)
    text = stream.getvalue()
    assert "Running: Case:profile_it" in text and "body 5" in text
    assert "mark of the case" in text and "wall" in text
