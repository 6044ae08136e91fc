"""A repository with a history, for the commands that measure trees."""

import hashlib
import json
import os

CASES = """\
from pyprofiler import ProfilerCase
import pkg

class Work(ProfilerCase):
    def profile_work(self):
        pkg.work()

    def profile_new(self):
        pkg.new()
"""

PACKAGE = """\
def work():
    return sum(range({n}))
"""


def write_history(project):
    """one: pkg.work; two: slower, and pkg.new; three: the cases."""
    project.write("pkg/__init__.py", PACKAGE.format(n=1000))
    ids = [project.commit("one")]
    project.write("pkg/__init__.py",
                  PACKAGE.format(n=3000) + "\ndef new():\n    return 1\n")
    ids.append(project.commit("two"))
    project.write("profiling/case_work.py", CASES)
    ids.append(project.commit("three"))
    return ids


def words(project, *more):
    """What follows `--`: short measurements in our interpreter."""
    given = more or ("profiling/", "stopwatch", "--rounds", "3")
    return ["--", "--python", project.python, *given]


def compare(project, *options, run=(), **how):
    return project.run("pyprofiler", "compare", "--run", "--max-runs=2",
                       "--format=json", *options, *words(project, *run), **how)


def items(outcome, end):
    """The items of the comparison whose case ends so."""
    found = [i for i in outcome.json["items"] if i["case"].endswith(end)]
    assert found, outcome
    return found


def sweep(project, *options, run=(), **how):
    return project.run("pyprofiler", "sweep", *options, *words(project, *run), **how)


def swept(outcome):
    """{summary: what the line says of the commit}"""
    found = {}
    for line in outcome.out.splitlines():
        _, _, rest = line.split("  ", 2)
        said, _, summary = rest.rpartition("  (")
        found[summary.rstrip(")")] = said.strip()
    return found


def stored(project, *what):
    """The results that `show` knows, newest run first."""
    shown = project.run("pyprofiler", "show", "--format=json", *what)
    return json.loads(shown.out)["results"]


def snapshot(project):
    """Every file of the repository with its bytes and its time, and what git says."""
    files = {}
    for folder, names, leaves in os.walk(project.path):
        names[:] = [n for n in names if n not in ("__pycache__", ".pyprofiler")]
        for leaf in leaves:
            path = os.path.join(folder, leaf)
            st = os.lstat(path)
            data = b"" if os.path.islink(path) else open(path, "rb").read()
            files[path] = st.st_mtime_ns, st.st_mode, hashlib.sha1(data).hexdigest()
    said = [
        project.git("--no-optional-locks", *command) for command in (
            ["status", "--porcelain"], ["for-each-ref"], ["stash", "list"],
            ["worktree", "list"], ["count-objects", "-v"], ["symbolic-ref", "HEAD"])
    ]
    return files, said
