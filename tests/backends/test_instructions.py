"""The backend that counts instructions. It needs a process under valgrind's callgrind, so
each test here starts one, with this interpreter."""

import json
import os
import pathlib
import subprocess
import sys

import pytest

import prf_host
from host_tools import profile

WHY = dict(prf_host.backends())["instructions"]
FOLDER = pathlib.Path(__file__).resolve().parent

pytestmark = pytest.mark.skipif(WHY is not None, reason=f"unavailable: {WHY}")

PROGRAM = """
import itertools, json, sys
sys.path.insert(0, {folder!r})
from host_tools import profile

def loop(n):
    for _ in itertools.repeat(None, n):  # numbers would be allocated, now here, now there
        pass

def recursion(n):
    return n if n < 2 else recursion(n - 1) + recursion(n - 2)

def generators(n):
    return sum(i * i for i in range(n))

def strings(n):
    return len({{str(i): i for i in range(n)}})

def count(body, *args, **options):
    _, recording = profile("instructions", lambda: body(*args),
                           {{name.replace("_", "-"): str(v) for name, v in options.items()}})
    return recording

print(json.dumps({expression}))
"""


def under_callgrind(folder, command, *more):
    env = {k: os.environ[k] for k in ("PATH", "HOME", "PYTHONPATH") if k in os.environ}
    env |= {"PYTHONHASHSEED": "0", "PYPROFILER_CALLGRIND_OUT": f"{folder}/out"}
    return subprocess.run(
        ["valgrind", "--tool=callgrind", "-q", "--instr-atstart=no", "--vgdb=no",
         "--dump-line=no", "--compress-strings=no",
         f"--callgrind-out-file={folder}/out.%p", *more, sys.executable, "-B", *command],
        env=env, capture_output=True, text=True)


def evaluate(folder, expression, *more):
    """The value of an expression in a process under callgrind."""
    program = PROGRAM.format(folder=str(FOLDER), expression=expression)
    done = under_callgrind(folder, ["-c", program], *more)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout.splitlines()[-1])


# All in one process, which takes long to start.
FACTS = """{
    "loops": [count(loop, n, warmup=3) for n in (10000, 20000, 30000)],
    "rounds": count(loop, 1000, rounds=4, warmup=12),
    "cold": count(recursion, 12, warmup=0),
    "warm": count(recursion, 12, warmup=3),
    "generators": count(generators, 100),
    "all": count(strings, 500, functions=1000),
    "three": count(strings, 500, functions=3),
    "none": count(strings, 500, functions=0),
}"""


@pytest.fixture(scope="module")
def facts(tmp_path_factory):
    return evaluate(tmp_path_factory.mktemp("facts"), FACTS)


def values(recording, metric="instructions"):
    return recording["metrics"][metric]["samples"]


def test_conformance(tmp_path):
    test = str(FOLDER / "test_conformance.py")
    done = under_callgrind(tmp_path, ["-m", "pytest", "-q", "-p", "no:cacheprovider", test])
    assert done.returncode == 0, done.stdout + done.stderr
    assert " passed" in done.stdout and "skipped" not in done.stdout


def test_twice_as_much_is_twice_the_difference(facts):
    """Ten thousand turns more cost the same, wherever they are added."""
    one, two, three = (values(r)[0] for r in facts["loops"])
    assert one > 10 * 10000
    assert three - two == pytest.approx(two - one, rel=1e-3)


def test_repeats_are_identical(facts, tmp_path_factory):
    again = evaluate(tmp_path_factory.mktemp("again"), FACTS)
    assert again == facts
    assert values(facts["generators"])[0] > 1000


def test_rounds_are_samples(facts):
    samples = values(facts["rounds"])
    assert len(samples) == 4
    # All caches of the interpreter are warm then; the heap is not the same.
    assert samples[2] == pytest.approx(samples[3], rel=2e-3)


def test_without_warmup_it_takes_more(facts):
    assert values(facts["cold"])[0] > values(facts["warm"])[0]


def test_functions_of_the_interpreter(facts):
    own = {row["code"][2]: row["own_instructions"] for row in facts["all"]["sites"]}
    assert sum(own.values()) == values(facts["all"])[0]
    # A stripped library tells the functions that it exports.
    assert any(name.startswith(("Py", "_Py")) for name in own)
    three = [row["own_instructions"] for row in facts["three"]["sites"]]
    assert len(three) == 3 and three == sorted(three, reverse=True)
    assert facts["none"]["sites"] == [] and values(facts["none"])[0] > 1000


def test_caches(tmp_path):
    recording = evaluate(tmp_path, "count(strings, 500)", "--cache-sim=yes")
    one = {name: values(recording, name)[0] for name in recording["metrics"]}
    assert one["instructions"] > one["data_reads"] > one["data_writes"] > one["l1_misses"] > 0
    assert one["estimated_cycles"] == (one["instructions"] + 10 * one["l1_misses"]
                                       + 100 * one["ll_misses"])


def test_not_under_valgrind():
    with pytest.raises(RuntimeError, match="starts under valgrind"):
        profile("instructions", lambda: None)
