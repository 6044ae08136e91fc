"""The sampling profiler as a user runs it, in both hosts, and where its result goes."""

import json
import pstats

import pytest

CASES = """
import os, threading, time
from pyprofiler import ProfilerCase


def work(seconds):
    until = time.perf_counter() + seconds
    while time.perf_counter() < until:
        pass


class Cases(ProfilerCase):
    def profile_work(self):
        work(0.2)

    def profile_thread(self):
        thread = threading.Thread(target=work, args=(0.2,))
        thread.start()
        thread.join()

    async def profile_async(self):
        work(0.2)

    def profile_nothing(self):
        pass

    def profile_dies(self):
        work(0.5)
        os.abort()
"""


def functions(result):
    return {site["function"]: site for site in result["sites"]}


@pytest.mark.parametrize("host", ["embed", "python"])
def test_cases(each, host):
    each.write("s.py", CASES)
    done = each.run_json(f"--host={host}", "s.py", "-k", "not dies", "sampling", "--rate=2000")
    assert set(done.statuses.values()) == {"ok"}, done
    for name in "profile_work", "profile_thread", "profile_async":
        found = functions(done.result(name))
        assert found["work"]["own_ns"] > 0, done
        assert f"Cases.{name}" in found
    # What led to the case is not part of it.
    assert set(functions(done.result("profile_work"))) == {"work", "Cases.profile_work"}


def test_what_was_sampled_before_a_crash(each):
    each.write("s.py", CASES)
    done = each.run_json("s.py::Cases::profile_dies", "sample")
    assert done.result("profile_dies")["signal"] == "SIGABRT", done
    assert functions(done.result("profile_dies"))["work"]["own_ns"] > 0, done


def test_no_sample(project):
    project.write("s.py", CASES)
    done = project.run("s.py::Cases::profile_nothing", "sampling", "--mode=cpu",
                       "--interval=10000000")
    assert done.code == 0 and "no sample was taken" in done.out, done


def test_table(project):
    project.write("s.py", CASES)
    done = project.run("s.py::Cases::profile_work", "sampling", "--sort=name", "--strip-dirs")
    assert done.code == 0, done
    lines = [line.split()[-1] for line in done.out.splitlines() if "(" in line and "s.py:" in line]
    assert lines == ["s.py:13(Cases.profile_work)", "s.py:6(work)"], done
    done = project.run("s.py::Cases::profile_work", "sampling", "--top-k=1")
    assert "(work)" in done.out and "(Cases.profile_work)" not in done.out, done


def test_formats(project):
    project.write("s.py", CASES)
    result = project.run_json("s.py::Cases::profile_work", "sampling").result("profile_work")

    def export(format):
        done = project.run("pyprofiler", "export", result["id"], "--format", format, "-o",
                           f"out.{format}")
        assert done.code == 0, done
        return project.path / f"out.{format}"

    own_ns = functions(result)["work"]["own_ns"]
    stacks = dict(line.rsplit(" ", 1) for line in export("collapsed").read_text().splitlines())
    (stack, ns), = [(s, n) for s, n in stacks.items() if s.endswith("work")
                    and "profile_work;" in s]
    assert int(ns) == own_ns
    names = [f["name"] for f in json.loads(export("speedscope").read_text())["shared"]["frames"]]
    assert "work" in names
    (_, samples, own, _, callers), = [entry for key, entry in
                                      pstats.Stats(str(export("pstats"))).stats.items()
                                      if key[2] == "work"]
    assert own == pytest.approx(own_ns / 1e9) and samples > 0
    assert [key[2] for key in callers] == ["profile_work"]
    assert f"{own_ns}\n" in export("callgrind").read_text()
    dot = export("dot").read_text()
    assert "box: samples" in dot and " calls of " not in dot


@pytest.mark.parametrize("words", [["--rate=0"], ["--mode=idle"], ["--threads=none"]])
def test_usage(project, words):
    project.write("s.py", CASES)
    done = project.run("s.py", "sampling", *words)
    assert done.code == 4 and words[0].split("=")[0] in done.err, done
