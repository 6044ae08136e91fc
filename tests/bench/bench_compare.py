"""What `pyprofiler compare` of two commits costs in a store of a million results: two
commits with a thousand cases, each measured in five runs, among two hundred commits. The
whole command, from the start of the process to its exit, judging included.

    bench_compare.py --run build/bench/bin/pyprofiler-run [--results N] PYTHON

Exits with 1 when the fastest of a few repeats takes more than the bar.
"""

import argparse
import os
import pathlib
import random
import resource
import sqlite3
import struct
import subprocess
import sys
import tempfile
import time

BAR_S = 0.3
N_CASES = 1000
N_RUNS = 5  # of each commit
REPEATS = 15

CASE = '''
from pyprofiler import ProfilerCase

class Bench(ProfilerCase):
    def profile_nothing(self):
        pass
'''


def git(folder, *words):
    done = subprocess.run(
        ["git", "-c", "user.name=a", "-c", "user.email=a@b.example", *words],
        cwd=folder, check=True, capture_output=True, text=True)
    return done.stdout.strip()


def two_commits(folder):
    git(folder, "init", "-q", "-b", "main")
    for text in ("", "\n# changed\n"):
        (folder / "bench.py").write_text(CASE + text)
        git(folder, "add", "-A")
        git(folder, "commit", "-qm", "one more")
    return git(folder, "rev-list", "--reverse", "HEAD").split()


def ids():
    """As runs have them: in the order of time."""
    n = 0
    while True:
        n += 1
        yield f"20260101T000000-{n:06d}-{n:08x}"


def samples(level):
    """Twenty rounds of one process, which has a level of its own."""
    level *= random.gauss(1.0, 0.01)
    return struct.pack("<20d", *(level * random.gauss(1.0, 0.005) for _ in range(20)))


def fill(path, commits, n_results):
    """The real tables, made by the runner, with rows as it writes them."""
    db = sqlite3.connect(path)
    db.execute("PRAGMA journal_mode = OFF")
    db.execute("PRAGMA synchronous = OFF")
    environment, machine = db.execute("SELECT environment, machine FROM run").fetchone()
    db.execute("PRAGMA foreign_keys = ON")
    db.execute("DELETE FROM run")
    db.execute("DELETE FROM series")
    db.commit()
    db.execute("PRAGMA foreign_keys = OFF")
    text = {}
    for word in ("wall_time", "cpu_time", "ns", "{}", "bench.py", "0123456789abcdef"):
        db.execute("INSERT OR IGNORE INTO text (value) VALUES (?)", (word,))
        text[word], = db.execute("SELECT key FROM text WHERE value = ?", (word,)).fetchone()
    series = range(1, N_CASES + 1)
    db.executemany("INSERT INTO series (key, case_id, profiler) VALUES (?, ?, 'stopwatch')",
                   ((k, f"bench.py::Bench::profile_{k:04d}") for k in series))
    run_ids, result = ids(), 0
    n_commits = n_results // (N_CASES * N_RUNS)
    # a few different ones are enough: making them is what takes the time
    blobs = {slow: [samples(1e6 * slow) for _ in range(500)] for slow in (1.0, 1.1)}
    for c in range(n_commits):
        last = c >= n_commits - 2
        commit = commits[c - n_commits + 2] if last else f"{c:040x}"
        tree = f"{c + 1:040x}"
        key = db.execute(
            "INSERT INTO commit_ (id, branch, dirty, tree, author_time) VALUES (?, 'main', 0,"
            " ?, ?)", (commit, tree, c)).lastrowid
        for _ in range(N_RUNS):
            run = db.execute(
                "INSERT INTO run (id, started_ns, duration_ns, commit_, environment, machine,"
                " n_results) VALUES (?, ?, 0, ?, ?, ?, ?)",
                (next(run_ids), result, key, environment, machine, N_CASES)).lastrowid
            db.executemany(
                "INSERT INTO result (run, series, n, id, status, started_ns, duration_ns,"
                " cpu_ns, max_rss_bytes, case_line, case_file, case_hash, options)"
                " VALUES (?, ?, ?, ?, 'ok', 0, 0, 0, 0, 5, ?, ?, ?)",
                ((run, k, k, f"{result + k:016x}", text["bench.py"], text["0123456789abcdef"],
                  text["{}"]) for k in series))
            result += N_CASES
            db.executemany(
                "INSERT INTO metric (run, series, n, position, name, unit, better, n_warmup)"
                f" VALUES (?, ?, ?, ?, ?, {text['ns']}, 1, 2)",
                ((run, k, k, p, text[name]) for k in series
                 for p, name in enumerate(("wall_time", "cpu_time"))))
            last_one = c == n_commits - 1
            db.executemany(
                "INSERT INTO sample (run, series, n, position, data) VALUES (?, ?, ?, ?, ?)",
                ((run, k, k, p, random.choice(blobs[1.1 if last_one and k % 50 == 0 else 1.0]))
                 for k in series for p in (0, 1)))
    db.commit()
    db.close()
    return result


def compare(run, folder, *words):
    command = [run.parent / "pyprofiler", "compare", *words]
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    start = time.perf_counter()
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True)
    taken = time.perf_counter() - start
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    cpu = after.ru_utime - before.ru_utime + after.ru_stime - before.ru_stime
    if done.returncode not in (0, 6):
        sys.exit(f"bench_compare: {done.returncode}\n{done.stdout[-2000:]}\n{done.stderr}")
    return taken, cpu, done.stdout


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--run", type=pathlib.Path, required=True)
    parser.add_argument("--results", type=int, default=1_000_000)
    parser.add_argument("python")
    args = parser.parse_args()
    random.seed(1)
    run = pathlib.Path(os.path.abspath(args.run))
    with tempfile.TemporaryDirectory(prefix="bench-compare-") as name:
        folder = pathlib.Path(name)
        commits = two_commits(folder)
        subprocess.run([run, "--python", args.python, "bench.py", "passthrough", "-q"],
                       cwd=folder, check=True, capture_output=True,
                       env={**os.environ, "PYTHONDONTWRITEBYTECODE": "1"})
        start = time.perf_counter()
        n = fill(folder / ".pyprofiler" / "results.db", commits, args.results)
        print(f"{n:,} results stored in {time.perf_counter() - start:.0f} s")
        times, cpus = [], []
        for _ in range(REPEATS):
            taken, cpu, out = compare(run, folder, "HEAD~1", "HEAD", "--seed", "1",
                                      "--format=csv")
            times.append(taken)
            cpus.append(cpu)
        print(f"{out.count(',slower,')} of {out.count('::profile_')} slower (the truth: "
              f"{2 * (N_CASES // 50)})")
        met = min(times) < BAR_S
        print(f"compare of two commits with {N_CASES} cases, {N_RUNS} runs each: "
              f"{min(times) * 1e3:.0f} ms (median {sorted(times)[REPEATS // 2] * 1e3:.0f}; "
              f"processor {min(cpus) * 1e3:.0f})  "
              f"bar {BAR_S * 1e3:.0f} ms  {'met' if met else 'MISSED'}")
    sys.exit(0 if met else 1)


if __name__ == "__main__":
    main()
