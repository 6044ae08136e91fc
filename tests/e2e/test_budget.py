"""Budgets and gates: what a case or the project allows, and what happens beyond it."""

import csv
import io
import json
import xml.etree.ElementTree as ElementTree

import pytest

CASES = """
from pyprofiler import ProfilerCase, budget

@budget(peak_memory="1 GB", wall_time="+3%")
class Limits(ProfilerCase):
    def profile_kept(self):
        pass

    @budget(wall_time="<= 0 ns")
    def profile_broken(self):
        pass

    @budget(wall_time=["-5%", "+3%"], cpu_time=3_600_000_000_000)
    def profile_relative(self):
        pass
"""


def names(clauses):
    return [(c["clause"], c["verdict"]) for c in clauses]


def test_on_every_python(each):
    each.write("b.py", CASES + """
class Sub(Limits):
    @budget(**{"call.wall_time": "2 s"})
    @budget(wall_time="2 h")
    @budget(wall_time="1 h", peak="3 GB")
    def profile_kept(self):
        pass

    def profile_broken(self):
        pass
""")
    done = each.run_json("b.py", "stopwatch", "--quick")
    assert done.code == 6, done
    budgets = {r["case"].partition("::")[2]: r["budget"] for r in done.json["results"]}
    ofclass = {"peak_memory": "1 GB", "wall_time": "+3%"}
    assert budgets == {
        "Limits::profile_kept": ofclass,
        "Limits::profile_broken": {"peak_memory": "1 GB", "wall_time": "<= 0 ns"},
        "Limits::profile_relative": {
            "peak_memory": "1 GB", "wall_time": ["-5%", "+3%"],
            "cpu_time": 3_600_000_000_000,
        },
        "Sub::profile_kept": {
            "peak_memory": "1 GB", "wall_time": "2 h", "peak": "3 GB",
            "call.wall_time": "2 s",
        },
        "Sub::profile_broken": ofclass,
        "Sub::profile_relative": budgets["Limits::profile_relative"],
    }
    kept = done.result("Sub::profile_kept")
    assert names(kept["clauses"]) == [("wall_time <= 2 h", "kept")]
    broken = done.result("Limits::profile_broken")
    assert names(broken["clauses"]) == [("wall_time <= 0 ns", "broken")]
    assert broken["clauses"][0]["source"] == "@budget"
    assert broken["clauses"][0]["why"].startswith("is ")
    assert names(done.result("Limits::profile_relative")["clauses"]) == [
        ("cpu_time <= 3600.000 s", "kept")]
    # stored and read back
    shown = each.run("pyprofiler", "show", "latest", "--format", "json")
    stored = {r["case"].partition("::")[2]: r["budget"] for r in shown.json["results"]}
    assert stored == budgets
    # and the import of a subclass elsewhere, from the other modules of the package
    each.write("c.py", """
from pyprofiler.utils import budget as one
from pyprofiler.utils.decorator import budget as two
import pyprofiler

assert one is two is pyprofiler.budget and "budget" in pyprofiler.__all__

class C(pyprofiler.ProfilerCase):
    @one(peak=1)
    async def profile_async(self):
        self.held = bytearray(1000)
""")
    done = each.run_json("c.py", "tracemalloc")
    assert done.code == 6, done
    assert names(done.result("async")["clauses"]) == [("peak <= 1 B", "broken")]


def test_run_says_it(project):
    project.write("b.py", CASES)
    done = project.run("b.py", "stopwatch", "--quick")
    assert done.code == 6, done
    line = "budget broken: wall_time <= 0 ns, is "
    assert [l for l in done.out.splitlines() if line in l][0].endswith("(@budget)")
    tail = done.out[done.out.index("3 ok"):]
    assert "1 budget broken:\n  b.py::Limits::profile_broken  stopwatch  wall_time" in tail
    assert "budget kept" not in done.out
    assert "budget kept: cpu_time" in project.run("b.py", "stopwatch", "--quick", "-v").out
    assert project.run("--exit-zero", "b.py", "stopwatch", "--quick").code == 0
    kept = project.run("b.py::Limits::profile_kept", "stopwatch", "--quick")
    assert kept.code == 0 and "budget" not in kept.out
    # a profiler that hooks calls makes the time its own
    assert project.run("b.py", "call").code == 0
    # documents: the summary is on standard error
    document = project.run("--format=json", "b.py", "stopwatch", "--quick")
    assert "1 budget broken" in document.err and document.json


def test_what_is_worse_comes_first(project):
    project.write("b.py", CASES + """
    def profile_raises(self):
        raise ValueError("no")
""")
    done = project.run("b.py", "stopwatch", "--quick")
    assert done.code == 1 and "1 budget broken" in done.out, done
    skipped = """
from pyprofiler import ProfilerCase, budget, skip_case

class S(ProfilerCase):
    @skip_case("not here")
    @budget(nonsense=1)
    def profile_s(self):
        pass
"""
    project.write("s.py", skipped)
    done = project.run_json("s.py", "stopwatch")
    assert done.statuses == {"S::profile_s": "skipped"} and done.code == 0


WRONG = {
    "wal_time='1 s'": "no profiler measures 'wal_time', did you mean 'wall_time'?",
    "wall_time='1 MB'": "'wall_time': '1 MB' is a size, the metric is a time",
    "wall_time='3 apples'": "'wall_time': '3 apples' has an unknown unit 'apples'",
    "wall_time=None": "'wall_time' takes a limit such as '+3%', '1.5 s', '64 MB' or a "
                      "number, not NoneType",
    "wall_time=True": "a number, not bool",
    "wall_time=float('nan')": "a number, not nan",
    "wall_time=float('inf')": "a number, not inf",
    "wall_time=10 ** 400": "a number, not int",
    "wall_time=[]": "'wall_time' takes one to 8 limits, not 0",
    "wall_time=itself": "a number, not list",
    "wall_time='>= +3%'": "'>= +3%': a share says how much worse it may become",
    "'64 MB'": "it takes limits of metrics by name: wall_time='+3%'",
    "": "it takes limits of metrics by name",
    "**{'call.speed': 1}": "'call' does not measure 'speed'",
    "**{'trcer.wall_time': 1}": "no profiler 'trcer', did you mean 'tracer'?",
    "usage='1 MB'": "no profiler measures 'usage'",  # of a site, not of a case
}


def test_a_wrong_clause_is_an_error_of_its_case(each):
    methods = "".join(
        f"    @budget({clause})\n    def profile_{i:02}(self):\n        pass\n\n"
        for i, clause in enumerate(WRONG)
    )
    each.write("w.py", "from pyprofiler import ProfilerCase, budget\nitself = []\n"
               "itself.append(itself)\n\nclass W(ProfilerCase):\n" + methods +
               "    @budget\n    def profile_bare(self):\n        pass\n\n"
               "    def profile_good(self):\n        pass\n")
    done = each.run_json("w.py", "passthrough,stopwatch", "--quick")
    assert done.code == 1, done
    for result in done.json["results"]:
        name = result["case"].rpartition("_")[2]
        if name == "good":
            assert result["status"] == "ok"
            continue
        said = WRONG[""] if name == "bare" else list(WRONG.values())[int(name)]
        assert result["status"] == "error", result
        assert result["reason"].startswith("@budget: ") and said in result["reason"]


def test_the_target_must_be_callable(project):
    project.write("t.py", "from pyprofiler import ProfilerCase, budget\nbudget(wall_time=1)(3)\n")
    done = project.run("t.py", "stopwatch")
    assert done.code == 1 and "@budget decorates a profile_* method" in done.out


@pytest.mark.parametrize("text, said", [
    ("gate = 3", "'gate' in [tool.pyprofiler] is no table"),
    ("[tool.pyprofiler.gate]\nwal_time = 1", "did you mean 'wall_time'?"),
    ("[tool.pyprofiler.gate]\nnothing = 1", "no profiler measures 'nothing'"),
    ("[tool.pyprofiler.gate]\nwall_time = '1 MB'", "the metric is a time"),
    ("[tool.pyprofiler.gate]\nwall_time = true", "not a boolean"),
    ("[tool.pyprofiler.gate.'b.py']\nwall_time = 'x'", "'x' is no limit"),
])
def test_a_wrong_table_is_a_usage_error(project, text, said):
    project.write("b.py", CASES)
    project.write("pyproject.toml", f"[tool.pyprofiler]\n{text}\n")
    done = project.run("b.py", "stopwatch", "--quick")
    assert done.code == 4 and done.out == ""
    assert "pyproject.toml" in done.err and said in done.err


def test_table(project):
    project.write("b.py", CASES)
    project.write("pyproject.toml", """
[tool.pyprofiler.gate]
cpu_time = "0 ns"
call.wall_time = "0 ns"

[tool.pyprofiler.gate."b.py::*kept"]
cpu_time = "1 h"
""")
    done = project.run_json("b.py", "stopwatch,call")
    found = {
        (r["case"].rpartition("_")[2], r["profiler"]): names(r["clauses"])
        for r in done.json["results"]
    }
    assert done.code == 6
    assert found["kept", "stopwatch"] == [("cpu_time <= 1 h", "kept")]
    assert found["kept", "call"] == [("wall_time <= 0 ns", "broken")]
    # @budget wins
    assert found["relative", "stopwatch"] == [("cpu_time <= 3600.000 s", "kept")]
    assert ("cpu_time <= 0 ns", "broken") in found["broken", "stopwatch"]
    sources = {
        c["source"] for r in done.json["results"] for c in r["clauses"]}
    assert sources == {"@budget", "[tool.pyprofiler.gate]"}


MEMORY = """
from pyprofiler import ProfilerCase, budget

class M(ProfilerCase):
    @budget(peak_memory=["+5%", "350 kB"])
    def profile_a(self):
        self.held = bytearray({a})

    def profile_b(self):
        self.held = bytearray(100_000)

    @budget(peak_memory="+300%")
    def profile_c(self):
        self.held = bytearray({a})
"""


@pytest.fixture
def two_commits(project):
    """A commit at which a case takes four times the memory."""
    for size, more in ((100_000, ""), (400_000, "    def profile_d(self):\n        pass\n")):
        project.write("m.py", MEMORY.format(a=size) + more)
        project.commit(f"with {size}")
        for _ in range(6):
            project.run("-q", "--exit-zero", "m.py", "tracemalloc")
    return project


def compare(project, *args, **how):
    return project.run("pyprofiler", "compare", "HEAD~1", "HEAD", *args, **how)


def test_compare(two_commits):
    done = compare(two_commits)
    assert done.code == 6, done
    assert "budget broken: peak_memory <= +5%, is +" in done.out
    assert "budget broken: peak_memory <= 350 kB, is " in done.out
    assert "+300%" not in done.out and "2 budgets broken" in done.out
    assert compare(two_commits, "--exit-zero").code == 0
    document = compare(two_commits, "--format", "json").json
    assert document["schema"] == "pyprofiler/compare/1"
    assert document["totals"]["clauses_broken"] == 2
    items = {(i["case"][-1], i["metric"]): i for i in document["items"]}
    assert items["a", "peak"]["threshold"] == 0.05
    assert items["b", "peak"]["verdict"] == "same" and not items["b", "peak"]["clauses"]
    # +300 % is allowed: it is no regression
    assert items["c", "peak"]["verdict"] == "within-noise"
    assert names(items["c", "peak"]["clauses"]) == [("peak_memory <= +300%", "kept")]
    assert items["d", None]["uncompared"] == "only-new"


def test_what_has_no_base_is_judged_alone(two_commits):
    """Absolute clauses of a new case hold; relative ones have nothing to hold against."""
    two_commits.write("pyproject.toml", """
[tool.pyprofiler.gate."m.py::M::profile_d"]
peak_memory = ["+1%", ">= 1 B"]
"tracemalloc.current" = "1 GB"
""")
    done = compare(two_commits, "-k", "profile_d or profile_b", "-v")
    assert done.code == 6, done
    assert "budget broken: peak_memory >= 1 B, is " in done.out
    assert "budget kept: tracemalloc.current <= 1 GB" in done.out
    assert "+1%" not in done.out and "1 budget broken" in done.out
    [item] = [i for i in compare(two_commits, "--format", "json").json["items"]
              if i["case"].endswith("_d")]
    assert item["uncompared"] == "only-new"
    assert names(item["clauses"]) == [("peak_memory >= 1 B", "broken"),
                                      ("tracemalloc.current <= 1 GB", "kept")]
    # though nothing was compared
    done = compare(two_commits, "-k", "profile_d")
    assert done.code == 6 and "1 new, 1 budget broken" in done.out, done
    assert compare(two_commits, "-k", "profile_d", "--exit-zero").code == 5


def test_what_was_not_measured_is_said(two_commits):
    two_commits.write("pyproject.toml", """
[tool.pyprofiler.gate]
wall_time = "+3%"
peak_memory = "1 GB"
[tool.pyprofiler.gate.memory-time]
mean = "1 GB"
[tool.pyprofiler.gate."m.py::M::profile_b"]
cpu_time = "1 s"
[tool.pyprofiler.gate."other.py"]
cpu_time = "1 s"
""")
    said = compare(two_commits, "--format", "json").json["warnings"]
    end = "of [tool.pyprofiler.gate] was not measured, so it is not judged: m.py::M::profile_"
    assert said == [f"'wall_time' {end}a and 3 more", f"'memory-time.mean' {end}a and 3 more",
                    f"'cpu_time' {end}b"]
    assert f"warning: 'wall_time' {end}a" in compare(two_commits).out
    for part in ["-p", "tracemalloc"], ["-m", "peak"]:
        assert compare(two_commits, *part, "--format", "json").json["warnings"] == []


def test_the_table_gates_a_comparison(two_commits):
    two_commits.write("pyproject.toml", """
[tool.pyprofiler.gate]
"tracemalloc.peak" = "+1%"

[tool.pyprofiler.gate."m.py::M::profile_b"]
"tracemalloc.peak" = "-50%"
""")
    done = compare(two_commits)
    assert done.code == 6, done
    assert "tracemalloc.peak <= -50%, is " in done.out  # asked for, did not come
    assert "tracemalloc.peak <= +1%" not in done.out  # @budget wins
    two_commits.write("pyproject.toml", "[tool.pyprofiler.gate]\npeek_memory = 1\n")
    done = compare(two_commits)
    assert done.code == 4 and "did you mean 'peak_memory'?" in done.err, done


def test_formats_are_read_back(two_commits):
    table = compare(two_commits, "--format", "csv")
    rows = list(csv.DictReader(io.StringIO(table.out, newline="")))
    assert table.code == 6 and all(None not in row for row in rows)
    first = next(r for r in rows if r["case"].endswith("a") and r["metric"] == "peak")
    assert first["clauses_broken"] == "peak_memory <= +5%; peak_memory <= 350 kB"
    assert float(first["ratio"]) > 3

    root = ElementTree.fromstring(compare(two_commits, "--format", "junit").out)
    suite = root.find("testsuite")
    cases = {c.get("name"): c for c in suite.iter("testcase")}
    assert suite.get("tests") == str(len(cases)) == "4"
    failure = cases["profile_a (tracemalloc)"].find("failure")
    assert "budget broken: peak_memory <= +5%" in failure.text
    assert cases["profile_b (tracemalloc)"].find("failure") is None
    assert cases["profile_d (tracemalloc)"].find("skipped") is not None
    assert cases["profile_a (tracemalloc)"].get("file") == "m.py"
    assert suite.get("skipped") == "1"

    markdown = compare(two_commits, "--format", "markdown").out
    assert markdown.startswith("### pyprofiler: :x: ")
    assert "| m.py::M::profile\\_a | tracemalloc | peak |" in markdown


def test_github(two_commits):
    summary = two_commits.path / "summary.md"
    summary.write_text("before\n")
    done = compare(two_commits, "--format", "github",
                   env={"GITHUB_STEP_SUMMARY": str(summary)})
    assert done.code == 6
    title = "title=m.py%3A%3AM%3A%3Aprofile_a tracemalloc"
    errors = [l for l in done.out.splitlines() if l.startswith("::error ")]
    assert any(l.startswith(f"::error file=m.py,line=5,{title}::budget broken: "
                            "peak_memory <= +5%25, is +") for l in errors), errors
    text = summary.read_text()
    assert text.startswith("before\n### pyprofiler: ") and "</details>" in text
    # only this format writes it
    compare(two_commits, env={"GITHUB_STEP_SUMMARY": str(summary)})
    assert summary.read_text() == text
    done = compare(two_commits, "--format", "github",
                   "-o", "report.txt", env={"GITHUB_STEP_SUMMARY": "/proc/none/summary.md"})
    assert done.code == 3 and "GITHUB_STEP_SUMMARY" in done.err, done
    assert "::error " in (two_commits.path / "report.txt").read_text()


def test_own_metrics_are_those_of_the_profilers(project):
    """The names that `compare` knows without asking a worker, or from results."""
    project.write("m.py", MEMORY.format(a=1))
    for message in "ab":
        project.commit(message)
        project.run("-q", "m.py::M::profile_b", "passthrough")
    done = project.run("pyprofiler", "profilers", "--python", project.python,
                       "--format", "json")
    for profiler in done.json["profilers"]:
        for metric in profiler["metrics"]:
            if metric["scope"] != "result":
                continue
            name = f"{profiler['name']}.{metric['name']}"
            project.write("pyproject.toml",
                          f"[tool.pyprofiler.gate]\n'{name}x' = '1 %'\n")
            known = compare(project)
            assert known.code == 4 and f"did you mean '{metric['name']}'?" in known.err, (
                name, known)


def test_store_keeps_budgets_of_failures(project):
    project.write("f.py", """
from pyprofiler import ProfilerCase, budget

class F(ProfilerCase):
    @budget(wall_time="1 s")
    def profile_f(self):
        import os
        os.abort()
""")
    done = project.run_json("f.py", "stopwatch")
    assert done.code == 1
    shown = project.run("pyprofiler", "show", "latest", "--format", "json")
    assert json.loads(shown.out)["results"][0]["budget"] == {"wall_time": "1 s"}
    assert shown.json["results"][0]["clauses"] == []
