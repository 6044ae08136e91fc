#!/usr/bin/env python3
"""What stopwatch reports for an empty method, beside timeit on the same method.

    bench_stopwatch.py --run build/bench/bin/pyprofiler-run PYTHON...

Both measure in the same hosting: timeit runs inside a case. The two alternate, and the
median of the pairs' ratios is judged. Exit code 1: a bar was missed.
"""

import argparse
import json
import statistics
import subprocess
import sys
import tempfile
from pathlib import Path

BAR = 1.1

CASES = '''
import statistics, timeit
from pyprofiler import ProfilerCase

class Empty(ProfilerCase):
    def profile_empty(self):
        pass

    def profile_timeit(self):
        timer = timeit.Timer(self.profile_empty)
        number, _ = timer.autorange()
        number = max(1, number // 20)
        print(statistics.median(timer.repeat(25, number)) / number * 1e9)
'''


def run(command, python, target, profiler):
    done = subprocess.run(
        [command, "--python", python, "--no-store", "--format", "json", target, *profiler],
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        check=True,
    )
    return json.loads(done.stdout)["results"][0]


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--run", required=True)
    parser.add_argument("--repeats", type=int, default=9)
    parser.add_argument("pythons", nargs="+")
    args = parser.parse_args()
    missed = False
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "empty.py"
        path.write_text(CASES)
        print(f"{'Python':<50} {'stopwatch':>10} {'timeit':>10} {'ratio':>6}  bar {BAR}")
        for python in args.pythons:
            ours, theirs = [], []
            for _ in range(args.repeats):
                result = run(args.run, python, f"{path}::Empty::profile_empty", ["stopwatch"])
                ours.append(result["metrics"]["wall_time"]["value"])
                result = run(args.run, python, f"{path}::Empty::profile_timeit", ["passthrough"])
                theirs.append(float(result["output"]))
            ratio = statistics.median(a / b for a, b in zip(ours, theirs))
            missed |= ratio > BAR
            print(
                f"{python:<50} {statistics.median(ours):>7.1f} ns {statistics.median(theirs):>7.1f} ns"
                f" {ratio:>6.2f}  {'ok' if ratio <= BAR else 'MISSED'}"
            )
    return 1 if missed else 0


if __name__ == "__main__":
    sys.exit(main())
