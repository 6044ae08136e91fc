"""The sampling profiler against times that the program takes itself, and against what
may happen to stacks, code, signals and processes while samples are taken.

Times are compared within six standard deviations of what so many samples can tell; what
is to be seen at all lasts LONG, so that a busy machine takes a sample, too."""

import asyncio
import faulthandler
import gc
import math
import os
import signal
import subprocess
import sys
import textwrap
import threading
import time
import weakref

import pytest

import prf_host
from host_tools import profile, raising_profile

FAST = {"rate": "5000"}
LONG = 0.2


def spin(seconds):
    """Works on the processor for that long by the wall clock."""
    until = time.perf_counter() + seconds
    while time.perf_counter() < until:
        pass


def rows(recording, column="own_ns"):
    """function -> sum of the column."""
    result = {}
    for row in recording["sites"]:
        name = row["code"][2]
        result[name] = result.get(name, 0) + row[column]
    return result


def cumulative(recording):
    return rows(recording, "cumulative_ns")


def taken(recording):
    return sum(row["own_samples_count"] for row in recording["sites"])


def assert_share(found_ns, all_ns, share, n):
    """Is `found_ns` of `all_ns` the share, as far as n samples, one a millisecond, can tell?
    Time that came late to a sample, on a busy machine, may have come to a wrong one."""
    deviation = math.sqrt(share * (1 - share) / n)
    late = max(0, 1 - n * 1e6 / all_ns)
    assert abs(found_ns / all_ns - share) <= 6 * deviation + late, (found_ns, all_ns, share, n)


class Parts:
    """Three functions that take 60, 30 and 10 % of the time, in small pieces."""

    def __init__(self, wait):
        self.wait = wait
        self.took = {"large": 0.0, "medium": 0.0, "small": 0.0}

    def timed(self, name, seconds):
        began = time.perf_counter()
        self.wait(seconds)
        self.took[name] += time.perf_counter() - began

    def large(self):
        self.timed("large", 0.006)

    def medium(self):
        self.timed("medium", 0.003)

    def small(self):
        self.timed("small", 0.001)

    def __call__(self):
        for _ in range(60):
            self.large()
            self.medium()
            self.small()


@pytest.mark.parametrize("wait", [spin, time.sleep], ids=["work", "sleep"])
def test_shares_of_the_wall_clock(wait):
    parts = Parts(wait)
    _, recording = profile("sampling", parts, {"rate": "1000"})
    found, total = cumulative(recording), sum(parts.took.values())
    assert recording["lost"] == 0
    for name, took in parts.took.items():
        assert_share(found[name], found["__call__"], took / total, taken(recording))


def test_the_sum_is_the_wall_clock():
    began = time.perf_counter_ns()
    _, recording = profile("sampling", lambda: spin(LONG), FAST)
    all_ns = time.perf_counter_ns() - began
    wall_ns = recording["metrics"]["wall_time"]["samples"][0]
    assert LONG * 1e9 <= wall_ns < all_ns
    assert 0 < sum(rows(recording).values()) < all_ns
    assert recording["metrics"]["samples_taken"]["samples"] == [taken(recording)]


def sleeper():
    time.sleep(0.05)


def test_processor_time_leaves_waiting_out():
    def body():
        until = time.thread_time() + 0.08
        while time.thread_time() < until:
            spin(0.002)
            sleeper()

    _, recording = profile("sampling", body, {"mode": "cpu"})
    found, n = cumulative(recording), taken(recording)
    assert n > 0
    assert found.get("sleeper", 0) < 0.5 * found["spin"]


def test_processor_time_of_all_threads():
    def worker():
        until = time.thread_time() + 0.1
        while time.thread_time() < until:
            pass

    def body():
        threads = [threading.Thread(target=worker) for _ in range(3)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()

    _, recording = profile("sampling", body, {"mode": "cpu", "rate": "2000"})
    # Of each of three threads at most a tick of the kernel's (10 ms) may be missing.
    assert 0.2e9 < cumulative(recording)["worker"] < 0.4e9


def fib(n):
    return n if n < 2 else fib(n - 1) + fib(n - 2)


def test_recursion_is_counted_once():
    def body():
        until = time.perf_counter() + LONG
        while time.perf_counter() < until:
            fib(15)

    _, recording = profile("sampling", body, FAST)
    own, every = rows(recording), cumulative(recording)
    assert own["fib"] > 0
    assert every["fib"] <= sum(own.values())


def in_thread(seconds):
    spin(seconds)


def test_threads_that_begin_and_end():
    def body():
        for _ in range(5):
            threads = [threading.Thread(target=in_thread, args=(0.01,)) for _ in range(4)]
            for thread in threads:
                thread.start()
            for thread in threads:
                thread.join()

    _, recording = profile("sampling", body, FAST)
    # Each of twenty threads is there for ten milliseconds or more.
    assert cumulative(recording)["in_thread"] > 0.15e9
    assert cumulative(recording)["_bootstrap"] >= cumulative(recording)["in_thread"]


def test_one_thread_only():
    def body():
        thread = threading.Thread(target=in_thread, args=(LONG,))
        thread.start()
        spin(LONG)
        thread.join()

    _, recording = profile("sampling", body, {**FAST, "threads": "main"})
    assert "in_thread" not in rows(recording) and rows(recording)["spin"] > 0


def edges_of(recording):
    return {(row["caller"][2], row["callee"][2]) for row in recording["edges"]}


def test_generators_and_coroutines():
    def steps():
        for _ in range(10):
            spin(LONG / 10)
            yield

    def consumer():
        for _ in steps():
            pass

    async def inner():
        spin(LONG)
        await asyncio.sleep(0)
        spin(LONG)

    async def outer():
        await inner()

    def body():
        consumer()
        asyncio.run(outer())

    _, recording = profile("sampling", body, FAST)
    assert {("consumer", "steps"), ("steps", "spin"), ("outer", "inner"),
            ("inner", "spin")} <= edges_of(recording)


def deep(n, work):
    return work() if n == 0 else deep(n - 1, work)


def test_deep_stacks():
    limit = sys.getrecursionlimit()
    sys.setrecursionlimit(5000)
    try:
        _, recording = profile("sampling", lambda: deep(3000, lambda: spin(LONG)),
                               {**FAST, "max-stack-depth": "4000"})
        _, cut = profile("sampling", lambda: deep(3000, lambda: spin(LONG)),
                         {**FAST, "max-stack-depth": "10"})
    finally:
        sys.setrecursionlimit(limit)
    names = {row["code"][2] for row in recording["sites"]}
    assert "[callers not recorded]" not in names
    assert not any("--max-stack-depth" in note for note in recording["notes"])
    assert rows(cut)["spin"] > 0 and cumulative(cut)["[callers not recorded]"] > 0
    assert any("--max-stack-depth" in note for note in cut["notes"])


def test_frames_below_the_case_are_not_part():
    def caller():
        return profile("sampling", lambda: spin(LONG), FAST)[1]

    assert {"caller", "profile"}.isdisjoint(rows(caller()))


def test_less_than_an_interval():
    _, recording = profile("sampling", lambda: None, {"mode": "cpu", "interval": "10000000"})
    assert taken(recording) == 0 and recording["lost"] == 0
    assert any(note.startswith("no sample was taken") for note in recording["notes"])


def test_interval_is_in_microseconds():
    _, recording = profile("sampling", lambda: spin(LONG), {"interval": "2000"})
    assert {row["own_ns"] % 2_000_000 for row in recording["sites"]} == {0}


@pytest.mark.parametrize("options", [{"rate": "0"}, {"mode": "idle"}, {"threads": "2"},
                                     {"max-stack-depth": "0"}, {"sort": "ncalls"}])
def test_options_that_are_wrong(options):
    with pytest.raises(RuntimeError, match=next(iter(options))):
        profile("sampling", fib, options)


def test_files():
    def body():
        threading.Thread(target=in_thread, args=(LONG,)).run()

    _, without = profile("sampling", body, {**FAST, "exclude-files": threading.__file__})
    _, only = profile("sampling", body, {**FAST, "include-files": threading.__file__})
    assert "run" not in rows(without) and cumulative(without)["in_thread"] > 0
    # a sample may have come while the thread was being made
    assert "run" in rows(only) and set(rows(only)) <= {"run", "__init__", "_newname"}
    _, none = profile("sampling", body, {**FAST, "include-files": "/nowhere"})
    assert any("/nowhere" in note for note in none["notes"])


def test_the_tree_is_bounded():
    def body():
        deep(60, lambda: spin(LONG))

    _, recording = profile("sampling", body, {**FAST, "max-nodes": "5"})
    assert any("[truncated]" in note for note in recording["notes"])
    assert rows(recording)["spin"] > 0


# ---- code that comes and goes ----


def churn(seconds):
    """Makes and frees code objects, classes, generators, cycles."""
    until, i = time.perf_counter() + seconds, 0
    while time.perf_counter() < until:
        i += 1
        space = {}
        exec(f"def f(x):\n    return [g(y) for y in range(x)]\ng = lambda y: y + {i}\nf(9)",
             space)
        eval(f"(lambda q: (yield q + {i}))(1)").close()
        try:
            deep(30, lambda: 1 / 0)
        except ZeroDivisionError:
            pass


def test_code_that_is_freed():
    def body():
        threads = [threading.Thread(target=churn, args=(0.5,)) for _ in range(3)]
        for thread in threads:
            thread.start()
        churn(0.5)
        for thread in threads:
            thread.join()

    _, recording = profile("sampling", body, {"rate": "10000", "max-nodes": "1000000"})
    assert recording["lost"] == 0
    assert cumulative(recording)["churn"] > 0
    assert {"f", "<lambda>", "deep"} & set(rows(recording))


def test_code_dies_in_the_end():
    dead = []

    def body():
        for _ in range(20):
            space = {}
            exec("def f(spin):\n    spin(0.001)", space)
            weakref.finalize(space["f"].__code__, dead.append, 1)
            space["f"](spin)

    profile("sampling", body, {"rate": "10000"})
    gc.collect()
    assert len(dead) == 20


# ---- signals ----


def caught():
    """The signals that have a handler, as the kernel knows them; without the two of the C
    library's threads, which come with the first one."""
    with open("/proc/self/status") as status:
        mask = next(line for line in status if line.startswith("SigCgt")).split()[1]
    return {n + 1 for n in range(64) if int(mask, 16) >> n & 1} - {32, 33}


def test_handlers_are_as_before():
    before = caught()
    inside = []
    profile("sampling", lambda: inside.append(caught()), FAST)
    assert caught() == before != inside[0]


def test_start_and_stop_a_thousand_times():
    before = caught(), len(os.listdir("/proc/self/task"))
    for mode in "wall", "cpu":
        for _ in range(500):
            profile("sampling", lambda: fib(5), {"rate": "20000", "mode": mode})
    assert (caught(), len(os.listdir("/proc/self/task"))) == before


def test_waiting_is_not_cut_short():
    def body():
        began = time.monotonic()
        time.sleep(0.05)
        lock = threading.Lock()
        lock.acquire()
        assert not lock.acquire(timeout=0.02)
        return time.monotonic() - began

    took = []
    profile("sampling", lambda: took.append(body()), FAST)
    assert took[0] >= 0.07


def test_a_program_with_signals_of_its_own():
    got = []

    def body():
        for number in signal.SIGUSR1, signal.SIGRTMIN, signal.SIGRTMIN + 3:
            before = signal.signal(number, lambda n, frame: got.append(n))
            os.kill(os.getpid(), number)
            spin(LONG / 3)
            signal.signal(number, before)

    _, recording = profile("sampling", body, FAST)
    assert got == [signal.SIGUSR1, signal.SIGRTMIN, signal.SIGRTMIN + 3]
    assert rows(recording)["spin"] > 0


def test_a_program_that_blocks_all_signals():
    def body():
        before = signal.pthread_sigmask(signal.SIG_BLOCK, signal.valid_signals())
        spin(LONG)
        signal.pthread_sigmask(signal.SIG_SETMASK, before)

    _, recording = profile("sampling", body, FAST)
    assert rows(recording)["spin"] > 0
    assert signal.sigpending() == set()


def in_child(code, *arguments):
    """Run the code in a process of its own; it finds our tools."""
    here = os.path.dirname(os.path.abspath(__file__))
    source = ("import sys\nsys.path.insert(0, sys.argv[1])\n"
              "from test_sampling import *\n" + textwrap.dedent(code))
    options = os.environ.get("ASAN_OPTIONS", "") + ":handle_segv=0:use_sigaltstack=0"
    return subprocess.run([sys.executable, "-c", source, here, *arguments],
                          env={**os.environ, "ASAN_OPTIONS": options},
                          capture_output=True, text=True, timeout=60)


def test_a_crash_is_told_as_before():
    done = in_child("""
        faulthandler.enable()
        profile("sampling", faulthandler._sigsegv, FAST)
        """)
    assert done.returncode == -signal.SIGSEGV
    assert "Fatal Python error: Segmentation fault" in done.stderr
    assert "in _sigsegv" in done.stderr or "Current thread" in done.stderr


def test_a_crash_without_faulthandler():
    done = in_child("""
        import ctypes
        profile("sampling", lambda: ctypes.string_at(8), FAST)
        """)
    assert done.returncode == -signal.SIGSEGV and done.stderr == ""


def test_a_signal_that_kills():
    done = in_child("""
        profile("sampling", lambda: os.kill(os.getpid(), signal.SIGSEGV), FAST)
        """)
    assert done.returncode == -signal.SIGSEGV


def test_faulthandler_comes_and_goes():
    """It takes the place of our handler, and gives it back."""
    done = in_child("""
        before = caught()
        def body():
            faulthandler.enable()
            churn(LONG)
            faulthandler.disable()
            churn(LONG)
        _, recording = profile("sampling", body, {"rate": "10000"})
        assert cumulative(recording)["churn"] > 0
        print(caught() == before)
        """)
    assert (done.returncode, done.stdout) == (0, "True\n"), done.stderr


def test_a_crash_after_faulthandler_came():
    done = in_child("""
        def body():
            faulthandler.enable()
            spin(0.05)
            faulthandler._sigsegv()
        profile("sampling", body, FAST)
        """)
    assert done.returncode == -signal.SIGSEGV
    assert "Fatal Python error: Segmentation fault" in done.stderr


@pytest.mark.parametrize("stays", [True, False])
def test_a_crash_after_the_end(stays):
    done = in_child(f"""
        import ctypes
        def body():
            faulthandler.enable()
            spin(0.05)
            if not {stays}:
                faulthandler.disable()
        profile("sampling", body, FAST)
        ctypes.string_at(8)
        """)
    assert done.returncode == -signal.SIGSEGV
    assert ("Segmentation fault" in done.stderr) == stays


# ---- processes ----


def test_children():
    def body():
        pid = os.fork()
        if pid == 0:
            try:
                churn(0.05)
            finally:
                os._exit(7)
        spin(LONG)
        status.append(os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]))
        status.append(subprocess.run([sys.executable, "-c", "exit(3)"]).returncode)

    for mode in "wall", "cpu":
        status = []
        _, recording = profile("sampling", body, {**FAST, "mode": mode})
        assert status == [7, 3]
        assert "churn" not in rows(recording)


def test_what_was_recorded_is_kept(tmp_path):
    path = tmp_path / "recording"
    path.touch()
    done = in_child("""
        def body():
            spin(0.5)
            os._exit(5)
        prf_host.run("sampling", body, sys.argv[2], {})
        """, str(path))
    assert done.returncode == 5, done.stderr
    assert rows(prf_host.read(str(path)))["spin"] > 0


def test_threads_that_run_on_and_the_end_of_the_interpreter():
    done = in_child("""
        thread = threading.Thread(target=lambda: churn(0.2), daemon=True)
        thread.start()
        profile("sampling", lambda: spin(LONG), FAST)
        print("end")
        """)
    assert (done.returncode, done.stdout, done.stderr) == (0, "end\n", "")


def test_raising():
    def body():
        spin(LONG)
        raise KeyError("x")

    raised, recording = raising_profile("sampling", body, FAST)
    assert raised.args == ("x",) and rows(recording)["spin"] > 0


def test_marks():
    def body():
        prf_host.mark("one")
        spin(LONG)
        prf_host.mark("two")

    _, recording = profile("sampling", body, FAST)
    assert [mark[0] for mark in recording["marks"]] == ["one", "two"]
