"""memory-time from a user's side: the case, the chart, the files for other tools."""

import csv
import importlib.util
import io
import json
import subprocess
import sys
import xml.etree.ElementTree as ET

import pytest

MIB = 1 << 20
FILE = """
import os
import subprocess
import sys
import threading

from pyprofiler.profiler import ProfilerCase
from pyprofiler.utils import accept_profiler


def touched(n):
    held = bytearray(n)
    for at in range(0, n, 4096):
        held[at] = 1
    return held


class Memory(ProfilerCase):
    @accept_profiler("memory-profiler-time")
    def profile_steps(self):
        held = touched(32 << 20)
        self.trace("held <32 MiB>")
        held = None
        self.trace("given back")

    def profile_child(self):
        code = "import sys; held = b'1' * (16 << 20); print(len(held), flush=True); input()"
        self.child = subprocess.Popen([sys.executable, "-c", code], stdin=subprocess.PIPE,
                                      stdout=subprocess.PIPE)
        self.child.stdout.readline()
        self.addCleanup(self.child.communicate, b"end\\n")

    def profile_crash(self):
        held = touched(16 << 20)
        self.trace("held")
        os.abort()

    def profile_threads(self):
        assert threading.active_count() == 1
"""


@pytest.fixture
def memory(project):
    project.write("mem.py", FILE)
    return project


def curves(result):
    for series in result["series"]:
        assert len(series["at_ns"]) == len(series["values"])
    return {(s["name"], s["process"]): s["values"] for s in result["series"]}


def test_every_python(each):
    each.write("mem.py", FILE)
    done = each.run_json("mem.py", "memory-time", "-T", "1ms")
    assert done.statuses == {
        "Memory::profile_steps": "ok", "Memory::profile_child": "ok",
        "Memory::profile_crash": "crashed", "Memory::profile_threads": "ok"}
    steps = done.result("profile_steps")
    assert list(curves(steps)) == [("rss", 0)]
    peak = steps["metrics"]["peak"]["value"] - steps["metrics"]["start"]["value"]
    assert 28 * MIB < peak < 40 * MIB
    assert [m["name"] for m in steps["marks"]] == ["held <32 MiB>", "given back"]
    assert done.result("profile_threads")["notes"] == []
    crash = done.result("profile_crash")
    assert len(curves(crash)["rss", 0]) >= 1
    assert [m["name"] for m in crash["marks"]] == ["held"]


def test_predecessors_command_line(memory):
    done = memory.run_json("mem.py::Memory::profile_child", "memory-profiler-time",
                           "--interval", "0.5", "-C", "-M", "--backend", "psutil")
    assert done.code == 0, done
    result = done.result("profile_child")
    assert result["profiler"] == "memory-time"
    found = curves(result)
    assert sorted(found) == [("rss", 1), ("rss_total", 0)]
    assert found["rss", 1][-1] > 16 * MIB
    assert found["rss_total", 0][-1] > found["rss", 1][-1]


def test_chart_of_the_terminal(memory):
    done = memory.run("mem.py::Memory::profile_steps", "memory-time", "-T", "1ms")
    assert done.code == 0, done
    assert "rss: " in done.out and "increment" in done.out
    assert " MiB " in done.out


def exported(project, format, *words):
    """A result with children, a curve of each and marks, as `format`."""
    done = project.run_json("mem.py::Memory::profile_steps", "memory-time", *words)
    path = project.path / "out.file"
    written = project.run("pyprofiler", "export", done.result("profile_steps")["id"],
                          f"--format={format}", "-f", "-o", path)
    assert written.code == 0, written
    return done.result("profile_steps"), path


def test_svg_is_well_formed_and_has_no_script(memory):
    _, path = exported(memory, "svg", "-T", "1ms")
    root = ET.parse(path).getroot()
    tags = {element.tag.rpartition("}")[2] for element in root.iter()}
    assert root.tag.endswith("svg") and "path" in tags and "script" not in tags
    texts = {"".join(element.itertext()) for element in root.iter()
             if element.tag.endswith("text")}
    assert {"rss [MiB]", "given back", "held <32 MiB>"} <= texts
    assert any(text.startswith("peak ") for text in texts)


def test_mprof_has_every_sample(memory):
    result, path = exported(memory, "mprof", "-T", "1ms")
    lines = path.read_text().splitlines()
    assert lines[0] == "CMDLINE " + result["case"]
    values = [float(line.split()[1]) for line in lines if line.startswith("MEM ")]
    assert values == pytest.approx([v / MIB for v in curves(result)["rss", 0]], abs=1e-6)
    assert [line.split()[1] for line in lines if line.startswith("FUNC ")] == [
        "held_<32_MiB>", "given_back"]


@pytest.mark.skipif(importlib.util.find_spec("mprof") is None,
                    reason="memory_profiler is not installed")
def test_mprof_itself_reads_it(memory):
    result, path = exported(memory, "mprof", "-T", "1ms")
    done = subprocess.run([sys.executable, "-m", "mprof", "peak", path],
                          capture_output=True, text=True, check=True)
    highest = max(curves(result)["rss", 0]) / MIB
    assert f"{highest:.3f} MiB" in done.stdout


def test_csv_has_every_sample(memory):
    result, path = exported(memory, "csv", "-T", "1ms")
    rows = list(csv.DictReader(io.StringIO(path.read_text())))
    points = [row for row in rows if row["at_ns"]]
    assert [float(p["value"]) for p in points] == curves(result)["rss", 0]
    assert {p["metric"] for p in points} == {"rss"}


def test_the_store_keeps_the_curve(memory):
    result, path = exported(memory, "json", "-T", "1ms")
    stored = json.loads(path.read_text())["results"][0]
    assert curves(stored) == curves(result)
    assert stored["marks"] == result["marks"]


def test_wrong_combinations_are_errors_with_a_reason(memory):
    done = memory.run_json("mem.py::Memory::profile_steps", "memory-time", "-C",
                           "--backend", "tracemalloc")
    assert done.code == 4, done
    result = done.result("profile_steps")
    assert result["status"] == "error" and "this process only" in result["reason"]
