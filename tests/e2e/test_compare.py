"""pyprofiler compare: every word that names a side, every option, every exit code."""

import json
import os

import pytest

from stored import Stored, values

A = "calls.py::Calls::profile_a"
B = "calls.py::Calls::profile_b"

CASE = """
from pyprofiler import ProfilerCase

class Calls(ProfilerCase):
    def profile_a(self):
        sum(range({n}))
"""


@pytest.fixture
def history(project):
    """Three commits, the store empty; project.commits are their ids."""
    project.commits = []
    for n in 1, 2, 3:
        project.write("calls.py", CASE.format(n=n * 10))
        project.commits.append(project.commit(f"number {n}"))
    project.stored = Stored(project)
    return project


def measure(project, commit, level, runs=5, extra=None, **how):
    """Five processes around a level; `level` None: A is not measured."""
    for i in range(runs):
        results = {} if level is None else {A: {"wall_time": values(level * (1 + i * 1e-4))}}
        results.update(extra or {})
        project.stored.run(results, commit=commit, **how)


@pytest.fixture
def slower(history):
    """The last commit takes 10 % longer than the two before."""
    for commit, level in zip(history.commits, (1000.0, 1000.0, 1100.0)):
        measure(history, commit, level, tree=commit[::-1])
    return history


def compare(project, *words, code, **how):
    done = project.run("pyprofiler", "compare", *words, **how)
    assert done.code == code, done
    return done


def items(project, *words, code=0, **how):
    return compare(project, *words, "--format=json", code=code, **how).json["items"]


def sides(done):
    return done.json["base"]["name"], done.json["new"]["name"]


def commits(project, *words, code, **how):
    """(base, new) as numbers of the commits."""
    found = compare(project, *words, "--format=json", code=code, **how).json
    return tuple(project.commits.index(found[s]["commit"]) + 1 for s in ("base", "new"))


# --- verdicts and exit codes ---


def test_slower(slower):
    [item] = items(slower, "HEAD~1", code=6)
    assert item["case"] == A and item["profiler"] == "stopwatch"
    assert (item["metric"], item["unit"]) == ("wall_time", "ns")
    assert item["verdict"] == "slower"
    assert item["ratio"] == pytest.approx(1.1)
    assert item["ci95"][0] < 1.1 < item["ci95"][1] and item["ci95"][0] > 1.05
    assert item["processes"] == [5, 5] and item["n"] == [100, 100]
    assert item["base"] == pytest.approx(1000, rel=0.01)
    assert item["source_changed"] is False
    [item] = items(slower, "HEAD", "HEAD~1")
    assert item["verdict"] == "faster"
    [item] = items(slower, "HEAD~2", "HEAD~1")
    assert item["verdict"] == "same"


def test_text(slower):
    done = compare(slower, "HEAD~1", code=6)
    assert "slower" in done.out and A in done.out and "+10.0%" in done.out
    assert "number 2" in done.out and "number 3" in done.out
    assert not done.err


def test_exit_zero(slower):
    assert "slower" in compare(slower, "HEAD~1", "--exit-zero", code=0).out


def test_no_store(project):
    project.commit()
    done = compare(project, "HEAD", code=4)
    assert "no store" in done.err and "pyprofiler-run" in done.err


@pytest.mark.parametrize("words, said", [
    ([], "give BASE"),
    (["HEAD", "HEAD~1", "HEAD~2"], "unexpected word 'HEAD~2'"),
    (["--baseline", "x", "HEAD", "HEAD~1"], "the base is the baseline"),
    (["--baseline", "x", "--baseline-lenient", "x"], "exclude each other"),
    (["HEAD", "--threshold", "x"], "--threshold takes a share"),
    (["HEAD", "--threshold", "100%"], "--threshold takes a share"),
    (["HEAD", "--threshold", "-1%"], "--threshold takes a share"),
    (["HEAD", "--threshold", "nan"], "--threshold takes a share"),
    (["HEAD", "--alpha", "0"], "--alpha must be more than 0"),
    (["HEAD", "--alpha", "5"], "--alpha takes a share"),
    (["HEAD", "--sort", "x"], "sort"),
    (["HEAD", "--format", "jsno"], "did you mean 'json'"),
    (["HEAD", "--format", "x"], "there are: text"),
    (["HEAD", "-k", "and and"], "and"),
    (["HEAD", "-o", "no/such/folder.json"], "there is no folder"),
    (["HEAD", "--nonsense"], "unknown option"),
    (["HEAD", "--", "cases/"], "are for --run"),
    (["--run", "--baseline", "x"], "cannot be measured"),
    (["HEAD~1..HEAD", "HEAD"], "names both sides"),
    (["HEAD", "HEAD~1..HEAD"], "is a range"),
])
def test_usage(slower, words, said):
    assert said in compare(slower, *words, code=4).err


# --- the words of a side ---


def test_revisions(slower):
    slower.git("tag", "v1", "HEAD~2")
    slower.git("branch", "side", "HEAD~1")
    assert commits(slower, "v1", "side", code=0) == (1, 2)
    assert commits(slower, "HEAD^", "HEAD", code=6) == (2, 3)
    assert commits(slower, slower.commits[0][:8], "main", code=6) == (1, 3)
    assert commits(slower, "HEAD^{/number 2}", code=6) == (2, 3)
    assert commits(slower, "v1..side", code=0) == (1, 2)
    assert commits(slower, "side..", code=6) == (2, 3)
    assert commits(slower, "..side", code=0) == (3, 2)


def test_merge_base(slower):
    slower.git("checkout", "-q", "-b", "side", "HEAD~1")
    slower.commits.append(slower.commit("on the side"))
    measure(slower, slower.commits[-1], 1000.0)
    assert commits(slower, "main...side", code=0) == (2, 4)
    assert commits(slower, "side...main", code=6) == (2, 3)
    assert commits(slower, "main..side", code=0) == (3, 4)
    done = compare(slower, "main...side", "--format=json", code=0)
    assert done.json["base"]["name"] == "merge base of main and side"
    slower.git("checkout", "-q", "--orphan", "alone")
    slower.commit("alone")
    assert "no common ancestor" in compare(slower, "main...alone", code=4).err


def test_run_ids(history):
    one = history.stored.run({A: {"wall_time": values(1000.0)}}, commit=history.commits[0])
    two = history.stored.run({A: {"wall_time": values(2000.0)}}, commit=history.commits[1])
    done = compare(history, one, two[:-1], "--format=json", code=6)
    assert done.json["base"]["runs"] == [one] and done.json["new"]["runs"] == [two]
    assert commits(history, one, two, code=6) == (1, 2)
    [item] = done.json["items"]
    assert item["processes"] == [1, 1] and item["ratio"] == pytest.approx(2)
    done = compare(history, "20260101", one, code=4)
    assert "ambiguous" in done.err and one in done.err


def test_run_ids_without_a_repository(project):
    project.write("calls.py", CASE.format(n=10))
    project.stored = Stored(project)
    one = project.stored.run({A: {"wall_time": values(1000.0)}})
    two = project.stored.run({A: {"wall_time": values(1000.0)}})
    [item] = items(project, one, two)
    assert item["processes"] == [1, 1]
    assert "what is NEW" in compare(project, one, code=4).err
    assert "is no revision" in compare(project, "HEAD", two, code=4).err


def test_unknown_words(slower):
    slower.git("branch", "feature")
    done = compare(slower, "feautre", code=4)
    assert "'feautre' is no revision and no run, did you mean 'feature'?" in done.err
    done = compare(slower, "HEAD", "HEAD~30", code=4)
    assert "'HEAD~30'" in done.err
    slower.run("pyprofiler", "compare", "HEAD", "--save-baseline", "fast")
    done = compare(slower, "fast", code=4)
    assert "--baseline fast" in done.err


def test_no_results(history):
    measure(history, history.commits[0], 1000.0)
    done = compare(history, "HEAD~2", "HEAD~1", code=4)
    assert f"no results for commit {history.commits[1][:10]} (number 2)" in done.err
    assert "--run" in done.err and "pyprofiler-run" in done.err
    measure(history, history.commits[1], 1000.0, dirty=True, tree="d" * 40)
    done = compare(history, "HEAD~2", "HEAD~1", code=4)
    assert "with changes it was: 'wip'" in done.err


def test_detached_and_shallow(slower, tmp_path):
    slower.git("checkout", "-q", "--detach", "HEAD~1")
    assert commits(slower, "HEAD~1", code=0) == (1, 2)
    clone = tmp_path / "shallow"
    slower.git("clone", "-q", "--depth=1", f"file://{slower.path}", clone)
    store = ["--store", str(slower.stored.path)]
    done = compare(slower, "HEAD~1", *store, code=4, cwd=clone)
    assert "HEAD~1" in done.err and "shallow" in done.err
    assert commits(slower, "HEAD", *store, code=0, cwd=clone) == (2, 2)


# --- the work tree ---


def test_clean_work_tree(slower):
    done = compare(slower, "HEAD~1", "--format=json", code=6)
    assert sides(done) == ("HEAD~1", "the work tree")
    assert done.json["new"]["commit"] == slower.commits[2]
    assert done.json["warnings"] == []


def test_changed_work_tree(slower):
    """Of real runs: it is measured, and compared with what it was."""
    slower.write("calls.py", CASE.format(n=100))
    done = compare(slower, "HEAD~1", "--format=json", code=6)
    assert done.json["new"]["commit"] == slower.commits[2]
    assert any("changes that were not measured" in w for w in done.json["warnings"])
    ran = slower.run("calls.py", "stopwatch", "--quick")
    assert ran.code == 0, ran
    done = slower.run("pyprofiler", "compare", "wip", "--format=json")
    assert done.code in (0, 5), done  # both are the same run
    assert sides(done) == ("wip", "the work tree")
    tree = done.json["new"]["tree"]
    assert tree == done.json["base"]["tree"]
    assert "both sides are the same runs" in done.json["warnings"]
    slower.write("calls.py", CASE.format(n=2000))  # of another size: no stale .pyc
    slower.run("calls.py", "stopwatch", "--quick")
    done = slower.run("pyprofiler", "compare", "wip~1", "wip", "--format=json")
    assert done.json["base"]["tree"] == tree != done.json["new"]["tree"]
    [item] = [i for i in done.json["items"] if i["metric"] == "wall_time"]
    assert item["source_changed"] is True
    done = slower.run("pyprofiler", "compare", tree[:12], "wip", "--format=json")
    assert done.json["base"]["tree"] == tree


def test_wip(slower):
    trees = ["a" * 40, "b" * 40, "b" * 8 + "c" * 32]
    for level, tree in zip((1000.0, 2000.0, 1000.0), trees):
        measure(slower, slower.commits[2], level, tree=tree, dirty=True, runs=2)

    def found(*words, code):
        done = compare(slower, *words, "--format=json", code=code).json
        return done["base"]["tree"], done["new"]["tree"]

    assert found("wip~1", "wip", code=0) == (trees[1], trees[2])
    assert found("wip~2", "wip~1", code=6) == (trees[0], trees[1])
    assert found("wip~2", "wip~0", code=0) == (trees[0], trees[2])
    assert found("wip~", "b" * 9, code=0) == (trees[1], trees[1])
    assert "may be tree" in compare(slower, "bbbb", code=4).err
    assert "the oldest is 'wip~2'" in compare(slower, "wip~3", code=4).err
    assert "is no revision" in compare(slower, "wip^", code=4).err
    assert "is no revision" in compare(slower, "aaa", code=4).err  # too short for a tree


def test_wip_is_a_branch(slower):
    slower.git("branch", "wip", "HEAD~1")
    measure(slower, slower.commits[2], 1000.0, tree="a" * 40, dirty=True)
    done = compare(slower, "wip", "--format=json", code=6)
    assert done.json["base"]["commit"] == slower.commits[1]
    assert any("'wip' is a revision" in w for w in done.json["warnings"])


def test_no_wip(slower):
    assert "no work tree with changes was measured" in compare(slower, "wip", code=4).err


# --- baselines ---


def test_baselines(slower):
    done = compare(slower, "HEAD~2", "HEAD~1", "--save-baseline", "fast", code=0)
    assert "saved as baseline 'fast'" in done.err
    done = compare(slower, "--baseline", "fast", "--format=json", code=6)
    assert sides(done) == ("fast", "the work tree")
    assert done.json["base"]["commit"] == slower.commits[1]
    assert len(done.json["base"]["runs"]) == 5
    [item] = items(slower, "--baseline=fast", "HEAD~2")
    assert item["verdict"] == "same"
    # the name goes to what was saved last
    compare(slower, "HEAD~1", "--save-baseline", "fast", "-q", code=6)
    [item] = items(slower, "--baseline-lenient", "fast")
    assert item["verdict"] == "same"


def test_missing_baseline(slower):
    done = compare(slower, "--baseline", "nightly", code=4)
    assert "there is no baseline 'nightly'" in done.err and "--save-baseline" in done.err
    compare(slower, "HEAD", "--save-baseline", "nightly", code=0)
    assert "did you mean 'nightly'?" in compare(slower, "--baseline", "nigthly", code=4).err
    done = compare(slower, "--baseline-lenient", "other", code=0)
    assert "there is no baseline 'other' yet" in done.err and done.out == ""


def test_first_baseline_of_a_pipeline(slower):
    """The same line every night: compare with what was, save what is."""
    line = ["--baseline-lenient", "night", "--save-baseline", "night"]
    assert "nothing is compared" in compare(slower, *line, code=0).err
    assert "same" in compare(slower, *line, code=0).out


def test_lenient_without_a_store(project):
    project.commit()
    assert "nothing is compared" in compare(project, "--baseline-lenient", "x", code=0).err
    done = compare(project, "--baseline-lenient", "x", "--save-baseline", "x", code=4)
    assert "nothing to save" in done.err


def test_run_saves_a_baseline(history):
    done = history.run("calls.py", "stopwatch", "--quick", "--save-baseline", "real")
    assert done.code == 0, done
    done = history.run("pyprofiler", "compare", "--baseline", "real", "--format=json")
    assert done.json["base"]["commit"] == history.commits[2]
    assert len(done.json["base"]["runs"]) == 1
    done = history.run("calls.py", "stopwatch", "--save-baseline", "x", "--no-store")
    assert done.code == 4 and "--save-baseline needs the store" in done.err
    done = history.run("calls.py", "-k", "nothing", "stopwatch", "--save-baseline", "x")
    assert "baseline 'x' is not saved: nothing was measured" in done.err


# --- selection ---


@pytest.fixture
def two(history):
    """A is slower and B the same, with two metrics and two profilers."""
    for commit, level in zip(history.commits[1:], (1000.0, 1200.0)):
        measure(history, commit, level, extra={
            B: {"wall_time": values(50.0), "peak_memory": values(3000.0)},
            (B, "call", '{"sort": "name"}'): {"wall_time": values(70.0)},
        })
    return history


def names(found):
    return [(i["case"][-1], i["profiler"], i["metric"]) for i in found]


ALL = [("a", "stopwatch", "wall_time"), ("b", "call", "wall_time"),
       ("b", "stopwatch", "wall_time"), ("b", "stopwatch", "peak_memory")]


def test_all(two):
    found = items(two, "HEAD~1", code=6)
    assert names(found) == ALL
    assert [i["verdict"] for i in found] == ["slower", "same", "same", "same"]
    assert found[1]["options"] == '{"sort": "name"}'


def test_keyword(two):
    assert names(items(two, "HEAD~1", "-k", "profile_a", code=6)) == ALL[:1]
    assert names(items(two, "HEAD~1", "-k", "not profile_a")) == ALL[1:]
    done = compare(two, "HEAD~1", "-k", "nothing", code=5)
    assert "no case fits -k 'nothing'" in done.err


def test_profiler(two):
    assert names(items(two, "HEAD~1", "-p", "call")) == ALL[1:2]
    assert names(items(two, "HEAD~1", "--profiler=cprofile")) == ALL[1:2]
    done = compare(two, "HEAD~1", "-p", "tracer", code=4)
    assert "no results of profiler 'tracer'" in done.err and "there are: " in done.err


def test_metrics(two):
    assert names(items(two, "HEAD~1", "-m", "peak_memory")) == ALL[3:]
    assert names(items(two, "HEAD~1", "-m", "peak_memory,wall_time", code=6)) == ALL
    assert names(items(two, "HEAD~1", "--metric", "peak_memory", "-m", "wall_time",
                       code=6)) == ALL
    assert "did you mean 'wall_time'?" in compare(two, "HEAD~1", "-m", "wal_time", code=4).err
    done = compare(two, "HEAD~1", "-m", "zzz", code=4)
    assert "no metric 'zzz'" in done.err and "peak_memory" in done.err


def test_only_changed(two):
    assert names(items(two, "HEAD~1", "--only-changed", code=6)) == ALL[:1]
    text = compare(two, "HEAD~1", "--only-changed", code=6).out
    assert "1 of 4" in text
    done = compare(two, "HEAD", "HEAD", "--only-changed", "--format=json", code=0)
    assert done.json["items"] == [] and done.json["totals"]["same"] == 4


def test_sort(two):
    def order(key):
        return names(items(two, "HEAD~1", "--sort", key, code=6))

    assert order("case") == ALL
    assert order("change")[0] == ALL[0]
    assert order("p")[0] == ALL[0]
    assert order("metric") == [ALL[3], *ALL[:3]]
    assert order("value") == [ALL[3], ALL[0], ALL[1], ALL[2]]


# --- judging ---


def test_threshold(slower):
    for text in "20%", "0.2":
        [item] = items(slower, "HEAD~1", "--threshold", text)
        assert item["verdict"] in ("same", "within-noise") and item["threshold"] == 0.2
    [item] = items(slower, "HEAD~1", "--threshold", "5%", code=6)
    assert item["verdict"] == "slower"


def test_threshold_of_counts(history):
    """Machine instructions: a change of code layout is no news, 0.6 % are."""
    for commit, count in zip(history.commits, (1e6, 1.004e6, 1.01e6)):
        history.stored.run({(A, "instructions"): {"instructions": [count]}}, commit=commit)
    [item] = items(history, "HEAD~2", "HEAD~1")
    assert item["verdict"] == "within-noise" and item["threshold"] == 0.005
    [item] = items(history, "HEAD~1", code=6)
    assert item["verdict"] == "slower" and item["exact"] is True
    assert "changes below 2% (of counts 0.5%)" in compare(history, "HEAD~1", code=6).out
    [item] = items(history, "HEAD~1", "--threshold", "1%")
    assert item["verdict"] == "within-noise" and item["threshold"] == 0.01
    assert "of counts" not in compare(history, "HEAD~1", "--threshold", "1%", code=0).out
    history.write("pyproject.toml", "[tool.pyprofiler]\nthreshold = '2%'\n")
    [item] = items(history, "HEAD~1", "HEAD")
    assert item["threshold"] == 0.02
    history.write("pyproject.toml", "[tool.pyprofiler.gate]\ninstructions = '+0.1%'\n")
    found = items(history, "HEAD~2", "HEAD~1", code=6)
    assert found[0]["verdict"] == "slower" and found[0]["threshold"] == 0.001


def test_threshold_of_the_table(slower):
    slower.write("pyproject.toml", '[tool.pyprofiler]\nthreshold = "20%"\n')
    slower.git("add", "-A")
    slower.git("commit", "-qm", "settings")
    words = ["HEAD~2", "HEAD~1", "--format=json"]
    done = compare(slower, *words, code=0)
    assert done.json["rules"]["threshold"] == 0.2
    assert compare(slower, *words, "--threshold=1%", code=6).json["rules"]["threshold"] == 0.01
    done = compare(slower, *words, code=0, env={"PYPROFILER_THRESHOLD": "15%"})
    assert done.json["rules"]["threshold"] == 0.15
    slower.write("pyproject.toml", '[tool.pyprofiler]\nthreshhold = "20%"\n')
    assert "did you mean 'threshold'?" in compare(slower, *words, code=4).err


def test_alpha_and_seed(history):
    _, base, new = history.commits
    for i in range(9):
        measure(history, base, 1000.0 + 3 * i, runs=1)
        measure(history, new, 1100.0 + 4 * (i % 5), runs=1)

    def found(seed):
        done = compare(history, base, new, "--seed", seed, "--alpha=5%", "--format=json",
                       code=6)
        return done.json

    one = found(5)
    assert one["rules"]["alpha"] == 0.05 and one["rules"]["seed"] == 5
    assert one == found(5)
    assert found(6)["items"][0]["ci95"] != one["items"][0]["ci95"]


def test_noise_of_the_past(history):
    """One process on each side says little; what is known of the case decides."""
    first, base, new = history.commits
    measure(history, base, 1000.0, runs=1)
    measure(history, new, 1050.0, runs=1)
    [item] = items(history, base, new)
    assert item["verdict"] == "inconclusive"  # processes may differ that much
    measure(history, first, 1000.0, runs=15)  # they do not
    [item] = items(history, base, new, code=6)
    assert item["verdict"] == "slower"


def test_noise_is_not_learnt_from_what_is_judged(history):
    """Three processes that agree by chance do not say that all do."""
    first, base, new = history.commits
    measure(history, base, 1000.0, runs=3)
    measure(history, new, 1030.0, runs=3)
    [item] = items(history, base, new)
    assert item["verdict"] == "inconclusive" and item["detectable"] > 0.05
    measure(history, first, 1000.0, runs=15)
    [item] = items(history, base, new, code=6)
    assert item["verdict"] == "slower"


# --- what is not compared ---


def test_new_and_gone(history):
    _, base, new = history.commits
    measure(history, base, 1000.0, extra={"old.py::Old::profile_x": {"wall_time": values(1.0)}})
    measure(history, new, 1000.0, extra={B: {"wall_time": values(1.0)}})
    found = {i["case"]: i for i in items(history, base, new)}
    assert found["old.py::Old::profile_x"]["uncompared"] == "only-base"
    assert found[B]["uncompared"] == "only-new"
    assert found[A]["uncompared"] is None and found[A]["verdict"] == "same"


def test_a_metric_on_one_side(history):
    _, base, new = history.commits
    measure(history, base, 1000.0, extra={B: {"wall_time": values(1.0)}})
    measure(history, new, 1000.0,
            extra={B: {"wall_time": values(1.0), "peak_memory": values(5.0)}})
    found = {(i["case"], i["metric"]): i for i in items(history, base, new)}
    assert found[B, "peak_memory"]["uncompared"] == "only-new"
    assert found[B, "wall_time"]["verdict"] == "same"


def test_values_that_are_none(history):
    """Of one metric no numbers: the others have their verdicts."""
    nan, inf = float("nan"), float("inf")
    cases = {"a.py::A::both": ([nan] * 3, []), "a.py::A::base": ([inf, nan], [1.0, 2.0]),
             "a.py::A::next": ([1.0], [nan]), "a.py::A::some": ([1e6] * 5, [nan, 2e6, 2e6])}
    for side in 0, 1:
        for _ in range(5):
            history.stored.run({name: {"wall_time": of[side]} for name, of in cases.items()},
                               commit=history.commits[1 + side])
    found = {i["case"][9:]: i for i in items(history, "HEAD~1", code=6)}
    assert {k: v["uncompared"] for k, v in found.items()} == {
        "both": "not-measured", "base": "only-new", "next": "only-base", "some": None}
    assert found["both"]["why"] == "neither side has values of it"
    assert found["base"]["why"] == "the base has no values of it"
    assert found["some"]["verdict"] == "slower" and found["some"]["n"] == [25, 10]


def test_hostile_names_on_a_terminal(history):
    evil = "a.py::A::profile[\x1b[31m\x07]"
    for commit in history.commits[1:]:
        history.stored.run({evil: {"wall_time": [1.0]}, A: {"wall_time": [1.0]}}, commit=commit)
    done = compare(history, "HEAD~1", "--format", "svg", code=4)
    assert "profile[\\x1b[31m\\x07]" in done.err and "\x1b" not in done.err
    history.stored.run({evil: {"wall_time": [1.0]}}, commit=history.commits[0])
    done = compare(history, "HEAD~2", "HEAD", "-k", "31m", "--across-machines", code=0)
    assert "\x1b" not in done.out + done.err
    run = history.stored.run({evil: "failed"})
    done = compare(history, "HEAD", run, "-k", "31m", code=5)
    assert "profile[" in done.err and "\x1b" not in done.out + done.err


def test_nothing_in_common(history):
    _, base, new = history.commits
    measure(history, base, 1000.0)
    measure(history, new, None, extra={B: {"wall_time": values(1.0)}})
    done = compare(history, base, new, code=5)
    assert f"1 cases only in the base ({A}); 1 cases only on the new side ({B})" in done.err


@pytest.mark.parametrize("status", ["failed", "crashed", "timeout", "skipped", "error"])
def test_failed(history, status):
    _, base, new = history.commits
    measure(history, base, 1000.0, extra={B: {"wall_time": values(1.0)}})
    measure(history, new, 1000.0, extra={B: {"wall_time": values(1.0)}})
    history.stored.run({B: status}, commit=new)
    found = {i["case"]: i for i in items(history, base, new)}
    assert found[B]["uncompared"] == "not-measured"
    assert status in found[B]["why"] and "it went wrong" in found[B]["why"]
    assert found[A]["verdict"] == "same"
    # a later one that is whole counts
    measure(history, new, None, runs=1, extra={B: {"wall_time": values(1.0)}})
    found = {i["case"]: i for i in items(history, base, new)}
    assert found[B]["verdict"] is not None and found[B]["processes"] == [5, 6]


def test_source_changed(history):
    _, base, new = history.commits
    other = {(A, "stopwatch", "{}", "another"): {"wall_time": values(1000.0)}}
    measure(history, base, 1000.0)
    measure(history, new, None, extra=other)
    [item] = items(history, base, new)
    assert item["source_changed"] is True
    assert "source" in compare(history, base, new, code=0).out


def test_other_options(history):
    _, base, new = history.commits
    measure(history, base, None, extra={(A, "call", '{"x": "1"}'): {"wall_time": values(1.0)}})
    measure(history, new, None, extra={(A, "call", '{"x": "2"}'): {"wall_time": values(1.0)}})
    done = compare(history, base, new, "--format=json", code=5)
    assert {i["uncompared"] for i in done.json["items"]} == {"other-conditions"}
    assert '{"x": "1"}' in done.json["items"][0]["why"]
    assert '{"x": "2"}' in done.json["items"][0]["why"]


# --- machines and interpreters ---


DIFFERENCES = [
    ({"machine": {"fingerprint": "beef", "hostname": "other"}}, "machine box / other"),
    ({"machine": {"fingerprint": "beef", "cpu": "Fast"}}, "cpu CPU / Fast"),
    ({"machine": {"fingerprint": "beef", "n_cpus": 8}}, "CPUs 2 / 8"),
    ({"python": {"version": "3.13.0"}}, "Python 3.12.1 / 3.13.0"),
    ({"python": {"implementation": "PyPy"}}, "Python CPython / PyPy"),
    ({"python": {"flags": "--with-pydebug"}}, "build unknown / --with-pydebug"),
    ({"python": {"host": "python"}}, "host embed / python"),
]


@pytest.mark.parametrize("where, said", DIFFERENCES, ids=[said for _, said in DIFFERENCES])
def test_refused(history, where, said):
    _, base, new = history.commits
    measure(history, base, 1000.0)
    measure(history, new, 1500.0, **where)
    done = compare(history, base, new, "--format=json", code=5)
    [item] = done.json["items"]
    assert item["uncompared"] == "other-conditions" and said in item["why"]
    assert "--across-machines" in done.err
    done = compare(history, base, new, "--across-machines", "--format=json", code=6)
    [item] = done.json["items"]
    assert item["verdict"] == "slower"
    assert any(said in warning for warning in done.json["warnings"])


def test_counts_of_another_place(history):
    """The path of the code moves machine instructions; it hardly moves times."""
    _, base, new = history.commits
    counted = {"a.py::A::profile_a": {"instructions": [1000.0], "wall_time": values(1000.0)}}
    history.stored.run(counted, base, root="/dev/shm/pyprofiler-trees-AbCdEf/0001/project")
    counted["a.py::A::profile_a"]["instructions"] = [1060.0]
    history.stored.run(counted, new, root="/home/project")
    items = {i["metric"]: i for i in compare(history, base, new, "--format=json",
                                             code=0).json["items"]}
    assert items["instructions"]["uncompared"] == "other-conditions"
    assert "checkout" in items["instructions"]["why"]
    assert items["wall_time"]["verdict"] in ("same", "inconclusive")
    done = compare(history, base, new, "--across-machines", "--format=json", code=6)
    assert {i["metric"]: i["verdict"] for i in done.json["items"]}["instructions"] == "slower"


def test_what_does_not_count(history):
    """Another kernel or virtual environment is the same machine and Python."""
    _, base, new = history.commits
    measure(history, base, 1000.0)
    measure(history, new, 1000.0, machine={"kernel": "6.2", "governor": "powersave"},
            python={"executable": "/venv/bin/python"})
    done = compare(history, base, new, "--format=json", code=0)
    [item] = done.json["items"]
    assert item["verdict"] == "same"
    [warning] = done.json["warnings"]
    assert "kernel unknown / 6.2" in warning and "governor" in warning


def test_shared_setting(history):
    """Both sides were measured on two machines: the newest one that they share."""
    _, base, new = history.commits
    other = {"machine": {"fingerprint": "beef", "cpu": "Fast"}}
    measure(history, base, 500.0, **other)
    measure(history, base, 1000.0)
    measure(history, new, 1000.0)
    measure(history, new, 900.0, **other, runs=3)
    done = compare(history, base, new, "--format=json", code=6)
    [item] = done.json["items"]
    assert item["processes"] == [5, 3] and item["ratio"] == pytest.approx(1.8, rel=0.01)
    assert any("left out: 5 of the base, 5 of the new side" in w for w in done.json["warnings"])
    measure(history, new, 700.0, python={"version": "3.13.0"})  # only on one side
    assert items(history, base, new, code=6)[0]["processes"] == [5, 3]


# --- output ---


@pytest.mark.parametrize("name", ["text", "json", "csv", "markdown", "junit", "github"])
def test_formats(slower, name):
    done = compare(slower, "HEAD~1", "--format", name, code=6)
    assert "profile" in done.out and "slower" in done.out


def test_output(slower):
    path = slower.path.parent / "report.json"
    done = compare(slower, "HEAD~1", "-o", path, code=6)  # written, whatever the code
    assert done.out == ""
    assert json.loads(path.read_text())["items"][0]["verdict"] == "slower"
    assert "use -f" in compare(slower, "HEAD~1", "-o", path, code=4).err
    compare(slower, "HEAD~1", "-o", path, "-f", "--format", "csv", code=6)
    assert "{" not in path.read_text()[:1]
    done = compare(slower, "HEAD~1", "-o", "-", "--format=json", code=6)
    assert done.json["items"]


def test_nothing_is_compared_in_every_way(history):
    """A report is there even when the code is 5."""
    _, base, new = history.commits
    measure(history, base, 1000.0)
    measure(history, new, None, extra={B: {"wall_time": values(1.0)}})
    path = history.path.parent / "report.json"
    compare(history, base, new, "-o", path, code=5)
    assert len(json.loads(path.read_text())["items"]) == 2


def test_help(project):
    done = compare(project, "--help", code=0)
    assert "usage: pyprofiler compare" in done.out and "junit" in done.out


def test_read_only_store(slower):
    if os.geteuid() == 0:
        pytest.skip("root may write everything")
    folder = slower.stored.path.parent
    folder.chmod(0o555)
    try:
        compare(slower, "HEAD~1", code=6)
        done = compare(slower, "HEAD~1", "--save-baseline", "x", code=3)
        assert "cannot be written" in done.err
    finally:
        folder.chmod(0o755)
