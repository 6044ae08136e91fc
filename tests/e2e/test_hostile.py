"""Cases that ruin their process: each gets its true status, all others run, the store
holds what there was, no process stays behind.

One run of the whole zoo for each interpreter; the tests look at its parts.
"""

import subprocess

import pytest

from conftest import FIXTURES, make_project

# file: status, signal, what reason or traceback says
ZOO = {
    "abort": ("crashed", "SIGABRT", ""),
    "alarm": ("crashed", "SIGALRM", ""),
    "atexit_hook": ("ok", None, ""),
    "bad_exception": ("failed", None, "Unprintable"),
    "binary_output": ("ok", None, ""),
    "c_recursion": (("crashed", "failed"), ("SIGSEGV", None), ""),
    "chdir": ("ok", None, ""),
    "closed_fds": ("ok", None, ""),
    "closerange": ("ok", None, ""),
    "daemon_thread": ("ok", None, ""),
    "deaf_endless": ("timeout", None, "2 s"),
    "endless": ("timeout", None, "2 s"),
    "fork_outlives": ("ok", None, ""),
    "fork_raises": ("ok", None, ""),
    "fork_returns": ("ok", None, ""),
    "fork_setsid": ("ok", None, ""),
    "huge_output": ("ok", None, ""),
    "interrupt": ("failed", None, "KeyboardInterrupt"),
    "memory": ("failed", None, "MemoryError"),
    "modules_cleared": ("ok", None, ""),
    "os_exit": ("crashed", None, "exit code 0"),
    "raises": ("failed", None, "LookupError: nothing of that name"),
    "recursion": ("failed", None, "RecursionError"),
    "segfault": ("crashed", "SIGSEGV", ""),
    "setsid": ("ok", None, ""),
    "settrace": ("ok", None, ""),
    "sigchld_ignored": ("ok", None, ""),
    "sigkill": ("crashed", "SIGKILL", ""),
    "stdout_closed": ("ok", None, ""),
    "stdout_replaced": ("ok", None, ""),
    "sys_exit": ("failed", None, "SystemExit: 7"),
    "thread": ("ok", None, ""),
}


_runs = {}  # by interpreter: pytest may set a fixture up again when parameters alternate


@pytest.fixture
def zoo(python, bin_dir, tmp_path_factory):
    if python not in _runs:
        _runs[python] = _run_zoo(python, bin_dir, tmp_path_factory)
    return _runs[python]


def _run_zoo(python, bin_dir, tmp_path_factory):
    project = make_project(tmp_path_factory.mktemp("zoo"), bin_dir, python)
    project.add("hostile").commit()
    outcome = project.run_json("--timeout=2", "hostile/", "passthrough")
    return project, outcome, {r["case"]: r for r in outcome.json["results"]}


def test_the_table_names_all_files():
    assert sorted(ZOO) == sorted(p.stem for p in (FIXTURES / "hostile").glob("*.py"))


@pytest.mark.parametrize("name", sorted(ZOO))
def test_status(zoo, name):
    _, outcome, results = zoo
    status, signal, says = ZOO[name]
    bad = results[f"hostile/{name}.py::Hostile::profile_bad"]
    assert bad["status"] in (status if isinstance(status, tuple) else (status,)), bad
    assert bad["signal"] in (signal if isinstance(signal, tuple) else (signal,)), bad
    assert says in f"{bad['reason']}\n{bad['traceback']}", bad
    assert (bad["reason"] is None) == (bad["status"] == "ok"), bad


@pytest.mark.parametrize("name", sorted(ZOO))
def test_the_next_case_runs(zoo, name):
    _, _, results = zoo
    good = results[f"hostile/{name}.py::Hostile::profile_good"]
    assert (good["status"], good["output"]) == ("ok", "still here\n")


def test_exit_code_and_number_of_results(zoo):
    _, outcome, results = zoo
    assert outcome.code == 1
    assert len(outcome.json["results"]) == len(results) == 2 * len(ZOO)


def test_crash_has_the_place_in_python(zoo):
    _, _, results = zoo
    crash = results["hostile/segfault.py::Hostile::profile_bad"]
    assert "segfault.py" in crash["traceback"] and "profile_bad" in crash["traceback"]
    endless = results["hostile/endless.py::Hostile::profile_bad"]
    assert "endless.py" in endless["traceback"]


def test_left_processes_are_noted(zoo):
    _, _, results = zoo
    for name in ("fork_outlives", "fork_setsid"):
        notes = results[f"hostile/{name}.py::Hostile::profile_bad"]["notes"]
        assert any("outlived" in note for note in notes), notes


def test_output_before_the_end_is_kept(zoo):
    _, _, results = zoo
    huge = results["hostile/huge_output.py::Hostile::profile_bad"]["output"]
    assert huge.startswith("xxx") and len(huge) > 10_000
    assert results["hostile/binary_output.py::Hostile::profile_bad"]["output"]


def test_the_store_holds_it_all(zoo):
    project, outcome, results = zoo
    shown = project.run("pyprofiler", "show", "--format=json")
    assert shown.code == 0, shown
    stored = {r["case"]: r for r in shown.json["results"]}
    assert stored.keys() == results.keys()
    for case, result in results.items():
        for key in ("id", "status", "signal", "reason", "traceback"):
            assert stored[case][key] == result[key], (case, key)


def test_under_another_profiler(each):
    """What a profiler recorded before a crash is kept with the result."""
    each.write("crash.py", """\
import ctypes
from pyprofiler import ProfilerCase

def work(n):
    return n and work(n - 1)

class Crash(ProfilerCase):
    def profile_it(self):
        work(9)
        ctypes.string_at(0)
""")
    done = each.run_json("crash.py", "call")
    crash = done.result("profile_it")
    assert (crash["status"], crash["signal"]) == ("crashed", "SIGSEGV")
    assert [s["calls"] for s in crash["sites"] if s["function"] == "work"] == [10]


BROKEN = {
    "import_missing": ("ModuleNotFoundError", None),
    "os_exit": ("exit code 0", None),
    "params_empty": ("the list of 'n' is empty", None),
    "raises": ("ZeroDivisionError: at import", None),
    "segfault": ("SIGSEGV", "SIGSEGV"),
    "syntax": ("SyntaxError", None),
    "sys_exit": ("SystemExit", None),
}


@pytest.fixture(scope="session")
def broken(python, bin_dir, tmp_path_factory):
    project = make_project(tmp_path_factory.mktemp("broken"), bin_dir, python)
    project.add("broken", "model/calls.py")
    return project.run_json("broken/", "model/calls.py", "passthrough")


@pytest.mark.parametrize("name", sorted(BROKEN))
def test_files_that_do_not_import(broken, name):
    says, signal = BROKEN[name]
    result = broken.result(f"broken/{name}.py")
    assert result["status"] == "error"  # no case has run
    assert result["signal"] == signal
    assert says in f"{result['reason']}\n{result['traceback']}"


def test_other_files_run(broken):
    assert broken.code == 1
    assert broken.result("Calls::profile_fib")["status"] == "ok"
    assert len(broken.json["results"]) == len(BROKEN) + 2


def test_syntax_error_has_its_line(broken):
    result = broken.result("broken/syntax.py")
    assert "line 8" in f"{result['reason']}\n{result['traceback']}"
    assert "_driver" not in result["traceback"] and "importlib" not in result["traceback"]


def test_worker_killed_from_inside(each):
    """The case kills the process it was forked from: the next gets another one."""
    each.write("patricide.py", """\
import os, signal
from pyprofiler import ProfilerCase

class Patricide(ProfilerCase):
    def profile_a(self):
        os.kill(os.getppid(), signal.SIGKILL)
        signal.pause()
    def profile_b(self):
        print("still here")
""")
    done = each.run_json("--timeout=5", "patricide.py", "passthrough")
    assert done.code == 1
    assert done.result("profile_a")["status"] in ("crashed", "error", "timeout")
    assert done.result("profile_b")["output"] == "still here\n"


def test_a_fork_at_import_is_not_a_second_answer(each):
    each.write(
        "forks.py",
        "import os\nfrom pyprofiler import ProfilerCase\nos.fork()\n"
        "class Forks(ProfilerCase):\n    def profile_it(self):\n        pass\n",
    )
    done = each.run_json("forks.py", "passthrough")
    assert done.code == 0, done
    assert [r["status"] for r in done.json["results"]] == ["ok"]


def test_fork_server_lives_through_runs_in_one_process(each):
    each.write(
        "served.py",
        "import multiprocessing as mp\nfrom pyprofiler import ProfilerCase\n"
        "class Served(ProfilerCase):\n    def profile_it(self):\n"
        "        p = mp.get_context('forkserver').Process(target=len, args=('x',))\n"
        "        p.start()\n        p.join()\n        assert p.exitcode == 0\n",
    )
    done = each.run_json("--isolation=none", "served.py", "passthrough,call")
    assert done.code == 0, done
    assert [r["status"] for r in done.json["results"]] == ["ok", "ok"]
    assert not any("outlived" in n for r in done.json["results"] for n in r["notes"])


@pytest.fixture
def full_disk(tmp_path):
    """A file system with room for a few files and nothing in them."""
    folder = tmp_path / "full"
    folder.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", "size=64k", "tmpfs", folder]
    if subprocess.run(mount, capture_output=True).returncode != 0:
        pytest.skip("no file system can be mounted here")
    (folder / "room").write_bytes(b"")
    with open(folder / "room", "ab", buffering=0) as room:
        with pytest.raises(OSError):
            while True:
                room.write(b"x" * 4096)
    yield folder
    subprocess.run(["umount", "-l", folder], check=True)


def test_a_full_disk_is_no_crash_of_the_case(project, full_disk):
    project.write("case_it.py", "from pyprofiler import ProfilerCase\n\n"
                  "class It(ProfilerCase):\n    def profile_it(self):\n        pass\n")
    project.env["TMPDIR"] = str(full_disk)
    outcome = project.run("pyprofiler", "run", "--python", project.python, "case_it.py")
    assert outcome.code != 0
    assert "no space left for" in outcome.out + outcome.err, outcome
    assert "os._exit" not in outcome.out + outcome.err
    assert [p.name for p in full_disk.iterdir()] == ["room"]
