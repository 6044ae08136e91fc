"""Snapshots against Python's own tracemalloc.Snapshot of the same moment, and where that
cannot tell: the peak, hostile cases, the profiler itself."""

import array
import fnmatch
import gc
import json
import os
import subprocess
import sys
import textwrap
import threading
import time
import tracemalloc

import pytest

import prf_host
from host_tools import profile, raising_profile

try:
    import numpy
except ImportError:
    numpy = None

KEYS = ["lineno", "filename", "traceback"]


# ---- programs: each returns what it holds ----

def containers():
    return [list(range(n)) for n in range(200)], {i: str(i) for i in range(5000)}


def frees():
    kept = [bytearray(i) for i in range(3000)]
    del kept[::2]
    return kept, [kept.pop() for _ in range(100)]


def reallocs():
    growing, raw = [], array.array("d")
    for i in range(20000):
        growing.append(i)
        raw.append(i)
    return growing, raw


def deep(n=40):
    return [bytes(1000 + n)] + (deep(n - 1) if n else [])


def threads():
    kept, before = [], len(os.listdir("/proc/self/task"))
    workers = [threading.Thread(target=lambda i=i: kept.extend(
        bytearray(i) for _ in range(500))) for i in range(5)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
    while len(os.listdir("/proc/self/task")) > before:  # they free memory on their way out
        time.sleep(0.001)
    return kept


def generators():
    def produce():
        for i in range(1000):
            yield "x" * i

    return [list(produce()) for _ in range(3)]


def nonascii_file():
    scope = {}
    exec(compile("def make():\n    return [bytes(100) for _ in range(50)]\n",
                 "/tmp/n\u00e4me \u20ac \U0001f40d.py", "exec"), scope)
    return scope["make"]()


def modules():
    """Many files and lines."""
    for name in "difflib", "fractions", "calendar":
        sys.modules.pop(name, None)
        __import__(name)
    return json.loads(json.dumps([{str(i): [i] * 10} for i in range(500)]))


def arrays():
    kept = [numpy.zeros(n * 100) for n in range(50)]
    kept.append(numpy.concatenate(kept))
    return kept, numpy.arange(1000).reshape(10, 100).copy()


PROGRAMS = [containers, frees, reallocs, deep, threads, generators, nonascii_file, modules]
PROGRAMS += [pytest.param(arrays, marks=pytest.mark.skipif(
    numpy is None, reason="this Python has no numpy"))]


# ---- the truth ----

def as_stats(snapshot, key, cumulative=False):
    """Statistics as {frames: (size, count)}."""
    return {tuple((f.filename, f.lineno) for f in s.traceback): (s.size, s.count)
            for s in snapshot.statistics(key, cumulative)}


def our_stats(held, key, cumulative=False):
    """The same sums of a snapshot as it was recorded."""
    result = {}
    for size, count, stack in held:
        frames = stack if cumulative else stack[-1:]
        keys = ([stack] if key == "traceback"
                else [((file, line if key == "lineno" else 0),) for file, line in frames])
        for k in keys:
            old = result.get(k, (0, 0))
            result[k] = old[0] + size, old[1] + count
    return result


# Making a list of traces takes objects from free lists, which tracemalloc then counts for
# the line that took them. A first list empties them: the next looks see the same.
LOOK = "<look>"
scope = {"get_traces": tracemalloc._get_traces, "mark": prf_host.mark}
exec(compile("def look():\n    first = get_traces()\n    mark('now')\n"
             "    return get_traces()\n", LOOK, "exec"), scope)
look = scope["look"]


def both(program, options=None):
    """(Python's snapshot, ours) of one moment."""
    theirs = []

    def body():
        kept = program()
        gc.disable()
        traces = look()
        gc.enable()
        theirs.append(tracemalloc.Snapshot(traces, tracemalloc.get_traceback_limit()))
        return kept

    _, recording = profile("tracemalloc", body, options)
    assert [s[0] for s in recording["snapshots"]] == ["start", "now", "stop"]
    assert recording["lost"] == 0
    return theirs[0], recording["snapshots"][1]


@pytest.mark.parametrize("nframe", [1, 2, 25])
@pytest.mark.parametrize("program", PROGRAMS)
def test_equal_to_pythons(program, nframe):
    program()  # caches are filled
    gc.collect()
    theirs, (_, size, count, held) = both(program, {"nframe": nframe})
    assert (size, count) == tuple(map(sum, list(zip(*held))[:2]))
    held = [row for row in held if row[2][-1][0] != LOOK]
    theirs = theirs.filter_traces([tracemalloc.Filter(False, LOOK)])
    for key in KEYS:
        for cumulative in (False, True) if key != "traceback" else (False,):
            assert (our_stats(held, key, cumulative)
                    == as_stats(theirs, key, cumulative)), (key, cumulative)


@pytest.mark.parametrize("program", PROGRAMS)
def test_nearly_equal_to_pythons_without_tables(program):
    """Our own list of objects moves some blocks between lines, from one look to the other."""
    program()
    gc.collect()
    prf_host.slow_traces(True)
    try:
        theirs, (_, _, _, held) = both(program, {"nframe": 3})
    finally:
        prf_host.slow_traces(False)
    theirs = theirs.filter_traces([tracemalloc.Filter(False, LOOK)])
    ours = our_stats([row for row in held if row[2][-1][0] != LOOK], "traceback")
    theirs = as_stats(theirs, "traceback")
    zero = 0, 0
    assert sum(count for _, count in theirs.values()) > 40
    assert sum(abs(ours.get(k, zero)[1] - theirs.get(k, zero)[1])
               for k in ours.keys() | theirs.keys()) <= 30


def test_sites_are_what_is_held_at_the_end_and_since_the_start():
    kept = []

    def body():
        kept.append([bytearray(1000) for _ in range(100)])

    _, recording = profile("tracemalloc", body)
    first, last = (our_stats(recording["snapshots"][i][3], "lineno") for i in (0, -1))
    rows = {(row["code"][0], row["line"]): row for row in recording["sites"]}
    assert any(row["count"] >= 200 for row in rows.values())
    for frames in first.keys() | last.keys():
        new, old = last.get(frames, (0, 0)), first.get(frames, (0, 0))
        row = rows.pop(frames[0])
        assert (row["size"], row["count"]) == new
        assert (row["size_diff"], row["count_diff"]) == (new[0] - old[0], new[1] - old[1])
    assert not rows


def test_metrics_are_those_of_get_traced_memory():
    amounts = []

    def body():
        tracemalloc.reset_peak()  # must not lose the peak that comes before
        kept = [bytes(1000) for _ in range(100)]
        del kept
        amounts.append(tracemalloc.get_traced_memory())

    _, recording = profile("tracemalloc", body)
    (peak,) = recording["metrics"]["peak"]["samples"]
    (current,) = recording["metrics"]["current"]["samples"]
    assert recording["metrics"]["peak"]["unit"] == "bytes"
    assert peak == amounts[0][1] and peak > 100_000
    assert abs(current - amounts[0][0]) < 500


def test_peak_before_a_reset_counts():
    def body():
        big = bytes(3_000_000)
        del big
        tracemalloc.reset_peak()

    _, recording = profile("tracemalloc", body)
    assert recording["metrics"]["peak"]["samples"][0] > 3_000_000


def line_of(function, text):
    lines = open(function.__code__.co_filename).read().splitlines()
    start = function.__code__.co_firstlineno - 1
    return start + 1 + next(i for i, line in enumerate(lines[start:]) if text in line)


@pytest.mark.parametrize("make", [
    lambda: bytes(5_000_000), lambda: bytearray(5_000_000), lambda: [0] * 700_000,
    lambda: "x" * 5_000_000,
], ids=["bytes", "bytearray", "list", "str"])
def test_traceback_of_the_peak(make):
    def body():
        small = [bytes(100) for _ in range(1000)]
        big = make()  # here
        del big
        after = [bytes(100) for _ in range(2000)]
        del small, after

    _, recording = profile("tracemalloc", body, {"nframe": 5})
    assert recording["peak"][-2] == (__file__, line_of(body, "# here"))
    assert recording["notes"] == []


def test_traceback_of_a_peak_that_is_still_held():
    kept = []

    def body():
        kept.append(bytes(5_000_000))  # here

    _, recording = profile("tracemalloc", body)
    assert recording["peak"] == ((__file__, line_of(body, "# here")),)


def test_traceback_of_a_peak_by_realloc():
    def body():
        grow = bytearray(10)
        grow.extend(bytes(10))
        grow.__init__(4_000_000)  # here
        del grow

    _, recording = profile("tracemalloc", body)
    assert recording["peak"] == ((__file__, line_of(body, "# here")),)


@pytest.mark.skipif(numpy is None, reason="this Python has no numpy")
def test_peak_of_memory_that_numpy_tracks():
    def body():
        big = numpy.zeros(1_000_000)
        small = object()  # at the next allocation of Python's it is noticed
        del big
        return small

    _, recording = profile("tracemalloc", body)
    assert recording["metrics"]["peak"]["samples"][0] > 8_000_000
    assert recording["peak"] == () and "not of Python's" in recording["notes"][0]


def test_without_tables_it_says_so():
    prf_host.slow_traces(True)
    try:
        _, recording = profile("tracemalloc", containers)
    finally:
        prf_host.slow_traces(False)
    assert any("slow" in note for note in recording["notes"])
    assert recording["peak"] == ()
    assert recording["metrics"]["peak"]["samples"][0] > 100_000


def test_the_tables_are_read():
    _, recording = profile("tracemalloc", containers)
    assert recording["notes"] == []


def test_nothing_of_ours_is_held():
    def body():
        prf_host.mark("a")
        prf_host.mark("b")

    _, recording = profile("tracemalloc", body)
    held = {frames[0] for s in recording["snapshots"] for _, _, frames in s[3]}
    assert {(file, line) for file, line in held if file == __file__} == set()
    assert all(s[1] < 600 for s in recording["snapshots"])


def test_tracing_ends_with_the_session():
    profile("tracemalloc", containers)
    assert not tracemalloc.is_tracing()


def test_tracing_that_was_on_before_stays_on():
    tracemalloc.start(3)
    try:
        before = [bytes(500) for _ in range(300)]
        _, recording = profile("tracemalloc", containers)
        assert tracemalloc.is_tracing() and tracemalloc.get_traceback_limit() == 3
        assert recording["snapshots"][0][1] >= 150_000
        assert "3 frames" in recording["notes"][0]
        assert len(before) == 300
    finally:
        tracemalloc.stop()


@pytest.mark.parametrize("key, frames", [("lineno", 1), ("filename", 1), ("traceback", 25)])
def test_frames_by_default(key, frames):
    limits = []
    profile("tracemalloc", lambda: limits.append(tracemalloc.get_traceback_limit()),
            {"key": key})
    assert limits == [frames]


def test_cumulative_needs_tracebacks():
    limits = []
    profile("tracemalloc", lambda: limits.append(tracemalloc.get_traceback_limit()),
            {"cumulative": None})
    assert limits == [25]
    with pytest.raises(RuntimeError, match="--cumulative goes with"):
        profile("tracemalloc", containers, {"cumulative": None, "key": "traceback"})
    assert not tracemalloc.is_tracing()


def test_a_case_that_stops_tracemalloc():
    def body():
        kept = containers()
        prf_host.mark("before")
        tracemalloc.stop()
        prf_host.mark("after")
        return kept

    _, recording = profile("tracemalloc", body)
    sizes = {s[0]: s[1] for s in recording["snapshots"]}
    assert sizes["before"] > 100_000 and sizes["after"] == 0 == sizes["stop"]
    assert any("stopped tracemalloc" in note for note in recording["notes"])


def test_a_case_that_stops_and_starts_it():
    kept = []

    def body():
        tracemalloc.stop()
        tracemalloc.start(4)
        kept.append([bytes(1000) for _ in range(100)])

    _, recording = profile("tracemalloc", body)
    assert recording["snapshots"][-1][1] > 100_000
    assert not tracemalloc.is_tracing()
    profile("tracemalloc", containers)  # and the next one is right again
    assert profile("tracemalloc", containers)[1]["notes"] == []


def test_a_case_that_clears_the_traces():
    kept = []

    def body():
        kept.append([bytes(1000) for _ in range(100)])
        tracemalloc.clear_traces()
        kept.append([bytes(10) for _ in range(100)])

    _, recording = profile("tracemalloc", body)
    assert 0 < recording["snapshots"][-1][1] < 50_000
    assert recording["metrics"]["peak"]["samples"][0] > 100_000


def test_what_raises_keeps_its_snapshots():
    def body():
        prf_host.mark("one")
        raise ValueError("no")

    raised, recording = raising_profile("tracemalloc", body)
    assert isinstance(raised, ValueError)
    assert [s[0] for s in recording["snapshots"]] == ["start", "one", "stop"]


def in_a_process(tmp_path, source, *options, env=None):
    path = tmp_path / "recording"
    path.touch()
    code = "import os, sys, tracemalloc, threading, prf_host\n" + textwrap.dedent(source)
    done = subprocess.run([sys.executable, *options, "-c", code, str(path)],
                          capture_output=True, text=True, env={**os.environ, **(env or {})})
    return done, prf_host.read(str(path))


def test_a_crash_keeps_its_snapshots(tmp_path):
    done, recording = in_a_process(tmp_path, """
        def body():
            kept = [bytes(1000) for _ in range(100)]
            prf_host.mark("one")
            os.abort()
        prf_host.run("tracemalloc", body, sys.argv[1])
        """)
    assert done.returncode == -6
    assert [s[0] for s in recording["snapshots"]] == ["start", "one"]
    assert recording["snapshots"][1][1] > 100_000


def test_a_fork_says_nothing(tmp_path):
    done, recording = in_a_process(tmp_path, """
        def body():
            pid = os.fork()
            kept = [bytes(1000) for _ in range(100)]
            prf_host.mark("child" if pid == 0 else "parent")
            if pid == 0:
                os._exit(7)
            print(os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]))
        prf_host.run("tracemalloc", body, sys.argv[1])
        """)
    assert done.stdout == "7\n", done.stderr
    assert [s[0] for s in recording["snapshots"]] == ["start", "parent", "stop"]


def test_a_thread_that_goes_on(tmp_path):
    done, recording = in_a_process(tmp_path, """
        go = threading.Event()
        def work():
            while not go.is_set():
                [bytes(100) for _ in range(100)], open(os.devnull).close()
        def body():
            for _ in range(3):
                threading.Thread(target=work, daemon=True).start()
            for i in range(50):
                prf_host.mark(str(i))
        prf_host.run("tracemalloc", body, sys.argv[1], {"nframe": "8"})
        go.set()
        """)
    assert done.returncode == 0, done.stderr
    assert len(recording["snapshots"]) == 52 and recording["lost"] == 0


@pytest.mark.parametrize("how", [
    {"env": {"PYTHONTRACEMALLOC": "2"}}, {"env": {"PYTHONMALLOC": "malloc"}},
    {"env": {"PYTHONMALLOC": "debug"}}, {"env": {"PYTHONDEVMODE": "1"}},
], ids=lambda how: next(iter(how["env"])))
def test_other_ways_to_start_python(tmp_path, how):
    done, recording = in_a_process(tmp_path, """
        def body():
            global kept
            kept = [bytes(1000) for _ in range(100)]
        prf_host.run("tracemalloc", body, sys.argv[1])
        """, **how)
    assert done.returncode == 0, done.stderr
    first, last = recording["snapshots"][0], recording["snapshots"][-1]
    assert 103_000 < last[1] - first[1] < 106_000
    assert not any("slow" in note for note in recording["notes"])


def test_a_layer_that_the_case_leaves_behind(tmp_path):
    """Somebody's allocator hook over ours: we cannot go, and do not come twice."""
    pytest.importorskip("_testcapi")
    done, recording = in_a_process(tmp_path, """
        import _testcapi
        def body():
            _testcapi.set_nomemory(10 ** 9, 0)
            kept = [bytes(1000) for _ in range(100)]
        prf_host.run("tracemalloc", body, sys.argv[1])
        prf_host.run("tracemalloc", body, sys.argv[1])
        print("done")
        """)
    assert done.stdout == "done\n", done.stderr
    assert recording["snapshots"][-1][0] == "stop"


def test_a_file_name_that_is_a_pipe(tmp_path):
    os.mkfifo(tmp_path / "pipe")
    scope = {}
    exec(compile("def make():\n    return [bytes(100) for _ in range(50)]\n",
                 str(tmp_path / "pipe"), "exec"), scope)
    kept = []
    _, recording = profile("tracemalloc", lambda: kept.append(scope["make"]()))
    assert any(row["code"][0].endswith("/pipe") for row in recording["sites"])


def test_file_filters_are_those_of_fnmatch():
    """The report uses the C library's: the same on what paths look like."""
    import ctypes
    libc = ctypes.CDLL(None)
    for pattern in "*", "*/lib/*", "/a/?.py", "*.py", "/a/[bc].py", "/a/[!b].py", "<*>":
        for file in "/a/b.py", "/usr/lib/x/y.py", "<unknown>", "/a/.hidden/c.py", "/a/\u00e4":
            ours = libc.fnmatch(pattern.encode(), file.encode(), 2) == 0
            if "?" in pattern and "\u00e4" in file:
                continue
            assert ours == fnmatch.fnmatch(file, pattern), (pattern, file)
