"""memory-time against what a program is known to hold. Nothing here waits for a sample:
the first is taken before the body, the last after it, and between them the kernel keeps
the peak."""

import ctypes
import mmap
import os
import platform
import signal
import subprocess
import sys
import tempfile
import threading
import time
import tracemalloc

import pytest

import prf_host
from host_tools import profile, raising_profile

MIB = 1 << 20
NEVER = {"interval": "3600"}  # only the samples at start and stop
OFTEN = {"interval": "1ms"}
SLACK = 6 * MIB  # the interpreter's own; the kernel counts pages in batches of each CPU
HOLDER = """
import mmap, sys
held = mmap.mmap(-1, {size})
for at in range(0, {size}, 4096):
    held[at] = 1
print("ready", flush=True)
sys.stdin.read()
"""


def touched(size):
    held = mmap.mmap(-1, size)
    for at in range(0, size, 4096):
        held[at] = 1
    return held


def metric(recording, name):
    (value,) = recording["metrics"][name]["samples"]
    return value


def curves(recording):
    return {(name, process): values for name, process, _, values in recording["series"]}


def until(fact, pause_s=0.001):
    """Wait for something that the sampler does."""
    deadline = time.monotonic() + 30
    while not fact():
        assert time.monotonic() < deadline
        time.sleep(pause_s)


def holder(size):
    """A child that holds `size` bytes until its input ends."""
    child = subprocess.Popen([sys.executable, "-S", "-c", HOLDER.format(size=size)],
                             stdin=subprocess.PIPE, stdout=subprocess.PIPE)
    assert child.stdout.readline() == b"ready\n"
    return child


def run_script(body, last="os._exit(0)", options=None):
    """A body that ruins its process, under memory-time in a process of its own: how that
    ended, and its recording."""
    script = ("import os, sys, time, prf_host\n"
              "from test_memory_time import *\n" + body +
              f"\nprf_host.run('memory-time', body, sys.argv[1], {options or OFTEN})\n" + last)
    with tempfile.NamedTemporaryFile() as file:
        path = os.pathsep.join([os.path.dirname(__file__), *sys.path])
        done = subprocess.run([sys.executable, "-B", "-c", script, file.name],
                              env={**os.environ, "PYTHONPATH": path}, timeout=120)
        return done.returncode, prf_host.read(file.name)


def test_peak_between_the_samples():
    _, recording = profile("memory-time", lambda: touched(64 * MIB).close(), NEVER)
    (_, values), = curves(recording).items()
    assert len(values) == 2
    assert abs(metric(recording, "increment") - 64 * MIB) < SLACK
    assert metric(recording, "end") - metric(recording, "start") < SLACK
    assert recording["lost"] == 0 and recording["notes"] == []


def test_what_is_held_at_the_end():
    held = []
    _, recording = profile("memory-time", lambda: held.append(touched(32 * MIB)), NEVER)
    grown = metric(recording, "end") - metric(recording, "start")
    assert abs(grown - 32 * MIB) < SLACK
    assert metric(recording, "peak") >= metric(recording, "end")
    assert (metric(recording, "increment")
            == metric(recording, "peak") - metric(recording, "start"))


def test_a_peak_before_the_case_does_not_count():
    touched(128 * MIB).close()
    _, recording = profile("memory-time", lambda: None, NEVER)
    assert metric(recording, "increment") < SLACK


def test_figures_are_those_of_the_curve():
    _, recording = profile("memory-time", lambda: time.sleep(0.02), OFTEN)
    (name, process, at_ns, values), = recording["series"]
    assert (name, process) == ("rss", 0)
    assert at_ns[0] == 0 and at_ns == sorted(set(at_ns))
    assert metric(recording, "start") == values[0]
    assert metric(recording, "end") == values[-1]
    assert metric(recording, "mean") == pytest.approx(sum(values) / len(values))
    assert metric(recording, "peak") >= max(values)


def test_it_samples_while_python_code_runs_and_while_it_holds_the_gil():
    with tempfile.NamedTemporaryFile() as file:
        def n_points():
            (_, _, at_ns, _), = prf_host.read(file.name)["series"]
            return len(at_ns)

        def body():
            until(lambda: n_points() > 20)  # read() never gives up the GIL

        before = sys.getswitchinterval()
        sys.setswitchinterval(3600)
        try:
            prf_host.run("memory-time", body, file.name, OFTEN)
        finally:
            sys.setswitchinterval(before)
        assert n_points() > 20


def test_many_samples_are_not_in_what_they_measure():
    with tempfile.NamedTemporaryFile() as file:
        def body():
            until(lambda: len(prf_host.read(file.name)["series"][0][2]) > 600,
                  0.05)  # reading it is not for free

        prf_host.run("memory-time", body, file.name, OFTEN)
        recording = prf_host.read(file.name)
    assert metric(recording, "end") - metric(recording, "start") < SLACK
    assert recording["lost"] == 0


def test_marks_are_on_the_clock_of_the_curve():
    def body():
        prf_host.mark("one")
        held = touched(8 * MIB)
        prf_host.mark("two")
        held.close()

    _, recording = profile("memory-time", body, NEVER)
    (_, _, at_ns, _), = recording["series"]
    (one, at_one, delta_one, _), (two, at_two, delta_two, _) = recording["marks"]
    assert (one, two) == ("one", "two")
    assert 0 <= at_one < at_two < at_ns[-1]
    assert delta_one == at_one and 0 < delta_two <= at_two - at_one


def test_the_case_sees_nothing_of_it():
    seen = []

    def look():
        return (threading.enumerate(), len(sys._current_frames()),
                sorted(os.listdir("/proc/self/fd")), signal.pthread_sigmask(0, []))

    before = look()
    profile("memory-time", lambda: seen.append(look()), OFTEN)
    threads, frames, files, blocked = seen[0]
    assert (threads, frames, blocked) == (before[0], before[1], before[3])
    # The recording needs no descriptor, the sampler's are in a table of its own.
    assert files == before[2]


def test_the_thread_takes_no_signal_and_is_gone_afterwards():
    found = []

    def tasks():
        return {task: open(f"/proc/self/task/{task}/comm").read().strip()
                for task in os.listdir("/proc/self/task")}

    def body():
        for task, name in tasks().items():
            if name == "memory-time":
                with open(f"/proc/self/task/{task}/status") as file:
                    found.append(dict(line.split(":", 1) for line in file)["SigBlk"])

    before = set(tasks())
    profile("memory-time", body, NEVER)
    (blocked,) = found
    for number in signal.SIGINT, signal.SIGTERM, signal.SIGALRM, signal.SIGUSR1:
        assert int(blocked, 16) >> (number - 1) & 1
    until(lambda: set(tasks()) == before)


def test_children_are_summed():
    children = []
    try:
        _, recording = profile("memory-time", lambda: children.append(holder(48 * MIB)),
                               {**NEVER, "include-children": None})
    finally:
        for child in children:
            child.communicate()
    (values,) = curves(recording).values()
    assert list(curves(recording)) == [("rss_total", 0)]
    assert values[-1] - values[0] > 48 * MIB
    assert metric(recording, "peak") >= values[-1]


def test_without_the_flag_children_do_not_count():
    children = []
    try:
        _, recording = profile("memory-time", lambda: children.append(holder(48 * MIB)),
                               NEVER)
    finally:
        for child in children:
            child.communicate()
    assert list(curves(recording)) == [("rss", 0)]
    assert metric(recording, "increment") < 24 * MIB


def test_a_curve_for_each_child():
    children = []

    def body():
        children.extend([holder(16 * MIB), holder(80 * MIB)])

    try:
        _, recording = profile("memory-time", body, {**NEVER, "multiprocess": None})
    finally:
        for child in children:
            child.communicate()
    found = curves(recording)
    assert sorted(found) == [("rss", 0), ("rss", 1), ("rss", 2)]
    small, large = sorted(found["rss", number][-1] for number in (1, 2))
    assert 64 * MIB - SLACK < large - small < 64 * MIB + SLACK
    assert metric(recording, "increment") < 24 * MIB  # the case's own


def test_children_of_children_both_ways():
    code = (f"import subprocess, sys\nchild = subprocess.Popen([sys.executable, '-S', '-c', "
            f"'''{HOLDER.format(size=32 * MIB)}'''], stdin=0, stdout=1)\nchild.wait()")
    children = []

    def body():
        child = subprocess.Popen([sys.executable, "-S", "-c", code],
                                 stdin=subprocess.PIPE, stdout=subprocess.PIPE)
        children.append(child)
        assert child.stdout.readline() == b"ready\n"

    try:
        _, recording = profile("memory-time", body, {**NEVER, "include-children": None,
                                                     "multiprocess": None})
    finally:
        for child in children:
            child.communicate()
    found = curves(recording)
    assert sorted(found) == [("rss", 1), ("rss", 2), ("rss_total", 0)]
    assert max(found["rss", 1][-1], found["rss", 2][-1]) > 32 * MIB
    assert found["rss_total", 0][-1] > found["rss", 1][-1] + found["rss", 2][-1]


@pytest.mark.skipif(platform.machine() != "x86_64", reason="needs the number of pause(2)")
def test_memory_that_a_child_shares_counts_once():
    """As between vfork and exec, which is how subprocess starts programs."""
    libc = ctypes.CDLL(None)
    stack = ctypes.create_string_buffer(1 << 16)
    clone_vm, pause, children = 0x100, 34, []

    def body():
        top = ctypes.c_void_p((ctypes.addressof(stack) + len(stack)) & ~15)
        children.append(libc.clone(ctypes.cast(libc.syscall, ctypes.c_void_p), top,
                                   clone_vm | signal.SIGCHLD, ctypes.c_void_p(pause)))

    held = touched(64 * MIB)
    try:
        _, recording = profile("memory-time", body, {**NEVER, "include-children": None,
                                                     "multiprocess": None})
    finally:
        os.kill(children[0], signal.SIGKILL)
        os.waitpid(children[0], 0)
    held.close()
    assert list(curves(recording)) == [("rss_total", 0)]
    assert metric(recording, "end") - metric(recording, "start") < SLACK


@pytest.mark.parametrize("name, series", [
    ("rss", "rss"), ("psutil", "rss"), ("posix", "rss"), ("pss", "pss"),
    ("psutil_pss", "pss"), ("uss", "uss"), ("psutil_uss", "uss"),
    ("tracemalloc", "traced")])
def test_backends_and_their_other_names(name, series):
    held = []
    _, recording = profile("memory-time", lambda: held.append(bytearray(16 * MIB)),
                           {**NEVER, "backend": name})
    (values,) = curves(recording).values()
    assert list(curves(recording)) == [(series, 0)]
    if series == "traced":
        assert 16 * MIB <= values[-1] < 17 * MIB and values[0] < MIB
    else:
        assert values[-1] > 0


def test_shared_pages():
    """Pages that a fork has too are in rss, half of them in pss, none of them in uss."""
    held = touched(32 * MIB)
    private = mmap.mmap(-1, 32 * MIB, flags=mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS)
    for at in range(0, 32 * MIB, 4096):
        private[at] = 1
    end = {}
    for backend in "rss", "pss", "uss":
        pids = []

        def body():
            pids.append(os.fork())
            if pids[0] == 0:
                signal.pause()

        try:
            _, recording = profile("memory-time", body, {**NEVER, "backend": backend})
        finally:
            os.kill(pids[0], signal.SIGKILL)
            os.waitpid(pids[0], 0)
        end[backend] = metric(recording, "end")
    held.close()
    private.close()
    assert end["rss"] - end["pss"] > 30 * MIB
    assert end["pss"] - end["uss"] > 30 * MIB


def test_tracemalloc_has_the_true_peak_and_is_stopped():
    def body():
        assert tracemalloc.is_tracing()
        bytearray(24 * MIB)

    _, recording = profile("memory-time", body, {**NEVER, "backend": "tracemalloc"})
    assert 24 * MIB <= metric(recording, "peak") < 25 * MIB
    assert recording["notes"] == []
    assert metric(recording, "end") < MIB
    assert not tracemalloc.is_tracing()


def test_tracemalloc_samples_while_others_have_the_gil():
    with tempfile.NamedTemporaryFile() as file:
        def body():
            held = bytearray(8 * MIB)
            until(lambda: max(prf_host.read(file.name)["series"][0][3]) >= len(held))

        prf_host.run("memory-time", body, file.name,
                     {**OFTEN, "backend": "tracemalloc"})


def test_tracemalloc_that_the_body_stops_and_starts():
    """The sampler must not be in tracemalloc's way, nor on its allocators."""
    status, recording = run_script("""
def body():
    for _ in range(60):
        tracemalloc.stop()
        tracemalloc.start()
        held = [bytearray(100) for _ in range(20000)]
    prf_host.mark("held")
""", options={"interval": "1ms", "backend": "tracemalloc"})
    assert status == 0
    (_, _, at_ns, values), = recording["series"]
    ((_, marked_ns, _, _),) = recording["marks"]
    assert next(value for at, value in zip(at_ns, values) if at >= marked_ns) > 2 * MIB
    assert recording["lost"] == 0 and recording["notes"] == []


def test_tracemalloc_in_a_fork_of_the_body():
    def body():
        pid = os.fork()
        if pid == 0:
            tracemalloc.stop()
            prf_host.mark("of the child")
            os._exit(0)
        assert os.waitpid(pid, 0)[1] == 0
        prf_host.mark("of the parent")

    _, recording = profile("memory-time", body, {**OFTEN, "backend": "tracemalloc"})
    assert [mark[0] for mark in recording["marks"]] == ["of the parent"]


def test_tracemalloc_whose_count_is_not_found():
    def body():
        held = bytearray(8 * MIB)
        prf_host.mark("held")
        del held

    prf_host.slow_traces(True)
    try:
        _, recording = profile("memory-time", body, {**OFTEN, "backend": "tracemalloc"})
    finally:
        prf_host.slow_traces(False)
    (_, _, at_ns, values), = recording["series"]
    assert at_ns == sorted(at_ns)
    assert len(values) == 3 and values[1] - values[0] >= 8 * MIB > values[2]
    assert any("count is not found" in note for note in recording["notes"])


def test_tracemalloc_that_the_program_started_stays():
    tracemalloc.start()
    try:
        held = bytearray(8 * MIB)
        _, recording = profile("memory-time", lambda: None,
                               {**NEVER, "backend": "tracemalloc"})
        assert tracemalloc.is_tracing()
        assert metric(recording, "start") >= len(held)
        assert any("was tracing before" in note for note in recording["notes"])
    finally:
        tracemalloc.stop()


def test_tracemalloc_stopped_by_the_body():
    _, recording = profile("memory-time", tracemalloc.stop,
                           {**NEVER, "backend": "tracemalloc"})
    assert metric(recording, "end") == 0


def test_every_descriptor_closed():
    status, recording = run_script("""
def body():
    os.closerange(3, 4096)
    for _ in range(300):
        os.open("/dev/zero", os.O_RDONLY)
    held = touched(48 * MIB)
    until(lambda: prf_host.read(sys.argv[1])["series"][0][3][-1] > 48 * MIB)
""")
    assert status == 0
    assert recording["lost"] == 0
    (values,) = curves(recording).values()
    assert 48 * MIB - SLACK < max(values) - values[0] < 48 * MIB + SLACK


def test_a_mark_takes_a_sample():
    def body():
        held = touched(32 * MIB)
        prf_host.mark("held")
        held.close()
        prf_host.mark("gone")

    for backend in "rss", "pss", "uss":
        _, recording = profile("memory-time", body, {**NEVER, "backend": backend})
        (_, _, at_ns, values), = recording["series"]
        assert len(values) == 4 and at_ns == sorted(at_ns)
        assert abs(values[1] - values[2] - 32 * MIB) < SLACK
        for (_, at_mark, _, _), at_sample in zip(recording["marks"], at_ns[1:3]):
            assert at_mark <= at_sample


def test_a_crash_before_the_first_interval_keeps_the_marks_samples():
    status, recording = run_script("""
def body():
    held = touched(32 * MIB)
    prf_host.mark("held")
    os.kill(os.getpid(), 9)
""", options=NEVER)
    assert status == -signal.SIGKILL
    (values,) = curves(recording).values()
    assert len(values) == 2 and values[1] - values[0] > 32 * MIB - SLACK


def test_a_crash_keeps_the_curve_and_the_marks():
    status, recording = run_script("""
def body():
    held = touched(32 * MIB)
    prf_host.mark("held")
    until(lambda: prf_host.read(sys.argv[1])["series"][0][3][-1] > 32 * MIB)
    os.kill(os.getpid(), 9)
""")
    assert status == -signal.SIGKILL
    (values,) = curves(recording).values()
    assert values[-1] - values[0] > 32 * MIB - SLACK
    assert [mark[0] for mark in recording["marks"]] == ["held"]
    assert "peak" not in recording["metrics"]


def test_a_fork_that_goes_on_leaves_no_trace():
    pids = []

    def body():
        pids.append(os.fork())
        if pids[0] == 0:
            prf_host.mark("of the child")
            os._exit(len(os.listdir("/proc/self/task")))
        prf_host.mark("of the parent")

    _, recording = profile("memory-time", body, OFTEN)
    assert os.waitstatus_to_exitcode(os.waitpid(pids[0], 0)[1]) == 1
    assert [mark[0] for mark in recording["marks"]] == ["of the parent"]


def test_a_fork_that_stops_the_session_does_not_hang():
    status, recording = run_script("""
forked = []
def body():
    forked.append(os.fork())
""", "os._exit(7 if forked[0] == 0 else os.waitpid(forked[0], 0)[1] >> 8)")
    assert status == 7
    (values,) = curves(recording).values()
    assert len(values) >= 2 and recording["lost"] == 0


def test_raising_body_keeps_its_figures():
    def body():
        touched(16 * MIB).close()
        raise ValueError("from the body")

    raised, recording = raising_profile("memory-time", body, NEVER)
    assert isinstance(raised, ValueError)
    assert metric(recording, "increment") > 10 * MIB


@pytest.mark.parametrize("options, text", [
    ({"interval": "0.5ms"}, "interval"),
    ({"interval": "soon"}, "a time such as"),
    ({"backend": "pages"}, "rss|pss|uss"),
    ({"backend": "tracemalloc", "multiprocess": None}, "this process only"),
    ({"backend": "tracemalloc", "include-children": None}, "this process only"),
])
def test_wrong_options(options, text):
    with pytest.raises(RuntimeError) as raised:
        profile("memory-time", lambda: None, options)
    assert text.split("|")[0] in str(raised.value)


class Broken:
    """A stand-in for the module _tracemalloc."""

    def __init__(self, raising):
        self.raising = raising

    def __getattr__(self, name):
        def function():
            if name == self.raising:
                raise ValueError("broken")
            return (1, 2) if name == "get_traced_memory" else None

        return function


@pytest.mark.parametrize("module, text", [(None, "this Python has no tracemalloc"),
                                          (Broken("start"), "tracemalloc does not start")])
def test_tracemalloc_that_does_not_work(monkeypatch, module, text):
    monkeypatch.setitem(sys.modules, "_tracemalloc", module)
    with pytest.raises(RuntimeError, match=text):
        profile("memory-time", lambda: None, {"backend": "tracemalloc"})


def test_samples_that_fail_are_counted(monkeypatch):
    monkeypatch.setitem(sys.modules, "_tracemalloc", Broken("get_traced_memory"))
    _, recording = profile("memory-time", lambda: None, {**NEVER, "backend": "tracemalloc"})
    assert recording["lost"] == 2 and recording["series"] == []
    assert "peak" not in recording["metrics"]


@pytest.mark.skipif("libasan" in os.environ.get("LD_PRELOAD", ""),
                    reason="a sanitizer needs its address space")
def test_no_room_for_the_thread():
    status, recording = run_script("""
import resource
def body():
    os._exit(1)
def size():
    return int(open("/proc/self/statm").read().split()[0]) * 4096
limit = resource.getrlimit(resource.RLIMIT_AS)
said = set()
for kib in range(16, 1024, 16):  # stacks are kept for the next thread
    resource.setrlimit(resource.RLIMIT_AS, (size() + kib * 1024, limit[1]))
    try:
        with tempfile.NamedTemporaryFile() as file:
            prf_host.run("memory-time", lambda: None, file.name, NEVER)
    except RuntimeError as error:
        said.add(str(error))
    except MemoryError:
        pass
    resource.setrlimit(resource.RLIMIT_AS, limit)
if not any("cannot start the thread that samples" in text for text in said):
    os._exit(3)
def body():
    pass
""")
    assert status == 0
    assert len(recording["series"]) == 1


def test_predecessors_name_and_spellings():
    _, recording = profile("memory-profiler-time", lambda: None,
                           {"interval": "0.25", "include_children": None})
    assert list(curves(recording)) == [("rss_total", 0)]
