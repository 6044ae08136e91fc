"""What the tracer adds to the time of a program while it records, against viztracer and
against an empty hook, in one process; bytes an event in the recording; memory above the
program's own: one table per Python, and the bars.

    bench_tracer.py [--build DIR] [--pyperformance FOLDER] [--repeats N] PYTHON...

Each PYTHON must have viztracer. Time is the thread's own processor time. Exit code 1: a
bar was missed."""

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time

import bench_call

HERE = os.path.dirname(os.path.abspath(__file__))
ROOT = os.path.dirname(os.path.dirname(HERE))
IGNORE_C = {"ignore-c-function": None}
BARS = {"tracer": {11: 0.55}, "tracer-py": {11: 0.3}}
BARS_LATER = {"tracer": 0.65, "tracer-py": 0.4}
PEERS = {"tracer": "viztracer", "tracer-py": "viztracer-py"}
BYTES_BAR = 8
MEMORY_BAR_MIB = 64
MEMORY_CALLS = 2_500_000  # twice the events


def timed(function):
    """Seconds of one execution, measured inside the profiled region."""
    took = []

    def body():
        start = time.thread_time_ns()
        function()
        took.append((time.thread_time_ns() - start) / 1e9)

    return body, took


def run_plain(function):
    body, took = timed(function)
    body()
    return took[0]


def run_viztracer(**options):
    from viztracer import VizTracer

    def run(function):
        body, took = timed(function)
        tracer = VizTracer(tracer_entries=3_000_000, verbose=0, **options)
        tracer.start()
        body()
        tracer.stop()
        tracer.clear()
        return took[0]

    return run


def run_host(name, options):
    import prf_host

    def run(function):
        body, took = timed(function)
        with tempfile.NamedTemporaryFile() as recording:
            prf_host.run(name, body, recording.name, options)
        return took[0]

    return run


def bytes_an_event(function):
    sys.path.insert(0, os.path.join(ROOT, "tests", "backends"))
    import prf_host
    from event_stream import Trace

    with tempfile.NamedTemporaryFile() as recording:
        prf_host.run("tracer", function, recording.name, {})
        trace = Trace(recording.name)
    return trace.n_bytes / len(trace.all())


def inside(pyperformance, repeats):
    """In the measured interpreter: JSON of seconds per program and tracer."""
    import call_programs

    ways = {
        "plain": run_plain,
        "viztracer": run_viztracer(),
        "tracer": run_host("tracer", {}),
        "empty": run_host("empty", {}),
        "viztracer-py": run_viztracer(ignore_c_function=True),
        "tracer-py": run_host("tracer", IGNORE_C),
        "empty-py": run_host("empty", IGNORE_C),
    }
    result = {}
    for program, function in call_programs.load(pyperformance).items():
        best = dict.fromkeys(ways, float("inf"))
        function()
        for _ in range(repeats):  # alternated: drift hits all of them
            for way, run in ways.items():
                best[way] = min(best[way], run(function))
        result[program] = {"calls": bench_call.calls_of(function), "seconds": best,
                           "bytes": bytes_an_event(function)}
    json.dump(result, sys.stdout)


def peak_kib():
    with open("/proc/self/status", encoding="ascii") as status:
        return next(int(line.split()[1]) for line in status if line.startswith("VmHWM"))


def inside_memory(way):
    """In a process of its own: the peak, in KiB, over the one before the calls."""
    import prf_host

    def called():
        pass

    def body():
        for _ in range(MEMORY_CALLS):
            called()

    before = peak_kib()
    if way == "plain":
        body()
    else:
        with tempfile.NamedTemporaryFile() as recording:
            prf_host.run("tracer", body, recording.name, {})
    print(peak_kib() - before)


def bar_of(way, minor):
    return BARS[way].get(minor, BARS_LATER[way])


def verdict(what, value, bar, missed):
    if value > bar:
        missed.append(what)
    return f"{what}: {value:.2f} (bar {bar}: {'met' if value <= bar else 'MISSED'})"


def print_table(version, result, missed):
    minor = int(version.split(".")[1])
    print(f"\nPython {version}: ns added per call (with its return)")
    print(f"{'program':<12}{'calls':>9}{'viztracer':>11}{'empty':>8}{'tracer':>8}"
          f"{'ratio':>7}{'viz-py':>9}{'empty-py':>10}{'trace-py':>10}{'ratio':>7}"
          f"{'B/event':>9}")
    verdicts = []
    for program, row in result.items():
        seconds = row["seconds"]
        added = {way: (seconds[way] - seconds["plain"]) / row["calls"] * 1e9
                 for way in seconds if way != "plain"}
        ratios = {way: added[way] / added[PEERS[way]] for way in BARS}
        for way, ratio in ratios.items():
            verdicts.append(verdict(f"{version} {program} {way} / viztracer", ratio,
                                    bar_of(way, minor), missed))
        verdicts.append(verdict(f"{version} {program} bytes an event", row["bytes"],
                                BYTES_BAR, missed))
        print(f"{program:<12}{row['calls']:>9}{added['viztracer']:>11.1f}"
              f"{added['empty']:>8.1f}{added['tracer']:>8.1f}{ratios['tracer']:>7.2f}"
              f"{added['viztracer-py']:>9.1f}{added['empty-py']:>10.1f}"
              f"{added['tracer-py']:>10.1f}{ratios['tracer-py']:>7.2f}"
              f"{row['bytes']:>9.2f}")
    print("\n".join(verdicts))


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n\n")[0])
    parser.add_argument("--build")
    parser.add_argument("--pyperformance")
    parser.add_argument("--repeats", type=int, default=11)
    parser.add_argument("--inside", action="store_true", help=argparse.SUPPRESS)
    parser.add_argument("--inside-memory", help=argparse.SUPPRESS)
    parser.add_argument("pythons", nargs="*")
    args = parser.parse_args()
    if args.inside:
        return inside(args.pyperformance, args.repeats)
    if args.inside_memory:
        return inside_memory(args.inside_memory)
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

            def run(*more):
                return json.loads(subprocess.run(
                    [python, __file__, *more], check=True, stdout=subprocess.PIPE,
                    env={**os.environ, "PYTHONPATH": path}).stdout)

            print_table(version, run("--inside", "--pyperformance", folder, "--repeats",
                                     str(args.repeats)), missed)
            mib = (run("--inside-memory", "tracer")
                   - run("--inside-memory", "plain")) / 1024
            print(verdict(f"{version} MiB above the program's own, "
                          f"{2 * MEMORY_CALLS} events", mib, MEMORY_BAR_MIB, missed))
    for what in missed:
        print("missed:", what)
    return 1 if missed else 0


if __name__ == "__main__":
    sys.exit(main())
