"""Sessions are stored like any run, and a store that cannot be written is a warning."""

import gc
import json
import os
import subprocess
import sys
import textwrap

import pytest

from pyprofiler import ProfileConfig, profile
from pyprofiler import _runner

PROGRAM = _runner.find("pyprofiler")
CALL = ProfileConfig(line_profiling=False, memory_profiling=False, sampling_profiling=False)

needs_program = pytest.mark.skipif(PROGRAM is None, reason="the program is not built")


@pytest.fixture(autouse=True)
def project(tmp_path, monkeypatch):
    gc.collect()
    (tmp_path / "tmp").mkdir()
    project = tmp_path / "project"
    project.mkdir()
    git = ["git", "-c", "user.name=a", "-c", "user.email=a@b"]
    for words in (["init", "-q"], ["commit", "-q", "--allow-empty", "-m", "first"]):
        subprocess.run([*git, *words], cwd=project, check=True)
    monkeypatch.setenv("TMPDIR", str(tmp_path / "tmp"))
    monkeypatch.delenv("PYPROFILER_NO_STORE", raising=False)
    monkeypatch.chdir(project)
    return project


def fib(n):
    return n if n < 2 else fib(n - 1) + fib(n - 2)


def pyprofiler(*words):
    done = subprocess.run([PROGRAM, *words], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return done.stdout


def run_script(project, code, status=0, **env):
    (project / "script.py").write_text(textwrap.dedent(code))
    done = subprocess.run([sys.executable, "script.py"], capture_output=True, text=True,
                          env={**os.environ, **env})
    assert done.returncode == status, done.stderr
    return done


@needs_program
def test_a_session_is_a_run(project):
    with profile(CALL, memory_profiling=True) as session:
        fib(10)
    assert session.run_id and session.store_path == str(project / ".pyprofiler/results.db")
    assert set(session.result_ids) == {"memory", "call"}
    shown = json.loads(pyprofiler("show", session.result_ids["call"], "--format=json"))
    assert shown["run"] == session.run_id and shown["python"]["host"] == "python"
    assert shown["python"]["version"] == "%d.%d.%d" % sys.version_info[:3]
    assert len(shown["commit"]["id"]) == 40
    [result] = shown["results"]
    assert result["case"].endswith("::test_a_session_is_a_run")
    assert result["profiler"] == "call" and result["status"] == "ok"
    assert {s["function"]: s["calls"] for s in result["sites"]}["fib"] == 177
    assert result["duration_ns"] == session.duration_ns
    assert "fib;" in pyprofiler("export", session.result_ids["call"], "--format=collapsed",
                                "-o", "-")


@needs_program
def test_ids_are_relative_to_the_repository(project):
    (project / "sub").mkdir()
    (project / "sub" / "work.py").write_text(textwrap.dedent("""
        from pyprofiler import ProfileConfig, profile
        @profile(line_profiling=False, memory_profiling=False, sampling_profiling=False)
        def work():
            len("")
        work()
        print(work.session.result_ids["call"])
    """))
    done = subprocess.run([sys.executable, "work.py"], capture_output=True, text=True,
                          cwd=project / "sub")
    [result] = json.loads(pyprofiler("show", done.stdout.strip(), "--format=json"))["results"]
    assert result["case"] == "sub/work.py::work"
    assert os.listdir(project / "sub") == ["work.py"]


@needs_program
def test_a_failed_block_is_stored_as_failed(project):
    with pytest.raises(ZeroDivisionError):
        with profile(CALL) as session:
            1 / 0
    [result] = json.loads(
        pyprofiler("show", session.result_ids["call"], "--format=json"))["results"]
    assert result["status"] == "failed"
    assert result["reason"] == "ZeroDivisionError: division by zero"
    assert "1 / 0" in result["traceback"]


@needs_program
def test_a_process_that_is_profiled_to_its_end(project):
    run_script(project, """
        from pyprofiler import ProfilerSuite, ProfileConfig
        ProfilerSuite.enable_profiling(ProfileConfig(name="all", sampling_profiling=False))
        def work():
            return sum(i * i for i in range(10))
        work()
        raise SystemExit(3)
    """, status=3)
    run = json.loads(pyprofiler("show", "latest", "--format=json"))
    assert {r["profiler"] for r in run["results"]} == {"memory-time", "line", "call"}
    assert {r["case"] for r in run["results"]} == {"script.py::all"}
    [call] = [r for r in run["results"] if r["profiler"] == "call"]
    assert {s["function"]: s["calls"] for s in call["sites"]}["work"] == 1
    assert os.listdir(os.environ["TMPDIR"]) == []


@needs_program
def test_a_store_of_ones_own(project):
    with profile(CALL, store=project / "other.db") as session:
        fib(5)
    assert session.store_path == str(project / "other.db")
    assert not (project / ".pyprofiler").exists()


def test_switched_off(project, monkeypatch):
    with profile(CALL, store=False) as session:
        fib(5)
    assert session.run_id is None and session.result_ids == {}
    monkeypatch.setenv("PYPROFILER_NO_STORE", "1")
    with profile(CALL) as session:
        fib(5)
    assert session.run_id is None and not (project / ".pyprofiler").exists()
    monkeypatch.setenv("PYPROFILER_NO_STORE", "0")
    if PROGRAM is not None:
        with profile(CALL) as session:
            fib(5)
        assert session.run_id is not None


@needs_program
def test_a_store_that_cannot_be_written_is_a_warning(project):
    (project / "file").write_text("")
    with pytest.warns(RuntimeWarning, match="is not stored: .*file"):
        with profile(CALL, store="file/results.db") as session:
            fib(5)
    assert session.run_id is None
    assert {s["function"]: s["calls"] for s in session.results["call"].sites}["fib"] == 15


def test_without_the_program_it_is_a_warning(project, monkeypatch):
    monkeypatch.setattr(_runner, "find", lambda name: None)
    with pytest.warns(RuntimeWarning, match="is not stored: 'pyprofiler' is neither"):
        with profile(CALL) as session:
            fib(5)
    assert session.results["call"].status == "ok"


@pytest.mark.parametrize("text, why", [
    ("#!/bin/sh\necho broken >&2; exit 3\n", "is not stored: broken"),
    ("#!/bin/sh\nexit 7\n", "is not stored: exit code 7"),
    ("#!/bin/sh\necho no json\n", "is not stored: Expecting value"),
    ("not a program", "is not stored: .*[Ee]rror"),
])
def test_a_program_that_does_not_work_is_a_warning(project, monkeypatch, text, why):
    program = project / "broken"
    program.write_text(text)
    program.chmod(0o755)
    monkeypatch.setattr(_runner, "find", lambda name: str(program))
    with pytest.warns(RuntimeWarning, match=why):
        with profile(CALL) as session:
            fib(5)
    assert session.results["call"].status == "ok"


def test_the_manifest(project):
    from pyprofiler import _keep

    @profile(CALL, store=False, c_functions=False)
    def work():
        fib(5)

    work()
    session = work.session
    manifest = _keep.manifest(session)
    assert manifest["schema"] == "pyprofiler/session/1"
    assert manifest["case"] == f"{__file__}::test_the_manifest.<locals>.work"
    assert manifest["file"] == __file__ and manifest["root"] == str(project)
    assert manifest["line"] == work.__wrapped__.__code__.co_firstlineno
    assert len(manifest["hash"]) == 16
    assert manifest["started_ns"] > 0 < manifest["duration_ns"]
    assert manifest["status"] == "ok" and manifest["reason"] is manifest["traceback"] is None
    assert manifest["python"]["executable"] == sys.executable
    assert manifest["results"] == [{"profiler": "call",
                                    "options": {"ignore-c-function": "true"},
                                    "recording": session.results["call"].recording}]
    assert os.path.exists(manifest["results"][0]["recording"])
    json.dumps(manifest)


@needs_program
def test_a_deleted_folder_and_closed_standard_files(project):
    done = run_script(project, """
        import os, sys
        from pyprofiler import profile
        out = os.dup(1)
        os.mkdir("gone"); os.chdir("gone"); os.rmdir("../gone")
        os.close(0); os.close(1); os.close(2)
        with profile(line_profiling=False, sampling_profiling=False) as session:
            len("")
        os.write(out, repr([session.status, sorted(session.results)]).encode())
        os._exit(0)
    """)
    assert done.stdout == "['ok', ['call', 'memory']]"
