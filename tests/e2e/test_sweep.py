"""sweep: the cases of today at many commits; nothing is measured twice."""

import signal

import pytest

from conftest import wait_for
from measured_trees import CASES, PACKAGE, snapshot, stored, sweep, swept, words, write_history


@pytest.fixture
def trees(tmp_path, project):
    project.scratch = tmp_path / "scratch"
    project.scratch.mkdir()
    project.env["TMPDIR"] = str(project.scratch)
    project.ids = write_history(project)
    return project


def leftovers(project):
    return list(project.scratch.iterdir())


def checkouts(project):
    return list(project.scratch.glob("pyprofiler-trees-*"))


def results_of(project, commit):
    return [r for r in stored(project, commit) if r["profiler"]]


def test_all_then_nothing(trees):
    before = snapshot(trees)
    first = sweep(trees, "ALL", "--runs=1")
    assert first.code == 0, first
    assert swept(first) == {"one": "measured: 1 result", "two": "measured: 2 results",
                            "three": "measured: 2 results"}
    # newest, oldest, then between
    assert [line[:10] for line in first.out.splitlines()] == [
        trees.ids[i][:10] for i in (2, 0, 1)]
    again = sweep(trees, "ALL", "--runs=1")
    assert set(swept(again).values()) == {"stored"} and again.code == 0
    assert snapshot(trees) == before
    assert leftovers(trees) == []


def test_results_belong_to_their_commit(each):
    ids = write_history(each)
    sweep(each, "HEAD~1..HEAD", "--runs=2")
    found = results_of(each, ids[2])
    assert sorted(r["case"].rpartition("_")[2] for r in found) == ["new"] * 2 + ["work"] * 2
    assert {r["status"] for r in found} == {"ok"}
    none = each.run("pyprofiler", "show", ids[1])
    assert none.code != 0


def test_what_a_commit_lacks_is_kept_and_not_tried_again(trees):
    sweep(trees, "ALL", "--runs=1")
    found = {r["case"].rpartition("_")[2]: r for r in results_of(trees, trees.ids[0])}
    assert found["work"]["status"] == "ok"
    assert found["new"]["status"] == "failed"
    assert "no attribute 'new'" in found["new"]["reason"]
    assert swept(sweep(trees, "ALL", "--runs=1"))["one"] == "stored"


def test_more_runs_than_before(trees):
    sweep(trees, "ALL", "--runs=1")
    more = sweep(trees, "HEAD~1..HEAD", "--runs=3")
    assert swept(more) == {"three": "measured: 4 results"}
    assert sum(r["status"] == "ok" for r in results_of(trees, trees.ids[2])) >= 4
    assert swept(sweep(trees, "HEAD~1..HEAD", "--runs=3")) == {"three": "stored"}


def test_again(trees):
    sweep(trees, "HEAD~1..HEAD", "--runs=1")
    assert swept(sweep(trees, "HEAD~1..HEAD", "--runs=1", "--again")) == {
        "three": "measured: 2 results"}


def test_other_options_are_other_results(trees):
    sweep(trees, "HEAD~1..HEAD", "--runs=1")
    other = sweep(trees, "HEAD~1..HEAD", "--runs=1",
                  run=("profiling/", "stopwatch", "--rounds", "4"))
    assert swept(other) == {"three": "measured: 2 results"}


def test_cannot_be_built(trees):
    trees.write("pkg/built", "")
    trees.commit("can be built")
    first = sweep(trees, "HEAD~2..HEAD", "--runs=1", "--build", "echo why; test -e pkg/built")
    assert first.code == 0, first
    lines = swept(first)
    assert lines["can be built"] == "measured: 2 results"
    assert "the build failed: ended with exit code 1" in lines["three"]
    assert "why" in first.err
    found = results_of(trees, trees.ids[2])
    assert {r["status"] for r in found} == {"error"} and len(found) == 2
    # remembered, also by another command; --again builds anew
    assert set(swept(sweep(trees, "HEAD~2..HEAD", "--runs=1")).values()) == {"stored"}
    again = sweep(trees, "HEAD~2..HEAD", "--runs=1", "--again")
    assert set(swept(again).values()) == {"measured: 2 results"}


def test_nothing_can_be_built(trees):
    outcome = sweep(trees, "HEAD~1..HEAD", "--build", "false")
    assert outcome.code == 1, outcome
    assert leftovers(trees) == []


def test_a_file_that_an_old_commit_cannot_import(trees):
    trees.write("pkg/extra.py", "x = 1\n")
    trees.write("profiling/case_work.py", CASES.replace("import pkg\n",
                                                        "import pkg, pkg.extra\n"))
    trees.commit("extra")
    first = sweep(trees, "HEAD~2..HEAD", "--runs=1")
    assert "No module named 'pkg.extra'" in swept(first)["three"], first
    assert swept(first)["extra"] == "measured: 2 results"
    assert set(swept(sweep(trees, "HEAD~2..HEAD", "--runs=1")).values()) == {"stored"}


# ---- ranges ----------------------------------------------------------------------------


def test_new(trees):
    nothing = sweep(trees, "NEW", "--runs=1")
    assert swept(nothing) == {"three": "measured: 2 results"}  # only the newest at first
    up_to_date = sweep(trees, "NEW", "--runs=1")
    assert up_to_date.code == 0 and up_to_date.out == ""
    assert "nothing is new" in up_to_date.err
    trees.write("pkg/__init__.py", PACKAGE.format(n=5) + "def new(): pass\n")
    trees.commit("four")
    trees.commit("five")
    assert set(swept(sweep(trees, "NEW", "--runs=1"))) == {"four", "five"}


def test_existing(trees):
    sweep(trees, "HEAD~1..HEAD", "--runs=1")
    assert set(swept(sweep(trees, "EXISTING", "--runs=2"))) == {"three"}
    assert sweep(trees, "EXISTING", "--store", "other.db").code == 5


def test_tags(trees):
    trees.git("tag", "v1", trees.ids[0])
    trees.git("tag", "-a", "-m", "2", "v2", trees.ids[1])
    assert set(swept(sweep(trees, "TAGS", "--runs=1"))) == {"one", "two"}


def test_steps(trees):
    for i in range(4, 12):
        trees.commit(str(i))
    assert set(swept(sweep(trees, "ALL", "--runs=1", "--steps=3"))) == {"one", "6", "11"}
    assert set(swept(sweep(trees, "ALL", "--runs=1", "--steps=1"))) == {"11"}


def test_first_parent(trees):
    trees.git("switch", "-q", "-c", "side", "HEAD~1")
    trees.commit("on the side")
    trees.git("switch", "-q", "main")
    trees.git("merge", "-q", "--no-edit", "-m", "merged", "side")
    range_ = f"{trees.ids[2]}..HEAD"
    whole = swept(sweep(trees, range_, "--runs=1"))
    assert set(whole) == {"merged", "on the side"}
    assert set(swept(sweep(trees, range_, "--first-parent", "--runs=1"))) == {"merged"}


def test_kept_dirty_trees(trees):
    trees.write("pkg/__init__.py", "def work():\n    print('dirty')\ndef new(): pass\n")
    kept = trees.run("profiling/", "stopwatch", "--rounds", "1",
                     env={"PYTHONPATH": str(trees.path)})
    assert kept.code == 0, kept
    trees.git("checkout", "-q", "pkg")
    outcome = sweep(trees, "wip", "--runs=1")
    assert outcome.code == 0 and "measured: 2 results" in outcome.out, outcome
    results = stored(trees)
    assert [r["output"].split()[0] for r in results if r["case"].endswith("work")] == ["dirty"]
    tree = outcome.out[:10]
    assert "stored" in sweep(trees, tree, "--runs=1").out
    none = sweep(trees, "wip~1")
    assert none.code == 4 and "only 1" in none.err, none


@pytest.mark.parametrize("arguments, code, said", [
    ((), 4, "which commits?"),
    (("HEAD..HEAD",), 5, "no commit is in that range"),
    (("nowhere..HEAD",), 4, "nowhere"),
    (("ALL", "--runs=0"), 4, "--runs"),
])
def test_wrong_ranges(trees, arguments, code, said):
    outcome = sweep(trees, *arguments)
    assert outcome.code == code and said in outcome.err, outcome


def test_no_case(trees):
    outcome = sweep(trees, "ALL", run=("profiling/", "-k", "nothing_of_that_name"))
    assert outcome.code == 5 and "no case was selected" in outcome.err, outcome


# ---- ends ------------------------------------------------------------------------------


SLOW = CASES.replace("pkg.work()", "open({ready!r}, 'a').write('x')\n"
                     "        while os.path.exists({hold!r}): time.sleep(0.01)").replace(
    "import pkg", "import os, time, pkg")


def held(trees):
    """A sweep that stands in its second commit, measuring."""
    ready, hold = trees.path.parent / "ready", trees.path.parent / "hold"
    trees.write("profiling/case_work.py", SLOW.format(ready=str(ready), hold=str(hold)))
    sweep(trees, "HEAD~1..HEAD", "--runs=1", run=("profiling/", "stopwatch", "--rounds", "1",
                                                  "--warmup", "0"))
    assert ready.exists()
    ready.unlink()
    hold.touch()
    process = trees.start(
        "pyprofiler", "sweep", "ALL", "--runs=1", *words(
            trees, "profiling/", "stopwatch", "--rounds", "1", "--warmup", "0"))
    wait_for(ready.exists, "a measured case")
    return process, hold


def go_on(trees):
    return sweep(trees, "ALL", "--runs=1", run=("profiling/", "stopwatch", "--rounds", "1",
                                                "--warmup", "0"))


def test_ctrl_c_and_go_on(trees):
    process, hold = held(trees)
    process.send_signal(signal.SIGINT)
    outcome = trees.finish(process)
    assert outcome.code == 2 and "goes on" in outcome.err, outcome
    assert swept(outcome) == {"three": "stored"}
    assert leftovers(trees) == []
    hold.unlink()
    rest = go_on(trees)
    assert rest.code == 0
    assert swept(rest)["three"] == "stored"
    assert swept(rest)["two"].startswith("measured")


def test_killed_and_go_on(trees):
    process, hold = held(trees)
    process.kill()
    process.wait()
    hold.unlink()
    trees.finish(process)
    assert checkouts(trees) != []  # nobody could remove it
    rest = go_on(trees)
    assert rest.code == 0 and swept(rest)["three"] == "stored", rest
    assert swept(rest)["one"].startswith("measured")
    assert checkouts(trees) == []


def test_a_terminal_gets_a_line_a_commit_only(trees):
    """Standard output is for the lines; nothing else is mixed in."""
    outcome = sweep(trees, "ALL", "--runs=1", "--quiet")
    assert len(outcome.out.splitlines()) == 3 and outcome.err == ""
