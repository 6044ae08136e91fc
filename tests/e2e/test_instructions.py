"""Counting instructions in a worker under valgrind."""
import json
import os
import shutil
import subprocess

import pytest

CASES = """
    import os, signal
    from pyprofiler import ProfilerCase

    def square(i):
        return i * i

    class Sums(ProfilerCase):
        def profile_sum(self):
            return sum(square(i) for i in range(500))

        def profile_words(self):
            return sorted({str(i): [i] for i in range(300)}, key=hash)
"""
HOSTILE = """
    import os, signal
    from pyprofiler import ProfilerCase

    class Hostile(ProfilerCase):
        def profile_abort(self):
            os.abort()

        def profile_exit(self):
            os._exit(3)

        def profile_fork(self):
            pid = os.fork()
            if pid == 0:
                os._exit(sum(range(20000)) % 7)
            os.waitpid(pid, 0)

        def profile_hang(self):
            signal.pause()

        def profile_ill(self):
            os.kill(os.getpid(), signal.SIGILL)

        def profile_raise(self):
            raise ValueError("on purpose")

        def profile_variables(self):
            print(",".join(sorted(os.environ)))
"""


@pytest.fixture(autouse=True)
def available(bin_dir, any_python):
    done = subprocess.run([bin_dir / "pyprofiler", "profilers", "--python", any_python,
                           "--format", "json"], capture_output=True, text=True)
    found = {p["name"]: p for p in json.loads(done.stdout)["profilers"]}["instructions"]
    if not found["available"]:
        pytest.skip(f"unavailable: {found['why']}")


def write(project, name, text):
    import textwrap
    project.write(name, textwrap.dedent(text))


def counts(outcome):
    results = outcome.json["results"]
    assert {r["status"] for r in results} == {"ok"}, outcome
    return {r["case"]: r["metrics"]["instructions"]["value"] for r in results}


def test_same_number_wherever_it_is_started(each):
    """Runs, environment, current folder, width of the terminal."""
    write(each, "cases.py", CASES)
    each.commit()
    first = counts(each.run_json("cases.py", "instructions"))
    assert len(first) == 2 and min(first.values()) > 10000
    more = {"A_VARIABLE": "x" * 5000, "COLUMNS": "217", "PYTHONHASHSEED": "7"}
    below = each.path / "a" / "folder" / "below"
    below.mkdir(parents=True)
    again = each.run_json("../../../cases.py", "--isolation=exec", "instructions", env=more,
                          cwd=below)
    assert counts(again) == first


def test_the_store_is_there_before_the_cases(project):
    """Python keeps the names of the files beside a case: a first run has as many as the
    next, else it would count other instructions."""
    write(project, "cases.py", """
        import os
        from pyprofiler import ProfilerCase

        class Beside(ProfilerCase):
            def profile_names(self):
                print(sorted(os.listdir()))
    """)
    first = project.run_json("cases.py", "passthrough").json["results"][0]["output"]
    assert "'.pyprofiler'" in first
    assert project.run_json("cases.py", "passthrough").json["results"][0]["output"] == first


def test_another_hash_seed_is_exact_too(project):
    write(project, "cases.py", CASES)
    seeded = [counts(project.run_json("cases.py::Sums::profile_words", "--hash-seed=5",
                                      "instructions")) for _ in range(2)]
    assert seeded[0] == seeded[1]
    assert seeded[0] != counts(project.run_json("cases.py::Sums::profile_words", "instructions"))


def test_in_the_users_executable(project):
    write(project, "cases.py", CASES)
    first, again = (counts(project.run_json("cases.py", "--host=python", "instructions"))
                    for _ in range(2))
    assert first == again


def test_with_caches(project):
    write(project, "cases.py", CASES)
    metrics = project.run_json("cases.py::Sums::profile_sum", "instructions",
                               "--cache").json["results"][0]["metrics"]
    value = {name: metric["value"] for name, metric in metrics.items()}
    assert value["instructions"] > value["data_reads"] > value["data_writes"] > 0
    assert value["estimated_cycles"] == (value["instructions"] + 10 * value["l1_misses"]
                                         + 100 * value["ll_misses"])


def test_rounds_functions_and_warmup(project):
    write(project, "cases.py", CASES)
    result = project.run_json("cases.py::Sums::profile_sum", "instructions", "--rounds=3",
                              "--warmup=2", "--functions=5").json["results"][0]
    assert result["metrics"]["instructions"]["n"] == 3
    assert len(result["sites"]) == 5


def hostile(project, name, *args, **how):
    write(project, "hostile.py", HOSTILE)
    run = project.run_json(f"hostile.py::Hostile::profile_{name}", "--timeout=30s",
                           "instructions", *args, **how)
    assert [p.name for p in project.path.iterdir() if "core" in p.name] == []
    assert not list(project.path.glob("callgrind*"))
    return run.json["results"][0]


@pytest.mark.parametrize("name, status, reason", [
    ("abort", "crashed", "SIGABRT"),
    ("exit", "crashed", "exit code 3"),
    ("ill", "crashed", "valgrind does not know"),
    ("raise", "failed", "on purpose"),
    ("hang", "timeout", "--timeout"),
])
def test_case_that_ends_badly(project, name, status, reason):
    result = hostile(project, name)
    assert result["status"] == status and reason in result["reason"]


def test_children_are_not_counted(project):
    """The child of this case takes some hundred thousand instructions."""
    result = hostile(project, "fork")
    assert result["status"] == "ok"
    assert result["metrics"]["instructions"]["value"] < 100000
    assert "1 forked process was not counted" in json.dumps(result)


def test_small_environment(project):
    env = {"NEEDED": "yes", "NOT_NEEDED": "yes"}
    result = hostile(project, "variables", "--keep-env=NEEDED", env=env)
    variables = result["output"].split()[0].split(",")
    assert "NEEDED" in variables and "NOT_NEEDED" not in variables and "PATH" in variables


def test_plain_profilers_beside_it(project):
    """The worker under valgrind is for its own runs only."""
    write(project, "cases.py", CASES)
    run = project.run_json("cases.py", "instructions,stopwatch", "--rounds=2")
    assert [r["status"] for r in run.json["results"]] == ["ok"] * 4, run


def test_without_valgrind(project, tmp_path):
    write(project, "cases.py", CASES)
    tools = tmp_path / "tools"
    tools.mkdir()
    for name in "git", "python3":
        os.symlink(shutil.which(name), tools / name)
    run = project.run("cases.py", "instructions", env={"PATH": str(tools)})
    assert run.code == 4 and "apt install valgrind" in run.err, run


def test_numpy(project):
    python = project.python
    if subprocess.run([python, "-c", "import numpy"], capture_output=True).returncode:
        pytest.skip(f"{python} has no numpy")
    write(project, "arrays.py", """
        import numpy
        from pyprofiler import ProfilerCase

        class Arrays(ProfilerCase):
            def profile_dot(self):
                a = numpy.arange(2500.0).reshape(50, 50)
                return numpy.sort((a @ a).ravel()).sum()
    """)
    first, again = (counts(project.run_json("arrays.py", "instructions")) for _ in range(2))
    assert first == again
