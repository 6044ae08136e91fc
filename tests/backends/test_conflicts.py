"""Other tools that hold what a profiler needs: it runs beside them, or refuses with their
name; they go on undisturbed."""

import cProfile
import sys
import tracemalloc

import pytest

import prf_host
from test_inside import Profilers, block, calls, helper, hits, offsets
from test_together import MONITORING, Run

HITS = {"block": {2: 1, 3: 4, 4: 3, 5: 1}, "helper": {1: 3}}
NEED_CALLS = ["call", "tracer", "callgraph"]


def cprofile_calls(profiler):
    return {entry.code.co_name: entry.callcount for entry in profiler.getstats()
            if not isinstance(entry.code, str)}


def refusal(name, options=None):
    run = Run(name, options)
    with pytest.raises(RuntimeError) as caught:
        run.start()
    run.session.close()
    return str(caught.value)


@pytest.mark.skipif(not MONITORING, reason="it has a place of its own from 3.12 on")
@pytest.mark.parametrize("name", [*NEED_CALLS, "line", "memory-line"])
def test_beside_cprofile(name):
    other = cProfile.Profile()
    other.enable()
    profilers = Profilers(name)
    block(profilers)
    other.disable()
    recording = profilers.read()[name]
    assert cprofile_calls(other)["helper"] == 3
    if name in NEED_CALLS:
        assert calls(recording)["helper"] == 3
    elif name == "line":
        assert offsets(hits(recording), block, helper) == HITS
    assert recording["notes"] == []


@pytest.mark.skipif(not MONITORING, reason="it has a place of its own from 3.12 on")
def test_cprofile_that_starts_and_stops_inside():
    """Ours do not take the place that it wants."""
    profilers = Profilers("call", "line")
    with profilers:
        helper(1)
        other = cProfile.Profile()
        other.enable()
        helper(2)
        other.disable()
        helper(3)
    assert calls(profilers.read()["call"])["helper"] == 3
    assert cprofile_calls(other)["helper"] == 1


@pytest.mark.skipif(MONITORING, reason="it has a place of its own from 3.12 on")
@pytest.mark.parametrize("name", ["call", "tracer"])
def test_cprofile_is_named(name):
    other = cProfile.Profile()
    other.enable()
    text = refusal(name)
    helper(1)
    other.disable()
    assert "a profile function is set already" in text
    assert "'cProfile'" in text and "disable()" in text
    assert cprofile_calls(other)["helper"] == 1


@pytest.mark.skipif(MONITORING, reason="it has a place of its own from 3.12 on")
def test_a_profile_function_is_named_and_kept():
    seen = []

    def my_profile_function(frame, event, arg):
        seen.append(event)

    sys.setprofile(my_profile_function)
    try:
        text = refusal("call")
        kept = sys.getprofile() is my_profile_function
        seen.clear()
        helper(1)
        events = list(seen)
    finally:
        sys.setprofile(None)
    assert "my_profile_function" in text and "sys.setprofile(None)" in text
    assert kept and "call" in events


@pytest.mark.skipif(not MONITORING, reason="it has a place of its own from 3.12 on")
@pytest.mark.parametrize("names", [["call"], ["line"], ["call", "line"]], ids="+".join)
def test_beside_a_profile_and_a_trace_function(names):
    seen = []
    sys.setprofile(lambda frame, event, arg: seen.append((frame.f_code.co_name, event)))
    sys.settrace(lambda frame, event, arg: seen.append((frame.f_code.co_name, "trace")))
    try:
        profilers = Profilers(*names)
        block(profilers)
        kept = sys.getprofile() is not None and sys.gettrace() is not None
    finally:
        sys.setprofile(None)
        sys.settrace(None)
    assert kept and seen.count(("helper", "call")) == 3 == seen.count(("helper", "trace"))
    recordings = profilers.read()
    if "line" in recordings:
        assert offsets(hits(recordings["line"]), block, helper) == HITS


@pytest.mark.skipif(not MONITORING, reason="there is no sys.monitoring")
@pytest.mark.parametrize("held", range(1, 6))
@pytest.mark.parametrize("names", [["call"], ["line"], ["call", "line", "tracer"]],
                         ids="+".join)
def test_other_tools_keep_their_places(names, held):
    """They miss no event, also not one that they disabled and ours asks for."""
    tool = sys.monitoring
    seen = []
    order = [3, 4, 2, 5, 1, 0]
    for place in order[:held]:
        tool.use_tool_id(place, f"tool{place}")
    tool.register_callback(3, tool.events.PY_START, lambda code, at: seen.append(code))
    tool.set_events(3, tool.events.PY_START)
    profilers = Profilers(*names)
    try:
        if len(names) > 6 - held:
            with pytest.raises(RuntimeError, match="all places in sys.monitoring are held"):
                profilers.__enter__()
            for run in profilers.runs[:6 - held]:
                run.stop()
        else:
            block(profilers)
        assert [tool.get_tool(place) for place in order] == [
            f"tool{place}" for place in order[:held]] + [None] * (6 - held)
        assert tool.get_events(3) == tool.events.PY_START
        helper(1)
    finally:
        tool.set_events(3, 0)
        for place in order[:held]:
            tool.free_tool_id(place)
    assert seen.count(helper.__code__) == (1 if len(names) > 6 - held else 4)
    recordings = profilers.read()
    if len(names) <= 6 - held:
        for name, recording in recordings.items():
            if name == "line":
                assert offsets(hits(recording), block, helper) == HITS
            else:
                assert calls(recording)["helper"] == 3


@pytest.mark.skipif(not MONITORING, reason="there is no sys.monitoring")
@pytest.mark.parametrize("name", ["call", "line"])
def test_a_place_that_is_taken_away(name):
    """Somebody frees it and takes it: the profiler leaves it alone, and says so."""
    tool = sys.monitoring
    profilers = Profilers(name)
    profilers.__enter__()
    helper(1)
    [place] = [i for i in range(6) if tool.get_tool(i) == f"pyprofiler.{name}"]
    tool.free_tool_id(place)
    tool.use_tool_id(place, "somebody")
    tool.set_events(place, tool.events.PY_START)
    profilers.stops()
    try:
        assert tool.get_tool(place) == "somebody"
        assert tool.get_events(place) == tool.events.PY_START
    finally:
        tool.set_events(place, 0)
        tool.free_tool_id(place)
    assert any("sys.monitoring" in note for note in profilers.read()[name]["notes"])


@pytest.mark.skipif(not MONITORING, reason="there is no sys.monitoring")
def test_what_an_earlier_tool_disabled():
    """line disables what it does not want; in that place call sees it again."""
    lines = Profilers("line")
    with lines:
        sorted_names()
    both = Profilers("call")
    with both:
        sorted_names()
    lines.read()
    assert calls(both.read()["call"])["wraps"] == 1


def sorted_names():
    import functools
    return functools.wraps(helper)


@pytest.mark.parametrize("names", [["line"], ["call"]] if not MONITORING else [["callgraph"]],
                         ids="+".join)
def test_a_foreign_frame_evaluation(names):
    """It is named by its file and left in place, or where there is another way that is
    taken."""
    prf_host.foreign_evaluation(True)
    try:
        if MONITORING:
            profilers = Profilers(*names)
            with profilers:
                helper(1)
            counted = calls(profilers.read()[names[0]])
            assert counted == {"helper": 1}
        else:
            text = refusal(names[0])
            assert "PEP 523" in text and "prf_host" in text
        assert prf_host.foreign_evaluation(None)
    finally:
        prf_host.foreign_evaluation(False)
    profilers = Profilers(*names)
    with profilers:
        helper(1)
    assert all(not r["notes"] for r in profilers.read().values())


@pytest.mark.parametrize("names", [["line"], ["call"], ["call", "line"]]
                         if not MONITORING else [["callgraph"]], ids="+".join)
def test_a_foreign_frame_evaluation_that_comes(names):
    """It stays, and the results say so."""
    profilers = Profilers(*names)
    try:
        with profilers:
            helper(1)
            prf_host.foreign_evaluation(True)
            helper(2)
        assert prf_host.foreign_evaluation(None)
    finally:
        prf_host.foreign_evaluation(False)
    for recording in profilers.read().values():
        assert any("in place" in note for note in recording["notes"])
    again = Profilers(*names)
    with again:
        helper(1)
    assert all(not r["notes"] for r in again.read().values())


@pytest.mark.parametrize("frames, more", [(1, False), (5, False), (1, True)])
def test_tracemalloc_that_runs(frames, more):
    """It is used as it is: not stopped, nothing cleared, the peak is the program's."""
    tracemalloc.start(frames)
    try:
        held = bytearray(100000)
        big = bytearray(50_000_000)
        del big
        peak = tracemalloc.get_traced_memory()[1]
        profilers = Profilers("tracemalloc", options={"nframe": "5"} if more else None)
        with profilers:
            helper(1)
        assert tracemalloc.is_tracing()
        assert tracemalloc.get_object_traceback(held) is not None
        assert tracemalloc.get_traced_memory()[1] >= peak
    finally:
        tracemalloc.stop()
    recording = profilers.read()["tracemalloc"]
    assert recording["metrics"]["peak"]["samples"][0] < 40_000_000
    [note] = recording["notes"]
    assert f"was tracing before the case, with {frames} frame" in note
    assert "left on" in note and ("needs more frames" in note) == more


@pytest.mark.parametrize("order", [[0, 1, 2], [2, 1, 0], [1, 0, 2]])
def test_one_tracemalloc_for_several(order):
    runs = [Run("memory-line", {"backend": "tracemalloc"}),
            Run("memory-time", {"backend": "tracemalloc"}), Run("tracemalloc")]
    for run in runs:
        run.start()
    helper(1)
    for i in order:
        assert tracemalloc.is_tracing()
        runs[i].stop()
    assert not tracemalloc.is_tracing()
    notes = [note for run in runs for note in run.read()["notes"]]
    assert any("for another profiler" in note for note in notes)
    assert not any("stopped tracemalloc" in note for note in notes)
