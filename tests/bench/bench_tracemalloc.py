"""What tracking costs under the tracemalloc profiler against Python's own tracemalloc, and
what a snapshot with its statistics costs against take_snapshot().statistics("lineno") of
the same 1,500,000 traces: two tables per Python, and the bars.

    bench_tracemalloc.py [--build DIR] [--pyperformance FOLDER] [--repeats N] PYTHON...

Arguments as of bench_call.py. Exit code 1: a bar was missed."""

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time

from bench_call import HERE, find_pyperformance, host_dir, stand_in_for_pyperf

TRACKING_BAR = 1.02
TIME_BAR = {11: 0.2}
TIME_BAR_LATER = 0.05
MEMORY_BAR = 0.5
TRACES = 1_500_000


def alloc_many():
    """Blocks that stay: each is a new peak."""
    return [[i] for i in range(150_000)]


def alloc_short():
    """Blocks that come and go at the peak."""
    for i in range(300_000):
        (i + 1000, [i])


def run_plain(function):
    start = time.thread_time()
    function()
    return time.thread_time() - start


def run_python(function):
    """With as many frames below it as ours has: tracemalloc counts all of them."""
    import tracemalloc

    took = []
    tracemalloc.start(1)
    try:
        (lambda: took.append(run_plain(function)))()
    finally:
        tracemalloc.stop()
    return took[0]


def run_ours(function):
    import prf_host

    took = []
    with tempfile.NamedTemporaryFile() as recording:
        prf_host.run("tracemalloc", lambda: took.append(run_plain(function)),
                     recording.name, {})
    return took[0]


def tracking(pyperformance, repeats):
    import call_programs

    ways = {"plain": run_plain, "python": run_python, "ours": run_ours}
    programs = {"held": alloc_many, "short-lived": alloc_short}
    programs |= call_programs.load(pyperformance)
    result = {}
    for program, function in programs.items():
        seconds = {way: [] for way in ways}
        function()
        for i in range(repeats):  # alternated, in both orders: drift hits all of them
            for way, run in list(ways.items())[::1 if i % 2 else -1]:
                seconds[way].append(run(function))
        result[program] = seconds
    return result


def status(field):
    with open("/proc/self/status", encoding="ascii") as file:
        for line in file:
            if line.startswith(field):
                return int(line.split()[1]) * 1024


def measured(function):
    """(seconds, bytes of memory that it took on top)"""
    with open("/proc/self/clear_refs", "w", encoding="ascii") as file:
        file.write("5")
    before = status("VmRSS")
    start = time.perf_counter()
    function()
    return time.perf_counter() - start, status("VmHWM") - before


def snapshots():
    """Seconds and bytes of both, with TRACES traces. Ours also writes the recording."""
    import prf_host
    import tracemalloc

    result = {}

    def body():
        kept = [str(i) for i in range(TRACES // 2)]
        kept += [float(i) for i in range(TRACES // 2)]
        ours = [measured(lambda: prf_host.mark("now")) for _ in range(5)]
        theirs = measured(lambda: tracemalloc.take_snapshot().statistics("lineno"))
        result.update(python=theirs, ours=(min(t for t, _ in ours), max(m for _, m in ours)))

    with tempfile.NamedTemporaryFile() as recording:
        prf_host.run("tracemalloc", body, recording.name, {})
    return result


def inside(pyperformance, repeats):
    sys.path.insert(0, HERE)
    json.dump({"tracking": tracking(pyperformance, repeats), "snapshots": snapshots()},
              sys.stdout)


def verdict(ratio, bar):
    return f"bar {bar}: {'met' if ratio <= bar else 'MISSED'}"


def lowest(times):
    """Mean of the lowest third: one lucky run does not decide about two percent."""
    return statistics.mean(sorted(times)[:max(1, len(times) // 3)])


def print_tracking(result):
    missed = []
    print(f"{'program':<14}{'plain':>10}{'python':>10}{'ours':>10}{'low':>8}{'median':>8}")
    ratios = []
    for program, seconds in result.items():
        best = {way: lowest(times) for way, times in seconds.items()}
        ratio = best["ours"] / best["python"]
        pairs = statistics.median(a / b for a, b in zip(seconds["ours"], seconds["python"]))
        ratios.append(ratio)
        print(f"{program:<14}" + "".join(f"{best[way] * 1e3:>10.1f}" for way in best)
              + f"{ratio:>8.3f}{pairs:>8.3f}")
    mean = statistics.geometric_mean(ratios)
    print(f"tracking, mean ratio {mean:.3f}; {verdict(mean, TRACKING_BAR)}")
    if mean > TRACKING_BAR:
        missed.append("tracking")
    return missed


def print_snapshots(result, minor):
    missed = []
    bars = TIME_BAR.get(minor, TIME_BAR_LATER), MEMORY_BAR
    for what, unit, i in ("time", "s", 0), ("memory", "MB", 1):
        scale = 1 if unit == "s" else 1e6
        ratio = result["ours"][i] / result["python"][i]
        print(f"snapshot, {what}: python {result['python'][i] / scale:.3f} {unit}, ours "
              f"{result['ours'][i] / scale:.3f} {unit}, ratio {ratio:.4f}; "
              f"{verdict(ratio, bars[i])}")
        if ratio > bars[i]:
            missed.append(f"snapshot {what}")
    return missed


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n\n")[0])
    parser.add_argument("--build")
    parser.add_argument("--pyperformance")
    parser.add_argument("--repeats", type=int, default=21)
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
            path = os.pathsep.join(
                [host_dir(args.build, "".join(version.split(".")[:2])), stand_in])
            out = subprocess.run(
                [python, __file__, "--inside", "--pyperformance", folder,
                 "--repeats", str(args.repeats)],
                check=True, stdout=subprocess.PIPE, env={**os.environ, "PYTHONPATH": path})
            result = json.loads(out.stdout)
            print(f"\nPython {version}: milliseconds of a program; ratio of ours to Python's")
            missed += [f"{version} {what}" for what in
                       print_tracking(result["tracking"])
                       + print_snapshots(result["snapshots"], int(version.split(".")[1]))]
    for what in missed:
        print("missed:", what)
    return 1 if missed else 0


if __name__ == "__main__":
    sys.exit(main())
