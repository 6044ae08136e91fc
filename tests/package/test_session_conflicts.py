"""Other tools that hold what a session needs: named, left alone, and gone around."""

import cProfile
import gc
import pickle
import sys
import threading
import tracemalloc

import pytest

from pyprofiler import ConflictError, ProfileConfig, profile

CALL = ProfileConfig(line_profiling=False, memory_profiling=False, sampling_profiling=False,
                     store=False)
EXACT = CALL.replace(line_profiling=True, memory_profiling=True)

has_monitoring = pytest.mark.skipif(not hasattr(sys, "monitoring"), reason="needs 3.12")
no_monitoring = pytest.mark.skipif(hasattr(sys, "monitoring"), reason="is 3.11's")


@pytest.fixture(autouse=True)
def own_folder(tmp_path, monkeypatch):
    gc.collect()
    monkeypatch.setenv("TMPDIR", str(tmp_path))
    monkeypatch.setenv("PYPROFILER_NO_STORE", "1")
    return tmp_path


def fib(n):
    return n if n < 2 else fib(n - 1) + fib(n - 2)


def calls_of(session):
    return {r["function"]: r["calls"] for r in session.results["call"].sites}


@pytest.fixture
def held_by_others():
    """All places of sys.monitoring, or the profile function, and how it is called."""
    if not hasattr(sys, "monitoring"):
        seen = []
        sys.setprofile(lambda *event: seen.append(event))
        yield seen
        sys.setprofile(None)
        return
    mine = [i for i in range(6) if sys.monitoring.get_tool(i) is None]
    for i in mine:
        sys.monitoring.use_tool_id(i, f"other {i}")
    yield mine
    for i in mine:
        sys.monitoring.free_tool_id(i)


def test_who_holds_calls_is_named_and_the_others_go_on(held_by_others):
    with profile(CALL, memory_profiling=True) as session:
        fib(5)
    assert session.get_completed_profilers() == ["memory"]
    [conflict] = session.conflicts
    assert conflict.profiler == "call" and conflict.action == "left out"
    assert conflict.holder, conflict.reason
    assert "not measured: call: " in session.report()
    if hasattr(sys, "monitoring"):
        assert "other 2" in conflict.reason
        assert [sys.monitoring.get_tool(i) for i in held_by_others] == [
            f"other {i}" for i in held_by_others]
    else:
        assert sys.getprofile() is not None and held_by_others


def test_when_nothing_can_start_it_is_an_error(held_by_others):
    entered = []
    with pytest.raises(ConflictError, match="^no profiler could start: call: ") as raised:
        with profile(CALL):
            entered.append(1)
    assert isinstance(raised.value, RuntimeError) and not entered
    assert [c.profiler for c in raised.value.conflicts] == ["call"]


def test_the_error_of_a_pool(held_by_others):
    """It comes whole from another process."""
    with pytest.raises(ConflictError) as raised:
        profile(CALL).__enter__()
    copy = pickle.loads(pickle.dumps(raised.value))
    assert str(copy) == str(raised.value) and copy.conflicts == raised.value.conflicts


def test_unless_it_was_said_otherwise(held_by_others):
    with profile(CALL, on_conflict="skip") as session:
        value = fib(5)
    assert value == 5 and session.results == {} and len(session.conflicts) == 1
    assert session.status == "ok" and session.duration > 0


def test_an_error_leaves_nothing_behind():
    if hasattr(sys, "monitoring"):
        free = [i for i in range(6) if sys.monitoring.get_tool(i) is None]
        for i in free:
            sys.monitoring.use_tool_id(i, "other")
    else:
        sys.setprofile(lambda *event: None)
    session = profile(CALL)
    with pytest.raises(ConflictError):
        session.__enter__()
    if hasattr(sys, "monitoring"):
        for i in free:
            sys.monitoring.free_tool_id(i)
    else:
        sys.setprofile(None)
    assert session.ended and not session.running
    with profile(CALL) as session:
        fib(5)
    assert calls_of(session)["fib"] == 15


def test_beside_cprofile():
    """From 3.12 on there is a place for both; on 3.11 the session goes without."""
    other = cProfile.Profile()
    other.enable()
    try:
        with profile(CALL, memory_profiling=True) as session:
            fib(5)
    finally:
        other.disable()
    stats = {entry.code.co_name: entry.callcount for entry in other.getstats()
             if hasattr(entry.code, "co_name")}
    assert stats["fib"] == 15
    if hasattr(sys, "monitoring"):
        assert session.conflicts == [] and calls_of(session)["fib"] == 15
    else:
        assert [c.profiler for c in session.conflicts] == ["call"]


def test_cprofile_that_starts_inside():
    """From 3.12 on it finds its place free; on 3.11 it replaces our hook."""
    with profile(EXACT) as session:
        fib(4)
        other = cProfile.Profile()
        other.enable()
        fib(5)
        other.disable()
    stats = {entry.code.co_name: entry.callcount for entry in other.getstats()
             if hasattr(entry.code, "co_name")}
    assert stats["fib"] == 15 and session.status == "ok"
    assert calls_of(session)["fib"] == 9 + 15


def test_beside_a_trace_function():
    lines = []

    def trace(frame, event, arg):
        if event == "line" and frame.f_code is fib.__code__:
            lines.append(frame.f_lineno)
        return trace

    sys.settrace(trace)
    try:
        with profile(EXACT) as session:
            fib(5)
    finally:
        sys.settrace(None)
    assert calls_of(session)["fib"] == 15
    assert len(lines) == 15
    line = session.results["line"]
    if hasattr(sys, "monitoring"):
        assert [s["hits"] for s in line.sites if s["function"] == "fib"] == [15]
    else:
        assert "trace function of its own" in line.notes[0]
    assert sys.gettrace() is None


def test_beside_tracemalloc():
    tracemalloc.start(3)
    try:
        with profile(EXACT) as session:
            kept = [bytearray(1000) for _ in range(10)]
        assert tracemalloc.is_tracing() and tracemalloc.get_traceback_limit() == 3
        assert tracemalloc.get_object_traceback(kept[0]) is not None
    finally:
        tracemalloc.stop()
    assert session.conflicts == []
    assert session.get_completed_profilers() == ["memory", "line", "call"]


def test_a_profile_function_that_is_set_in_the_block():
    seen = []
    with profile(CALL, memory_profiling=True) as session:
        fib(5)
        sys.setprofile(lambda frame, event, arg: seen.append(event))
        fib(5)
        sys.setprofile(None)
        fib(5)
    assert seen and session.status == "ok"
    assert calls_of(session)["fib"] == 45


@has_monitoring
def test_a_place_that_is_taken_away_in_the_block():
    with profile(CALL) as session:
        fib(5)
        for i in range(6):
            if (sys.monitoring.get_tool(i) or "").startswith("pyprofiler"):
                sys.monitoring.free_tool_id(i)
        fib(5)
    assert session.status == "ok" and calls_of(session)["fib"] >= 15
    with profile(CALL) as session:
        fib(5)
    assert calls_of(session)["fib"] == 15


def test_a_broken_inner_session_does_not_break_the_outer_one():
    with profile(EXACT) as outer:
        with pytest.raises(KeyError):
            with profile(EXACT):
                raise KeyError
        fib(5)
    assert outer.conflicts == [] and calls_of(outer)["fib"] == 15


def test_the_same_from_many_threads():
    errors, results = [], []
    barrier = threading.Barrier(8)

    def work():
        try:
            barrier.wait(10)
            for _ in range(10):
                with profile(EXACT) as session:
                    fib(4)
                results.append(len(session.results) + len(session.conflicts))
        except Exception as e:
            errors.append(e)

    threads = [threading.Thread(target=work) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert errors == [] and results == [3] * 80
    with profile(EXACT) as session:
        fib(5)
    assert session.conflicts == [] and calls_of(session)["fib"] == 15


def test_a_profiler_that_this_build_lacks(monkeypatch):
    from pyprofiler import _session

    monkeypatch.setitem(_session._PROFILERS, "sampling", ("sampling_profiling", "no such"))
    with profile(CALL, sampling_profiling=True) as session:
        fib(5)
    [conflict] = session.conflicts
    assert conflict.profiler == "sampling" and conflict.holder is None
    assert "no profiler 'no such'" in conflict.reason
    assert session.get_completed_profilers() == ["call"]
    with pytest.raises(ConflictError, match="no such"):
        with profile(CALL, sampling_profiling=True, call_profiling=False):
            pass
