"""What callgraph adds to the time of a program, against call on the same events and
against the empty hook, in one process: one table per Python, and the bar.

    bench_callgraph.py [--build DIR] [--pyperformance FOLDER] [--repeats N] PYTHON...

As bench_call.py, whose programs and host it takes. Exit code 1: a bar was missed."""

import argparse
import json
import os
import subprocess
import sys
import tempfile

import bench_call

BAR = 1.15
WAYS = {
    "empty-py": ("empty", bench_call.IGNORE_C),
    "call-py": ("call", bench_call.IGNORE_C),
    "graph": ("callgraph", {}),
    "empty": ("empty", {}),
    "call": ("call", {}),
    "graph-c": ("callgraph", {"include-c-function": None, "include-stdlib": None}),
}


def inside(pyperformance, repeats):
    """In the measured interpreter: JSON of seconds per program and profiler."""
    import call_programs

    ways = {"plain": bench_call.run_plain}
    ways.update({way: bench_call.run_host(*how) for way, how in WAYS.items()})
    result = {}
    for program, function in call_programs.load(pyperformance).items():
        best = dict.fromkeys(ways, float("inf"))
        function()
        for _ in range(repeats):  # alternated: drift hits all of them
            for way, run in ways.items():
                best[way] = min(best[way], run(function))
        result[program] = {"calls": bench_call.calls_of(function), "seconds": best}
    json.dump(result, sys.stdout)


def print_table(version, result):
    print(f"\nPython {version}: ns added per call; callgraph over call on the same events "
          f"(bar: {BAR})")
    print(f"{'program':<12}{'calls':>9}" + "".join(f"{way:>10}" for way in WAYS)
          + f"{'python':>9}{'with C':>9}")
    missed = []
    for program, row in result.items():
        seconds = row["seconds"]
        added = {way: (seconds[way] - seconds["plain"]) / row["calls"] * 1e9
                 for way in WAYS}
        ratios = added["graph"] / added["call-py"], added["graph-c"] / added["call"]
        met = max(ratios) <= BAR
        missed += [] if met else [program]
        print(f"{program:<12}{row['calls']:>9}"
              + "".join(f"{added[way]:>10.1f}" for way in WAYS)
              + f"{ratios[0]:>9.2f}{ratios[1]:>9.2f}  {'met' if met else 'MISSED'}")
    return missed


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n\n")[0])
    parser.add_argument("--build")
    parser.add_argument("--pyperformance")
    parser.add_argument("--repeats", type=int, default=15)
    parser.add_argument("--inside", action="store_true", help=argparse.SUPPRESS)
    parser.add_argument("pythons", nargs="*")
    args = parser.parse_args()
    if args.inside:
        return inside(args.pyperformance, args.repeats)
    folder = args.pyperformance or bench_call.find_pyperformance(args.pythons[0])
    missed = []
    with tempfile.TemporaryDirectory() as stand_in:
        bench_call.stand_in_for_pyperf(stand_in)
        for python in args.pythons:
            version = subprocess.run(
                [python, "-c", "import platform; print(platform.python_version())"],
                check=True, capture_output=True, text=True).stdout.strip()
            tag = "".join(version.split(".")[:2])
            path = os.pathsep.join([bench_call.host_dir(args.build, tag), stand_in])
            out = subprocess.run(
                [python, __file__, "--inside", "--pyperformance", folder,
                 "--repeats", str(args.repeats)],
                check=True, stdout=subprocess.PIPE, env={**os.environ, "PYTHONPATH": path})
            missed += [f"{version} {what}"
                       for what in print_table(version, json.loads(out.stdout))]
    for what in missed:
        print("missed:", what)
    return 1 if missed else 0


if __name__ == "__main__":
    sys.exit(main())
