"""compare --run: both sides measured now, alternately, each in its own checkout."""

import json
import os
import signal
import sqlite3

import pytest

from conftest import wait_for
from measured_trees import (CASES, PACKAGE, compare, items, snapshot, stored, sweep,
                            words, write_history)


@pytest.fixture
def trees(tmp_path, project):
    """The project with its history; checkouts go to a folder that can be looked into."""
    project.scratch = tmp_path / "scratch"
    project.scratch.mkdir()
    project.env["TMPDIR"] = str(project.scratch)
    project.ids = write_history(project)
    return project


def leftovers(project):
    return list(project.scratch.iterdir())


# ---- what is measured ----------------------------------------------------------------


def test_both_sides_are_measured(each):
    ids = write_history(each)
    outcome = compare(each, "HEAD~1", "HEAD")
    document = outcome.json
    assert document["measured"] is True and document["interrupted"] is False
    assert document["base"]["commit"] == ids[1] and document["new"]["commit"] == ids[2]
    for item in items(outcome, "::profile_work"):
        assert item["uncompared"] is None
        assert item["processes"] == [2, 2] and item["n"] == [6, 6]
    assert {i["metric"] for i in items(outcome, "::profile_new")} == {
        "wall_time", "cpu_time"}


def test_every_process_is_a_result(trees):
    outcome = compare(trees, "HEAD~1", "HEAD", run=(
        "profiling/", "-k", "profile_work", "stopwatch", "--rounds", "3"))
    for side in "base", "new":
        (run,) = outcome.json[side]["runs"]
        document = json.loads(trees.run("pyprofiler", "show", "--format=json", run).out)
        assert document["commit"]["id"] == outcome.json[side]["commit"]
        assert document["commit"]["dirty"] is False
        results = document["results"]
        assert [r["status"] for r in results] == ["ok", "ok"]
        assert results[-1]["id"] == outcome.json["items"][0]["results"][side]
    assert leftovers(trees) == []


def test_cases_are_the_users(trees):
    """Not those of a checkout that is gone."""
    outcome = compare(trees, "HEAD~2", "HEAD~1")
    assert {i["file"] for i in outcome.json["items"]} == {
        str(trees.path / "profiling/case_work.py")}


def test_no_store(trees):
    outcome = compare(trees, "--no-store", "HEAD~1", "HEAD")
    assert outcome.code == 0, outcome
    shown = trees.run("pyprofiler", "show")
    assert shown.code == 4, shown


def test_a_slow_down_is_found(trees):
    """Ten times the work, in five pairs at the least."""
    trees.write("pkg/__init__.py", PACKAGE.format(n=100000))
    outcome = trees.run(
        "pyprofiler", "compare", "--run", "--format=json", "HEAD~2", *words(
            trees, "profiling/", "-k", "work"))
    assert outcome.code == 6, outcome
    verdicts = {i["verdict"] for i in items(outcome, "::profile_work")}
    assert "slower" in verdicts and "faster" not in verdicts
    assert "slower" in outcome.err  # the line of progress


def test_the_work_tree_is_the_new_side(trees):
    """Its tree is checked out as the other one is."""
    trees.write("pkg/__init__.py", "def work():\n    open('used', 'w').close()\n")
    before = snapshot(trees)
    outcome = compare(trees, "HEAD")
    assert outcome.json["new"]["name"] == "the work tree"
    assert outcome.json["new"]["tree"] is not None
    assert items(outcome, "::profile_work")[0]["uncompared"] is None
    assert snapshot(trees) == before and leftovers(trees) == []


def test_a_clean_work_tree_is_its_commit(trees):
    outcome = compare(trees, "HEAD~1")
    assert outcome.json["new"]["commit"] == trees.ids[2]
    assert outcome.json["new"]["tree"] is None
    (run,) = outcome.json["new"]["runs"]
    shown = trees.run("pyprofiler", "show", "--format=json", run).json
    assert shown["commit"]["dirty"] is False


@pytest.mark.parametrize("store", [[], ["--no-store"]])
def test_in_place(trees, store):
    """The work tree is measured where it is; the other side is a checkout still."""
    trees.write("pkg/__init__.py", "def work():\n    open('used', 'w').close()\n")
    outcome = compare(trees, "--in-place", *store, "HEAD")
    assert items(outcome, "::profile_work")[0]["uncompared"] is None
    assert (trees.path / "used").exists()
    assert outcome.json["new"]["tree"] is not None
    assert leftovers(trees) == []


@pytest.mark.parametrize("options, warned", [
    ([], True), (["--build", "touch pkg/ignored.py"], False), (["--in-place"], False),
])
def test_files_that_git_ignores(trees, options, warned):
    trees.write(".gitignore", "ignored.py\n")
    trees.write("pkg/ignored.py", "")
    trees.write("profiling/case_work.py", "import pkg.ignored\n" + CASES)
    outcome = compare(trees, *options, "HEAD")
    said = [w for w in outcome.json["warnings"] if "No module named 'pkg.ignored'" in w]
    assert bool(said) is warned, outcome
    assert all("--build makes them, or measure with --in-place" in w for w in said)
    assert ("--build makes them" in outcome.err) is warned


def test_a_file_that_cannot_be_imported_is_not_forgotten(trees):
    trees.write("profiling/case_other.py", "import nothing_of_that_name\n" + CASES)
    outcome = compare(trees, "HEAD")
    (said,) = outcome.json["warnings"]
    assert "case_other.py" in said and "nothing_of_that_name" in said


@pytest.mark.parametrize("options, warned", [(["--in-place"], True), ([], False)])
def test_a_work_tree_that_changes_meanwhile(trees, options, warned):
    trees.write("profiling/case_work.py", CASES.replace(
        "        pkg.work()\n", "        pkg.work()\n        with open(%r, 'a') as f:\n"
        "            f.write('# more\\n')\n" % str(trees.path / "pkg/__init__.py")))
    outcome = compare(trees, *options, "HEAD")
    assert ("changed while it was measured" in outcome.err) is warned, outcome
    assert any("changed while" in w for w in outcome.json["warnings"]) is warned


# ---- what one side lacks ---------------------------------------------------------------


def test_base_is_older_than_the_cases_and_the_function(trees):
    outcome = compare(trees, "HEAD~2", "HEAD")
    assert items(outcome, "::profile_work")[0]["uncompared"] is None
    (item,) = items(outcome, "::profile_new")
    assert item["uncompared"] is not None
    assert "failed at HEAD~2" in item["why"] and "no attribute 'new'" in item["why"]
    assert outcome.code in (0, 6)  # the other case was measured and judged


def test_a_file_that_the_base_cannot_import(trees):
    trees.write("pkg/extra.py", "x = 1\n")
    trees.write("profiling/case_extra.py", CASES.replace(
        "import pkg\n", "import pkg, pkg.extra\n").replace("Work", "Extra"))
    trees.commit("extra")
    outcome = compare(trees, "HEAD~1", "HEAD")
    assert items(outcome, "case_work.py::Work::profile_work")[0]["uncompared"] is None
    (item,) = items(outcome, "Extra::profile_work")
    assert "No module named 'pkg.extra'" in item["why"]


def test_skipped_and_crashing_cases(trees):
    trees.write("profiling/case_work.py", CASES.replace(
        "        pkg.new()\n", "        import os; os.abort()\n\n"
        "    def profile_skipped(self):\n        self.skipTest('not today')\n"))
    outcome = compare(trees, "HEAD~1")
    assert items(outcome, "::profile_work")[0]["uncompared"] is None
    assert "SIGABRT" in items(outcome, "::profile_new")[0]["why"]
    assert "not today" in items(outcome, "::profile_skipped")[0]["why"]


# ---- sides -----------------------------------------------------------------------------


def test_a_base_that_does_not_build(trees):
    build = "echo said by the build; test -e pkg/built"
    trees.write("pkg/built", "")
    trees.commit("can be built")
    outcome = compare(trees, "--build", build, "HEAD~1", "HEAD")
    assert outcome.code == 1, outcome
    assert "HEAD~1 cannot be measured" in outcome.err
    assert "ended with exit code 1" in outcome.err
    assert "said by the build" in outcome.err
    kept = stored(trees)  # what can be measured is
    assert {r["status"] for r in kept} == {"ok"} and len(kept) == 2
    assert leftovers(trees) == []


def test_the_build_runs_in_the_checkout(trees):
    trees.write("pyproject.toml", """\
[tool.pyprofiler]
build = "echo 'def work(): return 2' > pkg/generated.py; git status > log 2>&1; test $? -ne 0"
""")
    trees.write("profiling/case_work.py", CASES.replace("pkg.work()", "pkg.generated.work()")
                .replace("import pkg\n", "import pkg.generated\n"))
    outcome = compare(trees, "HEAD~1")
    assert items(outcome, "::profile_work")[0]["uncompared"] is None, outcome
    assert not (trees.path / "pkg/generated.py").exists()
    assert not (trees.path / "log").exists()


@pytest.mark.parametrize("own", [None, "1.2"])
def test_a_version_for_builds_that_ask_git(trees, own):
    if own is not None:
        trees.env["SETUPTOOLS_SCM_PRETEND_VERSION"] = own
    outcome = compare(trees, "--build", 'echo "$SETUPTOOLS_SCM_PRETEND_VERSION:"; false',
                      "HEAD~1", "HEAD")
    assert f"{own or '9999.0'}:" in outcome.err, outcome


def test_a_build_that_hangs(trees):
    outcome = compare(trees, "--build", "sleep 300 & sleep 300", "--build-timeout=0.2s",
                      "HEAD~1", "HEAD")
    assert outcome.code == 1, outcome
    assert "did not end within 0.2 s" in outcome.err


def test_a_venv_for_each_commit(trees):
    trees.write("pyproject.toml", "[tool.pyprofiler]\nvenv = true\n")
    trees.write("profiling/case_work.py", CASES.replace(
        "pkg.work()",
        "import sys; assert sys.prefix != sys.base_prefix and 'venv' in sys.prefix, sys.prefix"))
    trees.commit("venv")
    # what is installed in it is found: a module beside pip, by a build without network
    build = ("python -c \"import sysconfig, pathlib;"
             "pathlib.Path(sysconfig.get_path('purelib'), 'in_venv.py').touch()\"")
    trees.write("profiling/case_work.py", CASES.replace(
        "pkg.work()", "import sys, in_venv; assert 'venv' in sys.prefix"))
    trees.commit("in the venv")
    outcome = compare(trees, "--build", build, "HEAD~1", "HEAD",
                      run=("profiling/", "-k", "work", "passthrough"))
    assert items(outcome, "::profile_work")[0]["why"] in (
        None, "both sides have no metric in common"), outcome
    assert leftovers(trees) == []


def test_a_venv_sees_no_other_packages_unless_asked(trees):
    check = "python -c 'import sys; sys.exit({} in open(sys.prefix + \"/pyvenv.cfg\").read())'"
    seen = check.format("\"include-system-site-packages = false\"")
    plain = compare(trees, "--venv", "--build", seen, "HEAD~1", "HEAD")
    assert plain.code == 1, plain
    asked = compare(trees, "--venv", "--system-site-packages", "--build", seen, "HEAD~1",
                    "HEAD", run=("profiling/", "-k", "work", "stopwatch", "--rounds", "1"))
    assert asked.code == 0, asked


def test_keep_trees(trees):
    outcome = compare(trees, "--keep-trees", "HEAD~2", "HEAD")
    (base,) = leftovers(trees)
    checkouts = sorted(base.glob("*/project"))
    assert len(checkouts) == 2
    texts = {(c / "pkg/__init__.py").read_text() for c in checkouts}
    assert PACKAGE.format(n=1000) in texts
    assert all(str(c) in outcome.err for c in checkouts)
    assert all((c / "profiling/case_work.py").exists() for c in checkouts)
    compare(trees, "HEAD~2", "HEAD")
    assert base.exists()  # nobody takes them for what a killed one left


def test_what_a_killed_one_left_is_removed(trees):
    for name in "pyprofiler-trees-killed", "pyprofiler-killed":
        left = trees.scratch / name
        left.mkdir()
        (left / "lock").touch()
    other = trees.scratch / "pyprofiler-trees-without-lock"
    other.mkdir()
    compare(trees, "HEAD~1", "HEAD")
    assert leftovers(trees) == [other]


# ---- what is laid over -------------------------------------------------------------------


def test_a_case_file_at_the_root(trees):
    trees.write("case_root.py", CASES.replace("profile_new", "profile_other"))
    trees.write("pkg/__init__.py", "def work():\n    return 1\n")
    outcome = compare(trees, "HEAD~2", run=("case_root.py", "-k", "work", "stopwatch",
                                             "--rounds", "3"))
    assert items(outcome, "case_root.py::Work::profile_work")[0]["uncompared"] is None
    # only the file was laid over, not today's package
    kept = compare(trees, "--keep-trees", "HEAD~2", run=("case_root.py",))
    assert kept.code in (0, 6), kept
    checkout, = (p for p in trees.scratch.glob("*/*/project")
                 if "range(1000)" in (p / "pkg/__init__.py").read_text())
    assert (checkout / "pkg/__init__.py").read_text() == PACKAGE.format(n=1000)
    assert not (checkout / "profiling").exists()


def test_support_files_of_a_single_case_file(trees):
    trees.write("profiling/data/input.txt", "42")
    trees.write("profiling/support.py", "import pathlib\n"
                "TEXT = (pathlib.Path(__file__).parent / 'data/input.txt').read_text()\n")
    trees.write("profiling/case_work.py", "import support\n" + CASES.replace(
        "pkg.work()", "assert support.TEXT == '42'"))
    outcome = compare(trees, "HEAD~2", run=("profiling/case_work.py::Work::profile_work",
                                             "stopwatch", "--rounds", "3"))
    assert items(outcome, "::profile_work")[0]["uncompared"] is None, outcome


@pytest.mark.parametrize("target, package", [
    ("lib", "lib"), ("lib/", "lib/part"), ("src", "src/lib")])
def test_a_folder_of_code_with_cases_in_it(trees, target, package):
    """Not laid over whole: it would hide the old code."""
    for n in 1000, 3000:
        trees.write(f"{package}/__init__.py", "")
        trees.write(f"{package}/core.py", PACKAGE.format(n=n))
        trees.write(f"{package}/other.py", "")
        trees.commit("lib")
    trees.write(f"{package}/case_lib.py", CASES)
    outcome = compare(trees, "--keep-trees", "HEAD~1", run=(
        target, "-k", "profile_work", "stopwatch", "--rounds", "3"))
    assert items(outcome, "::profile_work")[0]["uncompared"] is None
    texts = {p.read_text() for p in trees.scratch.glob(f"*/*/project/{package}/core.py")}
    assert texts == {PACKAGE.format(n=1000), PACKAGE.format(n=3000)}


def test_a_package_of_cases_is_laid_over_whole(trees):
    trees.write("profiling/__init__.py", "")
    trees.write("profiling/helper.py", "N = 1\n")
    trees.commit("helper")
    trees.write("profiling/helper.py", "N = 2\n")
    trees.write("profiling/more.py", "")
    trees.write("profiling/case_more.py", "from profiling import more\n" + CASES)
    compare(trees, "--keep-trees", "HEAD")
    for name, text in ("helper.py", "N = 2\n"), ("more.py", ""):
        found = list(trees.scratch.glob(f"*/*/project/profiling/{name}"))
        assert [p.read_text() for p in found] == [text, text]


def test_overlay(trees):
    trees.write("data/input.txt", "42")
    trees.write("profiling/case_work.py", CASES.replace(
        "pkg.work()", "assert open('data/input.txt').read() == '42'"))
    plain = compare(trees, "HEAD~2")
    assert "FileNotFoundError" in items(plain, "::profile_work")[0]["why"]
    laid = compare(trees, "--overlay", "data", "HEAD~2")
    assert items(laid, "::profile_work")[0]["uncompared"] is None
    trees.write("pyproject.toml", "[tool.pyprofiler]\noverlay = ['data']\n")
    configured = compare(trees, "HEAD~2")
    assert items(configured, "::profile_work")[0]["uncompared"] is None
    missing = compare(trees, "--overlay", "nowhere", "HEAD~2")
    assert missing.code == 4 and "there is no 'nowhere'" in missing.err
    outside = compare(trees, "--overlay", "/etc", "HEAD~2")
    assert outside.code == 4 and "is not below" in outside.err


def test_nothing_is_written_behind_a_link(tmp_path, trees):
    """An old tree in which the folder of the cases is a link to the user's files."""
    outside = tmp_path / "outside"
    outside.mkdir()
    (outside / "case_work.py").write_text("precious")
    trees.git("rm", "-rq", "profiling")
    (trees.path / "profiling").symlink_to(outside)
    trees.commit("a link")
    (trees.path / "profiling").unlink()
    trees.write("profiling/case_work.py", CASES)
    outcome = compare(trees, "HEAD")
    assert items(outcome, "::profile_work")[0]["uncompared"] is None
    assert (outside / "case_work.py").read_text() == "precious"


def test_the_current_folder_is_the_same_place(trees):
    trees.write("profiling/case_work.py", CASES.replace(
        "pkg.work()", "import os; assert os.path.basename(os.getcwd()) == 'sub'"))
    (trees.path / "sub").mkdir()
    outcome = compare(trees, "HEAD~2", cwd=trees.path / "sub", run=(
        "../profiling/case_work.py", "-k", "work", "stopwatch", "--rounds", "3"))
    assert items(outcome, "profiling/case_work.py::Work::profile_work")[0][
        "uncompared"] is None, outcome


# ---- which modules are measured ----------------------------------------------------------


def test_src_layout(trees):
    trees.git("mv", "pkg", "src-pkg")
    (trees.path / "src").mkdir()
    trees.git("mv", "src-pkg", "src/pkg")
    trees.write("src/pkg/__init__.py", PACKAGE.format(n=10) + "VALUE = 1\n")
    trees.commit("src layout")
    trees.write("src/pkg/__init__.py", PACKAGE.format(n=10) + "VALUE = 2\n")
    trees.write("profiling/case_work.py", CASES.replace("pkg.work()", "print(pkg.VALUE)"))
    outcome = compare(trees, "HEAD")
    assert items(outcome, "::profile_work")[0]["uncompared"] is None, outcome
    for side, value in ("base", "1"), ("new", "2"):
        (run,) = outcome.json[side]["runs"]
        shown = stored(trees, run)
        assert [r["output"].split() for r in shown if r["case"].endswith("work")] == [
            [value] * 3] * 2 or all(
            set(r["output"].split()) == {value} for r in shown if r["case"].endswith("work"))


EDITABLE = """\
import sys
class Finder:
    @staticmethod
    def find_spec(name, path=None, target=None):
        if name == "pkg":
            import importlib.util
            return importlib.util.spec_from_file_location(
                name, {file!r}, submodule_search_locations=[])
{install}
"""


@pytest.mark.parametrize("install, warned", [
    ("sys.path.append({root!r})", False),       # a .pth of an editable install
    ("sys.meta_path.append(Finder)", False),    # as setuptools does it
    ("sys.meta_path.insert(0, Finder)", True),  # as others do
])
def test_editable_installs(tmp_path, trees, install, warned):
    site = tmp_path / "site"
    site.mkdir()
    root = str(trees.path)
    (site / "sitecustomize.py").write_text(EDITABLE.format(
        file=f"{root}/pkg/__init__.py", install=install.format(root=root)))
    outcome = compare(trees, "HEAD~1", "HEAD", env={"PYTHONPATH": str(site)})
    said = f"module 'pkg' was loaded from '{root}/pkg/__init__.py'"
    assert (said in outcome.err) == warned, outcome
    assert any(said in w for w in outcome.json["warnings"]) == warned
    if warned:
        assert "HEAD~1: " + said in outcome.err


def test_submodules(tmp_path, trees):
    library = tmp_path / "library"
    library.mkdir()
    (library / "lib.py").write_text("VALUE = 1\n")
    for command in ["init", "-q"], ["add", "-A"], ["commit", "-qm", "lib"]:
        trees.git(*command, cwd=library)
    trees.git("submodule", "--quiet", "add", str(library), "library")
    trees.write("profiling/case_work.py", CASES.replace(
        "pkg.work()", "import sys; sys.path.insert(0, 'library'); import lib"))
    trees.commit("submodule")
    before = snapshot(trees)
    plain = compare(trees, "HEAD~1", "HEAD")
    assert "No module named 'lib'" in items(plain, "::profile_work")[0]["why"]
    laid = compare(trees, "--overlay", "library", "HEAD~1", "HEAD")
    assert items(laid, "::profile_work")[0]["uncompared"] is None, laid
    assert snapshot(trees) == before


# ---- the words of run --------------------------------------------------------------------


def test_default_targets(trees):
    plain = trees.run("pyprofiler", "compare", "--run", "--max-runs=1", "--format=json",
                      "HEAD~1", "HEAD", "--", "--python", trees.python)
    assert items(plain, "profiling/case_work.py::Work::profile_work")
    trees.write("other/case_other.py", CASES.replace("Work", "Other"))
    trees.write("pyproject.toml", "[tool.pyprofiler]\ntargets = ['other']\n")
    chosen = compare(trees, "HEAD~1", run=("stopwatch", "--rounds", "2"))
    assert {i["case"] for i in chosen.json["items"]} == {
        f"other/case_other.py::Other::profile_{n}" for n in ("work", "new")}
    assert items(chosen, "::profile_work")[0]["n"] == [4, 4]


def test_no_target_at_all(project):
    project.write("pkg.py", "")
    project.commit()
    outcome = project.run("pyprofiler", "compare", "--run", "HEAD", "--", "--python",
                          project.python)
    assert outcome.code == 4 and "no target" in outcome.err


@pytest.mark.parametrize("given, said", [
    (("--list",), "--list has no meaning"),
    (("--format", "json"), "--format has no meaning"),
    (("--output", "x"), "--output has no meaning"),
    (("profiling/case_wrok.py",), "did you mean 'profiling/case_work.py'"),
    (("profiling/case_work.py::Wrok",), "did you mean 'Work'"),
    (("profiling/", "stopwach"), "did you mean 'stopwatch'"),
    (("profiling/", "stopwatch", "--ronds", "3"), "did you mean '--rounds'"),
])
def test_wrong_words(trees, given, said):
    outcome = compare(trees, "HEAD~1", "HEAD", run=given)
    assert outcome.code == 4 and said in outcome.err, outcome


@pytest.mark.parametrize("options, said", [
    (("--cpu", "999999", "HEAD"), "--cpu takes the number of a processor"),
    (("nobody",), "nobody"),
    (("--baseline", "x"), "a baseline cannot be measured"),
    (("--profiler", "call", "HEAD"), "name 'call' after '--'"),
    (("--metric", "nothing", "--keyword", "(", "HEAD"), "'('"),
])
def test_wrong_options(trees, options, said):
    outcome = compare(trees, *options)
    assert outcome.code == 4 and said in outcome.err, outcome


def test_outside_a_repository(project):
    project.write("case_work.py", CASES)
    outcome = compare(project, "HEAD", run=("case_work.py",))
    assert outcome.code != 0 and "no git repository" in outcome.err, outcome


@pytest.mark.parametrize("cpu", ["none", "0", "last"])
def test_processor(trees, cpu):
    allowed = sorted(os.sched_getaffinity(0))
    expected = {"none": allowed, "0": [0], "last": allowed[-1:]}[cpu]
    if cpu == "0" and 0 not in allowed:
        pytest.skip("processor 0 may not be used here")
    trees.write("profiling/case_work.py", CASES.replace(
        "pkg.work()", f"import os; assert sorted(os.sched_getaffinity(0)) == {expected}"))
    outcome = compare(trees, "--cpu", cpu, "HEAD~1")
    assert items(outcome, "::profile_work")[0]["uncompared"] is None, outcome


def test_short_measurements_unless_asked(trees):
    """One round of 30 ms; and as a setting it is no other than that of a plain run."""
    trees.write("profiling/case_work.py", CASES.replace(
        "pkg.work()", "import time; time.sleep(0.03)"))
    words_of_run = "profiling/", "-k", "profile_work", "stopwatch", "--warmup", "0"
    outcome = compare(trees, "HEAD~1", "HEAD", run=words_of_run)
    for item in items(outcome, "::profile_work"):
        assert item["processes"] == [2, 2] and item["n"] == [2, 2]
    long = compare(trees, "HEAD~1", "HEAD", run=(*words_of_run, "--rounds", "3"))
    assert items(long, "::profile_work")[0]["n"] == [6, 6]
    options = "SELECT DISTINCT value FROM result JOIN text ON text.key = result.options"
    with sqlite3.connect(trees.path / ".pyprofiler/results.db") as db:
        found = [json.loads(text) for text, in db.execute(options)]
    assert found == [{"warmup": "0"}, {"rounds": "3", "warmup": "0"}]


def test_results_of_run_sweep_and_compare_are_of_one_setting(trees):
    plain = "profiling/", "-k", "profile_work", "stopwatch"
    trees.env["PYTHONPATH"] = str(trees.path)
    trees.run("pyprofiler", "run", *words(trees, *plain)[1:])
    assert "  stored  " in sweep(trees, "HEAD~1..HEAD", "--runs=1", run=plain).out
    outcome = compare(trees, "HEAD~1", "HEAD", run=plain)
    assert outcome.code in (0, 6), outcome
    shown = trees.run("pyprofiler", "history", "--format=json", "-m", "wall_time",
                      "profile_work").json
    (series,) = shown["series"]
    assert [p["processes"] for p in series["points"]] == [2, 3], shown


def test_keyword_and_metric_before_the_dashes(trees):
    outcome = compare(trees, "--keyword", "profile_work", "--metric", "cpu_time", "HEAD~1",
                      "HEAD")
    assert [i["metric"] for i in outcome.json["items"]] == ["cpu_time"]
    twice = compare(trees, "-k", "work", "HEAD", run=("profiling/", "-k", "work"))
    assert twice.code == 4 and "before and after" in twice.err


def test_max_time(trees):
    """One case after the time is over is the last one."""
    trees.write("profiling/case_work.py", CASES.replace(
        "pkg.work()", "import time; time.sleep(0.02)"))
    outcome = trees.run(
        "pyprofiler", "compare", "--run", "--max-time=1ms", "--format=json", "HEAD~1",
        *words(trees))
    kinds = {i["case"].rpartition("_")[2]: i["why"] for i in outcome.json["items"]}
    assert "--max-time" in kinds["work"] and kinds["new"] is None, outcome


def test_a_profiler_that_the_case_file_registers(trees):
    trees.write("profiling/case_work.py", CASES.replace(
        "import pkg\n", "import pkg\nfrom pyprofiler import Profiler, register_profiler\n"
        "@register_profiler('mine')\nclass Mine(Profiler):\n    pass\n"))
    outcome = compare(trees, "HEAD~1", run=("profiling/", "-k", "work", "mine"))
    assert items(outcome, "::profile_work")[0]["profiler"] == "mine", outcome


def test_help_of_run_after_the_dashes(trees):
    outcome = trees.run("pyprofiler", "compare", "--run", "HEAD", "--", "--help")
    assert outcome.code == 0 and "--keyword" in outcome.out


# ---- the user's repository -----------------------------------------------------------------


def test_the_repository_is_untouched(trees):
    trees.write("pkg/__init__.py", PACKAGE.format(n=5) + "def new(): pass\n")
    trees.git("stash", "-q")
    trees.write("pkg/__init__.py", PACKAGE.format(n=7) + "def new(): pass\n")
    trees.write("untracked.py", "x = 1\n")
    trees.git("add", "untracked.py")
    trees.write("untracked.py", "x = 2\n")
    before = snapshot(trees)
    for options in ("HEAD~2",), ("HEAD~2", "HEAD~1"), ("--build", "touch x", "HEAD~1"):
        outcome = compare(trees, *options)
        assert outcome.code in (0, 6), outcome
        assert snapshot(trees) == before
    assert leftovers(trees) == []


def test_a_dirty_tree_is_built_in_a_checkout(trees):
    trees.write("pkg/__init__.py", "def work():\n    print('dirty')\ndef new(): pass\n")
    outcome = compare(trees, "--build", "touch built", "HEAD")
    (run,) = outcome.json["new"]["runs"]
    document = json.loads(trees.run("pyprofiler", "show", "--format=json", run).out)
    assert document["commit"]["dirty"] is True
    assert "dirty" in [r["output"] for r in document["results"]
                       if r["case"].endswith("work")][0]
    assert not (trees.path / "built").exists()


# ---- ends ------------------------------------------------------------------------------------


def test_ctrl_c(trees):
    trees.write("profiling/case_work.py", CASES.replace(
        "pkg.work()", "open('/proc/self/comm', 'w').write('x')\n"
        f"        open({str(trees.path)!r} + '/ready', 'a').write('x')"))
    process = trees.start(
        "pyprofiler", "compare", "--run", "--max-time=0", "--format=json", "HEAD~1",
        *words(trees, "profiling/", "-k", "work", "stopwatch", "--rounds", "1",
               "--warmup", "0"))
    ready = trees.path / "ready"
    wait_for(lambda: ready.exists() and ready.stat().st_size > 8, "some processes")
    process.send_signal(signal.SIGINT)
    outcome = trees.finish(process)
    assert outcome.code == 2, outcome
    assert outcome.json["interrupted"] is True
    assert outcome.json["items"][0]["processes"][0] > 0
    assert leftovers(trees) == []
    assert stored(trees, outcome.json["new"]["runs"][0])


def test_ctrl_c_during_the_build(trees):
    process = trees.start(
        "pyprofiler", "compare", "--run", "--build", f"touch {trees.path}/ready; sleep 300",
        "HEAD~1", "HEAD", *words(trees))
    wait_for((trees.path / "ready").exists, "the build")
    process.send_signal(signal.SIGINT)
    outcome = trees.finish(process)
    assert outcome.code == 2, outcome
    assert leftovers(trees) == []


def test_where_finds_functions(trees):
    """What follows the measuring looks into the results of exactly these processes."""
    trees.write("pkg/__init__.py", "def inner():\n    for i in range(200000):\n"
                "        pass\n"
                "def work():\n    return inner()\n")
    outcome = trees.run("pyprofiler", "compare", "--run", "--max-runs=6", "--format=json",
                        "--where", "HEAD~1", *words(trees, "profiling/", "-k", "work", "call"))
    names = {w["function"] for i in outcome.json["items"] for w in i["where"]}
    assert "inner" in names, outcome
    files = {w["file"] for i in outcome.json["items"] for w in i["where"]}
    assert "pkg/__init__.py" in files, files
