"""_pyprofiler.Session in a plain interpreter: its life, its file, its formats."""

import gc
import json
import marshal
import os
import signal
import subprocess
import sys
import textwrap
import threading

import pytest

from pyprofiler import _native

native = _native.load()


def fib(n):
    return n if n < 2 else fib(n - 1) + fib(n - 2)


def measured(name="call", options=None, **kwargs):
    session = native.Session(name, options or {}, **kwargs)
    session.start()
    fib(10)
    session.stop()
    return session


def calls_of(session):
    return {r["function"]: r["calls"] for r in session.result()["sites"]}


def run_python(code, **env):
    """A program of its own; stdout."""
    done = subprocess.run([sys.executable, "-c", textwrap.dedent(code)], text=True,
                          capture_output=True, env={**os.environ, **env}, timeout=60)
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.fixture(autouse=True)
def own_folder(tmp_path, monkeypatch):
    gc.collect()  # sessions of other tests hold the folder of this process
    monkeypatch.setenv("TMPDIR", str(tmp_path))
    return tmp_path


def test_a_result_is_what_was_called():
    session = measured()
    result = session.result()
    [row] = [r for r in result["sites"] if r["function"] == "fib"]
    assert (row["calls"], row["primitive_calls"], row["file"]) == (177, 1, __file__)
    # nothing of ours is in it
    assert [r["function"] for r in result["sites"]] == ["fib"]
    assert result["profiler"] == "call" and result["status"] == "ok"
    assert result["duration_ns"] > 0
    assert "fib" in session.report()


def test_aliases_and_unknown_names():
    assert native.Session("cprofile", {}).name == "call"
    with pytest.raises(ValueError, match="no profiler 'cprofil'"):
        native.Session("cprofil", {})


def test_a_wrong_option_is_told_at_the_start():
    session = native.Session("call", {"top-kk": "3"})
    with pytest.raises(ValueError, match="top-k"):
        session.start()
    assert session.recording is None


def test_options_are_copied_and_kept():
    options = {"top-k": "1"}
    session = native.Session("call", options)
    options["nonsense"] = "1"
    session.start()
    session.stop()
    assert session.result()["status"] == "ok"


@pytest.mark.parametrize("method", ["report", "result", "formats"])
def test_reading_before_anything_was_measured(method):
    session = native.Session("call", {})
    session.stop()  # nothing to stop is fine
    with pytest.raises(RuntimeError, match="nothing was measured yet"):
        getattr(session, method)()


def test_reading_while_it_measures():
    session = native.Session("call", {})
    session.start()
    with pytest.raises(RuntimeError, match="call start\\(\\) and stop\\(\\)"):
        session.report()
    session.stop()
    assert session.report()


def test_starting_twice_is_an_error_and_disturbs_nothing():
    session = native.Session("call", {})
    session.start()
    with pytest.raises(RuntimeError, match="measures already"):
        session.start()
    fib(5)
    session.stop()
    assert calls_of(session)["fib"] == 15


def test_starting_again_drops_what_was_measured():
    session = measured()
    first = session.recording
    session.start()
    session.stop()
    assert session.result()["sites"] == [] and not os.path.exists(first)
    session.stop()
    assert session.result()["sites"] == []


def test_an_instance_that_was_never_initialised():
    session = native.Session.__new__(native.Session)
    session.start()
    session.stop()
    assert session.result()["profiler"] == "passthrough"


def test_several_at_once():
    sessions = [native.Session(name, {}) for name in ("stopwatch", "call", "memory-time",
                                                      "stopwatch")]
    for session in sessions:
        session.start()
    fib(10)
    for session in reversed(sessions):
        session.stop()
    results = [session.result() for session in sessions]
    assert results[0]["metrics"]["wall_time"]["value"] > 0
    assert results[1]["sites"][0]["calls"] == 177
    assert results[2]["metrics"]["peak"]["value"] > 1 << 20
    assert results[3]["metrics"]["wall_time"]["value"] > 0


def test_the_same_profiler_twice_names_who_has_it():
    outer = native.Session("call", {}, case="outer.py::block")
    inner = native.Session("call", {})
    outer.start()
    with pytest.raises(RuntimeError, match="pyprofiler's 'call' runs already in this "
                                           "process, for 'outer.py::block'"):
        inner.start()
    fib(5)
    outer.stop()
    inner.start()
    inner.stop()
    assert calls_of(outer)["fib"] == 15
    assert inner.result()["sites"] == []


def test_marks():
    session = native.Session("call", {})
    session.mark("too early")
    session.start()
    session.mark("a")
    session.mark(7)
    session.stop()
    session.mark("too late")
    assert [m["name"] for m in session.result()["marks"]] == ["a", "7"]


def test_the_outcome_is_in_the_result():
    session = measured()
    session.finish("failed", "ValueError: no", "Traceback ...")
    result = session.result()
    assert (result["status"], result["reason"], result["traceback"]) == (
        "failed", "ValueError: no", "Traceback ...")
    session.finish("ok")  # the first one stands
    assert session.result()["status"] == "failed"


# ---- formats ----


def test_every_format_that_is_offered_can_be_written():
    for name in ("call", "memory-time", "stopwatch", "tracemalloc", "tracer", "line"):
        session = measured(name, file=__file__)
        formats = session.formats()
        assert {"text", "json"} <= set(formats)
        for format in formats:
            assert session.export(format), (name, format)


def test_formats_are_those_of_other_tools():
    session = measured()
    assert json.loads(session.export("json"))["schema"] == "pyprofiler/run/1"
    assert b"fib;" in session.export("collapsed")
    stats = marshal.loads(session.export("pstats"))
    assert [v[:2] for k, v in stats.items() if k[2] == "fib"] == [(1, 177)]
    profile = json.loads(session.export("speedscope"))
    assert "fib" in [frame["name"] for frame in profile["shared"]["frames"]]
    events = json.loads(measured("tracer").export("chrometrace"))["traceEvents"]
    assert sum(e["ph"] == "X" and "fib" in e["name"] for e in events) == 177


def test_an_unknown_format_says_which_there_are():
    with pytest.raises(ValueError, match="unknown format 'jsn', did you mean 'json'.*csv"):
        measured().export("jsn")


def test_a_format_that_needs_what_is_not_there():
    with pytest.raises(ValueError, match="'mprof' needs .*series.*can be written as: text "
                                         "json"):
        measured().export("mprof")


def test_options_of_exports():
    session = measured()
    folder = os.path.dirname(__file__)
    assert folder.encode() not in session.export("csv", strip_dirs=True)
    assert folder.encode() in session.export("csv", strip_dirs=False)
    assert b" ms" in session.export("text", time_unit="ms", color=False)
    assert b"\x1b[" in session.export("text", color=True)
    session.start()
    fib(3)
    len("")
    session.stop()
    assert len(json.loads(session.export("json"))["results"][0]["sites"]) == 2
    assert len(json.loads(session.export("json", top_k=1))["results"][0]["sites"]) == 1
    rows = json.loads(session.export("json", sort="calls"))["results"][0]["sites"]
    assert rows[0]["function"] == "fib"
    assert b"fontname=\"Courier\"" in session.export("dot", picture={"font": "Courier"})


@pytest.mark.parametrize("options, error, text", [
    ({"nonsense": 1}, TypeError, "no option 'nonsense'; it takes sort"),
    ({"sort": 3}, TypeError, "sort must be a str or None, not int"),
    ({"top_k": -1}, OverflowError, "negative"),
    ({"top_k": "x"}, TypeError, ""),
    ({"sort": "nonsense"}, ValueError, "nonsense"),
    ({"picture": "x"}, TypeError, "picture must be a dict"),
])
def test_wrong_options_of_exports(options, error, text):
    with pytest.raises(error, match=text):
        measured().export("json", **options)


# ---- the file ----


def test_the_file_is_in_tmpdir_and_goes_with_the_object(own_folder):
    session = measured()
    assert session.recording.startswith(str(own_folder) + os.sep)
    session.report()
    assert os.path.exists(session.recording)
    del session
    assert os.listdir(own_folder) == []


def test_one_folder_for_all_until_the_last_one_goes(own_folder):
    first, second = measured(), measured()
    assert os.path.dirname(first.recording) == os.path.dirname(second.recording)
    del first
    assert os.path.exists(second.recording)
    assert second.result()["sites"]
    del second
    assert os.listdir(own_folder) == []


def test_a_folder_that_cannot_be_written(own_folder, monkeypatch):
    monkeypatch.setenv("TMPDIR", str(own_folder / "missing"))
    session = native.Session("call", {})
    with pytest.raises(OSError, match="/missing/.*set TMPDIR"):
        session.start()
    assert session.recording is None


def test_a_change_of_folder_does_not_matter(own_folder, monkeypatch):
    (own_folder / "t").mkdir()
    monkeypatch.chdir(own_folder)
    monkeypatch.setenv("TMPDIR", "t")
    session = native.Session("call", {})
    session.start()
    os.chdir("/")
    fib(5)
    session.stop()
    assert calls_of(session)["fib"] == 15
    monkeypatch.chdir(own_folder)


def test_keep_moves_the_recording(own_folder):
    session = measured()
    path = session.keep(own_folder / "kept.rec")
    assert path == session.recording == str(own_folder / "kept.rec")
    assert session.result()["sites"][0]["calls"] == 177
    again = session.keep(str(own_folder / "again.rec"))
    assert os.path.exists(path) and os.path.exists(again)
    del session
    assert sorted(os.listdir(own_folder)) == ["again.rec", "kept.rec"]


def test_keep_where_nothing_can_be_written(own_folder):
    session = measured()
    with pytest.raises(OSError, match="/missing/x"):
        session.keep(own_folder / "missing" / "x")
    assert session.result()["sites"][0]["calls"] == 177
    with pytest.raises(RuntimeError, match="nothing was measured"):
        native.Session("call", {}).keep(own_folder / "x")


def test_closed_descriptors_do_not_matter(own_folder):
    out = run_python("""
        import os
        from pyprofiler import _native
        native = _native.load()
        session = native.Session("call", {})
        session.start()
        os.closerange(3, 100)
        mine = os.open("/dev/null", os.O_RDONLY)
        [x for x in map(str, range(10))]
        session.stop()
        print(session.result()["status"])
        del session
        os.fstat(mine)
        print("mine")
    """)
    assert out.split() == ["ok", "mine"]


# ---- processes ----


def test_a_forked_child_leaves_the_parent_alone(own_folder):
    session = native.Session("call", {})
    session.start()
    fib(5)
    pid = os.fork()
    if pid == 0:
        code = 1
        try:
            fib(20)
            session.stop()
            try:
                session.report()
            except RuntimeError as e:
                code = 0 if "belongs to the process that started" in str(e) else 2
            path = session.recording
            del session
            own = native.Session("call", {})
            own.start()
            fib(5)
            own.stop()
            if own.result()["sites"][0]["calls"] != 15:
                code = 4
            mine = own.recording
            del own
            if not os.path.exists(path) or os.path.exists(mine):
                code = 3
        finally:
            os._exit(code)
    assert os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == 0
    fib(5)
    session.stop()
    assert calls_of(session)["fib"] == 30


def test_a_fork_that_ends_as_python_does_removes_nothing(own_folder):
    out = run_python("""
        import os, sys
        from pyprofiler import _native
        session = _native.load().Session("call", {})
        session.start()
        pid = os.fork()
        if pid == 0:
            sys.exit(0)
        print(os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]))
        len("")
        session.stop()
        print(os.path.exists(session.recording), len(session.result()["sites"]) > 0)
    """)
    assert out.split() == ["0", "True", "True"]
    assert os.listdir(own_folder) == []


@pytest.mark.parametrize("name", ["call", "line", "memory-time", "memory-line", "tracer",
                                  "tracemalloc", "stopwatch"])
def test_shutdown_in_the_middle(own_folder, name):
    out = run_python(f"""
        import atexit, sys
        from pyprofiler import _native
        session = None
        atexit.register(lambda: print(session.measuring, session.result()["status"]))
        session = _native.load().Session({name!r}, {{}})
        session.start()
        sys.exit(0)
    """)
    # ours runs first, and what was measured can be read by those that run later
    assert out.split() == ["False", "ok"]
    assert os.listdir(own_folder) == []


def test_what_a_killed_process_left_is_removed_by_the_next(own_folder):
    done = subprocess.run([sys.executable, "-c", textwrap.dedent("""
        import os, signal
        from pyprofiler import _native
        session = _native.load().Session("call", {})
        session.start()
        os.kill(os.getpid(), signal.SIGKILL)
    """)], env={**os.environ})
    assert done.returncode == -signal.SIGKILL
    assert len(os.listdir(own_folder)) == 1
    session = measured()
    assert os.listdir(own_folder) == [os.path.basename(os.path.dirname(session.recording))]


def test_an_object_that_dies_while_it_measures_unhooks(own_folder):
    session = native.Session("call", {})
    session.start()
    del session
    assert os.listdir(own_folder) == []
    assert measured().result()["sites"][0]["calls"] == 177


def test_it_dies_under_an_exception():
    def body():
        session = native.Session("call", {})
        session.start()
        raise KeyError("mine")

    with pytest.raises(KeyError, match="mine"):
        body()
    gc.collect()
    assert measured().result()["sites"][0]["calls"] == 177


def test_threads_are_seen_and_may_stop_it():
    session = native.Session("call", {})
    session.start()
    thread = threading.Thread(target=lambda: (fib(10), session.stop()))
    thread.start()
    thread.join()
    assert calls_of(session)["fib"] == 177
