"""Finds the program pyprofiler-run, which stores, compares and exports."""

import os
import sys

PROGRAM = "pyprofiler-run"


def find(name=PROGRAM):
    """Path of `name`, one of the installation's programs, or None.

    First in $PYPROFILER_BIN, then where this package was installed to, beside the
    interpreter (a virtual environment), and on PATH.
    """
    for folder in filter(None, _folders()):
        path = os.path.join(folder, name)
        if os.access(path, os.X_OK) and os.path.isfile(path):
            return path
    return None


def missing(name=PROGRAM):
    """What to tell the user when there is none."""
    return (
        f"'{name}' is neither beside the package nor on PATH; install it or name its "
        "folder in PYPROFILER_BIN"
    )


def _folders():
    yield os.environ.get("PYPROFILER_BIN")
    beside = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
    # PREFIX/lib/python3.12/site-packages and PREFIX/share/pyprofiler/python
    yield os.path.normpath(os.path.join(beside, *[os.pardir] * 3, "bin"))
    yield os.path.join(beside, "bin")  # pip install --target
    if sys.executable:
        yield os.path.dirname(sys.executable)
    yield from os.get_exec_path()
