"""Every registered backend through the same checks: a new one gets them by being in the
registry."""

import os
import sys

import pytest

import prf_host
from host_tools import profile, raising_profile

# In a process under valgrind (see test_instructions.py) what needs it, else the others.
UNDER_VALGRIND = ["instructions"]
HERE = "PYPROFILER_CALLGRIND_OUT" in os.environ
AVAILABLE = [name for name, why in prf_host.backends()
             if why is None and (name in UNDER_VALGRIND) == HERE]
QUICK = {"stopwatch": {"rounds": "2", "warmup": "0", "max-time": "20ms"},
         # So that none of the samples falls into a program of microseconds.
         "sampling": {"mode": "cpu", "interval": "10000000"},
         # What the interpreter prepares in the first calls is not to be seen.
         "instructions": {"warmup": "12", "functions": "5"}}


@pytest.fixture(params=AVAILABLE)
def backend(request):
    return request.param


def work():
    return sum(len(str(i)) for i in range(50))


def test_there_are_backends():
    assert HERE or {"stopwatch", "call", "tracer", "passthrough"} <= set(AVAILABLE)
    assert AVAILABLE


def test_open_without_start(backend):
    counts, recording = profile(backend, work, only_open=True)
    assert counts == {"rounds": 0, "executions": 0}
    assert recording["lost"] == 0


@pytest.mark.parametrize("can_loop", [True, False])
def test_whole_life(backend, can_loop):
    counts, recording = profile(backend, work, QUICK.get(backend), can_loop=can_loop)
    assert counts["rounds"] >= 1 and recording["lost"] == 0


def test_twice_in_one_process(backend):
    first = profile(backend, work, QUICK.get(backend))[1]
    second = profile(backend, work, QUICK.get(backend))[1]
    assert first["metrics"].keys() == second["metrics"].keys()
    assert ([row["code"] for row in first["sites"]]
            == [row["code"] for row in second["sites"]])


@pytest.mark.parametrize("error", [ValueError, KeyboardInterrupt, SystemExit])
def test_body_that_raises(backend, error):
    def body():
        work()
        raise error("from the body")

    raised, recording = raising_profile(backend, body, QUICK.get(backend))
    assert type(raised) is error and str(raised) == "from the body"
    assert sys.getprofile() is None
    profile(backend, work, QUICK.get(backend))


def test_marks_cannot_fail(backend):
    def body():
        for name in "", "one", "two\nlines", "x" * 5000, "\u00e4":
            prf_host.mark(name)

    assert profile(backend, body, QUICK.get(backend))[1]["lost"] == 0


def test_unknown_option_then_again(backend):
    with pytest.raises(RuntimeError, match="no-such-option"):
        profile(backend, work, {"no-such-option": "1"})
    profile(backend, work, QUICK.get(backend))


def test_fork_inside(backend):
    statuses = []

    def body():
        pid = os.fork()
        if pid == 0:
            work()
            os._exit(work() % 100)
        statuses.append(os.waitpid(pid, 0)[1])

    options = QUICK.get(backend, {}) | ({"max-time": "1ms", "rounds": "1"}
                                        if backend == "stopwatch" else {})
    _, recording = profile(backend, body, options)
    assert {os.waitstatus_to_exitcode(s) for s in statuses} == {work() % 100}
    assert "work" not in {row["code"][2] for row in recording["sites"]}


def test_references_are_given_back(backend):
    def body():
        work()

    profile(backend, body, QUICK.get(backend))
    before = sys.getrefcount(body), sys.getrefcount(body.__code__)
    for _ in range(3):
        profile(backend, body, QUICK.get(backend))
    assert (sys.getrefcount(body), sys.getrefcount(body.__code__)) == before
