"""`make install`: what is where, that it runs from there, and that a profiler can be
built against it."""
import json
import os
import pathlib
import shutil
import subprocess

import pytest

SOURCE = pathlib.Path(__file__).resolve().parents[2]

CASE = """
import os, pyprofiler
from pyprofiler import ProfilerCase

class Where(ProfilerCase):
    def profile_here(self):
        print("package", pyprofiler.__file__)
        print("worker", os.readlink("/proc/self/exe"))
"""


@pytest.fixture(scope="module")
def prefix(bin_dir, tmp_path_factory):
    """A prefix that is not the one that was configured."""
    folder = tmp_path_factory.mktemp("prefix")
    subprocess.run(["cmake", "--install", bin_dir.parent, "--prefix", folder],
                   check=True, capture_output=True)
    return folder


@pytest.fixture
def run(prefix, tmp_path):
    """Run an installed command in a folder with one case file."""
    (tmp_path / "where.py").write_text(CASE)

    def run(*words, **environment):
        return subprocess.run(
            [prefix / "bin" / words[0], *words[1:]], cwd=tmp_path,
            env={**os.environ, **environment}, capture_output=True, text=True)
    return run


def one(prefix, pattern):
    found = list(prefix.glob(pattern))
    assert len(found) == 1, f"{pattern}: {found}"
    return found[0]


def test_layout(prefix):
    assert os.access(prefix / "bin/pyprofiler", os.X_OK)
    assert os.readlink(prefix / "bin/pyprofiler-run") == "pyprofiler"
    assert os.access(prefix / "libexec/pyprofiler/pyprofiler-worker", os.X_OK)
    one(prefix, "share/pyprofiler/python/pyprofiler/__init__.py")
    one(prefix, "share/pyprofiler/python/pyprofiler/__init__.pyi")
    one(prefix, "share/pyprofiler/python/pyprofiler/utils/decorator.py")
    assert not list(prefix.glob("share/**/__pycache__"))


def test_one_plugin_for_each_python(prefix, bin_dir):
    built_for = (bin_dir.parent / "pythons.txt").read_text().splitlines()
    plugins = list(prefix.glob("lib/**/pyprofiler/prf-py3*.so"))
    assert len(plugins) == len(built_for) > 0


@pytest.mark.skipif(not shutil.which("go-md2man"), reason="no go-md2man to make them")
@pytest.mark.parametrize("page", ["pyprofiler.1", "pyprofiler-run.1", "pyprofiler-call.7"])
def test_manual_pages(prefix, page):
    text = one(prefix, f"share/man/man?/{page}").read_text()
    assert ".TH " + page[:-2] in text and "NAME" in text


@pytest.mark.parametrize("file", [
    "share/bash-completion/completions/pyprofiler",
    "share/bash-completion/completions/pyprofiler-run",
    "share/zsh/site-functions/_pyprofiler",
    "share/fish/vendor_completions.d/pyprofiler.fish",
])
def test_completion_knows_the_options(prefix, file):
    assert "isolation" in (prefix / file).resolve().read_text()


def test_bash_accepts_the_completion(prefix):
    script = prefix / "share/bash-completion/completions/pyprofiler"
    subprocess.run(["bash", "-n", script], check=True)


def test_runs_from_there(run, prefix, python):
    done = run("pyprofiler-run", "--python", python, "-s", "where.py", "passthrough")
    assert done.returncode == 0, done.stderr
    printed = done.stdout + done.stderr
    assert f"package {prefix}/share/pyprofiler/python/pyprofiler/__init__.py" in printed
    assert f"worker {prefix}/libexec/pyprofiler/pyprofiler-worker" in printed


@pytest.fixture(scope="module")
def faults(prefix, tmp_path_factory):
    """The profiler of docs/writing-a-profiler.md, built as it says."""
    shared = tmp_path_factory.mktemp("plugin") / "faults.so"
    config = one(prefix, "lib/**/pkgconfig/pyprofiler.pc")
    flags = subprocess.run(
        ["pkg-config", "--define-prefix", "--cflags", "pyprofiler"],
        env={**os.environ, "PKG_CONFIG_PATH": str(config.parent)},
        check=True, capture_output=True, text=True).stdout.split()
    assert f"-I{prefix}/include" in flags
    subprocess.run(["cc", "-std=c11", "-Wall", "-Wextra", "-Werror", "-shared", "-fPIC",
                    "-o", shared, SOURCE / "docs/faults.c", *flags], check=True)
    return str(shared)


def test_profiler_from_outside(run, faults, python):
    done = run("pyprofiler-run", "--python", python, "--format", "json", "where.py",
               "faults", "--rounds", "3", PYPROFILER_PLUGINS=faults)
    assert done.returncode == 0, done.stderr
    result, = json.loads(done.stdout)["results"]
    assert (result["profiler"], result["status"]) == ("faults", "ok")
    assert result["metrics"]["minor_faults"]["n"] == 3


def test_profiler_from_outside_is_listed(run, faults):
    assert "faults" not in run("pyprofiler", "profilers").stdout
    assert "faults" in run("pyprofiler", "profilers", PYPROFILER_PLUGINS=faults).stdout
