"""The call profiler against the standard cProfile, and where that cannot tell: threads,
filters, crashes, frames that were there before."""

import _thread
import cProfile
import os
import subprocess
import sys
import textwrap
import threading
import types

import pytest

import prf_host
import truth_programs
from host_tools import by_name, edges, profile, raising_profile, sites

MONITORING = sys.version_info >= (3, 12)


def label(code):
    if isinstance(code, str):
        return ("", 0, code)
    return (code.co_filename, code.co_firstlineno, code.co_name)


def add(table, key, entry):
    primitive, calls = table.get(key, (0, 0))
    table[key] = (primitive + entry.callcount - entry.reccallcount,
                  calls + entry.callcount)


def truth(body):
    """What cProfile makes of body(): sites and edges."""
    profiler = cProfile.Profile()
    profiler.enable()
    try:
        body()
    finally:
        profiler.disable()
    of_sites, of_edges = {}, {}
    for entry in profiler.getstats():
        if "disable" in str(entry.code) and "_lsprof" in str(entry.code):
            continue
        add(of_sites, label(entry.code), entry)
        for called in entry.calls or ():
            add(of_edges, (label(entry.code), label(called.code)), called)
    return of_sites, of_edges


@pytest.mark.parametrize("program", truth_programs.PROGRAMS, ids=lambda p: p.__name__)
def test_counts_are_those_of_cprofile(program):
    program()  # caches of the library (re, functools) are filled
    of_sites, of_edges = truth(program)
    _, recording = profile("call", program)
    assert sites(recording) == of_sites
    assert edges(recording) == of_edges
    assert recording["lost"] == 0


@pytest.mark.parametrize("program", truth_programs.PROGRAMS, ids=lambda p: p.__name__)
def test_python_counts_without_c_functions(program):
    program()
    of_sites, _ = truth(program)
    _, recording = profile("call", program, {"ignore-c-function": None})
    assert sites(recording) == {k: v for k, v in of_sites.items() if k[0]}


def test_functions_of_an_event_loop():
    truth_programs.event_loop()
    of_sites, _ = truth(truth_programs.event_loop)
    _, recording = profile("call", truth_programs.event_loop)
    mine = truth_programs.__file__
    assert ({k: v for k, v in sites(recording).items() if k[0] == mine}
            == {k: v for k, v in of_sites.items() if k[0] == mine})


def test_fib_makes_177_calls():
    _, recording = profile("call", lambda: truth_programs.fib(10))
    assert by_name(recording)["fib"] == (1, 177)


def test_alias():
    _, recording = profile("cprofile", lambda: truth_programs.fib(1))
    assert by_name(recording)["fib"] == (1, 1)


@pytest.mark.parametrize("options", [{}, {"ignore-c-function": None}],
                         ids=["c", "python"])
def test_times_add_up(options):
    _, recording = profile("call", lambda: truth_programs.fib(15), options)
    top = [row for row in recording["sites"] if row["code"][2] == "<lambda>"][0]
    assert all(row["own_ns"] >= 0 for row in recording["sites"])
    assert top["cumulative_ns"] == sum(row["own_ns"] for row in recording["sites"])
    assert top["cumulative_ns"] <= recording["metrics"]["wall_time"]["samples"][0] * 1.01


def start_threads():
    threads = [threading.Thread(target=truth_programs.fib, args=(8,)) for _ in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()


def start_low_level():
    done = _thread.allocate_lock()
    done.acquire()

    def body():
        truth_programs.fib(8)
        len("x")
        done.release()

    _thread.start_new_thread(body, ())
    done.acquire()


@pytest.mark.parametrize("options", [{}, {"ignore-c-function": None}],
                         ids=["c", "python"])
@pytest.mark.parametrize("start, n", [(start_threads, 3), (start_low_level, 1)],
                         ids=["threading", "_thread"])
def test_threads_started_inside(start, n, options):
    _, recording = profile("call", start, options)
    assert by_name(recording)["fib"] == (n, 67 * n)


def test_start_new_thread_is_as_before():
    before = _thread.start_new_thread
    profile("call", start_low_level)
    start_low_level()
    assert _thread.start_new_thread is before
    with pytest.raises(TypeError, match="first arg must be callable"):
        profile("call", lambda: _thread.start_new_thread(None, ()))
    with pytest.raises(TypeError):
        profile("call", lambda: _thread.start_new_thread())


def test_thread_that_was_there_before():
    go, done, end = threading.Event(), threading.Event(), threading.Event()

    def body():
        go.wait()
        truth_programs.fib(8)
        done.set()
        end.wait()

    thread = threading.Thread(target=body)
    thread.start()

    def case():
        go.set()
        done.wait()

    _, recording = profile("call", case)
    end.set()
    thread.join()
    assert by_name(recording)["fib"] == (1, 67)


def test_thread_that_outlives_the_case():
    entered, end = threading.Event(), threading.Event()

    def left_over():
        entered.set()
        end.wait()

    thread = threading.Thread(target=left_over)

    def case():
        thread.start()
        entered.wait()

    for options in {}, {"ignore-c-function": None}:
        _, recording = profile("call", case, options)
        assert by_name(recording)["left_over"] == (1, 1)
        end.set()
        thread.join()
        entered.clear()
        end.clear()
        thread = threading.Thread(target=left_over)


def test_recursion_to_a_raised_limit():
    def deep(n):
        return 0 if n == 0 else 1 + deep(n - 1)

    limit = sys.getrecursionlimit()
    sys.setrecursionlimit(25_000)
    try:
        for options in {}, {"ignore-c-function": None}:
            _, recording = profile("call", lambda: deep(20_000), options)
            assert by_name(recording)["deep"] == (1, 20_001)
    finally:
        sys.setrecursionlimit(limit)


def deep(n):
    return 0 if n == 0 else 1 + deep(n - 1)


def deep_failing(n):
    if n == 0:
        raise ValueError(n)
    deep_failing(n - 1)


def after():
    yield 1


def beyond_the_stack():
    rest = after()
    next(rest)
    deep(200_000)
    with pytest.raises(ValueError):
        deep_failing(200_000)
    list(rest)


def in_a_thread(body):
    thread = threading.Thread(target=body)
    thread.start()
    thread.join()


@pytest.mark.skipif(not MONITORING, reason="3.11 has nothing else when C stack ends")
@pytest.mark.parametrize("body", [beyond_the_stack,
                                  lambda: in_a_thread(beyond_the_stack)],
                         ids=["main", "thread"])
def test_recursion_beyond_the_c_stack(body):
    limit = sys.getrecursionlimit()
    sys.setrecursionlimit(250_000)
    try:
        _, recording = profile("call", body, {"ignore-c-function": None})
    finally:
        sys.setrecursionlimit(limit)
    found = by_name(recording)
    assert found["deep"] == found["deep_failing"] == (1, 200_001)
    assert found["after"] == (2, 2)
    assert recording["lost"] == 0


def through_c(n=0):
    sorted([1], key=lambda x: through_c(n + 1))


def test_endless_recursion_in_c_is_an_exception():
    def body():
        with pytest.raises(RecursionError):
            through_c()

    limit = sys.getrecursionlimit()
    sys.setrecursionlimit(250_000 if MONITORING else 25_000)
    try:
        for how in body, lambda: in_a_thread(body):
            _, recording = profile("call", how, {"ignore-c-function": None})
            assert by_name(recording)["through_c"][1] > 100
    finally:
        sys.setrecursionlimit(limit)


@pytest.mark.skipif(sys.version_info < (3, 13), reason="what 3.13 specialises")
def test_classes_are_left_as_they_were():
    """New metaclasses included: their type.__new__ is told safe to call."""
    made = []

    def body():
        class Meta(type):
            pass

        made.append(Meta)

    _, recording = profile("call", body, {"ignore-c-function": None})
    made.append(made[0]("Made", (), {}))
    assert type.__new__(made[0], "Other", (made[1],), {})().__class__.__name__ == "Other"
    assert type("Plain", (), {})().__class__.__name__ == "Plain"


def test_endless_recursion_is_an_exception():
    def endless():
        endless()

    for options in {}, {"ignore-c-function": None}:
        error, recording = raising_profile("call", endless, options)
        assert isinstance(error, RecursionError)
        assert by_name(recording)["endless"][1] > 100


def test_body_that_raises_keeps_its_counts():
    error, recording = raising_profile("call", lambda: truth_programs.raising(3))
    assert isinstance(error, ValueError)
    assert by_name(recording)["raising"] == (1, 4)


@pytest.mark.parametrize("exclude", [truth_programs.__file__, "truth_programs.py",
                                     "*_programs.py",
                                     os.path.dirname(truth_programs.__file__)],
                         ids=["file", "relative", "glob", "folder"])
def test_excluded_functions_belong_to_their_caller(exclude, monkeypatch):
    monkeypatch.chdir(os.path.dirname(truth_programs.__file__))
    code = compile("def outer(inner):\n    inner()\n    sorted([2, 1], key=abs)\n",
                   "/elsewhere/outer.py", "exec")
    namespace = {}
    exec(code, namespace)
    body = namespace["outer"]
    _, recording = profile("call", lambda: body(truth_programs.c_callbacks),
                           {"exclude-files": exclude})
    files = {key[0] for key in sites(recording)}
    assert "/elsewhere/outer.py" in files and truth_programs.__file__ not in files
    assert by_name(recording)["<built-in method builtins.sorted>"] == (1, 1)
    assert "<built-in method builtins.getattr>" not in by_name(recording)


def test_included_functions_only():
    only = {"include-files": truth_programs.__file__}
    _, recording = profile("call", truth_programs.context_managers, only)
    assert {key[0] for key in sites(recording)} == {truth_programs.__file__}
    _, recording = profile("call", truth_programs.c_callbacks, only)
    assert {key[0] for key in sites(recording)} == {"", truth_programs.__file__}
    assert by_name(recording)["fib"] == by_name(
        profile("call", truth_programs.c_callbacks)[1])["fib"]


def test_method_of_another_type():
    """The standard cProfile of 3.12 turns this TypeError into a SystemError."""
    def body():
        try:
            list.append(5, 1)
        except TypeError:
            [].append(1)

    _, recording = profile("call", body)
    assert by_name(recording)["<method 'append' of 'list' objects>"] == (1, 1)


def test_bound_method_of_a_c_function():
    """From 3.12 on the standard cProfile loses the caller here."""
    method = types.MethodType(len, "abc")

    def body():
        method()
        truth_programs.fib(2)

    _, recording = profile("call", body)
    assert by_name(recording)["body"] == (1, 1)
    of_edges = {(caller[2], callee[2]) for caller, callee in edges(recording)}
    assert ("body", "fib") in of_edges
    if not MONITORING:
        assert ("body", "<built-in method builtins.len>") in of_edges


def test_truncated_tree_keeps_counts_and_own_times():
    whole = by_name(profile("call", truth_programs.recursion)[1])
    _, recording = profile("call", truth_programs.recursion, {"max-nodes": "5"})
    cut = by_name(recording)
    assert cut.pop("[truncated]") == (0, 0)
    assert {k: v[1] for k, v in cut.items()} == {k: v[1] for k, v in whole.items()}
    assert any("truncated" in note for note in recording["notes"])
    assert all(row["own_ns"] >= 0 for row in recording["sites"])


def test_case_with_its_own_profile_function():
    seen = []

    def body():
        sys.setprofile(lambda *event: seen.append(event))
        truth_programs.fib(3)
        sys.setprofile(None)

    _, recording = profile("call", body)
    assert len(seen) > 5
    if not MONITORING:
        assert any("sys.setprofile" in note for note in recording["notes"])
    assert sys.getprofile() is None


def test_case_that_traces():
    lines = []

    def tracer(frame, event, arg):
        lines.append(event)
        return tracer

    def body():
        sys.settrace(tracer)
        truth_programs.fib(3)
        sys.settrace(None)
        truth_programs.fib(3)

    _, recording = profile("call", body)
    assert "line" in lines and sys.gettrace() is None
    assert by_name(recording)["fib"] == (2, 10)


def test_place_that_is_taken():
    if MONITORING:
        for place in range(6):
            sys.monitoring.use_tool_id(place, f"somebody{place}")
        try:
            with pytest.raises(RuntimeError, match="held, by 'somebody0', 'somebody1'.*5'"):
                profile("call", lambda: None)
            assert sys.monitoring.get_tool(2) == "somebody2"
        finally:
            for place in range(6):
                sys.monitoring.free_tool_id(place)
    else:
        sys.setprofile(lambda *event: None)
        try:
            with pytest.raises(RuntimeError, match="a profile function is set already"):
                profile("call", lambda: None)
        finally:
            sys.setprofile(None)
    profile("call", lambda: None)


def test_nothing_is_left_behind():
    profile("call", truth_programs.recursion)
    assert sys.getprofile() is None
    if MONITORING:
        assert [sys.monitoring.get_tool(i) for i in range(6)] == [None] * 6


def test_generator_started_before():
    generator = truth_programs.numbers(3)
    next(generator)
    _, recording = profile("call", lambda: next(generator))
    assert by_name(recording)["numbers"] == (1, 1)


def test_names_that_are_no_utf8():
    code = compile("def strange(): pass\nstrange()", "/x/\udcff.py", "exec")
    _, recording = profile("call", lambda: exec(code, {}))
    assert ("/x/\\udcff.py", 1, "strange") in sites(recording)


def test_marks():
    def body():
        prf_host.mark("one")
        prf_host.mark("two")

    _, recording = profile("call", body)
    assert [mark[0] for mark in recording["marks"]] == ["one", "two"]
    assert list(by_name(recording)) == ["body"]  # not what marks it


def test_bad_option():
    with pytest.raises(RuntimeError, match="sort"):
        profile("call", lambda: None, {"sort": "sideways"})


def test_crash_keeps_the_calls(tmp_path):
    recording = tmp_path / "crash.rec"
    recording.touch()
    script = textwrap.dedent(f"""
        import os, prf_host, truth_programs
        def body():
            truth_programs.fib(10)
            os._exit(7)
        prf_host.run("call", body, {str(recording)!r})
    """)
    path = os.pathsep.join([os.path.dirname(prf_host.__file__),
                            os.path.dirname(__file__)])
    done = subprocess.run([sys.executable, "-c", script],
                          env={**os.environ, "PYTHONPATH": path})
    assert done.returncode == 7
    assert by_name(prf_host.read(str(recording)))["fib"] == (1, 177)
