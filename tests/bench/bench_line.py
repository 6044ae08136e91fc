"""What the line profiler adds to the time of a program, against line_profiler 5 and against
an empty hook, in one process: one table per Python, and the bar.

    bench_line.py [--build DIR] [--pyperformance FOLDER] [--repeats N] PYTHON...

All functions of the program are profiled by both. PYTHON has line_profiler installed; the
rest is as in bench_call.py. Exit code 1: the bar was missed."""

import argparse
import json
import os
import subprocess
import sys
import tempfile
import types

from bench_call import find_pyperformance, host_dir, run_host, run_plain, stand_in_for_pyperf
from bench_call import timed

HERE = os.path.dirname(os.path.abspath(__file__))
BAR = 0.3


def functions_of(module):
    """The functions and methods that a module defines."""
    for value in list(vars(module).values()):
        if isinstance(value, types.FunctionType) and value.__module__ == module.__name__:
            yield value
        elif isinstance(value, type) and value.__module__ == module.__name__:
            for item in vars(value).values():
                item = getattr(item, "__func__", item)
                if isinstance(item, types.FunctionType):
                    yield item


def run_line_profiler(module):
    import line_profiler

    def run(function):
        body, took = timed(function)
        profiler = line_profiler.LineProfiler()
        for each in functions_of(module):
            profiler.add_function(each)
        profiler.enable()
        try:
            body()
        finally:
            profiler.disable()
        return took[0]

    return run


def lines_of(function, module):
    """Line events of one execution."""
    import prf_host

    with tempfile.NamedTemporaryFile() as recording:
        prf_host.run("line", function, recording.name, {}, case_file=module.__file__)
        return sum(row["hits"] for row in prf_host.read(recording.name)["sites"])


def inside(pyperformance, repeats):
    """In the measured interpreter: JSON of seconds per program and profiler."""
    import call_programs

    result = {}
    programs = call_programs.load(pyperformance)
    for program, function in programs.items():
        module = sys.modules.get(f"bm_{program}", call_programs)
        case = {"case_file": module.__file__}
        ways = {
            "plain": run_plain,
            "line_profiler": run_line_profiler(module),
            "line": run_host("line", {}, **case),
            "empty": run_host("empty-line", {}, **case),
        }
        best = dict.fromkeys(ways, float("inf"))
        function()
        for _ in range(repeats):  # alternated: drift hits all of them
            for way, run in ways.items():
                best[way] = min(best[way], run(function))
        result[program] = {"lines": lines_of(function, module), "seconds": best}
    json.dump(result, sys.stdout)


def print_table(version, result):
    print(f"\nPython {version}: ns added per line; ratio to line_profiler (bar: {BAR})")
    print(f"{'program':<12}{'lines':>9}{'plain':>9}{'line_profiler':>15}{'empty':>8}"
          f"{'line':>8}{'ratio':>8}")
    missed = []
    for program, row in result.items():
        seconds = row["seconds"]
        added = {way: (seconds[way] - seconds["plain"]) / row["lines"] * 1e9
                 for way in seconds}
        ratio = added["line"] / added["line_profiler"]
        missed += [f"{program}: {ratio:.2f}"] if ratio > BAR else []
        print(f"{program:<12}{row['lines']:>9}{seconds['plain'] / row['lines'] * 1e9:>9.1f}"
              f"{added['line_profiler']:>15.1f}{added['empty']:>8.1f}{added['line']:>8.1f}"
              f"{ratio:>8.2f}  {'met' if ratio <= BAR else 'MISSED'}")
    return missed


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n\n")[0])
    parser.add_argument("--build")
    parser.add_argument("--pyperformance")
    parser.add_argument("--repeats", type=int, default=9)
    parser.add_argument("--inside", action="store_true", help=argparse.SUPPRESS)
    parser.add_argument("pythons", nargs="*")
    args = parser.parse_args()
    if args.inside:
        return inside(args.pyperformance, args.repeats)
    folder = args.pyperformance or find_pyperformance(args.pythons[0])
    missed = []
    with tempfile.TemporaryDirectory() as stand_in:
        stand_in_for_pyperf(stand_in)
        for python in args.pythons:
            version = subprocess.run(
                [python, "-c", "import platform; print(platform.python_version())"],
                check=True, capture_output=True, text=True).stdout.strip()
            tag = "".join(version.split(".")[:2])
            path = os.pathsep.join([host_dir(args.build, tag), stand_in])
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
