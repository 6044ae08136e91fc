"""What `pip install` of the project gives: built once, from the source distribution, for
one Python, and installed in each of the ways that the documentation names.

The build backend comes from PyPI; where that cannot be reached, all of it is skipped.
"""

import email
import json
import os
import pathlib
import re
import subprocess
import tarfile
import zipfile

import pytest

from conftest import PYTHONS, SOURCE

BACKEND = "scikit-build-core"
PROGRAMS = ("pyprofiler", "pyprofiler-run")

CASE = """\
import json, multiprocessing, os, sys
import pyprofiler
from pyprofiler import ProfilerCase, _native

def file_of_the_package():
    return sys.modules["pyprofiler"].__file__

def visible(name):
    import importlib.util
    return importlib.util.find_spec(name) is not None

class Where(ProfilerCase):
    def profile_here(self):
        with multiprocessing.get_context("spawn").Pool(1) as pool:
            there = pool.apply(file_of_the_package)
        print(json.dumps({"package": pyprofiler.__file__, "child": there,
                          "prefix": sys.prefix, "executable": sys.executable,
                          "module": _native.load().__name__,
                          "sees": visible("beside")}))

class Bad(ProfilerCase):
    def profile_bad(self):
        raise ValueError("on purpose")
"""

SESSION = """\
import _pyprofiler
def twice(n):
    return n * 2
session = _pyprofiler.Session("call", {})
session.start()
twice(2)
session.stop()
print(session.report())
"""


def environment(**more):
    """Ours, without what would lead to another installation."""
    kept = {k: v for k, v in os.environ.items()
            if not k.startswith(("PYPROFILER", "PYTHON", "VIRTUAL_ENV", "PRF_"))}
    return {**kept, "PIP_DISABLE_PIP_VERSION_CHECK": "1", "PIP_ROOT_USER_ACTION": "ignore", **more}


def run(*command, **how):
    how.setdefault("env", environment())
    return subprocess.run([str(c) for c in command], capture_output=True, text=True, **how)


def done(*command, **how):
    outcome = run(*command, **how)
    assert outcome.returncode == 0, outcome.stdout[-4000:] + outcome.stderr[-4000:]
    return outcome.stdout


def make_venv(folder, *words):
    done(next(iter(PYTHONS)), "-m", "venv", *words, folder)
    return folder


@pytest.fixture(scope="module")
def work(tmp_path_factory):
    return tmp_path_factory.mktemp("wheel")


@pytest.fixture(scope="module")
def builder(work):
    """An environment with the build backend."""
    venv = make_venv(work / "builder")
    pip = [venv / "bin/python", "-m", "pip"]
    got = run(*pip, "install", "--retries=1", "--timeout=10", BACKEND, "ninja")
    if got.returncode != 0:
        pytest.skip(f"no {BACKEND} from PyPI: {got.stderr.strip().splitlines()[-1]}")
    return venv


@pytest.fixture(scope="module")
def sdist(builder, work):
    """The source distribution, unpacked."""
    code = "import scikit_build_core.build as b, sys; print(b.build_sdist(sys.argv[1]))"
    name = done(builder / "bin/python", "-c", code, work, cwd=SOURCE).splitlines()[-1]
    with tarfile.open(work / name) as archive:
        archive.extractall(work / "sdist")
    (folder,) = (work / "sdist").iterdir()
    return folder


@pytest.fixture(scope="module")
def install(builder):
    """pip install into an environment, the way that the words say."""
    def install(venv, *words):
        done(builder / "bin/python", "-m", "pip", "--python", venv / "bin/python", "install",
             "--no-index", "--no-deps", *words)
        return venv
    return install


@pytest.fixture(scope="module")
def wheel(builder, sdist, work):
    done(builder / "bin/python", "-m", "pip", "wheel", "--no-deps", "--no-build-isolation",
         f"-Cbuild-dir={work / 'build'}", "-w", work / "dist", sdist)
    (path,) = (work / "dist").glob("*.whl")
    return path


@pytest.fixture(scope="module")
def venv(install, wheel, work):
    """A virtual environment with the wheel, and another package in it."""
    folder = install(make_venv(work / "venv", "--without-pip"), wheel)
    (site,) = folder.glob("lib/python3.*/site-packages")
    (site / "beside.py").write_text("")
    return folder


@pytest.fixture(scope="module")
def other(work):
    """A virtual environment without it."""
    return make_venv(work / "other", "--without-pip")


@pytest.fixture
def project(tmp_path):
    (tmp_path / "where.py").write_text(CASE)
    return tmp_path


def look(program, project, *words, **env):
    """What the case sees."""
    text = done(program, *words, "--format=json", "--no-store", "where.py::Where",
                "passthrough", cwd=project, env=environment(**env))
    (result,) = json.loads(text)["results"]
    assert result["status"] == "ok", text
    seen = json.loads(result["output"])
    assert seen["module"] == "_pyprofiler" and seen["child"] == seen["package"]
    return seen


# ---- what is in it ----


def test_sdist_is_what_the_wheel_needs(sdist):
    """The sources as they are, and neither tests nor anything built."""
    top = {p.name for p in sdist.iterdir()}
    assert top == {"CMakeLists.txt", "LICENSE", "PKG-INFO", "README.md", "include",
                   "profilers", "pyproject.toml", "runner"}
    for path in sdist.rglob("*"):
        if path.is_file() and path.name != "PKG-INFO":
            assert path.read_bytes() == (SOURCE / path.relative_to(sdist)).read_bytes()
    code = {p.relative_to(sdist) for p in sdist.rglob("*.[chp]*") if p.is_file()}
    for folder in ("include", "profilers", "runner"):
        for path in (SOURCE / folder).rglob("*"):
            if path.suffix in (".c", ".h", ".py", ".pyi"):
                assert path.relative_to(SOURCE) in code


def test_wheel_has_each_thing_once(wheel, bin_dir):
    assert re.fullmatch(r"pyprofiler-[0-9.]+-cp3\d+-cp3\d+-linux_\w+\.whl", wheel.name)
    with zipfile.ZipFile(wheel) as archive:
        names = archive.namelist()
        (metadata,) = [n for n in names if n.endswith(".dist-info/METADATA")]
        about = email.message_from_bytes(archive.read(metadata))
    assert len([n for n in names if n.endswith(".so")]) == 1
    scripts = [n.rpartition("/")[2] for n in names if ".data/scripts/" in n]
    assert sorted(scripts) == sorted(PROGRAMS)
    for name in ("py.typed", "__init__.pyi", "cli.py", "_lib/pyprofiler-worker"):
        assert f"pyprofiler/{name}" in names
    assert not [n for n in names if "__pycache__" in n or n.endswith((".c", ".h", ".a"))]
    version = done(bin_dir / "pyprofiler", "--version").split()[1]
    assert (about["Name"], about["Version"]) == ("pyprofiler", version)
    assert about["Requires-Python"] == ">=3.11" and about["License-Expression"] == "MIT"
    assert about["Requires-Dist"] is None


def test_nothing_of_the_build_folder_is_in_it(wheel, work):
    with zipfile.ZipFile(wheel) as archive:
        for name in archive.namelist():
            assert str(work).encode() not in archive.read(name), name


def test_module_needs_no_libpython(wheel, tmp_path):
    """So it loads into an interpreter that is linked statically."""
    with zipfile.ZipFile(wheel) as archive:
        (name,) = [n for n in archive.namelist() if n.endswith(".so")]
        archive.extract(name, tmp_path)
    needed = done("readelf", "-d", tmp_path / name)
    assert "NEEDED" in needed and "libpython" not in needed


# ---- each way to install it ----


def test_virtual_environment(venv, project):
    """Its programs measure with its Python, active or not."""
    seen = look(venv / "bin/pyprofiler-run", project)
    assert seen["prefix"] == str(venv) and seen["executable"] == f"{venv}/bin/python"
    assert seen["package"].startswith(f"{venv}/lib/")
    assert seen["sees"] is True


def test_extension_module_is_imported_by_name(venv):
    report = done(venv / "bin/python", "-c", SESSION)
    assert re.search(r"1 .*<string>:2\(twice\)", report)


def test_user_scheme(builder, wheel, project, tmp_path):
    env = environment(PYTHONUSERBASE=str(tmp_path / "base"), PIP_BREAK_SYSTEM_PACKAGES="1")
    done(builder / "bin/python", "-m", "pip", "--python", next(iter(PYTHONS)), "install",
         "--no-index", "--user", wheel, env=env)
    check_scheme(tmp_path / "base", project, PYTHONUSERBASE=str(tmp_path / "base"))


@pytest.mark.parametrize("scheme", ["target", "prefix"])
def test_folder_of_its_own(install, other, wheel, project, tmp_path, scheme):
    install(other, f"--{scheme}", tmp_path / scheme, wheel)
    check_scheme(tmp_path / scheme, project)


def check_scheme(folder, project, **env):
    """There the programs belong to no interpreter: PATH has one, or the user."""
    (program,) = folder.rglob("bin/pyprofiler-run")
    python = pathlib.Path(next(iter(PYTHONS))).resolve()
    seen = look(program, project, "--python", python, **env)
    assert seen["package"].startswith(f"{folder}/")
    (package,) = folder.rglob("pyprofiler/py.typed")
    env = environment(PYTHONPATH=str(package.parents[1]), **env)
    listed = done(python, "-m", "pyprofiler.cli", "--list", "where.py", cwd=project, env=env)
    assert "where.py::Where::profile_here" in listed


def test_editable(builder, sdist, project, work):
    """The modules stay in the source; the rest is installed."""
    done(builder / "bin/python", "-m", "pip", "install", "--no-deps", "--no-build-isolation",
         f"-Cbuild-dir={work / 'build'}", "-e", sdist)
    seen = look(builder / "bin/pyprofiler-run", project)
    assert seen["package"] == f"{sdist}/runner/worker/python/pyprofiler/__init__.py"
    assert "twice" in done(builder / "bin/python", "-c", SESSION)


# ---- which interpreter ----


def test_active_environment_goes_first(venv, other, project):
    """And sees the package, but not all that is installed beside it."""
    seen = look(venv / "bin/pyprofiler-run", project, VIRTUAL_ENV=str(other))
    assert seen["prefix"] == str(other)
    assert seen["package"].startswith(f"{venv}/lib/")
    assert seen["sees"] is False


def test_option_goes_before_all(venv, other, project):
    seen = look(venv / "bin/pyprofiler-run", project, "--python", other,
                VIRTUAL_ENV=str(venv))
    assert seen["prefix"] == str(other)


def test_configuration_goes_before_its_own(venv, other, project):
    (project / "pyproject.toml").write_text(f'[tool.pyprofiler]\npython = "{other}"\n')
    assert look(venv / "bin/pyprofiler-run", project)["prefix"] == str(other)


def test_environment_beside_the_project(venv, other, project):
    """A program that was called in its own environment stays with that; one that is a
    link from elsewhere, as pipx makes them, takes the project's."""
    (project / ".venv").symlink_to(other)
    assert look(venv / "bin/pyprofiler-run", project)["prefix"] == str(venv)
    (project / "bin").mkdir()
    link = project / "bin/pyprofiler-run"
    link.symlink_to(venv / "bin/pyprofiler-run")
    assert look(link, project)["prefix"] == str(project / ".venv")
    (project / ".venv").unlink()
    assert look(link, project)["prefix"] == str(venv)


@pytest.mark.skipif(len(PYTHONS) < 2, reason="there is one Python here")
def test_another_version_is_refused(venv, project):
    outcome = run(venv / "bin/pyprofiler-run", "--python", list(PYTHONS)[1], "where.py",
                  cwd=project)
    assert outcome.returncode != 0
    assert "no plugin for Python 3." in outcome.stderr and "pip" in outcome.stderr


# ---- the command line of the predecessor ----


@pytest.mark.parametrize("words, code", [
    (["where.py::Bad", "stopwatch"], 1),
    (["-k", "nobody", "where.py", "stopwatch"], 5),
    (["where.py::Nobody", "stopwatch"], 4),
    (["where.py", "no_such_profiler"], 4),
    (["--list", "where.py"], 0),
])
def test_module_gives_what_the_program_gives(venv, project, words, code):
    program = run(venv / "bin/pyprofiler-run", *words, cwd=project)
    module = run(venv / "bin/python", "-m", "pyprofiler.cli", *words, cwd=project)
    assert program.returncode == module.returncode == code, module.stderr
    assert bool(program.stdout) == bool(module.stdout)
    if code != 1:  # else times
        assert (program.stdout, program.stderr) == (module.stdout, module.stderr)


def test_python_m_pyprofiler(venv, project):
    for words in (["--version"], ["list", "where.py"], ["no-such-command"]):
        program = run(venv / "bin/pyprofiler", *words, cwd=project)
        module = run(venv / "bin/python", "-m", "pyprofiler", *words, cwd=project)
        assert (program.returncode, program.stdout, program.stderr) == (
            module.returncode, module.stdout, module.stderr)


def test_python_m_pyprofiler_means_this_python(venv, other, project):
    env = environment(VIRTUAL_ENV=str(other))
    command = [venv / "bin/python", "-m", "pyprofiler", "doctor", "--format=json"]
    found = run(*command, cwd=project, env=env).stdout
    assert f"{venv}/bin/python" in found and f"{other}/bin/python" not in found
