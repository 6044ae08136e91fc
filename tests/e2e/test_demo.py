"""`pyprofiler demo`: the profilers on a small program, and on their analysis of it."""

import json
import os
import re

import pytest


@pytest.fixture
def shown(each):
    done = each.run("pyprofiler", "demo", "--python", each.python, "-o", "out")
    assert done.code == 0, done
    return done, each.path / "out"


def test_both_sessions_are_shown(shown):
    """The analysis is measured like any other program: its functions are in the table."""
    done, folder = shown
    program, _, analysis = done.out.partition("The analysis of what was measured of it")
    assert re.search(r"\d+/1 .*\(quicksort\)", program)
    assert re.search(r"\(analyse\)", analysis) and re.search(r"\(figures\)", analysis)
    for part in (program, analysis):
        assert re.search(r"^  \|all +\|$", part, re.M)
    assert "quicksort" not in re.sub(r'"[^"]*"', "", analysis.partition("flame graph")[0])


def test_results_are_written(shown):
    """Exact where it can be: the program is the same in each demo."""
    done, folder = shown
    document = json.loads((folder / "program" / "call.json").read_text())
    (result,) = document["results"]
    calls = {s["function"]: s["calls"] for s in result["sites"]}
    assert calls["numbers"] == 6002 and calls["count_words"] == 1
    assert calls["sentences"] == 3001
    document = json.loads((folder / "analysis" / "call.json").read_text())
    calls = {s["function"]: s["calls"] for s in document["results"][0]["sites"]}
    n_results = len(list((folder / "program").glob("*.json")))
    assert calls["analyse"] == 1 and calls["figures"] >= 1
    assert calls["figures"] <= n_results
    assert not [name for name in calls if "Session.start" in name or "Region" in name]


def test_nothing_is_stored(each):
    each.commit()
    assert each.run("pyprofiler", "demo", "--python", each.python).code == 0
    assert not list(each.path.rglob("*.db"))


def test_folder_that_cannot_be_written(project):
    project.write("taken", "")
    done = project.run("pyprofiler", "demo", "--python", project.python, "-o", "taken/x")
    assert done.code == 3 and "taken" in done.err


def test_no_such_interpreter(project):
    done = project.run("pyprofiler", "demo", "--python", "/nowhere/python3")
    assert done.code == 4 and "/nowhere/python3" in done.err


def test_reader_that_has_seen_enough(project):
    """`pyprofiler demo | head`: no traceback, and what is to be written is written."""
    reader, writer = os.pipe()
    os.close(reader)
    process = project.start("pyprofiler", "demo", "--python", project.python, "-o", "out",
                            stdout=writer)
    os.close(writer)
    done = project.finish(process)
    assert done.code == 0 and done.err == "", done
    assert list((project.path / "out" / "analysis").iterdir())
