"""`pyprofiler history`: a case over the commits of a repository whose steps are known."""

import csv
import io
import json
import re
import sqlite3
import xml.etree.ElementTree as xml

import pytest

from conftest import make_project

CASE = """
import lib
from pyprofiler import ProfilerCase, accept_profiler

class Work(ProfilerCase):
    @accept_profiler("stopwatch", "tracemalloc")
    def profile_work(self):
        self.kept = lib.work()

    @accept_profiler("stopwatch")
    def profile_other(self):
        pass
"""
LIB = "def work():\n    return bytearray({})\n"
BROKEN = "def work():\n    raise ValueError('broken')\n"
HOSTILE = 'a <script>alert(1)</script> & "x" | @all \x1b[31m'
STEP, FAILED, GAP = 5, 3, 7  # commits of the line: dearer, raises, not measured


class Story:
    """Ten commits; the case keeps a MB, from STEP on three."""

    def __init__(self, project):
        self.project = project
        self.ids = []
        project.write("cases/work.py", CASE)
        for i in range(10):
            size = 900_000 if i < STEP else 3_000_000  # of another length: a stale .pyc is told
            project.write("cases/lib.py", BROKEN if i == FAILED else LIB.format(size))
            project.write("number.txt", str(i))
            self.ids.append(project.commit(HOSTILE if i == STEP else f"commit {i}"))
            if i != GAP:
                self.measure()

    def measure(self):
        outcome = self.project.run("-q", "-k", "profile_work", "cases/work.py", "tracemalloc")
        assert outcome.code in (0, 1), outcome

    def history(self, *words, **how):
        return self.project.run("pyprofiler", "history", *words, **how)

    def json(self, *words):
        outcome = self.history(*words, "--format", "json")
        assert outcome.code == 0, outcome
        return outcome.json


@pytest.fixture(scope="module")
def story(tmp_path_factory, bin_dir):
    from conftest import PYTHONS
    folder = tmp_path_factory.mktemp("history")
    return Story(make_project(folder, bin_dir, next(iter(PYTHONS))))


def test_json(story):
    document = story.json("profile_work", "-m", "peak")
    assert document["schema"] == "pyprofiler/history/1"
    assert document["range"] == "HEAD"
    assert (document["commits"], document["measured"]) == (10, 8)
    assert document["gaps"] == [{"first": story.ids[GAP], "last": story.ids[GAP], "n": 1}]
    series, = document["series"]
    assert series["case"] == "cases/work.py::Work::profile_work"
    assert (series["profiler"], series["metric"]) == ("tracemalloc", "peak")
    points = series["points"]
    assert [p["commit"] for p in points] == [h for h in story.ids if h != story.ids[GAP]]
    assert [p["status"] for p in points if p["value"] is None] == ["failed"]
    for p in points:
        if p["value"] is not None:
            before = story.ids.index(p["commit"]) < STEP
            assert (p["value"] < 1_500_000) == before
            assert p["processes"] == 1
            assert p["first_parent"] and p["dirty_tree"] is None


def test_step_has_its_commit(story):
    """Every level is known exactly after a second process at each commit."""
    story.project.git("checkout", "-q", "main")
    for h in [h for i, h in enumerate(story.ids) if i not in (FAILED, GAP)]:
        story.project.git("checkout", "-q", h)
        story.measure()
    story.project.git("checkout", "-q", "main")
    series, = story.json("profile_work", "-m", "peak")["series"]
    step, = series["steps"]
    assert step["commit"] == story.ids[STEP]
    assert step["before"] == story.ids[STEP - 1]
    assert step["not_measured"] == 0 and step["bisect"] is None
    assert step["verdict"] == "slower" and 2 < step["ratio"] < 4
    assert step["subject"].startswith("a <script>")
    assert step["author"] == "A"


def test_step_over_a_gap_says_how_to_go_on(story):
    first, last = story.ids[0], story.ids[-1]
    text = story.history("profile_work", "-m", "peak", f"{first}..{last}")
    assert "▲1" in text.out and "made" not in text.err
    only = f"^{story.ids[3]} {last}"
    few = story.history("profile_work", "-m", "peak", *only.split())
    assert few.code == 0, few
    assert story.ids[4][:9] in few.out and story.ids[2][:9] not in few.out


def test_text(story):
    outcome = story.history("profile_work", "-m", "peak", "--color", "never",
                            env={"COLUMNS": "200"})
    assert outcome.code == 0, outcome
    assert "\x1b" not in outcome.out
    assert "8 of 10 commits measured" in outcome.out
    assert "··· 1 commit not measured" in outcome.out
    assert re.search(rf"{story.ids[FAILED][:9]}  \S+ +failed", outcome.out)
    assert "larger" in outcome.out and story.ids[STEP][:9] in outcome.out
    assert "\\x1b[31m" in outcome.out  # of the subject, made visible
    rows = [line for line in outcome.out.splitlines() if re.match(r"  [0-9a-f]{9} ", line)]
    assert len(rows) >= 9


def test_text_without_unicode(story):
    outcome = story.history("profile_work", "-m", "peak", env={"LANG": "C"})
    assert outcome.out.isascii() and "^1" in outcome.out and "o" in outcome.out


def test_color(story):
    outcome = story.history("profile_work", "-m", "peak", "--color", "always")
    assert "\x1b[31m" in outcome.out


def test_rows(story):
    short = story.history("profile_work", "-m", "peak", "-n", "2")
    assert "rows: --rows 0 shows all" in short.out
    assert story.ids[0][:9] not in short.out.split("subject")[1]
    assert story.ids[STEP][:9] in short.out.split("subject")[1]  # steps stay
    long = story.history("profile_work", "-m", "peak", "--rows", "0")
    assert story.ids[0][:9] in long.out.split("subject")[1]


def test_threshold_and_alpha(story):
    assert len(story.json("profile_work", "-m", "peak", "--threshold", "50%")["series"][0]["steps"]) == 1
    document = story.json("profile_work", "-m", "peak", "--alpha", "0.05")
    assert document["alpha"] == 0.05 and document["threshold"] == 0.02
    for words in (["--threshold", "200%"], ["--alpha", "0"], ["--alpha", "x"]):
        outcome = story.history("profile_work", *words)
        assert outcome.code == 4 and words[0] in outcome.err


def test_csv(story):
    outcome = story.history("profile_work", "-m", "peak", "--format", "csv")
    rows = list(csv.DictReader(io.StringIO(outcome.out)))
    assert len(rows) == 9
    step, = [r for r in rows if r["step_ratio"]]
    assert step["commit"] == story.ids[STEP] and step["subject"] == HOSTILE
    assert float(step["value"]) > 2_500_000


def test_markdown(story):
    outcome = story.history("profile_work", "-m", "peak", "--format", "markdown")
    assert "<script>" not in outcome.out and "@all" not in outcome.out
    assert "| commit | date |" in outcome.out and "larger" in outcome.out


def test_svg(story):
    name = story.project.path.parent / "picture.svg"
    outcome = story.history("profile_work", "-m", "peak", "-o", name)
    assert outcome.code == 0 and outcome.out == "", outcome
    text = name.read_text()
    root = xml.fromstring(text)
    titles = [t.text for t in root.iter("{http://www.w3.org/2000/svg}title")]
    assert any(HOSTILE[:40] in t for t in titles)
    assert len(root.findall(".//{http://www.w3.org/2000/svg}circle")) == 8
    assert "<script" not in text and story.ids[STEP][:9] in text
    again = story.history("profile_work", "-m", "peak", "-o", name)
    assert again.code == 4 and "-f" in again.err or "exists" in again.err
    assert story.history("profile_work", "-m", "peak", "-o", name, "-f").code == 0


def test_time_unit(story):
    story.project.run("-q", "--timeout=60", "-k", "profile_other", "cases/work.py", "stopwatch",
                      "--quick")
    outcome = story.history("profile_other", "--time-unit", "ns")
    assert re.search(r"date +ns ", outcome.out), outcome


def test_several_cases(story):
    story.project.run("-q", "-k", "profile_other", "cases/work.py", "stopwatch", "--quick")
    document = story.json("-k", "work and not nothing", "-p", "stopwatch")
    assert [s["case"].rpartition("::")[2] for s in document["series"]] == ["profile_other"]
    outcome = story.history("profile", "-p", "tracemalloc")
    assert outcome.code == 0  # only one of them was measured with it
    both = story.history("work.py")
    assert both.code == 4 and "several cases" in both.err and "-k" in both.err


def test_several_metrics(story):
    document = story.json("profile_work")
    assert len(document["series"]) == 1  # the first metric of the profiler
    names = [r["metric"] for r in document["series"]]
    outcome = story.history("profile_work", "-m", f"peak,{names[0]}", "--format", "json")
    assert {s["metric"] for s in outcome.json["series"]} == {"peak", names[0]}


def test_what_is_not_there(story):
    for words, said in (
        (["profile_nothing"], "no case with results"),
        (["profile_work", "-m", "wall_clock"], "no metric 'wall_clock'"),
        (["profile_work", "-p", "line"], "there are some with: tracemalloc"),
        (["profile_work", "no-such-branch"], "no-such-branch"),
        (["profile_work", "--format", "jsn"], "did you mean 'json'"),
        (["-k", "(("], "-k"),
        ([], "which case"),
    ):
        outcome = story.history(*words)
        assert outcome.code == 4 and said in outcome.err, (words, outcome)


def test_no_store(project):
    project.write("a.txt", "")
    project.commit()
    outcome = project.run("pyprofiler", "history", "x")
    assert outcome.code == 4 and "no store" in outcome.err


def test_no_repository(project):
    project.write("cases/work.py", CASE)
    project.write("cases/lib.py", LIB.format(5))
    project.run("-q", "cases/work.py", "stopwatch", "--quick")
    outcome = project.run("pyprofiler", "history", "profile_work")
    assert outcome.code != 0 and "repository" in outcome.err


def test_dirty_trees(story):
    story.project.write("cases/lib.py", LIB.format(5_000_000))
    story.measure()
    story.project.git("checkout", "-q", "cases/lib.py")
    hidden = story.json("profile_work", "-m", "peak")
    assert hidden["not_shown"]["dirty_trees"] >= 1
    text = story.history("profile_work", "-m", "peak")
    assert "--wip shows them" in text.out
    assert "--wip" not in story.history("profile_work", "-m", "peak", "-q").out
    shown = story.json("profile_work", "-m", "peak", "--wip")
    last = shown["series"][0]["points"][-1]
    assert last["dirty_tree"] and last["commit"] == story.ids[-1] and last["value"] > 4e6
    text = story.history("profile_work", "-m", "peak", "--wip")
    assert "dirty tree" in text.out


def test_other_machines(story):
    store = story.project.path / ".pyprofiler" / "results.db"
    copy = store.parent / "copy.db"
    with sqlite3.connect(store) as db:
        db.execute("VACUUM INTO ?", (str(copy),))
    with sqlite3.connect(copy) as db:
        db.execute("INSERT INTO machine (fingerprint, hostname, cpu) VALUES ('other', 'away', 'Z80')")
        key, = db.execute("SELECT max(key) FROM machine").fetchone()
        first = "SELECT key FROM run ORDER BY id LIMIT 2"
        db.execute(f"UPDATE run SET machine = ? WHERE key IN ({first})", (key,))
    words = ["profile_work", "-m", "peak", "--store", copy]
    alone = story.json(*words)
    assert len(alone["series"]) == 1 and alone["not_shown"]["other_settings"] == 2
    assert "away" in alone["not_shown"]["other_differs"]
    assert "--across-machines" in story.history(*words).out
    both = story.json(*words, "--across-machines")
    assert [s["differs"] for s in both["series"]] == [None, "machine away (Z80)"]
    assert "not the newest setting: machine away (Z80)" in story.history(
        *words, "--across-machines").out


def test_merges(project):
    """Commits of a side branch are shown, but make no steps; --first-parent hides them."""
    def commit(size, message):
        project.write("cases/work.py", CASE)
        project.write("cases/lib.py", LIB.format(size))
        project.write(f"{message}.txt", message)
        made = project.commit(message)
        for _ in range(2):
            project.run("-q", "-k", "profile_work", "cases/work.py", "tracemalloc")
        return made
    for i in range(4):
        base = commit(900_000, f"base{i}")
    project.git("checkout", "-q", "-b", "side")
    aside = [commit(4_000_000, f"side{i}") for i in range(2)]
    project.git("checkout", "-q", "main")
    commit(900_000, "main1")
    project.git("merge", "-q", "-s", "ours", "--no-ff", "-m", "merge", "side")
    commit(900_000, "after")
    words = ["pyprofiler", "history", "profile_work", "-m", "peak", "--format", "json"]
    series, = project.run(*words).json["series"]
    outside = [p["commit"] for p in series["points"] if not p["first_parent"]]
    assert sorted(outside) == sorted(aside)
    assert series["steps"] == []
    line = project.run(*words, "--first-parent").json
    assert not set(aside) & {p["commit"] for p in line["series"][0]["points"]}
    assert line["first_parent"] is True
    assert base in {p["commit"] for p in line["series"][0]["points"]}


def test_repository_is_untouched(story):
    def state():
        return (story.project.git("for-each-ref"), story.project.git("status", "--porcelain"),
                story.project.git("count-objects", "-v"), story.project.git("rev-parse", "HEAD"))
    before = state()
    story.history("profile_work", "--wip")
    assert state() == before


def test_other_folder(story):
    (story.project.path / "sub").mkdir(exist_ok=True)
    outcome = story.history("profile_work", cwd=story.project.path / "sub")
    assert outcome.code == 0, outcome
