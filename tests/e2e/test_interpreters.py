"""The user's interpreter is found and honoured, and everything inside a case is theirs."""

import json
import os
import subprocess

import pytest

LOOK = "model/environment.py"


def seen(outcome):
    assert outcome.code == 0, outcome
    return json.loads(outcome.result("profile_look")["output"])


@pytest.fixture
def venv(each):
    """A virtual environment `.venv` with a package in it."""
    each.add(LOOK)
    each.write("uses.py", """\
import in_venv_only
from pyprofiler import ProfilerCase
class Uses(ProfilerCase):
    def profile_it(self):
        print(in_venv_only.where)
""")
    folder = each.path / ".venv"
    subprocess.run([each.python, "-m", "venv", "--without-pip", folder], check=True,
                   env=each.env)
    (site,) = folder.glob("lib/python3.*/site-packages")
    (site / "in_venv_only.py").write_text("where = 'in the venv'\n")
    return folder


def check_venv(project, venv, *options, env=None):
    done = project.run_json(*options, "uses.py", LOOK, "passthrough", env=env)
    assert seen(done)["prefix"] == str(venv)
    assert seen(done)["executable"] == str(venv / "bin" / "python")
    assert done.result("profile_it")["output"] == "in the venv\n"


def test_venv_by_option(each, venv):
    each.python = venv / "bin" / "python"
    check_venv(each, venv)


def test_venv_beside_the_project(each, venv):
    each.python = None
    check_venv(each, venv)


def test_venv_that_is_active(each, venv, tmp_path):
    elsewhere = tmp_path / "elsewhere"
    os.rename(venv, elsewhere)
    text = (elsewhere / "pyvenv.cfg").read_text().replace(str(venv), str(elsewhere))
    (elsewhere / "pyvenv.cfg").write_text(text)
    each.python = None
    check_venv(each, elsewhere, env={"VIRTUAL_ENV": str(elsewhere)})


def test_interpreter_on_path(each, tmp_path):
    each.add(LOOK)
    (tmp_path / "bin").mkdir()
    os.symlink(os.path.realpath(each.python), tmp_path / "bin" / "python3")
    wanted, each.python = each.python, None
    path = f"{tmp_path / 'bin'}:{each.env['PATH']}"
    done = each.run_json(LOOK, "passthrough", env={"PATH": path})
    code = "import sys; print(sys.version_info[:3])"
    version = subprocess.run([wanted, "-c", code], capture_output=True, text=True).stdout
    assert str(tuple(seen(done)["version"])) == version.strip()


def test_pythonpath_is_honoured(each):
    each.write("far/away/helper.py", "VALUE = 'helped'\n")
    each.write("uses.py", """\
import helper
from pyprofiler import ProfilerCase
class Uses(ProfilerCase):
    def profile_it(self):
        print(helper.VALUE)
""")
    env = {"PYTHONPATH": str(each.path / "far" / "away")}
    done = each.run_json("uses.py", "passthrough", env=env)
    assert done.result("profile_it")["output"] == "helped\n"


@pytest.mark.parametrize("host", ["embed", "python"])
def test_hosts(each, host):
    each.add(LOOK, "model/calls.py", "model/lifecycle.py")
    each.commit()
    done = each.run_json(f"--host={host}", LOOK, "model/calls.py", "call")
    assert done.code == 0, done
    assert done.json["python"]["host"] == host
    assert os.path.samefile(json.loads(
        done.result("profile_look")["output"])["executable"], each.python)
    fib = [s for s in done.result("profile_fib")["sites"] if s["function"] == "fib"]
    assert [s["calls"] for s in fib] == [177]
    cycle = each.run_json(f"--host={host}", "model/lifecycle.py", "passthrough")
    assert cycle.result("profile_works")["output"].startswith("setUpClass\nsetUp\n")


def test_hostile_in_the_other_host(each):
    each.add("hostile/segfault.py", "hostile/fork_returns.py", "hostile/closerange.py")
    done = each.run_json("--host=python", "--timeout=5", "hostile", "passthrough")
    assert done.code == 1
    good = [r for r in done.json["results"] if r["case"].endswith("profile_good")]
    assert [r["status"] for r in good] == ["ok"] * 3
    bad = {r["case"]: r["status"] for r in done.json["results"] if "bad" in r["case"]}
    assert bad["hostile/segfault.py::Hostile::profile_bad"] == "crashed"
    assert bad["hostile/fork_returns.py::Hostile::profile_bad"] == "ok"
    assert bad["hostile/closerange.py::Hostile::profile_bad"] == "ok"


@pytest.mark.parametrize("path, says", [
    ("/nowhere/python3", "/nowhere/python3"),
    ("/bin/true", "/bin/true"),
    ("/", "/"),
])
def test_no_such_interpreter(project, path, says):
    """A clear error before anything runs."""
    project.add(LOOK).python = path
    done = project.run(LOOK, "passthrough")
    assert done.code in (3, 4), done
    assert says in done.err and len(done.err.splitlines()) <= 4
    assert done.out == ""


@pytest.mark.parametrize("profiler", ["passthrough", "call", "tracer"])
def test_children(each, profiler):
    """multiprocessing by each method, subprocess with sys.executable, threads, fork."""
    done = each.add("process").run_json("--timeout=60", "process/", profiler)
    assert set(done.statuses.values()) == {"ok"}, done
    assert done.code == 0
    for method in ("fork", "spawn", "forkserver"):
        result = done.result(f"profile_process[method='{method}']")
        assert result["output"] == "49\n", result
    assert done.result("profile_threads")["output"] == "[1, 4, 9]\n"
    assert done.result("profile_executable")["output"] == "same prefix\n"
    assert done.result("profile_wait")["output"] == "3\n"


def test_doctor(each):
    done = each.run("pyprofiler", "doctor", "--python", each.python)
    assert done.code == 0, done
    assert str(each.python) in done.out or os.path.realpath(each.python) in done.out


def test_doctor_finds_the_problem(project):
    done = project.run("pyprofiler", "doctor", "--python", "/nowhere/python3")
    assert done.code == 1, done
    assert "/nowhere/python3" in done.out + done.err


def test_configured_venv_is_relative_to_the_file(each, venv):
    os.rename(venv, each.path / "env")
    cfg = each.path / "env" / "pyvenv.cfg"
    cfg.write_text(cfg.read_text().replace(str(venv), str(each.path / "env")))
    each.write("pyproject.toml", '[tool.pyprofiler]\npython = "env"\n')
    each.write(
        "deep/er/where.py",
        "import sys\nfrom pyprofiler import ProfilerCase\nclass Where(ProfilerCase):\n"
        "    def profile_it(self):\n        print(sys.prefix)\n",
    )
    each.python = None
    done = each.run_json("where.py", "passthrough", cwd=each.path / "deep" / "er")
    assert done.result("profile_it")["output"] == f"{each.path / 'env'}\n", done
