"""Is the count of instructions the same every time? And what does counting cost?

    bench_instructions.py --run PYPROFILER_RUN [--repeats N] PYTHON...

Pure Python cases, each run N times in processes of their own, each time from another
folder and with a longer environment. The slow-down is that of the body: one warm-up and
one counted execution, beside two of the same case under `passthrough`. Exit code 1: two
counts of one case differ."""

import argparse
import json
import os
import subprocess
import sys
import tempfile

CASES = """
import json
from pyprofiler import ProfilerCase


def fib(n):
    return n if n < 2 else fib(n - 1) + fib(n - 2)


class Node:
    def __init__(self, value):
        self.value, self.left, self.right = value, None, None

    def insert(self, value):
        side = "left" if value < self.value else "right"
        child = getattr(self, side)
        if child is None:
            setattr(self, side, Node(value))
        else:
            child.insert(value)


class Pure(ProfilerCase):
    def profile_calls(self):
        fib(17)

    def profile_objects(self):
        root = Node(500)
        for i in range(700):
            root.insert(i * 379 % 1000)

    def profile_containers(self):
        words = {str(i): {i, -i} for i in range(3000)}
        sorted(words.items(), key=lambda item: item[0])

    def profile_documents(self):
        text = json.dumps([{"id": i, "name": f"n{i}", "of": [i / 3] * 4} for i in range(400)])
        json.loads(text)
"""


def run(args, python, folder, where, env, profiler):
    """{case: result}"""
    done = subprocess.run(
        [args.run, "--python", python, "--format", "json", "-q", "--no-store",
         os.path.relpath(os.path.join(folder, "pure.py"), where), profiler],
        capture_output=True, text=True, cwd=where, env={**os.environ, **env})
    if done.returncode:
        sys.exit(f"{python}: {done.stderr}{done.stdout}")
    return {r["case"].rpartition("profile_")[2]: r for r in json.loads(done.stdout)["results"]}


def measure(args, python, folder):
    """{case: [count]}, {case: slow-down}"""
    counts, slow = {}, {}
    # First of all: the import system holds the names in the folder of the cases.
    os.makedirs(os.path.join(folder, *["deeper"] * args.repeats))
    plain = run(args, python, folder, folder, {}, "passthrough")
    for i in range(args.repeats):
        where = os.path.join(folder, *["deeper"] * i)
        for case, result in run(args, python, folder, where, {"PADDING": "x" * 999 * i},
                                "instructions").items():
            value = result["metrics"]["instructions"]["value"]
            counts.setdefault(case, []).append(int(value))
            factor = result["duration_ns"] / 2 / max(1, plain[case]["duration_ns"])
            slow[case] = min(factor, slow.get(case, factor))
    return counts, slow


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--run", required=True)
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument("pythons", nargs="+")
    args = parser.parse_args()
    args.run = os.path.abspath(args.run)
    missed = False
    for python in args.pythons:
        version = subprocess.run([python, "-V"], capture_output=True, text=True).stdout.strip()
        with tempfile.TemporaryDirectory() as folder:
            with open(os.path.join(folder, "pure.py"), "w") as file:
                file.write(CASES)
            subprocess.run(["git", "init", "-q", folder], check=True)
            counts, slow = measure(args, python, folder)
        for case, values in counts.items():
            same = len(set(values)) == 1
            missed |= not same
            shown = f"{values[0]:,}" if same else " ".join(f"{v:,}" for v in values)
            print(f"{version}  {case:<12} {shown:>14} x{len(values)}  "
                  f"body {slow[case]:.0f}x slower  identical: {'met' if same else 'MISSED'}")
    return 1 if missed else 0


if __name__ == "__main__":
    sys.exit(main())
