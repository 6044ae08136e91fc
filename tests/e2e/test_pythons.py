"""Which interpreters get a plugin: -DPRF_PYTHONS= and what is found without it."""
import pathlib
import shutil
import subprocess
import sys
import sysconfig

import pytest

SOURCE = pathlib.Path(__file__).resolve().parents[2]
PROJECT = """
cmake_minimum_required(VERSION 3.25)
project(probe LANGUAGES NONE)
include({source}/runner/worker/Pythons.cmake)
message(STATUS "tags: ${{PRF_TAGS}}")
"""
OUR_TAG = "{}{}".format(*sys.version_info[:2])

needs_headers = pytest.mark.skipif(
    not pathlib.Path(sysconfig.get_path("include"), "Python.h").exists(),
    reason=f"{sys.executable} has no headers here")


def configure(tmp_path, *options, path=None):
    (tmp_path / "CMakeLists.txt").write_text(PROJECT.format(source=SOURCE))
    env = {"PATH": path or "/usr/bin:/bin", "HOME": str(tmp_path)}
    done = subprocess.run(
        [shutil.which("cmake"), "-S", tmp_path, "-B", tmp_path / "build", *options],
        env=env, capture_output=True, text=True)
    return done.returncode, " ".join((done.stdout + done.stderr).split())


def fake_python(path, answer):
    """An 'interpreter' that answers the question about itself with that line."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(f"#!/bin/sh\necho '{answer}'\n")
    path.chmod(0o755)
    return path


def headers(tmp_path):
    (tmp_path / "include").mkdir(exist_ok=True)
    (tmp_path / "include" / "Python.h").touch()
    return tmp_path / "include"


@needs_headers
def test_path_and_version(tmp_path):
    code, said = configure(tmp_path, f"-DPRF_PYTHONS={sys.executable}")
    assert code == 0 and f"tags: {OUR_TAG}" in said
    listed = (tmp_path / "build" / "pythons.txt").read_text().splitlines()
    assert len(listed) == 1 and pathlib.Path(listed[0]).exists()


def test_installers_are_searched(tmp_path):
    answer = f"313;3;13;3.13.9;{headers(tmp_path)};/uv/python3;cpython;0"
    fake_python(tmp_path / ".local/share/uv/python/cpython-3.13/bin/python3", answer)
    code, said = configure(tmp_path)
    assert code == 0 and "3.13.9: headers of /uv/python3" in said


def test_path_comes_before_installers(tmp_path):
    include = headers(tmp_path)
    fake_python(tmp_path / ".pyenv/versions/3.13.1/bin/python3",
                f"313;3;13;3.13.1;{include};/pyenv/python3;cpython;0")
    fake_python(tmp_path / "bin/python3.13",
                f"313;3;13;3.13.9;{include};/path/python3;cpython;0")
    code, said = configure(tmp_path, path=f"{tmp_path}/bin:/usr/bin:/bin")
    assert code == 0 and "headers of /path/python3" in said
    code, said = configure(tmp_path, "-DPRF_PYTHONS=3.13.1",
                           path=f"{tmp_path}/bin:/usr/bin:/bin")
    assert code == 0 and "headers of /pyenv/python3" in said


@pytest.mark.parametrize("answer, why", [
    ("310;3;10;3.10.4;{include};/x;cpython;0", "is Python 3.10.4; 3.11 to 3.14"),
    ("313;3;13;3.13.1;{include};/x;cpython;1", "is a free-threaded build"),
    ("311;3;11;3.11.9;{include};/x;pypy;0", "is pypy, not CPython"),
    ("313;3;13;3.13.1;/nowhere;/x;cpython;0", "has no headers (/nowhere/Python.h)"),
])
def test_unusable_interpreter_is_an_error(tmp_path, answer, why):
    python = fake_python(tmp_path / "py", answer.format(include=headers(tmp_path)))
    code, said = configure(tmp_path, f"-DPRF_PYTHONS={python}")
    assert code != 0 and f"PRF_PYTHONS: '{python}' {why}" in said


def test_path_that_is_no_python(tmp_path):
    code, said = configure(tmp_path, "-DPRF_PYTHONS=/bin/false")
    assert code != 0 and "PRF_PYTHONS: '/bin/false' does not run as a Python 3" in said


def test_version_that_is_not_there(tmp_path):
    code, said = configure(tmp_path, "-DPRF_PYTHONS=3.77")
    assert code != 0 and "no usable Python 3.77 found" in said


def test_free_threaded_is_passed_over(tmp_path):
    include = headers(tmp_path)
    fake_python(tmp_path / "bin/python3.13",
                f"313;3;13;3.13.9;{include};/threaded/python3;cpython;1")
    fake_python(tmp_path / "bin/python3.14",
                f"314;3;14;3.14.0;{include};/plain/python3;cpython;0")
    code, said = configure(tmp_path, path=f"{tmp_path}/bin:/usr/bin:/bin")
    assert code == 0 and "/plain/python3" in said and "/threaded/python3" not in said
