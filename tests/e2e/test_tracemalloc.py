"""tracemalloc from the command line: run, show, export, and the predecessor's class."""

import csv
import io
import re

import pytest

CASES = '''\
import os
import sys
import tracemalloc
from pyprofiler import ProfilerCase, TraceMallocProfiler


class Memory(ProfilerCase):
    def setUp(self):
        self.before = [bytes(1000) for _ in range(1000)]

    def profile_load(self):
        loaded = [bytearray(500) for _ in range(1000)]
        self.more = self.make()
        self.trace("loaded")
        big = bytes(9_000_000)
        del big
        self.kept = [bytearray(70) for _ in range(100)]
        del loaded

    def profile_crash(self):
        kept = bytearray(100_000)
        self.trace("before the end")
        os.abort()

    def profile_raise(self):
        self.kept = bytearray(100_000)
        raise ValueError("on purpose")

    def profile_stops(self):
        tracemalloc.stop()

    def make(self):
        return bytes(300)


class Session(ProfilerCase):
    def profile_inside(self):
        profiler = TraceMallocProfiler(top_k=1, index=1, key="filename")
        profiler.start()
        kept = [bytearray(500) for _ in range(1000)]
        profiler.trace("here")
        del kept
        profiler.reset()
        profiler.report(sys.stdout)
'''
LOADED, BIG, KEPT = 12, 15, 17


def line_of(text, line):
    """The report's entry of a line of the case file."""
    found = [row for row in text.splitlines() if f"case.py:{line}: size=" in row]
    assert len(found) == 1, text
    return found[0]


def count_of(row):
    """Blocks and their change. Lists and tuples that are used again make it inexact."""
    return tuple(map(int, re.search(r"count=(\d+) \(([+-]\d+)\)", row).groups()))


@pytest.fixture
def memory(each):
    each.write("case.py", CASES)
    return each


@pytest.fixture
def load(memory):
    def load(*options):
        return memory.run("case.py::Memory::profile_load", "tracemalloc", *options)
    return load


def test_report(load):
    done = load()
    assert done.code == 0, done
    count, change = count_of(line_of(done.out, KEPT))
    assert 200 <= count == change < 220
    assert "self.kept = [bytearray(70)" in done.out
    assert f"case.py:{LOADED}: size=5" not in done.out.replace("56 B", "")  # held no more
    assert "case.py:9:" not in done.out  # allocated by setUp, before tracing
    assert "held at 'stop', compared with 'start', by lineno" in done.out
    peak = done.out.partition("the peak was made by\n")[2]
    assert f'case.py", line {BIG}\n' in peak and "big = bytes(9_000_000)" in peak


def test_nothing_of_the_profiler(load):
    done = load("--top-k", "0", "--nframe", "1")
    assert "pyprofiler/" not in done.out.replace("pyprofiler  ", ""), done
    assert "<unknown>" not in done.out, done


@pytest.mark.parametrize("index", ["1", "-2", "loaded"])
def test_index(load, index):
    done = load("--index", index)
    assert "held at 'loaded'" in done.out
    assert 2000 <= count_of(line_of(done.out, LOADED))[0] < 2020
    assert f"case.py:{KEPT}:" not in done.out


@pytest.mark.parametrize("index", ["3", "-4", "nowhere"])
def test_index_that_is_not(memory, load, index):
    done = load("--index", index)
    told = f"--index {index}: no snapshot '{index}'; there are: 0 start, 1 loaded, 2 stop"
    assert done.err.count(told) == 1 and done.code == 4, done
    assert "held at 'stop'" in done.out and told in done.out
    again = memory.run("pyprofiler", "show")
    assert again.code == 0 and "held at 'stop'" in again.out and told in again.out, again
    shown = memory.run("pyprofiler", "show", "--format", "json")
    assert shown.result("profile_load")["snapshots"][1]["name"] == "loaded"


def test_index_of_some(memory):
    """The mark is only in one of them: each is reported, in a file too."""
    done = memory.run("-o", "all.txt", "-k", "load or stops", "case.py", "tracemalloc",
                      "--index", "loaded")
    assert done.code == 4 and "--index loaded: no snapshot" in done.err, done
    text = (memory.path / "all.txt").read_text()
    assert "held at 'loaded'" in text and "held at 'stop'" in text


@pytest.mark.parametrize("wrong", [
    ("--diff", "0"), ("--diff", ":"), ("--diff", "0:"), ("--diff", ":1"), ("--index", ""),
    ("--cumulative", "--key", "traceback")])
def test_usage_that_the_profiler_finds(memory, wrong):
    """Said once, whatever the number of cases; none of them runs."""
    done = memory.run("case.py", "tracemalloc", *wrong)
    assert done.code == 4 and done.err.count("pyprofiler: error: tracemalloc:") == 1, done
    shown = memory.run("pyprofiler", "show", "--format", "json")
    assert set(shown.statuses.values()) == {"error"}
    assert not any(r.get("snapshots") for r in shown.json["results"])


def test_diff(load):
    done = load("--diff", "loaded:stop")
    assert "held at 'stop', compared with 'loaded'" in done.out
    count, change = count_of(line_of(done.out, LOADED))
    assert count < 20 and -2020 < change <= -1990


def test_keys(load):
    assert "case.py: size=" in load("--key", "filename").out
    done = load("--key", "traceback", "--index", "loaded", "--top-k", "1")
    assert f'case.py", line {LOADED}\n' in done.out and "other: size=" in done.out


def test_top_k(load):
    done = load("--top-k", "1", "--index", "loaded")
    assert line_of(done.out, LOADED) and "other: size=" in done.out
    assert "other: size=" not in load("--top-k", "0", "--index", "loaded").out


def test_cumulative(load):
    done = load("--cumulative", "--index", "loaded")
    assert "by lineno, cumulative" in done.out
    assert count_of(line_of(done.out, LOADED))[0] >= 2000
    wrong = load("--cumulative", "--key", "traceback")
    assert wrong.code != 0 and "--cumulative goes with" in wrong.out + wrong.err


def test_filters(load):
    assert f"case.py:{KEPT}:" in load("--include", "*/case.py").out
    assert f"case.py:{KEPT}:" not in load("--exclude", "*/case.py").out
    assert f"case.py:{KEPT}:" not in load("--include", "*/other.py").out


def test_nframe(load):
    done = load("--nframe", "3", "--format", "json")
    held = done.result("profile_load")["snapshots"][1]["held"]
    assert max(len(row["traceback"]) for row in held) in (2, 3)
    held = load("--format", "json").result("profile_load")["snapshots"][1]["held"]
    assert {len(row["traceback"]) for row in held} == {1}


def test_show_is_what_run_printed(memory, load):
    done = load("--diff", "loaded:stop", "--top-k", "2")
    start = done.out.index("case.py::")
    report = done.out[start:done.out.index("\n[", start)]
    assert report in memory.run("pyprofiler", "show").out


def test_exports(memory, load):
    load()
    (row,) = [r for r in csv.DictReader(io.StringIO(
        memory.run("pyprofiler", "export", "latest", "--format", "csv", "-o", "-").out))
        if r.get("line") == str(KEPT)]
    assert 200 <= int(row["count"]) == int(row["count_diff"]) < 220
    assert int(row["size"]) > 10_000 and row["size_diff"] == row["size"]
    markdown = memory.run("pyprofiler", "export", "latest", "--format", "markdown", "-o", "-")
    assert f"case.py:{KEPT}" in markdown.out.replace("\\", "")
    of_export = memory.run("pyprofiler", "export", "latest", "--format", "json", "-o", "-")
    result = of_export.result("profile_load")
    assert [s["name"] for s in result["snapshots"]] == ["start", "loaded", "stop"]
    assert result["metrics"]["peak"]["value"] > 9_000_000
    assert result["metrics"]["current"]["value"] < 1_000_000
    assert result["peak_traceback"][-1]["line"] == BIG
    loaded = result["snapshots"][1]
    assert loaded["size"] == sum(row["size"] for row in loaded["held"]) > 500_000


def test_a_crash_keeps_its_snapshots(memory):
    done = memory.run("case.py::Memory::profile_crash", "tracemalloc")
    assert "SIGABRT" in done.out and done.code == 1
    assert "held at 'before the end'" in done.out and "case.py:21:" in done.out
    assert "kept = bytearray(100_000)" in done.out


def test_a_mark_is_no_allocation_of_the_case(memory):
    """Neither the peak nor what is held is of self.trace, whatever the mark is called."""
    memory.write("marks.py", '''\
from pyprofiler import ProfilerCase

NAME = "mark \u00e9\u20ac" + chr(0x1F600) * 100


class Marks(ProfilerCase):
    def profile_marks(self):
        big = bytearray(5_000_000)
        self.trace(NAME)
        self.trace("\u00e9" * 1000)
        self.trace("plain")
        self.trace(("any", "object"))
        del big
''')
    done = memory.run("marks.py", "tracemalloc", "--top-k", "0")
    assert done.code == 0, done
    peak = done.out.partition("the peak was made by\n")[2]
    assert "big = bytearray" in peak and "self.trace" not in peak, done
    for index in 2, 3:
        shown = memory.run("marks.py", "tracemalloc", "--top-k", "0", "--index", str(index))
        assert "self.trace" not in shown.out, shown



def test_a_crash_has_no_metric(memory):
    """Nothing was sampled: that is not 0 bytes."""
    done = memory.run_json("case.py::Memory::profile_crash", "tracemalloc")
    assert done.result("profile_crash")["status"] == "crashed"
    assert done.result("profile_crash")["metrics"] == {}
    stored = memory.run("pyprofiler", "show", "--format", "json")
    assert stored.result("profile_crash")["metrics"] == {}
    for form in ("csv", "markdown"):
        shown = memory.run("pyprofiler", "show", "--format", form)
        assert shown.code == 0 and "crash" in shown.out and "peak" not in shown.out, shown


def test_a_case_that_raises(memory):
    done = memory.run("case.py::Memory::profile_raise", "tracemalloc")
    assert "on purpose" in done.out and "case.py:26: size=" in done.out


def test_a_case_that_stops_tracemalloc(memory):
    done = memory.run("case.py::Memory::profile_stops", "tracemalloc")
    assert done.code == 0 and "the case stopped tracemalloc" in done.out


def test_class_of_the_package(memory):
    done = memory.run("case.py::Session::profile_inside", "passthrough", "--format", "json")
    out = done.result("profile_inside")["output"]
    assert "held at 'here', compared with 'start', by filename" in out, done
    assert "case.py: size=" in out


def test_bare_options_of_the_runner_do_not_eat_ours(load):
    """--key is the beginning of --keyword, and no case has "lineno" in its name."""
    assert load("--key", "lineno").code == 0
