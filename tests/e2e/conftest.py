"""Drives the binaries as a user does: a project folder, a command line, what comes out.

PRF_BIN is the folder with pyprofiler-run, by default of the newest build in build/.
PRF_TEST_PYTHONS are the interpreters to test with, by default all that are found, of
the versions in PRF_TEST_TAGS ("311:312") if it is set. CTest sets PRF_BIN and the tags.
"""

import json
import os
import pathlib
import shutil
import signal
import subprocess
import time
import uuid

import pytest

SOURCE = pathlib.Path(__file__).resolve().parents[2]
FIXTURES = SOURCE / "tests" / "fixtures"
PACKAGE = SOURCE / "runner" / "worker" / "python"
TOKEN = "PRF_TEST_TOKEN"

# What a command line may take at most; nothing here takes a tenth of it.
PATIENCE_S = 120

_KEPT = ("PATH", "ASAN_OPTIONS", "UBSAN_OPTIONS", "LSAN_OPTIONS", "LD_LIBRARY_PATH")


def _folder_of_binaries():
    named = os.environ.get("PRF_BIN")
    if named:
        found = [pathlib.Path(named) / "pyprofiler-run"]
    else:
        found = sorted(SOURCE.glob("build/*/bin/pyprofiler-run"), key=os.path.getmtime)
    if not found or not found[-1].exists():
        raise pytest.UsageError("no pyprofiler-run: build it, or set PRF_BIN")
    return found[-1].parent.resolve()


def _ask(python):
    """(version, real path) of an interpreter, or None: a shim without one behind it."""
    code = (
        "import os, sys; print('%d.%d.%d' % sys.version_info[:3]);"
        "print(os.path.realpath(sys.executable))"
    )
    command = [python, "-I", "-S", "-c", code]
    done = subprocess.run(command, capture_output=True, text=True)
    return tuple(done.stdout.split("\n")[:2]) if done.returncode == 0 else None


def _interpreters():
    """{path: version}, one of each."""
    found = [p for p in os.environ.get("PRF_TEST_PYTHONS", "").split(":") if p]
    tags = [t for t in os.environ.get("PRF_TEST_TAGS", "").split(":") if t]
    if not found:
        found = [f"/usr/bin/python3.{n}" for n in range(11, 15)]
        pyenv = pathlib.Path.home() / ".pyenv" / "versions"
        found += [str(p) for p in sorted(pyenv.glob("3.1[1-4].*/bin/python3"))]
    answers = {_ask(p): p for p in reversed(found) if os.path.exists(p)}
    return {
        python: answer[0]
        for answer, python in reversed(answers.items())
        if answer and (not tags or "".join(answer[0].split(".")[:2]) in tags)
    }


PYTHONS = _interpreters()


def pytest_generate_tests(metafunc):
    if "python" in metafunc.fixturenames:
        labels = list(PYTHONS.values())
        metafunc.parametrize("python", list(PYTHONS), ids=labels, scope="session")


def pytest_configure(config):
    if not PYTHONS:
        raise pytest.UsageError("no Python 3.11 or later: set PRF_TEST_PYTHONS")


@pytest.fixture(scope="session")
def bin_dir():
    return _folder_of_binaries()


@pytest.fixture
def any_python():
    """One interpreter, for what does not depend on its version."""
    return next(iter(PYTHONS))


def processes_with(token):
    """Ids of the living processes whose environment has the token."""
    wanted = f"{TOKEN}={token}".encode()
    found = []
    for entry in pathlib.Path("/proc").glob("[0-9]*"):
        try:
            if wanted in (entry / "environ").read_bytes().split(b"\0"):
                found.append(int(entry.name))
        except OSError:
            pass  # ended meanwhile, or of another user
    return found


class Outcome:
    """What a command line gave."""

    def __init__(self, code, out, err):
        self.code, self.out, self.err = code, out, err

    def __repr__(self):
        out, err = self.out[-4000:], self.err[-4000:]
        return f"exit code {self.code}\n{out}\n--- stderr\n{err}"

    @property
    def json(self):
        return json.loads(self.out)

    def result(self, end):
        """The only result whose case ends so."""
        results = self.json["results"]
        found = [r for r in results if r["case"].endswith(end)]
        assert len(found) == 1, (end, [r["case"] for r in results], self.err)
        return found[0]

    @property
    def statuses(self):
        """{"Class::case": status}"""
        return {r["case"].partition("::")[2]: r["status"] for r in self.json["results"]}


class Project:
    """A folder of the user's, with case files, maybe a git repository."""

    def __init__(self, path, bin_dir, python=None):
        self.path = path
        self.bin_dir = bin_dir
        self.python = python
        self.home = path.parent / f"{path.name}-home"
        self.home.mkdir(exist_ok=True)
        self.env = {k: os.environ[k] for k in _KEPT if k in os.environ}
        self.env.update(
            HOME=str(self.home),
            LANG="C.UTF-8",
            TERM="xterm",
            GIT_CONFIG_NOSYSTEM="1",
            GIT_AUTHOR_NAME="A",
            GIT_AUTHOR_EMAIL="a@example.org",
            GIT_COMMITTER_NAME="C",
            GIT_COMMITTER_EMAIL="c@example.org",
        )

    def write(self, name, text):
        path = self.path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")
        return path

    def add(self, *names):
        """Copy files or folders of tests/fixtures, to the same names."""
        for name in names:
            source, target = FIXTURES / name, self.path / name
            target.parent.mkdir(parents=True, exist_ok=True)
            if source.is_dir():
                skip = shutil.ignore_patterns("__pycache__")
                shutil.copytree(source, target, ignore=skip)
            else:
                shutil.copy(source, target)
        return self

    def git(self, *args, cwd=None):
        options = ["-c", "init.defaultBranch=main", "-c", "protocol.file.allow=always"]
        done = subprocess.run(
            ["git", *options, *map(str, args)],
            cwd=cwd or self.path, env=self.env, capture_output=True, text=True,
        )
        assert done.returncode == 0, done.stderr
        return done.stdout.strip()

    def commit(self, message="all"):
        if not (self.path / ".git").exists():
            self.git("init", "-q")
            self.write(".gitignore", "__pycache__/\n")  # Python's own, as everybody has
        self.git("add", "-A")
        self.git("commit", "-q", "--allow-empty", "-m", message)
        return self.git("rev-parse", "HEAD")

    def command(self, *args):
        """`pyprofiler-run` with our interpreter, or `pyprofiler ...` as given."""
        if args and args[0] == "pyprofiler":
            return [str(self.bin_dir / "pyprofiler"), *map(str, args[1:])]
        chosen = ["--python", self.python] if self.python else []
        return [str(self.bin_dir / "pyprofiler-run"), *chosen, *map(str, args)]

    def start(self, *args, env=None, cwd=None, **popen):
        token = uuid.uuid4().hex
        process = subprocess.Popen(
            self.command(*args),
            cwd=cwd or self.path,
            env={**self.env, TOKEN: token, **(env or {})},
            **{"stdin": subprocess.DEVNULL, "stdout": subprocess.PIPE,
               "stderr": subprocess.PIPE, **popen},
        )
        process.token = token
        return process

    def finish(self, process):
        """Wait for its end; nothing that it started may be alive then."""
        try:
            out, err = process.communicate(timeout=PATIENCE_S)
        except subprocess.TimeoutExpired:
            process.kill()
            out, err = process.communicate()
            err = (err or b"") + b"\nTHE COMMAND DID NOT END"
        left = processes_with(process.token)
        # Who was killed cannot wait for his children: they end a moment later.
        patience = time.monotonic() + (5 if process.returncode < 0 else 0)
        while left and time.monotonic() < patience:
            time.sleep(0.01)
            left = processes_with(process.token)
        survivors = [_command_line(pid) for pid in left]
        for pid in left:
            os.kill(pid, signal.SIGKILL)
        outcome = Outcome(
            process.returncode,
            (out or b"").decode("utf-8"),
            (err or b"").decode("utf-8", "replace"),
        )
        assert not survivors, f"processes left behind: {survivors}\n{outcome}"
        return outcome

    def run(self, *args, **how):
        return self.finish(self.start(*args, **how))

    def run_json(self, *args, **how):
        """As `run` with `--format=json`, which must parse."""
        outcome = self.run("--format=json", *args, **how)
        assert outcome.out.startswith("{"), outcome
        json.loads(outcome.out)
        return outcome


def _command_line(pid):
    try:
        words = pathlib.Path(f"/proc/{pid}/cmdline").read_bytes().split(b"\0")
    except OSError:
        return str(pid)
    return f"{pid}: {b' '.join(words).decode(errors='replace')}"


@pytest.fixture
def project(tmp_path, bin_dir, any_python):
    """An empty project with one interpreter."""
    return make_project(tmp_path, bin_dir, any_python)


@pytest.fixture
def each(tmp_path, bin_dir, python):
    """An empty project, once for every interpreter."""
    return make_project(tmp_path, bin_dir, python)


def make_project(folder, bin_dir, python):
    path = folder / "project"
    path.mkdir()
    return Project(path, bin_dir, python)


def wait_for(condition, what):
    """Poll until the condition holds: for facts that another process makes true."""
    end = time.monotonic() + PATIENCE_S
    while not condition():
        assert time.monotonic() < end, f"never came: {what}"
        time.sleep(0.01)
