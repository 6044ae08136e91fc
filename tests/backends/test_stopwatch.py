"""The stopwatch: how rounds, loops, warm-up and marks come about. Never how long."""

import json
import os
import time

import pytest

import prf_host
from host_tools import profile, raising_profile

FIXED = {"rounds": "4", "warmup": "2"}


def rounds_of(recording):
    return json.loads(recording["rounds"])


def test_short_body_is_looped():
    counts, recording = profile("stopwatch", lambda: None, FIXED)
    how = rounds_of(recording)
    assert how["loops"] > 100
    assert (how["rounds"], how["warmup"]) == (4, 2)
    assert counts["executions"] > 6 * how["loops"]


def test_samples_are_per_execution_and_streamed():
    _, recording = profile("stopwatch", lambda: None, FIXED)
    for name in "wall_time", "cpu_time":
        metric = recording["metrics"][name]
        assert metric["unit"] == "ns" and len(metric["samples"]) == 4
        assert metric["warmup"] >= 2
        assert all(value > 0 for value in metric["samples"])


def test_fixtures_forbid_loops():
    counts, recording = profile("stopwatch", lambda: None, FIXED, can_loop=False)
    assert rounds_of(recording)["loops"] == 1
    assert counts["executions"] == counts["rounds"] > 6


def test_slow_body_is_executed_once():
    counts, recording = profile("stopwatch", lambda: time.sleep(0.02),
                                {"max-time": "10ms"})
    assert counts["executions"] == 1
    how = rounds_of(recording)
    assert (how["rounds"], how["warmup"], how["converged"]) == (1, 0, False)
    assert how["relative_ci"] is None


def test_min_rounds_outweigh_max_time():
    _, recording = profile("stopwatch", lambda: time.sleep(0.005),
                           {"max-time": "1ms", "min-rounds": "3"})
    assert rounds_of(recording)["rounds"] == 3


@pytest.mark.parametrize("options, rounds", [
    ({}, 1), ({"rounds": "2"}, 2), ({"max-time": "1ms", "min-rounds": "3"}, 3),
])
def test_short_gives_way_to_other_lengths(options, rounds):
    _, recording = profile("stopwatch", lambda: time.sleep(0.026),
                           {"short": None, "warmup": "0", **options})
    assert rounds_of(recording)["rounds"] == rounds


def test_short_and_a_limit():
    _, recording = profile("stopwatch", lambda: None, {"short": None, "quick": None})
    assert rounds_of(recording)["max_time_ns"] == 500_000_000


def test_warmup_can_be_none():
    _, recording = profile("stopwatch", lambda: time.sleep(0.002),
                           {"rounds": "2", "warmup": "0"})
    assert recording["metrics"]["wall_time"]["warmup"] == 0
    assert rounds_of(recording)["rounds"] == 2


def test_ends_by_time_or_by_precision():
    _, recording = profile("stopwatch", lambda: None, {"quick": None})
    how = rounds_of(recording)
    assert how["max_time_ns"] == 500_000_000 and how["target_ci"] == 0.05
    assert how["rounds"] >= 1


def test_marks_are_averaged_over_executions():
    def body():
        prf_host.mark("a")
        prf_host.mark("b")

    counts, recording = profile("stopwatch", body, {**FIXED, "max-time": "50ms"})
    (a, at_a, delta_a, n_a), (b, at_b, delta_b, n_b) = recording["marks"]
    assert (a, b) == ("a", "b") and n_a == n_b <= counts["executions"]
    assert 0 < at_a < at_b and delta_a == at_a and delta_b < at_b
    assert rounds_of(recording)["loops"] == 1


def test_too_many_marks_are_lost_and_said():
    def body():
        for i in range(1100):
            prf_host.mark(str(i))

    counts, recording = profile("stopwatch", body, {"rounds": "1", "warmup": "0"})
    assert len(recording["marks"]) == 1000
    assert recording["lost"] == 100 * counts["executions"]


def test_raising_body_gives_no_sample():
    error, recording = raising_profile("stopwatch", lambda: 1 // 0)
    assert isinstance(error, ZeroDivisionError)
    assert "wall_time" not in recording["metrics"]


def test_affinity_holds_during_the_body_only():
    before = os.sched_getaffinity(0)
    cpu = min(before)
    seen = []
    profile("stopwatch", lambda: seen.append(os.sched_getaffinity(0)),
            {"rounds": "1", "warmup": "0", "affinity": str(cpu), "max-time": "10ms"})
    assert set(map(frozenset, seen)) == {frozenset({cpu})}
    assert os.sched_getaffinity(0) == before


@pytest.mark.parametrize("options, text", [
    ({"affinity": "x"}, "'x' is not the number of a CPU"),
    ({"affinity": "0,-1"}, "'-1' is not the number of a CPU"),
    ({"affinity": "1000"}, "cannot run on these CPUs"),
    ({"quick": None, "rigorous": None}, "exclude each other"),
    ({"units": "weeks"}, "units"),
])
def test_wrong_options(options, text):
    with pytest.raises(RuntimeError, match=text):
        profile("stopwatch", lambda: None, options)
