"""The extension module is found, and says so when it is not."""

import os
import pathlib
import subprocess
import sys

from pyprofiler import _native


def test_one_module_however_often_it_is_asked_for():
    assert _native.load() is _native.load() is sys.modules["_pyprofiler"]


def test_without_one_the_error_says_where_it_was_looked_for(tmp_path):
    package = pathlib.Path(_native.__file__).parents[1]
    env = {**os.environ, "PYTHONPATH": str(package), "PYPROFILER_LIBEXEC": str(tmp_path)}
    done = subprocess.run([sys.executable, "-c", "from pyprofiler import _native; _native.load()"],
                          capture_output=True, text=True, env=env)
    assert done.returncode == 1
    last = done.stderr.strip().splitlines()[-1]
    assert last.startswith("ImportError: pyprofiler has no extension module for Python 3.")
    assert str(tmp_path) in last and "pip" in last

