"""The predecessor's ``python -m pyprofiler.cli [--lists] INPUT PROFILER [flags]``.

Hands over to pyprofiler-run, which takes the same words, with this interpreter.
"""

import os
import sys

_USAGE = 4


def _runner():
    """Path of pyprofiler-run, or None."""
    folders = [os.environ.get("PYPROFILER_BIN", ""), *os.get_exec_path()]
    for folder in filter(None, folders):
        path = os.path.join(folder, "pyprofiler-run")
        if os.access(path, os.X_OK) and os.path.isfile(path):
            return path
    return None


def main():
    """Does not return when the runner is found."""
    runner = _runner()
    if runner is None:
        print(
            "pyprofiler: 'pyprofiler-run' is not on PATH; install it or name its "
            "folder in PYPROFILER_BIN",
            file=sys.stderr,
        )
        return _USAGE
    os.execv(runner, [runner, f"--python={sys.executable}", *sys.argv[1:]])


if __name__ == "__main__":
    sys.exit(main())
