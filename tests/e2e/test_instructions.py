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
    assert counts(each.run_json("cases.py", "instructions", env=more)) == first
    below = each.path / "a" / "folder" / "below"
    below.mkdir(parents=True)
    assert counts(each.run_json("../../../cases.py", "instructions", cwd=below)) == first
    assert counts(each.run_json("cases.py", "--isolation=exec", "instructions")) == first


def test_another_hash_seed_is_exact_too(project):
    write(project, "cases.py", CASES)
    seeded = [counts(project.run_json("cases.py::Sums::words", "--hash-seed=5",
                                      "instructions")) for _ in range(2)]
    assert seeded[0] == seeded[1]
    assert seeded[0] != counts(project.run_json("cases.py::Sums::words", "instructions"))


def test_in_the_users_executable(project):
    write(project, "cases.py", CASES)
    first, again = (counts(project.run_json("cases.py", "--host=python", "instructions"))
                    for _ in range(2))
    assert first == again


def test_with_caches(project):
    write(project, "cases.py", CASES)
    metrics = project.run_json("cases.py::Sums::sum", "instructions",
                               "--cache").json["results"][0]["metrics"]
    value = {name: metric["value"] for name, metric in metrics.items()}
    assert value["instructions"] > value["data_reads"] > value["data_writes"] > 0
    assert value["estimated_cycles"] == (value["instructions"] + 10 * value["l1_misses"]
                                         + 100 * value["ll_misses"])


def test_rounds_functions_and_warmup(project):
    write(project, "cases.py", CASES)
    result = project.run_json("cases.py::Sums::sum", "instructions", "--rounds=3",
                              "--warmup=2", "--functions=5").json["results"][0]
    assert result["metrics"]["instructions"]["n"] == 3
    assert len(result["sites"]) == 5


def test_hostile_cases(project):
    write(project, "hostile.py", HOSTILE)
    env = {"NEEDED": "yes", "NOT_NEEDED": "yes"}
    run = project.run_json("hostile.py", "--timeout=20s", "instructions", "--keep-env=NEEDED",
                           env=env)
    found = {r["case"].rpartition("_")[2]: r for r in run.json["results"]}
    assert {name: r["status"] for name, r in found.items()} == {
        "abort": "crashed", "exit": "crashed", "fork": "ok", "hang": "timeout",
        "ill": "crashed", "raise": "failed", "variables": "ok"}
    assert found["abort"]["signal"] == "SIGABRT"
    assert "valgrind does not know" in found["ill"]["reason"]
    variables = found["variables"]["output"].split()[0].split(",")
    assert "NEEDED" in variables and "NOT_NEEDED" not in variables and "PATH" in variables
    assert not list(project.path.glob("*core*"))
    assert not list(project.path.glob("callgrind*"))


def test_plain_profilers_beside_it(project):
    """The worker under valgrind is for its own runs only."""
    write(project, "cases.py", CASES)
    run = project.run_json("cases.py", "instructions,stopwatch", "--quick")
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
