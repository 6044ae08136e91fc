#!/usr/bin/env python3
"""What `import pyprofiler` takes, against `import json`, in fresh processes.

For each Python, medians over alternated repeats (ours, json, ours, ...): the processor
time of the import statement, which other load does not stretch, and the wall time that
`-X importtime` tells. Exits with 1 when the first ratio is above the bar.

    bench_import.py PYTHON...
"""
import argparse
import os
import pathlib
import statistics
import subprocess
import sys

BAR = 2.0
PACKAGE = pathlib.Path(__file__).resolve().parents[2] / "runner" / "worker" / "python"

STATEMENT = """\
from time import process_time_ns as now
start = now()
import {0}
print(now() - start)
"""


def run(python, *words):
    env = {**os.environ, "PYTHONPATH": str(PACKAGE)}
    env.pop("PYTHONDONTWRITEBYTECODE", None)  # as installed: compiled once
    return subprocess.run([python, *words], env=env, check=True, capture_output=True,
                          text=True)


def of_statement(python, module):
    return int(run(python, "-c", STATEMENT.format(module)).stdout) / 1e3


def of_importtime(python, module):
    """The cumulative column of the module's own line."""
    lines = run(python, "-X", "importtime", "-c", f"import {module}").stderr.splitlines()
    (line,) = [l for l in lines if l.rpartition("|")[2].strip() == module]
    return float(line.split("|")[1])


def medians(measure, python, repeats):
    """In microseconds: ours, json. The first pair only warms the caches."""
    pairs = [(measure(python, "pyprofiler"), measure(python, "json"))
             for _ in range(repeats + 1)][1:]
    return [statistics.median(side) for side in zip(*pairs)]


def main():
    parser = argparse.ArgumentParser(description="import pyprofiler against import json")
    parser.add_argument("--repeats", type=int, default=25)
    parser.add_argument("pythons", nargs="+")
    args = parser.parse_args()
    missed = False
    print(f"{'import of':<12} {'Python':<8} {'pyprofiler':>12} {'json':>12} {'ratio':>7}  bar")
    for python in args.pythons:
        version = run(python, "-c", "import sys; print('%d.%d.%d' % sys.version_info[:3])")
        for what, measure in ("statement", of_statement), ("importtime", of_importtime):
            ours, peer = medians(measure, python, args.repeats)
            met = ours <= BAR * peer
            judged = what == "statement"
            missed |= judged and not met
            bar = f"<= {BAR:g}  {'met' if met else 'MISSED'}" if judged else "-"
            print(f"{what:<12} {version.stdout.strip():<8} {ours:9.0f} us {peer:9.0f} us "
                  f"{ours / peer:7.2f}  {bar}", flush=True)
    return 1 if missed else 0


if __name__ == "__main__":
    sys.exit(main())
