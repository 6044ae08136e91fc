"""The tracer: its counts against the standard cProfile, its order and its times against
what the programs do, and what is left of them when something goes wrong."""

import asyncio
import cProfile
import gc
import glob
import importlib.util
import json
import os
import subprocess
import sys
import textwrap
import threading
import time

import pytest

import prf_host
import truth_programs
from event_stream import (ARGS, CALL, COUNTER, EVENT, EXCEPTION, GC, INSTANT, NOTE,
                          RETURN, RETVAL, SPAN, TASK, UNWIND, Cursor, Trace)

MONITORING = sys.version_info >= (3, 12)
PYTHON_ONLY = {"ignore-c-function": None}
BOTH = pytest.mark.parametrize("options", [{}, PYTHON_ONLY], ids=["c", "python"])
PROGRAMS = pytest.mark.parametrize("program", truth_programs.PROGRAMS,
                                   ids=lambda p: p.__name__)


@pytest.fixture
def trace(tmp_path):
    """trace(body, options) -> Trace, with `exception`, `read` (what the runner reads) and
    `children` (the traces of its child processes)."""
    n = iter(range(100))

    def run(body, options=None, raises=()):
        path = str(tmp_path / f"recording{next(n)}")
        open(path, "w").close()
        exception = None
        try:
            prf_host.run("tracer", body, path, options or {})
        except raises as error:
            exception = error
        result = Trace(path)
        result.exception = exception
        result.read = prf_host.read(path)
        result.children = [Trace(child) for child in sorted(glob.glob(path + ".*"))]
        return result

    return run


def names(trace, op=CALL):
    return [event.code.name for event in trace.of(op)]


def count(trace, name):
    return names(trace).count(name)


def by_cprofile(body):
    gc.collect()  # generators that somebody left would end in there
    profiler = cProfile.Profile()
    profiler.enable()
    try:
        body()
    finally:
        profiler.disable()
    result = {}
    for entry in profiler.getstats():
        code = entry.code
        if "disable" in str(code) and "_lsprof" in str(code):
            continue
        key = (("", 0, code) if isinstance(code, str)
               else (code.co_filename, code.co_firstlineno, code.co_name))
        result[key] = result.get(key, 0) + entry.callcount
    return result


@PROGRAMS
def test_counts_are_those_of_cprofile(trace, program):
    program()
    truth = by_cprofile(program)
    result = trace(program)
    assert result.counts() == truth
    result.calls()
    assert result.lost == 0


@PROGRAMS
def test_python_counts_without_c_functions(trace, program):
    program()
    truth = by_cprofile(program)
    result = trace(program, PYTHON_ONLY)
    assert result.counts() == {k: v for k, v in truth.items() if k[0]}
    result.calls()


def test_order_and_depth(trace):
    def outer():
        inner()
        len("x")
        inner()

    def inner():
        abs(-1)

    length, absolute = "<built-in method builtins.len>", "<built-in method builtins.abs>"
    assert trace(outer).calls() == [(0, "outer"), (1, "inner"), (2, absolute),
                                    (1, length), (1, "inner"), (2, absolute)]


@BOTH
def test_times(trace, options):
    before = time.perf_counter_ns()
    result = trace(lambda: truth_programs.fib(15), options)
    took = time.perf_counter_ns() - before
    events = result.all()
    assert all(a.ticks <= b.ticks for a, b in zip(events, events[1:]))
    ns = (events[-1].ticks - events[0].ticks) * result.ns_per_tick
    assert 0 < ns < took * 1.01
    assert result.read["metrics"]["wall_time"]["samples"][0] >= ns * 0.99


def test_alias_and_metrics(tmp_path):
    path = tmp_path / "recording"
    path.touch()
    prf_host.run("viztracer", lambda: truth_programs.fib(10), str(path), {})
    trace = Trace(str(path))
    assert count(trace, "fib") == 177
    events = prf_host.read(str(path))["metrics"]["events"]["samples"]
    assert events == [len(trace.all())] == [2 * 178]


def test_bytes_an_event(trace):
    result = trace(lambda: truth_programs.fib(16))
    assert result.n_bytes / len(result.all()) < 4


def test_many_events_many_extents(trace):
    result = trace(lambda: truth_programs.fib(20))
    assert count(result, "fib") == 21891
    assert len(result.chunks) > 3
    assert result.chunks[0][1] == 0 and all(c[1] > 1 for c in result.chunks[1:])


def test_chunks_say_how_deep_they_begin(trace):
    result = trace(lambda: truth_programs.fib(18))
    depth, depths = 0, []
    for body in result.bodies(EVENT):
        depths.append(depth)
        cursor = Cursor(body, 16)
        while cursor.at < len(body):
            op = cursor.event(0, result.codes).op
            depth += {CALL: 1, RETURN: -1, UNWIND: -1}.get(op, 0)
    assert [chunk[1] for chunk in result.chunks] == depths and len(depths) > 2


# ---- generators, coroutines, exceptions ----


def test_a_resumption_is_a_call_and_a_yield_a_return(trace):
    def generator():
        yield 1
        yield 2

    def body():
        for _ in generator():
            pass

    result = trace(body)
    assert result.calls() == [(0, "body")] + 3 * [(1, "generator")]
    assert len(result.of(RETURN)) == 4 and not result.of(UNWIND)


@BOTH
def test_unwinding(trace, options):
    result = trace(lambda: truth_programs.raising(3), options, raises=ValueError)
    assert isinstance(result.exception, ValueError)
    assert count(result, "raising") == 4
    assert len(result.of(UNWIND)) == 5 and not result.of(RETURN)
    assert [event.text for event in result.of(EXCEPTION)] == ["ValueError: 0"]


def test_c_function_that_raises(trace):
    def body():
        try:
            int("x")
        except ValueError:
            pass
        try:
            [].pop()
        except IndexError:
            pass

    result = trace(body)
    unwound = [b for a, b in zip(result.all(), result.all()[1:])
               if a.op == CALL and a.code.name == "<method 'pop' of 'list' objects>"]
    assert [event.op for event in unwound] == [UNWIND]
    assert result.all()[-1].op == RETURN


def test_exceptions_are_told_once_where_they_are_raised(trace):
    class Strange(Exception):
        def __str__(self):
            raise AssertionError("code of the case must not run")

    def first():
        raise KeyError("k")

    def second():
        first()

    def body():
        for function in (second, raise_strange, raise_two):
            try:
                function()
            except Exception:
                pass

    def raise_strange():
        raise Strange("x")

    def raise_two():
        raise OSError(2, "no such thing")

    result = trace(body)
    assert [event.text for event in result.of(EXCEPTION)] == [
        "KeyError: 'k'", "Strange", "FileNotFoundError: [Errno 2] no such thing"]
    assert not trace(body, {"log-exceptions": "false"}).of(EXCEPTION)


@pytest.mark.skipif(not MONITORING, reason="3.11 tells only of those that leave")
def test_exceptions_that_are_caught_where_they_are_raised(trace):
    def body():
        try:
            raise ValueError("here")
        except ValueError:
            pass

    assert [e.text for e in trace(body).of(EXCEPTION)] == ["ValueError: here"]


def test_tasks(trace):
    async def leaf():
        await asyncio.sleep(0)

    async def worker():
        await leaf()

    async def main():
        await asyncio.gather(asyncio.create_task(worker(), name="left"),
                             asyncio.create_task(worker(), name="right"))

    def body():
        asyncio.run(main())

    result = trace(body)
    spans = [(e.name, e.kind & 1) for e in result.of(SPAN) if e.kind >> 1 == TASK]
    assert spans.count(("left", 0)) == spans.count(("left", 1)) == 2
    assert spans.count(("right", 0)) == 2
    assert all(a[0] == b[0] and (a[1], b[1]) == (0, 1)
               for a, b in zip(spans[::2], spans[1::2]))
    assert {e.name for e in trace(body, {"log-async": "false"}).of(SPAN)
            if e.kind >> 1 == TASK} == set()


def test_coroutine_without_a_loop(trace):
    async def coroutine():
        return 1

    def body():
        try:
            coroutine().send(None)
        except StopIteration:
            pass

    result = trace(body)
    assert count(result, "coroutine") == 1
    assert not [e for e in result.of(SPAN) if e.kind >> 1 == TASK]


# ---- threads ----


@BOTH
def test_threads_and_their_names(trace, options):
    def body():
        threads = [threading.Thread(target=truth_programs.fib, args=(8,),
                                    name=f"wörker {i}") for i in range(3)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()

    result = trace(body, options)
    assert sorted(name for _, name in result.threads.values()) == [
        "MainThread", "wörker 0", "wörker 1", "wörker 2"]
    assert len({tid for tid, _ in result.threads.values()}) == 4
    assert threading.main_thread().native_id in {t for t, _ in result.threads.values()}
    for thread, events in result.events.items():
        if result.threads[thread][1] != "MainThread":
            assert [e.code.name for e in events if e.op == CALL].count("fib") == 67


def test_long_name_of_a_thread(trace):
    def body():
        thread = threading.Thread(target=truth_programs.fib, args=(3,), name="ä" * 500)
        thread.start()
        thread.join()

    assert trace(body).threads[2][1] == "ä" * 32


def test_many_threads_take_little_space(trace):
    def body():
        for _ in range(300):
            thread = threading.Thread(target=truth_programs.fib, args=(2,))
            thread.start()
            thread.join()

    result = trace(body)
    assert len(result.events) == 301 and result.lost == 0
    assert result.committed < 8 << 20


def test_frames_that_were_there_before(trace):
    go, done, end = threading.Event(), threading.Event(), threading.Event()

    def below():
        go.wait()
        truth_programs.fib(5)
        done.set()

    def body():
        below()
        end.wait()

    thread = threading.Thread(target=body)
    thread.start()

    def case():
        go.set()
        done.wait()
        len("x")

    result = trace(case)
    end.set()
    thread.join()
    assert count(result, "fib") == 15 and count(result, "below") == 0
    result.calls()  # no return without its call


def test_calls_that_are_open_at_the_end(trace):
    entered, end = threading.Event(), threading.Event()

    def left_over():
        entered.set()
        end.wait()

    thread = threading.Thread(target=left_over)

    def case():
        thread.start()
        entered.wait()

    result = trace(case)
    end.set()
    thread.join()
    assert count(result, "left_over") == 1
    result.calls()


# ---- marks, counters, garbage ----


def test_marks_and_counters(trace):
    def body():
        prf_host.mark("one")
        prf_host.counter("items", 2.5)
        prf_host.counter("items", -3)
        prf_host.mark("zwölf" * 2000)

    result = trace(body)
    assert [e.name for e in result.of(INSTANT)] == ["one", "zwölf" * 2000]
    assert [(e.name, e.value) for e in result.of(COUNTER)] == [("items", 2.5),
                                                               ("items", -3.0)]
    assert names(result) == ["body"]  # not what marks
    assert [m[0] for m in result.read["marks"]][0] == "one"


def test_garbage_collections(trace):
    gc.collect()

    def body():
        ring = []
        ring.append(ring)
        del ring
        gc.collect(0)

    callbacks = list(gc.callbacks)
    result = trace(body)
    assert gc.callbacks == callbacks
    spans = [(e.kind, e.name) for e in result.of(SPAN)]
    assert (GC << 1, "generation 0") in spans and (GC << 1 | 1, "collected 1") in spans
    assert not any("pyprofiler" in name for name in names(result))
    assert not trace(body, {"log-gc": "false"}).of(SPAN)


def test_case_that_clears_the_callbacks(trace):
    def body():
        gc.callbacks.clear()
        gc.collect()

    callbacks = list(gc.callbacks)
    try:
        assert not trace(body).of(SPAN)
    finally:
        gc.callbacks[:] = callbacks


# ---- options ----


def test_entries(trace):
    result = trace(lambda: truth_programs.fib(10), {"tracer-entries": "30"})
    assert len(result.of(CALL)) == 30 == len(result.of(RETURN))
    assert result.lost == 148
    assert [note for note in result.read["notes"]
            if note.startswith("148 calls") and "--tracer-entries" in note]
    result.calls()


def test_max_stack_depth(trace):
    result = trace(lambda: truth_programs.fib(10), {"max-stack-depth": "3"})
    assert result.calls() == [(0, "<lambda>"), (1, "fib"), (2, "fib"), (2, "fib")]
    assert [note for note in result.read["notes"]
            if note.startswith("174 calls") and "--max-stack-depth" in note]
    assert trace(lambda: len("x"), {"max-stack-depth": "-1"}).calls()[1][0] == 1
    assert trace(lambda: len("x"), {"max-stack-depth": "0"}).calls() == []


def test_min_duration(trace):
    def slow():
        fast()
        time.sleep(0.01)
        fast()

    def fast():
        len("x")

    result = trace(lambda: (fast(), slow()), {"min-duration": "5ms"})
    assert names(result) == ["<lambda>", "slow", "<built-in method time.sleep>"]
    assert [note for note in result.read["notes"]
            if note.startswith("6 calls") and "--min-duration" in note]
    assert result.read["metrics"]["events"]["samples"] == [6] == [len(result.all())]
    events = result.all()
    assert all(a.ticks <= b.ticks for a, b in zip(events, events[1:]))


def test_min_duration_keeps_what_has_something_inside(trace):
    def inner():
        prf_host.mark("inside")

    result = trace(lambda: inner(), {"min-duration": "10s"})
    assert result.calls() == [(0, "<lambda>"), (1, "inner")]


@pytest.mark.parametrize("options", [{"exclude-files": truth_programs.__file__},
                                     {"include-files": __file__}])
def test_files(trace, options):
    def body():
        truth_programs.c_callbacks()
        len("x")

    result = trace(body, options)
    assert result.calls() == [(0, "body"), (1, "<built-in method builtins.len>")]


def test_c_functions_go_with_their_caller(trace):
    """The same C function at the same depth, from a file that counts and one that does
    not."""
    left_out = {}
    exec(compile("def outside(): len('y')", "/elsewhere/left_out.py", "exec"), left_out)

    def inside():
        len("x")

    def body():
        for _ in range(3):
            inside()
            left_out["outside"]()

    result = trace(body, {"exclude-files": "/elsewhere"})
    length = "<built-in method builtins.len>"
    assert result.calls() == [(0, "body")] + 3 * [(1, "inside"), (2, length)]


def test_ignore_frozen(trace, tmp_path, monkeypatch):
    (tmp_path / "tracer_imported.py").write_text("def f(): pass\nf()\n")
    monkeypatch.syspath_prepend(str(tmp_path))

    def body():
        sys.modules.pop("tracer_imported", None)
        import tracer_imported

    assert any(c.file.startswith("<frozen") for c in trace(body).codes.values())
    result = trace(body, {"ignore-frozen": None})
    assert not any(c.file.startswith("<frozen") for c in result.codes.values())
    assert "f" in names(result)


class Unprintable:
    def __repr__(self):
        raise ValueError("no repr")


class Calling:
    def __repr__(self):
        return f"<{truth_programs.fib(2)}>"


@BOTH
def test_arguments(trace, options):
    def called(a, /, b, *args, key=None, **more):
        cell = lambda: b  # makes b a cell
        return cell()

    def body():
        called(1, "zwölf\n\"", 3, 4, key=Unprintable(), other=Calling())
        called([0] * 100000, None)

    result = trace(body, {"log-func-args": None, **options})
    notes = [json.loads(e.text) for e in result.of(NOTE) if e.kind == ARGS]
    assert {"a": "1", "b": repr("zwölf\n\""), "args": "(3, 4)",
            "key": notes[1]["key"], "more": "{'other': <1>}"} == notes[1]
    assert "Unprintable" in notes[1]["key"]
    assert list(notes[1]) == ["a", "b", "args", "key", "more"]
    assert [len(note["a"]) < 100 for note in notes if "a" in note] == [True, True]
    assert count(result, "fib") == 0 and "__repr__" not in names(result)


@BOTH
def test_arguments_of_generators_are_told_once(trace, options):
    def generator(n):
        yield n
        n = lambda: n
        yield 2

    result = trace(lambda: list(generator(7)), {"log-func-args": None, **options})
    notes = [e.text for e in result.of(NOTE)]
    assert notes == ["{}", '{"n": "7"}']


@BOTH
def test_returned_values(trace, options):
    def generator():
        yield "first"
        return "last"

    def body():
        list(generator())
        try:
            truth_programs.raising(0)
        except ValueError:
            pass
        return Unprintable()

    result = trace(body, {"log-func-retval": None, **options})
    notes = [json.loads(e.text)["return"] for e in result.of(NOTE) if e.kind == RETVAL]
    assert notes[:2] == ["'first'", "'last'"] and "Unprintable" in notes[2]
    assert len(notes) == 3
    previous = [a.op for a, b in zip(result.all(), result.all()[1:]) if b.op == NOTE]
    assert set(previous) == {RETURN}


def test_long_texts_are_cut_and_stay_json(trace):
    def called(**values):
        pass

    result = trace(lambda: called(**{f"n{i}": "\x01ä" * 1000 for i in range(100)}),
                   {"log-func-args": None})
    note = [e for e in result.of(NOTE)][-1]
    assert len(note.text.encode()) <= 4096
    json.loads(note.text)


def test_flags_of_the_predecessor(trace):
    result = trace(lambda: None, {"verbose": "0", "server-only": None, "port": "9002",
                                  "flamegraph": None, "ignore_multiprocess": None,
                                  "output-file": "x.json"})
    assert any("pyprofiler export" in note for note in result.read["notes"])
    assert not os.path.exists("x.json")  # the runner writes it
    assert trace(lambda: None).read["notes"] == []


def test_bad_option(trace):
    with pytest.raises(RuntimeError, match="min-duration"):
        trace(lambda: None, {"min-duration": "soon"})


# ---- other tools, crashes ----


def test_place_that_is_taken(trace):
    if MONITORING:
        for place in range(6):
            sys.monitoring.use_tool_id(place, "somebody")
        try:
            with pytest.raises(RuntimeError, match="held, by 'somebody', 'somebody'"):
                trace(lambda: None)
        finally:
            for place in range(6):
                sys.monitoring.free_tool_id(place)
    else:
        sys.setprofile(lambda *event: None)
        try:
            with pytest.raises(RuntimeError, match="a profile function is set already"):
                trace(lambda: None)
        finally:
            sys.setprofile(None)
    assert names(trace(lambda: None)) == ["<lambda>"]


def test_tracer_in_a_tracer(tmp_path, trace):
    """The host has one session only: the second one is a process's own affair."""
    def body():
        with pytest.raises(RuntimeError, match="a session is running"):
            prf_host.run("tracer", lambda: None, str(tmp_path / "x"), {})

    trace(body)


def test_case_with_its_own_profile_function(trace):
    def body():
        sys.setprofile(lambda *event: None)
        truth_programs.fib(3)
        sys.setprofile(None)

    result = trace(body)
    result.calls()
    if not MONITORING:
        assert any("sys.setprofile" in note for note in result.read["notes"])


def test_recursion_to_its_limit(trace):
    def endless():
        endless()

    result = trace(endless, raises=RecursionError)
    assert count(result, "endless") > 100
    result.calls()


PACKAGE = os.path.join(os.path.dirname(__file__), "../../runner/worker/python")


def run_script(tmp_path, text, options=None, search=()):
    """A body in a process of its own; (how it ended, its Trace, those of its children)."""
    recording = tmp_path / "crash.rec"
    recording.touch()
    script = tmp_path / "script.py"
    script.write_text(textwrap.dedent("""
        import os, signal, subprocess, sys, time, truth_programs, prf_host
        """) + textwrap.dedent(text) + textwrap.dedent(f"""
        if __name__ == "__main__":
            prf_host.run("tracer", body, {str(recording)!r}, {options or {}!r})
        """))
    path = os.pathsep.join([os.path.dirname(prf_host.__file__),
                            os.path.dirname(__file__), PACKAGE, *search])
    done = subprocess.run([sys.executable, str(script)], stderr=subprocess.DEVNULL,
                          env={**os.environ, "PYTHONPATH": path})
    paths = sorted(glob.glob(str(recording) + ".*"))
    for path in paths:
        wait_for_the_end(int(path.split(".rec.")[1].split(".")[0]))
    children = [Trace(path) for path in paths]
    return done.returncode, Trace(str(recording)), children


def wait_for_the_end(pid):
    """Of a process that is not ours: a fork server sees that its parent has gone."""
    while os.path.exists(f"/proc/{pid}"):
        with open(f"/proc/{pid}/stat", encoding="utf-8") as stat:
            if stat.read().rsplit(")", 1)[1].split()[0] == "Z":
                return
        time.sleep(0.01)


@pytest.mark.parametrize("end, code", [
    ("os._exit(7)", 7), ("os.abort()", -6), ("os.kill(os.getpid(), 9)", -9)])
def test_crash_keeps_the_events(tmp_path, end, code):
    done, trace, _ = run_script(tmp_path, f"""
        def body():
            truth_programs.fib(10)
            {end}
        """)
    assert done == code
    assert count(trace, "fib") == 177
    assert trace.calls()[0] == (0, "body") and trace.threads[1][1] == "MainThread"


# ---- child processes ----


def test_forked_child_has_a_recording_of_its_own(trace):
    pids = []

    def child():
        truth_programs.is_even(4)
        os._exit(3)

    def body():
        truth_programs.fib(3)
        pid = os.fork()
        if pid == 0:
            child()
        pids.append(pid)
        assert os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == 3
        truth_programs.fib(4)

    result = trace(body)
    mine, = result.children
    assert mine.pid == pids[0] and mine.threads[1] == (pids[0], "MainThread")
    assert mine.stacks()["is_odd"][:2] == ["body", "child"]
    assert count(mine, "is_even") == 3 and count(mine, "fib") == 0
    assert mine.calls()[0] == (0, "body")
    assert count(result, "is_even") == 0 and count(result, "fib") == 5 + 9
    assert mine.ns_per_tick == result.ns_per_tick
    assert result.all()[0].ticks < mine.all()[0].ticks


def test_forked_child_that_is_killed_and_its_child(trace):
    def grandchild():
        truth_programs.fib(5)
        os.kill(os.getpid(), 9)

    def child():
        pid = os.fork()
        if pid == 0:
            grandchild()
        os.waitpid(pid, 0)
        truth_programs.fib(4)
        os.kill(os.getpid(), 9)

    def body():
        pid = os.fork()
        if pid == 0:
            child()
        os.waitpid(pid, 0)

    result = trace(body)
    assert sorted(count(c, "fib") for c in result.children) == [9, 15]
    assert count(result, "fib") == 0


@BOTH
def test_functions_seen_after_the_fork(trace, options):
    """Ids of parent and child go apart."""
    def in_parent():
        pass

    def in_child():
        pass

    def body():
        read, write = os.pipe()
        pid = os.fork()
        if pid == 0:
            os.read(read, 1)
            in_child()
            os._exit(0)
        in_parent()
        os.write(write, b"x")
        os.waitpid(pid, 0)

    result = trace(body, options)
    assert "in_child" in names(result.children[0])
    assert "in_parent" not in names(result.children[0])
    assert "in_parent" in names(result) and "in_child" not in names(result)


def test_ignore_multiprocess(trace):
    def body():
        pid = os.fork()
        if pid == 0:
            truth_programs.fib(5)
            os._exit(0)
        os.waitpid(pid, 0)

    result = trace(body, {"ignore-multiprocess": None})
    assert result.children == [] and count(result, "fib") == 0


def test_child_that_runs_something_else_leaves_nothing(trace):
    result = trace(lambda: subprocess.run(["/bin/true"], check=True))
    assert result.children == []


def test_multiprocessing_fork(tmp_path):
    _, trace, children = run_script(tmp_path, """
        import multiprocessing
        def body():
            context = multiprocessing.get_context("fork")
            processes = [context.Process(target=truth_programs.fib, args=(n,))
                         for n in (5, 6)]
            for process in processes:
                process.start()
            for process in processes:
                process.join()
        """)
    assert sorted(count(child, "fib") for child in children) == [15, 25]
    assert count(trace, "fib") == 0


@pytest.mark.parametrize("method", ["spawn", "forkserver"])
def test_multiprocessing(tmp_path, method):
    _, trace, children = run_script(tmp_path, f"""
        import multiprocessing
        def body():
            context = multiprocessing.get_context({method!r})
            processes = [context.Process(target=truth_programs.fib, args=(n,))
                         for n in (5, 6)]
            for process in processes:
                process.start()
            for process in processes:
                process.join()
        """)
    counts = sorted(count(child, "fib") for child in children)
    assert [n for n in counts if n] == [15, 25] and count(trace, "fib") == 0


CHILD = "import truth_programs; truth_programs.fib(5)"


def test_subprocess_and_its_options(tmp_path):
    code, trace, children = run_script(tmp_path, f"""
        def body():
            subprocess.run([sys.executable, "-c", {CHILD!r}], check=True)
            subprocess.run([sys.executable, "-c", {CHILD!r}], check=True,
                           env=os.environ.copy())
        """, {"ignore-c-function": None, "min-duration": "1us",
              "exclude-files": "*/nowhere.py"})
    assert code == 0 and len(children) == 2
    for child in children:
        assert 0 < count(child, "fib") <= 15
        assert not any(event.code.is_c for event in child.of(CALL))
        assert child.lost == 0 and child.ns_per_tick == trace.ns_per_tick
        assert trace.all()[0].ticks < child.all()[0].ticks < trace.all()[-1].ticks
        assert not any("_tracing" in code.file or "trace_child" in code.name
                       for code in child.codes.values())


def test_child_that_ends_normally_is_collected(tmp_path):
    run_script(tmp_path, f"""
        def body():
            subprocess.run([sys.executable, "-c", {CHILD!r}], check=True)
        """)
    path, = glob.glob(str(tmp_path / "crash.rec.*"))
    recording = prf_host.read(path)
    assert recording["metrics"]["events"]["samples"] == [len(Trace(path).all())]


@pytest.mark.parametrize("end", ["os.kill(os.getpid(), 9)", "os._exit(0)",
                                 "os.abort()"])
def test_spawned_child_that_is_killed(tmp_path, end):
    _, trace, children = run_script(tmp_path, f"""
        def body():
            subprocess.run([sys.executable, "-c", "import os; " + {CHILD!r} + "; "
                            + {end!r}])
        """)
    assert [count(child, "fib") for child in children] == [15]


def test_child_of_a_spawned_child(tmp_path):
    inner = (f"import subprocess, sys, os; subprocess.run([sys.executable, '-c', "
             f"{CHILD!r}]); assert os.environ['PYTHONPATH'].count('_tracing') == 1")
    code, trace, children = run_script(tmp_path, f"""
        def body():
            subprocess.run([sys.executable, "-c", {inner!r}], check=True)
        """)
    assert code == 0
    assert sorted(count(child, "fib") for child in children) == [0, 15]


def test_fork_and_exec_of_python_in_one_process(tmp_path):
    """Two recordings of one process id."""
    _, trace, children = run_script(tmp_path, f"""
        def body():
            pid = os.fork()
            if pid == 0:
                truth_programs.fib(4)
                os.execv(sys.executable, [sys.executable, "-c", {CHILD!r}])
            os.waitpid(pid, 0)
        """)
    assert sorted(count(child, "fib") for child in children) == [9, 15]
    assert len({child.pid for child in children}) == 1


def test_fork_in_a_spawned_child(tmp_path):
    child = f"import os; os.fork() or ({CHILD.split('; ')[1]}, os._exit(0)); os.wait()"
    _, trace, children = run_script(tmp_path, f"""
        def body():
            subprocess.run([sys.executable, "-c", "import truth_programs; " + {child!r}])
        """)
    assert sorted(count(child, "fib") for child in children) == [0, 15]


def test_own_sitecustomize_still_runs(tmp_path):
    own = tmp_path / "own"
    own.mkdir()
    (own / "sitecustomize.py").write_text("import sys; sys.own = 7\n"
                                          "def mine(): pass\nmine()\n")
    child = "import sys; assert sys.own == 7; assert 'own' in sys.modules[" \
            "'sitecustomize'].__file__; assert not any('_tracing' in p for p in sys.path)"
    code, trace, children = run_script(tmp_path, f"""
        def body():
            subprocess.run([sys.executable, "-c", {child!r}], check=True)
        """, search=[str(own)])
    assert code == 0 and count(children[0], "mine") == 1


def test_nothing_of_ours_in_a_child(tmp_path):
    """The modules, the paths and the calls of a child are those of a child of nobody."""
    state = "import sys; print(sorted(sys.modules), sys.path, sorted(" \
            "sys.path_importer_cache), 'sitecustomize' in sys.modules)"
    code, trace, children = run_script(tmp_path, f"""
        def state(**more):
            return subprocess.run([sys.executable, "-c", {state!r}], check=True,
                                  capture_output=True, text=True, **more).stdout
        def body():
            plain = dict(os.environ)
            del plain["PYPROFILER_TRACE"]
            paths = plain["PYTHONPATH"].split(":")
            plain["PYTHONPATH"] = ":".join(p for p in paths if "_tracing" not in p)
            ours, theirs = state(), state(env=plain)
            ours = ours.replace("'atexit', ", "").replace("'gc', ", "")
            theirs = theirs.replace("'atexit', ", "").replace("'gc', ", "")
            assert ours == theirs
        """)
    assert code == 0
    first = [event.code.name for child in children for event in child.of(CALL)][:1]
    texts = [str(event) for child in children for event in child.all()]
    assert not any("_tracing" in text for text in texts)
    if importlib.util.find_spec("sitecustomize") is None:
        assert first == ["execusercustomize"]  # the step of `site` that is next
        assert not any("sitecustomize" in text for text in texts)
    else:
        assert first == ["_load_unlocked"]  # this Python's own, as without us


def test_what_filters_leave_out_is_said(trace):
    def body():
        truth_programs.fib(5)
        json.dumps([1])

    whole = trace(body)
    result = trace(body, {"exclude-files": truth_programs.__file__})
    n = count(whole, "fib")
    assert n == 15 and count(result, "fib") == 0
    note, = [note for note in result.read["notes"] if "--exclude-files" in note]
    assert note.startswith(f"{n} calls ")
    assert not any("--exclude-files" in note for note in whole.read["notes"])
    python = trace(body, PYTHON_ONLY).read["notes"]
    assert any("--ignore-c-function" in note for note in python)


def test_child_says_nothing(tmp_path):
    code, _, children = run_script(tmp_path, """
        def body():
            for more in [], ["-c", "import sys; sys.exit(0)"]:
                done = subprocess.run([sys.executable, *more], stdin=subprocess.DEVNULL,
                                      capture_output=True, text=True)
                assert (done.returncode, done.stdout, done.stderr) == (0, "", ""), done
        """)
    assert code == 0 and len(children) == 2


def test_sitecustomize_that_cannot_import(tmp_path):
    own = tmp_path / "own"
    own.mkdir()
    (own / "sitecustomize.py").write_text("import there_is_no_such_module\n")
    search = [os.path.dirname(truth_programs.__file__), str(own)]
    plain = subprocess.run([sys.executable, "-c", "pass"], capture_output=True, text=True,
                           env={**os.environ, "PYTHONPATH": os.pathsep.join(search)})
    code, trace, _ = run_script(tmp_path, """
        def body():
            done = subprocess.run([sys.executable, "-c", "pass"], capture_output=True,
                                  text=True)
            assert "there_is_no_such_module" in done.stderr
        """, search=[str(own)])
    assert code == 0 and "there_is_no_such_module" in plain.stderr


def test_other_pythons_and_programs_run_on(tmp_path):
    code, trace, children = run_script(tmp_path, """
        def body():
            os.environ["PYPROFILER_TRACE"] = os.environ["PYPROFILER_TRACE"].replace(
                "python=", "python=9")
            for more in [], ["-I"], ["-S"], ["-E"]:
                subprocess.run([sys.executable, *more, "-c", "pass"], check=True)
            os.environ["PYPROFILER_TRACE"] = "nonsense"
            subprocess.run([sys.executable, "-c", "pass"], check=True)
            del os.environ["PYPROFILER_TRACE"]
            subprocess.run([sys.executable, "-c", "pass"], check=True)
            subprocess.run(["/bin/true"], check=True)
        """)
    assert code == 0 and children == []


def test_environment_is_as_before(trace, monkeypatch):
    monkeypatch.syspath_prepend(PACKAGE)
    before = dict(os.environ)
    seen = {}

    def body():
        seen.update(os.environ)

    trace(body)
    assert dict(os.environ) == before
    assert "PYPROFILER_TRACE" in seen and "_tracing" in seen["PYTHONPATH"]
    trace(body, {"ignore-multiprocess": None})
    assert "PYPROFILER_TRACE" not in dict(os.environ)

    def changing():
        os.environ["PYTHONPATH"] = "/mine"

    monkeypatch.setenv("PYTHONPATH", "/before")
    trace(changing)
    assert os.environ["PYTHONPATH"] == "/mine"
    assert "PYPROFILER_TRACE" not in os.environ


def test_no_children_with_ignore_multiprocess(tmp_path):
    _, trace, children = run_script(tmp_path, f"""
        def body():
            subprocess.run([sys.executable, "-c", {CHILD!r}], check=True)
        """, {"ignore-multiprocess": None})
    assert children == []
