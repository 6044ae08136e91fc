"""Memory by line: how often lines run against sys.settrace, amounts on programs that
hold what they say."""

import mmap
import os
import subprocess
import sys
import tempfile
import textwrap
import threading
import tracemalloc

import pytest

import line_programs
import prf_host
from host_tools import profile, raising_profile
from line_truth import amounts, label, truth

CASE = line_programs.__file__
SIZE = 40_000_000


def memory(body, options=None, case_file=CASE, **how):
    return profile("memory-line", body, options, case_file=case_file, **how)[1]


def names(recording):
    return {row["code"][2] for row in recording["sites"]}


def of_function(recording, function, column):
    """Line, counted from the def -> amount."""
    key = label(function.__code__)
    return {n - key[1]: value for (code, n), value in amounts(recording, column).items()
            if code == key}


@pytest.mark.parametrize("program", line_programs.PROGRAMS, ids=lambda p: p.__name__)
def test_occurrences_are_those_of_a_trace_function(program):
    program()
    expected = truth(program, CASE)
    recording = memory(program, {"max-depth": "-1"})
    lines = {key: n for key, n in amounts(recording, "occurrences").items()
             if key[0][0] == CASE and (key in expected or key[1] != key[0][1])}
    assert lines == expected
    assert recording["lost"] == 0 and recording["notes"] == []


def holds():
    first = b"x" * SIZE
    second = first[1:]
    del first
    return len(second)


def mapped():
    """Pages that no allocator keeps for later."""
    pages = mmap.mmap(-1, SIZE)
    pages[::4096] = bytes(len(range(0, SIZE, 4096)))
    return pages


def holds_pages():
    first = mapped()
    second = mapped()
    first.close()
    return len(second)


@pytest.mark.parametrize("backend", ["rss", "pss", "uss", "psutil", "psutil_pss",
                                     "psutil_uss", "posix", "tracemalloc"])
def test_lines_that_take_and_give_back(backend):
    body = holds if backend == "tracemalloc" else holds_pages
    recording = memory(body, {"backend": backend}, case_file=__file__)
    increments = of_function(recording, body, "increment")
    usage = of_function(recording, body, "usage")
    # All pages of libraries, 10 to 15 MB, may become shared or our own between two
    # lines, as other processes come and go.
    near = SIZE // (2 if backend.endswith(("pss", "uss")) else 20)
    assert increments[1] == pytest.approx(SIZE, abs=near)
    assert increments[2] == pytest.approx(SIZE, abs=near)
    assert increments[3] == pytest.approx(-SIZE, abs=near)
    assert increments[4] == pytest.approx(0, abs=near)
    assert usage[2] - usage[1] == pytest.approx(SIZE, abs=near)
    assert usage[0] + 2 * SIZE == pytest.approx(usage[2], abs=near)
    assert of_function(recording, body, "occurrences") == {0: 1, 1: 1, 2: 1, 3: 1, 4: 1}


def keeps(kept):
    for _ in range(4):
        kept.append(b"y" * (SIZE // 4))


def test_increments_add_up_and_usage_is_the_highest():
    kept = []
    recording = memory(lambda: keeps(kept), {"backend": "tracemalloc"},
                       case_file=__file__)
    increments = of_function(recording, keeps, "increment")
    usage = of_function(recording, keeps, "usage")
    assert increments[2] == pytest.approx(SIZE, rel=0.01)
    assert usage[2] == pytest.approx(SIZE, rel=0.01)
    assert sum(increments.values()) == pytest.approx(SIZE, rel=0.01)


def inner(kept):
    kept.append(b"z" * SIZE)


def middle(kept):
    inner(kept)


def outer():
    kept = []
    middle(kept)
    return len(textwrap.dedent(" x"))


def test_a_call_contains_its_callee():
    recording = memory(outer, {"max-depth": "2"}, case_file=__file__)
    for function, line in (outer, 2), (middle, 1), (inner, 1):
        assert of_function(recording, function, "increment")[line] \
            == pytest.approx(SIZE, rel=0.05)


@pytest.mark.parametrize("depth, expected", [
    ("0", {"outer"}),
    ("1", {"outer", "middle", "dedent"}),
    ("2", {"outer", "middle", "dedent", "inner"}),
    ("-1", {"outer", "middle", "dedent", "inner"}),
    (None, {"outer", "middle", "dedent"}),
])
def test_max_depth(depth, expected):
    recording = memory(outer, {"max-depth": depth} if depth else {}, case_file=__file__)
    assert expected <= names(recording)
    assert names(recording) & {"outer", "middle", "dedent", "inner"} == expected


def descend(n):
    if n > 0:
        descend(n - 1)
    return n


def test_a_recursion_below_the_limit():
    recording = memory(lambda: descend(9), {"max-depth": "3"}, case_file=__file__)
    # the lambda is the case: three calls of ten are shown
    assert of_function(recording, descend, "occurrences") == {0: 3, 1: 3, 2: 3, 3: 3}


STEP = 1 << 20


def recursive(kept, n):
    kept.append(bytearray(STEP))
    if n > 1:
        recursive(kept, n - 1)
    kept.append(bytearray(STEP))


def even(kept, n):
    kept.append(bytearray(STEP))
    if n > 1:
        odd(kept, n - 1)


def odd(kept, n):
    kept.append(bytearray(STEP))
    if n > 1:
        even(kept, n - 1)


def nested(kept, n):
    kept.append(bytearray(STEP))
    yield n
    if n > 1:
        yield from nested(kept, n - 1)
    kept.append(bytearray(STEP))


def test_increments_of_a_recursion_add_up():
    kept = []
    recording = memory(lambda: recursive(kept, 30),
                       {"backend": "tracemalloc", "max-depth": "-1"}, case_file=__file__)
    increments = of_function(recording, recursive, "increment")
    assert increments[1] == pytest.approx(30 * STEP, rel=0.01)
    assert increments[3] == pytest.approx(0, abs=STEP / 10)
    assert increments[4] == pytest.approx(30 * STEP, rel=0.01)
    assert sum(increments.values()) == pytest.approx(60 * STEP, rel=0.01)


def test_increments_of_a_recursion_below_the_limit():
    kept = []
    recording = memory(lambda: recursive(kept, 30),
                       {"backend": "tracemalloc", "max-depth": "3"}, case_file=__file__)
    increments = of_function(recording, recursive, "increment")
    assert sum(increments.values()) == pytest.approx(60 * STEP, rel=0.01)


def test_increments_of_a_mutual_recursion():
    kept = []
    recording = memory(lambda: even(kept, 30),
                       {"backend": "tracemalloc", "max-depth": "-1"}, case_file=__file__)
    for function, grown in (even, 30), (odd, 29):
        increments = of_function(recording, function, "increment")
        assert increments[1] == pytest.approx(15 * STEP, rel=0.01)
        assert sum(increments.values()) == pytest.approx(grown * STEP, rel=0.01)


def test_increments_of_generators_inside_themselves():
    kept = []
    recording = memory(lambda: sum(nested(kept, 20)),
                       {"backend": "tracemalloc", "max-depth": "-1"}, case_file=__file__)
    increments = of_function(recording, nested, "increment")
    assert increments[1] == pytest.approx(20 * STEP, rel=0.01)
    assert sum(increments.values()) == pytest.approx(40 * STEP, rel=0.01)


def test_threads_begin_at_the_case_file():
    def body():
        thread = threading.Thread(target=middle, args=([],))
        thread.start()
        thread.join()

    recording = memory(body, {"max-depth": "0"}, case_file=__file__)
    assert "middle" in names(recording) and "inner" not in names(recording)
    assert "run" not in names(recording)
    assert of_function(recording, middle, "increment")[1] == pytest.approx(SIZE, rel=0.05)


def starts_a_child():
    code = f"b = b'x' * {SIZE}; print('ready', flush=True); input()"
    child = subprocess.Popen([sys.executable, "-c", code], stdin=subprocess.PIPE,
                             stdout=subprocess.PIPE)
    child.stdout.readline()
    child.communicate(b"\n")
    return child.wait()


def test_include_children():
    with_children = memory(starts_a_child, {"include-children": None, "max-depth": "0"},
                           case_file=__file__)
    without = memory(starts_a_child, {"max-depth": "0"}, case_file=__file__)
    line = of_function(with_children, starts_a_child, "usage")
    alone = of_function(without, starts_a_child, "usage")
    assert line[4] - alone[4] >= SIZE * 0.9


def test_tracemalloc_knows_no_children():
    with pytest.raises(RuntimeError, match="--include-children"):
        memory(holds, {"backend": "tracemalloc", "include-children": None})


def test_tracemalloc_of_the_case_goes_on():
    tracemalloc.start()
    try:
        memory(holds, {"backend": "tracemalloc"}, case_file=__file__)
        assert tracemalloc.is_tracing()
    finally:
        tracemalloc.stop()
    memory(holds, {"backend": "tracemalloc"}, case_file=__file__)
    assert not tracemalloc.is_tracing()


def closes_everything():
    os.closerange(3, 200)
    held = b"x" * SIZE
    return len(held)


def test_a_case_that_closes_all_files():
    code = textwrap.dedent(f"""
        import sys
        import test_memory_line as t
        rows = t.memory(t.closes_everything, case_file=t.__file__)
        print(t.of_function(rows, t.closes_everything, "increment")[2])
    """)
    env = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
    done = subprocess.run([sys.executable, "-c", code], env=env, capture_output=True,
                          text=True)
    assert done.returncode == 0, done.stderr
    assert int(done.stdout) == pytest.approx(SIZE, rel=0.05)


def aborts():
    os.abort()


def gives_back():
    held = bytearray(SIZE)
    del held
    return 0


def test_usage_is_that_after_the_line():
    recording = memory(gives_back, {"backend": "tracemalloc"}, case_file=__file__)
    usage = of_function(recording, gives_back, "usage")
    assert usage[1] >= SIZE and usage[2] < SIZE / 10


def test_alias():
    recording = profile("memory-profiler-line", holds, case_file=__file__)[1]
    assert "holds" in names(recording)


def test_an_exception_and_marks():
    def body():
        prf_host.mark("here")
        line_programs.raises(0)

    error, recording = raising_profile("memory-line", body, case_file=CASE)
    assert str(error) == "deep"
    assert "raises" in names(recording)
    assert [mark[0] for mark in recording["marks"]] == ["here"]


def test_a_crash_keeps_what_was_measured():
    code = textwrap.dedent("""
        import os, sys
        import prf_host, test_memory_line as t
        def body():
            t.holds()
            t.aborts()
        prf_host.run("memory-line", body, sys.argv[1], {}, case_file=t.__file__)
    """)
    with tempfile.TemporaryDirectory() as folder:
        path = os.path.join(folder, "recording")
        open(path, "w").close()
        env = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
        assert subprocess.run([sys.executable, "-c", code, path], env=env).returncode
        recording = prf_host.read(path)
    assert of_function(recording, holds, "increment")[1] == pytest.approx(SIZE, rel=0.05)
    # The line that ran is that of the last reading: there was none after it.
    usage = of_function(recording, aborts, "usage")
    assert usage[1] == pytest.approx(usage[0], rel=0.05) and usage[0] > 0
