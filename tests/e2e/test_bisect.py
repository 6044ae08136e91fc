"""`pyprofiler bisect` and `git bisect run pyprofiler compare --bisect`, in repositories
whose steps are known."""

import os
import signal

import pytest

from conftest import PYTHONS, make_project, wait_for

CASE = """
import lib
from pyprofiler import ProfilerCase

class Work(ProfilerCase):
    def profile_work(self):
        self.kept = lib.work()

    def profile_other(self):
        pass
"""
LIB = "def work():\n    return bytearray({})\n"
SMALL, LARGE = 900_000, 3_000_000
STEP = 9
BROKEN = {4: "import nothing_like_that\n", 11: "def work():\n    raise ValueError('no')\n"}


def write(project, text):
    project.write("profiling/work.py", CASE)
    project.write("lib.py", text)


class Story:
    """Fourteen commits; the case keeps a MB, from STEP on three. Some do not work."""

    def __init__(self, project):
        self.project = project
        self.ids = []
        for i in range(14):
            write(project, BROKEN.get(i, LIB.format(SMALL if i < STEP else LARGE)))
            project.write("number.txt", str(i))
            self.ids.append(project.commit(f"commit {i}"))

    def bisect(self, *words, **how):
        return self.project.run("pyprofiler", "bisect", *words, **how)

    def found(self, *words):
        outcome = self.bisect("profile_work", "-m", "peak", "--format", "json", *words)
        assert outcome.code == 0, outcome
        return outcome.json


@pytest.fixture
def python_words(any_python):
    return ["--python", any_python, "profiling", "tracemalloc"]


@pytest.fixture(scope="module")
def story(tmp_path_factory, bin_dir):
    folder = tmp_path_factory.mktemp("bisect")
    made = Story(make_project(folder, bin_dir, next(iter(PYTHONS))))
    made.project.env["PYPROFILER_PYTHON"] = next(iter(PYTHONS))
    return made


def state(project):
    return (project.git("for-each-ref"), project.git("status", "--porcelain"),
            project.git("count-objects", "-v"), project.git("rev-parse", "HEAD"),
            project.git("stash", "list"), project.git("worktree", "list"))


def test_finds_the_commit(story, python_words):
    before = state(story.project)
    document = story.found("--good", story.ids[0], "--fresh", "--", *python_words)
    assert document["schema"] == "pyprofiler/bisect/1"
    assert (document["good"]["commit"], document["bad"]["commit"]) == (story.ids[0], story.ids[-1])
    assert document["commits"] == 13 and document["processes"] > 4
    answer, = document["answers"]
    assert answer["outcome"] == "found" and answer["verdict"] == "slower"
    assert answer["commit"]["commit"] == story.ids[STEP]
    assert answer["before"]["commit"] == story.ids[STEP - 1]
    assert answer["probability"] >= 0.95 and 3 < answer["ratio"] < 3.6
    assert state(story.project) == before


def test_text_and_what_is_stored(story, python_words):
    words = ["profile_work", "-m", "peak", "--good", story.ids[0], "--", *python_words]
    outcome = story.bisect(*words)
    assert outcome.code == 0, outcome
    assert f"{story.ids[STEP][:12]} made it: +2" in outcome.out
    assert (f"where: pyprofiler compare --run {story.ids[STEP - 1][:12]} "
            f"{story.ids[STEP][:12]} -- profiling/work.py::Work::profile_work call") in outcome.out
    again = story.found(*words[3:])
    assert again["reused"] > 2 and again["processes"] == 1
    assert again["answers"][0]["commit"]["commit"] == story.ids[STEP]
    quiet = story.bisect("-q", *words)
    assert quiet.err == ""


def test_progress(story, python_words):
    outcome = story.bisect("profile_work", "-m", "peak", "--good", story.ids[0], "--fresh",
                           "--", *python_words)
    assert f"{story.ids[-1][:12]}  peak +2" in outcome.err
    assert "it is among" in outcome.err


def test_skips_what_cannot_be_measured(story, python_words):
    """Good is just before one that does not import, bad just after one that raises."""
    document = story.found("--good", story.ids[3], "--bad", story.ids[12], "--fresh",
                           "--", *python_words)
    assert document["answers"][0]["commit"]["commit"] == story.ids[STEP]
    for skip in document["skipped"]:
        i = story.ids.index(skip["commit"])
        assert i in BROKEN
        assert ("nothing_like_that" if i == 4 else "ValueError: no") in skip["why"]


def test_range_that_cannot_be_narrowed(project, python_words):
    made = []
    for i in range(6):
        text = "raise SystemError('gap')\n" if i in (2, 3) else LIB.format(SMALL if i < 3 else LARGE)
        write(project, text)
        project.write("n.txt", str(i))
        made.append(project.commit(f"c{i}"))
    outcome = project.run("pyprofiler", "bisect", "profile_work", "-m", "peak", "--good", made[0],
                          "--format", "json", "--", *python_words)
    assert outcome.code == 0, outcome
    answer, = outcome.json["answers"]
    assert [c["commit"] for c in answer["candidates"]] == made[2:5]
    assert answer["commit"] is None and answer["before"]["commit"] == made[1]
    assert {s["commit"] for s in outcome.json["skipped"]} == {made[2], made[3]}
    text = project.run("pyprofiler", "bisect", "profile_work", "-m", "peak", "--good", made[0],
                       "--", *python_words)
    assert "one of 3 commits made it" in text.out and "SystemError: gap" in text.out


def test_builds(story, python_words):
    """A commit that does not build is skipped, with the build's output."""
    document = story.bisect(
        "profile_work", "-m", "peak", "--format", "json", "--good", story.ids[0], "--fresh",
        "--build", "test $(cat number.txt) != 6 || { echo no such luck; exit 3; }",
        "--bad", story.ids[STEP], "--", *python_words)
    assert document.code == 0, document
    assert document.json["answers"][0]["commit"]["commit"] == story.ids[STEP]
    skipped = [s["commit"] for s in document.json["skipped"]]
    assert (story.ids[6] in skipped) == ("no such luck" in document.err)


def test_several_metrics(story, python_words):
    outcome = story.bisect("profile_work", "-m", "peak,wall_nothing", "--good", story.ids[0],
                           "--", *python_words)
    assert outcome.code == 4 and "no metric 'wall_nothing'; there is:" in outcome.err
    names = outcome.err.split("there is: ")[1].strip().split(", ")
    other = next(n for n in names if n != "peak")
    outcome = story.bisect("profile_work", "-m", f"peak,{other}", "--good", story.ids[0],
                           "--format", "json", "--", *python_words)
    answers = {a["metric"]: a for a in outcome.json["answers"]}
    assert set(answers) == {"peak", other}
    assert answers["peak"]["commit"]["commit"] == story.ids[STEP]


def test_ends_that_do_not_differ(story, python_words):
    outcome = story.bisect("profile_work", "-m", "peak", "--good", story.ids[0], "--bad",
                           story.ids[STEP - 1], "--", *python_words)
    assert outcome.code == 1, outcome
    assert "do not differ" in outcome.out
    below = story.bisect("profile_work", "-m", "peak", "--good", story.ids[0],
                         "--threshold", "99%", "--bad", story.ids[STEP], "--", *python_words)
    assert below.code == 0, below  # more than twice as much


def test_ends_that_are_wrong(story, project, python_words):
    project.write("a.txt", "")
    first = project.commit()
    project.git("checkout", "-q", "-b", "side")
    side = project.commit("side")
    project.git("checkout", "-q", "main")
    project.commit("main")
    outcome = project.run("pyprofiler", "bisect", "x", "--good", side)
    assert outcome.code == 4 and f"merge base is {first[:12]}" in outcome.err
    good, bad = story.ids[0], story.ids[-1]
    for words, said in (
        (["--good", bad, "--bad", good], "swap --good and --bad"),
        (["--good", bad], "the same commit"),
        (["--good", "no-such-thing"], "no-such-thing"),
        ([], "--good"),
        (["--good", good, "--confidence", "10%"], "--confidence"),
        (["--good", good, "--threshold", "nothing"], "--threshold"),
        (["--good", good, "-p", "call", "--", "profiling"], "--profiler"),
        (["--good", good, "--", "profiling", "call,stopwatch"], "one profiler"),
        (["--good", good, "--format", "svg"], "--format"),
    ):
        outcome = story.bisect("profile_work", *words)
        assert outcome.code == 4 and said in outcome.err, (words, outcome)
    for case, said in (("profile_nothing", "fits no case"), ("profile_", "several cases")):
        outcome = story.bisect(case, "--good", good, "--", *python_words)
        assert outcome.code == 4 and said in outcome.err, outcome
    assert story.bisect("--good", good).code == 4


def test_good_end_that_fails(story, python_words):
    outcome = story.bisect("profile_work", "--good", story.ids[11], "--", *python_words)
    assert outcome.code == 1 and "good end" in outcome.err and "ValueError: no" in outcome.err


def test_bad_end_that_fails(story, python_words):
    outcome = story.bisect("profile_work", "--good", story.ids[10], "--bad", story.ids[11],
                           "--", *python_words)
    assert outcome.code == 1, outcome
    assert "cannot be measured" in outcome.out and "ValueError: no" in outcome.out


def test_limits(story, python_words):
    for limit, said in ((["--max-runs", "3"], "--max-runs"), (["--max-time", "1ms"], "--max-time")):
        outcome = story.bisect("profile_work", "-m", "peak", "--good", story.ids[0], "--fresh",
                               *limit, "--", *python_words)
        assert outcome.code == 1, outcome
        assert f"{said} " in outcome.out and "the same command goes on" in outcome.out
        assert "pyprofiler bisect profile_work -m peak --good" in outcome.out


def test_interrupted_and_resumed(project, python_words):
    made = []
    for i in range(8):
        write(project, LIB.format(SMALL if i < 5 else LARGE))
        project.write("n.txt", str(i))
        made.append(project.commit(f"c{i}"))
    marker = project.path.parent / "third"
    project.env["MARKER"] = str(marker)
    words = ["pyprofiler", "bisect", "profile_work", "-m", "peak", "--good", made[0], "--build",
             'echo >> "$MARKER"; if test $(wc -l < "$MARKER") -eq 3; then sleep 60; fi',
             "--", *python_words]
    process = project.start(*words)
    wait_for(lambda: marker.exists() and len(marker.read_text()) >= 3, "the third build")
    os.kill(process.pid, signal.SIGINT)
    outcome = project.finish(process)
    assert outcome.code == 2, outcome
    assert "interrupted: what was measured is stored, the same command goes on" in outcome.out
    again = project.run(*words[:7], "--format", "json", *words[7:])
    assert again.code == 0, again
    assert again.json["reused"] >= 1
    assert again.json["answers"][0]["commit"]["commit"] == made[5]


@pytest.fixture
def merged(project):
    """The step is made on a side branch that is merged."""
    ids = {}
    def commit(name, size):
        write(project, LIB.format(size))
        project.write(f"{name}.txt", name)
        ids[name] = project.commit(name)
    commit("base", SMALL)
    commit("m1", SMALL)
    project.git("checkout", "-q", "-b", "side")
    commit("s1", SMALL)
    commit("s2", LARGE)
    commit("s3", LARGE)
    project.git("checkout", "-q", "main")
    project.write("m2.txt", "")
    ids["m2"] = project.commit("m2")
    project.git("merge", "-q", "--no-ff", "-m", "merge", "side")
    ids["merge"] = project.git("rev-parse", "HEAD")
    project.write("m3.txt", "")
    ids["m3"] = project.commit("m3")
    return project, ids


def test_merge(merged, python_words):
    project, ids = merged
    words = ["pyprofiler", "bisect", "profile_work", "-m", "peak", "--good", ids["base"],
             "--format", "json"]
    inside = project.run(*words, "--", *python_words)
    assert inside.code == 0, inside
    answer, = inside.json["answers"]
    assert answer["commit"]["commit"] == ids["s2"]
    assert answer["merge"]["commit"] == ids["merge"]
    line = project.run(*words, "--first-parent", "--", *python_words).json
    answer, = line["answers"]
    assert answer["commit"]["commit"] == ids["merge"] and answer["merge"] is None
    assert line["first_parent"] is True
    text = project.run(*words[:-2], "--", *python_words)
    assert "it came in by the merge" in text.out


def test_case_of_the_store_and_profiler(story, any_python):
    """Without words of run the case's file and the profiler are known."""
    document = story.found("-p", "tracemalloc", "--good", story.ids[0])
    assert document["case"] == "profiling/work.py::Work::profile_work"
    assert document["profiler"] == "tracemalloc"
    outcome = story.bisect("profiling/work.py::Work::profile_work", "-m", "peak", "-p",
                           "tracemalloc", "--good", story.ids[0])
    assert outcome.code == 0, outcome


def test_output(story, python_words, tmp_path):
    words = ["profile_work", "-m", "peak", "--good", story.ids[0], "-o", tmp_path / "o.txt"]
    assert story.bisect(*words, "--", *python_words).code == 0
    assert story.ids[STEP][:12] in (tmp_path / "o.txt").read_text()
    assert story.bisect(*words, "--", *python_words).code == 4
    assert story.bisect(*words, "-f", "--", *python_words).code == 0


def test_history_leads_here(story):
    """The command that history prints is one that works."""
    text = story.project.run("pyprofiler", "history", "profile_work", "-p", "tracemalloc",
                             "-m", "peak", "--format", "json")
    assert text.code == 0, text
    for step in text.json["series"][0]["steps"]:
        if step["bisect"]:
            outcome = story.project.run(*step["bisect"].split())
            assert outcome.code in (0, 1), outcome


# ---- compare --bisect ----


def compare(project, base, python_words, *words):
    return project.run("pyprofiler", "compare", "--bisect", base, "-m", "peak", *words,
                       "--", *python_words)


def test_git_bisect_run(project, python_words):
    made = []
    for i in range(8):
        write(project, "import nothing\n" if i == 4 else LIB.format(SMALL if i < 6 else LARGE))
        project.write("n.txt", str(i))
        made.append(project.commit(f"c{i}"))
    project.git("bisect", "start", made[-1], made[0])
    said = project.git("bisect", "run", project.bin_dir / "pyprofiler", "compare", "--bisect",
                       made[0], "-m", "peak", "--", *python_words)
    assert f"{made[6]} is the first bad commit" in said
    project.git("bisect", "reset")
    assert project.git("rev-parse", "HEAD") == made[-1]


def test_codes_of_compare_bisect(project, python_words):
    write(project, LIB.format(SMALL))
    base = project.commit("base")
    write(project, LIB.format(SMALL) + "\n")
    project.commit("same")
    same = compare(project, base, python_words)
    assert same.code == 0 and "pyprofiler: good" in same.err, same
    write(project, LIB.format(LARGE))
    worse = compare(project, base, python_words)
    assert worse.code == 1 and "bad: something got worse" in worse.err, worse
    assert compare(project, base, python_words, "--exit-zero").code == 1
    write(project, "import nothing\n")
    broken = compare(project, base, python_words)
    assert broken.code == 125 and "cannot be told" in broken.err, broken
    for words in (["no-such-commit"], [], [base, "--no-such-option"], [base, "-m", "nothing"]):
        outcome = project.run("pyprofiler", "compare", "--bisect", *words, "--", *python_words)
        assert outcome.code == 125, (words, outcome)
    short = project.run("pyprofiler", "compare", "--bisec", "no-such-commit")
    assert short.code == 125  # a unique beginning counts
    plain = project.run("pyprofiler", "compare", "--bisect", "--no-bisect", "no-such-commit")
    assert plain.code == 4


def test_the_first_metric_decides_unless_others_are_named(project, python_words):
    """The peak stays, what is held at the end grows."""
    write(project, "def work():\n    x = bytearray(3_000_000)\n    del x\n"
                   "    return bytearray(300_000)\n")
    base = project.commit("base")
    write(project, "def work():\n    return bytearray(3_000_000)\n")
    for metrics, code in ([], 0), (["-m", "current"], 1), (["-m", "peak,current"], 1):
        outcome = project.run("pyprofiler", "compare", "--bisect", "-k", "work", base,
                              *metrics, "--", *python_words)
        assert outcome.code == code, (metrics, outcome)


def test_a_shallow_clone(project, tmp_path, python_words):
    """What there is of the history is used; commits behind its end are not known."""
    for i in range(6):
        write(project, LIB.format(SMALL if i < 4 else LARGE))
        project.write("n.txt", str(i))
        project.commit(f"c{i}")
    project.git("clone", "-q", "--depth", "4", f"file://{project.path}", tmp_path / "clone")
    ids = project.git("rev-list", "HEAD").split()
    os.rename(project.path, tmp_path / "whole")
    os.rename(tmp_path / "clone", project.path)
    swept = project.run("pyprofiler", "sweep", "ALL", "--runs=1", "--", *python_words)
    assert swept.code == 0 and len(swept.out.splitlines()) == 4, swept
    history = project.run("pyprofiler", "history", "--format=json", "-m", "peak",
                          "profile_work").json
    (series,) = history["series"]
    assert [p["commit"] for p in series["points"]] == ids[3::-1]
    found = project.run("pyprofiler", "bisect", "profile_work", "--good", "HEAD~3", "-m",
                        "peak", "--format=json", "--", *python_words)
    assert found.code == 0, found
    beyond = project.run("pyprofiler", "bisect", "profile_work", "--good", "HEAD~4", "--",
                         *python_words)
    assert beyond.code == 4 and "git fetch --unshallow" in beyond.err


def test_stored_pairs_are_of_like_length(project, any_python):
    """The lowest of many rounds is lower than that of few: such two are no pair."""
    ids = []
    for i in range(2):
        write(project, LIB.format(SMALL))
        project.write("n.txt", str(i))
        ids.append(project.commit(f"c{i}"))

    def sweep(at, bodies):
        write(project, LIB.format(SMALL))
        project.write("profiling/work.py", CASE.replace(
            "self.kept = lib.work()", f"import os, time; time.sleep({bodies})"))
        words = ["--python", any_python, "profiling", "-k", "work", "stopwatch",
                 "--max-time", "60ms", "--warmup", "0"]
        outcome = project.run("pyprofiler", "sweep", at, "--runs=1", "--again", "--", *words)
        assert outcome.code == 0, outcome
        return words

    sweep(f"{ids[0]}^!", 0.05)  # one round
    words = sweep(f"{ids[1]}^!", 0.001)  # many
    found = project.run("pyprofiler", "bisect", "profile_work", "--good", ids[0], "-m",
                        "wall_time", "--max-runs=4", "--format=json", "--", *words)
    assert found.json["reused"] == 0, found
