"""The cases that ship: all of them run, and what the tutorial says is so."""

import shutil

import pytest

from conftest import SOURCE


@pytest.fixture
def shipped(each):
    skip = shutil.ignore_patterns("__pycache__", ".pyprofiler")
    shutil.copytree(SOURCE / "cases", each.path / "cases", ignore=skip)
    return each


@pytest.mark.parametrize("profiler", [["stopwatch", "--rounds=2"], ["call"]],
                         ids=["stopwatch", "call"])
def test_all_run(shipped, profiler):
    done = shipped.run_json("cases/", *profiler)
    assert done.code == 0, done
    bad = {r["case"]: r["reason"] for r in done.json["results"]
           if r["status"] not in ("ok", "skipped")}
    assert not bad
    unexplained = [
        r["case"] for r in done.json["results"]
        if r["status"] == "skipped" and "packages/" not in r["case"]
        and "03_choices" not in r["case"]
    ]
    assert not unexplained
    assert sum(r["status"] == "ok" for r in done.json["results"]) > 25


def test_tutorial(project):
    shutil.copytree(SOURCE / "cases", project.path / "cases")
    first = "cases/tutorial/01_first.py"
    second = "cases/tutorial/02_fixtures.py"
    done = project.run_json(f"{first}::Fibonacci::profile_recursive", "cprofile")
    calls = {s["function"]: s["calls"] for s in done.result("recursive")["sites"]}
    assert calls["recursive"] == 1973
    listed = project.run("--list", second)
    assert f"{second}::Sorting::profile_insertion[n=100]" in listed.out
    chosen = project.run_json("-k", "sorted and not 1000", second, "passthrough")
    assert [r["case"] for r in chosen.json["results"]] == [
        f"{second}::Sorting::profile_sorted[n=100]",
    ]
    marks = project.run_json(f"{second}::Files", "stopwatch", "--quick")
    assert [m["name"] for m in marks.json["results"][0]["marks"]] == ["written", "read"]
