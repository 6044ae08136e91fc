"""The predecessor's ``python -m pyprofiler.cli [--lists] INPUT PROFILER [flags]``.

Hands over to pyprofiler-run, which takes the same words, with this interpreter.
"""

import os
import sys

from pyprofiler import _runner

_USAGE = 4


def hand_over(name, *words):
    """Become the program `name`, called with `words` and then ours. Returns an exit
    code, the reason told, only when there is no such program."""
    program = _runner.find(name)
    if program is None:
        print(f"pyprofiler: {_runner.missing(name)}", file=sys.stderr)
        return _USAGE
    os.execv(program, [program, *words, *sys.argv[1:]])


def main():
    """Does not return when the runner is found."""
    return hand_over(_runner.PROGRAM, f"--python={sys.executable}")


if __name__ == "__main__":
    sys.exit(main())
