#!/usr/bin/env python3
"""What a run costs as a whole process, against the interpreter alone.

Two ratios for each Python, of medians over alternated repeats (ours, peer, ours, ...), so
that whatever else the machine does falls on both:

  one case     pyprofiler-run one.py passthrough   /  python -c "import unittest"
  200 cases    pyprofiler-run many.py passthrough  /  200 times python -c pass

Ours includes everything a user waits for: finding the interpreter, importing the case
file, git, the store and the report. Exits with 1 when a ratio is above its bar.
"""
import argparse
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
import time

N_CASES = 200
ONE_CASE_BAR = 3.0
MANY_CASES_BAR = 0.4

HEAD = "from pyprofiler import ProfilerCase\n\n\nclass Trivial(ProfilerCase):\n"
CASE = "    def profile_{:03}(self):\n        pass\n\n"


def project(folder):
    """A repository with one commit and the two case files, as a user has it."""
    for name, n in ("one.py", 1), ("many.py", N_CASES):
        with open(os.path.join(folder, name), "w") as out:
            out.write(HEAD + "".join(CASE.format(i) for i in range(n)))
    if shutil.which("git"):
        git = ["git", "-C", folder, "-c", "user.name=bench", "-c", "user.email=b@localhost"]
        for words in ["init", "-q"], ["add", "."], ["commit", "-q", "-m", "cases"]:
            subprocess.run(git + words, check=True)


def seconds(command, folder, times=1):
    """Wall time of running `command` that many times, one after the other."""
    start = time.perf_counter()
    for _ in range(times):
        done = subprocess.run(command, cwd=folder, stdin=subprocess.DEVNULL,
                              stdout=subprocess.PIPE, stderr=subprocess.PIPE)
        if done.returncode != 0:
            sys.exit(f"{' '.join(command)}: exit code {done.returncode}\n"
                     + done.stderr.decode(errors="replace"))
    return time.perf_counter() - start


def medians(ours, peer, folder, peer_times, repeats):
    """Medians in seconds of both sides; the first pair only warms the caches."""
    pairs = [(seconds(ours, folder), seconds(peer, folder, peer_times))
             for _ in range(repeats + 1)][1:]
    return [statistics.median(side) for side in zip(*pairs)]


def row(what, python, ours, peer, bar):
    """Print one line of the table; is the ratio within its bar?"""
    ratio = ours / peer
    print(f"{what:<12} {python:<10} {ours * 1e3:9.1f} ms {peer * 1e3:9.1f} ms "
          f"{ratio:6.2f} x   bar {bar:.2f} x  {'ok' if ratio <= bar else 'ABOVE'}", flush=True)
    return ratio <= bar


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--run", default="build/release/bin/pyprofiler-run",
                        help="the pyprofiler-run to measure (default: %(default)s)")
    parser.add_argument("--repeats", type=int, default=15)
    parser.add_argument("--many-repeats", type=int, default=3)
    parser.add_argument("python", nargs="*", default=[sys.executable],
                        help="interpreters (default: this one)")
    args = parser.parse_args()
    run = os.path.abspath(args.run)
    good = True
    print(f"{'':<12} {'python':<10} {'ours':>12} {'peer':>12} {'ratio':>8}")
    for python in args.python:
        version = subprocess.run(
            [python, "-c", "import platform; print(platform.python_version())"],
            check=True, capture_output=True, text=True).stdout.strip()
        with tempfile.TemporaryDirectory(prefix="pyprofiler-bench-") as folder:
            project(folder)
            ours = [run, "--python", python]
            one = medians(ours + ["one.py", "passthrough"],
                          [python, "-c", "import unittest"], folder, 1, args.repeats)
            many = medians(ours + ["many.py", "passthrough"],
                           [python, "-c", "pass"], folder, N_CASES, args.many_repeats)
        good &= row("one case", version, *one, ONE_CASE_BAR)
        good &= row(f"{N_CASES} cases", version, *many, MANY_CASES_BAR)
    return 0 if good else 1


if __name__ == "__main__":
    sys.exit(main())
