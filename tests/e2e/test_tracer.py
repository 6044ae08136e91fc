"""The tracer in the worker, in both hosts: what children leave, and what is told."""

import pytest


@pytest.mark.parametrize("host", ["embed", "python"])
def test_children_record(each, host):
    done = each.add("tracer").run_json(f"--host={host}", "tracer/", "viztracer")
    assert set(done.statuses.values()) == {"ok"}, done
    assert done.result("profile_fork")["output"] == "1\n"
    assert done.result("profile_subprocess")["output"] == "1\n"
    assert done.result("profile_nothing")["output"] == "0\n"
    assert done.result("profile_nothing")["lost"] == 0


def test_flags_of_the_predecessor(each):
    done = each.add("model/calls.py").run_json(
        "model/calls.py", "viztracer", "--tracer_entries", "5", "--verbose", "0",
        "--max-stack-depth", "-1", "--ignore_multiprocess", "--server-only", "-p", "9002",
        "--flamegraph")
    assert set(done.statuses.values()) == {"ok"}, done
    for result in done.json["results"]:
        assert any("pyprofiler export" in note for note in result["notes"]), result
