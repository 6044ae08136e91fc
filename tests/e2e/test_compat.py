"""Files and command lines written for the Python package of the same name."""

import sys

import pytest

from conftest import PACKAGE


def test_case_file_runs_unmodified(each):
    each.add("compat/timing.py")
    timed = each.run_json("compat/timing.py", "stopwatch", "--units", "ms")
    assert timed.code == 0, timed
    assert timed.statuses == {
        "TimingCases::profile_not_timed": "skipped",
        "TimingCases::profile_processes": "skipped",
        "TimingCases::profile_single_process": "ok",
        "TimingCases::profile_skipped": "skipped",
        "TimingCases::profile_sort": "ok",
    }
    marks = timed.result("profile_single_process")["marks"]
    assert [m["name"] for m in marks] == ["primes", "fibonacci"]
    called = each.run_json(
        "compat/timing.py", "cprofile", "--sort", "tottime", "--strip-dirs", "--top-k", "5")
    assert called.result("profile_not_timed")["status"] == "ok"
    assert called.result("profile_single_process")["status"] == "skipped"


def test_constructor_with_profiler_and_func(each):
    each.add("compat/constructor.py")
    done = each.run_json("compat/constructor.py", "passthrough")
    assert done.result("profile_sum")["output"] == "4950\n"


def test_registered_profiler(each):
    each.add("compat/registered.py")
    done = each.run(
        "compat/registered.py::Registered::profile_marks", "counting", "--top_k", "5",
        "--shout")
    assert done.code == 0, done
    assert "function profile_marks" in done.out
    assert "settings (5, True, 'plain', 1.0)" in done.out
    assert "marks [('one', True), ('two', True)]" in done.out
    assert "summary" in done.out


def test_registered_profiler_in_json(each):
    each.add("compat/registered.py")
    done = each.run_json("compat/registered.py", "counting")
    assert done.code == 1
    marks = done.result("profile_marks")
    assert (marks["status"], marks["profiler"]) == ("ok", "counting")
    raises = done.result("profile_raises")
    assert raises["status"] == "failed"
    assert "under a Python profiler" in raises["reason"]


@pytest.mark.parametrize("options, says", [
    (["--top-k", "many"], "many"),
    (["--style", "plane"], "plain"),
    (["--tpo-k", "3"], "top-k"),
])
def test_options_of_a_registered_profiler_are_checked(project, options, says):
    project.add("compat/registered.py")
    done = project.run("compat/registered.py", "counting", *options)
    assert done.code == 4, done
    assert says in done.err


@pytest.mark.parametrize("where", ["start", "reset", "report"])
def test_registered_profiler_that_raises(each, where):
    each.add("compat/registered_broken.py")
    done = each.run_json("compat/registered_broken.py", f"breaks-in-{where}")
    assert done.code == 1, done
    result = done.result("profile_body")
    assert result["status"] == "error"
    assert f"in {where}" in f"{result['reason']}\n{result['traceback']}"


def test_broken_profiler_is_named(project):
    project.add("compat/registered_broken.py")
    done = project.run("compat/registered_broken.py", "breaks-in-description")
    assert done.code not in (0, 3), done
    assert "in description" in done.out + done.err


def test_cases_run_by_a_case(each):
    """with_profiler_name and runCases, on the built-in backends."""
    each.add("compat/inprocess.py")
    done = each.run_json("compat/inprocess.py::Outer", "passthrough")
    assert done.code == 0, done
    output = done.result("profile_outer")["output"]
    assert "Running: Inner:profile_inner" in output
    assert "Add trace: `mark`" in output
    assert "wall" in output


def test_command_line_of_the_predecessor(each):
    each.add("compat/timing.py")
    module = [each.python, "-m", "pyprofiler.cli"]
    env = {"PYTHONPATH": str(PACKAGE), "PYPROFILER_BIN": str(each.bin_dir)}
    each.command = lambda *words: [*module, *words]
    listed = each.run("--lists", "compat/timing.py", env=env)
    assert listed.code == 0, listed
    assert "profile_single_process" in listed.out
    ran = each.run("compat/timing.py::TimingCases::profile_sort", "cprofile", env=env)
    assert ran.code == 0, ran
    assert "profile_sort" in ran.out


def test_command_line_without_the_runner(tmp_path, project):
    project.command = lambda *words: [sys.executable, "-m", "pyprofiler.cli", *words]
    env = {"PYTHONPATH": str(PACKAGE), "PATH": str(tmp_path)}
    done = project.run("x.py", "stopwatch", env=env)
    assert done.code == 4
    assert "pyprofiler-run" in done.err
