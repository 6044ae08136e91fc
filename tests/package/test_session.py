"""profile() as a block and as a decorator, ProfilerSuite, what becomes of a session."""

import asyncio
import contextlib
import gc
import json
import os
import subprocess
import sys
import textwrap
import threading
import time
import warnings

import pytest

import pyprofiler
from pyprofiler import ProfileConfig, ProfilerSuite, ProfileSession, profile

CALL = ProfileConfig(line_profiling=False, memory_profiling=False, sampling_profiling=False,
                     store=False)
EXACT = CALL.replace(line_profiling=True, memory_profiling=True)


@pytest.fixture(autouse=True)
def own_folder(tmp_path, monkeypatch):
    gc.collect()
    monkeypatch.setenv("TMPDIR", str(tmp_path))
    monkeypatch.setenv("PYPROFILER_NO_STORE", "1")
    return tmp_path


def fib(n):
    return n if n < 2 else fib(n - 1) + fib(n - 2)


def calls_of(session):
    return {r["function"]: r["calls"] for r in session.results["call"].sites}


def run_python(code, *words, status=0, **env):
    done = subprocess.run([sys.executable, *words, "-c", textwrap.dedent(code)], text=True,
                          capture_output=True, env={**os.environ, **env}, timeout=60,
                          cwd=env.get("PWD"))
    assert done.returncode == status, done.stderr
    return done


# ---- a block ----


def test_a_block():
    with profile(EXACT) as session:
        assert session.running and session.status == "running"
        assert session.get_running_profilers() == ["memory", "line", "call"]
        assert session.get_completed_profilers() == [] and session.results == {}
        before = session.duration
        fib(10)
        session.mark("half")
        fib(5)
        assert session.duration > before > 0
    assert session.get_completed_profilers() == ["memory", "line", "call"]
    assert session.get_running_profilers() == []
    assert session.status == "ok" and session.ended and session.conflicts == []
    assert session.case == f"{__file__}::test_a_block"
    assert session.duration == session.duration_ns / 1e9 > 0
    assert session.started_ns > 1_700_000_000 * 10**9
    assert calls_of(session)["fib"] == 192
    for name in ("memory", "call"):
        assert "half" in [m["name"] for m in session.results[name].marks]


def test_nothing_of_ours_is_in_a_result():
    with profile(EXACT) as session:
        fib(10)
        session.mark("half")
        fib(5)
    assert calls_of(session) == {"fib": 192}
    ProfilerSuite.enable_profiling(CALL)
    fib(5)
    assert calls_of(ProfilerSuite.disable_profiling()) == {"fib": 15}


def test_results_are_plain_data():
    with profile(EXACT) as session:
        fib(10)
    call, line, memory = (session.results[n] for n in ("call", "line", "memory"))
    assert call.profiler == "call" and call.status == "ok" and call.lost == 0
    assert memory.profiler == "memory-time" and memory.metrics["peak"]["value"] > 1 << 20
    assert memory.series[0]["values"]
    [site] = [s for s in line.sites if s["function"] == "fib"]
    assert site["hits"] == 177 and "return n if n < 2" in site["source"]
    assert any(e["caller"]["function"] == e["callee"]["function"] == "fib"
               for e in call.edges)
    assert [s for s in call.stacks if s["frames"] == [__file__ + ":fib"] * 2]
    assert memory.stacks == [] and call.notes == [] and call.duration_ns > 0
    assert json.loads(json.dumps(call.as_dict()))["profiler"] == "call"
    assert os.path.exists(call.recording)
    assert repr(call) == "<ProfilerResult call (call) ok>"


def test_report_and_export():
    with profile(EXACT) as session:
        fib(10)
    report = session.report()
    assert report.startswith(f"{session.case}  ok  ")
    assert "177/1" in report and "fib" in session.results["line"].report()
    assert b"fib" in session.export("call", "collapsed")
    assert "speedscope" in session.results["call"].formats()
    with pytest.raises(ValueError, match="can be written as"):
        session.export("memory", "pstats")
    with pytest.raises(KeyError, match="no result of 'sampling'; there are: memory, line, call"):
        session.export("sampling", "json")


def test_reading_before_the_end():
    session = profile(CALL)
    assert session.status == "new" and session.duration == 0.0 and session.case is None
    with session:
        with pytest.raises(KeyError, match="none: it has not ended"):
            session.export("call", "json")


def test_one_use():
    session = profile(CALL)
    with session:
        with pytest.raises(RuntimeError, match="runs already"):
            session.__enter__()
        fib(5)
    assert calls_of(session)["fib"] == 15
    with pytest.raises(RuntimeError, match="has ended: make a new one"):
        session.__enter__()
    with pytest.raises(RuntimeError, match="does not run"):
        session.__exit__(None, None, None)
    assert session.get_completed_profilers() == ["call"]


def test_an_exception_passes_through_and_results_are_kept():
    with pytest.raises(ZeroDivisionError):
        with profile(CALL) as session:
            fib(5)
            1 / 0
    assert session.status == "failed" and calls_of(session)["fib"] == 15
    assert session.reason == "ZeroDivisionError: division by zero"
    assert "1 / 0" in session.traceback and "pyprofiler/_session.py" not in session.traceback
    assert session.results["call"].as_dict()["reason"] == session.reason
    assert "division by zero" in session.report()


@pytest.mark.parametrize("code, status", [(0, "ok"), (None, "ok"), (3, "failed")])
def test_leaving_the_program(code, status):
    with pytest.raises(SystemExit):
        with profile(CALL) as session:
            sys.exit(code)
    assert session.status == status


def test_names():
    with profile(CALL, name="mine") as session:
        pass
    assert session.case == f"{__file__}::mine"
    out = run_python("""
        from pyprofiler import profile
        with profile(line_profiling=False, memory_profiling=False,
                     sampling_profiling=False) as session:
            pass
        print(session.case)
    """).stdout
    assert out == "string::session\n"


def test_inside_other_managers():
    with contextlib.ExitStack() as stack:
        session = stack.enter_context(profile(CALL))
        fib(5)
    assert session.case == f"{__file__}::test_inside_other_managers"
    assert calls_of(session)["fib"] == 15


def test_the_lines_of_other_functions():
    with profile(EXACT, functions=["json.decoder:JSONDecoder.decode"]) as session:
        json.loads("[1]")
    assert {s["function"] for s in session.results["line"].sites} == {"JSONDecoder.decode"}


def test_a_mistake_is_told_and_nothing_is_left_running(monkeypatch):
    from pyprofiler import _session

    with monkeypatch.context() as patch:
        patch.setattr(_session, "_options", lambda name, config: (
            {"top-k": "many"} if name == "call" else {}))
        with pytest.raises(ValueError, match="^call: .*top-k"):
            with profile(EXACT):
                raise AssertionError
    with profile(CALL) as session:
        fib(5)
    assert calls_of(session)["fib"] == 15


def test_options_have_an_effect():
    with profile(CALL, c_functions=False) as session:
        len([])
        fib(1)
    assert set(calls_of(session)) == {"fib"}
    assert session.results["call"].options == {"ignore-c-function": "true"}
    with profile(CALL, memory_profiling=True, memory_interval=2) as session:
        pass
    assert session.results["memory"].options == {"interval": "2"}
    assert session.results["memory"].status == "ok"


def test_nothing_to_measure():
    with profile(CALL, call_profiling=False) as session:
        fib(5)
    assert session.status == "ok" and session.results == {} and session.conflicts == []
    assert session.duration > 0


# ---- what profile() takes ----


def test_what_profile_takes():
    assert isinstance(profile(), ProfileSession)
    assert profile(CALL).config == CALL
    assert profile(CALL, name="x").config == CALL.replace(name="x")
    assert profile(name="x", store=False).config == ProfileConfig(name="x", store=False)
    with pytest.raises(TypeError, match="no field 'lines'"):
        profile(lines=True)
    with pytest.raises(TypeError, match="a ProfileConfig, a function or a name, not int"):
        profile(3)
    with pytest.raises(TypeError, match="one ProfileConfig, function or name"):
        profile(CALL, CALL)
    with pytest.raises(TypeError, match="take no line_profiling"):
        profile("name", line_profiling=True)
    with pytest.raises(TypeError, match="the name of a piece is 3"):
        profile(name=3)
    with pytest.raises(TypeError, match="a session takes a ProfileConfig, not dict"):
        ProfileSession({})


def test_pieces():
    """profile(function), profile(function, name) and profile(name) are pieces."""
    seen = []

    class Native:
        @staticmethod
        def instrument(function, name):
            seen.append((function, name))
            return function

    from pyprofiler import _session

    native, _session._native = _session._native, type("N", (), {"load": lambda: Native})
    try:
        profile(fib)
        profile(fib, "a")
        profile(fib, name="b")
        profile("c")(fib)
        profile(name="d")(fib)
    finally:
        _session._native = native
    assert seen == [(fib, None), (fib, "a"), (fib, "b"), (fib, "c"), (fib, "d")]
    with pytest.raises(TypeError, match="take no store"):
        profile(fib, store=False)


# ---- a decorator ----


def test_a_decorated_function():
    @profile(CALL)
    def work(n, *, more=0):
        """What it does."""
        return fib(n) + more

    assert work.__name__ == "work" and work.__doc__ == "What it does." and work.session is None
    assert work(5, more=1) == 6
    first = work.session
    assert work(3) == 2
    assert first is not work.session and first.case == work.session.case
    assert first.case == f"{__file__}::test_a_decorated_function.<locals>.work"
    assert calls_of(first)["fib"] == 15 and calls_of(work.session)["fib"] == 5
    assert set(calls_of(first)) == {"test_a_decorated_function.<locals>.work", "fib"}
    assert len(first._place.hash) == 16


def test_recursion_belongs_to_the_outermost_call():
    @profile(CALL)
    def down(n):
        return n and down(n - 1)

    down(5)
    [(name, calls)] = calls_of(down.session).items()
    assert name.endswith("down") and calls == 6


def test_a_decorated_method():
    class Thing:
        @profile(CALL)
        def method(self, n):
            return fib(n)

        @profile(CALL)
        def fails(self):
            raise KeyError("k")

    assert Thing().method(5) == 5
    assert Thing.method.session.status == "ok"
    with pytest.raises(KeyError):
        Thing().fails()
    assert Thing.fails.session.status == "failed"
    assert Thing().method(5) == 5


def test_a_decorated_coroutine():
    @profile(CALL)
    async def work(n):
        await asyncio.sleep(0)
        return await work(n - 1) if n else fib(5)

    assert asyncio.run(work(2)) == 5
    calls = calls_of(work.session)
    assert calls["fib"] == 15
    package = os.path.dirname(pyprofiler.__file__)
    assert not [r for r in work.session.results["call"].sites if r["file"].startswith(package)]


def test_a_decorated_generator():
    @profile(CALL)
    def numbers():
        got = yield 1
        yield fib(got)
        return 7

    def outer():
        return (yield from numbers())

    generator = outer()
    assert next(generator) == 1 and generator.send(5) == 5
    with pytest.raises(StopIteration) as stopped:
        next(generator)
    assert stopped.value.value == 7 and calls_of(numbers.session)["fib"] == 15
    generator = numbers()
    next(generator)
    generator.close()
    assert numbers.session.status == "ok"


def test_what_cannot_be_decorated():
    async def numbers():
        yield 1

    with pytest.raises(TypeError, match="asynchronous generator"):
        profile(CALL)(numbers)
    with pytest.raises(TypeError, match="not a class"):
        profile(CALL)(int)
    with pytest.raises(TypeError, match="decorates a function, not str"):
        profile(CALL)("x")


def test_a_session_that_cannot_begin_leaves_the_function_usable(tmp_path, monkeypatch):
    @profile(CALL)
    def work():
        return 1

    gc.collect()
    monkeypatch.setenv("TMPDIR", str(tmp_path / "missing"))
    with pytest.raises(OSError, match="call: cannot make"):
        work()
    monkeypatch.setenv("TMPDIR", str(tmp_path))
    assert work() == 1 and work.session.status == "ok"


def test_blocks_in_coroutines():
    sessions = []

    async def work():
        with profile(CALL) as session:
            await asyncio.sleep(0)
            fib(5)
            await asyncio.sleep(0)
        sessions.append(session)

    async def main():
        await asyncio.gather(work(), work(), work())

    asyncio.run(main())
    assert sorted(len(s.results) for s in sessions) == [0, 0, 1]
    [whole] = [s for s in sessions if s.results]
    assert calls_of(whole)["fib"] >= 15


# ---- several ----


def test_a_nested_session_goes_without_what_the_outer_one_holds():
    with profile(CALL) as outer:
        with profile(EXACT) as inner:
            fib(5)
        fib(5)
    assert inner.get_completed_profilers() == ["memory", "line"]
    [conflict] = inner.conflicts
    assert conflict.profiler == "call" and conflict.holder == "pyprofiler's 'call'"
    assert conflict.action == "left out: the other one measures it"
    assert outer.case in conflict.reason and str(conflict) in inner.report()
    assert outer.conflicts == [] and calls_of(outer)["fib"] == 30


def test_a_nested_session_of_the_same_kind_is_no_error():
    with profile(CALL) as outer:
        with profile(CALL) as inner:
            fib(5)
    assert inner.status == "ok" and inner.results == {} and inner.duration > 0
    assert len(inner.conflicts) == 1 and calls_of(outer)["fib"] == 15


def test_sessions_that_end_in_another_order():
    first, second = profile(CALL), profile(CALL.replace(call_profiling=False,
                                                        line_profiling=True))
    first.__enter__()
    second.__enter__()
    fib(5)
    first.__exit__(None, None, None)
    fib(5)
    second.__exit__(None, None, None)
    assert calls_of(first)["fib"] == 15
    assert sum(s["hits"] for s in second.results["line"].sites if s["function"] == "fib") == 30


def test_sessions_in_threads():
    inside, go_on = threading.Event(), threading.Event()
    sessions = {}

    def other():
        with profile(CALL) as sessions["other"]:
            inside.set()
            go_on.wait(10)
            fib(5)

    thread = threading.Thread(target=other)
    thread.start()
    inside.wait(10)
    with profile(EXACT) as session:
        fib(5)
    go_on.set()
    thread.join()
    assert session.get_completed_profilers() == ["memory", "line"]
    assert [c.profiler for c in session.conflicts] == ["call"]
    assert calls_of(sessions["other"])["fib"] == 30  # threads are seen by who was first


def test_profiling_our_own_analysis():
    with profile(CALL) as first:
        fib(10)
    with profile(CALL) as second:
        first.report()
        first.results["call"].as_dict()
        first.export("call", "collapsed")
    names = set(calls_of(second))
    assert "ProfileSession.report" in names and "ProfilerResult.as_dict" in names
    with profile(CALL) as third:
        with profile(EXACT) as inner:
            fib(5)
        inner.report()
    assert calls_of(third)["fib"] == 15 and third.status == "ok"


# ---- the suite ----


def test_the_suite():
    suite = ProfilerSuite(CALL)
    with suite.profile() as session:
        fib(5)
    assert calls_of(session)["fib"] == 15
    with suite.profile(name="other") as session:
        pass
    assert session.case.endswith("::other")

    @suite.profile()
    def work():
        return 3

    assert work() == 3 and work.session.status == "ok"
    with pytest.raises(TypeError, match="a suite takes a ProfileConfig, not dict"):
        ProfilerSuite({})


def test_enabling_and_disabling():
    assert ProfilerSuite.disable_profiling() is None
    session = ProfilerSuite(CALL).enable_profiling()
    with pytest.raises(RuntimeError, match="enabled already, since .*::test_enabling_and"):
        ProfilerSuite.enable_profiling()
    fib(5)
    assert ProfilerSuite.disable_profiling() is session
    assert calls_of(session)["fib"] == 15 and session.status == "ok"
    assert ProfilerSuite.disable_profiling() is None
    again = ProfilerSuite.enable_profiling(CALL)
    pyprofiler.disable_profiling()
    assert again is not session and again.ended


def test_a_process_that_is_profiled_to_its_end(own_folder):
    out = run_python("""
        import atexit
        from pyprofiler import ProfileConfig, ProfilerSuite
        config = ProfileConfig(line_profiling=False, sampling_profiling=False)
        session = None
        atexit.register(lambda: print(session.status, list(session.results)))
        session = ProfilerSuite.enable_profiling(config)
        len("")
        raise SystemExit(5)
    """, status=5).stdout
    assert out == "ok ['memory', 'call']\n"
    assert os.listdir(own_folder) == []


def test_a_fork_in_a_block():
    with profile(EXACT) as session:
        pid = os.fork()
        if pid == 0:
            fib(5)
        else:
            os.waitpid(pid, 0)
    if pid == 0:
        good = session.results == {} and session.files == []
        os._exit(0 if good else 1)
    assert session.status == "ok" and set(session.results) == {"memory", "line", "call"}
    assert "fib" not in calls_of(session)


def test_a_session_of_a_forked_child(own_folder):
    """The parent's, which go on in the child's copy, do not hold what it needs."""
    with profile(store=False) as session:
        pid = os.fork()
        if pid == 0:
            code = 1
            try:
                with profile(store=False) as own:
                    fib(5)
                good = own.conflicts == [] and calls_of(own)["fib"] == 15
                code = 0 if good and len(own.results) == 4 else 2
            finally:
                os._exit(code)
        status = os.waitpid(pid, 0)[1]
        fib(5)
    assert os.waitstatus_to_exitcode(status) == 0
    assert calls_of(session)["fib"] == 15 and len(session.results) == 4


def test_a_fork_of_an_enabled_process(own_folder):
    out = run_python("""
        import os, sys
        from pyprofiler import ProfileConfig, ProfilerSuite
        session = ProfilerSuite.enable_profiling(ProfileConfig(sampling_profiling=False))
        pid = os.fork()
        if pid == 0:
            sys.exit(0)
        os.waitpid(pid, 0)
        print(list(ProfilerSuite.disable_profiling().results))
    """).stdout
    assert out == "['memory', 'line', 'call']\n"
    assert os.listdir(own_folder) == []


def test_a_block_that_nobody_leaves(own_folder):
    """Shutdown in the middle, on the main thread and on one that is never joined."""
    out = run_python("""
        import atexit, sys, threading
        from pyprofiler import profile, ProfileConfig
        config = ProfileConfig(sampling_profiling=False, store=False)
        atexit.register(lambda: print([s.measuring for s in session._sessions]))
        entered = threading.Event()
        def wait():
            with profile(config) as inner:
                entered.set()
                threading.Event().wait()
        threading.Thread(target=wait, daemon=True).start()
        entered.wait()
        session = profile(config.replace(call_profiling=True))
        session.__enter__()
        sys.exit(0)
    """).stdout
    assert out == "[False, False, False]\n"
    assert os.listdir(own_folder) == []


def test_a_session_that_is_dropped_while_it_runs(own_folder):
    profile(EXACT).__enter__()
    gc.collect()
    assert os.listdir(own_folder) == []
    with profile(EXACT) as session:
        fib(5)
    assert session.conflicts == [] and calls_of(session)["fib"] == 15


def test_everything_at_once():
    """All four over threads, exceptions, generators and a deep recursion."""
    def work():
        for _ in range(3):
            with contextlib.suppress(RecursionError):
                deep(0)
            fib(8)

    def deep(n):
        return deep(n + 1)

    with profile(store=False) as session:
        threads = [threading.Thread(target=work) for _ in range(4)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    assert session.conflicts == []
    assert session.get_completed_profilers() == ["memory", "sampling", "line", "call"]
    assert calls_of(session)["fib"] == 67 * 12
    [site] = [s for s in session.results["line"].sites if s["function"] == "fib"]
    assert site["hits"] == 67 * 12


# ---- files ----


def test_results_are_written_to_a_folder(tmp_path):
    with profile(EXACT, output_dir=tmp_path / "a" / "b") as session:
        fib(5)
    names = sorted(os.path.basename(p) for p in session.files)
    assert names == ["call.json", "call.txt", "line.json", "line.txt", "memory.json",
                     "memory.txt"]
    data = json.loads((tmp_path / "a" / "b" / "call.json").read_bytes())
    assert data["schema"] == "pyprofiler/run/1"


def test_pictures(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with profile(EXACT, create_visualizations=True) as session:
        fib(5)
    pictures = {os.path.basename(p): p for p in session.files}
    for name, word in (("memory.svg", "MiB"), ("call.svg", "fib"),
                       ("call.flame.svg", "fib")):
        with open(pictures[name], encoding="utf-8") as file:
            text = file.read()
        assert "</svg>" in text and word in text
    with open(pictures["call.speedscope.json"], encoding="utf-8") as file:
        assert "fib" in file.read()
    assert os.path.dirname(pictures["call.svg"]) == str(tmp_path / "profiling_results")
    assert all(os.path.getsize(p) > 0 for p in session.files)


def test_a_folder_that_cannot_be_made_is_a_warning(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.warns(RuntimeWarning, match="cannot write results to"):
        with profile(CALL, output_dir=tmp_path / "file") as session:
            fib(5)
    assert session.files == [] and calls_of(session)["fib"] == 15


def test_warnings_that_are_errors_do_not_become_some(tmp_path, capsys):
    (tmp_path / "file").write_text("")
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        with profile(CALL, output_dir=tmp_path / "file") as session:
            fib(5)
    assert session.status == "ok"
    assert "pyprofiler: cannot write results to" in capsys.readouterr().err


def test_save(tmp_path):
    with profile(CALL) as session:
        fib(5)
    assert {os.path.basename(p) for p in session.save(tmp_path, pictures=False)} == {
        "call.json", "call.txt"}
    assert len(session.files) == 2


def test_files_go_with_the_session(own_folder):
    with profile(EXACT) as session:
        pass
    assert os.listdir(own_folder) != []
    del session
    gc.collect()
    assert os.listdir(own_folder) == []


# ---- what the results are of ----

LINES = CALL.replace(line_profiling=True, call_profiling=False)


def hits_of(session):
    """{(function, line): hits}, lines counted from the first of the block's file."""
    return {(s["function"], s["line"]): s["hits"] for s in session.results["line"].sites}


def body_of(code, filename):
    """The session that a program makes at module level."""
    space = {"LINES": LINES, "profile": profile, "__name__": "program"}
    exec(compile(textwrap.dedent(code), filename, "exec"), space)
    return space["session"]


MODULE = """\
def twice(x):
    return 2 * x
with profile(LINES) as session:
    value = 0
    for i in range(3):
        value += twice(i)
"""


def test_lines_of_the_block_itself():
    def function():
        with profile(LINES) as session:
            for i in range(3):
                fib(1)
        return session

    first = function.__code__.co_firstlineno
    hits = {line - first: n for (name, line), n in hits_of(function()).items()
            if name.endswith("function")}
    assert hits.pop(1, 1) == 1  # where the block ends
    assert hits == {2: 4, 3: 3}


@pytest.mark.parametrize("filename", ["a file", "<string>", "/tmp/ipykernel_1/2.py"])
def test_lines_of_a_block_in_a_module(tmp_path, filename):
    if filename == "a file":
        filename = str(tmp_path / "program.py")
        (tmp_path / "program.py").write_text(MODULE)
    hits = hits_of(body_of(MODULE, filename))
    assert hits.pop(("<module>", 3), 1) == 1
    assert hits == {("twice", 2): 3, ("<module>", 4): 1, ("<module>", 5): 4,
                    ("<module>", 6): 3}


def test_a_path_that_is_no_text():
    with_bytes = os.fsdecode(b"/tmp/\xff/program.py")
    session = body_of(MODULE, with_bytes)
    assert session.conflicts == [] and session.get_completed_profilers() == ["line"]
    assert "/tmp/\\udcff/program.py::session" in session.case
    assert session.report().encode()


def test_samples_of_the_block_itself():
    """What the block does without a call of a Python function is its own frame's."""
    with profile(CALL, call_profiling=False, sampling_profiling=True) as session:
        time.sleep(0.03)
    here = "test_samples_of_the_block_itself"
    [site] = [s for s in session.results["sampling"].sites if s["function"] == here]
    assert site["own_samples_count"] > 0 and site["own_ns"] > 0
    frames = {stack["frames"][-1] for stack in session.results["sampling"].stacks}
    assert any(here in frame for frame in frames)


def own_frames(session):
    package = os.path.dirname(pyprofiler.__file__)
    return {s["function"] for r in session.results.values() for s in r.sites
            if s.get("file", "").startswith(package)}


def test_nothing_of_ours_is_in_the_results():
    with profile(EXACT, sampling_profiling=True, sampling_interval=0.0001) as session:
        fib(15)
        session.mark("moment")
    assert own_frames(session) == set()

    @profile(EXACT)
    def decorated():
        fib(3)

    decorated()
    assert own_frames(decorated.session) == set()

    @profile(EXACT, sampling_profiling=True, sampling_interval=0.0001)
    def sampled():
        time.sleep(0.01)

    sampled()
    assert own_frames(sampled.session) == set()
    session = ProfilerSuite.enable_profiling(EXACT)
    fib(3)
    ProfilerSuite.disable_profiling()
    assert own_frames(session) == set()


def test_nothing_of_an_inner_session_but_its_making(tmp_path):
    inner = profile(EXACT, sampling_profiling=True, output_dir=tmp_path / "inner")
    with profile(EXACT) as outer:
        with inner:
            fib(5)
    assert len(inner.files) == 2
    assert own_frames(outer) == set() and calls_of(outer)["fib"] == 15


def test_the_traceback_of_a_decorated_function_begins_with_it():
    @profile(CALL)
    def fails():
        raise KeyError("gone")

    with pytest.raises(KeyError):
        fails()
    text = fails.session.traceback
    assert text.count("File ") == 1 and ", in fails" in text and __file__ in text
    assert text.startswith("Traceback") and text.endswith("KeyError: 'gone'\n")


def test_an_exception_that_is_only_a_type():
    session = profile(CALL)
    session.__enter__()
    session.__exit__(KeyError, None, None)
    assert session.status == "failed" and "KeyError" in session.reason


def test_threads_that_come_at_once_share_one_session():
    """Of each crowd one call is the session, and has results."""
    barrier = threading.Barrier(6)
    counted = []

    @profile(EXACT)
    def work():
        counted.append(1)

    def crowd():
        for _ in range(20):
            barrier.wait(10)
            work()
            session = work.session
            assert session is None or not session.conflicts

    before = sys.getswitchinterval()
    sys.setswitchinterval(1e-6)
    failed = []
    try:
        threads = [threading.Thread(target=crowd) for _ in range(6)]
        hook, threading.excepthook = threading.excepthook, failed.append
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    finally:
        sys.setswitchinterval(before)
        threading.excepthook = hook
    assert failed == [] and len(counted) == 120
    assert work.session.get_completed_profilers() == ["memory", "line", "call"]
