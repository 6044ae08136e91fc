#!/usr/bin/env python3
"""From the end of a traced program of 5,000,000 calls to Chrome's JSON on the disk.

    bench_trace_save.py [--run PYPROFILER-RUN] [--calls N] [--repeats N] PYTHON...

Each PYTHON must have viztracer. The peer is what viztracer calls the raw dump
(`VizTracer.dump`, what `save` does with `dump_raw=True`): its C code writes the file from
its ring of entries, without a Python object for each. It is the fastest that it has.

Ours is the whole process `pyprofiler export latest --format chrometrace`: start, store,
unpacking the recording, writing. Both write the same calls of the same program,
alternately; the lowest time counts. Memory is each process's own peak (VmHWM), above its
peak when nothing is profiled; of that, pages that are not of a file (RssAnon, the highest
of samples), which cannot be given back. Exit code 1: a bar was missed."""

import argparse
import json
import os
import subprocess
import sys
import tempfile
import threading
import time

CALLS = 5_000_000
TIME_BAR = 0.5
MEMORY_BAR_MIB = 64
SAMPLE_S = 0.01
TRACER = ["tracer", "--no-log-gc"]

# Calls of Python and of C functions, at several depths; the number is exact.
PROGRAM = '''
def leaf(value):
    return value


def branch(value):
    leaf(value)
    leaf(value)
    return abs(value)


def tree(value):
    branch(value)
    branch(value)
    return leaf(value)


def program(n_calls):
    for value in range(n_calls // 10):
        tree(value)
'''
CASE = PROGRAM + '''

import os

from pyprofiler import ProfilerCase


class Save(ProfilerCase):
    def profile_program(self):
        with open("pid", "w", encoding="ascii") as file:
            file.write(str(os.getpid()))
        program(%d)
'''


def inside_viztracer(calls, path):
    """In the peer's interpreter: JSON of seconds and of KiB."""
    from viztracer import VizTracer

    names = {}
    exec(compile(PROGRAM, "program.py", "exec"), names)
    tracer = VizTracer(tracer_entries=calls + 1000, verbose=0, log_gc=False)
    before = peaks(os.getpid())["VmHWM"]
    start = time.perf_counter()
    tracer.start()
    names["program"](calls)
    tracer.stop()
    recorded = time.perf_counter()
    tracer.dump(path)
    saved = time.perf_counter()
    json.dump({"record": recorded - start, "save": saved - recorded,
               "kib": peaks(os.getpid())["VmHWM"] - before}, sys.stdout)


def peaks(pid):
    """{"VmHWM": KiB, "RssAnon": KiB} of a process, empty when it has ended."""
    try:
        with open(f"/proc/{pid}/status", encoding="ascii", errors="replace") as status:
            lines = dict(line.split(":", 1) for line in status)
        return {key: int(lines[key].split()[0]) for key in ("VmHWM", "RssAnon")}
    except (OSError, KeyError):
        return {}


def children(pid):
    try:
        with open(f"/proc/{pid}/task/{pid}/children", encoding="ascii") as found:
            return [int(word) for word in found.read().split()]
    except OSError:
        return []


def descendants(pid):
    for child in children(pid):
        yield child
        yield from descendants(child)


class Watched:
    """A command that was run: seconds, and peaks of it and of the process of its case."""

    def __init__(self, command, folder):
        self.own, self.started = {}, {}
        start = time.perf_counter()
        process = subprocess.Popen(command, cwd=folder, stdin=subprocess.DEVNULL,
                                   stdout=subprocess.DEVNULL, stderr=subprocess.PIPE)
        ended = threading.Event()
        watcher = threading.Thread(target=self.watch, args=(process.pid, ended))
        watcher.start()
        said = process.stderr.read()
        os.waitid(os.P_PID, process.pid, os.WEXITED | os.WNOWAIT)
        self.seconds = time.perf_counter() - start
        ended.set()
        watcher.join()
        _, status, usage = os.wait4(process.pid, 0)
        process.returncode = os.waitstatus_to_exitcode(status)
        self.tree_kib = usage.ru_maxrss  # of the largest of them, as the kernel has it
        try:
            with open(os.path.join(folder, "pid"), encoding="ascii") as file:
                self.case = self.started.get(int(file.read()), {})
        except OSError:
            self.case = {}
        if process.returncode != 0:
            sys.exit(f"{' '.join(command)}: exit code {process.returncode}\n"
                     + said.decode(errors="replace"))

    def watch(self, pid, ended):
        while not ended.wait(SAMPLE_S):
            self.raise_to(self.own, peaks(pid))
            for child in descendants(pid):
                self.raise_to(self.started.setdefault(child, {}), peaks(child))

    @staticmethod
    def raise_to(highest, found):
        for key, value in found.items():
            highest[key] = max(highest.get(key, 0), value)


def entries(path):
    """How many calls the file has, and its size."""
    count = 0
    with open(path, "rb") as trace:
        for line in trace:
            count += line.count(b'"ph":"X"')
    return count, os.path.getsize(path)


class Bench:
    def __init__(self, run, python, calls, repeats):
        self.run, self.python, self.calls, self.repeats = run, python, calls, repeats
        self.missed = False

    def ours(self, *words):
        return Watched([self.run, "--python", self.python, "--host=embed", "save.py",
                        *words], self.folder)

    def export(self):
        return Watched([os.path.join(os.path.dirname(self.run), "pyprofiler"), "export",
                        "latest", "--format", "chrometrace", "-f", "-o", "ours.json"],
                       self.folder)

    def peer(self):
        done = subprocess.run(
            [self.python, os.path.abspath(__file__), "--calls", str(self.calls),
             "--inside", "peer.json"],
            cwd=self.folder, check=True, stdout=subprocess.PIPE)
        return json.loads(done.stdout)

    def judge(self, what, value, bar, unit):
        good = value <= bar
        self.missed |= not good
        print(f"  {what}: {value:.2f}{unit} (bar {bar}{unit}: "
              f"{'met' if good else 'MISSED'})", flush=True)

    def judge_memory(self, what, got, base):
        above = {key: (got[key] - base.get(key, 0)) / 1024 for key in got}
        self.judge(f"{what}, MiB at the peak", above["VmHWM"], MEMORY_BAR_MIB, "")
        print(f"      not of a file: {above['RssAnon']:.2f}; with the process's own: "
              f"{got['VmHWM'] / 1024:.1f}")

    def measure(self, version):
        with open(os.path.join(self.folder, "save.py"), "w", encoding="ascii") as case:
            case.write(CASE % self.calls)
        plain = self.ours("passthrough")
        traced = self.ours(*TRACER)
        exports, peers = [], []
        for _ in range(self.repeats):  # alternated: drift hits both
            peers.append(self.peer())
            exports.append(self.export())
        whole = self.ours(*TRACER, "--no-store", "--format", "chrometrace", "-f", "-o",
                          "whole.json")
        self.tell(version, plain, traced, exports, peers, whole)

    def tell(self, version, plain, traced, exports, peers, whole):
        files = {name: entries(os.path.join(self.folder, f"{name}.json"))
                 for name in ("ours", "peer", "whole")}
        for name, (n_calls, _) in files.items():
            if not self.calls <= n_calls <= self.calls + 1000:  # and those of starting
                sys.exit(f"{version}: {name}.json has {n_calls} calls")
        ours = min(export.seconds for export in exports)
        peer = min(peer["save"] for peer in peers)
        print(f"\nPython {version}: {self.calls} calls to Chrome's JSON")
        print(f"  pyprofiler export: {ours:.2f} s, {files['ours'][1] / 1e6:.0f} MB; "
              f"viztracer's raw dump: {peer:.2f} s, {files['peer'][1] / 1e6:.0f} MB, "
              f"{min(p['kib'] for p in peers) / 1024:.0f} MiB above its own")
        self.judge("time, ours / viztracer", ours / peer, TIME_BAR, "")
        self.judge_memory("exporting process", max((e.own for e in exports),
                                                   key=lambda own: own["VmHWM"]), {})
        self.judge_memory("traced process", traced.case, plain.case)
        self.judge_memory("runner that traces and stores", traced.own, plain.own)
        self.judge_memory("runner that traces and writes the file", whole.own, plain.own)
        self.judge("largest process of the traced run above that of the plain one, by the "
                   "kernel, MiB", (traced.tree_kib - plain.tree_kib) / 1024,
                   MEMORY_BAR_MIB, "")
        record = min(peer["record"] for peer in peers)
        print(f"  whole commands, seconds: nothing profiled {plain.seconds:.2f}, traced and "
              f"stored {traced.seconds:.2f}, traced and written {whole.seconds:.2f}; "
              f"viztracer traced {record:.2f} and saved {record + peer:.2f}")


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n\n")[0])
    parser.add_argument("--run", default="build/release/bin/pyprofiler-run")
    parser.add_argument("--calls", type=int, default=CALLS)
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--inside", help=argparse.SUPPRESS)
    parser.add_argument("pythons", nargs="*")
    args = parser.parse_args()
    if args.inside:
        return inside_viztracer(args.calls, args.inside)
    missed = False
    for python in args.pythons:
        version = subprocess.run(
            [python, "-c", "import platform; print(platform.python_version())"],
            check=True, capture_output=True, text=True).stdout.strip()
        bench = Bench(os.path.abspath(args.run), python, args.calls, args.repeats)
        with tempfile.TemporaryDirectory(prefix="bench-") as bench.folder:
            bench.measure(version)
        missed |= bench.missed
    return 1 if missed else 0


if __name__ == "__main__":
    sys.exit(main())
