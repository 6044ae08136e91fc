"""compare --run on a noisy machine: does it find a slow-down, does it cry wolf?

A repository is made whose last commits differ by a known number of turns of a loop in
pure Python; a process beside the measuring takes the processors in a ramp, again and
again, which fools whoever measures one side after the other.

  found         an injected slow-down of --effect gives "slower" (wall or processor time)
  false alarms  two commits with the same code give "slower" or "faster"
  sequential    for comparison: the same two commits, each measured in one go by a plain
                timer under the same load, told apart by 5 % of their medians

Bars: found in 95 % of the trials, false alarms in at most 1 % of the comparisons.
"""

import argparse
import contextlib
import json
import os
import pathlib
import statistics
import subprocess
import sys
import tempfile
import time

LOOP = """\
def work():
    total = 0
    for i in range({n}):
        total += i * i
    return total

{unused}
"""

CASES = """\
from pyprofiler import ProfilerCase
import loop

class Loop(ProfilerCase):
"""

CASE = """\
    def profile_{i:02}(self):
        loop.work()
"""

# Sleeps and spins in turns; the share of spinning grows from nothing to all in a period.
RAMP = """\
import time
period = {period}
while True:
    share = time.monotonic() % period / period
    end = time.monotonic() + 0.02 * share
    while time.monotonic() < end:
        pass
    time.sleep(0.02 * (1 - share))
"""

TURNS = 20000


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--run", required=True, help="the binary pyprofiler-run")
    parser.add_argument("--trials", type=int, default=40)
    parser.add_argument("--effect", type=float, default=0.05)
    parser.add_argument("--max-time", type=float, default=60, help="of a trial, seconds")
    parser.add_argument("--aa", type=int, default=500, help="comparisons of equal code")
    parser.add_argument("--aa-cases", type=int, default=10, help="in one command")
    parser.add_argument("--aa-time", type=float, default=60, help="of a command, seconds")
    parser.add_argument("--load", type=int, default=os.cpu_count() or 1,
                        help="processes that make the ramp; 0: none")
    parser.add_argument("--period", type=float, default=30, help="of the ramp, seconds")
    parser.add_argument("--sequential", type=int, default=5,
                        help="trials of measuring one side after the other")
    parser.add_argument("python")
    options = parser.parse_args()
    binary = pathlib.Path(options.run).resolve().parent / "pyprofiler"
    with tempfile.TemporaryDirectory() as folder, load(options):
        met = found(binary, make_repository(folder + "/ab", options.effect, 1), options)
        aa = make_repository(folder + "/aa", 0, options.aa_cases)
        met &= false_alarms(binary, aa, options)
        sequential(folder + "/aa", options)
    return 0 if met else 1


def make_repository(folder, effect, n_cases):
    """Two commits; the second has so much more to do."""
    root = pathlib.Path(folder)
    (root / "profiling").mkdir(parents=True)
    git(root, "init", "-q")
    for turns, unused in (TURNS, "# as it was"), (round(TURNS * (1 + effect)), "# changed"):
        (root / "loop.py").write_text(LOOP.format(n=turns, unused=unused))
        cases = "".join(CASE.format(i=i) for i in range(n_cases))
        (root / "profiling/case_loop.py").write_text(CASES + cases)
        git(root, "add", "-A")
        git(root, "commit", "-q", "-m", str(turns))
    return root


def git(root, *words):
    identity = ["-c", "user.name=bench", "-c", "user.email=bench@example.org"]
    subprocess.run(["git", *identity, *words], cwd=root, check=True)


@contextlib.contextmanager
def load(options):
    ramp = [sys.executable, "-c", RAMP.format(period=options.period)]
    processes = [subprocess.Popen(ramp) for _ in range(options.load)]
    try:
        yield
    finally:
        for process in processes:
            process.kill()
            process.wait()


def compare(binary, root, max_time, python):
    """The items of one comparison, and the seconds that were measured."""
    command = [binary, "compare", "--run", "-q", "--no-store", "--format=json", "--no-where",
               f"--max-time={max_time}s", "HEAD~1", "HEAD", "--", "--python", python,
               "profiling/", "stopwatch"]
    done = subprocess.run(command, cwd=root, capture_output=True, text=True)
    if done.returncode not in (0, 6):
        raise SystemExit(f"compare ended with {done.returncode}: {done.stderr}")
    document = json.loads(done.stdout)
    return document["items"], document["measured_ns"] / 1e9


def found(binary, root, options):
    if options.trials == 0:
        return True
    n_found, times, pairs = 0, [], []
    for _ in range(options.trials):
        items, seconds = compare(binary, root, options.max_time, options.python)
        n_found += any(i["verdict"] == "slower" for i in items)
        times.append(seconds)
        pairs.append(max(i["processes"][0] for i in items))
    share = n_found / options.trials
    met = share >= 0.95
    print(f"+{options.effect:.0%} found in {n_found} of {options.trials} trials ({share:.1%}); "
          f"measured {statistics.median(times):.0f} s (median), at most {max(times):.0f} s; "
          f"{statistics.median(pairs):.0f} pairs of processes (median); "
          f"bar 95 %: {'met' if met else 'MISSED'}")
    return met


def false_alarms(binary, root, options):
    if options.aa == 0:
        return True
    n, n_false, verdicts = 0, 0, {}
    while n < options.aa:
        items, _ = compare(binary, root, options.aa_time, options.python)
        by_case = {}
        for item in items:
            by_case.setdefault(item["case"], set()).add(item["verdict"])
            verdicts[item["verdict"]] = verdicts.get(item["verdict"], 0) + 1
        n += len(by_case)
        n_false += sum(bool(v & {"slower", "faster"}) for v in by_case.values())
    share = n_false / n
    met = share <= 0.01
    said = ", ".join(f"{count} {verdict}" for verdict, count in sorted(verdicts.items()))
    print(f"equal code: {n_false} false alarms in {n} comparisons ({share:.1%}); of their "
          f"metrics {said}; bar 1 %: {'met' if met else 'MISSED'}")
    return met


def sequential(folder, options):
    """What one gets without alternating: no bar, it is there to be compared with."""
    if options.sequential == 0:
        return
    code = ("import sys, time; sys.path.insert(0, '.'); import loop; t = []\n"
            "end = time.perf_counter() + 3\n"
            "while time.perf_counter() < end:\n"
            "    a = time.perf_counter(); loop.work(); t.append(time.perf_counter() - a)\n"
            "import statistics; print(statistics.median(t))")
    wrong = 0
    for _ in range(options.sequential):
        medians = []
        for _ in range(2):
            done = subprocess.run([options.python, "-c", code], cwd=folder, check=True,
                                  capture_output=True, text=True)
            medians.append(float(done.stdout))
        wrong += abs(medians[1] / medians[0] - 1) > 0.05
        time.sleep(options.period / 7)  # another part of the ramp
    print(f"one after the other, 3 s each: {wrong} of {options.sequential} times equal code "
          f"seems to differ by more than 5 %")


if __name__ == "__main__":
    sys.exit(main())
