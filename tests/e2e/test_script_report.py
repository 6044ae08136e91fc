"""What is told of a script that was run: summary, files, the comparison with earlier runs."""
import json
import re

import pytest

# Its peak follows what the file says; the source stays the same.
SCRIPT = """
def hold(n):
    return bytearray(n)
def main():
    block = hold(int(open("size.txt").read()) << 20)
    block[::4096] = b"x" * len(block[::4096])
main()
"""
ENOUGH = 5


@pytest.fixture
def script(project):
    project.write("hold.py", SCRIPT)
    project.write("size.txt", "30")
    return project


def report(project, *args):
    """The JSON report of one run."""
    return project.run_json("--force", *args).json


def row(document, name, function=None):
    found = [r for r in document["comparison"]["rows"] if r["name"] == name
             and (r.get("hotspot") or {}).get("function") == function]
    assert len(found) == 1, document["comparison"]["rows"]
    return found[0]


def test_text_summary(script):
    done = script.run("hold.py")
    assert done.code == 0 and done.out == "", done
    for words in ("wall time", "CPU time", "average CPU", "peak memory", "Hotspots",
                  "Regression check", "this is the first run", "5 more runs are needed"):
        assert words in done.err, done
    assert re.search(r"\bmain  .*hold.py:4$", done.err, re.M), done
    assert re.search(r"^\[[0-9a-z]+\]$", done.err, re.M), done


def test_text_to_a_file(script):
    done = script.run("hold.py", "-o", "report.txt")
    assert done.code == 0 and "Hotspots" not in done.err, done
    assert "Hotspots" in (script.path / "report.txt").read_text()
    assert script.run("hold.py", "-o", "report.txt").code == 4
    assert script.run("hold.py", "-f", "-o", "report.txt").code == 0


def test_quiet_says_nothing(script):
    done = script.run("-q", "hold.py")
    assert (done.code, done.out, done.err) == (0, "", ""), done


def test_json(script):
    document = report(script, "hold.py")
    assert document["schema"] == "pyprofiler/script/1"
    assert [r["case"] for r in document["results"]] == ["hold.py"]
    assert document["summary"]["peak_memory"]["value"] > 30 << 20
    assert document["summary"]["wall_time"]["unit"] == "ns"
    spot = {s["function"]: s for s in document["hotspots"]}.get("main")
    assert spot is None or (spot["calls"], spot["line"]) == (1, 4)
    assert document["comparison"]["earlier"] == []
    again = report(script, "hold.py")
    assert [e["id"] for e in again["comparison"]["earlier"]] == [document["results"][0]["id"]]
    assert row(again, "peak_memory")["verdict"] == "not enough runs"
    assert row(again, "peak_memory")["needed"] == ENOUGH - 1


@pytest.mark.parametrize("profiler", [
    "passthrough", "stopwatch", "call", "tracemalloc", "memory-line", "memory-time", "callgraph",
    "tracer", "line", "sampling"])
def test_every_profiler(script, profiler):
    document = report(script, "hold.py", profiler)
    assert document["summary"]["wall_time"]["value"] > 0
    assert document["hotspots"] or document["hotspots_note"]
    done = script.run("hold.py", profiler)
    assert done.code == 0 and "Hotspots" in done.err, done


def test_memory_regression(script):
    for _ in range(ENOUGH):
        assert script.run("-q", "hold.py").code == 0
    same = report(script, "hold.py")
    assert row(same, "peak_memory")["verdict"] == "no change"
    script.write("size.txt", "120")
    done = script.run("hold.py", "--fail-on-regression")
    assert done.code == 6 and "peak memory: regression" in done.err, done
    assert script.run("hold.py", "--fail-on-regression", "--exit-zero").code == 0
    assert script.run("hold.py", "--previous", "0", "--fail-on-regression").code == 0
    quiet = script.run("-q", "hold.py", "--previous", "3")
    assert "regression" not in quiet.err  # three earlier runs are too few
    wide = report(script, "hold.py", "--threshold", "99%")
    document = report(script, "hold.py")
    assert row(wide, "peak_memory")["n"] == ENOUGH + 5
    assert wide["comparison"]["threshold"] == 0.99
    assert document["comparison"]["threshold"] == 0.1


def test_only_the_same_is_compared(script):
    script.run("-q", "hold.py")
    script.run("-q", "hold.py", "line")
    assert report(script, "hold.py", "--", "argument")["comparison"]["earlier"] == []
    assert report(script, "hold.py", "stopwatch")["comparison"]["earlier"] == []
    assert len(report(script, "hold.py")["comparison"]["earlier"]) == 1


def test_a_failed_run_is_not_compared(script):
    for _ in range(2):
        script.run("-q", "hold.py")
    script.write("size.txt", "no number")
    done = script.run("hold.py", "--fail-on-regression")
    assert done.code == 1 and "failed" in done.err, done
    assert "none: the run did not end well" in done.err, done
    assert "Hotspots" in done.err
    script.write("size.txt", "30")
    assert len(report(script, "hold.py")["comparison"]["earlier"]) == 2


def test_a_crash_is_told(project):
    project.write("boom.py", "import os\ndef f():\n    os.abort()\nf()\n")
    done = project.run("boom.py", "--report-dir", "reports")
    assert done.code == 134 and "crashed (SIGABRT)" in done.err, done
    assert "wall time" in done.err
    assert len(list((project.path / "reports/html").iterdir())) == 1


def test_changed_source(script):
    first = script.commit()
    script.run("-q", "hold.py")
    script.write("hold.py", SCRIPT + "# more\n")
    second = script.commit()
    done = script.run("hold.py")
    assert f"the source was changed since the run before ({first[:10]}, now {second[:10]})" \
        in done.err, done
    assert report(script, "hold.py")["comparison"]["source_changed"] is False


def test_report_files(script):
    done = script.run("hold.py", "--report-dir", "reports")
    assert done.code == 0, done
    names = []
    for kind in ("json", "html"):
        files = list((script.path / "reports" / kind).iterdir())
        assert len(files) == 1 and f"reports/{kind}/{files[0].name}" in done.err, done
        assert re.fullmatch(rf"hold\.py-\d{{4}}-\d\d-\d\dT\d\d-\d\d-\d\d\.\d{{6}}Z\.{kind}",
                            files[0].name)
        names += files
    assert json.loads(names[0].read_text())["schema"] == "pyprofiler/script/1"
    page = names[1].read_text()
    assert page.startswith("<!DOCTYPE html>") and "Flame graph" in page
    assert not re.search(r"(src|href)=\"(?!data:)", page)
    script.run("-q", "hold.py", "--report-dir", "reports")
    assert len(list((script.path / "reports" / "json").iterdir())) == 2


def test_report_dir_of_the_configuration(script):
    script.write("pyproject.toml", '[tool.pyprofiler]\nreport-dir = "kept/reports"\n'
                 'script-threshold = "25%"\nthreshold = "1%"\n')
    folder = script.path / "elsewhere"
    folder.mkdir()
    assert script.run("-q", "-c", "pass", cwd=folder).code == 0
    (name,) = (script.path / "kept/reports/json").iterdir()
    # `threshold` is that of compare
    assert json.loads(name.read_text())["comparison"]["threshold"] == 0.25


def test_wrong_options(script):
    script.write("file", "")
    for words in (["--report-dir", "file/x"], ["--threshold", "much"], ["--previous", "-1"],
                  ["--script-threshold", "200%"]):
        done = script.run("hold.py", *words)
        assert done.code == 4 and words[0].lstrip("-") in done.err, done
        assert not list(script.path.glob(".pyprofiler/results.db")), words


def test_without_a_store(script):
    done = script.run("hold.py", "--no-store")
    assert done.code == 0 and "first run" in done.err, done
    assert not re.search(r"^\[[0-9a-z]+\]$", done.err, re.M), done
    script.run("-q", "hold.py")
    document = report(script, "hold.py", "--no-store")
    assert len(document["comparison"]["earlier"]) == 1


def test_html_of_a_script(script):
    done = script.run("hold.py", "--format", "html", "-o", "page.html")
    assert done.code == 0, done
    page = (script.path / "page.html").read_text()
    assert "Regression check" in page and "peak memory" in page


def test_several_profilers_several_documents(script):
    done = script.run("hold.py", "call,line", "--format", "json", "-o", "out.json")
    assert done.code == 0, done
    profilers = [json.loads((script.path / name).read_text())["results"][0]["profiler"]
                 for name in ("out.json", "out-2.json")]
    assert profilers == ["call", "line"]


def test_names_are_escaped(project):
    evil = "<img src=x onerror=alert(1)>"
    project.write("evil.py", f"def f(): pass\nf.__code__ = f.__code__.replace("
                  f"co_name={evil!r}, co_qualname={evil!r})\nf()\n")
    project.run("evil.py", "--format", "html", "-o", "page.html", "--", evil)
    page = (project.path / "page.html").read_text()
    assert evil not in page and "&lt;img src=x onerror=alert(1)&gt;" in page


def test_html_of_cases(project):
    project.write("case.py", "from pyprofiler import ProfilerCase\n"
                  "class C(ProfilerCase):\n    def profile_it(self):\n        sum(range(9))\n")
    assert project.run("case.py", "call", "--format", "html", "-o", "page.html").code == 0
    page = (project.path / "page.html").read_text()
    assert "C.profile_it" in page and "Flame graph" in page and "Regression" not in page
    exported = project.run("pyprofiler", "export", "latest", "--format", "html", "-o", "-")
    assert exported.code == 0 and "C.profile_it" in exported.out, exported


def test_other_documents_lose_no_verdict_and_no_files(script):
    script.write("case.py", "from pyprofiler import ProfilerCase\n"
                 "class C(ProfilerCase):\n    def profile_it(self):\n        sum(range(9))\n")
    for _ in range(ENOUGH):
        script.run("-q", "hold.py")
    script.write("size.txt", "90")
    for words in (["--format=speedscope"], ["--format=json", "case.py"]):
        done = script.run("hold.py", *words, "--no-store", "--fail-on-regression",
                          "--report-dir", "reports", "-f", "-o", "document")
        assert done.code == 6, done
    names = list((script.path / "reports" / "json").iterdir())
    assert len(names) == 2
    for name in names:
        assert json.loads(name.read_text())["comparison"]["regressions"] > 0
    document = json.loads((script.path / "document").read_text())
    assert document["schema"] == "pyprofiler/run/1" and len(document["results"]) == 2


def test_names_of_report_files_are_not_hidden(project):
    project.write("\u65e5\u672c.py", "print(1)\n")
    assert project.run("-q", "\u65e5\u672c.py", "--report-dir", "reports").code == 0
    (name,) = (project.path / "reports" / "json").iterdir()
    assert name.name.startswith("py-")


def test_options_of_the_table_start_no_new_history(script):
    report(script, "hold.py", "call", "--sort=time")
    report(script, "hold.py", "call", "--top-k=3", "--strip-dirs")
    assert len(report(script, "hold.py", "call")["comparison"]["earlier"]) == 2
    assert report(script, "hold.py", "call", "--ignore-c-function")["comparison"]["earlier"] == []
