"""The store: what was measured is found again, and other tools can read it."""

import json
import pstats
import shutil
import subprocess
import threading

import pytest

FIB = "model/calls.py::Calls::profile_fib"


@pytest.fixture
def measured(project):
    """A commit on which fib was measured by `call`: (project, commit, result)."""
    project.add("model/calls.py", "model/marks.py")
    commit = project.commit()
    done = project.run_json(FIB, "call")
    assert done.code == 0, done
    return project, commit, done.result("profile_fib")


def show(project, *words):
    done = project.run("pyprofiler", "show", "--format=json", *words)
    assert done.code == 0, done
    return json.loads(done.out)["results"]


def test_show_is_the_latest_run(measured):
    project, _, result = measured
    assert show(project) == [result]
    later = project.run_json("model/marks.py", "passthrough").json["results"]
    assert show(project) == later


def test_show_a_commit_a_case_a_result(measured):
    project, commit, result = measured
    project.commit("another")
    second = project.run_json(FIB, "call").result("profile_fib")
    assert [r["id"] for r in show(project, commit)] == [result["id"]]
    assert [r["id"] for r in show(project, commit[:10])] == [result["id"]]
    assert [r["id"] for r in show(project, "HEAD~1")] == [result["id"]]
    assert [r["id"] for r in show(project, "HEAD")] == [second["id"]]
    assert show(project, result["id"]) == [result]
    assert second["id"] in [r["id"] for r in show(project, FIB)]


@pytest.mark.parametrize("format", ["text", "csv", "markdown"])
def test_show_formats(measured, format):
    project, _, _ = measured
    done = project.run("pyprofiler", "show", f"--format={format}")
    assert done.code == 0, done
    assert "profile_fib" in done.out.replace("\\_", "_")  # as Markdown has it


def test_show_what_is_not_there(measured):
    project, _, _ = measured
    for what in ("0123456789abcdef", "model/calls.py::Calls::profile_fob", "v9.9"):
        done = project.run("pyprofiler", "show", what)
        assert done.code == 4, done
        assert what in done.err


def test_show_without_a_store(project):
    done = project.run("pyprofiler", "show")
    assert done.code == 4, done
    assert "pyprofiler-run" in done.err or "store" in done.err


def test_store_ignores_itself(measured):
    project, _, _ = measured
    assert (project.path / ".pyprofiler" / "results.db").exists()
    assert project.git("status", "--porcelain") == ""


def export(project, result, format, *options):
    path = project.path / f"out.{format}"
    done = project.run(
        "pyprofiler", "export", result["id"], f"--format={format}", "-f", "-o", path)
    assert done.code == 0, done
    return path


def test_pstats_reads_the_export(measured):
    project, _, result = measured
    stats = pstats.Stats(str(export(project, result, "pstats")))
    calls = {name: row[:2] for (_, _, name), row in stats.stats.items()}
    assert calls["fib"] == (1, 177)  # primitive, all
    callers = {
        caller[2]: row[0]  # all calls first, other than in the row of a function
        for (_, _, name), entry in stats.stats.items() if name == "fib"
        for caller, row in entry[4].items()
    }
    assert callers == {"fib": 176, "profile_fib": 1}


def test_speedscope_export(measured):
    project, _, result = measured
    file = json.loads(export(project, result, "speedscope").read_text())
    assert file["$schema"] == "https://www.speedscope.app/file-format-schema.json"
    assert "fib" in {frame["name"] for frame in file["shared"]["frames"]}
    assert file["profiles"]


def test_collapsed_export(measured):
    project, _, result = measured
    lines = export(project, result, "collapsed").read_text().splitlines()
    stacks = [line.rpartition(" ") for line in lines]
    assert all(value.isdigit() for _, _, value in stacks)
    assert max(stack.count("fib") for stack, _, _ in stacks) >= 10  # fib(10) goes deep


def test_callgrind_export(measured):
    project, _, result = measured
    path = export(project, result, "callgrind")
    text = path.read_text()
    assert "events:" in text and "fn=" in text and "calls=" in text
    annotate = shutil.which("callgrind_annotate")
    if annotate is None:
        pytest.skip("callgrind_annotate is not installed")
    done = subprocess.run([annotate, path], capture_output=True, text=True)
    assert done.returncode == 0 and "fib" in done.stdout, done


def test_json_export(measured):
    project, _, result = measured
    exported = json.loads(export(project, result, "json").read_text())
    assert exported["results"] == [result]


def test_export_needs_its_model(measured):
    project, _, _ = measured
    plain = project.run_json("model/marks.py", "passthrough").json["results"][0]
    done = project.run("pyprofiler", "export", plain["id"], "--format=pstats", "-o", "x")
    assert done.code == 4, done
    assert "call" in done.err
    assert not (project.path / "x").exists()


def test_export_does_not_overwrite(measured):
    project, _, result = measured
    mine = project.write("mine", "mine")
    done = project.run("pyprofiler", "export", result["id"], "--format=pstats", "-o", mine)
    assert done.code == 4, done
    assert mine.read_text() == "mine"


def test_unknown_format(measured):
    project, _, result = measured
    done = project.run("pyprofiler", "export", result["id"], "--format=pstat")
    assert done.code == 4, done
    assert "pstats" in done.err


def test_several_runners_at_once(measured):
    project, _, _ = measured
    outcomes = []

    def one():
        outcomes.append(project.run_json("model/calls.py", "passthrough"))

    threads = [threading.Thread(target=one) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert [o.code for o in outcomes] == [0] * 4, outcomes
    ids = {r["id"] for o in outcomes for r in o.json["results"]}
    assert len(ids) == 8
    assert ids <= {r["id"] for r in show(project, "HEAD")}


def test_store_that_cannot_be_made(project):
    """The results are printed, and the exit code tells that they were not kept."""
    project.add("model/calls.py")
    project.write(".pyprofiler", "a file where the folder should be")
    done = project.run_json("model/calls.py", "passthrough")
    assert done.code == 3, done
    assert done.result("profile_fib")["status"] == "ok"
    assert ".pyprofiler" in done.err


def test_store_that_is_no_database(project):
    project.add("model/calls.py")
    database = project.write(".pyprofiler/results.db", "this is text, not SQLite\n" * 100)
    done = project.run_json("model/calls.py", "passthrough")
    assert done.code == 3, done
    assert done.result("profile_fib")["status"] == "ok"
    assert "results.db" in done.err
    assert database.read_text().startswith("this is text")
