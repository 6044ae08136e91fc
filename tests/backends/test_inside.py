"""Profilers that start and stop in the middle of a program: frames that run already,
other threads, what is the profiler's own, many times in a process."""

import gc
import os
import sys
import threading

import pytest

import prf_host
from test_together import BACKENDS, MONITORING, Run

WITH_LINE = [[], ["call"], ["call", "tracemalloc", "memory-time"]]


def line_of(function, n):
    return function.__code__.co_firstlineno + n


class Profilers:
    """As the package's session: Python code around the profiler's."""

    def __init__(self, *names, options=None):
        self.runs = [Run(name, options, __file__) for name in names]

    def __enter__(self):
        for run in self.runs:
            run.start()
        return self

    def __exit__(self, *exc):
        stops = self.stops
        stops()

    def stops(self):
        for run in reversed(self.runs):
            run.stop()

    def read(self):
        recordings = {run.name: run.read() for run in self.runs}
        assert all(r["lost"] == 0 for r in recordings.values())
        return recordings


for function in (Profilers.__enter__, Profilers.__exit__, Profilers.stops):
    prf_host.hide(function)


def hits(recording):
    """(name, line) -> hits"""
    return {(row["code"][2], row["line"]): row["hits"] for row in recording["sites"]
            if row["hits"]}


def calls(recording):
    """name -> calls"""
    result = {}
    for row in recording["sites"]:
        result[row["code"][2]] = result.get(row["code"][2], 0) + row["calls"]
    return result


def helper(n):
    return n + 1


def block(profilers):
    total = 0
    with profilers:
        for i in range(3):
            total = helper(total)
        total += 1
    return total


def offsets(counts, *functions):
    """name -> {line in the function: hits}"""
    result = {}
    for function in functions:
        first = function.__code__.co_firstlineno
        result[function.__name__] = {
            line - first: n for (name, line), n in counts.items()
            if name == function.__name__ and n}
    return result


@pytest.mark.parametrize("others", WITH_LINE, ids="+".join)
def test_lines_of_the_block(others):
    profilers = Profilers(*others, "line")
    assert block(profilers) == 4
    recording = profilers.read()["line"]
    counted = offsets(hits(recording), block, helper)
    # The line of the `with` comes again at the end of the block.
    assert counted == {"block": {2: 1, 3: 4, 4: 3, 5: 1}, "helper": {1: 3}}
    assert set(hits(recording)) == {(name, line_of(globals()[name], n))
                                    for name, lines in counted.items() for n in lines}
    assert all(row["time"] >= 0 for row in recording["sites"])


def starts_below(profilers):
    for run in profilers.runs:
        run.start()
    return 1


def between(profilers):
    value = starts_below(profilers)
    value += 1
    return value


def outermost(profilers):
    value = between(profilers)
    value = helper(value)
    for run in reversed(profilers.runs):
        run.stop()
    value += 1
    return value


@pytest.mark.parametrize("others", WITH_LINE, ids="+".join)
def test_lines_of_the_callers(others):
    """The frames that the start was below return, and go on."""
    profilers = Profilers(*others, "line")
    assert outermost(profilers) == 4
    recordings = profilers.read()
    counted = offsets(hits(recordings["line"]), starts_below, between, outermost, helper)
    assert counted["between"] == {2: 1, 3: 1}
    assert {n: counted["outermost"].get(n) for n in (1, 2, 5)} == {1: None, 2: 1, 5: None}
    assert counted["helper"] == {1: 1}
    assert counted["starts_below"][3] == 1
    if "call" in recordings:
        names = calls(recordings["call"])
        assert names["helper"] == 1
        assert not {"outermost", "between", "starts_below"} & set(names)


def raises_through(profilers):
    try:
        starts_and_raises(profilers)
    except ValueError:
        helper(1)
    helper(2)
    profilers.stops()


def starts_and_raises(profilers):
    profilers.__enter__()
    raise ValueError("through frames that ran already")


@pytest.mark.parametrize("others", WITH_LINE, ids="+".join)
def test_an_exception_leaves_open_frames(others):
    profilers = Profilers(*others, "line")
    raises_through(profilers)
    recordings = profilers.read()
    counted = offsets(hits(recordings["line"]), raises_through, starts_and_raises, helper)
    assert counted == {"raises_through": {3: 1, 4: 1, 5: 1, 6: 1},
                       "starts_and_raises": {2: 1}, "helper": {1: 2}}
    if "call" in recordings:
        names = calls(recordings["call"])
        assert names["helper"] == 2 and "starts_and_raises" not in names


def yielding(profilers):
    with profilers:
        for i in range(3):
            yield i
        helper(0)


@pytest.mark.parametrize("others", WITH_LINE, ids="+".join)
def test_a_generator_that_ran(others):
    profilers = Profilers(*others, "line")
    assert list(yielding(profilers)) == [0, 1, 2]
    recordings = profilers.read()
    counted = offsets(hits(recordings["line"]), yielding, helper)
    assert counted == {"yielding": {1: 1, 2: 4, 3: 3, 4: 1}, "helper": {1: 1}}
    if "call" in recordings:
        assert calls(recordings["call"])["helper"] == 1


def climb(n, profilers):
    if n == 0:
        for run in profilers.runs:
            run.start()
        return fib(5)
    return climb(n - 1, profilers)


def fib(n):
    return n if n < 2 else fib(n - 1) + fib(n - 2)


@pytest.mark.parametrize("name", ["call", "callgraph", "tracer"])
def test_calls_from_open_frames(name):
    profilers = Profilers(name)
    climb(50, profilers)
    climb(3, Profilers())
    profilers.stops()
    counted = calls(profilers.read()[name])
    assert counted["fib"] == 15 + 15 and counted["climb"] == 4


def stops_below(profilers, n):
    if n > 0:
        return stops_below(profilers, n - 1)
    profilers.stops()
    return fib(3)


@pytest.mark.parametrize("others", [[], ["line"]], ids=["", "line"])
@pytest.mark.parametrize("name", ["call", "tracer"])
def test_calls_that_are_open_at_the_stop(name, others):
    """They were called, and return into a program without profilers."""
    profilers = Profilers(name, *others)
    with_open = profilers.__enter__()
    assert stops_below(with_open, 5) == 2
    recordings = profilers.read()
    assert calls(recordings[name]) == {"stops_below": 6}
    again = Profilers(name, *others)
    with again:
        fib(3)
    assert calls(again.read()[name]) == {"fib": 5}


@pytest.mark.parametrize("name", BACKENDS)
def test_nothing_of_ours(name):
    """Neither the Python code around the profilers nor their methods."""
    profilers = Profilers("call", name) if name != "call" else Profilers("call")
    if name in ("callgraph", "tracer") and not MONITORING:
        profilers = Profilers(name)
    with profilers:
        helper(1)
    for run, recording in profilers.read().items():
        if run in ("call", "callgraph", "tracer"):
            assert calls(recording) == {"helper": 1}
        assert not [note for note in recording["notes"] if "left" in note]


def work_in_thread(ready, go):
    ready.set()
    go.wait()
    value = helper(1)
    return value


@pytest.mark.parametrize("others", WITH_LINE, ids="+".join)
def test_lines_of_a_thread_that_runs(others):
    ready, go = threading.Event(), threading.Event()
    thread = threading.Thread(target=work_in_thread, args=(ready, go))
    thread.start()
    ready.wait()
    profilers = Profilers(*others, "line")
    with profilers:
        go.set()
        thread.join()
    recordings = profilers.read()
    counted = offsets(hits(recordings["line"]), work_in_thread, helper)
    assert counted == {"work_in_thread": {3: 1, 4: 1}, "helper": {1: 1}}
    if "call" in recordings:
        assert calls(recordings["call"])["helper"] == 1


@pytest.mark.parametrize("name", BACKENDS)
def test_stop_on_another_thread(name):
    profilers = Profilers(name)

    def start():
        profilers.__enter__()
        helper(1)

    thread = threading.Thread(target=start)
    thread.start()
    thread.join()
    helper(2)
    profilers.stops()
    recording = profilers.read()[name]
    if name in ("call", "callgraph", "tracer"):
        assert calls(recording)["helper"] == 2
    if name == "line":
        assert offsets(hits(recording), helper) == {"helper": {1: 2}}
    assert not [note for note in recording["notes"] if "of its own" in note]
    assert sys.getprofile() is None and sys.gettrace() is None


def test_memory_of_lines_of_the_block():
    profilers = Profilers("memory-line")
    assert block(profilers) == 4
    recording = profilers.read()["memory-line"]
    counted = {(row["code"][2], row["line"]): row["occurrences"]
               for row in recording["sites"] if row["occurrences"]}
    assert offsets(counted, block, helper) == {
        "block": {2: 1, 3: 4, 4: 3, 5: 1}, "helper": {0: 3, 1: 3}}


@pytest.mark.parametrize("first", ["call", "tracer", "callgraph", "line"])
def test_sessions_kept_after_their_end(first):
    """Results that are not read yet take nothing from those that come."""
    kept = []
    for _ in range(3):
        profilers = Profilers(first, "tracemalloc")
        block(profilers)
        kept.append(profilers)
    for profilers in kept:
        recording = profilers.read()[first]
        if first == "line":
            assert offsets(hits(recording), block, helper) == {
                "block": {2: 1, 3: 4, 4: 3, 5: 1}, "helper": {1: 3}}
        else:
            assert calls(recording)["helper"] == 3


@pytest.mark.parametrize("names", [["call"], ["line"], ["call", "line", "memory-time"],
                                   ["tracer", "memory-line"], ["tracemalloc", "line"]],
                         ids="+".join)
def test_many_times(names):
    """No blocks of Python's allocators and no descriptors are left."""
    def once():
        profilers = Profilers(*names)
        block(profilers)
        for run in profilers.runs:
            run.session.close()
            os.unlink(run.path)

    def held():
        gc.collect()
        return sys.getallocatedblocks(), len(os.listdir("/proc/self/fd"))

    for _ in range(20):
        once()
    before = held()
    for _ in range(200):
        once()
    blocks, files = held()
    assert files == before[1]
    assert blocks - before[0] < 100
