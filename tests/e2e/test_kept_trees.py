"""A run in a dirty tree keeps the tree; the repository does not notice."""

import os
import subprocess

import pytest

CALLS = "model/calls.py"
OBJECTS = ".pyprofiler/objects"


@pytest.fixture
def dirty(project):
    """A repository with something of everything: staged, changed, untracked, a stash."""
    project.add(CALLS)
    project.write("old.py", "old = 1\n")
    project.write("gone.py", "gone = 1\n")
    project.commit()
    project.write("old.py", "stashed = 1\n")
    project.git("stash", "push", "-q")
    project.write("staged.py", "staged = 1\n")
    project.git("add", "staged.py")
    project.write("old.py", "old = 2\n")
    project.write("new.py", "new = 1\n")
    (project.path / "gone.py").unlink()
    return project


def repository(project):
    """All of .git by name, time and bytes, and what git says of it."""
    git = project.path / ".git"
    files = {
        str(p): (p.stat().st_mtime_ns, p.stat().st_mode, p.is_file() and p.read_bytes())
        for p in sorted(git.rglob("*"))
    }
    # Without --no-optional-locks git status would write the index itself.
    said = [project.git("--no-optional-locks", "status", "--porcelain"),
            project.git("count-objects", "-v"), project.git("stash", "list"),
            project.git("show-ref"), project.git("ls-files", "--stage")]
    return files, said


def run(project, *words):
    done = project.run_json(CALLS, "passthrough", *words)
    assert done.code == 0, done
    assert "pyprofiler:" not in done.err
    return done.json["commit"]


def files_of(project, tree, objects=OBJECTS):
    """{name: text} of a kept tree, as git reads it with our objects beside its own."""
    env = {**os.environ, "GIT_ALTERNATE_OBJECT_DIRECTORIES": str(project.path / objects)}
    def git(*words):
        return subprocess.run(["git", *words], cwd=project.path, env=env, text=True,
                              capture_output=True, check=True).stdout
    names = git("ls-tree", "-r", "--name-only", tree).split()
    return {name: git("cat-file", "blob", f"{tree}:{name}") for name in names}


def test_both_trees_are_kept(dirty):
    before = repository(dirty)
    first = run(dirty)
    assert first["dirty"]
    assert repository(dirty) == before
    dirty.write("new.py", "new = 2\n")
    second = run(dirty)
    assert repository(dirty) == before  # new.py was and is untracked
    (dirty.path / "new.py").unlink()

    one, two = files_of(dirty, first["tree"]), files_of(dirty, second["tree"])
    assert one["old.py"] == two["old.py"] == "old = 2\n"
    assert one["staged.py"] == "staged = 1\n"
    assert (one["new.py"], two["new.py"]) == ("new = 1\n", "new = 2\n")
    assert "gone.py" not in one and CALLS in one


def test_only_changes_are_written(dirty):
    def kept():
        return {p for p in (dirty.path / OBJECTS).glob("??/*")}
    run(dirty)
    first = kept()
    assert len(first) == 4  # old.py, staged.py, new.py and the root
    run(dirty)
    assert kept() == first
    dirty.write("new.py", "new = 2\n")
    run(dirty)
    assert len(kept() - first) == 2


def test_a_clean_tree_is_not_kept(dirty):
    dirty.git("add", "-A")
    dirty.git("commit", "-q", "-m", "all")
    assert not run(dirty)["dirty"]
    assert not (dirty.path / OBJECTS).exists()


def test_nothing_is_kept_without_a_store(dirty):
    assert run(dirty, "--no-store")["dirty"]
    assert not (dirty.path / ".pyprofiler").exists()


def test_before_the_first_commit(project):
    project.add(CALLS)
    project.git("init", "-q")
    done = project.run_json(CALLS, "passthrough")
    assert done.code == 0, done
    assert CALLS in files_of(project, done.json["commit"]["tree"])


def test_beside_a_store_of_another_name(dirty):
    """Objects in a folder that git sees are no change of the tree."""
    status = dirty.git("status", "--porcelain")
    (dirty.path / "results").mkdir()
    first = run(dirty, "--store", "results/my.db")
    assert files_of(dirty, first["tree"], "results/objects")["new.py"] == "new = 1\n"
    seen = dirty.git("status", "--porcelain", "--untracked-files=all").splitlines()
    assert set(seen) - set(status.splitlines()) == {"?? results/my.db"}


def test_a_failure_is_a_warning(dirty):
    (dirty.path / ".pyprofiler").mkdir()
    dirty.write(OBJECTS, "a file where the folder should be\n")
    done = dirty.run_json(CALLS, "passthrough")
    assert done.code == 0, done
    assert "objects" in done.err and "the results are stored, the tree is not" in done.err
    assert done.json["commit"]["dirty"]
    assert dirty.run("pyprofiler", "show").code == 0


def test_the_case_may_write_files(dirty):
    """The tree is that of the beginning."""
    dirty.write(CALLS, (dirty.path / CALLS).read_text()
                + "\n\nimport pathlib\n\npathlib.Path('made.py').write_text('')\n")
    assert "made.py" not in files_of(dirty, run(dirty)["tree"])
