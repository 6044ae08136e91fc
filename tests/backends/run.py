"""Run pytest in an interpreter that need not have it: what this one has is pure Python.

    run.py PYTHON MODULE_FOLDER TEST_FILE
"""

import importlib.util
import os
import subprocess
import sys
import tempfile

PURE = ["pytest", "_pytest", "pluggy", "iniconfig", "packaging", "exceptiongroup", "attr",
        "attrs", "tomli", "pygments", "py"]


def borrow(folder):
    """Links to our pytest and what it needs."""
    for name in PURE:
        spec = importlib.util.find_spec(name)
        if spec is not None:
            path = (spec.submodule_search_locations or [spec.origin])[0]
            os.symlink(path, os.path.join(folder, os.path.basename(path)))


def main():
    python, modules, test = sys.argv[1:]
    with tempfile.TemporaryDirectory() as borrowed:
        search = [modules]
        if subprocess.run([python, "-c", "import pytest"], capture_output=True).returncode:
            borrow(borrowed)
            search.append(borrowed)
        preload = os.environ.get("PRF_PRELOAD")
        env = {**os.environ, "PYTHONPATH": os.pathsep.join(search)}
        if preload:
            env |= {"LD_PRELOAD": preload, "PYTHONMALLOC": "malloc",
                    "ASAN_OPTIONS": "detect_leaks=0"}
        return subprocess.run([python, "-B", "-m", "pytest", "-q", "-rs", "-p",
                               "no:cacheprovider", test], env=env).returncode


if __name__ == "__main__":
    sys.exit(main())
