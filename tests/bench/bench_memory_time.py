"""What sampling memory at 1 ms adds to the time of a case, and what memory_profiler's
memory_usage() adds, in one process: one table per Python, and the bar.

    bench_memory_time.py [--build DIR] [--pyperformance FOLDER] [--repeats N] PYTHON...

Times are the best of N, taken in turns (plain, ours, plain, ours, ...), so that whatever
else the machine does falls on both. The bar is held against the processor time of the
case's own thread. Beside it stand the processor time of the whole process, so with the
sampling thread, which waits for a processor that has nothing else to do, and wall time,
which on a busy machine is that of its neighbours, too. The peer, which samples from
another process, is installed for each PYTHON into a virtual
environment beside the build. Exit code 1: the bar was missed."""

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time

import bench_call

BAR = 1.02
INTERVAL_S = 0.001
CLOCKS = [time.thread_time, time.process_time, time.perf_counter]


def allocations(n):
    """Grows and shrinks by some 40 MB, in small and in large objects."""
    for _ in range(n):
        small = [[i, str(i)] for i in range(40_000)]
        large = [bytearray(1 << 20) for _ in range(20)]
    return len(small) + len(large)


def timed(function):
    """Seconds of one execution, measured inside the profiled region, by CLOCKS."""
    took = []

    def body():
        start = [clock() for clock in CLOCKS]
        function()
        took.append([clock() - then for clock, then in zip(CLOCKS, start)])

    return body, took


def run_host(name, options):
    import prf_host

    def run(function):
        body, took = timed(function)
        with tempfile.NamedTemporaryFile() as recording:
            prf_host.run(name, body, recording.name, options)
        return took[0]

    return run


def long_enough(function):
    """The function as often as takes some fifty samples."""
    function()
    body, took = timed(function)
    body()
    n = max(1, round(50 * INTERVAL_S / took[0][0]))

    def many():
        for _ in range(n):
            function()

    return many


def run_memory_profiler(function):
    import memory_profiler

    body, took = timed(function)
    memory_profiler.memory_usage((body,), interval=INTERVAL_S)
    return took[0]


def inside(pyperformance, repeats):
    """In the measured interpreter: JSON of seconds per program and way."""
    sys.path.insert(0, bench_call.HERE)
    import call_programs

    ways = {
        "plain": run_host("passthrough", {}),
        "memory-time": run_host("memory-time", {"interval": f"{INTERVAL_S}"}),
        "children": run_host("memory-time", {"interval": f"{INTERVAL_S}",
                                             "include-children": None}),
    }
    programs = call_programs.load(pyperformance)
    programs["allocations"] = lambda: allocations(5)
    result = {}
    for program, function in programs.items():
        function = long_enough(function)
        took = {way: [] for way in ways}
        for repeat in range(repeats):
            order = list(ways.items())
            for way, run in order if repeat % 2 else reversed(order):
                took[way].append(run(function))
        took["memory_profiler"] = [run_memory_profiler(function) for _ in range(3)]
        result[program] = {way: [min(side) for side in zip(*pairs)]
                           for way, pairs in took.items()}
    json.dump(result, sys.stdout)


def print_table(version, result):
    print(f"\nPython {version}: an interval of 1 ms, relative to passthrough (bar: {BAR} "
          f"of the thread's time)")
    print(f"{'program':<12}{'plain':>10}{'thread':>8}{'':>7}{'process':>9}{'wall':>8}"
          f"{'-C: thread':>12}{'process':>9}{'memory_profiler: wall':>24}")
    missed = []
    for program, best in result.items():
        ours, tree, peer = ([way / plain for way, plain in zip(best[name], best["plain"])]
                            for name in ("memory-time", "children", "memory_profiler"))
        met = ours[0] <= BAR
        missed += [] if met else [program]
        print(f"{program:<12}{best['plain'][0] * 1e3:>7.1f} ms{ours[0]:>8.3f}"
              f"{'met' if met else 'MISSED':>7}{ours[1]:>9.3f}{ours[2]:>8.3f}"
              f"{tree[0]:>12.3f}{tree[1]:>9.3f}{peer[2]:>24.3f}", flush=True)
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
    parser.add_argument("--repeats", type=int, default=40)
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
