"""What the call profiler adds to the time of a program, against the standard cProfile and
against an empty hook, in one process: one table per Python, and the bars.

    bench_call.py [--build DIR] [--pyperformance FOLDER] [--repeats N] PYTHON...

FOLDER is `pyperformance/data-files/benchmarks` of an installed pyperformance; without it,
one is installed beside the build for the first PYTHON that has none. The extension
`prf_host` comes from a build tree with tests. Exit code 1: a bar was missed."""

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time

HERE = os.path.dirname(os.path.abspath(__file__))
ROOT = os.path.dirname(os.path.dirname(HERE))
IGNORE_C = {"ignore-c-function": None}
BARS = {"call": {11: 0.55}, "call-py": {11: 0.25}}
BARS_LATER = {"call": 0.7, "call-py": 0.45}


def timed(function):
    """Seconds of the processor for one execution, measured inside the profiled region:
    what else runs on the machine is not in them."""
    took = []

    def body():
        start = time.thread_time()
        function()
        took.append(time.thread_time() - start)

    return body, took


def run_plain(function):
    body, took = timed(function)
    body()
    return took[0]


def run_cprofile(function):
    import cProfile

    body, took = timed(function)
    profile = cProfile.Profile()
    profile.enable()
    try:
        body()
    finally:
        profile.disable()
    return took[0]


def run_host(name, options, **how):
    import prf_host

    def run(function):
        body, took = timed(function)
        with tempfile.NamedTemporaryFile() as recording:
            prf_host.run(name, body, recording.name, options, **how)
        return took[0]

    return run


def calls_of(function):
    import cProfile

    profile = cProfile.Profile()
    profile.enable()
    function()
    profile.disable()
    return sum(entry.callcount for entry in profile.getstats())


def inside(pyperformance, repeats):
    """In the measured interpreter: JSON of seconds per program and profiler."""
    sys.path.insert(0, HERE)
    import call_programs

    ways = {
        "plain": run_plain,
        "cprofile": run_cprofile,
        "call": run_host("call", {}),
        "empty": run_host("empty", {}),
        "call-py": run_host("call", IGNORE_C),
        "empty-py": run_host("empty", IGNORE_C),
    }
    result = {}
    for program, function in call_programs.load(pyperformance).items():
        best = dict.fromkeys(ways, float("inf"))
        function()
        for _ in range(repeats):  # alternated: drift hits all of them
            for way, run in ways.items():
                best[way] = min(best[way], run(function))
        result[program] = {"calls": calls_of(function), "seconds": best}
    json.dump(result, sys.stdout)


def bar_of(way, minor):
    return BARS[way].get(minor, BARS_LATER[way])


def print_table(version, result):
    minor = int(version.split(".")[1])
    bars = {way: bar_of(way, minor) for way in BARS}
    print(f"\nPython {version}: ns added per call; ratio to cProfile "
          f"(bars: call {bars['call']}, Python only {bars['call-py']})")
    print(f"{'program':<12}{'calls':>9}{'cProfile':>10}{'empty':>8}{'call':>8}"
          f"{'ratio':>8}{'empty-py':>10}{'call-py':>9}{'ratio':>8}")
    missed = []
    for program, row in result.items():
        seconds = row["seconds"]
        added = {way: (seconds[way] - seconds["plain"]) / row["calls"] * 1e9
                 for way in seconds if way != "plain"}
        ratios = {way: added[way] / added["cprofile"] for way in BARS}
        missed += [f"{program}: {way}" for way in BARS if ratios[way] > bars[way]]
        print(f"{program:<12}{row['calls']:>9}{added['cprofile']:>10.1f}"
              f"{added['empty']:>8.1f}{added['call']:>8.1f}{ratios['call']:>8.2f}"
              f"{added['empty-py']:>10.1f}{added['call-py']:>9.1f}"
              f"{ratios['call-py']:>8.2f}")
    return missed


def host_dir(build, tag):
    for folder in [build] if build else ["build/release", "build/dev"]:
        path = os.path.join(ROOT, folder, "tests", "backends", tag)
        if os.path.exists(os.path.join(path, "prf_host.so")):
            return path
    sys.exit(f"bench_call: no prf_host for Python {tag} was built; give --build")


def find_pyperformance(python):
    """Where `python` has the benchmarks; a virtual environment is made when needed."""
    code = ("import os, pyperformance as p; "
            "print(os.path.join(os.path.dirname(p.__file__), 'data-files/benchmarks'))")
    found = subprocess.run([python, "-c", code], capture_output=True, text=True)
    if found.returncode == 0:
        return found.stdout.strip()
    venv = os.path.join(ROOT, "build", "bench", "pyperformance")
    inner = os.path.join(venv, "bin", "python")
    if not os.path.exists(inner):
        subprocess.run([python, "-m", "venv", venv], check=True)
    subprocess.run([inner, "-m", "pip", "-q", "install", "pyperformance"], check=True)
    return subprocess.run([inner, "-c", code], check=True, capture_output=True,
                          text=True).stdout.strip()


def stand_in_for_pyperf(folder):
    """The benchmarks import pyperf for their command line, which is not used here."""
    with open(os.path.join(folder, "pyperf.py"), "w", encoding="utf-8") as file:
        file.write("from time import perf_counter\nRunner = None\n")


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
