"""What a call of a profiled function or block costs, against the same written in Python and
against a callable of C that only calls, in one process: one table per Python, and the bars.

    bench_pieces.py [--build DIR] [--repeats N] PYTHON...

The peer is the decorator that one would write: functools.wraps, perf_counter twice in
try/finally, a record and a statistic under a lock; its block is a contextlib one. The ways
are measured in turn, the least of N counts, a plain call or an empty loop included in all
figures. Exit code 1: a bar was missed."""

import argparse
import contextlib
import functools
import json
import os
import subprocess
import sys
import threading
import time

HERE = os.path.dirname(os.path.abspath(__file__))
ROOT = os.path.dirname(os.path.dirname(HERE))
LOOPS = 20_000
THREADS, CALLS = 4, 1_000_000
BARS = {"enabled": 0.2, "disabled": 0.5, "block": 0.25}
BAR_BYTES = 64


class PythonProfiler:
    def __init__(self):
        self.enabled = True
        self.lock = threading.Lock()
        self.records = []
        self.stats = {}

    def record(self, name, start, end):
        with self.lock:
            self.records.append((name, start, end))
            stats = self.stats.setdefault(name, [0, 0.0, float("inf"), 0.0])
            duration = end - start
            stats[0] += 1
            stats[1] += duration
            stats[2] = min(stats[2], duration)
            stats[3] = max(stats[3], duration)

    def profile(self, function):
        name = function.__name__

        @functools.wraps(function)
        def wrapper(*args, **kwargs):
            if not self.enabled:
                return function(*args, **kwargs)
            start = time.perf_counter()
            try:
                return function(*args, **kwargs)
            finally:
                self.record(name, start, time.perf_counter())

        return wrapper

    @contextlib.contextmanager
    def block(self, name):
        start = time.perf_counter()
        try:
            yield
        finally:
            self.record(name, start, time.perf_counter())


def empty():
    pass


def calls(function):
    def run():
        start = time.thread_time()
        for _ in range(LOOPS):
            function()
        return (time.thread_time() - start) / LOOPS * 1e9

    return run


def blocks(block):
    def run():
        start = time.thread_time()
        for _ in range(LOOPS):
            with block("x"):
                pass
        return (time.thread_time() - start) / LOOPS * 1e9

    return run


def ways(pieces):
    """Name to a function that gives ns a call, and to one that forgets what was recorded."""
    ours, theirs = pieces.create_profiler(), PythonProfiler()
    off, their_off = pieces.create_profiler(), PythonProfiler()
    streaming = pieces.create_profiler(keep_calls=False)
    ours_off, theirs_off = off.profile_function(empty), their_off.profile(empty)
    off.disable()
    their_off.enabled = False
    table = {
        "plain": calls(empty),
        "empty hook": calls(functools.partial(empty)),
        "enabled": calls(ours.profile_function(empty)),
        "enabled, streaming": calls(streaming.profile_function(empty)),
        "enabled, Python": calls(theirs.profile(empty)),
        "disabled": calls(ours_off),
        "disabled, Python": calls(theirs_off),
        "block": blocks(ours.profile_block),
        "block, Python": blocks(theirs.block),
    }

    def forget():
        ours.clear()
        theirs.records.clear()

    return table, forget


def resident_bytes():
    with open("/proc/self/statm") as f:
        return int(f.read().split()[1]) * os.sysconf("SC_PAGE_SIZE")


def in_threads(pieces):
    """Calls counted and kept of THREADS x CALLS, and bytes for each."""
    profiler = pieces.create_profiler()
    function = profiler.profile_function(empty)

    def work():
        for _ in range(CALLS):
            function()

    before = resident_bytes()
    threads = [threading.Thread(target=work) for _ in range(THREADS)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    grown = resident_bytes() - before
    return {"counted": profiler.get_function_stats("empty").call_count,
            "kept": len(profiler.get_all_calls()), "bytes": grown / (THREADS * CALLS)}


def inside(repeats):
    """In the measured interpreter: JSON of all figures."""
    from pyprofiler import _native

    pieces = _native.load()
    table, forget = ways(pieces)
    best = dict.fromkeys(table, float("inf"))
    for _ in range(repeats):  # in turn: drift hits all of them
        for way, run in table.items():
            best[way] = min(best[way], run())
        forget()
    off = pieces.create_profiler(enabled=False)
    json.dump({"ns": best, "itself": off.profile_function(empty) is empty,
               "threads": in_threads(pieces)}, sys.stdout)


def verdict(what, met, missed):
    if not met:
        missed.append(what)
    return "met" if met else "MISSED"


def print_table(version, result):
    ns, missed = result["ns"], []
    print(f"\nPython {version}: ns a call, the function's own {ns['plain']:.0f} included")
    print(f"{'':<22}{'pyprofiler':>12}{'Python':>9}{'ratio':>8}{'bar':>7}")
    for way, bar in BARS.items():
        ratio = ns[way] / ns[f"{way}, Python"]
        print(f"{way:<22}{ns[way]:>12.1f}{ns[f'{way}, Python']:>9.0f}{ratio:>8.2f}"
              f"{bar:>7}  {verdict(f'{way}: {ratio:.2f}', ratio <= bar, missed)}")
    print(f"{'streaming':<22}{ns['enabled, streaming']:>12.1f}")
    print(f"{'empty hook':<22}{ns['empty hook']:>12.1f}  (functools.partial)")
    print(f"{'disabled decorating':<22}{'':>12}{'':>17}  the function itself: "
          f"{verdict('disabled decorating', result['itself'], missed)}")
    threads = result["threads"]
    exact = threads["counted"] == threads["kept"] == THREADS * CALLS
    print(f"{THREADS} threads x {CALLS:,} calls: {threads['counted']:,} counted, "
          f"{threads['kept']:,} kept  {verdict('threads', exact, missed)}")
    small = threads["bytes"] <= BAR_BYTES
    print(f"memory of a call: {threads['bytes']:.1f} bytes (bar: {BAR_BYTES})  "
          f"{verdict('bytes', small, missed)}")
    return missed


def environment(build):
    return {**os.environ, "PYTHONPATH": os.path.join(ROOT, "runner", "worker", "python"),
            "PYPROFILER_LIBEXEC": os.path.join(build, "lib", "pyprofiler")}


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n\n")[0])
    parser.add_argument("--build", default=os.path.join(ROOT, "build", "bench"))
    parser.add_argument("--repeats", type=int, default=15)
    parser.add_argument("--inside", action="store_true", help=argparse.SUPPRESS)
    parser.add_argument("pythons", nargs="*")
    args = parser.parse_args()
    if args.inside:
        return inside(args.repeats)
    missed = []
    for python in args.pythons:
        version = subprocess.run(
            [python, "-c", "import platform; print(platform.python_version())"],
            capture_output=True, text=True, check=True).stdout.strip()
        done = subprocess.run(
            [python, __file__, "--inside", "--repeats", str(args.repeats)],
            stdout=subprocess.PIPE, text=True, check=True, env=environment(args.build))
        missed += [f"{version} {m}" for m in print_table(version, json.loads(done.stdout))]
    if missed:
        print("\nbars missed: " + "; ".join(missed))
    return 1 if missed else 0


if __name__ == "__main__":
    sys.exit(main())
