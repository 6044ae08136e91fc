"""What a case pays for being run by us when nothing is profiled: the same function as a
case under `passthrough` and in a plain interpreter that is hosted the same way.

    bench_passthrough.py [--build DIR] [--pyperformance FOLDER] [--repeats N] PYTHON...

The plain interpreter is the same libpython, opened by a program that does nothing else
(plain_host), or, for a Python without one, that Python itself against --host=python. Each
process executes the function some times and tells the best; the best of N processes of
either side is compared, taken in turns, with one hash seed. Exit code 1: the bar was
missed."""

import argparse
import os
import subprocess
import sys
import tempfile

import bench_call

BAR = 1.02
SECONDS = "PRF_BENCH_SECONDS"  # environment: the file that gets the time of an execution

CASES = """
import os, sys, time
sys.path[:0] = {folders!r}
import call_programs
from pyprofiler import ProfilerCase

PROGRAMS = call_programs.load({pyperformance!r})


def measure(program):
    best = float("inf")
    for _ in range({inner}):
        start = time.perf_counter()
        PROGRAMS[program]()
        best = min(best, time.perf_counter() - start)
    with open(os.environ[{seconds!r}], "w") as file:
        file.write(repr(best))


class Programs(ProfilerCase):
"""
CASE = """
    def profile_{program}(self):
        measure({program!r})
"""
PLAIN = """
import sys
sys.path.insert(0, {folder!r})
sys.modules["pyprofiler"] = type(sys)("pyprofiler")
sys.modules["pyprofiler"].ProfilerCase = object
import programs
programs.measure(sys.argv[1])
"""
PROGRAMS = ["fib", "methods", "richards", "deltablue", "raytrace"]


def tool(build, name):
    for folder in [build] if build else ["build/bench", "build/release", "build/dev"]:
        for where in "bin", "tests/bench":
            path = os.path.join(bench_call.ROOT, folder, where, name)
            if os.path.exists(path):
                return path
    sys.exit(f"bench_passthrough: no {name} was built; give --build")


def libpython_of(python):
    """The shared libpython of that interpreter, or None."""
    code = ("import os, sysconfig as s; print(os.path.join(s.get_config_var('LIBDIR'), "
            "s.get_config_var('INSTSONAME')) if s.get_config_var('Py_ENABLE_SHARED') "
            "else '')")
    path = subprocess.run([python, "-c", code], check=True, capture_output=True,
                          text=True).stdout.strip()
    return path if path and os.path.exists(path) else None


def commands(python, args, folder):
    """(ours, plain), each a function from a program to a command line."""
    library = libpython_of(python)
    host = "embed" if library else "python"
    ours = [tool(args.build, "pyprofiler-run"), "-q", "--no-store", "--python", python,
            "--host", host, "--hash-seed", "0"]
    plain = [tool(args.build, "plain_host"), library] if library else [python]
    return host, (
        lambda program: [*ours, f"programs.py::Programs::profile_{program}",
                         "passthrough"],
        lambda program: [*plain, os.path.join(folder, "plain.py"), program])


def seconds(command, folder, env):
    path = os.path.join(folder, "seconds")
    done = subprocess.run(command, cwd=folder, env={**env, SECONDS: path},
                          stdin=subprocess.DEVNULL, capture_output=True, text=True)
    if done.returncode != 0:
        sys.exit(f"{' '.join(command)}: exit code {done.returncode}\n{done.stdout}"
                 f"{done.stderr}")
    with open(path, encoding="utf-8") as file:
        return float(file.read())


def write_project(folder, pyperformance):
    bench_call.stand_in_for_pyperf(folder)
    with open(os.path.join(folder, "programs.py"), "w", encoding="utf-8") as file:
        file.write(CASES.format(folders=[folder, bench_call.HERE], inner=7,
                                pyperformance=pyperformance, seconds=SECONDS))
        file.writelines(CASE.format(program=program) for program in PROGRAMS)
    with open(os.path.join(folder, "plain.py"), "w", encoding="utf-8") as file:
        file.write(PLAIN.format(folder=folder))


def compare(python, args, folder):
    """Print the table of one Python; what missed."""
    version, prefix = subprocess.run(
        [python, "-c", "import platform, sys; print(platform.python_version()); "
         "print(sys.base_prefix)"],
        check=True, capture_output=True, text=True).stdout.split()
    host, (ours, plain) = commands(python, args, folder)
    env = {**os.environ, "PYTHONHASHSEED": "0", "PYTHONDONTWRITEBYTECODE": "1"}
    print(f"\nPython {version}, host {host}: best time of a case (bar: {BAR})")
    print(f"{'program':<12}{'plain':>12}{'passthrough':>13}{'ratio':>8}")
    missed = []
    for program in PROGRAMS:
        best = [float("inf"), float("inf")]
        for repeat in range(args.repeats):
            for side in (0, 1) if repeat % 2 else (1, 0):
                command = ours(program) if side else plain(program)
                home = {} if side or host == "python" else {"PYTHONHOME": prefix}
                best[side] = min(best[side], seconds(command, folder, env | home))
        ratio = best[1] / best[0]
        missed += [f"{version} {program}"] if ratio > BAR else []
        print(f"{program:<12}{best[0] * 1e3:>9.2f} ms{best[1] * 1e3:>10.2f} ms{ratio:>8.3f}"
              f"  {'met' if ratio <= BAR else 'MISSED'}", flush=True)
    return missed


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n\n")[0])
    parser.add_argument("--build")
    parser.add_argument("--pyperformance")
    parser.add_argument("--repeats", type=int, default=12)
    parser.add_argument("pythons", nargs="*")
    args = parser.parse_args()
    pyperformance = args.pyperformance or bench_call.find_pyperformance(args.pythons[0])
    missed = []
    with tempfile.TemporaryDirectory(prefix="pyprofiler-bench-") as folder:
        write_project(folder, pyperformance)
        for python in args.pythons:
            missed += compare(python, args, folder)
    for what in missed:
        print("missed:", what)
    return 1 if missed else 0


if __name__ == "__main__":
    sys.exit(main())
