"""Every situation that git can be in gives a result, or one with a note."""

import os
import shutil

import pytest

CALLS = "model/calls.py"


@pytest.fixture
def calls(project):
    return project.add(CALLS)


def commit_of(project, **how):
    done = project.run_json(how.pop("target", CALLS), "passthrough", **how)
    assert done.code == 0, done
    assert {r["status"] for r in done.json["results"]} == {"ok"}
    return done.json["commit"]


def test_clean_and_dirty(calls):
    head = calls.commit()
    clean = commit_of(calls)
    assert (clean["id"], clean["branch"], clean["dirty"]) == (head, "main", False)
    assert clean["tree"] == calls.git("rev-parse", "HEAD^{tree}")
    calls.write("new.py", "")
    calls.write(CALLS, (calls.path / CALLS).read_text() + "\n# changed\n")
    dirty = commit_of(calls)
    assert (dirty["id"], dirty["dirty"]) == (head, True)
    assert dirty["tree"] != clean["tree"]
    assert commit_of(calls)["tree"] == dirty["tree"]  # of the content, not of the time


def test_our_own_folder_is_not_a_change(calls):
    calls.commit()
    commit_of(calls)
    assert commit_of(calls)["dirty"] is False


def test_no_repository(calls):
    commit = commit_of(calls)
    assert commit["id"] is None and commit["note"]
    assert (calls.path / ".pyprofiler").exists()


def test_unborn(calls):
    calls.git("init", "-q")
    commit = commit_of(calls)
    assert commit["id"] is None and commit["note"]


def test_detached(calls):
    head = calls.commit()
    calls.git("checkout", "-q", "--detach")
    commit = commit_of(calls)
    assert (commit["id"], commit["branch"]) == (head, None)


def test_bare(calls, tmp_path):
    """Case files that lie inside a bare repository."""
    calls.commit()
    bare = tmp_path / "bare.git"
    calls.git("clone", "-q", "--bare", calls.path, bare)
    (bare / "model").mkdir()
    shutil.copy(calls.path / CALLS, bare / CALLS)
    commit_of(calls, cwd=bare)


def test_shallow(calls, tmp_path):
    calls.commit()
    head = calls.commit("second")
    clone = tmp_path / "shallow"
    calls.git("clone", "-q", "--depth=1", f"file://{calls.path}", clone)
    assert commit_of(calls, cwd=clone)["id"] == head


def test_submodule(calls, tmp_path):
    inner = calls.commit()
    outer = tmp_path / "outer"
    outer.mkdir()
    calls.git("init", "-q", cwd=outer)
    calls.git("submodule", "add", "-q", calls.path, "sub", cwd=outer)
    calls.git("commit", "-q", "-m", "with a submodule", cwd=outer)
    assert commit_of(calls, cwd=outer / "sub")["id"] == inner
    from_outside = commit_of(calls, cwd=outer, target=f"sub/{CALLS}")
    assert from_outside["id"] is not None


def test_linked_worktree(calls, tmp_path):
    head = calls.commit()
    linked = tmp_path / "linked"
    calls.git("worktree", "add", "-q", "-b", "topic", linked)
    commit = commit_of(calls, cwd=linked)
    assert (commit["id"], commit["branch"], commit["dirty"]) == (head, "topic", False)


def test_no_trace_in_the_repository(calls):
    calls.commit()
    before = calls.git("for-each-ref"), calls.git("worktree", "list")
    index = (calls.path / ".git" / "index").read_bytes()
    commit_of(calls)
    assert (calls.git("for-each-ref"), calls.git("worktree", "list")) == before
    assert (calls.path / ".git" / "index").read_bytes() == index


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can give a folder away")
def test_other_owner(calls):
    calls.commit()
    for folder, folders, files in os.walk(calls.path / ".git"):
        for name in [".", *folders, *files]:
            os.chown(os.path.join(folder, name), 12345, 12345)
    os.chown(calls.path, 12345, 12345)
    commit = commit_of(calls)
    assert commit["id"] is not None or "safe.directory" in commit["note"]


@pytest.mark.parametrize("damage", ["HEAD", "objects", "config", "index"])
def test_corrupt(calls, damage):
    calls.commit()
    path = calls.path / ".git" / damage
    if path.is_dir():
        shutil.rmtree(path)
        path.mkdir()
    else:
        path.write_bytes(b"[[[ \0 no such thing")
    commit = commit_of(calls)
    assert commit["note"] or damage == "index"


def test_work_tree_in_environment(calls, tmp_path):
    """GIT_DIR of a hook that calls us does not confuse."""
    head = calls.commit()
    commit = commit_of(calls, env={"GIT_DIR": str(calls.path / ".git")})
    assert commit["id"] == head
