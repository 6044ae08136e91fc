"""The line profiler against a counter made of sys.settrace, and where that cannot tell:
times, choices of functions, crashes, the case's own trace functions."""

import json
import os
import subprocess
import sys
import tempfile
import textwrap
import threading
import time
import traceback

import pytest

import line_programs
import prf_host
from host_tools import profile, raising_profile
from line_truth import MONITORING, amounts, label, truth

CASE = line_programs.__file__


SET_ASIDE = "while the case had a trace function of its own"


def line(body, options=None, case_file=CASE, **how):
    return profile("line", body, options, case_file=case_file, **how)[1]


def hits_of(recording):
    return amounts(recording, "hits")


def names(recording):
    return {row["code"][2] for row in recording["sites"]}


@pytest.mark.parametrize("program", line_programs.PROGRAMS, ids=lambda p: p.__name__)
def test_hits_are_those_of_a_trace_function(program):
    program()  # imports and caches of the library are done
    expected = truth(program, CASE)
    recording = line(program)
    assert hits_of(recording) == expected
    assert recording["lost"] == 0
    assert recording["notes"] == []
    assert all(row["time"] >= 0 for row in recording["sites"])


def test_alias():
    recording = profile("line-profiler", line_programs.loops, case_file=CASE)[1]
    assert hits_of(recording) == truth(line_programs.loops, CASE)


def test_hits_of_a_function_by_hand():
    recording = line(line_programs.recursion)
    first = line_programs.fib.__code__.co_firstlineno
    fib = {n: hits for (code, n), hits in hits_of(recording).items() if code[2] == "fib"}
    assert fib == {first + 1: 109, first + 2: 55, first + 3: 54}


def burn(seconds):
    end = time.perf_counter() + seconds
    while time.perf_counter() < end:
        pass


def caller():
    burn(0.01)
    return 1


def recurse(n):
    if n > 0:
        recurse(n - 1)
    burn(0.002)


def suspended():
    yield 1
    yield 2


def slow_consumer():
    for _ in suspended():
        burn(0.005)


def total(recording, name):
    return sum(row["time"] for row in recording["sites"] if row["code"][2] == name)


def wall(recording):
    return recording["metrics"]["wall_time"]["samples"][0]


def test_a_line_has_the_time_of_what_it_calls():
    recording = line(caller, case_file=__file__)
    times = {n - label(caller.__code__)[1]: t for (code, n), t
             in amounts(recording, "time").items() if code[2] == "caller"}
    assert times[1] >= 10e6 > times[2]
    assert total(recording, "burn") <= total(recording, "caller") <= wall(recording)


def test_a_recursion_counts_once():
    recording = line(lambda: recurse(4), case_file=__file__)
    assert 5 * 2e6 <= total(recording, "recurse") <= wall(recording)
    times = {n - label(recurse.__code__)[1]: t for (code, n), t
             in amounts(recording, "time").items() if code[2] == "recurse"}
    assert times[3] >= 5 * 2e6  # of all five, not of the innermost alone


def test_a_suspended_generator_has_no_time():
    recording = line(slow_consumer, case_file=__file__)
    assert total(recording, "suspended") < 5e6 < total(recording, "slow_consumer")


def unwinds():
    try:
        int("x")
    finally:
        burn(0.003)


def catches():
    for _ in range(3):
        try:
            unwinds()
        except ValueError:
            burn(0.004)


def test_time_ends_at_an_exception():
    recording = line(catches, case_file=__file__)
    assert 9e6 <= total(recording, "unwinds") <= wall(recording) - 12e6


# --- which functions ---


def chosen(patterns, body=line_programs.methods, **how):
    return names(line(body, {"functions": patterns}, **how))


@pytest.mark.parametrize("patterns, expected", [
    ("methods", {"methods"}),
    ("Resource.*", {"__enter__", "__exit__", "__getitem__", "size",
                    "make", "helper"}),
    ("line_programs:Resource.make", {"make"}),
    ("line_*:methods,*:Resource.size", {"methods", "size"}),
    ("line_programs.py:methods", {"methods"}),
    ("backends/line_programs.py:methods", {"methods"}),
    ("*/line_prog*.py:Resource.__*it*__", {"__exit__", "__getitem__"}),
    (CASE + ":methods", {"methods"}),
])
def test_patterns(patterns, expected):
    assert chosen(patterns) == expected


def test_patterns_of_other_files():
    body = lambda: json.dumps({"a": 1}) + textwrap.dedent(" x")
    assert chosen("json:dumps", body) == {"dumps"}
    assert chosen("textwrap:*", body) == {"dedent"}
    assert chosen("json*/encoder.py:JSONEncoder.encode", body) == {"encode"}


def test_a_bare_name_is_of_the_case():
    recording = line(lambda: json.dumps([]), {"functions": "dumps"})
    assert names(recording) == set()
    assert recording["notes"] == ["--functions 'dumps' matched no function that ran"]


def test_a_pattern_without_a_match_is_said():
    recording = line(line_programs.methods,
                     {"functions": "methosd,line_programs:Resource.mak,methods"})
    assert recording["notes"] == [
        "--functions 'methosd' matched no function that ran, did you mean 'methods'?",
        "--functions 'line_programs:Resource.mak' matched no function that ran, did you "
        "mean 'line_programs:Resource.make'?",
    ]


def test_other_files_are_left_out():
    assert names(line(lambda: json.dumps([1]))) == set()


def test_a_case_file_through_a_link():
    with tempfile.TemporaryDirectory() as folder:
        link = os.path.join(folder, os.path.basename(CASE))
        os.symlink(CASE, link)
        assert hits_of(line(line_programs.loops, case_file=link)) \
            == truth(line_programs.loops, CASE)


def test_without_a_case_file_the_code_around_is_measured():
    with tempfile.NamedTemporaryFile() as recording:
        # the file of the frame that starts it is left out: it would be the package's
        space = {"run": prf_host.run, "path": recording.name}
        source = "def call(body):\n    run('line', body, path, {}, case_file='')\n"
        exec(compile(source, "/elsewhere/package.py", "exec"), space)
        space["call"](caller)
        assert names(prf_host.read(recording.name)) == {"caller", "burn"}


# --- code of every kind: on 3.11 it is rewritten ---


def long_function():
    """Many constants, long jumps, a loop around, handlers: arguments of several bytes."""
    lines = ["def long(n):", "    total = 0", "    for i in range(n):", "        try:"]
    for k in range(400):
        lines += [f"            if i % {k + 1000} == {k % 7 + 1}:",
                  f"                total += {k + 5000} * x{k} if i > 9 else -{k}",
                  "                continue"]
    lines += ["        except NameError as error:", "            total += len(str(error))",
              "        finally:", "            total += 1", "    return total"]
    return "\n".join(lines)


def compiled(source, name="/generated.py"):
    space = {}
    exec(compile(source, name, "exec"), space)
    return space


def test_a_long_function():
    long = compiled(long_function())["long"]
    results = []
    recording = line(lambda: results.append(long(40)), case_file="/generated.py")
    assert results == [long(40)]
    assert hits_of(recording) == truth(lambda: long(40), "/generated.py")


def test_code_that_another_tool_padded():
    def padded(n):
        for i in range(n):
            n += i
        return n

    code = padded.__code__
    nop = bytes([9 if sys.version_info < (3, 13) else 30, 0])
    padded.__code__ = code.replace(co_code=code.co_code + nop)
    recording = line(lambda: padded(3), {"functions": "*padded"}, case_file=__file__)
    assert hits_of(recording) == {
        key: n for key, n in truth(lambda: padded(3), __file__).items()
        if key[0][2] == "padded"}


def library():
    """Results of library code of many kinds, none of them by chance."""
    import _pydecimal
    import ast
    import difflib
    import inspect
    import io
    import tokenize

    source = inspect.getsource(textwrap) + inspect.getsource(line_programs)
    tree = ast.unparse(ast.parse(source))
    diff = "".join(difflib.unified_diff(source.split("\n"), tree.split("\n")))
    tokens = list(tokenize.generate_tokens(io.StringIO(source).readline))
    root = _pydecimal.Decimal(2).sqrt(_pydecimal.Context(prec=60))
    return tree, diff, tokens, str(root), json.loads(json.dumps([root.as_tuple(), tree]))


def test_the_library_does_what_it_does():
    expected = library()
    results = []
    recording = line(lambda: results.append(library()), {"functions": "*:*"})
    assert results == [expected]
    assert len(names(recording)) > 100 and recording["lost"] == 0


def fails(n):
    values = [n]
    return (values[0]
            + values[n])


def traceback_of(body):
    try:
        body()
    except IndexError as error:
        return traceback.format_exception(error)[-2:]


def test_tracebacks_are_the_same():
    found = []
    line(lambda: found.append(traceback_of(lambda: fails(5))), case_file=__file__)
    assert found == [traceback_of(lambda: fails(5))]
    assert "values[n]" in "".join(found[0])


# --- threads, other tools, crashes ---


def test_threads_that_ran_before():
    ready, go, done = threading.Event(), threading.Event(), threading.Event()

    def waits():
        ready.set()
        go.wait()
        line_programs.loops()
        done.set()

    thread = threading.Thread(target=waits)
    thread.start()
    ready.wait()

    def body():
        go.set()
        done.wait()

    recording = line(body)
    thread.join()
    assert hits_of(recording) == truth(line_programs.loops, CASE)


def test_a_thread_that_goes_on_after_the_end():
    go = threading.Event()

    def waits():
        line_programs.fib(3)
        go.wait()
        line_programs.fib(3)

    thread = threading.Thread(target=waits)

    def body():
        thread.start()
        line_programs.loops()

    line(body)
    go.set()
    thread.join()
    assert sys.gettrace() is None
    assert hits_of(line(line_programs.loops)) == truth(line_programs.loops, CASE)


def test_generators_that_outlive_the_measurement():
    kept = []

    def body():
        kept.append(line_programs.count(3))
        next(kept[0])

    line(body)
    assert list(kept[0]) == [1, 2]
    resumed = line(lambda: kept.append(list(line_programs.count(2))))
    assert "count" in names(resumed)


def test_a_trace_function_of_the_case():
    seen = []

    def tracer(frame, event, arg):
        seen.append(event)
        return tracer

    def body():
        before = sys.gettrace()
        line_programs.loops()
        sys.settrace(tracer)
        line_programs.one_line()
        sys.settrace(before)
        line_programs.loops()

    recording = line(body)
    assert "line" in seen
    assert sys.gettrace() is None
    assert ("one_line" in names(recording)) == MONITORING
    assert any(SET_ASIDE in note for note in recording["notes"]) != MONITORING
    loops = {n: hits for (code, n), hits in hits_of(recording).items()
             if code[2] == "loops"}
    once = {n: hits for (_, n), hits in truth(line_programs.loops, CASE).items()}
    assert loops == {n: 2 * hits for n, hits in once.items()}


def leaves_a_tracer():
    line_programs.loops()
    sys.settrace(lambda *args: None)
    line_programs.one_line()


def test_a_trace_function_that_stays():
    try:
        recording = line(leaves_a_tracer)
        assert sys.gettrace() is not None  # it is the case's
    finally:
        sys.settrace(None)
    assert "loops" in names(recording)
    assert ("one_line" in names(recording)) == MONITORING
    assert any(SET_ASIDE in note for note in recording["notes"]) != MONITORING


def ours():
    """The place that the profiler has."""
    [place] = [i for i in range(6) if sys.monitoring.get_tool(i) == "pyprofiler.line"]
    return place


@pytest.mark.skipif(not MONITORING, reason="there is no sys.monitoring")
def test_a_case_that_takes_the_tool():
    def body():
        line_programs.loops()
        sys.monitoring.free_tool_id(ours())

    recording = line(body)
    assert any("sys.monitoring" in note for note in recording["notes"])
    assert "loops" in names(recording)


@pytest.mark.skipif(not MONITORING, reason="there is no sys.monitoring")
def test_the_holders_of_all_places_are_named():
    for place in range(6):
        sys.monitoring.use_tool_id(place, f"somebody{place}")
    try:
        with pytest.raises(RuntimeError, match="held, by 'somebody0', .*'somebody5'; stop"):
            line(line_programs.loops)
    finally:
        for place in range(6):
            sys.monitoring.free_tool_id(place)


def test_a_trace_function_that_is_there_already():
    seen = []
    sys.settrace(lambda *args: seen.append(args[1]))
    try:
        recording = line(line_programs.loops)
    finally:
        sys.settrace(None)
    assert "call" in seen
    expected = truth(line_programs.loops, CASE) if MONITORING else {}
    assert hits_of(recording) == expected


def test_a_debugger_finds_the_functions_code():
    seen = []

    def tracer(frame, event, arg):
        seen.append((frame.f_code, event, frame.f_lineno))
        return tracer

    def body():
        line_programs.loops()  # has its copy now, where there is one
        line_programs.one_line()
        for _ in range(2):
            sys.settrace(tracer)
            line_programs.loops()
            line_programs.one_line()
            list(line_programs.count(2))
            sys.settrace(None)

    line(body)
    original = [line_programs.loops.__code__, line_programs.one_line.__code__,
                line_programs.count.__code__]
    found = [code for code, event, _ in seen
             if event == "call" and code.co_filename == CASE]
    assert all(any(code is o for o in original) for code in found)
    assert {code.co_name for code in found} == {code.co_name for code in original}


def test_a_generator_from_before_the_start():
    def hits(generator):
        return hits_of(line(lambda: list(generator)))

    old = line_programs.count(3)
    next(old)
    new = hits(line_programs.count(3))
    before = truth(lambda: next(line_programs.count(3)), CASE)
    assert hits(old) == {key: n - before.get(key, 0) for key, n in new.items()
                         if n > before.get(key, 0)}


@pytest.mark.skipif(MONITORING, reason="frames are not traced")
def test_a_trace_function_takes_the_place_for_an_old_generator():
    old = line_programs.count(3)
    next(old)

    def body():
        sys.settrace(lambda *args: None)
        next(old)
        sys.settrace(None)

    recording = line(body)
    assert any("sys.settrace" in note for note in recording["notes"])


def test_a_profile_function_of_the_case():
    calls = []

    def body():
        sys.setprofile(lambda frame, event, arg: calls.append(event))
        line_programs.loops()
        sys.setprofile(None)
        line_programs.one_liners()

    recording = line(body)
    assert "call" in calls
    assert {"loops", "one_line", "several"} <= names(recording)


def test_an_exception_is_the_bodys():
    def body():
        line_programs.loops()
        line_programs.raises(2)

    error, recording = raising_profile("line", body, case_file=CASE)
    assert str(error) == "deep"
    assert {"loops", "raises"} <= names(recording)


def test_marks():
    recording = line(lambda: prf_host.mark("here"))
    assert [mark[0] for mark in recording["marks"]] == ["here"]


def test_deep_recursion():
    limit = sys.getrecursionlimit()
    sys.setrecursionlimit(20_000)
    try:
        recording = line(lambda: line_programs.even(8000))
    finally:
        sys.setrecursionlimit(limit)
    assert sum(hits_of(recording).values()) == 4001 + 2 * 4000


CRASH = """
    import os, prf_host, line_programs
    def body():
        line_programs.loops()
        os.abort()
    prf_host.run("line", body, {path!r}, {{}}, case_file=line_programs.__file__)
"""


def test_a_crash_keeps_what_was_measured():
    with tempfile.TemporaryDirectory() as folder:
        path = os.path.join(folder, "recording")
        open(path, "w").close()
        code = textwrap.dedent(CRASH.format(path=path))
        env = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
        done = subprocess.run([sys.executable, "-c", code], env=env)
        assert done.returncode != 0
        recording = prf_host.read(path)
    expected = truth(line_programs.loops, CASE)
    assert hits_of(recording) == expected


def test_a_fork_counts_in_the_parent_alone():
    def body():
        line_programs.loops()
        pid = os.fork()
        if pid == 0:
            line_programs.fib(5)
            os._exit(0)
        os.waitpid(pid, 0)

    recording = line(body)
    assert names(recording) == {"loops"}
    assert hits_of(recording) == truth(line_programs.loops, CASE)


def test_nothing_stays_behind():
    line(line_programs.recursion)
    if MONITORING:
        assert [sys.monitoring.get_tool(i) for i in range(6)] == [None] * 6
    assert sys.gettrace() is None
    assert line_programs.fib(9) == 34
