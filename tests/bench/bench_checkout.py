#!/usr/bin/env python3
"""What checking out a commit of 5,000 files costs, beside `git worktree add`.

On the file system of $TMPDIR and on /dev/shm, from one repository on each: ours and git's
alternate, the ratio is that of the fastest of each side, since other load on the machine
only adds. Every checkout has a folder of its own and nothing is deleted until the end:
ext4 searches long for free inodes among those that were freed in the last minute, which
hits whoever comes next. Both must have written the same. Exits with 1 when the bar is
missed.

The repository has a .gitattributes as projects have: text=auto for all, CRLF for *.bat.
"""
import argparse
import filecmp
import os
import random
import shutil
import subprocess
import sys
import tempfile
import time

N_FILES = 5000
BAR = 1.5
WORDS = "import def return self value for in range x y class None".split()
GIT = ["git", "-c", "user.name=bench", "-c", "user.email=b@localhost", "-c", "gc.auto=0"]


def call(command, **options):
    done = subprocess.run(command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                          stderr=subprocess.STDOUT, **options)
    if done.returncode != 0:
        sys.exit(f"{' '.join(command)}: exit code {done.returncode}\n"
                 + done.stdout.decode(errors="replace"))


def source(rng):
    """Text of a module: mostly small, some long, compressible as code is."""
    lines = rng.choice([20, 60, 150, 300, 500])
    return "".join(" ".join(rng.choices(WORDS, k=8)) + f" {rng.random()}\n"
                   for _ in range(lines))


def make_repository(folder):
    rng = random.Random(5000)
    os.mkdir(folder)
    with open(os.path.join(folder, ".gitattributes"), "w") as out:
        out.write("* text=auto\n*.bat text eol=crlf\n")
    for i in range(N_FILES - 1):
        below = os.path.join(folder, f"package{i % 50}", f"part{i % 7}")
        os.makedirs(below, exist_ok=True)
        name = f"run{i}.bat" if i % 500 == 0 else f"module{i}.py"
        with open(os.path.join(below, name), "w") as out:
            out.write(source(rng))
    for words in ["init", "-q"], ["add", "-A"], ["commit", "-qm", "all"], ["repack", "-adq"]:
        call(GIT + words, cwd=folder)


def seconds(command, folder):
    start = time.perf_counter()
    call(command, cwd=folder)
    return time.perf_counter() - start


def same(ours, gits):
    """Have both the same files with the same bytes?"""
    difference = filecmp.dircmp(ours, gits, ignore=[".git"])
    todo = [difference]
    while todo:
        at = todo.pop()
        _, other, failed = filecmp.cmpfiles(at.left, at.right, at.common_files, shallow=False)
        if other or failed or at.left_only or at.right_only:
            return False
        todo.extend(at.subdirs.values())
    return True


def measure(program, base, repeats):
    """Best seconds of both sides in a new folder below `base`."""
    top = tempfile.mkdtemp(prefix="bench-checkout-", dir=base)
    try:
        repository = os.path.join(top, "repository")
        make_repository(repository)
        times = []
        for i in range(repeats + 1):
            ours, gits = os.path.join(top, f"ours{i}"), os.path.join(top, f"git{i}")
            sides = [lambda: seconds([program, repository, "HEAD", ours], top),
                     lambda: seconds(["git", "worktree", "add", "-q", "--detach", gits],
                                     repository)]
            order = (0, 1) if i % 2 else (1, 0)
            pair = {side: sides[side]() for side in order}
            times.append((pair[0], pair[1]))
        if not same(ours, gits):
            sys.exit("the two checkouts differ")
        return [min(side) for side in zip(*times[1:])]  # the first warms the caches
    finally:
        shutil.rmtree(top, ignore_errors=True)


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--program", default="build/release/bin/checkout",
                        help="the built checkout.c (default: %(default)s)")
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument("python", nargs="*", help="ignored: no Python is measured")
    args = parser.parse_args()
    program = os.path.abspath(args.program)
    if shutil.which("git") is None:
        sys.exit("bench_checkout: git is needed to compare with")
    good = True
    print(f"{'':<24} {'ours':>12} {'worktree add':>15} {'ratio':>8}")
    for base in tempfile.gettempdir(), "/dev/shm":
        if not os.path.isdir(base):
            print(f"{base:<24} skipped: there is no such folder")
            continue
        ours, gits = measure(program, base, args.repeats)
        ratio = ours / gits
        good = good and ratio <= BAR
        print(f"{base:<24} {ours * 1e3:9.1f} ms {gits * 1e3:12.1f} ms {ratio:6.2f} x   "
              f"bar {BAR:.2f} x  {'met' if ratio <= BAR else 'MISSED'}", flush=True)
    return 0 if good else 1


if __name__ == "__main__":
    sys.exit(main())
