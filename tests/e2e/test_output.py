"""What is printed where: streams, files, colours, JSON."""

import json
import os
import pty
import re

import pytest

CALLS = "model/calls.py"
ESCAPE = "\x1b["


@pytest.fixture
def calls(project):
    return project.add("model")


def test_results_to_stdout_progress_to_stderr(calls):
    done = calls.run(CALLS, "call")
    assert done.code == 0
    assert "fib" in done.out and "177" in done.out
    assert "profile_fib" in done.err
    quiet = calls.run("-q", CALLS, "call")
    assert len(quiet.err) < len(done.err)


def test_json_schema(each):
    each.add(CALLS)
    commit = each.commit()
    done = each.run_json(f"{CALLS}::Calls::profile_fib", "call")
    run = done.json
    assert run["schema"] == "pyprofiler/run/1"
    assert {"run", "commit", "python", "machine", "results"} <= run.keys()
    assert run["commit"]["id"] == commit
    assert run["commit"]["branch"] == "main"
    assert run["commit"]["dirty"] is False
    assert re.fullmatch("[0-9a-f]{40}", run["commit"]["tree"])
    assert run["python"].keys() >= {"version", "executable", "host"}
    assert os.path.samefile(run["python"]["executable"], each.python)
    assert run["machine"]["fingerprint"]
    (result,) = run["results"]
    assert result.keys() >= {
        "id", "case", "profiler", "status", "reason", "signal", "traceback",
        "duration_ns", "lost", "metrics", "sites", "marks", "output",
    }
    assert result["case"] == f"{CALLS}::Calls::profile_fib"
    assert (result["profiler"], result["status"], result["lost"]) == ("call", "ok", 0)
    assert result["duration_ns"] > 0
    site = result["sites"][0]
    assert site.keys() >= {"file", "line", "function", "calls", "own_ns", "cumulative_ns"}


def test_stopwatch_metrics(each):
    each.add(CALLS)
    done = each.run_json(f"{CALLS}::Calls::profile_sort", "stopwatch", "--rounds=5")
    assert done.code == 0, done
    metric = done.result("profile_sort")["metrics"]["wall_time"]
    assert metric["unit"] == "ns" and metric["better"] == "less"
    assert metric["n"] == len(metric["samples"]) == 5
    low, high = metric["ci95"]
    assert low <= metric["value"] <= high
    assert min(metric["samples"]) <= metric["value"] <= max(metric["samples"])


def test_output_is_captured(calls):
    calls.write("says.py", """\
import os, sys
from pyprofiler import ProfilerCase
class Says(ProfilerCase):
    def profile_good(self):
        print("from python")
        os.write(1, b"from below\\n")
        os.system("echo from a child")
        print("on stderr", file=sys.stderr)
    def profile_bad(self):
        print("before the end")
        raise ValueError
""")
    done = calls.run_json("says.py", "passthrough")
    good = done.result("profile_good")["output"]
    for text in ("from python", "from below", "from a child", "on stderr"):
        assert text in good
    text = calls.run("says.py", "passthrough")
    assert "from python" not in text.out + text.err
    assert "before the end" in text.out + text.err  # shown on failure
    shown = calls.run("-s", "says.py", "passthrough")
    assert "from python" in shown.out + shown.err


def test_output_file(calls):
    report = calls.path / "report.json"
    first = calls.run("--format=json", "-o", report, CALLS, "passthrough")
    assert first.code == 0, first
    assert first.out == ""
    assert json.loads(report.read_text())["schema"] == "pyprofiler/run/1"


def test_no_file_is_overwritten_without_force(calls):
    report = calls.write("report.json", "mine")
    refused = calls.run("--format=json", "-o", report, CALLS, "passthrough")
    assert refused.code == 4, refused
    assert "report.json" in refused.err and "-f" in refused.err
    assert report.read_text() == "mine"
    forced = calls.run("--format=json", "-f", "-o", report, CALLS, "passthrough")
    assert forced.code == 0, forced
    assert json.loads(report.read_text())["results"]


def test_dash_is_stdout(calls):
    done = calls.run("--format=json", "-o", "-", CALLS, "passthrough")
    assert done.code == 0
    assert done.json["results"]


def test_output_to_a_folder_that_is_not_there(calls):
    done = calls.run("-o", "no/such/folder/report", CALLS, "passthrough")
    assert done.code in (3, 4), done
    assert "no/such/folder" in done.err


@pytest.mark.parametrize("env, options, colored", [
    ({}, [], False),
    ({"FORCE_COLOR": "1"}, [], True),
    ({"CLICOLOR_FORCE": "1"}, [], True),
    ({"NO_COLOR": "1", "FORCE_COLOR": "1"}, [], False),
    ({"NO_COLOR": "", "FORCE_COLOR": "1"}, [], True),
    ({"NO_COLOR": "1"}, ["--color=always"], True),
    ({"FORCE_COLOR": "1"}, ["--color=never"], False),
])
def test_color_in_a_pipe(calls, env, options, colored):
    done = calls.run(*options, CALLS, "call", env=env)
    assert (ESCAPE in done.out + done.err) == colored


@pytest.mark.parametrize("env, options, colored", [
    ({}, [], True),
    ({"TERM": "dumb"}, [], False),
    ({"NO_COLOR": "1"}, [], False),
    ({}, ["--color=never"], False),
])
def test_color_on_a_terminal(calls, env, options, colored):
    controller, terminal = pty.openpty()
    process = calls.start(
        *options, CALLS, "call", env=env, stdin=terminal, stdout=terminal, stderr=terminal)
    os.close(terminal)
    chunks = []
    while True:
        try:
            chunk = os.read(controller, 65536)
        except OSError:  # the last writer closed it
            break
        if not chunk:
            break
        chunks.append(chunk)
    os.close(controller)
    assert calls.finish(process).code == 0
    text = b"".join(chunks).decode()
    assert "fib" in text
    assert ("\x1b[" in re.sub(r"\x1b\[[0-9]*[KGAJ]|\x1b\[\?25[lh]", "", text)) == colored


@pytest.mark.parametrize("format", ["json", "csv", "markdown", "text"])
def test_no_color_in_formats_for_machines(calls, format):
    done = calls.run("pyprofiler", "run", "--python", calls.python, "--color=always",
                     f"--format={format}", CALLS, "call")
    assert done.code == 0, done
    assert "profile_fib" in done.out.replace("\\_", "_")  # as Markdown has it
    assert (ESCAPE in done.out) == (format == "text")


def test_help_and_version(calls):
    for words in (["--help"], ["pyprofiler", "--help"], ["pyprofiler", "show", "--help"]):
        done = calls.run(*words)
        assert done.code == 0, done
        assert "--" in done.out and done.err == ""
    done = calls.run("pyprofiler", "--version")
    assert done.code == 0
    assert re.search(r"\d+\.\d+", done.out)


def test_help_of_a_profiler(calls):
    done = calls.run(CALLS, "stopwatch", "--help")
    assert done.code == 0, done
    assert "--rounds" in done.out and "--max-time" in done.out


def test_profilers(each):
    done = each.run("pyprofiler", "profilers", "--python", each.python)
    assert done.code == 0, done
    for name in ("stopwatch", "call", "cprofile", "passthrough"):
        assert name in done.out


def test_unknown_command(calls):
    done = calls.run("pyprofiler", "shwo")
    assert done.code == 4, done
    assert "show" in done.err


def test_a_reader_that_goes_away(calls):
    """`| head -1`: no traceback, no hang."""
    reader, writer = os.pipe()
    process = calls.start("--format=json", CALLS, "call", stdout=writer)
    os.close(writer)
    os.close(reader)
    done = calls.finish(process)
    assert done.code != 0


def test_a_reader_that_has_enough(calls):
    """`show | head -1` is no error: nobody lost anything."""
    assert calls.run(CALLS, "call").code == 0
    reader, writer = os.pipe()
    process = calls.start("pyprofiler", "show", stdout=writer)
    os.close(writer)
    os.close(reader)
    done = calls.finish(process)
    assert (done.code, done.err) == (0, "")


SMALL = """\
from pyprofiler import ProfilerCase


class Small(ProfilerCase):
    def profile_a(self):
        self.kept = [str(i) for i in range(100)]

    def profile_b(self):
        pass
"""


@pytest.mark.parametrize("words, what", [
    (["callgraph", "--include", "nomatch.*"], "--include 'nomatch.*' matched no function"),
    (["call", "--include-files", "no.py"], "--include-files 'no.py' matched no file"),
    (["tracer", "--include-files", "no.py"], "--include-files 'no.py' matched no file"),
])
def test_filters_that_match_nothing_are_told(each, words, what):
    each.write("small.py", SMALL)
    done = each.run("small.py", *words)
    assert done.code == 0 and done.out.count(what) == 2, done
    both = each.run("small.py", *words[:2], "*small*,nomatch*")
    assert "nomatch*' matched no" in both.out and "*small*' matched" not in both.out, both


@pytest.mark.parametrize("words, what", [
    (["callgraph", "--include", ""], "--include needs a value, not ''"),
    (["line", "--functions", ","], "--functions needs a value, not ','"),
    (["callgraph", "--folder", "/proc/nope"], "cannot make folder '/proc/nope'"),
    (["memory-time", "--plots-directory", "/proc/nope"], "cannot make folder '/proc/nope'"),
])
def test_what_cannot_be_is_refused_before_anything_runs(project, words, what):
    project.write("small.py", SMALL)
    done = project.run("small.py", *words)
    assert done.code == 4 and what in done.err and done.out == "", done


@pytest.mark.parametrize("profiler", ["memory-time", "memory-line"])
def test_usage_error_of_a_profiler(each, profiler):
    each.write("small.py", SMALL)
    done = each.run("small.py", profiler, "--backend", "tracemalloc", "-C")
    assert done.code == 4 and done.err.count(f"pyprofiler: error: {profiler}: ") == 1, done
    stored = each.run("pyprofiler", "show", "--format", "json")
    assert set(stored.statuses.values()) == {"error"}


@pytest.mark.parametrize("profiler, format, who", [
    ("tracemalloc", "svg", "call, memory-time, callgraph, tracer, sampling"),
    ("tracemalloc", "chrometrace", "tracer"),
    ("call", "perfetto", "tracer"),
])
def test_who_has_what_a_format_needs(project, profiler, format, who):
    project.write("small.py", SMALL)
    assert project.run("small.py::Small::profile_a", profiler).code == 0
    done = project.run("pyprofiler", "export", "latest", "--format", format)
    assert done.code == 4 and done.err.endswith(f"; these have it: {who}\n"), done


def test_a_trace_of_nothing(each):
    each.write("small.py", SMALL)
    done = each.run("small.py::Small::profile_b", "tracer", "--include-files", "no.py",
                    "--output-file", "trace.json")
    assert done.code == 0 and "nothing was recorded: the result has no event" in done.err
    done = each.run("pyprofiler", "export", "latest", "--format", "perfetto")
    assert done.code == 4 and "nothing was recorded: the result has no event" in done.err


@pytest.mark.parametrize("unit, name", [("1", "s"), ("1e-3", "ms"), ("1e-6", "us")])
def test_unit_of_line_profiler(each, unit, name):
    each.write("small.py", SMALL)
    words = ["small.py::Small::profile_a", "line"]
    done = each.run(*words, "--unit", unit)
    timer = [row for row in done.out.splitlines() if "Timer unit" in row]
    assert timer and done.code == 0, done
    assert timer == [row for row in each.run(*words, "--units", name).out.splitlines()
                     if "Timer unit" in row]


def test_help_names_files_not_formats(project):
    project.write("small.py", SMALL)
    shown = "".join(project.run("small.py", profiler, "--help").out
                    for profiler in ("callgraph", "tracer", "memory-time"))
    for entry in ("--folder DIR", "--output-file FILE", "--plots-directory FOLDER",
                  "--keep-file[=FOLDER]"):
        assert f"{entry} " in shown or f"{entry}\n" in shown, (entry, shown)
