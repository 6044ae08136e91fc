"""What sampling memory at 1 ms adds to the time of a case, and what memory_profiler's
memory_usage() adds, in one process: one table per Python, and the bar.

    bench_memory_time.py [--build DIR] [--pyperformance FOLDER] [--repeats N] PYTHON...

Times are the best of N, taken in turns (plain, ours, plain, ours, ...), so that whatever
else the machine does falls on both. The peer is installed for each PYTHON into a virtual
environment beside the build. Exit code 1: the bar was missed."""

import argparse
import json
import os
import subprocess
import sys
import tempfile

import bench_call

BAR = 1.02
INTERVAL_S = 0.001


def allocations(n):
    """Grows and shrinks by some 40 MB, in small and in large objects."""
    for _ in range(n):
        small = [[i, str(i)] for i in range(40_000)]
        large = [bytearray(1 << 20) for _ in range(20)]
    return len(small) + len(large)


def run_memory_profiler(function):
    import memory_profiler

    body, took = bench_call.timed(function)
    memory_profiler.memory_usage((body,), interval=INTERVAL_S)
    return took[0]


def inside(pyperformance, repeats):
    """In the measured interpreter: JSON of seconds per program and way."""
    sys.path.insert(0, bench_call.HERE)
    import call_programs

    ways = {
        "plain": bench_call.run_host("passthrough", {}),
        "memory-time": bench_call.run_host("memory-time", {"interval": f"{INTERVAL_S}"}),
        "children": bench_call.run_host("memory-time", {"interval": f"{INTERVAL_S}",
                                                        "include-children": None}),
    }
    programs = call_programs.load(pyperformance)
    programs["allocations"] = lambda: allocations(5)
    result = {}
    for program, function in programs.items():
        best = dict.fromkeys(ways, float("inf"))
        function()
        for repeat in range(repeats):
            order = list(ways.items())
            for way, run in order if repeat % 2 else reversed(order):
                best[way] = min(best[way], run(function))
        best["memory_profiler"] = min(run_memory_profiler(function) for _ in range(3))
        result[program] = best
    json.dump(result, sys.stdout)


def print_table(version, result):
    print(f"\nPython {version}: time of the case at an interval of 1 ms, relative to "
          f"passthrough (bar: {BAR})")
    print(f"{'program':<14}{'plain':>10}{'memory-time':>13}{'':>8}{'-C':>8}"
          f"{'memory_profiler':>17}")
    missed = []
    for program, best in result.items():
        ratio = {way: best[way] / best["plain"] for way in best}
        met = ratio["memory-time"] <= BAR
        missed += [] if met else [program]
        print(f"{program:<14}{best['plain'] * 1e3:>7.1f} ms{ratio['memory-time']:>13.3f}"
              f"{'met' if met else 'MISSED':>8}{ratio['children']:>8.3f}"
              f"{ratio['memory_profiler']:>17.3f}", flush=True)
    return missed


def peer_packages(python, version):
    """Where memory_profiler is for that Python."""
    venv = os.path.join(bench_call.ROOT, "build", "bench", f"memory_profiler-{version}")
    inner = os.path.join(venv, "bin", "python")
    if not os.path.exists(inner):
        subprocess.run([python, "-m", "venv", venv], check=True)
    subprocess.run([inner, "-m", "pip", "-q", "install", "memory_profiler"], check=True)
    return subprocess.run([inner, "-c", "import sysconfig; print(sysconfig.get_path("
                           "'platlib'))"], check=True, capture_output=True,
                          text=True).stdout.strip()


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n\n")[0])
    parser.add_argument("--build")
    parser.add_argument("--pyperformance")
    parser.add_argument("--repeats", type=int, default=25)
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
            path = os.pathsep.join([
                bench_call.host_dir(args.build, "".join(version.split(".")[:2])),
                stand_in, peer_packages(python, version)])
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
