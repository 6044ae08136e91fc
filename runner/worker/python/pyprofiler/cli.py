"""The predecessor's ``python -m pyprofiler.cli [--lists] INPUT PROFILER [flags]``.

Hands over to pyprofiler-run, which takes the same words, with this interpreter.
"""

import os
import sys

from pyprofiler import _runner

_USAGE = 4


def main():
    """Does not return when the runner is found."""
    runner = _runner.find()
    if runner is None:
        print(f"pyprofiler: {_runner.missing()}", file=sys.stderr)
        return _USAGE
    os.execv(runner, [runner, f"--python={sys.executable}", *sys.argv[1:]])


if __name__ == "__main__":
    sys.exit(main())
