"""Several profilers at once in one process: each pair has the results that each has
alone, or the second is refused with the name of the holder and the first goes on."""

import os
import re
import sys
import tempfile

import pytest

import line_programs
import prf_host
import truth_programs

MONITORING = sys.version_info >= (3, 12)
CASE = line_programs.__file__
TELL_CALLS = ["call", "callgraph", "tracer"]
TELL_LINES = ["line", "memory-line"]
BACKENDS = [name for name in ("stopwatch", "call", "callgraph", "tracer", "line",
                              "memory-line", "memory-time", "tracemalloc", "passthrough",
                              "sampling")
            if (name, None) in prf_host.backends()]
OPTIONS = {"stopwatch": {"warmup": "0"}, "memory-line": {"max-depth": "-1"},
           "memory-time": {"interval": "0.001"}}
HELD = []


class Run:
    """A profiler that is started and stopped in the middle of a program."""

    def __init__(self, name, options=None, case_file=CASE):
        handle, self.path = tempfile.mkstemp(suffix=".rec")
        os.close(handle)
        self.name = name
        self.session = prf_host.Session(name, self.path,
                                        {**OPTIONS.get(name, {}), **(options or {})},
                                        case_file)
        self.start = self.session.start
        self.stop = self.session.stop

    def read(self):
        self.session.close()
        try:
            return prf_host.read(self.path)
        finally:
            os.unlink(self.path)


def allocate():
    HELD.append([bytearray(1000) for _ in range(50)])


def body():
    """Everything of which the counts are the same each time."""
    for program in truth_programs.PROGRAMS:
        program()
    for program in line_programs.PROGRAMS:
        if program is not line_programs.threads:
            program()
    allocate()


def counted(recording, *columns):
    """What does not depend on time and addresses, summed by function and line."""
    rows = {}
    for row in recording["sites"]:
        key = row["code"], row["line"]
        before = rows.get(key, (0,) * len(columns))
        rows[key] = tuple(a + row[c] for a, c in zip(before, columns))
    return rows


def allocated(recording):
    """What allocate() holds at the end, without what the interpreter keeps for later."""
    where = (__file__, allocate.__code__.co_firstlineno + 1)
    n_bytes = sum(n for n, _, stack in recording["snapshots"][-1][3] if stack[-1] == where)
    return n_bytes // 10000, sorted(recording["metrics"])


RESULTS = {
    "call": lambda r: (counted(r, "calls", "primitive_calls"),
                       sorted((e["caller"], e["callee"], e["calls"]) for e in r["edges"])),
    "callgraph": lambda r: counted(r, "calls", "primitive_calls"),
    "tracer": lambda r: counted(r, "calls", "primitive_calls"),
    "line": lambda r: counted(r, "hits"),
    "memory-line": lambda r: counted(r, "occurrences"),
    "memory-time": lambda r: {name for name, _, _, _ in r["series"]},
    "tracemalloc": allocated,
    "stopwatch": lambda r: {name: len(m["samples"]) for name, m in r["metrics"].items()},
    "passthrough": lambda r: r["sites"],
    "sampling": lambda r: sorted(r["metrics"]),
}


def result(run):
    HELD.clear()
    recording = run.read()
    assert recording["lost"] == 0
    if "wall_time" in recording["metrics"]:
        assert all(s > 0 for s in recording["metrics"]["wall_time"]["samples"])
    return RESULTS[run.name](recording)


def notes(run):
    return run.read()["notes"]


@pytest.fixture(scope="module")
def alone():
    """name -> its result when it has the process for itself."""
    body()  # caches of the library are filled
    results = {}
    for name in BACKENDS:
        run = Run(name)
        run.start()
        body()
        run.stop()
        results[name] = result(run)
    return results


def are_refused(first, second):
    """Profilers that cannot be there at once, by what they need."""
    if first == second:
        return first in [*TELL_CALLS, *TELL_LINES, "tracemalloc", "sampling"]
    return (first in TELL_LINES and second in TELL_LINES) or (
        first in TELL_CALLS and second in TELL_CALLS and not MONITORING)


@pytest.mark.parametrize("reverse", [True, False], ids=["inner-first", "outer-first"])
@pytest.mark.parametrize("second", BACKENDS)
@pytest.mark.parametrize("first", BACKENDS)
def test_pairs(first, second, reverse, alone):
    a, b, refused = Run(first), Run(second), None
    a.start()
    try:
        b.start()
    except RuntimeError as error:
        refused = error
    body()
    if refused is None and reverse:
        b.stop()
        a.stop()
    else:
        a.stop()
        if refused is not None:
            b.start()  # now it can
            body()
        b.stop()
    assert result(a) == alone[first]
    assert result(b) == alone[second]
    assert (refused is not None) == are_refused(first, second)
    if refused is not None:
        assert re.search(f"pyprofiler's '{first}'.*stop it",
                         str(refused))
